//! 7-Zip archives.

use super::streams::DICTIONARY_KIB;
use super::{Opening, at};
use crate::{Content, Member, Note, Role};
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, Error, Password};
use std::io::Cursor;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    // Without a password first; the header itself may be encrypted.
    let header = header(bytes);
    match unpacked_length(header) {
        Ok(length) if length > LARGEST_HEADER => {
            return opening.note(Note::Unsupported("a header larger than is allowed"));
        }
        Ok(_) => {}
        Err(Malformed) => return opening.note(Note::Broken("7z archive")),
    }
    let given = opening.passwords.iter().filter_map(|password| std::str::from_utf8(password).ok());
    let mut passwords = vec![Password::empty()];
    passwords.extend(given.map(Password::from));
    let mut encrypted = false;
    for (attempt, password) in passwords.into_iter().enumerate() {
        if !opening.step(derivation(header)) {
            return;
        }
        let archive = match read(bytes, &password) {
            Ok(archive) => archive,
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {
                encrypted = true;
                continue;
            }
            Err(_) if encrypted => continue,
            Err(error) => return opening.note(problem(&error)),
        };
        match members(&archive, &password, bytes, opening) {
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

fn read(bytes: &[u8], password: &Password) -> Result<Archive, Error> {
    Archive::read_with_memory_limit(&mut Cursor::new(bytes), password, DICTIONARY_KIB as usize)
}

/// The bytes that say how the rest is packed; they may be packed themselves.
fn header(bytes: &[u8]) -> &[u8] {
    const START: u64 = 32;
    let (offset, length) = (at::u64(bytes, 12).unwrap_or(0), at::u64(bytes, 20).unwrap_or(0));
    let offset = usize::try_from(offset.saturating_add(START)).unwrap_or(usize::MAX);
    at::slice(bytes, offset, usize::try_from(length).unwrap_or(usize::MAX))
}

/// The cipher's number as archives write it.
const AES: [u8; 4] = [0x06, 0xf1, 0x07, 0x01];

/// Steps that the key of a packed header costs. The cipher is looked for in the bytes: its number, the length of its
/// properties, their first byte.
fn derivation(header: &[u8]) -> u64 {
    memchr::memmem::find_iter(header, &AES).map(|found| rounds(at::slice(header, found + AES.len() + 1, 1))).sum()
}

/// Steps for the rounds of hashing that make a key, from the cipher's properties; usually half a million rounds.
fn rounds(properties: &[u8]) -> u64 {
    const NONE: u8 = 0x3f;
    /// The reader makes no key with more.
    const MOST: u8 = 24;
    match properties.first().map_or(NONE, |first| first & 0x3f) {
        power @ 0..=MOST => (1 << power) / 2,
        _ => 0,
    }
}

/// A header for as many files as a budget has members is smaller. The reader makes 150 bytes of each of its bytes.
const LARGEST_HEADER: u64 = 2 << 20;

struct Malformed;

/// How long the header says that it is when it is unpacked, or how long it is.
fn unpacked_length(header: &[u8]) -> Result<u64, Malformed> {
    const ENCODED: u8 = 0x17;
    const PACK_INFO: u64 = 6;
    const UNPACK_INFO: u64 = 7;
    const SIZE: u64 = 9;
    const CRC: u64 = 0x0a;
    const FOLDER: u64 = 0x0b;
    const UNPACK_SIZE: u64 = 0x0c;
    /// No writer makes more streams for a header.
    const MOST: u64 = 32;
    let Some(mut rest) = header.strip_prefix(&[ENCODED]) else { return Ok(header.len() as u64) };
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

enum Outcome {
    Done,
    WrongPassword,
}

const TOO_LARGE: Note = Note::Unsupported("a dictionary larger than is allowed");

fn problem(error: &Error) -> Note {
    match error {
        Error::UnsupportedCompressionMethod(_) | Error::ExternalUnsupported => Note::Unsupported("7z method"),
        Error::MaxMemLimited { .. } => TOO_LARGE,
        Error::Io(error, _) if error.kind() == std::io::ErrorKind::UnexpectedEof => Note::Truncated,
        _ => Note::Broken("7z archive"),
    }
}

/// Steps that a block which cannot be read costs: each may want memory for a dictionary.
const BROKEN_BLOCK: u64 = 10_000;

fn members<'a>(archive: &Archive, password: &Password, bytes: &'a [u8], opening: &mut Opening<'_, 'a>) -> Outcome {
    let before = (opening.unpacked.members.len(), opening.unpacked.notes.len());
    for (index, block) in archive.blocks.iter().enumerate() {
        let mut ciphers = block.coders.iter().filter(|coder| coder.encoder_method_id() == AES).peekable();
        let encrypted = ciphers.peek().is_some();
        if !opening.step(ciphers.map(|coder| rounds(coder.properties())).sum()) {
            return Outcome::Done;
        }
        let (mut given, mut broken, mut full) = (0, false, false);
        // With several threads LZMA2 is unpacked whole before the first byte is handed over.
        let limit = DICTIONARY_KIB as usize;
        let source = &mut Cursor::new(bytes);
        let decoder = BlockDecoder::new_with_memory_limit(1, limit, index, archive, password, source);
        let entries = archive.stream_map.block_first_file_index[index]..;
        let entries = archive.files.get(entries).unwrap_or_default();
        let entries = &entries[..decoder.entry_count().min(entries.len())];
        let result = decoder.for_each_entries(&mut |entry, content| {
            given += 1;
            if !entry.has_stream() {
                return Ok(true);
            }
            let mut member = described(entry);
            member.encrypted = encrypted;
            // Members share their compression, so the archive's length stands for a member's.
            let (content, whole) = opening.unpack(content, bytes.len());
            broken = whole != Content::Whole;
            if broken && encrypted && content.is_empty() {
                return Err(Error::MaybeBadPassword(std::io::ErrorKind::InvalidData.into()));
            }
            member.bytes = content.into();
            member.content = whole;
            full = !opening.add(member);
            // A decoder that has failed is not to be read again, and what is left of a member it would unpack by itself.
            Ok(!full && !broken)
        });
        let spent = opening.unpacked.notes.iter().any(|note| matches!(note, Note::Limit(_)));
        match result {
            _ if full || spent => return Outcome::Done,
            Ok(_) => {}
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => return wrong(before, opening),
            Err(error) => {
                if encrypted && opening.unpacked.members.len() == before.0 {
                    return wrong(before, opening);
                }
                opening.note(problem(&error));
                broken = true;
            }
        }
        if broken {
            let rest = entries[given.min(entries.len())..].iter().filter(|entry| entry.has_stream());
            if !opening.step(BROKEN_BLOCK) || !rest.map(described).all(|member| opening.add(member)) {
                return Outcome::Done;
            }
        }
    }
    // Directories and empty files.
    let _ = archive.files.iter().filter(|entry| !entry.has_stream()).all(|entry| opening.add(described(entry)));
    Outcome::Done
}

/// Takes back what a wrong password made.
fn wrong((members, notes): (usize, usize), opening: &mut Opening<'_, '_>) -> Outcome {
    opening.unpacked.members.truncate(members);
    opening.unpacked.notes.truncate(notes);
    Outcome::WrongPassword
}

/// Without its content.
fn described(entry: &ArchiveEntry) -> Member<'static> {
    let mut member = Member::new(Role::File, &[][..]).named(entry.name().as_bytes());
    member.size = entry.size();
    member.packed = entry.compressed_size;
    member.crc32 = entry.crc as u32;
    member.content = Content::None;
    member
}

/// Names and sizes of what no password opens.
fn list<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let Ok(archive) = read(bytes, &Password::empty()) else { return };
    for entry in &archive.files {
        let mut member = described(entry);
        member.encrypted = entry.has_stream();
        if !opening.add(member) {
            return;
        }
    }
}
