//! The compiled, immutable, shareable, serialisable whole: [`Builder`] takes patterns, [`Database`] scans.
//!
//! What is stored are the patterns' sources and the tables that find candidates; confirmers are built from the
//! source at a pattern's first candidate. So loading parses nothing, and a rule that never comes near a match
//! costs a few hundred bytes.

use crate::address::{self, AddressRange, AddressTable};
use crate::ir::Look;
use crate::literal::{self, Requirement};
use crate::prefilter::{Hint, PADDING, Prefilter, PrefilterBuilder};
use crate::regex::with_workspace;
use crate::spec::{Count, GroupId, PatternId, PatternKind, PatternSpec};
use crate::verify::{self, Answer, Confirmer, Pattern, Shape};
use crate::{Explained, Flags, Found, Language, Match, PatternError, Scratch, Text, describe, perl};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes patterns one by one; what is wrong with one is told at once and costs only that one.
#[derive(Default)]
pub struct Builder {
    patterns: Vec<Record>,
    groups: Vec<GroupBuilder>,
}

#[derive(Default)]
struct GroupBuilder {
    prefilter: PrefilterBuilder,
    addresses: Vec<(u32, AddressRange)>,
    always: Vec<u32>,
}

/// What is stored of a pattern.
#[derive(Serialize, Deserialize)]
struct Record {
    source: Vec<u8>,
    flags: Flags,
    count: Count,
    group: GroupId,
    shape: Shape,
    begins: Begins,
    skip_first_unit: bool,
    countable: bool,
    /// Length of the shortest match.
    shortest: u32,
    /// A match holds no line feed.
    one_line: bool,
}

/// Where matches can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Begins {
    /// At the start of the unit.
    AtStart,
    /// At starts of lines.
    AtLineStart,
    Anywhere,
}

impl Record {
    fn pattern(&self) -> Pattern<'_> {
        Pattern { source: &self.source, flags: self.flags, shape: self.shape, countable: self.countable }
    }
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The offset in the error counts from the start of the pattern's source.
    pub fn add(&mut self, spec: PatternSpec<'_>) -> Result<PatternId, PatternError> {
        let PatternKind::Regex { source, flags } = spec.kind;
        let tree = perl::parse(source, flags)?;
        verify::check(&tree, source, flags)?;
        let id = PatternId(self.patterns.len() as u32);
        let group = spec.group.0 as usize;
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, GroupBuilder::default);
        }
        let tables = &mut self.groups[group];
        let range = address::recognise(&tree);
        let begins = match &tree.root {
            root if literal::starts_at(root, &[Look::Start]) => Begins::AtStart,
            root if literal::starts_at(root, &[Look::Start, Look::LineStart]) => Begins::AtLineStart,
            _ => Begins::Anywhere,
        };
        match literal::requirement(&tree, spec.count != Count::Once) {
            _ if range.is_some() => tables.addresses.extend(range.map(|range| (id.0, range))),
            Requirement::Nothing => tables.always.push(id.0),
            Requirement::AnyFragment(fragments) => tables.prefilter.add_fragments(id.0, fragments),
            Requirement::AnyWindow(windows) => tables.prefilter.add_windows(id.0, windows),
        }
        self.patterns.push(Record {
            source: source.to_vec(),
            flags,
            count: spec.count,
            group: spec.group,
            shape: verify::shape(&tree),
            begins,
            skip_first_unit: spec.skip_first_unit,
            countable: tree.is_regular() && tree.bounds_are_regular(),
            shortest: tree.root.span().min,
            one_line: literal::is_one_line(&tree),
        });
        Ok(id)
    }

    pub fn build(self) -> Database {
        let groups = self.groups.into_iter().map(|mut group| {
            let addresses = AddressTable::new(&group.addresses);
            if addresses.is_none() {
                group.always.extend(group.addresses.iter().map(|(pattern, _)| *pattern));
            }
            Group { prefilter: group.prefilter.build(), addresses, always: group.always }
        });
        Database::new(Stored { patterns: self.patterns, groups: groups.collect() })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    patterns: Vec<Record>,
    groups: Vec<Group>,
}

#[derive(Serialize, Deserialize)]
struct Group {
    prefilter: Prefilter,
    addresses: Option<AddressTable>,
    /// Patterns about which the prefilter knows nothing.
    always: Vec<u32>,
}

/// All patterns of all groups, ready to scan. Shared between threads behind an `Arc`.
#[derive(Deserialize)]
#[serde(from = "Stored")]
pub struct Database {
    stored: Stored,
    confirmers: Vec<Confirmer>,
    /// Tells databases apart, for what a [`Scratch`] keeps.
    identity: u64,
}

impl Serialize for Database {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored.serialize(serializer)
    }
}

impl From<Stored> for Database {
    fn from(stored: Stored) -> Database {
        Database::new(stored)
    }
}

/// The named groups of a match, `(name, bytes)`, in pattern order; groups that took no part are left out.
pub type Captures<'h> = Vec<(String, &'h [u8])>;

impl Database {
    fn new(stored: Stored) -> Database {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let confirmers = stored.patterns.iter().map(|_| Confirmer::new()).collect();
        Database { stored, confirmers, identity: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.stored.patterns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn group(&self, pattern: PatternId) -> Option<GroupId> {
        self.stored.patterns.get(pattern.0 as usize).map(|record| record.group)
    }

    /// How the patterns of each group are searched for, in words, for whoever tunes this crate.
    pub fn statistics(&self, name: &dyn Fn(GroupId) -> String) -> String {
        let mut out = String::new();
        for (index, group) in self.stored.groups.iter().enumerate() {
            let id = GroupId(index as u32);
            let own = || self.stored.patterns.iter().filter(|record| record.group == id);
            let of = |shape: Shape| own().filter(|record| record.shape == shape).count();
            let _ = writeln!(
                out,
                "{}: {} patterns ({} fixed, {} regular, {} irregular), always {}: {:?}; {}",
                name(id),
                own().count(),
                of(Shape::Fixed),
                of(Shape::Regular),
                of(Shape::Irregular),
                group.always.len(),
                group
                    .always
                    .iter()
                    .map(|p| self.stored.patterns[*p as usize].source.escape_ascii().to_string())
                    .map(|s| s.chars().take(80).collect::<String>())
                    .collect::<Vec<_>>(),
                group.prefilter.statistics(),
            );
        }
        out
    }

    /// Which patterns of `group` match the text? Adds to `found`.
    pub fn scan(&self, group: GroupId, text: Text<'_>, scratch: &mut Scratch, found: &mut Found) {
        let Some(tables) = self.stored.groups.get(group.0 as usize) else { return };
        if text.ends.is_empty() {
            return;
        }
        scratch.belong_to(self.identity, self.len());
        let mut buffers = std::mem::take(&mut scratch.buffers);
        if tables.prefilter.needs_folded() {
            buffers.folded.clear();
            buffers.folded.extend(text.bytes.iter().map(u8::to_ascii_lowercase));
            buffers.folded.extend_from_slice(&[0; PADDING]);
        }
        let mut scan = Scan { database: self, text, scratch, found, unit: 0, unit_start: 0, unit_end: 0 };
        scan.enter(0);
        tables.prefilter.scan(text.bytes, &buffers.folded, &mut buffers.symbols, &mut |place, len, hint| {
            scan.candidate(place, len, hint);
        });
        if let Some(addresses) = &tables.addresses {
            for unit in 0..text.ends.len() {
                scan.enter(unit);
                let bytes = &text.bytes[scan.unit_start..scan.unit_end];
                addresses.look_up(bytes, |pattern| scan.hit(pattern));
            }
        }
        for pattern in &tables.always {
            scan.everywhere(*pattern);
        }
        scratch.units += text.ends.len() as u64;
        scratch.buffers = buffers;
    }

    /// Does one pattern match one unit? Without prefilter: for checks and for `explain`.
    pub fn is_match(&self, pattern: PatternId, unit: &[u8]) -> bool {
        self.pattern(pattern).is_some_and(|(record, confirmer)| confirmer.exists(record.pattern(), unit))
    }

    /// The first match at or after `start`, as Perl would find it in this unit.
    pub fn find(&self, pattern: PatternId, unit: &[u8], start: usize) -> Option<Match> {
        let (record, confirmer) = self.pattern(pattern)?;
        with_workspace(|workspace| confirmer.find(record.pattern(), unit, start, workspace)).map(|(found, _)| found)
    }

    /// The named groups of the first match at or after `start`, and where it was.
    pub fn captures<'h>(&self, pattern: PatternId, unit: &'h [u8], start: usize) -> Option<(Match, Captures<'h>)> {
        let (record, confirmer) = self.pattern(pattern)?;
        with_workspace(|workspace| confirmer.captures(record.pattern(), unit, start, workspace))
    }

    /// The pattern piece by piece in words.
    pub fn explain(&self, pattern: PatternId) -> Vec<Explained> {
        let explained =
            self.pattern(pattern).map(|(record, _)| describe(&record.source, record.flags, Language::English));
        explained.and_then(Result::ok).unwrap_or_default()
    }

    /// The pattern as it was added.
    pub fn source(&self, pattern: PatternId) -> Option<(&[u8], Flags)> {
        self.pattern(pattern).map(|(record, _)| (&record.source[..], record.flags))
    }

    fn pattern(&self, pattern: PatternId) -> Option<(&Record, &Confirmer)> {
        let index = pattern.0 as usize;
        self.stored.patterns.get(index).zip(self.confirmers.get(index))
    }
}

/// One pass over one text.
struct Scan<'a> {
    database: &'a Database,
    text: Text<'a>,
    scratch: &'a mut Scratch,
    found: &'a mut Found,
    unit: usize,
    unit_start: usize,
    unit_end: usize,
}

impl Scan<'_> {
    fn enter(&mut self, unit: usize) {
        self.unit = unit;
        self.unit_start = if unit == 0 { 0 } else { self.text.ends[unit - 1] as usize };
        self.unit_end = (self.text.ends[unit] as usize).clamp(self.unit_start, self.text.bytes.len());
    }

    /// Something at `place..place + len` speaks for a pattern.
    fn candidate(&mut self, place: usize, len: usize, hint: &Hint) {
        if place < self.unit_start {
            self.enter(0); // the second pass begins anew
        }
        while place >= self.unit_end && self.unit + 1 < self.text.ends.len() {
            self.enter(self.unit + 1);
        }
        if place + len > self.unit_end || place < self.unit_start {
            return;
        }
        let place = place - self.unit_start;
        let Some(last) = place.checked_sub(hint.min as usize) else { return };
        let first = if hint.max == u32::MAX { 0 } else { place.saturating_sub(hint.max as usize) };
        self.confirm(hint.pattern, first, last);
    }

    fn everywhere(&mut self, pattern: u32) {
        for unit in 0..self.text.ends.len() {
            self.enter(unit);
            self.confirm(pattern, 0, self.unit_end - self.unit_start);
            if self.is_done(pattern) {
                return;
            }
        }
    }

    /// A pattern that is known to match the current unit once.
    fn hit(&mut self, pattern: u32) {
        let skip = self.unit == 0 && self.database.stored.patterns[pattern as usize].skip_first_unit;
        if !skip && !self.is_done(pattern) {
            self.found.add(PatternId(pattern), 1, self.unit as u32);
        }
    }

    fn is_done(&self, pattern: u32) -> bool {
        let limit = match self.database.stored.patterns[pattern as usize].count {
            Count::Once => 1,
            Count::Many { limit: 0 } => return false,
            Count::Many { limit } => limit,
        };
        self.found.get(PatternId(pattern)).is_some_and(|hit| hit.count >= limit)
    }

    /// Matches that begin at `first..=last` of the current unit.
    fn confirm(&mut self, index: u32, mut first: usize, mut last: usize) {
        let record = &self.database.stored.patterns[index as usize];
        let id = PatternId(index);
        let len = self.unit_end - self.unit_start;
        let Some(latest) = len.checked_sub(record.shortest as usize) else { return };
        last = if record.begins == Begins::AtStart { 0 } else { last.min(latest) };
        if first > last || record.skip_first_unit && self.unit == 0 {
            return;
        }
        let stamp = self.scratch.units + self.unit as u64 + 1;
        let own = &mut self.scratch.patterns[index as usize];
        if own.unit != stamp {
            own.unit = stamp;
            own.tried = 0..0;
        }
        // Candidates come in the order of what was found, not of where matches would begin.
        if own.tried.contains(&first) {
            first = own.tried.end;
        }
        if own.tried.contains(&last) {
            last = own.tried.start.wrapping_sub(1);
        }
        if last == usize::MAX || first > last {
            return;
        }
        if self.is_done(index) || self.found.limited().contains(&id) {
            return;
        }
        let own = &mut self.scratch.patterns[index as usize];
        let confirmer = &self.database.confirmers[index as usize];
        let unit = &self.text.bytes[self.unit_start..self.unit_end];
        let workspace = &mut self.scratch.workspace;
        let pattern = record.pattern();
        match record.count {
            Count::Once => {
                let range = (first, last);
                let shortest_line = if record.one_line { record.shortest as usize } else { 0 };
                let (answer, tried) = match record.begins {
                    Begins::AtLineStart => (
                        confirmer.confirm_lines(pattern, unit, range, shortest_line, &mut own.cache, workspace),
                        last + 1,
                    ),
                    _ => confirmer.confirm(pattern, unit, range, &mut own.cache, workspace),
                };
                own.tried = match () {
                    _ if own.tried.end == first => own.tried.start..tried,
                    _ if own.tried.start == tried => first..own.tried.end,
                    _ => first..tried,
                };
                match answer {
                    Answer::Yes => self.found.add(id, 1, self.unit as u32),
                    Answer::No => {}
                    Answer::Limit => self.found.add_limited(id),
                }
            }
            Count::Many { limit } => {
                own.tried = 0..usize::MAX;
                let have = self.found.get(id).map_or(0, |hit| hit.count);
                let left = if limit == 0 { 0 } else { limit - have };
                let lines = if record.begins == Begins::AtLineStart && record.shortest > 0 {
                    confirmer.count_lines(pattern, unit, left, &mut own.cache, workspace)
                } else {
                    None
                };
                let (count, answer) =
                    lines.unwrap_or_else(|| confirmer.count(pattern, unit, left, &mut own.cache, workspace));
                if count > 0 {
                    self.found.add(id, count, self.unit as u32);
                }
                if answer == Answer::Limit {
                    self.found.add_limited(id);
                }
            }
        }
    }
}
