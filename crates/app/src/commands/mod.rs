//! One file for each command.

pub mod check;
pub mod explain;
pub mod lint;
pub mod spamassassin;

use crate::rule_files::Selection;
use std::path::PathBuf;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Which rules to judge with. Without any of these: SpamAssassin's installed rules with the site's and your own
/// settings; where SpamAssassin is not installed, the rules that sekisho ships.
#[derive(Debug, Clone, clap::Args)]
pub struct RuleArguments {
    /// Rule files or folders on top of the others; repeatable
    #[arg(long = "rules", value_name = "FILE|DIR")]
    pub rules: Vec<PathBuf>,
    /// A line of configuration after all files, such as 'required_score 6'; repeatable
    #[arg(long = "cf", value_name = "LINE")]
    pub cf: Vec<String>,
    /// Leave out the rules and settings installed on this system
    #[arg(long)]
    pub no_system_rules: bool,
    /// Add the rules that sekisho ships to the installed ones
    #[arg(long)]
    pub own_rules: bool,
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
            without_system: self.no_system_rules,
            with_own: self.own_rules,
            prefs_path: self.prefs.clone(),
            extra: self.rules.clone(),
            cf: self.cf.clone(),
            ..Selection::default()
        }
    }
}
