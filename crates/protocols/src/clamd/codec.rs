//! Commands in their three framings, the chunks of a stream, and replies as `clamd` 1.4 writes them.

use crate::Walk;

/// How a command came, and with what its reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `zPING\0`
    Nul,
    /// `nPING\n`
    Newline,
    /// `PING`, with a line end or with none at all.
    Old,
}

impl Framing {
    pub fn end(self) -> u8 {
        if self == Framing::Nul { 0 } else { b'\n' }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Ping,
    Version,
    Commands,
    Reload,
    Shutdown,
    Stats,
    Begin,
    End,
    Stream,
    Descriptor,
    Scan {
        path: Vec<u8>,
        walk: Walk,
    },
    /// Taken out of clamd long ago; the connection is closed without a word.
    Removed,
}

/// The names that `VERSIONCOMMANDS` lists, in clamd's order.
pub const COMMANDS: &str = "SCAN QUIT RELOAD PING CONTSCAN VERSIONCOMMANDS VERSION END SHUTDOWN MULTISCAN FILDES STATS \
                            IDSESSION INSTREAM DETSTATSCLEAR DETSTATS ALLMATCHSCAN";

impl Command {
    /// The text of a command without its framing. `None`: clamd knows no such command, or not in this form.
    pub fn parse(text: &[u8], framing: Framing) -> Option<Command> {
        let (word, argument) = match text.iter().position(|byte| *byte == b' ') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        if let Some(path) = argument {
            let walk = match word {
                b"SCAN" => Walk::UntilFound,
                b"CONTSCAN" | b"MULTISCAN" => Walk::Everything,
                b"ALLMATCHSCAN" if framing != Framing::Old => Walk::AllNames,
                _ => return None,
            };
            return Some(Command::Scan { path: path.to_vec(), walk });
        }
        Some(match word {
            b"PING" => Command::Ping,
            b"VERSION" => Command::Version,
            b"RELOAD" => Command::Reload,
            b"SHUTDOWN" | b"QUIT" => Command::Shutdown,
            b"FILDES" => Command::Descriptor,
            b"DETSTATS" | b"DETSTATSCLEAR" => Command::Removed,
            _ if framing == Framing::Old => return None,
            b"VERSIONCOMMANDS" => Command::Commands,
            b"STATS" => Command::Stats,
            b"IDSESSION" => Command::Begin,
            b"END" => Command::End,
            b"INSTREAM" => Command::Stream,
            _ => return None,
        })
    }

    /// Whether it may be given between `IDSESSION` and `END`.
    pub fn in_session(&self) -> bool {
        match self {
            Command::Ping
            | Command::Version
            | Command::Commands
            | Command::Stats
            | Command::End
            | Command::Stream
            | Command::Descriptor => true,
            Command::Scan { walk, .. } => *walk == Walk::UntilFound,
            Command::Reload | Command::Shutdown | Command::Begin | Command::Removed => false,
        }
    }
}

/// A chunk's length in front of it, four bytes, the most significant first; 0 ends the stream.
pub fn chunk_length(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|length| u32::from_be_bytes(*length))
}

/// What stands in a reply line: nothing that could end the line or begin another.
pub fn printable(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte < b' ' || *byte == 127 { b'?' } else { *byte }).collect()
}

/// A reply line of a scanner, without its end and without a session's number.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    Clean,
    Found(&'a [u8]),
    Error(&'a [u8]),
    Other(&'a [u8]),
}

/// `stream: OK`, `stream: Name FOUND`, `... ERROR`.
pub fn reply(line: &[u8]) -> Reply<'_> {
    let after_subject = |line: &'_ [u8]| {
        let at = line.windows(2).position(|pair| pair == b": ").map_or(0, |at| at + 2);
        at..line.len()
    };
    if let Some(rest) = line.strip_suffix(b" FOUND") {
        return Reply::Found(&rest[after_subject(rest)]);
    }
    if let Some(rest) = line.strip_suffix(b" ERROR") {
        return Reply::Error(&rest[after_subject(rest)]);
    }
    if line.ends_with(b": OK") { Reply::Clean } else { Reply::Other(line) }
}

/// `17: PONG`: the number of a request within a session, and the rest.
pub fn numbered(line: &[u8]) -> Option<(usize, &[u8])> {
    let at = line.windows(2).position(|pair| pair == b": ")?;
    let number = std::str::from_utf8(&line[..at]).ok()?.parse().ok()?;
    Some((number, &line[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let scan = |path: &str, walk| Some(Command::Scan { path: path.into(), walk });
        for (text, framing, command) in [
            ("PING", Framing::Old, Some(Command::Ping)),
            ("ping", Framing::Newline, None),
            ("PING x", Framing::Newline, None),
            ("SCAN", Framing::Newline, None),
            ("SCAN ", Framing::Newline, scan("", Walk::UntilFound)),
            ("SCAN /a b ", Framing::Newline, scan("/a b ", Walk::UntilFound)),
            ("CONTSCAN /a", Framing::Old, scan("/a", Walk::Everything)),
            ("ALLMATCHSCAN /a", Framing::Old, None),
            ("ALLMATCHSCAN /a", Framing::Nul, scan("/a", Walk::AllNames)),
            ("INSTREAM", Framing::Old, None),
            ("INSTREAM", Framing::Nul, Some(Command::Stream)),
            ("INSTREAM x", Framing::Nul, None),
            ("QUIT", Framing::Old, Some(Command::Shutdown)),
            ("", Framing::Nul, None),
        ] {
            assert_eq!(Command::parse(text.as_bytes(), framing), command, "{text}");
        }
    }

    #[test]
    fn replies() {
        for (line, understood) in [
            ("stream: OK", Reply::Clean),
            ("stream: A.B-1 FOUND", Reply::Found(b"A.B-1")),
            ("fd[9]: A FOUND", Reply::Found(b"A")),
            ("INSTREAM size limit exceeded. ERROR", Reply::Error(b"INSTREAM size limit exceeded.")),
            ("UNKNOWN COMMAND", Reply::Other(b"UNKNOWN COMMAND")),
            ("OK", Reply::Other(b"OK")),
        ] {
            assert_eq!(reply(line.as_bytes()), understood, "{line}");
        }
        assert_eq!(numbered(b"12: stream: OK"), Some((12, &b"stream: OK"[..])));
        assert_eq!(numbered(b"stream: OK"), None);
    }
}
