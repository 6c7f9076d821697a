//! What was taught before is asked again while a row of lessons of the other class comes, and learnt anew where it was
//! forgotten.
//!
//! A model that hears five hundred hams in a row and then five hundred spams calls nearly every ham spam: what both have
//! in common was last said of spam. Two messages of the other class asked after each lesson, and one in ten of
//! them learnt anew, make the order as good as any (docs/learning.md has the figures). What is asked are lessons of the
//! record, so a row is broken even if the other class was taught by another call.

use super::Teacher;
use crate::lessons::{self, About, By};
use learn::{Class, Features};
use std::collections::VecDeque;
use std::path::Path;

/// Of each class.
const REMEMBERED: usize = 500;
/// Files of the record that are looked through, the newest.
const SEGMENTS: usize = 8;
/// Asked after each lesson.
const ASKED: usize = 2;
/// As far from 0 and 1 a probability is certain.
const UNSURE: f64 = 0.05;

struct Taught {
    digest: u128,
    features: Features,
    subject: String,
}

/// The last that were taught, by class: hams, spams.
#[derive(Default)]
pub struct Rehearsal([VecDeque<Taught>; 2]);

impl Rehearsal {
    pub fn read(folder: &Path) -> Rehearsal {
        let mut rehearsal = Rehearsal::default();
        for segment in lessons::segments(folder).iter().rev().take(SEGMENTS) {
            let Ok((found, _)) = lessons::read(&segment.path, 0) else { continue };
            for (about, lesson) in found.into_iter().rev().filter(|(_, lesson)| !lesson.forget) {
                let of = &mut rehearsal.0[index(lesson.seen.class)];
                if of.len() < REMEMBERED {
                    of.push_front(Taught { digest: lesson.digest, features: lesson.features, subject: about.subject });
                }
            }
        }
        rehearsal
    }

    /// After a lesson was learnt.
    pub fn after(
        &mut self,
        teacher: &mut Teacher<'_>,
        digest: u128,
        features: Features,
        class: Class,
    ) -> anyhow::Result<()> {
        let subject = teacher.about.subject.clone();
        let other = &mut self.0[1 - index(class)];
        for _ in 0..ASKED.min(other.len()) {
            let Some(taught) = other.pop_front() else { break };
            // What was forgotten or corrected since is no longer asked.
            let Some(seen) = teacher.model().seen(taught.digest).copied().filter(|seen| seen.class != class) else {
                continue;
            };
            let probability = teacher.model().score(&taught.features, seen.user).probability();
            let certain = match seen.class {
                Class::Spam => probability >= 1.0 - UNSURE,
                Class::Ham => probability <= UNSURE,
            };
            if !certain {
                teacher.about = About::new(By::Again, "", "", &taught.subject);
                teacher.learn_again(taught.digest, &taught.features)?;
            }
            other.push_back(taught);
        }
        let own = &mut self.0[index(class)];
        own.push_back(Taught { digest, features, subject });
        if own.len() > REMEMBERED {
            own.pop_front();
        }
        Ok(())
    }
}

fn index(class: Class) -> usize {
    usize::from(class == Class::Spam)
}
