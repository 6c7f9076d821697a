//! SpamAssassin's TxRep and AWL: what this sender's mail scored before pulls the score of this message towards it.
//!
//! In: the sender's names (address, domain, network, greeting, who signed) and, as answers, what each of them scored. Out:
//! nothing, while checks run: how far a score is pulled can be said only when it is known, so what was found is kept for
//! `adjust`, which runs last. Whoever drives the scan adds the message's own score afterwards ([`points`]), to the names
//! that were asked about.

use super::values;
use crate::Engine;
use crate::answers::{Answer, Question};
use crate::check::{Arg, Context, Finding, Memo, Outcome, Pending};
use crate::score::thousandths;
use mail::{Hit, Verdict};
use rules::{Flags, Settings};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What was found out for one rule.
#[derive(Debug, Clone, Default)]
struct Found {
    rule: String,
    names: Vec<Name>,
}

#[derive(Debug, Clone)]
struct Name {
    kind: &'static str,
    weight: f64,
    /// Messages and their scores.
    count: f64,
    total: f64,
}

#[derive(Default)]
struct TxRep(Found);
#[derive(Default)]
struct Awl(Found);

const AWL: &str = "awl";
/// A name beyond this length says no more than its beginning.
const LONGEST: usize = 500;

pub fn check_senders_reputation(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let on = |name: &str| cx.settings.other(name).is_some_and(is_on);
    if !on("use_txrep") || on("use_auto_welcomelist") {
        return Ok(Finding::NO);
    }
    let Some(from) = from(cx).or_else(|| text(&values::first(cx, "EnvelopeFrom:addr"))) else {
        return Ok(Finding::NO);
    };
    let signed = signed_by(cx)?;
    let by_spf = match &signed {
        None if cx.settings.other("txrep_spf").is_none_or(is_on) => super::authentication::spf_domain(cx)?,
        _ => None,
    };
    let mask = (number(cx.settings, "txrep_ipv4_mask_len", 16.0), number(cx.settings, "txrep_ipv6_mask_len", 48.0));
    let relays = cx.views.relays();
    let domain = from.rsplit('@').next().unwrap_or_default().to_owned();
    let (mut origin, mut helo): (Option<IpAddr>, Option<String>) = (None, None);
    let trusted = relays.trusted.len();
    for (n, relay) in relays.trusted.iter().chain(&relays.untrusted).enumerate() {
        let greeting = String::from_utf8_lossy(&relay.helo).to_lowercase();
        let literal = greeting.trim_start_matches('[').trim_end_matches(']').as_bytes() == relay.ip_text;
        if !greeting.is_empty() && !literal && greeting != domain && greeting != from {
            helo = Some(greeting);
        }
        // The first of those that we do not trust, or ours.
        match relay.ip {
            Some(ip) if n <= trusted && !relay.ip_private => origin = Some(ip),
            Some(_) if n < trusted && origin.is_none() && relay.ip_private => {
                origin = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
            }
            _ => {}
        }
    }
    let (network, by) = match (&signed, &by_spf) {
        (Some(signer), _) => (None, format!("|{signer}")),
        (None, Some(domain)) => (None, format!("|spf-{domain}")),
        (None, None) => (origin.map(|ip| network(ip, mask)), String::new()),
    };
    let domain = signed.clone().unwrap_or(domain);
    let network = network.unwrap_or_else(|| "none".to_owned());
    let mut wanted = vec![("email_ip", format!("{from}|ip={network}{by}"))];
    if !domain.is_empty() {
        wanted.push(("domain", format!("{domain}|ip={network}{by}")));
    }
    wanted.extend(helo.map(|helo| ("helo", helo)));
    if let Some(origin) = origin {
        if signed.is_none() && by_spf.is_none() {
            wanted.push(("email", from));
        }
        wanted.push(("ip", origin.to_string()));
    }
    let names = standings(cx, wanted)?;
    let rule = cx.rule.to_owned();
    cx.memo.get_or_init(|| TxRep(Found { rule, names }));
    Ok(Finding::NO)
}

pub fn check_from_in_auto_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if !cx.settings.other("use_auto_welcomelist").is_none_or(is_on) {
        return Ok(Finding::NO);
    }
    let Some(from) = from(cx) else { return Ok(Finding::NO) };
    let signed = signed_by(cx)?;
    let lengths = ["auto_welcomelist_ipv4_mask_len", "auto_welcomelist_ipv6_mask_len"];
    let mask = (number(cx.settings, lengths[0], 16.0), number(cx.settings, lengths[1], 48.0));
    let relays = cx.views.relays();
    // The earliest that is no private one.
    let hops = relays.trusted.iter().chain(&relays.untrusted).rev();
    let origin = hops.filter(|relay| !relay.ip_private).find_map(|relay| relay.ip);
    let network = origin.map_or("none".to_owned(), |ip| network(ip, mask));
    let by = signed.map(|signer| format!("|{signer}")).unwrap_or_default();
    let names = standings(cx, vec![(AWL, format!("{from}|ip={network}{by}"))])?;
    let rule = cx.rule.to_owned();
    cx.memo.get_or_init(|| Awl(Found { rule, names }));
    Ok(Finding::NO)
}

fn is_on(value: &str) -> bool {
    !matches!(value.trim(), "0" | "no" | "")
}

fn number(settings: &Settings, name: &str, default: f64) -> f64 {
    settings
        .other(name)
        .and_then(|value| value.trim().parse().ok())
        .filter(|number: &f64| number.is_finite())
        .unwrap_or(default)
}

fn from(cx: &Context<'_>) -> Option<String> {
    text(&values::first(cx, "From:addr"))
}

fn text(address: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(address).trim().to_lowercase().chars().take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// Who signed, once that is known: the checks of signatures say so in a tag.
fn signed_by(cx: &Context<'_>) -> Result<Option<String>, Pending> {
    let tag = cx.tags.iter().find(|(name, _)| name == "DKIMDOMAIN");
    match tag.and_then(|(_, values)| values.first()) {
        Some(value) => {
            let text = String::from_utf8_lossy(value);
            Ok(text.split_whitespace().next().map(str::to_lowercase))
        }
        None if cx.settled || !cx.network => Ok(None),
        None => Err(Pending),
    }
}

fn network(ip: IpAddr, (four, six): (f64, f64)) -> String {
    let bits = |length: f64, most: f64| length.clamp(0.0, most) as u32;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let bits = bits(four, 32.0);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            format!("{}/{bits}", Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let bits = bits(six, 128.0);
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            format!("{}/{bits}", Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

/// What each of them scored; all are asked together.
fn standings(cx: &Context<'_>, wanted: Vec<(&'static str, String)>) -> Result<Vec<Name>, Pending> {
    let asked: Vec<_> = wanted
        .into_iter()
        .map(|(kind, who)| {
            let question = Question::Reputation { kind: kind.to_owned(), who };
            (kind, cx.asking.get(question))
        })
        .collect();
    let each = |(kind, answer): (&'static str, Result<&Answer, Pending>)| {
        let (count, total) = match answer? {
            Answer::Standing { count, total } => (*count as f64, *total as f64 / 1000.0),
            _ => (0.0, 0.0),
        };
        let weight = match kind {
            "email_ip" => number(cx.settings, "txrep_weight_email_ip", 10.0),
            "domain" => number(cx.settings, "txrep_weight_domain", 2.0),
            "helo" => number(cx.settings, "txrep_weight_helo", 0.5),
            "email" => number(cx.settings, "txrep_weight_email", 3.0),
            "ip" => number(cx.settings, "txrep_weight_ip", 4.0),
            _ => 1.0,
        };
        Ok(Name { kind, weight, count, total })
    };
    asked.into_iter().map(each).collect()
}

/// Pulls the score towards what was known, as hits of the rules that asked.
pub(crate) fn adjust(engine: &Engine, memo: &Memo, verdict: &mut Verdict) {
    if verdict.shortcircuit.is_some() {
        return;
    }
    let settings = &engine.ruleset.settings;
    let txrep = memo.get_or_init(TxRep::default);
    if !txrep.0.names.is_empty() {
        let score = verdict.autolearn_points;
        let (mut sum, mut weights) = (0.0, 0.0);
        for name in &txrep.0.names {
            weights += name.weight;
            if name.count > 0.0 {
                sum += name.weight * pull(name, score);
            }
        }
        let delta = if weights > 0.0 { number(settings, "txrep_factor", 0.5) * sum / weights } else { 0.0 };
        let known = |name: &&Name| name.count > 0.0;
        let note = |name: &Name| format!("{}: {:.1} in {} messages", name.kind, name.total / name.count, name.count);
        let notes = txrep.0.names.iter().filter(known).map(note).collect();
        add(engine, &txrep.0.rule, delta, notes, verdict);
    }
    let awl = memo.get_or_init(Awl::default);
    if let (Some(name), Some(score)) = (awl.0.names.first(), points(engine, verdict, AWL))
        && name.count > 0.0
    {
        let mean = name.total / name.count;
        let delta = (mean - score) * number(settings, "auto_welcomelist_factor", 0.5);
        let tags = [("AWL", delta), ("AWLMEAN", mean), ("AWLCOUNT", name.count), ("AWLPRESCORE", verdict.score)];
        for (tag, value) in tags {
            crate::scan::set_tag(&mut verdict.tags, tag, format!("{value:2.1}").into_bytes());
        }
        add(engine, &awl.0.rule, delta, Vec::new(), verdict);
    }
}

/// How far the average moves the score of a message. A reputation never turns a score the other way than it points itself.
fn pull(name: &Name, score: f64) -> f64 {
    let pulled = (name.total + score) / (1.0 + name.count) - score;
    let against =
        (name.total > 0.0 && score > 0.0 && pulled < 0.0) || (name.total < 0.0 && score < 0.0 && pulled > 0.0);
    if against { name.total / (1.0 + name.count) } else { pulled }
}

fn add(engine: &Engine, rule: &str, delta: f64, notes: Vec<String>, verdict: &mut Verdict) {
    let delta = thousandths(delta);
    if delta == 0.0 || !delta.is_finite() {
        return;
    }
    let rule = engine.ruleset.get(rule);
    let description = rule.and_then(|rule| rule.description.clone()).unwrap_or_default();
    verdict.hits.push(Hit {
        rule: rule.map(|rule| rule.name.clone()).unwrap_or_default(),
        score: delta,
        description,
        area: "",
        count: 1,
        evidence: Vec::new(),
        notes,
    });
    verdict.score = thousandths(verdict.score + delta);
    verdict.spam = verdict.score >= verdict.required;
}

/// What a message adds to the names that were asked about, in points: what the rules say of it, without reputation.
/// `None`: a rule that hit is not to count there.
pub fn points(engine: &Engine, verdict: &Verdict, kind: &str) -> Option<f64> {
    if kind != AWL {
        return Some(verdict.autolearn_points);
    }
    let mut points = 0.0;
    for hit in &verdict.hits {
        let Some(rule) = engine.ruleset.get(&hit.rule) else { continue };
        let score = rule.score(engine.score_set);
        if score == 0.0 || rule.tflags.has(Flags::NOAUTOLEARN) {
            continue;
        }
        if rule.tflags.has(Flags::NOAWL) {
            return None;
        }
        points += score;
    }
    Some(thousandths(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_pulled_towards_the_average() {
        let name = |count: f64, total: f64| Name { kind: "email", weight: 1.0, count, total };
        // Nine messages of 1.0 before one of 11.0: the average of ten is 2.0.
        assert_eq!(pull(&name(9.0, 9.0), 11.0), 0.9, "what is spam by itself stays so");
        assert_eq!(pull(&name(9.0, -9.0), 11.0), -10.8);
        assert_eq!(pull(&name(1.0, 20.0), 0.0), 10.0);
    }

    #[test]
    fn networks_by_length() {
        let of = |ip: &str, mask| network(ip.parse().unwrap(), mask);
        assert_eq!(of("192.0.2.77", (16.0, 48.0)), "192.0.0.0/16");
        assert_eq!(of("192.0.2.77", (0.0, 48.0)), "0.0.0.0/0");
        assert_eq!(of("::ffff:192.0.2.77", (99.0, 48.0)), "192.0.2.77/32");
        assert_eq!(of("2001:db8:1:2::3", (16.0, 48.0)), "2001:db8:1::/48");
    }
}
