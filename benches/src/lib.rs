//! What the benches share: which mail, how time is taken, how rules are invented by the thousand.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a bench prints its result

pub mod learning;
pub mod written;

use anyhow::Result;
use cpu_time::ThreadTime;
use engine::{Engine, Scratch};
use std::path::PathBuf;
use std::time::Duration;
use xtask::parity::mail_files;
use xtask::parity::ours::judge;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every Nth message of `$SEKISHO_DATA/sa-corpus`; `None` where there is none, after saying so.
pub fn corpus(wanted: usize) -> Result<Option<Vec<PathBuf>>> {
    let Some(data) = std::env::var_os("SEKISHO_DATA") else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return Ok(None);
    };
    let files = mail_files(&[PathBuf::from(data).join("sa-corpus")], 1)?;
    if files.is_empty() {
        println!("skipped: there is no mail under $SEKISHO_DATA/sa-corpus");
        return Ok(None);
    }
    let every = (files.len() / wanted).max(1);
    Ok(Some(files.into_iter().step_by(every).collect()))
}

/// Processor time of parsing and judging each message, the least of several rounds.
pub fn judge_all(engine: &Engine, mails: &[Vec<u8>], rounds: usize, scratch: &mut Scratch) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; mails.len()];
    for _ in 0..rounds {
        for (i, raw) in mails.iter().enumerate() {
            let start = ThreadTime::now();
            judge(engine, raw, scratch);
            best[i] = best[i].min(start.elapsed());
        }
    }
    best
}

pub fn mean_ms(times: &[Duration]) -> f64 {
    times.iter().map(Duration::as_secs_f64).sum::<f64>() * 1e3 / times.len().max(1) as f64
}

/// Address-range rules as the TLEC user_prefs has them: each a /19 to /24 written as a pattern over the relay text.
pub fn range_rules(count: usize) -> String {
    let mut text = String::new();
    for i in 0..count {
        let (a, b) = (1 + (i * 7) % 222, (i * 31) % 256);
        let third = match i % 4 {
            0 => r"(?:\d|[12]\d|3[01])".to_owned(),
            1 => format!("{}", i % 256),
            2 => r"(?:6[4-9]|[78]\d|9[0-5])".to_owned(),
            _ => r"(?:1(?:2[89]|[3-8]\d|9[01]))".to_owned(),
        };
        text.push_str(&format!(
            "header BENCH_RANGE_{i} X-Spam-Relays-Untrusted =~ /^\\[ ip={a}\\.{b}\\.{third}\\.\\d{{1,3}} /\n\
             describe BENCH_RANGE_{i} [JP]BENCH-{i}\nscore BENCH_RANGE_{i} 0.001\n"
        ));
    }
    text
}

/// Body rules that look for a phrase of two words taken from the mails themselves, so that their words do occur.
pub fn phrase_rules(count: usize, mails: &[Vec<u8>]) -> String {
    let mut words: Vec<String> = Vec::new();
    for mail in mails {
        for word in mail.split(|b| !b.is_ascii_alphabetic()) {
            if (4..12).contains(&word.len()) {
                words.push(String::from_utf8_lossy(word).to_ascii_lowercase());
            }
        }
    }
    words.sort();
    words.dedup();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut pick = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        &words[(state % words.len() as u64) as usize]
    };
    let mut text = String::new();
    for i in 0..count {
        let (first, second) = (pick().clone(), pick().clone());
        text.push_str(&format!("body BENCH_PHRASE_{i} /\\b{first} {second}\\b/i\nscore BENCH_PHRASE_{i} 0.001\n"));
    }
    text
}

/// Resident memory of this process, MB; Linux only, elsewhere nothing is printed.
pub fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
