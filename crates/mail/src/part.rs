//! One node of the MIME tree.

use crate::message::{Header, HeaderBlock};
use crate::mime::header::{self, ContentType};
use crate::mime::{charset, transfer};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Index of a part in [`crate::Message::parts`]; document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartId(pub u32);

/// Text as SpamAssassin's renderer gets it. Perl tells characters from bytes, and lengths and `\s` follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaText<'a> {
    /// Decoded characters (Perl's utf8 flag is on).
    Chars(Cow<'a, str>),
    /// All ASCII and therefore left alone.
    Ascii(&'a str),
    /// Not decoded (`normalize_charset 0`): each byte counts as one Latin-1 character.
    Bytes(Cow<'a, [u8]>),
}

/// A stretch of a buffer that several parts share.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub buffer: Arc<Vec<u8>>,
    pub range: Range<usize>,
}

impl Slice {
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

#[derive(Debug, Clone)]
pub struct Part {
    pub parent: Option<PartId>,
    pub children: Vec<PartId>,
    pub headers: HeaderBlock,
    /// Media type, lower case, as SpamAssassin settles it ("text/plain" by default).
    pub media_type: String,
    /// As declared, any case.
    pub charset: Option<String>,
    pub boundary: Option<Vec<u8>>,
    /// File name from Content-Disposition or Content-Type, decoded.
    pub name: Option<Vec<u8>>,
    /// `None` for containers (multiparts, enclosed messages that were opened).
    pub(crate) body: Option<Slice>,
    /// After transfer decoding, where that changes anything.
    pub(crate) decoded: OnceLock<Option<Vec<u8>>>,
}

impl Part {
    /// A part of which only the header is known; its body is attached, or its children, later.
    pub(crate) fn new(parent: Option<PartId>, headers: HeaderBlock) -> Part {
        Part {
            parent,
            children: Vec::new(),
            headers,
            media_type: String::new(),
            charset: None,
            boundary: None,
            name: None,
            body: None,
            decoded: OnceLock::new(),
        }
    }

    /// What the Content-Type field says, or would if there were one.
    pub(crate) fn content_type(&self) -> ContentType {
        header::content_type(self.header("content-type").map(|field| field.decoded.as_slice()))
    }

    pub fn is_leaf(&self) -> bool {
        self.body.is_some()
    }

    /// The part's body before transfer decoding, lines ending in LF; empty for containers.
    pub fn raw_body(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], Slice::bytes)
    }

    /// Declared Content-Transfer-Encoding, lower case, decoded and trimmed.
    pub fn transfer_encoding(&self) -> Vec<u8> {
        self.header("content-transfer-encoding").map_or_else(Vec::new, |header| header.decoded.to_ascii_lowercase())
    }

    /// The field that counts where several have that name: the last.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a Header> {
        self.headers.last(name)
    }

    /// SpamAssassin's `effective_type`: the declared type, unless the name says HTML.
    pub fn effective_type(&self) -> &str {
        if self.name.as_deref().is_some_and(is_html_name) { "text/html" } else { &self.media_type }
    }

    /// Body after quoted-printable or base64, as SpamAssassin decodes broken input; bytes in the part's own charset.
    pub fn decoded(&self) -> &[u8] {
        let decoded = self.decoded.get_or_init(|| transfer::decode_part(self));
        decoded.as_deref().unwrap_or_else(|| self.raw_body())
    }

    /// [`Part::decoded`] as characters: what SpamAssassin hands to its renderer. `normalize` is `normalize_charset`.
    pub fn sa_text(&self, normalize: bool) -> SaText<'_> {
        let declared = self.charset.as_deref().unwrap_or("us-ascii");
        charset::part_text(self.decoded(), declared, normalize)
    }
}

fn is_html_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b"\n").unwrap_or(name).to_ascii_lowercase();
    [&b".html"[..], b".htm", b".shtml", b".shtm"].iter().any(|ending| name.ends_with(ending))
}
