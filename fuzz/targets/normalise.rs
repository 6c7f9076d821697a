//! The copies of HTML and text that ClamAV's signatures are matched against, and what bytes are.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use unpack::{Budget, Magics, html, text};

fuzz_target!(|data: &[u8]| {
    let kind = unpack::kind(data);
    unpack::embedded(data, kind, Magics::built_in());
    let normalised = html::normalise(data, &mut Budget::default());
    // A character's name or number becomes at most eight bytes; a tag of an encoded script is written twice.
    assert!(normalised.nocomment.len() <= 8 * data.len() + 64 && normalised.notags.len() <= 4 * data.len() + 64);
    for message in &normalised.data {
        assert!(message.starts_with(b"From html-normalise\n"));
    }
    html::links(data, &mut Budget::default());
    let plain = text::normalise(data);
    assert!(plain.len() <= data.len() && plain.is_ascii());
});
