//! What a session learns about the people at its ends: who hands the message in, to which server, from whom, for whom.
//!
//! These are claims and look-ups of the mail server, kept as they came; [`Scan::envelope`](crate::Scan::envelope) turns
//! them into the nouns that the engine knows.

use std::net::IpAddr;

/// The client that handed the message to the mail server, and the server.
///
/// With milter and the policy protocol these are what the mail server tells; with SMTP and LMTP what XFORWARD tells
/// where it was sent, else the connection itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    /// The name of the address, confirmed by a forward look-up. `None`: there is none, or it did not confirm.
    pub name: Option<String>,
    /// Without a name: whether there is one is an open question, since its look-up failed for now or nobody made one.
    pub unresolved: bool,
    /// What the address' PTR record says, confirmed or not, where the server tells.
    pub reverse_name: Option<String>,
    pub helo: Option<Vec<u8>>,
    /// `SMTP`, `ESMTP`, `LMTP`, as the server said it.
    pub protocol: Option<String>,
    pub authenticated: Option<Authenticated>,
    pub tls: Option<Tls>,
    /// The message was not brought over SMTP (`sendmail` command, a bounce): nobody is there to hear a refusal.
    pub local: bool,
    /// The server before us counts the client among its own (XFORWARD's `SOURCE=LOCAL`), over SMTP or not.
    pub inside: bool,
    pub server: Server,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authenticated {
    pub name: String,
    /// The mechanism, such as `PLAIN`.
    pub mechanism: Option<String>,
    /// Whom the sender claims to be (`AUTH=` of MAIL), where told.
    pub author: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    pub version: Option<String>,
    pub cipher: Option<String>,
    pub bits: Option<u32>,
    /// Subject and issuer of the client's certificate.
    pub subject: Option<String>,
    pub issuer: Option<String>,
}

/// The mail server that asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Its host name: macro `j`.
    pub name: Option<String>,
    /// Its kind and version: macro `v`, such as `Postfix 3.7.11`.
    pub software: Option<String>,
    /// Which of its listeners took the connection: `{daemon_name}`, or the policy protocol's `policy_context`.
    pub listener: Option<String>,
    pub address: Option<IpAddr>,
}

/// An address of the envelope with the parameters that came with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// Without angle brackets and source route; empty is the null sender.
    pub address: Vec<u8>,
    /// Keywords in upper case; the value where there was one.
    pub parameters: Vec<(String, Option<Vec<u8>>)>,
}

impl Path {
    /// Bytes that it takes, about.
    pub(crate) fn kept(&self) -> usize {
        let parameters = self.parameters.iter();
        let each =
            |(keyword, value): &(String, Option<Vec<u8>>)| keyword.len() + value.as_ref().map_or(0, Vec::len) + 64;
        size_of::<Self>() + self.address.len() + parameters.map(each).sum::<usize>()
    }

    pub fn new(address: impl Into<Vec<u8>>) -> Self {
        Self { address: address.into(), parameters: Vec::new() }
    }

    /// From an argument as SMTP and milter spell it: `<a@b>`, also without brackets, also with a source route.
    pub fn parse(text: &[u8]) -> Self {
        let mut text = text.trim_ascii();
        if let Some(inner) = text.strip_prefix(b"<") {
            text = inner.strip_suffix(b">").unwrap_or(inner);
        }
        if text.first() == Some(&b'@')
            && let Some(colon) = text.iter().position(|b| *b == b':')
        {
            text = &text[colon + 1..];
        }
        Self::new(text.trim_ascii())
    }

    /// Adds `KEYWORD` or `KEYWORD=value`.
    pub fn add_parameter(&mut self, text: &[u8]) {
        let (keyword, value) = match text.iter().position(|b| *b == b'=') {
            Some(at) => (&text[..at], Some(text[at + 1..].to_vec())),
            None => (text, None),
        };
        if !keyword.is_empty() {
            self.parameters.push((lossy(keyword).to_ascii_uppercase(), value));
        }
    }

    pub fn parameter(&self, keyword: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(k, _)| k == keyword).and_then(|(_, v)| v.as_deref())
    }

    pub fn has(&self, keyword: &str) -> bool {
        self.parameters.iter().any(|(k, _)| k == keyword)
    }

    /// `SIZE=`, what the client says the message measures.
    pub fn size(&self) -> Option<u64> {
        std::str::from_utf8(self.parameter("SIZE")?).ok()?.parse().ok()
    }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An address as servers write it: bare, in brackets, with Sendmail's or SMTP's `IPv6:`.
pub(crate) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let text = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ipv6:") => &text[5..],
        _ => text,
    };
    let text = text.split('%').next()?; // a zone names an interface of that machine, not of ours
    let address: IpAddr = text.parse().ok()?;
    Some(address.to_canonical())
}

/// A host name that says something: not empty, not an address in brackets, not Postfix's `unknown`.
pub(crate) fn confirmed_name(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    (!text.is_empty() && !text.starts_with(b"[") && !text.eq_ignore_ascii_case(b"unknown")).then(|| lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, address) in [
            ("<a@example.jp>", "a@example.jp"),
            ("a@example.jp", "a@example.jp"),
            ("<>", ""),
            ("<@hop1,@hop2:a@example.jp>", "a@example.jp"),
            ("<\"a b\"@example.jp>", "\"a b\"@example.jp"),
            ("<a@example.jp", "a@example.jp"),
        ] {
            assert_eq!(Path::parse(text.as_bytes()).address, address.as_bytes(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("[192.0.2.1]", Some("192.0.2.1")),
            ("IPv6:2001:db8::1", Some("2001:db8::1")),
            ("ipv6:::1", Some("::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(parse_address(text.as_bytes()), address.map(|a| a.parse().unwrap()), "{text}");
        }
    }
}
