//! Everything an operator or a vendor writes down -> one [`Ruleset`] + diagnostics.
//!
//! Is handed texts; `include` goes through a reader that the caller gives. Loading never fails: what cannot be
//! understood becomes a [`Diagnostic`] and the rest is in force. Which evals exist is told by the caller ([`Catalog`]),
//! since the engine, which has them, stands above.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod ruleset;
pub mod settings;
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
#[derive(Debug, Clone)]
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

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            local_only: false,
            language: String::new(),
            score_set: ScoreSet::default(),
            restrict_user_files: false,
            thorough: false,
        }
    }
}

/// Reads sources in the given order and compiles what they say.
pub fn load(
    _sources: &[Source],
    _catalog: &Catalog,
    _options: &LoadOptions,
    _reader: &mut dyn Reader,
) -> (Ruleset, Vec<Diagnostic>) {
    (Ruleset::default(), Vec::new())
}
