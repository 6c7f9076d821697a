//! A signature as bytes: what is stored, and how it is compared with a text.
//!
//! Most signatures are a string of bytes and nothing else; those need no program. A program is a head and, for each
//! part, its elements one after the other. Comparing starts at a literal that is known to lie there and goes both ways
//! from it, with a set of places instead of backtracking, so that alternatives of different lengths cannot be made slow.

use super::parse::{Class, Elem, Mark, Near, Part, Tree};
use std::ops::Range;

/// Places kept while elements of different lengths are compared.
const MOST_PLACES: usize = 64;

const NO_LIMIT: u32 = u32::MAX;

mod tag {
    pub const LITERAL: u8 = 0;
    pub const MASKED: u8 = 1;
    pub const CLASS: u8 = 2;
    pub const STRINGS: u8 = 3;
    pub const BRANCH: u8 = 4;
}

/// Left and right neighbours that `(B)` takes for a boundary: bit 0 left, bit 1 right.
fn boundary(byte: u8) -> u8 {
    let left = matches!(byte, b' ' | b'-' | b'.' | b'/' | b'<' | b'@' | b'_');
    let right = matches!(byte, b'\n' | b'\r' | b' ' | b'"' | b'\'' | b'-' | b'/' | b'=' | b'>' | b'_');
    u8::from(left) | u8::from(right) << 1
}

fn word(mark: Option<Mark>) -> u8 {
    match mark {
        None => 0,
        Some(mark) => {
            let class = match mark.class {
                Class::Boundary => 1,
                Class::Line => 2,
                Class::Word => 3,
            };
            class | u8::from(mark.negated) << 4
        }
    }
}

fn unword(byte: u8) -> Option<Mark> {
    let class = match byte & 15 {
        1 => Class::Boundary,
        2 => Class::Line,
        3 => Class::Word,
        _ => return None,
    };
    Some(Mark { class, negated: byte >> 4 & 1 == 1 })
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_near(out: &mut Vec<u8>, near: Option<Near>) {
    match near {
        None => out.push(0),
        Some(near) => out.extend_from_slice(&[1, near.value, near.mask, near.min, near.max]),
    }
}

/// Adds the elements; literals of neighbouring bytes become one.
fn put_elems(out: &mut Vec<u8>, elems: &[Elem]) {
    let mut at = 0;
    while at < elems.len() {
        match &elems[at] {
            Elem::Byte(_) => {
                let bytes: Vec<u8> = literal_at(elems, at);
                out.push(tag::LITERAL);
                put_u32(out, bytes.len() as u32);
                at += bytes.len();
                out.extend_from_slice(&bytes);
                continue;
            }
            Elem::Masked { .. } => {
                let masked = |elem: &Elem| match elem {
                    Elem::Masked { value, mask } => Some([*value, *mask]),
                    _ => None,
                };
                let run: Vec<[u8; 2]> = elems[at..].iter().map_while(masked).collect();
                out.push(tag::MASKED);
                put_u32(out, run.len() as u32);
                out.extend(run.iter().flatten());
                at += run.len();
                continue;
            }
            Elem::Class(mark) => out.extend_from_slice(&[tag::CLASS, word(Some(*mark))]),
            Elem::Strings { negated, strings } => {
                out.extend_from_slice(&[tag::STRINGS, u8::from(*negated)]);
                put_u32(out, strings[0].len() as u32);
                put_u32(out, strings.len() as u32);
                strings.iter().for_each(|string| out.extend_from_slice(string));
            }
            Elem::Branch(branches) => {
                out.push(tag::BRANCH);
                let length_at = out.len();
                put_u32(out, 0);
                for branch in branches {
                    let branch_at = out.len();
                    put_u32(out, 0);
                    put_elems(out, branch);
                    let length = (out.len() - branch_at - 4) as u32;
                    out[branch_at..branch_at + 4].copy_from_slice(&length.to_le_bytes());
                }
                let length = (out.len() - length_at - 4) as u32;
                out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
            }
        }
        at += 1;
    }
}

fn literal_at(elems: &[Elem], at: usize) -> Vec<u8> {
    let byte = |elem: &Elem| match elem {
        Elem::Byte(byte) => Some(*byte),
        _ => None,
    };
    elems[at..].iter().map_while(byte).collect()
}

/// The literals of a part's top level: index of the element, bytes.
pub(super) fn literals(part: &Part) -> Vec<Vec<u8>> {
    let mut literals = Vec::new();
    let mut at = 0;
    while at < part.elems.len() {
        let literal = literal_at(&part.elems, at);
        at += literal.len().max(1);
        if literal.len() >= 2 {
            literals.push(literal);
        }
    }
    literals
}

/// Just a string of bytes?
pub(super) fn plain(tree: &Tree) -> Option<Vec<u8>> {
    let [part] = &tree.parts[..] else { return None };
    let bare = part.left.is_none() && part.right.is_none() && part.before.is_none() && part.after.is_none();
    let literal = literal_at(&part.elems, 0);
    (bare && literal.len() == part.elems.len()).then_some(literal)
}

/// Writes the parts. Each: length of the rest, gap, marks, near bytes, elements.
pub(super) fn encode(tree: &Tree, out: &mut Vec<u8>) {
    for part in &tree.parts {
        let start = out.len();
        put_u32(out, 0);
        put_u32(out, part.min);
        put_u32(out, part.max.unwrap_or(NO_LIMIT));
        out.extend_from_slice(&[word(part.left), word(part.right)]);
        put_near(out, part.before);
        put_near(out, part.after);
        put_elems(out, &part.elems);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Reads what `encode` wrote; a damaged cache gives zeros and empty slices, never a panic.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        let Some((first, rest)) = self.0.split_first_chunk::<4>() else {
            self.0 = &[];
            return 0;
        };
        self.0 = rest;
        u32::from_le_bytes(*first)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        first
    }

    fn near(&mut self) -> Option<Near> {
        if self.u8() == 0 {
            return None;
        }
        Some(Near { value: self.u8(), mask: self.u8(), min: self.u8(), max: self.u8() })
    }
}

#[derive(Clone, Copy)]
enum Op<'a> {
    Literal(&'a [u8]),
    Masked(&'a [u8]),
    Class(Option<Mark>),
    Strings { negated: bool, len: usize, all: &'a [u8] },
    Branch(&'a [u8]),
}

impl Op<'_> {
    fn shortest(self) -> usize {
        match self {
            Op::Literal(bytes) => bytes.len(),
            Op::Masked(pairs) => pairs.len() / 2,
            Op::Class(_) => 1,
            Op::Strings { len, .. } => len,
            Op::Branch(all) => branches(all).map(|ops| ops.iter().map(|op| op.shortest()).sum()).min().unwrap_or(0),
        }
    }

    fn longest(self) -> usize {
        match self {
            Op::Class(Some(Mark { class: Class::Line, .. })) => 2,
            Op::Branch(all) => branches(all).map(|ops| ops.iter().map(|op| op.longest()).sum()).max().unwrap_or(0),
            _ => self.shortest(),
        }
    }
}

fn ops(bytes: &[u8]) -> Vec<Op<'_>> {
    let mut reader = Reader(bytes);
    let mut ops = Vec::new();
    while !reader.0.is_empty() {
        ops.push(match reader.u8() {
            tag::LITERAL => {
                let len = reader.u32() as usize;
                Op::Literal(reader.take(len))
            }
            tag::MASKED => {
                let len = reader.u32() as usize;
                Op::Masked(reader.take(len.saturating_mul(2)))
            }
            tag::CLASS => Op::Class(unword(reader.u8())),
            tag::STRINGS => {
                let negated = reader.u8() == 1;
                let len = (reader.u32() as usize).max(1);
                let count = reader.u32() as usize;
                Op::Strings { negated, len, all: reader.take(len.saturating_mul(count)) }
            }
            _ => {
                let len = reader.u32() as usize;
                Op::Branch(reader.take(len))
            }
        });
    }
    ops
}

fn branches(bytes: &[u8]) -> impl Iterator<Item = Vec<Op<'_>>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let len = reader.u32() as usize;
        Some(ops(reader.take(len)))
    })
}

/// One part, read back.
pub(super) struct Piece<'a> {
    pub min: u32,
    pub max: Option<u32>,
    left: Option<Mark>,
    right: Option<Mark>,
    before: Option<Near>,
    after: Option<Near>,
    ops: Vec<Op<'a>>,
    nocase: bool,
    wide: bool,
}

pub(super) fn pieces(bytes: &[u8], nocase: bool, wide: bool) -> Vec<Piece<'_>> {
    let mut reader = Reader(bytes);
    let mut pieces = Vec::new();
    while !reader.0.is_empty() {
        let len = reader.u32() as usize;
        let mut part = Reader(reader.take(len));
        let (min, max) = (part.u32(), part.u32());
        let (left, right) = (unword(part.u8()), unword(part.u8()));
        let (before, after) = (part.near(), part.near());
        let max = (max != NO_LIMIT).then_some(max);
        pieces.push(Piece { min, max, left, right, before, after, ops: ops(part.0), nocase, wide });
    }
    pieces
}

/// Where each of a piece's literals stands among its elements, as `literals` counts them.
impl Piece<'_> {
    pub fn literal(&self, number: usize) -> Option<(usize, &[u8])> {
        let literals = self.ops.iter().enumerate().filter_map(|(index, op)| match op {
            Op::Literal(bytes) if bytes.len() >= 2 => Some((index, *bytes)),
            _ => None,
        });
        literals.into_iter().nth(number)
    }

    /// The longest literal.
    pub fn best(&self) -> Option<(usize, &[u8])> {
        let literals = self.ops.iter().enumerate().filter_map(|(index, op)| match op {
            Op::Literal(bytes) => Some((index, *bytes)),
            _ => None,
        });
        literals.max_by_key(|(index, bytes)| (bytes.len(), std::cmp::Reverse(*index)))
    }

    /// Least distance from the start of the piece to one of its elements.
    pub fn least_before(&self, index: usize) -> usize {
        self.ops[..index].iter().map(|op| op.shortest()).sum()
    }

    pub fn most_before(&self, index: usize) -> usize {
        self.ops[..index].iter().map(|op| op.longest()).sum()
    }

    /// Everything after the element has one length.
    fn ends_alike(&self, index: usize) -> bool {
        self.ops[index + 1..].iter().all(|op| op.shortest() == op.longest())
    }

    /// Compares around the literal at element `index`, which begins at `at` in the text. Every start and end that fit;
    /// empty if the piece does not lie here.
    pub fn around(&self, text: &[u8], index: usize, at: usize) -> (Vec<usize>, Vec<usize>) {
        let nothing = (Vec::new(), Vec::new());
        let Some(Op::Literal(bytes)) = self.ops.get(index) else { return nothing };
        if !equal(text, at, bytes, self.nocase) {
            return nothing;
        }
        let mut ends = vec![at + bytes.len()];
        for op in &self.ops[index + 1..] {
            ends = self.forward(text, *op, &ends);
            if ends.is_empty() {
                return nothing;
            }
        }
        ends.retain(|end| self.right_fits(text, *end));
        if ends.is_empty() {
            return nothing;
        }
        let mut starts = vec![at];
        for op in self.ops[..index].iter().rev() {
            starts = self.backward(text, *op, &starts);
            if starts.is_empty() {
                return nothing;
            }
        }
        starts.retain(|start| self.left_fits(text, *start));
        if starts.is_empty() { nothing } else { (starts, ends) }
    }

    fn forward(&self, text: &[u8], op: Op<'_>, places: &[usize]) -> Vec<usize> {
        let mut next = Vec::with_capacity(places.len());
        for place in places {
            match op {
                Op::Branch(all) => {
                    for branch in branches(all) {
                        let mut inner = vec![*place];
                        for op in &branch {
                            inner = self.forward(text, *op, &inner);
                        }
                        next.extend(inner);
                    }
                }
                Op::Class(Some(mark)) => next.extend(class_forward(text, mark, *place)),
                _ => {
                    let end = place + op.shortest();
                    if self.fixed(text, op, *place) {
                        next.push(end);
                    }
                }
            }
        }
        tidy(next)
    }

    fn backward(&self, text: &[u8], op: Op<'_>, places: &[usize]) -> Vec<usize> {
        let mut next = Vec::with_capacity(places.len());
        for place in places {
            match op {
                Op::Branch(all) => {
                    for branch in branches(all) {
                        let mut inner = vec![*place];
                        for op in branch.iter().rev() {
                            inner = self.backward(text, *op, &inner);
                        }
                        next.extend(inner);
                    }
                }
                Op::Class(Some(mark)) => {
                    for len in 1..=2 {
                        let start = place.checked_sub(len);
                        let fits = |start: &usize| class_forward(text, mark, *start) == Some(*place);
                        next.extend(start.filter(fits));
                    }
                }
                _ => {
                    let start = place.checked_sub(op.shortest());
                    next.extend(start.filter(|start| self.fixed(text, op, *start)));
                }
            }
        }
        tidy(next)
    }

    /// Elements of one length.
    fn fixed(&self, text: &[u8], op: Op<'_>, at: usize) -> bool {
        let Some(here) = text.get(at..at + op.shortest()) else { return false };
        match op {
            Op::Literal(bytes) => same(here, bytes, self.nocase),
            Op::Masked(pairs) => pairs.chunks_exact(2).zip(here).all(|(pair, byte)| byte & pair[1] == pair[0]),
            Op::Strings { negated, len, all } => all.chunks_exact(len).any(|string| string == here) != negated,
            Op::Class(_) | Op::Branch(_) => false,
        }
    }

    fn left_fits(&self, text: &[u8], start: usize) -> bool {
        let mark = self.left.is_none_or(|mark| {
            let before = start.checked_sub(1).and_then(|at| text.get(at)).copied();
            let fits = match (mark.class, before) {
                (_, None) => true,
                (Class::Boundary, Some(byte)) => boundary(byte) & 1 == 1,
                (Class::Line, Some(byte)) => byte == b'\n',
                (Class::Word, Some(_)) if self.wide => {
                    start < 2 || !(text[start - 2].is_ascii_alphanumeric() && text[start - 1] == 0)
                }
                (Class::Word, Some(byte)) => !byte.is_ascii_alphanumeric(),
            };
            fits != mark.negated
        });
        mark && self.before.is_none_or(|near| {
            let places = (near.min..=near.max).map(|distance| start.checked_sub(usize::from(distance) + 1));
            places.into_iter().flatten().any(|at| self.near(near, text[at]))
        })
    }

    fn right_fits(&self, text: &[u8], end: usize) -> bool {
        let mark = self.right.is_none_or(|mark| {
            let fits = match (mark.class, text.get(end).copied()) {
                (_, None) => true,
                (Class::Boundary, Some(byte)) => boundary(byte) & 2 == 2,
                (Class::Line, Some(byte)) => byte == b'\n' || byte == b'\r' && text.get(end + 1) == Some(&b'\n'),
                (Class::Word, Some(byte)) => match text.get(end + 1) {
                    Some(next) if self.wide => !(byte.is_ascii_alphanumeric() && *next == 0),
                    _ => !byte.is_ascii_alphanumeric(),
                },
            };
            fits != mark.negated
        });
        mark && self.after.is_none_or(|near| {
            let places = (near.min..=near.max).map(|distance| text.get(end + usize::from(distance)));
            places.into_iter().flatten().any(|byte| self.near(near, *byte))
        })
    }

    fn near(&self, near: Near, byte: u8) -> bool {
        if near.mask == 0xFF && self.nocase {
            return byte.eq_ignore_ascii_case(&near.value);
        }
        byte & near.mask == near.value
    }
}

fn tidy(mut places: Vec<usize>) -> Vec<usize> {
    if places.len() > 1 {
        places.sort_unstable();
        places.dedup();
        places.truncate(MOST_PLACES);
    }
    places
}

fn class_forward(text: &[u8], mark: Mark, at: usize) -> Option<usize> {
    let byte = *text.get(at)?;
    let (fits, len) = match mark.class {
        Class::Boundary => (boundary(byte) != 0, 1),
        Class::Word => (!byte.is_ascii_alphanumeric(), 1),
        Class::Line if byte == b'\r' && text.get(at + 1) == Some(&b'\n') => (true, 2),
        Class::Line => (byte == b'\n', 1),
    };
    match (fits, mark.negated) {
        (true, false) => Some(at + len),
        (false, true) => Some(at + 1),
        _ => None,
    }
}

pub(super) fn same(here: &[u8], bytes: &[u8], nocase: bool) -> bool {
    if nocase { here.eq_ignore_ascii_case(bytes) } else { here == bytes }
}

pub(super) fn equal(text: &[u8], at: usize, bytes: &[u8], nocase: bool) -> bool {
    text.get(at..at + bytes.len()).is_some_and(|here| same(here, bytes, nocase))
}

/// Finds a literal at `from` or later.
pub(super) struct Finder<'a> {
    bytes: &'a [u8],
    exact: Option<memchr::memmem::Finder<'a>>,
}

impl<'a> Finder<'a> {
    pub fn new(bytes: &'a [u8], nocase: bool) -> Finder<'a> {
        Finder { bytes, exact: (!nocase).then(|| memchr::memmem::Finder::new(bytes)) }
    }

    pub fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        if let Some(exact) = &self.exact {
            return exact.find(rest).map(|at| from + at);
        }
        let first = self.bytes.first()?;
        let (low, high) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
        memchr::memchr2_iter(low, high, rest).map(|at| from + at).find(|at| equal(text, *at, self.bytes, true))
    }
}

/// What a whole signature found: number of matches, and where the first one lies.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub places: Vec<Range<usize>>,
    /// Given up: the text offered too many places.
    pub limited: bool,
}

/// Ends of one part that are kept for the next.
const MOST_ENDS: usize = 4096;

/// All matches of several parts over a whole text, each part after the one before it. `first` says whether one match is
/// enough; `start_fits` whether a match may begin there. `work` is what may still be read, in bytes.
pub(super) fn in_order(
    pieces: &[Piece<'_>],
    text: &[u8],
    first: bool,
    start_fits: &dyn Fn(usize) -> bool,
    work: &mut usize,
) -> Matches {
    // Start of the whole match and end of the part before, in order of the ends.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut matches = Matches::default();
    for (number, piece) in pieces.iter().enumerate() {
        let last = number + 1 == pieces.len();
        let next_limited = pieces.get(number + 1).is_some_and(|next| next.max.is_some());
        let (low, high) = match (number, ends.first(), ends.last()) {
            (0, ..) => (0, text.len()),
            (_, Some((_, low)), Some((_, high))) => (
                low.saturating_add(piece.min as usize),
                piece.max.map_or(text.len(), |max| high.saturating_add(max as usize)),
            ),
            _ => return matches,
        };
        let Some((index, literal)) = piece.best() else { return matches };
        let finder = Finder::new(literal, piece.nocase);
        let mut at = low.saturating_add(piece.least_before(index));
        let latest = high.saturating_add(piece.most_before(index));
        let mut found: Vec<(usize, usize)> = Vec::new();
        while at <= latest.min(text.len()) {
            let place = finder.find(text, at);
            let read = place.map_or(text.len(), |place| place + 1).saturating_sub(at);
            let Some(left) = work.checked_sub(read + 32) else {
                matches.limited = true;
                return matches;
            };
            *work = left;
            let Some(place) = place.filter(|place| *place <= latest) else { break };
            at = place + 1;
            let (starts, part_ends) = piece.around(text, index, place);
            for start in starts {
                let whole = match number {
                    0 => start_fits(start).then_some(start),
                    _ => {
                        // Ends are in order: those from which this start is near enough and far enough.
                        let nearest = start.checked_sub(piece.min as usize);
                        let candidates = nearest.map_or(0, |nearest| ends.partition_point(|(_, end)| *end <= nearest));
                        let from = piece.max.map_or(0, |max| {
                            ends.partition_point(|(_, end)| *end < start.saturating_sub(max as usize))
                        });
                        ends.get(from..candidates).and_then(|fitting| fitting.first()).map(|(whole, _)| *whole)
                    }
                };
                if let Some(whole) = whole {
                    // A match of the last part counts once, however it may end.
                    let kept = if last { 1 } else { part_ends.len() };
                    found.extend(part_ends.iter().take(kept).map(|end| (whole, *end)));
                    break;
                }
            }
            if found.len() >= MOST_ENDS {
                matches.limited = true;
                break;
            }
            // Where nothing limits the next gap, the earliest end is all that matters.
            let earliest = || found.iter().map(|(_, end)| *end).min().unwrap_or(usize::MAX);
            if first && !found.is_empty() && (last || !next_limited && (piece.ends_alike(index) || at >= earliest())) {
                break;
            }
        }
        found.sort_unstable_by_key(|(_, end)| *end);
        if last {
            matches.places = found.into_iter().map(|(start, end)| start..end).collect();
            return matches;
        }
        ends = found;
    }
    matches
}
