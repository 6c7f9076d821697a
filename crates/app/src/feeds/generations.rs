//! The folder of one feed: complete sets in numbered folders, and a link that says which one counts.
//!
//! A set is written beside the others, forced to the disk, and becomes the one that counts by the renaming of a link, so
//! that whoever reads sees the old set or the new one and never something between. The set before stays for going back.

use crate::draft;
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The key that was fetched from the publisher.
pub const KEY: &str = "key";
const CURRENT: &str = "current";
const STAGING: &str = "staging";
const PREFIX: &str = "gen-";

#[derive(Debug, Clone)]
pub struct Shelf {
    pub root: PathBuf,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock goes with the file")] File);

impl Shelf {
    pub fn new(folder: &Path, feed: &str) -> Shelf {
        Shelf { root: folder.join(feed) }
    }

    /// `None`: another process is at it.
    pub fn lock(&self) -> anyhow::Result<Option<Lock>> {
        make_folder(&self.root)?;
        let path = self.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(io::Error::from(error)).with_context(|| path.display().to_string()),
        }
    }

    /// The folder of the set that counts; by its own name, so that a reader keeps one set while another comes.
    pub fn current(&self) -> Option<PathBuf> {
        let target = fs::read_link(self.root.join(CURRENT)).ok()?;
        let folder = self.root.join(target.file_name()?);
        folder.is_dir().then_some(folder)
    }

    /// The set before the current one, if it is still there.
    pub fn previous(&self) -> Option<PathBuf> {
        let current = self.current().map_or(u64::MAX, |folder| number(&folder).unwrap_or(0));
        self.numbers().into_iter().rev().find(|number| *number < current).map(|number| self.generation(number))
    }

    /// An empty folder beside the sets.
    pub fn staging(&self) -> io::Result<PathBuf> {
        let folder = self.root.join(STAGING);
        let _ = fs::remove_dir_all(&folder);
        make_folder(&folder)?;
        Ok(folder)
    }

    pub fn discard_staging(&self) {
        let _ = fs::remove_dir_all(self.root.join(STAGING));
    }

    /// The staged set counts from now on.
    pub fn swap(&self, staging: &Path) -> anyhow::Result<PathBuf> {
        for name in super::names(staging) {
            File::open(staging.join(name))?.sync_all()?;
        }
        sync_folder(staging)?;
        let number = self.numbers().last().map_or(1, |last| last + 1);
        let folder = self.generation(number);
        fs::rename(staging, &folder)?;
        if let Err(error) = self.point_to(number) {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        let keep = [Some(number), self.previous().as_deref().and_then(self::number)];
        for old in self.numbers().into_iter().filter(|number| !keep.contains(&Some(*number))) {
            let _ = fs::remove_dir_all(self.generation(old));
        }
        Ok(folder)
    }

    /// The set before counts again; the one that did is taken away, so that going back twice is not going forth.
    pub fn roll_back(&self) -> anyhow::Result<PathBuf> {
        let (current, Some(previous)) = (self.current(), self.previous()) else {
            bail!("there is no set before the present one");
        };
        let number = number(&previous).context("no number")?;
        self.point_to(number)?;
        if let Some(current) = current {
            let _ = fs::remove_dir_all(current);
        }
        Ok(previous)
    }

    /// Nothing of it counts any more.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn point_to(&self, number: u64) -> anyhow::Result<()> {
        let draft = self.root.join("current.new");
        let _ = fs::remove_file(&draft);
        std::os::unix::fs::symlink(format!("{PREFIX}{number}"), &draft)?;
        fs::rename(&draft, self.root.join(CURRENT))?;
        Ok(sync_folder(&self.root)?)
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.root.join(format!("{PREFIX}{number}"))
    }

    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = entries.filter_map(|entry| number(&entry.path())).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn number(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()
}

/// What lies in it decides about mail: others may read it, and write nothing.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whole or not at all, and on the disk.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let (draft, mut file) = draft::create(path)?;
    let mut write = || {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    sync_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_and_go_back() {
        let root = std::env::temp_dir().join(format!("sekisho-shelf-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let shelf = Shelf::new(&root, "x");
        let held = shelf.lock().unwrap().unwrap();
        assert!(shelf.lock().unwrap().is_none(), "one at a time");
        drop(held);
        assert!(shelf.lock().unwrap().is_some());
        let put = |text: &str| {
            let staging = shelf.staging().unwrap();
            fs::write(staging.join("a.ndb"), text).unwrap();
            shelf.swap(&staging).unwrap();
        };
        let read = || fs::read_to_string(shelf.current().unwrap().join("a.ndb")).unwrap();
        assert!(shelf.current().is_none() && shelf.roll_back().is_err());
        put("one");
        assert!(shelf.previous().is_none());
        put("two");
        put("three");
        assert_eq!(read(), "three");
        assert_eq!(shelf.numbers(), [2, 3], "two are kept");
        shelf.roll_back().unwrap();
        assert_eq!(read(), "two");
        assert!(shelf.roll_back().is_err());
        // A run that was killed half way leaves nothing that counts.
        fs::write(shelf.staging().unwrap().join("a.ndb"), "half").unwrap();
        assert_eq!(read(), "two");
        put("four");
        assert_eq!(read(), "four");
        fs::remove_dir_all(&root).unwrap();
    }
}
