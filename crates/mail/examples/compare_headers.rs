//! Compares headers, envelope sender, parts and parse flags with SpamAssassin's, over dumps of `oracle.pl` (one JSON
//! object a line).
//!
//! `cargo run --release -p sekisho-mail --example compare_headers -- [--tlds 20_aux_tlds.cf] DUMP.jsonl...`
#![allow(clippy::print_stdout, reason = "a tool for maintainers")]

use mail::{HeaderRequest, Limits, Message, PartId, SaText, ViewConfig, Views};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let mut config = ViewConfig { received_beyond_spamassassin: false, ..ViewConfig::default() };
    let mut dumps = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--tlds" {
            config.tlds = Arc::new(registry(&args.next().expect("a file")));
        } else {
            dumps.push(arg);
        }
    }
    let mut differ: BTreeMap<String, u32> = BTreeMap::new();
    let (mut messages, mut spent) = (0, Duration::ZERO);
    for dump in dumps {
        for line in BufReader::new(std::fs::File::open(&dump).expect("dump")).split(b'\n') {
            let Ok(oracle) = serde_json::from_slice::<Value>(&line.expect("dump")) else { continue };
            let file = oracle["file"].as_str().unwrap_or_default();
            let Ok(raw) = std::fs::read(file) else { continue };
            let start = Instant::now();
            let message = Message::parse(&raw, &Limits::default());
            spent += start.elapsed();
            messages += 1;
            let mut report = |what: String, ours: String, theirs: String| {
                let count = differ.entry(what.clone()).or_default();
                *count += 1;
                if *count <= 12 {
                    let at = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
                    println!("{file} {what} at {at}\n  ours   {}\n  theirs {}", near(&ours, at), near(&theirs, at));
                }
            };
            compare(&message, &config, &oracle, &mut report);
        }
    }
    println!("{messages} messages, {:?} each to parse", spent / messages.max(1));
    differ.iter().for_each(|(what, count)| println!("{count:6} {what}"));
}

fn near(text: &str, at: usize) -> &str {
    let from = at.saturating_sub(60);
    &text[from..text.len().min(at + 100)]
}

fn compare(message: &Message, config: &ViewConfig, oracle: &Value, report: &mut dyn FnMut(String, String, String)) {
    let views = Views::new(message, config);
    for (request, theirs) in oracle["headers"].as_object().expect("headers") {
        let ours = views.header(&HeaderRequest::parse(request)).map_or_else(Vec::new, |value| value.values.clone());
        let theirs: Vec<_> = theirs.as_array().expect("list").iter().map(bytes).collect();
        if ours != theirs {
            report(request.clone(), show(&ours), show(&theirs));
        }
    }
    let ours = views.header(&HeaderRequest::parse("EnvelopeFrom:addr"));
    let ours = ours.map_or_else(Vec::new, |value| value.values[0].clone());
    if ours != bytes(&oracle["envfrom"]) {
        report("envelope".into(), show(&[ours]), show(&[bytes(&oracle["envfrom"])]));
    }
    let parts = oracle["parts"].as_array().expect("parts");
    if parts.len() != message.parts.len() {
        report("parts".into(), message.parts.len().to_string(), parts.len().to_string());
        return;
    }
    for (index, (theirs, ours)) in parts.iter().zip(&message.parts).enumerate() {
        let mut check = |what: &str, ours: Option<Vec<u8>>| {
            let theirs = (!theirs[what].is_null()).then(|| bytes(&theirs[what]));
            if ours != theirs {
                let text = |bytes: Option<Vec<u8>>| bytes.map_or("none".into(), |bytes| show(&[bytes]));
                report(format!("part {what}"), text(ours), text(theirs));
            }
        };
        check("type", Some(ours.media_type.clone().into_bytes()));
        check("eff", Some(ours.effective_type().as_bytes().to_vec()));
        check("charset", ours.charset.clone().map(String::into_bytes));
        check("name", ours.name.clone());
        if ours.is_leaf() != (theirs["leaf"] == 1) {
            report("part leaf".into(), ours.is_leaf().to_string(), theirs["leaf"].to_string());
            continue;
        }
        let mut check = |what: &str, ours: Vec<u8>, theirs: &Value| {
            if !theirs.is_null() && ours != bytes(theirs) {
                report(format!("part {what}"), show(&[ours]), show(&[bytes(theirs)]));
            }
        };
        check("dec", ours.decoded().to_vec(), &theirs["dec"]);
        if ours.is_leaf() && theirs["rtype"] == "text/plain" {
            let text = match ours.sa_text(true) {
                SaText::Chars(text) => text.into_owned().into_bytes(),
                SaText::Ascii(text) => text.as_bytes().to_vec(),
                SaText::Bytes(bytes) => bytes.into_owned(),
            };
            check("rendered", text, &theirs["rendered"]);
        }
        if ours.is_leaf() && theirs["rtype"] == "text/html" && theirs["rendered"].is_string() {
            let rendered = views.rendered(PartId(index as u32)).map(|r| r.sa_text().into_owned()).unwrap_or_default();
            check("html", rendered, &theirs["rendered"]);
        }
        if theirs["declen"].as_u64().is_some_and(|length| length != ours.decoded().len() as u64) {
            report("part declen".into(), ours.decoded().len().to_string(), theirs["declen"].to_string());
        }
    }
    let flags = [
        ("truncated_header", message.truncated_header),
        ("missing_head_body_separator", message.missing_head_body_separator),
        ("missing_mime_head_body_separator", message.missing_mime_head_body_separator),
        ("missing_mime_headers", message.missing_mime_headers),
        ("mime_epilogue_exists", message.mime_epilogue_exists),
        ("mimepart_limit_exceeded", message.mimepart_limit_exceeded),
    ];
    for (name, ours) in flags {
        let theirs = oracle["parseflags"][name].as_str() == Some("1") || oracle["parseflags"][name] == 1;
        if ours != theirs {
            report(name.into(), ours.to_string(), theirs.to_string());
        }
    }
    let length = message.pristine_body().len() as u64;
    if let Some(theirs) = oracle["parseflags"]["pristine_body_length"].as_u64().filter(|theirs| *theirs != length) {
        report("pristine_body_length".into(), length.to_string(), theirs.to_string());
    }
}

/// One char of the JSON string is one byte.
fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().chars().map(|c| u32::from(c) as u8).collect()
}

fn show(values: &[Vec<u8>]) -> String {
    values.iter().map(|value| format!("[{}]", value.escape_ascii())).collect()
}

fn registry(path: &str) -> mail::tld::Registry {
    let text = std::fs::read_to_string(path).expect("a rule file");
    let names = |key: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.flat_map(str::split_whitespace).map(str::to_ascii_lowercase).collect()
    };
    let (one, two, three) = (names("util_rb_tld "), names("util_rb_2tld "), names("util_rb_3tld "));
    mail::tld::Registry::new(
        one.iter().map(String::as_str),
        two.iter().map(String::as_str),
        three.iter().map(String::as_str),
    )
}
