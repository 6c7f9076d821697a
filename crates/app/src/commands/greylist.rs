//! `sekisho greylist`: who waits, who is known, and changing that.

use super::{Format, WithStore, shown};
use crate::language::{self, said};
use crate::output::Output;
use crate::serve::gate;
use crate::{CLEAN, FOUND, environment};
use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use std::net::IpAddr;
use store::seen::{Seen, Sighting};

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Who was asked to come again, who came, and which clients are known. Exit 1: nobody
    Show {
        /// Only what names this client, sender or recipient
        text: Option<String>,
        /// Only these
        #[arg(long)]
        kind: Option<Shown>,
        /// At most so many, the newest first
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// A client is unknown again, with all that it sent. Exit 1: it was unknown
    Forget {
        /// Its address
        client: IpAddr,
    },
    /// A client is known from now on, and no longer asked to come again
    Allow {
        /// Its address; its whole network is meant (/24, or /64)
        client: IpAddr,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// Sender and recipient of a client that must come again
    Waiting,
    /// Those that came
    Passed,
    /// Clients that came so often that they are no longer asked
    Known,
}

/// Sightings read at once.
const PAGE: usize = 1000;

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, store) = arguments.store.open()?;
    let seen = store.seen();
    let policy = config.greylist.policy();
    let now = environment::now();
    let mut output = Output::new();
    let mut code = CLEAN;
    match &arguments.what {
        What::Show { text, kind, limit, format } => {
            let text = text.as_ref().map(|text| text.to_ascii_lowercase());
            let known = |client: &Sighting| policy.clients_after > 0 && client.count >= policy.clients_after;
            let wanted = |sighting: &Sighting| {
                sighting.expires > now
                    && text.as_ref().is_none_or(|text| sighting.what.lossy().contains(text))
                    && kind.is_none_or(|kind| kind == state(sighting))
                    && (state(sighting) != Shown::Known || known(sighting))
            };
            let mut found = matching(&seen, "client", wanted)?;
            found.extend(matching(&seen, "triplet", wanted)?);
            found.sort_by_key(|sighting| std::cmp::Reverse(sighting.last));
            found.truncate(*limit);
            for sighting in &found {
                match format {
                    Format::Json => output.line(&serde_json::to_string(sighting)?)?,
                    Format::Text => output.line(&line(sighting))?,
                }
            }
            if found.is_empty() {
                language::tell_nothing();
            }
            code = if found.is_empty() { FOUND } else { CLEAN };
        }
        What::Forget { client } => {
            let client = gate::network(*client, 64);
            let mut forgotten = u32::from(seen.forget_client(&client)?);
            let start = format!("{client} ");
            for triplet in matching(&seen, "triplet", |triplet| triplet.what.0.starts_with(start.as_bytes()))? {
                forgotten += u32::from(seen.forget(&triplet)?);
            }
            if forgotten == 0 {
                eprintln!("sekisho: {}", said!("{client} is unknown", "{client} は未知です"));
                code = FOUND;
            } else {
                output.line(&said!("{client} is unknown again", "{client} を未知に戻しました"))?;
            }
        }
        What::Allow { client } => {
            if policy.clients_after == 0 {
                bail!(
                    "{}",
                    said!(
                        "greylist.known_after is 0: no client is ever known; use: sekisho list add network ... --allow",
                        "greylist.known_after が 0 なので、接続元は既知になりません。sekisho list add network ... --allow を使ってください"
                    )
                );
            }
            let client = gate::network(*client, 64);
            seen.know_client(&client, &policy, now)?;
            output.line(&said!("{client} is known", "{client} を既知にしました"))?;
        }
    }
    output.flush()?;
    Ok(code)
}

/// All of a kind that are wanted, read page by page: a greylist may hold far more than is asked for.
fn matching(seen: &Seen, kind: &str, wanted: impl Fn(&Sighting) -> bool) -> store::Result<Vec<Sighting>> {
    let mut found = Vec::new();
    let mut last: Option<Sighting> = None;
    loop {
        let page = seen.list(kind, last.as_ref(), PAGE)?;
        found.extend(page.iter().filter(|sighting| wanted(sighting)).cloned());
        if page.len() < PAGE {
            return Ok(found);
        }
        last = page.into_iter().next_back();
    }
}

fn state(sighting: &Sighting) -> Shown {
    match (sighting.kind.as_str(), sighting.passed) {
        ("client", _) => Shown::Known,
        (_, Some(_)) => Shown::Passed,
        (_, None) => Shown::Waiting,
    }
}

fn line(sighting: &Sighting) -> String {
    let state = match state(sighting) {
        Shown::Known => "known",
        Shown::Passed => "passed",
        Shown::Waiting => "waiting",
    };
    format!(
        "{state:<7}  {}  {:>4}  {}",
        environment::local_time(sighting.last.seconds()),
        sighting.count,
        shown(&sighting.what.0)
    )
}
