//! The HTML renderer.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use mail::views::html::{self, Coding, PartText};

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let text = PartText { bytes: data.into(), coding: Coding::Bytes };
    let rendered = html::render(text, data.len(), &limits);
    for (_, text) in rendered.pieces() {
        std::hint::black_box(text);
    }
    if std::str::from_utf8(data).is_ok() {
        let text = PartText { bytes: data.into(), coding: Coding::Chars };
        let rendered = html::render(text, data.len(), &limits);
        assert!(std::str::from_utf8(&rendered.sa_text()).is_ok(), "characters in, characters out");
    }
});
