//! Clock, host, environment, chance: what the core is handed and never asks for itself.
#![allow(clippy::disallowed_methods)] // this is the place that the lint names

use engine::markup::Stamp;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The SpamAssassin release whose rules and output we follow.
pub const SPAMASSASSIN_VERSION: &str = "4.0.1";

/// Our own release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `SEKISHO_LOCAL=1`: as `-L`, everywhere.
pub fn is_local() -> bool {
    variable("SEKISHO_LOCAL").is_some_and(|value| value != "0")
}

pub fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const SYSTEM_CACHE: &str = "/var/cache/sekisho";

fn is_ours(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    folder.metadata().is_ok_and(|about| about.is_dir() && about.uid() == rustix::process::geteuid().as_raw())
}

/// Where compiled rules of the service are kept.
pub fn service_cache() -> PathBuf {
    cache_named().unwrap_or_else(|| SYSTEM_CACHE.into())
}

fn cache_named() -> Option<PathBuf> {
    // The second systemd made for us.
    variable("SEKISHO_CACHE").or_else(|| variable("CACHE_DIRECTORY")).map(PathBuf::from)
}

/// Where compiled rules are kept: `/var/cache/sekisho` for whose it is, else the user's cache folder. Root too writes to no
/// folder of another.
pub fn cache_folder() -> Option<PathBuf> {
    if let Some(folder) = cache_named() {
        return Some(folder);
    }
    if is_ours(Path::new(SYSTEM_CACHE)) {
        return Some(SYSTEM_CACHE.into());
    }
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(home()?.join(".cache")))?;
    Some(base.join("sekisho"))
}

/// The locale as `LC_ALL`, `LC_MESSAGES`, `LANG` give it, first come first served; empty: `C`.
pub fn locale() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable).unwrap_or_default()
}

/// As SpamAssassin chooses the language of descriptions.
pub fn rule_language() -> String {
    ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable).unwrap_or_default()
}

pub fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Nanoseconds of processor time that this thread has used.
pub fn processor_nanoseconds() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since the first call.
pub fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// As systemd counts time.
pub fn monotonic_microseconds() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// For output that must differ from run to run, never for secrets.
fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}

/// Somewhere from 0 up to 1, for spreading load.
pub fn chance() -> f64 {
    f64::from(random()) / (f64::from(u32::MAX) + 1.0)
}

/// For secrets and names that nobody may guess.
pub fn secret_random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// The time, as the store wants it.
pub fn now() -> store::Time {
    store::Time::from_millis(milliseconds())
}

fn milliseconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The time of day here, as in a `Date:` field.
pub fn date() -> String {
    jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// The same with the zone's name behind, as mail servers write it in a Received field.
pub fn mail_date() -> String {
    jiff::Zoned::now().strftime("%a, %-d %b %Y %H:%M:%S %z (%Z)").to_string()
}

/// `2026-11-21 18:43`, here.
pub fn local_time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2026-11-21`, here.
pub fn local_day(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d").to_string()
}

/// The first second of `2026-11-21`, here; `None`: no day.
pub fn day_begins(day: &str) -> Option<i64> {
    let day: jiff::civil::Date = day.parse().ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp().as_second())
}

/// As clamscan writes it.
pub fn clam_date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y:%m:%d %H:%M:%S").to_string()
}

/// For log lines that programs read.
pub fn timestamp() -> String {
    jiff::Timestamp::now().to_string()
}

/// As SpamAssassin's debug lines begin.
pub fn debug_date() -> String {
    jiff::Zoned::now().strftime("%b %e %H:%M:%S.%3f").to_string()
}

/// The host's full name as `/etc/hosts` gives it, else its own; never asks DNS.
pub fn host_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let own = rustix::system::uname().nodename().to_string_lossy().replace(['(', ')'], "");
        if own.contains('.') {
            return own;
        }
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        full_name(&hosts, &own).unwrap_or(own)
    })
}

/// The first name in the first line for `own` that is `own` with a domain.
fn full_name(hosts: &str, own: &str) -> Option<String> {
    let names = |line: &'_ str| -> Vec<String> {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    let line = hosts.lines().map(names).find(|names| names.iter().any(|name| name == own))?;
    line.into_iter().find(|name| name.strip_prefix(own).is_some_and(|rest| rest.starts_with('.')))
}

/// What marked-up mail says of where and when.
pub fn stamp() -> Stamp {
    Stamp {
        host: host_name().to_owned(),
        date: date(),
        time: unix_time() as u32,
        random: random(),
        version: SPAMASSASSIN_VERSION.to_owned(),
        subversion: format!("sekisho {VERSION}"),
        product: "sekisho".to_owned(),
        product_version: VERSION.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn the_full_name_stands_in_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n# mx\n192.0.2.1\tmx.example.jp mx # us\n";
        assert_eq!(full_name(hosts, "mx").as_deref(), Some("mx.example.jp"));
        assert_eq!(full_name(hosts, "localhost"), None);
        assert_eq!(full_name("", "mx"), None);
    }
}
