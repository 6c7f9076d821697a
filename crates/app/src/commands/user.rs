//! `sekisho user`: what single recipients want, kept in the store and in effect with the next message.

use super::WithStore;
use crate::config::Changes;
use crate::language::{self, said};
use crate::output::Output;
use crate::{CLEAN, FOUND};
use anyhow::bail;
use clap::Subcommand;

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Give a recipient, or a user of spamc, an action or score of his own: a key of the table `actions` of sekisho.toml
    Set {
        /// The recipient's address, or the name that spamc -u gives
        #[arg(value_name = "ADDRESS")]
        user: String,
        /// A key of the table `actions`, such as spam, virus, required, reject_at
        key: String,
        /// What it is to be, as it would stand there, without quotes
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take it back. Exit 1: it was not set
    Unset {
        /// The recipient's address, or the name that spamc -u gives
        #[arg(value_name = "ADDRESS")]
        user: String,
        /// The key that was set
        key: String,
    },
    /// What a recipient has set. Exit 1: nothing
    Show {
        /// The recipient's address, or the name that spamc -u gives
        #[arg(value_name = "ADDRESS")]
        user: String,
    },
    /// Everybody who has set something. Exit 1: nobody
    List {
        /// At most so many people
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (_, store) = arguments.store.open()?;
    let users = store.users();
    let mut output = Output::new();
    match &arguments.what {
        What::Set { user, key, value } => {
            if user.is_empty() || user.contains(char::is_whitespace) {
                bail!(
                    "{}",
                    said!(
                        "{user:?} is neither an address nor the name of a user",
                        "{user:?} はアドレスでも利用者名でもありません"
                    )
                );
            }
            if let Err(error) = Changes::default().set(key, value) {
                bail!("{key}: {error}");
            }
            users.set(user, key, value)?;
        }
        What::Unset { user, key } => {
            if !users.unset(user, key)? {
                language::tell_nothing();
                return Ok(FOUND);
            }
        }
        What::Show { user } => {
            let preferences = users.preferences(user)?;
            for (key, value) in &preferences {
                output.line(&format!("{key} = {value}"))?;
            }
            output.flush()?;
            if preferences.is_empty() {
                language::tell_nothing();
            }
            return Ok(if preferences.is_empty() { FOUND } else { CLEAN });
        }
        What::List { limit } => {
            let all = users.list("", *limit)?;
            for user in &all {
                let set: Vec<_> = user.preferences.iter().map(|(key, value)| format!("{key}={value}")).collect();
                output.line(&format!("{} {}", user.user, set.join(" ")))?;
            }
            output.flush()?;
            if all.is_empty() {
                language::tell_nothing();
            }
            return Ok(if all.is_empty() { FOUND } else { CLEAN });
        }
    }
    Ok(CLEAN)
}
