//! Mail addresses and domains of links: new here, or known from spam.
//!
//! What was mentioned is remembered by whoever drives the scan, under the names that are asked about here. Where nothing is
//! remembered, or not yet for long enough to mean anything, no check hits.

use super::email;
use crate::answers::{Answer, Mention, Question};
use crate::check::{Arg, Context, Finding, Outcome, Pending};
use mail::mime::address;
use mail::views::Views;
use std::collections::BTreeSet;

/// Names of one kind in one message.
const MOST: usize = 20;
/// Bytes of the body that are searched for addresses.
const SEARCHED: usize = 256 * 1024;
const DAY: f64 = 86_400.0;
/// In how many spam messages a name was, unless the rule says so.
const LEAST: u64 = 3;
/// So many times more in spam than elsewhere.
const MORE: u64 = 9;

pub fn check_email_first_seen(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    first_seen(cx, args, Mention::Address)
}

pub fn check_uri_first_seen(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    first_seen(cx, args, Mention::Domain)
}

pub fn check_email_seen_in_spam(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    seen_in_spam(cx, args, Mention::Address)
}

pub fn check_uri_seen_in_spam(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    seen_in_spam(cx, args, Mention::Domain)
}

fn first_seen(cx: &Context<'_>, args: &[Arg], what: Mention) -> Outcome {
    let days = args.first().and_then(|days| days.trim().parse().ok()).unwrap_or(0.0);
    hit_where(cx, what, |age, _, _| age.is_none_or(|age| (age as f64) < days * DAY))
}

fn seen_in_spam(cx: &Context<'_>, args: &[Arg], what: Mention) -> Outcome {
    let least = args.first().and_then(|least| least.trim().parse().ok()).unwrap_or(LEAST).max(1);
    hit_where(cx, what, |_, ham, spam| spam >= least && spam >= ham.saturating_mul(MORE))
}

/// A hit with a note for each such name.
fn hit_where(cx: &Context<'_>, what: Mention, fits: impl Fn(Option<u64>, u64, u64) -> bool) -> Outcome {
    let mut finding = Finding::NO;
    for (who, answer) in answers(cx, what)? {
        let Answer::Mentioned { age, ham, spam } = answer else { continue };
        if fits(*age, *ham, *spam) {
            finding.value = 1.0;
            finding.notes.push(match age {
                None => format!("{who}: never seen here before"),
                Some(age) => {
                    format!("{who}: first seen {} days ago; in spam {spam} times, else {ham}", age / DAY as u64)
                }
            });
        }
    }
    Ok(finding)
}

/// All open questions are noted before one of them is waited for.
fn answers<'a>(cx: &Context<'a>, what: Mention) -> Result<Vec<(String, &'a Answer)>, Pending> {
    let names = match what {
        Mention::Address => cx.memo.get_or_init(|| Addresses(addresses(cx.views))).0.clone(),
        Mention::Domain => cx.memo.get_or_init(|| Domains(domains(cx.views, cx.settings))).0.clone(),
    };
    let ask = |who: String| (cx.asking.get(Question::Mention { what, who: who.clone() }), who);
    let asked: Vec<_> = names.into_iter().map(ask).collect();
    asked.into_iter().map(|(answer, who)| Ok((who, answer?))).collect()
}

struct Addresses(Vec<String>);
struct Domains(Vec<String>);

/// Registered domains of links, without those that `uridnsbl_skip_domain` names.
fn domains(views: &Views<'_>, settings: &rules::Settings) -> Vec<String> {
    let links = views.uris().uris.iter().filter(|uri| !uri.cleaned.is_empty());
    let links = links.filter(|uri| !uri.raw.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"mailto:")));
    let names = links.flat_map(|uri| &uri.hosts).map(|(_, domain)| String::from_utf8_lossy(domain).to_lowercase());
    first_of(names.filter(|name| !name.is_empty() && !settings.uridnsbl_skip_domains.contains(name.as_str())))
}

/// Of the sender and of whom the text names, without those whom the message is addressed to.
fn addresses(views: &Views<'_>) -> Vec<String> {
    let headers = views.message.headers();
    let of = |names: &[&str]| -> Vec<String> {
        let fields = names.iter().flat_map(|name| headers.all(name));
        let found = fields.flat_map(|field| address::parse(&field.decoded)).filter_map(|one| one.address);
        found.map(|address| String::from_utf8_lossy(&address).to_lowercase()).collect()
    };
    let to: BTreeSet<String> = of(&["To", "Cc"]).into_iter().collect();
    let tlds = &views.config.tlds;
    let mut text: Vec<u8> = Vec::new();
    for unit in views.body().iter() {
        let room = SEARCHED.saturating_sub(text.len());
        text.extend_from_slice(&unit[..unit.len().min(room)]);
    }
    let named = email::find_all(&text, |label| tlds.is_tld(&label.to_ascii_lowercase()))
        .map(|range| String::from_utf8_lossy(&text[range]).to_lowercase());
    let all = of(&["From", "Sender", "Reply-To"]).into_iter().chain(named);
    first_of(all.filter(|address| address.contains('@') && !to.contains(address)))
}

fn first_of(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.clone())).take(MOST).collect()
}
