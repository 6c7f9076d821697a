//! The configuration and rule language of SpamAssassin 4.0.
//!
//! The path of a text: [`lexer`] cuts it into directives, [`loader`] follows conditions and includes and hands each
//! directive to its line in [`directive::DIRECTIVES`], whose handler notes what was said; when all is read,
//! [`compile`] makes rules of the notes.

pub mod compile;
pub mod conditional;
pub mod directive;
pub mod expression;
mod handlers;
pub mod lexer;
pub mod lint;
pub mod loader;
pub mod meta;
pub mod plugins;
pub mod regex;
pub mod replace;
mod rule_handlers;

use std::borrow::Cow;

/// Bytes of a configuration as text: UTF-8 where they are, else one character per byte (Latin-1), so that no byte is
/// lost and descriptions written in either encoding are readable.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// What Perl's `\s` is for bytes.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

pub(crate) fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |at| at + 1);
    &bytes[..end]
}

/// First word and the rest, without the blanks between.
pub(crate) fn first_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| is_blank(*byte)).unwrap_or(bytes.len());
    (&bytes[..end], trim_start(&bytes[end..]))
}

pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty())
}

/// `[_A-Za-z][_A-Za-z0-9]*`, at most 128 bytes.
pub(crate) fn is_rule_name(name: &[u8]) -> bool {
    let starts = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    starts && name.len() <= 128 && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
