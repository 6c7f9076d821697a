//! What the store knows of a message's people: whether we have met, and what their mail scored.
//!
//! In: the questions that checks have, and afterwards the verdict and what is done. Out: answers, and the memory one message
//! richer. Only mail that is delivered as honest makes an acquaintance. Known people are written down once an hour at most: reading is cheap, and most mail
//! is from somebody known.

use crate::config::{Config, Direction};
use crate::policy::category::Category;
use crate::policy::{self, Fate};
use crate::serve::unasked::{self, Unasked};
use engine::checks::{acquaintance, reputation};
use engine::{Acquaintance, Answer, Answers, Engine, Mention, Question};
use mail::Verdict;
use mail::views::Views;
use protocols::Scan;
use std::cell::RefCell;
use std::time::Duration;
use store::reputation::Decay;
use store::{Seen, Store, Time};

/// One message's.
pub struct Memory<'a> {
    pub config: &'a Config,
    pub engine: &'a Engine,
    pub store: Option<&'a Store>,
    pub scan: &'a Scan,
    pub now: Time,
    /// Of the store, while questions were answered.
    pub trouble: RefCell<Option<store::Error>>,
}

/// An author and a recipient who had mail of him; an author; an author's domain.
const AUTHOR_TO: &str = "author to";
const AUTHOR: &str = "author";
const DOMAIN: &str = "author domain";
/// A Message-ID of ours.
const OURS: &str = "sent id";
/// Since when there is a memory.
const BEGUN: &str = "contacts begun";
const MENTIONS_BEGUN: &str = "mentions begun";
/// Names that were not known, a day.
const NEW: &str = "new mentions";
const DAY: Duration = Duration::from_secs(86_400);
/// Who was seen within this time is not written down again.
const REFRESH: Duration = Duration::from_secs(3600);
/// Recipients of one message that are looked at.
const RECIPIENTS: usize = 20;

impl<'a> Memory<'a> {
    /// `Unknown` where that cannot be told.
    pub fn answer(&self, question: &Question, views: &Views<'_>) -> Answer {
        let Some(store) = self.store else { return Answer::Unknown };
        let answer = match question {
            Question::Reputation { kind, who } => self.standing(store, kind, who),
            Question::Mention { what, who } if self.config.reputation.mentions => self.mentioned(store, *what, who),
            Question::Acquaintance(what) if self.config.reputation.contacts => self.known(store, what, views),
            _ => Ok(Answer::Unknown),
        };
        answer.unwrap_or_else(|error| {
            *self.trouble.borrow_mut() = Some(error);
            Answer::Unknown
        })
    }

    fn standing(&self, store: &Store, kind: &str, who: &str) -> store::Result<Answer> {
        let standing = store.reputation().get(kind, who.as_bytes(), self.now)?.unwrap_or_default();
        Ok(Answer::Standing { count: standing.count, total: standing.total })
    }

    fn known(&self, store: &Store, what: &Acquaintance, views: &Views<'_>) -> store::Result<Answer> {
        let seen = store.seen();
        let has = |kind: &str, key: &[u8]| Ok::<_, store::Error>(seen.known(kind, key, self.now)?.is_some());
        let nothing = Verdict::default();
        let unasked = Unasked {
            config: self.config,
            engine: self.engine,
            store: self.store,
            scan: self.scan,
            verdict: &nothing,
            views,
            now: self.now,
        };
        // Who replies is known however young the memory is.
        match what {
            Acquaintance::PenPal => return Ok(Answer::Known(unasked.is_written_to()?)),
            Acquaintance::Answer => return Ok(Answer::Known(unasked.is_answer()?)),
            _ => {}
        }
        let met = match what {
            Acquaintance::Ours { author, .. } if !self.config.networks.is_ours(author) => return Ok(Answer::Unknown),
            Acquaintance::Ours { id, .. } => has(OURS, id.as_bytes())?,
            _ => {
                let Some(author) = acquaintance::author(views).filter(|_| unasked.is_from_outside()) else {
                    return Ok(Answer::Unknown);
                };
                match what {
                    Acquaintance::Site => has(AUTHOR, author.as_bytes())?,
                    Acquaintance::Domain => has(DOMAIN, unasked.domain(author.as_bytes()).as_bytes())?,
                    _ => {
                        let mut met = false;
                        for recipient in recipients(self.scan) {
                            met = met || has(AUTHOR_TO, &unasked::key(recipient.as_bytes(), author.as_bytes()))?;
                        }
                        met
                    }
                }
            }
        };
        Ok(match met {
            true => Answer::Known(true),
            false if self.is_settled(&seen, BEGUN)? => Answer::Known(false),
            false => Answer::Unknown,
        })
    }

    /// Of mail from outside; what is known is told however young the memory is.
    fn mentioned(&self, store: &Store, what: Mention, who: &str) -> store::Result<Answer> {
        if !self.is_from_outside() {
            return Ok(Answer::Unknown);
        }
        let seen = store.seen();
        Ok(match seen.known(mention_kind(what), who.as_bytes(), self.now)? {
            Some(known) => Answer::Mentioned {
                age: Some(self.now.since(known.first).as_secs()),
                ham: known.count.saturating_sub(known.spam),
                spam: known.spam,
            },
            None if self.is_settled(&seen, MENTIONS_BEGUN)? => Answer::Mentioned { age: None, ham: 0, spam: 0 },
            None => Answer::Unknown,
        })
    }

    fn is_from_outside(&self) -> bool {
        let inbound = |to: String| policy::direction(self.config, self.scan, &to) == Direction::Inbound;
        !self.scan.recipients.is_empty() && recipients(self.scan).all(inbound)
    }

    /// The names that rules asked about, once it is known what becomes of the message.
    pub fn mention(&self, fates: &[Fate], answers: &Answers) -> store::Result<()> {
        let settings = &self.config.reputation;
        let Some(store) = self.store.filter(|_| settings.mentions && self.is_from_outside()) else { return Ok(()) };
        let spam = |fate: &Fate| fate.spam || matches!(fate.category, Some(Category::Virus | Category::Phishing));
        let spam = match fates.iter().all(spam) {
            true => true,
            false if fates.iter().any(Fate::is_welcome) => false,
            // Refused for what is no reason to think ill of what it mentions.
            false => return Ok(()),
        };
        let asked = answers.iter().filter_map(|(question, _)| match question {
            Question::Mention { what, who } => Some((*what, who)),
            _ => None,
        });
        let (seen, keep) = (store.seen(), settings.keep_mentions.0);
        let mut begun = false;
        for (what, who) in asked {
            let kind = mention_kind(what);
            match seen.known(kind, who.as_bytes(), self.now)? {
                Some(known) => {
                    let counted = if spam { known.spam } else { known.count.saturating_sub(known.spam) };
                    if counted > 0 && self.now.since(known.last) < REFRESH {
                        continue;
                    }
                }
                None if store.rates().add(NEW, b"", DAY, 1, self.now)? > settings.mentions_a_day => continue,
                None => {}
            }
            seen.note_in(kind, who.as_bytes(), spam, keep, self.now)?;
            if !std::mem::replace(&mut begun, true) {
                seen.note(MENTIONS_BEGUN, b"", keep, self.now)?;
            }
        }
        Ok(())
    }

    fn is_settled(&self, seen: &Seen, begun: &str) -> store::Result<bool> {
        let begun = seen.known(begun, b"", self.now)?;
        Ok(begun.is_some_and(|begun| self.now.since(begun.first) >= self.config.reputation.settle.0))
    }

    /// One message's score more.
    pub fn remember_score(&self, verdict: &Verdict, answers: &Answers) -> store::Result<()> {
        if let Some(error) = self.trouble.borrow_mut().take() {
            return Err(error);
        }
        match self.store {
            Some(store) => self.add_score(store, verdict, answers),
            None => Ok(()),
        }
    }

    /// Who met whom, once it is known what is delivered.
    pub fn meet(&self, fates: &[Fate], views: &Views<'_>) -> store::Result<()> {
        let Some(store) = self.store.filter(|_| self.config.reputation.contacts) else { return Ok(()) };
        let welcome: Vec<String> = fates
            .iter()
            .filter(|fate| fate.is_welcome())
            .take(RECIPIENTS)
            .map(|fate| String::from_utf8_lossy(&fate.recipient.address).to_lowercase())
            .collect();
        if welcome.is_empty() {
            return Ok(());
        }
        let seen = store.seen();
        let note = |kind: &str, key: &[u8]| -> store::Result<()> {
            let known = seen.known(kind, key, self.now)?;
            if known.is_none_or(|known| self.now.since(known.last) >= REFRESH) {
                seen.note(kind, key, self.config.reputation.keep.0, self.now)?;
            }
            Ok(())
        };
        note(BEGUN, b"")?;
        let inbound = |to: &String| policy::direction(self.config, self.scan, to) == Direction::Inbound;
        if recipients(self.scan).any(|to| !inbound(&to)) {
            let field = views.message.headers().last("message-id");
            if let Some(id) = field.and_then(|field| acquaintance::message_ids(&field.raw).into_iter().next()) {
                note(OURS, id.as_bytes())?;
            }
            return Ok(());
        }
        let Some(author) = acquaintance::author(views) else { return Ok(()) };
        for recipient in welcome {
            note(AUTHOR_TO, &unasked::key(recipient.as_bytes(), author.as_bytes()))?;
        }
        note(AUTHOR, author.as_bytes())?;
        let domain = author.rsplit('@').next().unwrap_or_default();
        let domain = self.engine.views.tlds.trim_domain(domain.as_bytes());
        note(DOMAIN, domain)
    }

    /// To the names that the rules asked about, and none else: who has no such rules keeps no averages.
    fn add_score(&self, store: &Store, verdict: &Verdict, answers: &Answers) -> store::Result<()> {
        let settings = &self.engine.ruleset.settings;
        let factor = settings.other("txrep_dilution_factor").and_then(|value| value.trim().parse().ok());
        for (question, answer) in answers.iter() {
            let (Question::Reputation { kind, who }, Answer::Standing { .. }) = (question, answer) else { continue };
            let Some(points) = reputation::points(self.engine, verdict, kind) else { continue };
            let factor = if kind == "awl" { 1.0 } else { factor.unwrap_or(0.98) };
            let decay = Decay { factor, keep: self.config.reputation.keep_scores.0 };
            store.reputation().add(kind, who.as_bytes(), (points * 1000.0).round() as i64, &decay, self.now)?;
        }
        Ok(())
    }
}

/// As the store has it.
pub fn mention_kind(what: Mention) -> &'static str {
    match what {
        Mention::Address => "mentioned address",
        Mention::Domain => "mentioned domain",
    }
}

fn recipients(scan: &Scan) -> impl Iterator<Item = String> {
    scan.recipients.iter().take(RECIPIENTS).map(|to| String::from_utf8_lossy(&to.address).to_lowercase())
}
