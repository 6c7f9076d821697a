//! The command `spamassassin`: messages in, marked-up messages out, options and exit codes as there.

mod options;

use crate::answers::digests::Deed;
use crate::answers::dns::Resolver;
use crate::answers::{self, Desk};
use crate::commands::collaborative;
use crate::commands::learn::{ModelArguments, teach_one};
use crate::config::Config;
use crate::config::digests::Digests;
use crate::config::dns::{Ask, Dns};
use crate::debug::Debug;
use crate::input::{self, Format};
use crate::learning::Learnt;
use crate::loading::{self, Loaded};
use crate::output::Output;
use crate::owner::Acting;
use crate::rule_files::Selection;
use crate::{CLEAN, FOUND, environment};
use ::learn::Class;
use engine::markup::{Style, Tags, rewrite, unmark};
use engine::{Answer, Answers, Engine, Scratch};
use mail::{Envelope, Message, Transaction, Trouble};
use options::{Options, Wrong};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Exit code of a usage error (`EX_USAGE`).
const USAGE: u8 = 64;
/// Exit code where `-e` names none.
const SPAM: u8 = 5;

const HELP: &str = "\
Usage: spamassassin [options] [mail file, folder or mbox ...]
Without files the message is read from standard input.

  -t, --test-mode             add a report, whether spam or not
  -d, --remove-markup         take SpamAssassin's markup off (with -t: then judge)
  -e, --error-code[=code]     exit with this code (5) if spam
  -L, --local                 no tests that need the network
  -C path, --configpath       rules in place of the installed ones
  --siteconfigpath path       site settings in place of /etc/spamassassin
  -p file, --prefs-file       user preferences in place of ~/.spamassassin/user_prefs
  --pre line, --cf line       a line of configuration before or after all others
  -x, --nocreate-prefs        do not make a preferences file (we never do)
  --lint                      look for mistakes in the rules, exit 1 if there are any
  --mbox, --mbx               files are mailboxes
  -D [area,...]               tell what happens inside: all, metadata, rules, check, config, uri
  -r, --report, -k, --revoke  report as spam to Pyzor, Razor and DCC, take that back; those that the
                              rules load and [digests] of sekisho.toml names; and learn it as spam,
                              as ham, where sekisho.toml has a [learn] folder
  -W, -R, --add-to-blocklist, --add-addr-to-..., --remove-addr-from-...
                              change the list that the AWL or TxRep plugin keeps: there is none
                              yet, and where no such plugin is loaded nothing happens
  -V, --version               the version
";

/// Runs with the arguments after the command's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<u8> {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(Wrong::Usage(errors)) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            eprint!("{HELP}");
            return Ok(USAGE);
        }
        Err(Wrong::Removed(message)) => {
            eprintln!("{message}");
            return Ok(2);
        }
    };
    options.warnings.iter().for_each(|warning| warn(warning));
    let mut output = Output::new();
    if options.help || options.version {
        output.line(&format!("SpamAssassin version {}", environment::SPAMASSASSIN_VERSION))?;
        output.line(&format!("  as followed by sekisho version {}", environment::VERSION))?;
        if options.help {
            output.text(&format!("\n{HELP}"))?;
        }
        output.flush()?;
        return Ok(CLEAN);
    }
    let debug = Debug::new(options.debug.as_deref());
    let selection = selection(&options);
    let loaded = loading::load(&selection, true, false, &debug);
    if options.lint {
        return Ok(lint(&loaded, &options));
    }
    loaded.problems.iter().for_each(|problem| warn(&format!("config: {problem}")));
    if let Some(option) = &options.list_change {
        // Only these plugins keep a list. Where none is loaded, SpamAssassin does nothing either, and says nothing.
        if let Some(plugin) = ["AWL", "TxRep"].into_iter().find(|plugin| loaded.engine.ruleset.has_plugin(plugin)) {
            warn(&format!("{option}: sekisho keeps no address list for the plugin {plugin} yet; nothing was changed"));
            return Ok(FOUND);
        }
        if option.contains("addr") {
            return Ok(CLEAN);
        }
    }

    let format = match (options.mbox, options.mbx) {
        (true, _) => Format::Mbox,
        (_, true) => Format::Mbx,
        _ => Format::SpamAssassin,
    };
    let stdin = [PathBuf::from("-")];
    let named = if options.files.is_empty() { &stdin[..] } else { &options.files };
    let (digests, learner) = match Config::load(None) {
        Ok((config, place)) => {
            let folder = config.learn.folder;
            // Where nobody configured anything, only what is there already is taught.
            let used = !folder.as_os_str().is_empty() && (place.is_some() || Learnt::exists(&folder));
            // Where a model is shared, a lesson waits to be said.
            (config.digests, used.then(|| ModelArguments::default().to_teach().unwrap_or(folder)))
        }
        Err(_) => Default::default(),
    };
    let (resolver, _runtime) = resolver(&loaded, &debug, selection.local)?;
    let mut run = Run {
        options: &options,
        loaded: &loaded,
        debug: &debug,
        resolver: resolver.as_ref(),
        digests: &digests,
        learner,
        scratch: Scratch::new(),
        spam: false,
    };
    let mut examined = 0u64;
    for place in input::find(named, format) {
        let raw = match place.read() {
            Ok(raw) => raw,
            Err(error) => {
                warn(&format!("archive-iterator: no access to {}: {error}", place.name()));
                continue;
            }
        };
        examined += 1;
        match catch_unwind(AssertUnwindSafe(|| run.message(&raw))) {
            Ok(text) => output.bytes(&text)?,
            Err(_) => {
                // Mail is never lost: it goes through as it came.
                warn(&format!("{}: the program failed on this message; it is passed on unchanged", place.name()));
                run.scratch = Scratch::new();
                output.bytes(&raw)?;
            }
        }
        if output.is_closed() {
            break;
        }
    }
    if options.report || options.revoke || options.list_change.is_some() {
        output.line(&format!("{examined} message(s) examined."))?;
    }
    output.flush()?;
    Ok(match options.error_code {
        Some(code) if run.spam => match code {
            0 => SPAM,
            code => code.rem_euclid(256) as u8,
        },
        _ => u8::from(examined == 0),
    })
}

fn info(text: &str) {
    eprintln!("{} [{}] info: {text}", environment::debug_date(), std::process::id());
}

fn warn(text: &str) {
    eprintln!("{} [{}] warn: {text}", environment::debug_date(), std::process::id());
}

fn selection(options: &Options) -> Selection {
    Selection {
        rules_path: options.config_path.clone(),
        site_path: options.site_config_path.clone(),
        prefs_path: options.prefs_path.clone(),
        pre: options.pre.clone(),
        cf: options.cf.clone(),
        local: options.local || dns_settings().ask == Ask::No || environment::is_local(),
        ..Selection::default()
    }
}

/// `[dns]` of the configuration where there is one that we may read.
fn dns_settings() -> Dns {
    Config::load(None).map(|(config, _)| config.dns).unwrap_or_default()
}

/// `None`: nothing is asked. The runtime is where the resolver works.
fn resolver(
    loaded: &Loaded,
    debug: &Debug,
    local: bool,
) -> anyhow::Result<(Option<Resolver>, Option<tokio::runtime::Runtime>)> {
    if local {
        return Ok((None, None));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let resolver = Resolver::new(&dns_settings(), &loaded.engine.ruleset.settings, runtime.handle())?;
    if let Some(resolver) = &resolver {
        debug.line("config", || format!("DNS: {}", resolver.describe()));
    }
    Ok((resolver, Some(runtime)))
}

fn lint(loaded: &Loaded, options: &Options) -> u8 {
    let mut issues = 0;
    for diagnostic in loaded.serious() {
        issues += 1;
        let place = match diagnostic.line {
            0 => diagnostic.file.clone(),
            line => format!("{}:{line}", diagnostic.file),
        };
        warn(&format!("config: {place}: {}", diagnostic.message));
    }
    for problem in &loaded.problems {
        issues += 1;
        warn(&format!("config: {problem}"));
    }
    if issues > 0 && options.debug.is_none() {
        warn(&format!("lint: {issues} issues detected, please rerun with debug enabled for more information"));
    }
    u8::from(issues > 0)
}

struct Run<'a> {
    options: &'a Options,
    loaded: &'a Loaded,
    debug: &'a Debug,
    resolver: Option<&'a Resolver>,
    digests: &'a Digests,
    /// Whose model learns what is reported.
    learner: Option<PathBuf>,
    scratch: Scratch,
    /// Some message was spam.
    spam: bool,
}

impl Run<'_> {
    /// A report teaches too, unless `bayes_learn_during_report 0` says otherwise.
    fn learn(&self, message: &Message, deed: Deed) {
        let settings = &self.loaded.engine.ruleset.settings;
        let wanted =
            settings.use_bayes && settings.other("bayes_learn_during_report").is_none_or(|on| on.trim() != "0");
        let Some(folder) = self.learner.as_deref().filter(|_| wanted) else { return };
        let (class, name) = match deed {
            Deed::Report => (Class::Spam, "spam"),
            _ => (Class::Ham, "ham"),
        };
        let clean = unmark(message, &self.loaded.engine.style);
        let _acting = Acting::as_owner_of(folder);
        match teach_one(folder, &clean, class) {
            Ok(true) => info(&format!("reporter: learnt as {name}")),
            Ok(false) => info(&format!("reporter: known as {name} already")),
            Err(error) => warn(&format!("reporter: not learnt as {name}: {error:#}")),
        }
    }

    /// To each network that the rules load and the configuration names.
    fn report(&self, message: &Message, deed: Deed) {
        let (methods, what) = if deed == Deed::Report { ("reporting", "report") } else { ("revoke", "revoke") };
        let told = match self.resolver {
            Some(_) => collaborative::tell(message, deed, &self.loaded.engine, self.digests),
            None => Ok(Vec::new()),
        };
        let told = told.unwrap_or_else(|error| {
            warn(&format!("reporter: {error:#}"));
            Vec::new()
        });
        if told.is_empty() {
            warn(&format!("reporter: no {methods} methods available, so couldn't {what}"));
        }
        for (network, result) in &told {
            match (result, deed) {
                (Ok(()), Deed::Report) => info(&format!("reporter: spam reported to {network}")),
                (Ok(()), _) => info(&format!("reporter: spam revoked from {network}")),
                (Err(error), _) => warn(&format!("reporter: could not {what} spam to {network}: {error:#}")),
            }
        }
        if !told.iter().any(|(_, result)| result.is_ok()) {
            warn(&format!("spamassassin: warning, unable to {what} message"));
        }
    }

    /// What one message becomes.
    fn message(&mut self, raw: &[u8]) -> Vec<u8> {
        // SpamAssassin takes nothing at all for an empty line.
        let raw = if raw.is_empty() { b"\n" } else { raw };
        let engine: &Engine = &self.loaded.engine;
        let parse = |raw: &[u8]| Message::parse(raw, &engine.views.limits);
        let mut message = parse(raw);
        if self.options.remove_markup {
            let clean = unmark(&message, &engine.style);
            if !self.options.test_mode {
                return clean;
            }
            message = parse(&clean);
        }
        if self.options.report || self.options.revoke {
            let deed = if self.options.report { Deed::Report } else { Deed::Revoke };
            self.learn(&message, deed);
            self.report(&message, deed);
            return Vec::new();
        }
        if self.options.list_change.is_some() {
            return Vec::new();
        }
        let pristine = message.raw.clone();
        let transaction = Transaction { envelope: Envelope::default(), message, now: environment::unix_time() };
        self.scratch.explain = self.debug.wants("rules");
        let settings = &engine.ruleset.settings;
        let mut desk = Desk::new(self.resolver, settings, &|ask| ask()).with_digests(self.digests, &pristine);
        let (mut verdict, views, answers) = engine::judge_asking(
            engine,
            &transaction,
            &mut self.scratch,
            Answers::default(),
            |questions, views, answers| desk.answer(questions, views, transaction.now, answers, |_| Answer::Unknown),
        );
        if let Some(resolver) = self.resolver {
            answers::leave_alone(resolver, settings, &verdict);
            let troubles = answers::troubles(&answers).map(|what| Trouble { rule: String::new(), what });
            verdict.troubles.extend(troubles);
        }
        if self.debug.is_on() {
            self.debug.message(&views, &verdict);
        }
        self.spam |= verdict.spam;
        // In test mode SpamAssassin switches learning off, and says so.
        let style = Style { learns: engine.style.learns && !self.options.test_mode, ..engine.style.clone() };
        let stamp = environment::stamp();
        let tags = Tags { style: &style, stamp: &stamp, verdict: &verdict, views: &views };
        let mut out = rewrite(&transaction.message, &tags);
        if self.options.test_mode {
            out.extend(tags.report());
        }
        out
    }
}
