//! How the shipped rules do on Japanese spam and on ham, rules alone: no learning, no network.
//!
//! ```sh
//! SEKISHO_DATA=~/sekisho-data cargo run --release -p benches --example japanese [-- sealed] [-- stock] [-- names PATTERN] [-- precision]
//! ```
//!
//! In: `ja-modern`, `zh-modern`, the ham folders and the written corpora, the open half unless `sealed` is said. Out: a table
//! of messages at `required_score`, then what each rule hits where. `officers` are those of the written firms. `stock` puts
//! SpamAssassin's own rules of this machine beside ours. `names` lists messages of the corpora whose name begins so, with
//! their scores and hits.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use anyhow::{Context, Result};
use benches::written::{japanese_ham, office};
use engine::{Engine, EngineOptions, Scratch};
use mail::{Envelope, Limits, Message, Transaction};
use rules::{LoadOptions, NoReader, Source, SourceKind};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Corpus {
    name: &'static str,
    spam: bool,
    mails: Vec<(String, Vec<u8>)>,
}

struct Judged {
    score: f64,
    hits: Vec<(String, f64)>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = |word: &str| words.iter().any(|w| w == word);
    let engine = Engine::new(
        load(said("stock"), !said("alone"))?,
        EngineOptions { local_only: true, beyond_spamassassin: true, ..EngineOptions::default() },
    );
    let mut corpora = written(said("sealed"));
    match std::env::var_os("SEKISHO_DATA") {
        Some(data) if !said("written") => corpora.extend(folders(Path::new(&data))?),
        Some(_) => {}
        None => println!("SEKISHO_DATA names no folder of mail: the written corpora alone\n"),
    }
    let wanted = words.iter().position(|w| w == "names").and_then(|at| words.get(at + 1));
    let required = engine.ruleset.settings.required_score;
    let mut table: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut out =
        String::from("| corpus | messages | at the threshold | share | mean score |\n|---|---:|---:|---:|---:|\n");
    let mut below: Vec<String> = Vec::new();
    for (at, corpus) in corpora.iter().enumerate() {
        let judged = judge_all(&engine, &corpus.mails);
        let over = judged.iter().filter(|j| j.score >= required).count();
        let mean = judged.iter().map(|j| j.score).sum::<f64>() / judged.len().max(1) as f64;
        writeln!(
            out,
            "| {} | {} | {over} | {:.2} % | {mean:.1} |",
            corpus.name,
            judged.len(),
            over as f64 * 100.0 / judged.len().max(1) as f64
        )?;
        for ((name, _), judged) in corpus.mails.iter().zip(&judged) {
            for (rule, _) in &judged.hits {
                table.entry(rule.clone()).or_insert_with(|| vec![0; corpora.len()])[at] += 1;
            }
            let full = format!("{}/{name}", corpus.name);
            let odd = corpus.spam != (judged.score >= required);
            if wanted.map_or(odd, |wanted| full.starts_with(wanted.as_str())) {
                let hits: Vec<String> = judged.hits.iter().map(|(rule, score)| format!("{rule}={score}")).collect();
                below.push(format!("{:5.1} {full} {}", judged.score, hits.join(" ")));
            }
        }
    }
    if said("precision") {
        return precision(&corpora, &table);
    }
    println!("{out}");
    let names: Vec<&str> = corpora.iter().map(|c| c.name).collect();
    println!("| rule | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()));
    for (rule, counts) in &table {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        println!("| {rule} | {} |", counts.join(" | "));
    }
    println!();
    below.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What each rule hits, and how much of that is spam.
fn precision(corpora: &[Corpus], table: &BTreeMap<String, Vec<usize>>) -> Result<()> {
    let spam: Vec<&Corpus> = corpora.iter().filter(|corpus| corpus.spam).collect();
    let names: Vec<&str> = spam.iter().map(|corpus| corpus.name).collect();
    println!("| rule | {} | ham | precision |\n|---|{}---:|---:|", names.join(" | "), "---:|".repeat(names.len()));
    for (rule, counts) in table {
        let of = |wanted: bool| corpora.iter().zip(counts).filter(move |(c, _)| c.spam == wanted).map(|(_, n)| *n);
        let (hits, ham): (usize, usize) = (of(true).sum(), of(false).sum());
        let cells: Vec<String> = of(true).map(|n| n.to_string()).collect();
        let share = hits as f64 * 100.0 / (hits + ham).max(1) as f64;
        println!("| {rule} | {} | {ham} | {share:.1} % |", cells.join(" | "));
    }
    Ok(())
}

fn load(stock: bool, officers: bool) -> Result<rules::Ruleset> {
    let mut sources = Vec::new();
    if stock {
        read("/etc/spamassassin".as_ref(), "pre", SourceKind::Pre, &mut sources)?;
        read("/usr/share/spamassassin".as_ref(), "cf", SourceKind::Default, &mut sources)?;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    read(&ours, "pre", SourceKind::Pre, &mut sources)?;
    read(&ours, "cf", SourceKind::Default, &mut sources)?;
    if officers {
        let mut lines = String::new();
        for firm in office::firms() {
            for officer in firm.officers {
                writeln!(
                    lines,
                    "officer \"{} {}\" \"{} {}\" {}",
                    officer.surname, officer.given, officer.given_roman, officer.surname_roman, firm.domain
                )?;
            }
        }
        sources.push(Source::new("officers.cf", lines, SourceKind::Default));
    }
    let options = LoadOptions { local_only: true, ..LoadOptions::default() };
    let (ruleset, diagnostics) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    for diagnostic in diagnostics.iter().filter(|d| d.severity == rules::Severity::Error).take(20) {
        eprintln!("{diagnostic}");
    }
    Ok(ruleset)
}

fn read(folder: &Path, ending: &str, kind: SourceKind, sources: &mut Vec<Source>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    for path in paths {
        sources.push(Source::new(path.display().to_string(), std::fs::read(&path)?, kind));
    }
    Ok(())
}

fn written(sealed: bool) -> Vec<Corpus> {
    let office = |name, spam, all: Vec<office::Office>| {
        let half = all.into_iter().filter(|o| o.sealed == sealed).enumerate();
        Corpus { name, spam, mails: half.map(|(n, o)| (format!("{}-{n}", o.name), o.raw)).collect() }
    };
    let ham = japanese_ham(6).into_iter().enumerate();
    vec![
        office("fraud", true, office::president_fraud(4)),
        office("internal", false, office::internal_mail(5)),
        office("bulk", false, office::bulk_mail(5)),
        office("later-fraud", true, office::later_fraud(3)),
        office("notices", false, office::notices(4)),
        Corpus { name: "written", spam: false, mails: ham.map(|(n, w)| (format!("{}-{n}", w.name), w.raw)).collect() },
    ]
}

fn folders(data: &Path) -> Result<Vec<Corpus>> {
    let mut all = Vec::new();
    for (name, folder, spam) in [
        ("ja-modern", "ja-modern/spam", true),
        ("zh-modern", "zh-modern/spam", true),
        ("modern-ham", "modern-ham/ham", false),
        ("list-ham", "list-ham/ham", false),
        ("sa-ham", "sa-corpus/ham", false),
    ] {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else {
            println!("skipped: there is no {folder}");
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.sort();
        let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mails: Result<Vec<_>> = paths.iter().map(|p| Ok((name_of(p), std::fs::read(p)?))).collect();
        all.push(Corpus { name, spam, mails: mails? });
    }
    Ok(all)
}

fn judge_all(engine: &Engine, mails: &[(String, Vec<u8>)]) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut judged: Vec<(usize, Judged)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut scratch = Scratch::new();
                    let mut mine = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some((_, raw)) = mails.get(at) else { return mine };
                        let message = Message::parse(raw, &Limits::default());
                        let transaction = Transaction { envelope: Envelope::default(), message, now: 1_795_000_000 };
                        let verdict = engine::judge(engine, &transaction, &mut scratch);
                        let mut hits: Vec<_> = verdict.hits.iter().map(|hit| (hit.rule.clone(), hit.score)).collect();
                        hits.sort_by(|a, b| a.0.cmp(&b.0));
                        mine.push((at, Judged { score: verdict.score, hits }));
                    }
                })
            })
            .collect();
        running.into_iter().flat_map(|thread| thread.join().expect("judging does not panic")).collect()
    });
    judged.sort_by_key(|(at, _)| *at);
    judged.into_iter().map(|(_, judged)| judged).collect()
}
