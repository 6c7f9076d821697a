//! Logical signatures: put together from pieces that mostly fit, so that matching is reached and not only refusal.
//!
//! Bytes up to the first 0xFF are numbers of pieces; the rest is the text.
#![no_main]
#![forbid(unsafe_code)]

use engine::signatures::{FileType, Layer, Scratch, Target, layer};
use libfuzzer_sys::fuzz_target;
use rules::signatures::{Options, Source, load};

const PIECES: &[&str] = &[
    "0", "1", "2", "3", "&", "|", "(", ")", "=", ">", "<", ",", ";", ":", "::", "i", "w", "a", "f", "6162", "6263",
    "61626364656667686970717273", "6161", "00", "??", "6?", "?1", "*", "{2}", "{-3}", "{1-}", "{1-4}", "{200}",
    "(61|62)", "!(61|62)", "(6162|63)", "(61(62|63)|64)", "(B)", "(L)", "(W)", "!(W)", "61[1-3]", "[0-2]62", "EOF-",
    "0/a.b/", "0/(a+)+b/", "0/^a/", "g", "r", "e", "0(>>2#il2#>1)", "0(#hb4#=1)", "0(<<1#db2e#<9)", "${1-4}3$", "/", "#",
    "fuzzy_img#0123456789abcdef", "4", "9", "[", "]", "{", "}", "!",
];

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|b| *b == 0xFF).unwrap_or(data.len());
    let (numbers, text) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let line: String = numbers.iter().map(|b| PIECES[usize::from(*b) % PIECES.len()]).collect();
    let logical = format!("L;Engine:51-255,Target:0;{line}\nM;Target:0;0;{line}\n");
    let strings = format!("N:0:*:{line}\nM:0:$3$:6162\nO:4:{line}\n");
    let sources = [
        Source { name: "fuzz.ldb".into(), bytes: logical.as_bytes().into(), official: false },
        Source { name: "fuzz.ndb".into(), bytes: strings.as_bytes().into(), official: false },
    ];
    let (set, _) = load(&sources, &Options::default());
    let buffer = Layer {
        bytes: text,
        file: text,
        target: Target::Any,
        kind: FileType::any(),
        chain: &[],
        size: text.len() as u64,
        name: None,
        hashes: false,
        executable: None,
    };
    layer(&set, &buffer, &mut Scratch::new(), &mut |found| {
        assert!(found.place.start <= found.place.end && found.place.end <= text.len(), "{found:?}");
    });
});
