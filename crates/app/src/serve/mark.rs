//! The mark on what we handed on: it keeps mail from running in circles and from being judged twice.
//!
//! `X-Sekisho-Loop: HOST; TIME; DIGEST` stands on top. The digest covers everything below it, the envelope and the time,
//! under a secret of this process, so that nobody can write one, and nobody who reads one has a pass for another message
//! or for other recipients. What comes back with a true mark that is not old (the port behind the filter filters again)
//! passes as it is, with a warning. A mark with our name that is not true, such as one from before a restart or on a
//! message that was changed on its way, is only counted against `relay.loops`, and the message is judged.

use crate::config::relay::Relay as Settings;
use crate::environment;
use protocols::{Path, edit};
use sha2::{Digest, Sha256};

pub struct Mark {
    field: String,
    host: String,
    secret: [u8; 32],
}

/// Seconds after which a mark is no pass any more. Mail that comes back at once is what it is for.
const HOLDS: i64 = 3600;
/// More marks than this are not looked at: `relay.loops` has stopped such a message before.
const MOST_MARKS: usize = 10;

/// Of which envelope, and when.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub sender: Option<&'a Path>,
    pub recipients: &'a [Path],
    /// Seconds since 1970.
    pub now: i64,
}

impl Mark {
    pub fn new(settings: &Settings) -> anyhow::Result<Mark> {
        Ok(Mark {
            field: settings.mark.clone(),
            host: super::relay::our_name(settings),
            secret: environment::secret_random()?,
        })
    }

    /// Name and value of the field that belongs on top of this message.
    pub fn field(&self, message: &[u8], occasion: Occasion<'_>) -> (String, String) {
        let digest = self.digest(message, occasion);
        (self.field.clone(), format!("{}; {}; {digest}", self.host, occasion.now))
    }

    /// Whether we have let this very message through just now.
    pub fn is_on(&self, message: &[u8], occasion: Occasion<'_>) -> bool {
        edit::fields_and_rest(message)
            .filter(|(name, _, _)| name.eq_ignore_ascii_case(self.field.as_bytes()))
            .take(MOST_MARKS)
            .any(|(_, value, below)| {
                let value = String::from_utf8_lossy(value.trim_ascii());
                let made = value.split("; ").nth(1).and_then(|time| time.parse().ok());
                let Some(made) = made.filter(|made| (0..=HOLDS).contains(&(occasion.now - made))) else { return false };
                self.field(below, Occasion { now: made, ..occasion }).1 == value
            })
    }

    fn digest(&self, message: &[u8], occasion: Occasion<'_>) -> String {
        let mut inner = Sha256::new();
        let mut part = |bytes: &[u8]| {
            inner.update((bytes.len() as u64).to_be_bytes());
            inner.update(bytes);
        };
        part(&occasion.now.to_be_bytes());
        part(occasion.sender.map(|path| path.address.as_slice()).unwrap_or_default());
        let mut recipients: Vec<&[u8]> = occasion.recipients.iter().map(|path| path.address.as_slice()).collect();
        recipients.sort_unstable();
        recipients.into_iter().for_each(&mut part);
        part(&lines(message));
        let outer = Sha256::new().chain_update(self.secret).chain_update(inner.finalize()).finalize();
        store::Hash(outer.into()).to_string()
    }
}

/// Digest of all lines, whatever they end in, and however many empty ones stand at the end.
fn lines(message: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut message = message;
    while let Some(rest) = message.strip_suffix(b"\n").or_else(|| message.strip_suffix(b"\r")) {
        message = rest;
    }
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                hash.update(line);
                hash.update(b"\n");
            }
            None => hash.update(line),
        }
    }
    hash.finalize().into()
}

/// What a mail server on the way does not change.
const FIELDS: [&str; 5] = ["Date", "From", "Message-ID", "Subject", "To"];

/// What makes a message this message, whoever carried it here: line ends, folding and trace fields aside.
pub fn identity(message: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    edit::each_field(message, |name, value, _| {
        let known = FIELDS.iter().position(|field| name.eq_ignore_ascii_case(field.as_bytes()));
        if let Some(known) = known {
            let value: Vec<u8> = value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            hash.update([known as u8]);
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(&value);
        }
    });
    hash.update([FIELDS.len() as u8]);
    hash.update(lines(edit::body(message)));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocols::Edit;

    #[test]
    fn a_mark_holds_for_its_message_alone() {
        let mark = Mark::new(&Settings { name: "mx.example.jp".into(), ..Settings::default() }).unwrap();
        let (ann, bob) = (Path::new("ann@example.jp"), Path::new("bob@example.jp"));
        let both = [ann.clone(), bob.clone()];
        let now = Occasion { sender: Some(&ann), recipients: &both, now: 1_800_000_000 };
        let message = b"From: a\r\nContent-Type: text/plain\r\nSubject: one\r\n two\r\n\r\nbody\r\n.\r\n".to_vec();
        assert!(!mark.is_on(&message, now));
        let (name, value) = mark.field(&message, now);
        let marked = edit::apply(&message, &[Edit::top(&name, value.clone())]);
        assert!(mark.is_on(&marked, now));
        let text = String::from_utf8(marked.clone()).unwrap();
        let handed_on = format!("Received: x\n{}", text.replace("\r\n", "\n"));
        assert!(mark.is_on(handed_on.as_bytes(), now), "line ends and what is put on top are the carriers'");
        for other in [
            text.replace("body", "spam"),
            text.replace("one", "1"),
            text.replace("text/plain", "multipart/mixed; boundary=body"),
            text.replace("From: a", "From: a\r\nReply-To: b"),
            text.replace("\r\n.\r\n", "\r\n.\r\nmore\r\n"),
            text.replace("180000", "180001"),
            format!("{name}: {value}\r\n\r\n"),
        ] {
            assert!(!mark.is_on(other.as_bytes(), now), "{other}");
        }
        // Neither for others, nor from others, nor for long.
        let turned = [bob.clone(), ann.clone()];
        assert!(mark.is_on(&marked, Occasion { recipients: &turned, now: now.now + 60, ..now }));
        for other in [
            Occasion { recipients: &both[..1], ..now },
            Occasion { sender: Some(&bob), ..now },
            Occasion { sender: None, ..now },
            Occasion { now: now.now + HOLDS + 1, ..now },
            Occasion { now: now.now - 1, ..now },
        ] {
            assert!(!mark.is_on(&marked, other), "{other:?}");
        }
        let stranger = Mark::new(&Settings { name: "mx.example.jp".into(), ..Settings::default() }).unwrap();
        assert!(!stranger.is_on(&marked, now));
    }
}
