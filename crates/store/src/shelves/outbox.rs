//! Notifications that wait to be sent: written before the event that caused them is acknowledged, sent at least once.
//!
//! A sender takes what is due under a lease, sends, and says how it went; a sender that dies leaves the lease to run out,
//! and another takes it. Failures wait longer each time, until [`Backoff::give_up`]; what was given up stays to be seen.

use crate::backend::{Applied, Backend, Change, Durability, Expect, Range, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, Bytes, Id, Random, cut_text};
use crate::shelves::{self, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MAX_BODY: usize = 4 << 20;
const MAX_TEXT: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notice {
    pub id: Id,
    /// `digest`, `alarm`...: the caller's word.
    pub kind: String,
    pub recipient: Bytes,
    /// The message to send, whole.
    pub body: Bytes,
    pub state: State,
    /// How often it was taken.
    pub attempts: u32,
    /// What the last failure was.
    pub error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Waiting { until: Time },
    Taken { until: Time },
    Sent { at: Time },
    GivenUp { at: Time },
}

impl Default for State {
    fn default() -> State {
        State::Waiting { until: Time::START }
    }
}

impl Kept for Notice {
    const SHELF: Shelf = Shelf::Outbox;

    fn key(&self) -> Vec<u8> {
        self.id.key().to_vec()
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        let list = match &self.state {
            State::Waiting { until } | State::Taken { until } => ("due", until.position().to_vec()),
            State::Sent { at } => ("sent", at.position().to_vec()),
            State::GivenUp { at } => ("given-up", at.position().to_vec()),
        };
        vec![("time", Vec::new()), list]
    }
}

/// How long to wait after failures: `first`, then twice as long each time, at most `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first: Span,
    pub longest: Span,
    /// After so many attempts it is given up.
    pub give_up: u32,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Span::from_secs(60), longest: Span::from_secs(4 * 60 * 60), give_up: 20 }
    }
}

impl Backoff {
    fn wait(&self, attempts: u32) -> Span {
        let doubled = 1u32.checked_shl(attempts.saturating_sub(1).min(31)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// See [`crate::Store::outbox`].
#[derive(Clone)]
pub struct Outbox {
    backend: Arc<dyn Backend>,
}

impl Outbox {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Outbox {
        Outbox { backend }
    }

    /// When this returns, it is on stable storage.
    pub fn enqueue(&self, at: Time, random: &Random, kind: &str, recipient: &[u8], body: &[u8]) -> Result<Id> {
        if body.len() > MAX_BODY {
            return Err(shelves::too_much("bytes of a notification", MAX_BODY));
        }
        let mut notice = Notice {
            id: Id::new(at, random),
            kind: cut_text(kind, MAX_TEXT).to_owned(),
            recipient: recipient.into(),
            body: body.into(),
            state: State::Waiting { until: at },
            ..Notice::default()
        };
        for _ in 0..shelves::TRIES {
            match self.backend.apply(&[shelves::put(&notice, Expect::Absent)], Durability::Synced)? {
                Applied::Done => return Ok(notice.id),
                Applied::Conflict | Applied::NoContent => notice.id = notice.id.next(),
            }
        }
        Err(Error::Contended { what: format!("notification {}", notice.id) })
    }

    /// Takes what is due, the longest due first, at most `limit`. For `lease` nobody else gets it.
    pub fn take(&self, now: Time, lease: Span, limit: usize) -> Result<Vec<Notice>> {
        let end = [now.position().as_slice(), &[0xff; 9]].concat();
        let mut taken = Vec::new();
        let range = Range {
            shelf: Shelf::Outbox,
            list: "due",
            from: &[],
            to: Some(&end),
            backwards: false,
            limit: limit.min(1_000),
        };
        for record in self.backend.range(&range)? {
            let mut notice: Notice = format::read(Shelf::Outbox, &record)?;
            notice.state = State::Taken { until: now.after(lease) };
            notice.attempts = notice.attempts.saturating_add(1);
            let change = shelves::put(&notice, Expect::Version(record.version));
            // Where another was faster it is theirs.
            if self.backend.apply(&[change], Durability::Soon)? == Applied::Done {
                taken.push(notice);
            }
        }
        Ok(taken)
    }

    /// It went out. Of a notice whose lease ran out and that another took: whoever sent it, it was sent.
    pub fn sent(&self, id: Id, now: Time) -> Result<()> {
        self.change(id, |notice| {
            let open = !matches!(notice.state, State::Sent { .. });
            notice.state = State::Sent { at: now };
            notice.error.clear();
            open
        })
        .map(drop)
    }

    /// It did not go out; it waits, or is given up.
    pub fn failed(&self, id: Id, error: &str, backoff: &Backoff, now: Time) -> Result<State> {
        self.change(id, |notice| {
            let ours = matches!(notice.state, State::Taken { .. });
            if ours {
                notice.error = cut_text(error, MAX_TEXT).to_owned();
                notice.state = if notice.attempts >= backoff.give_up {
                    State::GivenUp { at: now }
                } else {
                    State::Waiting { until: now.after(backoff.wait(notice.attempts)) }
                };
            }
            ours
        })
        .map(|notice| notice.state)
    }

    /// Tries anew what waits or was given up.
    pub fn again(&self, id: Id, now: Time) -> Result<()> {
        self.change(id, |notice| {
            let stopped = matches!(notice.state, State::Waiting { .. } | State::GivenUp { .. });
            if stopped {
                notice.state = State::Waiting { until: now };
                notice.attempts = 0;
            }
            stopped
        })
        .map(drop)
    }

    pub fn show(&self, id: Id) -> Result<Option<Notice>> {
        Ok(shelves::get(self.backend.as_ref(), &id.key())?.map(|(_, notice)| notice))
    }

    /// Newest first, below `before`.
    pub fn list(&self, before: Option<Id>, limit: usize) -> Result<Vec<Notice>> {
        let end = before.unwrap_or(Id::END).key();
        let range = Range { shelf: Shelf::Outbox, list: "time", from: &[], to: Some(&end), backwards: true, limit };
        self.backend.range(&range)?.iter().map(|record| format::read(Shelf::Outbox, record)).collect()
    }

    /// Forgets what was sent or given up longer than `age` ago; how many.
    pub fn expire(&self, now: Time, age: Span) -> Result<u64> {
        let to = now.before(age).position();
        let sent = shelves::delete_up_to::<Notice>(self.backend.as_ref(), "sent", &to)?;
        Ok(sent + shelves::delete_up_to::<Notice>(self.backend.as_ref(), "given-up", &to)?)
    }

    fn change(&self, id: Id, change: impl Fn(&mut Notice) -> bool) -> Result<Notice> {
        let what = || format!("notification {id}");
        shelves::retry(self.backend.as_ref(), Durability::Synced, what, || {
            let found = shelves::get::<Notice>(self.backend.as_ref(), &id.key())?;
            let (record, mut notice) = found.ok_or_else(|| Error::Missing { what: what() })?;
            let changes: Vec<Change> = match change(&mut notice) {
                true => vec![shelves::put(&notice, Expect::Version(record.version))],
                false => Vec::new(),
            };
            Ok((changes, notice))
        })
    }
}
