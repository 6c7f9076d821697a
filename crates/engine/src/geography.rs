//! Where relays are, and in whose autonomous system: SpamAssassin's RelayCountry, and ASN without a question to DNS.
//!
//! The tables are handed in with the rules and are as immutable as they are, so a lookup is no question: pseudo header
//! fields made of them must be there before patterns run. A private address is in `**`, one that nobody knows in `XX`.

use mail::received::Relay;
use mail::views::Views;
use std::net::IpAddr;

/// Tables of addresses.
pub trait Geography: Send + Sync {
    /// Whether there is a table of countries at all.
    fn has_countries(&self) -> bool;
    /// Two letters.
    fn country(&self, address: IpAddr) -> Option<String>;
    /// Number and holder; the holder may be empty.
    fn system(&self, address: IpAddr) -> Option<(u32, String)>;
}

/// Puts `X-Relay-Countries` and its kin; the tags that go with them.
pub fn put_countries(tables: &dyn Geography, views: &Views<'_>) -> Vec<(&'static str, String)> {
    let relays = views.relays();
    let country = |relay: &Relay| match relay.ip {
        _ if relay.ip_private => "**".to_owned(),
        Some(address) => tables.country(address).unwrap_or_else(|| "XX".to_owned()),
        None => "XX".to_owned(),
    };
    let all = |relays: &mut dyn Iterator<Item = &Relay>| relays.map(&country).collect::<Vec<_>>().join(" ");
    let found = [
        ("X-Relay-Countries", "RELAYCOUNTRY", all(&mut relays.untrusted.iter())),
        ("X-Relay-Countries-External", "RELAYCOUNTRYEXT", all(&mut relays.external.iter())),
        // From where somebody logged in.
        (
            "X-Relay-Countries-Auth",
            "RELAYCOUNTRYAUTH",
            all(&mut relays.trusted.iter().skip_while(|relay| relay.auth.is_empty())),
        ),
        ("X-Relay-Countries-All", "RELAYCOUNTRYALL", all(&mut relays.internal.iter().chain(&relays.external))),
    ];
    found
        .into_iter()
        .map(|(header, tag, countries)| {
            views.put_metadata(header, countries.as_bytes());
            (tag, countries)
        })
        .collect()
}

/// What `_ASN_` says of the first relay outside.
pub fn system(tables: &dyn Geography, views: &Views<'_>, settings: &rules::Settings) -> Option<String> {
    if settings.other("asn_use_geodb").is_some_and(|value| value.trim() == "0") {
        return None;
    }
    let relay = views.relays().external.first().filter(|relay| !relay.ip_private)?;
    let (number, holder) = tables.system(relay.ip?)?;
    let prefix = settings.other("asn_prefix").unwrap_or("AS").trim_matches(['"', '\'']);
    let separator = if holder.is_empty() { "" } else { " " };
    Some(format!("{prefix}{number}{separator}{holder}"))
}
