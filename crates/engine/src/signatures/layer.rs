//! One buffer of known kind against a [`Set`]: names with places.
//!
//! In: bytes and what is known of where they come from. Out: each signature that hits, once. Knows nothing of messages:
//! which buffers a message has is the walker's business.
//!
//! One pass finds the strings of bytes. A logical signature is looked at when one of its strings was found, or when it
//! could hit without any; so their number costs nothing.

use md5::Digest as _;
use patterns::signature::pcre::PcreMatch;
use patterns::{GroupId, Text, signature};
use rules::signatures::expression::Order;
use rules::signatures::{
    ByteCompare, Conditions, Digest, FileType, Hashes, Logical, NumberForm, Owner, Set, Sub, Target,
};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

pub use patterns::signature::Executable;
pub use rules::signatures::SignatureId;

/// One buffer, to be matched as one target.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    pub bytes: &'a [u8],
    /// Signatures of this target and of [`Target::Any`] are tried.
    pub target: Target,
    pub kind: FileType,
    /// What the buffer was taken out of, outermost first.
    pub chain: &'a [FileType],
    /// Of the whole file, where `bytes` is a window or a normalised copy: what `FileSize` looks at.
    pub size: u64,
    /// The whole file, where `bytes` is a normalised copy of it: what YARA's numbers are read from.
    pub file: &'a [u8],
    pub name: Option<&'a [u8]>,
    /// Try hash signatures and allow-listed hashes as well.
    pub hashes: bool,
    /// Where offsets that count from an executable's sections lie; signatures with such offsets do not hit without.
    pub executable: Option<&'a Executable>,
}

impl<'a> Layer<'a> {
    /// A whole file of which nothing else is known.
    pub fn of(bytes: &'a [u8], target: Target) -> Layer<'a> {
        Layer {
            bytes,
            file: bytes,
            target,
            kind: FileType::any(),
            chain: &[],
            size: bytes.len() as u64,
            name: None,
            hashes: true,
            executable: None,
        }
    }
}

/// One signature that hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'s> {
    /// Without `.UNOFFICIAL`.
    pub name: &'s str,
    pub official: bool,
    /// Where in the buffer; everything for a hash; the first string for a logical signature.
    pub place: Range<usize>,
    pub signature: SignatureId,
}

/// What else became of a buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome<'s> {
    /// An allow list holds the buffer's hash, under this name: what it and everything within it hits does not count.
    pub allowed: Option<&'s str>,
    /// A signature asks that the buffer be looked at as another kind.
    pub handle_as: Option<FileType>,
    /// Signatures given up at their step limit.
    pub gave_up: u32,
}

/// A member of a container, as far as is known without its content.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub container: FileType,
    /// Size of the container.
    pub container_size: u64,
    pub name: &'a [u8],
    /// As stored.
    pub packed: u64,
    /// As unpacked.
    pub size: u64,
    pub encrypted: bool,
    /// First is 1.
    pub position: u32,
    pub crc32: u32,
}

/// What one thread keeps between buffers.
#[derive(Default)]
pub struct Scratch {
    scan: signature::Scratch,
    /// Places of the strings of logical signatures.
    subs: HashMap<u32, Vec<(u8, Range<usize>)>>,
    /// How many of these are kept of one string, where another has many.
    crowded: HashMap<(u32, u8), usize>,
    /// Places of macros, by group.
    macros: HashMap<u8, Vec<usize>>,
    /// Signatures of one string that have been told.
    told: HashSet<u32>,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

/// Places of one sub-signature that are kept.
const MOST_PLACES: usize = 10_000;
/// Matches of one expression that are counted.
const MOST_MATCHES: usize = 10_000;
/// Larger buffers are not searched for expressions.
const LARGEST_FOR_EXPRESSIONS: usize = 100 << 20;

/// Which signatures hit the buffer?
pub fn layer<'s>(
    set: &'s Set,
    layer: &Layer<'_>,
    scratch: &mut Scratch,
    found: &mut dyn FnMut(Found<'s>),
) -> Outcome<'s> {
    let mut outcome = Outcome::default();
    let told = |signature: SignatureId, place: Range<usize>| {
        let (_, _, official) = set.place(signature);
        Found { name: set.name(signature), official, place, signature }
    };
    if layer.hashes {
        look_up(&set.allowed, layer.bytes, layer.size, &mut |id| {
            outcome.allowed.get_or_insert(set.name(id));
        });
        look_up(&set.hashes, layer.bytes, layer.size, &mut |id| found(told(id, 0..layer.bytes.len())));
    }
    scratch.subs.clear();
    scratch.crowded.clear();
    scratch.macros.clear();
    scratch.told.clear();
    let (subs, macros, told_already) = (&mut scratch.subs, &mut scratch.macros, &mut scratch.told);
    let crowded = &mut scratch.crowded;
    let groups = 1 << Target::Any as u16 | 1 << layer.target as u16;
    let end = set.body.scan(groups, layer.bytes, layer.executable, &mut scratch.scan, &mut |pattern, place| match set
        .owner(pattern)
    {
        Owner::Signature(signature) => {
            if told_already.insert(signature.0) {
                found(told(signature, place));
            }
        }
        Owner::Sub(logical, sub) => {
            let places = subs.entry(logical).or_default();
            // Many places of one string leave room for those of the others.
            let room = places.len() < MOST_PLACES || {
                let kept = crowded.entry((logical, sub)).or_default();
                *kept += 1;
                *kept <= MOST_PLACES
            };
            if room {
                places.push((sub, place));
            }
        }
        Owner::Macro(group) => {
            let places = macros.entry(group).or_default();
            if places.len() < MOST_PLACES {
                places.push(place.start);
            }
        }
        Owner::Nobody => {}
    });
    outcome.gave_up += end.limited;
    for target in [Target::Any, layer.target] {
        for index in set.always(target) {
            subs.entry(*index).or_default();
        }
        if layer.target == Target::Any {
            break;
        }
    }
    let mut touched: Vec<u32> = subs.keys().copied().collect();
    touched.sort_unstable();
    macros.values_mut().for_each(|places| places.sort_unstable());
    for index in touched {
        let Some(logical) = set.logical.get(index as usize) else { continue };
        let places = subs.get(&index).map_or(&[][..], Vec::as_slice);
        if let Some(rule) = &logical.yara {
            let rules = yara::Rules { set, layer, places: subs, macros };
            let (holds, given_up) = if rule.silent { (false, false) } else { rules.holds(index) };
            outcome.gave_up += u32::from(given_up);
            if holds {
                let first = places.iter().map(|(_, place)| place.clone()).min_by_key(|place| place.start);
                found(told(logical.signature, first.unwrap_or(0..0)));
            }
            continue;
        }
        let mut evaluation = Evaluation::new(set, layer, logical, places, macros);
        if !evaluation.holds() || !conditions_hold(&logical.conditions, layer) {
            outcome.gave_up += evaluation.gave_up;
            continue;
        }
        outcome.gave_up += evaluation.gave_up;
        match logical.conditions.handler {
            Some(kind) => {
                outcome.handle_as.get_or_insert(kind);
            }
            None => {
                let first = places.iter().map(|(_, place)| place.clone()).min_by_key(|place| place.start);
                found(told(logical.signature, first.or(evaluation.place).unwrap_or(0..0)));
            }
        }
    }
    outcome
}

/// Which signatures about members of containers (`.cdb`) hit?
pub fn member<'s>(set: &'s Set, member: &Member<'_>, found: &mut dyn FnMut(Found<'s>)) {
    let Some(names) = set.member_names() else { return };
    let mut matched = patterns::Found::new();
    let mut scratch = patterns::Scratch::new();
    let text = Text { bytes: member.name, ends: &[member.name.len() as u32] };
    names.scan(GroupId(0), text, &mut scratch, &mut matched);
    let within = |range: Option<(u64, u64)>, value: u64| range.is_none_or(|(low, high)| (low..=high).contains(&value));
    for signature in set.members() {
        let hits = signature.name.is_none_or(|name| matched.get(name).is_some())
            && signature.container.is_none_or(|kind| kind == member.container || kind == FileType::any())
            && within(signature.container_size, member.container_size)
            && within(signature.packed, member.packed)
            && within(signature.size, member.size)
            && signature.encrypted.is_none_or(|encrypted| encrypted == member.encrypted)
            && within(signature.position, u64::from(member.position))
            && within(signature.crc32, u64::from(member.crc32));
        if hits {
            let id = signature.signature;
            let (_, _, official) = set.place(id);
            found(Found { name: set.name(id), official, place: 0..0, signature: id });
        }
    }
}

/// Digests the bytes only in the ways that a file of this size is asked about.
fn look_up(hashes: &Hashes, bytes: &[u8], size: u64, found: &mut dyn FnMut(SignatureId)) {
    if hashes.is_empty() || bytes.len() as u64 != size {
        return;
    }
    for digest in Digest::ALL {
        if hashes.wants(digest, size) {
            let value = match digest {
                Digest::Md5 => md5::Md5::digest(bytes).to_vec(),
                Digest::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
                Digest::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            };
            hashes.look_up(&value, size).for_each(|id| found(SignatureId(id)));
        }
    }
}

fn conditions_hold(conditions: &Conditions, layer: &Layer<'_>) -> bool {
    let within = |range: Option<(u64, u64)>, value: Option<u64>| {
        range.is_none_or(|(low, high)| value.is_some_and(|value| (low..=high).contains(&value)))
    };
    let entry_point = layer.executable.map(|executable| u64::from(executable.entry_point));
    let sections = layer.executable.map(|executable| executable.sections.len() as u64);
    if conditions.icon
        || !within(conditions.file_size, Some(layer.size))
        || !within(conditions.entry_point, entry_point)
        || !within(conditions.sections, sections)
        || conditions.container.is_some_and(|kind| layer.chain.last() != Some(&kind))
        || conditions.intermediates.len() > layer.chain.len()
    {
        return false;
    }
    // From the innermost outwards; "any" takes no step outwards, as in ClamAV.
    let mut around = layer.chain.iter().rev();
    conditions.intermediates.iter().rev().all(|kind| *kind == FileType::any() || around.next() == Some(kind))
}

/// One logical signature on one buffer.
struct Evaluation<'a> {
    set: &'a Set,
    layer: &'a Layer<'a>,
    logical: &'a Logical,
    macros: &'a HashMap<u8, Vec<usize>>,
    /// Starts of each sub-signature's matches, in order.
    starts: Vec<Vec<usize>>,
    counts: Vec<u32>,
    /// Of the first expression that matched.
    place: Option<Range<usize>>,
    gave_up: u32,
}

impl<'a> Evaluation<'a> {
    fn new(
        set: &'a Set,
        layer: &'a Layer<'a>,
        logical: &'a Logical,
        places: &[(u8, Range<usize>)],
        macros: &'a HashMap<u8, Vec<usize>>,
    ) -> Evaluation<'a> {
        let mut starts = vec![Vec::new(); logical.subs.len()];
        for (sub, place) in places {
            if let Some(starts) = starts.get_mut(usize::from(*sub)) {
                starts.push((place.start, place.end));
            }
        }
        // One place may be reported twice, for its narrow and its wide form.
        let starts: Vec<Vec<usize>> = starts
            .into_iter()
            .map(|mut places: Vec<(usize, usize)>| {
                places.sort_unstable();
                places.dedup();
                places.into_iter().map(|(start, _)| start).collect()
            })
            .collect();
        let counts = starts.iter().map(|starts| starts.len() as u32).collect();
        Evaluation { set, layer, logical, macros, starts, counts, place: None, gave_up: 0 }
    }

    fn search_all(&mut self) {
        for index in 0..self.logical.subs.len() {
            if let Sub::Pcre { .. } = self.logical.subs[index] {
                self.search(index);
            }
        }
    }

    fn holds(&mut self) -> bool {
        self.search_all();
        for index in 0..self.logical.subs.len() {
            match &self.logical.subs[index] {
                Sub::Compare(compare) => self.counts[index] = u32::from(self.compare(compare)),
                Sub::Macro { min, max, group } if index > 0 => {
                    let places = self.macros.get(group).map_or(&[][..], Vec::as_slice);
                    // Of the sub-signature before, only what a macro follows at the right distance counts.
                    self.starts[index - 1].retain(|start| {
                        let first = places.partition_point(|place| *place < start + *min as usize);
                        places.get(first).is_some_and(|place| *place <= start + *max as usize)
                    });
                    self.counts[index - 1] = self.starts[index - 1].len() as u32;
                    self.counts[index] = self.counts[index - 1];
                }
                _ => {}
            }
        }
        self.logical.expression.holds(&self.counts)
    }

    /// An expression: over the buffer from its offset on, as if that began there.
    fn search(&mut self, index: usize) {
        let Sub::Pcre { trigger, pcre, offset, global, rolling, encompass } = &self.logical.subs[index] else { return };
        let bytes = self.layer.bytes;
        if bytes.len() > LARGEST_FOR_EXPRESSIONS || !trigger.holds(&self.counts) {
            return;
        }
        let Some(pcre) = self.set.pcres.get(*pcre as usize) else { return };
        let any = matches!(offset, signature::Offset::Any);
        let Some((start, last)) = offset.range(bytes.len(), self.layer.executable) else { return };
        let shift = if any { 0 } else { last - start };
        let Some(mut subject) = bytes.get(start..).filter(|subject| !subject.is_empty()) else { return };
        if *encompass && shift > 0 {
            subject = &subject[..subject.len().min(shift)];
        }
        let here = !rolling && shift == 0 && !any;
        let mut at = 0;
        for _ in 0..MOST_MATCHES {
            match pcre.find(subject, at, here) {
                PcreMatch::Match(from, to) => {
                    if !encompass && shift > 0 && from > shift {
                        break;
                    }
                    let starts = &mut self.starts[index];
                    if starts.last().is_none_or(|last| *last < start + from) {
                        starts.push(start + from);
                        self.counts[index] += 1;
                    }
                    self.place.get_or_insert(start + from..start + to);
                    at = to.max(at + usize::from(to == from));
                }
                PcreMatch::NoMatch => break,
                PcreMatch::Unknown => {
                    self.gave_up += 1;
                    break;
                }
            }
            if !global || at >= subject.len() {
                break;
            }
        }
    }

    /// A number near the last match of another sub-signature.
    fn compare(&self, compare: &ByteCompare) -> bool {
        let sub = usize::from(compare.sub);
        if self.counts.get(sub).is_none_or(|count| *count == 0) {
            return false;
        }
        let base = self.starts[sub].last().copied().unwrap_or(0) as i64;
        let at = base + compare.offset;
        // ClamAV does not go back to the very first byte.
        if compare.offset <= 0 && at <= 0 {
            return false;
        }
        let at = at as usize;
        let Some(bytes) = self.layer.bytes.get(at..at.saturating_add(compare.len as usize)) else { return false };
        let Some(value) = value(compare, bytes) else { return false };
        compare.comparisons.iter().all(|(order, wanted)| {
            let wanted = i128::from(*wanted);
            match order {
                Order::Equal => value == wanted,
                Order::Less => value < wanted,
                Order::More => value > wanted,
            }
        })
    }
}

fn value(compare: &ByteCompare, bytes: &[u8]) -> Option<i128> {
    if compare.form == NumberForm::Binary {
        let fold = |n: i128, byte: &u8| n << 8 | i128::from(*byte);
        let value = match compare.little_endian {
            true => bytes.iter().rev().fold(0, fold),
            false => bytes.iter().fold(0, fold),
        };
        return Some(value);
    }
    let blanks = bytes.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0B).count();
    let text = &bytes[blanks..];
    let marked = text.len() >= 3 && (text.starts_with(b"0x") || text.starts_with(b"0X"));
    let (radix, marked) = match compare.form {
        NumberForm::Decimal => (10, false),
        NumberForm::Hexadecimal => (16, marked),
        _ if marked => (16, true),
        _ => (10, false),
    };
    let digits = if marked { &text[2..] } else { text };
    let used = digits.iter().take_while(|b| (**b as char).is_digit(radix)).count();
    if compare.exact && (blanks > 0 || used < digits.len()) {
        return None;
    }
    let mut digits = digits[..used].to_vec();
    if compare.little_endian {
        if radix == 10 {
            return None;
        }
        // Pairs of digits, the last first.
        if digits.len() > 1 {
            if digits.len() % 2 == 1 {
                digits.insert(0, b'0');
            }
            digits = digits.chunks(2).rev().flatten().copied().collect();
        }
    }
    let mut value = 0i128;
    for digit in digits {
        let digit = (digit as char).to_digit(radix)?;
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
        if value > i128::from(i64::MAX) {
            return None;
        }
    }
    Some(value)
}

mod yara;

#[cfg(test)]
mod tests;
