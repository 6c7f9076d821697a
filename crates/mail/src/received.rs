//! Received lines to relays, and the trust path over them.
//!
//! In: the Received fields (and X-Originating-IP and its kin) of a message and the operator's networks. Out: the hops
//! newest first, split by trust, and the four `X-Spam-Relays-*` lines, byte for byte as SpamAssassin writes them.

mod networks;

pub use networks::{NetworkError, NetworkSet, TrustNetworks};

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
pub fn relays(_message: &crate::Message, _config: &crate::ViewConfig) -> Relays {
    Relays::default()
}
