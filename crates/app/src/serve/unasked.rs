//! Which messages teach though nobody said what they are: traps, answers to our own mail, acquaintances, and what the rules
//! alone are sure of.
//!
//! In: a judged message and what the store remembers of our own mail. Out: a class and whose opinion it is. Whether the
//! lesson is then taken (quota, balance, drift) is the learner's to decide.

use crate::config::{Config, Direction};
use crate::lessons::By;
use crate::policy;
use engine::Engine;
use engine::checks::acquaintance::message_ids;
use engine::checks::learner_ignores;
use learn::Class;
use mail::Verdict;
use mail::views::Views;
use protocols::Scan;
use rules::{Flags, Kind, Stage};
use store::{Store, Time};

/// A judged message.
pub struct Unasked<'a> {
    pub config: &'a Config,
    pub engine: &'a Engine,
    pub store: Option<&'a Store>,
    pub scan: &'a Scan,
    pub verdict: &'a Verdict,
    pub views: &'a Views<'a>,
    pub now: Time,
}

/// References and recipients that are looked up for one message.
const LOOKED_UP: usize = 20;

const SENT: &str = "sent";
const PEN_PAL: &str = "pen pal";

impl Unasked<'_> {
    /// What it is, and who says so.
    pub fn class(&self) -> store::Result<Option<(Class, By)>> {
        let settings = &self.engine.ruleset.settings;
        if !(settings.use_learner && settings.use_bayes) || learner_ignores(settings, self.views) {
            return Ok(None);
        }
        if self.config.learn.replies && self.is_from_outside() && self.is_fine() {
            if self.is_answer()? {
                return Ok(Some((Class::Ham, By::Reply)));
            }
            if self.is_of_pen_pal()? {
                return Ok(Some((Class::Ham, By::PenPal)));
            }
        }
        if self.is_trapped() {
            return Ok(Some((Class::Spam, By::Trap)));
        }
        Ok(sure(self.engine, self.verdict).map(|class| (class, By::Rules)))
    }

    /// Remembers our own mail: what was sent where, and who wrote to whom.
    pub fn remember(&self) -> store::Result<()> {
        let Some(store) = self.store.filter(|_| self.config.learn.replies && !self.verdict.spam) else { return Ok(()) };
        let (seen, keep) = (store.seen(), self.config.learn.correspondents.0);
        let sender = self.scan.sender.as_ref().map(|sender| sender.address.to_ascii_lowercase()).unwrap_or_default();
        let id = self.views.message.headers().last("message-id").map_or(&[][..], |field| &field.raw);
        let id = message_ids(id).into_iter().next();
        for recipient in self.recipients().take(LOOKED_UP) {
            if policy::direction(self.config, self.scan, &recipient) == Direction::Inbound
                || self.config.networks.is_ours(&recipient)
            {
                continue;
            }
            if let Some(id) = &id {
                seen.note(SENT, &key(id.as_bytes(), self.domain(recipient.as_bytes()).as_bytes()), keep, self.now)?;
            }
            if !sender.is_empty() {
                seen.note(PEN_PAL, &key(&sender, recipient.as_bytes()), keep, self.now)?;
            }
        }
        Ok(())
    }

    fn recipients(&self) -> impl Iterator<Item = String> {
        self.scan.recipients.iter().map(|to| String::from_utf8_lossy(&to.address).to_lowercase())
    }

    pub fn is_from_outside(&self) -> bool {
        !self.scan.recipients.is_empty()
            && self.recipients().all(|to| policy::direction(self.config, self.scan, &to) == Direction::Inbound)
    }

    /// Nothing speaks much against it: who answers may have been broken into.
    fn is_fine(&self) -> bool {
        !self.verdict.spam && self.verdict.score < self.verdict.required / 2.0
    }

    fn is_trapped(&self) -> bool {
        let traps = &self.config.learn.traps;
        !traps.is_empty()
            && self.is_from_outside()
            && self.recipients().any(|to| traps.iter().any(|trap| trap.has(&to)))
    }

    /// It names a message of ours that went to where this one comes from. Names alone can be read in list archives.
    pub fn is_answer(&self) -> store::Result<bool> {
        let (Some(store), Some(from)) = (self.store, self.from()) else { return Ok(false) };
        let domain = self.domain(&from);
        let headers = self.views.message.headers();
        let fields = ["in-reply-to", "references"].into_iter().filter_map(|name| headers.last(name));
        let mut ids: Vec<String> = fields.flat_map(|field| message_ids(&field.raw)).collect();
        ids.dedup();
        for id in ids.iter().rev().take(LOOKED_UP) {
            if store.seen().known(SENT, &key(id.as_bytes(), domain.as_bytes()), self.now)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Each of its recipients whom we know of wrote to its author, and it comes from the author's own servers.
    fn is_of_pen_pal(&self) -> store::Result<bool> {
        Ok(self.from().is_some_and(|from| self.is_authentic(&from)) && self.is_written_to()?)
    }

    /// A recipient wrote to its author, or to whom it says is its author.
    pub fn is_written_to(&self) -> store::Result<bool> {
        let (Some(store), Some(from)) = (self.store, self.from()) else { return Ok(false) };
        for recipient in self.recipients().take(LOOKED_UP) {
            if store.seen().known(PEN_PAL, &key(recipient.as_bytes(), &from), self.now)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The one author, in lower case.
    fn from(&self) -> Option<Vec<u8>> {
        engine::checks::acquaintance::author(self.views).map(String::into_bytes)
    }

    /// The registered domain of an address.
    pub fn domain(&self, address: &[u8]) -> String {
        let domain = address.rsplit(|byte| *byte == b'@').next().unwrap_or_default().to_ascii_lowercase();
        String::from_utf8_lossy(self.engine.views.tlds.trim_domain(&domain)).into_owned()
    }

    /// Whether it is known to come from its author's domain: by DMARC's measure, or since the client's confirmed name lies in
    /// that domain and is no PC's.
    fn is_authentic(&self, from: &[u8]) -> bool {
        let proven = self.verdict.authentication.as_ref().and_then(|found| found.author());
        if proven.is_some_and(|author| from.ends_with(format!("@{author}").as_bytes())) {
            return true;
        }
        let peer = &self.scan.peer;
        let (Some(name), Some(address)) = (&peer.name, peer.address) else { return false };
        let host = name.trim_end_matches('.').as_bytes();
        engine::s25r::rule(address, Some(name)).is_none() && self.domain(host) == self.domain(from)
    }
}

pub fn key(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, b"\0", second].concat()
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
