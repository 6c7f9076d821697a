//! `sekisho reputation`: what senders' mail scored on average, since when mail has mentioned a name, and forgetting it.

use super::{Format, WithStore, shown};
use crate::answers::reputation::mention_kind;
use crate::language::{self, Message};
use crate::output::Output;
use crate::{CLEAN, FOUND, environment};
use clap::Subcommand;
use engine::Mention;
use mail::tld::Registry;
use store::Store;
use store::reputation::{Reputation, Standing};
use store::seen::Sighting;

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Averages that TxRep and AWL go by, the most mail first; of an address, a domain or a link also since when mail has
    /// mentioned it. Exit 1: nothing
    Show {
        /// Only names with this in them: an address, a domain, a link
        text: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Forget what mail of this sender scored, and that this name was mentioned. Exit 1: nothing was known
    Forget {
        /// An address, a domain, a link or an IP address
        who: String,
    },
}

/// As the checks name them.
const KINDS: [&str; 6] = ["awl", "domain", "email", "email_ip", "helo", "ip"];
const PAGE: usize = 1000;

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (_, store) = arguments.store.open()?;
    let shelf = store.reputation();
    let mut output = Output::new();
    let found = match &arguments.what {
        What::Show { text, limit, format } => {
            let wanted = text.as_deref().map(name_in).unwrap_or_default();
            let mentions = text.as_deref().map_or(Ok(Vec::new()), |text| mentions(&store, text))?;
            for sighting in &mentions {
                output.line(&mention_line(sighting, *format))?;
            }
            let mut all = standings(&shelf, |standing| standing.who.lossy().contains(&wanted))?;
            all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.who.cmp(&b.who)));
            for standing in all.iter().take(*limit) {
                output.line(&line(standing, *format))?;
            }
            !all.is_empty() || !mentions.is_empty()
        }
        What::Forget { who } => {
            let mut names = 0;
            for sighting in mentions(&store, who)? {
                names += usize::from(store.seen().forget(&sighting)?);
            }
            let who = name_in(who);
            let is = |standing: &Standing| {
                let name = standing.who.lossy();
                name == who || name.strip_prefix(&who).is_some_and(|rest| rest.starts_with('|'))
            };
            let mut forgotten = 0;
            for standing in standings(&shelf, is)? {
                forgotten += usize::from(shelf.forget(&standing)?);
            }
            output.line(&format!("{forgotten} {FORGOTTEN}"))?;
            if names > 0 {
                output.line(&format!("{names} {NAMES_FORGOTTEN}"))?;
            }
            forgotten + names > 0
        }
    };
    output.flush()?;
    if !found {
        language::tell_nothing();
    }
    Ok(if found { CLEAN } else { FOUND })
}

/// What a link leads to, else what was written.
fn name_in(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let Some((_, rest)) = text.split_once("://") else { return text };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_owned()
}

/// The name itself, and of a host the registered domain, which is what is remembered.
fn mentions(store: &Store, text: &str) -> anyhow::Result<Vec<Sighting>> {
    let name = name_in(text);
    let registry = Registry::default();
    let domain = String::from_utf8_lossy(registry.trim_domain(name.as_bytes())).into_owned();
    let mut found = Vec::new();
    for (what, name) in [(Mention::Address, &name), (Mention::Domain, &name), (Mention::Domain, &domain)] {
        let known = store.seen().known(mention_kind(what), name.as_bytes(), environment::now())?;
        if let Some(known) = known
            && !found.contains(&known)
        {
            found.push(known);
        }
    }
    Ok(found)
}

fn mention_line(sighting: &Sighting, format: Format) -> String {
    let ham = sighting.count.saturating_sub(sighting.spam);
    match format {
        Format::Text => format!(
            "{}  {SINCE} {}, {LAST} {}; {SPAM}: {}, {HAM}: {ham}  ({})",
            shown(&sighting.what.0),
            environment::local_day(sighting.first.seconds()),
            environment::local_day(sighting.last.seconds()),
            sighting.spam,
            sighting.kind,
        ),
        Format::Json => serde_json::json!({
            "kind": sighting.kind,
            "who": sighting.what.lossy(),
            "first": sighting.first.seconds(),
            "last": sighting.last.seconds(),
            "ham": ham,
            "spam": sighting.spam,
        })
        .to_string(),
    }
}

fn standings(shelf: &Reputation, wanted: impl Fn(&Standing) -> bool) -> anyhow::Result<Vec<Standing>> {
    let mut found = Vec::new();
    for kind in KINDS {
        let mut last: Option<Standing> = None;
        loop {
            let page = shelf.list(kind, last.as_ref(), PAGE)?;
            let full = page.len() == PAGE;
            last = page.last().cloned();
            found.extend(page.into_iter().filter(&wanted));
            if !full {
                break;
            }
        }
    }
    Ok(found)
}

fn line(standing: &Standing, format: Format) -> String {
    let mean = standing.mean() as f64 / 1000.0;
    match format {
        Format::Text => format!(
            "{mean:7.2}  {:6} {MESSAGES}  {}  {:8}  {}",
            standing.count,
            environment::local_day(standing.last.seconds()),
            standing.kind,
            shown(&standing.who.0)
        ),
        Format::Json => serde_json::json!({
            "mean": mean,
            "count": standing.count,
            "kind": standing.kind,
            "who": standing.who.lossy(),
            "first": standing.first.seconds(),
            "last": standing.last.seconds(),
        })
        .to_string(),
    }
}

const MESSAGES: Message = Message::new("messages", "通");
const SINCE: Message = Message::new("mentioned since", "初出");
const LAST: Message = Message::new("last", "最終");
const SPAM: Message = Message::new("in spam", "スパム中");
const HAM: Message = Message::new("else", "その他");
const NAMES_FORGOTTEN: Message = Message::new("mentioned names forgotten", "件の言及を消しました");
const FORGOTTEN: Message = Message::new("averages forgotten", "件の平均を消しました");
