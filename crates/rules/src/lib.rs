//! Everything an operator or a vendor writes down -> one [`Ruleset`] + diagnostics.
//!
//! Is handed texts; `include` goes through a reader that the caller gives. Loading never fails.
#![forbid(unsafe_code)]

/// Everything that is not a rule: scores of the whole, lists, networks, templates.
#[derive(Debug, Clone, Default)]
pub struct Settings {}
