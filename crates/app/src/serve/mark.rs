//! The mark on what we handed on: it keeps mail from running in circles and from being judged twice.
//!
//! `X-Sekisho-Loop: HOST; DIGEST` stands on top. The digest covers what identifies the message (body and five fields)
//! under a secret of this process, so that nobody can write one for a message that we have not let through. What comes
//! back with a true mark (the port behind the filter filters again) passes as it is, with a warning. A mark with our name
//! that is not true, such as one from before a restart, is only counted against `relay.loops`.

use crate::config::relay::Relay as Settings;
use crate::environment;
use protocols::edit;
use sha2::{Digest, Sha256};

pub struct Mark {
    field: String,
    host: String,
    secret: [u8; 32],
}

/// What a mail server on the way does not change.
const FIELDS: [&str; 5] = ["Date", "From", "Message-ID", "Subject", "To"];

impl Mark {
    pub fn new(settings: &Settings) -> anyhow::Result<Mark> {
        Ok(Mark {
            field: settings.mark.clone(),
            host: super::relay::our_name(settings),
            secret: environment::secret_random()?,
        })
    }

    /// Name and value of the field that belongs on top of this message.
    pub fn field(&self, message: &[u8]) -> (String, String) {
        (self.field.clone(), format!("{}; {}", self.host, self.digest(message)))
    }

    /// Whether we have let this very message through before.
    pub fn is_on(&self, message: &[u8]) -> bool {
        let mut claims = Vec::new();
        edit::each_field(message, |name, value, _| {
            if name.eq_ignore_ascii_case(self.field.as_bytes()) {
                claims.push(value.trim_ascii().to_vec());
            }
        });
        if claims.is_empty() {
            return false;
        }
        let true_one = self.field(message).1.into_bytes();
        claims.contains(&true_one)
    }

    fn digest(&self, message: &[u8]) -> String {
        let inner = identity(message);
        let outer = Sha256::new().chain_update(self.secret).chain_update(inner).finalize();
        store::Hash(outer.into()).to_string()
    }
}

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
    let mut body = edit::body(message);
    while let Some(rest) = body.strip_suffix(b"\n").or_else(|| body.strip_suffix(b"\r")) {
        body = rest;
    }
    for line in body.split_inclusive(|byte| *byte == b'\n') {
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

#[cfg(test)]
mod tests {
    use super::*;
    use protocols::Edit;

    #[test]
    fn a_mark_holds_for_its_message_alone() {
        let mark = Mark::new(&Settings { name: "mx.example.jp".into(), ..Settings::default() }).unwrap();
        let message = b"From: a\r\nSubject: one\r\n two\r\n\r\nbody\r\n.\r\n".to_vec();
        assert!(!mark.is_on(&message));
        let (name, value) = mark.field(&message);
        let marked = edit::apply(&message, &[Edit::top(&name, value.clone())]);
        assert!(mark.is_on(&marked));
        let text = String::from_utf8(marked.clone()).unwrap();
        let handed_on = format!("Received: x\n{}", text.replace("\r\n", "\n"));
        assert!(mark.is_on(handed_on.as_bytes()), "line ends and trace fields are the carriers'");
        for other in [
            text.replace("body", "spam"),
            text.replace("one", "1"),
            text.replace("From: a", "From: a\r\nFrom: b"),
            text.replace("\r\n.\r\n", "\r\n.\r\nmore\r\n"),
            format!("{name}: {value}\r\n\r\n"),
        ] {
            assert!(!mark.is_on(other.as_bytes()), "{other}");
        }
        let stranger = Mark::new(&Settings { name: "mx.example.jp".into(), ..Settings::default() }).unwrap();
        assert!(!stranger.is_on(&marked));
    }
}
