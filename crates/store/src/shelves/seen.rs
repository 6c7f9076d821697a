//! Who was here before: greylist triplets, clients that proved they retry, and whatever else needs first, last and count.
//!
//! In: a [`Triplet`] and the operator's [`Policy`]. Out: [`Greylisted`]: let it pass or ask to come again, with the reason
//! in the words that greylisting logs have used since postgrey and taRgrey. What a client is (an address, a network of
//! /24 or /64) is the caller's choice. Written [`Durability::Soon`]: a triplet lost to a power cut costs one retry.

use crate::backend::{Backend, Durability, Expect, Shelf};
use crate::error::Result;
use crate::format::{self, Bytes, cut};
use crate::shelves::lasting::{self, Lasting};
use crate::shelves::{self, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const MAX_SHOWN: usize = 320;

/// Something that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sighting {
    /// `triplet`, `client`, or the name given to [`Seen::note`].
    pub kind: String,
    /// What it is, for people; cut where it is long.
    pub what: Bytes,
    /// SHA-256 of the whole, hexadecimal: what tells it from others.
    pub digest: String,
    pub first: Time,
    pub last: Time,
    /// Triplets: attempts. Clients: triplets that passed.
    pub count: u64,
    /// Of these, how often in spam.
    pub spam: u64,
    /// Triplets: when it first passed.
    pub passed: Option<Time>,
    pub expires: Time,
}

impl Sighting {
    fn new(kind: &str, key: &[&[u8]], now: Time) -> Sighting {
        let mut digest = Sha256::new().chain_update(kind.as_bytes());
        for part in key {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let what = key.join(&b" "[..]);
        Sighting {
            kind: kind.to_owned(),
            what: cut(&what, MAX_SHOWN).into(),
            digest: format::hex(&digest),
            first: now,
            last: now,
            ..Sighting::default()
        }
    }
}

impl Kept for Sighting {
    const SHELF: Shelf = Shelf::Seen;

    fn key(&self) -> Vec<u8> {
        lasting::key(&self.kind, &self.digest)
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        lasting::lists(self.expires)
    }
}

impl Lasting for Sighting {
    fn expires(&self) -> Time {
        self.expires
    }
}

/// Sender and recipient are compared without regard to ASCII case.
#[derive(Debug, Clone, Copy)]
pub struct Triplet<'a> {
    /// Address or network, as text.
    pub client: &'a str,
    pub sender: &'a [u8],
    pub recipient: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// An attempt this long after the first passes.
    pub delay: Span,
    /// A first attempt that was not repeated is forgotten after this.
    pub retry_within: Span,
    /// A triplet that passed is known this long after its last mail.
    pub keep: Span,
    /// A client of which so many triplets passed is no longer greylisted. 0: never so.
    pub clients_after: u64,
    /// A known client is known this long after its last mail.
    pub keep_clients: Span,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            delay: Span::from_secs(5 * 60),
            retry_within: Span::from_secs(2 * DAY),
            keep: Span::from_secs(35 * DAY),
            clients_after: 5,
            keep_clients: Span::from_secs(35 * DAY),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Enough triplets of this client passed before.
    ClientKnown,
    TripletFound,
    /// This attempt is the retry that was asked for.
    Retried,
    New,
    EarlyRetry,
}

impl Reason {
    /// As logs of greylisting have it.
    pub fn text(self) -> &'static str {
        match self {
            Reason::ClientKnown => "client AWL",
            Reason::TripletFound => "triplet found",
            Reason::Retried => "retried",
            Reason::New => "new",
            Reason::EarlyRetry => "early-retry",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greylisted {
    pub pass: bool,
    pub reason: Reason,
    /// Until a retry passes; nothing where it passes now.
    pub wait: Span,
    /// Since the first attempt.
    pub waited: Span,
    /// This one included.
    pub attempts: u64,
}

/// Writing a mere refresh for every message would be most of the store's work: once an hour is enough.
const REFRESH: Span = Span::from_secs(60 * 60);

/// See [`crate::Store::seen`].
#[derive(Clone)]
pub struct Seen {
    backend: Arc<dyn Backend>,
}

impl Seen {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Seen {
        Seen { backend }
    }

    /// Judges an attempt and remembers it.
    pub fn greylist(&self, triplet: &Triplet<'_>, policy: &Policy, now: Time) -> Result<Greylisted> {
        let (sender, recipient) = (triplet.sender.to_ascii_lowercase(), triplet.recipient.to_ascii_lowercase());
        let client = Sighting::new("client", &[triplet.client.as_bytes()], now);
        let triplet = Sighting::new("triplet", &[triplet.client.as_bytes(), &sender, &recipient], now);
        let what = || format!("greylist entry of {}", client.what.lossy());
        shelves::retry(self.backend.as_ref(), Durability::Soon, what, || {
            let (client_before, mut client) = self.read(&client, now)?;
            if policy.clients_after > 0 && client.count >= policy.clients_after {
                let stale = now.since(client.last) >= REFRESH;
                client.last = now;
                client.expires = now.after(policy.keep_clients);
                let changes = if stale { vec![shelves::put(&client, client_before)] } else { Vec::new() };
                let answer = Greylisted {
                    pass: true,
                    reason: Reason::ClientKnown,
                    wait: Span::ZERO,
                    waited: Span::ZERO,
                    attempts: 1,
                };
                return Ok((changes, answer));
            }
            let (before, mut triplet) = self.read(&triplet, now)?;
            let waited = now.since(triplet.first);
            let new = triplet.count == 0;
            let stale = now.since(triplet.last) >= REFRESH;
            triplet.count += 1;
            triplet.last = now;
            let attempts = triplet.count;
            let answer = |pass, reason, wait| Greylisted { pass, reason, wait, waited, attempts };
            if triplet.passed.is_some() {
                triplet.expires = now.after(policy.keep);
                let changes = if stale { vec![shelves::put(&triplet, before)] } else { Vec::new() };
                return Ok((changes, answer(true, Reason::TripletFound, Span::ZERO)));
            }
            if waited < policy.delay {
                triplet.expires = triplet.first.after(policy.retry_within);
                let reason = if new { Reason::New } else { Reason::EarlyRetry };
                return Ok((vec![shelves::put(&triplet, before)], answer(false, reason, policy.delay - waited)));
            }
            triplet.passed = Some(now);
            triplet.expires = now.after(policy.keep);
            client.count += 1;
            client.last = now;
            client.expires = now.after(policy.keep_clients);
            let changes = vec![shelves::put(&triplet, before), shelves::put(&client, client_before)];
            Ok((changes, answer(true, Reason::Retried, Span::ZERO)))
        })
    }

    /// Remembers that `key` was seen, and for how long; what is known of it then.
    pub fn note(&self, kind: &str, key: &[u8], keep: Span, now: Time) -> Result<Sighting> {
        self.note_in(kind, key, false, keep, now)
    }

    /// The same, where it matters whether it was in spam.
    pub fn note_in(&self, kind: &str, key: &[u8], spam: bool, keep: Span, now: Time) -> Result<Sighting> {
        let fresh = Sighting::new(kind, &[key], now);
        let what = || format!("{kind} {}", fresh.what.lossy());
        shelves::retry(self.backend.as_ref(), Durability::Soon, what, || {
            let (before, mut sighting) = self.read(&fresh, now)?;
            sighting.count += 1;
            sighting.spam += u64::from(spam);
            sighting.last = sighting.last.max(now);
            sighting.expires = sighting.expires.max(now.after(keep));
            let change = shelves::put(&sighting, before);
            Ok((vec![change], sighting))
        })
    }

    /// What is known of `key`; without leaving a trace.
    pub fn known(&self, kind: &str, key: &[u8], now: Time) -> Result<Option<Sighting>> {
        let (_, sighting) = self.read(&Sighting::new(kind, &[key], now), now)?;
        Ok((sighting.count > 0).then_some(sighting))
    }

    /// All of a kind (`triplet`, `client`, ...), at most `limit`, after `after` (the last of the page before).
    pub fn list(&self, kind: &str, after: Option<&Sighting>, limit: usize) -> Result<Vec<Sighting>> {
        lasting::list(self.backend.as_ref(), kind, after, limit)
    }

    /// A client is unknown again; whether it was known.
    pub fn forget_client(&self, client: &str) -> Result<bool> {
        self.forget(&Sighting::new("client", &[client.as_bytes()], Time::START))
    }

    /// A client is known from now on, as if it had proved often enough that it retries.
    pub fn know_client(&self, client: &str, policy: &Policy, now: Time) -> Result<()> {
        let fresh = Sighting::new("client", &[client.as_bytes()], now);
        let what = || format!("client {client}");
        shelves::retry(self.backend.as_ref(), Durability::Synced, what, || {
            let (before, mut sighting) = self.read(&fresh, now)?;
            sighting.count = sighting.count.max(policy.clients_after).max(1);
            sighting.last = now;
            sighting.expires = sighting.expires.max(now.after(policy.keep_clients));
            Ok((vec![shelves::put(&sighting, before)], ()))
        })
    }

    /// Forgets one sighting; whether it was there.
    pub fn forget(&self, sighting: &Sighting) -> Result<bool> {
        lasting::forget(self.backend.as_ref(), sighting, || format!("{} {}", sighting.kind, sighting.what.lossy()))
    }

    /// Forgets what is over its time; how many.
    pub fn expire(&self, now: Time) -> Result<u64> {
        lasting::expire::<Sighting>(self.backend.as_ref(), now)
    }

    fn read(&self, fresh: &Sighting, now: Time) -> Result<(Expect, Sighting)> {
        lasting::read(self.backend.as_ref(), fresh, now)
    }
}
