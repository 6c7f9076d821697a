//! A day's reports, made and put into the outbox, from which the service sends them.
//!
//! A domain's day is reported once, whichever machine does it; what could not be sent is said, and not tried again: the
//! owner has tomorrow's.

use super::xml::{self, DAY, Reporter};
use super::{agreed, destinations};
use crate::config::Config;
use crate::{environment, feeds, loading};
use anyhow::Context;
use engine::{Answer, Record};
use flate2::Compression;
use flate2::write::GzEncoder;
use mail::tld::Registry;
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, Time};

/// A report, ready.
pub struct Report {
    pub domain: String,
    pub messages: u64,
    pub rows: usize,
    pub xml: String,
    pub file_name: String,
    /// As its record names them.
    pub record: String,
}

pub fn reporter(config: &Config) -> Reporter {
    let reports = &config.reports;
    let own = || match reports.address.rsplit_once('@') {
        Some((_, domain)) => domain.to_owned(),
        None => environment::host_name().to_owned(),
    };
    let submitter = if reports.submitter.is_empty() { own() } else { reports.submitter.clone() };
    Reporter {
        organisation: if reports.organisation.is_empty() { submitter.clone() } else { reports.organisation.clone() },
        address: if reports.address.is_empty() { format!("postmaster@{submitter}") } else { reports.address.clone() },
        contact: reports.contact.clone(),
        generator: format!("sekisho {}", environment::VERSION),
        submitter,
    }
}

/// The reports of a day, of one domain or all.
pub fn of_day(
    config: &Config,
    store: &Store,
    day: i64,
    domain: Option<&str>,
    now: Time,
) -> anyhow::Result<Vec<Report>> {
    let domains = store.reports().domains(day)?;
    let wanted = domains.into_iter().filter(|own| domain.is_none_or(|domain| own.eq_ignore_ascii_case(domain)));
    wanted.map(|own| of_domain(config, store, day, own, now)).collect()
}

/// One report: its rows are read, and its XML is made.
pub fn of_domain(config: &Config, store: &Store, day: i64, domain: String, now: Time) -> anyhow::Result<Report> {
    let (reporter, shelf) = (reporter(config), store.reports());
    let rows = shelf.of(day, &domain)?;
    let left_out = shelf.left_out(day, &domain, 0, now)?;
    Ok(Report {
        messages: rows.iter().map(|row| row.count).sum::<u64>() + left_out,
        rows: rows.len(),
        xml: xml::report(&reporter, &domain, day, &rows, left_out),
        file_name: xml::file_name(&reporter, &domain, day),
        record: rows.last().map(|row| row.record.clone()).unwrap_or_default(),
        domain,
    })
}

/// Domains of a day that nobody has reported yet.
pub fn due(store: &Store, day: i64, now: Time) -> store::Result<Vec<String>> {
    let mut due = Vec::new();
    for domain in store.reports().domains(day)? {
        if !was_sent(store, &domain, day, now)? {
            due.push(domain);
        }
    }
    Ok(due)
}

pub fn gzip(xml: &str) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(xml.as_bytes())?;
    Ok(encoder.finish()?)
}

/// A day's report is known to have been sent for so long.
const SENT: Duration = Duration::from_secs(30 * DAY.unsigned_abs());
const KIND: &str = "dmarc reported";

fn key(domain: &str, day: i64) -> Vec<u8> {
    format!("{domain} {day}").into_bytes()
}

pub fn was_sent(store: &Store, domain: &str, day: i64, now: Time) -> store::Result<bool> {
    Ok(store.seen().known(KIND, &key(domain, day), now)?.is_some())
}

/// What became of one report.
#[derive(Debug, Default)]
pub struct Sent {
    pub to: Vec<String>,
    pub not: Vec<String>,
}

/// Into the outbox. `None`: somebody else has reported this.
pub fn enqueue(
    config: &Config,
    store: &Store,
    report: &Report,
    day: i64,
    again: bool,
    now: Time,
    ask: &mut dyn FnMut(&str, Record) -> Answer,
) -> anyhow::Result<Option<Sent>> {
    let first = store.seen().note(KIND, &key(&report.domain, day), SENT, now)?.count == 1;
    if !first && !again {
        return Ok(None);
    }
    let suffixes = feeds::suffixes(config).and_then(|path| loading::suffixes(&path).ok());
    let registry = Registry::default().with_suffixes(suffixes.map(Arc::new));
    let reporter = reporter(config);
    let packed = gzip(&report.xml)?;
    let mut sent = Sent::default();
    for wanted in destinations(&report.record) {
        let agreed = match agreed(&report.domain, &wanted, &registry, ask) {
            Ok(agreed) => agreed,
            Err(why) => {
                sent.not.push(why);
                continue;
            }
        };
        for to in agreed {
            if sent.to.contains(&to.address) {
                continue;
            }
            // A mail is a third longer than what it carries.
            let size = packed.len() as u64 * 4 / 3;
            if let Some(limit) = to.limit.filter(|limit| size > *limit) {
                sent.not.push(format!("{} takes {limit} bytes, and the report has {size}", to.address));
                continue;
            }
            let message = message(&reporter, report, day, &to.address, &packed)?;
            store.outbox().enqueue(
                now,
                &environment::secret_random()?,
                "dmarc-report",
                to.address.as_bytes(),
                &message,
            )?;
            sent.to.push(to.address);
        }
    }
    Ok(Some(sent))
}

fn message(reporter: &Reporter, report: &Report, day: i64, to: &str, packed: &[u8]) -> anyhow::Result<Vec<u8>> {
    let random = store::Hash::of(&environment::secret_random()?);
    let text = format!(
        "This is the DMARC aggregate report of {} for {}: {} messages, from {} to {} (UTC).\n",
        reporter.submitter,
        report.domain,
        report.messages,
        day_name(day),
        day_name(day)
    );
    let message = MessageBuilder::new()
        .from((reporter.organisation.as_str(), reporter.address.as_str()))
        .to(to)
        .header("Subject", Raw::new(xml::subject(reporter, &report.domain, day)))
        .message_id(format!("{random}@{}", reporter.submitter))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .text_body(text)
        .attachment("application/gzip", report.file_name.as_str(), packed)
        .write_to_vec()
        .context("writing the mail")?;
    Ok(message)
}

/// `2026-11-21`, in UTC.
pub fn day_name(day: i64) -> String {
    let time = jiff::Timestamp::from_second(day.saturating_mul(DAY)).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// The reverse.
pub fn day_named(name: &str) -> Option<i64> {
    let date: jiff::civil::Date = name.parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() / DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names() {
        assert_eq!((day_name(20_000).as_str(), day_named("2024-10-04")), ("2024-10-04", Some(20_000)));
        assert_eq!(day_named("yesterday"), None);
    }

    #[test]
    fn what_was_reported_is_not_due() {
        let folder = std::env::temp_dir().join(format!("sekisho-dmarc-due-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder.display().to_string().parse().unwrap()).unwrap();
        let now = Time::from_seconds(20_001 * DAY);
        let keep = store::Span::from_secs(8 * DAY.unsigned_abs());
        for domain in ["a.example", "b.example"] {
            let row = store::reports::Row { domain: domain.into(), ..Default::default() };
            store.reports().add(row, keep, now).unwrap();
        }
        assert_eq!(due(&store, 20_001, now).unwrap(), ["a.example", "b.example"]);
        let config = Config::default();
        let report = of_domain(&config, &store, 20_001, "a.example".into(), now).unwrap();
        assert_eq!((report.rows, report.messages), (1, 1));
        let mut nobody = |_: &str, _| Answer::NoSuchName;
        assert!(enqueue(&config, &store, &report, 20_001, false, now, &mut nobody).unwrap().is_some());
        assert_eq!(due(&store, 20_001, now).unwrap(), ["b.example"]);
        assert!(due(&store, 20_002, now).unwrap().is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
