//! What clients of Pyzor compare: a hash over some lines of a message's text.
//!
//! Every part counts. Long words, addresses and URLs go, then all blanks; lines of less than eight characters go too. Of a
//! message of more than four lines three at a fifth and three at three fifths of it are hashed, else all.

use super::charset;
use super::html;
use super::message::{self, Part, is_space};
use sha1::{Digest, Sha1};
use std::borrow::Cow;

/// Bytes of a message that are looked at.
const LONGEST: usize = 16 << 20;
/// Letters of a word that is too long.
const LONG_WORD: usize = 10;
/// Letters of the shortest line that counts.
const SHORTEST_LINE: usize = 8;
/// A message of so few lines is hashed whole.
const FEW: usize = 4;
/// From how many hundredths of the lines how many are hashed.
const PIECES: [(usize, usize); 2] = [(20, 3), (60, 3)];

/// In hexadecimal digits.
pub fn digest(message: &[u8]) -> String {
    let mut hash = Sha1::new();
    for line in predigest(message) {
        hash.update(line.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines that are hashed.
pub fn predigest(message: &[u8]) -> Vec<String> {
    let message = &message[..message.len().min(LONGEST)];
    let mut lines = Vec::new();
    for part in message::parts(message).iter().filter(|part| !part.has_parts) {
        for line in content(part, &message[part.content.clone()]).split(is_line_end) {
            let line = normalized(line);
            if line.chars().nth(SHORTEST_LINE - 1).is_some() {
                lines.push(line);
            }
        }
    }
    if lines.len() <= FEW {
        return lines;
    }
    let count = lines.len();
    let wanted = PIECES.iter().flat_map(|(place, length)| {
        let first = place * count / 100;
        first..first + length
    });
    wanted.filter_map(|number| lines.get(number).cloned()).collect()
}

fn content<'c>(part: &Part, bytes: &'c [u8]) -> Cow<'c, str> {
    if part.main != "text" {
        // As it stands in the message, not decoded.
        return match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(replaced(bytes, part.charset.as_deref().unwrap_or("ascii"))),
        };
    }
    let decoded = message::decoded(bytes, &part.encoding);
    let charset = part.charset.as_deref().filter(|charset| !charset.is_empty() && charset.is_ascii());
    let text = charset::decode(&decoded, charset.unwrap_or("ascii")).unwrap_or_else(|| charset::ascii(&decoded));
    Cow::Owned(if part.sub == "html" { html::text(&text) } else { text })
}

/// What cannot be read is replaced here, where elsewhere it is left out.
fn replaced(bytes: &[u8], charset: &str) -> String {
    let by_label = || {
        let label = charset.to_ascii_lowercase();
        let plain = label != "ascii" && label != "us-ascii";
        let encoding = plain.then(|| encoding_rs::Encoding::for_label(label.as_bytes())).flatten()?;
        Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
    };
    by_label().unwrap_or_else(|| {
        bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }).collect()
    })
}

fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn normalized(line: &str) -> String {
    let mut out = String::new();
    for word in line.split(is_space).filter(|word| !word.is_empty()) {
        if word.chars().nth(LONG_WORD - 1).is_none() && !is_address(word) {
            out.push_str(&word[..url(word).unwrap_or(word.len())]);
        }
    }
    out
}

/// Something on either side of an `@`.
fn is_address(word: &str) -> bool {
    let inner = word.char_indices().skip(1).take_while(|(at, letter)| at + letter.len_utf8() < word.len());
    inner.into_iter().any(|(_, letter)| letter == '@')
}

/// Where `letters:something` begins.
fn url(word: &str) -> Option<usize> {
    // Letters whose other case is a Latin one are such letters too.
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || matches!(letter, 'ı' | 'İ' | 'ſ' | 'K');
    let mut start = None;
    let mut letters = word.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if is_letter(letter) => start = start.or(Some(at)),
            ':' if start.is_some() && letters.peek().is_some() => return start,
            _ => start = None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_compared() {
        for (line, expected) in [
            ("a b  c", "abc"),
            ("see http://example.org/ now", "seenow"),
            ("a:b c: 12:30 x@y @z", "c:12:30@z"),
            ("nine letters9 toomanyletters", "nineletters9"),
            ("(ftp:x)", "("),
        ] {
            assert_eq!(normalized(line), expected, "{line}");
        }
    }

    #[test]
    fn an_empty_message_has_the_hash_of_nothing() {
        assert_eq!(digest(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(digest(b"Subject: x\n\nshort\n"), digest(b""));
    }

    #[test]
    fn pieces_of_a_long_message() {
        let body: String = (0..10).map(|number| format!("line number {number}{number}\n")).collect();
        let mail = format!("Subject: x\n\n{body}");
        let numbers = ["22", "33", "44", "66", "77", "88"].map(|number| format!("linenumber{number}"));
        assert_eq!(predigest(mail.as_bytes()), numbers);
    }
}
