//! `[feeds]` and `[[feed]]`: whose rules and signatures are fetched, how often, and what is done before they count.

use super::units::{Size, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feeds {
    pub folder: PathBuf,
    /// Names of `sekisho feeds list`; `recommended`: those that it recommends.
    pub on: Vec<String>,
    /// Files with a worse rating are left out.
    pub risk: Risk,
    /// Single files, `feed/file`, whatever their rating.
    pub also: Vec<String>,
    pub never: Vec<String>,
    /// `serve` updates by itself.
    pub schedule: bool,
    /// The longest random wait before a feed is asked; the shortest is [`SHORTEST`].
    pub delay: Span,
    /// Good mail to try new sets on; empty: no trial.
    pub ham: Vec<PathBuf>,
    /// At most so many messages of it.
    pub ham_messages: usize,
    /// Rules of a lower score may hit good mail.
    pub ham_score: f64,
    /// Folder with the publishers' public keys, `NAME.asc`.
    pub keys: PathBuf,
    /// Fingerprints in place of those that we know.
    pub fingerprints: BTreeMap<String, Vec<String>>,
    pub accounts: BTreeMap<String, String>,
    /// Addresses in place of those that we know.
    pub mirrors: BTreeMap<String, Vec<String>>,
    pub proxy: String,
    /// File with certificates of authorities in place of the system's.
    pub authorities: PathBuf,
    /// A name server in place of the system's; empty: the system's.
    pub dns: String,
    pub timeout: Span,
    pub size: Size,
}

/// Nobody asks a publisher sooner after the hour than this.
pub const SHORTEST: u64 = 30;

impl Default for Feeds {
    fn default() -> Self {
        Feeds {
            folder: "/var/lib/sekisho/feeds".into(),
            on: Vec::new(),
            risk: Risk::Medium,
            also: Vec::new(),
            never: Vec::new(),
            schedule: true,
            delay: Span::seconds(600),
            ham: Vec::new(),
            ham_messages: 1000,
            ham_score: 1.0,
            keys: "/etc/sekisho/keys".into(),
            fingerprints: BTreeMap::new(),
            accounts: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            proxy: String::new(),
            authorities: PathBuf::new(),
            dns: String::new(),
            timeout: Span::seconds(60),
            size: Size(512 << 20),
        }
    }
}

/// How often a file's signatures hit mail that is wanted, as its publisher or others document it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    #[default]
    Medium,
    High,
}

impl Risk {
    pub fn allows(self, risk: feeds::Risk) -> bool {
        match self {
            Risk::Low => risk <= feeds::Risk::Low,
            Risk::Medium => risk <= feeds::Risk::Medium,
            Risk::High => true,
        }
    }
}

impl From<Risk> for feeds::Risk {
    fn from(risk: Risk) -> Self {
        match risk {
            Risk::Low => feeds::Risk::Low,
            Risk::Medium => feeds::Risk::Medium,
            Risk::High => feeds::Risk::High,
        }
    }
}

/// A feed that we do not know.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub name: String,
    /// Of one file of rules (`.cf`), of signatures, or of a compressed tar file of either.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The zone of a channel of `sa-update`, in place of a URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// Under which name we keep it; empty: the last part of the URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Where the checksum is; without `://`: what is added to the URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// Likewise of the detached OpenPGP signature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
    /// The publisher's public key; empty: `feeds.keys`/NAME.asc.
    #[serde(default, skip_serializing_if = "no_path")]
    pub key: PathBuf,
    /// Of the key, if it is to be pinned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Seconds between two questions.
    #[serde(default = "day", with = "seconds")]
    pub every: Span,
    #[serde(default)]
    pub risk: Risk,
    #[serde(default = "yes")]
    pub on: bool,
}

fn yes() -> bool {
    true
}

fn day() -> Span {
    Span::seconds(24 * 3600)
}

fn no_path(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}

mod seconds {
    use super::Span;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}s", span.0.as_secs()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        Span::deserialize(deserializer)
    }
}

impl Feed {
    /// The name under which it is kept.
    pub fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        match self.file.is_empty() {
            true => path.rsplit('/').next().unwrap_or_default(),
            false => &self.file,
        }
    }

    pub fn check(&self) -> Result<(), String> {
        let Feed { name, url, .. } = self;
        if !is_name(name) {
            return Err(format!("feed: name {name:?} must be small letters, digits and - only"));
        }
        if feeds::sources::find(name).is_some()
            || feeds::data::find(name).is_some()
            || name == "local"
            || name == "recommended"
        {
            return Err(format!("feed: {name:?} is a feed that sekisho knows: give yours another name"));
        }
        match (url.is_empty(), self.channel.is_empty()) {
            (false, true) => {
                if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                    return Err(format!("feed {name}: url {url:?} begins with neither https:// nor http://"));
                }
                let file = self.file_name();
                if !feeds::is_plain_name(file) {
                    return Err(format!("feed {name}: {file:?} is no name for a file; say file = \"NAME.cf\""));
                }
                if matches!(feeds::shape::kind(file), feeds::shape::Kind::Other | feeds::shape::Kind::Container) {
                    return Err(format!(
                        "feed {name}: {file} is neither rules (.cf) nor signatures (.ndb, .hdb, ...) nor a .tar.gz of them; say \
                         file = \"NAME.cf\""
                    ));
                }
            }
            (true, false) => {
                if !self.channel.contains('.') || self.channel.contains(['/', ' ', ':']) {
                    return Err(format!(
                        "feed {name}: channel {:?} is no zone such as updates.example.org",
                        self.channel
                    ));
                }
            }
            _ => return Err(format!("feed {name}: url or channel, one of them")),
        }
        if self.every.0.as_secs() < 600 {
            return Err(format!("feed {name}: every must be 10m at least: publishers shut out who asks too often"));
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl Feeds {
    pub fn check(&self, own: &[Feed]) -> Result<(), String> {
        let mut names: Vec<&str> = feeds::SOURCES.iter().chain(feeds::data::DATA).map(|source| source.name).collect();
        for feed in own {
            feed.check()?;
            if names.contains(&feed.name.as_str()) {
                return Err(format!("feed: there are two called {:?}", feed.name));
            }
            names.push(&feed.name);
        }
        let known = |name: &str| names.contains(&name);
        for name in self.on.iter().filter(|name| *name != "recommended") {
            if !known(name) {
                return Err(format!("feeds: on has {name:?}; there are: {}", names.join(", ")));
            }
        }
        for (key, name) in [
            ("fingerprints", self.fingerprints.keys().collect::<Vec<_>>()),
            ("accounts", self.accounts.keys().collect()),
            ("mirrors", self.mirrors.keys().collect()),
        ]
        .into_iter()
        .flat_map(|(key, names)| names.into_iter().map(move |name| (key, name)))
        {
            if !known(name) {
                return Err(format!("feeds: {key} has {name:?}; there are: {}", names.join(", ")));
            }
        }
        for (key, list) in [("also", &self.also), ("never", &self.never)] {
            if let Some(wrong) = list.iter().find(|entry| !entry.split_once('/').is_some_and(|(feed, _)| known(feed))) {
                return Err(format!(
                    "feeds: {key} has {wrong:?}; expected \"FEED/FILE\", as in \"sanesecurity/lott.ndb\""
                ));
            }
        }
        if !self.delay.0.is_zero() && self.delay.0.as_secs() < SHORTEST {
            return Err(format!("feeds: delay must be {SHORTEST}s at least, or 0s where all servers are your own"));
        }
        if self.timeout.0.is_zero() || self.size.0 == 0 {
            return Err("feeds: timeout and size must be more than nothing".into());
        }
        if !self.dns.is_empty() {
            super::dns::server(&self.dns).map_err(|error| format!("feeds: dns: {error}"))?;
        }
        if !self.ham_score.is_finite() {
            return Err("feeds: ham_score must be a number".into());
        }
        Ok(())
    }
}
