//! `sekisho learn`: teach what is spam and what is not, take it back, see what was learnt and why it decides as it does.

use crate::config::Config;
use crate::input::{self, Place};
use crate::learning::{self, Learnt};
use crate::output::{Output, readable};
use crate::{CLEAN, FOUND, TROUBLE, environment};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::markup::Style;
use indicatif::{ProgressBar, ProgressStyle};
use learn::{Class, Extractor, Model, Piece, User};
use mail::{Limits, Message, ViewConfig, Views};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// These messages are spam
    #[arg(long, group = "class")]
    spam: bool,
    /// These messages are not
    #[arg(long, group = "class")]
    ham: bool,
    /// Take back what was learnt of these messages
    #[arg(long, group = "class")]
    forget: bool,
    /// Files are mbox, whatever they look like
    #[arg(long)]
    mbox: bool,
    /// Learn it for this recipient too, apart from what all think
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    /// Messages, mbox files, maildirs, folders; - or nothing is standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArguments,
}

/// Where the model is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ModelArguments {
    /// Folder of the model; default: learn.folder of the configuration
    #[arg(long, value_name = "FOLDER", global = true)]
    model: Option<PathBuf>,
    /// Configuration of the service; default: /etc/sekisho/sekisho.toml
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl ModelArguments {
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.model {
            return Ok(folder.clone());
        }
        let (config, _) = Config::load(self.config.as_deref())?;
        if config.learn.folder.as_os_str().is_empty() {
            bail!("learn.folder is empty: nothing is learnt; --model FOLDER names another");
        }
        Ok(config.learn.folder)
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// How much was learnt
    Status,
    /// The words of these messages that say most, of spam and of ham
    Top {
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// Why a message looks like spam or not: which fragments pull which way
    Explain {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
}

/// What is to be done with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Learn(Class),
    Forget,
}

/// What became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub examined: usize,
    pub changed: usize,
    pub failed: usize,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let folder = arguments.model.folder()?;
    match &arguments.what {
        Some(What::Status) => return status(&folder),
        Some(What::Top { paths, count }) => return top(&folder, paths, *count),
        Some(What::Explain { file, user }) => return explain(&folder, file, user.as_deref()),
        None => {}
    }
    let deed = match (arguments.spam, arguments.ham, arguments.forget) {
        (true, ..) => Deed::Learn(Class::Spam),
        (_, true, _) => Deed::Learn(Class::Ham),
        (.., true) => Deed::Forget,
        _ => bail!("say --spam, --ham or --forget, or: status, top, explain"),
    };
    let stdin = [PathBuf::from("-")];
    let named = if arguments.paths.is_empty() { &stdin[..] } else { &arguments.paths };
    let format = if arguments.mbox { input::Format::Mbox } else { input::Format::Detect };
    let user = learning::user(arguments.user.as_deref().unwrap_or_default());
    let tally = teach(&folder, &input::find(named, format), deed, user, std::io::stderr().is_terminal())?;
    let word = if deed == Deed::Forget { "forgotten" } else { "learnt" };
    let mut output = Output::new();
    let known = tally.examined - tally.changed - tally.failed;
    let other = if deed == Deed::Forget { "never learnt" } else { "known before" };
    output.line(&format!("{} {word}, {known} {other}, {} not readable", tally.changed, tally.failed))?;
    output.flush()?;
    Ok(if tally.failed > 0 { TROUBLE } else { CLEAN })
}

/// Does it, and tells on standard error what could not be read.
pub fn teach(folder: &Path, places: &[Place], deed: Deed, user: User, progress: bool) -> anyhow::Result<Tally> {
    let (views, style) = (ViewConfig::default(), Style::default());
    let mut extractor = Extractor::default();
    let mut learnt = Learnt::default();
    let mut teacher = learnt.teach(folder)?;
    let bar =
        if progress && places.len() >= 50 { ProgressBar::new(places.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let mut tally = Tally::default();
    for place in places {
        bar.inc(1);
        tally.examined += 1;
        let raw = match place.read() {
            Ok(raw) => raw,
            Err(error) => {
                tally.failed += 1;
                eprintln!("sekisho: {}: {error}", readable(place.name().as_bytes(), 300));
                continue;
            }
        };
        let (digest, features) = learning::features(&raw, &views, &style, &mut extractor);
        let now = u32::try_from(environment::unix_time()).unwrap_or_default();
        let changed = match deed {
            Deed::Learn(class) => teacher.learn(digest, &features, class, user, now)?,
            Deed::Forget => teacher.forget(digest, &features)?,
        };
        tally.changed += usize::from(changed);
    }
    bar.finish_and_clear();
    teacher.sync()?;
    Ok(tally)
}

/// One message that is at hand; says whether that was news.
pub fn teach_one(folder: &Path, raw: &[u8], class: Class) -> anyhow::Result<bool> {
    let (digest, features) =
        learning::features(raw, &ViewConfig::default(), &Style::default(), &mut Extractor::default());
    let mut learnt = Learnt::default();
    let mut teacher = learnt.teach(folder)?;
    let now = u32::try_from(environment::unix_time()).unwrap_or_default();
    let new = teacher.learn(digest, &features, class, User::default(), now)?;
    teacher.sync()?;
    Ok(new)
}

fn status(folder: &Path) -> anyhow::Result<u8> {
    let learnt = Learnt::open(folder)?;
    let model = &learnt.model;
    let counts = model.counts();
    let mut output = Output::new();
    output.line(&format!("{}: {} ham, {} spam learnt", folder.display(), counts.ham, counts.spam))?;
    output.line(&format!("{} words, {} users with lessons of their own", model.words_known(), model.users()))?;
    if let Some((oldest, newest)) = model.times() {
        let time = |at: u32| environment::local_time(i64::from(at));
        output.line(&format!("oldest lesson {}, newest {}", time(oldest), time(newest)))?;
    }
    let settings = rules::Settings::default();
    if !learning::is_ready(model, &settings) {
        output.line(&format!(
            "not yet in use: the rules want {} ham and {} spam (bayes_min_ham_num, bayes_min_spam_num)",
            settings.bayes_min_ham_num, settings.bayes_min_spam_num
        ))?;
    }
    output.flush()?;
    Ok(CLEAN)
}

/// A fragment as a person can read it.
fn shown(bytes: &[u8]) -> String {
    readable(bytes, 60).replace('\n', "⏎")
}

fn explain(folder: &Path, file: &Path, user: Option<&str>) -> anyhow::Result<u8> {
    let learnt = Learnt::open(folder)?;
    let model = &learnt.model;
    let raw = match input::find(&[file.to_owned()], input::Format::SpamAssassin).first() {
        Some(place) => place.read().with_context(|| file.display().to_string())?,
        None => bail!("{}: no message", file.display()),
    };
    let message = Message::parse(&raw, &Limits::default());
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    let mut extractor = Extractor::default();
    let features = extractor.extract(&views);
    let score = model.score(&features, learning::user(user.unwrap_or_default()));
    let probability = score.probability();
    let mut output = Output::new();
    output.line(&format!(
        "probability of spam {probability:.4} (fragments {:+.2}, words {:+.2})",
        score.grams, score.words
    ))?;
    if let Some(seen) = model.seen(learn::digest(&message)) {
        let class = if seen.class == Class::Spam { "spam" } else { "ham" };
        output
            .line(&format!("this message was learnt as {class} on {}", environment::local_time(i64::from(seen.at))))?;
    }
    let mut words = HashMap::new();
    let mut fragments = Vec::new();
    extractor.walk(&views, &mut |piece| match piece {
        Piece::Word(word, place, index) => {
            if let Some(pull) = model.pull_of_word(index) {
                words.insert(format!("{place} {word}").trim_start().to_owned(), pull);
            }
        }
        Piece::Gram(bytes, index) => fragments.push((bytes.to_vec(), model.pull_of_gram(index))),
    });
    let words: Vec<(String, f32)> = words.into_iter().collect();
    for (title, list) in [("words", words), ("fragments", stretches(&fragments))] {
        for (way, sign) in [("towards spam", 1.0), ("towards ham", -1.0)] {
            output.line(&format!("\n{title} that pull {way}:"))?;
            for (text, pull) in strongest(&list, sign, 15) {
                output.line(&format!("  {pull:+8.3}  {text}"))?;
            }
        }
    }
    output.flush()?;
    Ok(if probability >= learn::SPAM_FROM { FOUND } else { CLEAN })
}

/// 6-grams that follow each other and pull the same way, put together to readable text.
fn stretches(fragments: &[(Vec<u8>, f32)]) -> Vec<(String, f32)> {
    let mut found: HashMap<Vec<u8>, f32> = HashMap::new();
    let mut at = 0;
    while at < fragments.len() {
        let (first, pull) = &fragments[at];
        let mut text = first.clone();
        let mut sum = *pull;
        let mut next = at + 1;
        while let Some((bytes, more)) = fragments.get(next) {
            let follows = text.len() >= 5 && text[text.len() - 5..] == bytes[..bytes.len() - 1];
            if !follows || more.signum() != pull.signum() || *more == 0.0 || text.len() >= 40 {
                break;
            }
            text.push(bytes[bytes.len() - 1]);
            sum += more;
            next += 1;
        }
        if *pull != 0.0 {
            found.insert(text, sum);
        }
        at = next;
    }
    found.into_iter().map(|(text, pull)| (shown(&text), pull)).collect()
}

fn strongest(list: &[(String, f32)], sign: f32, count: usize) -> Vec<&(String, f32)> {
    let mut some: Vec<_> = list.iter().filter(|(_, pull)| pull * sign > 0.0).collect();
    some.sort_by(|a, b| (b.1 * sign).total_cmp(&(a.1 * sign)).then_with(|| a.0.cmp(&b.0)));
    some.truncate(count);
    some
}

fn top(folder: &Path, paths: &[PathBuf], count: usize) -> anyhow::Result<u8> {
    let learnt = Learnt::open(folder)?;
    let model: &Model = &learnt.model;
    let config = ViewConfig::default();
    let mut extractor = Extractor::default();
    let mut words: HashMap<String, f32> = HashMap::new();
    let mut code = CLEAN;
    for place in input::find(paths, input::Format::Detect) {
        let Ok(raw) = place.read() else {
            eprintln!("sekisho: {}: cannot be read", place.name());
            code = TROUBLE;
            continue;
        };
        let message = Message::parse(&raw, &Limits::default());
        extractor.walk(&Views::new(&message, &config), &mut |piece| {
            if let Piece::Word(word, where_, index) = piece
                && let Some(pull) = model.pull_of_word(index)
            {
                words.insert(format!("{where_} {word}").trim_start().to_owned(), pull);
            }
        });
    }
    let list: Vec<(String, f32)> = words.into_iter().collect();
    let mut output = Output::new();
    for (title, sign) in [("spam", 1.0), ("ham", -1.0)] {
        output.line(&format!("{title}:"))?;
        for (text, pull) in strongest(&list, sign, count) {
            output.line(&format!("  {pull:+8.3}  {}", readable(text.as_bytes(), 60)))?;
        }
    }
    output.flush()?;
    Ok(code)
}
