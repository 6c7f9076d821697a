//! The resolver: one for the whole program, with its cache, its limits and what it knows of its servers.
//!
//! In: names and record types with the time by which each must be answered. Out: an answer for each, in time. Servers
//! that do not answer are asked less by the library, which ranks them; where none of them answers for a while, all are
//! left alone for a moment and questions end at once, so that mail does not wait for nothing. Those that are asked over
//! TLS are in [`tls`].

mod records;
pub mod tls;

pub use records::{Found, beyond_in_words};

use super::digests::{Prepared, Resting};
use super::fake::Fake;
use crate::config::dns::{Ask, Dns, Server, server};
use anyhow::Context;
use engine::{Answer, Question, Record};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use records::of_records;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tls::{Connections, Tell};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ClientConfig;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    settings: Dns,
    /// As written in rules.
    by_rules: Vec<String>,
    /// Who is asked. None: those of the system.
    servers: Vec<Server>,
    /// Whose certificates are believed, and the text that it was read from. `None`: all servers are asked in plain text.
    trust: Option<(ClientConfig, Vec<u8>)>,
    handle: Handle,
    fake: Fake,
    /// `None`: nobody is asked.
    library: Option<Library>,
    at_once: Arc<Semaphore>,
    health: Mutex<Health>,
    /// Zones left alone for a while (`dns_block_rule`).
    blocked: Mutex<HashMap<String, Instant>>,
    counts: Counts,
    /// Servers of other networks that do not answer.
    resting: Resting,
    /// When it was last told that an answer was longer than is looked at.
    cut: Mutex<Option<Instant>>,
    tell: Tell,
}

type Library = hickory_resolver::Resolver<Connections>;

/// How questions ended, since the start.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    unanswered: AtomicU64,
}

/// Of all servers together.
#[derive(Debug, Default)]
struct Health {
    /// Questions without answer since the last answer.
    failures: u32,
    rests: Option<Instant>,
}

/// From so many questions without any answer all servers are left alone ...
const FAILURES: u32 = 30;
/// ... for so long, doubled each time ...
const REST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How often it is told that there was more.
const TELL_AGAIN: Duration = Duration::from_secs(600);
/// Zones left alone at the same time.
const BLOCKED: usize = 1000;

impl Health {
    /// Whether to ask now. The first after a rest tries alone.
    fn may_ask(&mut self, now: Instant) -> bool {
        match self.rests {
            Some(until) if now < until => false,
            Some(_) => {
                self.rests = Some(now + self.rest());
                true
            }
            None => true,
        }
    }

    fn rest(&self) -> Duration {
        let doubled = (self.failures / FAILURES).saturating_sub(1).min(10);
        REST.saturating_mul(1 << doubled).min(LONGEST_REST)
    }

    fn unanswered(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.rests = Some(now + self.rest());
        }
    }

    fn answered(&mut self) {
        *self = Health::default();
    }
}

impl Resolver {
    /// `rules`: for `dns_server` and `dns_options`. `None`: nothing is to be asked. What is noticed goes to standard error.
    pub fn new(settings: &Dns, rules: &rules::Settings, handle: &Handle) -> anyhow::Result<Option<Resolver>> {
        let tell: Tell = Arc::new(|text| eprintln!("sekisho: {text}"));
        Resolver::telling(settings, rules, handle, &tell)
    }

    pub fn telling(
        settings: &Dns,
        rules: &rules::Settings,
        handle: &Handle,
        tell: &Tell,
    ) -> anyhow::Result<Option<Resolver>> {
        if settings.ask == Ask::No {
            return Ok(None);
        }
        let trust = tls::trust(settings).context("dns")?;
        let by_rules: Vec<Server> = rules.dns_servers.iter().filter_map(|written| server(written).ok()).collect();
        let servers = match (&trust, by_rules.is_empty()) {
            (None, false) => by_rules,
            (Some(_), false) => {
                let named = rules.dns_servers.join(", ");
                tell(&format!(
                    "dns: dns_server {named} of the rule files is not heeded: it would be asked in plain text, and [dns]                      servers names servers over TLS; take dns_server out, or name the server in [dns] servers"
                ));
                settings.servers.clone()
            }
            (_, true) => settings.servers.clone(),
        };
        if let Some(plain) = servers.iter().find(|server| trust.is_some() && server.certificate.is_none()) {
            tell(&format!(
                "dns: {plain} is asked in plain text beside servers over TLS: any question may go to it; write tls://                  before it, or leave it out"
            ));
        }
        let library = match settings.ask {
            Ask::Yes => {
                let _inside = handle.enter();
                let trusted = trust.as_ref().map(|(config, _)| config);
                Some(library(settings, rules, &servers, trusted, tell).context("dns")?)
            }
            _ => None,
        };
        Ok(Some(Resolver(Arc::new(Inner {
            settings: settings.clone(),
            by_rules: rules.dns_servers.clone(),
            servers,
            trust,
            handle: handle.clone(),
            fake: Fake::new(&settings.fake),
            library,
            at_once: Arc::new(Semaphore::new(settings.at_once)),
            health: Mutex::default(),
            blocked: Mutex::default(),
            counts: Counts::default(),
            resting: Resting::default(),
            cut: Mutex::default(),
            tell: tell.clone(),
        }))))
    }

    /// Another one only where settings changed: a cache is worth keeping.
    pub fn renewed(
        old: Option<&Resolver>,
        settings: &Dns,
        rules: &rules::Settings,
        handle: &Handle,
        tell: &Tell,
    ) -> anyhow::Result<Option<Resolver>> {
        let same = |old: &&Resolver| {
            let text = |trust: &Option<(ClientConfig, Vec<u8>)>| trust.as_ref().map(|(_, text)| text.clone());
            old.0.settings == *settings
                && old.0.by_rules == rules.dns_servers
                && tls::trust(settings).is_ok_and(|trust| text(&trust) == text(&old.0.trust))
        };
        match old.filter(same) {
            Some(old) => Ok(Some(old.clone())),
            None => Resolver::telling(settings, rules, handle, tell),
        }
    }

    /// Each server over TLS, and how a handshake with it went: the version agreed on, or what is wrong.
    pub async fn shake_hands(&self) -> Vec<(String, Result<&'static str, String>)> {
        let Some((trust, _)) = self.0.trust.as_ref().filter(|_| self.0.settings.ask == Ask::Yes) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for server in self.0.servers.iter().filter(|server| server.certificate.is_some()) {
            found.push((server.to_string(), server.shake_hands(trust, self.0.settings.timeout.0).await));
        }
        found
    }

    pub fn settings(&self) -> &Dns {
        &self.0.settings
    }

    /// Answered, failed (the server said so), unanswered.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let counts = &self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("answered", of(&counts.answered)), ("failed", of(&counts.failed)), ("unanswered", of(&counts.unanswered))]
    }

    /// Leaves zones alone for a while.
    pub fn block<'z>(&self, zones: impl Iterator<Item = &'z String>, time: Duration) {
        let now = Instant::now();
        let mut blocked = self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        blocked.retain(|_, until| *until > now);
        for zone in zones {
            if blocked.len() < BLOCKED {
                blocked.entry(zone.clone()).or_insert(now + time);
            }
        }
    }

    fn is_blocked(&self, name: &str, now: Instant) -> bool {
        let blocked = self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let is = |zone: &str| blocked.get(zone).is_some_and(|until| *until > now);
        let parents = std::iter::successors(Some(name), |zone| zone.split_once('.').map(|(_, above)| above));
        !blocked.is_empty() && parents.into_iter().any(is)
    }

    /// Asks all at the same time and waits for the last of them; networks until the one deadline at most. Not from within an asynchronous runtime.
    pub fn ask_all(
        &self,
        questions: Vec<(Question, Instant)>,
        networks: Vec<(Question, Prepared)>,
        deadline: Instant,
    ) -> Vec<(Question, Answer)> {
        let work = async {
            let asked: Vec<_> = questions
                .into_iter()
                .map(|(question, deadline)| {
                    let resolver = self.clone();
                    let asked = question.clone();
                    let answer = tokio::spawn(async move {
                        match &asked {
                            Question::Dns { name, record } => resolver.look_up(name, *record, deadline).await,
                            _ => Answer::NotAsked.into(),
                        }
                    });
                    (question, answer)
                })
                .collect();
            let networks = networks.into_iter().map(|(question, prepared)| {
                let resolver = self.clone();
                (question, tokio::spawn(async move { prepared.ask(&resolver.0.resting, deadline).await.into() }))
            });
            let asked: Vec<(Question, JoinHandle<Found>)> = asked.into_iter().chain(networks).collect();
            let mut answers = Vec::with_capacity(asked.len());
            for (question, answer) in asked {
                let Found { answer, beyond } = answer.await.unwrap_or(Answer::Unknown.into());
                if let (Question::Dns { name, record }, false) = (&question, beyond.is_empty()) {
                    let name = name.clone();
                    answers.push((Question::Beyond { name, record: *record }, Answer::Figures(beyond)));
                }
                answers.push((question, answer));
            }
            answers
        };
        self.0.handle.block_on(work)
    }

    /// One question.
    pub async fn ask(&self, name: &str, record: Record, deadline: Instant) -> Answer {
        self.look_up(name, record, deadline).await.answer
    }

    /// One question; what was too much of the answer besides.
    pub async fn look_up(&self, name: &str, record: Record, deadline: Instant) -> Found {
        let inner = &*self.0;
        if let Some(answer) = inner.fake.answer(name, record) {
            return answer.into();
        }
        let Some(library) = &inner.library else { return Answer::NoSuchName.into() };
        let now = Instant::now();
        if self.is_blocked(name, now) {
            return Answer::NotAsked.into();
        }
        if !inner.health.lock().unwrap_or_else(PoisonError::into_inner).may_ask(now) {
            return Answer::Unknown.into();
        }
        let Some(wire) = wire_name(name) else { return Answer::NoSuchName.into() };
        let looked_up = async {
            let _place = inner.at_once.acquire().await;
            let result = library.lookup(wire.clone(), RecordType::from(record.0)).await;
            match alias_without_end(&result, &wire) {
                Some(last) if record != Record::CNAME => {
                    let goes_on = library.lookup(last.clone(), RecordType::CNAME).await;
                    match goes_on.is_ok_and(|lookup| !lookup.answers().is_empty()) {
                        true => Found::chain(),
                        false => found(result, record),
                    }
                }
                _ => found(result, record),
            }
        };
        let found = match tokio::time::timeout_at(deadline.into(), looked_up).await {
            Ok(found) => found,
            Err(_) => Answer::Unknown.into(),
        };
        let Found { answer, beyond } = &found;
        if !beyond.is_empty() {
            let mut told = inner.cut.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|told| now - told >= TELL_AGAIN) {
                *told = Some(now);
                (inner.tell)(&format!("dns: {}", beyond_in_words(name, record, beyond)));
            }
        }
        let mut health = inner.health.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match answer {
            Answer::Unknown => {
                health.unanswered(Instant::now());
                &inner.counts.unanswered
            }
            Answer::Failed(_) => {
                health.answered();
                &inner.counts.failed
            }
            _ => {
                health.answered();
                &inner.counts.answered
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        drop(health);
        found
    }

    /// Who is asked, for people.
    pub fn describe(&self) -> String {
        let inner = &*self.0;
        match (&inner.settings.ask, &inner.servers[..]) {
            (Ask::Fake, _) => "[dns.fake] alone".to_owned(),
            (_, []) => "the servers of /etc/resolv.conf".to_owned(),
            (_, servers) => servers.iter().map(Server::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

fn library(
    settings: &Dns,
    rules: &rules::Settings,
    servers: &[Server],
    trust: Option<&ClientConfig>,
    tell: &Tell,
) -> anyhow::Result<Library> {
    let connections = Connections::new(settings, servers, tell);
    let mut builder = if servers.is_empty() {
        Library::builder(connections).context("/etc/resolv.conf")?
    } else {
        let each = servers.iter().map(|server| {
            let mut ways = match &server.certificate {
                None => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
                Some(name) => vec![ConnectionConfig::tls(name.to_str().into())],
            };
            ways.iter_mut().for_each(|way| way.port = server.address.port());
            NameServerConfig::new(server.address.ip(), true, ways)
        });
        let config = ResolverConfig::from_name_servers(each.collect());
        Library::builder_with_config(config, connections)
    };
    if let Some(trust) = trust {
        builder = builder.with_tls_config(trust.clone());
    }
    let option = |name: &str| rules.dns_options.get(name).copied().unwrap_or(0);
    let options = builder.options_mut();
    options.timeout = settings.timeout.0;
    options.attempts = settings.attempts;
    options.cache_size = settings.cache;
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(settings.keep.0);
    options.negative_max_ttl = Some(settings.keep_missing.0);
    options.max_active_requests = settings.at_once;
    options.edns0 = option("edns") > 0;
    // What a datagram can hold without being cut in pieces; more comes over TCP.
    options.edns_payload_len = u16::try_from(option("edns")).unwrap_or(u16::MAX).clamp(512, 1232);
    options.case_randomization = option("dns0x20") > 0;
    if option("rotate") > 0 {
        options.server_ordering_strategy = ServerOrderingStrategy::RoundRobin;
    }
    Ok(builder.build()?)
}

/// `None` where DNS cannot hold it.
fn wire_name(name: &str) -> Option<Name> {
    let mut name = Name::from_labels(name.trim_end_matches('.').split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The last name of a chain of aliases that led to nothing.
fn alias_without_end<'r>(result: &'r Result<Lookup, NetError>, asked: &Name) -> Option<&'r Name> {
    match result {
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) if none.response_code == ResponseCode::NoError => {
            Some(none.query.name()).filter(|last| *last != asked)
        }
        _ => None,
    }
}

/// What a look-up came to, in the words of the engine.
fn found(result: Result<Lookup, NetError>, record: Record) -> Found {
    let answer = match result {
        Ok(lookup) => return of_records(lookup.answers().iter().map(|answer| &answer.data), record),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
            ResponseCode::NXDomain => Answer::NoSuchName,
            ResponseCode::NoError => no_records(record),
            code => Answer::Failed(u16::from(code)),
        },
        Err(NetError::Dns(DnsError::ResponseCode(code))) => Answer::Failed(u16::from(code)),
        Err(_) => Answer::Unknown,
    };
    answer.into()
}

fn no_records(record: Record) -> Answer {
    if record == Record::TXT { Answer::Texts(Vec::new()) } else { Answer::Records(Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dns_cannot_hold() {
        assert!(wire_name("a_b.example").is_some());
        assert!(wire_name(&"x".repeat(64)).is_none());
        assert!(wire_name(&["x"; 130].join(".")).is_none());
    }

    #[test]
    fn servers_that_never_answer_are_left_alone_for_a_while() {
        let mut health = Health::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert!(health.may_ask(start));
            health.unanswered(start);
        }
        assert!(!health.may_ask(start + REST / 2));
        assert!(health.may_ask(start + REST) && !health.may_ask(start + REST), "one tries");
        health.answered();
        assert!(health.may_ask(start));
    }
}
