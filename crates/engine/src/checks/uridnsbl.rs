//! Links in lists of the DNS: `check_uridnsbl` with what `uridnsbl`, `urirhssub` and their kin say of the rule.
//!
//! In: the hosts that a message's links lead to, the plainest first, at most `uridnsbl_max_domains`. Out: a hit where the
//! list has a host's domain (`urirhs*`), its name servers (`urinsrhs*`, `urifullnsrhs*`), or the addresses of its name
//! servers (`uridns*`) or its own (tflags `a`). What depends on an answer is asked in the next round.
//!
//! Documentation and program of SpamAssassin 4.0.1 differ in one thing: addresses of name servers are looked up there
//! for rules with tflags `a`, not for those with `ns`. Here each gets what it is documented to get.

use super::dns::{self, Subtest};
use super::{ip, values};
use crate::answers::{Answer, Question, Record};
use crate::check::{Arg, Context, Finding, Memo, Outcome};
use mail::views::uri::Uri;
use rules::Flags;
use rules::settings::UriZone;
use std::collections::BTreeSet;

/// A host and the domain it belongs to.
pub type Host = (Vec<u8>, Vec<u8>);

const MAX_DOMAINS: usize = 20;
/// Of one domain; a zone may hold thousands.
const NAME_SERVERS: usize = 10;
const ADDRESSES: usize = 10;

pub fn check_uridnsbl(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let Some(zone) = cx.settings.uri_zones.get(cx.rule) else { return Ok(Finding::NO) };
    let Some(record) = Record::named(&zone.record_type) else { return Ok(Finding::NO) };
    if cx.settings.other("skip_uribl_checks").is_some_and(is_true) {
        return Ok(Finding::NO);
    }
    let hosts = hosts(cx);
    let mut lookups: Vec<Lookup> = Vec::new();
    let mut pending = false;
    match zone.directive.as_str() {
        "urirhsbl" | "urirhssub" => lookups.extend(hosts.0.iter().filter_map(|host| by_name(cx, host, zone, record))),
        "urinsrhsbl" | "urinsrhssub" | "urifullnsrhsbl" | "urifullnsrhssub" => {
            let whole = zone.directive.starts_with("urifull");
            for (server, _) in name_servers(cx, &hosts.0).inspect_err(|_| pending = true).unwrap_or_default() {
                let name = match whole {
                    true => server,
                    false => values::trim_domain(cx, server.as_bytes()),
                };
                lookups.extend(Lookup::of(cx, &name, None, zone, record));
            }
        }
        _ => {
            let (a, ns) = (cx.flags.contains(Flags::A), cx.flags.contains(Flags::NS));
            let mut of_whom: Vec<String> = Vec::new();
            if a {
                let named = hosts.0.iter().filter(|(host, _)| !is_address(host));
                of_whom.extend(named.map(|(host, _)| String::from_utf8_lossy(host).into_owned()));
            }
            if ns || !a {
                let servers = name_servers(cx, &hosts.0).inspect_err(|_| pending = true).unwrap_or_default();
                of_whom.extend(servers.into_iter().map(|(server, _)| server));
            }
            let questions = of_whom.iter().filter_map(|name| dns::question(cx, name.as_bytes(), Record::A));
            let unique: BTreeSet<Question> = questions.collect();
            match dns::answers(cx, unique) {
                Err(_) => pending = true,
                Ok(answers) => {
                    for (question, answer) in &answers {
                        let addresses = answer.records();
                        cx.limit("addresses of a linked host or name server", addresses.len(), ADDRESSES);
                        for address in addresses.into_iter().take(ADDRESSES) {
                            lookups.extend(Lookup::of(cx, &address, Some(dns::name_of(question)), zone, record));
                        }
                    }
                }
            }
        }
    }
    // What can be asked already is asked, while the rest waits.
    let answers = dns::answers(cx, lookups.iter().map(|lookup| lookup.question.clone()))?;
    if pending {
        return Err(crate::check::Pending);
    }
    Ok(finding(&lookups, &answers, zone))
}

/// A name in a zone, and on whose behalf.
struct Lookup {
    question: Question,
    /// What a report names.
    shown: String,
}

impl Lookup {
    fn of(cx: &Context<'_>, what: &str, on_behalf: Option<&str>, zone: &UriZone, record: Record) -> Option<Lookup> {
        let what = what.trim_end_matches('.').to_lowercase();
        let name = match what.parse::<std::net::Ipv4Addr>() {
            Ok(address) => dns::reversed(address.into()),
            Err(_) => what.clone(),
        };
        let question = dns::question(cx, format!("{name}.{}", zone.zone).as_bytes(), record)?;
        let shown = match on_behalf {
            Some(host) => format!("URI: {host}/{what}"),
            None => format!("URI: {what}"),
        };
        Some(Lookup { question, shown })
    }
}

fn finding(lookups: &[Lookup], answers: &[(Question, &Answer)], zone: &UriZone) -> Finding {
    let subtest = zone.subtest.as_deref().map(Subtest::number);
    let mut notes: Vec<String> = Vec::new();
    let mut hit = false;
    for (lookup, (_, answer)) in lookups.iter().zip(answers) {
        let text = matches!(answer, Answer::Texts(_));
        let fits = |data: &String| match &subtest {
            Some(subtest) => subtest.matches(data),
            None => text || data.starts_with("127."),
        };
        if answer.records().iter().any(fits) {
            hit = true;
            if !notes.contains(&lookup.shown) {
                notes.push(lookup.shown.clone());
            }
        }
    }
    if hit { Finding { notes, ..Finding::hit() } } else { Finding::NO }
}

fn by_name(cx: &Context<'_>, (host, domain): &Host, zone: &UriZone, record: Record) -> Option<Lookup> {
    let name = if is_address(host) {
        if cx.flags.contains(Flags::DOMAINS_ONLY) || !ip::is_ipv4(host) || ip::is_private(host) {
            return None;
        }
        host
    } else if cx.flags.contains(Flags::IPS_ONLY) {
        return None;
    } else if cx.flags.contains(Flags::NOTRIM) {
        host
    } else {
        domain
    };
    Lookup::of(cx, &String::from_utf8_lossy(name), None, zone, record)
}

fn is_address(host: &[u8]) -> bool {
    host.starts_with(b"[") || ip::is_ip(host) || host.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// The name servers of all domains, each once, with the domain.
fn name_servers(cx: &Context<'_>, hosts: &[Host]) -> Result<Vec<(String, String)>, crate::check::Pending> {
    let named = hosts.iter().filter(|(host, _)| !is_address(host));
    let questions: BTreeSet<Question> = named.filter_map(|(_, domain)| dns::question(cx, domain, Record::NS)).collect();
    let mut servers: Vec<(String, String)> = Vec::new();
    for (question, answer) in dns::answers(cx, questions)? {
        let found = answer.records();
        cx.limit("name servers of a domain", found.len(), NAME_SERVERS);
        for server in found.into_iter().take(NAME_SERVERS) {
            let server = server.trim_end_matches('.').to_lowercase();
            if !server.is_empty() && !servers.iter().any(|(known, _)| *known == server) {
                servers.push((server, dns::name_of(&question).to_owned()));
            }
        }
    }
    Ok(servers)
}

pub(super) fn is_true(value: &str) -> bool {
    matches!(value.trim(), "1" | "yes")
}

/// The hosts that lists are asked about, sorted.
pub struct Hosts(pub Vec<Host>);

pub fn hosts(cx: &Context<'_>) -> std::rc::Rc<Hosts> {
    cx.memo.get_or_init(|| Hosts(chosen_hosts(cx)))
}

/// `_URIHOSTS_` and `_URIDOMAINS_`, where some rule asked about them.
pub fn tags(memo: &Memo) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let Some(hosts) = memo.known::<Hosts>() else { return Vec::new() };
    let domains: BTreeSet<&Vec<u8>> = hosts.0.iter().map(|(_, domain)| domain).collect();
    vec![
        ("URIHOSTS", hosts.0.iter().map(|(host, _)| host.clone()).collect()),
        ("URIDOMAINS", domains.into_iter().cloned().collect()),
    ]
}

fn chosen_hosts(cx: &Context<'_>) -> Vec<Host> {
    let skipped = &cx.settings.uridnsbl_skip_domains;
    let skip_mailto = cx.settings.other("uridnsbl_skip_mailto").is_none_or(is_true);
    let most = cx.settings.other("uridnsbl_max_domains").and_then(|n| n.trim().parse().ok()).unwrap_or(MAX_DOMAINS);
    let mut by_rank: [BTreeSet<Host>; 6] = Default::default();
    for uri in &cx.views.uris().uris {
        if skip_mailto && uri.raw.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"mailto:")) {
            continue;
        }
        for (host, domain) in &uri.hosts {
            let skips = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| skipped.contains(name));
            if !skips(domain) && !skips(host) {
                by_rank[rank(uri)].insert((host.to_ascii_lowercase(), domain.to_ascii_lowercase()));
            }
        }
    }
    let mut chosen: BTreeSet<Host> = BTreeSet::new();
    for hosts in by_rank {
        for host in hosts {
            if chosen.iter().any(|(known, _)| *known == host.0) {
                continue;
            }
            if cx.limit("linked hosts (uridnsbl_max_domains)", chosen.len() + 1, most) {
                break;
            }
            chosen.insert(host);
        }
    }
    chosen.into_iter().collect()
}

/// What a reader would click on first.
fn rank(uri: &Uri) -> usize {
    let only_in_text = uri.type_names().eq(["parsed"]);
    match () {
        () if uri.tags.contains("a") => match uri.anchor_text.iter().any(|text| !text.is_empty()) {
            true => 0,
            false => 5,
        },
        () if uri.tags.contains("form") => 1,
        () if uri.tags.contains("img") => 2,
        () if only_in_text => 4,
        () => 3,
    }
}
