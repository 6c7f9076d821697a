//! Signature files of every text format and their containers: whatever is written in them, loading ends, says where it
//! did not understand, survives the cache, and what it did understand can be matched against a text.
//!
//! The first byte chooses the ending of the file's name; what follows the first NUL is the text, which for containers is
//! the file's own.
#![no_main]
#![forbid(unsafe_code)]

use engine::signatures::{FileType, Layer, Member, Scratch, Target, layer, member};
use libfuzzer_sys::fuzz_target;
use rules::signatures::{FORMATS, Options, Set, Source, load};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let format = &FORMATS[usize::from(*first) % FORMATS.len()];
    let (written, text) = match rest.iter().position(|b| *b == 0) {
        Some(at) if !format.what.starts_with("container") => (&rest[..at], &rest[at + 1..]),
        _ => (rest, rest),
    };
    let options = Options { unwanted_programs: true, largest_container: 1 << 20, ..Options::default() };
    let name = format!("fuzz.{}", format.ending);
    let source = Source { name: name.as_str().into(), bytes: written.into(), official: false };
    let (set, diagnostics) = load(&[source], &options);
    for found in diagnostics {
        assert!(found.width >= 1 && (found.line == 0 || found.column >= 1), "{found:?}");
        let shown = found.excerpt.chars().count();
        assert!(shown < 200 && (found.column as usize) <= shown + 1, "{found:?}");
        assert!(!found.to_string().chars().any(|c| c.is_control() && c != '\n'), "{found:?}");
    }
    assert!(set.is_sound());
    let stored = postcard::to_stdvec(&set).expect("a set can be written");
    let read: Set = postcard::from_bytes(&stored).expect("and read");
    let mut scratch = Scratch::new();
    for target in [Target::Any, Target::Html, Target::Mail] {
        let buffer = Layer {
            bytes: text,
            file: text,
            target,
            kind: FileType::any(),
            chain: &[],
            size: text.len() as u64,
            name: None,
            hashes: true,
            executable: None,
        };
        let mut hits = Vec::new();
        layer(&set, &buffer, &mut scratch, &mut |found| {
            assert!(found.place.start <= found.place.end && found.place.end <= text.len(), "{found:?}");
            hits.push(found.signature);
        });
        let mut again = Vec::new();
        layer(&read, &buffer, &mut scratch, &mut |found| again.push(found.signature));
        assert_eq!(hits, again);
    }
    let facts = Member {
        container: FileType::any(),
        container_size: 10,
        name: text,
        packed: 10,
        size: 10,
        encrypted: false,
        position: 1,
        crc32: 0,
    };
    member(&set, &facts, &mut |_| {});
});
