//! A file of YARA rules -> the rules one by one, so that a broken one takes no other with it.
//!
//! Only as much is understood as is needed to see where a rule ends: braces, comments, quoted strings, expressions between
//! slashes. A rule whose closing brace is missing ends where a line begins the next.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Rule(Range<usize>),
    /// `import "name"`
    Import(Range<usize>),
    /// `include "file"`
    Include(Range<usize>),
    /// What belongs to nothing.
    Stray(Range<usize>),
}

pub fn split(text: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(start) = skip_blank(text, at) {
        let word = word(text, start);
        at = match &text[start..word] {
            b"rule" | b"private" | b"global" => {
                let end = rule_end(text, word);
                pieces.push(Piece::Rule(start..end));
                end
            }
            kind @ (b"import" | b"include") => {
                let end = skip_blank(text, word)
                    .filter(|quote| text[*quote] == b'"')
                    .map_or(word, |quote| quoted_end(text, quote, b'"'));
                pieces.push(if kind == b"import" { Piece::Import(start..end) } else { Piece::Include(start..end) });
                end
            }
            _ => {
                // As one, up to where something begins that is known.
                let end = next_rule(text, start + 1);
                pieces.push(Piece::Stray(start..end));
                end
            }
        };
    }
    pieces
}

/// The next byte that is neither blank nor comment.
fn skip_blank(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            byte if byte.is_ascii_whitespace() || *byte == 0x0B => at += 1,
            b'/' => match comment_end(text, at) {
                Some(end) => at = end,
                None => return Some(at),
            },
            // A byte order mark, where files were joined.
            0xEF if text[at..].starts_with(b"\xEF\xBB\xBF") => at += 3,
            _ => return Some(at),
        }
    }
}

fn comment_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'/' => Some(memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end)),
        b'*' => Some(memchr::memmem::find(&text[at + 2..], b"*/").map_or(text.len(), |end| at + end + 4)),
        _ => None,
    }
}

fn word(text: &[u8], start: usize) -> usize {
    let letters = text[start..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    start + letters
}

/// After the closing quote, or where the line ends without one.
fn quoted_end(text: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return at,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn rule_end(text: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0u32, start);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b'"' => {
                at = quoted_end(text, at, b'"');
                continue;
            }
            b'/' => {
                at = comment_end(text, at).unwrap_or_else(|| quoted_end(text, at, b'/'));
                continue;
            }
            b'\n' if begins_rule(&text[at + 1..]) && (depth > 0 || at > start) && names_rule(&text[start..at]) => {
                return at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Has the word that a rule begins with been followed by anything? `private` may stand on a line of its own.
fn names_rule(text: &[u8]) -> bool {
    !text.trim_ascii().is_empty() && !matches!(text.trim_ascii(), b"rule" | b"private" | b"global")
}

fn begins_rule(line: &[u8]) -> bool {
    [&b"rule"[..], b"private", b"global"].iter().any(|start| {
        line.strip_prefix(*start).is_some_and(|rest| rest.first().is_some_and(|b| matches!(b, b' ' | b'\t')))
    })
}

/// The next line that begins something known.
fn next_rule(text: &[u8], mut at: usize) -> usize {
    while let Some(end) = memchr::memchr(b'\n', text.get(at..).unwrap_or_default()) {
        at += end + 1;
        let line = &text[at..];
        if begins_rule(line) || line.starts_with(b"import") || line.starts_with(b"include") {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let text_of = |range: &Range<usize>| text[range.clone()].to_owned();
        split(text.as_bytes())
            .iter()
            .map(|piece| match piece {
                Piece::Rule(range) => format!("rule {}", text_of(range).len()),
                Piece::Import(range) => text_of(range),
                Piece::Include(range) => text_of(range),
                Piece::Stray(range) => format!("stray {}", text_of(range)),
            })
            .collect()
    }

    #[test]
    fn rules_end_at_their_own_brace() {
        let one = "rule a { strings: $a = \"}\\\"\" $b = { 61 } $c = /}\\/{/ condition: $a // }\n /* } */ }";
        assert_eq!(shown(one), [format!("rule {}", one.len())]);
        let text = format!("/* rule x {{ */ import \"pe\"\n{one}\nprivate rule b {{ condition: true }}");
        assert_eq!(shown(&text), ["import \"pe\"".to_owned(), format!("rule {}", one.len()), "rule 34".into()]);
    }

    #[test]
    fn a_missing_brace_takes_one_rule_only() {
        let text = "rule a { condition: \"x\nrule b { condition: true }\nnonsense }\nrule c { condition: true }";
        assert_eq!(shown(text), ["rule 23", "rule 26", "stray nonsense }\n", "rule 26"]);
        assert_eq!(shown("private\nrule a { condition: true }"), ["rule 34"]);
    }
}
