//! What was judged lately, so that it can be taught by its id when the message itself is gone: its features, some 10 kB, in
//! files by day, as many as fit.
//!
//! Of mail nothing is kept here that could be read again, but its subject.

use crate::environment;
use crate::records::{self, Keep, Log};
use learn::Features;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

const NAME: &str = "judged";
/// Size is what bounds it.
const AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// By what it is found and known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Judged {
    pub at: i64,
    pub queue_id: String,
    pub message_id: String,
    pub subject: String,
    /// [`learn::digest`].
    pub digest: u128,
}

#[derive(Debug)]
pub struct Recent(Log<Judged>);

impl Recent {
    pub fn new(folder: &Path, bytes: u64) -> Recent {
        Recent(Log::new(folder, NAME, Keep { age: AGE, bytes }))
    }

    pub fn add(&mut self, judged: &Judged, features: &Features) -> anyhow::Result<()> {
        self.0.add(&environment::local_day(judged.at), judged, &features.to_bytes())
    }
}

/// The latest message of this queue id or Message-ID (with or without its angle brackets).
pub fn find(folder: &Path, id: &str) -> Option<(Judged, Features)> {
    let id = id.trim_start_matches('<').trim_end_matches('>');
    let is = |judged: &Judged| {
        judged.queue_id == id || judged.message_id.trim_start_matches('<').trim_end_matches('>') == id
    };
    for segment in records::segments(folder, NAME).iter().rev() {
        let Ok((found, _)) = records::read::<Judged>(&segment.path, 0) else { continue };
        if let Some(record) = found.into_iter().rev().find(|record| is(&record.head)) {
            return Features::from_bytes(&record.body).ok().map(|features| (record.head, features));
        }
    }
    None
}
