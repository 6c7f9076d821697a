//! How DNS weighs on the service: many questions, dead and slow servers, many messages.
//!
//! `cargo bench -p sekisho --bench dns`; `SEKISHO=PATH` measures another build, `MESSAGES=N` sends more or fewer of them in the
//! last part (10,000). All servers are ours, on loopback. Printed are times, hits, open sockets and memory of the service.
#![allow(clippy::print_stdout, reason = "a bench prints its result")]
#![allow(clippy::disallowed_methods, reason = "what is to be measured stands in the environment")]

#[path = "../tests/support/dns.rs"]
mod dns;

use dns::{Dns, Manner, records};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Service {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> PathBuf {
    std::env::var_os("SEKISHO").map_or_else(|| env!("CARGO_BIN_EXE_sekisho").into(), PathBuf::from)
}

impl Service {
    /// With rules that ask so many lists below `list.test`.
    fn start(name: &str, lists: usize, server: &str, settings: &str) -> Service {
        let folder = std::env::temp_dir().join(format!("sekisho-bench-dns-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut rules = String::from(
            "loadplugin Mail::SpamAssassin::Plugin::DNSEval\ninternal_networks 198.51.100.0/24\n\
             trusted_networks 198.51.100.0/24\n",
        );
        for n in 0..lists {
            writeln!(
                rules,
                "header L{n} eval:check_rbl('s{n}-lastexternal', 'l{n}.list.test.')\ntflags L{n} net\nscore L{n} 1"
            )
            .expect("a string grows");
        }
        let own = folder.join("own.cf");
        std::fs::write(&own, rules).expect("writes");
        let config = folder.join("sekisho.toml");
        let text = format!(
            "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{own:?}]\n[store]\n\
             location = \"\"\n[learn]\nfolder = \"\"\n[signatures]\nfolders = []\n[dns]\nservers = [\"{server}\"]\n{settings}\n"
        );
        std::fs::write(&config, text).expect("writes");
        let mut child = Command::new(program())
            .args(["serve", "--config"])
            .arg(&config)
            .env("SEKISHO_CACHE", folder.join("cache"))
            .env_remove("SEKISHO_LOCAL")
            .stderr(Stdio::piped())
            .spawn()
            .expect("sekisho runs");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut port = 0;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("sekisho: spamd on inet:") {
                port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
            }
            if line.ends_with(": ready") {
                break;
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        Service { child, port, folder }
    }

    /// The rules that hit, as the service says them.
    fn ask(&self, number: u32) -> Vec<String> {
        let [_, a, b, c] = number.to_be_bytes();
        let mail = format!(
            "Received: from a.example (a.example [11.{a}.{b}.{c}])\n\tby mx.example.org (Postfix) with ESMTP id 1\n\tfor \
             <ann@example.org>; Sat, 21 Nov 2026 10:00:00 +0900 (JST)\nFrom: a@example.com\nSubject: x\n\nbody\n"
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let request = format!("SYMBOLS SPAMC/1.2\r\nContent-length: {}\r\n\r\n{mail}", mail.len());
        stream.write_all(request.as_bytes()).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it reads on");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("it answers");
        let body = said.split("\r\n\r\n").nth(1).unwrap_or_default();
        body.trim().split(',').filter(|rule| !rule.is_empty()).map(str::to_owned).collect()
    }

    /// Open sockets, memory now and at most, in kB.
    fn weight(&self) -> (usize, u64, u64) {
        let home = Path::new("/proc").join(self.child.id().to_string());
        let links = std::fs::read_dir(home.join("fd")).into_iter().flatten().flatten();
        let is_socket = |link: PathBuf| link.to_string_lossy().starts_with("socket:");
        let sockets = links.filter(|link| std::fs::read_link(link.path()).is_ok_and(is_socket)).count();
        let status = std::fs::read_to_string(home.join("status")).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        (sockets, of("VmRSS:"), of("VmHWM:"))
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn main() {
    many_questions();
    dead_server();
    slow_lists();
    many_messages();
}

fn many_questions() {
    let dns = Dns::start(&[("*.list.test", records(&["A 127.0.0.2"]))], Duration::from_millis(50));
    let service = Service::start("many", 30, &dns.address.to_string(), "");
    service.ask(1);
    let mut times: Vec<Duration> = (2..32)
        .map(|number| {
            let (rules, time) = timed(|| service.ask(number));
            assert_eq!(rules.len(), 30, "{rules:?}");
            time
        })
        .collect();
    times.sort();
    println!(
        "30 questions, each answered after 50 ms: median {:?}, 90 % {:?}, slowest {:?} a message of 30 messages",
        times[15], times[27], times[29]
    );
}

fn dead_server() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound").to_string();
    let service = Service::start("dead", 30, &address, "deadline = \"2s\"\nunanswered = 0.5");
    let (rules, time) = timed(|| service.ask(1));
    println!("dead server, deadline 2 s: first message {time:?}, hits {rules:?}");
    let (rules, time) = timed(|| service.ask(2));
    println!("dead server: the next {time:?}, hits {rules:?}");
}

fn slow_lists() {
    let mut zones: Vec<(String, Manner)> = (0..15).map(|n| (format!("*.l{n}.list.test"), Manner::Silence)).collect();
    zones.push(("*.list.test".to_owned(), records(&["A 127.0.0.2"])));
    let zones: Vec<(&str, Manner)> = zones.iter().map(|(name, how)| (name.as_str(), how.clone())).collect();
    let dns = Dns::start(&zones, Duration::from_millis(50));
    let service = Service::start("slow", 30, &dns.address.to_string(), "deadline = \"1s\"");
    let (rules, time) = timed(|| service.ask(1));
    let lists = rules.iter().filter(|rule| rule.starts_with('L')).count();
    println!(
        "15 of 30 lists silent, deadline 1 s: {time:?}, {lists} lists counted, told: {}",
        rules.iter().any(|rule| rule == "DNS_UNANSWERED")
    );
}

/// Every question to this server ends with "no such name", but each tenth.
fn plain_server() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        let mut number = 0u32;
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let Some(name) = packet.get(12..length).and_then(|rest| rest.iter().position(|byte| *byte == 0)) else {
                continue;
            };
            let end = 12 + name + 5;
            number += 1;
            let listed = number.is_multiple_of(10);
            let mut out = packet[..2].to_vec();
            out.extend([0x81, if listed { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(listed), 0, 0, 0, 0]);
            out.extend(&packet[12..end.min(length)]);
            if listed {
                out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 2]);
            }
            let _ = socket.send_to(&out, from);
        }
    });
    address
}

fn many_messages() {
    const CLIENTS: u64 = 20;
    let messages: u64 = std::env::var("MESSAGES").ok().and_then(|number| number.parse().ok()).unwrap_or(10_000);
    let service = Service::start("flood", 10, &plain_server(), "");
    service.ask(1);
    let (_, before, _) = service.weight();
    let (next, over) = (AtomicU64::new(2), Arc::new(AtomicBool::new(false)));
    let most = Mutex::new((0, 0));
    let hits = AtomicU64::new(0);
    let unanswered = AtomicU64::new(0);
    let ((), time) = timed(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let (sockets, memory, _) = service.weight();
                    if let Ok(mut most) = most.lock() {
                        *most = (most.0.max(sockets), most.1.max(memory));
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= messages + 2 {
                                return;
                            }
                            let rules = service.ask(number as u32);
                            hits.fetch_add(
                                rules.iter().filter(|rule| rule.starts_with('L')).count() as u64,
                                Ordering::Relaxed,
                            );
                            unanswered.fetch_add(
                                u64::from(rules.iter().any(|rule| rule.starts_with("DNS_"))),
                                Ordering::Relaxed,
                            );
                        }
                    })
                })
                .collect();
            for client in clients {
                let _ = client.join();
            }
            over.store(true, Ordering::Relaxed);
        });
    });
    let (_, after, peak) = service.weight();
    let (sockets, _) = *most.lock().expect("nobody failed");
    println!(
        "{messages} messages of 10 questions, {CLIENTS} clients: {time:?}, {:.0} a minute; {} list hits, {} with a question \
         unanswered; sockets at most {sockets}; memory {before} kB before, {after} kB after, {peak} kB at most",
        messages as f64 * 60.0 / time.as_secs_f64(),
        hits.into_inner(),
        unanswered.into_inner()
    );
}
