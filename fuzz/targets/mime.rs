//! Whole messages: the MIME tree, transfer decodings, and every view.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::views::{ViewConfig, Views};
use mail::{Limits, Message};

fuzz_target!(|data: &[u8]| {
    let message = Message::parse(data, &Limits::default());
    for (_, part) in message.leaves() {
        let _ = part.decoded();
        let _ = part.effective_type();
    }
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    let body = views.body();
    assert_eq!(body.ends.last().map_or(0, |e| *e as usize), body.bytes.len());
    assert!(body.ends.is_sorted());
    let rawbody = views.rawbody();
    assert_eq!(rawbody.ends.last().map_or(0, |e| *e as usize), rawbody.bytes.len());
    let _ = views.uris();
    let _ = views.relays();
    let _ = views.text();
});
