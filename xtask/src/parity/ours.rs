//! Our side of a comparison: the same rule files, read and judged in this process on all cores.

use super::spamassassin::Setup;
use crate::cores;
use anyhow::{Context, Result, ensure};
use engine::{Engine, EngineOptions, Scratch};
use mail::{Envelope, Limits, Message, Transaction, Verdict};
use rules::{LoadOptions, NoReader, Ruleset, ScoreSet, Source, SourceKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What we said of one message.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub score: f64,
    /// Every rule that hit, `__` rules too, with its count or value.
    pub hits: BTreeMap<String, f64>,
}

/// An engine loaded for comparison.
pub struct Judge {
    engine: Engine,
}

/// The time at which compared messages arrive. Nothing that is compared depends on it.
const NOW: i64 = 1_790_000_000;

/// As `spamassassin -L` without Bayes, and closed to what we would see beyond it.
pub const OPTIONS: EngineOptions = EngineOptions {
    local_only: true,
    score_set: ScoreSet { network: false, bayes: false },
    beyond_spamassassin: false,
};

impl Judge {
    /// Reads the rule files that SpamAssassin reads, and closes what we see beyond it.
    pub fn load(setup: &Setup) -> Result<Judge> {
        let options = LoadOptions { local_only: true, ..LoadOptions::default() };
        let (ruleset, diagnostics) = rules::load(&sources(setup)?, &engine::catalog(), &options, &mut NoReader);
        let errors = diagnostics.iter().filter(|d| d.severity == rules::Severity::Error).count();
        if errors > 0 {
            eprintln!("{errors} errors in the rule files; `sekisho lint` shows them");
        }
        ensure!(!ruleset.rules.is_empty(), "no rules were found");
        Ok(Judge { engine: Engine::new(ruleset, OPTIONS) })
    }

    pub fn into_engine(self) -> Engine {
        self.engine
    }

    pub fn ruleset(&self) -> &Ruleset {
        &self.engine.ruleset
    }

    pub fn database(&self) -> &patterns::Database {
        &self.engine.ruleset.database
    }

    /// Names of the rules that run at all in this set-up.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.engine.ruleset.rules.iter().filter(|r| r.active).map(|r| r.name.as_str())
    }

    pub fn judge_all(&self, files: &[PathBuf]) -> Result<Vec<Answer>> {
        let answers = cores::each(files, |file, scratch: &mut Scratch| {
            let raw = std::fs::read(file).with_context(|| file.display().to_string())?;
            Ok(self.judge(&raw, scratch))
        });
        answers.into_iter().collect()
    }

    pub fn judge_bytes(&self, raw: &[u8]) -> Answer {
        self.judge(raw, &mut Scratch::new())
    }

    fn judge(&self, raw: &[u8], scratch: &mut Scratch) -> Answer {
        let verdict = judge(&self.engine, raw, scratch);
        let mut hits: BTreeMap<String, f64> =
            verdict.hits.iter().map(|hit| (hit.rule.clone(), f64::from(hit.count))).collect();
        hits.extend(verdict.subtests.iter().map(|(name, count)| (name.clone(), f64::from(*count))));
        Answer { score: verdict.score, hits }
    }
}

/// One message, from bytes to verdict; parsing is timed where the scratch has a clock.
pub fn judge(engine: &Engine, raw: &[u8], scratch: &mut Scratch) -> Verdict {
    let before = scratch.clock.map(|clock| clock());
    let message = Message::parse(raw, &Limits::default());
    if let (Some(before), Some(clock)) = (before, scratch.clock) {
        scratch.timing.parse += clock() - before;
    }
    let transaction = Transaction { envelope: Envelope::default(), message, now: NOW };
    engine::judge(engine, &transaction, scratch)
}

/// As SpamAssassin reads them: `.pre` of the site, the rules, the site's `.cf`, what was added.
fn sources(setup: &Setup) -> Result<Vec<Source>> {
    let rules = setup.rules.clone().unwrap_or_else(|| "/usr/share/spamassassin".into());
    let site = setup.site.clone().unwrap_or_else(|| "/etc/spamassassin".into());
    let mut sources = Vec::new();
    read_folder(&site, "pre", SourceKind::Pre, &mut sources)?;
    read_folder(&rules, "cf", SourceKind::Default, &mut sources)?;
    read_folder(&site, "cf", SourceKind::Site, &mut sources)?;
    let last = format!("use_bayes 0\nbayes_auto_learn 0\ntime_limit 0\n{}\n", setup.cf);
    sources.push(Source::new("(added)", last, SourceKind::Site));
    Ok(sources)
}

fn read_folder(place: &Path, extension: &str, kind: SourceKind, sources: &mut Vec<Source>) -> Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(place)
        .with_context(|| place.display().to_string())?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read(&file).with_context(|| file.display().to_string())?;
        sources.push(Source::new(file.to_string_lossy(), text, kind));
    }
    Ok(())
}
