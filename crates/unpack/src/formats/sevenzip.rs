//! 7-Zip archives.

use super::Opening;
use crate::{Content, Limit, Member, Note, Role};
use sevenz_rust2::{ArchiveReader, Error, Password};
use std::io::Cursor;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    // Without a password first; the header itself may be encrypted.
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
            Ok(reader) => reader,
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {
                encrypted = true;
                continue;
            }
            Err(_) if encrypted => continue,
            Err(error) => return opening.note(problem(&error)),
        };
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

enum Outcome {
    Done,
    WrongPassword,
}

fn problem(error: &Error) -> Note {
    match error {
        Error::UnsupportedCompressionMethod(_) | Error::ExternalUnsupported => Note::Unsupported("7z method"),
        Error::MaxMemLimited { .. } => Note::Unsupported("a dictionary larger than is allowed"),
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
        let spent =
            opening.unpacked.notes.iter().any(|note| matches!(note, Note::Limit(limit) if *limit != Limit::Ratio));
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
