//! The policy server's end of a connection: requests one after the other, each with one reply.
//!
//! A request that is not understood closes the connection, as the protocol wants it: the mail server then does what its
//! `smtpd_policy_service_default_action` says.

use super::codec::{Request, write_action};
use crate::answer::{Answer, Unsaid};
use crate::input::{Input, Line};
use crate::{Event, QuestionId, Session, Trouble};

#[derive(Debug, Clone)]
pub struct Settings {
    pub line: usize,
    pub attributes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { line: 8192, attributes: 200 }
    }
}

pub struct Server {
    settings: Settings,
    input: Input,
    output: Vec<u8>,
    request: Request,
    open: Option<QuestionId>,
    questions: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Closed,
}

impl Server {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            input: Input::default(),
            output: Vec::new(),
            request: Request::default(),
            open: None,
            questions: 0,
            state: State::Open,
        }
    }

    fn fail(&mut self, trouble: Trouble) -> Option<Event> {
        self.state = State::Closing;
        self.input.clear();
        Some(Event::Trouble(trouble))
    }
}

impl Session for Server {
    fn receive(&mut self, bytes: &[u8]) {
        if self.state == State::Open {
            self.input.push(bytes);
        }
    }

    fn end_of_input(&mut self) {
        self.input.ended = true;
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.state {
                State::Closed => return None,
                State::Closing => {
                    self.state = State::Closed;
                    return Some(Event::Close);
                }
                State::Open => {}
            }
            if let Some(open) = self.open {
                if !self.input.ended {
                    return None;
                }
                self.open = None;
                return Some(Event::Cancelled(open));
            }
            match self.input.line(self.settings.line) {
                Line::Whole(line) if line.is_empty() && self.request.is_empty() => {}
                Line::Whole(line) if line.is_empty() => {
                    self.questions += 1;
                    match std::mem::take(&mut self.request).question(QuestionId(self.questions)) {
                        Ok(ask) => {
                            self.open = Some(ask.id);
                            return Some(Event::Ask(Box::new(ask)));
                        }
                        Err(trouble) => return self.fail(trouble),
                    }
                }
                Line::Whole(line) => {
                    if self.request.len() >= self.settings.attributes {
                        return self.fail(Trouble::TooMany { what: "attributes", limit: self.settings.attributes });
                    }
                    if let Err(trouble) = self.request.add(&line) {
                        return self.fail(trouble);
                    }
                }
                Line::TooLong => {
                    return self.fail(Trouble::TooLong { what: "an attribute", limit: self.settings.line });
                }
                Line::Incomplete if self.input.ended => {
                    let half = !self.input.is_empty() || !self.request.is_empty();
                    self.state = State::Closing;
                    if half {
                        return self.fail(Trouble::Truncated);
                    }
                }
                Line::Incomplete => return None,
            }
        }
    }

    fn answer(&mut self, question: QuestionId, answer: &Answer) -> Vec<Unsaid> {
        if self.open.take_if(|open| *open == question).is_none() {
            return vec![Unsaid::NoSuchQuestion];
        }
        write_action(&mut self.output, answer)
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn kept(&self) -> usize {
        self.input.len() // of a request, less than a settings' limit
    }

    fn between_messages(&self) -> bool {
        self.open.is_none() && self.input.is_empty()
    }

    fn wants_input(&self) -> bool {
        self.state == State::Open && !self.input.ended && (self.open.is_none() || self.input.len() < 64 << 10)
    }
}
