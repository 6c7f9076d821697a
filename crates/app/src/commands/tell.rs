//! A lesson given to the running service, over its spamd listener: for those who may not write into the model's folder.
//!
//! In: an address, a message and what it is. Out: whether that was news to the service. The protocol is spamd's TELL.

use super::learn::Deed;
use crate::serve::listen::Address;
use ::learn::Class;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The service learns in milliseconds; it may be writing its model.
const PATIENCE: Duration = Duration::from_secs(60);
/// A reply is a few lines.
const REPLY: u64 = 4_096;

pub fn tell(address: &Address, raw: &[u8], deed: Deed, user: &str) -> anyhow::Result<bool> {
    let reply = talk(address, &request(raw, deed, user)?).with_context(|| address.to_string())?;
    understand(&reply).with_context(|| address.to_string())
}

fn request(raw: &[u8], deed: Deed, user: &str) -> anyhow::Result<Vec<u8>> {
    if user.chars().any(char::is_control) {
        bail!("a user's name has no control characters");
    }
    let what = match deed {
        Deed::Learn(Class::Spam) => "Message-class: spam\r\nSet: local\r\n",
        Deed::Learn(Class::Ham) => "Message-class: ham\r\nSet: local\r\n",
        Deed::Forget => "Remove: local\r\n",
    };
    let user = if user.is_empty() { String::new() } else { format!("User: {user}\r\n") };
    let mut request = format!("TELL SPAMC/1.5\r\nContent-length: {}\r\n{user}{what}\r\n", raw.len()).into_bytes();
    request.extend_from_slice(raw);
    Ok(request)
}

fn talk(address: &Address, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut reply = Vec::new();
    match address {
        Address::Unix(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(request)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            stream.take(REPLY).read_to_end(&mut reply)?;
        }
        Address::Inet(host, port) => {
            let mut stream = TcpStream::connect((host.as_str(), *port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(request)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            stream.take(REPLY).read_to_end(&mut reply)?;
        }
    }
    Ok(reply)
}

fn understand(reply: &[u8]) -> anyhow::Result<bool> {
    let reply = String::from_utf8_lossy(reply);
    let mut lines = reply.lines();
    let first = lines.next().unwrap_or_default();
    let code = first.split_whitespace().nth(1);
    if !first.starts_with("SPAMD/") || code != Some("0") {
        let said = crate::output::readable(first.as_bytes(), 200);
        bail!("the service does not learn from this socket (it wants [learn] tell = true): {said}");
    }
    let done = |line: &str| {
        let line = line.to_ascii_lowercase();
        (line.starts_with("didset:") || line.starts_with("didremove:")) && line.contains("local")
    };
    Ok(lines.any(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_what_the_reply_means() {
        let asked = request(b"Subject: x\n\ny\n", Deed::Learn(Class::Spam), "花子@example.jp").unwrap();
        let wanted = "TELL SPAMC/1.5\r\nContent-length: 14\r\nUser: 花子@example.jp\r\nMessage-class: spam\r\n\
                      Set: local\r\n\r\nSubject: x\n\ny\n";
        assert_eq!(String::from_utf8(asked).unwrap(), wanted);
        assert!(request(b"", Deed::Forget, "a\r\nSet: local").is_err());
        assert!(understand(b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n\r\n").unwrap());
        assert!(understand(b"SPAMD/1.1 0 EX_OK\r\nDidRemove: local\r\n\r\n").unwrap());
        assert!(!understand(b"SPAMD/1.1 0 EX_OK\r\n\r\n").unwrap());
        let refused = understand(b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled\r\n").unwrap_err();
        assert!(refused.to_string().contains("tell = true"), "{refused}");
        assert!(understand(b"").is_err());
    }
}
