//! Containers, one file each. [`FORMATS`] says which kinds each opens.

use crate::member::Format;
use crate::{Budget, Kind, Limit, Member, Note, Unpacked};

/// Sorted by the first kind.
pub(crate) static FORMATS: &[Format] = &[];

/// What a format works with.
pub(crate) struct Opening<'b, 'a> {
    pub kind: Kind,
    pub passwords: &'b [Vec<u8>],
    pub budget: &'b mut Budget,
    pub unpacked: Unpacked<'a>,
}

pub(crate) fn find(kind: Kind) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.kinds.contains(&kind))
}

pub(crate) fn open<'a>(bytes: &'a [u8], kind: Kind, passwords: &[Vec<u8>], budget: &mut Budget) -> Unpacked<'a> {
    let mut opening = Opening { kind, passwords, budget, unpacked: Unpacked::default() };
    if let Some(format) = find(kind) {
        (format.open)(bytes, &mut opening);
    }
    opening.unpacked
}

impl<'a> Opening<'_, 'a> {
    /// Adds a member; `false` when no more may come.
    pub fn add(&mut self, member: Member<'a>) -> bool {
        match self.budget.member() {
            Ok(()) => {
                self.unpacked.push(member);
                true
            }
            Err(limit) => self.stop(limit),
        }
    }

    pub fn stop(&mut self, limit: Limit) -> bool {
        self.unpacked.note(Note::Limit(limit));
        false
    }

    pub fn note(&mut self, note: Note) {
        self.unpacked.note(note);
    }
}
