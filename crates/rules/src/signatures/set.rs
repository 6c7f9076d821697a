//! Everything loaded, compiled: immutable, shared between threads, serialisable for the cache.

use super::expression::Expression;
use super::hash::Hashes;
use super::tables::{Magic, Password, Phishing};
use super::{FileType, Target};
use patterns::PatternId;
use patterns::signature::blob::{Bytes, U32s};
use patterns::signature::{Database, Offset, Pcre};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A signature's number within its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignatureId(pub u32);

/// A compiled set of signatures.
#[derive(Default, Serialize, Deserialize)]
pub struct Set {
    pub statistics: Statistics,
    pub(super) names: Names,
    /// All strings of bytes; a group is a target's number.
    pub body: Database,
    /// What each pattern of `body` belongs to.
    pub(super) owners: U32s,
    /// Logical signature and sub-signature, for patterns of those.
    pub(super) sub_owners: Vec<(u32, u8)>,
    pub logical: Vec<Logical>,
    pub pcres: Vec<Pcre>,
    /// Logical signatures to be tried though none of their strings was found, by target.
    pub(super) always: BTreeMap<u8, Vec<u32>>,
    pub hashes: Hashes,
    /// Digests of files that are trusted, with everything in them.
    pub allowed: Hashes,
    pub(super) members: Vec<MemberSignature>,
    /// Expressions over member names.
    pub(super) member_names: Option<patterns::Database>,
    pub phishing: Phishing,
    pub magics: Vec<Magic>,
    pub passwords: Vec<Password>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Signatures in force, by format (`ndb`).
    pub loaded: BTreeMap<String, u64>,
    /// Lines passed over on purpose (version out of range, ignored by name, possibly unwanted programs), by format.
    pub skipped: BTreeMap<String, u64>,
    /// Lines of formats that concern executables alone, by format.
    pub not_for_mail: BTreeMap<String, u64>,
}

/// Names and places of all signatures.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Names {
    /// UTF-8, one after the other.
    pub text: Bytes,
    pub ends: U32s,
    pub lines: U32s,
    /// First signature of each file, its name, and whether it is official.
    pub files: Vec<(u32, String, bool)>,
}

/// What a pattern of the body database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Signature(SignatureId),
    /// Logical signature and sub-signature.
    Sub(u32, u8),
    /// A group of macros.
    Macro(u8),
    /// A signature that turned out to be unusable.
    Nobody,
}

const SUB: u32 = 0x8000_0000;
const MACRO: u32 = 0xC000_0000;
const NOBODY: u32 = u32::MAX;

pub(super) fn owner_of_signature(signature: u32) -> u32 {
    signature
}

pub(super) fn owner_of_sub(index: usize) -> u32 {
    SUB | index as u32
}

pub(super) fn owner_of_macro(group: u8) -> u32 {
    MACRO | u32::from(group)
}

pub(super) fn owner_nobody() -> u32 {
    NOBODY
}

/// A signature of several sub-signatures.
#[derive(Serialize, Deserialize)]
pub struct Logical {
    pub signature: SignatureId,
    pub target: Target,
    pub expression: Expression,
    pub conditions: Conditions,
    pub subs: Vec<Sub>,
    /// Of a YARA rule, in place of the expression.
    pub yara: Option<Box<Yara>>,
}

/// What a YARA rule asks for.
#[derive(Serialize, Deserialize)]
pub struct Yara {
    pub condition: super::yara::condition::Node,
    /// Private: never a hit, but others refer to it.
    pub silent: bool,
}

/// What else must hold of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    pub file_size: Option<(u64, u64)>,
    pub entry_point: Option<(u64, u64)>,
    pub sections: Option<(u64, u64)>,
    /// The file it was taken out of.
    pub container: Option<FileType>,
    /// Kinds around the file, outermost first.
    pub intermediates: Vec<FileType>,
    /// No hit of its own: the file is to be looked at as this kind.
    pub handler: Option<FileType>,
    /// Asks for an executable's icon, which nobody looks at here.
    pub icon: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sub {
    /// A string of bytes in `body`.
    Body,
    Pcre {
        trigger: Expression,
        /// Index into [`Set::pcres`].
        pcre: u32,
        offset: Offset,
        /// `g`, `r`, `e`
        global: bool,
        rolling: bool,
        encompass: bool,
    },
    Compare(ByteCompare),
    /// After the sub-signature before: a macro of the group, from `min` to `max` bytes after its start.
    Macro {
        min: u32,
        max: u32,
        group: u8,
    },
    /// A picture's perceptual hash.
    Image([u8; 8]),
}

/// A number in the file, compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCompare {
    /// The sub-signature from whose last match it is counted.
    pub sub: u8,
    pub offset: i64,
    pub form: NumberForm,
    pub little_endian: bool,
    /// All characters must be digits.
    pub exact: bool,
    pub len: u32,
    pub comparisons: Vec<(super::expression::Order, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberForm {
    Hexadecimal,
    Decimal,
    /// Hexadecimal if it begins with `0x`.
    Automatic,
    Binary,
}

/// A `.cdb` line: what is known of a member of a container without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSignature {
    pub signature: SignatureId,
    pub container: Option<FileType>,
    pub container_size: Option<(u64, u64)>,
    /// Index into the expressions over names.
    pub name: Option<PatternId>,
    pub packed: Option<(u64, u64)>,
    pub size: Option<(u64, u64)>,
    pub encrypted: Option<bool>,
    pub position: Option<(u64, u64)>,
    pub crc32: Option<(u64, u64)>,
}

impl Set {
    pub fn is_empty(&self) -> bool {
        self.statistics.loaded.values().all(|count| *count == 0)
    }

    /// Lines in force, of every format.
    pub fn len(&self) -> u64 {
        self.statistics.loaded.values().sum()
    }

    /// Do the tables fit together? To be asked once of a set read from a cache.
    pub fn is_sound(&self) -> bool {
        self.body.is_sound() && self.owners.len() == self.body.len() && self.names.ends.iter().is_sorted()
    }

    /// Without `.UNOFFICIAL`.
    pub fn name(&self, id: SignatureId) -> &str {
        let index = id.0 as usize;
        let end = |index: usize| self.names.ends.get(index).map_or(0, |end| end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        let name = self.names.text.get(start..end(index)).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The file it was read from, the line, and whether ClamAV published it.
    pub fn place(&self, id: SignatureId) -> (&str, u32, bool) {
        let file = self.names.files.partition_point(|(first, ..)| *first <= id.0).checked_sub(1);
        let line = self.names.lines.get(id.0 as usize).unwrap_or(0);
        match file.and_then(|file| self.names.files.get(file)) {
            Some((_, name, official)) => (name, line, *official),
            None => ("", line, false),
        }
    }

    /// The name of the file that a signature came from.
    pub fn source(&self, id: SignatureId) -> &str {
        self.place(id).0
    }

    /// Signatures of this name, with or without `.UNOFFICIAL`. Looks at all of them.
    pub fn find(&self, name: &str) -> Vec<SignatureId> {
        let name = name.strip_suffix(".UNOFFICIAL").unwrap_or(name);
        let all = (0..self.names.ends.len() as u32).map(SignatureId);
        all.filter(|id| self.name(*id) == name).collect()
    }

    pub fn owner(&self, pattern: PatternId) -> Owner {
        match self.owners.get(pattern.0 as usize) {
            None | Some(NOBODY) => Owner::Nobody,
            Some(owner) if owner >= MACRO => Owner::Macro((owner & 31) as u8),
            Some(owner) if owner >= SUB => match self.sub_owners.get((owner & !SUB) as usize) {
                Some((logical, sub)) => Owner::Sub(*logical, *sub),
                None => Owner::Nobody,
            },
            Some(signature) => Owner::Signature(SignatureId(signature)),
        }
    }

    /// Logical signatures of a target that must be tried in any case.
    pub fn always(&self, target: Target) -> &[u32] {
        self.always.get(&(target as u8)).map_or(&[], Vec::as_slice)
    }

    pub fn members(&self) -> &[MemberSignature] {
        &self.members
    }

    /// Expressions over names of members, all in group 0.
    pub fn member_names(&self) -> Option<&patterns::Database> {
        self.member_names.as_ref()
    }
}
