//! The server's end: takes mail from the server before us, asks, and answers as it was told.
//!
//! What a pipelining client sends ahead waits while a question is open. Everything sent in clear before a TLS handshake is
//! forgotten with it. The facts of the client before the client come by XFORWARD and are never mixed with the connection's.

use super::codec::{CommandLine, FORWARD_ATTRIBUTES, Forwarded, path};
use super::{Dialect, data};
use crate::answer::{Answer, Decision, Refusal, Unsaid, reply_texts};
use crate::content::Content;
use crate::edit::each_field;
use crate::facts::{Path, Peer, Server as MailServer, Tls};
use crate::input::{Input, Line};
use crate::{Ask, Connection, Event, QuestionId, Scan, Session, Stage, Stages, Trouble, Want};

#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in greetings.
    pub name: String,
    pub ask: Stages,
    /// Bytes of a message; announced as SIZE.
    pub message: usize,
    pub line: usize,
    pub recipients: usize,
    /// Refused commands before the client is sent away.
    pub errors: usize,
    /// Announced only if the next hop can do it too.
    pub eight_bit: bool,
    pub utf8: bool,
    pub delivery_status: bool,
    /// Whether the client may tell for whom it asks; else it is not told that it could, and refused. XCLIENT, which would change what we are told it is, is never heard.
    pub forward: bool,
    pub starttls: bool,
    pub bare_newline: BareNewline,
    /// Received or Delivered-To fields, with which a message is taken to run in circles.
    pub hops: usize,
    /// The field that we put into what we hand on, [`Settings::name`] in front of its value: seen once it is worth a
    /// warning, seen `loops` times the message is refused. Another host's are none of our business.
    pub mark: Option<String>,
    pub loops: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "localhost".to_owned(),
            ask: Stages::NONE,
            message: 64 << 20,
            line: 12_288,
            recipients: 1000,
            errors: 20,
            eight_bit: true,
            utf8: true,
            delivery_status: true,
            forward: true,
            starttls: false,
            bare_newline: BareNewline::default(),
            hops: 50,
            mark: None,
            loops: 3,
        }
    }
}

/// What becomes of a LF without CR. In no case does it end a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewline {
    /// It is made CRLF.
    #[default]
    Normalise,
    /// The connection is closed; so it is for a CR without LF.
    Refuse,
}

pub struct Server {
    dialect: Dialect,
    settings: Settings,
    connection: Connection,
    input: Input,
    output: Vec<u8>,
    state: State,
    greeting: bool,
    helo: Option<Vec<u8>>,
    extended: bool,
    tls: Option<Tls>,
    forwarded: Option<Forwarded>,
    sender: Option<Path>,
    recipients: Vec<Path>,
    errors: usize,
    questions: u64,
    events: Vec<Event>,
}

enum State {
    Command,
    Data(Box<Receiving>),
    Asked { id: QuestionId, what: Asked },
    Tls,
    Closing,
    Closed,
}

enum Asked {
    Connect,
    Helo(CommandLine),
    Mail(Path),
    Recipient(Path),
    Data,
    Message,
}

#[derive(Default)]
struct Receiving {
    reader: data::Reader,
    content: Vec<u8>,
    too_long: bool,
}

impl Server {
    pub fn new(dialect: Dialect, settings: Settings, connection: Connection) -> Self {
        Self {
            dialect,
            settings,
            connection,
            input: Input::default(),
            output: Vec::new(),
            state: State::Command,
            greeting: true,
            helo: None,
            extended: false,
            tls: None,
            forwarded: None,
            sender: None,
            recipients: Vec::new(),
            errors: 0,
            questions: 0,
            events: Vec::new(),
        }
    }

    /// Whoever brought the message: the client that XFORWARD tells of, else the one that is connected.
    fn peer(&self) -> Peer {
        let server = MailServer { listener: self.connection.listener.clone(), ..MailServer::default() };
        match &self.forwarded {
            Some(told) => Peer {
                address: told.address,
                port: told.port,
                name: told.name.clone(),
                unresolved: !told.resolved,
                reverse_name: told.name.clone(),
                helo: told.helo.clone(),
                protocol: told.protocol.clone(),
                local: told.local && told.address.is_none(),
                inside: told.local,
                server,
                ..Peer::default()
            },
            None => Peer {
                address: self.connection.address,
                port: self.connection.port,
                unresolved: true,
                helo: self.helo.clone(),
                protocol: Some(self.protocol().to_owned()),
                tls: self.tls.clone(),
                local: self.connection.address.is_none(),
                server,
                ..Peer::default()
            },
        }
    }

    fn protocol(&self) -> &'static str {
        match (self.dialect, self.extended) {
            (Dialect::Lmtp, _) => "LMTP",
            (Dialect::Smtp, true) => "ESMTP",
            (Dialect::Smtp, false) => "SMTP",
        }
    }

    fn queue_id(&self) -> Option<String> {
        self.forwarded.as_ref().and_then(|f| f.ident.clone())
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn refuse(&mut self, line: &str) {
        self.say(line);
        self.errors += 1;
        if self.errors >= self.settings.errors {
            self.part(
                "421 4.7.0 Too many errors",
                Trouble::TooMany { what: "refused commands", limit: self.settings.errors },
            );
        }
    }

    /// The last word.
    fn part(&mut self, line: &str, trouble: Trouble) {
        self.say(line);
        self.events.push(Event::Trouble(trouble));
        self.state = State::Closing;
        self.input.clear();
    }

    fn say_refusal(&mut self, class: u16, refusal: &Refusal) {
        for line in refusal.lines(class) {
            self.say(&line);
        }
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// The end of a transaction, by dot or RSET, is the end of what XFORWARD told.
    fn transaction_over(&mut self) {
        self.reset();
        self.forwarded = None;
    }

    fn ask(&mut self, stage: Stage, what: Asked, sender: Option<Path>, recipient: Option<Path>) {
        self.questions += 1;
        let id = QuestionId(self.questions);
        let size = sender.as_ref().and_then(Path::size);
        self.events.push(Event::Ask(Box::new(Ask {
            id,
            stage,
            peer: self.peer(),
            sender,
            recipient,
            recipients_before: self.recipients.len(),
            queue_id: self.queue_id(),
            size,
            instance: None,
        })));
        self.state = State::Asked { id, what };
    }

    /// Takes one step with what has arrived. False: no step is possible.
    fn step(&mut self) -> bool {
        if self.greeting {
            self.greeting = false;
            if self.settings.ask.connect {
                self.ask(Stage::Connect, Asked::Connect, None, None);
            } else {
                self.greet();
            }
            return true;
        }
        match &mut self.state {
            State::Command => match self.input.line(self.settings.line) {
                Line::Whole(line) => self.command(CommandLine::parse(&line)),
                Line::TooLong => {
                    let limit = self.settings.line;
                    self.part("421 4.7.0 Line too long", Trouble::TooLong { what: "a command", limit });
                }
                Line::Incomplete if self.input.ended => {
                    let half = !self.input.is_empty() || self.sender.is_some();
                    self.state = State::Closing;
                    if half {
                        self.events.push(Event::Trouble(Trouble::Truncated));
                    }
                }
                Line::Incomplete => return false,
            },
            State::Data(_) => return self.data(),
            State::Asked { id, .. } if self.input.ended => {
                // Nobody waits for the reply: whatever was not handed on yet will come again.
                self.events.push(Event::Cancelled(*id));
                self.state = State::Closing;
            }
            State::Tls if self.input.ended => self.state = State::Closing,
            State::Asked { .. } | State::Tls | State::Closing | State::Closed => return false,
        }
        true
    }

    fn greet(&mut self) {
        let kind = if self.dialect == Dialect::Lmtp { "LMTP" } else { "ESMTP" };
        let line = format!("220 {} {kind} sekisho", self.settings.name);
        self.say(&line);
    }

    fn command(&mut self, line: CommandLine) {
        if line.verb.contains(':') {
            // A header field where a command should be: somebody's client has lost its place, or plays tricks.
            return self.part("421 4.7.0 This is not a command", Trouble::UnknownCommand(line.verb.into_bytes()));
        }
        match (line.verb.as_str(), self.dialect) {
            ("EHLO" | "HELO", Dialect::Smtp) | ("LHLO", Dialect::Lmtp) => {
                if line.argument.is_empty() || line.argument.iter().any(|b| *b < b' ') {
                    return self.refuse("501 5.5.4 Syntax: EHLO hostname");
                }
                if self.settings.ask.helo {
                    let before = self.helo.replace(line.argument.clone());
                    self.ask(Stage::Helo, Asked::Helo(line), None, None);
                    self.helo = before;
                } else {
                    self.hello(&line);
                }
            }
            ("MAIL", _) => self.mail(&line.argument),
            ("RCPT", _) => self.rcpt(&line.argument),
            ("DATA", _) if !line.argument.is_empty() => self.refuse("501 5.5.4 Syntax: DATA"),
            ("DATA", _) if self.sender.is_none() => self.refuse("503 5.5.1 Error: need MAIL command"),
            ("DATA", _) if self.recipients.is_empty() => self.refuse("554 5.5.1 Error: no valid recipients"),
            ("DATA", _) if self.settings.ask.data => {
                let only = match self.recipients.as_slice() {
                    [only] => Some(only.clone()),
                    _ => None,
                };
                self.ask(Stage::Data, Asked::Data, self.sender.clone(), only);
            }
            ("DATA", _) => self.begin_data(),
            ("RSET", _) => {
                self.transaction_over();
                self.say("250 2.0.0 Ok");
            }
            ("NOOP", _) => self.say("250 2.0.0 Ok"),
            ("VRFY", _) => self.say("252 2.0.0 Send some mail and I will try"),
            ("HELP", _) => self.say("214 2.0.0 This server judges mail: see RFC 5321"),
            ("QUIT", _) => {
                self.say("221 2.0.0 Bye");
                self.state = State::Closing;
                self.input.clear();
            }
            ("XFORWARD", _) if self.settings.forward => self.xforward(&line.argument),
            ("XFORWARD", _) => self.refuse("550 5.7.0 Error: insufficient authorization"),
            ("STARTTLS", _) if self.settings.starttls => self.starttls(&line.argument),
            ("GET" | "POST" | "HEAD" | "PUT" | "CONNECT" | "OPTIONS", _) => {
                self.part("421 4.7.0 This is not HTTP", Trouble::UnknownCommand(line.verb.into_bytes()))
            }
            _ => self.refuse("502 5.5.2 Error: command not recognized"),
        }
    }

    fn hello(&mut self, line: &CommandLine) {
        self.reset();
        self.helo = Some(line.argument.clone());
        self.extended = line.verb != "HELO";
        if !self.extended {
            let line = format!("250 {}", self.settings.name);
            return self.say(&line);
        }
        let mut lines =
            vec![self.settings.name.clone(), "PIPELINING".into(), format!("SIZE {}", self.settings.message)];
        let optional = [
            (self.settings.starttls && self.tls.is_none(), "STARTTLS".to_owned()),
            (self.settings.forward, format!("XFORWARD {FORWARD_ATTRIBUTES}")),
            (self.settings.eight_bit, "8BITMIME".to_owned()),
            (self.settings.utf8, "SMTPUTF8".to_owned()),
            (self.settings.delivery_status, "DSN".to_owned()),
        ];
        lines.extend(optional.into_iter().filter(|(on, _)| *on).map(|(_, line)| line));
        lines.push("ENHANCEDSTATUSCODES".into());
        let last = lines.len() - 1;
        for (n, text) in lines.iter().enumerate() {
            let line = format!("250{}{text}", if n < last { '-' } else { ' ' });
            self.say(&line);
        }
    }

    fn mail(&mut self, argument: &[u8]) {
        if self.helo.is_none() {
            return self.refuse("503 5.5.1 Error: send EHLO first");
        }
        if self.sender.is_some() {
            return self.refuse("503 5.5.1 Error: nested MAIL command");
        }
        let Some(path) = path(argument, "FROM") else {
            return self.refuse("501 5.5.4 Syntax: MAIL FROM:<address>");
        };
        for (keyword, value) in &path.parameters {
            let wrong = match (keyword.as_str(), value.as_deref()) {
                ("SIZE", Some(_)) => match path.size() {
                    Some(size) if size > self.settings.message as u64 => {
                        return self.refuse("552 5.3.4 Message size exceeds fixed limit");
                    }
                    Some(_) => false,
                    None => true,
                },
                ("BODY", Some(value)) if self.settings.eight_bit => {
                    !value.eq_ignore_ascii_case(b"7BIT") && !value.eq_ignore_ascii_case(b"8BITMIME")
                }
                ("SMTPUTF8", None) if self.settings.utf8 => false,
                ("RET", Some(value)) if self.settings.delivery_status => {
                    !value.eq_ignore_ascii_case(b"FULL") && !value.eq_ignore_ascii_case(b"HDRS")
                }
                ("ENVID", Some(_)) if self.settings.delivery_status => false,
                ("AUTH", Some(_)) => false,
                _ => return self.refuse("555 5.5.4 Unsupported option"),
            };
            if wrong {
                return self.refuse("501 5.5.4 Bad value of an option");
            }
        }
        if self.settings.ask.mail {
            return self.ask(Stage::Mail, Asked::Mail(path.clone()), Some(path), None);
        }
        self.sender = Some(path);
        self.say("250 2.1.0 Ok");
    }

    fn rcpt(&mut self, argument: &[u8]) {
        if self.sender.is_none() {
            return self.refuse("503 5.5.1 Error: need MAIL command");
        }
        let path = match path(argument, "TO") {
            Some(path) if !path.address.is_empty() => path,
            _ => return self.refuse("501 5.5.4 Syntax: RCPT TO:<address>"),
        };
        if self.recipients.len() >= self.settings.recipients {
            // No fault: who hears it goes on with those that were taken (RFC 5321 4.5.3.1.10).
            return self.say("452 4.5.3 Error: too many recipients");
        }
        for (keyword, value) in &path.parameters {
            match (keyword.as_str(), value) {
                ("NOTIFY" | "ORCPT", Some(_)) if self.settings.delivery_status => {}
                _ => return self.refuse("555 5.5.4 Unsupported option"),
            }
        }
        if self.settings.ask.recipient {
            return self.ask(Stage::Recipient, Asked::Recipient(path.clone()), self.sender.clone(), Some(path));
        }
        self.recipients.push(path);
        self.say("250 2.1.5 Ok");
    }

    fn xforward(&mut self, argument: &[u8]) {
        if self.sender.is_some() {
            return self.refuse("503 5.5.1 Error: MAIL transaction in progress");
        }
        // Whatever is not told is then unknown: the connection's own facts are another client's.
        let mut forwarded = self.forwarded.clone().unwrap_or_default();
        let words: Vec<&[u8]> = argument.split(|b| *b == b' ').filter(|w| !w.is_empty()).collect();
        if words.is_empty() {
            return self.refuse("501 5.5.4 Syntax: XFORWARD attribute=value...");
        }
        for word in words {
            if let Err(wrong) = forwarded.set(word) {
                return self.refuse(&format!("501 5.5.4 Bad XFORWARD: {wrong}"));
            }
        }
        self.forwarded = Some(forwarded);
        self.say("250 2.0.0 Ok");
    }

    fn starttls(&mut self, argument: &[u8]) {
        if !argument.is_empty() {
            return self.refuse("501 5.5.4 Syntax: STARTTLS");
        }
        if self.tls.is_some() {
            return self.refuse("503 5.5.1 Error: TLS already active");
        }
        if !self.input.is_empty() {
            // Commands sent in clear behind STARTTLS would be taken for encrypted ones.
            return self.part("421 4.7.0 No commands may follow STARTTLS", Trouble::OutOfOrder("input after STARTTLS"));
        }
        self.say("220 2.0.0 Ready to start TLS");
        self.events.push(Event::StartTls);
        self.state = State::Tls;
    }

    fn begin_data(&mut self) {
        self.say("354 End data with <CR><LF>.<CR><LF>");
        self.state = State::Data(Box::default());
    }

    fn data(&mut self) -> bool {
        let State::Data(receiving) = &mut self.state else { return false };
        if self.input.is_empty() {
            if self.input.ended {
                self.state = State::Closing;
                self.events.push(Event::Trouble(Trouble::Truncated));
                return true;
            }
            return false;
        }
        let limit = self.settings.message;
        let Receiving { reader, content, too_long } = &mut **receiving;
        let (used, end) = reader.read(self.input.rest(), |bytes| {
            if content.len() + bytes.len() > limit {
                *too_long = true;
            } else if !*too_long {
                content.extend_from_slice(bytes);
            }
        });
        if *too_long {
            *content = Vec::new();
        }
        self.input.skip(used);
        if self.settings.bare_newline == BareNewline::Refuse && (reader.bare_lf || reader.bare_cr) {
            self.part("521 5.5.2 Error: bare <LF> or <CR> received", Trouble::Malformed("a line end"));
            return true;
        }
        if end {
            let received = std::mem::take(&mut **receiving);
            self.state = State::Command;
            self.received(received);
        }
        true
    }

    /// The message is whole.
    fn received(&mut self, received: Receiving) {
        if received.too_long {
            let limit = self.settings.message;
            self.events.push(Event::Trouble(Trouble::TooLong { what: "the message", limit }));
            return self.refuse_message("552 5.3.4 Message size exceeds fixed limit");
        }
        let (mut hops, mut delivered, mut marks) = (0, 0, 0);
        let mark = self.settings.mark.as_deref();
        let own = |value: &[u8]| {
            let host = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
            host.eq_ignore_ascii_case(self.settings.name.as_bytes())
        };
        each_field(&received.content, |name, value, _| {
            hops += usize::from(name.eq_ignore_ascii_case(b"Received"));
            delivered += usize::from(name.eq_ignore_ascii_case(b"Delivered-To"));
            marks += usize::from(mark.is_some_and(|m| name.eq_ignore_ascii_case(m.as_bytes())) && own(value));
        });
        if hops > self.settings.hops || delivered > self.settings.hops {
            self.events.push(Event::Trouble(Trouble::Loop("too many hops")));
            return self.refuse_message("554 5.4.6 Error: too many hops");
        }
        if marks > 0 {
            self.events.push(Event::Trouble(Trouble::Loop("the message has passed here before")));
            if marks >= self.settings.loops {
                return self.refuse_message("554 5.4.6 Error: mail loops back to this filter");
            }
        }
        self.questions += 1;
        let id = QuestionId(self.questions);
        self.events.push(Event::Scan(Box::new(Scan {
            id,
            peer: self.peer(),
            sender: self.sender.clone(),
            recipients: self.recipients.clone(),
            queue_id: self.queue_id(),
            user: None,
            want: Want::Decision,
            content: Content::from(received.content),
            top_received_hidden: false,
        })));
        self.state = State::Asked { id, what: Asked::Message };
    }

    /// One reply, in LMTP one for each recipient.
    fn refuse_message(&mut self, line: &str) {
        for _ in 0..self.replies() {
            self.say(line);
        }
        self.transaction_over();
    }

    fn replies(&self) -> usize {
        if self.dialect == Dialect::Lmtp { self.recipients.len() } else { 1 }
    }

    fn say_decision(&mut self, decision: &Decision, words: Option<&str>, unsaid: &mut Vec<Unsaid>) {
        match decision {
            Decision::Accept | Decision::AcceptUnseen | Decision::Discard => {
                let text = words.map(|w| reply_texts(w).swap_remove(0)).filter(|w| !w.is_empty());
                let line = format!("250 2.0.0 {}", text.as_deref().unwrap_or("Ok"));
                self.say(&line);
            }
            Decision::Reject(refusal) => self.say_refusal(5, refusal),
            Decision::Defer(refusal) => self.say_refusal(4, refusal),
            Decision::Quarantine(_) => {
                unsaid.push(Unsaid::Quarantine);
                self.say("451 4.7.1 Message cannot be held here, try again later");
            }
        }
    }

    fn answer_message(&mut self, answer: &Answer) -> Vec<Unsaid> {
        let mut unsaid = Vec::new();
        let words = answer.words.as_deref();
        if self.dialect == Dialect::Lmtp {
            for n in 0..self.recipients.len() {
                let decision = answer.recipients.get(n).unwrap_or(&answer.decision).clone();
                self.say_decision(&decision, words, &mut unsaid);
            }
        } else {
            let kind = |d: &Decision| match d {
                Decision::Accept | Decision::AcceptUnseen | Decision::Discard => 2,
                Decision::Reject(_) => 5,
                Decision::Defer(_) | Decision::Quarantine(_) => 4,
            };
            let each: Vec<&Decision> = answer.recipients.iter().take(self.recipients.len()).collect();
            match each.split_first() {
                None => self.say_decision(&answer.decision, words, &mut unsaid),
                Some((first, others)) if others.iter().all(|d| kind(d) == kind(first)) => {
                    self.say_decision(first, words, &mut unsaid)
                }
                Some(_) => {
                    unsaid.push(Unsaid::Recipients);
                    self.say("451 4.3.0 Not all recipients could be served, try again later");
                }
            }
        }
        self.transaction_over();
        unsaid
    }

    fn answer_early(&mut self, what: Asked, answer: &Answer) -> Vec<Unsaid> {
        let mut unsaid: Vec<Unsaid> = answer.edits.iter().cloned().map(Unsaid::TooEarly).collect();
        let refused = match &answer.decision {
            Decision::Accept | Decision::AcceptUnseen => None,
            Decision::Discard => {
                unsaid.push(Unsaid::Discard);
                None
            }
            Decision::Quarantine(_) => {
                unsaid.push(Unsaid::Quarantine);
                None
            }
            Decision::Reject(refusal) => Some((5, refusal)),
            Decision::Defer(refusal) => Some((4, refusal)),
        };
        match (what, refused) {
            (Asked::Connect, None) => self.greet(),
            (Asked::Connect, Some((class, refusal))) => {
                // Only 220, 554 and 421 may stand in a greeting's place.
                let code = if class == 5 { 554 } else { 421 };
                self.say_refusal(class, &Refusal { code, ..refusal.clone() });
                self.state = State::Closing;
            }
            (_, Some((class, refusal))) => self.say_refusal(class, refusal),
            (Asked::Helo(line), None) => self.hello(&line),
            (Asked::Mail(path), None) => {
                self.sender = Some(path);
                self.say("250 2.1.0 Ok");
            }
            (Asked::Recipient(path), None) => {
                self.recipients.push(path);
                self.say("250 2.1.5 Ok");
            }
            (Asked::Data, None) => self.begin_data(),
            (Asked::Message, None) => {}
        }
        unsaid
    }
}

impl Session for Server {
    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closing | State::Closed) {
            self.input.push(bytes);
        }
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if !self.events.is_empty() {
                return Some(self.events.remove(0));
            }
            match self.state {
                State::Closed => return None,
                State::Closing => {
                    self.state = State::Closed;
                    return Some(Event::Close);
                }
                _ => {}
            }
            if !self.step() {
                return None;
            }
        }
    }

    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid> {
        match &self.state {
            State::Asked { id, .. } if *id == question => {}
            _ => return vec![Unsaid::NoSuchQuestion],
        }
        match std::mem::replace(&mut self.state, State::Command) {
            State::Asked { what: Asked::Message, .. } => self.answer_message(answer),
            State::Asked { what, .. } => self.answer_early(what, answer),
            _ => Vec::new(),
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn kept(&self) -> usize {
        let content = match &self.state {
            State::Data(receiving) => receiving.content.len(),
            _ => 0,
        };
        self.input.len() + content + self.recipients.iter().map(Path::kept).sum::<usize>()
    }

    fn wants_input(&self) -> bool {
        match self.state {
            State::Closing | State::Closed | State::Tls => false,
            State::Asked { .. } => !self.input.ended && self.input.len() < 64 << 10,
            State::Command | State::Data(_) => !self.input.ended,
        }
    }

    fn between_messages(&self) -> bool {
        self.sender.is_none() && !matches!(self.state, State::Data(_) | State::Asked { .. }) && self.input.is_empty()
    }

    fn tls_started(&mut self, tls: Tls) {
        if matches!(self.state, State::Tls) {
            self.state = State::Command;
            self.tls = Some(tls);
            self.input.clear();
            self.helo = None;
            self.transaction_over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_clear_gets_behind_the_handshake() {
        let settings = Settings { starttls: true, ..Settings::default() };
        let mut server = Server::new(Dialect::Smtp, settings, Connection::default());
        server.receive(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@example.com>\r\n");
        let mut events = Vec::new();
        while let Some(event) = server.next_event() {
            events.push(event);
        }
        assert_eq!(events, [Event::Trouble(Trouble::OutOfOrder("input after STARTTLS")), Event::Close]);
        assert!(server.output().ends_with(b"421 4.7.0 No commands may follow STARTTLS\r\n"));
    }
}
