//! `sekisho feeds`: rules and signatures that others publish.

use super::{Format, WithConfig};
use crate::config::{self, Config};
use crate::feeds::progress::Progress;
use crate::feeds::state::State;
use crate::feeds::suspended::Suspended;
use crate::feeds::update::{self, Options, Outcome, Report};
use crate::feeds::{self as app, Added, Feed, How};
use crate::language::said;
use crate::output::{Colour, Output};
use crate::{CLEAN, FOUND, TROUBLE, environment, language, owner};
use anyhow::{Context, bail};
use clap::Subcommand;
use indicatif::DecimalBytes;
use serde::Serialize;
use std::path::PathBuf;

pub type Arguments = WithConfig<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Whose rules and signatures can be had, and how often they hit good mail
    List {
        /// Single files too
        #[arg(long)]
        files: bool,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Fetch what is due: look at it, try it, put it in force. Exit 1: something was refused, 2: a feed failed.
    Update {
        /// Feeds; default: all that are on
        names: Vec<String>,
        /// Ask although it is not time yet
        #[arg(long)]
        now: bool,
        /// Take it with its errors, or though it shrank or was taken back
        #[arg(long, requires = "names")]
        accept: bool,
    },
    /// Turn a feed of the list on, or add one: URL of a file, or channel:ZONE
    Add {
        /// A name of the list, an address, or channel:ZONE
        what: String,
        /// What to call it; default: made of the address
        #[arg(long)]
        name: Option<String>,
        /// Under which name the file is kept, such as tlec.cf
        #[arg(long, value_name = "NAME")]
        file: Option<String>,
        /// Address of a checksum, or what is to be added to the URL, such as .sha256
        #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
        checksum: String,
        /// Likewise of a detached OpenPGP signature
        #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
        signature: String,
        /// The publisher's public key
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Of that key
        #[arg(long, value_name = "HEX", default_value = "", hide_default_value = true)]
        fingerprint: String,
        /// How often to ask
        #[arg(long, value_name = "TIME", value_parser = span, default_value = "1d")]
        every: config::Span,
        /// How likely it is to hit good mail: what is more so than the configuration allows is not taken
        #[arg(long, value_enum, default_value = "medium")]
        risk: config::Risk,
    },
    /// Turn a feed off, and take away what was fetched of it
    Remove {
        /// As `sekisho feeds list` shows it
        name: String,
    },
    /// What is in force, since when, what is wrong, what is suspended. Exit 1: something is wrong
    Status {
        /// Feeds; default: all that are on
        names: Vec<String>,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Whether the files are still those that were taken. Exit 1: some are not
    Verify {
        /// Feeds; default: all that are on
        names: Vec<String>,
    },
    /// Put the set before in force again; the present one is not taken a second time
    Rollback {
        /// As `sekisho feeds list` shows it
        name: String,
    },
    /// Put a rule or signature in force again that was suspended for hitting good mail
    Pardon {
        /// The rule or signature, as `sekisho feeds status` shows it
        name: String,
    },
}

impl What {
    fn writes(&self) -> bool {
        !matches!(self, What::List { .. } | What::Status { .. } | What::Verify { .. })
    }
}

fn span(text: &str) -> Result<config::Span, String> {
    let value = toml::Value::String(text.to_owned());
    value
        .try_into()
        .map_err(|_| language::pick("expected a time such as 6h or 1d", "6h や 1d のように書いてください").to_owned())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, _) = Config::load(arguments.config.as_deref())?;
    if arguments.what.writes() {
        // The service's user must be able to replace what we write, and could lead root astray in there.
        owner::become_owner(&config.feeds.folder)?;
    }
    let mut output = Output::new();
    let code = match &arguments.what {
        What::List { files, format } => list(&config, Scope::Feeds, *files, *format, &mut output)?,
        What::Update { names, now, accept } => {
            let options = Options { early: *now || *accept, accept: *accept };
            run_updates(&config, Scope::Feeds, names, options, &mut output)?
        }
        What::Add { what, name, file, checksum, signature, key, fingerprint, every, risk } => {
            let (url, channel) = match what.strip_prefix("channel:") {
                Some(zone) => (String::new(), zone.to_owned()),
                None => (what.clone(), String::new()),
            };
            let feed = config::Feed {
                name: name.clone().unwrap_or_else(|| usual_name(what)),
                url,
                channel,
                file: file.clone().unwrap_or_default(),
                checksum: checksum.clone(),
                signature: signature.clone(),
                key: key.clone().unwrap_or_default(),
                fingerprint: fingerprint.clone(),
                every: *every,
                risk: *risk,
                on: true,
            };
            add(&config, what, feed, &mut output)?
        }
        What::Remove { name } => remove(&config, name, &mut output)?,
        What::Status { names, format } => status(&config, Scope::Feeds, names, *format, &mut output)?,
        What::Verify { names } => verify(&config, Scope::Feeds, names, &mut output)?,
        What::Rollback { name } => {
            let feed = one(&config, name)?;
            update::roll_back(&config, &feed)?;
            output.line(&said!("{name}: the set before is in force again", "{name}: 一つ前のものに戻しました"))?;
            CLEAN
        }
        What::Pardon { name } => {
            let mut suspended = Suspended::load(&config);
            if !suspended.pardon(name) {
                bail!(
                    "{}",
                    said!(
                        "{name} is not suspended; see: sekisho feeds status",
                        "{name} は止められていません（確認: sekisho feeds status）"
                    )
                );
            }
            suspended.store(&config)?;
            output.line(&said!(
                "{name} is in force again, and will not be suspended a second time",
                "{name} を再び有効にしました。もう止められることはありません"
            ))?;
            CLEAN
        }
    };
    output.flush()?;
    Ok(code)
}

pub(super) fn one(config: &Config, name: &str) -> anyhow::Result<Feed> {
    let all = app::all(config)?;
    let names: Vec<&str> = all.iter().map(|feed| feed.name.as_str()).collect();
    let known = said!(
        "there is no feed {name:?}; there are: {}",
        "フィード {name:?} はありません。あるもの: {}",
        names.join(", ")
    );
    all.into_iter().find(|feed| feed.name == name).context(known)
}

/// Which part of what is fetched a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Rules and signatures.
    Feeds,
    Data,
}

impl Scope {
    fn has(self, feed: &Feed) -> bool {
        (self == Scope::Data) == feed.is_data()
    }

    fn name(self) -> &'static str {
        if self == Scope::Data { "data" } else { "feeds" }
    }
}

/// Those named, or all that are on.
fn chosen(config: &Config, scope: Scope, names: &[String]) -> anyhow::Result<Vec<Feed>> {
    match names.is_empty() {
        true => Ok(app::all(config)?.into_iter().filter(|feed| feed.on && scope.has(feed)).collect()),
        false => names.iter().map(|name| one(config, name)).collect(),
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    on: bool,
    recommended: bool,
    gives: &'a str,
    how: &'a str,
    every_seconds: u64,
    risk: &'a str,
    account: bool,
    note: &'a str,
    files: Vec<ListedFile<'a>>,
}

#[derive(Serialize)]
struct ListedFile<'a> {
    name: &'a str,
    risk: &'a str,
    wanted: bool,
}

pub(super) fn list(
    config: &Config,
    scope: Scope,
    files: bool,
    format: Format,
    output: &mut Output,
) -> anyhow::Result<u8> {
    let painter = output.painter();
    for feed in app::all(config)?.into_iter().filter(|feed| scope.has(feed)) {
        let source = feed.source;
        let gone = match feed.how {
            How::Gone { reason } => Some(reason),
            _ => None,
        };
        let wanted = |name: &str| feed.files.iter().any(|file| file.name == name);
        let listed = Listed {
            name: &feed.name,
            on: feed.on && gone.is_none(),
            recommended: source.is_some_and(|source| source.recommended),
            gives: source.map_or("a feed of your own", |source| source.gives),
            how: source.map_or_else(|| own_way(&feed.how), |source| source.fetch.name()),
            every_seconds: feed.every,
            risk: feed.risk.name(),
            account: source.is_some_and(|source| source.account),
            note: gone.unwrap_or_else(|| source.map_or("", |source| source.note)),
            files: match source {
                Some(source) => {
                    let listed = |file: &'static feeds::File| ListedFile {
                        name: file.name,
                        risk: file.risk.name(),
                        wanted: wanted(file.name),
                    };
                    source.files.iter().map(listed).collect()
                }
                None => {
                    let own = feed.files.iter();
                    own.map(|file| ListedFile { name: &file.name, risk: file.risk.name(), wanted: true }).collect()
                }
            },
        };
        if format == Format::Json {
            output.line(&serde_json::to_string(&listed)?)?;
            continue;
        }
        let state = match (gone.is_some(), listed.on, listed.recommended) {
            (true, ..) => painter.paint(Colour::Red, language::pick("dead", "終了")),
            (_, true, _) => painter.paint(Colour::Green, language::pick("on", "有効")),
            (_, _, true) => language::pick("off, recommended", "無効、推奨").into(),
            _ => language::pick("off", "無効").into(),
        };
        output.line(&format!("{} ({state})", painter.paint(Colour::Bold, &feed.name)))?;
        output.line(&format!("    {}", listed.gives))?;
        if gone.is_none() {
            let account = if listed.account {
                language::pick(", an account is needed", "、アカウントが必要")
            } else {
                ""
            };
            output.line(&said!(
                "    {}, at most every {}{account}; risk {}",
                "    {}、最短で {} ごと{account}。おそれ {}",
                listed.how,
                span_text(feed.every),
                listed.risk
            ))?;
        }
        if !listed.note.is_empty() {
            output.line(&format!("    {}", listed.note))?;
        }
        if files {
            for file in &listed.files {
                let mark = if file.wanted { "+" } else { "-" };
                output.line(&format!("      {mark} {:<34} {}", file.name, file.risk))?;
            }
        }
    }
    Ok(CLEAN)
}

fn own_way(how: &How) -> &'static str {
    match how {
        How::Channel { .. } => "channel of sa-update",
        How::Archive { .. } => "archive",
        _ => "file",
    }
}

fn span_text(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

pub(super) fn run_updates(
    config: &Config,
    scope: Scope,
    names: &[String],
    options: Options,
    output: &mut Output,
) -> anyhow::Result<u8> {
    let feeds = chosen(config, scope, names)?;
    if feeds.is_empty() {
        bail!(
            "{}",
            said!(
                "nothing is on; see: sekisho {0} list, and turn one on: sekisho feeds add NAME",
                "有効なものがありません。sekisho {0} list で選び、sekisho feeds add NAME で有効にしてください",
                scope.name()
            )
        );
    }
    let mut code = CLEAN;
    let progress = Progress::shown();
    for feed in feeds.iter().filter(|feed| !names.is_empty() || !feed.is_gone()) {
        let report = update::update(config, feed, options, &progress);
        code = code.max(tell(&report, output)?);
        output.flush()?;
    }
    Ok(code)
}

fn tell(report: &Report, output: &mut Output) -> anyhow::Result<u8> {
    let name = &report.feed;
    let mut code = CLEAN;
    let text = match &report.outcome {
        Outcome::Busy => said!("is just being updated by another process", "別のプロセスが更新中です"),
        Outcome::NotDue(due) => {
            said!(
                "not asked before {} (--now asks at once, unless the server said to stay away)",
                "{} までは問い合わせません（--now ならすぐに。ただしサーバーが待てと言った場合を除く）",
                environment::local_time(*due)
            )
        }
        Outcome::Unchanged => said!("nothing new", "新しいものはありません"),
        Outcome::Changed { files, lines } => {
            said!("{files} new files, {lines} lines in all", "新しいファイル {files}、全部で {lines} 行")
        }
        Outcome::Failed(failure) => {
            code = TROUBLE;
            said!("{failure}; what it had stays", "{failure}。以前のものを使い続けます")
        }
    };
    output.line(&shown(&format!("{name}: {text}")))?;
    for (file, failure) in &report.refused {
        code = code.max(FOUND);
        output.line(&shown(&said!(
            "{name}: {file} refused: {failure}; the old one stays",
            "{name}: {file} を拒みました: {failure}。以前のものを使い続けます"
        )))?;
    }
    for one in &report.suspended {
        code = code.max(FOUND);
        output.line(&shown(&said!(
            "{name}: {} is suspended: {}",
            "{name}: {} を止めました: {}",
            one.name,
            one.reason
        )))?;
    }
    for note in &report.notes {
        output.line(&shown(&format!("{name}: {note}")))?;
    }
    Ok(code)
}

fn shown(text: &str) -> String {
    crate::output::readable(text.as_bytes(), 1000)
}

/// `www.example.jp/rules/tlec.cf` -> `tlec`.
fn usual_name(what: &str) -> String {
    let last = what.split(['?', '#']).next().unwrap_or_default().rsplit(['/', ':']).next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default().to_ascii_lowercase();
    stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn add(config: &Config, what: &str, feed: config::Feed, output: &mut Output) -> anyhow::Result<u8> {
    let folder = &config.feeds.folder;
    let mut added = Added::load(folder)?;
    if what == "recommended" {
        bail!(
            "{}",
            said!(
                "recommended is a word for several: say feeds.on = [\"recommended\"] in sekisho.toml, or add them by name",
                "recommended は複数を指す言葉です。sekisho.toml に feeds.on = [\"recommended\"] と書くか、名前で追加してください"
            )
        );
    }
    let known = app::all(config)?;
    let is_address = what.contains("://") || what.starts_with("channel:");
    if !is_address && known.iter().all(|known| known.name != what) {
        bail!(
            "{}",
            said!(
                "{what:?} is neither a name of `sekisho feeds list`, nor an address (https://...), nor channel:ZONE",
                "{what:?} は `sekisho feeds list` の名前でも、URL (https://...) でも、channel:ZONE でもありません"
            )
        );
    }
    let name = if known.iter().any(|known| known.name == what) { what.to_owned() } else { feed.name.clone() };
    added.off.retain(|off| *off != name);
    match known.iter().find(|known| known.name == name) {
        Some(known) if name == what => {
            if let How::Gone { reason } = known.how {
                bail!("{name}: {reason}");
            }
            if !known.on && known.source.is_some() {
                added.on.push(name.clone());
            }
        }
        Some(_) => bail!(
            "{}",
            said!(
                "there is a feed called {name}; give this one another name with --name",
                "{name} というフィードはすでにあります。--name で別の名前を付けてください"
            )
        ),
        None => {
            feed.check().map_err(|error| anyhow::anyhow!("{error} (--name and --file say it on the command line)"))?;
            added.feed.push(feed);
        }
    }
    added.store(config)?;
    let feed = one(config, &name)?;
    output.line(&said!(
        "{name} is on; fetch it with: sekisho feeds update {name}",
        "{name} を有効にしました。取り寄せるには: sekisho feeds update {name}"
    ))?;
    if !feed.on {
        output.line(&said!(
            "(but [[feed]] {name} in the configuration says on = false)",
            "（ただし設定の [[feed]] {name} は on = false です）"
        ))?;
    }
    for missing in update::missing(config, &feed) {
        output.line(&said!("missing: {missing}", "不足: {missing}"))?;
    }
    Ok(CLEAN)
}

fn remove(config: &Config, name: &str, output: &mut Output) -> anyhow::Result<u8> {
    let feed = one(config, name)?;
    let folder = &config.feeds.folder;
    let mut added = Added::load(folder)?;
    let in_file = config.feed.iter().any(|own| own.name == name)
        || config
            .feeds
            .on
            .iter()
            .any(|on| on == name || (on == "recommended" && feed.source.is_some_and(|s| s.recommended)));
    added.on.retain(|on| on != name);
    added.feed.retain(|own| own.name != name);
    if in_file && !added.off.iter().any(|off| off == name) {
        added.off.push(name.to_owned());
    }
    let shelf = feed.shelf(config);
    let Some(lock) = shelf.lock()? else {
        bail!("{}", said!("{name} is just being updated; try again", "{name} は更新中です。後でやり直してください"))
    };
    added.store(config)?;
    shelf.remove()?;
    drop(lock);
    output.line(&said!(
        "{name} is off, and what was fetched of it is gone",
        "{name} を無効にし、取り込んだものを消しました"
    ))?;
    if in_file {
        output.line(language::pick(
            "(the configuration still names it; what was said here counts)",
            "（設定にはまだ名前がありますが、ここで指定したことが優先します）",
        ))?;
    }
    Ok(CLEAN)
}

#[derive(Serialize)]
struct Status<'a> {
    name: &'a str,
    on: bool,
    risk: &'a str,
    files: usize,
    lines: usize,
    bytes: u64,
    asked: i64,
    answered: i64,
    changed: i64,
    due: i64,
    failures: u32,
    versions: &'a std::collections::BTreeMap<String, u64>,
    proofs: Vec<&'a str>,
    errors: Vec<String>,
    missing: Vec<String>,
    suspended: Vec<&'a str>,
    can_go_back: bool,
}

pub(super) fn status(
    config: &Config,
    scope: Scope,
    names: &[String],
    format: Format,
    output: &mut Output,
) -> anyhow::Result<u8> {
    let suspended = Suspended::load(config);
    let mut code = CLEAN;
    let feeds = chosen(config, scope, names)?;
    if feeds.is_empty() && format == Format::Text {
        output.line(&said!(
            "nothing is on; see: sekisho {} list",
            "有効なものがありません（一覧: sekisho {} list）",
            scope.name()
        ))?;
    }
    for feed in &feeds {
        let shelf = feed.shelf(config);
        let state = State::load(&shelf);
        let mut proofs: Vec<&str> = state.files.values().map(|file| file.proof.as_str()).collect();
        proofs.sort_unstable();
        proofs.dedup();
        let missing = update::missing(config, feed);
        let of_it = suspended.list.iter().filter(|one| one.feed == feed.name && !one.pardoned);
        let status = Status {
            name: &feed.name,
            on: feed.on,
            risk: feed.risk.name(),
            files: state.files.len(),
            lines: state.files.values().map(|file| file.lines).sum(),
            bytes: state.files.values().map(|file| file.bytes).sum(),
            asked: state.asked,
            answered: state.answered,
            changed: state.changed,
            due: state.due(feed.every),
            failures: state.failures,
            versions: &state.versions,
            proofs,
            errors: state.errors.iter().map(|(name, error)| format!("{name}: {}", error.text)).collect(),
            missing,
            suspended: of_it.map(|one| one.name.as_str()).collect(),
            can_go_back: shelf.previous().is_some(),
        };
        if !status.errors.is_empty() || (feed.on && shelf.current().is_none()) {
            code = FOUND;
        }
        match format {
            Format::Json => output.line(&serde_json::to_string(&status)?)?,
            Format::Text => print_status(&status, output)?,
        }
    }
    Ok(code)
}

fn print_status(status: &Status<'_>, output: &mut Output) -> anyhow::Result<()> {
    let painter = output.painter();
    let time = |seconds: i64| if seconds == 0 { said!("never", "なし") } else { environment::local_time(seconds) };
    output.line(&painter.paint(Colour::Bold, status.name))?;
    output.line(&said!(
        "    {} files, {} lines, {}; risk {}",
        "    ファイル {}、{} 行、{}。おそれ {}",
        status.files,
        status.lines,
        DecimalBytes(status.bytes),
        status.risk
    ))?;
    output.line(&said!(
        "    changed {}, answered {}, asked {}, due {}",
        "    変更 {}、応答 {}、問い合わせ {}、次回 {}",
        time(status.changed),
        time(status.answered),
        time(status.asked),
        if status.due == 0 { said!("now", "今") } else { time(status.due) }
    ))?;
    for (name, version) in status.versions {
        output.line(&said!("    {name} version {version}", "    {name} バージョン {version}"))?;
    }
    if !status.proofs.is_empty() {
        output.line(&said!("    proof: {}", "    確認: {}", status.proofs.join(", ")))?;
    }
    for error in &status.errors {
        output.line(&painter.paint(Colour::Red, &shown(&format!("    {error}"))))?;
    }
    for missing in &status.missing {
        output.line(&painter.paint(Colour::Yellow, &shown(&said!("    missing: {missing}", "    不足: {missing}"))))?;
    }
    for one in &status.suspended {
        output.line(&shown(&said!("    suspended: {one}", "    停止中: {one}")))?;
    }
    Ok(())
}

pub(super) fn verify(config: &Config, scope: Scope, names: &[String], output: &mut Output) -> anyhow::Result<u8> {
    let mut code = CLEAN;
    for feed in chosen(config, scope, names)? {
        let shelf = feed.shelf(config);
        let state = State::load(&shelf);
        let damaged = update::damaged(&shelf, &state);
        for name in &damaged {
            code = FOUND;
            output.line(&said!(
                "{}: {name} is not what was taken",
                "{}: {name} は取り込んだときと違います",
                feed.name
            ))?;
        }
        if damaged.is_empty() {
            output.line(&said!(
                "{}: {} files, all as they were taken",
                "{}: ファイル {}、すべて取り込んだときのまま",
                feed.name,
                state.files.len()
            ))?;
        } else {
            output.line(&said!(
                "{0}: mend it with: sekisho feeds update {0} --now",
                "{0}: 直すには: sekisho feeds update {0} --now",
                feed.name
            ))?;
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_from_addresses() {
        for (what, name) in [
            ("https://example.jp/rules/TLEC.cf", "tlec"),
            ("http://www.flcl.org/~yoh/user_prefs", "user-prefs"),
            ("channel:kam.sa-channels.mcgrail.com", "kam"),
        ] {
            assert_eq!(super::usual_name(what), name);
        }
    }
}
