//! Everything a scan changes, owned by the caller: one [`Scratch`] per thread, one [`Found`] per message.

use crate::PatternId;

/// Working memory of a scan. Make one per thread and keep it: it holds automaton states that took work to find.
#[derive(Default)]
pub struct Scratch {}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

/// A pattern that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub pattern: PatternId,
    /// Number of matches: 1 for [`crate::Count::Once`].
    pub count: u32,
    /// The first unit with a match.
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
        if let Some(slot) = self.slots.get(pattern.0 as usize)
            && let Some(hit) = self.hits.get_mut(*slot as usize)
            && hit.pattern == pattern
        {
            hit.count += count;
            return;
        }
        let index = pattern.0 as usize;
        if self.slots.len() <= index {
            self.slots.resize(index + 1, u32::MAX);
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
