//! Bytes to the MIME tree.

use crate::limits::Limits;
use crate::message::{LineEnding, Message};

pub(crate) fn parse(raw: &[u8], _limits: &Limits) -> Message {
    Message {
        raw: raw.to_vec(),
        line_ending: LineEnding::Lf,
        mbox_separator: None,
        pristine_start: 0,
        body_start: raw.len(),
        parts: Vec::new(),
        notes: Vec::new(),
        truncated_header: false,
        missing_head_body_separator: false,
        missing_mime_head_body_separator: false,
        missing_mime_headers: false,
        mime_epilogue_exists: false,
        mimepart_limit_exceeded: false,
    }
}
