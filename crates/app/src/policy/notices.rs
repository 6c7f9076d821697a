//! Mail about mail: to the postmaster, to our own senders, to recipients of what is held.
//!
//! Nothing is said about a message without a sender: it may be a notice itself. What strangers wrote (subject, names) stands
//! in notices as text only.

use super::Fate;
use crate::config::{Action, Config, Language, Notify};
use crate::environment;
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use std::path::Path;
use store::quarantine;

/// A message that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// For the outbox.
    pub kind: &'static str,
    pub recipient: String,
    pub body: Vec<u8>,
}

/// What a notice says of a message.
pub struct About<'a> {
    pub sender: String,
    pub from: String,
    pub subject: String,
    pub client: String,
    pub queue_id: String,
    pub rules: String,
    pub header: &'a [u8],
}

/// Who is to be told about a message with these fates.
pub fn of(config: &Config, fates: &[Fate], about: &About<'_>) -> anyhow::Result<Vec<Notice>> {
    let notify = &config.notify;
    if about.sender.is_empty() {
        return Ok(Vec::new());
    }
    let mut notices = Vec::new();
    let named = |fate: &&Fate| fate.category.is_some_and(|category| notify.on.iter().any(|on| on == category.name()));
    if !notify.postmaster.is_empty()
        && let Some(fate) = fates.iter().find(named)
    {
        notices.push(notice(notify, "postmaster", &notify.postmaster, &values(fates, fate, about, notify.headers))?);
    }
    let stopped = |fate: &&Fate| {
        notify.sender.includes(fate.direction)
            && matches!(fate.effective(), Action::Quarantine | Action::Hold | Action::Discard)
    };
    if let Some(fate) = fates.iter().find(stopped) {
        notices.push(notice(notify, "sender", &about.sender, &values(fates, fate, about, false))?);
    }
    Ok(notices)
}

/// What is held for one recipient.
pub fn digest(notify: &Notify, recipient: &str, held: &[quarantine::Entry]) -> anyhow::Result<Notice> {
    let entries: String = held
        .iter()
        .map(|entry| {
            let (time, from) = (environment::local_time(entry.id.time().seconds()), line(&entry.from));
            let sender = line(&entry.sender.lossy());
            format!(
                "  {}  {time}\n    {from} <{sender}>\n    {}\n    {}\n\n",
                entry.id,
                line(&entry.subject),
                line(&entry.reason)
            )
        })
        .collect();
    let values = [
        ("recipient", recipient.to_owned()),
        ("count", held.len().to_string()),
        ("entries", entries),
        ("host", environment::host_name().to_owned()),
    ];
    notice(notify, "digest", recipient, &values)
}

/// Somebody sends too much.
pub struct Alarm<'a> {
    /// A login; else a network.
    pub login: bool,
    pub who: &'a str,
    /// `messages`, `recipients` or `networks`.
    pub what: &'a str,
    pub sent: u64,
    pub limit: u64,
    pub window: u64,
}

pub fn alarm(notify: &Notify, to: &str, alarm: &Alarm<'_>) -> anyhow::Result<Notice> {
    let what = match (notify.language, alarm.what) {
        (Language::Ja, "messages") => "通数",
        (Language::Ja, "recipients") => "宛先数",
        (Language::Ja, "networks") => "接続元ネットワーク数",
        (_, what) => what,
    };
    let values = [
        ("who", line(alarm.who)),
        ("what", what.to_owned()),
        ("sent", alarm.sent.to_string()),
        ("limit", alarm.limit.to_string()),
        ("window", alarm.window.to_string()),
        ("host", environment::host_name().to_owned()),
    ];
    notice(notify, if alarm.login { "alarm" } else { "alarm-network" }, to, &values)
}

/// A feed could not be updated, or something of it had to be suspended.
pub fn feed(notify: &Notify, to: &str, name: &str, what: &str) -> anyhow::Result<Notice> {
    let problems: Vec<String> = what.lines().map(|text| format!("  {}", line(text))).collect();
    let values =
        [("name", line(name)), ("problems", problems.join("\n")), ("host", environment::host_name().to_owned())];
    notice(notify, "feed", to, &values)
}

/// Networks whose rules are not to be relied on any more.
pub fn networks(notify: &Notify, to: &str, findings: &[String], suspended: bool) -> anyhow::Result<Notice> {
    let problems: Vec<String> = findings.iter().map(|finding| format!("  {}", line(finding))).collect();
    let what = match (notify.language, suspended) {
        (Language::En, true) => "They score nothing now; `sekisho isp resume NAME` takes that back.",
        (Language::En, false) => "They still score: `sekisho isp verify --suspend` ends that.",
        (Language::Ja, true) => "これらの得点は 0 になりました。sekisho isp resume NAME で元に戻せます。",
        (Language::Ja, false) => "まだ得点は有効です。sekisho isp verify --suspend で止められます。",
    };
    let values = [
        ("count", findings.len().to_string()),
        ("problems", problems.join("\n")),
        ("what", what.to_owned()),
        ("host", environment::host_name().to_owned()),
    ];
    notice(notify, "networks", to, &values)
}

/// The statistics of a time.
pub fn report(notify: &Notify, to: &str, period: &str, report: String) -> anyhow::Result<Notice> {
    let values = [("period", line(period)), ("report", report), ("host", environment::host_name().to_owned())];
    notice(notify, "report", to, &values)
}

/// What people taught is no longer understood.
pub fn learning(notify: &Notify, to: &str, wrong: usize, of: usize) -> anyhow::Result<Notice> {
    let values = [("wrong", wrong.to_string()), ("of", of.to_string()), ("host", environment::host_name().to_owned())];
    notice(notify, "alarm-learn", to, &values)
}

type Values<'a> = [(&'a str, String)];

fn values<'a>(fates: &[Fate], fate: &Fate, about: &About<'_>, headers: bool) -> Vec<(&'a str, String)> {
    let recipients: Vec<_> = fates
        .iter()
        .map(|fate| format!("{} ({})", line(&String::from_utf8_lossy(&fate.recipient.address)), fate.word()))
        .collect();
    let header = if headers { format!("\n{}", String::from_utf8_lossy(about.header)) } else { String::new() };
    vec![
        ("category", fate.category.map_or("", |category| category.name()).to_owned()),
        ("reason", line(&fate.reason)),
        ("action", fate.word().to_owned()),
        ("from", line(&about.from)),
        ("sender", line(&about.sender)),
        ("recipients", recipients.join(", ")),
        ("subject", line(&about.subject)),
        ("client", about.client.clone()),
        ("queue_id", line(&about.queue_id)),
        ("score", format!("{:.1} / {:.1}", fate.score, fate.required)),
        ("rules", about.rules.clone()),
        ("headers", header),
        ("host", environment::host_name().to_owned()),
    ]
}

fn notice(notify: &Notify, kind: &'static str, to: &str, values: &Values<'_>) -> anyhow::Result<Notice> {
    let text = fill(&template(notify, kind), values);
    let (subject, body) = text.split_once('\n').unwrap_or((&text, ""));
    let subject = subject.strip_prefix("Subject:").unwrap_or(subject).trim();
    let host = environment::host_name();
    let from = if notify.from.is_empty() { format!("postmaster@{host}") } else { notify.from.clone() };
    let message = MessageBuilder::new()
        .from(("sekisho", from.as_str()))
        .to(to)
        .subject(subject)
        .message_id(format!("{}@{host}", store::Hash::of(&environment::secret_random()?)))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .text_body(body.trim_start_matches('\n'));
    Ok(Notice { kind, recipient: to.to_owned(), body: message.write_to_vec()? })
}

/// The administrator's, where there is one, else ours.
fn template(notify: &Notify, kind: &str) -> String {
    let name = format!("{kind}.{}.txt", notify.language.name());
    if !notify.templates.is_empty()
        && let Ok(own) = std::fs::read_to_string(Path::new(&notify.templates).join(&name))
    {
        return own;
    }
    TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
}

const TEMPLATES: &[(&str, &str)] = &[
    ("alarm-learn.en.txt", include_str!("notices/alarm-learn.en.txt")),
    ("alarm-learn.ja.txt", include_str!("notices/alarm-learn.ja.txt")),
    ("alarm-network.en.txt", include_str!("notices/alarm-network.en.txt")),
    ("alarm-network.ja.txt", include_str!("notices/alarm-network.ja.txt")),
    ("alarm.en.txt", include_str!("notices/alarm.en.txt")),
    ("alarm.ja.txt", include_str!("notices/alarm.ja.txt")),
    ("digest.en.txt", include_str!("notices/digest.en.txt")),
    ("digest.ja.txt", include_str!("notices/digest.ja.txt")),
    ("feed.en.txt", include_str!("notices/feed.en.txt")),
    ("feed.ja.txt", include_str!("notices/feed.ja.txt")),
    ("networks.en.txt", include_str!("notices/networks.en.txt")),
    ("networks.ja.txt", include_str!("notices/networks.ja.txt")),
    ("postmaster.en.txt", include_str!("notices/postmaster.en.txt")),
    ("postmaster.ja.txt", include_str!("notices/postmaster.ja.txt")),
    ("report.en.txt", include_str!("notices/report.en.txt")),
    ("report.ja.txt", include_str!("notices/report.ja.txt")),
    ("sender.en.txt", include_str!("notices/sender.en.txt")),
    ("sender.ja.txt", include_str!("notices/sender.ja.txt")),
];

/// `{name}` becomes its value, once: a value that looks like a name stays as it is.
fn fill(template: &str, values: &Values<'_>) -> String {
    let mut out = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let value = rest.find('}').and_then(|close| {
            let found = values.iter().find(|(name, _)| *name == &rest[1..close])?;
            Some((close, &found.1))
        });
        match value {
            Some((close, value)) => {
                out.push_str(value);
                rest = &rest[close + 1..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// A stranger's text on one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once() {
        let values = [("a", "{b}".to_owned()), ("b", "2".to_owned())];
        assert_eq!(fill("{a} {b} {c} { {", &values), "{b} 2 {c} { {");
    }

    #[test]
    fn every_template_has_a_subject_and_no_unknown_name() {
        let known = [
            "category",
            "reason",
            "action",
            "from",
            "sender",
            "recipients",
            "subject",
            "client",
            "queue_id",
            "score",
            "rules",
            "headers",
            "host",
            "recipient",
            "count",
            "entries",
            "who",
            "what",
            "sent",
            "limit",
            "window",
            "name",
            "problems",
            "period",
            "report",
            "wrong",
            "of",
        ];
        for (name, text) in TEMPLATES {
            assert!(text.starts_with("Subject: "), "{name}");
            let values: Vec<_> = known.iter().map(|name| (*name, String::new())).collect();
            assert!(!fill(text, &values).contains('{'), "{name}");
        }
    }

    #[test]
    fn a_digest_in_japanese() {
        let notify = Notify { language: toml::Value::String("ja".into()).try_into().unwrap(), ..Notify::default() };
        let entry =
            quarantine::Entry { subject: "請求書\nBcc: x".into(), from: "山田".into(), ..Default::default() };
        let notice = digest(&notify, "ann@example.jp", &[entry]).unwrap();
        let message = mail::Message::parse(&notice.body, &mail::Limits::default());
        let field = |name: &str| String::from_utf8_lossy(&message.headers().last(name).unwrap().decoded).into_owned();
        assert_eq!(field("subject").trim(), "ann@example.jp 宛の隔離メール 1 通");
        assert_eq!(field("auto-submitted").trim(), "auto-generated");
        let body = String::from_utf8_lossy(message.root().decoded()).into_owned();
        assert!(body.contains("山田") && body.contains("請求書 Bcc: x"), "{body}");
    }
}
