//! Wire protocols as machines without sockets, clock or files: bytes in, events and bytes out.
//!
//! A [`Session`] is one connection, seen from the server's end. Whoever owns the socket (the `app` crate) turns a crank:
//!
//! ```
//! use protocols::{Answer, Connection, Event, Session, Settings};
//! use std::sync::Arc;
//!
//! fn turn(session: &mut dyn Session, judge: &mut dyn FnMut(Event) -> Option<(protocols::QuestionId, Answer)>) -> bool {
//!     while let Some(event) = session.next_event() {
//!         if matches!(event, Event::Close) {
//!             return false; // write session.output(), then close
//!         }
//!         if let Some((question, answer)) = judge(event) {
//!             session.answer(question, &answer); // may also come later: see below
//!         }
//!     }
//!     true // write session.output(), then wait for bytes, an answer or a timer
//! }
//!
//! let protocol = protocols::protocol("spamd").unwrap();
//! let mut session = (protocol.open)(&Arc::new(Settings::default()), &Connection::default());
//! session.receive(b"PING SPAMC/1.2\r\n");
//! turn(&mut *session, &mut |_| None);
//! assert_eq!(session.output().as_slice(), b"SPAMD/1.5 0 PONG\r\n");
//! ```
//!
//! * **Read** while [`Session::wants_input`] holds and hand everything to [`Session::receive`]; at the end of the stream
//!   call [`Session::end_of_input`] (spamd's clients half-close and wait for the answer).
//! * **Drain** [`Session::next_event`] after every call. At most one question is open at a time: while it is, no further
//!   input is interpreted, except that the peer may take its question back ([`Event::Cancelled`]).
//! * **Write** whatever is in [`Session::output`], and clear it.
//! * **Answer** under the question's id, when the verdict is there. A late answer to a cancelled question does nothing.
//! * **Hand on**: an SMTP or LMTP session is answered when the next hop was. [`smtp::Client`] is the machine for that, its
//!   [`Outcome`](smtp::Outcome) the answer; [`edit::apply`] makes the message that it sends.
//! * **Time** is the caller's: call [`Session::progress`] every few seconds while a question is open (milter's time-out
//!   is then restarted), and close a connection that has been silent for too long.
//!
//! No input panics; every number that a peer chooses has a limit in [`Settings`]. A peer that breaks its protocol is
//! told so where the protocol has words for it; [`Event::Trouble`] says what happened, for the log.
#![forbid(unsafe_code)]

pub mod answer;
pub mod clamd;
pub mod content;
pub mod dcc;
pub mod edit;
pub mod facts;
pub mod icap;
mod input;
pub mod lmtp;
pub mod milter;
pub mod policy;
pub mod pyzor;
pub mod razor;
pub mod received;
pub mod scanner;
pub mod smtp;
pub mod sophie;
pub mod spamd;
pub mod sssp;

pub use answer::{Answer, Decision, Edit, Finding, Found, Judgement, Places, Refusal, Told, Unsaid};
pub use content::{Content, ContentLimits, Omitted};
pub use facts::{Authenticated, Path, Peer, Server, Tls};

use std::net::IpAddr;
use std::sync::Arc;

/// One connection, seen from the server's end.
pub trait Session: Send {
    /// Bytes that the peer sent. Kept until [`Session::next_event`] interprets them.
    fn receive(&mut self, bytes: &[u8]);

    /// The peer will send no more; what it sent may still be answered.
    fn end_of_input(&mut self);

    /// Interprets input up to the next event. `None`: more input, or an answer, is needed.
    fn next_event(&mut self) -> Option<Event>;

    /// A descriptor came with the last of these bytes; its owner keeps it until it is asked for.
    fn receive_descriptor(&mut self) {}

    /// A first part of the answer to an open question, where it has parts: one file of many.
    fn found(&mut self, _question: QuestionId, _finding: &Finding) {}

    /// The answer to an open question. Returns what of it the peer could not be told.
    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid>;

    /// Bytes to be written; the caller clears what it has written.
    fn output(&mut self) -> &mut Vec<u8>;

    /// Whether reading on makes sense now: false while a question is open and enough has been read ahead.
    fn wants_input(&self) -> bool;

    /// Bytes of what the peer sent that are kept: input that is not understood yet, and the message so far.
    fn kept(&self) -> usize;

    /// Nothing of a message has come that has not been answered: to close now loses nothing.
    fn between_messages(&self) -> bool {
        true
    }

    /// Time passes. A question is still being worked on: tells the peer to be patient, where the protocol has a word for
    /// it. None is open and the peer is silent: what it sent is all, where the protocol does not mark the end.
    fn progress(&mut self) {}

    /// The TLS handshake that [`Event::StartTls`] asked for is done.
    fn tls_started(&mut self, _tls: Tls) {}
}

/// Names a question of one session, so that a late answer cannot be taken for another's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub(crate) u64);

/// What a session wants of its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// May this go on? Asked before there is a message, at the stages that the settings name.
    Ask(Box<Ask>),
    /// What about this message?
    Scan(Box<Scan>),
    /// Learn or forget this message.
    Tell(Box<Tell>),
    /// What is in these bytes, this file? Of malware alone; no mail is decided about.
    Inspect(Box<Inspect>),
    /// How is the service?
    Status(QuestionId),
    /// Read configuration and rules again; nobody waits for it.
    Reload,
    /// End the service.
    Shutdown,
    /// The peer took this question back; work on it can stop.
    Cancelled(QuestionId),
    /// Write the output, do a TLS handshake, then call [`Session::tls_started`]. Bytes read so far that have not been
    /// handed over belong to the handshake.
    StartTls,
    /// The peer did something worth a line in the log.
    Trouble(Trouble),
    /// Write the output, then close. Nothing comes after this.
    Close,
}

/// Where in a mail transaction a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Connect,
    Helo,
    Mail,
    Recipient,
    Data,
    /// The policy protocol's, where the message has been received but is not shown.
    EndOfMessage,
    /// A stage that only the policy protocol has (`VRFY`, `ETRN`, …).
    Other,
}

/// Which stages are asked about before the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    pub connect: bool,
    pub helo: bool,
    pub mail: bool,
    pub recipient: bool,
    pub data: bool,
}

impl Stages {
    pub const NONE: Self = Self { connect: false, helo: false, mail: false, recipient: false, data: false };
    /// Greylisting and S25R decide at RCPT: sender and recipient are then known, and logged by the mail server.
    pub const RECIPIENT: Self = Self { recipient: true, ..Self::NONE };

    pub fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Connect => self.connect,
            Stage::Helo => self.helo,
            Stage::Mail => self.mail,
            Stage::Recipient => self.recipient,
            Stage::Data => self.data,
            Stage::EndOfMessage | Stage::Other => false,
        }
    }
}

/// A question that comes before the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub id: QuestionId,
    pub stage: Stage,
    pub peer: Peer,
    pub sender: Option<Path>,
    /// The recipient that is asked about; at later stages the only one, where there is one.
    pub recipient: Option<Path>,
    /// How many recipients were accepted before.
    pub recipients_before: usize,
    pub queue_id: Option<String>,
    /// The message's length, as announced or (policy, end of message) measured.
    pub size: Option<u64>,
    /// The policy protocol's: questions about one message have the same.
    pub instance: Option<String>,
}

/// A whole message, or what was kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    pub id: QuestionId,
    pub peer: Peer,
    pub sender: Option<Path>,
    pub recipients: Vec<Path>,
    pub queue_id: Option<String>,
    /// On whose behalf, where the peer says so (spamd's `User`).
    pub user: Option<String>,
    pub want: Want,
    pub content: Content,
    /// The mail server's own Received field is not in the content: see [`Scan::received`].
    pub top_received_hidden: bool,
}

/// What the peer wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// A [`Decision`] and edits.
    Decision,
    /// A [`Judgement`] without text.
    Verdict,
    /// With the names of the rules that hit.
    Symbols,
    /// With a report.
    Report,
    /// With a report, where it is spam.
    ReportIfSpam,
    /// With the rewritten message.
    Message,
    /// With the rewritten message's header.
    Headers,
}

impl Scan {
    /// The envelope as the engine knows it.
    pub fn envelope(&self) -> mail::Envelope {
        mail::Envelope {
            sender: self.sender.as_ref().map(|s| s.address.clone()),
            recipients: self.recipients.iter().map(|r| r.address.clone()).collect(),
            client_address: self.peer.address,
            client_name: self.peer.name.clone(),
            helo: self.peer.helo.clone(),
            authenticated: self.peer.authenticated.as_ref().map(|a| a.name.clone()),
            queue_id: self.queue_id.clone(),
        }
    }

    /// The Received field that the mail server will put on top and does not show, with its line ends; `None` where the
    /// content has it. `date` is as [`received::received`] wants it.
    pub fn received(&self, date: &str) -> Option<Vec<u8>> {
        let only = match self.recipients.as_slice() {
            [only] => Some(only.address.as_slice()),
            _ => None,
        };
        let utf8 = self.sender.as_ref().is_some_and(|s| s.has("SMTPUTF8"));
        self.top_received_hidden.then(|| received::received(&self.peer, self.queue_id.as_deref(), only, utf8, date))
    }

    /// What the engine should look at: the message as it will stand in the mailbox, the server's Received on top.
    pub fn message_to_judge(&self, date: &str) -> Vec<u8> {
        let mut bytes = self.received(date).unwrap_or_default();
        bytes.extend_from_slice(&self.content.bytes);
        bytes
    }
}

/// A message to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Tell {
    pub id: QuestionId,
    pub user: Option<String>,
    /// `Some(true)`: it is spam. `None`: not said, as when something is to be forgotten.
    pub spam: Option<bool>,
    pub set: Places,
    pub remove: Places,
    pub content: Content,
}

/// Something to be searched for malware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspect {
    pub id: QuestionId,
    pub material: Material,
    pub walk: Walk,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    Bytes(Vec<u8>),
    /// A file or folder of this machine.
    Path(Vec<u8>),
    /// The next one that came.
    Descriptor,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// To the first file in which something is found.
    UntilFound,
    /// Through all files.
    Everything,
    /// To the first file in which something is found, with all its names.
    AllNames,
}

/// What a peer did wrong, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A command, line or field is longer than allowed.
    TooLong { what: &'static str, limit: usize },
    /// More of something than allowed.
    TooMany { what: &'static str, limit: usize },
    /// Not in the protocol's grammar.
    Malformed(&'static str),
    /// Right in itself, but not now.
    OutOfOrder(&'static str),
    /// Not a command of this protocol.
    UnknownCommand(Vec<u8>),
    /// The stream ended within a command.
    Truncated,
    /// A version that is not spoken here.
    Version(u32),
    /// The message has been here before, or too often elsewhere.
    Loop(&'static str),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::TooLong { what, limit } => write!(f, "{what} is longer than {limit} bytes"),
            Trouble::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Trouble::Malformed(what) => write!(f, "{what} is malformed"),
            Trouble::OutOfOrder(what) => write!(f, "{what} is out of order"),
            Trouble::UnknownCommand(command) => {
                write!(f, "unknown command {:?}", String::from_utf8_lossy(&command[..command.len().min(40)]))
            }
            Trouble::Truncated => write!(f, "the connection ended within a command"),
            Trouble::Version(version) => write!(f, "protocol version {version} is not spoken here"),
            Trouble::Loop(why) => write!(f, "mail loop: {why}"),
        }
    }
}

/// What is known of a connection before its first byte.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Who connected; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    /// It comes from this very machine: over a Unix socket, or from the address to which it goes.
    pub own: bool,
    /// The name of the listener, as the configuration has it.
    pub listener: Option<String>,
}

/// Settings of all protocols; a session keeps those with which it began.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub clamd: clamd::Settings,
    pub lmtp: smtp::Settings,
    pub milter: milter::Settings,
    pub policy: policy::Settings,
    pub smtp: smtp::Settings,
    pub spamd: spamd::Settings,
}

/// A protocol's server end.
pub struct Protocol {
    pub name: &'static str,
    pub about: &'static str,
    /// Where its clients expect it, or where we put it.
    pub port: u16,
    pub open: fn(&Arc<Settings>, &Connection) -> Box<dyn Session>,
}

/// All of them, sorted by name.
pub static PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "clamd",
        about: "ClamAV's protocol: files and streams searched for malware, for clamdscan, amavisd and others",
        port: 3310,
        open: |settings, _| Box::new(clamd::Server::new(settings.clamd.clone())),
    },
    Protocol {
        name: "lmtp",
        about: "LMTP: mail to be judged and handed on, with a reply for each recipient",
        port: 24,
        open: |settings, connection| Box::new(lmtp::server(settings.lmtp.clone(), connection.clone())),
    },
    Protocol {
        name: "milter",
        about: "Sendmail's and Postfix's filter protocol, versions 2 to 6",
        port: 8899,
        open: |settings, _| Box::new(milter::Server::new(settings.milter.clone())),
    },
    Protocol {
        name: "policy",
        about: "Postfix's policy delegation: questions at RCPT and elsewhere, without the message",
        port: 10_023,
        open: |settings, _| Box::new(policy::Server::new(settings.policy.clone())),
    },
    Protocol {
        name: "smtp",
        about: "SMTP: mail to be judged and handed on, for content_filter and smtpd_proxy_filter",
        port: 10_024,
        open: |settings, connection| {
            Box::new(smtp::Server::new(smtp::Dialect::Smtp, settings.smtp.clone(), connection.clone()))
        },
    },
    Protocol {
        name: "spamd",
        about: "SpamAssassin's protocol between spamc and spamd, versions 1.0 to 1.5",
        port: 783,
        open: |settings, connection| Box::new(spamd::Server::new(settings.spamd.clone(), connection.clone())),
    },
];

pub fn protocol(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|p| p.name == name)
}
