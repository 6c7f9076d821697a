//! Header fields: the block, encoded words, addresses, dates, parameters, and every form a rule may ask for.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::views::{HeaderRequest, ViewConfig, Views};
use mail::{Limits, Message};
use std::sync::LazyLock;

static REQUESTS: LazyLock<Vec<HeaderRequest>> = LazyLock::new(|| {
    "Subject Subject:raw From From:addr From:name From:addr:domain From:host To:addr:first ToCc MESSAGEID ALL ALL:raw \
     ALL-TRUSTED ALL-UNTRUSTED ALL-INTERNAL ALL-EXTERNAL EnvelopeFrom EnvelopeFrom:addr Received:ip Received:revip \
     X-Spam-Relays-Untrusted Message-ID:domain:last Content-Type Reply-To:name Subject:text"
        .split_whitespace()
        .map(HeaderRequest::parse)
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let message = Message::parse(data, &Limits::default());
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    for request in REQUESTS.iter() {
        let _ = views.header(request);
    }
    let _ = mail::mime::address::all_from_addresses(&views);
    let _ = mail::mime::address::all_to_addresses(&views);
    let _ = mail::mime::date::parse(data);
    let _ = mail::mime::header::content_type(Some(data));
    let _ = mail::mime::header::disposition_name(data);
    let _ = mail::mime::encoded_word::decode_field(data, b"Subject");
});
