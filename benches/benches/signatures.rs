//! Signatures: the real mail signatures of $SEKISHO_DATA/real_mail, and the same scaled to 500,000, over messages of
//! sa-corpus: processor time a message here and in clamd, time to load from text and from the cache, memory.
//!
//! `SEKISHO_DATA=... cargo bench -p benches --bench signatures [-- MESSAGES]`. clamd (Debian: clamav-daemon) is started on
//! a socket of its own and asked by INSTREAM; where it is missing only our figures are printed.
//!
//! Scaled: beside the real ones, variants that keep their first six bytes and their form, with other letters and digits
//! after them, so that what begins alike is looked at as often as in real sets.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a bench prints its result

use anyhow::{Context, Result, bail};
use cpu_time::{ProcessTime, ThreadTime};
use engine::signatures::{FileType, Layer, Scratch, Set, Target, layer};
use mail::{Limits, Message};
use rules::signatures::{Options, Source};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIZES: [usize; 4] = [1_000, 0, 100_000, 500_000];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--cached") {
        return cached(Path::new(&args[at + 1]), &mails(200)?.unwrap_or_default());
    }
    let wanted = args.iter().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200);
    let Some(mails) = mails(wanted)? else { return Ok(()) };
    let data = PathBuf::from(std::env::var_os("SEKISHO_DATA").unwrap_or_default());
    let real = real(&data.join("real_mail"))?;
    if real.is_empty() {
        println!("skipped: there are no signatures under $SEKISHO_DATA/real_mail");
        return Ok(());
    }
    let bytes: usize = mails.iter().map(Vec::len).sum();
    println!("{} messages, mean {:.1} kB", mails.len(), bytes as f64 / 1e3 / mails.len() as f64);
    let folder = std::env::temp_dir().join(format!("sekisho-signatures-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for size in SIZES {
        let files = scale(&real, size);
        ours(&files, &mails, &folder)?;
        let small = size == 1_000 || size == 100_000;
        if !small && !args.iter().any(|arg| arg == "--alone") {
            match clamd(&files, &mails, &folder) {
                Ok(()) => {}
                Err(error) => println!("  clamd: {error:#}"),
            }
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn mails(wanted: usize) -> Result<Option<Vec<Vec<u8>>>> {
    let Some(files) = benches::corpus(wanted)? else { return Ok(None) };
    Ok(Some(files.iter().take(wanted).map(std::fs::read).collect::<Result<_, _>>()?))
}

/// Names and texts, the largest sets first.
fn real(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
    }
    files.sort();
    Ok(files)
}

/// So many signatures: 0 for the real ones as they are; fewer: every Nth; more: variants beside them.
fn scale(real: &[(String, String)], size: usize) -> Vec<(String, String)> {
    let count: usize = real.iter().map(|(_, text)| text.lines().count()).sum();
    if size == 0 {
        return real.to_vec();
    }
    if size < count {
        let every = count / size;
        let thin = |text: &str| text.lines().step_by(every).fold(String::new(), |all, line| all + line + "\n");
        return real.iter().map(|(name, text)| (name.clone(), thin(text))).collect();
    }
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    };
    let mut files = real.to_vec();
    let strings: Vec<&str> =
        real.iter().filter(|(name, _)| name.ends_with(".ndb")).flat_map(|(_, text)| text.lines()).collect();
    let mut made = String::new();
    for number in 0..size - count {
        let line = strings[number % strings.len()];
        let mut fields = line.splitn(4, ':');
        let (Some(name), Some(target), Some(offset), Some(hex)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let _ = writeln!(made, "{name}.v{number}:{target}:{offset}:{}", vary(hex, &mut next));
    }
    files.push(("made.ndb".to_owned(), made));
    files
}

/// Other letters and digits after the first six bytes; gaps, alternatives and what follows the string stay.
fn vary(hex: &str, next: &mut dyn FnMut() -> usize) -> String {
    let bytes = hex.as_bytes();
    let mut out = String::with_capacity(hex.len());
    let (mut at, mut known, mut depth) = (0, 0, 0);
    while at < bytes.len() {
        let byte = bytes[at];
        let pair = hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (byte, pair) {
            (b':', _) => {
                out.push_str(&hex[at..]);
                break;
            }
            (b'(' | b'{' | b'[', _) => depth += 1,
            (b')' | b'}' | b']', _) => depth -= 1,
            (_, Some(value)) if depth == 0 => {
                known += 1;
                let value = match value {
                    b'a'..=b'z' if known > 6 => b'a' + (next() % 26) as u8,
                    b'A'..=b'Z' if known > 6 => b'A' + (next() % 26) as u8,
                    b'0'..=b'9' if known > 6 => b'0' + (next() % 10) as u8,
                    _ => value,
                };
                let _ = write!(out, "{value:02x}");
                at += 2;
                continue;
            }
            _ => {}
        }
        out.push(byte as char);
        at += 1;
    }
    out
}

fn ours(files: &[(String, String)], mails: &[Vec<u8>], folder: &Path) -> Result<()> {
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, text)| Source { name: name.into(), bytes: text.as_bytes().into(), official: false })
        .collect();
    let (start, wall) = (ProcessTime::now(), Instant::now());
    let (set, diagnostics) = rules::signatures::load(&sources, &Options::default());
    println!(
        "{} signatures: from text in {:.2} s of processor time, {:.2} s; {} findings",
        set.len(),
        start.elapsed().as_secs_f64(),
        wall.elapsed().as_secs_f64(),
        diagnostics.len()
    );
    println!("  {}", set.body.statistics());
    let mut scratch = Scratch::new();
    let (mut hits, mut layers, mut scanned) = (0, 0, 0);
    let mut best = vec![Duration::MAX; mails.len()];
    for round in 0..5 {
        for (mail, best) in mails.iter().zip(&mut best) {
            let start = ThreadTime::now();
            judge(&set, mail, &mut scratch, &mut |bytes, found| {
                if round == 0 {
                    hits += found;
                    layers += 1;
                    scanned += bytes;
                }
            });
            *best = (*best).min(start.elapsed());
        }
    }
    let total: Duration = best.iter().sum();
    println!(
        "  sekisho: {:.1} us a message ({:.0} messages a processor second), {:.1} layers of {:.1} kB in all, {hits} hits",
        total.as_secs_f64() * 1e6 / mails.len() as f64,
        mails.len() as f64 / total.as_secs_f64(),
        layers as f64 / mails.len() as f64,
        scanned as f64 / 1e3 / mails.len() as f64,
    );
    // Without the parsing of messages: how fast the raw ones are scanned.
    let start = ThreadTime::now();
    for mail in mails {
        layer(&set, &plain(mail, Target::Mail), &mut scratch, &mut |_| {});
    }
    let bytes: usize = mails.iter().map(Vec::len).sum();
    println!("  raw messages alone: {:.0} MB a second", bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    let cache = folder.join("cache");
    std::fs::write(&cache, postcard::to_stdvec(&set)?)?;
    drop(set);
    let output = Command::new(std::env::current_exe()?).arg("--cached").arg(&cache).output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// A process of its own that has nothing but the set: time to read it, and memory.
fn cached(path: &Path, mails: &[Vec<u8>]) -> Result<()> {
    let before = memory("VmRSS")?;
    let (start, wall) = (ProcessTime::now(), Instant::now());
    let bytes = std::fs::read(path)?;
    let set: Set = postcard::from_bytes(&bytes)?;
    let size = bytes.len();
    drop(bytes);
    if !set.is_sound() {
        bail!("the cache is damaged");
    }
    let (processor, wall) = (start.elapsed(), wall.elapsed());
    let mut scratch = Scratch::new();
    for mail in mails {
        judge(&set, mail, &mut scratch, &mut |_, _| {});
    }
    println!(
        "  from a cache of {:.1} MB in {:.0} ms of processor time, {:.0} ms; {:.1} MB resident ({:.1} before, {:.1} at most)",
        size as f64 / 1e6,
        processor.as_secs_f64() * 1e3,
        wall.as_secs_f64() * 1e3,
        memory("VmRSS")?,
        before,
        memory("VmHWM")?
    );
    Ok(())
}

fn memory(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib: f64 = line.trim_matches([':', '\t', ' ']).split(' ').next().unwrap_or_default().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

fn plain(bytes: &[u8], target: Target) -> Layer<'_> {
    Layer {
        bytes,
        target,
        kind: FileType::any(),
        chain: &[],
        size: bytes.len() as u64,
        name: None,
        hashes: true,
        executable: None,
    }
}

/// The layers that a message without attachments has in ClamAV: itself; each decoded part, raw; text folded as for
/// target 7; HTML thrice, for its three normalised copies.
fn judge(set: &Set, mail: &[u8], scratch: &mut Scratch, seen: &mut dyn FnMut(usize, usize)) {
    let mut scan = |bytes: &[u8], target| {
        let mut hits = 0;
        layer(set, &plain(bytes, target), scratch, &mut |_| hits += 1);
        seen(bytes.len(), hits);
    };
    scan(mail, Target::Mail);
    let message = Message::parse(mail, &Limits::default());
    for (_, part) in message.leaves() {
        let decoded = part.decoded();
        match part.effective_type() {
            "text/html" => {
                let folded = fold(decoded);
                scan(&folded, Target::Html);
                scan(&folded, Target::Html);
                scan(&folded, Target::Html);
            }
            kind => {
                scan(decoded, Target::Any);
                if kind.starts_with("text/") {
                    scan(&fold(decoded), Target::Text);
                }
            }
        }
    }
}

fn fold(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\t'..=b'\r' | b' ' => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            0..0x20 | 0x80.. => {}
            _ => out.push(byte.to_ascii_lowercase()),
        }
    }
    out
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn clamd(files: &[(String, String)], mails: &[Vec<u8>], folder: &Path) -> Result<()> {
    let database = folder.join("database");
    let _ = std::fs::remove_dir_all(&database);
    std::fs::create_dir_all(&database)?;
    for (name, text) in files.iter().filter(|(_, text)| !text.is_empty()) {
        std::fs::write(database.join(name), text)?;
    }
    let socket = folder.join("clamd.socket");
    let _ = std::fs::remove_file(&socket);
    let config = format!(
        "DatabaseDirectory {}\nLocalSocket {}\nForeground yes\nMaxThreads 1\nConcurrentDatabaseReload no\nTemporaryDirectory {}\n",
        database.display(),
        socket.display(),
        folder.display()
    );
    std::fs::write(folder.join("clamd.conf"), config)?;
    let start = Instant::now();
    let child = Command::new("clamd")
        .arg("-c")
        .arg(folder.join("clamd.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("not here")?;
    let mut daemon = Daemon(child);
    while UnixStream::connect(&socket).is_err() {
        if start.elapsed() > Duration::from_secs(120) || daemon.0.try_wait()?.is_some() {
            bail!("it does not start");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let ready = start.elapsed();
    let ask = |mail: &[u8]| -> Result<bool> {
        let mut stream = UnixStream::connect(&socket)?;
        stream.write_all(b"zINSTREAM\0")?;
        stream.write_all(&(mail.len() as u32).to_be_bytes())?;
        stream.write_all(mail)?;
        stream.write_all(&[0; 4])?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains("FOUND"))
    };
    for mail in mails.iter().take(20) {
        ask(mail)?;
    }
    let before = processor(daemon.0.id())?;
    let mut hits = 0;
    for mail in mails {
        hits += usize::from(ask(mail)?);
    }
    let spent = processor(daemon.0.id())? - before;
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim();
    println!(
        "  clamd: {:.1} us a message ({:.1} messages a processor second), {hits} messages hit; ready after {:.1} s, {resident} resident",
        spent * 1e6 / mails.len() as f64,
        mails.len() as f64 / spent,
        ready.as_secs_f64()
    );
    Ok(())
}

/// Seconds of processor time of a process, all its threads.
fn processor(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(") ").context("no fields")?.1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}
