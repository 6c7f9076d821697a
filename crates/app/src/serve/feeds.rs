//! Updates feeds while mail goes on, one after the other.
//!
//! A feed is asked at a random moment after its hour, since all the world's cron tables ask at the full one. New rules are
//! noticed by whoever watches rule files ([`super::reload::watch`]); here nothing is loaded.

use super::journal::visible;
use super::{Service, outbox};
use crate::config::{Config, SHORTEST};
use crate::environment;
use crate::feeds::progress::Progress;
use crate::feeds::state::State;
use crate::feeds::update::{self, Options, Outcome, Report};
use crate::feeds::{self, Feed};
use crate::policy::notices;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks whether something is due.
const LOOK: Duration = Duration::from_secs(30);

pub async fn run(service: Arc<Service>) {
    let mut stopping = service.stopping.clone();
    let mut wait = delay(&service.config.load());
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        wait = LOOK;
        let config = service.config.load_full();
        if !config.feeds.schedule {
            continue;
        }
        let look = config.clone();
        let due = match tokio::task::spawn_blocking(move || due(&look)).await {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                service.journal.note(&format!("feeds: {error:#}"));
                wait = Duration::from_secs(3600);
                continue;
            }
            Err(_) => continue,
        };
        for feed in due {
            tokio::select! {
                () = tokio::time::sleep(delay(&config)) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let run = config.clone();
            let updated = tokio::task::spawn_blocking(move || {
                update::update(&run, &feed, Options::default(), &Progress::silent())
            });
            if let Ok(report) = updated.await {
                tell(&service, &report).await;
            }
        }
    }
}

/// Not when everybody else does.
fn delay(config: &Config) -> Duration {
    if config.feeds.delay.0.is_zero() {
        return Duration::ZERO;
    }
    let longest = config.feeds.delay.0.as_secs().max(SHORTEST);
    let more = (longest - SHORTEST) as f64 * environment::chance();
    Duration::from_secs(SHORTEST).saturating_add(Duration::from_secs_f64(more))
}

fn due(config: &Config) -> anyhow::Result<Vec<Feed>> {
    let now = environment::unix_time();
    let wanted = feeds::all(config)?.into_iter().filter(|feed| feed.on && !feed.is_gone());
    Ok(wanted.filter(|feed| State::load(&feed.shelf(config)).due(feed.every) <= now).collect())
}

#[derive(Serialize)]
struct Record<'a> {
    feed: &'a str,
    result: &'static str,
    files: usize,
    signatures: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suspended: Vec<&'a str>,
}

/// A line for what was new or went wrong; an alarm for the postmaster.
async fn tell(service: &Service, report: &Report) {
    let name = &report.feed;
    let mut record = Record {
        feed: name,
        result: "",
        files: 0,
        signatures: 0,
        refused: report.refused.iter().map(|(file, failure)| format!("{file}: {failure}")).collect(),
        suspended: report.suspended.iter().map(|one| one.name.as_str()).collect(),
    };
    let text = match &report.outcome {
        Outcome::Changed { files, lines } => {
            (record.result, record.files, record.signatures) = ("changed", *files, *lines);
            format!("feed {name}: {files} new files, {lines} lines in all")
        }
        Outcome::Failed(failure) => {
            record.result = "failed";
            record.refused.push(failure.to_string());
            format!("feed {name}: {failure}; what it had stays")
        }
        Outcome::Unchanged if record.refused.is_empty() => return,
        Outcome::Unchanged => {
            record.result = "refused";
            format!("feed {name}: nothing new")
        }
        Outcome::Busy | Outcome::NotDue(_) => return,
    };
    let journal = service.journal;
    journal.record("feed", &visible(&text), &record);
    for (file, failure) in &report.refused {
        journal.note(&visible(&format!("feed {name}: {file} refused: {failure}; the old one stays")));
    }
    for one in &report.suspended {
        journal.note(&visible(&format!("feed {name}: {} is suspended: {}", one.name, one.reason)));
    }
    for note in &report.notes {
        journal.note(&visible(&format!("feed {name}: {note}")));
    }
    let config = service.config.load_full();
    let (Some(alarm), Some(store)) = (report.alarm.clone(), service.store.clone()) else { return };
    if config.notify.postmaster.is_empty() {
        return;
    }
    let feed = name.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let notice = notices::feed(&config.notify, &config.notify.postmaster, &feed, &alarm)?;
        outbox::enqueue(&store, &[notice])
    });
    if let Ok(Err(error)) = kept.await {
        journal.note(&format!("feed {name}: the notice could not be kept: {error:#}"));
    }
}
