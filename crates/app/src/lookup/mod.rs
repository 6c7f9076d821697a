//! What single recipients want: from our own store, from a database, from a directory.
//!
//! In: addresses. Out: for each the keys of `[actions]` that differ. A source that fails is told, and is an outcome of its
//! own: the configuration says whether the message waits for it. Answers are kept for a while, failures are not.

mod ldap;
mod sql;

use crate::config::{self, Changes, OnError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use store::Store;

/// Names and values, as a source has them.
type Values = BTreeMap<String, String>;

/// Addresses whose answers are kept.
const KEPT: usize = 10_000;

/// A place outside that is asked.
trait Source: Send + Sync {
    /// `None`: it knows nothing of this address.
    fn ask(&self, address: &str) -> anyhow::Result<Option<Values>>;
}

pub struct Lookup {
    sources: Vec<(&'static str, Box<dyn Source>)>,
    settings: config::Lookup,
    known: Mutex<HashMap<String, (Instant, Values)>>,
}

/// The wishes of one recipient, and what went wrong on the way to them.
#[derive(Debug, Default, PartialEq)]
pub struct Wishes {
    pub changes: Changes,
    pub troubles: Vec<String>,
    /// The message has to wait for them.
    pub defer: bool,
}

impl Lookup {
    /// Connects to nothing yet.
    pub fn new(settings: &config::Lookup) -> anyhow::Result<Lookup> {
        let mut sources: Vec<(&'static str, Box<dyn Source>)> = Vec::new();
        if !settings.sql.is_empty() {
            sources.push(("sql", sql::open(settings)?));
        }
        if !settings.ldap.is_empty() {
            sources.push(("ldap", Box::new(ldap::Directory::new(settings))));
        }
        Ok(Lookup { sources, settings: settings.clone(), known: Mutex::default() })
    }

    /// The narrowest that is known: for the address, else for its domain (`@example.jp`); our own store has the last word.
    pub fn wishes(&self, store: Option<&Store>, address: &str) -> Wishes {
        let mut wishes = Wishes::default();
        let address = address.to_lowercase();
        if address.is_empty() {
            return wishes;
        }
        match self.outside(&address) {
            Ok(values) => wishes.take("lookup", &values),
            Err(error) => {
                wishes.troubles.push(format!("lookup: {error:#}"));
                wishes.defer = self.settings.on_error == OnError::Defer;
            }
        }
        if let Some(store) = store {
            match store.users().preferences(&address) {
                Ok(values) => wishes.take("preferences", &values),
                Err(error) => wishes.troubles.push(format!("preferences: {error}")),
            }
        }
        wishes
    }

    fn outside(&self, address: &str) -> anyhow::Result<Values> {
        if self.sources.is_empty() {
            return Ok(Values::new());
        }
        let now = Instant::now();
        if let Some((_, values)) = self.known().get(address).filter(|(at, _)| now - *at < self.settings.cache.0) {
            return Ok(values.clone());
        }
        let mut all = Values::new();
        for (name, source) in &self.sources {
            let domain = address.rfind('@').map(|at| &address[at..]);
            let asked = [Some(address), domain.filter(|domain| *domain != address)];
            for address in asked.into_iter().flatten() {
                let found = source.ask(address).map_err(|error| error.context(*name))?;
                if let Some(found) = found {
                    all.extend(found);
                    break;
                }
            }
        }
        let mut known = self.known();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(address.to_owned(), (now, all.clone()));
        Ok(all)
    }

    /// A thread that panicked left whole entries.
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Values)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wishes {
    fn take(&mut self, source: &str, values: &Values) {
        for (key, value) in values {
            // A table has other columns, a user other preferences: they are not ours to judge.
            if Changes::has(key)
                && let Err(error) = self.changes.set(key, value)
            {
                self.troubles.push(format!("{source}: {key}: {error}"));
            }
        }
    }
}
