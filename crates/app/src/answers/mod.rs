//! Who answers the questions that checks have: DNS, what is only pretended, what was recorded.
//!
//! In: the open questions of one message, all at once, as `engine` hands them over. Out: answers, none of them later than
//! the message's deadline. What was not answered becomes trouble and a hit that say so, worked out from the answers
//! alone, so that a replay says the same.

pub mod auth;
pub mod digests;
pub mod dns;
mod fake;
mod razor;
pub mod record;
pub mod reputation;

use crate::config::dns::Ask;
use dns::Resolver;
use engine::{Answer, Answers, Question, Sender};
use mail::views::Views;
use mail::{Envelope, Hit, Trouble, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Answers one message's questions.
pub struct Desk<'a> {
    resolver: Option<&'a Resolver>,
    settings: &'a rules::Settings,
    /// From the first question on.
    deadline: Option<Instant>,
    /// Asked so far, and for authentication's own sake.
    asked: usize,
    asked_own: usize,
    /// Nothing was left out of the message.
    whole: bool,
    /// Networks of digests, and the message that they are asked about.
    digests: Option<(&'a crate::config::digests::Digests, &'a [u8])>,
    /// What the SMTP session said, where there was one.
    envelope: Option<&'a Envelope>,
    /// Runs what waits: whoever has a place among those that judge gives it away meanwhile.
    wait: &'a dyn Fn(&mut dyn FnMut()),
}

impl<'a> Desk<'a> {
    pub fn new(
        resolver: Option<&'a Resolver>,
        settings: &'a rules::Settings,
        wait: &'a dyn Fn(&mut dyn FnMut()),
    ) -> Desk<'a> {
        Desk {
            resolver,
            settings,
            deadline: None,
            asked: 0,
            asked_own: 0,
            whole: true,
            digests: None,
            envelope: None,
            wait,
        }
    }

    /// Networks of digests are asked too.
    pub fn with_digests(self, config: &'a crate::config::digests::Digests, message: &'a [u8]) -> Desk<'a> {
        Desk { digests: Some((config, message)), ..self }
    }

    /// A client that we spoke with ourselves is taken at its own word, not at that of a Received field.
    pub fn spoke(&mut self, envelope: &'a Envelope) {
        self.envelope = Some(envelope);
    }

    /// Something was left out of the message: what hangs on all of it cannot be found out.
    pub fn not_whole(&mut self) {
        self.whole = false;
    }

    fn sender(&self, said: &Sender) -> Sender {
        let mut sender = said.clone();
        let with = self.envelope.filter(|envelope| {
            envelope.client_address.is_some() && envelope.client_address.map(canonical) == said.client.map(canonical)
        });
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).trim().to_owned();
        if let Some(envelope) = with {
            sender.sender = envelope.sender.as_ref().map(|sender| text(sender).to_lowercase()).or(sender.sender);
            sender.helo = envelope.helo.as_ref().map(text).filter(|helo| !helo.is_empty()).unwrap_or(sender.helo);
        }
        sender
    }

    /// Answers what is DNS's to answer, and waits for it; `other` answers the rest.
    pub fn answer(
        &mut self,
        questions: Vec<Question>,
        views: &Views<'_>,
        now: i64,
        answers: &mut Answers,
        mut other: impl FnMut(&Question) -> Answer,
    ) {
        let mut open = Vec::new();
        let mut networks = Vec::new();
        let mut sender = None;
        for question in questions {
            match question {
                Question::Dns { .. } => open.push(question),
                Question::Authentication(of) => sender = Some(of),
                Question::Digest(network) => {
                    let prepared =
                        self.resolver.filter(|resolver| resolver.settings().ask == Ask::Yes).and(self.digests);
                    let prepared = prepared.and_then(|(config, message)| {
                        digests::prepare(&network, config, self.settings, message, digests::Deed::Check)
                    });
                    match prepared {
                        Some(prepared) => networks.push((Question::Digest(network), prepared)),
                        None => answers.insert(Question::Digest(network), Answer::NotAsked),
                    }
                }
                _ => {
                    let answer = other(&question);
                    answers.insert(question, answer);
                }
            }
        }
        match sender {
            Some(of) if self.resolver.is_some() => {
                let (sender, whole) = (self.sender(&of), self.whole);
                let (found, _) = auth::verify(&sender, views, whole, now, answers, &mut |mut wanted, answers| {
                    // What other checks wait for goes with the first.
                    wanted.more.append(&mut open);
                    self.ask_all(wanted, std::mem::take(&mut networks), answers);
                });
                answers.insert(Question::Authentication(of), Answer::Authentication(found.into()));
            }
            Some(of) => answers.insert(Question::Authentication(of), Answer::NotAsked),
            None => {}
        }
        self.ask_all(auth::Wanted { own: Vec::new(), more: open }, networks, answers);
    }

    /// Asks DNS for authentication, within the message's limits.
    pub fn ask(&mut self, wanted: auth::Wanted, answers: &mut Answers) {
        self.ask_all(wanted, Vec::new(), answers);
    }

    fn ask_all(&mut self, wanted: auth::Wanted, networks: Vec<(Question, digests::Prepared)>, answers: &mut Answers) {
        let auth::Wanted { mut own, more: mut open } = wanted;
        own.retain(|question| answers.get(question).is_none());
        open.retain(|question| answers.get(question).is_none() && !own.contains(question));
        open.sort();
        open.dedup();
        let Some(resolver) = self.resolver else {
            own.into_iter().chain(open).for_each(|question| answers.insert(question, Answer::NotAsked));
            return;
        };
        let room = resolver.settings().questions.saturating_sub(self.asked);
        let surplus = open.split_off(open.len().min(room));
        self.asked += open.len();
        let room = auth::QUESTIONS.saturating_sub(self.asked_own);
        let surplus = surplus.into_iter().chain(own.split_off(own.len().min(room)));
        surplus.for_each(|question| answers.insert(question, Answer::NotAsked));
        self.asked_own += own.len();
        open.append(&mut own);
        if open.is_empty() && networks.is_empty() {
            return;
        }
        let now = Instant::now();
        let by_rules = Duration::try_from_secs_f64(self.settings.rbl_timeout.timeout).unwrap_or(Duration::MAX);
        let limit = resolver.settings().deadline.0.min(by_rules);
        let deadline = *self.deadline.get_or_insert(now + limit);
        let timed: Vec<(Question, Instant)> = open
            .into_iter()
            .map(|question| {
                let own = zone_timeout(self.settings, &question).map_or(deadline, |own| deadline.min(now + own));
                (question, own)
            })
            .collect();
        let mut asked = Some((timed, networks));
        let mut found = Vec::new();
        (self.wait)(&mut || {
            let (timed, networks) = asked.take().unwrap_or_default();
            found = resolver.ask_all(timed, networks, deadline);
        });
        found.into_iter().for_each(|(question, answer)| answers.insert(question, answer));
    }
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// `rbl_timeout 5 zone`: the closest that was named.
fn zone_timeout(settings: &rules::Settings, question: &Question) -> Option<Duration> {
    let Question::Dns { name, .. } = question else { return None };
    if settings.rbl_timeout_by_zone.is_empty() {
        return None;
    }
    let mut rest = Some(name.as_str());
    while let Some(zone) = rest {
        if let Some(found) = settings.rbl_timeout_by_zone.get(zone) {
            return Duration::try_from_secs_f64(found.timeout).ok();
        }
        rest = zone.split_once('.').map(|(_, above)| above);
    }
    None
}

/// What a question without answer counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Points {
    pub dns: f64,
    pub digests: f64,
}

impl Points {
    pub fn of(config: &crate::config::Config) -> Points {
        Points { dns: config.dns.unanswered, digests: config.digests.unanswered }
    }
}

/// What went wrong with the answers, as troubles and hits of the verdict.
pub fn tell(answers: &Answers, points: Points, verdict: &mut Verdict) {
    for (hit, trouble) in findings(answers, points) {
        verdict.troubles.push(Trouble { rule: hit.rule.clone(), what: trouble });
        verdict.add(hit);
    }
}

/// After a hit of a `dns_block_rule` its lists are left alone for a while.
pub fn leave_alone(resolver: &Resolver, settings: &rules::Settings, verdict: &Verdict) {
    if settings.dns_block_rules.is_empty() {
        return;
    }
    let seconds = settings.other("dns_block_time").and_then(|time| time.trim().parse().ok()).unwrap_or(300);
    for hit in &verdict.hits {
        if let Some(zones) = settings.dns_block_rules.get(&hit.rule) {
            resolver.block(zones.iter(), Duration::from_secs(seconds));
        }
    }
}

/// The same without the hits: where a report has to look as another program's.
pub fn troubles(answers: &Answers) -> impl Iterator<Item = String> {
    findings(answers, Points::default()).into_iter().map(|(_, trouble)| trouble)
}

fn findings(answers: &Answers, points: Points) -> Vec<(Hit, String)> {
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let mut not_asked: BTreeSet<&str> = BTreeSet::new();
    let mut refusing: BTreeMap<&str, &str> = BTreeMap::new();
    let mut limits: Vec<&str> = Vec::new();
    let mut asked = 0;
    let mut silent: BTreeSet<&str> = BTreeSet::new();
    let mut beyond: BTreeSet<String> = BTreeSet::new();
    for (question, answer) in answers.iter() {
        if let (Question::Digest(network), Answer::Unknown) = (question, answer) {
            silent.insert(network.title());
        }
        if let Answer::Authentication(found) = answer {
            limits.extend(found.limits.iter().map(String::as_str));
        }
        if let (Question::Beyond { name, record }, Answer::Figures(figures)) = (question, answer) {
            beyond.insert(dns::beyond_in_words(name, *record, figures));
        }
        let Question::Dns { name, .. } = question else { continue };
        asked += 1;
        match answer {
            Answer::Unknown => drop(unknown.insert(name)),
            Answer::NotAsked => drop(not_asked.insert(name)),
            Answer::Records(records) => {
                if let Some(code) = records.iter().find(|record| is_refusal(record)) {
                    refusing.insert(zone_of(name), code);
                }
            }
            _ => {}
        }
    }
    let mut findings = Vec::new();
    if !unknown.is_empty() {
        let what = format!("DNS: {} of {asked} questions were not answered in time: {}", unknown.len(), some(&unknown));
        findings.push((Hit::new("DNS_UNANSWERED", points.dns, "Questions to DNS were not answered in time"), what));
    }
    if !not_asked.is_empty() {
        let what =
            format!("DNS: {} questions were not asked (limit, or left alone): {}", not_asked.len(), some(&not_asked));
        findings.push((Hit::new("DNS_NOT_ASKED", 0.0, "More questions to DNS than a message may have"), what));
    }
    if !beyond.is_empty() {
        let what = format!("DNS: {}", some(&beyond.iter().map(String::as_str).collect()));
        findings.push((Hit::new("DNS_LIMIT", 0.0, "More of an answer of DNS than is looked at"), what));
    }
    if !limits.is_empty() {
        let what = format!("authentication: {}", limits.join("; "));
        findings
            .push((Hit::new("AUTHENTICATION_LIMIT", 0.0, "More signatures, authors or text than are looked at"), what));
    }
    for (zone, code) in refusing {
        let what = format!(
            "DNS: {zone} does not serve this resolver ({code}): use a resolver of your own, or a key from the list"
        );
        findings.push((Hit::new("DNS_LIST_REFUSES", 0.0, "A list of the DNS does not serve our resolver"), what));
    }
    if !silent.is_empty() {
        let what = format!("digests: no usable answer in time from {}", some(&silent));
        findings.push((
            Hit::new("DIGEST_UNANSWERED", points.digests, "A network of digests gave no usable answer in time"),
            what,
        ));
    }
    findings
}

/// By agreement lists answer 127.255.255.x where they mean "not you".
fn is_refusal(record: &str) -> bool {
    record.strip_prefix("127.255.255.").and_then(|last| last.parse::<u8>().ok()).is_some_and(|last| last >= 252)
}

/// Without the address or the name that was asked about: the labels that look like a list's own.
fn zone_of(name: &str) -> &str {
    let dots: Vec<usize> = name.bytes().enumerate().filter(|(_, b)| *b == b'.').map(|(at, _)| at).collect();
    let first = |labels: usize, fits: fn(&str) -> bool| {
        let end = *dots.get(labels - 1)?;
        name[..end].split('.').all(fits).then(|| &name[end + 1..])
    };
    let number = |label: &str| label.parse::<u8>().is_ok();
    let nibble = |label: &str| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit());
    let of_address = first(4, number).or_else(|| first(32, nibble));
    match dots.len() {
        _ if of_address.is_some() => of_address.unwrap_or(name),
        0..=2 => name,
        n => &name[dots[n - 3] + 1..],
    }
}

fn some(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 3;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Record;

    #[test]
    fn what_went_wrong_is_told() {
        let mut answers = Answers::default();
        let mut add =
            |name: &str, answer| answers.insert(Question::Dns { name: name.into(), record: Record::A }, answer);
        add("ok.example", Answer::Records(vec!["127.0.0.2".into()]));
        add("2.2.0.192.zen.example.org", Answer::Records(vec!["127.255.255.254".into()]));
        add("slow.example", Answer::Unknown);
        add("late.example", Answer::NotAsked);
        add("none.example", Answer::NoSuchName);
        let mut verdict = Verdict::default();
        tell(&answers, Points { dns: 0.5, digests: 0.0 }, &mut verdict);
        let rules: Vec<&str> = verdict.hits.iter().map(|hit| hit.rule.as_str()).collect();
        assert_eq!(rules, ["DNS_UNANSWERED", "DNS_NOT_ASKED", "DNS_LIST_REFUSES"]);
        assert_eq!(verdict.score, 0.5);
        let said: Vec<&str> = verdict.troubles.iter().map(|trouble| trouble.what.as_str()).collect();
        assert!(said[0].contains("1 of 5") && said[0].contains("slow.example"), "{said:?}");
        assert!(said[2].contains("zen.example.org does not serve"), "{said:?}");
    }

    #[test]
    fn the_lists_own_part_of_a_name() {
        for (name, zone) in [
            ("2.2.0.192.zen.example.org", "zen.example.org"),
            ("spam.example.dbl.list.org", "dbl.list.org"),
            ("dbl.list.org", "dbl.list.org"),
            ("2.2.0.192.b.list.org", "b.list.org"),
            ("x", "x"),
        ] {
            assert_eq!(zone_of(name), zone, "{name}");
        }
    }

    #[test]
    fn authentication_has_room_of_its_own() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = [("s._domainkey.a.example".to_owned(), vec!["TXT v=DKIM1; p=".to_owned()])].into();
        let config = crate::config::dns::Dns { ask: Ask::Fake, questions: 2, fake, ..Default::default() };
        let settings = rules::Settings::default();
        let resolver = Resolver::new(&config, &settings, runtime.handle()).unwrap().unwrap();
        let mut desk = Desk::new(Some(&resolver), &settings, &|ask| ask());
        let dns = |name: String| Question::Dns { name, record: Record::TXT };
        let mut answers = Answers::default();
        let more = (1..=3).map(|number| dns(format!("{number}.list.example"))).collect();
        let key = dns("s._domainkey.a.example".to_owned());
        desk.ask(auth::Wanted { own: vec![key.clone()], more }, &mut answers);
        assert!(matches!(answers.get(&key), Some(Answer::Texts(_))));
        let not_asked = answers.iter().filter(|(_, answer)| **answer == Answer::NotAsked).count();
        assert_eq!((not_asked, answers.iter().count()), (1, 4));
        // It has an end too.
        let own = (0..500).map(|number| dns(format!("{number}.spf.example"))).collect();
        desk.ask(auth::Wanted { own, more: Vec::new() }, &mut answers);
        let not_asked = answers.iter().filter(|(_, answer)| **answer == Answer::NotAsked).count();
        assert_eq!(not_asked, 1 + 500 + 1 - auth::QUESTIONS);
    }
}
