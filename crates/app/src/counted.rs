//! Statistics of what the service judged: from the history, the registries' files and what people said of mail later.
//!
//! In: the store and the configuration. Out: a [`Report`]; `sekisho report` shows it, and the service sends it by mail every
//! `report.every`.

use crate::config::{Config, Language};
use crate::lessons::{self, By};
use crate::policy::notices;
use crate::serve::outbox;
use crate::{environment, feeds as app_feeds, geography};
use feeds::mmdb::Database;
use feeds::registry::delegated::Delegations;
use feeds::registry::origin::Origins;
use learn::Class;
use mail::views::Views;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use store::history::{Entry, Query};
use store::quarantine::{self, State};
use store::{Id, Store, Time};
use workshop::statistics::{Report, Seen, language_of};

/// Entries of one page.
const PAGE: usize = 500;
/// Keys of an entry's details.
pub const DIGEST: &str = "digest";
pub const LANGUAGE: &str = "language";
pub const HANDED_OVER_BY: &str = "handed_over_by";
/// How a check says whose name a message borrows.
const BRAND: &str = "brand: ";

/// After a report that could not be made, another is tried.
const TRY_AGAIN: Duration = Duration::from_secs(3_600);

/// What is known of addresses, beside the mail.
pub struct Places {
    delegations: Delegations,
    origins: Origins,
    systems: Option<Database>,
}

impl Places {
    /// The tables in `isp.data` and those that were fetched; what is not there is not known.
    pub fn load(config: &Config) -> Places {
        let (mut delegations, mut origins) = (Delegations::default(), Origins::default());
        for folder in app_feeds::registries(config, &config.isp.data) {
            for name in app_feeds::names(&folder) {
                let read = || std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
                if name.starts_with("delegated-") {
                    delegations.add(&read());
                } else if name.contains("ip2asn") || name.contains("pfx2as") {
                    origins.add(&read());
                }
            }
        }
        delegations.sort();
        origins.sort();
        let systems = app_feeds::selection(config).systems.and_then(|path| geography::read(&path).ok());
        Places { delegations, origins, systems }
    }

    /// `AS17639 GLOBALSPEED`; the administrator's own table goes first.
    fn origin(&self, address: Ipv4Addr) -> Option<String> {
        let own = self.origins.find(address).map(|origin| origin.to_string());
        own.or_else(|| {
            let found = self.systems.as_ref()?.system(IpAddr::V4(address))?;
            let holder: String = found.holder.chars().filter(|c| !c.is_control()).take(80).collect();
            Some(format!("AS{} {holder}", found.number).trim_end().to_owned())
        })
    }
}

/// Everything judged in a time.
pub fn count(store: &Store, config: &Config, since: Option<Time>, until: Option<Time>) -> anyhow::Result<Report> {
    let places = Places::load(config);
    let released = released(store, since)?;
    let taught = taught(&config.learn.folder);
    let mut report = Report::default();
    let mut before = None;
    loop {
        let page = store.history().search(&Query { since, until, limit: PAGE, before, ..Query::default() })?;
        for entry in &page.entries {
            report.add(&seen(entry, &places, &released, &taught));
        }
        before = page.entries.last().map(|entry| entry.id);
        if page.entries.is_empty() {
            return Ok(report);
        }
    }
}

fn seen(entry: &Entry, places: &Places, released: &HashSet<Id>, taught: &HashMap<u128, bool>) -> Seen {
    let address = address(entry);
    let delegation = address.and_then(|address| places.delegations.find(address));
    // `[PH]GLOBALSPEED-PH`: the rules of `sekisho isp`, and of a TLEC user_prefs.
    let country_of = |text: &str| {
        let (country, _) = text.strip_prefix('[')?.split_once(']')?;
        (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| country.to_owned())
    };
    let networks: Vec<(String, String)> =
        entry.hits.iter().filter_map(|hit| Some((hit.rule.clone(), country_of(&hit.description)?))).collect();
    let brands = entry.hits.iter().flat_map(|hit| &hit.notes).filter_map(|note| note.strip_prefix(BRAND));
    let mut brands: Vec<String> =
        brands.map(|brand| brand.chars().filter(|c| !c.is_control()).take(60).collect()).collect();
    brands.sort_unstable();
    brands.dedup();
    let was_released = entry.recipients.iter().filter_map(|to| to.quarantined).any(|id| released.contains(&id));
    let digest = entry.details.get(DIGEST).and_then(|digest| u128::from_str_radix(digest, 16).ok());
    let mut rules: Vec<String> = entry.hits.iter().map(|hit| hit.rule.clone()).collect();
    rules.sort_unstable();
    rules.dedup();
    let language = match entry.details.get(LANGUAGE) {
        Some(language) => language.clone(),
        None => language_of(&format!("{} {}", entry.subject, entry.from)).to_owned(),
    };
    Seen {
        day: environment::local_day(entry.id.time().seconds()),
        spam: entry.spam,
        registry: delegation.map(|line| line.registry.clone()).unwrap_or_default(),
        country: match (delegation, networks.first()) {
            (Some(line), _) if !line.country.is_empty() => line.country.clone(),
            (_, Some((_, country))) => country.clone(),
            _ => String::new(),
        },
        networks: networks.into_iter().map(|(name, _)| name).collect(),
        origin: address.and_then(|address| places.origin(address)).unwrap_or_default(),
        language,
        categories: entry.categories.clone(),
        rules,
        brands,
        // Somebody's word counts more than a release.
        truth: digest.and_then(|digest| taught.get(&digest).copied()).or(was_released.then_some(false)),
    }
}

/// The address of who handed the message over to us, or to those before us whom we trust. Whoever stands below it in the
/// header may be made up.
pub fn handed_over_by(views: &Views<'_>) -> Option<IpAddr> {
    views.relays().untrusted.first().filter(|relay| !relay.from_originating_header)?.ip
}

/// The same of a message that is gone, where it is an IPv4 address: registries' files and rules for networks know no other.
pub fn address(entry: &Entry) -> Option<Ipv4Addr> {
    as_ipv4(entry.details.get(HANDED_OVER_BY)?.parse().ok()?)
}

pub fn as_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(address) => address.to_ipv4_mapped(),
    }
}

/// What somebody let out of the quarantine.
fn released(store: &Store, since: Option<Time>) -> anyhow::Result<HashSet<Id>> {
    let mut found = HashSet::new();
    let mut before = None;
    loop {
        let query = quarantine::Query { since, limit: PAGE, before, ..Default::default() };
        let page = store.quarantine().list(&query)?;
        for entry in &page.entries {
            if entry.recipients.iter().any(|to| matches!(to.state, State::Released { .. })) {
                found.insert(entry.id);
            }
        }
        before = page.entries.last().map(|entry| entry.id);
        if page.entries.is_empty() {
            return Ok(found);
        }
    }
}

/// What people taught, the last word on each message: is it spam?
fn taught(folder: &Path) -> HashMap<u128, bool> {
    let mut said = HashMap::new();
    for segment in lessons::segments(folder) {
        let Ok((lessons, _)) = lessons::read(&segment.path, 0) else { continue };
        for (about, lesson) in lessons {
            match about.by {
                By::Hand | By::Told if !lesson.forget => said.insert(lesson.digest, lesson.seen.class == Class::Spam),
                By::Undo | By::Hand | By::Told => said.remove(&lesson.digest),
                _ => None,
            };
        }
    }
    said
}

/// `2026-11-15 – 2026-11-22`
pub fn period(since: Option<Time>, until: Option<Time>) -> String {
    let day = |time: Time| environment::local_day(time.seconds());
    let last = until.unwrap_or_else(environment::now);
    match since {
        Some(since) => format!("{} – {}", day(since), day(last)),
        None => format!("– {}", day(last)),
    }
}

/// Sends the statistics of the time since the last ones; by one of the machines that share the store.
pub fn digest(store: &Store, config: &Config) -> anyhow::Result<()> {
    let every = config.report.every.0;
    let to = config.report.to(&config.notify.postmaster);
    if every.is_zero() || to.is_empty() {
        return Ok(());
    }
    once_in(store, every, environment::now(), |since| {
        let report = count(store, config, Some(since), None)?;
        let language = match config.notify.language {
            Language::Ja => rules::explain::Language::Japanese,
            Language::En => rules::explain::Language::English,
        };
        let text = report.text(&period(Some(since), None), language, 72);
        outbox::enqueue(store, &[notices::report(&config.notify, to, &period(Some(since), None), text)?])
    })
}

/// Works once in a period. `work` is given the beginning of the period; what fails counts for nothing and is tried again,
/// but not at every look.
fn once_in(
    store: &Store,
    every: Duration,
    now: Time,
    work: impl FnOnce(Time) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let rates = store.rates();
    let again = TRY_AGAIN.min(every);
    if rates.add("report", b"", every, 0, now)? > 0
        || rates.add("report-try", b"", again, 0, now)? > 0
        || rates.add("report-try", b"", again, 1, now)? != 1
    {
        return Ok(());
    }
    work(now.before(every.max(Duration::from_secs(60))))?;
    rates.add("report", b"", every, 1, now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_could_not_be_made_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("sekisho-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("store").display().to_string().parse().unwrap()).unwrap();
        let every = Duration::from_secs(7 * 86_400);
        let now = environment::now();
        let mut tried = 0;
        let mut look = |seconds: u64, works: bool| {
            let work = |_| {
                tried += 1;
                if works { Ok(()) } else { Err(anyhow::anyhow!("the store is away")) }
            };
            let said = once_in(&store, every, now.after(Duration::from_secs(seconds)), work).is_ok();
            (said, tried)
        };
        assert_eq!(look(0, false), (false, 1));
        assert_eq!(look(5, false), (true, 1), "not at every look");
        assert_eq!(look(4_000, true), (true, 2));
        assert_eq!(look(8_000, true), (true, 2));
        assert_eq!(look(7 * 86_400, true), (true, 2), "once a period");
        assert_eq!(look(8 * 86_400, true), (true, 3));
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_forged_hop_chooses_no_address() {
        let entry = |address: Option<&str>| Entry {
            client_address: "203.0.113.5".into(),
            relays: vec!["[ ip=2001:db8::1 rdns= ]".into(), "[ ip=180.94.8.6 rdns= ]".into()],
            details: address.map(|address| (HANDED_OVER_BY.to_owned(), address.to_owned())).into_iter().collect(),
            ..Entry::default()
        };
        assert_eq!(address(&entry(Some("2001:db8::1"))), None);
        assert_eq!(address(&entry(None)), None);
        assert_eq!(address(&entry(Some("::ffff:192.0.2.1"))), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(address(&entry(Some("192.0.2.1"))), Some(Ipv4Addr::new(192, 0, 2, 1)));
    }
}
