//! How the learner's settings are chosen: by cross-validation over all the mail at hand.
//!
//! `SEKISHO_DATA=... cargo run -p benches --example choose [-- COUNT]`. Tries COUNT settings: the present ones, those with one
//! thing changed, then some drawn at random around them; runs each over every kind of mail under TREC's protocol, and then, for
//! each kind of mail, chooses the settings that were best on all *other* kinds and tells how they do on this one: what is
//! told of a corpus was not chosen by it. `-- dump` writes what each message of each run got, for other questions.
//!
//! The arithmetic is written once more here, with its numbers as fields: the program itself needs none. A comparison with
//! crate `learn` at the present settings opens each run.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // its result

use anyhow::Result;
use benches::learning::{Corpora, Figures, Judged, Labelled, figures, immediate_feedback, shuffle};
use learn::{Extractor, Piece};
use mail::{Limits, Message, ViewConfig, Views};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    rate: f32,
    base: f32,
    unsure: f32,
    ham: f32,
    length: f32,
    strength: f32,
    says_nothing: f32,
    words: f32,
    scale: f64,
    /// Of the log odds of the classes learnt so far, what is taken away again.
    prior: f64,
}

/// As in `learn::model`.
const PRESENT: Settings = Settings {
    rate: 0.01,
    base: 0.3,
    unsure: 0.05,
    ham: 1.5,
    length: 50.0,
    strength: 0.05,
    says_nothing: 0.3,
    words: 0.035,
    scale: 2.0,
    prior: 0.0,
};

struct Mail<'a> {
    mail: &'a Labelled,
    grams: Vec<u32>,
    tokens: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Gram {
    errors: f32,
    squares: f32,
}

struct Learner {
    settings: Settings,
    grams: Vec<Gram>,
    tokens: Vec<[f32; 2]>,
    counts: [f32; 2],
}

impl Learner {
    fn new(settings: Settings) -> Learner {
        Learner { settings, grams: vec![Gram::default(); 1 << 21], tokens: vec![[0.0; 2]; 1 << 20], counts: [0.0; 2] }
    }

    fn clear(&mut self, settings: Settings) {
        self.settings = settings;
        self.grams.fill(Gram::default());
        self.tokens.fill([0.0; 2]);
        self.counts = [0.0; 2];
    }

    fn root(&self, mail: &Mail<'_>) -> f32 {
        self.settings.length / (mail.grams.len().max(1) as f32).sqrt()
    }

    fn margins(&self, mail: &Mail<'_>) -> (f32, f32) {
        let s = &self.settings;
        let weight = |index: &u32| {
            let gram = self.grams[*index as usize];
            gram.errors / (s.base + gram.squares).sqrt()
        };
        let grams = s.rate * self.root(mail) * mail.grams.iter().map(weight).sum::<f32>();
        let [ham_count, spam_count] = self.counts;
        if ham_count == 0.0 || spam_count == 0.0 {
            return (grams, 0.0);
        }
        let (mut sum, mut number) = (0.0, 0u32);
        for index in &mail.tokens {
            let [ham, spam] = self.tokens[*index as usize];
            let seen = ham + spam;
            if seen == 0.0 {
                continue;
            }
            let (ham, spam) = (ham / ham_count, spam / spam_count);
            let estimate = (s.strength * 0.5 + seen * spam / (spam + ham)) / (s.strength + seen);
            if (estimate - 0.5).abs() >= s.says_nothing {
                sum += (estimate / (1.0 - estimate)).ln();
                number += 1;
            }
        }
        (grams, sum / (number.max(1) as f32).sqrt())
    }

    fn learn(&mut self, mail: &Mail<'_>, grams_margin: f32) {
        let spam = mail.mail.spam;
        let s = self.settings;
        let probability = 1.0 / (1.0 + (-grams_margin).exp());
        let knew = if spam { probability >= 1.0 - s.unsure } else { probability <= s.unsure };
        if !knew {
            let error = if spam { 1.0 - probability } else { -probability * s.ham };
            let step = error * self.root(mail);
            for index in &mail.grams {
                let gram = &mut self.grams[*index as usize];
                gram.errors += step;
                gram.squares += error * error;
            }
        }
        for index in &mail.tokens {
            self.tokens[*index as usize][usize::from(spam)] += 1.0;
        }
        self.counts[usize::from(spam)] += 1.0;
    }

    fn fused(&self, (grams, words): (f32, f32)) -> f64 {
        let s = &self.settings;
        let prior = f64::from((self.counts[1] + 1.0) / (self.counts[0] + 1.0)).ln();
        s.scale * f64::from(grams + s.words * words) - s.prior * prior
    }
}

/// Judged, then learnt.
fn run(learner: &mut Learner, order: &[&Mail<'_>], settings: Settings) -> Vec<Judged> {
    learner.clear(settings);
    let mut judge = |mail: &&Mail<'_>| {
        let margins = learner.margins(mail);
        let fused = learner.fused(margins);
        learner.learn(mail, margins.0);
        (fused, mail.mail.spam)
    };
    order.iter().map(&mut judge).collect()
}

fn mails<'a>(all: &'a [Labelled], extractor: &mut Extractor) -> Vec<Mail<'a>> {
    all.iter()
        .map(|mail| {
            let message = Message::parse(&mail.raw, &Limits::default());
            let config = ViewConfig::default();
            let (mut grams, mut tokens) = (Vec::new(), Vec::new());
            extractor.walk(&Views::new(&message, &config), &mut |piece| match piece {
                Piece::Gram(_, index) => grams.push(index),
                Piece::Word(_, _, index) => tokens.push(index),
            });
            for list in [&mut grams, &mut tokens] {
                list.sort_unstable();
                list.dedup();
            }
            Mail { mail, grams, tokens }
        })
        .collect()
}

/// What one run is judged by: the error at the default threshold, lost hams five times.
fn cost(of: &Figures) -> f64 {
    let all = (of.counts.0 + of.counts.1) as f64;
    100.0 * (of.wrong.1 as f64 + 5.0 * of.wrong.0 as f64) / all
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of these.
    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[(self.next() * values.len() as f64) as usize % values.len()]
    }
}

/// The present settings with one thing changed.
fn neighbours() -> Vec<Settings> {
    let prior = [0.25, 0.5, 0.75, 1.0].map(|prior| Settings { prior, ..PRESENT });
    let ham = [1.0, 2.0].map(|ham| Settings { ham, ..PRESENT });
    let unsure = [0.02, 0.1].map(|unsure| Settings { unsure, ..PRESENT });
    let words = [0.02, 0.05].map(|words| Settings { words, ..PRESENT });
    let says_nothing = [0.2, 0.4].map(|says_nothing| Settings { says_nothing, ..PRESENT });
    let strength = [0.2].map(|strength| Settings { strength, ..PRESENT });
    let scale = [1.5, 3.0].map(|scale| Settings { scale, ..PRESENT });
    [&[PRESENT], &prior[..], &ham, &unsure, &words, &says_nothing, &strength, &scale].concat()
}

fn drawn(dice: &mut Dice) -> Settings {
    Settings {
        rate: dice.of(&[0.005, 0.007, 0.01, 0.014, 0.02]),
        base: dice.of(&[0.1, 0.3, 1.0]),
        unsure: dice.of(&[0.02, 0.05, 0.1, 0.2]),
        ham: dice.of(&[1.0, 1.5, 2.0]),
        length: PRESENT.length,
        strength: dice.of(&[0.02, 0.05, 0.2, 0.5]),
        says_nothing: dice.of(&[0.1, 0.2, 0.3, 0.4]),
        words: dice.of(&[0.0, 0.02, 0.035, 0.05, 0.08, 0.12]),
        scale: dice.of(&[1.0, 1.5, 2.0, 3.0]),
        prior: dice.of(&[0.0, 0.0, 0.5, 1.0]),
    }
}

fn main() -> Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let mut extractor = Extractor::default();
    let Some(Corpora { sa, modern, list, japanese, chinese, ours }) = Corpora::load(4, &mut extractor)? else {
        return Ok(());
    };
    let mut make = |all| mails(all, &mut extractor);
    let [sa, modern, list, japanese, chinese, ours] =
        [make(&sa), make(&modern), make(&list), make(&japanese), make(&chinese), make(&ours)];
    fn part<'a>(of: &'a [Mail<'a>]) -> Vec<&'a Mail<'a>> {
        of.iter().collect()
    }
    fn together<'a>(parts: &[&'a [Mail<'a>]]) -> Vec<&'a Mail<'a>> {
        parts.iter().flat_map(|part| part.iter()).collect()
    }
    // Whoever teaches seldom teaches both classes as they come.
    fn few<'a>(of: &'a [Mail<'a>], spam: bool) -> Vec<&'a Mail<'a>> {
        let rare = of.iter().filter(|mail| mail.mail.spam == spam).step_by(if spam { 8 } else { 12 });
        of.iter().filter(|mail| mail.mail.spam != spam).chain(rare).collect()
    }
    let threshold = (learn::SPAM_FROM / (1.0 - learn::SPAM_FROM)).ln();
    // Spam of sa-corpus beside modern ham: what a site has whose spam is English and whose ham is of today.
    let english: Vec<&Mail<'_>> = sa.iter().filter(|m| m.mail.spam).step_by(3).collect();
    let kinds: Vec<(&str, Vec<&Mail<'_>>, usize)> = vec![
        ("English, 2002, in order", part(&sa), 0),
        ("English, 2002, shuffled", part(&sa), 2),
        ("English, modern ham, old spam", [part(&modern), part(&list), english].concat(), 2),
        ("Japanese", together(&[&japanese, &ours, &list]), 3),
        ("Chinese", together(&[&chinese, &list]), 3),
        ("English, 2002, ham rare", few(&sa, false), 2),
        ("English, 2002, spam rare", few(&sa, true), 2),
        ("everything", together(&[&sa, &modern, &list, &japanese, &chinese, &ours]), 1),
    ];
    let mut learner = Learner::new(PRESENT);
    let crate_says: Vec<Judged> = immediate_feedback(&sa.iter().map(|m| m.mail).collect::<Vec<_>>());
    let ours_says = run(&mut learner, &kinds[0].1, PRESENT);
    println!("crate:     {}", figures(&crate_says, threshold));
    println!("this file: {}", figures(&ours_says, threshold));
    if argument == "dump" {
        for (name, set, orders) in &kinds {
            let mut set = set.clone();
            for seed in 0..=*orders as u64 {
                if seed > 0 {
                    shuffle(&mut set, seed);
                } else if *orders > 0 {
                    continue;
                }
                learner.clear(PRESENT);
                for mail in &set {
                    let margins = learner.margins(mail);
                    println!(
                        "{name}\t{seed}\t{}\t{}\t{}\t{:.4}\t{:.4}\t{}\t{}",
                        mail.mail.corpus,
                        mail.mail.language,
                        u8::from(mail.mail.spam),
                        margins.0,
                        margins.1,
                        learner.counts[0],
                        learner.counts[1]
                    );
                    learner.learn(mail, margins.0);
                }
            }
        }
        return Ok(());
    }
    let count: usize = argument.parse().unwrap_or(60);
    let mut dice = Dice(0x5851_f42d_4c95_7f2d);
    let neighbours = neighbours();
    let mut tried: Vec<(Settings, Vec<Vec<Figures>>)> = Vec::new();
    for number in 0..count {
        let settings = neighbours.get(number).copied().unwrap_or_else(|| drawn(&mut dice));
        let mut of = Vec::new();
        for (_, set, orders) in &kinds {
            let mut set = set.clone();
            let mut runs = Vec::new();
            for seed in 0..(*orders).max(1) as u64 {
                if *orders > 0 {
                    shuffle(&mut set, seed + 1);
                }
                runs.push(figures(&run(&mut learner, &set, settings), threshold));
            }
            of.push(runs);
        }
        let line: Vec<String> = of.iter().map(|runs| format!("{:.3}", mean(runs, cost))).collect();
        println!("{number}\t{}\t{settings:?}", line.join("\t"));
        tried.push((settings, of));
    }
    // Costs differ by kind of mail: each is counted against the mean of all settings on that kind.
    let norm: Vec<f64> = (0..kinds.len())
        .map(|k| tried.iter().map(|(_, of)| mean(&of[k], cost)).sum::<f64>() / tried.len() as f64)
        .collect();
    for (held_out, (name, ..)) in kinds.iter().enumerate() {
        let without = |of: &[Vec<Figures>]| -> f64 {
            let others = (0..kinds.len()).filter(|k| *k != held_out);
            others.map(|k| mean(&of[k], cost) / norm[k].max(1e-9)).sum()
        };
        let best = tried.iter().min_by(|a, b| without(&a.1).total_cmp(&without(&b.1))).expect("some were tried");
        println!("\n== {name}: chosen on the others {:?}", best.0);
        for (what, of) in [("present", &tried[0].1), ("chosen", &best.1)] {
            let runs = &of[held_out];
            println!(
                "{what}: 1-ROCA {:.4} best {:.3} own {:.3} ham lost {:.3} spam missed {:.2}",
                mean(runs, |f| f.one_minus_roca),
                mean(runs, |f| f.best_error),
                mean(runs, |f| f.error),
                mean(runs, |f| f.ham_lost),
                mean(runs, |f| f.spam_missed)
            );
        }
    }
    let over_all =
        |of: &[Vec<Figures>]| -> f64 { (0..kinds.len()).map(|k| mean(&of[k], cost) / norm[k].max(1e-9)).sum() };
    let best = tried.iter().min_by(|a, b| over_all(&a.1).total_cmp(&over_all(&b.1))).expect("some were tried");
    println!(
        "\n== best on all: {:?}\nits cost {:.3}, the present ones' {:.3}",
        best.0,
        over_all(&best.1),
        over_all(&tried[0].1)
    );
    Ok(())
}

fn mean(runs: &[Figures], of: fn(&Figures) -> f64) -> f64 {
    runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64
}
