//! What Perl does with strings, on bytes: the few operations that the checks share.
//!
//! Rule files and SpamAssassin's facts are in Perl's terms (a string used as a number, `\s`, `\b`, `lc`), so these say
//! it once. All of it is ASCII: SpamAssassin matches bytes.

use regex::bytes::Regex;

/// A string as a number: the longest numeric prefix, else 0.
pub fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let unsigned = text.trim_start_matches(['+', '-']);
    if unsigned.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("inf")) {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = digits(start);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    text[..end].parse().unwrap_or(0.0)
}

/// `\s` on bytes.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// `\w` on bytes.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `s/\s+/ /g`
pub fn collapse_space(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut in_space = false;
    for &byte in text {
        if is_space(byte) {
            if !in_space {
                out.push(b' ');
            }
            in_space = true;
        } else {
            out.push(byte);
            in_space = false;
        }
    }
    out
}

/// `s/^\s+//; s/\s+$//`
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// `chomp`
pub fn chomp(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

pub fn lower(text: &[u8]) -> Vec<u8> {
    text.to_ascii_lowercase()
}

pub fn starts_with_ignoring_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `/\bWORD$/i`, for a word that begins with a word character.
pub fn ends_with_word(text: &[u8], word: &[u8]) -> bool {
    let text = chomp(text);
    let Some(start) = text.len().checked_sub(word.len()) else { return false };
    text[start..].eq_ignore_ascii_case(word) && (start == 0 || !is_word(text[start - 1]))
}

pub fn contains(text: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(text, needle).is_some()
}

/// Position of `needle` (lower case), whatever the case of the text.
pub fn find_ignoring_case(text: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let (one, other) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(one, other, text)
        .find(|&at| text.get(at + 1..at + 1 + rest.len()).is_some_and(|t| t.eq_ignore_ascii_case(rest)))
}

/// Lines with their "\n", as `split /^/m` gives them.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, tail) = rest.split_at(end);
        rest = tail;
        Some(line)
    })
}

/// A pattern of our own over bytes, ASCII classes.
pub fn pattern(source: &str) -> Regex {
    regex::bytes::RegexBuilder::new(source).unicode(false).build().expect("patterns in the source are tested")
}

/// `static NAME: Lazy = regex!("...")`: compiled at the first use.
macro_rules! regex {
    ($source:expr) => {
        std::sync::LazyLock::new(|| $crate::checks::perl::pattern($source))
    };
}
pub(crate) use regex;

/// `pattern` on first use.
pub type Lazy = std::sync::LazyLock<Regex>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_become_numbers_as_in_perl() {
        for (text, expected) in [
            ("10", 10.0),
            ("0000", 0.0),
            ("-6", -6.0),
            (".05", 0.05),
            ("1.", 1.0),
            ("  7x", 7.0),
            ("1e3", 1000.0),
            ("1e", 1.0),
            ("undef", 0.0),
            ("", 0.0),
            ("inf", f64::INFINITY),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn words_at_the_end() {
        assert!(ends_with_word(b"joe@Hotmail.com", b"hotmail.com"));
        assert!(ends_with_word(b"joe@mx.hotmail.com\n", b"hotmail.com"));
        assert!(!ends_with_word(b"joe@nothotmail.com", b"hotmail.com"));
        assert!(!ends_with_word(b"joe@hotmail.com.example", b"hotmail.com"));
    }

    #[test]
    fn blanks() {
        assert_eq!(collapse_space(b"a \n\t b\n"), b"a b ");
        assert_eq!(trim(b" \n x y\n"), b"x y");
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a\n"[..], b"\n", b"b"]);
        assert_eq!(find_ignoring_case(b"xxAbC", b"abc"), Some(2));
    }
}
