//! From signature files to hits in a verdict: found, loaded (by way of the cache), walked, weighed.
//!
//! What a hit means is configuration ([`crate::config::Signatures`]); the engine knows names only. Where no signatures are
//! installed there is nothing of all this, and messages take no longer.

use crate::config::{self, Mean};
use crate::environment;
use engine::signatures::walk::{self, Limits, Options, Report};
use engine::signatures::{Database, Set};
use mail::{Evidence, Hit, Meaning, Signature, Trouble, Verdict, Views};
use rules::{Diagnostic, Severity};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::lists::{Effect, Scope, Subject};
use store::{Store, Time};

/// Signatures in force, and what their hits mean.
pub struct Signatures {
    pub database: Database,
    pub options: Options,
    means: Vec<Mean>,
}

/// What came of loading.
#[derive(Default)]
pub struct Loaded {
    /// `None`: none are installed.
    pub signatures: Option<Signatures>,
    pub diagnostics: Vec<Diagnostic>,
    /// Files that could not be read.
    pub problems: Vec<String>,
}

impl Loaded {
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }
}

/// Endings of what ClamAV loads; other files in a folder are none of ours.
const ENDINGS: &[&str] = &[
    "cat", "cbc", "cdb", "cfg", "cld", "crb", "cud", "cvd", "db", "fp", "ftm", "gdb", "hdb", "hdu", "hsb", "hsu",
    "idb", "ign", "ign2", "imp", "ioc", "ldb", "ldu", "mdb", "mdu", "msb", "msu", "ndb", "ndu", "pdb", "pwdb", "rmd",
    "sdb", "sfp", "wdb", "yar", "yara", "zmd",
];

/// Files of the folders, by name, and single files as they are named; folders that do not exist have none.
pub fn files(folders: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for folder in folders {
        match fs::read_dir(folder) {
            Ok(entries) => {
                let mut found: Vec<PathBuf> = entries
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .filter(|path| is_one(path) && path.is_file())
                    .collect();
                found.sort();
                files.extend(found);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if folder.is_file() => files.push(folder.clone()),
            Err(error) => problems.push(format!("{}: {}", folder.display(), crate::language::reason(&error))),
        }
    }
    (files, problems)
}

/// A container, or one unpacked by `sekisho feeds`: beside the list of its files, whose signature was checked.
fn is_official(path: &Path) -> bool {
    matches!(ending(path).as_deref(), Some("cvd" | "cld")) || path.with_extension("info").is_file()
}

/// By its ending.
pub fn is_one(path: &Path) -> bool {
    ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Loads what the configuration names.
pub fn load(config: &config::Signatures, use_cache: bool) -> Loaded {
    let (files, problems) = files(&config.folders);
    let mut loaded = Loaded { problems, ..Loaded::default() };
    if files.is_empty() {
        return loaded;
    }
    let options = rules::signatures::Options { unwanted_programs: config.unwanted_programs, ..Default::default() };
    let Some(set) = set(&files, &options, use_cache, &mut loaded) else { return loaded };
    if !set.is_empty() {
        loaded.signatures = Some(Signatures {
            database: Database::new(set, config.beyond_clamav),
            options: Options {
                beyond: config.beyond_clamav,
                phishing: config.phishing_links,
                limits: limits(config),
                ..Options::default()
            },
            means: config.meanings(),
        });
    }
    loaded
}

fn limits(config: &config::Signatures) -> Limits {
    Limits {
        bytes: config.bytes.0,
        member: config.file.0,
        members: config.files,
        depth: config.depth,
        ..Limits::default()
    }
}

/// From the cache, or from the files.
pub fn set(
    files: &[PathBuf],
    options: &rules::signatures::Options,
    use_cache: bool,
    loaded: &mut Loaded,
) -> Option<Set> {
    let kept = use_cache.then(|| kept(files, options)).flatten();
    if let Some((set, diagnostics)) = kept.as_deref().and_then(read_kept) {
        loaded.diagnostics.extend(diagnostics);
        return Some(set);
    }
    let sources = read(files, loaded);
    let (mut set, diagnostics) = rules::signatures::load(&sources, options);
    drop(sources);
    if let Some(path) = kept.filter(|_| loaded.problems.is_empty())
        && write_kept(&path, &set, &diagnostics).is_ok()
    {
        // What was made piece by piece takes more memory than the same in one.
        drop(set);
        set = match read_kept(&path) {
            Some((set, _)) => set,
            None => rules::signatures::load(&read(files, loaded), options).0,
        };
    }
    loaded.diagnostics.extend(diagnostics);
    Some(set)
}

fn read(files: &[PathBuf], loaded: &mut Loaded) -> Vec<rules::signatures::Source<'static>> {
    let mut sources = Vec::new();
    for path in files {
        match fs::read(path) {
            Ok(bytes) => sources.push(rules::signatures::Source {
                name: path.display().to_string().into(),
                bytes: bytes.into(),
                official: is_official(path),
            }),
            Err(error) => loaded.problems.push(format!("{}: {}", path.display(), crate::language::reason(&error))),
        }
    }
    sources
}

const MAGIC: &[u8; 8] = b"sekisig\x02";
/// Sets kept; the oldest go.
const KEPT: usize = 3;

/// Where this set is kept, by what is known of its files without reading them.
fn kept(files: &[PathBuf], options: &rules::signatures::Options) -> Option<PathBuf> {
    let mut hasher = Sha256::new();
    hasher.update(environment::VERSION);
    let mut about = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        hasher.update(format!("{} {} {:?}\n", path.display(), about.len(), about.modified().ok()?));
        Some(())
    };
    // While we work on the program, versions alone do not tell builds apart.
    about(&std::env::current_exe().ok()?)?;
    for file in files {
        about(&fs::canonicalize(file).ok()?)?;
    }
    hasher.update(format!("{options:?}"));
    let name = store::Hash(hasher.finalize().into());
    Some(environment::cache_folder()?.join(format!("{name}.signatures")))
}

/// The file stays in memory as it is: tables lie in it.
fn read_kept(path: &Path) -> Option<(Set, Vec<Diagnostic>)> {
    let bytes = Arc::new(fs::read(path).ok()?);
    let (rest, length) = bytes.strip_prefix(&MAGIC[..])?.split_last_chunk::<8>()?;
    // Nobody but us writes there, and it is renamed when whole: a checksum of all of it would take longer than reading it.
    if u64::from_le_bytes(*length) != rest.len() as u64 {
        return None;
    }
    let kept: (Set, Vec<Diagnostic>) =
        rules::signatures::in_place(&bytes, MAGIC.len(), |body| postcard::from_bytes(body)).ok()?;
    kept.0.is_sound().then_some(kept)
}

fn write_kept(path: &Path, set: &Set, diagnostics: &[Diagnostic]) -> io::Result<()> {
    crate::cache::write_whole(path, "signatures", KEPT, |file| {
        file.write_all(MAGIC)?;
        let mut body = BufWriter::new(&mut *file);
        postcard::to_io(&(set, diagnostics), &mut body).map_err(io::Error::other)?;
        body.flush()?;
        drop(body);
        let length = file.stream_position()? - MAGIC.len() as u64;
        file.write_all(&length.to_le_bytes())
    })
}

/// What the store's lists let pass.
pub struct Allowed<'a> {
    pub store: &'a Store,
    pub now: Time,
}

impl Signatures {
    /// Walks through a message and adds what hits to its verdict.
    pub fn judge(&self, views: &Views<'_>, scratch: &mut engine::Scratch, verdict: &mut Verdict) {
        let report = walk::message(&self.database, views, &self.options, &mut scratch.signatures);
        self.add(report, scratch.explain, verdict);
    }

    /// The same, without what the store's lists let pass. Where the store fails, nothing passes.
    pub fn judge_with_lists(
        &self,
        views: &Views<'_>,
        allowed: &Allowed<'_>,
        scratch: &mut engine::Scratch,
        verdict: &mut Verdict,
    ) -> store::Result<()> {
        let mut report = walk::message(&self.database, views, &self.options, &mut scratch.signatures);
        let kept = if report.hits.is_empty() { Ok(Vec::new()) } else { not_allowed(&report.hits, allowed) };
        let outcome = kept.map(|kept| report.hits = kept);
        self.add(report, scratch.explain, verdict);
        outcome
    }

    /// Names of what is in a file, for who asks about files alone: in the order of finding, what lists let pass aside, and
    /// what says only that not everything was looked at.
    pub fn names(&self, bytes: &[u8], allowed: Option<&Allowed<'_>>, scratch: &mut engine::Scratch) -> Vec<String> {
        let mut hits = walk::file(&self.database, bytes, b"", &self.options, &mut scratch.signatures).hits;
        if let Some(kept) = allowed.filter(|_| !hits.is_empty()).and_then(|allowed| not_allowed(&hits, allowed).ok()) {
            hits = kept;
        }
        let mut names = Vec::new();
        for hit in hits {
            let source = hit.signature.map(|signature| self.database.source(signature)).unwrap_or_default();
            let meaning = config::meaning(&self.means, &hit.name, source).map(|(meaning, _)| meaning);
            if !matches!(meaning, None | Some(Meaning::Unchecked)) && !names.contains(&hit.name) {
                names.push(hit.name);
            }
        }
        names
    }

    fn add(&self, report: Report, explain: bool, verdict: &mut Verdict) {
        for note in report.notes.into_iter().filter(|note| note.starts_with("limit")) {
            verdict.troubles.push(Trouble { rule: String::new(), what: note });
        }
        for hit in report.hits {
            let source = hit.signature.map(|signature| self.database.source(signature)).unwrap_or_default().to_owned();
            let Some((meaning, score)) = config::meaning(&self.means, &hit.name, &source) else { continue };
            add(verdict, hit, source, meaning, score, explain);
        }
    }
}

fn add(verdict: &mut Verdict, hit: walk::Hit, source: String, meaning: Meaning, score: f64, explain: bool) {
    let evidence = Evidence { view: hit.view, matched: hit.matched, offset: hit.offset };
    let description = match source.as_str() {
        "" => word(meaning).to_owned(),
        source => format!("{} ({source})", word(meaning)),
    };
    verdict.add(Hit {
        area: "SIGNATURE: ",
        evidence: if explain { vec![evidence] } else { Vec::new() },
        notes: if hit.own { vec!["[beyond ClamAV]".to_owned()] } else { Vec::new() },
        ..Hit::new(&hit.name, score, description)
    });
    verdict.signatures.push(Signature { name: hit.name, meaning, source });
}

/// For the report of a hit.
fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Virus => "Virus",
        Meaning::Banned => "Banned attachment",
        Meaning::Phishing => "Phishing",
        Meaning::Spam => "Spam",
        Meaning::Unchecked => "Not looked at whole",
    }
}

/// Hits but those that an entry of everybody's list lets pass: by the signature's name, or by the SHA-256 of a file around
/// the place.
fn not_allowed(hits: &[walk::Hit], allowed: &Allowed<'_>) -> store::Result<Vec<walk::Hit>> {
    let lists = allowed.store.lists();
    if !lists.any()? {
        return Ok(hits.to_vec());
    }
    let passes = |subjects: &[Subject<'_>]| -> store::Result<bool> {
        let matches = lists.matching(&[Scope::Global], subjects, allowed.now)?;
        Ok(matches.0.iter().any(|entry| entry.effect == Effect::Allow))
    };
    let mut kept = Vec::new();
    for hit in hits {
        let digests: Vec<String> = hit.files.iter().map(|digest| store::Hash(*digest).to_string()).collect();
        let mut subjects = vec![Subject::Signature(&hit.name)];
        subjects.extend(digests.iter().map(|digest| Subject::Hash(digest)));
        if !passes(&subjects)? {
            kept.push(hit.clone());
        }
    }
    Ok(kept)
}
