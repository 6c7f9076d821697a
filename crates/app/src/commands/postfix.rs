//! `sekisho postfix`: what Postfix needs to be told to use this service; told on request, and taken back on request.
//!
//! Postfix's own `postconf` reads and writes its files. What is there stays: our milter comes behind others, a content
//! filter that is already set is left alone. Before anything is changed both files are copied to `sekisho.saved` beside
//! them, with a list of what is made; taking back puts the copies in place where nobody changed the files since, and
//! else takes out exactly what was made.

use crate::config::{Config, Late, Listen};
use crate::environment;
use crate::language::{self, said};
use crate::output::Output;
use crate::serve::listen::Address;
use crate::{CLEAN, TROUBLE};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Make the changes; the default is to print them
    #[arg(long, conflicts_with = "undo")]
    apply: bool,
    /// Take back what --apply made, and nothing else
    #[arg(long)]
    undo: bool,
    /// Only print what would be changed, also with --apply or --undo
    #[arg(long)]
    dry_run: bool,
    /// Then let a running Postfix read its files again
    #[arg(long)]
    reload: bool,
    /// Another folder of main.cf and master.cf than Postfix's own (sekisho's configuration is --config)
    #[arg(short = 'c', value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let postfix = Postfix::find(arguments.folder.as_deref());
    if arguments.folder.is_some()
        && let Err(error) = &postfix
    {
        bail!(
            "{}",
            said!(
                "{error:#}: -c names a folder of Postfix's; sekisho's own configuration is --config FILE",
                "{error:#}: -c は Postfix のフォルダーです。sekisho の設定ファイルは --config FILE で指定してください"
            )
        );
    }
    if arguments.undo && arguments.dry_run {
        match postfix?.made()? {
            Some(made) => output.text(&made.text())?,
            None => output.line("There is nothing of ours to take back.")?,
        }
        output.flush()?;
        return Ok(CLEAN);
    }
    if arguments.undo {
        match postfix?.undo()? {
            Some(left) => {
                output.line("What was made is taken back.")?;
                left.iter().try_for_each(|left| output.line(&said!("Left alone: {left}", "そのまま: {left}")))?;
            }
            None => output.line("There is nothing of ours to take back.")?,
        }
        finish(arguments, &mut output)?;
        return Ok(CLEAN);
    }
    let (config, _) = Config::load(arguments.config.as_deref())?;
    let wanted = Wanted::of(&config, postfix.as_ref().ok());
    if wanted.parts.is_empty() {
        bail!(
            "{}",
            said!(
                "no [[listen]] table is one that Postfix would use: milter, policy, smtp",
                "Postfix が使う [[listen]]（milter、policy、smtp）がありません"
            )
        );
    }
    for note in &wanted.notes {
        eprintln!("sekisho: {note}");
    }
    if !arguments.apply || arguments.dry_run {
        let plan = wanted.plan(postfix.as_ref().ok())?;
        output.text(&plan.text())?;
        output.flush()?;
        return Ok(told(&plan.obstacles));
    }
    let postfix = postfix?;
    if postfix.has(&wanted)? {
        output.line(language::pick(
            "Postfix is set up for this configuration; nothing is changed.",
            "Postfix はこの設定に合っています。何も変更しません。",
        ))?;
        finish(arguments, &mut output)?;
        return Ok(CLEAN);
    }
    if postfix.undo()?.is_some() {
        output.line(language::pick(
            "What an earlier --apply made is taken back first.",
            "以前の --apply の変更を先に元に戻します。",
        ))?;
    }
    let plan = wanted.plan(Some(&postfix))?;
    if plan.is_empty() {
        output.line(language::pick("There is nothing to change.", "変更するものはありません。"))?;
    } else {
        postfix.apply(&wanted, &plan)?;
        output.text(&plan.text())?;
        output.line(&said!(
            "Made in {}. Take it back with: sekisho postfix --undo",
            "{} に書きました。元に戻すには: sekisho postfix --undo",
            postfix.folder.display()
        ))?;
        finish(arguments, &mut output)?;
    }
    output.flush()?;
    Ok(told(&plan.obstacles))
}

fn finish(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    match arguments.reload {
        true => Postfix::find(arguments.folder.as_deref())?.postfix("reload")?,
        false => {
            output.line(language::pick("Postfix follows after: postfix reload", "反映するには: postfix reload"))?
        }
    }
    output.flush()?;
    Ok(())
}

fn told(obstacles: &[String]) -> u8 {
    for obstacle in obstacles {
        eprintln!("sekisho: {obstacle}");
    }
    if obstacles.is_empty() { CLEAN } else { TROUBLE }
}

/// One thing to be said to Postfix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    /// An element of a list in main.cf.
    Element { key: String, element: String, socket: String },
    /// A parameter of main.cf that has one value.
    Value { key: String, value: String },
    /// An entry of master.cf: `name/type`, and the line.
    Service { name: String, line: String },
    /// A parameter (`-o`) of an entry that is there: `name/type/parameter`.
    Option { name: String, value: String },
}

/// What this configuration wants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    parts: Vec<Part>,
    notes: Vec<String>,
}

/// A listener, as Postfix uses it.
struct Stage<'a> {
    protocol: &'a str,
    socket: &'a Address,
    /// Where a content filter hands mail back, if it is to this Postfix.
    back: Option<Address>,
    /// It is to be asked while the client waits: what adds no Received field is no hop of its own.
    before_queue: bool,
}

fn stages(config: &Config) -> Vec<Stage<'_>> {
    let back = |listen: &Listen| {
        let next_hop = listen.next_hop.as_ref().or(config.relay.next_hop.as_ref()).filter(|next_hop| !next_hop.lmtp)?;
        match &next_hop.socket {
            Address::Inet(host, _) if ["127.0.0.1", "::1", "localhost"].contains(&host.as_str()) => {
                Some(next_hop.socket.clone())
            }
            _ => None,
        }
    };
    config
        .listen
        .iter()
        .map(|listen| Stage {
            protocol: &listen.protocol,
            socket: &listen.socket,
            back: back(listen),
            before_queue: !listen.received,
        })
        .collect()
}

/// Postfix's own time-out for a milter's verdict is 300 s.
const PATIENCE: u64 = 270;

impl Wanted {
    fn of(config: &Config, postfix: Option<&Postfix>) -> Wanted {
        let mut wanted = Wanted::default();
        for Stage { protocol, socket, back, before_queue } in stages(config) {
            match protocol {
                "milter" => wanted.milter(config, &spelled(socket, postfix)),
                "policy" => {
                    let socket = spelled(socket, postfix);
                    // Without an answer mail goes on: what comes later judges the message itself.
                    let element = format!("check_policy_service {{ {socket}, default_action=DUNNO }}");
                    wanted.parts.push(Part::Element { key: "smtpd_recipient_restrictions".into(), element, socket });
                }
                "smtp" if before_queue => wanted.proxy_filter(socket, back),
                "smtp" => wanted.content_filter(socket, back),
                _ => continue,
            }
            if let (Address::Unix(path), Some(postfix)) = (socket, postfix)
                && protocol != "smtp"
            {
                wanted.notes.extend(postfix.cannot_reach(path));
            }
        }
        wanted.notes.extend(wanted.judged_twice(postfix));
        wanted
    }

    /// What comes back from a filter of somebody else's would meet the milter again.
    fn judged_twice(&self, postfix: Option<&Postfix>) -> Option<String> {
        let milter = |part: &Part| matches!(part, Part::Element { key, .. } if key == "smtpd_milters");
        let filter = postfix?.main("content_filter").ok()??;
        let foreign = !filter.is_empty() && !filter.starts_with("sekisho:");
        (foreign && self.parts.iter().any(milter)).then(|| {
            format!(
                "content_filter is {filter}: in master.cf, the smtpd at which it hands mail back needs -o smtpd_milters= (amavisd: \
                 127.0.0.1:10025), or everything is judged twice"
            )
        })
    }

    fn milter(&mut self, config: &Config, socket: &str) {
        let action = if config.limits.late == Late::Pass { "accept" } else { "tempfail" };
        let deadline = config.limits.deadline.0.as_secs();
        let patience = if deadline > PATIENCE {
            format!(", content_timeout={}s", deadline.saturating_add(30))
        } else {
            String::new()
        };
        let element = format!("{{ {socket}, default_action={action}{patience} }}");
        for key in ["smtpd_milters", "non_smtpd_milters"] {
            self.parts.push(Part::Element { key: key.into(), element: element.clone(), socket: socket.to_owned() });
        }
    }

    fn content_filter(&mut self, socket: &Address, back: Option<Address>) {
        let Address::Inet(host, port) = socket else {
            return self.notes.push(format!("smtp on {socket}: Postfix's smtp client needs an inet socket; left out"));
        };
        self.parts
            .push(Part::Value { key: "content_filter".into(), value: format!("sekisho:[{}]:{port}", near(host)) });
        let line = "sekisho unix - - n - - smtp -o smtp_send_xforward_command=yes -o disable_dns_lookups=yes \
                    -o smtp_tls_security_level=none -o max_use=20";
        self.parts.push(Part::Service { name: "sekisho/unix".into(), line: line.into() });
        self.way_back(back);
    }

    /// At the port where strangers come alone: what people hand in who log in has no client that could be judged.
    fn proxy_filter(&mut self, socket: &Address, back: Option<Address>) {
        let Address::Inet(host, port) = socket else {
            return self.notes.push(format!("smtp on {socket}: Postfix's smtpd needs an inet socket; left out"));
        };
        for (key, value) in [
            ("smtpd_proxy_filter", format!("{}:{port}", bracketed(near(host)))),
            ("smtpd_proxy_timeout", "600s".to_owned()),
            // Postfix has the message whole before we hear of it: a slow sender wears out nobody's patience.
            ("smtpd_proxy_options", "speed_adjust".to_owned()),
        ] {
            self.parts.push(Part::Option { name: format!("smtp/inet/{key}"), value });
        }
        self.way_back(back);
    }

    fn way_back(&mut self, back: Option<Address>) {
        if let Some(Address::Inet(host, port)) = back {
            let name = format!("{}:{port}", bracketed(near(&host)));
            let line = format!(
                "{name} inet n - n - - smtpd -o content_filter= -o smtpd_proxy_filter= \
                 -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters \
                 -o smtpd_helo_restrictions= -o smtpd_client_restrictions= -o smtpd_sender_restrictions= \
                 -o smtpd_relay_restrictions= -o smtpd_recipient_restrictions=permit_mynetworks,reject \
                 -o mynetworks=127.0.0.0/8,[::1]/128 -o smtpd_authorized_xforward_hosts=127.0.0.0/8,[::1]/128 \
                 -o smtpd_tls_security_level=none"
            );
            self.parts.push(Part::Service { name: format!("{name}/inet"), line });
        }
    }

    /// What has to change for it.
    fn plan(&self, postfix: Option<&Postfix>) -> anyhow::Result<Plan> {
        let mut plan = Plan::default();
        let now = |key: &str| postfix.map_or(Ok(None), |postfix| postfix.main(key));
        for part in &self.parts {
            match part {
                Part::Element { key, element, socket } => {
                    let planned = plan.main.iter().find(|(planned, _)| planned == key).map(|(_, new)| new.clone());
                    let old = match planned {
                        Some(planned) => planned,
                        None => now(key)?.unwrap_or_default(),
                    };
                    let through_other = key == "non_smtpd_milters" && old.contains("smtpd_milters");
                    if names(&old, socket) || through_other {
                        continue;
                    }
                    let new = with(&old, element);
                    plan.main.retain(|(planned, _)| planned != key);
                    plan.main.push((key.clone(), new));
                }
                Part::Value { key, value } => match now(key)?.unwrap_or_default() {
                    old if old == *value => {}
                    old if old.is_empty() => plan.main.push((key.clone(), value.clone())),
                    old => plan.obstacles.push(format!(
                        "{key} is {old}; it is left alone, since there can be only one. Chain the two, or take it out and \
                         come again"
                    )),
                },
                Part::Service { name, line } => match postfix.map_or(Ok(None), |postfix| postfix.master(name))? {
                    Some(old) if same_words(&old, line) => {}
                    Some(_) => plan.obstacles.push(format!("master.cf has {name} already; it is left alone")),
                    None => plan.master.push((name.clone(), line.clone())),
                },
                Part::Option { name, value } => match postfix.map_or(Ok(None), |postfix| postfix.option(name))? {
                    Some(old) if old == *value => {}
                    Some(old) => plan.obstacles.push(format!("master.cf has {name} = {old} already; it is left alone")),
                    None => plan.options.push((name.clone(), value.clone())),
                },
            }
        }
        Ok(plan)
    }
}

/// Values of main.cf and entries of master.cf as they are to be.
#[derive(Debug, Default)]
struct Plan {
    main: Vec<(String, String)>,
    master: Vec<(String, String)>,
    options: Vec<(String, String)>,
    obstacles: Vec<String>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.main.is_empty() && self.master.is_empty() && self.options.is_empty()
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.main.is_empty() {
            out.push_str("# main.cf\n");
            self.main.iter().for_each(|(key, value)| out.push_str(&format!("{key} = {value}\n")));
        }
        if !self.master.is_empty() {
            out.push_str("# master.cf\n");
            self.master.iter().for_each(|(_, line)| out.push_str(&format!("{}\n", line.replace(" -o ", "\n  -o "))));
        }
        if !self.options.is_empty() {
            out.push_str("# master.cf, at the entries that are there\n");
            self.options.iter().for_each(|(name, value)| {
                let (service, key) = name.rsplit_once('/').unwrap_or_default();
                out.push_str(&format!("{service}\n  -o {key}={value}\n"));
            });
        }
        if out.is_empty() {
            out.push_str("# Nothing needs to be changed.\n");
        }
        out
    }
}

/// As an address of version 6 stands before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// From where Postfix runs.
fn near(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    }
}

/// As Postfix spells sockets; those below its queue folder are named from there, since it may not see anything else.
fn spelled(socket: &Address, postfix: Option<&Postfix>) -> String {
    match socket {
        Address::Inet(host, port) if near(host).contains(':') => format!("inet:[{}]:{port}", near(host)),
        Address::Inet(host, port) => format!("inet:{}:{port}", near(host)),
        Address::Unix(path) => {
            let queue = postfix.and_then(|postfix| postfix.parameter("queue_directory").ok());
            let below = queue.and_then(|queue| path.strip_prefix(queue).ok());
            format!("unix:{}", below.unwrap_or(path).display())
        }
    }
}

/// Does the list have this socket, however it is dressed?
fn names(list: &str, socket: &str) -> bool {
    list.split([' ', '\t', '\n', ',', '{', '}']).any(|word| word == socket)
}

/// The list with one more element: the last, but before a word that ends all restrictions.
fn with(list: &str, element: &str) -> String {
    let list = list.trim();
    if list.is_empty() {
        return element.to_owned();
    }
    let last = list.rsplit([' ', '\t', ',']).next().unwrap_or_default();
    if element.starts_with("check_policy_service") && ["permit", "reject", "defer"].contains(&last) {
        let before = list[..list.len() - last.len()].trim_end().trim_end_matches(',');
        return [before, element, last].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    }
    format!("{}, {element}", list.trim_end_matches(','))
}

/// The list without the element; `None`: it is not in there.
fn without(list: &str, element: &str) -> Option<String> {
    let at = list.find(element)?;
    let separator = |c: char| c == ',' || c.is_whitespace();
    let (before, after) =
        (list[..at].trim_end_matches(separator), list[at + element.len()..].trim_start_matches(separator));
    Some(if before.is_empty() || after.is_empty() { format!("{before}{after}") } else { format!("{before}, {after}") })
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// What --apply leaves behind for --undo.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    parts: Vec<Part>,
    /// Key, what it was (`None`: not in the file), what it is.
    main: Vec<(String, Option<String>, String)>,
    master: Vec<(String, String)>,
    #[serde(default)]
    options: Vec<(String, String)>,
}

impl Made {
    /// What --undo would take back, where nobody changed it since.
    fn text(&self) -> String {
        let mut out = String::from("# main.cf, back to what it was\n");
        for (key, old, _) in &self.main {
            match old {
                Some(old) => out.push_str(&format!("{key} = {old}\n")),
                None => out.push_str(&format!("# without {key}\n")),
            }
        }
        self.master.iter().for_each(|(name, _)| out.push_str(&format!("# master.cf without {name}\n")));
        self.options.iter().for_each(|(name, _)| out.push_str(&format!("# master.cf without {name}\n")));
        out
    }
}

const FILES: [&str; 2] = ["main.cf", "master.cf"];

/// A Postfix's configuration.
#[derive(Debug)]
struct Postfix {
    folder: PathBuf,
}

impl Postfix {
    fn find(folder: Option<&Path>) -> anyhow::Result<Postfix> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => ask("postconf", &["-h", "config_directory"])?.trim().into(),
        };
        let postfix = Postfix { folder };
        if !postfix.file("main.cf").is_file() {
            bail!("{}", said!("{}: there is no main.cf", "{}: main.cf がありません", postfix.folder.display()));
        }
        Ok(postfix)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn saved(&self) -> PathBuf {
        self.folder.join("sekisho.saved")
    }

    fn postconf(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let folder = self.folder.display().to_string();
        ask("postconf", &[&["-c", &folder], arguments].concat())
    }

    /// `postfix check`, `postfix reload`.
    fn postfix(&self, verb: &str) -> anyhow::Result<()> {
        let folder = self.folder.display().to_string();
        ask("postfix", &["-c", &folder, verb]).map(drop)
    }

    /// Whatever is in force.
    fn parameter(&self, key: &str) -> anyhow::Result<String> {
        Ok(self.postconf(&["-hx", key])?.trim().to_owned())
    }

    /// As main.cf has it; `None`: it does not.
    fn main(&self, key: &str) -> anyhow::Result<Option<String>> {
        let line = self.postconf(&["-n", key])?;
        Ok(line.split_once('=').filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()))
    }

    fn set(&self, key: &str, value: Option<&str>) -> anyhow::Result<()> {
        match value {
            Some(value) => self.postconf(&["-e", &format!("{key}={value}")]),
            None => self.postconf(&["-X", key]),
        }
        .map(drop)
    }

    /// The line of master.cf for `name/type`.
    fn master(&self, name: &str) -> anyhow::Result<Option<String>> {
        let all = self.postconf(&["-M"])?;
        let wanted: Vec<&str> = name.rsplitn(2, '/').collect();
        Ok(all
            .lines()
            .find(|line| {
                let mut words = line.split_whitespace();
                [words.next(), words.next()] == [wanted.get(1).copied(), wanted.first().copied()]
            })
            .map(str::to_owned))
    }

    /// A parameter of an entry of master.cf, `name/type/parameter`; `None`: the entry does not say.
    fn option(&self, name: &str) -> anyhow::Result<Option<String>> {
        let all = self.postconf(&["-P"])?;
        let value = |line: &str| {
            line.split_once('=').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        Ok(all.lines().find_map(value))
    }

    /// Why the socket may be out of reach.
    fn cannot_reach(&self, path: &Path) -> Option<String> {
        let queue = self.parameter("queue_directory").ok()?;
        let chroot = self.postconf(&["-F", "smtp/inet/chroot"]).is_ok_and(|line| line.trim_end().ends_with("= y"));
        (chroot && !path.starts_with(&queue)).then(|| {
            format!(
                "smtpd runs with {queue} as its root and cannot reach {}: put the socket below that folder, or take an \
                 inet socket",
                path.display()
            )
        })
    }

    fn made(&self) -> anyhow::Result<Option<Made>> {
        let file = self.saved().join("made.json");
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    /// Is all of it there, made by us, and nothing else of ours?
    fn has(&self, wanted: &Wanted) -> anyhow::Result<bool> {
        let made = self.made()?.is_some_and(|made| made.parts == wanted.parts);
        let plan = wanted.plan(Some(self))?;
        Ok(made && plan.is_empty() && plan.obstacles.is_empty())
    }

    fn apply(&self, wanted: &Wanted, plan: &Plan) -> anyhow::Result<()> {
        let main = plan.main.iter().map(|(key, new)| Ok((key.clone(), self.main(key)?, new.clone())));
        let made = Made {
            parts: wanted.parts.clone(),
            main: main.collect::<anyhow::Result<_>>()?,
            master: plan.master.clone(),
            options: plan.options.clone(),
        };
        self.save(&made)?;
        let done = self.make(plan).and_then(|()| match environment::is_root() {
            true => self.postfix("check"),
            false => Ok(()), // Postfix lets only root ask
        });
        if let Err(error) = done {
            self.undo()?;
            return Err(error.context("nothing is changed"));
        }
        Ok(())
    }

    /// Copies first: what breaks off half-way can be taken back.
    fn save(&self, made: &Made) -> anyhow::Result<()> {
        let saved = self.saved();
        let told = || format!("cannot keep what is there in {}", saved.display());
        let _ = fs::remove_dir_all(&saved);
        fs::DirBuilder::new().mode(0o700).create(&saved).with_context(told)?;
        for name in FILES {
            fs::copy(self.file(name), saved.join(name)).with_context(told)?;
        }
        fs::write(saved.join("made.json"), serde_json::to_vec_pretty(made)?).with_context(told)
    }

    fn make(&self, plan: &Plan) -> anyhow::Result<()> {
        for (key, value) in &plan.main {
            self.set(key, Some(value))?;
        }
        for (name, line) in &plan.master {
            self.postconf(&["-M", &format!("{name}={line}")])?;
        }
        for (name, value) in &plan.options {
            self.postconf(&["-P", &format!("{name}={value}")])?;
        }
        for name in FILES {
            fs::copy(self.file(name), self.saved().join(format!("{name}.made")))?;
        }
        Ok(())
    }

    /// `None`: nothing was made. Else what somebody has changed since, and is left.
    fn undo(&self) -> anyhow::Result<Option<Vec<String>>> {
        let Some(made) = self.made()? else { return Ok(None) };
        let mut left = Vec::new();
        if !self.put_back("main.cf")? {
            for (key, old, new) in &made.main {
                let now = self.main(key)?.unwrap_or_default();
                if now == *new {
                    self.set(key, old.as_deref())?;
                    continue;
                }
                let elements = made.parts.iter().filter_map(|part| match part {
                    Part::Element { key: of, element, .. } if of == key => Some(element),
                    _ => None,
                });
                let rest = elements.fold(now.clone(), |now, element| without(&now, element).unwrap_or(now));
                match rest {
                    rest if rest == now => left.push(format!("{key} = {now}, which has been changed since")),
                    rest if rest.is_empty() && old.is_none() => self.set(key, None)?,
                    rest => self.set(key, Some(&rest))?,
                }
            }
        }
        if !self.put_back("master.cf")? {
            for (name, line) in &made.master {
                match self.master(name)? {
                    Some(now) if same_words(&now, line) => drop(self.postconf(&["-MX", name])?),
                    Some(_) => left.push(format!("{name} in master.cf, which has been changed since")),
                    None => {}
                }
            }
            for (name, value) in &made.options {
                match self.option(name)? {
                    Some(now) if now == *value => drop(self.postconf(&["-PX", name])?),
                    Some(now) => left.push(format!("{name} = {now} in master.cf, which has been changed since")),
                    None => {}
                }
            }
        }
        fs::remove_dir_all(self.saved())?;
        Ok(Some(left))
    }

    /// The file as it was, unless somebody has changed it since.
    fn put_back(&self, name: &str) -> anyhow::Result<bool> {
        let (file, saved) = (self.file(name), self.saved());
        let now = fs::read(&file)?;
        if fs::read(saved.join(format!("{name}.made"))).ok().as_ref() != Some(&now) {
            return Ok(false);
        }
        let about = file.metadata()?;
        let draft = self.file(&format!("{name}.sekisho"));
        fs::copy(saved.join(name), &draft)?;
        fs::set_permissions(&draft, about.permissions())?;
        let _ = chown(&draft, Some(about.uid()), Some(about.gid()));
        fs::rename(&draft, &file)?;
        Ok(true)
    }
}

/// What a program of Postfix says; what it says against it is an error.
fn ask(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/pkg/sbin"].map(|place| Path::new(place).join(program));
    let path = places.into_iter().find(|path| path.exists()).unwrap_or_else(|| program.into());
    let output = Command::new(&path).args(arguments).stdin(Stdio::null()).output().with_context(|| {
        said!("{program}: is Postfix installed?", "{program}: Postfix はインストールされていますか")
    })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        bail!("{program} {}: {said}", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_and_go() {
        let ours = "{ inet:127.0.0.1:8899, default_action=tempfail }";
        for list in ["", "inet:localhost:11332", "a, b", "unix:/x,{ inet:h:1, default_action=accept }"] {
            let longer = with(list, ours);
            assert!(longer.ends_with(ours) && names(&longer, "inet:127.0.0.1:8899"), "{longer}");
            assert_eq!(without(&longer, ours).as_deref(), Some(list));
        }
        assert_eq!(without("a, b", ours), None);
        assert_eq!(without(&format!("a {ours} b"), ours).as_deref(), Some("a, b"));

        let policy = "check_policy_service { inet:127.0.0.1:10023, default_action=DUNNO }";
        for (list, longer) in [
            ("permit_mynetworks, permit", format!("permit_mynetworks, {policy}, permit")),
            ("permit_mynetworks reject", format!("permit_mynetworks, {policy}, reject")),
            (
                "permit_mynetworks,reject_unauth_destination",
                format!("permit_mynetworks,reject_unauth_destination, {policy}"),
            ),
            ("permit", format!("{policy}, permit")),
            ("", policy.to_owned()),
        ] {
            assert_eq!(with(list, policy), longer);
        }
    }

    #[test]
    fn a_content_filter_needs_a_way_there_and_a_way_back() {
        let listen = "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:10024\"\n";
        let lines = |next_hop: &str| {
            let config = Config::parse(&format!("{listen}next_hop = \"{next_hop}\"")).unwrap();
            Wanted::of(&config, None).plan(None).unwrap().text()
        };
        let here = lines("smtp:127.0.0.1:10025");
        for line in [
            "content_filter = sekisho:[127.0.0.1]:10024",
            "sekisho unix - - n - - smtp",
            "  -o smtp_send_xforward_command=yes",
            "127.0.0.1:10025 inet n - n - - smtpd",
            "  -o content_filter=",
        ] {
            assert!(here.lines().any(|found| found == line), "{line} in {here}");
        }
        assert!(!lines("smtp:192.0.2.1:25").contains("inet n"), "that is another server's business");
        // Before the queue the message is there whole before we hear of it.
        let before = lines("smtp:127.0.0.1:10025\"\nreceived = false\ngate = \"auto");
        assert!(before.contains("smtp/inet\n  -o smtpd_proxy_options=speed_adjust\n"), "{before}");
    }

    #[test]
    fn a_configuration_becomes_lines() {
        let text = "[limits]\nlate = \"pass\"\ndeadline = \"400s\"\n[[listen]]\nprotocol = \"milter\"\n\
                    socket = \"inet:*:8899\"\n[[listen]]\nprotocol = \"policy\"\nsocket = \"unix:/run/p\"\n\
                    [[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:783\"";
        let plan = Wanted::of(&Config::parse(text).unwrap(), None).plan(None).unwrap();
        let milter = "{ inet:127.0.0.1:8899, default_action=accept, content_timeout=430s }";
        let expected = format!(
            "# main.cf\nsmtpd_milters = {milter}\nnon_smtpd_milters = {milter}\nsmtpd_recipient_restrictions = \
             check_policy_service {{ unix:/run/p, default_action=DUNNO }}\n"
        );
        assert_eq!(plan.text(), expected);
    }
}
