//! Bytes to [`Message`]: header block, body, MIME tree. Follows SpamAssassin's reading of broken mail, since its
//! rules were written against that reading; where other readings are possible a [`Note`] says so.

use crate::limits::Limits;
use crate::part::{Part, PartId};
use std::collections::HashMap;
use std::sync::Arc;

/// How the lines of the original ended. Rules see LF; the raw bytes stay for DKIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    Lf,
    CrLf,
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// As written, without the colon and blanks before it.
    pub name: Vec<u8>,
    /// Everything after the colon, folding kept, line ends as LF, ending in "\n" where the field did.
    pub raw: Vec<u8>,
    /// RFC 2047 decoded and unfolded as SpamAssassin 4.0 does (UTF-8 bytes, or mojibake where SA makes such).
    pub decoded: Vec<u8>,
}

/// Header fields in order of appearance.
#[derive(Debug, Clone, Default)]
pub struct HeaderBlock {
    pub fields: Vec<Header>,
}

/// Bytes of a whole header that `ALL` shows.
const ALL_LENGTH: usize = 65_536;

impl HeaderBlock {
    /// Which fields `ALL` contains: fields of the same name are taken together, names in order of appearance, until
    /// 64 KiB are full.
    pub(crate) fn shown_in_all(&self) -> Vec<bool> {
        let mut shown = vec![true; self.fields.len()];
        let size = |field: &Header| field.name.len() + field.decoded.len() + 3;
        if self.fields.iter().map(size).sum::<usize>() <= ALL_LENGTH {
            return shown;
        }
        shown.fill(false);
        let mut by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        let mut names = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let same = by_name.entry(field.name.to_ascii_lowercase()).or_default();
            if same.is_empty() {
                names.push(field.name.to_ascii_lowercase());
            }
            same.push(index);
        }
        let mut total = 0;
        for index in names.iter().flat_map(|name| &by_name[name]) {
            total += size(&self.fields[*index]);
            if total > ALL_LENGTH {
                break;
            }
            shown[*index] = true;
        }
        shown
    }

    /// The fields that `ALL` contains.
    pub fn shown(&self) -> impl Iterator<Item = &Header> {
        self.fields.iter().zip(self.shown_in_all()).filter(|(_, shown)| *shown).map(|(field, _)| field)
    }

    /// `ALL` does not show everything.
    pub(crate) fn exceeds_all(&self) -> bool {
        self.fields.iter().map(|field| field.name.len() + field.decoded.len() + 3).sum::<usize>() > ALL_LENGTH
    }

    /// Fields of that name (ASCII case ignored), topmost first.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Header> + 'a {
        self.fields.iter().filter(move |h| h.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// SpamAssassin's `header('name')` in scalar context takes the last field of that name.
    pub fn last<'a>(&'a self, name: &'a str) -> Option<&'a Header> {
        self.all(name).next_back()
    }
}

/// Something met on the way from bytes to views, which a check may want to know: a limit reached, two readings
/// possible, a label that the bytes contradict. [`crate::Views::notes`] gives all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A limit of [`Limits`] cut something off; `what` is the field's name.
    Limit { what: &'static str, limit: usize },
    /// Missing, duplicate or conflicting boundary or type.
    Ambiguous { part: PartId, what: &'static str },
    /// The declared charset and the bytes differ.
    CharsetMismatch(CharsetMismatch),
}

/// A charset label, and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharsetMismatch {
    pub place: Place,
    pub declared: String,
    pub found: &'static str,
}

/// Where text stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Subject,
    From,
    Part(PartId),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Subject => f.write_str("Subject"),
            Place::From => f.write_str("From"),
            Place::Part(PartId(number)) => write!(f, "part {number}"),
        }
    }
}

/// A parsed message. Parts live in one arena; part 0 is the message itself.
#[derive(Debug, Clone)]
pub struct Message {
    /// The bytes as received, mbox separator line included.
    pub raw: Arc<Vec<u8>>,
    pub line_ending: LineEnding,
    /// The "From " line of an mbox, if the message began with one.
    pub mbox_separator: Option<Vec<u8>>,
    /// SpamAssassin's pristine message: `raw` from `start` on, or a copy where line ends had to be mended.
    pub(crate) mended: Option<Vec<u8>>,
    pub(crate) start: usize,
    /// Bytes of the pristine message that are header section, the blank line included.
    pub(crate) header_length: usize,
    pub parts: Vec<Part>,
    /// What parsing met; making the views may add to it.
    pub notes: Vec<Note>,
    /// A header name or value exceeded SpamAssassin's limits (`check_msg_parse_flags('truncated_headers')`).
    pub truncated_header: bool,
    pub missing_head_body_separator: bool,
    pub missing_mime_head_body_separator: bool,
    pub missing_mime_headers: bool,
    /// Text after the closing boundary of a multipart.
    pub mime_epilogue_exists: bool,
    /// One multipart had 1000 parts or more; SpamAssassin reads no further.
    pub mimepart_limit_exceeded: bool,
}

impl Message {
    /// Never fails: whatever cannot be understood is kept as bytes and noted.
    pub fn parse(raw: &[u8], limits: &Limits) -> Message {
        crate::mime::multipart::parse(raw, limits)
    }

    /// SpamAssassin's pristine message: header section and body as they came, without an mbox separator.
    pub fn pristine(&self) -> &[u8] {
        self.mended.as_deref().unwrap_or(&self.raw[self.start..])
    }

    pub fn pristine_header(&self) -> &[u8] {
        &self.pristine()[..self.header_length]
    }

    pub fn pristine_body(&self) -> &[u8] {
        &self.pristine()[self.header_length..]
    }

    pub fn part(&self, id: PartId) -> &Part {
        &self.parts[id.0 as usize]
    }

    pub fn root(&self) -> &Part {
        &self.parts[0]
    }

    pub fn headers(&self) -> &HeaderBlock {
        &self.parts[0].headers
    }

    /// Leaves in document order: what SpamAssassin's `find_parts(qr/./, 1)` gives.
    pub fn leaves(&self) -> impl Iterator<Item = (PartId, &Part)> {
        self.parts.iter().enumerate().filter(|(_, p)| p.is_leaf()).map(|(i, p)| (PartId(i as u32), p))
    }

    /// Whether a part is one of several forms of the same thing (`multipart/alternative`), directly or deeper.
    pub fn in_alternative(&self, id: PartId) -> bool {
        self.alternative_around(id).is_some()
    }

    /// The nearest `multipart/alternative` that a part stands in.
    pub fn alternative_around(&self, id: PartId) -> Option<PartId> {
        let parent = |id: PartId| self.parts.get(id.0 as usize).and_then(|part| part.parent);
        std::iter::successors(parent(id), |id| parent(*id))
            .take(100)
            .find(|id| self.parts.get(id.0 as usize).is_some_and(|part| part.media_type == "multipart/alternative"))
    }
}
