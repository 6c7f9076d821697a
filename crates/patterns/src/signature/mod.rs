//! Signatures in ClamAV's hexadecimal notation: many at once over one text.
//!
//! In: strings with wildcards, each in one of sixteen groups (kinds of text). Out: a [`Database`], immutable and made of
//! flat tables so that a cache loads as fast as it can be read; it tells which signatures of some groups lie where.
//!
//! One pass over the text finds candidates (`prefilter`); each is then compared exactly (`program`). A signature in
//! several parts is known by the rarest piece of any of them: only where that occurs are the others looked for, in order,
//! once a text. So a gap that may be as long as the file costs nothing while nothing speaks for the signature.

pub mod blob;
mod offset;
mod parse;
pub mod pcre;
mod prefilter;
mod program;

pub use offset::{Executable, Landmark, Offset};
pub use parse::Modifiers;
pub use pcre::{Pcre, PcreFlags};

use crate::{PatternError, PatternId};
use blob::{Bytes, U32s};
use prefilter::{Census, Prefilter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

/// One signature string, as it is added.
#[derive(Clone, Copy, Debug)]
pub struct SignatureSpec<'a> {
    pub hex: &'a [u8],
    pub modifiers: Modifiers,
    pub offset: Offset,
    /// Below 16.
    pub group: u8,
    /// Report every match instead of the first.
    pub every: bool,
}

const LITERAL: u8 = 1;
const NOCASE: u8 = 2;
const WIDE: u8 = 4;
const EVERY: u8 = 8;
const SEVERAL: u8 = 16;

fn flag(on: bool, flag: u8) -> u8 {
    if on { flag } else { 0 }
}

/// Longest literal that an entry can point into.
const LONGEST_LITERAL: usize = 1 << 16;

/// Collects signatures.
#[derive(Default)]
pub struct Builder {
    blob: Vec<u8>,
    starts: Vec<u32>,
    flags: Vec<u8>,
    /// Which part, which of its literals, first literal byte in the blob, length, for each pattern's literals.
    literals: Vec<Choice>,
    first_choice: Vec<u32>,
    groups: Vec<u8>,
}

/// A literal that could stand for its pattern.
struct Choice {
    part: u16,
    number: u16,
    start: u32,
    len: u32,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Adds a signature under one identifier, or two where options ask for two forms.
    pub fn add(&mut self, spec: SignatureSpec<'_>) -> Result<Range<u32>, PatternError> {
        let first = self.flags.len() as u32;
        if !spec.modifiers.any() && spec.offset == Offset::Any && self.add_plain(&spec) {
            return Ok(first..first + 1);
        }
        let trees = parse::parse(spec.hex, spec.modifiers)?;
        if self.blob.len() > (u32::MAX as usize) - (1 << 24) {
            return Err(PatternError::new(0, "there are too many signatures"));
        }
        for tree in &trees {
            let mut flags = flag(tree.nocase, NOCASE) | flag(tree.wide, WIDE) | flag(spec.every, EVERY);
            self.starts.push(self.blob.len() as u32);
            self.first_choice.push(self.literals.len() as u32);
            self.groups.push(spec.group & 15);
            match program::plain(tree).filter(|_| spec.offset == Offset::Any) {
                Some(literal) => {
                    flags |= LITERAL;
                    self.choice(0, 0, self.blob.len(), literal.len());
                    self.blob.extend_from_slice(&literal);
                }
                None => {
                    if tree.parts.len() > 1 {
                        flags |= SEVERAL;
                    }
                    // The anchor is filled in by `build`.
                    spec.offset.encode(&mut self.blob);
                    self.blob.extend_from_slice(&[0; ANCHOR]);
                    let parts_at = self.blob.len();
                    program::encode(tree, &mut self.blob);
                    self.choices(tree, parts_at);
                }
            }
            self.flags.push(flags);
        }
        Ok(first..self.flags.len() as u32)
    }

    /// The common case, without a tree: a string of hexadecimal digits.
    fn add_plain(&mut self, spec: &SignatureSpec<'_>) -> bool {
        if spec.hex.len() < 4 || spec.hex.len() % 2 == 1 || spec.hex.len() >= 2 * LONGEST_LITERAL {
            return false;
        }
        if self.blob.len() > (u32::MAX as usize) - (1 << 24) {
            return false;
        }
        let start = self.blob.len();
        for pair in spec.hex.chunks_exact(2) {
            let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
            if (high | low) & 0xF0 != 0 {
                self.blob.truncate(start);
                return false;
            }
            self.blob.push(high << 4 | low);
        }
        self.starts.push(start as u32);
        self.first_choice.push(self.literals.len() as u32);
        self.groups.push(spec.group & 15);
        self.choice(0, 0, start, self.blob.len() - start);
        self.flags.push(LITERAL | flag(spec.every, EVERY));
        true
    }

    fn choice(&mut self, part: usize, number: usize, start: usize, len: usize) {
        let len = len.min(LONGEST_LITERAL - 1);
        self.literals.push(Choice { part: part as u16, number: number as u16, start: start as u32, len: len as u32 });
    }

    /// Every literal of every part may stand for the pattern.
    fn choices(&mut self, tree: &parse::Tree, parts_at: usize) {
        let mut from = parts_at;
        for (index, part) in tree.parts.iter().enumerate() {
            for (number, literal) in program::literals(part).iter().enumerate() {
                // Literals lie in the blob as they are, in this order.
                let Some(at) = memchr::memmem::find(&self.blob[from..], literal) else { continue };
                self.choice(index, number, from + at, literal.len());
                from += at;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.flags.len()
    }

    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Chooses for each signature where it is looked for, and makes the tables.
    pub fn build(mut self) -> Database {
        let mut census = Census::new();
        for choice in &self.literals {
            census.add(&self.blob[choice.start as usize..][..choice.len as usize]);
        }
        let mut windows = prefilter::Builder::new(census, self.flags.len());
        for _ in 0..2 {
            let literal = |choice: &Choice| &self.blob[choice.start as usize..][..choice.len as usize];
            let literals = |pattern: usize| self.literals[self.choices_of(pattern)].iter().map(literal);
            windows.agree((0..self.flags.len()).map(literals));
        }
        // Those with few windows to choose from go first: what they need, the others can share.
        for short in [true, false] {
            for pattern in 0..self.flags.len() {
                let choices = self.choices_of(pattern);
                if (self.literals[choices.clone()].iter().all(|choice| choice.len < SHORT)) == short {
                    self.choose(pattern, choices, &mut windows);
                }
            }
        }
        self.starts.push(self.blob.len() as u32);
        let Builder { blob, starts, flags, .. } = self;
        Database { blob: blob.into(), starts: starts[..].into(), flags: flags.into(), prefilter: windows.build() }
    }

    /// Which of the literals may stand for a pattern.
    fn choices_of(&self, pattern: usize) -> Range<usize> {
        let last = self.first_choice.get(pattern + 1).map_or(self.literals.len(), |next| *next as usize);
        self.first_choice[pattern] as usize..last
    }

    fn choose(&mut self, pattern: usize, choices: Range<usize>, windows: &mut prefilter::Builder) {
        let group = self.groups[pattern];
        let literal = |choice: &Choice| &self.blob[choice.start as usize..][..choice.len as usize];
        let weighed = self.literals[choices].iter().map(|choice| (windows.weigh(literal(choice), group), choice));
        let Some(((_, window), choice)) = weighed.min_by(|((a, _), _), ((b, _), _)| a.total_cmp(b)) else { return };
        windows.take(pattern as u32, group, literal(choice), window);
        if self.flags[pattern] & LITERAL == 0 {
            let at = self.starts[pattern] as usize + Offset::ENCODED;
            let within = choice.start - self.starts[pattern];
            self.blob[at..at + 2].copy_from_slice(&choice.part.to_le_bytes());
            self.blob[at + 2..at + 4].copy_from_slice(&choice.number.to_le_bytes());
            self.blob[at + 4..at + 8].copy_from_slice(&within.to_le_bytes());
            self.blob[at + 8..at + 12].copy_from_slice(&choice.len.to_le_bytes());
        }
    }
}

/// Literals below this length may have no window of eight bytes where they need it.
const SHORT: u32 = 12;

/// Value of a hexadecimal digit, 16 for anything else.
static DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut digit = 0;
    while digit < 16u8 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digits[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};

/// All signatures, ready to scan. Shared between threads behind an `Arc`.
#[derive(Default, Serialize, Deserialize)]
pub struct Database {
    blob: Bytes,
    /// Signature `i` is `blob[starts[i]..starts[i + 1]]`.
    starts: U32s,
    flags: Bytes,
    prefilter: Prefilter,
}

/// What a thread keeps between scans.
#[derive(Default)]
pub struct Scratch {
    /// Signatures of several parts that this text has been searched for.
    searched: HashMap<u32, ()>,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanEnd {
    /// Signatures of several parts given up because the text offered too many places.
    pub limited: u32,
}

/// Bytes that may be read for signatures of several parts: so many times the text, and at least so many.
const WORK: (usize, usize) = (64, 16 << 20);

impl Database {
    /// Number of signatures.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// A cache that was damaged may hold tables that do not fit together. To be asked once, after reading one.
    pub fn is_sound(&self) -> bool {
        (self.starts.len() == self.flags.len() + 1 || self.flags.is_empty())
            && self.starts.iter().is_sorted()
            && self.starts.iter().last().is_none_or(|last| last as usize <= self.blob.len())
            && self.prefilter.is_sound(self.flags.len())
    }

    pub fn statistics(&self) -> String {
        format!("{} signatures, {} bytes; {}", self.len(), self.blob.len(), self.prefilter.statistics())
    }

    /// Which signatures of the groups in the mask lie in the text, and where? A signature that is reported once may be
    /// reported again; one of which every match counts is reported for each.
    pub fn scan(
        &self,
        groups: u16,
        text: &[u8],
        executable: Option<&Executable>,
        scratch: &mut Scratch,
        found: &mut dyn FnMut(PatternId, Range<usize>),
    ) -> ScanEnd {
        let mut end = ScanEnd::default();
        let mut work = text.len().saturating_mul(WORK.0).max(WORK.1);
        scratch.searched.clear();
        let searched = &mut scratch.searched;
        let (blob, flags, starts) = (&self.blob[..], &self.flags[..], self.starts.chunks());
        self.prefilter.scan(text, groups, &mut |candidate| {
            let index = candidate.pattern as usize;
            let [start, stop] = [index, index + 1].map(|index| u32::from_le_bytes(starts[index]) as usize);
            let body = &blob[start..stop];
            let flags = flags[index];
            let nocase = flags & NOCASE != 0;
            let id = PatternId(candidate.pattern);
            if flags & LITERAL != 0 {
                if program::equal(text, candidate.literal, body, nocase) {
                    found(id, candidate.literal..candidate.literal + body.len());
                }
                return;
            }
            let Some((offset, anchor, parts)) = split(body) else { return };
            // Most candidates end here: nothing is read back for them.
            if !program::equal(text, candidate.literal, anchor.literal, nocase) {
                return;
            }
            if flags & SEVERAL != 0 {
                if searched.insert(candidate.pattern, ()).is_some() {
                    return;
                }
                let pieces = program::pieces(parts, nocase, flags & WIDE != 0);
                let Some((first, last)) = offset.range(text.len(), executable) else { return };
                let start_fits = |start: usize| (first..=last).contains(&start);
                let matches = program::in_order(&pieces, text, flags & EVERY == 0, &start_fits, &mut work);
                end.limited += u32::from(matches.limited);
                for place in matches.places {
                    found(id, place);
                }
                return;
            }
            let Some((first, last)) = offset.range(text.len(), executable) else { return };
            let pieces = program::pieces(parts, nocase, flags & WIDE != 0);
            let Some(piece) = pieces.first() else { return };
            let Some((index, _)) = piece.literal(anchor.number) else { return };
            let (starts, ends) = piece.around(text, index, candidate.literal);
            let start = starts.into_iter().find(|start| (first..=last).contains(start));
            if let (Some(start), Some(end)) = (start, ends.first()) {
                found(id, start..*end);
            }
        });
        end
    }

    /// The offset field of a signature.
    pub fn offset(&self, id: PatternId) -> Offset {
        let index = id.0 as usize;
        match (self.flags.get(index), self.starts.get(index)) {
            (Some(flags), Some(start)) if flags & LITERAL == 0 => {
                Offset::decode(self.blob.get(start as usize..).unwrap_or_default())
            }
            _ => Offset::Any,
        }
    }
}

/// Bytes that an anchor takes in the blob: part, number of the literal in it, its place in the program, its length.
const ANCHOR: usize = 12;

/// The literal that a program is known by.
struct Anchor<'a> {
    number: usize,
    literal: &'a [u8],
}

/// Offset, anchor and parts of a stored program.
fn split(body: &[u8]) -> Option<(Offset, Anchor<'_>, &[u8])> {
    let (offset, rest) = body.split_at_checked(Offset::ENCODED)?;
    let (anchor, parts) = rest.split_first_chunk::<ANCHOR>()?;
    let word = |at: usize| u32::from_le_bytes([anchor[at], anchor[at + 1], anchor[at + 2], anchor[at + 3]]) as usize;
    let number = usize::from(u16::from_le_bytes([anchor[2], anchor[3]]));
    let literal = body.get(word(4)..word(4).checked_add(word(8))?)?;
    Some((Offset::decode(offset), Anchor { number, literal }, parts))
}

#[cfg(test)]
mod tests;
