//! Shapes of Received lines: literal text with holes for the fields.
//!
//! A shape is a slice of [`Piece`]s. `&[HELO, L(" ("), RDNS, L(" ["), IP, L("]) by "), BY, L(" ")]` is what Postfix
//! writes. Matching tries the longest word first and backs up, within a budget of steps, so that no line can stall it.
//! Not the `regex` crate: eighty formats tried in turn cost it more than the line's whole budget, and the formats read
//! better this way.

use super::address;

/// What a hole stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    Ip,
    Rdns,
    Helo,
    By,
    Ident,
    Id,
    /// Exim's `helo=x ident=y` in parentheses, taken apart later.
    Inside,
    /// Matched and forgotten.
    Nothing,
}

const FIELDS: usize = 7;

#[derive(Debug, Clone, Copy)]
pub enum Piece {
    /// This text.
    L(&'static str),
    /// One of these texts.
    Either(&'static str, &'static str),
    /// One character or more up to the next blank.
    Word(Field),
    /// The same, or nothing.
    WordOrNothing(Field),
    /// As little as needed, one character or more.
    ShortWord(Field),
    /// A word with a dot inside.
    Dotted(Field),
    /// An address literal.
    Address(Field),
    /// `localhost` or its address.
    Localhost,
    /// Anything, as little as needed.
    Gap(Field),
    /// Anything, as much as possible.
    WideGap,
    /// Bytes of this kind, at least and at most so many.
    Run(Field, fn(u8) -> bool, usize, usize),
    /// Digits, at least so many.
    Digits(usize),
    /// The pieces, or nothing.
    Maybe(&'static [Piece]),
    /// Between a letter or digit and something else.
    WordEnd,
    /// A letter.
    Letter,
    /// The line's end.
    End,
    /// The protocol part of qmail: `with SMTP`, comments before it, `(TLS) encrypted` before SMTP, no ` id ` after it.
    QmailProtocol,
}

pub use Piece::*;

pub const IP: Piece = Address(Field::Ip);
pub const SOME_IP: Piece = Address(Field::Nothing);
pub const RDNS: Piece = Word(Field::Rdns);
pub const HELO: Piece = Word(Field::Helo);
pub const HELO_OR_NOTHING: Piece = WordOrNothing(Field::Helo);
pub const BY: Piece = Word(Field::By);
pub const GAP: Piece = Gap(Field::Nothing);
pub const W: Piece = Word(Field::Nothing);
pub const HELO_OR_EHLO: Piece = Either("HELO ", "EHLO ");

/// Byte ranges of the fields in the line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Captures([Option<(u32, u32)>; FIELDS]);

impl Captures {
    pub fn get(&self, field: Field) -> Option<(usize, usize)> {
        self.0.get(field as usize).copied().flatten().map(|(a, b)| (a as usize, b as usize))
    }
}

/// Does the text begin with the shape?
pub fn match_start(shape: &[Piece], text: &[u8], steps: &mut u32) -> Option<Captures> {
    match_at(shape, text, 0, steps)
}

pub fn match_at(shape: &[Piece], text: &[u8], at: usize, steps: &mut u32) -> Option<Captures> {
    let mut matcher = Matcher { text, captures: Captures::default(), steps };
    matcher.run(shape, None, at).then_some(matcher.captures)
}

struct Matcher<'t> {
    text: &'t [u8],
    captures: Captures,
    steps: &'t mut u32,
}

/// What follows after the present slice of pieces.
struct After<'a> {
    pieces: &'a [Piece],
    after: Option<&'a After<'a>>,
}

/// A step, and more for what looks at the text as far as it goes.
fn cost(piece: &Piece, left: usize) -> u32 {
    let looks_far = !matches!(piece, L(_) | Either(..) | Address(_) | Localhost | Maybe(_) | WordEnd | Letter | End);
    if looks_far { 1 + left as u32 / 64 } else { 1 }
}

impl Matcher<'_> {
    fn run(&mut self, pieces: &[Piece], after: Option<&After<'_>>, at: usize) -> bool {
        let Some((piece, rest)) = pieces.split_first() else {
            return after.is_none_or(|next| self.run(next.pieces, next.after, at));
        };
        if *self.steps == 0 {
            return false;
        }
        let text = self.text;
        *self.steps = self.steps.saturating_sub(cost(piece, text.len() - at));
        match *piece {
            L(literal) => text[at..].starts_with(literal.as_bytes()) && self.run(rest, after, at + literal.len()),
            Either(one, other) => {
                [one, other].iter().any(|l| text[at..].starts_with(l.as_bytes()) && self.run(rest, after, at + l.len()))
            }
            Word(field) => self.word(field, rest, after, at, at + 1),
            WordOrNothing(field) => self.word(field, rest, after, at, at),
            ShortWord(field) => {
                let end = word_end(text, at);
                (at + 1..=end).any(|stop| self.hold(field, at, stop, rest, after))
            }
            Dotted(field) => {
                let dot = text[at..].iter().skip(1).position(|&b| b == b'.').map(|n| at + 1 + n);
                dot.is_some_and(|dot| self.backing(field, rest, after, at, dot + 2, word_end(text, at)))
            }
            Address(field) => address::literal_at(text, at).is_some_and(|end| self.hold(field, at, end, rest, after)),
            Localhost => address::localhost_at(text, at).is_some_and(|end| self.run(rest, after, end)),
            Gap(field) => self.gap(field, rest, after, at, false),
            WideGap => self.gap(Field::Nothing, rest, after, at, true),
            Run(field, kind, least, most) => {
                let run = text[at..].iter().take(most).take_while(|&&b| kind(b)).count();
                run >= least && self.backing(field, rest, after, at, at + least, at + run)
            }
            Digits(least) => {
                let run = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                run >= least && self.backing(Field::Nothing, rest, after, at, at + least, at + run)
            }
            Maybe(inner) => {
                let next = After { pieces: rest, after };
                self.run(inner, Some(&next), at) || self.run(rest, after, at)
            }
            WordEnd => {
                let is_word = |i: Option<usize>| {
                    i.and_then(|i| text.get(i)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                };
                is_word(at.checked_sub(1)) != is_word(Some(at)) && self.run(rest, after, at)
            }
            Letter => text.get(at).is_some_and(u8::is_ascii_alphabetic) && self.run(rest, after, at + 1),
            End => at == text.len() && self.run(rest, after, at),
            QmailProtocol => qmail_protocol(text, at) && self.run(rest, after, at),
        }
    }

    fn word(&mut self, field: Field, rest: &[Piece], after: Option<&After<'_>>, at: usize, shortest: usize) -> bool {
        let longest = word_end(self.text, at);
        // Only the whole word is followed by a blank.
        let whole = matches!(rest.first(), Some(L(literal)) if literal.starts_with(' '));
        let shortest = if whole { shortest.max(longest) } else { shortest };
        self.backing(field, rest, after, at, shortest, longest)
    }

    /// Tries ends from `longest` down to `shortest`.
    fn backing(
        &mut self,
        field: Field,
        rest: &[Piece],
        after: Option<&After<'_>>,
        at: usize,
        shortest: usize,
        longest: usize,
    ) -> bool {
        if let Some(L(literal)) = rest.first() {
            // Most ends fail on the first byte of what must follow.
            let first = literal.as_bytes()[0];
            return (shortest..=longest)
                .rev()
                .any(|end| self.text.get(end) == Some(&first) && self.hold(field, at, end, rest, after));
        }
        (shortest..=longest).rev().any(|end| self.hold(field, at, end, rest, after))
    }

    fn gap(&mut self, field: Field, rest: &[Piece], after: Option<&After<'_>>, at: usize, widest_first: bool) -> bool {
        let text = self.text;
        match (rest.first(), widest_first) {
            (Some(L(literal)), false) => {
                places(&text[at..], literal).any(|n| self.hold(field, at, at + n, rest, after))
            }
            (Some(L(literal)), true) => {
                places(&text[at..], literal).rev().any(|n| self.hold(field, at, at + n, rest, after))
            }
            (_, false) => (at..=text.len()).any(|end| self.hold(field, at, end, rest, after)),
            (_, true) => (at..=text.len()).rev().any(|end| self.hold(field, at, end, rest, after)),
        }
    }

    /// Goes on with the field set; takes it back if the rest does not match.
    fn hold(&mut self, field: Field, start: usize, end: usize, rest: &[Piece], after: Option<&After<'_>>) -> bool {
        let Some(slot) = self.captures.0.get_mut(field as usize) else { return self.run(rest, after, end) };
        let before = slot.replace((start as u32, end as u32));
        if self.run(rest, after, end) {
            return true;
        }
        self.captures.0[field as usize] = before;
        false
    }
}

/// Where the literal stands in the text, overlaps included. By one rare byte of it: lines are too short to prepare a
/// better search, and blanks are what they have most of.
pub fn places<'t>(text: &'t [u8], literal: &'t str) -> impl DoubleEndedIterator<Item = usize> + 't {
    let literal = literal.as_bytes();
    let rare = literal.iter().position(|&b| b != b' ').unwrap_or(0);
    memchr::memchr_iter(literal[rare], text)
        .filter_map(move |at| at.checked_sub(rare))
        .filter(move |&at| text[at..].starts_with(literal))
}

pub fn contains(text: &[u8], literal: &str) -> bool {
    places(text, literal).next().is_some()
}

fn word_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b' ', &text[at..]).map_or(text.len(), |n| at + n)
}

fn qmail_protocol(text: &[u8], at: usize) -> bool {
    let comment = text[at..].starts_with(b" (");
    let ends = |p: &[u8]| (p.starts_with(b"SMTP") || p.starts_with(b"QMQP")) && !p[4..].starts_with(b" id ");
    // The last one will do for every " with " before it.
    let Some(last) = memchr::memrchr_iter(b' ', text).find(|blank| ends(&text[blank + 1..])) else { return false };
    places(&text[at..], " with ").any(|n| {
        let with = at + n;
        let reached = n == 0 || (comment && n >= 4 && text[with - 1] == b')');
        reached && with + 5 <= last
    })
}
