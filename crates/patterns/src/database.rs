//! The compiled, immutable, shareable, serialisable whole.

use crate::{Found, GroupId, Match, PatternError, PatternId, PatternSpec, Scratch, Text};
use serde::{Deserialize, Serialize};

/// Takes patterns one by one; what is wrong with one is told at once and costs only that one.
#[derive(Default)]
pub struct Builder {
    count: u32,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The offset in the error counts from the start of the pattern's source.
    pub fn add(&mut self, _spec: PatternSpec<'_>) -> Result<PatternId, PatternError> {
        self.count += 1;
        Ok(PatternId(self.count - 1))
    }

    pub fn build(self) -> Database {
        Database {}
    }
}

/// All patterns of all groups, ready to scan. Shared between threads behind an `Arc`.
#[derive(Serialize, Deserialize)]
pub struct Database {}

/// The named groups of a match, `(name, bytes)`, in pattern order; groups that took no part are left out.
pub type Captures<'h> = Vec<(String, &'h [u8])>;

impl Database {
    /// Number of patterns.
    pub fn len(&self) -> usize {
        0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which patterns of `group` match the text? Adds to `found`.
    pub fn scan(&self, _group: GroupId, _text: Text<'_>, _scratch: &mut Scratch, _found: &mut Found) {}

    /// Does one pattern match one unit? Without prefilter: for checks and for `explain`.
    pub fn is_match(&self, _pattern: PatternId, _unit: &[u8]) -> bool {
        false
    }

    /// The first match at or after `start`, as Perl would find it in this unit.
    pub fn find(&self, _pattern: PatternId, _unit: &[u8], _start: usize) -> Option<Match> {
        None
    }

    /// The named groups of the first match at or after `start`, and where it ended.
    pub fn captures<'h>(&self, _pattern: PatternId, _unit: &'h [u8], _start: usize) -> Option<(Match, Captures<'h>)> {
        None
    }
}
