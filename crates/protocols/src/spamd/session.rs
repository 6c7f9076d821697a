//! The daemon's end of a connection: one request, its message, one reply, close.
//!
//! The message ends where Content-length says, or where the client closes its half. A compressed one is inflated as it
//! comes, within a limit: what expands beyond it is refused, not half read.

use super::codec::{self, Command, Headers, Version, code};
use crate::answer::{Answer, Unsaid};
use crate::content::{Collector, Content, ContentLimits};
use crate::edit;
use crate::facts::Peer;
use crate::input::{Input, Line};
use crate::{Connection, Event, QuestionId, Scan, Session, Tell, Trouble, Want};
use flate2::{Decompress, FlushDecompress, Status};

#[derive(Debug, Clone)]
pub struct Settings {
    pub content: ContentLimits,
    /// Bytes that a message may measure at all, as sent and as inflated. What lies between this and
    /// [`ContentLimits::bytes`] is judged by its beginning and end, unless the message is to be sent back.
    pub message: u64,
    pub line: usize,
    pub headers: usize,
    /// Whether TELL is heard at all.
    pub tell: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { content: ContentLimits::default(), message: 256 << 20, line: 4096, headers: 255, tell: true }
    }
}

pub struct Server {
    settings: Settings,
    connection: Connection,
    input: Input,
    output: Vec<u8>,
    state: State,
    troubles: Vec<Trouble>,
}

enum State {
    Command,
    Headers { command: Command, version: Version, headers: Headers, seen: usize },
    Body { command: Command, version: Version, headers: Headers, body: Body },
    Asked { id: QuestionId, version: Version, want: Want, content: Content },
    Told { id: QuestionId },
    Closing,
    Closed,
}

struct Body {
    collector: Collector,
    /// As sent.
    received: u64,
    /// As inflated; the same as `received` where nothing is compressed.
    size: u64,
    inflate: Option<Box<Decompress>>,
    inflated: bool,
}

const FIRST: QuestionId = QuestionId(1); // a connection has one question

impl Server {
    pub fn new(settings: Settings, connection: Connection) -> Self {
        Self {
            settings,
            connection,
            input: Input::default(),
            output: Vec::new(),
            state: State::Command,
            troubles: Vec::new(),
        }
    }

    fn fail(&mut self, code: u8, text: &str, trouble: Trouble) {
        codec::write_failure(&mut self.output, code, text);
        self.troubles.push(trouble);
        self.state = State::Closing;
        self.input.clear();
    }

    /// Takes one step with what has arrived. False: no step is possible.
    fn step(&mut self) -> bool {
        match &mut self.state {
            State::Command => match self.input.line(self.settings.line) {
                Line::Whole(line) => match Command::parse(&line) {
                    Ok((command, version)) => self.begin(command, version),
                    Err(trouble) => self.fail(code::PROTOCOL, "(unknown command)", trouble),
                },
                Line::TooLong => {
                    let limit = self.settings.line;
                    self.fail(code::PROTOCOL, "(line too long)", Trouble::TooLong { what: "a line", limit });
                }
                Line::Incomplete if self.input.ended => {
                    if !self.input.is_empty() {
                        self.troubles.push(Trouble::Truncated);
                    }
                    self.state = State::Closing;
                }
                Line::Incomplete => return false,
            },
            State::Headers { headers, seen, .. } => match self.input.line(self.settings.line) {
                Line::Whole(line) if line.is_empty() => self.headers_done(),
                Line::Whole(line) => {
                    *seen += 1;
                    let (limit, too_many) = (self.settings.headers, *seen > self.settings.headers);
                    match headers.add(&line) {
                        _ if too_many => {
                            let trouble = Trouble::TooMany { what: "headers", limit };
                            self.fail(code::PROTOCOL, "(too many headers)", trouble);
                        }
                        Ok(()) => {}
                        Err(text) => self.fail(code::PROTOCOL, text, Trouble::Malformed("a header")),
                    }
                }
                Line::TooLong => {
                    let limit = self.settings.line;
                    self.fail(code::PROTOCOL, "(line too long)", Trouble::TooLong { what: "a header", limit });
                }
                Line::Incomplete if self.input.ended => {
                    self.fail(code::PROTOCOL, "(EOF during headers)", Trouble::Truncated)
                }
                Line::Incomplete => return false,
            },
            State::Body { .. } => return self.body_step(),
            State::Asked { .. } | State::Told { .. } | State::Closing | State::Closed => return false,
        }
        true
    }

    fn begin(&mut self, command: Command, version: Version) {
        let with_headers = match command {
            Command::Ask(_) | Command::Tell => version > Version(1, 0),
            Command::Ping | Command::Skip => version >= Version(1, 5),
        };
        self.state = State::Headers { command, version, headers: Headers::default(), seen: 0 };
        if !with_headers {
            self.headers_done();
        }
    }

    fn headers_done(&mut self) {
        let State::Headers { command, version, headers, .. } = std::mem::replace(&mut self.state, State::Closing)
        else {
            return;
        };
        match command {
            Command::Ping => return codec::write_pong(&mut self.output),
            Command::Skip => return,
            Command::Tell if !self.settings.tell => {
                return self.fail(
                    code::UNAVAILABLE,
                    "TELL commands are not enabled here",
                    Trouble::OutOfOrder("TELL, which is not enabled,"),
                );
            }
            Command::Tell
                if headers.set.local && headers.remove.local || headers.set.remote && headers.remove.remote =>
            {
                let text = "Unable to set and remove in the same operation.";
                return self.fail(code::PROTOCOL, text, Trouble::Malformed("Set with Remove"));
            }
            Command::Ask(_) | Command::Tell => {}
        }
        if headers.content_length.is_some_and(|n| n > self.settings.message) {
            return self.too_long();
        }
        if headers.compressed && headers.content_length.is_none() {
            let text = "Compress requires Content-length header";
            return self.fail(code::UNAVAILABLE, text, Trouble::Malformed("Compress without Content-length"));
        }
        let body = Body {
            collector: Collector::new(self.settings.content),
            received: 0,
            size: 0,
            inflate: headers.compressed.then(|| Box::new(Decompress::new(true))),
            inflated: false,
        };
        self.state = State::Body { command, version, headers, body };
    }

    fn too_long(&mut self) {
        let limit = self.settings.message.try_into().unwrap_or(usize::MAX);
        self.fail(code::UNAVAILABLE, "message too large", Trouble::TooLong { what: "the message", limit });
    }

    fn body_step(&mut self) -> bool {
        let State::Body { headers, body, .. } = &mut self.state else { return false };
        let wanted = headers.content_length.map_or(u64::MAX, |n| n - body.received);
        let take = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.input.len());
        if take > 0 {
            let taken = body.take(&self.input.rest()[..take], self.settings.message);
            self.input.skip(take);
            match taken {
                Ok(()) => {}
                Err(BodyError::TooLong) => self.too_long(),
                Err(BodyError::Zlib) => {
                    self.fail(code::UNAVAILABLE, "zlib: data is damaged", Trouble::Malformed("compressed data"))
                }
            }
            return true;
        }
        if wanted > 0 && !self.input.ended {
            return false;
        }
        if wanted > 0
            && let Some(expected) = headers.content_length
        {
            let got = body.received;
            let text = format!("(Content-Length mismatch: Expected {expected} bytes, got {got} bytes)");
            self.fail(code::PROTOCOL, &text, Trouble::Truncated);
            return true;
        }
        if body.inflate.is_some() && !body.inflated {
            self.fail(code::UNAVAILABLE, "zlib: end of stream is missing", Trouble::Truncated);
            return true;
        }
        false
    }

    /// The question, once the message is whole.
    fn question(&mut self) -> Option<Event> {
        let State::Body { command, version, headers, body } = &mut self.state else { return None };
        match headers.content_length {
            Some(expected) if body.received == expected => {}
            None if self.input.ended && self.input.is_empty() => {}
            _ => return None,
        }
        if body.inflate.is_some() && !body.inflated {
            return None;
        }
        let content = body.collector.take();
        let (command, version, headers) = (*command, *version, std::mem::take(headers));
        let want = match command {
            Command::Ask(want) => want,
            _ => {
                self.state = State::Told { id: FIRST };
                return Some(Event::Tell(Box::new(Tell {
                    id: FIRST,
                    user: headers.user,
                    spam: headers.spam,
                    set: headers.set,
                    remove: headers.remove,
                    content,
                })));
            }
        };
        let sent_back = matches!(want, Want::Message | Want::Headers);
        if sent_back && content.omitted.is_some() {
            self.too_long();
            return None;
        }
        let kept = if sent_back { content.clone() } else { Content::default() };
        self.state = State::Asked { id: FIRST, version, want, content: kept };
        let peer = Peer {
            protocol: Some("SPAMC".to_owned()),
            server: crate::Server { listener: self.connection.listener.clone(), ..crate::Server::default() },
            ..Peer::default()
        };
        Some(Event::Scan(Box::new(Scan {
            id: FIRST,
            peer,
            sender: None,
            recipients: Vec::new(),
            queue_id: None,
            user: headers.user,
            want,
            content,
            top_received_hidden: false,
        })))
    }
}

enum BodyError {
    TooLong,
    Zlib,
}

impl Body {
    fn take(&mut self, bytes: &[u8], limit: u64) -> Result<(), BodyError> {
        self.received += bytes.len() as u64;
        let Some(inflate) = &mut self.inflate else {
            self.size += bytes.len() as u64;
            self.collector.push(bytes);
            return if self.size > limit { Err(BodyError::TooLong) } else { Ok(()) };
        };
        let mut rest = bytes;
        let mut chunk = vec![0; 64 << 10];
        while !self.inflated {
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut chunk, FlushDecompress::None).map_err(|_| BodyError::Zlib)?;
            let used = (inflate.total_in() - before_in) as usize;
            let made = (inflate.total_out() - before_out) as usize;
            rest = &rest[used..];
            self.size += made as u64;
            if self.size > limit {
                return Err(BodyError::TooLong);
            }
            self.collector.push(&chunk[..made]);
            match status {
                Status::StreamEnd => self.inflated = true,
                _ if used == 0 && made == 0 => break,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Session for Server {
    fn receive(&mut self, bytes: &[u8]) {
        match self.state {
            State::Asked { .. } | State::Told { .. } | State::Closing | State::Closed => {}
            _ => self.input.push(bytes),
        }
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if !self.troubles.is_empty() {
                return Some(Event::Trouble(self.troubles.remove(0)));
            }
            match self.state {
                State::Closed => return None,
                State::Closing => {
                    self.state = State::Closed;
                    return Some(Event::Close);
                }
                _ => {}
            }
            if self.step() {
                continue;
            }
            if let Some(event) = self.question() {
                return Some(event);
            }
            if self.troubles.is_empty() && !matches!(self.state, State::Closing) {
                return None;
            }
        }
    }

    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid> {
        let open = match &self.state {
            State::Asked { id, .. } | State::Told { id } => *id == question,
            _ => false,
        };
        if !open {
            return vec![Unsaid::NoSuchQuestion];
        }
        let mut unsaid = Vec::new();
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Asked { version, want, content, .. } => match &answer.judgement {
                None => {
                    unsaid.push(Unsaid::Judgement);
                    codec::write_failure(&mut self.output, code::TEMPORARY_FAILURE, "no verdict, try again later");
                }
                Some(judgement) => {
                    let mut text = match (&judgement.text, want) {
                        (_, Want::ReportIfSpam) if !judgement.spam => Vec::new(),
                        (Some(text), _) => text.clone(),
                        (None, Want::Message | Want::Headers) => edit::apply(&content.bytes, &answer.edits),
                        (None, _) => Vec::new(),
                    };
                    if want == Want::Headers {
                        text.truncate(header_length(&text));
                    }
                    codec::write_judgement(&mut self.output, want, version, judgement, &text);
                }
            },
            _ if answer.told.refused => {
                codec::write_failure(&mut self.output, code::UNAVAILABLE, "TELL commands are not enabled here")
            }
            _ => codec::write_told(&mut self.output, &answer.told),
        }
        unsaid
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn kept(&self) -> usize {
        let content = match &self.state {
            State::Body { body, .. } => body.collector.len(),
            State::Asked { content, .. } => content.bytes.len(),
            _ => 0,
        };
        self.input.len() + content
    }

    fn wants_input(&self) -> bool {
        // While a verdict is pending the end of the stream is not news: clients half-close.
        matches!(self.state, State::Command | State::Headers { .. } | State::Body { .. }) && !self.input.ended
    }

    fn between_messages(&self) -> bool {
        matches!(self.state, State::Command | State::Closing | State::Closed) && self.input.is_empty()
    }
}

/// Up to and with the blank line.
fn header_length(message: &[u8]) -> usize {
    let mut at = 0;
    for line in message.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        if line == b"\n" || line == b"\r\n" {
            break;
        }
    }
    at
}
