//! The client's end: hands one message to the next hop and tells, recipient by recipient, what the next hop said.
//!
//! Everything may be known at once (deliver this to these), or come bit by bit: recipients one at a time while the next
//! hop's opinion is waited for, the content last. What can be pipelined is; DATA waits for the opinions, so that a message
//! that nobody wants is not sent.
//!
//! A connection that breaks leaves the unanswered recipients deferred. Where it broke after the final dot the next hop may
//! have the message all the same: [`Outcome::uncertain`] says so, for this is where SMTP itself delivers twice.

use super::codec::{Forwarded, Reply, ReplyReader};
use super::{Dialect, data};
use crate::facts::{Path, Tls, lossy};
use crate::input::{Input, Line};
use crate::milter::session::is_address;
use std::collections::VecDeque;

#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Our name in EHLO.
    pub name: String,
    pub tls: WantTls,
    pub line: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { name: "localhost".to_owned(), tls: WantTls::Never, line: 8192 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WantTls {
    #[default]
    Never,
    IfOffered,
    Required,
}

/// One message for one next hop.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    pub sender: Path,
    pub recipients: Vec<Path>,
    /// `None`: comes later, by [`Client::send`].
    pub content: Option<Vec<u8>>,
    /// Told by XFORWARD, if the next hop wants to hear it.
    pub forward: Option<Forwarded>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// Write the output, do a TLS handshake, then call [`Client::tls_started`].
    StartTls,
    /// The next hop's opinion of a recipient, by its index; a positive one is not yet a delivery.
    Recipient { index: usize, reply: Reply },
    /// All is said.
    Done(Outcome),
    /// Write the output, then close. Nothing comes after this.
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One for each recipient, in order. [`Reply::decision`] makes an answer of it.
    pub recipients: Vec<Reply>,
    /// The connection broke when the message was out and the reply was not in: those deferred may have it.
    pub uncertain: bool,
}

pub struct Client {
    dialect: Dialect,
    settings: ClientSettings,
    delivery: Delivery,
    input: Input,
    output: Vec<u8>,
    reader: ReplyReader,
    /// Commands that wait to be sent.
    waiting: VecDeque<(String, Expect)>,
    /// Commands that were sent, their replies outstanding.
    expected: VecDeque<Expect>,
    extensions: Vec<(String, String)>,
    /// The hellos are over.
    ready: bool,
    phase: Phase,
    tls: bool,
    /// What became of MAIL.
    mail: Option<Reply>,
    recipients: Vec<Recipient>,
    finish: bool,
    /// Only what the next hop offers is asked for.
    probe: bool,
    events: VecDeque<ClientEvent>,
}

#[derive(Debug, Clone, Default)]
struct Recipient {
    /// The reply to RCPT.
    opinion: Option<Reply>,
    /// The last word.
    reply: Option<Reply>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Greeting,
    Hello,
    OldHello,
    StartTls,
    Forward,
    Mail,
    Recipient(usize),
    Data,
    /// SMTP: for all that were accepted.
    Message,
    /// LMTP: for this one.
    MessageFor(usize),
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Tls,
    Envelope,
    Sending,
    Done,
    Closed,
}

fn local(code: u16, text: &str) -> Reply {
    Reply { code, lines: vec![text.to_owned()] }
}

impl Client {
    pub fn new(dialect: Dialect, settings: ClientSettings, delivery: Delivery) -> Self {
        let recipients = vec![Recipient::default(); delivery.recipients.len()];
        Self {
            dialect,
            settings,
            finish: delivery.content.is_some(),
            delivery,
            input: Input::default(),
            output: Vec::new(),
            reader: ReplyReader::default(),
            waiting: VecDeque::new(),
            expected: VecDeque::from([Expect::Greeting]),
            extensions: Vec::new(),
            ready: false,
            phase: Phase::Opening,
            tls: false,
            mail: None,
            recipients,
            probe: false,
            events: VecDeque::new(),
        }
    }

    /// Says hello, over TLS where the settings want it, and takes its leave: [`Client::extensions`] has what was offered.
    pub fn probe(dialect: Dialect, settings: ClientSettings) -> Self {
        Self { probe: true, ..Self::new(dialect, settings, Delivery::default()) }
    }

    /// What the next hop offers, once it has said so (over TLS, where there is to be TLS): keywords in upper case, each
    /// with its parameters.
    pub fn extensions(&self) -> Option<&[(String, String)]> {
        self.ready.then_some(&self.extensions)
    }

    /// The content is out, or on its way; the next hop's word on it is not in.
    pub fn awaits_message(&self) -> bool {
        self.expected.iter().any(|expect| matches!(expect, Expect::Message | Expect::MessageFor(_)))
    }

    /// One more recipient; the next hop's opinion comes as [`ClientEvent::Recipient`]. Only before [`Client::send`].
    pub fn add_recipient(&mut self, recipient: Path) -> usize {
        let index = self.recipients.len();
        self.delivery.recipients.push(recipient);
        self.recipients.push(Recipient::default());
        if self.phase == Phase::Envelope {
            self.queue_recipient(index);
            self.pump();
        } else if self.phase == Phase::Done {
            let reply = local(451, "4.4.2 connection to next hop lost");
            self.events.push_back(ClientEvent::Recipient { index, reply });
        }
        index
    }

    /// The content, which ends the envelope.
    pub fn send(&mut self, content: Vec<u8>) {
        self.delivery.content = Some(content);
        self.finish = true;
        self.pump();
    }

    /// Nothing will be sent after all, for this reason (`4.4.2 ...`). Politely, where it is our turn to speak.
    pub fn give_up(&mut self, why: &str) {
        match self.phase {
            Phase::Done | Phase::Closed => {}
            Phase::Envelope if self.expected.is_empty() => self.conclude(local(451, why)),
            _ => self.lose(why),
        }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Closed {
            self.input.push(bytes);
        }
    }

    pub fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub fn tls_started(&mut self, _tls: Tls) {
        if self.phase == Phase::Tls {
            self.phase = Phase::Opening;
            self.tls = true;
            self.input.clear(); // what came before the handshake is nobody's
            self.hello();
        }
    }

    pub fn next_event(&mut self) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if matches!(self.phase, Phase::Closed | Phase::Tls) {
                return None;
            }
            match self.input.line(self.settings.line) {
                Line::Whole(line) => match self.reader.add(&line) {
                    Ok(None) => {}
                    Ok(Some(reply)) => self.reply(reply),
                    Err(_) => self.lose("4.5.0 next hop does not speak the protocol"),
                },
                Line::TooLong => self.lose("4.5.0 next hop does not speak the protocol"),
                Line::Incomplete if self.input.ended => {
                    if self.phase == Phase::Done {
                        self.close();
                    } else {
                        self.lose("4.4.2 connection to next hop lost");
                    }
                }
                Line::Incomplete => return None,
            }
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.events.push_back(ClientEvent::Close);
    }

    fn write(&mut self, line: &str, expect: Expect) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.expected.push_back(expect);
    }

    fn hello(&mut self) {
        let verb = if self.dialect == Dialect::Lmtp { "LHLO" } else { "EHLO" };
        let line = format!("{verb} {}", self.settings.name);
        self.write(&line, Expect::Hello);
    }

    fn offers(&self, keyword: &str) -> Option<&str> {
        self.extensions.iter().find(|(k, _)| k == keyword).map(|(_, v)| v.as_str())
    }

    /// The connection is of no more use: whoever has no last word is deferred.
    fn lose(&mut self, text: &str) {
        let uncertain = self.awaits_message();
        self.give(local(451, text));
        self.done(uncertain);
        self.expected.clear();
        self.waiting.clear();
        self.close();
    }

    /// The last word for all who have none.
    fn give(&mut self, reply: Reply) {
        for recipient in &mut self.recipients {
            if recipient.reply.is_none() {
                recipient.reply = Some(match recipient.opinion.take() {
                    Some(opinion) if !opinion.is_positive() => opinion,
                    _ => reply.clone(),
                });
            }
        }
    }

    fn done(&mut self, uncertain: bool) {
        if matches!(self.phase, Phase::Done | Phase::Closed) {
            return;
        }
        self.phase = Phase::Done;
        let recipients = self.recipients.iter().map(|r| r.reply.clone().unwrap_or_default()).collect();
        self.events.push_back(ClientEvent::Done(Outcome { recipients, uncertain }));
    }

    /// The next hop had the last word for everybody; it is told good-bye.
    fn conclude(&mut self, reply: Reply) {
        self.give(reply);
        self.done(false);
        self.waiting.clear();
        self.write("QUIT", Expect::Quit);
    }

    fn reply(&mut self, reply: Reply) {
        let Some(expect) = self.expected.pop_front() else {
            // Unasked: what a server says before it hangs up.
            return self.lose_with(reply);
        };
        if reply.code == 421 && expect != Expect::Quit {
            return self.lose_with(reply);
        }
        match expect {
            Expect::Greeting if reply.code == 220 => self.hello(),
            Expect::Greeting => self.conclude(not_positive(reply)),
            Expect::Hello if reply.is_positive() => {
                self.extensions = reply
                    .lines
                    .iter()
                    .skip(1)
                    .map(|line| {
                        let (keyword, value) = line.split_once([' ', '=']).unwrap_or((line, ""));
                        (keyword.to_ascii_uppercase(), value.to_owned())
                    })
                    .collect();
                let offered = self.offers("STARTTLS").is_some();
                match self.settings.tls {
                    _ if self.tls => self.envelope(),
                    WantTls::IfOffered | WantTls::Required if offered => self.write("STARTTLS", Expect::StartTls),
                    WantTls::Required => self.conclude(local(451, "4.7.4 next hop offers no TLS")),
                    _ => self.envelope(),
                }
            }
            Expect::Hello if self.dialect == Dialect::Smtp && reply.code / 100 == 5 && !self.tls => {
                let line = format!("HELO {}", self.settings.name);
                self.write(&line, Expect::OldHello);
            }
            Expect::OldHello if reply.is_positive() && self.settings.tls == WantTls::Required => {
                self.conclude(local(451, "4.7.4 next hop offers no TLS"))
            }
            Expect::OldHello if reply.is_positive() => self.envelope(),
            Expect::Hello | Expect::OldHello => self.conclude(not_positive(reply)),
            Expect::StartTls if reply.code == 220 => {
                self.phase = Phase::Tls;
                self.input.clear();
                self.events.push_back(ClientEvent::StartTls);
            }
            Expect::StartTls if self.settings.tls == WantTls::Required => {
                self.conclude(local(451, "4.7.4 next hop refused TLS"))
            }
            Expect::StartTls => self.envelope(),
            Expect::Forward => self.pump(), // an opinion about logging is no reason to keep the message
            Expect::Mail => {
                self.mail = Some(reply);
                self.pump();
            }
            Expect::Recipient(index) => {
                let reply = match &self.mail {
                    Some(mail) if !mail.is_positive() => not_positive(mail.clone()),
                    _ => reply,
                };
                self.opinion(index, reply);
                self.pump();
            }
            Expect::Data if reply.code == 354 => {
                let content = self.delivery.content.take().unwrap_or_default();
                data::write(&content, &mut self.output);
                match self.dialect {
                    Dialect::Smtp => self.expected.push_back(Expect::Message),
                    Dialect::Lmtp => {
                        for (index, recipient) in self.recipients.iter().enumerate() {
                            if recipient.opinion.as_ref().is_some_and(Reply::is_positive) {
                                self.expected.push_back(Expect::MessageFor(index));
                            }
                        }
                    }
                }
            }
            Expect::Data => self.conclude(not_positive(reply)),
            Expect::Message => self.conclude(reply),
            Expect::MessageFor(index) => {
                if let Some(recipient) = self.recipients.get_mut(index) {
                    recipient.reply = Some(reply);
                }
                if self.expected.is_empty() {
                    self.conclude(local(451, "4.5.0 next hop said nothing"));
                }
            }
            Expect::Quit => self.close(),
        }
    }

    /// The next hop says good-bye of its own.
    fn lose_with(&mut self, reply: Reply) {
        if self.phase == Phase::Done {
            return self.close();
        }
        let text = if reply.code == 421 { reply.text() } else { "4.5.0 next hop does not speak the protocol".into() };
        self.lose(&text);
    }

    fn opinion(&mut self, index: usize, reply: Reply) {
        if let Some(recipient) = self.recipients.get_mut(index) {
            recipient.opinion = Some(reply.clone());
        }
        self.events.push_back(ClientEvent::Recipient { index, reply });
    }

    /// The next hop is ready: XFORWARD, MAIL and the recipients known so far.
    fn envelope(&mut self) {
        self.phase = Phase::Envelope;
        self.ready = true;
        if self.probe {
            return self.conclude(Reply::default());
        }
        if let (Some(forward), Some(known)) = (&self.delivery.forward, self.offers("XFORWARD")) {
            for line in forward.commands(known) {
                self.waiting.push_back((line, Expect::Forward));
            }
        }
        let limit: u64 = self.offers("SIZE").and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        let size = self.delivery.content.as_ref().map(|c| c.len() as u64);
        if limit > 0 && size.is_some_and(|s| s > limit) {
            return self.conclude(local(552, "5.3.4 message size exceeds limit of next hop"));
        }
        let wants_utf8 = self.delivery.sender.has("SMTPUTF8") && self.is_utf8();
        if wants_utf8 && self.offers("SMTPUTF8").is_none() {
            return self.conclude(local(550, "5.6.7 next hop does not take internationalised mail"));
        }
        if !is_address(&self.delivery.sender.address) {
            return self.conclude(local(501, "5.1.7 bad sender address"));
        }
        let mut line = format!("MAIL FROM:<{}>", lossy(&self.delivery.sender.address));
        if let (Some(size), Some(_)) = (size, self.offers("SIZE")) {
            line.push_str(&format!(" SIZE={size}"));
        }
        for (keyword, value) in &self.delivery.sender.parameters {
            let extension = match keyword.as_str() {
                "BODY" => "8BITMIME",
                "RET" | "ENVID" => "DSN",
                "SMTPUTF8" if wants_utf8 => "SMTPUTF8",
                _ => continue,
            };
            if self.offers(extension).is_some() {
                line.push_str(&parameter(keyword, value.as_deref()));
            }
        }
        self.waiting.push_back((line, Expect::Mail));
        for index in 0..self.recipients.len() {
            self.queue_recipient(index);
        }
        self.pump();
    }

    /// Whether the message cannot do without SMTPUTF8, whatever was said of it. What is not known yet may need it.
    fn is_utf8(&self) -> bool {
        let paths = self.delivery.recipients.iter().chain([&self.delivery.sender]);
        let header = match &self.delivery.content {
            Some(content) => {
                let end = content.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(content.len());
                !content[..end].is_ascii()
            }
            None => true,
        };
        header || paths.into_iter().any(|p| !p.address.is_ascii())
    }

    fn queue_recipient(&mut self, index: usize) {
        let recipient = &self.delivery.recipients[index];
        if !is_address(&recipient.address) || recipient.address.is_empty() {
            return self.opinion(index, local(501, "5.1.3 bad recipient address"));
        }
        let mut line = format!("RCPT TO:<{}>", lossy(&recipient.address));
        if self.offers("DSN").is_some() {
            for (keyword, value) in &recipient.parameters {
                if matches!(keyword.as_str(), "NOTIFY" | "ORCPT") {
                    line.push_str(&parameter(keyword, value.as_deref()));
                }
            }
        }
        self.waiting.push_back((line, Expect::Recipient(index)));
    }

    /// Sends what may be sent now.
    fn pump(&mut self) {
        if self.phase != Phase::Envelope {
            return;
        }
        let pipelining = self.offers("PIPELINING").is_some();
        while (pipelining || self.expected.is_empty())
            && let Some((line, expect)) = self.waiting.pop_front()
        {
            self.write(&line, expect);
        }
        if !self.expected.is_empty() || !self.waiting.is_empty() {
            return;
        }
        if let Some(mail) = self.mail.clone().filter(|m| !m.is_positive()) {
            if self.finish {
                self.conclude(not_positive(mail));
            }
            return;
        }
        if self.finish && self.mail.is_some() {
            if self.recipients.iter().any(|r| r.opinion.as_ref().is_some_and(Reply::is_positive)) {
                for recipient in &mut self.recipients {
                    if let Some(opinion) = recipient.opinion.as_ref().filter(|o| !o.is_positive()) {
                        recipient.reply = Some(not_positive(opinion.clone()));
                    }
                }
                self.phase = Phase::Sending;
                self.write("DATA", Expect::Data);
            } else {
                self.conclude(local(451, "4.5.0 next hop accepted no recipient"));
            }
        }
    }
}

/// A reply that cannot be taken for a delivery.
fn not_positive(reply: Reply) -> Reply {
    match reply.code / 100 {
        4 | 5 => reply,
        _ => local(451, "4.5.0 next hop gave an unexpected reply"),
    }
}

fn parameter(keyword: &str, value: Option<&[u8]>) -> String {
    match value {
        Some(value) => {
            let value: String = lossy(value).chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
            format!(" {keyword}={value}")
        }
        None => format!(" {keyword}"),
    }
}
