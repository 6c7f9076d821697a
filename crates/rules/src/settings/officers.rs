//! `officer`: the people in whose name others might write, and where they really write from.
//!
//! In: lines such as `officer "佐伯 正弘" "Masahiro Saeki" example.co.jp saeki@private.example`. Out: whether a name shown
//! beside an address is one of theirs, and whether an address is. Names are compared as a reader compares them: without
//! blanks, whatever the width, in either order in Latin letters, simplified Chinese forms read as Japanese ones.

use super::names::{Folded, above, is_domain, quoted_words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Officers {
    names: Vec<Name>,
    /// Where any of them writes from.
    addresses: BTreeSet<String>,
    domains: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Name {
    /// As written, for the report.
    shown: String,
    folded: Vec<char>,
    /// Words in lower case where the name is in Latin letters.
    latin: Vec<String>,
    /// What stands before the first blank of a name in kanji or kana.
    surname: Vec<char>,
}

/// How well a text shows a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// The surname beside a title: 佐伯社長.
    Titled,
    Whole,
}

impl Officers {
    /// Takes `"NAME" ... address ... domain ...`; false where a name or an address is missing.
    pub fn add(&mut self, line: &str) -> bool {
        let (mut named, mut placed) = (false, false);
        for (word, quoted) in quoted_words(line) {
            let lower = word.to_ascii_lowercase();
            let domain = lower.strip_prefix('@').unwrap_or(&lower);
            if !quoted && is_domain(domain) {
                self.domains.insert(domain.to_owned());
                placed = true;
            } else if !quoted && word.contains('@') {
                self.addresses.insert(lower);
                placed = true;
            } else {
                let text = mail::views::text::normalised(&word);
                let folded = Folded::new(&text).chars;
                if folded.len() < 2 {
                    continue;
                }
                let ascii = text.is_ascii();
                let latin = if ascii { latin_words(&text) } else { Vec::new() };
                let surname = match text.split_once(' ') {
                    Some((surname, _)) if !ascii => Folded::new(surname).chars,
                    _ => Vec::new(),
                };
                let name = Name { shown: word, folded, latin, surname };
                if !self.names.contains(&name) {
                    self.names.push(name);
                }
                named = true;
            }
        }
        named && placed
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether an address is one that they write from.
    pub fn own(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let host = address.rsplit_once('@').map_or("", |(_, host)| host);
        self.addresses.contains(&address) || above(host).any(|domain| self.domains.contains(domain))
    }

    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str)
    }

    /// The officer whose name a normalised text shows, and how well.
    pub fn shown_in(&self, text: &str) -> Option<(&str, Shown)> {
        let folded = Folded::new(text);
        let latin = latin_words(text);
        let mut best: Option<(&str, Shown)> = None;
        for name in &self.names {
            let whole = if name.latin.len() > 1 {
                name.latin.iter().all(|word| latin.contains(word))
            } else {
                folded.contains(&name.folded)
            };
            let shown = if whole {
                Shown::Whole
            } else if !name.surname.is_empty() && titled(&folded, &name.surname) {
                Shown::Titled
            } else {
                continue;
            };
            if best.is_none_or(|(_, how)| shown > how) {
                best = Some((&name.shown, shown));
            }
        }
        best
    }
}

fn latin_words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| word.len() > 1 && word.is_ascii()).map(str::to_ascii_lowercase).collect()
}

/// 佐伯社長, 社長 佐伯, 代表取締役 佐伯.
fn titled(text: &Folded, surname: &[char]) -> bool {
    const TITLES: &[&str] = &[
        "社長",
        "会長",
        "代表",
        "代表取締役",
        "取締役",
        "専務",
        "常務",
        "理事長",
        "学長",
        "校長",
        "所長",
        "部長",
        "ceo",
        "总",
        "董事長",
        "president",
    ];
    let all = text.text();
    text.contains(surname) && TITLES.iter().any(|title| all.contains(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_titles() {
        let mut officers = Officers::default();
        assert!(officers.add("\"佐伯 正弘\" \"Masahiro Saeki\" example.co.jp saeki@private.example"));
        assert!(!officers.add("\"江川 勝\""));
        assert!(!officers.add("example.com"));
        for (text, shown) in [
            ("佐伯 正弘", Some(Shown::Whole)),
            ("代表取締役 佐伯正弘", Some(Shown::Whole)),
            ("SAEKI Masahiro", Some(Shown::Whole)),
            ("佐伯社長", Some(Shown::Titled)),
            ("江川胜", Some(Shown::Whole)),
            ("佐伯 花子", None),
            ("Masahiro Tanaka", None),
        ] {
            assert_eq!(officers.shown_in(text).map(|(_, how)| how), shown, "{text}");
        }
        assert!(officers.own("x@mail.example.co.jp") && officers.own("Saeki@private.example"));
        assert!(!officers.own("saeki@gmail.com"));
    }
}
