//! A question to a Pyzor server and its answer: fields as in mail, one datagram each, signed with the account's key.

use sha1::{Digest, Sha1};
use std::fmt;

/// What a server is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Ping,
    Check,
    Info,
    /// This is spam.
    Report,
    /// This is none.
    Welcome,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Ping => "ping",
            Operation::Check => "check",
            Operation::Info => "info",
            Operation::Report => "report",
            Operation::Welcome => "whitelist",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    /// Hexadecimal; empty for the anonymous user.
    pub key: String,
}

impl Default for Account {
    fn default() -> Account {
        Account { user: "anonymous".into(), key: String::new() }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub operation: Operation,
    /// Of `pyzor::digest`; unused by a ping.
    pub digest: &'a str,
    /// Chosen at random, 1024 and more; the answer bears it.
    pub thread: u16,
}

/// The version that is spoken.
const VERSION: &str = "2.1";

impl Request<'_> {
    /// `time`: seconds since 1970; servers bear a difference of five minutes.
    pub fn write(&self, account: &Account, time: u64) -> Vec<u8> {
        let mut text = format!("Op: {}\n", self.operation.name());
        if self.operation != Operation::Ping {
            text.push_str(&format!("Op-Digest: {}\n", self.digest));
        }
        if matches!(self.operation, Operation::Report | Operation::Welcome) {
            text.push_str("Op-Spec: 20,3,60,3\n");
        }
        text.push_str(&format!("Thread: {}\nPV: {VERSION}\nUser: {}\nTime: {time}", self.thread, account.user));
        let key = hex(&Sha1::digest(format!("{}:{}", account.user, account.key.to_lowercase())));
        let mut hash = Sha1::new();
        hash.update(Sha1::digest(text.as_bytes()));
        hash.update(format!(":{time}:{key}"));
        let signature = hex(&hash.finalize());
        format!("{text}\nSig: {signature}\n\n").into_bytes()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Response {
    /// How often the message was reported as spam ...
    pub reports: u64,
    /// ... and as none.
    pub welcomes: u64,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Not in the protocol's form; what is missing.
    Malformed(&'static str),
    /// The answer to another question.
    OtherThread { expected: u16, found: u16 },
    /// The server's code and words.
    Refused { code: u16, words: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Malformed(what) => write!(f, "the answer has no {what}"),
            Problem::OtherThread { expected, found } => write!(f, "the answer is to {found}, not to {expected}"),
            Problem::Refused { code, words } => write!(f, "{code} {words}"),
        }
    }
}

/// Words of a server that are kept.
const WORDS: usize = 200;

impl Response {
    pub fn read(packet: &[u8], asked: &Request<'_>) -> Result<Response, Problem> {
        let text = String::from_utf8_lossy(packet);
        let field = |name: &str| {
            let lines = text.lines().take_while(|line| !line.trim().is_empty());
            let mut fields = lines.filter_map(|line| line.split_once(':'));
            fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let code: u16 = field("Code").and_then(|code| code.parse().ok()).ok_or(Problem::Malformed("Code"))?;
        // Errors that belong to no question have a number below 1024.
        let thread: u16 = field("Thread").and_then(|thread| thread.parse().ok()).unwrap_or(0);
        if thread != asked.thread && thread >= 1024 {
            return Err(Problem::OtherThread { expected: asked.thread, found: thread });
        }
        if code != 200 {
            let said = field("Diag").unwrap_or_default();
            let words = said.chars().filter(|letter| !letter.is_control()).take(WORDS).collect();
            return Err(Problem::Refused { code, words });
        }
        if thread != asked.thread {
            return Err(Problem::OtherThread { expected: asked.thread, found: thread });
        }
        let count = |name: &'static str| {
            let value = field(name).ok_or(Problem::Malformed(name))?;
            value.parse::<i64>().map(|count| count.max(0).unsigned_abs()).map_err(|_| Problem::Malformed(name))
        };
        match asked.operation {
            Operation::Check | Operation::Info => {
                Ok(Response { reports: count("Count")?, welcomes: count("WL-Count")? })
            }
            _ => Ok(Response::default()),
        }
    }
}

/// A file of servers, one `host:port` a line.
pub fn servers(text: &str) -> Vec<(String, u16)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (host, port) = line.rsplit_once(':')?;
            Some((host.to_owned(), port.trim().parse().ok()?))
        })
        .collect()
}

/// A file of accounts, `host : port : user : salt,key` a line.
pub fn accounts(text: &str) -> Vec<((String, u16), Account)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').map(str::trim).collect();
            let &[host, port, user, key] = &fields[..] else { return None };
            let (_, key) = key.split_once(',')?;
            let fits = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
            (fits(user)).then_some(())?;
            Some(((host.to_owned(), port.parse().ok()?), Account { user: user.into(), key: key.trim().into() }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Request<'_> =
        Request { operation: Operation::Check, digest: "da39a3ee5e6b4b0d3255bfef95601890afd80709", thread: 4321 };

    #[test]
    fn a_question_is_signed() {
        let written = String::from_utf8(CHECK.write(&Account::default(), 1_700_000_000)).unwrap();
        let (fields, signature) = written.rsplit_once("Sig: ").unwrap();
        assert_eq!(
            fields,
            "Op: check\nOp-Digest: da39a3ee5e6b4b0d3255bfef95601890afd80709\nThread: 4321\nPV: 2.1\nUser: anonymous\n\
             Time: 1700000000\n"
        );
        assert_eq!(signature.trim().len(), 40);
        let other = Account { user: "anonymous".into(), key: "aa".into() };
        assert_ne!(CHECK.write(&other, 1_700_000_000), written.as_bytes());
    }

    #[test]
    fn answers() {
        let read = |packet: &str| Response::read(packet.as_bytes(), &CHECK);
        let good = "Code: 200\nDiag: OK\nPV: 2.1\nThread: 4321\nCount: 12\nWL-Count: 3\n\n";
        assert_eq!(read(good), Ok(Response { reports: 12, welcomes: 3 }));
        assert_eq!(read(&good.replace("4321", "4322")), Err(Problem::OtherThread { expected: 4321, found: 4322 }));
        assert_eq!(read("Code: 403\nDiag: Forbidden: x\nThread: 0\n"), refused(403, "Forbidden: x"));
        assert_eq!(read("Code: 200\nThread: 4321\nCount: many\n"), Err(Problem::Malformed("Count")));
        assert_eq!(read(""), Err(Problem::Malformed("Code")));
        assert_eq!(read(&good.replace("Count: 12", "Count: -1")).unwrap().reports, 0);
    }

    fn refused(code: u16, words: &str) -> Result<Response, Problem> {
        Err(Problem::Refused { code, words: words.into() })
    }

    #[test]
    fn files_of_servers_and_accounts() {
        assert_eq!(servers("# x\n\nlocalhost:24441\nbad\n"), [("localhost".to_owned(), 24441)]);
        let read = accounts("h : 1 : bob : salt,abc\nh : 2 : bob : abc\n# h : 1 : x : ,y\n");
        assert_eq!(read, [(("h".to_owned(), 1), Account { user: "bob".into(), key: "abc".into() })]);
    }
}
