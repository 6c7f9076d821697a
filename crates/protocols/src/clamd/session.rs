//! The daemon's end of a connection: one command, or between `IDSESSION` and `END` many, each reply with its number.
//!
//! Commands are answered one after the other; clients of a session take replies in any order, so also in this one. A
//! stream that is longer than allowed is answered at once: whoever owns the socket then ends his half, and reads what still
//! comes, for a client that writes into a closed connection never sees the answer.
//!
//! An old-style command need not have an end: what came is one when the client falls silent ([`Session::progress`]).
//! Descriptors come beside the bytes ([`Session::receive_descriptor`]), each claimed by a `FILDES` and one more byte.

use super::codec::{COMMANDS, Command, Framing, chunk_length, printable};
use crate::answer::{Answer, Finding, Found, Unsaid};
use crate::input::Input;
use crate::{Event, Inspect, Material, QuestionId, Session, Trouble, Walk};
use std::collections::VecDeque;

#[derive(Debug, Clone)]
pub struct Settings {
    /// What `VERSION` says.
    pub version: String,
    /// Bytes of a stream.
    pub stream: usize,
    pub line: usize,
    /// Whether `SHUTDOWN` and `RELOAD` are heard.
    pub shutdown: bool,
    pub reload: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: "ClamAV 1.4.6".into(), stream: 100 << 20, line: 8192, shutdown: false, reload: true }
    }
}

pub struct Server {
    settings: Settings,
    input: Input,
    output: Vec<u8>,
    events: VecDeque<Event>,
    state: State,
    framing: Framing,
    /// Between `IDSESSION` and `END`: the number of the command that is worked on.
    session: Option<u32>,
    /// That came and were not claimed.
    descriptors: usize,
    claimed: usize,
    questions: u64,
}

enum State {
    Command,
    /// For the byte with which the descriptor comes.
    Descriptor,
    Stream {
        bytes: Vec<u8>,
        /// Of the chunk that is being received.
        left: usize,
    },
    Asked {
        id: QuestionId,
        subject: Vec<u8>,
        all: bool,
        told: bool,
    },
    Closing,
    Closed,
}

/// So many may wait to be claimed before reading stops.
const DESCRIPTORS: usize = 16;
/// A client that sends more of them than that, in whatever state, wants to use up ours.
const MOST: usize = 2 * DESCRIPTORS;
const AHEAD: usize = 64 << 10;

impl Server {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            input: Input::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            state: State::Command,
            framing: Framing::Newline,
            session: None,
            descriptors: 0,
            claimed: 0,
            questions: 0,
        }
    }

    /// The client has begun something and does not go on.
    pub fn timed_out(&mut self) {
        if matches!(self.state, State::Command | State::Descriptor | State::Stream { .. }) {
            self.write(b"COMMAND READ TIMED OUT");
            self.close();
        }
    }

    /// A line to the client, with its number and end.
    fn write(&mut self, text: &[u8]) {
        if let Some(number) = self.session {
            self.output.extend_from_slice(format!("{number}: ").as_bytes());
        }
        self.output.extend_from_slice(text);
        self.output.push(self.framing.end());
    }

    /// What the client did wrong, in clamd's words; then the end.
    fn refuse(&mut self, text: &str, trouble: Trouble) {
        self.write(text.as_bytes());
        self.events.push_back(Event::Trouble(trouble));
        self.close();
    }

    fn close(&mut self) {
        self.input.clear();
        self.state = State::Closing;
    }

    /// A command is done.
    fn done(&mut self) {
        match self.session {
            Some(_) => self.state = State::Command,
            None => self.close(),
        }
    }

    fn ask(&mut self, material: Material, subject: Vec<u8>, walk: Walk) {
        self.questions += 1;
        let id = QuestionId(self.questions);
        self.state = State::Asked { id, subject, all: walk == Walk::AllNames, told: false };
        self.events.push_back(Event::Inspect(Box::new(Inspect { id, material, walk })));
    }

    /// Takes one step with what has arrived. False: no step is possible.
    fn step(&mut self) -> bool {
        let streams = matches!(self.state, State::Stream { .. });
        let ends = matches!(self.state, State::Closing | State::Closed);
        if !ends && (self.descriptors > MOST || streams && self.descriptors > 0) {
            self.unclaimed();
            return true;
        }
        match &mut self.state {
            State::Command => match self.command() {
                Some((text, framing)) => {
                    self.framing = framing;
                    self.execute(text);
                }
                None if self.input.len() > self.settings.line => {
                    let limit = self.settings.line;
                    self.refuse("UNKNOWN COMMAND", Trouble::TooLong { what: "a command", limit });
                }
                None if self.descriptors > 0 && self.input.is_empty() => self.unclaimed(),
                None if self.input.ended => {
                    if !self.input.is_empty() {
                        self.events.push_back(Event::Trouble(Trouble::Truncated));
                    }
                    self.close();
                }
                None => return false,
            },
            State::Descriptor if !self.input.is_empty() => {
                self.input.skip(1);
                if self.descriptors == 0 {
                    self.refuse(
                        "No file descriptor received. ERROR",
                        Trouble::Malformed("FILDES without a descriptor"),
                    );
                } else {
                    self.descriptors -= 1;
                    self.claimed += 1;
                    let subject = format!("fd[{}]", self.claimed).into_bytes();
                    self.ask(Material::Descriptor, subject, Walk::UntilFound);
                }
            }
            State::Descriptor if self.descriptors > 0 => self.unclaimed(),
            State::Descriptor if self.input.ended => {
                self.events.push_back(Event::Trouble(Trouble::Truncated));
                self.close();
            }
            State::Descriptor => return false,
            State::Stream { .. } => return self.stream(),
            State::Asked { .. } | State::Closing | State::Closed => return false,
        }
        true
    }

    fn unclaimed(&mut self) {
        self.descriptors = 0;
        let text = "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR";
        if let Some(number) = &mut self.session {
            *number = (*number).max(1);
        }
        self.refuse(text, Trouble::OutOfOrder("a descriptor"));
    }

    /// The text of the next command, if it is here whole.
    fn command(&mut self) -> Option<(Vec<u8>, Framing)> {
        let rest = self.input.rest();
        let framing = match rest.first()? {
            b'z' => Framing::Nul,
            b'n' => Framing::Newline,
            _ => Framing::Old,
        };
        let end = rest.iter().take(self.settings.line + 1).position(|byte| *byte == framing.end());
        let length = match (end, framing) {
            (Some(end), _) => end + 1,
            (None, Framing::Old) if self.input.ended => self.input.len(),
            _ => return None,
        };
        Some((self.take_command(length, framing), framing))
    }

    fn take_command(&mut self, length: usize, framing: Framing) -> Vec<u8> {
        let text = self.input.take(length);
        let text = text.strip_suffix(&[framing.end()]).unwrap_or(&text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        text[usize::from(framing != Framing::Old).min(text.len())..].to_vec()
    }

    fn execute(&mut self, text: Vec<u8>) {
        if let Some(number) = &mut self.session {
            *number += 1;
            if self.framing == Framing::Old {
                let told = "Only nCMDS\\n and zCMDS\\0 are accepted inside IDSESSION. ERROR";
                return self.refuse(told, Trouble::OutOfOrder("an old-style command in a session"));
            }
        }
        let command = Command::parse(&text, self.framing);
        if self.session.is_some() && !command.as_ref().is_some_and(Command::in_session) {
            let trouble = match command {
                Some(_) => Trouble::OutOfOrder("a command in a session"),
                None => Trouble::UnknownCommand(text),
            };
            return self.refuse("Command invalid inside IDSESSION. ERROR", trouble);
        }
        match command {
            None => self.refuse("UNKNOWN COMMAND", Trouble::UnknownCommand(text)),
            Some(Command::End) if self.session.is_none() => {
                self.refuse("UNKNOWN COMMAND", Trouble::OutOfOrder("END"));
            }
            Some(Command::Ping) => self.tell("PONG"),
            Some(Command::Version) => self.tell(&self.settings.version.clone()),
            Some(Command::Commands) => self.tell(&format!("{}| COMMANDS: {COMMANDS}", self.settings.version)),
            Some(Command::Reload) if !self.settings.reload => {
                self.refuse("COMMAND UNAVAILABLE", Trouble::OutOfOrder("RELOAD, which is not enabled,"));
            }
            Some(Command::Reload) => {
                self.events.push_back(Event::Reload);
                self.tell("RELOADING");
            }
            Some(Command::Shutdown) if !self.settings.shutdown => {
                self.refuse("COMMAND UNAVAILABLE", Trouble::OutOfOrder("SHUTDOWN, which is not enabled,"));
            }
            Some(Command::Shutdown) => {
                self.events.push_back(Event::Shutdown);
                self.close();
            }
            Some(Command::Stats) => {
                self.questions += 1;
                let id = QuestionId(self.questions);
                self.state = State::Asked { id, subject: Vec::new(), all: false, told: false };
                self.events.push_back(Event::Status(id));
            }
            Some(Command::Begin) => self.session = Some(0),
            Some(Command::End | Command::Removed) => self.close(),
            Some(Command::Stream) => self.state = State::Stream { bytes: Vec::new(), left: 0 },
            Some(Command::Descriptor) => self.state = State::Descriptor,
            Some(Command::Scan { path, walk }) => self.ask(Material::Path(path.clone()), path, walk),
        }
    }

    fn tell(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.done();
    }

    fn stream(&mut self) -> bool {
        let State::Stream { bytes, left } = &mut self.state else { return false };
        if *left > 0 {
            let taken = (*left).min(self.input.len());
            bytes.extend_from_slice(&self.input.rest()[..taken]);
            *left -= taken;
            self.input.skip(taken);
            if taken > 0 {
                return true;
            }
        } else if let Some(length) = chunk_length(self.input.rest()) {
            self.input.skip(4);
            if length == 0 {
                let bytes = std::mem::take(bytes);
                self.ask(Material::Bytes(bytes), b"stream".to_vec(), Walk::UntilFound);
                return true;
            }
            let limit = self.settings.stream;
            match usize::try_from(length).ok().filter(|length| *length <= limit.saturating_sub(bytes.len())) {
                Some(length) => *left = length,
                None => {
                    let trouble = Trouble::TooLong { what: "a stream", limit };
                    self.refuse("INSTREAM size limit exceeded. ERROR", trouble);
                }
            }
            return true;
        }
        if self.input.ended {
            self.events.push_back(Event::Trouble(Trouble::Truncated));
            self.close();
            return true;
        }
        false
    }

    /// `path: Name FOUND`, `path: OK`, `path: what went wrong ERROR`.
    fn finding(&mut self, subject: &[u8], all: bool, finding: &Finding) {
        let subject = printable(finding.path.as_deref().unwrap_or(subject));
        let mut say = |text: &str| {
            let text = printable(text.as_bytes());
            self.write(&[subject.as_slice(), b": ", &text].concat());
        };
        match &finding.found {
            Found::Nothing => say("OK"),
            Found::Failed(why) => say(&format!("{why} ERROR")),
            Found::Names(names) => {
                let shown = if all { names.len() } else { 1 };
                names.iter().take(shown).for_each(|name| say(&format!("{name} FOUND")));
            }
        }
    }
}

impl Session for Server {
    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closing | State::Closed) {
            self.input.push(bytes);
        }
    }

    fn receive_descriptor(&mut self) {
        self.descriptors += 1;
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if matches!(self.state, State::Closing) {
                self.state = State::Closed;
                return Some(Event::Close);
            }
            if !self.step() {
                return None;
            }
        }
    }

    fn found(&mut self, question: QuestionId, finding: &Finding) {
        let State::Asked { id, subject, all, told } = &mut self.state else { return };
        if *id == question {
            *told = true;
            let (subject, all) = (subject.clone(), *all);
            self.finding(&subject, all, finding);
        }
    }

    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid> {
        let told = match &self.state {
            State::Asked { id, told, .. } if *id == question => *told,
            _ => return vec![Unsaid::NoSuchQuestion],
        };
        for finding in &answer.findings {
            self.found(question, finding);
        }
        if let Some(status) = &answer.status {
            self.write(status.as_bytes());
        } else if !told && answer.findings.is_empty() {
            // Silence would read as clean.
            let failed = Finding { path: None, found: Found::Failed("Not scanned.".into()) };
            self.found(question, &failed);
        }
        self.done();
        Vec::new()
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn kept(&self) -> usize {
        let stream = if let State::Stream { bytes, .. } = &self.state { bytes.capacity() } else { 0 };
        self.input.len() + stream
    }

    fn between_messages(&self) -> bool {
        let rests = matches!(self.state, State::Command | State::Closing | State::Closed);
        rests && self.input.is_empty() && self.descriptors == 0
    }

    /// The client is silent: an old-style command that has no end has come whole.
    fn progress(&mut self) {
        let old =
            matches!(self.state, State::Command) && !matches!(self.input.rest().first(), None | Some(b'z' | b'n'));
        if old {
            self.framing = Framing::Old;
            let text = self.take_command(self.input.len(), Framing::Old);
            self.execute(text);
        }
    }

    fn wants_input(&self) -> bool {
        match self.state {
            _ if self.input.ended => false,
            State::Command | State::Descriptor | State::Stream { .. } => true,
            State::Asked { .. } => self.input.len() < AHEAD && self.descriptors < DESCRIPTORS,
            State::Closing | State::Closed => false,
        }
    }
}
