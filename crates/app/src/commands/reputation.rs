//! `sekisho reputation`: what senders' mail scored on average, and forgetting it.

use super::{Format, WithStore, shown};
use crate::language::Message;
use crate::output::Output;
use crate::{CLEAN, FOUND, environment};
use clap::Subcommand;
use store::reputation::{Reputation, Standing};

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Averages that TxRep and AWL go by, the most mail first. Exit 1: none
    Show {
        /// Only names with this in them: an address, a domain
        text: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Forget what mail of this sender scored. Exit 1: nothing was known
    Forget {
        /// An address, a domain or an IP address
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
            let wanted = text.as_deref().unwrap_or_default().to_lowercase();
            let mut all = standings(&shelf, |standing| standing.who.lossy().contains(&wanted))?;
            all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.who.cmp(&b.who)));
            for standing in all.iter().take(*limit) {
                output.line(&line(standing, *format))?;
            }
            !all.is_empty()
        }
        What::Forget { who } => {
            let who = who.to_lowercase();
            let is = |standing: &Standing| {
                let name = standing.who.lossy();
                name == who || name.strip_prefix(&who).is_some_and(|rest| rest.starts_with('|'))
            };
            let mut forgotten = 0;
            for standing in standings(&shelf, is)? {
                forgotten += usize::from(shelf.forget(&standing)?);
            }
            output.line(&format!("{forgotten} {FORGOTTEN}"))?;
            forgotten > 0
        }
    };
    output.flush()?;
    Ok(if found { CLEAN } else { FOUND })
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
const FORGOTTEN: Message = Message::new("averages forgotten", "件の平均を消しました");
