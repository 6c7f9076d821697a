//! A file that is looked at and then perhaps acted upon: opened once, and known again.
//!
//! Its owner may put another in its place meanwhile, or another folder in its folder's place, so that what is taken away is
//! not what was looked at (CVE-2020-3350 and its like). So the folder is opened, the file is opened in there, and both
//! stay open: who removes or moves does it in that folder, and only if the name still stands for the same file.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, statat, unlinkat};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;

pub struct Opened {
    folder: OwnedFd,
    name: OsString,
    file: File,
    /// What the name stood for: the file, or a link to it.
    entry: (u64, u64),
}

impl Opened {
    pub fn open(path: &Path) -> io::Result<Opened> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        // Nobody waits for the other end of a pipe that took the file's place.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let (entry, linked) = entry(&folder, &name)?;
        let more = if linked { OFlags::empty() } else { OFlags::NOFOLLOW };
        let file = File::from(openat(&folder, &name, flags | more, Mode::empty())?);
        let opened = Opened { folder, name, file, entry };
        if !linked {
            use std::os::unix::fs::MetadataExt;
            let about = opened.file.metadata()?;
            if (about.dev(), about.ino()) != opened.entry {
                return Err(changed());
            }
        }
        Ok(opened)
    }

    pub fn about(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub fn remove(&self) -> io::Result<()> {
        self.is_the_same()?;
        Ok(unlinkat(&self.folder, &self.name, AtFlags::empty())?)
    }

    /// What was looked at, to a path that is not taken.
    pub fn copy(&mut self, to: &Path) -> io::Result<()> {
        let mut copy = OpenOptions::new().write(true).create_new(true).open(to)?;
        let copied = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| io::copy(&mut self.file, &mut copy))
            .and_then(|_| copy.set_permissions(self.file.metadata()?.permissions()));
        if copied.is_err() {
            let _ = std::fs::remove_file(to);
        }
        copied
    }

    /// To another file system it is copied, then taken away.
    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        self.is_the_same()?;
        match renameat(&self.folder, &self.name, CWD, to) {
            Err(rustix::io::Errno::XDEV) => self.copy(to).and_then(|()| self.remove()),
            done => Ok(done?),
        }
    }

    fn is_the_same(&self) -> io::Result<()> {
        match entry(&self.folder, &self.name)?.0 == self.entry {
            true => Ok(()),
            false => Err(changed()),
        }
    }
}

/// Device and number of what a name stands for, and whether that is a link.
#[allow(clippy::unnecessary_cast, reason = "the types differ from system to system")]
fn entry(folder: &OwnedFd, name: &OsString) -> io::Result<((u64, u64), bool)> {
    let about = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let linked = rustix::fs::FileType::from_raw_mode(about.st_mode).is_symlink();
    Ok(((about.st_dev as u64, about.st_ino as u64), linked))
}

fn changed() -> io::Error {
    io::Error::other("another file is in its place now")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_took_its_place_is_left_alone() {
        let root = std::env::temp_dir().join(format!("sekisho-opened-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for folder in ["in", "precious", "out"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let (bad, precious) = (root.join("in/file"), root.join("precious/file"));
        let out = root.join("out/file");
        let put = || {
            fs::write(&bad, "bad").unwrap();
            fs::write(&precious, "precious").unwrap();
            Opened::open(&bad).unwrap()
        };
        // Another file, and a link, in the file's place.
        let mut opened = put();
        fs::rename(root.join("precious/file"), &bad).unwrap();
        assert!(opened.remove().is_err() && opened.rename(&out).is_err());
        assert_eq!(fs::read_to_string(&bad).unwrap(), "precious");
        let mut opened = put();
        fs::remove_file(&bad).unwrap();
        symlink(&precious, &bad).unwrap();
        assert!(opened.remove().is_err() && opened.rename(&out).is_err());
        opened.copy(&out).unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap(), "bad", "what was looked at");
        fs::remove_file(&bad).unwrap();
        fs::remove_file(&out).unwrap();
        // A link to another folder in the folder's place.
        for moves in [false, true] {
            let mut opened = put();
            fs::rename(root.join("in"), root.join("moved")).unwrap();
            symlink(root.join("precious"), root.join("in")).unwrap();
            if moves { opened.rename(&out) } else { opened.remove() }.unwrap();
            assert!(precious.exists() && !root.join("moved/file").exists() && out.exists() == moves);
            fs::remove_file(root.join("in")).unwrap();
            fs::rename(root.join("moved"), root.join("in")).unwrap();
        }
        fs::remove_file(&out).unwrap();
        // What is as it was goes, links too.
        put().rename(&out).unwrap();
        assert!(!bad.exists() && out.exists());
        symlink(&precious, &bad).unwrap();
        let mut linked = Opened::open(&bad).unwrap();
        assert_eq!(linked.read().unwrap(), b"precious");
        linked.remove().unwrap();
        assert!(precious.exists() && fs::symlink_metadata(&bad).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
