//! What the service does with what was learnt: asks it, adds to it, keeps up with what others teach.
//!
//! Judging reads the model, teaching writes it; both are short. Lessons come by spamd's TELL, where `learn.tell` allows it,
//! and from messages that teach unasked (`super::unasked`). The latter begins only when somebody has taught by hand, or what
//! SpamAssassin had learnt was imported: a model
//! that has nothing but its own opinion learns its own mistakes. Four brakes hold it: a quota for each network, the
//! balance of the classes, what was taught by hand (`super::drift`), and a record from which any day is taken back.

use super::drift::{Change, Drift};
use super::unasked::Unasked;
use crate::config::{Config, Learn};
use crate::environment;
use crate::learning::exchange::{self, Exchange, Hands, Round};
use crate::learning::{self, Heeded, Learnt, Reader};
use crate::lessons::{About, By};
use crate::recent::{Judged, Recent};
use arc_swap::ArcSwap;
use engine::Engine;
use learn::{Class, Counts, Extractor, Features, User};
use mail::Message;
use mail::views::Views;
use protocols::{Places, Tell, Told};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Networks whose lessons are counted, at most.
const NETWORKS: usize = 10_000;

pub struct Learner {
    settings: Learn,
    learnt: RwLock<Learnt>,
    /// Messages learnt unasked, by network: since when, how many.
    quota: Mutex<HashMap<IpAddr, (i64, u32)>>,
    drift: Mutex<Drift>,
    recent: Mutex<Recent>,
    /// With what the rules say of learning.
    reader: ArcSwap<Reader>,
    exchange: Mutex<Option<Exchange>>,
}

impl Learner {
    /// `None` where nothing is to be learnt. A model that cannot be read is told, and mail judged without.
    pub fn open(config: &Config) -> (Option<Learner>, Option<String>) {
        let settings = config.learn.clone();
        if settings.folder.as_os_str().is_empty() {
            return (None, None);
        }
        let shared = if settings.exchange.location.is_empty() {
            exchange::leave(&settings.folder).map(drop)
        } else {
            exchange::prepare(&settings.folder)
        };
        match shared.and_then(|()| Learnt::open(&settings.folder)) {
            Ok(mut learnt) => {
                learnt.keep = settings.keep();
                let drift = Mutex::new(Drift::new(&settings.folder, settings.drift));
                let recent = Mutex::new(Recent::new(&settings.folder, settings.by_id.0));
                let learnt = RwLock::new(learnt);
                let (reader, quota, exchange) = Default::default();
                (Some(Learner { settings, learnt, quota, drift, recent, reader, exchange }), None)
            }
            Err(error) => (None, Some(format!("learn: {error:#}; mail is judged without what was learnt"))),
        }
    }

    /// New rules are in force: what they say of learning holds, also for commands that load none.
    pub fn heed(&self, settings: &rules::Settings) -> anyhow::Result<()> {
        let reader = Reader::new(Heeded::of(settings));
        let kept = reader.heeded().keep(&self.settings.folder);
        self.reader.store(reader.into());
        kept
    }

    /// Looks whether what was taught by hand is still understood; tells once where it no longer is, and once when it is
    /// again.
    pub fn watch(&self) -> Option<Change> {
        let learnt = self.read();
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).look(&learnt.model)
    }

    pub fn alarm_to(&self) -> &str {
        &self.settings.alarm_to
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Learnt> {
        self.learnt.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Learnt> {
        self.learnt.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what other processes taught.
    pub fn refresh(&self) -> anyhow::Result<bool> {
        let changed = self.write().refresh(&self.settings.folder)?;
        if changed {
            self.reader.load().heeded().keep(&self.settings.folder)?; // there may have been no folder before
        }
        Ok(changed)
    }

    /// Says what was taught here, hears what was taught elsewhere; opens the exchange where that was not possible before.
    /// Also gives where. `None`: there is nobody to exchange with.
    pub fn exchange(&self) -> anyhow::Result<Option<(Round, String)>> {
        let mut open = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            *open = Exchange::open(&self.settings.folder, &self.settings.exchange)?;
        }
        let Some(exchange) = open.as_mut() else { return Ok(None) };
        let round = exchange.round(&mut &*self)?;
        Ok(Some((round, exchange.place().to_owned())))
    }

    /// How often; `None`: never.
    pub fn exchange_every(&self) -> Option<std::time::Duration> {
        let settings = &self.settings.exchange;
        (!settings.location.is_empty()).then_some(settings.every.0)
    }

    pub fn is_ready(&self, settings: &rules::Settings) -> bool {
        learning::is_ready(&self.read(), settings)
    }

    pub fn features(&self, views: &Views<'_>) -> Features {
        self.reader.load().features(views)
    }

    pub fn answer(&self, features: &Features, views: &Views<'_>, user: User) -> engine::Answer {
        let probability = self.reader.load().probability(&self.read(), features, views, user);
        probability.map_or(engine::Answer::Unknown, learning::answer)
    }

    /// Keeps what can be taught by id later.
    fn remember(&self, judged: &Judged, features: &Features) -> anyhow::Result<()> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(judged, features)
    }

    /// spamd's TELL.
    pub fn tell(&self, tell: &Tell, engine: &Engine) -> anyhow::Result<Told> {
        let refused = Told { refused: true, ..Told::default() };
        if !self.settings.tell || tell.content.omitted.is_some() {
            return Ok(refused);
        }
        let mut extractor = Extractor::new(self.reader.load().options().clone());
        let (digest, features) = learning::features(&tell.content.bytes, &engine.views, &engine.style, &mut extractor);
        let user = learning::user(tell.user.as_deref().unwrap_or_default());
        let (at, mut told) = (now(), Told::default());
        let lock = learning::lock(&self.settings.folder)?;
        let mut learnt = self.write();
        let mut teacher = learnt.teach_with(&self.settings.folder, lock)?;
        let message = Message::parse(&tell.content.bytes, &engine.views.limits);
        let subject = Views::new(&message, &engine.views).text().subject.clone();
        teacher.about = About::new(By::Told, "", tell.user.as_deref().unwrap_or_default(), &subject);
        if let (true, Some(spam)) = (tell.set.local, tell.spam) {
            let class = if spam { Class::Spam } else { Class::Ham };
            told.set = Places { local: teacher.learn(digest, &features, class, user, at)?, remote: false };
        } else if tell.remove.local {
            told.removed = Places { local: teacher.forget(digest, &features)?, remote: false };
        }
        teacher.sync()?;
        Ok(told)
    }

    /// What is done with a message once it is judged: it is remembered, and learnt where that is clear.
    pub fn after(&self, unasked: &Unasked<'_>, features: Option<Features>) -> anyhow::Result<Option<Class>> {
        unasked.remember()?;
        // Nobody has taught anything yet.
        if !self.settings.folder.is_dir() {
            return Ok(None);
        }
        let features = features.unwrap_or_else(|| self.features(unasked.views));
        if self.settings.by_id.0 > 0 {
            let headers = unasked.views.message.headers();
            let id = headers.last("message-id").map_or(&[][..], |field| field.decoded.trim_ascii());
            let judged = Judged {
                at: environment::unix_time(),
                queue_id: unasked.scan.queue_id.clone().unwrap_or_default(),
                message_id: String::from_utf8_lossy(id).into_owned(),
                subject: About::new(By::Told, "", "", &unasked.views.text().subject).subject,
                digest: learn::digest(unasked.views.message),
            };
            if !(judged.queue_id.is_empty() && judged.message_id.is_empty()) {
                self.remember(&judged, &features)?;
            }
        }
        self.learn_unasked(unasked, &features)
    }

    /// Learns a message of which nobody said what it is, where that is clear and nothing brakes it; says as what.
    fn learn_unasked(&self, unasked: &Unasked<'_>, features: &Features) -> anyhow::Result<Option<Class>> {
        if !self.settings.auto {
            return Ok(None);
        }
        let Some((class, by)) = unasked.class()? else { return Ok(None) };
        let digest = learn::digest(unasked.views.message);
        if self.read().model.counts() == Counts::default() {
            self.refresh()?; // perhaps somebody has just begun
        }
        {
            let learnt = self.read();
            let counts = learnt.model.counts();
            if (counts.ham == 0 && counts.spam == 0 && learnt.imported().is_none())
                || learnt.model.seen(digest).is_some()
            {
                return Ok(None);
            }
            if !in_balance(counts, class, self.settings.balance) {
                return Ok(None);
            }
        }
        if self.drift.lock().unwrap_or_else(PoisonError::into_inner).alarmed() {
            return Ok(None);
        }
        let from = unasked.scan.peer.address;
        if !self.within_quota(from, now()) {
            return Ok(None);
        }
        // Judging waits for nobody; there will be other messages.
        let Some(lock) = learning::try_lock(&self.settings.folder)? else { return Ok(None) };
        let mut learnt = self.write();
        let mut teacher = learnt.teach_with(&self.settings.folder, lock)?;
        let from = from.map(named).unwrap_or_default();
        teacher.about = About::new(by, &from, "", &unasked.views.text().subject);
        let learnt = teacher.learn(digest, features, class, User::default(), now())?;
        Ok(learnt.then_some(class))
    }

    fn within_quota(&self, from: Option<IpAddr>, now: u32) -> bool {
        let Some(network) = from.map(network) else { return true };
        let now = i64::from(now);
        let span = self.settings.quota_span.0.as_secs() as i64;
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        if quota.len() >= NETWORKS {
            quota.retain(|_, (since, _)| now - *since < span);
            if quota.len() >= NETWORKS {
                return false;
            }
        }
        let (since, count) = quota.entry(network).or_insert((now, 0));
        if now - *since >= span {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= self.settings.quota
    }
}

/// Below so many lessons of a class nothing is said of balance.
const BEGINNING: u32 = 50;

/// Whether one more lesson of this class leaves the classes in proportion.
fn in_balance(counts: Counts, class: Class, balance: f64) -> bool {
    let (this, other) = match class {
        Class::Ham => (counts.ham, counts.spam),
        Class::Spam => (counts.spam, counts.ham),
    };
    balance == 0.0 || this < BEGINNING || f64::from(this) < balance * f64::from(other)
}

impl Hands for &Learner {
    fn with<R>(&mut self, work: impl FnOnce(&mut Learnt) -> R) -> R {
        work(&mut self.write())
    }
}

fn now() -> u32 {
    u32::try_from(environment::unix_time()).unwrap_or_default()
}

/// As the journal of lessons shows it.
fn named(address: IpAddr) -> String {
    format!("{}/{}", network(address), if address.is_ipv4() { 24 } else { 48 })
}

/// The /24 or /48 around an address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::from((u32::from(address) & 0xffff_ff00).to_be_bytes()),
        IpAddr::V6(address) => IpAddr::from((u128::from(address) & !(u128::MAX >> 48)).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_does_not_run_away() {
        let allowed = |ham, spam, class| in_balance(Counts { ham, spam }, class, 4.0);
        assert!(allowed(1, 49, Class::Spam), "a beginning is always one-sided");
        assert!(!allowed(10, 50, Class::Spam) && allowed(10, 50, Class::Ham));
        assert!(allowed(100, 399, Class::Spam) && !allowed(100, 400, Class::Spam));
        assert!(!allowed(400, 100, Class::Ham));
        assert!(in_balance(Counts { ham: 0, spam: 9_999 }, Class::Spam, 0.0));
    }

    #[test]
    fn a_network_is_what_one_owner_has() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.77"), "192.0.2.0");
        assert_eq!(named("2001:db8::1".parse().unwrap()), "2001:db8::/48");
        assert_eq!(of("2001:db8:1:2::3"), "2001:db8:1::");
    }
}
