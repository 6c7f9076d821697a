//! The mail server's end of the milter protocol, as far as sending mail to a filter takes. The benches use it too.

use std::io::{self, Read, Write};

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub struct Milter {
    stream: Box<dyn Stream>,
    /// What was agreed on.
    protocol: u32,
}

/// What a filter said of a message.
#[derive(Debug, Default)]
pub struct Said {
    /// `a` accept, `r` reject, `t` temporary failure, `y` a reply in words, `d` discard, `c` go on.
    pub reply: u8,
    /// Header edits and the like: letter and bytes.
    pub edits: Vec<(u8, Vec<u8>)>,
}

/// Version 6 with all that Postfix offers.
const OFFER: (u32, u32, u32) = (6, 0x1ff, 0x1f_ffff);

const LEADING_SPACE: u32 = 0x10_0000;

impl Milter {
    pub fn connect(stream: impl Stream + 'static) -> io::Result<Milter> {
        let mut milter = Milter { stream: Box::new(stream), protocol: 0 };
        let (version, actions, protocol) = OFFER;
        milter.write(b'O', &[version.to_be_bytes(), actions.to_be_bytes(), protocol.to_be_bytes()].concat())?;
        let (letter, agreed) = milter.read()?;
        if letter != b'O' || agreed.len() < 12 {
            return Err(io::Error::other("no negotiation"));
        }
        milter.protocol = u32::from_be_bytes([agreed[8], agreed[9], agreed[10], agreed[11]]);
        milter.macros(b'C', &[("j", "mx.example.test"), ("{daemon_name}", "mx"), ("v", "Postfix 3.7")])?;
        milter.command(b'C', b"mail.example.net\x004\x00\x19192.0.2.25\0", 0x1, 0x1000)?;
        milter.command(b'H', b"mail.example.net\0", 0x2, 0x2000)?;
        Ok(milter)
    }

    /// A whole message.
    pub fn send(&mut self, id: &str, mail: &[u8]) -> io::Result<Said> {
        let body = self.begin(id, mail)?;
        self.body(&body)?;
        self.end()
    }

    /// The envelope and the header; returns the body, with CRLF.
    pub fn begin(&mut self, id: &str, mail: &[u8]) -> io::Result<Vec<u8>> {
        self.macros(b'M', &[("i", id), ("{mail_addr}", "joe@example.net")])?;
        self.command(b'M', b"<joe@example.net>\0", 0x4, 0x4000)?;
        self.macros(b'R', &[("i", id), ("{rcpt_addr}", "ann@example.test")])?;
        self.command(b'R', b"<ann@example.test>\0", 0x8, 0x8000)?;
        self.macros(b'T', &[("i", id)])?;
        self.command(b'T', b"", 0x200, 0x1_0000)?;
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut rest = mail;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = &rest[end + 1..];
            match (line.first(), fields.last_mut()) {
                (None, _) => break,
                (Some(b' ' | b'\t'), Some((_, value))) => {
                    value.push(b'\n');
                    value.extend_from_slice(line);
                }
                _ => {
                    let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
                    let mut value = &line[colon + 1..];
                    if self.protocol & LEADING_SPACE == 0 {
                        value = value.trim_ascii_start();
                    }
                    fields.push((line[..colon].to_vec(), value.to_vec()));
                }
            }
        }
        self.macros(b'L', &[("i", id)])?;
        for (name, value) in fields {
            self.command(b'L', &[&name, &b"\0"[..], &value, b"\0"].concat(), 0x20, 0x80)?;
        }
        self.macros(b'N', &[("i", id)])?;
        self.command(b'N', b"", 0x40, 0x4_0000)?;
        let mut body = Vec::with_capacity(rest.len() + rest.len() / 32);
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    body.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                    body.extend_from_slice(b"\r\n");
                }
                None => body.extend_from_slice(line),
            }
        }
        Ok(body)
    }

    pub fn body(&mut self, body: &[u8]) -> io::Result<()> {
        for chunk in body.chunks(65_535) {
            if self.command(b'B', chunk, 0x10, 0x8_0000)? == Some(b's') {
                break; // it has seen enough
            }
        }
        Ok(())
    }

    pub fn end(&mut self) -> io::Result<Said> {
        self.macros(b'E', &[("i", "end")])?;
        self.write(b'E', b"")?;
        let mut said = Said::default();
        loop {
            let (letter, bytes) = self.read()?;
            match letter {
                b'p' => {}
                b'a' | b'r' | b't' | b'd' | b'y' | b'c' => {
                    said.reply = letter;
                    return Ok(said);
                }
                _ => said.edits.push((letter, bytes)),
            }
        }
    }

    fn macros(&mut self, command: u8, values: &[(&str, &str)]) -> io::Result<()> {
        let mut bytes = vec![command];
        values.iter().for_each(|(name, value)| bytes.extend(format!("{name}\0{value}\0").into_bytes()));
        self.write(b'D', &bytes)
    }

    /// Sent unless the filter did not want it; the reply, unless it was to be silent.
    fn command(&mut self, letter: u8, bytes: &[u8], unwanted: u32, silent: u32) -> io::Result<Option<u8>> {
        if self.protocol & unwanted != 0 {
            return Ok(None);
        }
        self.write(letter, bytes)?;
        if self.protocol & silent != 0 {
            return Ok(None);
        }
        match self.read()?.0 {
            reply @ (b'c' | b's') => Ok(Some(reply)),
            other => Err(io::Error::other(format!("{:?} is answered with {:?}", letter as char, other as char))),
        }
    }

    fn write(&mut self, letter: u8, bytes: &[u8]) -> io::Result<()> {
        let length = (bytes.len() as u32 + 1).to_be_bytes();
        self.stream.write_all(&[&length[..], &[letter], bytes].concat())
    }

    fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=1 << 20).contains(&length) {
            return Err(io::Error::other("no packet"));
        }
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet)?;
        Ok((packet[0], packet.split_off(1)))
    }
}
