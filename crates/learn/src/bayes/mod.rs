//! What SpamAssassin's Bayes learnt, for sites that move over: its tokens, its arithmetic, its backups.
//!
//! In: the views of a message, and a file that `sa-learn --backup` wrote. Out: the probability that SpamAssassin 4.0
//! would give. SpamAssassin keeps five bytes of a token's SHA-1 and not the token, so nothing it learnt can become part of
//! the [`Model`](crate::Model); what can be had is SpamAssassin's opinion of new mail, and that needs its tokens to the
//! letter. [`Imported`] is read, never taught: it stands in while the own model knows too little, and has a smaller say
//! with each lesson after that ([`opinion`]).
//!
//! Held to the original by `cargo xtask bayes` and `crates/app/tests/import.rs`.

mod chew;
mod imported;
mod tokens;

pub use imported::{ImportError, Imported, Importer, Opinion};
pub use tokens::{Options, Stopwords, Token, Tokenizer};

use crate::model::{Counts, Score};

/// A message's tokens as SpamAssassin keeps them: five bytes of a SHA-1, as a number.
pub type Tokens = Vec<u64>;

/// How likely a message is spam by all that is known: what was learnt here, what was imported, or both. `None`: neither
/// has a say. `enough`: as many hams and spams were learnt here as the rules want.
pub fn opinion(score: Score, counts: Counts, enough: bool, imported: Option<f64>) -> Option<f64> {
    match (enough, imported) {
        (false, imported) => imported,
        (true, None) => Some(score.probability()),
        (true, Some(imported)) => {
            let margin = score.margin() + say(counts) * log_odds(imported);
            Some(1.0 / (1.0 + (-margin).exp()))
        }
    }
}

/// What the imported probability counts beside the model's, after so many lessons.
pub fn say(counts: Counts) -> f64 {
    let lessons = f64::from(counts.ham.min(counts.spam));
    SAY / (1.0 + lessons / HALF)
}

/// Chosen by measurement: docs/learning.md.
const SAY: f64 = 0.5;
/// After so many lessons of the rarer class it has half of that.
const HALF: f64 = 200.0;
/// No further from one half than this: SpamAssassin's probabilities reach 0 and 1.
const SURE: f64 = 0.001;

fn log_odds(probability: f64) -> f64 {
    let probability = probability.clamp(SURE, 1.0 - SURE);
    (probability / (1.0 - probability)).ln()
}
