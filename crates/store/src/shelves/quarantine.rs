//! Mail that is held back: kept byte for byte until somebody releases or deletes it, or its time is over.
//!
//! A message is one [`Entry`], its bytes are kept once under their SHA-256 however many messages are the same, and every
//! recipient has a state and a release secret of their own. [`Quarantine::put`] returns when all of it is on stable
//! storage: only then may the MTA be told that the message was taken.
//!
//! Releasing goes in three steps, so that a crash between them never loses mail and two who release at once do not
//! deliver twice: mark as releasing, deliver, mark as released. What was left releasing by a crash is held again after
//! [`RELEASE_LEASE`]; whether its delivery had happened nobody can know, and twice is better than never.

use crate::Verified;
use crate::backend::{Applied, Backend, Change, Durability, Expect, Range, Record, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, Bytes, Hash, Id, Random, Secret, behind, cut_text, text_position};
use crate::shelves::{self, Find, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a release may take before it counts as broken off.
pub const RELEASE_LEASE: Span = Span::from_secs(15 * 60);
const MAX_RECIPIENTS: usize = 10_000;
const MAX_TEXT: usize = 1_000;
/// It comes again for hours, and seldom for others.
const SAME_MESSAGE: usize = 100;
const MAX_DETAILS: usize = 100;
/// A sweep may remove a content between our writing it and naming it; then it is written again.
const CONTENT_TRIES: usize = 10;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    pub id: Id,
    /// What names the message however often it comes; see [`Quarantine::of_message`].
    pub message: Option<Hash>,
    /// `None` when the message was deleted for all its recipients.
    pub content: Option<Hash>,
    pub size: u64,
    pub queue_id: String,
    pub sender: Bytes,
    pub recipients: Vec<ForRecipient>,
    /// As a reader sees them.
    pub subject: String,
    pub from: String,
    pub client_address: String,
    /// Why it is held: content category, and in words.
    pub category: String,
    pub reason: String,
    pub score: f64,
    /// Whatever is needed to deliver it as it came (`BODY=8BITMIME`, `SMTPUTF8`) or to show.
    pub details: BTreeMap<String, String>,
}

/// Not serde's `default`: a recipient without a secret would be an entry that anybody may release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForRecipient {
    pub recipient: Bytes,
    /// Who knows it may release this message for this recipient.
    pub secret: Secret,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Held,
    Releasing { since: Time, by: String },
    Released { at: Time, by: String },
    Deleted { at: Time, by: String },
}

impl State {
    /// Held, or left behind by a release that broke off.
    fn can_be_released(&self, now: Time) -> bool {
        match self {
            State::Held => true,
            State::Releasing { since, .. } => now.since(*since) >= RELEASE_LEASE,
            State::Released { .. } | State::Deleted { .. } => false,
        }
    }

    fn in_release(&self, now: Time) -> bool {
        matches!(self, State::Releasing { .. }) && !self.can_be_released(now)
    }
}

impl Kept for Entry {
    const SHELF: Shelf = Shelf::Quarantine;

    fn key(&self) -> Vec<u8> {
        self.id.key().to_vec()
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut lists = vec![("time", Vec::new())];
        lists.extend(self.message.map(|message| ("message", message.0.to_vec())));
        for recipient in &self.recipients {
            lists.push(("recipient", text_position(&recipient.recipient.0.to_ascii_lowercase())));
            lists.push(("secret", recipient.secret.0.to_vec()));
        }
        lists
    }

    fn texts(&self) -> Vec<String> {
        let mut texts = vec![self.sender.lossy()];
        let plain = [&self.subject, &self.from, &self.queue_id, &self.client_address, &self.category, &self.reason];
        texts.extend(plain.into_iter().cloned());
        // Words have a limit of their own; a thousand recipients need not crowd out the subject.
        texts.extend(self.recipients.iter().map(|recipient| recipient.recipient.lossy()));
        texts
    }

    fn content(&self) -> Option<Hash> {
        self.content
    }
}

/// A message to be held.
#[derive(Debug, Clone, Default)]
pub struct NewEntry {
    /// The caller's name for the message, if it should be found when it comes again.
    pub message: Option<Hash>,
    pub queue_id: String,
    pub sender: Bytes,
    pub recipients: Vec<Bytes>,
    pub subject: String,
    pub from: String,
    pub client_address: String,
    pub category: String,
    pub reason: String,
    pub score: f64,
    pub details: BTreeMap<String, String>,
}

/// For whom something is done.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    All,
    /// Compared without regard to ASCII case.
    Recipient(&'a [u8]),
    Secret(&'a Secret),
}

impl Who<'_> {
    fn is(&self, recipient: &ForRecipient) -> bool {
        match self {
            Who::All => true,
            Who::Recipient(wanted) => recipient.recipient.0.eq_ignore_ascii_case(wanted),
            Who::Secret(secret) => recipient.secret == **secret,
        }
    }
}

/// What became of [`Quarantine::release`].
#[derive(Debug)]
pub enum Release<E> {
    /// Delivered and marked, for these recipients.
    Released(Vec<Bytes>),
    /// `deliver` failed; held as before.
    NotDelivered(E),
    /// Released or deleted before, or being released right now.
    NothingHeld,
}

#[derive(Debug, Clone, Default)]
pub struct Query {
    /// As in [`crate::history::Query::text`].
    pub text: String,
    pub recipient: Option<Bytes>,
    /// Only where somebody's copy is still held.
    pub held_only: bool,
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// 0 means 50.
    pub limit: usize,
    pub before: Option<Id>,
}

pub type Page = super::Page<Entry>;

/// What may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub age: Span,
    /// Contents together; the oldest go first.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    pub by_age: u64,
    pub by_size: u64,
    pub contents: u64,
}

/// See [`crate::Store::quarantine`].
#[derive(Clone)]
pub struct Quarantine {
    backend: Arc<dyn Backend>,
}

impl Quarantine {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Quarantine {
        Quarantine { backend }
    }

    /// Keeps the message. When this returns, it is on stable storage.
    pub fn put(&self, at: Time, random: &Random, new: NewEntry, content: &[u8]) -> Result<Entry> {
        if new.recipients.is_empty() || new.recipients.len() > MAX_RECIPIENTS {
            let why = format!("{}, where 1 to {MAX_RECIPIENTS} can be kept", new.recipients.len());
            return Err(Error::Input { what: "number of recipients".into(), why });
        }
        let hash = Hash::of(content);
        let text = |text: &str| cut_text(text, MAX_TEXT).to_owned();
        let recipients = new.recipients.into_iter().enumerate();
        let mut entry = Entry {
            id: Id::new(at, random),
            message: new.message,
            content: Some(hash),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            queue_id: text(&new.queue_id),
            sender: new.sender,
            recipients: recipients
                .map(|(index, recipient)| ForRecipient {
                    recipient,
                    secret: Secret::derived(random, index),
                    state: State::Held,
                })
                .collect(),
            subject: text(&new.subject),
            from: text(&new.from),
            client_address: text(&new.client_address),
            category: text(&new.category),
            reason: text(&new.reason),
            score: new.score,
            details: new
                .details
                .into_iter()
                .take(MAX_DETAILS)
                .map(|(name, value)| (text(&name), text(&value)))
                .collect(),
        };
        let mut written = 0;
        for _ in 0..shelves::TRIES {
            if written == 0 {
                self.backend.put_content(&hash, content)?;
            }
            match self.backend.apply(&[shelves::put(&entry, Expect::Absent)], Durability::Synced)? {
                Applied::Done => return Ok(entry),
                Applied::Conflict => {
                    entry.id = entry.id.next();
                    written = 1;
                }
                Applied::NoContent if written < CONTENT_TRIES => written = 0,
                Applied::NoContent => break,
            }
        }
        Err(Error::Contended { what: format!("quarantine entry {}", entry.id) })
    }

    pub fn show(&self, id: Id) -> Result<Option<Entry>> {
        Ok(self.read(id)?.map(|(_, entry)| entry))
    }

    /// The entry that a release secret belongs to; [`Who::Secret`] then names the recipient.
    pub fn by_secret(&self, secret: &Secret) -> Result<Option<Entry>> {
        let end = behind(&secret.0);
        let range = Range {
            shelf: Shelf::Quarantine,
            list: "secret",
            from: &secret.0,
            to: end.as_deref(),
            backwards: false,
            limit: 1,
        };
        let record = self.backend.range(&range)?.pop();
        record.map(|record| format::read(Shelf::Quarantine, &record)).transpose()
    }

    /// What was put under this name since then, the newest first.
    pub fn of_message(&self, message: &Hash, since: Time) -> Result<Vec<Entry>> {
        let end = behind(&message.0);
        let range = Range {
            shelf: Shelf::Quarantine,
            list: "message",
            from: &message.0,
            to: end.as_deref(),
            backwards: true,
            limit: SAME_MESSAGE,
        };
        let oldest = Id::first_at(since);
        let entries = self.backend.range(&range)?;
        let entries = entries.iter().map(|record| format::read::<Entry>(Shelf::Quarantine, record));
        entries.filter(|entry| entry.as_ref().map_or(true, |entry| entry.id >= oldest)).collect()
    }

    /// The message, byte for byte as it was put: its SHA-256 is checked.
    pub fn content(&self, entry: &Entry) -> Result<Vec<u8>> {
        let Some(hash) = entry.content else {
            return Err(Error::Missing { what: format!("the content of {}, deleted for all recipients,", entry.id) });
        };
        let bytes = self.backend.content(&hash)?;
        let bytes = bytes.ok_or_else(|| Error::Content { hash: hash.to_string(), what: "it is missing".into() })?;
        let found = Hash::of(&bytes);
        if found != hash {
            let what = format!("its {} bytes have the SHA-256 {found}", bytes.len());
            return Err(Error::Content { hash: hash.to_string(), what });
        }
        Ok(bytes)
    }

    pub fn list(&self, query: &Query) -> Result<Page> {
        let list = match &query.recipient {
            Some(recipient) => ("recipient", text_position(&recipient.0.to_ascii_lowercase())),
            None => ("time", Vec::new()),
        };
        let find = Find {
            text: &query.text,
            list,
            since: Id::first_at(query.since.unwrap_or(Time::START)),
            before: query.before.unwrap_or(Id::END).min(query.until.map_or(Id::END, Id::first_at)),
            limit: if query.limit == 0 { 50 } else { query.limit.min(1_000) },
        };
        shelves::find(self.backend.as_ref(), &find, |entry: &Entry| {
            let mut of_interest = entry.recipients.iter().filter(|recipient| {
                query.recipient.as_ref().is_none_or(|wanted| recipient.recipient.0.eq_ignore_ascii_case(&wanted.0))
            });
            of_interest
                .any(|recipient| !query.held_only || matches!(recipient.state, State::Held | State::Releasing { .. }))
        })
    }

    /// Hands the entry, the recipients who are still to have it, and the verified bytes to `deliver`; marks them as
    /// released if that succeeds. `by` tells who did it.
    pub fn release<E>(
        &self,
        id: Id,
        who: Who<'_>,
        by: &str,
        now: Time,
        deliver: impl FnOnce(&Entry, &[Bytes], &[u8]) -> std::result::Result<(), E>,
    ) -> Result<Release<E>> {
        let by = cut_text(by, MAX_TEXT);
        // Before anything is marked: what cannot be read cannot be released.
        let content = match self.show(id)? {
            Some(entry) if entry.content.is_some() => self.content(&entry)?,
            Some(_) => return Ok(Release::NothingHeld),
            None => return Err(missing(id)),
        };
        let claim = State::Releasing { since: now, by: by.to_owned() };
        let (entry, claimed) = self.change(id, |recipient| {
            let claimed = who.is(recipient) && recipient.state.can_be_released(now);
            claimed.then(|| claim.clone())
        })?;
        if claimed.is_empty() {
            return Ok(Release::NothingHeld);
        }
        let recipients: Vec<Bytes> = claimed.iter().map(|index| entry.recipients[*index].recipient.clone()).collect();
        let secrets: Vec<Secret> = claimed.iter().map(|index| entry.recipients[*index].secret).collect();
        let outcome = deliver(&entry, &recipients, &content);
        let after = match &outcome {
            Ok(()) => State::Released { at: now, by: by.to_owned() },
            Err(_) => State::Held,
        };
        self.change(id, |recipient| {
            let ours = secrets.contains(&recipient.secret) && recipient.state == claim;
            ours.then(|| after.clone())
        })?;
        Ok(match outcome {
            Ok(()) => Release::Released(recipients),
            Err(error) => Release::NotDelivered(error),
        })
    }

    /// Deletes copies that are held; for whom. The bytes go when no recipient of any message needs them any more.
    pub fn delete(&self, id: Id, who: Who<'_>, by: &str, now: Time) -> Result<Vec<Bytes>> {
        let after = State::Deleted { at: now, by: cut_text(by, MAX_TEXT).to_owned() };
        let content = self.show(id)?.and_then(|entry| entry.content);
        let (entry, deleted) = self.change(id, |recipient| {
            let held = who.is(recipient) && recipient.state.can_be_released(now);
            held.then(|| after.clone())
        })?;
        if let (Some(hash), None) = (content, entry.content) {
            self.backend.remove_content(&hash)?;
        }
        Ok(deleted.into_iter().map(|index| entry.recipients[index].recipient.clone()).collect())
    }

    /// Of all contents together.
    pub fn bytes(&self) -> Result<u64> {
        self.backend.content_bytes()
    }

    /// Removes what is over age, then the oldest until the rest fits. Never a message that is just being released.
    pub fn expire(&self, now: Time, retention: Retention) -> Result<Expired> {
        let mut expired = Expired::default();
        let oldest = Id::first_at(now.before(retention.age));
        self.expire_while(now, |id, _| id < oldest, &mut expired.by_age)?;
        loop {
            let used = self.backend.content_bytes()?;
            if used <= retention.bytes {
                break;
            }
            let mut surplus = used - retention.bytes;
            let before = expired.by_size;
            let needed = |_, entry: &Entry| {
                let needed = surplus > 0;
                surplus = surplus.saturating_sub(entry.content.map_or(0, |_| entry.size));
                needed
            };
            self.expire_while(now, needed, &mut expired.by_size)?;
            // Same bytes in several entries free nothing until the last goes: look again, unless nothing went.
            if expired.by_size == before {
                break;
            }
        }
        expired.contents = self.backend.remove_unnamed_contents()?;
        Ok(expired)
    }

    /// Deletes from the oldest on, as long as `wanted` says so.
    fn expire_while(&self, now: Time, mut wanted: impl FnMut(Id, &Entry) -> bool, gone: &mut u64) -> Result<()> {
        let mut from = Vec::new();
        loop {
            let range =
                Range { shelf: Shelf::Quarantine, list: "time", from: &from, to: None, backwards: false, limit: 100 };
            let page = self.backend.range(&range)?;
            let Some(last) = page.last() else { return Ok(()) };
            from = last.key.clone();
            from.push(0);
            for record in &page {
                let Some(id) = Id::from_key(&record.key) else { continue };
                // An unreadable entry is for a human to look at.
                let Ok(entry) = format::read::<Entry>(Shelf::Quarantine, record) else { continue };
                if !wanted(id, &entry) {
                    return Ok(());
                }
                if entry.recipients.iter().any(|recipient| recipient.state.in_release(now)) {
                    continue;
                }
                if self.backend.apply(&[shelves::delete::<Entry>(record)], Durability::Soon)? == Applied::Done {
                    *gone += 1;
                }
            }
        }
    }

    pub(crate) fn verify(&self) -> Result<Verified> {
        let mut verified = Verified::default();
        let mut before = None;
        loop {
            let page = self.list(&Query { limit: 100, before, ..Query::default() })?;
            for entry in page.entries.iter().filter(|entry| entry.content.is_some()) {
                match self.content(entry) {
                    Ok(_) => verified.contents += 1,
                    Err(error) => verified.damaged.push((entry.id, error.to_string())),
                }
            }
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok(verified),
            }
        }
    }

    fn read(&self, id: Id) -> Result<Option<(Record, Entry)>> {
        shelves::get(self.backend.as_ref(), &id.key())
    }

    /// Changes recipients' states; the entry as it is then, and whose state changed.
    fn change(&self, id: Id, state: impl Fn(&ForRecipient) -> Option<State>) -> Result<(Entry, Vec<usize>)> {
        let what = || format!("quarantine entry {id}");
        shelves::retry(self.backend.as_ref(), Durability::Synced, what, || {
            let (record, mut entry) = self.read(id)?.ok_or_else(|| missing(id))?;
            let mut changed = Vec::new();
            for (index, recipient) in entry.recipients.iter_mut().enumerate() {
                if let Some(state) = state(recipient) {
                    recipient.state = state;
                    changed.push(index);
                }
            }
            if entry.recipients.iter().all(|recipient| matches!(recipient.state, State::Deleted { .. })) {
                entry.content = None;
            }
            let changes: Vec<Change> = match changed.is_empty() {
                true => Vec::new(),
                false => vec![shelves::put(&entry, Expect::Version(record.version))],
            };
            Ok((changes, (entry, changed)))
        })
    }
}

fn missing(id: Id) -> Error {
    Error::Missing { what: format!("quarantine entry {id}") }
}
