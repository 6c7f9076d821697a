//! Judges the corpus over and over, for a profiler. usage: spin [MESSAGES] [ROUNDS]
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // its result

use benches::{corpus, judge_all, mean_ms};
use engine::Scratch;
use xtask::parity::ours::Judge;
use xtask::parity::spamassassin::Setup;

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let (wanted, rounds) = (numbers.next().unwrap_or(300), numbers.next().unwrap_or(20));
    let Some(files) = corpus(wanted)? else { return Ok(()) };
    let mails = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let engine = Judge::load(&Setup::default())?.into_engine();
    let mut scratch = Scratch::new();
    // The last quarter is kept back: it shows what a mail costs that is met for the first time.
    let (known, new) = mails.split_at(mails.len() * 3 / 4);
    for round in 0..rounds {
        let times = judge_all(&engine, known, 1, &mut scratch);
        println!("round {round}: {:.3} ms a message", mean_ms(&times));
    }
    println!("never met before: {:.3} ms a message", mean_ms(&judge_all(&engine, new, 1, &mut scratch)));
    println!("met once: {:.3} ms a message", mean_ms(&judge_all(&engine, new, 3, &mut scratch)));
    scratch.timing = engine::Timing::default();
    scratch.clock = Some(|| cpu_time::ThreadTime::now().as_duration().as_nanos() as u64);
    judge_all(&engine, known, 3, &mut scratch);
    let (t, n) = (scratch.timing, scratch.timing.messages.max(1));
    println!(
        "microseconds: parse {}, views {}, match {}, checks {}, metas {}",
        t.parse / n / 1000,
        t.views / n / 1000,
        t.patterns / n / 1000,
        t.checks / n / 1000,
        t.metas / n / 1000
    );
    Ok(())
}
