//! One model on several machines: what is taught here is said to the others by way of a database, what they say is heard.
//!
//! One [`Exchange::round`] says what waits in the queue and hears what is new, in the order that the database keeps
//! ([`store::Lessons`]); what that means for the model is in [`learn::exchange`]. While the database is away, machines
//! learn on their own, and what they learn waits in the queue. What a round does is the same however often it is cut
//! short and begun again.
//!
//! A machine that joins takes over the model that the others have, and says what waits in its own queue. What it learnt
//! before it had a queue cannot be said any more: that model is set aside as `model.before`. The first machine's model is
//! what the others begin with. So it is too where the database has lost everything.
//!
//! The database is asked without any lock. The lock of the folder is held while lessons are worked in, the model itself
//! for a few at a time: judging goes on.

use super::queue::Queue;
use super::{HEAD, Learnt, Lock, Pen, Teacher, lock, replace};
use crate::config::Exchange as Settings;
use crate::environment;
use anyhow::{Context, bail};
use learn::{Lesson, Mark, Model, Outcome, Pending, Place, Statement};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::lessons::{AT_ONCE, Head, Lessons, Peer};
use store::{Location, Store};

/// Lessons that are worked in while nobody may read the model.
const STEP: usize = 20;
/// Statements that are asked for at once.
const FETCH: usize = 100;
/// A machine tells of itself at least so often.
const TELL: Duration = Duration::from_secs(30);
/// A machine of which nothing was heard for so long is told of no longer.
const FORGET_PEER: Duration = Duration::from_secs(90 * 86_400);
/// Somebody else changed the order between two looks; not so often in a row.
const TRIES: usize = 5;

/// Who has the model in memory lets it be changed.
pub trait Hands {
    fn with<R>(&mut self, work: impl FnOnce(&mut Learnt) -> R) -> R;
}

impl Hands for Learnt {
    fn with<R>(&mut self, work: impl FnOnce(&mut Learnt) -> R) -> R {
        work(self)
    }
}

/// What a round did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub said: usize,
    /// Of all machines, this one too.
    pub heard: usize,
    /// What an operator should know.
    pub notes: Vec<String>,
}

pub struct Exchange {
    folder: PathBuf,
    lessons: Lessons,
    place: String,
    /// So many statements are kept before they are folded into a model, and so many after.
    fold: u64,
    /// The last statement of this machine that was sent.
    sent: u64,
    told: Option<(Instant, u64)>,
}

/// The model of this folder is to be shared: from now on every lesson waits to be said.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    let _lock = lock(folder)?;
    Queue::create(folder, random_number()?)
}

/// As [`prepare`], where the configuration wants it.
pub fn prepare_for(learn: &crate::config::Learn) -> anyhow::Result<()> {
    if learn.exchange.location.is_empty() || learn.folder.as_os_str().is_empty() {
        return Ok(());
    }
    prepare(&learn.folder)
}

/// Never 0.
fn random_number() -> anyhow::Result<u64> {
    let random = environment::secret_random()?;
    Ok(random.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)).max(1))
}

/// The model of this folder is no longer shared, and goes on from where it is.
pub fn leave(folder: &Path) -> anyhow::Result<bool> {
    if !folder.join("queue").exists() {
        return Ok(false);
    }
    let mut learnt = Learnt::default();
    let mut pen = Pen::take(folder, &mut learnt, lock(folder)?)?;
    pen.settle(&mut learnt)?;
    let mut teacher = Teacher::with(&mut learnt, pen);
    teacher.learnt.model.set_place(Place::default());
    teacher.compact()?;
    if let Some(queue) = teacher.pen.queue.take() {
        queue.remove()?;
    }
    Ok(true)
}

/// How many lessons wait to be heard by the others; `None`: the model is not shared.
pub fn waiting(folder: &Path, place: &Place) -> anyhow::Result<Option<usize>> {
    Ok(Queue::look(folder)?.map(|queue| queue.after(heard(place, &queue)).len()))
}

/// The number by which the others know this machine.
pub fn node(folder: &Path) -> anyhow::Result<Option<u64>> {
    Ok(Queue::look(folder)?.map(|queue| queue.node()))
}

/// Which of this machine's own statements were heard.
fn heard(place: &Place, queue: &Queue) -> u64 {
    place.heard.get(&queue.node()).copied().unwrap_or_default()
}

impl Exchange {
    /// `None` where nothing is to be exchanged.
    pub fn open(folder: &Path, settings: &Settings) -> anyhow::Result<Option<Exchange>> {
        if settings.location.is_empty() || folder.as_os_str().is_empty() {
            return Ok(None);
        }
        prepare(folder)?;
        Ok(Some(Exchange { folder: folder.to_owned(), ..Exchange::meet(settings)? }))
    }

    /// Only to look.
    pub fn meet(settings: &Settings) -> anyhow::Result<Exchange> {
        let told = |error: store::Error| anyhow::anyhow!("learn.exchange.location: {error}; {}", error.remedy());
        let location: Location = settings.location.parse().map_err(told)?;
        let store = Store::open(&location).map_err(told)?;
        Ok(Exchange {
            folder: PathBuf::new(),
            place: store.place(),
            lessons: store.lessons(),
            fold: settings.fold.max(1),
            sent: 0,
            told: None,
        })
    }

    /// Where the others are met.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn head(&self) -> anyhow::Result<Option<Head>> {
        Ok(self.lessons.head()?)
    }

    pub fn peers(&self) -> anyhow::Result<Vec<Peer>> {
        Ok(self.lessons.peers()?)
    }

    /// Says what waits, hears what is new.
    pub fn round(&mut self, hands: &mut impl Hands) -> anyhow::Result<Round> {
        let mut round = Round::default();
        let done = self.try_round(hands, &mut round);
        // Whatever became of it: what was taught here is in effect here.
        let mut pen = self.pen(hands)?;
        pen.settle(hands)?;
        let place = hands.with(|learnt| learnt.model.place().clone());
        let waiting = pen.tidy(&place)?;
        drop(pen);
        done?;
        self.fold(hands, waiting, &mut round)?;
        self.tell(&place)?;
        Ok(round)
    }

    fn try_round(&mut self, hands: &mut impl Hands, round: &mut Round) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            hands.with(|learnt| learnt.refresh(&self.folder))?;
            let place = hands.with(|learnt| learnt.model.place().clone());
            let Some(head) = self.lessons.head()? else {
                self.begin(hands, None, round)?;
                continue;
            };
            // What is pending in the model is in the queue, or the two are not of one time.
            let queue = Queue::look(&self.folder)?.context("the queue of lessons is gone")?;
            let lost = place.said > queue.last().max(heard(&place, &queue)) && place.epoch != 0;
            let ahead = place.epoch != 0
                && (head.from_epoch, head.from_position) == (place.epoch, head.last)
                && place.position > head.last;
            if place.anew || ahead || (place.epoch == head.epoch && place.position > head.last) {
                self.begin(hands, Some(&head), round)?;
                continue;
            }
            if place.epoch != head.epoch || place.position + 1 < head.first || lost {
                self.join(hands, &head, round)?;
                continue;
            }
            if !self.say(&place, &queue, head.epoch, round)? || !self.hear(hands, head.epoch, round)? {
                continue;
            }
            return Ok(());
        }
        bail!("{}: the order of lessons changed again and again; tried anew later", self.place)
    }

    /// False: the order is another one by now.
    fn say(&mut self, place: &Place, queue: &Queue, epoch: u64, round: &mut Round) -> anyhow::Result<bool> {
        let wait: Vec<usize> = queue.after(heard(place, queue).max(self.sent)).collect();
        for some in wait.chunks(AT_ONCE) {
            let mut statements = Vec::with_capacity(some.len());
            for index in some {
                statements.push(queue.read(*index)?.statement(queue.node()).to_bytes());
            }
            if self.lessons.append(epoch, &statements)?.is_none() {
                return Ok(false);
            }
            self.sent = some.last().map_or(self.sent, |index| queue.number(*index));
            round.said += some.len();
        }
        Ok(true)
    }

    /// False: somebody else heard for this folder meanwhile.
    fn hear(&mut self, hands: &mut impl Hands, epoch: u64, round: &mut Round) -> anyhow::Result<bool> {
        loop {
            let position = hands.with(|learnt| learnt.model.place().position);
            let found = self.lessons.read(position, FETCH)?;
            if found.is_empty() {
                return Ok(true);
            }
            let mut pen = self.pen(hands)?;
            let place = hands.with(|learnt| learnt.model.place().clone());
            if (place.epoch, place.position) != (epoch, position) {
                return Ok(false);
            }
            let mut statements = Vec::with_capacity(found.len());
            let mut last = position;
            for (at, bytes) in found {
                if at != last + 1 {
                    round.notes.push(format!("{}: lessons {} to {at} are missing there", self.place, last + 1));
                }
                last = at;
                match Statement::from_bytes(&bytes) {
                    Ok(statement) => statements.push((at, statement)),
                    Err(damaged) => {
                        round.notes.push(format!("{}: lesson {at} is passed over: {damaged}", self.place));
                        let nobody = Statement {
                            node: 0,
                            number: 0,
                            digest: 0,
                            what: None,
                            features: learn::Features::default(),
                        };
                        statements.push((at, nobody));
                    }
                }
            }
            round.heard += statements.len();
            pen.hear(hands, &statements)?;
            pen.sync()?;
        }
    }

    fn pen(&self, hands: &mut impl Hands) -> anyhow::Result<Pen> {
        let lock = lock(&self.folder)?;
        hands.with(|learnt| Pen::take(&self.folder, learnt, lock))
    }

    /// This machine's model is what all go on from.
    fn begin(&mut self, hands: &mut impl Hands, old: Option<&Head>, round: &mut Round) -> anyhow::Result<()> {
        let epoch = random_number()?;
        let mut pen = self.pen(hands)?;
        pen.take_back(hands)?;
        let mut place = hands.with(|learnt| learnt.model.place().clone());
        let from = (place.epoch, place.position);
        place.position = place.position.max(old.map_or(0, |old| old.last));
        (place.epoch, place.anew) = (epoch, false);
        let bytes = hands.with(|learnt| {
            learnt.model.set_place(Place { position: place.position, ..learnt.model.place().clone() });
            learnt.model.to_shared_bytes(epoch)
        });
        let begun = self.lessons.begin(old, epoch, place.position, Some(&bytes), from)?;
        pen = hands.with(|learnt| {
            let generation = learnt.generation;
            learnt.model.set_place(if begun {
                Place { epoch, anew: false, ..learnt.model.place().clone() }
            } else {
                Place { position: from.1, ..learnt.model.place().clone() }
            });
            let mut teacher = Teacher::with(learnt, pen);
            if begun {
                teacher.put(generation + 1)?;
            }
            anyhow::Ok(teacher.pen)
        })?;
        drop(pen);
        self.sent = 0;
        if begun {
            let counts = hands.with(|learnt| learnt.model.counts());
            let (ham, spam) = (counts.ham, counts.spam);
            round
                .notes
                .push(format!("{}: began with the model of this machine, {ham} ham and {spam} spam", self.place));
        }
        Ok(())
    }

    /// The model that the others have, in place of this machine's.
    fn join(&mut self, hands: &mut impl Hands, head: &Head, round: &mut Round) -> anyhow::Result<()> {
        let mut model = match self.lessons.model(head)? {
            Some(bytes) => Model::from_shared_bytes(&bytes).with_context(|| format!("{}: the model", self.place))?,
            None => Model::new(),
        };
        let mut pen = self.pen(hands)?;
        pen.take_back(hands)?;
        let (mine, generation, counts) =
            hands.with(|learnt| (learnt.model.place().clone(), learnt.generation, learnt.model.counts()));
        if mine.epoch == 0 && counts != learn::Counts::default() {
            let bytes = hands.with(|learnt| learnt.model.to_bytes(0));
            replace(&self.folder, "model.before", &bytes)?;
            round.notes.push(format!(
                "{} ham and {} spam were learnt here before the model was shared, and are not part of it: they are set \
                 aside in {}; teach them again to have them everywhere",
                counts.ham,
                counts.spam,
                self.folder.join("model.before").display()
            ));
        }
        let queue = pen.queue.as_ref().context("the queue of lessons is gone")?;
        let mut place = Place { epoch: head.epoch, position: head.base, ..model.place().clone() };
        place.said = queue.last().max(heard(&place, queue));
        place.out = place.said;
        place.anew = false;
        model.set_place(place);
        let lost = mine.epoch == head.from_epoch && mine.epoch != 0 && mine.position > head.from_position;
        if lost {
            let number = mine.position - head.from_position;
            round.notes.push(format!("{}: {number} lessons were lost with its content", self.place));
        }
        pen = hands.with(|learnt| {
            let old = std::mem::replace(&mut learnt.model, model);
            let mut teacher = Teacher::with(learnt, pen);
            match teacher.put(generation + 1) {
                Ok(()) => Ok(teacher.pen),
                Err(error) => {
                    teacher.learnt.model = old;
                    Err(error)
                }
            }
        })?;
        drop(pen);
        self.sent = 0;
        let counts = hands.with(|learnt| learnt.model.counts());
        let (ham, spam) = (counts.ham, counts.spam);
        round.notes.push(format!("{}: took over the model of all machines, {ham} ham and {spam} spam", self.place));
        Ok(())
    }

    /// Statements that all have likely heard become part of the model that is kept there.
    fn fold(&mut self, hands: &mut impl Hands, waiting: usize, round: &mut Round) -> anyhow::Result<()> {
        let Some(head) = self.lessons.head()? else { return Ok(()) };
        if waiting > 0 || head.last.saturating_sub(head.base) < self.fold {
            return Ok(());
        }
        let pen = self.pen(hands)?;
        let place = hands.with(|learnt| learnt.model.place().clone());
        if place.epoch != head.epoch || pen.pending(&place).next().is_some() || place.position <= head.base {
            return Ok(());
        }
        let bytes = hands.with(|learnt| learnt.model.to_shared_bytes(head.epoch));
        drop(pen);
        if self.lessons.fold(&head, place.position, &bytes, self.fold)? {
            let kept = self.fold;
            round.notes.push(format!(
                "{}: lessons up to {} are part of the model there, the last {kept} are kept",
                self.place, place.position
            ));
            self.lessons.forget_peers(environment::now().before(FORGET_PEER))?;
        }
        Ok(())
    }

    fn tell(&mut self, place: &Place) -> anyhow::Result<()> {
        let due = self.told.is_none_or(|(at, position)| at.elapsed() > TELL || position != place.position);
        let (true, Some(node)) = (due, node(&self.folder)?) else { return Ok(()) };
        let name = environment::host_name().to_owned();
        self.lessons.tell(&Peer { node, name, position: place.position, at: environment::now() })?;
        self.told = Some((Instant::now(), place.position));
        Ok(())
    }
}

impl Pen {
    fn take(folder: &Path, learnt: &mut Learnt, lock: Lock) -> anyhow::Result<Pen> {
        Ok(learnt.teach_with(folder, lock)?.pen)
    }

    /// Of the queue: what is in effect and was not heard.
    fn pending(&self, place: &Place) -> std::ops::Range<usize> {
        self.queue.as_ref().map_or(0..0, |queue| queue.after(heard(place, queue).max(place.out)))
    }

    /// Nothing is pending in the model any more. Broken off and begun again it comes to the same.
    fn take_back(&mut self, hands: &mut impl Hands) -> anyhow::Result<()> {
        let place = hands.with(|learnt| learnt.model.place().clone());
        let mut wait: Vec<usize> = self.pending(&place).collect();
        let Some(last) = wait.last().map(|index| self.queue.as_ref().map_or(0, |queue| queue.number(*index))) else {
            return Ok(());
        };
        wait.reverse();
        for some in wait.chunks(STEP) {
            let some = self.entries(some)?;
            self.change(hands, |model| {
                (some.iter().flat_map(|pending| model.take_back(pending)).collect(), Vec::new())
            })?;
        }
        wait.reverse();
        let mut met = HashSet::new();
        for some in wait.chunks(STEP) {
            let mut some = self.entries(some)?;
            some.retain(|pending| met.insert(pending.digest));
            self.change(hands, |model| (some.iter().flat_map(|pending| model.restore(pending)).collect(), Vec::new()))?;
        }
        self.change(hands, |model| {
            let mark = Mark::Out(last);
            model.mark(mark);
            (Vec::new(), vec![mark])
        })
    }

    fn entries(&self, indexes: &[usize]) -> anyhow::Result<Vec<Pending>> {
        let queue = self.queue.as_ref().context("the queue of lessons is gone")?;
        indexes.iter().map(|index| queue.read(*index)).collect()
    }

    /// A change of the model, and its record in the journal. What cannot be written is read again from the folder.
    fn change(
        &mut self,
        hands: &mut impl Hands,
        work: impl FnOnce(&mut Model) -> (Vec<Lesson>, Vec<Mark>),
    ) -> anyhow::Result<()> {
        use std::io::Write;
        anyhow::ensure!(!self.stale, "the journal of lessons could not be begun");
        hands.with(|learnt| {
            let (lessons, marks) = work(&mut learnt.model);
            let mut bytes: Vec<u8> = lessons.iter().flat_map(Lesson::to_bytes).collect();
            bytes.extend(marks.iter().flat_map(Mark::to_bytes));
            if bytes.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.journal.write_all(&bytes) {
                let _ = self.journal.set_len(learnt.read);
                let keep = learnt.keep;
                *learnt = Learnt { keep, ..Learnt::open(&self.folder)? };
                return Err(error).context("the journal of lessons");
            }
            learnt.read += bytes.len() as u64;
            self.unsynced = true;
            Ok(())
        })
    }

    fn hear(&mut self, hands: &mut impl Hands, statements: &[(u64, Statement)]) -> anyhow::Result<()> {
        for (position, statement) in statements {
            let place = hands.with(|learnt| learnt.model.place().clone());
            let full = hands.with(|learnt| learnt.model.is_full());
            let next = self.pending(&place).next();
            let queue = self.queue.as_ref().context("the queue of lessons is gone")?;
            // Our own next one, all others that are pending came after it: it is there already.
            let first = queue.after(heard(&place, queue)).next();
            let ours = statement.node == queue.node()
                && next.is_some()
                && next == first
                && next.is_some_and(|index| queue.number(index) == statement.number);
            let mark = Mark::Heard { position: *position, node: statement.node, number: statement.number };
            if ours && !full {
                self.change(hands, |model| {
                    model.mark(mark);
                    (Vec::new(), vec![mark])
                })?;
                continue;
            }
            if next.is_some() {
                self.take_back(hands)?;
            }
            self.change(hands, |model| (model.hear(statement, *position), vec![mark]))?;
        }
        self.compact_in_time(hands)
    }

    fn compact_in_time(&mut self, hands: &mut impl Hands) -> anyhow::Result<()> {
        let (read, generation) = hands.with(|learnt| (learnt.read, learnt.generation));
        if read <= self.long {
            return Ok(());
        }
        self.sync()?;
        let bytes = hands.with(|learnt| learnt.model.to_bytes(generation + 1));
        if replace(&self.folder, "model", &bytes).is_err() {
            self.long = read + super::LONG;
            return Ok(());
        }
        self.stale = true;
        hands.with(|learnt| (learnt.generation, learnt.read) = (generation + 1, HEAD));
        self.journal = super::new_journal(&self.folder, generation + 1)?;
        self.stale = false;
        Ok(())
    }

    /// What was taught here and is not in effect is put into effect again, on what is known by now.
    fn settle(&mut self, hands: &mut impl Hands) -> anyhow::Result<()> {
        let place = hands.with(|learnt| learnt.model.place().clone());
        let Some(queue) = &self.queue else { return Ok(()) };
        let heard = heard(&place, queue);
        if place.out <= heard || queue.after(heard).is_empty() {
            return Ok(());
        }
        // All of them are taken back, then taught anew in their order.
        self.take_back(hands)?;
        let queue = self.queue.as_mut().context("the queue of lessons is gone")?;
        let wait: Vec<usize> = queue.after(heard).collect();
        let mut model = hands.with(|learnt| learnt.model.clone());
        let node = queue.node();
        let old = Queue::look(&self.folder)?.context("the queue of lessons is gone")?;
        let again = |index: usize, model: &mut Model| -> anyhow::Result<(Pending, Vec<Lesson>)> {
            let pending = old.read(index)?;
            let statement = pending.statement(node);
            let before = model.seen(pending.digest).copied();
            let lessons = match statement.what {
                Some((class, user, at)) => match model.learn(pending.digest, &pending.features, class, user, at) {
                    Outcome::Learnt(lessons) => lessons,
                    Outcome::Known => Vec::new(),
                },
                None => model.forget(pending.digest, &pending.features).into_iter().collect(),
            };
            let after = model.seen(pending.digest).copied();
            Ok((Pending { before, after, ..pending }, lessons))
        };
        queue.rewrite(wait.iter().map(|index| again(*index, &mut model).map(|(pending, _)| pending)))?;
        self.change(hands, |model| {
            model.mark(Mark::Out(0));
            (Vec::new(), vec![Mark::Out(0)])
        })?;
        for some in wait.chunks(STEP) {
            let mut trouble = None;
            self.change(hands, |model| {
                let mut lessons = Vec::new();
                for index in some {
                    match again(*index, model) {
                        Ok((_, more)) => lessons.extend(more),
                        Err(error) => trouble = Some(error),
                    }
                }
                (lessons, Vec::new())
            })?;
            if let Some(error) = trouble {
                return Err(error);
            }
        }
        self.sync()?;
        self.compact_in_time(hands)
    }

    /// What was heard leaves the queue; how many are left.
    fn tidy(&mut self, place: &Place) -> anyhow::Result<usize> {
        let Some(queue) = &self.queue else { return Ok(0) };
        let (all, wait) = (queue.after(0).len(), queue.after(heard(place, queue)));
        let left = wait.len();
        // Half of it at least: not a whole queue for each lesson.
        if left < all && left <= all / 2 {
            // The journal knows that they were heard, for certain.
            self.unsynced = true;
            self.sync()?;
            let old = Queue::look(&self.folder)?.context("the queue of lessons is gone")?;
            if let Some(queue) = &mut self.queue {
                queue.rewrite(wait.map(|index| old.read(index)))?;
            }
        }
        Ok(left)
    }
}
