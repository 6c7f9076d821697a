//! The same messages through the milter protocol to sekisho, to spamass-milter with spamd, and to rspamd's proxy: how many
//! each judges in a second of processor time, and how long one waits.
//!
//! `scripts/beside.sh spamass-milter libmilter1.0.1 rspamd libhyperscan5 libluajit2-5.1-2 libunwind8 libsodium23` brings
//! the others; who is missing is left out. Then `cargo build --release` and
//! `SEKISHO_DATA=... cargo bench -p benches --bench milter [-- MESSAGES]`. SEKISHO names another program to measure.
//!
//! Processor time is that of the filter's processes, all of them, from /proc: the machine may have other things to do.
//! Nobody asks the network: `spamd -L`, rspamd without the modules that do. sekisho and spamd have SpamAssassin's rules,
//! rspamd its own, and in a second run SpamAssassin's too.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a bench prints its result
#![allow(dead_code)]

#[path = "../../crates/app/tests/support/milter.rs"]
mod milter;

use milter::Milter;
use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

/// Connections at the same time, when as much as possible is sent.
const CONNECTIONS: usize = 4;
/// Other messages, before those that count: rules are compiled, children started, and who runs for weeks has met most
/// words before.
const WARM: usize = 200;

fn main() -> Result<(), Error> {
    let Some(data) = std::env::var_os("SEKISHO_DATA") else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return Ok(());
    };
    let wanted = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(200);
    let (warm, mails) = corpus(&PathBuf::from(data).join("sa-corpus"), wanted)?;
    if mails.is_empty() {
        println!("skipped: there is no mail under $SEKISHO_DATA/sa-corpus");
        return Ok(());
    }
    let bytes: usize = mails.iter().map(Vec::len).sum();
    println!(
        "{} messages, mean {:.1} kB; load of the machine before: {}",
        mails.len(),
        bytes as f64 / 1e3 / mails.len() as f64,
        load()
    );

    let folder = std::env::temp_dir().join(format!("sekisho-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let mut figures = BTreeMap::new();
    for (name, start) in [
        ("sekisho", sekisho as fn(&Path) -> Result<Option<Filter>, Error>),
        ("sekisho, observe", observing),
        ("spamass-milter + spamd", spamass),
        ("rspamd, its own rules", rspamd_alone),
        ("rspamd, SpamAssassin's rules too", rspamd_with_rules),
    ] {
        let Some(filter) = start(&folder)? else {
            println!("{name}: not here");
            continue;
        };
        match measure(&filter, &warm, &mails) {
            Ok(figure) => {
                println!(
                    "{name}: {:.2} ms of processor time a message, {:.0} messages a processor second; one at a time: \
                     median {:.1} ms; at half load: median {:.1} ms, p99 {:.1} ms",
                    figure.processor * 1e3,
                    1.0 / figure.processor,
                    figure.alone * 1e3,
                    figure.median * 1e3,
                    figure.p99 * 1e3
                );
                figures.insert(name, figure);
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    if let Some(ours) = figures.get("sekisho") {
        for (name, theirs) in figures.iter().filter(|(name, _)| !name.starts_with("sekisho")) {
            println!("{name} takes {:.1} times as much processor time", theirs.processor / ours.processor);
        }
    }
    println!("load of the machine after: {}", load());
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

struct Figure {
    /// Seconds of processor time a message.
    processor: f64,
    /// Seconds from the first byte of a message to its answer, with nothing else to do.
    alone: f64,
    /// With every other moment idle.
    median: f64,
    p99: f64,
}

fn measure(filter: &Filter, warm: &[Vec<u8>], mails: &[Vec<u8>]) -> Result<Figure, Error> {
    run(filter, warm, CONNECTIONS, Duration::ZERO)?;
    let before = filter.processor();
    let began = Instant::now();
    run(filter, mails, CONNECTIONS, Duration::ZERO)?;
    let wall = began.elapsed();
    let processor = (filter.processor() - before) / mails.len() as f64;
    let alone = quantile(run(filter, mails, 1, Duration::ZERO)?, 0.5);
    // As many a second as half of what it managed.
    let pause = wall.mul_f64(2.0 * CONNECTIONS as f64 / mails.len() as f64);
    let half = run(filter, mails, CONNECTIONS, pause)?;
    Ok(Figure { processor, alone, median: quantile(half.clone(), 0.5), p99: quantile(half, 0.99) })
}

fn quantile(mut seconds: Vec<f64>, at: f64) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[((seconds.len() - 1) as f64 * at).round() as usize]
}

/// Sends them all; how long each took. `pause`: from one beginning to the next, on each connection.
fn run(filter: &Filter, mails: &[Vec<u8>], connections: usize, pause: Duration) -> Result<Vec<f64>, Error> {
    let port = filter.port;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|first| {
                scope.spawn(move || -> std::io::Result<Vec<f64>> {
                    let mut took = Vec::new();
                    for (number, mail) in mails.iter().enumerate().skip(first).step_by(connections) {
                        // As Postfix does: a connection for each SMTP session.
                        let stream = TcpStream::connect(("127.0.0.1", port))?;
                        stream.set_nodelay(true)?;
                        let mut milter = Milter::connect(stream)?;
                        let began = Instant::now();
                        milter.send(&format!("4Q{number:08}"), mail)?;
                        took.push(began.elapsed().as_secs_f64());
                        std::thread::sleep(pause.saturating_sub(began.elapsed()));
                    }
                    Ok(took)
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| "a sender failed")??);
        }
        Ok(all)
    })
}

/// A running filter: its processes, and the port where it speaks milter.
struct Filter {
    children: Vec<Child>,
    port: u16,
}

impl Filter {
    /// Processor seconds of its processes and all that came of them, also of those that are gone.
    fn processor(&self) -> f64 {
        let all = processes();
        let mut wanted: Vec<u32> = self.children.iter().map(Child::id).collect();
        let mut at = 0;
        while at < wanted.len() {
            let parent = wanted[at];
            wanted.extend(all.iter().filter(|(_, process)| process.parent == parent).map(|(id, _)| *id));
            at += 1;
        }
        wanted.iter().filter_map(|id| all.get(id)).map(|process| process.seconds).sum()
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

struct Process {
    parent: u32,
    seconds: f64,
}

fn processes() -> BTreeMap<u32, Process> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = text.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // utime, stime, and those of children that are gone, in hundredths.
        let ticks: f64 = fields[11..15].iter().filter_map(|field| field.parse::<f64>().ok()).sum();
        all.insert(id, Process { parent: fields[1].parse().unwrap_or(0), seconds: ticks / 100.0 });
    }
    all
}

fn sekisho(folder: &Path) -> Result<Option<Filter>, Error> {
    start_sekisho(folder, "filter")
}

fn observing(folder: &Path) -> Result<Option<Filter>, Error> {
    start_sekisho(folder, "observe")
}

fn start_sekisho(folder: &Path, mode: &str) -> Result<Option<Filter>, Error> {
    let program = std::env::var_os("SEKISHO")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/sekisho"), PathBuf::from);
    if !program.exists() {
        return Ok(None);
    }
    let port = free_port()?;
    let settings = folder.join("sekisho.toml");
    let text = format!(
        "mode = {mode:?}\n[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:127.0.0.1:{port}\"\n\
         [rules]\nset = \"installed\"\n[store]\nlocation = \"\"\n"
    );
    fs::write(&settings, text)?;
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(settings).env("SEKISHO_CACHE", folder.join("cache"));
    started(vec![quiet(&mut command)?], port)
}

fn spamass(folder: &Path) -> Result<Option<Filter>, Error> {
    let Some((program, libraries)) = beside("usr/sbin/spamass-milter") else { return Ok(None) };
    let (port, spamd) = (free_port()?, free_port()?.to_string());
    let mut command = Command::new("spamd");
    command.args(["-L", "-x", "-i", "127.0.0.1", "-A", "127.0.0.1", "--min-children", "2", "-m", "4", "-p", &spamd]);
    let Some(filter) = started(vec![quiet(&mut command)?], spamd.parse()?)? else { return Ok(None) };
    let mut children = std::mem::ManuallyDrop::new(filter);
    let mut command = Command::new(program);
    command.args(["-p", &format!("inet:{port}@127.0.0.1"), "--", "-d", "127.0.0.1", "-p", &spamd]);
    command.env("LD_LIBRARY_PATH", libraries).current_dir(folder);
    let mut all = vec![quiet(&mut command)?];
    all.append(&mut children.children);
    started(all, port)
}

fn rspamd_alone(folder: &Path) -> Result<Option<Filter>, Error> {
    rspamd(folder, "enabled = false;\n")
}

/// Those of them that its module understands.
fn rspamd_with_rules(folder: &Path) -> Result<Option<Filter>, Error> {
    // Every key here is a list of files to the module, `enabled` too.
    rspamd(folder, "ruleset = \"/usr/share/spamassassin/*.cf\";\n")
}

/// Without what asks the network; its own configuration otherwise.
fn rspamd(folder: &Path, rules: &str) -> Result<Option<Filter>, Error> {
    let Some((program, libraries)) = beside("usr/bin/rspamd") else { return Ok(None) };
    let root = program.ancestors().nth(3).unwrap_or(Path::new("/")).to_owned();
    let port = free_port()?;
    let configuration = root.join("etc/rspamd");
    let over = configuration.join("override.d");
    fs::create_dir_all(&over)?;
    fs::create_dir_all(configuration.join("local.d"))?;
    for module in [
        "antivirus",
        "arc",
        "asn",
        "clickhouse",
        "dkim",
        "dkim_signing",
        "dmarc",
        "elastic",
        "external_services",
        "fuzzy_check",
        "greylist",
        "hfilter",
        "history_redis",
        "metadata_exporter",
        "mx_check",
        "neural",
        "phishing",
        "ratelimit",
        "rbl",
        "replies",
        "reputation",
        "spamtrap",
        "spf",
        "surbl",
        "url_redirector",
        "whitelist",
    ] {
        fs::write(over.join(format!("{module}.conf")), "enabled = false;\n")?;
    }
    fs::write(over.join("spamassassin.conf"), rules)?;
    for worker in ["normal", "controller", "fuzzy"] {
        fs::write(over.join(format!("worker-{worker}.inc")), "enabled = false;\n")?;
    }
    let proxy = format!(
        "bind_socket = \"127.0.0.1:{port}\";\nmilter = yes;\ncount = 1;\n\
         upstream \"local\" {{ default = yes; self_scan = yes; }}\n"
    );
    fs::write(over.join("worker-proxy.inc"), proxy)?;
    let share = root.join("usr/share/rspamd");
    let own = folder.join(format!("rspamd-{port}"));
    fs::create_dir_all(&own)?;
    fs::set_permissions(&own, fs::Permissions::from_mode(0o777))?;
    let mut command = Command::new(&program);
    command.args(["-f", "-i", "-u", "nobody", "-g", "nogroup", "-c"]).arg(configuration.join("rspamd.conf"));
    for (name, place) in [
        ("CONFDIR", configuration.clone()),
        ("LOCAL_CONFDIR", configuration),
        ("RUNDIR", own.clone()),
        ("DBDIR", own.clone()),
        ("LOGDIR", own),
        ("PLUGINSDIR", share.join("plugins")),
        ("RULESDIR", share.join("rules")),
        ("LUALIBDIR", share.join("lualib")),
        ("WWWDIR", share.join("www")),
        ("SHAREDIR", share),
    ] {
        command.arg(format!("--var={name}={}", place.display()));
    }
    let libraries = format!("{libraries}:{}", root.join("usr/lib/rspamd").display());
    command.env("LD_LIBRARY_PATH", libraries);
    let Some(filter) = started(vec![quiet(&mut command)?], port)? else { return Ok(None) };
    // It goes on compiling patterns while it already answers.
    for _ in 0..300 {
        let before = filter.processor();
        std::thread::sleep(Duration::from_secs(3));
        if filter.processor() - before < 0.05 {
            break;
        }
    }
    Ok(Some(filter))
}

/// A program that `scripts/beside.sh` unpacked, and where its libraries are.
fn beside(program: &str) -> Option<(PathBuf, String)> {
    let root = std::env::var_os("SEKISHO_BESIDE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/beside"), PathBuf::from);
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let program = root.join(program);
    program.exists().then(|| (program, libraries.display().to_string()))
}

fn quiet(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn started(children: Vec<Child>, port: u16) -> Result<Option<Filter>, Error> {
    let filter = Filter { children, port };
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > Duration::from_secs(120) {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Some(filter))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Every Nth message.
/// The mails to warm up with and those that count, from all over the corpus.
fn corpus(folder: &Path, wanted: usize) -> Result<(Vec<Vec<u8>>, Vec<Vec<u8>>), Error> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path)
            } else if path.file_name().is_some_and(|name| name != "index") {
                files.push(path)
            }
        }
    }
    files.sort();
    let take = |count: usize, first: usize| -> std::io::Result<Vec<Vec<u8>>> {
        let every = (files.len() / count.max(1)).max(2);
        files.iter().skip(first).step_by(every).take(count).map(fs::read).collect()
    };
    Ok((take(WARM, 1)?, take(wanted, 0)?))
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
