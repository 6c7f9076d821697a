//! Every rule, every message: SpamAssassin and sekisho side by side.
//!
//! Both read the same rule files, network and Bayes off. Printed: which rules each of them read; hits that only one of
//! them has, by rule and message; totals that differ; which rules mails exercised, which only generated messages, and
//! which nothing did, each with the reason. A rule that hit nowhere is not counted as agreeing. `--table` writes, for
//! every rule, how often both hit, only they, only we.

mod draft;
pub mod draw;
mod known;
pub mod ours;
mod sample;
pub mod spamassassin;

use anyhow::{Result, bail};
use ours::Judge;
use spamassassin::{Answer, Setup};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// `cargo xtask parity [OPTIONS] [MAIL...]`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Messages or folders of them; default: everything under $SEKISHO_DATA
    mail: Vec<PathBuf>,
    /// Rules: a folder of .cf files instead of SpamAssassin's own
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Judge only every Nth message
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Configuration lines added for both
    #[arg(long, default_value = "")]
    cf: String,
    /// Also generate a message for every rule that hit nowhere, and let both judge it
    #[arg(long)]
    generate: bool,
    /// Ask SpamAssassin again although its answers are known
    #[arg(long)]
    no_cache: bool,
    /// Print at most so many single differences
    #[arg(long, default_value_t = 60)]
    show: usize,
    /// Write the table of all rules here (TSV)
    #[arg(long)]
    table: Option<PathBuf>,
    /// Write every single difference here (TSV)
    #[arg(long)]
    differences: Option<PathBuf>,
    /// Processes for SpamAssassin
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// Counts for one rule.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    both: u64,
    only_theirs: u64,
    only_ours: u64,
    count_differs: u64,
}

/// One rule on one message.
struct Difference {
    rule: String,
    file: String,
    theirs: f64,
    ours: f64,
    known: Option<usize>,
}

#[derive(Default)]
pub struct Outcome {
    messages: u64,
    their_hits: u64,
    missed: u64,
    extra: u64,
    counts: u64,
    scores_equal: u64,
    known: u64,
    rules: BTreeMap<String, Tally>,
    differences: Vec<Difference>,
    score_differences: Vec<(String, f64, f64)>,
    /// What we said, message by message.
    ours: Vec<sample::Mail>,
}

pub fn run(args: &Args) -> Result<()> {
    if !spamassassin::is_installed() {
        bail!("SpamAssassin is the judge here: apt-get install spamassassin libjson-xs-perl libencode-detect-perl");
    }
    let files = mail_files(&args.mail, args.every)?;
    if files.is_empty() {
        eprintln!("no mail to compare: name some, or set SEKISHO_DATA to a folder of it");
        return Ok(());
    }
    let known = known::read(Path::new("docs/parity-differences.toml"))?;
    let hopeless = known::read_never(Path::new("docs/parity-never.toml"))?;
    let setup = Setup {
        cf: args.cf.clone(),
        rules: args.rules.clone(),
        site: None,
        jobs: args.jobs,
        use_cache: !args.no_cache,
        together: false,
    };
    let judge = Judge::load(&setup)?;
    print_loaded(&judge, &setup)?;
    let theirs = spamassassin::ask(&files, &setup)?;
    let mut outcome = compare(&judge, &theirs, &known)?;
    println!("mails: {}", outcome.summary());
    let by_mails: BTreeSet<String> = outcome.rules.keys().cloned().collect();
    let mut reasons = BTreeMap::new();
    if args.generate {
        let setup = Setup { cf: format!("{}\n{}", setup.cf, sample::SETTINGS), ..setup.clone() };
        let judge = Judge::load(&setup)?;
        let made = sample::generate(&judge, &by_mails, &std::mem::take(&mut outcome.ours))?;
        let theirs = spamassassin::ask(&made.files, &setup)?;
        let generated = compare(&judge, &theirs, &known)?;
        println!("generated messages: {}", generated.summary());
        reasons = made.reasons;
        outcome.absorb(generated);
    }
    outcome.print_differences(args.show, &known)?;
    let active: BTreeSet<&str> = judge.rule_names().collect();
    let never: Vec<_> = active.iter().filter(|n| !outcome.rules.contains_key(**n)).collect();
    let cause_of = |rule: &str| hopeless.iter().find(|n| n.rules.iter().any(|r| r == rule)).map(|n| n.cause.as_str());
    let whole = |t: &Tally| t.only_theirs + t.only_ours + t.count_differs == 0;
    println!(
        "{} active rules: {} exercised by mails, {} only by generated messages, {} that nothing can exercise here \
         (docs/parity-never.toml), {} by nothing else; {} of those exercised agree on every message",
        active.len(),
        active.iter().filter(|n| by_mails.contains(**n)).count(),
        active.iter().filter(|n| !by_mails.contains(**n) && outcome.rules.contains_key(**n)).count(),
        never.iter().filter(|n| cause_of(n).is_some()).count(),
        never.iter().filter(|n| cause_of(n).is_none()).count(),
        active.iter().filter_map(|n| outcome.rules.get(*n)).filter(|t| whole(t)).count(),
    );
    for rule in never.iter().filter(|_| args.generate) {
        let reason = cause_of(rule).or_else(|| reasons.get(**rule).map(String::as_str));
        println!("never {rule}: {}", reason.unwrap_or("no message was made"));
    }
    for rule in hopeless.iter().flat_map(|n| &n.rules).filter(|r| !never.iter().any(|n| **n == r.as_str())) {
        println!("docs/parity-never.toml names {rule}, which was exercised or does not run");
    }
    if let Some(path) = &args.differences {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
        writeln!(out, "rule\tSpamAssassin\tsekisho\tknown\tfile")?;
        for d in &outcome.differences {
            writeln!(out, "{}\t{}\t{}\t{}\t{}", d.rule, d.theirs, d.ours, d.known.is_some(), d.file)?;
        }
    }
    if let Some(path) = &args.table {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
        writeln!(out, "rule\tboth\tonly SpamAssassin\tonly sekisho\tcount differs\texercised by")?;
        for (rule, t) in &outcome.rules {
            let by = if by_mails.contains(rule) { "mails" } else { "generated messages" };
            writeln!(out, "{rule}\t{}\t{}\t{}\t{}\t{by}", t.both, t.only_theirs, t.only_ours, t.count_differs)?;
        }
        for rule in never {
            writeln!(out, "{rule}\t0\t0\t0\t0\tnothing")?;
        }
    }
    outcome.verdict()
}

/// Which rules each program has read from the same files, and why some of ours do not run.
fn print_loaded(judge: &Judge, setup: &Setup) -> Result<()> {
    let theirs = spamassassin::rule_names(setup)?;
    let ruleset = judge.ruleset();
    let ours: BTreeSet<&str> = ruleset.rules.iter().map(|r| r.name.as_str()).collect();
    let only_theirs: Vec<&str> = theirs.iter().map(String::as_str).filter(|n| !ours.contains(n)).collect();
    let only_ours: Vec<&str> = ours.iter().copied().filter(|n| !theirs.contains(*n)).collect();
    println!(
        "rules read: {} by SpamAssassin, {} by sekisho; only SpamAssassin: {only_theirs:?}; only sekisho: {only_ours:?}",
        theirs.len(),
        ours.len(),
    );
    let off: Vec<&rules::Rule> = ruleset.rules.iter().filter(|r| !r.active).collect();
    let network = off.iter().filter(|r| r.tflags.has(rules::Flags::NET)).count();
    let learning = off.iter().filter(|r| r.tflags.has(rules::Flags::LEARN)).count();
    println!(
        "{} of them do not run here: {network} need the network, {learning} a learner, {} have score 0 or cannot be decided",
        off.len(),
        off.len() - network - learning,
    );
    Ok(())
}

fn compare(judge: &Judge, theirs: &[Answer], known: &[known::Difference]) -> Result<Outcome> {
    let files: Vec<PathBuf> = theirs.iter().map(|a| a.file.clone().into()).collect();
    let ours = judge.judge_all(&files)?;
    let mut outcome = Outcome::default();
    for ((theirs, ours), path) in theirs.iter().zip(ours).zip(files) {
        outcome.messages += 1;
        outcome.their_hits += theirs.hits.len() as u64;
        let names: BTreeSet<&String> = theirs.hits.keys().chain(ours.hits.keys()).collect();
        for rule in names {
            let (t, o) = (theirs.hits.get(rule).copied(), ours.hits.get(rule).copied());
            let tally = outcome.rules.entry(rule.clone()).or_default();
            match (t, o) {
                (Some(_), Some(_)) => tally.both += 1,
                (Some(_), None) => tally.only_theirs += 1,
                (None, _) => tally.only_ours += 1,
            }
            let (t, o) = (t.unwrap_or(0.0), o.unwrap_or(0.0));
            // A verdict says of a meta that it hit, not what it came to; metas made of it show whether that was right.
            let is_meta = judge.ruleset().get(rule).is_some_and(|r| matches!(r.kind, rules::Kind::Meta(_)));
            if t == o || is_meta && t != 0.0 && o != 0.0 {
                continue;
            }
            let covered = known.iter().position(|d| d.covers(rule, &theirs.file));
            outcome.known += u64::from(covered.is_some());
            // Known or not, it counts: the list says why, it does not make agreement.
            match (t != 0.0, o != 0.0) {
                (true, false) => outcome.missed += 1,
                (false, true) => outcome.extra += 1,
                _ => {
                    outcome.counts += 1;
                    tally.count_differs += 1;
                }
            }
            outcome.differences.push(Difference {
                rule: rule.clone(),
                file: theirs.file.clone(),
                theirs: t,
                ours: o,
                known: covered,
            });
        }
        if (theirs.score - ours.score).abs() < 0.0005 {
            outcome.scores_equal += 1;
        } else {
            outcome.score_differences.push((theirs.file.clone(), theirs.score, ours.score));
        }
        outcome.ours.push(sample::Mail { path, hits: ours.hits });
    }
    Ok(outcome)
}

impl Outcome {
    fn summary(&self) -> String {
        let share = |n: u64, of: u64| 100.0 * n as f64 / of.max(1) as f64;
        format!(
            "{} messages, {} hits by SpamAssassin: {} missed ({:.4} %), {} extra ({:.4} %), {} with another count; \
             totals equal on {} messages ({:.2} %); {} of the differences are on the known list",
            self.messages,
            self.their_hits,
            self.missed,
            share(self.missed, self.their_hits),
            self.extra,
            share(self.extra, self.their_hits),
            self.counts,
            self.scores_equal,
            share(self.scores_equal, self.messages),
            self.known,
        )
    }

    fn absorb(&mut self, other: Outcome) {
        for (rule, t) in other.rules {
            let mine = self.rules.entry(rule).or_default();
            mine.both += t.both;
            mine.only_theirs += t.only_theirs;
            mine.only_ours += t.only_ours;
            mine.count_differs += t.count_differs;
        }
        self.differences.extend(other.differences);
        self.score_differences.extend(other.score_differences);
    }

    fn print_differences(&self, show: usize, known: &[known::Difference]) -> Result<()> {
        let mut by_rule: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
        for d in &self.differences {
            by_rule.entry(&d.rule).or_default().push(d);
        }
        let mut rules: Vec<_> = by_rule.into_iter().collect();
        rules.sort_by_key(|(_, d)| std::cmp::Reverse(d.len()));
        for (rule, differences) in rules.iter().take(show) {
            let t = self.rules[*rule];
            println!("{rule}: both {}, only SpamAssassin {}, only sekisho {}", t.both, t.only_theirs, t.only_ours);
            for d in differences.iter().take(3) {
                let why = d.known.map_or("", |i| known[i].cause.as_str());
                println!("    {} / {}  {}  {why}", d.theirs, d.ours, d.file);
            }
        }
        for (file, theirs, ours) in self.score_differences.iter().take(show) {
            println!("score {theirs:.3} / {ours:.3}  {file}");
        }
        Ok(())
    }

    /// The promise: at least 99.95 % of their hits, at most 0.05 % more, 99.5 % of totals equal.
    fn verdict(&self) -> Result<()> {
        let hits = self.their_hits.max(1) as f64;
        if self.missed as f64 / hits > 0.0005
            || self.extra as f64 / hits > 0.0005
            || (self.scores_equal as f64) < 0.995 * self.messages as f64
        {
            bail!("parity is below what we promise");
        }
        Ok(())
    }
}

/// All files under the given places, sorted; mail has no fixed extension, so everything but lists and notes counts.
pub fn mail_files(places: &[PathBuf], every: usize) -> Result<Vec<PathBuf>> {
    let mut places = places.to_vec();
    if places.is_empty() {
        let Some(data) = std::env::var_os("SEKISHO_DATA") else { return Ok(Vec::new()) };
        for corpus in ["ja-modern", "list-ham", "modern-ham", "sa-corpus", "zh-modern"] {
            places.push(Path::new(&data).join(corpus));
        }
    }
    let mut files = Vec::new();
    while let Some(place) = places.pop() {
        if place.is_dir() {
            for entry in std::fs::read_dir(&place)? {
                places.push(entry?.path());
            }
        } else if place.is_file() {
            let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name != "index" && !name.starts_with("README") && !name.ends_with(".md") {
                files.push(place);
            }
        }
    }
    files.sort();
    Ok(files.into_iter().step_by(every.max(1)).collect())
}
