//! The store in PostgreSQL, for several machines.
//!
//! Everything lives in the schema `sekisho`. Contents are rows that records refer to by foreign key, so the database
//! itself keeps the promise that a named content stays. Words are an array under a GIN index: they are made in
//! `search.rs`, so that a search finds what it finds everywhere. Changes lock their records in the order of their keys,
//! which keeps two batches from waiting for each other.
//!
//! Connections are pooled and blocking. There is no TLS here yet: a server on another machine is reached over a private
//! network or a tunnel; a location that demands TLS (`sslmode=require`) is refused rather than served without.

use super::Location;
use super::pool::Pool;
use crate::backend::{Applied, Backend, Change, Count, Durability, Expect, Range, Record, Shelf};
use crate::error::{Error, Result};
use crate::format::Hash;
use crate::time::{Time, millis};
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, Statement};
use std::collections::HashMap;
use std::time::Duration;

const IDLE: usize = 16;
const DEADLOCK_TRIES: usize = 5;
/// Any number will do, as long as all sekishos use the same: who makes or migrates the schema is alone.
const MIGRATION_LOCK: i64 = 0x0073_656b_6973_686f;

/// Each brings the schema from the form before to the next. Never changed once released, only added to.
const MIGRATIONS: &[&str] = &["
    CREATE SEQUENCE sekisho.version;
    CREATE TABLE sekisho.content (hash bytea PRIMARY KEY, size bigint NOT NULL, bytes bytea NOT NULL);
    ALTER TABLE sekisho.content ALTER COLUMN bytes SET STORAGE EXTERNAL;
    CREATE TABLE sekisho.record (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        shelf text NOT NULL,
        key bytea NOT NULL,
        version bigint NOT NULL,
        value bytea NOT NULL,
        words text[],
        content bytea REFERENCES sekisho.content,
        UNIQUE (shelf, key)
    );
    CREATE INDEX record_content ON sekisho.record (content) WHERE content IS NOT NULL;
    CREATE INDEX record_words ON sekisho.record USING gin (words);
    CREATE TABLE sekisho.position (
        shelf text NOT NULL,
        list text NOT NULL,
        at bytea NOT NULL,
        record bigint NOT NULL REFERENCES sekisho.record ON DELETE CASCADE,
        PRIMARY KEY (shelf, list, at)
    );
    CREATE INDEX position_record ON sekisho.position (record);
    CREATE TABLE sekisho.count (
        name bytea NOT NULL,
        slot bigint NOT NULL,
        value bigint NOT NULL,
        expires bigint NOT NULL,
        PRIMARY KEY (name, slot)
    );
    CREATE INDEX count_expires ON sekisho.count (expires);
"];

pub struct PostgreSql {
    config: Config,
    location: Location,
    idle: Pool<Connection>,
}

struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

type Sql<T> = std::result::Result<T, postgres::Error>;

impl Connection {
    fn rows(&mut self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Sql<Vec<Row>> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(sql)?;
                self.statements.insert(sql, statement.clone());
                statement
            }
        };
        self.client.query(&statement, parameters)
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn record_of(row: &Row) -> Record {
    Record { key: row.get(0), version: row.get::<_, i64>(1).cast_unsigned(), value: row.get(2) }
}

/// What a transaction came to.
enum Outcome<T> {
    Commit(T),
    Rollback(T),
}

/// A server that lost its power says nothing any more: without this a call waits for hours. What the location says stands.
fn notice_dead_peers(config: &mut Config, patience: Duration) {
    const USUAL: Duration = Duration::from_secs(2 * 3600);
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(patience.saturating_mul(12));
    }
    if config.get_keepalives_idle() == USUAL {
        config.keepalives_idle(Duration::from_secs(15));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
}

impl PostgreSql {
    pub fn open(location: &Location) -> Result<PostgreSql> {
        let wrong = |why: String| Error::Location { location: location.to_string(), why };
        let (address, accepted) = location.address();
        let mut config: Config = address.parse().map_err(|e: postgres::Error| wrong(described(&e)))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(wrong("TLS to PostgreSQL is not built in; use a private network or a tunnel".into()));
        }
        config.ssl_mode(SslMode::Disable);
        config.connect_timeout(location.patience);
        notice_dead_peers(&mut config, location.patience);
        if config.get_application_name().is_none() {
            config.application_name("sekisho");
        }
        let store = PostgreSql { config, location: location.clone(), idle: Pool::new(IDLE) };
        if !accepted {
            store.check_durability()?;
        }
        store.prepare()?;
        Ok(store)
    }

    fn check_durability(&self) -> Result<()> {
        let sql = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'";
        match self.read("looking at its settings", sql, &[])?.first() {
            Some(row) => {
                let what = format!("{} is off", row.get::<_, String>(0));
                Err(Error::NotDurable { place: self.place(), what })
            }
            None => Ok(()),
        }
    }

    fn prepare(&self) -> Result<()> {
        let known = u64::try_from(MIGRATIONS.len()).unwrap_or(u64::MAX);
        let found = self.transaction("preparing the schema", Durability::Synced, |connection| {
            connection.rows("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])?;
            let there =
                connection.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'sekisho' AND tablename = 'form'", &[])?;
            if there.is_empty() {
                connection.client.batch_execute(
                    "CREATE SCHEMA IF NOT EXISTS sekisho;
                     CREATE TABLE sekisho.form (number bigint NOT NULL);
                     INSERT INTO sekisho.form VALUES (0);",
                )?;
            }
            let row = connection.rows("SELECT max(number) FROM sekisho.form", &[])?;
            let found = row.first().and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0).cast_unsigned();
            for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
                connection.client.batch_execute(migration)?;
            }
            if found < known {
                connection.rows("UPDATE sekisho.form SET number = $1", &[&number(known)])?;
            }
            Ok(Outcome::Commit(found))
        })?;
        if found > known {
            return Err(Error::Newer { place: self.place(), found, known });
        }
        Ok(())
    }

    fn error(&self, doing: &'static str, error: &postgres::Error) -> Error {
        let place = self.place();
        let what = described(error);
        let Some(state) = error.code() else {
            return Error::Unreachable { place, what };
        };
        match state.code() {
            // Lock and statement time-outs.
            "55P03" | "57014" => Error::Busy { place, waited_ms: millis(self.location.patience) },
            "53100" => Error::Full { place },
            "XX001" | "XX002" => Error::Corrupt { place, what },
            // Connection exceptions, wrong password, no such database, shutting down, starting up, too many clients.
            code if code.starts_with("08") || code.starts_with("28") || code.starts_with("57P") => {
                Error::Unreachable { place, what }
            }
            "3D000" | "53300" => Error::Unreachable { place, what },
            _ => Error::Backend { place, doing, what },
        }
    }

    fn connect(&self) -> Sql<Connection> {
        let mut client = self.config.connect(NoTls)?;
        let patience = millis(self.location.patience);
        client.batch_execute(&format!(
            "SET lock_timeout = {patience}; SET statement_timeout = {}",
            patience.max(1) * 12
        ))?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    fn with<T>(&self, doing: &'static str, work: impl FnOnce(&mut Connection) -> Sql<T>) -> Result<T> {
        let answers = |connection: &mut Connection| connection.client.is_valid(self.location.patience).is_ok();
        let result = self.idle.take(answers, || self.connect()).and_then(|mut connection| {
            let value = work(&mut connection)?;
            self.idle.give_back(connection);
            Ok(value)
        });
        result.map_err(|e| self.error(doing, &e))
    }

    fn read(&self, doing: &'static str, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.with(doing, |connection| connection.rows(sql, parameters))
    }

    /// `work` may run again where the database gave up on a deadlock: then nothing of it had happened.
    fn transaction<T>(
        &self,
        doing: &'static str,
        durability: Durability,
        mut work: impl FnMut(&mut Connection) -> Sql<Outcome<T>>,
    ) -> Result<T> {
        let begin = match durability {
            Durability::Synced => "BEGIN; SET LOCAL synchronous_commit TO on",
            Durability::Soon => "BEGIN; SET LOCAL synchronous_commit TO off",
        };
        self.with(doing, |connection| {
            for attempt in 1.. {
                connection.client.batch_execute(begin)?;
                match work(connection) {
                    Ok(Outcome::Commit(value)) => {
                        connection.client.batch_execute("COMMIT")?;
                        return Ok(value);
                    }
                    Ok(Outcome::Rollback(value)) => {
                        connection.client.batch_execute("ROLLBACK")?;
                        return Ok(value);
                    }
                    Err(error) => {
                        let again = [
                            SqlState::T_R_DEADLOCK_DETECTED,
                            SqlState::T_R_SERIALIZATION_FAILURE,
                            SqlState::UNIQUE_VIOLATION,
                        ];
                        let again = error.code().is_some_and(|state| again.contains(state));
                        if !again || attempt >= DEADLOCK_TRIES {
                            return Err(error);
                        }
                        connection.client.batch_execute("ROLLBACK")?;
                    }
                }
            }
            unreachable!("the loop above only returns")
        })
    }
}

fn described(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(database) => format!("{} ({})", database.message(), database.code().code()),
        None => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}

/// Whether what was expected holds; if so, the record's number.
fn expected(connection: &mut Connection, change: &Change) -> Sql<std::result::Result<Option<i64>, ()>> {
    let rows = connection.rows(
        "SELECT number, version FROM sekisho.record WHERE shelf = $1 AND key = $2 FOR UPDATE",
        &[&change.shelf().name(), &change.key()],
    )?;
    let there = rows.first().map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1).cast_unsigned()));
    Ok(match (change.expect(), there) {
        (Expect::Absent, Some(_)) | (Expect::Version(_), None) => Err(()),
        (Expect::Version(wanted), Some((_, version))) if version != wanted => Err(()),
        (_, there) => Ok(there.map(|(number, _)| number)),
    })
}

fn apply_one(connection: &mut Connection, change: &Change, there: Option<i64>) -> Sql<()> {
    let Change::Put { shelf, key, value, positions, words, content, .. } = change else {
        if let Some(record) = there {
            connection.rows("DELETE FROM sekisho.record WHERE number = $1", &[&record])?;
        }
        return Ok(());
    };
    let content = content.as_ref().map(|hash| hash.0.as_slice());
    let words = (!words.is_empty()).then_some(words);
    let record = match there {
        Some(record) => {
            connection.rows("DELETE FROM sekisho.position WHERE record = $1", &[&record])?;
            connection.rows(
                "UPDATE sekisho.record SET version = nextval('sekisho.version'), value = $2, words = $3, content = $4
                 WHERE number = $1",
                &[&record, value, &words, &content],
            )?;
            record
        }
        None => {
            let rows = connection.rows(
                "INSERT INTO sekisho.record (shelf, key, version, value, words, content)
                 VALUES ($1, $2, nextval('sekisho.version'), $3, $4, $5) RETURNING number",
                &[&shelf.name(), key, value, &words, &content],
            )?;
            rows.first().map_or(0, |row| row.get(0))
        }
    };
    let lists: Vec<&str> = positions.iter().map(|position| position.list).collect();
    let places: Vec<&[u8]> = positions.iter().map(|position| position.at.as_slice()).collect();
    connection.rows(
        "INSERT INTO sekisho.position (shelf, list, at, record) SELECT $1, list, at, $4 FROM unnest($2::text[], $3::bytea[]) AS p (list, at)",
        &[&shelf.name(), &lists, &places, &record],
    )?;
    Ok(())
}

impl Backend for PostgreSql {
    fn place(&self) -> String {
        self.location.to_string()
    }

    fn ready(&self) -> Result<()> {
        self.read("looking at it", "SELECT number FROM sekisho.form", &[]).map(drop)
    }

    fn verify(&self) -> Result<()> {
        // Its pages are checked by the server (`pg_amcheck`, data checksums); here only that they can be read.
        let sql = "SELECT count(*), sum(length(value)), (SELECT count(*) FROM sekisho.position) FROM sekisho.record";
        self.read("checking it", sql, &[]).map(drop)
    }

    fn records(&self, shelf: Shelf, keys: &[&[u8]]) -> Result<Vec<Option<Record>>> {
        let keys_wanted = keys.to_vec();
        let rows = self.read(
            "reading",
            "SELECT key, version, value FROM sekisho.record WHERE shelf = $1 AND key = ANY ($2)",
            &[&shelf.name(), &keys_wanted],
        )?;
        let found: HashMap<Vec<u8>, Record> =
            rows.iter().map(record_of).map(|record| (record.key.clone(), record)).collect();
        Ok(keys.iter().map(|key| found.get(*key).cloned()).collect())
    }

    fn range(&self, range: &Range<'_>) -> Result<Vec<Record>> {
        macro_rules! select {
            ($order:literal) => {
                concat!(
                    "SELECT record.key, record.version, record.value
                     FROM sekisho.position JOIN sekisho.record ON record.number = position.record
                     WHERE position.shelf = $1 AND position.list = $2 AND position.at >= $3
                     AND ($4::bytea IS NULL OR position.at < $4) ORDER BY position.at ",
                    $order,
                    " LIMIT $5"
                )
            };
        }
        let sql = if range.backwards { select!("DESC") } else { select!("ASC") };
        let rows = self.read(
            "listing",
            sql,
            &[&range.shelf.name(), &range.list, &range.from, &range.to, &limit(range.limit)],
        )?;
        Ok(rows.iter().map(record_of).collect())
    }

    fn search(&self, shelf: Shelf, words: &[&str], before: u64, most: usize) -> Result<Vec<Record>> {
        let before = before.to_be_bytes();
        let rows = self.read(
            "searching",
            "SELECT key, version, value FROM sekisho.record WHERE shelf = $1 AND words @> $2 AND key < $3
             ORDER BY key DESC LIMIT $4",
            &[&shelf.name(), &words, &before.as_slice(), &limit(most)],
        )?;
        Ok(rows.iter().map(record_of).collect())
    }

    fn apply(&self, changes: &[Change], durability: Durability) -> Result<Applied> {
        let mut changes: Vec<&Change> = changes.iter().collect();
        changes.sort_by_key(|change| (change.shelf(), change.key()));
        self.transaction("writing", durability, |connection| {
            let mut there = Vec::with_capacity(changes.len());
            for change in &changes {
                let Ok(number) = expected(connection, change)? else { return Ok(Outcome::Rollback(Applied::Conflict)) };
                there.push(number);
            }
            for change in &changes {
                if let Change::Put { content: Some(hash), .. } = change {
                    // Locked, so that nobody removes it until the record names it.
                    let sql = "SELECT 1 FROM sekisho.content WHERE hash = $1 FOR KEY SHARE";
                    if connection.rows(sql, &[&hash.0.as_slice()])?.is_empty() {
                        return Ok(Outcome::Rollback(Applied::NoContent));
                    }
                }
            }
            for (change, number) in changes.iter().zip(there) {
                apply_one(connection, change, number)?;
            }
            Ok(Outcome::Commit(Applied::Done))
        })
    }

    fn count(&self, count: &Count<'_>) -> Result<i64> {
        let (slot, since, expires) = (number(count.slot), number(count.since), number(count.expires.millis()));
        let sum = "SELECT COALESCE(SUM(value), 0)::bigint FROM sekisho.count WHERE name = $1 AND slot >= $2";
        let first = |rows: Vec<Row>| rows.first().map_or(0, |row| row.get(0));
        if count.add == 0 {
            return self.read("counting", sum, &[&count.name, &since]).map(first);
        }
        self.transaction("counting", Durability::Soon, |connection| {
            // Two who add to different slots at once would not see each other's: one after the other, then.
            connection.rows("SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))", &[&count.name])?;
            connection.rows("DELETE FROM sekisho.count WHERE name = $1 AND slot < $2", &[&count.name, &since])?;
            connection.rows(
                "INSERT INTO sekisho.count AS old (name, slot, value, expires) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (name, slot) DO UPDATE
                 SET value = old.value + excluded.value, expires = GREATEST(old.expires, excluded.expires)",
                &[&count.name, &slot, &count.add, &expires],
            )?;
            Ok(Outcome::Commit(first(connection.rows(sum, &[&count.name, &since])?)))
        })
    }

    fn forget_counts(&self, now: Time) -> Result<u64> {
        let sql = "WITH gone AS (DELETE FROM sekisho.count WHERE expires < $1 RETURNING 1) SELECT count(*) FROM gone";
        self.transaction("forgetting counts", Durability::Soon, |connection| {
            let rows = connection.rows(sql, &[&number(now.millis())])?;
            Ok(Outcome::Commit(rows.first().map_or(0, |row| row.get::<_, i64>(0).cast_unsigned())))
        })
    }

    fn put_content(&self, hash: &Hash, bytes: &[u8]) -> Result<()> {
        // Written again where it is there: the row may have been damaged by hand.
        let sql = "INSERT INTO sekisho.content (hash, size, bytes) VALUES ($1, $2, $3)
                   ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes, size = excluded.size
                   WHERE content.bytes <> excluded.bytes";
        self.transaction("writing a content", Durability::Synced, |connection| {
            connection.rows(sql, &[&hash.0.as_slice(), &limit(bytes.len()), &bytes])?;
            Ok(Outcome::Commit(()))
        })
    }

    fn content(&self, hash: &Hash) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT bytes FROM sekisho.content WHERE hash = $1";
        Ok(self.read("reading a content", sql, &[&hash.0.as_slice()])?.first().map(|row| row.get(0)))
    }

    fn content_bytes(&self) -> Result<u64> {
        let sql = "SELECT COALESCE(SUM(size), 0)::bigint FROM sekisho.content
                   WHERE EXISTS (SELECT 1 FROM sekisho.record WHERE record.content = content.hash)";
        Ok(self.read("adding up", sql, &[])?.first().map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
    }

    fn remove_content(&self, hash: &Hash) -> Result<bool> {
        let sql = "DELETE FROM sekisho.content
                   WHERE hash = $1 AND NOT EXISTS (SELECT 1 FROM sekisho.record WHERE content = $1) RETURNING 1";
        self.transaction("removing a content", Durability::Soon, |connection| {
            match connection.rows(sql, &[&hash.0.as_slice()]) {
                Ok(rows) => Ok(Outcome::Commit(!rows.is_empty())),
                Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
                    // Named between our look and our deed.
                    Ok(Outcome::Rollback(false))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn remove_unnamed_contents(&self) -> Result<u64> {
        let sql = "SELECT hash FROM sekisho.content
                   WHERE NOT EXISTS (SELECT 1 FROM sekisho.record WHERE record.content = content.hash)";
        let mut removed = 0;
        for row in self.read("listing contents", sql, &[])? {
            if let Ok(hash) = row.get::<_, Vec<u8>>(0).try_into() {
                removed += u64::from(self.remove_content(&Hash(hash))?);
            }
        }
        Ok(removed)
    }
}
