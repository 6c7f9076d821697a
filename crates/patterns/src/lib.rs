//! Many patterns, one pass over a text. Knows nothing of mail.
//!
//! In: patterns in Perl's regular expression language (bytes, `/aa`), each belonging to one *group* (a kind of
//! text: body lines, one header, URIs). Out: a [`Database`] that tells which patterns of a group match a text,
//! exactly as Perl would, at a cost that hardly grows with the number of patterns.
//!
//! The page to read: [`Builder`] -> [`Database`] -> [`Database::scan`].

use serde::{Deserialize, Serialize};

/// Index of a pattern in its database, in the order in which the builder took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PatternId(pub u32);

/// A kind of text; patterns of one group are scanned together. Chosen by the caller, small and dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupId(pub u32);

/// How many matches of a pattern the caller wants counted (SpamAssassin `tflags multiple maxhits=N`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Count {
    /// Stop at the first match in the whole text.
    Once,
    /// Count non-overlapping matches as Perl's `while (/$re/g)` does in each unit, up to the limit (0: no limit).
    Many { limit: u32 },
}

/// Where a pattern first matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub start: usize,
    pub end: usize,
}

/// A text as one buffer cut into units (body lines, URIs, header values); `ends[i]` is the end of unit `i`,
/// exclusive, and unit `i + 1` starts there. `^` and `$` see one unit at a time.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub bytes: &'a [u8],
    pub ends: &'a [u32],
}
