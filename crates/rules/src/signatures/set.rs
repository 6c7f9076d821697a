//! Everything loaded, compiled: immutable, shared between threads, serialisable for the cache.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A compiled set of signatures.
#[derive(Default, Serialize, Deserialize)]
pub struct Set {
    pub statistics: Statistics,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Signatures in force, by format (`ndb`).
    pub loaded: BTreeMap<String, u64>,
    /// Lines passed over on purpose (version out of range, ignored by name, possibly unwanted programs), by format.
    pub skipped: BTreeMap<String, u64>,
    /// Lines of formats that concern executables alone, by format.
    pub not_for_mail: BTreeMap<String, u64>,
}

impl Set {
    pub fn is_empty(&self) -> bool {
        self.statistics.loaded.values().all(|count| *count == 0)
    }

    /// Signatures in force.
    pub fn len(&self) -> u64 {
        self.statistics.loaded.values().sum()
    }
}
