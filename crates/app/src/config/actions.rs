//! What becomes of a message, and for whom something else does.

use super::units::{Addresses, Glob, Network};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::str::FromStr;

/// What is done with a recipient's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Delivered, with nothing changed.
    Pass,
    /// Delivered with our headers.
    Tag,
    /// Kept in the store.
    Quarantine,
    /// Held in the mail server's queue.
    Hold,
    /// Tagged, and delivered to this address instead.
    Redirect(String),
    Reject,
    Discard,
    /// The sender is to try again later.
    Defer,
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Action::Pass => "pass",
            Action::Tag => "tag",
            Action::Quarantine => "quarantine",
            Action::Hold => "hold",
            Action::Redirect(_) => "redirect",
            Action::Reject => "reject",
            Action::Discard => "discard",
            Action::Defer => "defer",
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "pass" => Action::Pass,
            "tag" => Action::Tag,
            "quarantine" => Action::Quarantine,
            "hold" => Action::Hold,
            "reject" => Action::Reject,
            "discard" => Action::Discard,
            "defer" => Action::Defer,
            _ => match text.strip_prefix("redirect:").map(str::trim) {
                Some(to) if to.contains('@') && !to.contains([' ', '<', '>', '\r', '\n']) => {
                    Action::Redirect(to.to_owned())
                }
                _ => {
                    return Err(format!(
                        "{text:?} is no action: expected pass, tag, quarantine, hold, redirect:ADDRESS, reject, discard \
                         or defer"
                    ));
                }
            },
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Redirect(to) => write!(f, "redirect:{to}"),
            other => f.write_str(other.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value that comes as text.
trait Written: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Written for Action {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Written for f64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }
}

impl Written for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Written for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "t" | "1" => Ok(true),
            "false" | "no" | "off" | "n" | "f" | "0" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        }
    }
}

/// The keys of `[actions]`, twice: as they hold, and as somebody changes some of them.
macro_rules! actions {
    ($($(#[$about:meta])* $key:ident: $kind:ty = $default:expr,)*) => {
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Actions {
            $($(#[$about])* pub $key: $kind,)*
        }

        impl Default for Actions {
            fn default() -> Self {
                Actions { $($key: $default,)* }
            }
        }

        /// [`Actions`] as far as they differ.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Changes {
            $(pub $key: Option<$kind>,)*
        }

        impl Changes {
            pub fn has(key: &str) -> bool {
                [$(stringify!($key)),*].contains(&key)
            }

            /// Sets a key to a value as people and databases write it.
            pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
                match key {
                    $(stringify!($key) => self.$key = Some(<$kind as Written>::read(value.trim())?),)*
                    _ => return Err(format!("no key of [actions]; they are: {}", [$(stringify!($key)),*].join(", "))),
                }
                let mut actions = Actions::default();
                self.apply(&mut actions);
                actions.check()
            }

            pub fn apply(&self, actions: &mut Actions) {
                $(if let Some(value) = &self.$key {
                    actions.$key = value.clone();
                })*
            }
        }
    };
}

actions! {
    /// Judge and log, change nothing.
    observe: bool = false,
    virus: Action = Action::Reject,
    phishing: Action = Action::Tag,
    banned: Action = Action::Reject,
    spam: Action = Action::Tag,
    unchecked: Action = Action::Tag,
    oversized: Action = Action::Tag,
    bad_header: Action = Action::Pass,
    /// The score from which mail is spam; 0: as the rules say.
    required: f64 = 0.0,
    quarantine_at: f64 = 0.0,
    hold_at: f64 = 0.0,
    reject_at: f64 = 0.0,
    discard_at: f64 = 0.0,
    /// Empty: what [`Fate::refusal`](crate::policy::Fate::refusal) says of the category.
    reject_text: String = String::new(),
    /// Our headers on mail that is nothing of the above, too.
    tag_ham: bool = true,
    remove_foreign_headers: bool = true,
}

impl Actions {
    fn each(&self) -> [&Action; 7] {
        [&self.virus, &self.phishing, &self.banned, &self.spam, &self.unchecked, &self.oversized, &self.bad_header]
    }

    pub fn uses_quarantine(&self) -> bool {
        self.quarantine_at > 0.0 || self.each().contains(&&Action::Quarantine)
    }

    pub fn check(&self) -> Result<(), String> {
        for score in [self.required, self.quarantine_at, self.hold_at, self.reject_at, self.discard_at] {
            if !score.is_finite() || score < 0.0 {
                return Err(format!("{score} is no score from which something can be done; 0 means never"));
            }
        }
        Ok(())
    }
}

/// Where a message comes from and goes to, as seen by one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A stranger's, for us.
    Inbound,
    /// One of our clients', for us.
    Internal,
    /// One of our clients', for others.
    Outbound,
    /// From somebody who logged in.
    Submission,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Internal => "internal",
            Direction::Outbound => "outbound",
            Direction::Submission => "submission",
        }
    }
}

/// Other actions for some mail.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    #[serde(default)]
    pub when: When,
    pub then: Changes,
}

/// Which mail: all that is named must hold; of a list, one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    pub direction: Vec<Direction>,
    /// By protocol or socket, or as the mail server names its own.
    pub listener: Vec<Glob>,
    pub client: Vec<Network>,
    pub sender: Vec<Addresses>,
    pub recipient: Vec<Addresses>,
    pub login: Vec<Glob>,
}

/// Names of attachments that are not taken.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Banned {
    /// Where a pattern has a `/`, it is compared with the names from the outermost to the innermost.
    pub names: Vec<Glob>,
    pub types: Vec<Glob>,
    /// Exceptions.
    pub allowed: Vec<Glob>,
}

impl Default for Banned {
    fn default() -> Self {
        let endings = [
            "ade", "adp", "appx", "bat", "chm", "cmd", "com", "cpl", "dll", "exe", "hta", "img", "ins", "iso", "isp",
            "jar", "js", "jse", "lnk", "mde", "msc", "msi", "msix", "msp", "mst", "nsh", "one", "pif", "ps1", "reg",
            "scf", "scr", "sct", "shb", "sys", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "vxd", "wsc", "wsf", "wsh",
            "xll",
        ];
        Banned {
            names: endings.iter().map(|ending| Glob::from(format!("*.{ending}").as_str())).collect(),
            types: Vec::new(),
            allowed: Vec::new(),
        }
    }
}

/// Which rules say more than "spam".
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Categories {
    /// Rules that make spam phishing.
    pub phishing: Vec<Glob>,
    /// Rules that make a message a virus, whatever its score.
    pub virus: Vec<Glob>,
}

impl Default for Categories {
    fn default() -> Self {
        Categories { phishing: vec![Glob::from("*PHISH*")], virus: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_as_databases_write_them() {
        let mut changes = Changes::default();
        for (key, value, fine) in [
            ("spam", "quarantine", true),
            ("reject_at", " 12.5", true),
            ("observe", "Y", true),
            ("reject_text", "go away", true),
            ("spam", "bounce", false),
            ("reject_at", "-1", false),
            ("reject_at", "NaN", false),
            ("observe", "perhaps", false),
            ("weather", "fair", false),
        ] {
            let before = changes.clone();
            assert_eq!(changes.set(key, value).is_ok(), fine, "{key} {value}");
            if !fine {
                changes = before;
            }
        }
        let mut actions = Actions::default();
        changes.apply(&mut actions);
        assert_eq!((actions.spam, actions.reject_at, actions.observe), (Action::Quarantine, 12.5, true));
    }

    #[test]
    fn actions_as_written() {
        for action in ["pass", "tag", "quarantine", "hold", "redirect:spam@example.jp", "reject", "discard", "defer"] {
            assert_eq!(action.parse::<Action>().unwrap().to_string(), action);
        }
        for wrong in ["", "redirect", "redirect:", "redirect:x", "redirect:a@b>\r\nRCPT", "Reject"] {
            assert!(wrong.parse::<Action>().is_err(), "{wrong}");
        }
    }
}
