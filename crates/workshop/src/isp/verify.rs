//! What about the records does not hold any more.

use super::{Record, State};
use feeds::range::Range;
use feeds::registry::delegated::Delegations;
use std::net::Ipv4Addr;

/// Why a record is suspect, in words for its admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub why: String,
}

/// Two records that hold the same addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub one: String,
    pub other: String,
    pub range: Range,
    /// Country codes differ, so one of them is wrong.
    pub conflict: bool,
}

/// Compares what the registries say today with what they said when the record was made. `good`: addresses from which good
/// mail that proved its sender came. `silent_before`: records from which no spam came since that day (`2026-08-24`) are
/// suspect; empty: that is not looked at. Suspended records are left alone.
pub fn verify(records: &[Record], today: &Delegations, good: &[Ipv4Addr], silent_before: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for record in records.iter().filter(|record| record.state == State::Active) {
        let mut found = |why: String| findings.push(Finding { name: record.name.clone(), why });
        if let Some(address) = good.iter().find(|address| record.ranges.iter().any(|range| range.contains(**address))) {
            found(format!("good mail came from {address}"));
            continue;
        }
        let last = if record.seen.is_empty() { &record.added } else { &record.seen };
        if !silent_before.is_empty() && !last.is_empty() && last.as_str() < silent_before {
            found(format!("nothing came from there since {last}"));
            continue;
        }
        if today.is_empty() {
            continue;
        }
        if let Some(why) = changed(record, today) {
            found(why);
        }
    }
    findings
}

/// In what the registries' word about it differs.
fn changed(record: &Record, today: &Delegations) -> Option<String> {
    let now = today.find(record.ranges.first()?.first());
    if let Some(then) = &record.delegated {
        let since = match now {
            None => Some(format!("{} is in no registry's statistics any more", then.range)),
            Some(now) if now.status != then.status => {
                Some(format!("{} was {} and is {}", now.range, then.status, now.status))
            }
            Some(now) if now.country != then.country => {
                Some(format!("{} was in {} and is in {}", now.range, then.country, now.country))
            }
            Some(now) if now.registry != then.registry => {
                Some(format!("{} went from {} to {}", now.range, then.registry, now.registry))
            }
            Some(now) if now.holder != then.holder => {
                Some(format!("{} has another holder than when it was added", now.range))
            }
            Some(now) if now.date != then.date => {
                Some(format!("{} was given out anew: {}, before {}", now.range, now.date, then.date))
            }
            Some(now) if now.range != then.range => {
                Some(format!("{} was cut anew: it is {} now", then.range, now.range))
            }
            Some(_) => None,
        };
        if since.is_some() {
            return since;
        }
    }
    // Parts of it may have gone elsewhere.
    for part in record.ranges.iter().flat_map(|range| today.within(*range)) {
        if now.is_some_and(|now| now.range == part.range) {
            continue;
        }
        if !matches!(part.status.as_str(), "allocated" | "assigned") {
            return Some(format!("{} in it is {}", part.range, part.status));
        }
        if !record.country.is_empty() && part.country != record.country && part.country != "ZZ" {
            return Some(format!("{} in it is in {}, not in {}", part.range, part.country, record.country));
        }
        let was_one = record.delegated.as_ref().filter(|then| then.range.holds(part.range));
        if was_one.is_some_and(|then| then.holder != part.holder) {
            return Some(format!("{} in it has another holder", part.range));
        }
    }
    // What its description says may never have been so.
    match now {
        Some(now) if !record.country.is_empty() && now.country != record.country && now.country != "ZZ" => {
            Some(format!("{} is in {}, not in {}", now.range, now.country, record.country))
        }
        Some(now) if !matches!(now.status.as_str(), "allocated" | "assigned") => {
            Some(format!("{} is {}: nobody should send from there", now.range, now.status))
        }
        _ => None,
    }
}

/// Records that share addresses, each pair once.
pub fn overlaps(records: &[Record]) -> Vec<Overlap> {
    let mut all: Vec<(Range, usize)> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        all.extend(record.ranges.iter().map(|range| (*range, at)));
    }
    all.sort_unstable();
    let mut found: Vec<Overlap> = Vec::new();
    // Ranges that are still open where the next begins.
    let mut open: Vec<(Range, usize)> = Vec::new();
    for (range, at) in all {
        open.retain(|(before, _)| before.last() >= range.first());
        for (before, other) in &open {
            let (one, other) = (&records[*other], &records[at]);
            if one.name == other.name || found.iter().any(|known| known.one == one.name && known.other == other.name) {
                continue;
            }
            let shared = Range::new(range.first(), before.last().min(range.last())).unwrap_or(range);
            found.push(Overlap {
                one: one.name.clone(),
                other: other.name.clone(),
                range: shared,
                conflict: one.country != other.country,
            });
        }
        open.push((range, at));
    }
    found
}
