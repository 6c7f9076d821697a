//! Macro strings of SPF records: RFC 7208, section 7. Parsed once, expanded for one client and one domain.

use std::fmt::Write as _;
use std::net::IpAddr;

/// A domain-spec or another macro string.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Macro {
        /// Lower case.
        letter: u8,
        escaped: bool,
        /// How many parts of the right are kept; 0: all.
        parts: usize,
        reversed: bool,
        delimiters: String,
    },
}

/// What letters stand for.
pub struct Values<'a> {
    pub sender: &'a str,
    pub domain: &'a str,
    pub client: IpAddr,
    pub helo: &'a str,
    pub receiver: &'a str,
    /// Seconds since 1970.
    pub now: i64,
    /// The client's name, validated; `None`: not wanted.
    pub name: Option<String>,
}

/// Bytes of a name in DNS.
const LONGEST: usize = 253;

impl Spec {
    /// Of a mechanism, `redirect` or `exp`: it ends in a label that a domain may end in, or in a macro.
    pub fn domain(text: &str) -> Option<Spec> {
        let spec = Spec::parse(text, false)?;
        match spec.0.last()? {
            Piece::Macro { .. } => {}
            Piece::Literal(_) => {
                // The last label has a dot before it.
                let end = text.strip_suffix('.').unwrap_or(text);
                let (_, top) = end.rsplit_once('.')?;
                let sound = !top.is_empty()
                    && top.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !top.starts_with('-')
                    && !top.ends_with('-')
                    && !top.bytes().all(|b| b.is_ascii_digit());
                if !sound && !text.ends_with("%%") && !text.ends_with("%_") && !text.ends_with("%-") {
                    return None;
                }
            }
        }
        Some(spec)
    }

    /// Of a modifier that nobody knows.
    pub fn modifier(text: &str) -> Option<Spec> {
        Spec::parse(text, true)
    }

    /// Of an explanation: blanks may be in it, and letters that only it has.
    pub fn explanation(text: &str) -> Option<Spec> {
        text.is_ascii().then(|| Spec::pieces(text, true, true))?
    }

    fn parse(text: &str, all_letters: bool) -> Option<Spec> {
        Spec::pieces(text, all_letters, false)
    }

    fn pieces(text: &str, all_letters: bool, blanks: bool) -> Option<Spec> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '%' {
                if !(c.is_ascii_graphic() || blanks && c == ' ') {
                    return None;
                }
                literal.push(c);
                continue;
            }
            let kind = rest.chars().next()?;
            rest = &rest[kind.len_utf8()..];
            match kind {
                '%' => literal.push('%'),
                '_' => literal.push(' '),
                '-' => literal.push_str("%20"),
                '{' => {
                    let (inside, after) = rest.split_once('}')?;
                    rest = after;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(braced(inside, all_letters)?);
                }
                _ => return None,
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Some(Spec(pieces))
    }

    /// Whether the client's validated name is asked for.
    pub fn wants_name(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: b'p', .. }))
    }

    pub fn expand(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Macro { letter, escaped, parts, reversed, delimiters } => {
                    let value = of(*letter, values);
                    let mut list: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
                    if *reversed {
                        list.reverse();
                    }
                    let kept = if *parts == 0 { list.len() } else { (*parts).min(list.len()) };
                    let value = list[list.len() - kept..].join(".");
                    if *escaped { url_escaped(&value, &mut text) } else { text.push_str(&value) }
                }
            }
        }
        text
    }

    /// Expanded to a name, cut at its left where it is too long.
    pub fn name(&self, values: &Values<'_>) -> String {
        let expanded = self.expand(values);
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > LONGEST {
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// `d`, `ir`, `l1r+-`.
fn braced(inside: &str, all_letters: bool) -> Option<Piece> {
    let first = *inside.as_bytes().first()?;
    let letter = first.to_ascii_lowercase();
    if !(b"slodiphv".contains(&letter) || all_letters && b"crt".contains(&letter)) {
        return None;
    }
    let rest = inside.get(1..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let parts = match &rest[..digits] {
        "" => 0,
        digits => Some(digits.parse::<usize>().unwrap_or(usize::MAX)).filter(|parts| *parts > 0)?,
    };
    let rest = &rest[digits..];
    let (reversed, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if !rest.bytes().all(|b| b".-+,/_=".contains(&b)) {
        return None;
    }
    let delimiters = if rest.is_empty() { "." } else { rest }.to_owned();
    Some(Piece::Macro { letter, escaped: first.is_ascii_uppercase(), parts, reversed, delimiters })
}

fn of(letter: u8, values: &Values<'_>) -> String {
    let (local, domain) = values.sender.rsplit_once('@').unwrap_or(("postmaster", values.sender));
    match letter {
        b's' => values.sender.to_owned(),
        b'l' => local.to_owned(),
        b'o' => domain.to_owned(),
        b'd' => values.domain.to_owned(),
        b'i' => match values.client {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let nibbles = address.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
                nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
            }
        },
        b'p' => values.name.clone().unwrap_or_else(|| "unknown".to_owned()),
        b'v' => if values.client.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        b'h' => values.helo.to_owned(),
        b'c' => values.client.to_string(),
        b'r' => values.receiver.to_owned(),
        _ => values.now.to_string(),
    }
}

fn url_escaped(value: &str, text: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7208, section 7.4.
    #[test]
    fn the_standards_examples() {
        let values = |client: &str| Values {
            sender: "strong-bad@email.example.com",
            domain: "email.example.com",
            client: client.parse().unwrap(),
            helo: "mx.example.org",
            receiver: "here.example",
            now: 7,
            name: Some("mx.example.org".into()),
        };
        let expand = |text: &str, client: &str| {
            Spec::explanation(text).map(|spec| spec.expand(&values(client))).unwrap_or_default()
        };
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{p}.trusted-domains.example.net", "mx.example.org.trusted-domains.example.net"),
            ("%{S} %_%%%- %{c} %{t}", "strong-bad%40email.example.com  %%20 192.0.2.3 7"),
        ] {
            assert_eq!(expand(text, "192.0.2.3"), expected, "{text}");
        }
        assert_eq!(
            expand("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
        for text in ["%{c}.x.example", "%{d0}.x.example", "%{dx}.x.example", "%x.example", "%{d", "x"] {
            assert_eq!(Spec::domain(text), None, "{text}");
        }
        let long = format!("{}.%{{d}}", ["abcdefg"; 40].join("."));
        assert!(Spec::domain(&long).unwrap().name(&values("192.0.2.3")).len() <= LONGEST);
    }
}
