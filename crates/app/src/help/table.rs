//! The Japanese of help, and the examples: files in `ja/`, one for a group of commands, and `examples.toml`.
//!
//! A section is a command, a key an argument of it (`about` the command itself, `argument=value` one of its values, with
//! `.long` behind it the long text), and each has two texts: the English that the Japanese was made from, and the Japanese. A
//! test compares the first with what the program says, so that a changed text is found with what it was. What several
//! commands share stands once in `shared.toml`, under the English itself.

use std::collections::{BTreeMap, HashMap};

pub const ABOUT: &str = "about";
pub const LONG_ABOUT: &str = "about.long";
pub const LONG: &str = ".long";

/// Name and text of every file with sections.
pub const FILES: &[(&str, &str)] = &[
    ("judging.toml", include_str!("ja/judging.toml")),
    ("learning.toml", include_str!("ja/learning.toml")),
    ("network.toml", include_str!("ja/network.toml")),
    ("service.toml", include_str!("ja/service.toml")),
    ("workshop.toml", include_str!("ja/workshop.toml")),
];
const SHARED: &str = include_str!("ja/shared.toml");
const EXAMPLES: &str = include_str!("examples.toml");

type Pair = (String, String);

pub struct Table {
    own: HashMap<(String, String), Pair>,
    shared: HashMap<String, String>,
    /// Keys that stand in two files.
    #[cfg(test)]
    pub twice: Vec<(String, String)>,
}

impl Table {
    /// A file that cannot be read is as one that is empty; tests see to it that all can.
    pub fn new() -> Table {
        let mut own = HashMap::new();
        #[cfg(test)]
        let mut twice = Vec::new();
        for (_, text) in FILES {
            let sections: BTreeMap<String, BTreeMap<String, Pair>> = toml::from_str(text).unwrap_or_default();
            for (path, keys) in sections {
                let path = if path == "sekisho" { String::new() } else { path };
                for (key, pair) in keys {
                    let key = (path.clone(), key);
                    #[cfg(test)]
                    if own.contains_key(&key) {
                        twice.push(key.clone());
                    }
                    own.insert(key, pair);
                }
            }
        }
        let shared = toml::from_str(SHARED).unwrap_or_default();
        Table {
            own,
            shared,
            #[cfg(test)]
            twice,
        }
    }

    /// The Japanese of a text, whose English is told because what is shared is found by it.
    pub fn japanese(&self, path: &[String], key: &str, english: &str) -> Option<String> {
        let own = self.own(&path.join(" "), key).map(|(_, japanese)| japanese);
        own.or_else(|| self.shared(english)).map(str::to_owned)
    }

    /// English and Japanese of a command's own text.
    pub fn own(&self, path: &str, key: &str) -> Option<(&str, &str)> {
        let (english, japanese) = self.own.get(&(path.to_owned(), key.to_owned()))?;
        Some((english, japanese))
    }

    pub fn shared(&self, english: &str) -> Option<&str> {
        self.shared.get(english).map(String::as_str)
    }

    #[cfg(test)]
    pub fn keys(&self) -> impl Iterator<Item = &(String, String)> {
        self.own.keys()
    }

    #[cfg(test)]
    pub fn shared_keys(&self) -> impl Iterator<Item = &String> {
        self.shared.keys()
    }
}

/// A line that can be typed as it stands, and what it does.
pub struct Example {
    pub command: String,
    pub en: String,
    pub ja: String,
}

/// By path of the command.
pub fn examples() -> BTreeMap<String, Vec<Example>> {
    let sections: BTreeMap<String, BTreeMap<String, Vec<[String; 3]>>> = toml::from_str(EXAMPLES).unwrap_or_default();
    let each = |[command, en, ja]: [String; 3]| Example { command, en, ja };
    let all = |(path, mut section): (String, BTreeMap<String, Vec<[String; 3]>>)| {
        let path = if path == "sekisho" { String::new() } else { path };
        (path, section.remove("examples").unwrap_or_default().into_iter().map(each).collect())
    };
    sections.into_iter().map(all).collect()
}
