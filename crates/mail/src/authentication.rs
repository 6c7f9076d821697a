//! Who sent a message, as far as SPF, DKIM, ARC and DMARC prove it.
//!
//! In: nothing; these are the nouns. They are worked out once a message (`app::answers::auth`), kept with its answers so
//! that a replay reaches the same verdict, and read by checks, headers, DMARC reports, ARC seals and the history.
//! Domains are lower case, internationalised ones in their ASCII form.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What all methods found about one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authentication {
    /// Who handed the message over to the first server of ours.
    pub client: Option<IpAddr>,
    pub helo: String,
    /// The envelope's sender; empty for the null sender, `None` where it is not known.
    pub sender: Option<String>,
    /// SPF of `MAIL FROM` (of `HELO` where the sender is null). `None`: nobody to ask about.
    pub spf: Option<Spf>,
    /// SPF of the name in `HELO`.
    pub spf_helo: Option<Spf>,
    /// One for each DKIM signature that was looked at, from the top.
    pub dkim: Vec<Dkim>,
    pub arc: ArcChain,
    pub dmarc: Dmarc,
    /// Limits that were reached.
    pub limits: Vec<String>,
}

impl Authentication {
    /// Domains that certainly had a hand in the message: DKIM passes and SPF's pass of `MAIL FROM`. Each once.
    pub fn domains(&self) -> Vec<&str> {
        let signed = self.dkim.iter().filter(|one| one.result == Outcome::Pass).map(|one| one.domain.as_str());
        let sent = self.spf.iter().filter(|spf| spf.result == Outcome::Pass).map(|spf| spf.domain.as_str());
        let mut domains: Vec<&str> = Vec::new();
        for domain in signed.chain(sent) {
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }

    /// The author's domain (`From:`), where DMARC's identifiers prove it: alignment with a pass, whether or not the
    /// domain publishes a policy.
    pub fn author(&self) -> Option<&str> {
        (self.dmarc.dkim_aligned.is_some() || self.dmarc.spf_aligned).then_some(self.dmarc.domain.as_str())
    }
}

/// The results that RFC 8601 knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    #[default]
    None,
    Pass,
    Fail,
    SoftFail,
    Neutral,
    /// Sound, but not by our rules: a key or an algorithm that RFC 8301 no longer admits.
    Policy,
    /// Could not be found out now: no answer, or a limit.
    TempError,
    /// What was published or written cannot be understood.
    PermError,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::None => "none",
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::SoftFail => "softfail",
            Outcome::Neutral => "neutral",
            Outcome::Policy => "policy",
            Outcome::TempError => "temperror",
            Outcome::PermError => "permerror",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spf {
    /// Whose record was evaluated.
    pub domain: String,
    /// As RFC 7208 has it.
    pub result: Outcome,
    /// With twenty terms that ask DNS in place of ten, as SpamAssassin's rules have it.
    pub tolerant: Outcome,
    /// The mechanism that decided, or what was wrong.
    pub why: String,
    /// What the domain wants those to be told whom it refuses.
    pub explanation: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dkim {
    pub result: Outcome,
    /// Why it is not a pass; empty where it is.
    pub why: String,
    /// `d=`
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// `i=`, or what stands for it.
    pub identity: String,
    /// `a=`
    pub algorithm: String,
    /// `b=`, its beginning: RFC 6008 tells signatures apart by it.
    pub signature: String,
    /// Of an RSA key; 0: not known.
    pub key_bits: u32,
    /// The key says that its domain only tries (`t=y`).
    pub testing: bool,
    /// `l=`: the body's end is not signed.
    pub partial: bool,
}

/// The chain of ARC sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArcChain {
    pub result: Outcome,
    pub why: String,
    /// From the first (`i=1`) on.
    pub sets: Vec<ArcSet>,
}

impl ArcChain {
    /// Who sealed last.
    pub fn sealer(&self) -> Option<&str> {
        self.sets.last().map(|set| set.domain.as_str())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArcSet {
    pub instance: u32,
    /// `d=` of the seal.
    pub domain: String,
    pub selector: String,
    /// `cv=` of the seal: `none`, `pass` or `fail`.
    pub chain: String,
    /// What its ARC-Authentication-Results says, after `i=`.
    pub results: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    #[default]
    None,
    Quarantine,
    Reject,
}

impl Policy {
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dmarc {
    /// `None`: no policy is published, or there is no single author's domain.
    pub result: Outcome,
    pub why: String,
    /// The author's domain, of `From:`.
    pub domain: String,
    /// What the author's domain asks for messages that fail; `None` where nothing is published.
    pub policy: Policy,
    /// Where its record stands; empty: nowhere.
    pub policy_domain: String,
    /// The domain that decides alignment.
    pub organisation: String,
    /// What is published there.
    pub published: Option<Published>,
    /// `MAIL FROM` passed SPF and is aligned.
    pub spf_aligned: bool,
    /// A DKIM signature that passed and is aligned: its domain.
    pub dkim_aligned: Option<String>,
}

/// A DMARC record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Published {
    /// As received.
    pub record: String,
    pub p: Policy,
    pub sp: Policy,
    pub np: Policy,
    pub strict_dkim: bool,
    pub strict_spf: bool,
    /// `t=y`
    pub testing: bool,
    /// Of the older tag `pct=`.
    pub percent: u8,
    /// `fo=`
    pub failures: String,
    pub rua: Vec<String>,
    pub ruf: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_that_proved_themselves() {
        let dkim = |domain: &str, result| Dkim { domain: domain.into(), result, ..Dkim::default() };
        let mut found = Authentication {
            spf: Some(Spf { domain: "a.example".into(), result: Outcome::Pass, ..Spf::default() }),
            dkim: vec![
                dkim("b.example", Outcome::Pass),
                dkim("c.example", Outcome::Fail),
                dkim("a.example", Outcome::Pass),
            ],
            ..Authentication::default()
        };
        assert_eq!(found.domains(), ["b.example", "a.example"]);
        assert_eq!(found.author(), None);
        found.dmarc = Dmarc { domain: "b.example".into(), dkim_aligned: Some("b.example".into()), ..Dmarc::default() };
        assert_eq!(found.author(), Some("b.example"));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Authentication>(&text).unwrap(), found);
    }
}
