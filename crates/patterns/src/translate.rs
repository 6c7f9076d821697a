//! The tree in the two confirmers' own languages: regex-syntax's HIR for the automaton, a pattern text for PCRE2.

use crate::ir::{ByteSet, Greed, Look, Node, SetId, Tree};
use regex_syntax::hir::{self, Hir};

/// For a regular tree. `$` becomes "an optional line feed, then the end": existence is exact, bounds may include
/// that line feed (see [`Tree::bounds_are_regular`]).
pub fn to_hir(tree: &Tree) -> Option<Hir> {
    hir_of(tree, &tree.root, Exactness::Exact)
}

/// For an irregular tree without back-references: an expression that matches wherever the tree does, and more. What
/// look-around demands is left out.
pub fn to_sieve(tree: &Tree) -> Option<Hir> {
    hir_of(tree, &tree.root, Exactness::Sieve)
}

#[derive(Clone, Copy, PartialEq)]
enum Exactness {
    Exact,
    Sieve,
}

fn hir_of(tree: &Tree, node: &Node, exactness: Exactness) -> Option<Hir> {
    let inside = |node: &Node| hir_of(tree, node, exactness);
    let sieve = exactness == Exactness::Sieve;
    Some(match node {
        Node::Empty => Hir::empty(),
        Node::Byte(byte) => Hir::literal([*byte]),
        Node::Set(id) => Hir::class(hir::Class::Bytes(hir::ClassBytes::new(
            tree.set(*id).ranges().into_iter().map(|(from, to)| hir::ClassBytesRange::new(from, to)),
        ))),
        Node::Look(look) => match look {
            Look::Start => Hir::look(hir::Look::Start),
            Look::End => Hir::look(hir::Look::End),
            Look::EndOrLastLineFeed if sieve => Hir::look(hir::Look::EndLF),
            Look::EndOrLastLineFeed => Hir::concat(vec![
                Hir::repetition(hir::Repetition {
                    min: 0,
                    max: Some(1),
                    greedy: true,
                    sub: Box::new(Hir::literal([b'\n'])),
                }),
                Hir::look(hir::Look::End),
            ]),
            Look::LineStart => Hir::look(hir::Look::StartLF),
            Look::LineEnd => Hir::look(hir::Look::EndLF),
            Look::WordBoundary => Hir::look(hir::Look::WordAscii),
            Look::NotWordBoundary => Hir::look(hir::Look::WordAsciiNegate),
        },
        Node::Concat(nodes) => Hir::concat(nodes.iter().map(inside).collect::<Option<_>>()?),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(inside).collect::<Option<_>>()?),
        Node::Repeat(repeat) => Hir::repetition(hir::Repetition {
            min: repeat.min,
            max: repeat.max,
            greedy: repeat.greed == Greed::Greedy,
            sub: Box::new(inside(&repeat.node)?),
        }),
        Node::Capture(capture) => inside(&capture.node)?,
        Node::Atomic(node) if sieve => inside(node)?,
        Node::Around(_) | Node::Keep if sieve => Hir::empty(),
        Node::Atomic(_) | Node::Around(_) | Node::BackReference(_) | Node::Keep | Node::Opaque => return None,
    })
}

/// `source` is what a tree with opaque parts came from: PCRE2 then gets that.
pub fn to_pcre2(tree: &Tree, source: &[u8], flags: crate::Flags) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len() * 2);
    if tree.root.any(&mut |node| matches!(node, Node::Opaque)) {
        out.extend_from_slice(b"(?^");
        let letters = [
            (flags.ignore_case, &b"i"[..]),
            (flags.multi_line, b"m"),
            (flags.dot_all, b"s"),
            (flags.extended_more, b"xx"),
            (flags.extended && !flags.extended_more, b"x"),
            (flags.no_capture, b"n"),
        ];
        letters.iter().filter(|(on, _)| *on).for_each(|(_, letter)| out.extend_from_slice(letter));
        out.push(b')');
        out.extend_from_slice(source);
        return out;
    }
    Writer { tree, out: &mut out, classes: vec![None; tree.sets.len()] }.node(&tree.root);
    out
}

struct Writer<'t> {
    tree: &'t Tree,
    out: &'t mut Vec<u8>,
    classes: Vec<Option<Vec<u8>>>,
}

impl Writer<'_> {
    fn text(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn set(&mut self, id: SetId) {
        let set = self.tree.set(id);
        let class = self.classes[id.0 as usize].get_or_insert_with(|| class_text(set));
        self.out.extend_from_slice(class);
    }

    fn group(&mut self, open: &[u8], node: &Node) {
        self.text(open);
        self.node(node);
        self.text(b")");
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Empty => self.text(b"(?:)"),
            Node::Byte(byte) => write_byte(self.out, *byte),
            Node::Set(id) => self.set(*id),
            Node::Look(look) => self.text(match look {
                Look::Start => b"\\A",
                Look::End => b"\\z",
                Look::EndOrLastLineFeed => b"\\Z",
                Look::LineStart => b"(?m:^)",
                Look::LineEnd => b"(?m:$)",
                Look::WordBoundary => b"\\b",
                Look::NotWordBoundary => b"\\B",
            }),
            Node::Concat(nodes) => {
                for node in nodes {
                    match node {
                        Node::Alternate(_) => self.group(b"(?:", node),
                        _ => self.node(node),
                    }
                }
            }
            Node::Alternate(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        self.text(b"|");
                    }
                    match node {
                        Node::Empty => {}
                        Node::Alternate(_) => self.group(b"(?:", node),
                        _ => self.node(node),
                    }
                }
            }
            Node::Repeat(repeat) => {
                match repeat.node {
                    Node::Byte(_) | Node::Set(_) | Node::Capture(_) | Node::Atomic(_) => self.node(&repeat.node),
                    _ => self.group(b"(?:", &repeat.node),
                }
                let braces = match (repeat.min, repeat.max) {
                    (0, None) => "*".into(),
                    (1, None) => "+".into(),
                    (0, Some(1)) => "?".into(),
                    (min, None) => format!("{{{min},}}"),
                    (min, Some(max)) => format!("{{{min},{max}}}"),
                };
                self.text(braces.as_bytes());
                self.text(match repeat.greed {
                    Greed::Greedy => b"",
                    Greed::Lazy => b"?",
                    Greed::Possessive => b"+",
                });
            }
            Node::Capture(capture) => self.group(b"(", &capture.node),
            Node::Atomic(node) => self.group(b"(?>", node),
            Node::Around(around) => {
                let open: &[u8] = match (around.ahead, around.negative) {
                    (true, false) => b"(?=",
                    (true, true) => b"(?!",
                    (false, false) => b"(?<=",
                    (false, true) => b"(?<!",
                };
                self.group(open, &around.node);
            }
            Node::BackReference(reference) => {
                // Several groups of one name: Perl takes the first that is set.
                let parts: Vec<String> = reference.groups.iter().map(|group| format!("\\g{{{group}}}")).collect();
                let open = if reference.ignore_case { "(?i:" } else { "(?:" };
                self.text(format!("{open}{})", parts.join("|")).as_bytes());
            }
            Node::Keep => self.text(b"\\K"),
            Node::Opaque => {}
        }
    }
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(byte);
    } else {
        out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
}

fn class_text(set: ByteSet) -> Vec<u8> {
    if set.is_empty() {
        return b"(?!)".to_vec();
    }
    let negate = set.len() > 128;
    let mut text = if negate { b"[^".to_vec() } else { b"[".to_vec() };
    if negate && set.len() == 256 {
        return b"[\\x00-\\xff]".to_vec();
    }
    for (from, to) in if negate { set.negate() } else { set }.ranges() {
        write_byte(&mut text, from);
        if to > from {
            text.push(b'-');
            write_byte(&mut text, to);
        }
    }
    text.push(b']');
    text
}
