//! SpamAssassin and sekisho on the same messages with the same rules, in one run.
//!
//! `SEKISHO_DATA=... cargo bench -p benches --bench speed [-- MESSAGES]`. All figures are processor time, so that a
//! busy machine disturbs them less; each message counts with its best round, for both programs.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a bench prints its result

use anyhow::Result;
use benches::{corpus, judge_all, mean_ms, phrase_rules, range_rules, resident_mb};
use cpu_time::{ProcessTime, ThreadTime};
use engine::{Engine, Scratch};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use xtask::parity::ours::{self, Judge, judge};
use xtask::parity::spamassassin::{self, Setup};

const ROUNDS: usize = 5;
const THEIR_ROUNDS: usize = 2;

fn main() -> Result<()> {
    let wanted = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(300);
    let Some(files) = corpus(wanted)? else { return Ok(()) };
    let mails = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = mails.iter().map(Vec::len).sum();
    println!("{} messages, mean {:.1} kB", mails.len(), bytes as f64 / 1e3 / mails.len() as f64);

    let setup = Setup { jobs: 1, together: true, ..Setup::default() };
    let start = ProcessTime::now();
    let engine = Judge::load(&setup)?.into_engine();
    println!("rules compiled from source in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = ProcessTime::now();
    let cached = postcard::to_stdvec(&engine.ruleset)?;
    println!("cache: {:.1} MB, written in {:.0} ms", cached.len() as f64 / 1e6, start.elapsed().as_secs_f64() * 1e3);
    let start = ProcessTime::now();
    let engine = from_cache(&cached)?;
    println!("loaded from cache in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);

    let mut scratch = Scratch::new();
    let ours = judge_all(&engine, &mails, ROUNDS, &mut scratch);
    if let Some(mb) = resident_mb() {
        println!("resident with all rules: {mb:.0} MB (messages of the run included)");
    }
    println!("sekisho: {:.3} ms a message", mean_ms(&ours));

    // Automata grow with what they meet: with half of the mails known, what does the other half cost at first sight?
    let (known, new) = mails.split_at(mails.len() / 2);
    let mut fresh = Scratch::new();
    judge_all(&engine, known, 1, &mut fresh);
    println!("  met for the first time: {:.3} ms", mean_ms(&judge_all(&engine, new, 1, &mut fresh)));

    scratch.timing = engine::Timing::default();
    scratch.clock = Some(thread_nanoseconds);
    for mail in &mails {
        judge(&engine, mail, &mut scratch);
    }
    let t = scratch.timing;
    let share = |part: u64| 100.0 * part as f64 / t.total().max(1) as f64;
    println!(
        "  parse {:.0} %, views {:.0} %, match {:.0} %, checks {:.0} %, metas {:.0} %",
        share(t.parse),
        share(t.views),
        share(t.patterns),
        share(t.checks),
        share(t.metas)
    );
    scratch.clock = None;

    if spamassassin::is_installed() {
        let mut theirs = vec![f64::INFINITY; files.len()];
        for _ in 0..THEIR_ROUNDS {
            for (best, answer) in theirs.iter_mut().zip(spamassassin::ask(&files, &setup)?) {
                *best = best.min(answer.cpu);
            }
        }
        let theirs = theirs.iter().sum::<f64>() * 1e3 / theirs.len() as f64;
        println!("SpamAssassin, in process: {theirs:.1} ms a message; ratio {:.0}", theirs / mean_ms(&ours));
    } else {
        println!("SpamAssassin is not installed: no ratio");
    }

    for (what, text) in [
        ("No rules", String::new()),
        ("10,000 address-range rules", range_rules(10_000)),
        ("10,000 phrase rules", phrase_rules(10_000, &mails)),
    ] {
        let larger = Judge::load(&Setup { cf: text, ..setup.clone() })?.into_engine();
        let larger = from_cache(&postcard::to_stdvec(&larger.ruleset)?)?; // as the other one was
        // Taken in turns, so that whatever else the machine does falls on both; "no rules" tells how exact that is.
        let (mut plain, mut more) = (vec![Duration::MAX; mails.len()], vec![Duration::MAX; mails.len()]);
        let mut larger_scratch = Scratch::new();
        for _ in 0..ROUNDS * 2 {
            for (i, mail) in mails.iter().enumerate() {
                let one = std::slice::from_ref(mail);
                plain[i] = judge_all(&engine, one, 1, &mut scratch)[0].min(plain[i]);
                more[i] = judge_all(&larger, one, 1, &mut larger_scratch)[0].min(more[i]);
            }
        }
        println!("{what} more: {:.3} ms, {:.3} x", mean_ms(&more), mean_ms(&more) / mean_ms(&plain));
    }

    let one = throughput(&engine, &mails, 1);
    let two = throughput(&engine, &mails, 2);
    println!("one thread {one:.0} messages/s, two {two:.0} ({:.2} x)", two / one);
    Ok(())
}

fn from_cache(cached: &[u8]) -> Result<Engine> {
    let ruleset: rules::Ruleset = postcard::from_bytes(cached)?;
    Ok(Engine::new(ruleset, ours::OPTIONS))
}

fn throughput(engine: &Engine, mails: &[Vec<u8>], threads: usize) -> f64 {
    let total = mails.len() * 10;
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut scratch = Scratch::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= total {
                        return;
                    }
                    judge(engine, &mails[i % mails.len()], &mut scratch);
                }
            });
        }
    });
    total as f64 / start.elapsed().as_secs_f64()
}

fn thread_nanoseconds() -> u64 {
    ThreadTime::now().as_duration().as_nanos() as u64
}
