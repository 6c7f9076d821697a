//! `sekisho quarantine`: what is held, and letting it go.

use super::{Format, WithStore, learn, shown};
use crate::handover::hand_over;
use crate::language::said;
use crate::output::Output;
use crate::{CLEAN, FOUND, environment, language};
use ::learn::Class;
use anyhow::Context;
use clap::{ArgGroup, Subcommand};
use store::quarantine::{Entry, Query, Release, State, Who};
use store::{Bytes, Id};

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
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
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// One message: why it is held, for whom
    Show {
        /// As `sekisho quarantine list` shows it
        #[arg(value_parser = id)]
        id: Id,
        /// The message itself, as it came
        #[arg(long)]
        raw: bool,
        /// How results are written
        #[arg(long, value_enum, default_value = "text", conflicts_with = "raw")]
        format: Format,
    },
    /// Deliver a message after all
    Release {
        /// As `sekisho quarantine list` shows it
        #[arg(value_parser = id)]
        id: Id,
        /// Only to this recipient
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
    /// Teach what a held message is
    #[command(group = ArgGroup::new("class").required(true))]
    Learn {
        /// As `sekisho quarantine list` shows it
        #[arg(value_parser = id)]
        id: Id,
        /// It is spam
        #[arg(long, group = "class")]
        spam: bool,
        /// It is not
        #[arg(long, group = "class")]
        ham: bool,
    },
    /// Take a message away for good
    Delete {
        /// As `sekisho quarantine list` shows it
        #[arg(value_parser = id)]
        id: Id,
        /// Only this recipient's copy
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
}

fn id(text: &str) -> Result<Id, String> {
    let wrong = language::pick(
        "no ID of a message; `sekisho quarantine list` shows them",
        "メールの ID ではありません（`sekisho quarantine list` で確認できます）",
    );
    text.parse().map_err(|_| wrong.to_owned())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, store) = arguments.store.open()?;
    let shelf = store.quarantine();
    let now = environment::now();
    let by = environment::variable("USER").unwrap_or_else(|| "command line".into());
    let mut output = Output::new();
    let mut code = CLEAN;
    match &arguments.what {
        What::List { words, recipient, all, limit, format } => {
            let query = Query {
                text: words.join(" "),
                recipient: recipient.as_ref().map(|recipient| recipient.as_bytes().into()),
                held_only: !all,
                limit: *limit,
                ..Query::default()
            };
            let entries = shelf.list(&query)?.entries;
            if entries.is_empty() {
                language::tell_nothing();
            }
            for entry in entries {
                match format {
                    Format::Json => output.line(&serde_json::to_string(&entry)?)?,
                    Format::Text => output.line(&line(&entry))?,
                }
            }
        }
        What::Show { id, raw, format } => {
            let entry =
                shelf.show(*id)?.with_context(|| said!("there is no message {id}", "メール {id} はありません"))?;
            if *raw {
                output.bytes(&shelf.content(&entry)?)?;
            } else {
                match format {
                    Format::Json => output.line(&serde_json::to_string(&entry)?)?,
                    Format::Text => output.text(&details(&entry))?,
                }
            }
        }
        What::Release { id, recipient } => {
            shelf.show(*id)?.with_context(|| said!("there is no message {id}", "メール {id} はありません"))?;
            let who = recipient.as_ref().map_or(Who::All, |recipient| Who::Recipient(recipient.as_bytes()));
            let program = &config.store.release;
            let deliver = |entry: &Entry, to: &[Bytes], content: &[u8]| {
                let to: Vec<&[u8]> = to.iter().map(|to| &*to.0).collect();
                hand_over(program, &entry.sender.0, &to, content)
            };
            match shelf.release(*id, who, &by, now, deliver)? {
                Release::Released(to) => {
                    output.line(&language::released_to(&id.to_string(), &addresses(&to)))?;
                }
                Release::NotDelivered(error) => return Err(error.context(format!("{id} is still held"))),
                Release::NothingHeld => {
                    eprintln!("sekisho: {id}: {}", language::NOTHING_HELD);
                    code = FOUND;
                }
            }
        }
        What::Learn { id, spam, .. } => {
            let entry =
                shelf.show(*id)?.with_context(|| said!("there is no message {id}", "メール {id} はありません"))?;
            let class = if *spam { Class::Spam } else { Class::Ham };
            anyhow::ensure!(!config.learn.folder.as_os_str().is_empty(), "learn.folder is empty: nothing is learnt");
            crate::learning::exchange::prepare_for(&config.learn)?;
            let new = learn::teach_one(&config.learn.folder, &shelf.content(&entry)?, class)?;
            let known = if new { language::LEARNT } else { language::LEARNT_BEFORE };
            output.line(&format!("{id} {known}"))?;
        }
        What::Delete { id, recipient } => {
            shelf.show(*id)?.with_context(|| said!("there is no message {id}", "メール {id} はありません"))?;
            let who = recipient.as_ref().map_or(Who::All, |recipient| Who::Recipient(recipient.as_bytes()));
            let gone = shelf.delete(*id, who, &by, now)?;
            if gone.is_empty() {
                eprintln!("sekisho: {id}: {}", language::NOTHING_HELD);
                code = FOUND;
            } else {
                output.line(&language::deleted_for(&id.to_string(), &addresses(&gone)))?;
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
        State::Held => &language::HELD,
        State::Releasing { .. } => &language::RELEASING,
        State::Released { .. } => &language::RELEASED,
        State::Deleted { .. } => &language::DELETED,
    };
    let mut names = entry.recipients.iter().map(|to| name(&to.state).text());
    let first = names.next().unwrap_or(language::HELD.text());
    if names.all(|name| name == first) { first } else { language::PARTLY.text() }
}

fn details(entry: &Entry) -> String {
    let mut out = format!("{}\n", entry.id);
    let mut field = |name: &language::Message, value: &str| out.push_str(&format!("  {name}: {value}\n"));
    field(&language::HELD_SINCE, &environment::local_time(entry.id.time().seconds()));
    field(&language::BECAUSE, &format!("{}: {}", entry.category, entry.reason));
    field(&language::QUEUE_ID, &entry.queue_id);
    field(&language::CLIENT, &entry.client_address);
    field(&language::ENVELOPE_SENDER, &address(&entry.sender));
    field(&language::FROM, &shown(entry.from.as_bytes()));
    field(&language::SUBJECT, &shown(entry.subject.as_bytes()));
    field(&language::SIZE, &entry.size.to_string());
    for to in &entry.recipients {
        let state = match &to.state {
            State::Held => language::HELD.to_string(),
            State::Releasing { by, .. } => language::being_released(by),
            State::Released { at, by } => {
                language::done(&language::RELEASED, &environment::local_time(at.seconds()), by)
            }
            State::Deleted { at, by } => language::done(&language::DELETED, &environment::local_time(at.seconds()), by),
        };
        field(&language::RECIPIENT, &format!("{} ({state})", address(&to.recipient)));
    }
    out
}

fn addresses(to: &[Bytes]) -> String {
    to.iter().map(address).collect::<Vec<_>>().join(", ")
}

fn address(bytes: &Bytes) -> String {
    format!("<{}>", shown(&bytes.0))
}
