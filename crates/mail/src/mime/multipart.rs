//! Bytes to the MIME tree.
//!
//! In: a message as it came. Out: header section, body and the tree of parts, read the way SpamAssassin reads them:
//! what separates header and body, how much garbage a header may contain, which lines are boundaries, what becomes of
//! a part without an end. Iterative throughout, since a stranger chooses the nesting.
//!
//! Bodies are not copied: parts are ranges of the message, or of a buffer that came out of a transfer decoding. Only
//! where SpamAssassin changes lines (CRLF, runs of blank lines, lines over 2048 bytes) a new buffer is made.

use crate::limits::Limits;
use crate::message::{Header, HeaderBlock, LineEnding, Message, Note};
use crate::mime::header::{disposition_name, is_space};
use crate::mime::transfer;
use crate::part::{Part, PartId, Slice};
use std::sync::{Arc, OnceLock};

/// Lines longer than that are cut inside multiparts.
const LINE_LENGTH: usize = 2048;
/// Longer runs of blank lines are shortened to this.
const BLANK_LINES: usize = 20;
/// Lines that are no header field, until the body is assumed to begin.
const HEADER_ERRORS: u32 = 3;
/// Parts of one multipart.
const PARTS: usize = 1000;

pub(crate) fn parse(raw: &[u8], limits: &Limits) -> Message {
    let raw = Arc::new(raw.to_vec());
    let opened = open(Slice { range: 0..raw.len(), buffer: raw.clone() }, limits);
    let mut message = Message {
        raw,
        line_ending: opened.line_ending,
        mbox_separator: opened.mbox_separator,
        mended: opened.mended,
        start: opened.start,
        header_length: opened.header_length,
        parts: Vec::new(),
        notes: Vec::new(),
        truncated_header: opened.truncated_header,
        missing_head_body_separator: opened.missing_separator,
        missing_mime_head_body_separator: false,
        missing_mime_headers: false,
        mime_epilogue_exists: false,
        mimepart_limit_exceeded: false,
    };
    let mut parser = Parser { message: &mut message, limits, body_left: limits.decoded, pending: Vec::new() };
    parser.note_headers(opened.too_many_headers);
    parser.push_message(None, opened.headers, opened.body, limits.depth);
    parser.run();
    message
}

/// Header section and body of a message, before MIME comes in.
struct Opened {
    line_ending: LineEnding,
    mbox_separator: Option<Vec<u8>>,
    mended: Option<Vec<u8>>,
    start: usize,
    header_length: usize,
    headers: HeaderBlock,
    body: Slice,
    truncated_header: bool,
    too_many_headers: bool,
    missing_separator: bool,
}

fn open(message: Slice, limits: &Limits) -> Opened {
    let mut bytes = message.bytes();
    if bytes.is_empty() {
        bytes = b"\n";
    }
    let mut start = 0;
    let mut mbox_separator = None;
    let first = line(bytes, 0);
    if is_mbox_separator(first) || is_mbx_separator(first) {
        start = first.len().min(message.range.len());
        mbox_separator = Some(first.to_vec());
    }
    let text = &bytes[first.len() * usize::from(mbox_separator.is_some())..];
    let crlf = line(text, 0).ends_with(b"\r\n") || text.ends_with(b"\r\n");
    let line_ending = if crlf { LineEnding::CrLf } else { LineEnding::Lf };
    let mended = if crlf { mend_header(text) } else { None };
    let text = mended.as_deref().unwrap_or(text);
    let section = read_header(text, crlf, limits);
    let body_start = if mended.is_some() { None } else { Some(message.range.start + start + section.length) };
    let body =
        squeeze(&text[section.length..], crlf).map(|body| Slice { range: 0..body.len(), buffer: Arc::new(body) });
    let body = body.unwrap_or_else(|| match body_start {
        Some(begin) => Slice { range: begin.min(message.range.end)..message.range.end, buffer: message.buffer.clone() },
        None => {
            let copy = text[section.length..].to_vec();
            Slice { range: 0..copy.len(), buffer: Arc::new(copy) }
        }
    });
    let available = mended.as_ref().map_or(message.range.len() - start, Vec::len);
    Opened {
        line_ending,
        mbox_separator,
        header_length: section.length.min(available),
        mended,
        start,
        headers: section.headers,
        body,
        truncated_header: section.truncated,
        too_many_headers: section.too_many,
        missing_separator: section.missing_separator,
    }
}

/// The line that begins at `at`, its LF included.
fn line(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)]
}

/// "From " and something that does not begin with a colon right after one blank.
fn is_mbox_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From") else { return false };
    let blanks = rest.iter().take_while(|b| is_space(**b)).count();
    blanks > 1 || blanks == 1 && rest.get(1) != Some(&b':')
}

/// The separator of University of Washington mailboxes: `12-Jan-2026 12:34:56 +0900,1234;000000000000-00000000`.
fn is_mbx_separator(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let fits = |at: usize, pattern: &[u8]| {
        let Some(piece) = line.get(at..at + pattern.len()) else { return false };
        piece.iter().zip(pattern).all(|(b, kind)| match kind {
            b'0' => b.is_ascii_digit(),
            b'a' => b.is_ascii_alphabetic(),
            b' ' => is_space(*b),
            b'?' => is_space(*b) || b.is_ascii_digit(),
            kind => b == kind,
        })
    };
    if !fits(0, b"?0-aaa-0000 00:00:00") {
        return false;
    }
    let Some(semicolon) = memchr::memrchr(b';', line) else { return false };
    let Some(comma) = memchr::memrchr(b',', &line[..semicolon]) else { return false };
    let id = &line[semicolon + 1..];
    comma >= 20
        && comma + 1 < semicolon
        && line[comma + 1..semicolon].iter().all(u8::is_ascii_digit)
        && id.len() == 21
        && id[12] == b'-'
        && id[..12].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        && id[13..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// In a CRLF message, header lines that end in LF alone get their CR back. `None` if there are none.
fn mend_header(text: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    // The header ends with the first blank line at the latest; what is mended after it is not header and stays.
    while at < text.len() {
        let current = line(text, at);
        let bare = current.ends_with(b"\n") && !current.ends_with(b"\r\n");
        if bare {
            let out = out.get_or_insert_with(|| text[..at].to_vec());
            out.extend_from_slice(&current[..current.len() - 1]);
            out.extend_from_slice(b"\r\n");
        } else if let Some(out) = &mut out {
            out.extend_from_slice(current);
        }
        at += current.len();
        if matches!(current, b"\n" | b"\r\n") {
            break;
        }
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(&text[at..]);
    }
    out
}

struct Section {
    headers: HeaderBlock,
    /// Bytes, the blank line included.
    length: usize,
    truncated: bool,
    too_many: bool,
    missing_separator: bool,
}

fn read_header(text: &[u8], crlf: bool, limits: &Limits) -> Section {
    let mut section = Section {
        headers: HeaderBlock::default(),
        length: 0,
        truncated: false,
        too_many: false,
        missing_separator: false,
    };
    let ending: &[u8] = if crlf { b"\r\n" } else { b"\n" };
    let mut errors = 0;
    let mut field = 0..0;
    let mut at = 0;
    loop {
        let current = line(text, at);
        if matches!(current.first(), Some(b' ' | b'\t')) {
            at += current.len();
            field.end = at;
            continue;
        }
        if !field.is_empty() {
            section.add_field(&text[field.clone()], crlf, limits);
        }
        if current.is_empty() {
            section.missing_separator = true;
            break;
        }
        if current == ending {
            at += current.len();
            break;
        }
        let is_field = || {
            let name = current.iter().take_while(|b| matches!(b, 33..=57 | 59..=126)).count();
            let blanks = current[name..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            name > 0 && current.get(name + blanks) == Some(&b':')
        };
        if current.starts_with(b"--") {
            section.missing_separator = true;
            break;
        }
        if !is_field() {
            errors += 1;
            if errors > HEADER_ERRORS {
                section.missing_separator = true;
                break;
            }
        }
        field = at..at + current.len();
        at += current.len();
    }
    section.length = at;
    section.truncated |= section.headers.exceeds_all();
    section
}

impl Section {
    fn add_field(&mut self, field: &[u8], crlf: bool, limits: &Limits) {
        let Some(colon) = memchr::memchr(b':', field) else { return };
        if self.headers.fields.len() >= limits.headers {
            self.too_many = true;
            return;
        }
        let mut value = field[colon + 1..].to_vec();
        if crlf {
            value = transfer::crlf_to_lf(value);
        }
        let name = &field[..colon];
        let end = name.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        let mut name = name[..end].to_vec();
        self.truncated |= name.len() > limits.header_name || value.len() > limits.header_value;
        name.truncate(limits.header_name);
        value.truncate(limits.header_value);
        self.headers.fields.push(Header::new(name, value));
    }
}

/// CRLF to LF, and runs of more than 20 blank lines to 20. `None` if nothing changes.
fn squeeze(body: &[u8], crlf: bool) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    let mut run: Option<(usize, usize)> = None; // start of a run of blank lines in `body`, and lines in it
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    let close = |run: Option<(usize, usize)>, end: usize, cuts: &mut Vec<(usize, usize)>| {
        let Some((start, lines)) = run else { return };
        // At the very beginning of the body one blank line more is kept.
        let keep = BLANK_LINES + usize::from(start == 0);
        if lines <= keep {
            return;
        }
        let mut from = start;
        for _ in 0..1 + usize::from(start == 0) {
            from += line(body, from).len();
        }
        let mut to = from;
        for _ in 0..lines - keep {
            to += line(body, to).len();
        }
        debug_assert!(to <= end);
        cuts.push((from, to));
    };
    let mut has_crlf = false;
    while at < body.len() {
        let current = line(body, at);
        has_crlf |= crlf && current.ends_with(b"\r\n");
        if current.iter().all(|b| is_space(*b)) {
            let (_, lines) = run.get_or_insert((at, 0));
            *lines += 1;
        } else if run.is_some() {
            close(run.take(), at, &mut cuts);
        }
        at += current.len();
    }
    close(run, at, &mut cuts);
    if !cuts.is_empty() {
        let mut kept = Vec::with_capacity(body.len());
        let mut from = 0;
        for (start, end) in cuts {
            kept.extend_from_slice(&body[from..start]);
            from = end;
        }
        kept.extend_from_slice(&body[from..]);
        out = Some(kept);
    }
    if has_crlf {
        out = Some(transfer::crlf_to_lf(out.unwrap_or_else(|| body.to_vec())));
    }
    out
}

/// A part whose body is yet to be read.
struct Pending {
    part: Part,
    boundary: Option<Vec<u8>>,
    body: Slice,
    /// A blank line stands before the body although there is none in the message.
    blank_first: bool,
    depth_left: usize,
}

struct Parser<'p> {
    message: &'p mut Message,
    limits: &'p Limits,
    /// Bytes that bodies may still have.
    body_left: usize,
    /// A stack: the next part in document order is on top.
    pending: Vec<Pending>,
}

impl Parser<'_> {
    fn push_message(&mut self, parent: Option<PartId>, headers: HeaderBlock, body: Slice, depth_left: usize) {
        let mut part = Part::new(parent, headers);
        let content_type = part.content_type();
        part.media_type = content_type.media_type;
        let boundary = content_type.boundary;
        // What looks like MIME header at the beginning of a multipart's body shall not be taken for one.
        let text = body.bytes();
        let first = line(text, 0);
        let blank_first = part.media_type.starts_with("multipart/")
            && first.len() < text.len()
            && !first.iter().all(|b| is_space(*b))
            && !boundary
                .as_ref()
                .is_some_and(|boundary| first.strip_prefix(b"--").is_some_and(|rest| rest.starts_with(boundary)));
        self.pending.push(Pending { part, boundary, body, blank_first, depth_left });
    }

    fn run(&mut self) {
        while let Some(next) = self.pending.pop() {
            if self.message.parts.len() >= self.limits.parts && !self.message.parts.is_empty() {
                self.note(Note::Limit { what: "parts", limit: self.limits.parts });
                self.pending.clear();
                break;
            }
            let id = PartId(self.message.parts.len() as u32);
            if let Some(parent) = next.part.parent {
                self.message.parts[parent.0 as usize].children.push(id);
            }
            let multipart = next.part.media_type.starts_with("multipart/");
            match &next.boundary {
                Some(_) if multipart && next.depth_left > 0 => self.read_multipart(id, next),
                _ => self.read_leaf(id, next),
            }
        }
    }

    fn note(&mut self, note: Note) {
        if !self.message.notes.contains(&note) {
            self.message.notes.push(note);
        }
    }

    fn note_headers(&mut self, too_many: bool) {
        if too_many {
            self.note(Note::Limit { what: "headers", limit: self.limits.headers });
        }
    }

    /// As much of a body as the limit leaves.
    fn within_limit(&mut self, body: Slice) -> Slice {
        let length = body.range.len().min(self.body_left);
        if length < body.range.len() {
            self.note(Note::Limit { what: "decoded", limit: self.limits.decoded });
        }
        self.body_left -= length;
        Slice { range: body.range.start..body.range.start + length, buffer: body.buffer }
    }

    fn read_leaf(&mut self, id: PartId, pending: Pending) {
        let Pending { mut part, boundary, body, blank_first, depth_left } = pending;
        let content_type = part.content_type();
        if !content_type.missing {
            let is_multipart = content_type.media_type.starts_with("multipart/");
            part.media_type = match is_multipart && boundary.is_none() {
                true => "text/plain".to_string(),
                false => content_type.media_type,
            };
            if is_multipart {
                let what = if boundary.is_none() { "multipart without boundary" } else { "nesting" };
                match boundary.is_none() {
                    true => self.note(Note::Ambiguous { part: id, what }),
                    false => self.note(Note::Limit { what: "depth", limit: self.limits.depth }),
                }
            }
        }
        part.charset = content_type.charset.map(|label| String::from_utf8_lossy(&label).into_owned());
        part.name = part
            .header("content-disposition")
            .and_then(|field| disposition_name(&field.decoded))
            .or(content_type.name.filter(|name| !name.is_empty() && name != b"0"));
        part.boundary = boundary;
        let body = if blank_first {
            let copy = [b"\n", body.bytes()].concat();
            Slice { range: 0..copy.len(), buffer: Arc::new(copy) }
        } else {
            body
        };
        let enclosed = matches!(part.media_type.as_str(), "message/rfc822" | "message/global");
        if enclosed && depth_left == 0 {
            self.note(Note::Limit { what: "depth", limit: self.limits.depth });
        } else if enclosed {
            let inner = match transfer::decode_body(body.bytes(), &part.transfer_encoding(), &part.media_type) {
                Some(decoded) => self.within_limit(Slice { range: 0..decoded.len(), buffer: Arc::new(decoded) }),
                None => body.clone(),
            };
            if !inner.range.is_empty() {
                self.message.parts.push(part);
                let opened = open(inner, self.limits);
                self.note_headers(opened.too_many_headers);
                self.push_message(Some(id), opened.headers, opened.body, depth_left - 1);
                return;
            }
        }
        part.body = Some(self.within_limit(body));
        self.message.parts.push(part);
    }

    fn read_multipart(&mut self, id: PartId, pending: Pending) {
        let Pending { mut part, boundary, body, blank_first, depth_left } = pending;
        let boundary = boundary.unwrap_or_default();
        let text = body.bytes();
        let digest = part.media_type == "multipart/digest";
        part.boundary = Some(boundary.clone());
        self.message.parts.push(part);

        let delimiter = Delimiter::new(&boundary);
        let opening = find_opening(text, &delimiter);
        if let Some(start) = opening
            && start < text.len()
        {
            self.message.missing_mime_headers |= !begins_field(&text[start..]);
        }
        let mut reader = PartReader::new(opening.unwrap_or(0), self.limits.headers);
        reader.in_body = opening.is_none() && blank_first;
        let mut children = Vec::new();
        let mut at = reader.start;
        let mut closed = false;
        while at < text.len() {
            let current = line(text, at);
            let next = at + current.len();
            let is_last = next == text.len();
            let mut found = delimiter.matches(current);
            let closing = found == Some(true);
            if found.is_some() && reader.same_boundary_inside {
                found = None;
                reader.same_boundary_inside = !closing;
            }
            if is_last || found.is_some() {
                let range = match found {
                    None => reader.end_without_boundary(at, next),
                    Some(_) => reader.end_at_boundary(text, at),
                };
                let long_lines = reader.long_lines || found.is_none() && current.len() > LINE_LENGTH;
                children.push(self.child(id, &reader, &body, range, long_lines, digest, &boundary, depth_left - 1));
                if found.is_some() {
                    if closing {
                        closed = true;
                        at = next;
                        break;
                    }
                    self.message.missing_mime_headers |= !is_last && !begins_field(&text[next..]);
                }
                if children.len() == PARTS {
                    self.message.mimepart_limit_exceeded = true;
                    self.note(Note::Limit { what: "parts of one multipart", limit: PARTS });
                    self.pending.extend(children.into_iter().rev());
                    return;
                }
                reader = PartReader::new(next, self.limits.headers);
            } else {
                self.message.missing_mime_head_body_separator |= reader.take(text, at, current, &boundary);
            }
            at = next;
        }
        match (opening.is_some(), closed) {
            (true, false) => self.note(Note::Ambiguous { part: id, what: "no closing boundary" }),
            (false, true) => self.note(Note::Ambiguous { part: id, what: "no opening boundary" }),
            (false, false) => self.note(Note::Ambiguous { part: id, what: "no boundary" }),
            (true, true) => {}
        }
        if closed && text[at..].iter().any(|b| !is_space(*b) && *b != b'.') {
            self.message.mime_epilogue_exists = true;
            self.note(Note::Ambiguous { part: id, what: "text after the closing boundary" });
        }
        self.pending.extend(children.into_iter().rev());
    }

    fn child(
        &mut self,
        parent: PartId,
        reader: &PartReader,
        body: &Slice,
        range: std::ops::Range<usize>,
        long_lines: bool,
        digest: bool,
        boundary: &[u8],
        depth_left: usize,
    ) -> Pending {
        self.note_headers(reader.too_many_fields);
        let mut part = Part::new(Some(parent), HeaderBlock { fields: reader.fields.clone() });
        let content_type = part.content_type();
        part.media_type = match content_type.missing && digest {
            true => "message/rfc822".to_string(),
            false => content_type.media_type,
        };
        let own_boundary = content_type.boundary.filter(|boundary| !boundary.is_empty() && boundary != b"0");
        let base = body.range.start;
        let body = if long_lines {
            let cut = cut_long_lines(&body.bytes()[range]);
            Slice { range: 0..cut.len(), buffer: Arc::new(cut) }
        } else {
            Slice { range: base + range.start..base + range.end, buffer: body.buffer.clone() }
        };
        let boundary = own_boundary.unwrap_or_else(|| boundary.to_vec());
        Pending { part, boundary: Some(boundary), body, blank_first: false, depth_left }
    }
}

/// Past the first opening boundary.
fn find_opening(text: &[u8], delimiter: &Delimiter<'_>) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let current = line(text, at);
        if delimiter.matches(current) == Some(false) {
            return Some(at + current.len());
        }
        at += current.len();
    }
    None
}

/// `--boundary` and `--boundary--`, blanks after it allowed.
struct Delimiter<'b> {
    boundary: &'b [u8],
}

impl<'b> Delimiter<'b> {
    fn new(boundary: &'b [u8]) -> Delimiter<'b> {
        Delimiter { boundary }
    }

    /// `Some(true)` for the closing one.
    fn matches(&self, line: &[u8]) -> Option<bool> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(self.boundary)?;
        let blank = |rest: &[u8]| rest.iter().all(|b| is_space(*b));
        match rest.strip_prefix(b"--") {
            Some(rest) if blank(rest) => Some(true),
            _ => blank(rest).then_some(false),
        }
    }
}

/// A name and a colon directly after it.
fn begins_field(text: &[u8]) -> bool {
    let name = text.iter().take_while(|b| matches!(b, 33..=57 | 59..=126)).count();
    name > 0 && text.get(name) == Some(&b':')
}

fn begins_obsolete_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|b| matches!(b, 33..=57 | 59..=126)).count();
    let blanks = line[name..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    name > 0 && line.get(name + blanks) == Some(&b':')
}

fn cut_long_lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / LINE_LENGTH + 1);
    let mut at = 0;
    while at < text.len() {
        let mut current = line(text, at);
        at += current.len();
        while current.len() > LINE_LENGTH {
            out.extend_from_slice(&current[..LINE_LENGTH]);
            out.push(b'\n');
            current = &current[LINE_LENGTH..];
        }
        out.extend_from_slice(current);
    }
    out
}

/// One part of a multipart, line by line.
struct PartReader {
    start: usize,
    fields: Vec<Header>,
    most_fields: usize,
    too_many_fields: bool,
    /// The field whose lines are being collected.
    field: std::ops::Range<usize>,
    in_body: bool,
    /// Where the body begins, once a line of it was seen.
    body: Option<usize>,
    long_lines: bool,
    /// A multipart that uses its parent's boundary: until its closing boundary, lines are its own.
    same_boundary_inside: bool,
}

impl PartReader {
    fn new(start: usize, most_fields: usize) -> PartReader {
        PartReader {
            start,
            fields: Vec::new(),
            most_fields,
            too_many_fields: false,
            field: 0..0,
            in_body: false,
            body: None,
            long_lines: false,
            same_boundary_inside: false,
        }
    }

    /// Takes a line that is neither boundary nor the last. True if a body began without a blank line before it.
    fn take(&mut self, text: &[u8], at: usize, current: &[u8], boundary: &[u8]) -> bool {
        let end = at + current.len();
        let mut no_separator = false;
        if !self.in_body {
            if begins_obsolete_field(current) {
                self.add_field(text);
                self.field = at..end;
                return false;
            }
            if matches!(current.first(), Some(b' ' | b'\t')) && !self.field.is_empty() {
                self.field.end = end;
                return false;
            }
            if self.add_field(text)
                && let Some(last) = self.fields.last()
                && last.name.eq_ignore_ascii_case(b"content-type")
            {
                let inner = crate::mime::header::content_type(Some(&last.decoded)).boundary;
                self.same_boundary_inside |= inner.as_deref() == Some(boundary);
            }
            self.in_body = true;
            if matches!(current, b"\n" | b"\r\n" | b"\r") {
                return false;
            }
            no_separator = true;
        }
        self.body.get_or_insert(at);
        self.long_lines |= current.len() > LINE_LENGTH;
        no_separator
    }

    /// Stores the collected field. The value of a part's field begins after the blanks, folding or not.
    fn add_field(&mut self, text: &[u8]) -> bool {
        let field = &text[std::mem::take(&mut self.field)];
        let Some(colon) = memchr::memchr(b':', field) else { return false };
        if self.fields.len() >= self.most_fields {
            self.too_many_fields = true;
            return false;
        }
        let value = &field[colon + 1..];
        let blanks = value.iter().take_while(|b| is_space(**b)).count();
        self.fields.push(Header::new(field[..colon].to_vec(), value[blanks..].to_vec()));
        true
    }

    /// The last line belongs to the body, even if the header has not ended.
    fn end_without_boundary(&self, at: usize, end: usize) -> std::ops::Range<usize> {
        self.body.unwrap_or(at)..end
    }

    /// The line end before a boundary belongs to the boundary.
    fn end_at_boundary(&self, text: &[u8], at: usize) -> std::ops::Range<usize> {
        match self.body {
            Some(start) if text[start..at].ends_with(b"\n") => start..at - 1,
            Some(start) => start..at,
            None => at..at,
        }
    }
}

/// For a fuzz target: any bytes become a message.
pub fn fuzz(raw: &[u8]) {
    let message = Message::parse(raw, &Limits::default());
    for part in &message.parts {
        let _: &OnceLock<_> = &part.decoded;
        part.sa_text(true);
    }
}
