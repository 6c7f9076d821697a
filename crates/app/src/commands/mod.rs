//! One file for each command.

pub mod check;
pub mod clamscan;
pub mod config;
pub mod explain;
pub mod feeds;
pub mod greylist;
pub mod history;
pub mod isp;
pub mod learn;
pub mod lint;
pub mod list;
pub mod postfix;
pub mod quarantine;
pub mod sa_learn;
pub mod scanners;
pub mod serve;
pub mod sigs;
pub mod spamassassin;
pub mod tell;
pub mod user;

use crate::config::Config;
use crate::rule_files::{RuleSet, Selection};
use anyhow::Context;
use std::path::PathBuf;

/// Where the store is.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArguments {
    /// Configuration of the service; default: /etc/sekisho/sekisho.toml
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl StoreArguments {
    pub fn open(&self) -> anyhow::Result<(Config, store::Store)> {
        let (config, _) = Config::load(self.config.as_deref())?;
        let store = config.store.open()?.context("there is no store: store.location is empty")?;
        Ok((config, store))
    }
}

/// What strangers wrote, fit for a terminal and for one line.
fn shown(bytes: &[u8]) -> String {
    crate::output::readable(bytes, 300)
}

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
