//! `[report]`: statistics by mail.

use super::units::Span;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// So often the statistics go to somebody by mail; zero: never.
    pub every: Span,
    /// To whom; empty: `notify.postmaster`.
    pub to: String,
}

impl Default for Report {
    fn default() -> Self {
        Report { every: Span::seconds(0), to: String::new() }
    }
}

impl Report {
    pub fn check(&self, postmaster: &str) -> Result<(), String> {
        if !self.to.is_empty() && (!self.to.contains('@') || self.to.contains(char::is_whitespace)) {
            return Err(format!("report: to = {:?} is no address", self.to));
        }
        if !self.every.0.is_zero() && self.to.is_empty() && postmaster.is_empty() {
            return Err("report: every is set, but neither report.to nor notify.postmaster says to whom".into());
        }
        Ok(())
    }

    pub fn to<'a>(&'a self, postmaster: &'a str) -> &'a str {
        if self.to.is_empty() { postmaster } else { &self.to }
    }
}
