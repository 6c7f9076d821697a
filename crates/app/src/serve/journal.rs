//! One line a message, for people or for machines, on standard error.

use crate::config::LogFormat;
use crate::environment;
use crate::policy::Fate;
use crate::policy::category::Category;
use mail::Verdict;
use protocols::Scan;
use serde::Serialize;
use std::fmt::Write as _;

/// What is told of a message.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Of all recipients, or `mixed`.
    pub action: &'static str,
    pub direction: &'static str,
    /// What it is beside its score; empty: nothing.
    pub category: &'static str,
    pub reason: String,
    /// Where recipients differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<(String, &'static str)>,
    /// The action was not taken: we only watch.
    pub observed: bool,
    pub score: f64,
    pub required: f64,
    pub spam: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    pub sender: String,
    pub recipients: Vec<String>,
    pub size: u64,
    /// Rules and their scores, the weightiest first.
    pub hits: Vec<(String, f64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// How many of them were the store's.
    #[serde(skip)]
    pub store_errors: u64,
    /// What the next hop said, where we hand mail on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
    pub milliseconds: f64,
}

impl Line {
    pub fn of(scan: &Scan, verdict: &Verdict) -> Line {
        let mut hits: Vec<_> = verdict.hits.iter().map(|hit| (hit.rule.clone(), hit.score)).collect();
        hits.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        Line {
            score: verdict.score,
            required: verdict.required,
            spam: verdict.spam,
            hits,
            troubles: verdict.troubles.iter().map(|trouble| format!("{}: {}", trouble.rule, trouble.what)).collect(),
            ..Line::unjudged(scan, "pass")
        }
    }

    pub fn unjudged(scan: &Scan, action: &'static str) -> Line {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Line {
            queue_id: scan.queue_id.clone(),
            action,
            direction: "",
            category: "",
            reason: String::new(),
            actions: Vec::new(),
            observed: false,
            score: 0.0,
            required: 0.0,
            spam: false,
            client: scan.peer.address.map(|address| address.to_string()),
            login: scan.peer.authenticated.as_ref().map(|login| login.name.clone()),
            sender: scan.sender.as_ref().map(|sender| text(&sender.address)).unwrap_or_default(),
            recipients: scan.recipients.iter().map(|recipient| text(&recipient.address)).collect(),
            size: scan.content.size(),
            hits: Vec::new(),
            troubles: Vec::new(),
            store_errors: 0,
            next_hop: None,
            milliseconds: 0.0,
        }
    }

    /// What becomes of each copy.
    pub fn tell(&mut self, fates: &[Fate]) {
        let Some(first) = fates.first() else { return };
        self.direction = first.direction.name();
        self.observed = fates.iter().all(|fate| fate.actions.observe);
        // The gravest speaks for the message.
        let gravest = fates.iter().min_by_key(|fate| fate.category.map_or(u8::MAX, |category| category as u8));
        if let Some(fate) = gravest {
            self.category = fate.category.map_or("", Category::name);
            self.reason.clone_from(&fate.reason);
        }
        if fates.iter().all(|fate| fate.word() == first.word()) {
            self.action = first.word();
        } else {
            self.action = "mixed";
            let to = |fate: &Fate| String::from_utf8_lossy(&fate.recipient.address).into_owned();
            self.actions = fates.iter().map(|fate| (to(fate), fate.word())).collect();
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut word = |name: &str, value: &str| {
            let _ = write!(out, "{}{name}={}", if out.is_empty() { "" } else { " " }, visible(value));
        };
        if let Some(id) = &self.queue_id {
            word("id", id);
        }
        word("action", self.action);
        if !self.actions.is_empty() {
            word(
                "actions",
                &self.actions.iter().map(|(to, action)| format!("<{to}>={action}")).collect::<Vec<_>>().join(","),
            );
        }
        if self.observed {
            word("observed", "yes");
        }
        if !self.direction.is_empty() {
            word("direction", self.direction);
        }
        if !self.category.is_empty() {
            word("category", self.category);
        }
        if !self.reason.is_empty() {
            word("reason", &format!("{:?}", self.reason));
        }
        word("score", &format!("{:.1}/{:.1}", self.score, self.required));
        if let Some(client) = &self.client {
            word("client", client);
        }
        if let Some(login) = &self.login {
            word("login", login);
        }
        word("from", &format!("<{}>", self.sender));
        word("to", &self.recipients.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(","));
        word("size", &self.size.to_string());
        word("ms", &format!("{:.1}", self.milliseconds));
        word("hits", &self.hits.iter().map(|(rule, score)| format!("{rule}:{score}")).collect::<Vec<_>>().join(","));
        if let Some(said) = &self.next_hop {
            word("next_hop", &format!("{said:?}"));
        }
        for trouble in &self.troubles {
            word("trouble", &format!("{trouble:?}"));
        }
        out
    }
}

/// Strangers choose addresses: nothing of them may begin a line of its own or fake a field.
pub fn visible(value: &str) -> String {
    value.chars().map(|c| if c.is_control() || c.is_whitespace() && c != ' ' { '?' } else { c }).take(2000).collect()
}

#[derive(Debug, Clone, Copy)]
pub struct Journal {
    pub format: LogFormat,
}

impl Journal {
    pub fn message(&self, line: &Line) {
        self.write("message", &line.text(), serde_json::to_value(line).ok());
    }

    /// Something else with fields of its own.
    pub fn record(&self, kind: &str, text: &str, fields: &impl Serialize) {
        self.write(kind, text, serde_json::to_value(fields).ok());
    }

    pub fn note(&self, text: &str) {
        self.write("note", text, Some(serde_json::json!({ "text": text })));
    }

    fn write(&self, kind: &str, text: &str, fields: Option<serde_json::Value>) {
        match self.format {
            LogFormat::Text => eprintln!("sekisho: {text}"),
            LogFormat::Json => {
                let mut object = serde_json::json!({ "time": environment::timestamp(), "kind": kind });
                if let (Some(object), Some(serde_json::Value::Object(fields))) = (object.as_object_mut(), fields) {
                    object.extend(fields);
                }
                eprintln!("{object}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_begin_a_line() {
        assert_eq!(visible("a\nb\tc\u{85}d e"), "a?b?c?d e");
    }
}
