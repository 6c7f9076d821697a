//! Learning: a message becomes [`Features`], features a [`Score`], a [`Lesson`] a change of the [`Model`].
//!
//! Two learners look at the same message. The first is an online logistic regression over hashed byte 6-grams of the raw
//! header and of what a reader sees, so that no language needs a dictionary. The second counts words, and for Chinese and
//! Japanese runs of one script and pairs of characters, as SpamAssassin's Bayes counts words. Their sum is better than
//! either; `docs/learning.md` has the measurements, also of what was tried and dropped.
//!
//! Both keep sums to which a lesson adds integers. So lessons may come in any order, and a lesson is taken back exactly by
//! subtracting what it added. How several machines reach one model: [`exchange`].
//!
//! A third opinion may stand beside: what a site's SpamAssassin had learnt ([`bayes`]).
//!
//! No storage here: [`Model::to_bytes`] and [`Lesson::to_bytes`] give what the program writes.
#![forbid(unsafe_code)]

pub mod bayes;
pub mod exchange;
pub mod features;
pub mod format;
pub mod model;
pub mod token;

pub use exchange::{Mark, Pending, Place, Statement};
pub use features::{Extractor, Features, Options, Piece, digest};
pub use format::{Damaged, Record};
pub use model::{Counts, Lesson, Model, Outcome, Score, Seen, User};

/// What somebody says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Ham,
    Spam,
}

/// A message at least this likely to be spam is called spam where nothing else has a say: the threshold at which the
/// published figures hold. Ham lost weighs more than spam let through, hence not one half.
pub const SPAM_FROM: f64 = 0.7;
