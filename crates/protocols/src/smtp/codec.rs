//! The grammar: command lines, paths with parameters, xtext, XFORWARD's attributes, replies of one or more lines.

use crate::Trouble;
use crate::answer::{Decision, Refusal};
use crate::facts::{Path, Peer, confirmed_name, lossy, parse_address};

/// A command line, its verb in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub verb: String,
    pub argument: Vec<u8>,
}

impl CommandLine {
    pub fn parse(line: &[u8]) -> Self {
        let line = line.trim_ascii();
        let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        Self { verb: lossy(&line[..end]).to_ascii_uppercase(), argument: line[end..].trim_ascii().to_vec() }
    }
}

/// `FROM:<a@b> SIZE=1`: the path and its parameters, or what is wrong.
pub fn path(argument: &[u8], keyword: &str) -> Option<Path> {
    let head = argument.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword.as_bytes()) {
        return None;
    }
    let rest = argument[keyword.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let end = match rest.first()? {
        b'<' => {
            // A quoted local part may hold `>`.
            let (mut quoted, mut escaped) = (false, false);
            1 + rest.iter().position(|b| {
                let end = *b == b'>' && !quoted;
                match b {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => quoted = !quoted,
                    _ => {}
                }
                end
            })?
        }
        _ => rest.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(rest.len()),
    };
    let mut path = Path::parse(&rest[..end]);
    if path.address.iter().any(|b| *b < b' ' || *b == 127) {
        return None;
    }
    for parameter in rest[end..].split(|b| matches!(b, b' ' | b'\t')).filter(|p| !p.is_empty()) {
        path.add_parameter(parameter);
    }
    Some(path)
}

/// RFC 3461's xtext. What is not xtext is taken as it stands, as XFORWARD's old clients write it.
pub fn from_xtext(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digit = |n: usize| text.get(at + n).and_then(|b| (*b as char).to_digit(16));
        match (text[at], digit(1), digit(2)) {
            (b'+', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (other, ..) => {
                out.push(other);
                at += 1;
            }
        }
    }
    out
}

pub fn to_xtext(text: &[u8]) -> String {
    let mut out = String::new();
    for byte in text {
        match byte {
            b'+' | b'=' => out.push_str(&format!("+{byte:02X}")),
            33..=126 => out.push(*byte as char),
            _ => out.push_str(&format!("+{byte:02X}")),
        }
    }
    out
}

/// What XFORWARD told: `None` is `[UNAVAILABLE]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    pub name: Option<String>,
    /// Whether there is a name was told: `[UNAVAILABLE]` is a word too, `[TEMPUNAVAIL]` is none.
    pub resolved: bool,
    pub address: Option<std::net::IpAddr>,
    pub port: Option<u16>,
    pub protocol: Option<String>,
    pub helo: Option<Vec<u8>>,
    /// The queue id of the server before us.
    pub ident: Option<String>,
    /// `SOURCE=LOCAL`: the client is one of the server's own.
    pub local: bool,
}

/// The attributes that we know, as announced.
pub const FORWARD_ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO IDENT SOURCE";

impl Forwarded {
    /// One `NAME=value`.
    pub fn set(&mut self, attribute: &[u8]) -> Result<(), &'static str> {
        let at = attribute.iter().position(|b| *b == b'=').ok_or("attribute without value")?;
        let (name, value) = (lossy(&attribute[..at]).to_ascii_uppercase(), &attribute[at + 1..]);
        if value.len() > 255 {
            return Err("attribute is too long");
        }
        let value = from_xtext(value);
        if value.iter().any(|b| *b <= b' ' || *b == 127) {
            return Err("attribute has characters that it may not have");
        }
        let value = (!value.eq_ignore_ascii_case(b"[UNAVAILABLE]")).then_some(value);
        let text = value.as_deref().map(lossy);
        match name.as_str() {
            "NAME" => {
                self.resolved = !value.as_deref().is_some_and(|v| v.eq_ignore_ascii_case(b"[TEMPUNAVAIL]"));
                self.name = value.as_deref().and_then(confirmed_name);
            }
            "ADDR" => {
                self.address = match &value {
                    Some(v) => Some(parse_address(v).ok_or("bad address")?),
                    None => None,
                }
            }
            "PORT" => {
                self.port = match &text {
                    Some(v) => Some(v.parse().map_err(|_| "bad port")?),
                    None => None,
                }
            }
            "PROTO" => self.protocol = text.map(|t| t.chars().take(64).collect()),
            "HELO" => self.helo = value,
            "IDENT" => self.ident = text,
            "SOURCE" => self.local = value.is_some_and(|v| v.eq_ignore_ascii_case(b"LOCAL")),
            _ => return Err("unknown attribute"),
        }
        Ok(())
    }

    /// What a client passes on about the peer it has the message from.
    pub fn of(peer: &Peer, queue_id: Option<&str>) -> Self {
        Self {
            name: peer.name.clone(),
            resolved: !peer.unresolved,
            address: peer.address,
            port: peer.port,
            protocol: peer.protocol.clone(),
            helo: peer.helo.clone(),
            ident: queue_id.map(str::to_owned),
            local: peer.local || peer.inside,
        }
    }

    /// Command lines without line ends, each short enough, with the attributes that the server named.
    pub fn commands(&self, known: &str) -> Vec<String> {
        let known: Vec<String> = known.split_whitespace().map(str::to_ascii_uppercase).collect();
        let address = self.address.map(|a| match a {
            std::net::IpAddr::V6(a) => format!("IPV6:{a}"),
            a => a.to_string(),
        });
        let source = if self.local { "LOCAL" } else { "REMOTE" };
        let mut lines = Vec::new();
        let mut line = String::new();
        for (name, value) in [
            ("NAME", self.name.clone().map(String::into_bytes)),
            ("ADDR", address.map(String::into_bytes)),
            ("PORT", self.port.map(|p| p.to_string().into_bytes())),
            ("PROTO", self.protocol.clone().map(String::into_bytes)),
            ("HELO", self.helo.clone()),
            ("IDENT", self.ident.clone().map(String::into_bytes)),
            ("SOURCE", Some(source.as_bytes().to_vec())),
        ] {
            if !known.iter().any(|k| k == name) {
                continue;
            }
            let encoded = value.map(|v| to_xtext(&v)).filter(|v| !v.is_empty() && v.len() <= 255);
            let word = format!(" {name}={}", encoded.as_deref().unwrap_or("[UNAVAILABLE]"));
            if line.len() + word.len() > 490 {
                lines.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                line.push_str("XFORWARD");
            }
            line.push_str(&word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The enhanced status code that the text begins with: class, subject, detail.
    pub fn enhanced(&self) -> Option<(u16, u16, u16)> {
        let word = self.lines.first()?.split(' ').next()?;
        let mut numbers = word.split('.').map(|n| n.parse::<u16>().ok());
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(class @ (2 | 4 | 5))), Some(Some(subject)), Some(Some(detail)), None) => {
                Some((class, subject, detail))
            }
            _ => None,
        }
    }

    /// What the reply means for whoever gave us the message: the next hop's refusal in its words.
    pub fn decision(&self) -> Decision {
        let enhanced = self.enhanced();
        let texts = self.lines.iter().map(|line| match enhanced {
            Some((class, subject, detail)) => {
                line.strip_prefix(&format!("{class}.{subject}.{detail}")).unwrap_or(line).trim_start()
            }
            None => line.as_str(),
        });
        let refusal = Refusal {
            code: self.code,
            detail: enhanced.map(|(_, subject, detail)| (subject, detail)).or(Some((0, 0))),
            text: texts.collect::<Vec<_>>().join("\n"),
        };
        match self.code / 100 {
            2 => Decision::Accept,
            5 => Decision::Reject(refusal),
            _ => Decision::Defer(refusal),
        }
    }
}

/// Puts replies together from lines.
#[derive(Debug, Default)]
pub struct ReplyReader {
    lines: Vec<String>,
}

/// A reply of more lines than this is nobody's.
const LINES: usize = 256;

impl ReplyReader {
    /// `Ok(None)`: more lines follow.
    pub fn add(&mut self, line: &[u8]) -> Result<Option<Reply>, Trouble> {
        let text = lossy(line);
        let code: u16 = match text.get(..3).map(str::parse) {
            Some(Ok(code)) if (200..600).contains(&code) => code,
            _ => return Err(Trouble::Malformed("a reply")),
        };
        self.lines.push(text.get(4..).unwrap_or_default().to_owned());
        match text.as_bytes().get(3) {
            Some(b'-') if self.lines.len() < LINES => Ok(None),
            Some(b' ') | None => Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) })),
            _ => Err(Trouble::Malformed("a reply")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (argument, expected) in [
            ("FROM:<a@b>", Some(("a@b", 0))),
            ("from: <a@b> SIZE=1 BODY=8BITMIME", Some(("a@b", 2))),
            ("FROM:<>", Some(("", 0))),
            ("FROM:a@b SIZE=3", Some(("a@b", 1))),
            ("FROM:<\"a>b \\\" c\"@d> X", Some(("\"a>b \\\" c\"@d", 1))),
            ("FROM:<a@b", None),
            ("FROM <a@b>", None),
            ("FROM:", None),
            ("TO:<a@b>", None),
            ("FROM:<a\x01@b>", None),
        ] {
            let found = path(argument.as_bytes(), "FROM").map(|p| (lossy(&p.address), p.parameters.len()));
            assert_eq!(found, expected.map(|(a, n)| (a.to_owned(), n)), "{argument}");
        }
    }

    #[test]
    fn xtext() {
        for (plain, coded) in [("a b+c=d", "a+20b+2Bc+3Dd"), ("関", "+E9+96+A2"), ("", "")] {
            assert_eq!(to_xtext(plain.as_bytes()), coded);
            assert_eq!(from_xtext(coded.as_bytes()), plain.as_bytes());
        }
        assert_eq!(from_xtext(b"+zz+4"), b"+zz+4");
    }

    #[test]
    fn forwarded_attributes_there_and_back() {
        let forwarded = Forwarded {
            resolved: true,
            name: Some("mail.example.com".into()),
            address: "2001:db8::1".parse().ok(),
            port: Some(40000),
            protocol: Some("ESMTP".into()),
            helo: Some(b"a+b".to_vec()),
            ident: Some("4ABC".into()),
            local: true,
        };
        let lines = forwarded.commands(FORWARD_ATTRIBUTES);
        let mut again = Forwarded::default();
        for word in lines.iter().flat_map(|l| l.split(' ').skip(1)) {
            again.set(word.as_bytes()).unwrap();
        }
        assert_eq!(again, forwarded);
        assert_eq!(Forwarded::default().commands("NAME PORT"), ["XFORWARD NAME=[UNAVAILABLE] PORT=[UNAVAILABLE]"]);
        let long = Forwarded { helo: Some(vec![b'h'; 250]), name: Some("n".repeat(250)), ..forwarded };
        assert!(long.commands(FORWARD_ATTRIBUTES).iter().all(|l| l.len() <= 510));
        assert!(Forwarded::default().set(b"ADDR=300.1.1.1").is_err());
        assert!(Forwarded::default().set(b"HELO=a+0Ab").is_err());
    }

    #[test]
    fn replies() {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.add(b"550-5.1.1 no"), Ok(None));
        let reply = reader.add(b"550 5.1.1 body").unwrap().unwrap();
        assert_eq!(reply.enhanced(), Some((5, 1, 1)));
        assert_eq!(reply.decision(), Decision::Reject(Refusal::new(550, (1, 1), "no\nbody")));
        assert_eq!(reader.add(b"250").unwrap().unwrap().decision(), Decision::Accept);
        for bad in ["", "25", "abc def", "250?x", "999 x", "100 x"] {
            assert!(ReplyReader::default().add(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
