//! Hostile bytes in; their kind, their members and their normalised text out, within limits.
//!
//! [`kind()`] tells by magic what bytes are, in the names that ClamAV's signatures use. [`open`] takes one container
//! apart, one level: who walks deeper calls it again with a member's bytes and the same [`Budget`], so that a bomb
//! ends wherever in the tree it stands. [`html`] and [`text`] make the copies of a document that ClamAV matches its
//! HTML and text signatures against. [`published`] reads what is no attacker's but a publisher's: there the rule is to
//! refuse, not to take what can be had.
//!
//! Otherwise nothing is an error: whatever could not be had is a [`Note`] beside what could. Nothing here reads files, asks
//! a clock or knows of mail.
#![forbid(unsafe_code)]

mod budget;
mod formats;
pub mod html;
mod kind;
mod member;
pub mod published;
pub mod text;

pub use budget::{Budget, Limit, Limits};
pub use kind::{Kind, Magic, Magics, embedded, kind, kind_with};
pub use member::{Content, Member, Note, Role, Unpacked};

/// Takes a container of this kind apart. A kind that holds nothing gives no members and no notes.
///
/// `passwords` are tried in order on members that are encrypted.
pub fn open<'a>(bytes: &'a [u8], kind: Kind, passwords: &[Vec<u8>], budget: &mut Budget) -> Unpacked<'a> {
    formats::open(bytes, kind, passwords, budget)
}

/// Whether [`open`] can find anything in this kind.
pub fn opens(kind: Kind) -> bool {
    formats::find(kind).is_some()
}
