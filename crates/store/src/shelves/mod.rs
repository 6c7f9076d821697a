//! What records mean. Each shelf is one file: its types, its rules, and how its records are found; all over the
//! [`Backend`] interface, so that every place behaves the same.

pub mod history;
mod lasting;
pub mod lessons;
pub mod lists;
pub mod outbox;
pub mod quarantine;
pub mod rates;
pub mod reports;
pub mod reputation;
pub mod seen;
pub mod users;

use crate::backend::{Applied, Backend, Change, Durability, Expect, Position, Range, Record, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, Hash, Id};
use crate::search::{self, Query};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is a record of a shelf. What it is found by follows from itself alone, so a record can be rebuilt.
pub(crate) trait Kept: Serialize + DeserializeOwned {
    const SHELF: Shelf;
    fn key(&self) -> Vec<u8>;
    /// Lists it stands in, with the start of its position there; the key is added.
    fn lists(&self) -> Vec<(&'static str, Vec<u8>)>;
    /// Texts that it is found by.
    fn texts(&self) -> Vec<String> {
        Vec::new()
    }
    fn content(&self) -> Option<Hash> {
        None
    }
}

pub(crate) fn put<T: Kept>(value: &T, expect: Expect) -> Change {
    let key = value.key();
    let mut lists = value.lists();
    lists.sort();
    lists.dedup();
    let positions = lists
        .into_iter()
        .map(|(list, mut at)| {
            at.extend_from_slice(&key);
            Position { list, at }
        })
        .collect();
    let texts = value.texts();
    Change::Put {
        shelf: T::SHELF,
        expect,
        value: format::write(value),
        positions,
        words: search::words(texts.iter().map(String::as_str)),
        content: value.content(),
        key,
    }
}

pub(crate) fn delete<T: Kept>(record: &Record) -> Change {
    Change::Delete { shelf: T::SHELF, key: record.key.clone(), expect: Expect::Version(record.version) }
}

pub(crate) fn get<T: Kept>(backend: &dyn Backend, key: &[u8]) -> Result<Option<(Record, T)>> {
    match backend.records(T::SHELF, &[key])?.pop().flatten() {
        Some(record) => {
            let value = format::read(T::SHELF, &record)?;
            Ok(Some((record, value)))
        }
        None => Ok(None),
    }
}

/// A record that was read back from a damaged database, with all it is found by.
pub(crate) fn rebuild(shelf: Shelf, key: Vec<u8>, value: Vec<u8>, content: Option<Hash>) -> Option<Change> {
    fn again<T: Kept>(record: &Record, content: Option<Hash>) -> Option<Change> {
        let value: T = format::read(T::SHELF, record).ok()?;
        (value.key() == record.key && value.content() == content).then(|| put(&value, Expect::Absent))
    }
    let record = Record { key, version: 0, value };
    match shelf {
        Shelf::History => again::<history::Entry>(&record, content),
        // The machines know, and say it again.
        Shelf::Lessons => None,
        Shelf::Lists => again::<lists::Entry>(&record, content),
        Shelf::Outbox => again::<outbox::Notice>(&record, content),
        Shelf::Quarantine => again::<quarantine::Entry>(&record, content),
        Shelf::Reports => again::<reports::Row>(&record, content),
        Shelf::Reputation => again::<reputation::Standing>(&record, content),
        Shelf::Seen => again::<seen::Sighting>(&record, content),
        Shelf::Users => again::<users::User>(&record, content),
    }
}

/// How often a change is tried anew because others changed the same record.
const TRIES: usize = 50;

/// Reads, decides and writes until nobody came in between. `work` hands back the changes and what to answer.
pub(crate) fn retry<A>(
    backend: &dyn Backend,
    durability: Durability,
    what: impl Fn() -> String,
    mut work: impl FnMut() -> Result<(Vec<Change>, A)>,
) -> Result<A> {
    for _ in 0..TRIES {
        let (changes, answer) = work()?;
        if changes.is_empty() || backend.apply(&changes, durability)? == Applied::Done {
            return Ok(answer);
        }
    }
    Err(Error::Contended { what: what() })
}

/// Records in one list that are looked at for one call, at most.
const EXAMINED: usize = 5_000;
const PAGE: usize = 200;

/// A search in a shelf whose keys are ids, newest first.
pub(crate) struct Find<'a> {
    pub text: &'a str,
    /// The list to walk where there is no text, and the start of the positions in it.
    pub list: (&'static str, Vec<u8>),
    pub since: Id,
    pub before: Id,
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<E> {
    pub entries: Vec<E>,
    /// Hand this to the query's `before` for more. A page may be short, or empty, and still have a next.
    pub next: Option<Id>,
}

pub(crate) fn find<T: Kept>(backend: &dyn Backend, find: &Find<'_>, keep: impl Fn(&T) -> bool) -> Result<Page<T>> {
    let query = Query::new(find.text);
    let words = query.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut before = find.before;
    let mut found = Vec::new();
    let mut examined = 0;
    while examined < EXAMINED {
        let page = if query.is_empty() {
            let (list, start) = &find.list;
            let end = |id: Id| [start.as_slice(), &id.key()].concat();
            backend.range(&Range {
                shelf: T::SHELF,
                list,
                from: &end(find.since),
                to: Some(&end(before)),
                backwards: true,
                limit: PAGE,
            })?
        } else {
            backend.search(T::SHELF, &words, before.number(), PAGE)?
        };
        let last = page.len() < PAGE;
        examined += page.len();
        for record in page {
            let Some(id) = Id::from_key(&record.key) else { continue };
            if id < find.since {
                return Ok(Page { entries: found, next: None });
            }
            if found.len() >= find.limit {
                return Ok(Page { entries: found, next: Some(before) });
            }
            before = id;
            // One unreadable record must not hide the others; `show` tells what is wrong with it.
            let Ok(value) = format::read::<T>(T::SHELF, &record) else { continue };
            let texts = if query.is_empty() { Vec::new() } else { value.texts() };
            if keep(&value) && query.matches(texts.iter().map(String::as_str)) {
                found.push(value);
            }
        }
        if last {
            return Ok(Page { entries: found, next: None });
        }
    }
    Ok(Page { entries: found, next: Some(before) })
}

/// Deletes records of a list from its start up to `to`; how many.
pub(crate) fn delete_up_to<T: Kept>(backend: &dyn Backend, list: &'static str, to: &[u8]) -> Result<u64> {
    let mut gone = 0;
    loop {
        let range = Range { shelf: T::SHELF, list, from: &[], to: Some(to), backwards: false, limit: PAGE };
        let page = backend.range(&range)?;
        let mut deleted = 0;
        let changes: Vec<Change> = page.iter().map(delete::<T>).collect();
        if !changes.is_empty() && backend.apply(&changes, Durability::Soon)? == Applied::Done {
            deleted = changes.len();
        } else {
            // Somebody touched one of them: one by one, then.
            for change in changes {
                if backend.apply(&[change], Durability::Soon)? == Applied::Done {
                    deleted += 1;
                }
            }
        }
        gone += u64::try_from(deleted).unwrap_or(0);
        if page.len() < PAGE || deleted == 0 {
            return Ok(gone);
        }
    }
}

pub(crate) fn too_much(what: &str, limit: usize) -> Error {
    Error::Input { what: what.to_owned(), why: format!("more than {limit}") }
}
