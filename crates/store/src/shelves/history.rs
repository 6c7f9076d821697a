//! Every verdict, with hits and evidence, to be found again for as long as the operator wants.
//!
//! In: an [`Entry`] for a judged message. Out: entries by id, queue id, message id, recipient, time or words. Written
//! [`Durability::Soon`]: a power cut may take the last second's entries, never mail.

use crate::backend::{Applied, Backend, Durability, Expect, Shelf};
use crate::error::{Error, Result};
use crate::format::{Bytes, Id, Random, cut, cut_text, text_position};
use crate::shelves::{self, Find, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is kept of what strangers choose; what is beyond is counted in [`Entry::omitted`].
const MAX_RECIPIENTS: usize = 200;
const MAX_HITS: usize = 500;
const MAX_EVIDENCE: usize = 8;
const MAX_MATCHED: usize = 256;
const MAX_LINES: usize = 100;
const MAX_TEXT: usize = 1_000;

/// A judged message. [`Entry::id`] is given by [`History::add`]; the rest is the caller's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    pub id: Id,
    /// The MTA's, by which its log speaks of the message.
    pub queue_id: String,
    pub message_id: Bytes,
    pub listener: String,
    /// `inbound`, `outbound`, `internal`, `submission`.
    pub direction: String,
    pub client_address: String,
    pub client_name: String,
    pub helo: Bytes,
    /// The user who logged in.
    pub login: String,
    pub sender: Bytes,
    pub recipients: Vec<ForRecipient>,
    /// As a reader sees it.
    pub subject: String,
    pub from: String,
    pub size: u64,
    pub score: f64,
    pub required: f64,
    pub spam: bool,
    /// Content categories: `spam`, `virus`, `banned`...
    pub categories: Vec<String>,
    pub hits: Vec<Hit>,
    /// The relay table, a line a hop.
    pub relays: Vec<String>,
    /// What did not go as it should.
    pub troubles: Vec<String>,
    pub took_ms: u64,
    /// Whatever else `explain` should show.
    pub details: BTreeMap<String, String>,
    /// Recipients, hits, evidence and lines left out, because they were more than is kept.
    pub omitted: u64,
}

/// What a recipient's copy met with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForRecipient {
    pub recipient: Bytes,
    pub score: f64,
    /// `pass`, `tag`, `quarantine`, `reject`...
    pub action: String,
    pub reason: String,
    pub quarantined: Option<Id>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hit {
    pub rule: String,
    pub score: f64,
    pub description: String,
    pub count: u32,
    pub evidence: Vec<Evidence>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    pub view: String,
    pub matched: Bytes,
    pub offset: u64,
}

impl Entry {
    /// The verdict's part of an entry.
    pub fn of_verdict(verdict: &mail::Verdict) -> Entry {
        let evidence = |evidence: &mail::Evidence| Evidence {
            view: evidence.view.clone(),
            matched: cut(&evidence.matched, MAX_MATCHED).into(),
            offset: u64::try_from(evidence.offset).unwrap_or(u64::MAX),
        };
        let hit = |hit: &mail::Hit| Hit {
            rule: hit.rule.clone(),
            score: hit.score,
            description: hit.description.clone(),
            count: hit.count,
            evidence: hit.evidence.iter().take(MAX_EVIDENCE).map(evidence).collect(),
            notes: hit.notes.clone(),
        };
        let recipient = |recipient: &mail::ForRecipient| ForRecipient {
            recipient: recipient.recipient.as_slice().into(),
            score: recipient.score,
            ..ForRecipient::default()
        };
        let trouble = |trouble: &mail::Trouble| match trouble.rule.as_str() {
            "" => trouble.what.clone(),
            rule => format!("{rule}: {}", trouble.what),
        };
        Entry {
            score: verdict.score,
            required: verdict.required,
            spam: verdict.spam,
            hits: verdict.hits.iter().map(hit).collect(),
            recipients: verdict.recipients.iter().map(recipient).collect(),
            troubles: verdict.troubles.iter().map(trouble).collect(),
            ..Entry::default()
        }
    }

    fn bound(&mut self) {
        let mut omitted = 0;
        let mut shorten =
            |length: usize, limit: usize| omitted += u64::try_from(length.saturating_sub(limit)).unwrap_or(0);
        shorten(self.recipients.len(), MAX_RECIPIENTS);
        self.recipients.truncate(MAX_RECIPIENTS);
        shorten(self.hits.len(), MAX_HITS);
        self.hits.truncate(MAX_HITS);
        for lines in [&mut self.relays, &mut self.troubles, &mut self.categories] {
            shorten(lines.len(), MAX_LINES);
            lines.truncate(MAX_LINES);
            lines.iter_mut().for_each(bound_text);
        }
        for hit in &mut self.hits {
            shorten(hit.evidence.len(), MAX_EVIDENCE);
            hit.evidence.truncate(MAX_EVIDENCE);
            hit.evidence.iter_mut().for_each(|evidence| bound_bytes(&mut evidence.matched, MAX_MATCHED));
            shorten(hit.notes.len(), MAX_LINES);
            hit.notes.truncate(MAX_LINES);
            hit.notes.iter_mut().for_each(bound_text);
            bound_text(&mut hit.rule);
            bound_text(&mut hit.description);
        }
        for recipient in &mut self.recipients {
            bound_bytes(&mut recipient.recipient, MAX_TEXT);
            bound_text(&mut recipient.reason);
        }
        for bytes in [&mut self.message_id, &mut self.helo, &mut self.sender] {
            bound_bytes(bytes, MAX_TEXT);
        }
        for text in [&mut self.queue_id, &mut self.client_name, &mut self.login, &mut self.subject, &mut self.from] {
            bound_text(text);
        }
        while self.details.len() > MAX_LINES {
            self.details.pop_last();
            omitted += 1;
        }
        self.details.values_mut().for_each(bound_text);
        self.omitted = self.omitted.saturating_add(omitted);
    }
}

fn bound_text(text: &mut String) {
    text.truncate(cut_text(text, MAX_TEXT).len());
}

fn bound_bytes(bytes: &mut Bytes, limit: usize) {
    bytes.0.truncate(cut(&bytes.0, limit).len());
}

impl Kept for Entry {
    const SHELF: Shelf = Shelf::History;

    fn key(&self) -> Vec<u8> {
        self.id.key().to_vec()
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut lists = vec![("time", Vec::new())];
        if !self.queue_id.is_empty() {
            lists.push(("queue", text_position(self.queue_id.as_bytes())));
        }
        if !self.message_id.0.is_empty() {
            lists.push(("message", text_position(&self.message_id.0)));
        }
        lists.extend(self.recipients.iter().map(|r| ("recipient", text_position(&r.recipient.0.to_ascii_lowercase()))));
        lists
    }

    fn texts(&self) -> Vec<String> {
        let mut texts = vec![
            self.subject.clone(),
            self.from.clone(),
            self.sender.lossy(),
            self.message_id.lossy(),
            self.helo.lossy(),
        ];
        let plain = [&self.queue_id, &self.client_address, &self.client_name, &self.login, &self.direction];
        texts.extend(plain.into_iter().cloned());
        texts.extend(self.categories.iter().cloned());
        for recipient in &self.recipients {
            texts.extend([recipient.recipient.lossy(), recipient.action.clone(), recipient.reason.clone()]);
        }
        for hit in &self.hits {
            texts.push(hit.rule.clone());
            texts.extend(hit.evidence.iter().map(|evidence| evidence.matched.lossy()));
            texts.extend(hit.notes.iter().cloned());
        }
        texts.extend(self.details.values().cloned());
        texts
    }
}

/// What to look for; all that is given must hold. Newest first.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Words, blank-separated; each must stand in a field. 請求 finds 請求書; Latin words are whole words.
    pub text: String,
    pub queue_id: Option<String>,
    pub message_id: Option<Bytes>,
    pub recipient: Option<Bytes>,
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// 0 means 50.
    pub limit: usize,
    /// Go on where an earlier page ended.
    pub before: Option<Id>,
}

pub type Page = super::Page<Entry>;

/// See [`crate::Store::history`].
#[derive(Clone)]
pub struct History {
    backend: Arc<dyn Backend>,
}

impl History {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> History {
        History { backend }
    }

    pub fn add(&self, at: Time, random: &Random, mut entry: Entry) -> Result<Id> {
        entry.bound();
        entry.id = Id::new(at, random);
        for _ in 0..shelves::TRIES {
            if self.backend.apply(&[shelves::put(&entry, Expect::Absent)], Durability::Soon)? == Applied::Done {
                return Ok(entry.id);
            }
            entry.id = entry.id.next();
        }
        Err(Error::Contended { what: format!("history entry {}", entry.id) })
    }

    pub fn show(&self, id: Id) -> Result<Option<Entry>> {
        Ok(shelves::get(self.backend.as_ref(), &id.key())?.map(|(_, entry)| entry))
    }

    pub fn search(&self, query: &Query) -> Result<Page> {
        let list = if let Some(queue) = &query.queue_id {
            ("queue", text_position(queue.as_bytes()))
        } else if let Some(message) = &query.message_id {
            ("message", text_position(cut(&message.0, MAX_TEXT)))
        } else if let Some(recipient) = &query.recipient {
            ("recipient", text_position(&recipient.0.to_ascii_lowercase()))
        } else {
            ("time", Vec::new())
        };
        let until = query.until.map_or(Id::END, Id::first_at);
        let find = Find {
            text: &query.text,
            list,
            since: Id::first_at(query.since.unwrap_or(Time::START)),
            before: query.before.unwrap_or(Id::END).min(until),
            limit: if query.limit == 0 { 50 } else { query.limit.min(1_000) },
        };
        shelves::find(self.backend.as_ref(), &find, |entry: &Entry| {
            query.queue_id.as_ref().is_none_or(|queue| *queue == entry.queue_id)
                && query.message_id.as_ref().is_none_or(|message| cut(&message.0, MAX_TEXT) == entry.message_id.0)
                && query
                    .recipient
                    .as_ref()
                    .is_none_or(|wanted| entry.recipients.iter().any(|r| r.recipient.0.eq_ignore_ascii_case(&wanted.0)))
        })
    }

    /// Forgets what is older than `age`; how many.
    pub fn expire(&self, now: Time, age: Span) -> Result<u64> {
        let oldest = Id::first_at(now.before(age));
        shelves::delete_up_to::<Entry>(self.backend.as_ref(), "time", &oldest.key())
    }
}
