//! The copies of an HTML document that ClamAV matches signatures of target 3 against.

use crate::Budget;

/// ClamAV's three files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normalised {
    /// Tags and text in lower case, comments left out (`nocomment.html`).
    pub nocomment: Vec<u8>,
    /// The text alone, and the addresses of links and images (`notags.html`).
    pub notags: Vec<u8>,
    /// Scripts, read and written anew (`javascript`); empty where there is none.
    pub script: Vec<u8>,
    /// What `data:` addresses hold, each as the small message that ClamAV makes of it.
    pub data: Vec<Vec<u8>>,
}

/// For kind [`crate::Kind::HtmlUtf16`] the bytes go through [`decode_utf16`] first.
pub fn normalise(bytes: &[u8], budget: &mut Budget) -> Normalised {
    let _ = (bytes, budget);
    Normalised::default()
}

/// UTF-16 to bytes as ClamAV does it: each pair becomes one byte, the second half moved up by four bits.
pub fn decode_utf16(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks_exact(2).map(|pair| (pair[1] << 4).wrapping_add(pair[0])).collect()
}
