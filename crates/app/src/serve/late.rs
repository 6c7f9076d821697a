//! What could not be judged in time, or not at all, and is kept rather than deferred: `limits.late = "quarantine"`.
//!
//! In: an outcome without a verdict. Out: "accepted", once the message is on stable storage for all its recipients. Who
//! keeps a message of his own and asks for a judgement alone (spamd, HTTP) is told to try again, as with `"defer"`, and so
//! is everybody where nothing can be kept: the store is away, or only beginning and end of the message are here.

use super::Service;
use super::decide::Outcome;
use super::gate::asking;
use super::once::{self, Held};
use crate::config::{Config, Late, Mode};
use crate::environment;
use crate::policy::category::Category;
use mail::{Limits, Message};
use protocols::{Answer, Decision, Scan, Want, edit};
use std::sync::Arc;
use store::{Bytes, Id, Random, Store, history, quarantine};

/// The actions of such outcomes' lines.
pub const LATE: &str = "late";
pub const FAILED: &str = "failed";

pub async fn kept(service: &Service, config: &Config, scan: &Arc<Scan>, outcome: Outcome) -> Outcome {
    let wanted = config.limits.late == Late::Quarantine
        && config.mode == Mode::Filter
        && scan.want == Want::Decision
        && [LATE, FAILED].contains(&outcome.line.action);
    let Some(store) = service.store.clone().filter(|_| wanted) else { return outcome };
    let reason = match outcome.line.action {
        LATE => format!("not judged within {} s", config.limits.deadline.0.as_secs_f64()),
        _ => "could not be judged".to_owned(),
    };
    let mut line = outcome.line;
    let done = match (scan.content.omitted, environment::secret_random()) {
        (Some(_), _) => Err("longer than limits.message".to_owned()),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(random)) => {
            let (scan, reason) = (scan.clone(), reason.clone());
            asking(move || keep(&store, &scan, reason, &random)).await
        }
    };
    match done {
        Ok(entry) => {
            line.category = Category::Unchecked.name();
            line.reason = format!("{reason}; kept in quarantine");
            Outcome { answer: Answer::decide(Decision::Discard), line, entry: Some(entry), ..outcome }
        }
        Err(error) => {
            line.troubles.push(format!("quarantine: {error}; the message was deferred"));
            line.store_errors += 1;
            Outcome { line, ..outcome }
        }
    }
}

/// On stable storage for each recipient when this returns; what the history is to tell of it.
fn keep(store: &Store, scan: &Scan, reason: String, random: &Random) -> store::Result<history::Entry> {
    let message = once::message(scan);
    let held = Held::of(store, &message)?;
    let mut ids: Vec<Option<Id>> = scan.recipients.iter().map(|path| held.for_recipient(&path.address)).collect();
    let new = |(path, id): (&protocols::Path, &Option<Id>)| id.is_none().then(|| Bytes::from(path.address.clone()));
    let recipients: Vec<Bytes> = scan.recipients.iter().zip(&ids).filter_map(new).collect();
    let now = environment::now();
    // The header alone: what is late may be so because of what is below it.
    let bytes = &scan.content.bytes;
    let header = &bytes[..bytes.len() - edit::body(bytes).len()];
    let header = Message::parse(header, &Limits::default());
    let field = |name: &str| -> String {
        header
            .headers()
            .last(name)
            .map(|field| String::from_utf8_lossy(&field.decoded).trim().to_owned())
            .unwrap_or_default()
    };
    let sender: Bytes = scan.sender.as_ref().map(|path| path.address.clone()).unwrap_or_default().into();
    let client = scan.peer.address.map(|address| address.to_string()).unwrap_or_default();
    let queue_id = scan.queue_id.clone().unwrap_or_default();
    if !recipients.is_empty() || ids.is_empty() {
        let new = quarantine::NewEntry {
            message: Some(message),
            queue_id: queue_id.clone(),
            sender: sender.clone(),
            recipients,
            subject: field("subject"),
            from: field("from"),
            client_address: client.clone(),
            category: Category::Unchecked.name().into(),
            reason: reason.clone(),
            score: 0.0,
            details: Default::default(),
        };
        let id = store.quarantine().put(now, random, new, bytes)?.id;
        ids.iter_mut().for_each(|kept| *kept = kept.or(Some(id)));
    }
    let recipients = scan.recipients.iter().zip(ids).map(|(path, quarantined)| history::ForRecipient {
        recipient: path.address.clone().into(),
        score: 0.0,
        action: "quarantine".into(),
        reason: reason.clone(),
        quarantined,
    });
    Ok(history::Entry {
        queue_id,
        message_id: field("message-id").into_bytes().into(),
        listener: scan.peer.server.listener.clone().unwrap_or_default(),
        client_address: client,
        client_name: scan.peer.name.clone().unwrap_or_default(),
        helo: scan.peer.helo.clone().unwrap_or_default().into(),
        login: scan.peer.authenticated.as_ref().map(|login| login.name.clone()).unwrap_or_default(),
        sender,
        recipients: recipients.collect(),
        subject: field("subject"),
        from: field("from"),
        size: scan.content.size(),
        categories: vec![Category::Unchecked.name().into()],
        ..history::Entry::default()
    })
}
