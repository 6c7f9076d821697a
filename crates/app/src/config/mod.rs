//! `sekisho.toml`: what the administrator says, read once, whole or not at all.
//!
//! A key that is not known, a value that cannot be meant and a socket that cannot be read are errors with their place;
//! the service keeps what it has rather than run with half of a configuration.

mod units;

use crate::rule_files::RuleSet;
use crate::serve::listen::Address;
use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};
pub use units::{Size, SocketMode, Span};

/// The sample file: all keys, commented out, with their defaults.
pub const SAMPLE: &str = include_str!("sekisho.toml");

/// Where the configuration is, unless the command line says otherwise; the first that exists counts.
pub const PLACES: &[&str] = &["/etc/sekisho/sekisho.toml", "/usr/local/etc/sekisho/sekisho.toml"];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub mode: Mode,
    pub listen: Vec<Listen>,
    pub rules: Rules,
    pub actions: Actions,
    outbound: Changes,
    pub limits: Limits,
    pub store: Store,
    pub log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Filter,
    Observe,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    pub protocol: String,
    pub socket: Address,
    /// Of a Unix socket.
    #[serde(default)]
    pub mode: SocketMode,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub group: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    pub set: RuleSet,
    pub extra: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpamAction {
    Pass,
    Tag,
    Quarantine,
    Hold,
    Reject,
    Discard,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Actions {
    pub spam: SpamAction,
    pub quarantine_at: f64,
    pub hold_at: f64,
    pub reject_at: f64,
    pub discard_at: f64,
    pub reject_text: String,
    pub remove_foreign_headers: bool,
}

/// [`Actions`] as far as they differ.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes {
    spam: Option<SpamAction>,
    quarantine_at: Option<f64>,
    hold_at: Option<f64>,
    reject_at: Option<f64>,
    discard_at: Option<f64>,
    reject_text: Option<String>,
    remove_foreign_headers: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub concurrent: usize,
    pub connections: usize,
    pub deadline: Span,
    pub late: Late,
    pub idle: Span,
    pub message: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    Defer,
    Pass,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    pub location: String,
    pub history: Span,
    pub quarantine: Span,
    pub quarantine_size: Size,
    pub release: Vec<String>,
}

impl Default for Store {
    fn default() -> Self {
        let day = 24 * 3600;
        Store {
            location: "/var/lib/sekisho/store".into(),
            history: Span::seconds(90 * day),
            quarantine: Span::seconds(30 * day),
            quarantine_size: Size(5 << 30),
            release: ["/usr/sbin/sendmail", "-i", "-G"].map(str::to_owned).to_vec(),
        }
    }
}

impl Store {
    /// `None` where there is to be none.
    pub fn open(&self) -> anyhow::Result<Option<store::Store>> {
        if self.location.is_empty() {
            return Ok(None);
        }
        let told = |error: store::Error| anyhow::anyhow!("store: {error}. {}", error.remedy());
        let location: store::Location = self.location.parse().map_err(told)?;
        store::Store::open(&location).map(Some).map_err(told)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let listen = |protocol: &str, port| Listen {
            protocol: protocol.into(),
            socket: Address::Inet("127.0.0.1".into(), port),
            mode: SocketMode::default(),
            owner: String::new(),
            group: String::new(),
        };
        Config {
            mode: Mode::Filter,
            listen: vec![listen("milter", 8899), listen("spamd", 783)],
            rules: Rules::default(),
            actions: Actions::default(),
            outbound: Changes::default(),
            limits: Limits::default(),
            store: Store::default(),
            log: Log { format: LogFormat::Text },
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules { set: RuleSet::Installed, extra: Vec::new() }
    }
}

impl Default for Actions {
    fn default() -> Self {
        Actions {
            spam: SpamAction::Tag,
            quarantine_at: 0.0,
            hold_at: 0.0,
            reject_at: 0.0,
            discard_at: 0.0,
            reject_text: "Message refused: it looks like spam".into(),
            remove_foreign_headers: true,
        }
    }
}

impl Actions {
    fn uses_quarantine(&self) -> bool {
        self.spam == SpamAction::Quarantine || self.quarantine_at > 0.0
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            concurrent: 0,
            connections: 1000,
            deadline: Span::seconds(60),
            late: Late::Defer,
            idle: Span::seconds(3600),
            message: Size(32 << 20),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text }
    }
}

impl Config {
    pub fn parse(text: &str) -> anyhow::Result<Config> {
        let config: Config = toml::from_str(text)?;
        for listen in &config.listen {
            if protocols::protocol(&listen.protocol).is_none() || !SERVED.contains(&listen.protocol.as_str()) {
                anyhow::bail!("listen: protocol {:?} is not served; there are: {}", listen.protocol, SERVED.join(", "));
            }
        }
        if config.limits.deadline.0.is_zero() || config.limits.idle.0.is_zero() {
            anyhow::bail!("limits: deadline and idle must be longer than nothing");
        }
        for actions in [config.actions(false), config.actions(true)] {
            if actions.uses_quarantine() && config.store.location.is_empty() {
                anyhow::bail!("actions: there is no quarantine without a store: set store.location");
            }
            for score in [actions.quarantine_at, actions.hold_at, actions.reject_at, actions.discard_at] {
                if !score.is_finite() || score < 0.0 {
                    anyhow::bail!("actions: {score} is no score from which something can be done; 0 means never");
                }
            }
        }
        if config.store.release.is_empty() {
            anyhow::bail!("store: release names no program");
        }
        Ok(config)
    }

    /// Reads `path`, or the first of [`PLACES`], or takes the defaults; tells which.
    pub fn load(path: Option<&Path>) -> anyhow::Result<(Config, Option<PathBuf>)> {
        let found = path.map(Path::to_owned).or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.exists()));
        let Some(found) = found else { return Ok((Config::default(), None)) };
        let text = std::fs::read_to_string(&found).with_context(|| found.display().to_string())?;
        let config = Config::parse(&text).with_context(|| found.display().to_string())?;
        Ok((config, Some(found)))
    }

    /// What holds for mail of this direction.
    pub fn actions(&self, outbound: bool) -> Actions {
        let mut actions = self.actions.clone();
        if outbound {
            let own = self.outbound.clone();
            actions.spam = own.spam.unwrap_or(actions.spam);
            actions.quarantine_at = own.quarantine_at.unwrap_or(actions.quarantine_at);
            actions.hold_at = own.hold_at.unwrap_or(actions.hold_at);
            actions.reject_at = own.reject_at.unwrap_or(actions.reject_at);
            actions.discard_at = own.discard_at.unwrap_or(actions.discard_at);
            actions.reject_text = own.reject_text.unwrap_or(actions.reject_text);
            actions.remove_foreign_headers = own.remove_foreign_headers.unwrap_or(actions.remove_foreign_headers);
        }
        actions
    }
}

/// Protocols that `serve` has a use for.
const SERVED: &[&str] = &["milter", "policy", "spamd"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_says_what_holds() {
        assert_eq!(Config::parse(SAMPLE).unwrap(), Config::default());
        let uncommented: String = SAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') && !key.is_empty() => format!("{key}\n"),
                _ => "\n".to_owned(),
            })
            .collect();
        assert_eq!(Config::parse(&uncommented).unwrap(), Config::default(), "{uncommented}");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, said) in [
            ("mood = \"filter\"", "unknown field `mood`"),
            ("mode = \"fliter\"", "unknown variant `fliter`"),
            ("[limits]\ndeadline = \"soon\"", "line 2"),
            ("[[listen]]\nprotocol = \"smoke\"\nsocket = \"inet:1@h\"", "not served"),
            ("[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:h\"", "line 3"),
            ("[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:/x\"\nmode = \"9\"", "octal"),
            ("[actions]\nreject_at = -1.0", "no score"),
            ("[outbound]\nreject_at = -1.0", "no score"),
            ("[actions]\nspam = \"quarantine\"\n[store]\nlocation = \"\"", "no quarantine without a store"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn outbound_mail_has_its_own_actions_where_said() {
        let config = Config::parse("[actions]\nreject_at = 10.0\n[outbound]\nspam = \"reject\"").unwrap();
        assert_eq!(config.actions(false).spam, SpamAction::Tag);
        let outbound = config.actions(true);
        assert_eq!((outbound.spam, outbound.reject_at), (SpamAction::Reject, 10.0));
    }
}
