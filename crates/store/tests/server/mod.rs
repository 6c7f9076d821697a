//! PostgreSQL and Redis of a test's own: in directories of their own, as an unprivileged user, stopped in the end. The
//! tests of `app` use them too.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use store::{Error, Location, Store};

/// A server that is gone, directory and all, when the test is over.
pub struct Server {
    directory: PathBuf,
    command: Vec<String>,
    user: &'static str,
    child: Option<Child>,
    pub location: String,
}

/// Enough for a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

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
    pub fn postgresql() -> Server {
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

    pub fn redis(durable: bool) -> Server {
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

    pub fn location(&self) -> Location {
        self.location.parse::<Location>().expect("a location").with_patience(PATIENCE)
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
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
    pub fn crash(&mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("kills");
        child.wait().expect("ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGINT: PostgreSQL ends its own children then.
            let _ =
                rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT);
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
