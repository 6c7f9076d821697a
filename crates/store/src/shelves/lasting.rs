//! Records that are about something by its name, and are forgotten when their time is over: read as new where there is none,
//! listed by kind, forgotten.

use crate::backend::{Backend, Durability, Expect, Range, Record};
use crate::error::Result;
use crate::format::{self, behind, text_position};
use crate::shelves::{self, Kept};
use crate::time::Time;

/// Stands in the lists `expires`, by time, and `kind`, by its key, which begins with the kind.
pub(crate) trait Lasting: Kept + Clone {
    fn expires(&self) -> Time;
}

/// The key of a kind's record.
pub(crate) fn key(kind: &str, digest: &str) -> Vec<u8> {
    [text_position(kind.as_bytes()), digest.as_bytes().to_vec()].concat()
}

/// Where it stands.
pub(crate) fn lists(expires: Time) -> Vec<(&'static str, Vec<u8>)> {
    vec![("expires", expires.position().to_vec()), ("kind", Vec::new())]
}

/// The record as it stands, or `fresh` where there is none or it is over its time; and what to expect when writing.
pub(crate) fn read<T: Lasting>(backend: &dyn Backend, fresh: &T, now: Time) -> Result<(Expect, T)> {
    Ok(match shelves::get::<T>(backend, &fresh.key())? {
        Some((record, value)) if value.expires() > now => (Expect::Version(record.version), value),
        Some((record, _)) => (Expect::Version(record.version), fresh.clone()),
        None => (Expect::Absent, fresh.clone()),
    })
}

/// All of a kind, at most `limit`, after `after` (the last of the page before).
pub(crate) fn list<T: Lasting>(backend: &dyn Backend, kind: &str, after: Option<&T>, limit: usize) -> Result<Vec<T>> {
    let start = text_position(kind.as_bytes());
    let end = behind(&start);
    let from = after.map_or(start, |last| [last.key(), vec![0]].concat());
    let range = Range { shelf: T::SHELF, list: "kind", from: &from, to: end.as_deref(), backwards: false, limit };
    backend.range(&range)?.iter().map(|record| format::read(T::SHELF, record)).collect()
}

/// Whether there was anything.
pub(crate) fn forget<T: Lasting>(backend: &dyn Backend, value: &T, what: impl Fn() -> String) -> Result<bool> {
    shelves::retry(backend, Durability::Soon, what, || {
        let found: Option<(Record, T)> = shelves::get(backend, &value.key())?;
        Ok(found.map_or_else(|| (Vec::new(), false), |(record, _)| (vec![shelves::delete::<T>(&record)], true)))
    })
}

/// Forgets what is over its time; how many.
pub(crate) fn expire<T: Lasting>(backend: &dyn Backend, now: Time) -> Result<u64> {
    shelves::delete_up_to::<T>(backend, "expires", &now.position())
}
