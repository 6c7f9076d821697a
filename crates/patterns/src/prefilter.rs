//! Finds candidates for all patterns of a group at once: one pass over required fragments, and, for patterns that
//! have none, one over windows of byte sets.
//!
//! Fragments: four (or three) successive lower-cased bytes are hashed into a bitmap that says "no" at nearly every
//! place; behind it a hash table of fragments. A small group has a small bitmap, so that the hundred groups of
//! single headers stay in the cache. Windows: eight tables, one for each place in the window, give for a byte the
//! patterns that allow it there; what survives the conjunction of eight is a candidate.

use crate::dispatch::wide;
use crate::ir::ByteSet;
use crate::literal::{Fragment, WINDOW, Window};
use crate::model;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A pattern that may match: its match begins `min..=max` bytes before the place that was found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Hint {
    pub pattern: u32,
    pub min: u32,
    /// `u32::MAX`: no limit.
    pub max: u32,
}

fn hint(pattern: u32, before: crate::ir::Span) -> Hint {
    Hint { pattern, min: before.min, max: before.max.unwrap_or(u32::MAX) }
}

/// Bytes that a scan may read behind the end of the folded text.
pub(crate) const PADDING: usize = 8;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Prefilter {
    long: Option<Grams>,
    short: Option<Grams>,
    windows: Option<WindowTable>,
}

#[derive(Default)]
pub(crate) struct PrefilterBuilder {
    fragments: HashMap<Vec<u8>, Vec<Hint>>,
    windows: Vec<(Vec<ByteSet>, Hint)>,
}

impl PrefilterBuilder {
    pub fn add_fragments(&mut self, pattern: u32, fragments: Vec<Fragment>) {
        for fragment in fragments {
            self.fragments.entry(fragment.text).or_default().push(hint(pattern, fragment.before));
        }
    }

    pub fn add_windows(&mut self, pattern: u32, windows: Vec<Window>) {
        for window in windows {
            self.windows.push((window.sets, hint(pattern, window.before)));
        }
    }

    pub fn build(self) -> Prefilter {
        let mut fragments: Vec<(Vec<u8>, Vec<Hint>)> = self.fragments.into_iter().collect();
        fragments.sort_unstable_by(|a, b| a.0.cmp(&b.0)); // the same rules make the same bytes
        let (long, short): (Vec<_>, Vec<_>) = fragments.into_iter().partition(|(text, _)| text.len() >= 4);
        Prefilter { long: Grams::new(long, 4), short: Grams::new(short, 3), windows: WindowTable::new(self.windows) }
    }
}

impl Prefilter {
    /// Calls `candidate(place, length, hint)`; the bytes `place..place + length` must lie in one unit for the
    /// candidate to count. `folded` is the text in lower case with [`PADDING`] bytes behind it.
    pub fn scan(
        &self,
        text: &[u8],
        folded: &[u8],
        symbols: &mut Vec<u8>,
        candidate: &mut impl FnMut(usize, usize, &Hint),
    ) {
        if let Some(grams) = &self.long {
            wide(|| grams.scan::<0xFFFF_FFFF>(folded, text.len(), candidate));
        }
        if let Some(grams) = &self.short {
            wide(|| grams.scan::<0x00FF_FFFF>(folded, text.len(), candidate));
        }
        if let Some(windows) = &self.windows {
            windows.scan(text, symbols, candidate);
        }
    }

    pub fn statistics(&self) -> String {
        let grams = |grams: &Option<Grams>| grams.as_ref().map_or(0, |g| g.entries.len() - 1);
        let windows = self.windows.as_ref().map_or((0, 0), |w| (w.hints.iter().map(Vec::len).sum(), w.table.len() * 8));
        format!(
            "fragments {} long, {} short; {} windows in {} bytes",
            grams(&self.long),
            grams(&self.short),
            windows.0,
            windows.1
        )
    }

    pub fn needs_folded(&self) -> bool {
        self.long.is_some() || self.short.is_some()
    }
}

#[derive(Serialize, Deserialize)]
struct Grams {
    /// `1 << bits` bits; the hash's upper bits choose one.
    bitmap: Vec<u64>,
    bits: u32,
    /// For the hash's upper `slot_bits` bits: where in `entries` to begin, 0 = nowhere (entry 0 is a dummy).
    slots: Vec<u32>,
    slot_bits: u32,
    entries: Vec<Entry>,
    texts: Vec<u8>,
    hints: Vec<Hint>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Entry {
    key: u32,
    text: u32,
    hints: u32,
    hints_end: u32,
    len: u8,
    /// Where in the fragment the key stands.
    key_at: u8,
    /// No further entry in this slot.
    last: bool,
}

#[inline(always)]
fn hash(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B1)
}

impl Grams {
    fn new(fragments: Vec<(Vec<u8>, Vec<Hint>)>, width: usize) -> Option<Grams> {
        if fragments.is_empty() {
            return None;
        }
        let bits = (fragments.len() * 32).next_power_of_two().ilog2().clamp(9, 22);
        let slot_bits = fragments.len().next_power_of_two().ilog2().clamp(4, 22);
        let mut grams = Grams {
            bitmap: vec![0; 1 << (bits - 6)],
            bits,
            slots: vec![0; 1 << slot_bits],
            slot_bits,
            entries: Vec::with_capacity(fragments.len() + 1),
            texts: Vec::new(),
            hints: Vec::new(),
        };
        let mut keyed: Vec<(u32, usize, u32, usize)> = Vec::with_capacity(fragments.len());
        for (index, (text, _)) in fragments.iter().enumerate() {
            let rarest = text
                .windows(width)
                .enumerate()
                .min_by(|a, b| model::text_chance(a.1).total_cmp(&model::text_chance(b.1)));
            let Some((key_at, gram)) = rarest else { continue };
            let key = gram.iter().rev().fold(0, |key, byte| key << 8 | u32::from(*byte));
            keyed.push(((hash(key) >> (32 - slot_bits)), index, key, key_at));
        }
        keyed.sort_unstable();
        grams.entries.push(Entry { key: 0, text: 0, hints: 0, hints_end: 0, len: 0, key_at: 0, last: true });
        for (position, (slot, index, key, key_at)) in keyed.iter().enumerate() {
            let (text, hints) = &fragments[*index];
            let bit = hash(*key) >> (32 - bits);
            grams.bitmap[(bit >> 6) as usize] |= 1 << (bit & 63);
            if grams.slots[*slot as usize] == 0 {
                grams.slots[*slot as usize] = grams.entries.len() as u32;
            }
            grams.entries.push(Entry {
                key: *key,
                text: grams.texts.len() as u32,
                hints: grams.hints.len() as u32,
                hints_end: (grams.hints.len() + hints.len()) as u32,
                len: text.len() as u8,
                key_at: *key_at as u8,
                last: keyed.get(position + 1).is_none_or(|next| next.0 != *slot),
            });
            grams.texts.extend_from_slice(text);
            grams.hints.extend_from_slice(hints);
        }
        Some(grams)
    }

    #[inline(always)]
    fn scan<const MASK: u32>(&self, folded: &[u8], len: usize, candidate: &mut impl FnMut(usize, usize, &Hint)) {
        let shift = 32 - self.bits;
        let word_mask = self.bitmap.len() - 1;
        for (at, window) in folded.windows(4).take(len).enumerate() {
            let key = u32::from_le_bytes([window[0], window[1], window[2], window[3]]) & MASK;
            let hash = hash(key);
            let bit = hash >> shift;
            if self.bitmap[(bit >> 6) as usize & word_mask] >> (bit & 63) & 1 != 0 {
                self.look_up(folded, len, at, key, hash, candidate);
            }
        }
    }

    #[inline(never)]
    fn look_up(
        &self,
        folded: &[u8],
        len: usize,
        at: usize,
        key: u32,
        hash: u32,
        candidate: &mut impl FnMut(usize, usize, &Hint),
    ) {
        let mut index = self.slots[(hash >> (32 - self.slot_bits)) as usize] as usize;
        if index == 0 {
            return;
        }
        loop {
            let entry = &self.entries[index];
            if entry.key == key
                && let Some(start) = at.checked_sub(usize::from(entry.key_at))
            {
                let size = usize::from(entry.len);
                let text = &self.texts[entry.text as usize..][..size];
                if start + size <= len && folded[start..start + size] == *text {
                    for hint in &self.hints[entry.hints as usize..entry.hints_end as usize] {
                        candidate(start, size, hint);
                    }
                }
            }
            if entry.last {
                return;
            }
            index += 1;
        }
    }
}

/// At most this many 64-bit words of patterns; beyond that, windows share bits.
const MOST_WORDS: usize = 8;

#[derive(Serialize, Deserialize)]
struct WindowTable {
    /// Byte -> symbol: bytes that no window tells apart share one.
    symbol: Vec<u8>,
    symbols: usize,
    words: usize,
    /// `[(place * symbols + symbol) * words + word]`: the windows that allow this symbol at this place.
    table: Vec<u64>,
    /// For each bit, its hints.
    hints: Vec<Vec<Hint>>,
}

impl WindowTable {
    fn new(windows: Vec<(Vec<ByteSet>, Hint)>) -> Option<WindowTable> {
        if windows.is_empty() {
            return None;
        }
        let words = windows.len().div_ceil(64).next_power_of_two().min(MOST_WORDS);
        let bits = words * 64;
        // Two bytes are one symbol if every set holds both or neither.
        let mut distinct: Vec<ByteSet> = windows.iter().flat_map(|(sets, _)| sets.iter().copied()).collect();
        distinct.sort_unstable_by_key(|set| set.ranges());
        distinct.dedup();
        let mut symbol = vec![0u8; 256];
        let mut known: HashMap<Vec<bool>, u8> = HashMap::new();
        for byte in 0..=255u8 {
            let row: Vec<bool> = distinct.iter().map(|set| set.contains(byte)).collect();
            let next = known.len() as u8;
            symbol[usize::from(byte)] = *known.entry(row).or_insert(next);
        }
        let symbols = known.len();
        let mut table = vec![0u64; WINDOW * symbols * words];
        let mut hints = vec![Vec::new(); bits];
        for (index, (sets, hint)) in windows.into_iter().enumerate() {
            let bit = index % bits;
            hints[bit].push(hint);
            for (place, set) in sets.iter().enumerate() {
                for byte in set.iter() {
                    let row = (place * symbols + usize::from(symbol[usize::from(byte)])) * words;
                    table[row + bit / 64] |= 1 << (bit % 64);
                }
            }
        }
        Some(WindowTable { symbol, symbols, words, table, hints })
    }

    fn scan(&self, text: &[u8], symbols: &mut Vec<u8>, candidate: &mut impl FnMut(usize, usize, &Hint)) {
        symbols.clear();
        symbols.extend(text.iter().map(|byte| self.symbol[usize::from(*byte)]));
        match self.words {
            1 => self.scan_words::<1>(symbols, candidate),
            2 => self.scan_words::<2>(symbols, candidate),
            4 => wide(|| self.scan_words::<4>(symbols, candidate)),
            _ => wide(|| self.scan_words::<8>(symbols, candidate)),
        }
    }

    #[inline(always)]
    fn scan_words<const N: usize>(&self, symbols: &[u8], candidate: &mut impl FnMut(usize, usize, &Hint)) {
        let (rows, _) = self.table.as_chunks::<N>();
        let mut places: [&[[u64; N]]; WINDOW] = [&[]; WINDOW];
        for (place, own) in rows.chunks_exact(self.symbols).take(WINDOW).enumerate() {
            places[place] = own;
        }
        for (at, window) in symbols.windows(WINDOW).enumerate() {
            let mut alive = places[0][usize::from(window[0])];
            for place in 1..4 {
                let row = &places[place][usize::from(window[place])];
                for word in 0..N {
                    alive[word] &= row[word];
                }
            }
            if alive.iter().fold(0, |any, word| any | word) != 0 {
                for place in 4..WINDOW {
                    let row = &places[place][usize::from(window[place])];
                    for word in 0..N {
                        alive[word] &= row[word];
                    }
                }
                self.tell(at, &alive, candidate);
            }
        }
        // Behind the end of the text nothing is known, so every window goes on there.
        for at in symbols.len().saturating_sub(WINDOW - 1)..symbols.len() {
            let mut alive = [u64::MAX; N];
            for (symbol, rows) in symbols[at..].iter().zip(&places) {
                for word in 0..N {
                    alive[word] &= rows[usize::from(*symbol)][word];
                }
            }
            self.tell(at, &alive, candidate);
        }
    }

    #[inline(always)]
    fn tell<const N: usize>(&self, at: usize, alive: &[u64; N], candidate: &mut impl FnMut(usize, usize, &Hint)) {
        for (word, bits) in alive.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let bit = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                for hint in &self.hints[bit] {
                    candidate(at, 0, hint);
                }
            }
        }
    }
}
