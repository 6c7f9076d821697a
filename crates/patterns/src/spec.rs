//! What a caller says about a pattern. Literal and hexadecimal signatures will be further [`PatternKind`]s.

use crate::Flags;
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
    /// Count non-overlapping matches as Perl's `while (/$re/g)` does in each unit, up to the limit over all units
    /// (0: no limit).
    Many { limit: u32 },
}

/// The language a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternKind<'a> {
    /// Perl's regular expressions on bytes, as [`crate::perl::parse_rule_literal`] cuts them out of a rule.
    Regex { source: &'a [u8], flags: Flags },
}

/// One pattern as handed to [`crate::Builder::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternSpec<'a> {
    pub group: GroupId,
    pub kind: PatternKind<'a>,
    pub count: Count,
    /// Do not look at unit 0 (SpamAssassin `tflags nosubject`).
    pub skip_first_unit: bool,
}

impl<'a> PatternSpec<'a> {
    /// A regular expression whose first match is wanted.
    pub fn regex(group: GroupId, source: &'a [u8], flags: Flags) -> PatternSpec<'a> {
        PatternSpec { group, kind: PatternKind::Regex { source, flags }, count: Count::Once, skip_first_unit: false }
    }
}
