//! The real programs around a running `sekisho serve`: Postfix in folders and on ports of its own, and what sends mail.
#![allow(dead_code)] // each test file uses its part

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
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
        let config = folder.file("sekisho.toml", config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
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
        wait_until("sekisho is ready", || sekisho.log().iter().any(|line| line.ends_with(": ready")));
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

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// The exit code after a signal that ends it.
    pub fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
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

/// A Postfix of its own, that delivers everything for `example.test` into one Maildir a recipient.
pub struct Postfix {
    folder: PathBuf,
    pub port: u16,
}

impl Postfix {
    pub fn start(folder: &Folder, milter: &str, more: &str) -> Postfix {
        let root = folder.0.join("postfix");
        for name in ["etc", "data", "queue", "mail"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let (root_text, port) = (root.display(), free_port());
        let nobody = id("nobody");
        fs::write(
            root.join("etc/main.cf"),
            format!(
                "compatibility_level = 3.6\nconfig_directory = {root_text}/etc\nqueue_directory = {root_text}/queue\n\
                 data_directory = {root_text}/data\nmail_owner = postfix\nsetgid_group = postdrop\n\
                 maillog_file = {root_text}/mail.log\nmaillog_file_prefixes = {root_text}\n\
                 inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.example.test\n\
                 mydestination =\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
                 virtual_mailbox_domains = example.test\nvirtual_mailbox_maps = static:all/\n\
                 virtual_mailbox_base = {root_text}/mail\nvirtual_uid_maps = static:{nobody}\n\
                 virtual_gid_maps = static:{nobody}\nvirtual_minimum_uid = 1\n\
                 smtpd_milters = {milter}\nmilter_default_action = tempfail\nmilter_protocol = 6\n\
                 milter_connect_timeout = 5s\nsmtpd_authorized_xclient_hosts = 127.0.0.1\n\
                 smtpd_peername_lookup = no\nsmtpd_client_restrictions =\n{more}\n"
            ),
        )
        .unwrap();
        let service = |name: &str, kind: &str, command: &str| {
            let public = kind == "inet" || ["pickup", "cleanup", "qmgr"].contains(&name);
            let private = if public { "n" } else { "-" };
            let unprivileged = if ["local", "virtual"].contains(&name) { "n" } else { "-" };
            let processes = match name {
                "cleanup" | "bounce" | "defer" | "trace" => "0",
                "pickup" | "qmgr" | "tlsmgr" | "verify" | "anvil" | "scache" => "1",
                _ => "-",
            };
            format!("{name} {kind} {private} {unprivileged} n - {processes} {command}\n")
        };
        let master = [
            service(&format!("127.0.0.1:{port}"), "inet", "smtpd"),
            service("pickup", "unix", "pickup"),
            service("cleanup", "unix", "cleanup"),
            service("qmgr", "unix", "qmgr"),
            service("tlsmgr", "unix", "tlsmgr"),
            service("rewrite", "unix", "trivial-rewrite"),
            service("bounce", "unix", "bounce"),
            service("defer", "unix", "bounce"),
            service("trace", "unix", "bounce"),
            service("verify", "unix", "verify"),
            service("proxymap", "unix", "proxymap"),
            service("smtp", "unix", "smtp"),
            service("error", "unix", "error"),
            service("retry", "unix", "error"),
            service("discard", "unix", "discard"),
            service("local", "unix", "local"),
            service("virtual", "unix", "virtual"),
            service("lmtp", "unix", "lmtp"),
            service("anvil", "unix", "anvil"),
            service("scache", "unix", "scache"),
            "postlog unix-dgram n - n - 1 postlogd\n".to_owned(),
        ];
        fs::write(root.join("etc/master.cf"), master.concat()).unwrap();
        let own = |path: &str, user: &str| {
            assert!(Command::new("chown").args(["-R", user]).arg(root.join(path)).status().unwrap().success());
        };
        own("data", "postfix");
        own("mail", "nobody");
        let postfix = Postfix { folder: root, port };
        postfix.command(&["set-permissions"]);
        postfix.command(&["start"]);
        wait_until("Postfix answers", || {
            TcpStream::connect(("127.0.0.1", port))
                .is_ok_and(|mut stream| stream.read(&mut [0; 4]).is_ok_and(|n| n > 0))
        });
        postfix
    }

    fn command(&self, arguments: &[&str]) {
        let done = Command::new("postfix")
            .arg("-c")
            .arg(self.folder.join("etc"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the package postfix is installed");
        // `set-permissions` looks at manuals too, which need not be installed.
        assert!(
            done.status.success() || arguments == ["set-permissions"],
            "postfix {arguments:?}: {}{}",
            String::from_utf8_lossy(&done.stderr),
            self.log()
        );
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default()
    }

    /// What was delivered.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
        let Ok(files) = fs::read_dir(self.folder.join("mail/all/new")) else { return Vec::new() };
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

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ =
            Command::new("postfix").arg("-c").arg(self.folder.join("etc")).arg("abort").stderr(Stdio::null()).status();
    }
}

pub struct Smtp(BufReader<TcpStream>);

impl Smtp {
    pub fn connect(port: u16) -> Smtp {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut smtp = Smtp(BufReader::new(stream));
        assert!(smtp.reply().starts_with("220"));
        smtp
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// A message with LF line ends.
    pub fn data(&mut self, message: &[u8]) -> String {
        let mut wire = Vec::new();
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        self.0.get_mut().write_all(&wire).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return "(closed)".into();
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

pub fn contains(mail: &[u8], text: &str) -> bool {
    mail.windows(text.len()).any(|window| window == text.as_bytes())
}

pub fn id(user: &str) -> String {
    let output = Command::new("id").args(["-u", user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
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

pub fn exists(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
}
