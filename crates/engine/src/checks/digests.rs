//! What networks of other sites say of a message: Pyzor, Razor2, DCC.
//!
//! The question names the network; whoever answers makes the digests that it compares and brings its figures. What figures
//! make a hit is decided here, by the rules' settings. A network that is not configured is [`Answer::NotAsked`], one that
//! did not answer in time [`Answer::Unknown`]: neither hits.

use super::perl;
use crate::answers::{Answer, Network, Question};
use crate::check::{Arg, Context, Finding, Outcome, Pending};
use mail::views::Views;

/// Beyond these the digest is one that all short messages share.
const TOO_MANY_REPORTS: i64 = 1_000_000;
const TOO_MANY_WELCOMES: i64 = 10_000;

/// The setting, or what SpamAssassin takes where none was made.
fn number(cx: &Context<'_>, name: &str, default: f64) -> f64 {
    cx.settings.other(name).map_or(default, perl::number)
}

fn is_used(cx: &Context<'_>, name: &str) -> bool {
    cx.network && number(cx, name, 1.0) != 0.0
}

/// `None`: the network is not in use, or said nothing.
fn figures<'c>(cx: &Context<'c>, network: Network) -> Result<Option<&'c [(String, i64)]>, Pending> {
    match cx.asking.get(Question::Digest(network))? {
        Answer::Figures(figures) => Ok(Some(figures)),
        _ => Ok(None),
    }
}

fn figure(figures: &[(String, i64)], name: &str) -> Option<i64> {
    figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

pub fn check_pyzor(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if !is_used(cx, "use_pyzor") {
        return Ok(Finding::NO);
    }
    let Some(figures) = figures(cx, Network::Pyzor)? else { return Ok(Finding::NO) };
    let (reports, welcomes) = (figure(figures, "reports").unwrap_or(0), figure(figures, "welcomes").unwrap_or(0));
    let minimum = match cx.settings.other("pyzor_count_min").or(cx.settings.other("pyzor_max")) {
        Some(set) => perl::number(set),
        None => 5.0,
    };
    let factor = number(cx, "pyzor_welcomelist_factor", 0.2);
    let enough_welcomes = welcomes as f64 >= number(cx, "pyzor_welcomelist_min", 10.0);
    let limit = if enough_welcomes { reports as f64 * factor } else { 0.0 };
    let tags = vec![("PYZOR", format!("Reported {reports} times, welcomelisted {welcomes} times."))];
    let hit = reports < TOO_MANY_REPORTS
        && welcomes < TOO_MANY_WELCOMES
        && !(limit > 0.0 && welcomes as f64 >= limit)
        && reports as f64 >= minimum;
    let finding = if hit { Finding::hit() } else { Finding::NO };
    let notes = if hit { vec![format!("reported {reports} times, welcomed {welcomes} times")] } else { Vec::new() };
    Ok(Finding { tags, notes, ..finding })
}

pub fn check_razor2(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if !is_used(cx, "use_razor2") {
        return Ok(Finding::NO);
    }
    let Some(figures) = figures(cx, Network::Razor)? else { return Ok(Finding::NO) };
    Ok(Finding::from(figure(figures, "spam").is_some_and(|spam| spam > 0)))
}

/// `check_razor2_range('8', '51', '100')`: engine (empty: any), bounds of the confidence.
pub fn check_razor2_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    if !is_used(cx, "use_razor2") {
        return Ok(Finding::NO);
    }
    let Some(figures) = figures(cx, Network::Razor)? else { return Ok(Finding::NO) };
    let engine = args.first().map(String::as_str).unwrap_or_default();
    let of_engine = |name: &str| name.strip_prefix('e').is_some_and(|found| engine.is_empty() || found == engine);
    let confidence = figures.iter().filter(|(name, _)| of_engine(name)).map(|(_, value)| *value).max();
    let Some(confidence) = confidence else { return Ok(Finding::NO) };
    let bound =
        |at: usize, default| args.get(at).filter(|arg| !arg.is_empty()).map_or(default, |arg| perl::number(arg));
    let hit = (bound(1, 0.0)..=bound(2, 100.0)).contains(&(confidence as f64));
    Ok(match hit {
        true => Finding { notes: vec![format!("cf: {confidence:3}")], ..Finding::hit() },
        false => Finding::NO,
    })
}

/// The first relay outside, as DCC is told of it.
pub fn dcc(views: &Views<'_>) -> Network {
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).chars().filter(|letter| !letter.is_control()).take(255).collect::<String>()
    };
    match views.relays().external.first() {
        Some(relay) => Network::Dcc { client: text(&relay.ip_text), name: text(&relay.rdns), helo: text(&relay.helo) },
        None => Network::Dcc { client: String::new(), name: String::new(), helo: String::new() },
    }
}

pub fn check_dcc(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if !is_used(cx, "use_dcc") {
        return Ok(Finding::NO);
    }
    let (header, figures) = match cx.asking.get(Question::Digest(dcc(cx.views)))? {
        Answer::Figures(figures) => (None, figures),
        Answer::Metrics { header, figures } => (Some(header), figures),
        _ => return Ok(Finding::NO),
    };
    let reputation = is_used(cx, "use_dcc_rep").then(|| figure(figures, "rep")).flatten();
    let many = |name: &str, setting: &str| figure(figures, name).unwrap_or(0) as f64 >= number(cx, setting, 999_999.0);
    let hit = many("body", "dcc_body_max")
        || many("fuz1", "dcc_fuz1_max")
        || many("fuz2", "dcc_fuz2_max")
        || reputation.unwrap_or(0) as f64 >= number(cx, "dcc_rep_percent", 90.0);
    let mut tags = Vec::new();
    // X-DCC-brand-Metrics: host 1234; Body=many Fuz1=many
    if let Some((brand, metrics)) = header
        .and_then(|header| header.strip_prefix("X-DCC-")?.split_once(": "))
        .and_then(|(name, metrics)| Some((name.strip_suffix("-Metrics")?, metrics)))
    {
        tags.push(("DCCB", brand.to_owned()));
        tags.push(("DCCR", metrics.to_owned()));
    }
    tags.extend(reputation.map(|reputation| ("DCCREP", reputation.to_string())));
    Ok(Finding { tags, ..Finding::from(hit) })
}

/// `check_dcc_reputation_range('13', '19')`
pub fn check_dcc_reputation_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    if !is_used(cx, "use_dcc") || !is_used(cx, "use_dcc_rep") {
        return Ok(Finding::NO);
    }
    let figures = match cx.asking.get(Question::Digest(dcc(cx.views)))? {
        Answer::Figures(figures) | Answer::Metrics { figures, .. } => figures,
        _ => return Ok(Finding::NO),
    };
    let Some(reputation) = figure(figures, "rep") else { return Ok(Finding::NO) };
    let bound = |at: usize, default| args.get(at).map_or(default, |arg| perl::number(arg));
    Ok(Finding::from((bound(0, 0.0)..=bound(1, 100.0)).contains(&(reputation as f64))))
}
