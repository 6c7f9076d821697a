//! The Public Suffix List in the form in which it is published: under which names may anybody register?
//!
//! In: the text of `public_suffix_list.dat`. Out: how many labels at the end of a name are the registry's. Lines that are no
//! rules are passed over; beyond a limit they are not read. The list that is compiled in (`psl`) answers the same where
//! nobody gave another.

use crate::tld::{idn_to_ascii, last_labels};
use std::collections::HashMap;

/// A whole list.
#[derive(Debug, Clone, Default)]
pub struct Suffixes {
    rules: HashMap<Box<[u8]>, Rules>,
}

/// What the list says of one name.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    /// `co.jp`
    itself: bool,
    /// `*.ck`, at `ck`
    below: bool,
    /// `!www.ck`
    except: bool,
}

/// Rules that are read; the list has ten thousand.
const MOST: usize = 200_000;
/// DNS has no longer name.
const LONGEST: usize = 253;

impl Suffixes {
    /// `None` where there is no rule in it.
    pub fn parse(text: &str) -> Option<Suffixes> {
        let mut rules: HashMap<Box<[u8]>, Rules> = HashMap::new();
        let written = text.lines().filter_map(|line| line.split_whitespace().next());
        for rule in written.filter(|rule| !rule.starts_with("//") && rule.len() <= LONGEST) {
            if rules.len() >= MOST {
                break;
            }
            let (name, of): (&str, fn(&mut Rules)) = match (rule.strip_prefix('!'), rule.strip_prefix("*.")) {
                (Some(name), _) => (name, |rules| rules.except = true),
                (_, Some(name)) => (name, |rules| rules.below = true),
                _ => (rule, |rules| rules.itself = true),
            };
            let name = idn_to_ascii(name.trim_matches('.').to_lowercase().as_bytes()).into_owned();
            if !name.is_empty() && !name.contains(&b'*') {
                of(rules.entry(name.into()).or_default());
            }
        }
        (!rules.is_empty()).then_some(Suffixes { rules })
    }

    /// A top level that the list knows. Lower case.
    pub fn is_top_level(&self, label: &[u8]) -> bool {
        !label.contains(&b'.') && self.rules.contains_key(label)
    }

    /// How many labels at the end of a name in lower case are the registry's: at least one.
    pub fn labels(&self, name: &[u8]) -> usize {
        let all = name.split(|&b| b == b'.').count();
        // No rule has more.
        for labels in (1..=all.min(LABELS)).rev() {
            let of = |labels: usize| self.rules.get(last_labels(name, labels)).copied().unwrap_or_default();
            let here = of(labels);
            if here.except {
                return labels.max(2) - 1;
            }
            if here.itself || labels > 1 && of(labels - 1).below {
                return labels;
            }
        }
        1
    }
}

/// Labels of a rule that are looked at.
const LABELS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use psl::Psl as _;

    const LIST: &str = "// ===BEGIN ICANN DOMAINS===\n\ncom\njp\nac.jp\nco.jp \n*.kawasaki.jp\n!city.kawasaki.jp\nkobe.jp trailing words\n\
                        ck\n*.ck\n!www.ck\n日本\n公司.cn\ncn\n// ===BEGIN PRIVATE DOMAINS===\nblogspot.com\n*.compute.example.com\n";

    #[test]
    fn rules_wildcards_and_exceptions() {
        let list = Suffixes::parse(LIST).unwrap();
        for (name, labels) in [
            ("com", 1),
            ("example.com", 1),
            ("a.blogspot.com", 2),
            ("www.example.co.jp", 2),
            ("example.jp", 1),
            ("a.b.kawasaki.jp", 3),
            ("kawasaki.jp", 1),
            ("city.kawasaki.jp", 2),
            ("www.city.kawasaki.jp", 2),
            ("a.kobe.jp", 2),
            ("x.ck", 2),
            ("www.ck", 1),
            ("a.www.ck", 1),
            ("a.eu.compute.example.com", 4),
            ("a.xn--wgv71a", 1),
            ("a.xn--55qx5d.cn", 2),
            ("unknown", 1),
            ("a.unknown", 1),
            ("", 1),
            ("a..com", 1),
        ] {
            assert_eq!(list.labels(name.as_bytes()), labels, "{name}");
        }
        assert!(list.is_top_level(b"jp") && list.is_top_level(b"xn--wgv71a") && !list.is_top_level(b"unknown"));
        assert!(!list.is_top_level(b"co.jp"));
        assert!(Suffixes::parse("// nothing\n\n").is_none());
        assert!(Suffixes::parse("*.*.x\n").is_none());
    }

    /// Those of these names that the list above knows are divided as the compiled list divides them.
    #[test]
    fn as_the_list_that_is_compiled_in() {
        let list = Suffixes::parse(LIST).unwrap();
        for name in
            ["www.example.co.jp", "a.city.kawasaki.jp", "a.b.c.kawasaki.jp", "a.blogspot.com", "b.www.ck", "b.x.ck"]
        {
            let known = psl::List.suffix(name.as_bytes()).unwrap().as_bytes().split(|&b| b == b'.').count();
            assert_eq!(list.labels(name.as_bytes()), known, "{name}");
        }
    }
}
