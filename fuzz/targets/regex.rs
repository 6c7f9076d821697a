//! Patterns: the scan, the direct match and PCRE2 must say the same of the same text.
//!
//! The input is `pattern \n subject`; pattern bytes are drawn from an alphabet in which most strings are valid
//! patterns, so that the fuzzer does not spend its time on syntax errors.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use patterns::{Builder, Flags, Found, GroupId, PatternSpec, Scratch, Text};

const ALPHABET: &[u8] = br"aabbc.*+?|()[^]{1,2}\w\d\s\b$^-:!<=?x AB";

fuzz_target!(|data: &[u8]| {
    let Some(cut) = data.iter().position(|b| *b == b'\n') else { return };
    let (head, subject) = (&data[..cut.min(60)], &data[cut + 1..]);
    if subject.len() > 400 {
        return;
    }
    let pattern: Vec<u8> = head.iter().map(|b| ALPHABET[usize::from(*b) % ALPHABET.len()]).collect();
    let flags = Flags { ignore_case: cut % 2 == 1, ..Flags::default() };
    let mut builder = Builder::new();
    let Ok(id) = builder.add(PatternSpec::regex(GroupId(0), &pattern, flags)) else { return };
    let database = builder.build();
    let direct = database.is_match(id, subject);

    let mut found = Found::new();
    let ends = [subject.len() as u32];
    database.scan(GroupId(0), Text { bytes: subject, ends: &ends }, &mut Scratch::new(), &mut found);
    if !found.limited().is_empty() {
        return;
    }
    assert_eq!(found.get(id).is_some(), direct, "scan against direct: {}", pattern.escape_ascii());

    let Ok(text) = std::str::from_utf8(&pattern) else { return };
    let judge = pcre2::bytes::RegexBuilder::new().caseless(flags.ignore_case).build(text);
    if let Ok(judge) = judge
        && let Ok(theirs) = judge.is_match(subject)
    {
        assert_eq!(direct, theirs, "against PCRE2: {} on {}", pattern.escape_ascii(), subject.escape_ascii());
    }
});
