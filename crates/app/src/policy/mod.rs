//! From a verdict to what each recipient gets: direction, category, configured action, and why.
//!
//! In: what was found out about a message ([`Findings`]) and the configuration. Out: one [`Fate`] for each recipient. What
//! a mail server can be told of it is [`split`]'s matter; nothing is done here.

pub mod banned;
pub mod category;
pub mod lists;
pub mod notices;
pub mod split;

use crate::config::{Action, Actions, Config, Direction, Mode, When};
use crate::lookup::Wishes;
use category::Category;
use mail::Verdict;
use protocols::{Path, Scan};
use store::lists::{Effect, Matches};

/// What is known of a message, before anybody's wishes.
pub struct Findings<'a> {
    /// The listener's protocol and socket.
    pub via: &'a [String; 2],
    pub verdict: &'a Verdict,
    /// The weightiest first, each with its words.
    pub categories: Vec<(Category, String)>,
    /// List entries of everybody and of the recipients that name something in it.
    pub lists: Matches,
    /// Of each recipient, in their order.
    pub wishes: Vec<Wishes>,
}

/// What one recipient gets, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Fate {
    /// As in RCPT.
    pub recipient: Path,
    pub direction: Direction,
    pub actions: Actions,
    pub action: Action,
    /// `None`: nothing was found.
    pub category: Option<Category>,
    pub reason: String,
    pub score: f64,
    pub required: f64,
    pub spam: bool,
}

impl Fate {
    /// What is done, rather than what would be.
    pub fn effective(&self) -> &Action {
        if self.actions.observe { &Action::Pass } else { &self.action }
    }

    /// What the sender of refused mail is told. A name that he chose comes back in ASCII, cut.
    pub fn refusal(&self) -> String {
        const LONGEST: usize = 80;
        if !self.actions.reject_text.is_empty() {
            return self.actions.reject_text.clone();
        }
        let why = match self.category {
            Some(Category::Virus) => "it carries malware".to_owned(),
            Some(Category::Banned) => {
                let name = self.reason.rsplit('/').next().unwrap_or_default();
                let name: String =
                    name.chars().take(LONGEST).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
                format!("attachments such as {name} are not taken here")
            }
            _ => "it looks like spam".to_owned(),
        };
        format!("Message refused: {why}")
    }

    /// Whether it is delivered as honest mail; where we only watch, whether it would be.
    pub fn is_welcome(&self) -> bool {
        use Category::{BadHeader, Oversized, Unchecked};
        let delivered = matches!(self.action, Action::Pass | Action::Tag);
        delivered && !self.spam && matches!(self.category, None | Some(BadHeader | Oversized | Unchecked))
    }

    /// In the log and the history.
    pub fn word(&self) -> &'static str {
        match (&self.action, self.category) {
            (Action::Tag, None) => "pass",
            (action, _) => action.name(),
        }
    }
}

/// One for each recipient; where there is none, one for nobody.
pub fn fates(config: &Config, scan: &Scan, findings: &Findings<'_>) -> Vec<Fate> {
    let nobody = [Path::default()];
    let recipients = if scan.recipients.is_empty() { &nobody[..] } else { &scan.recipients };
    let none = Wishes::default();
    let wishes = findings.wishes.iter().chain(std::iter::repeat(&none));
    recipients.iter().zip(wishes).map(|(recipient, wishes)| fate(config, scan, findings, recipient, wishes)).collect()
}

fn fate(config: &Config, scan: &Scan, findings: &Findings<'_>, recipient: &Path, wishes: &Wishes) -> Fate {
    let address = String::from_utf8_lossy(&recipient.address);
    let direction = direction(config, scan, &address);
    let mut actions = config.actions.clone();
    for policy in &config.policy {
        if fits(&policy.when, scan, findings.via, direction, &address) {
            policy.then.apply(&mut actions);
        }
    }
    wishes.changes.apply(&mut actions);
    actions.observe |= config.mode == Mode::Observe;

    let lists = lists::of(&findings.lists, &address);
    let verdict = findings.verdict;
    let score = verdict.score + lists.score();
    let required = if actions.required > 0.0 { actions.required } else { verdict.required };
    // The rules' own word counts (a rule can decide without a score), unless somebody moved score or threshold.
    let moved = actions.required > 0.0 || lists.score() != 0.0;
    let mut spam = if moved { score >= required } else { verdict.spam };

    let listed = lists.decision();
    let words = |what: &str| {
        let entry = listed.map(|entry| format!("{} {}", entry.kind.name(), entry.value)).unwrap_or_default();
        format!("{what}: {entry}")
    };
    let mut found = findings.categories.clone();
    match listed.map(|entry| entry.effect) {
        Some(Effect::Allow) => {
            // Whom somebody trusts may be wrong about taste, not about viruses.
            spam = false;
            found.retain(|(category, _)| *category == Category::Virus);
        }
        Some(Effect::Block) => spam = true,
        _ => {}
    }
    if spam {
        let reason = match listed.filter(|entry| entry.effect == Effect::Block) {
            Some(_) => words("blocked"),
            None => format!("score {score:.1} of {required:.1}"),
        };
        let rules = &config.categories.phishing;
        let phishing = verdict.hits.iter().find(|hit| rules.iter().any(|rule| rule.matches(&hit.rule)));
        if let Some(hit) = phishing.filter(|_| verdict.spam) {
            found.push((Category::Phishing, format!("{reason}, {}", hit.rule)));
        }
        found.push((Category::Spam, reason));
        found.sort_by_key(|(category, _)| *category);
    }

    let acted = found.iter().find_map(|(category, reason)| {
        let action = if *category == Category::Spam || *category == Category::Phishing {
            by_score(&actions, score, category.action(&actions))
        } else {
            category.action(&actions)
        };
        (*action != Action::Pass).then(|| (action.clone(), Some(*category), reason.clone()))
    });
    let (action, category, reason) = acted.unwrap_or_else(|| {
        let reason = match listed.map(|entry| entry.effect) {
            Some(Effect::Allow) => words("allowed"),
            _ => String::new(),
        };
        match found.first() {
            // A broken header alone is no reason to leave somebody else's X-Spam-Status standing.
            Some((Category::BadHeader, reason)) if actions.tag_ham => {
                (Action::Tag, Some(Category::BadHeader), reason.clone())
            }
            Some((category, reason)) => (Action::Pass, Some(*category), reason.clone()),
            None if actions.tag_ham => (Action::Tag, None, reason),
            None => (Action::Pass, None, reason),
        }
    });
    let (action, reason) = match wishes.defer {
        true => (Action::Defer, format!("the recipient's wishes cannot be learnt now; {reason}")),
        false => (action, reason),
    };
    Fate { recipient: recipient.clone(), direction, actions, action, category, reason, score, required, spam }
}

/// The hardest step that the score has reached, or what holds for all spam.
fn by_score<'a>(actions: &Actions, score: f64, spam: &'a Action) -> &'a Action {
    let steps = [
        (actions.discard_at, &Action::Discard),
        (actions.reject_at, &Action::Reject),
        (actions.hold_at, &Action::Hold),
        (actions.quarantine_at, &Action::Quarantine),
    ];
    let reached = steps.into_iter().filter(|(at, _)| *at > 0.0 && score >= *at);
    // Of equal scores the first, the harder one.
    reached.reduce(|best, next| if next.0 > best.0 { next } else { best }).map_or(spam, |(_, action)| action)
}

pub fn direction(config: &Config, scan: &Scan, recipient: &str) -> Direction {
    let peer = &scan.peer;
    if peer.authenticated.is_some() {
        return Direction::Submission;
    }
    let ours = peer.local || peer.inside || peer.address.is_some_and(|address| config.networks.is_internal(address));
    match ours {
        false => Direction::Inbound,
        true if config.networks.is_ours(recipient) => Direction::Internal,
        true => Direction::Outbound,
    }
}

fn fits(when: &When, scan: &Scan, via: &[String; 2], direction: Direction, recipient: &str) -> bool {
    let peer = &scan.peer;
    let sender = scan.sender.as_ref().map(|path| String::from_utf8_lossy(&path.address)).unwrap_or_default();
    let one = |wanted: &[crate::config::Addresses], address: &str| wanted.iter().any(|wanted| wanted.has(address));
    (when.direction.is_empty() || when.direction.contains(&direction))
        && (when.listener.is_empty()
            || via
                .iter()
                .chain(&peer.server.listener)
                .any(|name| when.listener.iter().any(|wanted| wanted.matches(name))))
        && (when.client.is_empty()
            || peer.address.is_some_and(|address| when.client.iter().any(|network| network.contains(address))))
        && (when.sender.is_empty() || one(&when.sender, &sender))
        && (when.recipient.is_empty() || one(&when.recipient, recipient))
        && (when.login.is_empty()
            || peer.authenticated.iter().any(|login| when.login.iter().any(|wanted| wanted.matches(&login.name))))
}
