//! Links that show one host and lead to another.
//!
//! In: a part of a mail, the tables of `.pdb` (hosts worth imitating), `.wdb` (pairs that are in order) and `.gdb` files
//! (digests of addresses). Out: the first link that deceives, under ClamAV's name for it. As in ClamAV only links that show
//! a host of the table count: whose text is any other words, or an unlisted host, deceives nobody here.

use super::mailbox::Links;
use regex::bytes::{Regex, RegexBuilder};
use rules::signatures::{self as tables, AddressForm, DigestForm};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// Larger parts are not looked at.
const LARGEST: usize = 100 << 10;
/// Links of one part.
const LINKS: usize = 1000;
/// Bytes of an address or of its text.
const LONGEST: usize = 2048;

/// Tables about links, compiled.
#[derive(Default)]
pub struct Phishing {
    /// Hosts worth imitating.
    protected: HashSet<Vec<u8>>,
    protected_expressions: Vec<Regex>,
    /// Real and displayed host.
    pairs: HashSet<(Vec<u8>, Vec<u8>)>,
    pair_expressions: Vec<Regex>,
    real_expressions: Vec<Regex>,
    /// SHA-256 of an address, with the list's number.
    digests: HashMap<[u8; 32], u8>,
    not_these: HashSet<[u8; 32]>,
}

/// A link that deceives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deceit {
    pub name: &'static str,
    /// `shown -> real`
    pub shown: Vec<u8>,
    pub offset: usize,
}

impl Phishing {
    /// What is not understood was told when the files were read, or is left out.
    pub fn new(tables: &tables::Phishing) -> Phishing {
        let mut phishing = Phishing::default();
        for entry in tables.protected.iter().chain(&tables.allowed) {
            let field = |index: usize| entry.fields.get(index).map(String::as_str).unwrap_or_default();
            let lower = |index: usize| field(index).to_ascii_lowercase().into_bytes();
            match entry.form {
                AddressForm::ProtectedHost => {
                    phishing.protected.insert(lower(0));
                }
                AddressForm::ProtectedRegex => {
                    phishing.protected_expressions.extend(expression(&entry.fields.join(":")))
                }
                AddressForm::AllowedHosts => {
                    phishing.pairs.insert((lower(0), lower(1)));
                }
                AddressForm::AllowedRegexes => phishing.pair_expressions.extend(expression(&entry.fields.join(":"))),
                AddressForm::AllowedRealRegex => phishing.real_expressions.extend(expression(field(0))),
            }
        }
        for digest in &tables.digests {
            let Ok(bytes) = <[u8; 32]>::try_from(digest.bytes.as_slice()) else { continue };
            match digest.form {
                DigestForm::Full => drop(phishing.digests.insert(bytes, digest.list)),
                DigestForm::Allowed => drop(phishing.not_these.insert(bytes)),
                DigestForm::Prefix => {}
            }
        }
        phishing
    }

    pub fn is_empty(&self) -> bool {
        self.protected.is_empty() && self.protected_expressions.is_empty() && self.digests.is_empty()
    }

    /// The first link that deceives.
    pub fn check(&self, bytes: &[u8], _links: Links) -> Option<Deceit> {
        if bytes.len() > LARGEST {
            return None;
        }
        links(bytes).take(LINKS).find_map(|link| {
            let name = self.judge(&link)?;
            Some(Deceit { name, shown: [&link.shown[..], b" -> ", &link.real].concat(), offset: link.offset })
        })
    }

    fn judge(&self, link: &Link) -> Option<&'static str> {
        let real = Address::parse(&link.real).filter(|real| real.scheme.is_some())?;
        if let Some(list) = self.listed(&real) {
            return Some(match list {
                1 => "Heuristics.Safebrowsing.Suspected-malware_safebrowsing.clamav.net",
                2 => "Heuristics.Safebrowsing.Suspected-phishing_safebrowsing.clamav.net",
                _ => "Heuristics.Phishing.URL.Blocked",
            });
        }
        let shown = Address::parse(&link.shown)?;
        let both = [&real.without_scheme()[..], b":", &shown.without_scheme(), b"/"].concat();
        let protected = shown.with_parents().any(|host| self.protected.contains(host))
            || self.protected_expressions.iter().any(|expression| expression.is_match(&both));
        if !protected {
            return None;
        }
        let allowed = self.pairs.contains(&(real.host.clone(), shown.host.clone()))
            || self.pair_expressions.iter().any(|expression| expression.is_match(&both))
            || self.real_expressions.iter().any(|expression| expression.is_match(&real.without_scheme()));
        if allowed {
            return None;
        }
        if [&b"%00"[..], b"%01", b"\x01"].iter().any(|cloak| contains(&link.real, cloak)) {
            return Some("Heuristics.Phishing.Email.Cloaked.Null");
        }
        if shown.scheme.as_deref() == Some(b"https") && real.scheme.as_deref() != Some(b"https") {
            return Some("Heuristics.Phishing.Email.SSL-Spoof");
        }
        let same = real.host == shown.host || real.domain() == shown.domain();
        (!same).then_some("Heuristics.Phishing.Email.SpoofedDomain")
    }

    /// Is a digest of the address, or of a host or folder above it, in a list?
    fn listed(&self, address: &Address) -> Option<u8> {
        if self.digests.is_empty() {
            return None;
        }
        let query = address.path.iter().position(|byte| *byte == b'?').unwrap_or(address.path.len());
        let path = &address.path[..query];
        let folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..=at]);
        let paths: Vec<&[u8]> = [&address.path[..], path].into_iter().chain(folders.take(6)).collect();
        for host in address.with_parents().take(5) {
            for path in &paths {
                let digest: [u8; 32] = Sha256::new().chain_update(host).chain_update(path).finalize().into();
                if let Some(list) = self.digests.get(&digest).filter(|_| !self.not_these.contains(&digest)) {
                    return Some(*list);
                }
            }
        }
        None
    }
}

fn expression(text: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("(?-u)^(?:{text})")).case_insensitive(true).size_limit(1 << 20).build().ok()
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// An address as it was written, or text that looks like one.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    scheme: Option<Vec<u8>>,
    host: Vec<u8>,
    path: Vec<u8>,
}

impl Address {
    fn parse(text: &[u8]) -> Option<Address> {
        let text = text.trim_ascii();
        if text.len() > LONGEST || text.iter().any(|byte| byte.is_ascii_whitespace()) {
            return None;
        }
        let (scheme, rest) = match memchr::memmem::find(text, b"://") {
            Some(at) if text[..at].iter().all(u8::is_ascii_alphabetic) => {
                (Some(text[..at].to_ascii_lowercase()), &text[at + 3..])
            }
            _ => (None, text),
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A name before the host belongs to an address with a scheme; without one it is somebody's mailbox.
        let host = match memchr::memrchr(b'@', authority) {
            Some(_) if scheme.is_none() => return None,
            Some(at) => &authority[at + 1..],
            None => authority,
        };
        let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
        let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        let fits =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'%') || *byte >= 0x80;
        if !host.contains(&b'.') && scheme.is_none() || host.is_empty() || !host.iter().all(fits) {
            return None;
        }
        let path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
        Some(Address { scheme, host, path })
    }

    fn without_scheme(&self) -> Vec<u8> {
        [&self.host[..], if self.path == b"/" { b"" } else { &self.path }].concat()
    }

    /// The host and what it is below.
    fn with_parents(&self) -> impl Iterator<Item = &[u8]> {
        let starts = self.host.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at + 1);
        std::iter::once(0).chain(starts).map(|at| &self.host[at..])
    }

    /// The last two labels, or three where the last is a country's and short ones stand before it.
    fn domain(&self) -> &[u8] {
        let labels: Vec<&[u8]> = self.host.split(|byte| *byte == b'.').collect();
        let count = match labels.as_slice() {
            [.., second, last] if last.len() == 2 && second.len() <= 3 => 3,
            _ => 2,
        };
        let length: usize = labels.iter().rev().take(count).map(|label| label.len() + 1).sum();
        &self.host[self.host.len() - length.saturating_sub(1).min(self.host.len())..]
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    real: Vec<u8>,
    shown: Vec<u8>,
    offset: usize,
}

/// `<a href=real>shown</a>`; a picture within is shown by where it comes from.
fn links(html: &[u8]) -> impl Iterator<Item = Link> {
    let mut at = 0;
    let mut pending = Vec::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(link) = pending.pop() {
                return Some(link);
            }
            let offset = at + memchr::memchr(b'<', &html[at..])?;
            let (name, attributes, end) = tag(html, offset);
            at = end;
            if name != b"a" {
                continue;
            }
            let Some(real) = attribute(attributes, b"href").filter(|real| real.len() <= LONGEST) else { continue };
            let mut shown = Vec::new();
            while at < html.len() && shown.len() <= LONGEST {
                if html[at] != b'<' {
                    shown.push(html[at]);
                    at += 1;
                    continue;
                }
                let (inner, attributes, end) = tag(html, at);
                match inner.as_slice() {
                    b"/a" => {
                        at = end;
                        break;
                    }
                    b"a" => break,
                    b"img" => {
                        if let Some(picture) = attribute(attributes, b"src") {
                            pending.push(Link { real: real.clone(), shown: picture, offset });
                        }
                    }
                    _ => {}
                }
                at = end;
            }
            pending.push(Link { real, shown: entities(shown.trim_ascii()), offset });
        }
    })
}

/// Name in lower case, attributes, and where the tag ends.
fn tag(html: &[u8], at: usize) -> (Vec<u8>, &[u8], usize) {
    let end = memchr::memchr(b'>', &html[at..]).map_or(html.len(), |end| at + end);
    let inside = &html[(at + 1).min(end)..end];
    let length = inside.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(inside.len());
    (inside[..length.min(16)].to_ascii_lowercase(), &inside[length..], (end + 1).min(html.len()))
}

fn attribute(attributes: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let length = rest.iter().position(|byte| *byte == b'=' || byte.is_ascii_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        let Some(value) = after.trim_ascii_start().strip_prefix(b"=") else {
            rest = if after.len() == rest.len() { &after[1..] } else { after };
            continue;
        };
        let value = value.trim_ascii_start();
        let (value, after) = match value.first() {
            Some(quote @ (b'"' | b'\'')) => {
                let end = memchr::memchr(*quote, &value[1..]).map_or(value.len(), |end| end + 1);
                (&value[1..end], value.get(end + 1..).unwrap_or_default())
            }
            _ => value.split_at(value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len())),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(entities(value.trim_ascii()));
        }
        rest = after;
    }
}

fn entities(text: &[u8]) -> Vec<u8> {
    if !text.contains(&b'&') {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.iter().take(8).position(|byte| *byte == b';');
        let decoded = end.and_then(|end| match &after[..end] {
            b"amp" => Some(b'&'),
            b"lt" => Some(b'<'),
            b"gt" => Some(b'>'),
            b"quot" => Some(b'"'),
            b"nbsp" => Some(b' '),
            number => {
                let digits = std::str::from_utf8(number.strip_prefix(b"#")?).ok()?;
                match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u8::from_str_radix(hex, 16).ok(),
                    None => digits.parse().ok(),
                }
            }
        });
        match (decoded, end) {
            (Some(byte), Some(end)) => {
                out.push(byte);
                rest = &after[end + 1..];
            }
            _ => {
                out.push(b'&');
                rest = after;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::AddressPattern;

    /// What clamscan 1.4.6 says of the same links with the same tables.
    #[test]
    fn links_that_deceive() {
        let entry =
            |form, fields: &[&str]| AddressPattern { form, fields: fields.iter().map(|f| f.to_string()).collect() };
        let phishing = Phishing::new(&tables::Phishing {
            protected: vec![
                entry(AddressForm::ProtectedHost, &["paypal.com"]),
                entry(AddressForm::ProtectedHost, &["bank.example"]),
                entry(AddressForm::ProtectedRegex, &[".+:.+\\.shop\\.example"]),
            ],
            allowed: vec![
                entry(AddressForm::AllowedHosts, &["good.example", "paypal.com"]),
                entry(
                    AddressForm::AllowedRegexes,
                    &[".+\\.allowed\\.example([/?].*)?", ".+\\.bank\\.example([/?].*)?"],
                ),
            ],
            digests: Vec::new(),
        });
        const SPOOFED: Option<&str> = Some("Heuristics.Phishing.Email.SpoofedDomain");
        const SSL: Option<&str> = Some("Heuristics.Phishing.Email.SSL-Spoof");
        const NULL: Option<&str> = Some("Heuristics.Phishing.Email.Cloaked.Null");
        for (real, shown, expected) in [
            ("http://evil.example/x", "http://www.paypal.com/login", SPOOFED),
            ("http://evil.example/x", "www.paypal.com", SPOOFED),
            ("http://evil.example/x", "paypal.com/login", SPOOFED),
            ("http://evil.example/x", "Visit www.paypal.com now", None),
            ("http://evil.example/x", "PayPal", None),
            ("http://paypal.com/x", "http://www.paypal.com/login", None),
            ("http://sub.paypal.com/x", "paypal.com", None),
            ("http://evil.example/x", "http://notpaypal.com/", None),
            ("http://evil.example/x", "http://other.example/", None),
            ("http://good.example/x", "http://paypal.com/", None),
            ("http://www.good.example/x", "http://www.paypal.com/", SPOOFED),
            ("http://www.allowed.example/x", "http://www.bank.example/", None),
            ("http://evil.example/", "http://www.bank.example/", SPOOFED),
            ("http://evil.example/", "http://a.shop.example/", SPOOFED),
            ("http://www.paypal.com/", "https://www.paypal.com/", SSL),
            ("http://evil.example/", "https://www.paypal.com/", SSL),
            ("http://192.0.2.1/x", "http://www.paypal.com/", SPOOFED),
            ("http://3221225985/x", "http://www.paypal.com/", SPOOFED),
            ("http://www.paypal.com@evil.example/", "http://www.paypal.com/", SPOOFED),
            ("http://www.paypal.com%00@evil.example/", "http://www.paypal.com/", NULL),
            ("http://www.paypal.com%01@evil.example/", "http://www.paypal.com/", NULL),
            ("http://evil.example%00.paypal.com/", "http://www.paypal.com/", NULL),
            ("https://evil.example/x", "http://www.paypal.com/login", SPOOFED),
            ("mailto:x@evil.example", "http://www.paypal.com/login", None),
            ("evil.example/x", "http://www.paypal.com/login", None),
            ("ftp://evil.example/x", "http://www.paypal.com/login", SPOOFED),
            ("http://evil.example/x", "<b>http://www.paypal.com/</b>", SPOOFED),
            ("http://evil.example/x", "http://www.pay<b></b>pal.com/", SPOOFED),
            ("http://evil.example/x", "<img src=\"http://www.paypal.com/logo.gif\">", SPOOFED),
            ("http://evil.example/x", "info@paypal.com", None),
            ("http://evil.example/x", "HTTP://WWW.PAYPAL.COM/", SPOOFED),
            ("http://evil.example/x", "http://www.paypal.com.evil.example/", None),
            ("http://192.0.2.1/x", "click", None),
        ] {
            let html = format!("<html><body><a href=\"{real}\">{shown}</a></body></html>");
            let found = phishing.check(html.as_bytes(), Links::Html).map(|deceit| deceit.name);
            assert_eq!(found, expected, "{shown} -> {real}");
        }
    }
}
