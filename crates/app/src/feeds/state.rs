//! What is remembered of a feed between two runs: when it was asked, what it sent, why not.

use super::generations::{self, Shelf};
use feeds::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Why a feed could not be updated. What it had stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What came is not believed.
    Refused(Refusal),
    /// The publisher does not want to be asked for so many seconds.
    CoolDown { status: u16, seconds: u64 },
    /// The network, or the server.
    Transport(String),
    /// Rules or signatures that cannot be used.
    Content(String),
    /// An account, a key, a program.
    Missing(String),
    /// Our own disk and so on.
    Ours(String),
}

impl Failure {
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Refused(refusal) => refusal.kind(),
            Failure::CoolDown { .. } => "cool-down",
            Failure::Transport(_) => "transport",
            Failure::Content(_) => "content",
            Failure::Missing(_) => "missing",
            Failure::Ours(_) => "ours",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::CoolDown { status, seconds } => {
                write!(f, "the server says {status}: it is not asked again for {} h", seconds.div_ceil(3600))
            }
            Failure::Transport(text) | Failure::Content(text) | Failure::Ours(text) => f.write_str(text),
            Failure::Missing(text) => write!(f, "{text} is missing"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Ours(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Ours(format!("{error:#}"))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Seconds since 1970, as all times here.
    pub asked: i64,
    /// The publisher answered, with something new or not.
    pub answered: i64,
    pub changed: i64,
    /// Not to be asked before this.
    pub not_before: i64,
    /// In a row.
    pub failures: u32,
    /// Of the last run, by file; the feed as a whole under its own name.
    pub errors: BTreeMap<String, Error>,
    /// Of channels and databases.
    pub versions: BTreeMap<String, u64>,
    pub files: BTreeMap<String, FileState>,
    /// Answers that are not files of the set: lists of mirrors, archives.
    pub answers: BTreeMap<String, Validator>,
    /// What the administrator was told last, so that he is told once.
    pub told: String,
    /// SHA-256 of contents that were taken back: they are not taken again.
    pub taken_back: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    pub kind: String,
    pub text: String,
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Error {
        Error { kind: failure.kind().into(), text: failure.to_string() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileState {
    pub sha256: String,
    pub bytes: u64,
    /// Lines that say something.
    pub lines: usize,
    pub changed: i64,
    /// How we know that it is the publisher's: `OpenPGP FINGERPRINT`, `SHA-256`, `CVD`, `nothing`.
    pub proof: String,
    /// When the publisher signed it.
    pub signed: u64,
    pub validator: Validator,
}

/// What an HTTP server said to ask with next time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validator {
    /// Good for this address alone.
    pub url: String,
    pub etag: String,
    pub modified: String,
}

const FILE: &str = "state.json";
/// After the first failure; doubled with each.
const BACK_OFF: u64 = 600;
const LONGEST_BACK_OFF: u64 = 24 * 3600;
/// Contents that were taken back are remembered, the oldest forgotten.
const TAKEN_BACK: usize = 100;

impl State {
    /// A state that cannot be read is none: everything is asked for again.
    pub fn load(shelf: &Shelf) -> State {
        let text = std::fs::read(shelf.root.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub fn store(&self, shelf: &Shelf) -> anyhow::Result<()> {
        generations::make_folder(&shelf.root)?;
        Ok(generations::write_whole(&shelf.root.join(FILE), &serde_json::to_vec_pretty(self)?)?)
    }

    /// When it may be asked again.
    pub fn due(&self, every: u64) -> i64 {
        if self.asked == 0 {
            return self.not_before;
        }
        self.not_before.max(self.asked.saturating_add_unsigned(every))
    }

    pub fn failed(&mut self, failure: &Failure, now: i64) {
        self.failures = self.failures.saturating_add(1);
        let wait = match failure {
            Failure::CoolDown { seconds, .. } => *seconds,
            _ => (BACK_OFF << (self.failures - 1).min(10)).min(LONGEST_BACK_OFF),
        };
        self.not_before = now.saturating_add_unsigned(wait);
    }

    pub fn take_back(&mut self, sha256: String) {
        self.taken_back.push(sha256);
        let surplus = self.taken_back.len().saturating_sub(TAKEN_BACK);
        self.taken_back.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_less_and_less() {
        let mut state = State::default();
        assert_eq!(state.due(3600), 0, "at once at first");
        state.asked = 1000;
        assert_eq!(state.due(3600), 4600);
        let mut waits = Vec::new();
        for _ in 0..12 {
            state.failed(&Failure::Transport("x".into()), 1000);
            waits.push(state.not_before - 1000);
        }
        assert_eq!(waits[..4], [600, 1200, 2400, 4800]);
        assert_eq!(waits[11], 86_400);
        state.failed(&Failure::CoolDown { status: 429, seconds: 90_000 }, 1000);
        assert_eq!(state.due(3600), 91_000);
    }
}
