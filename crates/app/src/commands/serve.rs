//! `sekisho serve`: stand at the mail server.

use crate::CLEAN;
use crate::config::Config;
use crate::rule_files::Selection;
use crate::serve;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration; default: /etc/sekisho/sekisho.toml, else what `sekisho config default` prints
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Judge and log, change no mail, whatever the configuration says
    #[arg(long)]
    observe: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (mut config, _) = Config::load(arguments.config.as_deref())?;
    if arguments.observe {
        config.mode = crate::config::Mode::Observe;
    }
    let selection = Selection { rule_set: config.rules.set, extra: config.rules.extra.clone(), ..Selection::default() };
    serve::run(config, selection)?;
    Ok(CLEAN)
}
