//! What a place for records must be able to do, and all of it atomically.
//!
//! Three kinds of things: **records** (bytes under a key, with a version, positions in ordered lists, words to be found
//! by, and possibly the name of a content), **counts** (numbers that many add to at once), **contents** (bytes under
//! their SHA-256). A shelf reads records, decides, and hands back [`Change`]s that hold only if what it read still
//! stands; the loser of a race reads again. So there are no locks and no transactions in this interface, and a server
//! that knows only scripts (Redis) does as well as a database.
//!
//! A content lives as long as a record names it. The backend keeps that promise itself, since only it can do so
//! atomically: a change that names a content that is gone is refused, and a content that is named is never removed.

use crate::error::Result;
use crate::format::Hash;
use crate::time::Time;

/// A kind of records. The name is what the database shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    History,
    Lessons,
    Lists,
    Outbox,
    Quarantine,
    Reports,
    Reputation,
    Seen,
    Users,
}

impl Shelf {
    pub const ALL: [Shelf; 9] = [
        Shelf::History,
        Shelf::Lessons,
        Shelf::Lists,
        Shelf::Outbox,
        Shelf::Quarantine,
        Shelf::Reports,
        Shelf::Reputation,
        Shelf::Seen,
        Shelf::Users,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Shelf::History => "history",
            Shelf::Lessons => "lessons",
            Shelf::Lists => "lists",
            Shelf::Outbox => "outbox",
            Shelf::Quarantine => "quarantine",
            Shelf::Reports => "reports",
            Shelf::Reputation => "reputation",
            Shelf::Seen => "seen",
            Shelf::Users => "users",
        }
    }

    pub fn from_name(name: &str) -> Option<Shelf> {
        Shelf::ALL.into_iter().find(|shelf| shelf.name() == name)
    }

    /// Whether records are found by words. Their keys are then eight bytes, an [`crate::Id`], in whose order they are found.
    pub fn searchable(self) -> bool {
        matches!(self, Shelf::History | Shelf::Quarantine)
    }
}

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    /// Differs from every earlier version of this key, deleted ones included.
    pub version: u64,
    pub value: Vec<u8>,
}

/// A place in one of a shelf's ordered lists. Positions are compared as bytes and must be unique in their list: a shelf
/// ends them with the record's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub list: &'static str,
    pub at: Vec<u8>,
}

/// What must hold of the record before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Version(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The record is so from now on, with these positions and words and no others.
    Put {
        shelf: Shelf,
        key: Vec<u8>,
        expect: Expect,
        value: Vec<u8>,
        positions: Vec<Position>,
        /// Distinct; [`Shelf::searchable`] only.
        words: Vec<String>,
        content: Option<Hash>,
    },
    /// The record is gone. Nothing happens where it is absent and that was not ruled out.
    Delete { shelf: Shelf, key: Vec<u8>, expect: Expect },
}

impl Change {
    pub fn shelf(&self) -> Shelf {
        match self {
            Change::Put { shelf, .. } | Change::Delete { shelf, .. } => *shelf,
        }
    }

    pub fn key(&self) -> &[u8] {
        match self {
            Change::Put { key, .. } | Change::Delete { key, .. } => key,
        }
    }

    pub fn expect(&self) -> Expect {
        match self {
            Change::Put { expect, .. } | Change::Delete { expect, .. } => *expect,
        }
    }
}

/// When a change counts as made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On stable storage before the call returns: survives a power cut.
    Synced,
    /// Survives the end of this process at once; a power cut may take the last second.
    Soon,
}

/// What became of a set of changes: all or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// Something was not as expected.
    Conflict,
    /// A content that a change names is not there (any more).
    NoContent,
}

/// Part of an ordered list: `from <= position < to`.
#[derive(Debug, Clone)]
pub struct Range<'a> {
    pub shelf: Shelf,
    pub list: &'static str,
    pub from: &'a [u8],
    /// No end where `None`.
    pub to: Option<&'a [u8]>,
    pub backwards: bool,
    pub limit: usize,
}

/// Add to a count that slides: it is the sum of slots, and old slots fall out.
#[derive(Debug, Clone)]
pub struct Count<'a> {
    pub name: &'a [u8],
    /// The slot to add to.
    pub slot: u64,
    /// May be 0: only read then.
    pub add: i64,
    /// Slots before this one are removed and not counted.
    pub since: u64,
    /// From when on the whole count may be forgotten.
    pub expires: Time,
}

/// See the module. Every method is atomic on its own and may be called from any thread.
pub trait Backend: Send + Sync {
    /// For messages; without password.
    fn place(&self) -> String;
    fn ready(&self) -> Result<()>;
    /// Reads its own structures through.
    fn verify(&self) -> Result<()>;

    /// One answer for each key.
    fn records(&self, shelf: Shelf, keys: &[&[u8]]) -> Result<Vec<Option<Record>>>;
    fn range(&self, range: &Range<'_>) -> Result<Vec<Record>>;
    /// Records that have all of `words` (at least one), the largest keys first, only keys below `before`.
    fn search(&self, shelf: Shelf, words: &[&str], before: u64, limit: usize) -> Result<Vec<Record>>;
    /// Changes of different keys. What is expected is looked at first, then whether contents are there.
    fn apply(&self, changes: &[Change], durability: Durability) -> Result<Applied>;

    /// The sum of the count's slots after adding.
    fn count(&self, count: &Count<'_>) -> Result<i64>;
    /// Forgets counts that expired before `now`; how many slots that were.
    fn forget_counts(&self, now: Time) -> Result<u64>;

    /// Durable before it returns. May be removed again as long as no record names it.
    fn put_content(&self, hash: &Hash, bytes: &[u8]) -> Result<()>;
    fn content(&self, hash: &Hash) -> Result<Option<Vec<u8>>>;
    /// Bytes of all contents that records name.
    fn content_bytes(&self) -> Result<u64>;
    /// Removes the content, unless a record names it; whether it is gone by this.
    fn remove_content(&self, hash: &Hash) -> Result<bool>;
    /// Removes all contents that no record names, and what broken-off writing left; how many.
    fn remove_unnamed_contents(&self) -> Result<u64>;
}
