//! Where the world comes in: files, clock, config, command line.
#![forbid(unsafe_code)]

fn main() {}
