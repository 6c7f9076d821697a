//! One node of the MIME tree.

use crate::message::HeaderBlock;
use std::sync::OnceLock;

/// Index of a part in [`crate::Message::parts`]; document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartId(pub u32);

#[derive(Debug, Clone)]
pub struct Part {
    pub parent: Option<PartId>,
    pub children: Vec<PartId>,
    pub headers: HeaderBlock,
    /// Media type, lower case, as SpamAssassin's parse_content_type settles it ("text/plain" by default).
    pub media_type: String,
    pub charset: Option<String>,
    pub boundary: Option<Vec<u8>>,
    /// File name from Content-Disposition or Content-Type, decoded.
    pub name: Option<Vec<u8>>,
    /// The part's body before transfer decoding, lines ending in LF.
    pub raw_body: Vec<u8>,
    /// After transfer decoding ([`Part::decoded`]).
    pub(crate) decoded: OnceLock<Vec<u8>>,
}

impl Part {
    pub fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// SpamAssassin's `effective_type`: the declared type, or what the content or name says it really is.
    pub fn effective_type(&self) -> &str {
        unimplemented!()
    }

    /// Body after quoted-printable or base64, as SpamAssassin decodes broken input; bytes in the part's own charset.
    pub fn decoded(&self) -> &[u8] {
        unimplemented!()
    }
}
