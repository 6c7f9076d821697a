//! One buffer of known kind against a [`Set`]: names with places.
//!
//! In: bytes and what is known of where they come from. Out: each signature that hits, once. Knows nothing of messages:
//! which buffers a message has is the walker's business.

use rules::signatures::{FileType, Set, Target};
use std::ops::Range;

/// One buffer, to be matched as one target.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    pub bytes: &'a [u8],
    /// Signatures of this target and of [`Target::Any`] are tried.
    pub target: Target,
    pub kind: FileType,
    /// What the buffer was taken out of, outermost first.
    pub chain: &'a [FileType],
    /// Of the whole file, where `bytes` is a window or a normalised copy: what `FileSize` looks at.
    pub size: u64,
    pub name: Option<&'a [u8]>,
    /// Try hash signatures and allow-listed hashes as well.
    pub hashes: bool,
    /// Where offsets that count from an executable's sections lie; signatures with such offsets do not hit without.
    pub executable: Option<&'a Executable>,
}

/// What offsets and conditions for executables need.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    pub entry_point: u32,
    /// Raw offset and raw size of each section.
    pub sections: Vec<(u32, u32)>,
}

/// One signature that hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'s> {
    /// Without `.UNOFFICIAL`.
    pub name: &'s str,
    pub official: bool,
    /// Where in the buffer; everything for a hash.
    pub place: Range<usize>,
    pub signature: SignatureId,
}

/// A signature's number within its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureId(pub u32);

/// What else became of a buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome<'s> {
    /// An allow list holds the buffer's hash, under this name: what it and everything within it hits does not count.
    pub allowed: Option<&'s str>,
    /// A signature asks that the buffer be looked at as another kind.
    pub handle_as: Option<FileType>,
    /// Expressions given up at their step limit.
    pub gave_up: u32,
}

/// A member of a container, as far as is known without its content.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub container: FileType,
    /// Size of the container.
    pub container_size: u64,
    pub name: &'a [u8],
    /// As stored.
    pub packed: u64,
    /// As unpacked.
    pub size: u64,
    pub encrypted: bool,
    /// First is 1.
    pub position: u32,
    pub crc32: u32,
}

/// What one thread keeps between buffers.
#[derive(Default)]
pub struct Scratch {}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

/// Which signatures hit the buffer?
pub fn layer<'s>(set: &'s Set, layer: &Layer<'_>, scratch: &mut Scratch, found: &mut dyn FnMut(Found<'s>)) -> Outcome<'s> {
    let _ = (set, layer, scratch, found);
    Outcome::default()
}

/// Which signatures about members of containers (`.cdb`) hit?
pub fn member<'s>(set: &'s Set, member: &Member<'_>, found: &mut dyn FnMut(Found<'s>)) {
    let _ = (set, member, found);
}
