//! Records as name servers send them, in the words of the engine.
//!
//! In: the data of an answer, as the library took them apart. Out: the text of those that were asked for, within limits, and
//! what was beyond these. A file of its own so that it is fuzzed with the bytes of a whole answer (`fuzz/targets/reply.rs`).

use super::proto::rr::RData;
use engine::{Answer, Record};
use std::fmt::Write as _;

/// Of one answer; a name may have thousands.
const RECORDS: usize = 100;
/// Bytes of one record in text; a TXT record may have 65,535.
const LONGEST_RECORD: usize = 16_384;

/// An answer, and what of it was too much to be kept: of what, and how much there was.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub answer: Answer,
    pub beyond: Vec<(String, i64)>,
}

impl From<Answer> for Found {
    fn from(answer: Answer) -> Found {
        Found { answer, beyond: Vec::new() }
    }
}

/// What there can be too much of, as it stands in a recorded answer.
const MANY: &str = "records";
const LONG: &str = "bytes";
const ALIASES: &str = "aliases";

impl Found {
    /// More aliases than are followed: a failure of the server (SERVFAIL), as resolvers have it.
    pub fn chain() -> Found {
        Found { answer: Answer::Failed(2), beyond: vec![(ALIASES.to_owned(), 1)] }
    }
}

/// `x.example TXT: 1000 records, of which 100 are looked at`.
pub fn beyond_in_words(name: &str, record: Record, beyond: &[(String, i64)]) -> String {
    let each = beyond.iter().map(|(what, count)| match what.as_str() {
        MANY => format!("{count} records, of which {RECORDS} are looked at"),
        LONG => format!("a record of {count} bytes, of which {LONGEST_RECORD} at most are looked at"),
        ALIASES => "more aliases (CNAME) one behind the other than are followed".to_owned(),
        other => format!("{count} {other}"),
    });
    format!("{name} {record}: {}", each.collect::<Vec<_>>().join("; "))
}

/// Those of the type that was asked for: an alias on the way is none.
pub fn of_records<'r>(data: impl Iterator<Item = &'r RData>, record: Record) -> Found {
    // A record without data is one of RFC 2136's updates, and no answer.
    let holds = |data: &&RData| u16::from(data.record_type()) == record.0 && !matches!(data, RData::Update0(_));
    let wanted: Vec<&RData> = data.filter(holds).collect();
    let mut longest = 0;
    let kept = wanted.iter().take(RECORDS);
    let answer = if record == Record::TXT {
        let texts = kept.filter_map(|data| match data {
            RData::TXT(text) => {
                longest = longest.max(text.txt_data.iter().map(|string| string.len()).sum::<usize>());
                let mut room = LONGEST_RECORD;
                let within = text.txt_data.iter().take_while(|string| take(&mut room, string.len()));
                Some(within.map(|string| String::from_utf8_lossy(string).into_owned()).collect())
            }
            _ => None,
        });
        Answer::Texts(texts.collect())
    } else {
        let texts = kept.map(|data| {
            let mut text = String::new();
            // Some kinds of data cannot be written.
            let _ = write!(text, "{data}");
            longest = longest.max(text.len());
            text.truncate(text.floor_char_boundary(LONGEST_RECORD));
            text
        });
        Answer::Records(texts.collect())
    };
    let count = |what: &str, count: usize| (what.to_owned(), i64::try_from(count).unwrap_or(i64::MAX));
    let many = (wanted.len() > RECORDS).then(|| count(MANY, wanted.len()));
    let long = (longest > LONGEST_RECORD).then(|| count(LONG, longest));
    Found { answer, beyond: many.into_iter().chain(long).collect() }
}

/// Whether it fits in.
fn take(room: &mut usize, bytes: usize) -> bool {
    let fits = bytes <= *room;
    *room = if fits { *room - bytes } else { 0 };
    fits
}

#[cfg(test)]
mod tests {
    use super::super::proto::rr::rdata::{A, CNAME, TXT};
    use super::super::proto::rr::{Name, RecordType};
    use super::*;

    #[test]
    fn records_of_the_type_asked_for() {
        let name = Name::from_ascii("x.example.").unwrap();
        let data = [RData::CNAME(CNAME(name)), RData::A(A::new(127, 0, 0, 2)), RData::A(A::new(127, 0, 0, 3))];
        let expected = Answer::Records(vec!["127.0.0.2".into(), "127.0.0.3".into()]);
        assert_eq!(of_records(data.iter(), Record::A), expected.into());
        assert_eq!(of_records(data.iter(), Record::CNAME), Answer::Records(vec!["x.example.".into()]).into());
        assert_eq!(of_records(data.iter(), Record::MX), Answer::Records(vec![]).into());
        let empty = [RData::Update0(RecordType::A), RData::A(A::new(127, 0, 0, 2))];
        assert_eq!(of_records(empty.iter(), Record::A), Answer::Records(vec!["127.0.0.2".into()]).into());
        let text = RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()]));
        let expected = Answer::Texts(vec![vec!["v=spf1 ".into(), "-all".into()]]);
        assert_eq!(of_records([text].iter(), Record::TXT), expected.into());
    }

    #[test]
    fn a_thousand_records_or_a_huge_text_stay_within_limits() {
        let many = vec![RData::A(A::new(127, 0, 0, 2)); 1000];
        let found = of_records(many.iter(), Record::A);
        assert_eq!(found.answer.records().len(), RECORDS);
        assert_eq!(found.beyond, [(MANY.to_owned(), 1000)]);
        let huge = RData::TXT(TXT::new(vec!["x".repeat(255); 200]));
        let found = of_records([huge].iter(), Record::TXT);
        assert_eq!(found.answer.records()[0].len(), LONGEST_RECORD / 255 * 255);
        assert_eq!(found.beyond, [(LONG.to_owned(), 200 * 255)]);
        assert!(
            beyond_in_words("x.test", Record::TXT, &found.beyond).starts_with("x.test TXT: a record of 51000 bytes")
        );
        // As much as fits in is all there.
        let full = vec![RData::A(A::new(127, 0, 0, 2)); RECORDS];
        assert!(of_records(full.iter(), Record::A).beyond.is_empty());
    }
}
