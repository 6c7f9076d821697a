//! `.yar .yara`: rules in YARA's language, read as ClamAV reads them.
//!
//! In: a file of rules, parsed by `boreal-parser`. Out: logical signatures named `YARA.<rule>`, whose strings stand in the
//! same tables as all others, so that rules cost nothing where none of their strings lies; a regular expression is
//! searched for where the longest string that it needs was found. `boreal`'s own matcher is not used: it would pass over
//! every buffer once more, and its tables cannot be kept in our cache.
//!
//! As in ClamAV a rule looks at every file and every copy of it, `global` says nothing, strings are numbered from one place
//! each, and what needs a module, or more than 64 strings, is refused. Each rule is refused by itself.

mod compile;
pub mod condition;
mod split;

use super::set::{Logical, SignatureId, Sub, Yara, owner_nobody, owner_of_sub};
use super::{Conditions, Expression, Line, Loader, Refused, Target};
use crate::diagnostic;
use boreal_parser::file::YaraFileComponent;
use boreal_parser::rule::Rule;
use compile::{Compiled, Text};
use condition::{Facts, Value};
use patterns::signature::{Offset, Pcre, SignatureSpec};
use split::Piece;
use std::collections::HashMap;
use std::ops::Range;

/// Longest text of one rule.
const LONGEST: usize = 1 << 20;
/// Rules that name rules that name rules.
const DEEPEST: u32 = 32;
/// Steps in which it must be clear whether a rule can hold without any string.
const STEPS: u32 = 100_000;

/// What is known of the rules of a file that were taken.
#[derive(Default)]
struct Known {
    /// Number of the logical signature and how deep it refers, by name.
    rules: HashMap<String, (u32, u32)>,
    /// In order, for `rule_*`.
    names: Vec<String>,
}

/// Reads a file; rules taken, and rules passed over on purpose.
pub(super) fn file(loader: &mut Loader<'_>, text: &[u8]) -> (u64, u64) {
    let (mut loaded, mut skipped) = (0, 0);
    let mut known = Known::default();
    for piece in split::split(text) {
        let (range, outcome) = match piece {
            Piece::Rule(range) => (range.clone(), rule(loader, text, range, &mut known)),
            // Whoever uses a module is told so.
            Piece::Import(_) => continue,
            Piece::Include(range) => {
                let message = "other files are not included: name them beside this one";
                (range.clone(), super::bad(message, 0..range.len()))
            }
            Piece::Stray(range) => (range.clone(), super::bad("expected a rule", 0..range.len().min(1))),
        };
        match outcome {
            Ok(()) => loaded += 1,
            Err(Refused::Skip) => skipped += 1,
            Err(Refused::Bad { message, at }) => {
                let (line, at) = place(text, range.start + at.start..range.start + at.end);
                loader.found(&diagnostic::BAD_YARA_RULE, message, Some(&line), at);
            }
        }
    }
    (loaded, skipped)
}

/// The text of the rule that stands at a line of a file.
pub fn text_at(text: &[u8], line: u32) -> Option<&[u8]> {
    let number = |at: usize| 1 + memchr::memchr_iter(b'\n', &text[..at]).count() as u32;
    split::split(text).into_iter().find_map(|piece| match piece {
        Piece::Rule(range) if (number(range.start)..=number(range.end)).contains(&line) => text.get(range),
        _ => None,
    })
}

/// The line in which something stands, and where in it.
fn place(text: &[u8], at: Range<usize>) -> (Line<'_>, Range<usize>) {
    let at = at.start.min(text.len())..at.end.min(text.len());
    let start = memchr::memrchr(b'\n', &text[..at.start]).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', &text[at.start..]).map_or(text.len(), |end| at.start + end);
    let line = text[start..end].trim_ascii_end();
    let number = 1 + memchr::memchr_iter(b'\n', &text[..start]).count() as u32;
    let within = |at: usize| at.saturating_sub(start).min(line.len());
    (Line { text: line, number }, within(at.start)..within(at.end))
}

/// Takes one rule; places in the refusal count from its start.
fn rule(loader: &mut Loader<'_>, text: &[u8], range: Range<usize>, known: &mut Known) -> Result<(), Refused> {
    let start = range.start;
    let source = &text[range];
    if source.len() > LONGEST {
        return super::bad("the rule is longer than a megabyte", 0..4);
    }
    let source = match std::str::from_utf8(source) {
        Ok(source) => source,
        Err(error) => return super::bad("the rule is not UTF-8", error.valid_up_to()..error.valid_up_to() + 1),
    };
    let rule = parse(source)?;
    let (line, _) = place(text, start + rule.name_span.start..start + rule.name_span.end);
    let name = format!("YARA.{}", rule.name);
    loader.check_name(name.as_bytes(), &line)?;
    if known.rules.contains_key(&rule.name) {
        return super::bad(format!("another rule is named {} already", rule.name), rule.name_span.clone());
    }
    let compiled = compile::compile(&rule, source, known)?;
    if compiled.depth > DEEPEST {
        return super::bad("rules refer to rules more than 32 deep", rule.name_span.clone());
    }
    let depth = compiled.depth;
    let logical = take(loader, &name, compiled, &line, &rule)?;
    known.rules.insert(rule.name.clone(), (logical, depth));
    known.names.push(rule.name.clone());
    if rule.variables.is_empty() && !rule.is_private {
        // Other rules may refer to it all the same.
        return super::bad("a rule without strings never hits by itself, as in ClamAV", rule.name_span.clone());
    }
    Ok(())
}

fn parse(source: &str) -> Result<Box<Rule>, Refused> {
    let file = boreal_parser::parse(source).map_err(|error| {
        let told = error.to_diagnostic();
        let at = told.labels.first().map_or(0..1, |label| label.range.clone());
        Refused::Bad { message: told.message, at }
    })?;
    match file.components.into_iter().next() {
        Some(YaraFileComponent::Rule(rule)) => Ok(rule),
        _ => super::bad("expected a rule", 0..1),
    }
}

/// Strings into the tables, the condition beside them.
fn take(loader: &mut Loader<'_>, name: &str, compiled: Compiled, line: &Line<'_>, rule: &Rule) -> Result<u32, Refused> {
    let logical = loader.set.logical.len() as u32;
    let first_owner = loader.owners.len();
    let first_sub = loader.set.sub_owners.len();
    let first_pcre = loader.set.pcres.len();
    let mut subs = Vec::new();
    let mut refused = None;
    for (index, string) in compiled.strings.into_iter().enumerate() {
        let at = rule.variables.get(index).map_or(0..1, |variable| variable.span.clone());
        match string.text {
            Text::Bytes { hex, modifiers } => {
                let spec = SignatureSpec {
                    hex: &hex,
                    modifiers,
                    offset: Offset::Any,
                    group: Target::Any as u8,
                    every: string.every,
                };
                match loader.body.add(spec) {
                    Ok(ids) => {
                        let owner = loader.set.sub_owners.len();
                        loader.set.sub_owners.push((logical, index as u8));
                        loader.owners.extend(ids.map(|_| owner_of_sub(owner)));
                    }
                    Err(error) => {
                        refused.get_or_insert(Refused::Bad { message: error.reason, at });
                    }
                }
                subs.push(Sub::Body);
            }
            Text::Expression { source, flags, needs } => {
                if let Err(error) = Pcre::check(source.as_bytes(), flags) {
                    refused.get_or_insert(Refused::Bad { message: error.reason, at });
                }
                let pcre = loader.set.pcres.len() as u32;
                loader.set.pcres.push(Pcre::new(source.as_bytes(), flags));
                let trigger = Expression::found_or_not(needs.unwrap_or(index as u8), needs.is_some());
                let (global, rolling, encompass) = (false, false, false);
                subs.push(Sub::Pcre { trigger, pcre, offset: Offset::Any, global, rolling, encompass });
            }
        }
    }
    if let Some(refused) = refused {
        loader.owners[first_owner..].fill(owner_nobody());
        loader.set.sub_owners.truncate(first_sub);
        loader.set.pcres.truncate(first_pcre);
        return Err(refused);
    }
    let yara = Yara { condition: compiled.condition, silent: rule.is_private || rule.variables.is_empty() };
    if !yara.silent && yara.condition.evaluate(&mut Nothing(&subs), &mut STEPS.clone()).truth() != Some(false) {
        loader.set.always.entry(Target::Any as u8).or_default().push(logical);
    }
    let signature = SignatureId(loader.name(name.as_bytes(), line));
    loader.set.logical.push(Logical {
        signature,
        target: Target::Any,
        expression: Expression::found_or_not(0, true),
        conditions: Conditions::default(),
        subs,
        yara: Some(Box::new(yara)),
    });
    Ok(logical)
}

/// A buffer in which none of the strings lies, and of which nothing else is known.
struct Nothing<'a>(&'a [Sub]);

impl Facts for Nothing<'_> {
    fn starts(&self, string: u8) -> Option<&[usize]> {
        match self.0.get(usize::from(string)) {
            Some(Sub::Pcre { trigger, .. }) if trigger.holds(&[]) => None,
            _ => Some(&[]),
        }
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn entry_point(&self) -> Option<Value> {
        None
    }

    fn bytes(&self, _: u64, _: usize) -> Option<Option<&[u8]>> {
        None
    }

    fn rule(&mut self, _: u32, _: &mut u32) -> Option<bool> {
        None
    }
}
