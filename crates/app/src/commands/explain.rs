//! `sekisho explain RULE`: what a rule looks at, when it hits, what its pattern's pieces mean, where it is written.
//! `sekisho explain SIGNATURE`: what its line says.
//! `sekisho explain QUEUE-ID`: what became of a message, and why.
//!
//! What is said of rules comes from [`rules::explain`], of messages from the history; here it is laid out.

use super::{Format, RuleArguments, service_config};
use crate::debug::Debug;
use crate::language;
use crate::loading;
use crate::output::{Colour, Output, Painter, readable};
use crate::{CLEAN, TROUBLE, rule_files};
use engine::Engine;
use engine::markup::perl_number;
use rules::Kind;
use rules::explain::{Dependency, Explanation, Language, PatternExplanation};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::LazyLock;
use store::history::{Entry, Query};
use store::{History, Id};

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Names of rules or signatures; or messages, by the mail server's queue id or by the history's own id. Where a rule has that
    /// name, the rule is meant: for the message say `sekisho history --queue-id ID --explain`
    #[arg(required = true, value_name = "RULE|QUEUE-ID")]
    named: Vec<String>,
    /// Configuration of the service, which says which rules there are and where the history is; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    rules: RuleArguments,
}

/// An explanation, and what the engine knows of the function behind an eval rule.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<&'static str>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    // A message is explained without waiting for rules, where no rule can have such a name.
    let config = service_config(arguments.config.as_deref())?;
    let rules = LazyLock::new(|| {
        let selection = arguments.rules.selection(&config);
        let loaded = loading::load(&selection, !arguments.rules.no_cache, true, &Debug::default());
        loaded.warn(&arguments.rules.lint(arguments.config.as_deref()));
        loaded.engine
    });
    let history = LazyLock::new(|| Ok(super::open_store(&config)?.map(|store| store.history())));
    let mut output = Output::new();
    let mut code = CLEAN;
    // What programs read stays as it is.
    let spoken = match arguments.format {
        Format::Text => language::explanations(),
        Format::Json => Language::English,
    };
    for name in &arguments.named {
        let rule = may_be_a_rule(name)
            .then(|| rules::explain::explain(&rules.ruleset, name, rules.score_set, spoken))
            .flatten();
        let Some(explanation) = rule else {
            // No queue id has a dot, nearly every signature's name has.
            if name.contains('.')
                && super::sigs::explain(arguments.config.as_deref(), name, arguments.format, &mut output)?
            {
                continue;
            }
            let entries = messages(&history, name);
            for entry in entries.iter().flatten() {
                match arguments.format {
                    Format::Text => output.text(&super::history::explanation(entry, output.painter()))?,
                    Format::Json => output.line(&serde_json::to_string(entry)?)?,
                }
            }
            if entries.as_ref().is_ok_and(|entries| !entries.is_empty()) {
                continue;
            }
            code = TROUBLE;
            let near = match may_be_a_rule(name) {
                true if rule_files::is_shipped(name) => format!(" ({})", language::IS_SHIPPED),
                true => suggestion(&rules, name),
                false => String::new(),
            };
            eprintln!("{name}: {}{near}", language::NEITHER);
            if let Err(error) = entries {
                eprintln!("sekisho: {}: {}", language::NO_HISTORY, language::told(&error));
            }
            continue;
        };
        let engine = &*rules;
        let documentation = engine.ruleset.get(name).and_then(|rule| match &rule.kind {
            Kind::Eval(eval) => engine::documentation(&eval.function).filter(|text| !text.is_empty()),
            _ => None,
        });
        let told = Told { explanation, documentation };
        match arguments.format {
            Format::Text => output.text(&told.text(output.painter()))?,
            Format::Json => output.line(&serde_json::to_string(&told)?)?,
        }
    }
    output.flush()?;
    Ok(code)
}

/// As SpamAssassin allows rules to be called.
fn may_be_a_rule(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Those that the mail server called so, the newest first; or the one that the history calls so.
fn messages<F>(history: &LazyLock<anyhow::Result<Option<History>>, F>, name: &str) -> anyhow::Result<Vec<Entry>>
where
    F: FnOnce() -> anyhow::Result<Option<History>>,
{
    let history = match &**history {
        Ok(Some(history)) => history,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => anyhow::bail!("{error:#}"),
    };
    let query = Query { queue_id: Some(name.to_owned()), limit: 10, ..Query::default() };
    let entries = history.search(&query)?.entries;
    match name.parse::<Id>() {
        Ok(id) if entries.is_empty() => Ok(history.show(id)?.into_iter().collect()),
        _ => Ok(entries),
    }
}

impl Told {
    fn text(&self, painter: Painter) -> String {
        let rule = &self.explanation;
        let mut out = format!("{}  {}\n", painter.paint(Colour::Bold, &rule.rule), said(&rule.summary));
        let mut field = |name: &language::Message, value: &str| {
            if !value.is_empty() {
                out.push_str(&format!("  {}: {value}\n", painter.paint(Colour::Blue, name.text())));
            }
        };
        field(&language::DESCRIPTION, &said(rule.description.as_deref().unwrap_or_default()));
        let scores: Vec<String> =
            rule.scores.iter().map(|(set, score)| format!("{} ({set})", perl_number(*score))).collect();
        field(&language::SCORE, &scores.join(", "));
        field(&language::NOTE, rule.score_note.as_deref().unwrap_or_default());
        field(&language::WRITTEN_IN, &rule.location);
        field(&language::REPLACES, rule.replaced.as_deref().unwrap_or_default());
        field(&language::CONDITIONS, &rule.conditions.join("; "));
        field(&language::INACTIVE, rule.inactive_because.as_deref().unwrap_or_default());
        if rule.priority != 0 {
            field(&language::PRIORITY, &rule.priority.to_string());
        }
        for (flag, meaning) in &rule.flags {
            field(&language::FLAG, &format!("{flag}: {meaning}"));
        }
        for effect in &rule.effects {
            field(&language::EFFECT, effect);
        }
        if rule.patterns.is_empty() {
            field(&language::DEFINITION, &said(&rule.definition));
        }
        for pattern in &rule.patterns {
            out.push_str(&pattern_text(pattern, painter));
        }
        if !rule.depends_on.is_empty() {
            out.push_str(&format!("  {}:\n", painter.paint(Colour::Blue, language::DEPENDS_ON.text())));
            for dependency in &rule.depends_on {
                out.push_str(&format!("    {}\n", dependency_text(dependency)));
            }
        }
        if !rule.needed_by.is_empty() {
            out.push_str(&format!(
                "  {}: {}\n",
                painter.paint(Colour::Blue, language::USED_BY.text()),
                rule.needed_by.join(" ")
            ));
        }
        if let Some(documentation) = self.documentation {
            out.push_str(&format!("\n{}\n", documentation.trim()));
        }
        out.push('\n');
        out
    }
}

/// Rule files may hold anything; a terminal is not to obey it.
fn said(text: &str) -> String {
    readable(text.as_bytes(), 20_000)
}

fn pattern_text(pattern: &PatternExplanation, painter: Painter) -> String {
    let mut out = format!(
        "  {}: {}\n  {}: {}\n",
        painter.paint(Colour::Blue, language::LOOKS_AT.text()),
        said(&pattern.view),
        painter.paint(Colour::Blue, language::PATTERN.text()),
        said(&pattern.written)
    );
    if let Some(bytes) = pattern.expanded_bytes {
        out.push_str(&format!("    ({bytes} {})\n", language::EXPANDED));
    }
    if !pattern.pieces.is_empty() {
        out.push_str(&format!("  {}:\n", painter.paint(Colour::Blue, language::PIECES.text())));
    }
    for (depth, piece, meaning) in &pattern.pieces {
        let indent = " ".repeat(4 + 2 * (*depth).min(20) as usize);
        let piece = format!("{indent}{}", readable(piece.as_bytes(), 60));
        out.push_str(&format!("{piece:<32}  {}\n", said(meaning)));
    }
    out
}

fn dependency_text(dependency: &Dependency) -> String {
    let state = match (dependency.missing, dependency.active) {
        (true, _) => format!(" ({})", language::MISSING),
        (false, false) => format!(" ({})", language::NOT_RUN),
        (false, true) => String::new(),
    };
    format!("{}{state}", dependency.rule)
}

/// The names nearest to one that does not exist.
fn suggestion(engine: &Engine, name: &str) -> String {
    let upper = name.to_uppercase();
    let mut near: Vec<(usize, &str)> = engine
        .ruleset
        .rules
        .iter()
        .map(|rule| (distance(&upper, &rule.name), rule.name.as_str()))
        .filter(|(distance, _)| *distance <= 1 + upper.len() / 4)
        .collect();
    near.sort_unstable();
    let mut names: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() {
        names = rules::explain::similar(&engine.ruleset, name).into_iter().take(3).collect();
    }
    if names.is_empty() { String::new() } else { format!(" ({} {}?)", language::DID_YOU_MEAN, names.join(", ")) }
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_are_edits() {
        for (a, b, expected) in [("", "ab", 2), ("kitten", "sitting", 3), ("GTUBE", "GTUBE", 0)] {
            assert_eq!(distance(a, b), expected);
        }
    }
}
