//! `winmail.dat`: the attachments, and the body where there is one.

use super::{Opening, at, until_nul, utf16};
use crate::{Content, Member, Note, Role};

const SIGNATURE: u32 = 0x223e_9f78;
const BODY: u16 = 0x800c;
const ATTACHMENT_DATA: u16 = 0x800f;
const ATTACHMENT_TITLE: u16 = 0x8010;
const NEXT_ATTACHMENT: u16 = 0x9002;
const PROPERTIES: u16 = 0x9005;

#[derive(Default)]
struct Attachment<'a> {
    name: Vec<u8>,
    long_name: Vec<u8>,
    data: Option<(&'a [u8], bool)>,
    object: Option<&'a [u8]>,
}

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    if at::u32(bytes, 0) != Some(SIGNATURE) {
        return opening.note(Note::Broken("TNEF signature"));
    }
    let mut rest = bytes.get(6..).unwrap_or_default();
    let mut attachment = Attachment::default();
    while !rest.is_empty() {
        if !opening.step(1) {
            return;
        }
        let fields = (at::u8(rest, 0), at::u16(rest, 1), at::length(rest, 5));
        let (Some(level), Some(attribute), Some(length)) = fields else {
            opening.note(Note::Truncated);
            break;
        };
        if !(1..=2).contains(&level) {
            opening.note(Note::Broken("TNEF attribute"));
            break;
        }
        let data = at::slice(rest, 9, length);
        let whole = data.len() == length;
        if !whole {
            opening.note(Note::Truncated);
        }
        match attribute {
            BODY => {
                let (stored, content) = opening.stored(data);
                let mut member = Member::new(Role::Stream, stored).named("body");
                member.content = content;
                if !opening.add(member) {
                    return;
                }
            }
            NEXT_ATTACHMENT if !add(std::mem::take(&mut attachment), opening) => return,
            ATTACHMENT_TITLE => attachment.name = until_nul(data).to_vec(),
            ATTACHMENT_DATA => attachment.data = Some((data, whole)),
            PROPERTIES => properties(data, &mut attachment, opening),
            _ => {}
        }
        let next = length.saturating_add(11);
        rest = &rest[next.min(rest.len())..];
    }
    let _ = add(attachment, opening);
}

fn add<'a>(attachment: Attachment<'a>, opening: &mut Opening<'_, 'a>) -> bool {
    let name = if attachment.long_name.is_empty() { attachment.name } else { attachment.long_name };
    for (data, whole, role) in [
        attachment.data.map(|(data, whole)| (data, whole, Role::File)),
        attachment.object.map(|data| (data, true, Role::Object)),
    ]
    .into_iter()
    .flatten()
    {
        let (stored, content) = opening.stored(data);
        let mut member = Member::new(role, stored).named(&name[..]);
        member.content = if whole { content } else { Content::Part };
        if !opening.add(member) {
            return false;
        }
    }
    true
}

/// MAPI properties: here may stand the long name, and an enclosed message or object.
fn properties<'a>(data: &'a [u8], attachment: &mut Attachment<'a>, opening: &mut Opening<'_, 'a>) {
    let Some(count) = at::u32(data, 0) else { return };
    let mut offset = 4;
    for _ in 0..count {
        if !opening.step(1) {
            return;
        }
        let Some(found) = property(data, offset) else { return };
        offset = found.next;
        match found.id {
            0x3707 => {
                let value = &data[found.value];
                let name = if found.wide { utf16(value) } else { value.to_vec() };
                attachment.long_name = until_nul(&name).to_vec();
            }
            // The object stands behind a GUID that says what it is.
            0x3701 => attachment.object = data[found.value].get(16..),
            _ => {}
        }
    }
}

struct Property {
    id: u16,
    /// Where its last value of varying length lies.
    value: std::ops::Range<usize>,
    wide: bool,
    next: usize,
}

fn property(data: &[u8], offset: usize) -> Option<Property> {
    let (kind, id) = (at::u16(data, offset)?, at::u16(data, offset + 2)?);
    let mut offset = offset + 4;
    if id & 0x8000 != 0 {
        // A named property: a GUID, and a number or a name.
        let by_name = at::u32(data, offset + 16)? == 1;
        offset += 20;
        if by_name {
            let length = at::length(data, offset)?;
            offset = offset.checked_add(4)?.checked_add(length.checked_next_multiple_of(4)?)?;
        } else {
            offset += 4;
        }
    }
    let single = kind & 0xfff;
    let width = match single {
        0x02 | 0x03 | 0x04 | 0x0a | 0x0b => 4,
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => 8,
        0x48 => 16,
        0x0d | 0x1e | 0x1f | 0x102 => 0,
        _ => return None,
    };
    let count = if kind & 0x1000 != 0 || width == 0 {
        offset += 4;
        at::length(data, offset - 4)?
    } else {
        1
    };
    let mut value = 0..0;
    if width > 0 {
        offset = offset.checked_add(count.checked_mul(width)?)?;
    } else {
        for _ in 0..count {
            let length = at::length(data, offset)?;
            let from = offset + 4;
            value = from..from.saturating_add(length).min(data.len());
            offset = from.checked_add(length.checked_next_multiple_of(4)?)?;
        }
    }
    Some(Property { id, value, wide: single == 0x1f, next: offset })
}
