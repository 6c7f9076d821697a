//! Which bytes must be present? For every pattern either fragments of which each match contains one, or a window
//! of byte sets that each match passes through; chosen so that as few places in mail as possible look like it.
//! Always a superset of the truth: look-around that forbids is ignored, back-references may be anything.

use crate::ir::{ByteSet, Look, Node, Span, Tree};
use crate::model;
use std::collections::BTreeSet;

/// A text (lower case) that stands `before` bytes behind the start of the match.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    pub text: Vec<u8>,
    pub before: Span,
}

/// Successive byte sets, the first of them `before` bytes behind the start of the match.
#[derive(Clone, Debug)]
pub struct Window {
    pub sets: Vec<ByteSet>,
    pub before: Span,
}

#[derive(Clone, Debug)]
pub enum Requirement {
    /// Nothing useful is known: always confirm.
    Nothing,
    AnyFragment(Vec<Fragment>),
    AnyWindow(Vec<Window>),
}

/// Length of a window.
pub const WINDOW: usize = 8;
/// Fragments shorter than this are met too often to be looked up.
pub const SHORTEST: usize = 3;
/// Of longer ones this much is compared.
const LONGEST: usize = 16;
/// Most strings that a run of neighbouring nodes may stand for.
const MOST_STRINGS: usize = 32;
const MOST_FRAGMENTS: usize = 2_000;
/// A byte set is spelled out up to this many (case-folded) bytes.
const SPELLED: usize = 6;
/// Below this expected share of places, nothing rarer is looked for.
const RARE: f32 = 1e-5;
/// Above it, all beginnings of a match are spelled out to find something rarer.
const COMMON: f32 = 1e-3;
/// Above this expected share of places, looking a fragment up is not worth it.
const TOO_COMMON: f32 = 0.04;
/// The same for windows of a pattern whose automaton is large: trying it at every third place is still better than
/// keeping track of all its beginnings at once.
const TOO_COMMON_LARGE: f32 = 0.3;
const LARGE: u64 = 400;

/// `whole`: a candidate has the whole unit searched, so where in a match it stands does not matter.
pub fn requirement(tree: &Tree, whole: bool) -> Requirement {
    if tree.root.any(&mut |node| matches!(node, Node::Opaque)) {
        return Requirement::Nothing;
    }
    let fragments = Extractor { tree }.best(&tree.root);
    if let Some(choice) = &fragments
        && choice.cost < RARE
    {
        return Requirement::AnyFragment(fragments.map(|c| c.fragments).unwrap_or_default());
    }
    let windows = Windows::new(tree).best();
    let cost = |fragments: &Option<Choice>| {
        let fragments = fragments.as_ref().map_or(f32::INFINITY, |choice| choice.cost);
        windows.as_ref().map_or(fragments, |(_, cost)| fragments.min(*cost))
    };
    let dear = if whole { TOO_COMMON } else { COMMON };
    let fragments = if cost(&fragments) > dear { better(fragments, prefixes(tree)) } else { fragments };
    let large = tree.is_regular() && tree.root.weight() > LARGE;
    let too_common_window = if large { TOO_COMMON_LARGE } else { TOO_COMMON };
    match (fragments, windows) {
        (Some(fragments), Some((_, cost))) if fragments.cost <= cost * 2.0 => {
            Requirement::AnyFragment(fragments.fragments)
        }
        (_, Some((windows, cost))) if cost < too_common_window => Requirement::AnyWindow(windows),
        (Some(fragments), _) if fragments.cost < TOO_COMMON => Requirement::AnyFragment(fragments.fragments),
        _ => Requirement::Nothing,
    }
}

/// A set of fragments of which every match contains one.
struct Choice {
    fragments: Vec<Fragment>,
    /// Expected confirmations per byte of text, dearer ones counted more.
    cost: f32,
}

impl Choice {
    fn of(strings: &[Vec<u8>], before: Span) -> Option<Choice> {
        let mut choice = Choice { fragments: Vec::with_capacity(strings.len()), cost: 0.0 };
        for text in strings {
            if text.len() < SHORTEST {
                return None;
            }
            let (offset, text) = if text.len() > LONGEST { rarest_part(text) } else { (0, &text[..]) };
            let offset = Span { min: offset, max: Some(offset) };
            let fragment = Fragment { text: text.to_vec(), before: before.then(offset) };
            choice.cost += model::text_chance(text) * dearness(before) + 1e-9;
            if !choice.fragments.contains(&fragment) {
                choice.fragments.push(fragment);
            }
        }
        Some(choice)
    }

    fn shifted(mut self, before: Span) -> Choice {
        let was = dearness(Span::ZERO);
        self.fragments.iter_mut().for_each(|f| f.before = before.then(f.before));
        self.cost *= dearness(before) / was;
        self
    }
}

/// What a confirmation costs when it has to begin this far before the fragment.
fn dearness(before: Span) -> f32 {
    match before.max {
        Some(max) => 1.0 + 0.2 * (max - before.min).min(100) as f32,
        None => 20.0,
    }
}

fn rarest_part(text: &[u8]) -> (u32, &[u8]) {
    let parts = text.windows(LONGEST).enumerate();
    let chance = |part: &[u8]| model::text_chance(part);
    parts.min_by(|a, b| chance(a.1).total_cmp(&chance(b.1))).map_or((0, text), |(offset, part)| (offset as u32, part))
}

fn better(a: Option<Choice>, b: Option<Choice>) -> Option<Choice> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.cost <= b.cost { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// What is known about a node.
struct Facts {
    /// All (case-folded) strings that it can match, if they are few.
    exact: Option<Vec<Vec<u8>>>,
    /// The best fragments found inside.
    best: Option<Choice>,
}

struct Extractor<'t> {
    tree: &'t Tree,
}

impl Extractor<'_> {
    fn best(&self, node: &Node) -> Option<Choice> {
        let facts = self.facts(node);
        better(facts.exact.and_then(|strings| Choice::of(&strings, Span::ZERO)), facts.best)
    }

    /// The case-folded bytes of a one-byte node, if few.
    fn spelled(&self, node: &Node) -> Option<Vec<u8>> {
        match node {
            Node::Byte(byte) => Some(vec![byte.to_ascii_lowercase()]),
            Node::Set(id) => {
                let set = self.tree.set(*id);
                if set.len() as usize > SPELLED * 2 {
                    return None;
                }
                let mut bytes: Vec<u8> = set.iter().map(|b| b.to_ascii_lowercase()).collect();
                bytes.sort_unstable();
                bytes.dedup();
                (bytes.len() <= SPELLED).then_some(bytes)
            }
            _ => None,
        }
    }

    fn facts(&self, node: &Node) -> Facts {
        let empty = || Some(vec![Vec::new()]);
        match node {
            Node::Empty | Node::Look(_) | Node::Keep => Facts { exact: empty(), best: None },
            Node::Byte(_) | Node::Set(_) => {
                let exact = self.spelled(node).map(|bytes| bytes.into_iter().map(|b| vec![b]).collect());
                Facts { exact, best: None }
            }
            Node::Capture(capture) => self.facts(&capture.node),
            Node::Atomic(node) => self.facts(node),
            Node::Around(around) => {
                let best = if around.ahead && !around.negative { self.best(&around.node) } else { None };
                Facts { exact: empty(), best }
            }
            Node::BackReference(_) | Node::Opaque => Facts { exact: None, best: None },
            Node::Repeat(repeat) => {
                if repeat.max == Some(0) {
                    return Facts { exact: empty(), best: None };
                }
                let inner = self.facts(&repeat.node);
                if repeat.min == 0 {
                    let exact = (repeat.max == Some(1)).then_some(inner.exact).flatten().map(|mut strings| {
                        if !strings.iter().any(Vec::is_empty) {
                            strings.push(Vec::new());
                        }
                        strings
                    });
                    return Facts { exact, best: None };
                }
                if repeat.max == Some(1) {
                    return inner;
                }
                let copies = repeat.min.min(LONGEST as u32);
                let copied = inner
                    .exact
                    .as_ref()
                    .and_then(|strings| (1..copies).try_fold(strings.clone(), |sum, _| product(&sum, strings)));
                let exact_known = repeat.max == Some(repeat.min) && copies == repeat.min;
                let best = better(
                    inner.best,
                    copied.as_ref().or(inner.exact.as_ref()).and_then(|strings| Choice::of(strings, Span::ZERO)),
                );
                Facts { exact: if exact_known { copied } else { None }, best }
            }
            Node::Alternate(nodes) => self.alternate(nodes),
            Node::Concat(nodes) => self.concat(nodes),
        }
    }

    fn alternate(&self, nodes: &[Node]) -> Facts {
        let mut exact = Some(Vec::new());
        let mut sum = Some(Choice { fragments: Vec::new(), cost: 0.0 });
        for node in nodes {
            let facts = self.facts(node);
            exact = match (exact, &facts.exact) {
                (Some(mut all), Some(strings)) => {
                    for text in strings {
                        if !all.contains(text) {
                            all.push(text.clone());
                        }
                    }
                    (all.len() <= MOST_STRINGS * 4).then_some(all)
                }
                _ => None,
            };
            sum = sum.and_then(|mut sum| {
                let own = facts.exact.and_then(|strings| Choice::of(&strings, Span::ZERO));
                let branch = better(own, facts.best)?;
                sum.cost += branch.cost;
                sum.fragments.extend(branch.fragments);
                (sum.fragments.len() <= MOST_FRAGMENTS).then_some(sum)
            });
            if exact.is_none() && sum.is_none() {
                return Facts { exact: None, best: None };
            }
        }
        Facts { exact, best: sum }
    }

    fn concat(&self, nodes: &[Node]) -> Facts {
        let mut best = None;
        let mut all_exact = true;
        let mut before = Span::ZERO; // what is matched before the run
        let mut run: Vec<Vec<u8>> = vec![Vec::new()];
        let mut run_span = Span::ZERO;
        for node in nodes {
            let span = node.span();
            if let Some(bytes) = self.spelled(node)
                && let [byte] = bytes[..]
                && run.len() <= MOST_STRINGS
            {
                run.iter_mut().for_each(|text| text.push(byte));
                run_span = run_span.then(span);
                continue;
            }
            let facts = self.facts(node);
            if let Some(inner) = facts.best {
                best = better(best, Some(inner.shifted(before.then(run_span))));
            }
            let longer = facts.exact.as_ref().and_then(|strings| product(&run, strings));
            match longer {
                Some(longer) => {
                    run = longer;
                    run_span = run_span.then(span);
                }
                None => {
                    best = better(best, Choice::of(&run, before));
                    all_exact = false;
                    before = before.then(run_span);
                    match facts.exact {
                        Some(strings) => {
                            run = strings;
                            run_span = span;
                        }
                        None => {
                            before = before.then(span);
                            run = vec![Vec::new()];
                            run_span = Span::ZERO;
                        }
                    }
                }
            }
        }
        if all_exact {
            return Facts { exact: Some(run), best };
        }
        Facts { exact: None, best: better(best, Choice::of(&run, before)) }
    }
}

fn product(left: &[Vec<u8>], right: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if left.len() * right.len() > MOST_STRINGS {
        return None;
    }
    let mut out = Vec::with_capacity(left.len() * right.len());
    for a in left {
        for b in right {
            let mut text = Vec::with_capacity(a.len() + b.len());
            text.extend_from_slice(a);
            text.extend_from_slice(b);
            if !out.contains(&text) {
                out.push(text);
            }
        }
    }
    Some(out)
}

/// With which texts can a match begin? The longest of few enough; `None` if some match begins with anything.
fn prefixes(tree: &Tree) -> Option<Choice> {
    let beginnings = |length| Beginnings { tree, length }.all().and_then(|texts| Choice::of(&texts, Span::ZERO));
    (SHORTEST..=LONGEST_PREFIX).rev().find_map(beginnings)
}

const LONGEST_PREFIX: usize = 6;
/// A byte set is spelled out in a prefix up to this many (case-folded) bytes.
const SPELLED_PREFIX: usize = 16;

/// Spells out how matches begin, byte after byte.
struct Beginnings<'t> {
    tree: &'t Tree,
    length: usize,
}

/// Beginnings, and whether the match goes on right behind them with what comes next in the tree.
type Begun = BTreeSet<(Vec<u8>, bool)>;

impl Beginnings<'_> {
    fn all(&self) -> Option<Vec<Vec<u8>>> {
        let begun = self.extend(&self.tree.root, Begun::from([(Vec::new(), true)]))?;
        let mut texts: Vec<Vec<u8>> = Vec::with_capacity(begun.len());
        for (text, _) in begun {
            // In order, so that a text comes right after its own beginning, which finds it as well.
            if !texts.last().is_some_and(|last| text.starts_with(last)) {
                texts.push(text);
            }
        }
        Some(texts)
    }

    fn extend(&self, node: &Node, begun: Begun) -> Option<Begun> {
        match node {
            Node::Empty | Node::Look(_) | Node::Around(_) | Node::Keep => Some(begun),
            Node::Byte(_) | Node::Set(_) => {
                let set = self.tree.byte_set(node)?;
                let mut bytes: Vec<u8> = set.iter().map(|byte| byte.to_ascii_lowercase()).collect();
                bytes.sort_unstable();
                bytes.dedup();
                let mut extended = Begun::new();
                for (mut text, open) in begun {
                    if !open || bytes.len() > SPELLED_PREFIX {
                        extended.insert((text, false));
                        continue;
                    }
                    for byte in &bytes {
                        text.push(*byte);
                        extended.insert((text.clone(), text.len() < self.length));
                        text.pop();
                    }
                }
                self.if_useful(extended)
            }
            Node::Concat(nodes) => nodes.iter().try_fold(begun, |begun, node| {
                if begun.iter().any(|(_, open)| *open) { self.extend(node, begun) } else { Some(begun) }
            }),
            Node::Alternate(nodes) => {
                let mut sum = Begun::new();
                for node in nodes {
                    sum.append(&mut self.extend(node, begun.clone())?);
                }
                self.if_useful(sum)
            }
            Node::Capture(capture) => self.extend(&capture.node, begun),
            Node::Atomic(node) => self.extend(node, begun),
            Node::BackReference(_) | Node::Opaque => {
                self.if_useful(begun.into_iter().map(|(text, _)| (text, false)).collect())
            }
            Node::Repeat(repeat) => {
                let rounds = self.length as u32 + 1;
                let mut last = begun;
                for _ in 0..repeat.min.min(rounds) {
                    last = self.extend(&repeat.node, last)?;
                }
                let mut sum = last.clone();
                for _ in repeat.min..repeat.max.unwrap_or(u32::MAX).min(repeat.min.saturating_add(rounds)) {
                    last = self.extend(&repeat.node, last)?;
                    let before = sum.len();
                    sum.extend(last.iter().cloned());
                    if sum.len() == before {
                        break;
                    }
                }
                self.if_useful(sum)
            }
        }
    }

    /// Gives up where there are too many texts or where one stays too short.
    fn if_useful(&self, begun: Begun) -> Option<Begun> {
        let useful = begun.len() <= MOST_FRAGMENTS && begun.iter().all(|(text, open)| *open || text.len() >= SHORTEST);
        useful.then_some(begun)
    }
}

/// Finds byte-set windows by stepping through all ways the pattern can go on at once.
struct Windows<'t> {
    tree: &'t Tree,
    states: Vec<State>,
    /// The round in which a state was last visited; rounds are counted over all steps.
    seen: Vec<u32>,
    round: u32,
    /// States that may still be visited; then the best window so far must do.
    budget: usize,
}

enum State {
    Byte(ByteSet, u32),
    Split(Vec<u32>),
    Accept,
}

/// Windows of which every match passes through one.
struct WindowChoice {
    windows: Vec<Window>,
    cost: f32,
}

/// Larger automata than this are not stepped through.
const MOST_STATES: usize = 300_000;
const MOST_VISITS: usize = 300_000;
const MOST_WINDOWS: usize = 24;
/// Branches with shorter matches than this are letters in disguise, not phrases: they are not looked into.
const PHRASE: u32 = 3;

impl<'t> Windows<'t> {
    fn new(tree: &'t Tree) -> Windows<'t> {
        Windows { tree, states: vec![State::Accept], seen: Vec::new(), round: 0, budget: MOST_VISITS }
    }

    /// The windows and how often they are expected per byte of text.
    fn best(mut self) -> Option<(Vec<Window>, f32)> {
        let (_, choice) = self.explore(&self.tree.root, 0, Span::ZERO)?;
        choice.map(|choice| (choice.windows, choice.cost))
    }

    /// The node's entry in an automaton that goes on at `next`, and the best windows that begin at the node or
    /// inside it.
    fn explore(&mut self, node: &Node, next: u32, before: Span) -> Option<(u32, Option<WindowChoice>)> {
        match node {
            Node::Concat(nodes) => {
                let mut befores = Vec::with_capacity(nodes.len());
                let mut sum = before;
                for node in nodes {
                    befores.push(sum);
                    sum = sum.then(node.span());
                }
                let mut best = None;
                let mut entry = next;
                for (node, before) in nodes.iter().zip(&befores).rev() {
                    let (here, choice) = self.explore(node, entry, *before)?;
                    best = less(choice, best);
                    entry = here;
                }
                Some((entry, best))
            }
            Node::Alternate(nodes) if nodes.iter().all(|node| node.span().min >= PHRASE) => {
                let mut entries = Vec::with_capacity(nodes.len());
                let mut sum = Some(WindowChoice { windows: Vec::new(), cost: 0.0 });
                for node in nodes {
                    let (entry, choice) = self.explore(node, next, before)?;
                    entries.push(entry);
                    sum = sum.zip(choice).and_then(|(mut sum, choice)| {
                        sum.cost += choice.cost + 1e-5;
                        sum.windows.extend(choice.windows);
                        (sum.windows.len() <= MOST_WINDOWS).then_some(sum)
                    });
                }
                let entry = self.push(State::Split(entries))?;
                let whole = self.window(entry, before);
                Some((entry, less(sum, whole)))
            }
            Node::Capture(capture) => self.explore(&capture.node, next, before),
            Node::Atomic(node) => self.explore(node, next, before),
            Node::Repeat(repeat) if repeat.min > 0 && !matches!(repeat.node, Node::Byte(_) | Node::Set(_)) => {
                let rest = self.repeat(&repeat.node, repeat.min - 1, repeat.max.map(|max| max.max(1) - 1), next)?;
                self.explore(&repeat.node, rest, before)
            }
            node => {
                let entry = self.build(node, next)?;
                let choice = if entry == next { None } else { self.window(entry, before) };
                Some((entry, choice))
            }
        }
    }

    fn window(&mut self, entry: u32, before: Span) -> Option<WindowChoice> {
        if self.budget == 0 {
            return None;
        }
        let (sets, chance) = self.step(entry);
        Some(WindowChoice { windows: vec![Window { sets, before }], cost: chance * dearness(before) })
    }

    fn push(&mut self, state: State) -> Option<u32> {
        if self.states.len() >= MOST_STATES {
            return None;
        }
        self.states.push(state);
        Some(self.states.len() as u32 - 1)
    }

    /// The entry of an automaton for `node` that goes on at `next`. Looks are taken as fulfilled.
    fn build(&mut self, node: &Node, next: u32) -> Option<u32> {
        match node {
            Node::Empty | Node::Look(_) | Node::Around(_) | Node::Keep => Some(next),
            Node::Byte(_) | Node::Set(_) => {
                let set = self.tree.byte_set(node)?;
                self.push(State::Byte(set, next))
            }
            Node::Concat(nodes) => nodes.iter().rev().try_fold(next, |next, node| self.build(node, next)),
            Node::Alternate(nodes) => {
                let entries = nodes.iter().map(|node| self.build(node, next)).collect::<Option<Vec<u32>>>()?;
                self.push(State::Split(entries))
            }
            Node::Capture(capture) => self.build(&capture.node, next),
            Node::Atomic(node) => self.build(node, next),
            Node::BackReference(_) | Node::Opaque => {
                let any = self.push(State::Split(vec![next]))?;
                let byte = self.push(State::Byte(ByteSet::ALL, any))?;
                self.states[any as usize] = State::Split(vec![next, byte]);
                Some(any)
            }
            Node::Repeat(repeat) => self.repeat(&repeat.node, repeat.min, repeat.max, next),
        }
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, next: u32) -> Option<u32> {
        // A window sees eight bytes: more than nine rounds look like an endless loop.
        const ROUNDS: u32 = WINDOW as u32 + 1;
        let mut entry = next;
        match max {
            Some(max) if max <= ROUNDS => {
                for _ in min..max {
                    let inner = self.build(node, entry)?;
                    entry = self.push(State::Split(vec![inner, next]))?;
                }
            }
            _ => {
                let again = self.push(State::Split(Vec::new()))?;
                let inner = self.build(node, again)?;
                self.states[again as usize] = State::Split(vec![inner, next]);
                entry = again;
            }
        }
        (0..min.min(ROUNDS)).try_fold(entry, |entry, _| self.build(node, entry))
    }

    fn step(&mut self, entry: u32) -> (Vec<ByteSet>, f32) {
        let mut sets = Vec::with_capacity(WINDOW);
        let mut chance = 1.0;
        let mut frontier = vec![entry];
        self.seen.resize(self.states.len(), 0);
        for _ in 0..WINDOW {
            self.round += 1;
            let mut set = ByteSet::EMPTY;
            let mut following = Vec::new();
            let mut accepted = false;
            while let Some(state) = frontier.pop() {
                if std::mem::replace(&mut self.seen[state as usize], self.round) == self.round {
                    continue;
                }
                self.budget = self.budget.saturating_sub(1);
                match &self.states[state as usize] {
                    State::Accept => accepted = true,
                    State::Split(entries) => frontier.extend(entries),
                    State::Byte(bytes, next) => {
                        set = set.union(*bytes);
                        following.push(*next);
                    }
                }
            }
            if accepted {
                set = ByteSet::ALL; // the match may be over: anything can follow
                following.clear();
                following.push(0);
            }
            chance *= model::set_chance(&set).max(1e-6);
            sets.push(set);
            frontier = following;
        }
        (sets, chance)
    }
}

fn less(a: Option<WindowChoice>, b: Option<WindowChoice>) -> Option<WindowChoice> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.cost <= b.cost { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// Must a match begin at one of these looks? Asked with `[Start]` (of the unit) and `[Start, LineStart]`.
pub fn starts_at(node: &Node, looks: &[Look]) -> bool {
    match node {
        Node::Look(look) => looks.contains(look),
        Node::Concat(nodes) => {
            for node in nodes {
                if starts_at(node, looks) {
                    return true;
                }
                if !matches!(node, Node::Look(_) | Node::Around(_) | Node::Empty) {
                    return false;
                }
            }
            false
        }
        Node::Alternate(nodes) => nodes.iter().all(|node| starts_at(node, looks)),
        Node::Capture(capture) => starts_at(&capture.node, looks),
        Node::Atomic(node) => starts_at(node, looks),
        Node::Repeat(repeat) => repeat.min > 0 && starts_at(&repeat.node, looks),
        _ => false,
    }
}

/// Can no match hold a line feed?
pub fn is_one_line(tree: &Tree) -> bool {
    !tree.root.any(&mut |node| match node {
        Node::Byte(byte) => *byte == b'\n',
        Node::Set(id) => tree.set(*id).contains(b'\n'),
        Node::BackReference(_) | Node::Opaque => true,
        _ => false,
    })
}
