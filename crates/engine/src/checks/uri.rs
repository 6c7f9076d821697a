//! Checks on links: where they say they lead and where they do.

use super::html::html_parts;
use super::perl::{self, Lazy, regex};
use super::{ip, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::views::HtmlFacts;
use mail::views::html::HtmlUri;

fn anchor_texts<'a>(facts: &'a HtmlFacts, uri: &'a HtmlUri) -> impl Iterator<Item = &'a [u8]> {
    uri.anchors.iter().filter_map(|index| facts.anchors.get(*index as usize)).map(|anchor| &anchor.text[..])
}

/// Goes over the host names that stand after `https://` or the like in a text, to the next `/`, `:`, `?`, `#`.
fn host_after<'a>(text: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some(at) = perl::find_ignoring_case(rest, scheme) {
        rest = &rest[at + scheme.len()..];
        let end = rest
            .iter()
            .position(|b| matches!(b, b'/' | b':' | b'?' | b'#') || perl::is_space(*b))
            .unwrap_or(rest.len());
        if end > 0 {
            return Some(&rest[..end]);
        }
    }
    None
}

pub fn check_https_http_mismatch(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let bound = |i: usize| args.get(i).map(|a| perl::number(a));
    let least = bound(0).filter(|n| *n != 0.0).unwrap_or(1.0);
    let below = bound(1);
    for (facts, _) in html_parts(cx) {
        let (mut hit, mut anchors) = (false, 0.0);
        for uri in facts.uris.iter().filter(|uri| !uri.anchors.is_empty()) {
            let Some(target) = http_host(&uri.uri).filter(|host| !ip::is_ip(host)) else { continue };
            let Some(target) = values::registered_domain(cx, target) else { continue };
            anchors += 1.0;
            hit |= anchor_texts(facts, uri).any(|text| {
                let Some(shown) = host_after(text, b"https://") else { return false };
                if ip::is_ip(shown) {
                    return shown != target.as_bytes();
                }
                values::registered_domain(cx, shown).is_some_and(|shown| shown != target)
            });
        }
        if hit && anchors >= least && below.is_none_or(|below| anchors < below) {
            return Ok(Finding::hit());
        }
    }
    Ok(Finding::NO)
}

/// Host of `http://host` or `https://host`.
fn http_host(uri: &[u8]) -> Option<&[u8]> {
    let rest = [&b"http://"[..], b"https://"]
        .iter()
        .find_map(|scheme| perl::starts_with_ignoring_case(uri, scheme).then(|| &uri[scheme.len()..]))?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b':' | b'?' | b'#')).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

pub fn check_https_ip_mismatch(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static ADDRESS: Lazy = regex!(r"(?i)^https?:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+");
    static SECURE_ADDRESS: Lazy = regex!(r"(?i)^https:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+");
    Ok(html_parts(cx)
        .any(|(facts, _)| {
            facts.uris.iter().filter(|uri| !uri.anchors.is_empty() && ADDRESS.is_match(&uri.uri)).any(|uri| {
                anchor_texts(facts, uri)
                    .any(|text| perl::find_ignoring_case(text, b"https:").is_some() && !SECURE_ADDRESS.is_match(text))
            })
        })
        .into())
}

pub fn check_for_http_redirector(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static REDIRECTOR: Lazy = regex!(r"(?i)^https?://([^/:?]+).+?(https?:/{0,2}?([^/:?]+).*)\n?$");
    let domain =
        |host: &[u8]| cx.views.config.tlds.uri_to_domain(host).map_or_else(|| host.to_vec(), |found| found.domain);
    Ok(cx
        .views
        .uris()
        .text
        .iter()
        .any(|uri| {
            let mut rest = uri.to_vec();
            while let Some(found) = REDIRECTOR.captures(&rest) {
                if domain(&found[1]) != domain(&found[3]) {
                    return true;
                }
                rest = found[2].to_vec();
            }
            false
        })
        .into())
}

pub fn check_uri_truncated(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((cx.views.uris().truncated || html_parts(cx).any(|(facts, _)| facts.uri_truncated)).into())
}

struct ShortUrl(bool);

pub fn short_url(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let found = cx.memo.get_or_init(|| {
        let listed = |host: &str| cx.settings.url_shorteners.contains_key(host);
        ShortUrl(
            !cx.settings.url_shorteners.is_empty()
                && cx.views.uris().uris.iter().filter(|uri| !uri.domains.is_empty() && !uri.cleaned.is_empty()).any(
                    |uri| {
                        let end = uri.raw.iter().position(|b| matches!(b, b'#' | b'?')).unwrap_or(uri.raw.len());
                        is_shortened(&uri.raw[..end], listed)
                    },
                ),
        )
    });
    Ok(found.0.into())
}

/// Whether a URI (without query and fragment) is that of a shortening service.
fn is_shortened(uri: &[u8], listed: impl Fn(&str) -> bool) -> bool {
    static PARTS: Lazy = regex!(r"(?i)^https?://(?:[^@/?#]*@)?([^/?#:]+)(?::\d+)?(.*?\w)?");
    let Some(found) = PARTS.captures(uri) else { return false };
    let host = String::from_utf8_lossy(&found[1]).to_ascii_lowercase();
    let levels = host.bytes().filter(|b| *b == b'.').count();
    if levels == 1 && found.get(2).is_none() {
        return false;
    }
    if listed(&host) {
        return true;
    }
    let Some((first, rest)) = host.split_once('.') else { return false };
    let labels = !first.is_empty() && rest.split('.').all(|label| !label.is_empty());
    if levels != 2 || !labels {
        return false;
    }
    if first == "www" {
        return listed(rest);
    }
    // `.example.com` stands for every name one level below.
    !first.starts_with("www") && listed(&format!(".{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_texts() {
        assert_eq!(host_after(b"see HTTPS://Bank.example/login", b"https://"), Some(&b"Bank.example"[..]));
        assert_eq!(host_after(b"https:// https://b.example", b"https://"), Some(&b"b.example"[..]));
        assert_eq!(host_after(b"http://b.example", b"https://"), None);
        assert_eq!(http_host(b"https://a.example:8/x"), Some(&b"a.example"[..]));
        assert_eq!(http_host(b"mailto:a@example.com"), None);
    }

    #[test]
    fn shorteners() {
        let listed = |host: &str| matches!(host, "bit.example" | ".any.example");
        for (uri, expected) in [
            ("https://bit.example/abc", true),
            ("https://bit.example/", false),
            ("https://bit.example", false),
            ("http://user@BIT.example:80/abc", true),
            ("https://www.bit.example/", true),
            ("https://x.any.example", true),
            ("https://x.y.any.example/a", false),
            ("ftp://bit.example/abc", false),
        ] {
            assert_eq!(is_shortened(uri.as_bytes(), listed), expected, "{uri}");
        }
    }
}
