//! New rules and a new configuration while mail goes on: whole, or the old ones.
//!
//! SIGHUP reads both. Rule files are looked at now and then besides (`rules.watch`): by names, lengths and times, not by
//! a notification of the kernel, which every system has another of and network file systems have none.

use super::gate::Gate;
use super::journal::Journal;
use super::{Service, active, load, settings};
use crate::answers::dns::Resolver;
use crate::answers::dns::tls::Tell;
use crate::config::Config;
use crate::environment;
use crate::rule_files::Selection;
use crate::signing::Signer;
use crate::{feeds, rule_files, signatures};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `None`: the usual places.
    pub file: Option<PathBuf>,
    /// The command line said so.
    pub observe: bool,
}

impl Origin {
    pub fn load(&self) -> anyhow::Result<Config> {
        let (mut config, _) = Config::load(self.file.as_deref())?;
        if self.observe {
            config.mode = crate::config::Mode::Observe;
        }
        Ok(config)
    }

    /// The command that tells at length what is wrong with the rules.
    pub fn lint(&self) -> String {
        match &self.file {
            Some(file) => format!("sekisho lint -c {}", file.display()),
            None => "sekisho lint".into(),
        }
    }
}

/// The rules that a configuration names, and those of feeds.
pub fn selection(config: &Config) -> Selection {
    feeds::selection(config)
}

/// A valid configuration, but for what cannot change any more; else nothing.
pub async fn configuration(service: &Service, origin: &Origin) {
    let journal = service.journal;
    let read = origin.clone();
    let loaded = tokio::task::spawn_blocking(move || read.load()).await;
    let taken = match loaded {
        Ok(Ok(mut config)) => {
            let fixed = keep_fixed(&service.config.load(), &mut config);
            signer(service, &mut config);
            match Gate::new(&config) {
                Ok(gate) => service.gate.store(Arc::new(gate)),
                Err(error) => journal.note(&format!("exempt clients not reloaded: {error:#}; the old ones stay")),
            }
            if !fixed.is_empty() {
                journal.note(&format!("configuration: only a restart changes {}", fixed.join(", ")));
            }
            service.settings.store(Arc::new(settings(&config)));
            service.scanners.store(Arc::new(service.scanners.load().renewed(&config.scanner)));
            service.config.store(Arc::new(config));
            resolver(service, &service.engine.load());
            journal.note("configuration reloaded");
            true
        }
        Ok(Err(error)) => {
            journal.note(&format!("configuration not reloaded: {error:#}; the old one stays"));
            false
        }
        Err(_) => {
            journal.note("configuration not reloaded: the program failed on it; the old one stays");
            false
        }
    };
    service.metrics.configuration_reloaded(taken);
}

/// What has been built at the start stays as it was; the keys that would differ.
fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut fixed = Vec::new();
    let mut keep = |key, same: bool| {
        if !same {
            fixed.push(key);
        }
    };
    keep("listen", old.listen == new.listen);
    keep("service.user and group", (&old.service.user, &old.service.group) == (&new.service.user, &new.service.group));
    keep("limits.concurrent", old.limits.concurrent == new.limits.concurrent);
    keep("limits.connections", old.limits.connections == new.limits.connections);
    keep("limits.memory", old.limits.memory == new.limits.memory);
    keep("dns.waiting", old.dns.waiting == new.dns.waiting);
    keep("lookup", old.lookup == new.lookup);
    keep("relay", old.relay == new.relay);
    keep("learn", old.learn == new.learn);
    keep("store.location", old.store.location == new.store.location);
    keep("log.format", old.log.format == new.log.format);
    new.listen = old.listen.clone();
    new.service.user = old.service.user.clone();
    new.service.group = old.service.group.clone();
    new.limits.concurrent = old.limits.concurrent;
    new.limits.connections = old.limits.connections;
    new.limits.memory = old.limits.memory;
    new.dns.waiting = old.dns.waiting;
    new.lookup = old.lookup.clone();
    new.relay = old.relay.clone();
    new.learn = old.learn.clone();
    new.store.location = old.store.location.clone();
    new.log.format = old.log.format;
    fixed
}

/// New keys, all of them, or the old ones with what was said of them.
fn signer(service: &Service, config: &mut Config) {
    match Signer::load(config) {
        Ok(signer) => {
            signer.notes.iter().for_each(|note| service.journal.note(note));
            service.signer.store(Arc::new(signer));
        }
        Err(error) => {
            service.journal.note(&format!("keys not reloaded: {error:#}; the old ones stay"));
            let old = service.config.load();
            (config.dkim, config.arc) = (old.dkim.clone(), old.arc.clone());
        }
    }
}

/// Another resolver, where the configuration or the rules name other servers.
fn resolver(service: &Service, engine: &engine::Engine) {
    let old = service.resolver.load();
    let config = service.config.load();
    let handle = tokio::runtime::Handle::current();
    match for_service(Option::as_ref(&old), &config, engine, &handle, service.journal) {
        Ok(new) => service.resolver.store(Arc::new(new)),
        Err(error) => service.journal.note(&format!("{error:#}; the old resolver stays")),
    }
}

/// `None` where nothing is to be asked.
pub fn for_service(
    old: Option<&Resolver>,
    config: &Config,
    engine: &engine::Engine,
    handle: &tokio::runtime::Handle,
    journal: Journal,
) -> anyhow::Result<Option<Resolver>> {
    if environment::is_local() {
        return Ok(None);
    }
    let tell: Tell = Arc::new(move |text| journal.note(text));
    Resolver::renewed(old, &config.dns, &engine.ruleset.settings, handle, &tell)
}

/// New rules, whole, or the old ones.
pub async fn rules(service: &Service, origin: &Origin) {
    let journal = service.journal;
    let selection = selection(&service.config.load());
    let learner = service.learner.clone();
    let Ok(loaded) = tokio::task::spawn_blocking(move || load(&selection, learner.as_deref())).await else {
        journal.note("rules not reloaded: the program failed on them; the old ones stay");
        return service.metrics.rules_reloaded(false);
    };
    let (before, now) = (active(&service.engine.load()), active(&loaded.engine));
    let errors = loaded.serious().count();
    let taken = match loaded.problems.first() {
        Some(problem) => {
            journal.note(&format!("rules not reloaded: {problem}; the old ones stay"));
            false
        }
        // A truncated download is a sad reason to let spam in.
        None if now * 2 < before => {
            journal.note(&format!(
                "rules not reloaded: only {now} rules of {before} are left, with {errors} errors; the old ones stay; \
                 see: {}",
                origin.lint()
            ));
            false
        }
        // A file that can no longer be read leaves a hole where its rules were.
        None if now < before && errors > service.errors.load(Ordering::Relaxed) => {
            journal.note(&format!(
                "rules not reloaded: {} rules fewer and {errors} errors; the old ones stay; see: {}",
                before - now,
                origin.lint()
            ));
            false
        }
        None => {
            service.errors.store(errors, Ordering::Relaxed);
            journal.note(&format!("rules reloaded: {now} rules, {errors} errors in rule files"));
            resolver(service, &loaded.engine);
            service.engine.store(Arc::new(loaded.engine));
            true
        }
    };
    service.metrics.rules_reloaded(taken);
}

/// New signatures, whole, or the old ones. Lines that cannot be understood keep nothing out but themselves.
pub async fn signatures(service: &Service) {
    let journal = service.journal;
    let config = service.config.load_full();
    let Ok(loaded) = tokio::task::spawn_blocking(move || signatures::load(&feeds::signatures(&config), true)).await
    else {
        journal.note("signatures not reloaded: the program failed on them; the old ones stay");
        return service.metrics.signatures_reloaded(false);
    };
    let count = |loaded: &signatures::Loaded| loaded.signatures.as_ref().map_or(0, |these| these.database.set.len());
    let (before, now) = (count(&service.signatures.load()), count(&loaded));
    let refused = match loaded.problems.first() {
        Some(problem) => Some(problem.clone()),
        // As with rules: half of a download is no reason to let everything in.
        None if now * 2 < before => Some(format!("only {now} signatures of {before} are left")),
        None => None,
    };
    match &refused {
        Some(why) => journal.note(&format!("signatures not reloaded: {why}; the old ones stay")),
        None if before == 0 && now == 0 => return,
        None => {
            tell_signatures(&journal, "reloaded: ", &loaded);
            service.signatures.store(Arc::new(loaded));
        }
    }
    service.metrics.signatures_reloaded(refused.is_none());
}

/// What was loaded, if anything was there.
pub fn tell_signatures(journal: &Journal, reloaded: &str, loaded: &signatures::Loaded) {
    for problem in &loaded.problems {
        journal.note(&format!("signatures: {problem}"));
    }
    if let Some(these) = &loaded.signatures {
        let (count, errors) = (these.database.set.len(), loaded.errors());
        journal.note(&format!("signatures {reloaded}{count}, {errors} errors in their files"));
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Rules,
    Signatures,
    /// Both, as a client may ask for.
    All,
}

/// While files are being written they change from look to look.
const QUIET: Duration = Duration::from_millis(500);
/// Whoever writes longer is read at the next turn.
const LOOKS: usize = 60;
/// While watching is off, how often to see whether it still is.
const OFF: Duration = Duration::from_secs(60);

/// Says when files have changed and rest again.
pub async fn watch(service: Arc<Service>, what: What, changed: mpsc::Sender<What>) {
    let mut known = look(&service, what).await;
    loop {
        let every = service.config.load().rules.watch.0;
        tokio::time::sleep(if every.is_zero() { OFF } else { every }).await;
        let mut now = look(&service, what).await;
        if every.is_zero() || now == known {
            known = now;
            continue;
        }
        for _ in 0..LOOKS {
            tokio::time::sleep(QUIET).await;
            let again = look(&service, what).await;
            let rest = again == now;
            now = again;
            if rest {
                break;
            }
        }
        // Those that are refused now are not tried again until they change.
        known = now;
        if changed.send(what).await.is_err() {
            return;
        }
    }
}

type Seen = Vec<(PathBuf, u64, Option<SystemTime>)>;

async fn look(service: &Service, what: What) -> Seen {
    let config = service.config.load_full();
    let look = tokio::task::spawn_blocking(move || {
        let about = |path: PathBuf| {
            let about = path.metadata().ok();
            let (length, time) = about.map_or((0, None), |about| (about.len(), about.modified().ok()));
            (path, length, time)
        };
        let paths = match what {
            What::Rules => rule_files::watched(&selection(&config)),
            What::Signatures | What::All => signatures::files(&feeds::signatures(&config).folders).0,
        };
        paths.into_iter().map(about).collect()
    });
    look.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_stays_and_is_named() {
        let old = Config::parse("[limits]\nconcurrent = 3\ndeadline = \"10s\"").unwrap();
        let text = "[limits]\nconcurrent = 4\ndeadline = \"20s\"\n[store]\nlocation = \"/elsewhere\"\n[log]\nformat = \
                    \"json\"\n[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:1\"";
        let mut new = Config::parse(text).unwrap();
        assert_eq!(keep_fixed(&old, &mut new), ["listen", "limits.concurrent", "store.location", "log.format"]);
        let mut expected = old.clone();
        expected.limits.deadline = new.limits.deadline;
        assert_eq!(new, expected);
        assert_eq!(keep_fixed(&old, &mut new), Vec::<&str>::new());
    }
}
