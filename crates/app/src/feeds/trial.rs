//! New rules and signatures on good mail, before they count: what would have stopped it is suspended.
//!
//! Rules that were scored over a large corpus hit some good mail by design; of those, only what turns a message from good
//! to spam is suspended. Of all others, whatever weighs enough (`feeds.ham_score`) and hits at all; a signature always.

use super::progress::Progress;
use super::suspended::{Suspended, Suspension};
use super::{Feed, selection, selection_with};
use crate::config::Config;
use crate::debug::Debug;
use crate::rule_files::Selection;
use crate::{environment, input, loading};
use engine::signatures::walk;
use engine::{Engine, Scratch};
use mail::views::{ViewConfig, Views};
use mail::{Envelope, Limits, Message, Transaction, Verdict};
use std::collections::BTreeMap;
use std::path::Path;

/// A larger message says nothing more about rules.
const LARGEST: usize = 4 << 20;

/// How often something hit, where first, and with what score if it has one.
struct Hits {
    count: usize,
    first: String,
    score: Option<f64>,
}

/// What of the feed, were this folder its set, is to be suspended.
pub fn rules(
    config: &Config,
    feed: &Feed,
    folder: &Path,
    suspended: &Suspended,
    progress: &Progress,
) -> Vec<Suspension> {
    let ham = places(config);
    if ham.is_empty() {
        return Vec::new();
    }
    let load = |mut selection: Selection| {
        selection.local = true;
        loading::load(&selection, false, true, &Debug::default()).engine
    };
    let new = load(selection_with(config, Some((&feed.name, folder))));
    let old = feed.scored.then(|| load(selection(config)));
    let here = folder.display().to_string();
    let mut scratch = Scratch::new();
    let tried = try_on(&ham, progress, |message| {
        let transaction = Transaction { envelope: Envelope::default(), message, now: environment::unix_time() };
        let verdict = engine::judge(&new, &transaction, &mut scratch);
        let before = old.as_ref().map(|old| engine::judge(old, &transaction, &mut scratch));
        suspects(config, &new, &here, &verdict, before.as_ref())
    });
    tried.suspensions(feed, suspended, true)
}

/// Likewise of signatures, with what is overridden on this machine and without those of other feeds.
pub fn signatures(
    config: &Config,
    feed: &Feed,
    folder: &Path,
    suspended: &Suspended,
    progress: &Progress,
) -> Vec<Suspension> {
    let ham = places(config);
    if ham.is_empty() {
        return Vec::new();
    }
    let mut settings = config.signatures.clone();
    settings.folders = vec![folder.to_owned(), super::suspended::folder(config)];
    let Some(these) = crate::signatures::load(&settings, false).signatures else { return Vec::new() };
    let here = folder.display().to_string();
    let views = ViewConfig::default();
    let mut scratch = Scratch::new();
    let tried = try_on(&ham, progress, |message| {
        let views = Views::new(&message, &views);
        let report = walk::message(&these.database, &views, &these.options, &mut scratch.signatures);
        let of_the_feed = |id| these.database.set.source(id).starts_with(&here);
        let hits = report.hits.iter().filter(|hit| hit.signature.is_some_and(of_the_feed));
        hits.map(|hit| (hit.name.strip_suffix(".UNOFFICIAL").unwrap_or(&hit.name).to_owned(), None)).collect()
    });
    tried.suspensions(feed, suspended, false)
}

/// What hit good messages, by name, and of how many.
struct Trial {
    found: BTreeMap<String, Hits>,
    messages: usize,
}

/// Shows each message to `hits`, which names what should not have hit it.
fn try_on(
    ham: &[input::Place],
    progress: &Progress,
    mut hits: impl FnMut(Message) -> Vec<(String, Option<f64>)>,
) -> Trial {
    let mut trial = Trial { found: BTreeMap::new(), messages: 0 };
    for (index, place) in ham.iter().enumerate() {
        progress.messages(index as u64 + 1, ham.len() as u64);
        let Ok(bytes) = place.read() else { continue };
        if bytes.len() > LARGEST {
            continue;
        }
        trial.messages += 1;
        for (name, score) in hits(Message::parse(&bytes, &Limits::default())) {
            let entry = trial.found.entry(name);
            entry.or_insert_with(|| Hits { count: 0, first: place.name(), score }).count += 1;
        }
    }
    trial
}

impl Trial {
    /// All that was found and is not pardoned.
    fn suspensions(self, feed: &Feed, suspended: &Suspended, is_rule: bool) -> Vec<Suspension> {
        let messages = self.messages;
        let suspension = |(name, hits): (String, Hits)| {
            let score = hits.score.map(|score| format!("score {score} ")).unwrap_or_default();
            let reason = format!("{score}on {} of {messages} good messages, {} first", hits.count, hits.first);
            let since = environment::unix_time();
            Suspension { feed: feed.name.clone(), reason, name, is_rule, since, pardoned: false }
        };
        self.found.into_iter().filter(|(name, _)| !suspended.is_pardoned(name)).map(suspension).collect()
    }
}

/// The feed's rules that hit, and weigh too much for good mail.
fn suspects(
    config: &Config,
    engine: &Engine,
    here: &str,
    verdict: &Verdict,
    before: Option<&Verdict>,
) -> Vec<(String, Option<f64>)> {
    let of_the_feed = |rule: &str| {
        let rule = engine.ruleset.find(rule).map(|id| &engine.ruleset.rules[id.index()]);
        let file = rule.and_then(|rule| engine.ruleset.files.get(rule.location.file as usize));
        file.is_some_and(|(name, _)| name.starts_with(here))
    };
    let heavier = |rule: &str, score: f64| match before {
        None => score >= config.feeds.ham_score,
        Some(before) => {
            let then = before.hits.iter().find(|hit| hit.rule == rule).map_or(0.0, |hit| hit.score);
            verdict.spam && !before.spam && score > then.max(0.0)
        }
    };
    let hits = verdict.hits.iter().filter(|hit| heavier(&hit.rule, hit.score) && of_the_feed(&hit.rule));
    hits.map(|hit| (hit.rule.clone(), Some(hit.score))).collect()
}

/// As many messages as are wanted, from all over the folders.
fn places(config: &Config) -> Vec<input::Place> {
    if config.feeds.ham.is_empty() {
        return Vec::new();
    }
    let all = input::find(&config.feeds.ham, input::Format::Detect);
    let step = all.len().div_ceil(config.feeds.ham_messages.max(1)).max(1);
    all.into_iter().step_by(step).collect()
}
