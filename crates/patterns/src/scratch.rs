//! Everything a scan changes, owned by the caller: one [`Scratch`] per thread, one [`Found`] per message.

use crate::PatternId;
use crate::pcre2::Workspace;
use regex_automata::hybrid::dfa::Cache;
use std::ops::Range;

/// Automaton states of all patterns together; above it they are forgotten and found anew. Each pattern has its own,
/// smaller limit, so this is met only where somebody tries hard.
const MOST_MEMORY: usize = 128 << 20;
const SCANS_BETWEEN_CHECKS: u32 = 4096;

/// Working memory of a scan. Make one per thread and keep it: it holds automaton states that took work to find.
#[derive(Default)]
pub struct Scratch {
    /// The database that the caches belong to.
    pub(crate) owner: u64,
    scans: u32,
    /// Counts units over all scans, so that `progress` needs no clearing.
    pub(crate) units: u64,
    pub(crate) patterns: Vec<PatternScratch>,
    pub(crate) buffers: Buffers,
    pub(crate) workspace: Workspace,
}

#[derive(Default)]
pub(crate) struct Buffers {
    pub folded: Vec<u8>,
    pub symbols: Vec<u8>,
}

/// What a thread keeps for one pattern.
#[derive(Default)]
pub(crate) struct PatternScratch {
    /// The unit that `tried` is about.
    pub unit: u64,
    /// No match begins at these places of that unit.
    pub tried: Range<usize>,
    pub cache: Option<Box<Cache>>,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// Forgets what belongs to another database.
    pub(crate) fn belong_to(&mut self, owner: u64, patterns: usize) {
        if self.owner != owner {
            self.owner = owner;
            self.patterns.clear();
            self.patterns.resize_with(patterns, PatternScratch::default);
        }
        self.scans = self.scans.wrapping_add(1);
        if self.scans.is_multiple_of(SCANS_BETWEEN_CHECKS) && self.memory() > MOST_MEMORY {
            self.patterns.iter_mut().for_each(|pattern| pattern.cache = None);
        }
    }

    /// Bytes held by automaton caches.
    pub fn memory(&self) -> usize {
        self.patterns.iter().filter_map(|p| p.cache.as_ref()).map(|cache| cache.memory_usage()).sum()
    }
}

/// A pattern that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub pattern: PatternId,
    /// Number of matches: 1 for [`crate::Count::Once`].
    pub count: u32,
    /// The first unit with a match; for [`crate::Count::Once`] the one that was found first, since the scan goes over the
    /// text more than once and stops at a hit.
    pub unit: u32,
}

/// What scans found, over any number of groups. Clearing costs as much as there was found.
#[derive(Default, Clone, Debug)]
pub struct Found {
    hits: Vec<Hit>,
    /// `slots[pattern]` is an index into `hits` that holds if the hit there is for that pattern.
    slots: Vec<u32>,
    limited: Vec<PatternId>,
}

impl Found {
    pub fn new() -> Found {
        Found::default()
    }

    pub fn clear(&mut self) {
        self.hits.clear();
        self.limited.clear();
    }

    /// All hits, in the order in which they were found.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    pub fn get(&self, pattern: PatternId) -> Option<&Hit> {
        let slot = *self.slots.get(pattern.0 as usize)?;
        self.hits.get(slot as usize).filter(|hit| hit.pattern == pattern)
    }

    /// Patterns whose search was given up at the step limit: whether they match is not known.
    pub fn limited(&self) -> &[PatternId] {
        &self.limited
    }

    pub(crate) fn add(&mut self, pattern: PatternId, count: u32, unit: u32) {
        let index = pattern.0 as usize;
        if self.slots.len() <= index {
            self.slots.resize(index + 1, u32::MAX);
        }
        if let Some(hit) = self.hits.get_mut(self.slots[index] as usize)
            && hit.pattern == pattern
        {
            hit.count = hit.count.saturating_add(count);
            hit.unit = hit.unit.min(unit);
            return;
        }
        self.slots[index] = self.hits.len() as u32;
        self.hits.push(Hit { pattern, count, unit });
    }

    pub(crate) fn add_limited(&mut self, pattern: PatternId) {
        if !self.limited.contains(&pattern) {
            self.limited.push(pattern);
        }
    }
}
