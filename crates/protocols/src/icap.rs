//! ICAP (RFC 3507), our end: the message as if it were a web server's answer, and what the scanner makes of it.
//!
//! `OPTIONS` first: it tells how much of a message the scanner wants to see before it decides (preview) and whether it may
//! say "unchanged" with a bare 204. Then one `RESPMOD` after the other on the connection. A name stands in fields that no
//! standard knows but all servers use. An answer without such a field is looked at closely: the same message is clean, and
//! anything else is a page that was put in its place.

use crate::input::{Input, Line};
use crate::scanner::{self, Chunks, Event, LINE, Options, Outbox, Report, Task, clean};
use std::collections::VecDeque;
use std::sync::Arc;

pub struct Client {
    host: String,
    service: String,
    input: Input,
    output: Vec<u8>,
    outbox: Outbox,
    waiting: VecDeque<(usize, Task)>,
    tasks: usize,
    /// What OPTIONS said.
    offer: Option<Offer>,
    work: Option<Work>,
    state: State,
    head: Head,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Default)]
struct Offer {
    preview: Option<usize>,
    unchanged: bool,
    server: String,
}

/// The request that is being answered.
#[derive(Debug)]
struct Work {
    task: Option<usize>,
    bytes: Option<Arc<Vec<u8>>>,
    /// How much went out with the preview, where there is more.
    preview: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is asked.
    Idle,
    /// The first line of an answer.
    Status,
    Fields,
    /// The header of what is carried: bytes that are left of it, and whether a body follows.
    Carried {
        left: usize,
        body: bool,
    },
    ChunkLength,
    Chunk {
        left: usize,
    },
    ChunkEnd,
    Trailer,
    Closed,
}

/// What is known of the answer.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    reason: String,
    fields: Vec<(String, String)>,
    size: usize,
    names: Vec<String>,
    /// The carried HTTP status.
    carried: Option<u16>,
    carried_lines: Vec<u8>,
    /// So far the body is the message.
    same: bool,
    at: usize,
    close: bool,
    total: u64,
}

const FIELDS: usize = 200;
const HEADER: usize = 64 << 10;
/// Bytes of an answer that are read at all.
const BODY: u64 = 256 << 20;

impl Client {
    pub fn new(options: &Options) -> Self {
        let given = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        Self {
            host: given(&options.host, "localhost"),
            service: given(&options.service, "avscan"),
            input: Input::default(),
            output: Vec::new(),
            outbox: Outbox::default(),
            waiting: VecDeque::new(),
            tasks: 0,
            offer: None,
            work: None,
            state: State::Idle,
            head: Head::default(),
            events: VecDeque::new(),
        }
    }

    fn request(&self, method: &str) -> String {
        format!("{method} icap://{0}/{1} ICAP/1.0\r\nHost: {0}\r\nUser-Agent: sekisho\r\n", self.host, self.service)
    }

    /// Begins what is next.
    fn next(&mut self) {
        if self.state != State::Idle || self.waiting.is_empty() {
            return;
        }
        self.state = State::Status;
        self.head = Head { same: true, ..Head::default() };
        let Some(offer) = self.offer.clone() else {
            let request = self.request("OPTIONS") + "Encapsulated: null-body=0\r\n\r\n";
            self.outbox.text(request);
            let ping = matches!(self.waiting.front(), Some((_, Task::Ping)));
            let task = if ping { self.waiting.pop_front().map(|(task, _)| task) } else { None };
            self.work = Some(Work { task, bytes: None, preview: None });
            return;
        };
        let Some((task, what)) = self.waiting.pop_front() else { return };
        match what {
            Task::Scan(bytes) => self.scan(task, bytes, &offer),
            Task::Ping => {
                self.state = State::Idle;
                self.report(task, Report::Alive(offer.server));
                self.next();
            }
            Task::File(_) => {
                self.state = State::Idle;
                self.report(task, Report::Failed("it takes no names of files".into()));
                self.next();
            }
        }
    }

    fn scan(&mut self, task: usize, bytes: Arc<Vec<u8>>, offer: &Offer) {
        let get = "GET http://sekisho/message.eml HTTP/1.1\r\nHost: sekisho\r\n\r\n";
        let response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: message/rfc822\r\nContent-Length: {}\r\n\r\n", bytes.len());
        let mut request = self.request("RESPMOD");
        if offer.unchanged {
            request.push_str("Allow: 204\r\n");
        }
        if let Some(preview) = offer.preview {
            request.push_str(&format!("Preview: {}\r\n", preview.min(bytes.len())));
        }
        let body = get.len() + response.len();
        request.push_str(&format!("Encapsulated: req-hdr=0, res-hdr={}, res-body={body}\r\n\r\n", get.len()));
        self.outbox.text(request + get + &response);
        let shown = offer.preview.unwrap_or(bytes.len()).min(bytes.len());
        self.outbox.body(&bytes, 0, shown, Chunks::Hexadecimal);
        let whole = shown == bytes.len();
        self.outbox.text(if whole && offer.preview.is_some() { "0; ieof\r\n\r\n" } else { "0\r\n\r\n" });
        self.work = Some(Work { task: Some(task), preview: (!whole).then_some(shown), bytes: Some(bytes) });
    }

    /// A line of the answer's own header is complete.
    fn line(&mut self, line: &[u8]) {
        self.head.size += line.len() + 2;
        if self.head.size > HEADER || self.head.fields.len() > FIELDS {
            return self.lose("an answer with too long a header");
        }
        match self.state {
            State::Status if line.is_empty() => {}
            State::Status => {
                let text = clean(line);
                let mut words = text.splitn(3, ' ');
                let version = words.next().is_some_and(|version| version.starts_with("ICAP/1."));
                let status = words.next().and_then(|status| status.parse().ok());
                match status.filter(|_| version) {
                    Some(status) => {
                        self.head.status = status;
                        self.head.reason = words.next().unwrap_or_default().to_owned();
                        self.state = State::Fields;
                    }
                    None => self.lose(&format!("it does not speak ICAP: {text}")),
                }
            }
            State::Fields if line.is_empty() => self.header_done(),
            State::Fields if line.starts_with(b" ") || line.starts_with(b"\t") => {
                if let Some((_, value)) = self.head.fields.last_mut() {
                    value.push('\n');
                    value.push_str(&String::from_utf8_lossy(line.trim_ascii()));
                }
            }
            _ => {
                let text = String::from_utf8_lossy(line);
                if let Some((name, value)) = text.split_once(':') {
                    self.head.fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
            }
        }
    }

    fn header_done(&mut self) {
        if self.head.status == 100 {
            return self.go_on();
        }
        let close = self.head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.head.close = close;
        self.head.names = names(&self.head.fields);
        if self.head.status == 204 {
            return self.done();
        }
        let Some(carried) = self.head.field("encapsulated").map(encapsulated) else { return self.done() };
        let Some((header, body)) = carried else { return self.lose("an answer whose parts are not told") };
        if header > HEADER {
            return self.lose("an answer with too long a header");
        }
        self.state = State::Carried { left: header, body };
    }

    /// The scanner wants the rest.
    fn go_on(&mut self) {
        let Some(Work { preview: preview @ Some(_), bytes: Some(bytes), .. }) = &mut self.work else {
            return self.lose("it wants more than there is");
        };
        let from = preview.take().unwrap_or_default();
        self.outbox.body(bytes, from, bytes.len(), Chunks::Hexadecimal);
        self.outbox.text("0\r\n\r\n");
        self.state = State::Status;
        self.head = Head { same: true, ..Head::default() };
    }

    fn body(&mut self, bytes: &[u8]) {
        let message = self.work.as_ref().and_then(|work| work.bytes.as_ref());
        let head = &mut self.head;
        head.same &= message.is_some_and(|message| message.get(head.at..).is_some_and(|rest| rest.starts_with(bytes)));
        head.at += bytes.len();
        head.total += bytes.len() as u64;
        if head.total > BODY {
            self.lose("an answer that is too long");
        }
    }

    /// The answer is here.
    fn done(&mut self) {
        self.state = State::Idle;
        let head = std::mem::take(&mut self.head);
        let Some(work) = self.work.take() else { return };
        match &work.bytes {
            None => {
                if head.status != 200 {
                    let why = format!("OPTIONS: {} {}", head.status, head.reason);
                    if let Some(task) = work.task {
                        self.report(task, Report::Failed(why.clone()));
                    }
                    return self.lose(&why);
                }
                let server =
                    head.field("service").or(head.field("server")).or(head.field("istag")).unwrap_or("ICAP/1.0");
                let server = clean(server.as_bytes());
                self.offer = Some(Offer {
                    preview: head.field("preview").and_then(|value| value.parse().ok()),
                    unchanged: head.field("allow").is_some_and(|value| value.contains("204")),
                    server: server.clone(),
                });
                if let Some(task) = work.task {
                    self.report(task, Report::Alive(server));
                }
            }
            Some(message) => {
                let Some(task) = work.task else { return };
                let unchanged = head.same && head.at == message.len();
                let report = match head.status {
                    _ if !head.names.is_empty() => Report::Found(head.names),
                    204 => Report::Clean,
                    200 if unchanged && head.carried.is_none_or(|status| status == 200) => Report::Clean,
                    200 => match head.carried {
                        Some(status) if status != 200 => Report::Found(vec![format!("blocked-{status}")]),
                        _ => Report::Found(vec!["replaced".into()]),
                    },
                    413 => Report::Incomplete("longer than it takes (413)".into()),
                    status => Report::Failed(clean(format!("{status} {}", head.reason).as_bytes())),
                };
                self.report(task, report);
            }
        }
        self.outbox.fill(&mut self.output);
        let unsent = !self.output.is_empty();
        if head.close || unsent {
            // What is left of the request would be taken for the next one.
            return self.lose("the connection ended");
        }
        self.next();
    }

    fn report(&mut self, task: usize, report: Report) {
        self.events.push_back(Event::Report { task, report });
    }

    fn lose(&mut self, why: &str) {
        let open = self.work.take().and_then(|work| work.task);
        let rest: Vec<usize> = open.into_iter().chain(self.waiting.drain(..).map(|(task, _)| task)).collect();
        rest.into_iter().for_each(|task| self.report(task, Report::Failed(why.to_owned())));
        self.state = State::Closed;
        self.outbox.clear();
        self.events.push_back(Event::Close);
    }

    /// Takes one step with what has arrived. False: no step is possible.
    fn step(&mut self) -> bool {
        match self.state {
            State::Closed => return false,
            State::Carried { left: 0, body } => {
                self.head.carried = carried_status(&self.head.carried_lines);
                let fields = carried_fields(&self.head.carried_lines);
                self.head.names.extend(names(&fields));
                self.head.names.dedup();
                match body {
                    true => self.state = State::ChunkLength,
                    false => self.done(),
                }
                return true;
            }
            State::Carried { left, body } => {
                let taken = self.input.take(left);
                self.head.carried_lines.extend_from_slice(&taken);
                self.state = State::Carried { left: left - taken.len(), body };
                if !taken.is_empty() {
                    return true;
                }
            }
            State::Chunk { left: 0 } => {
                self.state = State::ChunkEnd;
                return true;
            }
            State::Chunk { left } => {
                let taken = self.input.take(left);
                self.state = State::Chunk { left: left - taken.len() };
                if !taken.is_empty() {
                    self.body(&taken);
                    return true;
                }
            }
            State::Idle | State::Status | State::Fields | State::ChunkLength | State::ChunkEnd | State::Trailer => {
                match self.input.line(LINE) {
                    Line::TooLong => {
                        self.lose("an answer with too long a line");
                        return true;
                    }
                    Line::Incomplete => {}
                    Line::Whole(line) => {
                        match self.state {
                            State::Idle if line.is_empty() => {}
                            State::Idle => self.lose(&format!("an answer that nobody asked for: {}", clean(&line))),
                            State::ChunkLength => match chunk_length(&line) {
                                Some(0) => self.state = State::Trailer,
                                Some(left) => self.state = State::Chunk { left },
                                None => self.lose("an answer in broken pieces"),
                            },
                            State::ChunkEnd if line.is_empty() => self.state = State::ChunkLength,
                            State::ChunkEnd => self.lose("an answer in broken pieces"),
                            State::Trailer if line.is_empty() => self.done(),
                            State::Trailer => {
                                self.head.size += line.len();
                                if self.head.size > HEADER {
                                    self.lose("an answer with too long a header");
                                }
                            }
                            _ => self.line(&line),
                        }
                        return true;
                    }
                }
            }
        }
        if self.input.ended {
            self.lose("the connection ended");
            return true;
        }
        false
    }
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn chunk_length(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty() && digits.len() <= 8)?;
    usize::from_str_radix(digits, 16).ok()
}

/// `res-hdr=0, res-body=137`: the length of all headers, and whether there is a body.
fn encapsulated(value: &str) -> Option<(usize, bool)> {
    let last = value.split(',').next_back()?;
    let (name, offset) = last.trim().split_once('=')?;
    let offset = offset.trim().parse().ok()?;
    Some((offset, !name.trim().eq_ignore_ascii_case("null-body")))
}

/// The carried status line is the last that begins with `HTTP/`.
fn carried_status(header: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(header);
    let line = text.lines().rfind(|line| line.starts_with("HTTP/"))?;
    line.split(' ').nth(1)?.parse().ok()
}

fn carried_fields(header: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(header);
    let field = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()));
    text.lines().filter_map(field).take(FIELDS).collect()
}

/// What is found, as servers tell it.
fn names(fields: &[(String, String)]) -> Vec<String> {
    let mut names = Vec::new();
    for (field, value) in fields {
        let found: Vec<&str> = match field.as_str() {
            // Type=0; Resolution=2; Threat=Name;
            "x-infection-found" => value.split(';').filter_map(|part| part.trim().strip_prefix("Threat=")).collect(),
            "x-virus-id" | "x-virus-name" => value.split(',').collect(),
            // A number, then four lines each: file, name, number, what was done.
            "x-violations-found" => value.lines().skip(2).step_by(4).collect(),
            _ => continue,
        };
        for name in found.into_iter().map(|name| clean(name.as_bytes())) {
            let nothing = name.is_empty() || name.eq_ignore_ascii_case("no threats");
            if !nothing && !names.contains(&name) && names.len() < 50 {
                names.push(name);
            }
        }
    }
    names
}

impl scanner::Client for Client {
    fn ask(&mut self, task: Task) {
        let number = self.tasks;
        self.tasks += 1;
        if self.state == State::Closed {
            return self.report(number, Report::Failed("the connection is used up".into()));
        }
        self.waiting.push_back((number, task));
        self.next();
    }

    fn fill(&mut self) {
        self.outbox.fill(&mut self.output);
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.state != State::Closed {
            self.input.push(bytes);
        }
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if !self.step() {
                return None;
            }
        }
    }
}
