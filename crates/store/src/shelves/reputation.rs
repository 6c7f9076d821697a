//! What senders' mail scored, on average: one record for each name that a sender is known by.
//!
//! In: an identity, as the caller writes it, and the score of one message. Out: how many there were and their sum, in
//! thousandths of a point. Each further message waters down what was before it ([`Decay`]), so that whoever changes his ways
//! is known for that in time. Written [`Durability::Soon`]: one score lost to a power cut changes no average.

use crate::backend::{Backend, Durability, Shelf};
use crate::error::Result;
use crate::format::{self, Bytes, cut};
use crate::shelves::lasting::{self, Lasting};
use crate::shelves::{self, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const MAX_SHOWN: usize = 320;
/// A score beyond this counts as this.
const MAX_SCORE: i64 = 1_000_000;

/// What is known of one identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// What kind of name it is: `email_ip`, `domain`, ...
    pub kind: String,
    /// For people; cut where it is long.
    pub who: Bytes,
    /// SHA-256 of the whole, hexadecimal.
    pub digest: String,
    /// Messages.
    pub count: u64,
    /// Their scores, in thousandths, the older ones watered down.
    pub total: i64,
    pub first: Time,
    pub last: Time,
    pub expires: Time,
}

/// How older scores lose weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// What is left of the old average's weight at each new message, above 0 and up to 1 (nothing is lost).
    pub factor: f64,
    /// Forgotten so long after the last message.
    pub keep: Span,
}

impl Standing {
    fn new(kind: &str, who: &[u8], now: Time) -> Standing {
        let digest: [u8; 32] = Sha256::digest(who).into();
        Standing {
            kind: kind.to_owned(),
            who: cut(who, MAX_SHOWN).into(),
            digest: format::hex(&digest),
            first: now,
            last: now,
            ..Standing::default()
        }
    }

    /// The average, in thousandths.
    pub fn mean(&self) -> i64 {
        i64::try_from(self.count).ok().filter(|count| *count > 0).map_or(0, |count| self.total / count)
    }

    fn add(&mut self, score: i64, factor: f64) {
        let (count, total) = (self.count as f64, self.total as f64);
        let score = score.clamp(-MAX_SCORE, MAX_SCORE) as f64;
        let factor = if factor > 0.0 && factor <= 1.0 { factor } else { 1.0 };
        let sum = match self.count {
            0 => score,
            _ => (count + 1.0) * (factor * total + score) / (factor * count + 1.0),
        };
        self.count = self.count.saturating_add(1);
        self.total = sum.round() as i64; // a float beyond the range becomes its end
    }
}

impl Kept for Standing {
    const SHELF: Shelf = Shelf::Reputation;

    fn key(&self) -> Vec<u8> {
        lasting::key(&self.kind, &self.digest)
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        lasting::lists(self.expires)
    }
}

impl Lasting for Standing {
    fn expires(&self) -> Time {
        self.expires
    }
}

/// See [`crate::Store::reputation`].
#[derive(Clone)]
pub struct Reputation {
    backend: Arc<dyn Backend>,
}

impl Reputation {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Reputation {
        Reputation { backend }
    }

    pub fn get(&self, kind: &str, who: &[u8], now: Time) -> Result<Option<Standing>> {
        let (_, standing) = lasting::read(self.backend.as_ref(), &Standing::new(kind, who, now), now)?;
        Ok((standing.count > 0).then_some(standing))
    }

    /// Adds one message's score, in thousandths.
    pub fn add(&self, kind: &str, who: &[u8], score: i64, decay: &Decay, now: Time) -> Result<Standing> {
        let fresh = Standing::new(kind, who, now);
        let what = || format!("reputation of {}", fresh.who.lossy());
        shelves::retry(self.backend.as_ref(), Durability::Soon, what, || {
            let (before, mut standing) = lasting::read(self.backend.as_ref(), &fresh, now)?;
            standing.add(score, decay.factor);
            standing.last = standing.last.max(now);
            standing.expires = now.after(decay.keep);
            Ok((vec![shelves::put(&standing, before)], standing))
        })
    }

    /// All of a kind, at most `limit`, after `after` (the last of the page before).
    pub fn list(&self, kind: &str, after: Option<&Standing>, limit: usize) -> Result<Vec<Standing>> {
        lasting::list(self.backend.as_ref(), kind, after, limit)
    }

    /// Whether there was anything.
    pub fn forget(&self, standing: &Standing) -> Result<bool> {
        lasting::forget(self.backend.as_ref(), standing, || format!("reputation of {}", standing.who.lossy()))
    }

    /// Forgets what is over its time; how many.
    pub fn expire(&self, now: Time) -> Result<u64> {
        lasting::expire::<Standing>(self.backend.as_ref(), now)
    }
}
