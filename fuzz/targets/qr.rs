//! Pictures that a mail carries, PNG, JPEG and GIF, and fields of squares that its text draws: whatever is there, the codes in
//! them are found in bounded steps, and what they say is a short address.
//!
//! The first byte 0: a drawing, whose next byte is its width; else a picture.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::views::Pictures;
use mail::views::drawn::Drawing;

#[path = "../../crates/engine/src/qr/mod.rs"]
mod qr;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let links = match (kind, data.split_first()) {
        (0, Some((width, squares))) => {
            let width = usize::from(*width).max(1);
            let whole = squares.len() / width * width;
            let dark = squares[..whole].iter().map(|square| square & 1 == 1).collect();
            qr::Codes.drawn(&Drawing { width, dark }).into_iter().collect()
        }
        _ => qr::Codes.links(data),
    };
    assert!(links.len() <= 4);
    assert!(links.iter().all(|link| link.len() <= 4_096));
});
