//! Bytes to characters as Python's codecs do it where errors are to be ignored: what cannot be read is left out.
//!
//! The tables are `encoding_rs`'s; a label that Python knows not is as good as none.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// Python's names of codecs, normalised, each with a name that `encoding_rs` knows.
static LABELS: &str = include_str!("labels.txt");

/// `None`: Python knows no such charset.
pub fn decode(bytes: &[u8], charset: &str) -> Option<String> {
    let name = known(charset)?;
    match name {
        "ascii" => Some(ascii(bytes)),
        "latin1" => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        // Turkish, as ISO has it: without Microsoft's additions.
        "latin5" => Some(single(bytes, b"iso-8859-9", |byte| (0x80..0xa0).contains(&byte))),
        "utf-16" => Some(match bytes {
            [0xfe, 0xff, rest @ ..] => with(UTF_16BE, rest),
            [0xff, 0xfe, rest @ ..] => with(UTF_16LE, rest),
            _ => with(UTF_16LE, bytes),
        }),
        "gb2312" => Some(gb2312(bytes)),
        "utf-7" => Some(utf_7(bytes)),
        _ => Some(with(Encoding::for_label(name.as_bytes())?, bytes)),
    }
}

fn known(charset: &str) -> Option<&'static str> {
    let mut name = String::new();
    for letter in charset.chars() {
        match letter {
            _ if letter.is_ascii_alphanumeric() || letter == '.' => name.push(letter.to_ascii_lowercase()),
            _ if !letter.is_ascii() => return None,
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    let find = |name: &str| {
        let mut lines = LABELS.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(alias, _)| *alias == name).map(|(_, label)| label)
    };
    find(name).or_else(|| find(&name.replace('.', "_")))
}

pub fn ascii(bytes: &[u8]) -> String {
    bytes.iter().filter(|byte| byte.is_ascii()).map(|byte| char::from(*byte)).collect()
}

fn with(encoding: &'static Encoding, bytes: &[u8]) -> String {
    let (text, errors) = encoding.decode_without_bom_handling(bytes);
    if errors { text.replace('\u{fffd}', "") } else { text.into_owned() }
}

fn single(bytes: &[u8], label: &[u8], control: fn(u8) -> bool) -> String {
    let Some(encoding) = Encoding::for_label(label) else { return ascii(bytes) };
    bytes
        .iter()
        .map(|byte| match control(*byte) {
            true => char::from(*byte).to_string(),
            false => with(encoding, &[*byte]),
        })
        .collect()
}

/// GBK's characters, as far as the older standard has them.
fn gb2312(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii() {
            out.push(char::from(byte));
            at += 1;
            continue;
        }
        let pair = bytes.get(at..at + 2).filter(|pair| matches!(pair, [0xa1..=0xf7, 0xa1..=0xfe]));
        let text = pair.map(|pair| match pair {
            // Two that Python takes for other characters.
            [0xa1, 0xa4] => "\u{30fb}".to_owned(),
            [0xa1, 0xaa] => "\u{2015}".to_owned(),
            _ => with(encoding_rs::GBK, pair),
        });
        let text = text.filter(|text| !text.is_empty());
        at += if text.is_some() { 2 } else { 1 };
        out.push_str(&text.unwrap_or_default());
    }
    out
}

/// `+` begins UTF-16 in Base64, whatever is no letter of that ends it.
fn utf_7(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'+' {
            if byte.is_ascii() {
                out.push(char::from(byte));
            }
            continue;
        }
        let (mut units, mut bits, mut held) = (Vec::new(), 0u32, 0);
        let start = at;
        while let Some(value) = bytes.get(at).and_then(|byte| base64_value(*byte)) {
            bits = bits << 6 | u32::from(value);
            held += 6;
            if held >= 16 {
                held -= 16;
                units.push((bits >> held) as u16);
                bits &= (1 << held) - 1;
            }
            at += 1;
        }
        if bytes.get(at) == Some(&b'-') {
            at += 1;
            if start + 1 == at {
                out.push('+');
            }
        }
        out.extend(char::decode_utf16(units).filter_map(Result::ok));
    }
    out
}

fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_as_python_reads_them() {
        assert_eq!(decode(b"\xe9\x85", "ISO-8859-1").unwrap(), "é\u{85}");
        assert_eq!(decode(b"\xe9", "Windows 1252").unwrap(), "é");
        assert_eq!(decode(b"a\xe9b", "us-ascii").unwrap(), "ab");
        assert_eq!(decode(b"\xc3\xa9\xff!", "UTF8").unwrap(), "é!");
        assert_eq!(decode("中".as_bytes(), "utf-8").unwrap(), "中");
        assert_eq!(decode(b"\xd6\xd0\xff.", "gb2312").unwrap(), "中.");
        assert_eq!(decode(b"a +AD4-b+- +/v8-c", "utf-7").unwrap(), "a >b+ \u{feff}c");
        assert_eq!(decode(b"x", "x-unknown"), None);
    }

    #[test]
    fn every_label_is_known() {
        let whole = |label: &str| ["ascii", "latin1", "latin5", "utf-16", "utf-7"].contains(&label);
        for (_, label) in LABELS.lines().filter_map(|line| line.split_once(' ')) {
            assert!(whole(label) || Encoding::for_label(label.as_bytes()).is_some(), "{label}");
        }
    }
}
