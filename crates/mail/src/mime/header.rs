//! Structured header values: what Content-Type and Content-Disposition say, and how a field is decoded.
//!
//! The grammar of RFC 2045 is not followed: the rules of thumb here are SpamAssassin's, and with broken mail the two
//! differ. Whatever is not understood falls back to "text/plain".

use crate::message::Header;
use crate::mime::encoded_word;
use std::collections::BTreeMap;

/// What a Content-Type says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentType {
    /// Lower case; unknown kinds of text count as "text/plain".
    pub media_type: String,
    pub boundary: Option<Vec<u8>>,
    pub charset: Option<Vec<u8>>,
    pub name: Option<Vec<u8>>,
    /// There was none, or it was empty: `media_type` is a guess.
    pub missing: bool,
}

impl Header {
    /// A field from its name and raw value; decoding and unfolding happen here.
    pub fn new(name: Vec<u8>, raw: Vec<u8>) -> Header {
        let decoded = encoded_word::decode_field(&raw, &name);
        Header { name, raw, decoded }
    }
}

/// Reads a decoded Content-Type value.
pub fn content_type(value: Option<&[u8]>) -> ContentType {
    let given = value.filter(|value| is_true(value));
    let value = given.unwrap_or(b"text/plain; charset=us-ascii");
    let mut name = occurrences(value, &[b"filename", b"name"]).find_map(|after| parameter(value, after));
    if !name.as_deref().is_some_and(is_true) {
        name = continued_name(value).or(name);
    }
    let (media_type, empty) = media_type(value);
    ContentType {
        media_type,
        boundary: occurrences(value, &[b"boundary"]).find_map(|after| boundary(value, after)),
        charset: occurrences(value, &[b"charset"]).find_map(|after| parameter(value, after)),
        name,
        missing: given.is_none() || empty,
    }
}

/// The file name in a decoded Content-Disposition value.
pub fn disposition_name(value: &[u8]) -> Option<Vec<u8>> {
    let mut from = 0;
    loop {
        let after = from + find_ignoring_case(&value[from..], b"name")? + 4;
        from = after;
        let Some(start) = after_equals(value, after) else { continue };
        let blanks = value[..start].iter().rev().take_while(|b| is_space(**b)).count();
        let run = |start: usize| -> Option<Vec<u8>> {
            let rest = value.get(start..)?;
            let end = memchr::memchr2(b'"', b';', rest).unwrap_or(rest.len());
            (end > 0).then(|| rest[..end].to_vec())
        };
        let quoted = if value.get(start) == Some(&b'"') { run(start + 1) } else { None };
        // A blank before a stray quote is a name, too: the last resort of the pattern that set the custom.
        let found = quoted.or_else(|| run(start)).or_else(|| if blanks > 0 { run(start - 1) } else { None });
        if found.is_some() {
            return found;
        }
    }
}

/// Perl's truth of a string.
fn is_true(value: &[u8]) -> bool {
    !value.is_empty() && value != b"0"
}

/// Perl's `\s` on bytes.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Perl's `\w` on bytes.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|b| !is_space(*b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !is_space(*b)).map_or(start, |last| last + 1);
    &value[start..end]
}

pub(crate) fn skip_spaces(value: &[u8], mut at: usize) -> usize {
    while value.get(at).is_some_and(|b| is_space(*b)) {
        at += 1;
    }
    at
}

pub(crate) fn find_ignoring_case(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (lower, upper) = (needle[0].to_ascii_lowercase(), needle[0].to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, haystack)
        .find(|at| haystack.get(*at..at + needle.len()).is_some_and(|word| word.eq_ignore_ascii_case(needle)))
}

/// Where one of `words` ends, standing at the beginning of a word. The first of the words that fits counts.
fn occurrences<'a>(value: &'a [u8], words: &'a [&'a [u8]]) -> impl Iterator<Item = usize> + 'a {
    (0..value.len()).filter(|at| *at == 0 || !is_word(value[at - 1])).flat_map(move |at| {
        let fits = move |word: &&&[u8]| value.get(at..at + word.len()).is_some_and(|v| v.eq_ignore_ascii_case(word));
        words.iter().filter(fits).map(move |word| at + word.len())
    })
}

/// Past `=` and the blanks around it.
fn after_equals(value: &[u8], at: usize) -> Option<usize> {
    let at = skip_spaces(value, at);
    (value.get(at) == Some(&b'=')).then(|| skip_spaces(value, at + 1))
}

/// A value up to the next `;`, with at most one quote at either end taken away. Quotes do not protect a `;`.
fn parameter(value: &[u8], at: usize) -> Option<Vec<u8>> {
    let mut start = after_equals(value, at)?;
    let is_quote = |at: usize| matches!(value.get(at), Some(b'"' | b'\''));
    let ends = |at: usize| value.get(at).is_none_or(|b| *b == b';') || &value[at..] == b"\n";
    if is_quote(start) {
        start += 1;
    }
    let mut end = start;
    while !(ends(end) || is_quote(end) && ends(end + 1)) {
        if value[end] == b'\n' {
            return None;
        }
        end += 1;
    }
    Some(value[start..end].to_vec())
}

/// Only the opening quote is needed; unquoted boundaries end at a blank, `;` or the end, and never at a quote.
fn boundary(value: &[u8], at: usize) -> Option<Vec<u8>> {
    let start = after_equals(value, at)?;
    let rest = &value[start..];
    if rest.first() == Some(&b'"') {
        let quoted = &rest[1..];
        let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
        return (end > 0).then(|| quoted[..end].to_vec());
    }
    let end = rest.iter().position(|b| is_space(*b) || matches!(b, b'"' | b';')).unwrap_or(rest.len());
    (end > 0 && rest.get(end) != Some(&b'"')).then(|| rest[..end].to_vec())
}

/// RFC 2231 continuations: `name*0=...; name*1=...`.
fn continued_name(value: &[u8]) -> Option<Vec<u8>> {
    let numbered = |after: usize| -> Option<(u64, usize)> {
        if value.get(after) != Some(&b'*') {
            return None;
        }
        let digits = value[after + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&value[after + 1..after + 1 + digits]).ok()?.parse().ok()?;
        Some((number, after + 1 + digits))
    };
    let mut pieces = BTreeMap::new();
    let mut begins = false;
    let mut done = 0;
    for after in occurrences(value, &[b"filename", b"name"]) {
        if after < done {
            continue;
        }
        let Some((number, end)) = numbered(after) else { continue };
        begins |= &value[after + 1..end] == b"0" && after_equals(value, end).is_some();
        if let Some(piece) = parameter(value, end) {
            done = end + piece.len();
            pieces.insert(number, piece);
        }
    }
    (begins && !pieces.is_empty()).then(|| pieces.into_values().flatten().collect())
}

/// The type proper, and whether nothing was there.
fn media_type(value: &[u8]) -> (String, bool) {
    let start = skip_spaces(value, 0);
    let value = &value[start..];
    let value = &value[..memchr::memchr(b';', value).unwrap_or(value.len())];
    let end = match memchr::memchr(b'/', value) {
        None | Some(0) => value.len(),
        Some(slash) => {
            let subtype = &value[slash + 1..];
            slash + 1 + subtype.iter().position(|b| is_space(*b)).unwrap_or(subtype.len())
        }
    };
    let lower = value[..end].to_ascii_lowercase();
    let empty = !is_true(&lower);
    let known_text = [&b"text/x-vcard"[..], b"text/calendar", b"text/html"].contains(&lower.as_slice());
    let text = lower.starts_with(b"text") && !lower.get(4).is_some_and(|b| is_word(*b));
    if empty || text && !known_text {
        return ("text/plain".to_string(), empty);
    }
    let plain = lower.into_iter().filter(|b| {
        let unfit = matches!(b, 0..=b' ' | 0x7f.. | b'"' | b'(' | b')' | b',' | b':'..=b'?' | b'@' | b'['..=b']');
        !unfit
    });
    (plain.map(char::from).collect(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_written_badly() {
        let check = |value: &str, expected: (&str, Option<&str>, Option<&str>, Option<&str>)| {
            let found = content_type(Some(value.as_bytes()));
            let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
            let found = (found.media_type.clone(), text(found.boundary), text(found.charset), text(found.name));
            let owned = |text: Option<&str>| text.map(str::to_string);
            assert_eq!(
                found,
                (expected.0.to_string(), owned(expected.1), owned(expected.2), owned(expected.3)),
                "{value}"
            );
        };
        check("text/html; charset=\"utf-8\"", ("text/html", None, Some("utf-8"), None));
        check("text/html; charset=\"utf-8\" ; x=y", ("text/html", None, Some("utf-8\" "), None));
        check("text plain", ("text/plain", None, None, None));
        check("text/x-aol; name=a.html", ("text/plain", None, None, Some("a.html")));
        check("TEXT/HTML charset=x", ("text/html", None, Some("x"), None));
        check("multipart/mixed; boundary=\"a b", ("multipart/mixed", Some("a b"), None, None));
        check("multipart/mixed; boundary = a=b;c", ("multipart/mixed", Some("a=b"), None, None));
        check("multipart/mixed; boundary=a\"b", ("multipart/mixed", None, None, None));
        check("multipart/mixed; xboundary=a; boundary=b", ("multipart/mixed", Some("b"), None, None));
        check("image/gif; name*0=\"ab\"; name*1=\"c.gif\"", ("image/gif", None, None, Some("abc.gif")));
        check("(image)/\"gif\"", ("image/gif", None, None, None));
        check("0", ("text/plain", None, Some("us-ascii"), None));
    }

    #[test]
    fn names_in_dispositions() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(disposition_name(value.as_bytes()).as_deref(), expected.map(str::as_bytes), "{value}");
        };
        check("attachment; filename=\"a b.txt\"", Some("a b.txt"));
        check("attachment; filename = a.txt ; size=1", Some("a.txt "));
        check("attachment; filename=", None);
        check("attachment; filename= \";", Some(" "));
        check("inline", None);
    }
}
