//! OneNote sections: the files that were put into them, found by the GUID before each.

use super::{Opening, at};
use crate::{Content, Member, Note, Role};

const FILE: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], FILE) {
        let record = from + found + FILE.len();
        from = record;
        let Some(length) = at::u64(bytes, record).and_then(|length| usize::try_from(length).ok()) else {
            return opening.note(Note::Truncated);
        };
        let content = at::slice(bytes, record + 20, length);
        let (stored, mut whole) = opening.stored(content);
        if content.len() < length {
            opening.note(Note::Truncated);
            whole = Content::Part;
        }
        let mut member = Member::new(Role::Object, stored);
        member.content = whole;
        if !opening.add(member) || !opening.step(1) {
            return;
        }
        from += 20 + content.len().saturating_sub(FILE.len());
        from = from.min(bytes.len());
    }
}
