//! Address lists, read as SpamAssassin does for `:addr` and `:name`.

use crate::views::Views;

/// One entry of an address header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Display name, not decoded.
    pub phrase: Option<Vec<u8>>,
    pub address: Option<Vec<u8>>,
    pub user: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
    pub comment: Option<Vec<u8>>,
}

/// All entries of a raw header value.
pub fn parse(_value: &[u8]) -> Vec<Address> {
    Vec::new()
}

/// SpamAssassin's `all_from_addrs`: who may have sent this, from From, Resent-From, envelope headers.
pub fn all_from_addresses(_views: &Views<'_>) -> Vec<Vec<u8>> {
    Vec::new()
}

/// SpamAssassin's `all_to_addrs`.
pub fn all_to_addresses(_views: &Views<'_>) -> Vec<Vec<u8>> {
    Vec::new()
}
