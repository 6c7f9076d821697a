//! Points in time and spans, in milliseconds, handed in by the caller.
//!
//! Seconds would do for retention; milliseconds order what happens within one.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC. Never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

/// Room for what an [`crate::Id`] keeps of a time: until the year 2248.
const LATEST: u64 = (1 << 43) - 1;

impl Time {
    pub const START: Time = Time(0);
    pub const END: Time = Time(LATEST);

    pub fn from_millis(millis: i64) -> Time {
        Time(u64::try_from(millis).unwrap_or(0).min(LATEST))
    }

    pub fn from_seconds(seconds: i64) -> Time {
        Time::from_millis(seconds.saturating_mul(1000))
    }

    pub fn millis(self) -> u64 {
        self.0.min(LATEST)
    }

    pub fn seconds(self) -> i64 {
        (self.millis() / 1000).cast_signed()
    }

    /// Later by `span`; stops at the end of time.
    pub fn after(self, span: Span) -> Time {
        Time(self.millis().saturating_add(millis(span)).min(LATEST))
    }

    /// Earlier by `span`; stops at the start.
    pub fn before(self, span: Span) -> Time {
        Time(self.millis().saturating_sub(millis(span)))
    }

    /// What passed since `earlier`; nothing where that lies ahead (clocks are set back now and then).
    pub fn since(self, earlier: Time) -> Span {
        Duration::from_millis(self.millis().saturating_sub(earlier.millis()))
    }

    /// Eight bytes in the order of time.
    pub(crate) fn position(self) -> [u8; 8] {
        self.millis().to_be_bytes()
    }
}

/// A span of time.
pub type Span = Duration;

pub(crate) fn millis(span: Span) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
