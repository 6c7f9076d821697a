//! A message that comes again, because the next hop deferred it, a copy could not be sent or an answer was lost: what was
//! kept and whom was written to at its last try is not kept and written once more.
//!
//! What makes a message the same one is in [`message`]: trace fields aside, as its sender wrote it. Kept or written comes
//! first and remembering second, so that who dies in between does it twice rather than not at all.

use super::mark::identity;
use super::outbox;
use crate::environment;
use crate::policy::notices::Notice;
use protocols::Scan;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::quarantine::{Entry, State};
use store::{Hash, Id, Store};

/// Mail servers try for five days.
pub const TRIES: Duration = Duration::from_secs(6 * 24 * 3600);

/// Names this message from this sender, whoever carried it here.
pub fn message(scan: &Scan) -> Hash {
    let sender = scan.sender.as_ref().map(|path| path.address.as_slice()).unwrap_or_default();
    let hash = Sha256::new().chain_update(identity(&scan.content.bytes));
    Hash(hash.chain_update((sender.len() as u64).to_be_bytes()).chain_update(sender).finalize().into())
}

/// Names this recipient's copy of it.
pub fn copy(message: &Hash, recipient: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(message.0).chain_update(recipient).finalize().into()
}

/// Copies of a message that are held already.
pub struct Held(Vec<Entry>);

impl Held {
    pub fn of(store: &Store, message: &Hash) -> store::Result<Held> {
        store.quarantine().of_message(message, environment::now().before(TRIES)).map(Held)
    }

    /// What somebody has released or deleted since is not held: it is kept anew.
    pub fn for_recipient(&self, recipient: &[u8]) -> Option<Id> {
        let held = |entry: &&Entry| {
            entry.recipients.iter().any(|to| {
                to.recipient.0.eq_ignore_ascii_case(recipient)
                    && matches!(to.state, State::Held | State::Releasing { .. })
            })
        };
        self.0.iter().find(held).map(|entry| entry.id)
    }
}

/// Has these notices about a message sent, unless they are on their way. On stable storage when this returns.
pub fn enqueue(store: &Store, message: &Hash, notices: &[Notice]) -> anyhow::Result<()> {
    for notice in notices {
        let name = [notice.kind.as_bytes(), b" ", notice.recipient.as_bytes()].concat();
        let key = Hash(copy(message, &name)).to_string();
        if store.seen().known(NOTICE, key.as_bytes(), environment::now())?.is_none() {
            outbox::enqueue(store, std::slice::from_ref(notice))?;
            store.seen().note(NOTICE, key.as_bytes(), TRIES, environment::now())?;
        }
    }
    Ok(())
}

const NOTICE: &str = "notice";
