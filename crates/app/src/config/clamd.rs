//! `[clamd]`: for those who ask us as they would ask ClamAV's daemon.

use super::units::{Size, Span};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clamd {
    /// Of a stream, and of a file.
    pub stream: Size,
    pub paths: Paths,
    /// Of one folder that is scanned.
    pub files: usize,
    pub depth: usize,
    pub read: Span,
    pub reload: bool,
    pub shutdown: bool,
}

/// Who may name files of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Paths {
    /// Over a Unix socket, or from the same machine.
    Local,
    All,
    None,
}

impl Default for Clamd {
    fn default() -> Self {
        Clamd {
            stream: Size(100 << 20),
            paths: Paths::Local,
            files: 100_000,
            depth: 15,
            read: Span::seconds(120),
            reload: true,
            shutdown: false,
        }
    }
}

impl Clamd {
    pub fn check(&self) -> anyhow::Result<()> {
        if self.stream.0 == 0 || self.files == 0 || self.read.0.is_zero() {
            anyhow::bail!("clamd: stream, files and read must be more than nothing");
        }
        Ok(())
    }
}
