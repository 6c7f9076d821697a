//! From a message to an answer: judged, and turned into what was configured for such a verdict.

use super::journal::Line;
use crate::config::{Actions, Config, Late, Mode, SpamAction};
use crate::environment;
use anyhow::Context;
use engine::markup::{Tags, rewrite};
use engine::{Engine, Scratch};
use mail::views::Views;
use mail::{Message, Transaction, Verdict};
use protocols::{Answer, Decision, Edit, Judgement, Refusal, Scan, Want, edit};
use store::{Bytes, Id, Store, Time, history, quarantine};

/// What came of a message.
pub struct Outcome {
    pub answer: Answer,
    pub line: Line,
    /// For the history.
    pub entry: Option<history::Entry>,
}

/// Judges a message, does what is to be done here (quarantine), and says what is to be done elsewhere.
pub fn decide(config: &Config, engine: &Engine, store: Option<&Store>, scan: &Scan, scratch: &mut Scratch) -> Outcome {
    let remembers = store.is_some() && scan.want == Want::Decision;
    scratch.explain = remembers;
    let date = environment::mail_date();
    let bytes = scan.message_to_judge(&date);
    let transaction = Transaction {
        envelope: scan.envelope(),
        message: Message::parse(&bytes, &engine.views.limits),
        now: environment::unix_time(),
    };
    let (verdict, views) = engine::judge_with_views(engine, &transaction, scratch);
    let stamp = environment::stamp();
    let tags = Tags { style: &engine.style, stamp: &stamp, verdict: &verdict, views: &views };
    let mut line = Line::of(scan, &verdict);

    if scan.want != Want::Decision {
        let text = match scan.want {
            Want::Message | Want::Headers => rewrite(&transaction.message, &tags), // the session sends what was asked for
            Want::Symbols => {
                verdict.hits.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>().join(",").into_bytes()
            }
            Want::Report => tags.report(),
            Want::ReportIfSpam if verdict.spam => tags.report(),
            _ => Vec::new(),
        };
        line.action = "told";
        let judgement =
            Judgement { spam: verdict.spam, score: verdict.score, threshold: verdict.required, text: Some(text) };
        return Outcome { answer: Answer { judgement: Some(judgement), ..Answer::default() }, line, entry: None };
    }

    let actions = config.actions(scan.peer.authenticated.is_some());
    let action = action(&actions, &verdict);
    line.action = name(action, verdict.spam);
    line.observed = config.mode == Mode::Observe;
    let (mut decision, mut edits) = (Decision::Accept, Vec::new());
    if !line.observed {
        (decision, edits) = act(action, &actions, &tags, &scan.content.bytes);
    }
    let mut kept = None;
    if action == SpamAction::Quarantine && !line.observed {
        match keep(store, scan, &verdict, &views) {
            Ok(id) => kept = Some(id),
            Err(error) => {
                line.troubles.push(format!("quarantine: {error:#}; the message was deferred"));
                line.action = "defer";
                decision = Decision::Defer(Refusal::new(451, (3, 0), "Not kept yet; please try again"));
            }
        }
    }
    let entry = remembers.then(|| entry(scan, &verdict, &line, kept, &transaction.message, &views));
    Outcome { answer: Answer { decision, edits, ..Answer::default() }, line, entry }
}

/// Puts the message where it can be released from; on stable storage when this returns.
fn keep(store: Option<&Store>, scan: &Scan, verdict: &Verdict, views: &Views<'_>) -> anyhow::Result<Id> {
    let store = store.context("there is no store")?;
    if scan.content.omitted.is_some() {
        anyhow::bail!("larger than limits.message");
    }
    let new = quarantine::NewEntry {
        queue_id: scan.queue_id.clone().unwrap_or_default(),
        sender: sender(scan),
        recipients: scan.recipients.iter().map(|path| path.address.clone().into()).collect(),
        subject: subject(views),
        from: from(views),
        client_address: client(scan),
        category: "spam".into(),
        reason: format!("score {:.1} of {:.1}", verdict.score, verdict.required),
        score: verdict.score,
        details: Default::default(),
    };
    let at = Time::from_millis(environment::milliseconds());
    Ok(store.quarantine().put(at, &environment::secret_random()?, new, &scan.content.bytes)?.id)
}

fn entry(
    scan: &Scan,
    verdict: &Verdict,
    line: &Line,
    kept: Option<Id>,
    message: &Message,
    views: &Views<'_>,
) -> history::Entry {
    let recipients = scan.recipients.iter().map(|path| history::ForRecipient {
        recipient: path.address.clone().into(),
        score: verdict.score,
        action: line.action.to_owned(),
        reason: if line.observed { "observed only".into() } else { String::new() },
        quarantined: kept,
    });
    let relays = views.relays();
    history::Entry {
        queue_id: scan.queue_id.clone().unwrap_or_default(),
        message_id: message.headers().last("message-id").map(|field| field.decoded.clone()).unwrap_or_default().into(),
        listener: scan.peer.server.listener.clone().unwrap_or_default(),
        direction: if scan.peer.authenticated.is_some() { "outbound" } else { "inbound" }.into(),
        client_address: client(scan),
        client_name: scan.peer.name.clone().unwrap_or_default(),
        helo: scan.peer.helo.clone().unwrap_or_default().into(),
        login: line.login.clone().unwrap_or_default(),
        sender: sender(scan),
        recipients: recipients.collect(),
        subject: subject(views),
        from: from(views),
        size: scan.content.size(),
        categories: if verdict.spam { vec!["spam".into()] } else { Vec::new() },
        relays: [&relays.trusted_text, &relays.untrusted_text]
            .into_iter()
            .flat_map(|hops| String::from_utf8_lossy(hops).split_inclusive(" ]").map(str::to_owned).collect::<Vec<_>>())
            .map(|hop| hop.trim().to_owned())
            .filter(|hop| !hop.is_empty())
            .collect(),
        troubles: line.troubles.clone(),
        ..history::Entry::of_verdict(verdict)
    }
}

/// As a reader sees it, whatever its label says.
fn subject(views: &Views<'_>) -> String {
    views.text().subject.trim().to_owned()
}

fn from(views: &Views<'_>) -> String {
    views.text().from_name.trim().to_owned()
}

fn sender(scan: &Scan) -> Bytes {
    scan.sender.as_ref().map(|path| path.address.clone()).unwrap_or_default().into()
}

fn client(scan: &Scan) -> String {
    scan.peer.address.map(|address| address.to_string()).unwrap_or_default()
}

/// What the mail server is told; a quarantined message it need not deliver, once it is kept here.
fn act(action: SpamAction, actions: &Actions, tags: &Tags<'_>, content: &[u8]) -> (Decision, Vec<Edit>) {
    match action {
        SpamAction::Reject => (Decision::Reject(Refusal::new(554, (7, 1), &*actions.reject_text)), Vec::new()),
        SpamAction::Discard | SpamAction::Quarantine => (Decision::Discard, Vec::new()),
        SpamAction::Hold => {
            let reason = format!("sekisho: score {:.1} of {:.1}", tags.verdict.score, tags.verdict.required);
            (Decision::Quarantine(reason), headers(actions, tags, content))
        }
        SpamAction::Tag => (Decision::Accept, headers(actions, tags, content)),
        SpamAction::Pass => (Decision::Accept, Vec::new()),
    }
}

/// In the log and the history.
fn name(action: SpamAction, spam: bool) -> &'static str {
    match action {
        SpamAction::Tag if spam => "tag",
        SpamAction::Tag | SpamAction::Pass => "pass",
        SpamAction::Quarantine => "quarantine",
        SpamAction::Hold => "hold",
        SpamAction::Reject => "reject",
        SpamAction::Discard => "discard",
    }
}

/// What is configured for such a verdict.
fn action(actions: &Actions, verdict: &Verdict) -> SpamAction {
    let mut steps = [
        (actions.discard_at, SpamAction::Discard),
        (actions.reject_at, SpamAction::Reject),
        (actions.hold_at, SpamAction::Hold),
        (actions.quarantine_at, SpamAction::Quarantine),
    ];
    steps.sort_by(|a, b| b.0.total_cmp(&a.0));
    let reached = steps.into_iter().find(|(at, _)| *at > 0.0 && verdict.score >= *at);
    match reached {
        Some((_, action)) => action,
        None if verdict.spam => actions.spam,
        // Ham has its headers too, where headers are wanted at all.
        None if actions.spam == SpamAction::Pass => SpamAction::Pass,
        None => SpamAction::Tag,
    }
}

/// Our headers on top, foreign ones away, and the subject as the rules want it.
fn headers(actions: &Actions, tags: &Tags<'_>, content: &[u8]) -> Vec<Edit> {
    let mut edits = Vec::new();
    if actions.remove_foreign_headers {
        edits = edit::remove_fields(content, |name, _| {
            name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"X-Spam-"))
        });
    }
    let added = tags.added_headers();
    edit::each_field(&added, |name, value, _| {
        edits.push(Edit::InsertHeader { index: 0, name: name.to_vec(), value: value.trim_ascii_start().to_vec() });
    });
    if let Some(template) = tags.style.rewrite_subject.as_ref().filter(|_| tags.verdict.spam) {
        let mut subject = Vec::new();
        edit::each_field(content, |name, value, index| {
            if index == 1 && name.eq_ignore_ascii_case(b"Subject") {
                subject = value.to_vec();
            }
        });
        let value = [&tags.expand(template)[..], b" ", subject.trim_ascii_start()].concat();
        edits.push(Edit::ReplaceHeader { name: b"Subject".to_vec(), index: 1, value });
    }
    edits
}

/// Where there is no verdict.
pub fn without_verdict(config: &Config, late: bool) -> Answer {
    let text = if late { "Not judged in time; please try again" } else { "Could not be judged; please try again" };
    match config.limits.late {
        _ if config.mode == Mode::Observe => Answer::accept(),
        Late::Pass => Answer::accept(),
        Late::Defer => Answer::decide(Decision::Defer(Refusal::new(451, (7, 1), text))),
    }
}
