//! The statistics that the five RIRs publish every day (`delegated-apnic-extended-latest` and its kin): which range is in
//! which country, since when, and which ranges have the same holder. No names.
//!
//! `registry|cc|type|start|value|date|status[|opaque-id]`; the value of an IPv4 line is a count of addresses, not always a
//! power of two. Versions, summaries and comments are passed over; a line that is none of these and cannot be read is counted.

use crate::range::Range;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One line about IPv4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    pub registry: String,
    /// Two letters; `ZZ` where nobody has it.
    pub country: String,
    pub range: Range,
    /// `YYYYMMDD`; empty where nobody has it.
    pub date: String,
    /// `allocated`, `assigned`, `available`, `reserved`.
    pub status: String,
    /// The same for all ranges of one holder; empty in files that are not extended.
    pub holder: String,
}

/// All of one or more files, sorted for look-up.
#[derive(Debug, Clone, Default)]
pub struct Delegations {
    sorted: Vec<Delegation>,
    /// Lines that could not be read.
    pub wrong: usize,
}

impl Delegations {
    /// Takes one more file; [`Delegations::sort`] comes after the last.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            match delegation(line) {
                Line::Range(delegation) => self.sorted.push(delegation),
                Line::Other => {}
                Line::Wrong => self.wrong += 1,
            }
        }
    }

    pub fn sort(&mut self) {
        self.sorted.sort_by_key(|delegation| (delegation.range, std::cmp::Reverse(delegation.range.size())));
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The line that holds the address.
    pub fn find(&self, address: Ipv4Addr) -> Option<&Delegation> {
        let behind = self.sorted.partition_point(|delegation| delegation.range.first() <= address);
        // Lines of one registry do not overlap; a range that was transferred may stand in two files.
        self.sorted[..behind].iter().rev().take(4).find(|delegation| delegation.range.contains(address))
    }

    /// All lines that touch the range, in order.
    pub fn within(&self, range: Range) -> impl Iterator<Item = &Delegation> {
        let from = self.sorted.partition_point(|delegation| delegation.range.first() < range.first()).saturating_sub(4);
        let upto = self.sorted.partition_point(|delegation| delegation.range.first() <= range.last());
        self.sorted[from..upto].iter().filter(move |delegation| delegation.range.overlaps(range))
    }
}

enum Line {
    Range(Delegation),
    Other,
    Wrong,
}

fn delegation(line: &str) -> Line {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return Line::Other;
    }
    let fields: Vec<&str> = line.split('|').collect();
    match fields.as_slice() {
        // `2|apnic|20261121|70000|19830613|20261120|+1000`
        [version, ..] if version.parse::<f32>().is_ok() => Line::Other,
        [.., "summary"] | [_, _, "asn" | "ipv6", ..] => Line::Other,
        [registry, country, "ipv4", start, count, date, status, rest @ ..] => {
            let range =
                start.parse().ok().zip(count.parse().ok()).and_then(|(start, count)| Range::of_count(start, count));
            let Some(range) = range else { return Line::Wrong };
            Line::Range(Delegation {
                registry: (*registry).to_owned(),
                country: country.to_ascii_uppercase(),
                range,
                date: (*date).to_owned(),
                status: (*status).to_owned(),
                holder: rest.first().copied().unwrap_or_default().to_owned(),
            })
        }
        _ => Line::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APNIC: &str = "#comment\n2.3|apnic|20261121|4|19830613|20261120|+1000\napnic|*|ipv4|*|3|summary\n\
        apnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A91A5C3E\napnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A92D9378\n\
        apnic||ipv4|1.0.255.0|768||available\napnic|JP|asn|173|1|20020801|allocated|A9\napnic|JP|ipv6|2001:200::|35|19990813|allocated|A9\n\
        apnic|KR|ipv4|61.254.160.0|90112|20010724|allocated|A9K\nrubbish\napnic|JP|ipv4|1.2.3|256|x|allocated\n";

    #[test]
    fn found_by_address_and_range() {
        let mut all = Delegations::default();
        all.add(APNIC);
        all.sort();
        assert_eq!((all.len(), all.wrong), (4, 2));
        let talk = all.find(Ipv4Addr::new(180, 94, 8, 6)).unwrap();
        assert_eq!(
            (talk.country.as_str(), talk.range.to_string().as_str(), talk.holder.as_str()),
            ("PH", "180.94.0.0/19", "A91A5C3E")
        );
        assert_eq!(all.find(Ipv4Addr::new(61, 255, 255, 255)).unwrap().country, "KR");
        assert_eq!(all.find(Ipv4Addr::new(8, 8, 8, 8)), None);
        assert_eq!(all.within("1.0.0.0/8".parse().unwrap()).count(), 2);
        assert_eq!(all.within("180.94.8.0/24".parse().unwrap()).count(), 1);
    }
}
