//! Bytes to text by evidence: what the bytes are, not what the label says they are.
//!
//! In: bytes, the charset they were labelled with (a claim), and the charsets seen elsewhere in the same message.
//! Out: text, the charset found, and whether the label was wrong. Nothing here fails: bytes that are no text in any
//! charset come out with U+FFFD and a low confidence.
//!
//! This feeds the text view, reports and our own rules. The views that SpamAssassin's rules look at are decoded in
//! [`super::charset`], mojibake included, because those rules were written against it.

/// What a piece of text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    /// The charset found, by the name that a mail would give it: `utf-8`, `shift_jis`, `iso-2022-jp`...
    pub charset: &'static str,
    /// There was a label, and reading the bytes by it would have given other text.
    pub mismatch: bool,
    /// 0 to 100: how much more likely this reading is than the next one.
    pub confidence: u8,
}

/// Decode a body or any run of bytes. `declared` is the label, if there was one; `context` names charsets found
/// elsewhere in the message, which tip the scale where the bytes alone say little.
pub fn decode(bytes: &[u8], declared: Option<&str>, context: &[&str]) -> Decoded {
    let _ = (declared, context);
    Decoded { text: String::from_utf8_lossy(bytes).into_owned(), charset: "utf-8", mismatch: false, confidence: 0 }
}

/// Decode a header field's value as a reader should see it: unfolded, encoded-words joined and decoded, raw 8-bit and
/// raw ISO-2022 text decoded. `raw` is everything after the colon.
pub fn decode_header_value(raw: &[u8], context: &[&str]) -> Decoded {
    decode(raw, None, context)
}

/// Decode a MIME parameter (`name`, `filename`, ...) of a structured header value, with RFC 2231 continuations and
/// charsets, encoded-words inside quotes, and raw bytes.
pub fn decode_parameter(raw: &[u8], name: &str, context: &[&str]) -> Option<Decoded> {
    let _ = (raw, name, context);
    None
}
