//! The rule file that holds the records, and rule files that others wrote the same way.
//!
//! Above each record's rules stands `#isp {...}` with what is known of it. Rules of this kind without it (a TLEC user_prefs)
//! are read as records too, with what their lines say: country and title from the description, score as it is.

use super::{Record, State, is_name};
use feeds::range::of_pattern;
use std::collections::{HashMap, HashSet};

const HEAD: &str = "# Networks that spam came from; kept by `sekisho isp`. SpamAssassin reads this file too.\n\
                    # What is known of a rule stands in the line above it; change the rules by `sekisho isp`, or both by hand.\n";
const MARK: &str = "#isp ";
/// No file that somebody keeps is longer.
const MOST_RECORDS: usize = 100_000;

/// All records of a file, by name in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    pub records: Vec<Record>,
}

/// What of a file was not understood, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    pub what: String,
}

impl Book {
    /// Reads a file of ours or a user_prefs. Lines of other kinds are passed over; what looks like a range rule and is not
    /// understood is a problem, and the rest is read.
    pub fn read(text: &str) -> (Book, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut records: Vec<Record> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut facts: Option<Record> = None;
        for (number, line) in text.lines().enumerate() {
            let mut problem = |what: String| problems.push(Problem { line: number + 1, what });
            let line = line.trim();
            if let Some(json) = line.strip_prefix(MARK) {
                match serde_json::from_str::<Record>(json) {
                    Ok(record) => facts = Some(record),
                    Err(error) => {
                        problem(format!("the line of facts is broken ({error}); the rules below it are read alone"))
                    }
                }
                continue;
            }
            let mut words = line.splitn(3, char::is_whitespace);
            let (Some(word), Some(name)) = (words.next(), words.next()) else { continue };
            let rest = words.next().unwrap_or_default().trim();
            match word {
                "header" => {
                    let Some(pattern) = range_rule(rest) else { continue };
                    let known = facts.take().filter(|record| record.name == name);
                    if !is_name(name) {
                        problem(format!("{name} is no name for a rule: capital letters, digits and _, a letter first"));
                        continue;
                    }
                    let Some(ranges) = of_pattern(pattern) else {
                        problem(format!(
                            "{name}: its pattern is more than octets; write it as ^\\[ ip=192\\.0\\.2\\. or leave it where it is"
                        ));
                        continue;
                    };
                    if records.len() == MOST_RECORDS {
                        problem(format!("more than {MOST_RECORDS} records; the rest is left out"));
                        break;
                    }
                    let mut record =
                        known.unwrap_or_else(|| Record { name: name.to_owned(), score: UNSCORED, ..Record::default() });
                    record.ranges = ranges;
                    record.pattern = None;
                    record.pattern = (record.pattern() != pattern).then(|| pattern.to_owned());
                    match places.insert(name.to_owned(), records.len()) {
                        Some(before) => {
                            problem(format!("{name} is there twice; the later one counts"));
                            records[before] = record;
                            places.insert(name.to_owned(), before);
                        }
                        None => records.push(record),
                    }
                }
                "describe" => {
                    let Some(record) = places.get(name).map(|at| &mut records[*at]) else { continue };
                    let (country, title) = described(rest);
                    (record.country, record.title) = (country.to_owned(), title.to_owned());
                }
                "score" => {
                    let Some(record) = places.get(name).map(|at| &mut records[*at]) else { continue };
                    match rest.split_whitespace().next().map(str::parse::<f64>) {
                        Some(Ok(score)) if score.is_finite() => {
                            // The score of a suspended rule is kept among its facts.
                            if record.state == State::Active {
                                record.score = score;
                            }
                        }
                        _ => problem(format!("{name}: the score is no number")),
                    }
                }
                _ => {}
            }
        }
        (Book { records }, problems)
    }

    /// A file of ours, which [`Book::read`] gives back as it is.
    pub fn write(&self) -> String {
        let mut out = HEAD.to_owned();
        for record in &self.records {
            out.push('\n');
            if let Ok(facts) = serde_json::to_string(record) {
                out.push_str(&format!("{MARK}{facts}\n"));
            }
            out.push_str(&record.rules());
        }
        out
    }

    /// The rules alone, as a user_prefs holds them.
    pub fn export(&self) -> String {
        self.records.iter().map(|record| record.rules() + "\n").collect()
    }

    pub fn find(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }

    pub fn find_mut(&mut self, name: &str) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.name == name)
    }

    pub fn names(&self) -> HashSet<&str> {
        self.records.iter().map(|record| record.name.as_str()).collect()
    }
}

/// What SpamAssassin gives a rule without a score.
const UNSCORED: f64 = 1.0;

/// The pattern of `X-Spam-Relays-Untrusted =~ /^\[ ip=.../`.
fn range_rule(rest: &str) -> Option<&str> {
    let (header, pattern) = rest.split_once("=~")?;
    if header.trim() != "X-Spam-Relays-Untrusted" {
        return None;
    }
    let pattern = pattern.trim().strip_prefix('/').or_else(|| pattern.trim().strip_prefix("m/"))?;
    let pattern = &pattern[..pattern.rfind('/')?];
    (pattern.starts_with(r"^\[ ip=") || pattern.starts_with(r"^\[\sip=")).then_some(pattern)
}

/// `[PH]GLOBALSPEED-PH`
fn described(text: &str) -> (&str, &str) {
    let country = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match country {
        Some((country, title)) if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            (country, title.trim())
        }
        _ => ("", text),
    }
}
