//! What must outlive a message: one small [`Backend`], typed shelves above it.
//!
//! A [`Store`] is opened once from a [`Location`] and cloned freely (an `Arc` inside). Its shelves are [`Quarantine`],
//! [`History`], [`Seen`] (greylist), [`Rates`], [`Users`] (preferences), [`Lists`] (allow and block), [`Outbox`],
//! [`Lessons`] (learning on several machines), [`Reputation`] (what senders' mail scored) and [`Reports`] (DMARC).
//! What a shelf means is written once, in `shelves/`, over [`Backend`]; where the bytes lie is written in `backends/`:
//! SQLite in one directory, PostgreSQL, Redis or Valkey. Every call blocks its thread: call from worker threads, never
//! from inside an async runtime.
//!
//! Neither clock nor random bytes are read here: [`Time`] and [`Random`] are handed in.
#![forbid(unsafe_code)]

pub mod backend;
pub mod backends;
mod error;
mod format;
mod search;
pub mod shelves;
mod time;

pub use backend::Backend;
pub use backends::{BACKENDS, BackendEntry, Location};
pub use error::{Error, Result};
pub use format::{Bytes, Hash, Id, Random, Secret};
pub use search::MAX_QUERY_WORDS;
pub use shelves::history::{self, History};
pub use shelves::lessons::{self, Lessons};
pub use shelves::lists::{self, Lists};
pub use shelves::outbox::{self, Outbox};
pub use shelves::quarantine::{self, Quarantine};
pub use shelves::rates::{self, Rates};
pub use shelves::reports::{self, Reports};
pub use shelves::reputation::{self, Reputation};
pub use shelves::seen::{self, Seen};
pub use shelves::users::{self, Users};
pub use time::{Span, Time};

use std::path::PathBuf;
use std::sync::Arc;

/// The open store. Cheap to clone; used from any number of threads.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
}

impl Store {
    /// Opens, creates what is missing, brings an older form up to date, and checks what can be checked quickly.
    pub fn open(location: &Location) -> Result<Store> {
        Ok(Store { backend: backends::open(location)? })
    }

    /// For a store whose damage [`Error::Corrupt`] reported, in one directory: what can still be read is copied to a new
    /// database, the damaged one and mails that no readable entry names are set aside beside it. Nothing is deleted.
    pub fn set_aside(location: &Location, now: Time) -> Result<SetAside> {
        backends::set_aside(location, now)
    }

    /// A [`Backend`] made elsewhere.
    pub fn with_backend(backend: Arc<dyn Backend>) -> Store {
        Store { backend }
    }

    /// Where the store is, without password: for messages and logs.
    pub fn place(&self) -> String {
        self.backend.place()
    }

    /// Answers within the backend's time-out or says why not: for `/readyz`.
    pub fn ready(&self) -> Result<()> {
        self.backend.ready()
    }

    /// Reads everything there is to read and compares: minutes on a large store. For a command and a nightly job.
    pub fn verify(&self) -> Result<Verified> {
        let contents = self.quarantine().verify()?;
        self.backend.verify()?;
        Ok(contents)
    }

    /// Mails kept in quarantine, with their states by recipient.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine::new(self.backend.clone())
    }

    /// Every verdict with its hits and evidence.
    pub fn history(&self) -> History {
        History::new(self.backend.clone())
    }

    /// Greylist and clients that proved they retry.
    pub fn seen(&self) -> Seen {
        Seen::new(self.backend.clone())
    }

    /// How much a user or client sent lately.
    pub fn rates(&self) -> Rates {
        Rates::new(self.backend.clone())
    }

    /// What senders' mail scored, on average.
    pub fn reputation(&self) -> Reputation {
        Reputation::new(self.backend.clone())
    }

    /// What DMARC made of mail, by day and domain.
    pub fn reports(&self) -> Reports {
        Reports::new(self.backend.clone())
    }

    /// Preferences of users.
    pub fn users(&self) -> Users {
        Users::new(self.backend.clone())
    }

    /// Allow and block lists, global and of users.
    pub fn lists(&self) -> Lists {
        Lists::new(self.backend.clone())
    }

    /// What several machines say about mail, for learning.
    pub fn lessons(&self) -> Lessons {
        Lessons::new(self.backend.clone())
    }

    /// Notifications that wait to be sent.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.backend.clone())
    }
}

/// What [`Store::set_aside`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The folder that holds the damaged database.
    pub folder: PathBuf,
    /// Records that were still readable and are in the new database.
    pub records: u64,
    /// Mails moved to `folder`, because no readable entry names them.
    pub contents: u64,
}

/// What [`Store::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Mails read back and compared with their SHA-256.
    pub contents: u64,
    /// Entries whose content is missing or differs, with what is wrong.
    pub damaged: Vec<(Id, String)>,
}
