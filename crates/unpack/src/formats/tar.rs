//! Tape archives: old, POSIX and GNU, with long names.

use super::{Opening, until_nul};
use crate::{Content, Member, Note, Role};

pub(crate) const BLOCK: usize = 512;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut rest = bytes;
    let mut long_name: Option<Vec<u8>> = None;
    let mut bad = 0;
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        rest = after;
        if !opening.step(1) {
            return;
        }
        if header.iter().all(|byte| *byte == 0) {
            continue;
        }
        let Some(size) = number(&header[124..136]).filter(|_| checksum_fits(header)) else {
            // One broken header does not hide the files after it; data full of them is no archive.
            opening.note(Note::Broken("tar header"));
            bad += 1;
            if bad > 1_000 {
                return;
            }
            continue;
        };
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let content = &rest[..length.min(rest.len())];
        if content.len() < length {
            opening.note(Note::Truncated);
        }
        let padded = length.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        rest = &rest[padded.min(rest.len())..];
        match header[156] {
            b'L' | b'K' => {
                if header[156] == b'L' {
                    long_name = Some(until_nul(&content[..content.len().min(64 << 10)]).to_vec());
                }
            }
            b'x' => long_name = pax_path(content).or(long_name),
            b'g' | b'V' => {}
            b'5' | b'1' | b'2' | b'3' | b'4' | b'6' => {
                let mut member = Member::new(Role::File, &[][..]).named(name(header, long_name.take()));
                member.content = Content::None;
                if !opening.add(member) {
                    return;
                }
            }
            _ => {
                let (stored, kept) = opening.stored(content);
                let mut member = Member::new(Role::File, stored).named(name(header, long_name.take()));
                member.size = size;
                member.packed = size;
                member.content = if content.len() < length { Content::Part } else { kept };
                if !opening.add(member) {
                    return;
                }
            }
        }
    }
}

fn name(header: &[u8], long: Option<Vec<u8>>) -> Vec<u8> {
    if let Some(long) = long {
        return long;
    }
    let name = until_nul(&header[..100]);
    let prefix = until_nul(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [prefix, b"/", name].concat();
    }
    name.to_vec()
}

pub(crate) fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // GNU: big endian, for what eleven octal digits cannot hold.
        return field[1..].iter().try_fold(u64::from(field[0] & 0x7f), |value, byte| {
            value.checked_mul(256).map(|value| value | u64::from(*byte))
        });
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(['\0', ' ']);
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}

pub(crate) fn checksum_fits(header: &[u8]) -> bool {
    let sum = |byte: fn(u8) -> i64| -> i64 {
        let bytes = header.iter().enumerate();
        bytes.map(|(at, value)| if (148..156).contains(&at) { 32 } else { byte(*value) }).sum()
    };
    let stated = number(&header[148..156]).map(|sum| sum as i64);
    stated == Some(sum(i64::from)) || stated == Some(sum(|byte| i64::from(byte as i8)))
}

/// `LENGTH path=NAME\n` among the lines of an extended header.
fn pax_path(content: &[u8]) -> Option<Vec<u8>> {
    let content = &content[..content.len().min(64 << 10)];
    let mut lines = content.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let space = memchr::memchr(b' ', line)?;
        line[space + 1..].strip_prefix(b"path=").map(<[u8]>::to_vec)
    })
}
