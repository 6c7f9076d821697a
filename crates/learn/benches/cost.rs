//! What it costs to classify and to learn a message of 10 kB, and to learn a whole corpus: processor time, the best of
//! rounds for each message.
//!
//! `SEKISHO_DATA=... cargo bench -p sekisho-learn --bench cost`. Views are made before: every filter makes them, learning
//! or not. The sum of the scores is printed, so that a change of speed that changes verdicts is seen.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a bench prints its result")]
#![allow(clippy::disallowed_methods, reason = "a bench reads files and clocks")]

use cpu_time::ThreadTime;
use learn::bayes::{Importer, Options, Tokenizer};
use learn::{Class, Extractor, Features, Model, User, digest};
use mail::{Limits, Message, ViewConfig, Views};
use std::collections::HashMap;
use std::path::PathBuf;

const ROUNDS: usize = 15;

fn main() {
    let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return;
    };
    let folder = data.join("sa-corpus");
    let index = std::fs::read_to_string(folder.join("index")).expect("the index is readable");
    let mails: Vec<(Vec<u8>, Class)> = index
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(label, name)| {
            let class = if label == "spam" { Class::Spam } else { Class::Ham };
            (std::fs::read(folder.join(name)).expect("a mail is readable"), class)
        })
        .collect();
    let (limits, config) = (Limits::default(), ViewConfig::default());
    let mut extractor = Extractor::default();
    let mut model = Model::new();
    let mut known: Vec<(u128, Features, Class)> = Vec::new();
    for (raw, class) in &mails {
        let message = Message::parse(raw, &limits);
        let features = extractor.extract(&Views::new(&message, &config));
        model.learn(digest(&message), &features, *class, User::default(), 1);
        known.push((digest(&message), features, *class));
    }
    let (mut extract, mut score, mut learn, mut count, mut sum) = (0.0, 0.0, 0.0, 0u32, 0.0);
    let (mut grams, mut words) = (0, 0);
    for (raw, class) in mails.iter().filter(|(raw, _)| (8_000..12_000).contains(&raw.len())).take(400) {
        let message = Message::parse(raw, &limits);
        let views = Views::new(&message, &config);
        views.text();
        views.uris();
        let digest = digest(&message);
        let mut best = [f64::MAX; 3];
        for _ in 0..ROUNDS {
            // Another message before, so that neither caches nor branches know this one by heart.
            let (_, other, _) = &known[count as usize * 7 % known.len()];
            std::hint::black_box(model.score(other, User::default()));
            let start = ThreadTime::now();
            let features = extractor.extract(&views);
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = ThreadTime::now();
            let scored = std::hint::black_box(model.score(&features, User::default()));
            best[1] = best[1].min(start.elapsed().as_secs_f64());
            let before = model.forget(digest, &features);
            let start = ThreadTime::now();
            model.learn(digest, &features, *class, User::default(), 1);
            best[2] = best[2].min(start.elapsed().as_secs_f64());
            sum += scored.margin() / ROUNDS as f64;
            (grams, words) = (grams + features.len().0 / ROUNDS, words + features.len().1 / ROUNDS);
            std::hint::black_box(before);
        }
        extract += best[0];
        score += best[1];
        learn += best[2];
        count += 1;
    }
    let micro = |seconds: f64| seconds * 1e6 / f64::from(count.max(1));
    println!(
        "{count} messages of 8 to 12 kB, {} fragments and {} words each: features {:.1} µs, score {:.1} µs, lesson {:.1} µs",
        grams / count as usize,
        words / count as usize,
        micro(extract),
        micro(score),
        micro(learn)
    );
    println!(
        "classify {:.1} µs, learn {:.1} µs; sum of log odds {sum:.6}",
        micro(extract + score),
        micro(extract + learn)
    );

    of_imported(&mails);

    let bytes: usize = mails.iter().map(|(raw, _)| raw.len()).sum();
    for round in 0..2 {
        let start = ThreadTime::now();
        let mut model = Model::new();
        for (raw, class) in &mails {
            let message = Message::parse(raw, &limits);
            let features = extractor.extract(&Views::new(&message, &config));
            model.learn(digest(&message), &features, *class, User::default(), 1);
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "round {round}: {} messages ({:.1} kB on average) learnt from raw bytes in {seconds:.2} s: {:.0} a second",
            mails.len(),
            bytes as f64 / 1e3 / mails.len() as f64,
            mails.len() as f64 / seconds
        );
    }
    let mut journal = 0;
    for (digest, features, class) in &known {
        model.forget(*digest, features);
        if let learn::Outcome::Learnt(lessons) = model.learn(*digest, features, *class, User::default(), 1) {
            journal += lessons.iter().map(|lesson| lesson.to_bytes().len()).sum::<usize>();
        }
    }
    println!(
        "the model as a file {:.1} MB, a lesson in the journal {:.1} kB",
        model.to_bytes(0).len() as f64 / 1e6,
        journal as f64 / 1e3 / known.len() as f64
    );
}

/// What is imported from SpamAssassin: a table of the whole corpus, the same messages asked.
fn of_imported(mails: &[(Vec<u8>, Class)]) {
    let (limits, config, tokenizer) = (Limits::default(), ViewConfig::default(), Tokenizer::new(Options::default()));
    let mut counts: HashMap<u64, [u32; 2]> = HashMap::new();
    for (raw, class) in mails {
        let message = Message::parse(raw, &limits);
        for token in tokenizer.tokens(&Views::new(&message, &config)) {
            counts.entry(token).or_default()[usize::from(*class == Class::Ham)] += 1;
        }
    }
    let spams = mails.iter().filter(|(_, class)| *class == Class::Spam).count();
    let mut backup = format!("v\t3\tdb_version\nv\t{spams}\tnum_spam\nv\t{}\tnum_nonspam\n", mails.len() - spams);
    counts.iter().for_each(|(token, [spam, ham])| backup += &format!("t\t{spam}\t{ham}\t0\t{token:010x}\n"));
    let start = ThreadTime::now();
    let mut importer = Importer::default();
    backup.lines().for_each(|line| importer.line(line.as_bytes()).expect("a line of a backup"));
    let (imported, _) = importer.finish().expect("a backup");
    let importing = start.elapsed().as_secs_f64();
    let (mut cut, mut asked, mut count, mut tokens) = (0.0, 0.0, 0, 0);
    for (raw, _) in mails.iter().filter(|(raw, _)| (8_000..12_000).contains(&raw.len())).take(400) {
        let message = Message::parse(raw, &limits);
        let views = Views::new(&message, &config);
        views.body();
        views.uris();
        views.relays();
        let mut best = [f64::MAX; 2];
        for _ in 0..ROUNDS {
            let start = ThreadTime::now();
            let found = tokenizer.tokens(&views);
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = ThreadTime::now();
            std::hint::black_box(imported.opinion(&found, true));
            best[1] = best[1].min(start.elapsed().as_secs_f64());
            tokens += found.len() / ROUNDS;
        }
        (cut, asked, count) = (cut + best[0], asked + best[1], count + 1);
    }
    let micro = |seconds: f64| seconds * 1e6 / f64::from(count.max(1));
    println!(
        "imported: {} of {} tokens kept in {:.1} MB, read in {importing:.2} s; a message has {} tokens: cut {:.1} µs, looked up {:.1} µs",
        imported.len(),
        imported.read,
        imported.to_bytes().len() as f64 / 1e6,
        tokens / count.max(1) as usize,
        micro(cut),
        micro(asked)
    );
}
