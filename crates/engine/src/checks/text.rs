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
        Some("hidden_share") => hidden_share(&view.hidden.bytes, &view.body.bytes),
        Some("simplified_among_kana") => facts.simplified_among_kana,
        Some("soft_hyphens_in_words") => facts.soft_hyphens_in_words,
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

/// Percent of all text that is not shown; 0 where little is hidden.
fn hidden_share(hidden: &[u8], shown: &[u8]) -> u32 {
    if hidden.len() < 400 {
        return 0;
    }
    u32::try_from(hidden.len() * 100 / (hidden.len() + shown.len())).unwrap_or(100)
}

/// Letters in a form below which it says too little to compare.
const LEAST_LETTERS: usize = 40;

pub fn check_alternatives_differ(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let wanted = args.first().map_or(20.0, |percent| perl::number(percent));
    let Some((plain, page)) = cx.views.alternatives() else { return Ok(Finding::NO) };
    let (one, other) = (pairs(&plain), pairs(&page));
    let shorter = one.len().min(other.len());
    if shorter < LEAST_LETTERS {
        return Ok(Finding::NO);
    }
    let common = one.intersection(&other).count();
    let share = common as f64 * 100.0 / shorter as f64;
    let notes = vec![format!("{share:.0} % of the shorter form is in the other")];
    Ok(if share < wanted { Finding { notes, ..Finding::hit() } } else { Finding::NO })
}

/// Neighbouring letters of a text, its addresses left out; of long texts the beginning.
fn pairs(text: &str) -> std::collections::HashSet<(char, char)> {
    let words = text.split_whitespace().filter(|word| !word.contains("://"));
    let letters: Vec<char> =
        words.flat_map(str::chars).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(4_000).collect();
    letters.windows(2).map(|two| (two[0], two[1])).collect()
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
