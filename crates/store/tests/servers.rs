//! The same suite over real servers, which the test starts for itself in directories of its own, as an unprivileged user,
//! and stops. `./test` installs them; where one is missing the test fails and says so.

#![cfg(all(feature = "postgresql", feature = "redis"))]

mod server;
mod suite;

use server::{PATIENCE, Server};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use store::backends::{postgresql::PostgreSql, redis::Redis, sqlite::Sqlite};
use store::quarantine::NewEntry;
use store::{Backend, Bytes, Error, Store, Time};

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The embedded store as the judge of what a backend should answer.
fn reference(name: &str) -> (Directory, Sqlite) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-reference-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(path.parent().expect("has one")).expect("makes");
    let sqlite = Sqlite::open(path.clone(), PATIENCE).expect("opens");
    (Directory(path), sqlite)
}

/// What was acknowledged before the server was killed is there after it.
fn survives_a_crash(server: &mut Server) {
    let store = Store::open(&server.location()).expect("opens");
    let mut kept = Vec::new();
    for number in 0..20u8 {
        let new = NewEntry { recipients: vec![Bytes::from("a@example.jp")], ..NewEntry::default() };
        let content = vec![number; 5_000];
        let entry = store.quarantine().put(Time::from_seconds(1), &[number; 32], new, &content).expect("puts");
        let notice =
            store.outbox().enqueue(Time::from_seconds(1), &[number; 32], "digest", b"a", &content).expect("enqueues");
        kept.push((entry, notice, content));
    }
    server.crash();
    // PostgreSQL's processes for open connections end by themselves a moment after their parent was killed.
    let error = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        store.outbox().list(None, 10).err()
    });
    let error = error.expect("there is no server");
    assert!(matches!(error, Error::Unreachable { .. }) && error.passes(), "{error}");
    server.start();
    // The same store goes on: it makes new connections.
    for (entry, notice, content) in kept {
        assert_eq!(store.quarantine().show(entry.id).expect("reads"), Some(entry.clone()));
        assert_eq!(store.quarantine().content(&entry).expect("reads"), content);
        assert_eq!(store.outbox().show(notice).expect("reads").map(|n| n.body.0), Some(content));
    }
    assert_eq!(store.verify().expect("verifies").damaged, []);
}

#[test]
fn postgresql() {
    let mut server = Server::postgresql();
    let (_directory, sqlite) = reference("postgresql");
    suite::same_as(&sqlite, &PostgreSql::open(&server.location()).expect("opens"), 400);
    drop_all(&PostgreSql::open(&server.location()).expect("opens"));
    suite::all(&|| Store::open(&server.location()).expect("opens"));
    survives_a_crash(&mut server);
    let tls = format!("{}?sslmode=require", server.location).parse().expect("a location");
    assert!(matches!(Store::open(&tls), Err(Error::Location { .. })), "refused rather than served without");
    let nobody = server.location.replace("sekisho@", "nobody@").parse().expect("a location");
    assert!(matches!(Store::open(&nobody), Err(Error::Unreachable { .. })));
}

#[test]
fn redis() {
    let mut server = Server::redis(true);
    let (_directory, sqlite) = reference("redis");
    suite::same_as(&sqlite, &Redis::open(&server.location()).expect("opens"), 400);
    drop_all(&Redis::open(&server.location()).expect("opens"));
    suite::all(&|| Store::open(&server.location()).expect("opens"));
    survives_a_crash(&mut server);
}

/// The comparison wrote records that no shelf would.
fn drop_all(backend: &dyn Backend) {
    use store::backend::{Change, Durability, Expect, Shelf};
    let changes: Vec<Change> = (0..20u64)
        .map(|key| Change::Delete { shelf: Shelf::History, key: key.to_be_bytes().to_vec(), expect: Expect::Anything })
        .collect();
    backend.apply(&changes, Durability::Synced).expect("deletes");
    backend.remove_unnamed_contents().expect("removes");
    assert_eq!(backend.content_bytes().expect("adds up"), 0);
}

#[test]
fn redis_that_may_forget_is_refused() {
    let server = Server::redis(false);
    let error = Store::open(&server.location()).err().expect("is refused");
    assert!(matches!(&error, Error::NotDurable { what, .. } if what.contains("appendonly")), "{error}");
    assert!(error.remedy().contains("appendfsync always"));
    let valkey = format!("{}?durability=server", server.location.replace("redis:", "valkey:"));
    Store::open(&valkey.parse().expect("a location")).expect("accepted in so many words").ready().expect("answers");
}

#[test]
fn no_server_there() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    for location in [format!("postgresql://u:secret@127.0.0.1:{port}/d"), format!("redis://:secret@127.0.0.1:{port}")] {
        let error = Store::open(&location.parse().expect("a location")).err().expect("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(!format!("{error} {}", error.remedy()).contains("secret"), "{error}");
    }
}
