//! A pattern piece by piece in words, for `explain`: what stands there on the left, what it means on the right.
//!
//! Small things are kept together (`\d{1,3}` is one line, `free` is one line); groups that are too long for a line
//! are opened, their pieces indented, and closed with what holds for the whole group.

use crate::ir::{Around, ByteSet, Greed, Look, Node, Repeat, Tree};
use crate::perl::{self, Piece};
use crate::{Flags, PatternError};

/// A line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// How deep inside groups.
    pub depth: u32,
    /// What the pattern says here, byte by byte as Latin-1.
    pub source: String,
    pub meaning: String,
}

/// Groups up to this many bytes of source are told in one line.
const ONE_LINE: usize = 28;

pub fn describe(source: &[u8], flags: Flags) -> Result<Vec<Explained>, PatternError> {
    let (tree, pieces) = perl::parse_pieces(source, flags)?;
    let mut out = Vec::new();
    if flags.ignore_case {
        let meaning = "capital and small letters are the same".to_string();
        out.push(Explained { depth: 0, source: "i".into(), meaning });
    }
    Describer { source, tree: &tree, out: &mut out }.pieces(&pieces, 0);
    Ok(out)
}

struct Describer<'a> {
    source: &'a [u8],
    tree: &'a Tree,
    out: &'a mut Vec<Explained>,
}

impl Describer<'_> {
    /// Pieces of one depth with what lies below them in between, in the order of writing.
    fn pieces(&mut self, pieces: &[Piece], depth: u32) {
        let mut index = 0;
        while index < pieces.len() {
            let piece = &pieces[index];
            let below = pieces[index + 1..].iter().take_while(|p| p.depth > piece.depth).count();
            let inside = &pieces[index + 1..index + 1 + below];
            // Neighbouring plain bytes are one text.
            let mut end = index + 1;
            if self.plain(&piece.node).is_some() && below == 0 {
                while pieces.get(end).is_some_and(|p| p.depth == piece.depth && self.plain(&p.node).is_some()) {
                    end += 1;
                }
                let text: Vec<u8> = pieces[index..end].iter().filter_map(|p| self.plain(&p.node)).collect();
                let place = piece.source.start..pieces[end - 1].source.end;
                self.line(depth, place, format!("the text {}", quoted(&text)));
                index = end;
                continue;
            }
            index = end + below;
            let place = piece.source.clone();
            if inside.is_empty() || place.len() <= ONE_LINE {
                let meaning = match &piece.node {
                    Node::Alternate(nodes) if nodes.is_empty() => "or".to_string(),
                    Node::Empty => self.flags_or_nothing(&self.source[place.clone()]),
                    node => self.words(node),
                };
                self.line(depth, place, meaning);
                continue;
            }
            let first = inside[0].source.start;
            let last = inside.iter().map(|p| p.source.end).max().unwrap_or(place.end);
            self.line(depth, place.start..first, self.opening(&piece.node));
            self.pieces(inside, depth + 1);
            self.line(depth, last..place.end, self.closing(&piece.node));
        }
    }

    fn line(&mut self, depth: u32, place: std::ops::Range<usize>, meaning: String) {
        let source = self.source.get(place).unwrap_or_default().iter().map(|b| char::from(*b)).collect();
        self.out.push(Explained { depth, source, meaning });
    }

    /// The byte that a node stands for, in whatever case.
    fn plain(&self, node: &Node) -> Option<u8> {
        match node {
            Node::Byte(byte) => Some(*byte),
            Node::Set(id) => {
                let set = self.tree.set(*id);
                let first = set.iter().next()?;
                (set.len() == 2 && ByteSet::of(&[first]).fold() == set).then(|| first.to_ascii_lowercase())
            }
            _ => None,
        }
    }

    fn flags_or_nothing(&self, source: &[u8]) -> String {
        match source.strip_prefix(b"(?").and_then(|s| s.strip_suffix(b")")) {
            Some(flags) if !flags.contains(&b':') => {
                let (on, off) = match flags.iter().position(|b| *b == b'-') {
                    Some(minus) => (&flags[..minus], &flags[minus + 1..]),
                    None => (flags, &b""[..]),
                };
                let mut parts = Vec::new();
                for (letters, verb) in [(on, "from here on"), (off, "no longer")] {
                    for letter in letters {
                        let meaning = match letter {
                            b'i' => "capital and small letters are the same",
                            b'm' => "^ and $ hold at every line",
                            b's' => ". includes line breaks",
                            b'x' => "blanks and comments in the pattern mean nothing",
                            _ => continue,
                        };
                        parts.push(format!("{verb}: {meaning}"));
                    }
                }
                if parts.is_empty() { "a switch that changes nothing here".into() } else { parts.join("; ") }
            }
            _ => "nothing".into(),
        }
    }

    fn opening(&self, node: &Node) -> String {
        match node {
            Node::Capture(capture) => match &capture.name {
                Some(name) => format!("a group, remembered as \"{name}\":"),
                None => format!("a group, remembered as number {}:", capture.index),
            },
            Node::Repeat(repeat) => match &repeat.node {
                inner @ Node::Capture(_) => self.opening(inner),
                _ => "a group:".into(),
            },
            Node::Around(around) => format!("{}:", look_words(around)),
            Node::Atomic(_) => "a group that gives nothing back once matched:".into(),
            _ => "a group:".into(),
        }
    }

    fn closing(&self, node: &Node) -> String {
        match node {
            Node::Repeat(repeat) => format!("end of the group: all this {}", times(repeat)),
            _ => "end of the group".into(),
        }
    }

    fn words(&self, node: &Node) -> String {
        match node {
            Node::Empty => "nothing".into(),
            Node::Byte(byte) => format!("the text {}", quoted(&[*byte])),
            Node::Set(id) => match self.plain(node) {
                Some(byte) => format!("the text {}", quoted(&[byte])),
                None => set_words(&self.tree.set(*id)),
            },
            Node::Look(look) => match look {
                Look::Start => "at the very beginning".into(),
                Look::End => "at the very end".into(),
                Look::EndOrLastLineFeed => "at the end (a last line break may follow)".into(),
                Look::LineStart => "at the beginning of a line".into(),
                Look::LineEnd => "at the end of a line".into(),
                Look::WordBoundary => "at the edge of a word".into(),
                Look::NotWordBoundary => "not at the edge of a word".into(),
            },
            Node::Concat(nodes) => {
                let mut parts: Vec<String> = Vec::new();
                let mut text: Vec<u8> = Vec::new();
                for node in nodes {
                    match self.plain(node) {
                        Some(byte) => text.push(byte),
                        None => {
                            if !text.is_empty() {
                                parts.push(quoted(&std::mem::take(&mut text)));
                            }
                            parts.push(self.words(node));
                        }
                    }
                }
                if !text.is_empty() {
                    parts.push(quoted(&text));
                }
                parts.join(", then ")
            }
            Node::Alternate(nodes) => {
                let parts: Vec<String> = nodes.iter().map(|node| self.words(node)).collect();
                parts.join(", or ").replace("the text ", "")
            }
            Node::Repeat(repeat) => match (&repeat.node, repeat.min, repeat.max) {
                (inner, 0, Some(1)) => format!("perhaps {}", self.words(inner)),
                (inner, ..) => format!("{}, {}", self.words(inner), times(repeat)),
            },
            Node::Capture(capture) => {
                let name = capture.name.clone().map_or(format!("number {}", capture.index), |n| format!("\"{n}\""));
                format!("{} (remembered as {name})", self.words(&capture.node))
            }
            Node::Atomic(inner) => format!("{} (nothing is given back)", self.words(inner)),
            Node::Around(around) => format!("{} {}", look_words(around), self.words(&around.node)),
            Node::BackReference(reference) => {
                let groups: Vec<String> = reference.groups.iter().map(u32::to_string).collect();
                format!("the same text as group {} matched", groups.join(" or "))
            }
            Node::Keep => "the match counts from here".into(),
            Node::Opaque => "a construct of Perl that is run but not explained".into(),
        }
    }
}

fn look_words(around: &Around) -> &'static str {
    match (around.ahead, around.negative) {
        (true, false) => "provided that what follows is",
        (true, true) => "provided that what follows is not",
        (false, false) => "provided that what stands before is",
        (false, true) => "provided that what stands before is not",
    }
}

fn times(repeat: &Repeat) -> String {
    let count = match (repeat.min, repeat.max) {
        (0, None) => "any number of times".into(),
        (1, None) => "once or more".into(),
        (0, Some(1)) => "perhaps".into(),
        (min, None) => format!("{min} times or more"),
        (min, Some(max)) if min == max => format!("{min} times"),
        (0, Some(max)) => format!("up to {max} times"),
        (min, Some(max)) => format!("{min} to {max} times"),
    };
    match repeat.greed {
        Greed::Greedy => count,
        Greed::Lazy => format!("{count}, as few as possible"),
        Greed::Possessive => format!("{count}, giving nothing back"),
    }
}

fn quoted(text: &[u8]) -> String {
    match text {
        b"\n" => return "of a line break".into(),
        b" " => return "of a blank".into(),
        b"\t" => return "of a tab".into(),
        _ => {}
    }
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'\n' => out.push_str("<line break>"),
            b'\r' => out.push_str("<carriage return>"),
            b'\t' => out.push_str("<tab>"),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => out.push_str(&format!("<{other:02X}>")),
        }
    }
    out.push('"');
    out
}

fn set_words(set: &ByteSet) -> String {
    let digits = ByteSet::range(b'0', b'9');
    let small = ByteSet::range(b'a', b'z');
    let capital = ByteSet::range(b'A', b'Z');
    let letters = small.union(capital);
    let word = perl::word_bytes();
    let blanks = ByteSet::of(b" \t\n\x0b\x0c\r");
    let line_feed = ByteSet::of(b"\n");
    let named: [(ByteSet, &str); 14] = [
        (ByteSet::ALL, "any character"),
        (line_feed.negate(), "any character but a line break"),
        (digits, "a digit"),
        (digits.negate(), "anything but a digit"),
        (word, "a letter, digit or _"),
        (word.negate(), "anything but a letter, digit or _"),
        (blanks, "a blank, tab or line break"),
        (blanks.negate(), "anything but a blank, tab or line break"),
        (letters, "a letter"),
        (small, "a small letter"),
        (capital, "a capital letter"),
        (letters.union(digits), "a letter or digit"),
        (ByteSet::of(b" \t"), "a blank or tab"),
        (ByteSet::range(0x80, 0xff), "a byte above 7F"),
    ];
    if let Some((_, words)) = named.iter().find(|(known, _)| known == set) {
        return (*words).to_string();
    }
    if set.is_empty() {
        return "nothing that exists".into();
    }
    let negated = set.len() > 128;
    let mut left = if negated { set.negate() } else { *set };
    let mut parts: Vec<String> = Vec::new();
    for (known, words) in
        [(letters, "a letter"), (small, "a small letter"), (capital, "a capital letter"), (digits, "a digit")]
    {
        if known.iter().all(|byte| left.contains(byte)) {
            parts.push(words.into());
            left = known.iter().fold(left, |set, byte| ByteSet::of(&[byte]).negate().intersect(set));
        }
    }
    for (from, to) in left.ranges() {
        let name = |byte: u8| match byte {
            b'\n' => "line break".to_string(),
            b'\r' => "carriage return".to_string(),
            b'\t' => "tab".to_string(),
            b' ' => "blank".to_string(),
            0x21..=0x7e => char::from(byte).to_string(),
            other => format!("<{other:02X}>"),
        };
        match to - from {
            0 => parts.push(name(from)),
            1 => parts.extend([name(from), name(to)]),
            _ => parts.push(format!("{} to {}", name(from), name(to))),
        }
    }
    let list = parts.join("  ");
    if negated { format!("anything but: {list}") } else { format!("one of: {list}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pattern: &str, flags: Flags) -> Vec<String> {
        let lines = describe(pattern.as_bytes(), flags).expect("test patterns are valid");
        lines.iter().map(|l| format!("{}{} <- {}", "  ".repeat(l.depth as usize), l.source, l.meaning)).collect()
    }

    #[test]
    fn a_rule_is_told_piece_by_piece() {
        let pattern = r#"\nboundary="(--=.+(?:[a-z0-9]|=_)|--[0-9]{14,})"\n(?:.+\n){2,}\n--\1(?!--)"#;
        let expected = [
            r#"\nboundary=" <- the text "<line break>boundary="""#,
            "( <- a group, remembered as number 1:",
            r#"  --= <- the text "--=""#,
            "  .+ <- any character but a line break, once or more",
            r#"  (?:[a-z0-9]|=_) <- one of: a small letter  a digit, or "=_""#,
            "  | <- or",
            r#"  -- <- the text "--""#,
            "  [0-9]{14,} <- a digit, 14 times or more",
            ") <- end of the group",
            r#""\n <- the text ""<line break>""#,
            "(?:.+\\n){2,} <- any character but a line break, once or more, then of a line break, 2 times or more",
            r#"\n-- <- the text "<line break>--""#,
            r"\1 <- the same text as group 1 matched",
            r#"(?!--) <- provided that what follows is not "--""#,
        ];
        assert_eq!(told(pattern, Flags::default()), expected);
    }

    #[test]
    fn flags_and_places_are_told() {
        let flags = Flags { ignore_case: true, ..Flags::default() };
        let expected = [
            "i <- capital and small letters are the same",
            r"\b <- at the edge of a word",
            r#"free <- the text "free""#,
            r"\W{0,3}? <- anything but a letter, digit or _, up to 3 times, as few as possible",
            r#"s? <- perhaps the text "s""#,
            "$ <- at the end (a last line break may follow)",
        ];
        assert_eq!(told(r"\bfree\W{0,3}?s?$", flags), expected);
    }
}
