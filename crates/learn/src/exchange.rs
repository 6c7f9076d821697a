//! Several machines, one model: what each says goes into one order, and each does the same in that order.
//!
//! A step of the first learner depends on what was learnt before it. So machines do not exchange steps but
//! [`Statement`]s: this message is spam, or is not, or is to be forgotten. Whoever keeps them in common gives each a
//! position; [`Model::hear`] works out the lesson anew at that position, alike everywhere, and models are equal to the
//! bit. Each machine counts its statements, and one that was heard is not heard again, however often it was sent.
//!
//! What was taught here and has no position yet is in effect at once, as a [`Pending`] lesson on top. Before a statement
//! of another machine is heard it is taken back, which is exact, since all sums are integers.

use crate::features::Features;
use crate::model::{Lesson, Model, Outcome, Seen, User};
use crate::{Class, Damaged};
use std::collections::BTreeMap;

/// Machines whose statements are counted, at most.
pub(crate) const NODES: usize = 10_000;

/// Where a model stands among what all machines said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Which order of statements; 0: none, the model is of this machine alone.
    pub epoch: u64,
    /// The last statement that was heard.
    pub position: u64,
    /// Of each machine, the number of its last statement that was heard.
    pub heard: BTreeMap<u64, u64>,
    /// Statements of this machine's own, up to this number and not heard, are not in effect.
    pub out: u64,
    /// The number of this machine's own last statement.
    pub said: u64,
    /// All others shall take over this model in place of theirs.
    pub anew: bool,
}

/// A change of the [`Place`], for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Heard { position: u64, node: u64, number: u64 },
    Out(u64),
    Said(u64),
}

/// What one machine said of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub node: u64,
    /// Counted by the machine that said it, from 1.
    pub number: u64,
    pub digest: u128,
    /// As what, for whom and when; `None`: forget it.
    pub what: Option<(Class, User, u32)>,
    pub features: Features,
}

/// A statement of this machine's own that was not heard yet, and what it did to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub number: u64,
    pub digest: u128,
    pub before: Option<Seen>,
    pub after: Option<Seen>,
    pub features: Features,
}

impl Pending {
    pub fn statement(&self, node: u64) -> Statement {
        let what = self.after.map(|seen| (seen.class, seen.user, seen.at));
        Statement { node, number: self.number, digest: self.digest, what, features: self.features.clone() }
    }
}

impl Lesson {
    /// What undoes it.
    pub fn inverse(&self) -> Lesson {
        Lesson { forget: !self.forget, ..self.clone() }
    }
}

impl Model {
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// What follows from a statement at its position; the lessons are applied already.
    pub fn hear(&mut self, statement: &Statement, position: u64) -> Vec<Lesson> {
        let Statement { node, number, digest, what, features } = statement;
        let lessons = match what {
            _ if self.has_heard(*node, *number) => Vec::new(),
            Some((class, user, at)) => match self.learn(*digest, features, *class, *user, *at) {
                Outcome::Learnt(lessons) => lessons,
                Outcome::Known => Vec::new(),
            },
            None => self.forget(*digest, features).into_iter().collect(),
        };
        self.mark(Mark::Heard { position, node: *node, number: *number });
        lessons
    }

    pub fn has_heard(&self, node: u64, number: u64) -> bool {
        self.place.heard.get(&node).is_some_and(|heard| *heard >= number)
    }

    pub fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Out(number) => self.place.out = number,
            Mark::Said(number) => self.place.said = number,
            Mark::Heard { position, node, number } => {
                self.place.position = position;
                let heard = self.place.heard.entry(node).or_default();
                *heard = number.max(*heard);
                if self.place.heard.len() > NODES {
                    self.place.heard.pop_first();
                }
                if self.is_full() {
                    self.forget_oldest();
                }
            }
        }
    }

    /// Whether the next statement makes it forget that it knew some messages. Nothing may be pending then.
    pub fn is_full(&self) -> bool {
        self.seen.len() >= self.remember
    }

    /// Takes back what is pending of one machine; the last ones first. Gives the lessons, applied already. Those that
    /// were taken back before are recognised, so that this may be broken off and begun again.
    pub fn take_back(&mut self, pending: &Pending) -> Vec<Lesson> {
        let Pending { digest, before, after, features, .. } = pending;
        if self.seen(*digest) != after.as_ref() || before == after {
            return Vec::new();
        }
        self.turn(*digest, *after, *before, features)
    }

    /// The first pending lesson of a message was taken back: what was known before it is known now, come what may.
    pub fn restore(&mut self, first: &Pending) -> Vec<Lesson> {
        let now = self.seen(first.digest).copied();
        if now == first.before { Vec::new() } else { self.turn(first.digest, now, first.before, &first.features) }
    }

    fn turn(&mut self, digest: u128, from: Option<Seen>, to: Option<Seen>, features: &Features) -> Vec<Lesson> {
        let mut lessons = Vec::new();
        for (forget, seen) in [(true, from), (false, to)] {
            let Some(seen) = seen else { continue };
            let lesson = Lesson { digest, forget, seen, features: features.clone() };
            if self.apply(&lesson) {
                lessons.push(lesson);
            }
        }
        lessons
    }

    /// The model as all machines have it at this place.
    pub fn to_shared_bytes(&self, epoch: u64) -> Vec<u8> {
        let place = Place { epoch, out: 0, said: 0, anew: false, ..self.place.clone() };
        self.to_bytes_at(0, &place)
    }

    pub fn from_shared_bytes(bytes: &[u8]) -> Result<Model, Damaged> {
        Model::from_bytes(bytes).map(|(model, _)| model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(seed: u32) -> Features {
        Features {
            grams: (0..300).map(|i| seed * 131 + i * 7).collect(),
            tokens: (0..60).map(|i| seed * 17 + i * 3).collect(),
        }
    }

    fn statement(node: u64, number: u64, message: u32, what: Option<Class>) -> Statement {
        let what = what.map(|class| (class, User(0), message));
        Statement { node, number, digest: message.into(), what, features: features(message) }
    }

    fn shared() -> Model {
        let mut model = Model::new();
        model.set_place(Place { epoch: 1, ..Place::default() });
        model
    }

    #[test]
    fn a_statement_counts_once_and_contradictions_end_alike() {
        let said = [
            statement(1, 1, 5, Some(Class::Spam)),
            statement(2, 1, 5, Some(Class::Spam)),
            statement(2, 2, 6, Some(Class::Ham)),
            statement(1, 2, 5, Some(Class::Ham)),
            statement(2, 1, 5, Some(Class::Spam)), // sent again
            statement(2, 3, 6, None),
        ];
        let (mut one, mut two) = (shared(), shared());
        for (at, statement) in said.iter().enumerate() {
            one.hear(statement, at as u64 + 1);
            // The other follows the journal.
            let mut copy = two.clone();
            copy.hear(statement, at as u64 + 1).iter().for_each(|lesson| assert!(two.apply(lesson)));
            two.mark(Mark::Heard { position: at as u64 + 1, node: statement.node, number: statement.number });
        }
        assert_eq!(one, two);
        assert_eq!((one.counts().ham, one.counts().spam), (1, 0));
        assert_eq!(one.seen(5).map(|seen| seen.class), Some(Class::Ham));
    }

    #[test]
    fn what_is_pending_is_taken_back_exactly() {
        let mut model = shared();
        for n in 0..10 {
            model.hear(&statement(2, n + 1, n as u32, Some([Class::Ham, Class::Spam][n as usize % 2])), n + 1);
        }
        let before = model.clone();
        let mut pending = Vec::new();
        for (number, message, what) in [
            (1, 3, Some(Class::Ham)),
            (2, 40, Some(Class::Spam)),
            (3, 3, None),
            (4, 4, None),
            (5, 40, Some(Class::Ham)),
            (6, 3, Some(Class::Spam)),
        ] {
            let before = model.seen(message.into()).copied();
            match what {
                Some(class) => drop(model.learn(message.into(), &features(message), class, User(0), 99)),
                None => drop(model.forget(message.into(), &features(message))),
            }
            let after = model.seen(message.into()).copied();
            pending.push(Pending { number, digest: message.into(), before, after, features: features(message) });
        }
        let taught = model.clone();
        for broken_off in 0..pending.len() {
            model = taught.clone();
            for entry in pending.iter().rev().take(broken_off).chain(pending.iter().rev()) {
                model.take_back(entry);
            }
            assert_eq!(model, before, "{broken_off}");
        }
    }
}
