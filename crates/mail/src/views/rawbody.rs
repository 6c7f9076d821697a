//! The `rawbody` view: text parts after transfer decoding, markup and charset untouched, cut into paragraphs.

use super::body::UnitText;

/// `parts`: decoded bodies of the leaves whose effective type is text or message, calendars left out.
pub fn rawbody<'a>(parts: impl Iterator<Item = &'a [u8]>, scan_size: usize) -> UnitText {
    let _ = (parts, scan_size);
    unimplemented!()
}
