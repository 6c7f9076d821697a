//! The alarm against poison: is what people taught still understood?
//!
//! In: the latest lessons that people gave (by hand, from their mailboxes), and the model as it is. Out: an alarm where more
//! of them than allowed are judged wrongly. Whoever wants to mislead the learner by mail that teaches unasked has to turn
//! what people said; that shows here, whatever the mail looked like. While the alarm lasts nothing is learnt unasked; it ends
//! when lessons were taken back or people have taught more.

use crate::environment;
use crate::lessons::{self, By};
use learn::{Class, Counts, Features, Model, User};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

/// Of each class so many lessons are watched.
const WATCHED: usize = 100;
/// With fewer in all nothing is said.
const ENOUGH: usize = 20;
/// Segments that are read at the start, the latest.
const SEGMENTS: usize = 4;
/// Where the alarm is told to commands.
pub const FILE: &str = "alarm";

#[derive(Debug)]
pub struct Drift {
    folder: PathBuf,
    percent: f64,
    /// How far the record of lessons was read.
    read: Option<(PathBuf, u64)>,
    ham: VecDeque<(u128, Features)>,
    spam: VecDeque<(u128, Features)>,
    looked: Option<Counts>,
    alarmed: bool,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Alarm { wrong: usize, of: usize },
    Over,
}

impl Drift {
    pub fn new(folder: &Path, percent: f64) -> Drift {
        Drift {
            folder: folder.to_owned(),
            percent,
            read: None,
            ham: VecDeque::new(),
            spam: VecDeque::new(),
            looked: None,
            alarmed: folder.join(FILE).exists(),
        }
    }

    pub fn alarmed(&self) -> bool {
        self.alarmed && self.percent > 0.0
    }

    /// Where something was learnt since it was last looked.
    pub fn look(&mut self, model: &Model) -> Option<Change> {
        if self.percent == 0.0 || self.looked == Some(model.counts()) {
            return None;
        }
        self.looked = Some(model.counts());
        self.catch_up();
        let (wrong, of) = self.wrong(model);
        let share = 100.0 * wrong as f64 / of.max(1) as f64;
        let file = self.folder.join(FILE);
        if !self.alarmed && of >= ENOUGH && share > self.percent {
            self.alarmed = true;
            let text = format!("{} {wrong} {of}\n", environment::unix_time());
            // Commands then say nothing of it; the brake holds all the same.
            let _ = fs::write(&file, text);
            return Some(Change::Alarm { wrong, of });
        }
        // Not at the first that is right again: half of what is allowed.
        if self.alarmed && share <= self.percent / 2.0 {
            self.alarmed = false;
            let _ = fs::remove_file(&file);
            return Some(Change::Over);
        }
        None
    }

    /// How many of the watched are judged wrongly. What was said of them may have been taken back since.
    fn wrong(&mut self, model: &Model) -> (usize, usize) {
        let (mut wrong, mut of) = (0, 0);
        for (class, watched) in [(Class::Ham, &mut self.ham), (Class::Spam, &mut self.spam)] {
            watched.retain(|(digest, _)| model.seen(*digest).is_some_and(|seen| seen.class == class));
            for (_, features) in watched {
                let spam = model.score(features, User::default()).probability() >= learn::SPAM_FROM;
                wrong += usize::from(spam != (class == Class::Spam));
                of += 1;
            }
        }
        (wrong, of)
    }

    fn catch_up(&mut self) {
        let all = lessons::segments(&self.folder);
        let known = self.read.as_ref().and_then(|(path, at)| Some((all.iter().position(|s| s.path == *path)?, *at)));
        let (first, mut from) = known.unwrap_or((all.len().saturating_sub(SEGMENTS), 0));
        for segment in &all[first..] {
            let Ok((found, end)) = lessons::read(&segment.path, from) else { continue };
            for (about, lesson) in found {
                if !matches!(about.by, By::Hand | By::Told) || lesson.forget {
                    continue;
                }
                let watched = if lesson.seen.class == Class::Ham { &mut self.ham } else { &mut self.spam };
                watched.push_back((lesson.digest, lesson.features));
                if watched.len() > WATCHED {
                    watched.pop_front();
                }
            }
            self.read = Some((segment.path.clone(), end));
            from = 0;
        }
    }
}
