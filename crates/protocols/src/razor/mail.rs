//! A message as Razor's agents take it apart: its parts, each with the fields that speak of content, decoded and stripped.
//!
//! In: a message with line ends as they came. Out: for each part the text that the signatures are made of. The work grows
//! with the message and no faster: senders choose the boundary and what they repeat.

use super::find_any_case;
use memchr::{memchr, memmem};
use std::sync::LazyLock;

/// Nested parts that are taken apart.
const DEPTH: usize = 10;
/// Parts that count.
pub const PARTS: usize = 50;
/// Bytes of a message that are looked at.
const LONGEST: usize = 4 << 20;
/// Of one part.
const BODY: usize = 60 * 1024;

/// A part, ready for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Decoded.
    pub decoded: Vec<u8>,
    /// Decoded, without tags.
    pub stripped: Vec<u8>,
}

pub fn parts(message: &[u8]) -> Vec<Part> {
    let message = &message[..message.len().min(LONGEST)];
    let mut raw = Vec::new();
    split(message, 0, &mut raw);
    raw.iter().filter_map(|part| prepared(part)).filter_map(|part| cleaned(&part)).collect()
}

/// At the first blank line, which CRs may precede.
fn halves(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(at) = memchr(b'\n', &text[from..]).map(|at| from + at) {
        let crs = text[at + 1..].iter().take_while(|byte| **byte == b'\r').count();
        if text.get(at + 1 + crs) == Some(&b'\n') {
            return (&text[..at], &text[at + crs + 2..]);
        }
        from = at + 1;
    }
    (text, b"")
}

fn starts_any_case(text: &[u8], what: &[u8]) -> bool {
    text.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what))
}

/// What Perl takes for false.
fn is_nothing(text: &[u8]) -> bool {
    text.is_empty() || text == b"0"
}

fn split(text: &[u8], depth: usize, parts: &mut Vec<Vec<u8>>) {
    if parts.len() >= PARTS {
        return;
    }
    let (head, body) = halves(text);
    if is_nothing(body) || (depth > 0 && !starts_any_case(head, b"Content-Type:")) {
        let gap: &[u8] = if text.starts_with(b"\n") { b"" } else { b"\n" };
        parts.push([&b"X-Razor2-Agent: 1\n"[..], gap, text].concat());
        return;
    }
    let fields = content_fields(head);
    let boundary = boundary(&fields).filter(|_| depth < DEPTH);
    let Some(boundary) = boundary else {
        parts.push([&b"X-Razor2-Agent: 1\n"[..], &fields, b"\n", body].concat());
        return;
    };
    let mark = [b"--", boundary.as_slice()].concat();
    let last = [b"\n", mark.as_slice(), b"--"].concat();
    let body = &body[..memmem::find(body, &last).unwrap_or(body.len())];
    let line_end = |rest: &[u8]| {
        let crs = rest.iter().take_while(|byte| **byte == b'\r').count();
        (rest.get(crs) == Some(&b'\n')).then_some(crs + 1)
    };
    let first = body.strip_prefix(mark.as_slice()).and_then(|rest| Some(&rest[line_end(rest)?..]));
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = match first {
        Some(rest) => rest,
        None if memmem::find(body, &mark).is_none() => {
            pieces.push(body);
            b""
        }
        None => match next_mark(body, &mark, line_end) {
            Some((_, after)) => &body[after..],
            None => b"",
        },
    };
    while !rest.is_empty() {
        match next_mark(rest, &mark, line_end) {
            Some((end, after)) => {
                pieces.push(&rest[..end]);
                rest = &rest[after..];
            }
            None => {
                pieces.push(rest);
                break;
            }
        }
    }
    for piece in pieces.into_iter().filter(|piece| piece.iter().any(|byte| !byte.is_ascii_whitespace())) {
        split(piece, depth + 1, parts);
    }
}

/// Where `\n--boundary` with its line end begins and ends.
fn next_mark(text: &[u8], mark: &[u8], line_end: impl Fn(&[u8]) -> Option<usize>) -> Option<(usize, usize)> {
    let wanted = [b"\n", mark].concat();
    let mut from = 0;
    while let Some(at) = memmem::find(&text[from..], &wanted).map(|at| from + at) {
        if let Some(more) = line_end(&text[at + wanted.len()..]) {
            return Some((at, at + wanted.len() + more));
        }
        from = at + 1;
    }
    None
}

/// `Content-...` and `X-Razor2...`, unfolded without a blank.
fn content_fields(head: &[u8]) -> Vec<u8> {
    let mut unfolded: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < head.len() {
        let is_blank = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
        let blanks = if head[at] == b'\n' { head[at + 1..].iter().take_while(is_blank).count() } else { 0 };
        if blanks == 0 {
            unfolded.push(head[at]);
        }
        at += 1 + blanks;
    }
    let mut fields = Vec::new();
    for line in unfolded.split(|byte| *byte == b'\n') {
        if starts_any_case(line, b"Content-") || starts_any_case(line, b"X-Razor2") {
            fields.extend_from_slice(line);
            fields.push(b'\n');
        }
    }
    fields
}

fn boundary(fields: &[u8]) -> Option<Vec<u8>> {
    for line in fields.split(|byte| *byte == b'\n') {
        let Some(at) = find_any_case(line, b"Content-Type: multipart") else { continue };
        let rest = &line[at + 23..];
        // The last of them, if there are several.
        let mut ends = (1..rest.len()).rev().filter(|at| starts_any_case(&rest[*at..], b"boundary="));
        let found = ends.find_map(|at| {
            let value = &rest[at + 9..];
            if let Some(quoted) = value.strip_prefix(b"\"")
                && let Some(end) = quoted.iter().position(|byte| *byte == b'"').filter(|end| *end > 0)
            {
                return Some(quoted[..end].to_vec());
            }
            let bare = value.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
            (bare > 0).then(|| value[..bare].to_vec())
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Within what is sent and signed; `None`: empty.
fn prepared(part: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = halves(part);
    if is_nothing(body) {
        return None;
    }
    let odd = |byte: &&u8| matches!(byte, 0..=0x1f | b'|' | 0x7f..=0xff);
    let is_binary = part.iter().find(odd).is_some_and(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'));
    let mut body = if is_binary { encoded(body) } else { body.to_vec() };
    body = without_crs(&body);
    let head = without_crs(&[head, b"\n"].concat());
    if body.len() > BODY {
        body.truncate(BODY);
        if is_binary {
            body.truncate(BODY - 2);
            body.extend(b"==");
        }
    }
    Some([&head[..], b"\n", &body].concat())
}

/// `\r\r\n` and `\r\n` to `\n`.
fn without_crs(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte == b'\n' {
            while out.last() == Some(&b'\r') {
                out.pop();
            }
        }
        out.push(byte);
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// In Base64, with the field that says so.
fn encoded(text: &[u8]) -> Vec<u8> {
    let mut letters = Vec::new();
    for group in text.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            letters.push(match place <= group.len() {
                true => ALPHABET[(bits >> (18 - 6 * place) & 63) as usize],
                false => b'=',
            });
        }
    }
    let mut out = b"Content-Transfer-Encoding: base64\n\n".to_vec();
    for line in letters.chunks(76) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

/// `None`: nothing is left that could be signed.
fn cleaned(part: &[u8]) -> Option<Part> {
    let mut text = part.to_vec();
    if let Some(decoded) = base64(&text) {
        text = decoded;
    }
    let (head, body) = halves(&text);
    if has_field(head, b"Content-Transfer-Encoding: quoted-printable") {
        text = [head, b"\n\n", &quoted_printable(body)].concat();
    }
    let finish = |text: &[u8]| {
        let (head, body) = halves(text);
        let kept = body.len() - body.iter().rev().take_while(|byte| **byte == b'\n').count();
        let whole = [head, b"\n\n", &body[..kept]].concat();
        halves(if is_nothing(body) || kept == body.len() { text } else { &whole }).1.to_vec()
    };
    let decoded = finish(&text);
    let (head, body) = halves(&text);
    let stripped = match !is_nothing(body) && is_html(body) {
        true => finish(&[head, b"\n\n", &without_tags(body)].concat()),
        false => decoded.clone(),
    };
    // A part whose text begins with a field of its own and has more than that line is none, if it is short.
    let is_field = || {
        let word = decoded.iter().take_while(|byte| !byte.is_ascii_whitespace());
        decoded.starts_with(b"Content") && word.into_iter().any(|byte| *byte == b':')
    };
    let only_fields = decoded.len() < 128 && decoded.contains(&b'\n') && is_field();
    (!only_fields && decoded.iter().any(|byte| !byte.is_ascii_whitespace())).then_some(Part { decoded, stripped })
}

fn has_field(text: &[u8], field: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| starts_any_case(line, field))
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const FIELD: &[u8] = b"Content-Transfer-Encoding: base64";
    if !has_field(text, FIELD) {
        return None;
    }
    let rest = &text[find_any_case(text, FIELD)? + FIELD.len()..];
    let after = |gap: &[u8]| memmem::find(rest, gap).map(|at| at + gap.len());
    let start = [&b"\n\n"[..], b"\n\r\n"].iter().filter_map(|gap| after(gap)).min().unwrap_or(0);
    let data = rest[start..].iter().take_while(|byte| **byte != b'=');
    let values: Vec<u8> =
        data.filter_map(|byte| ALPHABET.iter().position(|known| known == byte)).map(|value| value as u8).collect();
    let mut decoded = Vec::new();
    for group in values.chunks(4) {
        let bits = group.iter().fold(0u32, |bits, value| bits << 6 | u32::from(*value)) << (6 * (4 - group.len()));
        decoded.extend_from_slice(&bits.to_be_bytes()[1..][..group.len() * 3 / 4]);
    }
    Some([halves(text).0, b"\n\n", &decoded].concat())
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        match &body[at..] {
            [b'=', b'\n', ..] => at += 2,
            [b'=', b'\r', b'\n', ..] => at += 3,
            [byte, ..] => {
                joined.push(*byte);
                at += 1;
            }
            [] => break,
        }
    }
    let mut out = Vec::with_capacity(joined.len());
    let mut at = 0;
    while at < joined.len() {
        let hex = |at: usize| joined.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (joined[at], hex(at + 1), hex(at + 2)) {
            (b'=', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Tags that make a text a document.
const TAGS: &[&[u8]] = &[
    b"a", b"applet", b"area", b"b", b"base", b"body", b"br", b"button", b"center", b"col", b"div", b"em", b"embed",
    b"font", b"form", b"frame", b"head", b"hr", b"html", b"i", b"iframe", b"img", b"input", b"map", b"meta", b"object",
    b"param", b"pre", b"script", b"span", b"style", b"sub", b"sup", b"table", b"tbody", b"td", b"th", b"tr",
];

fn is_html(body: &[u8]) -> bool {
    // Behind a zero byte nothing is read.
    let body = body.split(|byte| *byte == 0).next().unwrap_or_default();
    let Some(last) = body.iter().rposition(|byte| *byte == b'>') else { return false };
    let mut rest = &body[..last];
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[at + 1..];
        let gap = rest.iter().take_while(|byte| **byte == b'/' || byte.is_ascii_whitespace()).count();
        let length = rest[gap..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&rest[gap..gap + length])) {
            return true;
        }
    }
    false
}

/// Characters by name, with their number in Latin-1.
static CHARACTERS: &str = include_str!("characters.txt");

fn without_tags(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.iter().position(|byte| *byte == 0).unwrap_or(body.len())];
    let mut out = Vec::with_capacity(body.len());
    let (mut quote, mut last) = (0u8, 0u8);
    let (mut in_tag, mut in_declaration) = (false, false);
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        if quote != 0 {
            if byte == quote && (quote != b'-' || last == b'-') {
                quote = 0;
            }
            last = byte;
            continue;
        }
        match byte {
            b'<' => {
                in_tag = true;
                in_declaration |= body.get(at) == Some(&b'!');
                at += 1;
            }
            b'>' => (in_tag, in_declaration) = (false, false),
            b'-' if last == b'-' && in_declaration => quote = b'-',
            b'"' | b'\'' if in_tag => quote = byte,
            b'&' => match character(&body[at..]) {
                Some((found, length)) => {
                    out.push(found);
                    at += length;
                }
                None => out.push(b'&'),
            },
            _ if !in_tag => out.push(byte),
            _ => {}
        }
        last = byte;
    }
    out
}

/// The same by the name's first letter, in the order of the list.
static BY_LETTER: LazyLock<Vec<Vec<(&[u8], u8)>>> = LazyLock::new(|| {
    let mut by_letter = vec![Vec::new(); 256];
    for (name, number) in CHARACTERS.lines().filter_map(|line| line.split_once(' ')) {
        if let (Some(first), Ok(number)) = (name.bytes().next(), number.parse()) {
            by_letter[usize::from(first)].push((name.as_bytes(), number));
        }
    }
    by_letter
});

fn character(text: &[u8]) -> Option<(u8, usize)> {
    let names = &BY_LETTER[usize::from(*text.first()?)];
    let (name, number) = names.iter().find(|(name, _)| text.starts_with(name))?;
    let closed = usize::from(text.get(name.len()) == Some(&b';'));
    Some((*number, name.len() + closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of these took hours.
    #[test]
    fn the_work_does_not_grow_faster_than_the_message() {
        let blanks = [&b"Content-Type: text/plain;"[..], &vec![b' '; LONGEST - 100], b"\n\ntext\n"].concat();
        assert_eq!(parts(&blanks)[0].decoded, b"text");
        let long = vec![b'-'; 1 << 20];
        let head = [b"Content-Type: multipart/mixed; boundary=\"", &long[..], b"x\"\n\n"].concat();
        let marks = [&head[..], &vec![b'-'; LONGEST - head.len()]].concat();
        assert_eq!(parts(&marks).len(), 1);
        let part = format!("\n--x\nContent-Type: text/html\n\n<b>{}", "&".repeat(BODY));
        let ampersands = format!("Content-Type: multipart/mixed; boundary=x\n\n{}", part.repeat(PARTS));
        assert_eq!(parts(ampersands.as_bytes()).len(), PARTS);
    }

    #[test]
    fn characters_by_name() {
        let found = |text: &str| character(text.as_bytes());
        assert_eq!([found("lt;x"), found("ampx"), found("x"), found("")], [Some((60, 3)), Some((38, 3)), None, None]);
    }
}
