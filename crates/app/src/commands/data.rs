//! `sekisho data`: who has which addresses, where they are, which domains give mailboxes to anybody. It is fetched, looked at
//! and put in force as feeds are, by the same code; `sekisho feeds add NAME` and `remove NAME` turn a set on and off.

use super::feeds::{self, Scope};
use super::{Format, WithConfig};
use crate::config::Config;
use crate::feeds::update::{self, Options};
use crate::language::said;
use crate::output::Output;
use crate::{CLEAN, owner};
use clap::Subcommand;

pub type Arguments = WithConfig<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Which sets there are, what they are for, which are on
    List {
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Fetch what is due: look at it, put it in force. Exit 1: something was refused, 2: a set failed
    Update {
        /// Sets; default: all that are on
        names: Vec<String>,
        /// Ask although it is not time yet
        #[arg(long)]
        now: bool,
        /// Take it though it shrank or was taken back
        #[arg(long, requires = "names")]
        accept: bool,
    },
    /// What is in force, since when, and what is wrong. Exit 1: something is wrong
    Status {
        /// Sets; default: all that are on
        names: Vec<String>,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Whether the files are still those that were taken. Exit 1: some are not
    Verify {
        /// Sets; default: all that are on
        names: Vec<String>,
    },
    /// Put the set before in force again; the present one is not taken a second time
    Rollback {
        /// As `sekisho data list` shows it
        name: String,
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, _) = Config::load(arguments.config.as_deref())?;
    if matches!(arguments.what, What::Update { .. } | What::Rollback { .. }) {
        owner::become_owner(&config.feeds.folder)?;
    }
    let mut output = Output::new();
    let code = match &arguments.what {
        What::List { format } => feeds::list(&config, Scope::Data, false, *format, &mut output)?,
        What::Update { names, now, accept } => {
            let options = Options { early: *now || *accept, accept: *accept };
            feeds::run_updates(&config, Scope::Data, names, options, &mut output)?
        }
        What::Status { names, format } => feeds::status(&config, Scope::Data, names, *format, &mut output)?,
        What::Verify { names } => feeds::verify(&config, Scope::Data, names, &mut output)?,
        What::Rollback { name } => {
            update::roll_back(&config, &feeds::one(&config, name)?)?;
            output.line(&said!("{name}: the set before is in force again", "{name}: 一つ前のものに戻しました"))?;
            CLEAN
        }
    };
    output.flush()?;
    Ok(code)
}
