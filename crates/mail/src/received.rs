//! Received lines to relays, and the trust path over them.
//!
//! In: the Received fields (and X-Originating-IP and its kin) of a message and the operator's networks. Out: the hops
//! newest first, split by trust, and the four `X-Spam-Relays-*` lines, byte for byte as SpamAssassin writes them.

mod address;
mod formats;
mod line;
mod networks;
mod shape;

pub use networks::{NetworkError, NetworkSet, TrustNetworks};

use crate::message::Message;
use crate::views::ViewConfig;
use line::{Fields, Outcome};
use std::net::IpAddr;

/// One hop, in the fields of SpamAssassin's `X-Spam-Relays-*`, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relay {
    pub ip: Option<IpAddr>,
    /// The text that stands after `ip=`.
    pub ip_text: Vec<u8>,
    pub rdns: Vec<u8>,
    pub helo: Vec<u8>,
    pub by: Vec<u8>,
    pub ident: Vec<u8>,
    /// `None`: the line says nothing of it; `Some("")`: the null sender.
    pub envfrom: Option<Vec<u8>>,
    pub intl: bool,
    pub id: Vec<u8>,
    pub auth: Vec<u8>,
    pub msa: bool,
    pub ip_private: bool,
    /// `rdns` is empty and this MTA always looks names up: the address has none.
    pub no_reverse_dns: bool,
    /// Who writes such lines; empty where only an address and a `by` were found.
    pub format: &'static str,
    /// Not the relay of a Received line but made from X-Originating-IP and its kin.
    pub from_originating_header: bool,
}

/// All hops, newest first, split by trust.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    pub trusted: Vec<Relay>,
    pub untrusted: Vec<Relay>,
    pub internal: Vec<Relay>,
    pub external: Vec<Relay>,
    pub unparseable: u32,
    /// Index of the last Received field (0 = topmost) inside the trusted and the internal area.
    pub last_trusted_header: Option<usize>,
    pub last_internal_header: Option<usize>,
    /// Values of X-Spam-Relays-Trusted & co.
    pub trusted_text: Vec<u8>,
    pub untrusted_text: Vec<u8>,
    pub internal_text: Vec<u8>,
    pub external_text: Vec<u8>,
}

impl Relays {
    /// The Received field (0 = topmost) at which untrusted hands begin: ALL-TRUSTED runs from the top up to and with
    /// this field (whole header if there is none), ALL-UNTRUSTED from this field on.
    pub fn trust_boundary(&self) -> usize {
        self.last_trusted_header.map_or(0, |n| n + 1)
    }

    /// The same for ALL-INTERNAL and ALL-EXTERNAL.
    pub fn internal_boundary(&self) -> usize {
        self.last_internal_header.map_or(0, |n| n + 1)
    }
}

/// Reads the Received fields of a message and walks the trust path.
pub fn relays(message: &Message, config: &ViewConfig) -> Relays {
    let headers = message.headers();
    let received = headers.all("Received").map(|field| field.decoded.as_slice());
    let originating = config.originating_ip_headers.iter().filter_map(|name| literal(&headers.last(name)?.decoded));
    trace(received, originating, &config.networks, config.received_beyond_spamassassin)
}

/// The first address in an X-Originating-IP field or one of its kin.
pub fn literal(field: &[u8]) -> Option<&[u8]> {
    address::find_literal(field).map(|(start, end)| &field[start..end])
}

/// The whole text is one IPv4 or IPv6 literal.
pub fn is_address_literal(text: &[u8]) -> bool {
    address::literal_at(text, 0) == Some(text.len())
}

/// The same over bare texts: Received fields, topmost first, then addresses found in X-Originating-IP and its kin.
pub fn trace<'h>(
    received: impl Iterator<Item = &'h [u8]>,
    originating: impl Iterator<Item = &'h [u8]>,
    networks: &TrustNetworks,
    beyond_spamassassin: bool,
) -> Relays {
    let mut walk = Walk::new(networks);
    let mut line = Vec::new();
    // qmail-scanner writes the sender of the hand-over that the line below describes.
    let mut kept_sender = None;
    for raw in received {
        line::normalise(raw, &mut line);
        let (outcome, fields) = line::read(&line, beyond_spamassassin);
        let sender = kept_sender.take();
        match outcome {
            Outcome::Relay => {
                let mut relay = relay(&fields);
                if sender.is_some() {
                    relay.envfrom = sender;
                }
                walk.hop(relay);
            }
            Outcome::Skip => walk.pass(),
            Outcome::SkipKeepingSender => {
                kept_sender = fields.envfrom.map(clean_sender).filter(|s| !s.is_empty());
                walk.pass();
            }
            Outcome::FetchMarker => {
                walk.fetched();
                walk.pass();
            }
            Outcome::Unparseable => {
                walk.relays.unparseable += 1;
                walk.pass();
            }
        }
    }
    for literal in originating {
        let fields = Fields { ip: literal, ..Fields::default() };
        walk.hop(Relay { from_originating_header: true, ..relay(&fields) });
    }
    walk.relays
}

/// How far trust has got, going down from the newest hop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Trusted and internal; no hop seen yet that says otherwise.
    Internal,
    /// Trusted, but not ours.
    Trusted,
    Untrusted,
}

struct Walk<'n> {
    networks: &'n TrustNetworks,
    relays: Relays,
    area: Area,
    /// A relay that takes mail only from our users: everything before it shares its area.
    found_msa: bool,
    /// A mail fetcher's mark counts only while nobody outside could have written it.
    fetch_marker_counts: bool,
}

impl<'n> Walk<'n> {
    fn new(networks: &'n TrustNetworks) -> Walk<'n> {
        Walk { networks, relays: Relays::default(), area: Area::Internal, found_msa: false, fetch_marker_counts: true }
    }

    fn hop(&mut self, mut relay: Relay) {
        if self.area != Area::Untrusted && !self.found_msa {
            self.judge(&mut relay);
        }
        relay.intl = self.area == Area::Internal;
        let relays = &mut self.relays;
        append_text(
            if self.area == Area::Untrusted { &mut relays.untrusted_text } else { &mut relays.trusted_text },
            &relay,
        );
        append_text(if relay.intl { &mut relays.internal_text } else { &mut relays.external_text }, &relay);
        if relay.intl { &mut relays.internal } else { &mut relays.external }.push(relay.clone());
        if self.area == Area::Untrusted { &mut relays.untrusted } else { &mut relays.trusted }.push(relay);
        self.fetch_marker_counts = self.area != Area::Untrusted;
        self.pass();
    }

    /// Settles the area that this hop, and so everything before it, belongs to.
    fn judge(&mut self, relay: &mut Relay) {
        let TrustNetworks { trusted, internal, msa } = self.networks;
        // One list stands for both.
        let (trusted, internal) = match (trusted.is_configured(), internal.is_configured()) {
            (true, true) => (trusted, internal),
            (true, false) => (trusted, trusted),
            (false, true) => (internal, internal),
            (false, false) => {
                // Nothing known: private addresses and authenticated users are ours.
                if !relay.ip_private && relay.auth.is_empty() {
                    self.area = Area::Untrusted;
                }
                return;
            }
        };
        let is_in = |set: &NetworkSet| relay.ip.is_some_and(|ip| set.contains(ip));
        let authenticated = !relay.auth.is_empty();
        if !authenticated && !is_in(trusted) {
            self.area = Area::Untrusted;
            return;
        }
        if !authenticated && !is_in(internal) {
            self.area = Area::Trusted;
        }
        if is_in(msa) {
            self.found_msa = true;
            relay.msa = true;
        }
    }

    /// One Received field further down.
    fn pass(&mut self) {
        let next = |last: Option<usize>| Some(last.map_or(0, |n| n + 1));
        if self.area != Area::Untrusted {
            self.relays.last_trusted_header = next(self.relays.last_trusted_header);
        }
        if self.area == Area::Internal {
            self.relays.last_internal_header = next(self.relays.last_internal_header);
        }
    }

    /// A mail fetcher took the message from a mailbox: what came after does not count as transport.
    fn fetched(&mut self) {
        if self.fetch_marker_counts {
            let relays = &mut self.relays;
            for (list, text) in [
                (&mut relays.trusted, &mut relays.trusted_text),
                (&mut relays.internal, &mut relays.internal_text),
                (&mut relays.external, &mut relays.external_text),
            ] {
                list.clear();
                text.clear();
            }
        }
    }
}

/// Fields as the `X-Spam-Relays-*` lines show them: cleaned of what would break their form.
fn relay(fields: &Fields<'_>) -> Relay {
    let rdns = fields.rdns;
    let rdns = &rdns[..rdns.iter().rposition(|&b| b != b'.').map_or(0, |n| n + 1)];
    let nameless = rdns.is_empty() || rdns.eq_ignore_ascii_case(b"unknown") || rdns.starts_with(b"[");
    let rdns = if nameless { b"" } else { rdns };
    let ip_text = clean(address::plain(fields.ip));
    let ip = address::parse(&ip_text);
    Relay {
        ip,
        ip_private: ip.is_some_and(address::is_private),
        ip_text,
        rdns: clean(rdns),
        helo: clean(fields.helo),
        by: clean(fields.by.strip_suffix(b";").unwrap_or(fields.by)),
        ident: clean(fields.ident),
        envfrom: fields.envfrom.map(clean_sender),
        id: fields.id.to_vec(),
        auth: fields.auth.to_vec(),
        no_reverse_dns: nameless && fields.looked_up,
        intl: false,
        msa: false,
        format: fields.format,
        from_originating_header: false,
    }
}

/// `!` for every byte that separates things in the `X-Spam-Relays-*` lines: a HELO of `[10.1.1.1]` shows as `!10.1.1.1!`.
fn clean(field: &[u8]) -> Vec<u8> {
    let separates = |b: u8| b.is_ascii_whitespace() || b"\x0b\0#[]()<>|".contains(&b);
    field.iter().map(|&b| if separates(b) { b'!' } else { b }).collect()
}

fn clean_sender(sender: &[u8]) -> Vec<u8> {
    let sender = sender.trim_ascii();
    let start = sender.iter().position(|&b| b != b'<').unwrap_or(sender.len());
    let end = sender.iter().rposition(|&b| b != b'>').map_or(start, |n| n + 1);
    clean(&sender[start..end.max(start)])
}

/// `[ ip=... rdns=... ]`, a blank before it if another stands there.
fn append_text(text: &mut Vec<u8>, relay: &Relay) {
    if !text.is_empty() {
        text.push(b' ');
    }
    let envfrom = relay.envfrom.as_deref().unwrap_or_default();
    for (name, value) in [
        (&b"[ ip="[..], relay.ip_text.as_slice()),
        (b" rdns=", &relay.rdns),
        (b" helo=", &relay.helo),
        (b" by=", &relay.by),
        (b" ident=", &relay.ident),
        (b" envfrom=", envfrom),
        (b" intl=", if relay.intl { b"1" } else { b"0" }),
        (b" id=", &relay.id),
        (b" auth=", &relay.auth),
        (b" msa=", if relay.msa { b"1" } else { b"0" }),
    ] {
        text.extend_from_slice(name);
        text.extend_from_slice(value);
    }
    text.extend_from_slice(b" ]");
}
