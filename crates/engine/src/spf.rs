//! SPF (RFC 7208): may this client send for this domain?
//!
//! In: a client, a domain, a sender, and the answers of DNS known so far. Out: the result with the mechanism that decided
//! and, for people, every step; or [`Pending`], and the next question is noted. Our own rather than mail-auth's: that one
//! takes the first of several records, knows no limit for empty answers, believes any name of a PTR record, and does not
//! tell what matched.
//!
//! SpamAssassin admits twenty terms that ask DNS where the standard admits ten. Both results are worked out in one walk:
//! the eleventh term settles the standard's.

mod macros;
mod record;

use crate::answers::{Answer, Asking, Question, Record as Kind, is_name};
use crate::check::Pending;
use crate::checks::dns::reversed;
use macros::{Spec, Values};
use mail::authentication::Outcome;
use mail::tld;
use record::{Directive, Lengths, Mechanism, Qualifier, Record};
use std::net::IpAddr;

/// Whom and what SPF is about.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub client: IpAddr,
    /// Whose record counts.
    pub domain: &'a str,
    /// With a local part, `postmaster@` where there is none.
    pub sender: &'a str,
    pub helo: &'a str,
    /// Our own name, for explanations.
    pub receiver: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub result: Outcome,
    /// With SpamAssassin's limit.
    pub tolerant: Outcome,
    pub why: String,
    pub explanation: Option<String>,
    pub steps: Vec<Step>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How many records lie around this one.
    pub depth: usize,
    pub domain: String,
    /// The record, or a term of it.
    pub text: String,
    pub outcome: String,
}

/// Terms that ask DNS: the standard's limit, and SpamAssassin's.
const TERMS: u32 = 10;
const TERMS_TOLERATED: u32 = 20;
/// Terms of one evaluation whose own question finds no records.
const VOID: u32 = 2;
/// Names of MX or PTR records that are looked up.
const NAMES: usize = 10;
/// Bytes of an explanation.
const LONGEST_EXPLANATION: usize = 500;

/// Why an evaluation ends before its end.
enum Stop {
    Pending,
    Temporary(String),
    Permanent(String),
}

impl From<Pending> for Stop {
    fn from(_: Pending) -> Stop {
        Stop::Pending
    }
}

struct Walk<'a, 'k> {
    request: &'a Request<'a>,
    asking: &'a Asking<'k>,
    terms: u32,
    void: u32,
    /// The client's validated names, once they were wanted.
    names: Option<Vec<String>>,
    steps: Vec<Step>,
}

/// What a domain's record came to.
struct Came {
    result: Outcome,
    why: String,
    explanation: Option<(Spec, String)>,
}

/// Evaluates, as far as answers allow.
pub fn check(request: &Request<'_>, asking: &Asking<'_>) -> Result<Finding, Pending> {
    // An IPv4 client stays one, however its address is written.
    let request = &Request { client: request.client.to_canonical(), ..request.clone() };
    let mut walk = Walk { request, asking, terms: 0, void: 0, names: None, steps: Vec::new() };
    let (tolerant, why, explanation) = match walk.check_host(request.domain, 0) {
        Ok(came) => {
            let explanation = match came.explanation {
                Some((spec, domain)) if came.result == Outcome::Fail => walk.explain(&spec, &domain)?,
                _ => None,
            };
            (came.result, came.why, explanation)
        }
        Err(Stop::Pending) => return Err(Pending),
        Err(Stop::Temporary(why)) => (Outcome::TempError, why, None),
        Err(Stop::Permanent(why)) => (Outcome::PermError, why, None),
    };
    let (result, why) = match walk.terms > TERMS {
        true => (Outcome::PermError, format!("more than {TERMS} terms that ask DNS")),
        false => (tolerant, why),
    };
    Ok(Finding { result, tolerant, why, explanation, steps: walk.steps })
}

impl Walk<'_, '_> {
    fn check_host(&mut self, domain: &str, depth: usize) -> Result<Came, Stop> {
        let none = |why: String| Came { result: Outcome::None, why, explanation: None };
        if !is_name(domain) || !domain.contains('.') {
            return Ok(none(format!("{domain:?} is no domain")));
        }
        let texts = match self.ask(domain, Kind::TXT)? {
            Answer::Texts(texts) => texts.iter().map(|strings| strings.concat()).collect(),
            Answer::NoSuchName => Vec::new(),
            answer if is_temporary(answer) => return Err(unanswered(domain, Kind::TXT)),
            answer => answer.records(),
        };
        let records: Vec<&String> = texts.iter().filter(|text| record::is_record(text)).collect();
        let text = match records[..] {
            [] => {
                self.step(depth, domain, "", "no SPF record");
                return Ok(none(format!("{domain} has no SPF record")));
            }
            [one] => one,
            _ => return Err(Stop::Permanent(format!("{domain} has {} SPF records", records.len()))),
        };
        self.step(depth, domain, text, "");
        let record = record::parse(text).map_err(|term| Stop::Permanent(format!("{domain}: {term:?} is no term")))?;
        self.evaluate(&record, domain, depth)
    }

    fn evaluate(&mut self, record: &Record, domain: &str, depth: usize) -> Result<Came, Stop> {
        for directive in &record.directives {
            let matched = match self.matches(directive, domain, depth) {
                Ok(matched) => matched,
                Err(stop) => {
                    if let Stop::Temporary(why) | Stop::Permanent(why) = &stop {
                        self.step(depth, domain, &directive.text, why);
                    }
                    return Err(stop);
                }
            };
            self.step(depth, domain, &directive.text, if matched { "matches" } else { "does not match" });
            if matched {
                let result = match directive.qualifier {
                    Qualifier::Pass => Outcome::Pass,
                    Qualifier::Fail => Outcome::Fail,
                    Qualifier::SoftFail => Outcome::SoftFail,
                    Qualifier::Neutral => Outcome::Neutral,
                };
                let why = format!("{domain}: {} matches", directive.text);
                let explanation = record.exp.clone().map(|exp| (exp, domain.to_owned()));
                return Ok(Came { result, why, explanation });
            }
        }
        let Some(redirect) = &record.redirect else {
            return Ok(Came { result: Outcome::Neutral, why: format!("{domain}: no term matches"), explanation: None });
        };
        self.count()?;
        let target = self.target(redirect, domain)?;
        self.step(depth, domain, &format!("redirect={target}"), "");
        let came = self.check_host(&target, depth)?;
        match came.result {
            Outcome::None => Err(Stop::Permanent(format!("{domain}: redirect to {target}, {}", came.why))),
            _ => Ok(came),
        }
    }

    fn matches(&mut self, directive: &Directive, domain: &str, depth: usize) -> Result<bool, Stop> {
        let client = self.request.client;
        Ok(match &directive.mechanism {
            Mechanism::All => true,
            Mechanism::Ip4(address, length) => within(client, IpAddr::V4(*address), *length),
            Mechanism::Ip6(address, length) => within(client, IpAddr::V6(*address), *length),
            Mechanism::Include(spec) => {
                self.count()?;
                let target = self.target(spec, domain)?;
                let came = self.check_host(&target, depth + 1)?;
                match came.result {
                    Outcome::Pass => true,
                    Outcome::Fail | Outcome::SoftFail | Outcome::Neutral => false,
                    _ => return Err(Stop::Permanent(format!("include of {target}: {}", came.why))),
                }
            }
            Mechanism::A(spec, lengths) => {
                self.count()?;
                let target = self.target_or(spec, domain)?;
                self.has_address(&target, *lengths)?
            }
            Mechanism::Mx(spec, lengths) => {
                self.count()?;
                let target = self.target_or(spec, domain)?;
                let records = self.records(&target, Kind::MX)?;
                let names: Vec<&str> = records.iter().filter_map(|data| data.split_whitespace().nth(1)).collect();
                if names.len() > NAMES {
                    return Err(Stop::Permanent(format!("{target} has more than {NAMES} mail servers")));
                }
                let names = names.into_iter().map(|name| name.trim_end_matches('.')).filter(|name| !name.is_empty());
                self.one_has_address(&names.collect::<Vec<_>>(), *lengths)?
            }
            Mechanism::Exists(spec) => {
                self.count()?;
                let target = self.target(spec, domain)?;
                !self.records(&target, Kind::A)?.is_empty()
            }
            Mechanism::Ptr(spec) => {
                self.count()?;
                let target = self.target_or(spec, domain)?.to_ascii_lowercase();
                self.names()?.iter().any(|name| tld::is_or_is_below(name, &target))
            }
        })
    }

    /// One more term that asks DNS.
    fn count(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        match self.terms > TERMS_TOLERATED {
            true => Err(Stop::Permanent(format!("more than {TERMS_TOLERATED} terms that ask DNS"))),
            false => Ok(()),
        }
    }

    fn step(&mut self, depth: usize, domain: &str, text: &str, outcome: &str) {
        self.steps.push(Step { depth, domain: domain.to_owned(), text: text.to_owned(), outcome: outcome.to_owned() });
    }

    fn target_or(&mut self, spec: &Option<Spec>, domain: &str) -> Result<String, Stop> {
        match spec {
            Some(spec) => self.target(spec, domain),
            None => Ok(domain.to_owned()),
        }
    }

    fn target(&mut self, spec: &Spec, domain: &str) -> Result<String, Stop> {
        Ok(spec.name(&self.values(spec, domain)?))
    }

    fn values<'v>(&'v mut self, spec: &Spec, domain: &'v str) -> Result<Values<'v>, Stop> {
        let name = match spec.wants_name() {
            true => self.name_for(domain)?,
            false => None,
        };
        let Request { client, sender, helo, receiver, now, .. } = *self.request;
        Ok(Values { sender, domain, client, helo, receiver, now, name })
    }

    /// What `%{p}` stands for: the domain itself, a name below it, any.
    fn name_for(&mut self, domain: &str) -> Result<Option<String>, Stop> {
        let names = self.names()?;
        let domain = domain.to_ascii_lowercase();
        let itself = names.iter().find(|name| **name == domain);
        let below = || names.iter().find(|name| tld::is_or_is_below(name, &domain));
        Ok(itself.or_else(below).or(names.first()).cloned())
    }

    /// The client's names that lead back to it. What cannot be found out is none.
    fn names(&mut self) -> Result<&[String], Stop> {
        if self.names.is_none() {
            let client = self.request.client;
            let zone = if client.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
            let answer = self.ask(&format!("{}.{zone}", reversed(client)), Kind::PTR)?.records();
            if answer.is_empty() {
                self.void_lookup()?;
            }
            if answer.len() > NAMES {
                let outcome = format!("{} names, of which the first {NAMES} are looked at", answer.len());
                self.step(0, &client.to_string(), "PTR", &outcome);
            }
            let mut names = Vec::new();
            let mut open = false;
            for name in answer.iter().take(NAMES) {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                match self.ask(&name, address_kind(client)) {
                    Ok(answer) if answer.records().iter().any(|data| data.parse() == Ok(client)) => names.push(name),
                    Ok(_) => {}
                    Err(_) => open = true,
                }
            }
            if open {
                return Err(Stop::Pending);
            }
            self.names = Some(names);
        }
        Ok(self.names.as_deref().unwrap_or_default())
    }

    fn has_address(&mut self, name: &str, lengths: Lengths) -> Result<bool, Stop> {
        let records = self.records(name, address_kind(self.request.client))?;
        Ok(self.are_near(&records, lengths))
    }

    /// Hosts of one term, all asked at once. That one of them has no address of the client's family does not count: the
    /// limit is on terms (RFC 7208, section 4.6.4), and hosts have one of their own.
    fn one_has_address(&mut self, names: &[&str], lengths: Lengths) -> Result<bool, Stop> {
        let kind = address_kind(self.request.client);
        let answers: Vec<_> = names.iter().map(|name| self.ask(name, kind)).collect();
        for (name, answer) in names.iter().zip(answers.into_iter().collect::<Result<Vec<_>, Pending>>()?) {
            if is_temporary(answer) {
                return Err(unanswered(name, kind));
            }
            if self.are_near(&answer.records(), lengths) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn are_near(&self, addresses: &[String], lengths: Lengths) -> bool {
        let client = self.request.client;
        let length = if client.is_ipv4() { lengths.v4 } else { lengths.v6 };
        addresses.iter().filter_map(|data| data.parse().ok()).any(|address| within(client, address, length))
    }

    /// The records for a term; that there are none counts.
    fn records(&mut self, name: &str, kind: Kind) -> Result<Vec<String>, Stop> {
        if !is_name(name) {
            return Ok(Vec::new());
        }
        let answer = self.ask(name, kind)?;
        if is_temporary(answer) {
            return Err(unanswered(name, kind));
        }
        let records = answer.records();
        if records.is_empty() {
            self.void_lookup()?;
        }
        Ok(records)
    }

    fn void_lookup(&mut self) -> Result<(), Stop> {
        self.void += 1;
        match self.void > VOID {
            true => Err(Stop::Permanent(format!("more than {VOID} names without records"))),
            false => Ok(()),
        }
    }

    /// What DNS cannot hold does not exist.
    fn ask(&self, name: &str, kind: Kind) -> Result<&Answer, Pending> {
        // Letters that pass for a dot become one.
        let name = tld::idn_to_ascii(name.as_bytes());
        let name = String::from_utf8_lossy(&name).trim_end_matches('.').to_ascii_lowercase();
        match is_name(&name) {
            true => self.asking.get(Question::Dns { name, record: kind }),
            false => Ok(&Answer::NoSuchName),
        }
    }

    /// Errors on the way to an explanation only mean that there is none.
    fn explain(&mut self, spec: &Spec, domain: &str) -> Result<Option<String>, Pending> {
        let target = match self.target(spec, domain) {
            Ok(target) if is_name(&target) => target,
            Err(Stop::Pending) => return Err(Pending),
            _ => return Ok(None),
        };
        let Answer::Texts(texts) = self.ask(&target, Kind::TXT)? else { return Ok(None) };
        let [strings] = &texts[..] else { return Ok(None) };
        let Some(spec) = Spec::explanation(&strings.concat()) else { return Ok(None) };
        match self.values(&spec, domain) {
            Ok(values) => {
                let mut text = spec.expand(&values);
                text.truncate(text.floor_char_boundary(LONGEST_EXPLANATION));
                Ok(Some(text))
            }
            Err(Stop::Pending) => Err(Pending),
            Err(_) => Ok(None),
        }
    }
}

fn unanswered(name: &str, kind: Kind) -> Stop {
    Stop::Temporary(format!("{name} {kind}: no answer"))
}

/// Neither records nor their certain absence.
fn is_temporary(answer: &Answer) -> bool {
    !matches!(answer, Answer::Records(_) | Answer::Texts(_) | Answer::NoSuchName)
}

fn address_kind(client: IpAddr) -> Kind {
    if client.is_ipv4() { Kind::A } else { Kind::AAAA }
}

fn within(client: IpAddr, network: IpAddr, length: u8) -> bool {
    let same = |difference: u128, width: u32| {
        let host = width.saturating_sub(u32::from(length));
        difference.checked_shr(host).unwrap_or(0) == 0
    };
    match (client, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(a.to_bits() ^ b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits() ^ b.to_bits(), 128),
        _ => false,
    }
}
