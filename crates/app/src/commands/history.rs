//! `sekisho history`: what came, what became of it, and why.

use super::check::is_meta;
use super::shown;
use super::{Format, StoreArguments};
use crate::language;
use crate::output::{Colour, Output, Painter};
use crate::serve::decide;
use crate::{CLEAN, FOUND, environment};
use store::history::{Entry, ForRecipient, Query};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Words of subject, sender, recipients, rules; 請求 finds 請求書
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
    /// At most so many, the newest first
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How results are written
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
    if entries.is_empty() {
        language::tell_nothing();
    }
    Ok(if entries.is_empty() { FOUND } else { CLEAN })
}

fn text(entry: &Entry, explain: bool) -> String {
    let mut actions: Vec<String> = entry.recipients.iter().map(action).collect();
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
        out.push_str(&format!(
            "    {}: {} {}\n",
            language::CLIENT,
            entry.client_address,
            shown(entry.client_name.as_bytes())
        ));
        for kept in entry.recipients.iter().filter_map(|to| to.quarantined) {
            out.push_str(&format!("    {} {kept}\n", language::QUARANTINED_AS));
        }
        for relay in &entry.relays {
            out.push_str(&format!("    {}: {}\n", language::RELAYS, shown(relay.as_bytes())));
        }
        for hit in &entry.hits {
            out.push_str(&format!("    {:>6.1}  {}  {}\n", hit.score, hit.rule, shown(hit.description.as_bytes())));
            for evidence in &hit.evidence {
                out.push_str(&format!("              {}: {}\n", evidence.view, shown(&evidence.matched.0)));
            }
        }
        for trouble in &entry.troubles {
            out.push_str(&format!("    {}: {}\n", language::TROUBLE_WITH, shown(trouble.as_bytes())));
        }
    }
    out
}

/// What became of it; in brackets what would have, had we not only watched.
fn action(to: &ForRecipient) -> String {
    match to.reason.starts_with(decide::OBSERVED) && to.action != "pass" {
        true => format!("({})", to.action),
        false => to.action.clone(),
    }
}

/// All that is known of a message, for people.
pub fn explanation(entry: &Entry, painter: Painter) -> String {
    let label = |name: &language::Message| painter.paint(Colour::Blue, name.text());
    let name = if entry.queue_id.is_empty() { entry.id.to_string() } else { shown(entry.queue_id.as_bytes()) };
    let judgement = match entry.spam {
        true => painter.paint(Colour::Red, language::SPAM.text()),
        false => painter.paint(Colour::Green, language::HAM.text()),
    };
    let mut out = format!(
        "{}  {}  {judgement}  {:.1} {} ({} {:.1})\n",
        painter.paint(Colour::Bold, &name),
        environment::local_time(entry.id.time().seconds()),
        entry.score,
        language::POINTS,
        language::REQUIRED,
        entry.required
    );
    let mut field = |name: &language::Message, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("  {}: {value}\n", label(name)));
        }
    };
    field(&language::ENVELOPE_SENDER, &format!("<{}>", shown(&entry.sender.0)));
    field(&language::FROM, &shown(entry.from.as_bytes()));
    field(&language::SUBJECT, &shown(entry.subject.as_bytes()));
    field(&language::MESSAGE_ID, &shown(&entry.message_id.0));
    field(
        &language::CLIENT,
        shown(format!("{} {}", entry.client_address, entry.client_name).trim().as_bytes()).as_str(),
    );
    field(&language::HELO, &shown(&entry.helo.0));
    field(&language::LOGIN, &shown(entry.login.as_bytes()));
    field(&language::CAME_BY, &format!("{} ({})", shown(entry.listener.as_bytes()), shown(entry.direction.as_bytes())));
    field(&language::CATEGORIES, &entry.categories.join(", "));
    field(&language::SIZE, &format!("{} ({} ms)", entry.size, entry.took_ms));
    let mut table = |name: &language::Message, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("  {}:\n", label(name)));
            lines.iter().for_each(|line| out.push_str(&format!("    {line}\n")));
        }
    };
    let became = |to: &ForRecipient| {
        let mut line = format!("<{}>: {}", shown(&to.recipient.0), action(to));
        if !to.reason.is_empty() {
            line.push_str(&format!(" ({})", shown(to.reason.as_bytes())));
        }
        if let Some(id) = to.quarantined {
            line.push_str(&format!("; {} {id}", language::QUARANTINED_AS));
        }
        line
    };
    table(&language::BECAME, entry.recipients.iter().map(became).collect());
    table(&language::RELAYS, entry.relays.iter().map(|relay| shown(relay.as_bytes())).collect());
    let mut hits = Vec::new();
    for hit in &entry.hits {
        hits.push(format!("{:>6.1}  {}  {}", hit.score, hit.rule, shown(hit.description.as_bytes())));
        hits.extend(hit.evidence.iter().map(|seen| match seen.view.as_str() {
            view if is_meta(view) => format!("          {view} {}", shown(&seen.matched.0)),
            view => format!("          {view} @{} \"{}\"", seen.offset, shown(&seen.matched.0)),
        }));
        hits.extend(hit.notes.iter().map(|note| format!("          {}", shown(note.as_bytes()))));
    }
    if hits.is_empty() {
        hits.push(language::NO_HITS.to_string());
    }
    table(&language::HITS, hits);
    table(&language::TROUBLES, entry.troubles.iter().map(|trouble| shown(trouble.as_bytes())).collect());
    let details = entry.details.iter().map(|(name, value)| format!("{name}: {}", shown(value.as_bytes())));
    table(&language::DETAILS, details.collect());
    out.push('\n');
    out
}
