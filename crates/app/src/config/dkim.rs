//! `[dkim]`: which mail of ours is signed, with which keys; `[arc]`: which mail of others is sealed.
//!
//! Here stands what was written. Whether a key file can be used is found out by `crate::signing`, which reads it.

use super::actions::Direction;
use super::units::Span;
use anyhow::bail;
use mail::tld::has_plain_labels;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dkim {
    pub key: Vec<Key>,
    /// Mail that goes this way is signed, if its author's domain has a key.
    pub sign: Vec<Direction>,
    /// Fields that are signed where they are there.
    pub headers: Vec<String>,
    /// Signed once more than they are there: another one breaks the signature.
    pub oversign: Vec<String>,
    pub canonicalization: Canonicalization,
    /// Zero: for ever.
    pub expires: Span,
    pub on_error: OnError,
}

/// One key, for one domain or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub domains: Vec<String>,
    pub selector: String,
    pub file: PathBuf,
    /// Also signs for all below, in the domain's own name.
    #[serde(default)]
    pub subdomains: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arc {
    pub seal: Seal,
    /// In whose name; a key of `[dkim]` is used.
    pub domain: String,
    pub selector: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seal {
    /// Nothing.
    No,
    /// What came from outside.
    Inbound,
    /// What leaves us and is no mail of ours.
    Forwarded,
    Both,
}

/// What becomes of a message that ought to be signed and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It goes on unsigned.
    Pass,
    /// The sender tries again.
    Defer,
}

/// Whether blanks and line breaks may change on the way; of header and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canonicalization {
    pub header: Form,
    pub body: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Simple,
    Relaxed,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::Simple => "simple",
            Form::Relaxed => "relaxed",
        }
    }

    fn named(name: &str) -> Option<Form> {
        [Form::Simple, Form::Relaxed].into_iter().find(|form| form.name() == name)
    }
}

impl<'de> Deserialize<'de> for Canonicalization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (header, body) = text.split_once('/').unwrap_or((&text, "simple"));
        match (Form::named(header), Form::named(body)) {
            (Some(header), Some(body)) => Ok(Canonicalization { header, body }),
            _ => Err(serde::de::Error::custom(format!(
                "canonicalization {text:?}: expected \"relaxed/relaxed\", \"relaxed/simple\", \"simple/relaxed\" or \"simple/simple\""
            ))),
        }
    }
}

impl Default for Dkim {
    fn default() -> Dkim {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Dkim {
            key: Vec::new(),
            sign: vec![Direction::Submission, Direction::Outbound, Direction::Internal],
            headers: all(&[
                "From",
                "Sender",
                "Reply-To",
                "To",
                "Cc",
                "Subject",
                "Date",
                "Message-ID",
                "In-Reply-To",
                "References",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding",
                "List-Id",
                "List-Unsubscribe",
                "List-Unsubscribe-Post",
                "List-Post",
                "Auto-Submitted",
            ]),
            oversign: all(&["From", "Reply-To", "To", "Cc", "Subject"]),
            canonicalization: Canonicalization { header: Form::Relaxed, body: Form::Relaxed },
            expires: Span::seconds(0),
            on_error: OnError::Pass,
        }
    }
}

impl Default for Arc {
    fn default() -> Arc {
        Arc { seal: Seal::No, domain: String::new(), selector: String::new() }
    }
}

/// Of a configuration; each is read and checked at every start.
const KEYS: usize = 10_000;
/// Names in `headers` and `oversign`.
const NAMES: usize = 100;

impl Dkim {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.key.len() > KEYS {
            bail!("dkim: more than {KEYS} keys");
        }
        for key in &self.key {
            if key.domains.is_empty() {
                bail!("dkim.key: domains of {} names nobody: add domains = [\"example.jp\"]", key.file.display());
            }
            for domain in &key.domains {
                if !is_domain(domain) {
                    bail!("dkim.key: {domain:?} is no domain: expected \"example.jp\", in ASCII (xn--...)");
                }
            }
            if !is_domain(&key.selector) {
                bail!("dkim.key: {:?} is no selector: expected letters, digits, - and dots", key.selector);
            }
            if !key.file.is_absolute() {
                bail!("dkim.key: file {} is no absolute path", key.file.display());
            }
        }
        let names = [&self.headers[..], &self.oversign[..]].concat();
        if names.len() > NAMES {
            bail!("dkim: headers and oversign name more than {NAMES} fields");
        }
        if let Some(name) = names.iter().find(|name| !is_field(name)) {
            bail!("dkim: {name:?} is no name of a header field");
        }
        if !self.headers.iter().any(|name| name.eq_ignore_ascii_case("from")) {
            bail!("dkim: headers must have \"From\": a signature without it counts nowhere (RFC 6376, 5.4)");
        }
        const NEVER: [&str; 4] = ["return-path", "received", "dkim-signature", "comments"];
        if let Some(name) = names.iter().find(|name| NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))) {
            bail!("dkim: {name} changes on the way and cannot be signed (RFC 6376, 5.4)");
        }
        Ok(())
    }
}

impl Arc {
    pub(super) fn check(&self, dkim: &Dkim) -> anyhow::Result<()> {
        if self.seal == Seal::No {
            return Ok(());
        }
        let has = |key: &Key| key.selector == self.selector && key.domains.contains(&self.domain);
        if !dkim.key.iter().any(has) {
            bail!(
                "arc: there is no [[dkim.key]] for domain {:?} with selector {:?}: set arc.domain and arc.selector",
                self.domain,
                self.selector
            );
        }
        Ok(())
    }
}

/// Labels with dots between them.
pub fn is_domain(name: &str) -> bool {
    has_plain_labels(name) && !name.split('.').any(|label| label.starts_with('-') || label.ends_with('-'))
}

fn is_field(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name.bytes().all(|byte| (33..=126).contains(&byte) && byte != b':' && byte != b';')
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let key =
            |more: &str| format!("[[dkim.key]]\ndomains = [\"example.jp\"]\nselector = \"s\"\nfile = \"/k\"\n{more}");
        for (wrong, told) in [
            ("[dkim]\ncanonicalization = \"tight\"".to_owned(), "expected \"relaxed/relaxed\""),
            ("[dkim]\nheaders = [\"To\"]".into(), "headers must have \"From\""),
            ("[dkim]\noversign = [\"a b\"]".into(), "no name of a header field"),
            ("[dkim]\noversign = [\"Received\"]".into(), "cannot be signed"),
            ("[dkim]\non_error = \"drop\"".into(), "unknown variant"),
            (key("").replace("example.jp", "exa mple"), "no domain"),
            (key("").replace("\"s\"", "\"s t\""), "no selector"),
            (key("").replace("/k", "k"), "no absolute path"),
            (key("[arc]\nseal = \"inbound\"\ndomain = \"example.jp\"\n"), "no [[dkim.key]] for domain"),
        ] {
            let error = format!("{:#}", Config::parse(&wrong).unwrap_err());
            assert!(error.contains(told), "{wrong}: {error}");
        }
        let fine = key("[arc]\nseal = \"both\"\ndomain = \"example.jp\"\nselector = \"s\"\n");
        assert!(Config::parse(&fine).is_ok());
    }
}
