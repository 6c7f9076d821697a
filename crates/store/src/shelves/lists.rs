//! Allow and block lists, of everybody and of users: senders, domains, networks, URLs and hashes, hard or as a score.
//!
//! In: [`Entry`]s from the operator and users, and per message the [`Subject`]s found in it. Out: the entries that match,
//! the weightiest first: a user's own before global ones, narrow before wide, blocking before allowing. In effect with the
//! next message, since nothing is kept in memory; a question reads a handful of keys.

use crate::backend::{Backend, Durability, Expect, Range, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, behind, text_position};
use crate::shelves::{self, Kept};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const MAX_VALUE: usize = 2_048;
const MAX_COMMENT: usize = 1_000;
/// What one question may ask about: the caller's own limits are lower.
const MAX_SUBJECTS: usize = 10_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    #[default]
    Global,
    User(String),
}

impl Scope {
    /// Users' names are compared without regard to ASCII case.
    pub fn user(name: &str) -> Scope {
        Scope::User(name.to_ascii_lowercase())
    }

    fn position(&self) -> Vec<u8> {
        match self {
            Scope::Global => text_position(b"global"),
            Scope::User(name) => [text_position(b"user"), text_position(name.to_ascii_lowercase().as_bytes())].concat(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A whole address.
    Sender,
    /// A domain and all below it; of the sender or of a URL, as the caller asks.
    Domain,
    /// `192.0.2.0/24`, `2001:db8::/32`, or one address.
    Network,
    /// A URL and all that begins with it at a `/`, `?` or `#`.
    Url,
    /// A digest of a part or file, hexadecimal.
    Hash,
    /// A signature's name, without `.UNOFFICIAL`.
    Signature,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Sender, Kind::Domain, Kind::Network, Kind::Url, Kind::Hash, Kind::Signature];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Sender => "sender",
            Kind::Domain => "domain",
            Kind::Network => "network",
            Kind::Url => "url",
            Kind::Hash => "hash",
            Kind::Signature => "signature",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Allow,
    Block,
    /// Added to the score; negative for good.
    Score(f64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub scope: Scope,
    pub kind: Kind,
    /// As compared: lower case, networks with their host bits cleared.
    pub value: String,
    pub effect: Effect,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub added: Time,
    #[serde(default)]
    pub expires: Option<Time>,
}

impl Entry {
    /// Reads what a person wrote.
    pub fn new(scope: Scope, kind: Kind, value: &str, effect: Effect, by: &str, now: Time) -> Result<Entry> {
        let scope = match scope {
            Scope::Global => Scope::Global,
            Scope::User(name) => Scope::user(&name),
        };
        let value = canonical(kind, value)?;
        if let Effect::Score(score) = effect
            && !score.is_finite()
        {
            return Err(Error::Input { what: "score".into(), why: "not a number".into() });
        }
        let by = format::cut_text(by, MAX_COMMENT).to_owned();
        Ok(Entry { scope, kind, value, effect, comment: String::new(), by, added: now, expires: None })
    }
}

fn canonical(kind: Kind, value: &str) -> Result<String> {
    let wrong = |why: &str| Error::Input { what: format!("{} {value:?}", kind.name()), why: why.into() };
    let value = value.trim();
    if value.is_empty() {
        return Err(wrong("empty"));
    }
    if value.len() > MAX_VALUE {
        return Err(wrong("too long"));
    }
    match kind {
        Kind::Sender => {
            let address = value.trim_start_matches('<').trim_end_matches('>').to_lowercase();
            if address.contains('@') {
                Ok(address)
            } else {
                Err(wrong("an address has an @; for all of a domain, list the domain"))
            }
        }
        Kind::Domain => {
            let domain = value.trim_start_matches("*.").trim_matches(['.', '@']).to_lowercase();
            let fits = !domain.is_empty() && !domain.contains(['@', '/', ' ', '*']);
            if fits { Ok(domain) } else { Err(wrong("write it like example.jp")) }
        }
        Kind::Network => {
            let (address, length) = match value.split_once('/') {
                Some((address, length)) => {
                    (address, Some(length.parse::<u8>().map_err(|_| wrong("no prefix length"))?))
                }
                None => (value, None),
            };
            let address: IpAddr = address.parse().map_err(|_| wrong("no address"))?;
            let address = address.to_canonical();
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let length = length.unwrap_or(longest);
            if length > longest {
                return Err(wrong("the prefix is longer than the address"));
            }
            Ok(network(address, length))
        }
        Kind::Url => {
            let (scheme, rest) =
                value.split_once("://").ok_or_else(|| wrong("write it like https://example.jp/path"))?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let path = if path == "/" { "" } else { path };
            Ok(format!("{}://{}{path}", scheme.to_lowercase(), host.to_lowercase()))
        }
        Kind::Hash => {
            let digits = value.to_ascii_lowercase();
            let fits = digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if fits { Ok(digits) } else { Err(wrong("write at least 32 hexadecimal digits")) }
        }
        Kind::Signature => {
            let name = value.to_ascii_lowercase();
            let name = name.strip_suffix(".unofficial").unwrap_or(&name);
            let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
            if fits { Ok(name.to_owned()) } else { Err(wrong("write the whole name, as the log has it")) }
        }
    }
}

fn network(address: IpAddr, length: u8) -> String {
    let address = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    };
    format!("{address}/{length}")
}

fn key(scope: &Scope, kind: Kind, value: &str) -> Vec<u8> {
    [scope.position(), text_position(kind.name().as_bytes()), value.as_bytes().to_vec()].concat()
}

impl Kept for Entry {
    const SHELF: Shelf = Shelf::Lists;

    fn key(&self) -> Vec<u8> {
        key(&self.scope, self.kind, &self.value)
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut lists = vec![("all", Vec::new())];
        lists.extend(self.expires.map(|expires| ("expires", expires.position().to_vec())));
        lists
    }
}

/// Something in a message that a list may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    Sender(&'a str),
    Domain(&'a str),
    Address(IpAddr),
    Url(&'a str),
    Hash(&'a str),
    Signature(&'a str),
}

impl Subject<'_> {
    /// Every value by which an entry could name it, with how narrow that is.
    fn values(&self) -> Vec<(Kind, String)> {
        let domains = |domain: &str| {
            let domain = domain.trim_matches('.').to_lowercase();
            let starts = std::iter::once(0).chain(domain.match_indices('.').map(|(at, _)| at + 1));
            starts.take(128).map(|at| (Kind::Domain, domain[at..].to_owned())).collect::<Vec<_>>()
        };
        match self {
            Subject::Sender(address) => {
                let mut values: Vec<_> =
                    canonical(Kind::Sender, address).into_iter().map(|a| (Kind::Sender, a)).collect();
                values.extend(
                    address
                        .rsplit_once('@')
                        .map(|(_, domain)| domains(domain.trim_end_matches('>')))
                        .unwrap_or_default(),
                );
                values
            }
            Subject::Domain(domain) => domains(domain),
            Subject::Address(address) => {
                let address = address.to_canonical();
                let longest = if address.is_ipv4() { 32 } else { 128 };
                (0..=longest).map(|length| (Kind::Network, network(address, length))).collect()
            }
            Subject::Url(url) => {
                let Ok(url) = canonical(Kind::Url, format::cut_text(url, MAX_VALUE)) else { return Vec::new() };
                let host = url.find("://").map_or(0, |at| at + 3);
                let cuts = url[host..].match_indices(['/', '?', '#']).map(|(at, _)| host + at);
                let mut values: Vec<_> = cuts.take(64).map(|at| (Kind::Url, url[..at].to_owned())).collect();
                // `https://example.jp/a/` as listed names all below it.
                values.extend(
                    url[host..].match_indices('/').take(64).map(|(at, _)| (Kind::Url, url[..=host + at].to_owned())),
                );
                values.push((Kind::Url, url));
                values
            }
            Subject::Hash(digits) => vec![(Kind::Hash, digits.to_ascii_lowercase())],
            Subject::Signature(name) => {
                canonical(Kind::Signature, name).into_iter().map(|name| (Kind::Signature, name)).collect()
            }
        }
    }
}

/// Entries that match, the weightiest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches(pub Vec<Entry>);

impl Matches {
    /// What the weightiest hard entry says: [`Effect::Allow`] or [`Effect::Block`].
    pub fn decision(&self) -> Option<&Entry> {
        self.0.iter().find(|entry| !matches!(entry.effect, Effect::Score(_)))
    }

    /// The sum of the soft ones.
    pub fn score(&self) -> f64 {
        self.0.iter().map(|entry| if let Effect::Score(score) = entry.effect { score } else { 0.0 }).sum()
    }
}

/// See [`crate::Store::lists`].
#[derive(Clone)]
pub struct Lists {
    backend: Arc<dyn Backend>,
}

impl Lists {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Lists {
        Lists { backend }
    }

    /// Adds it, or puts it in the place of the one for the same scope, kind and value.
    pub fn set(&self, entry: &Entry) -> Result<()> {
        let mut entry = entry.clone();
        entry.value = canonical(entry.kind, &entry.value)?;
        entry.comment.truncate(format::cut_text(&entry.comment, MAX_COMMENT).len());
        self.backend.apply(&[shelves::put(&entry, Expect::Anything)], Durability::Synced).map(drop)
    }

    /// Whether it was there.
    pub fn remove(&self, scope: &Scope, kind: Kind, value: &str) -> Result<bool> {
        let key = key(scope, kind, &canonical(kind, value)?);
        shelves::retry(
            self.backend.as_ref(),
            Durability::Synced,
            || format!("list entry {value}"),
            || {
                let found = shelves::get::<Entry>(self.backend.as_ref(), &key)?;
                Ok(found
                    .map_or_else(|| (Vec::new(), false), |(record, _)| (vec![shelves::delete::<Entry>(&record)], true)))
            },
        )
    }

    /// A scope's entries, at most `limit`, after `after` (the last of the page before).
    pub fn list(&self, scope: &Scope, after: Option<&Entry>, limit: usize) -> Result<Vec<Entry>> {
        let start = scope.position();
        let end = behind(&start);
        let from = after.map_or_else(|| start.clone(), |entry| [entry.key(), vec![0]].concat());
        let range =
            Range { shelf: Shelf::Lists, list: "all", from: &from, to: end.as_deref(), backwards: false, limit };
        self.backend.range(&range)?.iter().map(|record| format::read(Shelf::Lists, record)).collect()
    }

    /// Whether there is any entry at all: where there is none, no message needs to be taken apart for them.
    pub fn any(&self) -> Result<bool> {
        let range = Range { shelf: Shelf::Lists, list: "all", from: &[], to: None, backwards: false, limit: 1 };
        Ok(!self.backend.range(&range)?.is_empty())
    }

    /// The entries of these scopes that name one of the subjects.
    pub fn matching(&self, scopes: &[Scope], subjects: &[Subject<'_>], now: Time) -> Result<Matches> {
        if subjects.len() > MAX_SUBJECTS {
            return Err(shelves::too_much("subjects of one question", MAX_SUBJECTS));
        }
        let mut values: Vec<(Kind, String)> = subjects.iter().flat_map(Subject::values).collect();
        values.sort();
        values.dedup();
        let keys: Vec<Vec<u8>> =
            scopes.iter().flat_map(|scope| values.iter().map(move |(kind, value)| key(scope, *kind, value))).collect();
        let mut entries = Vec::new();
        for keys in keys.chunks(500) {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            for record in self.backend.records(Shelf::Lists, &keys)?.iter().flatten() {
                let entry: Entry = format::read(Shelf::Lists, record)?;
                if entry.expires.is_none_or(|expires| expires > now) {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by_key(|entry| {
            let own = matches!(entry.scope, Scope::User(_));
            let block = entry.effect == Effect::Block;
            (Reverse(own), Reverse(narrowness(entry)), Reverse(block), entry.kind, entry.value.clone())
        });
        entries.dedup();
        Ok(Matches(entries))
    }

    /// Forgets entries whose time is over; how many.
    pub fn expire(&self, now: Time) -> Result<u64> {
        shelves::delete_up_to::<Entry>(self.backend.as_ref(), "expires", &now.position())
    }
}

/// A digest or a whole address names one thing; then come URLs, domains by their length, networks by theirs.
fn narrowness(entry: &Entry) -> (u8, usize) {
    match entry.kind {
        Kind::Hash | Kind::Sender | Kind::Signature => (3, 0),
        Kind::Url => (2, entry.value.len()),
        Kind::Domain => (1, entry.value.split('.').count()),
        Kind::Network => (0, entry.value.rsplit_once('/').and_then(|(_, length)| length.parse().ok()).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_brought_to_one_form() {
        for (kind, written, kept) in [
            (Kind::Sender, " <Alice@Example.JP> ", Some("alice@example.jp")),
            (Kind::Sender, "example.jp", None),
            (Kind::Domain, "*.Example.JP.", Some("example.jp")),
            (Kind::Domain, "@example.jp", Some("example.jp")),
            (Kind::Domain, "a@b", None),
            (Kind::Network, "192.0.2.77/24", Some("192.0.2.0/24")),
            (Kind::Network, "192.0.2.77", Some("192.0.2.77/32")),
            (Kind::Network, "0.0.0.0/0", Some("0.0.0.0/0")),
            (Kind::Network, "::ffff:192.0.2.1", Some("192.0.2.1/32")),
            (Kind::Network, "2001:DB8::1/32", Some("2001:db8::/32")),
            (Kind::Network, "192.0.2.0/33", None),
            (Kind::Network, "192.0.2/24", None),
            (Kind::Url, "HTTPS://Example.JP/A", Some("https://example.jp/A")),
            (Kind::Url, "https://example.jp/", Some("https://example.jp")),
            (Kind::Url, "example.jp", None),
            (Kind::Hash, "d41d8cd98f00b204e9800998ecf8427E", Some("d41d8cd98f00b204e9800998ecf8427e")),
            (Kind::Hash, "xyz", None),
            (Kind::Signature, "Sane.Phish.1.UNOFFICIAL", Some("sane.phish.1")),
            (Kind::Signature, "Sane.*", None),
            (Kind::Domain, "  ", None),
        ] {
            assert_eq!(canonical(kind, written).ok().as_deref(), kept, "{kind:?} {written:?}");
        }
    }
}
