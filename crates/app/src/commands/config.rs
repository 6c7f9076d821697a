//! `sekisho config`: look at the configuration of the service.

use crate::config::{Config, SAMPLE, origin};
use crate::output::Output;
use crate::serve::tls::Certificates;
use crate::{CLEAN, FOUND};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look for mistakes. Exit 1: there are some.
    Check {
        /// Default: /etc/sekisho/sekisho.toml
        file: Option<PathBuf>,
    },
    /// Print what holds: a configuration with all keys, accounts and passwords as ***.
    Show {
        /// Behind each value, where it comes from: file and line, or the default
        #[arg(long)]
        origin: bool,
        /// Default: /etc/sekisho/sekisho.toml
        file: Option<PathBuf>,
    },
    /// Print a configuration with all keys and their defaults.
    Default,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let code = match &arguments.what {
        What::Check { file } => match Config::load(file.as_deref())
            .and_then(|(config, place)| Certificates::load(&config.relay).map(|_| ((), place)))
        {
            Ok((_, place)) => {
                let place = place.map_or("no file; the defaults hold".to_owned(), |place| place.display().to_string());
                output.line(&format!("{place}: no mistakes found"))?;
                CLEAN
            }
            Err(error) => {
                eprintln!("sekisho: {error:#}");
                FOUND
            }
        },
        What::Show { origin, file } => {
            let (_, place) = Config::load(file.as_deref())?;
            let text = place.as_ref().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
            output.text(&origin::show(&text, place.as_deref(), *origin)?)?;
            CLEAN
        }
        What::Default => {
            output.bytes(SAMPLE.as_bytes())?;
            CLEAN
        }
    };
    output.flush()?;
    Ok(code)
}
