//! One tree for every tongue in which patterns are written. Bytes only: a set is 256 bits, case folding has been
//! done, names have become numbers. What the tree says is what Perl matches; whoever reads it need not know Perl.

use std::collections::HashMap;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    pub const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub fn of(bytes: &[u8]) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        bytes.iter().for_each(|b| set.insert(*b));
        set
    }

    pub fn range(from: u8, to: u8) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        (from..=to).for_each(|b| set.insert(b));
        set
    }

    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    pub fn union(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    pub fn intersect(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    pub fn negate(self) -> ByteSet {
        ByteSet(self.0.map(|w| !w))
    }

    pub fn len(&self) -> u32 {
        self.0.iter().map(|w| w.count_ones()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..4u8).flat_map(|i| {
            let mut word = self.0[usize::from(i)];
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros() as u8;
                    word &= word - 1;
                    i * 64 + bit
                })
            })
        })
    }

    /// Maximal ranges of neighbouring bytes.
    pub fn ranges(&self) -> Vec<(u8, u8)> {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in self.iter() {
            match ranges.last_mut() {
                Some((_, end)) if *end != u8::MAX && *end + 1 == byte => *end = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        ranges
    }

    /// Adds the other case of every letter, as Perl folds bytes under `/ai`: ASCII, and Latin-1 C0-DE with E0-FE
    /// but for the two signs × and ÷.
    pub fn fold(self) -> ByteSet {
        let mut folded = self;
        for byte in self.iter() {
            folded.insert(other_case(byte));
        }
        folded
    }
}

/// The byte that Perl's `/ai` holds equal to this one; itself if there is none.
pub fn other_case(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' => byte ^ 0x20,
        0xD7 | 0xF7 | 0xDF | 0xFF => byte,
        0xC0..=0xFE => byte ^ 0x20,
        _ => byte,
    }
}

/// Index into [`Tree::sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// `\A`, and `^` without `/m`.
    Start,
    /// `\z`
    End,
    /// `\Z`, and `$` without `/m`: the end, or before a line feed that is the last byte.
    EndOrLastLineFeed,
    /// `^` with `/m`: the start, and after a line feed that is not the last byte.
    LineStart,
    /// `$` with `/m`: the end, and before any line feed.
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Debug)]
pub enum Node {
    Empty,
    Byte(u8),
    Set(SetId),
    Look(Look),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat(Box<Repeat>),
    Capture(Box<Capture>),
    Atomic(Box<Node>),
    Around(Box<Around>),
    /// What one of these groups captured; `ignore_case` as the flag stood there.
    BackReference(Box<BackReference>),
    /// `\K`: the match begins here.
    Keep,
    /// Something that only the backtracker understands; may match anything, anywhere.
    Opaque,
}

#[derive(Clone, Debug)]
pub struct Repeat {
    pub node: Node,
    pub min: u32,
    /// `None`: no limit.
    pub max: Option<u32>,
    pub greed: Greed,
}

#[derive(Clone, Debug)]
pub struct Capture {
    pub index: u32,
    pub name: Option<String>,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub struct Around {
    pub ahead: bool,
    pub negative: bool,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub struct BackReference {
    pub groups: Vec<u32>,
    pub ignore_case: bool,
}

/// How many bytes a match may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub min: u32,
    /// `None`: no limit known.
    pub max: Option<u32>,
}

impl Span {
    pub const ZERO: Span = Span { min: 0, max: Some(0) };
    pub const ONE: Span = Span { min: 1, max: Some(1) };
    pub const ANY: Span = Span { min: 0, max: None };

    pub fn then(self, next: Span) -> Span {
        Span { min: self.min.saturating_add(next.min), max: self.max.zip(next.max).and_then(|(a, b)| a.checked_add(b)) }
    }

    pub fn or(self, other: Span) -> Span {
        Span { min: self.min.min(other.min), max: self.max.zip(other.max).map(|(a, b)| a.max(b)) }
    }

    pub fn times(self, min: u32, max: Option<u32>) -> Span {
        let longest = match (self.max, max) {
            (Some(0), _) => Some(0),
            (Some(a), Some(b)) => a.checked_mul(b),
            _ => None,
        };
        Span { min: self.min.saturating_mul(min), max: longest }
    }
}

/// A parsed pattern.
#[derive(Clone, Debug)]
pub struct Tree {
    pub root: Node,
    pub sets: Vec<ByteSet>,
    /// Names of groups by index, from group 1.
    pub names: Vec<Option<String>>,
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ranges().iter().map(|(a, b)| (*a as char, *b as char))).finish()
    }
}

/// Hands out one number for each distinct set: the large rules repeat a few sets thousands of times.
#[derive(Default)]
pub struct SetTable {
    pub sets: Vec<ByteSet>,
    ids: HashMap<ByteSet, SetId>,
}

impl SetTable {
    pub fn node(&mut self, set: ByteSet) -> Node {
        if set.len() == 1
            && let Some(byte) = set.iter().next()
        {
            return Node::Byte(byte);
        }
        let id = *self.ids.entry(set).or_insert_with(|| {
            self.sets.push(set);
            SetId(self.sets.len() as u32 - 1)
        });
        Node::Set(id)
    }
}

impl Node {
    pub fn span(&self) -> Span {
        match self {
            Node::Empty | Node::Look(_) | Node::Around(_) | Node::Keep => Span::ZERO,
            Node::Byte(_) | Node::Set(_) => Span::ONE,
            Node::Concat(nodes) => nodes.iter().fold(Span::ZERO, |sum, n| sum.then(n.span())),
            Node::Alternate(nodes) => nodes.iter().map(Node::span).reduce(Span::or).unwrap_or(Span::ZERO),
            Node::Repeat(repeat) => repeat.node.span().times(repeat.min, repeat.max),
            Node::Capture(capture) => capture.node.span(),
            Node::Atomic(node) => node.span(),
            Node::BackReference(_) | Node::Opaque => Span::ANY,
        }
    }

    /// About how many automaton states a node needs.
    pub fn weight(&self) -> u64 {
        let inner: u64 = self.children().iter().map(Node::weight).fold(1, u64::saturating_add);
        match self {
            Node::Repeat(repeat) => {
                inner.saturating_mul(u64::from(repeat.max.unwrap_or(repeat.min).max(repeat.min).max(1)))
            }
            _ => inner,
        }
    }

    pub fn children(&self) -> &[Node] {
        match self {
            Node::Concat(nodes) | Node::Alternate(nodes) => nodes,
            Node::Repeat(repeat) => std::slice::from_ref(&repeat.node),
            Node::Capture(capture) => std::slice::from_ref(&capture.node),
            Node::Atomic(node) => std::slice::from_ref(node),
            Node::Around(around) => std::slice::from_ref(&around.node),
            _ => &[],
        }
    }

    /// Does `test` hold for this node or one below it?
    pub fn any(&self, test: &mut impl FnMut(&Node) -> bool) -> bool {
        test(self) || self.children().iter().any(|child| child.any(test))
    }
}

impl Tree {
    pub fn set(&self, id: SetId) -> ByteSet {
        self.sets[id.0 as usize]
    }

    /// The bytes that a one-byte node matches.
    pub fn byte_set(&self, node: &Node) -> Option<ByteSet> {
        match node {
            Node::Byte(byte) => Some(ByteSet::of(&[*byte])),
            Node::Set(id) => Some(self.set(*id)),
            _ => None,
        }
    }

    /// Can a finite automaton decide whether this matches? Then `verify` needs no backtracker for it.
    pub fn is_regular(&self) -> bool {
        !self.root.any(&mut |node| match node {
            Node::Around(_) | Node::Atomic(_) | Node::BackReference(_) | Node::Keep | Node::Opaque => true,
            Node::Repeat(repeat) => repeat.greed == Greed::Possessive,
            _ => false,
        }) && looks_are_plain(&self.root, Span::ZERO)
    }

    /// Will the automaton also find the bounds that Perl finds, so that matches may be counted with it?
    /// Not where `$` may stand before the last line feed (the automaton takes that byte into the match), nor
    /// where an unlimited repeat can go round without eating anything, nor where a match can be empty.
    pub fn bounds_are_regular(&self) -> bool {
        self.root.span().min > 0
            && !self.root.any(&mut |node| match node {
                Node::Look(Look::EndOrLastLineFeed) => true,
                Node::Repeat(repeat) => repeat.max.is_none() && repeat.node.span().min == 0,
                _ => false,
            })
    }
}

/// `$` is plain where nothing can follow it; `^` under `/m` is plain where something must follow.
/// `after`: how much the rest of the pattern behind this node matches.
fn looks_are_plain(node: &Node, after: Span) -> bool {
    match node {
        Node::Look(Look::EndOrLastLineFeed) => after.max == Some(0),
        Node::Look(Look::LineStart) => after.min > 0,
        Node::Concat(nodes) => {
            let mut behind = after;
            nodes.iter().rev().all(|child| {
                let plain = looks_are_plain(child, behind);
                behind = child.span().then(behind);
                plain
            })
        }
        Node::Repeat(repeat) => {
            let more = repeat.node.span().times(0, repeat.max.map(|m| m.saturating_sub(1)));
            looks_are_plain(&repeat.node, more.then(after))
        }
        _ => node.children().iter().all(|child| looks_are_plain(child, after)),
    }
}
