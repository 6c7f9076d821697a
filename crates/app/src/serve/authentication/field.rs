//! `Authentication-Results` (RFC 8601): ours written, others' in our name taken away, a sealer's copy of his read.
//!
//! In: what was found out, a message's header. Out: changes of it. A field counts as in our name when any reader could take
//! it for ours: comments, quoted strings, quoted pairs and case may hide the name, and what is broken counts where the name
//! occurs in it at all. What decides in a sender's favour is read strictly instead: [`passes_dmarc`].

use crate::config::Authentication as Settings;
use mail::Authentication;
use mail::authentication::{Dkim, Outcome};
use protocols::{Edit, edit};

const NAME: &str = "Authentication-Results";

/// Our field on top, and those away that others wrote in our name (RFC 8601, 5).
pub fn edits(settings: &Settings, found: &Authentication, content: &[u8]) -> Vec<Edit> {
    let mut edits = without_forged(settings, content);
    if settings.header {
        edits.push(Edit::top(NAME, field(settings.name(), found)));
    }
    edits
}

/// Those away that others wrote in our name. Where `header` is off, another program may write them in this name.
pub fn without_forged(settings: &Settings, content: &[u8]) -> Vec<Edit> {
    if !settings.header {
        return Vec::new();
    }
    edit::remove_fields(content, |field, value| field.eq_ignore_ascii_case(NAME.as_bytes()) && is_ours(settings, value))
}

fn is_ours(settings: &Settings, value: &[u8]) -> bool {
    match tokens(value) {
        Some(tokens) => {
            let name = tokens.iter().find_map(|token| match token {
                Token::Word(name) | Token::Quoted(name) => Some(name.replace('\\', "")),
                Token::Equals | Token::Semicolon => None,
            });
            // A comment within the name divides it, or does not.
            let glued: String = tokens
                .iter()
                .take_while(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))
                .map(|token| match token {
                    Token::Word(name) | Token::Quoted(name) => name.replace('\\', ""),
                    Token::Equals | Token::Semicolon => String::new(),
                })
                .collect();
            name.is_some_and(|name| settings.is_ours(&name)) || settings.is_ours(&glued)
        }
        None => {
            let value = String::from_utf8_lossy(value).replace('\\', "").to_ascii_lowercase();
            let names = settings.also.iter().map(String::as_str).chain([settings.name()]);
            names.map(str::to_ascii_lowercase).any(|name| value.contains(&name))
        }
    }
}

/// Whether a field, or what a seal keeps of one, says in so many words that DMARC passed for this author's domain.
pub fn passes_dmarc(results: &str, author: &str) -> bool {
    let Some(tokens) = tokens(results.as_bytes()) else { return false };
    // The first piece is who says so.
    let all = tokens.split(|token| *token == Token::Semicolon).skip(1);
    let is = |token: Option<&Token>, wanted: &str| matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
    let mut dmarc = all.filter(|piece| is(piece.first(), "dmarc") || is(piece.first(), "dmarc/1"));
    let (Some(only), None) = (dmarc.next(), dmarc.next()) else { return false };
    let mut from = only.windows(3).filter(|three| is(three.first(), "header.from") && three[1] == Token::Equals);
    let (Some([_, _, Token::Word(from) | Token::Quoted(from)]), None) = (from.next(), from.next()) else {
        return false;
    };
    let from = from.rsplit('@').next().unwrap_or_default().trim_end_matches('.');
    only.get(1) == Some(&Token::Equals)
        && is(only.get(2), "pass")
        && !from.is_empty()
        && from.eq_ignore_ascii_case(author)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Equals,
    Semicolon,
}

/// Comments left out. `None`: one does not end, or a quoted string does not.
fn tokens(value: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'(' => rest = after_comment(rest)?,
            b'"' => {
                let (text, after) = quoted(rest)?;
                tokens.push(Token::Quoted(text));
                rest = after;
            }
            b'=' => tokens.push(Token::Equals),
            b';' => tokens.push(Token::Semicolon),
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                let ends = |b: &u8| b.is_ascii_whitespace() || b"(\"=;".contains(b);
                let length = 1 + after.iter().position(ends).unwrap_or(after.len());
                let start = value.len() - after.len() - 1;
                tokens.push(Token::Word(String::from_utf8_lossy(&value[start..start + length]).into_owned()));
                rest = &value[start + length..];
            }
        }
    }
    Some(tokens)
}

fn after_comment(mut rest: &[u8]) -> Option<&[u8]> {
    let mut open = 1_u32;
    while open > 0 {
        let (byte, after) = rest.split_first()?;
        rest = match byte {
            b'\\' => after.get(1..)?,
            _ => after,
        };
        match byte {
            b'(' => open = open.saturating_add(1),
            b')' => open -= 1,
            _ => {}
        }
    }
    Some(rest)
}

fn quoted(mut rest: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((String::from_utf8_lossy(&text).into_owned(), rest)),
            b'\\' => {
                text.push(*rest.first()?);
                rest = &rest[1..];
            }
            other => text.push(*other),
        }
    }
}

/// The field's value, folded.
pub fn field(name: &str, found: &Authentication) -> String {
    let mut results = Vec::new();
    if let Some(spf) = &found.spf {
        let identity = match found.sender.as_deref() {
            Some("") | None => format!("smtp.helo={}", value(&found.helo)),
            Some(sender) => format!("smtp.mailfrom={}", value(sender)),
        };
        results.push(format!("spf={} {identity}", spf.result));
    }
    results.extend(found.dkim.iter().map(signature));
    if found.arc.result != Outcome::None {
        let sealer = found.arc.sealer().map(|sealer| format!(" ({})", comment(sealer))).unwrap_or_default();
        results.push(format!("arc={}{sealer}", found.arc.result));
    }
    if !found.dmarc.domain.is_empty() {
        let policy = match found.dmarc.published {
            Some(_) => format!(" (p={})", found.dmarc.policy.name()),
            None => String::new(),
        };
        results.push(format!("dmarc={}{policy} header.from={}", found.dmarc.result, value(&found.dmarc.domain)));
    }
    if results.is_empty() {
        results.push("none".to_owned());
    }
    format!("{name};\n\t{}", results.join(";\n\t"))
}

/// Of a line, where there is a blank to break it at. RFC 5322 allows 998.
const LINE: usize = 110;

fn signature(one: &Dkim) -> String {
    let mut text = format!("dkim={}", one.result);
    if !one.why.is_empty() {
        text.push_str(&format!(" ({})", comment(&one.why)));
    }
    let mut line = text.len();
    for (property, said) in
        [("d", &one.domain), ("i", &one.identity), ("s", &one.selector), ("a", &one.algorithm), ("b", &one.signature)]
    {
        if !said.is_empty() {
            let piece = format!("header.{property}={}", value(said));
            let folds = line + piece.len() > LINE;
            text.push_str(if folds { "\n\t\t" } else { " " });
            line = if folds { 0 } else { line + 1 } + piece.len();
            text.push_str(&piece);
        }
    }
    text
}

/// What a stranger wrote, as a value: bare where it is a word or an address, else quoted.
fn value(text: &str) -> String {
    const LONGEST: usize = 255;
    let mut text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    while text.len() > LONGEST {
        text.pop();
    }
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"-._@+!#$%&'*^`{|}~:".contains(&b);
    match !text.is_empty() && text.bytes().all(bare) {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '(' | ')' | '\\')).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::authentication::{Dmarc, Spf};

    #[test]
    fn whose_field_it_is() {
        let settings =
            Settings { name: "mx.example.org".into(), also: vec!["mx2.example.org".into()], ..Settings::default() };
        for (value, ours) in [
            (" mx.example.org; spf=pass", true),
            ("\n\t(a (nested) comment) MX.example.org. 1; none", true),
            ("\"mx.example.org\"; none", true),
            ("\"mx\\.example\\.org\"; none", true),
            ("mx\\.example.org; none", true),
            ("(\\() mx.example.org; dmarc=pass", true),
            ("(\\)) mx.example.org; dmarc=pass", true),
            ("mx(.other).example.org; none", true),
            ("mx.example.org(x); none", true),
            ("mx2.example.org; none", true),
            ("(never closed mx.example.org; none", true),
            ("\"mx.example.org; none", true),
            ("other.example.org; smtp.helo=mx.example.org", false),
            ("(mx.example.org) other.example.org; none", false),
            ("amx.example.org; none", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&settings, value.as_bytes()), ours, "{value}");
        }
    }

    #[test]
    fn what_a_sealer_says_of_dmarc() {
        for (results, passes) in [
            ("g.example; dmarc=pass header.from=a.example", true),
            (
                "i (x); dkim=pass header.d=b; DMARC=pass (p=reject; sp=none) reason=\"a; b\" header.from=A.example.",
                true,
            ),
            ("g.example; dara=pass header.i=@x; dmarc/1=pass header.from=a.example; x=y", true),
            ("g.example; dmarc=pass header.from=b.example", false),
            ("g.example; dmarc=pass", false),
            ("g.example; dmarc=passx header.from=a.example", false),
            ("g.example; dmarc=fail header.from=a.example", false),
            ("g.example; dmarc=fail (; dmarc=pass header.from=a.example) header.from=a.example", false),
            ("g.example; spf=none smtp.mailfrom=\"a;dmarc=pass header.from=a.example\"", false),
            ("g.example; spf=none smtp.mailfrom=\"\\\";dmarc=pass header.from=a.example;\\\"\"", false),
            ("g.example; dmarc=pass header.from=a.example; dmarc=fail header.from=a.example", false),
            ("g.example; dmarc=pass header.from=a.example header.from=b.example", false),
            ("g.example; dmarc=pass header.from=a.example (never closed", false),
            ("dmarc=pass header.from=a.example", false),
            ("", false),
        ] {
            assert_eq!(passes_dmarc(results, "a.example"), passes, "{results}");
        }
    }

    #[test]
    fn our_field_and_no_other_in_our_name() {
        let found = Authentication {
            sender: Some("a b@x.example".into()),
            spf: Some(Spf { result: Outcome::Pass, ..Spf::default() }),
            dkim: vec![Dkim {
                result: Outcome::Fail,
                why: "changed (much)".into(),
                domain: "x.example".into(),
                ..Dkim::default()
            }],
            dmarc: Dmarc { result: Outcome::Pass, domain: "x.example".into(), ..Dmarc::default() },
            ..Authentication::default()
        };
        let settings = Settings { name: "mx.example.org".into(), ..Settings::default() };
        let content =
            b"Authentication-Results: MX.example.org.; dkim=pass\nAuthentication-Results: other.example; none\n\nx\n";
        let with = Settings { also: vec!["Other.example".into()], ..settings.clone() };
        assert_eq!(super::edits(&with, &found, content).len(), 3);
        assert_eq!(super::edits(&Settings { header: false, ..with }, &found, content), []);
        let edits = edits(&settings, &found, content);
        assert_eq!(edits[0], Edit::DeleteHeader { name: b"Authentication-Results".to_vec(), index: 1 });
        let text = String::from_utf8(edit::apply(content, &edits)).unwrap();
        let expected = "Authentication-Results: mx.example.org;\n\tspf=pass smtp.mailfrom=\"a b@x.example\";\n\tdkim=fail \
                        (changed much) header.d=x.example;\n\tdmarc=pass header.from=x.example\n\
                        Authentication-Results: other.example; none\n\nx\n";
        assert_eq!(text, expected);
        assert_eq!(field("mx.example.org", &Authentication::default()), "mx.example.org;\n\tnone");
    }

    #[test]
    fn lines_are_never_too_long() {
        let long = "\u{1f4e8}\"".repeat(200);
        let one = Dkim {
            result: Outcome::Fail,
            why: long.clone(),
            domain: long.clone(),
            identity: long.clone(),
            selector: long.clone(),
            algorithm: long.clone(),
            signature: long.clone(),
            ..Dkim::default()
        };
        let found = Authentication { dkim: vec![one; 3], sender: Some(long), ..Authentication::default() };
        let text = field("mx.example.org", &found);
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    }
}
