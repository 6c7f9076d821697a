//! What DMARC made of mail, for the reports that domains' owners ask for: counts of alike messages, by day.
//!
//! In: one [`Row`] a message. Out: the rows of a day and a domain, alike ones counted together. How many rows a day keeps of
//! one domain is bounded: whoever forges a domain from many addresses must not fill the store; what comes beyond is counted
//! in one number.

use crate::backend::{Backend, Count, Durability, Expect, Range, Shelf};
use crate::error::Result;
use crate::format::{self, behind, text_position};
use crate::shelves::{self, Kept};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Rows of one domain and day.
pub const MAX_ROWS: u64 = 10_000;
/// Longer texts of strangers are cut.
const MAX_TEXT: usize = 320;
/// Bytes of a domain's record: it stands in each of its rows.
const MAX_RECORD: usize = 1024;
const DAY: i64 = 24 * 60 * 60;

/// Messages that are alike for a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
    /// Where the policy was found.
    pub domain: String,
    /// Its record, as it was published.
    pub record: String,
    pub source: String,
    /// What was done for DMARC's sake: `none` (where it passed too), `quarantine`, `reject`.
    pub disposition: String,
    /// Whether an aligned identifier passed.
    pub dkim: bool,
    pub spf: bool,
    /// Type and comment, where the policy was not followed.
    pub reasons: Vec<(String, String)>,
    pub header_from: String,
    pub envelope_from: String,
    /// The domain of the recipients.
    pub envelope_to: String,
    pub dkim_results: Vec<Dkim>,
    pub spf_results: Vec<Spf>,
    pub count: u64,
    pub expires: Time,
}

/// A signature's result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dkim {
    pub domain: String,
    pub selector: String,
    pub result: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spf {
    pub domain: String,
    /// `mfrom` or `helo`.
    pub scope: String,
    pub result: String,
}

impl Row {
    pub fn day_of(now: Time) -> i64 {
        now.seconds() / DAY
    }

    fn cut(&mut self) {
        let short = |text: &mut String| {
            if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
                text.truncate(at);
            }
        };
        for text in [&mut self.source, &mut self.header_from, &mut self.envelope_from, &mut self.envelope_to] {
            short(text);
        }
        if self.record.len() > MAX_RECORD {
            // Half an address would be another one.
            let kept = &self.record[..self.record.floor_char_boundary(MAX_RECORD)];
            self.record.truncate(kept.rfind([',', ';']).unwrap_or(0));
        }
        self.dkim_results.truncate(20);
        for signature in &mut self.dkim_results {
            short(&mut signature.domain);
            short(&mut signature.selector);
        }
        self.spf_results.iter_mut().for_each(|spf| short(&mut spf.domain));
    }

    fn alike(&self) -> String {
        let named = Row { count: 0, expires: Time::START, ..self.clone() };
        let digest: [u8; 32] = Sha256::digest(format::write(&named)).into();
        format::hex(&digest)
    }
}

impl Kept for Row {
    const SHELF: Shelf = Shelf::Reports;

    fn key(&self) -> Vec<u8> {
        let mut key = of_day(self.day, Some(&self.domain));
        key.extend_from_slice(self.alike().as_bytes());
        key
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("expires", self.expires.position().to_vec()), ("day", Vec::new())]
    }
}

fn of_day(day: i64, domain: Option<&str>) -> Vec<u8> {
    let mut at = u64::try_from(day).unwrap_or(0).to_be_bytes().to_vec();
    if let Some(domain) = domain {
        at.extend(text_position(domain.as_bytes()));
    }
    at
}

/// See [`crate::Store::reports`].
#[derive(Clone)]
pub struct Reports {
    backend: Arc<dyn Backend>,
}

impl Reports {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Reports {
        Reports { backend }
    }

    /// Counts one message; false where its domain has too many rows today, and it is only one more of those left out.
    pub fn add(&self, mut row: Row, keep: Span, now: Time) -> Result<bool> {
        row.cut();
        row.day = Row::day_of(now);
        row.expires = now.after(keep);
        let key = row.key();
        let what = || format!("DMARC of {}", row.domain);
        let known = shelves::get::<Row>(self.backend.as_ref(), &key)?.is_some();
        if !known && self.rows(row.day, &row.domain, 1, now)? > MAX_ROWS {
            self.left_out(row.day, &row.domain, 1, now)?;
            return Ok(false);
        }
        shelves::retry(self.backend.as_ref(), Durability::Soon, what, || {
            let found = shelves::get::<Row>(self.backend.as_ref(), &key)?;
            let (before, count) = match &found {
                Some((record, row)) => (Expect::Version(record.version), row.count),
                None => (Expect::Absent, 0),
            };
            Ok((vec![shelves::put(&Row { count: count.saturating_add(1), ..row.clone() }, before)], true))
        })
    }

    fn rows(&self, day: i64, domain: &str, more: i64, now: Time) -> Result<u64> {
        self.counted("dmarc rows", day, domain, more, now)
    }

    /// Messages of a day that no row counts, after adding `more`.
    pub fn left_out(&self, day: i64, domain: &str, more: i64, now: Time) -> Result<u64> {
        self.counted("dmarc left out", day, domain, more, now)
    }

    fn counted(&self, what: &str, day: i64, domain: &str, more: i64, now: Time) -> Result<u64> {
        let name = [&text_position(what.as_bytes())[..], domain.as_bytes()].concat();
        let slot = u64::try_from(day).unwrap_or(0);
        let expires = now.after(Span::from_secs(8 * DAY.unsigned_abs()));
        let sum = self.backend.count(&Count { name: &name, slot, add: more, since: slot, expires })?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }

    /// Domains with rows on that day, in order.
    pub fn domains(&self, day: i64) -> Result<Vec<String>> {
        let (mut domains, mut from): (Vec<String>, _) = (Vec::new(), of_day(day, None));
        let end = behind(&from);
        loop {
            let Some(row) = self.page(&from, end.as_deref(), 1)?.pop() else { return Ok(domains) };
            let Some(next) = behind(&of_day(day, Some(&row.domain))) else { return Ok(domains) };
            domains.push(row.domain);
            from = next;
        }
    }

    /// Of one domain and day, at most [`MAX_ROWS`] and a few.
    pub fn of(&self, day: i64, domain: &str) -> Result<Vec<Row>> {
        let mut from = of_day(day, Some(domain));
        let end = behind(&from);
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let page = self.page(&from, end.as_deref(), PAGE)?;
            let full = page.len() == PAGE;
            if let Some(last) = page.last() {
                from = [last.key(), vec![0]].concat();
            }
            rows.extend(page);
            if !full || rows.len() as u64 > 2 * MAX_ROWS {
                return Ok(rows);
            }
        }
    }

    fn page(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<Row>> {
        let range = Range { shelf: Shelf::Reports, list: "day", from, to, backwards: false, limit };
        self.backend.range(&range)?.iter().map(|record| format::read(Shelf::Reports, record)).collect()
    }

    /// Forgets what is over its time; how many rows.
    pub fn expire(&self, now: Time) -> Result<u64> {
        shelves::delete_up_to::<Row>(self.backend.as_ref(), "expires", &now.position())
    }
}

const PAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_is_cut_between_addresses() {
        let list: Vec<String> = (0..1000).map(|number| format!("mailto:{number}@a.example")).collect();
        let mut row = Row { record: format!("v=DMARC1; p=none; rua={}", list.join(",")), ..Row::default() };
        row.cut();
        assert!(row.record.len() <= MAX_RECORD && row.record.ends_with("@a.example"), "{}", row.record);
        for record in ["v=DMARC1; p=none", &"x".repeat(2000)] {
            let mut row = Row { record: record.into(), ..Row::default() };
            row.cut();
            assert_eq!(row.record, if record.len() > MAX_RECORD { "" } else { record });
        }
    }
}
