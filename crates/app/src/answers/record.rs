//! Answers written down, so that a verdict can be reached again without a network.
//!
//! A file holds, for each message by its SHA-256, the time at which it was judged and all that it was told. `--replay`
//! takes both from there and asks nobody; what the file does not hold counts as not asked, and the verdict says so.

use crate::language::said;
use anyhow::Context;
use engine::Answers;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    messages: BTreeMap<String, Told>,
}

/// What one message was judged with besides itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Seconds since 1970.
    pub now: i64,
    pub answers: Answers,
}

const VERSION: u32 = 1;
/// Bytes of a file that is read.
const LONGEST: u64 = 1 << 30;

/// Where messages' answers come from, or go to.
#[derive(Debug)]
pub enum Tape {
    Record(Mutex<Messages>),
    Replay(Messages),
}

type Messages = BTreeMap<String, Told>;

impl Tape {
    pub fn recording() -> Tape {
        Tape::Record(Mutex::default())
    }

    pub fn open(path: &Path) -> anyhow::Result<Tape> {
        let place = || path.display().to_string();
        let length = std::fs::metadata(path).with_context(place)?.len();
        anyhow::ensure!(length <= LONGEST, "{}: longer than {LONGEST} bytes", path.display());
        let bytes = std::fs::read(path).with_context(place)?;
        let told = || said!("{}: not what --record writes", "{}: --record で書いたものではありません", path.display());
        let text = String::from_utf8(bytes).with_context(told)?;
        Ok(Tape::Replay(parse(&text).with_context(told)?))
    }

    /// `None`: not in the file, or none is being replayed.
    pub fn told(&self, message: &[u8]) -> Option<Told> {
        match self {
            Tape::Record(_) => None,
            Tape::Replay(messages) => messages.get(&key(message)).cloned(),
        }
    }

    pub fn keep(&self, message: &[u8], told: Told) {
        if let Tape::Record(messages) = self {
            messages.lock().unwrap_or_else(PoisonError::into_inner).insert(key(message), told);
        }
    }

    pub fn write(self, path: &Path) -> anyhow::Result<()> {
        if let Tape::Record(messages) = self {
            let messages = messages.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut text = serde_json::to_string_pretty(&File { version: VERSION, messages })?;
            text.push('\n');
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, Told>> {
    let file: File = serde_json::from_str(text)?;
    anyhow::ensure!(file.version == VERSION, "written by another version of sekisho (form {})", file.version);
    Ok(file.messages)
}

fn key(message: &[u8]) -> String {
    Sha256::digest(message).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Answer, Question, Record};

    #[test]
    fn what_was_recorded_is_replayed() {
        let mut answers = Answers::default();
        let question = Question::Dns { name: "x.example".into(), record: Record::A };
        answers.insert(question, Answer::Records(vec!["127.0.0.2".into()]));
        let told = Told { now: 5, answers };
        let tape = Tape::recording();
        tape.keep(b"message", told.clone());
        assert_eq!(tape.told(b"message"), None);
        let path = std::env::temp_dir().join(format!("sekisho-tape-{}.json", std::process::id()));
        tape.write(&path).unwrap();
        let tape = Tape::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tape.told(b"message"), Some(told));
        assert_eq!(tape.told(b"another"), None);
        assert!(parse("{\"version\":2,\"messages\":{}}").is_err());
        assert!(parse("[]").is_err());
    }
}
