//! Guessing a charset from bytes alone.

/// The name of the charset that the bytes are most likely in.
pub fn detect(_bytes: &[u8]) -> Option<&'static str> {
    None
}
