//! `[dns.fake]`: names with records that are only pretended, so that a rule can be tried without a network.
//!
//! A name stands for itself, `*.name` for all below it that are not named; a CNAME is followed.

use crate::config::dns::{FakeRecord, fake_record};
use engine::{Answer, Record};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub struct Fake {
    names: HashMap<String, Vec<FakeRecord>>,
}

/// Aliases followed.
const CHAIN: usize = 8;

impl Fake {
    /// Entries were checked with the configuration.
    pub fn new(written: &BTreeMap<String, Vec<String>>) -> Fake {
        let entry = |(name, records): (&String, &Vec<String>)| {
            let records = records.iter().filter_map(|record| fake_record(record).ok()).collect();
            (name.trim_end_matches('.').to_lowercase(), records)
        };
        Fake { names: written.iter().map(entry).collect() }
    }

    /// `None`: says nothing of this name.
    pub fn answer(&self, name: &str, record: Record) -> Option<Answer> {
        let mut name = name.to_owned();
        for _ in 0..CHAIN {
            let records = self.records(&name)?;
            let alias = records.iter().find_map(|one| match one {
                FakeRecord::Record(Record::CNAME, target) if record != Record::CNAME => Some(target),
                _ => None,
            });
            match alias {
                Some(target) => name = target.trim_end_matches('.').to_lowercase(),
                None => return Some(of(records, record)),
            }
        }
        Some(Answer::Failed(2))
    }

    fn records(&self, name: &str) -> Option<&[FakeRecord]> {
        if let Some(found) = self.names.get(name) {
            return Some(found);
        }
        let mut rest = name;
        while let Some((_, above)) = rest.split_once('.') {
            if let Some(found) = self.names.get(&format!("*.{above}")) {
                return Some(found);
            }
            rest = above;
        }
        None
    }
}

fn of(records: &[FakeRecord], wanted: Record) -> Answer {
    let mut data = Vec::new();
    let mut texts = Vec::new();
    for record in records {
        match record {
            FakeRecord::NoSuchName => return Answer::NoSuchName,
            FakeRecord::Code(code) => return Answer::Failed(*code),
            FakeRecord::Silence => return Answer::Unknown,
            FakeRecord::Record(kind, value) if *kind == wanted => data.push(value.clone()),
            FakeRecord::Text(strings) if wanted == Record::TXT => texts.push(strings.clone()),
            FakeRecord::Record(..) | FakeRecord::Text(_) => {}
        }
    }
    if wanted == Record::TXT { Answer::Texts(texts) } else { Answer::Records(data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wildcards_and_aliases() {
        let written = [
            ("list.example", vec!["A 127.0.0.2", "TXT listed"]),
            ("*.wild.example", vec!["A 127.0.0.9"]),
            ("none.wild.example", vec!["NXDOMAIN"]),
            ("alias.example", vec!["CNAME list.example."]),
            ("loop.example", vec!["CNAME loop.example."]),
            ("silent.example", vec!["TIMEOUT"]),
        ];
        let written =
            written.map(|(name, records)| (name.to_owned(), records.into_iter().map(str::to_owned).collect()));
        let fake = Fake::new(&written.into());
        let a = |address: &str| Some(Answer::Records(vec![address.to_owned()]));
        for (name, record, expected) in [
            ("list.example", Record::A, a("127.0.0.2")),
            ("list.example", Record::TXT, Some(Answer::Texts(vec![vec!["listed".into()]]))),
            ("list.example", Record::MX, Some(Answer::Records(vec![]))),
            ("a.b.wild.example", Record::A, a("127.0.0.9")),
            ("none.wild.example", Record::A, Some(Answer::NoSuchName)),
            ("alias.example", Record::A, a("127.0.0.2")),
            ("loop.example", Record::A, Some(Answer::Failed(2))),
            ("silent.example", Record::A, Some(Answer::Unknown)),
            ("other.example", Record::A, None),
        ] {
            assert_eq!(fake.answer(name, record), expected, "{name}");
        }
    }
}
