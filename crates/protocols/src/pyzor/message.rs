//! The parts of a message as Python's `email` package finds them, in the order in which it walks them.
//!
//! In: bytes. Out: for each part its type, its charset, its transfer encoding and where in the bytes its content lies. Parts
//! lie deeper than [`DEPTH`] or are more than [`PARTS`] only in hostile mail: what is beyond is content of the last.

use std::collections::HashMap;
use std::ops::Range;

/// Nested parts that are taken apart.
pub const DEPTH: usize = 50;
/// Parts that are looked at.
pub const PARTS: usize = 2000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub main: String,
    pub sub: String,
    /// The `charset` parameter, as written.
    pub charset: Option<String>,
    /// Lower case.
    pub encoding: String,
    /// Has parts instead of content.
    pub has_parts: bool,
    pub content: Range<usize>,
}

pub fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut reader = Reader { bytes, lines: lines(bytes), next: 0, ends: Vec::new(), parts: Vec::new() };
    reader.part("text/plain");
    reader.parts
}

/// Lines with what ends them: LF, CRLF or a CR alone.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(at) = bytes[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let at = start + at;
        let end = if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 };
        lines.push(start..end);
        start = end;
    }
    if start < bytes.len() {
        lines.push(start..bytes.len());
    }
    lines
}

/// What ends a part before the bytes end.
#[derive(Clone)]
enum End {
    Boundary(Vec<u8>),
    /// A blank line: the blocks of a delivery status.
    Blank,
}

impl End {
    fn is_here(&self, line: &[u8]) -> bool {
        match self {
            End::Boundary(boundary) => boundary_line(boundary, line).is_some(),
            End::Blank => matches!(line.first(), Some(b'\n' | b'\r')),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Boundary {
    Next,
    Last,
}

fn boundary_line(boundary: &[u8], line: &[u8]) -> Option<Boundary> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let (rest, found) = match rest.strip_prefix(b"--") {
        // A boundary may be followed by what looks like an end.
        Some(after) if is_line_end(after) => (after, Boundary::Last),
        _ => (rest, Boundary::Next),
    };
    is_line_end(rest).then_some(found)
}

fn is_line_end(rest: &[u8]) -> bool {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    matches!(&rest[blanks..], b"" | b"\n" | b"\r" | b"\r\n")
}

struct Reader<'b> {
    bytes: &'b [u8],
    lines: Vec<Range<usize>>,
    next: usize,
    /// The innermost last.
    ends: Vec<End>,
    parts: Vec<Part>,
}

impl<'b> Reader<'b> {
    /// The line's number; `None` at the end of this part or of all.
    fn read(&mut self) -> Option<usize> {
        let line = &self.bytes[self.lines.get(self.next)?.clone()];
        if self.ends.iter().any(|end| end.is_here(line)) {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    fn line(&self, number: usize) -> &'b [u8] {
        &self.bytes[self.lines[number].clone()]
    }

    /// Where the next line begins.
    fn place(&self) -> usize {
        self.lines.get(self.next).map_or(self.bytes.len(), |line| line.start)
    }

    /// The rest of this part.
    fn rest(&mut self) -> Range<usize> {
        let start = self.place();
        while self.read().is_some() {}
        start..self.place()
    }

    /// Reads a part and those in it; the number of the last that was begun within it, which is the one that a boundary's
    /// line break is taken from.
    fn part(&mut self, default: &str) -> usize {
        let fields = self.fields();
        let field = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let (kind, parameters) = match field("content-type") {
            Some(value) => (content_type(value), parameters(value)),
            None => (default.to_owned(), Vec::new()),
        };
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let (main, sub) = kind.split_once('/').unwrap_or((&kind, ""));
        let number = self.parts.len();
        let here = self.place();
        self.parts.push(Part {
            main: main.to_owned(),
            sub: sub.to_owned(),
            charset: parameter("charset"),
            encoding: field("content-transfer-encoding").map(|value| value.to_lowercase()).unwrap_or_default(),
            has_parts: false,
            content: here..here,
        });
        let deeper = self.ends.len() < DEPTH && self.parts.len() < PARTS;
        if kind == "message/delivery-status" && deeper {
            return self.blocks(number);
        }
        if main == "message" && deeper {
            self.parts[number].has_parts = true;
            // No boundary of its own, so depth is counted by an end that never comes.
            self.ends.push(End::Boundary(b"\n\n".to_vec()));
            let last = self.part("text/plain");
            self.ends.pop();
            return last;
        }
        let boundary = parameter("boundary").map(|boundary| boundary.trim_end().to_owned());
        match boundary {
            Some(boundary) if main == "multipart" && deeper => {
                let default = if kind == "multipart/digest" { "message/rfc822" } else { "text/plain" };
                self.between(number, boundary.as_bytes(), default);
            }
            _ => self.parts[number].content = self.rest(),
        }
        number
    }

    /// The blocks of fields of a delivery status, each a part.
    fn blocks(&mut self, number: usize) -> usize {
        self.parts[number].has_parts = true;
        let mut last = number;
        loop {
            self.ends.push(End::Blank);
            last = last.max(self.part("text/plain"));
            self.ends.pop();
            // The blank line, and whether something follows it.
            if self.read().is_none() || self.parts.len() >= PARTS {
                break;
            }
            if self.read().is_none() {
                break;
            }
            self.next -= 1;
        }
        last
    }

    fn between(&mut self, number: usize, boundary: &[u8], default: &str) {
        let start = self.place();
        let mut in_preamble = true;
        while let Some(line) = self.read() {
            match boundary_line(boundary, self.line(line)) {
                Some(Boundary::Last) => {
                    if in_preamble {
                        self.parts[number].content = start..self.lines[line].start;
                        self.rest();
                        return;
                    }
                    break;
                }
                Some(Boundary::Next) if in_preamble => {
                    in_preamble = false;
                    self.parts[number].has_parts = true;
                    self.next -= 1;
                }
                Some(Boundary::Next) => {
                    while let Some(line) = self.read() {
                        if boundary_line(boundary, self.line(line)).is_none() {
                            self.next -= 1;
                            break;
                        }
                    }
                    if self.parts.len() >= PARTS {
                        break;
                    }
                    self.ends.push(End::Boundary(boundary.to_vec()));
                    let last = self.part(default);
                    self.ends.pop();
                    let part = &mut self.parts[last];
                    if !part.has_parts && part.main != "multipart" {
                        let content = &self.bytes[part.content.clone()];
                        part.content.end -= line_end(content);
                    }
                }
                None => {}
            }
        }
        if in_preamble {
            self.parts[number].content = start..self.place();
        }
        self.rest();
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let mut raw: Vec<usize> = Vec::new();
        while let Some(number) = self.read() {
            let line = self.line(number);
            if !is_field(line) {
                if !matches!(line.first(), Some(b'\n' | b'\r')) {
                    self.next -= 1;
                }
                break;
            }
            raw.push(number);
        }
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        let mut open = false;
        for (index, &number) in raw.iter().enumerate() {
            let line = self.line(number);
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if open && let Some((_, value)) = fields.last_mut() {
                    value.extend_from_slice(line);
                }
                continue;
            }
            open = false;
            if line.starts_with(b"From ") {
                if index > 0 && index == raw.len() - 1 {
                    // Rather the first line of the text.
                    self.next = number;
                }
                continue;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0) else { continue };
            let value = &line[colon + 1..];
            let blanks = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            fields.push((String::from_utf8_lossy(&line[..colon]).into_owned(), value[blanks..].to_vec()));
            open = true;
        }
        fields
            .into_iter()
            .map(|(name, value)| {
                let text: String =
                    value.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }).collect();
                (name, text.trim_end_matches(['\r', '\n']).to_owned())
            })
            .collect()
    }
}

fn line_end(content: &[u8]) -> usize {
    match content {
        [.., b'\r', b'\n'] => 2,
        [.., b'\r' | b'\n'] => 1,
        _ => 0,
    }
}

fn is_field(line: &[u8]) -> bool {
    if line.starts_with(b"From ") || matches!(line.first(), Some(b' ' | b'\t')) {
        return true;
    }
    let name = line.iter().take_while(|byte| matches!(byte, 0x21..=0x39 | 0x3b..=0x7e)).count();
    line.get(name) == Some(&b':')
}

fn content_type(value: &str) -> String {
    let kind = value.split(';').next().unwrap_or_default();
    let kind = strip(kind).to_lowercase();
    if kind.matches('/').count() == 1 { kind } else { "text/plain".to_owned() }
}

/// What Python calls white space.
pub fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Names in lower case; values without quotes, those of RFC 2231 put together.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut pieces: Vec<(String, String)> = Vec::new();
    let mut rest = value;
    loop {
        let end = piece_end(rest);
        let piece = &rest[..end];
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (strip(name).to_lowercase(), strip(value).to_owned()),
            None => (strip(piece).to_owned(), String::new()),
        };
        pieces.push((name, value));
        match rest.get(end + 1..) {
            Some(after) if end < rest.len() => rest = after,
            _ => break,
        }
    }
    // The first is the type itself; for Python it is a parameter too.
    let mut found: Vec<(String, String)> = Vec::new();
    let mut continued: Vec<(String, Vec<(Option<u32>, String, bool)>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, (name, value)) in pieces.into_iter().enumerate() {
        let value = unquote(&value);
        match continuation(&name).filter(|_| index > 0) {
            Some((base, number)) => {
                let piece = (number, value, name.ends_with('*'));
                let place = *places.entry(base.to_owned()).or_insert(continued.len());
                match continued.get_mut(place) {
                    Some((_, pieces)) => pieces.push(piece),
                    None => continued.push((base.to_owned(), vec![piece])),
                }
            }
            None => found.push((name, value)),
        }
    }
    for (name, mut pieces) in continued {
        pieces.sort();
        let extended = pieces.iter().any(|(_, _, encoded)| *encoded);
        let text: String =
            pieces.into_iter().map(|(_, text, encoded)| if encoded { percent(&text) } else { text }).collect();
        let text = match extended {
            // charset'language'value
            true => text.splitn(3, '\'').nth(2).map(str::to_owned).unwrap_or(text),
            false => text,
        };
        found.push((name.to_lowercase(), text));
    }
    found
}

fn piece_end(text: &str) -> usize {
    let mut quotes = 0usize;
    let mut escaped = 0usize;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => {
                quotes += 1;
                escaped += usize::from(at > 0 && bytes[at - 1] == b'\\');
            }
            b';' if at == 0 || (quotes - escaped).is_multiple_of(2) => return at,
            _ => {}
        }
    }
    text.len()
}

/// `name*`, `name*0`, `name*0*`.
fn continuation(name: &str) -> Option<(&str, Option<u32>)> {
    let (base, rest) = name.split_once('*')?;
    let plain = !base.is_empty() && base.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let number = rest.strip_suffix('*').unwrap_or(rest);
    match number {
        _ if !plain => None,
        "" => Some((base, None)),
        _ => number.parse().ok().map(|number| (base, Some(number))),
    }
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn unquote(text: &str) -> String {
    if text.len() > 1 {
        if let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return inner.replace("\\\\", "\\").replace("\\\"", "\"");
        }
        if let Some(inner) = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')) {
            return inner.to_owned();
        }
    }
    text.to_owned()
}

/// Content decoded as the part says; left alone where it says nothing that is known.
pub fn decoded(content: &[u8], encoding: &str) -> Vec<u8> {
    match encoding {
        "quoted-printable" => quoted_printable(content),
        "base64" => {
            let joined: Vec<u8> = content.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            let padded = || base64(&[&joined[..], b"=="].concat());
            base64(&joined).or_else(padded).unwrap_or_else(|| joined.clone())
        }
        "x-uuencode" | "uuencode" | "uue" | "x-uue" => uuencoded(content).unwrap_or_else(|| content.to_vec()),
        _ => content.to_vec(),
    }
}

fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        if content[at] != b'=' {
            out.push(content[at]);
            at += 1;
            continue;
        }
        at += 1;
        let hex = |at: usize| content.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match content.get(at) {
            None => break,
            Some(b'\n' | b'\r') => {
                at += content[at..].iter().position(|byte| *byte == b'\n').map_or(content.len() - at, |end| end + 1);
            }
            Some(b'=') => {
                out.push(b'=');
                at += 1;
            }
            _ => match (hex(at), hex(at + 1)) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    at += 2;
                }
                _ => out.push(b'='),
            },
        }
    }
    out
}

/// Foreign letters are passed over; `None`: the last group is incomplete.
fn base64(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len() / 4 * 3);
    let (mut group, mut left, mut pads) = (0u8, 0u8, 0u8);
    for &byte in content {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                if group >= 2 {
                    pads += 1;
                    if group + pads >= 4 {
                        return Some(out);
                    }
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match group {
            1 => out.push(left << 2 | value >> 4),
            2 => out.push(left << 4 | value >> 2),
            3 => out.push(left << 6 | value),
            _ => {}
        }
        left = value;
        group = (group + 1) % 4;
    }
    (group == 0).then_some(out)
}

/// The first file that is encoded.
fn uuencoded(content: &[u8]) -> Option<Vec<u8>> {
    let mut lines = content.split_inclusive(|byte| *byte == b'\n');
    lines.by_ref().find(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b' ');
        fields.next() == Some(b"begin")
            && fields
                .next()
                .is_some_and(|mode| !mode.is_empty() && mode.iter().all(|byte| (b'0'..=b'7').contains(byte)))
            && fields.next().is_some()
    })?;
    let mut out = Vec::new();
    for line in lines {
        let line = line.trim_ascii_end();
        if line == b"end" {
            return Some(out);
        }
        let Some((&length, data)) = line.split_first() else { continue };
        let wanted = usize::from(length.wrapping_sub(32) & 63);
        let value = |at: usize| data.get(at).map_or(0, |byte| byte.wrapping_sub(32) & 63);
        let bytes = (0..data.len().div_ceil(4).max(wanted.div_ceil(3))).flat_map(|group| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| value(group * 4 + at));
            [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]
        });
        out.extend(bytes.take(wanted));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mail: &str) -> Vec<String> {
        let show = |part: &Part| {
            let content = String::from_utf8_lossy(&mail.as_bytes()[part.content.clone()]).into_owned();
            format!("{}/{} {} {content:?}", part.main, part.sub, part.has_parts)
        };
        parts(mail.as_bytes()).iter().map(show).collect()
    }

    #[test]
    fn parts_in_the_order_of_a_walk() {
        let mail = "Content-Type: multipart/mixed; boundary=\"a b\"\n\npreamble\n--a b\n\none\n\n--a b\nContent-Type: \
                    message/rfc822\n\nSubject: x\n\ntwo\n--a b--\nepilogue\n";
        let expected = [
            "multipart/mixed true \"\"",
            "text/plain false \"one\\n\"",
            "message/rfc822 true \"\"",
            "text/plain false \"two\"",
        ];
        assert_eq!(shown(mail), expected);
    }

    #[test]
    fn what_is_broken_is_content() {
        assert_eq!(shown("no field\nmore\n"), ["text/plain false \"no field\\nmore\\n\""]);
        let no_start = "Content-Type: multipart/mixed; boundary=x\n\ntext\n";
        assert_eq!(shown(no_start), ["multipart/mixed false \"text\\n\""]);
        assert_eq!(shown("Content-Type: multipart/mixed\n\ntext\n"), ["multipart/mixed false \"text\\n\""]);
        assert_eq!(shown("Content-Type: nothing\r\rtext"), ["text/plain false \"text\""]);
        assert_eq!(shown(""), ["text/plain false \"\""]);
    }

    #[test]
    fn depth_and_number_are_limited() {
        let deep = "Content-Type: message/rfc822\n\n".repeat(10_000);
        assert!(parts(deep.as_bytes()).len() <= DEPTH + 1);
        let many = format!("Content-Type: multipart/mixed; boundary=x\n\n{}", "--x\n\na\n".repeat(10_000));
        assert!(parts(many.as_bytes()).len() <= PARTS);
    }

    /// It took as long as the square of their number.
    #[test]
    fn a_million_parameters() {
        let many: String = (0..1_000_000).map(|number| format!("; a{number}*0=x")).collect();
        let read = parts(format!("Content-Type: text/plain{many}; charset*1=-8; charset*0=utf\n\ntext\n").as_bytes());
        assert_eq!(read[0].charset.as_deref(), Some("utf-8"));
    }

    #[test]
    fn transfer_encodings() {
        for (encoding, content, expected) in [
            ("quoted-printable", &b"a=3Db=\r\nc=\nd=zz=="[..], &b"a=bcd=zz="[..]),
            ("base64", b"aGFs\r\nbG8=", b"hallo"),
            ("base64", b"aGFsbG8", b"hallo"),
            ("base64", b"aGFsb!G8", b"hallo"),
            ("base64", b"a", b"a"),
            ("x-uuencode", b"begin 644 x\n%:&%L;&\\\n`\nend\n", b"hallo"),
            ("8bit", b"x=3D", b"x=3D"),
        ] {
            assert_eq!(decoded(content, encoding), expected, "{encoding}");
        }
    }
}
