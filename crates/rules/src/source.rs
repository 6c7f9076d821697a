//! What [`crate::load`] is handed: named texts, and a way to fetch what they include. No file is opened here.

use serde::{Deserialize, Serialize};

/// Who wrote a text. Decides which lines it may hold and, within one set of sources, nothing else: the caller
/// passes sources in the order in which they apply (SpamAssassin: `.pre` files, the distribution's rules, the
/// site's files, the user's preferences; within each by name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceKind {
    /// `*.pre`: plugins and switches, read before everything else.
    Pre,
    /// Rules as distributed or updated.
    Default,
    /// `/etc/spamassassin/*.cf`, `--cf`.
    Site,
    /// `user_prefs`.
    User,
}

/// A text with the name under which diagnostics speak of it, usually its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    pub name: String,
    /// Bytes, not characters: rules may hold any encoding, and patterns mean bytes.
    pub text: Vec<u8>,
    pub kind: SourceKind,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>, kind: SourceKind) -> Source {
        Source { name: name.into(), text: text.into(), kind }
    }
}

/// Fetches what `include` names. The path is already relative to the including file; `~` is for the reader to expand.
pub trait Reader {
    /// Name and text of each file (a directory has several, in order); the message says what went wrong.
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String>;
}

/// For texts that include nothing: every `include` is reported as unreadable.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoReader;

impl Reader for NoReader {
    fn read(&mut self, _path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        Err("nothing can be included here".to_owned())
    }
}

/// Where a rule or a setting stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Location {
    /// Index into [`crate::Ruleset::files`].
    pub file: u32,
    /// First line is 1.
    pub line: u32,
}
