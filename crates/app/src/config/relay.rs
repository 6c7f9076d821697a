//! `[relay]`: where mail that was judged is handed on, how, and what keeps it from running in circles.

use super::units::{Network, Size, Span};
use super::{Asked, Listen};
use crate::serve::listen::Address;
use anyhow::bail;
use protocols::Connection;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A server that takes mail from us: `"smtp:127.0.0.1:10025"`, `"lmtp:unix:/run/dovecot/lmtp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    pub lmtp: bool,
    pub socket: Address,
}

impl FromStr for NextHop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (lmtp, socket) = match (text.strip_prefix("smtp:"), text.strip_prefix("lmtp:")) {
            (Some(socket), _) => (false, socket),
            (_, Some(socket)) => (true, socket),
            _ => {
                return Err(format!(
                    "{text:?} is no next hop: expected \"smtp:127.0.0.1:10025\" or \"lmtp:unix:/run/dovecot/lmtp\""
                ));
            }
        };
        Ok(NextHop { lmtp, socket: socket.parse()? })
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", if self.lmtp { "lmtp" } else { "smtp" }, self.socket)
    }
}

/// Where empty means none.
pub fn next_hop<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NextHop>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Relay {
    #[serde(deserialize_with = "next_hop")]
    pub next_hop: Option<NextHop>,
    pub name: String,
    pub connect: Span,
    pub reply: Span,
    pub content: Span,
    pub last_reply: Span,
    pub total: Span,
    pub message: Size,
    pub xforward_from: Vec<Network>,
    pub tls: RelayTls,
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub mark: String,
    pub loops: usize,
}

/// The field that marks what was handed on, unless another is wanted.
pub const MARK: &str = "X-Sekisho-Loop";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayTls {
    Never,
    IfOffered,
    Required,
}

impl Default for Relay {
    fn default() -> Self {
        Relay {
            next_hop: None,
            name: String::new(),
            connect: Span::seconds(30),
            reply: Span::seconds(60),
            content: Span::seconds(180),
            last_reply: Span::seconds(300),
            total: Span::seconds(570),
            message: Size(64 << 20),
            xforward_from: ["127.0.0.0/8", "::1"].map(|text| text.parse().expect("written here")).to_vec(),
            tls: RelayTls::Never,
            ca: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            mark: MARK.into(),
            loops: 3,
        }
    }
}

impl Relay {
    /// Whether who connects may say for whom: a process of this machine, or one in the networks that were named.
    pub fn believes(&self, about: &Connection) -> bool {
        about.own || about.address.is_some_and(|address| self.xforward_from.iter().any(|from| from.contains(address)))
    }

    pub fn validate(&self, listen: &[Listen]) -> anyhow::Result<()> {
        for listen in listen {
            let relays = relays(&listen.protocol);
            if !relays && listen.next_hop.is_some() {
                bail!("listen: next_hop is for protocols smtp and lmtp; what a milter sends goes to relay.next_hop");
            }
            if !relays && listen.gate != Asked::Auto {
                bail!("listen: gate is for protocols smtp and lmtp; milters and policy services always ask");
            }
            if !relays {
                continue;
            }
            let Some(next_hop) = listen.next_hop.as_ref().or(self.next_hop.as_ref()) else {
                bail!(
                    "listen: protocol {:?} on {} hands mail on and knows nobody to hand it to: add, for instance, \
                     next_hop = \"smtp:127.0.0.1:10025\"",
                    listen.protocol,
                    listen.socket
                );
            };
            if next_hop.socket == listen.socket {
                bail!("listen: {} would hand its mail to itself: next_hop is the same socket", listen.socket);
            }
        }
        for (name, span) in [
            ("connect", self.connect),
            ("reply", self.reply),
            ("content", self.content),
            ("last_reply", self.last_reply),
            ("total", self.total),
        ] {
            if span.0.is_zero() {
                bail!("relay: {name} must be longer than nothing");
            }
        }
        if self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty() {
            bail!("relay: certificate and key belong together: set both to offer STARTTLS, or neither");
        }
        if self.mark.is_empty() || !self.mark.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            bail!("relay: mark {:?} is no name of a header field, such as \"X-Sekisho-Loop\"", self.mark);
        }
        if self.name.contains(|c: char| !c.is_ascii_graphic() || c == ';') {
            bail!("relay: name {:?} is no host name", self.name);
        }
        if self.loops == 0 || self.message.0 == 0 {
            bail!("relay: loops and message must be more than nothing");
        }
        Ok(())
    }
}

/// Whether a listener of this protocol takes mail in order to hand it on.
pub fn relays(protocol: &str) -> bool {
    matches!(protocol, "smtp" | "lmtp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops() {
        for (text, shown) in [
            ("smtp:127.0.0.1:10025", "smtp:inet:127.0.0.1:10025"),
            ("smtp:[127.0.0.1]:10025", "smtp:inet:127.0.0.1:10025"),
            ("smtp:[::1]:25", "smtp:inet:[::1]:25"),
            ("lmtp:unix:/run/dovecot/lmtp", "lmtp:unix:/run/dovecot/lmtp"),
            ("lmtp:inet:mail.example.jp:24", "lmtp:inet:mail.example.jp:24"),
        ] {
            assert_eq!(text.parse::<NextHop>().unwrap().to_string(), shown);
        }
        for wrong in ["", "127.0.0.1:25", "smtp:", "smtp:host", "lmtp:unix:run/x", "esmtp:h:25"] {
            assert!(wrong.parse::<NextHop>().is_err(), "{wrong}");
        }
    }
}
