//! What comes out of a container: members, and notes on what did not come out as it should.

use crate::Limit;
use std::borrow::Cow;
use std::fmt;

/// One file, stream or piece of text inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// As written in the container, path and all; empty where there is none.
    pub name: Vec<u8>,
    /// Unpacked; empty where [`Member::content`] says that there was nothing to be had.
    pub bytes: Cow<'a, [u8]>,
    /// Length inside the container, as its header says it.
    pub packed: u64,
    /// Length unpacked, as its header says it (or as found, where no header says).
    pub size: u64,
    pub encrypted: bool,
    /// Place among the members, from 1.
    pub position: u32,
    /// CRC-32 as its header says it, 0 where it says nothing.
    pub crc32: u32,
    pub role: Role,
    pub content: Content,
}

/// What a member is to its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A file that someone packed.
    File,
    /// A stream of a document (OLE2, PDF).
    Stream,
    /// Source text of a macro.
    Macro,
    /// A script, such as a PDF's JavaScript.
    Script,
    /// A file or object embedded in a document.
    Object,
    /// An address that the document opens.
    Uri,
}

/// How much of a member's bytes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    Whole,
    /// The beginning: a limit was reached, or the container ends early or is broken.
    Part,
    /// Nothing: encrypted without a password that fits, a method that is not known, or a folder.
    None,
}

impl<'a> Member<'a> {
    /// A whole, unencrypted member without name; the container sets what else it knows.
    pub fn new(role: Role, bytes: impl Into<Cow<'a, [u8]>>) -> Member<'a> {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        Member {
            name: Vec::new(),
            bytes,
            packed: size,
            size,
            encrypted: false,
            position: 0,
            crc32: 0,
            role,
            content: Content::Whole,
        }
    }

    #[must_use]
    pub fn named(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.name = name.into();
        self
    }
}

/// Members in the container's order, and what is to be told about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked<'a> {
    pub members: Vec<Member<'a>>,
    pub notes: Vec<Note>,
}

impl<'a> Unpacked<'a> {
    pub(crate) fn push(&mut self, mut member: Member<'a>) {
        member.position = self.members.len() as u32 + 1;
        self.members.push(member);
    }

    /// Each note once: a broken archive of ten thousand members says so once.
    pub(crate) fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Something an administrator may want a hit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    /// A limit ended the unpacking; what follows in the container was not seen.
    Limit(Limit),
    /// At least one member is encrypted and no password fitted.
    Encrypted,
    /// At least one member is encrypted and a password fitted.
    Decrypted,
    /// The container ends before its members do.
    Truncated,
    /// The container contradicts itself; what could be had was taken.
    Broken(&'static str),
    /// A method that is not known here.
    Unsupported(&'static str),
    /// A member's bytes do not have the checksum that its header names.
    Checksum,
    /// Members lie over each other, as in archive bombs.
    Overlap,
    /// The document carries macros.
    Macros,
    /// The container is one of several volumes.
    Volume,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Limit(limit) => write!(f, "limit `{limit}` reached"),
            Note::Encrypted => f.write_str("encrypted, and no password fits"),
            Note::Decrypted => f.write_str("encrypted, opened with a password"),
            Note::Truncated => f.write_str("ends early"),
            Note::Broken(what) => write!(f, "broken: {what}"),
            Note::Unsupported(what) => write!(f, "not unpacked: {what}"),
            Note::Checksum => f.write_str("checksum does not fit"),
            Note::Overlap => f.write_str("members overlap"),
            Note::Macros => f.write_str("carries macros"),
            Note::Volume => f.write_str("one of several volumes"),
        }
    }
}
