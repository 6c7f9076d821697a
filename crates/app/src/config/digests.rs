//! `[digests]`: networks of sites that tell each other of spam.

use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Digests {
    /// Pyzor's servers, `host:port`; none: it is not asked.
    pub pyzor: Vec<String>,
    /// Lines `host : port : user : salt,key`; empty: we are anonymous.
    pub pyzor_accounts: PathBuf,
    /// Razor's servers for discovery; none: it is not asked.
    pub razor: Vec<String>,
    /// Keeps our identity with Razor.
    pub razor_home: PathBuf,
    /// Socket of dccifd, a path or `host:port`; empty: it is not asked.
    pub dcc: String,
    /// Points where a network did not answer in time.
    pub unanswered: f64,
    /// `TELL` with `Set: remote` reports to the networks.
    pub tell: bool,
}

impl Default for Digests {
    fn default() -> Digests {
        Digests {
            pyzor: Vec::new(),
            pyzor_accounts: PathBuf::new(),
            razor: Vec::new(),
            razor_home: "/var/lib/sekisho/razor".into(),
            dcc: String::new(),
            unanswered: 0.0,
            tell: false,
        }
    }
}

impl Digests {
    pub fn check(&self) -> anyhow::Result<()> {
        for (key, servers) in [("pyzor", &self.pyzor), ("razor", &self.razor)] {
            if let Some(wrong) = servers.iter().find(|server| host_and_port(server).is_none()) {
                anyhow::bail!("digests: {key} has {wrong:?}; expected \"host:port\"");
            }
        }
        if !self.dcc.is_empty() && Daemon::read(&self.dcc).is_none() {
            anyhow::bail!("digests: dcc {:?} is neither a path nor \"host:port\"", self.dcc);
        }
        if !self.unanswered.is_finite() {
            anyhow::bail!("digests: unanswered = {} is no score", self.unanswered);
        }
        Ok(())
    }
}

/// `host:port`, `[2001:db8::1]:port`.
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = !host.is_empty() && !host.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    plain.then_some(())?;
    Some((host.to_owned(), port.parse().ok().filter(|port| *port != 0)?))
}

/// Where dccifd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    Path(PathBuf),
    Net(String, u16),
}

impl Daemon {
    pub fn read(text: &str) -> Option<Daemon> {
        match text.starts_with('/') {
            true => Some(Daemon::Path(text.into())),
            false => host_and_port(text).map(|(host, port)| Daemon::Net(host, port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(host_and_port("a.example:24441"), Some(("a.example".into(), 24441)));
        assert_eq!(host_and_port("[::1]:1"), Some(("::1".into(), 1)));
        for wrong in ["a.example", "a:0", ":1", "a b:1", "a:65536"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
        assert_eq!(Daemon::read("/var/dcc/dccifd"), Some(Daemon::Path("/var/dcc/dccifd".into())));
        let wrong = |text: &str| crate::config::Config::parse(text).unwrap_err().to_string();
        assert!(wrong("[digests]\npyzor = [\"x\"]").contains("host:port"));
        assert!(wrong("[digests]\ndcc = \"x\"").contains("neither a path"));
    }
}
