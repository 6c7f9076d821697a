//! Other virus scanners, asked by us: what a client of any of their protocols can be told to do, and what comes back.
//!
//! A [`Client`] is one connection. It is given tasks and reports on each; bytes go out piece by piece, since a message may
//! be larger than anyone wants to hold twice. Whoever owns the socket turns this crank:
//!
//! ```
//! use protocols::scanner::{Event, KINDS, Options, Report, Task};
//! use std::sync::Arc;
//!
//! let kind = KINDS.iter().find(|kind| kind.name == "clamd").unwrap();
//! let mut client = (kind.open)(&Options::default());
//! client.ask(Task::Scan(Arc::new(b"Subject: x\n\n".to_vec())));
//! client.fill(); // until output() stays empty: write it, clear it
//! assert!(client.output().starts_with(b"zINSTREAM\0"));
//! client.receive(b"stream: OK\0");
//! assert_eq!(client.next_event(), Some(Event::Report { task: 0, report: Report::Clean }));
//! ```
//!
//! Nothing that a scanner sends panics or is kept without a limit; what is not understood fails the tasks that are open.

use crate::{clamd, icap, sophie, sssp};
use std::collections::VecDeque;
use std::sync::Arc;

/// One connection to a scanner, seen from our end.
pub trait Client: Send {
    /// One more task; they are numbered from 0, and worked on in their order.
    fn ask(&mut self, task: Task);

    /// There will be no more: takes leave, where the protocol has a word for it.
    fn finish(&mut self) {}

    /// Puts what is to be sent next into the output, if that is empty.
    fn fill(&mut self);

    /// Bytes to be written; the caller clears what it has written.
    fn output(&mut self) -> &mut Vec<u8>;

    fn receive(&mut self, bytes: &[u8]);

    fn end_of_input(&mut self);

    fn next_event(&mut self) -> Option<Event>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Look at this message.
    Scan(Arc<Vec<u8>>),
    /// Look at this file (protocols that carry no bytes).
    File(Vec<u8>),
    /// Are you there?
    Ping,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Report {
        task: usize,
        report: Report,
    },
    /// Nothing more can be asked here.
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Clean,
    /// With these names.
    Found(Vec<String>),
    /// It has seen nothing, but has not looked at everything: too large, encrypted, broken.
    Incomplete(String),
    /// It could not do it, or does not speak the protocol. Another one may.
    Failed(String),
    /// The answer to a ping, in its words.
    Alive(String),
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `host[:port]` and service of an ICAP server.
    pub host: String,
    pub service: String,
    /// clamd: several tasks on one connection.
    pub session: bool,
}

pub struct Kind {
    pub name: &'static str,
    pub port: u16,
    /// What is to be scanned must lie in a file that the scanner can read.
    pub files: bool,
    pub open: fn(&Options) -> Box<dyn Client>,
}

/// All of them, sorted by name.
pub static KINDS: &[Kind] = &[
    Kind { name: "clamd", port: 3310, files: false, open: |options| Box::new(clamd::Client::new(options.session)) },
    Kind { name: "icap", port: 1344, files: false, open: |options| Box::new(icap::Client::new(options)) },
    Kind { name: "sophie", port: 4009, files: true, open: |_| Box::new(sophie::Client::new()) },
    Kind { name: "sssp", port: 4010, files: false, open: |_| Box::new(sssp::Client::new()) },
];

pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The longest line and the longest name that are heard of a scanner.
pub(crate) const LINE: usize = 8192;
const NAME: usize = 200;

/// A name as a scanner gave it, fit for a log line.
pub(crate) fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().take(NAME).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What is to be sent: words, and messages in pieces.
#[derive(Debug, Default)]
pub(crate) struct Outbox(VecDeque<Piece>);

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Body { bytes: Arc<Vec<u8>>, from: usize, to: usize, chunks: Chunks },
}

/// How pieces of a message are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunks {
    Plain,
    /// clamd's: the length in four bytes.
    Binary,
    /// HTTP's: the length in hexadecimal digits, with line ends.
    Hexadecimal,
}

const PIECE: usize = 64 << 10;

impl Outbox {
    pub(crate) fn text(&mut self, text: impl Into<Vec<u8>>) {
        self.0.push_back(Piece::Text(text.into()));
    }

    pub(crate) fn body(&mut self, bytes: &Arc<Vec<u8>>, from: usize, to: usize, chunks: Chunks) {
        self.0.push_back(Piece::Body { bytes: bytes.clone(), from, to, chunks });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next pieces, if `output` is empty.
    pub(crate) fn fill(&mut self, output: &mut Vec<u8>) {
        while output.len() < PIECE {
            match self.0.front_mut() {
                None => return,
                Some(Piece::Text(text)) => output.append(text),
                Some(Piece::Body { bytes, from, to, chunks }) => {
                    let end = (*from + PIECE).min(*to);
                    if *from < end {
                        let piece = &bytes[*from..end];
                        match chunks {
                            Chunks::Plain => {}
                            Chunks::Binary => output.extend_from_slice(&(piece.len() as u32).to_be_bytes()),
                            Chunks::Hexadecimal => {
                                output.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes())
                            }
                        }
                        output.extend_from_slice(piece);
                        if *chunks == Chunks::Hexadecimal {
                            output.extend_from_slice(b"\r\n");
                        }
                        *from = end;
                    }
                    if *from < *to {
                        continue;
                    }
                }
            }
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_and_bodies_go_out_in_pieces() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
        let body = Arc::new(vec![b'x'; PIECE + 3]);
        for (chunks, length) in
            [(Chunks::Plain, PIECE + 3), (Chunks::Binary, PIECE + 11), (Chunks::Hexadecimal, PIECE + 3 + 9 + 5)]
        {
            let mut outbox = Outbox::default();
            outbox.text("a");
            outbox.body(&body, 0, body.len(), chunks);
            outbox.text("z");
            let (mut all, mut most) = (Vec::new(), 0);
            loop {
                let mut output = Vec::new();
                outbox.fill(&mut output);
                if output.is_empty() {
                    break;
                }
                most = most.max(output.len());
                all.append(&mut output);
            }
            assert_eq!(all.len(), length + 2, "{chunks:?}");
            assert!(all.starts_with(b"a") && all.ends_with(b"z") && most < 2 * PIECE + 100);
        }
    }
}
