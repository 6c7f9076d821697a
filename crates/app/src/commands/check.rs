//! `sekisho check`: judge messages, on all cores, results in the order in which the messages were named.

use super::{Format, RuleArguments, service_config};
use crate::answers::dns::Resolver;
use crate::answers::record::{Tape, Told};
use crate::answers::{self, Desk, Points};
use crate::config::Config;
use crate::config::digests::Digests;
use crate::config::dns::Ask;
use crate::debug::Debug;
use crate::input::{self, Place};
use crate::language;
use crate::learning::{self, Heeded, Learnt, Reader};
use crate::loading::{self, Loaded};
use crate::output::{Colour, Output, Painter, readable};
use crate::policy::category::Category;
use crate::serve::scanners::{Scanned, Scanners};
use crate::signatures::{self, Signatures};
use crate::{CLEAN, FOUND, TROUBLE, environment};
use clap::builder::{OsStringValueParser, TypedValueParser};
use engine::markup::summary;
use engine::{Answer, Question, Scratch, Timing};
use indicatif::{ProgressBar, ProgressStyle};
use learn::User;
use mail::{Envelope, Evidence, Meaning, Message, Transaction, Trouble, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Messages: files, folders, maildirs, mboxes, - for standard input (also if none is named)
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print nothing: the exit code tells
    #[arg(short, long)]
    quiet: bool,
    /// One line a message, without the table of hits
    #[arg(short, long)]
    short: bool,
    /// For each hit: where it was seen, and what
    #[arg(long)]
    explain: bool,
    /// Files are mailboxes in mbox format (detected too)
    #[arg(long)]
    mbox: bool,
    /// At the end, the time that each stage took
    #[arg(long)]
    timing: bool,
    /// How many messages at once; 0: one a core
    #[arg(short, long, default_value_t = 0, value_name = "N")]
    jobs: usize,
    /// What happened inside, on standard error: all, metadata, rules, check, uri, config
    #[arg(short = 'D', long, value_name = "AREA,...", num_args = 0..=1, default_missing_value = "all", require_equals = true)]
    debug: Option<String>,
    /// Signatures in ClamAV's formats, files or folders, in place of those that the configuration names; repeatable
    #[arg(long, value_name = "FILE|DIR")]
    signatures: Vec<PathBuf>,
    /// No signatures
    #[arg(long, conflicts_with = "signatures")]
    no_signatures: bool,
    /// Configuration of the service, which says which rules, signatures and lessons there are; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show each message to the other scanners of the service's configuration too, or of --scanners=FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    scanners: Option<Option<PathBuf>>,
    /// Write what DNS and the rest answered to this file, for --replay
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Judge with the answers of this file, and ask nobody
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Folder of what was learnt; default: the service's, where there is one. "" = judge without
    #[arg(long, value_name = "FOLDER", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    model: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
}

/// What one message came to: the text to print, and the exit code it argues for.
struct Outcome {
    text: Vec<u8>,
    code: u8,
    timing: Timing,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let debug = Debug::new(arguments.debug.as_deref());
    let config = service_config(arguments.config.as_deref())?;
    let learnt = learnt(arguments, &config)?;
    let mut selection = arguments.rules.selection(&config);
    selection.local |= config.dns.ask == Ask::No;
    if let Some(missing) = arguments.rules.rules.iter().find(|path| !path.exists()) {
        anyhow::bail!("{}: {}", missing.display(), language::NO_SUCH_FILE);
    }
    let loaded = loading::load_with_model(&selection, !arguments.rules.no_cache, learnt.as_ref(), &debug);
    loaded.warn(&arguments.rules.lint(arguments.config.as_deref()));
    let network = Network::open(arguments, &config, &loaded, selection.local)?;
    let signatures = signatures(arguments, &config)?;
    let others = arguments.scanners.as_ref().map(|file| Others::open(file.as_deref())).transpose()?;
    let reader = Reader::new(Heeded::of(&loaded.engine.ruleset.settings));
    let with = With {
        loaded: &loaded,
        learnt: learnt.as_ref(),
        reader,
        signatures: signatures.as_ref(),
        others: others.as_ref(),
        network: &network,
    };
    let stdin = [PathBuf::from("-")];
    let named = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    let format = if arguments.mbox { input::Format::Mbox } else { input::Format::Detect };
    let places = input::find(named, format);
    if places.is_empty() {
        eprintln!("sekisho: {}", language::NO_MESSAGES);
    }

    let mut output = Output::new();
    let painter = output.painter();
    let progress = progress_bar(places.len() as u64);
    let began = environment::nanoseconds();
    let mut code = CLEAN;
    let mut timing = Timing::default();
    let mut counts = [0u64; 3];
    let mut result = Ok(());
    each_in_order(
        &places,
        arguments.jobs,
        |place, scratch| judge(place, scratch, arguments, &with, &debug, painter),
        |outcome| {
            progress.inc(1);
            code = code.max(outcome.code);
            counts[usize::from(outcome.code)] += 1;
            timing.add(&outcome.timing);
            if !arguments.quiet {
                result = output.bytes(&outcome.text);
            }
            result.is_ok() && !output.is_closed()
        },
    );
    progress.finish_and_clear();
    result?;
    if !arguments.quiet && arguments.format == Format::Text && places.len() > 1 {
        let [ham, spam, failed] = [CLEAN, FOUND, TROUBLE].map(|code| counts[usize::from(code)]);
        output.line(&language::tally(places.len(), spam, ham, failed))?;
    }
    output.flush()?;
    if let (Some(tape), Some(file)) = (network.tape, &arguments.record) {
        tape.write(file)?;
    }
    if arguments.timing {
        print_timing(&timing, environment::nanoseconds() - began);
    }
    Ok(code)
}

/// Those of the command line, or of the configuration; `None` where none are installed.
fn signatures(arguments: &Arguments, config: &Config) -> anyhow::Result<Option<Signatures>> {
    if arguments.no_signatures {
        return Ok(None);
    }
    let mut config = crate::feeds::signatures(config);
    if !arguments.signatures.is_empty() {
        config.folders.clone_from(&arguments.signatures);
        if let Some(missing) = config.folders.iter().find(|folder| !folder.exists()) {
            anyhow::bail!("{}: {}", missing.display(), language::NO_SUCH_FILE);
        }
    }
    let loaded = signatures::load(&config, !arguments.rules.no_cache);
    loaded.problems.iter().for_each(|problem| eprintln!("sekisho: {problem}"));
    if loaded.errors() > 0 {
        eprintln!("sekisho: {}", language::errors_in_signatures(loaded.errors()));
    }
    Ok(loaded.signatures)
}

/// The model that is to be used: the one that is named, or the service's where there is one.
fn learnt(arguments: &Arguments, config: &Config) -> anyhow::Result<Option<Learnt>> {
    let folder = match &arguments.model {
        Some(folder) if folder.as_os_str().is_empty() => return Ok(None),
        Some(folder) => folder.clone(),
        None => config.learn.folder.clone(),
    };
    match Learnt::exists(&folder) {
        false if arguments.model.is_some() => {
            eprintln!("sekisho: {}: {}", folder.display(), language::NO_MODEL);
            Ok(None)
        }
        true if arguments.model.is_some() => Learnt::open(&folder).map(Some),
        true => Ok(Learnt::open(&folder).ok()),
        false => Ok(None),
    }
}

/// Runs `work` on every place on several threads and hands the results to `take` in order, until it says no more.
pub fn each_in_order<T: Send>(
    places: &[Place],
    jobs: usize,
    work: impl Fn(&Place, &mut Scratch) -> T + Sync,
    mut take: impl FnMut(T) -> bool,
) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if jobs == 0 { cores } else { jobs }.min(places.len());
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // Bounded: a slow reader of our output slows us down, instead of filling the memory.
    let (sender, receiver) = mpsc::sync_channel::<(usize, T)>(threads * 64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let (next, stop, work) = (&next, &stop, &work);
            scope.spawn(move || {
                let mut scratch = Scratch::new();
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(place) = places.get(index) else { break };
                    let outcome = work(place, &mut scratch);
                    if sender.send((index, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (index, outcome) in receiver {
            early.insert(index, outcome);
            while let Some(outcome) = early.remove(&expected) {
                expected += 1;
                if !take(outcome) {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

/// With what messages are judged.
struct With<'a> {
    loaded: &'a Loaded,
    learnt: Option<&'a Learnt>,
    reader: Reader,
    signatures: Option<&'a Signatures>,
    others: Option<&'a Others>,
    network: &'a Network,
}

fn judge(
    place: &Place,
    scratch: &mut Scratch,
    arguments: &Arguments,
    with: &With<'_>,
    debug: &Debug,
    painter: Painter,
) -> Outcome {
    let With { loaded, learnt, ref reader, signatures, others, network } = *with;
    scratch.timing = Timing::default();
    scratch.clock = arguments.timing.then_some(environment::processor_nanoseconds as fn() -> u64);
    scratch.explain = arguments.explain || debug.wants("rules");
    let name = place.name();
    let raw = match place.read() {
        Ok(raw) => raw,
        Err(error) => return trouble(&name, &language::reason(&error), arguments.format, painter),
    };
    if let Some(what) = compressed(&raw) {
        return trouble(&name, &format!("{what}; {}", language::UNCOMPRESS), arguments.format, painter);
    }
    // A fault of ours in one message must not keep the others from being judged.
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let began = environment::processor_nanoseconds();
        let message = Message::parse(&raw, &loaded.engine.views.limits);
        scratch.timing.parse += environment::processor_nanoseconds() - began;
        let told = network.tape.as_ref().and_then(|tape| tape.told(&raw));
        let now = told.as_ref().map_or_else(environment::unix_time, |told| told.now);
        let known = told.map(|told| told.answers).unwrap_or_default();
        let transaction = Transaction { envelope: Envelope::default(), message, now };
        let settings = &loaded.engine.ruleset.settings;
        let mut desk =
            Desk::new(network.resolver.as_ref(), settings, &|ask| ask()).with_digests(&network.digests, &raw);
        let (mut verdict, views, answers) =
            engine::judge_asking(&loaded.engine, &transaction, scratch, known, |questions, views, answers| {
                desk.answer(questions, views, transaction.now, answers, |question| match (question, learnt) {
                    (Question::SpamProbability, Some(learnt)) if !network.replays() => {
                        let probability = reader.probability(learnt, &reader.features(views), views, User::default());
                        probability.map_or(Answer::Unknown, learning::answer)
                    }
                    _ => Answer::Unknown,
                });
            });
        if network.asks {
            answers::tell(&answers, network.points, &mut verdict);
        }
        if let Some(resolver) = &network.resolver {
            answers::leave_alone(resolver, settings, &verdict);
        }
        if let Some(tape) = &network.tape {
            tape.keep(&raw, Told { now, answers });
        }
        if let Some(signatures) = signatures {
            let began = environment::processor_nanoseconds();
            signatures.judge(&views, scratch, &mut verdict);
            scratch.timing.signatures += environment::processor_nanoseconds() - began;
        }
        if debug.is_on() {
            debug.message(&views, &verdict);
        }
        verdict
    }));
    let mut verdict = match judged {
        Ok(verdict) => verdict,
        Err(_) => {
            *scratch = Scratch::new();
            return trouble(&name, language::FAILED.text(), arguments.format, painter);
        }
    };
    let found = others.is_some_and(|others| others.scan(raw, &mut verdict));
    let text = match arguments.format {
        Format::Text => human(&name, &verdict, arguments, loaded.engine.style.report_wrap_width, painter),
        Format::Json => json(&Record::new(&name, &verdict, arguments.explain)),
    };
    Outcome {
        text,
        code: if verdict.spam || found || is_bad(&verdict) { FOUND } else { CLEAN },
        timing: scratch.timing,
    }
}

/// Where answers come from.
struct Network {
    resolver: Option<Resolver>,
    tape: Option<Tape>,
    /// The rules with tests of the network are in force.
    asks: bool,
    points: Points,
    digests: Digests,
    /// Where the resolver works.
    _runtime: Option<tokio::runtime::Runtime>,
}

impl Network {
    fn open(arguments: &Arguments, config: &Config, loaded: &Loaded, local: bool) -> anyhow::Result<Network> {
        let tape = match (&arguments.record, &arguments.replay) {
            (_, Some(file)) => Some(Tape::open(file)?),
            (Some(_), None) => Some(Tape::recording()),
            (None, None) => None,
        };
        let (mut resolver, mut runtime) = (None, None);
        if !local && arguments.replay.is_none() {
            let started = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            resolver = Resolver::new(&config.dns, &loaded.engine.ruleset.settings, started.handle())?;
            runtime = Some(started);
        }
        let (points, digests) = (Points::of(config), config.digests.clone());
        Ok(Network { resolver, tape, asks: !local, points, digests, _runtime: runtime })
    }

    fn replays(&self) -> bool {
        matches!(self.tape, Some(Tape::Replay(_)))
    }
}

/// What signatures call more than spam is found, whatever the score.
fn is_bad(verdict: &Verdict) -> bool {
    let bad = |meaning| matches!(meaning, Meaning::Virus | Meaning::Banned | Meaning::Phishing);
    verdict.signatures.iter().any(|signature| bad(signature.meaning))
}

/// Other scanners, asked by threads that may wait.
struct Others {
    scanners: Scanners,
    limit: Duration,
    runtime: tokio::runtime::Runtime,
}

impl Others {
    fn open(file: Option<&Path>) -> anyhow::Result<Others> {
        let (config, _) = Config::load(file)?;
        if config.scanner.is_empty() {
            anyhow::bail!("{}", language::NO_SCANNER);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Others { scanners: Scanners::new(&config.scanner), limit: config.limits.deadline.0, runtime })
    }

    /// Adds their hits and troubles; whether one of them found something.
    fn scan(&self, message: Vec<u8>, verdict: &mut Verdict) -> bool {
        let scanned = self.runtime.block_on(self.scanners.scan(Arc::new(message), self.limit));
        for hit in scanned.iter().filter_map(Scanned::hit) {
            verdict.add(hit);
        }
        for what in scanned.iter().filter_map(Scanned::trouble) {
            verdict.troubles.push(Trouble { rule: String::new(), what });
        }
        scanned.iter().filter_map(Scanned::category).any(|(category, _)| category < Category::Unchecked)
    }
}

fn trouble(name: &str, reason: &str, format: Format, painter: Painter) -> Outcome {
    let text = match format {
        Format::Text => format!(
            "{name}: {}: {}\n",
            painter.paint(Colour::Yellow, language::TROUBLE.text()),
            readable(reason.as_bytes(), 500)
        )
        .into_bytes(),
        Format::Json => json(&Failure { file: name, error: reason }),
    };
    Outcome { text, code: TROUBLE, timing: Timing::default() }
}

/// Compressed files are no messages, whatever their names say.
fn compressed(raw: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "compressed with gzip"),
        (b"BZh", "compressed with bzip2"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"PK\x03\x04", "a zip archive"),
    ];
    kinds.iter().find(|(magic, _)| raw.starts_with(magic)).map(|(_, what)| *what)
}

/// The report for people.
fn human(name: &str, verdict: &Verdict, arguments: &Arguments, width: usize, painter: Painter) -> Vec<u8> {
    let worst = verdict.signatures.iter().map(|signature| signature.meaning).min();
    let judgement = match (worst, verdict.spam) {
        (Some(Meaning::Virus), _) => painter.paint(Colour::Red, language::VIRUS.text()),
        (Some(Meaning::Banned), _) => painter.paint(Colour::Red, language::BANNED.text()),
        (Some(Meaning::Phishing), _) => painter.paint(Colour::Red, language::PHISHING.text()),
        (_, true) => painter.paint(Colour::Red, language::SPAM.text()),
        (_, false) => painter.paint(Colour::Green, language::HAM.text()),
    };
    let head = format!(
        "{}: {judgement}  {:.1} {} ({} {:.1})\n",
        painter.paint(Colour::Bold, name),
        verdict.score,
        language::POINTS,
        language::REQUIRED,
        verdict.required
    );
    let mut out = head.into_bytes();
    if arguments.short {
        return out;
    }
    if verdict.hits.is_empty() {
        out.extend_from_slice(format!("  {}\n", language::NO_HITS).as_bytes());
    } else {
        out.extend_from_slice(language::REPORT_HEADING.text().as_bytes());
    }
    for hit in &verdict.hits {
        // Descriptions and notes may quote the mail.
        let table = summary(std::slice::from_ref(hit), width);
        for line in table.split_inclusive(|&b| b == b'\n') {
            out.extend_from_slice(readable(line.strip_suffix(b"\n").unwrap_or(line), usize::MAX).as_bytes());
            out.push(b'\n');
        }
        if arguments.explain {
            for seen in &hit.evidence {
                let place = painter.paint(Colour::Blue, &place(seen));
                out.extend_from_slice(format!("         {place} {}\n", quoted(seen)).as_bytes());
            }
        }
    }
    for trouble in &verdict.troubles {
        let label = painter.paint(Colour::Yellow, language::INCOMPLETE.text());
        out.extend_from_slice(format!("  {label}: {}\n", readable(told(trouble).as_bytes(), 500)).as_bytes());
    }
    out.push(b'\n');
    out
}

fn told(trouble: &Trouble) -> String {
    match trouble.rule.as_str() {
        "" => trouble.what.clone(),
        rule => format!("{rule}: {}", trouble.what),
    }
}

fn place(seen: &Evidence) -> String {
    match seen.view.as_str() {
        view if is_meta(view) => view.to_owned(),
        view => format!("{view} @{}", seen.offset),
    }
}

/// What was seen is names of rules.
pub fn is_meta(view: &str) -> bool {
    view == "meta" || view.ends_with(": meta")
}

fn quoted(seen: &Evidence) -> String {
    match seen.view.as_str() {
        view if is_meta(view) => readable(&seen.matched, 600),
        _ => format!("\"{}\"", readable(&seen.matched, 200)),
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    file: &'a str,
    error: &'a str,
}

/// A verdict as programs read it.
#[derive(Serialize)]
pub struct Record<'a> {
    file: &'a str,
    spam: bool,
    score: f64,
    required: f64,
    hits: Vec<HitRecord<'a>>,
    subtests: BTreeMap<&'a str, u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<SignatureRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct SignatureRecord<'a> {
    name: &'a str,
    means: &'static str,
    source: &'a str,
}

#[derive(Serialize)]
struct HitRecord<'a> {
    rule: &'a str,
    score: f64,
    count: u32,
    description: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<EvidenceRecord<'a>>,
}

#[derive(Serialize)]
struct EvidenceRecord<'a> {
    view: &'a str,
    offset: usize,
    length: usize,
    text: String,
}

impl<'a> Record<'a> {
    pub fn new(file: &'a str, verdict: &'a Verdict, explain: bool) -> Record<'a> {
        let evidence = |seen: &'a Evidence| EvidenceRecord {
            view: &seen.view,
            offset: seen.offset,
            length: seen.matched.len(),
            text: readable(&seen.matched, 2000),
        };
        Record {
            file,
            spam: verdict.spam,
            score: verdict.score,
            required: verdict.required,
            hits: verdict
                .hits
                .iter()
                .map(|hit| HitRecord {
                    rule: &hit.rule,
                    score: hit.score,
                    count: hit.count,
                    description: &hit.description,
                    notes: &hit.notes,
                    evidence: if explain { hit.evidence.iter().map(evidence).collect() } else { Vec::new() },
                })
                .collect(),
            subtests: verdict.subtests.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
            signatures: verdict
                .signatures
                .iter()
                .map(|hit| SignatureRecord { name: &hit.name, means: hit.meaning.name(), source: &hit.source })
                .collect(),
            troubles: verdict.troubles.iter().map(told).collect(),
        }
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.push(b'\n');
    line
}

/// On a terminal, for more messages than one waits for without asking.
pub fn progress_bar(total: u64) -> ProgressBar {
    if total < 50 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    let template = format!("{} {{bar:30}} {{pos}}/{{len}} {{per_sec}} {{eta}}", language::CHECKING);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

fn print_timing(timing: &Timing, wall: u64) {
    let messages = timing.messages.max(1);
    let micros = |nanos: u64| nanos as f64 / 1000.0 / messages as f64;
    let share = |nanos: u64| 100.0 * nanos as f64 / timing.total().max(1) as f64;
    eprintln!("{}: {:.0} µs ({messages} {})", language::TIMING, micros(timing.total()), language::MESSAGES);
    for (stage, nanos) in [
        ("parse", timing.parse),
        ("views", timing.views),
        ("patterns", timing.patterns),
        ("checks", timing.checks),
        ("metas", timing.metas),
        ("signatures", timing.signatures),
    ] {
        eprintln!("  {stage:<9} {:>8.1} µs {:>5.1} %", micros(nanos), share(nanos));
    }
    eprintln!("  {:.0} {}", messages as f64 * 1e9 / wall.max(1) as f64, language::PER_SECOND);
}
