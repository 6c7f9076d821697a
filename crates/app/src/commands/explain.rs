//! `sekisho explain RULE`: what a rule looks at, when it hits, what its pattern's pieces mean, where it is written.

use super::{Format, RuleArguments};
use crate::debug::Debug;
use crate::language;
use crate::loading;
use crate::output::{Colour, Output, Painter, readable};
use crate::{CLEAN, TROUBLE};
use engine::Engine;
use rules::{Kind, Pattern, Rule, RuleId, Stage};
use serde::Serialize;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Names of rules
    #[arg(required = true, value_name = "RULE")]
    rules_named: Vec<String>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    rules: RuleArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let loaded = loading::load(&arguments.rules.selection(), !arguments.rules.no_cache, true, &Debug::default());
    loaded.warn();
    let engine = &loaded.engine;
    let mut output = Output::new();
    let mut code = CLEAN;
    for name in &arguments.rules_named {
        let Some(id) = engine.ruleset.find(name) else {
            code = TROUBLE;
            eprintln!("{name}: {}{}", language::NO_SUCH_RULE, suggestion(engine, name));
            continue;
        };
        let explanation = Explanation::new(engine, id);
        match arguments.format {
            Format::Text => output.text(&explanation.text(output.painter()))?,
            Format::Json => output.line(&serde_json::to_string(&explanation)?)?,
        }
    }
    output.flush()?;
    Ok(code)
}

#[derive(Serialize)]
struct Explanation {
    rule: String,
    kind: &'static str,
    description: String,
    score: f64,
    scores: [f64; 4],
    active: bool,
    file: String,
    line: u32,
    looks_at: String,
    hits_when: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<PatternExplained>,
    tflags: String,
    used_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<&'static str>,
}

#[derive(Serialize)]
struct PatternExplained {
    pattern: String,
    pieces: Vec<Piece>,
}

#[derive(Serialize)]
struct Piece {
    depth: usize,
    text: String,
    meaning: String,
}

impl Explanation {
    fn new(engine: &Engine, id: RuleId) -> Explanation {
        let ruleset = &engine.ruleset;
        let rule = ruleset.rule(id);
        let (kind, looks_at, hits_when) = in_words(rule);
        let depends = |other: &&Rule| matches!(&other.kind, Kind::Meta(meta) if meta.dependencies.contains(&id));
        Explanation {
            rule: rule.name.clone(),
            kind,
            description: rule.description.clone().unwrap_or_default(),
            score: rule.score(engine.score_set),
            scores: rule.scores,
            active: rule.active,
            file: ruleset.files.get(rule.location.file as usize).map(|(name, _)| name.clone()).unwrap_or_default(),
            line: rule.location.line,
            looks_at,
            hits_when,
            patterns: patterns(rule).into_iter().map(explain_pattern).collect(),
            tflags: rule.tflags.text.clone(),
            used_by: ruleset.rules.iter().filter(depends).map(|other| other.name.clone()).collect(),
            documentation: match &rule.kind {
                Kind::Eval(eval) => engine::documentation(&eval.function),
                _ => None,
            },
        }
    }

    fn text(&self, painter: Painter) -> String {
        let mut out = String::new();
        let mut field = |name: &language::Message, value: &str| {
            if !value.is_empty() {
                out.push_str(&format!("{}: {value}\n", painter.paint(Colour::Blue, name.text())));
            }
        };
        field(&language::RULE, &format!("{} ({})", painter.paint(Colour::Bold, &self.rule), self.kind));
        field(&language::DESCRIPTION, &readable(self.description.as_bytes(), 1000));
        let scores: Vec<String> = self.scores.iter().map(|score| engine::markup::perl_number(*score)).collect();
        let score = engine::markup::perl_number(self.score);
        field(&language::SCORE, &format!("{score}  [{}]", scores.join(" ")));
        field(&language::WRITTEN_IN, &format!("{}:{}", self.file, self.line));
        field(&language::LOOKS_AT, &self.looks_at);
        field(&language::HITS_WHEN, &self.hits_when);
        field(&language::FLAGS, &self.tflags);
        for pattern in &self.patterns {
            field(&language::PATTERN, &pattern.pattern);
        }
        if !self.active {
            out.push_str(&format!("{}\n", language::INACTIVE));
        }
        for pattern in self.patterns.iter().filter(|pattern| !pattern.pieces.is_empty()) {
            out.push_str(&format!("\n{}:\n", language::PIECES));
            for piece in &pattern.pieces {
                let indent = " ".repeat(2 + 2 * piece.depth.min(20));
                out.push_str(&format!("{indent}{:<24}  {}\n", piece.text, piece.meaning));
            }
        }
        if !self.used_by.is_empty() {
            out.push_str(&format!("\n{}: {}\n", language::USED_BY, self.used_by.join(", ")));
        }
        if let Some(documentation) = self.documentation.filter(|text| !text.is_empty()) {
            out.push_str(&format!("\n{}:\n{}\n", language::DOCUMENTATION, documentation.trim()));
        }
        out.push('\n');
        out
    }
}

/// Kind of rule, what it looks at, when it hits.
fn in_words(rule: &Rule) -> (&'static str, String, String) {
    let matches = "the pattern matches";
    let same = |kind, looks_at: &str| (kind, looks_at.to_owned(), matches.to_owned());
    match &rule.kind {
        Kind::Header(test) => {
            let mut when = if test.negated { "the pattern does not match" } else { matches }.to_owned();
            if let Some(unset) = &test.if_unset {
                when.push_str(&format!("; a missing header counts as \"{}\"", readable(unset, 200)));
            }
            ("header", header_in_words(&test.header), when)
        }
        Kind::HeaderExists { header } => ("header", header_in_words(header), "the message has this header".to_owned()),
        Kind::Body(_) => same("body", "the Subject and the text as a reader sees it, paragraph by paragraph"),
        Kind::RawBody(_) => same("rawbody", "the decoded text parts, markup included, in pieces of 2 to 4 kB"),
        Kind::Full(_) => same("full", "the whole message as it came"),
        Kind::Uri(_) => same("uri", "each address (URI) that the message leads to"),
        Kind::Text(_) => same("text", "what a reader sees, as normalised Unicode text (our own view)"),
        Kind::UriDetail(conditions) => {
            let parts: Vec<String> = conditions
                .iter()
                .map(|c| format!("{:?} {}", c.key, if c.negated { "does not match" } else { "matches" }).to_lowercase())
                .collect();
            ("uri_detail", "one link with all its properties".to_owned(), parts.join(" and "))
        }
        Kind::MimeHeader(test) => {
            let raw = if test.raw { ", undecoded" } else { "" };
            let when = if test.negated { "no part's field matches the pattern" } else { matches };
            ("mimeheader", format!("the field {} of each MIME part{raw}", test.header), when.to_owned())
        }
        Kind::Meta(meta) => ("meta", "other rules".to_owned(), format!("{} is true (not 0)", meta.text.trim())),
        Kind::Eval(eval) => {
            let stage = match eval.stage {
                Stage::Header | Stage::Rbl => "header",
                Stage::Body => "body",
                Stage::RawBody => "rawbody",
                Stage::Full => "full",
            };
            let arguments: Vec<String> = eval.arguments.iter().map(|a| format!("'{a}'")).collect();
            let unknown = if eval.known { "" } else { " (which this version does not know)" };
            let when = format!("the function {}({}) says so{unknown}", eval.function, arguments.join(", "));
            ("eval", format!("whatever the function needs (declared as {stage})"), when)
        }
        Kind::AskDns(ask) => {
            ("askdns", format!("DNS {} records of {}", ask.record_type, ask.query), "an answer matches".to_owned())
        }
        Kind::Empty => ("empty", "nothing".to_owned(), "never: it is only declared".to_owned()),
    }
}

fn header_in_words(request: &str) -> String {
    let mut pieces = request.split(':');
    let name = pieces.next().unwrap_or_default();
    let what = match name {
        "ALL" => "all header fields".to_owned(),
        "ToCc" => "the fields To and Cc".to_owned(),
        "EnvelopeFrom" => "the envelope sender".to_owned(),
        "MESSAGEID" => "all Message-ID fields".to_owned(),
        name if name.starts_with("X-Spam-Relays-") => {
            format!("the relays found in Received ({}), newest first", &name["X-Spam-Relays-".len()..])
        }
        name => format!("the field {name}"),
    };
    let modifiers: Vec<&str> = pieces
        .filter_map(|modifier| {
            Some(match modifier {
                "raw" => "undecoded",
                "addr" => "only the mail address",
                "name" => "only the display name",
                "host" => "only the host",
                "domain" => "only the registered domain",
                "ip" => "only IP addresses",
                "revip" => "only IP addresses, reversed",
                "first" => "only the topmost",
                "last" => "only the lowest",
                _ => return None,
            })
        })
        .collect();
    if modifiers.is_empty() { what } else { format!("{what}, {}", modifiers.join(", ")) }
}

fn patterns(rule: &Rule) -> Vec<&Pattern> {
    match &rule.kind {
        Kind::Header(test) => vec![&test.pattern],
        Kind::MimeHeader(test) => vec![&test.pattern],
        Kind::Body(pattern) | Kind::RawBody(pattern) | Kind::Full(pattern) => vec![pattern],
        Kind::Uri(pattern) | Kind::Text(pattern) => vec![pattern],
        Kind::UriDetail(conditions) => conditions.iter().map(|condition| &condition.pattern).collect(),
        _ => Vec::new(),
    }
}

fn explain_pattern(pattern: &Pattern) -> PatternExplained {
    let piece = |piece: engine::Piece| Piece {
        depth: piece.depth as usize,
        text: readable(piece.source.as_bytes(), 200),
        meaning: readable(piece.meaning.as_bytes(), 400),
    };
    PatternExplained {
        pattern: readable(&pattern.written, 20_000),
        pieces: engine::explain_pattern(pattern).into_iter().map(piece).collect(),
    }
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
    let names: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
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
    use super::*;

    #[test]
    fn distances_are_edits() {
        for (a, b, expected) in [("", "ab", 2), ("kitten", "sitting", 3), ("GTUBE", "GTUBE", 0)] {
            assert_eq!(distance(a, b), expected);
        }
    }

    #[test]
    fn requests_are_said_in_words() {
        assert_eq!(header_in_words("From:addr:first"), "the field From, only the mail address, only the topmost");
        assert_eq!(
            header_in_words("X-Spam-Relays-Untrusted"),
            "the relays found in Received (Untrusted), newest first"
        );
    }
}
