//! The filter's end of a milter connection: packets in, questions out, answers back as packets.
//!
//! One state for all: commands set what they set, in whatever order they come after the negotiation, since mail servers
//! leave out what was negotiated away and simulate what never happened (`sendmail` on the command line). What must hold is
//! that each command that wants a reply gets exactly one.
//!
//! Facts of life that this file minds:
//! * The server's own Received field is not shown ([`crate::Scan::received`] builds it); insertion at index 0 lands above it.
//! * Macros may be defined for a command that is never sent; their names come with and without braces.
//! * Mail that did not come over SMTP is shown as if it had, from nowhere or from port 0 of the machine itself. To refuse
//!   its recipients would strand it in the queue.
//! * `q` holds a message only with an accepting reply after it.

use super::codec::{Command, Family, Packet, Response, action, packet, protocol};
use crate::answer::{Answer, Decision, Edit, Refusal, Unsaid};
use crate::content::{Collector, ContentLimits};
use crate::edit::{clean_value, is_name};
use crate::facts::{Authenticated, Path, Peer, Server as MailServer, Tls, confirmed_name, lossy, parse_address};
use crate::input::Input;
use crate::{Ask, Event, QuestionId, Scan, Session, Stage, Stages, Trouble, Want};

#[derive(Debug, Clone)]
pub struct Settings {
    /// What is asked about before the message. Where nothing is, the mail server need not wait for replies.
    pub ask: Stages,
    /// What may be asked of the mail server ([`action`]): none of it in a mode that only watches.
    pub actions: u32,
    pub content: ContentLimits,
    /// Bytes of one packet. Bodies come in pieces of 64 kB, headers as long as the mail server takes them.
    pub packet: usize,
    pub recipients: usize,
    /// Bytes of one envelope address with its parameters.
    pub address: usize,
    /// Bytes of all macros of one stage; what is beyond is forgotten.
    pub macros: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ask: Stages::NONE,
            actions: action::ALL,
            content: ContentLimits::default(),
            packet: 2 << 20,
            recipients: 10_000,
            address: 8192,
            macros: 256 << 10,
        }
    }
}

/// The highest version of the protocol; the lowest is 2 (Sendmail 8.12).
const VERSION: u32 = 6;

/// Replacement bodies are sent in pieces of this size.
const CHUNK: usize = 65_535;

/// What is asked of servers that let filters choose their macros: (stage, names).
const MACROS: &[(u32, &str)] = &[
    (0, "j {daemon_name} {daemon_addr} v _ {client_ptr} {client_resolve} {client_port}"),
    (1, "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"),
    (
        2,
        "i r {auth_type} {auth_authen} {auth_author} {tls_version} {cipher} {cipher_bits} {mail_addr} {mail_host} {mail_mailer}",
    ),
    (3, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}"),
    (4, "i"),
    (5, "i"),
    (6, "i"),
];

pub struct Server {
    settings: Settings,
    input: Input,
    output: Vec<u8>,
    negotiated: Option<Negotiated>,
    macros: Macros,
    client: Client,
    message: Message,
    open: Option<Open>,
    questions: u64,
    /// Nothing more is read: the peer quit or cannot be followed.
    over: Over,
}

#[derive(Debug, Clone, Copy)]
struct Negotiated {
    actions: u32,
    protocol: u32,
}

#[derive(Debug, Default)]
struct Client {
    name: Vec<u8>,
    address: Vec<u8>,
    port: u16,
    family: Option<Family>,
    helo: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Message {
    sender: Option<Path>,
    recipients: Vec<Path>,
    content: Collector,
    in_body: bool,
}

impl Message {
    fn new(limits: ContentLimits) -> Self {
        Self { sender: None, recipients: Vec::new(), content: Collector::new(limits), in_body: false }
    }
}

#[derive(Debug)]
struct Open {
    id: QuestionId,
    /// `None`: the end of the message.
    early: Option<(Stage, Option<Path>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    /// `Close` is still to be reported.
    Closing,
    Closed,
}

/// Values by stage, in the order of the stages, so that the latest wins.
#[derive(Debug, Default)]
struct Macros {
    stages: [Vec<(Vec<u8>, Vec<u8>)>; 7],
}

impl Macros {
    fn stage(command: u8) -> Option<usize> {
        Some(match command {
            b'C' => 0,
            b'H' => 1,
            b'M' => 2,
            b'R' => 3,
            b'T' => 4,
            b'L' | b'N' | b'B' => 5,
            b'E' => 6,
            _ => return None,
        })
    }

    fn set(&mut self, command: u8, macros: Vec<(Vec<u8>, Vec<u8>)>, limit: usize) {
        let Some(stage) = Self::stage(command) else { return };
        let mut room = limit;
        self.stages[stage] = macros
            .into_iter()
            .take_while(|(name, value)| {
                let size = name.len() + value.len() + 1;
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits
            })
            .collect();
    }

    fn forget_from(&mut self, stage: usize) {
        self.stages[stage..].iter_mut().for_each(Vec::clear);
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.stages
            .iter()
            .rev()
            .flatten()
            .find(|(n, v)| n == name.as_bytes() && !v.is_empty())
            .map(|(_, v)| v.as_slice())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(lossy)
    }
}

impl Server {
    pub fn new(settings: Settings) -> Self {
        let message = Message::new(settings.content);
        Self {
            settings,
            input: Input::default(),
            output: Vec::new(),
            negotiated: None,
            macros: Macros::default(),
            client: Client::default(),
            message,
            open: None,
            questions: 0,
            over: Over::No,
        }
    }

    /// What is known of the client by now.
    pub fn peer(&self) -> Peer {
        let address = parse_address(&self.client.address);
        let ptr = self.macros.get("client_ptr").and_then(confirmed_name);
        let told = confirmed_name(&self.client.name);
        let resolve = self.macros.get("client_resolve");
        let forged = resolve.is_some_and(|r| !r.eq_ignore_ascii_case(b"OK"));
        let reverse_name = ptr.or_else(|| told.clone());
        // Postfix gives port 0 of the machine itself where there was no SMTP, Sendmail no address at all.
        let local = match self.client.family {
            Some(Family::Inet | Family::Inet6) => self.client.port == 0 && address.is_some_and(|a| a.is_loopback()),
            _ => true,
        };
        let tls = self.macros.text("tls_version").map(|version| Tls {
            version: Some(version),
            cipher: self.macros.text("cipher"),
            bits: self.macros.text("cipher_bits").and_then(|b| b.parse().ok()),
            subject: self.macros.text("cert_subject"),
            issuer: self.macros.text("cert_issuer"),
        });
        Peer {
            address,
            port: (self.client.port != 0).then_some(self.client.port),
            name: told.filter(|_| !forged),
            unresolved: resolve.is_some_and(|r| r.eq_ignore_ascii_case(b"TEMP")),
            reverse_name,
            helo: self.client.helo.clone(),
            protocol: self.macros.text("r"),
            authenticated: self.macros.text("auth_authen").map(|name| Authenticated {
                name,
                mechanism: self.macros.text("auth_type"),
                author: self.macros.text("auth_author"),
            }),
            tls,
            local,
            inside: false,
            server: MailServer {
                name: self.macros.text("j"),
                software: self.macros.text("v"),
                listener: self.macros.text("daemon_name"),
                address: self.macros.get("daemon_addr").and_then(parse_address),
            },
        }
    }

    /// The value of a macro that the mail server defined, braces left off.
    pub fn macro_value(&self, name: &str) -> Option<&[u8]> {
        self.macros.get(name)
    }

    fn has(&self, flag: u32) -> bool {
        self.negotiated.is_some_and(|n| n.protocol & flag != 0)
    }

    fn may(&self, action: u32) -> bool {
        self.negotiated.is_some_and(|n| n.actions & action != 0)
    }

    fn reply(&mut self, response: Response) {
        response.write(&mut self.output);
    }

    /// The reply to a command that is not asked about, unless its silence was agreed.
    fn go_on(&mut self, silent: u32) {
        if !self.has(silent) {
            self.reply(Response::Continue);
        }
    }

    fn fail(&mut self, trouble: Trouble) -> Event {
        self.over = Over::Closing;
        self.input.clear();
        Event::Trouble(trouble)
    }

    fn forget_message(&mut self) {
        self.message = Message::new(self.settings.content);
    }

    fn next_id(&mut self) -> QuestionId {
        self.questions += 1;
        QuestionId(self.questions)
    }

    fn ask(&mut self, stage: Stage, recipient: Option<Path>) -> Option<Event> {
        let id = self.next_id();
        self.open = Some(Open { id, early: Some((stage, recipient.clone())) });
        Some(Event::Ask(Box::new(Ask {
            id,
            stage,
            peer: self.peer(),
            sender: self.message.sender.clone(),
            recipient,
            recipients_before: self.message.recipients.len(),
            queue_id: self.macros.text("i"),
            size: self.message.sender.as_ref().and_then(Path::size),
            instance: None,
        })))
    }

    fn negotiate(&mut self, version: u32, actions: u32, offered: u32) -> Option<Event> {
        if self.negotiated.is_some() {
            return Some(self.fail(Trouble::OutOfOrder("option negotiation")));
        }
        if version < 2 {
            return Some(self.fail(Trouble::Version(version)));
        }
        let version = version.min(VERSION);
        let actions = actions & self.settings.actions;
        let ask = self.settings.ask;
        let mut wanted = protocol::NO_UNKNOWN
            | protocol::LEADING_SPACE
            | protocol::SKIP
            | protocol::SILENT_HEADER
            | protocol::SILENT_UNKNOWN
            | protocol::SILENT_END_OF_HEADER;
        if self.settings.content.tail > 0 {
            wanted |= protocol::SILENT_BODY; // else the reply is where the rest can be skipped
        }
        for (stage, silent) in [
            (Stage::Connect, protocol::SILENT_CONNECT),
            (Stage::Helo, protocol::SILENT_HELO),
            (Stage::Mail, protocol::SILENT_MAIL),
            (Stage::Recipient, protocol::SILENT_RECIPIENT),
            (Stage::Data, protocol::SILENT_DATA | protocol::NO_DATA),
        ] {
            if !ask.has(stage) {
                wanted |= silent;
            }
        }
        let agreed = Negotiated { actions, protocol: offered & wanted };
        self.negotiated = Some(agreed);
        let macros = match version >= 6 && actions & action::SET_MACRO_LIST != 0 {
            true => MACROS.iter().map(|(stage, names)| (*stage, names.as_bytes().to_vec())).collect(),
            false => Vec::new(),
        };
        self.reply(Response::Negotiate { version, actions, protocol: agreed.protocol, macros });
        None
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        if let Command::Mail(arguments) | Command::Recipient(arguments) = &command
            && arguments.iter().map(Vec::len).sum::<usize>() > self.settings.address
        {
            return Some(self.fail(Trouble::TooLong { what: "an envelope address", limit: self.settings.address }));
        }
        if self.negotiated.is_none() && !matches!(command, Command::Negotiate { .. } | Command::Quit) {
            return Some(self.fail(Trouble::OutOfOrder("a command before the negotiation")));
        }
        match command {
            Command::Negotiate { version, actions, protocol } => return self.negotiate(version, actions, protocol),
            Command::Macros { command, macros } => self.macros.set(command, macros, self.settings.macros),
            Command::Connect { name, family, port, address } => {
                self.client = Client { name, address, port, family: Some(family), helo: None };
                self.forget_message();
                if self.settings.ask.connect {
                    return self.ask(Stage::Connect, None);
                }
                self.go_on(protocol::SILENT_CONNECT);
            }
            Command::Helo(name) => {
                self.client.helo = Some(name);
                if self.settings.ask.helo {
                    return self.ask(Stage::Helo, None);
                }
                self.go_on(protocol::SILENT_HELO);
            }
            Command::Mail(arguments) => {
                self.forget_message();
                self.macros.forget_from(3);
                self.message.sender = Some(path(&arguments));
                if self.settings.ask.mail {
                    return self.ask(Stage::Mail, None);
                }
                self.go_on(protocol::SILENT_MAIL);
            }
            Command::Recipient(arguments) => {
                if self.message.recipients.len() >= self.settings.recipients {
                    return Some(self.fail(Trouble::TooMany { what: "recipients", limit: self.settings.recipients }));
                }
                let recipient = path(&arguments);
                if self.settings.ask.recipient {
                    return self.ask(Stage::Recipient, Some(recipient));
                }
                self.message.recipients.push(recipient);
                self.go_on(protocol::SILENT_RECIPIENT);
            }
            Command::Data => {
                if self.settings.ask.data {
                    let only = match self.message.recipients.as_slice() {
                        [only] => Some(only.clone()),
                        _ => None,
                    };
                    return self.ask(Stage::Data, only);
                }
                self.go_on(protocol::SILENT_DATA);
            }
            Command::Unknown(_) => self.go_on(protocol::SILENT_UNKNOWN),
            Command::Header { name, value } => {
                let field = self.field(&name, &value);
                self.message.content.push(&field);
                self.go_on(protocol::SILENT_HEADER);
            }
            Command::EndOfHeader => self.go_on(protocol::SILENT_END_OF_HEADER),
            Command::Body(bytes) => {
                self.body(&bytes);
                if !self.has(protocol::SILENT_BODY) {
                    let skip = self.message.content.is_full() && self.has(protocol::SKIP);
                    self.reply(if skip { Response::Skip } else { Response::Continue });
                }
            }
            Command::EndOfMessage(bytes) => {
                self.body(&bytes);
                let id = self.next_id();
                self.open = Some(Open { id, early: None });
                return Some(Event::Scan(Box::new(Scan {
                    id,
                    peer: self.peer(),
                    sender: self.message.sender.clone(),
                    recipients: self.message.recipients.clone(),
                    queue_id: self.macros.text("i"),
                    user: None,
                    want: Want::Decision,
                    content: self.message.content.take(),
                    top_received_hidden: true,
                })));
            }
            Command::Abort => {
                self.forget_message();
                self.macros.forget_from(2);
            }
            Command::Quit => {
                self.over = Over::Closing;
                self.input.clear();
            }
            Command::QuitNewConnection => {
                self.client = Client::default();
                self.macros = Macros::default();
                self.forget_message();
            }
        }
        None
    }

    /// A field as it stood in the message. The blank after the colon is what the server ate, where it eats it.
    fn field(&self, name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut field = name.to_vec();
        field.extend_from_slice(if self.has(protocol::LEADING_SPACE) { b":" } else { b": " });
        for (n, line) in value.split(|b| *b == b'\n').enumerate() {
            if n > 0 {
                field.extend_from_slice(b"\r\n");
                if !matches!(line.first(), Some(b' ' | b'\t')) {
                    field.push(b'\t'); // what came as one field stays one field
                }
            }
            field.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        }
        field.extend_from_slice(b"\r\n");
        field
    }

    fn body(&mut self, bytes: &[u8]) {
        if !self.message.in_body {
            self.message.in_body = true;
            self.message.content.push(b"\r\n");
        }
        self.message.content.push(bytes);
    }

    /// The peer gave up the open question: a new command came instead of patience.
    fn withdrawn(&mut self) -> Option<Event> {
        let withdrawn = match packet(self.input.rest(), self.settings.packet) {
            Packet::Whole { letter: b'A' | b'Q' | b'K', .. } => true,
            Packet::Impossible => true,
            _ => self.input.ended,
        };
        let open = if withdrawn { self.open.take() } else { None };
        open.map(|o| Event::Cancelled(o.id))
    }

    fn refuse(&mut self, class: u16, refusal: &Refusal, words: bool, unsaid: &mut Vec<Unsaid>) {
        if words {
            let text = refusal.lines(class).join("\r\n").replace('%', "%%");
            self.reply(Response::Reply(text.into_bytes()));
        } else {
            unsaid.push(Unsaid::Words);
            self.reply(if class == 5 { Response::Reject } else { Response::TemporaryFailure });
        }
    }

    fn answer_early(&mut self, stage: Stage, recipient: Option<Path>, answer: &Answer) -> Vec<Unsaid> {
        let mut unsaid: Vec<Unsaid> = answer.edits.iter().cloned().map(Unsaid::TooEarly).collect();
        let nobody = self.peer().local;
        // Sendmail's library lets nobody choose words before the greeting.
        let words = stage != Stage::Connect;
        let mut goes_on = true;
        match &answer.decision {
            Decision::Accept => self.reply(Response::Continue),
            Decision::AcceptUnseen => self.reply(Response::Accept),
            Decision::Reject(_) | Decision::Defer(_) if nobody => {
                unsaid.push(Unsaid::NobodyToRefuse);
                self.reply(Response::Continue);
            }
            Decision::Reject(refusal) => {
                goes_on = false;
                self.refuse(5, refusal, words, &mut unsaid);
            }
            Decision::Defer(refusal) => {
                goes_on = false;
                self.refuse(4, refusal, words, &mut unsaid);
            }
            Decision::Discard if stage >= Stage::Mail => self.reply(Response::Discard),
            Decision::Discard => {
                unsaid.push(Unsaid::Discard);
                self.reply(Response::Continue);
            }
            Decision::Quarantine(_) => {
                unsaid.push(Unsaid::Quarantine);
                self.reply(Response::Continue);
            }
        }
        if goes_on
            && stage == Stage::Recipient
            && let Some(recipient) = recipient
        {
            self.message.recipients.push(recipient);
        }
        unsaid
    }

    fn answer_message(&mut self, answer: &Answer) -> Vec<Unsaid> {
        let mut unsaid = Vec::new();
        let delivered = matches!(answer.decision, Decision::Accept | Decision::AcceptUnseen | Decision::Quarantine(_));
        if delivered && (!answer.edits.is_empty() || !answer.recipients.is_empty()) {
            self.edit(answer, &mut unsaid);
        }
        match &answer.decision {
            Decision::Accept | Decision::AcceptUnseen => self.reply(Response::Accept),
            Decision::Reject(refusal) => self.refuse(5, refusal, true, &mut unsaid),
            Decision::Defer(refusal) => self.refuse(4, refusal, true, &mut unsaid),
            Decision::Discard => self.reply(Response::Discard),
            Decision::Quarantine(reason) if self.may(action::QUARANTINE) => {
                let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(900).collect();
                let reason = if reason.is_empty() { "held".to_owned() } else { reason };
                self.reply(Response::Quarantine(reason.into_bytes()));
                self.reply(Response::Accept);
            }
            Decision::Quarantine(_) => {
                unsaid.push(Unsaid::Quarantine);
                let refusal = Refusal::new(451, (7, 1), "message cannot be held here, try again later");
                self.refuse(4, &refusal, true, &mut unsaid);
            }
        }
        self.forget_message();
        self.macros.forget_from(2);
        unsaid
    }

    /// Edits in the order that keeps the indexes true: what is there changes from the last to the first, then new fields
    /// come from the last to the first.
    fn edit(&mut self, answer: &Answer, unsaid: &mut Vec<Unsaid>) {
        let mut changes: Vec<&Edit> = Vec::new();
        let mut inserts: Vec<(u32, &Edit)> = Vec::new();
        let mut others: Vec<&Edit> = Vec::new();
        for edit in &answer.edits {
            let (needed, well_formed) = match edit {
                Edit::InsertHeader { name, .. } => (action::ADD_HEADERS, is_name(name)),
                Edit::ReplaceHeader { name, .. } | Edit::DeleteHeader { name, .. } => {
                    (action::CHANGE_HEADERS, is_name(name))
                }
                Edit::ReplaceBody(_) => (action::CHANGE_BODY, true),
                Edit::AddRecipient(path) if !path.parameters.is_empty() => {
                    (action::ADD_RECIPIENT_WITH_PARAMETERS, is_address(&path.address))
                }
                Edit::AddRecipient(path) => (action::ADD_RECIPIENT, is_address(&path.address)),
                Edit::DeleteRecipient(address) => (action::DELETE_RECIPIENT, is_address(address)),
                Edit::ChangeSender(path) => (action::CHANGE_SENDER, is_address(&path.address)),
            };
            if !self.may(needed) {
                unsaid.push(Unsaid::Edit(edit.clone()));
            } else if !well_formed {
                unsaid.push(Unsaid::Malformed(edit.clone()));
            } else {
                match edit {
                    Edit::InsertHeader { index, .. } => inserts.push((*index, edit)),
                    Edit::ReplaceHeader { .. } | Edit::DeleteHeader { .. } => changes.push(edit),
                    _ => others.push(edit),
                }
            }
        }
        let position = |edit: &&Edit| match edit {
            Edit::ReplaceHeader { index, .. } | Edit::DeleteHeader { index, .. } => *index,
            _ => 0,
        };
        changes.sort_by_key(|e| std::cmp::Reverse(position(e)));
        inserts.sort_by_key(|(index, _)| *index); // stable: equal indexes keep their order
        let blank: &[u8] = if self.has(protocol::LEADING_SPACE) { b" " } else { b"" };
        let with_blank = |value: &[u8]| [blank, &clean_value(value)].concat();
        for edit in changes {
            match edit {
                Edit::ReplaceHeader { name, index, value } => {
                    // An empty value would delete: one blank says "empty".
                    let value = if value.trim_ascii().is_empty() { b" ".to_vec() } else { with_blank(value) };
                    self.reply(Response::ChangeHeader { index: (*index).max(1), name: name.clone(), value });
                }
                Edit::DeleteHeader { name, index } => {
                    self.reply(Response::ChangeHeader { index: (*index).max(1), name: name.clone(), value: Vec::new() })
                }
                _ => {}
            }
        }
        for (index, edit) in inserts.into_iter().rev() {
            if let Edit::InsertHeader { name, value, .. } = edit {
                self.reply(Response::InsertHeader { index, name: name.clone(), value: with_blank(value) });
            }
        }
        for edit in others {
            match edit {
                Edit::ReplaceBody(body) => {
                    if body.is_empty() {
                        self.reply(Response::ReplaceBody(Vec::new()));
                    }
                    for chunk in body.chunks(CHUNK) {
                        self.reply(Response::ReplaceBody(chunk.to_vec()));
                    }
                }
                Edit::AddRecipient(path) => {
                    let parameters = (!path.parameters.is_empty()).then(|| parameters(path));
                    self.reply(Response::AddRecipient { address: bracketed(&path.address), parameters });
                }
                Edit::DeleteRecipient(address) => self.reply(Response::DeleteRecipient(bracketed(address))),
                Edit::ChangeSender(path) => {
                    let parameters = (!path.parameters.is_empty()).then(|| parameters(path));
                    self.reply(Response::ChangeSender { address: bracketed(&path.address), parameters });
                }
                _ => {}
            }
        }
        self.differing(answer, unsaid);
    }

    /// One reply holds for all recipients: those for whom the message is to vanish are taken off, the rest cannot be said.
    fn differing(&mut self, answer: &Answer, unsaid: &mut Vec<Unsaid>) {
        if answer.recipients.iter().all(|d| *d == answer.decision) {
            return;
        }
        let recipients = std::mem::take(&mut self.message.recipients);
        let mut unsayable = false;
        for (recipient, decision) in recipients.iter().zip(&answer.recipients) {
            match decision {
                Decision::Discard if self.may(action::DELETE_RECIPIENT) => {
                    self.reply(Response::DeleteRecipient(bracketed(&recipient.address)))
                }
                decision if *decision == answer.decision => {}
                _ => unsayable = true,
            }
        }
        if unsayable {
            unsaid.push(Unsaid::Recipients);
        }
    }
}

impl Session for Server {
    fn receive(&mut self, bytes: &[u8]) {
        if self.over == Over::No {
            self.input.push(bytes);
        }
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.over {
                Over::Closed => return None,
                Over::Closing => {
                    self.over = Over::Closed;
                    return Some(Event::Close);
                }
                Over::No => {}
            }
            if self.open.is_some() {
                match self.withdrawn() {
                    Some(event) => return Some(event),
                    None => return None,
                }
            }
            match packet(self.input.rest(), self.settings.packet) {
                Packet::Whole { letter, length } => {
                    let packet = self.input.take(length);
                    let event = match Command::parse(letter, &packet[5..]) {
                        Ok(command) => self.command(command),
                        Err(trouble) => Some(self.fail(trouble)),
                    };
                    if event.is_some() {
                        return event;
                    }
                }
                Packet::Impossible => {
                    let limit = self.settings.packet;
                    return Some(self.fail(Trouble::TooLong { what: "a packet", limit }));
                }
                Packet::Incomplete if self.input.ended => {
                    self.over = Over::Closing;
                    if !self.input.is_empty() {
                        return Some(self.fail(Trouble::Truncated));
                    }
                }
                Packet::Incomplete => return None,
            }
        }
    }

    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid> {
        match self.open.take_if(|open| open.id == question) {
            None => vec![Unsaid::NoSuchQuestion],
            Some(Open { early: Some((stage, recipient)), .. }) => self.answer_early(stage, recipient, answer),
            Some(Open { early: None, .. }) => self.answer_message(answer),
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn wants_input(&self) -> bool {
        // While a question is open the server has nothing to say but that it leaves.
        self.over == Over::No && !self.input.ended && (self.open.is_none() || self.input.len() < CHUNK)
    }

    fn kept(&self) -> usize {
        let recipients = self.message.recipients.iter().map(Path::kept).sum::<usize>();
        self.input.len() + self.message.content.len() + recipients
    }

    fn between_messages(&self) -> bool {
        self.message.sender.is_none() && self.open.is_none() && self.input.is_empty()
    }

    fn progress(&mut self) {
        if matches!(self.open, Some(Open { early: None, .. })) {
            self.reply(Response::Progress);
        }
    }
}

fn path(arguments: &[Vec<u8>]) -> Path {
    let mut path = arguments.first().map(|a| Path::parse(a)).unwrap_or_default();
    arguments.iter().skip(1).for_each(|p| path.add_parameter(p));
    path
}

fn parameters(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for (keyword, value) in &path.parameters {
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(keyword.as_bytes());
        if let Some(value) = value {
            text.push(b'=');
            text.extend(value.iter().filter(|b| **b > b' '));
        }
    }
    text
}

/// Nothing that could end the line or the brackets it will stand in.
pub(crate) fn is_address(address: &[u8]) -> bool {
    address.len() <= 1024 && !address.iter().any(|b| *b < b' ' || matches!(b, b'<' | b'>' | 127))
}

fn bracketed(address: &[u8]) -> Vec<u8> {
    [b"<", address, b">"].concat()
}
