//! `sekisho config`: look at the configuration of the service.

use crate::answers::dns::tls;
use crate::config::{Config, SAMPLE, here, origin};
use crate::language::said;
use crate::output::Output;
use crate::serve::privileges;
use crate::serve::tls::Certificates;
use crate::signing::{self, Signer};
use crate::{CLEAN, FOUND, TROUBLE};
use clap::Subcommand;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look for mistakes. Exit 1: there are some.
    Check {
        #[command(flatten)]
        file: File,
    },
    /// Print what holds: a configuration with all keys, accounts and passwords as ***.
    Show {
        /// Behind each value, where it comes from: file and line, or the default
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        file: File,
    },
    /// Print a configuration with all keys and their defaults.
    Default,
}

/// Which configuration.
#[derive(Debug, clap::Args)]
struct File {
    /// Default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The same, as other commands name it
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl File {
    fn named(&self) -> Option<&Path> {
        self.config.as_deref().or(self.file.as_deref())
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let code = match &arguments.what {
        What::Check { file } => match Config::load(file.named()) {
            Ok((config, place)) => {
                let mut looked = here::look(&config);
                looked.mistakes.extend(Certificates::load(&config.relay).err().map(|error| format!("{error:#}")));
                looked.mistakes.extend(tls::trust(&config.dns).err().map(|error| format!("dns: {error:#}")));
                match Signer::load(&config) {
                    Ok(signer) => looked.doubts.extend(signer.notes),
                    Err(error) => looked.mistakes.push(format!("{error:#}")),
                }
                if let Ok(Some(owner)) = privileges::owner(&config) {
                    looked.mistakes.extend(signing::closed_to(&config, owner));
                }
                let place = place
                    .map_or(said!("no file; the defaults hold", "ファイルなし（既定値）"), |place| {
                        place.display().to_string()
                    });
                for mistake in looked.mistakes.iter() {
                    eprintln!("sekisho: {place}: {mistake}");
                }
                for doubt in looked.doubts {
                    eprintln!("sekisho: {place}: {}: {doubt}", crate::language::pick("warning", "警告"));
                }
                match looked.mistakes.is_empty() {
                    true => {
                        output.line(&said!("{place}: no mistakes found", "{place}: 誤りは見つかりませんでした"))?;
                        CLEAN
                    }
                    false => FOUND,
                }
            }
            Err(error) => {
                eprintln!("sekisho: {}", crate::language::told(&error));
                // What cannot be read has not been looked at.
                if error.root_cause().is::<std::io::Error>() { TROUBLE } else { FOUND }
            }
        },
        What::Show { origin, file } => {
            let (_, place) = Config::load(file.named())?;
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
