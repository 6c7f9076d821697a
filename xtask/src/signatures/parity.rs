//! `cargo xtask signatures parity`: the names that we find beside those that the installed clamscan finds.
//!
//! Three runs: the MIME shapes of `clamav-vectors` against what ClamAV 1.4.6 was seen to find in them, all messages of the
//! data against clamscan with the real signatures, and a message made for each signature that hits nowhere. What clamscan
//! said is kept in `target/signatures-parity`, since it takes minutes.

use super::generated;
use crate::cores;
use anyhow::{Context, Result, bail};
use engine::signatures::Database;
use engine::signatures::walk::{self, Options, Scratch};
use rules::signatures::Source;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `cargo xtask signatures parity`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which runs; default: all
    #[arg(value_enum)]
    runs: Vec<Run>,
    /// Differences that are known, with their causes
    #[arg(long, default_value = "docs/signature-differences.toml")]
    known: PathBuf,
    /// Ask clamscan again
    #[arg(long)]
    anew: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Run {
    Mime,
    Mail,
    Generated,
}

/// Path of a message -> names.
pub(super) type Names = BTreeMap<String, BTreeSet<String>>;

/// Folders of messages in the data.
pub(super) const MAIL: &[&str] =
    &["sa-corpus/ham", "sa-corpus/spam", "modern-ham", "list-ham", "ja-modern", "zh-modern"];
pub(super) const CACHE: &str = "target/signatures-parity";

pub fn run(args: &Args) -> Result<()> {
    let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
        println!("no data: set SEKISHO_DATA");
        return Ok(());
    };
    let known = known(&args.known)?;
    let wanted = |run| args.runs.is_empty() || args.runs.contains(&run);
    let mut different = 0;
    if wanted(Run::Mime) {
        different += mime(&data.join("clamav-vectors"))?;
    }
    if wanted(Run::Mail) {
        different += mail(&data, args.anew, &known)?;
    }
    if wanted(Run::Generated) {
        different += generated::run(&data, args.anew, &known)?;
    }
    if different > 0 {
        bail!("{different} differences that docs/signature-differences.toml does not explain");
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    difference: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    /// Ends of paths; empty: all.
    #[serde(default)]
    files: Vec<String>,
    /// Names; empty: all.
    #[serde(default)]
    names: Vec<String>,
    cause: String,
}

fn known(path: &Path) -> Result<Known> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let known: Known = toml::from_str(&text)?;
    if known.difference.len() > 20 {
        bail!("{}: more than 20 entries", path.display());
    }
    Ok(known)
}

/// Loads as ClamAV does: what the files say is all there is.
pub(super) fn load(files: &[PathBuf]) -> Result<Database> {
    let mut sources = Vec::new();
    for file in files {
        sources.push(Source {
            name: file.display().to_string().into(),
            bytes: std::fs::read(file).with_context(|| file.display().to_string())?.into(),
            official: false,
        });
    }
    let (set, diagnostics) = rules::signatures::load(&sources, &Default::default());
    println!("{} lines in force, {} diagnostics", set.len(), diagnostics.len());
    Ok(Database::new(set, false))
}

pub(super) fn ours(database: &Database, files: &[(String, PathBuf)]) -> Result<Names> {
    let options = Options::as_clamav();
    let found = cores::each(files, |(name, path), scratch: &mut Scratch| -> Result<_> {
        let report = walk::file(database, &std::fs::read(path)?, b"", &options, scratch);
        let names: BTreeSet<String> = report.hits.into_iter().map(|hit| hit.name).collect();
        Ok((name.clone(), names))
    });
    let mut names = found.into_iter().collect::<Result<Names>>()?;
    names.retain(|_, names| !names.is_empty());
    Ok(names)
}

/// The 54 MIME shapes.
fn mime(folder: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(folder.join("mime_matrix.json"))?;
    let expected: BTreeMap<String, BTreeMap<String, u32>> = serde_json::from_str(&text)?;
    let database = load(&[folder.join("mime/m.ndb")])?;
    let files: Vec<_> = expected.keys().map(|name| (name.clone(), folder.join(format!("mime/{name}.eml")))).collect();
    let ours = ours(&database, &files)?;
    let theirs: Names = expected
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(file, names)| (file, names.into_keys().map(|name| format!("{name}.UNOFFICIAL")).collect()))
        .collect();
    Ok(compare("MIME shapes", files.len(), &ours, &theirs, &Known { difference: Vec::new() }))
}

/// Every message of the data, the real signatures.
fn mail(data: &Path, anew: bool, known: &Known) -> Result<usize> {
    let files: Vec<(String, PathBuf)> = collect(data, MAIL)?;
    let database = load(&signature_files(data)?)?;
    let theirs = clamscan("mail", data, MAIL, &data.join("real_mail"), anew)?;
    let ours = ours(&database, &files)?;
    Ok(compare("messages", files.len(), &ours, &theirs, known))
}

pub(super) fn signature_files(data: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(data.join("real_mail")).context("real_mail")? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

pub(super) fn collect(root: &Path, folders: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                files.push((path.strip_prefix(root)?.display().to_string(), path));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What clamscan says, from the cache or asked at low priority.
pub(super) fn clamscan(name: &str, root: &Path, folders: &[&str], signatures: &Path, anew: bool) -> Result<Names> {
    let cache = Path::new(CACHE).join(format!("{name}.txt"));
    if anew || !cache.exists() {
        std::fs::create_dir_all(CACHE)?;
        println!("asking clamscan ({name}); this takes minutes");
        let output = Command::new("nice")
            .args(["-n", "10", "clamscan", "--allmatch", "--no-summary", "-r", "-o", "-d"])
            .arg(signatures)
            .args(folders)
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .context("clamscan; install clamav")?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("clamscan failed: {}", output.status);
        }
        std::fs::write(&cache, output.stdout)?;
    }
    let mut names = Names::new();
    for line in String::from_utf8_lossy(&std::fs::read(&cache)?).lines() {
        if let Some((path, name)) = line.strip_suffix(" FOUND").and_then(|line| line.rsplit_once(": ")) {
            let path = path.strip_prefix(&format!("{}/", root.display())).unwrap_or(path);
            names.entry(path.to_owned()).or_default().insert(name.to_owned());
        }
    }
    Ok(names)
}

/// Prints what differs; how much of it is not explained.
pub(super) fn compare(what: &str, files: usize, ours: &Names, theirs: &Names, known: &Known) -> usize {
    let none = BTreeSet::new();
    let (mut different, mut explained, mut names) = (0, vec![0; known.difference.len()], 0);
    for file in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (ours, theirs) = (ours.get(file).unwrap_or(&none), theirs.get(file).unwrap_or(&none));
        names += theirs.len();
        for name in ours.symmetric_difference(theirs) {
            let explains = |difference: &Difference| {
                (difference.files.is_empty() || difference.files.iter().any(|end| file.ends_with(end.as_str())))
                    && (difference.names.is_empty() || difference.names.contains(name))
            };
            if let Some(at) = known.difference.iter().position(explains) {
                explained[at] += 1;
                continue;
            }
            different += 1;
            println!("  {file}: {name} {}", if ours.contains(name) { "only here" } else { "only clamscan" });
        }
    }
    for (difference, count) in known.difference.iter().zip(&explained).filter(|(_, count)| **count > 0) {
        println!("  {count} explained: {}", difference.cause.lines().next().unwrap_or_default());
    }
    let explained: usize = explained.iter().sum();
    println!("{what}: {files} files, {names} names by clamscan, {different} differences, {explained} more explained");
    different
}
