//! Rules that name address ranges, `/^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} /`: recognised by their shape and
//! put into one tree of octets, so that ten thousand of them cost one look-up.
//!
//! Exactly the regular expressions' language, no more: an octet is any text of one to three digits (`007` and `999`
//! too), and each pattern allows a set of those. What does not fit this shape to the letter stays a pattern like
//! others.

use crate::ir::{ByteSet, Look, Node, Tree};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const PREFIX: &[u8] = b"[ ip=";
/// Texts of one, two and three digits.
const OCTETS: usize = 10 + 100 + 1000;
/// Above this the ranges overlap so wildly that a tree is no gain.
const MOST_ENTRIES: usize = 4_000_000;

/// What a pattern demands: octets, each a sorted list of number ranges, and what follows the last one.
pub(crate) struct AddressRange {
    octets: Vec<Vec<(u16, u16)>>,
    /// `.` or a blank.
    end: u8,
}

/// Up to three digits: how many, and their value.
type Digits = (u8, u16);

const NO_DIGITS: Digits = (0, 0);

/// Number of a text of digits: shorter ones first.
fn octet_number((len, value): Digits) -> Option<u16> {
    match len {
        1 => Some(value),
        2 => Some(10 + value),
        3 => Some(110 + value),
        _ => None,
    }
}

pub(crate) fn recognise(tree: &Tree) -> Option<AddressRange> {
    let Node::Concat(nodes) = &tree.root else { return None };
    let (first, rest) = nodes.split_first()?;
    if !matches!(first, Node::Look(Look::Start)) || rest.len() <= PREFIX.len() {
        return None;
    }
    let (head, mut rest) = rest.split_at(PREFIX.len());
    if !head.iter().zip(PREFIX).all(|(node, byte)| matches!(node, Node::Byte(b) if b == byte)) {
        return None;
    }
    let mut octets = Vec::new();
    loop {
        let len = rest.iter().position(|node| matches!(node, Node::Byte(b'.' | b' ')))?;
        let (octet, separator) = (&rest[..len], &rest[len]);
        let texts = octet.iter().try_fold(vec![NO_DIGITS], |sum, node| joined(&sum, &texts(tree, node)?))?;
        let mut allowed = vec![false; OCTETS];
        for text in texts {
            allowed[usize::from(octet_number(text)?)] = true;
        }
        octets.push(ranges(&allowed));
        rest = &rest[len + 1..];
        let Node::Byte(end) = separator else { return None };
        if rest.is_empty() {
            return (octets.len() <= 4).then_some(AddressRange { octets, end: *end });
        }
        if *end == b' ' || octets.len() == 4 {
            return None;
        }
    }
}

fn ranges(allowed: &[bool]) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for number in (0..OCTETS).filter(|number| allowed[*number]) {
        let number = number as u16;
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// All texts of a node, if they consist of digits only and are not longer than an octet.
fn texts(tree: &Tree, node: &Node) -> Option<Vec<Digits>> {
    let digits = ByteSet::range(b'0', b'9');
    match node {
        Node::Empty => Some(vec![NO_DIGITS]),
        Node::Byte(_) | Node::Set(_) => {
            let set = tree.byte_set(node)?;
            (set.union(digits) == digits).then(|| set.iter().map(|byte| (1, u16::from(byte - b'0'))).collect())
        }
        Node::Concat(nodes) => nodes.iter().try_fold(vec![NO_DIGITS], |sum, node| joined(&sum, &texts(tree, node)?)),
        Node::Alternate(nodes) => nodes.iter().try_fold(Vec::new(), |mut sum, node| {
            sum.extend(texts(tree, node)?);
            (sum.len() <= 4 * OCTETS).then_some(sum)
        }),
        Node::Capture(capture) => texts(tree, &capture.node),
        Node::Repeat(repeat) if repeat.greed != crate::ir::Greed::Possessive => {
            let max = repeat.max.filter(|max| *max <= 3)?;
            let once = texts(tree, &repeat.node)?;
            let mut sum = Vec::new();
            let mut copies = vec![NO_DIGITS];
            for count in 0..=max {
                if count >= repeat.min {
                    sum.extend_from_slice(&copies);
                }
                if count < max {
                    copies = joined(&copies, &once)?;
                }
            }
            Some(sum)
        }
        _ => None,
    }
}

fn joined(left: &[Digits], right: &[Digits]) -> Option<Vec<Digits>> {
    if left.len() * right.len() > 4 * OCTETS {
        return None;
    }
    let mut out = Vec::with_capacity(left.len() * right.len());
    for (left_len, left_value) in left {
        for (right_len, right_value) in right {
            if left_len + right_len > 3 {
                return None;
            }
            out.push((left_len + right_len, left_value * 10u16.pow(u32::from(*right_len)) + right_value));
        }
    }
    Some(out)
}

/// The tree: each node is a run of `branches`, sorted, not overlapping.
#[derive(Serialize, Deserialize)]
pub(crate) struct AddressTable {
    nodes: Vec<(u32, u32)>,
    branches: Vec<Branch>,
    patterns: Vec<u32>,
}

/// For the octets `first..=last`: what is complete if a dot or a blank follows, and where to go on after a dot.
#[derive(Clone, Serialize, Deserialize)]
struct Branch {
    first: u16,
    last: u16,
    dot: (u32, u32),
    blank: (u32, u32),
    child: Option<u32>,
}

impl AddressTable {
    /// `None` if there are no ranges, or if they overlap too much.
    pub fn new(ranges: &[(u32, AddressRange)]) -> Option<AddressTable> {
        if ranges.is_empty() {
            return None;
        }
        let mut table = AddressTable { nodes: Vec::new(), branches: Vec::new(), patterns: Vec::new() };
        let all: Vec<u32> = (0..ranges.len() as u32).collect();
        table.node(ranges, &all, 0, &mut HashMap::new())?;
        Some(table)
    }

    /// A node for those ranges whose octets so far fit.
    fn node(
        &mut self,
        ranges: &[(u32, AddressRange)],
        members: &[u32],
        depth: usize,
        known: &mut HashMap<(usize, Vec<u32>), Branch>,
    ) -> Option<u32> {
        let mut edges: Vec<(u16, bool, u32)> = Vec::new();
        for member in members {
            for (first, last) in &ranges[*member as usize].1.octets[depth] {
                edges.push((*first, true, *member));
                edges.push((*last + 1, false, *member));
            }
        }
        edges.sort_unstable();
        let mut branches: Vec<Branch> = Vec::new();
        let mut active: Vec<u32> = Vec::new();
        for (index, (at, begins, member)) in edges.iter().enumerate() {
            match (active.binary_search(member), begins) {
                (Err(place), true) => active.insert(place, *member),
                (Ok(place), false) => drop(active.remove(place)),
                _ => {}
            }
            let next = edges.get(index + 1).map_or(*at, |edge| edge.0);
            if next == *at || active.is_empty() {
                continue;
            }
            let key = (depth, active.clone());
            let mut branch = match known.get(&key) {
                Some(branch) => branch.clone(),
                None => {
                    let branch = self.branch(ranges, &active, depth, known)?;
                    known.insert(key, branch.clone());
                    branch
                }
            };
            (branch.first, branch.last) = (*at, next - 1);
            branches.push(branch);
        }
        let start = self.branches.len() as u32;
        self.branches.extend(branches);
        self.nodes.push((start, self.branches.len() as u32));
        (self.branches.len() + self.patterns.len() <= MOST_ENTRIES).then_some(self.nodes.len() as u32 - 1)
    }

    fn branch(
        &mut self,
        ranges: &[(u32, AddressRange)],
        active: &[u32],
        depth: usize,
        known: &mut HashMap<(usize, Vec<u32>), Branch>,
    ) -> Option<Branch> {
        let mut complete = |end: u8| {
            let start = self.patterns.len() as u32;
            let own = active.iter().map(|member| &ranges[*member as usize]);
            let here = own.filter(|(_, range)| range.octets.len() == depth + 1 && range.end == end);
            self.patterns.extend(here.map(|(pattern, _)| *pattern));
            (start, self.patterns.len() as u32)
        };
        let (dot, blank) = (complete(b'.'), complete(b' '));
        let further: Vec<u32> =
            active.iter().copied().filter(|member| ranges[*member as usize].1.octets.len() > depth + 1).collect();
        let child = if further.is_empty() { None } else { Some(self.node(ranges, &further, depth + 1, known)?) };
        Some(Branch { first: 0, last: 0, dot, blank, child })
    }

    /// Calls `hit` with each pattern that matches this text.
    pub fn look_up(&self, text: &[u8], mut hit: impl FnMut(u32)) {
        let Some(mut rest) = text.strip_prefix(PREFIX) else { return };
        let mut node = self.nodes.len().checked_sub(1); // the root is finished last
        while let Some(index) = node {
            let len = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
            if len == 0 {
                return;
            }
            let value = rest[..len.min(3)].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            let (Some(octet), Some(separator)) = (octet_number((len as u8, value)), rest.get(len)) else { return };
            let (start, end) = self.nodes[index];
            let branches = &self.branches[start as usize..end as usize];
            let place = branches.partition_point(|branch| branch.last < octet);
            let Some(branch) = branches.get(place).filter(|branch| branch.first <= octet) else { return };
            let (start, end) = match separator {
                b'.' => branch.dot,
                b' ' => branch.blank,
                _ => return,
            };
            self.patterns[start as usize..end as usize].iter().for_each(|pattern| hit(*pattern));
            if *separator != b'.' {
                return;
            }
            rest = &rest[len + 1..];
            node = branch.child.map(|child| child as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, Regex, perl};

    const PATTERNS: &[&str] = &[
        r"^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} ",
        r"^\[ ip=180\.94\.",
        r"^\[ ip=180\.9[0-5]\.",
        r"^\[ ip=10\.(?:1[6-9]|2\d|3[01])\.",
        r"^\[ ip=1(?:0|80)\.\d{1,3}\.\d{1,2}\.[1-9]\d? ",
        r"^\[ ip=\d{1,3}\.9?4\.0\.1 ",
        r"^\[ ip=10\.1\.1\.1\.",
        r"^\[ ip=0?10\.",
        r"^\[ ip=1[0-9]{2} ",
    ];

    fn parsed(pattern: &str) -> Tree {
        perl::parse(pattern.as_bytes(), Flags::default()).expect("test patterns are valid")
    }

    #[test]
    fn a_table_finds_what_the_expressions_match() {
        let ranges: Vec<_> = (0u32..)
            .zip(PATTERNS)
            .map(|(index, pattern)| (index, recognise(&parsed(pattern)).expect("an address range")))
            .collect();
        let table = AddressTable::new(&ranges).expect("there are ranges");
        let regexes: Vec<Regex> =
            PATTERNS.iter().map(|p| Regex::new(p.as_bytes(), Flags::default()).expect("valid")).collect();
        let octets = ["0", "1", "4", "9", "10", "010", "31", "32", "94", "94x", "180", "", "1800"];
        let mut hits = 0;
        for a in ["10", "010", "180", "100", "7", "1", ""] {
            for b in octets {
                for c in octets {
                    for d in ["1", "10", "100", "01", "1.", "x"] {
                        for end in [" ", "", " rdns"] {
                            let text = format!("[ ip={a}.{b}.{c}.{d}{end}");
                            let mut found = Vec::new();
                            table.look_up(text.as_bytes(), |pattern| found.push(pattern));
                            found.sort_unstable();
                            let expected: Vec<u32> = (0u32..)
                                .zip(&regexes)
                                .filter(|(_, regex)| regex.is_match(text.as_bytes()))
                                .map(|(index, _)| index)
                                .collect();
                            assert_eq!(found, expected, "{text}");
                            hits += found.len();
                        }
                    }
                }
            }
        }
        assert!(hits > 1_000);
    }

    #[test]
    fn other_shapes_stay_patterns() {
        let others = [
            r"^\[ ip=180\.94",
            r"\[ ip=180\.94\.",
            r"^\[ ip=180\.\d+\.",
            r"^\[ ip=180\.94\. ",
            r"(?m)^\[ ip=180\.94\.",
            r"^\[ ip=(?:180\.94|10\.1)\.",
            r"^\[ ip=180\.94\.[^.]+ ",
            r"^\[ ip=1\.2\.3\.4\.5 ",
            r"^\[ ip=\d{0,3}\.",
        ];
        for pattern in others {
            assert!(recognise(&parsed(pattern)).is_none(), "{pattern}");
        }
    }

    #[test]
    fn ten_thousand_ranges_make_a_small_table() {
        let ranges: Vec<_> = (0..10_000u32)
            .map(|n| {
                let pattern = format!(r"^\[ ip={}\.{}\.(?:\d|[12]\d|3[01])\.\d{{1,3}} ", n / 250 + 1, n % 250);
                (n, recognise(&parsed(&pattern)).expect("an address range"))
            })
            .collect();
        let table = AddressTable::new(&ranges).expect("there are ranges");
        assert!(table.branches.len() < 60_000, "{} branches", table.branches.len());
        let mut found = Vec::new();
        table.look_up(b"[ ip=2.7.31.255 rdns=", |pattern| found.push(pattern));
        assert_eq!(found, [257]);
    }
}
