//! Request lines, their headers, and replies as `spamd` 4.0 writes them: which version of the protocol gets which headers.

use crate::answer::{Judgement, Places, Told};
use crate::facts::lossy;
use crate::{Trouble, Want};

/// The protocol's version, such as 1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Ask(Want),
    Tell,
    Ping,
    Skip,
}

impl Command {
    /// `CHECK SPAMC/1.5`.
    pub fn parse(line: &[u8]) -> Result<(Self, Version), Trouble> {
        let text = lossy(line);
        let unknown = || Trouble::UnknownCommand(line.to_vec());
        let (word, version) = text.trim().split_once(' ').ok_or_else(unknown)?;
        let command = match word {
            "CHECK" => Command::Ask(Want::Verdict),
            "SYMBOLS" => Command::Ask(Want::Symbols),
            "REPORT" => Command::Ask(Want::Report),
            "REPORT_IFSPAM" => Command::Ask(Want::ReportIfSpam),
            "PROCESS" => Command::Ask(Want::Message),
            "HEADERS" => Command::Ask(Want::Headers),
            "TELL" => Command::Tell,
            "PING" => Command::Ping,
            "SKIP" => Command::Skip,
            _ => return Err(unknown()),
        };
        let version = version.trim().strip_prefix("SPAMC/").ok_or_else(unknown)?;
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok((command, Version(major, minor))),
            _ => Err(unknown()),
        }
    }
}

/// What the headers of a request say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pub content_length: Option<u64>,
    pub user: Option<String>,
    pub compressed: bool,
    pub spam: Option<bool>,
    pub set: Places,
    pub remove: Places,
}

impl Headers {
    /// One line. Unknown headers are for others to understand.
    pub fn add(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let text = lossy(line);
        let (name, value) = text.split_once(':').ok_or("(header not in 'Name: value' format)")?;
        let value = value.trim();
        let places = Places {
            local: value.to_ascii_lowercase().contains("local"),
            remote: value.to_ascii_lowercase().contains("remote"),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-length" => {
                let digits = !value.is_empty() && value.len() < 19 && value.bytes().all(|b| b.is_ascii_digit());
                self.content_length = match digits {
                    true => value.parse().ok(),
                    false => return Err("(Content-Length is not a number)"),
                };
            }
            "user" if value.chars().any(char::is_control) => return Err("(User header contains control chars)"),
            "user" => self.user = Some(value.to_owned()).filter(|u| !u.is_empty()),
            "compress" if value.to_ascii_lowercase().contains("zlib") => self.compressed = true,
            "compress" => return Err("(compression type not supported)"),
            "message-class" => {
                self.spam = match value.to_ascii_lowercase().as_str() {
                    "spam" => Some(true),
                    "ham" => Some(false),
                    _ => return Err("(Message-class header contains invalid class)"),
                }
            }
            "set" => self.set = places,
            "remove" => self.remove = places,
            _ => {}
        }
        Ok(())
    }
}

/// Codes of sysexits.h, which replies carry.
pub mod code {
    pub const UNAVAILABLE: u8 = 69;
    pub const TEMPORARY_FAILURE: u8 = 75;
    pub const PROTOCOL: u8 = 76;
}

pub fn write_failure(out: &mut Vec<u8>, code: u8, text: &str) {
    let kind = if code == code::PROTOCOL { "Bad header line" } else { "Service Unavailable" };
    out.extend_from_slice(format!("SPAMD/1.0 {code} {kind}: {text}\r\n").as_bytes());
}

pub fn write_pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"SPAMD/1.5 0 PONG\r\n");
}

/// `text` is what `want` asked for.
pub fn write_judgement(out: &mut Vec<u8>, want: Want, version: Version, judgement: &Judgement, text: &[u8]) {
    let word = match (want == Want::ReportIfSpam, judgement.spam) {
        (true, true) => "Yes",
        (true, false) => "No",
        (false, true) => "True",
        (false, false) => "False",
    };
    let spam = format!("Spam: {word} ; {} / {:.1}\r\n", shown_score(judgement), judgement.threshold);
    match want {
        Want::Message | Want::Headers if version < Version(1, 2) => {
            out.extend_from_slice(b"SPAMD/1.0 0 EX_OK\r\n"); // no headers were known then
        }
        Want::Verdict | Want::Decision => {
            out.extend_from_slice(b"SPAMD/1.1 0 EX_OK\r\n");
            out.extend_from_slice(spam.as_bytes());
            out.extend_from_slice(b"\r\n");
            return;
        }
        Want::Message | Want::Headers => {
            out.extend_from_slice(b"SPAMD/1.1 0 EX_OK\r\n");
            out.extend_from_slice(format!("Content-length: {}\r\n", text.len()).as_bytes());
            if version >= Version(1, 3) {
                out.extend_from_slice(spam.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        Want::Symbols | Want::Report | Want::ReportIfSpam => {
            out.extend_from_slice(b"SPAMD/1.1 0 EX_OK\r\n");
            if version >= Version(1, 3) {
                out.extend_from_slice(format!("Content-length: {}\r\n", text.len()).as_bytes());
            }
            out.extend_from_slice(spam.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(text);
    if want == Want::Symbols && version < Version(1, 3) {
        out.extend_from_slice(b"\r\n");
    }
}

/// One digit; what is not spam never looks as if it had reached the threshold.
fn shown_score(judgement: &Judgement) -> String {
    let rounded = (judgement.score * 10.0).round() / 10.0;
    if !judgement.spam && rounded >= judgement.threshold {
        return format!("{:.1}", judgement.threshold - 0.1);
    }
    format!("{:.1}", judgement.score)
}

pub fn write_told(out: &mut Vec<u8>, told: &Told) {
    out.extend_from_slice(b"SPAMD/1.1 0 EX_OK\r\n");
    for (name, places) in [("DidSet", told.set), ("DidRemove", told.removed)] {
        let words: Vec<&str> = [(places.local, "local"), (places.remote, "remote")]
            .into_iter()
            .filter(|(s, _)| *s)
            .map(|(_, w)| w)
            .collect();
        if !words.is_empty() {
            out.extend_from_slice(format!("{name}: {}\r\n", words.join(",")).as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}
