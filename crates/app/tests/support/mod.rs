//! The real programs around a running `sekisho serve`: Postfix in folders and on ports of its own, and what sends mail.
#![allow(dead_code, reason = "each test uses its part of it")]

pub mod clamd;
pub mod dns;
#[path = "../../../protocols/tests/postfix/mod.rs"]
mod postfix;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far more than anything here takes; whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds since 1970.
#[allow(clippy::disallowed_methods, reason = "a test has no transaction that tells the time")]
pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A folder that other users may enter, taken away in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sekisho-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The program as a user would call it who has his home here: English, nothing on standard input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command.args(arguments).env("SEKISHO_CACHE", self.0.join("cache")).env("HOME", &self.0).env("LC_ALL", "C");
        command.stdin(Stdio::null());
        command
    }

    pub fn sekisho(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// What a call said that did what it was told.
pub fn said(output: &Output) -> String {
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `sekisho serve` with this configuration, and what it says.
pub struct Sekisho {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Sekisho {
    /// Waits until it is ready.
    pub fn start(folder: &Folder, config: &str) -> Sekisho {
        Sekisho::started(folder, config, Command::new(env!("CARGO_BIN_EXE_sekisho")))
    }

    /// With rules that ask DNS.
    pub fn start_asking(folder: &Folder, config: &str) -> Sekisho {
        let mut program = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        program.env_remove("SEKISHO_LOCAL");
        Sekisho::started(folder, config, program)
    }

    fn started(folder: &Folder, config: &str, mut program: Command) -> Sekisho {
        let config = folder.file("sekisho.toml", config);
        let mut child = program
            .args(["serve", "--config"])
            .arg(&config)
            .env("SEKISHO_CACHE", folder.0.join("cache"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let keep = said.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| keep.lock().unwrap().push(line)));
        let sekisho = Sekisho { child, said };
        wait_until("sekisho is ready", || {
            sekisho.log().iter().any(|line| line.ends_with(": ready") || line.contains("\"text\":\"ready\""))
        });
        sekisho
    }

    pub fn log(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub fn wait_for(&self, text: &str) {
        wait_until(text, || self.log().iter().any(|line| line.contains(text)));
    }

    /// The port that it got for this protocol.
    pub fn port(&self, protocol: &str) -> u16 {
        let start = format!("sekisho: {protocol} on inet:");
        let log = self.log();
        let line = log.iter().find_map(|line| line.strip_prefix(&start)).expect("it says where it listens");
        line.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// The exit code after a signal that ends it.
    pub fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// No program for it: a bare system has no kill(1).
pub fn signal(child: &Child, name: &str) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match name {
        "CONT" => Signal::CONT,
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "KILL" => Signal::KILL,
        "STOP" => Signal::STOP,
        "TERM" => Signal::TERM,
        other => panic!("{other} is not in this list"),
    };
    kill_process(Pid::from_child(child), signal).unwrap();
}

impl Drop for Sekisho {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Postfix that asks this milter and delivers everything for `example.test` into one Maildir.
pub struct Postfix {
    postfix: postfix::Postfix,
    pub port: u16,
}

impl Postfix {
    /// `None`: there is no Postfix that could be started.
    pub fn start(folder: &Folder, milter: &str) -> Option<Postfix> {
        Postfix::start_with(folder, &[(free_port(), String::new())], &format!("smtpd_milters = {milter}\n"))
    }

    /// With these ports, each with its options, and more lines of `main.cf`. The first port is where mail comes in.
    pub fn start_with(folder: &Folder, listen: &[(u16, String)], more: &str) -> Option<Postfix> {
        let main = format!(
            "myhostname = mx.example.test\nvirtual_mailbox_domains = example.test\n\
             virtual_mailbox_maps = static:all/\nmilter_connect_timeout = 5s\n\
             smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_peername_lookup = no\n\
             {more}"
        );
        Postfix::with(folder, "postfix", listen, &main)
    }

    /// With these ports, each with options for its `smtpd`, and these lines of `main.cf`.
    pub fn with(folder: &Folder, name: &str, listen: &[(u16, String)], main: &str) -> Option<Postfix> {
        let postfix = postfix::Postfix::start(&folder.0.join(name), listen, main)?;
        let postfix = Postfix { postfix, port: listen[0].0 };
        postfix.wait_until_it_answers();
        Some(postfix)
    }

    fn wait_until_it_answers(&self) {
        wait_until("Postfix answers", || {
            TcpStream::connect(("127.0.0.1", self.port))
                .is_ok_and(|mut stream| stream.read(&mut [0; 4]).is_ok_and(|read| read > 0))
        });
    }

    pub fn log(&self) -> String {
        self.postfix.log()
    }

    /// `stop`, `start`, `flush`: whether it did.
    pub fn control(&self, verb: &str) -> bool {
        let done = self.postfix.control(verb);
        if done && verb == "start" {
            self.wait_until_it_answers();
        }
        done
    }

    /// Messages that it still has.
    pub fn queued(&self) -> usize {
        fn files(folder: PathBuf) -> usize {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| if entry.path().is_dir() { files(entry.path()) } else { 1 }).sum()
        }
        ["maildrop", "incoming", "active", "deferred"]
            .map(|name| files(self.postfix.file("queue").join(name)))
            .iter()
            .sum()
    }

    /// A setting changed, and taken.
    pub fn configure(&self, setting: &str) {
        let etc = self.postfix.file("etc");
        let status = Command::new("/usr/sbin/postconf").arg("-c").arg(etc).arg("-e").arg(setting).status();
        assert!(status.is_ok_and(|status| status.success()) && self.control("reload"));
    }

    /// What was delivered.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
        let Ok(files) = fs::read_dir(self.postfix.file("mail/all/new")) else { return Vec::new() };
        files.filter_map(|file| fs::read(file.ok()?.path()).ok()).collect()
    }

    /// Waits for the message with this text.
    pub fn delivery(&self, text: &str) -> Vec<u8> {
        let start = Instant::now();
        loop {
            if let Some(found) = self.delivered().into_iter().find(|mail| contains(mail, text)) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "no delivery of {text}; Postfix says:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a message over SMTP; the reply to its end.
    pub fn send(&self, message: &[u8]) -> String {
        let mut smtp = Smtp::connect(self.port);
        for command in ["EHLO client.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"]
        {
            let reply = smtp.ask(command);
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        smtp.data(message)
    }
}

/// A message with LF line ends as DATA carries it, the end included.
pub fn dotted(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

pub struct Smtp(BufReader<TcpStream>);

impl Smtp {
    pub fn connect(port: u16) -> Smtp {
        Smtp::connect_to("127.0.0.1", port)
    }

    pub fn connect_to(host: &str, port: u16) -> Smtp {
        let stream = TcpStream::connect((host, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut smtp = Smtp(BufReader::new(stream));
        assert!(smtp.reply().starts_with("220"));
        smtp
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// Does not wait for a reply.
    pub fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// A message with LF line ends.
    pub fn data(&mut self, message: &[u8]) -> String {
        self.0.get_mut().write_all(&dotted(message)).unwrap();
        self.reply()
    }

    pub fn reply(&mut self) -> String {
        self.lines().pop().unwrap_or_default()
    }

    /// All lines of one reply.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                lines.push("(closed)".into());
                return lines;
            }
            lines.push(line.trim_end().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return lines;
            }
        }
    }
}

pub fn contains(mail: &[u8], text: &str) -> bool {
    mail.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What a program prints, given this on its standard input; and its exit code.
pub fn filter(program: &str, arguments: &[&str], input: &[u8]) -> (Vec<u8>, Option<i32>) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.code())
}
