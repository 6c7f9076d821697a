//! Regular expressions within logical signatures: PCRE2 as it is, with its step limit.
//!
//! ClamAV hands them to PCRE2 unchanged, so their language is PCRE2's own and not that of rules.

use crate::PatternError;
use crate::pcre2::{Code, Outcome, Search};
use crate::regex::with_workspace;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// The flags that change how the expression is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PcreFlags {
    pub caseless: bool,
    pub dot_all: bool,
    pub multiline: bool,
    pub extended: bool,
    pub anchored: bool,
    pub dollar_end_only: bool,
    pub ungreedy: bool,
}

/// One expression; compiled at its first use.
#[derive(Serialize, Deserialize)]
pub struct Pcre {
    source: Vec<u8>,
    flags: PcreFlags,
    #[serde(skip)]
    code: OnceLock<Option<Code>>,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcreMatch {
    Match(usize, usize),
    NoMatch,
    /// Given up at the step limit.
    Unknown,
}

impl Pcre {
    /// Takes the expression without looking at it.
    pub fn new(source: &[u8], flags: PcreFlags) -> Pcre {
        Pcre { source: source.to_vec(), flags, code: OnceLock::new() }
    }

    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// Would it compile?
    pub fn check(source: &[u8], flags: PcreFlags) -> Result<(), PatternError> {
        Code::compile_with(source, flags, false)
            .map(drop)
            .map_err(|(at, reason)| PatternError::new(at, format!("the expression cannot be compiled: {reason}")))
    }

    /// The first match at or after `start`; with `here` only one that begins at `start`.
    pub fn find(&self, text: &[u8], start: usize, here: bool) -> PcreMatch {
        let code = self.code.get_or_init(|| Code::compile_with(&self.source, self.flags, true).ok());
        let Some(code) = code else { return PcreMatch::Unknown };
        with_workspace(|workspace| {
            let last_start = if here { start } else { usize::MAX };
            let search = Search { subject: text, start, last_start, not_empty_at_start: false };
            match code.search(&search, workspace) {
                Outcome::Match => match workspace.group(0) {
                    Some((from, to)) => PcreMatch::Match(from, to.max(from)),
                    None => PcreMatch::NoMatch,
                },
                Outcome::NoMatch => PcreMatch::NoMatch,
                Outcome::Unknown => PcreMatch::Unknown,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_reach_the_compiler() {
        let find = |source: &str, flags: PcreFlags, text: &str| {
            Pcre::new(source.as_bytes(), flags).find(text.as_bytes(), 0, false)
        };
        let none = PcreFlags::default();
        assert_eq!(find("b.c", none, "a b\nc b-c"), PcreMatch::Match(6, 9));
        assert_eq!(find("b.c", PcreFlags { dot_all: true, ..none }, "a b\nc"), PcreMatch::Match(2, 5));
        assert_eq!(find("B-", PcreFlags { caseless: true, ..none }, "a b-c"), PcreMatch::Match(2, 4));
        assert_eq!(find("^c", PcreFlags { multiline: true, ..none }, "a\nc"), PcreMatch::Match(2, 3));
        assert_eq!(find("b c", PcreFlags { extended: true, ..none }, "abc"), PcreMatch::Match(1, 3));
        assert_eq!(find("b", PcreFlags { anchored: true, ..none }, "ab"), PcreMatch::NoMatch);
        assert_eq!(find("b$", PcreFlags { dollar_end_only: true, ..none }, "b\n"), PcreMatch::NoMatch);
        assert_eq!(find("b+", PcreFlags { ungreedy: true, ..none }, "bbb"), PcreMatch::Match(0, 1));
        assert!(Pcre::check(b"(", none).is_err());
        assert!(Pcre::check(b"(?<=x)y", none).is_ok());
    }

    #[test]
    fn a_search_can_be_held_to_one_place() {
        let pcre = Pcre::new(b"b", PcreFlags::default());
        assert_eq!(pcre.find(b"abb", 0, true), PcreMatch::NoMatch);
        assert_eq!(pcre.find(b"abb", 2, true), PcreMatch::Match(2, 3));
    }
}
