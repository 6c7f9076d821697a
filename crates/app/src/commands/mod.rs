//! One file for each command.

pub mod auth;
pub mod check;
pub mod clamscan;
pub mod collaborative;
pub mod config;
pub mod data;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod explain;
pub mod feeds;
pub mod greylist;
pub mod history;
pub mod isp;
pub mod learn;
pub mod lint;
pub mod list;
pub mod masscheck;
pub mod postfix;
pub mod quarantine;
mod received;
pub mod report;
pub mod reputation;
pub mod rule;
pub mod sa_learn;
pub mod scanners;
pub mod serve;
pub mod sigs;
pub mod spamassassin;
pub mod tell;
pub mod user;

use crate::config::Config;
use crate::rule_files::{RuleSet, Selection};
use crate::serve::privileges::Account;
use crate::{environment, language, owner};
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Where the store is.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArguments {
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// A command of several, and the service's configuration.
#[derive(Debug, clap::Args)]
pub struct WithConfig<What: Subcommand> {
    #[command(subcommand)]
    what: What,
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// A command of several, and the store.
#[derive(Debug, clap::Args)]
pub struct WithStore<What: Subcommand> {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArguments,
}

impl StoreArguments {
    pub fn open(&self) -> anyhow::Result<(Config, store::Store)> {
        let (config, _) = Config::load(self.config.as_deref())?;
        let store = open_store(&config)?.context(language::NO_STORE.text())?;
        Ok((config, store))
    }
}

/// The store, for a command: root becomes its owner. `None` where there is to be none.
fn open_store(config: &Config) -> anyhow::Result<Option<store::Store>> {
    let location = &config.store.location;
    let location = Path::new(location.strip_prefix("sqlite:").unwrap_or(location));
    if location.is_absolute() {
        // A store that the service has not made yet is to be the service's.
        if environment::is_root()
            && !location.exists()
            && let Some(account) = Account::of(config)?
        {
            account.make_folders(config)?;
        }
        owner::become_owner(location)?;
    }
    config.store.open()
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
    /// Which rules to begin with, in place of those that the configuration of the service names. Default: the latter, or where
    /// there is none, installed
    #[arg(long, value_enum, value_name = "SET")]
    pub rule_set: Option<RuleSet>,
    /// Rule files or folders on top of that set; repeatable
    #[arg(long = "rules", value_name = "FILE|DIR")]
    pub rules: Vec<PathBuf>,
    /// A line of configuration after all files, such as 'required_score 6'; repeatable
    #[arg(long = "cf", value_name = "LINE")]
    pub cf: Vec<String>,
    /// User preferences in place of ~/.spamassassin/user_prefs
    #[arg(short = 'p', long = "prefs-file", value_name = "FILE")]
    pub prefs: Option<PathBuf>,
    /// No tests that need the network (SEKISHO_LOCAL=1 says the same)
    #[arg(short = 'L', long)]
    pub local: bool,
    /// Compile the rules anew, and do not keep the result
    #[arg(long)]
    pub no_cache: bool,
}

impl RuleArguments {
    /// The service's rules, feeds among them, unless another set is named; those of the command line on top.
    pub fn selection(&self, config: &Config) -> Selection {
        let begin = match self.rule_set {
            Some(rule_set) => Selection { rule_set, names: config.impersonation.lines(), ..Selection::default() },
            None => crate::feeds::selection(config),
        };
        let extra = begin.extra.into_iter().chain(self.rules.iter().cloned()).collect();
        let local = begin.local || self.local || environment::is_local();
        Selection { prefs_path: self.prefs.clone(), extra, cf: self.cf.clone(), local, ..begin }
    }

    /// How to be told about mistakes in these rules.
    pub fn lint(&self, config: Option<&Path>) -> String {
        let set = self.rule_set.and_then(|set| Some(set.to_possible_value()?.get_name().to_owned()));
        let path = |path: &PathBuf| path.display().to_string();
        let options = (config.map(|config| ("-c", config.display().to_string())).into_iter())
            .chain(set.map(|set| ("--rule-set", set)))
            .chain(self.prefs.iter().map(|file| ("-p", path(file))))
            .chain(self.rules.iter().map(|file| ("--rules", path(file))))
            .chain(self.cf.iter().map(|line| ("--cf", line.clone())));
        options.fold("sekisho lint".to_owned(), |command, (name, value)| {
            match value.contains(|c: char| c.is_whitespace() || "'\"$\\`*?&|;<>()#!~".contains(c)) {
                true => format!("{command} {name} '{}'", value.replace('\'', "'\\''")),
                false => format!("{command} {name} {value}"),
            }
        })
    }
}

/// The configuration of the service, for what it says of rules, signatures and what was learnt. One that is not for us to
/// read is told and done without, unless it was named.
fn service_config(file: Option<&Path>) -> anyhow::Result<Config> {
    match Config::load(file) {
        Ok((config, _)) => Ok(config),
        Err(error) if file.is_none() && is_denied(&error) => {
            eprintln!("sekisho: {}; {}", language::told(&error), language::WITHOUT_CONFIGURATION);
            Ok(Config::default())
        }
        Err(error) => Err(error),
    }
}

fn is_denied(error: &anyhow::Error) -> bool {
    let kind = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    error.downcast_ref::<std::io::Error>().is_some_and(kind)
}
