//! How far a pattern gets in a text that it does not match: which part of it failed, and at which byte.
//!
//! In: a pattern as Perl's syntax has it. Out: of all ways in which it could have begun, the one that got furthest. The
//! engines that decide hits say yes or no and nothing else, so this is a small backtracking machine of its own, over the same
//! tree, with the place in the pattern beside each step. It never decides a hit: [`patterns::Regex`] does.

use patterns::ir::{ByteSet, Greed, Look, Node, Span, Tree, other_case};
use patterns::perl::{self, Piece};
use patterns::{Flags, PatternError};
use std::ops::Range;

/// Steps that are spent on one text.
const MOST_STEPS: u64 = 20_000_000;
/// Choices that are kept at once.
const MOST_CHOICES: usize = 1 << 20;
/// Perl's own limit for look-behind.
const LONGEST_BEHIND: u32 = 255;
/// A pattern that repeats pieces into more instructions than this is not followed.
const MOST_INSTRUCTIONS: usize = 200_000;

/// Where a pattern died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Where in the text this attempt began.
    pub start: usize,
    /// The byte on which it died; the text's length where it ended too early.
    pub at: usize,
    /// The part of the pattern that failed there.
    pub failed: Range<usize>,
    /// How many of the pattern's outermost parts were passed, and how many there are.
    pub passed: usize,
    pub parts: usize,
}

#[derive(Debug)]
enum Do {
    Set(ByteSet),
    /// One byte many times: no choice a byte.
    Run {
        set: ByteSet,
        min: usize,
        max: usize,
        lazy: bool,
    },
    Look(Look),
    /// First the next instruction, then this one.
    Or(usize),
    Jump(usize),
    Save(usize),
    Back {
        groups: Vec<u32>,
        ignore_case: bool,
    },
    Enter(usize),
    Loop {
        counter: usize,
        min: u32,
        max: u32,
        lazy: bool,
        exit: usize,
    },
    Begin(usize),
    Around {
        ahead: bool,
        negative: bool,
        span: Span,
        end: usize,
    },
    Atomic(usize),
    /// An outermost part begins.
    Part(usize),
    Unknown,
    End,
}

#[derive(Debug)]
struct Step {
    what: Do,
    source: Range<usize>,
}

/// A pattern made ready to be followed.
#[derive(Debug)]
pub struct Tracer {
    steps: Vec<Step>,
    slots: usize,
    counters: usize,
    parts: usize,
    whole: bool,
}

impl Tracer {
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(source: &[u8], flags: Flags) -> Result<Tracer, PatternError> {
        let (tree, pieces) = perl::parse_pieces(source, flags)?;
        let mut maker = Maker { tree: &tree, steps: Vec::new(), counters: 0, parts: 0, whole: true };
        maker.outermost(&pieces);
        let end = source.len()..source.len();
        maker.push(Do::End, end);
        let Maker { steps, counters, parts, whole, .. } = maker;
        Ok(Tracer { steps, slots: 2 * (tree.names.len() + 1), counters, parts: parts.max(1), whole })
    }

    /// The pattern can be followed to its end; else only as far as what we know of Perl goes.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    fn begin<'a>(&'a self, text: &'a [u8]) -> Run<'a> {
        Run {
            steps: &self.steps,
            text,
            slots: vec![usize::MAX; self.slots],
            counters: vec![(0, 0); self.counters],
            part: (0, 0),
            start: 0,
            quiet: 0,
            left: MOST_STEPS,
            stack: Vec::new(),
            best: None,
        }
    }

    /// Follows the pattern from every place of the text. `None` where it matches, or where nothing of it was found.
    pub fn furthest(&self, text: &[u8]) -> Option<Death> {
        if !self.whole {
            return None;
        }
        let mut run = self.begin(text);
        for start in 0..=text.len() {
            run.start = start;
            run.part = (0, start);
            if run.run(0, start, self.steps.len() - 1).is_some() {
                return None;
            }
            if run.left == 0 {
                break;
            }
        }
        let best = run.best?;
        (best.passed > 0 || best.at > best.start).then(|| Death {
            start: best.start,
            at: best.at,
            failed: self.steps[best.pc].source.clone(),
            passed: best.passed,
            parts: self.parts,
        })
    }
}

struct Maker<'t> {
    tree: &'t Tree,
    steps: Vec<Step>,
    counters: usize,
    parts: usize,
    whole: bool,
}

impl Maker<'_> {
    fn push(&mut self, what: Do, source: Range<usize>) -> usize {
        if self.steps.len() >= MOST_INSTRUCTIONS {
            self.whole = false;
        } else {
            self.steps.push(Step { what, source });
        }
        self.steps.len() - 1
    }

    /// The sequence whose parts are counted.
    fn outermost(&mut self, pieces: &[Piece]) {
        let Some(first) = pieces.first() else { return };
        let depth = first.depth;
        let alternatives = pieces.iter().any(|piece| piece.depth == depth && is_bar(piece));
        if alternatives {
            self.push(Do::Part(0), first.source.clone());
            self.sequence(pieces);
            self.parts = 1;
            return;
        }
        for (piece, inside) in Level::new(pieces) {
            let part = self.parts;
            self.push(Do::Part(part), piece.source.clone());
            self.parts += 1;
            self.piece(piece, inside);
        }
    }

    /// Pieces of one depth, alternatives among them.
    fn sequence(&mut self, pieces: &[Piece]) {
        let Some(depth) = pieces.first().map(|piece| piece.depth) else { return };
        let bars: Vec<usize> = pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.depth == depth && is_bar(piece))
            .map(|(at, _)| at)
            .collect();
        let mut jumps = Vec::new();
        let mut from = 0;
        for bar in bars {
            let or = self.push(Do::Or(0), pieces[bar].source.clone());
            self.branch(&pieces[from..bar]);
            jumps.push(self.push(Do::Jump(0), pieces[bar].source.clone()));
            self.steps[or].what = Do::Or(self.steps.len());
            from = bar + 1;
        }
        self.branch(&pieces[from..]);
        let here = self.steps.len();
        for jump in jumps {
            self.steps[jump].what = Do::Jump(here);
        }
    }

    fn branch(&mut self, pieces: &[Piece]) {
        for (piece, inside) in Level::new(pieces) {
            self.piece(piece, inside);
        }
    }

    fn piece(&mut self, piece: &Piece, inside: &[Piece]) {
        match inside.is_empty() {
            true => self.node(&piece.node, &piece.source),
            false => self.group(&piece.node, &piece.source, &mut |maker| maker.sequence(inside)),
        }
    }

    /// What stands around a group's inside.
    fn group(&mut self, node: &Node, source: &Range<usize>, inside: &mut dyn FnMut(&mut Self)) {
        match node {
            Node::Repeat(repeat) => {
                let times = (repeat.min, repeat.max.unwrap_or(u32::MAX));
                let atomic = repeat.greed == Greed::Possessive;
                let lazy = repeat.greed == Greed::Lazy;
                self.repeat(times, lazy, atomic, source, &mut |maker| maker.group(&repeat.node, source, inside));
            }
            Node::Capture(capture) => {
                let slot = 2 * capture.index as usize;
                self.push(Do::Save(slot), source.clone());
                inside(self);
                self.push(Do::Save(slot + 1), source.clone());
            }
            Node::Around(around) => {
                let (ahead, negative, span) = (around.ahead, around.negative, around.node.span());
                let at = self.push(Do::Around { ahead, negative, span, end: 0 }, source.clone());
                inside(self);
                let end = self.steps.len();
                self.steps[at].what = Do::Around { ahead, negative, span, end };
                self.push(Do::Jump(end + 1), source.clone());
            }
            Node::Atomic(_) => self.atomic(source, inside),
            Node::Opaque | Node::Keep => {
                self.whole = false;
                self.push(Do::Unknown, source.clone());
            }
            _ => inside(self),
        }
    }

    fn atomic(&mut self, source: &Range<usize>, inside: &mut dyn FnMut(&mut Self)) {
        let at = self.push(Do::Atomic(0), source.clone());
        inside(self);
        let end = self.steps.len();
        self.steps[at].what = Do::Atomic(end);
        self.push(Do::Jump(end + 1), source.clone());
    }

    fn repeat(
        &mut self,
        (min, max): (u32, u32),
        lazy: bool,
        atomic: bool,
        source: &Range<usize>,
        inside: &mut dyn FnMut(&mut Self),
    ) {
        if atomic {
            return self.atomic(source, &mut |maker| maker.repeat((min, max), false, false, source, inside));
        }
        let counter = self.counters;
        self.counters += 1;
        self.push(Do::Enter(counter), source.clone());
        let again = self.push(Do::Loop { counter, min, max, lazy, exit: 0 }, source.clone());
        self.push(Do::Begin(counter), source.clone());
        inside(self);
        self.push(Do::Jump(again), source.clone());
        let exit = self.steps.len();
        self.steps[again].what = Do::Loop { counter, min, max, lazy, exit };
    }

    /// A piece that is not opened.
    fn node(&mut self, node: &Node, source: &Range<usize>) {
        if let Some(set) = self.tree.byte_set(node) {
            self.push(Do::Set(set), source.clone());
            return;
        }
        match node {
            Node::Empty | Node::Byte(_) | Node::Set(_) => {}
            Node::Look(look) => {
                self.push(Do::Look(*look), source.clone());
            }
            Node::Concat(nodes) => nodes.iter().for_each(|node| self.node(node, source)),
            Node::Alternate(nodes) => {
                let mut jumps = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    let or = (at + 1 < nodes.len()).then(|| self.push(Do::Or(0), source.clone()));
                    self.node(node, source);
                    if let Some(or) = or {
                        jumps.push(self.push(Do::Jump(0), source.clone()));
                        self.steps[or].what = Do::Or(self.steps.len());
                    }
                }
                let here = self.steps.len();
                jumps.into_iter().for_each(|jump| self.steps[jump].what = Do::Jump(here));
            }
            Node::Repeat(repeat) => match self.tree.byte_set(&repeat.node) {
                Some(set) => {
                    let run = Do::Run {
                        set,
                        min: repeat.min as usize,
                        max: repeat.max.map_or(usize::MAX, |max| max as usize),
                        lazy: repeat.greed == Greed::Lazy,
                    };
                    match repeat.greed {
                        Greed::Possessive => {
                            let mut run = Some(run);
                            self.atomic(source, &mut |maker| {
                                if let Some(run) = run.take() {
                                    maker.push(run, source.clone());
                                }
                            });
                        }
                        _ => {
                            self.push(run, source.clone());
                        }
                    }
                }
                None => {
                    let times = (repeat.min, repeat.max.unwrap_or(u32::MAX));
                    let (lazy, atomic) = (repeat.greed == Greed::Lazy, repeat.greed == Greed::Possessive);
                    self.repeat(times, lazy, atomic, source, &mut |maker| maker.node(&repeat.node, source));
                }
            },
            Node::Capture(capture) => self.group(node, source, &mut |maker| maker.node(&capture.node, source)),
            Node::Atomic(inner) => self.group(node, source, &mut |maker| maker.node(inner, source)),
            Node::Around(around) => self.group(node, source, &mut |maker| maker.node(&around.node, source)),
            Node::BackReference(reference) => {
                let (groups, ignore_case) = (reference.groups.clone(), reference.ignore_case);
                self.push(Do::Back { groups, ignore_case }, source.clone());
            }
            Node::Keep => {}
            Node::Opaque => {
                self.whole = false;
                self.push(Do::Unknown, source.clone());
            }
        }
    }
}

fn is_bar(piece: &Piece) -> bool {
    matches!(&piece.node, Node::Alternate(nodes) if nodes.is_empty())
}

/// The pieces of one depth, each with what is inside it.
struct Level<'p> {
    pieces: &'p [Piece],
    at: usize,
}

impl<'p> Level<'p> {
    fn new(pieces: &'p [Piece]) -> Level<'p> {
        Level { pieces, at: 0 }
    }
}

impl<'p> Iterator for Level<'p> {
    type Item = (&'p Piece, &'p [Piece]);

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.pieces.get(self.at)?;
        let below = self.pieces[self.at + 1..].iter().take_while(|other| other.depth > piece.depth).count();
        let inside = &self.pieces[self.at + 1..self.at + 1 + below];
        self.at += 1 + below;
        Some((piece, inside))
    }
}

enum Choice {
    Go {
        pc: usize,
        at: usize,
    },
    /// A run that took `at - from` bytes more than it had to may try with fewer, or (lazy) with more.
    Fewer {
        pc: usize,
        from: usize,
        at: usize,
    },
    More {
        pc: usize,
        at: usize,
        most: usize,
    },
    Slot(usize, usize),
    Counter(usize, (u32, usize)),
    Part((usize, usize)),
}

struct Best {
    passed: usize,
    inside: usize,
    start: usize,
    at: usize,
    pc: usize,
}

struct Run<'a> {
    steps: &'a [Step],
    text: &'a [u8],
    slots: Vec<usize>,
    counters: Vec<(u32, usize)>,
    /// The outermost part, and where in the text it began.
    part: (usize, usize),
    start: usize,
    /// Inside a look-around that must not hold: what fails there is no failure.
    quiet: u32,
    left: u64,
    stack: Vec<Choice>,
    best: Option<Best>,
}

impl Run<'_> {
    /// From `pc` until `stop` is reached; where in the text that is.
    fn run(&mut self, mut pc: usize, mut at: usize, stop: usize) -> Option<usize> {
        let base = self.stack.len();
        loop {
            if pc == stop {
                self.forget_choices(base);
                return Some(at);
            }
            self.left = self.left.saturating_sub(1);
            if self.left == 0 || self.stack.len() > MOST_CHOICES {
                self.left = 0;
                self.undo_to(base);
                return None;
            }
            match self.step(pc, at) {
                Some(next) => (pc, at) = next,
                None => match self.back(base) {
                    Some(next) => (pc, at) = next,
                    None => return None,
                },
            }
        }
    }

    /// One instruction; `None` where it failed.
    fn step(&mut self, pc: usize, at: usize) -> Option<(usize, usize)> {
        let next = pc + 1;
        let steps = self.steps;
        let done = match &steps[pc].what {
            Do::Set(set) => self.text.get(at).is_some_and(|byte| set.contains(*byte)).then_some(at + 1),
            Do::Run { set, min, max, lazy } => {
                let most = self.text[at..].iter().take(*max).take_while(|byte| set.contains(**byte)).count();
                if most < *min {
                    self.died(pc, at + most);
                    return None;
                }
                match lazy {
                    true => {
                        self.stack.push(Choice::More { pc: next, at: at + min, most: at + most });
                        Some(at + min)
                    }
                    false => {
                        self.stack.push(Choice::Fewer { pc: next, from: at + min, at: at + most });
                        Some(at + most)
                    }
                }
            }
            Do::Look(look) => self.holds(*look, at).then_some(at),
            Do::Or(other) => {
                self.stack.push(Choice::Go { pc: *other, at });
                Some(at)
            }
            Do::Jump(to) => return Some((*to, at)),
            Do::Save(slot) => {
                let slot = *slot;
                if let Some(value) = self.slots.get_mut(slot) {
                    self.stack.push(Choice::Slot(slot, *value));
                    *value = at;
                }
                Some(at)
            }
            Do::Back { groups, ignore_case } => self.repeated(groups, *ignore_case, at),
            Do::Enter(counter) => {
                self.stack.push(Choice::Counter(*counter, self.counters[*counter]));
                self.counters[*counter] = (0, usize::MAX);
                Some(at)
            }
            Do::Loop { counter, min, max, lazy, exit } => {
                let (count, before) = self.counters[*counter];
                if count < *min {
                    return Some((next, at));
                }
                if count >= *max || count > *min && before == at {
                    return Some((*exit, at));
                }
                let (first, second) = if *lazy { (*exit, next) } else { (next, *exit) };
                self.stack.push(Choice::Go { pc: second, at });
                return Some((first, at));
            }
            Do::Begin(counter) => {
                let old = self.counters[*counter];
                self.stack.push(Choice::Counter(*counter, old));
                self.counters[*counter] = (old.0 + 1, at);
                Some(at)
            }
            Do::Around { ahead, negative, span, end } => {
                let (ahead, negative, span, end) = (*ahead, *negative, *span, *end);
                self.quiet += u32::from(negative);
                let base = self.stack.len();
                let found = match ahead {
                    true => self.run(next, at, end).is_some(),
                    false => {
                        let longest = span.max.unwrap_or(LONGEST_BEHIND).min(LONGEST_BEHIND) as usize;
                        (span.min as usize..=longest.min(at))
                            .any(|length| self.run(next, at - length, end).is_some_and(|stopped| stopped == at))
                    }
                };
                self.quiet -= u32::from(negative);
                if negative {
                    self.undo_to(base);
                }
                if found != negative {
                    return Some((end + 1, at));
                }
                None
            }
            Do::Atomic(end) => {
                let end = *end;
                if let Some(at) = self.run(next, at, end) {
                    return Some((end + 1, at));
                }
                return None;
            }
            Do::Part(part) => {
                self.stack.push(Choice::Part(self.part));
                self.part = (*part, at);
                Some(at)
            }
            Do::Unknown | Do::End => None,
        };
        match done {
            Some(at) => Some((next, at)),
            None => {
                self.died(pc, at);
                None
            }
        }
    }

    fn holds(&self, look: Look, at: usize) -> bool {
        let text = self.text;
        let word = |at: usize| text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let edge = || (at > 0 && word(at - 1)) != word(at);
        match look {
            Look::Start => at == 0,
            Look::End => at == text.len(),
            Look::EndOrLastLineFeed => at == text.len() || at + 1 == text.len() && text[at] == b'\n',
            Look::LineStart => at == 0 || at < text.len() && text[at - 1] == b'\n',
            Look::LineEnd => at == text.len() || text[at] == b'\n',
            Look::WordBoundary => edge(),
            Look::NotWordBoundary => !edge(),
        }
    }

    fn repeated(&mut self, groups: &[u32], ignore_case: bool, at: usize) -> Option<usize> {
        let group = groups.iter().map(|group| 2 * *group as usize).find(|slot| {
            self.slots.get(slot + 1).is_some_and(|end| *end != usize::MAX && self.slots[*slot] != usize::MAX)
        })?;
        let wanted = self.text.get(self.slots[group]..self.slots[group + 1])?;
        let here = self.text.get(at..at + wanted.len())?;
        let same = |(a, b): (&u8, &u8)| a == b || ignore_case && other_case(*a) == *b;
        wanted.iter().zip(here).all(same).then_some(at + wanted.len())
    }

    fn died(&mut self, pc: usize, at: usize) {
        if self.quiet > 0 {
            return;
        }
        let (passed, entered) = self.part;
        let inside = at.saturating_sub(entered);
        let now = (passed, inside, at.saturating_sub(self.start), pc);
        let better = self
            .best
            .as_ref()
            .is_none_or(|best| now > (best.passed, best.inside, best.at.saturating_sub(best.start), best.pc));
        if better {
            self.best = Some(Best { passed, inside, start: self.start, at, pc });
        }
    }

    /// The next way that was left open.
    fn back(&mut self, base: usize) -> Option<(usize, usize)> {
        while self.stack.len() > base {
            match self.stack.pop()? {
                Choice::Go { pc, at } => return Some((pc, at)),
                Choice::Fewer { pc, from, at } if at > from => {
                    self.stack.push(Choice::Fewer { pc, from, at: at - 1 });
                    return Some((pc, at - 1));
                }
                Choice::More { pc, at, most } if at < most => {
                    self.stack.push(Choice::More { pc, at: at + 1, most });
                    return Some((pc, at + 1));
                }
                other => self.undo(&other),
            }
        }
        None
    }

    fn undo(&mut self, choice: &Choice) {
        match choice {
            Choice::Slot(slot, old) => self.slots[*slot] = *old,
            Choice::Counter(counter, old) => self.counters[*counter] = *old,
            Choice::Part(old) => self.part = *old,
            Choice::Go { .. } | Choice::Fewer { .. } | Choice::More { .. } => {}
        }
    }

    fn undo_to(&mut self, base: usize) {
        while self.stack.len() > base {
            if let Some(choice) = self.stack.pop() {
                self.undo(&choice);
            }
        }
    }

    /// What was found stands; what it changed is still undone when somebody goes back behind it.
    fn forget_choices(&mut self, base: usize) {
        let mut kept = base;
        for at in base..self.stack.len() {
            if matches!(self.stack[at], Choice::Slot(..) | Choice::Counter(..) | Choice::Part(_)) {
                self.stack.swap(kept, at);
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(pattern: &str, text: &str) -> Option<(String, usize)> {
        let tracer = Tracer::new(pattern.as_bytes(), Flags::default()).expect(pattern);
        let death = tracer.furthest(text.as_bytes())?;
        Some((pattern[death.failed].to_owned(), death.at))
    }

    #[test]
    fn it_says_where_and_on_which_part() {
        let said = |pattern, text| died(pattern, text).map(|(part, at)| format!("{part}@{at}"));
        assert_eq!(said("abcd", "xxabcx").as_deref(), Some("d@5"));
        assert_eq!(said("abcd", "abcd"), None);
        assert_eq!(said("abcd", "zzz"), None);
        // The octets of the talk: 45 is beyond 0-31.
        let talk = r"^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} ";
        assert_eq!(said(talk, "[ ip=180.94.45.6 rdns="), Some(r"\.@13".into()));
        assert_eq!(said(talk, "[ ip=180.94.31.6 rdns="), None);
        assert_eq!(said(talk, "[ ip=180.95.31.6 rdns="), Some("4@10".into()));
        // Progress in the pattern counts before progress in the text.
        assert_eq!(said("foo.*bar", "foo and ba and much more").as_deref(), Some("r@10"));
        assert_eq!(said(r"(\w)x\1", "axb").as_deref(), Some(r"\1@2"));
        assert_eq!(said("a(?!b)c", "ab").as_deref(), Some("(?!b)@1"));
        assert_eq!(said("(?:ab){3}c", "ababc").as_deref(), Some("a@4"));
        assert_eq!(said("a{3}", "aa").as_deref(), Some("a{3}@2"));
    }

    /// The machine and the engine that decides agree about what matches.
    #[test]
    fn it_agrees_with_the_engine() {
        let texts: &[&str] =
            &["", "a", "ab", "abc", "aab", "xaby\n", "aXbX", "foo.bar", "line\nline\n", "--=b\nxx\n\n--=b--\n", "aaaa"];
        let patterns = [
            "a",
            "^a",
            "b$",
            "(a|b)+c",
            "a*?b",
            "(?:a|ab)(?:c|bcd)?$",
            "(?=a)ab",
            "(?<=a)b",
            "(?<!a)b",
            r"(\w)\1",
            "a++b",
            "(?>a+)ab",
            r"\bfoo\b",
            "(?m)^line$",
            r"(--=\w)\n(?:(?!\1).+\n|\n){2,}\1--\n",
            "(?i)AXB",
            "(?:a?){3}b",
            "[^a]",
            "a|",
            "(a*)*b",
        ];
        for pattern in patterns {
            let tracer = Tracer::new(pattern.as_bytes(), Flags::default()).expect(pattern);
            let regex = patterns::Regex::new(pattern.as_bytes(), Flags::default()).expect(pattern);
            for text in texts {
                let hit = regex.is_match(text.as_bytes());
                let followed = tracer.matches(text.as_bytes());
                assert_eq!(followed, hit, "{pattern} in {text:?}");
            }
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let tracer = Tracer::new(b"(?:a|aa)+(?:a|aa)+(?:a|aa)+c", Flags::default()).expect("valid");
        assert!(tracer.furthest(&[b'a'; 500]).is_some());
    }

    impl Tracer {
        fn matches(&self, text: &[u8]) -> bool {
            let mut run = self.begin(text);
            (0..=text.len()).any(|start| {
                run.part = (0, start);
                run.start = start;
                run.run(0, start, self.steps.len() - 1).is_some()
            })
        }
    }
}
