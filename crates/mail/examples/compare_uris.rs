//! Compares our URI lists with SpamAssassin's, over dumps of `oracle.pl` (one JSON object a line).
//!
//! `cargo run --release -p sekisho-mail --example compare_uris -- [--views] RULES-FOLDER DUMP.jsonl...`
//!
//! Without `--views` text and links come from the dump, so that only this view is compared.
#![allow(clippy::print_stdout, reason = "a tool for maintainers")]

use mail::tld::Registry;
use mail::views::html::TagTypes;
use mail::views::uri::{Collector, UriList};
use mail::views::{Redirectors, ViewConfig, Views};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let with_views = args.next_if(|a| a == "--views").is_some();
    let rules = args.next().expect("a folder with .cf files");
    let mut cf = String::new();
    for file in std::fs::read_dir(rules).expect("rules").flatten() {
        if file.path().extension().is_some_and(|e| e == "cf") {
            cf += &String::from_utf8_lossy(&std::fs::read(file.path()).expect("rules"));
        }
    }
    let names = |key: &'static str| {
        cf.lines()
            .filter_map(move |l| l.strip_prefix(key))
            .flat_map(|l| l.split('#').next().unwrap_or("").split_whitespace())
    };
    let registry = Registry::new(names("util_rb_tld "), names("util_rb_2tld "), names("util_rb_3tld "));
    let config = ViewConfig {
        tlds: Arc::new(registry),
        redirectors: Arc::new(Patterns::of(&cf)),
        received_beyond_spamassassin: false,
        ..ViewConfig::default()
    };
    let (mut messages, mut uris, mut differ, mut spent) = (0, 0, 0, Duration::ZERO);
    for dump in args {
        for line in BufReader::new(std::fs::File::open(&dump).expect("dump")).split(b'\n') {
            let oracle: Value = serde_json::from_slice(&line.expect("dump")).expect("JSON");
            let file = oracle["file"].as_str().unwrap_or_default();
            let raw = std::fs::read(file).unwrap_or_default();
            let message = mail::Message::parse(&raw, &config.limits);
            let ours = if with_views {
                let views = Views::new(&message, &config);
                views.body();
                let start = Instant::now();
                views.uris();
                spent += start.elapsed();
                views.uris().clone()
            } else {
                let body: Vec<Vec<u8>> = oracle["body"].as_array().into_iter().flatten().map(bytes).collect();
                let start = Instant::now();
                let mut collector = Collector::new(&config.tlds, &*config.redirectors, config.limits.uris);
                body.iter().for_each(|unit| collector.text(unit));
                for (raw, detail) in oracle["uri_detail"].as_object().into_iter().flatten() {
                    let mut tags = TagTypes::default();
                    detail["types"].as_object().into_iter().flatten().for_each(|(name, _)| tags.insert(name));
                    let texts: Vec<Vec<u8>> =
                        detail["anchor_text"].as_array().into_iter().flatten().map(bytes).collect();
                    if !tags.is_empty() || !texts.is_empty() {
                        let raw: Vec<u8> = raw.chars().map(|c| c as u8).collect();
                        collector.link(&raw, tags, texts.iter().map(Vec::as_slice));
                    }
                }
                for name in ["DomainKey-Signature", "DKIM-Signature"] {
                    message.headers().all(name).for_each(|field| collector.dkim(&field.decoded));
                }
                let list = collector.finish();
                spent += start.elapsed();
                list
            };
            messages += 1;
            uris += ours.uris.len();
            let ours = lines(&ours);
            let theirs = oracle_lines(&oracle);
            if ours != theirs {
                differ += 1;
                println!("{file}");
                ours.difference(&theirs).for_each(|l| println!("  + {}", l.escape_ascii()));
                theirs.difference(&ours).for_each(|l| println!("  - {}", l.escape_ascii()));
            }
        }
    }
    println!("{messages} messages, {uris} URIs, {differ} messages differ, {:?} a message", spent / messages.max(1));
}

/// All facts, a line each, in an order of their own.
fn lines(list: &UriList) -> BTreeSet<Vec<u8>> {
    let mut lines = BTreeSet::new();
    for uri in &list.uris {
        let mut fact =
            |kind: &str, value: &[u8]| lines.insert([&uri.raw[..], b" ", kind.as_bytes(), b" ", value].concat());
        uri.type_names().for_each(|name| {
            fact("type", name.as_bytes());
        });
        uri.cleaned.iter().for_each(|v| {
            fact("cleaned", v);
        });
        uri.domains.iter().for_each(|v| {
            fact("domain", v);
        });
        uri.hosts.iter().for_each(|(host, domain)| {
            fact("host", &[host.as_slice(), b" ", domain].concat());
        });
        uri.anchor_text.iter().for_each(|v| {
            fact("anchor", v);
        });
    }
    list.text.iter().for_each(|unit| {
        lines.insert([b"* ", unit].concat());
    });
    lines
}

fn oracle_lines(oracle: &Value) -> BTreeSet<Vec<u8>> {
    let mut lines = BTreeSet::new();
    for (raw, detail) in oracle["uri_detail"].as_object().into_iter().flatten() {
        let raw: Vec<u8> = raw.chars().map(|c| c as u8).collect();
        let mut fact = |kind: &str, value: &[u8]| lines.insert([&raw[..], b" ", kind.as_bytes(), b" ", value].concat());
        for (key, kind) in [("types", "type"), ("domains", "domain")] {
            detail[key].as_object().into_iter().flatten().for_each(|(name, _)| {
                fact(kind, &name.chars().map(|c| c as u8).collect::<Vec<u8>>());
            });
        }
        for (key, kind) in [("cleaned", "cleaned"), ("anchor_text", "anchor")] {
            detail[key].as_array().into_iter().flatten().for_each(|v| {
                fact(kind, &bytes(v));
            });
        }
        detail["hosts"].as_object().into_iter().flatten().for_each(|(host, domain)| {
            let host: Vec<u8> = host.chars().map(|c| c as u8).collect();
            fact("host", &[host, b" ".to_vec(), bytes(domain)].concat());
        });
    }
    oracle["uris"].as_array().into_iter().flatten().for_each(|v| {
        lines.insert([b"* ".to_vec(), bytes(v)].concat());
    });
    lines
}

/// The dump writes a byte as a character.
fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().chars().map(|c| c as u8).collect()
}

/// `redirector_pattern` lines, near enough: the `regex` crate has no look-behind.
struct Patterns(Vec<regex::bytes::Regex>);

impl Patterns {
    fn of(cf: &str) -> Patterns {
        let patterns = cf.lines().filter_map(|l| l.strip_prefix("redirector_pattern")).filter_map(|l| {
            let (pattern, _flags) = l.trim().trim_start_matches('m').split_at_checked(1)?.1.rsplit_once(['/', '\''])?;
            let pattern = pattern
                .replace(".*?(?<=[?&])", "(?:.*?[?&])??")
                .replace(".*(?<=[?&])", "(?:.*[?&])?")
                .replace("(?<=%20|..[=+\\s])", "");
            regex::bytes::Regex::new(&format!("(?i-u){pattern}")).map_err(|e| println!("{e}")).ok()
        });
        Patterns(patterns.collect())
    }
}

impl Redirectors for Patterns {
    fn targets(&self, uri: &[u8]) -> Vec<Vec<u8>> {
        self.0.iter().filter_map(|re| Some(re.captures(uri)?.get(1)?.as_bytes().to_vec())).collect()
    }
}
