//! What a check may want to know from outside, and what it was told.
//!
//! In: a [`Question`] that a check asks through [`Asking`]. Out: the [`Answer`] if it is already there, else [`Pending`],
//! and the question is noted so that the caller of [`crate::Scan`] can answer it together with all others. Nothing here
//! talks to a network. A check that asks must do so before it computes: it runs again from its beginning.
//!
//! A `HashMap` is enough: questions are few (tens a message) and asked once each.

use crate::check::Pending;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;

/// The DNS record types that mail filtering asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    A,
    Aaaa,
    Mx,
    Ns,
    Ptr,
    Txt,
}

/// A fact from outside that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Question {
    /// A DNS look-up of a fully written name, without the trailing dot.
    Dns { name: String, record: Record },
    /// How likely what was learnt of earlier mail makes it that this message is spam.
    SpamProbability,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// Record data in presentation form, in the order received; empty: the name has none.
    Records(Vec<String>),
    /// A probability, in millionths: whole, so that a recorded answer is the same answer.
    Millionths(u32),
    /// No answer within the deadline, or the resolver said SERVFAIL. Never the same as "no".
    Unknown,
}

/// All answers known so far for one message. Recorded answers make a verdict repeatable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answers(HashMap<Question, Answer>);

impl Answers {
    pub fn insert(&mut self, question: Question, answer: Answer) {
        self.0.insert(question, answer);
    }

    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.0.get(question)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The checks' side: known answers, and where open questions gather.
#[derive(Default)]
pub struct Asking<'a> {
    known: Option<&'a Answers>,
    open: RefCell<Vec<Question>>,
}

impl<'a> Asking<'a> {
    pub fn new(known: &'a Answers) -> Asking<'a> {
        Asking { known: Some(known), open: RefCell::default() }
    }

    /// The answer, or [`Pending`]; then the question is open.
    pub fn get(&self, question: Question) -> Result<&'a Answer, Pending> {
        if let Some(answer) = self.known.and_then(|known| known.get(&question)) {
            return Ok(answer);
        }
        let mut open = self.open.borrow_mut();
        if !open.contains(&question) {
            open.push(question);
        }
        Err(Pending)
    }

    /// The questions that were asked and had no answer, in the order asked.
    pub fn into_open(self) -> Vec<Question> {
        self.open.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_without_answer_is_noted_once_and_answered_later() {
        let question = Question::Dns { name: "example.com".into(), record: Record::Txt };
        let none = Answers::default();
        let asking = Asking::new(&none);
        assert_eq!(asking.get(question.clone()), Err(Pending));
        assert_eq!(asking.get(question.clone()), Err(Pending));
        let open = asking.into_open();
        assert_eq!(open, std::slice::from_ref(&question));

        let mut answers = Answers::default();
        answers.insert(question.clone(), Answer::Records(vec!["v=spf1 -all".into()]));
        assert_eq!(Asking::new(&answers).get(question), Ok(&Answer::Records(vec!["v=spf1 -all".into()])));
    }
}
