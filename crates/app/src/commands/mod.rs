//! One file for each command.

pub mod check;
pub mod config;
pub mod explain;
pub mod lint;
pub mod serve;
pub mod spamassassin;

use crate::rule_files::{RuleSet, Selection};
use std::path::PathBuf;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Which rules to judge with.
#[derive(Debug, Clone, clap::Args)]
pub struct RuleArguments {
    /// Which rules to begin with
    #[arg(long, value_enum, default_value_t, value_name = "SET")]
    pub rule_set: RuleSet,
    /// Rule files or folders on top of that set; repeatable
    #[arg(long = "rules", value_name = "FILE|DIR")]
    pub rules: Vec<PathBuf>,
    /// A line of configuration after all files, such as 'required_score 6'; repeatable
    #[arg(long = "cf", value_name = "LINE")]
    pub cf: Vec<String>,
    /// User preferences in place of ~/.spamassassin/user_prefs
    #[arg(short = 'p', long = "prefs-file", value_name = "FILE")]
    pub prefs: Option<PathBuf>,
    /// No tests that need the network (all there are today)
    #[arg(short = 'L', long)]
    pub local: bool,
    /// Compile the rules anew, and do not keep the result
    #[arg(long)]
    pub no_cache: bool,
}

impl RuleArguments {
    pub fn selection(&self) -> Selection {
        Selection {
            rule_set: self.rule_set,
            prefs_path: self.prefs.clone(),
            extra: self.rules.clone(),
            cf: self.cf.clone(),
            ..Selection::default()
        }
    }
}
