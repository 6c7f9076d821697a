//! Checks for free mail services: who writes from one, and whether the answer would go to another.

use super::email;
use super::perl::{self, Lazy, regex};
use super::{argument_pattern, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::views::uri::UriTypes;
use std::rc::Rc;

fn is_available(cx: &Context<'_>) -> bool {
    let freemail = &cx.settings.freemail;
    !freemail.domains.is_empty() || !freemail.wildcards.is_empty()
}

/// Whether an address (lower case) belongs to a free mail service and is nobody's office there.
fn is_freemail(cx: &Context<'_>, address: &str) -> bool {
    let freemail = &cx.settings.freemail;
    let domain = address.rsplit('@').next().unwrap_or_default();
    let offered = freemail.domains.contains(domain)
        || freemail.wildcards.iter().any(|glob| {
            address.match_indices('@').any(|(at, _)| domain_glob(glob.as_bytes(), &address.as_bytes()[at + 1..]))
        });
    if !offered || address.is_empty() {
        return false;
    }
    let imported = |wanted: bool, list: &str| wanted && cx.settings.address_list(list).contains(address);
    !(freemail.welcomelist.contains(address)
        || freemail.welcomelist.contains(domain)
        || is_office(address.as_bytes())
        || imported(freemail.import_welcomelist_auth, "welcomelist_auth")
        || imported(freemail.import_def_welcomelist_auth, "def_welcomelist_auth"))
}

/// `*` stands for anything within a label, `?` for any one character.
fn domain_glob(glob: &[u8], text: &[u8]) -> bool {
    match glob.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => {
            let label = text.iter().take_while(|b| **b != b'.').count();
            (0..=label).any(|taken| domain_glob(rest, &text[taken..]))
        }
        Some((wanted, rest)) => text
            .split_first()
            .is_some_and(|(byte, tail)| (*wanted == b'?' || wanted == byte) && domain_glob(rest, tail)),
    }
}

/// Addresses of services and programs rather than people.
fn is_office(address: &[u8]) -> bool {
    static OFFICE: Lazy = regex!(concat!(
        r"(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master|undisclosed.*|",
        r"request-[a-f0-9]{16}|bounced?-|",
        r"[a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})|.+=.+=.+)@"
    ));
    OFFICE.is_match(address)
}

/// Envelope senders of lists and programs, to whom nobody replies.
fn is_bulk_sender(address: &[u8]) -> bool {
    // The range `_` to `t` is SpamAssassin's, a slip for three characters; kept, since it decides hits.
    static BULK: Lazy = regex!(concat!(
        r"(?i)(?:^(?:post|host|domain)master|^double-bounce|^(?:sentto|owner|return|(?:gr)?bounced?)-.+|",
        r"-(?:request|bounces?|admin|owner)|\b(?:do[._-t]?)?no[._-t]?repl(?:y|ies)|.+=.+)@"
    ));
    BULK.is_match(address)
}

fn hit(cx: &Context<'_>, shown: &str) -> Finding {
    let notes = if cx.settings.freemail.add_describe_email { vec![shown.replace('@', "(at)")] } else { Vec::new() };
    Finding { notes, ..Finding::hit() }
}

fn lower(addresses: &[Vec<u8>]) -> Vec<String> {
    addresses.iter().map(|a| String::from_utf8_lossy(a).to_lowercase()).collect()
}

fn first_freemail(cx: &Context<'_>, addresses: &[String], pattern: Option<&String>) -> Outcome {
    let fits =
        |address: &String| pattern.is_none_or(|p| argument_pattern::is_match(p, address.as_bytes()) == Some(true));
    Ok(match addresses.iter().find(|address| is_freemail(cx, address) && fits(address)) {
        Some(address) => hit(cx, address),
        None => Finding::NO,
    })
}

pub fn check_freemail_header(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(header) = args.first().filter(|_| is_available(cx)) else { return Ok(Finding::NO) };
    let addresses = lower(&values::all(cx, &format!("{header}:addr")));
    first_freemail(cx, &addresses, args.get(1))
}

pub fn check_freemail_from(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    if !is_available(cx) {
        return Ok(Finding::NO);
    }
    first_freemail(cx, &lower(&values::from_addresses(cx).0), args.first())
}

/// Free mail addresses in the text, in order; `None` where there are too many addresses to mean anything.
struct BodyAddresses(Option<Vec<String>>);

fn body_addresses(cx: &Context<'_>) -> Rc<BodyAddresses> {
    cx.memo.get_or_init(|| {
        let settings = &cx.settings.freemail;
        let mut all = 0.0;
        let mut found = Vec::new();
        for address in addresses_in_message(cx) {
            all += 1.0;
            if all == settings.max_body_emails && settings.skip_when_over_max {
                return BodyAddresses(None);
            }
            if is_freemail(cx, &address) {
                found.push(address);
                if found.len() as f64 == settings.max_body_freemails && settings.skip_when_over_max {
                    return BodyAddresses(None);
                }
            }
        }
        BodyAddresses(Some(found))
    })
}

fn addresses_in_message(cx: &Context<'_>) -> Vec<String> {
    let tlds = &cx.views.config.tlds;
    let is_tld = |label: &[u8]| tlds.is_tld(label);
    let mut found: Vec<String> = Vec::new();
    let add = |address: &[u8], found: &mut Vec<String>| {
        let address = String::from_utf8_lossy(address).to_ascii_lowercase();
        if !found.contains(&address) {
            found.push(address);
        }
    };
    for uri in &cx.views.uris().uris {
        if uri.tags.contains("a")
            && !uri.types.contains(UriTypes::PARSED)
            && perl::starts_with_ignoring_case(&uri.raw, b"mailto:")
            && let Some(address) = email::at_start(&uri.raw, 7, is_tld)
        {
            add(address, &mut found);
            if found.len() >= 20 {
                break;
            }
        }
    }
    for line in cx.views.body().iter().filter(|line| line.contains(&b'@')) {
        let line = without_quoted_addresses(&without_urls(line), is_tld);
        for address in email::find_all(&line, is_tld) {
            add(&line[address], &mut found);
            if found.len() >= 40 {
                return found;
            }
        }
    }
    found
}

/// Web addresses with an @ in them, taken out: what stands there is no mail address.
fn without_urls(line: &[u8]) -> Vec<u8> {
    const REACH: usize = 255;
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    while let Some(found) = perl::find_ignoring_case(&line[at..], b"http") {
        let start = at + found;
        let mut rest = &line[start + 4..];
        rest = rest.strip_prefix(b"s").or_else(|| rest.strip_prefix(b"S")).unwrap_or(rest);
        let Some(tail) = rest.strip_prefix(b"://") else {
            out.extend_from_slice(&line[at..start + 4]);
            at = start + 4;
            continue;
        };
        let word = tail.iter().take_while(|b| !perl::is_space(**b)).count();
        let last = (0..=REACH.min(word))
            .rev()
            .find(|i| tail[*i..word].starts_with(b"@") || tail[*i..word].starts_with(b"%40"));
        let Some(last) = last else {
            out.extend_from_slice(&line[at..start + 4]);
            at = start + 4;
            continue;
        };
        let marker = if tail[last] == b'@' { 1 } else { 3 };
        let end = line.len() - tail.len() + (last + marker + REACH).min(word);
        let before = &line[at..start];
        out.extend_from_slice(before.strip_suffix(b"<").unwrap_or(before));
        out.push(b' ');
        at = end;
    }
    out.extend_from_slice(&line[at..]);
    out
}

/// Addresses in angle brackets, and those followed by "wrote:" or the like, taken out: they belong to quotes.
fn without_quoted_addresses(line: &[u8], is_tld: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    for candidate in email::candidates(line, &is_tld) {
        let Some(start) =
            candidate.starts.iter().copied().find(|start| *start >= at && !ends_with_mailto(&line[..*start]))
        else {
            continue;
        };
        let Some(end) = end_of_quote(line, candidate.end) else { continue };
        let before = &line[at..start];
        out.extend_from_slice(before.strip_suffix(b"<").unwrap_or(before));
        out.push(b' ');
        at = end;
    }
    out.extend_from_slice(&line[at..]);
    out
}

fn ends_with_mailto(text: &[u8]) -> bool {
    text.len() >= 7 && text[text.len() - 7..].eq_ignore_ascii_case(b"mailto:")
}

/// Where `>` or ` wrote:` ends after an address.
fn end_of_quote(line: &[u8], end: usize) -> Option<usize> {
    let rest = &line[end..];
    if rest.first() == Some(&b'>') {
        return Some(end + 1);
    }
    let blanks = rest.iter().take_while(|b| perl::is_space(**b)).count();
    let word = rest[blanks..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let text = &rest[blanks..];
    const CONTACTS: [&[u8]; 8] = [b"fax", b"facsi", b"tel", b"phone", b"email", b"e-mail", b"mail", b"-mail"];
    let contact = CONTACTS.iter().any(|c| perl::starts_with_ignoring_case(text, c));
    ((1..=10).contains(&blanks) && (2..=11).contains(&word) && text.get(word) == Some(&b':') && !contact)
        .then_some(end + blanks + word + 1)
}

pub fn check_freemail_body(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    if !is_available(cx) {
        return Ok(Finding::NO);
    }
    let found = body_addresses(cx);
    let Some(addresses) = found.0.as_ref().filter(|list| !list.is_empty()) else { return Ok(Finding::NO) };
    match args.first() {
        Some(_) => first_freemail(cx, addresses, args.first()),
        None => Ok(hit(cx, &addresses.join(", "))),
    }
}

pub fn check_freemail_replyto(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let answers_count = match args.first().map(String::as_str) {
        None | Some("replyto") => false,
        Some("reply") => true,
        Some(_) => return Ok(Finding::NO),
    };
    if !is_available(cx) {
        return Ok(Finding::NO);
    }
    let from = lower(&values::all(cx, "From:addr"));
    let reply_to = lower(&values::all(cx, "Reply-To:addr"));
    let from_is_free = from.iter().any(|a| is_freemail(cx, a));
    let reply_is_free = reply_to.iter().any(|a| is_freemail(cx, a));
    if !(from_is_free || reply_is_free) {
        return Ok(Finding::NO);
    }
    if cx.settings.freemail.skip_bulk_envfrom && is_bulk_sender(&values::first(cx, "EnvelopeFrom")) {
        return Ok(Finding::NO);
    }
    if from_is_free && reply_is_free && !from.iter().any(|a| reply_to.contains(a)) {
        return Ok(hit(cx, &format!("{} -> {}", from.join(","), reply_to.join(","))));
    }
    if answers_count {
        if !reply_to.is_empty() && !reply_is_free || !from_is_free {
            return Ok(Finding::NO);
        }
    } else if !reply_is_free {
        return Ok(Finding::NO);
    }
    let answer_goes_to = if reply_is_free { &reply_to } else { &from };
    let found = body_addresses(cx);
    for in_body in found.0.iter().flatten() {
        if let Some(other) = answer_goes_to.iter().find(|a| *a != in_body) {
            return Ok(hit(cx, &format!("{other}, {in_body}")));
        }
    }
    Ok(Finding::NO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_tld(label: &[u8]) -> bool {
        matches!(label, b"com" | b"org")
    }

    #[test]
    fn globs_stay_within_a_label() {
        assert!(domain_glob(b"yahoo.*", b"yahoo.com"));
        assert!(!domain_glob(b"yahoo.*", b"yahoo.com.example"));
        assert!(domain_glob(b"mail?.example.*", b"mail7.example.com"));
    }

    #[test]
    fn offices_and_bulk() {
        assert!(is_office(b"support@example.com"));
        assert!(is_office(b"bounce-@example.com"));
        assert!(!is_office(b"supporter@example.com"));
        assert!(is_bulk_sender(b"noreply@example.com"));
        assert!(is_bulk_sender(b"owner-list@example.com"));
        assert!(is_bulk_sender(b"list-bounces@example.com"));
        assert!(!is_bulk_sender(b"joe@example.com"));
    }

    #[test]
    fn what_is_taken_out_of_text() {
        let strip =
            |line: &str| String::from_utf8(without_quoted_addresses(&without_urls(line.as_bytes()), is_tld)).unwrap();
        assert_eq!(strip("see <http://a.example/joe@x.com now"), "see   now");
        assert_eq!(strip("see http://a.example/joe%40x.com now"), "see   now");
        assert_eq!(strip("http://a.example/ joe@x.com"), "http://a.example/ joe@x.com");
        assert_eq!(strip("Joe <joe@x.com> said"), "Joe   said");
        assert_eq!(strip("joe@x.com wrote: hi"), "  hi");
        assert_eq!(strip("joe@x.com tel: 12"), "joe@x.com tel: 12");
        assert_eq!(strip("<mailto:joe@x.com> wrote: hi"), "<mailto:joe@x.com> wrote: hi");
    }
}
