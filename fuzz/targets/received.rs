//! Received lines and the trust path over them.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::views::{ViewConfig, Views};
use mail::{Limits, Message};

fuzz_target!(|data: &[u8]| {
    let mut raw = Vec::new();
    for line in data.split(|b| *b == 0) {
        raw.extend_from_slice(b"Received: ");
        raw.extend(line.iter().flat_map(|b| if *b == b'\n' { &b"\n\t"[..] } else { std::slice::from_ref(b) }));
        raw.push(b'\n');
    }
    raw.extend_from_slice(b"X-Originating-IP: [10.1.2.3]\n\nbody\n");
    let message = Message::parse(&raw, &Limits::default());
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    let relays = views.relays();
    // Every hop is trusted or not, internal or not.
    assert_eq!(relays.trusted.len() + relays.untrusted.len(), relays.internal.len() + relays.external.len());
});
