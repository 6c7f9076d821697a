//! `[[scanner]]`: virus scanners of others that look at each message too.

use super::units::{Size, Span};
use crate::serve::listen::Address;
use protocols::scanner;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    pub name: String,
    pub kind: String,
    /// Tried in this order.
    #[serde(deserialize_with = "one_or_more")]
    pub address: Vec<Address>,
    /// Of all tries together.
    #[serde(default = "deadline")]
    pub deadline: Span,
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
    #[serde(default)]
    pub category: Finds,
    #[serde(default)]
    pub score: f64,
    #[serde(default = "size")]
    pub size: Size,
    #[serde(default = "at_once")]
    pub at_once: usize,
    /// An ICAP server's.
    #[serde(default)]
    pub service: String,
    /// Where files are put for a scanner that is told names of files.
    #[serde(default)]
    pub folder: PathBuf,
}

/// What becomes of mail that a scanner could not look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnavailable {
    Pass,
    #[default]
    Defer,
    Unchecked,
}

/// What a message is in which a scanner finds something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finds {
    #[default]
    Virus,
    Banned,
    Phishing,
    /// The score alone counts.
    Spam,
}

fn deadline() -> Span {
    Span::seconds(20)
}

fn size() -> Size {
    Size(25 << 20)
}

fn at_once() -> usize {
    8
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        More(Vec<String>),
    }
    let texts = match Written::deserialize(deserializer)? {
        Written::One(text) => vec![text],
        Written::More(texts) => texts,
    };
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

impl Scanner {
    /// In the names of hits: `SCANNER_CLAMD`.
    pub fn rule(&self) -> String {
        format!("SCANNER_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    pub fn kind(&self) -> Option<&'static scanner::Kind> {
        scanner::kind(&self.kind)
    }

    fn check(&self, limit: Span) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain) {
            return Err(format!("{:?} is no name: letters, digits, - and _, up to 40", self.name));
        }
        let Some(kind) = self.kind() else {
            let known: Vec<_> = scanner::KINDS.iter().map(|kind| kind.name).collect();
            return Err(format!("kind {:?} is not spoken; there are: {}", self.kind, known.join(", ")));
        };
        if self.address.is_empty() || self.at_once == 0 || self.size.0 == 0 || self.deadline.0.is_zero() {
            return Err("address, at_once, size and deadline must be more than nothing".into());
        }
        if self.deadline.0 >= limit.0 {
            return Err("deadline must be shorter than limits.deadline, in which the message is judged too".into());
        }
        if !self.score.is_finite() {
            return Err("score must be a number".into());
        }
        if kind.files && !self.folder.is_absolute() {
            return Err(format!(
                "a scanner of kind {:?} is told names of files: set folder to one that both may read, such as \
                 \"/var/spool/sekisho/{}\"",
                self.kind, self.name
            ));
        }
        if self.service.contains(|c: char| !c.is_ascii_graphic()) {
            return Err("service is no name of an ICAP service".into());
        }
        Ok(())
    }
}

pub fn check(scanners: &[Scanner], limit: Span) -> anyhow::Result<()> {
    for (number, scanner) in scanners.iter().enumerate() {
        scanner.check(limit).map_err(|why| anyhow::anyhow!("scanner {:?}: {why}", scanner.name))?;
        if scanners[..number].iter().any(|other| other.rule() == scanner.rule()) {
            anyhow::bail!("scanner {:?}: there is another of that name", scanner.name);
        }
    }
    Ok(())
}
