//! The rule writer's bench: what one does to rules before they judge mail, and what is counted of what they judged.
//!
//! Texts, addresses, messages and answers of registries come in; records, rule lines, findings, tables and charts go out.
//! Nothing is asked, opened or written here: `app` does that.
#![forbid(unsafe_code)]

mod bits;
pub mod chart;
pub mod convert;
pub mod isp;
pub mod masscheck;
pub mod statistics;
pub mod suggest;
pub mod try_rule;
pub mod tune;
