//! Perl's ideas of blanks and word characters, which depend on how a string is held.

use std::borrow::Cow;

/// A string of the renderer. UTF-8, unless the part's coding is octets.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// Perl's utf8 flag: Unicode rules for `\s` and `\w`; else ASCII rules.
    pub wide: bool,
}

impl Text<'_> {
    /// The bytes that rules see: without the flag, characters up to 255 are single bytes.
    pub fn to_sa(&self, octets: bool) -> Cow<'_, [u8]> {
        if self.wide || octets { Cow::Borrowed(&self.bytes) } else { narrow(&self.bytes) }
    }
}

/// UTF-8 of characters up to 255 to one byte each.
pub(in super::super) fn narrow(utf8: &[u8]) -> Cow<'_, [u8]> {
    if utf8.is_ascii() {
        return Cow::Borrowed(utf8);
    }
    let mut out = Vec::with_capacity(utf8.len());
    let mut bytes = utf8.iter().copied();
    while let Some(b) = bytes.next() {
        out.push(match b {
            0xc2 => bytes.next().unwrap_or(b),
            0xc3 => bytes.next().map_or(b, |c| c | 0x40),
            _ => b,
        });
    }
    Cow::Owned(out)
}

pub(super) fn is_ascii_space(b: u8) -> bool {
    matches!(b, 9..=13 | b' ')
}

pub(in super::super) fn is_space(c: u32, wide: bool) -> bool {
    match c {
        0..=0x7f => is_ascii_space(c as u8),
        _ => wide && char::from_u32(c).is_some_and(char::is_whitespace),
    }
}

/// Perl's `\w`.
pub(super) fn is_word(c: u32, wide: bool) -> bool {
    match c {
        0..=0x7f => (c as u8).is_ascii_alphanumeric() || c == 0x5f,
        _ if !wide => false,
        _ => char::from_u32(c).is_some_and(|c| {
            c.is_alphabetic()
                || unicode_normalization::char::is_combining_mark(c)
                || is_decimal_digit(c as u32)
                || matches!(
                    c,
                    '\u{203f}' | '\u{2040}' | '\u{2054}' | '\u{fe33}' | '\u{fe34}' | '\u{fe4d}'
                        ..='\u{fe4f}' | '\u{ff3f}'
                )
                || matches!(c, '\u{200c}' | '\u{200d}')
        }),
    }
}

fn is_decimal_digit(c: u32) -> bool {
    let i = ZEROS.partition_point(|&z| z <= c);
    i > 0 && c - ZEROS[i - 1] < 10
}

/// First character of each run of ten decimal digits beyond ASCII.
static ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// First character and its length in bytes. Bytes that are no UTF-8 count one by one.
pub(in super::super) fn first_char(s: &[u8], octets: bool) -> Option<(u32, usize)> {
    let &b = s.first()?;
    if b < 0x80 || octets {
        return Some((u32::from(b), 1));
    }
    let len = match b {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let decoded = s.get(..len).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| s.chars().next());
    Some(decoded.map_or((u32::from(b), 1), |c| (u32::from(c), len)))
}

/// Last character and its length in bytes.
pub(super) fn last_char(s: &[u8], octets: bool) -> Option<(u32, usize)> {
    let &b = s.last()?;
    if b < 0x80 || octets {
        return Some((u32::from(b), 1));
    }
    let continuation = s.iter().rev().take(3).take_while(|&&b| b & 0xc0 == 0x80).count();
    let start = s.len().saturating_sub(continuation + 1);
    match first_char(&s[start..], false) {
        Some((c, len)) if start + len == s.len() => Some((c, len)),
        _ => Some((u32::from(b), 1)),
    }
}

/// Without blanks at the start; `also` is a character that counts as one.
pub(super) fn trim_start(mut s: &[u8], wide: bool, octets: bool, also: Option<u32>) -> &[u8] {
    while let Some((c, len)) = first_char(s, octets)
        && (is_space(c, wide) || Some(c) == also)
    {
        s = &s[len..];
    }
    s
}

pub(super) fn trim_end(mut s: &[u8], wide: bool, octets: bool, also: Option<u32>) -> &[u8] {
    while let Some((c, len)) = last_char(s, octets)
        && (is_space(c, wide) || Some(c) == also)
    {
        s = &s[..s.len() - len];
    }
    s
}

/// Characters in valid UTF-8.
pub(in super::super) fn char_count(utf8: &[u8]) -> usize {
    utf8.iter().filter(|&&b| b & 0xc0 != 0x80).count()
}

/// Byte offset of the `n`th character in valid UTF-8, or the end.
pub(in super::super) fn char_offset(utf8: &[u8], n: usize) -> usize {
    utf8.iter().enumerate().filter(|(_, b)| **b & 0xc0 != 0x80).nth(n).map_or(utf8.len(), |(i, _)| i)
}

pub(in super::super) fn latin1_to_utf8(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|&b| char::from(b)).collect::<String>().into_bytes()
}
