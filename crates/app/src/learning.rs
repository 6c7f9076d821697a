//! The model's home: a folder with the model, a journal of the lessons since, and a lock.
//!
//! Who reads needs no lock: [`Learnt::refresh`] reads what the journal has got since. Who teaches holds the lock for as
//! long as it takes, writes lessons to the journal and brings them to the disk within a second. A journal that has grown
//! becomes part of the model: the new model is written beside the old one and put in its place, then an empty journal of
//! the next generation. A crash at any point leaves a model and a journal that fit or a journal that is older than the
//! model, whose lessons are all in it. What a crash cut short at the end of the journal is cut off.

use crate::lessons::{About, By, Lessons};
use crate::records::Keep;
use anyhow::Context;
use learn::{Class, Damaged, Extractor, Features, Lesson, Model, Options, Outcome, User};
use mail::Views;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
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
}

impl Default for Learnt {
    fn default() -> Self {
        let keep = crate::config::Learn::default().keep();
        Learnt { model: Model::default(), generation: 0, read: 0, lessons: None, keep }
    }
}

/// Teaches; holds the lock.
pub struct Teacher<'a> {
    learnt: &'a mut Learnt,
    /// What is recorded of the lessons that come.
    pub about: About,
    folder: PathBuf,
    journal: File,
    _lock: File,
    unsynced: bool,
    synced: Instant,
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
        !folder.as_os_str().is_empty() && (folder.join("model").exists() || folder.join("journal").exists())
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

    /// Learns what others have taught since. Says whether there was anything.
    pub fn refresh(&mut self, folder: &Path) -> anyhow::Result<bool> {
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
            match Lesson::from_bytes(&bytes[at..]) {
                Ok((lesson, length)) => {
                    self.model.apply(&lesson);
                    at += length;
                }
                // Being written just now, or cut short by a crash: whoever teaches next cuts it off.
                Err(Damaged::Short | Damaged::Sum | Damaged::Content | Damaged::Foreign) => break,
            }
        }
        self.read += at as u64;
        Ok(at > 0)
    }

    /// Makes the folder if need be, waits for the lock, reads what others taught.
    pub fn teach(&mut self, folder: &Path) -> anyhow::Result<Teacher<'_>> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = open.with_context(|| path.display().to_string())?;
        lock.lock().with_context(|| format!("{}: cannot be locked", path.display()))?;
        if self.read == 0 {
            self.reread(folder)?;
        }
        self.refresh(folder)?;
        let path = folder.join("journal");
        let journal = match about_journal(&path)? {
            Some((generation, length)) if generation == self.generation => {
                let journal = OpenOptions::new().append(true).open(&path)?;
                if length > self.read {
                    journal.set_len(self.read)?;
                }
                journal
            }
            _ => new_journal(folder, self.generation)?,
        };
        self.read = self.read.max(HEAD);
        let folder = folder.to_owned();
        let about = About::new(By::Hand, "", "", "");
        Ok(Teacher { learnt: self, about, folder, journal, _lock: lock, unsynced: false, synced: Instant::now() })
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
    write().with_context(|| place.display().to_string())
}

impl Teacher<'_> {
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
        match self.learnt.model.learn(digest, features, class, user, at) {
            Outcome::Known => Ok(false),
            Outcome::Learnt(lessons) => {
                self.write(&lessons)?;
                Ok(true)
            }
        }
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
        let known = self.learnt.model.seen(lesson.digest);
        let stands = if lesson.forget { known.is_none() } else { known == Some(&lesson.seen) };
        if !stands {
            return Ok(false);
        }
        let inverse = Lesson { forget: !lesson.forget, ..lesson.clone() };
        self.learnt.model.apply(&inverse);
        self.write(&[inverse])?;
        Ok(true)
    }

    fn lessons(&mut self) -> &mut Lessons {
        let keep = self.learnt.keep;
        self.learnt.lessons.get_or_insert_with(|| Lessons::new(&self.folder, keep))
    }

    fn write(&mut self, lessons: &[Lesson]) -> anyhow::Result<()> {
        let about = self.about.clone();
        self.lessons().add(&about, lessons).context("the record of lessons")?;
        let bytes: Vec<u8> = lessons.iter().flat_map(Lesson::to_bytes).collect();
        self.journal.write_all(&bytes).context("the journal of lessons")?;
        self.learnt.read += bytes.len() as u64;
        self.unsynced = true;
        if self.synced.elapsed() > SYNC {
            self.sync()?;
        }
        if self.learnt.read > LONG {
            self.compact()?;
        }
        Ok(())
    }

    /// Lessons are on the disk.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            self.lessons().sync().context("the record of lessons")?;
            self.journal.sync_data().context("the journal of lessons")?;
        }
        self.synced = Instant::now();
        Ok(())
    }

    /// The journal becomes part of the model.
    pub fn compact(&mut self) -> anyhow::Result<()> {
        self.sync()?;
        self.put(self.learnt.generation + 1)
    }

    /// Another model in place of what there is.
    pub fn replace(&mut self, model: Model) -> anyhow::Result<()> {
        self.learnt.model = model;
        self.unsynced = false;
        self.put(self.learnt.generation + 1)
    }

    fn put(&mut self, generation: u64) -> anyhow::Result<()> {
        replace(&self.folder, "model", &self.learnt.model.to_bytes(generation))?;
        self.journal = new_journal(&self.folder, generation)?;
        self.learnt.generation = generation;
        self.learnt.read = HEAD;
        Ok(())
    }
}

impl Drop for Teacher<'_> {
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

/// Enough was learnt for the rules that use it.
pub fn is_ready(model: &Model, settings: &rules::Settings) -> bool {
    let counts = model.counts();
    settings.use_learner
        && settings.use_bayes
        && settings.use_bayes_rules
        && f64::from(counts.ham) >= settings.bayes_min_ham_num
        && f64::from(counts.spam) >= settings.bayes_min_spam_num
}

thread_local! {
    static EXTRACTOR: RefCell<(Arc<Options>, Extractor)> = RefCell::default();
}

/// A message that is being judged, as the model sees it.
pub fn extract(views: &Views<'_>, options: &Arc<Options>) -> Features {
    EXTRACTOR.with_borrow_mut(|(of, extractor)| {
        if !Arc::ptr_eq(of, options) {
            *of = options.clone();
            *extractor = Extractor::new(Options::clone(options));
        }
        extractor.extract(views)
    })
}

/// What the rules leave out of learning: `bayes_ignore_header`, `bayes_token_sources`.
pub fn options(settings: &rules::Settings) -> Arc<Options> {
    Arc::new(Heeded::of(settings).options())
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

/// The probability as the engine hears it.
pub fn answer(probability: f64) -> engine::Answer {
    engine::Answer::Millionths((probability * 1e6).round().clamp(0.0, 1e6) as u32)
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
