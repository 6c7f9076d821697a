//! The table of checks, sorted by name; one file per family.

use crate::check::CheckEntry;

pub static CHECKS: &[CheckEntry] = &[];
