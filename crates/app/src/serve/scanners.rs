//! Other virus scanners beside: each message is shown to all of them at once, under one deadline, before our rules judge.
//!
//! In: the message. Out: a [`Scanned`] for each scanner, never an error: what went wrong is a result of its own, and the
//! configuration says what it means. A scanner has one or more addresses, tried in order; an address that has failed
//! several times running is left alone for a while, longer each time, and then tried by one message.
//!
//! A connection serves one message. To be connected costs next to nothing beside a scan, and a connection that a scanner
//! has closed meanwhile costs a message its time.

use super::connection::Stream;
use super::listen::Address;
use super::relay;
use crate::config::scanner::{Finds, OnUnavailable, Scanner};
use crate::environment;
use crate::policy::category::Category;
use mail::{Evidence, Hit};
use protocols::clamd;
use protocols::scanner::{Client, Event, Kind, Options, Report, Task};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// All that are configured.
#[derive(Default)]
pub struct Scanners(Vec<Arc<One>>);

struct One {
    settings: Scanner,
    kind: &'static Kind,
    places: Vec<Place>,
    at_once: Semaphore,
    counts: [AtomicU64; RESULTS.len()],
}

struct Place {
    address: Address,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// Running.
    failures: u32,
    /// Left alone until then.
    rests: Option<Instant>,
    last: String,
}

/// What a scanner made of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    pub settings: Scanner,
    pub result: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Clean,
    Found(Vec<String>),
    /// Looked at, but not at everything; or not shown to it at all.
    Incomplete(String),
    Unavailable(String),
}

/// In the metrics.
const RESULTS: [&str; 4] = ["clean", "found", "incomplete", "unavailable"];
/// From so many failures running an address is left alone ...
const FAILURES: u32 = 3;
/// ... for so long, doubled each time ...
const REST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// To say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

impl Health {
    /// Whether to try now. Whoever is the first after a rest tries alone.
    fn may_try(&mut self, now: Instant) -> bool {
        match self.rests {
            Some(until) if now < until => false,
            Some(_) => {
                self.rests = Some(now + rest(self.failures));
                true
            }
            None => true,
        }
    }

    fn failed(&mut self, now: Instant, why: &str) {
        self.failures = self.failures.saturating_add(1);
        self.last = why.to_owned();
        if self.failures >= FAILURES {
            self.rests = Some(now + rest(self.failures));
        }
    }

    fn succeeded(&mut self) {
        *self = Health::default();
    }
}

fn rest(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(FAILURES).min(16);
    REST.saturating_mul(1 << doubled).min(LONGEST_REST)
}

impl Scanners {
    pub fn new(settings: &[Scanner]) -> Scanners {
        let one = |settings: &Scanner| {
            let place = |address: &Address| Place { address: address.clone(), health: Mutex::default() };
            Some(Arc::new(One {
                settings: settings.clone(),
                kind: settings.kind()?,
                places: settings.address.iter().map(place).collect(),
                at_once: Semaphore::new(settings.at_once),
                counts: Default::default(),
            }))
        };
        Scanners(settings.iter().filter_map(one).collect())
    }

    /// What stays as it was keeps what it knows.
    pub fn renewed(&self, settings: &[Scanner]) -> Scanners {
        let mut new = Scanners::new(settings);
        for one in &mut new.0 {
            if let Some(old) = self.0.iter().find(|old| old.settings == one.settings) {
                *one = old.clone();
            }
        }
        new
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows the message to all; no longer than `limit`.
    pub async fn scan(&self, message: Arc<Vec<u8>>, limit: Duration) -> Vec<Scanned> {
        let mut work = JoinSet::new();
        for (number, one) in self.0.iter().enumerate() {
            let (one, message) = (one.clone(), message.clone());
            work.spawn(async move { (number, one.scan(message, limit).await) });
        }
        let mut results: Vec<Option<Outcome>> = vec![None; self.0.len()];
        while let Some(done) = work.join_next().await {
            if let Ok((number, result)) = done {
                results[number] = Some(result);
            }
        }
        let scanned = self.0.iter().zip(results).map(|(one, result)| {
            let result = result.unwrap_or_else(|| Outcome::Unavailable("the program failed on it".into()));
            one.count(&result);
            Scanned { settings: one.settings.clone(), result }
        });
        scanned.collect()
    }

    /// Each scanner's name with its results so far.
    pub fn counts(&self) -> Vec<(String, [(&'static str, u64); RESULTS.len()])> {
        let counts = |one: &Arc<One>| {
            let each = |n: usize| (RESULTS[n], one.counts[n].load(Ordering::Relaxed));
            (one.settings.name.clone(), std::array::from_fn(each))
        };
        self.0.iter().map(counts).collect()
    }

    /// Asks every address of every scanner whether it is there and whether it finds the test string.
    pub async fn test(&self, mail: &[u8]) -> Vec<Tested> {
        let mut tested = Vec::new();
        for one in &self.0 {
            for place in &one.places {
                let limit = one.settings.deadline.0;
                let alive = one.exchange(place, Work::Ping, limit).await;
                let began = Instant::now();
                let found = one.exchange(place, Work::Scan(Arc::new(mail.to_vec())), limit).await;
                tested.push(Tested {
                    name: one.settings.name.clone(),
                    kind: one.kind.name,
                    address: place.address.to_string(),
                    alive,
                    found,
                    took: began.elapsed(),
                });
            }
        }
        tested
    }
}

/// One address of one scanner.
pub struct Tested {
    pub name: String,
    pub kind: &'static str,
    pub address: String,
    pub alive: Report,
    pub found: Report,
    pub took: Duration,
}

enum Work {
    Ping,
    Scan(Arc<Vec<u8>>),
}

impl One {
    fn count(&self, result: &Outcome) {
        let place = match result {
            Outcome::Clean => 0,
            Outcome::Found(_) => 1,
            Outcome::Incomplete(_) => 2,
            Outcome::Unavailable(_) => 3,
        };
        self.counts[place].fetch_add(1, Ordering::Relaxed);
    }

    async fn scan(&self, message: Arc<Vec<u8>>, limit: Duration) -> Outcome {
        if message.len() as u64 > self.settings.size.0 {
            return Outcome::Incomplete(format!(
                "not shown to it: longer than its size, {} bytes",
                self.settings.size.0
            ));
        }
        let limit = limit.min(self.settings.deadline.0);
        match timeout(limit, self.try_all(message, limit)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unavailable("no answer in time".into()),
        }
    }

    async fn try_all(&self, message: Arc<Vec<u8>>, limit: Duration) -> Outcome {
        let began = Instant::now();
        let Ok(_turn) = self.at_once.acquire().await else {
            return Outcome::Unavailable("stopping".into());
        };
        let mut why = None;
        for (number, place) in self.places.iter().enumerate() {
            if !place.health().may_try(Instant::now()) {
                let last = place.health().last.clone();
                why.get_or_insert(format!("{} is left alone for a while after: {last}", place.address));
                continue;
            }
            // Those behind it get their share of the time, too.
            let share = limit.saturating_sub(began.elapsed()) / (self.places.len() - number) as u32;
            let report = self.exchange(place, Work::Scan(message.clone()), share.mul_f64(0.95)).await;
            let outcome = match report {
                Report::Clean => Outcome::Clean,
                Report::Found(names) => Outcome::Found(names),
                Report::Incomplete(why) => Outcome::Incomplete(why),
                Report::Failed(what) | Report::Alive(what) => {
                    place.health().failed(Instant::now(), &what);
                    why = Some(format!("{}: {what}", place.address));
                    continue;
                }
            };
            place.health().succeeded();
            return outcome;
        }
        Outcome::Unavailable(why.unwrap_or_else(|| "no address".into()))
    }

    /// One task on one connection.
    async fn exchange(&self, place: &Place, work: Work, limit: Duration) -> Report {
        match timeout(limit, self.converse(place, work)).await {
            Ok(report) => report,
            Err(_) => Report::Failed("no answer in time".into()),
        }
    }

    async fn converse(&self, place: &Place, work: Work) -> Report {
        let host = match &place.address {
            Address::Inet(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Address::Inet(host, port) => format!("{host}:{port}"),
            Address::Unix(_) => String::new(),
        };
        let options = Options { host, service: self.settings.service.clone(), session: false };
        let mut client = (self.kind.open)(&options);
        let mut file = None;
        let task = match work {
            Work::Ping => Task::Ping,
            Work::Scan(message) if self.kind.files => match Spooled::write(&self.settings.folder, message).await {
                Ok(spooled) => Task::File(file.insert(spooled).0.as_os_str().as_bytes().to_vec()),
                Err(error) => return Report::Failed(format!("{}: {error}", self.settings.folder.display())),
            },
            Work::Scan(message) if self.kind.name == "clamd" => Task::Scan(typed_as_mail(message)),
            Work::Scan(message) => Task::Scan(message),
        };
        let stream = match relay::connect(&place.address).await {
            Ok(stream) => stream,
            Err(error) => return Report::Failed(error.to_string()),
        };
        client.ask(task);
        talk(&mut *client, stream).await
    }
}

impl Place {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns the crank until the one task is reported on. Reads while it writes: a scanner may have heard enough.
async fn talk(client: &mut dyn Client, stream: Box<dyn Stream>) -> Report {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = vec![0; 16 << 10];
    let mut writes = true;
    loop {
        match client.next_event() {
            None => {}
            Some(Event::Close) => return Report::Failed("the connection ended".into()),
            Some(Event::Report { report, .. }) => {
                client.finish();
                client.fill();
                let _ = timeout(FAREWELL, writer.write_all(client.output())).await;
                return report;
            }
        }
        client.fill();
        let something = writes && !client.output().is_empty();
        tokio::select! {
            written = writer.write(client.output()), if something => match written {
                Ok(length) if length > 0 => drop(client.output().drain(..length)),
                // It may have answered nevertheless.
                _ => writes = false,
            },
            read = reader.read(&mut buffer) => match read {
                Ok(length) if length > 0 => client.receive(&buffer[..length]),
                _ => client.end_of_input(),
            },
        }
    }
}

/// What clamd does not recognise as mail it scans as one text, its attachments unopened.
fn typed_as_mail(message: Arc<Vec<u8>>) -> Arc<Vec<u8>> {
    match clamd::client::is_recognised(&message) {
        true => message,
        false => Arc::new([b"Return-Path: <>\r\n", message.as_slice()].concat()),
    }
}

/// A message in a file, for a scanner that is told names; taken away in the end.
struct Spooled(PathBuf);

impl Spooled {
    async fn write(folder: &std::path::Path, message: Arc<Vec<u8>>) -> std::io::Result<Spooled> {
        let random = environment::secret_random().map_err(std::io::Error::other)?;
        let name: String = random.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let spooled = Spooled(folder.join(format!("sekisho-{name}.eml")));
        // It goes with the work: where nobody waits for the file any more, it is taken away when it is there.
        let written = tokio::task::spawn_blocking(move || {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(&spooled.0)?;
            // Whatever our umask says, the scanner's group may read it: the folder's owner has chosen it.
            file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
            file.write_all(&message)?;
            Ok(spooled)
        });
        written.await.map_err(std::io::Error::other)?
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Scanned {
    /// What stands among the rules' hits; `None`: nothing to tell.
    pub fn hit(&self) -> Option<Hit> {
        let Scanner { name, score, on_unavailable, .. } = &self.settings;
        let rule = self.settings.rule();
        match &self.result {
            Outcome::Clean => None,
            Outcome::Found(names) => {
                let seen = |found: &String| Evidence {
                    view: format!("scanner:{name}"),
                    matched: found.clone().into_bytes(),
                    offset: 0,
                };
                Some(Hit {
                    count: names.len() as u32,
                    evidence: names.iter().map(seen).collect(),
                    ..Hit::new(rule, *score, format!("{name} found {}", names.join(", ")))
                })
            }
            Outcome::Unavailable(_) if *on_unavailable == OnUnavailable::Pass => None,
            Outcome::Incomplete(why) | Outcome::Unavailable(why) => {
                Some(Hit::new(format!("{rule}_UNCHECKED"), 0.0, format!("{name} has not looked at it: {why}")))
            }
        }
    }

    pub fn category(&self) -> Option<(Category, String)> {
        let name = &self.settings.name;
        match &self.result {
            Outcome::Clean => None,
            Outcome::Found(names) => {
                let category = match self.settings.category {
                    Finds::Virus => Category::Virus,
                    Finds::Banned => Category::Banned,
                    Finds::Phishing => Category::Phishing,
                    Finds::Spam => return None,
                };
                Some((category, format!("{name}: {}", names.join(", "))))
            }
            Outcome::Unavailable(_) if self.settings.on_unavailable == OnUnavailable::Pass => None,
            Outcome::Incomplete(why) | Outcome::Unavailable(why) => {
                Some((Category::Unchecked, format!("{name}: {why}")))
            }
        }
    }

    /// Why the message is not to be taken now.
    pub fn defers(&self) -> Option<String> {
        match &self.result {
            Outcome::Unavailable(why) if self.settings.on_unavailable == OnUnavailable::Defer => {
                Some(format!("scanner {} is unavailable: {why}", self.settings.name))
            }
            _ => None,
        }
    }

    /// For the log, where nothing else tells it.
    pub fn trouble(&self) -> Option<String> {
        match &self.result {
            Outcome::Unavailable(why) => Some(format!("scanner {}: {why}", self.settings.name)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spooled_file_that_nobody_waits_for_goes() {
        let folder = std::env::temp_dir().join(format!("sekisho-spooled-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (go, waits) = std::sync::mpsc::channel::<()>();
            let before = tokio::task::spawn_blocking(move || waits.recv().is_ok());
            let mut writing = Box::pin(Spooled::write(&folder, Arc::new(b"mail".to_vec())));
            assert!(timeout(Duration::ZERO, &mut writing).await.is_err(), "its turn has not come");
            drop(writing);
            drop(go);
            before.await.unwrap();
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        });
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_address_that_fails_is_left_alone_longer_and_longer() {
        let mut health = Health::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert!(health.may_try(start));
            health.failed(start, "refused");
        }
        assert!(!health.may_try(start) && !health.may_try(start + REST / 2));
        // One tries, the others wait for what comes of it.
        assert!(health.may_try(start + REST) && !health.may_try(start + REST));
        health.failed(start + REST, "refused");
        assert!(!health.may_try(start + 2 * REST) && health.may_try(start + 3 * REST));
        assert_eq!(rest(1000), LONGEST_REST);
        health.succeeded();
        assert!(health.may_try(start) && health.failures == 0);
    }
}
