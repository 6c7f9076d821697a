//! `[service]`: the process itself.

use super::units::Span;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// Empty: stay who we are.
    pub user: String,
    /// Empty: that of the user.
    pub group: String,
    pub drain: Span,
}

impl Default for Service {
    fn default() -> Self {
        Service { user: String::new(), group: String::new(), drain: Span::seconds(30) }
    }
}

impl Service {
    pub fn check(&self) -> anyhow::Result<()> {
        if self.user.is_empty() && !self.group.is_empty() {
            anyhow::bail!("service: a group without a user: set service.user too");
        }
        Ok(())
    }
}
