//! What several machines say about mail, in one order, for learning; and the model that comes of the older part.
//!
//! One record, the head, says how far the order goes. Whoever appends counts it up, and the loser of a race counts again:
//! so each statement has a position, without gaps, and all machines read the same. Older statements are folded: a machine
//! that has heard them hands in its model, as a content, and they are deleted. What statements and model are is not known
//! here; both are bytes, and statements, unlike other values, stand there as they came.

use crate::backend::{Applied, Backend, Change, Durability, Expect, Position, Range, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, Hash};
use crate::shelves;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HEAD: &[u8] = b"head";
const MAX_STATEMENT: usize = 1 << 20;
/// Statements of one call.
pub const AT_ONCE: usize = 50;
/// Machines that are told of.
const MAX_PEERS: usize = 1_000;

/// How far the order goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Another order has another number; never 0.
    pub epoch: u64,
    /// The first statement that is kept, and the last; nothing is kept where `last < first`.
    pub first: u64,
    pub last: u64,
    /// The model that is kept has heard everything up to here.
    pub base: u64,
    pub model: Option<Hash>,
    /// Which order this one goes on from, and from where.
    pub from_epoch: u64,
    pub from_position: u64,
    #[serde(skip)]
    version: u64,
}

/// A machine, as it last told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    pub node: u64,
    pub name: String,
    /// How far it has heard.
    pub position: u64,
    pub at: Time,
}

/// See [`crate::Store::lessons`].
#[derive(Clone)]
pub struct Lessons {
    backend: Arc<dyn Backend>,
}

fn statement_key(position: u64) -> Vec<u8> {
    [b"said".as_slice(), &position.to_be_bytes()].concat()
}

fn position_of(key: &[u8]) -> Option<u64> {
    key.strip_prefix(b"said")?.try_into().ok().map(u64::from_be_bytes)
}

fn put(key: Vec<u8>, list: Option<&'static str>, expect: Expect, value: Vec<u8>, content: Option<Hash>) -> Change {
    let positions = list.map(|list| Position { list, at: key.clone() }).into_iter().collect();
    Change::Put { shelf: Shelf::Lessons, key, expect, value, positions, words: Vec::new(), content }
}

fn put_head(head: &Head, expect: Expect) -> Change {
    put(HEAD.to_vec(), None, expect, format::write(head), head.model)
}

impl Lessons {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Lessons {
        Lessons { backend }
    }

    /// `None`: nobody began.
    pub fn head(&self) -> Result<Option<Head>> {
        let Some(record) = self.backend.records(Shelf::Lessons, &[HEAD])?.pop().flatten() else { return Ok(None) };
        let head: Head = format::read(Shelf::Lessons, &record)?;
        Ok(Some(Head { version: record.version, ..head }))
    }

    /// Begins an order with a model that has heard everything up to `position`, unless somebody changed the old one
    /// meanwhile. Positions only grow, so the new order goes on behind the old one's.
    pub fn begin(
        &self,
        old: Option<&Head>,
        epoch: u64,
        position: u64,
        model: Option<&[u8]>,
        from: (u64, u64),
    ) -> Result<bool> {
        let model = model.map(|bytes| self.keep(bytes)).transpose()?;
        let (from_epoch, from_position) = from;
        let head = Head {
            epoch,
            first: position + 1,
            last: position,
            base: position,
            model,
            from_epoch,
            from_position,
            version: 0,
        };
        let expect = old.map_or(Expect::Absent, |old| Expect::Version(old.version));
        let done = self.backend.apply(&[put_head(&head, expect)], Durability::Synced)? == Applied::Done;
        if done {
            self.delete_before(head.first)?;
        }
        self.let_go(if done { old.and_then(|old| old.model) } else { model })?;
        Ok(done)
    }

    fn keep(&self, bytes: &[u8]) -> Result<Hash> {
        let hash = Hash::of(bytes);
        self.backend.put_content(&hash, bytes)?;
        Ok(hash)
    }

    /// A content that is named stays.
    fn let_go(&self, hash: Option<Hash>) -> Result<()> {
        if let Some(hash) = hash {
            self.backend.remove_content(&hash)?;
        }
        Ok(())
    }

    /// Puts statements at the end; where the last one stands. `None`: the order is another one by now.
    pub fn append(&self, epoch: u64, statements: &[Vec<u8>]) -> Result<Option<u64>> {
        if statements.len() > AT_ONCE {
            return Err(shelves::too_much("statements at once", AT_ONCE));
        }
        if statements.iter().any(|statement| statement.len() > MAX_STATEMENT) {
            return Err(shelves::too_much("bytes of a statement", MAX_STATEMENT));
        }
        shelves::retry(
            self.backend.as_ref(),
            Durability::Synced,
            || "the order of lessons".into(),
            || {
                let Some(mut head) = self.head()?.filter(|head| head.epoch == epoch) else {
                    return Ok((Vec::new(), None));
                };
                let expect = Expect::Version(head.version);
                let mut changes = Vec::with_capacity(statements.len() + 1);
                for statement in statements {
                    head.last += 1;
                    let key = statement_key(head.last);
                    changes.push(put(key, Some("said"), Expect::Anything, statement.clone(), None));
                }
                changes.push(put_head(&head, expect));
                Ok((changes, Some(head.last)))
            },
        )
    }

    /// What stands behind `position`, in order.
    pub fn read(&self, position: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let from = statement_key(position.saturating_add(1));
        let range = Range { shelf: Shelf::Lessons, list: "said", from: &from, to: None, backwards: false, limit };
        let records = self.backend.range(&range)?.into_iter();
        Ok(records.filter_map(|record| Some((position_of(&record.key)?, record.value))).collect())
    }

    /// The model that stands for what came before.
    pub fn model(&self, head: &Head) -> Result<Option<Vec<u8>>> {
        let Some(hash) = head.model else { return Ok(None) };
        match self.backend.content(&hash)? {
            Some(bytes) if Hash::of(&bytes) == hash => Ok(Some(bytes)),
            Some(_) => Err(Error::Content { hash: hash.to_string(), what: "it is not what was put there".into() }),
            None => Err(Error::Content { hash: hash.to_string(), what: "it is gone".into() }),
        }
    }

    /// A model that has heard everything up to `position`: older statements go, but for the last `keep`. Says whether it
    /// was taken; another may have come first.
    pub fn fold(&self, old: &Head, position: u64, model: &[u8], keep: u64) -> Result<bool> {
        let hash = self.keep(model)?;
        let done = shelves::retry(
            self.backend.as_ref(),
            Durability::Synced,
            || "the order of lessons".into(),
            || {
                let Some(head) = self.head()?.filter(|head| head.epoch == old.epoch && head.model == old.model) else {
                    return Ok((Vec::new(), false));
                };
                let first = head.first.max((position + 1).saturating_sub(keep));
                let folded = Head { first, base: position, model: Some(hash), ..head.clone() };
                Ok((vec![put_head(&folded, Expect::Version(head.version))], true))
            },
        )?;
        if done {
            self.delete_before((position + 1).saturating_sub(keep))?;
        }
        let gone = if done { old.model.filter(|old| *old != hash) } else { Some(hash) };
        self.let_go(gone)?;
        Ok(done)
    }

    fn delete_before(&self, position: u64) -> Result<()> {
        let to = statement_key(position);
        loop {
            let range = Range {
                shelf: Shelf::Lessons,
                list: "said",
                from: &[],
                to: Some(&to),
                backwards: false,
                limit: AT_ONCE * 4,
            };
            let keys = self.backend.range(&range)?.into_iter().map(|record| record.key);
            let changes: Vec<Change> =
                keys.map(|key| Change::Delete { shelf: Shelf::Lessons, key, expect: Expect::Anything }).collect();
            if changes.is_empty() {
                return Ok(());
            }
            self.backend.apply(&changes, Durability::Soon)?;
        }
    }

    /// Tells of oneself.
    pub fn tell(&self, peer: &Peer) -> Result<()> {
        let key = [b"node".as_slice(), &peer.node.to_be_bytes()].concat();
        let change = put(key, Some("node"), Expect::Anything, format::write(peer), None);
        self.backend.apply(&[change], Durability::Soon).map(drop)
    }

    pub fn peers(&self) -> Result<Vec<Peer>> {
        let range =
            Range { shelf: Shelf::Lessons, list: "node", from: &[], to: None, backwards: false, limit: MAX_PEERS };
        self.backend.range(&range)?.iter().map(|record| format::read(Shelf::Lessons, record)).collect()
    }

    /// Machines that told nothing since `since` are told of no longer.
    pub fn forget_peers(&self, since: Time) -> Result<()> {
        for peer in self.peers()?.into_iter().filter(|peer| peer.at < since) {
            let key = [b"node".as_slice(), &peer.node.to_be_bytes()].concat();
            let change = Change::Delete { shelf: Shelf::Lessons, key, expect: Expect::Anything };
            self.backend.apply(&[change], Durability::Soon)?;
        }
        Ok(())
    }
}
