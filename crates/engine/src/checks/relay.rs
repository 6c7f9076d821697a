//! Checks on the path that the Received fields describe.

use super::perl::{self, Lazy, is_word, regex};
use super::{ip, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::Relay;

pub fn check_for_numeric_helo(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static HELO: Lazy = regex!(r"(?i)\bhelo=([0-9.]+)(?:[\x00-\x20,;\[()<>]|$)");
    let text = &cx.views.relays().untrusted_text;
    // The first name that is an address decides.
    let helo = HELO.captures_iter(text).find(|found| ip::is_ipv4(&found[1]));
    Ok(helo.is_some_and(|found| !ip::is_private(&found[1])).into())
}

pub fn helo_ip_mismatch(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let public_v4 = |text: &[u8]| ip::is_ipv4(text) && !ip::is_private(text);
    let network = |text: &[u8]| memchr::memrchr(b'.', text).map(|dot| text[..=dot].to_vec());
    Ok(cx
        .views
        .relays()
        .untrusted
        .iter()
        .any(|relay| {
            public_v4(&relay.helo) && public_v4(&relay.ip_text) && network(&relay.helo) != network(&relay.ip_text)
        })
        .into())
}

pub fn check_all_trusted(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let relays = cx.views.relays();
    Ok((!relays.trusted.is_empty() && relays.untrusted.is_empty() && relays.unparseable == 0).into())
}

pub fn check_no_relays(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let relays = cx.views.relays();
    Ok((relays.trusted.is_empty() && relays.untrusted.is_empty() && relays.unparseable == 0).into())
}

pub fn check_relays_unparseable(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((cx.views.relays().unparseable > 0).into())
}

pub fn check_for_sender_no_reverse(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let last = cx.views.relays().untrusted.last();
    Ok(last.is_some_and(|relay| relay.rdns.contains(&b'.') && !relay.ip_private).into())
}

pub fn check_for_from_domain_in_received_headers(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [domain, desired, ..] = args else { return Ok(Finding::NO) };
    let from = values::first(cx, "From:addr");
    let key = domain.to_ascii_lowercase();
    let starts_word = |at: usize| {
        let before = at.checked_sub(1).is_some_and(|i| is_word(from[i]));
        before != from.get(at).is_some_and(|b| is_word(*b))
    };
    let claimed =
        (0..from.len()).any(|at| perl::starts_with_ignoring_case(&from[at..], key.as_bytes()) && starts_word(at));
    if !claimed {
        return Ok(Finding::NO);
    }
    let relays = cx.views.relays();
    let seen = relays.trusted.iter().chain(&relays.untrusted).any(|relay| {
        [&relay.rdns, &relay.by].iter().all(|name| {
            name.strip_suffix(domain.as_bytes()).is_some_and(|rest| !rest.last().is_some_and(|b| is_word(*b)))
        })
    });
    Ok((seen == (desired == "true")).into())
}

pub fn check_for_no_rdns_dotcom_helo(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    const NAMES: [&[u8]; 11] = [
        b"lycos.com",
        b"lycos.co.uk",
        b"hotmail.com",
        b"localhost.com",
        b"excite.com",
        b"caramail.com",
        b"cs.com",
        b"aol.com",
        b"msn.com",
        b"yahoo.com",
        b"drizzle.com",
    ];
    let claims = |helo: &[u8]| {
        let helo = perl::lower(helo);
        NAMES.iter().any(|n| helo.strip_suffix(*n).is_some_and(|rest| rest.last().is_none_or(|b| *b == b'.')))
    };
    // As in SpamAssassin the last public relay decides.
    let last = cx.views.relays().untrusted.iter().rfind(|relay| !relay.ip_private);
    Ok(last.is_some_and(|relay| relay.no_reverse_dns && claims(&relay.helo)).into())
}

/// How often names along the path contradict one another.
struct Mismatches {
    from: u32,
    helo: u32,
}

fn mismatches(cx: &Context<'_>) -> std::rc::Rc<Mismatches> {
    cx.memo.get_or_init(|| count_mismatches(&cx.views.relays().untrusted))
}

fn count_mismatches(relays: &[Relay]) -> Mismatches {
    let mut found = Mismatches { from: 0, helo: 0 };
    let mut previous: Option<Vec<u8>> = None;
    for relay in relays {
        let domain = |name: &[u8]| domain_of(&perl::lower(name));
        let by = domain(&relay.by);
        let from = domain(&relay.rdns);
        let last = previous.take();
        previous = Some(from.clone());
        if !is_host_name(&by) {
            continue;
        }
        if matches!(&from[..], b"localhost" | b"localhost.localdomain") && relay.ip_text == b"127.0.0.1" {
            previous = None;
        }
        let helo = domain(&relay.helo);
        if is_dotted_quad(&helo)
            && is_dotted_quad(&relay.ip_text)
            && first_half(&helo) != first_half(&relay.ip_text)
            && !ip::is_private(&helo)
        {
            found.helo += 1;
        }
        if let Some(last) = last
            && is_host_name(&last)
            && by != last
            && !(by == b"msn.com" && last == b"hotmail.com")
        {
            found.from += 1;
        }
    }
    found
}

/// The last two or three labels, by the length of the last one: a rough idea of a registered domain.
fn domain_of(host: &[u8]) -> Vec<u8> {
    if !host.iter().any(u8::is_ascii_alphabetic) {
        return host.to_vec();
    }
    let mut labels: Vec<&[u8]> = host.split(|b| *b == b'.').collect();
    while labels.last().is_some_and(|label| label.is_empty()) {
        labels.pop();
    }
    let last = labels.last().copied().unwrap_or_default();
    let long = last.windows(3).any(|w| w.iter().all(|b| !perl::is_space(*b)))
        || last.windows(2).any(|w| matches!(w, b"ie" | b"fr" | b"de"));
    let keep = match labels.len() {
        n if n > 1 && long => 2,
        n if n > 2 => 3,
        _ => return host.to_vec(),
    };
    labels[labels.len() - keep..].join(&b'.')
}

/// `/^\w+(?:[\w.-]+\.)+\w+$/`
fn is_host_name(name: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    let (head, tail) = (&name[..dot], &name[dot + 1..]);
    head.len() >= 2
        && is_word(head[0])
        && head.iter().all(|b| is_word(*b) || matches!(b, b'.' | b'-'))
        && !tail.is_empty()
        && tail.iter().all(|b| is_word(*b))
}

/// `/^\d+\.\d+\.\d+\.\d+$/`
fn is_dotted_quad(text: &[u8]) -> bool {
    let mut groups = text.split(|b| *b == b'.');
    (0..4).all(|_| groups.next().is_some_and(|g| !g.is_empty() && g.iter().all(u8::is_ascii_digit)))
        && groups.next().is_none()
}

fn first_half(quad: &[u8]) -> Option<&[u8]> {
    let (_, dot) = (memchr::memchr(b'.', quad)?, memchr::memchr_iter(b'.', quad).nth(1)?);
    Some(&quad[..dot])
}

pub fn check_for_forged_received_trail(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((mismatches(cx).from > 1).into())
}

pub fn check_for_forged_received_ip_helo(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((mismatches(cx).helo > 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rough_domains() {
        for (host, expected) in [
            ("mx.example.com", "example.com"),
            ("mx.example.co.jp", "example.co.jp"),
            ("mail.example.de", "example.de"),
            ("a.b.jp", "a.b.jp"),
            ("b.jp", "b.jp"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("", ""),
        ] {
            assert_eq!(domain_of(host.as_bytes()), expected.as_bytes(), "{host}");
        }
    }

    #[test]
    fn host_names() {
        for (name, expected) in
            [("example.com", true), ("a.com", false), ("ab.c", true), ("x", false), ("ex ample.com", false)]
        {
            assert_eq!(is_host_name(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_trail_that_does_not_fit_together() {
        let relay = |rdns: &str, by: &str| Relay {
            ip_text: b"192.0.2.1".to_vec(),
            rdns: rdns.into(),
            by: by.into(),
            ..Relay::default()
        };
        let honest = [relay("mx.example.org", "mx.example.net"), relay("pc.example.com", "mx.example.org")];
        assert_eq!(count_mismatches(&honest).from, 0);
        let forged = [
            relay("mx.example.org", "mx.example.net"),
            relay("pc.example.com", "mx.other.org"),
            relay("pc.example.com", "mx.another.org"),
        ];
        assert_eq!(count_mismatches(&forged).from, 2);
    }
}
