//! Every URI of a message, as written and in the forms a browser would make of it.
//!
//! In: the body view's units, the links of the HTML parts, DKIM domains where configured. Out: a [`UriList`].
//! Follows SpamAssassin's get_uri_detail_list; only the order is ours: as met, text first. `text` finds URIs between
//! words, [`canonical`] makes the forms, this file collects.

pub mod canonical;
mod text;

use super::html::{HtmlFacts, TagTypes};
use super::{Redirectors, UnitText, Views};
use crate::tld::{self, Registry};
use std::collections::{HashMap, HashSet};
use text::Written;

bitflags::bitflags! {
    /// Where outside of HTML a URI was seen; with [`Uri::tags`] SpamAssassin's `types`.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct UriTypes: u8 {
        /// In the text a reader sees.
        const PARSED = 1;
        /// In the text, without scheme and in a form that mail programs do not make clickable.
        const UNLINKED = 1 << 1;
        /// In the text, without scheme.
        const SCHEMELESS = 1 << 2;
        /// The `d=` of a DKIM signature.
        const DOMAINKEYS = 1 << 3;
        /// Not put into other forms.
        const NOCANON = 1 << 4;
        /// Not shown to `uri` rules.
        const NOCLEAN = 1 << 5;
        /// In a picture, as a code to be photographed.
        const QR = 1 << 6;
        /// As such a code that is drawn with characters or cells of a table.
        const DRAWN = 1 << 7;
    }
}

impl UriTypes {
    /// SpamAssassin's names, in the order of the bits; "qr" and "drawn" are ours.
    const NAMES: [&'static str; 8] =
        ["parsed", "unlinked", "schemeless", "domainkeys", "nocanon", "noclean", "qr", "drawn"];

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.bits() >> bit & 1 == 1).map(|(_, name)| name)
    }
}

/// One URI and all that is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// As written; from the text with the scheme that was missing ("http://", "mailto:").
    pub raw: Vec<u8>,
    pub types: UriTypes,
    /// HTML tags that named it.
    pub tags: TagTypes,
    /// `raw` and its canonical forms, unique. Empty for DKIM domains.
    pub cleaned: Vec<Vec<u8>>,
    /// What stands between `<a>` and `</a>`.
    pub anchor_text: Vec<Vec<u8>>,
    pub domains: Vec<Vec<u8>>,
    /// Host, and the registered domain that it belongs to.
    pub hosts: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Uri {
    /// SpamAssassin's `types`: where it was seen.
    pub fn type_names(&self) -> impl Iterator<Item = &'static str> {
        self.types.names().chain(self.tags.names())
    }
}

#[derive(Debug, Clone, Default)]
pub struct UriList {
    pub uris: Vec<Uri>,
    /// Unique cleaned URIs of all [`Uri`]s, in order: what `uri` rules look at.
    pub text: UnitText,
    /// A URI was longer than 8,192 bytes, or there were more than the limit allows.
    pub truncated: bool,
    /// There were more than the limit allows.
    pub limited: bool,
}

/// Pictures of a message that are searched for codes.
const PICTURES: usize = 3;

/// Bytes; what is longer is cut.
const LONGEST: usize = 8_192;

pub(super) fn make(views: &Views<'_>) -> UriList {
    let config = views.config;
    let mut collector = Collector::new(&config.tlds, &*config.redirectors, config.limits.uris);
    for unit in views.body().iter() {
        collector.text(unit);
    }
    for (id, _) in views.message.leaves() {
        if let Some(facts) = views.rendered(id).and_then(|rendered| rendered.facts.as_deref()) {
            collector.html(facts);
        }
    }
    let pictures = views.message.leaves().filter(|(_, part)| part.effective_type().starts_with("image/"));
    for (_, part) in pictures.take(PICTURES) {
        for link in config.pictures.links(part.decoded()) {
            collector.add(&link, UriTypes::QR, TagTypes::default(), true);
        }
    }
    if config.pictures.reads_drawings() {
        for drawing in super::drawn::find(views) {
            if let Some(link) = config.pictures.drawn(&drawing) {
                collector.add(&link, UriTypes::QR | UriTypes::DRAWN, TagTypes::default(), true);
            }
        }
    }
    if config.parse_dkim_uris {
        let headers = views.message.headers();
        for field in headers.all("DomainKey-Signature").chain(headers.all("DKIM-Signature")) {
            collector.dkim(&field.decoded);
        }
    }
    collector.finish()
}

/// Collects URIs. Feed the text first, then HTML, then DKIM domains.
pub struct Collector<'c> {
    registry: &'c Registry,
    redirectors: &'c dyn Redirectors,
    limit: usize,
    list: UriList,
    /// Index of a raw URI in the list.
    index: HashMap<Vec<u8>, usize>,
    /// What the text had already, good or not.
    seen: HashSet<Vec<u8>>,
}

impl<'c> Collector<'c> {
    pub fn new(registry: &'c Registry, redirectors: &'c dyn Redirectors, limit: usize) -> Self {
        let list = UriList::default();
        Collector { registry, redirectors, limit, list, index: HashMap::new(), seen: HashSet::new() }
    }

    /// One unit of the body view.
    pub fn text(&mut self, unit: &[u8]) {
        let registry = self.registry;
        text::find(unit, registry, |found| {
            let raw = trim_tail(found.raw);
            if raw.is_empty() && self.seen.contains(raw) || !self.seen.insert(raw.to_vec()) {
                return;
            }
            if let Some((uri, types)) = complete(raw, &found.kind, registry) {
                self.add(&uri, types, TagTypes::default(), true);
            }
        });
    }

    /// The links of an HTML part.
    pub fn html(&mut self, facts: &HtmlFacts) {
        for uri in &facts.uris {
            let texts = uri.anchors.iter().filter_map(|&n| facts.anchors.get(n as usize)).map(|a| a.text.as_slice());
            self.link(&uri.uri, uri.types, texts);
        }
    }

    /// One link, resolved against its base, with the tags that named it and the texts that a reader may click.
    pub fn link<'t>(&mut self, uri: &[u8], tags: TagTypes, texts: impl Iterator<Item = &'t [u8]>) {
        let types = if tags.is_empty() { UriTypes::PARSED } else { UriTypes::empty() };
        let Some(at) = self.add(uri, types, tags, false) else { return };
        let mut seen = HashSet::new();
        let unique = texts.filter(|text| seen.insert(*text));
        self.list.uris[at].anchor_text.extend(unique.map(<[u8]>::to_vec));
    }

    /// A DKIM-Signature or DomainKey-Signature field's value: its `d=` tags.
    pub fn dkim(&mut self, field: &[u8]) {
        let blank = |b: u8| b.is_ascii_whitespace() || b == 0x0b;
        let mut at = 0;
        while let Some(d) = memchr::memchr(b'd', &field[at..]).map(|n| at + n) {
            at = d + 1;
            let free = d == 0 || !(field[d - 1].is_ascii_alphanumeric() || field[d - 1] == b'_');
            let rest = field[at..].trim_ascii_start();
            let Some(value) = rest.strip_prefix(b"=").filter(|_| free) else { continue };
            let value = value.split(|&b| b == b';').next().unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            at = field.len() - rest.len() + 1 + value.len();
            let domain = value.iter().copied().filter(|&b| !blank(b));
            let uri: Vec<u8> = b"domainkeys:".iter().copied().chain(domain).collect();
            let types = UriTypes::DOMAINKEYS | UriTypes::NOCANON | UriTypes::NOCLEAN;
            self.add(&uri, types, TagTypes::default(), true);
        }
    }

    /// Enters a URI with all its forms, or adds to what is known of it. With `need_domain` only if it leads to a host in a
    /// known top level.
    fn add(&mut self, raw: &[u8], types: UriTypes, tags: TagTypes, need_domain: bool) -> Option<usize> {
        let known = self.index.get(raw).copied();
        if known.is_none() && self.list.uris.len() >= self.limit {
            self.list.truncated = true;
            self.list.limited = true;
            return None;
        }
        let mut forms = if types.contains(UriTypes::NOCANON) {
            vec![raw.to_vec()]
        } else {
            canonical::forms(raw, self.registry, self.redirectors)
        };
        let mut hosts = Vec::new();
        for form in &mut forms {
            if form.len() > LONGEST {
                self.list.truncated = true;
                form.truncate(LONGEST);
            }
            hosts.extend(self.registry.uri_to_domain(form));
        }
        if need_domain && hosts.is_empty() {
            return None;
        }
        let at = known.unwrap_or_else(|| {
            self.index.insert(raw.to_vec(), self.list.uris.len());
            self.list.uris.push(Uri { raw: raw.to_vec(), ..Uri::default() });
            self.list.uris.len() - 1
        });
        let uri = &mut self.list.uris[at];
        uri.types |= types;
        uri.tags.0 |= tags.0;
        if !types.contains(UriTypes::NOCLEAN) {
            for form in forms {
                push_unique(&mut uri.cleaned, form);
            }
        }
        for found in hosts {
            push_unique(&mut uri.domains, found.domain.clone());
            push_unique(&mut uri.hosts, (found.host, found.domain));
        }
        Some(at)
    }

    pub fn finish(mut self) -> UriList {
        let mut seen: HashSet<&[u8]> = HashSet::new();
        for cleaned in self.list.uris.iter().flat_map(|uri| &uri.cleaned) {
            if seen.insert(cleaned) {
                self.list.text.push(cleaned);
            }
        }
        self.list
    }
}

fn push_unique<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Cuts at a closing parenthesis that was never opened, and the punctuation that mail programs leave out of a link.
fn trim_tail(raw: &[u8]) -> &[u8] {
    let open = memchr::memchr(b'(', raw).unwrap_or(raw.len());
    let raw = memchr::memrchr(b')', &raw[..open]).map_or(raw, |close| &raw[..close]);
    let end = raw.iter().rposition(|b| !b"-~!@#^&*()_+=:;'?,.".contains(b)).map_or(0, |n| n + 1);
    &raw[..end]
}

/// Adds the scheme that a mail program would add; `None` for what only looks like a URI.
fn complete(raw: &[u8], kind: &Written<'_>, registry: &Registry) -> Option<(Vec<u8>, UriTypes)> {
    let starts = |prefix: &[u8]| starts_with_ignore_case(raw, prefix);
    match kind {
        Written::Mail if !raw.contains(&b'@') => return None,
        Written::Host(host) if !tld::is_fqdn_valid(host) => return None,
        _ => {}
    }
    if starts(b"cid:") || starts(b"mid:") || is_bare_scheme(raw) {
        return None;
    }
    let mut types = UriTypes::PARSED;
    let mut uri = raw.to_vec();
    if ![&b"http:"[..], b"https:", b"ftp:", b"mailto:"].into_iter().any(starts) {
        types |= UriTypes::SCHEMELESS;
        let at = memchr::memchr(b'@', raw);
        let slash = memchr::memchr(b'/', raw);
        if starts(b"ftp.") {
            uri.splice(0..0, *b"ftp://");
        } else if is_www(raw) || slash.is_some_and(|s| memchr::memrchr(b'@', raw).is_some_and(|at| at > s + 1)) {
            uri.splice(0..0, *b"http://");
        } else if let Some(at) = at {
            // A dot after the "@", with something between.
            let dotted = raw[at + 1..].iter().skip(1).any(|&b| b == b'.');
            if !dotted || memchr::memmem::find(raw, b"&nbsp;").is_some() {
                return None;
            }
            uri = [b"mailto:", without_mail_label(raw)].concat();
        } else if raw.contains(&b'.') {
            types |= UriTypes::UNLINKED;
            uri.splice(0..0, *b"http://");
        } else {
            return None;
        }
    }
    if starts_with_ignore_case(&uri, b"mailto:") {
        if canonical::has_percent_code(&uri) {
            uri = canonical::percent_decode(&uri);
        }
        let host = &uri[memchr::memchr(b'@', &uri)? + 1..];
        let mut host = &host[..host.iter().position(|b| matches!(b, b'?' | b'&' | b'>')).unwrap_or(host.len())];
        while let Some(rest) = host.strip_suffix(b"%20") {
            host = rest;
        }
        if !registry.is_domain_valid(&tld::idn_to_ascii(host)) {
            return None;
        }
    }
    Some((uri, types))
}

/// `http:`, `ftp://`: a scheme and nothing more.
fn is_bare_scheme(raw: &[u8]) -> bool {
    let word = raw.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    word > 0 && matches!(&raw[word..], b":" | b":/" | b"://")
}

/// `www.`, `www1.`, `www23.`
fn is_www(raw: &[u8]) -> bool {
    text::www(raw).is_some()
}

/// Common misreadings: `mail:info@...`, `e-mail:`, `email:`, `skype:`, or colons alone.
fn without_mail_label(raw: &[u8]) -> &[u8] {
    let labels: [&[u8]; 5] = [b"skype", b"e-mail", b"email", b"mail", b""];
    let label =
        labels.into_iter().find(|label| starts_with_ignore_case(raw, label) && raw.get(label.len()) == Some(&b':'));
    label.map_or(raw, |label| {
        let colons = raw[label.len()..].iter().take_while(|&&b| b == b':').count();
        &raw[label.len() + colons..]
    })
}

fn starts_with_ignore_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
