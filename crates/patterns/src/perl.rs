//! Perl's regular expression syntax.

use crate::PatternError;
use serde::{Deserialize, Serialize};

/// The letters after a rule's closing delimiter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags {
    /// `i`
    pub ignore_case: bool,
    /// `m`: `^` and `$` also at line breaks.
    pub multi_line: bool,
    /// `s`: `.` also matches a line feed.
    pub dot_all: bool,
    /// `x`: blanks and `#` comments in the pattern mean nothing.
    pub extended: bool,
    /// `xx`: nor do blanks in bracketed classes.
    pub extended_more: bool,
    /// `n`: plain parentheses do not capture.
    pub no_capture: bool,
}

/// Cuts `/re/imsx`, `m{re}i`, `m,re,`, `qr(re)` into the pattern and its flags, as SpamAssassin does.
pub fn parse_rule_literal(text: &[u8]) -> Result<(&[u8], Flags), PatternError> {
    let fail = |offset: usize, reason: &str| Err(PatternError::new(offset, reason));
    let (body_start, close) = if text.first() == Some(&b'/') {
        (1, b'/')
    } else {
        let skip = if text.starts_with(b"qr") { 2 } else { usize::from(text.starts_with(b"m")) };
        match text.get(skip) {
            Some(open) if skip > 0 && !open.is_ascii_alphanumeric() && *open != b'_' => {
                let close = match open {
                    b'{' => b'}',
                    b'(' => b')',
                    b'<' => b'>',
                    b'[' => b']',
                    b'\\' => return fail(skip, "a backslash cannot delimit a pattern"),
                    other => *other,
                };
                (skip + 1, close)
            }
            _ => return fail(0, "a pattern is written /like this/ or m{like this}"),
        }
    };
    let body = &text[body_start..];
    let letters = body.iter().rev().take_while(|b| b.is_ascii_lowercase() && **b != close).count();
    let end = body.len() - letters;
    if end == 0 || body[end - 1] != close {
        return fail(text.len(), "the pattern's closing delimiter is missing, or flags follow that Perl does not know");
    }
    let pattern = &body[..end - 1];
    let mut flags = Flags::default();
    for (index, letter) in body[end..].iter().enumerate() {
        match letter {
            b'i' => flags.ignore_case = true,
            b'm' => flags.multi_line = true,
            b's' => flags.dot_all = true,
            b'x' if flags.extended => flags.extended_more = true,
            b'x' => flags.extended = true,
            b'n' => flags.no_capture = true,
            b'a' | b'p' => {} // already so: bytes are matched as ASCII, and every match is kept
            _ => return fail(body_start + end + index, "this flag has no meaning in a rule's pattern"),
        }
    }
    if !matches!(close, b'}' | b')' | b']') {
        let mut escaped = false;
        for (index, byte) in pattern.iter().enumerate() {
            if *byte == close && !escaped {
                return fail(
                    body_start + index,
                    "the delimiter stands inside the pattern; write a backslash before it",
                );
            }
            escaped = *byte == b'\\' && !escaped;
        }
    }
    Ok((pattern, flags))
}
