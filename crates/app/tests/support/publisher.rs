//! Publishers of feeds on this machine: an HTTP server, a name server, gpg's keys and signatures, rsync's daemon.

use super::support::{Folder, free_port, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub body: Vec<u8>,
    pub headers: String,
    /// Says that there is so much more than comes.
    pub missing: usize,
}

impl Page {
    pub fn ok(body: impl Into<Vec<u8>>) -> Page {
        Page { status: 200, body: body.into(), headers: String::new(), missing: 0 }
    }

    pub fn status(status: u16) -> Page {
        Page { status, ..Page::ok("<html>no</html>") }
    }
}

/// Answers with pages; knows conditional requests.
#[derive(Clone)]
pub struct Http {
    pub port: u16,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    /// `200 /path`
    asked: Arc<Mutex<Vec<String>>>,
}

impl Http {
    pub fn start() -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = Http { port: listener.local_addr().unwrap().port(), pages: Arc::default(), asked: Arc::default() };
        let server = http.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || server.answer(stream));
            }
        });
        http
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(format!("/{path}"), page);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let mut condition = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? <= 2 {
                break;
            }
            if let Some(tag) = line.to_ascii_lowercase().strip_prefix("if-none-match:") {
                condition = tag.trim().to_owned();
            }
        }
        let page = self.pages.lock().unwrap().get(&path).cloned().unwrap_or(Page::status(404));
        let sum: u64 = page.body.iter().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let tag = format!("\"{sum:x}\"");
        let fresh = page.status == 200 && condition == tag;
        let status = if fresh { 304 } else { page.status };
        self.asked.lock().unwrap().push(format!("{status} {path}"));
        let body: &[u8] = if fresh { b"" } else { &page.body };
        let head = format!(
            "HTTP/1.1 {status} X\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
            body.len() + page.missing,
            page.headers
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()
    }
}

/// Answers TXT questions.
#[derive(Clone)]
pub struct Dns {
    pub port: u16,
    names: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Dns {
    pub fn start() -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns { port: socket.local_addr().unwrap().port(), names: Arc::default() };
        let server = dns.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(reply) = server.reply(&buffer[..length]) {
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        dns
    }

    pub fn put(&self, name: &str, text: &str) {
        self.names.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }

    fn reply(&self, question: &[u8]) -> Option<Vec<u8>> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*question.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_ascii_lowercase());
            at += length;
        }
        let end = at + 4;
        let text = self.names.lock().unwrap().get(&labels.join(".")).cloned();
        let mut reply = question.get(..2)?.to_vec();
        reply.extend([0x81, if text.is_some() { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0]);
        reply.extend_from_slice(question.get(12..end)?);
        if let Some(text) = text {
            reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0]);
            reply.extend((text.len() as u16 + 1).to_be_bytes());
            reply.push(text.len() as u8);
            reply.extend_from_slice(text.as_bytes());
        }
        Some(reply)
    }
}

/// A key of gpg's in a home of its own.
pub struct Gpg {
    home: PathBuf,
    pub fingerprint: String,
}

impl Gpg {
    /// `rsa2048`, `dsa1024`, `ed25519`
    pub fn new(folder: &Folder, name: &str, algorithm: &str) -> Gpg {
        use std::os::unix::fs::PermissionsExt;
        let home = folder.0.join(format!("gpg-{name}"));
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let mut gpg = Gpg { home, fingerprint: String::new() };
        gpg.run(&["--quick-generate-key", &format!("{name} <{name}@example.test>"), algorithm, "sign", "never"], b"");
        let keys = String::from_utf8(gpg.run(&["--with-colons", "--list-keys"], b"")).unwrap();
        let line = keys.lines().find(|line| line.starts_with("fpr:")).unwrap();
        gpg.fingerprint = line.split(':').nth(9).unwrap().to_owned();
        gpg
    }

    pub fn public_key(&self) -> Vec<u8> {
        self.run(&["--armor", "--export"], b"")
    }

    pub fn sign(&self, content: &[u8]) -> Vec<u8> {
        self.run(&["--detach-sign"], content)
    }

    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).status();
    }
}

/// The real daemon, with one module.
pub struct Rsync {
    child: Child,
    pub folder: PathBuf,
    pub port: u16,
}

impl Rsync {
    pub fn start(folder: &Folder) -> Rsync {
        let files = folder.0.join("module");
        fs::create_dir_all(&files).unwrap();
        let config =
            folder.file("rsyncd.conf", &format!("use chroot = no\n[sanesecurity]\npath = {}\n", files.display()));
        let port = free_port();
        let child = Command::new("rsync")
            .args(["--daemon", "--no-detach", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--config={}", config.display()))
            .spawn()
            .unwrap();
        let rsync = Rsync { child, folder: files, port };
        wait_until("rsync's daemon answers", || {
            TcpStream::connect(("127.0.0.1", port))
                .is_ok_and(|mut stream| stream.read(&mut [0; 8]).is_ok_and(|read| read > 0))
        });
        rsync
    }
}

impl Drop for Rsync {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
