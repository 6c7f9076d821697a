//! Visual Basic in documents: the source text of a module, which is stored compressed at the end of its stream.
//!
//! Where it begins is written in another stream, which malware leaves broken; but the source always begins with the
//! same attribute, and that is stored in the clear: the first eight characters of a compressed container are literal.

use super::Opening;
use crate::{Limit, Note};

const BEGINNING: &[u8] = b"\x00Attribut";

/// The source in this stream, if it is a module.
pub fn source(stream: &[u8], opening: &mut Opening<'_, '_>) -> Option<Vec<u8>> {
    let found = memchr::memmem::find_iter(stream, BEGINNING).find(|place| {
        let head = place.checked_sub(3).and_then(|start| stream.get(start..*place));
        matches!(head, Some([1, _, high]) if high & 0x70 == 0x30)
    })?;
    let (source, whole) = decompress(&stream[found - 3..], opening);
    if !whole {
        opening.note(Note::Broken("compressed macro"));
    }
    (!source.is_empty()).then_some(source)
}

/// A signature byte, then chunks of at most 4096 bytes unpacked; copies reach back within their chunk only.
pub fn decompress(container: &[u8], opening: &mut Opening<'_, '_>) -> (Vec<u8>, bool) {
    const CHUNK: usize = 4096;
    let mut out: Vec<u8> = Vec::new();
    let Some((1, mut rest)) = container.split_first().map(|(first, rest)| (*first, rest)) else { return (out, false) };
    while let Some((head, after)) = rest.split_at_checked(2) {
        let head = u16::from_le_bytes([head[0], head[1]]);
        if head >> 12 & 7 != 3 {
            return (out, true);
        }
        let length = usize::from(head & 0xfff) + 1;
        let (chunk, next) = after.split_at(length.min(after.len()));
        rest = next;
        let too_long = out.len() as u64 > opening.budget.limits().member;
        let limit = match too_long {
            true => Some(opening.budget.reach(Limit::Member)),
            false => opening.budget.bytes(CHUNK as u64).err(),
        };
        if let Some(limit) = limit {
            opening.stop(limit);
            return (out, true);
        }
        if head & 0x8000 == 0 {
            out.extend_from_slice(chunk);
        } else if !expand(chunk, &mut out) {
            return (out, false);
        }
        if chunk.len() < length {
            return (out, false);
        }
    }
    (out, true)
}

fn expand(chunk: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut bytes = chunk.iter().copied();
    while let Some(flags) = bytes.next() {
        for bit in 0..8 {
            let Some(first) = bytes.next() else { return true };
            if flags >> bit & 1 == 0 {
                out.push(first);
                continue;
            }
            let Some(second) = bytes.next() else { return false };
            let token = u16::from_le_bytes([first, second]);
            let so_far = out.len() - start;
            if so_far == 0 || so_far > 4096 {
                return false;
            }
            // The further in, the more bits tell how far back.
            let offset_bits = (usize::BITS - (so_far - 1).leading_zeros()).max(4);
            let length_mask = 0xffff_u16 >> offset_bits;
            let length = usize::from(token & length_mask) + 3;
            let back = usize::from(token >> (16 - offset_bits)) + 1;
            if back > so_far {
                return false;
            }
            for _ in 0..length {
                out.push(out[out.len() - back]);
            }
        }
    }
    true
}
