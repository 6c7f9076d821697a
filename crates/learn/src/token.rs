//! Words, without a dictionary: a run of one script is a word; of Chinese characters each pair is one.
//!
//! Placed: the same word in a Subject, a URI or a field of the header is another token than in the text.

use crate::features::{Piece, TOKEN_BITS};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Other,
    Letters,
    Hiragana,
    Katakana,
    Han,
}

fn script(c: char) -> Script {
    match c {
        '\u{3041}'..='\u{309f}' => Script::Hiragana,
        '\u{30a0}'..='\u{30ff}' => Script::Katakana,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '々' => Script::Han,
        c if !c.is_ascii() && c.is_alphanumeric() => Script::Letters,
        _ => Script::Other,
    }
}

/// FNV-1a with a last stir, since its low bits come late.
fn hash(bytes: &[u8], seed: u32) -> u32 {
    let mut h = 0x811c_9dc5 ^ seed;
    for &byte in bytes {
        h = (h ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    h
}

fn finish(mut h: u32) -> u32 {
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h >> (32 - TOKEN_BITS)
}

/// The words of `bytes` (UTF-8; what is not is skipped). `lower` is a buffer.
pub(crate) fn words(bytes: &[u8], place: &'static str, lower: &mut String, found: &mut impl FnMut(Piece<'_>)) {
    run(bytes, hash(place.as_bytes(), 7), place, lower, found);
}

/// The words of a header, each placed by its field, and the names of the fields.
pub(crate) fn header_words(header: &[u8], lower: &mut String, found: &mut impl FnMut(Piece<'_>)) {
    let mut seed = None;
    for line in header.split(|byte| *byte == b'\n') {
        let mut value = line;
        if !line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'))
            && let Some(colon) = line.iter().position(|byte| *byte == b':')
        {
            let name = line[..colon].to_ascii_lowercase();
            value = &line[colon + 1..];
            // Subject and From were read decoded; a date and a signature have no words.
            let skip = [&b"subject"[..], b"from", b"date"].contains(&&name[..])
                || name.starts_with(b"dkim")
                || name.starts_with(b"arc-");
            seed = (!skip).then(|| hash(&name, 11));
            if let (Some(_), Ok(name)) = (seed, std::str::from_utf8(&name)) {
                found(Piece::Word(name, "field", finish(hash(name.as_bytes(), 99))));
            }
        }
        if let Some(seed) = seed {
            run(value, seed, "header", lower, found);
        }
    }
}

const ASCII: [Script; 128] = {
    let mut table = [Script::Other; 128];
    let mut at = 0;
    while at < 128 {
        if (at as u8).is_ascii_alphanumeric() || matches!(at as u8, b'\'' | b'-' | b'$' | b'!' | b'_' | b'.') {
            table[at] = Script::Letters;
        }
        at += 1;
    }
    table
};

fn run(bytes: &[u8], seed: u32, place: &'static str, lower: &mut String, found: &mut impl FnMut(Piece<'_>)) {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let bytes = text.as_bytes();
        let (mut start, mut at, mut current) = (0, 0, Script::Other);
        while at < bytes.len() {
            let (next, length) = match bytes[at] {
                ascii @ 0..=127 => (ASCII[usize::from(ascii)], 1),
                _ => text[at..].chars().next().map_or((Script::Other, 1), |c| (script(c), c.len_utf8())),
            };
            if next != current {
                end(&text[start..at], current, seed, place, lower, found);
                (start, current) = (at, next);
            }
            at += length;
        }
        end(&text[start..], current, seed, place, lower, found);
    }
}

#[inline]
fn end(
    word: &str,
    script: Script,
    seed: u32,
    place: &'static str,
    lower: &mut String,
    found: &mut impl FnMut(Piece<'_>),
) {
    let mut give = |word: &str| found(Piece::Word(word, place, finish(hash(word.as_bytes(), seed))));
    match script {
        Script::Other => {}
        Script::Letters => {
            let word = word.trim_matches(['.', '-', '\'', '_']);
            let length = if word.is_ascii() { word.len() } else { word.chars().count() };
            if !(3..=30).contains(&length) {
                return;
            }
            if word.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
                lower.clear();
                word.chars().for_each(|c| lower.extend(c.to_lowercase()));
                give(lower);
            } else {
                give(word);
            }
        }
        // Particles and endings say little; long runs never come twice.
        Script::Hiragana if (3..=8).contains(&(word.len() / 3)) => give(word),
        Script::Hiragana => {}
        Script::Katakana if word.len() >= 6 => give(word),
        Script::Katakana => {}
        Script::Han => {
            let mut ends = word.char_indices().map(|(at, c)| (at, at + c.len_utf8())).peekable();
            if word.chars().nth(1).is_none() && !word.is_empty() {
                give(word);
            }
            while let Some((start, _)) = ends.next() {
                if let Some((_, stop)) = ends.peek() {
                    give(&word[start..*stop]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        words(text.as_bytes(), "", &mut String::new(), &mut |piece| {
            if let Piece::Word(word, _, index) = piece {
                assert!(index < 1 << TOKEN_BITS);
                all.push(word.to_owned());
            }
        });
        all
    }

    #[test]
    fn words_of_several_scripts() {
        assert_eq!(of("Free Money!! www.example.com ab"), ["free", "money!!", "www.example.com"]);
        assert_eq!(of("請求書をご確認ください"), ["請求", "求書", "確認", "ください"]);
        assert_eq!(of("クレジットカードのご利用"), ["クレジットカード", "利用"]);
        assert_eq!(of("Ünïcode 東"), ["ünïcode", "東"]);
        assert_eq!(of(""), Vec::<String>::new());
    }

    #[test]
    fn a_place_makes_another_token() {
        let index = |place| {
            let mut at = 0;
            words(b"invoice", place, &mut String::new(), &mut |piece| {
                if let Piece::Word(_, _, index) = piece {
                    at = index;
                }
            });
            at
        };
        assert_ne!(index(""), index("Subject"));
    }
}
