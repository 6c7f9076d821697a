//! `docs/parity-differences.toml`: where we knowingly differ from SpamAssassin, each entry with its cause; and
//! `docs/parity-never.toml`: rules that no message can exercise in a comparison.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;

/// More would be a description of a different program.
const MOST: usize = 30;

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// One known difference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Rules it touches; `*` at the end stands for any rest.
    pub rules: Vec<String>,
    /// Ends of file names; empty: any message.
    #[serde(default)]
    pub files: Vec<String>,
    pub cause: String,
}

impl Difference {
    pub fn covers(&self, rule: &str, file: &str) -> bool {
        let rule_named = self.rules.iter().any(|r| match r.strip_suffix('*') {
            Some(start) => rule.starts_with(start),
            None => r == rule,
        });
        rule_named && (self.files.is_empty() || self.files.iter().any(|f| file.ends_with(f.as_str())))
    }
}

/// Rules that no message can exercise in a comparison, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    pub rules: Vec<String>,
    pub cause: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeverFile {
    never: Vec<Never>,
}

pub fn read_never(path: &Path) -> Result<Vec<Never>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file: NeverFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(file.never)
}

pub fn read(path: &Path) -> Result<Vec<Difference>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
    ensure!(
        file.difference.len() <= MOST,
        "{} lists {} differences; at most {MOST} are allowed",
        path.display(),
        file.difference.len()
    );
    Ok(file.difference)
}
