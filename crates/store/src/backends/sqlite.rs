//! The embedded store: one directory, no server.
//!
//! `store.sqlite3` holds records and counts (SQLite in WAL mode, full-text index FTS5 over words made in `search.rs`),
//! `content/` the quarantined bytes, a file each, named by SHA-256. Contents are files and not rows, so that a mail of
//! 50 MB neither passes through the log nor stays in the database's free pages, and so that a damaged database leaves
//! them whole.
//!
//! One connection writes, guarded by a mutex; a few read. Other processes (the command line beside the service) may have
//! the store open too: SQLite's locks hold between them, a lock not got in time is [`Error::Busy`]. A commit is synced to
//! disk before the call returns where [`Durability::Synced`] asks for it.
//!
//! Order of writing: content file (temporary, fsync, rename, fsync of its directory), its row, the record that names it.
//! Order of removing: the row, then, still under the write lock, the file. A crash in between leaves a file or row too
//! many, never one too few for a record; [`Backend::remove_unnamed_contents`] sweeps them.

use super::pool::Pool;
use crate::SetAside;
use crate::backend::{Applied, Backend, Change, Count, Durability, Expect, Range, Record, Shelf};
use crate::error::{Error, Result};
use crate::format::Hash;
use crate::time::{Time, millis};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const DATABASE: &str = "store.sqlite3";
const CONTENT: &str = "content";
/// Room kept for a full disk, see [`Sqlite::spend_reserve`]; as much as SQLite's log usually takes, twice.
const RESERVE: &str = "reserve";
const RESERVED: usize = 8 << 20;
const TEMPORARY: &str = "temporary";
/// "Skis": tells `file(1)` and us whose database it is.
const APPLICATION: i32 = 0x536b_6973;
/// A database up to this size is checked page by page when it is opened (about 0.1 s).
const CHECKED_AT_OPEN: u64 = 32 << 20;
const IDLE_READERS: usize = 8;
const TEMPORARY_TRIES: usize = 20;

/// Each brings the database from the form before to the next. Never changed once released, only added to.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE record (
        number INTEGER PRIMARY KEY,
        shelf TEXT NOT NULL,
        key BLOB NOT NULL,
        version INTEGER NOT NULL,
        value BLOB NOT NULL,
        content BLOB,
        UNIQUE (shelf, key)
    ) STRICT;
    CREATE INDEX record_content ON record (content) WHERE content IS NOT NULL;
    CREATE TABLE position (
        shelf TEXT NOT NULL,
        list TEXT NOT NULL,
        at BLOB NOT NULL,
        record INTEGER NOT NULL,
        PRIMARY KEY (shelf, list, at)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX position_record ON position (record);
    CREATE TABLE content (hash BLOB PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE count (
        name BLOB NOT NULL,
        slot INTEGER NOT NULL,
        value INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (name, slot)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX count_expires ON count (expires);
    CREATE TABLE version (last INTEGER NOT NULL) STRICT;
    INSERT INTO version VALUES (0);
    CREATE VIRTUAL TABLE words_history
        USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii tokenchars ''_''');
    CREATE VIRTUAL TABLE words_quarantine
        USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii tokenchars ''_''');
"];

fn words_table(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Quarantine => "words_quarantine",
        _ => "words_history",
    }
}

pub struct Sqlite {
    directory: PathBuf,
    patience: Duration,
    writer: Mutex<Writer>,
    readers: Pool<Connection>,
    /// Folders of contents whose names are known to be on the disk.
    folders: Mutex<HashSet<PathBuf>>,
}

struct Writer {
    connection: Connection,
    synced: bool,
}

/// A thread that panicked held a connection, not half-changed memory: SQLite rolls its transaction back.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Sqlite {
    pub fn open(directory: PathBuf, patience: Duration) -> Result<Sqlite> {
        prepare_directory(&directory)?;
        prepare_directory(&directory.join(CONTENT))?;
        prepare_directory(&directory.join(CONTENT).join(TEMPORARY))?;
        let path = directory.join(DATABASE);
        let store = Sqlite {
            folders: Mutex::default(),
            writer: Mutex::new(Writer { connection: connect(&path, patience, true)?, synced: true }),
            readers: Pool::new(IDLE_READERS),
            directory,
            patience,
        };
        let result = prepare_database(&mut locked(&store.writer).connection);
        result.map_err(|e| store.error("opening", e))??;
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= CHECKED_AT_OPEN) {
            store.verify()?;
        }
        sync_directory(&store.directory).map_err(|e| store.file_error("syncing the directory", e))?;
        store.sweep_temporary();
        store.make_reserve();
        Ok(store)
    }

    fn error(&self, doing: &'static str, error: rusqlite::Error) -> Error {
        sqlite_error(&self.place(), self.patience, doing, &error)
    }

    fn file_error(&self, doing: &'static str, error: io::Error) -> Error {
        file_error(&self.place(), doing, error)
    }

    fn read<T>(&self, doing: &'static str, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection =
            self.readers.take(|_| true, || connect(&self.directory.join(DATABASE), self.patience, false))?;
        let result = work(&connection).map_err(|e| self.error(doing, e))?;
        self.readers.give_back(connection);
        Ok(result)
    }

    /// Runs `work` under the write lock; commits where it says so.
    fn write<T>(
        &self,
        doing: &'static str,
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(T, Commit)>,
    ) -> Result<T> {
        let mut writer = locked(&self.writer);
        let synced = durability == Durability::Synced;
        let result: rusqlite::Result<T> = (|| {
            if writer.synced != synced {
                writer.connection.pragma_update(None, "synchronous", if synced { "FULL" } else { "NORMAL" })?;
                writer.synced = synced;
            }
            let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (value, commit) = work(&transaction)?;
            match commit {
                Commit::Yes => transaction.commit()?,
                Commit::No => transaction.rollback()?,
            }
            Ok(value)
        })();
        result.map_err(|e| self.error(doing, e))
    }

    fn apply_all(&self, changes: &[Change], durability: Durability) -> Result<Applied> {
        self.write("writing", durability, |transaction| {
            let mut there = Vec::with_capacity(changes.len());
            for change in changes {
                let Ok(number) = expected(transaction, change)? else { return Ok((Applied::Conflict, Commit::No)) };
                there.push(number);
            }
            for change in changes {
                if let Change::Put { content: Some(hash), .. } = change {
                    let known = transaction
                        .prepare_cached("SELECT 1 FROM content WHERE hash = ?1")?
                        .exists(params![hash.0.as_slice()])?;
                    if !known || !self.content_path(hash).exists() {
                        return Ok((Applied::NoContent, Commit::No));
                    }
                }
            }
            for (change, number) in changes.iter().zip(there) {
                apply_one(transaction, change, number)?;
            }
            Ok((Applied::Done, Commit::Yes))
        })
    }

    fn remove_one(&self, hash: &Hash) -> Result<bool> {
        let path = self.content_path(hash);
        let mut failed = None;
        let removed = self.write("removing a content", Durability::Soon, |transaction| {
            let hash = hash.0.as_slice();
            if transaction.prepare_cached("SELECT 1 FROM record WHERE content = ?1")?.exists([hash])? {
                return Ok((false, Commit::No));
            }
            transaction.prepare_cached("DELETE FROM content WHERE hash = ?1")?.execute([hash])?;
            match fs::remove_file(&path) {
                Ok(()) => Ok((true, Commit::Yes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((false, Commit::Yes)),
                Err(error) => {
                    failed = Some(error);
                    Ok((false, Commit::No))
                }
            }
        })?;
        match failed {
            Some(error) => Err(file_error(&path.display().to_string(), "removing", error)),
            None => Ok(removed),
        }
    }

    /// SQLite needs room even for deleting. On a full disk the reserve gives it: for deletions, and for marking what was
    /// released or sent. Whether there was one.
    fn spend_reserve(&self) -> bool {
        fs::remove_file(self.directory.join(RESERVE)).is_ok()
    }

    /// Not having one is no error: the disk may be full.
    fn make_reserve(&self) {
        let path = self.directory.join(RESERVE);
        if !path.exists() && fs::write(&path, vec![0; RESERVED]).is_err() {
            let _ = fs::remove_file(&path);
        }
    }

    fn content_path(&self, hash: &Hash) -> PathBuf {
        let name = hash.to_string();
        self.directory.join(CONTENT).join(&name[..2]).join(&name)
    }

    fn write_content(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.directory);
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // Whoever made it may not have synced its name yet.
        if !locked(&self.folders).contains(folder) {
            sync_directory(&self.directory.join(CONTENT))?;
            locked(&self.folders).insert(folder.to_owned());
        }
        if fs::read(path).is_ok_and(|there| there == bytes) {
            // Whoever wrote it may not have synced the directory yet.
            return sync_directory(folder);
        }
        for _ in 0..TEMPORARY_TRIES {
            match self.write_temporary(path, bytes) {
                // A name that another process uses, or a sweep between making the file and locking it.
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
                written => return written.and_then(|()| sync_directory(folder)),
            }
        }
        self.write_temporary(path, bytes).and_then(|()| sync_directory(folder))
    }

    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let temporary = self.directory.join(CONTENT).join(TEMPORARY).join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        // Held until the file has its name, so that a sweep can tell work from rubbish.
        let written = file
            .lock()
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes temporary files whose writer is gone. What cannot be removed is left: it does no harm.
    fn sweep_temporary(&self) {
        for entry in fs::read_dir(self.directory.join(CONTENT).join(TEMPORARY)).into_iter().flatten().flatten() {
            let unused = File::open(entry.path())
                .is_ok_and(|file| !matches!(file.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))));
            if unused {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// All files in `content/` that have a content's name.
    fn content_files(&self) -> io::Result<Vec<Hash>> {
        content_files(&self.directory)
    }
}

enum Commit {
    Yes,
    No,
}

fn content_files(directory: &Path) -> io::Result<Vec<Hash>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(directory.join(CONTENT))? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder)? {
            found.extend(file?.file_name().to_str().and_then(|name| name.parse::<Hash>().ok()));
        }
    }
    Ok(found)
}

fn file_error(place: &str, doing: &'static str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { place: place.to_owned() },
        _ => Error::File { place: place.to_owned(), doing, source },
    }
}

fn sqlite_error(place: &str, patience: Duration, doing: &'static str, error: &rusqlite::Error) -> Error {
    let place = place.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { place, waited_ms: millis(patience) },
        Some(ErrorCode::DiskFull) => Error::Full { place },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt { place, what: error.to_string() },
        _ => Error::Backend { place, doing, what: error.to_string() },
    }
}

/// Makes the directory, or checks that it is ours and nobody else may look into it.
fn prepare_directory(path: &Path) -> Result<()> {
    let place = || path.display().to_string();
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            // The umask may only have taken rights away; they are set as meant.
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|e| file_error(&place(), "setting its mode", e))?;
            let parent = path.parent().unwrap_or(path);
            return sync_directory(parent).map_err(|e| file_error(&place(), "syncing the directory above", e));
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(file_error(&place(), "making the directory", error)),
    }
    let metadata = fs::metadata(path).map_err(|e| file_error(&place(), "looking at it", e))?;
    let path = path.to_owned();
    if !metadata.is_dir() {
        return Err(Error::NotDirectory { path });
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(Error::NotOwned { path, owner: metadata.uid(), user });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::NotPrivate { path, mode });
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn connect(path: &Path, patience: Duration, create: bool) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let prepare = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(patience)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // Pages of a damaged database are looked at before they are believed.
        connection.pragma_update(None, "cell_size_check", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        if create {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
        }
        Ok(connection)
    };
    prepare().map_err(|e| sqlite_error(&path.display().to_string(), patience, "opening", &e))
}

fn prepare_database(connection: &mut Connection) -> rusqlite::Result<Result<()>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let place = || transaction.path().unwrap_or_default().to_owned();
    let known = number(u64::try_from(MIGRATIONS.len()).unwrap_or(u64::MAX));
    if found > 0 && application != APPLICATION {
        return Ok(Err(Error::Location { location: place(), why: "it is another program's database".into() }));
    }
    if found > known {
        let (found, known) = (found.cast_unsigned(), known.cast_unsigned());
        return Ok(Err(Error::Newer { place: place(), found, known }));
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    if found < known {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()?;
    }
    Ok(Ok(()))
}

fn record_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { key: row.get(0)?, version: row.get::<_, i64>(1)?.cast_unsigned(), value: row.get(2)? })
}

/// The record's row number, where it is as expected.
fn expected(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<std::result::Result<Option<i64>, ()>> {
    let there: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT number, version FROM record WHERE shelf = ?1 AND key = ?2")?
        .query_row(params![change.shelf().name(), change.key()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match (change.expect(), there) {
        (Expect::Absent, Some(_)) | (Expect::Version(_), None) => Err(()),
        (Expect::Version(wanted), Some((_, version))) if version.cast_unsigned() != wanted => Err(()),
        (_, there) => Ok(there.map(|(number, _)| number)),
    })
}

fn row_of_key(key: &[u8]) -> i64 {
    key.try_into().map_or(0, i64::from_be_bytes)
}

fn take_off_lists(transaction: &Transaction<'_>, change: &Change, record: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM position WHERE record = ?1")?.execute([record])?;
    if change.shelf().searchable() {
        let delete = format!("DELETE FROM {} WHERE rowid = ?1", words_table(change.shelf()));
        transaction.prepare_cached(&delete)?.execute([row_of_key(change.key())])?;
    }
    Ok(())
}

fn apply_one(transaction: &Transaction<'_>, change: &Change, there: Option<i64>) -> rusqlite::Result<()> {
    if let Some(record) = there {
        take_off_lists(transaction, change, record)?;
    }
    match change {
        Change::Delete { .. } => {
            if let Some(record) = there {
                transaction.prepare_cached("DELETE FROM record WHERE number = ?1")?.execute([record])?;
            }
        }
        Change::Put { shelf, key, value, positions, words, content, .. } => {
            let version: i64 = transaction
                .prepare_cached("UPDATE version SET last = last + 1 RETURNING last")?
                .query_row([], |row| row.get(0))?;
            let content = content.as_ref().map(|hash| hash.0.as_slice());
            let record: i64 = transaction
                .prepare_cached(
                    "INSERT INTO record (shelf, key, version, value, content) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (shelf, key) DO UPDATE SET version = ?3, value = ?4, content = ?5 RETURNING number",
                )?
                .query_row(params![shelf.name(), key, version, value, content], |row| row.get(0))?;
            for position in positions {
                transaction
                    .prepare_cached("INSERT INTO position (shelf, list, at, record) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![shelf.name(), position.list, position.at, record])?;
            }
            if !words.is_empty() {
                let insert = format!("INSERT INTO {} (rowid, words) VALUES (?1, ?2)", words_table(*shelf));
                transaction.prepare_cached(&insert)?.execute(params![row_of_key(key), words.join(" ")])?;
            }
        }
    }
    Ok(())
}

impl Backend for Sqlite {
    fn place(&self) -> String {
        self.directory.join(DATABASE).display().to_string()
    }

    fn ready(&self) -> Result<()> {
        self.read("looking at it", |connection| {
            connection.query_row("SELECT last FROM version", [], |row| row.get::<_, i64>(0)).map(drop)
        })
    }

    fn verify(&self) -> Result<()> {
        let problems: Vec<String> = self.read("checking it", |connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(10)")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        if problems == ["ok"] {
            return Ok(());
        }
        Err(Error::Corrupt { place: self.place(), what: problems.join("; ") })
    }

    fn records(&self, shelf: Shelf, keys: &[&[u8]]) -> Result<Vec<Option<Record>>> {
        self.read("reading", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT key, version, value FROM record WHERE shelf = ?1 AND key = ?2")?;
            keys.iter().map(|key| statement.query_row(params![shelf.name(), key], record_of).optional()).collect()
        })
    }

    fn range(&self, range: &Range<'_>) -> Result<Vec<Record>> {
        // A BLOB is greater than any number or text and equal to none: `x''` bounds from below, a missing end is no bound.
        let order = if range.backwards { "DESC" } else { "ASC" };
        let end = if range.to.is_some() { "AND position.at < ?4" } else { "AND ?4 IS NULL" };
        let select = format!(
            "SELECT record.key, record.version, record.value FROM position JOIN record ON record.number = position.record
             WHERE position.shelf = ?1 AND position.list = ?2 AND position.at >= ?3 {end}
             ORDER BY position.at {order} LIMIT ?5"
        );
        self.read("listing", |connection| {
            let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(&select)?;
            let rows =
                statement.query_map(params![range.shelf.name(), range.list, range.from, range.to, limit], record_of)?;
            rows.collect()
        })
    }

    fn search(&self, shelf: Shelf, words: &[&str], before: u64, limit: usize) -> Result<Vec<Record>> {
        let table = words_table(shelf);
        let select =
            format!("SELECT rowid FROM {table} WHERE {table} MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3");
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('"', ""))).collect();
        let rows: Vec<i64> = self.read("searching", |connection| {
            let mut statement = connection.prepare_cached(&select)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![quoted.join(" AND "), number(before), limit], |row| row.get(0))?;
            rows.collect()
        })?;
        let keys: Vec<[u8; 8]> = rows.iter().map(|row| row.to_be_bytes()).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
        Ok(self.records(shelf, &keys)?.into_iter().flatten().collect())
    }

    fn apply(&self, changes: &[Change], durability: Durability) -> Result<Applied> {
        let urgent = changes.iter().all(|change| match change {
            Change::Delete { .. } => true,
            Change::Put { expect, .. } => durability == Durability::Synced && matches!(expect, Expect::Version(_)),
        });
        match self.apply_all(changes, durability) {
            Err(Error::Full { .. }) if urgent && self.spend_reserve() => self.apply_all(changes, durability),
            applied => applied,
        }
    }

    fn count(&self, count: &Count<'_>) -> Result<i64> {
        let (slot, since, expires) = (number(count.slot), number(count.since), number(count.expires.millis()));
        let sum = "SELECT COALESCE(SUM(value), 0) FROM count WHERE name = ?1 AND slot >= ?2";
        if count.add == 0 {
            return self.read("counting", |connection| {
                connection.prepare_cached(sum)?.query_row(params![count.name, since], |row| row.get(0))
            });
        }
        self.write("counting", Durability::Soon, |transaction| {
            transaction
                .prepare_cached("DELETE FROM count WHERE name = ?1 AND slot < ?2")?
                .execute(params![count.name, since])?;
            transaction
                .prepare_cached(
                    "INSERT INTO count (name, slot, value, expires) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (name, slot) DO UPDATE SET value = value + ?3, expires = MAX(expires, ?4)",
                )?
                .execute(params![count.name, slot, count.add, expires])?;
            let sum = transaction.prepare_cached(sum)?.query_row(params![count.name, since], |row| row.get(0))?;
            Ok((sum, Commit::Yes))
        })
    }

    fn forget_counts(&self, now: Time) -> Result<u64> {
        self.write("forgetting counts", Durability::Soon, |transaction| {
            let gone = transaction.execute("DELETE FROM count WHERE expires < ?1", [number(now.millis())])?;
            Ok((u64::try_from(gone).unwrap_or(0), Commit::Yes))
        })
    }

    fn put_content(&self, hash: &Hash, bytes: &[u8]) -> Result<()> {
        let path = self.content_path(hash);
        self.write_content(&path, bytes).map_err(|e| file_error(&path.display().to_string(), "writing", e))?;
        // Its record makes it durable, in a later commit of the same log.
        self.write("naming a content", Durability::Soon, |transaction| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO content (hash, size) VALUES (?1, ?2)")?
                .execute(params![hash.0.as_slice(), i64::try_from(bytes.len()).unwrap_or(i64::MAX)])?;
            Ok(((), Commit::Yes))
        })
    }

    fn content(&self, hash: &Hash) -> Result<Option<Vec<u8>>> {
        let path = self.content_path(hash);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path.display().to_string(), "reading", error)),
        }
    }

    fn content_bytes(&self) -> Result<u64> {
        self.read("adding up", |connection| {
            let sum = "SELECT COALESCE(SUM(size), 0) FROM content
                       WHERE EXISTS (SELECT 1 FROM record WHERE record.content = content.hash)";
            connection.query_row(sum, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        })
    }

    fn remove_content(&self, hash: &Hash) -> Result<bool> {
        match self.remove_one(hash) {
            Err(Error::Full { .. }) if self.spend_reserve() => self.remove_one(hash),
            removed => removed,
        }
    }

    fn remove_unnamed_contents(&self) -> Result<u64> {
        self.sweep_temporary();
        let mut unnamed: HashSet<Hash> =
            self.content_files().map_err(|e| self.file_error("listing contents", e))?.into_iter().collect();
        let rows: Vec<(Vec<u8>, bool)> = self.read("listing contents", |connection| {
            let mut statement = connection.prepare(
                "SELECT hash, EXISTS (SELECT 1 FROM record WHERE record.content = content.hash) FROM content",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        for (hash, named) in rows {
            let Ok(hash) = hash.try_into().map(Hash) else { continue };
            if named {
                unnamed.remove(&hash);
            } else {
                unnamed.insert(hash);
            }
        }
        let mut removed = 0;
        for hash in unnamed {
            removed += u64::from(self.remove_content(&hash)?);
        }
        self.make_reserve();
        Ok(removed)
    }
}

/// See [`crate::Store::set_aside`].
pub(super) fn set_aside(directory: &Path, patience: Duration, now: Time) -> Result<SetAside> {
    prepare_directory(directory)?;
    let place = directory.display().to_string();
    let failed = |doing| move |error| file_error(&directory.display().to_string(), doing, error);
    let folder = directory.join(format!("damaged-{}", now.seconds()));
    DirBuilder::new().mode(0o700).create(&folder).map_err(failed("making a folder for the damaged database"))?;
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{DATABASE}{suffix}");
        match fs::rename(directory.join(&name), folder.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("setting the damaged database aside")(error));
            }
            _ => {}
        }
    }
    sync_directory(directory).map_err(failed("syncing the directory"))?;
    let new = Sqlite::open(directory.to_owned(), patience)?;
    let records = salvage(&new, &folder.join(DATABASE))?;
    let named: HashSet<Vec<u8>> = new.read("listing contents", |connection| {
        let mut statement = connection.prepare("SELECT content FROM record WHERE content IS NOT NULL")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    })?;
    let mut contents = 0;
    for hash in content_files(directory).map_err(failed("listing contents"))? {
        if !named.contains(hash.0.as_slice()) {
            fs::rename(new.content_path(&hash), folder.join(hash.to_string()))
                .map_err(|e| file_error(&place, "setting a content aside", e))?;
            contents += 1;
        }
    }
    Ok(SetAside { folder, records, contents })
}

/// Copies what can be read, row by row in both directions, so that a hole in the middle costs only itself. Positions and
/// words are copied where they can be read too.
fn salvage(new: &Sqlite, damaged: &Path) -> Result<u64> {
    // Read-write, because what is still in the log beside it must be read in.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(old) = Connection::open_with_flags(damaged, flags) else { return Ok(0) };
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for order in ["ASC", "DESC"] {
        let select = format!("SELECT number, shelf, key, value, content FROM record ORDER BY number {order}");
        let Ok(mut statement) = old.prepare(&select) else { continue };
        let Ok(mut found) = statement.query([]) else { continue };
        while let Ok(Some(row)) = found.next() {
            let read = (|| {
                let row: (i64, String, Vec<u8>, Vec<u8>, Option<Vec<u8>>) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok::<_, rusqlite::Error>(row)
            })();
            if let Ok(row) = read
                && seen.insert(row.0)
            {
                rows.push(row);
            }
        }
    }
    let mut saved = 0;
    for (_, shelf, key, value, content) in rows {
        let Some(shelf) = Shelf::from_name(&shelf) else { continue };
        let content = content.and_then(|hash| hash.try_into().ok()).map(Hash);
        if let Some(hash) = content {
            let size = fs::metadata(new.content_path(&hash)).map_or(0, |metadata| metadata.len());
            new.write("naming a content", Durability::Soon, |transaction| {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO content (hash, size) VALUES (?1, ?2)")?
                    .execute(params![hash.0.as_slice(), number(size)])?;
                Ok(((), Commit::Yes))
            })?;
        }
        let Some(change) = crate::shelves::rebuild(shelf, key, value, content) else { continue };
        match new.apply(&[change], Durability::Soon)? {
            Applied::Done => saved += 1,
            Applied::Conflict | Applied::NoContent => {}
        }
    }
    new.write("finishing", Durability::Synced, |transaction| {
        transaction.execute("UPDATE version SET last = last + 1", [])?;
        Ok(((), Commit::Yes))
    })?;
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of every earlier form, with a record in it, opens and still has the record.
    #[test]
    fn every_form_is_brought_up_to_date() {
        for form in 1..=MIGRATIONS.len() {
            let directory = std::env::temp_dir().join(format!("sekisho-form-{form}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            prepare_directory(&directory).expect("makes");
            let old = Connection::open(directory.join(DATABASE)).expect("opens");
            for migration in &MIGRATIONS[..form] {
                old.execute_batch(migration).expect("migrates");
            }
            old.pragma_update(None, "application_id", APPLICATION).expect("sets");
            old.pragma_update(None, "user_version", number(form as u64)).expect("sets");
            old.execute("INSERT INTO record (shelf, key, version, value) VALUES ('users', x'61', 1, x'7b7d')", [])
                .expect("inserts");
            drop(old);
            let store = Sqlite::open(directory.clone(), Duration::from_secs(5)).expect("opens");
            let record = store.records(Shelf::Users, &[b"a"]).expect("reads").remove(0).expect("is there");
            assert_eq!((record.version, record.value.as_slice()), (1, &b"{}"[..]));
            store.verify().expect("is whole");
            let _ = fs::remove_dir_all(&directory);
        }
    }
}
