//! Perl's regular expression syntax (5.36, on bytes, `/aa`) -> [`Tree`].
//!
//! Why a parser of our own: the regex crate's syntax looks like Perl's and differs where rules notice (`\<`, `$`,
//! `{,n}`, octal, classes), and a tree is needed anyway to choose fragments, to explain a rule, to recognise
//! address ranges. What Perl warns about is refused, because SpamAssassin refuses it.
//!
//! Constructs that no shipped rule uses (recursion, conditionals, verbs, branch reset, `\X`, `\p`) become
//! [`Node::Opaque`]: the source goes to the backtracker as it stands, without a prefilter.

use crate::PatternError;
use crate::ir::{Around, BackReference, ByteSet, Capture, Greed, Look, Node, Repeat, SetTable, Tree, other_case};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The letters after a rule's closing delimiter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags {
    /// `i`
    pub ignore_case: bool,
    /// `m`: `^` and `$` also at line breaks.
    pub multi_line: bool,
    /// `s`: `.` also matches a line feed.
    pub dot_all: bool,
    /// `x`: blanks and `#` comments in the pattern mean nothing.
    pub extended: bool,
    /// `xx`: nor do blanks in bracketed classes.
    pub extended_more: bool,
    /// `n`: plain parentheses do not capture.
    pub no_capture: bool,
}

/// Cuts `/re/imsx`, `m{re}i`, `m,re,`, `qr(re)` into the pattern and its flags, as SpamAssassin does.
pub fn parse_rule_literal(text: &[u8]) -> Result<(&[u8], Flags), PatternError> {
    let fail = |offset: usize, reason: &str| Err(PatternError::new(offset, reason));
    let (body_start, close) = if text.first() == Some(&b'/') {
        (1, b'/')
    } else {
        let skip = if text.starts_with(b"qr") { 2 } else { usize::from(text.starts_with(b"m")) };
        match text.get(skip) {
            Some(open) if skip > 0 && !open.is_ascii_alphanumeric() && *open != b'_' => {
                let close = match open {
                    b'{' => b'}',
                    b'(' => b')',
                    b'<' => b'>',
                    b'[' => b']',
                    b'\\' => return fail(skip, "a backslash cannot delimit a pattern"),
                    other => *other,
                };
                (skip + 1, close)
            }
            _ => return fail(0, "a pattern is written /like this/ or m{like this}"),
        }
    };
    let body = &text[body_start..];
    let letters = body.iter().rev().take_while(|b| b.is_ascii_lowercase() && **b != close).count();
    let end = body.len() - letters;
    if end == 0 || body[end - 1] != close {
        return fail(text.len(), "the pattern's closing delimiter is missing, or flags follow that Perl does not know");
    }
    let pattern = &body[..end - 1];
    let mut flags = Flags::default();
    for (index, letter) in body[end..].iter().enumerate() {
        match letter {
            b'i' => flags.ignore_case = true,
            b'm' => flags.multi_line = true,
            b's' => flags.dot_all = true,
            b'x' if flags.extended => flags.extended_more = true,
            b'x' => flags.extended = true,
            b'n' => flags.no_capture = true,
            b'a' | b'p' => {} // already so: bytes are matched as ASCII, and every match is kept
            _ => return fail(body_start + end + index, "this flag has no meaning in a rule's pattern"),
        }
    }
    if !matches!(close, b'}' | b')' | b']') {
        let mut escaped = false;
        for (index, byte) in pattern.iter().enumerate() {
            if *byte == close && !escaped {
                return fail(
                    body_start + index,
                    "the delimiter stands inside the pattern; write a backslash before it",
                );
            }
            escaped = *byte == b'\\' && !escaped;
        }
    }
    for marker in [&b"(?{"[..], b"(??{"] {
        if let Some(at) = memchr::memmem::find(pattern, marker) {
            return fail(body_start + at, "a pattern must not contain Perl code, (?{...})");
        }
    }
    Ok((pattern, flags))
}

/// Deeper groups than any person writes; keeps recursion off the end of the stack.
const DEEPEST: u32 = 200;
/// Perl's own limit for `{n,m}` (5.36).
const MOST_REPEATS: u32 = 65_534;
/// Groups that a reference by name may mean: each reference spells out all of them.
const MOST_NAMESAKES: usize = 50;
/// Perl's own limit for look-behind.
const LONGEST_BEHIND: u32 = 255;

/// A piece of a pattern for [`crate::describe()`]: where it stands, what it is, how deep inside groups.
pub struct Piece {
    pub source: Range<usize>,
    pub depth: u32,
    pub node: Node,
}

pub fn parse(source: &[u8], flags: Flags) -> Result<Tree, PatternError> {
    Parser::new(source, flags, false).run().map(|(tree, _)| tree)
}

/// Like [`parse`], with the pieces down to the given depth of groups in the order in which they are written.
pub fn parse_pieces(source: &[u8], flags: Flags) -> Result<(Tree, Vec<Piece>), PatternError> {
    Parser::new(source, flags, true).run()
}

struct Parser<'p> {
    source: &'p [u8],
    at: usize,
    flags: Flags,
    sets: SetTable,
    /// Names by group index, from group 1; found by a first pass, so that references may look ahead.
    names: Vec<Option<String>>,
    groups_seen: u32,
    depth: u32,
    pieces: Option<Vec<Piece>>,
}

type Parsed<T> = Result<T, PatternError>;

impl<'p> Parser<'p> {
    fn new(source: &'p [u8], flags: Flags, pieces: bool) -> Parser<'p> {
        Parser {
            source,
            at: 0,
            flags,
            sets: SetTable::default(),
            names: Vec::new(),
            groups_seen: 0,
            depth: 0,
            pieces: pieces.then(Vec::new),
        }
    }

    fn run(mut self) -> Parsed<(Tree, Vec<Piece>)> {
        self.names = group_names(self.source, self.flags);
        let root = self.alternation()?;
        if self.at < self.source.len() {
            return self.fail(self.at, "this closing parenthesis has no opening one");
        }
        Ok((Tree { root, sets: self.sets.sets, names: self.names }, self.pieces.unwrap_or_default()))
    }

    fn fail<T>(&self, offset: usize, reason: impl Into<String>) -> Parsed<T> {
        Err(PatternError::new(offset, reason))
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn rest(&self) -> &'p [u8] {
        &self.source[self.at..]
    }

    /// Text up to `close`, which is taken too.
    fn until(&mut self, close: u8, open_at: usize, what: &str) -> Parsed<&'p [u8]> {
        match memchr::memchr(close, self.rest()) {
            Some(len) => {
                let text = &self.rest()[..len];
                self.at += len + 1;
                Ok(text)
            }
            None => self.fail(open_at, format!("{what} is not closed by {}", close as char)),
        }
    }

    /// Comments, and under `/x` blanks.
    fn skip_blanks(&mut self) -> Parsed<()> {
        loop {
            if self.rest().starts_with(b"(?#") {
                let open = self.at;
                self.until(b')', open, "the comment (?#")?;
            } else if self.flags.extended
                && self.peek().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r'))
            {
                self.at += 1;
            } else if self.flags.extended && self.peek() == Some(b'#') {
                self.at += memchr::memchr(b'\n', self.rest()).map_or(self.rest().len(), |len| len + 1);
            } else {
                return Ok(());
            }
        }
    }

    /// Up to the closing parenthesis or the end; flags set inside end with it.
    fn alternation(&mut self) -> Parsed<Node> {
        let flags = self.flags;
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail(self.at, "groups are nested too deeply");
        }
        let mut branches = vec![self.branch()?];
        while self.peek() == Some(b'|') {
            self.note(self.at, self.at + 1, &Node::Alternate(Vec::new()));
            self.at += 1;
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        self.flags = flags;
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alternate(branches) })
    }

    fn branch(&mut self) -> Parsed<Node> {
        let mut nodes = Vec::new();
        let mut after_atom = false;
        loop {
            self.skip_blanks()?;
            let start = self.at;
            let Some(byte) = self.peek() else { break };
            if byte == b'|' || byte == b')' {
                break;
            }
            if matches!(byte, b'*' | b'+' | b'?') {
                return self.fail(start, "this quantifier follows nothing that could be repeated");
            }
            if byte == b'{' && after_atom {
                return self.fail(start, "a { that does not begin a quantifier must be written \\{");
            }
            let pieces_before = self.pieces.as_ref().map_or(0, Vec::len);
            let atom = self.atom()?;
            self.skip_blanks()?;
            let (node, quantified) = self.quantify(atom)?;
            after_atom = !quantified && !matches!(node, Node::Empty | Node::Look(Look::Start | Look::LineStart));
            self.note_before(pieces_before, start, self.at, &node);
            match node {
                Node::Empty => {}
                Node::Concat(inner) => nodes.extend(inner),
                node => nodes.push(node),
            }
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }

    fn note(&mut self, start: usize, end: usize, node: &Node) {
        let index = self.pieces.as_ref().map_or(0, Vec::len);
        self.note_before(index, start, end, node);
    }

    fn note_before(&mut self, index: usize, start: usize, end: usize, node: &Node) {
        let depth = self.depth - 1;
        if let Some(pieces) = &mut self.pieces {
            pieces.insert(index, Piece { source: start..end, depth, node: node.clone() });
        }
    }

    /// A quantifier, if one follows.
    fn quantify(&mut self, atom: Node) -> Parsed<(Node, bool)> {
        let start = self.at;
        let Some((min, max)) = self.quantifier()? else { return Ok((atom, false)) };
        let greed = if self.take(b'?') {
            Greed::Lazy
        } else if self.take(b'+') {
            Greed::Possessive
        } else {
            Greed::Greedy
        };
        let again = self.at;
        self.skip_blanks()?;
        if matches!(self.peek(), Some(b'*' | b'+' | b'?')) || self.quantifier()?.is_some() {
            return self.fail(again, "two quantifiers follow each other");
        }
        if max.is_none() && atom.span().max == Some(0) {
            return self.fail(start, "this quantifier repeats something that is always empty");
        }
        if max.is_some_and(|max| max < min) {
            return self.fail(start, "the quantifier's upper limit is below its lower one: it can never match");
        }
        Ok((Node::Repeat(Box::new(Repeat { node: atom, min, max, greed })), true))
    }

    fn quantifier(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        let found = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => return self.braces(),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(found))
    }

    /// `{n}`, `{n,}`, `{n,m}`, `{,m}`, blanks allowed; anything else in braces is plain text.
    fn braces(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        let open = self.at;
        let Some(len) = quantifier_len(self.rest()) else { return Ok(None) };
        let inside = &self.rest()[1..len - 1];
        let number = |text: &[u8]| -> Parsed<Option<u32>> {
            let text = text.trim_ascii();
            if text.len() > 1 && text[0] == b'0' {
                return self.fail(open, "a number in a quantifier must not begin with 0");
            }
            let value = text.iter().fold(0u32, |sum, d| sum.saturating_mul(10).saturating_add(u32::from(d - b'0')));
            if value > MOST_REPEATS {
                return self.fail(open, format!("a quantifier may ask for {MOST_REPEATS} repeats at most"));
            }
            Ok((!text.is_empty()).then_some(value))
        };
        let (min, max) = match memchr::memchr(b',', inside) {
            None => (number(inside)?, number(inside)?),
            Some(comma) => (number(&inside[..comma])?, number(&inside[comma + 1..])?),
        };
        self.at += len;
        Ok(Some((min.unwrap_or(0), max)))
    }

    fn byte(&mut self, byte: u8) -> Node {
        if self.flags.ignore_case && other_case(byte) != byte {
            return self.sets.node(ByteSet::of(&[byte]).fold());
        }
        Node::Byte(byte)
    }

    fn atom(&mut self) -> Parsed<Node> {
        let start = self.at;
        let Some(byte) = self.next() else { return Ok(Node::Empty) };
        Ok(match byte {
            b'.' if self.flags.dot_all => self.sets.node(ByteSet::ALL),
            b'.' => self.sets.node(ByteSet::of(b"\n").negate()),
            b'^' if self.flags.multi_line => Node::Look(Look::LineStart),
            b'^' => Node::Look(Look::Start),
            b'$' if self.flags.multi_line => Node::Look(Look::LineEnd),
            b'$' => Node::Look(Look::EndOrLastLineFeed),
            b'[' => self.bracket(start)?,
            b'(' => self.group(start)?,
            b'\\' => self.escape(start)?,
            byte => self.byte(byte),
        })
    }

    fn close(&mut self, open: usize) -> Parsed<()> {
        if self.take(b')') { Ok(()) } else { self.fail(open, "this parenthesis is not closed") }
    }

    fn capture(&mut self, open: usize, name: Option<String>) -> Parsed<Node> {
        self.groups_seen += 1;
        let index = self.groups_seen;
        let node = self.alternation()?;
        self.close(open)?;
        Ok(Node::Capture(Box::new(Capture { index, name, node })))
    }

    fn around(&mut self, open: usize, ahead: bool, negative: bool) -> Parsed<Node> {
        let node = self.alternation()?;
        self.close(open)?;
        if node.any(&mut |n| matches!(n, Node::Keep)) {
            return self.fail(open, "\\K must not stand inside look-ahead or look-behind");
        }
        if !ahead && !node.any(&mut |n| matches!(n, Node::Opaque)) {
            match node.span().max {
                Some(max) if max <= LONGEST_BEHIND => {}
                _ => {
                    return self.fail(open, format!("look-behind may look at {LONGEST_BEHIND} bytes at most"));
                }
            }
        }
        Ok(Node::Around(Box::new(Around { ahead, negative, node })))
    }

    fn group(&mut self, open: usize) -> Parsed<Node> {
        if self.peek() == Some(b'*') {
            return self.starred(open);
        }
        if self.peek() != Some(b'?') {
            if self.flags.no_capture {
                let node = self.alternation()?;
                self.close(open)?;
                return Ok(node);
            }
            return self.capture(open, None);
        }
        self.at += 1;
        match self.next() {
            Some(b':') => {
                let node = self.alternation()?;
                self.close(open)?;
                Ok(node)
            }
            Some(b'>') => {
                let node = self.alternation()?;
                self.close(open)?;
                Ok(Node::Atomic(Box::new(node)))
            }
            Some(b'=') => self.around(open, true, false),
            Some(b'!') => self.around(open, true, true),
            Some(b'<') => match self.peek() {
                Some(b'=') => {
                    self.at += 1;
                    self.around(open, false, false)
                }
                Some(b'!') => {
                    self.at += 1;
                    self.around(open, false, true)
                }
                _ => {
                    let name = self.name(b'>', open)?;
                    self.capture(open, Some(name))
                }
            },
            Some(b'\'') => {
                let name = self.name(b'\'', open)?;
                self.capture(open, Some(name))
            }
            Some(b'P') => match self.next() {
                Some(b'<') => {
                    let name = self.name(b'>', open)?;
                    self.capture(open, Some(name))
                }
                Some(b'=') => {
                    let name = self.name(b')', open)?;
                    self.named_reference(&name, open)
                }
                Some(b'>') => {
                    let name = self.name(b')', open)?;
                    if self.names.iter().flatten().any(|n| *n == name) {
                        Ok(Node::Opaque)
                    } else {
                        self.fail(open, format!("there is no group named {name}"))
                    }
                }
                _ => self.fail(open, "(?P must be followed by <, = or >"),
            },
            Some(b'&') => {
                let name = self.name(b')', open)?;
                if self.names.iter().flatten().any(|n| *n == name) {
                    Ok(Node::Opaque)
                } else {
                    self.fail(open, format!("there is no group named {name}"))
                }
            }
            Some(b'{') => self.fail(open, "a pattern must not contain Perl code, (?{...})"),
            Some(b'?') => self.fail(open, "a pattern must not contain Perl code, (??{...})"),
            Some(b'|') => self.branch_reset(open),
            Some(b'(') => self.conditional(open),
            Some(b'R' | b'0'..=b'9') => {
                self.until(b')', open, "the recursion")?;
                Ok(Node::Opaque)
            }
            Some(b'-' | b'+') if self.peek().is_some_and(|b| b.is_ascii_digit()) => {
                self.until(b')', open, "the recursion")?;
                Ok(Node::Opaque)
            }
            Some(_) => {
                self.at -= 1;
                self.inline_flags(open)
            }
            None => self.fail(open, "the construct (? is not complete"),
        }
    }

    /// `(?imsx)`, `(?i-s:...)`, `(?^i:...)`. Flags alone hold to the end of the enclosing group.
    fn inline_flags(&mut self, open: usize) -> Parsed<Node> {
        let mut flags = self.flags;
        let reset = self.take(b'^');
        if reset {
            flags = Flags::default();
        }
        let mut on = true;
        let mut charsets = 0;
        loop {
            let at = self.at;
            match self.next() {
                Some(b'i') => flags.ignore_case = on,
                Some(b'm') => flags.multi_line = on,
                Some(b's') => flags.dot_all = on,
                Some(b'x') => {
                    flags.extended = on;
                    flags.extended_more = on && self.take(b'x');
                }
                Some(b'n') => flags.no_capture = on,
                Some(b'a') if on && charsets < 2 => charsets += 1,
                Some(b'p') if on => {}
                Some(b'-') if on && !reset => on = false,
                Some(b':') => {
                    let outside = std::mem::replace(&mut self.flags, flags);
                    let node = self.alternation()?;
                    self.flags = outside;
                    self.close(open)?;
                    return Ok(node);
                }
                Some(b')') => {
                    self.flags = flags;
                    return Ok(Node::Empty);
                }
                Some(other) if other.is_ascii_graphic() => {
                    return self.fail(at, format!("(?...{}) is not a construct that can be used here", other as char));
                }
                _ => return self.fail(open, "the construct (? is not complete"),
            }
        }
    }

    fn name(&mut self, close: u8, open: usize) -> Parsed<String> {
        let at = self.at;
        let text = self.until(close, open, "the group's name")?;
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if text.is_empty() || text[0].is_ascii_digit() || !text.iter().all(word) {
            return self.fail(at, "a group's name consists of letters, digits and _, and does not begin with a digit");
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn named_reference(&mut self, name: &str, at: usize) -> Parsed<Node> {
        let groups: Vec<u32> = (1u32..)
            .zip(&self.names)
            .filter(|(_, have)| have.as_deref() == Some(name))
            .map(|(index, _)| index)
            .collect();
        if groups.is_empty() {
            return self.fail(at, format!("there is no group named {name}"));
        }
        if groups.len() > MOST_NAMESAKES {
            return self.fail(at, format!("more than {MOST_NAMESAKES} groups are named {name}"));
        }
        Ok(Node::BackReference(Box::new(BackReference { groups, ignore_case: self.flags.ignore_case })))
    }

    fn reference(&mut self, group: u32, at: usize) -> Parsed<Node> {
        if group == 0 || group as usize > self.names.len() {
            return self.fail(at, format!("there is no group {group}"));
        }
        Ok(Node::BackReference(Box::new(BackReference { groups: vec![group], ignore_case: self.flags.ignore_case })))
    }

    /// `(*pla:...)`, `(*atomic:...)`, `(*FAIL)`: only the backtracker knows them.
    fn starred(&mut self, open: usize) -> Parsed<Node> {
        self.at += 1;
        let word = self.rest().iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
        let name = &self.rest()[..word];
        const VERBS: [&[u8]; 9] = [b"FAIL", b"F", b"ACCEPT", b"PRUNE", b"SKIP", b"THEN", b"COMMIT", b"MARK", b""];
        self.at += word;
        if VERBS.contains(&name) {
            self.until(b')', open, "the verb")?;
            return Ok(Node::Opaque);
        }
        if !self.take(b':') {
            return self.fail(open, "this (* construct is not known");
        }
        match name {
            b"pla" | b"positive_lookahead" => self.around(open, true, false),
            b"nla" | b"negative_lookahead" => self.around(open, true, true),
            b"plb" | b"positive_lookbehind" => self.around(open, false, false),
            b"nlb" | b"negative_lookbehind" => self.around(open, false, true),
            b"atomic" => {
                let node = self.alternation()?;
                self.close(open)?;
                Ok(Node::Atomic(Box::new(node)))
            }
            _ => self.fail(open, "this (* construct is not known"),
        }
    }

    fn branch_reset(&mut self, open: usize) -> Parsed<Node> {
        self.alternation()?; // group numbers inside are wrong, which is why nobody gets to see them
        self.close(open)?;
        Ok(Node::Opaque)
    }

    fn conditional(&mut self, open: usize) -> Parsed<Node> {
        if self.peek() == Some(b'?') {
            self.at -= 1;
            let condition_open = self.at;
            self.at += 1;
            self.group(condition_open)?;
        } else {
            self.until(b')', open, "the condition")?;
        }
        self.alternation()?;
        self.close(open)?;
        Ok(Node::Opaque)
    }

    fn escape(&mut self, start: usize) -> Parsed<Node> {
        let Some(byte) = self.next() else { return self.fail(start, "the pattern ends in a backslash") };
        Ok(match byte {
            b'd' => self.sets.node(digits()),
            b'D' => self.sets.node(digits().negate()),
            b'w' => self.sets.node(word_bytes()),
            b'W' => self.sets.node(word_bytes().negate()),
            b's' => self.sets.node(blanks()),
            b'S' => self.sets.node(blanks().negate()),
            b'h' => self.sets.node(horizontal_blanks()),
            b'H' => self.sets.node(horizontal_blanks().negate()),
            b'v' => self.sets.node(vertical_blanks()),
            b'V' => self.sets.node(vertical_blanks().negate()),
            b'N' if self.peek() == Some(b'{') && quantifier_len(self.rest()).is_none() => {
                return self.named_character(start);
            }
            b'N' => self.sets.node(ByteSet::of(b"\n").negate()),
            b'R' => {
                let single = self.sets.node(vertical_blanks());
                let pair = Node::Concat(vec![Node::Byte(b'\r'), Node::Byte(b'\n')]);
                Node::Atomic(Box::new(Node::Alternate(vec![pair, single])))
            }
            b'b' | b'B' if self.peek() == Some(b'{') => {
                return self.fail(start, "boundaries with a kind, \\b{...}, go by Unicode and cannot be used");
            }
            b'b' => Node::Look(Look::WordBoundary),
            b'B' => Node::Look(Look::NotWordBoundary),
            b'A' => Node::Look(Look::Start),
            b'z' => Node::Look(Look::End),
            b'Z' => Node::Look(Look::EndOrLastLineFeed),
            b'G' | b'X' => Node::Opaque,
            b'K' => Node::Keep,
            b'p' | b'P' => {
                if self.take(b'{') {
                    self.until(b'}', start, "the property")?;
                } else if self.next().is_none() {
                    return self.fail(start, "the property has no name");
                }
                Node::Opaque
            }
            b'k' => {
                let close = match self.next() {
                    Some(b'<') => b'>',
                    Some(b'\'') => b'\'',
                    Some(b'{') => b'}',
                    _ => return self.fail(start, "\\k must be followed by <name>"),
                };
                let name = self.name(close, start)?;
                return self.named_reference(&name, start);
            }
            b'g' => return self.g_reference(start),
            b'1'..=b'9' => return self.digits_after_backslash(start),
            _ => {
                let byte = self.plain_escape(byte, start, false)?;
                self.byte(byte)
            }
        })
    }

    /// `\1` is a group, `\12` a group if there are so many, else octal.
    fn digits_after_backslash(&mut self, start: usize) -> Parsed<Node> {
        let text = &self.source[start + 1..];
        let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = text[..len].iter().fold(0u32, |sum, d| sum.saturating_mul(10).saturating_add(u32::from(d - b'0')));
        if number < 10 || number as usize <= self.names.len() {
            self.at = start + 1 + len;
            return self.reference(number, start);
        }
        self.at = start + 1;
        let byte = self.octal(3, start)?;
        Ok(self.byte(byte))
    }

    fn g_reference(&mut self, start: usize) -> Parsed<Node> {
        let text = if self.take(b'{') {
            self.until(b'}', start, "\\g{")?
        } else {
            let sign = usize::from(self.peek() == Some(b'-'));
            let digits = self.rest()[sign..].iter().take_while(|b| b.is_ascii_digit()).count();
            let text = &self.rest()[..sign + digits];
            self.at += text.len();
            text
        };
        let text = String::from_utf8_lossy(text);
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            let group = if number < 0 { i64::from(self.groups_seen) + 1 + number } else { number };
            return match u32::try_from(group) {
                Ok(group) => self.reference(group, start),
                Err(_) => self.fail(start, "this counts back further than there are groups"),
            };
        }
        self.named_reference(text, start)
    }

    fn named_character(&mut self, start: usize) -> Parsed<Node> {
        self.at += 1;
        let name = String::from_utf8_lossy(self.until(b'}', start, "\\N{")?).into_owned();
        let code = name.strip_prefix("U+").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.map(u8::try_from) {
            Some(Ok(byte)) => Ok(self.byte(byte)),
            _ => self.fail(start, "characters by name, \\N{...}, cannot be used; write the bytes"),
        }
    }

    /// Up to `most` octal digits.
    fn octal(&mut self, most: usize, start: usize) -> Parsed<u8> {
        let len = self.rest().iter().take(most).take_while(|b| (b'0'..=b'7').contains(b)).count();
        let value = self.rest()[..len].iter().fold(0u32, |sum, d| sum * 8 + u32::from(d - b'0'));
        self.at += len;
        if len < most && self.peek().is_some_and(|b| matches!(b, b'8' | b'9')) {
            return self.fail(start, "the digits 8 and 9 do not belong into an octal number");
        }
        u8::try_from(value).or_else(|_| self.fail(start, "there are no bytes above \\377"))
    }

    /// An escape that means one byte, inside and outside of classes.
    fn plain_escape(&mut self, byte: u8, start: usize, in_class: bool) -> Parsed<u8> {
        Ok(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 0x0c,
            b'e' => 0x1b,
            b'a' => 0x07,
            b'0' => {
                self.at -= 1;
                self.octal(3, start)?
            }
            b'x' => {
                let (digits, offset) = if self.take(b'{') {
                    let text = self.until(b'}', start, "\\x{")?;
                    (text.trim_ascii(), start + 3)
                } else {
                    let len = self.rest().iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                    if len < 2 && self.rest().get(len).is_some_and(|b| b.is_ascii_alphanumeric()) {
                        return self.fail(self.at + len, "\\x wants hexadecimal digits");
                    }
                    let text = &self.rest()[..len];
                    self.at += len;
                    (text, start + 2)
                };
                let mut value = 0u32;
                for digit in digits.iter().filter(|d| **d != b'_') {
                    let Some(nibble) = (*digit as char).to_digit(16) else {
                        return self.fail(offset, "\\x wants hexadecimal digits");
                    };
                    value = value.saturating_mul(16).saturating_add(nibble);
                }
                match u8::try_from(value) {
                    Ok(byte) => byte,
                    Err(_) => {
                        return self.fail(start, "texts are matched as bytes: write the character's UTF-8 bytes");
                    }
                }
            }
            b'o' => {
                if !self.take(b'{') {
                    return self.fail(start, "\\o must be followed by {octal digits}");
                }
                let text = self.until(b'}', start, "\\o{")?.trim_ascii();
                if text.is_empty() || !text.iter().all(|b| (b'0'..=b'7').contains(b)) {
                    return self.fail(start, "\\o must be followed by {octal digits}");
                }
                let value = text.iter().fold(0u32, |sum, d| sum.saturating_mul(8).saturating_add(u32::from(d - b'0')));
                match u8::try_from(value) {
                    Ok(byte) => byte,
                    Err(_) => return self.fail(start, "there are no bytes above \\377"),
                }
            }
            b'c' => match self.next() {
                Some(byte @ 0x20..=0x7e) => byte.to_ascii_uppercase() ^ 0x40,
                _ => return self.fail(start, "\\c must be followed by a printable character"),
            },
            other if other.is_ascii_alphanumeric() => {
                let place = if in_class { " in a class" } else { "" };
                return self.fail(start, format!("\\{} has no meaning{place}", other as char));
            }
            other => other,
        })
    }

    fn bracket(&mut self, open: usize) -> Parsed<Node> {
        let negated = self.take(b'^');
        let mut set = ByteSet::EMPTY;
        let mut first = true;
        loop {
            if self.flags.extended_more {
                while matches!(self.peek(), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
            }
            let start = self.at;
            let Some(byte) = self.next() else { return self.fail(open, "this [ is not closed") };
            if byte == b']' && !first {
                break;
            }
            first = false;
            let low = self.class_item(byte, start)?;
            let next = (self.peek(), self.source.get(self.at + 1));
            if let (Some(b'-'), Some(after)) = next
                && *after != b']'
            {
                let ClassItem::Byte(low) = low else {
                    return self.fail(start, "a range cannot begin with a class");
                };
                self.at += 1;
                let high_at = self.at;
                let Some(byte) = self.next() else { return self.fail(open, "this [ is not closed") };
                let ClassItem::Byte(high) = self.class_item(byte, high_at)? else {
                    return self.fail(start, "a range cannot end with a class");
                };
                if high < low {
                    return self.fail(start, "the range's end comes before its start");
                }
                set = set.union(ByteSet::range(low, high));
            } else {
                match low {
                    ClassItem::Byte(byte) => set.insert(byte),
                    ClassItem::Set(more) => set = set.union(more),
                }
            }
        }
        let set = if self.flags.ignore_case { set.fold() } else { set };
        Ok(self.sets.node(if negated { set.negate() } else { set }))
    }

    fn class_item(&mut self, byte: u8, start: usize) -> Parsed<ClassItem> {
        if byte == b'[' && matches!(self.peek(), Some(b':' | b'.' | b'=')) {
            return self.posix(start);
        }
        if byte != b'\\' {
            return Ok(ClassItem::Byte(byte));
        }
        let Some(escaped) = self.next() else { return self.fail(start, "the pattern ends in a backslash") };
        Ok(match escaped {
            b'd' => ClassItem::Set(digits()),
            b'D' => ClassItem::Set(digits().negate()),
            b'w' => ClassItem::Set(word_bytes()),
            b'W' => ClassItem::Set(word_bytes().negate()),
            b's' => ClassItem::Set(blanks()),
            b'S' => ClassItem::Set(blanks().negate()),
            b'h' => ClassItem::Set(horizontal_blanks()),
            b'H' => ClassItem::Set(horizontal_blanks().negate()),
            b'v' => ClassItem::Set(vertical_blanks()),
            b'V' => ClassItem::Set(vertical_blanks().negate()),
            b'b' => ClassItem::Byte(0x08),
            b'1'..=b'7' => {
                self.at -= 1;
                ClassItem::Byte(self.octal(3, start)?)
            }
            b'N' if self.peek() == Some(b'{') => match self.named_character(start)? {
                Node::Byte(byte) => ClassItem::Byte(byte),
                Node::Set(id) => ClassItem::Set(self.sets.sets[id.0 as usize]),
                _ => return self.fail(start, "\\N cannot stand in a class"),
            },
            b'N' => return self.fail(start, "\\N cannot stand in a class"),
            b'p' | b'P' => return self.fail(start, "Unicode properties in a class cannot be used; texts are bytes"),
            other => ClassItem::Byte(self.plain_escape(other, start, true)?),
        })
    }

    /// `[:alpha:]`, `[:^digit:]`; a `[` and `:` that do not close so are plain bytes.
    fn posix(&mut self, start: usize) -> Parsed<ClassItem> {
        let kind = self.source[self.at];
        let text = &self.source[self.at + 1..];
        let name_len = text.iter().take_while(|b| b.is_ascii_lowercase() || **b == b'^').count();
        if text.get(name_len) != Some(&kind) || text.get(name_len + 1) != Some(&b']') {
            return Ok(ClassItem::Byte(b'['));
        }
        if kind != b':' {
            return self.fail(start, "only [:name:] can be used in a class");
        }
        let (negated, name) = match text[..name_len].strip_prefix(b"^") {
            Some(name) => (true, name),
            None => (false, &text[..name_len]),
        };
        let ascii = |test: fn(&u8) -> bool| {
            (0..128u8).filter(test).fold(ByteSet::EMPTY, |mut set, b| {
                set.insert(b);
                set
            })
        };
        let set = match name {
            b"alpha" => ascii(u8::is_ascii_alphabetic),
            b"digit" => digits(),
            b"alnum" => ascii(u8::is_ascii_alphanumeric),
            b"upper" => ascii(u8::is_ascii_uppercase),
            b"lower" => ascii(u8::is_ascii_lowercase),
            b"space" => blanks(),
            b"blank" => ByteSet::of(b" \t"),
            b"punct" => ascii(u8::is_ascii_punctuation),
            b"print" => ByteSet::range(0x20, 0x7e),
            b"graph" => ascii(u8::is_ascii_graphic),
            b"cntrl" => ascii(u8::is_ascii_control),
            b"xdigit" => ascii(u8::is_ascii_hexdigit),
            b"word" => word_bytes(),
            b"ascii" => ByteSet::range(0, 127),
            _ => return self.fail(start, format!("there is no class [:{}:]", String::from_utf8_lossy(name))),
        };
        self.at += name_len + 3;
        // Case folding comes before negation: under /i, [:^upper:] excludes lower case letters too.
        let set = if self.flags.ignore_case { set.fold() } else { set };
        Ok(ClassItem::Set(if negated { set.negate() } else { set }))
    }
}

enum ClassItem {
    Byte(u8),
    Set(ByteSet),
}

/// Length of `{n}`, `{n,}`, `{n,m}` or `{,m}` at the start of the text; blanks may stand inside.
fn quantifier_len(text: &[u8]) -> Option<usize> {
    let close = memchr::memchr(b'}', &text[..text.len().min(24)])?;
    let inside = text.get(1..close)?;
    let number = |t: &[u8]| t.trim_ascii().iter().all(u8::is_ascii_digit) && !t.contains(&b'\n');
    let digits = |t: &[u8]| t.iter().any(u8::is_ascii_digit);
    let fits = digits(inside)
        && match memchr::memchr(b',', inside) {
            None => number(inside),
            Some(comma) => number(&inside[..comma]) && number(&inside[comma + 1..]),
        };
    (text[0] == b'{' && fits).then_some(close + 1)
}

/// Names of all capturing groups in order. A pass of its own, because a reference may stand before its group.
fn group_names(source: &[u8], mut flags: Flags) -> Vec<Option<String>> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < source.len() {
        match source[at] {
            b'\\' => at += 1,
            b'[' => {
                at += 1;
                at += usize::from(source.get(at) == Some(&b'^'));
                at += usize::from(source.get(at) == Some(&b']'));
                while at < source.len() && source[at] != b']' {
                    match source[at] {
                        b'\\' => at += 1,
                        b'[' if source.get(at + 1) == Some(&b':') => {
                            let name = source[at + 2..].iter().take_while(|b| b.is_ascii_lowercase() || **b == b'^');
                            let end = at + 2 + name.count();
                            if source[end..].starts_with(b":]") {
                                at = end + 1;
                            }
                        }
                        _ => {}
                    }
                    at += 1;
                }
            }
            b'#' if flags.extended => at += memchr::memchr(b'\n', &source[at..]).unwrap_or(source.len() - at),
            b'(' if source[at..].starts_with(b"(?#") => {
                at += memchr::memchr(b')', &source[at..]).unwrap_or(source.len() - at);
            }
            b'(' => {
                let rest = &source[at + 1..];
                // Where `(?x` ends again is not followed: a `(` in a comment behind it is rarer still.
                let letters = rest.strip_prefix(b"?").unwrap_or_default();
                let on = letters.iter().take_while(|b| b.is_ascii_lowercase() || **b == b'^');
                flags.extended |= on.clone().any(|b| *b == b'x');
                flags.no_capture |= on.clone().any(|b| *b == b'n');
                let named = [&b"?<"[..], b"?'", b"?P<"].iter().find_map(|open| rest.strip_prefix(*open));
                match named {
                    Some(name) if !matches!(name.first(), Some(b'=' | b'!') | None) => {
                        let len = name.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                        names.push(Some(String::from_utf8_lossy(&name[..len]).into_owned()));
                    }
                    _ if !matches!(rest.first(), Some(b'?' | b'*')) && !flags.no_capture => names.push(None),
                    _ => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

fn digits() -> ByteSet {
    ByteSet::range(b'0', b'9')
}

pub(crate) fn word_bytes() -> ByteSet {
    ByteSet::range(b'a', b'z').union(ByteSet::range(b'A', b'Z')).union(digits()).union(ByteSet::of(b"_"))
}

fn blanks() -> ByteSet {
    ByteSet::of(b" \t\n\x0b\x0c\r")
}

fn horizontal_blanks() -> ByteSet {
    ByteSet::of(b" \t\xa0")
}

fn vertical_blanks() -> ByteSet {
    ByteSet::of(b"\n\x0b\x0c\r\x85")
}
