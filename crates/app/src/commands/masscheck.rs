//! `sekisho masscheck`: whole corpora through the rules, a log of what hit, and the tables made of it. `sekisho tune`: new
//! scores from such a log.
//!
//! The logs are `spam.log` and `ham.log` in one folder, a line a message in the order in which the messages were found. A
//! run that was broken off goes on where it ended; with other rules than those of the log it does not go on but says so.

use super::check::{each_in_order, progress_bar};
use super::{RuleArguments, service_config};
use crate::debug::Debug;
use crate::input::{self, Place};
use crate::output::Output;
use crate::{CLEAN, FOUND, TROUBLE, environment, feeds as app_feeds, language, loading, rule_files};
use anyhow::{Context, bail};
use engine::{Engine, Scratch};
use mail::{Envelope, Message, Transaction};
use rules::{Flags, Rule};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use workshop::masscheck::{self, Corpus, Frequency, Line};
use workshop::tune::{self, Score, Tuned};

/// Rows of the table unless more are asked for.
const ROWS: usize = 40;
/// Pairs of rules that are told to overlap.
const PAIRS: usize = 20;
/// Scores from here on are verdicts of their own, not weights.
const VERDICT: f64 = 20.0;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Folders that have the folders spam and ham below them, or are called so
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Spam: files, folders, maildirs, mboxes; repeatable
    #[arg(long, value_name = "PATH")]
    spam: Vec<PathBuf>,
    /// Ham; repeatable
    #[arg(long, value_name = "PATH")]
    ham: Vec<PathBuf>,
    /// Folder for spam.log and ham.log; a run that was broken off goes on where it ended
    #[arg(long, short, value_name = "DIR", default_value = "masscheck")]
    output: PathBuf,
    /// Begin anew, whatever stands in the logs
    #[arg(long)]
    fresh: bool,
    /// Rules shown in the table, those with most hits first; 0: all
    #[arg(long, value_name = "N", default_value_t = ROWS)]
    rows: usize,
    /// How many messages at once; 0: one a core
    #[arg(short, long, default_value_t = 0, value_name = "N")]
    jobs: usize,
    /// Configuration of the service, which says which rules there are
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let config = service_config(arguments.config.as_deref())?;
    let mut selection = arguments.rules.selection(&config);
    // What the network says today of mail of yesterday is no measure.
    selection.local = true;
    let loaded = loading::load(&selection, !arguments.rules.no_cache, true, &Debug::default());
    loaded.warn(&arguments.rules.lint(arguments.config.as_deref()));
    let made_with = digest(&rule_files::find(&selection));
    let (mut spam, mut ham) = (arguments.spam.clone(), arguments.ham.clone());
    for folder in &arguments.folders {
        let mut known = false;
        for (name, class) in [("spam", &mut spam), ("ham", &mut ham)] {
            let below = folder.join(name);
            if below.exists() {
                class.push(below);
                known = true;
            }
        }
        if !known {
            match folder.file_name().map(|name| name.to_string_lossy().to_lowercase()) {
                Some(name) if name.contains("spam") => spam.push(folder.clone()),
                Some(name) if name.contains("ham") => ham.push(folder.clone()),
                _ => bail!(
                    "{}: {}",
                    folder.display(),
                    language::pick(
                        "is it spam or ham? It has neither folder below it; say --spam or --ham",
                        "迷惑メールか通常メールか分かりません。--spam か --ham で指定してください"
                    )
                ),
            }
        }
    }
    if spam.is_empty() && ham.is_empty() {
        bail!(
            "{}",
            language::pick("name folders, or say --spam and --ham", "フォルダーか --spam、--ham を指定してください")
        );
    }
    fs::create_dir_all(&arguments.output).with_context(|| arguments.output.display().to_string())?;
    let mut failed = 0;
    let mut corpus = Vec::new();
    for (name, paths) in [("spam", &spam), ("ham", &ham)] {
        let (lines, problems) = class(arguments, &loaded.engine, &made_with, name, paths)?;
        failed += problems;
        corpus.push(lines);
    }
    let ham = corpus.pop().unwrap_or_default();
    let corpus = Corpus::new(corpus.pop().unwrap_or_default(), ham);
    let mut output = Output::new();
    let scores = scores(&loaded.engine);
    tell_wrong(&corpus, &mut output)?;
    tell_table(&corpus.frequencies(), &scores, arguments.rows, &mut output)?;
    output.flush()?;
    if failed > 0 {
        eprintln!("sekisho: {failed} {}", language::NOT_CHECKED);
    }
    Ok(if failed > 0 { TROUBLE } else { CLEAN })
}

/// One class: reads the log, judges what is not in it, and gives back all that was asked for.
fn class(
    arguments: &Arguments,
    engine: &Engine,
    made_with: &str,
    name: &str,
    paths: &[PathBuf],
) -> anyhow::Result<(Vec<Line>, usize)> {
    if paths.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let file = arguments.output.join(format!("{name}.log"));
    let mut text = match fs::read_to_string(&file) {
        Ok(text) if !arguments.fresh => text,
        Ok(_) => String::new(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    if let Some(then) = masscheck::fact(&text, "rules").filter(|then| *then != made_with) {
        bail!(
            "{}: {} ({then} / {made_with})",
            file.display(),
            language::pick(
                "this log was made with other rules; --fresh begins anew, --output says another folder",
                "このログは別のルールで作られています。--fresh で作り直すか、--output で別のフォルダーを指定してください"
            )
        );
    }
    let places = input::find(paths, input::Format::Detect);
    // What failed is tried again.
    let before = masscheck::read(&text);
    let known: HashSet<&str> = before.iter().filter(|line| !line.failed).map(|line| line.path.as_str()).collect();
    let open: Vec<Place> = places.iter().filter(|place| !known.contains(place.name().as_str())).cloned().collect();
    let mut log = OpenOptions::new();
    log.create(true);
    let log = if text.is_empty() { log.write(true).truncate(true) } else { log.append(true) };
    let mut log = BufWriter::new(log.open(&file).with_context(|| file.display().to_string())?);
    let mut written = 0u32;
    let mut write = |line: &str| -> std::io::Result<()> {
        text.push_str(line);
        text.push('\n');
        writeln!(log, "{line}")?;
        written += 1;
        // A crash costs these few, not the run.
        if written.is_multiple_of(64) { log.flush() } else { Ok(()) }
    };
    if before.is_empty() {
        write(&format!("# sekisho masscheck, {}", environment::timestamp()))?;
        write(&format!("# rules: {made_with}"))?;
        write(&format!("# set: {}", engine.score_set.index()))?;
    } else {
        // What was cut short by a crash ends here.
        write("#")?;
    }
    let progress = progress_bar(open.len() as u64);
    let mut result = Ok(());
    each_in_order(
        &open,
        arguments.jobs,
        |place, scratch| judged(place, engine, scratch),
        |line| {
            progress.inc(1);
            result = write(&line.write());
            result.is_ok()
        },
    );
    progress.finish_and_clear();
    result.and_then(|()| log.flush()).with_context(|| file.display().to_string())?;
    let asked: HashSet<String> = places.iter().map(Place::name).collect();
    let lines: Vec<Line> = masscheck::read(&text).into_iter().filter(|line| asked.contains(&line.path)).collect();
    let failed = lines.iter().filter(|line| line.failed).count();
    Ok((lines, failed))
}

fn judged(place: &Place, engine: &Engine, scratch: &mut Scratch) -> Line {
    let path = place.name();
    let failed = Line { called_spam: false, score: 0.0, path: path.clone(), rules: Vec::new(), failed: true };
    let Ok(raw) = place.read() else { return failed };
    // A fault of ours in one message must not end a run over thousands.
    let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let message = Message::parse(&raw, &engine.views.limits);
        let transaction = Transaction { envelope: Envelope::default(), message, now: environment::unix_time() };
        engine::judge(engine, &transaction, scratch)
    }));
    let Ok(verdict) = verdict else {
        *scratch = Scratch::new();
        return failed;
    };
    let mut rules: Vec<String> = verdict.hits.into_iter().map(|hit| hit.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    Line { called_spam: verdict.spam, score: verdict.score, path, rules, failed: false }
}

/// What tells one set of rules from another.
fn digest(found: &rule_files::Found) -> String {
    let mut hash = Sha256::new();
    for source in &found.sources {
        hash.update(source.name.as_bytes());
        hash.update([0]);
        hash.update(&source.text);
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Scores in force, by name.
fn scores(engine: &Engine) -> HashMap<&str, f64> {
    engine.ruleset.rules.iter().map(|rule| (rule.name.as_str(), rule.score(engine.score_set))).collect()
}

fn tell_wrong(corpus: &Corpus, output: &mut Output) -> anyhow::Result<()> {
    let (ham, spam) = corpus.wrong();
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    let (hams, spams) = (corpus.ham.len(), corpus.spam.len());
    output.line(&match language::pick(false, true) {
        true => format!(
            "迷惑メール {spams} 通、見逃し {spam} 通（{:.2} %）。通常メール {hams} 通、誤判定 {ham} 通（{:.2} %）",
            share(spam, spams),
            share(ham, hams)
        ),
        false => format!(
            "{spams} spam, {spam} missed ({:.2} %); {hams} ham, {ham} called spam ({:.2} %)",
            share(spam, spams),
            share(ham, hams)
        ),
    })?;
    Ok(())
}

/// As SpamAssassin's hit-frequencies: of all spam and ham, the share of spam, the score.
fn tell_table(all: &[Frequency], scores: &HashMap<&str, f64>, rows: usize, output: &mut Output) -> anyhow::Result<()> {
    let mut shown: Vec<&Frequency> = all.iter().collect();
    if rows > 0 && shown.len() > rows {
        shown.sort_by(|a, b| (b.spam + b.ham).cmp(&(a.spam + a.ham)).then(a.rule.cmp(&b.rule)));
        shown.truncate(rows);
        shown.sort_by(|a, b| b.spam_share.total_cmp(&a.spam_share).then(b.spam.cmp(&a.spam)));
    }
    output.line("   SPAM%     HAM%   S/O    SPAM     HAM   SCORE  NAME")?;
    for row in &shown {
        output.line(&format!(
            "{:>8.3} {:>8.3} {:>5.3} {:>7} {:>7} {:>7.3}  {}",
            row.spam_percent,
            row.ham_percent,
            row.spam_share,
            row.spam,
            row.ham,
            scores.get(row.rule.as_str()).copied().unwrap_or(0.0),
            row.rule
        ))?;
    }
    if shown.len() < all.len() {
        let more = all.len() - shown.len();
        output.line(&match language::pick(false, true) {
            true => format!("ほか {more} ルール（--rows 0 で全部）"),
            false => format!("{more} more rules hit; --rows 0 shows all"),
        })?;
    }
    Ok(())
}

#[derive(Debug, Clone, clap::Args)]
pub struct Tune {
    /// Folder with the logs of sekisho masscheck
    #[arg(value_name = "DIR", default_value = "masscheck")]
    logs: PathBuf,
    /// Write the new scores to this rule file; without it they are only tried
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// No score moves further than so many points
    #[arg(long, value_name = "POINTS", default_value_t = 1.5, value_parser = points)]
    most: f64,
    /// Parts of the cross-validation
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(2..=100))]
    folds: u8,
    /// Leave this rule's score as it is; repeatable
    #[arg(long, value_name = "RULE")]
    keep: Vec<String>,
    /// Rules shown in the table; 0: all
    #[arg(long, value_name = "N", default_value_t = ROWS)]
    rows: usize,
    /// Configuration of the service, which says which rules there are
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
}

fn points(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(points) if points.is_finite() && points >= 0.0 => Ok(points),
        _ => Err(language::pick("a number of points, such as 1.5", "1.5 のような点数を指定してください")),
    }
}

pub fn tune(arguments: &Tune) -> anyhow::Result<u8> {
    let config = service_config(arguments.config.as_deref())?;
    let mut selection = arguments.rules.selection(&config);
    selection.local = true;
    let loaded = loading::load(&selection, !arguments.rules.no_cache, true, &Debug::default());
    let engine = &loaded.engine;
    let made_with = digest(&rule_files::find(&selection));
    let read = |name: &str| -> anyhow::Result<Vec<Line>> {
        let file = arguments.logs.join(name);
        let text = fs::read_to_string(&file).with_context(|| {
            let hint = language::pick("make it with: sekisho masscheck", "sekisho masscheck で作ってください");
            format!("{} ({hint})", file.display())
        })?;
        if masscheck::fact(&text, "rules").is_some_and(|then| then != made_with) {
            let said = language::pick(
                "made with other rules than those in force; run sekisho masscheck again for exact figures",
                "今と別のルールで作られたログです。正確な数字には sekisho masscheck をやり直してください",
            );
            eprintln!("sekisho: {}: {said}", file.display());
        }
        Ok(masscheck::read(&text))
    };
    let corpus = Corpus::new(read("spam.log")?, read("ham.log")?);
    let (rules, messages) = problem(&corpus, engine, &arguments.keep);
    if messages.iter().filter(|message| message.spam).count() < 10
        || messages.iter().filter(|message| !message.spam).count() < 10
    {
        bail!(
            "{}",
            language::pick(
                "too few messages: at least ten of each class",
                "メールが少なすぎます。それぞれ 10 通以上必要です"
            )
        );
    }
    let options = tune::Options {
        required: engine.ruleset.settings.required_score,
        most: arguments.most,
        folds: usize::from(arguments.folds),
    };
    let progress = progress_bar(0);
    let tuned = tune::tune(&rules, &messages, &options, &mut |done, of| {
        progress.set_length(of as u64);
        progress.set_position(done as u64);
    });
    progress.finish_and_clear();
    let mut output = Output::new();
    tell_tuned(&rules, &tuned, &options, &mut output)?;
    let new: HashMap<&str, f64> =
        rules.iter().map(|rule| rule.rule.as_str()).zip(tuned.scores.iter().copied()).collect();
    output.line("")?;
    tell_table(&corpus.frequencies(), &new, arguments.rows, &mut output)?;
    let pairs = corpus.overlaps(10, PAIRS);
    if !pairs.is_empty() {
        output.line("")?;
        output.line(language::pick("rules that hit the same messages:", "同じメールに当たるルール:"))?;
        for pair in pairs {
            output.line(&format!(
                "  {:>6} = {} ({}) ∩ {} ({})",
                pair.both, pair.one, pair.one_hits, pair.other, pair.other_hits
            ))?;
        }
    }
    if let Some(file) = &arguments.output {
        write_scores(file, engine, &rules, &tuned)?;
    }
    output.flush()?;
    let better = tuned.after.ham <= tuned.before.ham && tuned.after.spam <= tuned.before.spam;
    Ok(if better { CLEAN } else { FOUND })
}

/// The log as rules by number.
fn problem(corpus: &Corpus, engine: &Engine, keep: &[String]) -> (Vec<Score>, Vec<tune::Message>) {
    let mut places: HashMap<&str, u32> = HashMap::new();
    let mut rules = Vec::new();
    let mut messages = Vec::new();
    for (lines, spam) in [(&corpus.spam, true), (&corpus.ham, false)] {
        for line in lines {
            let mut hit = Vec::new();
            for name in &line.rules {
                let place = *places.entry(name).or_insert_with(|| {
                    let rule = engine.ruleset.get(name);
                    let old = rule.map_or(0.0, |rule| rule.score(engine.score_set));
                    let own = |rule: &Rule| rule.tflags.has(Flags::USERCONF) || rule.tflags.has(Flags::LEARN);
                    rules.push(Score {
                        rule: name.clone(),
                        old,
                        locked: rule.is_none_or(own) || old.abs() >= VERDICT || keep.contains(name),
                    });
                    rules.len() as u32 - 1
                });
                hit.push(place);
            }
            messages.push(tune::Message { spam, rules: hit });
        }
    }
    (rules, messages)
}

fn tell_tuned(rules: &[Score], tuned: &Tuned, options: &tune::Options, output: &mut Output) -> anyhow::Result<()> {
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    let line = |name: &str, wrong: &tune::Wrong| {
        let (ham, spam) = (share(wrong.ham, tuned.ham), share(wrong.spam, tuned.spam));
        match language::pick(false, true) {
            true => format!("{name}: 誤判定 {} 通（{ham:.3} %）、見逃し {} 通（{spam:.3} %）", wrong.ham, wrong.spam),
            false => format!(
                "{name}: {} false positives ({ham:.3} %), {} false negatives ({spam:.3} %)",
                wrong.ham, wrong.spam
            ),
        }
    };
    let validated = match language::pick(false, true) {
        true => format!("調整後（{} 分割の交差検証）", options.folds),
        false => format!("after, {}-fold cross-validation", options.folds),
    };
    output.line(&match language::pick(false, true) {
        true => format!("通常メール {} 通、迷惑メール {} 通、しきい値 {}", tuned.ham, tuned.spam, options.required),
        false => format!("{} ham, {} spam, required_score {}", tuned.ham, tuned.spam, options.required),
    })?;
    output.line(&line(language::pick("before", "調整前"), &tuned.before))?;
    output.line(&line(&validated, &tuned.after))?;
    output.line(&line(language::pick("on the messages it was made of", "調整に使ったメールでは"), &tuned.seen))?;
    let mut moved: Vec<(&Score, f64)> =
        rules.iter().zip(tuned.scores.iter().copied()).filter(|(rule, new)| rule.old != *new).collect();
    moved.sort_by(|a, b| (b.1 - b.0.old).abs().total_cmp(&(a.1 - a.0.old).abs()).then(a.0.rule.cmp(&b.0.rule)));
    output.line(&match language::pick(false, true) {
        true => format!("{} ルール中 {} の得点が変わりました。大きい順に:", rules.len(), moved.len()),
        false => format!("{} of {} scores change, the most:", moved.len(), rules.len()),
    })?;
    for (rule, new) in moved.iter().take(15) {
        output.line(&format!("  {:>8.3} → {:>7.3}  {}", rule.old, new, rule.rule))?;
    }
    Ok(())
}

/// A rule file with the scores that changed; scores of the other sets stay as they are.
fn write_scores(file: &Path, engine: &Engine, rules: &[Score], tuned: &Tuned) -> anyhow::Result<()> {
    let mut text = format!(
        "# Scores made by `sekisho tune`, {}\n# {} ham, {} spam; before: {} false positives, {} false negatives; after, cross-validated: {}, {}\n",
        environment::local_day(environment::unix_time()),
        tuned.ham,
        tuned.spam,
        tuned.before.ham,
        tuned.before.spam,
        tuned.after.ham,
        tuned.after.spam
    );
    let set = engine.score_set.index();
    let mut lines = Vec::new();
    for (rule, new) in rules.iter().zip(&tuned.scores).filter(|(rule, new)| rule.old != **new) {
        let Some(known) = engine.ruleset.get(&rule.rule) else { continue };
        // One score for all four sets stays one.
        let same = known.scores.iter().all(|score| *score == known.scores[0]);
        let mut scores = if same { [*new; 4] } else { known.scores };
        scores[set] = *new;
        let scores: Vec<String> =
            scores.iter().take(if same { 1 } else { 4 }).map(|score| format!("{score}")).collect();
        lines.push(format!("score {} {} # {}\n", rule.rule, scores.join(" "), rule.old));
    }
    lines.sort_unstable();
    text.extend(lines);
    app_feeds::generations::write_whole(file, text.as_bytes()).with_context(|| file.display().to_string())
}
