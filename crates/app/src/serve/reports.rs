//! Reports the day that is over, once an hour until that is done: whichever machine comes first does it.

use super::Service;
use super::journal::visible;
use crate::dmarc::send;
use crate::environment;
use engine::{Answer, Record};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::reports::Row;

const LOOK: Duration = Duration::from_secs(3600);
/// The first look, so that a service that is restarted often reports too.
const FIRST: Duration = Duration::from_secs(60);

pub async fn run(service: Arc<Service>) {
    let Some(store) = service.store.clone() else { return };
    let mut stopping = service.stopping.clone();
    let mut wait = FIRST;
    loop {
        // Not all at the same minute: whole worlds of days end at midnight.
        let late = LOOK.mul_f64(environment::chance() / 4.0);
        tokio::select! {
            () = tokio::time::sleep(wait + late) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        wait = LOOK;
        let config = service.config.load_full();
        if !config.reports.send {
            continue;
        }
        let (store, journal) = (store.clone(), service.journal);
        let (service, runtime) = (service.clone(), tokio::runtime::Handle::current());
        let done = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let now = environment::now();
            let day = Row::day_of(now) - 1;
            let resolver = service.resolver.load_full();
            let deadline = config.dns.deadline.0;
            let mut ask = |name: &str, record: Record| match Option::as_ref(&resolver) {
                Some(resolver) => runtime.block_on(resolver.ask(name, record, Instant::now() + deadline)),
                None => Answer::NotAsked,
            };
            // One at a time: a report can have ten thousand rows.
            for domain in send::due(&store, day, now)? {
                let report = send::of_domain(&config, &store, day, domain, now)?;
                let Some(sent) = send::enqueue(&config, &store, &report, day, false, now, &mut ask)? else { continue };
                let domain = &report.domain;
                for why in &sent.not {
                    service.journal.note(&visible(&format!("reports: {domain}: {why}")));
                }
                if !sent.to.is_empty() {
                    let to = sent.to.join(", ");
                    service
                        .journal
                        .note(&visible(&format!("reports: {domain}, {} messages, to {to}", report.messages)));
                }
            }
            Ok(())
        });
        if let Ok(Err(error)) = done.await {
            journal.note(&format!("reports: {error:#}"));
        }
    }
}
