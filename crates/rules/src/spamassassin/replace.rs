//! `replace_tag`, `replace_rules`: `<A>` in a pattern stands for what `replace_tag A` says.
//!
//! In: the pattern's body and the tags. Out: the body with every known tag replaced, at most six times over since
//! replacements may hold tags. `<pre X>`, `<inter X>` and `<post X>` put a text before, between and after all tags.

use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Clone)]
pub struct ReplaceTags {
    pub tags: HashMap<Vec<u8>, Vec<u8>>,
    pub pre: HashMap<Vec<u8>, Vec<u8>>,
    pub inter: HashMap<Vec<u8>, Vec<u8>>,
    pub post: HashMap<Vec<u8>, Vec<u8>>,
    /// `replace_rules`.
    pub rules: BTreeSet<String>,
    pub start: Vec<u8>,
    pub end: Vec<u8>,
}

impl Default for ReplaceTags {
    fn default() -> ReplaceTags {
        ReplaceTags {
            tags: HashMap::new(),
            pre: HashMap::new(),
            inter: HashMap::new(),
            post: HashMap::new(),
            rules: BTreeSet::new(),
            start: b"<".to_vec(),
            end: b">".to_vec(),
        }
    }
}

/// No pattern may grow beyond this; the largest of SpamAssassin's own has 224 kB.
const LONGEST: usize = 4 << 20;

impl ReplaceTags {
    /// `None` where nothing changes. A pattern that would grow without bounds stays as it is.
    pub fn expand(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut current = body.to_vec();
        for _ in 0..6 {
            let before = self.modifier(&mut current, b"pre ", &self.pre);
            let after = self.modifier(&mut current, b"post ", &self.post);
            let between = self.modifier(&mut current, b"inter ", &self.inter);
            let mut pieces = split_at_tags(&current);
            let mut again = false;
            let mut length = 0;
            for (index, piece) in pieces.iter_mut().enumerate() {
                if let Some(before) = &before
                    && let Some((start, _)) = self.tag(piece, 0)
                {
                    piece.splice(start..start, before.iter().copied());
                }
                if let Some(after) = &after {
                    let mut from = 0;
                    while let Some((_, end)) = self.tag(piece, from) {
                        piece.splice(end..end, after.iter().copied());
                        from = end + after.len();
                    }
                }
                if piece.is_empty()
                    && index > 0
                    && let Some(between) = &between
                {
                    piece.clone_from(between);
                }
                if let Some((start, end)) = self.tag(piece, 0) {
                    let name = piece[start + self.start.len()..end - self.end.len()].to_vec();
                    if let Some(replacement) = self.tags.get(&name) {
                        let whole = piece[start..end].to_vec();
                        *piece = replace_all(piece, &whole, replacement);
                        again |= holds_tag(replacement);
                    }
                }
                length += piece.len();
                if length > LONGEST {
                    return None;
                }
            }
            current = pieces.concat();
            if !again {
                break;
            }
        }
        (current != body).then_some(current)
    }

    /// Takes the first `<pre NAME>` out of the text; what it stands for.
    fn modifier(&self, text: &mut Vec<u8>, word: &[u8], meanings: &HashMap<Vec<u8>, Vec<u8>>) -> Option<Vec<u8>> {
        let opening = [&self.start[..], word].concat();
        let mut from = 0;
        loop {
            let start = from + super::regex::find(&text[from..], &opening)?;
            let name_start = start + opening.len();
            if let Some(length) = self.closing(&text[name_start..]) {
                let name = text[name_start..name_start + length].to_vec();
                text.drain(start..name_start + length + self.end.len());
                return meanings.get(&name).filter(|meaning| !meaning.is_empty() && *meaning != b"0").cloned();
            }
            from = start + 1;
        }
    }

    /// Length of the shortest text of at least one byte, and none of them a newline, before the closing mark.
    fn closing(&self, text: &[u8]) -> Option<usize> {
        let length = 1 + super::regex::find(text.get(1..)?, &self.end)?;
        (!text[..length].contains(&b'\n')).then_some(length)
    }

    /// The first tag from a place on.
    fn tag(&self, text: &[u8], mut from: usize) -> Option<(usize, usize)> {
        loop {
            let start = from + super::regex::find(text.get(from..)?, &self.start)?;
            if let Some(length) = self.closing(&text[start + self.start.len()..]) {
                return Some((start, start + self.start.len() + length + self.end.len()));
            }
            from = start + 1;
        }
    }
}

/// Texts and `<tags>` in turn, starting with a text; empty ones at the end are dropped, so that nothing is put
/// between the last tag and the end.
fn split_at_tags(text: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(open) = text[at..].iter().position(|byte| *byte == b'<').map(|found| at + found) {
        let inner = text[open + 1..].iter().position(|byte| matches!(byte, b'<' | b'>'));
        match inner {
            Some(length) if length > 0 && text[open + 1 + length] == b'>' => {
                let end = open + length + 2;
                pieces.push(text[from..open].to_vec());
                pieces.push(text[open..end].to_vec());
                from = end;
                at = end;
            }
            _ => at = open + 1,
        }
    }
    pieces.push(text[from..].to_vec());
    while pieces.last().is_some_and(Vec::is_empty) {
        pieces.pop();
    }
    pieces
}

/// `<[^>]+>` somewhere.
fn holds_tag(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(open) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[open + 1..];
        if rest.iter().position(|byte| *byte == b'>').is_some_and(|length| length > 0) {
            return true;
        }
    }
    false
}

fn replace_all(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len() + to.len());
    let mut rest = text;
    while let Some(at) = super::regex::find(rest, from) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> ReplaceTags {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        ReplaceTags {
            tags: pairs(&[("A", "[aA4]"), ("B", "[bB]"), ("AB", "<A><B>")]),
            inter: pairs(&[("W", "\\W?")]),
            post: pairs(&[("P", "{1,2}")]),
            pre: pairs(&[("Q", "q")]),
            ..ReplaceTags::default()
        }
    }

    #[test]
    fn tags_become_what_they_stand_for() {
        let cases = [
            ("x<A>y", Some("x[aA4]y")),
            ("<AB>!", Some("[aA4][bB]!")),
            ("<inter W><A><B>", Some("[aA4]\\W?[bB]")),
            ("<post P><A><B>", Some("[aA4]{1,2}[bB]{1,2}")),
            ("<pre Q>x<A>", Some("xq[aA4]")),
            ("(?<!z)<A>", Some("(?<!z)[aA4]")),
            ("<Z>", None),
            ("plain", None),
        ];
        for (body, expected) in cases {
            let expanded = tags().expand(body.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(expanded.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn growth_without_end_is_given_up() {
        let mut tags = tags();
        tags.tags.insert(b"G".to_vec(), b"<G>".repeat(60));
        assert_eq!(tags.expand(b"<G>"), None);
        // Few replacements, each large: gigabytes if they were made before anyone counts.
        tags.tags.insert(b"M".to_vec(), b"<N>".repeat(5_000));
        tags.tags.insert(b"N".to_vec(), vec![b'x'; 50_000]);
        assert_eq!(tags.expand(&b"<M>".repeat(200)), None);
    }
}
