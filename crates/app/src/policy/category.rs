//! What a message is, beside its score.

use super::banned;
use crate::config::{Action, Actions, Banned, Categories};
use mail::{Meaning, Message, Verdict};
use protocols::Scan;

/// The weightiest first: the first that has an action decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    Virus,
    Banned,
    Phishing,
    Spam,
    /// A limit was reached: not all of it was looked at.
    Unchecked,
    /// Longer than is kept for judging: beginning and end were looked at.
    Oversized,
    BadHeader,
}

impl Category {
    pub const ALL: [Category; 7] = [
        Category::Virus,
        Category::Banned,
        Category::Phishing,
        Category::Spam,
        Category::Unchecked,
        Category::Oversized,
        Category::BadHeader,
    ];

    /// In the log, the history and the quarantine.
    pub fn name(self) -> &'static str {
        match self {
            Category::Virus => "virus",
            Category::Banned => "banned",
            Category::Phishing => "phishing",
            Category::Spam => "spam",
            Category::Unchecked => "unchecked",
            Category::Oversized => "oversized",
            Category::BadHeader => "bad-header",
        }
    }

    pub fn action(self, actions: &Actions) -> &Action {
        match self {
            Category::Virus => &actions.virus,
            Category::Banned => &actions.banned,
            Category::Phishing => &actions.phishing,
            Category::Spam => &actions.spam,
            Category::Unchecked => &actions.unchecked,
            Category::Oversized => &actions.oversized,
            Category::BadHeader => &actions.bad_header,
        }
    }
}

/// All but spam and the phishing that rules find, which differ from recipient to recipient.
pub fn of(
    scan: &Scan,
    message: &Message,
    verdict: &Verdict,
    banned: &Banned,
    categories: &Categories,
) -> Vec<(Category, String)> {
    let mut found = Vec::new();
    let viral = |rule: &str| categories.virus.iter().any(|virus| virus.matches(rule));
    if let Some(hit) = verdict.hits.iter().find(|hit| viral(&hit.rule)) {
        found.push((Category::Virus, hit.rule.clone()));
    }
    let signed = |meaning| verdict.signatures.iter().find(|signature| signature.meaning == meaning);
    if let Some(signature) = signed(Meaning::Virus) {
        found.push((Category::Virus, signature.name.clone()));
    }
    if let Some(signature) = signed(Meaning::Banned) {
        found.push((Category::Banned, signature.name.clone()));
    }
    if let Some(signature) = signed(Meaning::Phishing) {
        found.push((Category::Phishing, signature.name.clone()));
    }
    if let Some(name) = banned::find(message, banned) {
        found.push((Category::Banned, name));
    }
    if let Some(signature) = signed(Meaning::Unchecked) {
        found.push((Category::Unchecked, signature.name.clone()));
    }
    if let Some(trouble) = verdict.troubles.first() {
        found.push((Category::Unchecked, format!("{}: {}", trouble.rule, trouble.what)));
    }
    if let Some(omitted) = scan.content.omitted {
        found.push((Category::Oversized, format!("{} bytes in the middle were not looked at", omitted.bytes)));
    }
    if let Some(why) = bad_header(message) {
        found.push((Category::BadHeader, why));
    }
    found.sort_by_key(|(category, _)| *category);
    found.dedup_by_key(|(category, _)| *category);
    found
}

/// Fields that occur once at most (RFC 5322 3.6).
const ONCE: &[&str] =
    &["date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"];

/// The longest line without its end (RFC 5322 2.1.1).
const LINE: usize = 998;

/// What in the header breaks RFC 5322: the first fault. Raw 8-bit text is none where it is UTF-8 (RFC 6532).
fn bad_header(message: &Message) -> Option<String> {
    let fields = &message.headers().fields;
    for field in fields {
        let name = String::from_utf8_lossy(&field.name);
        if field.raw.contains(&0) {
            return Some(format!("NUL in {name}"));
        }
        if field.raw.split(|byte| *byte == b'\n').any(|line| line.len() > LINE) {
            return Some(format!("a line of {name} is longer than {LINE} bytes"));
        }
        if std::str::from_utf8(&field.raw).is_err() {
            return Some(format!("8-bit text in {name}"));
        }
    }
    let count = |name: &str| message.headers().all(name).count();
    if let Some(twice) = ONCE.iter().find(|name| count(name) > 1) {
        return Some(format!("{twice} occurs {} times", count(twice)));
    }
    ["from", "date"].into_iter().find(|name| count(name) == 0).map(|name| format!("{name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_break_the_standard() {
        let good = "From: a@b\nDate: Mon, 5 Jan 2026 09:45:12 +0000\n";
        for (message, fault) in [
            (format!("{good}\nx"), None),
            (format!("{good}Subject: 請求書\n\nx"), None),
            (format!("{good}Subject: a\0b\n\nx"), Some("NUL in Subject")),
            (format!("{good}Subject: {}\n\nx", "x".repeat(998)), Some("a line of Subject is longer than 998 bytes")),
            (format!("{good}Subject: a\nsubject: b\n\nx"), Some("subject occurs 2 times")),
            ("From: a@b\n\nx".into(), Some("date is missing")),
        ] {
            let message = Message::parse(message.as_bytes(), &mail::Limits::default());
            assert_eq!(bad_header(&message).as_deref(), fault);
        }
        let raw = [good.as_bytes(), b"Subject: \x82\xa0\n\nx"].concat();
        assert_eq!(
            bad_header(&Message::parse(&raw, &mail::Limits::default())).as_deref(),
            Some("8-bit text in Subject")
        );
    }
}
