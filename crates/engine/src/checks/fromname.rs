//! Checks on display names that show an address other than the one behind them.

use super::perl::{self, is_word};
use super::values;
use crate::check::{Arg, Context, Finding, Outcome};
use std::rc::Rc;

#[derive(Default)]
struct FromName {
    contains_address: bool,
    address_differs: bool,
    domain_differs: bool,
    owner_differs: bool,
    equals_to: bool,
    equals_reply_to: bool,
    tags: Vec<(&'static str, String)>,
}

fn from_name(cx: &Context<'_>) -> Rc<FromName> {
    cx.memo.get_or_init(|| compare(cx).unwrap_or_default())
}

fn domain_of(cx: &Context<'_>, address: &[u8]) -> Option<Vec<u8>> {
    let uri = [b"mailto:", address].concat();
    cx.views.config.tlds.uri_to_domain(&uri).map(|found| found.domain)
}

fn compare(cx: &Context<'_>) -> Option<FromName> {
    let settings = &cx.settings.from_name;
    if settings.ignore_headers.iter().any(|name| !matches!(&values::joined(cx, name)[..], b"" | b"0")) {
        return None;
    }
    let from = perl::lower(&values::first(cx, "From:addr"));
    let name = perl::lower(&values::first(cx, "From:name"));
    let shown = address_in(&name)?.to_vec();
    let from_domain = domain_of(cx, &from)?;
    let shown_domain = domain_of(cx, &shown)?;
    let mut found = FromName { contains_address: true, ..FromName::default() };
    // A name that says much besides the address is a sentence, not a disguise.
    let odd = |text: &[u8]| text.iter().filter(|b| !(b.is_ascii_lowercase() || b.is_ascii_digit())).count();
    let extra = (name.len() + odd(&name)) as f64 - (shown.len() + odd(&shown)) as f64;
    if extra > settings.extra_chars {
        return Some(found);
    }
    let (shown_owner, from_owner) = (owner(cx, &shown, &shown_domain), owner(cx, &from, &from_domain));
    found.address_differs = shown != from;
    found.domain_differs = shown_domain != from_domain;
    found.owner_differs = shown_owner != from_owner;
    found.equals_reply_to = shown == perl::lower(&values::first(cx, "Reply-To:addr"));
    found.equals_to = values::to_addresses(cx).0.contains(&shown);
    if found.address_differs || found.owner_differs {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.tags = vec![
            ("FNSFNAMEADDR", text(&shown)),
            ("FNSFNAMEDOMAIN", text(&shown_domain)),
            ("FNSFNAMEOWNER", shown_owner),
            ("FNSFADDRADDR", text(&from)),
            ("FNSFADDRDOMAIN", text(&from_domain)),
            ("FNSFADDROWNER", from_owner),
        ];
    }
    Some(found)
}

/// The first thing in a name that looks like an address.
fn address_in(name: &[u8]) -> Option<&[u8]> {
    let boundary = |at: usize| {
        let before = at.checked_sub(1).is_some_and(|i| is_word(name[i]));
        before != name.get(at).is_some_and(|b| is_word(*b))
    };
    let is_local = |b: u8| is_word(b) || b".!#$%&'*+/=?^`{|}~-".contains(&b);
    memchr::memchr_iter(b'@', name).find_map(|at| {
        let run = name[..at].iter().rev().take_while(|b| is_local(**b)).count();
        let start = (at - run..at).find(|start| boundary(*start))?;
        let host = &name[at + 1..];
        let length = host.iter().take_while(|b| is_word(**b) || matches!(b, b'.' | b'-')).count();
        let host = &host[..length];
        let dot = memchr::memchr(b'.', host)?;
        let sound = dot > 0
            && is_word(host[0])
            && host.get(dot + 1).is_some_and(|b| is_word(*b))
            && host.len() > dot + 2
            && host.last().is_some_and(|b| is_word(*b));
        sound.then(|| &name[start..at + 1 + length])
    })
}

/// Who an address belongs to: the `fns_add_addrlist` that holds it, else the first label of its domain.
fn owner(cx: &Context<'_>, address: &[u8], domain: &[u8]) -> String {
    let lists = || cx.settings.address_lists.iter().filter_map(|(name, list)| Some((name.strip_prefix("FNS_")?, list)));
    let listed = |address: &str| lists().find(|(_, list)| list.contains(address)).map(|(name, _)| name.to_lowercase());
    let key = values::list_key(address);
    let domain = String::from_utf8_lossy(domain);
    let above = key.split_once('@').filter(|(user, host)| !user.is_empty() && *host != domain);
    listed(&key).or_else(|| above.and_then(|(user, _)| listed(&format!("{user}@{domain}")))).unwrap_or_else(|| {
        match domain.split_once('.') {
            Some((first, _)) if !first.is_empty() => first.to_owned(),
            _ => domain.into_owned(),
        }
    })
}

fn answer(cx: &Context<'_>, test: impl Fn(&FromName) -> bool) -> Outcome {
    let found = from_name(cx);
    Ok(Finding { tags: found.tags.clone(), ..Finding::from(test(&found)) })
}

pub fn check_fromname_spoof(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let level = match args.first().map(String::as_str) {
        Some("0") => 0.0,
        Some("1") => 1.0,
        Some("2") => 2.0,
        _ => cx.settings.from_name.check,
    };
    answer(cx, |found| {
        found.address_differs && (level != 1.0 || found.owner_differs) && (level != 2.0 || found.domain_differs)
    })
}

pub fn check_fromname_different(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.address_differs)
}

pub fn check_fromname_domain_differ(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.domain_differs)
}

pub fn check_fromname_contains_email(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.contains_address)
}

pub fn check_fromname_equals_to(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.equals_to)
}

pub fn check_fromname_owners_differ(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.owner_differs)
}

pub fn check_fromname_equals_replyto(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.equals_reply_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_names() {
        for (name, expected) in [
            ("joe@example.com", Some("joe@example.com")),
            ("\"paypal <service@paypal.example>\"", Some("service@paypal.example")),
            ("joe at example", None),
            ("joe@example", None),
            ("joe@example.c", None),
            ("joe@example.com.", None),
            ("'joe.x@mail.example.org'", Some("joe.x@mail.example.org")),
        ] {
            assert_eq!(address_in(name.as_bytes()), expected.map(str::as_bytes), "{name}");
        }
    }
}
