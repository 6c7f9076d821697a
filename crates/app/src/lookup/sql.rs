//! A row of a table as names and values: PostgreSQL, or an SQLite file.

use super::{Source, Values};
use crate::config::Lookup;
use anyhow::Context;
use postgres::{Client, Config, NoTls};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub fn open(settings: &Lookup) -> anyhow::Result<Box<dyn Source>> {
    if let Some(path) = settings.sql.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Ok(Box::new(Sqlite { path: path.into(), query: settings.query.clone(), timeout: settings.timeout.0 }));
    }
    let mut config: Config = settings.sql.parse().context("lookup: sql")?;
    let milliseconds = settings.timeout.0.as_millis();
    config.connect_timeout(settings.timeout.0).options(&format!("-c statement_timeout={milliseconds}"));
    // A server that lost its power says nothing any more.
    config.tcp_user_timeout(settings.timeout.0.saturating_mul(3)).keepalives_idle(Duration::from_secs(15));
    config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
    // The database itself turns a row of any types into text.
    let query = format!("SELECT to_jsonb(found)::text FROM ({}) AS found LIMIT 1", settings.query);
    Ok(Box::new(PostgreSql { config, query, idle: Mutex::default() }))
}

struct PostgreSql {
    config: Config,
    query: String,
    idle: Mutex<Vec<Client>>,
}

impl PostgreSql {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for PostgreSql {
    fn ask(&self, address: &str) -> anyhow::Result<Option<Values>> {
        let kept = self.idle().pop().filter(|client| !client.is_closed());
        let again = kept.is_some();
        let mut client = match kept {
            Some(client) => client,
            None => self.config.connect(NoTls)?,
        };
        let found = match client.query_opt(&self.query, &[&address]) {
            // The server was restarted since.
            Err(error) if again && (error.is_closed() || client.is_closed()) => {
                client = self.config.connect(NoTls)?;
                client.query_opt(&self.query, &[&address])?
            }
            found => found?,
        };
        self.idle().push(client);
        let Some(row) = found else { return Ok(None) };
        let text: String = row.try_get(0)?;
        let columns: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)?;
        let value = |value| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        Ok(Some(columns.into_iter().filter_map(|(name, found)| Some((name, value(found)?))).collect()))
    }
}

/// Opened anew each time: it is a file, and may be replaced.
struct Sqlite {
    path: PathBuf,
    query: String,
    timeout: Duration,
}

impl Source for Sqlite {
    fn ask(&self, address: &str) -> anyhow::Result<Option<Values>> {
        let database = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| self.path.display().to_string())?;
        database.busy_timeout(self.timeout)?;
        let mut statement = database.prepare(&self.query)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([address])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut values = Values::new();
        for (at, name) in names.into_iter().enumerate() {
            let text = match row.get_ref(at)? {
                ValueRef::Null | ValueRef::Blob(_) => continue,
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            };
            values.insert(name, text);
        }
        Ok(Some(values))
    }
}
