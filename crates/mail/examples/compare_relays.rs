//! Compares our X-Spam-Relays-* lines with SpamAssassin's, over dumps of `oracle.pl` (one JSON object a line).
//!
//! `cargo run --release -p sekisho-mail --example compare_relays -- [-t NETS] [-i NETS] [-m NETS] DUMP.jsonl...`
#![allow(clippy::print_stdout, reason = "a tool for maintainers")]

use mail::received::{TrustNetworks, trace};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

fn main() {
    let mut networks = TrustNetworks::default();
    let mut dumps = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let set = match arg.as_str() {
            "-t" => &mut networks.trusted,
            "-i" => &mut networks.internal,
            "-m" => &mut networks.msa,
            _ => {
                dumps.push(arg);
                continue;
            }
        };
        for entry in args.next().unwrap_or_default().split_whitespace() {
            set.add(entry).expect("a network");
        }
    }
    let (mut messages, mut lines, mut differ, mut spent) = (0, 0, 0, Duration::ZERO);
    for dump in dumps {
        for line in BufReader::new(std::fs::File::open(&dump).expect("dump")).split(b'\n') {
            let line = line.expect("dump");
            let oracle: Value = serde_json::from_slice(&line).expect("JSON");
            let file = oracle["file"].as_str().unwrap_or_default();
            let raw = std::fs::read(file).unwrap_or_default();
            let fields = header_fields(&raw);
            let named = |name: &str| {
                let name = name.to_owned();
                fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v.as_slice())
            };
            let config = mail::ViewConfig::default();
            let originating: Vec<&[u8]> =
                config.originating_ip_headers.iter().filter_map(|name| named(name).next_back()).collect();
            let start = Instant::now();
            let relays = trace(
                named("Received"),
                originating.iter().filter_map(|f| mail::received::literal(f)),
                &networks,
                false,
            );
            spent += start.elapsed();
            messages += 1;
            lines += named("Received").count();
            let mut same = relays.unparseable == oracle["num_relays_unparseable"].as_u64().unwrap_or(0) as u32;
            for (name, ours) in [
                ("Trusted", &relays.trusted_text),
                ("Untrusted", &relays.untrusted_text),
                ("Internal", &relays.internal_text),
                ("External", &relays.external_text),
            ] {
                let theirs = bytes(&oracle["relays"][name]);
                if *ours != theirs {
                    if same {
                        println!(
                            "{file}\n  {name}\n  ours   {}\n  theirs {}",
                            ours.escape_ascii(),
                            theirs.escape_ascii()
                        );
                    }
                    same = false;
                }
            }
            if !same {
                differ += 1;
                println!("  unparseable {} / {}", relays.unparseable, oracle["num_relays_unparseable"]);
            }
        }
    }
    println!("{messages} messages, {lines} lines, {differ} messages differ, {:?} a line", spent / lines.max(1) as u32);
}

/// The dump writes a byte as a character.
fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().chars().map(|c| c as u8).collect()
}

fn header_fields(raw: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (n, line) in raw.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if n == 0 && line.starts_with(b"From ") {
            continue;
        }
        if matches!(line[0], b' ' | b'\t') {
            if let Some((_, value)) = fields.last_mut() {
                value.push(b'\n');
                value.extend_from_slice(line);
            }
        } else if let Some(colon) = line.iter().position(|&b| b == b':') {
            fields.push((line[..colon].trim_ascii_end().to_vec(), line[colon + 1..].to_vec()));
        } else {
            fields.push((Vec::new(), Vec::new()));
        }
    }
    fields
}
