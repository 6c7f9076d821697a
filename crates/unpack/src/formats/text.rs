//! Files inside text: uuencode, yEnc, and scripts made unreadable.

use super::Opening;
use crate::html::decode_script;
use crate::{Content, Member, Note, Role};

/// Every `begin MODE NAME` and every `=ybegin` in a text; the text may begin otherwise.
pub fn uuencoded<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    while let Some(line) = lines.next() {
        let (name, decoded, ended) = if let Some(name) = uu_begin(line) {
            let mut decoded = Vec::new();
            let mut ended = false;
            for line in lines.by_ref() {
                if line == b"end" {
                    ended = true;
                    break;
                }
                if !uu_line(line, &mut decoded) {
                    break;
                }
            }
            (name, decoded, ended)
        } else if let Some(name) = yenc_begin(line) {
            let mut decoded = Vec::new();
            let mut ended = false;
            for line in lines.by_ref() {
                if line.starts_with(b"=yend") {
                    ended = true;
                    break;
                }
                if !line.starts_with(b"=ypart") {
                    yenc_line(line, &mut decoded);
                }
            }
            (name, decoded, ended)
        } else {
            continue;
        };
        if !ended {
            opening.note(Note::Truncated);
        }
        let length = decoded.len();
        // Decoding shortens, so the room was there; it is paid for all the same.
        let (decoded, whole) = opening.unpack(&mut &decoded[..], length);
        let mut member = Member::new(Role::File, decoded).named(name);
        member.content = if ended { whole } else { Content::Part };
        if !opening.add(member) {
            return;
        }
    }
}

fn uu_begin(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"begin ")?;
    let space = memchr::memchr(b' ', rest)?;
    let (mode, name) = rest.split_at(space);
    let octal = (3..=6).contains(&mode.len()) && mode.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    octal.then(|| name.trim_ascii())
}

/// `false` where the line cannot be one.
fn uu_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    let value = |byte: u8| byte.wrapping_sub(b' ') & 0x3f;
    let Some((&first, rest)) = line.split_first() else { return true };
    if !(b' '..=b'`').contains(&first) {
        return false;
    }
    let length = usize::from(value(first));
    let mut decoded = Vec::with_capacity(64);
    for group in rest.chunks(4) {
        let of = |index: usize| group.get(index).map_or(0, |byte| value(*byte));
        decoded.extend([of(0) << 2 | of(1) >> 4, of(1) << 4 | of(2) >> 2, of(2) << 6 | of(3)]);
    }
    decoded.truncate(length);
    out.extend(decoded);
    true
}

fn yenc_begin(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"=ybegin ")?;
    let name = memchr::memmem::find(rest, b" name=")?;
    Some(rest[name + 6..].trim_ascii())
}

fn yenc_line(line: &[u8], out: &mut Vec<u8>) {
    let mut bytes = line.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'=' => bytes.next().copied().unwrap_or(0).wrapping_sub(64),
            byte => byte,
        };
        out.push(byte.wrapping_sub(42));
    }
}

/// A whole file of Microsoft's Script Encoder.
pub fn script_encoded<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let Some(decoded) = decode_script(bytes) else { return opening.note(Note::Broken("encoded script")) };
    let length = bytes.len();
    let (decoded, content) = opening.unpack(&mut &decoded[..], length);
    let mut member = Member::new(Role::Script, decoded);
    member.content = content;
    let _ = opening.add(member);
}
