//! How much somebody sent lately: counts over a sliding window, exact to a [`SLICES`]th of it.
//!
//! In: a subject (a user who logged in, a client), a window, how many more. Out: the sum over the window, everybody's
//! additions included, whichever machine they were made on. Whether that is too much is the caller's to say.

use crate::backend::{Backend, Count};
use crate::error::Result;
use crate::format::text_position;
use crate::time::{Span, Time, millis};
use std::sync::Arc;

/// A count never misses what lies within the window; it may still hold what is up to a slice older.
pub const SLICES: u64 = 60;

/// See [`crate::Store::rates`].
#[derive(Clone)]
pub struct Rates {
    backend: Arc<dyn Backend>,
}

impl Rates {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Rates {
        Rates { backend }
    }

    /// Adds `more` of `what` (`messages`, `recipients`, `bytes`) and tells the sum over the last `window`. With `more` 0 it
    /// only tells.
    pub fn add(&self, what: &str, subject: &[u8], window: Span, more: u32, now: Time) -> Result<u64> {
        let window = millis(window).max(1);
        let slice = window.div_ceil(SLICES);
        let mut name = text_position(what.as_bytes());
        name.extend_from_slice(&window.to_be_bytes());
        name.extend_from_slice(subject);
        let slot = now.millis() / slice;
        let sum = self.backend.count(&Count {
            name: &name,
            slot,
            add: i64::from(more),
            since: now.millis().saturating_sub(window) / slice,
            expires: now.after(Span::from_millis(window.saturating_mul(2))),
        })?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }

    /// Forgets what no window reaches any more; how many slices.
    pub fn expire(&self, now: Time) -> Result<u64> {
        self.backend.forget_counts(now)
    }
}
