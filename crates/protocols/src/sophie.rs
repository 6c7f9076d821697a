//! Sophie's protocol (and Trophie's), our end: the path of a file in one line, the answer in another.
//!
//! `0` is clean, `1:Name` is found, `-1:why` and everything else is an error. The daemon must be able to read the file; one
//! question a connection. There is no ping: it is asked for a file that does not exist, and any answer will do.

use crate::input::Input;
use crate::scanner::{self, Event, LINE, Report, Task, clean};
use std::collections::VecDeque;

#[derive(Default)]
pub struct Client {
    input: Input,
    output: Vec<u8>,
    asked: Option<Task>,
    tasks: usize,
    events: VecDeque<Event>,
    over: bool,
}

/// A file that no system has.
const NOTHING: &[u8] = b"/nonexistent/sekisho-ping";

impl Client {
    pub fn new() -> Self {
        Self::default()
    }

    fn answer(&mut self, line: &[u8]) {
        let report = match (&self.asked, line.split_first()) {
            (None, _) => return,
            (Some(Task::Ping), Some(_)) => Report::Alive(clean(line)),
            (_, Some((b'0', b""))) => Report::Clean,
            (_, Some((b'1', rest))) => Report::Found(vec![match clean(rest.strip_prefix(b":").unwrap_or(rest)) {
                name if name.is_empty() => "unnamed".to_owned(),
                name => name,
            }]),
            (_, None) => Report::Failed("the connection ended".into()),
            _ => Report::Failed(clean(line.strip_prefix(b"-1:").unwrap_or(line))),
        };
        self.asked = None;
        self.events.push_back(Event::Report { task: 0, report });
        self.over = true;
        self.events.push_back(Event::Close);
    }
}

impl scanner::Client for Client {
    fn ask(&mut self, task: Task) {
        let number = self.tasks;
        self.tasks += 1;
        let path = match &task {
            Task::File(path) => path.as_slice(),
            Task::Ping => NOTHING,
            Task::Scan(_) => b"",
        };
        if number > 0 || path.is_empty() || path.contains(&b'\n') {
            let report = Report::Failed("one file a connection is all that it takes".into());
            return self.events.push_back(Event::Report { task: number, report });
        }
        self.output = [path, b"\n"].concat();
        self.asked = Some(task);
    }

    fn fill(&mut self) {}

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
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.over || self.asked.is_none() {
            return None;
        }
        let rest = self.input.rest();
        let end = rest.iter().take(LINE).position(|byte| matches!(byte, b'\n' | 0));
        let line = match end {
            Some(end) => rest[..end].to_vec(),
            None if self.input.ended || rest.len() >= LINE => rest[..rest.len().min(LINE)].to_vec(),
            None => return None,
        };
        self.answer(line.trim_ascii());
        self.events.pop_front()
    }
}
