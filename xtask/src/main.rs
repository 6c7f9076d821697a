//! Chores of the repository: checks, generators, parity runs.
#![forbid(unsafe_code)]

fn main() {}
