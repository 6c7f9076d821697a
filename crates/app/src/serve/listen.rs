//! Sockets: their names as Postfix, Sendmail and people write them, and opening them.
//!
//! A Unix socket is made under another name, given its mode and owner, and then renamed to its place: nobody can connect
//! before it is as it should be, and what a dead process left there is gone in the same step.

use crate::config::Listen;
use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::net::{TcpListener, UnixListener};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Inet(String, u16),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no socket: expected \"inet:127.0.0.1:8899\", \"inet:8899@127.0.0.1\" or \"unix:/run/...\""
            )
        };
        let path = text.strip_prefix("unix:").or_else(|| text.strip_prefix("local:"));
        if let Some(path) = path.or_else(|| Some(text).filter(|text| text.starts_with('/'))) {
            return if path.starts_with('/') { Ok(Address::Unix(path.into())) } else { Err(wrong()) };
        }
        let rest = text.strip_prefix("inet6:").or_else(|| text.strip_prefix("inet:")).unwrap_or(text);
        let (port, host) = match rest.split_once('@') {
            Some(parts) => parts,
            None => rest.rsplit_once(':').map(|(host, port)| (port, host)).ok_or_else(wrong)?,
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = if host == "*" { "0.0.0.0" } else { host };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Address::Inet(host.to_owned(), port.parse().map_err(|_| wrong())?))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Inet(host, port) if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Address::Inet(host, port) => write!(f, "inet:{host}:{port}"),
        }
    }
}

/// An open socket.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "taken away when dropped")] SocketFile),
}

/// A Unix socket's name, taken away in the end.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub async fn open(listen: &Listen) -> anyhow::Result<Listener> {
    match &listen.socket {
        Address::Inet(host, port) => {
            let listener = TcpListener::bind((host.as_str(), *port)).await;
            let listener = listener.map_err(|error| match remedy(&error, *port) {
                Some(remedy) => anyhow::anyhow!("{error}: {remedy}"),
                None => error.into(),
            });
            Ok(Listener::Tcp(listener.with_context(|| format!("cannot listen on {}", listen.socket))?))
        }
        Address::Unix(path) => unix(listen, path).with_context(|| format!("cannot listen on {}", listen.socket)),
    }
}

fn remedy(error: &io::Error, port: u16) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Some(
            "another program has it (ss -ltnp, on FreeBSD sockstat -l): stop that (spamd? the service itself?), or name \
             another [[listen]] socket",
        ),
        io::ErrorKind::PermissionDenied if port < 1024 => {
            Some("ports below 1024 need root or CAP_NET_BIND_SERVICE; the service's unit has it")
        }
        _ => None,
    }
}

fn unix(listen: &Listen, path: &Path) -> anyhow::Result<Listener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another program listens there");
    }
    if path.symlink_metadata().is_ok_and(|about| !std::os::unix::fs::FileTypeExt::is_socket(&about.file_type())) {
        bail!("there is a file of that name which is no socket");
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    let made = make(listen, &draft).and_then(|listener| {
        std::fs::rename(&draft, path)?;
        Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    made
}

/// A socket of that name, with its owner and mode.
fn make(listen: &Listen, path: &Path) -> anyhow::Result<UnixListener> {
    let owner = id(&listen.owner, "/etc/passwd").with_context(|| format!("there is no user {:?}", listen.owner))?;
    let group = id(&listen.group, "/etc/group").with_context(|| format!("there is no group {:?}", listen.group))?;
    let listener = UnixListener::bind(path)?;
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::chown(path, owner, group).with_context(|| match (&*listen.owner, &*listen.group) {
            ("", group) => format!(
                "group {group:?}: the service's user must be in that group (systemd: SupplementaryGroups=), or the service \
                 must be started as root"
            ),
            (owner, _) => format!("owner {owner:?}: only root can give a socket away"),
        })?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(listen.mode.0))?;
    Ok(listener)
}

/// The number of a user or group; `Some(None)`: none was asked for. Files only: a service must not hang on a directory
/// server to open its socket.
pub fn id(name: &str, file: &str) -> Option<Option<u32>> {
    if name.is_empty() {
        return Some(None);
    }
    if let Ok(number) = name.parse() {
        return Some(Some(number));
    }
    let text = std::fs::read_to_string(file).ok()?;
    let mut entries = text.lines().map(|line| line.split(':'));
    entries.find_map(|mut fields| if fields.next()? == name { fields.nth(1)?.parse().ok() } else { None }).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sockets() {
        let inet = |host: &str, port| Ok(Address::Inet(host.to_owned(), port));
        for (text, address) in [
            ("inet:127.0.0.1:8899", inet("127.0.0.1", 8899)),
            ("inet:8899@127.0.0.1", inet("127.0.0.1", 8899)),
            ("inet6:8899@[::1]", inet("::1", 8899)),
            ("inet:[::1]:783", inet("::1", 783)),
            ("localhost:783", inet("localhost", 783)),
            ("inet:*:783", inet("0.0.0.0", 783)),
            ("unix:/run/x.sock", Ok(Address::Unix("/run/x.sock".into()))),
            ("local:/run/x.sock", Ok(Address::Unix("/run/x.sock".into()))),
            ("/run/x.sock", Ok(Address::Unix("/run/x.sock".into()))),
        ] {
            assert_eq!(text.parse::<Address>(), address, "{text}");
        }
        for wrong in ["", "inet:", "inet:host", "inet:70000@h", "unix:run/x", "inet::25"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
