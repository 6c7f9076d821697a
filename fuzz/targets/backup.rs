//! Backups of SpamAssassin's Bayes and the table made of them: any bytes are refused with a reason or become a table that is
//! written and read the same, and whose opinion is a probability.
#![no_main]
#![forbid(unsafe_code)]

use learn::bayes::{Imported, Importer, Options, Tokenizer};
use libfuzzer_sys::fuzz_target;
use mail::{Limits, Message, ViewConfig, Views};
use sha2::{Digest, Sha256};

fuzz_target!(|data: &[u8]| {
    let _ = Imported::from_bytes(data);
    // A check sum guards the table, which no fuzzer guesses.
    let summed = [data, &Sha256::digest(data)[..8]].concat();
    let table = Imported::from_bytes(&summed).ok().or_else(|| {
        let mut importer = Importer::default();
        data.split(|byte| *byte == b'\n').try_for_each(|line| importer.line(line)).ok()?;
        Some(importer.finish().ok()?.0)
    });
    let message = Message::parse(data, &Limits::default());
    let config = ViewConfig::default();
    let mut tokens = Tokenizer::new(Options { mimepart: true, ..Options::default() }).tokens(&Views::new(&message, &config));
    let Some(table) = table else { return };
    assert_eq!(Imported::from_bytes(&table.to_bytes()).as_ref(), Ok(&table));
    tokens.extend(data.chunks(5).map(|five| five.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))));
    for hapaxes in [true, false] {
        if let Some(opinion) = table.opinion(&tokens, hapaxes) {
            assert!((0.0..=1.0).contains(&opinion.probability), "{opinion:?}");
        }
    }
});
