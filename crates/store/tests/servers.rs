//! The same suite over real servers, which the test starts for itself in directories of its own, as an unprivileged user,
//! and stops. `./test` installs them; where one is missing the test fails and says so.

#![cfg(all(feature = "postgresql", feature = "redis"))]

mod suite;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use store::backends::{postgresql::PostgreSql, redis::Redis, sqlite::Sqlite};
use store::quarantine::NewEntry;
use store::{Backend, Bytes, Error, Location, Store, Time};

/// A server that is gone, directory and all, when the test is over.
struct Server {
    directory: PathBuf,
    command: Vec<String>,
    user: &'static str,
    child: Option<Child>,
    location: String,
}

/// Enough for a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// As `user` where we are root: PostgreSQL refuses to be.
fn command(user: &str, words: &[String]) -> Command {
    let (program, arguments) = words.split_first().expect("a program");
    let mut command = if root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups", program.as_str()]);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn directory(name: &str, user: &str) -> PathBuf {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    // Not below target/: the unprivileged user may not be allowed to go there.
    let directory = std::env::temp_dir().join(format!("sekisho-{name}-{}-{serial}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).expect("makes a directory");
    if root() {
        let status = Command::new("chown").arg(user).arg(&directory).status().expect("chown runs");
        assert!(status.success(), "there is no user {user}: is the server's package installed?");
    }
    directory
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Server {
    fn postgresql() -> Server {
        let programs = postgresql_programs();
        let directory = directory("postgresql", "postgres");
        let data = directory.join("data").display().to_string();
        let program = |name: &str| programs.join(name).display().to_string();
        let init = words(&[
            &program("initdb"),
            "-D",
            &data,
            "-U",
            "sekisho",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let output = command("postgres", &init).output().expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let socket = directory.display().to_string();
        let mut server = Server {
            command: words(&[&program("postgres"), "-D", &data, "-k", &socket, "-c", "listen_addresses="]),
            user: "postgres",
            child: None,
            location: format!("postgresql://sekisho@{}/postgres", socket.replace('/', "%2F")),
            directory,
        };
        server.start();
        server
    }

    fn redis(durable: bool) -> Server {
        let directory = directory("redis", "redis");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port().to_string();
        let folder = directory.display().to_string();
        let mut line = words(&["redis-server", "--bind", "127.0.0.1", "--port", &port, "--dir", &folder, "--save", ""]);
        if durable {
            line.extend(words(&["--appendonly", "yes", "--appendfsync", "always"]));
        }
        let mut server = Server {
            command: line,
            user: "redis",
            child: None,
            location: format!("redis://127.0.0.1:{port}/0"),
            directory,
        };
        server.start();
        server
    }

    fn location(&self) -> Location {
        self.location.parse::<Location>().expect("a location").with_patience(PATIENCE)
    }

    /// Starts it and waits until it answers.
    fn start(&mut self) {
        for _ in 0..600 {
            if self.child.as_mut().is_none_or(|child| child.try_wait().expect("asks").is_some()) {
                let log =
                    fs::File::options().create(true).append(true).open(self.directory.join("log")).expect("opens");
                let child = command(self.user, &self.command).stderr(log).spawn();
                self.child =
                    Some(child.unwrap_or_else(|e| {
                        panic!("{}: {e}; apt-get install redis-server postgresql", self.command[0])
                    }));
            }
            match Store::open(&format!("{}?durability=server", self.location).parse().expect("a location")) {
                Err(Error::Unreachable { .. }) => std::thread::sleep(Duration::from_millis(100)),
                Err(error) => panic!("{error}"),
                Ok(_) => return,
            }
        }
        panic!(
            "{:?} does not answer:\n{}",
            self.command,
            fs::read_to_string(self.directory.join("log")).unwrap_or_default()
        );
    }

    /// SIGKILL, as a crash would be.
    fn crash(&mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("kills");
        child.wait().expect("ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGINT: PostgreSQL ends its own children then.
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn postgresql_programs() -> PathBuf {
    let installed =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    let has_programs = |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    let found = installed.chain(on_path).find(|folder| has_programs(folder));
    found.expect("PostgreSQL's server is not installed: apt-get install postgresql")
}

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
    let error = store.outbox().list(None, 10).expect_err("there is no server");
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
