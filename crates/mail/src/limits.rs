//! The budget at the door: every number that a stranger chooses has a limit here.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Nesting of multiparts and enclosed messages (SpamAssassin: 20).
    pub depth: usize,
    pub parts: usize,
    /// Fields of one header section; what follows is read over.
    pub headers: usize,
    /// Bytes of one header's name and value (SpamAssassin: 256 and 8192).
    pub header_name: usize,
    pub header_value: usize,
    /// Bytes of all bodies together, which decoding never makes longer; what is beyond is cut off.
    pub decoded: usize,
    pub uris: usize,
    /// HTML tokens in one part.
    pub html_tokens: usize,
    pub html_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 20,
            parts: 5_000,
            headers: 5_000,
            header_name: 256,
            header_value: 8_192,
            decoded: 256 << 20,
            uris: 10_000,
            html_tokens: 2_000_000,
            html_depth: 1_000,
        }
    }
}
