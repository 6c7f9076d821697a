//! Preferences of users: names and values, what they mean is the caller's. Compared without regard to ASCII case.

use crate::backend::{Backend, Durability, Expect, Range, Shelf};
use crate::error::{Error, Result};
use crate::format::{self, text_position};
use crate::shelves::{self, Kept};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of one user.
const MAX_PREFERENCES: usize = 1_000;
const MAX_NAME: usize = 320;
const MAX_VALUE: usize = 16 << 10;

pub type Preferences = BTreeMap<String, String>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    pub user: String,
    pub preferences: Preferences,
}

impl Kept for User {
    const SHELF: Shelf = Shelf::Users;

    fn key(&self) -> Vec<u8> {
        self.user.as_bytes().to_vec()
    }

    fn lists(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("name", text_position(self.user.as_bytes()))]
    }
}

/// See [`crate::Store::users`].
#[derive(Clone)]
pub struct Users {
    backend: Arc<dyn Backend>,
}

impl Users {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Users {
        Users { backend }
    }

    /// All of a user's; none where the user set none.
    pub fn preferences(&self, user: &str) -> Result<Preferences> {
        let key = user.to_ascii_lowercase();
        let found = shelves::get::<User>(self.backend.as_ref(), key.as_bytes())?;
        Ok(found.map(|(_, user)| user.preferences).unwrap_or_default())
    }

    pub fn set(&self, user: &str, name: &str, value: &str) -> Result<()> {
        for (what, text, limit) in [("user", user, MAX_NAME), ("name", name, MAX_NAME), ("value", value, MAX_VALUE)] {
            if text.len() > limit {
                return Err(shelves::too_much(what, limit));
            }
        }
        if user.is_empty() || name.is_empty() {
            return Err(Error::Input { what: "user and name".into(), why: "neither may be empty".into() });
        }
        self.change(user, |preferences| {
            if preferences.len() >= MAX_PREFERENCES && !preferences.contains_key(name) {
                return Err(shelves::too_much("preferences of one user", MAX_PREFERENCES));
            }
            preferences.insert(name.to_owned(), value.to_owned());
            Ok(true)
        })
        .map(drop)
    }

    /// Whether there was one.
    pub fn unset(&self, user: &str, name: &str) -> Result<bool> {
        self.change(user, |preferences| Ok(preferences.remove(name).is_some()))
    }

    /// Names after `after` in order, at most `limit`.
    pub fn list(&self, after: &str, limit: usize) -> Result<Vec<User>> {
        let mut from = text_position(after.to_ascii_lowercase().as_bytes());
        if !after.is_empty() {
            from.extend_from_slice(after.to_ascii_lowercase().as_bytes());
            from.push(0);
        }
        let range = Range { shelf: Shelf::Users, list: "name", from: &from, to: None, backwards: false, limit };
        self.backend.range(&range)?.iter().map(|record| format::read(Shelf::Users, record)).collect()
    }

    fn change(&self, user: &str, mut change: impl FnMut(&mut Preferences) -> Result<bool>) -> Result<bool> {
        let user = user.to_ascii_lowercase();
        let what = || format!("preferences of {user}");
        shelves::retry(self.backend.as_ref(), Durability::Synced, what, || {
            let found = shelves::get::<User>(self.backend.as_ref(), user.as_bytes())?;
            let (expect, mut kept) = match &found {
                Some((record, kept)) => (Expect::Version(record.version), kept.clone()),
                None => (Expect::Absent, User { user: user.clone(), ..User::default() }),
            };
            let changed = change(&mut kept.preferences)?;
            let changes = match (changed, &found) {
                (false, _) => Vec::new(),
                (true, Some((record, _))) if kept.preferences.is_empty() => vec![shelves::delete::<User>(record)],
                (true, _) => vec![shelves::put(&kept, expect)],
            };
            Ok((changes, changed))
        })
    }
}
