//! Where might a signature lie? A sieve that every place of the text goes through, then windows of fixed bytes.
//!
//! Each signature is known by one window of its bytes, and each window by three bytes at one of its ends. A place whose
//! three bytes no signature chose ends at the sieve, a few kilobytes that stay in the fastest cache however many
//! signatures there are: those share their threes, so their number hardly matters. What passes is tried as a window in a
//! bitmap, and what passes there is looked up in a table. Letters are folded in every step, so that signatures without
//! regard to case need no pass of their own; what else falls together is told apart when the candidate is compared.
//!
//! What matters is which threes and windows are chosen: rare ones in mail, ones that other signatures chose already
//! (threes), ones that few others have (windows).

use super::blob::{Bytes, U32s, U64s};
use crate::model;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Width of a window, and how far before the three bytes it begins. The widest first.
const SHAPES: [(usize, usize); 6] = [(8, 0), (8, 5), (4, 0), (4, 1), (3, 0), (2, 0)];
/// Bytes of a literal that are weighed; what lies beyond can hardly be rarer.
const WEIGHED: usize = 160;
/// Sets the bit that tells small letters from capitals.
const FOLD: u64 = 0x2020_2020_2020_2020;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
/// Bits of the sieve.
const SIEVE_BITS: u32 = 17;
const THREES: usize = 1 << SIEVE_BITS;
const SIEVE: usize = THREES / 8;
/// Places of the text that go through the sieve before the next step looks at what is left of them.
const CHUNK: usize = 1024;

/// The place of three bytes, the lowest of the four given, in the sieve.
#[inline(always)]
fn three(bytes: u32) -> usize {
    ((bytes & 0x00DF_DFDF).wrapping_mul(0x9E37_79B1) >> (32 - SIEVE_BITS)) as usize
}

fn hash(window: u64, shape: usize) -> u64 {
    let kept = (window | FOLD) << (64 - 8 * SHAPES[shape].0);
    let mixed = (kept ^ shape as u64).wrapping_mul(MULTIPLIER);
    mixed ^ mixed >> 32
}

fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(MULTIPLIER)
}

/// A number below `size`.
fn below(hash: u32, size: usize) -> usize {
    ((u64::from(hash) * size as u64) >> 32) as usize
}

/// Up to eight bytes from `at`, the first lowest.
#[inline(always)]
fn load(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let rest = text.get(at..).unwrap_or_default();
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(bytes)
        }
    }
}

/// The window at a place speaks for a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub pattern: u32,
    /// Where the pattern's literal would begin.
    pub literal: usize,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct Prefilter {
    /// For each group that has patterns, one sieve for it and group 0.
    sieves: Vec<Sieve>,
    /// Two bits a window, both within one word.
    bitmap: U64s,
    /// Bucket `i` holds the entries `starts[i]..starts[i + 1]`.
    starts: U32s,
    /// Pattern (32 bits), place of the window in its literal (16), group (4), rest of the hash (12).
    entries: U64s,
}

#[derive(Serialize, Deserialize)]
struct Sieve {
    groups: u16,
    bits: Bytes,
    /// For each bit, which shapes of windows were chosen there.
    shapes: Bytes,
}

/// Where a literal is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Of the three bytes, in the literal.
    at: u16,
    shape: u8,
}

/// How often each window occurs in all literals, roughly.
pub(super) struct Census {
    counts: Vec<u8>,
}

const CENSUS_BITS: u32 = 22;

impl Census {
    pub fn new() -> Census {
        Census { counts: vec![0; 1 << CENSUS_BITS] }
    }

    fn index(window: u64, width: usize) -> usize {
        (spread((window | FOLD) << (64 - 8 * width)) >> (64 - CENSUS_BITS)) as usize
    }

    pub fn add(&mut self, literal: &[u8]) {
        let literal = &literal[..literal.len().min(WEIGHED)];
        // Longer ones have a window of eight in any case.
        let widths: &[usize] = if literal.len() < 12 { &[8, 4] } else { &[8] };
        for width in widths {
            for at in 0..(literal.len() + 1).saturating_sub(*width) {
                let count = &mut self.counts[Census::index(load(literal, at), *width)];
                *count = count.saturating_add(1);
            }
        }
    }

    fn count(&self, window: u64, width: usize) -> f32 {
        let count = f32::from(self.counts[Census::index(window, width)]);
        // Beyond what a counter holds, assume the worst.
        if count >= 255.0 { 2000.0 } else { count }
    }
}

/// Collects windows.
pub(super) struct Builder {
    census: Census,
    /// How many patterns would take each three.
    wanted: Vec<u32>,
    /// For each group and each three, which shapes were chosen there; empty for a group without patterns.
    sieves: Vec<Vec<u8>>,
    /// Hash and entry.
    keys: Vec<(u64, u64)>,
    /// Logarithms of the chances of bytes in mail, added up.
    sums: Vec<f32>,
    chances: Vec<[f32; 3]>,
}

/// What a place that passes the sieve costs, what a window that is looked up costs, and each other signature that has it.
const PLACE: f32 = 10.0;
const LOOK_UP: f32 = 100.0;
const OTHER: f32 = 40.0;

/// A power of two, roughly.
fn power(exponent: f32) -> f32 {
    f32::from_bits(((exponent.max(-120.0) + 127.0) * (1 << 23) as f32) as u32)
}

impl Builder {
    pub fn new(census: Census, patterns: usize) -> Builder {
        Builder {
            census,
            wanted: vec![0; THREES],
            sieves: vec![Vec::new(); 16],
            keys: Vec::with_capacity(patterns),
            sums: Vec::new(),
            chances: Vec::new(),
        }
    }

    /// Asks each pattern for the three that it would take if those that others want were cheaper. Done twice, patterns
    /// agree on few threes that are rare in mail.
    pub fn agree<'a, L: Iterator<Item = &'a [u8]>>(&mut self, patterns: impl Iterator<Item = L>) {
        let mut wanted = vec![0; THREES];
        for literals in patterns {
            let mut best = (f32::INFINITY, None);
            for literal in literals {
                let literal = &literal[..literal.len().min(WEIGHED)];
                model::log_chances(literal, &mut self.chances);
                for (at, chances) in self.chances.windows(3).enumerate() {
                    let three = three(load(literal, at) as u32);
                    let chance = power(chances[0][0] + chances[1][1] + chances[2][2]);
                    let cost = chance / self.wanted[three].max(1) as f32;
                    if cost < best.0 {
                        best = (cost, Some(three));
                    }
                }
            }
            if let Some(three) = best.1 {
                wanted[three] += 1;
            }
        }
        self.wanted = wanted;
    }

    /// Cost of the best window of a literal, and that window.
    pub fn weigh(&mut self, literal: &[u8], group: u8) -> (f32, Window) {
        let weighed = &literal[..literal.len().min(WEIGHED)];
        model::log_chances(weighed, &mut self.chances);
        self.sums.clear();
        self.sums.push(0.0);
        let mut sum = 0.0;
        for [_, _, third] in &self.chances {
            sum += third;
            self.sums.push(sum);
        }
        let chances = &self.chances;
        let sums = &self.sums;
        let chance = |from: usize, width: usize| {
            let first_two = chances[from][0] + chances[from + 1][1];
            power(first_two + sums[from + width] - sums[from + 2])
        };
        let sieve = &self.sieves[usize::from(group)];
        let mut best = (f32::INFINITY, Window { at: 0, shape: SHAPES.len() as u8 - 1 });
        for at in 0..weighed.len() - 1 {
            let bytes = load(weighed, at);
            let mut cost = 0.0;
            if at + 3 <= weighed.len() {
                let three = three(bytes as u32);
                // Those that hold it too will share its cost.
                if sieve.get(three).is_none_or(|shapes| *shapes == 0) {
                    cost = PLACE * chance(at, 3) / self.wanted[three].max(1) as f32;
                }
                // Threes that are everywhere would let everything through.
                if cost >= best.0 {
                    continue;
                }
            }
            let mut widest = 0;
            for (shape, (width, before)) in SHAPES.iter().enumerate() {
                let Some(from) = at.checked_sub(*before) else { continue };
                if from + width > weighed.len() || *width > 2 && at + 3 > weighed.len() {
                    continue;
                }
                // A narrower window at the same place is never better.
                if *width < widest {
                    break;
                }
                widest = *width;
                let mut chance = chance(from, *width);
                let window = &weighed[from..from + width];
                // Runs of one byte are everywhere in attachments.
                if window.iter().all(|byte| *byte == window[0]) {
                    chance = chance.max(1e-3);
                }
                let crowd = if *width >= 4 { self.census.count(load(weighed, from), *width) } else { 1.0 };
                let cost = cost + chance * (LOOK_UP + OTHER * crowd) + crowd * 1e-9 + shape_penalty(*width);
                if cost < best.0 {
                    best = (cost, Window { at: at as u16, shape: shape as u8 });
                }
            }
        }
        best
    }

    /// Looks for the pattern at this window of its literal.
    pub fn take(&mut self, pattern: u32, group: u8, literal: &[u8], window: Window) {
        let group = group & 15;
        let (at, shape) = (usize::from(window.at), usize::from(window.shape));
        let sieve = &mut self.sieves[usize::from(group)];
        sieve.resize(THREES, 0);
        let mut set = |bytes: u32| sieve[three(bytes)] |= 1 << shape;
        let bytes = load(literal, at) as u32;
        if SHAPES[shape].0 == 2 {
            // Whatever comes third.
            (0..256).for_each(|third| set(bytes & 0xFFFF | third << 16));
        } else {
            set(bytes);
        }
        let from = at - SHAPES[shape].1;
        let hash = hash(load(literal, from), shape);
        let entry = u64::from(pattern) | (from as u64) << 32 | u64::from(group) << 48 | rest(hash) << 52;
        self.keys.push((hash, entry));
    }

    pub fn build(self) -> Prefilter {
        let mut sieves = Vec::new();
        for (group, sieve) in self.sieves.iter().enumerate() {
            if sieve.is_empty() {
                continue;
            }
            let mut shapes = sieve.clone();
            shapes.iter_mut().zip(&self.sieves[0]).for_each(|(to, from)| *to |= from);
            let bits: Vec<u8> = shapes
                .chunks_exact(8)
                .map(|eight| (0..8).fold(0, |byte, bit| byte | u8::from(eight[bit] != 0) << bit))
                .collect();
            sieves.push(Sieve { groups: 1 << group | 1, bits: bits.into(), shapes: shapes.into() });
        }
        let keys = &self.keys;
        let mut bitmap = vec![0u64; (keys.len() / 4).max(16)];
        let mut starts = vec![0u32; (keys.len() / 2).max(4) + 1];
        let buckets = starts.len() - 1;
        for (hash, _) in keys {
            let (word, bits) = bits(*hash, bitmap.len());
            bitmap[word] |= bits;
            starts[below(*hash as u32, buckets) + 1] += 1;
        }
        for bucket in 0..buckets {
            starts[bucket + 1] += starts[bucket];
        }
        let mut next = starts.clone();
        let mut entries = vec![0u64; keys.len()];
        for (hash, entry) in keys {
            let place = &mut next[below(*hash as u32, buckets)];
            entries[*place as usize] = *entry;
            *place += 1;
        }
        Prefilter { sieves, bitmap: bitmap[..].into(), starts: starts[..].into(), entries: entries[..].into() }
    }
}

/// Wide windows before narrow ones, whatever mail is thought to hold.
fn shape_penalty(width: usize) -> f32 {
    match width {
        8 => 0.0,
        4 => 1e-5,
        3 => 1e-3,
        _ => 1.0,
    }
}

/// The part of the hash that neither bucket nor bitmap went by.
fn rest(hash: u64) -> u64 {
    hash >> 40 & 0xFFF
}

#[inline(always)]
fn bits(hash: u64, words: usize) -> (usize, u64) {
    let spread = spread(hash);
    (below((spread >> 32) as u32, words), 1 << (spread & 63) | 1 << (spread >> 6 & 63))
}

impl Prefilter {
    /// Calls for every candidate of the groups in the mask.
    pub fn scan(&self, text: &[u8], groups: u16, candidate: &mut dyn FnMut(Candidate)) {
        let Some((bits, shapes)) = self.sieve(groups) else { return };
        let Ok(sieve) = <&[u8; SIEVE]>::try_from(&bits[..]) else { return };
        let tables = Tables {
            shapes: &shapes,
            groups,
            bitmap: self.bitmap.chunks(),
            starts: self.starts.chunks(),
            entries: self.entries.chunks(),
        };
        let mut places = [0u16; CHUNK];
        let mut from = 0;
        while from + 4 <= text.len() {
            let chunk = &text[from..text.len().min(from + CHUNK + 3)];
            // Without a branch: which places pass is a matter of luck.
            let mut count = 0;
            for (place, bytes) in chunk.windows(4).enumerate() {
                let bit = three(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                places[count & (CHUNK - 1)] = place as u16;
                count += usize::from(sieve[bit >> 3] >> (bit & 7) & 1);
            }
            for place in &places[..count.min(CHUNK)] {
                tables.try_place(text, from + usize::from(*place), candidate);
            }
            from += chunk.len() - 3;
        }
        for at in from..text.len() {
            tables.try_place(text, at, candidate);
        }
    }

    /// The sieve for these groups, and the shapes for each of its bits.
    fn sieve(&self, groups: u16) -> Option<(Cow<'_, [u8]>, Cow<'_, [u8]>)> {
        let groups = groups & self.sieves.iter().fold(0, |all, sieve| all | sieve.groups);
        // That of group 0 is part of all others.
        let is_wanted = |sieve: &&Sieve| sieve.groups & groups & !1 != 0 || sieve.groups == 1 && groups == 1;
        let mut wanted = self.sieves.iter().filter(is_wanted);
        let first = wanted.next()?;
        let (mut bits, mut shapes) = (Cow::Borrowed(&first.bits[..]), Cow::Borrowed(&first.shapes[..]));
        for sieve in wanted {
            bits.to_mut().iter_mut().zip(&sieve.bits[..]).for_each(|(to, from)| *to |= from);
            shapes.to_mut().iter_mut().zip(&sieve.shapes[..]).for_each(|(to, from)| *to |= from);
        }
        Some((bits, shapes))
    }

    /// Tables of a damaged cache would send a scan out of bounds.
    pub fn is_sound(&self, patterns: usize) -> bool {
        let sieves = self.sieves.iter().all(|sieve| sieve.bits.len() == SIEVE && sieve.shapes.len() == THREES);
        let tables = self.starts.iter().is_sorted()
            && self.starts.iter().last().is_none_or(|last| last as usize == self.entries.len())
            && self.entries.iter().all(|entry| (entry as u32 as usize) < patterns);
        sieves && tables && (self.sieves.is_empty() || self.starts.len() > 1 && !self.bitmap.is_empty())
    }

    pub fn statistics(&self) -> String {
        let share = |bits: u64, of: usize| 100.0 * bits as f64 / of.max(1) as f64;
        let sieves = self.sieves.iter().map(|sieve| {
            let bits = sieve.bits.iter().map(|byte| u64::from(byte.count_ones())).sum();
            format!("{:#06x} {:.1} %", sieve.groups, share(bits, SIEVE * 8))
        });
        let sieves: Vec<String> = sieves.collect();
        let bits = self.bitmap.iter().map(|word| u64::from(word.count_ones())).sum();
        let ends = self.starts.iter().skip(1);
        let longest = self.starts.iter().zip(ends).map(|(start, end)| end - start).max().unwrap_or(0);
        format!(
            "sieves {}; {} entries, bitmap {} KiB {:.1} % set, longest bucket {longest}",
            sieves.join(", "),
            self.entries.len(),
            self.bitmap.len() * 8 / 1024,
            share(bits, self.bitmap.len() * 64)
        )
    }
}

/// What a scan looks at.
struct Tables<'a> {
    shapes: &'a [u8],
    groups: u16,
    bitmap: &'a [[u8; 8]],
    starts: &'a [[u8; 4]],
    entries: &'a [[u8; 8]],
}

impl Tables<'_> {
    #[inline(always)]
    fn try_place(&self, text: &[u8], at: usize, candidate: &mut dyn FnMut(Candidate)) {
        // The last two places have no three, and are tried in every shape.
        let all = (1 << SHAPES.len()) - 1;
        let known = at + 3 <= text.len();
        let three = if known { three(load(text, at) as u32) } else { 0 };
        let mut shapes = if known { self.shapes.get(three).copied().unwrap_or(all) } else { all };
        while shapes != 0 {
            let shape = shapes.trailing_zeros() as usize;
            shapes &= shapes - 1;
            let (width, before) = SHAPES[shape.min(SHAPES.len() - 1)];
            let Some(from) = at.checked_sub(before).filter(|from| from + width <= text.len()) else { continue };
            let hash = hash(load(text, from), shape);
            let (word, bits) = bits(hash, self.bitmap.len());
            if self.bitmap.get(word).is_some_and(|word| u64::from_le_bytes(*word) & bits == bits) {
                self.look_up(from, hash, candidate);
            }
        }
    }

    #[inline(never)]
    fn look_up(&self, at: usize, hash: u64, candidate: &mut dyn FnMut(Candidate)) {
        let bucket = below(hash as u32, self.starts.len() - 1);
        let [start, end] = [bucket, bucket + 1].map(|bucket| u32::from_le_bytes(self.starts[bucket]) as usize);
        for entry in &self.entries[start..end] {
            let entry = u64::from_le_bytes(*entry);
            if entry >> 52 == rest(hash) && self.groups >> (entry >> 48 & 15) & 1 == 1 {
                let offset = (entry >> 32 & 0xFFFF) as usize;
                if let Some(literal) = at.checked_sub(offset) {
                    candidate(Candidate { pattern: entry as u32, literal });
                }
            }
        }
    }
}
