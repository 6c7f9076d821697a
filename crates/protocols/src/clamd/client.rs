//! Our end of a connection to a clamd: one task, or between `IDSESSION` and `END` many at once.
//!
//! Replies of a session come in any order and are told apart by their numbers. A clamd that finds a stream too long says so
//! and hangs up; what else was asked on that connection has then failed.

use super::codec::{Reply, numbered, reply};
use crate::input::Input;
use crate::scanner::{self, Chunks, Event, LINE, Outbox, Report, Task, clean};
use std::collections::VecDeque;

/// Whether clamd will see that this is a mail: it looks at the first field's name. What it does not know is scanned as one
/// text, and no attachment is opened.
pub fn is_recognised(message: &[u8]) -> bool {
    RECOGNISED.iter().any(|start| message.starts_with(start.as_bytes()))
}

const RECOGNISED: &[&str] = &[
    "Date: ",
    "Delivered-To: ",
    "From ",
    "From: ",
    "Message-ID: ",
    "Message-Id: ",
    "Received: ",
    "Return-Path: ",
    "Return-path: ",
    "Subject: ",
    "To: ",
    "X-Original-To: ",
];

pub struct Client {
    session: bool,
    input: Input,
    output: Vec<u8>,
    outbox: Outbox,
    /// Tasks, each open until it is reported on.
    tasks: Vec<Asked>,
    events: VecDeque<Event>,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Scan,
    Ping,
    Done,
}

impl Client {
    pub fn new(session: bool) -> Self {
        Self {
            session,
            input: Input::default(),
            output: Vec::new(),
            outbox: Outbox::default(),
            tasks: Vec::new(),
            events: VecDeque::new(),
            over: false,
        }
    }

    fn report(&mut self, task: usize, report: Report) {
        if let Some(asked) = self.tasks.get_mut(task).filter(|asked| **asked != Asked::Done) {
            *asked = Asked::Done;
            self.events.push_back(Event::Report { task, report });
        }
    }

    fn first_open(&self) -> Option<usize> {
        self.tasks.iter().position(|asked| *asked != Asked::Done)
    }

    fn line(&mut self, line: &[u8]) {
        let (task, text) = match numbered(line).filter(|_| self.session) {
            // Tasks are numbered from 1 there.
            Some((number, text)) => (number.checked_sub(1), text),
            None => (self.first_open(), line),
        };
        let Some((task, asked)) = task.and_then(|task| Some((task, *self.tasks.get(task)?))) else {
            return self.lose(&format!("an answer that nobody asked for: {}", clean(line)));
        };
        let report = match reply(text) {
            Reply::Other(b"PONG") if asked == Asked::Ping => Report::Alive("PONG".into()),
            Reply::Clean if asked == Asked::Scan => Report::Clean,
            Reply::Found(name) if asked == Asked::Scan => Report::Found(vec![clean(name)]),
            Reply::Error(why) if why.starts_with(b"INSTREAM size limit exceeded") => {
                Report::Incomplete("longer than its StreamMaxLength".into())
            }
            Reply::Error(why) | Reply::Other(why) | Reply::Found(why) => Report::Failed(clean(why)),
            Reply::Clean => Report::Failed("not understood".into()),
        };
        self.report(task, report);
        if !self.session {
            self.close();
        }
    }

    fn lose(&mut self, why: &str) {
        while let Some(task) = self.first_open() {
            self.report(task, Report::Failed(why.to_owned()));
        }
        self.close();
    }

    fn close(&mut self) {
        if !self.over {
            self.over = true;
            self.outbox.clear();
            self.events.push_back(Event::Close);
        }
    }
}

impl scanner::Client for Client {
    fn ask(&mut self, task: Task) {
        let number = self.tasks.len();
        if self.session && number == 0 {
            self.outbox.text(*b"zIDSESSION\0");
        }
        self.tasks.push(if task == Task::Ping { Asked::Ping } else { Asked::Scan });
        if self.over || !self.session && number > 0 {
            return self.report(number, Report::Failed("the connection is used up".into()));
        }
        match task {
            Task::Ping => self.outbox.text(*b"zPING\0"),
            Task::File(path) => self.outbox.text([b"zSCAN ", path.as_slice(), b"\0"].concat()),
            Task::Scan(bytes) => {
                self.outbox.text(*b"zINSTREAM\0");
                self.outbox.body(&bytes, 0, bytes.len(), Chunks::Binary);
                self.outbox.text([0; 4]);
            }
        }
    }

    fn finish(&mut self) {
        if self.session && !self.over {
            self.outbox.text(*b"zEND\0");
        }
    }

    fn fill(&mut self) {
        self.outbox.fill(&mut self.output);
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !self.over {
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
            if self.over {
                return None;
            }
            let rest = self.input.rest();
            // Some words end with a newline whatever was asked for.
            match rest.iter().take(LINE).position(|byte| matches!(byte, 0 | b'\n')) {
                Some(0) => self.input.skip(1),
                Some(end) => {
                    let line = self.input.take(end + 1);
                    self.line(&line[..end]);
                }
                None if rest.len() >= LINE => self.lose("an answer without end"),
                None if self.input.ended => self.lose("the connection ended"),
                None => return None,
            }
        }
    }
}
