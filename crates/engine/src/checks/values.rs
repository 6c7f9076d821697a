//! What checks ask of headers, settings and domain names, in a word each.

use crate::check::Context;
use mail::views::{HeaderRequest, HeaderValue};
use std::sync::Arc;

fn value(cx: &Context<'_>, request: &HeaderRequest) -> Option<Arc<HeaderValue>> {
    cx.views.header(request)
}

/// Every value of `Name:modifiers`.
pub fn all(cx: &Context<'_>, request: &str) -> Vec<Vec<u8>> {
    value(cx, &HeaderRequest::parse(request)).map_or_else(Vec::new, |v| v.values.clone())
}

/// Values run together, each ending in its newline; empty where the header is missing. For `:addr` and the like that
/// is the first value, as SpamAssassin's `get` has it.
pub fn joined(cx: &Context<'_>, request: &str) -> Vec<u8> {
    let request = HeaderRequest::parse(request);
    value(cx, &request).map_or_else(Vec::new, |v| v.scalar(&request))
}

/// The first of several addresses, names or hosts; empty where there is none.
pub fn first(cx: &Context<'_>, request: &str) -> Vec<u8> {
    joined(cx, request)
}

pub fn exists(cx: &Context<'_>, request: &str) -> bool {
    value(cx, &HeaderRequest::parse(request)).is_some()
}

/// Everyone in whose name the message may have been sent.
pub fn from_addresses(cx: &Context<'_>) -> std::rc::Rc<Senders> {
    cx.memo.get_or_init(|| Senders(mail::mime::address::all_from_addresses(cx.views)))
}

pub struct Senders(pub Vec<Vec<u8>>);

pub fn to_addresses(cx: &Context<'_>) -> std::rc::Rc<Recipients> {
    cx.memo.get_or_init(|| Recipients(mail::mime::address::all_to_addresses(cx.views)))
}

pub struct Recipients(pub Vec<Vec<u8>>);

/// Lower case, as lists of addresses hold them.
pub fn list_key(address: &[u8]) -> String {
    String::from_utf8_lossy(address).to_lowercase()
}

/// A date as mail writes it, in seconds since 1970.
pub fn time(text: &[u8]) -> Option<i64> {
    mail::mime::date::parse(text)
}

/// The registered domain of a host (`www.example.co.jp` gives `example.co.jp`), lower case; `None` without a known TLD.
pub fn registered_domain(cx: &Context<'_>, host: &[u8]) -> Option<String> {
    let tlds = &cx.views.config.tlds;
    let domain = trim_domain(cx, host);
    tlds.is_domain_valid(domain.as_bytes()).then_some(domain)
}

/// The same, whatever the TLD.
pub fn trim_domain(cx: &Context<'_>, host: &[u8]) -> String {
    let domain = cx.views.config.tlds.trim_domain(host);
    String::from_utf8_lossy(domain).to_lowercase()
}

/// Words of a setting such as `ok_locales`.
pub fn words(setting: &str) -> Vec<String> {
    setting.split_whitespace().map(str::to_owned).collect()
}
