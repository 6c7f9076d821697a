//! The `rawbody` view: text parts after transfer decoding, markup and charset untouched, cut into paragraphs.

use super::body::{UNIT, UnitText};
use memchr::memchr;

/// `parts`: decoded bodies of the leaves whose effective type is text or message, calendars left out. `scan_size` is
/// `rawbody_part_scan_size` (0: all).
pub fn rawbody<'a>(parts: impl Iterator<Item = &'a [u8]>, scan_size: usize) -> UnitText {
    let mut out = UnitText::default();
    for part in parts {
        paragraphs(&part[..scanned(part, scan_size)], &mut out);
    }
    out
}

/// How much of a part is looked at: the limit, and up to 1,024 bytes more to end at a line, a tag or a blank.
fn scanned(part: &[u8], scan_size: usize) -> usize {
    if scan_size == 0 || part.len() <= scan_size {
        return part.len();
    }
    let window = &part[scan_size..part.len().min(scan_size + 1_025)];
    let stop = [b'\n', b'>', b' '].iter().find_map(|&b| memchr(b, window));
    scan_size + stop.map_or(0, |at| at + 1)
}

/// Pieces of one to two times [`UNIT`], cut after a line end, else a ">", else a blank.
fn paragraphs(part: &[u8], out: &mut UnitText) {
    out.bytes.reserve(part.len());
    let mut rest = part;
    while rest.len() > 2 * UNIT {
        let window = &rest[UNIT..2 * UNIT];
        let stop = [b'\n', b'>', b' '].iter().find_map(|&b| memchr(b, window));
        let (piece, after) = rest.split_at(UNIT + stop.unwrap_or(0) + 1);
        out.push(piece);
        rest = after;
    }
    if !rest.is_empty() || part.is_empty() {
        out.push(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(part: &str, scan_size: usize) -> Vec<usize> {
        rawbody(std::iter::once(part.as_bytes()), scan_size).iter().map(<[u8]>::len).collect()
    }

    #[test]
    fn pieces() {
        assert_eq!(lengths("", 0), [0]);
        assert_eq!(lengths("short\n", 0), [6]);
        assert_eq!(lengths(&"x".repeat(5_000), 0), [2_049, 2_951]);
        assert_eq!(lengths(&"nine bit\n".repeat(1_000), 0), [2_052, 2_052, 2_052, 2_844]);
        assert_eq!(lengths(&"ab cd>".repeat(1_000), 3_000), [3_006]);
    }
}
