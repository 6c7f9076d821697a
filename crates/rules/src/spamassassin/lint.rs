//! What is legal but doubtful, and the summary that `sekisho lint` prints.

use super::loader::Loader;
use super::regex;
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::ruleset::{Kind, Pattern, Ruleset, Statistics};
use serde::{Deserialize, Serialize};

/// The last lines of a lint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    pub rules: u32,
    pub by_type: Statistics,
    /// Rules that can never hit here, with the eval function that is missing.
    pub unsupported: Vec<(String, String)>,
}

pub fn summary(ruleset: &Ruleset, diagnostics: &[Diagnostic]) -> Summary {
    let of = |severity: Severity| diagnostics.iter().filter(|found| found.severity == severity).count();
    let unsupported = ruleset.rules.iter().filter_map(|rule| match &rule.kind {
        Kind::Eval(eval) if !eval.known => Some((rule.name.clone(), eval.function.clone())),
        _ => None,
    });
    Summary {
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        notes: of(Severity::Note),
        rules: ruleset.statistics.total(),
        by_type: ruleset.statistics.clone(),
        unsupported: unsupported.collect(),
    }
}

/// Looks over a compiled ruleset for what its writer may not have meant.
pub fn look_over(ruleset: &Ruleset, loader: &mut Loader<'_>) {
    for (name, location) in std::mem::take(&mut loader.score_lines) {
        if ruleset.find(&name).is_none() {
            let message = format!("{name} has a score, but there is no such rule");
            loader.report_location(&location, diagnostic::SCORE_WITHOUT_RULE.found(message).rule(name));
        }
    }
    for (name, location) in std::mem::take(&mut loader.description_lines) {
        if ruleset.find(&name).is_none() {
            let message = format!("{name} is described, but there is no such rule");
            loader.report_location(&location, diagnostic::DESCRIPTION_WITHOUT_RULE.found(message).rule(name));
        }
    }
    for rule in &ruleset.rules {
        let public = !rule.is_sub_rule() && !rule.name.starts_with("T_");
        if public && rule.description.is_none() && rule.scores != [0.0; 4] {
            let message = format!("{} has no description", rule.name);
            loader.report_rule(&rule.name, diagnostic::MISSING_DESCRIPTION.found(message));
        }
        for word in rule.tflags.text.split_whitespace() {
            let known = super::compile::FLAGS.binary_search_by(|(flag, _)| (*flag).cmp(word)).is_ok();
            if !known && !word.starts_with("maxhits=") && !word.starts_with("range=") {
                let message = format!("{} has the unknown tflag `{word}`", rule.name);
                loader.report_rule(&rule.name, diagnostic::UNKNOWN_FLAG.found(message));
            }
        }
        for pattern in patterns(&rule.kind) {
            if let Some(reason) = regex::always_matches(pattern.body()) {
                let message = format!("the pattern of {} matches everything: it {reason}", rule.name);
                loader.report_rule(&rule.name, diagnostic::ALWAYS_MATCHING.found(message));
            }
            if let Some(form) = regex::parted_letter(pattern.body()) {
                let message = format!("the pattern of {} {form}", rule.name);
                loader.report_rule(&rule.name, diagnostic::PARTED_LETTER.found(message));
            }
            if let Some((form, remedy)) = regex::slow_form(pattern.body()) {
                let message = format!("the pattern of {} {form}", rule.name);
                loader.report_rule(&rule.name, diagnostic::SLOW_REGEX.found(message).remedy(remedy));
            }
        }
    }
}

/// The patterns of a rule.
pub fn patterns(kind: &Kind) -> Vec<&Pattern> {
    match kind {
        Kind::Header(test) => vec![&test.pattern],
        Kind::MimeHeader(test) => vec![&test.pattern],
        Kind::Body(pattern)
        | Kind::RawBody(pattern)
        | Kind::Full(pattern)
        | Kind::Uri(pattern)
        | Kind::Text(pattern) => vec![pattern],
        Kind::UriDetail(conditions) => conditions.iter().map(|condition| &condition.pattern).collect(),
        _ => Vec::new(),
    }
}
