//! From which autonomous system an address comes, by tables that others make of the routes they see.
//!
//! In: lines of iptoasn's `ip2asn-v4.tsv` (`1.0.0.0<TAB>1.0.0.255<TAB>13335<TAB>US<TAB>CLOUDFLARENET`) or of CAIDA's
//! routeviews-prefix2as (`1.0.0.0<TAB>24<TAB>13335`). Out: number and name for an address. Lines that are neither are counted
//! and left out.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// No table has more lines.
const MOST_LINES: usize = 5_000_000;
const LONGEST_NAME: usize = 80;

/// All ranges of one or more tables.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    ranges: Vec<Entry>,
    names: Vec<String>,
    known: HashMap<String, u32>,
    /// Lines that were not understood.
    pub wrong: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    first: u32,
    last: u32,
    number: u32,
    name: u32,
}

/// Who announces a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    pub number: u32,
    /// Empty: the table does not say.
    pub name: &'a str,
}

impl std::fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name {
            "" => write!(f, "AS{}", self.number),
            name => write!(f, "AS{} {name}", self.number),
        }
    }
}

impl Origins {
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.ranges.len() < MOST_LINES {
                true => match self.line(line) {
                    Some(Some(entry)) => self.ranges.push(entry),
                    Some(None) => {}
                    None => self.wrong += 1,
                },
                false => self.wrong += 1,
            }
        }
    }

    /// `Some(None)`: a range that nobody announces.
    fn line(&mut self, line: &str) -> Option<Option<Entry>> {
        let mut fields = line.split('\t');
        let first: u32 = fields.next()?.trim().parse::<Ipv4Addr>().ok()?.into();
        let second = fields.next()?.trim();
        // Several systems that announce the same: the first.
        let number = fields.next()?.trim().split(['_', ',']).next()?.parse().ok()?;
        let last = match second.parse::<Ipv4Addr>() {
            Ok(last) => u32::from(last),
            Err(_) => {
                let length: u32 = second.parse().ok().filter(|length| *length <= 32)?;
                first | u32::MAX.checked_shr(length).unwrap_or(0)
            }
        };
        if last < first {
            return None;
        }
        let _country = fields.next();
        let name: String =
            fields.next().unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        if number == 0 {
            return Some(None);
        }
        let fresh = self.names.len() as u32;
        let at = *self.known.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            fresh
        });
        Some(Some(Entry { first, last, number, name: at }))
    }

    /// Before the first [`Origins::find`].
    pub fn sort(&mut self) {
        self.ranges.sort_unstable();
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The most specific range that holds the address.
    pub fn find(&self, address: Ipv4Addr) -> Option<Origin<'_>> {
        let address = u32::from(address);
        let end = self.ranges.partition_point(|entry| entry.first <= address);
        // Prefixes hold each other: the nearest that reaches so far. Beyond the 33 lengths of a prefix nothing can be near.
        let entry = self.ranges[..end].iter().rev().take(512).find(|entry| entry.last >= address)?;
        Some(Origin { number: entry.number, name: self.names.get(entry.name as usize).map_or("", String::as_str) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_read() {
        let mut origins = Origins::default();
        origins.add("# comment\n180.94.0.0\t180.94.31.255\t17639\tPH\tGLOBALSPEED\n0.0.0.0\t0.255.255.255\t0\tNone\tNot routed\nnonsense\n");
        origins.add("1.0.0.0\t16\t2519\n1.0.16.0\t24\t2518_2519\n1.0.0.0\t33\t1\n0.0.0.0\t0\t5\n");
        origins.sort();
        let find = |address: &str| origins.find(address.parse().expect("address")).map(|origin| origin.to_string());
        assert_eq!(find("180.94.8.6").as_deref(), Some("AS17639 GLOBALSPEED"));
        assert_eq!(find("1.0.16.9").as_deref(), Some("AS2518"));
        assert_eq!(find("1.0.17.9").as_deref(), Some("AS2519"));
        assert_eq!(find("9.9.9.9").as_deref(), Some("AS5"));
        assert_eq!(origins.wrong, 2);
        assert_eq!(Origins::default().find("1.0.0.1".parse().expect("address")), None);
    }
}
