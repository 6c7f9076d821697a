//! CD images: the files of the first volume, long names where there are Joliet's.

use super::{Opening, at, utf16};
use crate::{Content, Member, Note, Role};

const SECTOR: usize = 2048;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut root = None;
    for number in 16..32 {
        let volume = at::slice(bytes, number * SECTOR, SECTOR);
        if volume.get(1..6) != Some(b"CD001") || volume[0] == 255 {
            break;
        }
        let joliet = volume[0] == 2 && matches!(volume.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"));
        if volume[0] == 1 && root.is_none() || joliet {
            root = at::length(volume, 158).zip(at::length(volume, 166)).map(|place| (place, joliet));
        }
    }
    let Some((root, joliet)) = root else { return opening.note(Note::Broken("CD image")) };
    let mut folders = vec![(root, Vec::new())];
    let mut seen = std::collections::HashSet::from([root.0]);
    while let Some(((sector, length), path)) = folders.pop() {
        let table = at::slice(bytes, sector.saturating_mul(SECTOR), length.min(16 << 20));
        let mut offset = 0;
        while offset < table.len() {
            if !opening.step(1) {
                return;
            }
            let size = usize::from(table[offset]);
            if size < 34 {
                // Records do not cross sectors; the rest of this one is empty.
                offset = (offset / SECTOR + 1) * SECTOR;
                continue;
            }
            let record = at::slice(table, offset, size);
            offset += size;
            let fields = (at::length(record, 2), at::length(record, 10), at::u8(record, 25), at::u8(record, 32));
            let (Some(extent), Some(length), Some(flags), Some(name_length)) = fields else { break };
            let name = at::slice(record, 33, usize::from(name_length));
            if name == [0] || name == [1] {
                continue;
            }
            let name = match joliet {
                true => utf16(&name.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect::<Vec<u8>>()),
                false => name.to_vec(),
            };
            let name = name.strip_suffix(b";1").unwrap_or(&name);
            let full = if path.is_empty() { name.to_vec() } else { [&path, &b"/"[..], name].concat() };
            if flags & 2 != 0 {
                if seen.insert(extent) && full.len() < 4096 {
                    // Its path is kept until it is read.
                    if !opening.step(full.len() as u64 / 16) {
                        return;
                    }
                    folders.push(((extent, length), full));
                }
                continue;
            }
            let content = at::slice(bytes, extent.saturating_mul(SECTOR), length);
            let (stored, mut whole) = opening.stored(content);
            if content.len() < length {
                opening.note(Note::Truncated);
                whole = Content::Part;
            }
            let mut member = Member::new(Role::File, stored).named(full);
            member.content = whole;
            (member.size, member.packed) = (length as u64, length as u64);
            if !opening.add(member) {
                return;
            }
        }
    }
}
