//! What loading says about a text: stable code, place, excerpt, remedy.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// Loaded, but probably not what was meant.
    Warning,
    /// The line is not in force.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// `SK0103`; its meaning never changes.
    pub code: String,
    /// `unknown-directive`.
    pub name: String,
    pub message: String,
    pub file: String,
    /// First is 1; 0 where the finding concerns no line.
    pub line: u32,
    /// In bytes, first is 1.
    pub column: u32,
    /// How many columns the label covers, at least 1.
    pub width: u32,
    /// The line, made printable.
    pub excerpt: String,
    /// Stands at the caret.
    pub label: String,
    /// What to do; empty where that is plain.
    pub remedy: String,
    /// The rule concerned.
    pub rule: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}
