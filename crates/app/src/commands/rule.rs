//! `sekisho rule`: the rule writer's bench. `try` shows how far a pattern gets, `suggest` makes rules of look-alike spams,
//! `convert` turns patterns for bytes into patterns for text.
//!
//! What is found and said comes from `workshop`; here messages are read and results laid out.

use super::check::{each_in_order, progress_bar};
use super::{Format, RuleArguments, service_config, shown};
use crate::debug::Debug;
use crate::input::{self, Place};
use crate::output::{Colour, Output, Painter, readable};
use crate::{CLEAN, FOUND, TROUBLE, environment, feeds as app_feeds, language, loading};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::{Engine, Scratch};
use mail::views::Views;
use mail::{Envelope, HeaderRequest, Message, Transaction, UnitText};
use rules::{Kind, LoadOptions, Rule, Source, SourceKind};
use serde_json::json;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use workshop::convert::{self, Report};
use workshop::suggest::{self, Candidates, Ham, Sample};
use workshop::try_rule::{Advice, Death, Looked, Trial, advise, delimiter_fault, marked};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Try a rule or a pattern on messages; where it does not hit, how far it got and on which byte it died. Exit 0: no hit, 1: hits
    Try(Try),
    /// Rules for look-alike spams that hit no ham, as a rule file. Exit 1: nothing to suggest
    Suggest(Suggest),
    /// Patterns for bytes of Shift_JIS, ISO-2022-JP and EUC-JP as patterns for text. Exit 1: some could not be converted
    Convert(Convert),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let code = match &arguments.what {
        What::Try(arguments) => arguments.run(&mut output)?,
        What::Suggest(arguments) => arguments.run(&mut output)?,
        What::Convert(arguments) => arguments.run(&mut output)?,
    };
    output.flush()?;
    Ok(code)
}

#[derive(Debug, Clone, clap::Args)]
struct Try {
    /// A rule's name, a whole rule line ('header X Subject =~ /pattern/'), or a pattern
    #[arg(value_name = "RULE|PATTERN")]
    what: String,
    /// Messages: files, folders, maildirs, mboxes, - for standard input (also if none is named)
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// What a pattern is tried on: header:NAME, body, rawbody, full, uri, text
    #[arg(long, value_name = "VIEW", default_value = "body")]
    view: String,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Configuration of the service, which says which rules there are
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
}

/// A pattern and what it is tried on.
struct Target {
    name: String,
    looked: Looked,
    header: Option<String>,
    trial: Trial,
    negated: bool,
    if_unset: Option<Vec<u8>>,
    skip_subject: bool,
}

/// Rules directives that a line may begin with.
const DIRECTIVES: [&str; 9] = ["header", "body", "rawbody", "full", "uri", "text", "mimeheader", "uri_detail", "meta"];
/// Matches that are shown of one message.
const SHOWN: usize = 5;

enum Wanted {
    Pattern(Box<Target>),
    /// Tried by judging with all rules.
    Rule(String),
}

impl Try {
    fn run(&self, output: &mut Output) -> anyhow::Result<u8> {
        let config = service_config(self.config.as_deref())?;
        let mut selection = self.rules.selection(&config);
        selection.local = true;
        let mut words = self.what.split_whitespace();
        let is_line = words.next().is_some_and(|word| DIRECTIVES.contains(&word)) && words.next().is_some();
        let is_meta = is_line && !is_pattern_line(&self.what);
        if is_meta {
            selection.cf.push(self.what.clone());
        }
        let loaded = loading::load(&selection, !self.rules.no_cache && !is_meta, true, &Debug::default());
        let engine = &loaded.engine;
        let wanted = match () {
            () if is_line && !is_meta => match self.of_line()? {
                Some(target) => Wanted::Pattern(Box::new(target)),
                None => return Ok(TROUBLE),
            },
            () if is_meta => {
                let name = self.what.split_whitespace().nth(1).unwrap_or_default().to_owned();
                if engine.ruleset.get(&name).is_none() {
                    loaded.diagnostics.iter().rev().take(1).for_each(|found| eprintln!("sekisho: {}", found.message));
                    return Ok(TROUBLE);
                }
                Wanted::Rule(name)
            }
            () => match engine.ruleset.get(&self.what) {
                Some(rule) => match target(rule)? {
                    Some(target) => Wanted::Pattern(Box::new(target)),
                    None => Wanted::Rule(rule.name.clone()),
                },
                None => {
                    if looks_like_a_name(&self.what) {
                        let said = language::pick(
                            "no rule of this name; it is tried as a pattern",
                            "この名前のルールはありません。パターンとして試します",
                        );
                        eprintln!("sekisho: {}: {said}", self.what);
                    }
                    Wanted::Pattern(Box::new(self.pattern()?))
                }
            },
        };
        let stdin = [PathBuf::from("-")];
        let named = if self.files.is_empty() { &stdin[..] } else { &self.files };
        let places = input::find(named, input::Format::Detect);
        let mut code = CLEAN;
        let mut hits = 0;
        if let Wanted::Pattern(target) = &wanted {
            self.tell_advice(target, output)?;
        }
        let mut scratch = Scratch::new();
        scratch.explain = true;
        for place in &places {
            let raw = match place.read() {
                Ok(raw) => raw,
                Err(error) => {
                    eprintln!("sekisho: {}: {error}", place.name());
                    code = TROUBLE;
                    continue;
                }
            };
            let message = Message::parse(&raw, &engine.views.limits);
            let hit = match &wanted {
                Wanted::Pattern(target) => {
                    let views = Views::new(&message, &engine.views);
                    self.try_pattern(target, &place.name(), &views, output)?
                }
                Wanted::Rule(name) => {
                    let transaction =
                        Transaction { envelope: Envelope::default(), message, now: environment::unix_time() };
                    self.try_rule(name, &place.name(), engine, &transaction, &mut scratch, output)?
                }
            };
            hits += usize::from(hit);
            if output.is_closed() {
                break;
            }
        }
        if self.format == Format::Text && places.len() > 1 {
            let tally = match language::pick(false, true) {
                true => format!("{} 通中 {hits} 通に一致", places.len()),
                false => format!("{hits} of {} messages hit", places.len()),
            };
            output.line(&tally)?;
        }
        Ok(if hits > 0 { code.max(FOUND) } else { code })
    }

    /// The pattern of a rule line that stands on its own.
    fn of_line(&self) -> anyhow::Result<Option<Target>> {
        let options = LoadOptions { local_only: true, ..LoadOptions::default() };
        let source = Source::new("(command line)", self.what.as_bytes(), SourceKind::Site);
        let (ruleset, diagnostics) = rules::load(&[source], &engine::catalog(), &options, &mut rules::NoReader);
        let name = self.what.split_whitespace().nth(1).unwrap_or_default();
        let rule = ruleset.get(name);
        if rule.is_none() {
            for found in &diagnostics {
                eprintln!("sekisho: {}", found.message);
                if !found.excerpt.is_empty() {
                    eprintln!(
                        "  {}\n  {}{}",
                        found.excerpt,
                        " ".repeat(found.column.saturating_sub(1) as usize),
                        "^".repeat(found.width.max(1) as usize)
                    );
                }
            }
            return Ok(None);
        }
        rule.map(target).transpose().map(Option::flatten)
    }

    fn pattern(&self) -> anyhow::Result<Target> {
        let (view, header) = match self.view.split_once(':') {
            Some((view, header)) => (view, Some(header.to_owned())),
            None => (self.view.as_str(), None),
        };
        let looked = Looked::ALL.into_iter().find(|looked| looked.name() == view);
        let looked =
            looked.filter(|looked| (*looked == Looked::Header) == header.as_ref().is_some_and(|name| !name.is_empty()));
        let Some(looked) = looked else {
            bail!(
                "--view {}: {}",
                self.view,
                language::pick(
                    "header:NAME, body, rawbody, full, uri or text",
                    "header:名前、body、rawbody、full、uri、text のどれか"
                )
            );
        };
        let trial = match Trial::from_text(self.what.as_bytes()) {
            Ok(trial) => trial,
            Err(error) => bail!("{}\n  {}\n  {}^", error.reason, self.what, " ".repeat(error.offset)),
        };
        Ok(Target { name: "NAME".into(), looked, header, trial, negated: false, if_unset: None, skip_subject: false })
    }

    fn tell_advice(&self, target: &Target, output: &mut Output) -> anyhow::Result<()> {
        let advice = advise(&target.trial, target.looked, &target.name);
        if self.format == Format::Json {
            return Ok(());
        }
        let painter = output.painter();
        let pattern = readable(&target.trial.source, 2_000);
        let view = target.header.as_ref().map_or(target.looked.name().to_owned(), |name| format!("header:{name}"));
        output.line(&format!("{} {}", painter.paint(Colour::Blue, &view), pattern))?;
        for advice in &advice {
            output.line(&format!("  ! {}", readable(advice.text(language::explanations()).as_bytes(), 2_000)))?;
        }
        Ok(())
    }

    fn try_pattern(&self, target: &Target, name: &str, views: &Views<'_>, output: &mut Output) -> anyhow::Result<bool> {
        let units = units(target, views);
        let mut found = Vec::new();
        let mut nearest: Option<(usize, Death)> = None;
        for (number, unit) in units.iter().enumerate() {
            found.extend(target.trial.find_all(unit, SHOWN).into_iter().map(|place| (number, place)));
            if !found.is_empty() {
                continue;
            }
            if let Some(death) = target.trial.furthest(unit) {
                let better = |old: &Death| (death.passed, death.at - death.start) > (old.passed, old.at - old.start);
                if nearest.as_ref().is_none_or(|(_, old)| better(old)) {
                    nearest = Some((number, death));
                }
            }
        }
        let mut special = Vec::new();
        if found.is_empty() {
            let crlf = units.iter().any(|unit| {
                unit.windows(2).any(|pair| pair == b"\r\n") && target.trial.find(&without_returns(unit)).is_some()
            });
            special.extend(crlf.then_some(Advice::CarriageReturn));
        }
        let by_fault = !found.is_empty()
            && corrected(&target.trial).is_some_and(|right| units.iter().all(|unit| right.find(unit).is_none()));
        let hit = found.is_empty() == target.negated;
        if self.format == Format::Json {
            let matches: Vec<_> = found
                .iter()
                .map(|(unit, place)| json!({"unit": unit, "start": place.start, "end": place.end, "text": String::from_utf8_lossy(&units[*unit][place.start..place.end])}))
                .collect();
            let near = nearest.as_ref().map(|(unit, death)| {
                json!({"unit": unit, "start": death.start, "died_at": death.at, "byte": units[*unit].get(death.at),
                       "failed_from": death.failed.start, "failed_to": death.failed.end,
                       "failed": String::from_utf8_lossy(&target.trial.source[death.failed.clone()]),
                       "passed": death.passed, "parts": death.parts})
            });
            let mut advice = advise(&target.trial, target.looked, &target.name);
            advice.extend(special);
            let advice: Vec<String> =
                advice.iter().map(|advice| advice.text(rules::explain::Language::English)).collect();
            output.line(&serde_json::to_string(&json!({
                "file": name, "hit": hit, "matches": matches, "near": near.filter(|_| found.is_empty()), "only_by_fault": by_fault, "advice": advice,
            }))?)?;
            return Ok(hit);
        }
        let painter = output.painter();
        let verdict = match hit {
            true => painter.paint(Colour::Red, language::pick("hit", "一致")),
            false => painter.paint(Colour::Green, language::pick("no hit", "不一致")),
        };
        let missing = units
            .is_empty()
            .then(|| language::pick(" (the message has nothing of this kind)", "（このメールには対象がありません）"));
        output.line(&format!("{}: {verdict}{}", shown(name.as_bytes()), missing.unwrap_or_default()))?;
        for (number, place) in found.iter().take(SHOWN) {
            let part = marked(&units[*number], place.start..place.end, 20, 20, '~');
            output.line(&format!("    {}", part.line))?;
            output.line(&format!("    {}", painter.paint(Colour::Yellow, &part.marks)))?;
        }
        if by_fault {
            let said = language::pick(
                "only because of the fault above: with the correction it does not hit",
                "上の誤りのためだけに一致しています。直すと一致しません",
            );
            output.line(&format!("    ! {said}"))?;
        }
        if let (true, Some((number, death))) = (found.is_empty(), &nearest) {
            tell_death(target, &units[*number], *number, death, painter, output)?;
        }
        for advice in special {
            output.line(&format!("    ! {}", advice.text(language::explanations())))?;
        }
        Ok(hit)
    }

    /// A rule that is more than a pattern.
    fn try_rule(
        &self,
        name: &str,
        file: &str,
        engine: &Engine,
        transaction: &Transaction,
        scratch: &mut Scratch,
        output: &mut Output,
    ) -> anyhow::Result<bool> {
        let verdict = engine::judge(engine, transaction, scratch);
        let hits = |name: &str| {
            verdict
                .hits
                .iter()
                .find(|hit| hit.rule == name)
                .map(|hit| hit.count.max(1))
                .or_else(|| verdict.subtests.iter().find(|(sub, _)| sub == name).map(|(_, count)| *count))
        };
        let hit = hits(name).is_some();
        let mut parts: Vec<(String, Option<u32>)> = Vec::new();
        if let Some(Rule { kind: Kind::Meta(meta), .. }) = engine.ruleset.get(name) {
            parts = meta
                .dependencies
                .iter()
                .map(|id| engine.ruleset.rule(*id).name.clone())
                .chain(meta.undefined.iter().cloned())
                .map(|part| {
                    let count = hits(&part);
                    (part, count)
                })
                .collect();
        }
        let evidence: Vec<_> =
            verdict.hits.iter().filter(|hit| hit.rule == name).flat_map(|hit| &hit.evidence).collect();
        if self.format == Format::Json {
            output.line(&serde_json::to_string(&json!({
                "file": file, "hit": hit,
                "parts": parts.iter().map(|(part, count)| json!({"rule": part, "count": count.unwrap_or(0)})).collect::<Vec<_>>(),
                "matches": evidence.iter().map(|seen| json!({"view": seen.view, "start": seen.offset, "text": String::from_utf8_lossy(&seen.matched)})).collect::<Vec<_>>(),
            }))?)?;
            return Ok(hit);
        }
        let painter = output.painter();
        let word = match hit {
            true => painter.paint(Colour::Red, language::pick("hit", "一致")),
            false => painter.paint(Colour::Green, language::pick("no hit", "不一致")),
        };
        output.line(&format!("{}: {word}", shown(file.as_bytes())))?;
        for (part, count) in &parts {
            let mark = match count {
                Some(count) => painter.paint(Colour::Red, &count.to_string()),
                None => "0".to_owned(),
            };
            output.line(&format!("    {mark:>4}  {part}"))?;
        }
        for seen in evidence {
            output.line(&format!("    {} @{} \"{}\"", seen.view, seen.offset, shown(&seen.matched)))?;
        }
        Ok(hit)
    }
}

/// Where it died: the pattern with its part marked, the text with its byte.
fn tell_death(
    target: &Target,
    unit: &[u8],
    number: usize,
    death: &Death,
    painter: Painter,
    output: &mut Output,
) -> anyhow::Result<()> {
    let byte = match unit.get(death.at) {
        Some(byte @ 0x21..=0x7e) => format!("'{}' ({byte:02X})", char::from(*byte)),
        Some(byte) => format!("{byte:02X}"),
        None => language::pick("the end of the text", "テキストの終わり").to_owned(),
    };
    let place = match (target.looked, number) {
        (Looked::Header | Looked::Full, _) => String::new(),
        (_, number) => language::pick(format!(" of paragraph {number}"), format!("（段落 {number}）")),
    };
    let said = match language::pick(false, true) {
        true => format!(
            "全 {} 部のうち {} 部まで進み、{} バイト目{place}の {byte} で止まりました",
            death.parts,
            death.passed,
            death.at + 1
        ),
        false => {
            format!("passed {} of {} parts, died at byte {}{place} on {byte}", death.passed, death.parts, death.at + 1)
        }
    };
    output.line(&format!("    {said}"))?;
    let pattern = marked(&target.trial.source, death.failed.clone(), 40, 20, '~');
    let text = marked(unit, death.at..(death.at + 1).min(unit.len()), 40, 20, '^');
    let (pattern_name, text_name) = language::pick(("pattern", "text   "), ("パターン", "テキスト"));
    let pad = if pattern_name.is_ascii() { 7 } else { 8 };
    for (name, part) in [(pattern_name, &pattern), (text_name, &text)] {
        output.line(&format!("      {name}  {}", part.line))?;
        output.line(&format!("      {}  {}", " ".repeat(pad), painter.paint(Colour::Yellow, &part.marks)))?;
    }
    Ok(())
}

/// The pattern without the talk's fault, where it has it.
fn corrected(trial: &Trial) -> Option<Trial> {
    let (part, better) = delimiter_fault(trial)?;
    let mut source = trial.source[..part.start].to_vec();
    source.extend_from_slice(&better);
    source.extend_from_slice(&trial.source[part.end..]);
    Trial::new(&source, trial.flags).ok()
}

fn without_returns(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        if *byte != b'\r' || text.get(at + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    out
}

fn is_pattern_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let directive = words.next().unwrap_or_default();
    let test = words.nth(1).unwrap_or_default();
    matches!(directive, "body" | "rawbody" | "full" | "uri" | "text") && !test.starts_with("eval:")
        || directive == "header" && !test.starts_with("eval:") && !test.starts_with("exists:")
}

fn looks_like_a_name(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A rule that is one pattern on one view; `None`: it is tried by judging.
fn target(rule: &Rule) -> anyhow::Result<Option<Target>> {
    let (looked, header, pattern, negated, if_unset) = match &rule.kind {
        Kind::Header(test) => {
            (Looked::Header, Some(test.header.clone()), &test.pattern, test.negated, test.if_unset.clone())
        }
        Kind::Body(pattern) => (Looked::Body, None, pattern, false, None),
        Kind::RawBody(pattern) => (Looked::RawBody, None, pattern, false, None),
        Kind::Full(pattern) => (Looked::Full, None, pattern, false, None),
        Kind::Uri(pattern) => (Looked::Uri, None, pattern, false, None),
        Kind::Text(pattern) => (Looked::Text, None, pattern, false, None),
        _ => return Ok(None),
    };
    // Patterns with tags differ from message to message.
    if !pattern.templates.is_empty() {
        return Ok(None);
    }
    let trial = match Trial::new(pattern.body(), pattern.flags) {
        Ok(trial) => trial,
        Err(error) => bail!("{}: {}", rule.name, error.reason),
    };
    Ok(Some(Target {
        name: rule.name.clone(),
        looked,
        header,
        trial,
        negated,
        if_unset,
        skip_subject: rule.tflags.has(rules::Flags::NOSUBJECT),
    }))
}

/// What a pattern is matched against, one after the other.
fn units<'v>(target: &'v Target, views: &'v Views<'_>) -> Vec<Cow<'v, [u8]>> {
    fn all(text: &UnitText) -> Vec<Cow<'_, [u8]>> {
        text.iter().map(Cow::Borrowed).collect()
    }
    match target.looked {
        Looked::Header => {
            let name = target.header.as_deref().unwrap_or_default();
            match views.header(&HeaderRequest::parse(name)) {
                Some(value) => vec![Cow::Owned(value.joined.clone())],
                None => target.if_unset.iter().map(|text| Cow::Borrowed(text.as_slice())).collect(),
            }
        }
        Looked::Body => {
            let units = all(views.body());
            if target.skip_subject { units.into_iter().skip(1).collect() } else { units }
        }
        Looked::RawBody => all(views.rawbody()),
        Looked::Full => vec![Cow::Borrowed(views.full())],
        Looked::Uri => all(&views.uris().text),
        Looked::Text => all(&views.text().body),
    }
}

#[derive(Debug, Clone, clap::Args)]
struct Suggest {
    /// Spam: files, folders, maildirs, mboxes; repeatable
    #[arg(long, value_name = "PATH", required = true)]
    spam: Vec<PathBuf>,
    /// Ham, which no rule may hit: the more, and the more like yours, the better; repeatable
    #[arg(long, value_name = "PATH", required = true)]
    ham: Vec<PathBuf>,
    /// Groups of fewer look-alikes are left out
    #[arg(long, value_name = "N", default_value_t = 4)]
    least: usize,
    /// Score of each suggested rule
    #[arg(long, value_name = "POINTS", default_value_t = 2.0)]
    score: f64,
    /// Make the rules from one half of each group and of the ham, and count what they hit of the other
    #[arg(long)]
    prove: bool,
    /// Write the rules to this file; default: standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many messages at once; 0: one a core
    #[arg(short, long, default_value_t = 0, value_name = "N")]
    jobs: usize,
    /// Configuration of the service
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Suggest {
    fn run(&self, output: &mut Output) -> anyhow::Result<u8> {
        let config = service_config(self.config.as_deref())?;
        let loaded = loading::load(&app_feeds::selection(&config), true, true, &Debug::default());
        let engine = &loaded.engine;
        // Spam is read twice, and standard input can be read once.
        let stdin: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
        let from = |place: &Place| {
            place.read().map_err(|error| format!("sekisho: {}: {error}", shown(place.name().as_bytes())))
        };
        let read = |place: &Place| match place {
            Place::Stdin => stdin.get_or_init(|| from(place)).clone(),
            place => from(place),
        };
        let spam = input::find(&self.spam, input::Format::Detect);
        let ham = input::find(&self.ham, input::Format::Detect);
        let progress = progress_bar((spam.len() + ham.len()) as u64);
        let mut unread = 0;
        let mut samples = Vec::new();
        let mut sampled: Vec<Place> = Vec::new();
        each_in_order(
            &spam,
            self.jobs,
            |place, _| {
                let raw = read(place)?;
                let message = Message::parse(&raw, &engine.views.limits);
                Ok::<_, String>((place.clone(), Sample::of(&Views::new(&message, &engine.views))))
            },
            |sample| {
                progress.inc(1);
                match sample {
                    Ok((place, sample)) => {
                        samples.push(sample);
                        sampled.push(place);
                    }
                    Err(error) => {
                        unread += 1;
                        progress.suspend(|| eprintln!("{error}"));
                    }
                }
                true
            },
        );
        let clusters = suggest::clusters(&samples, if self.prove { self.least.max(4) } else { self.least });
        // Every second member of a group; the largest groups are not all of one time, since files have an order.
        let (made_of, kept): (Vec<Vec<usize>>, Vec<Vec<usize>>) = clusters
            .iter()
            .map(|members| match self.prove {
                true => {
                    (members.iter().step_by(2).copied().collect(), members.iter().skip(1).step_by(2).copied().collect())
                }
                false => (members.clone(), Vec::new()),
            })
            .unzip();
        let mut candidates = Candidates::new(&samples, &made_of);
        let hits = |place: &Place| {
            let raw = read(place)?;
            let message = Message::parse(&raw, &engine.views.limits);
            let views = Views::new(&message, &engine.views);
            let hits = candidates.hits(&views, &mut suggest::Scratch::new());
            Ok::<_, String>((hits, suggest::is_written_eastern(&views)))
        };
        let grouped: Vec<usize> = clusters.iter().flatten().copied().collect();
        let alike: Vec<Place> = grouped.iter().map(|member| sampled[*member].clone()).collect();
        progress.inc_length(alike.len() as u64);
        let mut spam_hits: HashMap<usize, Vec<u32>> = HashMap::new();
        let mut members = grouped.iter();
        each_in_order(
            &alike,
            self.jobs,
            |place, _| hits(place),
            |hits| {
                progress.inc(1);
                // What went away since the first look hits nothing.
                spam_hits.extend(members.next().copied().zip(hits.ok().map(|(hits, _)| hits)));
                true
            },
        );
        let mut known = Ham::default();
        let mut other: Vec<Vec<u32>> = Vec::new();
        let mut number = 0;
        each_in_order(
            &ham,
            self.jobs,
            |place, _| hits(place),
            |hits| {
                progress.inc(1);
                match hits {
                    Ok((hits, eastern)) => {
                        match self.prove && number % 2 == 1 {
                            true => other.push(hits),
                            false => known.add(hits, eastern),
                        }
                        number += 1;
                    }
                    Err(error) => {
                        unread += 1;
                        progress.suspend(|| eprintln!("{error}"));
                    }
                }
                true
            },
        );
        progress.finish_and_clear();
        if known.messages == 0 {
            eprintln!(
                "sekisho: {}",
                language::pick(
                    "no ham could be read, so nothing is suggested: a rule is worth what it does not hit",
                    "通常メールを 1 通も読めなかったため、提案しません。何に一致しないかが分からないからです"
                )
            );
            return Ok(TROUBLE);
        }
        made_of.iter().flatten().for_each(|member| {
            spam_hits.get(member).into_iter().for_each(|hits| candidates.count(*member, hits));
        });
        let suggestions = candidates.suggest(&known);
        let mut text = String::from("if can(Sekisho::text_rules)\n");
        let mut made = 0;
        for suggestion in &suggestions {
            let about = suggestion.members.first().and_then(|first| samples[*first].headers.get("Subject:text"));
            let rules = suggestion.rules(&readable(about.map_or("", String::as_str).as_bytes(), 200), self.score);
            if !rules.is_empty() {
                made += 1;
                text.push('\n');
                text.push_str(&rules);
            }
        }
        text.push_str("\nendif\n");
        let grouped = grouped.len();
        let covered: usize = suggestions.iter().map(|suggestion| suggestion.covered).sum();
        let of: usize = made_of.iter().map(Vec::len).sum();
        match language::pick(false, true) {
            true => eprintln!(
                "迷惑メール {} 通: 似たもの {} グループ（{grouped} 通）。{made} グループにルールを提案、{of} 通中 {covered} 通に一致。通常メール {} 通（うち日中韓の文字のもの {} 通）には一致なし",
                samples.len(),
                clusters.len(),
                known.messages,
                known.eastern
            ),
            false => eprintln!(
                "{} spam: {} groups of look-alikes ({grouped} messages); rules for {made} of them hit {covered} of {of}, and none of {} ham ({} of it with kana, kanji or hangul)",
                samples.len(),
                clusters.len(),
                known.messages,
                known.eastern
            ),
        }
        if self.prove {
            let mut found = 0;
            let mut all = 0;
            for (suggestion, members) in suggestions.iter().zip(&kept) {
                let hit = |member: &&usize| spam_hits.get(*member).is_some_and(|hits| suggestion.hits(hits));
                let hit = members.iter().filter(hit).count();
                output.line(&format!(
                    "{}\t{}/{}\t{}/{}",
                    suggestion.name,
                    suggestion.covered,
                    suggestion.members.len(),
                    hit,
                    members.len()
                ))?;
                found += hit;
                all += members.len();
            }
            let wrong = other.iter().filter(|hits| suggestions.iter().any(|suggestion| suggestion.hits(hits))).count();
            let percent = 100.0 * found as f64 / all.max(1) as f64;
            output.line(&match language::pick(false, true) {
                true => format!("取り分けた {all} 通中 {found} 通に一致（{percent:.1} %）、取り分けた通常メール {} 通中 {wrong} 通に一致", other.len()),
                false => format!("held out: {found} of {all} hit ({percent:.1} %); ham held out: {wrong} of {} hit", other.len()),
            })?;
        }
        match &self.output {
            Some(file) => app_feeds::generations::write_whole(file, text.as_bytes())
                .with_context(|| file.display().to_string())?,
            None if !self.prove && made > 0 => output.text(&text)?,
            None => {}
        }
        if unread > 0 {
            match language::pick(false, true) {
                true => eprintln!("sekisho: {unread} 通を読めませんでした"),
                false => eprintln!("sekisho: {unread} messages could not be read"),
            }
            return Ok(TROUBLE);
        }
        Ok(if made > 0 { CLEAN } else { FOUND })
    }
}

#[derive(Debug, Clone, clap::Args)]
struct Convert {
    /// A user_prefs or rule file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the new file here; default: standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Convert {
    fn run(&self, output: &mut Output) -> anyhow::Result<u8> {
        let bytes = match self.file.as_os_str() == "-" {
            true => Place::Stdin.read()?,
            false => fs::read(&self.file).with_context(|| self.file.display().to_string())?,
        };
        let (text, reports) = convert::file(&bytes);
        match &self.output {
            Some(file) => {
                app_feeds::generations::write_whole(file, &text).with_context(|| file.display().to_string())?
            }
            None => output.bytes(&text)?,
        }
        let mut left = 0;
        for Report { line, name, outcome } in &reports {
            let place = format!("{}:{line}: {}", self.file.display(), shown(name.as_bytes()));
            match outcome {
                Ok(done) => {
                    let words: Vec<String> = done.words.iter().map(|word| shown(word.as_bytes())).collect();
                    eprintln!("{place}: {} → {}", done.encoding, words.join(" / "));
                }
                Err(why) => {
                    left += 1;
                    let said = language::pick("left as it is", "そのまま残しました");
                    eprintln!("{place}: {said}: {}", why.text(language::explanations()));
                }
            }
        }
        match language::pick(false, true) {
            true => eprintln!("{} 件を変換、{left} 件はそのまま", reports.len() - left),
            false => eprintln!("{} rules converted, {left} left as they are", reports.len() - left),
        }
        Ok(if left > 0 { FOUND } else { CLEAN })
    }
}
