//! `sekisho serve`: stand at the mail server.

use crate::CLEAN;
use crate::serve::{self, reload::Origin};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho, else what `sekisho config default` prints
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Judge and log, change no mail, whatever the configuration says
    #[arg(long)]
    observe: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let origin = Origin { file: arguments.config.clone(), observe: arguments.observe };
    serve::run(origin.load()?, origin)?;
    Ok(CLEAN)
}
