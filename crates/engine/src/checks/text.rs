//! Checks on what reading the message met: invisible characters, letters in disguise, labels that lie, limits.

use super::perl;
use crate::check::{Arg, Context, Finding, Outcome};
use mail::{CharsetMismatch, Note};

pub fn check_text_fact(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let view = cx.views.text();
    let facts = &view.facts;
    let number = match args.first().map(String::as_str) {
        Some("ignorables_in_words") => facts.ignorables_in_words,
        Some("decorated_letters") => facts.decorated_letters,
        Some("lookalike_letters") => facts.lookalike_letters,
        Some("charset_mismatches") => count(facts.charset_mismatches()),
        Some("hidden_characters") => u32::try_from(view.hidden.bytes.len()).unwrap_or(u32::MAX),
        _ => 0,
    };
    let least = args.get(1).map_or(1.0, |least| perl::number(least));
    if number == 0 || f64::from(number) < least {
        return Ok(Finding::NO);
    }
    let notes = match args.first().map(String::as_str) {
        Some("charset_mismatches") => facts.charset_mismatches().take(NOTES).map(told).collect(),
        _ => Vec::new(),
    };
    Ok(Finding { notes, ..Finding::hit() })
}

/// Lines under a rule in the report.
const NOTES: usize = 3;

fn told(mismatch: &CharsetMismatch) -> String {
    // The label is the sender's: a line of it is enough.
    let declared: String = mismatch.declared.chars().take(40).collect();
    format!("{}: {declared} is {}", mismatch.place, mismatch.found)
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Some limit cut off a piece of the message, or the named one did.
pub fn check_limit_reached(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let notes = cx.views.notes();
    let reached: Vec<String> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Limit { what, limit } if args.first().is_none_or(|wanted| wanted == what) => {
                Some(format!("{what}: {limit}"))
            }
            _ => None,
        })
        .collect();
    Ok(if reached.is_empty() { Finding::NO } else { Finding { notes: reached, ..Finding::hit() } })
}
