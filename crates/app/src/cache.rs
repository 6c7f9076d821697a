//! Compiled rules, kept from run to run.
//!
//! A file is found by the hash of everything that went into it (sources, options, our own version), and believed only if
//! its checksum holds and what was included is still the same. Whatever is wrong with it, the sources are compiled again.
//! Written beside its place and renamed, so that no one reads half a file.

use crate::draft;
use crate::environment;
use crate::rule_files::Includes;
use rules::{Diagnostic, LoadOptions, Ruleset, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"sekisho\x01";
/// Files kept; the oldest go.
const KEPT: usize = 8;

type Hash = [u8; 32];

/// Where this set of rules is kept, or would be.
pub struct Kept {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// Files that `include` brought in.
    includes: Vec<(String, Hash)>,
    ruleset: Ruleset,
    diagnostics: Vec<Diagnostic>,
}

/// The same, borrowed.
#[derive(Serialize)]
struct ContentRef<'a> {
    includes: Vec<(&'a str, Hash)>,
    ruleset: &'a Ruleset,
    diagnostics: &'a [Diagnostic],
}

impl Kept {
    pub fn find(sources: &[Source], options: &LoadOptions) -> Option<Kept> {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(environment::VERSION.as_bytes());
        // While we work on the program, versions alone do not tell builds apart.
        if let Some(about) = std::env::current_exe().ok().and_then(|path| fs::metadata(path).ok()) {
            add(format!("{} {:?}", about.len(), about.modified().ok()).as_bytes());
        }
        add(format!("{options:?}").as_bytes());
        for source in sources {
            add(source.name.as_bytes());
            add(format!("{:?}", source.kind).as_bytes());
            add(&source.text);
        }
        let name = store::Hash(hasher.finalize().into());
        Some(Kept { path: environment::cache_folder()?.join(format!("{name}.rules")) })
    }

    /// The rules, if they are there and whole.
    pub fn load(&self) -> Option<(Ruleset, Vec<Diagnostic>)> {
        let bytes = fs::read(&self.path).ok()?;
        let rest = bytes.strip_prefix(&MAGIC[..])?;
        let (checksum, body) = rest.split_at_checked(32)?;
        if hash(body)[..] != *checksum {
            return None;
        }
        let content: Content = postcard::from_bytes(body).ok()?;
        let same = |(path, expected): &(String, Hash)| fs::read(path).is_ok_and(|text| hash(&text) == *expected);
        content.includes.iter().all(same).then_some((content.ruleset, content.diagnostics))
    }

    pub fn store(&self, ruleset: &Ruleset, diagnostics: &[Diagnostic], includes: &Includes) -> io::Result<()> {
        let includes = includes.read.iter().map(|(path, text)| (path.as_str(), hash(text))).collect();
        let body = postcard::to_stdvec(&ContentRef { includes, ruleset, diagnostics }).map_err(io::Error::other)?;
        write_whole(&self.path, "rules", KEPT, |file| {
            [&MAGIC[..], &hash(&body), &body].into_iter().try_for_each(|piece| file.write_all(piece))
        })
    }
}

/// Puts a file in its place whole, and lets the oldest of that ending go.
pub fn write_whole(
    path: &Path,
    ending: &str,
    kept: usize,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder)?;
    let (draft, mut file) = draft::create(path)?;
    let renamed = write(&mut file).and_then(|()| fs::rename(&draft, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    sweep(folder, ending, kept);
    renamed
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A folder that others cannot write to: what is in it decides about mail.
fn make_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }
    #[cfg(not(unix))]
    fs::create_dir_all(folder)
}

/// Keeps the newest files.
fn sweep(folder: &Path, ending: &str, kept: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let path = entry.path();
            let ours = path.extension().is_some_and(|extension| extension == ending || extension == "new");
            ours.then_some((entry.metadata().ok()?.modified().ok()?, path))
        })
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(kept);
    for (_, path) in &files[..surplus] {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_not_believed() {
        let folder = std::env::temp_dir().join(format!("sekisho-cache-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let kept = Kept { path: folder.join("x.rules") };
        assert!(kept.load().is_none());
        kept.store(&Ruleset::default(), &[], &Includes::default()).unwrap();
        assert!(kept.load().is_some());

        let whole = fs::read(&kept.path).unwrap();
        for cut in [0, 7, 20, whole.len() - 1] {
            fs::write(&kept.path, &whole[..cut]).unwrap();
            assert!(kept.load().is_none(), "cut at {cut}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&kept.path, changed).unwrap();
        assert!(kept.load().is_none());

        let included = folder.join("included.cf");
        fs::write(&included, "a").unwrap();
        let includes = Includes { read: vec![(included.display().to_string(), b"a".to_vec())] };
        kept.store(&Ruleset::default(), &[], &includes).unwrap();
        assert!(kept.load().is_some());
        fs::write(&included, "b").unwrap();
        assert!(kept.load().is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
