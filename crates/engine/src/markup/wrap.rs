//! Line wrapping as SpamAssassin does it: greedy, counting bytes, tabs as eight columns.

use super::{is_space, trim_end};

/// Where a text may be broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    /// At white space, which is a piece of its own.
    Space,
    /// After white space or a comma.
    AfterSpaceOrComma,
}

/// How to wrap.
#[derive(Clone, Copy)]
pub struct Wrapping<'a> {
    /// Stands before every line but the first.
    pub prefix: &'a [u8],
    /// Stands before the first line.
    pub first: &'a [u8],
    /// Columns.
    pub width: usize,
    /// A line may be longer: what is looked at is only whether it is full already.
    pub overflow: bool,
}

/// Wraps at white space.
pub fn wrap(text: &[u8], how: Wrapping<'_>) -> Vec<u8> {
    wrap_at(text, how, Break::Space)
}

/// Wraps after white space and commas, for header fields.
pub(super) fn wrap_after_comma(text: &[u8], how: Wrapping<'_>) -> Vec<u8> {
    wrap_at(text, how, Break::AfterSpaceOrComma)
}

fn wrap_at(text: &[u8], how: Wrapping<'_>, at: Break) -> Vec<u8> {
    let text = if text == b"0" { b"" } else { text };
    let mut pieces = pieces(text, at).into_iter().peekable();
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut line: Vec<u8> = match how.first.is_empty() {
        true => pieces.next().unwrap_or_default().to_vec(),
        false => how.first.to_vec(),
    };
    let mut begun = false;
    while let Some(&next) = pieces.peek() {
        let mut columns = columns(&line);
        if begun && !how.overflow {
            columns += self::columns(next);
        }
        // A prefix wider than the width would never end.
        if columns <= how.width || (!begun && line == how.prefix) {
            line.extend_from_slice(next);
            pieces.next();
            begun = true;
        } else {
            out.extend_from_slice(trim_end(&line));
            out.push(b'\n');
            line.clear();
            line.extend_from_slice(how.prefix);
            begun = false;
        }
    }
    out.extend_from_slice(&line);
    out
}

fn columns(piece: &[u8]) -> usize {
    piece.len() + 7 * piece.iter().filter(|&&b| b == b'\t').count()
}

/// The pieces of Perl's `split` with the separators kept and empty ones at the end dropped.
fn pieces(text: &[u8], at: Break) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (i, &byte) in text.iter().enumerate() {
        match at {
            Break::Space if is_space(byte) => {
                pieces.push(&text[start..i]);
                pieces.push(&text[i..=i]);
                start = i + 1;
            }
            Break::AfterSpaceOrComma if is_space(byte) || byte == b',' => {
                pieces.push(&text[start..=i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_the_next_line_when_they_do_not_fit() {
        let how = Wrapping { prefix: b"> ", first: b"", width: 10, overflow: false };
        assert_eq!(wrap(b"one two three four", how), b"one two\n> three\n> four");
        assert_eq!(wrap(b"", how), b"");
        assert_eq!(wrap(b"unbreakable-long-word next", how), b"unbreakable-long-word\n>  next");
        assert_eq!(wrap(b"a \t b", how), b"a\n>  b");
    }

    #[test]
    fn with_overflow_a_line_ends_only_when_it_is_too_long_already() {
        let how = Wrapping { prefix: b"  ", first: b"First: ", width: 10, overflow: true };
        assert_eq!(wrap(b"one two three", how), b"First: one\n  two three");
    }

    #[test]
    fn a_prefix_wider_than_the_width_ends() {
        let how = Wrapping { prefix: b"            ", first: b"", width: 5, overflow: false };
        assert!(wrap(b"aa bb cc", how).ends_with(b"cc"));
    }

    #[test]
    fn header_fields_break_after_commas() {
        let how = Wrapping { prefix: b"\t", first: b"", width: 12, overflow: false };
        assert_eq!(wrap_after_comma(b"A,BCDEFGHIJ,KL,M", how), b"A,BCDEFGHIJ,\n\tKL,M");
    }
}
