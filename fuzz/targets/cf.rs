//! Rule files: whatever is written in them, loading ends and says what it did not understand.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use rules::{LoadOptions, NoReader, Source, SourceKind};

fuzz_target!(|data: &[u8]| {
    let kind = if data.first().is_some_and(|b| b % 2 == 0) { SourceKind::Site } else { SourceKind::User };
    let options = LoadOptions { thorough: true, restrict_user_files: true, ..LoadOptions::default() };
    let sources = [Source::new("fuzz.cf", data, kind)];
    let (_, diagnostics) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    for diagnostic in diagnostics {
        std::hint::black_box(diagnostic.to_string());
    }
});
