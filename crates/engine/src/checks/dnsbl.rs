//! Relays and senders in lists of the DNS: `check_rbl` and its kin.
//!
//! In: which addresses or names the rule's set asks about, and the list's zone. Out: a hit for each answer that the
//! subtest fits. `check_rbl_sub` asks nothing itself: it looks at what the other rules of its set ([`Lists`]) are told,
//! so that one question serves forty rules.

use super::dns;
use super::{argument_pattern, ip, values};
use crate::answers::{Answer, Question, Record};
use crate::check::{Arg, Context, Finding, Memo, Outcome, Pending};
use mail::tld;
use rules::Flags;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Which rules ask about which set.
#[derive(Debug, Default)]
pub struct Lists(BTreeMap<String, Vec<Lookup>>);

/// One rule that asks.
#[derive(Debug)]
struct Lookup {
    function: String,
    arguments: Vec<Arg>,
    flags: Flags,
}

impl Lists {
    /// An active rule of this plugin.
    pub fn add(&mut self, function: &str, arguments: &[Arg], flags: Flags) {
        if let [set, _, ..] = arguments
            && !matches!(function, "check_rbl_sub" | "check_dns_sender")
        {
            let lookup = Lookup { function: function.to_owned(), arguments: arguments.to_vec(), flags };
            self.0.entry(set.clone()).or_default().push(lookup);
        }
    }
}

/// How many addresses of the path are asked about.
const RELAYS: usize = 9;
/// How many senders' names.
const HOSTS: usize = 20;

pub fn check_rbl(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl", args)
}

pub fn check_rbl_txt(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_txt", args)
}

pub fn check_rbl_accreditor(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_accreditor", args)
}

pub fn check_rbl_from_host(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_from_host", args)
}

pub fn check_rbl_from_domain(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_from_domain", args)
}

pub fn check_rbl_envfrom(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_envfrom", args)
}

pub fn check_rbl_headers(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_headers", args)
}

pub fn check_rbl_rcvd(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_rcvd", args)
}

pub fn check_rbl_ns_from(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    list(cx, "check_rbl_ns_from", args)
}

fn list(cx: &Context<'_>, function: &str, args: &[Arg]) -> Outcome {
    let subtest = args.get(2).map(String::as_str).filter(|subtest| !subtest.is_empty());
    let questions = questions(cx, function, args, cx.flags)?;
    Ok(finding(cx, &dns::answers(cx, questions)?, subtest))
}

pub fn check_rbl_sub(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [set, subtest, ..] = args else { return Ok(Finding::NO) };
    let Some(lookups) = cx.lists.0.get(set) else { return Ok(Finding::NO) };
    let mut asked: BTreeSet<Question> = BTreeSet::new();
    let mut pending = false;
    for lookup in lookups {
        match questions(cx, &lookup.function, &lookup.arguments, lookup.flags) {
            Ok(questions) => asked.extend(questions),
            Err(Pending) => pending = true,
        }
    }
    let answers = dns::answers(cx, asked)?;
    if pending {
        return Err(Pending);
    }
    Ok(finding(cx, &answers, Some(subtest)))
}

/// Everything that lists answered, for `_RBL_`.
#[derive(Debug, Default)]
struct Told(RefCell<BTreeMap<Question, Vec<String>>>);

/// `_RBL_`: each question that had an answer, as a URI of DNS, with what came. SpamAssassin has them in no order.
pub fn tag(memo: &Memo) -> Option<String> {
    let told = memo.known::<Told>()?;
    let told = told.0.borrow();
    let lines = told.iter().map(|(question, data)| {
        let kind = match question {
            Question::Dns { record, .. } if *record != Record::A => format!("?type={record}"),
            _ => String::new(),
        };
        format!("<dns:{}{kind}> [{}]", dns::name_of(question), data.join(", "))
    });
    Some(lines.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
}

fn finding(cx: &Context<'_>, answers: &[(Question, &Answer)], subtest: Option<&str>) -> Finding {
    let told = cx.memo.get_or_init(Told::default);
    for (question, answer) in answers {
        let data = answer.records();
        if !data.is_empty() {
            told.0.borrow_mut().entry(question.clone()).or_insert_with(|| {
                let mut seen = BTreeSet::new();
                data.into_iter().filter(|data| seen.insert(data.clone())).collect()
            });
        }
    }
    let mut notes: Vec<String> = Vec::new();
    let mut hit = false;
    for (question, answer) in answers {
        let text = matches!(answer, Answer::Texts(_));
        for data in answer.records() {
            let counts = (text || data.starts_with("127.")) && subtest.is_none_or(|subtest| fits(subtest, &data));
            if !counts {
                continue;
            }
            hit = true;
            let note = if text { with_links_marked(&data) } else { listed(dns::name_of(question)) };
            if !cx.rule.starts_with("__") && !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    if hit { Finding { notes, ..Finding::hit() } } else { Finding::NO }
}

/// A number is a mask, an address is meant exactly, all else is a regular expression.
fn fits(subtest: &str, data: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits(subtest) {
        let bits = subtest.parse::<u32>().unwrap_or(0);
        return data.parse::<std::net::Ipv4Addr>().is_ok_and(|a| a.octets()[0] == 127 && a.to_bits() & bits != 0);
    }
    if subtest.split('.').count() == 4 && subtest.split('.').all(digits) {
        return subtest == data;
    }
    argument_pattern::is_match(subtest, data.as_bytes()).unwrap_or(false)
}

/// "192.0.2.1 listed in list.example".
fn listed(name: &str) -> String {
    let labels: Vec<&str> = name.split('.').collect();
    let number = |label: &&str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit());
    let nibble = |label: &&str| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit());
    if labels.len() > 32 && labels[..32].iter().all(nibble) {
        let nibbles: Vec<&str> = labels[..32].iter().rev().copied().collect();
        let groups: Vec<String> = nibbles.chunks(4).map(|four| four.concat()).collect();
        let short = |group: &String| match group.trim_start_matches('0') {
            "" => "0".to_owned(),
            rest => rest.to_owned(),
        };
        let first = groups.first().cloned().unwrap_or_default();
        let rest: Vec<String> = groups.iter().skip(1).map(short).collect();
        return format!("{first}:{} listed in {}", rest.join(":"), labels[32..].join("."));
    }
    if labels.len() > 4 && labels[..4].iter().all(number) {
        let address: Vec<&str> = labels[..4].iter().rev().copied().collect();
        return format!("{} listed in {}", address.join("."), labels[4..].join("."));
    }
    format!("listed in {name}")
}

/// Web addresses between angle brackets, so that a report can be clicked.
fn with_links_marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for (n, word) in text.split(' ').enumerate() {
        if n > 0 {
            out.push(' ');
        }
        let lower = word.to_ascii_lowercase();
        match lower.find("https://").or_else(|| lower.find("http://")) {
            Some(at) if !word[..at].ends_with(['<', '(', '[']) => {
                out.push_str(&word[..at]);
                out.push('<');
                out.push_str(&word[at..]);
                out.push('>');
            }
            _ => out.push_str(word),
        }
    }
    out
}

/// What a rule asks for.
fn questions(cx: &Context<'_>, function: &str, args: &[Arg], flags: Flags) -> Result<Vec<Question>, Pending> {
    let [set, zone, ..] = args else { return Ok(Vec::new()) };
    if cx.settings.skip_rbl_checks {
        return Ok(Vec::new());
    }
    let record = if function == "check_rbl_txt" { Record::TXT } else { Record::A };
    let names: Vec<String> = match function {
        "check_rbl" | "check_rbl_txt" => reversed_relays(cx, set, flags),
        "check_rbl_accreditor" => match args.get(3).is_some_and(|name| is_accredited(cx, name)) {
            true => reversed_relays(cx, set, flags),
            false => Vec::new(),
        },
        "check_rbl_from_host" => of_addresses(cx, &values::from_addresses(cx).0, flags),
        "check_rbl_from_domain" => {
            let hosts = values::from_addresses(cx);
            let domain = |address: &Vec<u8>| cx.views.config.tlds.uri_to_domain(address).map(|found| found.domain);
            let domains: Vec<Vec<u8>> = hosts.0.iter().filter_map(domain).map(|d| [b"@", &d[..]].concat()).collect();
            of_addresses(cx, &domains, flags)
        }
        "check_rbl_envfrom" => of_addresses(cx, &[values::first(cx, "EnvelopeFrom:addr")], flags),
        "check_rbl_headers" => of_headers(cx, args.get(3), flags),
        "check_rbl_rcvd" => match cx.views.relays().untrusted.last() {
            Some(relay) => {
                let parts = [&relay.ip_text, &relay.by, &relay.helo, &relay.rdns];
                parts.into_iter().filter_map(|part| host_or_address(cx, part, flags)).collect()
            }
            None => Vec::new(),
        },
        "check_rbl_ns_from" => name_servers_of_sender(cx)?,
        _ => Vec::new(),
    };
    let zone = zone.trim_end_matches('.');
    let unique: BTreeSet<Question> =
        names.iter().filter_map(|name| dns::question(cx, format!("{name}.{zone}").as_bytes(), record)).collect();
    Ok(unique.into_iter().collect())
}

/// The relays' addresses that a set is asked about; its name ends in which.
fn reversed_relays(cx: &Context<'_>, set: &str, flags: Flags) -> Vec<String> {
    let trusted = |text: &[u8]| address(text).is_some_and(|ip| cx.views.config.networks.trusted.contains(ip));
    let path = cx.memo.get_or_init(|| Path::of(cx));
    if path.untrusted.is_empty() && path.originating.is_empty() {
        // We trust whoever brought it, all the way.
        return Vec::new();
    }
    let with_originating = || {
        let claimed = path.originating.iter().filter(|text| !trusted(text));
        unique_public(path.untrusted.iter().chain(claimed))
    };
    let mut addresses = match set.rsplit_once('-').map(|(_, which)| which) {
        Some("lastexternal") => path.external.iter().take(1).cloned().collect(),
        Some("notfirsthop") => {
            let mut external = path.external.clone();
            if external.len() > 1 {
                external.pop();
            }
            external
        }
        Some("firsttrusted") => with_originating().into_iter().take(1).collect(),
        Some("untrusted") => with_originating().into_iter().skip(1).collect(),
        _ => {
            let mut all = with_originating();
            all.reverse();
            all
        }
    };
    cx.limit("relays that lists are asked about", addresses.len(), RELAYS);
    addresses.truncate(RELAYS);
    let first = match flags.contains(Flags::NICE) {
        true => 0,
        // Only a welcome list has something to say of whom we trust.
        false => addresses.iter().position(|text| !trusted(text)).unwrap_or(addresses.len()),
    };
    addresses[first..].iter().filter_map(|text| address(text)).map(dns::reversed).collect()
}

/// The public addresses of the message's way, newest first, each once.
struct Path {
    untrusted: Vec<Vec<u8>>,
    external: Vec<Vec<u8>>,
    originating: Vec<Vec<u8>>,
}

impl Path {
    fn of(cx: &Context<'_>) -> Path {
        let relays = cx.views.relays();
        let trusted_outside = relays.trusted.iter().filter(|relay| !relay.intl);
        let mut originating = Vec::new();
        for header in &cx.views.config.originating_ip_headers {
            let value = values::joined(cx, header);
            let mut rest = &value[..];
            while let Some(found) = mail::received::literal(rest).filter(|found| !found.is_empty()) {
                let end = found.as_ptr() as usize - rest.as_ptr() as usize + found.len();
                originating.push(found.to_vec());
                rest = &rest[end..];
            }
        }
        Path {
            untrusted: unique_public(relays.untrusted.iter().map(|relay| &relay.ip_text)),
            external: unique_public(trusted_outside.chain(&relays.untrusted).map(|relay| &relay.ip_text)),
            originating,
        }
    }
}

fn unique_public<'t>(addresses: impl Iterator<Item = &'t Vec<u8>>) -> Vec<Vec<u8>> {
    let mut unique: Vec<Vec<u8>> = Vec::new();
    for text in addresses {
        if !text.is_empty() && !ip::is_private(text) && !unique.contains(text) {
            unique.push(text.clone());
        }
    }
    unique
}

pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.get(..5).filter(|start| start.eq_ignore_ascii_case("ipv6:")).map_or(text, |_| &text[5..]);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn of_addresses(cx: &Context<'_>, addresses: &[Vec<u8>], flags: Flags) -> Vec<String> {
    let mut hosts: Vec<Vec<u8>> = Vec::new();
    for address in addresses {
        let Some(at) = memchr::memchr(b'@', address) else { continue };
        let host: Vec<u8> =
            address[at + 1..].iter().copied().take_while(|b| *b != b'@' && !b.is_ascii_whitespace()).collect();
        let mut tidy: Vec<u8> = host.to_ascii_lowercase();
        tidy.dedup_by(|a, b| *a == b'.' && *b == b'.');
        let tidy = tidy.strip_prefix(b".").unwrap_or(&tidy);
        let tidy = tidy.strip_suffix(b".").unwrap_or(tidy).to_vec();
        if tidy.contains(&b'.') && !hosts.contains(&tidy) && hosts.len() < HOSTS {
            hosts.push(tidy);
        }
    }
    hosts.iter().filter_map(|host| host_or_address(cx, host, flags)).collect()
}

/// As it stands before the zone; `None` where the rule does not want it.
fn host_or_address(cx: &Context<'_>, host: &[u8], flags: Flags) -> Option<String> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    if ip::is_ip(host) {
        return (!flags.contains(Flags::DOMAINS_ONLY)).then(|| address(host).map(dns::reversed))?;
    }
    if flags.contains(Flags::IPS_ONLY) || !tld::is_fqdn_valid(host) || !cx.views.config.tlds.is_domain_valid(host) {
        return None;
    }
    Some(String::from_utf8_lossy(host).into_owned())
}

fn of_headers(cx: &Context<'_>, headers: Option<&Arg>, flags: Flags) -> Vec<String> {
    const DEFAULT: &str = "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP";
    let headers = headers.map(String::as_str).or_else(|| cx.settings.other("rbl_headers")).unwrap_or(DEFAULT);
    let mut names = Vec::new();
    for header in headers.split(',').map(str::trim).filter(|header| !header.is_empty()).take(HOSTS) {
        let address = values::first(cx, &format!("{header}:addr"));
        if address.contains(&b'@') {
            names.extend(of_addresses(cx, &[address], flags));
            continue;
        }
        let value = values::joined(cx, header);
        let lines = value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        cx.limit("lines of a header field that lists are asked about", lines.clone().count(), HOSTS);
        names.extend(lines.take(HOSTS).filter_map(|line| host_or_address(cx, line, flags)));
    }
    names
}

fn is_accredited(cx: &Context<'_>, accreditor: &str) -> bool {
    let sender = String::from_utf8_lossy(&values::first(cx, "EnvelopeFrom:addr")).to_lowercase();
    let claimed = sender.split(['@', '.']).skip(1).filter_map(|label| label.strip_prefix("a--"));
    let named = String::from_utf8_lossy(&values::joined(cx, "Accreditor")).to_lowercase();
    let listed = named.split(',').filter_map(|entry| entry.split_whitespace().next());
    claimed.chain(listed).any(|name| name == accreditor)
}

fn sender_domain(cx: &Context<'_>) -> Option<Vec<u8>> {
    let address = values::first(cx, "EnvelopeFrom:addr");
    let host = &address[memchr::memrchr(b'@', &address)? + 1..];
    (host.contains(&b'.') && !host.iter().any(u8::is_ascii_whitespace)).then(|| host.to_ascii_lowercase())
}

fn name_servers_of_sender(cx: &Context<'_>) -> Result<Vec<String>, Pending> {
    let question = sender_domain(cx).and_then(|domain| dns::question(cx, &domain, Record::NS));
    let answers = dns::answers(cx, question)?;
    let names = answers.iter().flat_map(|(_, answer)| answer.records());
    Ok(names
        .map(|name| name.trim_end_matches('.').to_owned())
        .filter(|name| tld::is_fqdn_valid(name.as_bytes()))
        .collect())
}

/// The sender's domain has neither an address nor a mail server, for it does not exist.
pub fn check_dns_sender(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if cx.settings.skip_rbl_checks {
        return Ok(Finding::NO);
    }
    let Some(domain) = sender_domain(cx) else { return Ok(Finding::NO) };
    let questions: Vec<Question> =
        [Record::A, Record::MX].into_iter().filter_map(|record| dns::question(cx, &domain, record)).collect();
    let answers = dns::answers(cx, questions)?;
    let missing = answers.len() == 2 && answers.iter().all(|(_, answer)| **answer == Answer::NoSuchName);
    Ok(missing.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_says_of_a_listing() {
        for (name, expected) in [
            ("1.2.0.192.list.example", "192.0.2.1 listed in list.example"),
            ("example.com.list.example", "listed in example.com.list.example"),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.list.example",
                "2001:db8:0:0:0:0:0:1 listed in list.example",
            ),
        ] {
            assert_eq!(listed(name), expected);
        }
        assert_eq!(with_links_marked("see http://x.example/1 (http://y)"), "see <http://x.example/1> (http://y)");
    }

    #[test]
    fn subtests_of_lists() {
        for (subtest, data, expected) in [
            ("127.0.0.2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.20", false),
            ("4", "127.0.0.6", true),
            ("4", "127.0.0.2", false),
            ("^127\\.0\\.0\\.[45]$", "127.0.0.4", true),
            ("(?i:spamcop)", "Blocked - see SpamCop", true),
            ("(", "127.0.0.2", false),
        ] {
            assert_eq!(fits(subtest, data), expected, "{subtest} {data}");
        }
    }
}
