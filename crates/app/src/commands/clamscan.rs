//! `sekisho clamscan`, or the program called `clamscan`: ClamAV's options for files and folders, its output and exit codes.
//!
//! Only what ClamAV looks at is looked at, so that scripts get the answers they know; `--beyond-clamav` adds ours. Options
//! of ClamAV's that have no meaning here are taken and passed over; an unknown one is an error, as there.

use crate::config::Config;
use crate::opened::Opened;
use crate::output::Output;
use crate::signatures::{self, Loaded};
use crate::{CLEAN, FOUND, TROUBLE, environment};
use engine::signatures::Database;
use engine::signatures::walk::{self, Hit, Options, Scratch};
use regex::bytes::Regex;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The ClamAV release whose behaviour this is.
pub const CLAMAV: &str = "1.4.6";

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// `=yes` or `=no`, yes where nothing is said.
    YesNo,
    Value,
}

/// Name, letter, what it takes, and whether it means anything here.
type Known = (&'static str, Option<char>, Takes, bool);

#[rustfmt::skip]
static KNOWN: &[Known] = &[
    ("help", Some('h'), Takes::Nothing, true),
    ("version", Some('V'), Takes::Nothing, true),
    ("verbose", Some('v'), Takes::Nothing, false),
    ("archive-verbose", Some('a'), Takes::Nothing, false),
    ("debug", None, Takes::Nothing, false),
    ("quiet", None, Takes::Nothing, true),
    ("stdout", None, Takes::Nothing, true),
    ("no-summary", None, Takes::Nothing, true),
    ("infected", Some('i'), Takes::Nothing, true),
    ("suppress-ok-results", Some('o'), Takes::Nothing, true),
    ("bell", None, Takes::Nothing, true),
    ("tempdir", None, Takes::Value, false),
    ("leave-temps", None, Takes::YesNo, false),
    ("force-to-disk", None, Takes::YesNo, false),
    ("gen-json", None, Takes::YesNo, false),
    ("database", Some('d'), Takes::Value, true),
    ("official-db-only", None, Takes::YesNo, true),
    ("fail-if-cvd-older-than", None, Takes::Value, false),
    ("log", Some('l'), Takes::Value, true),
    ("recursive", Some('r'), Takes::YesNo, true),
    ("allmatch", Some('z'), Takes::YesNo, true),
    ("cross-fs", None, Takes::YesNo, true),
    ("follow-dir-symlinks", None, Takes::Value, true),
    ("follow-file-symlinks", None, Takes::Value, true),
    ("file-list", Some('f'), Takes::Value, true),
    ("remove", None, Takes::YesNo, true),
    ("move", None, Takes::Value, true),
    ("copy", None, Takes::Value, true),
    ("exclude", None, Takes::Value, true),
    ("exclude-dir", None, Takes::Value, true),
    ("include", None, Takes::Value, true),
    ("include-dir", None, Takes::Value, true),
    ("bytecode", None, Takes::YesNo, false),
    ("bytecode-unsigned", None, Takes::YesNo, false),
    ("bytecode-timeout", None, Takes::Value, false),
    ("statistics", None, Takes::YesNo, false),
    ("detect-pua", None, Takes::YesNo, true),
    ("exclude-pua", None, Takes::Value, true),
    ("include-pua", None, Takes::Value, true),
    ("detect-structured", None, Takes::YesNo, false),
    ("structured-ssn-format", None, Takes::Value, false),
    ("structured-ssn-count", None, Takes::Value, false),
    ("structured-cc-count", None, Takes::Value, false),
    ("structured-cc-mode", None, Takes::Value, false),
    ("scan-mail", None, Takes::YesNo, false),
    ("phishing-sigs", None, Takes::YesNo, true),
    ("phishing-scan-urls", None, Takes::YesNo, true),
    ("heuristic-alerts", None, Takes::YesNo, true),
    ("heuristic-scan-precedence", None, Takes::YesNo, true),
    ("normalize", None, Takes::YesNo, false),
    ("scan-pe", None, Takes::YesNo, false),
    ("scan-elf", None, Takes::YesNo, false),
    ("scan-ole2", None, Takes::YesNo, false),
    ("scan-pdf", None, Takes::YesNo, false),
    ("scan-swf", None, Takes::YesNo, false),
    ("scan-html", None, Takes::YesNo, false),
    ("scan-xmldocs", None, Takes::YesNo, false),
    ("scan-hwp3", None, Takes::YesNo, false),
    ("scan-onenote", None, Takes::YesNo, false),
    ("scan-archive", None, Takes::YesNo, false),
    ("scan-image", None, Takes::YesNo, false),
    ("scan-image-fuzzy-hash", None, Takes::YesNo, false),
    ("alert-broken", None, Takes::YesNo, false),
    ("alert-broken-media", None, Takes::YesNo, false),
    ("alert-encrypted", None, Takes::YesNo, true),
    ("alert-encrypted-archive", None, Takes::YesNo, true),
    ("alert-encrypted-doc", None, Takes::YesNo, true),
    ("alert-macros", None, Takes::YesNo, true),
    ("alert-exceeds-max", None, Takes::YesNo, true),
    ("alert-phishing-ssl", None, Takes::YesNo, false),
    ("alert-phishing-cloak", None, Takes::YesNo, false),
    ("alert-partition-intersection", None, Takes::YesNo, false),
    ("nocerts", None, Takes::Nothing, false),
    ("dumpcerts", None, Takes::Nothing, false),
    ("max-scantime", None, Takes::Value, false),
    ("max-filesize", None, Takes::Value, true),
    ("max-scansize", None, Takes::Value, true),
    ("max-files", None, Takes::Value, true),
    ("max-recursion", None, Takes::Value, true),
    ("max-dir-recursion", None, Takes::Value, true),
    ("max-embeddedpe", None, Takes::Value, false),
    ("max-htmlnormalize", None, Takes::Value, true),
    ("max-htmlnotags", None, Takes::Value, true),
    ("max-scriptnormalize", None, Takes::Value, true),
    ("max-ziptypercg", None, Takes::Value, false),
    ("max-partitions", None, Takes::Value, false),
    ("max-iconspe", None, Takes::Value, false),
    ("max-rechwp3", None, Takes::Value, false),
    ("pcre-match-limit", None, Takes::Value, false),
    ("pcre-recmatch-limit", None, Takes::Value, false),
    ("pcre-max-filesize", None, Takes::Value, false),
    ("disable-cache", None, Takes::Nothing, false),
    // Ours.
    ("beyond-clamav", None, Takes::YesNo, true),
    ("config", None, Takes::Value, true),
];

/// What to do with infected files.
enum Then {
    Nothing,
    Remove,
    Move(PathBuf),
    Copy(PathBuf),
}

struct Wanted {
    paths: Vec<PathBuf>,
    infected_only: bool,
    hide_ok: bool,
    quiet: bool,
    summary: bool,
    bell: bool,
    all: bool,
    recursive: bool,
    cross_filesystems: bool,
    follow_folders: u8,
    follow_files: u8,
    depth: usize,
    exclude: Vec<Regex>,
    exclude_folder: Vec<Regex>,
    include: Vec<Regex>,
    include_folder: Vec<Regex>,
    heuristics: bool,
    heuristics_first: bool,
    unwanted: bool,
    phishing_signatures: bool,
    official_only: bool,
    databases: Vec<PathBuf>,
    config: Option<PathBuf>,
    log: Option<PathBuf>,
    then: Then,
    options: Options,
}

/// What the command line came to.
enum Asked {
    Scan(Box<Wanted>),
    Help,
    Version,
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Asked> {
    let mut wanted = Wanted {
        paths: Vec::new(),
        infected_only: false,
        hide_ok: false,
        quiet: false,
        summary: true,
        bell: false,
        all: false,
        recursive: false,
        cross_filesystems: true,
        follow_folders: 1,
        follow_files: 1,
        depth: 15,
        exclude: Vec::new(),
        exclude_folder: Vec::new(),
        include: Vec::new(),
        include_folder: Vec::new(),
        heuristics: true,
        heuristics_first: false,
        unwanted: false,
        phishing_signatures: true,
        official_only: false,
        databases: Vec::new(),
        config: None,
        log: None,
        then: Then::Nothing,
        options: Options { beyond: false, ..Options::as_clamav() },
    };
    let mut arguments = arguments.into_iter();
    let mut lists = Vec::new();
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        if bytes == b"--" {
            wanted.paths.extend(arguments.by_ref().map(PathBuf::from));
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            let (name, value) = match long.iter().position(|byte| *byte == b'=') {
                Some(at) => (&long[..at], Some(OsStr::from_bytes(&long[at + 1..]).to_owned())),
                None => (long, None),
            };
            let name = String::from_utf8_lossy(name).into_owned();
            let mut fits = KNOWN.iter().filter(|known| known.0 == name);
            let Some(known) = fits.next() else {
                anyhow::bail!("clamscan: unrecognized option `--{name}'");
            };
            let value = match (known.2, value) {
                (Takes::Value, None) => Some(
                    arguments
                        .next()
                        .ok_or_else(|| anyhow::anyhow!("clamscan: option `--{name}' requires an argument"))?,
                ),
                (Takes::Nothing, Some(_)) => anyhow::bail!("clamscan: option `--{name}' doesn't allow an argument"),
                (_, value) => value,
            };
            if let Some(asked) = wanted.take(known, value, &mut lists)? {
                return Ok(asked);
            }
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            let mut letters = bytes[1..].iter();
            while let Some(letter) = letters.next() {
                let Some(known) = KNOWN.iter().find(|known| known.1 == Some(char::from(*letter))) else {
                    anyhow::bail!("clamscan: invalid option -- '{}'", char::from(*letter));
                };
                let rest = letters.as_slice();
                let value = match known.2 {
                    Takes::Value if rest.is_empty() => Some(arguments.next().ok_or_else(|| {
                        anyhow::anyhow!("clamscan: option requires an argument -- '{}'", char::from(*letter))
                    })?),
                    Takes::Value => {
                        let value = OsStr::from_bytes(rest).to_owned();
                        letters = [].iter();
                        Some(value)
                    }
                    _ => None,
                };
                if let Some(asked) = wanted.take(known, value, &mut lists)? {
                    return Ok(asked);
                }
            }
        } else {
            wanted.paths.push(argument.into());
        }
    }
    for list in lists {
        let text =
            if list == Path::new("-") { io::read_to_string(io::stdin())?.into_bytes() } else { read_list(&list)? };
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        wanted.paths.extend(lines.filter(|line| !line.is_empty()).map(|line| PathBuf::from(OsStr::from_bytes(line))));
    }
    Ok(Asked::Scan(Box::new(wanted)))
}

fn read_list(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| anyhow::anyhow!("Can't open file list {}: {error}", path.display()))
}

impl Wanted {
    fn take(
        &mut self,
        known: &Known,
        value: Option<OsString>,
        lists: &mut Vec<PathBuf>,
    ) -> anyhow::Result<Option<Asked>> {
        let (name, _, takes, honoured) = *known;
        let text = value.as_ref().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        let yes = match text.as_str() {
            _ if takes != Takes::YesNo => true,
            "" | "yes" | "true" | "1" => true,
            "no" | "false" | "0" => false,
            _ if name == "statistics" => true,
            _ => anyhow::bail!("Invalid argument for option --{name}"),
        };
        if !honoured {
            if !yes && name.starts_with("scan-") {
                eprintln!("WARNING: --{name}=no makes no difference here");
            }
            return Ok(None);
        }
        let path = PathBuf::from(value.clone().unwrap_or_default());
        let limits = &mut self.options.limits;
        match name {
            "help" => return Ok(Some(Asked::Help)),
            "version" => return Ok(Some(Asked::Version)),
            "quiet" => self.quiet = true,
            "stdout" => {}
            "no-summary" => self.summary = false,
            "infected" => self.infected_only = true,
            "suppress-ok-results" => self.hide_ok = true,
            "bell" => self.bell = true,
            "database" => self.databases.push(path),
            "official-db-only" => self.official_only = yes,
            "log" => self.log = Some(path),
            "recursive" => self.recursive = yes,
            "allmatch" => self.all = yes,
            "cross-fs" => self.cross_filesystems = yes,
            "follow-dir-symlinks" => self.follow_folders = number(name, &text)? as u8,
            "follow-file-symlinks" => self.follow_files = number(name, &text)? as u8,
            "file-list" => lists.push(path),
            "remove" if yes => self.then = Then::Remove,
            "remove" => {}
            "move" => self.then = Then::Move(path),
            "copy" => self.then = Then::Copy(path),
            "exclude" => self.exclude.push(expression(name, &value)?),
            "exclude-dir" => self.exclude_folder.push(expression(name, &value)?),
            "include" => self.include.push(expression(name, &value)?),
            "include-dir" => self.include_folder.push(expression(name, &value)?),
            "detect-pua" => self.unwanted = yes,
            "exclude-pua" | "include-pua" => self.unwanted = true,
            "phishing-sigs" => self.phishing_signatures = yes,
            "phishing-scan-urls" => self.options.phishing = yes,
            "heuristic-alerts" => self.heuristics = yes,
            "heuristic-scan-precedence" => self.heuristics_first = yes,
            "alert-encrypted" | "alert-encrypted-archive" | "alert-encrypted-doc" => {
                self.options.alert_encrypted = yes;
            }
            "alert-macros" => self.options.alert_macros = yes,
            "alert-exceeds-max" => self.options.alert_limits = yes,
            "max-filesize" => limits.member = size(name, &text)?,
            "max-scansize" => limits.bytes = size(name, &text)?,
            "max-files" => limits.members = unlimited(number(name, &text)?) as u32,
            "max-recursion" => limits.depth = number(name, &text)? as u32,
            "max-dir-recursion" => self.depth = number(name, &text)? as usize,
            "max-htmlnormalize" => limits.html = size(name, &text)? as usize,
            "max-htmlnotags" => limits.html_text = size(name, &text)? as usize,
            "max-scriptnormalize" => limits.script = size(name, &text)? as usize,
            "beyond-clamav" => self.options.beyond = yes,
            "config" => self.config = Some(path),
            _ => {}
        }
        Ok(None)
    }
}

fn number(name: &str, text: &str) -> anyhow::Result<u64> {
    text.parse().map_err(|_| anyhow::anyhow!("Invalid argument for option --{name}"))
}

/// 0 is no limit.
fn unlimited(number: u64) -> u64 {
    if number == 0 { u64::from(u32::MAX) } else { number.min(u64::from(u32::MAX)) }
}

/// Bytes, or with K, M, G.
fn size(name: &str, text: &str) -> anyhow::Result<u64> {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => anyhow::bail!("Invalid argument for option --{name}"),
    };
    Ok(unlimited(number(name, digits)?.saturating_mul(unit)))
}

fn expression(name: &str, value: &Option<OsString>) -> anyhow::Result<Regex> {
    let text = value.as_ref().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    Regex::new(&format!("(?-u){text}")).map_err(|_| anyhow::anyhow!("Can't compile the expression of --{name}"))
}

#[derive(Default)]
struct Counts {
    folders: u64,
    files: u64,
    infected: u64,
    errors: u64,
    scanned: u64,
    read: u64,
}

pub fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let wanted = match parse(arguments) {
        Ok(Asked::Scan(wanted)) => *wanted,
        Ok(Asked::Version) => {
            output.line(&format!("ClamAV {CLAMAV} (sekisho {})", environment::VERSION))?;
            output.flush()?;
            return Ok(CLEAN);
        }
        Ok(Asked::Help) => {
            help(&mut output)?;
            output.flush()?;
            return Ok(CLEAN);
        }
        Err(error) => {
            eprintln!("{error}\nERROR: Unknown option passed\nERROR: Can't parse command line options");
            return Ok(TROUBLE);
        }
    };
    let began = (environment::unix_time(), environment::nanoseconds());
    let Some((database, known)) = database(&wanted)? else { return Ok(TROUBLE) };
    let log = match &wanted.log {
        Some(path) => Some(fs::OpenOptions::new().create(true).append(true).open(path)?),
        None => None,
    };
    let mut run = Run {
        wanted: &wanted,
        database: &database,
        scratch: Scratch::default(),
        output: &mut output,
        log,
        counts: Counts::default(),
    };
    run.log_line("\n-------------------------------------------------------------------------------\n")?;
    if wanted.paths.is_empty() {
        let here = std::env::current_dir()?;
        run.folder(&here, 1, None)?;
    }
    for path in &wanted.paths {
        run.named(path)?;
    }
    let counts = run.counts;
    if wanted.summary {
        let summary = summary(&counts, known, began);
        output.line(&summary)?;
        if let Some(path) = &wanted.log {
            use std::io::Write;
            writeln!(fs::OpenOptions::new().append(true).open(path)?, "{summary}")?;
        }
    }
    output.flush()?;
    Ok(match (counts.infected, counts.errors) {
        (1.., _) => FOUND,
        (0, 0) => CLEAN,
        _ => TROUBLE,
    })
}

fn database(wanted: &Wanted) -> anyhow::Result<Option<(Database, u64)>> {
    let folders = match wanted.databases.is_empty() {
        true => Config::load(wanted.config.as_deref())?.0.signatures.folders,
        false => wanted.databases.clone(),
    };
    let (mut files, problems) = signatures::files(&folders);
    if wanted.official_only {
        files.retain(|file| file.extension().is_some_and(|ending| ending == "cvd" || ending == "cld"));
    }
    for problem in &problems {
        eprintln!("ERROR: {problem}");
    }
    if files.is_empty() {
        let named: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        eprintln!("ERROR: No supported database files found in {}", named.join(", "));
        return Ok(None);
    }
    let options = rules::signatures::Options {
        unwanted_programs: wanted.unwanted,
        phishing_signatures: wanted.phishing_signatures,
        ..Default::default()
    };
    let mut loaded = Loaded::default();
    let set = signatures::set(&files, &options, true, &mut loaded);
    for problem in &loaded.problems {
        eprintln!("ERROR: {problem}");
    }
    if loaded.errors() > 0 {
        eprintln!("WARNING: {}", crate::language::errors_in_signatures(loaded.errors()));
    }
    Ok(set.map(|set| {
        let known = set.len();
        (Database::new(set, wanted.options.beyond), known)
    }))
}

struct Run<'r> {
    wanted: &'r Wanted,
    database: &'r Database,
    scratch: Scratch,
    output: &'r mut Output,
    log: Option<fs::File>,
    counts: Counts,
}

impl Run<'_> {
    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.output.bytes(&[line, b"\n"].concat())?;
        self.log_line(&format!("{}\n", String::from_utf8_lossy(line)))
    }

    fn log_line(&mut self, text: &str) -> anyhow::Result<()> {
        use std::io::Write;
        if let Some(log) = &mut self.log {
            log.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Something other than a finding, about one path.
    fn told(&mut self, path: &Path, what: &str) -> anyhow::Result<()> {
        if self.wanted.infected_only || self.wanted.quiet {
            return Ok(());
        }
        self.line(&[path.as_os_str().as_bytes(), b": ", what.as_bytes()].concat())
    }

    fn trouble(&mut self, path: &Path, what: &str) {
        self.counts.errors += 1;
        eprintln!("{}: {what}", path.display());
        eprintln!("WARNING: {}: Can't access file", path.display());
    }

    /// A path of the command line.
    fn named(&mut self, path: &Path) -> anyhow::Result<()> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            return self.scan(Path::new("stdin"), &bytes, None);
        }
        let about = match fs::symlink_metadata(path) {
            Ok(about) => about,
            Err(error) => {
                self.trouble(path, reason(&error));
                return Ok(());
            }
        };
        let linked = about.is_symlink();
        let about = if linked { fs::metadata(path)? } else { about };
        if about.is_dir() {
            if linked && self.wanted.follow_folders == 0 {
                return self.told(path, "Symbolic link");
            }
            return self.folder(path, 1, device(path));
        }
        if linked && self.wanted.follow_files == 0 {
            return self.told(path, "Symbolic link");
        }
        self.file(path)
    }

    fn folder(&mut self, folder: &Path, depth: usize, home: Option<u64>) -> anyhow::Result<()> {
        if excluded(folder, &self.wanted.exclude_folder, &self.wanted.include_folder) {
            return self.told(folder, "Excluded");
        }
        if depth > self.wanted.depth {
            return Ok(());
        }
        if !self.wanted.cross_filesystems && device(folder) != home {
            return self.told(folder, "Excluded");
        }
        self.counts.folders += 1;
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(folder, reason(&error));
                return Ok(());
            }
        };
        for entry in entries {
            if self.output.is_closed() {
                return Ok(());
            }
            let path = entry?.path();
            let Ok(mut about) = fs::symlink_metadata(&path) else { continue };
            if about.is_symlink() {
                let Ok(target) = fs::metadata(&path) else { continue };
                let follow = if target.is_dir() { self.wanted.follow_folders } else { self.wanted.follow_files };
                if follow < 2 {
                    self.told(&path, "Symbolic link")?;
                    continue;
                }
                about = target;
            }
            if about.is_dir() {
                if self.wanted.recursive {
                    self.folder(&path, depth + 1, home)?;
                }
            } else if about.is_file() {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        if excluded(path, &self.wanted.exclude, &self.wanted.include) {
            return self.told(path, "Excluded");
        }
        let opened = match fs::metadata(path) {
            Ok(about) if !about.is_file() => return self.told(path, "Not supported file type"),
            Ok(_) => Opened::open(path).and_then(|opened| Ok((opened.about()?, opened))),
            Err(error) => Err(error),
        };
        let (length, mut opened) = match opened {
            Ok((about, _)) if !about.is_file() => return self.told(path, "Not supported file type"),
            Ok((about, opened)) => (about.len(), opened),
            Err(error) => {
                self.trouble(path, reason(&error));
                return Ok(());
            }
        };
        if length == 0 {
            return self.told(path, "Empty file");
        }
        if length > self.wanted.options.limits.member && !self.wanted.options.alert_limits {
            self.counts.files += 1;
            return if self.wanted.hide_ok { Ok(()) } else { self.told(path, "OK") };
        }
        match opened.read() {
            Ok(bytes) => self.scan(path, &bytes, Some(opened)),
            Err(error) => {
                self.trouble(path, reason(&error));
                Ok(())
            }
        }
    }

    fn scan(&mut self, path: &Path, bytes: &[u8], opened: Option<Opened>) -> anyhow::Result<()> {
        self.counts.files += 1;
        self.counts.read += bytes.len() as u64;
        let report = walk::file(self.database, bytes, b"", &self.wanted.options, &mut self.scratch);
        self.counts.scanned += report.scanned;
        let is_heuristic = |hit: &&Hit| hit.signature.is_none();
        let mut hits: Vec<&Hit> = report.hits.iter().collect();
        if !self.wanted.heuristics {
            hits.retain(|hit| !is_heuristic(hit));
        } else if !self.wanted.heuristics_first {
            hits.sort_by_key(|hit| is_heuristic(hit));
        }
        if hits.is_empty() {
            return if self.wanted.hide_ok { Ok(()) } else { self.told(path, "OK") };
        }
        self.counts.infected += 1;
        let shown = if self.wanted.all { hits.len() } else { 1 };
        for hit in &hits[..shown] {
            let line = [path.as_os_str().as_bytes(), b": ", hit.name.as_bytes(), b" FOUND"].concat();
            if !self.wanted.quiet {
                self.line(&line)?;
            } else {
                self.log_line(&format!("{}\n", String::from_utf8_lossy(&line)))?;
            }
        }
        if self.wanted.bell {
            eprint!("\u{7}");
        }
        opened.map_or(Ok(()), |opened| self.act(path, opened))
    }

    fn act(&mut self, path: &Path, mut opened: Opened) -> anyhow::Result<()> {
        let mut name = path.as_os_str().as_bytes().to_vec();
        if let Ok(real) = fs::canonicalize(path)
            && real != path
        {
            name.extend_from_slice(format!(" (real path: '{}')", real.display()).as_bytes());
        }
        let done = match &self.wanted.then {
            Then::Nothing => return Ok(()),
            Then::Remove => opened.remove().map(|()| "Removed.".to_owned()),
            Then::Copy(folder) => target(folder, path).and_then(|to| {
                opened.copy(&to)?;
                Ok(format!("copied to '{}'", to.display()))
            }),
            Then::Move(folder) => target(folder, path).and_then(|to| {
                opened.rename(&to)?;
                Ok(format!("moved to '{}'", to.display()))
            }),
        };
        match done {
            Ok(told) => self.line(&[&name, &b": "[..], told.as_bytes()].concat()),
            Err(error) => {
                self.counts.errors += 1;
                eprintln!("ERROR: {}: {error}", path.display());
                Ok(())
            }
        }
    }
}

/// A name in the folder that is not taken.
fn target(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    if !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is no folder", folder.display())));
    }
    let folder = fs::canonicalize(folder)?;
    let plain = folder.join(name);
    if !plain.exists() {
        return Ok(plain);
    }
    let numbered = (1..1000).map(|number| {
        let mut name = name.as_bytes().to_vec();
        name.extend_from_slice(format!(".{number:03}").as_bytes());
        folder.join(OsString::from_vec(name))
    });
    numbered.into_iter().find(|path| !path.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

fn excluded(path: &Path, exclude: &[Regex], include: &[Regex]) -> bool {
    let path = path.as_os_str().as_bytes();
    exclude.iter().any(|expression| expression.is_match(path))
        || !include.is_empty() && !include.iter().any(|expression| expression.is_match(path))
}

fn device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|about| about.dev())
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory",
        io::ErrorKind::PermissionDenied => "Access denied.",
        _ => "Can't be read",
    }
}

fn summary(counts: &Counts, known: u64, (date, clock): (i64, u64)) -> String {
    let seconds = (environment::nanoseconds() - clock) as f64 / 1e9;
    let megabytes = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let errors = match counts.errors {
        0 => String::new(),
        errors => format!("Total errors: {errors}\n"),
    };
    format!(
        "\n----------- SCAN SUMMARY -----------\nKnown viruses: {known}\nEngine version: {CLAMAV}\n\
         Scanned directories: {}\nScanned files: {}\nInfected files: {}\n{errors}Data scanned: {:.2} MB\n\
         Data read: {:.2} MB (ratio {:.2}:1)\nTime: {seconds:.3} sec ({} m {} s)\nStart Date: {}\nEnd Date:   {}",
        counts.folders,
        counts.files,
        counts.infected,
        megabytes(counts.scanned),
        megabytes(counts.read),
        if counts.read == 0 { 0.0 } else { counts.scanned as f64 / counts.read as f64 },
        seconds as u64 / 60,
        seconds as u64 % 60,
        environment::clam_date(date),
        environment::clam_date(environment::unix_time()),
    )
}

fn help(output: &mut Output) -> anyhow::Result<()> {
    output.line("Usage: clamscan [options] [file/directory/-]\n")?;
    for (name, letter, takes, honoured) in KNOWN {
        let value = match takes {
            Takes::Nothing => "",
            Takes::YesNo => "[=yes/no]",
            Takes::Value => "=VALUE",
        };
        let letter = letter.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let note = if *honoured { "" } else { "  (taken and passed over)" };
        output.line(&format!("  {letter:<4}--{name}{value}{note}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str) -> anyhow::Result<Wanted> {
        match parse(line.split(' ').map(OsString::from))? {
            Asked::Scan(wanted) => Ok(*wanted),
            _ => anyhow::bail!("no scan"),
        }
    }

    #[test]
    fn options_as_clamscan_takes_them() {
        let these =
            wanted("-ri -d a.ndb --database b.ndb --max-filesize=25M -z --exclude=\\.txt$ --scan-pdf=yes in").unwrap();
        assert!(these.recursive && these.infected_only && these.all && !these.options.beyond);
        assert_eq!(these.databases, ["a.ndb", "b.ndb"].map(PathBuf::from));
        assert_eq!(these.options.limits.member, 25 << 20);
        assert_eq!(these.paths, [PathBuf::from("in")]);
        assert!(excluded(Path::new("x.txt"), &these.exclude, &[]));
        for (wrong, said) in [
            ("--foo", "unrecognized option `--foo'"),
            ("-q", "invalid option -- 'q'"),
            ("--recursive=perhaps", "Invalid argument for option --recursive"),
            ("-d", "requires an argument"),
            ("--max-files=many", "Invalid argument for option --max-files"),
        ] {
            let error = wanted(wrong).err().expect(wrong).to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
