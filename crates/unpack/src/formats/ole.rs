//! OLE2 compound files: the documents of Office before 2007, Outlook's .msg, and the `vbaProject.bin` of later ones.
//!
//! Read by our own reader rather than a library's: broken tables are how malware hides from strict ones. The directory
//! is read straight through, so a tree that loops or leaves entries out hides nothing; a chain of sectors is followed
//! for as many steps as the file has sectors.

use super::{Opening, at, utf16, vba};
use crate::{Content, Limit, Member, Note, Role};
use std::borrow::Cow;

const SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Sector numbers from here on mean something else (free, end, tables).
const SPECIAL: u32 = 0xffff_fffa;
const END: u32 = 0xffff_fffe;

struct Compound<'a> {
    bytes: &'a [u8],
    /// Bytes of a sector, as a power of two; likewise of a small one.
    shift: u32,
    small_shift: u32,
    cutoff: u64,
    table: Vec<u32>,
    small_table: Vec<u32>,
    small: Vec<u8>,
}

struct Entry {
    name: Vec<u8>,
    kind: u8,
    start: u32,
    size: u64,
}

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let Some((mut compound, directory)) = header(bytes, opening) else {
        return opening.note(Note::Broken("OLE2 header"));
    };
    let entries = entries(&compound.chain(directory, u64::MAX, opening));
    if let Some(root) = entries.iter().find(|entry| entry.kind == 5) {
        compound.small = compound.chain(root.start, root.size, opening);
    }
    let mut macros = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.kind == 2 || entry.kind == 1) {
        if entry.kind == 1 {
            continue;
        }
        if !opening.step(1) {
            return;
        }
        let (content, whole) = compound.stream(&entry, opening);
        if entry.name == b"EncryptedPackage" || entry.name == b"EncryptedSummary" {
            opening.note(Note::Encrypted);
        }
        if let Some((name, object)) = native(&entry.name, &content) {
            let object = object.to_vec();
            if !embedded(name, object, opening) {
                return;
            }
        }
        if let Some(source) = vba::source(&content, opening) {
            macros.push((entry.name.clone(), source));
        }
        let mut member = Member::new(Role::Stream, content).named(entry.name);
        member.size = entry.size;
        member.packed = entry.size;
        member.content = whole;
        if !opening.add(member) {
            return;
        }
    }
    if !macros.is_empty() {
        opening.note(Note::Macros);
    }
    for (name, source) in macros {
        if !opening.add(Member::new(Role::Macro, source).named(name)) {
            return;
        }
    }
}

fn embedded<'a>(name: Vec<u8>, object: Vec<u8>, opening: &mut Opening<'_, 'a>) -> bool {
    let length = object.len();
    let (object, content) = opening.unpack(&mut &object[..], length);
    let mut member = Member::new(Role::Object, object).named(name);
    member.content = content;
    opening.add(member)
}

fn header<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) -> Option<(Compound<'a>, u32)> {
    if !bytes.starts_with(SIGNATURE) {
        return None;
    }
    let (shift, small_shift) = (at::u16(bytes, 30)?, at::u16(bytes, 32)?);
    if !(6..=16).contains(&shift) || !(4..=shift).contains(&small_shift) {
        return None;
    }
    let word = |offset: usize| at::u32(bytes, offset);
    let (directory, cutoff, small_first) = (word(48)?, word(56)?, word(60)?);
    let (mut extension, extensions) = (word(68)?, word(72)?);
    let mut compound = Compound {
        bytes,
        shift: u32::from(shift),
        small_shift: u32::from(small_shift),
        cutoff: u64::from(cutoff).clamp(64, 1 << 16),
        table: Vec::new(),
        small_table: Vec::new(),
        small: Vec::new(),
    };
    let most = (bytes.len() >> shift) + 1;
    let mut tables: Vec<u32> = (0..109).filter_map(|index| word(76 + 4 * index)).collect();
    let per_sector = (1 << shift) / 4;
    for _ in 0..(extensions as usize).min(most) {
        let sector = compound.sector(extension);
        if sector.is_empty() || !opening.step(1) {
            break;
        }
        tables.extend((0..per_sector - 1).map_while(|index| at::u32(sector, 4 * index)));
        extension = at::u32(sector, 4 * (per_sector - 1)).unwrap_or(END);
    }
    // A table that is named twice says nothing new.
    let mut seen = std::collections::HashSet::new();
    for number in tables.into_iter().filter(|number| *number < SPECIAL) {
        if compound.table.len() > most + per_sector || !seen.insert(number) {
            break;
        }
        let sector = compound.sector(number);
        let numbers: Vec<u32> = (0..per_sector).map(|index| at::u32(sector, 4 * index).unwrap_or(END)).collect();
        compound.table.extend(numbers);
    }
    let small = compound.chain(small_first, u64::MAX, opening);
    compound.small_table = small.chunks_exact(4).filter_map(|number| at::u32(number, 0)).collect();
    Some((compound, directory))
}

impl<'a> Compound<'a> {
    fn sector(&self, number: u32) -> &'a [u8] {
        let offset = (number as usize).checked_add(1).and_then(|number| number.checked_mul(1 << self.shift));
        at::slice(self.bytes, offset.unwrap_or(usize::MAX), 1 << self.shift)
    }

    /// The sectors from this one on, up to so many bytes.
    fn chain(&self, first: u32, size: u64, opening: &mut Opening<'_, '_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut number = first;
        let mut left = self.table.len().max(1);
        let endless = size == u64::MAX;
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.bytes.len());
        while number < SPECIAL && out.len() < size {
            if left == 0 {
                opening.note(Note::Broken("a chain of sectors loops"));
                break;
            }
            left -= 1;
            let sector = self.sector(number);
            if sector.is_empty() || !opening.step(1) {
                break;
            }
            out.extend_from_slice(&sector[..sector.len().min(size - out.len())]);
            number = self.table.get(number as usize).copied().unwrap_or(END);
        }
        if endless && out.len() >= size {
            opening.note(Note::Broken("a chain of sectors loops"));
        }
        out
    }

    fn small_chain(&self, first: u32, size: usize, opening: &mut Opening<'_, '_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut number = first;
        let mut left = self.small_table.len();
        while number < SPECIAL && out.len() < size {
            if left == 0 {
                opening.note(Note::Broken("a chain of sectors loops"));
                break;
            }
            left -= 1;
            let piece = at::slice(&self.small, (number as usize) << self.small_shift, 1 << self.small_shift);
            if piece.is_empty() || !opening.step(1) {
                break;
            }
            out.extend_from_slice(&piece[..piece.len().min(size - out.len())]);
            number = self.small_table.get(number as usize).copied().unwrap_or(END);
        }
        out
    }

    fn stream(&self, entry: &Entry, opening: &mut Opening<'_, 'a>) -> (Cow<'a, [u8]>, Content) {
        // Whatever it claims, a stream has no more bytes than the file.
        let size = entry.size.min(self.bytes.len() as u64);
        let limit = match size > opening.budget.limits().member {
            true => Some(opening.budget.reach(Limit::Member)),
            false => opening.budget.bytes(size).err(),
        };
        if let Some(limit) = limit {
            opening.stop(limit);
            return (Cow::Borrowed(&[]), Content::None);
        }
        let bytes = match entry.size < self.cutoff {
            true => self.small_chain(entry.start, size as usize, opening),
            false => self.chain(entry.start, size, opening),
        };
        let content = if (bytes.len() as u64) < entry.size { Content::Part } else { Content::Whole };
        if content == Content::Part {
            opening.note(Note::Truncated);
        }
        (Cow::Owned(bytes), content)
    }
}

fn entries(directory: &[u8]) -> Vec<Entry> {
    let entry = |record: &[u8]| {
        let length = usize::from(at::u16(record, 64)?).saturating_sub(2).min(62);
        let kind = at::u8(record, 66)?;
        let size = at::u64(record, 120)?;
        // Old writers leave junk in the upper half.
        let size = if size >> 32 != 0 { size & 0xffff_ffff } else { size };
        Some(Entry { name: utf16(&record[..length]), kind, start: at::u32(record, 116)?, size })
    };
    directory.chunks_exact(128).filter_map(entry).filter(|entry| matches!(entry.kind, 1 | 2 | 5)).collect()
}

/// The file inside a stream that embeds one: label, name, path, and the bytes.
pub(super) fn native<'s>(name: &[u8], stream: &'s [u8]) -> Option<(Vec<u8>, &'s [u8])> {
    if name != b"\x01Ole10Native" {
        return None;
    }
    package(stream.get(4..)?).or_else(|| {
        let length = at::length(stream, 0)?;
        Some((Vec::new(), stream.get(4..4usize.checked_add(length)?)?))
    })
}

pub(super) fn package(stream: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    if at::u16(stream, 0)? != 2 {
        return None;
    }
    let mut rest = &stream[2..];
    let mut text = || {
        let end = memchr::memchr(0, rest)?;
        let text = &rest[..end];
        rest = &rest[end + 1..];
        Some(text)
    };
    let label = text()?.to_vec();
    let name = text()?.to_vec();
    let path = at::length(rest, 4)?;
    let rest = rest.get(8usize.checked_add(path)?..)?;
    let length = at::length(rest, 0)?;
    Some((if name.is_empty() { label } else { name }, at::slice(rest, 4, length)))
}
