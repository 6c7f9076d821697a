//! One compressed file: gzip, bzip2, xz, Zstandard.

use super::{Opening, at, until_nul};
use crate::{Content, Limit, Member, Note, Role};
use std::io::Read;

/// Memory for a dictionary, in KiB. xz's largest preset needs 65 MiB.
pub(super) const DICTIONARY_KIB: u32 = 100 << 10;

fn add<'a>(opening: &mut Opening<'_, 'a>, packed: &[u8], name: Vec<u8>, reader: &mut dyn Read) {
    let (bytes, content) = opening.unpack(reader, packed.len());
    if bytes.is_empty() && content != Content::Whole {
        return;
    }
    let mut member = Member::new(Role::File, bytes).named(name);
    member.packed = packed.len() as u64;
    member.content = content;
    let _ = opening.add(member);
}

/// Several files after one another are one; what else follows is padding, and means nothing.
pub fn gzip<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut all = Vec::new();
    let mut whole = Content::Whole;
    let mut rest = bytes;
    while whole == Content::Whole && rest.starts_with(b"\x1f\x8b") && opening.step(64) {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        let (piece, content) = opening.unpack(&mut decoder, rest.len());
        if all.len() as u64 + piece.len() as u64 > opening.budget.limits().member {
            let limit = opening.budget.reach(Limit::Member);
            opening.stop(limit);
            whole = Content::Part;
            break;
        }
        all.extend(piece);
        whole = content;
        rest = decoder.into_inner();
    }
    if all.is_empty() && whole == Content::Part {
        return;
    }
    let mut member = Member::new(Role::File, all).named(gzip_name(bytes).unwrap_or_default());
    member.packed = bytes.len() as u64;
    member.content = whole;
    let _ = opening.add(member);
}

fn gzip_name(bytes: &[u8]) -> Option<Vec<u8>> {
    let flags = at::u8(bytes, 3)?;
    let mut offset = 10;
    if flags & 4 != 0 {
        offset += 2 + usize::from(at::u16(bytes, offset)?);
    }
    (flags & 8 != 0).then(|| until_nul(at::slice(bytes, offset, 4096)).to_vec())
}

pub fn bzip2<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    add(opening, bytes, Vec::new(), &mut bzip2::bufread::MultiBzDecoder::new(bytes));
}

pub fn xz<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    add(opening, bytes, Vec::new(), &mut lzma_rust2::XzReader::new_mem_limit(bytes, true, DICTIONARY_KIB));
}

pub fn zstd<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    match zstd_reader(bytes) {
        Some(mut reader) => add(opening, bytes, Vec::new(), &mut reader),
        None => opening.note(Note::Broken("Zstandard header")),
    }
}

pub(super) fn zstd_reader(bytes: &[u8]) -> Option<impl Read + '_> {
    let window = u64::from(DICTIONARY_KIB) << 10;
    ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, window).ok()
}

pub(super) fn xz_reader(bytes: &[u8]) -> impl Read + '_ {
    lzma_rust2::XzReader::new_mem_limit(bytes, false, DICTIONARY_KIB)
}

/// LZMA as zip has it: two bytes of version, length and content of the properties, then the stream.
pub(super) fn lzma_reader(bytes: &[u8], size: u64) -> Option<impl Read + '_> {
    let properties = usize::from(at::u16(bytes, 2)?);
    let (first, dictionary) = (at::u8(bytes, 4)?, at::u32(bytes, 5)?);
    let stream = bytes.get(4 + properties..)?;
    if properties < 5 || dictionary >> 10 > DICTIONARY_KIB {
        return None;
    }
    lzma_rust2::LzmaReader::new_with_props(stream, size, first, dictionary, None).ok()
}
