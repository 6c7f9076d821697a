//! What a check may want to know from outside, and what it was told.
//!
//! In: a [`Question`] that a check asks through [`Asking`]. Out: the [`Answer`] if it is already there, else [`Pending`],
//! and the question is noted so that the caller of [`crate::Scan`] can answer it together with all others. Nothing here
//! talks to a network. A check that asks must do so before it computes: it runs again from its beginning.
//!
//! A `HashMap` is enough: questions are few (tens a message) and asked once each.

use crate::check::Pending;
use mail::Authentication;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A DNS record type, by its number; written by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Record(pub u16);

impl Record {
    pub const A: Record = Record(1);
    pub const NS: Record = Record(2);
    pub const CNAME: Record = Record(5);
    pub const SOA: Record = Record(6);
    pub const PTR: Record = Record(12);
    pub const MX: Record = Record(15);
    pub const TXT: Record = Record(16);
    pub const AAAA: Record = Record(28);
    pub const SRV: Record = Record(33);

    /// By name, whatever its case; `TYPE123` too.
    pub fn named(name: &str) -> Option<Record> {
        let known = NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number);
        let numbered =
            || name.get(..4).filter(|start| start.eq_ignore_ascii_case("TYPE")).and(name.get(4..))?.parse().ok();
        known.or_else(numbered).map(Record)
    }
}

/// Those that rules may name.
static NAMES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (49, "DHCID"),
    (52, "TLSA"),
    (55, "HIP"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (99, "SPF"),
    (256, "URI"),
    (257, "CAA"),
];

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl From<Record> for String {
    fn from(record: Record) -> String {
        record.to_string()
    }
}

impl TryFrom<String> for Record {
    type Error = String;

    fn try_from(name: String) -> Result<Record, String> {
        Record::named(&name).ok_or_else(|| format!("{name:?} is no record type"))
    }
}

/// A fact from outside that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Question {
    /// A DNS look-up of a fully written name, lower case, without the trailing dot.
    Dns { name: String, record: Record },
    /// Who sent the message, proven by SPF, DKIM, ARC and DMARC.
    Authentication(Sender),
    /// How likely what was learnt of earlier mail makes it that this message is spam.
    SpamProbability,
    /// What a network of other sites knows of this message.
    Digest(Network),
    /// What earlier mail scored whose sender goes by this name.
    Reputation { kind: String, who: String },
    /// Whether we have met.
    Acquaintance(Acquaintance),
    /// No check asks it: what there was of an answer of DNS that was too much to be kept, in [`Answer::Figures`]. It stands
    /// beside the answer, so that a replay tells of it too.
    Beyond { name: String, record: Record },
    /// How long mail here has mentioned this name, and in what mail.
    Mention { what: Mention, who: String },
}

/// Kinds of names that mail mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mention {
    /// A mail address.
    Address,
    /// The registered domain of a link.
    Domain,
}

/// Whether DNS can hold a name; the last dot does not count.
pub fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    (1..=253).contains(&name.len()) && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Sites that tell each other of mail by digests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    Pyzor,
    Razor,
    /// It wants to know who handed the message over, outside: address, name, greeting.
    Dcc {
        client: String,
        name: String,
        helo: String,
    },
}

impl Network {
    /// As people call it.
    pub fn title(&self) -> &'static str {
        match self {
            Network::Pyzor => "Pyzor",
            Network::Razor => "Razor",
            Network::Dcc { .. } => "DCC",
        }
    }
}

/// What may be known of earlier mail here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Acquaintance {
    /// One of the recipients had mail of this author.
    Recipient,
    /// Somebody here had.
    Site,
    /// Somebody here had mail from the author's domain.
    Domain,
    /// One of the recipients wrote to this author.
    PenPal,
    /// It answers mail of ours.
    Answer,
    /// We sent the message of this Message-ID; its author must be one of us, or nothing is known.
    Ours { id: String, author: String },
}

/// Who claims to have sent a message, and from where; the rest is the message's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sender {
    /// The first relay outside.
    pub client: Option<IpAddr>,
    pub helo: String,
    /// Empty for the null sender.
    pub sender: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// Record data in presentation form (names end in a dot), in the order received; empty: the name has none.
    Records(Vec<String>),
    /// The strings of each TXT record.
    Texts(Vec<Vec<String>>),
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// The name server answered with this code instead (2: SERVFAIL, 5: REFUSED).
    Failed(u16),
    /// What all methods found.
    Authentication(Arc<Authentication>),
    /// A probability, in millionths: whole, so that a recorded answer is the same answer.
    Millionths(u32),
    /// What a network of digests counts, by name.
    Figures(Vec<(String, i64)>),
    /// The same with the header field that it would write.
    Metrics { header: String, figures: Vec<(String, i64)> },
    /// Messages and their scores, in thousandths of a point.
    Standing { count: u64, total: i64 },
    /// It is so, or it is not. Where it cannot be told the answer is `Unknown`.
    Known(bool),
    /// Seconds since it was mentioned first (`None`: never), and how often in mail that was no spam and in spam.
    Mentioned { age: Option<u64>, ham: u64, spam: u64 },
    /// Not asked: the message had too many questions already, or the list is left alone for a while.
    NotAsked,
    /// No answer within the deadline. Never the same as "no".
    Unknown,
}

impl Answer {
    /// Record data, a TXT record's strings put together.
    pub fn records(&self) -> Vec<String> {
        match self {
            Answer::Records(records) => records.clone(),
            Answer::Texts(texts) => texts.iter().map(|strings| strings.concat()).collect(),
            _ => Vec::new(),
        }
    }
}

/// All answers known so far for one message. Recorded answers make a verdict repeatable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Question, Answer)>", into = "Vec<(Question, Answer)>")]
pub struct Answers(HashMap<Question, Answer>);

impl From<Vec<(Question, Answer)>> for Answers {
    fn from(list: Vec<(Question, Answer)>) -> Answers {
        Answers(list.into_iter().collect())
    }
}

impl From<Answers> for Vec<(Question, Answer)> {
    /// Sorted, so that the same answers are written the same.
    fn from(answers: Answers) -> Vec<(Question, Answer)> {
        let mut list: Vec<_> = answers.0.into_iter().collect();
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        list
    }
}

impl Answers {
    pub fn insert(&mut self, question: Question, answer: Answer) {
        self.0.insert(question, answer);
    }

    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.0.get(question)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of who sent the message.
    pub fn authentication(&self) -> Option<&Arc<Authentication>> {
        self.0.values().find_map(|answer| match answer {
            Answer::Authentication(found) => Some(found),
            _ => None,
        })
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Question, &Answer)> {
        self.0.iter()
    }
}

/// The checks' side: known answers, and where open questions gather.
#[derive(Default)]
pub struct Asking<'a> {
    known: Option<&'a Answers>,
    open: RefCell<Vec<Question>>,
}

impl<'a> Asking<'a> {
    pub fn new(known: &'a Answers) -> Asking<'a> {
        Asking { known: Some(known), open: RefCell::default() }
    }

    /// The answer, or [`Pending`]; then the question is open.
    pub fn get(&self, question: Question) -> Result<&'a Answer, Pending> {
        if let Some(answer) = self.known.and_then(|known| known.get(&question)) {
            return Ok(answer);
        }
        let mut open = self.open.borrow_mut();
        if !open.contains(&question) {
            open.push(question);
        }
        Err(Pending)
    }

    /// Whether some question is open.
    pub fn is_open(&self) -> bool {
        !self.open.borrow().is_empty()
    }

    /// The questions that were asked and had no answer, in the order asked.
    pub fn into_open(self) -> Vec<Question> {
        self.open.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_without_answer_is_noted_once_and_answered_later() {
        let question = Question::Dns { name: "example.com".into(), record: Record::TXT };
        let none = Answers::default();
        let asking = Asking::new(&none);
        assert_eq!(asking.get(question.clone()), Err(Pending));
        assert_eq!(asking.get(question.clone()), Err(Pending));
        let open = asking.into_open();
        assert_eq!(open, std::slice::from_ref(&question));

        let mut answers = Answers::default();
        answers.insert(question.clone(), Answer::Records(vec!["v=spf1 -all".into()]));
        assert_eq!(Asking::new(&answers).get(question), Ok(&Answer::Records(vec!["v=spf1 -all".into()])));
    }

    #[test]
    fn record_types_by_name() {
        for (name, number) in [("A", 1), ("txt", 16), ("TYPE65280", 65280), ("caa", 257)] {
            assert_eq!(Record::named(name), Some(Record(number)), "{name}");
        }
        assert_eq!(Record::named("TYPE"), None);
        assert_eq!(Record::named("ÄÖ"), None);
        assert_eq!((Record::MX.to_string(), Record(65280).to_string()), ("MX".into(), "TYPE65280".into()));
    }

    #[test]
    fn written_answers_are_read_again() {
        let mut answers = Answers::default();
        let dns = |name: &str, record| Question::Dns { name: name.into(), record };
        answers.insert(dns("b.example", Record::A), Answer::Records(vec!["127.0.0.2".into()]));
        answers.insert(dns("a.example", Record::TXT), Answer::Texts(vec![vec!["x".into(), "y".into()]]));
        answers.insert(Question::SpamProbability, Answer::Millionths(3));
        let text = serde_json::to_string(&answers).unwrap();
        assert!(text.starts_with(r#"[[{"dns":{"name":"a.example","record":"TXT"}},{"texts":[["x","y"]]}],"#), "{text}");
        assert_eq!(serde_json::from_str::<Answers>(&text).unwrap(), answers);
    }
}
