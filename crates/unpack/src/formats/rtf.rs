//! Rich text: the objects embedded in it, which stand there in hexadecimal.

use super::{Opening, at, ole};
use crate::{Content, Limit, Member, Note, Role};

const OBJECT: &[u8] = b"\\objdata";

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], OBJECT) {
        let start = from + found + OBJECT.len();
        if !opening.step(1) {
            return;
        }
        let (data, end) = hexadecimal(bytes, start);
        from = end.max(start);
        let limit = match data.len() as u64 > opening.budget.limits().member {
            true => Some(opening.budget.reach(Limit::Member)),
            false => opening.budget.bytes(data.len() as u64).err(),
        };
        if let Some(limit) = limit {
            opening.stop(limit);
            return;
        }
        if data.is_empty() {
            continue;
        }
        if !object(data, opening) {
            return;
        }
    }
}

/// Digits up to the end of the group. Readers skip white space, control words and inner groups between them.
fn hexadecimal(bytes: &[u8], start: usize) -> (Vec<u8>, usize) {
    let mut data = Vec::new();
    let mut high: Option<u8> = None;
    let mut at = start;
    let mut depth = 0u32;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b'\\' => {
                let rest = &bytes[at..];
                if let Some(length) = binary(rest) {
                    let skip = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len()) + 1;
                    data.extend_from_slice(at::slice(rest, skip, length));
                    at = (at + skip).saturating_add(length).min(bytes.len());
                    continue;
                }
                let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let sign = usize::from(letters > 0 && rest.get(letters) == Some(&b'-'));
                let digits = rest[(letters + sign).min(rest.len())..].iter();
                let digits = if letters > 0 { digits.take_while(|byte| byte.is_ascii_digit()).count() } else { 0 };
                at += if letters > 0 { letters + sign + digits } else { 1 };
            }
            _ => {
                if let Some(digit) = (byte as char).to_digit(16) {
                    match high.take() {
                        None => high = Some(digit as u8),
                        Some(high) => data.push(high << 4 | digit as u8),
                    }
                }
            }
        }
    }
    (data, at.min(bytes.len()))
}

/// `bin12`: twelve bytes as they are.
fn binary(rest: &[u8]) -> Option<usize> {
    let digits = rest.strip_prefix(b"bin")?;
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..count]).ok()?.parse().ok()
}

/// Version, format, three names, and the object's own bytes.
fn object<'a>(data: Vec<u8>, opening: &mut Opening<'_, 'a>) -> bool {
    let parsed = (|| {
        let mut offset = 8;
        let mut names = Vec::new();
        for _ in 0..3 {
            let length = at::length(&data, offset)?;
            names.push(at::slice(&data, offset + 4, length).strip_suffix(b"\0").unwrap_or_default().to_vec());
            offset = offset.checked_add(4)?.checked_add(length)?;
        }
        let length = at::length(&data, offset)?;
        let content = at::slice(&data, offset + 4, length);
        (!content.is_empty()).then(|| (names.swap_remove(0), content.to_vec(), content.len() < length))
    })();
    let Some((class, content, cut)) = parsed else {
        opening.note(Note::Broken("embedded object"));
        return opening.add(Member::new(Role::Object, data));
    };
    if let Some((name, file)) = ole::package(&content)
        && class.eq_ignore_ascii_case(b"package")
    {
        return opening.add(Member::new(Role::Object, file.to_vec()).named(name));
    }
    let mut member = Member::new(Role::Object, content).named(class);
    if cut {
        opening.note(Note::Truncated);
        member.content = Content::Part;
    }
    opening.add(member)
}
