//! Words to be found by, the same for every backend.
//!
//! In: what people wrote, in any script. Out: atoms (a Latin word, or one Chinese, Japanese or Korean character), and of
//! these the words that an index holds: each word, each CJK character and each pair of neighbouring ones, so that 請求
//! finds 請求書. A query holds where each of its blank-separated pieces stands in the text, atom for atom, in
//! sequence; the index yields candidates and [`Query::matches`] decides, so all backends find the same. Databases' own
//! tokenizers are not used: they differ from each other, do not cut Japanese, or need three characters.

use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// Words of one record. What is beyond is not found.
const MAX_WORDS: usize = 4_000;
/// Characters of one word.
const MAX_WORD: usize = 64;
/// Pieces of a query that are looked at.
pub const MAX_QUERY_WORDS: usize = 16;
const MAX_QUERY_CHARS: usize = 512;

/// Text as a sequence of atoms; `None` stands where something separates (a line, a field).
fn atoms(text: &str) -> Vec<Atom> {
    let mut atoms = Vec::new();
    let mut word = String::new();
    let end_word = |word: &mut String, atoms: &mut Vec<Atom>| {
        if !word.is_empty() {
            atoms.push(Atom::Word(std::mem::take(word)));
        }
    };
    for letter in text.nfkc().filter(|c| !ignorable(*c)).flat_map(char::to_lowercase) {
        if cjk(letter) {
            end_word(&mut word, &mut atoms);
            atoms.push(Atom::Cjk(letter));
        } else if letter.is_alphanumeric() || letter == '_' || mark(letter) {
            if word.chars().count() < MAX_WORD {
                word.push(letter);
            }
        } else {
            end_word(&mut word, &mut atoms);
        }
    }
    end_word(&mut word, &mut atoms);
    atoms
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Word(String),
    Cjk(char),
}

/// Letters of scripts that are written without blanks between words.
fn cjk(letter: char) -> bool {
    matches!(letter,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30FF}' | '\u{3100}'..='\u{318F}' | '\u{31A0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{0E00}'..='\u{0EFF}' | '\u{20000}'..='\u{3FFFF}')
        && (letter.is_alphanumeric() || mark(letter) || letter == 'ー')
}

/// Combining marks belong to their word.
fn mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

fn ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{00AD}' | '\u{034F}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

fn add_words(atoms: &[Atom], words: &mut BTreeSet<String>) {
    for (at, atom) in atoms.iter().enumerate() {
        match atom {
            Atom::Word(word) => {
                words.insert(word.clone());
            }
            Atom::Cjk(letter) => {
                words.insert(letter.to_string());
                if let Some(Atom::Cjk(next)) = atoms.get(at + 1) {
                    words.insert([*letter, *next].iter().collect());
                }
            }
        }
        if words.len() >= MAX_WORDS {
            return;
        }
    }
}

/// What the index holds of a record that consists of `texts`.
pub(crate) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words = BTreeSet::new();
    for text in texts {
        add_words(&atoms(text), &mut words);
    }
    words.into_iter().take(MAX_WORDS).collect()
}

/// What somebody typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pieces: Vec<Vec<Atom>>,
}

impl Query {
    pub fn new(text: &str) -> Query {
        let text: String = text.chars().take(MAX_QUERY_CHARS).collect();
        // An ideographic blank separates too.
        let pieces = text.split_whitespace().map(atoms).filter(|piece| !piece.is_empty());
        Query { pieces: pieces.take(MAX_QUERY_WORDS).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Every one of these is among a matching record's [`words`]. Single characters are left out where a pair says more.
    pub fn words(&self) -> Vec<String> {
        let mut words = BTreeSet::new();
        for piece in &self.pieces {
            for (at, atom) in piece.iter().enumerate() {
                match atom {
                    Atom::Word(word) => {
                        words.insert(word.clone());
                    }
                    Atom::Cjk(letter) => {
                        let before = at.checked_sub(1).and_then(|at| piece.get(at));
                        match piece.get(at + 1) {
                            Some(Atom::Cjk(next)) => {
                                words.insert([*letter, *next].iter().collect());
                            }
                            _ if matches!(before, Some(Atom::Cjk(_))) => {}
                            _ => {
                                words.insert(letter.to_string());
                            }
                        }
                    }
                }
            }
        }
        words.into_iter().collect()
    }

    /// Whether each piece stands in one of the texts.
    pub fn matches<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let mut missing: Vec<&Vec<Atom>> = self.pieces.iter().collect();
        for text in texts {
            if missing.is_empty() {
                break;
            }
            let atoms = atoms(text);
            missing.retain(|piece| !atoms.windows(piece.len()).any(|window| window == piece.as_slice()));
        }
        missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str, text: &str) -> bool {
        let query = Query::new(query);
        let held = words([text]);
        let matches = query.matches([text]);
        if matches {
            for word in query.words() {
                assert!(held.contains(&word), "{text:?} matches {query:?}, but the index lacks {word:?}");
            }
        }
        matches
    }

    #[test]
    fn what_is_found() {
        for (query, text) in [
            ("請求", "【重要】ご請求書の件"),
            ("請求書", "ご請求書の件"),
            ("金", "賞金が当たりました"),
            ("ｱﾏｿﾞﾝ", "アマゾンからのお知らせ"),
            ("ａｍａｚｏｎ", "Amazon.co.jp"),
            ("amazon.co.jp", "https://Amazon.co.jp/signin"),
            ("alice@example.jp", "<Alice@Example.JP>"),
            ("請求 amazon", "AMAZON ご請求"),
            ("請求　件", "ご請求書の件"),
            ("PayPal", "Pay\u{200b}Pal security"),
            ("MISSING_DATE", "MISSING_DATE"),
            ("計정", "計정"),
            ("café", "CAFE\u{301}"),
            ("ユーザー", "ユーザーの皆様"),
            ("192.0.2.1", "from [192.0.2.1]"),
            ("", "anything"),
        ] {
            assert!(finds(query, text), "{query:?} should be found in {text:?}");
        }
    }

    #[test]
    fn what_is_not_found() {
        for (query, text) in [
            ("請求", "請願と求人"),
            ("請求書類", "請求書 書類"),
            ("exam", "example"),
            ("alice@example.jp", "example.jp alice"),
            ("請求 amazon", "ご請求"),
            ("金", "全額"),
        ] {
            assert!(!finds(query, text), "{query:?} should not be found in {text:?}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let long: String = (0..20_000).filter_map(|n| char::from_u32(0x4e00 + n % 20_000)).collect();
        assert_eq!(words([long.as_str()]).len(), MAX_WORDS);
        assert_eq!(words(["x".repeat(5_000).as_str()]), ["x".repeat(MAX_WORD)]);
        assert_eq!(Query::new(&"w ".repeat(5_000)).pieces.len(), MAX_QUERY_WORDS);
    }
}
