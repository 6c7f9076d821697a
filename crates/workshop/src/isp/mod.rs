//! Networks that spam comes from, as rules: `header GLOBALSPEED_PH X-Spam-Relays-Untrusted =~ /^\[ ip=180\.94\. ... /`, a
//! description that begins with the country, a score. The way of the TLEC user_prefs, without its labour.
//!
//! In: such rules as somebody wrote them, ranges, what registries say. Out: [`Record`]s; rule files that SpamAssassin reads
//! too; what about a record does not hold any more. A record's facts stand in a comment above its rules, so that the file is
//! all there is: who edits it by hand edits the records.

mod file;
mod verify;

pub use file::{Book, Problem};
pub use verify::{Finding, Overlap, overlaps, verify};

use feeds::range::{Range, of_pattern};
use feeds::registry::delegated::Delegation;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What a rule's name may be, as the second talk says it: `^[A-Z][A-Z0-9_]*$`.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A rule's name for a network: `GLOBALSPEED-PH` becomes `GLOBALSPEED_PH`; what is taken gets a number.
pub fn name_for(network: &str, country: &str, taken: &HashSet<&str>) -> String {
    let mut name: String = network
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .take(40)
        .collect();
    name = name.trim_matches('_').to_owned();
    if name.is_empty() {
        name = "NETWORK".into();
    }
    if !name.as_bytes()[0].is_ascii_uppercase() {
        name.insert_str(0, "N_");
    }
    let ending = format!("_{}", country.to_ascii_uppercase());
    if is_country(country) && !name.ends_with(&ending) {
        name.push_str(&ending);
    }
    if !taken.contains(name.as_str()) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.into_iter().find(|name| !taken.contains(name.as_str())).unwrap_or(name)
}

fn is_country(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Active,
    /// Its score is 0 until somebody says otherwise.
    Suspended,
}

/// One network, its rules and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    /// What the pattern holds, in order.
    pub ranges: Vec<Range>,
    /// Two letters; empty: not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// The description without the country: `GLOBALSPEED-PH`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    pub score: f64,
    #[serde(default)]
    pub state: State,
    /// Why it is suspended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Day on which it was added, `2026-11-22`; empty: not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub added: String,
    /// Day on which mail came from there last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen: String,
    /// What the registry's statistics said of its first address when it was added: any change makes it suspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated: Option<Delegation>,
    /// The pattern as somebody wrote it, where it is not what we would write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// What cannot become a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("{0:?} is no name for a rule: capital letters, digits and _, a letter first")]
    Name(String),
    #[error("{0:?} is no country: two letters")]
    Country(String),
    #[error("the pattern is no set of addresses: expected ^\\[ ip= and octets")]
    Pattern,
    #[error("the pattern does not hold exactly the range")]
    Inexact,
}

impl Record {
    /// A network to be watched from now on.
    ///
    /// # Errors
    /// [`Unfit`] where name or country are none, or the range's pattern would hold anything else than the range.
    pub fn new(name: &str, range: Range, country: &str, title: &str, score: f64) -> Result<Record, Unfit> {
        if !is_name(name) {
            return Err(Unfit::Name(name.to_owned()));
        }
        if !country.is_empty() && !is_country(country) {
            return Err(Unfit::Country(country.to_owned()));
        }
        // Written and read back: whoever relies on a pattern for ten thousand addresses wants it proven.
        if of_pattern(&range.pattern()) != Some(vec![range]) {
            return Err(Unfit::Inexact);
        }
        Ok(Record {
            name: name.to_owned(),
            ranges: vec![range],
            country: country.to_ascii_uppercase(),
            title: title.to_owned(),
            score,
            ..Record::default()
        })
    }

    /// What stands between the slashes.
    pub fn pattern(&self) -> String {
        match (&self.pattern, self.ranges.as_slice()) {
            (Some(pattern), _) => pattern.clone(),
            (None, [range]) => range.pattern(),
            (None, ranges) => {
                let each: Vec<String> = ranges
                    .iter()
                    .map(|range| range.pattern().trim_start_matches(r"^\[ ip=").trim_end().to_owned())
                    .collect();
                format!(r"^\[ ip=(?:{}) ", each.join("|"))
            }
        }
    }

    /// `[PH]GLOBALSPEED-PH`
    pub fn description(&self) -> String {
        match self.country.as_str() {
            "" => self.title.clone(),
            country => format!("[{country}]{}", self.title),
        }
    }

    /// The three lines of rules; suspended, its score is 0.
    pub fn rules(&self) -> String {
        let Record { name, score, .. } = self;
        let score = if self.state == State::Suspended { 0.0 } else { *score };
        let description = match self.description() {
            text if text.is_empty() => String::new(),
            text => format!("describe {name} {text}\n"),
        };
        format!("header {name} X-Spam-Relays-Untrusted =~ /{}/\n{description}score {name} {score}\n", self.pattern())
    }

    /// Addresses in it.
    pub fn size(&self) -> u64 {
        self.ranges.iter().map(|range| range.size()).sum()
    }

    pub fn suspend(&mut self, reason: &str) {
        self.state = State::Suspended;
        self.reason = reason.to_owned();
    }
}

#[cfg(test)]
mod tests;
