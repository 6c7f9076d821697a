//! Small archives: cpio, and of ARJ and LHA the names, sizes and what is stored without compression.

use super::{Opening, at, until_nul};
use crate::{Content, Member, Note, Role};

pub fn cpio<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut offset = 0;
    loop {
        let header = at::slice(bytes, offset, 110);
        let (name_length, size, mode, head, align) = match header.get(..6) {
            Some(b"070707") => (radix(header, 59..65, 8), radix(header, 65..76, 8), radix(header, 18..24, 8), 76, 1),
            Some(b"070701" | b"070702") => {
                (radix(header, 94..102, 16), radix(header, 54..62, 16), radix(header, 14..22, 16), 110, 4)
            }
            _ => return opening.note(Note::Truncated),
        };
        let (Some(name_length), Some(size)) = (name_length, size) else {
            return opening.note(Note::Broken("cpio header"));
        };
        let name = until_nul(at::slice(bytes, offset + head, name_length));
        if name == b"TRAILER!!!" {
            return;
        }
        let Some(from) = padded(offset + head, name_length, align) else { return };
        let content = at::slice(bytes, from, size);
        let more = match mode {
            Some(mode) if mode & 0o170_000 == 0o040_000 => listed(opening, name, 0, 0, 0, false),
            _ => stored(opening, name, content, size as u64, size as u64, 0),
        };
        if !more {
            return;
        }
        match padded(from, size, align) {
            Some(next) if content.len() == size => offset = next,
            _ => return opening.note(Note::Truncated),
        }
    }
}

fn padded(from: usize, length: usize, align: usize) -> Option<usize> {
    from.checked_add(length)?.checked_next_multiple_of(align)
}

fn radix(header: &[u8], range: std::ops::Range<usize>, radix: u32) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(header.get(range)?).ok()?, radix).ok()
}

fn stored<'a>(opening: &mut Opening<'_, 'a>, name: &[u8], content: &'a [u8], packed: u64, size: u64, crc: u32) -> bool {
    let (kept, whole) = opening.stored(content);
    let mut member = Member::new(Role::File, kept).named(name);
    (member.packed, member.size, member.crc32) = (packed, size, crc);
    member.content = if (content.len() as u64) < packed { Content::Part } else { whole };
    opening.add(member)
}

fn listed<'a>(opening: &mut Opening<'_, 'a>, name: &[u8], packed: u64, size: u64, crc: u32, encrypted: bool) -> bool {
    let mut member = Member::new(Role::File, &[][..]).named(name);
    (member.packed, member.size, member.crc32) = (packed, size, crc);
    member.encrypted = encrypted;
    member.content = Content::None;
    opening.add(member)
}

pub fn arj<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut offset = 0;
    while at::slice(bytes, offset, 2) == b"\x60\xea" {
        let length = usize::from(at::u16(bytes, offset + 2).unwrap_or(0));
        if length == 0 {
            return;
        }
        let header = at::slice(bytes, offset + 4, length);
        let fields = (at::u8(header, 0), at::u8(header, 4), at::u8(header, 5), at::u8(header, 6));
        let (Some(first), Some(flags), Some(method), Some(file_type)) = fields else {
            return opening.note(Note::Truncated);
        };
        let name = until_nul(header.get(usize::from(first)..).unwrap_or_default());
        // CRC of the header, then extended headers, each with a length and a CRC.
        let mut next = offset + 4 + length + 4;
        while let Some(extended) = at::u16(bytes, next) {
            next += 2;
            if extended == 0 || !opening.step(1) {
                break;
            }
            next += usize::from(extended) + 4;
        }
        // The first header is the archive's own.
        if offset == 0 && file_type == 2 {
            offset = next;
            continue;
        }
        let (packed, size) = (at::length(header, 12).unwrap_or(0), at::length(header, 16).unwrap_or(0));
        let (crc, encrypted) = (at::u32(header, 20).unwrap_or(0), flags & 1 != 0);
        let content = at::slice(bytes, next, packed);
        let more = if method == 0 && !encrypted {
            stored(opening, name, content, packed as u64, size as u64, crc)
        } else {
            opening.note(if encrypted { Note::Encrypted } else { Note::Unsupported("ARJ compression") });
            listed(opening, name, packed as u64, size as u64, crc, encrypted)
        };
        if !more {
            return;
        }
        if content.len() < packed {
            return opening.note(Note::Truncated);
        }
        offset = next + packed;
    }
}

pub fn lha<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut offset = 0;
    loop {
        let header = at::slice(bytes, offset, 4096);
        let fields = (at::u8(header, 0), at::length(header, 7), at::length(header, 11), at::u8(header, 20));
        let (Some(first), Some(packed), Some(size), Some(level)) = fields else { return };
        let method = &header[2..7];
        if method[0] != b'-' || method[4] != b'-' {
            return;
        }
        let mut packed = packed;
        let (mut name, head) = match level {
            0 | 1 => {
                let length = usize::from(at::u8(header, 21).unwrap_or(0));
                let mut next = usize::from(first) + 2;
                let mut name = at::slice(header, 22, length).to_vec();
                if level == 1 {
                    // The sizes of extended headers count as packed bytes.
                    let mut extended = at::u16(header, next.wrapping_sub(2)).unwrap_or(0);
                    while extended > 2 && opening.step(1) {
                        let record = at::slice(header, next, usize::from(extended));
                        if record.first() == Some(&1) {
                            name = record[1..record.len().saturating_sub(2).max(1)].to_vec();
                        }
                        packed = packed.saturating_sub(usize::from(extended));
                        next += usize::from(extended);
                        extended = at::u16(header, next.wrapping_sub(2)).unwrap_or(0);
                    }
                }
                (name, next)
            }
            2 => {
                let length = usize::from(at::u16(header, 0).unwrap_or(0));
                let mut name = Vec::new();
                let mut next = 26;
                let mut extended = at::u16(header, 24).unwrap_or(0);
                while extended > 2 && opening.step(1) {
                    let record = at::slice(header, next, usize::from(extended));
                    if record.first() == Some(&1) {
                        name = record[1..record.len().saturating_sub(2).max(1)].to_vec();
                    }
                    next += usize::from(extended);
                    extended = at::u16(header, next - 2).unwrap_or(0);
                }
                (name, length)
            }
            _ => return opening.note(Note::Unsupported("LHA header")),
        };
        name.truncate(until_nul(&name).len());
        let content = at::slice(bytes, offset + head, packed);
        let more = if matches!(method, b"-lh0-" | b"-lz4-" | b"-pm0-") {
            stored(opening, &name, content, packed as u64, size as u64, 0)
        } else {
            if method != b"-lhd-" {
                opening.note(Note::Unsupported("LHA compression"));
            }
            listed(opening, &name, packed as u64, size as u64, 0, false)
        };
        if content.len() < packed {
            opening.note(Note::Truncated);
        }
        if !more || head == 0 || content.len() < packed {
            return;
        }
        offset += head + packed;
    }
}
