//! Header values: encoded-words as they are written in the wild, raw bytes between them, MIME parameters.
//!
//! Neighbouring words of one charset are one run of bytes, cut anywhere: in mid-character, in mid-base64, in the middle
//! of ISO-2022-JP's double-byte mode. They are joined first and decoded then.

use super::{Decoded, decode, decode_cut};

/// Decode a header field's value as a reader should see it: unfolded, encoded-words joined and decoded, raw 8-bit and
/// raw ISO-2022 text decoded. `raw` is everything after the colon.
pub fn decode_header_value(raw: &[u8], context: &[&str]) -> Decoded {
    let value = unfold(raw);
    if value.is_ascii() && memchr::memmem::find(&value, b"=?").is_none() {
        return decode(&value, None, context);
    }
    let mut all = Decoded { text: String::new(), charset: "us-ascii", mismatch: false, confidence: 100 };
    let mut add = |part: Decoded| {
        all.text.push_str(&part.text);
        all.mismatch |= part.mismatch;
        if part.charset != "us-ascii" {
            all.charset = part.charset;
        }
        all.confidence = all.confidence.min(part.confidence);
    };
    let mut run = Run::default();
    let mut at = 0;
    while at < value.len() {
        let next = memchr::memmem::find_iter(&value[at..], b"=?").find_map(|n| Some((at + n, word(&value[at + n..])?)));
        let (start, word) = match next {
            Some(found) => found,
            None => break,
        };
        let between = &value[at..start];
        let blank = between.iter().all(|b| matches!(b, b' ' | b'\t'));
        if !run.is_open() || !blank || !run.same_charset(word.charset) {
            run.flush(context, &mut add);
            if !blank || at == 0 {
                add(decode(between, None, context));
            }
        }
        run.push(&word);
        at = start + word.len;
    }
    run.flush(context, &mut add);
    if at < value.len() {
        add(decode(&value[at..], None, context));
    }
    all
}

/// Folding undone: line ends that a blank follows go, the blank stays; blanks around the value go.
fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut value: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    while value.last().is_some_and(blank) {
        value.pop();
    }
    let lead = value.iter().take_while(|b| blank(b)).count();
    value.drain(..lead);
    value
}

struct Word<'a> {
    charset: &'a [u8],
    base64: bool,
    text: &'a [u8],
    len: usize,
}

/// The encoded-word at the head of `bytes`. Blanks inside its text, which RFC 2047 forbids and mailers write, are let
/// pass, as is a missing end at the end of the field.
fn word(bytes: &[u8]) -> Option<Word<'_>> {
    let rest = bytes.strip_prefix(b"=?")?;
    let charset_end = memchr::memchr(b'?', &rest[..rest.len().min(80)])?;
    let charset = &rest[..charset_end];
    if charset.is_empty() || charset.iter().any(|&b| b <= b' ' || b >= 0x7F || b == b'=') {
        return None;
    }
    let (base64, text) = match &rest[charset_end + 1..] {
        [b'B' | b'b', b'?', text @ ..] => (true, text),
        [b'Q' | b'q', b'?', text @ ..] => (false, text),
        _ => return None,
    };
    let end = memchr::memmem::find(text, b"?=");
    let text_end = end.unwrap_or(text.len());
    let len = 2 + charset_end + 3 + text_end + if end.is_some() { 2 } else { 0 };
    Some(Word { charset, base64, text: &text[..text_end], len })
}

/// Neighbouring encoded-words of one charset.
#[derive(Default)]
struct Run {
    charset: Vec<u8>,
    bytes: Vec<u8>,
    cuts: Vec<usize>,
    /// Base64 digits of a quantum that the last word left open.
    open: Vec<u8>,
    words: usize,
}

impl Run {
    fn is_open(&self) -> bool {
        self.words > 0
    }

    fn same_charset(&self, charset: &[u8]) -> bool {
        let bare = |c: &[u8]| c.iter().position(|&b| b == b'*').unwrap_or(c.len());
        self.charset[..bare(&self.charset)].eq_ignore_ascii_case(&charset[..bare(charset)])
    }

    fn push(&mut self, word: &Word<'_>) {
        self.words += 1;
        if self.words == 1 {
            self.charset = word.charset.to_vec();
        } else {
            self.cuts.push(self.bytes.len());
        }
        if word.base64 {
            self.open.extend(word.text.iter().copied().filter(|&b| b == b'=' || base64_digit(b).is_some()));
            let whole = if self.open.contains(&b'=') { self.open.len() } else { self.open.len() & !3 };
            let rest = self.open.split_off(whole);
            base64(&self.open, &mut self.bytes);
            self.open = rest;
        } else {
            self.close_base64();
            q(word.text, &mut self.bytes);
        }
    }

    fn close_base64(&mut self) {
        let open = std::mem::take(&mut self.open);
        base64(&open, &mut self.bytes);
    }

    fn flush(&mut self, context: &[&str], add: &mut impl FnMut(Decoded)) {
        if !self.is_open() {
            return;
        }
        self.close_base64();
        let charset = String::from_utf8_lossy(&self.charset);
        let charset = charset.split('*').next();
        let mut decoded = decode_cut(&self.bytes, charset, context, &self.cuts);
        decoded.text.retain(|c| !matches!(c, '\r' | '\n' | '\0'));
        add(decoded);
        *self = Run::default();
    }
}

pub(super) fn base64_digit(b: u8) -> Option<u8> {
    Some(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Padding ends a quantum; what follows starts a new one.
fn base64(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0u32, 0);
    for &b in text {
        match base64_digit(b) {
            Some(value) => {
                bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
                have += 6;
                if have >= 8 {
                    have -= 8;
                    out.push((bits >> have) as u8);
                }
            }
            None => (bits, have) = (0, 0),
        }
    }
}

fn q(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(super::escapes::quoted_printable(text));
    // "_" is a blank only where it was written as such
    let mut at = start;
    let mut i = 0;
    while i < text.len() && at < out.len() {
        match &text[i..] {
            [b'=', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => i += 3,
            [b'_', ..] => {
                out[at] = b' ';
                i += 1;
            }
            _ => i += 1,
        }
        at += 1;
    }
}

/// Decode a MIME parameter (`name`, `filename`, ...) of a structured header value, with RFC 2231 continuations and
/// charsets, encoded-words inside quotes, and raw bytes.
pub fn decode_parameter(raw: &[u8], name: &str, context: &[&str]) -> Option<Decoded> {
    let value = unfold(raw);
    let mut sections: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    let mut plain: Option<Vec<u8>> = None;
    for (key, text) in parameters(&value) {
        let Some(rest) = strip_prefix_ignore_case(key, name.as_bytes()) else { continue };
        match rest {
            b"" => {
                plain.get_or_insert(text);
            }
            b"*" => sections.push((0, true, text)),
            [b'*', number @ ..] => {
                let (number, encoded) = match number.strip_suffix(b"*") {
                    Some(number) => (number, true),
                    None => (number, false),
                };
                if let Some(number) = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()) {
                    sections.push((number, encoded, text));
                }
            }
            _ => {}
        }
    }
    if sections.is_empty() {
        return plain.map(|text| decode_header_value(&text, context));
    }
    sections.sort_by_key(|&(number, ..)| number);
    sections.dedup_by_key(|&mut (number, ..)| number);
    let mut charset = None;
    let mut bytes = Vec::new();
    for (i, (_, encoded, text)) in sections.iter().enumerate() {
        let mut text = &text[..];
        if !*encoded {
            bytes.extend_from_slice(text);
            continue;
        }
        if i == 0 {
            let mut quotes = memchr::memchr_iter(b'\'', text);
            if let (Some(first), Some(second)) = (quotes.next(), quotes.next()) {
                charset = Some(String::from_utf8_lossy(&text[..first]).into_owned());
                text = &text[second + 1..];
            }
        }
        percent(text, &mut bytes);
    }
    if charset.is_none() && memchr::memmem::find(&bytes, b"=?").is_some() {
        return Some(decode_header_value(&bytes, context));
    }
    Some(decode(&bytes, charset.as_deref(), context))
}

fn percent(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        match &text[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*a) << 4 | digit(*b));
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// `; key=value` pairs after the first token; quotes and backslashes taken off. A backslash before an 8-bit or escape
/// byte stays: it is the second half of a Shift_JIS character.
fn parameters(value: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = memchr::memchr(b';', value).map_or(value.len(), |n| n + 1);
    while at < value.len() {
        let rest = &value[at..];
        let skip = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b';')).count();
        let rest = &rest[skip..];
        let Some(equals) = memchr::memchr(b'=', rest) else { break };
        let key = rest[..equals].trim_ascii();
        let after = &rest[equals + 1..];
        let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let after = &after[blanks..];
        let mut text = Vec::new();
        let used = if after.first() == Some(&b'"') {
            let mut i = 1;
            while i < after.len() && after[i] != b'"' {
                if after[i] == b'\\' && matches!(after.get(i + 1), Some(b'"' | b'\\')) {
                    i += 1;
                }
                text.push(after[i]);
                i += 1;
            }
            i + 1
        } else {
            let end = memchr::memchr(b';', after).unwrap_or(after.len());
            text.extend_from_slice(after[..end].trim_ascii());
            end
        };
        found.push((key, text));
        at = value.len() - after.len() + used.min(after.len());
        at += memchr::memchr(b';', &value[at..]).map_or(value.len() - at, |n| n + 1);
    }
    found
}
