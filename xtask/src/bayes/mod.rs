//! SpamAssassin's Bayes and what is imported of it, side by side: every second message taught to SpamAssassin, its backup
//! imported, every other judged by both.
//!
//! Printed: how many probabilities are equal to four digits, as reports print them, and for those that are not
//! where the tokens come from that only one of the two has. `--cf` adds lines of configuration for both.

use crate::parity::ours::Judge;
use crate::parity::spamassassin::Setup;
use crate::parity::{mail_files, spamassassin};
use anyhow::{Context, Result, bail, ensure};
use learn::bayes::{Importer, Options, Stopwords, Tokenizer};
use mail::{Message, Views};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `cargo xtask bayes [OPTIONS] [MAIL...]`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Messages or folders of them, spam where a folder of that name is above; default: everything under $SEKISHO_DATA
    mail: Vec<PathBuf>,
    /// Take only every Nth message
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Configuration lines added for both
    #[arg(long, default_value = "")]
    cf: String,
    /// Print at most so many single differences
    #[arg(long, default_value_t = 20)]
    show: usize,
}

pub fn run(args: &Args) -> Result<()> {
    if !spamassassin::is_installed() {
        bail!("SpamAssassin is the judge here: apt-get install spamassassin libencode-detect-perl");
    }
    let files = mail_files(&args.mail, args.every)?;
    if files.is_empty() {
        eprintln!("no mail to compare: name some, or set SEKISHO_DATA to a folder of it");
        return Ok(());
    }
    let (taught, judged): (Vec<_>, Vec<_>) = files.iter().enumerate().partition(|(at, _)| at % 2 == 1);
    let folder = std::env::temp_dir().join(format!("sekisho-bayes-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let backup = folder.join("backup");
    let mut orders = String::new();
    for (_, path) in &taught {
        let spam = path.components().any(|part| part.as_os_str() == "spam");
        orders += &format!("{} {}\n", if spam { "spam" } else { "ham" }, path.display());
    }
    orders += &format!("backup {}\n", backup.display());
    judged.iter().for_each(|(_, path)| orders += &format!("judge {}\n", path.display()));
    let theirs = ask(&folder, &args.cf, &orders)?;
    ensure!(theirs.len() == judged.len(), "SpamAssassin judged {} of {} messages", theirs.len(), judged.len());

    let mut importer = Importer::default();
    for line in fs::read(&backup).context("SpamAssassin's backup")?.split(|byte| *byte == b'\n') {
        importer.line(line)?;
    }
    let (imported, left_out) = importer.finish()?;
    println!(
        "imported: {} ham, {} spam, {} tokens, of which {} say something; {left_out} did not fit",
        imported.ham,
        imported.spam,
        imported.read,
        imported.len()
    );
    let setup = Setup { cf: args.cf.clone(), rules: None, site: None, jobs: 1, use_cache: false, together: false };
    let engine = Judge::load(&setup)?.into_engine();
    let settings = &engine.ruleset.settings;
    let on = |name| settings.bayes_token_sources.get(name) == Some(&true);
    let (stopwords, unusable) = Stopwords::of(&settings.bayes_stopword_languages, &settings.bayes_stopwords);
    ensure!(unusable.is_empty(), "stop words that are not understood: {unusable:?}");
    let tokenizer = Tokenizer::new(Options {
        ignore_headers: settings.bayes_ignore_headers.clone(),
        header: on("header"),
        visible: on("visible"),
        invisible: on("invisible"),
        uri: on("uri"),
        mimepart: on("mimepart"),
        longest: settings.bayes_max_token_length as usize,
        stopwords: stopwords.into(),
    });
    let with_views = |path: &Path, work: &mut dyn FnMut(&Views<'_>)| -> Result<()> {
        let raw = fs::read(path).with_context(|| path.display().to_string())?;
        let message = Message::parse(&raw, &engine.views.limits);
        work(&Views::new(&message, &engine.views));
        Ok(())
    };
    let mut different = Vec::new();
    let mut largest = 0.0f64;
    let mut between = 0;
    for ((_, path), theirs) in judged.iter().zip(&theirs) {
        let mut ours = None;
        with_views(path, &mut |views| ours = imported.opinion(&tokenizer.tokens(views), settings.bayes_use_hapaxes))?;
        let ours = ours.map(|opinion| opinion.probability);
        let theirs: Option<f64> = theirs.parse().ok();
        let shown = |probability: Option<f64>| probability.map_or("-".to_owned(), |number| format!("{number:.4}"));
        between += usize::from(theirs.is_some_and(|number| number > 0.000_05 && number < 0.999_95));
        if shown(ours) != shown(theirs) {
            largest = largest.max((ours.unwrap_or(0.5) - theirs.unwrap_or(0.5)).abs());
            different.push((*path, shown(theirs), shown(ours)));
        }
    }
    println!(
        "{} of {} probabilities equal to four digits ({:.3} %); {between} of all are neither 0 nor 1; the largest difference is {largest:.4}",
        judged.len() - different.len(),
        judged.len(),
        100.0 * (judged.len() - different.len()) as f64 / judged.len().max(1) as f64
    );
    let orders: String = different.iter().map(|(path, ..)| format!("tokens {}\n", path.display())).collect();
    let their_tokens = if different.is_empty() { Vec::new() } else { ask(&folder, &args.cf, &orders)? };
    let mut causes: BTreeMap<(&str, String), (usize, usize, String)> = BTreeMap::new();
    for (number, ((path, theirs, ours), tokens)) in different.iter().zip(&their_tokens).enumerate() {
        let their_tokens: BTreeSet<Vec<u8>> = tokens.split(' ').filter_map(from_hexadecimal).collect();
        let mut our_tokens = BTreeSet::new();
        with_views(path, &mut |views| {
            tokenizer.walk(views, &mut |token| {
                our_tokens.insert(token.text.to_vec());
            });
        })?;
        let mut kinds = BTreeSet::new();
        for (who, some, others) in
            [("only SpamAssassin", &their_tokens, &our_tokens), ("only sekisho", &our_tokens, &their_tokens)]
        {
            for token in some.difference(others) {
                let key = (who, place(token));
                let cause = causes.entry(key.clone()).or_default();
                cause.0 += 1;
                cause.1 += usize::from(kinds.insert(key));
                if cause.2.len() < 120 {
                    cause.2 += &format!(" {}", token.escape_ascii());
                }
            }
        }
        if kinds.is_empty() {
            causes.entry(("nobody", "the same tokens: SpamAssassin's choice among equals".into())).or_default().1 += 1;
        }
        if number < args.show {
            println!("  {}: SpamAssassin {theirs}, sekisho {ours}", path.display());
        }
    }
    for ((who, place), (tokens, messages, examples)) in &causes {
        println!("  {who}, {place}: {tokens} tokens in {messages} messages:{examples}");
    }
    let _ = fs::remove_dir_all(&folder);
    let share = (judged.len() - different.len()) as f64 / judged.len().max(1) as f64;
    ensure!(share >= 0.999, "less than 99.9 % are equal");
    Ok(())
}

/// Where in a message a token stood.
fn place(token: &[u8]) -> String {
    let head = token.split(|byte| *byte == b':').next().unwrap_or_default();
    match token {
        [b'H', ..] if head.len() < token.len() => format!("header {}", head[1..].escape_ascii()),
        [b'I', b'*', ..] => "hidden text".to_owned(),
        [b'U', b'D', b':', ..] => "hosts".to_owned(),
        [b'M', b'I', b'M', b'E', b':', ..] => "parts".to_owned(),
        [b'U' | b'D', b'*', ..] => "addresses".to_owned(),
        _ => "text and URIs".to_owned(),
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// SpamAssassin's answers to orders, a line each.
fn ask(folder: &Path, cf: &str, orders: &str) -> Result<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bayes/spamassassin.pl");
    let mut perl = Command::new("perl")
        .arg(script)
        .arg(folder)
        .arg(cf)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = perl.stdin.take().context("Perl's input")?;
    let orders = orders.to_owned();
    let writing = std::thread::spawn(move || input.write_all(orders.as_bytes()));
    let output = perl.wait_with_output()?;
    let _ = writing.join();
    ensure!(output.status.success(), "SpamAssassin failed");
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}
