//! `[learn]`: where the model is, and what is learnt without being told; `[learn.exchange]`: where machines share it.

use super::units::{Addresses, Size, Span};
use crate::records::Keep;
use anyhow::bail;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Empty: nothing is learnt.
    pub folder: PathBuf,
    /// Whoever may connect to the spamd listener may teach.
    pub tell: bool,
    pub auto: bool,
    /// Messages learnt unasked from one network (/24, /48) within `quota_span`.
    pub quota: u32,
    pub quota_span: Span,
    /// Of one class at most so many times as many as of the other; 0: whatever comes.
    pub balance: f64,
    /// Nobody has these addresses: what is sent to them is spam.
    pub traps: Vec<Addresses>,
    /// Learn answers to our own mail as ham.
    pub replies: bool,
    /// How long it is remembered what was sent, and to whom.
    pub correspondents: Span,
    /// Percent of what was taught by hand that may be judged wrongly before nothing is learnt unasked any more; 0: no matter.
    pub drift: f64,
    pub alarm_to: String,
    /// Lessons can be taken back for so long, and so much of them.
    pub undo: Span,
    pub undo_size: Size,
    /// Of judged messages so much is kept that they can be taught by their id.
    pub by_id: Size,
    pub exchange: Exchange,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// As `store.location`; empty: the model is this machine's alone.
    pub location: String,
    pub every: Span,
    /// Lessons kept there before they become part of the model that is kept there, and as many after.
    pub fold: u64,
}

const DAY: u64 = 24 * 3600;

impl Default for Learn {
    fn default() -> Self {
        Learn {
            folder: "/var/lib/sekisho/learn".into(),
            tell: false,
            auto: true,
            quota: 20,
            quota_span: Span::seconds(3600),
            balance: 4.0,
            traps: Vec::new(),
            replies: true,
            correspondents: Span::seconds(90 * DAY),
            drift: 5.0,
            alarm_to: "postmaster".into(),
            undo: Span::seconds(30 * DAY),
            undo_size: Size(256 << 20),
            by_id: Size(128 << 20),
            exchange: Exchange::default(),
        }
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange { location: String::new(), every: Span::seconds(2), fold: 2_000 }
    }
}

impl Learn {
    /// How much of the record of lessons is kept.
    pub fn keep(&self) -> Keep {
        Keep { age: self.undo.0, bytes: self.undo_size.0 }
    }

    pub fn problem(&self) -> Option<String> {
        if !(self.balance == 0.0 || self.balance >= 1.0) {
            return Some(format!("learn.balance is {}: expected 0 or at least 1", self.balance));
        }
        if !(0.0..=100.0).contains(&self.drift) {
            return Some(format!("learn.drift is {}: expected 0 to 100, in percent", self.drift));
        }
        None
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Exchange { location, every, fold } = &self.exchange;
        if location.is_empty() {
            return Ok(());
        }
        if let Err(error) = location.parse::<store::Location>() {
            bail!("learn.exchange.location: {error}; {}", error.remedy());
        }
        if self.folder.as_os_str().is_empty() {
            bail!("learn.exchange: there is nothing to exchange while learn.folder is empty");
        }
        if every.0.is_zero() || *fold == 0 {
            bail!("learn.exchange: every and fold must be more than nothing");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (wrong, told) in
            [("balance = 0.5", "learn.balance"), ("balance = nan", "learn.balance"), ("drift = 101.0", "learn.drift")]
        {
            let error = Config::parse(&format!("[learn]\n{wrong}\n")).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        let learn =
            Config::parse("[learn]\ntraps = [\"@trap.example\", \"old@example.jp\"]\nundo = \"7d\"\n").unwrap().learn;
        assert!(learn.traps.iter().any(|trap| trap.has("anybody@trap.example")));
        assert_eq!(learn.keep().age.as_secs(), 7 * 24 * 3600);
    }
}
