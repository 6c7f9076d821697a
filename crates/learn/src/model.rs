//! The model: two tables of sums, what was learnt, and the arithmetic between them.
//!
//! **6-grams.** Each place of the table holds the sum of the errors that lessons left there and the sum of their squares;
//! its weight is `rate * sum / sqrt(0.3 + squares)` (dual averaging with a step of its own for each place). A message's
//! margin is the mean weight of its 6-grams, times the root of their number. A lesson changes the table only where the
//! model was wrong or unsure of it.
//!
//! **Words.** Each place counts in how many hams and spams a word stood; Robinson's estimate of a word, and of all words
//! that say anything the sum of log odds over the root of their number.
//!
//! All sums are integers: adding is exact, and so is taking away.
//!
//! **Users.** What a user taught is learnt a second time at places of that user's own, beside the common ones. Whoever
//! taught nothing has no such places.

use crate::Class;
use crate::exchange::Place;
use crate::features::{Features, GRAM_BITS, TOKEN_BITS};
use std::collections::HashMap;

const GRAMS: usize = 1 << GRAM_BITS;
const TOKENS: usize = 1 << TOKEN_BITS;

const RATE: f32 = 0.01;
/// A step before anything was learnt.
const BASE: f32 = 0.3;
/// Between these probabilities a lesson is learnt though the model was right.
const UNSURE: f32 = 0.05;
/// A ham that the model was wrong about counts as so many spams: to lose one is worse.
const HAM: f32 = 1.5;
/// Messages of any length have the same say.
const LENGTH: f32 = 50.0;
/// Fixed point: one error is this many units of a sum, one square this many of the other.
const ERROR_UNIT: f32 = 65_536.0;
const SQUARE_UNIT: f32 = 4_096.0;

/// Robinson's s and x, and how far a word must be from saying nothing.
const STRENGTH: f32 = 0.05;
const UNKNOWN: f32 = 0.5;
const SAYS_NOTHING: f32 = 0.3;
/// Of the sum of both learners, the words' part.
const WORDS: f32 = 0.035;
/// From log odds as they come to such as come true: online learning stays too modest.
const SCALE: f64 = 2.0;

/// A user, by a number that the caller makes of the name; 0 is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct User(pub u64);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gram {
    pub(crate) errors: i32,
    pub(crate) squares: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) ham: u32,
    pub(crate) spam: u32,
}

/// How many messages were learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub ham: u32,
    pub spam: u32,
}

/// What a lesson did to the sums, so that it can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub class: Class,
    /// Unix time, seconds.
    pub at: u32,
    pub user: User,
    pub(crate) error: i32,
    pub(crate) square: u32,
}

impl Seen {
    /// What was said, without what that did.
    pub fn said(&self) -> (Class, User, u32) {
        (self.class, self.user, self.at)
    }
}

/// One change of the model, with all that is needed to repeat it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    pub digest: u128,
    /// Taken back rather than learnt.
    pub forget: bool,
    pub seen: Seen,
    pub features: Features,
}

/// What was learnt, or why nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The lessons to keep, already applied: one, or two where what was said before was first taken back.
    Learnt(Vec<Lesson>),
    /// The same was said of this message before.
    Known,
}

/// What the model thinks of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Log odds of the 6-grams as learnt, and the words' evidence.
    pub grams: f32,
    pub words: f32,
}

impl Score {
    /// Both together: log odds, made such that probabilities come true.
    pub fn margin(self) -> f64 {
        SCALE * f64::from(self.grams + WORDS * self.words)
    }

    pub fn probability(self) -> f64 {
        1.0 / (1.0 + (-self.margin()).exp())
    }
}

/// Everything learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(crate) grams: Vec<Gram>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) counts: Counts,
    pub(crate) users: HashMap<u64, Counts>,
    pub(crate) seen: HashMap<u128, Seen>,
    /// Messages remembered as learnt, at most; of older ones it is no longer known that they were.
    pub(crate) remember: usize,
    pub(crate) place: Place,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            grams: vec![Gram::default(); GRAMS],
            tokens: vec![Token::default(); TOKENS],
            counts: Counts::default(),
            users: HashMap::new(),
            seen: HashMap::new(),
            remember: REMEMBER,
            place: Place::default(),
        }
    }
}

/// With this many a model stays under 32 MB.
const REMEMBER: usize = 100_000;

impl Model {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn user_counts(&self, user: User) -> Counts {
        self.users.get(&user.0).copied().unwrap_or_default()
    }

    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// What was said of a message, if it is still remembered.
    pub fn seen(&self, digest: u128) -> Option<&Seen> {
        self.seen.get(&digest)
    }

    pub fn all_seen(&self) -> impl Iterator<Item = (u128, &Seen)> {
        self.seen.iter().map(|(digest, seen)| (*digest, seen))
    }

    /// Oldest and newest lesson that are remembered.
    pub fn times(&self) -> Option<(u32, u32)> {
        let times = self.seen.values().map(|seen| seen.at);
        Some((times.clone().min()?, times.max()?))
    }

    /// Words in use: place in the table, hams, spams, probability of spam.
    pub fn words(&self) -> impl Iterator<Item = (usize, u32, u32, f32)> {
        let used = self.tokens.iter().enumerate().filter(|(_, token)| **token != Token::default());
        used.map(|(index, token)| {
            let (hams, spams) = (not_below_zero(token.ham), not_below_zero(token.spam));
            let (ham, spam) = (hams / self.counts.ham.max(1) as f32, spams / self.counts.spam.max(1) as f32);
            (index, hams as u32, spams as u32, spam / (spam + ham).max(f32::MIN_POSITIVE))
        })
    }

    /// How many places of the word table are in use.
    pub fn words_known(&self) -> usize {
        self.tokens.iter().filter(|token| **token != Token::default()).count()
    }

    pub fn score(&self, features: &Features, user: User) -> Score {
        Score { grams: self.grams_margin(features, user), words: self.words_margin(features) }
    }

    fn own_places(&self, user: User) -> Option<u32> {
        (user.0 != 0 && self.users.contains_key(&user.0)).then(|| place_of(user))
    }

    fn grams_margin(&self, features: &Features, user: User) -> f32 {
        let mut sum = self.sum(&features.grams, 0);
        if let Some(place) = self.own_places(user) {
            sum += self.sum(&features.grams, place);
        }
        RATE * length(features) * sum
    }

    fn sum(&self, grams: &[u32], place: u32) -> f32 {
        // Four sums side by side: a division and a root need not wait for the one before.
        let mut sums = [0f32; 4];
        let four = grams.chunks_exact(4);
        let rest = four.remainder();
        for four in four {
            for (sum, index) in sums.iter_mut().zip(four) {
                *sum += self.weight(index ^ place);
            }
        }
        sums.iter().sum::<f32>() + rest.iter().map(|index| self.weight(index ^ place)).sum::<f32>()
    }

    #[inline]
    fn weight(&self, index: u32) -> f32 {
        let gram = self.grams[index as usize & (GRAMS - 1)];
        gram.errors as f32 * (1.0 / ERROR_UNIT) / (BASE + not_below_zero(gram.squares) * (1.0 / SQUARE_UNIT)).sqrt()
    }

    /// How a 6-gram or a word pulls: above zero towards spam. For explanations.
    pub fn pull_of_gram(&self, index: u32) -> f32 {
        RATE * self.weight(index)
    }

    pub fn pull_of_word(&self, index: u32) -> Option<f32> {
        self.word(self.tokens[index as usize & (TOKENS - 1)]).map(log_odds)
    }

    /// The probability of spam where this word stands; `None` where it says nothing.
    #[inline]
    fn word(&self, token: Token) -> Option<f32> {
        let (ham, spam) = (not_below_zero(token.ham), not_below_zero(token.spam));
        let seen = ham + spam;
        if seen == 0.0 {
            return None;
        }
        let ham = ham / self.counts.ham.max(1) as f32;
        let spam = spam / self.counts.spam.max(1) as f32;
        let estimate = (STRENGTH * UNKNOWN + seen * spam / (spam + ham)) / (STRENGTH + seen);
        ((estimate - 0.5).abs() >= SAYS_NOTHING).then_some(estimate)
    }

    fn words_margin(&self, features: &Features) -> f32 {
        if self.counts.ham == 0 || self.counts.spam == 0 {
            return 0.0;
        }
        let (mut sum, mut number) = (0.0, 0u32);
        for index in &features.tokens {
            if let Some(estimate) = self.word(self.tokens[*index as usize & (TOKENS - 1)]) {
                sum += log_odds(estimate);
                number += 1;
            }
        }
        sum / (number.max(1) as f32).sqrt()
    }

    /// Learns that a message is of a class; what was said of it before is taken back first.
    pub fn learn(&mut self, digest: u128, features: &Features, class: Class, user: User, at: u32) -> Outcome {
        let mut lessons = Vec::new();
        if let Some(seen) = self.seen.get(&digest).copied() {
            if seen.class == class && seen.user == user {
                return Outcome::Known;
            }
            let undo = Lesson { digest, forget: true, seen, features: features.clone() };
            self.apply(&undo);
            lessons.push(undo);
        }
        if user.0 != 0 {
            self.users.entry(user.0).or_default(); // so that the margin is that with the user's own places
        }
        let (error, square) = self.step(features, class, user);
        let seen = Seen { class, at, user, error, square };
        let lesson = Lesson { digest, forget: false, seen, features: features.clone() };
        self.apply(&lesson);
        lessons.push(lesson);
        Outcome::Learnt(lessons)
    }

    /// Takes back what was learnt of a message; `None` where nothing was, or it is no longer remembered.
    pub fn forget(&mut self, digest: u128, features: &Features) -> Option<Lesson> {
        let seen = *self.seen.get(&digest)?;
        let lesson = Lesson { digest, forget: true, seen, features: features.clone() };
        self.apply(&lesson);
        Some(lesson)
    }

    /// By how much a lesson changes its 6-grams; nothing where the model knew.
    fn step(&self, features: &Features, class: Class, user: User) -> (i32, u32) {
        // In double precision and rounded: the same on every machine, whatever its mathematical library.
        let margin = f64::from(self.grams_margin(features, user));
        let probability = (1.0 / (1.0 + (-margin).exp())) as f32;
        let (wanted, knew) = match class {
            Class::Spam => (1.0, probability >= 1.0 - UNSURE),
            Class::Ham => (0.0, probability <= UNSURE),
        };
        if knew || features.grams.is_empty() {
            return (0, 0);
        }
        let error = (wanted - probability) * if class == Class::Ham { HAM } else { 1.0 };
        let units = error * length(features) * ERROR_UNIT;
        (units as i32, ((error * error) * SQUARE_UNIT) as u32)
    }

    /// Repeats a lesson: of the journal, or of another machine. Says whether it was new.
    pub fn apply(&mut self, lesson: &Lesson) -> bool {
        let known = self.seen.get(&lesson.digest);
        if lesson.forget != known.is_some() {
            return false;
        }
        let seen = lesson.seen;
        // Wrapping sums: whatever a damaged or hostile lesson added, taking it away gives what was there.
        let (error, square, one) = if lesson.forget {
            (seen.error.wrapping_neg(), seen.square.wrapping_neg(), u32::MAX)
        } else {
            (seen.error, seen.square, 1)
        };
        if seen.error != 0 || seen.square != 0 {
            self.add(&lesson.features.grams, 0, error, square);
            if seen.user.0 != 0 {
                self.add(&lesson.features.grams, place_of(seen.user), error, square);
            }
        }
        for index in &lesson.features.tokens {
            let token = &mut self.tokens[*index as usize & (TOKENS - 1)];
            let count = match seen.class {
                Class::Ham => &mut token.ham,
                Class::Spam => &mut token.spam,
            };
            *count = count.wrapping_add(one);
        }
        let count = |counts: &mut Counts| {
            let count = match seen.class {
                Class::Ham => &mut counts.ham,
                Class::Spam => &mut counts.spam,
            };
            *count = count.wrapping_add(one);
        };
        count(&mut self.counts);
        if seen.user.0 != 0 {
            let counts = self.users.entry(seen.user.0).or_default();
            count(counts);
            if *counts == Counts::default() {
                self.users.remove(&seen.user.0);
            }
        }
        if lesson.forget {
            self.seen.remove(&lesson.digest);
        } else {
            // Where machines share a model they forget at the same position: see `mark`.
            if self.place.epoch == 0 && self.is_full() {
                self.forget_oldest();
            }
            self.seen.insert(lesson.digest, seen);
        }
        true
    }

    fn add(&mut self, grams: &[u32], place: u32, error: i32, square: u32) {
        for index in grams {
            let gram = &mut self.grams[(index ^ place) as usize & (GRAMS - 1)];
            gram.errors = gram.errors.wrapping_add(error);
            gram.squares = gram.squares.wrapping_add(square);
        }
    }

    /// Drops a tenth of what is remembered: what it taught stays.
    pub(crate) fn forget_oldest(&mut self) {
        let mut times: Vec<(u32, u128)> = self.seen.iter().map(|(digest, seen)| (seen.at, *digest)).collect();
        times.sort_unstable();
        for (_, digest) in times.iter().take((times.len() / 10).max(1)) {
            self.seen.remove(digest);
        }
    }
}

fn length(features: &Features) -> f32 {
    LENGTH / (features.grams.len().max(1) as f32).sqrt()
}

/// A lesson that is taken back with other features than it was learnt with can leave less than nothing.
#[inline]
fn not_below_zero(sum: u32) -> f32 {
    (sum as i32).max(0) as f32
}

fn log_odds(estimate: f32) -> f32 {
    (estimate / (1.0 - estimate)).ln()
}

/// A user's own places are the common ones, shuffled.
fn place_of(user: User) -> u32 {
    let place = (user.0.wrapping_mul(0xd6e8_feb8_6659_fd93) >> (64 - GRAM_BITS)) as u32;
    place.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(seed: u32) -> Features {
        let grams = (0..500).map(|i| (seed.wrapping_mul(7_919) + i * 97) & (GRAMS as u32 - 1)).collect();
        let tokens = (0..80).map(|i| (seed.wrapping_mul(104_729) + i * 31) & (TOKENS as u32 - 1)).collect();
        Features { grams, tokens }
    }

    #[test]
    fn what_was_learnt_is_known_and_what_is_forgotten_leaves_nothing() {
        let mut model = Model::new();
        let empty = model.clone();
        for i in 0..20 {
            let class = if i % 2 == 0 { Class::Spam } else { Class::Ham };
            assert!(matches!(model.learn(i.into(), &features(i), class, User(0), i), Outcome::Learnt(_)));
        }
        assert_eq!(model.counts(), Counts { ham: 10, spam: 10 });
        assert!(model.score(&features(4), User(0)).probability() > 0.5);
        assert!(model.score(&features(5), User(0)).probability() < 0.5);
        assert_eq!(model.learn(4, &features(4), Class::Spam, User(0), 99), Outcome::Known);
        for i in 0..20 {
            assert!(model.forget(i.into(), &features(i)).is_some());
        }
        assert_eq!(model, empty);
        assert!(model.forget(4, &features(4)).is_none());
    }

    #[test]
    fn the_other_class_takes_the_first_lesson_back() {
        let (mut model, mut straight) = (Model::new(), Model::new());
        model.learn(1, &features(1), Class::Spam, User(0), 5);
        let Outcome::Learnt(lessons) = model.learn(1, &features(1), Class::Ham, User(0), 6) else { panic!() };
        assert_eq!(lessons.iter().map(|l| l.forget).collect::<Vec<_>>(), [true, false]);
        straight.learn(1, &features(1), Class::Ham, User(0), 6);
        assert_eq!(model, straight);
    }

    #[test]
    fn lessons_in_any_order_and_more_than_once_give_one_model() {
        let mut teacher = Model::new();
        let mut lessons = Vec::new();
        for i in 0..30 {
            let class = if i % 3 == 0 { Class::Spam } else { Class::Ham };
            let user = User(u64::from(i % 4));
            if let Outcome::Learnt(more) = teacher.learn(i.into(), &features(i), class, user, i) {
                lessons.extend(more);
            }
        }
        let mut other = Model::new();
        lessons.iter().rev().for_each(|lesson| assert!(other.apply(lesson)));
        assert!(lessons.iter().all(|lesson| !other.apply(lesson)));
        assert_eq!(teacher, other);
    }

    #[test]
    fn a_user_may_think_otherwise() {
        let mut model = Model::new();
        let (all, one) = (User(0), User(77));
        for i in 0..40 {
            model.learn(i.into(), &features(1_000), Class::Spam, all, i);
            model.learn(u128::from(i) + 100, &features(2_000 + i), Class::Ham, all, i);
        }
        for i in 0..5 {
            model.learn(u128::from(i) + 1_000, &features(1_000), Class::Ham, one, i);
        }
        let (common, own) = (model.score(&features(1_000), all), model.score(&features(1_000), one));
        assert!(common.grams > own.grams, "{common:?} {own:?}");
        assert_eq!(model.user_counts(one), Counts { ham: 5, spam: 0 });
        assert_eq!(model.score(&features(1_000), User(5)), common);
    }

    /// A relay added a field between the lesson and its being taken back.
    #[test]
    fn what_was_never_learnt_is_not_less_than_nothing() {
        let mut model = Model::new();
        for i in 0..30 {
            model.learn(i.into(), &features(i), if i % 2 == 0 { Class::Spam } else { Class::Ham }, User(0), i);
        }
        let with_more = Features {
            grams: [&features(4).grams[..], &[2_000_000, 2_000_001]].concat(),
            tokens: [&features(4).tokens[..], &[1_000_000]].concat(),
        };
        assert!(model.forget(4, &with_more).is_some());
        assert_eq!(model.pull_of_word(1_000_000), None);
        assert!(model.pull_of_gram(2_000_000).is_finite());
        assert!(model.words().all(|(.., probability)| (0.0..=1.0).contains(&probability)));
    }

    #[test]
    fn memory_of_lessons_is_bounded() {
        let mut model = Model { remember: 50, ..Model::new() };
        for i in 0..500 {
            model.learn(i.into(), &features(i), Class::Ham, User(0), i);
        }
        assert!(model.seen.len() <= 50);
        assert!(model.seen(499).is_some() && model.seen(0).is_none());
        assert_eq!(model.counts().ham, 500);
    }
}
