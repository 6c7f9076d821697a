//! What rules look at. Each view is made once per message, on first use, and kept.

pub mod body;
pub mod html;
pub mod rawbody;
pub mod text;

pub use body::UnitText;
pub use html::{HtmlFacts, Rendered};

use crate::received::TrustNetworks;

/// Settings that change what the views contain.
#[derive(Debug, Clone)]
pub struct ViewConfig {
    pub normalize_charset: bool,
    /// Bytes, SpamAssassin `body_part_scan_size` 50000 and `rawbody_part_scan_size` 500000.
    pub body_part_scan_size: usize,
    pub rawbody_part_scan_size: usize,
    pub networks: TrustNetworks,
    pub originating_ip_headers: Vec<String>,
    pub always_trust_envelope_sender: bool,
    pub envelope_sender_header: Option<String>,
    pub parse_dkim_uris: bool,
}

/// The views of one message.
pub struct Views<'m> {
    pub message: &'m crate::Message,
    pub config: &'m ViewConfig,
}
