//! What the service does with what was learnt: asks it, adds to it, keeps up with what others teach.
//!
//! Judging reads the model, teaching writes it; both are short. Lessons come by spamd's TELL, where `learn.tell` allows it,
//! and from messages of which the rules alone are sure. The latter begins only when somebody has taught by hand: a model
//! that has nothing but its own opinion learns its own mistakes.

use crate::config::{Config, Learn};
use crate::environment;
use crate::learning::{self, Learnt};
use engine::Engine;
use learn::{Class, User};
use mail::Verdict;
use mail::views::Views;
use protocols::{Places, Tell, Told};
use rules::{Flags, Kind, Stage};
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
}

impl Learner {
    /// `None` where nothing is to be learnt. A model that cannot be read is told, and mail judged without.
    pub fn open(config: &Config) -> (Option<Learner>, Option<String>) {
        let settings = config.learn.clone();
        if settings.folder.as_os_str().is_empty() {
            return (None, None);
        }
        match Learnt::open(&settings.folder) {
            Ok(learnt) => {
                let learner = Learner { settings, learnt: RwLock::new(learnt), quota: Mutex::default() };
                (Some(learner), None)
            }
            Err(error) => (None, Some(format!("learn: {error:#}; mail is judged without what was learnt"))),
        }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Learnt> {
        self.learnt.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Learnt> {
        self.learnt.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what other processes taught.
    pub fn refresh(&self) -> anyhow::Result<bool> {
        self.write().refresh(&self.settings.folder)
    }

    pub fn is_ready(&self, settings: &rules::Settings) -> bool {
        learning::is_ready(&self.read().model, settings)
    }

    pub fn answer(&self, views: &Views<'_>, user: User) -> engine::Answer {
        let features = learning::extract(views);
        learning::answer(self.read().model.score(&features, user).probability())
    }

    /// spamd's TELL.
    pub fn tell(&self, tell: &Tell, engine: &Engine) -> anyhow::Result<Told> {
        let refused = Told { refused: true, ..Told::default() };
        if !self.settings.tell || tell.content.omitted.is_some() {
            return Ok(refused);
        }
        let mut extractor = learn::Extractor::default();
        let (digest, features) = learning::features(&tell.content.bytes, &engine.views, &engine.style, &mut extractor);
        let user = learning::user(tell.user.as_deref().unwrap_or_default());
        let (at, mut told) = (now(), Told::default());
        let mut learnt = self.write();
        let mut teacher = learnt.teach(&self.settings.folder)?;
        if let (true, Some(spam)) = (tell.set.local, tell.spam) {
            let class = if spam { Class::Spam } else { Class::Ham };
            told.set = Places { local: teacher.learn(digest, &features, class, user, at)?, remote: false };
        } else if tell.remove.local {
            told.removed = Places { local: teacher.forget(digest, &features)?, remote: false };
        }
        teacher.sync()?;
        Ok(told)
    }

    /// Learns a message that the rules are sure of; says as what.
    pub fn learn_unasked(
        &self,
        engine: &Engine,
        verdict: &Verdict,
        views: &Views<'_>,
        from: Option<IpAddr>,
    ) -> anyhow::Result<Option<Class>> {
        if !self.settings.auto {
            return Ok(None);
        }
        let Some(class) = sure(engine, verdict) else { return Ok(None) };
        let digest = learn::digest(views.message);
        {
            let learnt = self.read();
            let counts = learnt.model.counts();
            if (counts.ham == 0 && counts.spam == 0) || learnt.model.seen(digest).is_some() {
                return Ok(None);
            }
        }
        if !self.within_quota(from, now()) {
            return Ok(None);
        }
        let features = learning::extract(views);
        let mut learnt = self.write();
        let mut teacher = learnt.teach(&self.settings.folder)?;
        let learnt = teacher.learn(digest, &features, class, User::default(), now())?;
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

fn now() -> u32 {
    u32::try_from(environment::unix_time()).unwrap_or_default()
}

/// The /24 or /48 around an address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::from((u32::from(address) & 0xffff_ff00).to_be_bytes()),
        IpAddr::V6(address) => IpAddr::from((u128::from(address) & !(u128::MAX >> 48)).to_be_bytes()),
    }
}

/// What the rules alone are sure of, by `bayes_auto_learn_threshold_*`, as SpamAssassin decides it: spam needs points from
/// header and body, and what the learner itself says must not speak against it.
fn sure(engine: &Engine, verdict: &Verdict) -> Option<Class> {
    let settings = &engine.ruleset.settings;
    if !(settings.use_learner && settings.use_bayes && settings.bayes_auto_learn) {
        return None;
    }
    let points = verdict.autolearn_points;
    let class = if points < settings.bayes_auto_learn_threshold_nonspam {
        Class::Ham
    } else if points >= settings.bayes_auto_learn_threshold_spam {
        Class::Spam
    } else {
        return None;
    };
    if verdict.spam != (class == Class::Spam) {
        return None;
    }
    let without = rules::ScoreSet { bayes: false, ..engine.score_set };
    let (mut header, mut body, mut learnt, mut forced) = (0.0, 0.0, 0.0, false);
    for hit in &verdict.hits {
        let Some(rule) = engine.ruleset.get(&hit.rule) else { continue };
        if rule.tflags.has(Flags::LEARN) {
            learnt += hit.score;
            continue;
        }
        if rule.tflags.has(Flags::NOAUTOLEARN) || rule.tflags.has(Flags::USERCONF) {
            continue;
        }
        forced |= rule.tflags.has(Flags::AUTOLEARN_FORCE);
        let score = rule.score(without) * f64::from(hit.count);
        let of_body = match &rule.kind {
            _ if rule.tflags.has(Flags::AUTOLEARN_BODY) => Some(true),
            _ if rule.tflags.has(Flags::AUTOLEARN_HEADER) => Some(false),
            Kind::Body(_) | Kind::RawBody(_) | Kind::Full(_) | Kind::Uri(_) | Kind::UriDetail(_) | Kind::Text(_) => {
                Some(true)
            }
            Kind::Eval(eval) => Some(!matches!(eval.stage, Stage::Header | Stage::Rbl)),
            Kind::Meta(_) => None,
            _ => Some(false),
        };
        if of_body != Some(false) {
            body += score;
        }
        if of_body != Some(true) {
            header += score;
        }
    }
    let agreed = match class {
        Class::Spam => (forced || (header >= 3.0 && body >= 3.0)) && learnt >= -1.0,
        Class::Ham => learnt <= 1.0,
    };
    let known = if class == Class::Spam { "BAYES_99" } else { "BAYES_00" };
    let needed = !settings.bayes_auto_learn_on_error || !verdict.hits.iter().any(|hit| hit.rule == known);
    (agreed && needed).then_some(class)
}
