//! A log of records in files by day, bounded by age and size: what is kept of lessons and of judged messages.
//!
//! In: a head (what people ask for: serialised as JSON) and a body. Out: the same, in the order in which they came. A day's
//! records are in one or more segments `NAME-2026-11-22.001`; whole segments go, the oldest first. A record begins with a
//! mark, so that what a crash cut short costs that one record. Segments are appended to with one write a record; several
//! processes may do so.

use crate::environment;
use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

const MARK: &[u8; 8] = b"\n\x01rec\x02:\n";
/// A record that lacks it was cut short, though what came later makes it long enough. No end of it begins a [`MARK`].
const END: &[u8; 8] = b"\x03end\x04:;\x05";
/// Mark, length of the head, length of the body.
const BEGIN: usize = 16;
/// Neither is longer.
const LONGEST: usize = 4 << 20;
/// A segment is at most this long, so that one can be read at once.
const SEGMENT: u64 = 8 << 20;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub age: Duration,
    /// 0: nothing is kept.
    pub bytes: u64,
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// `2026-11-22`.
    pub day: String,
    pub number: u32,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Appends.
#[derive(Debug)]
pub struct Log<H> {
    folder: PathBuf,
    name: &'static str,
    keep: Keep,
    open: Option<(String, u32, File)>,
    unsynced: bool,
    head: PhantomData<fn(H)>,
}

/// What was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<H> {
    pub head: H,
    pub body: Vec<u8>,
    /// Where it begins in its segment.
    pub at: u64,
}

/// All segments of a log, the oldest first.
pub fn segments(folder: &Path, name: &str) -> Vec<Segment> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<Segment> = entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let (day, number) = file.strip_prefix(name)?.strip_prefix('-')?.rsplit_once('.')?;
            let number = number.parse().ok()?;
            Some(Segment { day: day.to_owned(), number, path: entry.path(), bytes: entry.metadata().ok()?.len() })
        })
        .collect();
    found.sort();
    found
}

impl<H: Serialize> Log<H> {
    pub fn new(folder: &Path, name: &'static str, keep: Keep) -> Log<H> {
        Log { folder: folder.to_owned(), name, keep, open: None, unsynced: false, head: PhantomData }
    }

    /// `day` as in [`Segment::day`].
    pub fn add(&mut self, day: &str, head: &H, body: &[u8]) -> anyhow::Result<()> {
        if self.keep.bytes == 0 {
            return Ok(());
        }
        let head = serde_json::to_vec(head)?;
        anyhow::ensure!(head.len() <= LONGEST && body.len() <= LONGEST, "a record of this length is not kept");
        let mut record = Vec::with_capacity(BEGIN + head.len() + body.len());
        record.extend_from_slice(MARK);
        record.extend_from_slice(&u32::try_from(head.len())?.to_le_bytes());
        record.extend_from_slice(&u32::try_from(body.len())?.to_le_bytes());
        record.extend_from_slice(&head);
        record.extend_from_slice(body);
        record.extend_from_slice(END);
        let file = self.segment(day)?;
        file.write_all(&record)?;
        self.unsynced = true;
        Ok(())
    }

    /// What was added is on the disk.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.unsynced)
            && let Some((.., file)) = &self.open
        {
            file.sync_data()?;
        }
        Ok(())
    }

    fn segment(&mut self, day: &str) -> anyhow::Result<&mut File> {
        let longest = SEGMENT.min((self.keep.bytes / 4).max(1));
        let fits = match &self.open {
            Some((open, _, file)) => open == day && file.metadata()?.len() < longest,
            None => false,
        };
        if !fits {
            let all = segments(&self.folder, self.name);
            let last = all.iter().rfind(|segment| segment.day == day);
            let number = match last {
                Some(last) if last.bytes < longest => last.number,
                Some(last) => last.number + 1,
                None => 1,
            };
            let path = self.folder.join(format!("{}-{day}.{number:03}", self.name));
            let open = OpenOptions::new().create(true).append(true).open(&path);
            self.open = Some((day.to_owned(), number, open.with_context(|| path.display().to_string())?));
            self.unsynced = false;
            self.expire(all, longest);
        }
        let (.., file) = self.open.as_mut().context("opened above")?;
        Ok(file)
    }

    fn expire(&self, all: Vec<Segment>, coming: u64) {
        let oldest = environment::unix_time().saturating_sub(self.keep.age.as_secs().try_into().unwrap_or(i64::MAX));
        let mut bytes: u64 = all.iter().map(|segment| segment.bytes).sum::<u64>() + coming;
        for segment in all {
            let changed = fs::metadata(&segment.path).and_then(|about| about.modified());
            let seconds = changed.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
            let old = seconds.is_some_and(|at| i64::try_from(at).is_ok_and(|at| at < oldest));
            if !old && bytes <= self.keep.bytes {
                continue;
            }
            if fs::remove_file(&segment.path).is_ok() {
                bytes -= segment.bytes;
            }
        }
    }
}

/// The records of a segment from a place on, and where the last whole one ends.
pub fn read<H: DeserializeOwned>(path: &Path, from: u64) -> anyhow::Result<(Vec<Record<H>>, u64)> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    // Longer than a segment can be: somebody else's file.
    file.take(4 * SEGMENT + LONGEST as u64).read_to_end(&mut bytes)?;
    let mut found = Vec::new();
    let (mut at, mut end) = (0, 0);
    while let Some(begin) = find(&bytes[at..]).map(|begin| at + begin) {
        at = match record(&bytes[begin..]) {
            Some((head, body, length)) => {
                end = begin + length;
                if let Ok(head) = serde_json::from_slice(head) {
                    found.push(Record { head, body: body.to_vec(), at: from + begin as u64 });
                }
                end
            }
            None => begin + 1,
        };
    }
    Ok((found, from + end as u64))
}

/// The record that begins here.
pub fn read_at<H: DeserializeOwned>(path: &Path, at: u64) -> Option<Record<H>> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut bytes = vec![0; BEGIN];
    file.read_exact(&mut bytes).ok()?;
    let length = |at: usize| Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)));
    let left = length(8)? + length(12)? + END.len() as u64;
    if !bytes.starts_with(MARK) || left > 2 * LONGEST as u64 + 8 {
        return None;
    }
    file.take(left).read_to_end(&mut bytes).ok()?;
    let (head, body, _) = record(&bytes)?;
    Some(Record { head: serde_json::from_slice(head).ok()?, body: body.to_vec(), at })
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARK.len()).position(|window| window == MARK)
}

/// The record that begins here: head, body, its whole length.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let length = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (head, body) = (length(8)?, length(12)?);
    if head > LONGEST || body > LONGEST {
        return None;
    }
    let last = BEGIN + head + body;
    let whole = bytes.get(last..last + END.len())? == END;
    whole.then_some((&bytes[BEGIN..BEGIN + head], &bytes[BEGIN + head..last], last + END.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sekisho-records-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    const KEEP: Keep = Keep { age: Duration::from_secs(3600), bytes: 4_000 };

    #[test]
    fn a_record_cut_short_costs_itself() {
        let place = folder("short");
        let mut log = Log::<u32>::new(&place, "test", KEEP);
        for number in 0..3 {
            log.add("2026-11-22", &number, b"body").unwrap();
        }
        let path = segments(&place, "test")[0].path.clone();
        let (all, end) = read::<u32>(&path, 0).unwrap();
        assert_eq!(all.iter().map(|record| record.head).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(read_at::<u32>(&path, all[1].at), Some(all[1].clone()));
        assert_eq!(read_at::<u32>(&path, all[1].at + 1), None);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(end, bytes.len() as u64);
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (left, end) = read::<u32>(&path, 0).unwrap();
            assert_eq!(left.len(), cut * 3 / bytes.len(), "{cut}");
            // Whoever writes next loses nothing of his own.
            Log::<u32>::new(&place, "test", KEEP).add("2026-11-22", &9, b"more").unwrap();
            let (more, _) = read::<u32>(&path, end).unwrap();
            assert_eq!(more.iter().map(|record| record.head).collect::<Vec<_>>(), [9], "{cut}");
        }
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn old_segments_make_room() {
        let place = folder("room");
        let mut log = Log::<u32>::new(&place, "test", KEEP);
        for number in 0..200 {
            log.add(if number < 100 { "2026-11-21" } else { "2026-11-22" }, &number, &[7; 100]).unwrap();
        }
        let left = segments(&place, "test");
        assert!(left.iter().map(|segment| segment.bytes).sum::<u64>() <= KEEP.bytes + 200);
        let last = read::<u32>(&left.last().unwrap().path, 0).unwrap().0;
        assert_eq!(last.last().map(|record| (record.head, record.body.len())), Some((199, 100)));
        let mut nothing = Log::<u32>::new(&place, "none", Keep { bytes: 0, ..KEEP });
        nothing.add("2026-11-22", &1, b"x").unwrap();
        assert!(segments(&place, "none").is_empty());
        fs::remove_dir_all(&place).unwrap();
    }
}
