//! Packets: a length of four bytes, a command of one, data. Both directions, so that tests and tools can play the mail
//! server.
//!
//! Strings end in NUL. What a peer leaves off at the end of a packet (a last NUL, a port) is forgiven where the meaning
//! is clear.

use crate::Trouble;

/// What a filter may do at the end of the message (`SMFIF_`).
pub mod action {
    pub const ADD_HEADERS: u32 = 0x01;
    pub const CHANGE_BODY: u32 = 0x02;
    pub const ADD_RECIPIENT: u32 = 0x04;
    pub const DELETE_RECIPIENT: u32 = 0x08;
    pub const CHANGE_HEADERS: u32 = 0x10;
    pub const QUARANTINE: u32 = 0x20;
    pub const CHANGE_SENDER: u32 = 0x40;
    pub const ADD_RECIPIENT_WITH_PARAMETERS: u32 = 0x80;
    pub const SET_MACRO_LIST: u32 = 0x100;
    pub const ALL: u32 = 0x1ff;
}

/// What need not be sent or answered (`SMFIP_`).
pub mod protocol {
    pub const NO_CONNECT: u32 = 0x01;
    pub const NO_HELO: u32 = 0x02;
    pub const NO_MAIL: u32 = 0x04;
    pub const NO_RECIPIENT: u32 = 0x08;
    pub const NO_BODY: u32 = 0x10;
    pub const NO_HEADERS: u32 = 0x20;
    pub const NO_END_OF_HEADER: u32 = 0x40;
    pub const SILENT_HEADER: u32 = 0x80;
    pub const NO_UNKNOWN: u32 = 0x100;
    pub const NO_DATA: u32 = 0x200;
    /// The mail server understands "skip the rest of the body".
    pub const SKIP: u32 = 0x400;
    pub const SILENT_CONNECT: u32 = 0x1000;
    pub const SILENT_HELO: u32 = 0x2000;
    pub const SILENT_MAIL: u32 = 0x4000;
    pub const SILENT_RECIPIENT: u32 = 0x8000;
    pub const SILENT_DATA: u32 = 0x1_0000;
    pub const SILENT_UNKNOWN: u32 = 0x2_0000;
    pub const SILENT_END_OF_HEADER: u32 = 0x4_0000;
    pub const SILENT_BODY: u32 = 0x8_0000;
    /// Header values keep the blank after the colon, in both directions.
    pub const LEADING_SPACE: u32 = 0x10_0000;
    pub const ALL: u32 = 0x1f_ffff;
}

/// The address family of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Unknown,
    Unix,
    Inet,
    Inet6,
}

/// From the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Negotiate {
        version: u32,
        actions: u32,
        protocol: u32,
    },
    /// Values of macros for the command of this letter, which may or may not follow.
    Macros {
        command: u8,
        macros: Vec<(Vec<u8>, Vec<u8>)>,
    },
    Connect {
        name: Vec<u8>,
        family: Family,
        port: u16,
        address: Vec<u8>,
    },
    Helo(Vec<u8>),
    /// The address, then ESMTP parameters.
    Mail(Vec<Vec<u8>>),
    Recipient(Vec<Vec<u8>>),
    Data,
    Unknown(Vec<u8>),
    /// Lines of a folded value end in LF.
    Header {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    EndOfHeader,
    Body(Vec<u8>),
    /// May bring the last of the body.
    EndOfMessage(Vec<u8>),
    /// Forget the message, keep the connection.
    Abort,
    Quit,
    /// The client left, the next will follow on this connection.
    QuitNewConnection,
}

/// From the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    Negotiate {
        version: u32,
        actions: u32,
        protocol: u32,
        macros: Vec<(u32, Vec<u8>)>,
    },
    Continue,
    Accept,
    Reject,
    TemporaryFailure,
    Discard,
    /// Code and text, lines separated by CRLF; `%` is doubled on the wire.
    Reply(Vec<u8>),
    Skip,
    Progress,
    AddHeader {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    InsertHeader {
        index: u32,
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// An empty value deletes.
    ChangeHeader {
        index: u32,
        name: Vec<u8>,
        value: Vec<u8>,
    },
    ReplaceBody(Vec<u8>),
    AddRecipient {
        address: Vec<u8>,
        parameters: Option<Vec<u8>>,
    },
    DeleteRecipient(Vec<u8>),
    ChangeSender {
        address: Vec<u8>,
        parameters: Option<Vec<u8>>,
    },
    Quarantine(Vec<u8>),
    ConnectionFailure,
    Shutdown,
}

/// The first packet of `input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// Its command byte, and the length of the whole packet: data begins at 5.
    Whole {
        letter: u8,
        length: usize,
    },
    Incomplete,
    /// Longer than `limit`, or of no length at all.
    Impossible,
}

pub fn packet(input: &[u8], limit: usize) -> Packet {
    let Some(head) = input.first_chunk::<4>() else { return Packet::Incomplete };
    let length = u32::from_be_bytes(*head) as usize;
    if length == 0 || length > limit {
        return Packet::Impossible;
    }
    match input.get(4) {
        Some(letter) if input.len() - 4 >= length => Packet::Whole { letter: *letter, length: length + 4 },
        _ => Packet::Incomplete,
    }
}

/// Takes fields off the front of a packet's data.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn number(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn short(&mut self) -> Option<u16> {
        let (head, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*head))
    }

    fn byte(&mut self) -> Option<u8> {
        let (head, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*head)
    }

    /// Up to the next NUL, or the rest where there is none.
    fn string(&mut self) -> Option<&'d [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = &self.0[(end + 1).min(self.0.len())..];
        Some(text)
    }

    fn strings(&mut self, limit: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < limit
            && let Some(text) = self.string()
        {
            all.push(text.to_vec());
        }
        all
    }
}

/// Arguments of one MAIL or RCPT, macros of one packet: more is not looked at.
const STRINGS: usize = 256;

impl Command {
    pub fn parse(letter: u8, data: &[u8]) -> Result<Self, Trouble> {
        let mut data = Reader(data);
        Ok(match letter {
            b'O' => match (data.number(), data.number(), data.number()) {
                (Some(version), Some(actions), Some(protocol)) => Command::Negotiate { version, actions, protocol },
                _ => return Err(Trouble::Malformed("option negotiation")),
            },
            b'D' => {
                let command = data.byte().unwrap_or(0); // nobody's macros: no reason to lose a message
                let mut macros = Vec::new();
                while macros.len() < STRINGS
                    && let Some(name) = data.string()
                {
                    let value = data.string().unwrap_or_default();
                    let name = name.strip_prefix(b"{").and_then(|n| n.strip_suffix(b"}")).unwrap_or(name);
                    macros.push((name.to_vec(), value.to_vec()));
                }
                Command::Macros { command, macros }
            }
            b'C' => {
                let name = data.string().ok_or(Trouble::Malformed("connection"))?.to_vec();
                let family = match data.byte() {
                    Some(b'L') => Family::Unix,
                    Some(b'4') => Family::Inet,
                    Some(b'6') => Family::Inet6,
                    _ => Family::Unknown,
                };
                let port = if family == Family::Unknown { 0 } else { data.short().unwrap_or(0) };
                let address = match family {
                    Family::Unknown => Vec::new(),
                    _ => data.string().unwrap_or_default().to_vec(),
                };
                Command::Connect { name, family, port, address }
            }
            b'H' => Command::Helo(data.string().unwrap_or_default().to_vec()),
            b'M' => Command::Mail(data.strings(STRINGS)),
            b'R' => Command::Recipient(data.strings(STRINGS)),
            b'T' => Command::Data,
            b'U' => Command::Unknown(data.string().unwrap_or_default().to_vec()),
            b'L' => {
                let name = data.string().ok_or(Trouble::Malformed("header"))?.to_vec();
                Command::Header { name, value: data.string().unwrap_or_default().to_vec() }
            }
            b'N' => Command::EndOfHeader,
            b'B' => Command::Body(data.0.to_vec()),
            b'E' => Command::EndOfMessage(data.0.to_vec()),
            b'A' => Command::Abort,
            b'Q' => Command::Quit,
            b'K' => Command::QuitNewConnection,
            other => return Err(Trouble::UnknownCommand(vec![other])),
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Command::Negotiate { version, actions, protocol } => write_packet(out, b'O', |o| {
                [version, actions, protocol].iter().for_each(|n| o.extend(n.to_be_bytes()));
            }),
            Command::Macros { command, macros } => write_packet(out, b'D', |o| {
                o.push(*command);
                for (name, value) in macros {
                    let braced = name.len() > 1;
                    if braced {
                        o.push(b'{');
                    }
                    o.extend_from_slice(name);
                    if braced {
                        o.push(b'}');
                    }
                    o.push(0);
                    write_string(o, value);
                }
            }),
            Command::Connect { name, family, port, address } => write_packet(out, b'C', |o| {
                write_string(o, name);
                o.push(match family {
                    Family::Unknown => b'U',
                    Family::Unix => b'L',
                    Family::Inet => b'4',
                    Family::Inet6 => b'6',
                });
                if *family != Family::Unknown {
                    o.extend(port.to_be_bytes());
                    write_string(o, address);
                }
            }),
            Command::Helo(name) => write_packet(out, b'H', |o| write_string(o, name)),
            Command::Mail(args) => write_packet(out, b'M', |o| args.iter().for_each(|a| write_string(o, a))),
            Command::Recipient(args) => write_packet(out, b'R', |o| args.iter().for_each(|a| write_string(o, a))),
            Command::Data => write_packet(out, b'T', |_| ()),
            Command::Unknown(text) => write_packet(out, b'U', |o| write_string(o, text)),
            Command::Header { name, value } => write_packet(out, b'L', |o| {
                write_string(o, name);
                write_string(o, value);
            }),
            Command::EndOfHeader => write_packet(out, b'N', |_| ()),
            Command::Body(bytes) => write_packet(out, b'B', |o| o.extend_from_slice(bytes)),
            Command::EndOfMessage(bytes) => write_packet(out, b'E', |o| o.extend_from_slice(bytes)),
            Command::Abort => write_packet(out, b'A', |_| ()),
            Command::Quit => write_packet(out, b'Q', |_| ()),
            Command::QuitNewConnection => write_packet(out, b'K', |_| ()),
        }
    }
}

impl Response {
    pub fn parse(letter: u8, data: &[u8]) -> Result<Self, Trouble> {
        let mut data = Reader(data);
        let string = |d: &mut Reader<'_>| d.string().unwrap_or_default().to_vec();
        let index = |d: &mut Reader<'_>| d.number().ok_or(Trouble::Malformed("index"));
        Ok(match letter {
            b'O' => match (data.number(), data.number(), data.number()) {
                (Some(version), Some(actions), Some(protocol)) => {
                    let mut macros = Vec::new();
                    while let Some(stage) = data.number() {
                        macros.push((stage, string(&mut data)));
                    }
                    Response::Negotiate { version, actions, protocol, macros }
                }
                _ => return Err(Trouble::Malformed("option negotiation")),
            },
            b'c' => Response::Continue,
            b'a' => Response::Accept,
            b'r' => Response::Reject,
            b't' => Response::TemporaryFailure,
            b'd' => Response::Discard,
            b'y' => Response::Reply(string(&mut data)),
            b's' => Response::Skip,
            b'p' => Response::Progress,
            b'h' => Response::AddHeader { name: string(&mut data), value: string(&mut data) },
            b'i' => {
                Response::InsertHeader { index: index(&mut data)?, name: string(&mut data), value: string(&mut data) }
            }
            b'm' => {
                Response::ChangeHeader { index: index(&mut data)?, name: string(&mut data), value: string(&mut data) }
            }
            b'b' => Response::ReplaceBody(data.0.to_vec()),
            b'+' => Response::AddRecipient { address: string(&mut data), parameters: None },
            b'2' => {
                Response::AddRecipient { address: string(&mut data), parameters: data.string().map(<[u8]>::to_vec) }
            }
            b'-' => Response::DeleteRecipient(string(&mut data)),
            b'e' => {
                Response::ChangeSender { address: string(&mut data), parameters: data.string().map(<[u8]>::to_vec) }
            }
            b'q' => Response::Quarantine(string(&mut data)),
            b'f' => Response::ConnectionFailure,
            b'4' => Response::Shutdown,
            other => return Err(Trouble::UnknownCommand(vec![other])),
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Response::Negotiate { version, actions, protocol, macros } => write_packet(out, b'O', |o| {
                [version, actions, protocol].iter().for_each(|n| o.extend(n.to_be_bytes()));
                for (stage, names) in macros {
                    o.extend(stage.to_be_bytes());
                    write_string(o, names);
                }
            }),
            Response::Continue => write_packet(out, b'c', |_| ()),
            Response::Accept => write_packet(out, b'a', |_| ()),
            Response::Reject => write_packet(out, b'r', |_| ()),
            Response::TemporaryFailure => write_packet(out, b't', |_| ()),
            Response::Discard => write_packet(out, b'd', |_| ()),
            Response::Reply(text) => write_packet(out, b'y', |o| write_string(o, text)),
            Response::Skip => write_packet(out, b's', |_| ()),
            Response::Progress => write_packet(out, b'p', |_| ()),
            Response::AddHeader { name, value } => write_packet(out, b'h', |o| {
                write_string(o, name);
                write_string(o, value);
            }),
            Response::InsertHeader { index, name, value } => write_packet(out, b'i', |o| {
                o.extend(index.to_be_bytes());
                write_string(o, name);
                write_string(o, value);
            }),
            Response::ChangeHeader { index, name, value } => write_packet(out, b'm', |o| {
                o.extend(index.to_be_bytes());
                write_string(o, name);
                write_string(o, value);
            }),
            Response::ReplaceBody(bytes) => write_packet(out, b'b', |o| o.extend_from_slice(bytes)),
            Response::AddRecipient { address, parameters: None } => {
                write_packet(out, b'+', |o| write_string(o, address))
            }
            Response::AddRecipient { address, parameters: Some(parameters) } => write_packet(out, b'2', |o| {
                write_string(o, address);
                write_string(o, parameters);
            }),
            Response::DeleteRecipient(address) => write_packet(out, b'-', |o| write_string(o, address)),
            Response::ChangeSender { address, parameters } => write_packet(out, b'e', |o| {
                write_string(o, address);
                if let Some(parameters) = parameters {
                    write_string(o, parameters);
                }
            }),
            Response::Quarantine(reason) => write_packet(out, b'q', |o| write_string(o, reason)),
            Response::ConnectionFailure => write_packet(out, b'f', |_| ()),
            Response::Shutdown => write_packet(out, b'4', |_| ()),
        }
    }
}

fn write_packet(out: &mut Vec<u8>, letter: u8, data: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.push(letter);
    data(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().filter(|b| **b != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(command: Command) {
        let mut bytes = Vec::new();
        command.write(&mut bytes);
        let Packet::Whole { letter, length } = packet(&bytes, 1 << 20) else { panic!("{bytes:?}") };
        assert_eq!(length, bytes.len());
        assert_eq!(Command::parse(letter, &bytes[5..]).unwrap(), command);
        for cut in 0..bytes.len() {
            assert_eq!(packet(&bytes[..cut], 1 << 20), Packet::Incomplete);
        }
    }

    #[test]
    fn commands() {
        for command in [
            Command::Negotiate { version: 6, actions: action::ALL, protocol: protocol::ALL },
            Command::Macros {
                command: b'C',
                macros: vec![(b"j".into(), b"mx".into()), (b"auth_type".into(), b"".into())],
            },
            Command::Connect {
                name: b"[192.0.2.1]".into(),
                family: Family::Inet,
                port: 25,
                address: b"192.0.2.1".into(),
            },
            Command::Connect { name: b"localhost".into(), family: Family::Unix, port: 0, address: b"/run/x".into() },
            Command::Connect { name: b"x".into(), family: Family::Unknown, port: 0, address: b"".into() },
            Command::Helo(b"x".into()),
            Command::Mail(vec![b"<a@b>".into(), b"SIZE=1".into()]),
            Command::Recipient(vec![b"<a@b>".into()]),
            Command::Header { name: b"Subject".into(), value: b" \x80\n folded".into() },
            Command::Header { name: b"Empty".into(), value: b"".into() },
            Command::Body(b"a\0b".into()),
            Command::EndOfMessage(b"".into()),
            Command::Abort,
        ] {
            there_and_back(command);
        }
    }

    #[test]
    fn impossible_packets() {
        assert_eq!(packet(&[0, 0, 0, 0, b'Q'], 10), Packet::Impossible);
        assert_eq!(packet(&[0, 0, 0, 11, b'Q'], 10), Packet::Impossible);
        assert_eq!(packet(&[0xff; 5], 10), Packet::Impossible);
        assert!(Command::parse(b'O', &[0; 11]).is_err());
        assert!(Command::parse(b'!', b"").is_err());
    }

    #[test]
    fn what_is_left_off_is_forgiven() {
        assert_eq!(Command::parse(b'H', b"no.nul").unwrap(), Command::Helo(b"no.nul".into()));
        let Command::Connect { family, address, .. } = Command::parse(b'C', b"x\x004").unwrap() else { panic!() };
        assert_eq!((family, address.as_slice()), (Family::Inet, &b""[..]));
        assert_eq!(Command::parse(b'M', b"").unwrap(), Command::Mail(vec![]));
    }
}
