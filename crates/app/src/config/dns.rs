//! `[dns]`: who is asked, for how long, and what is only pretended.

use super::units::Span;
use engine::Record;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tokio_rustls::rustls::pki_types::ServerName;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    pub ask: Ask,
    /// None: those of `/etc/resolv.conf`.
    #[serde(deserialize_with = "servers")]
    pub servers: Vec<Server>,
    /// File with certificates of authorities in place of the system's, for servers that are asked over TLS.
    pub authorities: PathBuf,
    /// For all questions of a message together.
    pub deadline: Span,
    /// For one server to answer one question.
    pub timeout: Span,
    pub attempts: usize,
    /// Of one message.
    pub questions: usize,
    /// Under way at the same time, of all messages.
    pub at_once: usize,
    /// Messages of the service that may wait at the same time, beyond those that are judged.
    pub waiting: usize,
    /// Answers kept.
    pub cache: u64,
    pub keep: Span,
    pub keep_missing: Span,
    /// Points where a question was not answered in time.
    pub unanswered: f64,
    /// Names with their records, as zone files write them: "A 127.0.0.2".
    pub fake: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    Yes,
    /// As `-L`.
    No,
    /// Nobody: `[dns.fake]` is all there is.
    Fake,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns {
            ask: Ask::Yes,
            servers: Vec::new(),
            authorities: PathBuf::new(),
            deadline: Span::seconds(5),
            timeout: Span::seconds(2),
            attempts: 2,
            questions: 200,
            at_once: 512,
            waiting: 64,
            cache: 32768,
            keep: Span::seconds(24 * 3600),
            keep_missing: Span::seconds(3600),
            unanswered: 0.0,
            fake: BTreeMap::new(),
        }
    }
}

impl Dns {
    pub fn check(&self) -> anyhow::Result<()> {
        if self.deadline.0.is_zero() || self.timeout.0.is_zero() {
            anyhow::bail!("dns: deadline and timeout must be longer than nothing");
        }
        if self.at_once == 0 || self.attempts == 0 {
            anyhow::bail!("dns: at_once and attempts must be more than nothing");
        }
        if !self.unanswered.is_finite() {
            anyhow::bail!("dns: unanswered = {} is no score", self.unanswered);
        }
        for (at, server) in self.servers.iter().enumerate() {
            // Which of two names a certificate has to bear could not be told by the address.
            if self.servers[..at].iter().any(|before| before.address == server.address) {
                anyhow::bail!("dns: servers: {} stands there twice", server.address);
            }
        }
        for (name, records) in &self.fake {
            for record in records {
                fake_record(record).map_err(|error| anyhow::anyhow!("dns.fake: {name:?}: {error}"))?;
            }
        }
        Ok(())
    }
}

/// What `[dns.fake]` can say of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FakeRecord {
    Record(Record, String),
    /// A TXT record's strings.
    Text(Vec<String>),
    NoSuchName,
    /// Instead of an answer.
    Code(u16),
    /// Never answers.
    Silence,
}

/// `A 127.0.0.2`, `TXT "one" "two"`, `MX 10 mx.example.`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, `TIMEOUT`.
pub fn fake_record(written: &str) -> Result<FakeRecord, String> {
    let (kind, data) = written.trim().split_once(char::is_whitespace).unwrap_or((written.trim(), ""));
    let data = data.trim();
    match kind.to_ascii_uppercase().as_str() {
        "NXDOMAIN" => return Ok(FakeRecord::NoSuchName),
        "SERVFAIL" => return Ok(FakeRecord::Code(2)),
        "REFUSED" => return Ok(FakeRecord::Code(5)),
        "TIMEOUT" => return Ok(FakeRecord::Silence),
        _ => {}
    }
    let record = Record::named(kind).ok_or_else(|| {
        format!("{written:?} begins with no record type; write \"A 127.0.0.2\", \"TXT text\", NXDOMAIN or TIMEOUT")
    })?;
    let is_address = match record {
        Record::A => data.parse::<std::net::Ipv4Addr>().is_ok(),
        Record::AAAA => data.parse::<std::net::Ipv6Addr>().is_ok(),
        _ => !data.is_empty(),
    };
    if !is_address {
        return Err(format!("{written:?}: {data:?} is nothing for {record}"));
    }
    if record == Record::TXT {
        return Ok(FakeRecord::Text(strings(data)));
    }
    Ok(FakeRecord::Record(record, data.to_owned()))
}

/// `"one" "two"`, or all of it as one string.
fn strings(data: &str) -> Vec<String> {
    if !data.starts_with('"') {
        return vec![data.to_owned()];
    }
    let mut found = Vec::new();
    let mut letters = data.chars();
    while letters.by_ref().any(|letter| letter == '"') {
        let mut string = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => string.extend(letters.next()),
                _ => string.push(letter),
            }
        }
        found.push(string);
    }
    found
}

/// A name server, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddr,
    /// Over TLS: the name, or the address, that its certificate has to bear. `None`: in plain text.
    pub certificate: Option<ServerName<'static>>,
}

impl Server {
    fn plain(address: SocketAddr) -> Server {
        Server { address, certificate: None }
    }
}

/// As it may be written.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.certificate {
            None => write!(f, "{}", self.address),
            Some(ServerName::DnsName(name)) => write!(f, "tls://{}#{}", self.address, name.as_ref()),
            Some(_) => write!(f, "tls://{}", self.address),
        }
    }
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Server>, D::Error> {
    let written = Vec::<String>::deserialize(deserializer)?;
    written.iter().map(|text| server(text).map_err(serde::de::Error::custom)).collect()
}

const PORT: u16 = 53;
/// Of DNS over TLS (RFC 7858).
const TLS_PORT: u16 = 853;

/// `192.0.2.53`, `[2001:db8::53]:5353`, `tls://192.0.2.53#ns.example`; the port may follow an `@` as well.
pub fn server(text: &str) -> Result<Server, String> {
    const FORMS: &str = "expected \"192.0.2.53\", \"[2001:db8::53]:53\" or \"tls://192.0.2.53#ns.example\"";
    let wrong = || format!("{text:?} is no name server: {FORMS}");
    let Some(rest) = text.strip_prefix("tls://") else {
        if text.contains('#') {
            return Err(format!("{text:?} names a certificate and does not say tls://: write \"tls://{text}\""));
        }
        return address(text, PORT).map(Server::plain).ok_or_else(wrong);
    };
    let (place, name) = rest.split_once('#').map_or((rest, None), |(place, name)| (place, Some(name)));
    let address = address(place, TLS_PORT).ok_or_else(wrong)?;
    let certificate = match name {
        None => ServerName::from(address.ip()),
        Some(name) => ServerName::try_from(name.trim_end_matches('.').to_lowercase())
            .map_err(|_| format!("{text:?}: {name:?} is no name that a certificate could bear"))?,
    };
    Ok(Server { address, certificate: Some(certificate) })
}

/// An address, and perhaps a port.
pub fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let (address, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, port),
        Some((address, port)) => (address, port.strip_prefix([':', '@'])?.parse().ok()?),
        None => match (text.parse(), text.split_once('@')) {
            (Ok(whole), _) => return Some(whole),
            (Err(_), Some((address, port))) => (address, port.parse().ok()?),
            (Err(_), None) => (text, port),
        },
    };
    Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_records_as_written() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("[192.0.2.53]:5353", Some("192.0.2.53:5353")),
            ("192.0.2.53@5353", Some("192.0.2.53:5353")),
            ("2001:db8::53@5353", Some("[2001:db8::53]:5353")),
            ("[192.0.2.53]x", None),
            ("ns.example", None),
            ("tls://192.0.2.53", Some("tls://192.0.2.53:853")),
            ("tls://192.0.2.53#NS.example", Some("tls://192.0.2.53:853#ns.example")),
            ("tls://192.0.2.53:8853#ns.example.", Some("tls://192.0.2.53:8853#ns.example")),
            ("tls://192.0.2.53@8853#ns.example", Some("tls://192.0.2.53:8853#ns.example")),
            ("tls://2001:db8::53#ns.example", Some("tls://[2001:db8::53]:853#ns.example")),
            ("tls://[2001:db8::53]", Some("tls://[2001:db8::53]:853")),
            ("tls://192.0.2.53#", None),
            ("tls://192.0.2.53#n s", None),
            ("tls://ns.example", None),
            ("192.0.2.53#ns.example", None),
        ] {
            let read = server(text).ok();
            assert_eq!(read.as_ref().map(Server::to_string).as_deref(), expected, "{text}");
            assert_eq!(read.as_ref().and_then(|read| server(&read.to_string()).ok()), read, "{text}");
        }
        let text = |strings: &[&str]| FakeRecord::Text(strings.iter().map(|s| (*s).to_owned()).collect());
        for (written, expected) in [
            ("A 127.0.0.2", FakeRecord::Record(Record::A, "127.0.0.2".into())),
            ("mx  10 mx.example.", FakeRecord::Record(Record::MX, "10 mx.example.".into())),
            ("TXT v=spf1 -all", text(&["v=spf1 -all"])),
            (r#"TXT "one" "t\"wo""#, text(&["one", "t\"wo"])),
            ("NXDOMAIN", FakeRecord::NoSuchName),
            ("SERVFAIL", FakeRecord::Code(2)),
            ("timeout", FakeRecord::Silence),
        ] {
            assert_eq!(fake_record(written), Ok(expected), "{written}");
        }
        for wrong in ["", "A", "A x", "AAAA 127.0.0.1", "WHAT 1"] {
            assert!(fake_record(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let wrong = |text: &str| crate::config::Config::parse(text).unwrap_err().to_string();
        assert!(wrong("[dns]\nservers = [\"ns.example\"]").contains("no name server"));
        assert!(wrong("[dns]\nservers = [\"9.9.9.9#x.example\"]").contains("write \"tls://9.9.9.9#x.example\""));
        assert!(wrong("[dns]\nservers = [\"192.0.2.1\", \"192.0.2.1:53\"]").contains("twice"));
        assert!(wrong("[dns]\ndeadline = \"0s\"").contains("longer than nothing"));
        assert!(wrong("[dns.fake]\n\"x.example\" = [\"A x\"]").contains("\"x.example\""));
    }
}
