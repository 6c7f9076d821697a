//! Signatures and rules of feeds that hit good mail, and are out of force until an administrator says otherwise.
//!
//! One record, `suspended.json`, and what is written from it for those who read rules and signatures: `suspended.cf` (scores
//! of nought) and `suspended.ign2` (names). They lie in the folder `local`, which is read after all feeds, beside whatever
//! the administrator puts there; no update touches either.

use super::generations::{make_folder, write_whole};
use crate::config::Config;
use crate::environment;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const RECORD: &str = "suspended.json";

pub fn folder(config: &Config) -> PathBuf {
    config.feeds.folder.join("local")
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub feed: String,
    /// Of the rule or signature.
    pub name: String,
    pub is_rule: bool,
    pub reason: String,
    /// Seconds since 1970.
    pub since: i64,
    /// The administrator wants it all the same.
    pub pardoned: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    pub list: Vec<Suspension>,
}

impl Suspended {
    pub fn load(config: &Config) -> Suspended {
        let text = std::fs::read(folder(config).join(RECORD)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether there was none of that name yet.
    pub fn add(&mut self, suspension: Suspension) -> bool {
        let known = self.list.iter().any(|old| old.name == suspension.name && old.feed == suspension.feed);
        if !known {
            self.list.push(suspension);
        }
        !known
    }

    pub fn is_pardoned(&self, name: &str) -> bool {
        self.list.iter().any(|known| known.name == name && known.pardoned)
    }

    pub fn pardon(&mut self, name: &str) -> bool {
        let mut found = false;
        for known in self.list.iter_mut().filter(|known| known.name == name) {
            known.pardoned = true;
            found = true;
        }
        found
    }

    pub fn store(&self, config: &Config) -> anyhow::Result<()> {
        let folder = folder(config);
        make_folder(&folder)?;
        for (name, rules) in [("suspended.cf", true), ("suspended.ign2", false)] {
            let text = self.text(rules);
            match text.is_empty() {
                true => _ = std::fs::remove_file(folder.join(name)),
                false => write_whole(&folder.join(name), text.as_bytes())?,
            }
        }
        Ok(write_whole(&folder.join(RECORD), &serde_json::to_vec_pretty(self)?)?)
    }

    /// Comments stand before the lines: `.ign2` has none behind.
    fn text(&self, rules: bool) -> String {
        let mut text = String::new();
        for known in self.list.iter().filter(|known| known.is_rule == rules && !known.pardoned) {
            let day = environment::local_time(known.since);
            text.push_str(&format!(
                "# {}, {day}: {}\n",
                known.feed,
                crate::output::readable(known.reason.as_bytes(), 300)
            ));
            text.push_str(&if rules { format!("score {} 0\n", known.name) } else { format!("{}\n", known.name) });
        }
        match text.is_empty() {
            true => text,
            false => format!(
                "# Suspended by sekisho because they hit good mail; `sekisho feeds pardon NAME` puts one in force again.\n{text}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_readers() {
        let mut suspended = Suspended::default();
        let of = |name: &str, is_rule| Suspension {
            feed: "f".into(),
            name: name.into(),
            is_rule,
            reason: "hits\nham".into(),
            ..Suspension::default()
        };
        assert!(suspended.add(of("RULE", true)) && suspended.add(of("Sig.1", false)));
        assert!(!suspended.add(of("RULE", true)), "once");
        assert!(suspended.text(true).ends_with(": hits\\nham\nscore RULE 0\n"), "{}", suspended.text(true));
        assert!(suspended.text(false).ends_with("\nSig.1\n"));
        assert!(suspended.pardon("RULE") && !suspended.pardon("X"));
        assert_eq!(suspended.text(true), "");
        assert!(!suspended.add(of("RULE", true)) && suspended.is_pardoned("RULE"), "not again");
    }
}
