//! `sekisho.toml`: what the administrator says, read once, whole or not at all.
//!
//! A key that is not known, a value that cannot be meant and a socket that cannot be read are errors with their place;
//! the service keeps what it has rather than run with half of a configuration.

mod actions;
mod authentication;
pub mod clamd;
pub mod digests;
pub mod dkim;
pub mod dns;
mod exempt;
mod feeds;
mod gate;
pub mod here;
mod impersonation;
mod isp;
mod learn;
mod lookup;
mod networks;
mod notify;
pub mod origin;
mod rates;
pub mod relay;
mod report;
mod reports;
mod reputation;
pub mod scanner;
mod service;
mod signatures;
pub mod units;

use crate::rule_files::RuleSet;
use crate::serve::listen::Address;
pub use actions::{Action, Actions, Banned, Categories, Changes, Direction, Policy, When};
use anyhow::Context;
pub use authentication::{Authentication, Dmarc, Marked, Wished};
pub use exempt::Client;
pub use feeds::{Feed, Feeds, Risk, SHORTEST};
pub use gate::{Asked, Gate, Greylist, S25r, S25rAction, Trouble};
pub use impersonation::Impersonation;
pub use isp::Isp;
pub use learn::{Exchange, Learn};
pub use lookup::{Lookup, OnError};
pub use networks::Networks;
pub use notify::{Language, Notify};
pub use rates::{RateAction, Rates};
pub use report::Report;
pub use reports::Reports;
pub use reputation::Reputation;
use serde::Deserialize;
pub use service::Service;
pub use signatures::{Mean, Signatures, meaning};
use std::path::{Path, PathBuf};
pub use units::{Addresses, Glob, Network, Size, SocketMode, Span};

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
    pub signatures: Signatures,
    pub networks: Networks,
    pub impersonation: Impersonation,
    pub actions: Actions,
    pub policy: Vec<Policy>,
    pub categories: Categories,
    pub lookup: Lookup,
    pub banned: Banned,
    pub notify: Notify,
    pub report: Report,
    pub gate: Gate,
    pub s25r: S25r,
    pub greylist: Greylist,
    pub rates: Rates,
    pub feeds: Feeds,
    pub feed: Vec<Feed>,
    pub limits: Limits,
    pub dns: dns::Dns,
    pub digests: digests::Digests,
    pub dkim: dkim::Dkim,
    pub arc: dkim::Arc,
    pub authentication: Authentication,
    pub dmarc: Dmarc,
    pub clamd: clamd::Clamd,
    pub scanner: Vec<scanner::Scanner>,
    pub relay: relay::Relay,
    pub store: Store,
    pub reputation: Reputation,
    pub reports: Reports,
    pub isp: Isp,
    pub learn: Learn,
    pub log: Log,
    pub service: Service,
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
    /// Who gets what a relaying protocol took.
    #[serde(default, deserialize_with = "relay::next_hop")]
    pub next_hop: Option<relay::NextHop>,
    /// Whether a relaying protocol adds a Received field.
    #[serde(default = "yes")]
    pub received: bool,
    /// Whether a relaying protocol asks the gate at RCPT.
    #[serde(default)]
    pub gate: Asked,
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
    /// Zero: not watched.
    pub watch: Span,
    /// Where users' own files are, by their names; empty: they have none.
    pub users: String,
    pub users_kept: usize,
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
    pub memory: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    Defer,
    Pass,
    Quarantine,
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
            next_hop: None,
            received: true,
            gate: Asked::Auto,
            mode: SocketMode::default(),
            owner: String::new(),
            group: String::new(),
        };
        Config {
            mode: Mode::Filter,
            listen: vec![listen("milter", 8899), listen("spamd", 783)],
            rules: Rules::default(),
            signatures: Signatures::default(),
            networks: Networks::default(),
            impersonation: Impersonation::default(),
            actions: Actions::default(),
            policy: Vec::new(),
            categories: Categories::default(),
            lookup: Lookup::default(),
            banned: Banned::default(),
            notify: Notify::default(),
            report: Report::default(),
            gate: Gate::default(),
            s25r: S25r::default(),
            greylist: Greylist::default(),
            rates: Rates::default(),
            feeds: Feeds::default(),
            feed: Vec::new(),
            limits: Limits::default(),
            dns: dns::Dns::default(),
            digests: digests::Digests::default(),
            dkim: dkim::Dkim::default(),
            arc: dkim::Arc::default(),
            authentication: Authentication::default(),
            dmarc: Dmarc::default(),
            clamd: clamd::Clamd::default(),
            scanner: Vec::new(),
            relay: relay::Relay::default(),
            store: Store::default(),
            reputation: Reputation::default(),
            reports: Reports::default(),
            isp: Isp::default(),
            learn: Learn::default(),
            log: Log { format: LogFormat::Text },
            service: Service::default(),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            set: RuleSet::Installed,
            extra: Vec::new(),
            watch: Span::seconds(60),
            users: String::new(),
            users_kept: 10,
        }
    }
}

impl Rules {
    fn check(&self) -> anyhow::Result<()> {
        let users = &self.users;
        let differs = |file: PathBuf| *users != file.display().to_string();
        let usable = users.starts_with('/') && crate::serve::users::file(users, "u@d").is_some_and(differs);
        if !users.is_empty() && !usable {
            anyhow::bail!(
                "rules: users {users:?} is no path with %u (user), %l (before the @) or %d (behind it) in it"
            );
        }
        Ok(())
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
            memory: Size(512 << 20),
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
        let mistakes = config.mistakes();
        match &mistakes[..] {
            [] => Ok(config),
            [mistake] => anyhow::bail!("{mistake}"),
            all => anyhow::bail!("{} mistakes\n  {}", all.len(), all.join("\n  ")),
        }
    }

    /// What cannot be meant, the first of each section.
    fn mistakes(&self) -> Vec<String> {
        let store = !self.store.location.is_empty();
        let needs_store = |needs: bool, why: &str| if needs && !store { Err(why.to_owned()) } else { Ok(()) };
        let told = |checked: anyhow::Result<()>| checked.map_err(|error| format!("{error:#}"));
        let limits = &self.limits;
        let checks = [
            self.check_listeners(),
            told(self.rules.check()),
            told(self.relay.validate(&self.listen)),
            match limits.deadline.0.is_zero() || limits.idle.0.is_zero() {
                true => Err("limits: deadline and idle must be longer than nothing".into()),
                false => Ok(()),
            },
            needs_store(
                limits.late == Late::Quarantine,
                "limits: late = \"quarantine\" keeps mail in the store: set store.location",
            ),
            told(self.check_actions()),
            self.learn.problem().map_or(Ok(()), |problem| Err(problem.to_string())),
            self.lookup.check(),
            self.impersonation.check(),
            self.notify.check(),
            self.report.check(&self.notify.postmaster),
            needs_store(
                self.notify.is_used(),
                "notify: notices wait in the store until they are sent: set store.location",
            ),
            told(self.s25r.check(&self.greylist, store)),
            told(self.rates.check(store)),
            told(self.signatures.check()),
            told(self.learn.check()),
            told(self.clamd.check()),
            told(self.dns.check()),
            told(self.digests.check()),
            told(self.dkim.check()),
            told(self.arc.check(&self.dkim)),
            told(self.reputation.check()),
            told(self.reports.check(store)),
            self.authentication.check(),
            self.dmarc.check(),
            told(scanner::check(&self.scanner, limits.deadline)),
            told(self.service.check()),
            self.feeds.check(&self.feed),
            if self.store.release.is_empty() { Err("store: release names no program".into()) } else { Ok(()) },
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    fn check_listeners(&self) -> Result<(), String> {
        match self.listen.iter().find(|listen| !SERVED.contains(&listen.protocol.as_str())) {
            Some(Listen { protocol, .. }) => {
                Err(format!("listen: protocol {protocol:?} is not served; there are: {}", SERVED.join(", ")))
            }
            None => Ok(()),
        }
    }

    /// Reads `path`, or the first of [`PLACES`], or takes the defaults; tells which.
    pub fn load(path: Option<&Path>) -> anyhow::Result<(Config, Option<PathBuf>)> {
        let found = path.map(Path::to_owned).or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.exists()));
        let Some(found) = found else { return Ok((Config::default(), None)) };
        let text = std::fs::read_to_string(&found).with_context(|| found.display().to_string())?;
        let config = Config::parse(&text).with_context(|| found.display().to_string())?;
        Ok((config, Some(found)))
    }

    /// `[actions]` and each `[[policy]]`, as far as can be told before there is a message.
    fn check_actions(&self) -> anyhow::Result<()> {
        let with = |policy: &Policy| {
            let mut actions = self.actions.clone();
            policy.then.apply(&mut actions);
            (format!("policy {:?}", policy.name), actions)
        };
        let all = std::iter::once(("actions".to_owned(), self.actions.clone())).chain(self.policy.iter().map(with));
        for (place, actions) in all {
            actions.check().map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
            if actions.uses_quarantine() && self.store.location.is_empty() {
                anyhow::bail!("{place}: there is no quarantine without a store: set store.location");
            }
        }
        Ok(())
    }
}

/// Protocols that `serve` has a use for.
const SERVED: &[&str] = &["clamd", "http", "lmtp", "milter", "policy", "smtp", "spamd"];

fn yes() -> bool {
    true
}

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
            ("[service]\ngroup = \"mail\"", "a group without a user"),
            ("[actions]\nreject_at = -1.0", "no score"),
            ("[actions]\nspam = \"bounce\"", "no action"),
            ("[notify]\non = [\"fog\"]", "the categories are: virus"),
            ("[lookup]\nsql = \"oracle://x\"", "sql is neither"),
            ("[lookup]\nldap = \"ldap://x\"", "ldap needs attributes"),
            ("[lookup]\nattributes = { a = \"b\" }", "no key of [actions]"),
            ("[notify]\npostmaster = \"me\"", "no address"),
            ("[[policy]]\nname = \"p\"\nthen = { reject_at = -1.0 }", "policy \"p\": -1 is no score"),
            ("[[policy]]\nname = \"p\"\nwhen = { client = [\"x\"] }\nthen = {}", "no network"),
            ("[[policy]]\nname = \"p\"\nwhen = { weather = \"fair\" }\nthen = {}", "unknown field `weather`"),
            ("[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:h:1\"", "add, for instance, next_hop"),
            ("[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:h:1\"\nnext_hop = \"h:2\"", "no next hop"),
            ("[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:h:1\"\nnext_hop = \"smtp:h:1\"", "to itself"),
            ("[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:h:1\"\nnext_hop = \"smtp:h:2\"", "relay.next_hop"),
            ("[relay]\nconnect = \"0s\"", "longer than nothing"),
            ("[relay]\ncertificate = \"/x\"", "belong together"),
            ("[relay]\nmark = \"a:b\"", "no name of a header field"),
            ("[relay]\nname = \"a b\"", "no host name"),
            ("[relay]\nloops = 0", "more than nothing"),
            ("[relay]\ntls = \"maybe\"", "unknown variant `maybe`"),
            ("[actions]\nspam = \"quarantine\"\n[store]\nlocation = \"\"", "no quarantine without a store"),
            ("[limits]\nlate = \"quarantine\"\n[store]\nlocation = \"\"", "set store.location"),
            ("[relay]\nxforward_from = [\"here\"]", "no network"),
            ("[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:h:1\"\ngate = \"off\"", "for protocols smtp and lmtp"),
            ("[rules]\nusers = \"/home/user_prefs\"", "no path with %u"),
            ("[rules]\nusers = \"/home/%x\"", "no path with %u"),
            ("[gate]\ntrouble = \"panic\"", "unknown variant `panic`"),
            ("[gate]\nallow_clients = [\"exa mple\"]", "neither a host name nor a network"),
            ("[gate]\nallow_senders = [\"@\"]", "names no addresses"),
            ("[s25r]\naction = \"reject\"", "unknown variant `reject`"),
            ("[s25r]\ntarpit = \"65s\"", "at most 25s"),
            ("[s25r]\naction = \"tarpit\"\ntarpit = \"0s\"", "above nothing"),
            ("[s25r]\npoints = nan", "must be numbers"),
            ("[s25r]\naction = \"greylist\"\n[store]\nlocation = \"\"", "kept in the store"),
            ("[greylist]\neverybody = true\n[store]\nlocation = \"\"", "kept in the store"),
            ("[greylist]\ndelay = \"3d\"", "nobody ever passes"),
            ("[signatures]\nmeans = [{ is = \"virus\" }]", "names neither"),
            ("[signatures]\nmeans = [{ names = [\"*\"], is = \"bad\" }]", "unknown variant `bad`"),
            ("[rates]\nwindow = \"0s\"", "longer than nothing"),
            ("[clamd]\npaths = \"some\"", "unknown variant `some`"),
            ("[clamd]\nstream = 0", "more than nothing"),
            ("[[scanner]]\nname = \"a b\"\nkind = \"clamd\"\naddress = \"/x\"", "is no name"),
            ("[[scanner]]\nname = \"a\"\nkind = \"nod\"\naddress = \"/x\"", "there are: clamd, icap, sophie, sssp"),
            ("[[scanner]]\nname = \"a\"\nkind = \"clamd\"\naddress = \"x\"", "no socket"),
            ("[[scanner]]\nname = \"a\"\nkind = \"clamd\"\naddress = []", "more than nothing"),
            ("[[scanner]]\nname = \"a\"\nkind = \"sophie\"\naddress = \"/x\"", "set folder"),
            ("[[scanner]]\nname = \"a\"\nkind = \"clamd\"\naddress = \"/x\"\ndeadline = \"60s\"", "shorter than"),
            (
                "[[scanner]]\nname = \"a\"\nkind = \"clamd\"\naddress = \"/x\"\non_unavailable = \"x\"",
                "unknown variant",
            ),
            ("[feeds]\non = [\"sane\"]", "there are: clamav"),
            ("[feeds]\ndelay = \"10s\"", "30s at least"),
            ("[feeds]\nalso = [\"lott.ndb\"]", "expected \"FEED/FILE\""),
            ("[feeds]\naccounts = { secure = \"1\" }", "accounts has \"secure\""),
            ("[[feed]]\nname = \"a\"\nurl = \"ftp://x/a.cf\"", "neither https:// nor http://"),
            ("[[feed]]\nname = \"a\"\nurl = \"https://x/user_prefs\"", "say file = "),
            ("[[feed]]\nname = \"a\"\nurl = \"https://x/a.cf\"\nevery = \"1m\"", "10m at least"),
            ("[[feed]]\nname = \"a\"", "url or channel"),
            ("[[feed]]\nname = \"clamav\"\nurl = \"https://x/a.cf\"", "a feed that sekisho knows"),
            ("[rates]\nlogin_messages = 5\n[store]\nlocation = \"\"", "counted in the store"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
