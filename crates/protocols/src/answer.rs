//! What is decided about a question, in words that all protocols share; each says what it can of it.
//!
//! What a protocol has no words for is not lost in silence: [`Session::answer`](crate::Session::answer) returns it as
//! [`Unsaid`], and where silence could lose mail the session defers.

use crate::facts::Path;

/// The answer to one question. Whoever answers fills in all that is known; a session takes what its peer can hear.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub decision: Decision,
    /// Changes of the message and its envelope, heard where the peer keeps the message (milter at the end of the
    /// message; of the policy protocol's actions, one).
    pub edits: Vec<Edit>,
    /// Where decisions differ: one for each recipient, in the order of [`Scan::recipients`](crate::Scan::recipients).
    /// Empty where [`Answer::decision`] holds for all.
    pub recipients: Vec<Decision>,
    /// Words of a positive reply, where the protocol has them: SMTP's 250, such as what the next hop said.
    pub words: Option<String>,
    /// For who asks for a judgement rather than a decision (spamd).
    pub judgement: Option<Judgement>,
    /// For who asked to learn (spamd's TELL).
    pub told: Told,
    /// For who asked to inspect something: what is in it, file by file. Empty is not "nothing": that is said.
    pub findings: Vec<Finding>,
    /// For who asked how the service is.
    pub status: Option<String>,
}

impl Answer {
    pub fn accept() -> Self {
        Self::default()
    }

    pub fn decide(decision: Decision) -> Self {
        Self { decision, ..Self::default() }
    }
}

/// What becomes of the message, or at an early question of what was asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Decision {
    /// Go on; at the end: deliver.
    #[default]
    Accept,
    /// Early: let the rest pass without asking again. At the end the same as `Accept`.
    AcceptUnseen,
    /// For good, 5xx.
    Reject(Refusal),
    /// Come again, 4xx.
    Defer(Refusal),
    /// Say that it was accepted, and deliver it to nobody.
    Discard,
    /// Held by the mail server, in its own queue, for this reason.
    Quarantine(String),
}

/// The words of a 4xx or 5xx reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Zero, or a code that does not fit the decision: 550 or 451.
    pub code: u16,
    /// `(7, 1)` is X.7.1; the class follows the code.
    pub detail: Option<(u16, u16)>,
    /// One or more lines. Anything but printable ASCII becomes `?`.
    pub text: String,
}

impl Refusal {
    pub fn new(code: u16, detail: (u16, u16), text: impl Into<String>) -> Self {
        Self { code, detail: Some(detail), text: text.into() }
    }

    /// The code that fits `class` (4 or 5).
    pub fn code_in(&self, class: u16) -> u16 {
        match (self.code / 100 == class, class) {
            (true, _) => self.code,
            (false, 4) => 451,
            (false, _) => 550,
        }
    }

    /// The lines of a reply, without line ends: `550-5.7.1 text`, the last with a blank after the code.
    pub fn lines(&self, class: u16) -> Vec<String> {
        let code = self.code_in(class);
        let (subject, detail) = self.detail.map_or((7, 1), |(s, d)| (s.min(999), d.min(999)));
        let texts = reply_texts(&self.text);
        let last = texts.len() - 1;
        texts
            .iter()
            .enumerate()
            .map(|(n, text)| format!("{code}{}{class}.{subject}.{detail} {text}", if n < last { '-' } else { ' ' }))
            .collect()
    }
}

/// SMTP allows 512 bytes a line (RFC 5321 4.5.3.1.5), code and line end included; clients choke on very long replies.
const REPLY_LINE: usize = 480;
const REPLY_LINES: usize = 10;

/// Text for replies: printable ASCII in lines of bearable length, at least one.
pub(crate) fn reply_texts(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let clean: Vec<char> = line.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        for piece in clean.chunks(REPLY_LINE) {
            lines.push(piece.iter().collect::<String>().trim_end().to_owned());
        }
    }
    lines.truncate(REPLY_LINES);
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// A change of the message or its envelope.
///
/// Indexes are those of the message as it arrived, whatever other edits stand beside: a session orders them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new field before the field that arrived as number `index`; 0 is the top. Several at the same index keep
    /// their order.
    InsertHeader {
        index: u32,
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// New value for the `index`-th field (from 1) of this name; where there is none, a new field at the end.
    ReplaceHeader {
        name: Vec<u8>,
        index: u32,
        value: Vec<u8>,
    },
    /// Removes the `index`-th field (from 1) of this name.
    DeleteHeader {
        name: Vec<u8>,
        index: u32,
    },
    ReplaceBody(Vec<u8>),
    AddRecipient(Path),
    /// As it was given in RCPT.
    DeleteRecipient(Vec<u8>),
    ChangeSender(Path),
}

impl Edit {
    /// A field at the top: the only place that breaks no signature.
    pub fn top(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Edit::InsertHeader { index: 0, name: name.into(), value: value.into() }
    }
}

/// A judgement with its evidence, for programs that act on it themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    pub spam: bool,
    pub score: f64,
    pub threshold: f64,
    /// What [`Want`](crate::Want) asked for: names of rules with commas, a report, the rewritten message. `None` where a
    /// rewritten message was asked for: the session applies [`Answer::edits`] to what came.
    pub text: Option<Vec<u8>>,
}

/// What was done about a message that was to be learnt or forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub set: Places,
    pub removed: Places,
    /// Learning is not offered here; the peer is told so.
    pub refused: bool,
}

/// What was found in one file, or in what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `None`: in what was asked about.
    pub path: Option<Vec<u8>>,
    pub found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Names(Vec<String>),
    /// It could not be looked at, for this reason.
    Failed(String),
}

/// Where something is learnt: in the local store, at a remote service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    pub local: bool,
    pub remote: bool,
}

/// What of an answer the peer could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsaid {
    /// The question was withdrawn, or never asked.
    NoSuchQuestion,
    /// The mail server offered no such action, or the protocol has none.
    Edit(Edit),
    /// A field whose name no mail server would take.
    Malformed(Edit),
    /// An edit at a question that comes before the message.
    TooEarly(Edit),
    /// Holding is not offered; the message was deferred instead.
    Quarantine,
    /// Discarding cannot be said at this stage; it went on.
    Discard,
    /// The message did not come over SMTP: a refusal would strand it, so it went on.
    NobodyToRefuse,
    /// The reply's words; the bare refusal was sent.
    Words,
    /// Decisions differ between recipients and the protocol has one answer; it was deferred unless the decisions are
    /// of one kind.
    Recipients,
    /// A judgement was asked for and none was given; the peer was told that it is unavailable.
    Judgement,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_refusal() {
        for (code, class, text, lines) in [
            (554, 5, "no", vec!["554 5.7.1 no"]),
            (0, 5, "", vec!["550 5.7.1 "]),
            (554, 4, "later", vec!["451 4.7.1 later"]),
            (450, 4, "one\r\ntwo", vec!["450-4.7.1 one", "450 4.7.1 two"]),
            (550, 5, "関所\x07", vec!["550 5.7.1 ???"]),
        ] {
            assert_eq!(Refusal::new(code, (7, 1), text).lines(class), lines);
        }
        let long = Refusal::new(550, (7, 1), "x".repeat(100_000)).lines(5);
        assert_eq!(long.len(), REPLY_LINES);
        assert!(long.iter().all(|l| l.len() <= 510));
    }
}
