//! Dates as mail programs write them.
