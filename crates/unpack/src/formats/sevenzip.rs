//! 7-Zip archives.

use super::streams::DICTIONARY_KIB;
use super::{Opening, at};
use crate::{Content, Member, Note, Role};
use sevenz_rust2::{ArchiveReader, Error, Password};
use std::io::Cursor;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    // Without a password first; the header itself may be encrypted.
    let header = header(bytes);
    if asks_for_too_much(header) {
        return opening.note(TOO_LARGE);
    }
    match packed_header(header) {
        Ok(size) if size > LARGEST_HEADER => return opening.note(Note::Unsupported("a header larger than is allowed")),
        Ok(_) => {}
        Err(Malformed) => return opening.note(Note::Broken("7z archive")),
    }
    let given = opening.passwords.iter().filter_map(|password| std::str::from_utf8(password).ok());
    let mut passwords = vec![Password::empty()];
    passwords.extend(given.map(Password::from));
    let mut encrypted = false;
    for (attempt, password) in passwords.into_iter().enumerate() {
        // The key is made by half a million rounds of hashing.
        if attempt > 0 && !opening.step(200_000) {
            return;
        }
        let mut reader = match ArchiveReader::new(Cursor::new(bytes), password) {
            Ok(mut reader) => {
                // With several threads LZMA2 is unpacked whole before the first byte is handed over.
                reader.set_thread_count(1);
                reader
            }
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {
                encrypted = true;
                continue;
            }
            Err(_) if encrypted => continue,
            Err(error) => return opening.note(problem(&error)),
        };
        if reader.archive().blocks.iter().flat_map(|block| &block.coders).any(|coder| {
            memory(coder.encoder_method_id(), coder.properties()).is_some_and(|memory| memory >> 10 > LARGEST_KIB)
        }) {
            return opening.note(TOO_LARGE);
        }
        match members(&mut reader, bytes.len(), opening) {
            Outcome::Done => {
                if attempt > 0 && encrypted {
                    opening.note(Note::Decrypted);
                }
                return;
            }
            Outcome::WrongPassword => encrypted = true,
        }
    }
    opening.note(Note::Encrypted);
    list(bytes, opening);
}

const LARGEST_KIB: u64 = DICTIONARY_KIB as u64;
const TOO_LARGE: Note = Note::Unsupported("a dictionary larger than is allowed");

/// The bytes that say how the rest is packed; they may be packed themselves.
fn header(bytes: &[u8]) -> &[u8] {
    const START: u64 = 32;
    let (offset, length) = (at::u64(bytes, 12).unwrap_or(0), at::u64(bytes, 20).unwrap_or(0));
    let offset = usize::try_from(offset.saturating_add(START)).unwrap_or(usize::MAX);
    at::slice(bytes, offset, usize::try_from(length).unwrap_or(usize::MAX))
}

/// The reader makes room for a packed header before we could ask what it needs, so the methods are looked for in the bytes:
/// flags with the length of the method's number, the number, the length of its properties.
fn asks_for_too_much(header: &[u8]) -> bool {
    const METHODS: [&[u8]; 3] = [&[0x23, 3, 1, 1, 5], &[0x23, 3, 4, 1, 5], &[0x21, 0x21, 1]];
    METHODS.iter().any(|method| {
        memchr::memmem::find_iter(header, method).any(|found| {
            let (id, properties) = (&method[1..method.len() - 1], &header[found + method.len()..]);
            memory(id, properties).is_some_and(|memory| memory >> 10 > LARGEST_KIB)
        })
    })
}

/// A header for more files than a budget has members is smaller.
const LARGEST_HEADER: u64 = 16 << 20;

struct Malformed;

/// How long a packed header says that it is unpacked: the reader would make room for that before it reads. 0: not packed.
fn packed_header(header: &[u8]) -> Result<u64, Malformed> {
    const ENCODED: u8 = 0x17;
    const PACK_INFO: u64 = 6;
    const UNPACK_INFO: u64 = 7;
    const SIZE: u64 = 9;
    const CRC: u64 = 0x0a;
    const FOLDER: u64 = 0x0b;
    const UNPACK_SIZE: u64 = 0x0c;
    /// No writer makes more streams for a header.
    const MOST: u64 = 32;
    let Some(mut rest) = header.strip_prefix(&[ENCODED]) else { return Ok(0) };
    let rest = &mut rest;
    let few = |count: u64| if count <= MOST { Ok(count) } else { Err(Malformed) };
    if number(rest)? == PACK_INFO {
        number(rest)?;
        let streams = few(number(rest)?)?;
        let mut tag = number(rest)?;
        if tag == SIZE {
            for _ in 0..streams {
                number(rest)?;
            }
            tag = number(rest)?;
        }
        if tag == CRC && take(rest, 1)? == [1] {
            take(rest, 4 * streams)?;
            tag = number(rest)?;
        }
        if tag != 0 {
            return Err(Malformed);
        }
    }
    if number(rest)? != UNPACK_INFO || number(rest)? != FOLDER {
        return Err(Malformed);
    }
    let folders = few(number(rest)?)?;
    take(rest, 1)?; // kept elsewhere: no reader bears that
    let mut outputs = 0;
    for _ in 0..folders {
        let (mut inputs_here, mut outputs_here) = (0, 0);
        for _ in 0..few(number(rest)?)? {
            let flags = take(rest, 1)?[0];
            take(rest, u64::from(flags & 15))?;
            let (inputs, outputs) = if flags & 0x10 != 0 { (few(number(rest)?)?, few(number(rest)?)?) } else { (1, 1) };
            if flags & 0x20 != 0 {
                let length = number(rest)?;
                take(rest, length)?;
            }
            inputs_here += inputs;
            outputs_here += outputs;
        }
        let bound = u64::saturating_sub(outputs_here, 1);
        for _ in 0..2 * few(bound)? {
            number(rest)?;
        }
        let packed = u64::saturating_sub(inputs_here, bound);
        for _ in 0..if packed > 1 { few(packed)? } else { 0 } {
            number(rest)?;
        }
        outputs += outputs_here;
    }
    if number(rest)? != UNPACK_SIZE {
        return Err(Malformed);
    }
    (0..few(outputs)?).try_fold(0, |largest, _| Ok(number(rest)?.max(largest)))
}

/// A number as the format writes it: the first byte's leading ones say how many follow.
fn number(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let first = take(rest, 1)?[0];
    let more = first.leading_ones();
    let low = take(rest, u64::from(more))?;
    let low = low.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let high = if more < 7 { u64::from(first & (0x7f >> more)) << (8 * more) } else { 0 };
    Ok(high | low)
}

fn take<'a>(rest: &mut &'a [u8], count: u64) -> Result<&'a [u8], Malformed> {
    let count = usize::try_from(count).map_err(|_| Malformed)?;
    let (taken, after) = rest.split_at_checked(count).ok_or(Malformed)?;
    *rest = after;
    Ok(taken)
}

/// What a method needs: LZMA and PPMd say it in bytes, LZMA2 by a power of two or one and a half of it.
fn memory(method: &[u8], properties: &[u8]) -> Option<u64> {
    match method {
        [3, 1, 1] | [3, 4, 1] => at::u32(properties, 1).map(u64::from),
        [0x21] => at::u8(properties, 0).map(|bits| (2 | u64::from(bits & 1)) << (bits.min(40) / 2 + 11)),
        _ => None,
    }
}

enum Outcome {
    Done,
    WrongPassword,
}

fn problem(error: &Error) -> Note {
    match error {
        Error::UnsupportedCompressionMethod(_) | Error::ExternalUnsupported => Note::Unsupported("7z method"),
        Error::MaxMemLimited { .. } => TOO_LARGE,
        Error::Io(error, _) if error.kind() == std::io::ErrorKind::UnexpectedEof => Note::Truncated,
        _ => Note::Broken("7z archive"),
    }
}

fn is_encrypted(reader: &ArchiveReader<Cursor<&[u8]>>) -> bool {
    const AES: [u8; 4] = [0x06, 0xf1, 0x07, 0x01];
    let coders = reader.archive().blocks.iter().flat_map(|block| &block.coders);
    coders.into_iter().any(|coder| coder.encoder_method_id() == AES)
}

fn members<'a>(reader: &mut ArchiveReader<Cursor<&'a [u8]>>, packed: usize, opening: &mut Opening<'_, 'a>) -> Outcome {
    let encrypted = is_encrypted(reader);
    let before = (opening.unpacked.members.len(), opening.unpacked.notes.len());
    let mut full = false;
    let result = reader.for_each_entries(|entry, content| {
        let mut member = Member::new(Role::File, &[][..]).named(entry.name().as_bytes());
        member.size = entry.size();
        member.packed = entry.compressed_size;
        member.crc32 = entry.crc as u32;
        member.encrypted = encrypted && entry.has_stream();
        member.content = Content::None;
        if entry.has_stream() {
            // Members share their compression, so the archive's length stands for a member's.
            let (bytes, whole) = opening.unpack(content, packed);
            if whole == Content::Part && encrypted && bytes.is_empty() {
                return Err(Error::MaybeBadPassword(std::io::ErrorKind::InvalidData.into()));
            }
            member.bytes = bytes.into();
            member.content = whole;
        }
        full = !opening.add(member);
        // What is not read of a member here the library unpacks by itself, to reach the next one.
        let spent = opening.unpacked.notes.iter().any(|note| matches!(note, Note::Limit(_)));
        Ok(!full && !spent)
    });
    match result {
        Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {
            opening.unpacked.members.truncate(before.0);
            opening.unpacked.notes.truncate(before.1);
            Outcome::WrongPassword
        }
        Err(error) if encrypted && opening.unpacked.members.len() == before.0 => {
            opening.unpacked.notes.truncate(before.1);
            opening.note(problem(&error));
            Outcome::WrongPassword
        }
        Err(error) => {
            opening.note(problem(&error));
            Outcome::Done
        }
        Ok(()) => Outcome::Done,
    }
}

/// Names and sizes of what no password opens.
fn list<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let Ok(reader) = ArchiveReader::new(Cursor::new(bytes), Password::empty()) else { return };
    for entry in &reader.archive().files {
        let mut member = Member::new(Role::File, &[][..]).named(entry.name().as_bytes());
        (member.size, member.crc32) = (entry.size(), entry.crc as u32);
        member.encrypted = entry.has_stream();
        member.content = Content::None;
        if !opening.add(member) {
            return;
        }
    }
}
