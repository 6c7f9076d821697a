//! Feeds: rules and signatures that others publish, from their servers to the folder that the service reads.
//!
//! For each feed, in this order: fetch into a staging folder, check checksum and signature, parse, try on good mail, swap in
//! one step. Whatever fails leaves what was there. The `feeds` crate judges bytes; here are the sockets, files and clock.
//!
//! ```text
//! FOLDER/NAME/current -> gen-7   what counts: one link, changed in one step
//! FOLDER/NAME/gen-6, gen-7       the last good set and the one before
//! FOLDER/NAME/state.json         what was asked, when, and what came of it
//! FOLDER/NAME/lock               held while the feed is being updated
//! FOLDER/local/                  overrides: ours (suspended.*) and the administrator's, read after all feeds
//! FOLDER/added.toml              feeds added by command
//! ```

mod fetch;
pub mod generations;
pub mod parse;
pub mod progress;
pub mod state;
pub mod suspended;
mod trial;
pub mod update;

use crate::config::{self, Config};
use crate::rule_files::Selection;
use anyhow::Context;
use feeds::shape::Kind;
use feeds::{Fetch, Risk, Source};
use generations::Shelf;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A publisher as configured.
#[derive(Debug, Clone)]
pub struct Feed {
    pub name: String,
    pub how: How,
    /// Empty: whatever the archive, channel or database holds.
    pub files: Vec<Wanted>,
    pub every: u64,
    pub on: bool,
    pub pinned: Vec<String>,
    pub key_files: Vec<PathBuf>,
    pub key_url: String,
    /// Rules were scored over much good mail: one that hits good mail is no news.
    pub scored: bool,
    pub risk: Risk,
    /// `None`: the administrator's own.
    pub source: Option<&'static Source>,
    /// What must be given before it can work.
    pub missing: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub risk: Risk,
}

/// How it is had, addresses as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// From the first mirror that has them; rsync:// or http(s)://.
    Mirror {
        mirrors: Vec<String>,
        signature: String,
    },
    /// Each file below these addresses.
    Files {
        bases: Vec<String>,
        checksum: String,
    },
    /// One file; checksum and signature are addresses or empty.
    File {
        url: String,
        checksum: String,
        signature: String,
    },
    Archive {
        urls: Vec<String>,
        checksum: String,
        signature: String,
    },
    Cvd {
        zone: String,
        bases: Vec<String>,
    },
    /// Mirrors in place of those that the channel names.
    Channel {
        zone: String,
        mirrors: Vec<String>,
    },
    Gone {
        reason: &'static str,
    },
}

impl Feed {
    /// Its files belong together: all are swapped or none.
    pub fn is_one_set(&self) -> bool {
        matches!(self.how, How::Channel { .. } | How::Archive { .. } | How::Cvd { .. })
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.how, How::Gone { .. })
    }

    pub fn shelf(&self, config: &Config) -> Shelf {
        Shelf::new(&config.feeds.folder, &self.name)
    }

    /// A set of data, which `sekisho data` shows.
    pub fn is_data(&self) -> bool {
        feeds::data::find(&self.name).is_some()
    }

    /// SpamAssassin's own rules take the place of those that the system brought.
    pub fn replaces_rules(&self) -> bool {
        self.source.is_some_and(|source| matches!(source.fetch, Fetch::Channel { .. }))
    }
}

/// What was added, and turned on and off, by command.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Added {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feed: Vec<config::Feed>,
}

const ADDED: &str = "added.toml";

impl Added {
    pub fn load(folder: &Path) -> anyhow::Result<Added> {
        let path = folder.join(ADDED);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Added::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    pub fn store(&self, config: &Config) -> anyhow::Result<()> {
        let folder = &config.feeds.folder;
        make_home(config)?;
        let head = "# Written by `sekisho feeds add` and `sekisho feeds remove`.\n";
        generations::write_whole(&folder.join(ADDED), (head.to_owned() + &toml::to_string(self)?).as_bytes())
            .with_context(|| folder.join(ADDED).display().to_string())
    }
}

/// The folder of all feeds.
pub fn make_home(config: &Config) -> anyhow::Result<()> {
    let folder = &config.feeds.folder;
    generations::make_folder(folder).with_context(|| format!("feeds.folder: {}", folder.display()))
}

/// All feeds, those that we know first, as the configuration and the commands have them.
pub fn all(config: &Config) -> anyhow::Result<Vec<Feed>> {
    let added = Added::load(&config.feeds.folder)?;
    let mut all: Vec<Feed> =
        feeds::SOURCES.iter().chain(feeds::data::DATA).map(|source| known(config, &added, source)).collect();
    let own =
        config.feed.iter().chain(added.feed.iter().filter(|feed| config.feed.iter().all(|own| own.name != feed.name)));
    all.extend(own.filter(|feed| feed.check().is_ok()).map(|feed| own_feed(config, &added, feed)));
    Ok(all)
}

fn known(config: &Config, added: &Added, source: &'static Source) -> Feed {
    let settings = &config.feeds;
    let said = |list: &[String]| list.iter().any(|name| name == source.name);
    let recommended = source.recommended && settings.on.iter().any(|name| name == "recommended");
    let on = (said(&settings.on) || recommended || said(&added.on)) && !said(&added.off);
    let listed = |list: &[String], file: &str| {
        list.iter().any(|entry| entry.split_once('/').is_some_and(|(feed, name)| feed == source.name && name == file))
    };
    let wanted = |file: &&feeds::File| {
        let usual = file.on && settings.risk.allows(file.risk);
        let bold = settings.risk == config::Risk::High && file.risk == Risk::High;
        (usual || bold || listed(&settings.also, file.name)) && !listed(&settings.never, file.name)
    };
    let mirrors = settings.mirrors.get(source.name);
    let or_ours = |ours: &[&str]| -> Vec<String> {
        mirrors.cloned().unwrap_or_else(|| ours.iter().map(|url| (*url).to_owned()).collect())
    };
    let account = settings.accounts.get(source.name);
    let how = match source.fetch {
        Fetch::Mirror { rsync, http, signature } => {
            How::Mirror { mirrors: or_ours(&[rsync, http].concat()), signature: signature.into() }
        }
        Fetch::Files { base, checksum } => How::Files {
            bases: or_ours(&[base])
                .into_iter()
                .map(|base| base.replace("{account}", account.map_or("", String::as_str)))
                .collect(),
            checksum: checksum.into(),
        },
        Fetch::Archive { url } => {
            How::Archive { urls: or_ours(&[url]), checksum: String::new(), signature: String::new() }
        }
        Fetch::Cvd { zone, base } => How::Cvd { zone: zone.into(), bases: or_ours(&[base]) },
        Fetch::Channel { zone } => How::Channel { zone: zone.into(), mirrors: mirrors.cloned().unwrap_or_default() },
        Fetch::Gone { reason } => How::Gone { reason },
    };
    let wanted: Vec<&feeds::File> = source.files.iter().filter(wanted).collect();
    let pinned = match settings.fingerprints.get(source.name) {
        Some(own) => own.clone(),
        None => source.keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    Feed {
        name: source.name.into(),
        missing: (source.account && account.is_none())
            .then(|| format!("an account: feeds.accounts = {{ {} = \"ID\" }}", source.name)),
        how,
        risk: wanted.iter().map(|file| file.risk).max().unwrap_or(Risk::Low),
        files: wanted.iter().map(|file| Wanted { name: file.name.into(), risk: file.risk }).collect(),
        every: u64::from(source.every),
        on,
        key_files: key_files(config, source.name, &source.key_files.iter().map(PathBuf::from).collect::<Vec<_>>()),
        pinned,
        // Whoever says which key it is has it from elsewhere.
        key_url: if settings.fingerprints.contains_key(source.name) { String::new() } else { source.key_url.into() },
        scored: source.scored,
        source: Some(source),
    }
}

fn own_feed(config: &Config, added: &Added, feed: &config::Feed) -> Feed {
    let beside = |address: &str| match address {
        "" => String::new(),
        whole if whole.contains("://") => whole.to_owned(),
        ending => format!("{}{ending}", feed.url),
    };
    let (checksum, signature) = (beside(&feed.checksum), beside(&feed.signature));
    let file = feed.file_name().to_owned();
    let how = match (feed.channel.is_empty(), feeds::shape::kind(&file)) {
        (false, _) => How::Channel {
            zone: feed.channel.clone(),
            mirrors: config.feeds.mirrors.get(&feed.name).cloned().unwrap_or_default(),
        },
        (true, Kind::Archive) => How::Archive { urls: vec![feed.url.clone()], checksum, signature },
        (true, _) => How::File { url: feed.url.clone(), checksum, signature },
    };
    let one = matches!(how, How::File { .. });
    let risk = feed.risk.into();
    Feed {
        name: feed.name.clone(),
        how,
        files: if one { vec![Wanted { name: file, risk }] } else { Vec::new() },
        every: feed.every.0.as_secs(),
        on: feed.on && !added.off.contains(&feed.name),
        pinned: if feed.fingerprint.is_empty() { Vec::new() } else { vec![feed.fingerprint.clone()] },
        key_files: match feed.key.as_os_str().is_empty() {
            true => key_files(config, &feed.name, &[]),
            false => vec![feed.key.clone()],
        },
        key_url: String::new(),
        scored: false,
        risk,
        source: None,
        missing: None,
    }
}

/// Where a key may be: the administrator's folder, what we fetched before, what distributions install.
fn key_files(config: &Config, name: &str, usual: &[PathBuf]) -> Vec<PathBuf> {
    let given = ["asc", "gpg", "txt"].map(|ending| config.feeds.keys.join(format!("{name}.{ending}")));
    let fetched = config.feeds.folder.join(name).join(generations::KEY);
    given.into_iter().chain([fetched]).chain(usual.iter().cloned()).collect()
}

/// The rules that the configuration names, those of feeds among them.
pub fn selection(config: &Config) -> Selection {
    selection_with(config, None)
}

/// The same, were this folder what the feed has.
fn selection_with(config: &Config, instead: Option<(&str, &Path)>) -> Selection {
    let local = config.dns.ask == crate::config::dns::Ask::No || crate::environment::is_local();
    let names = config.impersonation.lines();
    let mut selection = Selection { rule_set: config.rules.set, names, local, ..Selection::default() };
    for feed in all(config).unwrap_or_default() {
        let folder = match instead {
            Some((name, folder)) if name == feed.name => Some(folder.to_owned()),
            _ if feed.on => feed.shelf(config).current(),
            _ => None,
        };
        if let Some(folder) = &folder {
            let database = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
            match feed.name.as_str() {
                "country" => selection.countries = database("asn-country.mmdb"),
                "asn" => selection.systems = database("asn.mmdb"),
                "publicsuffix" => selection.suffixes = database(SUFFIXES),
                _ => {}
            }
        }
        let Some(folder) = folder.filter(|folder| holds_rules(folder)) else { continue };
        match feed.replaces_rules() {
            true => selection.rules_path = Some(folder),
            false => selection.extra.push(folder),
        }
    }
    let local = suspended::folder(config);
    if holds_rules(&local) {
        selection.extra.push(local);
    }
    if config.isp.file.is_file() {
        selection.extra.push(config.isp.file.clone());
    }
    selection.extra.extend(config.rules.extra.iter().cloned());
    selection
}

/// Folders with the registries' statistics: the administrator's own, then what was fetched.
pub fn registries(config: &Config, own: &Path) -> Vec<PathBuf> {
    let fetched = all(config).unwrap_or_default().into_iter().filter(|feed| feed.on && feed.name.starts_with("rir-"));
    std::iter::once(own.to_owned()).chain(fetched.filter_map(|feed| feed.shelf(config).current())).collect()
}

/// The set's file.
const SUFFIXES: &str = "public_suffix_list.dat";

/// The Public Suffix List in force: the one that was fetched. `None`: the one that is compiled in.
pub fn suffixes(config: &Config) -> Option<PathBuf> {
    selection(config).suffixes
}

fn holds_rules(folder: &Path) -> bool {
    names(folder).iter().any(|name| feeds::shape::kind(name) == Kind::Rules)
}

/// Something small by HTTP, with the proxy and the authorities of the feeds.
pub fn fetched(settings: &config::Feeds, url: &str) -> anyhow::Result<Vec<u8>> {
    let client = fetch::http::Client::new(settings)?;
    client.get_small(url, &progress::Progress::silent()).map_err(|failure| anyhow::anyhow!("{failure}"))
}

/// Files of a folder, by name.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The signatures that the configuration names, with the folders of feeds, and the overrides at last.
pub fn signatures(config: &Config) -> config::Signatures {
    let on = all(config).unwrap_or_default().into_iter().filter(|feed| feed.on);
    let mut folders: Vec<PathBuf> = on.filter_map(|feed| feed.shelf(config).current()).collect();
    folders.push(suspended::folder(config));
    folders.retain(|folder| holds_signatures(folder));
    let mut signatures = config.signatures.clone();
    signatures.folders.extend(folders);
    signatures
}

fn holds_signatures(folder: &Path) -> bool {
    names(folder).iter().any(|name| matches!(feeds::shape::kind(name), Kind::Signatures | Kind::Container))
}
