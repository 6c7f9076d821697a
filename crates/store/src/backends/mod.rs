//! The places a store may have, one file each, one line in [`BACKENDS`]. Only here are files and sockets opened.

mod pool;
#[cfg(feature = "postgresql")]
pub mod postgresql;
#[cfg(feature = "redis")]
pub mod redis;
pub mod sqlite;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::time::Time;
use crate::{SetAside, Store};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Where a store is, as the configuration names it: a directory (`/var/lib/sekisho`, `sqlite:/var/lib/sekisho`),
/// `postgresql://user@host/database` or `redis://host:6379/0`.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    backend: &'static str,
    text: String,
    /// How long to wait for a lock or a server.
    pub patience: Duration,
}

/// A kind of place.
pub struct BackendEntry {
    pub name: &'static str,
    /// What a location of this kind begins with.
    pub schemes: &'static [&'static str],
    pub example: &'static str,
    pub about: &'static str,
    /// Whether this program was built with it.
    pub built_in: bool,
    open: fn(&Location) -> Result<Arc<dyn Backend>>,
}

#[cfg(not(all(feature = "postgresql", feature = "redis")))]
fn left_out(location: &Location) -> Result<Arc<dyn Backend>> {
    let why = "this program was built without support for it".into();
    Err(Error::Location { location: location.to_string(), why })
}

pub static BACKENDS: &[BackendEntry] = &[
    BackendEntry {
        name: "postgresql",
        schemes: &["postgresql:", "postgres:"],
        example: "postgresql://sekisho@db.example/sekisho",
        about: "for several machines; needs PostgreSQL 12 or newer",
        built_in: cfg!(feature = "postgresql"),
        #[cfg(feature = "postgresql")]
        open: |location| Ok(Arc::new(postgresql::PostgreSql::open(location)?)),
        #[cfg(not(feature = "postgresql"))]
        open: left_out,
    },
    BackendEntry {
        name: "redis",
        schemes: &["redis:", "redis+unix:", "unix:", "valkey:"],
        example: "redis://db.example:6379/0",
        about: "for several machines; Redis 6.2 or newer, or Valkey, with `appendonly yes` and `appendfsync always`",
        built_in: cfg!(feature = "redis"),
        #[cfg(feature = "redis")]
        open: |location| Ok(Arc::new(redis::Redis::open(location)?)),
        #[cfg(not(feature = "redis"))]
        open: left_out,
    },
    BackendEntry {
        name: "sqlite",
        schemes: &["sqlite:", "/"],
        example: "/var/lib/sekisho/store",
        about: "one directory on one machine, no server",
        built_in: true,
        open: |location| Ok(Arc::new(sqlite::Sqlite::open(location.directory(), location.patience)?)),
    },
];

const PATIENCE: Duration = Duration::from_secs(5);

impl Location {
    /// A directory of the embedded store.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Location {
        let directory: PathBuf = directory.into();
        Location { backend: "sqlite", text: directory.to_string_lossy().into_owned(), patience: PATIENCE }
    }

    pub fn with_patience(mut self, patience: Duration) -> Location {
        self.patience = patience;
        self
    }

    /// The name in [`BACKENDS`].
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from(self.text.strip_prefix("sqlite:").unwrap_or(&self.text))
    }

    /// As the server's client wants it, password included; and whether the operator wrote `durability=server`: the server
    /// may then promise what it likes.
    #[cfg(any(feature = "postgresql", feature = "redis"))]
    fn address(&self) -> (String, bool) {
        let (address, query) = self.text.split_once('?').unwrap_or((&self.text, ""));
        let (ours, theirs): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|part| !part.is_empty()).partition(|part| *part == "durability=server");
        let address = if theirs.is_empty() { address.to_owned() } else { format!("{address}?{}", theirs.join("&")) };
        (address, !ours.is_empty())
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Location> {
        let entry = BACKENDS.iter().find(|entry| entry.schemes.iter().any(|scheme| text.starts_with(scheme)));
        let entry = entry.ok_or_else(|| Error::Location {
            location: without_password(text),
            why: "it begins with none of the known words".into(),
        })?;
        let location = Location { backend: entry.name, text: text.to_owned(), patience: PATIENCE };
        if entry.name == "sqlite" && !location.directory().is_absolute() {
            let why = "the directory must be named from the root (/...)".into();
            return Err(Error::Location { location: text.to_owned(), why });
        }
        Ok(location)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.text))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// `scheme://user:password@host` without what nobody should read in a log.
fn without_password(text: &str) -> String {
    let (before_query, query) = text.split_once('?').map_or((text, None), |(before, query)| (before, Some(query)));
    let mut shown = match before_query.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split_once(':').map_or_else(|| user.to_owned(), |(name, _)| format!("{name}:***"));
                format!("{scheme}://{user}@{host}")
            }
            None => before_query.to_owned(),
        },
        None => before_query.to_owned(),
    };
    if let Some(query) = query {
        let parts: Vec<&str> = query.split('&').filter(|part| !part.starts_with("password")).collect();
        if !parts.is_empty() {
            shown.push('?');
            shown.push_str(&parts.join("&"));
        }
    }
    shown
}

pub(crate) fn spellings() -> String {
    BACKENDS.iter().map(|entry| entry.example).collect::<Vec<_>>().join(", ")
}

pub(crate) fn open(location: &Location) -> Result<Arc<dyn Backend>> {
    let entry = BACKENDS.iter().find(|entry| entry.name == location.backend);
    (entry.expect("a location is made with a name of the table").open)(location)
}

pub(crate) fn set_aside(location: &Location, now: Time) -> Result<SetAside> {
    if location.backend != "sqlite" {
        let why = "only a store in a directory can be set aside; a server's own tools repair its data".into();
        return Err(Error::Location { location: location.to_string(), why });
    }
    sqlite::set_aside(&location.directory(), location.patience, now)
}

const _: fn() = || {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Store>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_its_examples_are_locations() {
        assert!(BACKENDS.is_sorted_by_key(|entry| entry.name));
        for entry in BACKENDS {
            let location: Location = entry.example.parse().expect(entry.example);
            assert_eq!(location.backend(), entry.name);
            assert!(!entry.about.is_empty());
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
            ("postgresql://u:p@q@h/d?sslmode=prefer", "postgresql://u:***@h/d?sslmode=prefer"),
            ("postgresql://h/d?user=u&password=p", "postgresql://h/d?user=u"),
            ("redis://:p@h", "redis://:***@h"),
            ("redis://h/0", "redis://h/0"),
            ("/var/lib/x", "/var/lib/x"),
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), shown);
            assert_eq!(format!("{location:?}"), format!("Location({shown})"));
        }
    }

    #[test]
    fn no_place() {
        for text in ["", "store", "sqlite:store", "mysql://h/d", "http://u:secret@h"] {
            let error = text.parse::<Location>().expect_err(text);
            assert!(!error.to_string().contains("secret") && error.remedy().contains("/var/lib"), "{error}");
        }
    }
}
