//! What was taught, by whom and why, day by day: from here a lesson or a whole day of them is taken back exactly, without
//! the mail it came from.
//!
//! The model's own journal becomes part of the model and is gone; this one stays for [`Keep::age`]. It is a record, not the
//! truth: a lesson counts because it is in the model, and [`crate::learning::Teacher::undo`] takes back only what is.

use crate::environment;
use crate::records::{self, Keep, Log, Segment};
use learn::Lesson;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const NAME: &str = "lessons";

/// Who taught.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Somebody at the command line.
    #[default]
    Hand,
    /// Somebody through the service: `spamc -L`, a mailbox.
    Told,
    /// The rules were sure.
    Rules,
    /// It was sent to an address that nobody has.
    Trap,
    /// It answers a message of ours.
    Reply,
    /// Somebody to whom that recipient has written.
    PenPal,
    /// Something was taken back.
    Undo,
    /// What was taught before is learnt anew, since later lessons of the other class had made it forgotten.
    Again,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Hand => "hand",
            By::Told => "told",
            By::Rules => "rules",
            By::Trap => "trap",
            By::Reply => "reply",
            By::PenPal => "pen-pal",
            By::Undo => "undo",
            By::Again => "again",
        }
    }

    /// Nobody said so.
    pub fn unasked(self) -> bool {
        matches!(self, By::Rules | By::Trap | By::Reply | By::PenPal)
    }
}

/// What is known of a lesson beside what it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub by: By,
    /// Unix time of the deed; a lesson's own may be that of an earlier one.
    pub at: i64,
    /// The network it came from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// For whom it counts a second time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

/// Strangers write subjects.
const SUBJECT: usize = 80;

impl About {
    pub fn new(by: By, from: &str, user: &str, subject: &str) -> About {
        let subject: String = subject.chars().filter(|c| !c.is_control()).take(SUBJECT).collect();
        About { by, at: environment::unix_time(), from: from.to_owned(), user: user.to_owned(), subject }
    }
}

/// The record, for who teaches.
#[derive(Debug)]
pub struct Lessons {
    folder: PathBuf,
    log: Log<About>,
    /// Made when it is first asked for.
    index: Option<Index>,
}

/// Where the latest lesson of each message is.
#[derive(Debug, Default)]
struct Index {
    /// Segments, and how far each was read.
    read: Vec<(PathBuf, u64)>,
    places: HashMap<u128, (usize, u64)>,
}

impl Index {
    fn refresh(&mut self, folder: &Path) {
        for segment in segments(folder) {
            let number = match self.read.iter().position(|(path, _)| *path == segment.path) {
                Some(number) => number,
                None => {
                    self.read.push((segment.path.clone(), 0));
                    self.read.len() - 1
                }
            };
            let from = self.read[number].1;
            if segment.bytes <= from {
                continue;
            }
            let Ok((found, end)) = records::read::<About>(&segment.path, from) else { continue };
            self.read[number].1 = end;
            for record in found {
                if let Some((digest, false)) = Lesson::peek(&record.body) {
                    self.places.insert(digest, (number, record.at));
                }
            }
        }
    }
}

impl Lessons {
    pub fn new(folder: &Path, keep: Keep) -> Lessons {
        Lessons { folder: folder.to_owned(), log: Log::new(folder, NAME, keep), index: None }
    }

    pub fn add(&mut self, about: &About, lessons: &[Lesson]) -> anyhow::Result<()> {
        let day = environment::local_day(about.at);
        lessons.iter().try_for_each(|lesson| self.log.add(&day, about, &lesson.to_bytes()))
    }

    pub fn sync(&mut self) -> anyhow::Result<()> {
        self.log.sync()
    }

    /// What was last taught of this message, with the features it had then.
    pub fn of(&mut self, digest: u128) -> Option<Lesson> {
        let index = self.index.get_or_insert_default();
        index.refresh(&self.folder);
        let (number, at) = index.places.get(&digest)?;
        let record = records::read_at::<About>(&index.read[*number].0, *at)?;
        Lesson::from_bytes(&record.body).ok().map(|(lesson, _)| lesson)
    }
}

pub fn segments(folder: &Path) -> Vec<Segment> {
    records::segments(folder, NAME)
}

/// The lessons of a segment from a place on, in their order, and where they end.
pub fn read(path: &Path, from: u64) -> anyhow::Result<(Vec<(About, Lesson)>, u64)> {
    let (found, end) = records::read::<About>(path, from)?;
    let lessons = found.into_iter().filter_map(|record| Some((record.head, Lesson::from_bytes(&record.body).ok()?.0)));
    Ok((lessons.collect(), end))
}
