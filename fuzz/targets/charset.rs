//! Charsets: by SpamAssassin's rule and by evidence, under any label.
//!
//! The first byte chooses the label.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::SaText;
use mail::mime::charset::{self, Normalized};
use mail::mime::evidence::{self, Decoded};

const LABELS: &[&str] = &[
    "us-ascii",
    "utf-8",
    "iso-8859-1",
    "iso-2022-jp",
    "shift_jis",
    "euc-jp",
    "gb2312",
    "gb18030",
    "big5",
    "euc-kr",
    "windows-1252",
    "utf-16",
    "utf-7",
    "iso-2022-kr",
    "iso-2022-cn",
    "hz-gb-2312",
    "koi8-r",
    "windows-874",
    "x-unknown",
    "",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let label = LABELS[usize::from(*first) % LABELS.len()];
    let declared = Some(label).filter(|label| !label.is_empty());
    let decoded = evidence::decode(bytes, declared, &[]);
    sound(&decoded, bytes);
    // Plain letters say what they say under any label that does not take two bytes for each.
    if bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ') && label != "utf-16" {
        assert_eq!(decoded.text.as_bytes(), bytes);
    }
    if std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|c| c.is_alphanumeric() && c >= '\u{400}'))
        && label == "utf-8"
    {
        assert_eq!(decoded.text.as_bytes(), bytes, "UTF-8 that says so");
    }
    for context in ["iso-2022-jp", "shift_jis", "gb18030"] {
        sound(&evidence::decode(bytes, declared, &[context]), bytes);
    }
    sound(&evidence::decode_header_value(bytes, &[label]), bytes);
    if let Some(name) = evidence::decode_parameter(bytes, "filename", &[]) {
        sound(&name, bytes);
    }

    match charset::part_text(bytes, label, true) {
        SaText::Chars(text) => assert!(text.len() <= 4 * bytes.len() + 4),
        SaText::Ascii(text) => assert!(text.is_ascii() && text.as_bytes() == bytes),
        SaText::Bytes(same) => assert_eq!(same, bytes),
    }
    match charset::part_text(bytes, label, false) {
        SaText::Chars(text) => assert_eq!(text.as_bytes(), bytes),
        SaText::Ascii(text) => assert!(text.is_ascii() && text.as_bytes() == bytes),
        SaText::Bytes(same) => assert_eq!(same, bytes),
    }
    for insist in [false, true] {
        match charset::normalize(bytes, label, insist) {
            Normalized::Ascii => assert!(bytes.is_ascii()),
            Normalized::Utf8 => assert!(std::str::from_utf8(bytes).is_ok()),
            Normalized::Bytes(_) => {}
            Normalized::Text(text) => assert!(text.len() <= 4 * bytes.len() + 4),
        }
    }
});

fn sound(decoded: &Decoded, bytes: &[u8]) {
    assert!(decoded.confidence <= 100);
    assert!(decoded.text.len() <= 4 * bytes.len() + 4, "{} bytes of {}", decoded.text.len(), bytes.len());
}
