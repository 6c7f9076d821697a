//! A single pattern outside of any database: for settings, templates and checks that bring their own expression.

use crate::pcre2::Workspace;
use crate::verify::{self, Confirmer, Pattern};
use crate::{Captures, Flags, Match, PatternError, perl};
use std::cell::RefCell;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::default());
}

/// Matches exactly as Perl does on bytes with `/aa`. Shared freely between threads; built at its first use.
pub struct Regex {
    source: Vec<u8>,
    flags: Flags,
    shape: verify::Shape,
    confirmer: Confirmer,
}

impl Regex {
    pub fn new(source: &[u8], flags: Flags) -> Result<Regex, PatternError> {
        let tree = perl::parse(source, flags)?;
        verify::check(&tree, source, flags)?;
        let shape = verify::shape(&tree);
        Ok(Regex { source: source.to_vec(), flags, shape, confirmer: Confirmer::new() })
    }

    /// From a rule's own notation, `/re/i`.
    pub fn from_literal(text: &[u8]) -> Result<Regex, PatternError> {
        let (source, flags) = perl::parse_rule_literal(text)?;
        Regex::new(source, flags)
    }

    pub fn source(&self) -> &[u8] {
        &self.source
    }

    fn pattern(&self) -> Pattern<'_> {
        Pattern { source: &self.source, flags: self.flags, shape: self.shape, countable: false }
    }

    /// A search given up at its step limit counts as no match.
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.confirmer.exists(self.pattern(), haystack)
    }

    pub fn find(&self, haystack: &[u8], start: usize) -> Option<Match> {
        WORKSPACE.with_borrow_mut(|workspace| {
            self.confirmer.find(self.pattern(), haystack, start, workspace).map(|(found, _)| found)
        })
    }

    /// Groups 0 (the whole match), 1, 2, ...; `None` where a group took no part.
    pub fn groups<'h>(&self, haystack: &'h [u8], start: usize) -> Option<Vec<Option<&'h [u8]>>> {
        WORKSPACE.with_borrow_mut(|workspace| {
            let (found, known) = self.confirmer.find(self.pattern(), haystack, start, workspace)?;
            let count = self.confirmer.tree(self.pattern()).map_or(0, |tree| tree.names.len() as u32);
            let mut groups = vec![haystack.get(found.start..found.end)];
            for index in 1..=count {
                let place = if known { workspace.group(index) } else { None };
                groups.push(place.and_then(|(start, end)| haystack.get(start..end)));
            }
            Some(groups)
        })
    }

    /// The named groups of the first match at or after `start`, and where it was.
    pub fn captures<'h>(&self, haystack: &'h [u8], start: usize) -> Option<(Match, Captures<'h>)> {
        WORKSPACE.with_borrow_mut(|workspace| self.confirmer.captures(self.pattern(), haystack, start, workspace))
    }
}

pub(crate) fn with_workspace<T>(run: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with_borrow_mut(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_names_are_told() {
        let regex = Regex::from_literal(b"/(?<user>\\w+)@(x)?(?<host>[\\w.]+)/").expect("valid");
        let text = b"to ann@example.org";
        let (found, names) = regex.captures(text, 0).expect("matches");
        assert_eq!(found, Match { start: 3, end: 18 });
        assert_eq!(names, [("user".to_string(), &b"ann"[..]), ("host".to_string(), b"example.org")]);
        let groups = regex.groups(text, 0).expect("matches");
        assert_eq!(groups, [Some(&b"ann@example.org"[..]), Some(b"ann"), None, Some(b"example.org")]);
        assert!(regex.is_match(text) && !regex.is_match(b"nobody"));
    }
}
