//! `[reputation]`: what is remembered of who wrote to whom, of what senders' mail scored, and of names that mail mentions.

use super::units::Span;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reputation {
    /// Remember who wrote to whom, and what we sent.
    pub contacts: bool,
    pub keep: Span,
    /// Before the memory is so old, nobody is said to be new.
    pub settle: Span,
    /// Averages, after the sender's last mail.
    pub keep_scores: Span,
    /// Remember which addresses and domains of links mail from outside mentions, where a rule asks.
    pub mentions: bool,
    /// After the last time.
    pub keep_mentions: Span,
    /// New names a day; what is beyond is not remembered.
    pub mentions_a_day: u64,
}

const DAY: u64 = 24 * 3600;

impl Default for Reputation {
    fn default() -> Reputation {
        Reputation {
            contacts: true,
            keep: Span::seconds(180 * DAY),
            settle: Span::seconds(7 * DAY),
            keep_scores: Span::seconds(365 * DAY),
            mentions: true,
            keep_mentions: Span::seconds(90 * DAY),
            mentions_a_day: 100_000,
        }
    }
}

impl Reputation {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.keep.0.is_zero() || self.keep_scores.0.is_zero() {
            anyhow::bail!("reputation: keep and keep_scores must be longer than nothing");
        }
        if self.settle.0 >= self.keep_mentions.0 {
            anyhow::bail!("reputation: settle must be shorter than keep_mentions, or no name is ever said to be new");
        }
        if self.settle.0 >= self.keep.0 {
            anyhow::bail!("reputation: settle must be shorter than keep, or nobody is ever said to be new");
        }
        Ok(())
    }
}
