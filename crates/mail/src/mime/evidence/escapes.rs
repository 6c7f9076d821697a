//! Charsets that hide in 7-bit bytes: ISO-2022-JP, -KR, -CN, HZ and UTF-7.
//!
//! All that senders do to them is undone: ESC lost in transit or written `=1B`, no escape back to ASCII at a line's end,
//! words of a header cut without escaping again, JIS X 0201 kana, NEC and IBM extensions (CP50221). 8-bit bytes between
//! the escapes are handed back to the caller, who decodes them by evidence.

use super::frequent::{Rank, Script, rank};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK};
use memchr::memmem;
use std::borrow::Cow;

const ESC: u8 = 0x1B;

/// The charset whose designations stand in `bytes`, if any.
pub(super) fn designated(bytes: &[u8]) -> Option<&'static str> {
    let mut found = None;
    for at in memchr::memchr_iter(ESC, bytes) {
        match designation(&bytes[at..]) {
            Some((Designation::G1Korean, _)) => return Some("iso-2022-kr"),
            Some((Designation::G1Gb | Designation::G1Cns, _)) => return Some("iso-2022-cn"),
            Some((Designation::G0(Set::Jis | Set::Kana | Set::Roman | Set::Jis212), _)) => return Some("iso-2022-jp"),
            Some((Designation::G0(_), _)) => found = found.or(Some("iso-2022-jp")),
            None => {}
        }
    }
    found.filter(|_| memmem::find(bytes, b"\x1b$").is_some())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Roman,
    Kana,
    Jis,
    Jis212,
    Gb,
    Korean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Designation {
    G0(Set),
    G1Korean,
    G1Gb,
    G1Cns,
}

/// The designation at the head of `bytes` and its length.
fn designation(bytes: &[u8]) -> Option<(Designation, usize)> {
    use Designation::*;
    Some(match bytes.get(1..)? {
        [b'(', b'B', ..] => (G0(Set::Ascii), 3),
        [b'(', b'J' | b'H', ..] => (G0(Set::Roman), 3),
        [b'(', b'I', ..] => (G0(Set::Kana), 3),
        [b'$', b'@' | b'B', ..] => (G0(Set::Jis), 3),
        [b'$', b'A', ..] => (G0(Set::Gb), 3),
        [b'$', b'(', b'C', ..] => (G0(Set::Korean), 4),
        [b'$', b'(', b'D', ..] => (G0(Set::Jis212), 4),
        [b'$', b'(', b'@' | b'B' | b'O' | b'Q', ..] => (G0(Set::Jis), 4),
        [b'$', b'(', b'A', ..] => (G0(Set::Gb), 4),
        [b'&', b'@', ESC, b'$', b'B', ..] => (G0(Set::Jis), 6),
        [b'$', b')', b'C', ..] => (G1Korean, 4),
        [b'$', b')', b'A', ..] => (G1Gb, 4),
        [b'$', b')', b'G', ..] => (G1Cns, 4),
        _ => return None,
    })
}

/// Decode text with ISO-2022 designations. `cuts` are places where an encoded-word began: there, as at a line's
/// beginning, a sender may or may not have meant to start again in ASCII. Bytes outside double-byte sets go to `plain`.
pub(super) fn decode_iso2022(bytes: &[u8], cuts: &[usize], mut plain: impl FnMut(&[u8], &mut String)) -> String {
    let mut out = String::with_capacity(bytes.len());
    let (mut g0, mut g1, mut shifted) = (Set::Ascii, Designation::G1Gb, false);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            ESC => match designation(&bytes[at..]) {
                Some((Designation::G0(set), n)) => {
                    g0 = set;
                    at += n;
                }
                Some((set, n)) => {
                    g1 = set;
                    at += n;
                }
                None => at += 1,
            },
            0x0E => {
                shifted = true;
                at += 1;
            }
            0x0F => {
                shifted = false;
                at += 1;
            }
            b'\n' | b'\r' => {
                out.push(bytes[at] as char);
                at += 1;
                shifted = false;
                if is_double(g0) && !carries_on(&bytes[at..]) {
                    g0 = Set::Ascii;
                }
            }
            _ => {
                if cuts.contains(&at) && is_double(g0) && !carries_on(&bytes[at..]) {
                    g0 = Set::Ascii;
                }
                let end = bytes[at + 1..]
                    .iter()
                    .position(|&b| matches!(b, ESC | 0x0E | 0x0F | b'\n'))
                    .map_or(bytes.len(), |n| at + 1 + n);
                let end = cuts.iter().copied().find(|&cut| cut > at && cut < end).unwrap_or(end);
                let run = &bytes[at..end];
                match (shifted, g0) {
                    (true, _) => match g1 {
                        Designation::G1Korean => double(run, EUC_KR, &mut out),
                        Designation::G1Cns => cns(run, &mut out),
                        _ => double(run, GBK, &mut out),
                    },
                    (_, Set::Jis) => double(run, EUC_JP, &mut out),
                    (_, Set::Gb) => double(run, GBK, &mut out),
                    (_, Set::Korean) => double(run, EUC_KR, &mut out),
                    (_, Set::Jis212) => supplement(run, &mut out),
                    (_, Set::Kana) => out.extend(run.iter().map(|&b| half_width_kana(b))),
                    (_, Set::Ascii | Set::Roman) => plain(run, &mut out),
                }
                at = end;
            }
        }
    }
    out
}

fn is_double(set: Set) -> bool {
    matches!(set, Set::Jis | Set::Jis212 | Set::Gb | Set::Korean)
}

fn half_width_kana(b: u8) -> char {
    match b & 0x7F {
        low @ 0x21..=0x5F => char::from_u32(0xFF40 + u32::from(low)).unwrap_or('\u{FFFD}'),
        low => low as char,
    }
}

/// A run of 7-bit pairs by the table of the 8-bit encoding that has the same rows. Blanks stand for themselves.
fn double(run: &[u8], encoding: &'static Encoding, out: &mut String) {
    let mut pairs = Vec::with_capacity(run.len());
    let mut bytes = run.iter().copied().peekable();
    while let Some(b) = bytes.next() {
        match (b, bytes.peek()) {
            (0x21..=0x7E, Some(&(0x21..=0x7E))) => {
                pairs.push(b | 0x80);
                pairs.extend(bytes.next().map(|b| b | 0x80));
            }
            (0x21..=0x7E, _) => pairs.push(0xFF),
            _ => pairs.push(b),
        }
    }
    out.push_str(&encoding.decode_without_bom_handling(&pairs).0);
}

/// JIS X 0212: EUC-JP's third set.
fn supplement(run: &[u8], out: &mut String) {
    for pair in run.chunks(2) {
        match pair {
            &[a, b] => out.push_str(&EUC_JP.decode_without_bom_handling(&[0x8F, a | 0x80, b | 0x80]).0),
            _ => out.push('\u{FFFD}'),
        }
    }
}

/// CNS 11643 plane 1: its ideographs stand in Big5's order.
fn cns(run: &[u8], out: &mut String) {
    for pair in run.chunks(2) {
        let big5 = match *pair {
            [a @ 0x44..=0x7D, b @ 0x21..=0x7E] => {
                let index = (u32::from(a) - 0x44) * 94 + u32::from(b) - 0x21;
                let (row, cell) = (index / 157, index % 157);
                let trail = if cell < 63 { 0x40 + cell } else { 0xA1 + cell - 63 };
                Some([0xA4 + row as u8, trail as u8])
            }
            _ => None,
        };
        match big5 {
            Some(pair) => out.push_str(&BIG5.decode_without_bom_handling(&pair).0),
            None => out.push('\u{FFFD}'),
        }
    }
}

/// Does the text here go on in JIS pairs although nothing says so?
fn carries_on(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|&b| !(0x21..=0x7E).contains(&b)).unwrap_or(bytes.len());
    end >= 2 && plausible_jis(&bytes[..end])
}

/// Are these pairs Japanese that someone would write? ASCII read as pairs gives rare kanji and holes.
pub(super) fn plausible_jis(run: &[u8]) -> bool {
    if run.is_empty() || !run.len().is_multiple_of(2) || !run.iter().all(|b| (0x21..=0x7E).contains(b)) {
        return false;
    }
    let mut text = String::new();
    double(run, EUC_JP, &mut text);
    let (mut good, mut bad) = (0, 0);
    for c in text.chars() {
        match c {
            '\u{FFFD}' => return false,
            '\u{3041}'..='\u{30FF}' | '、' | '。' | '\u{3000}' | '「' | '」' => good += 2,
            _ => match rank(c, Script::Japanese) {
                Rank::Common => good += 1,
                Rank::Known => {}
                _ => bad += 1,
            },
        }
    }
    good > 2 * bad && good * 3 >= run.len() / 2
}

/// Put back what transport took: `=1B` for ESC, and ESC itself before `$B…(B`. `certain`: a label or a neighbour says
/// that this is ISO-2022-JP, so that one character is enough.
pub(super) fn restore(bytes: &[u8], certain: bool) -> Option<Vec<u8>> {
    let mut restored: Cow<'_, [u8]> = Cow::Borrowed(bytes);
    let encoded = |b: &[u8]| [&b"=1B$"[..], b"=1b$", b"=1B=24", b"=1b=24"].iter().any(|s| memmem::find(b, s).is_some());
    if encoded(bytes) {
        restored = Cow::Owned(quoted_printable(bytes));
    }
    if memchr::memchr(ESC, &restored).is_none()
        && let Some(with_escapes) = insert_escapes(&restored, certain)
    {
        restored = Cow::Owned(with_escapes);
    }
    match restored {
        Cow::Owned(restored) => Some(restored),
        Cow::Borrowed(_) => None,
    }
}

/// Beginnings that lead to nothing in one run without blanks, before the rest of it is left alone: each costs a look at
/// all of the run.
const FALSE_STARTS: u32 = 8;

fn insert_escapes(bytes: &[u8], certain: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let (mut run_end, mut false_starts) = (0, 0);
    while let Some(n) = memchr::memchr(b'$', &bytes[at..]) {
        let start = at + n;
        at = start + 1;
        if !matches!(bytes.get(start + 1), Some(b'B' | b'@')) {
            continue;
        }
        if start >= run_end {
            let run = bytes[start..].iter().take_while(|b| (0x21..=0x7E).contains(*b)).count();
            (run_end, false_starts) = (start + run, 0);
        }
        let body = &bytes[start + 2..run_end];
        let back = body.chunks_exact(2).position(|pair| matches!(pair, b"(B" | b"(J")).map(|pair| pair * 2);
        let inside = &body[..back.unwrap_or(body.len() & !1)];
        let enough = match (back, certain) {
            (Some(_), true) => 2,
            (Some(_), false) => 4,
            (None, true) => 4,
            (None, false) => 8,
        };
        if inside.len() < enough || !plausible_jis(inside) {
            false_starts += 1;
            if false_starts == FALSE_STARTS {
                at = run_end;
            }
            continue;
        }
        out.extend_from_slice(&bytes[copied..start]);
        out.push(ESC);
        out.extend_from_slice(&bytes[start..start + 2 + inside.len()]);
        out.push(ESC);
        copied = start + 2 + inside.len();
        match back {
            // the "(B" follows by itself
            Some(_) => at = copied + 2,
            None => {
                out.extend_from_slice(b"(B");
                at = copied;
            }
        }
    }
    if out.is_empty() {
        return None;
    }
    out.extend_from_slice(&bytes[copied..]);
    Some(out)
}

pub(super) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'=', b'\n', ..] => at += 2,
            [b'=', b'\r', b'\n', ..] => at += 3,
            [b'=', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*a) << 4 | digit(*b));
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// HZ: `~{` GB pairs `~}`. Without a label only if the pairs make Chinese.
pub(super) fn decode_hz(bytes: &[u8], certain: bool) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut shifts = 0;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'~', b'{', rest @ ..] => {
                let end = rest.chunks(2).position(|p| !matches!(p, [0x21..=0x77, 0x21..=0x7E]));
                let run = &rest[..end.map_or(rest.len() & !1, |pairs| pairs * 2)];
                let closed = rest[run.len()..].starts_with(b"~}");
                let mut text = String::new();
                double(run, GBK, &mut text);
                let common = text.chars().filter(|&c| rank(c, Script::Simplified) == Rank::Common).count();
                if !certain
                    && (!closed || run.is_empty() || common * 2 < text.chars().count() || text.contains('\u{FFFD}'))
                {
                    return None;
                }
                shifts += 1;
                out.push_str(&text);
                at += 2 + run.len() + if closed { 2 } else { 0 };
            }
            [b'~', b'~', ..] => {
                out.push('~');
                at += 2;
            }
            [b'~', b'\n', ..] => at += 2,
            _ => {
                out.push(bytes[at] as char);
                at += 1;
            }
        }
    }
    (shifts > 0).then_some(out)
}

/// UTF-7, which nobody should write any more: only where the label says so and every shift decodes.
pub(super) fn decode_utf7(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut shifts = 0;
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at];
        at += 1;
        if b != b'+' {
            out.push(b as char);
            continue;
        }
        if bytes.get(at) == Some(&b'-') {
            out.push('+');
            at += 1;
            continue;
        }
        let (mut units, mut bits, mut have) = (Vec::new(), 0u32, 0u32);
        while let Some(value) = bytes.get(at).and_then(|&b| super::header::base64_digit(b)) {
            bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
            have += 6;
            if have >= 16 {
                have -= 16;
                units.push((bits >> have) as u16);
            }
            at += 1;
        }
        if bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        if units.is_empty() {
            return None;
        }
        out.push_str(&String::from_utf16(&units).ok()?);
        shifts += 1;
    }
    (shifts > 0).then_some(out)
}
