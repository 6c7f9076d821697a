//! Compares eval rules with SpamAssassin's hits, over dumps of `oracle.pl` (one JSON object a line).
//!
//! `cargo run --release -p sekisho-engine --example compare_evals -- [-r RULE] /usr/share/spamassassin DUMP.jsonl...`
#![allow(clippy::print_stdout, reason = "a tool for maintainers")]

use engine::checks;
use engine::{Answers, Asking, Context, Kinds, Memo};
use mail::{Envelope, Message, Transaction, ViewConfig, Views};
use rules::{Catalog, CatalogEval, LoadOptions, Settings, Source, SourceKind, Stage};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(serde::Deserialize)]
struct Oracle {
    file: String,
    hits: HashMap<String, f64>,
}

struct Rule {
    name: String,
    kind: Kinds,
    function: String,
    args: Vec<String>,
}

#[derive(Default)]
struct Tally {
    both: u32,
    ours: Vec<String>,
    theirs: Vec<String>,
    spent: Duration,
}

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let mut only = None;
    if args.peek().is_some_and(|a| a == "-r") {
        args.next();
        only = args.next();
    }
    let folder = args.next().expect("a folder of rules");
    let (rules, settings, config) = load(&folder);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let (mut messages, mut total) = (0u32, Duration::ZERO);
    let (mut views_time, mut evals_time) = (Duration::ZERO, Duration::ZERO);
    for dump in args {
        for line in BufReader::new(std::fs::File::open(&dump).expect("dump")).split(b'\n') {
            let Ok(oracle) = serde_json::from_slice::<Oracle>(&line.expect("dump")) else { continue };
            let Ok(raw) = std::fs::read(&oracle.file) else { continue };
            messages += 1;
            let start = Instant::now();
            let message = Message::parse(&raw, &config.limits);
            let transaction =
                Transaction { envelope: Envelope::default(), message: message.clone(), now: 1_795_000_000 };
            let views = Views::new(&message, &config);
            let warm = Instant::now();
            views.body();
            views.rawbody();
            views.relays();
            views.uris();
            for (id, _) in message.leaves() {
                views.rendered(id);
            }
            views_time += warm.elapsed();
            let (memo, answers) = (Memo::default(), Answers::default());
            let asking = Asking::new(&answers);
            let before = Instant::now();
            for rule in &rules {
                let Some(expected) = oracle.hits.get(&rule.name) else { continue };
                if only.as_ref().is_some_and(|o| *o != rule.name) {
                    continue;
                }
                let Some(entry) = checks::find(&rule.function) else { continue };
                let cx = Context {
                    transaction: &transaction,
                    views: &views,
                    settings: &settings,
                    rule: &rule.name,
                    kind: rule.kind,
                    memo: &memo,
                    asking: &asking,
                };
                let begun = Instant::now();
                let value = (entry.run)(&cx, &rule.args).map_or(0.0, |finding| finding.value);
                let tally = tallies.entry(&rule.name).or_default();
                tally.spent += begun.elapsed();
                match (value > 0.0, *expected > 0.0) {
                    (true, true) => tally.both += 1,
                    (true, false) => tally.ours.push(oracle.file.clone()),
                    (false, true) => tally.theirs.push(oracle.file.clone()),
                    _ => {}
                }
            }
            evals_time += before.elapsed();
            total += start.elapsed();
        }
    }
    let (mut both, mut extra, mut missing) = (0, 0, 0);
    for (name, tally) in &tallies {
        both += tally.both;
        extra += tally.ours.len();
        missing += tally.theirs.len();
        let rule = rules.iter().find(|r| r.name == *name).expect("from the list");
        if !tally.ours.is_empty() || !tally.theirs.is_empty() || only.is_some() {
            println!(
                "{name} {}({:?}): both {}, only ours {} {:?}, only theirs {} {:?}",
                rule.function,
                rule.args,
                tally.both,
                tally.ours.len(),
                tally.ours.iter().take(4).collect::<Vec<_>>(),
                tally.theirs.len(),
                tally.theirs.iter().take(4).collect::<Vec<_>>()
            );
        }
    }
    let mut slow: Vec<_> = tallies.iter().map(|(name, t)| (t.spent, name)).collect();
    slow.sort();
    for (spent, name) in slow.iter().rev().take(15) {
        println!("{:8.2} µs {name}", spent.as_secs_f64() * 1e6 / f64::from(messages.max(1)));
    }
    let per = |t: Duration| t.as_secs_f64() * 1e6 / f64::from(messages.max(1));
    println!(
        "{messages} messages, {} rules: {both} equal hits, {extra} only ours, {missing} only theirs",
        tallies.len()
    );
    println!("µs a message: all {:.1}, views {:.1}, evals {:.1}", per(total), per(views_time), per(evals_time));
}

/// `/etc/spamassassin/*.pre`, then the rules of `folder`, then the site's, all local: as `spamassassin -L` reads them.
fn load(folder: &str) -> (Vec<Rule>, Settings, ViewConfig) {
    let mut sources = Vec::new();
    for (folder, extension, kind) in [
        ("/etc/spamassassin", "pre", SourceKind::Pre),
        (folder, "cf", SourceKind::Default),
        ("/etc/spamassassin", "cf", SourceKind::Site),
    ] {
        let mut files: Vec<_> = std::fs::read_dir(folder).expect("folder").flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == extension)) {
            sources.push(Source::new(file.to_string_lossy(), std::fs::read(file).expect("file"), kind));
        }
    }
    let stage = |kinds: Kinds| match kinds {
        Kinds::Header => Some(Stage::Header),
        Kinds::Body => Some(Stage::Body),
        Kinds::RawBody => Some(Stage::RawBody),
        Kinds::Full => Some(Stage::Full),
        Kinds::Any => None,
    };
    let evals = checks::CHECKS.iter().map(|c| CatalogEval { name: c.name, stage: stage(c.kinds), plugin: c.plugin });
    let options = LoadOptions { local_only: true, ..LoadOptions::default() };
    let (ruleset, diagnostics) =
        rules::load(&sources, &Catalog { evals: evals.collect() }, &options, &mut rules::NoReader);
    println!("{} diagnostics, {} rules", diagnostics.len(), ruleset.rules.len());
    let rules = ruleset.rules.iter().filter_map(|rule| {
        let rules::Kind::Eval(eval) = &rule.kind else { return None };
        let kind = match eval.stage {
            Stage::Header | Stage::Rbl => Kinds::Header,
            Stage::Body => Kinds::Body,
            Stage::RawBody => Kinds::RawBody,
            Stage::Full => Kinds::Full,
        };
        let (name, function, args) = (rule.name.clone(), eval.function.clone(), eval.arguments.clone());
        Some(Rule { name, kind, function, args })
    });
    let rules = rules.collect();
    let settings = ruleset.settings;
    let tlds = &settings.top_level_domains;
    fn texts(set: &std::collections::BTreeSet<String>) -> impl Iterator<Item = &str> {
        set.iter().map(String::as_str)
    }
    let registry = mail::tld::Registry::new(texts(&tlds.one), texts(&tlds.two), texts(&tlds.three));
    let config = ViewConfig { tlds: Arc::new(registry), ..ViewConfig::default() };
    (rules, settings, config)
}
