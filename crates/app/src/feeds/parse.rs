//! Whether files say something that can be used: signatures line by line, rules together with all that is in force.
//!
//! Errors that stood in the set before are known and stay what they are; a new one refuses the set. A line of signatures
//! more or less is no reason to refuse thousands: many are.

use super::state::Failure;
use super::{Feed, selection, selection_with};
use crate::config::Config;
use crate::loading;
use feeds::shape::{self, Kind};
use rules::Diagnostic;
use std::collections::BTreeSet;
use std::path::Path;

/// Of ten lines of signatures at most one may be broken.
const BROKEN: usize = 10;

/// How many signatures a file has.
pub fn signatures(name: &str, content: &[u8]) -> Result<usize, Failure> {
    let (mut usable, mut broken, mut first) = (0, 0, None);
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match is_signature(name, line) {
            true => usable += 1,
            false => {
                broken += 1;
                first.get_or_insert(index + 1);
            }
        }
    }
    match first {
        Some(line) if broken * BROKEN > usable + broken => Err(Failure::Content(format!(
            "{name}: {broken} of {} lines are no signatures, the first is line {line}",
            usable + broken
        ))),
        _ => Ok(usable),
    }
}

/// By the number of fields and the look of the telling one; `rules::signatures` knows the grammar.
fn is_signature(name: &str, line: &[u8]) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let fields = |by: u8| line.split(move |byte| *byte == by);
    let hex = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_hexdigit);
    match ending.as_str() {
        "ndb" | "ndu" => fields(b':').count() >= 4 && fields(b':').nth(3).is_some_and(|body| !body.is_empty()),
        "ldb" | "ldu" => fields(b';').count() >= 4,
        "hdb" | "hdu" | "hsb" | "hsu" | "fp" | "sfp" => {
            fields(b':').count() >= 3 && fields(b':').next().is_some_and(|digest| hex(digest) && digest.len() >= 32)
        }
        "cdb" => fields(b':').count() >= 10,
        "ftm" => fields(b':').count() >= 6,
        "db" => line.contains(&b'='),
        "pdb" | "wdb" | "gdb" => line.get(1..).is_some_and(|rest| rest.contains(&b':')),
        _ => true,
    }
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
    }

    #[test]
    fn includes_stay_in_the_set() {
        assert_eq!(foreign_include(b"body A /a/\n  include /etc/passwd\n"), Some("/etc/passwd".into()));
        assert_eq!(foreign_include(b"include 20_other.cf\n# include /x\n"), None);
    }
}
