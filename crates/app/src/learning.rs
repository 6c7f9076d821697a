//! The model's home: a folder with the model, a journal of the lessons since, and a lock.
//!
//! Who reads needs no lock: [`Learnt::refresh`] reads what the journal has got since. Who teaches holds the lock for as
//! long as it takes, writes lessons to the journal and brings them to the disk within a second. A journal that has grown
//! becomes part of the model: the new model is written beside the old one and put in its place, then an empty journal of
//! the next generation. A crash at any point leaves a model and a journal that fit or a journal that is older than the
//! model, whose lessons are all in it. What a crash cut short at the end of the journal is cut off; what could not be
//! written, on a full disk, was not learnt.
//!
//! The lock is had before the model is changed, never the other way round, so that judging does not wait for whoever
//! teaches elsewhere. Where several machines share a model ([`exchange`]), each lesson is in the queue before it is in
//! the journal.

pub mod exchange;
pub mod imported;
mod queue;
pub mod rehearsal;

use crate::lessons::{About, By, Lessons};
use crate::records::Keep;
use anyhow::Context;
use learn::bayes::{self, Imported, Stopwords, Tokenizer};
use learn::{Class, Damaged, Extractor, Features, Lesson, Mark, Model, Options, Outcome, Pending, Place, Record, User};
use mail::Views;
use queue::Queue;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const JOURNAL: &[u8; 16] = b"sekisho lessons\n";
/// Its first bytes and the generation.
const HEAD: u64 = 24;
/// A journal longer than this becomes part of the model.
const LONG: u64 = 32 << 20;
/// Lessons wait no longer than this for the disk.
const SYNC: Duration = Duration::from_millis(900);

/// The model as this process knows it.
#[derive(Debug)]
pub struct Learnt {
    pub model: Model,
    generation: u64,
    /// Of the journal, what is in `model`.
    read: u64,
    /// By day, for taking back.
    lessons: Option<Lessons>,
    pub keep: Keep,
    /// What SpamAssassin had learnt, if it was taken over.
    imported: imported::Kept,
}

impl Default for Learnt {
    fn default() -> Self {
        let keep = crate::config::Learn::default().keep();
        Learnt { model: Model::default(), generation: 0, read: 0, lessons: None, keep, imported: Default::default() }
    }
}

/// Nobody else teaches as long as it is there.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

/// Makes the folder if need be, and waits for the lock. Never while others wait for what one holds: see [`Learnt::teach`].
pub fn lock(folder: &Path) -> anyhow::Result<Lock> {
    let (file, path) = lock_file(folder)?;
    file.lock().with_context(|| format!("{}: cannot be locked", path.display()))?;
    Ok(Lock { _held: file })
}

/// As [`lock`], for whoever may not wait. `None`: somebody teaches just now.
pub fn try_lock(folder: &Path) -> anyhow::Result<Option<Lock>> {
    let (file, path) = lock_file(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _held: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{}: cannot be locked", path.display())),
    }
}

fn lock_file(folder: &Path) -> anyhow::Result<(File, PathBuf)> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok((file.with_context(|| path.display().to_string())?, path))
}

/// Writes the journal; holds the lock.
#[derive(Debug)]
struct Pen {
    folder: PathBuf,
    journal: File,
    queue: Option<Queue>,
    _lock: Lock,
    unsynced: bool,
    synced: Instant,
    /// A journal longer than this becomes part of the model.
    long: u64,
    /// The journal is of an older generation than the model: nothing more may be written to it.
    stale: bool,
}

/// Teaches; holds the lock.
#[derive(Debug)]
pub struct Teacher<'a> {
    learnt: &'a mut Learnt,
    /// What is recorded of the lessons that come.
    pub about: About,
    pen: Pen,
}

/// Teaches much, and gives way to others once a second.
#[derive(Debug)]
pub struct Turns<'a> {
    folder: &'a Path,
    learnt: Learnt,
    pen: Option<Pen>,
    since: Instant,
}

const TURN: Duration = Duration::from_secs(1);

impl<'a> Turns<'a> {
    pub fn new(folder: &'a Path) -> Self {
        Turns { folder, learnt: Learnt::default(), pen: None, since: Instant::now() }
    }

    pub fn teach<R>(&mut self, work: impl FnOnce(&mut Teacher<'_>) -> anyhow::Result<R>) -> anyhow::Result<R> {
        if self.pen.is_some() && self.since.elapsed() > TURN {
            self.sync()?;
            self.pen = None;
            // Who waits for the lock has to wake up before we want it again.
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut teacher = match self.pen.take() {
            Some(pen) => Teacher::with(&mut self.learnt, pen),
            None => {
                self.since = Instant::now();
                self.learnt.teach(self.folder)?
            }
        };
        let done = work(&mut teacher);
        self.pen = Some(teacher.pen);
        done
    }

    pub fn sync(&mut self) -> anyhow::Result<()> {
        let Some(pen) = self.pen.take() else { return Ok(()) };
        let mut teacher = Teacher::with(&mut self.learnt, pen);
        let done = teacher.sync();
        self.pen = Some(teacher.pen);
        done
    }
}

impl Learnt {
    /// What a folder holds; an empty model where there is none yet.
    pub fn open(folder: &Path) -> anyhow::Result<Learnt> {
        let mut learnt = Learnt::default();
        learnt.reread(folder)?;
        learnt.refresh(folder)?;
        Ok(learnt)
    }

    /// Is there anything?
    pub fn exists(folder: &Path) -> bool {
        !folder.as_os_str().is_empty()
            && (folder.join("model").exists() || folder.join("journal").exists() || imported::exists(folder))
    }

    fn reread(&mut self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join("model");
        let (model, generation) = match fs::read(&path) {
            Ok(bytes) => Model::from_bytes(&bytes).with_context(|| {
                format!(
                    "{}: not readable as a model; move it away to begin anew, the journal beside is kept",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Default::default(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        (self.model, self.generation, self.read) = (model, generation, HEAD);
        Ok(())
    }

    /// Learns what others have taught or imported since. Says whether there was anything.
    pub fn refresh(&mut self, folder: &Path) -> anyhow::Result<bool> {
        let taught = self.refresh_model(folder)?;
        Ok(self.imported.refresh(folder) || taught)
    }

    pub fn imported(&self) -> Option<&Arc<Imported>> {
        self.imported.get()
    }

    fn refresh_model(&mut self, folder: &Path) -> anyhow::Result<bool> {
        let path = folder.join("journal");
        let mut changed = false;
        // A model may be put in its place between our two looks; twice in a row it will not.
        for _ in 0..3 {
            let Some((generation, length)) = about_journal(&path)? else { return Ok(changed) };
            if generation > self.generation {
                self.reread(folder)?;
                changed = true;
                if self.generation < generation {
                    continue;
                }
            }
            // An older journal's lessons are in the model already.
            if generation == self.generation && length > self.read {
                changed |= self.replay(&path)?;
            }
            return Ok(changed);
        }
        anyhow::bail!("{}: newer than the model beside it", path.display())
    }

    fn replay(&mut self, path: &Path) -> anyhow::Result<bool> {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut at = 0;
        while at < bytes.len() {
            match Record::from_bytes(&bytes[at..]) {
                Ok((record, length)) => {
                    match record {
                        Record::Lesson(lesson) => drop(self.model.apply(&lesson)),
                        Record::Mark(mark) => self.model.mark(mark),
                    }
                    at += length;
                }
                // Being written just now, or cut short by a crash: whoever teaches next cuts it off.
                Err(Damaged::Short | Damaged::Sum | Damaged::Content | Damaged::Foreign) => break,
            }
        }
        self.read += at as u64;
        Ok(at > 0)
    }

    /// Waits for the lock: not for whoever holds this value locked while others wait for it.
    pub fn teach(&mut self, folder: &Path) -> anyhow::Result<Teacher<'_>> {
        let lock = lock(folder)?;
        self.teach_with(folder, lock)
    }

    /// Reads what others taught, and is ready.
    pub fn teach_with(&mut self, folder: &Path, lock: Lock) -> anyhow::Result<Teacher<'_>> {
        if self.read == 0 {
            self.reread(folder)?;
        }
        self.refresh_model(folder)?;
        let path = folder.join("journal");
        let journal = match about_journal(&path)? {
            Some((generation, length)) if generation == self.generation => {
                let journal = OpenOptions::new().append(true).open(&path)?;
                if length > self.read {
                    if self.is_cut_short(&path)? {
                        journal.set_len(self.read)?;
                    } else {
                        return self.teach_without(folder, lock);
                    }
                }
                journal
            }
            _ => new_journal(folder, self.generation)?,
        };
        self.read = self.read.max(HEAD);
        let queue = Queue::open(folder)?;
        let folder = folder.to_owned();
        let pen = Pen {
            folder,
            journal,
            queue,
            _lock: lock,
            unsynced: false,
            synced: Instant::now(),
            long: LONG,
            stale: false,
        };
        Ok(Teacher::with(self, pen))
    }
}

impl Learnt {
    /// What is left of the journal is the beginning of a lesson, as a crash leaves it; else it is damaged.
    fn is_cut_short(&self, path: &Path) -> anyhow::Result<bool> {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // What was written without its content, as file systems do at a power cut, is nothing but zeros.
        Ok(matches!(Record::from_bytes(&bytes), Err(Damaged::Short)) || bytes.iter().all(|byte| *byte == 0))
    }

    /// The journal is damaged in its midst: it is set aside whole, and what was read of it becomes part of the model.
    fn teach_without(&mut self, folder: &Path, lock: Lock) -> anyhow::Result<Teacher<'_>> {
        let path = folder.join("journal");
        let aside = folder.join(format!("journal.damaged-{}", crate::environment::unix_time()));
        fs::copy(&path, &aside)
            .and_then(|_| File::open(&aside)?.sync_all())
            .with_context(|| aside.display().to_string())?;
        eprintln!(
            "sekisho: {}: damaged at byte {}; lessons behind it are lost, the file is kept as {}",
            path.display(),
            self.read,
            aside.display()
        );
        let generation = self.generation + 1;
        replace(folder, "model", &self.model.to_bytes(generation))?;
        new_journal(folder, generation)?;
        (self.generation, self.read) = (generation, HEAD);
        self.teach_with(folder, lock)
    }
}

/// Generation and length; `None` where there is no journal, or one whose first bytes never came to the disk.
fn about_journal(path: &Path) -> anyhow::Result<Option<(u64, u64)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let length = file.metadata()?.len();
    let mut head = [0; HEAD as usize];
    if length < HEAD || file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    if !head.starts_with(JOURNAL) {
        anyhow::bail!("{}: no journal of lessons; move it away", path.display());
    }
    let generation = head[16..].try_into().map(u64::from_le_bytes).unwrap_or_default();
    Ok(Some((generation, length)))
}

fn new_journal(folder: &Path, generation: u64) -> anyhow::Result<File> {
    let mut head = JOURNAL.to_vec();
    head.extend(generation.to_le_bytes());
    replace(folder, "journal", &head)?;
    Ok(OpenOptions::new().append(true).open(folder.join("journal"))?)
}

/// Writes a file beside, brings it to the disk, and puts it in its place.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let (beside, place) = (folder.join(format!("{name}.new")), folder.join(name));
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &place)?;
        File::open(folder)?.sync_all()
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside))).with_context(|| place.display().to_string())
}

impl<'a> Teacher<'a> {
    fn with(learnt: &'a mut Learnt, pen: Pen) -> Self {
        Teacher { learnt, about: About::new(By::Hand, "", "", ""), pen }
    }

    /// False: the same was said of this message before.
    pub fn learn(
        &mut self,
        digest: u128,
        features: &Features,
        class: Class,
        user: User,
        at: u32,
    ) -> anyhow::Result<bool> {
        let known = self.learnt.model.seen(digest);
        if known.is_some_and(|seen| (seen.class, seen.user) != (class, user)) {
            self.undo_recorded(digest)?;
        }
        let features = self.in_order(features);
        match self.learnt.model.learn(digest, &features, class, user, at) {
            Outcome::Known => Ok(false),
            Outcome::Learnt(lessons) => {
                self.write(&lessons)?;
                Ok(true)
            }
        }
    }

    pub fn model(&self) -> &Model {
        &self.learnt.model
    }

    /// Takes a lesson back and learns it anew, by as much as it needs now. False: nothing was said of this message.
    pub fn learn_again(&mut self, digest: u128, features: &Features) -> anyhow::Result<bool> {
        let Some(seen) = self.learnt.model.seen(digest).copied() else { return Ok(false) };
        let features = self.in_order(features);
        let Some(lesson) = self.learnt.model.forget(digest, &features) else { return Ok(false) };
        // Two statements: other machines work both out.
        self.write(&[lesson])?;
        self.learn(digest, &features, seen.class, seen.user, seen.at)
    }

    /// False: nothing was said of this message.
    pub fn forget(&mut self, digest: u128, features: &Features) -> anyhow::Result<bool> {
        if self.undo_recorded(digest)? {
            return Ok(true);
        }
        match self.learnt.model.forget(digest, features) {
            None => Ok(false),
            Some(lesson) => {
                self.write(&[lesson])?;
                Ok(true)
            }
        }
    }

    /// Takes back what was last taught of a message, with the features that it had then: exactly, whatever relays and
    /// mailboxes have done to it since.
    fn undo_recorded(&mut self, digest: u128) -> anyhow::Result<bool> {
        if self.learnt.model.seen(digest).is_none() {
            return Ok(false);
        }
        match self.lessons().of(digest) {
            Some(lesson) => self.undo(&lesson),
            None => Ok(false),
        }
    }

    /// Does the opposite of a recorded lesson. False: it does not stand, since something else was said of the message
    /// after it, or it is no longer remembered.
    pub fn undo(&mut self, lesson: &Lesson) -> anyhow::Result<bool> {
        let known = self.learnt.model.seen(lesson.digest).copied();
        let stands = match known {
            // By how much it changed sums is worked out anew where a model is shared.
            Some(known) => !lesson.forget && known.said() == lesson.seen.said(),
            None => lesson.forget,
        };
        if !stands {
            return Ok(false);
        }
        let seen = known.unwrap_or(lesson.seen);
        let inverse = Lesson { forget: !lesson.forget, seen, ..lesson.clone() };
        self.learnt.model.apply(&inverse);
        self.write(&[inverse])?;
        Ok(true)
    }

    fn lessons(&mut self) -> &mut Lessons {
        let keep = self.learnt.keep;
        self.learnt.lessons.get_or_insert_with(|| Lessons::new(&self.pen.folder, keep))
    }

    /// Where others work it out too, sums must come out alike.
    fn in_order<'f>(&self, features: &'f Features) -> Cow<'f, Features> {
        match self.pen.queue {
            Some(_) => Cow::Owned(features.clone().sorted()),
            None => Cow::Borrowed(features),
        }
    }

    /// Lessons of one message, which the model has already: into the queue and the journal, or out of the model again.
    fn write(&mut self, lessons: &[Lesson]) -> anyhow::Result<()> {
        if let Err(error) = self.try_write(lessons) {
            for lesson in lessons.iter().rev() {
                self.learnt.model.apply(&lesson.inverse());
            }
            return Err(error);
        }
        self.sync_in_time()
    }

    fn try_write(&mut self, lessons: &[Lesson]) -> anyhow::Result<()> {
        anyhow::ensure!(!self.pen.stale, "the journal of lessons could not be begun; it was not learnt");
        let (Some(first), Some(last)) = (lessons.first(), lessons.last()) else { return Ok(()) };
        let about = self.about.clone();
        self.lessons().add(&about, lessons).context("the record of lessons; it was not learnt")?;
        let mut bytes = Vec::new();
        if let Some(queue) = &mut self.pen.queue {
            let number = next_number(self.learnt.model.place(), queue);
            let pending = Pending {
                number,
                digest: last.digest,
                before: first.forget.then_some(first.seen),
                after: (!last.forget).then_some(last.seen),
                features: last.features.clone(),
            };
            queue.append(&pending)?;
            bytes = Mark::Said(number).to_bytes();
        }
        lessons.iter().for_each(|lesson| bytes.extend(lesson.to_bytes()));
        if let Err(error) = self.pen.journal.write_all(&bytes) {
            // What is left of it is cut off now, or by whoever teaches next.
            let _ = self.pen.journal.set_len(self.learnt.read);
            if let Some(queue) = &mut self.pen.queue {
                queue.drop_last();
            }
            return Err(error).context("the journal of lessons; it was not learnt");
        }
        self.learnt.read += bytes.len() as u64;
        self.pen.unsynced = true;
        if let Some(queue) = &self.pen.queue {
            self.learnt.model.mark(Mark::Said(queue.last()));
        }
        Ok(())
    }

    fn sync_in_time(&mut self) -> anyhow::Result<()> {
        if self.pen.synced.elapsed() > SYNC {
            self.sync()?;
        }
        if self.learnt.read > self.pen.long && self.compact().is_err() {
            // The journal is as good; it is tried again, and a full disk is told when the journal cannot be written.
            self.pen.long = self.learnt.read + LONG;
        }
        Ok(())
    }

    /// Lessons are on the disk.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        if self.pen.unsynced {
            self.lessons().sync().context("the record of lessons")?;
        }
        self.pen.sync()
    }

    /// The journal becomes part of the model.
    pub fn compact(&mut self) -> anyhow::Result<()> {
        self.sync()?;
        self.put(self.learnt.generation + 1)
    }

    /// Another model in place of what there is; where machines share a model, all take it over.
    pub fn replace(&mut self, mut model: Model) -> anyhow::Result<()> {
        let mut place = Place::default();
        if let Some(queue) = &self.pen.queue {
            // What waits was said of the old one.
            let old = self.learnt.model.place();
            place = Place { anew: true, said: old.said, out: old.said, heard: old.heard.clone(), ..place };
            place.heard.insert(queue.node(), next_number(old, queue) - 1);
        }
        model.set_place(place);
        let old = std::mem::replace(&mut self.learnt.model, model);
        if let Err(error) = self.put(self.learnt.generation + 1) {
            self.learnt.model = old;
            return Err(error);
        }
        match &mut self.pen.queue {
            Some(queue) => queue.rewrite(std::iter::empty()),
            None => Ok(()),
        }
    }

    fn put(&mut self, generation: u64) -> anyhow::Result<()> {
        replace(&self.pen.folder, "model", &self.learnt.model.to_bytes(generation))?;
        self.learnt.generation = generation;
        self.learnt.read = HEAD;
        self.pen.unsynced = false;
        self.pen.stale = true;
        self.pen.journal = new_journal(&self.pen.folder, generation)?;
        self.pen.stale = false;
        Ok(())
    }
}

/// Statements of this machine are counted on and on.
fn next_number(place: &Place, queue: &Queue) -> u64 {
    let heard = place.heard.get(&queue.node()).copied().unwrap_or_default();
    queue.last().max(place.said).max(heard) + 1
}

impl Pen {
    fn sync(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            // What is in the journal must not be missing in the queue.
            if let Some(queue) = &mut self.queue {
                queue.sync()?;
            }
            self.journal.sync_data().context("the journal of lessons")?;
        }
        self.synced = Instant::now();
        Ok(())
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        // What cannot be written now is told by whoever called `sync`.
        let _ = self.sync();
    }
}

/// A user's name as the model knows it.
pub fn user(name: &str) -> User {
    if name.is_empty() {
        return User::default();
    }
    let number = name
        .to_lowercase()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    User(number.max(1))
}

/// Enough was learnt, or imported, for the rules that use it.
pub fn is_ready(learnt: &Learnt, settings: &rules::Settings) -> bool {
    let heeded = Heeded::of(settings);
    settings.use_learner
        && settings.use_bayes
        && settings.use_bayes_rules
        && (heeded.enough(learnt.model.counts())
            || learnt.imported().is_some_and(|imported| heeded.enough_of(imported)))
}

thread_local! {
    static EXTRACTOR: RefCell<(Arc<Options>, Extractor)> = RefCell::default();
}

/// How messages are looked at: made of [`Heeded`] once, used for each message.
#[derive(Debug, Default)]
pub struct Reader {
    options: Arc<Options>,
    tokenizer: Tokenizer,
    heeded: Heeded,
}

impl Reader {
    pub fn new(heeded: Heeded) -> Reader {
        Reader { options: Arc::new(heeded.options()), tokenizer: Tokenizer::new(heeded.bayes_options()), heeded }
    }

    pub fn heeded(&self) -> &Heeded {
        &self.heeded
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// A message that is being judged, as the model sees it.
    pub fn features(&self, views: &Views<'_>) -> Features {
        EXTRACTOR.with_borrow_mut(|(of, extractor)| {
            if !Arc::ptr_eq(of, &self.options) {
                *of = self.options.clone();
                *extractor = Extractor::new(Options::clone(&self.options));
            }
            extractor.extract(views)
        })
    }

    /// What SpamAssassin would have said with what was imported; `None` where nothing was, too little, or it knows no word
    /// of the message.
    pub fn of_imported(&self, learnt: &Learnt, views: &Views<'_>) -> Option<bayes::Opinion> {
        let imported = learnt.imported().filter(|imported| self.heeded.enough_of(imported))?;
        imported.opinion(&self.tokenizer.tokens(views), self.heeded.hapaxes)
    }

    /// How likely it is spam by what was learnt and what was imported. `None`: neither has a say.
    pub fn probability(&self, learnt: &Learnt, features: &Features, views: &Views<'_>, user: User) -> Option<f64> {
        let counts = learnt.model.counts();
        let score = learnt.model.score(features, user);
        let imported = self.of_imported(learnt, views).map(|opinion| opinion.probability);
        bayes::opinion(score, counts, self.heeded.enough(counts), imported)
    }
}

/// What commands that load no rules must know of them. The service keeps it beside the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heeded {
    pub min_ham: f64,
    pub min_spam: f64,
    ignore_headers: BTreeSet<String>,
    /// `header`, `visible`, `invisible`, `uri`.
    without: BTreeSet<String>,
    /// What follows concerns what was imported from SpamAssassin alone.
    mimepart: bool,
    longest: f64,
    hapaxes: bool,
    stopword_languages: Vec<String>,
    stopwords: BTreeMap<String, String>,
}

impl Default for Heeded {
    fn default() -> Self {
        Heeded::of(&rules::Settings::default())
    }
}

const HEEDED: &str = "settings";

impl Heeded {
    pub fn of(settings: &rules::Settings) -> Heeded {
        let sources = ["header", "visible", "invisible", "uri"];
        let without = sources.into_iter().filter(|name| settings.bayes_token_sources.get(*name) != Some(&true));
        Heeded {
            min_ham: settings.bayes_min_ham_num,
            min_spam: settings.bayes_min_spam_num,
            ignore_headers: settings.bayes_ignore_headers.clone(),
            without: without.map(str::to_owned).collect(),
            mimepart: settings.bayes_token_sources.get("mimepart") == Some(&true),
            longest: settings.bayes_max_token_length,
            hapaxes: settings.bayes_use_hapaxes,
            stopword_languages: settings.bayes_stopword_languages.clone(),
            // Those of other languages are many, and nobody asks for them.
            stopwords: (settings.bayes_stopword_languages.iter())
                .filter_map(|language| Some((language.clone(), settings.bayes_stopwords.get(language)?.clone())))
                .collect(),
        }
    }

    pub fn enough(&self, counts: learn::Counts) -> bool {
        f64::from(counts.ham) >= self.min_ham && f64::from(counts.spam) >= self.min_spam
    }

    pub fn enough_of(&self, imported: &Imported) -> bool {
        self.enough(learn::Counts { ham: imported.ham, spam: imported.spam })
    }

    /// Patterns of `bayes_stopword_XX` that are beyond us.
    pub fn unusable_stopwords(&self) -> Vec<&str> {
        Stopwords::of(&self.stopword_languages, &self.stopwords).1
    }

    fn bayes_options(&self) -> bayes::Options {
        let on = |name| !self.without.contains(name);
        bayes::Options {
            ignore_headers: self.ignore_headers.clone(),
            header: on("header"),
            visible: on("visible"),
            invisible: on("invisible"),
            uri: on("uri"),
            mimepart: self.mimepart,
            longest: self.longest.max(0.0) as usize,
            stopwords: Stopwords::of(&self.stopword_languages, &self.stopwords).0.into(),
        }
    }

    /// As kept in the model's folder; the defaults where nothing readable is.
    pub fn read(folder: &Path) -> Heeded {
        let text = fs::read(folder.join(HEEDED)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Into the model's folder, where that exists.
    pub fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.is_dir() && Heeded::read(folder) != *self {
            replace(folder, HEEDED, &serde_json::to_vec(self)?)?;
        }
        Ok(())
    }

    pub fn options(&self) -> Options {
        let off = |name| self.without.contains(name);
        Options {
            ignore_headers: self.ignore_headers.clone(),
            no_header: off("header"),
            no_text: off("visible"),
            no_hidden: off("invisible"),
            no_uris: off("uri"),
        }
    }
}

/// The probability as the engine hears it. In millionths, but so that four digits round as the probability's do and
/// what lies above a bound of a rule stays above it.
pub fn answer(probability: f64) -> engine::Answer {
    let millionths = (probability * 1e6).round().clamp(0.0, 1e6);
    let four = |probability: f64| format!("{probability:.4}");
    let step = match millionths / 1e6 {
        near if near < probability && (millionths % 1_000.0 == 0.0 || four(near) != four(probability)) => 1.0,
        near if near > probability && four(near) != four(probability) => -1.0,
        _ => 0.0,
    };
    engine::Answer::Millionths((millionths + step).clamp(0.0, 1e6) as u32)
}

/// The message as it is learnt: what another filter wrapped up is taken out again.
pub fn features(
    raw: &[u8],
    views: &mail::ViewConfig,
    style: &engine::markup::Style,
    extractor: &mut Extractor,
) -> (u128, Features) {
    let message = mail::Message::parse(raw, &views.limits);
    let clean = engine::markup::unmark(&message, style);
    let message = if clean == raw { message } else { mail::Message::parse(&clean, &views.limits) };
    (learn::digest(&message), extractor.extract(&Views::new(&message, views)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_keeps_its_four_digits() {
        let of = |probability| match answer(probability) {
            engine::Answer::Millionths(millionths) => millionths,
            _ => unreachable!("it is a number"),
        };
        let bounds = [0.0, 1.0, 0.99, 0.990_000_4, 0.989_999_9, 0.999_000_000_1, 0.123_449_9, 0.123_450_1, 0.123_45];
        let steps = (0..200_000).map(|at| (f64::from(at) * 0.618_033_988_75).fract());
        for probability in bounds.into_iter().chain(steps) {
            let heard = f64::from(of(probability)) / 1e6;
            assert_eq!(format!("{heard:.4}"), format!("{probability:.4}"), "{probability}");
            assert!((heard - probability).abs() < 2e-6);
        }
        assert_eq!((of(0.99), of(0.990_000_4), of(0.5), of(0.0), of(1.0)), (990_000, 990_001, 500_000, 0, 1_000_000));
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sekisho-learnt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn lesson(number: u32, extractor: &mut Extractor) -> (u128, Features, Class) {
        let raw = format!("From: a@b.example\nSubject: number {number}\n\n書類 {} text {number}\n", number * 7);
        let message = mail::Message::parse(raw.as_bytes(), &mail::Limits::default());
        let config = mail::ViewConfig::default();
        let features = extractor.extract(&Views::new(&message, &config));
        (learn::digest(&message), features, if number.is_multiple_of(2) { Class::Spam } else { Class::Ham })
    }

    #[test]
    fn two_processes_see_one_model() {
        let place = folder("two");
        let mut extractor = Extractor::default();
        let (mut one, mut two) = (Learnt::default(), Learnt::open(&place).unwrap());
        for number in 0..30 {
            let (digest, features, class) = lesson(number, &mut extractor);
            let teacher = if number % 3 == 0 { &mut two } else { &mut one };
            let mut teacher = teacher.teach(&place).unwrap();
            assert!(teacher.learn(digest, &features, class, User::default(), number).unwrap());
            assert!(!teacher.learn(digest, &features, class, User::default(), number).unwrap());
            if number == 17 {
                teacher.compact().unwrap();
            }
        }
        one.refresh(&place).unwrap();
        two.refresh(&place).unwrap();
        assert_eq!(one.model, two.model);
        assert_eq!(Learnt::open(&place).unwrap().model, one.model);
        assert_eq!(one.model.counts(), learn::Counts { ham: 15, spam: 15 });
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_damaged_import_takes_nothing_else_away() {
        let place = folder("import");
        let mut extractor = Extractor::default();
        let mut learnt = Learnt::default();
        for number in 0..4 {
            let (digest, features, class) = lesson(number, &mut extractor);
            learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), number).unwrap();
        }
        let backup = "v\t3\tdb_version\nv\t10\tnum_spam\nv\t20\tnum_nonspam\nt\t5\t0\t1700000000\t0123456789\n";
        let (import, _) = imported::from_backup(backup.as_bytes()).unwrap();
        imported::write(&place, &import).unwrap();
        assert!(learnt.refresh(&place).unwrap() && learnt.imported().is_some());
        fs::write(place.join("imported"), "half a file").unwrap();
        assert!(learnt.refresh(&place).unwrap() && learnt.imported().is_none());
        assert!(!learnt.refresh(&place).unwrap(), "it is not read at each look");
        let opened = Learnt::open(&place).unwrap();
        assert_eq!((opened.model.counts(), opened.imported().is_none()), (learn::Counts { ham: 2, spam: 2 }, true));
        imported::write(&place, &import).unwrap();
        assert!(learnt.refresh(&place).unwrap() && learnt.imported().is_some());
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn what_a_crash_cut_short_is_cut_off() {
        let place = folder("short");
        let mut extractor = Extractor::default();
        let mut learnt = Learnt::default();
        let mut ends = vec![HEAD];
        for number in 0..5 {
            let (digest, features, class) = lesson(number, &mut extractor);
            learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), number).unwrap();
            ends.push(fs::metadata(place.join("journal")).unwrap().len());
        }
        let whole = fs::read(place.join("journal")).unwrap();
        for cut in (0..whole.len()).step_by(97) {
            fs::write(place.join("journal"), &whole[..cut]).unwrap();
            let left = ends.iter().filter(|end| **end > HEAD && **end <= cut as u64).count() as u32;
            let mut learnt = Learnt::open(&place).unwrap();
            assert_eq!(learnt.model.counts().ham + learnt.model.counts().spam, left, "{cut}");
            let (digest, features, class) = lesson(99, &mut extractor);
            assert!(learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), 1).unwrap());
            let again = Learnt::open(&place).unwrap();
            assert_eq!(again.model, learnt.model);
            assert_eq!(again.model.counts().ham + again.model.counts().spam, left + 1);
        }
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_damaged_journal_is_kept_and_the_rest_goes_on() {
        let place = folder("damaged");
        let mut extractor = Extractor::default();
        let mut learnt = Learnt::default();
        let mut ends = Vec::new();
        for number in 0..5 {
            let (digest, features, class) = lesson(number, &mut extractor);
            learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), number).unwrap();
            ends.push(fs::metadata(place.join("journal")).unwrap().len() as usize);
        }
        let mut bytes = fs::read(place.join("journal")).unwrap();
        bytes[ends[1] + 40] ^= 0x55;
        fs::write(place.join("journal"), &bytes).unwrap();
        let mut learnt = Learnt::open(&place).unwrap();
        assert_eq!(learnt.model.counts(), learn::Counts { ham: 1, spam: 1 });
        let (digest, features, class) = lesson(9, &mut extractor);
        assert!(learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), 9).unwrap());
        assert_eq!(Learnt::open(&place).unwrap().model, learnt.model);
        assert_eq!(learnt.model.counts(), learn::Counts { ham: 2, spam: 1 });
        let kept = fs::read_dir(&place)
            .unwrap()
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with("journal.damaged-"));
        assert_eq!(fs::read(kept.unwrap().path()).unwrap(), bytes);
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_journal_older_than_the_model_is_not_counted_twice() {
        let place = folder("older");
        let mut extractor = Extractor::default();
        let mut learnt = Learnt::default();
        let (digest, features, class) = lesson(1, &mut extractor);
        learnt.teach(&place).unwrap().learn(digest, &features, class, User::default(), 1).unwrap();
        let old = fs::read(place.join("journal")).unwrap();
        learnt.teach(&place).unwrap().compact().unwrap();
        fs::write(place.join("journal"), old).unwrap();
        let mut again = Learnt::open(&place).unwrap();
        assert_eq!(again.model, learnt.model);
        let (digest, features, class) = lesson(2, &mut extractor);
        again.teach(&place).unwrap().learn(digest, &features, class, User::default(), 1).unwrap();
        assert_eq!(Learnt::open(&place).unwrap().model, again.model);
        assert_eq!(again.model.counts(), learn::Counts { ham: 1, spam: 1 });
        fs::remove_dir_all(&place).unwrap();
    }
}
