//! Charsets: by SpamAssassin's rule and by evidence, under any label.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;

const LABELS: &[&str] = &[
    "us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp", "shift_jis", "euc-jp", "gb2312", "gb18030", "big5", "euc-kr",
    "windows-1252", "utf-16", "utf-7", "iso-2022-kr", "hz-gb-2312", "koi8-r", "x-unknown", "",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let label = LABELS[usize::from(*first) % LABELS.len()];
    let decoded = mail::mime::evidence::decode(bytes, Some(label).filter(|l| !l.is_empty()), &[]);
    // Plain letters say what they say under any label that does not take two bytes for each.
    if bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ') && !label.starts_with("utf-16") {
        assert_eq!(decoded.text.as_bytes(), bytes);
    }
    let _ = mail::mime::charset::part_text(bytes, label, true);
    let _ = mail::mime::charset::normalize(bytes, label, false);
    let _ = mail::views::text::header_text(bytes, &[label]);
});
