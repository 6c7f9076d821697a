//! Where might a signature lie? Windows of fixed bytes, looked for at every so many bytes of the text.
//!
//! A literal of at least `width + step - 1` bytes gives `step` windows, one byte apart. Wherever the literal occurs, one
//! of them, and only one, begins at a multiple of `step`, so only those places are looked at: a window's hash is tried
//! in a bitmap, and what passes there is looked up in a table. Letters are folded by setting one bit in every byte, so
//! that signatures without regard to case need no pass of their own; what else falls together is told apart when the
//! candidate is compared.
//!
//! What matters is which windows are chosen: rare ones in mail, and ones that few other signatures have.

use super::blob;
use super::program::Finder;
use crate::model;
use serde::{Deserialize, Serialize};

/// Width of a window and distance of the places tried, widest first. A literal goes to the first that it is long enough
/// for.
const SHAPES: [(usize, usize); 4] = [(8, 4), (6, 2), (3, 2), (2, 1)];
/// Bytes of a literal that are weighed; what lies beyond can hardly be rarer.
const WEIGHED: usize = 160;
/// Sets the bit that tells small letters from capitals.
const FOLD: u64 = 0x2020_2020_2020_2020;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

fn hash(window: u64, width: usize) -> u64 {
    let kept = (window | FOLD) << (64 - 8 * width);
    let mixed = kept.wrapping_mul(MULTIPLIER);
    mixed ^ mixed >> 32
}

fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(MULTIPLIER)
}

/// Up to eight bytes from `at`, the first lowest.
#[inline(always)]
fn load(text: &[u8], at: usize) -> u64 {
    match text.get(at..at + 8) {
        Some(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
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
    tables: Vec<Table>,
    /// So few very short literals that a search for each is cheaper than a table that every byte is tried against.
    few: Vec<Few>,
}

#[derive(Serialize, Deserialize)]
struct Few {
    pattern: u32,
    group: u8,
    nocase: bool,
    literal: Vec<u8>,
}

/// Most literals that are searched for one by one.
const FEW: usize = 8;

#[derive(Serialize, Deserialize)]
struct Table {
    width: u8,
    step: u8,
    /// Groups that have patterns here.
    groups: u16,
    /// Two bits a window, both within one word.
    #[serde(with = "blob::u64s")]
    bitmap: Vec<u64>,
    /// Bucket `i` holds the entries `starts[i]..starts[i + 1]`.
    #[serde(with = "blob::u32s")]
    starts: Vec<u32>,
    /// Pattern (32 bits), place of the window in its literal (16), group (4), rest of the hash (12).
    #[serde(with = "blob::u64s")]
    entries: Vec<u64>,
}

/// What the builder knows of one literal: where it lies in the blob of all of them.
#[derive(Clone, Copy)]
pub(super) struct Literal {
    pub pattern: u32,
    pub group: u8,
    pub start: u32,
    pub len: u32,
    pub nocase: bool,
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

    fn index(window: u64) -> usize {
        (spread(window | FOLD) >> (64 - CENSUS_BITS)) as usize
    }

    pub fn add(&mut self, literal: &[u8]) {
        let literal = &literal[..literal.len().min(WEIGHED)];
        for at in 0..literal.len().saturating_sub(7) {
            let count = &mut self.counts[Census::index(load(literal, at))];
            *count = count.saturating_add(1);
        }
    }

    fn count(&self, window: u64) -> f32 {
        let count = f32::from(self.counts[Census::index(window)]);
        // Beyond what a counter holds, assume the worst.
        if count >= 255.0 { 2000.0 } else { count }
    }
}

/// Cost of the best place of a literal, and that place. Longer windows always win over shorter ones.
pub(super) fn weigh(literal: &[u8], census: &Census, costs: &mut Vec<f32>) -> (f32, u32) {
    let shape = shape(literal.len());
    let (width, step) = SHAPES[shape];
    let weighed = &literal[..literal.len().min(WEIGHED)];
    let windows = weighed.len() + 1 - width;
    costs.clear();
    for at in 0..windows {
        let window = &weighed[at..at + width];
        // A candidate costs about as much as looking at forty places; another signature's window is another compare.
        let rarity = text_cost(window);
        let crowd = if width == 8 { census.count(load(weighed, at)) } else { 1.0 };
        costs.push(rarity * (8.0 + crowd) + crowd * 1e-9);
    }
    let mut best = (f32::INFINITY, 0);
    for at in 0..=windows - step {
        let cost: f32 = costs[at..at + step].iter().sum();
        if cost < best.0 {
            best = (cost, at as u32);
        }
    }
    (best.0 + shape as f32, best.1)
}

/// A guess at the chance of a window in mail; folded as the window is.
fn text_cost(window: &[u8]) -> f32 {
    let mut folded = [0u8; 8];
    for (to, from) in folded.iter_mut().zip(window) {
        *to = from.to_ascii_lowercase();
    }
    let mut chance = model::text_chance(&folded[..window.len()]);
    // Runs of one byte are everywhere in attachments.
    if window.iter().all(|b| *b == window[0]) {
        chance = chance.max(1e-3);
    }
    chance
}

fn few(literal: &Literal, blob: &[u8]) -> Few {
    Few {
        pattern: literal.pattern,
        group: literal.group,
        nocase: literal.nocase,
        literal: blob[literal.start as usize..][..literal.len as usize].to_vec(),
    }
}

fn shape(len: usize) -> usize {
    SHAPES.iter().position(|(width, step)| len >= width + step - 1).unwrap_or(SHAPES.len() - 1)
}

impl Prefilter {
    /// `chosen` tells for each literal where its windows begin.
    pub fn build(literals: &[Literal], chosen: &[u32], blob: &[u8]) -> Prefilter {
        let mut tables = Vec::new();
        let shortest = |literal: &&Literal| shape(literal.len as usize) == SHAPES.len() - 1;
        let few: Vec<Few> = match literals.iter().filter(shortest).count() {
            0..=FEW => literals.iter().filter(shortest).map(|literal| few(literal, blob)).collect(),
            _ => Vec::new(),
        };
        for (index, (width, step)) in SHAPES.iter().enumerate() {
            if index == SHAPES.len() - 1 && !few.is_empty() {
                break;
            }
            let mut keys: Vec<(u64, u64)> = Vec::new();
            let mut groups = 0u16;
            for (literal, place) in literals.iter().zip(chosen) {
                if shape(literal.len as usize) != index {
                    continue;
                }
                groups |= 1 << literal.group;
                let text = &blob[literal.start as usize..][..literal.len as usize];
                for at in *place as usize..*place as usize + step {
                    let hash = hash(load(text, at), *width);
                    let entry = u64::from(literal.pattern)
                        | (at as u64) << 32
                        | u64::from(literal.group & 15) << 48
                        | (hash >> 8 & 0xFFF) << 52;
                    keys.push((hash, entry));
                }
            }
            if !keys.is_empty() {
                tables.push(Table::build(*width, *step, groups, &keys));
            }
        }
        Prefilter { tables, few }
    }

    /// Calls for every candidate of the groups in the mask.
    pub fn scan(&self, text: &[u8], groups: u16, candidate: &mut dyn FnMut(Candidate)) {
        for few in self.few.iter().filter(|few| groups >> (few.group & 15) & 1 == 1) {
            let finder = Finder::new(&few.literal, few.nocase);
            let mut at = 0;
            while let Some(literal) = finder.find(text, at) {
                candidate(Candidate { pattern: few.pattern, literal });
                at = literal + 1;
            }
        }
        for table in &self.tables {
            if table.groups & groups != 0 {
                match (table.width, table.step) {
                    (8, 4) => table.scan::<8, 4>(text, groups, candidate),
                    (6, 2) => table.scan::<6, 2>(text, groups, candidate),
                    (3, 2) => table.scan::<3, 2>(text, groups, candidate),
                    _ => table.scan::<2, 1>(text, groups, candidate),
                }
            }
        }
    }

    /// Tables of a damaged cache would send a scan out of bounds.
    pub fn is_sound(&self, patterns: usize) -> bool {
        let few = self.few.iter().all(|few| (few.pattern as usize) < patterns && !few.literal.is_empty());
        few && self.tables.iter().all(|table| {
            SHAPES.contains(&(table.width.into(), table.step.into()))
                && table.bitmap.len().is_power_of_two()
                && table.bitmap.len() > 1
                && table.starts.len() >= 3
                && (table.starts.len() - 1).is_power_of_two()
                && table.starts.is_sorted()
                && table.starts.last().is_some_and(|last| *last as usize == table.entries.len())
                && table.entries.iter().all(|entry| (*entry as u32 as usize) < patterns)
        })
    }

    pub fn statistics(&self) -> String {
        let line = |table: &Table| {
            let used = table.bitmap.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            let longest = table.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            format!(
                "windows of {} every {}: {} entries, bitmap {} KiB {:.1} % set, longest bucket {longest}",
                table.width,
                table.step,
                table.entries.len(),
                table.bitmap.len() * 8 / 1024,
                100.0 * used as f64 / (table.bitmap.len() * 64) as f64
            )
        };
        self.tables.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

impl Table {
    fn build(width: usize, step: usize, groups: u16, keys: &[(u64, u64)]) -> Table {
        let words = (keys.len() / 4).next_power_of_two().clamp(64, 1 << 20);
        let buckets = (keys.len() / 2).next_power_of_two().clamp(4, 1 << 22);
        let mut table = Table {
            width: width as u8,
            step: step as u8,
            groups,
            bitmap: vec![0; words],
            starts: vec![0; buckets + 1],
            entries: vec![0; keys.len()],
        };
        for (hash, _) in keys {
            let (word, bits) = table.bits(*hash);
            table.bitmap[word] |= bits;
            let bucket = table.bucket(*hash);
            table.starts[bucket + 1] += 1;
        }
        for bucket in 0..buckets {
            table.starts[bucket + 1] += table.starts[bucket];
        }
        let mut next = table.starts.clone();
        for (hash, entry) in keys {
            let place = &mut next[table.bucket(*hash)];
            table.entries[*place as usize] = *entry;
            *place += 1;
        }
        table
    }

    #[inline(always)]
    fn bits(&self, hash: u64) -> (usize, u64) {
        let spread = spread(hash);
        let word = (spread >> 40) as usize & (self.bitmap.len() - 1);
        (word, 1 << (spread & 63) | 1 << (spread >> 6 & 63))
    }

    #[inline(always)]
    fn bucket(&self, hash: u64) -> usize {
        (hash >> 20) as usize & (self.starts.len() - 2)
    }

    fn scan<const WIDTH: usize, const STEP: usize>(
        &self,
        text: &[u8],
        groups: u16,
        candidate: &mut dyn FnMut(Candidate),
    ) {
        let Some(last) = text.len().checked_sub(WIDTH) else { return };
        // Places where eight bytes can be read at once, then the few that are left.
        let wide = text.len().saturating_sub(8);
        let mut at = 0;
        while at <= last && at <= wide {
            let window = load(text, at);
            let hash = hash(window, WIDTH);
            let (word, bits) = self.bits(hash);
            if self.bitmap[word] & bits == bits {
                self.look_up(at, hash, groups, candidate);
            }
            at += STEP;
        }
        while at <= last {
            let hash = hash(load(text, at), WIDTH);
            self.look_up(at, hash, groups, candidate);
            at += STEP;
        }
    }

    #[inline(never)]
    fn look_up(&self, at: usize, hash: u64, groups: u16, candidate: &mut dyn FnMut(Candidate)) {
        let bucket = self.bucket(hash);
        let range = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        for entry in &self.entries[range] {
            if entry >> 52 == hash >> 8 & 0xFFF && groups >> (entry >> 48 & 15) & 1 == 1 {
                let offset = (entry >> 32 & 0xFFFF) as usize;
                if let Some(literal) = at.checked_sub(offset) {
                    candidate(Candidate { pattern: *entry as u32, literal });
                }
            }
        }
    }
}
