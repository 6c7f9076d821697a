//! Both classes in turns, or one after the other: what the order of lessons costs.
//!
//! `SEKISHO_DATA=... cargo run --release -p benches --example turns`. As many spams as hams of sa-corpus are learnt, all
//! spams first, all hams first, or in turns; every message that was not learnt is judged, and so is what was learnt.
#![allow(clippy::print_stdout, reason = "an experiment prints its result")]

use learn::{Class, Extractor, Features, Model, SPAM_FROM, User};
use mail::{Limits, Message, ViewConfig, Views};
use std::path::PathBuf;

fn main() {
    let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return;
    };
    let mut extractor = Extractor::default();
    let config = ViewConfig::default();
    let mut of = |name: &str, class: Class| -> Vec<(u128, Features, Class)> {
        let entries = std::fs::read_dir(data.join("sa-corpus").join(name)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // By what the name ends in: chance, the same every time.
        paths.sort_by_key(|path| path.to_string_lossy().rsplit('.').next().map(str::to_owned));
        let read = paths.iter().filter_map(|path| std::fs::read(path).ok());
        read.map(|raw| {
            let message = Message::parse(&raw, &Limits::default());
            (learn::digest(&message), extractor.extract(&Views::new(&message, &config)), class)
        })
        .collect()
    };
    let (spams, hams) = (of("spam", Class::Spam), of("ham", Class::Ham));
    println!("learnt of each | order | of what was not learnt: ham lost %, spam missed % | of what was learnt: wrong");
    for count in [20, 40, 200, 500] {
        let (spam, more_spam) = spams.split_at(count);
        let (ham, more_ham) = hams.split_at(count);
        let turns: Vec<_> = spam.iter().zip(ham).flat_map(|(spam, ham)| [spam, ham]).collect();
        for (order, lessons) in [
            ("spam, then ham", spam.iter().chain(ham).collect()),
            ("ham, then spam", ham.iter().chain(spam).collect()),
            ("in turns", turns),
        ] {
            let mut model = Model::new();
            for (at, (digest, features, class)) in lessons.iter().enumerate() {
                model.learn(*digest, features, *class, User::default(), at as u32);
            }
            let wrong = |mails: &[(u128, Features, Class)]| {
                let said = |features| model.score(features, User::default()).probability() >= SPAM_FROM;
                mails.iter().filter(|(_, features, class)| said(features) != (*class == Class::Spam)).count()
            };
            let percent = |mails: &[_]| 100.0 * wrong(mails) as f64 / mails.len() as f64;
            println!(
                "{count} | {order} | {:.2}, {:.2} | {} hams, {} spams",
                percent(more_ham),
                percent(more_spam),
                wrong(ham),
                wrong(spam)
            );
        }
    }
}
