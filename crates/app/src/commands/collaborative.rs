//! Messages reported as spam to the networks of digests, or taken back: what `sekisho report FILE`, `spamassassin -r` and
//! spamd's TELL do.
//!
//! A network takes part where a rule file loads its plugin, its `use_...` setting is not 0 and the configuration says whom
//! to ask. Our own marks are taken off first, since the network never saw them.

use super::{RuleArguments, StoreArguments, service_config};
use crate::answers::digests::{Deed, prepare};
use crate::config::digests::Digests;
use crate::debug::Debug;
use crate::input::{self, Format};
use crate::output::Output;
use crate::{CLEAN, TROUBLE, language, loading};
use engine::{Engine, Network};
use mail::Message;
use mail::views::Views;
use std::path::PathBuf;

/// What to report with.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Take back what was reported: these messages are no spam
    #[arg(long, requires = "files")]
    revoke: bool,
    #[command(flatten)]
    rules: RuleArguments,
}

/// What each network made of it, by its name; empty: there is none to tell.
pub type Told = Vec<(&'static str, anyhow::Result<()>)>;

/// Tells the networks; waits for them. Not from within an asynchronous runtime.
pub fn tell(message: &Message, deed: Deed, engine: &Engine, config: &Digests) -> anyhow::Result<Told> {
    let settings = &engine.ruleset.settings;
    let clean = engine::markup::unmark(message, &engine.style);
    let views = Views::new(message, &engine.views);
    let candidates = [
        ("Pyzor", "use_pyzor", Network::Pyzor),
        ("Razor2", "use_razor2", Network::Razor),
        ("DCC", "use_dcc", engine::checks::digests::dcc(&views)),
    ];
    let wanted = candidates.into_iter().filter(|(plugin, switch, network)| {
        let on = settings.other(switch).is_none_or(|value| value.trim() != "0");
        // DCC has no way to take a report back.
        let able = deed == Deed::Report || !matches!(network, Network::Dcc { .. });
        on && able && engine.ruleset.has_plugin(plugin)
    });
    let prepared: Vec<_> = wanted
        .filter_map(|(_, _, network)| Some((network.title(), prepare(&network, config, settings, &clean, deed)?)))
        .collect();
    if prepared.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let asked: Vec<_> =
            prepared.into_iter().map(|(title, prepared)| (title, tokio::spawn(prepared.tell(deed)))).collect();
        let mut told = Vec::new();
        for (title, task) in asked {
            told.push((title, task.await.unwrap_or_else(|error| Err(error.into()))));
        }
        told
    }))
}

/// `sekisho report FILE...`: 0 all told, 2 some network was not, or there is none.
pub fn report(files: &[PathBuf], options: &Options, store: &StoreArguments) -> anyhow::Result<u8> {
    let deed = if options.revoke { Deed::Revoke } else { Deed::Report };
    let config = service_config(store.config.as_deref())?;
    let selection = options.rules.selection(&config);
    if selection.local || config.dns.ask != crate::config::dns::Ask::Yes {
        anyhow::bail!("{}", language::NETWORK_OFF);
    }
    let loaded = loading::load(&selection, !options.rules.no_cache, false, &Debug::new(None));
    let mut output = Output::new();
    let mut code = CLEAN;
    for place in input::find(files, Format::Detect) {
        let name = place.name();
        let raw = match place.read() {
            Ok(raw) => raw,
            Err(error) => {
                eprintln!("{name}: {error}");
                code = TROUBLE;
                continue;
            }
        };
        let message = Message::parse(&raw, &loaded.engine.views.limits);
        let told = tell(&message, deed, &loaded.engine, &config.digests)?;
        if told.is_empty() {
            anyhow::bail!("{}", language::NO_NETWORKS);
        }
        for (network, result) in told {
            match result {
                Ok(()) => {
                    let what = if options.revoke { language::REVOKED_FROM } else { language::REPORTED_TO };
                    output.line(&format!("{name}: {what} {network}"))?;
                }
                Err(error) => {
                    eprintln!("{name}: {network}: {error:#}");
                    code = TROUBLE;
                }
            }
        }
    }
    output.flush()?;
    Ok(code)
}
