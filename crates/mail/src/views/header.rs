//! The header view: `header NAME:modifiers` and the pseudo headers.
//!
//! In: a request as rules write it. Out: all values of SpamAssassin's `get` in list context, and those joined as its
//! header rules see them. Decoded values end in a line feed, extracted ones (addresses, names, hosts) do not.

use crate::message::Header;
use crate::mime::header::{is_space, is_word, skip_spaces};
use crate::mime::{address, encoded_word};
use crate::received::Relays;
use crate::tld;
use crate::views::Views;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// `NAME:raw:addr...` as a rule writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderRequest {
    /// Without modifiers, as written.
    pub name: String,
    pub raw: bool,
    pub address: bool,
    pub display_name: bool,
    pub host: bool,
    pub domain: bool,
    pub ip: bool,
    pub reversed_ip: bool,
    pub first: bool,
    pub last: bool,
    /// Ours: decoded by evidence and normalised like the text view.
    pub text: bool,
}

impl HeaderRequest {
    /// Unknown modifiers are dropped, as SpamAssassin does.
    pub fn parse(text: &str) -> HeaderRequest {
        let mut pieces = text.split(':');
        let mut request = HeaderRequest {
            name: pieces.next().unwrap_or_default().to_string(),
            raw: false,
            address: false,
            display_name: false,
            host: false,
            domain: false,
            ip: false,
            reversed_ip: false,
            first: false,
            last: false,
            text: false,
        };
        for modifier in pieces {
            match modifier {
                "raw" => request.raw = true,
                "addr" => request.address = true,
                "name" => request.display_name = true,
                "host" => request.host = true,
                "domain" => request.domain = true,
                "ip" => request.ip = true,
                "revip" => request.reversed_ip = true,
                "first" => request.first = true,
                "last" => request.last = true,
                "text" => request.text = true,
                _ => {}
            }
        }
        request
    }

    fn singles_out(&self) -> bool {
        self.address || self.display_name || self.host || self.domain || self.ip || self.reversed_ip
    }

    fn is_plain(&self) -> bool {
        !(self.singles_out() || self.raw || self.first || self.last)
    }
}

/// Index of a request in [`HeaderRequests`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderRequestId(pub u32);

/// The requests that rules make, each once.
#[derive(Debug, Clone, Default)]
pub struct HeaderRequests {
    requests: Vec<HeaderRequest>,
    index: HashMap<HeaderRequest, HeaderRequestId>,
}

impl HeaderRequests {
    pub fn intern(&mut self, request: HeaderRequest) -> HeaderRequestId {
        let next = HeaderRequestId(u32::try_from(self.requests.len()).expect("fewer than 2^32 rules"));
        *self.index.entry(request).or_insert_with_key(|request| {
            self.requests.push(request.clone());
            next
        })
    }

    pub fn get(&self, id: HeaderRequestId) -> Option<&HeaderRequest> {
        self.requests.get(id.0 as usize)
    }

    pub fn id(&self, request: &HeaderRequest) -> Option<HeaderRequestId> {
        self.index.get(request).copied()
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// The answer to a request; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue {
    /// What SpamAssassin's `get` returns in list context.
    pub values: Vec<Vec<u8>>,
    /// What `header` rules match: the values joined by "\n", or by nothing where they end in one already.
    pub joined: Vec<u8>,
}

impl HeaderValue {
    fn new(values: Vec<Vec<u8>>) -> Option<HeaderValue> {
        let first = values.first()?;
        let joined = if values.len() == 1 {
            first.clone()
        } else {
            values.join(if first.ends_with(b"\n") { &b""[..] } else { b"\n" })
        };
        Some(HeaderValue { values, joined })
    }

    /// SpamAssassin's `get` in scalar context: the first value alone for requests that single something out.
    pub fn scalar(&self, request: &HeaderRequest) -> Vec<u8> {
        if request.singles_out() || request.name == "EnvelopeFrom" && request.is_plain() {
            let first = &self.values[0];
            return first.strip_suffix(b"\n").unwrap_or(first).to_vec();
        }
        self.values.concat()
    }
}

/// Answers given so far, and pseudo headers that checks have added.
#[derive(Default)]
pub(super) struct HeaderCache {
    by_id: OnceCell<Vec<OnceCell<Option<Arc<HeaderValue>>>>>,
    others: RefCell<HashMap<HeaderRequest, Option<Arc<HeaderValue>>>>,
    metadata: RefCell<HashMap<String, Vec<u8>>>,
    /// The lines of `ALL`; every name of the header is asked for, so this is made once.
    all: OnceCell<Vec<u8>>,
    envelope_from: OnceCell<Option<Arc<[u8]>>>,
}

impl HeaderCache {
    pub fn value(&self, views: &Views<'_>, request: &HeaderRequest) -> Option<Arc<HeaderValue>> {
        if let Some(id) = views.config.header_requests.id(request) {
            return self.value_by_id(views, id);
        }
        if let Some(known) = self.others.borrow().get(request) {
            return known.clone();
        }
        let value = HeaderValue::new(answer(views, request)).map(Arc::new);
        self.others.borrow_mut().insert(request.clone(), value.clone());
        value
    }

    pub fn value_by_id(&self, views: &Views<'_>, id: HeaderRequestId) -> Option<Arc<HeaderValue>> {
        let requests = &views.config.header_requests;
        let request = requests.get(id)?;
        let cells = self.by_id.get_or_init(|| (0..requests.len()).map(|_| OnceCell::new()).collect());
        cells.get(id.0 as usize)?.get_or_init(|| HeaderValue::new(answer(views, request)).map(Arc::new)).clone()
    }

    pub fn put_metadata(&self, name: &str, value: &[u8]) {
        self.metadata.borrow_mut().insert(name.to_ascii_lowercase(), value.to_vec());
    }

    pub fn metadata(&self, name: &str) -> Option<Vec<u8>> {
        self.metadata.borrow().get(&name.to_ascii_lowercase()).cloned()
    }

    pub fn all_metadata(&self) -> BTreeMap<String, Vec<u8>> {
        self.metadata.borrow().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub fn envelope_from(&self, views: &Views<'_>) -> Option<Arc<[u8]>> {
        self.envelope_from.get_or_init(|| envelope_from(views).map(Arc::from)).clone()
    }

    /// All fields decoded, one per line.
    fn all(&self, views: &Views<'_>) -> &[u8] {
        self.all.get_or_init(|| {
            let headers = views.message.headers();
            let mut text = Vec::new();
            for (field, _) in headers.fields.iter().zip(headers.shown_in_all()).filter(|(_, shown)| *shown) {
                append_line(field, &mut text);
            }
            text
        })
    }
}

fn append_line(field: &Header, text: &mut Vec<u8>) {
    text.extend_from_slice(&field.name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(&field.decoded);
    text.push(b'\n');
}

fn answer(views: &Views<'_>, request: &HeaderRequest) -> Vec<Vec<u8>> {
    let mut found = match Name::of(&request.name) {
        Name::All => return all(views, request.raw),
        Name::Area(area) => return area.fields(views, request.raw),
        Name::EnvelopeFrom => views.envelope_from().map(|sender| sender.to_vec()).into_iter().collect(),
        Name::Relays(text) => vec![text(views.relays()).to_vec()],
        Name::ToCc => [fields(views, "to", request.raw), fields(views, "cc", request.raw)].concat(),
        Name::MessageId => {
            let names = ["x-message-id", "resent-message-id", "x-original-message-id", "message-id"];
            let found = names.iter().flat_map(|name| fields(views, name, request.raw));
            found.filter(|value| !value.is_empty()).collect()
        }
        Name::Field => {
            let headers = views.message.headers();
            let found: Vec<_> = if request.raw || request.address || request.display_name {
                headers.all(request.name.trim()).map(|field| field.raw.clone()).collect()
            } else {
                fields(views, &request.name, false)
            };
            if found.is_empty() { views.metadata(&request.name).into_iter().collect() } else { found }
        }
    };
    if request.first {
        found.truncate(1);
    } else if request.last && found.len() > 1 {
        found.drain(..found.len() - 1);
    }
    if request.address {
        found = found.iter().flat_map(|value| address::parse(value)).filter_map(|entry| entry.address).collect();
    } else if request.display_name {
        let phrases = found.iter().flat_map(|value| address::parse(value)).filter_map(|entry| entry.phrase);
        found = match request.raw {
            true => phrases.collect(),
            false => phrases.map(|phrase| encoded_word::decode_phrase(&phrase)).collect(),
        };
    }
    if request.host || request.domain {
        let hosts = found.iter().filter_map(|value| match request.address {
            true => host_of_address(value),
            false => host_in(value, &views.config.tlds),
        });
        hosts
            .map(|host| match request.domain {
                true => views.config.tlds.trim_domain(&host.to_ascii_lowercase()).to_vec(),
                false => host.to_vec(),
            })
            .collect()
    } else if request.ip || request.reversed_ip {
        let addresses = found.iter().filter_map(|value| ip_in(value));
        match request.reversed_ip {
            true => addresses.filter_map(reverse_ip).collect(),
            false => addresses.map(<[u8]>::to_vec).collect(),
        }
    } else {
        found
    }
}

/// What a name stands for. Some pseudo names heed case, as SpamAssassin's do.
enum Name {
    All,
    Area(Area),
    EnvelopeFrom,
    Relays(fn(&Relays) -> &[u8]),
    ToCc,
    MessageId,
    Field,
}

impl Name {
    fn of(name: &str) -> Name {
        match name {
            "ALL" => return Name::All,
            "ALL-TRUSTED" => return Name::Area(Area { trusted: true, above: true }),
            "ALL-INTERNAL" => return Name::Area(Area { trusted: false, above: true }),
            "ALL-UNTRUSTED" => return Name::Area(Area { trusted: true, above: false }),
            "ALL-EXTERNAL" => return Name::Area(Area { trusted: false, above: false }),
            "MESSAGEID" => return Name::MessageId,
            _ => {}
        }
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("EnvelopeFrom") {
            Name::EnvelopeFrom
        } else if is("ToCc") {
            Name::ToCc
        } else if is("X-Spam-Relays-Untrusted") {
            Name::Relays(|relays| &relays.untrusted_text)
        } else if is("X-Spam-Relays-Trusted") {
            Name::Relays(|relays| &relays.trusted_text)
        } else if is("X-Spam-Relays-External") {
            Name::Relays(|relays| &relays.external_text)
        } else if is("X-Spam-Relays-Internal") {
            Name::Relays(|relays| &relays.internal_text)
        } else {
            Name::Field
        }
    }
}

/// Fields of one name, decoded or raw but unfolded.
fn fields(views: &Views<'_>, name: &str, raw: bool) -> Vec<Vec<u8>> {
    let fields = views.message.headers().all(name);
    match raw {
        true => fields.map(|field| unfold(&field.raw)).collect(),
        false => fields.map(|field| [&field.decoded[..], b"\n"].concat()).collect(),
    }
}

/// A line end and the blanks after it become one blank.
fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(newline) = memchr::memchr(b'\n', &raw[at..]).map(|offset| at + offset) {
        let next = skip_spaces(raw, newline + 1);
        if next > newline + 1 {
            let end = if newline > at && raw[newline - 1] == b'\r' { newline - 1 } else { newline };
            out.extend_from_slice(&raw[at..end]);
            out.push(b' ');
        } else {
            out.extend_from_slice(&raw[at..=newline]);
        }
        at = next;
    }
    out.extend_from_slice(&raw[at..]);
    out
}

fn all(views: &Views<'_>, raw: bool) -> Vec<Vec<u8>> {
    if raw {
        return pristine_fields(views.message.pristine_header()).map(<[u8]>::to_vec).collect();
    }
    let headers = views.message.headers();
    let shown = headers.fields.iter().zip(headers.shown_in_all()).filter(|(_, shown)| *shown);
    let lines = shown.map(|(field, _)| {
        let mut line = Vec::with_capacity(field.name.len() + field.decoded.len() + 3);
        append_line(field, &mut line);
        line
    });
    lines.collect()
}

/// Fields as they came, folding and line ends included.
fn pristine_fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while matches!(header.get(at), Some(b' ' | b'\t')) {
            at += memchr::memchr(b'\n', &header[at..])? + 1;
        }
        let start = at;
        let mut end = start + 1;
        loop {
            end += memchr::memchr(b'\n', header.get(end..)?)? + 1;
            if !matches!(header.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        at = end;
        Some(&header[start..end])
    })
}

/// The fields above or below the Received field at which trust (or our own network) ends; that field is in both.
struct Area {
    trusted: bool,
    above: bool,
}

impl Area {
    fn fields(&self, views: &Views<'_>, raw: bool) -> Vec<Vec<u8>> {
        let relays = views.relays();
        let boundary = if self.trusted { relays.trust_boundary() } else { relays.internal_boundary() };
        let select = |lines: &mut dyn Iterator<Item = &[u8]>| {
            let mut seen = 0; // Received fields
            let mut found = Vec::new();
            for line in lines {
                let received = line.get(..9).is_some_and(|name| name.eq_ignore_ascii_case(b"received:"));
                seen += usize::from(received);
                let is_boundary = received && seen == boundary + 1;
                let below = seen > boundary;
                if self.above {
                    if !below || is_boundary {
                        found.push(line.to_vec());
                    }
                    if below {
                        break;
                    }
                } else if below {
                    found.push(line.to_vec());
                }
            }
            found
        };
        if raw {
            return select(&mut pristine_fields(views.message.pristine_header()));
        }
        let text = views.headers.all(views);
        select(&mut text.split_inclusive(|b| *b == b'\n'))
    }
}

/// Who sent this according to the SMTP session, as far as fields of the header still tell.
fn envelope_from(views: &Views<'_>) -> Option<Vec<u8>> {
    let usable = |sender: &[u8]| sender.is_empty() || memchr::memchr(b'@', sender).is_some_and(|sign| sign > 0);
    let first_address = |name: &str| {
        let value = views.header(&HeaderRequest::parse(&format!("{name}:first:addr")))?;
        value.values.first().cloned()
    };
    if let Some(name) = &views.config.envelope_sender_header {
        return first_address(name).filter(|sender| usable(sender));
    }
    let relays = views.relays();
    // The last untrusted hop, or the origin if all are trusted.
    let hop = relays.untrusted.first().or(relays.trusted.last());
    if let Some(sender) = hop.and_then(|hop| hop.envfrom.as_deref())
        && usable(sender)
    {
        return Some(sender.to_vec());
    }
    // fetchmail makes envelope senders up from X-Sender, which mailing lists set to something else.
    let headers = views.message.headers();
    if first_address("X-Sender").is_some_and(|sender| sender.contains(&b'@'))
        && headers.all("received").any(|field| memchr::memmem::find(&field.decoded, b"(fetchmail").is_some())
    {
        return None;
    }
    for name in ["X-Envelope-From", "Envelope-Sender", "Return-Path"] {
        let Some(sender) = first_address(name) else { continue };
        // Below a Received line the field is older than the last delivery.
        let text = views.headers.all(views);
        let lines = || text.split_inclusive(|b| *b == b'\n');
        let is = |line: &[u8], name: &str| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && line.get(name.len()) == Some(&b':')
        };
        let relayed = lines().skip_while(|line| !is(line, "Received")).skip(1).any(|line| is(line, name));
        if !relayed {
            return Some(sender);
        }
        if name == "X-Envelope-From" {
            return None;
        }
    }
    None
}

/// After the last `@` on the first line that has one.
fn host_of_address(value: &[u8]) -> Option<&[u8]> {
    value.split(|b| *b == b'\n').find_map(|line| {
        memchr::memrchr_iter(b'@', line).find_map(|sign| {
            let rest = &line[sign + 1..];
            let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
            (end > 0).then(|| &rest[..end])
        })
    })
}

/// Something that looks like a host under a known top-level domain; after an `@` if possible.
fn host_in<'v>(value: &'v [u8], tlds: &tld::Registry) -> Option<&'v [u8]> {
    // Ends of labels that are top-level domains: positions of the dot and of the end.
    let mut tops = Vec::new();
    for dot in memchr::memchr_iter(b'.', value) {
        let label = value[dot + 1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        let end = dot + 1 + label;
        if label > 0 && !matches!(value.get(end), Some(b'.' | b'_')) && tlds.is_tld(&value[dot + 1..end]) {
            tops.push((dot, end));
        }
    }
    if tops.is_empty() {
        return None;
    }
    let host_at = |start: usize| -> Option<&'v [u8]> {
        if start > 0 && matches!(value[start - 1], b'.' | b'_' | b'-') {
            return None;
        }
        let run = value[start..].iter().take(252).position(|b| is_space(*b)).unwrap_or(252.min(value.len() - start));
        let (_, end) = tops.iter().rev().find(|(dot, _)| *dot > start && *dot < start + run && *dot <= start + 251)?;
        Some(&value[start..*end])
    };
    let valid = |host: &&[u8]| tld::is_fqdn_valid(&tld::idn_to_ascii(host));
    for line in value.split(|b| *b == b'\n') {
        let offset = line.as_ptr() as usize - value.as_ptr() as usize;
        if let Some(host) = memchr::memrchr_iter(b'@', line).find_map(|sign| host_at(offset + sign + 1)) {
            if valid(&host) {
                return Some(host);
            }
            break;
        }
    }
    let mut at = 0;
    while at < value.len() {
        // Nothing can begin more than 251 bytes before a top-level domain.
        let (dot, _) = tops.iter().find(|(dot, _)| *dot > at)?;
        at = at.max(dot.saturating_sub(251));
        if is_space(value[at]) {
            at += 1;
            continue;
        }
        match host_at(at) {
            Some(host) if valid(&host) => return Some(host),
            Some(host) => at += host.len(),
            None => at += 1,
        }
    }
    None
}

/// The first IPv4 or IPv6 address.
fn ip_in(value: &[u8]) -> Option<&[u8]> {
    let is_ip = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    let mut at = 0;
    while at < value.len() {
        let start = at + value[at..].iter().position(|b| is_ip(*b))?;
        let end = start + value[start..].iter().position(|b| !is_ip(*b)).unwrap_or(value.len() - start);
        at = end;
        let word_before = start > 0 && is_word(value[start - 1]);
        let word_after = value.get(end).is_some_and(|b| is_word(*b));
        let dot_before = start > 0 && value[start - 1] == b'.';
        let run = &value[start..end];
        if memchr::memchr(b':', run).is_some() && !word_after {
            // "IPv6:" is part of what is found; its 6 is a digit of this run.
            let prefix = start.checked_sub(3).map(|from| &value[from..start]);
            let prefixed = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"ipv"))
                && run.starts_with(b"6:")
                && (start == 3 || !is_word(value[start - 4]) && value[start - 4] != b'.');
            let address = if prefixed { &run[2..] } else { run };
            let ends_in_word = |text: &[u8]| text.last().is_some_and(|b| is_word(*b));
            let bounded = prefixed || !word_before && !dot_before && is_word(address[0]);
            let text = std::str::from_utf8(address).unwrap_or_default();
            if bounded && ends_in_word(address) && text.parse::<std::net::Ipv6Addr>().is_ok() {
                return Some(if prefixed { &value[start - 3..end] } else { run });
            }
        }
        if let Some((from, to)) = ipv4_in(run, word_before, word_after) {
            return Some(&run[from..to]);
        }
    }
    None
}

/// Four numbers up to 255 without leading zeros, neither preceded nor followed by a dot, colon or letter.
fn ipv4_in(run: &[u8], word_before: bool, word_after: bool) -> Option<(usize, usize)> {
    for start in 0..run.len() {
        let before = start.checked_sub(1).map(|at| run[at]);
        let inside = before.is_some_and(|b| is_word(b) || b == b'.' || b == b':') || before.is_none() && word_before;
        if inside || !run[start].is_ascii_digit() {
            continue;
        }
        let mut at = start;
        let mut numbers = 0;
        loop {
            let digits = run[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            let number = std::str::from_utf8(&run[at..at + digits.min(4)]).ok()?.parse::<u16>().unwrap_or(999);
            if digits == 0 || digits > 3 || number > 255 || digits > 1 && run[at] == b'0' {
                break;
            }
            at += digits;
            numbers += 1;
            if numbers == 4 || run.get(at) != Some(&b'.') {
                break;
            }
            at += 1;
        }
        let after = match run.get(at) {
            Some(b) => is_word(*b) || *b == b'.',
            None => word_after,
        };
        if numbers == 4 && !after {
            return Some((start, at));
        }
    }
    None
}

/// The form in which DNS lists are asked.
fn reverse_ip(address: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(address).ok()?;
    match text.parse().ok()? {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            Some(format!("{d}.{c}.{b}.{a}").into_bytes())
        }
        std::net::IpAddr::V6(address) => {
            let nibbles: Vec<_> = address.octets().iter().rev().map(|b| format!("{:x}.{:x}", b & 15, b >> 4)).collect();
            Some(nibbles.join(".").into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Message, ViewConfig};

    const MAIL: &[u8] =
        b"Subject: one\n\ttwo\nFrom: \"'Foo  Bar'\" <foo@example.com>\nTo: a@example.org,\n b@example.org (B)\n\
        Cc: c@example.net\nSubject: three\nX-IP: [192.0.2.7] and 2001:db8::1\nX-6: IPv6 2001:db8::1.\n\nbody\n";

    #[test]
    fn requests() {
        let message = Message::parse(MAIL, &Limits::default());
        let config = ViewConfig::default();
        let views = Views::new(&message, &config);
        let check = |request: &str, expected: &[&str]| {
            let found = views.header(&HeaderRequest::parse(request));
            let found = found.map_or_else(Vec::new, |found| found.values.clone());
            let expected: Vec<_> = expected.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(found, expected, "{request}");
        };
        check("Subject", &["one two\n", "three\n"]);
        check("subject:raw", &[" one\n\ttwo\n", " three\n"]);
        check("Subject:first", &["one two\n"]);
        check("Subject:last", &["three\n"]);
        check("From:addr", &["foo@example.com"]);
        check("From:name", &["Foo Bar"]);
        check("From:addr:host", &["example.com"]);
        check("To:addr", &["a@example.org", "b@example.org"]);
        check("To:name", &["B"]);
        check("ToCc", &["a@example.org, b@example.org (B)\n", "c@example.net\n"]);
        check("X-IP:ip", &["192.0.2.7"]);
        check("X-IP:revip", &["7.2.0.192"]);
        check("X-None", &[]);
        check("X-None:addr", &[]);
        let all = views.header(&HeaderRequest::parse("ALL")).unwrap();
        assert_eq!(all.values.len(), 7);
        assert!(all.joined.starts_with(b"Subject: one two\nFrom: "));
        views.put_metadata("X-Languages", b"ja");
        check("x-languages", &["ja"]);
    }

    #[test]
    fn joined_and_scalar() {
        let value = HeaderValue::new(vec![b"a".to_vec(), b"b".to_vec()]).unwrap();
        assert_eq!(value.joined, b"a\nb");
        assert_eq!(value.scalar(&HeaderRequest::parse("To:addr")), b"a");
        let value = HeaderValue::new(vec![b"a\n".to_vec(), b"b\n".to_vec()]).unwrap();
        assert_eq!(value.joined, b"a\nb\n");
        assert_eq!(value.scalar(&HeaderRequest::parse("To")), b"a\nb\n");
    }
}
