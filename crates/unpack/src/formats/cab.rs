//! Microsoft's cabinets: what is stored or compressed with MSZIP; of the rest (LZX, Quantum) the names and sizes.

use super::{Opening, at, until_nul};
use crate::{Content, Limit, Member, Note, Role};
use flate2::{Decompress, FlushDecompress};

/// Unpacked bytes of a block.
const BLOCK: usize = 32 << 10;

struct Folder {
    offset: usize,
    blocks: u16,
    method: u16,
}

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let fields = (at::length(bytes, 16), at::u16(bytes, 26), at::u16(bytes, 28), at::u16(bytes, 30));
    let (Some(mut offset), Some(folders), Some(files), Some(flags)) = fields else {
        return opening.note(Note::Truncated);
    };
    if flags & 3 != 0 {
        opening.note(Note::Volume);
    }
    let mut table = 36;
    let (mut folder_extra, mut block_extra) = (0, 0);
    if flags & 4 != 0 {
        let reserved = usize::from(at::u16(bytes, 36).unwrap_or(0));
        folder_extra = usize::from(at::u8(bytes, 38).unwrap_or(0));
        block_extra = usize::from(at::u8(bytes, 39).unwrap_or(0));
        table = 40 + reserved;
    }
    for volume in [1, 1, 2, 2] {
        if flags & volume != 0 {
            table += until_nul(at::slice(bytes, table, 256)).len() + 1;
        }
    }
    let folders: Vec<Folder> = (0..usize::from(folders))
        .map_while(|index| {
            let entry = at::slice(bytes, table + index * (8 + folder_extra), 8);
            let offset = at::length(entry, 0)?;
            Some(Folder { offset, blocks: at::u16(entry, 4)?, method: at::u16(entry, 6)? & 0xf })
        })
        .collect();
    let mut unpacked: Vec<Option<(Vec<u8>, bool)>> = folders.iter().map(|_| None).collect();
    for _ in 0..files {
        let header = at::slice(bytes, offset, 16);
        let fields = (at::length(header, 0), at::length(header, 4), at::u16(header, 8));
        let (Some(size), Some(from), Some(folder)) = fields else { return opening.note(Note::Truncated) };
        let name = until_nul(at::slice(bytes, offset + 16, 256));
        offset += 16 + name.len() + 1;
        if !opening.step(1) {
            return;
        }
        let mut member = Member::new(Role::File, &[][..]).named(name);
        (member.size, member.packed) = (size as u64, size as u64);
        member.content = Content::None;
        // 0xfffd and beyond: goes on from the last volume, or into the next.
        let index = usize::from(if folder >= 0xfffd { 0 } else { folder });
        if let Some(folder) = folders.get(index) {
            if unpacked[index].is_none() {
                unpacked[index] = Some(folder_bytes(bytes, folder, block_extra, opening));
            }
            if let Some((all, _)) = &unpacked[index] {
                let content = at::slice(all, from, size);
                if content.len() == size || !content.is_empty() {
                    member.content = if content.len() == size { Content::Whole } else { Content::Part };
                    // The folder has been paid for; its files lie over each other only in a bomb.
                    let (copy, whole) = opening.unpack(&mut &content[..], content.len());
                    if whole == Content::Part {
                        member.content = whole;
                    }
                    member.bytes = copy.into();
                }
            }
        }
        if !opening.add(member) {
            return;
        }
    }
}

fn folder_bytes(bytes: &[u8], folder: &Folder, extra: usize, opening: &mut Opening<'_, '_>) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut offset = folder.offset;
    for _ in 0..folder.blocks {
        if !opening.step(16) {
            return (out, false);
        }
        let (Some(packed), Some(size)) = (at::u16(bytes, offset + 4), at::u16(bytes, offset + 6)) else {
            opening.note(Note::Truncated);
            return (out, false);
        };
        let data = at::slice(bytes, offset + 8 + extra, usize::from(packed));
        offset += 8 + extra + usize::from(packed);
        if data.len() < usize::from(packed) {
            opening.note(Note::Truncated);
        }
        // What is stored is copied as long as it is, whatever size is claimed for it.
        let room = u64::from(size).max(if folder.method == 0 { data.len() as u64 } else { 0 });
        let limit = match out.len() as u64 + room > opening.budget.limits().member {
            true => Some(opening.budget.reach(Limit::Member)),
            false => opening.budget.bytes(room).err(),
        };
        if let Some(limit) = limit {
            opening.stop(limit);
            return (out, false);
        }
        match folder.method {
            0 => out.extend_from_slice(data),
            1 => {
                let Some(stream) = data.strip_prefix(b"CK") else {
                    opening.note(Note::Broken("MSZIP block"));
                    return (out, false);
                };
                if !inflate(stream, &mut out, usize::from(size).min(BLOCK)) {
                    opening.note(Note::Broken("compressed data"));
                    return (out, false);
                }
            }
            2 => return unsupported("Quantum compression", out, opening),
            3 => return unsupported("LZX compression", out, opening),
            _ => return unsupported("an unknown cabinet method", out, opening),
        }
    }
    (out, true)
}

fn unsupported(what: &'static str, out: Vec<u8>, opening: &mut Opening<'_, '_>) -> (Vec<u8>, bool) {
    opening.note(Note::Unsupported(what));
    (out, false)
}

/// A block refers to what came before it, so the inflater is first fed that, as a stored block.
fn inflate(stream: &[u8], out: &mut Vec<u8>, size: usize) -> bool {
    let history = &out[out.len().saturating_sub(BLOCK)..];
    let mut inflater = Decompress::new(false);
    let mut window = vec![0; BLOCK + history.len()];
    let mut written = 0;
    if !history.is_empty() {
        // One stored block holds 65,535 bytes; not the last one.
        let length = history.len() as u16;
        let mut stored = vec![0];
        stored.extend(length.to_le_bytes());
        stored.extend((!length).to_le_bytes());
        stored.extend_from_slice(history);
        if inflater.decompress(&stored, &mut window, FlushDecompress::None).is_err() {
            return false;
        }
        written = inflater.total_out() as usize;
        if written != history.len() {
            return false;
        }
    }
    let end = (written + size).min(window.len());
    let status = inflater.decompress(stream, &mut window[written..end], FlushDecompress::Finish);
    let made = inflater.total_out() as usize - written;
    out.extend_from_slice(&window[written..written + made]);
    status.is_ok() && made == size
}
