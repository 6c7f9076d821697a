//! `[rates]`: how much those may send whom nothing else stops.

use super::Span;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    pub window: Span,
    pub login_messages: u64,
    pub login_recipients: u64,
    pub login_networks: u64,
    pub internal_messages: u64,
    pub internal_recipients: u64,
    pub action: RateAction,
    pub text: String,
    pub alarm_to: String,
}

/// What those get who reach a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateAction {
    Defer,
    Reject,
    Alarm,
}

impl Default for Rates {
    fn default() -> Self {
        Rates {
            window: Span::seconds(3600),
            login_messages: 0,
            login_recipients: 0,
            login_networks: 0,
            internal_messages: 0,
            internal_recipients: 0,
            action: RateAction::Defer,
            text: "You have sent too much in too short a time; please try again later".into(),
            alarm_to: "postmaster".into(),
        }
    }
}

impl Rates {
    pub fn limits_logins(&self) -> bool {
        self.login_messages > 0 || self.login_recipients > 0 || self.login_networks > 0
    }

    pub fn limits_internal(&self) -> bool {
        self.internal_messages > 0 || self.internal_recipients > 0
    }

    pub(super) fn check(&self, store: bool) -> anyhow::Result<()> {
        if self.window.0.is_zero() {
            anyhow::bail!("rates: window must be longer than nothing");
        }
        if (self.limits_logins() || self.limits_internal()) && !store {
            anyhow::bail!("rates: what was sent is counted in the store: set store.location");
        }
        Ok(())
    }
}
