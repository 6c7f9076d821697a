//! Links that show one host and lead to another.
//!
//! In: a part of a mail, the tables of `.pdb` (hosts worth imitating), `.wdb` (pairs that are in order) and `.gdb` files
//! (digests of addresses). Out: the first link that deceives, under ClamAV's name for it. As in ClamAV only links that show
//! a host of the table count: whose text is any other words, or an unlisted host, deceives nobody here. How addresses are
//! cleaned, and what an entry must match, was found out with clamscan 1.4.6 and is held to it by a test.

use mail::tld::Registry;
use regex::bytes::Regex;
use rules::signatures::{self as tables, AddressForm, DigestForm};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use unpack::Budget;
use unpack::html::LinkKind;

/// The Public Suffix List.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new([], [], []));
/// Larger parts are not looked at.
const LARGEST: usize = 100 << 10;
/// Bytes of an address or of its text.
const LONGEST: usize = 2048;

/// Tables about links, compiled.
#[derive(Default)]
pub struct Phishing {
    /// Hosts worth imitating.
    protected: HashSet<Vec<u8>>,
    protected_expressions: Vec<Regex>,
    /// `real:displayed`
    pairs: HashSet<Vec<u8>>,
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
    /// What is not understood was told when the files were read.
    pub fn new(tables: &tables::Phishing) -> Phishing {
        let mut phishing = Phishing::default();
        for entry in tables.protected.iter().chain(&tables.allowed) {
            let field = |index: usize| entry.fields.get(index).map(String::as_str).unwrap_or_default();
            let lower = |index: usize| field(index).to_ascii_lowercase().into_bytes();
            match entry.form {
                AddressForm::ProtectedHost => {
                    phishing.protected.insert(lower(0));
                }
                AddressForm::ProtectedRegex => phishing.protected_expressions.extend(entry.expression().ok()),
                AddressForm::AllowedHosts => {
                    phishing.pairs.insert([&lower(0)[..], b":", &lower(1)].concat());
                }
                AddressForm::AllowedRegexes => phishing.pair_expressions.extend(entry.expression().ok()),
                AddressForm::AllowedRealRegex => phishing.real_expressions.extend(entry.expression().ok()),
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
    pub fn check(&self, bytes: &[u8], budget: &mut Budget) -> Option<Deceit> {
        if bytes.len() > LARGEST {
            return None;
        }
        unpack::html::links(bytes, budget).iter().find_map(|link| {
            // What stands inside of a link or a form, or is its title, is what is shown for it.
            let (real, shown) = match (&link.shown, link.kind) {
                (shown, LinkKind::Href) => (&link.address, shown.as_deref().unwrap_or_default()),
                (Some(real), _) => (real, &link.address[..]),
                (None, _) => return None,
            };
            let name = self.judge(real, shown, link.kind == LinkKind::Href)?;
            let offset = memchr::memmem::find(bytes, real).unwrap_or(0);
            Some(Deceit { name, shown: [shown, b" -> ", real].concat(), offset })
        })
    }

    /// `of_link`: of an `<a>` itself; only then is a missing TLS deceit.
    fn judge(&self, real: &[u8], shown: &[u8], of_link: bool) -> Option<&'static str> {
        if real.len() > LONGEST || shown.len() > LONGEST || !leads_somewhere(real) {
            return None;
        }
        if !self.digests.is_empty() {
            if let Some(list) = Address::parse(real).and_then(|address| self.listed(&address)) {
                return Some(match list {
                    0 => "Heuristics.Safebrowsing.Suspected-malware_safebrowsing.clamav.net",
                    1 => "Heuristics.Phishing.URL.Blocked",
                    _ => "Heuristics.Safebrowsing.Suspected-phishing_safebrowsing.clamav.net",
                });
            }
            // Where addresses are digested, ClamAV compares none that has no scheme.
            if !real.contains(&b':') {
                return None;
            }
        }
        if shown == real {
            return None;
        }
        let (real, shown) = (Cleaned::real(real), Cleaned::shown(shown));
        if !shown.looks_like_an_address() || !real.has_host() || !shown.has_host() {
            return None;
        }
        let whole = [&real.text[..], b":", &shown.text].concat();
        let hosts = [real.host(), b":", shown.host()].concat();
        let either = |expression: &Regex| expression.is_match(&whole) || expression.is_match(&hosts);
        let protected = from_labels(shown.host()).any(|host| self.protected.contains(host))
            || self.protected_expressions.iter().any(|e| either(e) || e.is_match(shown.host()));
        if !protected {
            return None;
        }
        let allowed = self.pairs.contains(&whole)
            || from_labels(&hosts).any(|pair| self.pairs.contains(pair))
            || self.pair_expressions.iter().any(either)
            || self.real_expressions.iter().any(|e| e.is_match(&real.text) || e.is_match(real.host()));
        if allowed {
            return None;
        }
        if real.text.contains(&1) {
            return Some("Heuristics.Phishing.Email.Cloaked.Null");
        }
        let secure = |address: &Cleaned| address.text.starts_with(b"https://");
        if of_link && secure(&shown) && !secure(&real) {
            return Some("Heuristics.Phishing.Email.SSL-Spoof");
        }
        let same = real.host() == shown.host() || domain(real.host()) == domain(shown.host());
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
        for host in from_labels(&address.host).take(5) {
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

/// Only such addresses are looked at: of the web and FTP, and names that end as names do.
fn leads_somewhere(address: &[u8]) -> bool {
    let address = address.trim_ascii();
    if let Some(rest) = [&b"http:"[..], b"https:", b"ftp:"].iter().find_map(|scheme| address.strip_prefix(*scheme)) {
        return !rest.starts_with(b"\\");
    }
    let host = address.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default();
    host_name(host)
}

/// Labels with a top-level domain that there is, and nobody's mailbox.
fn host_name(text: &[u8]) -> bool {
    let fits = |byte: &u8| !matches!(byte, b'@' | b':' | b'/');
    let last = memchr::memrchr(b'.', text).map(|at| &text[at + 1..]);
    text.iter().all(fits) && last.is_some_and(|last| REGISTRY.is_tld(last))
}

/// The name and what it is below: from its first label, from its second and so on.
fn from_labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = name.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).map(|at| &name[at..])
}

/// The last two labels, or three where the last is a country's and short ones stand before it.
fn domain(host: &[u8]) -> &[u8] {
    let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
    let count = match labels.as_slice() {
        [.., second, last] if last.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let length: usize = labels.iter().rev().take(count).map(|label| label.len() + 1).sum();
    &host[host.len() - length.saturating_sub(1).min(host.len())..]
}

/// Scheme and host of an address, without path, port, blanks and what is not printed.
struct Cleaned {
    text: Vec<u8>,
    /// Where a name before `@`, or the host, begins.
    host: usize,
}

impl Cleaned {
    fn real(address: &[u8]) -> Cleaned {
        let (mut text, host) = Cleaned::head(address);
        let mut at = host;
        // Decoded behind the cut: an encoded slash hides no host. A zero would end the text, and becomes a one.
        while at + 3 < text.len() {
            if text[at] == b'%'
                && let Some(byte) =
                    std::str::from_utf8(&text[at + 1..at + 3]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            {
                text.splice(at..at + 3, [byte.max(1)]);
            }
            at += 1;
        }
        text.retain(|byte| *byte != b' ');
        Cleaned { text, host }
    }

    fn shown(text: &[u8]) -> Cleaned {
        let mut text = text.trim_ascii();
        while let Some(rest) = text.strip_prefix(b"&lt;").or(text.strip_prefix(b"&gt;")) {
            text = rest;
        }
        while let Some(rest) = text.strip_suffix(b"&lt;").or(text.strip_suffix(b"&gt;")) {
            text = rest;
        }
        let (mut text, mut host) = Cleaned::head(text);
        let end = text.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |at| at + 1);
        text.truncate(end);
        let begin = text.iter().position(u8::is_ascii_alphanumeric).unwrap_or(0);
        text.drain(..begin);
        host = host.saturating_sub(begin);
        if host >= text.len() {
            host = 0;
        }
        text.retain(|byte| *byte != b' ');
        Cleaned { text, host }
    }

    /// What stands before the path, in lower case from the host on, and where that begins.
    fn head(address: &[u8]) -> (Vec<u8>, usize) {
        let printed = |byte: &u8| {
            let byte = byte & 0x7f;
            (byte >= b' ' && byte != 0x7f && byte != b';').then_some(if byte == b'\\' { b'/' } else { byte })
        };
        let blank = |byte: &u8| *byte == b' ';
        let mut text: Vec<u8> = address.iter().filter_map(printed).collect();
        text.drain(..text.iter().position(|byte| !blank(byte)).unwrap_or(text.len()));
        let scheme = memchr::memchr(b':', &text).map_or(0, |at| at + 1);
        let slashes = if scheme == 0 { 0 } else { text[scheme..].iter().take_while(|byte| **byte == b'/').count() };
        let spaces = text[..scheme].iter().filter(|byte| blank(byte)).count();
        text.retain(|byte| !blank(byte));
        let host = (scheme + slashes - spaces).min(text.len());
        let end =
            text[host..].iter().position(|byte| matches!(byte, b'/' | b'?' | b':')).map_or(text.len(), |at| host + at);
        text.truncate(end);
        text[host..].make_ascii_lowercase();
        (text, host)
    }

    fn host(&self) -> &[u8] {
        let host = self.text.get(self.host..).unwrap_or_default();
        let host = memchr::memrchr(b'@', host).map_or(host, |at| &host[at + 1..]);
        host.strip_suffix(b".").unwrap_or(host)
    }

    /// No label is empty.
    fn has_host(&self) -> bool {
        self.host().split(|byte| *byte == b'.').all(|label| !label.is_empty())
    }

    /// With a scheme, or something like one; or the name of a host.
    fn looks_like_an_address(&self) -> bool {
        self.host > 0 || host_name(&self.text)
    }
}

/// An address as it was written, or text that looks like one.
struct Address {
    host: Vec<u8>,
    path: Vec<u8>,
}

impl Address {
    fn parse(text: &[u8]) -> Option<Address> {
        let text = text.trim_ascii();
        if text.len() > LONGEST || text.iter().any(|byte| byte.is_ascii_whitespace()) {
            return None;
        }
        let (has_scheme, rest) = match memchr::memmem::find(text, b"://") {
            Some(at) if text[..at].iter().all(u8::is_ascii_alphabetic) => (true, &text[at + 3..]),
            _ => (false, text),
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A name before the host belongs to an address with a scheme; without one it is somebody's mailbox.
        let host = match memchr::memrchr(b'@', authority) {
            Some(_) if !has_scheme => return None,
            Some(at) => &authority[at + 1..],
            None => authority,
        };
        let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
        let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        let fits =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'%') || *byte >= 0x80;
        if !host.contains(&b'.') && !has_scheme || host.is_empty() || !host.iter().all(fits) {
            return None;
        }
        let path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
        Some(Address { host, path })
    }
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
            let found = phishing.check(html.as_bytes(), &mut Budget::default()).map(|deceit| deceit.name);
            assert_eq!(found, expected, "{shown} -> {real}");
        }
    }
}
