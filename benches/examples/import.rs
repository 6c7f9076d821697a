//! How much what was imported from SpamAssassin should count beside what is learnt here.
//!
//! `SEKISHO_DATA=... cargo run --release -p benches --example import`. A table of SpamAssassin's tokens is made of one set of
//! mail; another set is judged and learnt, message by message, by a model that begins empty. Counted from the
//! message on at which the own model has a say (200 hams, 200 spams): errors at the default threshold, a lost ham five
//! times, of the model alone, of the import alone, and of both by weight and by how soon the weight falls.
#![allow(clippy::print_stdout, reason = "an experiment prints its result")]

use learn::bayes::{Importer, Options, Tokenizer};
use learn::{Class, Extractor, Features, Model, SPAM_FROM, User};
use mail::{Limits, Message, ViewConfig, Views};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

struct Mail {
    spam: bool,
    digest: u128,
    features: Features,
    tokens: Vec<u64>,
}

fn read(paths: Vec<(PathBuf, bool)>) -> Vec<Mail> {
    let (mut extractor, tokenizer) = (Extractor::default(), Tokenizer::new(Options::default()));
    let config = ViewConfig::default();
    let mut all = Vec::new();
    for (path, spam) in paths {
        let Ok(raw) = std::fs::read(&path) else { continue };
        let message = Message::parse(&raw, &Limits::default());
        let views = Views::new(&message, &config);
        let (features, tokens) = (extractor.extract(&views), tokenizer.tokens(&views));
        all.push(Mail { spam, digest: learn::digest(&message), features, tokens });
    }
    all
}

fn files(folder: &Path, spam: bool) -> Vec<(PathBuf, bool)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.map(|entry| (entry.path(), spam)).collect();
    all.sort();
    all
}

/// As chance would have it, the same every time.
fn shuffled<T>(mut all: Vec<T>) -> Vec<T> {
    let mut state = 42u64;
    for at in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(at, (state >> 33) as usize % (at + 1));
    }
    all
}

/// As SpamAssassin learns: in how many spams and hams each token stood.
fn imported(mails: &[&Mail]) -> learn::bayes::Imported {
    let mut counts: HashMap<u64, [u32; 2]> = HashMap::new();
    let mut learnt = [0u32; 2];
    for mail in mails {
        learnt[usize::from(!mail.spam)] += 1;
        mail.tokens.iter().for_each(|token| counts.entry(*token).or_default()[usize::from(!mail.spam)] += 1);
    }
    let mut importer = Importer::default();
    let mut line = |text: String| importer.line(text.as_bytes()).expect("a line of a backup");
    line("v\t3\tdb_version".into());
    line(format!("v\t{}\tnum_spam", learnt[0]));
    line(format!("v\t{}\tnum_nonspam", learnt[1]));
    counts.iter().for_each(|(token, [spam, ham])| line(format!("t\t{spam}\t{ham}\t0\t{token:010x}")));
    importer.finish().expect("a backup").0
}

#[derive(Default, Clone, Copy)]
struct Errors {
    ham: u32,
    spam: u32,
}

impl Errors {
    fn add(&mut self, spam: bool, said: bool) {
        self.ham += u32::from(said && !spam);
        self.spam += u32::from(!said && spam);
    }

    fn cost(self, of: usize) -> f64 {
        100.0 * f64::from(self.spam + 5 * self.ham) / of as f64
    }
}

const SAYS: [f64; 5] = [0.1, 0.2, 0.35, 0.5, 1.0];
const HALVES: [f64; 5] = [50.0, 200.0, 500.0, 2_000.0, 1e9];

fn main() {
    let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return;
    };
    let of = |names: &[(&str, bool)]| {
        shuffled(read(names.iter().flat_map(|(name, spam)| files(&data.join(name), *spam)).collect()))
    };
    let old = of(&[("sa-corpus/ham", false), ("sa-corpus/spam", true)]);
    let new =
        of(&[("modern-ham/ham", false), ("list-ham/ham", false), ("ja-modern/spam", true), ("zh-modern/spam", true)]);
    let half = |all: &[Mail], odd: usize| (0..all.len()).filter(|at| at % 2 == odd).collect::<Vec<_>>();
    let pick = |odd: usize| {
        let mut all: Vec<&Mail> = half(&old, odd).into_iter().map(|at| &old[at]).collect();
        all.extend(half(&new, odd).into_iter().map(|at| &new[at]));
        shuffled(all)
    };
    let part = |all: &str, odd| {
        let mails = if all == "old" { &old } else { &new };
        half(mails, odd).into_iter().map(|at| &mails[at]).collect::<Vec<&Mail>>()
    };
    let runs: Vec<(&str, Vec<&Mail>, Vec<&Mail>)> = vec![
        ("English 2002, its other half", part("old", 0), part("old", 1)),
        ("English 2002, 600 of its other half", part("old", 0)[..600].to_vec(), part("old", 1)),
        ("modern mail, English 2002", new.iter().collect(), old.iter().collect()),
        ("English 2002, modern mail", old.iter().collect(), new.iter().collect()),
        ("everything, its other half", pick(0), pick(1)),
    ];
    for (name, taught, judged) in &runs {
        let table = imported(taught);
        let mut model = Model::new();
        let (mut own, mut theirs) = (Errors::default(), Errors::default());
        let mut both = [[Errors::default(); HALVES.len()]; SAYS.len()];
        let mut number = 0;
        for (at, mail) in judged.iter().enumerate() {
            let counts = model.counts();
            if counts.ham >= 200 && counts.spam >= 200 {
                number += 1;
                let score = model.score(&mail.features, User::default());
                own.add(mail.spam, score.probability() >= SPAM_FROM);
                let opinion = table.opinion(&mail.tokens, true).map_or(0.5, |opinion| opinion.probability);
                theirs.add(mail.spam, opinion >= SPAM_FROM);
                let p = opinion.clamp(0.001, 0.999);
                for (row, say) in both.iter_mut().zip(SAYS) {
                    for (cell, half) in row.iter_mut().zip(HALVES) {
                        let lessons = f64::from(counts.ham.min(counts.spam));
                        let margin = score.margin() + say / (1.0 + lessons / half) * (p / (1.0 - p)).ln();
                        cell.add(mail.spam, 1.0 / (1.0 + (-margin).exp()) >= SPAM_FROM);
                    }
                }
            }
            let class = if mail.spam { Class::Spam } else { Class::Ham };
            model.learn(mail.digest, &mail.features, class, User::default(), at as u32);
        }
        println!(
            "{name}: import of {} ham and {} spam; {number} judged; cost of the model alone {:.3} ({} ham, {} spam), of the import alone {:.3} ({} ham, {} spam)",
            table.ham,
            table.spam,
            own.cost(number),
            own.ham,
            own.spam,
            theirs.cost(number),
            theirs.ham,
            theirs.spam
        );
        for (row, say) in both.iter().zip(SAYS) {
            let cells: Vec<String> =
                row.iter().map(|cell| format!("{:.3} ({},{})", cell.cost(number), cell.ham, cell.spam)).collect();
            println!("  weight {say}: {}", cells.join("  "));
        }
    }
}
