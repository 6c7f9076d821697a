//! Which clients are exempt, by confirmed host name or network.

use super::units::{Network, below};
use serde::{Deserialize, Deserializer};
use std::net::IpAddr;
use std::str::FromStr;

/// `example.jp` (that host and all below it), `mail*.example.jp`, `192.0.2.0/24`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    Network(Network),
    /// A host and all below it.
    Host(String),
    /// One host name, in which `*` stands for anything within a label.
    Pattern(String),
}

impl Client {
    /// `name`: confirmed, in lower case. A client chooses an unconfirmed one freely.
    pub fn is(&self, address: Option<IpAddr>, name: Option<&str>) -> bool {
        match self {
            Client::Network(network) => address.is_some_and(|address| network.contains(address)),
            Client::Host(host) => name.is_some_and(|name| below(name, host)),
            Client::Pattern(pattern) => name.is_some_and(|name| fits(pattern.as_bytes(), name.as_bytes())),
        }
    }

    /// The lines of a file: one client each, `#` begins a comment. Lines that say nothing are told by number.
    pub fn lines(text: &str) -> Result<Vec<Client>, String> {
        let mut clients = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                clients.push(line.parse().map_err(|error| format!("line {}: {error}", number + 1))?);
            }
        }
        Ok(clients)
    }
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse() {
            return Ok(Client::Network(network));
        }
        let name = text.trim_matches('.').to_ascii_lowercase();
        let name = name.strip_prefix("*.").unwrap_or(&name);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
        // Numbers alone are an address gone wrong, a star alone is everybody.
        if name.is_empty() || !name.chars().all(fits) || !name.contains(|c: char| c.is_ascii_alphabetic()) {
            return Err(format!("{text:?} is neither a host name nor a network"));
        }
        Ok(if name.contains('*') { Client::Pattern(name.to_owned()) } else { Client::Host(name.to_owned()) })
    }
}

impl<'de> Deserialize<'de> for Client {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether `*`, anything but dots, makes the pattern the name.
fn fits(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // Back to the last star, with one byte more for it, whenever the rest does not fit.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.first(), name.first()) {
            (Some(b'*'), _) => {
                pattern = &pattern[1..];
                retry = Some((pattern, name));
            }
            (Some(expected), Some(found)) if expected == found => {
                pattern = &pattern[1..];
                name = &name[1..];
            }
            (None, None) => return true,
            _ => match retry {
                Some((after, at)) if at.first().is_some_and(|skipped| *skipped != b'.') => {
                    retry = Some((after, &at[1..]));
                    pattern = after;
                    name = &at[1..];
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients() {
        for (client, address, name, exempt) in [
            ("google.com", "192.0.2.1", "mail-pj1-f54.google.com", true),
            ("google.com", "192.0.2.1", "google.com", true),
            ("*.Google.com.", "192.0.2.1", "a.google.com", true),
            ("google.com", "192.0.2.1", "notgoogle.com", false),
            ("google.com", "192.0.2.1", "google.com.example.net", false),
            ("www*.sakura.ne.jp", "192.0.2.1", "www262.sakura.ne.jp", true),
            ("www*.sakura.ne.jp", "192.0.2.1", "www.sakura.ne.jp", true),
            ("www*.sakura.ne.jp", "192.0.2.1", "www1.vs.sakura.ne.jp", false),
            ("www*.sakura.ne.jp", "192.0.2.1", "x.www1.sakura.ne.jp", false),
            ("m*a*b.example.jp", "192.0.2.1", "maxaxb.example.jp", true),
            ("192.0.2.0/24", "192.0.2.1", "anything.example", true),
            ("192.0.2.0/24", "192.0.3.1", "192.0.2.0", false),
        ] {
            let client: Client = client.parse().unwrap();
            assert_eq!(client.is(Some(address.parse().unwrap()), Some(name)), exempt, "{client:?} {name}");
            assert!(!matches!(client, Client::Host(_)) || !client.is(Some(address.parse().unwrap()), None));
        }
        for wrong in ["", "*", "*.*", "192.0.2.0/33", "ann@example.jp", "a b"] {
            assert!(wrong.parse::<Client>().is_err(), "{wrong}");
        }
        assert_eq!(Client::lines("# all\n\nexample.jp # us\n").unwrap().len(), 1);
        assert!(Client::lines("example.jp\n!").unwrap_err().starts_with("line 2: "));
    }
}
