//! DMARC's aggregate reports (RFC 7489, RFC 9990): what is counted, what becomes of it at the end of a day.
//!
//! In: what SPF, DKIM and DMARC found about a message, and what was done with it. Out: a [`Row`] for the store, and from a
//! day's rows one report for each domain ([`xml`]), for those whom the domain names and who agree ([`destinations`]).
//! Only domains that ask for reports are counted.

pub mod send;
pub mod xml;

use crate::config::dkim::is_domain;
use crate::config::{Action, Config, Direction};
use crate::policy::Fate;
use crate::tags::tag;
use engine::{Answer, Record};
use mail::Authentication;
use mail::authentication::{Outcome, Policy};
use mail::tld::Registry;
use protocols::Scan;
use store::reports::{self, Row};
use store::{Store, Time};

/// Counts a message, if its author's domain asks for reports. `reason`: why the domain's wish was not followed.
pub fn collect(
    config: &Config,
    store: &Store,
    scan: &Scan,
    found: &Authentication,
    reason: Option<(&str, &str)>,
    fates: &[Fate],
    now: Time,
) -> store::Result<()> {
    let inbound = fates.iter().any(|fate| fate.direction == Direction::Inbound);
    if !config.reports.collect || !inbound {
        return Ok(());
    }
    let Some(row) = row(scan, found, reason, fates) else { return Ok(()) };
    store.reports().add(row, config.reports.keep.0, now).map(drop)
}

fn row(scan: &Scan, found: &Authentication, reason: Option<(&str, &str)>, fates: &[Fate]) -> Option<Row> {
    let dmarc = &found.dmarc;
    let published = dmarc.published.as_ref().filter(|published| !published.rua.is_empty())?;
    // DMARC says nothing about mail whose author it could not find out. The name becomes part of a file's.
    if !is_domain(&dmarc.policy_domain) || !matches!(dmarc.result, Outcome::Pass | Outcome::Fail) {
        return None;
    }
    let asked = dmarc.result == Outcome::Fail && dmarc.policy != Policy::None;
    let done = fates.iter().map(|fate| match fate.effective() {
        Action::Reject => "reject",
        Action::Quarantine | Action::Hold | Action::Discard => "quarantine",
        _ => "none",
    });
    let done = if asked {
        done.max_by_key(|done| ["none", "quarantine", "reject"].iter().position(|x| x == done))
    } else {
        None
    };
    let disposition = done.unwrap_or("none");
    let reasons = match asked && disposition != dmarc.policy.name() {
        true => {
            let (kind, comment) = reason.unwrap_or(("local_policy", ""));
            vec![(kind.to_owned(), comment.to_owned())]
        }
        false => Vec::new(),
    };
    let domain_of = |address: &str| address.rsplit('@').next().unwrap_or_default().to_lowercase();
    let to = scan.recipients.first().map(|path| domain_of(&String::from_utf8_lossy(&path.address))).unwrap_or_default();
    let spf = |spf: &mail::authentication::Spf, scope: &str| reports::Spf {
        domain: spf.domain.clone(),
        scope: scope.to_owned(),
        result: spf.result.name().to_owned(),
    };
    let null = found.sender.as_deref().is_some_and(str::is_empty);
    Some(Row {
        domain: dmarc.policy_domain.clone(),
        record: published.record.clone(),
        source: found.client?.to_canonical().to_string(),
        disposition: disposition.to_owned(),
        dkim: dmarc.dkim_aligned.is_some(),
        spf: dmarc.spf_aligned,
        reasons,
        header_from: dmarc.domain.clone(),
        envelope_from: domain_of(found.sender.as_deref().unwrap_or_default()),
        envelope_to: to,
        dkim_results: found
            .dkim
            .iter()
            .map(|one| reports::Dkim {
                domain: one.domain.clone(),
                selector: one.selector.clone(),
                result: one.result.name().to_owned(),
            })
            .collect(),
        spf_results: found.spf.iter().map(|one| spf(one, if null { "helo" } else { "mfrom" })).collect(),
        ..Row::default()
    })
}

/// Where a report goes, and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub address: String,
    /// Bytes.
    pub limit: Option<u64>,
}

/// Of one domain.
const DESTINATIONS: usize = 10;

/// `rua=` as written; what is no mailto address is left out.
pub fn destinations(record: &str) -> Vec<Destination> {
    tag(record, "rua").map_or(Vec::new(), read_destinations)
}

fn read_destinations(list: &str) -> Vec<Destination> {
    let one = |uri: &str| {
        let uri = uri.trim();
        let (scheme, rest) = uri.split_once(':')?;
        if !scheme.eq_ignore_ascii_case("mailto") {
            return None;
        }
        let (address, limit) = rest.split_once('!').map_or((rest, None), |(address, limit)| (address, Some(limit)));
        let address = unescaped(address.split('?').next()?)?;
        let (local, domain) = address.rsplit_once('@')?;
        let plain = |c: char| c.is_ascii_graphic() && !"<>,;\"()\\".contains(c);
        (!local.is_empty() && !local.starts_with('-') && local.chars().all(plain) && is_domain(domain))
            .then(|| Destination { address: address.clone(), limit: limit.and_then(size) })
    };
    list.split(',').filter_map(one).take(DESTINATIONS).collect()
}

/// `10m`, `500k`.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// `%21` and the like, as URIs have them.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether reports of this domain may go to that address, by what its own domain says (RFC 7489, 7.1), and where it wants
/// them instead.
pub fn agreed(
    domain: &str,
    to: &Destination,
    registry: &Registry,
    ask: &mut dyn FnMut(&str, Record) -> Answer,
) -> Result<Vec<Destination>, String> {
    let there = to.address.rsplit('@').next().unwrap_or_default().to_lowercase();
    let organisation = |name: &str| registry.organisation(name.to_lowercase().as_bytes()).to_vec();
    if organisation(&there) == organisation(domain) {
        return Ok(vec![to.clone()]);
    }
    let name = format!("{domain}._report._dmarc.{there}").to_lowercase();
    let records = match ask(&name, Record::TXT) {
        answer @ (Answer::Texts(_) | Answer::Records(_)) => answer.records(),
        Answer::NoSuchName => Vec::new(),
        _ => return Err(format!("{name}: DNS gives no answer")),
    };
    let mut records = records.iter().filter(|record| tag(record, "v") == Some("DMARC1"));
    let Some(record) = records.next() else {
        return Err(format!("{there} does not say that it wants reports of {domain} ({name})"));
    };
    // It may name another address, of its own.
    let own: Vec<Destination> = destinations(record)
        .into_iter()
        .filter(|other| other.address.to_lowercase().ends_with(&format!("@{there}")))
        .collect();
    Ok(if own.is_empty() { vec![to.clone()] } else { own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_as_written() {
        let of = |rua: &str| {
            let found = destinations(&format!("v=DMARC1; p=none; rua={rua}; fo=1"));
            found.into_iter().map(|to| (to.address, to.limit)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("mailto:a@b.example!10m , MAILTO:c%21d@e.example"),
            [("a@b.example".to_owned(), Some(10 << 20)), ("c!d@e.example".to_owned(), None)]
        );
        for not in [
            "https://x.example/",
            "mailto:",
            "mailto:a",
            "mailto:-f@b.example",
            "mailto:a b@c.example",
            "mailto:a%0d%0ab@c.example",
        ] {
            assert_eq!(of(not), [], "{not}");
        }
        assert_eq!(of(&"mailto:a@b.example,".repeat(50)).len(), 10);
    }

    #[test]
    fn others_are_asked_first() {
        let to = |address: &str| Destination { address: address.into(), limit: None };
        let mut asked = Vec::new();
        let mut ask = |name: &str, _| {
            asked.push(name.to_owned());
            match name {
                "a.example.com._report._dmarc.yes.example.net" => Answer::Texts(vec![vec!["v=DMARC1".into()]]),
                "a.example.com._report._dmarc.else.example.net" => {
                    Answer::Texts(vec![vec!["v=DMARC1; rua=mailto:x@else.example.net,mailto:x@y.example".into()]])
                }
                _ => Answer::NoSuchName,
            }
        };
        let registry = Registry::default();
        assert_eq!(agreed("a.example.com", &to("r@example.com"), &registry, &mut ask), Ok(vec![to("r@example.com")]));
        assert_eq!(
            agreed("a.example.com", &to("r@yes.example.net"), &registry, &mut ask),
            Ok(vec![to("r@yes.example.net")])
        );
        assert_eq!(
            agreed("a.example.com", &to("r@else.example.net"), &registry, &mut ask),
            Ok(vec![to("x@else.example.net")])
        );
        assert!(agreed("a.example.com", &to("r@no.example.org"), &registry, &mut ask).is_err());
        assert_eq!(asked.len(), 3, "the own organisation is not asked");
    }
}
