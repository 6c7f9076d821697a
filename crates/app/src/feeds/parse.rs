//! Whether files say something that can be used: signatures line by line, rules together with all that is in force.
//!
//! Errors that stood in the set before are known and stay what they are; a new one refuses the set. A line of signatures
//! more or less is no reason to refuse thousands: many are.

use super::state::Failure;
use super::{Feed, selection, selection_with};
use crate::config::Config;
use crate::loading;
use feeds::shape::{self, Kind};
use rules::signatures::{Options, Source};
use rules::{Diagnostic, Severity};
use std::collections::BTreeSet;
use std::path::Path;

/// Of ten lines of signatures at most one may be broken.
const BROKEN: u64 = 10;

/// How many lines of a file are in force, or count for others than mail.
pub fn signatures(name: &str, content: &[u8]) -> Result<u64, Failure> {
    let source = Source { name: name.into(), bytes: content.into(), official: false };
    let (set, diagnostics) = rules::signatures::load(&[source], &Options::default());
    let known = &set.statistics;
    let usable: u64 = [&known.loaded, &known.skipped, &known.not_for_mail].iter().flat_map(|by| by.values()).sum();
    let mut errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let Some(first) = errors.next() else { return Ok(usable) };
    let lines = shape::lines(content) as u64;
    let broken = lines.saturating_sub(usable);
    if broken * BROKEN <= lines {
        return Ok(usable);
    }
    let message = crate::output::readable(first.message.as_bytes(), 200);
    Err(Failure::Content(format!(
        "{name}: {broken} of {lines} lines are no signatures, the first is line {}: {message}",
        first.line
    )))
}

/// Whether the rules of this folder, as those of the feed, bring errors that were not there.
pub fn rules(config: &Config, feed: &Feed, folder: &Path) -> Result<(), Failure> {
    for name in super::names(folder).into_iter().filter(|name| shape::kind(name) == Kind::Rules) {
        let text = std::fs::read(folder.join(&name))?;
        if let Some(path) = foreign_include(&text) {
            return Err(Failure::Content(format!("{name} includes {path}, which is not of its set")));
        }
    }
    let after = loading::load_thoroughly(&selection_with(config, Some((&feed.name, folder))));
    if let Some(problem) = after.problems.first() {
        return Err(Failure::Content(problem.clone()));
    }
    let here = folder.display().to_string();
    let of_this: Vec<&Diagnostic> = after.serious().filter(|found| found.file.starts_with(&here)).collect();
    if of_this.is_empty() {
        return Ok(());
    }
    let before = loading::load_thoroughly(&selection(config));
    let known: BTreeSet<_> = before.serious().map(key).collect();
    let new: Vec<&&Diagnostic> = of_this.iter().filter(|found| !known.contains(&key(found))).collect();
    match new.first() {
        None => Ok(()),
        Some(first) => {
            let file = first.file.rsplit('/').next().unwrap_or_default();
            let more = if new.len() > 1 { format!(" (and {} more)", new.len() - 1) } else { String::new() };
            let message = crate::output::readable(first.message.as_bytes(), 200);
            Err(Failure::Content(format!("{file}:{}: {}: {message}{more}", first.line, first.name)))
        }
    }
}

/// The same error in another generation of the file, perhaps some lines further down.
fn key(found: &Diagnostic) -> (String, String, String) {
    let file = found.file.rsplit('/').next().unwrap_or_default().to_owned();
    (file, found.code.clone(), format!("{} {}", found.message, found.excerpt))
}

/// A publisher's file reads no other files of ours.
fn foreign_include(text: &[u8]) -> Option<String> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line.trim_ascii()).into_owned());
    let mut included = lines
        .filter_map(|line| line.strip_prefix("include")?.strip_prefix([' ', '\t']).map(|path| path.trim().to_owned()));
    included.find(|path| !feeds::is_plain_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_broken_lines_are_borne() {
        let good = "A:0:*:61626364\n".repeat(20);
        assert_eq!(signatures("a.ndb", format!("# x\r\n\n{good}oops\n").as_bytes()), Ok(20));
        let error = signatures("a.ndb", format!("{good}{}", "oops\n".repeat(5)).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("5 of 25 lines are no signatures, the first is line 21"), "{error}");
        assert!(signatures("a.hdb", b"A:0:*:61626364\n").is_err());
        assert_eq!(signatures("a.ign2", b"A\nB\n").ok().map(|_| ()), Some(()));
        assert_eq!(signatures("a.yara", b"rule a { strings: $a = \"hello\" condition: $a }\n").ok(), Some(1));
    }

    #[test]
    fn includes_stay_in_the_set() {
        assert_eq!(foreign_include(b"body A /a/\n  include /etc/passwd\n"), Some("/etc/passwd".into()));
        assert_eq!(foreign_include(b"include 20_other.cf\n# include /x\n"), None);
    }
}
