//! RFC 2047 encoded words.

/// A piece of a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// Bytes between encoded words.
    Text(&'a [u8]),
    /// `charset` as written (a language tag after `*` included), `encoding` `B` or `Q`, `bytes` still encoded.
    Word { charset: &'a [u8], encoding: u8, bytes: &'a [u8] },
}

/// Cuts a value into encoded words and the text between them; blanks between words are text, too.
pub fn tokens(raw: &[u8]) -> impl Iterator<Item = Token<'_>> {
    std::iter::once(Token::Text(raw))
}
