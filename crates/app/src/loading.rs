//! From rule files to an engine, by way of the cache where it has the same rules.

use crate::debug::Debug;
use crate::learning::Learnt;
use crate::rule_files::{self, Found, Includes, Selection};
use crate::{cache, environment, geography, language, learning};
use engine::{Engine, EngineOptions};
use mail::suffixes::Suffixes;
use rules::settings::LanguageModels;
use rules::{Diagnostic, LoadOptions, Ruleset, ScoreSet, Severity, Source, SourceKind};
use std::io::Read;
use std::path::Path;

/// Ready to judge.
pub struct Loaded {
    pub engine: Engine,
    /// What the rule files have wrong with them.
    pub diagnostics: Vec<Diagnostic>,
    /// Files that could not be read.
    pub problems: Vec<String>,
}

impl Loaded {
    pub fn serious(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Tells on standard error what keeps rules from working, shortly; `sekisho lint` tells it at length.
    /// `lint`: the command that does.
    pub fn warn(&self, lint: &str) {
        for problem in &self.problems {
            eprintln!("sekisho: {problem}");
        }
        let errors = self.serious().count();
        if errors > 0 {
            eprintln!("sekisho: {}", language::errors_in_rules(errors, lint));
        }
    }
}

/// Loads for judging. `beyond_spamassassin`: where it errs, do better.
pub fn load(selection: &Selection, use_cache: bool, beyond_spamassassin: bool, debug: &Debug) -> Loaded {
    load_for(selection, use_cache, beyond_spamassassin, false, debug)
}

/// As [`load`]; where enough was learnt for these rules, with the rules and scores that use it.
pub fn load_with_model(selection: &Selection, use_cache: bool, learnt: Option<&Learnt>, debug: &Debug) -> Loaded {
    let loaded = load(selection, use_cache, true, debug);
    match learnt {
        Some(learnt) if learning::is_ready(learnt, &loaded.engine.ruleset.settings) => {
            load_for(selection, use_cache, true, true, debug)
        }
        _ => loaded,
    }
}

fn load_for(selection: &Selection, use_cache: bool, beyond_spamassassin: bool, bayes: bool, debug: &Debug) -> Loaded {
    let options = load_options(false, bayes, selection.local);
    let mut found = rule_files::find(selection);
    for source in &found.sources {
        debug.line("config", || format!("read file {}", source.name));
    }
    if found.shipped {
        debug.line("config", || "the rules that sekisho carries are in use".to_owned());
    }
    let kept = use_cache.then(|| cache::Kept::find(&found.sources, &options)).flatten();
    let (mut ruleset, diagnostics) = match kept.as_ref().and_then(cache::Kept::load) {
        Some(loaded) => {
            debug.line("config", || "rules taken from the cache".to_owned());
            loaded
        }
        None => {
            let mut includes = Includes::default();
            let loaded = rules::load(&found.sources, &engine::catalog(), &options, &mut includes);
            if let Some(kept) = &kept
                && let Err(error) = kept.store(&loaded.0, &loaded.1, &includes)
            {
                debug.line("config", || format!("rules not kept in the cache: {error}"));
            }
            loaded
        }
    };
    add_language_models(&mut ruleset, &found);
    let mut engine = Engine::new(ruleset, engine_options(&options, beyond_spamassassin));
    engine.geography = geography::find(selection, &engine.ruleset, &mut found.problems);
    boundaries(selection, &mut engine, &mut found.problems);
    Loaded { engine, diagnostics, problems: found.problems }
}

/// The site's rules and then a user's file, which may say what spamd lets users say. Nothing of it is kept on disk.
/// `bayes`: with the rules and scores that use what was learnt.
pub fn load_for_user(selection: &Selection, bayes: bool, user: Source) -> Loaded {
    let options = LoadOptions { restrict_user_files: true, ..load_options(false, bayes, selection.local) };
    let mut found = rule_files::find(selection);
    // What lies in our own home is the administrator's.
    found
        .sources
        .iter_mut()
        .filter(|source| source.kind == SourceKind::User)
        .for_each(|source| source.kind = SourceKind::Site);
    found.sources.push(user);
    let (mut ruleset, diagnostics) =
        rules::load(&found.sources, &engine::catalog(), &options, &mut Includes::default());
    add_language_models(&mut ruleset, &found);
    let mut engine = Engine::new(ruleset, engine_options(&options, true));
    engine.geography = geography::find(selection, &engine.ruleset, &mut found.problems);
    boundaries(selection, &mut engine, &mut found.problems);
    Loaded { engine, diagnostics, problems: found.problems }
}

/// The Public Suffix List that was fetched, in place of the one that is compiled in.
fn boundaries(selection: &Selection, engine: &mut Engine, problems: &mut Vec<String>) {
    if let Some(path) = &selection.suffixes {
        match suffixes(path) {
            Ok(list) => {
                let registry = engine.views.tlds.as_ref().clone().with_suffixes(Some(list.into()));
                engine.views.tlds = registry.into();
            }
            Err(error) => {
                problems.push(format!("{}: {error}; the list that sekisho carries stands in", path.display()))
            }
        }
    }
}

/// A Public Suffix List.
pub fn suffixes(path: &Path) -> Result<Suffixes, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(LONGEST_SUFFIXES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Suffixes::parse(&text).ok_or_else(|| "no suffixes in it".to_owned())
}

/// Bytes of a Public Suffix List that are read; it has a third of a million.
const LONGEST_SUFFIXES: u64 = 16 << 20;

/// Only TextCat reads them, and few load it.
fn add_language_models(ruleset: &mut Ruleset, found: &Found) {
    if ruleset.has_plugin("TextCat")
        && let Some(file) = found.languages.as_ref().and_then(|path| std::fs::read(path).ok())
    {
        ruleset.settings.language_models = Some(LanguageModels::parse(&file).into());
    }
}

fn engine_options(options: &LoadOptions, beyond_spamassassin: bool) -> EngineOptions {
    EngineOptions { local_only: options.local_only, score_set: options.score_set, beyond_spamassassin }
}

/// Loads for looking at the rules themselves: everything that is doubtful is told.
pub fn load_thoroughly(selection: &Selection) -> Loaded {
    let options = load_options(true, false, true);
    let found = rule_files::find(selection);
    let (ruleset, diagnostics) = rules::load(&found.sources, &engine::catalog(), &options, &mut Includes::default());
    let engine = Engine::new(ruleset, engine_options(&options, true));
    Loaded { engine, diagnostics, problems: found.problems }
}

fn load_options(thorough: bool, bayes: bool, local: bool) -> LoadOptions {
    LoadOptions {
        local_only: local,
        language: environment::rule_language(),
        score_set: ScoreSet { network: !local, bayes },
        restrict_user_files: false,
        thorough,
    }
}
