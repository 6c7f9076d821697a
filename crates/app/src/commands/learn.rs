//! `sekisho learn`: teach what is spam and what is not, take it back, see what was learnt and why it decides as it does.

use super::tell;
use crate::config::{Config, Exchange as Shared, Learn};
use crate::input::{self, Place};
use crate::language::Message as Text;
use crate::language::{self, said};
use crate::learning::exchange::{self, Exchange};
use crate::learning::rehearsal::Rehearsal;
use crate::learning::{self, Heeded, Learnt, Reader, Turns};
use crate::lessons::{self, About, By};
use crate::output::{Output, readable};
use crate::owner::Acting;
use crate::serve::listen::Address;
use crate::{CLEAN, FOUND, TROUBLE, environment, recent};
use anyhow::{Context, bail};
use clap::{ArgGroup, Subcommand};
use engine::markup::Style;
use indicatif::{ProgressBar, ProgressStyle};
use learn::{Class, Extractor, Features, Lesson, Model, Piece, bayes};
use mail::{Limits, Message, ViewConfig, Views};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(subcommand_precedence_over_arg = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// These messages are spam; with --ham in the same call both are learnt in turns
    #[arg(long, value_name = "PATH", num_args = 0.., conflicts_with = "forget")]
    spam: Option<Vec<PathBuf>>,
    /// These messages are not
    #[arg(long, value_name = "PATH", num_args = 0.., conflicts_with = "forget")]
    ham: Option<Vec<PathBuf>>,
    /// Take back what was learnt of these messages
    #[arg(long)]
    forget: bool,
    /// Files are mbox, whatever they look like
    #[arg(long)]
    mbox: bool,
    /// Learn it for this recipient too, apart from what all think
    #[arg(long, value_name = "ADDRESS", global = true)]
    user: Option<String>,
    /// A message that the service judged: its queue id, Message-ID, or name in history or quarantine; repeatable
    #[arg(long = "id", visible_alias = "queue-id", value_name = "ID", conflicts_with_all = ["paths", "service"])]
    ids: Vec<String>,
    /// Let the running service learn it, over this spamd listener (unix:/run/sekisho/learn.sock)
    #[arg(long, value_name = "ADDRESS")]
    service: Option<Address>,
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
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl ModelArguments {
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(self.settings()?.folder)
    }

    /// For who teaches: where the model is shared, lessons wait to be said from the first one on.
    pub fn to_teach(&self) -> anyhow::Result<PathBuf> {
        let settings = self.settings()?;
        exchange::prepare_for(&settings)?;
        Ok(settings.folder)
    }

    /// A folder named on the command line is what it is: shared where it was.
    fn settings(&self) -> anyhow::Result<Learn> {
        if let (Some(folder), None) = (&self.model, &self.config) {
            return Ok(Learn { folder: folder.clone(), ..Learn::default() });
        }
        let (config, _) = Config::load(self.config.as_deref())?;
        let mut settings = config.learn;
        if let Some(folder) = &self.model {
            // Another folder than the configuration's is not what the configuration shares.
            settings = Learn { folder: folder.clone(), exchange: Shared::default(), ..settings };
        }
        if settings.folder.as_os_str().is_empty() {
            bail!(
                "{}",
                said!(
                    "learn.folder is empty: nothing is learnt; --model FOLDER names another",
                    "learn.folder が空なので学習しません（--model FOLDER で指定できます）"
                )
            );
        }
        Ok(settings)
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// How much was learnt, and with whom it is shared
    Status,
    /// Say to the other machines what was learnt here and hear what they learnt, once; the service does so by itself
    Sync,
    /// The words of these messages that say most, of spam and of ham
    Top {
        /// Messages, mbox files, maildirs, folders
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// So many of each kind
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// Why a message looks like spam or not: which fragments pull which way. Exit 1: like spam
    Explain {
        /// The message
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Take over what SpamAssassin's Bayes had learnt, as `sa-learn --backup` writes it
    Import {
        /// The backup; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Drop what was imported
    ForgetImport,
    /// Which lessons there were: how many each day, or those of a day one by one. Exit 1: none
    Journal {
        /// This day, 2026-11-20
        #[arg(long, value_parser = a_day, value_name = "DAY")]
        day: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Take the lessons of a day back, exactly
    #[command(group = ArgGroup::new("when").required(true))]
    Undo {
        /// This day, 2026-11-20
        #[arg(long, value_parser = a_day, value_name = "DAY", group = "when")]
        day: Option<String>,
        /// This day and all after it
        #[arg(long, value_parser = a_day, value_name = "DAY", group = "when")]
        since: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
    },
}

/// Only some of the lessons.
#[derive(Debug, Clone, Default, clap::Args)]
struct Which {
    /// Only what was learnt though nobody said so
    #[arg(long)]
    unasked: bool,
    /// Only what these taught; repeatable
    #[arg(long, value_name = "WHO", value_enum)]
    by: Vec<By>,
    /// Only what came from this network, as the journal shows it
    #[arg(long, value_name = "NETWORK")]
    from: Option<String>,
}

impl Which {
    fn has(&self, about: &About) -> bool {
        (!self.unasked || about.by.unasked())
            && (self.by.is_empty() || self.by.contains(&about.by))
            && self.from.as_ref().is_none_or(|from| *from == about.from)
    }
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
    if let Some(what) = &arguments.what {
        if arguments.spam.is_some() || arguments.ham.is_some() || arguments.forget {
            bail!(
                "{}",
                said!(
                    "--spam, --ham and --forget stand without {COMMANDS}",
                    "--spam、--ham、--forget は {COMMANDS} と同時に指定できません"
                )
            );
        }
        let folder = arguments.model.folder()?;
        return match what {
            What::Status => status(&arguments.model.settings()?),
            What::Sync => sync(&arguments.model.settings()?),
            What::Top { paths, count } => top(&folder, paths, *count),
            What::Explain { file } => explain(&folder, file, arguments.user.as_deref()),
            What::Import { file } => import(&folder, file),
            What::ForgetImport => forget_import(&folder),
            What::Journal { day, which } => journal(&folder, day.as_deref(), which),
            What::Undo { day, since, which, dry_run } => {
                let days = |of: &str| match (day, since) {
                    (Some(day), _) => of == day,
                    (None, Some(since)) => of >= since.as_str(),
                    (None, None) => false,
                };
                undo(&folder, days, which, *dry_run)
            }
        };
    }
    let user = arguments.user.as_deref().unwrap_or_default();
    let tally = if !arguments.ids.is_empty() {
        teach_by_id(&arguments.model, &arguments.ids, arguments.deed()?, user)?
    } else {
        let places = arguments.places()?;
        match &arguments.service {
            Some(service) => each(&places, false, &Acting::nobody(), |raw, deed| tell::tell(service, raw, deed, user))?,
            None => teach(&arguments.model.to_teach()?, &places, user, std::io::stderr().is_terminal())?,
        }
    };
    let known = tally.examined - tally.changed - tally.failed;
    let told = if arguments.forget { &FORGOTTEN } else { &LEARNT };
    let numbers = [("changed", tally.changed), ("known", known), ("failed", tally.failed)];
    let mut output = Output::new();
    output.line(&filled(told, &numbers.map(|(name, number)| (name, number.to_string()))))?;
    output.flush()?;
    Ok(if tally.failed > 0 { TROUBLE } else { CLEAN })
}

const COMMANDS: &str = "status, sync, top, explain, import, forget-import, journal, undo";

impl Arguments {
    /// Where there is but one.
    fn deed(&self) -> anyhow::Result<Deed> {
        match (&self.spam, &self.ham, self.forget) {
            (Some(_), Some(_), _) => bail!(
                "{}",
                said!(
                    "--spam and --ham together: each needs paths of its own",
                    "--spam と --ham を同時に使うときは、それぞれにパスが必要です"
                )
            ),
            (Some(paths), ..) | (_, Some(paths), _) if !self.ids.is_empty() && !paths.is_empty() => {
                bail!("{}", said!("--id and paths together: one at a time", "--id とパスは同時に指定できません"))
            }
            (Some(_), ..) => Ok(Deed::Learn(Class::Spam)),
            (_, Some(_), _) => Ok(Deed::Learn(Class::Ham)),
            (.., true) => Ok(Deed::Forget),
            _ => bail!(
                "{}",
                said!(
                    "say --spam, --ham or --forget, or: {COMMANDS}",
                    "--spam、--ham、--forget のどれか、または次のコマンドを指定してください: {COMMANDS}"
                )
            ),
        }
    }

    /// What is to be done with which messages.
    fn places(&self) -> anyhow::Result<Vec<(Place, Deed)>> {
        let format = if self.mbox { input::Format::Mbox } else { input::Format::Detect };
        if let (Some(spam), Some(ham)) = (&self.spam, &self.ham)
            && !spam.is_empty()
            && !ham.is_empty()
            && self.paths.is_empty()
        {
            return Ok(in_turns(input::find(spam, format), input::find(ham, format)));
        }
        let deed = self.deed()?;
        let named = [&self.spam, &self.ham].into_iter().flatten().flatten().chain(&self.paths);
        let mut named: Vec<PathBuf> = named.cloned().collect();
        if named.is_empty() {
            named.push("-".into());
        }
        Ok(input::find(&named, format).into_iter().map(|place| (place, deed)).collect())
    }
}

/// The smaller class spread evenly over the larger: many lessons of one class in a row make the model forget some of the
/// other.
fn in_turns(spam: Vec<Place>, ham: Vec<Place>) -> Vec<(Place, Deed)> {
    let (spams, hams) = (spam.len().max(1), ham.len().max(1));
    let places = |places: Vec<Place>, deed, of: usize| {
        places.into_iter().enumerate().map(move |(at, place)| ((2 * at + 1) as f64 / of as f64, (place, deed)))
    };
    let mut all: Vec<_> =
        places(spam, Deed::Learn(Class::Spam), spams).chain(places(ham, Deed::Learn(Class::Ham), hams)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().map(|(_, place)| place).collect()
}

const LEARNT: Text = Text::new(
    "{changed} learnt, {known} known before, {failed} not readable",
    "学習 {changed} 通、学習済み {known} 通、読めないもの {failed} 通",
);
const FORGOTTEN: Text = Text::new(
    "{changed} forgotten, {known} never learnt, {failed} not readable",
    "取り消し {changed} 通、未学習 {known} 通、読めないもの {failed} 通",
);

fn filled(text: &Text, values: &[(&str, String)]) -> String {
    values.iter().fold(text.text().to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// So many messages in one call may be a row of one class.
const ROW: usize = 5;

/// Does it, and tells on standard error what could not be read.
pub fn teach(folder: &Path, places: &[(Place, Deed)], user: &str, progress: bool) -> anyhow::Result<Tally> {
    let (views, style) = (ViewConfig::default(), Style::default());
    let mut extractor = Extractor::new(Heeded::read(folder).options());
    // What root wrote the service could not go on with.
    let acting = Acting::as_owner_of(folder)?;
    let mut turns = Turns::new(folder);
    // Who teaches a few messages now and then teaches no rows.
    let mut rehearsal = (places.len() >= ROW).then(|| Rehearsal::read(folder));
    let tally = each(places, progress, &acting, |raw, deed| {
        let (digest, features) = learning::features(raw, &views, &style, &mut extractor);
        turns.teach(|teacher| {
            teacher.about = About::new(By::Hand, "", user, &subject(raw));
            let Deed::Learn(class) = deed else { return teacher.forget(digest, &features) };
            let new = teacher.learn(digest, &features, class, learning::user(user), now())?;
            if let Some(rehearsal) = rehearsal.as_mut().filter(|_| new) {
                rehearsal.after(teacher, digest, features, class)?;
            }
            Ok(new)
        })
    })?;
    turns.sync()?;
    Ok(tally)
}

/// Every message once; `work` says whether anything changed.
fn each(
    places: &[(Place, Deed)],
    progress: bool,
    acting: &Acting,
    mut work: impl FnMut(&[u8], Deed) -> anyhow::Result<bool>,
) -> anyhow::Result<Tally> {
    let bar =
        if progress && places.len() >= 50 { ProgressBar::new(places.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let mut tally = Tally::default();
    for (place, deed) in places {
        bar.inc(1);
        tally.examined += 1;
        match acting.aside(|| place.read())? {
            Ok(raw) => tally.changed += usize::from(work(&raw, *deed)?),
            Err(error) => {
                tally.failed += 1;
                eprintln!("sekisho: {}: {}", readable(place.name().as_bytes(), 300), language::reason(&error));
            }
        }
    }
    bar.finish_and_clear();
    Ok(tally)
}

fn now() -> u32 {
    u32::try_from(environment::unix_time()).unwrap_or_default()
}

fn subject(raw: &[u8]) -> String {
    let message = Message::parse(raw, &Limits::default());
    let field = message.headers().last("subject");
    field.map(|field| String::from_utf8_lossy(&field.decoded).trim().to_owned()).unwrap_or_default()
}

/// One message that is at hand; says whether that was news.
pub fn teach_one(folder: &Path, raw: &[u8], class: Class) -> anyhow::Result<bool> {
    let mut extractor = Extractor::new(Heeded::read(folder).options());
    let (digest, features) = learning::features(raw, &ViewConfig::default(), &Style::default(), &mut extractor);
    teach_features(folder, digest, &features, Deed::Learn(class), "", &subject(raw))
}

fn teach_features(
    folder: &Path,
    digest: u128,
    features: &Features,
    deed: Deed,
    user: &str,
    subject: &str,
) -> anyhow::Result<bool> {
    let _acting = Acting::as_owner_of(folder)?;
    let mut learnt = Learnt::default();
    let mut teacher = learnt.teach(folder)?;
    teacher.about = About::new(By::Hand, "", user, subject);
    let new = match deed {
        Deed::Learn(class) => teacher.learn(digest, features, class, learning::user(user), now())?,
        Deed::Forget => teacher.forget(digest, features)?,
    };
    teacher.sync()?;
    Ok(new)
}

/// Messages that the service judged: from what it remembers of them, else from the quarantine.
fn teach_by_id(model: &ModelArguments, ids: &[String], deed: Deed, user: &str) -> anyhow::Result<Tally> {
    let folder = model.to_teach()?;
    let store = Config::load(model.config.as_deref()).and_then(|(config, _)| config.store.open());
    let mut tally = Tally::default();
    for id in ids {
        tally.examined += 1;
        let (digest, features, subject) = match by_id(&folder, id, store.as_ref().ok().and_then(Option::as_ref))? {
            Some(found) => found,
            None => {
                tally.failed += 1;
                eprintln!("sekisho: {}: {}", readable(id.as_bytes(), 100), NOT_KEPT);
                continue;
            }
        };
        tally.changed += usize::from(teach_features(&folder, digest, &features, deed, user, &subject)?);
    }
    Ok(tally)
}

const NOT_KEPT: Text = Text::new(
    "nothing is kept of this message any more; learn.by_id says how much is kept. Learn it from a file instead",
    "このメールの記録は残っていません (残す量は learn.by_id)。ファイルから学習させてください",
);

type Found = (u128, Features, String);

fn by_id(folder: &Path, id: &str, store: Option<&store::Store>) -> anyhow::Result<Option<Found>> {
    let remembered =
        |id: &str| recent::find(folder, id).map(|(judged, features)| (judged.digest, features, judged.subject));
    if let Some(found) = remembered(id) {
        return Ok(Some(found));
    }
    let Some(store) = store else { return Ok(None) };
    let named = id.parse::<store::Id>().ok();
    let entries = match named {
        Some(id) => store.history().show(id)?.into_iter().collect(),
        None => {
            let query = store::history::Query { queue_id: Some(id.to_owned()), limit: 10, ..Default::default() };
            store.history().search(&query)?.entries
        }
    };
    if let Some(found) = entries.iter().find_map(|entry| remembered(&entry.queue_id).filter(|_| named.is_some())) {
        return Ok(Some(found));
    }
    let held = entries.iter().flat_map(|entry| &entry.recipients).find_map(|to| to.quarantined).or(named);
    let Some(entry) = held.map(|id| store.quarantine().show(id)).transpose()?.flatten() else { return Ok(None) };
    let raw = store.quarantine().content(&entry)?;
    let mut extractor = Extractor::new(Heeded::read(folder).options());
    let (digest, features) = learning::features(&raw, &ViewConfig::default(), &Style::default(), &mut extractor);
    Ok(Some((digest, features, entry.subject)))
}

const TAKEN_OVER: Text = Text::new(
    "{read} tokens of {ham} ham and {spam} spam; {kept} of them say something and are kept",
    "通常メール {ham} 通と迷惑メール {spam} 通のトークン {read} 個のうち、判定に役立つ {kept} 個を取り込みました",
);
const LEFT_OUT: Text = Text::new(
    "{number} more were left out, those that stood in the fewest messages: no more than {kept} are kept",
    "上限 {kept} 個を超えるため、出現の少ない {number} 個は取り込みませんでした",
);

/// Lays down what `sa-learn --backup` wrote.
fn import(folder: &Path, file: &Path) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let name = || file.display().to_string();
    if file.as_os_str() == "-" {
        take_over(folder, std::io::stdin().lock(), &mut output)?;
    } else {
        take_over(folder, std::fs::File::open(file).with_context(name)?, &mut output).with_context(name)?;
    }
    output.flush()?;
    Ok(CLEAN)
}

pub fn take_over(folder: &Path, backup: impl std::io::Read, output: &mut Output) -> anyhow::Result<()> {
    let (imported, left_out) = learning::imported::from_backup(backup)?;
    let _acting = Acting::as_owner_of(folder)?;
    let _lock = learning::lock(folder)?;
    learning::imported::write(folder, &imported)?;
    let values = [
        ("read", imported.read.to_string()),
        ("ham", imported.ham.to_string()),
        ("spam", imported.spam.to_string()),
        ("kept", imported.len().to_string()),
        ("number", left_out.to_string()),
    ];
    output.line(&filled(&TAKEN_OVER, &values))?;
    if left_out > 0 {
        output.line(&filled(&LEFT_OUT, &values))?;
    }
    if !Heeded::read(folder).enough_of(&imported) {
        output.line(TOO_LITTLE.text())?;
    }
    Ok(())
}

const DROPPED: Text = Text::new("what was imported is dropped", "取り込んだものを削除しました");
const NOTHING_IMPORTED: Text = Text::new("nothing was imported", "取り込んだものはありません");

fn forget_import(folder: &Path) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let dropped = learning::imported::exists(folder) && {
        let _acting = Acting::as_owner_of(folder)?;
        let _lock = learning::lock(folder)?;
        learning::imported::remove(folder)?
    };
    output.line(if dropped { &DROPPED } else { &NOTHING_IMPORTED }.text())?;
    output.flush()?;
    Ok(if dropped { CLEAN } else { FOUND })
}

/// Once, for machines where no service runs.
fn sync(settings: &Learn) -> anyhow::Result<u8> {
    let Some(mut exchange) = Exchange::open(&settings.folder, &settings.exchange)? else {
        bail!(
            "{}",
            said!(
                "learn.exchange.location is empty: this model is not shared",
                "learn.exchange.location が空なので、このモデルは共有されていません"
            )
        );
    };
    let mut learnt = Learnt::open(&settings.folder)?;
    let round = exchange.round(&mut learnt)?;
    let mut output = Output::new();
    for note in &round.notes {
        output.line(note)?;
    }
    output.line(&format!("{} said, {} heard, by way of {}", round.said, round.heard, exchange.place()))?;
    output.flush()?;
    Ok(CLEAN)
}

/// With whom the model is shared, and how far the others are.
fn shared(settings: &Learn, model: &Model, output: &mut Output) -> anyhow::Result<()> {
    let place = model.place();
    let Some(waiting) = exchange::waiting(&settings.folder, place)? else { return Ok(()) };
    let me = exchange::node(&settings.folder)?.unwrap_or_default();
    if settings.exchange.location.is_empty() {
        output.line(&format!("shared: lesson {} was the last heard, {waiting} wait to be said", place.position))?;
        return Ok(());
    }
    let met = Exchange::meet(&settings.exchange).and_then(|exchange| Ok((exchange.head()?, exchange.peers()?)));
    let (head, peers) = match met {
        Ok(met) => met,
        Err(error) => {
            output.line(&format!(
                "shared: {waiting} lessons wait to be said; lesson {} was the last heard",
                place.position
            ))?;
            output.line(&format!("not to be reached: {error:#}"))?;
            return Ok(());
        }
    };
    let Some(head) = head else {
        output.line(&format!("shared: nothing is there yet, {waiting} lessons wait to be said"))?;
        return Ok(());
    };
    if head.epoch != place.epoch {
        output.line(&format!("shared: not joined yet, {waiting} lessons wait to be said"))?;
    } else {
        output.line(&format!(
            "shared: lesson {} of {} heard, {waiting} wait to be said; {} lessons and the model of lesson {} are kept there",
            place.position,
            head.last,
            (head.last + 1).saturating_sub(head.first),
            head.base
        ))?;
    }
    for peer in peers {
        output.line(&format!(
            "  {}{} heard lesson {} ({} behind), last told {}",
            readable(peer.name.as_bytes(), 100),
            if peer.node == me { " (this machine)" } else { "" },
            peer.position,
            head.last.saturating_sub(peer.position),
            environment::local_time(peer.at.seconds())
        ))?;
    }
    Ok(())
}

fn status(settings: &Learn) -> anyhow::Result<u8> {
    let folder = &settings.folder;
    let learnt = Learnt::open(folder)?;
    let model = &learnt.model;
    let counts = model.counts();
    let mut output = Output::new();
    let values = [
        ("folder", folder.display().to_string()),
        ("ham", counts.ham.to_string()),
        ("spam", counts.spam.to_string()),
        ("words", model.words_known().to_string()),
        ("users", model.users().to_string()),
    ];
    output.line(&filled(&COUNTS, &values))?;
    output.line(&filled(&SIZE, &values))?;
    if let Some((oldest, newest)) = model.times() {
        let time = |at: u32| environment::local_time(i64::from(at));
        output.line(&filled(&TIMES, &[("oldest", time(oldest)), ("newest", time(newest))]))?;
    }
    let heeded = Heeded::read(folder);
    if let Some(imported) = learnt.imported() {
        let share = bayes::say(counts) / bayes::say(learn::Counts::default());
        let values = [
            ("ham", imported.ham.to_string()),
            ("spam", imported.spam.to_string()),
            ("tokens", imported.read.to_string()),
            ("at", environment::local_time(i64::from(imported.at))),
            ("share", format!("{:.0}", 100.0 * share)),
        ];
        output.line(&filled(&IMPORTED, &values))?;
        output.line(&filled(
            match (heeded.enough_of(imported), heeded.enough(counts)) {
                (false, _) => &TOO_LITTLE,
                (true, false) => &STANDS_IN,
                (true, true) => &HAS_A_SAY,
            },
            &values,
        ))?;
    }
    for pattern in heeded.unusable_stopwords() {
        let pattern = readable(pattern.as_bytes(), 100);
        output.line(&filled(&UNUSABLE, &[("pattern", pattern)]))?;
    }
    if !heeded.enough(counts) {
        let values = [("ham", heeded.min_ham.to_string()), ("spam", heeded.min_spam.to_string())];
        output.line(&filled(&NOT_YET, &values))?;
    }
    let days = days(folder, &Which { unasked: true, ..Which::default() })?;
    if let Some((day, number)) = days.last() {
        let unasked = [("day", day.clone()), ("ham", number.ham.to_string()), ("spam", number.spam.to_string())];
        output.line(&filled(&UNASKED, &unasked))?;
    }
    if let Ok(alarm) = std::fs::read_to_string(folder.join(crate::serve::ALARM)) {
        let mut numbers = alarm.split_whitespace();
        let at = numbers.next().and_then(|at| at.parse().ok()).map(environment::local_time).unwrap_or_default();
        let mut number = || numbers.next().unwrap_or("?").to_owned();
        let values = [("at", at), ("wrong", number()), ("of", number())];
        output.line(&filled(&ALARM, &values))?;
    }
    shared(settings, model, &mut output)?;
    output.flush()?;
    Ok(CLEAN)
}

const COUNTS: Text = Text::new(
    "{folder}: {ham} ham, {spam} spam learnt",
    "{folder}: 学習済み 通常メール {ham} 通、迷惑メール {spam} 通",
);
const SIZE: Text =
    Text::new("{words} words, {users} users with lessons of their own", "語 {words}、個別に学習した利用者 {users} 人");
const TIMES: Text = Text::new("oldest lesson {oldest}, newest {newest}", "最も古い学習 {oldest}、最新 {newest}");
const IMPORTED: Text = Text::new(
    "imported from SpamAssassin on {at}: {ham} ham, {spam} spam, {tokens} tokens",
    "SpamAssassin から取り込み ({at}): 通常メール {ham} 通、迷惑メール {spam} 通、トークン {tokens}",
);
const STANDS_IN: Text = Text::new(
    "it decides alone until enough is learnt here",
    "ここでの学習が十分になるまで、取り込んだものだけで判定します",
);
const HAS_A_SAY: Text = Text::new(
    "it has {share} % of the say that it had at first, less with every lesson",
    "取り込んだものの重みは当初の {share} % で、学習のたびに減ります",
);
const TOO_LITTLE: Text = Text::new(
    "that is too little for the rules (bayes_min_ham_num, bayes_min_spam_num): it is not used",
    "ルールの求める数 (bayes_min_ham_num, bayes_min_spam_num) に足りないため使われません",
);
const UNUSABLE: Text = Text::new(
    "these stop words are not understood, and such words of what was imported count: {pattern}",
    "次のストップワードは解釈できず、取り込んだものではその語も数えられます: {pattern}",
);
const NOT_YET: Text = Text::new(
    "not yet in use: the rules want {ham} ham and {spam} spam (bayes_min_ham_num, bayes_min_spam_num)",
    "まだ使われません: ルールは通常メール {ham} 通と迷惑メール {spam} 通を求めています (bayes_min_ham_num, bayes_min_spam_num)",
);
const UNASKED: Text = Text::new(
    "learnt unasked, last on {day}: {ham} ham, {spam} spam (sekisho learn journal)",
    "自動学習 (最新 {day}): 通常メール {ham} 通、迷惑メール {spam} 通 (sekisho learn journal)",
);
const ALARM: Text = Text::new(
    "alarm since {at}: {wrong} of {of} messages that people taught are judged wrongly; nothing is learnt unasked \
     (sekisho learn journal, sekisho learn undo)",
    "警報 ({at} から): 利用者が教えた {of} 通のうち {wrong} 通が教えたとおりに判定されません。自動学習は停止中です \
     (sekisho learn journal、sekisho learn undo)",
);

/// Lessons of a day.
#[derive(Debug, Default, Clone)]
struct Number {
    ham: usize,
    spam: usize,
    taken_back: usize,
    by: std::collections::BTreeMap<&'static str, usize>,
}

impl Number {
    fn add(&mut self, about: &About, lesson: &Lesson) {
        match (lesson.forget, lesson.seen.class) {
            (true, _) => self.taken_back += 1,
            (false, Class::Ham) => self.ham += 1,
            (false, Class::Spam) => self.spam += 1,
        }
        *self.by.entry(about.by.name()).or_default() += 1;
    }
}

/// Days of which something is recorded, the oldest first.
fn days(folder: &Path, which: &Which) -> anyhow::Result<Vec<(String, Number)>> {
    let mut days: Vec<(String, Number)> = Vec::new();
    for segment in lessons::segments(folder) {
        for (about, lesson) in lessons::read(&segment.path, 0)?.0.iter().filter(|(about, _)| which.has(about)) {
            if days.last().is_none_or(|(day, _)| *day != segment.day) {
                days.push((segment.day.clone(), Number::default()));
            }
            if let Some((_, number)) = days.last_mut() {
                number.add(about, lesson);
            }
        }
    }
    Ok(days)
}

const DAY: Text = Text::new(
    "{day}  {ham} ham, {spam} spam learnt, {back} taken back  ({by})",
    "{day}  学習 通常 {ham} 通・迷惑 {spam} 通、取り消し {back} 通  ({by})",
);

/// As journals are named.
fn a_day(text: &str) -> Result<String, String> {
    match crate::dmarc::send::day_named(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(said!("no day; write 2026-11-20", "日付ではありません（例: 2026-11-20）")),
    }
}

fn journal(folder: &Path, day: Option<&str>, which: &Which) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let mut any = false;
    match day {
        None => {
            for (day, number) in days(folder, which)? {
                let by: Vec<String> = number.by.iter().map(|(name, count)| format!("{name} {count}")).collect();
                let values = [
                    ("day", day),
                    ("ham", number.ham.to_string()),
                    ("spam", number.spam.to_string()),
                    ("back", number.taken_back.to_string()),
                    ("by", by.join(", ")),
                ];
                output.line(&filled(&DAY, &values))?;
                any = true;
            }
        }
        Some(day) => {
            for segment in lessons::segments(folder).iter().filter(|segment| segment.day == day) {
                for (about, lesson) in lessons::read(&segment.path, 0)?.0.iter().filter(|(about, _)| which.has(about)) {
                    output.line(&line(about, lesson))?;
                    any = true;
                }
            }
        }
    }
    output.flush()?;
    if !any {
        language::tell_nothing();
    }
    Ok(if any { CLEAN } else { FOUND })
}

fn line(about: &About, lesson: &Lesson) -> String {
    let class = if lesson.seen.class == Class::Spam { "spam" } else { "ham" };
    let deed = if lesson.forget { format!("-{class}") } else { format!("+{class}") };
    format!(
        "{}  {deed:<5}  {:<7}  {:<15}  {}  {}",
        environment::local_time(about.at),
        about.by.name(),
        about.from,
        readable(about.user.as_bytes(), 60),
        readable(about.subject.as_bytes(), 80)
    )
    .trim_end()
    .to_owned()
}

const UNDONE: Text = Text::new(
    "{undone} lessons taken back, {other} no longer stand (something else was said since, or they are not remembered)",
    "{undone} 件の学習を取り消しました。{other} 件はすでに有効ではありません (その後の学習で変わったか、記録が残っていません)",
);
const WOULD: Text = Text::new("{undone} lessons would be looked at", "対象となる学習は {undone} 件です");

/// From the last lesson to the first, each one's opposite.
fn undo(folder: &Path, days: impl Fn(&str) -> bool, which: &Which, dry_run: bool) -> anyhow::Result<u8> {
    let segments: Vec<_> = lessons::segments(folder).into_iter().filter(|segment| days(&segment.day)).collect();
    let (mut undone, mut other) = (0, 0);
    let mut learnt = Learnt::default();
    let _acting = Acting::as_owner_of(folder)?;
    let mut teacher = if dry_run || segments.is_empty() { None } else { Some(learnt.teach(folder)?) };
    for segment in segments.iter().rev() {
        let (found, _) = lessons::read(&segment.path, 0)?;
        // What was itself a taking back is no lesson, unless it is asked for.
        let meant = |about: &About| which.has(about) && (about.by != By::Undo || which.by.contains(&By::Undo));
        for (about, lesson) in found.iter().rev().filter(|(about, _)| meant(about)) {
            let Some(teacher) = &mut teacher else {
                undone += 1;
                continue;
            };
            teacher.about = About::new(By::Undo, &about.from, &about.user, &about.subject);
            match teacher.undo(lesson)? {
                true => undone += 1,
                false => other += 1,
            }
        }
    }
    if let Some(teacher) = &mut teacher {
        teacher.sync()?;
    }
    let text = if dry_run { &WOULD } else { &UNDONE };
    let mut output = Output::new();
    output.line(&filled(text, &[("undone", undone.to_string()), ("other", other.to_string())]))?;
    output.flush()?;
    Ok(if undone + other == 0 { FOUND } else { CLEAN })
}

/// A fragment as a person can read it; a character of which it holds a part is left out.
fn shown(bytes: &[u8]) -> String {
    let first = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let mut bytes = &bytes[first..];
    if let Err(error) = std::str::from_utf8(bytes)
        && error.error_len().is_none()
    {
        bytes = &bytes[..error.valid_up_to()];
    }
    readable(bytes, 60).replace("\\n", "⏎")
}

const PROBABILITY: Text = Text::new(
    "probability of spam {probability} (fragments {fragments}, words {words})",
    "迷惑メールの確率 {probability} (断片 {fragments}、語 {words})",
);
const OF_IMPORTED: Text = Text::new(
    "by what was imported {probability} ({known} tokens that say something), by what was learnt here {own}",
    "取り込んだものによる確率 {probability} (役立つトークン {known} 個)、ここでの学習による確率 {own}",
);
const WAS_LEARNT: Text =
    Text::new("this message was learnt as {class} on {at}", "このメールは {at} に{class}として学習済みです");
const SPAM: Text = Text::new("spam", "迷惑メール");
const HAM: Text = Text::new("ham", "通常メール");
const WORDS_TO_SPAM: Text = Text::new("words that pull towards spam", "迷惑メールらしい語");
const WORDS_TO_HAM: Text = Text::new("words that pull towards ham", "通常メールらしい語");
const FRAGMENTS_TO_SPAM: Text = Text::new("fragments that pull towards spam", "迷惑メールらしい断片");
const FRAGMENTS_TO_HAM: Text = Text::new("fragments that pull towards ham", "通常メールらしい断片");

const TOKENS_TO_SPAM: Text = Text::new("imported tokens that pull towards spam", "迷惑メールらしいトークン (取り込み)");
const TOKENS_TO_HAM: Text = Text::new("imported tokens that pull towards ham", "通常メールらしいトークン (取り込み)");

/// Log odds of the tokens that say something.
fn pulls_of_imported(learnt: &Learnt, reader: &Reader, views: &Views<'_>) -> Vec<(String, f32)> {
    let mut found = HashMap::new();
    reader.tokenizer().walk(views, &mut |token| {
        if let Some(probability) = learnt.imported().and_then(|imported| imported.pull(token.number, true)) {
            let pull = (probability / (1.0 - probability)).ln() as f32;
            found.insert(readable(token.text, 100), pull);
        }
    });
    found.into_iter().collect()
}

fn explain(folder: &Path, file: &Path, user: Option<&str>) -> anyhow::Result<u8> {
    let learnt = Learnt::open(folder)?;
    let model = &learnt.model;
    let raw = match input::find(&[file.to_owned()], input::Format::SpamAssassin).first() {
        Some(place) => place.read().with_context(|| file.display().to_string())?,
        None => bail!("{}: {}", file.display(), language::NO_MESSAGES),
    };
    let message = Message::parse(&raw, &Limits::default());
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    let reader = Reader::new(Heeded::read(folder));
    let mut extractor = Extractor::new(reader.options().clone());
    let features = extractor.extract(&views);
    let user = learning::user(user.unwrap_or_default());
    let score = model.score(&features, user);
    let imported = reader.of_imported(&learnt, &views);
    // What little was learnt is shown where nothing better is there.
    let probability = reader.probability(&learnt, &features, &views, user).unwrap_or_else(|| score.probability());
    let mut output = Output::new();
    let values = [
        ("probability", format!("{probability:.4}")),
        ("fragments", format!("{:+.2}", score.grams)),
        ("words", format!("{:+.2}", score.words)),
    ];
    output.line(&filled(&PROBABILITY, &values))?;
    if let Some(opinion) = imported {
        let values = [
            ("probability", format!("{:.4}", opinion.probability)),
            ("own", format!("{:.4}", score.probability())),
            ("known", opinion.known.to_string()),
        ];
        output.line(&filled(&OF_IMPORTED, &values))?;
    }
    if let Some(seen) = model.seen(learn::digest(&message)) {
        let class = if seen.class == Class::Spam { &SPAM } else { &HAM };
        let values = [("class", class.to_string()), ("at", environment::local_time(i64::from(seen.at)))];
        output.line(&filled(&WAS_LEARNT, &values))?;
    }
    let mut words = HashMap::new();
    let mut fragments = Vec::new();
    extractor.walk(&views, &mut |piece| match piece {
        Piece::Word(word, place, index) => {
            if let Some(pull) = model.pull_of_word(index) {
                words.insert(readable(format!("{place} {word}").trim_start().as_bytes(), 100), pull);
            }
        }
        Piece::Gram(bytes, index) => fragments.push((bytes.to_vec(), model.pull_of_gram(index))),
    });
    let words: Vec<(String, f32)> = words.into_iter().collect();
    let fragments = stretches(&fragments);
    let tokens = imported.map(|_| pulls_of_imported(&learnt, &reader, &views)).unwrap_or_default();
    let tables = [
        (&WORDS_TO_SPAM, &words, 1.0),
        (&WORDS_TO_HAM, &words, -1.0),
        (&FRAGMENTS_TO_SPAM, &fragments, 1.0),
        (&FRAGMENTS_TO_HAM, &fragments, -1.0),
        (&TOKENS_TO_SPAM, &tokens, 1.0),
        (&TOKENS_TO_HAM, &tokens, -1.0),
    ];
    for (title, list, sign) in tables {
        if imported.is_none() && std::ptr::eq(list, &tokens) {
            continue;
        }
        output.line(&format!("\n{title}:"))?;
        for (text, pull) in strongest(list, sign, 15) {
            output.line(&format!("  {pull:+8.3}  {text}"))?;
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
    let mut extractor = Extractor::new(Heeded::read(folder).options());
    let mut words: HashMap<String, f32> = HashMap::new();
    let mut code = CLEAN;
    for place in input::find(paths, input::Format::Detect) {
        let Ok(raw) = place.read() else {
            eprintln!("sekisho: {}", said!("{}: cannot be read", "{}: 読めません", place.name()));
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
    for (title, sign) in [(&SPAM, 1.0), (&HAM, -1.0)] {
        output.line(&format!("{title}:"))?;
        for (text, pull) in strongest(&list, sign, count) {
            output.line(&format!("  {pull:+8.3}  {}", readable(text.as_bytes(), 60)))?;
        }
    }
    output.flush()?;
    Ok(code)
}
