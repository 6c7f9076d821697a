//! Checks whose answers come from the network, from what was learnt, or from files that nobody reads yet.
//!
//! They stand in the table so that rules that call them load without complaint, and never hit: exactly what
//! SpamAssassin's do without network and learner.

use crate::check::{Arg, Context, Finding, Outcome};

pub fn no_answer(_: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(Finding::NO)
}
