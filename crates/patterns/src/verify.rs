//! Confirms a candidate: does this pattern match this unit, beginning in this range?
//!
//! Three ways, the cheapest that is exact: patterns of fixed shape are compared byte by byte; regular ones run
//! through a lazily built automaton, which cannot be made slow; the rest is searched by backtracking under a step
//! limit. All are built at the first candidate: most patterns of a rule set never see one.

use crate::ir::{Look, Node, Tree};
use crate::pcre2::{Code, Outcome, Search, Workspace};
use crate::{Captures, Flags, Match, PatternError, perl, translate};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::hir::Hir;
use std::sync::OnceLock;

/// Automata above this size (bytes of its description) are not built; the pattern is then searched by backtracking.
const LARGEST_NFA: usize = 64 << 20;
/// Found states kept per pattern and thread.
const STATES: usize = 8 << 20;
/// Irregular patterns of more states than this go to the backtracker at once.
const LARGEST_SIEVE: u64 = 20_000;
/// Up to this many start positions are tried one by one.
const FEW_STARTS: usize = 16;

/// How a pattern is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Shape {
    /// A fixed sequence of bytes, byte sets and looks.
    Fixed,
    Regular,
    Irregular,
}

/// What a search found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Given up at the step limit.
    Limit,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Answer {
        if yes { Answer::Yes } else { Answer::No }
    }
}

pub(crate) fn shape(tree: &Tree) -> Shape {
    let fixed = |node: &Node| matches!(node, Node::Byte(_) | Node::Set(_) | Node::Look(_));
    match &tree.root {
        Node::Concat(nodes) if nodes.iter().all(fixed) => Shape::Fixed,
        node if fixed(node) => Shape::Fixed,
        _ if tree.is_regular() => Shape::Regular,
        _ => Shape::Irregular,
    }
}

/// Refuses what the confirmers could not run, while the pattern's author can still be told.
pub(crate) fn check(tree: &Tree, source: &[u8], flags: Flags) -> Result<(), PatternError> {
    match shape(tree) {
        Shape::Fixed => Ok(()),
        Shape::Regular => {
            if tree.root.weight() > 3_000_000 {
                return Err(PatternError::new(0, "the pattern's repeats multiply to something too large"));
            }
            Ok(())
        }
        Shape::Irregular => Code::compile(&translate::to_pcre2(tree, source, flags), false)
            .map(drop)
            .map_err(|(_, reason)| PatternError::new(0, format!("the pattern cannot be compiled: {reason}"))),
    }
}

/// A pattern's confirmers, each built when first wanted.
pub(crate) struct Confirmer {
    tree: OnceLock<Option<Tree>>,
    automaton: OnceLock<Option<DFA>>,
    code: OnceLock<Option<Code>>,
    meta: OnceLock<Option<meta::Regex>>,
}

/// A pattern as its confirmer needs it.
#[derive(Clone, Copy)]
pub(crate) struct Pattern<'a> {
    pub source: &'a [u8],
    pub flags: Flags,
    pub shape: Shape,
    /// Counting by automaton gives what Perl counts.
    pub countable: bool,
}

impl Confirmer {
    pub const fn new() -> Confirmer {
        Confirmer { tree: OnceLock::new(), automaton: OnceLock::new(), code: OnceLock::new(), meta: OnceLock::new() }
    }

    pub fn tree(&self, pattern: Pattern<'_>) -> Option<&Tree> {
        self.tree.get_or_init(|| perl::parse(pattern.source, pattern.flags).ok()).as_ref()
    }

    fn code(&self, pattern: Pattern<'_>) -> Option<&Code> {
        self.code
            .get_or_init(|| {
                let tree = self.tree(pattern)?;
                Code::compile(&translate::to_pcre2(tree, pattern.source, pattern.flags), true).ok()
            })
            .as_ref()
    }

    /// For an irregular pattern, an automaton that matches wherever the pattern does, if there is one.
    fn automaton(&self, pattern: Pattern<'_>) -> Option<&DFA> {
        self.automaton
            .get_or_init(|| {
                // The tree is not kept for this: an automaton's own tables replace it.
                let tree = perl::parse(pattern.source, pattern.flags).ok()?;
                let hir = match pattern.shape {
                    Shape::Irregular if tree.root.weight() > LARGEST_SIEVE => return None,
                    Shape::Irregular => translate::to_sieve(&tree)?,
                    _ => translate::to_hir(&tree)?,
                };
                build(&hir)
            })
            .as_ref()
    }

    /// Is there a match that begins at `first..=last`? A match that begins later may also be reported; the second
    /// value is the first start that has not been tried.
    pub fn confirm(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        (first, last): (usize, usize),
        cache: &mut Option<Box<Cache>>,
        workspace: &mut Workspace,
    ) -> (Answer, usize) {
        match pattern.shape {
            Shape::Fixed => {
                let Some(tree) = self.tree(pattern) else { return (Answer::No, usize::MAX) };
                let last = last.min(unit.len());
                let yes = (first..=last).any(|start| matches_fixed(tree, unit, start));
                (yes.into(), last + 1)
            }
            Shape::Regular => match self.automaton(pattern) {
                Some(automaton) => run(automaton, unit, first, last, cache),
                None => self.backtrack(pattern, unit, first, last, workspace),
            },
            Shape::Irregular => {
                // A backtracker tries every start; an automaton passes over most texts in one go.
                if last - first >= FEW_STARTS
                    && let Some(sieve) = self.automaton(pattern)
                    && run(sieve, unit, first, last, cache).0 == Answer::No
                {
                    return (Answer::No, usize::MAX);
                }
                self.backtrack(pattern, unit, first, last, workspace)
            }
        }
    }

    /// As [`Confirmer::confirm`], for a pattern whose matches begin at starts of lines: only those are tried, and of
    /// them only lines of at least `shortest_line` bytes.
    pub fn confirm_lines(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        (first, last): (usize, usize),
        shortest_line: usize,
        cache: &mut Option<Box<Cache>>,
        workspace: &mut Workspace,
    ) -> Answer {
        let mut at = first;
        let mut outcome = Answer::No;
        while at <= last {
            let line = memchr::memchr(b'\n', &unit[at..]);
            let long_enough = line.unwrap_or(unit.len() - at) >= shortest_line;
            if long_enough && (at == 0 || unit[at - 1] == b'\n') && self.may_start(pattern, unit, at, cache) {
                match self.confirm(pattern, unit, (at, at), cache, workspace).0 {
                    Answer::Yes => return Answer::Yes,
                    Answer::Limit => outcome = Answer::Limit,
                    Answer::No => {}
                }
            }
            let Some(line) = line else { break };
            at += line + 1;
        }
        outcome
    }

    /// Asks an irregular pattern's sieve, if there is one, whether a match may begin at `start`.
    fn may_start(&self, pattern: Pattern<'_>, unit: &[u8], start: usize, cache: &mut Option<Box<Cache>>) -> bool {
        pattern.shape != Shape::Irregular
            || self.automaton(pattern).is_none_or(|sieve| {
                let cache = cache.get_or_insert_with(|| Box::new(sieve.create_cache()));
                let input = Input::new(unit).range(start..).anchored(Anchored::Yes).earliest(true);
                !matches!(sieve.try_search_fwd(cache, &input), Ok(None))
            })
    }

    fn backtrack(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        first: usize,
        last: usize,
        workspace: &mut Workspace,
    ) -> (Answer, usize) {
        let Some(code) = self.code(pattern) else { return (Answer::Limit, usize::MAX) };
        let search = Search { subject: unit, start: first, last_start: last, not_empty_at_start: false };
        let answer = match code.search(&search, workspace) {
            Outcome::Match => Answer::Yes,
            Outcome::NoMatch => Answer::No,
            Outcome::Unknown => Answer::Limit,
        };
        (answer, last.saturating_add(1))
    }

    /// Counts as Perl's `while (/$re/g)`, up to `limit` (0: no limit).
    pub fn count(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        limit: u32,
        cache: &mut Option<Box<Cache>>,
        workspace: &mut Workspace,
    ) -> (u32, Answer) {
        let enough = |count: u32| limit != 0 && count >= limit;
        let mut count = 0;
        let mut at = 0;
        if pattern.shape == Shape::Fixed
            && pattern.countable
            && let Some(tree) = self.tree(pattern)
        {
            if let Node::Byte(byte) = tree.root {
                let limit = if limit == 0 { usize::MAX } else { limit as usize };
                let count = memchr::memchr_iter(byte, unit).take(limit).count() as u32;
                return (count, (count > 0).into());
            }
            while !enough(count) {
                let Some(start) = (at..unit.len()).find(|start| matches_fixed(tree, unit, *start)) else { break };
                count += 1;
                at = start + tree.root.span().min as usize;
            }
            return (count, (count > 0).into());
        }
        if pattern.countable
            && let Some(automaton) = self.automaton(pattern)
        {
            let cache = cache.get_or_insert_with(|| Box::new(automaton.create_cache()));
            while !enough(count) {
                let input = Input::new(unit).range(at..);
                match automaton.try_search_fwd(cache, &input) {
                    Ok(Some(found)) if found.offset() > at => {
                        count += 1;
                        at = found.offset();
                    }
                    _ => break,
                }
            }
            return (count, (count > 0).into());
        }
        let Some(code) = self.code(pattern) else { return (0, Answer::Limit) };
        let mut not_empty_at_start = false;
        while !enough(count) {
            let search = Search { subject: unit, start: at, last_start: usize::MAX, not_empty_at_start };
            match code.search(&search, workspace) {
                Outcome::Match => {}
                Outcome::NoMatch => break,
                Outcome::Unknown => return (count, Answer::Limit),
            }
            count += 1;
            let Some((start, end)) = workspace.group(0) else { break };
            not_empty_at_start = start == end;
            at = end;
        }
        (count, (count > 0).into())
    }

    /// As [`Confirmer::count`], for a pattern whose matches begin at starts of lines and are not empty. `None`: it takes
    /// [`Confirmer::count`].
    pub fn count_lines(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        limit: u32,
        cache: &mut Option<Box<Cache>>,
        workspace: &mut Workspace,
    ) -> Option<(u32, Answer)> {
        if pattern.shape == Shape::Fixed || pattern.shape == Shape::Regular && !pattern.countable {
            return None;
        }
        let automaton = self.automaton(pattern)?;
        let cache = cache.get_or_insert_with(|| Box::new(automaton.create_cache()));
        let mut count = 0;
        let mut at = 0;
        while at < unit.len() && (limit == 0 || count < limit) {
            if at == 0 || unit[at - 1] == b'\n' {
                let sieve = pattern.shape == Shape::Irregular;
                let input = Input::new(unit).range(at..).anchored(Anchored::Yes).earliest(sieve);
                let mut end = automaton.try_search_fwd(cache, &input).ok()?.map(|found| found.offset());
                if sieve && end.is_some() {
                    let search = Search { subject: unit, start: at, last_start: at, not_empty_at_start: false };
                    end = match self.code(pattern)?.search(&search, workspace) {
                        Outcome::Match => workspace.group(0).map(|(_, end)| end),
                        Outcome::NoMatch => None,
                        Outcome::Unknown => return Some((count, Answer::Limit)),
                    };
                }
                if let Some(end) = end {
                    count += 1;
                    at = end.max(at + 1);
                    continue;
                }
            }
            let Some(line) = memchr::memchr(b'\n', &unit[at..]) else { break };
            at += line + 1;
        }
        Some((count, (count > 0).into()))
    }

    fn meta(&self, pattern: Pattern<'_>) -> Option<&meta::Regex> {
        self.meta
            .get_or_init(|| {
                let hir = translate::to_hir(self.tree(pattern)?)?;
                let config = meta::Config::new()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(LARGEST_NFA))
                    .which_captures(WhichCaptures::Implicit);
                meta::Builder::new().configure(config).build_from_hir(&hir).ok()
            })
            .as_ref()
    }

    /// Is there a match anywhere?
    pub fn exists(&self, pattern: Pattern<'_>, unit: &[u8]) -> bool {
        if pattern.shape == Shape::Fixed {
            let fixed = |tree: &Tree| (0..=unit.len()).any(|start| matches_fixed(tree, unit, start));
            return self.tree(pattern).is_some_and(fixed);
        }
        if pattern.shape == Shape::Regular
            && let Some(meta) = self.meta(pattern)
        {
            return meta.is_match(unit);
        }
        crate::regex::with_workspace(|workspace| {
            self.backtrack(pattern, unit, 0, usize::MAX, workspace).0 == Answer::Yes
        })
    }

    /// The named groups of the first match at or after `start`, and where it was.
    pub fn captures<'h>(
        &self,
        pattern: Pattern<'_>,
        unit: &'h [u8],
        start: usize,
        workspace: &mut Workspace,
    ) -> Option<(Match, Captures<'h>)> {
        let (found, known) = self.find(pattern, unit, start, workspace)?;
        let mut captures = Captures::new();
        if known && let Some(tree) = self.tree(pattern) {
            for (index, name) in (1u32..).zip(&tree.names) {
                if let Some(name) = name
                    && let Some((start, end)) = workspace.group(index)
                    && let Some(bytes) = unit.get(start..end)
                {
                    captures.push((name.clone(), bytes));
                }
            }
        }
        Some((found, captures))
    }

    /// The first match at or after `start`, with the bounds of its groups left in the workspace where the
    /// backtracker found it (the second value).
    pub fn find(
        &self,
        pattern: Pattern<'_>,
        unit: &[u8],
        start: usize,
        workspace: &mut Workspace,
    ) -> Option<(Match, bool)> {
        if let Some(code) = self.code(pattern) {
            let search = Search { subject: unit, start, last_start: usize::MAX, not_empty_at_start: false };
            match code.search(&search, workspace) {
                Outcome::Match => {
                    if let Some((start, end)) = workspace.group(0) {
                        return Some((Match { start, end }, true));
                    }
                }
                Outcome::NoMatch => return None,
                Outcome::Unknown => {}
            }
        }
        if start > unit.len() || pattern.shape == Shape::Irregular {
            return None;
        }
        let found = self.meta(pattern)?.search(&Input::new(unit).range(start..))?;
        Some((Match { start: found.start(), end: found.end() }, false))
    }
}

fn build(expression: &Hir) -> Option<DFA> {
    let config =
        NFA::config().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(LARGEST_NFA)).shrink(false);
    let nfa = NFA::compiler().configure(config).build_from_hir(expression).ok()?;
    let config =
        DFA::config().match_kind(MatchKind::LeftmostFirst).cache_capacity(STATES).skip_cache_capacity_check(true);
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

fn run(automaton: &DFA, unit: &[u8], first: usize, last: usize, cache: &mut Option<Box<Cache>>) -> (Answer, usize) {
    let last = last.min(unit.len());
    if first > last {
        return (Answer::No, usize::MAX);
    }
    let cache = cache.get_or_insert_with(|| Box::new(automaton.create_cache()));
    let mut found = |start: usize, anchored: Anchored| {
        let input = Input::new(unit).range(start..).anchored(anchored).earliest(true);
        matches!(automaton.try_search_fwd(cache, &input), Ok(Some(_)))
    };
    if last - first < FEW_STARTS {
        let yes = (first..=last).any(|start| found(start, Anchored::Yes));
        return (yes.into(), last + 1);
    }
    (found(first, Anchored::No).into(), usize::MAX)
}

/// A pattern that is a plain sequence, at exactly this place.
fn matches_fixed(tree: &Tree, unit: &[u8], start: usize) -> bool {
    let nodes = match &tree.root {
        Node::Concat(nodes) => nodes,
        node => std::slice::from_ref(node),
    };
    let mut at = start;
    for node in nodes {
        let fits = match node {
            Node::Byte(byte) => {
                at += 1;
                unit.get(at - 1) == Some(byte)
            }
            Node::Set(id) => {
                at += 1;
                unit.get(at - 1).is_some_and(|byte| tree.set(*id).contains(*byte))
            }
            Node::Look(look) => looks(*look, unit, at),
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

fn looks(look: Look, unit: &[u8], at: usize) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let before = || at.checked_sub(1).and_then(|i| unit.get(i));
    match look {
        Look::Start => at == 0,
        Look::End => at == unit.len(),
        Look::EndOrLastLineFeed => at == unit.len() || at + 1 == unit.len() && unit[at] == b'\n',
        Look::LineStart => at == 0 || at < unit.len() && unit[at - 1] == b'\n',
        Look::LineEnd => at == unit.len() || unit.get(at) == Some(&b'\n'),
        Look::WordBoundary => word(before()) != word(unit.get(at)),
        Look::NotWordBoundary => word(before()) == word(unit.get(at)),
    }
}
