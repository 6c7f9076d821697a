//! SSSP, which Sophos' SAVDI speaks: our end. One scan after the other on a connection, the message within it.
//!
//! The server greets, both name the version, then each `SCANDATA` is accepted (`ACC`) or not (`REJ`), and answered with lines
//! up to an empty one: `VIRUS name where`, `FAIL code what` for what it could not look into, `DONE OK 0203` at the end.

use crate::input::{Input, Line};
use crate::scanner::{self, Chunks, Event, LINE, Outbox, Report, Task, clean};
use std::collections::VecDeque;

#[derive(Default)]
pub struct Client {
    input: Input,
    output: Vec<u8>,
    outbox: Outbox,
    waiting: VecDeque<(usize, Task)>,
    tasks: usize,
    state: State,
    heard: Heard,
    finished: bool,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Greeting,
    Version,
    Ready,
    Busy {
        task: usize,
        ping: bool,
        accepted: bool,
    },
    Closed,
}

/// Of the scan in work.
#[derive(Debug, Default)]
struct Heard {
    names: Vec<String>,
    failed: Vec<String>,
    done: Option<(bool, String)>,
    lines: usize,
}

/// Lines of one answer, and names that are kept of it.
const LINES: usize = 10_000;
const KEPT: usize = 50;

impl Client {
    pub fn new() -> Self {
        Self::default()
    }

    fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let mut words = text.split_ascii_whitespace();
        let word = words.next().unwrap_or_default();
        match self.state {
            State::Greeting if word == "OK" => {
                self.outbox.text(*b"SSSP/1.0\r\n");
                self.state = State::Version;
            }
            State::Version if word == "ACC" => {
                self.state = State::Ready;
                self.next();
            }
            State::Version if word.is_empty() => {}
            State::Greeting | State::Version => self.lose(&format!("it does not speak SSSP/1.0: {}", clean(line))),
            State::Busy { accepted: false, .. } if word.is_empty() => {}
            State::Busy { task, ping, accepted: false } => match word {
                "ACC" => self.state = State::Busy { task, ping, accepted: true },
                "REJ" => {
                    let report = match words.next() {
                        Some("4") => Report::Incomplete("longer than it takes (REJ 4)".into()),
                        code => Report::Failed(format!("refused: {}", rejection(code))),
                    };
                    self.report(task, report);
                    self.lose("the connection is used up"); // the message is on its way nevertheless
                }
                _ => self.lose(&format!("not understood: {}", clean(line))),
            },
            State::Busy { task, ping, .. } => self.answer(task, ping, word, words, line),
            State::Ready if word.is_empty() || word == "BYE" => {}
            State::Ready => self.lose(&format!("an answer that nobody asked for: {}", clean(line))),
            State::Closed => {}
        }
    }

    fn answer<'a>(
        &mut self,
        task: usize,
        ping: bool,
        word: &str,
        mut words: impl Iterator<Item = &'a str>,
        line: &[u8],
    ) {
        self.heard.lines += 1;
        if self.heard.lines > LINES {
            return self.lose("an answer without end");
        }
        match word {
            "VIRUS" if self.heard.names.len() < KEPT => {
                let name = clean(words.next().unwrap_or("unnamed").as_bytes());
                if !self.heard.names.contains(&name) {
                    self.heard.names.push(name);
                }
            }
            "FAIL" if self.heard.failed.len() < KEPT => self.heard.failed.push(clean(&line[4..])),
            "DONE" => self.heard.done = Some((words.next() == Some("OK"), words.next().unwrap_or_default().to_owned())),
            "" => {
                let heard = std::mem::take(&mut self.heard);
                self.report(task, heard.report(ping));
                self.state = State::Ready;
                self.next();
            }
            _ => {} // EVENT, TYPE, FILE, OK: how it goes; a ping's answer is of such lines alone
        }
    }

    /// Begins the next task.
    fn next(&mut self) {
        let Some((number, task)) = self.waiting.pop_front() else {
            if self.finished {
                self.outbox.text(*b"BYE\r\n");
                self.finished = false;
            }
            return;
        };
        self.state = State::Busy { task: number, ping: task == Task::Ping, accepted: false };
        match task {
            Task::Ping => self.outbox.text(*b"QUERY SERVER\r\n"),
            Task::Scan(bytes) => {
                self.outbox.text(format!("SCANDATA {}\r\n", bytes.len()));
                self.outbox.body(&bytes, 0, bytes.len(), Chunks::Plain);
            }
            Task::File(path) => {
                self.outbox.text([b"SCANFILE ", escaped(&path).as_bytes(), b"\r\n"].concat());
            }
        }
    }

    fn report(&mut self, task: usize, report: Report) {
        self.events.push_back(Event::Report { task, report });
    }

    fn lose(&mut self, why: &str) {
        let open = match self.state {
            State::Busy { task, .. } if !self.reported(task) => Some(task),
            _ => None,
        };
        let rest: Vec<usize> = open.into_iter().chain(self.waiting.drain(..).map(|(task, _)| task)).collect();
        rest.into_iter().for_each(|task| self.report(task, Report::Failed(why.to_owned())));
        self.state = State::Closed;
        self.outbox.clear();
        self.events.push_back(Event::Close);
    }

    fn reported(&self, wanted: usize) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Report { task, .. } if *task == wanted))
    }
}

impl Heard {
    fn report(self, ping: bool) -> Report {
        if ping {
            return Report::Alive("SSSP/1.0".into());
        }
        match self.done {
            _ if !self.names.is_empty() => Report::Found(self.names),
            Some((true, code)) if code == "0203" => Report::Found(vec!["unnamed".into()]),
            Some(_) if !self.failed.is_empty() => Report::Incomplete(self.failed.join(", ")),
            Some((true, _)) => Report::Clean,
            Some((false, code)) => Report::Failed(format!("DONE FAIL {}", clean(code.as_bytes()))),
            None => Report::Failed("an answer without a result".into()),
        }
    }
}

fn rejection(code: Option<&str>) -> String {
    match code {
        Some("1") => "request not recognised (REJ 1)".into(),
        Some("2") => "other version of the protocol (REJ 2)".into(),
        Some("3") => "options not understood (REJ 3)".into(),
        Some("5") => "not permitted to us (REJ 5)".into(),
        other => format!("REJ {}", clean(other.unwrap_or_default().as_bytes())),
    }
}

/// As SSSP wants paths: `%XX` for what is not plain.
fn escaped(path: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'%';
    path.iter().map(|byte| if plain(byte) { (*byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl scanner::Client for Client {
    fn ask(&mut self, task: Task) {
        let number = self.tasks;
        self.tasks += 1;
        if self.state == State::Closed {
            return self.report(number, Report::Failed("the connection is used up".into()));
        }
        self.waiting.push_back((number, task));
        if self.state == State::Ready {
            self.next();
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        if self.state == State::Ready {
            self.next();
        }
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
            if self.state == State::Closed {
                return None;
            }
            match self.input.line(LINE) {
                Line::Whole(line) => self.line(&line),
                Line::TooLong => self.lose("an answer without end"),
                Line::Incomplete if self.input.ended => self.lose("the connection ended"),
                Line::Incomplete => return None,
            }
        }
    }
}
