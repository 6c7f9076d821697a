//! Nothing is lost: numbered messages go through the real Postfix while something fails again and again, and in the end
//! each of them is in the mailbox or in the quarantine, byte for byte.
//!
//! A plain run sends few messages a failure. `cargo xtask losses` sends a thousand and writes the table to
//! `docs/losses.md`. A message counts as sent when Postfix said 250; until then its sender tries again, as any would.

#[path = "../../store/tests/server/mod.rs"]
mod server;
mod support;

use server::Server;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::quarantine::Query;
use support::{Folder, Postfix, Sekisho, dotted, free_port, wait_until};

/// Clients at the same time.
const SENDERS: usize = 8;
/// Messages between two failures.
const BATCH: usize = 10;
/// Every so many-th message is one that the rules hold.
const HELD: usize = 4;
const PLAIN_RUN: usize = 20;
/// Of these a plain run has all ways; of the others, the milter.
const TELLING: &[&str] = &["none", "killed (SIGKILL)", "stopped for longer", "disk"];

/// How sekisho stands at the mail server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Milter,
    /// `content_filter`: Postfix has the message, and hands it over and takes it back.
    AfterQueue,
    /// `smtpd_proxy_filter`: the sender waits.
    BeforeQueue,
}

const WAYS: &[(Way, &str)] =
    &[(Way::Milter, "milter"), (Way::AfterQueue, "content_filter"), (Way::BeforeQueue, "smtpd_proxy_filter")];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shelf {
    Folder,
    /// On a disk of its own, small enough to be filled.
    SmallDisk,
    PostgreSql,
    Redis,
}

struct Failure {
    name: &'static str,
    store: Shelf,
    /// Lines of `main.cf`.
    postfix: &'static str,
    /// Happens once a batch; releases the messages of the batch where it hurts most.
    happens: fn(&mut Scene),
}

const FAILURES: &[Failure] = &[
    Failure { name: "none", store: Shelf::Folder, postfix: "", happens: Scene::release },
    Failure { name: "killed (SIGKILL), started again", store: Shelf::Folder, postfix: "", happens: killed },
    Failure { name: "stopped (SIGSTOP), continued", store: Shelf::Folder, postfix: "", happens: paused },
    Failure {
        name: "stopped for longer than Postfix waits",
        store: Shelf::Folder,
        postfix: "milter_command_timeout = 2s\nmilter_content_timeout = 2s\nsmtpd_proxy_timeout = 2s\n\
                  smtp_helo_timeout = 2s\nsmtp_mail_timeout = 2s\nsmtp_rcpt_timeout = 2s\n\
                  smtp_data_init_timeout = 2s\nsmtp_data_xfer_timeout = 2s\nsmtp_data_done_timeout = 2s\n",
        happens: paused_for_long,
    },
    Failure { name: "restarted (SIGTERM)", store: Shelf::Folder, postfix: "", happens: restarted },
    Failure { name: "reloaded (SIGHUP) all the time", store: Shelf::Folder, postfix: "", happens: reloaded },
    Failure { name: "disk of the store full", store: Shelf::SmallDisk, postfix: "", happens: filled },
    Failure { name: "PostgreSQL killed, started again", store: Shelf::PostgreSql, postfix: "", happens: store_stopped },
    Failure { name: "Redis killed, started again", store: Shelf::Redis, postfix: "", happens: store_stopped },
    Failure { name: "rules replaced by garbage, reloaded", store: Shelf::Folder, postfix: "", happens: garbage },
    Failure { name: "garbage as configuration, restarted", store: Shelf::Folder, postfix: "", happens: misconfigured },
    Failure { name: "Postfix stopped, started again", store: Shelf::Folder, postfix: "", happens: postfix_restarted },
];

fn killed(scene: &mut Scene) {
    scene.release_half();
    scene.pause(30);
    scene.sekisho().signal("KILL");
    scene.sekisho().ends();
    scene.release_and_be_refused();
    scene.start();
}

fn paused(scene: &mut Scene) {
    scene.release_half();
    scene.sekisho().signal("STOP");
    scene.release();
    scene.pause(500);
    scene.sekisho().signal("CONT");
}

fn paused_for_long(scene: &mut Scene) {
    scene.release_half();
    scene.pause(30);
    scene.sekisho().signal("STOP");
    scene.release_and_be_refused();
    scene.sekisho().signal("CONT");
}

fn restarted(scene: &mut Scene) {
    scene.release_half();
    scene.pause(30);
    scene.sekisho().signal("TERM");
    scene.release();
    assert_eq!(scene.sekisho().ends(), Some(0));
    scene.start();
}

fn reloaded(scene: &mut Scene) {
    scene.release();
    for _ in 0..5 {
        scene.sekisho().signal("HUP");
        scene.pause(50);
    }
}

fn filled(scene: &mut Scene) {
    let filler = scene.disk.as_ref().unwrap().fill();
    scene.release_and_be_refused();
    std::fs::remove_file(filler).unwrap();
}

fn store_stopped(scene: &mut Scene) {
    scene.release_half();
    scene.server.as_mut().unwrap().crash();
    scene.release_and_be_refused();
    scene.server.as_mut().unwrap().start();
}

fn garbage(scene: &mut Scene) {
    let rules = scene.folder.0.join("rules.cf");
    let good = std::fs::read(&rules).unwrap();
    scene.release_half();
    let noise: Vec<u8> = Random(7).bytes(20_000);
    for garbage in [&noise, b"".as_slice(), b"body BROKEN /(/\nscore\nheader", &good[..good.len() / 3]] {
        std::fs::write(&rules, garbage).unwrap();
        let before = scene.told("the old ones stay");
        scene.sekisho().signal("HUP");
        wait_until("the old rules stay", || scene.told("the old ones stay") > before);
    }
    scene.release();
    std::fs::write(&rules, good).unwrap();
    scene.sekisho().signal("HUP");
}

fn misconfigured(scene: &mut Scene) {
    scene.release_half();
    scene.sekisho().signal("TERM");
    scene.sekisho().ends();
    let broken = scene.folder.file("broken.toml", "[limits]\nmessage = \"thirty\"\n");
    let tried = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(["serve", "--config"]).arg(broken).output().unwrap();
    assert_eq!(tried.status.code(), Some(2), "{}", String::from_utf8_lossy(&tried.stderr));
    scene.release_and_be_refused();
    scene.start();
}

fn postfix_restarted(scene: &mut Scene) {
    scene.release_half();
    scene.pause(30);
    assert!(scene.postfix.control("abort"));
    scene.release();
    scene.pause(200);
    wait_until("Postfix starts", || scene.postfix.control("start"));
}

/// All that takes part in one run.
struct Scene {
    sekisho: Option<Sekisho>,
    postfix: Postfix,
    server: Option<Server>,
    disk: Option<Disk>,
    settings: String,
    location: String,
    counts: Arc<Counts>,
    batch: usize,
    messages: usize,
    /// Last: the others have files in it.
    folder: Folder,
}

#[derive(Default)]
struct Counts {
    /// So many messages may be sent by now.
    allowed: AtomicUsize,
    taken: AtomicUsize,
    sent: AtomicUsize,
    refused: AtomicUsize,
}

impl Scene {
    /// `None`: what it takes is not to be had here.
    fn set(way: Way, failure: &Failure, messages: usize) -> Option<Scene> {
        let folder = Folder::new("losses");
        let here = folder.0.display().to_string();
        let (mut server, mut disk) = (None, None);
        let location = match failure.store {
            Shelf::Folder => format!("{here}/store"),
            Shelf::SmallDisk => {
                let small = disk.insert(Disk::mount(&folder.0.join("disk"))?);
                small.folder.join("store").display().to_string()
            }
            Shelf::PostgreSql => server.insert(Server::postgresql()).location.clone(),
            Shelf::Redis => server.insert(Server::redis(true)).location.clone(),
        };
        let mut rules = "header HELD X-Held =~ /yes/\nscore HELD 100\n".to_owned();
        (0..30).for_each(|n| writeln!(rules, "body WORD_{n} /word number {n}/\nscore WORD_{n} 0.1").unwrap());
        folder.file("rules.cf", &rules);
        let (front, filter, back) = (free_port(), free_port(), free_port());
        let listen = match way {
            Way::Milter => {
                format!("protocol = \"milter\"\nsocket = \"unix:{here}/milter.sock\"\nmode = \"0666\"\n")
            }
            _ => format!(
                "protocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{filter}\"\nreceived = {}\n\
                 next_hop = \"smtp:127.0.0.1:{back}\"\n",
                way == Way::AfterQueue
            ),
        };
        let settings = format!(
            "[[listen]]\n{listen}\
             [rules]\nset = \"none\"\nextra = [\"{here}/rules.cf\"]\n[actions]\nquarantine_at = 50.0\n\
             [store]\nlocation = \"{location}\"\n"
        );
        let asks = match way {
            Way::Milter => format!("-o smtpd_milters=unix:{here}/milter.sock"),
            Way::AfterQueue => format!("-o content_filter=smtp:[127.0.0.1]:{filter}"),
            Way::BeforeQueue => format!("-o smtpd_proxy_filter=127.0.0.1:{filter}"),
        };
        let quick = "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n\
                     smtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 1000\n\
                     smtpd_authorized_xforward_hosts = 127.0.0.0/8\ndisable_mime_output_conversion = yes\n";
        let more = format!("{quick}{}", failure.postfix);
        let sekisho = Sekisho::start(&folder, &settings);
        let postfix = Postfix::start_with(&folder, &[(front, asks), (back, String::new())], &more)?;
        let counts = Arc::new(Counts::default());
        let sekisho = Some(sekisho);
        Some(Scene { sekisho, postfix, server, disk, settings, location, counts, batch: 0, messages, folder })
    }

    fn sekisho(&mut self) -> &mut Sekisho {
        self.sekisho.as_mut().unwrap()
    }

    fn start(&mut self) {
        self.sekisho = None;
        self.sekisho = Some(Sekisho::start(&self.folder, &self.settings));
    }

    fn told(&self, text: &str) -> usize {
        self.sekisho.as_ref().unwrap().log().iter().filter(|line| line.contains(text)).count()
    }

    fn allow(&self, messages: usize) {
        self.counts.allowed.fetch_max(messages.min(self.messages), Ordering::SeqCst);
    }

    fn release_half(&mut self) {
        self.allow(self.batch * BATCH + BATCH / 2);
    }

    fn release(&mut self) {
        self.allow((self.batch + 1) * BATCH);
    }

    /// Goes on when a sender has been told to come back, so that the failure was there while mail came.
    fn release_and_be_refused(&mut self) {
        let before = self.refused();
        self.release();
        wait_until("a sender is refused", || self.refused() > before);
    }

    /// How often a sender, or Postfix as the sender, was told to come back.
    fn refused(&self) -> usize {
        let deferred = self.postfix.log().matches("status=deferred").count();
        self.counts.refused.load(Ordering::SeqCst) + deferred
    }

    fn pause(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    /// All messages, with the failure once a batch; then nothing fails until everything is where it belongs.
    fn play(mut self, name: &'static str, failure: &Failure) -> Row {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (counts, port, messages) = (self.counts.clone(), self.postfix.port, self.messages);
                std::thread::spawn(move || send(&counts, port, messages))
            })
            .collect();
        let batches = self.messages.div_ceil(BATCH);
        for batch in 0..batches {
            self.batch = batch;
            (failure.happens)(&mut self);
            let all = ((batch + 1) * BATCH).min(self.messages);
            wait_until("the batch is sent", || self.counts.sent.load(Ordering::SeqCst) >= all);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        wait_until("the queue is empty", || {
            self.postfix.control("flush");
            self.pause(300);
            self.postfix.queued() == 0
        });
        self.count(name, failure, batches)
    }

    fn count(&self, way: &'static str, failure: &Failure, times: usize) -> Row {
        let mut row = Row { way, failure: failure.name, times, ..Row::default() };
        row.sent = self.counts.sent.load(Ordering::SeqCst);
        row.refused = self.refused();
        let mut places: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let mut check = |bytes: &[u8], place: &'static str| {
            let text = String::from_utf8_lossy(bytes);
            let number = text.split("Message-ID: <").nth(1).and_then(|rest| rest.split('@').next()).unwrap_or_default();
            let Ok(number) = number.parse::<usize>() else {
                row.damaged += 1;
                return;
            };
            let came = message(number);
            row.damaged += usize::from(digest(body(&came)) != digest(body(bytes)));
            row.astray += usize::from((place == "quarantined") != (number % HELD == 0));
            places.entry(number).or_default().push(place);
        };
        self.postfix.delivered().iter().for_each(|mail| check(mail, "delivered"));
        let location = self.location.parse::<store::Location>().unwrap();
        let store = store::Store::open(&location).unwrap();
        let mut query = Query { limit: 1000, ..Query::default() };
        loop {
            let page = store.quarantine().list(&query).unwrap();
            for entry in &page.entries {
                let bytes = store.quarantine().content(entry).unwrap();
                check(&bytes.into_iter().filter(|byte| *byte != b'\r').collect::<Vec<_>>(), "quarantined");
            }
            match page.next {
                Some(next) => query.before = Some(next),
                None => break,
            }
        }
        for number in 0..self.messages {
            match places.get(&number).map(Vec::as_slice) {
                None => row.lost.push(number),
                Some(places) => {
                    row.delivered += usize::from(places.contains(&"delivered"));
                    row.quarantined += usize::from(places.contains(&"quarantined"));
                    if places.len() > 1 {
                        row.twice.push((number, places.join(", ")));
                    }
                }
            }
        }
        row
    }
}

/// A line of the table.
#[derive(Debug, Default)]
struct Row {
    way: &'static str,
    failure: &'static str,
    times: usize,
    sent: usize,
    delivered: usize,
    quarantined: usize,
    refused: usize,
    twice: Vec<(usize, String)>,
    /// Held though it was to be delivered, or the other way round.
    astray: usize,
    damaged: usize,
    lost: Vec<usize>,
}

/// One client: takes the next number and does not let go of it before Postfix has it.
fn send(counts: &Counts, port: u16, messages: usize) {
    let mut connection = None;
    loop {
        let number = counts.taken.fetch_add(1, Ordering::SeqCst);
        if number >= messages {
            return;
        }
        while counts.allowed.load(Ordering::SeqCst) <= number {
            std::thread::sleep(Duration::from_millis(5));
        }
        let wire = dotted(&message(number));
        while !attempt(&mut connection, port, &wire) {
            counts.refused.fetch_add(1, Ordering::SeqCst);
            connection = None;
            std::thread::sleep(Duration::from_millis(100));
        }
        counts.sent.fetch_add(1, Ordering::SeqCst);
        if number.is_multiple_of(5) {
            connection = None; // connections are used again, but not for ever
        }
    }
}

/// Whether the server took the message. What it means when the connection breaks nobody can know: then it is sent again.
fn attempt(connection: &mut Option<BufReader<TcpStream>>, port: u16, wire: &[u8]) -> bool {
    fn ask(smtp: &mut BufReader<TcpStream>, wire: &[u8], wanted: &str) -> Option<()> {
        smtp.get_mut().write_all(wire).ok()?;
        loop {
            let mut line = String::new();
            smtp.read_line(&mut line).ok().filter(|length| *length > 0)?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.starts_with(wanted).then_some(());
            }
        }
    }
    let mut talk = || {
        if connection.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
            let smtp = connection.insert(BufReader::new(stream));
            ask(smtp, b"", "220")?;
            ask(smtp, b"EHLO client.example.net\r\n", "250")?;
        }
        let smtp = connection.as_mut()?;
        ask(smtp, b"MAIL FROM:<joe@example.net> BODY=8BITMIME\r\n", "250")?;
        ask(smtp, b"RCPT TO:<ann@example.test>\r\n", "250")?;
        ask(smtp, b"DATA\r\n", "354")?;
        ask(smtp, wire, "250")
    };
    talk().is_some()
}

/// Message `number`: bytes of all kinds, always the same.
fn message(number: usize) -> Vec<u8> {
    let mut random = Random(number as u64 + 1);
    let held = if number.is_multiple_of(HELD) { "X-Held: yes\n" } else { "" };
    let mut mail = format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: number {number}\n{held}\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n"
    )
    .into_bytes();
    // Few are long, as in real life.
    let lines = if number % 20 == 7 { 500 } else { 1 + random.next() % 30 };
    for line in 0..lines {
        match line % 7 {
            3 => mail.extend_from_slice(b"."),
            4 => mail.extend_from_slice(b".."),
            5 => mail.extend_from_slice(b"From me "),
            _ => {}
        }
        let length = random.next() % 900;
        let bytes = random.bytes(length as usize);
        mail.extend(bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        mail.push(b'\n');
    }
    mail
}

fn body(mail: &[u8]) -> &[u8] {
    mail.windows(2).position(|pair| pair == b"\n\n").map_or(b"", |at| &mail[at + 2..])
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A disk in memory.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: &Path) -> Option<Disk> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs"])
            .arg(folder)
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: no file system can be mounted here");
        }
        mounted.then(|| Disk { folder: folder.to_owned() })
    }

    /// Until nothing more goes on it; the file that is in the way.
    fn fill(&self) -> PathBuf {
        let path = self.folder.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| way | failure | times | sent | delivered | quarantined | told to come back | twice | damaged | lost |\n\
                    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.way,
            row.failure,
            row.times,
            row.sent,
            row.delivered,
            row.quarantined,
            row.refused,
            row.twice.len(),
            row.damaged,
            row.lost.len()
        )
        .unwrap();
    }
    let mut twice: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for row in rows {
        row.twice.iter().for_each(|(_, places)| *twice.entry((row.way, row.failure, places)).or_default() += 1);
    }
    for (n, ((way, failure, places), count)) in twice.iter().enumerate() {
        text.push_str(if n == 0 { "\nTwice:\n\n" } else { "" });
        writeln!(text, "* {way}, {failure}: {count} ({places})").unwrap();
    }
    text
}

#[test]
fn nothing_is_lost() {
    let wanted = |name| std::env::var_os(name).and_then(|text| text.into_string().ok());
    let messages = wanted("SEKISHO_LOSSES").and_then(|number| number.parse().ok()).unwrap_or(PLAIN_RUN);
    let only = wanted("SEKISHO_LOSSES_ONLY").unwrap_or_default();
    let mut rows = Vec::new();
    for (way, name) in WAYS {
        for failure in FAILURES.iter().filter(|failure| failure.name.contains(&only)) {
            let telling = TELLING.iter().any(|name| failure.name.starts_with(name));
            if messages == PLAIN_RUN && *way != Way::Milter && !telling {
                continue;
            }
            let Some(scene) = Scene::set(*way, failure, messages) else { continue };
            let row = scene.play(name, failure);
            eprint!("{}", table(std::slice::from_ref(&row)).lines().nth(2).unwrap_or_default());
            eprintln!();
            rows.push(row);
        }
    }
    let text = table(&rows);
    eprintln!("{text}");
    if let Some(path) = wanted("SEKISHO_LOSSES_TABLE") {
        std::fs::write(path, &text).unwrap();
    }
    for row in &rows {
        assert_eq!((row.sent, row.delivered + row.quarantined), (messages, messages), "{row:?}");
        assert_eq!((row.damaged, row.astray, row.lost.len()), (0, 0, 0), "{row:?}");
    }
    let undisturbed = rows.iter().filter(|row| row.failure == "none");
    undisturbed.for_each(|row| assert_eq!((row.refused, row.twice.len()), (0, 0), "{row:?}"));
}
