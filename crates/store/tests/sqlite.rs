//! The embedded store: the common suite, and what only a directory can suffer.

mod suite;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::quarantine::NewEntry;
use store::{Bytes, Error, Location, Store, Time, history};

/// A directory of the test's own, gone when it is over.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.parent().expect("has one")).expect("makes");
        Place(path)
    }

    fn location(&self) -> Location {
        Location::in_directory(&self.0)
    }

    fn open(&self) -> Store {
        Store::open(&self.location()).expect("opens")
    }

    fn refused(&self) -> Error {
        Store::open(&self.location()).err().expect("is refused")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn held() -> NewEntry {
    NewEntry { recipients: vec![Bytes::from("a@example.jp")], subject: "請求".into(), ..NewEntry::default() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o7777
}

#[test]
fn suite_holds() {
    let place = Place::new("suite");
    suite::all(&|| place.open());
}

/// The judge of the servers must agree with itself first: a store that is opened anew answers the same.
#[test]
fn answers_do_not_depend_on_who_asks() {
    let (one, two) = (Place::new("one"), Place::new("two"));
    let open = |place: &Place| {
        Store::open(&place.location()).expect("opens");
        store::backends::sqlite::Sqlite::open(place.0.clone(), Duration::from_secs(5)).expect("opens")
    };
    suite::same_as(&open(&one), &open(&two), 400);
}

#[test]
fn others_may_not_look_in() {
    let place = Place::new("private");
    let store = place.open();
    assert_eq!(mode(&place.0), 0o700);
    assert_eq!(mode(&place.0.join("content")), 0o700);
    let entry = store.quarantine().put(Time::START, &[1; 32], held(), b"secret").expect("puts");
    let name = entry.content.expect("kept").to_string();
    assert_eq!(mode(&place.0.join("content").join(&name[..2]).join(&name)), 0o600);
    drop(store);
    for (path, mode) in [(place.0.clone(), 0o750), (place.0.clone(), 0o701), (place.0.join("content"), 0o755)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
        let error = place.refused();
        assert!(
            matches!(&error, Error::NotPrivate { path: at, mode: found } if *at == path && *found == mode),
            "{error}"
        );
        assert!(error.remedy().contains("chmod 0700"), "{}", error.remedy());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("sets");
    }
    place.open();
}

#[test]
fn a_file_in_the_way() {
    let place = Place::new("file");
    fs::write(&place.0, b"x").expect("writes");
    assert!(matches!(place.refused(), Error::NotDirectory { .. }));
    fs::remove_file(&place.0).expect("removes");
    let below = Location::in_directory(place.0.join("a").join("b"));
    assert!(matches!(Store::open(&below), Err(Error::File { .. })), "only the last directory is made");
}

#[test]
fn busy_is_said_after_the_time_out() {
    let place = Place::new("busy");
    let store = Store::open(&place.location().with_patience(Duration::from_millis(50))).expect("opens");
    let other = rusqlite::Connection::open(place.0.join("store.sqlite3")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let error = store.history().add(Time::START, &[0; 32], history::Entry::default()).expect_err("busy");
    assert!(matches!(error, Error::Busy { waited_ms: 50, .. }) && error.passes(), "{error}");
    assert!(store.ready().is_ok(), "readers are not held up");
    other.execute_batch("ROLLBACK").expect("unlocks");
    store.history().add(Time::START, &[0; 32], history::Entry::default()).expect("adds");
}

#[test]
fn a_newer_form_and_a_foreign_database_are_refused() {
    let place = Place::new("newer");
    place.open();
    let change = |sql: &str| {
        rusqlite::Connection::open(place.0.join("store.sqlite3")).expect("opens").execute_batch(sql).expect("changes");
    };
    change("PRAGMA user_version = 999");
    let error = place.refused();
    assert!(matches!(error, Error::Newer { found: 999, .. }), "{error}");
    change("PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert!(matches!(place.refused(), Error::Location { .. }));
}

/// Overwrites the middle of the database, as a bad disk would.
fn damage(place: &Place) {
    let path = place.0.join("store.sqlite3");
    let mut bytes = fs::read(&path).expect("reads");
    let (from, to) = (bytes.len() / 2, bytes.len() * 3 / 4);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).expect("writes");
}

#[test]
fn damage_is_reported_and_set_aside() {
    let place = Place::new("damage");
    let mut entries = Vec::new();
    {
        let store = place.open();
        for number in 0..200u8 {
            let at = Time::from_seconds(1_000 + i64::from(number));
            let content = vec![number; 500];
            entries.push((store.quarantine().put(at, &[number; 32], held(), &content).expect("puts"), content));
        }
    }
    // All of the log is in the database now: the last connection closed.
    damage(&place);
    let error = place.refused();
    assert!(matches!(&error, Error::Corrupt { place: at, .. } if at.contains("store.sqlite3")), "{error}");
    assert!(error.remedy().contains("set the damaged database aside"));
    let before = fs::read(place.0.join("store.sqlite3")).expect("reads");
    let aside = Store::set_aside(&place.location(), Time::from_seconds(5_000)).expect("sets aside");
    assert_eq!(aside.folder, place.0.join("damaged-5000"));
    assert_eq!(fs::read(aside.folder.join("store.sqlite3")).expect("is kept").len(), before.len());
    let store = place.open();
    store.verify().expect("the new database is whole");
    let mut there = 0;
    for (entry, content) in &entries {
        match store.quarantine().show(entry.id).expect("reads") {
            Some(again) => {
                there += 1;
                assert_eq!(again, *entry);
                assert_eq!(store.quarantine().content(&again).expect("reads"), *content);
            }
            None => {
                let name = entry.content.expect("kept").to_string();
                assert_eq!(fs::read(aside.folder.join(name)).expect("set aside"), *content, "no mail is lost");
            }
        }
    }
    assert_eq!((there, 200 - there), (aside.records, aside.contents));
    assert!(there > 0, "some of it was readable");
    let found =
        store
            .quarantine()
            .list(&store::quarantine::Query { text: "請求".into(), limit: 1_000, ..Default::default() });
    assert_eq!(u64::try_from(found.expect("searches").entries.len()).expect("small"), there, "what was saved is found");
}

#[test]
fn a_database_that_is_none() {
    let place = Place::new("garbage");
    place.open();
    fs::write(place.0.join("store.sqlite3"), b"garbage ".repeat(1_000)).expect("writes");
    let error = place.refused();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    let aside = Store::set_aside(&place.location(), Time::from_seconds(1)).expect("sets aside");
    assert_eq!((aside.records, aside.contents), (0, 0));
    place.open();
}

#[test]
fn a_changed_content_is_never_handed_out() {
    let place = Place::new("content");
    let store = place.open();
    let quarantine = store.quarantine();
    let entry = quarantine.put(Time::START, &[1; 32], held(), b"the bytes").expect("puts");
    let name = entry.content.expect("kept").to_string();
    let path = place.0.join("content").join(&name[..2]).join(&name);
    fs::write(&path, b"the bytez").expect("writes");
    assert!(matches!(quarantine.content(&entry), Err(Error::Content { .. })));
    let released =
        quarantine.release(entry.id, store::quarantine::Who::All, "x", Time::START, |_, _, _| -> Result<(), ()> {
            panic!("delivered wrong bytes")
        });
    assert!(matches!(released, Err(Error::Content { .. })));
    assert_eq!(store.verify().expect("verifies").damaged.len(), 1);
    // The same message again mends it.
    quarantine.put(Time::START, &[2; 32], held(), b"the bytes").expect("puts");
    assert_eq!(quarantine.content(&entry).expect("reads"), b"the bytes");
    fs::remove_file(&path).expect("removes");
    assert!(matches!(quarantine.content(&entry), Err(Error::Content { .. })));
}

#[test]
fn what_a_crash_left_is_swept() {
    let place = Place::new("sweep");
    let store = place.open();
    let folder = place.0.join("content").join("ab");
    fs::create_dir_all(&folder).expect("makes");
    let unnamed = folder.join(format!("ab{}", "0".repeat(62)));
    fs::write(&unnamed, b"no record names me").expect("writes");
    let half = place.0.join("content/temporary/1-0");
    fs::write(&half, b"hal").expect("writes");
    let busy = place.0.join("content/temporary/2-0");
    let writer = fs::File::create(&busy).expect("makes");
    writer.lock().expect("locks");
    let retention = store::quarantine::Retention { age: Duration::from_secs(1), bytes: 1 << 30 };
    let expired = store.quarantine().expire(Time::START, retention).expect("expires");
    assert_eq!(expired.contents, 1);
    assert!(!unnamed.exists() && !half.exists());
    assert!(busy.exists(), "somebody is writing it");
}
