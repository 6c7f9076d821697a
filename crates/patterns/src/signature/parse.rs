//! ClamAV's hexadecimal signature strings -> a tree.
//!
//! A string consists of parts with gaps between them (`*`, `{n-m}`); `{n}` below 128 is so many `??` and divides nothing
//! while no other gap stands before it. Each part has its own marks and one-byte anchors at its ends. Options widen the
//! text before it is parsed, which is why `f` turns `[a-b]` into a gap.

use crate::PatternError;

/// Options of a sub-signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// `i`: letters match in either case.
    pub nocase: bool,
    /// `w`: every byte is followed by a zero byte.
    pub wide: bool,
    /// `f`: no letter or digit on either side.
    pub fullword: bool,
    /// `a`: with `w`, the narrow form as well.
    pub ascii: bool,
}

impl Modifiers {
    /// Reads the letters after `::`.
    pub fn parse(letters: &[u8]) -> Result<Modifiers, PatternError> {
        let mut modifiers = Modifiers::default();
        for (at, letter) in letters.iter().enumerate() {
            match letter {
                b'i' => modifiers.nocase = true,
                b'w' => modifiers.wide = true,
                b'f' => modifiers.fullword = true,
                b'a' => modifiers.ascii = true,
                _ => return Err(PatternError::new(at, "options are i, w, f and a")),
            }
        }
        Ok(modifiers)
    }

    pub(super) fn any(self) -> bool {
        self.nocase || self.wide || self.fullword || self.ascii
    }
}

/// `(B)`, `(L)`, `(W)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Boundary,
    Line,
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub class: Class,
    pub negated: bool,
}

/// One byte near an end of a part: `61[2-4]...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Near {
    pub value: u8,
    pub mask: u8,
    pub min: u8,
    pub max: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elem {
    Byte(u8),
    /// A nibble, or `??` with an empty mask.
    Masked {
        value: u8,
        mask: u8,
    },
    Class(Mark),
    /// Strings of one length.
    Strings {
        negated: bool,
        strings: Vec<Vec<u8>>,
    },
    Branch(Vec<Vec<Elem>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Distance from the end of the part before; the largest is `None` where there is no limit.
    pub min: u32,
    pub max: Option<u32>,
    pub left: Option<Mark>,
    pub right: Option<Mark>,
    pub before: Option<Near>,
    pub after: Option<Near>,
    pub elems: Vec<Elem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub parts: Vec<Part>,
    pub nocase: bool,
    pub wide: bool,
}

/// Parentheses within parentheses.
const DEEPEST: usize = 15;
/// Farthest a `[a-b]` byte may lie.
const FARTHEST: u32 = 32;
/// Most alternatives that nested parentheses multiply to.
const MOST_ALTERNATIVES: usize = 20_000;
const LONGEST: usize = 64 << 10;

/// One tree, or two where `w` and `a` are both asked for.
pub(super) fn parse(hex: &[u8], modifiers: Modifiers) -> Result<Vec<Tree>, PatternError> {
    if hex.len() > LONGEST {
        return Err(PatternError::new(LONGEST, "the string is too long"));
    }
    let mut text = hex.to_vec();
    if modifiers.fullword {
        text = [b"(W)", hex, b"(W)"].concat();
        brackets_to_gaps(&mut text)?;
    }
    let mut trees = Vec::new();
    if modifiers.wide {
        let wide = widen(&text)?;
        trees.push(parse_text(&wide, modifiers, true)?);
        if !modifiers.ascii {
            return Ok(trees);
        }
    }
    trees.push(parse_text(&text, modifiers, false)?);
    Ok(trees)
}

fn brackets_to_gaps(text: &mut [u8]) -> Result<(), PatternError> {
    let mut at = 0;
    while let Some(open) = text[at..].iter().position(|b| *b == b'[') {
        text[at + open] = b'{';
        let Some(close) = text[at + open..].iter().position(|b| *b == b']') else {
            return Err(PatternError::new(at + open, "`[` without `]`"));
        };
        text[at + open + close] = b'}';
        at += open;
    }
    Ok(())
}

/// Puts `00` after every byte.
fn widen(text: &[u8]) -> Result<Vec<u8>, PatternError> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'*' | b'|' | b')' => out.push(*byte),
            b'[' | b'{' => {
                out.push(b'{');
                at += 1;
                while text.get(at).is_some_and(|b| !matches!(b, b']' | b'}')) {
                    out.push(text[at]);
                    at += 1;
                }
                out.push(b'}');
            }
            b'!' => out.push(b'!'),
            b'(' => {
                out.push(b'(');
                if let [b'(', class @ (b'B' | b'L' | b'W'), rest @ ..] = &text[at..] {
                    if rest.first() != Some(&b')') {
                        return Err(PatternError::new(at, "a class is (B), (L) or (W)"));
                    }
                    out.extend_from_slice(&[*class, b')']);
                    at += 2;
                }
            }
            _ => {
                let Some(second) = text.get(at + 1) else {
                    return Err(PatternError::new(at, "half a byte"));
                };
                out.extend_from_slice(&[*byte, *second, b'0', b'0']);
                at += 1;
            }
        }
        at += 1;
    }
    Ok(out)
}

fn parse_text(text: &[u8], modifiers: Modifiers, wide: bool) -> Result<Tree, PatternError> {
    let text = expand_counts(text)?;
    let mut parts = Vec::new();
    let mut depth = 0u32;
    let mut start = 0;
    let mut gap = (0, None);
    let mut at = 0;
    while at <= text.len() {
        match text.get(at) {
            Some(b'(') => depth += 1,
            Some(b')') => {
                depth = depth.checked_sub(1).ok_or_else(|| PatternError::new(at, "`)` without `(`"))?;
            }
            Some(b'*' | b'{') if depth > 0 => {
                return Err(PatternError::new(at, "no gap may stand within parentheses"));
            }
            Some(b'*') => {
                parts.push(part(&text[start..at], gap, modifiers).map_err(|e| shift(e, start))?);
                gap = (0, None);
                start = at + 1;
            }
            Some(b'{') => {
                parts.push(part(&text[start..at], gap, modifiers).map_err(|e| shift(e, start))?);
                let close = text[at..].iter().position(|b| *b == b'}');
                let close = at + close.ok_or_else(|| PatternError::new(at, "`{` without `}`"))?;
                gap = read_gap(&text[at + 1..close])
                    .ok_or_else(|| PatternError::new(at, "a gap is {n}, {-n}, {n-} or {n-m}"))?;
                at = close;
                start = at + 1;
            }
            Some(b'}') => return Err(PatternError::new(at, "`}` without `{`")),
            Some(_) => {}
            None => parts.push(part(&text[start..], gap, modifiers).map_err(|e| shift(e, start))?),
        }
        at += 1;
    }
    Ok(Tree { parts, nocase: modifiers.nocase, wide })
}

fn shift(mut error: PatternError, by: usize) -> PatternError {
    error.offset += by;
    error
}

/// While the first brace of the text is a plain `{n}` of less than 128, it stands for so many unknown bytes.
fn expand_counts(text: &[u8]) -> Result<Vec<u8>, PatternError> {
    let mut text = text.to_vec();
    while let Some(open) = text.iter().position(|b| *b == b'{') {
        let Some(close) = text[open..].iter().position(|b| *b == b'}') else { break };
        let number = decimal(&text[open + 1..open + close]).filter(|n| (1..128).contains(n));
        let Some(number) = number else { break };
        text.splice(open..=open + close, std::iter::repeat_n(b'?', number as usize * 2));
        if text.len() > LONGEST * 2 {
            return Err(PatternError::new(open, "the string is too long"));
        }
    }
    Ok(text)
}

fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A largest distance of 0 is none, as in ClamAV.
fn read_gap(text: &[u8]) -> Option<(u32, Option<u32>)> {
    let mut fields = text.splitn(2, |b| *b == b'-');
    let (first, second) = (fields.next()?, fields.next());
    let number = |field: &[u8]| if field.is_empty() { Some(0) } else { decimal(field) };
    let some = |max: u32| (max > 0).then_some(max);
    match second {
        None => decimal(first).map(|n| (n, some(n))),
        Some(second) if first.is_empty() && second.is_empty() => None,
        Some(second) => Some((number(first)?, some(number(second)?))),
    }
}

fn part(text: &[u8], (min, max): (u32, Option<u32>), modifiers: Modifiers) -> Result<Part, PatternError> {
    let mut part = Part { min, max, left: None, right: None, before: None, after: None, elems: Vec::new() };
    let mut from = 0;
    let mut to = text.len();
    for _ in 0..2 {
        let Some(open) = text[from..to].iter().position(|b| *b == b'[') else { break };
        let open = from + open;
        let close = text[open..to].iter().position(|b| *b == b']');
        let close = open + close.ok_or_else(|| PatternError::new(open, "`[` without `]`"))?;
        let range = read_range(&text[open + 1..close])
            .filter(|(low, high)| low <= high && *high <= FARTHEST)
            .ok_or_else(|| PatternError::new(open, "a distance is [a-b], a <= b <= 32"))?;
        let near = |hex: &[u8], at| -> Result<Near, PatternError> {
            let (value, mask) = read_byte(hex).ok_or_else(|| PatternError::new(at, "not a byte"))?;
            Ok(Near { value, mask, min: range.0 as u8, max: range.1 as u8 })
        };
        if open - from == 2 && part.before.is_none() && from == 0 {
            part.before = Some(near(&text[..open], 0)?);
            from = close + 1;
        } else if to - close - 1 == 2 && part.after.is_none() {
            part.after = Some(near(&text[close + 1..to], close + 1)?);
            to = open;
        } else {
            return Err(PatternError::new(open, "`[a-b]` has one byte on its outer side, and stands at most twice"));
        }
    }
    let body = &text[from..to];
    if let Some(at) = body.iter().position(|b| matches!(b, b'[' | b']')) {
        return Err(PatternError::new(from + at, "`[a-b]` stands at most twice"));
    }
    let mut at = 0;
    while at < body.len() {
        let place = from + at;
        match body[at] {
            b'(' | b'!' => {
                let negated = body[at] == b'!';
                let open = at + usize::from(negated);
                if body.get(open) != Some(&b'(') {
                    return Err(PatternError::new(place, "`!` stands before parentheses"));
                }
                let close = matching(body, open).ok_or_else(|| PatternError::new(place, "`(` without `)`"))?;
                let inner = &body[open + 1..close];
                let class = match inner {
                    b"" => return Err(PatternError::new(place, "empty parentheses")),
                    b"B" => Some(Class::Boundary),
                    b"L" => Some(Class::Line),
                    b"W" => Some(Class::Word),
                    _ => None,
                };
                at = close + 1;
                match class.map(|class| Mark { class, negated }) {
                    Some(mark) if at == body.len() => part.right = Some(mark),
                    Some(mark) if open == 0 => part.left = Some(mark),
                    Some(mark) => part.elems.push(Elem::Class(mark)),
                    None => part.elems.push(alternatives(inner, negated, modifiers).map_err(|e| shift(e, place))?),
                }
            }
            _ => {
                let byte = body.get(at..at + 2).and_then(read_byte);
                let (value, mask) = byte.ok_or_else(|| PatternError::new(place, "not a byte"))?;
                part.elems.push(if mask == 0xFF { Elem::Byte(value) } else { Elem::Masked { value, mask } });
                at += 2;
            }
        }
    }
    let mut run = 0;
    let mut longest = 0;
    for elem in &part.elems {
        run = if matches!(elem, Elem::Byte(_)) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    if longest < 2 {
        return Err(PatternError::new(0, "each part needs two known bytes in a row"));
    }
    Ok(part)
}

fn read_range(text: &[u8]) -> Option<(u32, u32)> {
    let mut fields = text.splitn(2, |b| *b == b'-');
    let low = decimal(fields.next()?)?;
    match fields.next() {
        None => Some((low, low)),
        Some(high) => Some((low, decimal(high)?)),
    }
}

fn nibble(byte: u8) -> Option<(u8, u8)> {
    match byte {
        b'0'..=b'9' => Some((byte - b'0', 0xF)),
        b'a'..=b'f' => Some((byte - b'a' + 10, 0xF)),
        b'A'..=b'F' => Some((byte - b'A' + 10, 0xF)),
        b'?' => Some((0, 0)),
        _ => None,
    }
}

/// Value and mask of two characters.
fn read_byte(hex: &[u8]) -> Option<(u8, u8)> {
    let [high, low] = hex else { return None };
    let ((high, high_mask), (low, low_mask)) = (nibble(*high)?, nibble(*low)?);
    Some((high << 4 | low, high_mask << 4 | low_mask))
}

fn matching(text: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.iter().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn alternatives(inner: &[u8], negated: bool, modifiers: Modifiers) -> Result<Elem, PatternError> {
    let depth = inner.iter().filter(|b| **b == b'(').count();
    if depth > DEEPEST {
        return Err(PatternError::new(0, "parentheses nest too deeply"));
    }
    let fields: Vec<&[u8]> = inner.split(|b| *b == b'|').collect();
    let plain = depth == 0 && !inner.contains(&b'?') && fields.iter().all(|field| field.len() == fields[0].len());
    if plain && !modifiers.any() {
        let mut strings = Vec::new();
        for field in &fields {
            let bytes: Option<Vec<u8>> =
                field.chunks(2).map(|pair| read_byte(pair).filter(|(_, mask)| *mask == 0xFF).map(|b| b.0)).collect();
            strings.push(
                bytes
                    .filter(|b| !b.is_empty())
                    .ok_or_else(|| PatternError::new(0, "an alternative is not hexadecimal"))?,
            );
        }
        return Ok(Elem::Strings { negated, strings });
    }
    if negated {
        return Err(PatternError::new(
            0,
            "only alternatives of one length, without wildcards and options, can be negated",
        ));
    }
    let mut total = 1;
    let (branches, rest) = branches(inner, &mut total)?;
    if !rest.is_empty() {
        return Err(PatternError::new(inner.len() - rest.len(), "`)` without `(`"));
    }
    Ok(Elem::Branch(branches))
}

/// Alternatives up to the end or a closing parenthesis; the rest begins with that.
fn branches<'a>(mut text: &'a [u8], total: &mut usize) -> Result<(Vec<Vec<Elem>>, &'a [u8]), PatternError> {
    let mut branches = vec![Vec::new()];
    loop {
        let current = branches.last_mut().expect("it starts with one");
        match text {
            [] | [b')', ..] => break,
            [b'|', rest @ ..] => {
                if current.is_empty() {
                    return Err(PatternError::new(0, "an alternative is empty"));
                }
                branches.push(Vec::new());
                text = rest;
            }
            [b'!', ..] => return Err(PatternError::new(0, "no negation within alternatives")),
            [b'(', rest @ ..] => {
                let (inner, rest) = self::branches(rest, total)?;
                *total = total.saturating_mul(inner.len());
                if *total > MOST_ALTERNATIVES {
                    return Err(PatternError::new(0, "too many alternatives"));
                }
                let Some(rest) = rest.strip_prefix(b")") else {
                    return Err(PatternError::new(0, "`(` without `)`"));
                };
                current.push(Elem::Branch(inner));
                text = rest;
            }
            [high, low, rest @ ..] => {
                let byte = read_byte(&[*high, *low]);
                let (value, mask) = byte.ok_or_else(|| PatternError::new(0, "an alternative is not hexadecimal"))?;
                current.push(if mask == 0xFF { Elem::Byte(value) } else { Elem::Masked { value, mask } });
                text = rest;
            }
            [_] => return Err(PatternError::new(0, "half a byte")),
        }
    }
    if branches.last().is_some_and(Vec::is_empty) {
        return Err(PatternError::new(0, "an alternative is empty"));
    }
    Ok((branches, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(hex: &str) -> Result<usize, String> {
        let trees = parse(hex.as_bytes(), Modifiers::default()).map_err(|e| e.to_string())?;
        Ok(trees[0].parts.len())
    }

    #[test]
    fn gaps_divide_and_short_counts_do_not() {
        assert_eq!(parts("6162{4}6364"), Ok(1));
        assert_eq!(parts("6162{200}6364"), Ok(2));
        assert_eq!(parts("6162*6364{2-5}6566"), Ok(3));
        assert_eq!(parts("6162{1-2}6364{3}6566"), Ok(3));
        assert_eq!(parts("61[2-4]6263[1-2]64"), Ok(1));
        assert_eq!(parts("(B)6162(61|62|(63|64)65)6162!(L)"), Ok(1));
    }

    #[test]
    fn what_clamav_refuses_is_refused() {
        for bad in [
            "61",
            "6",
            "",
            "61*6263",
            "6162*",
            "*6162",
            "61??62",
            "6162{",
            "6162}",
            "6162{a}63",
            "6162{-}6364",
            "6162(61",
            "6162)61",
            "6162()61",
            "6162(61|)61",
            "6162!(61|6262)63",
            "61[2-40]6263",
            "61[5-2]6263",
            "6162[1-2]6364",
            "6162(61*62)63",
            "zz61",
            "6162!63",
        ] {
            assert!(parts(bad).is_err(), "{bad}");
        }
        let all = |letters: &str, hex: &str| {
            let modifiers = Modifiers::parse(letters.as_bytes()).expect("letters");
            parse(hex.as_bytes(), modifiers).map(|trees| trees.len()).map_err(|e| e.to_string())
        };
        assert_eq!(all("wa", "6162"), Ok(2));
        assert_eq!(all("w", "6162"), Ok(1));
        assert!(all("i", "6162!(61|62)").is_err());
        assert!(all("f", "62[1-1]6364").is_err());
        assert!(Modifiers::parse(b"x").is_err());
    }
}
