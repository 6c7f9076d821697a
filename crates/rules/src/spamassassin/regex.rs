//! `/body/flags` as rules write it: delimiters and flags parted from the body, templates and captures found.
//!
//! What the body means is for `patterns` to say; here stands only what SpamAssassin itself looks at.

use crate::diagnostic::{self, Fault};
use patterns::{Flags, PatternError};

/// A regular expression without its delimiters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal<'t> {
    pub body: &'t [u8],
    pub flags: Flags,
    /// Where the body starts in the written text.
    pub offset: usize,
}

/// Parts `/body/flags`, `m{body}flags`, `m,body,flags`, `qr(body)flags`, and checks that the body can be compiled.
pub fn literal(written: &[u8]) -> Result<Literal<'_>, Fault> {
    let (body, flags) = patterns::perl::parse_rule_literal(written).map_err(|error| fault(error, 0, written.len()))?;
    let offset = written[..written.len() - body.len()].iter().take_while(|b| b.is_ascii_alphanumeric()).count() + 1;
    let parsed = if templates(body).is_empty() {
        patterns::perl::parse(body, flags)
    } else {
        patterns::perl::parse(&with_literal_templates(body), flags)
    };
    parsed.map_err(|error| fault(error, offset, written.len()))?;
    Ok(Literal { body, flags, offset })
}

/// A compiler's complaint as a fault; places count from the start of the written text.
pub fn fault(error: PatternError, offset: usize, end: usize) -> Fault {
    let at = (offset + error.offset).min(end.saturating_sub(1));
    diagnostic::BAD_REGEX
        .found(format!("the regular expression cannot be used: {}", error.reason))
        .label(error.reason)
        .at(at, at + 1)
}

/// `%{TAG}` as `%\{TAG\}`: what a template is before its tags have values.
fn with_literal_templates(body: &[u8]) -> Vec<u8> {
    substitute(body, |tag| [b"%\\{", tag.as_bytes(), b"\\}"].concat())
}

/// Replaces every `%{TAG}`.
pub fn substitute(body: &[u8], value: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut result = Vec::with_capacity(body.len() + 16);
    let mut rest = 0;
    while let Some((start, end)) = next_template(body, rest) {
        result.extend_from_slice(&body[rest..start]);
        result.extend(value(&super::text(&body[start + 2..end - 1])));
        rest = end;
    }
    result.extend_from_slice(&body[rest..]);
    result
}

/// Why a pattern matches everything, where it does by an empty alternative.
pub fn always_matches(body: &[u8]) -> Option<&'static str> {
    let escaped = |at: usize| at > 0 && body[at - 1] == b'\\';
    if body.is_empty() {
        Some("is empty")
    } else if (0..body.len() - 1).any(|at| body[at] == b'|' && body[at + 1] == b'|' && !escaped(at)) {
        Some("contains `||`")
    } else if body[0] == b'|' || (body[body.len() - 1] == b'|' && !escaped(body.len() - 1)) {
        Some("starts or ends with `|`")
    } else {
        None
    }
}

/// The `%{TAG}`s of a pattern, each once, in order.
pub fn templates(body: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = 0;
    while let Some((start, end)) = next_template(body, rest) {
        let tag = super::text(&body[start + 2..end - 1]).into_owned();
        if !found.contains(&tag) {
            found.push(tag);
        }
        rest = end;
    }
    found
}

/// Start and end of the next `%{TAG}` without a backslash before it.
fn next_template(body: &[u8], mut from: usize) -> Option<(usize, usize)> {
    loop {
        let start = from + find(body.get(from..)?, b"%{")?;
        from = start + 2;
        if start > 0 && body[start - 1] == b'\\' {
            continue;
        }
        let close = from + body[from..].iter().position(|byte| *byte == b'}')?;
        if is_tag(&body[from..close]) {
            return Some((start, close + 1));
        }
    }
}

/// `NAME` or `NAME(argument)`; words of capitals and digits, joined by single underscores.
fn is_tag(tag: &[u8]) -> bool {
    let (name, argument) = match tag.iter().position(|byte| *byte == b'(') {
        Some(at) => (&tag[..at], &tag[at..]),
        None => (tag, &b""[..]),
    };
    let good_argument =
        argument.is_empty() || (argument.ends_with(b")") && !argument[..argument.len() - 1].contains(&b')'));
    let starts = name.first().is_some_and(u8::is_ascii_uppercase);
    let pieces = name.split(|byte| *byte == b'_');
    let good_pieces = pieces
        .into_iter()
        .all(|piece| !piece.is_empty() && piece.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    starts && good_pieces && good_argument
}

/// Named groups that start with a capital letter: their values become tags.
pub fn captures(body: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = 0;
    while let Some(at) = find(&body[rest..], b"(?").map(|at| rest + at) {
        rest = at + 2;
        let name_at = rest + usize::from(body.get(rest) == Some(&b'P'));
        let close = match body.get(name_at) {
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            _ => continue,
        };
        let name = &body[name_at + 1..];
        let Some(length) = name.iter().position(|byte| *byte == close) else { continue };
        let name = &name[..length];
        if name.first().is_some_and(u8::is_ascii_uppercase) && super::is_rule_name(name) {
            let name = super::text(name).into_owned();
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// A form that makes a pattern needlessly slow, with a remedy.
pub fn slow_form(body: &[u8]) -> Option<(&'static str, &'static str)> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| body.starts_with(prefix.as_bytes()));
    if starts(&[".*", "^.*", ".+", "\\s*", "\\S*", "\\w*"]) && !body.starts_with(b".*?(") {
        return Some((
            "starts with an unbounded repetition",
            "remove the repetition at the start: a pattern matches anywhere",
        ));
    }
    if body.ends_with(b".*") && !body.ends_with(b"\\.*") {
        return Some(("ends with .*", "remove the .* at the end: what follows a match does not matter"));
    }
    if find(body, b".*.*").is_some() || find(body, b".+.*").is_some() {
        return Some((
            "has two unbounded repetitions side by side",
            "join them to one, with an upper limit such as {0,40}",
        ));
    }
    let repeats = |byte: u8| matches!(byte, b'+' | b'*');
    if body.windows(4).any(|w| w[0] != b'\\' && repeats(w[1]) && w[2] == b')' && repeats(w[3])) {
        return Some(("repeats a group that ends in a repetition", "limit one of the two, such as {1,40}"));
    }
    None
}

/// A letter beyond ASCII where the pattern takes a single byte: in a set, or before a repetition.
pub fn parted_letter(body: &[u8]) -> Option<String> {
    let mut in_set = false;
    let mut chars = body.utf8_chunks().flat_map(|chunk| chunk.valid().chars().map(Some).chain([None])).peekable();
    while let Some(c) = chars.next() {
        let Some(c) = c else { continue };
        match c {
            '\\' => drop(chars.next()),
            '[' if !in_set => {
                in_set = true;
                // A bracket that comes first is one of the set.
                chars.next_if_eq(&Some('^'));
                chars.next_if_eq(&Some(']'));
            }
            ']' => in_set = false,
            _ if c.is_ascii() => {}
            _ if in_set => return Some(format!("takes one byte of {c} in a set")),
            _ => {
                if let Some(Some(repeated)) = chars.peek()
                    && matches!(repeated, '?' | '*' | '+' | '{')
                {
                    return Some(format!("repeats the last byte of {c} alone ({c}{repeated})"));
                }
            }
        }
    }
    None
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_parted_and_checked() {
        let cases: [(&str, Option<(&str, usize)>); 8] = [
            ("/abc/i", Some(("abc", 1))),
            ("m{a{1,2}}ix", Some(("a{1,2}", 2))),
            ("qr!^https?://!", Some(("^https?://", 3))),
            ("/%{GB_TO}@x/", Some(("%{GB_TO}@x", 1))),
            ("abc", None),
            ("/abc", None),
            ("/a(b/", None),
            ("/a(?{code})/", None),
        ];
        for (written, expected) in cases {
            let found = literal(written.as_bytes()).ok();
            let found = found.as_ref().map(|l| (std::str::from_utf8(l.body).unwrap(), l.offset));
            assert_eq!(found, expected, "{written}");
        }
    }

    #[test]
    fn templates_are_substituted() {
        let made = substitute(b"a%{X}b\\%{X}", |tag| format!("<{tag}>").into_bytes());
        assert_eq!(made, b"a<X>b\\%{X}");
    }

    #[test]
    fn tags_and_captures() {
        assert_eq!(
            templates(b"a%{GB_TO}b%{HEADER(From:addr)}\\%{NOT}%{lower}%{GB_TO}"),
            ["GB_TO", "HEADER(From:addr)"]
        );
        assert_eq!(captures(b"(?<TAG>x)(?P<OTHER>y)(?'THIRD'z)(?<=q)(?<low>r)(?<!s)"), ["TAG", "OTHER", "THIRD"]);
    }

    #[test]
    fn letters_that_are_several_bytes_are_seen() {
        for body in ["[あい]", "株式会社?", "(?:x|社){2}|社{2}", "[^]あ]", "\\[[ア-ン]"] {
            assert!(parted_letter(body.as_bytes()).is_some(), "{body}");
        }
        for body in ["(?:あ|い)", "(?:社)?", "\\[あ\\]", "[a-z]あ", "請求書.{0,3}", "[\\x81-\\x9f]", "[]a]い"]
        {
            assert_eq!(parted_letter(body.as_bytes()), None, "{body}");
        }
        assert_eq!(parted_letter(b"[\x81\xff]"), None, "bytes are meant");
    }

    #[test]
    fn slow_forms_are_seen() {
        for body in [".*x", "x.*", "a.*.*b", "(?:a+)+b"] {
            assert!(slow_form(body.as_bytes()).is_some(), "{body}");
        }
        for body in ["x", "a.*b", "x\\.*", "(?:a+)b", "(?:a\\+)+"] {
            assert!(slow_form(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn empty_alternatives_match_always() {
        let cases = [
            ("a|b", false),
            ("a||b", true),
            ("a\\||b", false),
            ("|a", true),
            ("a|", true),
            ("a\\|", false),
            ("", true),
        ];
        for (body, expected) in cases {
            assert_eq!(always_matches(body.as_bytes()).is_some(), expected, "{body}");
        }
    }
}
