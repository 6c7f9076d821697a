//! Zip archives, and the office formats that are zip archives.
//!
//! The central directory is believed as far as it goes. What it does not mention is looked for by the signature of local
//! headers, since readers differ in which of the two they trust, and an attacker chooses the reader. Members that lie
//! over each other, as archive bombs have them, are unpacked within the budget and noted.

use super::zip_crypto::{Aes, classic};
use super::{Opening, at, crc32, streams};
use crate::{Content, Limit, Member, Note, Role};
use std::borrow::Cow;
use std::io::Read;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

const ENCRYPTED: u16 = 1;
const SIZES_FOLLOW: u16 = 8;

#[derive(Debug, Clone, Default)]
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    time: u16,
    crc: u32,
    packed: u64,
    size: u64,
    /// Of the local header.
    offset: usize,
    extra: Vec<u8>,
    central: bool,
}

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut entries = central(bytes, opening);
    let mentioned: std::collections::HashSet<usize> = entries.iter().map(|entry| entry.offset).collect();
    if entries.is_empty() {
        opening.note(Note::Broken("central directory"));
    }
    // Where the members that were found lie, so that what they hold is not searched for members.
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for entry in &entries {
        if let Some(data) = data_offset(bytes, entry.offset) {
            taken.push((entry.offset, data.saturating_add(usize::try_from(entry.packed).unwrap_or(usize::MAX))));
        }
    }
    taken.sort_unstable();
    if taken.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        opening.note(Note::Overlap);
    }
    for entry in &mut entries {
        // A local header that says otherwise is a trick on readers that trust it.
        if let Some(local) = local(bytes, entry.offset)
            && local.name != entry.name
            && !local.name.is_empty()
        {
            opening.note(Note::Broken("names in local and central header differ"));
        }
    }
    for entry in entries {
        if !member(bytes, entry, opening).0 {
            return;
        }
    }
    let mut from = 0;
    let mut gaps = taken.into_iter().peekable();
    while let Some(found) = memchr::memmem::find(&bytes[from.min(bytes.len())..], LOCAL) {
        let offset = from + found;
        if !opening.step(1) {
            return;
        }
        while gaps.peek().is_some_and(|(_, end)| *end <= offset) {
            gaps.next();
        }
        if let Some((start, end)) = gaps.peek()
            && *start <= offset
        {
            from = (*end).max(offset + 1);
            continue;
        }
        from = offset + LOCAL.len();
        if mentioned.contains(&offset) {
            continue;
        }
        if let Some(entry) = local(bytes, offset) {
            let (more, end) = member(bytes, entry, opening);
            if !more {
                return;
            }
            from = from.max(end);
        }
    }
}

/// What the central directory says.
fn central<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) -> Vec<Entry> {
    let tail = bytes.len().saturating_sub(66_000);
    let end = memchr::memmem::rfind(&bytes[tail..], END).map(|found| tail + found);
    let said = end.and_then(|end| at::length(bytes, end + 16));
    let size = end.and_then(|end| at::length(bytes, end + 12));
    let starts = |offset: &usize| at::slice(bytes, *offset, 4) == CENTRAL;
    // Where something stands before the archive, the offsets are too small by its length.
    let by_size = end.zip(size).and_then(|(end, size)| end.checked_sub(size)).filter(starts);
    let Some(mut offset) = said.filter(starts).or(by_size).or_else(|| memchr::memmem::find(bytes, CENTRAL)) else {
        return Vec::new();
    };
    let shift = match by_size {
        Some(place) if said.is_some_and(|said| said != place) && said.is_none_or(|said| !starts(&said)) => {
            place - said.unwrap_or(0).min(place)
        }
        _ => 0,
    };
    let mut entries = Vec::new();
    while at::slice(bytes, offset, 4) == CENTRAL {
        if !opening.step(1) || entries.len() > opening.budget.limits().members as usize {
            opening.stop(Limit::Members);
            break;
        }
        let Some(mut entry) = header(bytes, offset, 46) else {
            opening.note(Note::Truncated);
            break;
        };
        entry.central = true;
        entry.offset = at::length(bytes, offset + 42).unwrap_or(0).saturating_add(shift);
        large(&mut entry);
        let comment = usize::from(at::u16(bytes, offset + 32).unwrap_or(0));
        offset += 46 + entry.name.len() + entry.extra.len() + comment;
        if at::slice(bytes, entry.offset, 4) == LOCAL {
            entries.push(entry);
        } else {
            opening.note(Note::Broken("central directory"));
        }
    }
    entries
}

/// Zip64: numbers that do not fit 32 bits stand in an extra field, in this order.
fn large(entry: &mut Entry) {
    let Some(field) = extra(&entry.extra, 1).map(<[u8]>::to_vec) else { return };
    let mut place = 0;
    let mut next = || {
        place += 8;
        at::u64(&field, place - 8)
    };
    if entry.size == u64::from(u32::MAX) {
        entry.size = next().unwrap_or(entry.size);
    }
    if entry.packed == u64::from(u32::MAX) {
        entry.packed = next().unwrap_or(entry.packed);
    }
    if entry.central && entry.offset == u32::MAX as usize {
        entry.offset = next().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(entry.offset);
    }
}

fn extra(fields: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = fields;
    while let (Some(id), Some(length)) = (at::u16(rest, 0), at::u16(rest, 2)) {
        let field = at::slice(rest, 4, usize::from(length));
        if id == wanted {
            return Some(field);
        }
        rest = &rest[(4 + usize::from(length)).min(rest.len())..];
    }
    None
}

fn local(bytes: &[u8], offset: usize) -> Option<Entry> {
    let mut entry = header(bytes, offset, 30).filter(|_| at::slice(bytes, offset, 4) == LOCAL)?;
    large(&mut entry);
    Some(entry)
}

/// What a member's own header (30 bytes) and its header in the directory (46) have in common; there it lies two bytes later.
fn header(bytes: &[u8], offset: usize, length: usize) -> Option<Entry> {
    let header = Some(at::slice(bytes, offset, length)).filter(|header| header.len() == length)?;
    let later = if length == 46 { 2 } else { 0 };
    let half = |place: usize| at::u16(header, place + later).unwrap_or(0);
    let word = |place: usize| at::u32(header, place + later).unwrap_or(0);
    let (name, extra) = (usize::from(half(26)), usize::from(half(28)));
    Some(Entry {
        name: at::slice(bytes, offset + length, name).to_vec(),
        flags: half(6),
        method: half(8),
        time: half(10),
        crc: word(14),
        packed: u64::from(word(18)),
        size: u64::from(word(22)),
        offset,
        extra: at::slice(bytes, offset + length + name, extra).to_vec(),
        central: false,
    })
}

fn data_offset(bytes: &[u8], offset: usize) -> Option<usize> {
    let (name, extra) = (at::u16(bytes, offset.checked_add(26)?)?, at::u16(bytes, offset.checked_add(28)?)?);
    Some(offset + 30 + usize::from(name) + usize::from(extra))
}

/// Whether more may come, and where this member ended.
fn member<'a>(bytes: &'a [u8], mut entry: Entry, opening: &mut Opening<'_, 'a>) -> (bool, usize) {
    let Some(from) = data_offset(bytes, entry.offset) else {
        opening.note(Note::Truncated);
        return (true, bytes.len());
    };
    let rest = bytes.get(from..).unwrap_or_default();
    let unknown = !entry.central && entry.flags & SIZES_FOLLOW != 0 && entry.packed == 0;
    let length = if unknown { until_next(rest) } else { usize::try_from(entry.packed).unwrap_or(usize::MAX) };
    let data = &rest[..length.min(rest.len())];
    if unknown {
        let descriptor = &rest[data.len()..];
        let skip = if descriptor.starts_with(DESCRIPTOR) { 4 } else { 0 };
        entry.crc = at::u32(descriptor, skip).unwrap_or(0);
        entry.packed = data.len() as u64;
        entry.size = at::u32(descriptor, skip + 8).map_or(0, u64::from);
    } else if data.len() < length {
        opening.note(Note::Truncated);
    }
    let cut = !unknown && data.len() < length;
    let end = from + data.len();
    let mut member = Member::new(Role::File, &[][..]).named(std::mem::take(&mut entry.name));
    (member.packed, member.size, member.crc32) = (entry.packed, entry.size, entry.crc);
    member.encrypted = entry.flags & ENCRYPTED != 0;
    member.content = Content::None;
    let plain: Option<(Cow<'a, [u8]>, u16)> = if member.encrypted {
        let decrypted = decrypt(data, &entry, opening);
        opening.note(if decrypted.is_some() { Note::Decrypted } else { Note::Encrypted });
        decrypted.map(|(data, method)| (Cow::Owned(data), method))
    } else {
        Some((Cow::Borrowed(data), entry.method))
    };
    if let Some((data, method)) = plain {
        (member.bytes, member.content) = expand(data, method, entry.size, opening);
        if cut && member.content == Content::Whole {
            member.content = Content::Part;
        }
        let checked = member.content == Content::Whole && entry.crc != 0;
        if checked && crc32(&member.bytes) != entry.crc {
            opening.note(Note::Checksum);
        }
    }
    (opening.add(member), end)
}

/// How long a member is whose size stands behind it: up to its descriptor, or the next header.
fn until_next(rest: &[u8]) -> usize {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&rest[from..], b"PK") {
        let place = from + found;
        let mark = at::slice(rest, place, 4);
        if mark == DESCRIPTOR {
            return place;
        }
        if mark == LOCAL || mark == CENTRAL || mark == END {
            // The descriptor may lack its signature: CRC and two sizes.
            let bare = place.checked_sub(12);
            return bare.filter(|bare| at::length(rest, bare + 4) == Some(*bare)).unwrap_or(place);
        }
        from = place + 2;
    }
    rest.len()
}

fn expand<'a>(data: Cow<'a, [u8]>, method: u16, size: u64, opening: &mut Opening<'_, 'a>) -> (Cow<'a, [u8]>, Content) {
    let mut through = |reader: &mut dyn Read| {
        let (bytes, content) = opening.unpack(reader, data.len());
        (Cow::Owned(bytes), content)
    };
    let name = match method {
        0 => {
            return match data {
                Cow::Borrowed(data) => {
                    let (bytes, content) = opening.stored(data);
                    (Cow::Borrowed(bytes), content)
                }
                Cow::Owned(_) => through(&mut &data[..]),
            };
        }
        8 => return through(&mut flate2::bufread::DeflateDecoder::new(&data[..])),
        12 => return through(&mut bzip2::bufread::MultiBzDecoder::new(&data[..])),
        14 => {
            if let Some(mut reader) = streams::lzma_reader(&data, size) {
                return through(&mut reader);
            }
            "LZMA in zip"
        }
        93 | 20 => {
            if let Some(mut reader) = streams::zstd_reader(&data) {
                return through(&mut reader);
            }
            "Zstandard in zip"
        }
        95 => return through(&mut streams::xz_reader(&data)),
        1 => "zip method Shrink",
        6 => "zip method Implode",
        9 => "zip method Deflate64",
        98 => "zip method PPMd",
        _ => "an unknown zip method",
    };
    opening.note(Note::Unsupported(name));
    (Cow::Borrowed(&[]), Content::None)
}

/// What the first password that fits makes of it, and the method under the encryption.
fn decrypt(data: &[u8], entry: &Entry, opening: &mut Opening<'_, '_>) -> Option<(Vec<u8>, u16)> {
    let room = usize::try_from(opening.budget.limits().member).unwrap_or(usize::MAX);
    if data.len() > room || entry.flags & 0x40 != 0 && entry.method != 99 {
        opening.note(Note::Unsupported("zip strong encryption"));
        return None;
    }
    let passwords = opening.passwords;
    for password in passwords {
        if entry.method == 99 {
            let field = extra(&entry.extra, 0x9901)?;
            let method = at::u16(field, 5)?;
            let aes = Aes::new(data, at::u8(field, 4)?)?;
            // A thousand rounds of hashing.
            if !opening.step(20_000) {
                return None;
            }
            if let Some(plain) = aes.open(password) {
                return Some((plain, method));
            }
        } else {
            if !opening.step(1 + data.len() as u64 / 16) {
                return None;
            }
            let check = if entry.flags & SIZES_FOLLOW != 0 { (entry.time >> 8) as u8 } else { (entry.crc >> 24) as u8 };
            let Some(plain) = classic(data, password, check, (entry.crc >> 24) as u8) else { continue };
            // One byte fits one wrong password in 256: only a checksum decides.
            if fits(&plain, entry, opening) {
                return Some((plain, entry.method));
            }
        }
    }
    None
}

/// Whether what was decrypted has the member's checksum, looked at without keeping it.
fn fits(plain: &[u8], entry: &Entry, opening: &mut Opening<'_, '_>) -> bool {
    if entry.crc == 0 {
        return true;
    }
    let mut reader: Box<dyn Read> = match entry.method {
        0 => Box::new(plain),
        8 => Box::new(flate2::bufread::DeflateDecoder::new(plain)),
        _ => return true,
    };
    let mut crc = flate2::Crc::new();
    let mut step = [0; 8192];
    let mut left = opening.budget.limits().member.min(opening.budget.bytes_left());
    loop {
        match reader.read(&mut step) {
            Ok(0) => return crc.sum() == entry.crc,
            Ok(read) if read as u64 <= left => {
                left -= read as u64;
                crc.update(&step[..read]);
                if opening.budget.step(1 + read as u64 / 64).is_err() {
                    return false;
                }
            }
            // Too long to tell: whoever made it this long had the password.
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}
