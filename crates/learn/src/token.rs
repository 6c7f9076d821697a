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
    bytes.iter().fold(begin(seed), |h, byte| step(h, *byte))
}

#[inline]
fn begin(seed: u32) -> u32 {
    0x811c_9dc5 ^ seed
}

#[inline]
fn step(h: u32, byte: u8) -> u32 {
    (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
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

/// What a byte is: of a word, of its ends only, upper case; of no word where 0.
const KIND: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 128 {
        if (at as u8).is_ascii_alphanumeric() || matches!(at as u8, b'\'' | b'-' | b'$' | b'!' | b'_' | b'.') {
            table[at] = LETTER;
        }
        if matches!(at as u8, b'.' | b'-' | b'\'' | b'_') {
            table[at] |= TRIMMED;
        }
        if (at as u8).is_ascii_uppercase() {
            table[at] |= UPPER;
        }
        at += 1;
    }
    table
};
const LETTER: u8 = 1;
const TRIMMED: u8 = 2;
const UPPER: u8 = 0x20; // the bit that makes a letter a small one

const SHORTEST: usize = 3;
const LONGEST: usize = 30;

fn run(bytes: &[u8], seed: u32, place: &'static str, lower: &mut String, found: &mut impl FnMut(Piece<'_>)) {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match KIND[usize::from(bytes[at])] {
                0 if bytes[at] < 128 => at += 1,
                0 => at = other_run(text, at, seed, place, lower, found),
                _ => at = ascii_run(text, at, seed, place, lower, found),
            }
        }
    }
}

/// A word of ASCII, which most are: read, trimmed, made small and hashed in one pass. Gives where it ends.
#[inline]
fn ascii_run(
    text: &str,
    start: usize,
    seed: u32,
    place: &'static str,
    lower: &mut String,
    found: &mut impl FnMut(Piece<'_>),
) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() && KIND[usize::from(bytes[at])] & TRIMMED != 0 {
        at += 1;
    }
    let first = at;
    let (mut last, mut h, mut kept, mut upper) = (at, begin(seed), begin(seed), 0);
    while let Some(&byte) = bytes.get(at) {
        let kind = KIND[usize::from(byte)];
        if kind == 0 {
            break;
        }
        h = step(h, byte | (kind & UPPER));
        upper |= kind & UPPER;
        at += 1;
        (last, kept) = if kind & TRIMMED == 0 { (at, h) } else { (last, kept) };
    }
    // Letters beyond ASCII go on with it.
    if bytes.get(at).is_some_and(|byte| *byte >= 128) && script_at(text, at).0 == Script::Letters {
        return other_run(text, start, seed, place, lower, found);
    }
    if (SHORTEST..=LONGEST).contains(&(last - first)) {
        let word = &text[first..last];
        let word = if upper == 0 {
            word
        } else {
            lower.clear();
            lower.push_str(word);
            lower.make_ascii_lowercase();
            lower
        };
        found(Piece::Word(word, place, finish(kept)));
    }
    at
}

/// A run of one script, not of ASCII alone. Gives where it ends.
fn other_run(
    text: &str,
    start: usize,
    seed: u32,
    place: &'static str,
    lower: &mut String,
    found: &mut impl FnMut(Piece<'_>),
) -> usize {
    let (script, mut at) = script_at(text, start);
    while at < text.len() {
        let (next, end) = script_at(text, at);
        if next != script {
            break;
        }
        at = end;
    }
    end(&text[start..at], script, seed, place, lower, found);
    at
}

/// The script of the character at `at`, and where the next one is.
fn script_at(text: &str, at: usize) -> (Script, usize) {
    match text[at..].chars().next() {
        Some(c) if c.is_ascii() && KIND[c as usize] == 0 => (Script::Other, at + 1),
        Some(c) if c.is_ascii() => (Script::Letters, at + 1),
        Some(c) => (script(c), at + c.len_utf8()),
        None => (Script::Other, at + 1),
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
            if !(SHORTEST..=LONGEST).contains(&length) {
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

    /// As [`run`], without its haste.
    fn plainly(text: &str) -> Vec<String> {
        let letter = |c: char| c.is_ascii_alphanumeric() || "'-$!_.".contains(c);
        let of =
            |c: char| if c.is_ascii() { [Script::Other, Script::Letters][usize::from(letter(c))] } else { script(c) };
        let mut all = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = rest.find(|c| of(c) != of(first)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            rest = after;
            end(word, of(first), hash(b"", 7), "", &mut String::new(), &mut |piece| {
                if let Piece::Word(word, _, index) = piece {
                    all.push(format!("{word} {index}"));
                }
            });
        }
        all
    }

    #[test]
    fn words_are_the_same_however_they_are_read() {
        let some = [
            "a", "B", "free", "FREE", "it's", "--", "_", "...", "x-y", "$", "!", "9", " ", "\n", ",", "é", "É", "ß",
            "ゴ", "ルフ", "の", "です", "請", "求書", "々", "。", "https", "\u{0}", "w.", ".w", "'", "@", "İ",
        ];
        let mut state = 7u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(some[(state >> 16) as usize % some.len()]);
            }
            let mut all = Vec::new();
            words(text.as_bytes(), "", &mut String::new(), &mut |piece| {
                if let Piece::Word(word, _, index) = piece {
                    all.push(format!("{word} {index}"));
                }
            });
            assert_eq!(all, plainly(&text), "{text:?}");
        }
    }
}
