//! Regular expressions that rules pass to checks as arguments.
//!
//! There are a dozen of them in a rule set and they never change while it is loaded, so each thread compiles them once
//! and keeps them; the number kept is bounded, since rules may come and go in a long-lived process.

use patterns::{Builder, Database, Flags, GroupId, PatternId, PatternSpec, Regex};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

type Compiled = Option<Rc<Database>>;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Compiled>> = RefCell::default();
    static WITH_GROUPS: RefCell<HashMap<String, Option<Rc<Regex>>>> = RefCell::default();
}

/// Most patterns kept by one thread.
const KEPT: usize = 1000;

/// Whether a pattern (without delimiters) matches; `None` if it is none.
pub fn is_match(pattern: &str, text: &[u8]) -> Option<bool> {
    let compiled = compiled(pattern, || Some((pattern.as_bytes(), Flags::default())))?;
    Some(compiled.is_match(PatternId(0), text))
}

/// The same for a pattern that may be written with delimiters and flags: `/^a/i`, `m{a}i`, or bare.
pub fn is_match_delimited(pattern: &str, text: &[u8]) -> Option<bool> {
    let delimited =
        pattern.starts_with(['/', 'm', 'q']).then(|| patterns::perl::parse_rule_literal(pattern.as_bytes()));
    match delimited {
        // Kept under another key than the same text as a bare pattern.
        Some(Ok(parsed)) => Some(compiled(&format!("\0{pattern}"), || Some(parsed))?.is_match(PatternId(0), text)),
        _ => is_match(pattern, text),
    }
}

/// What the first group of each match holds, at most so many.
pub fn first_groups(pattern: &str, text: &[u8], most: usize) -> Vec<Vec<u8>> {
    let regex = WITH_GROUPS.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern.as_bytes(), Flags::default()).ok().map(Rc::new))
            .clone()
    });
    let Some(regex) = regex else { return Vec::new() };
    let mut found = Vec::new();
    let mut start = 0;
    while found.len() < most
        && start <= text.len()
        && let Some(whole) = regex.find(text, start)
    {
        let groups = regex.groups(text, start).unwrap_or_default();
        found.extend(groups.get(1).copied().flatten().map(<[u8]>::to_vec));
        start = if whole.end > whole.start { whole.end } else { whole.end + 1 };
    }
    found
}

fn compiled<'p>(key: &str, parse: impl FnOnce() -> Option<(&'p [u8], Flags)>) -> Compiled {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(found) = kept.get(key) {
            return found.clone();
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let made = parse().and_then(|(source, flags)| {
            let mut builder = Builder::new();
            builder.add(PatternSpec::regex(GroupId(0), source, flags)).ok()?;
            Some(Rc::new(builder.build()))
        });
        kept.insert(key.to_owned(), made.clone());
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_rules() {
        assert_eq!(is_match(r"\d@", b"joe7@example.com"), Some(true));
        assert_eq!(is_match("<!(?!-).{0,6}>", b"<!x>"), Some(true));
        assert_eq!(is_match("(", b"("), None);
        assert_eq!(is_match_delimited("/^A/i", b"abc"), Some(true));
        assert_eq!(is_match_delimited("^A", b"abc"), Some(false));
        assert_eq!(is_match_delimited("m{b.}", b"abc"), Some(true));
        assert_eq!(first_groups(r"<(\w+)>", b"<a> b <c>", 9), [b"a", b"c"]);
        assert_eq!(first_groups(r"<(\w+)>", b"<a> b <c>", 1), [b"a"]);
    }
}
