//! Scans real mail with SpamAssassin's own patterns, compares the hits with SpamAssassin's and tells the time each
//! kind of text takes. A maintainer's tool: see `dump_rules.pl` beside it for its first argument; the second is the
//! oracle's output (one JSON object a line, with texts and hits).
//!
//! `cargo run --release -p sekisho-patterns --example sa_scan -- rules.jsonl oracle.jsonl [messages]`

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use patterns::{Builder, Count, Database, Found, GroupId, PatternId, PatternKind, PatternSpec, Scratch, Text};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::time::Duration;

struct Rule {
    name: String,
    negated: bool,
    unset: Option<Vec<u8>>,
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u32 as u8).collect()
}

/// CPU time of this thread: the machine may be busy with other things.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of ours that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let limit: usize = args.get(3).and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut groups: HashMap<String, u32> = HashMap::new();
    let mut names: Vec<String> = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    let mut builder = Builder::new();
    let specs: Vec<Value> = std::fs::read_to_string(&args[1])
        .expect("rules file")
        .lines()
        .map(|line| serde_json::from_str(line).expect("rules are JSON"))
        .collect();
    let start = cpu();
    let mut slow: Vec<(Duration, String)> = Vec::new();
    for spec in &specs {
        if spec["exists"] == 1 || spec["template"] == 1 {
            continue;
        }
        let kind = spec["type"].as_str().unwrap_or_default();
        let group = match kind {
            "head" => spec["header"].as_str().unwrap_or_default().to_string(),
            other => format!("<{other}>"),
        };
        let next = groups.len() as u32;
        let group_id = *groups.entry(group.clone()).or_insert(next);
        if group_id == next {
            names.push(group);
        }
        let qr = bytes(spec["qr"].as_str().unwrap_or_default());
        let source = &qr[..];
        let count = if spec["multiple"] == 1 {
            Count::Many { limit: spec["maxhits"].as_u64().unwrap_or(0) as u32 }
        } else {
            Count::Once
        };
        let before = cpu();
        let added = builder.add(PatternSpec {
            group: GroupId(group_id),
            kind: PatternKind::Regex { source, flags: Default::default() },
            count,
            skip_first_unit: spec["nosubject"] == 1,
        });
        slow.push((cpu() - before, spec["name"].to_string()));
        match added {
            Ok(_) => rules.push(Rule {
                name: spec["name"].as_str().unwrap_or_default().to_string(),
                negated: spec["neg"] == 1,
                unset: spec["unset"].as_str().map(bytes),
            }),
            Err(error) => println!("{}: {error}", spec["name"]),
        }
    }
    let added = cpu() - start;
    let database = builder.build();
    println!("{} patterns, {} groups: add {added:?}, build {:?}", database.len(), groups.len(), cpu() - start - added);
    slow.sort();
    println!("slowest: {:?}", slow.iter().rev().take(10).collect::<Vec<_>>());
    let stored = postcard::to_allocvec(&database).expect("serialises");
    let start = cpu();
    let database: Database = postcard::from_bytes(&stored).expect("deserialises");
    println!("stored: {} bytes, loaded in {:?}", stored.len(), cpu() - start);
    if std::env::var_os("DESCRIBE").is_some() {
        println!("{}", database.statistics(&|group| names[group.0 as usize].clone()));
    }

    let file = std::fs::File::open(&args[2]).expect("oracle file");
    let mut messages = Vec::new();
    let skip: usize = std::env::var("SKIP").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let step: usize = std::env::var("STEP").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for line in std::io::BufReader::new(file).lines().skip(skip).step_by(step).take(limit) {
        messages.push(Message::new(&line.expect("readable"), &groups));
    }
    println!("{} messages", messages.len());
    let passes: usize = std::env::var("PASSES").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    // The least that each message took in any pass: other work on the machine only ever adds.
    let mut least: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut scratch = Scratch::new();
    let mut cold = Duration::ZERO;
    for pass in 0..passes {
        let mut times: BTreeMap<&str, Duration> = BTreeMap::new();
        let mut wrong: BTreeMap<&str, (u32, String)> = BTreeMap::new();
        let mut right = 0;
        let mut limited = 0;
        let mut found = Found::new();
        for (number, message) in messages.iter().enumerate() {
            found.clear();
            for (kind, texts) in &message.texts {
                let start = cpu();
                for (group, unit_text, ends) in texts {
                    database.scan(*group, Text { bytes: unit_text, ends }, &mut scratch, &mut found);
                }
                let took = cpu() - start;
                *times.entry(kind).or_default() += took;
                let least = &mut least.entry(kind).or_insert_with(|| vec![Duration::MAX; messages.len()])[number];
                *least = took.min(*least);
            }
            limited += found.limited().len();
            if pass == 0 {
                for (index, rule) in rules.iter().enumerate() {
                    let group = database.group(PatternId(index as u32)).expect("known");
                    if !message.has.contains_key(&group) || rule.unset.is_some() {
                        continue; // a header that the oracle did not dump
                    }
                    // A rule that is switched off (score 0) is not in the oracle's table at all.
                    let Some(expected) = message.hits.get(&rule.name).copied() else { continue };
                    let count = found.get(PatternId(index as u32)).map_or(0, |hit| hit.count);
                    let count = if rule.negated { u32::from(count == 0) } else { count };
                    if count == expected {
                        right += u32::from(count > 0);
                    } else {
                        let entry = wrong.entry(&rule.name).or_insert((0, String::new()));
                        entry.0 += 1;
                        entry.1 = format!("{} perl {expected} we {count}", message.file);
                    }
                }
            }
        }
        let total: Duration = times.values().sum();
        if pass == 0 {
            println!("hits that agree: {right}; rules that differ: {}; limited: {limited}", wrong.len());
            for (name, (count, example)) in wrong.iter().take(40) {
                println!("  {name}: {count} times, {example}");
            }
            cold = total;
        }
    }
    let per = |time: Duration| time.as_secs_f64() * 1e6 / messages.len() as f64;
    println!("first pass {:.1} us/message", per(cold));
    let mut total = 0.0;
    for (kind, times) in &least {
        let time = per(times.iter().sum());
        total += time;
        println!("  {kind:8} {time:8.1} us/message");
    }
    println!("  total    {total:8.1} us/message; automaton caches {} kB", scratch.memory() >> 10);
}

type UnitText = (GroupId, Vec<u8>, Vec<u32>);

struct Message {
    file: String,
    texts: Vec<(&'static str, Vec<UnitText>)>,
    has: HashMap<GroupId, ()>,
    hits: HashMap<String, u32>,
}

impl Message {
    fn new(line: &str, groups: &HashMap<String, u32>) -> Message {
        let value: Value = serde_json::from_str(line).expect("oracle is JSON");
        let mut texts = Vec::new();
        let mut has = HashMap::new();
        let list = |value: &Value| -> Vec<Vec<u8>> {
            value.as_array().map(|a| a.iter().filter_map(|v| v.as_str().map(bytes)).collect()).unwrap_or_default()
        };
        let unit_text = |group: u32, units: Vec<Vec<u8>>| -> UnitText {
            let mut text = Vec::new();
            let mut ends = Vec::new();
            for unit in units {
                text.extend_from_slice(&unit);
                ends.push(text.len() as u32);
            }
            (GroupId(group), text, ends)
        };
        for (kind, field, group) in
            [("body", "body", "<body>"), ("rawbody", "rawbody", "<rawbody>"), ("uri", "uris", "<uri>")]
        {
            let Some(group) = groups.get(group) else { continue };
            has.insert(GroupId(*group), ());
            texts.push((kind, vec![unit_text(*group, list(&value[field]))]));
        }
        let file = value["file"].as_str().unwrap_or_default().to_string();
        if let Some(group) = groups.get("<full>")
            && let Ok(raw) = std::fs::read(&file)
        {
            let full: Vec<u8> = raw.split(|b| *b == b'\r').flatten().copied().collect();
            texts.push(("full", vec![unit_text(*group, vec![full])]));
            has.insert(GroupId(*group), ());
        }
        let mut headers = Vec::new();
        let dumped = value["headers"].as_object().cloned().unwrap_or_default();
        for (name, values) in &dumped {
            let Some(group) = groups.get(name) else { continue };
            has.insert(GroupId(*group), ());
            let values = list(values);
            if let Some(first) = values.first() {
                let separator: &[u8] = if first.ends_with(b"\n") { b"" } else { b"\n" };
                headers.push(unit_text(*group, vec![values.join(separator)]));
            }
        }
        for (name, text) in value["relays"].as_object().cloned().unwrap_or_default() {
            let Some(group) = groups.get(&format!("X-Spam-Relays-{name}")) else { continue };
            has.insert(GroupId(*group), ());
            headers.push(unit_text(*group, vec![bytes(text.as_str().unwrap_or_default())]));
        }
        texts.push(("header", headers));
        let hits = value["hits"]
            .as_object()
            .map(|hits| hits.iter().map(|(k, v)| (k.clone(), v.as_f64().unwrap_or(0.0) as u32)).collect())
            .unwrap_or_default();
        Message { file, texts, has, hits }
    }
}
