//! From a pattern's tree to a text that the pattern should match.
//!
//! Look-around, back-references and anchors in odd places are not solved but tried: a text is drawn, with some of them
//! honoured at random, and whoever asked tests it against the pattern. The same seed gives the same text.

use patterns::ir::{Look, Node, Tree};
use std::collections::HashMap;

/// A small deterministic generator (xorshift), so that a run can be repeated.
pub struct Seed(u64);

impl Seed {
    pub fn new(name: &str, variant: u64) -> Seed {
        let start =
            name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Seed((start ^ variant.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// No text longer than this is asked about.
const LONGEST: usize = 40_000;

/// One text; more calls give other texts.
pub fn draw(tree: &Tree, seed: &mut Seed) -> Option<Vec<u8>> {
    let mut drawing = Drawing {
        tree,
        groups: HashMap::new(),
        out: Vec::new(),
        extra: 3,
        ascii: seed.below(4) != 0,
        fixed: HashMap::new(),
    };
    // Now and then repeats are longer, and sets keep to one byte each: `(.)\1` and `[A-Z]{20}` want either.
    if seed.one_in(4) {
        drawing.extra = [0, 8, 30][seed.below(3)];
    }
    let steady = seed.one_in(6);
    drawing.node(&tree.root, seed, steady);
    (drawing.out.len() <= LONGEST).then_some(drawing.out)
}

struct Drawing<'a> {
    tree: &'a Tree,
    groups: HashMap<u32, Vec<u8>>,
    out: Vec<u8>,
    extra: u32,
    ascii: bool,
    fixed: HashMap<u32, u8>,
}

impl Drawing<'_> {
    fn node(&mut self, node: &Node, seed: &mut Seed, steady: bool) {
        if self.out.len() > LONGEST {
            return;
        }
        match node {
            Node::Byte(byte) => self.out.push(*byte),
            Node::Set(id) => {
                let byte = match self.fixed.get(&id.0) {
                    Some(byte) if steady => Some(*byte),
                    _ => self.choose(node, seed),
                };
                if let Some(byte) = byte {
                    self.fixed.insert(id.0, byte);
                    self.out.push(byte);
                }
            }
            Node::Concat(nodes) => nodes.iter().for_each(|n| self.node(n, seed, steady)),
            Node::Alternate(nodes) => {
                let mut pick = seed.below(nodes.len());
                // The next one that can be written in ASCII, if that is wanted and there is one.
                if self.ascii {
                    pick = (0..nodes.len())
                        .map(|i| (pick + i) % nodes.len())
                        .find(|&i| self.is_ascii(&nodes[i]))
                        .unwrap_or(pick);
                }
                self.node(&nodes[pick], seed, steady);
            }
            Node::Repeat(repeat) => {
                let most = repeat.max.unwrap_or(u32::MAX).min(repeat.min.saturating_add(self.extra));
                let times = repeat.min as usize + seed.below((most - repeat.min) as usize + 1);
                for _ in 0..times {
                    self.node(&repeat.node, seed, steady);
                }
            }
            Node::Capture(capture) => {
                let start = self.out.len();
                self.node(&capture.node, seed, steady);
                self.groups.insert(capture.index, self.out[start.min(self.out.len())..].to_vec());
            }
            Node::Atomic(node) => self.node(node, seed, steady),
            Node::Around(around) if !around.negative && seed.one_in(2) => self.node(&around.node, seed, steady),
            Node::BackReference(reference) => {
                if let Some(text) = reference.groups.iter().find_map(|g| self.groups.get(g)) {
                    self.out.extend_from_slice(&text.clone());
                }
            }
            Node::Look(Look::LineStart) => {
                if self.out.last().is_some_and(|b| *b != b'\n') {
                    self.out.push(b'\n');
                }
            }
            Node::Look(Look::LineEnd) if seed.one_in(2) => self.out.push(b'\n'),
            Node::Look(Look::WordBoundary) if seed.one_in(3) => {
                // A boundary holds by itself at most places; where two words would meet, something must part them.
                if self.out.last().is_some_and(u8::is_ascii_alphanumeric) {
                    self.out.push(b' ');
                }
            }
            Node::Look(_) | Node::Around(_) | Node::Empty | Node::Keep | Node::Opaque => {}
        }
    }

    fn is_ascii(&self, node: &Node) -> bool {
        !node.any(&mut |n| match n {
            Node::Byte(byte) => !byte.is_ascii(),
            Node::Set(_) => self.tree.byte_set(n).is_some_and(|set| !set.iter().any(|b| b.is_ascii())),
            _ => false,
        })
    }

    /// A byte of the set: letters and digits before signs before the rest, small letters before capitals.
    fn choose(&self, node: &Node, seed: &mut Seed) -> Option<u8> {
        let set = self.tree.byte_set(node)?;
        let small: Vec<u8> = set.iter().filter(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).collect();
        let tame: Vec<u8> = set.iter().filter(|b| b.is_ascii_alphanumeric()).collect();
        let plain: Vec<u8> = set.iter().filter(|b| (0x20..0x7f).contains(b)).collect();
        let all: Vec<u8> = set.iter().collect();
        let tiers = [&small, &tame, &plain, &all];
        let first = tiers.iter().position(|t| !t.is_empty())?;
        let tier = if seed.one_in(10) && !self.ascii { (first + 1 + seed.below(3)).min(3) } else { first };
        let from = tiers[tier];
        from.get(seed.below(from.len())).copied()
    }
}
