//! Trying a pattern on texts: does it match, and if not, how far did it get and on which byte did it die?
//!
//! "Write it bit by bit" says the talk whose way this is: a pattern that does not hit is shown beside the text, with a mark
//! under the place where it stopped and under the part that stopped there. [`advise`] knows what goes wrong with patterns
//! whether they hit or not.

mod advice;
mod trace;

pub use advice::{Advice, Looked, advise, delimiter_fault};
pub use trace::{Death, Tracer};

use patterns::{Flags, Match, PatternError, Regex};
use std::ops::Range;

/// Texts longer than this are followed up to here where they are not matched; hits are found in all of them.
const FOLLOWED: usize = 1 << 20;

/// A pattern made ready to be tried.
pub struct Trial {
    pub source: Vec<u8>,
    pub flags: Flags,
    regex: Regex,
    tracer: Tracer,
}

impl Trial {
    /// `source`: without delimiters.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(source: &[u8], flags: Flags) -> Result<Trial, PatternError> {
        Ok(Trial {
            source: source.to_vec(),
            flags,
            regex: Regex::new(source, flags)?,
            tracer: Tracer::new(source, flags)?,
        })
    }

    /// From `/re/i`, or a bare pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn from_text(text: &[u8]) -> Result<Trial, PatternError> {
        let delimited = text.starts_with(b"/") && text.len() > 1
            || [&b"m"[..], b"qr"].iter().any(|open| {
                let rest = text.strip_prefix(*open).unwrap_or_default();
                rest.len() > 1 && matches!(rest[0], b'{' | b'(' | b'<' | b'[' | b',' | b'!' | b'#' | b'|' | b'@' | b'%')
            });
        match delimited.then(|| patterns::perl::parse_rule_literal(text)) {
            Some(Ok((source, flags))) => Trial::new(source, flags),
            Some(Err(error)) if text.starts_with(b"/") => Err(error),
            _ => Trial::new(text, Flags::default()),
        }
    }

    pub fn find(&self, text: &[u8]) -> Option<Match> {
        self.regex.find(text, 0)
    }

    /// All matches, one behind the other; at most `most`.
    pub fn find_all(&self, text: &[u8], most: usize) -> Vec<Match> {
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < most
            && let Some(hit) = self.regex.find(text, from)
        {
            from = hit.end.max(hit.start + 1);
            found.push(hit);
            if from > text.len() {
                break;
            }
        }
        found
    }

    /// How far it got in a text that it does not match.
    pub fn furthest(&self, text: &[u8]) -> Option<Death> {
        self.tracer.furthest(&text[..text.len().min(FOLLOWED)])
    }

    /// It can be told how far the pattern got.
    pub fn can_be_followed(&self) -> bool {
        self.tracer.is_whole()
    }
}

/// A line of text with a mark below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    pub line: String,
    pub marks: String,
}

/// The neighbourhood of a place for a terminal: what is not printable is made visible. `before`, `after`: characters shown
/// around the place; the mark is as wide as what it means.
pub fn marked(text: &[u8], place: Range<usize>, before: usize, after: usize, mark: char) -> Marked {
    let place = place.start.min(text.len())..place.end.min(text.len());
    let from = back_by(text, place.start, before);
    let to = forward_by(text, place.end, after);
    let mut line = String::new();
    let mut marks = String::new();
    if from > 0 {
        line.push('…');
        marks.push(' ');
    }
    let mut marked = false;
    let mut at = from;
    while at < to {
        let (shown, length) = visible(&text[at..to]);
        let width: usize = shown.chars().map(width).sum();
        let inside = at < place.end && at + length > place.start
            || place.is_empty() && at <= place.start && place.start < at + length;
        marks.extend(std::iter::repeat_n(if inside { mark } else { ' ' }, width));
        marked |= inside;
        line.push_str(&shown);
        at += length;
    }
    if !marked {
        marks.push(mark);
    }
    if to < text.len() {
        line.push('…');
    }
    Marked { line, marks: marks.trim_end().to_owned() }
}

/// The character that begins here, as one sees it, and its bytes.
fn visible(bytes: &[u8]) -> (String, usize) {
    let chunk = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(chunk) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&chunk[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some('\n') => ("\\n".to_owned(), 1),
        Some('\r') => ("\\r".to_owned(), 1),
        Some('\t') => ("\\t".to_owned(), 1),
        Some(c) if c.is_control() || is_unseen(c) => (format!("\\x{{{:X}}}", u32::from(c)), c.len_utf8()),
        Some(c) => (c.to_string(), c.len_utf8()),
        None => (format!("\\x{:02X}", bytes.first().copied().unwrap_or_default()), 1),
    }
}

/// Characters that take no room, or turn the line around.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns of a terminal.
pub fn width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x3099..=0x309a | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn back_by(text: &[u8], from: usize, characters: usize) -> usize {
    let mut at = from;
    for _ in 0..characters {
        if at == 0 {
            break;
        }
        at -= 1;
        while at > 0 && from - at < 4 * characters && text[at] & 0xc0 == 0x80 {
            at -= 1;
        }
    }
    at
}

fn forward_by(text: &[u8], from: usize, characters: usize) -> usize {
    let mut at = from;
    for _ in 0..characters {
        if at >= text.len() {
            break;
        }
        at += visible(&text[at..]).1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_under_what_they_mean() {
        let text = "件名: 請求書\n".as_bytes();
        let at = text.len() - 1;
        let shown = marked(text, at..at + 1, 3, 3, '^');
        assert_eq!(shown.line, "…請求書\\n");
        assert_eq!(shown.marks, "       ^^");
        assert_eq!(marked(b"abc", 3..3, 10, 10, '^').marks, "   ^");
        assert_eq!(marked(b"a\xffc", 1..2, 10, 10, '~'), Marked { line: "a\\xFFc".into(), marks: " ~~~~".into() });
    }

    #[test]
    fn a_pattern_is_taken_with_or_without_slashes() {
        for (text, source) in [("/a b/i", "a b"), ("a/b", "a/b"), ("m{x}s", "x"), ("mail", "mail"), ("m", "m")] {
            assert_eq!(Trial::from_text(text.as_bytes()).expect(text).source, source.as_bytes());
        }
        assert!(Trial::from_text(b"/a").is_err());
        assert_eq!(Trial::from_text(b"a").expect("valid").find_all(b"banana", 2).len(), 2);
    }
}
