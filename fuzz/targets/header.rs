//! Header fields: the block, encoded words, addresses, dates, parameters, and every form a rule may ask for.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::mime::{address, date, encoded_word, evidence, header};
use mail::views::{HeaderRequest, ViewConfig, Views};
use mail::{Limits, Message};
use std::sync::LazyLock;

static REQUESTS: LazyLock<Vec<HeaderRequest>> = LazyLock::new(|| {
    "Subject Subject:raw From From:addr From:name From:addr:domain From:host To:addr:first ToCc MESSAGEID ALL ALL:raw \
     ALL-TRUSTED ALL-UNTRUSTED ALL-INTERNAL ALL-EXTERNAL EnvelopeFrom EnvelopeFrom:addr Received:ip Received:revip \
     X-Spam-Relays-Untrusted Message-ID:domain:last Content-Type Reply-To:name Subject:text From:name:text To:text \
     X-MESSAGE-ID nothing:last"
        .split_whitespace()
        .map(HeaderRequest::parse)
        .collect()
});
static CONFIG: LazyLock<ViewConfig> = LazyLock::new(ViewConfig::default);

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let message = Message::parse(data, &limits);
    assert_eq!([message.pristine_header(), message.pristine_body()].concat(), message.pristine());
    assert!(message.headers().fields.len() <= limits.headers);
    for field in &message.headers().fields {
        assert!(field.name.len() <= limits.header_name && field.raw.len() <= limits.header_value);
    }
    let views = Views::new(&message, &CONFIG);
    for request in REQUESTS.iter() {
        let value = views.header(request);
        // The same request gets the same answer, and each value stands in what rules see.
        assert_eq!(value, views.header(request));
        if let Some(value) = value {
            assert!(value.joined.len() >= value.values.iter().map(Vec::len).sum());
            assert!(!request.text || std::str::from_utf8(&value.joined).is_ok(), "{request:?}");
        }
    }
    for address in address::all_from_addresses(&views).into_iter().chain(address::all_to_addresses(&views)) {
        assert!(!address.is_empty());
    }
    for entry in address::parse(data) {
        std::hint::black_box(entry);
    }
    date::parse(data);
    header::content_type(Some(data));
    header::disposition_name(data);
    encoded_word::decode_field(data, b"Subject");
    encoded_word::decode_phrase(data);
    for name in ["name", "filename", "boundary"] {
        evidence::decode_parameter(data, name, &[]);
    }
});
