//! Checks against lists that administrators keep: senders, recipients, subjects, hosts of links, relays of bounces.

use super::{ip, perl, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::Relay;
use rules::settings::{AddressList, RelayedList};
use std::collections::BTreeMap;
use std::rc::Rc;

fn from_in(cx: &Context<'_>, list: &AddressList) -> bool {
    !list.is_empty() && values::from_addresses(cx).0.iter().any(|a| list.contains(&values::list_key(a)))
}

fn to_in(cx: &Context<'_>, list: &AddressList) -> bool {
    !list.is_empty() && values::to_addresses(cx).0.iter().any(|a| list.contains(&values::list_key(a)))
}

pub fn check_from_in_blocklist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(from_in(cx, cx.settings.address_list("blocklist_from")).into())
}

pub fn check_to_in_blocklist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(to_in(cx, cx.settings.address_list("blocklist_to")).into())
}

pub fn check_to_in_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(to_in(cx, cx.settings.address_list("welcomelist_to")).into())
}

pub fn check_to_in_more_spam(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(to_in(cx, cx.settings.address_list("more_spam_to")).into())
}

pub fn check_to_in_all_spam(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(to_in(cx, cx.settings.address_list("all_spam_to")).into())
}

pub fn check_from_in_list(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(args.first().is_some_and(|name| from_in(cx, cx.settings.address_list(name))).into())
}

pub fn check_to_in_list(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(args.first().is_some_and(|name| to_in(cx, cx.settings.address_list(name))).into())
}

pub fn check_replyto_in_list(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(name) = args.first() else { return Ok(Finding::NO) };
    let address = values::first(cx, "Reply-To:addr");
    let list = cx.settings.address_list(name);
    Ok((!address.is_empty() && list.contains(&values::list_key(&address))).into())
}

/// Whether a sender is listed together with the relay that brought the mail.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Unlisted,
    Listed,
    /// The address is listed, but came by another relay.
    Forged,
}

/// Where the mail came from: the first untrusted relay, or the trusted ones where there is no other.
fn delivering_relays<'a>(cx: &'a Context<'_>) -> &'a [Relay] {
    let relays = cx.views.relays();
    if relays.untrusted.is_empty() { &relays.trusted } else { &relays.untrusted[..1] }
}

fn standing(cx: &Context<'_>, list: &RelayedList) -> Standing {
    let relays = delivering_relays(cx);
    if relays.is_empty() || list.is_empty() {
        return Standing::Unlisted;
    }
    let mut result = Standing::Unlisted;
    for address in &values::from_addresses(cx).0 {
        let address = values::list_key(address);
        let mut forged = false;
        for by in list.matching(&address).flatten() {
            if relays.iter().any(|relay| relay_is(relay, by)) {
                return Standing::Listed;
            }
            forged = true;
        }
        if forged && !cx.settings.address_list("welcomelist_allows_relays").contains(&address) {
            result = Standing::Forged;
        }
    }
    result
}

/// `by`: a domain, `[192.0.2.1]`, `[192.0.2]`, `[2001:db8::/32]` or `[192.0.2.0]/24`.
fn relay_is(relay: &Relay, by: &str) -> bool {
    let bracketed = by.strip_prefix('[').and_then(|rest| {
        let (inside, after) = rest.rsplit_once(']')?;
        let prefix = after.strip_prefix('/').is_some_and(|n| matches!(n.len(), 1..=3) && perl_digits(n));
        (after.is_empty() || prefix).then(|| format!("{inside}{after}"))
    });
    let Some(network) = bracketed else {
        let name = perl::lower(&relay.rdns);
        let by = by.to_ascii_lowercase();
        return name.strip_suffix(by.as_bytes()).is_some_and(|rest| rest.last().is_none_or(|b| *b == b'.'));
    };
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_plain(&network) {
        let groups = network.split('.').filter(|g| !g.is_empty()).count();
        if groups == 4 && !network.ends_with('.') {
            return relay.ip_text == network.as_bytes();
        }
        let mut start = network.trim_end_matches('.').to_owned();
        start.push('.');
        return relay.ip_text.starts_with(start.as_bytes());
    }
    relay.ip.is_some_and(|address| ip::network_contains(&network, address) == Some(true))
}

fn perl_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

struct Welcome {
    own: Standing,
    distributed: Standing,
}

fn welcome(cx: &Context<'_>) -> Rc<Welcome> {
    cx.memo.get_or_init(|| {
        let own = if from_in(cx, cx.settings.address_list("welcomelist_from")) {
            Standing::Listed
        } else {
            standing(cx, cx.settings.relayed_list("welcomelist_from_rcvd"))
        };
        Welcome { own, distributed: standing(cx, cx.settings.relayed_list("def_welcomelist_from_rcvd")) }
    })
}

pub fn check_from_in_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((welcome(cx).own == Standing::Listed).into())
}

pub fn check_forged_in_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let found = welcome(cx);
    Ok((found.own == Standing::Forged && found.distributed == Standing::Unlisted).into())
}

pub fn check_from_in_default_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((welcome(cx).distributed == Standing::Listed).into())
}

pub fn check_forged_in_default_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let found = welcome(cx);
    Ok((found.distributed == Standing::Forged && found.own == Standing::Unlisted).into())
}

pub fn check_mailfrom_matches_rcvd(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let sender = values::first(cx, "EnvelopeFrom:addr");
    let Some(at) = memchr::memrchr(b'@', &sender) else { return Ok(Finding::NO) };
    let host = &sender[at + 1..];
    let dotted = memchr::memchr_iter(b'.', host).any(|dot| dot > 0 && dot + 1 < host.len());
    if !dotted {
        return Ok(Finding::NO);
    }
    let domain = values::trim_domain(cx, host);
    Ok(delivering_relays(cx)
        .iter()
        .any(|relay| !relay.rdns.is_empty() && values::trim_domain(cx, &relay.rdns) == domain)
        .into())
}

/// List name to the host (and the entry that covers it) found first in the message.
struct ListedHosts(BTreeMap<String, String>);

fn listed_hosts(cx: &Context<'_>) -> Rc<ListedHosts> {
    cx.memo.get_or_init(|| {
        let lists = &cx.settings.uri_host_lists;
        let mut found = BTreeMap::new();
        if lists.is_empty() {
            return ListedHosts(found);
        }
        let mut seen: Vec<&[u8]> = Vec::new();
        for uri in &cx.views.uris().uris {
            if perl::starts_with_ignoring_case(&uri.raw, b"mailto:") {
                continue;
            }
            for (host, _) in &uri.hosts {
                if host.is_empty() || seen.contains(&&host[..]) {
                    continue;
                }
                seen.push(host);
                let host = String::from_utf8_lossy(host);
                let keys = host_keys(&host);
                for (name, list) in lists {
                    let entry = keys.iter().find_map(|key| Some((key, *list.get(*key)?)));
                    if let Some((key, true)) = entry {
                        let shown = if *key == host { host.to_string() } else { format!("{host} ({key})") };
                        found.insert(name.clone(), shown);
                    }
                }
            }
        }
        ListedHosts(found)
    })
}

/// `sub.example.com`, `example.com`, `com`; the shortest ten at most. Addresses stand for themselves.
fn host_keys(host: &str) -> Vec<&str> {
    if let Some(literal) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return vec![literal];
    }
    let quad = host.split('.').count() == 4 && host.split('.').all(|g| !g.is_empty() && perl_digits(g));
    if quad {
        return vec![host];
    }
    let mut keys = vec![host];
    keys.extend(host.match_indices('.').map(|(dot, _)| &host[dot + 1..]));
    keys.split_off(keys.len().saturating_sub(11))
}

fn uri_host_listed(cx: &Context<'_>, list: &str) -> Outcome {
    Ok(match listed_hosts(cx).0.get(list) {
        Some(host) => Finding { notes: vec![format!("URI: {host}")], ..Finding::hit() },
        None => Finding::NO,
    })
}

pub fn check_uri_host_listed(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    args.first().map_or(Ok(Finding::NO), |list| uri_host_listed(cx, list))
}

pub fn check_uri_host_in_blocklist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    uri_host_listed(cx, "BLOCK")
}

pub fn check_uri_host_in_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    uri_host_listed(cx, "WELCOME")
}

fn subject_in(cx: &Context<'_>, list: &str) -> Outcome {
    let list = cx.settings.address_list(list);
    if list.is_empty() {
        return Ok(Finding::NO);
    }
    let subject = values::joined(cx, "Subject");
    if subject.is_empty() {
        return Ok(Finding::NO);
    }
    // Entries match anywhere in the subject: as globs they stand between two stars.
    let subject = values::list_key(perl::chomp(&subject));
    Ok(list.entries().any(|entry| subject_matches(&entry, &subject)).into())
}

fn subject_matches(entry: &str, subject: &str) -> bool {
    let mut around = AddressList::default();
    around.insert(&format!("*{entry}*"));
    around.contains(subject)
}

pub fn check_subject_in_welcomelist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    subject_in(cx, "welcomelist_subject")
}

pub fn check_subject_in_blocklist(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    subject_in(cx, "blocklist_subject")
}

// Bounces

fn bounce_relays<'a>(cx: &'a Context<'_>) -> &'a AddressList {
    cx.settings.address_list("welcomelist_bounce_relays")
}

pub fn have_any_bounce_relays(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((!bounce_relays(cx).is_empty()).into())
}

pub fn check_welcomelist_bounce_relays(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let relays = bounce_relays(cx);
    if relays.is_empty() {
        return Ok(Finding::NO);
    }
    let known = |name: &[u8]| relays.contains(&values::list_key(name));
    let in_body = cx.views.body().iter().filter(|line| is_received(line)).any(|line| names_in(line, false).any(known));
    if in_body {
        return Ok(Finding::hit());
    }
    let body = cx.views.message.pristine_body();
    if perl::find_ignoring_case(body, b"received:").is_none() {
        return Ok(Finding::NO);
    }
    let mut started = false;
    let mut field: Vec<u8> = Vec::new();
    for line in perl::lines(body).map(perl::chomp) {
        started |= is_received(line);
        if !started {
            continue;
        }
        if !line.first().is_some_and(|b| perl::is_space(*b)) {
            field.clear();
        }
        field.extend_from_slice(line);
        if is_received(&field) && names_in(&field, true).any(known) {
            return Ok(Finding::hit());
        }
    }
    Ok(Finding::NO)
}

/// `/^[> ]*Received:/i`
fn is_received(line: &[u8]) -> bool {
    let start = line.iter().take_while(|b| matches!(b, b'>' | b' ')).count();
    perl::starts_with_ignoring_case(&line[start..], b"Received:")
}

/// Words with a dot inside and a blank on either side. A blank serves one word only, so that of two neighbours with
/// dots only the first is seen, as in SpamAssassin.
fn names_in(text: &[u8], any_blank: bool) -> impl Iterator<Item = &[u8]> {
    let is_blank = move |b: &u8| if any_blank { perl::is_space(*b) } else { *b == b' ' };
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            if !is_blank(&text[at]) {
                at += 1;
                continue;
            }
            let start = at + 1;
            let length = text[start..].iter().take_while(|b| !perl::is_space(**b)).count();
            let word = &text[start..start + length];
            let inner_dot = length >= 3 && word[1..length - 1].contains(&b'.');
            if inner_dot && text.get(start + length).is_some_and(is_blank) {
                at = start + length + 1;
                return Some(word);
            }
            at = start;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_by_name_and_by_address() {
        let relay = Relay {
            ip: Some("192.0.2.7".parse().unwrap()),
            ip_text: b"192.0.2.7".to_vec(),
            rdns: b"mx1.Example.com".to_vec(),
            ..Relay::default()
        };
        for (by, expected) in [
            ("example.com", true),
            ("ample.com", false),
            ("mx1.example.com", true),
            ("[192.0.2.7]", true),
            ("[192.0.2.70]", false),
            ("[192.0.2]", true),
            ("[192.0.2.]", true),
            ("[192.0.2.0/24]", true),
            ("[192.0.2.0]/29", true),
            ("[192.0.2.8]/29", false),
            ("[2001:db8::/32]", false),
        ] {
            assert_eq!(relay_is(&relay, by), expected, "{by}");
        }
    }

    #[test]
    fn keys_of_hosts() {
        assert_eq!(host_keys("a.example.com"), ["a.example.com", "example.com", "com"]);
        assert_eq!(host_keys("192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(host_keys("[2001:db8::1]"), ["2001:db8::1"]);
        assert_eq!(host_keys("1.2.3.4.5.6.7.8.9.10.11.12.13").len(), 11);
    }

    #[test]
    fn subjects() {
        assert!(subject_matches("[news]", "re: [news] today"));
        assert!(subject_matches("re*today", "re: [news] today"));
        assert!(!subject_matches("old", "re: [news] today"));
    }

    #[test]
    fn names_in_received_lines() {
        let line = b"> Received: from a.example by b.example c.example d";
        assert!(is_received(line));
        assert_eq!(names_in(line, false).collect::<Vec<_>>(), [&b"a.example"[..], b"b.example"]);
    }
}
