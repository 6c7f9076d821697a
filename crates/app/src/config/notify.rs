//! Who is told about mail that was stopped.

use super::actions::Direction;
use super::units::Span;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Empty: nobody.
    pub postmaster: String,
    /// Categories about which the postmaster is told.
    pub on: Vec<String>,
    pub sender: Senders,
    /// Recipients are told what is held for them, so often; zero: never.
    pub digest: Span,
    /// Of our notices; empty: `postmaster@` this host.
    pub from: String,
    pub language: Language,
    /// The message's whole header in the postmaster's notice.
    pub headers: bool,
    /// A folder with templates in place of ours.
    pub templates: String,
}

/// Which senders are told that their mail is held. A stranger's address may be anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Senders {
    Never,
    Ours,
}

impl Senders {
    pub fn includes(self, direction: Direction) -> bool {
        self == Senders::Ours && direction != Direction::Inbound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    En,
    Ja,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ja => "ja",
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Notify {
            postmaster: String::new(),
            on: vec!["virus".into(), "banned".into()],
            sender: Senders::Never,
            digest: Span::seconds(0),
            from: String::new(),
            language: Language::En,
            headers: false,
            templates: String::new(),
        }
    }
}

impl Notify {
    pub fn check(&self) -> Result<(), String> {
        for (key, address) in [("postmaster", &self.postmaster), ("from", &self.from)] {
            if !address.is_empty() && (!address.contains('@') || address.contains(char::is_whitespace)) {
                return Err(format!("notify: {key} = {address:?} is no address"));
            }
        }
        let known = crate::policy::category::Category::ALL.map(|category| category.name());
        match self.on.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("notify: on has {name:?}; the categories are: {}", known.join(", "))),
            None => Ok(()),
        }
    }

    /// Somebody may have to be told something.
    pub fn is_used(&self) -> bool {
        !self.postmaster.is_empty() || self.sender != Senders::Never || !self.digest.0.is_zero()
    }
}
