//! A message taken apart the way ClamAV takes it apart: which bytes become files of their own.
//!
//! Signatures were written against what ClamAV's mail reader hands to its matcher, so its reading of MIME is the one that
//! counts here, faults included: parameters split at every semicolon, unmarked attachments decoded as base64 besides,
//! the text after a closing boundary a part of its own, an enclosed plain message not opened. [`mail::Message`] follows
//! SpamAssassin's reading, which differs in all of these; what ClamAV misses is the business of [`super::walk`]'s views
//! beyond ClamAV.
//!
//! In: the bytes of a file that was recognised as mail. Out: [`Piece`]s, decoded. Nesting is by multiparts only; an
//! enclosed message is a piece, which the walker recognises as mail in turn.

use std::borrow::Cow;

/// Longer lines are taken as several.
const LINE: usize = 999;
/// Multiparts within multiparts.
const DEPTH: usize = 64;
/// Each multipart keeps its lines anew: so many times those of the message, and these, in all.
const LEVELS: usize = 4;
const LINES: usize = 65_536;
/// Parts, and header lines of all parts together.
const PARTS: usize = 1024;
const HEADERS: usize = 1024;
/// Parameters of one header section.
const PARAMETERS: usize = 256;
/// How far after a line that begins like a returned message its header is looked for, in all.
const BOUNCES: usize = 100;

/// A file that a message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What member signatures see.
    pub name: Vec<u8>,
    pub bytes: Cow<'a, [u8]>,
    /// How it stood in the message: `base64`, `quoted-printable`, `uuencode`, or nothing.
    pub coding: &'static str,
    /// Addresses in it are compared with what is shown.
    pub links: bool,
}

/// What was not taken apart to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Depth,
    Parts,
}

impl Limit {
    pub fn name(self) -> &'static str {
        match self {
            Limit::Depth => "EmailMIMEDepth",
            Limit::Parts => "EmailMIMEPartsPerMessage",
        }
    }
}

/// Takes `bytes` apart. `is_mail` tells whether a line begins as a message does; `take` gets each piece.
pub fn read(bytes: &[u8], is_mail: &dyn Fn(&[u8]) -> bool, take: &mut dyn FnMut(Piece<'_>)) -> Option<Limit> {
    let clean = clean(bytes);
    let lines: Vec<&[u8]> = lines(&clean).collect();
    let mut reader = Reader { is_mail, take, limit: None, parts: 0, room: LEVELS * lines.len() + LINES };
    if lines.first().is_some_and(|line| line.starts_with(b"From ")) {
        for message in mailbox(&lines) {
            let (header, body) = uuencoded(message, &mut reader);
            reader.message(&header, body);
        }
        return reader.limit;
    }
    let start = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    reader.message(&lines[start..], true);
    reader.limit
}

/// NUL bytes away, every kind of line end as LF.
fn clean(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(0, b'\r', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(0, b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] == b'\r' && rest.get(at + 1) != Some(&b'\n') {
            out.push(b'\n');
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Lines without their ends; one that is white all over is one blank.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let whole = (!bytes.is_empty()).then(|| body.split(|byte| *byte == b'\n')).into_iter().flatten();
    whole.flat_map(|line| {
        let mut pieces = line.chunks(LINE);
        let first = pieces.next().unwrap_or_default();
        std::iter::once(first).chain(pieces)
    })
}

/// Whether a quotation that began in the line goes on behind it.
fn opens_quotation(line: &[u8]) -> bool {
    line.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

fn as_kept(line: &[u8]) -> &[u8] {
    match line.is_empty() || line.iter().any(|byte| !is_space(*byte)) {
        true => line,
        false => b" ",
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Messages of a mailbox, its separator lines included.
fn mailbox<'l, 'a>(lines: &'l [&'a [u8]]) -> Vec<&'l [&'a [u8]]> {
    let mut messages = Vec::new();
    let mut start = 0;
    for at in 1..lines.len() {
        if lines[at].starts_with(b"From ") && lines[at - 1].is_empty() {
            messages.push(&lines[start..at]);
            start = at + 1;
        }
    }
    messages.push(&lines[start..]);
    messages
}

/// In a mailbox, what is uuencoded is taken out before anything is read.
fn uuencoded<'a>(lines: &[&'a [u8]], reader: &mut Reader<'_>) -> (Vec<&'a [u8]>, bool) {
    if !lines.iter().any(|line| begins_uuencoded(line)) {
        return (lines.to_vec(), false);
    }
    (reader.without_uuencoded(lines.iter().copied()), false)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// None given, or plain text.
    None,
    Application,
    Audio,
    Image,
    Message,
    Multipart,
    Text,
    Video,
    Extension,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// 7bit.
    None,
    QuotedPrintable,
    Base64,
    /// 8bit and binary.
    Plain,
    Other,
}

/// A message or part: what of its header matters, and its lines.
struct Mail<'a> {
    kind: Type,
    subtype: Vec<u8>,
    disposition: Vec<u8>,
    /// `name=value`
    parameters: Vec<Vec<u8>>,
    codings: Vec<Coding>,
    lines: Vec<&'a [u8]>,
    /// A line of the body that names a transfer encoding other than 7bit.
    encoding_line: Option<usize>,
}

impl<'a> Mail<'a> {
    fn new() -> Mail<'a> {
        Mail {
            kind: Type::None,
            subtype: Vec::new(),
            disposition: Vec::new(),
            parameters: Vec::new(),
            codings: Vec::new(),
            lines: Vec::new(),
            encoding_line: None,
        }
    }

    fn push(&mut self, line: &'a [u8]) {
        let line = as_kept(line);
        if line == b" " && self.lines.last() == Some(&line) {
            return;
        }
        if self.encoding_line.is_none()
            && starts_with(line, b"content-transfer-encoding")
            && memchr::memmem::find(line, b"7bit").is_none()
        {
            self.encoding_line = Some(self.lines.len());
        }
        self.lines.push(line);
    }

    fn coding(&self) -> Coding {
        self.codings.first().copied().unwrap_or(Coding::None)
    }

    fn parameter(&self, name: &[u8]) -> Option<Vec<u8>> {
        let found = self.parameters.iter().find(|parameter| starts_with(parameter, name))?;
        let rest = found[name.len()..].trim_ascii_start().strip_prefix(b"=")?;
        let value = match rest.strip_prefix(b"\"") {
            Some(quoted) if rest.len() > 2 && quoted.contains(&b'"') => {
                quoted.split(|byte| *byte == b'"').next().unwrap_or_default()
            }
            _ => rest,
        };
        Some(value.to_vec())
    }

    fn add_parameter(&mut self, parameter: &[u8]) {
        let parameter = parameter.trim_ascii_start();
        if parameter.is_empty() || self.parameters.len() >= PARAMETERS {
            return;
        }
        if self.parameters.iter().any(|known| known.eq_ignore_ascii_case(parameter)) {
            return;
        }
        if self.kind == Type::None && (starts_with(parameter, b"filename=") || starts_with(parameter, b"name=")) {
            self.kind = Type::Application;
        }
        self.parameters.push(parameter.to_vec());
    }

    /// Parameters as they stand in a header, whatever is between them.
    fn add_parameters(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            while rest.first().is_some_and(|byte| is_space(*byte) || *byte == b';') {
                rest = &rest[1..];
            }
            if rest.is_empty() {
                return;
            }
            let Some(at) = memchr::memchr(b'=', rest).or_else(|| memchr::memchr(b':', rest)) else { return };
            let key = &rest[..at];
            let value = rest[at + 1..].trim_ascii_start();
            if let Some(quoted) = value.strip_prefix(b"\"") {
                let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
                if USEFUL.iter().any(|useful| starts_with(key, useful)) {
                    self.add_parameter(&[key, b"=", &quoted[..end]].concat());
                }
                rest = quoted.get(end + 1..).unwrap_or_default();
            } else {
                if value.is_empty() {
                    return;
                }
                let length = value.iter().skip(1).position(|byte| is_space(*byte)).map_or(value.len(), |at| at + 1);
                let end = rest.len() - value.len() + length;
                self.add_parameter(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }

    fn set_type(&mut self, value: &[u8]) {
        if value.first() == Some(&b'/') {
            (self.kind, self.subtype) = (Type::Application, b"octet-stream".to_vec());
        } else if !value.contains(&b'/') {
            (self.kind, self.subtype) = (Type::Text, b"plain".to_vec());
        } else {
            let value = value.trim_ascii_start();
            let first = value.split(|byte| *byte == b';').next().unwrap_or_default();
            let first = first.strip_prefix(b"\"").unwrap_or(first);
            let slash = memchr::memchr(b'/', first).unwrap_or(first.len());
            self.kind = kind_of(first[..slash].trim_ascii());
            let subtype = first.get(slash + 1..).unwrap_or_default().trim_ascii();
            let subtype = subtype.strip_suffix(b"\"").unwrap_or(subtype).trim_ascii();
            self.subtype = subtype.split(|byte| is_space(*byte)).next().unwrap_or_default().to_ascii_lowercase();
        }
        value.split(|byte| *byte == b';').skip(1).for_each(|text| self.add_parameters(text));
    }

    fn set_coding(&mut self, value: &[u8]) {
        for word in value.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()) {
            for coding in coding_of(word) {
                if !self.codings.contains(coding) {
                    self.codings.push(*coding);
                }
            }
        }
    }

    fn set_disposition(&mut self, value: &[u8]) {
        let mut pieces = value.split(|byte| *byte == b';');
        let first = pieces.next().unwrap_or_default().trim_ascii();
        if !first.is_empty() {
            self.disposition = first.to_ascii_lowercase();
            self.add_parameter(pieces.next().unwrap_or_default());
        }
        if self.parameter(b"filename").is_none() {
            self.add_parameter(b"filename=unknown");
        }
    }

    /// One unfolded header line.
    fn add_header(&mut self, line: &[u8]) {
        let Some(colon) = memchr::memchr(b':', line).or_else(|| memchr::memchr(b'=', line)) else { return };
        let name = without_comments(&line[..colon]);
        let name = name.trim_ascii();
        let decoded = encoded_words(&line[colon + 1..]);
        let value = without_comments(&decoded);
        let value = value.trim_ascii_start();
        if name.eq_ignore_ascii_case(b"content-type") {
            if !value.is_empty() {
                self.set_type(value);
            } else {
                (self.kind, self.subtype) = (Type::Text, b"plain".to_vec());
            }
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            self.set_coding(value);
        } else if name.eq_ignore_ascii_case(b"content-disposition") {
            self.set_disposition(value);
        }
    }
}

/// Parameters that are kept where they are quoted.
const USEFUL: &[&[u8]] = &[b"name", b"filename", b"boundary", b"protocol", b"id", b"number", b"total", b"type"];

fn kind_of(name: &[u8]) -> Type {
    let kinds: [(&[u8], Type); 8] = [
        (b"text", Type::Text),
        (b"multipart", Type::Multipart),
        (b"application", Type::Application),
        (b"audio", Type::Audio),
        (b"image", Type::Image),
        (b"message", Type::Message),
        (b"video", Type::Video),
        (b"plain", Type::Text),
    ];
    match kinds.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
        Some((_, kind)) => *kind,
        None if starts_with(name, b"x-") => Type::Extension,
        None => Type::Application,
    }
}

fn coding_of(word: &[u8]) -> &'static [Coding] {
    let plain: Vec<u8> = word.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let whole = plain.len() + word.iter().filter(|byte| **byte == b'-').count() == word.len();
    match plain.as_slice() {
        _ if !whole => &[Coding::QuotedPrintable, Coding::Base64],
        b"7bit" | b"textplain" | b"usascii" => &[Coding::None],
        b"8bit" | b"binary" => &[Coding::Plain],
        b"base64" => &[Coding::Base64],
        b"quotedprintable" => &[Coding::QuotedPrintable],
        b"xuuencode" | b"uuencode" | b"xuue" | b"uue" | b"xyencode" | b"xbinhex" => &[Coding::Other],
        _ => &[Coding::QuotedPrintable, Coding::Base64],
    }
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

/// Comments in parentheses away, and blanks at the end.
fn without_comments(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'(') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut depth, mut quoted, mut escaped) = (Vec::with_capacity(text.len()), 0usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => {
                if depth == 0 {
                    out.push(*byte);
                }
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => {
                out.push(b'"');
                quoted = !quoted;
            }
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(*byte),
            _ => {}
        }
    }
    if escaped {
        out.push(b'\\');
    }
    out.truncate(out.trim_ascii_end().len());
    Cow::Owned(out)
}

/// RFC 2047 in a header's value.
fn encoded_words(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(value, b"=?").is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let mut fields = rest[at + 2..].splitn(4, |byte| *byte == b'?');
        let (_, coding, text, after) = (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(coding), Some(text), Some(after)) = (coding, text, after.and_then(|after| after.strip_prefix(b"=")))
        else {
            out.extend_from_slice(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        out.extend_from_slice(&rest[..at]);
        match coding {
            b"q" | b"Q" => {
                let text: Vec<u8> = text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
                let decoded = quoted_printable(&[&text]);
                out.extend_from_slice(decoded.strip_suffix(b"\n").unwrap_or(&decoded));
            }
            _ => out.extend_from_slice(&base64(&[text])),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

struct Reader<'r> {
    is_mail: &'r dyn Fn(&[u8]) -> bool,
    take: &'r mut dyn FnMut(Piece<'_>),
    limit: Option<Limit>,
    parts: usize,
    /// Lines that parts may still keep.
    room: usize,
}

/// The header of a message, and where its body begins.
fn header<'a>(lines: &[&'a [u8]]) -> Option<(Mail<'a>, usize)> {
    let mut mail = Mail::new();
    let mut known = false;
    let mut was_blank = false;
    let mut headers = 0;
    let mut at = 0;
    let mut pending: Option<Vec<u8>> = None;
    let mut open = false;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if was_blank {
            was_blank = false;
            if mail.parameter(b"boundary").is_some_and(|boundary| is_boundary(line, &boundary)) {
                return Some((mail, at - 1));
            }
        }
        if !line.is_empty() && line.iter().all(|byte| is_space(*byte)) {
            // Some readers take a line of blanks for the end of the header, some do not.
            if let Some(field) = pending.take() {
                mail.add_header(&field);
            }
            if mail.parameter(b"boundary").is_some() {
                was_blank = true;
                continue;
            }
        }
        match &mut pending {
            None if line.is_empty() => {
                if known {
                    return Some((mail, at));
                }
                continue;
            }
            None => {
                if matches!(line[0], b' ' | b'\t') {
                    continue;
                }
                let Some(colon) = memchr::memchr(b':', line) else {
                    known |= line.starts_with(b"From ");
                    continue;
                };
                headers += 1;
                if headers > HEADERS {
                    continue;
                }
                let name = without_comments(&line[..colon]);
                let name = name.trim_ascii_end();
                let matters = [&b"content-type"[..], b"content-transfer-encoding", b"content-disposition"];
                if !matters.iter().any(|field| name.eq_ignore_ascii_case(field)) {
                    known |= [&b"from"[..], b"received", b"de"].iter().any(|field| name.eq_ignore_ascii_case(field));
                    continue;
                }
                known = true;
                pending = Some(line.to_vec());
                open = opens_quotation(line);
            }
            Some(field) => {
                field.extend_from_slice(line);
                open ^= opens_quotation(line);
            }
        }
        let Some(field) = &pending else { continue };
        let folded = lines.get(at).is_some_and(|next| matches!(next.first(), Some(b' ' | b'\t')));
        if folded || open && !line.is_empty() {
            continue;
        }
        mail.add_header(field);
        pending = None;
        if line.is_empty() {
            // The blank line that ended an open quotation ends the header too.
            return Some((mail, at));
        }
    }
    if let Some(field) = pending {
        mail.add_header(&field);
    }
    known.then_some((mail, lines.len()))
}

impl<'r> Reader<'r> {
    /// A message with its header; `decode` where uuencoded files are taken out of its body.
    fn message(&mut self, lines: &[&[u8]], decode: bool) {
        let Some((mut mail, at)) = header(lines) else { return };
        let mut body = &lines[at..];
        // A header field or two after the blank line.
        let stray = |line: &&[u8]| line.starts_with(b"Message-Id: ") || line.starts_with(b"Date: ");
        while body.first().is_some_and(stray) {
            body = &body[1..];
        }
        // Runs of blank lines are kept in what calls itself text alone, and never in a mailbox.
        let squeeze = !decode || mail.kind != Type::Text;
        let body = match decode && body.iter().any(|line| begins_uuencoded(line)) {
            true => Cow::Owned(self.without_uuencoded(body.iter().copied())),
            false => Cow::Borrowed(body),
        };
        let mut was_blank = !decode;
        for line in body.iter() {
            if !(squeeze && was_blank && line.is_empty()) {
                mail.push(line);
            }
            was_blank = line.is_empty();
        }
        if !mail.lines.is_empty() {
            self.body(&mut mail, DEPTH);
        }
    }

    fn without_uuencoded<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
        let mut kept = Vec::new();
        let mut lines = lines;
        while let Some(line) = lines.next() {
            if !begins_uuencoded(line) {
                kept.push(line);
                continue;
            }
            let name = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default().trim_ascii().to_vec();
            let mut bytes = Vec::new();
            for line in lines.by_ref() {
                if line.is_empty() || line == b"end" || !uudecode(line, &mut bytes) {
                    break;
                }
            }
            self.emit(name, Cow::Owned(bytes), "uuencode", false);
        }
        kept
    }

    /// For one more line.
    fn has_room(&mut self) -> bool {
        let left = self.room.checked_sub(1);
        self.room = left.unwrap_or(0);
        if left.is_none() {
            self.limit = Some(Limit::Parts);
        }
        left.is_some()
    }

    fn emit(&mut self, name: Vec<u8>, bytes: Cow<'_, [u8]>, coding: &'static str, links: bool) {
        (self.take)(Piece { name, bytes, coding, links });
    }

    /// What a message or multipart holds.
    fn body(&mut self, mail: &mut Mail<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            self.limit = Some(Limit::Depth);
            return;
        };
        let mut kind = mail.kind;
        if kind == Type::Text && mail.subtype == b"plain" || kind == Type::Message && mail.subtype == b"rfc822-headers"
        {
            kind = Type::None;
        }
        let mut links = false;
        match kind {
            Type::None | Type::Text => links = true,
            Type::Multipart if self.multipart(mail, depth) => return,
            Type::Message => {
                if mail.subtype == b"rfc822" || mail.subtype == b"delivery-status" {
                    let lines = std::mem::take(&mut mail.lines);
                    if let Some((mut inner, at)) = header(&lines) {
                        for line in lines[at..].iter().take_while(|_| self.has_room()) {
                            inner.push(line);
                        }
                        if !inner.lines.is_empty() {
                            self.body(&mut inner, depth);
                        }
                    }
                    return;
                }
                if mail.subtype == b"disposition-notification" {
                    return;
                }
            }
            _ => {}
        }
        if kind == Type::None {
            self.bounces(mail);
        }
        self.text(mail, links);
    }

    /// The message's own text, or what follows a transfer encoding that its text names.
    fn text(&mut self, mail: &mut Mail<'_>, links: bool) {
        if mail.kind == Type::Message && mail.encoding_line.is_none() {
            return;
        }
        if mail.kind != Type::Message
            && let Some(at) = mail.encoding_line
        {
            let mut bytes = BOUNCE.to_vec();
            mail.lines[at..].iter().for_each(|line| push_line(&mut bytes, line));
            self.emit(b"bounce".to_vec(), Cow::Owned(bytes), "", links);
            return;
        }
        mail.add_parameter(b"filename=textportion");
        self.save(mail, links);
    }

    /// Messages that came back, pasted into text.
    fn bounces(&mut self, mail: &Mail<'_>) {
        let decoded;
        let text: Vec<&[u8]> = match mail.coding() {
            Coding::Base64 => {
                decoded = base64(&mail.lines);
                lines(&decoded).collect()
            }
            Coding::QuotedPrintable => {
                decoded = quoted_printable(&mail.lines);
                lines(&decoded).collect()
            }
            _ => mail.lines.clone(),
        };
        let typed = |line: &&[u8]| starts_with(line, b"content-type:");
        // What matters below cannot be where no line says a type.
        let Some(last) = text.iter().rposition(typed) else { return };
        let mut at = 0;
        let mut found = 0;
        while at <= last && found < BOUNCES {
            if !self.begins_bounce(text[at]) {
                at += 1;
                continue;
            }
            if text.get(at + 1).is_some_and(|next| self.begins_bounce(next)) {
                at += 1;
            }
            let header = &text[at + 1..];
            let end = header.iter().position(|line| line.is_empty()).unwrap_or(header.len());
            let promising = header[..end].iter().position(|line| typed(line) && !contains(line, b"text/plain"));
            let Some(promising) = promising else {
                if end == header.len() {
                    return;
                }
                at += 1 + end + 1;
                continue;
            };
            let worth = |line: &&[u8]| {
                typed(line)
                    && [&b"multipart/"[..], b"message/rfc822", b"text/plain"].iter().all(|kind| !contains(line, kind))
            };
            if !header[promising..].iter().any(worth) {
                return;
            }
            let mut bytes = BOUNCE.to_vec();
            let mut inner = None;
            let mut next = at;
            let mut in_header = true;
            while next < text.len() {
                let line = text[next];
                if in_header && line.is_empty() {
                    in_header = false;
                    inner = Some(next);
                }
                push_line(&mut bytes, line);
                next += 1;
                if !in_header && text.get(next).is_some_and(|line| self.begins_bounce(line)) {
                    break;
                }
            }
            self.emit(b"bounce".to_vec(), Cow::Owned(bytes), "", false);
            found += 1;
            at = inner.unwrap_or(next) + 1;
        }
    }

    fn begins_bounce(&self, line: &[u8]) -> bool {
        if line.len() < 6 || line.len() >= 72 {
            return false;
        }
        if line.starts_with(b"From ") || line.starts_with(b">From ") {
            let blanks = line.iter().filter(|byte| **byte == b' ').count();
            let digits = line.iter().filter(|byte| byte.is_ascii_digit()).count();
            if blanks < 6 || digits < 11 {
                return false;
            }
        }
        (self.is_mail)(line)
    }

    /// Parts between boundaries; `false` where there are none and the message is to be taken as text.
    fn multipart(&mut self, mail: &mut Mail<'_>, depth: usize) -> bool {
        let Some(boundary) = mail.parameter(b"boundary") else { return false };
        let lines = &mail.lines;
        // Where the first part begins: at a boundary, or where a transfer encoding is named before one.
        let start = (0..lines.len()).find(|at| {
            is_boundary(lines[*at], &boundary) || mail.encoding_line == Some(at + 1) && mail.coding() == Coding::None
        });
        let Some(start) = start else { return false };
        let later = [&b"related"[..], b"signed", b"parallel"].contains(&mail.subtype.as_slice());
        let mut kept: Vec<Mail<'_>> = Vec::new();
        let mut at = start;
        let mut in_header = true;
        while at < lines.len() {
            self.parts += 1;
            if self.parts > PARTS {
                self.limit = Some(Limit::Parts);
                break;
            }
            at += 1;
            while at < lines.len() && lines[at].is_empty() {
                at += 1;
            }
            if at >= lines.len() {
                break;
            }
            let mut part = Mail::new();
            while at < lines.len() {
                let line = lines[at];
                if in_header {
                    if line.is_empty() {
                        // A blank line within the header, as some send it, is not its end.
                        if let Some(next) = lines.get(at + 1).filter(|next| !next.is_empty()) {
                            let base64 = contains(next, b"base64");
                            if part.codings.is_empty() && part.kind == Type::Application && base64 {
                                part.set_coding(b"base64");
                                at += 1;
                                continue;
                            }
                            if next.starts_with(b"Content") || next.starts_with(b"filename=") {
                                at += 1;
                                continue;
                            }
                        }
                        in_header = false;
                    } else if is_space(line[0]) {
                        part.add_parameters(line);
                        if part.kind == Type::None {
                            part.kind = Type::Application;
                        }
                    } else {
                        let mut field = without_comments(line).into_owned();
                        let mut open = opens_quotation(&field);
                        while let Some(next) = lines.get(at + 1) {
                            let folded = matches!(next.first(), Some(b' ' | b'\t'));
                            if !folded && (!open || next.is_empty()) {
                                break;
                            }
                            field.extend_from_slice(next);
                            open ^= opens_quotation(next);
                            at += 1;
                        }
                        part.add_header(&field);
                    }
                } else if is_end(line, &boundary) {
                    break;
                } else if is_boundary(line, &boundary) {
                    in_header = true;
                    break;
                } else if self.has_room() {
                    part.push(line);
                } else {
                    break;
                }
                at += 1;
            }
            match later {
                true => kept.push(part),
                false => self.part(&mut part, depth),
            }
        }
        if !later || kept.is_empty() {
            return true;
        }
        let is_text = |part: &Mail<'_>| part.kind == Type::Text;
        let root = kept.iter().position(|part| is_text(part) && part.subtype == b"html");
        let root = root.or_else(|| kept.iter().rposition(is_text));
        if mail.subtype == b"related" {
            match root {
                Some(root) => {
                    let part = &kept[root];
                    let bytes = match part.coding() {
                        Coding::Base64 => base64(&part.lines),
                        Coding::QuotedPrintable => quoted_printable(&part.lines),
                        _ => joined(&part.lines),
                    };
                    self.emit(b"textpart".to_vec(), Cow::Owned(bytes), "", false);
                }
                None => {
                    if let Some(inner) = kept.iter().position(|part| part.kind == Type::Multipart) {
                        let mut inner = kept.remove(inner);
                        self.body(&mut inner, depth);
                    }
                }
            }
            for mut part in kept {
                self.part(&mut part, depth);
            }
        } else {
            let mut part = kept.swap_remove(root.unwrap_or(0));
            self.body(&mut part, depth);
        }
        true
    }

    /// One part of a multipart.
    fn part(&mut self, part: &mut Mail<'_>, depth: usize) {
        let mut links = false;
        match part.kind {
            Type::Text => match part.disposition.as_slice() {
                b"attachment" => {}
                b"" | b"inline" => {
                    links = true;
                    if part.subtype != b"plain" || part.coding() != Coding::None {
                        part.add_parameter(b"filename=mixedtextportion");
                    }
                }
                _ => return,
            },
            Type::Message => {
                if matches!(part.coding(), Coding::None | Coding::Plain) && part.encoding_line.is_none() {
                    return;
                }
                part.add_parameter(b"filename=textportion");
                self.save(part, false);
                return;
            }
            Type::Multipart => {
                self.body(part, depth);
                return;
            }
            Type::None => links = true,
            _ => {}
        }
        self.save(part, links);
    }

    /// Decodes in every way that the header names, and in one more where a name hints at an attachment.
    fn save(&mut self, mail: &Mail<'_>, links: bool) {
        if mail.lines.is_empty() {
            return;
        }
        let filename = mail.parameter(b"filename");
        let named = filename.is_some();
        let name = filename.or_else(|| mail.parameter(b"name")).filter(|name| !name.is_empty());
        let mut codings = mail.codings.clone();
        let unmarked = match codings.is_empty() {
            true => !named && name.is_some(),
            false => name.is_some() && codings.contains(&Coding::None),
        };
        if codings.is_empty() {
            codings.push(Coding::None);
        }
        if unmarked && !codings.contains(&Coding::Base64) {
            codings.push(Coding::Base64);
        }
        let name = name.unwrap_or_else(|| b"attachment".to_vec());
        for (number, coding) in codings.iter().enumerate() {
            let links = links && number == 0;
            let (bytes, how) = match coding {
                Coding::Base64 => (base64(&mail.lines), "base64"),
                Coding::QuotedPrintable => (quoted_printable(&mail.lines), "quoted-printable"),
                _ => (joined(&mail.lines), ""),
            };
            self.emit(name.clone(), Cow::Owned(bytes), how, links);
        }
    }
}

/// What stands first in a message that is made of one that came back.
const BOUNCE: &[u8] = b"Received: by clamd (bounce)\n";

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.len() >= word.len() && line.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

fn push_line(bytes: &mut Vec<u8>, line: &[u8]) {
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
}

fn joined(lines: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    lines.iter().for_each(|line| push_line(&mut bytes, line));
    bytes
}

/// Dashes (one is enough) and the boundary, and nothing else but comments and blanks at the end.
fn is_boundary(line: &[u8], boundary: &[u8]) -> bool {
    if !matches!(line.first(), Some(b'-' | b'(')) || boundary.is_empty() {
        return false;
    }
    let plain = without_comments(line);
    [plain.trim_ascii_end(), line.trim_ascii_end()].into_iter().any(|line| {
        let Some(mut rest) = line.strip_prefix(b"-") else { return false };
        loop {
            if rest.len() < boundary.len() {
                return false;
            }
            // The first dash is always one too many.
            match rest.split_first() {
                Some((b'-', after)) if after == boundary => return true,
                Some((_, _)) if rest == boundary => return true,
                Some((b'-', after)) => rest = after,
                _ => return rest.eq_ignore_ascii_case(boundary),
            }
        }
    })
}

/// `--boundary--`, whatever follows the boundary and blanks.
fn is_end(line: &[u8], boundary: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"--") else { return false };
    starts_with(rest, boundary)
        && rest[boundary.len()..].starts_with(b"--")
        && rest[boundary.len() + 2..].trim_ascii().is_empty()
}

fn begins_uuencoded(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"begin ") else { return false };
    line.len() >= 10 && rest[..3].iter().all(u8::is_ascii_digit) && rest[3] == b' '
}

/// `false` for the line that ends the file.
fn uudecode(line: &[u8], out: &mut Vec<u8>) -> bool {
    let value = |byte: u8| byte.wrapping_sub(b' ') & 63;
    let Some((first, digits)) = line.split_first() else { return false };
    let mut left = usize::from(value(*first));
    if left > 62 || left == 0 {
        return false;
    }
    for group in digits.chunks(4) {
        let at = |index: usize| group.get(index).map_or(0, |byte| value(*byte));
        let bytes = [at(0) << 2 | at(1) >> 4, at(1) << 4 | at(2) >> 2, at(2) << 6 | at(3)];
        let count = left.min(3);
        out.extend_from_slice(&bytes[..count]);
        left -= count;
        if left == 0 {
            break;
        }
    }
    true
}

fn hex(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'F' => byte - b'A' + 10,
        b'a'..=b'f' => byte - b'a' + 10,
        _ => b'=',
    }
}

/// Line by line: a soft break joins, what is no code stays.
fn quoted_printable(lines: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    'lines: for line in lines {
        let mut at = 0;
        while let Some(&byte) = line.get(at) {
            if byte != b'=' {
                out.push(byte);
                at += 1;
                continue;
            }
            let Some(&high) = line.get(at + 1) else { continue 'lines };
            let high = hex(high);
            let Some(&low) = line.get(at + 2) else {
                out.push(high);
                break;
            };
            match high {
                b'=' => {
                    out.push(b'=');
                    at += 1;
                }
                high => {
                    out.push(high << 4 | hex(low));
                    at += 3;
                }
            }
        }
        out.push(b'\n');
    }
    out
}

/// Each line up to its padding, what is no digit left out; groups run on from line to line.
fn base64(lines: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.iter().map(|line| line.len()).sum::<usize>() / 4 * 3 + 3);
    let (mut group, mut filled) = (0u32, 0);
    for line in lines {
        for byte in *line {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => break,
                _ => continue,
            };
            group = group << 6 | u32::from(value);
            filled += 1;
            if filled == 4 {
                out.extend_from_slice(&group.to_be_bytes()[1..]);
                (group, filled) = (0, 0);
            }
        }
    }
    // What is left over gives as many bytes as hold something.
    if filled > 0 {
        group <<= 6 * (4 - filled);
        let bytes = &group.to_be_bytes()[1..];
        let whole = filled as usize - 1;
        out.extend_from_slice(&bytes[..whole]);
        if bytes[whole] != 0 {
            out.push(bytes[whole]);
        }
    }
    out
}
