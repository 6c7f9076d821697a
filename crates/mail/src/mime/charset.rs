//! Bytes in a declared charset to characters, as SpamAssassin's `normalize_charset` does it, mojibake included.
//!
//! UTF-8 is tried first whatever the label says; then the label, strictly; then Windows-1252 if the bytes look like
//! western text; then a guess; then Windows-1252 in any case. Inside an encoded word the label counts more: it is
//! obeyed even if that makes replacement characters. For what the text really says see [`crate::mime::evidence`].

pub mod detect;
mod encodings;
mod single;
mod tables;

use crate::part::SaText;
use encodings::Encoding;
use std::borrow::Cow;

/// What became of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalized {
    /// ASCII, left alone.
    Ascii,
    /// UTF-8 already; the bytes stand.
    Utf8,
    /// Not decoded although not ASCII: labelled UTF-16 where bytes, not characters, were asked for.
    Bytes(Option<String>),
    Text(String),
}

impl Normalized {
    /// UTF-8, or `None` where `from`, the bytes that were normalised, are as they should be.
    pub fn into_bytes(self, _from: &[u8]) -> Option<Vec<u8>> {
        match self {
            Normalized::Text(text) => Some(text.into_bytes()),
            _ => None,
        }
    }
}

/// What SpamAssassin's `rendered` makes of a part's bytes before HTML parsing. `normalize` is `normalize_charset`.
pub fn part_text<'a>(bytes: &'a [u8], declared: &str, normalize: bool) -> SaText<'a> {
    let as_text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
    if !normalize {
        let known = declared.eq_ignore_ascii_case("us-ascii") || declared.eq_ignore_ascii_case("utf-8");
        return match as_text(bytes) {
            Some(text) if bytes.is_ascii() => SaText::Ascii(text),
            Some(text) if known && encodings::strict_utf8(bytes).is_some() => SaText::Chars(Cow::Borrowed(text)),
            _ => SaText::Bytes(Cow::Borrowed(bytes)),
        };
    }
    let text = match self::normalize(bytes, declared, false) {
        Normalized::Text(text) | Normalized::Bytes(Some(text)) => Some(Cow::Owned(text)),
        Normalized::Ascii => return as_text(bytes).map_or(SaText::Bytes(Cow::Borrowed(bytes)), SaText::Ascii),
        Normalized::Utf8 => as_text(bytes).map(Cow::Borrowed),
        Normalized::Bytes(None) => None,
    };
    text.map_or(SaText::Bytes(Cow::Borrowed(bytes)), SaText::Chars)
}

/// `insist`: the label is obeyed, errors replaced (encoded words).
pub fn normalize(bytes: &[u8], declared: &str, insist: bool) -> Normalized {
    let ascii = bytes.is_ascii();
    if ascii && is_ascii_superset(declared) {
        return Normalized::Ascii;
    }
    let tried_utf8 = !ascii && !insist;
    if tried_utf8 && encodings::strict_utf8(bytes).is_some() {
        return Normalized::Utf8;
    }
    let is_us_ascii = ["ascii", "us-ascii"].iter().any(|name| declared.eq_ignore_ascii_case(name));
    let mut decoded = None;
    if is_us_ascii && !insist {
        // Not ASCII, so the label helps nobody.
    } else if is_utf16(declared) {
        if let Some(text) = guess_utf16(bytes).and_then(|encoding| encoding.decode(bytes, true)) {
            return Normalized::Bytes(Some(text));
        }
    } else if let Some(encoding) = declared_encoding(declared)
        && !(tried_utf8 && matches!(encoding, Encoding::Utf8))
    {
        decoded = encoding.decode(bytes, !insist);
    }
    if decoded.is_none() {
        if ascii {
            return Normalized::Ascii;
        }
        decoded = if bytes.iter().all(|b| is_western(*b)) {
            windows_1252().decode(bytes, true)
        } else {
            guess(bytes, declared)
        };
    }
    let text = decoded.or_else(|| windows_1252().decode(bytes, false));
    text.map_or(Normalized::Bytes(None), Normalized::Text)
}

/// Labels whose ASCII text needs no decoding.
fn is_ascii_superset(declared: &str) -> bool {
    let name = declared.to_ascii_lowercase();
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let letters = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
    let strip_either = |text: &'_ str| -> usize { usize::from(text.starts_with([' ', '-'])) };
    if ["utf-8", "us-ascii", "ascii", "iso646-us", "utf8", "big5", "gbk"].contains(&name.as_str()) {
        return true;
    }
    if let Some(rest) = name.strip_prefix("iso") {
        let rest = &rest[strip_either(rest)..];
        let Some(part) = rest.strip_prefix("8859") else { return false };
        return part.is_empty() || part.strip_prefix('-').is_some_and(|part| digits(part, 1..=2));
    }
    if let Some(rest) = name.strip_prefix("gb") {
        let rest = &rest[strip_either(rest)..];
        let Some(year) = rest.strip_prefix("18030") else { return false };
        return year.is_empty() || year.strip_prefix("-20").is_some_and(|year| digits(year, 2..=2));
    }
    if let Some(rest) = name.strip_prefix("ansi") {
        let rest = rest.strip_prefix([' ', '_']).unwrap_or(rest);
        return matches!(rest, "x3.4-1986" | "x3.4-1968");
    }
    name.strip_prefix("windows-").is_some_and(|number| digits(number, 4..=4))
        || ["koi8-", "euc-"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(letters))
}

fn is_utf16(declared: &str) -> bool {
    let name = declared.as_bytes();
    let tail = match name {
        [b'u' | b'U', b't' | b'T', b'f' | b'F', b' ' | b'-', tail @ ..] => tail,
        [b'u' | b'U', b't' | b'T', b'f' | b'F', tail @ ..] => tail,
        _ => return false,
    };
    tail.starts_with(b"16")
}

/// By blanks (one byte of them is NUL) and by which half of the units has more bits. With a byte order mark there is
/// no guess, and then SpamAssassin does not decode as UTF-16 at all.
fn guess_utf16(bytes: &[u8]) -> Option<Encoding> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return None;
    }
    let nibbles = |byte: u8| u64::from(byte >> 4) + u64::from(byte & 15);
    let (mut little, mut big, mut even, mut odd) = (0u64, 0u64, 0u64, 0u64);
    for pair in bytes.chunks(2) {
        let second = pair.get(1).copied().unwrap_or(0);
        even += nibbles(pair[0]);
        odd += nibbles(second);
        little += u64::from((pair[0], second) == (0x20, 0));
        big += u64::from((pair[0], second) == (0, 0x20));
    }
    little += u64::from(even > odd * 4);
    big += u64::from(odd * 4 > even);
    match little.cmp(&big) {
        std::cmp::Ordering::Greater => Some(Encoding::Utf16Le),
        std::cmp::Ordering::Less => Some(Encoding::Utf16Be),
        std::cmp::Ordering::Equal => None,
    }
}

fn declared_encoding(declared: &str) -> Option<Encoding> {
    let is = |names: &[&str]| names.iter().any(|name| declared.eq_ignore_ascii_case(name));
    if is(&["iso-8859-1", "iso8859-1", "windows-1252", "cp1252"]) {
        return Some(windows_1252());
    }
    if is(&["utf-8", "utf8"]) {
        return Some(Encoding::Utf8);
    }
    encodings::by_label(declared).or_else(|| gb18030_as_gbk(declared))
}

/// Perl has no GB18030, so its subset GBK has to do.
fn gb18030_as_gbk(label: &str) -> Option<Encoding> {
    let name = label.to_ascii_lowercase();
    (name.starts_with("gb") && is_ascii_superset(label)).then(|| encodings::by_label("gbk")).flatten()
}

fn windows_1252() -> Encoding {
    encodings::by_label("cp1252").expect("a charset in the table of single bytes")
}

/// ASCII, western letters, and the punctuation of Windows-1252 that people really use.
fn is_western(byte: u8) -> bool {
    match byte {
        0..=0x7f | 0xa0 | 0xa9 | 0xad | 0x82 | 0x84 | 0x85 | 0x91..=0x97 | 0x99 => true,
        0xc0..=0xff => !matches!(byte, 0xd7 | 0xdf | 0xf7 | 0xff),
        _ => false,
    }
}

fn guess(bytes: &[u8], declared: &str) -> Option<String> {
    let found = detect::detect(bytes).filter(|found| !found.eq_ignore_ascii_case(declared))?;
    encodings::by_label(found).or_else(|| gb18030_as_gbk(found))?.decode(bytes, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], declared: &str, insist: bool) -> String {
        let normalized = normalize(bytes, declared, insist).into_bytes(bytes);
        String::from_utf8_lossy(&normalized.unwrap_or(bytes.to_vec())).into_owned()
    }

    #[test]
    fn labels_true_and_false() {
        assert_eq!(text("café".as_bytes(), "iso-8859-1", false), "café");
        assert_eq!(text(b"caf\xe9", "utf-8", false), "café");
        assert_eq!(text(b"caf\xe9", "us-ascii", false), "café");
        assert_eq!(text(b"caf\xe9", "utf-8", true), "caf\u{fffd}");
        assert_eq!(text(b"\x80\x93", "iso-8859-1", false), "€“");
        assert_eq!(text(b"\x1b$B4A;z\x1b(B", "iso-2022-jp", false), "漢字");
        assert_eq!(text(b"\x1b$B4A;z\x1b(B", "us-ascii", false), "\x1b$B4A;z\x1b(B");
        assert_eq!(text(b"\xb4\xc1\xbb\xfa", "x-euc-jp", false), "漢字");
        assert_eq!(text(b"\x8a\xbf\x8e\x9a", "Shift_JIS", false), "漢字");
        assert_eq!(text(b"\x8a\xbf\x8e", "shift_jis", true), "漢");
        assert_eq!(text(b"\xc4\xe3\xba\xc3", "gb2312", false), "你好");
        assert_eq!(text(b"\xc4\xe3\xba\xc3", "gb18030", true), "你好");
        assert_eq!(text(b"+ZeVnLA-", "utf-7", false), "日本");
        assert_eq!(text(b"\xef\xbf\xbf", "utf-8", true), "\u{fffd}");
    }

    #[test]
    fn labels_of_all_sorts() {
        let known = |label: &str| encodings::by_label(label).is_some();
        for label in ["x-sjis", "ms932", "windows-31j", "EUC_JP", "ks_c_5601-1987", "latin1", "ISO_8859-1", "koi8r"] {
            assert!(known(label), "{label}");
        }
        for label in ["chinesebig5", "default", "unknown-8bit", "us-ascii\" ", "x-user-defined", "", "é"] {
            assert!(!known(label), "{label}");
        }
    }
}
