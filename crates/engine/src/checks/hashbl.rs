//! Hashes of addresses, links, texts and files in lists of the DNS: `check_hashbl_*`.
//!
//! In: what the rule collects from the message, with its options (`sha1/notag/max=10`). Out: a hit where the list holds
//! the hash. Where there is more than `max` of something the first are asked about, not some at random: the same message
//! gets the same answer.

use super::dns;
use super::perl::{Lazy, regex};
use super::{argument_pattern, askdns, email, ip, values};
use crate::answers::{Question, Record};
use crate::check::{Arg, Context, Finding, Kinds, Outcome};
use mail::tld;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};

/// Options without a value are "1".
type Options = BTreeMap<String, String>;

/// Where a rule says no `max`.
const MAX: usize = 10;
/// Whatever a rule says.
const MOST: usize = 100;

fn options(written: Option<&Arg>, default: &str) -> Options {
    let written = written.map(String::as_str).filter(|text| !text.is_empty()).unwrap_or(default).to_lowercase();
    let each = written.split('/').map(str::trim).filter(|option| !option.is_empty());
    each.map(|option| option.split_once('=').unwrap_or((option, "1")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn has(options: &Options, key: &str) -> bool {
    options.get(key).is_some_and(|value| value != "0" && !value.is_empty())
}

fn number(options: &Options, key: &str) -> Option<usize> {
    options.get(key).and_then(|value| value.parse().ok()).filter(|n| *n > 0)
}

fn hash(options: &Options, value: &[u8]) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    if has(options, "sha256") {
        base32(&Sha256::digest(value))
    } else if has(options, "sha1") {
        hex(&Sha1::digest(value))
    } else if has(options, "md5") {
        hex(&Md5::digest(value))
    } else {
        value.to_vec()
    }
}

/// RFC 4648, lower case, without padding.
fn base32(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0);
    for byte in bytes {
        buffer = (buffer << 8 | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(LETTERS[(buffer >> bits & 31) as usize]);
        }
    }
    if bits > 0 {
        out.push(LETTERS[(buffer << (5 - bits) & 31) as usize]);
    }
    out
}

/// Asks the list about each value; what a report shows stands beside the value.
fn ask(cx: &Context<'_>, list: &str, options: &Options, subtest: Option<&Arg>, values: Vec<Hashed>) -> Outcome {
    let (zone, record) = match list.rsplit_once('/') {
        Some((zone, kind)) if kind.eq_ignore_ascii_case("TXT") => (zone, Record::TXT),
        Some((zone, kind)) if kind.eq_ignore_ascii_case("A") => (zone, Record::A),
        _ => (list, Record::A),
    };
    let ignored = ignored(cx);
    let most = number(options, "max").unwrap_or(MAX).min(MOST);
    let mut asked: Vec<(Question, String)> = Vec::new();
    cx.limit("values of a HashBL rule (max)", values.len(), most);
    for Hashed { shown, hash } in values.into_iter().take(most) {
        let is_ignored = |text: &str| ignored.0.contains(&text.to_lowercase());
        if is_ignored(&shown) || is_ignored(&String::from_utf8_lossy(&hash)) {
            continue;
        }
        let name = [&hash[..], b".", zone.as_bytes()].concat();
        asked.extend(dns::question(cx, &name, record).map(|question| (question, shown)));
    }
    let answers = dns::answers(cx, asked.iter().map(|(question, _)| question.clone()))?;
    let subtest = subtest.map(String::as_str).filter(|subtest| !subtest.is_empty()).unwrap_or("^127\\.");
    let listed = asked.iter().zip(&answers).filter(|(_, (_, answer))| {
        answer.records().iter().any(|data| argument_pattern::is_match(subtest, data.as_bytes()) == Some(true))
    });
    let notes: Vec<String> = listed.map(|((_, shown), _)| shown.replace('@', "[at]")).collect();
    Ok(if notes.is_empty() { Finding::NO } else { Finding { notes, ..Finding::hit() } })
}

struct Hashed {
    shown: String,
    hash: Vec<u8>,
}

/// Each value once, hashed.
fn hashed(options: &Options, values: impl IntoIterator<Item = Vec<u8>>) -> Vec<Hashed> {
    let mut seen = BTreeSet::new();
    let unique = values.into_iter().filter(|value| seen.insert(value.clone()));
    unique
        .map(|value| Hashed { hash: hash(options, &value), shown: String::from_utf8_lossy(&value).into_owned() })
        .collect()
}

/// `hashbl_ignore`, lower case.
struct Ignored(BTreeSet<String>);

fn ignored(cx: &Context<'_>) -> std::rc::Rc<Ignored> {
    cx.memo.get_or_init(|| {
        Ignored(cx.settings.others("hashbl_ignore").flat_map(str::split_whitespace).map(str::to_lowercase).collect())
    })
}

fn is_skipped(cx: &Context<'_>, name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| cx.settings.uridnsbl_skip_domains.contains(&name.to_lowercase()))
}

pub fn check_hashbl_emails(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(list) = args.first() else { return Ok(Finding::NO) };
    if !cx.network {
        return Ok(Finding::NO);
    }
    let options = options(args.get(1), "sha1/notag/noquote/max=10/shuffle");
    let from = args.get(2).map(String::as_str).filter(|from| !from.is_empty()).unwrap_or("ALLFROM/Reply-To/body");
    let acl = args.get(4).map(String::as_str);
    let allowed = acl.filter(|acl| *acl != "all").map(|acl| access(cx, acl));
    let aliases = aliases(cx);
    let own = own_addresses(cx);
    let mut wanted: Vec<Vec<u8>> = Vec::new();
    for place in from.split('/').map(str::trim) {
        for mut address in addresses_in(cx, place, &options) {
            let Some(at) = memchr::memrchr(b'@', &address) else { continue };
            let domain = String::from_utf8_lossy(&address[at + 1..]).to_lowercase();
            let domain = aliases.0.get(&domain).cloned().unwrap_or(domain);
            if aliases.0.values().any(|known| *known == domain) {
                address.truncate(at + 1);
                address.extend_from_slice(domain.as_bytes());
            }
            if allowed.as_ref().is_some_and(|allowed| !allowed.get(&domain).copied().unwrap_or(false)) {
                continue;
            }
            let trimmed = values::trim_domain(cx, domain.as_bytes());
            let skipped = acl.is_none() && (is_skipped(cx, domain.as_bytes()) || is_skipped(cx, trimmed.as_bytes()));
            if skipped || own.contains(&address.to_ascii_lowercase()) || is_welcome(cx, &address) {
                continue;
            }
            wanted.push(what_is_asked(&options, &address[..at], domain.as_bytes(), trimmed.as_bytes()));
        }
    }
    ask(cx, list, &options, args.get(3), hashed(&options, wanted))
}

/// The user without dots or tag, the host, or all of it.
fn what_is_asked(options: &Options, user: &[u8], domain: &[u8], trimmed: &[u8]) -> Vec<u8> {
    let mut user = user.to_vec();
    if has(options, "nodot") {
        user.retain(|b| *b != b'.');
    }
    if has(options, "notag") {
        user.truncate(memchr::memchr(b'+', &user).unwrap_or(user.len()));
    }
    let asked = if has(options, "domain") {
        trimmed.to_vec()
    } else if has(options, "host") {
        domain.to_vec()
    } else if has(options, "user") {
        user
    } else {
        [&user[..], b"@", domain].concat()
    };
    if has(options, "case") { asked } else { asked.to_ascii_lowercase() }
}

/// `hashbl_email_domain_alias gmail.com googlemail.com`: alias -> domain.
struct Aliases(BTreeMap<String, String>);

fn aliases(cx: &Context<'_>) -> std::rc::Rc<Aliases> {
    cx.memo.get_or_init(|| {
        let lines = cx.settings.others("hashbl_email_domain_alias").map(str::to_lowercase);
        let mut aliases = BTreeMap::new();
        for line in lines {
            let mut words = line.split_whitespace();
            if let Some(domain) = words.next() {
                aliases.extend(words.map(|alias| (alias.to_owned(), domain.to_owned())));
            }
        }
        Aliases(aliases)
    })
}

/// `hashbl_acl_NAME`: domain -> allowed.
fn access(cx: &Context<'_>, name: &str) -> BTreeMap<String, bool> {
    let written = cx.settings.others(&format!("hashbl_acl_{}", name.to_lowercase()));
    let mut access = BTreeMap::new();
    for word in written.flat_map(str::split_whitespace).map(str::to_lowercase) {
        match word.strip_prefix('!') {
            Some(denied) => access.insert(denied.to_owned(), false),
            None => Some(*access.entry(word).or_insert(true)),
        };
    }
    access
}

/// To whom it was delivered: nobody looks for himself in a list.
fn own_addresses(cx: &Context<'_>) -> BTreeSet<Vec<u8>> {
    let headers = ["X-Original-To:addr", "Apparently-To:addr", "Delivered-To:addr", "Envelope-To:addr"];
    let addresses = headers.iter().map(|header| values::first(cx, header).to_ascii_lowercase());
    addresses.filter(|address| !address.is_empty()).collect()
}

/// Addresses of no one person, unless `hashbl_email_welcomelist` says otherwise.
fn is_welcome(cx: &Context<'_>, address: &[u8]) -> bool {
    static WELCOME: Lazy = regex!(
        r"(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master|undisclosed.*|request-[a-f0-9]{16}|bounced?-|[a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})|.+=.+=.+)@"
    );
    match cx.settings.other("hashbl_email_welcomelist") {
        Some(pattern) => argument_pattern::is_match_delimited(pattern, address).unwrap_or(false),
        None => WELCOME.is_match(address),
    }
}

fn addresses_in(cx: &Context<'_>, place: &str, options: &Options) -> Vec<Vec<u8>> {
    if place == "ALLFROM" {
        return values::from_addresses(cx).0.clone();
    }
    let text: Vec<u8> = match place {
        "body" => {
            let mut text = Vec::new();
            for uri in cx.views.uris().uris.iter().filter(|uri| uri.tags.contains("a") && !uri.types.contains(PARSED)) {
                if let Some(address) =
                    uri.raw.get(..7).filter(|s| s.eq_ignore_ascii_case(b"mailto:")).and(uri.raw.get(7..))
                {
                    text.extend_from_slice(address);
                    text.push(b'\n');
                }
            }
            let mut body: Vec<u8> = Vec::new();
            cx.views.body().iter().for_each(|unit| body.extend_from_slice(unit));
            if has(options, "nouri") {
                static LINK: Lazy = regex!(r"(?i-u)<?https?://[^\s]{0,255}(?:@|%40)[^\s]{0,255}");
                body = LINK.replace_all(&body, &b" "[..]).into_owned();
            }
            if has(options, "noquote") {
                body = without_quotes(cx, &body);
            }
            text.extend(body);
            text
        }
        header => values::all(cx, header).join(&b'\n'),
    };
    let tlds = &cx.views.config.tlds;
    let mut seen = BTreeSet::new();
    let found =
        email::find_all(&text, |label| tlds.is_tld(&label.to_ascii_lowercase())).map(|range| text[range].to_vec());
    found.filter(|address| seen.insert(address.clone())).collect()
}

const PARSED: mail::views::uri::UriTypes = mail::views::uri::UriTypes::PARSED;

/// Without `<address>` and `address wrote:`.
fn without_quotes(cx: &Context<'_>, body: &[u8]) -> Vec<u8> {
    let tlds = &cx.views.config.tlds;
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    for range in email::find_all(body, |label| tlds.is_tld(&label.to_ascii_lowercase())) {
        let quoted_by_word = || {
            let rest = &body[range.end..];
            let blanks = rest.iter().take(10).take_while(|b| b.is_ascii_whitespace()).count();
            let word = rest[blanks..].iter().take(12).take_while(|b| b.is_ascii_alphabetic()).count();
            let name = String::from_utf8_lossy(&rest[blanks..blanks + word]).to_lowercase();
            let label = ["fax", "facsi", "tel", "phone", "email", "mail"].iter().any(|l| name.starts_with(l));
            blanks > 0 && (2..=11).contains(&word) && rest.get(blanks + word) == Some(&b':') && !label
        };
        let closed = body.get(range.end) == Some(&b'>');
        if closed || quoted_by_word() {
            let start = range.start - usize::from(range.start > at && body[range.start - 1] == b'<');
            out.extend_from_slice(&body[at..start]);
            out.push(b' ');
            at = range.end + usize::from(closed);
        }
    }
    out.extend_from_slice(&body[at..]);
    out
}

pub fn check_hashbl_uris(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(list) = args.first() else { return Ok(Finding::NO) };
    let options = options(args.get(1), "sha1/max=10/shuffle");
    if has(&options, "raw") || !cx.network {
        return Ok(Finding::NO);
    }
    let mut wanted = Vec::new();
    for uri in &cx.views.uris().uris {
        let mailto = uri.raw.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"mailto:"));
        let shown = uri.tags.contains("a") || uri.types.contains(PARSED);
        let skipped = uri.hosts.iter().any(|(host, domain)| is_skipped(cx, host) || is_skipped(cx, domain));
        if !mailto && shown && !uri.hosts.is_empty() && !skipped {
            let cleaned = uri.cleaned.iter();
            wanted
                .extend(cleaned.map(|uri| if has(&options, "case") { uri.clone() } else { uri.to_ascii_lowercase() }));
        }
    }
    ask(cx, list, &options, args.get(2), hashed(&options, wanted))
}

pub fn check_hashbl_bodyre(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [list, _, pattern, ..] = args else { return Ok(Finding::NO) };
    if !cx.network {
        return Ok(Finding::NO);
    }
    let options = options(args.get(1), "sha1/max=10/shuffle");
    let mut wanted: Vec<Vec<u8>> = Vec::new();
    let text = if cx.kind == Kinds::RawBody { cx.views.rawbody() } else { cx.views.body() };
    for unit in text.iter() {
        for found in argument_pattern::first_groups(pattern, unit, MOST) {
            let mut value = if has(&options, "case") { found } else { found.to_ascii_lowercase() };
            if has(&options, "num") {
                value.retain(u8::is_ascii_digit);
            }
            if !value.is_empty() {
                wanted.push(value);
            }
        }
    }
    ask(cx, list, &options, args.get(3), hashed(&options, wanted))
}

pub fn check_hashbl_tag(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [list, _, tag, ..] = args else { return Ok(Finding::NO) };
    let mut options = options(args.get(1), "sha1/max=10/shuffle");
    if has(&options, "trim") {
        options.insert("fqdn".into(), "1".into());
        options.insert("tld".into(), "1".into());
    }
    let tag = tag.strip_prefix('_').and_then(|tag| tag.strip_suffix('_')).unwrap_or(tag).to_uppercase();
    let found = askdns::tag_values(cx, &tag)?;
    let wanted = found.into_iter().filter_map(|value| tag_value(cx, &options, value.into_bytes()));
    let wanted: Vec<Vec<u8>> = wanted.collect();
    ask(cx, list, &options, args.get(3), hashed(&options, wanted))
}

fn tag_value(cx: &Context<'_>, options: &Options, value: Vec<u8>) -> Option<Vec<u8>> {
    let value = if has(options, "case") { value } else { value.to_ascii_lowercase() };
    let (is_v4, is_ip) = (ip::is_ipv4(&value), ip::is_ip(&value));
    let unwanted =
        has(options, "ip") && !is_ip || has(options, "ipv4") && !is_v4 || has(options, "ipv6") && (!is_ip || is_v4);
    if unwanted {
        return None;
    }
    if is_ip {
        return match has(options, "revip") {
            true => super::dnsbl::address(&value).map(|address| dns::reversed(address).into_bytes()),
            false => Some(value),
        };
    }
    let is_name = tld::is_fqdn_valid(&value);
    if has(options, "fqdn") && !is_name {
        return None;
    }
    let domain = is_name.then(|| values::trim_domain(cx, &value));
    if domain.as_ref().is_some_and(|domain| is_skipped(cx, &value) || is_skipped(cx, domain.as_bytes())) {
        return None;
    }
    if has(options, "tld") && !cx.views.config.tlds.is_domain_valid(&value) {
        return None;
    }
    Some(match domain {
        Some(domain) if has(options, "trim") => domain.into_bytes(),
        _ => value,
    })
}

pub fn check_hashbl_attachments(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(list) = args.first() else { return Ok(Finding::NO) };
    let options = options(args.get(1), "sha1/max=10/shuffle");
    if has(&options, "raw") || !cx.network {
        return Ok(Finding::NO);
    }
    let ignored = ignored(cx);
    let mut seen = BTreeSet::new();
    let mut wanted: Vec<Hashed> = Vec::new();
    for part in cx.views.message.parts.iter().filter(|part| part.is_leaf()) {
        let body = part.decoded();
        let name = String::from_utf8_lossy(part.name.as_deref().unwrap_or_default()).to_lowercase();
        let small = number(&options, "minsize").is_some_and(|least| body.len() < least);
        let large = number(&options, "maxsize").is_some_and(|most| body.len() > most);
        if body.is_empty() || small || large || ignored.0.contains(&part.media_type) || ignored.0.contains(&name) {
            continue;
        }
        let hash = hash(&options, body);
        if seen.insert(hash.clone()) {
            wanted.push(Hashed { shown: String::from_utf8_lossy(&hash).into_owned(), hash });
        }
    }
    ask(cx, list, &options, args.get(2), wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_hashes() {
        let options = options(Some(&"SHA1/max=5 / notag".to_owned()), "");
        assert!(has(&options, "sha1") && has(&options, "notag") && !has(&options, "md5"));
        assert_eq!(number(&options, "max"), Some(5));
        assert_eq!(hash(&options, b"a@example.com"), b"11a586cd1f7d573b856f94a619ae806a9a63f0a4".to_vec());
        assert_eq!(base32(b"foobar"), b"mzxw6ytboi");
        assert_eq!(base32(&[0xff; 2]), b"777q");
    }

    #[test]
    fn what_of_an_address_is_asked() {
        for (written, expected) in [
            ("sha1", "J.Doe+x@mx.example.com"),
            ("sha1/notag", "j.doe@mx.example.com"),
            ("nodot/notag", "jdoe@mx.example.com"),
            ("user", "j.doe+x"),
            ("host", "mx.example.com"),
            ("domain", "example.com"),
        ] {
            let options = options(Some(&written.to_owned()), "");
            let asked = what_is_asked(&options, b"J.Doe+x", b"mx.example.com", b"example.com");
            assert_eq!(asked, expected.to_lowercase().as_bytes(), "{written}");
        }
    }
}
