//! Why a pattern was refused, for the person who wrote it.

use serde::{Deserialize, Serialize};

/// A pattern that cannot be used: where (byte offset into the text that was handed in) and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason} (at byte {offset})")]
pub struct PatternError {
    pub offset: usize,
    pub reason: String,
}

impl PatternError {
    pub(crate) fn new(offset: usize, reason: impl Into<String>) -> PatternError {
        PatternError { offset, reason: reason.into() }
    }
}
