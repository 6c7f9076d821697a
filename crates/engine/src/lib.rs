//! A pure function: (ruleset, transaction, answers) -> questions or verdict.
#![forbid(unsafe_code)]

pub mod check;
pub mod checks;

pub use check::{Arg, CheckEntry, Context, Finding, Kinds, Outcome, Pending};
