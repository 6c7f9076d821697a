//! `sekisho history`: what came, what became of it, and why.

use super::shown;
use super::{Format, StoreArguments};
use crate::output::Output;
use crate::{CLEAN, FOUND, environment};
use store::history::{Entry, Query};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Words of subject, sender, recipients, rules and so on; 請求 finds 請求書
    words: Vec<String>,
    /// The mail server's name for the message, as in its log
    #[arg(long, value_name = "ID")]
    queue_id: Option<String>,
    /// Only mail for this recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// With every hit, where it was and what it matched
    #[arg(long)]
    explain: bool,
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    store: StoreArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (_, store) = arguments.store.open()?;
    let query = Query {
        text: arguments.words.join(" "),
        queue_id: arguments.queue_id.clone(),
        recipient: arguments.recipient.as_ref().map(|recipient| recipient.as_bytes().into()),
        limit: arguments.limit,
        ..Query::default()
    };
    let entries = store.history().search(&query)?.entries;
    let mut output = Output::new();
    for entry in &entries {
        match arguments.format {
            Format::Json => output.line(&serde_json::to_string(entry)?)?,
            Format::Text => output.text(&text(entry, arguments.explain))?,
        }
    }
    output.flush()?;
    Ok(if entries.is_empty() { FOUND } else { CLEAN })
}

fn text(entry: &Entry, explain: bool) -> String {
    let mut actions: Vec<&str> = entry.recipients.iter().map(|to| to.action.as_str()).collect();
    actions.dedup();
    let to: Vec<String> = entry.recipients.iter().map(|to| format!("<{}>", shown(&to.recipient.0))).collect();
    let mut out = format!(
        "{}  {}  {:>5.1}/{:.1}  {}  <{}> -> {}  {}\n",
        environment::local_time(entry.id.time().seconds()),
        entry.queue_id,
        entry.score,
        entry.required,
        actions.join(","),
        shown(&entry.sender.0),
        to.join(", "),
        shown(entry.subject.as_bytes())
    );
    if explain {
        out.push_str(&format!("    client {} {}\n", entry.client_address, shown(entry.client_name.as_bytes())));
        for kept in entry.recipients.iter().filter_map(|to| to.quarantined) {
            out.push_str(&format!("    in quarantine as {kept}\n"));
        }
        for relay in &entry.relays {
            out.push_str(&format!("    relays {}\n", shown(relay.as_bytes())));
        }
        for hit in &entry.hits {
            out.push_str(&format!("    {:>6.1}  {}  {}\n", hit.score, hit.rule, shown(hit.description.as_bytes())));
            for evidence in &hit.evidence {
                out.push_str(&format!("              {}: {}\n", evidence.view, shown(&evidence.matched.0)));
            }
        }
        for trouble in &entry.troubles {
            out.push_str(&format!("    trouble: {}\n", shown(trouble.as_bytes())));
        }
    }
    out
}
