//! Received lines to relays, and the trust path over them.

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
    pub envfrom: Vec<u8>,
    pub intl: bool,
    pub id: Vec<u8>,
    pub auth: Vec<u8>,
    pub msa: bool,
    pub ip_private: bool,
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
    /// Indices of Received fields (0 = topmost) that bound the trusted and internal areas, as ALL-TRUSTED & co. need.
    pub last_trusted_header: Option<usize>,
    pub last_internal_header: Option<usize>,
    /// Values of X-Spam-Relays-Trusted & co.
    pub trusted_text: Vec<u8>,
    pub untrusted_text: Vec<u8>,
    pub internal_text: Vec<u8>,
    pub external_text: Vec<u8>,
}

/// `trusted_networks`, `internal_networks`, `msa_networks`.
#[derive(Debug, Clone, Default)]
pub struct TrustNetworks {}

/// Reads the Received fields of a message and walks the trust path.
pub fn relays(_message: &crate::Message, _config: &crate::ViewConfig) -> Relays {
    Relays::default()
}
