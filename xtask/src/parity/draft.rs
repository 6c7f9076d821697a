//! A message in the making: what rules want it to contain, and how that becomes bytes.
//!
//! In: headers, paragraphs, links, markup, parts, from several rules at once. Out: one message, in a style (plain or
//! HTML, with the usual headers or bare, one header line for two wishes or two), because a rule often minds the style.

use std::collections::BTreeMap;

/// Ways to write the same draft.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub html: bool,
    /// Without the headers that most messages have.
    pub bare: bool,
    /// `<`, `>` and `&` of paragraphs are escaped in HTML.
    pub escape: bool,
    /// Two wishes for one header share a line.
    pub join: bool,
    /// Links stand in the text, not in markup.
    pub plain_links: bool,
    /// Paragraphs are lines of one paragraph.
    pub dense: bool,
}

impl Style {
    pub const COUNT: u64 = 24;

    /// The likelier styles first.
    pub fn number(n: u64) -> Style {
        Style {
            html: n % 2 == 1,
            join: n / 2 % 2 == 1,
            escape: n % 8 < 6,
            bare: n / 4 % 3 == 2,
            plain_links: n / 4 % 3 == 1,
            dense: n >= 12,
        }
    }
}

/// A part with headers of its own.
#[derive(Debug, Clone)]
pub struct Entity {
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// What a message must contain.
#[derive(Debug, Default, Clone)]
pub struct Draft {
    pub headers: Vec<(String, Vec<u8>)>,
    /// Usual headers that must not be there.
    pub absent: Vec<String>,
    pub paragraphs: Vec<Vec<u8>>,
    pub html: Vec<Vec<u8>>,
    pub links: Vec<Vec<u8>>,
    pub part_headers: Vec<(String, Vec<u8>)>,
    pub entities: Vec<Entity>,
    /// Header lines above all others, for `ALL` and `full` rules.
    pub raw: Vec<Vec<u8>>,
    /// Fields of relays as `X-Spam-Relays-*` names them; the newest first.
    pub relays: Vec<BTreeMap<String, String>>,
    /// A whole message that the rest is worked into.
    pub base: Option<Vec<u8>>,
}

const USUAL: &[(&str, &str)] = &[
    (
        "Received",
        "from mail.example.org (mail.example.org [81.2.69.142]) by mx.example.net (Postfix) with ESMTP \
         id 1A2B3C4D5E for <you@example.net>; Mon, 5 Oct 2020 10:00:02 +0000 (UTC)",
    ),
    ("From", "Someone <someone@example.org>"),
    ("To", "you@example.net"),
    ("Subject", "about that matter"),
    ("Date", "Mon, 5 Oct 2020 10:00:00 +0000"),
    ("Message-ID", "<20201005100000.1234@example.org>"),
    ("MIME-Version", "1.0"),
];

const BOUNDARY: &str = "=_0a1b2c";

impl Draft {
    pub fn add_header(&mut self, name: &str, value: Vec<u8>, join: bool) {
        let known = self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name));
        match known {
            Some((_, text)) if join => {
                text.push(b' ');
                text.extend_from_slice(&value);
            }
            _ => self.headers.push((name.to_owned(), value)),
        }
    }

    /// `text` as a relay is written in `X-Spam-Relays-*`: `[ ip=1.2.3.4 rdns=... ]`, or a piece of it.
    pub fn add_relay(&mut self, text: &[u8], join: bool) {
        let text = String::from_utf8_lossy(text).into_owned();
        let mut fields = BTreeMap::new();
        for word in text.split([' ', '[', ']']) {
            if let Some((key, value)) = word.split_once('=') {
                fields.insert(key.to_owned(), value.chars().filter(char::is_ascii_graphic).collect::<String>());
            }
        }
        match self.relays.first_mut() {
            Some(first) if join => first.extend(fields),
            _ => self.relays.push(fields),
        }
    }

    pub fn into_message(self, style: Style) -> Vec<u8> {
        match self.base.clone() {
            Some(base) => self.onto(&base, style),
            None => self.anew(style),
        }
    }

    fn own_header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for raw in &self.raw {
            out.extend_from_slice(raw.strip_prefix(b"\n").unwrap_or(raw));
            if !raw.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        for relay in &self.relays {
            push_header(&mut out, "Received", &received(relay));
        }
        for (name, value) in &self.headers {
            push_header(&mut out, name, value);
        }
        out
    }

    fn has_text(&self) -> bool {
        !(self.html.is_empty() && self.links.is_empty() && self.paragraphs.is_empty())
    }

    fn anew(self, style: Style) -> Vec<u8> {
        let mut out = self.own_header();
        let has = |name: &str| {
            self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
                || self.absent.iter().any(|n| n.eq_ignore_ascii_case(name))
                || name == "Received" && !self.relays.is_empty()
        };
        for (name, value) in USUAL.iter().filter(|(n, _)| !has(n)).skip(if style.bare { 4 } else { 0 }) {
            push_header(&mut out, name, value.as_bytes());
        }
        let (kind, text) = self.text(style);
        let mut parts: Vec<Entity> = Vec::new();
        if self.has_text() || self.entities.is_empty() {
            parts.push(Entity { headers: vec![("Content-Type".into(), kind.into())], body: text });
        }
        parts.extend(self.entities.iter().cloned());
        parts.extend(self.part_headers.iter().map(|header| Entity {
            headers: if header.0.eq_ignore_ascii_case("ALL") { Vec::new() } else { vec![header.clone()] },
            body: if header.0.eq_ignore_ascii_case("ALL") {
                [header.1.as_slice(), b"\n\nattached\n"].concat()
            } else {
                b"attached\n".to_vec()
            },
        }));
        if let [only] = parts.as_slice() {
            for (name, value) in only.headers.iter().filter(|(n, _)| !has(n)) {
                push_header(&mut out, name, value);
            }
            out.push(b'\n');
            out.extend_from_slice(&only.body);
            return out;
        }
        if !has("Content-Type") {
            push_header(&mut out, "Content-Type", format!("multipart/mixed; boundary=\"{BOUNDARY}\"").as_bytes());
        }
        for part in &parts {
            out.extend_from_slice(format!("\n--{BOUNDARY}\n").as_bytes());
            push_part(&mut out, part);
        }
        out.extend_from_slice(format!("\n--{BOUNDARY}--\n").as_bytes());
        out
    }

    /// Adds what is wanted to a message that is already there: headers before and instead of its own, text at the end,
    /// or as a first part.
    fn onto(self, base: &[u8], style: Style) -> Vec<u8> {
        let (head, body) = split_head(base);
        let mut out = self.own_header();
        let mut keep = true;
        let mut boundary = None;
        for line in head.split_inclusive(|b| *b == b'\n') {
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                let name = String::from_utf8_lossy(line.split(|b| *b == b':').next().unwrap_or_default()).into_owned();
                let instead = |n: &str| n.eq_ignore_ascii_case(&name) && !n.eq_ignore_ascii_case("Received");
                keep = !(self.headers.iter().any(|(n, _)| instead(n)) || self.absent.iter().any(|n| instead(n)));
            }
            if keep {
                out.extend_from_slice(line);
            }
            let line = String::from_utf8_lossy(line);
            if let Some(at) = line.to_ascii_lowercase().find("boundary=") {
                let value = line[at + 9..].trim();
                let value = match value.strip_prefix('"') {
                    Some(quoted) => quoted.split('"').next(),
                    None => value.split([';', ' ']).next(),
                };
                boundary = value.map(|v| format!("--{v}"));
            }
        }
        out.push(b'\n');
        let (kind, text) = self.text(style);
        let wanted = self.has_text();
        let Some(boundary) = boundary else {
            out.extend_from_slice(body);
            if wanted {
                out.push(b'\n');
                out.extend_from_slice(&text);
            }
            return out;
        };
        let mut added = !wanted && self.part_headers.is_empty();
        for line in body.split_inclusive(|b| *b == b'\n') {
            out.extend_from_slice(line);
            if !added && line.trim_ascii_end() == boundary.as_bytes() {
                added = true;
                if wanted {
                    let part = Entity { headers: vec![("Content-Type".into(), kind.into())], body: text.clone() };
                    push_part(&mut out, &part);
                    out.extend_from_slice(line);
                }
                for header in &self.part_headers {
                    push_part(&mut out, &Entity { headers: vec![header.clone()], body: b"attached\n".to_vec() });
                    out.extend_from_slice(line);
                }
            }
        }
        out
    }

    /// Content type and text of the part that people read.
    fn text(&self, style: Style) -> (&'static str, Vec<u8>) {
        let html = !self.html.is_empty() || style.html || !self.links.is_empty() && !style.plain_links;
        let mut body = Vec::new();
        if html {
            body.extend_from_slice(b"<html><body>\n");
        }
        for paragraph in &self.paragraphs {
            for byte in paragraph {
                match byte {
                    b'<' if html && style.escape => body.extend_from_slice(b"&lt;"),
                    b'>' if html && style.escape => body.extend_from_slice(b"&gt;"),
                    b'&' if html && style.escape => body.extend_from_slice(b"&amp;"),
                    b => body.push(*b),
                }
            }
            body.extend_from_slice(match (html, style.dense) {
                (_, true) => b"\n",
                (true, false) => b"\n<p>\n",
                (false, false) => b"\n\n",
            });
        }
        for link in &self.links {
            let link: Vec<u8> = link.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'"').collect();
            if html {
                body.extend_from_slice(b"<a href=\"");
                body.extend_from_slice(&link);
                body.extend_from_slice(b"\">here</a>\n");
            } else {
                body.extend_from_slice(&link);
                body.extend_from_slice(b"\n\n");
            }
        }
        for raw in &self.html {
            body.extend_from_slice(raw);
            body.push(b'\n');
        }
        if body.is_empty() {
            body.extend_from_slice(b"Some words, so that there is a body.\n");
        }
        if html {
            body.extend_from_slice(b"</body></html>\n");
        }
        let utf8 = !body.is_ascii() && std::str::from_utf8(&body).is_ok();
        let kind = match (html, utf8) {
            (true, true) => "text/html; charset=utf-8",
            (true, false) => "text/html",
            (false, true) => "text/plain; charset=utf-8",
            (false, false) => "text/plain",
        };
        (kind, body)
    }
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    // Some rules look at a header without the usual space.
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn push_part(out: &mut Vec<u8>, part: &Entity) {
    for (name, value) in &part.headers {
        push_header(out, name, value);
    }
    if !part.headers.is_empty() {
        out.push(b'\n');
    }
    out.extend_from_slice(&part.body);
    if !part.body.ends_with(b"\n") {
        out.push(b'\n');
    }
}

/// Header block with its last line feed, and what follows the empty line.
fn split_head(message: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            return (&message[..at], &message[at + line.len()..]);
        }
        at += line.len();
    }
    (message, &[])
}

/// A Received line from which SpamAssassin makes this relay.
fn received(fields: &BTreeMap<String, String>) -> Vec<u8> {
    let field = |key: &str, default: &str| match fields.get(key) {
        Some(value) if !value.is_empty() => value.clone(),
        _ => default.to_owned(),
    };
    let (mut ip, mut rdns) = (field("ip", "81.2.69.160"), field("rdns", "unknown"));
    // A pattern often asks for their beginnings only.
    if !ip.contains(':') {
        let given = ip.trim_end_matches('.').split('.').count();
        ip = format!("{}{}", ip.trim_end_matches('.'), ".7".repeat(4usize.saturating_sub(given)));
    }
    if rdns.ends_with(['.', '-']) {
        rdns.push_str("example.com");
    }
    let (helo, by, id) = (field("helo", "mail.example.com"), field("by", "mx.example.net"), field("id", "4F1D2C3B4A"));
    let with = if field("auth", "").is_empty() { "ESMTP" } else { "ESMTPSA" };
    let date = "Mon, 5 Oct 2020 10:00:01 +0000";
    let envelope = field("envfrom", "");
    if !envelope.is_empty() {
        // As Exim has it.
        return format!(
            "from [{ip}] (helo={helo}) by {by} with esmtp (Exim 4.50) (envelope-from <{envelope}>) id {id}; {date}"
        )
        .into_bytes();
    }
    let ident = field("ident", "");
    if !ident.is_empty() {
        return format!("from {helo} ({ident}@{rdns} [{ip}]) by {by} (8.12.11/8.12.11) with {with} id {id}; {date}")
            .into_bytes();
    }
    format!("from {helo} ({rdns} [{ip}]) by {by} (Postfix) with {with} id {id}; {date}").into_bytes()
}
