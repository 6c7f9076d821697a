//! Compares eval rules with SpamAssassin's hits, over dumps of `oracle.pl` (one JSON object a line).
//!
//! `cargo run --release -p sekisho-engine --example compare_evals -- [-r RULE] /usr/share/spamassassin DUMP.jsonl...`
#![allow(clippy::print_stdout, reason = "a tool for maintainers")]

use engine::checks;
use engine::{Answers, Asking, Context, Kinds, Memo};
use mail::{Envelope, Message, Transaction, ViewConfig, Views};
use rules::Settings;
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
    println!("{messages} messages, {} rules: {both} equal hits, {extra} only ours, {missing} only theirs", tallies.len());
    println!("µs a message: all {:.1}, views {:.1}, evals {:.1}", per(total), per(views_time), per(evals_time));
}

fn load(folder: &str) -> (Vec<Rule>, Settings, ViewConfig) {
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("folder").flatten().map(|e| e.path()).collect();
    files.sort();
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    let mut settings = Settings::default();
    let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "cf")) {
        let text = String::from_utf8_lossy(&std::fs::read(file).expect("file")).into_owned();
        for line in text.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            let (Some(key), rest) = (words.next(), words.collect::<Vec<_>>()) else { continue };
            match key {
                "header" | "body" | "rawbody" | "full" if rest.get(1).is_some_and(|w| w.starts_with("eval:")) => {
                    let kind = match key {
                        "header" => Kinds::Header,
                        "body" => Kinds::Body,
                        "rawbody" => Kinds::RawBody,
                        _ => Kinds::Full,
                    };
                    let call = line.split_once("eval:").expect("seen above").1;
                    let (function, list) = call.split_once('(').unwrap_or((call, ")"));
                    let args = arguments(list.rsplit_once(')').map_or("", |(list, _)| list));
                    let name = rest[0].to_owned();
                    rules.insert(name.clone(), Rule { name, kind, function: function.trim().to_owned(), args });
                }
                "freemail_domains" => {
                    for word in rest {
                        let set = if word.contains(['*', '?']) {
                            &mut settings.freemail.wildcards
                        } else {
                            &mut settings.freemail.domains
                        };
                        set.insert(word.to_lowercase());
                    }
                }
                "enlist_uri_host" => {
                    let list = rest[0].trim_matches(['(', ')']).to_owned();
                    let hosts = settings.uri_host_lists.entry(list).or_default();
                    for host in &rest[1..] {
                        let host = host.to_lowercase();
                        hosts.insert(host.trim_start_matches('!').to_owned(), !host.starts_with('!'));
                    }
                }
                "enlist_addrlist" => {
                    let list = settings.address_lists.entry(rest[0].trim_matches(['(', ')']).to_owned()).or_default();
                    rest[1..].iter().for_each(|a| list.insert(a));
                }
                "url_shortener" | "url_shortener_get" => {
                    settings.url_shorteners.extend(rest.iter().map(|h| (h.to_lowercase(), false)));
                }
                "util_rb_tld" => one.extend(rest.iter().map(|w| w.to_lowercase())),
                "util_rb_2tld" => two.extend(rest.iter().map(|w| w.to_lowercase())),
                "util_rb_3tld" => three.extend(rest.iter().map(|w| w.to_lowercase())),
                _ => {}
            }
        }
    }
    fn texts(list: &[String]) -> impl Iterator<Item = &str> {
        list.iter().map(String::as_str)
    }
    let registry = mail::tld::Registry::new(texts(&one), texts(&two), texts(&three));
    let config = ViewConfig { tlds: Arc::new(registry), ..ViewConfig::default() };
    (rules.into_values().collect(), settings, config)
}

fn arguments(list: &str) -> Vec<String> {
    let mut args = Vec::new();
    let mut rest = list.trim();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '\'' | '"') {
            let end = rest[1..].find(first).map_or(rest.len(), |at| at + 1);
            args.push(rest[1..end].to_owned());
            rest = rest.get(end + 1..).unwrap_or("");
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            args.push(rest[..end].trim().to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start().trim_start_matches(',').trim_start();
    }
    args
}
