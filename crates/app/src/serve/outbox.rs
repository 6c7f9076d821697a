//! Sends the notices that wait in the store, and makes the recipients' digests.

use super::Service;
use crate::config::Config;
use crate::environment;
use crate::handover::hand_over;
use crate::output::readable;
use crate::policy::notices::{self, Notice};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::outbox::{Backoff, State};
use store::{Store, Time, quarantine};

/// Between two looks for what is due.
const LOOK: Duration = Duration::from_secs(5);
/// Another may take a notice whose sender has been silent for so long.
const LEASE: Duration = Duration::from_secs(600);
const AT_ONCE: usize = 20;
/// Of the failures of one notice, the first is told and each of this number.
const TOLD: u32 = 10;
/// Entries of one digest run.
const HELD: usize = 10_000;

pub async fn run(service: Arc<Service>) {
    let Some(store) = service.store.clone() else { return };
    let mut looks = tokio::time::interval(LOOK);
    let mut stopping = service.stopping.clone();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let (store, config, service) = (store.clone(), service.config.load_full(), service.clone());
        let done = tokio::task::spawn_blocking(move || {
            for outcome in
                [digests(&store, &config), crate::counted::digest(&store, &config), send(&store, &config, &service)]
            {
                if let Err(error) = outcome {
                    service.journal.note(&format!("notices: {error:#}"));
                }
            }
        });
        let _ = done.await;
    }
}

/// On stable storage when this returns.
pub fn enqueue(store: &Store, notices: &[Notice]) -> anyhow::Result<()> {
    let now = environment::now();
    for notice in notices {
        store.outbox().enqueue(
            now,
            &environment::secret_random()?,
            notice.kind,
            notice.recipient.as_bytes(),
            &notice.body,
        )?;
    }
    Ok(())
}

fn send(store: &Store, config: &Config, service: &Service) -> anyhow::Result<()> {
    let outbox = store.outbox();
    let now = environment::now;
    for notice in outbox.take(now(), LEASE, AT_ONCE)? {
        match hand_over(&config.store.release, b"", &[&notice.recipient.0], &notice.body.0) {
            Ok(()) => outbox.sent(notice.id, now())?,
            Err(error) => {
                service.metrics.notice_failed();
                let error = format!("{error:#}");
                let state = outbox.failed(notice.id, &error, &Backoff::default(), now())?;
                let given_up = matches!(state, State::GivenUp { .. });
                if notice.attempts == 1 || notice.attempts.is_multiple_of(TOLD) || given_up {
                    service.journal.note(&format!(
                        "notices: {} to <{}> not sent: {}; {}",
                        notice.kind,
                        readable(&notice.recipient.0, 300),
                        readable(error.as_bytes(), 1000),
                        if given_up { "given up" } else { "tried again later" }
                    ));
                }
            }
        }
    }
    Ok(())
}

/// What was held since the last time, to each recipient; by one of the machines that share the store.
fn digests(store: &Store, config: &Config) -> anyhow::Result<()> {
    let every = config.notify.digest.0;
    if every.is_zero() {
        return Ok(());
    }
    let now = environment::now();
    let rates = store.rates();
    if rates.add("digest", b"", every, 0, now)? > 0 || rates.add("digest", b"", every, 1, now)? != 1 {
        return Ok(());
    }
    let start = now.millis().saturating_sub(u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
    let since = Time::from_millis(i64::try_from(start).unwrap_or(0));
    let mut held: BTreeMap<String, Vec<quarantine::Entry>> = BTreeMap::new();
    let mut before = None;
    for _ in 0..HELD / 500 {
        let query = quarantine::Query { held_only: true, since: Some(since), limit: 500, before, ..Default::default() };
        let page = store.quarantine().list(&query)?;
        for entry in &page.entries {
            for to in entry.recipients.iter().filter(|to| to.state == quarantine::State::Held) {
                held.entry(to.recipient.lossy().to_lowercase()).or_default().push(entry.clone());
            }
        }
        before = page.entries.last().map(|entry| entry.id);
        if page.entries.is_empty() {
            break;
        }
    }
    for (recipient, entries) in &held {
        enqueue(store, &[notices::digest(&config.notify, recipient, entries)?])?;
    }
    Ok(())
}
