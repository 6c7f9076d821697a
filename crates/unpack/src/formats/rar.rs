//! RAR archives, old and new: names, sizes, checksums and what is stored without compression. The compression itself is
//! under a licence that does not suit us.

use super::{Opening, at, until_nul, utf16};
use crate::{Content, Member, Note, Role};

struct File<'a> {
    name: Vec<u8>,
    data: &'a [u8],
    packed: u64,
    size: u64,
    crc: u32,
    encrypted: bool,
    stored: bool,
    folder: bool,
    continued: bool,
}

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    if bytes.starts_with(b"Rar!\x1a\x07\x01\x00") {
        new(bytes, opening);
    } else if bytes.starts_with(b"Rar!\x1a\x07\x00") {
        old(bytes, opening);
    } else {
        opening.note(Note::Broken("RAR signature"));
    }
}

fn add<'a>(file: File<'a>, opening: &mut Opening<'_, 'a>) -> bool {
    if (file.data.len() as u64) < file.packed {
        opening.note(Note::Truncated);
    }
    if file.continued {
        opening.note(Note::Volume);
    }
    let mut member = Member::new(Role::File, &[][..]).named(file.name);
    (member.packed, member.size, member.crc32) = (file.packed, file.size, file.crc);
    member.encrypted = file.encrypted;
    member.content = Content::None;
    if file.encrypted {
        opening.note(Note::Encrypted);
    } else if file.stored && !file.folder {
        let (stored, content) = opening.stored(file.data);
        member.bytes = stored.into();
        member.content = if (file.data.len() as u64) < file.packed { Content::Part } else { content };
    } else if !file.folder {
        opening.note(Note::Unsupported("RAR compression"));
    }
    opening.add(member)
}

fn old<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut offset = 7;
    while offset < bytes.len() && opening.step(1) {
        let header = at::slice(bytes, offset, 7);
        let fields = (at::u8(header, 2), at::u16(header, 3), at::u16(header, 5));
        let (Some(kind), Some(flags), Some(length)) = fields else { return opening.note(Note::Truncated) };
        let header = at::slice(bytes, offset, usize::from(length));
        if length < 7 || !(0x72..=0x7b).contains(&kind) {
            return opening.note(Note::Broken("RAR header"));
        }
        let mut packed = if flags & 0x8000 != 0 { u64::from(at::u32(header, 7).unwrap_or(0)) } else { 0 };
        if matches!(kind, 0x74 | 0x7a) && flags & 0x100 != 0 {
            packed |= u64::from(at::u32(header, 32).unwrap_or(0)) << 32;
        }
        let data_offset = offset + usize::from(length);
        let data_length = usize::try_from(packed).unwrap_or(usize::MAX);
        match kind {
            0x73 => {
                if flags & 0x80 != 0 {
                    // All that follows is encrypted, the names too.
                    opening.note(Note::Encrypted);
                    return;
                }
                if flags & 1 != 0 {
                    opening.note(Note::Volume);
                }
            }
            0x74 => {
                let mut size = u64::from(at::u32(header, 11).unwrap_or(0));
                let mut name_at = 32;
                if flags & 0x100 != 0 {
                    size |= u64::from(at::u32(header, 36).unwrap_or(0)) << 32;
                    name_at = 40;
                }
                let name = at::slice(header, name_at, usize::from(at::u16(header, 26).unwrap_or(0)));
                let file = File {
                    name: if flags & 0x200 != 0 { old_name(name) } else { name.to_vec() },
                    data: at::slice(bytes, data_offset, data_length),
                    packed,
                    size,
                    crc: at::u32(header, 16).unwrap_or(0),
                    encrypted: flags & 4 != 0,
                    stored: at::u8(header, 25) == Some(0x30),
                    folder: flags & 0xe0 == 0xe0,
                    continued: flags & 3 != 0,
                };
                if !add(file, opening) {
                    return;
                }
            }
            0x7b => return,
            _ => {}
        }
        let Some(next) = data_offset.checked_add(data_length) else { return opening.note(Note::Truncated) };
        offset = next;
    }
}

/// A name in ASCII, a NUL, and what makes it UTF-16: pairs of bits say how each unit is written.
fn old_name(name: &[u8]) -> Vec<u8> {
    let plain = until_nul(name);
    let Some(coded) = name.get(plain.len() + 1..).filter(|coded| coded.len() > 1) else { return plain.to_vec() };
    let high = u16::from(coded[0]) << 8;
    let mut rest = coded[1..].iter().copied();
    let mut units: Vec<u16> = Vec::new();
    'all: while let Some(flags) = rest.next() {
        for shift in [6, 4, 2, 0] {
            let Some(first) = rest.next() else { break 'all };
            match flags >> shift & 3 {
                0 => units.push(u16::from(first)),
                1 => units.push(u16::from(first) | high),
                2 => {
                    let Some(second) = rest.next() else { break 'all };
                    units.push(u16::from_le_bytes([first, second]));
                }
                _ => {
                    let (correction, count) = match first & 0x80 {
                        0 => (0, usize::from(first) + 2),
                        _ => (rest.next().unwrap_or(0), usize::from(first & 0x7f) + 2),
                    };
                    let high = if first & 0x80 != 0 { high } else { 0 };
                    for _ in 0..count {
                        let Some(byte) = plain.get(units.len()) else { break };
                        units.push(u16::from(byte.wrapping_add(correction)) | high);
                    }
                }
            }
            if units.len() > 2048 {
                break 'all;
            }
        }
    }
    utf16(&units.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn new<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut rest = &bytes[8..];
    while !rest.is_empty() && opening.step(1) {
        let Some((header, data, packed)) = new_header(&mut rest) else { return opening.note(Note::Truncated) };
        match new_block(header, data, packed, opening) {
            Some(true) => {}
            Some(false) => return,
            None => return opening.note(Note::Broken("RAR header")),
        }
        if (data.len() as u64) < packed {
            return opening.note(Note::Truncated);
        }
    }
}

fn new_header<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8], u64)> {
    let mut after = rest.get(4..)?;
    let size = usize::try_from(number(&mut after)?).ok().filter(|size| *size > 0 && *size <= 2 << 20)?;
    let (header, after) = after.split_at_checked(size)?;
    let mut fields = header;
    let _kind = number(&mut fields)?;
    let flags = number(&mut fields)?;
    if flags & 1 != 0 {
        number(&mut fields)?;
    }
    let packed = if flags & 2 != 0 { number(&mut fields)? } else { 0 };
    let length = usize::try_from(packed).unwrap_or(usize::MAX).min(after.len());
    let (data, after) = after.split_at(length);
    *rest = after;
    Some((header, data, packed))
}

fn new_block<'a>(header: &'a [u8], data: &'a [u8], packed: u64, opening: &mut Opening<'_, 'a>) -> Option<bool> {
    let mut fields = header;
    let kind = number(&mut fields)?;
    let flags = number(&mut fields)?;
    let extra = if flags & 1 != 0 { usize::try_from(number(&mut fields)?).ok()? } else { 0 };
    if flags & 2 != 0 {
        number(&mut fields)?;
    }
    match kind {
        1 if number(&mut fields)? & 1 != 0 => opening.note(Note::Volume),
        2 => {
            let file_flags = number(&mut fields)?;
            let size = number(&mut fields)?;
            number(&mut fields)?;
            if file_flags & 2 != 0 {
                fields = fields.get(4..)?;
            }
            let crc = if file_flags & 4 != 0 { at::u32(fields, 0)? } else { 0 };
            if file_flags & 4 != 0 {
                fields = fields.get(4..)?;
            }
            let compression = number(&mut fields)?;
            number(&mut fields)?;
            let name = usize::try_from(number(&mut fields)?).ok()?;
            let file = File {
                name: at::slice(fields, 0, name).to_vec(),
                data,
                packed,
                size: if file_flags & 8 != 0 { 0 } else { size },
                crc,
                encrypted: is_encrypted(header.get(header.len().checked_sub(extra)?..)?),
                stored: compression >> 7 & 7 == 0,
                folder: file_flags & 1 != 0,
                continued: flags & 0x18 != 0,
            };
            return Some(add(file, opening));
        }
        // All that follows is encrypted, the names too.
        4 => {
            opening.note(Note::Encrypted);
            return Some(false);
        }
        5 => return Some(false),
        _ => {}
    }
    Some(true)
}

/// Whether the records behind a file's header have the one about encryption.
fn is_encrypted(mut records: &[u8]) -> bool {
    while let Some(size) = number(&mut records) {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(records.len());
        let (mut record, rest) = records.split_at(size);
        if number(&mut record) == Some(1) {
            return true;
        }
        records = rest;
    }
    false
}
