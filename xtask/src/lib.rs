//! What the chores share with the benches: how SpamAssassin is asked, how we are.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a chore prints its result

pub mod bayes;
pub mod cores;
pub mod fuzz;
pub mod losses;
pub mod normalise;
pub mod parity;
pub mod picture;
pub mod signatures;
