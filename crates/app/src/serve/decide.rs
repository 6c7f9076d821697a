//! From a message to an answer: judged, and turned into what was configured for such a verdict.

use super::journal::Line;
use crate::config::{Actions, Config, Late, Mode, SpamAction};
use crate::environment;
use engine::markup::{Tags, rewrite};
use engine::{Engine, Scratch};
use mail::{Limits, Message, Transaction, Verdict};
use protocols::{Answer, Decision, Edit, Judgement, Refusal, Scan, Want, edit};

/// Judges a message and says what is to be done about it.
pub fn decide(config: &Config, engine: &Engine, scan: &Scan, scratch: &mut Scratch) -> (Answer, Line) {
    let date = environment::mail_date();
    let bytes = scan.message_to_judge(&date);
    let transaction = Transaction {
        envelope: scan.envelope(),
        message: Message::parse(&bytes, &Limits::default()),
        now: environment::unix_time(),
    };
    let (verdict, views) = engine::judge_with_views(engine, &transaction, scratch);
    let stamp = environment::stamp();
    let tags = Tags { style: &engine.style, stamp: &stamp, verdict: &verdict, views: &views };
    let mut line = Line::of(scan, &verdict);

    if scan.want != Want::Decision {
        let text = match scan.want {
            Want::Message => rewrite(&transaction.message, &tags),
            Want::Headers => header_of(&rewrite(&transaction.message, &tags)).to_vec(),
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
        return (Answer { judgement: Some(judgement), ..Answer::default() }, line);
    }

    let actions = config.actions(scan.peer.authenticated.is_some());
    let (decision, edits, action) = act(&actions, &verdict, &tags, &scan.content.bytes);
    line.action = action;
    if config.mode == Mode::Observe {
        line.observed = true;
        return (Answer::accept(), line);
    }
    (Answer { decision, edits, ..Answer::default() }, line)
}

/// What is configured for such a verdict, and its name in the log.
fn act(actions: &Actions, verdict: &Verdict, tags: &Tags<'_>, content: &[u8]) -> (Decision, Vec<Edit>, &'static str) {
    let refusal = |text: &str| Refusal::new(554, (7, 1), text);
    match action(actions, verdict) {
        SpamAction::Reject => (Decision::Reject(refusal(&actions.reject_text)), Vec::new(), "reject"),
        SpamAction::Discard => (Decision::Discard, Vec::new(), "discard"),
        SpamAction::Hold => {
            let reason = format!("sekisho: score {:.1} of {:.1}", verdict.score, verdict.required);
            (Decision::Quarantine(reason), headers(actions, tags, content), "hold")
        }
        SpamAction::Tag => {
            (Decision::Accept, headers(actions, tags, content), if verdict.spam { "tag" } else { "pass" })
        }
        SpamAction::Pass => (Decision::Accept, Vec::new(), "pass"),
    }
}

fn action(actions: &Actions, verdict: &Verdict) -> SpamAction {
    let mut steps = [
        (actions.discard_at, SpamAction::Discard),
        (actions.reject_at, SpamAction::Reject),
        (actions.hold_at, SpamAction::Hold),
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

fn header_of(message: &[u8]) -> &[u8] {
    let end = message.windows(2).position(|pair| pair == b"\n\n").map_or(message.len(), |at| at + 2);
    &message[..end]
}
