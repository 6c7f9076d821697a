//! `sekisho quarantine`: what is held, and letting it go.

use super::{StoreArguments, learn, shown};
use crate::handover::hand_over;
use crate::output::Output;
use crate::{CLEAN, FOUND, environment};
use ::learn::Class;
use anyhow::Context;
use clap::Subcommand;
use store::quarantine::{Entry, Query, Release, State, Who};
use store::{Bytes, Id};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArguments,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is held, the newest first
    List {
        /// Words of subject, sender and so on; 請求 finds 請求書
        words: Vec<String>,
        /// Only mail for this recipient
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
        /// Also what was released or deleted
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One message: why it is held, for whom
    Show {
        #[arg(value_parser = id)]
        id: Id,
        /// The message itself, as it came
        #[arg(long)]
        raw: bool,
    },
    /// Deliver a message after all
    Release {
        #[arg(value_parser = id)]
        id: Id,
        /// Only to this recipient
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
    /// Teach what a held message is
    Learn {
        #[arg(value_parser = id)]
        id: Id,
        /// It is spam
        #[arg(long, required_unless_present = "ham", conflicts_with = "ham")]
        spam: bool,
        /// It is not
        #[arg(long)]
        ham: bool,
    },
    /// Take a message away for good
    Delete {
        #[arg(value_parser = id)]
        id: Id,
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
}

fn id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|_| "no name of a message; `sekisho quarantine list` shows them".to_owned())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, store) = arguments.store.open()?;
    let shelf = store.quarantine();
    let now = environment::now();
    let by = environment::variable("USER").unwrap_or_else(|| "command line".into());
    let mut output = Output::new();
    let mut code = CLEAN;
    match &arguments.what {
        What::List { words, recipient, all, limit } => {
            let query = Query {
                text: words.join(" "),
                recipient: recipient.as_ref().map(|recipient| recipient.as_bytes().into()),
                held_only: !all,
                limit: *limit,
                ..Query::default()
            };
            for entry in shelf.list(&query)?.entries {
                output.line(&line(&entry))?;
            }
        }
        What::Show { id, raw } => {
            let entry = shelf.show(*id)?.with_context(|| format!("there is no message {id}"))?;
            if *raw {
                output.bytes(&shelf.content(&entry)?)?;
            } else {
                output.text(&details(&entry))?;
            }
        }
        What::Release { id, recipient } => {
            let who = recipient.as_ref().map_or(Who::All, |recipient| Who::Recipient(recipient.as_bytes()));
            let program = &config.store.release;
            let deliver = |entry: &Entry, to: &[Bytes], content: &[u8]| {
                let to: Vec<&[u8]> = to.iter().map(|to| &*to.0).collect();
                hand_over(program, &entry.sender.0, &to, content)
            };
            match shelf.release(*id, who, &by, now, deliver)? {
                Release::Released(to) => {
                    output
                        .line(&format!("{id} released to {}", to.iter().map(address).collect::<Vec<_>>().join(", ")))?;
                }
                Release::NotDelivered(error) => return Err(error.context(format!("{id} is still held"))),
                Release::NothingHeld => {
                    eprintln!("sekisho: nothing of {id} is held");
                    code = FOUND;
                }
            }
        }
        What::Learn { id, spam, .. } => {
            let entry = shelf.show(*id)?.with_context(|| format!("there is no message {id}"))?;
            let class = if *spam { Class::Spam } else { Class::Ham };
            anyhow::ensure!(!config.learn.folder.as_os_str().is_empty(), "learn.folder is empty: nothing is learnt");
            let new = learn::teach_one(&config.learn.folder, &shelf.content(&entry)?, class)?;
            output.line(&format!("{id} {}", if new { "learnt" } else { "was learnt before" }))?;
        }
        What::Delete { id, recipient } => {
            let who = recipient.as_ref().map_or(Who::All, |recipient| Who::Recipient(recipient.as_bytes()));
            let gone = shelf.delete(*id, who, &by, now)?;
            if gone.is_empty() {
                eprintln!("sekisho: nothing of {id} is held");
                code = FOUND;
            } else {
                output
                    .line(&format!("{id} deleted for {}", gone.iter().map(address).collect::<Vec<_>>().join(", ")))?;
            }
        }
    }
    output.flush()?;
    Ok(code)
}

fn line(entry: &Entry) -> String {
    let to: Vec<String> = entry.recipients.iter().map(|to| address(&to.recipient)).collect();
    format!(
        "{}  {}  {:>6.1}  {:<9}  {} -> {}  {}",
        entry.id,
        environment::local_time(entry.id.time().seconds()),
        entry.score,
        state(entry),
        address(&entry.sender),
        to.join(", "),
        shown(entry.subject.as_bytes())
    )
}

/// The state of all copies, or that they differ.
fn state(entry: &Entry) -> &'static str {
    let name = |state: &State| match state {
        State::Held => "held",
        State::Releasing { .. } => "releasing",
        State::Released { .. } => "released",
        State::Deleted { .. } => "deleted",
    };
    let mut names = entry.recipients.iter().map(|to| name(&to.state));
    let first = names.next().unwrap_or("held");
    if names.all(|name| name == first) { first } else { "partly" }
}

fn details(entry: &Entry) -> String {
    let mut out = format!(
        "{}\n  held since  {}\n  because     {}: {}\n  queue id    {}\n  client      {}\n  sender      {}\n  from        {}\n  \
         subject     {}\n  size        {}\n",
        entry.id,
        environment::local_time(entry.id.time().seconds()),
        entry.category,
        entry.reason,
        entry.queue_id,
        entry.client_address,
        address(&entry.sender),
        shown(entry.from.as_bytes()),
        shown(entry.subject.as_bytes()),
        entry.size
    );
    for to in &entry.recipients {
        let state = match &to.state {
            State::Held => "held".to_owned(),
            State::Releasing { by, .. } => format!("being released by {by}"),
            State::Released { at, by } => format!("released {} by {by}", environment::local_time(at.seconds())),
            State::Deleted { at, by } => format!("deleted {} by {by}", environment::local_time(at.seconds())),
        };
        out.push_str(&format!("  to          {} ({state})\n", address(&to.recipient)));
    }
    out
}

fn address(bytes: &Bytes) -> String {
    format!("<{}>", shown(&bytes.0))
}
