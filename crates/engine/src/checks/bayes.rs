//! `check_bayes`: does the probability that was learnt lie within the rule's bounds?

use super::perl;
use crate::answers::{Answer, Question};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::mime::address::{all_from_addresses, all_to_addresses};
use mail::views::Views;
use rules::Settings;

/// The lower bound belongs to the range only where it is 0, the upper one always: no message hits two of the ranges.
pub fn check_bayes(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let settings = cx.settings;
    if !(settings.use_learner && settings.use_bayes && settings.use_bayes_rules) {
        return Ok(Finding::NO);
    }
    if ignores(settings, cx.views) {
        return Ok(Finding::NO);
    }
    let Answer::Millionths(millionths) = cx.asking.get(Question::SpamProbability)? else { return Ok(Finding::NO) };
    let probability = f64::from(*millionths) / 1e6;
    let min = args.first().map_or(0.0, |min| perl::number(min));
    let max = args.get(1).filter(|max| *max != "undef").map_or(f64::INFINITY, |max| perl::number(max));
    let hit = (min == 0.0 || probability > min) && probability <= max;
    let tags = vec![("BAYES", format!("{probability:.4}"))];
    Ok(match hit {
        true => Finding { notes: vec![format!("score: {probability:.4}")], tags, ..Finding::hit() },
        false => Finding { tags, ..Finding::NO },
    })
}

/// `bayes_ignore_from`, `bayes_ignore_to`: the learner has no say in mail from or to these, and learns nothing of it unasked.
pub fn ignores(settings: &Settings, views: &Views<'_>) -> bool {
    let names = |list: &str, addresses: fn(&Views<'_>) -> Vec<Vec<u8>>| {
        let list = settings.address_list(list);
        !list.is_empty() && addresses(views).iter().any(|address| list.contains(&super::values::list_key(address)))
    };
    names("bayes_ignore_from", all_from_addresses) || names("bayes_ignore_to", all_to_addresses)
}
