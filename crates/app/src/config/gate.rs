//! `[gate]`, `[s25r]` and `[greylist]`: what is decided before there is a message, and for whom nothing is.

use super::{Addresses, Client, Span};
use serde::Deserialize;
use std::path::PathBuf;

/// Who is exempt, and what happens where the store does not answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    pub lists: bool,
    pub wellknown: bool,
    pub allow_clients: Vec<Client>,
    pub allow_senders: Vec<Addresses>,
    pub allow_recipients: Vec<Addresses>,
    pub allow_files: Vec<PathBuf>,
    pub block_text: String,
    pub trouble: Trouble,
}

/// Where the store does not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    Accept,
    Defer,
}

/// Whether the gate is asked about those whose mail an smtp or lmtp listener takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Where the client itself waits for the reply.
    #[default]
    Auto,
    On,
    Off,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            lists: true,
            wellknown: true,
            allow_clients: Vec::new(),
            allow_senders: Vec::new(),
            allow_recipients: Vec::new(),
            allow_files: Vec::new(),
            block_text: "Refused: sender or client is on a block list here".into(),
            trouble: Trouble::Accept,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S25r {
    pub action: S25rAction,
    pub points: f64,
    pub points_unknown: f64,
    pub tarpit: Span,
    pub tarpit_at_once: usize,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum S25rAction {
    Off,
    Score,
    Greylist,
    Tarpit,
    Defer,
}

impl Default for S25r {
    fn default() -> Self {
        S25r {
            action: S25rAction::Score,
            points: 0.5,
            points_unknown: 1.0,
            tarpit: Span::seconds(20),
            tarpit_at_once: 50,
            text: "Client host rejected: S25R check, be patient".into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Greylist {
    pub everybody: bool,
    pub delay: Span,
    pub retry_within: Span,
    pub keep: Span,
    pub known_after: u64,
    pub keep_known: Span,
    pub text: String,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Greylist {
    fn default() -> Self {
        Greylist {
            everybody: false,
            delay: Span::seconds(5 * 60),
            retry_within: Span::seconds(2 * DAY),
            keep: Span::seconds(35 * DAY),
            known_after: 5,
            keep_known: Span::seconds(35 * DAY),
            text: "Greylisted, be patient".into(),
        }
    }
}

impl Greylist {
    pub fn policy(&self) -> store::seen::Policy {
        store::seen::Policy {
            delay: self.delay.0,
            retry_within: self.retry_within.0,
            keep: self.keep.0,
            clients_after: self.known_after,
            keep_clients: self.keep_known.0,
        }
    }
}

/// A mail server waits 30 s for the reply to a command, and what is held is told late.
pub const LONGEST_TARPIT: Span = Span::seconds(25);

impl S25r {
    pub(super) fn check(&self, greylist: &Greylist, store: bool) -> anyhow::Result<()> {
        if !self.points.is_finite() || !self.points_unknown.is_finite() {
            anyhow::bail!("s25r: points and points_unknown must be numbers");
        }
        if self.tarpit.0 > LONGEST_TARPIT.0 {
            anyhow::bail!("s25r: tarpit is at most 25s: mail servers wait 30 s for a filter (milter_command_timeout)");
        }
        if self.action == S25rAction::Tarpit && (self.tarpit.0.is_zero() || self.tarpit_at_once == 0) {
            anyhow::bail!("s25r: action \"tarpit\" needs tarpit and tarpit_at_once above nothing");
        }
        if greylist.retry_within.0 <= greylist.delay.0 {
            anyhow::bail!("greylist: retry_within must be longer than delay, else nobody ever passes");
        }
        if (self.action == S25rAction::Greylist || greylist.everybody) && !store {
            anyhow::bail!("greylist: who was here before is kept in the store: set store.location");
        }
        Ok(())
    }
}
