//! An SPF record, from its text: RFC 7208, sections 5, 6 and 12. What breaks the grammar anywhere makes the whole record
//! an error, as the standard demands; so everything is parsed before anything is asked.

use super::macros::Spec;
use std::net::{Ipv4Addr, Ipv6Addr};

#[derive(Debug, PartialEq)]
pub struct Record {
    pub directives: Vec<Directive>,
    pub redirect: Option<Spec>,
    pub exp: Option<Spec>,
}

#[derive(Debug, PartialEq)]
pub struct Directive {
    pub qualifier: Qualifier,
    pub mechanism: Mechanism,
    /// As written.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Prefix lengths of both families.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lengths {
    pub v4: u8,
    pub v6: u8,
}

#[derive(Debug, PartialEq)]
pub enum Mechanism {
    All,
    Include(Spec),
    A(Option<Spec>, Lengths),
    Mx(Option<Spec>, Lengths),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// Whether a TXT record is an SPF record at all.
pub fn is_record(text: &str) -> bool {
    let head = text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("v=spf1"));
    head && matches!(text.as_bytes().get(6), None | Some(b' '))
}

/// `Err`: the term that is wrong.
pub fn parse(text: &str) -> Result<Record, String> {
    let mut record = Record { directives: Vec::new(), redirect: None, exp: None };
    for term in text.get(6..).unwrap_or("").split(' ').filter(|term| !term.is_empty()) {
        term_of(term, &mut record).ok_or_else(|| term.to_owned())?;
    }
    Ok(record)
}

fn term_of(term: &str, record: &mut Record) -> Option<()> {
    if let Some((name, value)) = modifier(term) {
        let slot = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut record.redirect,
            "exp" => &mut record.exp,
            _ => return Spec::modifier(value).map(drop),
        };
        if slot.is_some() {
            return None;
        }
        *slot = Some(Spec::domain(value)?);
        return Some(());
    }
    let (qualifier, rest) = match term.as_bytes().first()? {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let mechanism = mechanism(rest)?;
    record.directives.push(Directive { qualifier, mechanism, text: term.to_owned() });
    Some(())
}

/// `name=value`, where the name is one.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    sound.then_some((name, value))
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let argument = rest.strip_prefix(':');
    let spec = |text: Option<&str>| Spec::domain(text?);
    Some(match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(spec(argument)?),
        "exists" => Mechanism::Exists(spec(argument)?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(spec(argument)?)),
        "a" | "mx" => {
            let (domain, lengths) = with_lengths(rest)?;
            let spec = match domain.strip_prefix(':') {
                Some(domain) => Some(Spec::domain(domain)?),
                None if domain.is_empty() => None,
                None => return None,
            };
            match name.len() {
                1 => Mechanism::A(spec, lengths),
                _ => Mechanism::Mx(spec, lengths),
            }
        }
        "ip4" => {
            let (address, length) = network(argument?, 32)?;
            Mechanism::Ip4(address.parse().ok()?, length)
        }
        "ip6" => {
            let (address, length) = network(argument?, 128)?;
            Mechanism::Ip6(address.parse().ok()?, length)
        }
        _ => return None,
    })
}

fn network(text: &str, whole: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        Some((address, length)) => Some((address, number(length, whole)?)),
        None => Some((text, whole)),
    }
}

/// `[domain][/n][//m]`.
fn with_lengths(text: &str) -> Option<(&str, Lengths)> {
    let mut lengths = Lengths { v4: 32, v6: 128 };
    let mut domain = text;
    if let Some((before, digits)) = domain.rsplit_once("//")
        && is_digits(digits)
    {
        lengths.v6 = number(digits, 128)?;
        domain = before;
    }
    if let Some((before, digits)) = domain.rsplit_once('/')
        && is_digits(digits)
        && !before.ends_with('/')
    {
        lengths.v4 = number(digits, 32)?;
        domain = before;
    }
    Some((domain, lengths))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Without leading zeros.
fn number(text: &str, most: u8) -> Option<u8> {
    let sound = is_digits(text) && (text == "0" || !text.starts_with('0'));
    sound.then(|| text.parse().ok())?.filter(|number| *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_record() {
        for (text, expected) in
            [("v=spf1", true), ("V=SPF1 -all", true), ("v=spf10 -all", false), ("v=spf1-all", false), ("spf1", false)]
        {
            assert_eq!(is_record(text), expected, "{text}");
        }
    }

    #[test]
    fn terms_that_are_sound_and_terms_that_are_not() {
        for term in [
            "all",
            "-ALL",
            "a",
            "a/24",
            "a//64",
            "a/24//64",
            "a:x.example/24",
            "mx:x.example",
            "ptr",
            "ptr:x.example",
            "ip4:192.0.2.0/24",
            "ip6:2001:db8::/32",
            "include:x.example",
            "exists:%{i}.x.example",
            "redirect=x.example",
            "exp=%{d}.x.example",
            "other=%{l}",
            "?a:%{d}",
            "a:x.example.",
            "~mx",
            "moo.cow-far_out=man:dog/cat",
        ] {
            assert!(parse(&format!("v=spf1 {term}")).is_ok(), "{term}");
        }
        for term in [
            "all:x",
            "a:",
            "a/33",
            "a//129",
            "a/024",
            "a:x",
            "a:museum.",
            "ip4",
            "ip4:",
            "ip4:192.0.2",
            "ip4:192.0.2.1/33",
            "ip6:x",
            "include",
            "include:",
            "exists",
            "include:x.example/24",
            "moo",
            "a:%{x}.example",
            "a:x.%",
            "redirect=",
            "a:x.example:80",
            "ip4:192.0.2.1//24",
            "ptr/0",
            "=x",
            "a:x.1",
            "exists:foo%(bar).example",
            "a\u{9}mx",
            "-",
        ] {
            let broken = parse(&format!("v=spf1 {term}"));
            // A colon is a letter of a domain's text like others.
            assert!(broken.is_err() || term == "a:x.example:80" && broken.is_ok(), "{term}");
        }
        assert!(parse("v=spf1 redirect=a.example redirect=b.example").is_err());
    }
}
