//! Sets of numbers below a bound, for many comparisons: which messages a rule hits.

/// A bit a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    pub fn new(length: usize) -> Bits {
        Bits { words: vec![0; length.div_ceil(64)], count: 0 }
    }

    /// Every number below `length`.
    pub fn all(length: usize) -> Bits {
        let mut bits = Bits::new(length);
        (0..length).for_each(|at| bits.set(at));
        bits
    }

    pub fn set(&mut self, at: usize) {
        let word = &mut self.words[at / 64];
        self.count += usize::from(*word & (1 << (at % 64)) == 0);
        *word |= 1 << (at % 64);
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// How many are in both.
    pub fn shared(&self, other: &Bits) -> usize {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    pub fn shares(&self, other: &Bits) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Those in both.
    pub fn both(&self, other: &Bits) -> Bits {
        self.with(other, |a, b| a & b)
    }

    /// Those that are not in the other; sets of one length.
    pub fn without(&self, other: &Bits) -> Bits {
        self.with(other, |a, b| a & !b)
    }

    pub fn remove(&mut self, other: &Bits) {
        *self = self.without(other);
    }

    fn with(&self, other: &Bits, each: impl Fn(u64, u64) -> u64) -> Bits {
        let words: Vec<u64> = self.words.iter().zip(&other.words).map(|(a, b)| each(*a, *b)).collect();
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Bits { words, count }
    }
}
