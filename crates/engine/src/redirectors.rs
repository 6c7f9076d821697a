//! `redirector_pattern`: where a redirecting URI leads.

use mail::views::Redirectors;
use patterns::{Builder, Database, Found, GroupId, PatternSpec, Regex, Scratch, Text};
use std::cell::RefCell;

/// The patterns of the configuration, compiled.
pub(crate) struct Patterns {
    /// Tells quickly which match.
    database: Database,
    /// The same, by `PatternId`, for what they capture.
    regexes: Vec<Regex>,
}

thread_local! {
    /// Views know of no scratch, so every thread keeps one here.
    static SCRATCH: RefCell<(Scratch, Found)> = RefCell::default();
}

impl Patterns {
    /// Takes them as written, with delimiters. Broken ones are reported when the rules are loaded, and left out here.
    pub fn new(written: &[Vec<u8>]) -> Patterns {
        let mut builder = Builder::new();
        let mut regexes = Vec::new();
        for literal in written {
            let Ok((source, flags)) = patterns::perl::parse_rule_literal(literal) else { continue };
            let Ok(regex) = Regex::new(source, flags) else { continue };
            if builder.add(PatternSpec::regex(GroupId(0), source, flags)).is_ok() {
                regexes.push(regex);
            }
        }
        Patterns { database: builder.build(), regexes }
    }
}

impl Redirectors for Patterns {
    fn targets(&self, uri: &[u8]) -> Vec<Vec<u8>> {
        if self.database.is_empty() {
            return Vec::new();
        }
        SCRATCH.with_borrow_mut(|(scratch, found)| {
            found.clear();
            let text = Text { bytes: uri, ends: &[uri.len() as u32] };
            self.database.scan(GroupId(0), text, scratch, found);
            let mut matched: Vec<_> = found.hits().iter().map(|hit| hit.pattern).collect();
            matched.sort_unstable();
            let groups = matched.into_iter().filter_map(|pattern| self.regexes[pattern.0 as usize].groups(uri, 0));
            groups.filter_map(|groups| groups.get(1).copied().flatten().map(with_scheme)).collect()
        })
    }
}

/// A target without scheme is a web address to the redirector, and to rules.
fn with_scheme(target: &[u8]) -> Vec<u8> {
    // "ab.icu:81/x" is a host with a port.
    let name = target.iter().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'+' | b'-')).unwrap_or(0);
    let scheme = target[name..].starts_with(b"://")
        || target[name..].starts_with(b":")
            && [&b"mailto"[..], b"tel", b"sms", b"data", b"javascript", b"line", b"intent"]
                .iter()
                .any(|known| target[..name].eq_ignore_ascii_case(known));
    if scheme || target.starts_with(b"/") { target.to_vec() } else { [b"http://", target].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_in_the_order_of_the_patterns() {
        let written = ["m'^https?://r\\.example/\\?u=(.*)$'i", "/(/", "m,^https?://[^/]+/.*?=(https?:.*),"];
        let patterns = Patterns::new(&written.map(|text| text.as_bytes().to_vec()));
        let target = b"http://target.example/".to_vec();
        assert_eq!(patterns.targets(b"http://r.example/?u=http://target.example/"), [target.clone(), target]);
        assert!(patterns.targets(b"http://other.example/").is_empty());
        for (target, wanted) in [
            ("ab.icu:81/x", "http://ab.icu:81/x"),
            ("ab:81/x", "http://ab:81/x"),
            ("mailto:a@b.example", "mailto:a@b.example"),
            ("line://x", "line://x"),
            ("/path", "/path"),
            ("", "http://"),
        ] {
            let found = patterns.targets(format!("http://r.example/?u={target}").as_bytes());
            assert_eq!(found, [wanted.as_bytes()], "{target}");
        }
    }
}
