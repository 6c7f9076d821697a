//! SPF, DKIM, ARC and DMARC, as SpamAssassin's plugins SPF, DKIM and DMARC ask for them.
//!
//! All of it is one question, about the first relay outside and the sender that it named; who answers verifies once.
//! Here only SpamAssassin's own rules stand: which hop and which sender count, when a `Received-SPF` of our own servers
//! is believed instead, whose signatures a list accepts, what ADSP says.

use super::{dns, perl, values};
use crate::answers::{Answer, Question, Record, Sender};
use crate::check::{Arg, Context, Finding, Outcome, Pending};
use mail::HeaderRequest;
use mail::authentication::{self, Authentication, Dkim, Policy};
use mail::views::Views;
use rules::settings::RelayedList;
use std::rc::Rc;

type Found = authentication::Outcome;

/// What was found out about the message; `None` where nobody may be asked.
pub fn found<'a>(cx: &Context<'a>) -> Result<Option<&'a Authentication>, Pending> {
    if !cx.network || cx.settings.dns_available == "no" {
        return Ok(None);
    }
    Ok(match cx.asking.get(Question::Authentication(sender(cx.views, cx.settings)))? {
        Answer::Authentication(found) => Some(found),
        _ => None,
    })
}

/// Sets the tags, whether or not a rule asks; no rule's own.
pub fn authentication(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let mut finding = Finding::NO;
    let Some(found) = found(cx)? else { return Ok(finding) };
    let valid = || found.dkim.iter().filter(|one| is_valid(one));
    let mut tag = |name: &str, values: Vec<&String>| {
        let mut list: Vec<String> = Vec::new();
        for value in values {
            if !value.is_empty() && !list.contains(value) {
                list.push(value.clone());
            }
        }
        if !list.is_empty() {
            finding.values.push((name.to_owned(), list));
        }
    };
    tag("DKIMIDENTITY", valid().map(|one| &one.identity).collect());
    tag("DKIMDOMAIN", valid().map(|one| &one.domain).collect());
    tag("DKIMSELECTOR", valid().map(|one| &one.selector).collect());
    Ok(finding)
}

/// The hop and the sender that SPF is about.
pub fn sender(views: &Views<'_>, settings: &rules::Settings) -> Sender {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let relays = views.relays();
    let last = relays.external.first();
    let by_relay = last.and_then(|relay| relay.envfrom.as_deref()).map(text);
    let may_use_header = relays.trusted.is_empty() || settings.always_trust_envelope_sender;
    let by_header = || {
        let value = views.header(&HeaderRequest::parse("EnvelopeFrom:addr"))?;
        may_use_header.then(|| value.values.first().map(|sender| text(sender)))?
    };
    Sender {
        client: last.and_then(|relay| relay.ip.or_else(|| text(&relay.ip_text).parse().ok())),
        helo: last.map(|relay| text(&relay.helo)).unwrap_or_default(),
        sender: by_relay.or_else(by_header).map(|sender| sender.trim().to_lowercase()),
    }
}

// SPF

/// Results that a server of our own wrote into the message.
#[derive(Default)]
struct Written {
    mail_from: Option<String>,
    helo: Option<String>,
}

fn written(cx: &Context<'_>) -> Rc<Written> {
    cx.memo.get_or_init(|| {
        let is = |name| cx.settings.other(name).is_some_and(super::uridnsbl::is_true);
        let mut found = Written::default();
        if is("ignore_received_spf_header") {
            return found;
        }
        let Some(fields) = cx.views.header(&HeaderRequest::parse("ALL-INTERNAL")) else { return found };
        let mut lines: Vec<&[u8]> = perl::lines(&fields.joined).collect();
        // The oldest is the most exact.
        if !is("use_newest_received_spf_header") {
            lines.reverse();
        }
        for line in lines {
            if let Some((result, identity)) = spf_written(perl::chomp(line)) {
                let slot = match identity.as_deref() {
                    None | Some("mfrom" | "mailfrom") => &mut found.mail_from,
                    Some("helo") => &mut found.helo,
                    Some(_) => continue,
                };
                slot.get_or_insert(result);
            }
        }
        found
    })
}

/// Result and identity of a `Received-SPF` or an `Authentication-Results` line.
fn spf_written(line: &[u8]) -> Option<(String, Option<String>)> {
    static RECEIVED: perl::Lazy = perl::regex!(
        r"(?i)^received-spf:\s*(pass|neutral|(?:soft)?fail|(?:temp|perm)error|none)\b(?:.*\bidentity=(\S+?);?\b)?"
    );
    static RESULTS: perl::Lazy = perl::regex!(r"(?i)^(?:Arc-)?Authentication-Results:.*;\s*SPF\s*=\s*([^;]*)");
    static RESULT: perl::Lazy = perl::regex!(
        r"(?i)^(pass|neutral|(?:hard|soft)?fail|(?:temp|perm)error|none)(?:[^;]*?\bsmtp\.(\S+)\s*=[^;]+)?"
    );
    let found = match RECEIVED.captures(line) {
        Some(found) => found,
        None => RESULT.captures(RESULTS.captures(line)?.get(1)?.as_bytes())?,
    };
    let lower = |group| found.get(group).map(|text: regex::bytes::Match<'_>| values::list_key(text.as_bytes()));
    let result = lower(1)?;
    Some((if result == "hardfail" { "fail".to_owned() } else { result }, lower(2)))
}

/// The result for one of the two identities; `None`: there is none.
fn spf(cx: &Context<'_>, helo: bool) -> Result<Option<String>, Pending> {
    let written = written(cx);
    let known = if helo { &written.helo } else { &written.mail_from };
    if let Some(known) = known {
        return Ok(Some(known.clone()));
    }
    let Some(found) = found(cx)? else { return Ok(None) };
    let spf = match helo {
        true => found.spf_helo.as_ref().filter(|_| {
            static ADDRESS: perl::Lazy = perl::regex!(r"^[\[!]?\d+\.\d+\.\d+\.\d+[\]!]?$");
            found.helo.contains('.') && !ADDRESS.is_match(found.helo.as_bytes())
        }),
        // What SPF says of the null sender is the name in HELO, and SpamAssassin leaves it at that.
        false => found.spf.as_ref().filter(|_| found.sender.as_ref().is_some_and(|sender| !sender.is_empty())),
    };
    Ok(spf.map(|spf| spf.tolerant.name().to_owned()))
}

fn spf_is(cx: &Context<'_>, helo: bool, wanted: Found) -> Outcome {
    let hit = spf(cx, helo)?.is_some_and(|result| result == wanted.name());
    let mut finding = Finding::from(hit);
    if hit
        && wanted == Found::Fail
        && let Some(found) = found(cx)?
        && let Some(spf) = if helo { &found.spf_helo } else { &found.spf }
    {
        let comment = spf.explanation.as_deref().unwrap_or_default();
        finding.notes.push(format!("SPF failed: {}", comment.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    Ok(finding)
}

macro_rules! spf_checks {
    ($($name:ident, $helo:literal, $wanted:ident;)*) => {$(
        pub fn $name(cx: &Context<'_>, _: &[Arg]) -> Outcome {
            spf_is(cx, $helo, Found::$wanted)
        }
    )*};
}

spf_checks! {
    check_for_spf_pass, false, Pass;
    check_for_spf_neutral, false, Neutral;
    check_for_spf_none, false, None;
    check_for_spf_fail, false, Fail;
    check_for_spf_softfail, false, SoftFail;
    check_for_spf_permerror, false, PermError;
    check_for_spf_temperror, false, TempError;
    check_for_spf_helo_pass, true, Pass;
    check_for_spf_helo_neutral, true, Neutral;
    check_for_spf_helo_none, true, None;
    check_for_spf_helo_fail, true, Fail;
    check_for_spf_helo_softfail, true, SoftFail;
    check_for_spf_helo_permerror, true, PermError;
    check_for_spf_helo_temperror, true, TempError;
}

pub fn check_spf_skipped_noenvfrom(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(sender(cx.views, cx.settings).sender.is_none().into())
}

/// Whose record SPF looked at: as the session said where there was one, else as the message says.
fn envelope_sender(cx: &Context<'_>) -> Result<Option<String>, Pending> {
    let said = found(cx)?.and_then(|found| found.sender.clone());
    Ok(said.or_else(|| sender(cx.views, cx.settings).sender).filter(|sender| !sender.is_empty()))
}

/// The sender's domain, where SPF says that it is his.
pub(super) fn spf_domain(cx: &Context<'_>) -> Result<Option<String>, Pending> {
    if spf(cx, false)?.as_deref() != Some("pass") {
        return Ok(None);
    }
    let sender = envelope_sender(cx)?;
    Ok(sender.and_then(|sender| sender.rsplit('@').next().map(str::to_owned)).filter(|domain| !domain.is_empty()))
}

fn spf_listed(cx: &Context<'_>, lists: [&str; 2]) -> Outcome {
    let Some(sender) = envelope_sender(cx)? else { return Ok(Finding::NO) };
    let listed = lists.iter().any(|list| cx.settings.address_list(list).contains(&sender));
    Ok((listed && spf(cx, false)?.as_deref() == Some("pass")).into())
}

pub fn check_for_spf_welcomelist_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    spf_listed(cx, ["welcomelist_from_spf", "welcomelist_auth"])
}

pub fn check_for_def_spf_welcomelist_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    spf_listed(cx, ["def_welcomelist_from_spf", "def_welcomelist_auth"])
}

// DKIM and ARC

fn is_valid(one: &Dkim) -> bool {
    one.result == Found::Pass
}

/// Whose signature it is: the domain of `i=`.
fn signer(one: &Dkim) -> String {
    let identity = one.identity.rsplit_once('@').map_or("", |(_, domain)| domain);
    if identity.is_empty() { one.domain.to_lowercase() } else { identity.to_lowercase() }
}

/// Long enough for a domain to be held to it.
fn is_strong(cx: &Context<'_>, one: &Dkim) -> bool {
    let least = cx.settings.other("dkim_minimum_key_bits").and_then(|bits| bits.trim().parse().ok()).unwrap_or(1024);
    one.key_bits == 0 || one.key_bits >= least
}

struct Authors {
    addresses: Vec<String>,
    domains: Vec<String>,
}

fn authors(cx: &Context<'_>) -> Rc<Authors> {
    cx.memo.get_or_init(|| {
        let addresses: Vec<String> =
            values::all(cx, "From:addr").iter().map(|address| values::list_key(address)).collect();
        let domain = |address: &String| Some(address.rsplit_once('@')?.1.trim_end_matches([' ', '\t']).to_owned());
        let mut domains: Vec<String> =
            addresses.iter().filter_map(domain).filter(|domain| !domain.is_empty()).collect();
        domains.dedup();
        Authors { addresses, domains }
    })
}

/// `example.com`, or `.example.com` and `*.example.com` for the domain and all below it.
fn covers(wanted: &str, domain: &str) -> bool {
    let below = wanted.strip_prefix("*.").or_else(|| wanted.strip_prefix('.'));
    match below.map(str::to_lowercase) {
        Some(zone) => domain.strip_suffix(&zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        None => domain.eq_ignore_ascii_case(wanted),
    }
}

fn signed_by(cx: &Context<'_>, found: &Authentication, valid: bool, author: bool, domains: &[Arg]) -> bool {
    found.dkim.iter().filter(|one| !valid || is_valid(one) && is_strong(cx, one)).any(|one| {
        let signer = signer(one);
        (!author || authors(cx).domains.contains(&signer))
            && (domains.is_empty() || domains.iter().any(|wanted| covers(wanted, &signer)))
    })
}

pub fn check_dkim_signed(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(found) = found(cx)? else { return Ok(Finding::NO) };
    Ok((!found.dkim.is_empty() && (args.is_empty() || signed_by(cx, found, false, false, args))).into())
}

pub fn check_dkim_valid(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(found) = found(cx)? else { return Ok(Finding::NO) };
    let any = found.dkim.iter().any(is_valid);
    Ok((any && (args.is_empty() || signed_by(cx, found, true, false, args))).into())
}

pub fn check_dkim_valid_author_sig(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(found) = found(cx)? else { return Ok(Finding::NO) };
    Ok(signed_by(cx, found, true, true, args).into())
}

pub fn check_dkim_valid_envelopefrom(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let sender = values::list_key(&values::first(cx, "EnvelopeFrom:addr"));
    let Some((_, domain)) = sender.split_once('@') else { return Ok(Finding::NO) };
    let domain = domain.split_whitespace().next().unwrap_or_default().to_owned();
    let Some(found) = found(cx)?.filter(|_| !domain.is_empty()) else { return Ok(Finding::NO) };
    Ok(signed_by(cx, found, true, false, &[domain]).into())
}

/// Whether the key says that its domain only tries. SpamAssassin never notes it down, so its rule never hits.
pub fn check_dkim_testing(_: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(Finding::NO)
}

/// Whether signatures could be verified as they came: nobody cuts messages short before they come here.
pub fn check_dkim_dependable(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(found(cx)?.is_some().into())
}

/// By ADSP's successor's own words every domain may sign some: never a finding.
pub fn check_dkim_signsome(_: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(Finding::NO)
}

pub fn check_dkim_signall(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    check_dkim_adsp(cx, &["A".to_owned()])
}

pub fn check_arc_signed(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(found(cx)?.is_some_and(|found| args.is_empty() && found.arc.result != Found::None).into())
}

pub fn check_arc_valid(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(found(cx)?.is_some_and(|found| args.is_empty() && found.arc.result == Found::Pass).into())
}

/// What author domains say of mail that they did not sign: one letter each.
pub fn check_dkim_adsp(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some((wanted, domains)) = args.split_first() else { return Ok(Finding::NO) };
    let wanted = if wanted == "*" { "NAD123" } else { wanted };
    let Some(found) = found(cx)? else { return Ok(Finding::NO) };
    let authors = authors(cx);
    let mut practices = Vec::new();
    for domain in authors.domains.iter().filter(|domain| is_qualified(domain)) {
        practices.push(adsp(cx, found, domain)?);
    }
    let said = practices.iter().flatten().any(|letter| wanted.contains(letter.as_str()));
    let concerns = |wanted: &Arg| authors.domains.iter().any(|domain| covers(wanted, domain));
    Ok((said && (domains.is_empty() || domains.iter().any(concerns))).into())
}

fn is_qualified(domain: &str) -> bool {
    domain.rsplit_once('.').is_some_and(|(rest, top)| {
        !rest.is_empty() && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

/// `U`nknown, `A`ll, `D`iscardable, `N`o such domain, `1` to `3` by `adsp_override`.
fn adsp(cx: &Context<'_>, found: &Authentication, domain: &str) -> Result<Option<String>, Pending> {
    let own: Vec<&Dkim> = found.dkim.iter().filter(|one| signer(one) == domain).collect();
    if own.iter().any(|one| is_valid(one) && is_strong(cx, one) || one.result == Found::TempError) {
        return Ok(None);
    }
    let above = std::iter::successors(Some(domain), |rest| rest.split_once('.').map(|(_, above)| above)).skip(1);
    let keys = std::iter::once(domain.to_owned()).chain(above.map(|zone| format!("*.{zone}"))).chain(["*".to_owned()]);
    if let Some(letter) = keys.into_iter().find_map(|key| cx.settings.adsp_override.get(&key)) {
        return Ok(Some(letter.clone()));
    }
    let record = dns::question(cx, format!("_adsp._domainkey.{domain}").as_bytes(), Record::TXT);
    let exists = dns::question(cx, domain.as_bytes(), Record::MX);
    let (Some(record), Some(exists)) = (record, exists) else { return Ok(None) };
    let answers = dns::answers(cx, [record, exists])?;
    let [(_, record), (_, exists)] = &answers[..] else { return Ok(None) };
    let said = record.records().iter().find_map(|text| {
        text.split(';').find_map(|tag| {
            let (name, value) = tag.split_once('=')?;
            (name.trim() == "dkim").then(|| value.trim().to_ascii_lowercase())
        })
    });
    Ok(match said.as_deref() {
        Some("all") => Some("A".to_owned()),
        Some("discardable" | "strict") => Some("D".to_owned()),
        Some(_) => Some("U".to_owned()),
        None if **exists == Answer::NoSuchName => Some("N".to_owned()),
        None if matches!(record, Answer::Texts(_) | Answer::NoSuchName | Answer::Records(_)) => Some("U".to_owned()),
        None => None,
    })
}

/// The signing domains that a list accepts for the authors: empty for "the author's own".
fn accepted(cx: &Context<'_>, by_signer: &RelayedList, own: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for author in &authors(cx).addresses {
        list.extend(by_signer.matching(author).flatten().map(|signer| (author.clone(), signer.to_lowercase())));
        if cx.settings.address_list(own).contains(author) {
            list.push((author.clone(), String::new()));
        }
    }
    list
}

fn dkim_listed(cx: &Context<'_>, by_signer: &str, own: &str) -> Outcome {
    let accepted = accepted(cx, cx.settings.relayed_list(by_signer), own);
    if accepted.is_empty() {
        return Ok(Finding::NO);
    }
    let Some(found) = found(cx)? else { return Ok(Finding::NO) };
    let sound = found.dkim.iter().filter(|one| is_valid(one) && is_strong(cx, one));
    let hit = sound.into_iter().any(|one| {
        let signer = signer(one);
        accepted.iter().any(|(author, wanted)| {
            let wanted = wanted.rsplit_once('@').map_or(wanted.as_str(), |(_, domain)| domain);
            let below = wanted.strip_prefix("*.").or_else(|| wanted.strip_prefix('.'));
            match below {
                _ if wanted.is_empty() => author.rsplit_once('@').is_some_and(|(_, domain)| domain == signer),
                Some(zone) => signer.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.')),
                None => signer == wanted,
            }
        })
    });
    Ok(hit.into())
}

pub fn check_for_dkim_welcomelist_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dkim_listed(cx, "welcomelist_from_dkim", "welcomelist_auth")
}

pub fn check_for_def_dkim_welcomelist_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dkim_listed(cx, "def_welcomelist_from_dkim", "def_welcomelist_auth")
}

// DMARC

/// The result, where there is a relay outside and an author.
fn dmarc<'a>(cx: &Context<'a>) -> Result<Option<&'a authentication::Dmarc>, Pending> {
    let outside = !cx.views.relays().external.is_empty();
    let author = values::first(cx, "From:first:addr").contains(&b'@');
    Ok(found(cx)?.filter(|_| outside && author).map(|found| &found.dmarc))
}

fn dmarc_is(cx: &Context<'_>, fits: fn(&authentication::Dmarc) -> bool) -> Outcome {
    let hit = dmarc(cx)?.filter(|dmarc| fits(dmarc));
    Ok(match hit {
        Some(dmarc) if dmarc.result == Found::Fail => Finding { notes: vec![dmarc.why.clone()], ..Finding::hit() },
        hit => hit.is_some().into(),
    })
}

pub fn check_dmarc_pass(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dmarc_is(cx, |dmarc| dmarc.result == Found::Pass)
}

pub fn check_dmarc_reject(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dmarc_is(cx, |dmarc| dmarc.result == Found::Fail && dmarc.policy == Policy::Reject)
}

pub fn check_dmarc_quarantine(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dmarc_is(cx, |dmarc| dmarc.result == Found::Fail && dmarc.policy == Policy::Quarantine)
}

pub fn check_dmarc_none(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dmarc_is(cx, |dmarc| dmarc.result == Found::Fail && dmarc.policy == Policy::None)
}

pub fn check_dmarc_missing(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    dmarc_is(cx, |dmarc| dmarc.result == Found::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_servers_wrote() {
        for (line, expected) in [
            ("Received-SPF: pass (x: domain of a@b.example designates)", Some(("pass", None))),
            ("received-spf: SoftFail receiver=x; identity=mailfrom; helo=y", Some(("softfail", Some("mailfrom")))),
            ("Received-SPF: fail identity=helo;", Some(("fail", Some("helo")))),
            ("Received-SPF: passed", None),
            (
                "Authentication-Results: a.example; spf=hardfail smtp.mailfrom=b.example",
                Some(("fail", Some("mailfrom"))),
            ),
            ("Authentication-Results: a.example; dkim=pass; spf=none", Some(("none", None))),
            ("Authentication-Results: a.example; dkim=pass", None),
            ("Subject: spf=pass", None),
        ] {
            let expected = expected.map(|(result, identity)| (result.to_owned(), identity.map(str::to_owned)));
            assert_eq!(spf_written(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn domains_of_arguments() {
        for (wanted, domain, expected) in [
            ("example.com", "example.com", true),
            ("Example.com", "example.com", true),
            ("example.com", "a.example.com", false),
            ("*.example.com", "a.example.com", true),
            (".example.com", "example.com", true),
            (".example.com", "badexample.com", false),
        ] {
            assert_eq!(covers(wanted, domain), expected, "{wanted} {domain}");
        }
    }
}
