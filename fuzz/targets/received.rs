//! Received lines and the trust path over them.
//!
//! The input's first byte chooses the networks, a NUL ends a field.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::received::{self, NetworkSet, Relay};
use mail::views::{ViewConfig, Views};
use mail::{Limits, Message, TrustNetworks};
use std::sync::LazyLock;

static CONFIGS: LazyLock<Vec<ViewConfig>> = LazyLock::new(|| {
    let set = |entries: &[&str]| {
        let mut set = NetworkSet::with_loopback();
        entries.iter().for_each(|entry| set.add(entry).expect("a valid network"));
        set
    };
    let networks = [
        TrustNetworks::default(),
        TrustNetworks { trusted: set(&["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]), ..TrustNetworks::default() },
        TrustNetworks {
            trusted: set(&["!10.1.2.3", "10.0.0.0/8", "192.0.2.0/24"]),
            internal: set(&["10.0.0.0/8"]),
            msa: set(&["10.2.0.0/16"]),
        },
    ];
    let config = |networks| [true, false].map(|beyond| (networks, beyond));
    networks
        .iter()
        .flat_map(config)
        .map(|(networks, received_beyond_spamassassin)| ViewConfig {
            networks: networks.clone(),
            received_beyond_spamassassin,
            ..ViewConfig::default()
        })
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let config = &CONFIGS[usize::from(*first) % CONFIGS.len()];
    let mut raw = Vec::new();
    for line in data.split(|b| *b == 0) {
        raw.extend_from_slice(b"Received: ");
        raw.extend(line.iter().flat_map(|b| if *b == b'\n' { &b"\n\t"[..] } else { std::slice::from_ref(b) }));
        raw.push(b'\n');
    }
    raw.extend_from_slice(b"X-Originating-IP: [10.1.2.3]\n\nbody\n");
    let message = Message::parse(&raw, &Limits::default());
    let fields = message.headers().all("Received").count();
    let views = Views::new(&message, config);
    let relays = views.relays();
    // Hops before a mail fetcher's mark are forgotten, in all lists but one.
    assert!(relays.trusted.len() + relays.untrusted.len() >= relays.internal.len() + relays.external.len());
    assert!(relays.trusted.len() + relays.untrusted.len() <= fields + 1);
    assert!(relays.internal.len() <= relays.trusted.len());
    assert!(relays.internal_boundary() <= relays.trust_boundary());
    assert!(relays.trust_boundary() <= fields + 1);
    for (list, text) in [
        (&relays.trusted, &relays.trusted_text),
        (&relays.untrusted, &relays.untrusted_text),
        (&relays.internal, &relays.internal_text),
        (&relays.external, &relays.external_text),
    ] {
        // What a stranger writes cannot make a relay of its own in the lines that rules look at.
        let opened = text.windows(5).filter(|w| *w == b"[ ip=").count();
        assert_eq!(opened, list.len(), "{}", text.escape_ascii());
        list.iter().for_each(relay);
    }
    assert!(relays.internal.iter().all(|relay| relay.intl) && !relays.external.iter().any(|relay| relay.intl));
    received::is_address_literal(data);
    if let Some(literal) = received::literal(data) {
        assert!(received::is_address_literal(literal), "{}", literal.escape_ascii());
    }
});

fn relay(relay: &Relay) {
    assert!(relay.ip.is_none() || !relay.ip_text.is_empty());
    let clean = |field: &[u8]| !field.iter().any(|b| b"[] \n\0".contains(b));
    let fields = [&relay.ip_text, &relay.rdns, &relay.helo, &relay.by, &relay.ident];
    for field in fields.into_iter().chain(&relay.envfrom) {
        assert!(clean(field), "{}", field.escape_ascii());
    }
}
