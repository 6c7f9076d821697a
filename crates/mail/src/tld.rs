//! Where does a registry end and a registrant begin? `www.example.co.jp` belongs to `example.co.jp`.
//!
//! In: the lists of `util_rb_tld`, `util_rb_2tld`, `util_rb_3tld`, or nothing (then the Public Suffix List, one that was
//! fetched or the one that is compiled in). Out: is this a name in a known top level, and which part of it did somebody register?
//! Follows SpamAssassin's RegistryBoundaries where rule files gave lists, since URI rules and block lists expect it; what is
//! one organisation is the Public Suffix List's to say, whatever rule files hold.

use crate::received::is_address_literal;
use crate::suffixes::Suffixes;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use psl::Psl as _;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// Known top levels and the second and third levels under which registries sell names.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// `None`: the Public Suffix List.
    lists: Option<Lists>,
    /// The Public Suffix List in place of the one that is compiled in.
    suffixes: Option<Arc<Suffixes>>,
}

#[derive(Debug, Clone, Default)]
struct Lists {
    top: HashSet<Box<[u8]>>,
    two: HashSet<Box<[u8]>>,
    three: HashSet<Box<[u8]>>,
}

/// Host and registered domain of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriHost {
    pub domain: Vec<u8>,
    pub host: Vec<u8>,
}

/// DNS allows no longer name.
const NAME: usize = 255;

impl Registry {
    /// `top`: "jp", "xn--q9jyb4c"; `two` and `three`: "co.jp", "act.edu.au". No top level at all means that nobody gave
    /// a list: the built-in one serves.
    pub fn new<'a>(
        top: impl IntoIterator<Item = &'a str>,
        two: impl IntoIterator<Item = &'a str>,
        three: impl IntoIterator<Item = &'a str>,
    ) -> Registry {
        fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> HashSet<Box<[u8]>> {
            names.into_iter().map(|name| name.to_ascii_lowercase().into_bytes().into_boxed_slice()).collect()
        }
        let lists = Lists { top: set(top), two: set(two), three: set(three) };
        Registry { lists: (!lists.top.is_empty()).then_some(lists), suffixes: None }
    }

    /// With this Public Suffix List in place of the one that is compiled in.
    pub fn with_suffixes(self, suffixes: Option<Arc<Suffixes>>) -> Registry {
        Registry { suffixes, ..self }
    }

    /// `label` (without dots) is a known top level; ASCII case ignored.
    pub fn is_tld(&self, label: &[u8]) -> bool {
        let mut buffer = [0; NAME];
        let Some(label) = lower(label, &mut buffer) else { return false };
        match &self.lists {
            Some(lists) => lists.top.contains(label),
            None => match &self.suffixes {
                Some(suffixes) => suffixes.is_top_level(label),
                None => psl::List.suffix(label).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == label),
            },
        }
    }

    /// Does the name end in a known top level, after at least one dot?
    pub fn is_domain_valid(&self, name: &[u8]) -> bool {
        let blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
        let dot = memchr::memrchr(b'.', name);
        dot.is_some_and(|dot| dot + 1 < name.len() && !name.iter().any(blank) && self.is_tld(&name[dot + 1..]))
    }

    /// The registered part of a name: `www.example.co.jp` to `example.co.jp`. ASCII case ignored.
    pub fn trim_domain<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        self.trimmed(name, self.lists.as_ref())
    }

    /// The same by the Public Suffix List alone: whose domain it is, whatever lists rules have.
    pub fn organisation<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        self.trimmed(name, None)
    }

    fn trimmed<'n>(&self, name: &'n [u8], lists: Option<&Lists>) -> &'n [u8] {
        let start = name.iter().position(|&b| b != b'.').unwrap_or(name.len());
        let end = name.iter().rposition(|&b| b != b'.').map_or(start, |n| n + 1);
        let name = &name[start..end];
        let mut buffer = [0; NAME];
        let Some(lowered) = lower(name, &mut buffer) else { return name };
        let labels = match (lists, &self.suffixes) {
            (Some(lists), _) => lists.suffix_labels(lowered),
            (None, Some(suffixes)) => suffixes.labels(lowered),
            (None, None) => {
                psl::List.suffix(lowered).map_or(1, |suffix| suffix.as_bytes().split(|&b| b == b'.').count())
            }
        };
        last_labels(name, labels + 1)
    }

    /// Host and registered domain of a URI, both lower-case ASCII; `None` for what leads to no host in a known top
    /// level. An address literal is its own domain.
    pub fn uri_to_domain(&self, uri: &[u8]) -> Option<UriHost> {
        let uri = uri.to_ascii_lowercase();
        let name = uri_host(&uri)?;
        if has_needless_percent(name) {
            // The decoded form comes along by itself.
            return None;
        }
        let host = idn_to_ascii(name);
        if is_address_literal(&host) {
            return Some(UriHost { domain: host.to_vec(), host: host.into_owned() });
        }
        if !is_fqdn_valid(&host) || !self.is_domain_valid(&host) {
            return None;
        }
        Some(UriHost { domain: self.trim_domain(&host).to_vec(), host: host.into_owned() })
    }
}

impl Lists {
    /// How many labels at the end are the registry's.
    fn suffix_labels(&self, name: &[u8]) -> usize {
        let mut labels = name.rsplit(|&b| b == b'.');
        let (top, second, third, fourth) = (labels.next(), labels.next(), labels.next(), labels.next());
        if top == Some(b"us") && second.is_some_and(is_state) {
            // RFC 1480: fire-dept.ci.los-angeles.ca.us, school.pvt.k12.ma.us, anything.or.us.
            let place = matches!(fourth, Some(b"ci" | b"co")) || (fourth == Some(b"pvt") && third == Some(b"k12"));
            if place {
                return 4;
            }
            if third.is_some() {
                return 3;
            }
        } else if top != Some(b"us") && third.is_some() && self.three.contains(last_labels(name, 3)) {
            return 3;
        }
        if second.is_some() && self.two.contains(last_labels(name, 2)) { 2 } else { 1 }
    }
}

/// The host part of a lower-case URI; `None` where the scheme has none or an address has no single host.
fn uri_host(uri: &[u8]) -> Option<&[u8]> {
    if [&b"javascript:"[..], b"cid:", b"file:"].iter().any(|scheme| uri.starts_with(scheme)) {
        return None;
    }
    if let Some(address) = uri.strip_prefix(b"mailto:") {
        let address = &address[..memchr::memchr(b'?', address).unwrap_or(address.len())];
        let at = memchr::memchr(b'@', address)?;
        return memchr::memchr(b'@', &address[at + 1..]).is_none().then(|| &address[at + 1..]);
    }
    let scheme = uri.iter().take_while(|b| b.is_ascii_lowercase()).count();
    let mut host = uri;
    if scheme > 0 && uri.get(scheme) == Some(&b':') {
        host = &uri[scheme + 1..];
        for _ in 0..2 {
            host = host.strip_prefix(b"/").unwrap_or(host);
        }
    }
    host = &host[..host.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(host.len())];
    host = memchr::memrchr(b'@', host).map_or(host, |at| &host[at + 1..]);
    let port = host.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    Some(host[..host.len() - port].strip_suffix(b":").unwrap_or(host))
}

/// `%41`: hides a character that needs no hiding.
fn has_needless_percent(name: &[u8]) -> bool {
    memchr::memchr_iter(b'%', name).any(|at| {
        let digits = (name.get(at + 1), name.get(at + 2));
        matches!(
            digits,
            (Some(b'2'), Some(b'1'..=b'9' | b'a'..=b'f'))
                | (Some(b'3'..=b'6'), Some(b'0'..=b'9' | b'a'..=b'f'))
                | (Some(b'7'), Some(b'0'..=b'9' | b'a'..=b'e'))
        )
    })
}

/// A host name in the form that DNS asks for: `xn--` for what is not ASCII, "." for other scripts' dots, lower case.
/// What is no possible name stays as it is, but for the dots.
pub fn idn_to_ascii(name: &[u8]) -> Cow<'_, [u8]> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_.:[]-".contains(b);
    if name.iter().all(plain) {
        return lower_case(name);
    }
    let text = match std::str::from_utf8(name) {
        Ok(text) => text.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], "."),
        // Latin-1 letters.
        Err(_) if name.iter().all(|&b| is_latin_letter(b) || b.is_ascii_alphanumeric() || b"_.-".contains(&b)) => {
            name.iter().map(|&b| char::from(b)).collect()
        }
        Err(_) => return lower_case(name),
    };
    let too_long = |name: &str| name.len() >= NAME || name.split('.').any(|label| label.len() > 63);
    let ascii = if text.is_ascii() && !text.to_ascii_lowercase().split('.').any(|label| label.starts_with("xn--")) {
        Some(text.to_ascii_lowercase())
    } else {
        let uts46 = Uts46::new();
        let (unicode, read) = uts46.to_unicode(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        let ascii = uts46.to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        ascii.ok().filter(|_| read.is_ok() && unicode.split('.').all(may_be_registered)).map(Cow::into_owned)
    };
    match ascii.filter(|name| !too_long(name)) {
        Some(ascii) => Cow::Owned(ascii.into_bytes()),
        None if std::str::from_utf8(name).is_ok() => Cow::Owned(text.into_bytes()),
        None => Cow::Borrowed(name),
    }
}

/// A label as readers see it: `xn--` read, everything else as it is.
pub fn unicode_label(label: &str) -> String {
    if !label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--")) {
        return label.to_owned();
    }
    Uts46::new().to_unicode(label.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow).0.into_owned()
}

/// IDNA 2008 knows letters, digits and marks, but no symbols; a hyphen stands inside.
fn may_be_registered(label: &str) -> bool {
    let known = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_')
            || unicode_normalization::char::is_combining_mark(c)
            || matches!(c, '\u{b7}' | '\u{30fb}' | '\u{200c}' | '\u{200d}')
    };
    let leading_mark = label.chars().next().is_some_and(unicode_normalization::char::is_combining_mark);
    label.is_ascii() || !leading_mark && label.chars().all(known) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_latin_letter(b: u8) -> bool {
    b >= 0xc0 && b != 0xd7 && b != 0xdf && b != 0xf7 && b != 0xff
}

fn lower_case(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// Labels of letters, digits, "-" and "_", none too long, with dots between them; one is enough.
pub fn has_plain_labels(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain))
}

/// Whether a name is this domain, or lies in it. Both in lower case.
pub fn is_or_is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain.trim_end_matches('.')).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// At least two labels of letters, digits, "-" and "_" (the last two labels without "_"), none too long.
pub fn is_fqdn_valid(name: &[u8]) -> bool {
    let end = name.iter().rposition(|&b| b != b'.').map_or(0, |n| n + 1);
    let name = &name[..end];
    let labels = name.split(|&b| b == b'.').count();
    labels > 1
        && name.len() <= 253
        && name.rsplit(|&b| b == b'.').enumerate().all(|(n, label)| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' && n >= 2;
            (1..=63).contains(&label.len())
                && label.iter().all(|&b| inner(b) || b == b'-')
                && label.first().is_some_and(|&b| inner(b))
                && label.last().is_some_and(|&b| inner(b))
        })
}

/// The last so many labels, or all.
pub(crate) fn last_labels(name: &[u8], labels: usize) -> &[u8] {
    memchr::memrchr_iter(b'.', name).nth(labels - 1).map_or(name, |dot| &name[dot + 1..])
}

/// `None` if the name is longer than any can be.
fn lower<'b>(name: &[u8], buffer: &'b mut [u8; NAME]) -> Option<&'b [u8]> {
    let room = buffer.get_mut(..name.len())?;
    room.copy_from_slice(name);
    room.make_ascii_lowercase();
    Some(room)
}

fn is_state(label: &[u8]) -> bool {
    STATES.contains(&label)
}

/// States and territories with registries of their own below `us`.
static STATES: [&[u8]; 54] = [
    b"ak", b"al", b"ar", b"az", b"ca", b"co", b"ct", b"dc", b"de", b"fl", b"ga", b"gu", b"hi", b"ia", b"id", b"il",
    b"in", b"ks", b"ky", b"la", b"ma", b"md", b"me", b"mi", b"mn", b"mo", b"ms", b"mt", b"nc", b"nd", b"ne", b"nh",
    b"nj", b"nm", b"nv", b"ny", b"oh", b"ok", b"or", b"pa", b"pr", b"ri", b"sc", b"sd", b"tn", b"tx", b"ut", b"va",
    b"vi", b"vt", b"wa", b"wi", b"wv", b"wy",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Registry {
        Registry::new(["com", "jp", "us", "uk", "xn--q9jyb4c"], ["co.jp", "co.uk"], ["act.edu.au", "tokyo.lg.jp"])
    }

    /// A list that was fetched is for DMARC, and for all else only where rule files gave none.
    #[test]
    fn lists_of_rules_and_a_list_of_suffixes() {
        let suffixes = Suffixes::parse("com\nexample.com\n").map(Arc::new);
        let (listed, alone) = (listed(), Registry::default());
        let (listed, alone) = (listed.with_suffixes(suffixes.clone()), alone.with_suffixes(suffixes));
        for (registry, trimmed) in [(&listed, "example.com"), (&alone, "b.example.com")] {
            assert_eq!(registry.trim_domain(b"a.b.example.com"), trimmed.as_bytes());
            assert_eq!(registry.organisation(b"a.B.example.com"), b"B.example.com");
        }
        assert!(listed.is_tld(b"jp") && !alone.is_tld(b"jp") && alone.is_tld(b"com"));
        assert_eq!(Registry::default().organisation(b"www.example.co.jp"), b"example.co.jp");
    }

    #[test]
    fn domains() {
        let table = [
            ("www.example.com", "example.com"),
            ("WWW.Example.CO.JP", "Example.CO.JP"),
            ("co.jp", "co.jp"),
            (".a.b.example.co.uk.", "example.co.uk"),
            ("www.city.tokyo.lg.jp", "city.tokyo.lg.jp"),
            ("fire-dept.ci.los-angeles.ca.us", "fire-dept.ci.los-angeles.ca.us"),
            ("www.shop.example.or.us", "shop.example.or.us"),
            ("a.example.us", "example.us"),
            ("localhost", "localhost"),
        ];
        for (name, expected) in table {
            let trimmed = listed().trim_domain(name.as_bytes()).to_vec();
            assert_eq!(trimmed, expected.as_bytes(), "{name}");
        }
        let built_in = Registry::default();
        assert_eq!(built_in.trim_domain(b"www.example.co.jp"), b"example.co.jp");
        assert!(built_in.is_tld(b"JP") && built_in.is_domain_valid(b"a.example") == built_in.is_tld(b"example"));
        assert!(!built_in.is_tld(b"nosuchtld") && !built_in.is_tld(b""));
    }

    #[test]
    fn hosts_of_uris() {
        let table = [
            ("http://www.example.com/a?b", Some(("example.com", "www.example.com"))),
            ("HTTPS://user:word@WWW.Example.co.jp:8443#x", Some(("example.co.jp", "www.example.co.jp"))),
            ("mailto:info@mail.example.com?subject=x", Some(("example.com", "mail.example.com"))),
            ("mailto:a@b@example.com", None),
            ("http://192.0.2.7/", Some(("192.0.2.7", "192.0.2.7"))),
            ("http://host.nosuchtld/", None),
            ("http://ex%61mple.com/", None),
            ("http://日本語.jp/", Some(("xn--wgv71a119e.jp", "xn--wgv71a119e.jp"))),
            ("http://www。example．com/", Some(("example.com", "www.example.com"))),
            ("cid:image@example.com", None),
            ("http://_x.example.com", Some(("example.com", "_x.example.com"))),
            ("http://ex_ample.com", None),
        ];
        for (uri, expected) in table {
            let found = listed().uri_to_domain(uri.as_bytes());
            let found = found.as_ref().map(|f| (str::from_utf8(&f.domain).unwrap(), str::from_utf8(&f.host).unwrap()));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
