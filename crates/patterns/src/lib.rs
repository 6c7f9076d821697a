//! Many patterns, one pass over a text. Knows nothing of mail.
//!
//! In: patterns in Perl's regular expression language (bytes, `/aa`), each belonging to one *group* (a kind of
//! text: body lines, one header, URIs). Out: a [`Database`] that tells which patterns of a group match a text,
//! exactly as Perl would, at a cost that hardly grows with the number of patterns.
//!
//! The page to read: [`Builder`] -> [`Database`] -> [`Database::scan`].

mod address;
mod database;
pub mod describe;
mod dispatch;
mod error;
pub mod ir;
mod literal;
mod model;
mod pcre2;
pub mod perl;
mod prefilter;
mod regex;
mod scratch;
pub mod signature;
mod spec;
mod translate;
mod verify;

pub use database::{Builder, Captures, Database};
pub use describe::{Explained, Language, describe};
pub use error::PatternError;
pub use perl::Flags;
pub use regex::Regex;
pub use scratch::{Found, Hit, Scratch};
pub use spec::{Count, GroupId, PatternId, PatternKind, PatternSpec};

/// Where a pattern matched: byte offsets into the haystack that was searched.
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

impl<'a> Text<'a> {
    /// The bytes of one unit; empty if there is no such unit.
    pub fn unit(&self, index: usize) -> &'a [u8] {
        let start = if index == 0 { 0 } else { self.ends.get(index - 1).map_or(self.bytes.len(), |e| *e as usize) };
        let end = self.ends.get(index).map_or(start, |e| *e as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }
}
