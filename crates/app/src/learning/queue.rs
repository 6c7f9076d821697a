//! Lessons of this machine that the others have not heard yet: a file beside the model, and the number by which the
//! others know this machine.
//!
//! It is there where a model is shared, and only there. Records have a length and a sum, as those of the journal; what a
//! crash cut short is cut off. It grows while the database is away, up to a limit; then nothing more is learnt, since it
//! could not be told.

use anyhow::{Context, bail};
use learn::Pending;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"sekisho pending\n";
/// The first bytes and the number of this machine.
const HEAD: u64 = 24;
/// Some 15,000 lessons.
const LIMIT: u64 = 256 << 20;
/// A record before its body, and where in it the number of the statement stands.
const FRAME: usize = 12;

#[derive(Debug)]
pub struct Queue {
    path: PathBuf,
    file: File,
    node: u64,
    /// Number, place and length of each.
    entries: Vec<(u64, u64, usize)>,
    end: u64,
}

impl Queue {
    /// `None`: the model is not shared.
    pub fn open(folder: &Path) -> anyhow::Result<Option<Queue>> {
        Queue::open_as(folder, true)
    }

    /// For who does not hold the lock: changes nothing.
    pub fn look(folder: &Path) -> anyhow::Result<Option<Queue>> {
        Queue::open_as(folder, false)
    }

    fn open_as(folder: &Path, writable: bool) -> anyhow::Result<Option<Queue>> {
        let path = folder.join("queue");
        let file = match OpenOptions::new().read(true).write(writable).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let length = file.metadata()?.len();
        let mut head = [0; HEAD as usize];
        if length < HEAD || file.read_exact_at(&mut head, 0).is_err() || !head.starts_with(MAGIC) {
            bail!("{}: no queue of lessons; move it away", path.display());
        }
        let node = head[16..].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let mut queue = Queue { path, file, node, entries: Vec::new(), end: HEAD };
        loop {
            let mut begin = [0; FRAME + 8];
            if queue.end + begin.len() as u64 > length || queue.file.read_exact_at(&mut begin, queue.end).is_err() {
                break;
            }
            let (body, number) = (u32_at(&begin, 0), u64_at(&begin, FRAME));
            let whole = FRAME + body as usize;
            if queue.end + whole as u64 > length {
                break;
            }
            queue.entries.push((number, queue.end, whole));
            queue.end += whole as u64;
        }
        // Only the last ones can be other than they were written.
        while let Some(last) = queue.entries.len().checked_sub(1) {
            if queue.read(last).is_ok() {
                break;
            }
            queue.drop_last();
        }
        Ok(Some(queue))
    }

    /// Makes it where there is none.
    pub fn create(folder: &Path, node: u64) -> anyhow::Result<()> {
        if !folder.join("queue").exists() {
            super::replace(folder, "queue", &head(node))?;
        }
        Ok(())
    }

    /// The model is no longer shared.
    pub fn remove(self) -> anyhow::Result<()> {
        fs::remove_file(&self.path).with_context(|| self.path.display().to_string())
    }

    pub fn node(&self) -> u64 {
        self.node
    }

    /// The number of the last one; 0 where there is none.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |(number, ..)| *number)
    }

    /// Which ones come after a number.
    pub fn after(&self, number: u64) -> std::ops::Range<usize> {
        self.entries.partition_point(|(this, ..)| *this <= number)..self.entries.len()
    }

    pub fn number(&self, index: usize) -> u64 {
        self.entries.get(index).map_or(0, |(number, ..)| *number)
    }

    pub fn read(&self, index: usize) -> anyhow::Result<Pending> {
        let (_, at, length) = *self.entries.get(index).context("no such lesson in the queue")?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at).with_context(|| self.path.display().to_string())?;
        let (pending, _) = Pending::from_bytes(&bytes).with_context(|| self.path.display().to_string())?;
        Ok(pending)
    }

    pub fn append(&mut self, pending: &Pending) -> anyhow::Result<()> {
        let bytes = pending.to_bytes();
        if self.end + bytes.len() as u64 > LIMIT {
            bail!(
                "{}: {} lessons wait for the other machines, which is all there is room for; nothing more is learnt \
                 until learn.exchange.location can be reached",
                self.path.display(),
                self.entries.len()
            );
        }
        self.file.set_len(self.end)?;
        if let Err(error) = self.file.write_all_at(&bytes, self.end) {
            let _ = self.file.set_len(self.end);
            return Err(error).with_context(|| format!("{}; it was not learnt", self.path.display()));
        }
        self.entries.push((pending.number, self.end, bytes.len()));
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub fn drop_last(&mut self) {
        if let Some((_, at, _)) = self.entries.pop() {
            self.end = at;
            // Whoever appends next cuts it off again.
            let _ = self.file.set_len(at);
        }
    }

    pub fn sync(&mut self) -> anyhow::Result<()> {
        self.file.sync_data().with_context(|| self.path.display().to_string())
    }

    /// Another content in place of this one.
    pub fn rewrite(&mut self, pending: impl Iterator<Item = anyhow::Result<Pending>>) -> anyhow::Result<()> {
        let folder = self.path.parent().context("a queue is in a folder")?.to_owned();
        let beside = folder.join("queue.new");
        let write = || -> anyhow::Result<()> {
            let mut file = std::io::BufWriter::new(File::create(&beside)?);
            file.write_all(&head(self.node))?;
            for pending in pending {
                file.write_all(&pending?.to_bytes())?;
            }
            file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            fs::rename(&beside, &self.path)?;
            Ok(File::open(&folder)?.sync_all()?)
        };
        write().inspect_err(|_| drop(fs::remove_file(&beside))).with_context(|| self.path.display().to_string())?;
        if let Some(again) = Queue::open(&folder)? {
            *self = again;
        }
        Ok(())
    }
}

fn head(node: u64) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(node.to_le_bytes());
    head
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
}
