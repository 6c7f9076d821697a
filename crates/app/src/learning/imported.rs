//! The file `imported` in the model's folder: what a site's SpamAssassin had learnt, read from `sa-learn --backup`.
//!
//! Written once by whoever imports, read by all; a process that judges looks every so often whether it is another one.

use super::replace;
use crate::environment;
use anyhow::Context;
use learn::bayes::{ImportError, Imported, Importer};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

const NAME: &str = "imported";
/// No line of a backup is longer.
const LINE: u64 = 64 << 10;

/// What is in force, and of which file.
#[derive(Debug, Default)]
pub struct Kept {
    imported: Option<Arc<Imported>>,
    /// When it was written, and its length.
    stamp: Option<(SystemTime, u64)>,
}

impl Kept {
    pub fn get(&self) -> Option<&Arc<Imported>> {
        self.imported.as_ref()
    }

    /// Reads the file if it is another than before; says whether it was. One that cannot be read is told of, once, and takes
    /// nothing away but itself: what was learnt here goes on judging.
    pub fn refresh(&mut self, folder: &Path) -> bool {
        let path = folder.join(NAME);
        let stamp = match fs::metadata(&path) {
            Ok(about) => Some((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len())),
            Err(_) => None,
        };
        if stamp == self.stamp {
            return false;
        }
        self.stamp = stamp;
        self.imported = match stamp.map(|_| read(&path)) {
            Some(Ok(imported)) => Some(Arc::new(imported)),
            Some(Err(error)) => {
                eprintln!(
                    "sekisho: {}: {error:#}; going on without it. To have it again: sekisho learn forget-import, then import anew",
                    path.display()
                );
                None
            }
            None => None,
        };
        true
    }
}

fn read(path: &Path) -> anyhow::Result<Imported> {
    let bytes = fs::read(path)?;
    Imported::from_bytes(&bytes).context("not readable as what was imported")
}

/// Is there one?
pub fn exists(folder: &Path) -> bool {
    folder.join(NAME).exists()
}

/// Lays it down in place of what was imported before.
pub fn write(folder: &Path, imported: &Imported) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    replace(folder, NAME, &imported.to_bytes())
}

/// False: there was none.
pub fn remove(folder: &Path) -> anyhow::Result<bool> {
    match fs::remove_file(folder.join(NAME)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| folder.join(NAME).display().to_string()),
    }
}

/// What `sa-learn --backup` wrote, and how many of its tokens did not fit.
pub fn from_backup(backup: impl Read) -> anyhow::Result<(Imported, usize)> {
    let mut reader = BufReader::with_capacity(1 << 18, backup);
    let mut importer = Importer::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 >= LINE {
            return Err(ImportError::NoBackup.into());
        }
        importer.line(&line)?;
    }
    let (mut imported, left_out) = importer.finish()?;
    imported.at = u32::try_from(environment::unix_time()).unwrap_or_default();
    Ok((imported, left_out))
}

const TRAILER: &[u8; 16] = b"sekisho backup1\n";

/// Our own backup: the model, and behind it what was imported, if anything was.
pub fn backup(model: Vec<u8>, imported: Option<&Imported>) -> Vec<u8> {
    let mut out = model;
    if let Some(imported) = imported {
        let bytes = imported.to_bytes();
        out.extend_from_slice(&bytes);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(TRAILER);
    }
    out
}

/// The two parts of such a backup.
pub fn parts(backup: &[u8]) -> anyhow::Result<(&[u8], Option<Imported>)> {
    let Some(rest) = backup.strip_suffix(TRAILER) else { return Ok((backup, None)) };
    let (rest, length) = rest.split_last_chunk::<8>().context("the backup was cut")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|length| *length <= rest.len());
    let (model, imported) = rest.split_at(rest.len() - length.context("the backup was cut")?);
    Ok((model, Some(Imported::from_bytes(imported).context("what was imported")?)))
}
