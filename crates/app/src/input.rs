//! From what the user names (files, folders, maildirs, mboxes, `-`) to messages, one by one.
//!
//! Finding the messages and reading them are apart, so that a large folder or mbox is never in memory as a whole:
//! [`find`] gives places, [`Place::read`] bytes. What cannot be read becomes a place that fails when read, so that it is
//! reported in its turn.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A message larger than this is not read, bytes. A mail server's own limit is far below.
const LARGEST: u64 = 1 << 30;

/// How a named file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Folders by their look, files as mbox where they begin like one.
    Detect,
    /// As SpamAssassin: files are one message unless `.mbox` is in the name.
    SpamAssassin,
    Mbox,
    /// UW IMAP's mbx.
    Mbx,
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Stdin,
    File(PathBuf),
    /// A range of bytes in a mailbox; `number` counts from 1.
    Range {
        path: PathBuf,
        offset: u64,
        length: u64,
        number: u32,
    },
    /// Nothing to read, and why.
    Unreadable {
        path: PathBuf,
        reason: String,
    },
}

impl Place {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Place::Stdin => "-".to_owned(),
            Place::File(path) | Place::Unreadable { path, .. } => path.display().to_string(),
            Place::Range { path, number, .. } => format!("{}#{number}", path.display()),
        }
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Place::Stdin => read_limited(io::stdin().lock()),
            Place::File(path) => read_limited(File::open(path)?),
            Place::Range { path, offset, length, .. } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                read_limited(file.take(*length))
            }
            Place::Unreadable { reason, .. } => Err(io::Error::other(reason.clone())),
        }
    }
}

fn read_limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// All messages that the arguments name, in order; folders sorted by name.
pub fn find(arguments: &[PathBuf], format: Format) -> Vec<Place> {
    let mut finder = Finder { format, places: Vec::new(), folders: HashSet::new(), stdin: false };
    for argument in arguments {
        if argument.as_os_str() == "-" {
            // Standard input can be read once.
            if !std::mem::replace(&mut finder.stdin, true) {
                finder.places.push(Place::Stdin);
            }
        } else {
            finder.path(argument, true);
        }
    }
    finder.places
}

struct Finder {
    format: Format,
    places: Vec<Place>,
    /// Folders seen, by their real path: links may make loops.
    folders: HashSet<PathBuf>,
    stdin: bool,
}

impl Finder {
    fn path(&mut self, path: &Path, named: bool) {
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.folder(path),
            Ok(about) if about.is_file() => self.file(path),
            // A pipe or device that the user named; found in a folder it may block for ever.
            Ok(_) if named => self.places.push(Place::File(path.to_owned())),
            Ok(_) => {}
            // A file that went away while we looked.
            Err(error) if !named && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fail(path, &error),
        }
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.places.push(Place::Unreadable { path: path.to_owned(), reason: crate::language::reason(error) });
    }

    fn folder(&mut self, folder: &Path) {
        match fs::canonicalize(folder) {
            Ok(real) => {
                if !self.folders.insert(real) {
                    return;
                }
            }
            Err(error) => return self.fail(folder, &error),
        }
        let is_maildir = ["new", "cur", "tmp"].iter().all(|name| folder.join(name).is_dir());
        if is_maildir {
            for name in ["new", "cur"] {
                // Dot files are not mail; `T` marks mail to be deleted.
                self.entries(&folder.join(name), |name| {
                    !name.starts_with('.') && !name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('T'))
                });
            }
        } else {
            self.entries(folder, |name| !name.starts_with(['.', ',']) && !name.starts_with("cyrus."));
        }
    }

    fn entries(&mut self, folder: &Path, wanted: impl Fn(&str) -> bool) {
        let names = match fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.file_name())),
            Err(error) => return self.fail(folder, &error),
        };
        let mut names: Vec<_> = names.filter(|name| wanted(&name.to_string_lossy())).collect();
        names.sort();
        // Files first, then folders, as SpamAssassin walks.
        let (folders, files): (Vec<_>, Vec<_>) =
            names.into_iter().map(|name| folder.join(name)).partition(|path| path.is_dir());
        for path in files.iter().chain(&folders) {
            self.path(path, false);
        }
    }

    fn file(&mut self, path: &Path) {
        let is_mailbox = match self.format {
            Format::Mbox | Format::Mbx => true,
            Format::SpamAssassin => path.to_string_lossy().to_lowercase().contains(".mbox"),
            Format::Detect => match begins_like_mbox(path) {
                Ok(answer) => answer,
                Err(error) => return self.fail(path, &error),
            },
        };
        if !is_mailbox {
            return self.places.push(Place::File(path.to_owned()));
        }
        let ranges = File::open(path).and_then(|file| match self.format {
            Format::Mbx => mbx_ranges(BufReader::new(file)),
            _ => mbox_ranges(BufReader::new(file)),
        });
        match ranges {
            // A file that only begins like a mailbox is called by its own name.
            Ok(ranges) if ranges.len() < 2 => self.places.push(Place::File(path.to_owned())),
            Ok(ranges) => {
                for (index, (offset, length)) in ranges.into_iter().enumerate() {
                    self.places.push(Place::Range { path: path.to_owned(), offset, length, number: index as u32 + 1 });
                }
            }
            Err(error) => self.fail(path, &error),
        }
    }
}

fn begins_like_mbox(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    let line = start.split_inclusive(|&b| b == b'\n').next().unwrap_or_default();
    Ok(is_separator(line))
}

/// `From sender Sat Nov 21 18:43:04 2026` and its kin.
fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let sender = rest.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    if sender == 0 || rest.get(sender) != Some(&b' ') {
        return false;
    }
    let rest = &rest[sender + 1..];
    [rest, rest.strip_prefix(b" ").unwrap_or(rest)]
        .iter()
        .any(|date| fits(date, b"aaa aaa .?d .?d:dd:dd dddd") || { fits(date, b".?d-dd-dddd_dd:dd:dd_") })
}

/// A tiny pattern: `a` not blank, `d` digit, `.?` any character or none, else itself.
fn fits(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => true,
        ([b'.', b'?', pattern @ ..], _) => {
            fits(text, pattern) || text.split_first().is_some_and(|(_, rest)| fits(rest, pattern))
        }
        ([p, pattern @ ..], [t, text @ ..]) => {
            let same = match p {
                b'a' => !t.is_ascii_whitespace(),
                b'd' => t.is_ascii_digit(),
                p => p == t,
            };
            same && fits(text, pattern)
        }
        (_, []) => false,
    }
}

/// Where the messages of an mbox stand. What precedes the first separator is a message too.
fn mbox_ranges(mut reader: impl BufRead) -> io::Result<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    let (mut start, mut at) = (0u64, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = read_line(&mut reader, &mut line)?;
        if read == 0 || (at > start && is_separator(&line)) {
            if at > start {
                ranges.push((start, at - start));
            }
            start = at;
        }
        if read == 0 {
            return Ok(ranges);
        }
        at += read;
    }
}

/// Where the messages of an mbx file stand: a header of 2048 bytes, then messages behind lines with date and size.
fn mbx_ranges(mut reader: impl BufRead) -> io::Result<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    let mut at = 0u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = read_line(&mut reader, &mut line)?;
        if read == 0 {
            return Ok(ranges);
        }
        at += read;
        if at == read && line.starts_with(b"*mbx*") {
            let skipped = io::copy(&mut reader.by_ref().take(2048u64.saturating_sub(read)), &mut io::sink())?;
            at += skipped;
        } else if let Some(size) = mbx_size(&line) {
            ranges.push((at, size));
            at += io::copy(&mut reader.by_ref().take(size), &mut io::sink())?;
        }
    }
}

/// The size in `21-Nov-2026 18:43:04 +0000,1234;00000000-00000001`.
fn mbx_size(line: &[u8]) -> Option<u64> {
    if !fits(line, b".?d-aaa-dddd dd:dd:dd ") {
        return None;
    }
    let rest = &line[line.iter().position(|&b| b == b',')? + 1..];
    let digits = &rest[..rest.iter().position(|&b| b == b';')?];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A line, of which only the beginning is kept: a mailbox may hold a gigabyte without a line feed.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut total = 0u64;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(total);
        }
        let end = buffer.iter().position(|&b| b == b'\n').map(|at| at + 1);
        let used = end.unwrap_or(buffer.len());
        if line.len() < 1024 {
            line.extend_from_slice(&buffer[..used.min(1024)]);
        }
        reader.consume(used);
        total += used as u64;
        if end.is_some() {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told_from_text() {
        for (line, expected) in [
            ("From a@b Sat Nov 21 18:43:04 2026\n", true),
            ("From a@b  Sat Nov  1 8:43:04 2026\n", true),
            ("From a@b Sat Nov 21 18:43:04 2026 +0900\r\n", true),
            ("From a@b 21-11-2026_18:43:04_\n", true),
            ("From here on all is well\n", false),
            ("From: a@b\n", false),
            (">From a@b Sat Nov 21 18:43:04 2026\n", false),
        ] {
            assert_eq!(is_separator(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn an_mbox_is_cut_at_its_separators() {
        let one = "From a@b Sat Nov 21 18:43:04 2026\nSubject: 1\n\nFrom here\n\n";
        let two = "From c@d Sat Nov 21 18:44:04 2026\nSubject: 2\n\nx";
        let ranges = mbox_ranges(io::Cursor::new([one, two].concat())).unwrap();
        assert_eq!(ranges, [(0, one.len() as u64), (one.len() as u64, two.len() as u64)]);
        assert_eq!(mbox_ranges(io::Cursor::new("")).unwrap(), []);
    }

    #[test]
    fn an_mbx_tells_sizes() {
        let mut text = b"*mbx*\r\n".to_vec();
        text.resize(2048, b' ');
        let line = b"21-Nov-2026 18:43:04 +0000,5;000000000000-00000001\r\n";
        text.extend_from_slice(line);
        text.extend_from_slice(b"a: b\n");
        assert_eq!(mbx_ranges(io::Cursor::new(text)).unwrap(), [(2048 + line.len() as u64, 5)]);
    }

    #[test]
    fn folders_that_contain_themselves_end() {
        let folder = std::env::temp_dir().join(format!("sekisho-input-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("b")).unwrap();
        fs::write(folder.join("a.eml"), "Subject: a\n\n").unwrap();
        fs::write(folder.join(".hidden"), "").unwrap();
        fs::write(folder.join("b/c.eml"), "Subject: c\n\n").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&folder, folder.join("b/loop")).unwrap();
        let names: Vec<_> = find(&[folder.clone(), folder.join("gone")], Format::Detect)
            .iter()
            .map(|place| place.name().replace(&folder.display().to_string(), ""))
            .collect();
        assert_eq!(names, ["/a.eml", "/b/c.eml", "/gone"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
