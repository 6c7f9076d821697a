//! Checks on what making the text view met: invisible characters, letters in disguise, labels that lie.

use super::perl;
use crate::check::{Arg, Context, Outcome};

pub fn check_text_fact(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let view = cx.views.text();
    let facts = &view.facts;
    let count = match args.first().map(String::as_str) {
        Some("ignorables_in_words") => facts.ignorables_in_words,
        Some("decorated_letters") => facts.decorated_letters,
        Some("lookalike_letters") => facts.lookalike_letters,
        Some("charset_mismatches") => facts.charset_mismatches(),
        Some("hidden_characters") => u32::try_from(view.hidden.bytes.len()).unwrap_or(u32::MAX),
        _ => 0,
    };
    let least = args.get(1).map_or(1.0, |least| perl::number(least));
    Ok((count > 0 && f64::from(count) >= least).into())
}
