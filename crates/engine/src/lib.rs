//! A pure function: (ruleset, transaction, answers) -> questions or verdict.
#![forbid(unsafe_code)]

pub mod answers;
pub mod check;
pub mod checks;

pub use answers::{Answer, Answers, Asking, Question, Record};
pub use check::{Arg, Availability, CheckEntry, Context, Finding, Kinds, Memo, Outcome, Pending};
