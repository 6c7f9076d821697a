//! Everything an operator or a vendor writes down -> one [`Ruleset`] + diagnostics.
//!
//! Is handed texts; `include` goes through a reader that the caller gives. Loading never fails: what cannot be
//! understood becomes a [`Diagnostic`] and the rest is in force. Which evals exist is told by the caller ([`Catalog`]),
//! since the engine, which has them, stands above.
#![forbid(unsafe_code)]
#![allow(clippy::result_large_err)] // faults are rare, and lines are handled one at a time

pub mod diagnostic;
pub mod explain;
pub mod ruleset;
pub mod settings;
pub mod signatures;
pub mod source;
pub mod spamassassin;

pub use diagnostic::{Diagnostic, Severity};
pub use ruleset::{
    Eval, Flags, HeaderTest, Kind, Meta, MimeHeaderTest, Pattern, Rule, RuleId, Ruleset, ScoreSet, Shortcircuit, Stage,
    Statistics, TestFlags, UriCondition, UriKey, View,
};
pub use settings::Settings;
pub use source::{Location, NoReader, Reader, Source, SourceKind};

/// The evals that the engine has.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub evals: Vec<CatalogEval>,
}

/// One eval function.
#[derive(Debug, Clone)]
pub struct CatalogEval {
    pub name: &'static str,
    /// The stage under which rules must declare it; `None`: any.
    pub stage: Option<Stage>,
    /// SpamAssassin's plugin that offers it, without `Mail::SpamAssassin::Plugin::`.
    pub plugin: &'static str,
}

/// What the caller decides about a load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `-L`: rules that need the network are kept but inactive; `local_tests_only` is true.
    pub local_only: bool,
    /// For `lang XX` lines, as in `$LANG`: `de_DE.UTF-8`; empty or `C` is `en_US`.
    pub language: String,
    pub score_set: ScoreSet,
    /// Whether user sources are held to what `spamd` lets users do: no rules without `allow_user_rules`, no
    /// administrator's settings. `spamassassin` reads its user's own file without such limits.
    pub restrict_user_files: bool,
    /// Look for what is legal but doubtful too: missing descriptions, slow patterns, long names (`lint`).
    pub thorough: bool,
}

impl LoadOptions {
    /// The score set that counts: without the network where only local tests run.
    pub fn effective_score_set(&self) -> ScoreSet {
        ScoreSet { network: self.score_set.network && !self.local_only, ..self.score_set }
    }
}

/// Reads sources in the given order and compiles what they say.
pub fn load(
    sources: &[Source],
    catalog: &Catalog,
    options: &LoadOptions,
    reader: &mut dyn Reader,
) -> (Ruleset, Vec<Diagnostic>) {
    let mut loader = spamassassin::loader::Loader::new(catalog, options, reader);
    for source in sources {
        loader.read(source);
    }
    let ruleset = spamassassin::compile::compile(&mut loader);
    if options.thorough {
        spamassassin::lint::look_over(&ruleset, &mut loader);
    }
    let mut diagnostics = loader.diagnostics;
    // In the order of the files, so that a reader walks through each file once.
    let place = |found: &Diagnostic| ruleset.files.iter().position(|(name, _)| *name == found.file);
    diagnostics.sort_by_cached_key(|found| (place(found), found.line, found.column));
    (ruleset, diagnostics)
}
