//! `askdns`: questions made of tags (`_AUTHORDOMAIN_.list.example`), and `check_asn`, which reads what such a question
//! told of the first relay outside.
//!
//! A tag that another check sets is waited for until no check is left that could set it.

use super::dns::{self, Subtest};
use super::{argument_pattern, dnsbl, uridnsbl, values};
use crate::answers::{Answer, Question, Record};
use crate::check::{Arg, Context, Finding, Outcome, Pending};
use mail::received::Relay;
use mail::tld;
use std::collections::BTreeSet;

/// Questions of one rule.
const QUESTIONS: usize = 50;
/// What `askdns` means by ANY, which name servers no longer answer (RFC 8482).
const ANY: [Record; 6] = [Record::A, Record::AAAA, Record::MX, Record::NS, Record::TXT, Record::CNAME];

/// Its arguments are the query, the record types and the subtest.
pub fn askdns(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [query, types, subtest] = args else { return Ok(Finding::NO) };
    let Some(names) = instances(cx, query)? else { return Ok(Finding::NO) };
    let records: Vec<Record> = match types.split(',').any(|one| one == "ANY") {
        true => ANY.to_vec(),
        false => types.split(',').filter_map(Record::named).collect(),
    };
    let subtest = (!subtest.is_empty()).then(|| Subtest::of_askdns(subtest));
    let mut questions: BTreeSet<Question> = BTreeSet::new();
    for name in names.iter().filter(|name| tld::is_fqdn_valid(name.as_bytes())) {
        for record in &records {
            if questions.len() < QUESTIONS {
                questions.extend(dns::question(cx, name.as_bytes(), *record));
            }
        }
    }
    let mut notes = Vec::new();
    let mut hit = false;
    for (question, answer) in dns::answers(cx, questions)? {
        let Question::Dns { name, record } = &question else { continue };
        let mut tell = |data: &str| {
            hit = true;
            notes.push(format!("{name} {record}:{data}"));
        };
        match &subtest {
            Some(Subtest::Codes(codes)) => {
                if dns::code_of(answer).is_some_and(|code| codes.contains(&code)) {
                    tell(answer.records().first().map_or("", String::as_str));
                }
            }
            Some(subtest) => answer.records().iter().filter(|data| subtest.matches(data)).for_each(|data| tell(data)),
            None => answer.records().iter().for_each(|data| tell(data)),
        }
    }
    Ok(if hit { Finding { notes, ..Finding::hit() } } else { Finding::NO })
}

/// The query with every value of every tag in it; `None` where a tag has no value.
fn instances(cx: &Context<'_>, query: &str) -> Result<Option<Vec<String>>, Pending> {
    let mut names = vec![query.to_owned()];
    for tag in tags_in(query) {
        let values = tag_values(cx, &tag)?;
        let values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
        if values.is_empty() {
            return Ok(None);
        }
        let written = format!("_{tag}_");
        names = names.iter().flat_map(|name| values.iter().map(|value| name.replace(&written, value))).collect();
        cx.limit("names of an askdns rule", names.len(), QUESTIONS);
        names.truncate(QUESTIONS);
    }
    Ok(Some(names))
}

/// `_AUTHORDOMAIN_`, `_HEADER(X-Y:addr)_`: without the underscores.
fn tags_in(query: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let bytes = query.as_bytes();
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(|b| *b == b'_').map(|n| at + n) {
        let word = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
        let mut end = start + 1 + bytes[start + 1..].iter().take_while(|b| word(b)).count();
        if bytes.get(end) == Some(&b'(') {
            end = bytes[end..].iter().position(|b| *b == b')').map_or(end, |n| end + n + 1);
            end += usize::from(bytes.get(end) == Some(&b'_'));
        }
        let inner = query.get(start + 1..end.saturating_sub(1)).unwrap_or("");
        if bytes.get(end - 1) == Some(&b'_') && inner.starts_with(|c: char| c.is_ascii_uppercase()) {
            if !tags.iter().any(|known| known == inner) {
                tags.push(inner.to_owned());
            }
            at = end;
        } else {
            at = start + 1;
        }
    }
    tags
}

/// What a tag stands for now; [`Pending`] while some check may still set it.
pub fn tag_values(cx: &Context<'_>, tag: &str) -> Result<Vec<String>, Pending> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let relays = cx.views.relays();
    let of = |relay: Option<&Relay>, what: fn(&Relay) -> String| relay.map(what).into_iter().collect::<Vec<_>>();
    let reversed = |relay: &Relay| relay.ip.map(dns::reversed).unwrap_or_default();
    let mut values = match tag {
        "SENDERDOMAIN" => {
            values::all(cx, "EnvelopeFrom:first:addr:host").iter().take(1).map(|host| text(host)).collect()
        }
        "AUTHORDOMAIN" => values::all(cx, "From:addr:host").iter().map(|host| text(host)).collect(),
        "LASTEXTERNALIP" => of(relays.external.first(), |relay| String::from_utf8_lossy(&relay.ip_text).into_owned()),
        "LASTEXTERNALREVIP" => of(relays.external.first(), reversed),
        "LASTEXTERNALRDNS" => of(relays.external.first(), |relay| String::from_utf8_lossy(&relay.rdns).into_owned()),
        "LASTEXTERNALHELO" => of(relays.external.first(), |relay| String::from_utf8_lossy(&relay.helo).into_owned()),
        "FIRSTTRUSTEDIP" => of(relays.trusted.last(), |relay| String::from_utf8_lossy(&relay.ip_text).into_owned()),
        "FIRSTTRUSTEDREVIP" => of(relays.trusted.last(), reversed),
        "URIHOSTS" => uridnsbl::hosts(cx).0.iter().map(|(host, _)| text(host)).collect(),
        "URIDOMAINS" => uridnsbl::hosts(cx).0.iter().map(|(_, domain)| text(domain)).collect(),
        _ => match tag.strip_prefix("HEADER(").and_then(|rest| rest.strip_suffix(')')) {
            Some(request) => values::all(cx, request).iter().map(|value| text(value)).collect(),
            None => match cx.tags.iter().find(|(name, _)| name == tag) {
                Some((_, values)) => values.iter().map(|value| text(value)).collect(),
                None if cx.settled => Vec::new(),
                None => return Err(Pending),
            },
        },
    };
    let mut seen = BTreeSet::new();
    values.retain(|value: &String| seen.insert(value.clone()));
    Ok(values)
}

/// `check_asn('^AS64500$', 'ASN')`.
pub fn check_asn(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [pattern, rest @ ..] = args else { return Ok(Finding::NO) };
    let tag = rest.first().map_or("ASN", String::as_str);
    let value = tag_values(cx, tag)?.join(" ");
    if value.is_empty() || argument_pattern::is_match_delimited(pattern, value.as_bytes()) != Some(true) {
        return Ok(Finding::NO);
    }
    Ok(Finding { notes: vec![format!("{tag}: {value}")], ..Finding::hit() })
}

/// Asks the zones of `asn_lookup` about the first relay outside and sets their tags. No rule's own: tags are wanted by
/// templates and other rules.
pub fn asn_lookup(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let Some(relay) = cx.views.relays().external.first().filter(|relay| !relay.ip_private) else {
        return Ok(Finding::NO);
    };
    let Some(address) = dnsbl::address(&relay.ip_text) else { return Ok(Finding::NO) };
    if cx.settings.other("asn_use_dns").is_some_and(|value| !uridnsbl::is_true(value)) {
        return Ok(Finding::NO);
    }
    let preferred = cx.settings.other("asn_prefer_geodb").is_none_or(uridnsbl::is_true);
    if preferred && cx.tags.iter().any(|(tag, values)| tag == "ASN" && !values.is_empty()) {
        return Ok(Finding::NO);
    }
    let directive = if address.is_ipv4() { "asn_lookup" } else { "asn_lookup_ipv6" };
    let prefix = cx.settings.other("asn_prefix").unwrap_or("AS").trim_matches(['"', '\'']);
    let zones: Vec<(String, String, String)> = cx.settings.others(directive).filter_map(asn_zone).collect();
    let questions: Vec<Question> = zones
        .iter()
        .filter_map(|(zone, ..)| {
            dns::question(cx, format!("{}.{zone}", dns::reversed(address)).as_bytes(), Record::TXT)
        })
        .collect();
    let answers = dns::answers(cx, questions)?;
    let mut finding = Finding::NO;
    for ((_, asn_tag, route_tag), (_, answer)) in zones.iter().zip(&answers) {
        let Answer::Texts(texts) = answer else { continue };
        for strings in texts {
            let (numbers, routes) = read_asn(strings);
            let mut add = |tag: &String, value: String| match finding.values.iter_mut().find(|(name, _)| name == tag) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => finding.values.push((tag.clone(), vec![value])),
            };
            numbers.into_iter().for_each(|number| add(asn_tag, format!("{prefix}{number}")));
            routes.into_iter().for_each(|route| add(route_tag, route));
        }
    }
    Ok(finding)
}

/// `zone [_ASN_ _ASNCIDR_]`.
fn asn_zone(value: &str) -> Option<(String, String, String)> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let tag = |word: &str| word.strip_prefix('_').and_then(|word| word.strip_suffix('_')).map(str::to_owned);
    match words[..] {
        [zone] => Some((zone.trim_end_matches('.').to_owned(), "ASN".to_owned(), "ASNCIDR".to_owned())),
        [zone, asn, route] => Some((zone.trim_end_matches('.').to_owned(), tag(asn)?, tag(route)?)),
        _ => None,
    }
}

/// Numbers and routes of one TXT record, in any of the forms that publishers use: `"64500" "192.0.2.0" "24"`,
/// `"64500 | 192.0.2.0/24 | JP"`, `"192.0.2.0/24 | AS64500 | ..."`.
pub fn read_asn(strings: &[String]) -> (Vec<String>, Vec<String>) {
    let whole = strings.join(" ");
    let mut items: Vec<String> = match strings.len() > 1 && !whole.contains('|') {
        true => strings.to_vec(),
        false => whole.split('|').map(|item| item.trim().to_owned()).collect(),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if strings.len() > 1 && items.len() >= 3 && !items[1].contains('/') && digits(&items[2]) {
        items[1] = format!("{}/{}", items[1], items[2]);
    }
    let bare = |word: &str| match word.get(..2) {
        Some(start) if start.eq_ignore_ascii_case("AS") => word[2..].to_owned(),
        _ => word.to_owned(),
    };
    let is_numbers = |item: &String| {
        let mut words = item.split_whitespace().peekable();
        words.peek().is_some() && words.all(|word| digits(&bare(word)))
    };
    let (numbers, routes) = match (items.first(), items.get(1)) {
        (Some(first), second) if is_numbers(first) => (first.clone(), second.cloned().unwrap_or_default()),
        (Some(first), Some(second)) if is_numbers(second) => (second.clone(), first.clone()),
        _ => return (Vec::new(), Vec::new()),
    };
    let no_number = |number: &String| matches!(number.trim_start_matches('0'), "" | "4294967295");
    let whole_net = |route: &str| {
        route.rsplit_once('/').is_some_and(|(_, bits)| !bits.is_empty() && bits.bytes().all(|b| b == b'0'))
    };
    (
        numbers.split_whitespace().map(bare).filter(|number| !no_number(number)).collect(),
        routes.split_whitespace().filter(|route| !whole_net(route)).map(str::to_owned).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_a_query() {
        for (query, expected) in [
            ("_AUTHORDOMAIN_.list.example", vec!["AUTHORDOMAIN"]),
            ("_A_._B_._A_.x", vec!["A", "B"]),
            ("_HEADER(X-Y:addr)_.x", vec!["HEADER(X-Y:addr)"]),
            ("_dmarc.example.com", vec![]),
            ("plain.example.com", vec![]),
            ("_", vec![]),
            ("_X(", vec![]),
        ] {
            assert_eq!(tags_in(query), expected, "{query}");
        }
    }

    #[test]
    fn asn_records_of_all_publishers() {
        let read = |strings: &[&str]| read_asn(&strings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let one = |number: &str, route: &str| (vec![number.to_owned()], vec![route.to_owned()]);
        assert_eq!(read(&["64500", "192.0.2.0", "24"]), one("64500", "192.0.2.0/24"));
        assert_eq!(read(&["64500 | 192.0.2.0/24 | JP | apnic | 2010-01-01"]), one("64500", "192.0.2.0/24"));
        assert_eq!(read(&["192.0.2.0/24 | AS64500 | EXAMPLE"]), one("64500", "192.0.2.0/24"));
        assert_eq!(read(&["64500 64501 | 0.0.0.0/0"]), (vec!["64500".into(), "64501".into()], vec![]));
        assert_eq!(read(&["4294967295", "0.0.0.0", "0"]), (vec![], vec![]));
        assert_eq!(read(&["what is this"]), (vec![], vec![]));
        assert_eq!(read(&[]), (vec![], vec![]));
    }
}
