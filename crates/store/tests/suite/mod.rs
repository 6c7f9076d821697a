//! One suite for every backend. In: a way to open the same store again and again. Each case works on names and times of
//! its own, so that all may share one store, as the shelves of a site do.

#![allow(dead_code)] // each test program uses its part

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;
use store::backend::{Applied, Change, Count, Durability, Expect, Position, Range, Shelf};
use store::history::{Evidence, ForRecipient, Hit};
use store::lists::{Effect, Kind, Scope, Subject};
use store::outbox::{Backoff, State as Sending};
use store::quarantine::{NewEntry, Release, Retention, State, Who};
use store::reports::Row;
use store::reputation::Decay;
use store::seen::{Policy, Reason, Triplet};
use store::{Backend, Bytes, Error, Hash, Id, Store, Time, history, lessons, lists, quarantine};

pub type Open<'a> = &'a (dyn Fn() -> Store + Sync);
pub type OpenBackend<'a> = &'a (dyn Fn() -> std::sync::Arc<dyn Backend> + Sync);

pub const CASES: &[(&str, fn(Open<'_>))] = &[
    ("greylist: clients that retry are known at last", greylist_knows_clients),
    ("greylist: new, early, retried, found, forgotten", greylist_answers),
    ("history: found by recipient, queue id, time, page by page", history_by_fields),
    ("history: found by words, in Japanese too", history_by_words),
    ("history: more than is kept is counted", history_is_bounded),
    ("lessons: begun, said, folded, begun anew", lessons_in_order),
    ("lists: narrow before wide, own before global", lists_by_weight),
    ("lists: set, replaced, listed, removed, expired", lists_kept),
    ("outbox: enqueued, taken once, failed, given up, sent", outbox_round),
    ("quarantine: deleted for one, for all", quarantine_deletes),
    ("quarantine: kept byte for byte, once", quarantine_keeps),
    ("quarantine: released once, held again after failure", quarantine_releases),
    ("quarantine: retention by age and by size", quarantine_retention),
    ("rates: a window slides", rates_slide),
    ("reports: alike messages are counted together", reports_count),
    ("reputation: averages, watered down, forgotten", reputation_averages),
    ("seen: first, last, count", seen_notes),
    ("threads: contents come and go", threads_on_contents),
    ("threads: counts lose nothing", threads_on_counts),
    ("threads: one of many releases", threads_release_once),
    ("threads: preferences of one user", threads_on_preferences),
    ("users: preferences", users_preferences),
];

/// Runs every case on one store, then looks whether all is still there when it is opened again.
pub fn all(open: Open<'_>) {
    assert!(CASES.is_sorted_by_key(|(name, _)| *name), "sort CASES");
    for (name, case) in CASES {
        eprintln!("   {name}");
        case(open);
    }
    open().backend_verify();
}

trait VerifyAll {
    fn backend_verify(&self);
}

impl VerifyAll for Store {
    fn backend_verify(&self) {
        let verified = self.verify().expect("verifies");
        assert_eq!(verified.damaged, [], "damaged contents");
        self.ready().expect("ready");
    }
}

fn at(seconds: i64) -> Time {
    Time::from_seconds(1_700_000_000 + seconds)
}

fn random(seed: u8) -> store::Random {
    std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(u8::try_from(index).unwrap_or(0)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn mail(recipients: &[&str], subject: &str) -> NewEntry {
    NewEntry {
        queue_id: "4XyZ".into(),
        sender: "spammer@example.net".into(),
        recipients: recipients.iter().map(|recipient| Bytes::from(*recipient)).collect(),
        subject: subject.into(),
        category: "spam".into(),
        ..NewEntry::default()
    }
}

fn greylist_answers(open: Open<'_>) {
    let seen = open().seen();
    let policy = Policy::default();
    let triplet = Triplet { client: "192.0.2.0/24", sender: b"a@example.net", recipient: b"b@example.jp" };
    let ask = |triplet: &Triplet<'_>, now| {
        let answer = seen.greylist(triplet, &policy, at(now)).expect("answers");
        (answer.pass, answer.reason, answer.wait.as_secs(), answer.attempts)
    };
    assert_eq!(ask(&triplet, 0), (false, Reason::New, 300, 1));
    assert_eq!(ask(&triplet, 100), (false, Reason::EarlyRetry, 200, 2));
    let written_otherwise = Triplet { sender: b"A@EXAMPLE.net", ..triplet };
    assert_eq!(ask(&written_otherwise, 299), (false, Reason::EarlyRetry, 1, 3));
    let other = Triplet { recipient: b"c@example.jp", ..triplet };
    assert_eq!(ask(&other, 299), (false, Reason::New, 300, 1));
    // Opened anew, nothing is forgotten.
    let seen_again = open().seen();
    assert_eq!(seen_again.greylist(&triplet, &policy, at(300)).expect("answers").reason, Reason::Retried);
    assert_eq!(ask(&triplet, 301), (true, Reason::TripletFound, 0, 5));
    // The refresh at day 30 keeps it until day 65.
    assert_eq!(ask(&triplet, 30 * 86_400).1, Reason::TripletFound);
    assert_eq!(ask(&triplet, 60 * 86_400).1, Reason::TripletFound);
    assert_eq!(ask(&triplet, 120 * 86_400).1, Reason::New);
    // A first attempt without a retry is forgotten after two days.
    assert_eq!(ask(&other, 3 * 86_400).1, Reason::New);
    assert!(seen.list("triplet", None, 100).expect("lists").iter().any(|s| s.what.lossy().contains("c@example.jp")));
    assert!(seen.expire(at(400 * 86_400)).expect("expires") >= 2);
    assert_eq!(seen.list("triplet", None, 100).expect("lists"), []);
}

fn greylist_knows_clients(open: Open<'_>) {
    let seen = open().seen();
    let policy = Policy { clients_after: 3, ..Policy::default() };
    let ask = |sender: &str, now| {
        let triplet = Triplet { client: "198.51.100.0/24", sender: sender.as_bytes(), recipient: b"b@example.jp" };
        seen.greylist(&triplet, &policy, at(now)).expect("answers").reason
    };
    for sender in ["a1@x.example", "a2@x.example", "a3@x.example"] {
        assert_eq!(ask(sender, 0), Reason::New);
        assert_eq!(ask(sender, 400), Reason::Retried);
    }
    assert_eq!(ask("a4@x.example", 401), Reason::ClientKnown);
    let all = seen.list("triplet", None, 100).expect("lists");
    let (first, rest) = (seen.list("triplet", None, 1).expect("lists"), seen.list("triplet", all.first(), 100));
    assert_eq!([first, rest.expect("lists")].concat(), all, "page by page");
    let clients = seen.list("client", None, 10).expect("lists");
    assert_eq!(
        clients.iter().filter(|c| c.what.lossy() == "198.51.100.0/24").map(|c| c.count).collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(ask("a5@x.example", 34 * 86_400), Reason::ClientKnown);
    assert_eq!(ask("a5@x.example", 68 * 86_400), Reason::ClientKnown, "its last mail is what counts");
    assert!(seen.forget_client("198.51.100.0/24").expect("forgets"));
    assert!(!seen.forget_client("198.51.100.0/24").expect("forgets"));
    assert_eq!(ask("a6@x.example", 68 * 86_400), Reason::New);
    let attempt = seen.list("triplet", None, 100).expect("lists").into_iter().find(|s| s.what.lossy().contains("a6@x"));
    let attempt = attempt.expect("it was remembered");
    assert!(seen.forget(&attempt).expect("forgets") && !seen.forget(&attempt).expect("forgets"));
    seen.know_client("198.51.100.0/24", &policy, at(68 * 86_400)).expect("knows");
    assert_eq!(ask("a6@x.example", 68 * 86_400), Reason::ClientKnown);
    seen.expire(at(400 * 86_400)).expect("expires");
}

fn judged(subject: &str, from: &str, recipient: &str) -> history::Entry {
    history::Entry {
        queue_id: "QH1".into(),
        message_id: "<m@example.net>".into(),
        subject: subject.into(),
        from: from.into(),
        recipients: vec![ForRecipient {
            recipient: recipient.into(),
            action: "quarantine".into(),
            ..ForRecipient::default()
        }],
        hits: vec![Hit {
            rule: "JA_PHISHING_CARD".into(),
            score: 2.5,
            evidence: vec![Evidence { view: "text".into(), matched: "カードのご利用確認".into(), offset: 12 }],
            ..Hit::default()
        }],
        ..history::Entry::default()
    }
}

fn history_by_words(open: Open<'_>) {
    let history = open().history();
    let mut ids = Vec::new();
    for (second, (subject, from)) in [
        ("【重要】ご請求書の件", "経理 <keiri@example.jp>"),
        ("請願と求人のお知らせ", "人事 <jinji@example.jp>"),
        ("Your invoice 2026-11", "Billing <billing@example.com>"),
        ("ｱﾏｿﾞﾝからのお知らせ", "Amazon.co.jp <x@phish.example>"),
        ("请求发票", "税务 <a@example.cn>"),
    ]
    .into_iter()
    .enumerate()
    {
        let time = at(i64::try_from(second).expect("small"));
        ids.push(history.add(time, &random(1), judged(subject, from, "words@example.jp")).expect("adds"));
    }
    let ask = |text: &str| -> Vec<usize> {
        let query = history::Query {
            text: text.into(),
            recipient: Some("words@example.jp".into()),
            ..history::Query::default()
        };
        let page = open().history().search(&query).expect("searches");
        assert_eq!(page.next, None);
        page.entries.iter().map(|e| ids.iter().position(|id| *id == e.id).expect("ours")).collect()
    };
    assert_eq!(ask("請求"), [0]);
    assert_eq!(ask("请求"), [4]);
    assert_eq!(ask("求"), [4, 1, 0]);
    assert_eq!(ask("アマゾン"), [3]);
    assert_eq!(ask("AMAZON"), [3]);
    assert_eq!(ask("invoice billing"), [2]);
    assert_eq!(ask("invoices"), [] as [usize; 0]);
    assert_eq!(ask("ja_phishing_card"), [4, 3, 2, 1, 0]);
    assert_eq!(ask("ご利用 重要"), [0]);
    assert_eq!(ask("x@phish.example"), [3]);
    assert_eq!(ask("\" OR words:* NEAR(a b) ' ; --"), [] as [usize; 0]);
    assert_eq!(ask("  "), [4, 3, 2, 1, 0]);
    // What a record was found by goes with it.
    assert_eq!(history.expire(at(2), seconds(0)).expect("expires"), 2);
    assert_eq!(ask("請求"), [] as [usize; 0]);
    assert_eq!(ask("求"), [4]);
    history.expire(at(1_000), seconds(0)).expect("expires");
}

fn history_by_fields(open: Open<'_>) {
    let history = open().history();
    let mut ids = Vec::new();
    for number in 0..250u32 {
        let recipient = if number % 2 == 0 { "Even@example.jp" } else { "odd@example.jp" };
        let mut entry = judged("number", "n@example.net", recipient);
        entry.queue_id = format!("Q{}", number % 100);
        entry.message_id = format!("<{number}@example.net>").as_str().into();
        // Four a second with the same random bytes: ids that collide are moved on.
        ids.push(history.add(at(i64::from(number / 4)), &random(7), entry).expect("adds"));
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let shown = history.show(ids[17]).expect("reads").expect("is there");
    assert_eq!((shown.queue_id.as_str(), shown.id, shown.hits[0].evidence[0].offset), ("Q17", ids[17], 12));
    assert_eq!(history.show(Id::first_at(at(-5))).expect("reads"), None);
    let base = history::Query { recipient: Some("even@EXAMPLE.jp".into()), limit: 40, ..history::Query::default() };
    for text in ["", "number"] {
        let mut query = history::Query { text: text.into(), ..base.clone() };
        let mut found = Vec::new();
        loop {
            let page = history.search(&query).expect("searches");
            assert!(page.entries.len() <= 40);
            found.extend(page.entries.iter().map(|entry| entry.id));
            match page.next {
                Some(next) => query.before = Some(next),
                None => break,
            }
        }
        let expected: Vec<Id> =
            ids.iter().rev().copied().filter(|id| ids.iter().position(|i| i == id).expect("ours") % 2 == 0).collect();
        assert_eq!(found, expected, "with text {text:?}");
    }
    let by = |query: history::Query| -> Vec<usize> {
        let page = history.search(&query).expect("searches");
        page.entries.iter().map(|e| ids.iter().position(|id| *id == e.id).expect("ours")).collect()
    };
    let all = history::Query::default;
    assert_eq!(by(history::Query { queue_id: Some("Q7".into()), ..all() }), [207, 107, 7]);
    assert_eq!(by(history::Query { queue_id: Some("Q".into()), ..all() }), [] as [usize; 0]);
    assert_eq!(by(history::Query { message_id: Some("<9@example.net>".into()), ..all() }), [9]);
    assert_eq!(by(history::Query { since: Some(at(1)), until: Some(at(2)), ..all() }), [7, 6, 5, 4]);
    assert_eq!(history.expire(at(1_000), seconds(0)).expect("expires"), 250);
    assert_eq!(by(all()), [] as [usize; 0]);
}

fn history_is_bounded(open: Open<'_>) {
    let history = open().history();
    let mut entry = judged(&"長".repeat(5_000), "x", "bound@example.jp");
    entry.recipients = (0..500)
        .map(|n| ForRecipient { recipient: format!("{n}@bound.example").as_str().into(), ..ForRecipient::default() })
        .collect();
    entry.hits = (0..900).map(|n| Hit { rule: format!("R{n}"), ..Hit::default() }).collect();
    entry.hits[0].evidence = vec![Evidence { matched: vec![0xff; 100_000].into(), ..Evidence::default() }; 20];
    entry.sender = vec![0x80; 100_000].into();
    let id = history.add(at(0), &random(9), entry).expect("adds");
    let shown = history.show(id).expect("reads").expect("is there");
    assert_eq!((shown.recipients.len(), shown.hits.len(), shown.hits[0].evidence.len()), (200, 500, 8));
    assert_eq!(shown.omitted, 300 + 400 + 12);
    assert!(serde_json::to_vec(&shown).expect("writes").len() < 100_000);
    history.expire(at(1_000), seconds(0)).expect("expires");
}

fn quarantine_keeps(open: Open<'_>) {
    let quarantine = open().quarantine();
    let content: Vec<u8> = (0..100_000u32).map(|n| u8::try_from(n % 251 * (n % 7) % 256).unwrap_or(0)).collect();
    let one =
        quarantine.put(at(0), &random(1), mail(&["a@example.jp", "b@example.jp"], "請求書"), &content).expect("puts");
    let two = quarantine.put(at(0), &random(1), mail(&["c@example.jp"], "請求書"), &content).expect("puts");
    let empty = quarantine.put(at(1), &random(2), mail(&["a@example.jp"], ""), b"").expect("puts");
    assert_ne!(one.id, two.id);
    assert_eq!((one.content, one.size), (Some(Hash::of(&content)), 100_000));
    let again = open();
    let shown = again.quarantine().show(one.id).expect("reads").expect("is there");
    assert_eq!(shown, one);
    assert_eq!(again.quarantine().content(&shown).expect("reads"), content);
    assert_eq!(again.quarantine().content(&empty).expect("reads"), b"");
    let secrets: BTreeSet<String> =
        [&one, &two, &empty].iter().flat_map(|e| &e.recipients).map(|r| r.secret.to_string()).collect();
    // `one` and `two` were given the same random bytes, which only a test does.
    assert_eq!(secrets.len(), 3);
    assert!(secrets.iter().all(|secret| secret.len() == 32));
    let secret = empty.recipients[0].secret;
    assert_eq!(quarantine.by_secret(&secret).expect("reads").map(|e| e.id), Some(empty.id));
    let wrong = store::Secret([7; 16]);
    assert_eq!(quarantine.by_secret(&wrong).expect("reads"), None);
    let list = |recipient: Option<&str>, text: &str| -> Vec<Id> {
        let query = quarantine::Query {
            recipient: recipient.map(Bytes::from),
            text: text.into(),
            ..quarantine::Query::default()
        };
        quarantine.list(&query).expect("lists").entries.iter().map(|e| e.id).collect()
    };
    assert_eq!(list(Some("A@example.jp"), ""), [empty.id, one.id]);
    assert_eq!(list(None, ""), [empty.id, two.id, one.id]);
    assert_eq!(list(None, "請求"), [two.id, one.id]);
    assert_eq!(list(Some("c@example.jp"), "請求"), [two.id]);
    for (name, recipients) in [("none", 0), ("too many", 10_001)] {
        let recipients = vec!["a@example.jp"; recipients];
        let refused = quarantine.put(at(0), &random(1), mail(&recipients, ""), b"x");
        assert!(matches!(refused, Err(Error::Input { .. })), "{name}");
    }
    clear(open);
}

fn clear(open: Open<'_>) {
    let retention = Retention { age: seconds(0), bytes: 0 };
    open().quarantine().expire(at(1 << 30), retention).expect("expires");
}

fn quarantine_releases(open: Open<'_>) {
    let quarantine = open().quarantine();
    let content = b"From: a\r\n\r\n\xff\x00body";
    let entry = quarantine.put(at(0), &random(3), mail(&["a@example.jp", "b@example.jp"], "x"), content).expect("puts");
    let refused = quarantine.release(entry.id, Who::All, "admin", at(1), |_, to, bytes| {
        assert_eq!((to.len(), bytes), (2, &content[..]));
        Err("connection refused")
    });
    assert!(matches!(refused, Ok(Release::NotDelivered("connection refused"))));
    let by_b = quarantine.release(entry.id, Who::Recipient(b"B@example.jp"), "b", at(2), |_, _, _| Ok::<_, ()>(()));
    assert!(matches!(by_b, Ok(Release::Released(to)) if to == [Bytes::from("b@example.jp")]));
    let again =
        quarantine.release(entry.id, Who::Recipient(b"b@example.jp"), "b", at(3), |_, _, _| -> Result<(), ()> {
            panic!("delivered twice")
        });
    assert!(matches!(again, Ok(Release::NothingHeld)));
    // While one delivers, another finds nothing; a crash in the middle is over after the lease.
    let secret = entry.recipients[0].secret;
    let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = quarantine.release(entry.id, Who::Secret(&secret), "a", at(10), |_, _, _| -> Result<(), ()> {
            let other = open().quarantine();
            let second = other.release(entry.id, Who::All, "c", at(11), |_, _, _| Ok::<_, ()>(()));
            assert!(matches!(second, Ok(Release::NothingHeld)));
            std::panic::resume_unwind(Box::new("the process dies here"));
        });
    }));
    assert!(crashed.is_err());
    let state =
        |index: usize| quarantine.show(entry.id).expect("reads").expect("is there").recipients[index].state.clone();
    assert!(matches!(state(0), State::Releasing { .. }));
    let held = quarantine::Query { held_only: true, ..quarantine::Query::default() };
    assert_eq!(quarantine.list(&held).expect("lists").entries.len(), 1);
    let late = at(10 + 15 * 60);
    let last = quarantine.release(entry.id, Who::All, "admin", late, |_, to, _| {
        assert_eq!(to, [Bytes::from("a@example.jp")]);
        Ok::<_, ()>(())
    });
    assert!(matches!(last, Ok(Release::Released(_))));
    assert_eq!(state(0), State::Released { at: late, by: "admin".into() });
    assert_eq!(state(1), State::Released { at: at(2), by: "b".into() });
    assert_eq!(quarantine.list(&held).expect("lists").entries.len(), 0);
    let missing = quarantine.release(Id::first_at(at(9)), Who::All, "", at(9), |_, _, _| Ok::<_, ()>(()));
    assert!(matches!(missing, Err(Error::Missing { .. })));
    clear(open);
}

fn quarantine_deletes(open: Open<'_>) {
    let quarantine = open().quarantine();
    let entry = quarantine.put(at(0), &random(4), mail(&["a@example.jp", "b@example.jp"], "x"), b"same").expect("puts");
    let same = quarantine.put(at(0), &random(5), mail(&["c@example.jp"], "y"), b"same").expect("puts");
    let delete = |id, who: Who<'_>| quarantine.delete(id, who, "u", at(5)).expect("deletes").len();
    assert_eq!(delete(entry.id, Who::Recipient(b"a@example.jp")), 1);
    assert_eq!(delete(entry.id, Who::Recipient(b"a@example.jp")), 0);
    assert_eq!(quarantine.content(&entry).expect("b still has it"), b"same");
    assert_eq!(delete(entry.id, Who::All), 1);
    let entry = quarantine.show(entry.id).expect("reads").expect("is there");
    assert_eq!(entry.content, None);
    assert!(matches!(quarantine.content(&entry), Err(Error::Missing { .. })));
    assert_eq!(quarantine.content(&same).expect("another entry names it"), b"same");
    assert_eq!(delete(same.id, Who::All), 1);
    assert!(matches!(quarantine.content(&same), Err(Error::Content { .. })), "nobody names it any more");
    let gone = quarantine.release(same.id, Who::All, "u", at(6), |_, _, _| Ok::<_, ()>(()));
    assert!(matches!(gone, Ok(Release::NothingHeld)));
    clear(open);
}

fn quarantine_retention(open: Open<'_>) {
    let quarantine = open().quarantine();
    let put = |second: i64, content: &[u8]| {
        let seed = u8::try_from(second % 200).expect("small");
        quarantine.put(at(second), &random(seed), mail(&["a@example.jp"], "x"), content).expect("puts").id
    };
    let there = || -> Vec<Id> {
        let mut ids: Vec<Id> = quarantine
            .list(&quarantine::Query { limit: 1_000, ..quarantine::Query::default() })
            .expect("lists")
            .entries
            .iter()
            .map(|e| e.id)
            .collect();
        ids.reverse();
        ids
    };
    let ids: Vec<Id> = (0..10u8).map(|n| put(i64::from(n) * 10, &vec![n; 1_000])).collect();
    // The same bytes twice count once.
    let double = put(95, &[9; 1_000]);
    let expire = |now: i64, age: u64, bytes: u64| {
        let expired = quarantine.expire(at(now), Retention { age: seconds(age), bytes }).expect("expires");
        (expired.by_age, expired.by_size, expired.contents)
    };
    assert_eq!(expire(100, 1_000, 10_000), (0, 0, 0));
    assert_eq!(expire(100, 80, 10_000), (2, 0, 2));
    assert_eq!(expire(100, 1_000, 5_500), (0, 3, 3));
    assert_eq!(there(), [&ids[5..], &[double]].concat());
    assert_eq!(expire(100, 1_000, 999), (0, 6, 5));
    assert_eq!(there(), []);
    clear(open);
}

fn lessons_in_order(open: Open<'_>) {
    let lessons = open().lessons();
    assert!(lessons.begin(lessons.head().expect("reads").as_ref(), 11, 100, None, (0, 0)).expect("begins"));
    assert_eq!(lessons.append(10, &[b"x".to_vec()]).expect("refuses"), None, "another order");
    // Whatever bytes they are, and whoever says at the same time: each has a place of its own, without gaps.
    let said = |worker: usize, n: usize| [&[0, 255, worker as u8, n as u8][..], &[b'x'; 5_000]].concat();
    threads(open, |worker, store| {
        for n in 0..5 {
            let two = [said(worker, 2 * n), said(worker, 2 * n + 1)];
            assert!(store.lessons().append(11, &two).expect("says").is_some_and(|last| last > 101));
        }
    });
    let head = lessons.head().expect("reads").expect("is there");
    let all = lessons.read(100, 1_000).expect("reads");
    let many = all.len() as u64;
    assert_eq!((head.first, head.last, head.base), (101, 100 + many, 100));
    assert!(many >= 20 && all.iter().map(|(at, _)| *at).eq(101..=100 + many));
    assert_eq!(all.iter().map(|(_, bytes)| bytes.clone()).collect::<BTreeSet<_>>().len(), all.len());
    for pair in all.chunks(2) {
        assert_eq!(
            (pair[0].1[2], pair[0].1[3] + 1),
            (pair[1].1[2], pair[1].1[3]),
            "what is said at once stays together"
        );
    }
    assert_eq!(lessons.read(110, 3).expect("reads"), all[10..13]);

    // The older part becomes a model; who comes too late with another is told so.
    assert!(lessons.fold(&head, 115, b"model of 115", 5).expect("folds"));
    assert!(!lessons.fold(&head, 116, b"model of 116", 5).expect("is too late"));
    let folded = lessons.head().expect("reads").expect("is there");
    assert_eq!((folded.first, folded.last, folded.base), (111, head.last, 115));
    assert_eq!(lessons.model(&folded).expect("reads").as_deref(), Some(&b"model of 115"[..]));
    assert_eq!(lessons.read(0, 2).expect("reads"), all[10..12]);
    assert!(lessons.fold(&folded, 118, b"model of 118", 0).expect("folds"));
    assert!(matches!(lessons.model(&folded), Err(Error::Content { .. })), "the old one is gone");

    let peer = |node, position| lessons::Peer { node, name: "mx1".into(), position, at: at(node as i64) };
    for told in [peer(1, 5), peer(2, 7), peer(1, 9)] {
        lessons.tell(&told).expect("tells");
    }
    assert_eq!(lessons.peers().expect("reads"), [peer(1, 9), peer(2, 7)]);
    lessons.forget_peers(at(2)).expect("forgets");
    assert_eq!(lessons.peers().expect("reads"), [peer(2, 7)]);

    let old = lessons.head().expect("reads");
    assert!(lessons.begin(old.as_ref(), 12, 500, None, (11, 499)).expect("begins"));
    assert!(!lessons.begin(old.as_ref(), 13, 500, Some(b"of another"), (11, 499)).expect("is too late"));
    assert_eq!(lessons.read(0, 10).expect("reads"), [], "what the old order had is gone");
    assert_eq!(lessons.append(12, &[b"first".to_vec()]).expect("says"), Some(501));
    assert!(lessons.append(12, &vec![Vec::new(); 51]).is_err() && lessons.append(12, &[vec![0; 2 << 20]]).is_err());
}

fn lists_kept(open: Open<'_>) {
    let lists = open().lists();
    let entry = |scope: Scope, kind, value: &str, effect| {
        lists::Entry::new(scope, kind, value, effect, "admin", at(0)).expect(value)
    };
    let me = || Scope::user("Me@example.jp");
    lists.set(&entry(Scope::Global, Kind::Domain, "kept.example", Effect::Block)).expect("sets");
    lists.set(&entry(Scope::Global, Kind::Domain, "KEPT.example", Effect::Score(1.5))).expect("sets");
    for number in 0..5 {
        lists.set(&entry(me(), Kind::Sender, &format!("s{number}@kept.example"), Effect::Allow)).expect("sets");
    }
    let global = open().lists().list(&Scope::Global, None, 10).expect("lists");
    assert_eq!(
        global.iter().map(|e| (e.value.as_str(), e.effect)).collect::<Vec<_>>(),
        [("kept.example", Effect::Score(1.5))]
    );
    let first = lists.list(&me(), None, 3).expect("lists");
    let rest = lists.list(&me(), first.last(), 3).expect("lists");
    let values: Vec<&str> = first.iter().chain(&rest).map(|e| e.value.as_str()).collect();
    assert_eq!(values, ["s0@kept.example", "s1@kept.example", "s2@kept.example", "s3@kept.example", "s4@kept.example"]);
    assert!(lists.remove(&me(), Kind::Sender, "S0@kept.example").expect("removes"));
    assert!(!lists.remove(&me(), Kind::Sender, "s0@kept.example").expect("removes"));
    let mut passing = entry(Scope::Global, Kind::Network, "203.0.113.0/24", Effect::Block);
    passing.expires = Some(at(100));
    lists.set(&passing).expect("sets");
    let subject = [Subject::Address("203.0.113.9".parse().expect("address"))];
    let matching = |now: i64| lists.matching(&[Scope::Global], &subject, at(now)).expect("matches").0.len();
    assert_eq!((matching(99), matching(100)), (1, 0));
    assert_eq!(lists.expire(at(101)).expect("expires"), 1);
    assert_eq!(matching(50), 0);
    assert!(lists.remove(&Scope::Global, Kind::Domain, "kept.example").expect("removes"));
}

fn lists_by_weight(open: Open<'_>) {
    let lists = open().lists();
    let set = |scope: Scope, kind, value: &str, effect| {
        lists.set(&lists::Entry::new(scope, kind, value, effect, "admin", at(0)).expect(value)).expect("sets");
    };
    let me = Scope::user("me@example.jp");
    set(Scope::Global, Kind::Domain, "example.net", Effect::Block);
    set(Scope::Global, Kind::Domain, "good.example.net", Effect::Allow);
    set(Scope::Global, Kind::Network, "192.0.2.0/24", Effect::Block);
    set(Scope::Global, Kind::Network, "192.0.2.128/25", Effect::Allow);
    set(Scope::Global, Kind::Network, "2001:db8::/32", Effect::Score(2.0));
    set(Scope::Global, Kind::Url, "https://phish.example/login/", Effect::Block);
    set(Scope::Global, Kind::Hash, "d41d8cd98f00b204e9800998ecf8427e", Effect::Block);
    set(Scope::Global, Kind::Sender, "friend@example.org", Effect::Score(-3.0));
    set(me.clone(), Kind::Domain, "example.net", Effect::Allow);
    let ask = |scopes: &[Scope], subjects: &[Subject<'_>]| {
        let matches = lists.matching(scopes, subjects, at(1)).expect("matches");
        (matches.decision().map(|entry| entry.effect), matches.score())
    };
    let global = [Scope::Global];
    let address = |text: &str| Subject::Address(text.parse().expect("address"));
    for (subjects, expected) in [
        (vec![Subject::Sender("x@mail.Example.net")], (Some(Effect::Block), 0.0)),
        (vec![Subject::Sender("x@good.example.net")], (Some(Effect::Allow), 0.0)),
        (vec![Subject::Domain("notexample.net")], (None, 0.0)),
        (vec![address("192.0.2.1")], (Some(Effect::Block), 0.0)),
        (vec![address("192.0.2.200")], (Some(Effect::Allow), 0.0)),
        (vec![address("::ffff:192.0.2.1")], (Some(Effect::Block), 0.0)),
        (vec![address("2001:db8:1::1")], (None, 2.0)),
        (vec![Subject::Url("https://PHISH.example/login/a?b")], (Some(Effect::Block), 0.0)),
        (vec![Subject::Url("https://phish.example/logins")], (None, 0.0)),
        (vec![Subject::Hash("D41D8CD98F00B204E9800998ECF8427E")], (Some(Effect::Block), 0.0)),
        (vec![Subject::Sender("Friend@example.org"), address("2001:db8::9")], (None, -1.0)),
        (vec![], (None, 0.0)),
    ] {
        assert_eq!(ask(&global, &subjects), expected, "{subjects:?}");
    }
    let both = [Scope::Global, me.clone()];
    assert_eq!(ask(&both, &[Subject::Domain("example.net")]), (Some(Effect::Allow), 0.0), "a user's own entry wins");
    for scope in both {
        for entry in lists.list(&scope, None, 100).expect("lists") {
            assert!(lists.remove(&scope, entry.kind, &entry.value).expect("removes"));
        }
    }
}

fn outbox_round(open: Open<'_>) {
    let outbox = open().outbox();
    let backoff = Backoff { first: seconds(60), longest: seconds(100), give_up: 3 };
    let body = "Subject: 隔離のお知らせ\r\n\r\nbody".as_bytes();
    let one = outbox.enqueue(at(0), &random(1), "digest", b"a@example.jp", body).expect("enqueues");
    let two = outbox.enqueue(at(5), &random(2), "alarm", b"b@example.jp", b"\xff").expect("enqueues");
    let take = |now: i64| -> Vec<Id> {
        open().outbox().take(at(now), seconds(30), 10).expect("takes").iter().map(|n| n.id).collect()
    };
    assert_eq!(take(-1), []);
    assert_eq!(take(0), [one]);
    assert_eq!(take(10), [two]);
    assert_eq!(take(11), []);
    let shown = outbox.show(one).expect("reads").expect("is there");
    assert_eq!((shown.body.0.as_slice(), shown.attempts, shown.kind.as_str()), (body, 1, "digest"));
    assert_eq!(outbox.failed(two, "refused", &backoff, at(12)).expect("fails"), Sending::Waiting { until: at(72) });
    assert_eq!(take(30), [one], "its lease ran out");
    outbox.sent(one, at(31)).expect("sent");
    outbox.sent(one, at(32)).expect("sent");
    assert_eq!(outbox.failed(one, "late news", &backoff, at(33)).expect("kept"), Sending::Sent { at: at(31) });
    assert_eq!(take(71), []);
    assert_eq!(take(72), [two]);
    assert_eq!(outbox.failed(two, "refused", &backoff, at(73)).expect("fails"), Sending::Waiting { until: at(173) });
    assert_eq!(take(200), [two]);
    assert_eq!(outbox.failed(two, "refused", &backoff, at(201)).expect("fails"), Sending::GivenUp { at: at(201) });
    assert_eq!(take(10_000), []);
    outbox.again(two, at(300)).expect("again");
    assert_eq!(take(300), [two]);
    outbox.sent(two, at(301)).expect("sent");
    assert_eq!(outbox.list(None, 10).expect("lists").iter().map(|n| n.id).collect::<Vec<_>>(), [two, one]);
    assert_eq!(outbox.expire(at(131), seconds(100)).expect("expires"), 0);
    assert_eq!(outbox.expire(at(132), seconds(100)).expect("expires"), 1);
    assert_eq!(outbox.list(Some(two), 10).expect("lists"), []);
    assert_eq!(outbox.expire(at(1_000), seconds(100)).expect("expires"), 1);
    assert!(matches!(outbox.sent(one, at(2_000)), Err(Error::Missing { .. })));
}

fn rates_slide(open: Open<'_>) {
    let rates = open().rates();
    let hour = seconds(3_600);
    let add =
        |subject: &str, more, now: i64| rates.add("messages", subject.as_bytes(), hour, more, at(now)).expect("adds");
    let start = 100 * 3_600;
    assert_eq!(add("user", 1, start), 1);
    assert_eq!(add("user", 5, start + 10), 6);
    assert_eq!(add("other", 2, start + 10), 2);
    assert_eq!(add("user", 1, start + 1_800), 7);
    assert_eq!(add("user", 0, start + 3_600), 7, "the first is an hour old and still counted");
    assert_eq!(add("user", 0, start + 3_600 + 71), 1);
    assert_eq!(add("user", 1, start + 3_600 + 120), 2);
    assert_eq!(rates.add("recipients", b"user", hour, 1, at(start)).expect("adds"), 1, "another count");
    assert_eq!(rates.add("messages", b"user", seconds(60), 1, at(start)).expect("adds"), 1, "another window");
    let again = open().rates();
    assert_eq!(again.add("messages", b"user", hour, 0, at(start + 3_720)).expect("adds"), 2);
    again.expire(at(start + 20 * 3_600)).expect("expires");
    assert_eq!(add("user", 0, start + 3_720), 0);
}

fn reputation_averages(open: Open<'_>) {
    let reputation = open().reputation();
    let decay = Decay { factor: 1.0, keep: seconds(1000) };
    let add = |who: &[u8], score, now| {
        let standing = open().reputation().add("email", who, score, &decay, at(now)).expect("adds");
        (standing.count, standing.total)
    };
    assert_eq!(reputation.get("email", b"a@x", at(0)).expect("reads"), None);
    assert_eq!(add(b"a@x", 3000, 0), (1, 3000));
    assert_eq!(add(b"a@x", -1000, 10), (2, 2000));
    let standing = reputation.get("email", b"a@x", at(11)).expect("reads").expect("is there");
    assert_eq!((standing.mean(), standing.first, standing.last), (1000, at(0), at(10)));
    assert_eq!(reputation.get("domain", b"a@x", at(11)).expect("reads"), None, "kinds are apart");
    // Half of the weight is lost: (0.5 * 4000 + 0) / (0.5 * 1 + 1) is the average of two.
    let halved = Decay { factor: 0.5, ..decay };
    reputation.add("email", b"b@x", 4000, &halved, at(0)).expect("adds");
    assert_eq!(reputation.add("email", b"b@x", 0, &halved, at(1)).expect("adds").total, 2667);
    // Nonsense is bounded.
    assert_eq!(add(&[b'x'; 10_000], i64::MAX, 0), (1, 1_000_000));
    let all = reputation.list("email", None, 100).expect("lists");
    assert_eq!(all.len(), 3);
    assert_eq!(reputation.list("email", Some(&all[1]), 100).expect("lists"), all[2..]);
    assert!(reputation.forget(&standing).expect("forgets") && !reputation.forget(&standing).expect("forgets"));
    assert_eq!(reputation.get("email", b"b@x", at(2000)).expect("reads"), None);
    assert_eq!(reputation.expire(at(2000)).expect("expires"), 2);
}

fn reports_count(open: Open<'_>) {
    let reports = open().reports();
    let now = at(0);
    let day = Row::day_of(now);
    let row = |domain: &str, source: &str| Row {
        domain: domain.into(),
        source: source.into(),
        disposition: "none".into(),
        header_from: domain.into(),
        ..Row::default()
    };
    for (domain, source) in [("b.example", "192.0.2.1"), ("a.example", "192.0.2.1"), ("b.example", "192.0.2.1")] {
        assert!(open().reports().add(row(domain, source), seconds(1000), now).expect("adds"));
    }
    assert!(reports.add(row("b.example", "192.0.2.2"), seconds(1000), at(1)).expect("adds"));
    assert!(reports.add(row("c.example", "192.0.2.2"), seconds(1000), at(200_000)).expect("adds"));
    assert_eq!(reports.domains(day).expect("lists"), ["a.example", "b.example"]);
    let mut rows = reports.of(day, "b.example").expect("lists");
    rows.sort_by(|a, b| a.source.cmp(&b.source));
    let counts: Vec<_> = rows.iter().map(|row| (row.source.as_str(), row.count)).collect();
    assert_eq!(counts, [("192.0.2.1", 2), ("192.0.2.2", 1)]);
    assert_eq!(reports.left_out(day, "b.example", 0, now).expect("counts"), 0);
    assert_eq!(reports.expire(at(2000)).expect("expires"), 3);
    assert_eq!(reports.domains(day).expect("lists"), [""; 0]);
    assert_eq!(reports.expire(at(300_000)).expect("expires"), 1);
}

fn seen_notes(open: Open<'_>) {
    let seen = open().seen();
    let long = vec![b'x'; 10_000];
    for key in [&b"correspondent"[..], &long] {
        assert_eq!(seen.known("pair", key, at(0)).expect("reads"), None);
        let first = seen.note("pair", key, seconds(100), at(0)).expect("notes");
        assert_eq!((first.count, first.first, first.last, first.expires), (1, at(0), at(0), at(100)));
        let second = open().seen().note("pair", key, seconds(100), at(50)).expect("notes");
        assert_eq!((second.count, second.first, second.last, second.expires), (2, at(0), at(50), at(150)));
        assert_eq!(seen.known("pair", key, at(149)).expect("reads"), Some(second));
        assert_eq!(seen.known("pair", key, at(150)).expect("reads"), None);
        assert_eq!(seen.note("pair", key, seconds(100), at(160)).expect("notes").count, 1);
    }
    assert_eq!(seen.expire(at(261)).expect("expires"), 2);
    // In spam, and not.
    for (spam, time) in [(true, 300), (false, 310), (true, 320)] {
        seen.note_in("domain", b"x.example", spam, seconds(100), at(time)).expect("notes");
    }
    let known = open().seen().known("domain", b"x.example", at(330)).expect("reads").expect("is known");
    assert_eq!((known.count, known.spam, known.first, known.last), (3, 2, at(300), at(320)));
    assert!(seen.forget(&known).expect("forgets") && !seen.forget(&known).expect("forgets"));
}

fn users_preferences(open: Open<'_>) {
    let users = open().users();
    users.set("Alice@example.jp", "required_score", "6.5").expect("sets");
    users.set("alice@example.jp", "language", "日本語").expect("sets");
    users.set("bob@example.jp", "language", "en").expect("sets");
    let alice = open().users().preferences("ALICE@example.jp").expect("reads");
    assert_eq!(
        alice.into_iter().collect::<Vec<_>>(),
        [("language".into(), "日本語".into()), ("required_score".to_owned(), "6.5".to_owned())]
    );
    assert!(users.unset("alice@example.jp", "language").expect("unsets"));
    assert!(!users.unset("alice@example.jp", "language").expect("unsets"));
    let names = |after: &str, limit| -> Vec<String> {
        users.list(after, limit).expect("lists").into_iter().map(|u| u.user).collect()
    };
    assert_eq!(names("", 10), ["alice@example.jp", "bob@example.jp"]);
    assert_eq!(names("alice@example.jp", 10), ["bob@example.jp"]);
    assert_eq!(names("", 1), ["alice@example.jp"]);
    for (user, name, value) in [("", "a", "b"), ("u", "", "b"), ("u", "n", &"v".repeat(20_000)[..])] {
        assert!(matches!(users.set(user, name, value), Err(Error::Input { .. })));
    }
    assert!(users.unset("alice@example.jp", "required_score").expect("unsets"));
    assert!(users.unset("bob@example.jp", "language").expect("unsets"));
    assert_eq!(names("", 10), [] as [String; 0]);
}

const THREADS: usize = 4;

/// Runs `work` on several threads at once, half of them on a store of their own.
fn threads(open: Open<'_>, work: impl Fn(usize, &Store) + Sync) {
    let shared = open();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (work, start) = (&work, &start);
            let store = if number % 2 == 0 { shared.clone() } else { open() };
            scope.spawn(move || {
                start.wait();
                work(number, &store);
            });
        }
    });
}

fn threads_on_counts(open: Open<'_>) {
    const EACH: u64 = 100;
    threads(open, |_, store| {
        for _ in 0..EACH {
            store.rates().add("threads", b"all", seconds(3_600), 1, at(0)).expect("adds");
        }
    });
    let sum = open().rates().add("threads", b"all", seconds(3_600), 0, at(0)).expect("reads");
    assert_eq!(sum, EACH * u64::try_from(THREADS).expect("small"));
    open().rates().expire(at(1 << 30)).expect("expires");
}

fn threads_on_preferences(open: Open<'_>) {
    threads(open, |number, store| {
        for round in 0..8 {
            store.users().set("threads@example.jp", &format!("{number}-{round}"), "x").expect("sets");
        }
    });
    let users = open().users();
    let preferences = users.preferences("threads@example.jp").expect("reads");
    assert_eq!(preferences.len(), THREADS * 8);
    for name in preferences.keys() {
        users.unset("threads@example.jp", name).expect("unsets");
    }
}

fn threads_release_once(open: Open<'_>) {
    let delivered = std::sync::atomic::AtomicU32::new(0);
    let entry = open().quarantine().put(at(0), &random(6), mail(&["a@example.jp"], "x"), b"once").expect("puts");
    threads(open, |_, store| {
        store
            .quarantine()
            .release(entry.id, Who::All, "x", at(1), |_, _, _| {
                delivered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, ()>(())
            })
            .expect("releases or finds nothing");
    });
    assert_eq!(delivered.into_inner(), 1);
    clear(open);
}

/// Entries with the same few contents are put and deleted at once, while a sweep removes what nobody names: no entry that
/// was acknowledged may ever lack its bytes.
fn threads_on_contents(open: Open<'_>) {
    threads(open, |number, store| {
        let quarantine = store.quarantine();
        for round in 0..12u8 {
            let seed = u8::try_from(number).expect("small") * 50 + round;
            let content = [round % 3; 100];
            let entry = quarantine.put(at(0), &random(seed), mail(&["t@example.jp"], "x"), &content).expect("puts");
            assert_eq!(quarantine.content(&entry).expect("is whole"), content);
            if round % 2 == 0 {
                quarantine.delete(entry.id, Who::All, "x", at(1)).expect("deletes");
            }
            if number == 0 && round % 4 == 0 {
                quarantine.expire(at(2), Retention { age: seconds(1_000), bytes: 1 << 30 }).expect("expires");
            }
        }
    });
    let store = open();
    let verified = store.verify().expect("verifies");
    assert_eq!((verified.contents, verified.damaged), (u64::try_from(THREADS * 6).expect("small"), vec![]));
    clear(open);
}

/// The interface itself, where shelves would not go: every answer of a backend beside the reference's, for the same
/// pseudo-random sequence of calls.
pub fn same_as(reference: &dyn Backend, judged: &dyn Backend, rounds: u32) {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let word = |n: u64| ["請求", "求", "invoice", "x_y", "é", "a"][usize::try_from(n % 6).expect("small")].to_owned();
    let contents: Vec<Vec<u8>> = (0..3u8).map(|n| vec![n; 10]).collect();
    // Versions are each backend's own: they are learned from it.
    for round in 0..rounds {
        match next(10) {
            0..5 => {
                let many = 1 + next(3);
                let mut choices = Vec::new();
                let mut keys = BTreeSet::new();
                for _ in 0..many {
                    let key = next(12);
                    if keys.insert(key) {
                        choices.push((key, next(4), next(4), next(50), next(6), next(6), next(4)));
                    }
                }
                let changes = |backend: &dyn Backend| -> Vec<Change> {
                    choices
                        .iter()
                        .map(|&(key, expect, kind, value, word_a, word_b, content)| {
                            let key = (key + 1).to_be_bytes().to_vec();
                            let expect = match expect {
                                0 => Expect::Absent,
                                1 => match backend.records(Shelf::History, &[&key]).expect("reads").remove(0) {
                                    Some(record) => Expect::Version(record.version),
                                    None => Expect::Version(1),
                                },
                                _ => Expect::Anything,
                            };
                            if kind == 0 {
                                return Change::Delete { shelf: Shelf::History, key, expect };
                            }
                            let mut at = vec![u8::try_from(value).expect("small")];
                            at.extend_from_slice(&key);
                            let words: BTreeSet<String> = [word(word_a), word(word_b)].into();
                            Change::Put {
                                shelf: Shelf::History,
                                expect,
                                value: vec![u8::try_from(value).expect("small"); 3],
                                positions: vec![
                                    Position { list: "a", at: at.clone() },
                                    Position { list: "b", at: key.clone() },
                                ],
                                words: words.into_iter().collect(),
                                content: contents
                                    .get(usize::try_from(content).expect("small"))
                                    .map(|bytes| Hash::of(bytes)),
                                key,
                            }
                        })
                        .collect()
                };
                let durability = if next(2) == 0 { Durability::Synced } else { Durability::Soon };
                let wanted = reference.apply(&changes(reference), durability).expect("applies");
                let got = judged.apply(&changes(judged), durability).expect("applies");
                assert_eq!(got, wanted, "round {round}: {choices:?}");
            }
            5 => {
                let bytes = &contents[usize::try_from(next(3)).expect("small")];
                for backend in [reference, judged] {
                    backend.put_content(&Hash::of(bytes), bytes).expect("puts");
                }
            }
            6 => {
                let hash = Hash::of(&contents[usize::try_from(next(3)).expect("small")]);
                let all = next(3) == 0;
                let remove = |backend: &dyn Backend| match all {
                    true => backend.remove_unnamed_contents().expect("removes"),
                    false => u64::from(backend.remove_content(&hash).expect("removes")),
                };
                assert_eq!(remove(judged), remove(reference), "round {round}");
            }
            7 => {
                let count = Count {
                    name: &[u8::try_from(next(3)).expect("small"), 0xff, 0],
                    slot: 10 + next(10),
                    add: i64::try_from(next(7)).expect("small") - 3,
                    since: 8 + next(6),
                    expires: Time::from_millis(i64::try_from(1_000 * next(9)).expect("small")),
                };
                assert_eq!(
                    judged.count(&count).expect("counts"),
                    reference.count(&count).expect("counts"),
                    "{count:?}"
                );
                if next(5) == 0 {
                    let now = Time::from_millis(i64::try_from(1_000 * next(9)).expect("small"));
                    assert_eq!(
                        judged.forget_counts(now).expect("forgets"),
                        reference.forget_counts(now).expect("forgets")
                    );
                }
            }
            _ => {
                let shown = |records: Vec<store::backend::Record>| -> Vec<(Vec<u8>, Vec<u8>)> {
                    records.into_iter().map(|record| (record.key, record.value)).collect()
                };
                let (from, to) =
                    (vec![u8::try_from(next(50)).expect("small")], vec![u8::try_from(next(50)).expect("small")]);
                let range = Range {
                    shelf: Shelf::History,
                    list: if next(2) == 0 { "a" } else { "b" },
                    from: if next(3) == 0 { &[] } else { &from },
                    to: if next(3) == 0 { None } else { Some(&to) },
                    backwards: next(2) == 0,
                    limit: usize::try_from(next(6)).expect("small"),
                };
                assert_eq!(
                    shown(judged.range(&range).expect("lists")),
                    shown(reference.range(&range).expect("lists")),
                    "round {round}: {range:?}"
                );
                let (one, two) = (word(next(6)), word(next(6)));
                let words = if one == two { vec![one.as_str()] } else { vec![one.as_str(), two.as_str()] };
                let (before, limit) = (next(14), usize::try_from(1 + next(5)).expect("small"));
                let search = |backend: &dyn Backend| {
                    shown(backend.search(Shelf::History, &words, before, limit).expect("searches"))
                };
                assert_eq!(search(judged), search(reference), "round {round}: {words:?} before {before}");
                assert_eq!(judged.content_bytes().expect("adds up"), reference.content_bytes().expect("adds up"));
                for bytes in &contents {
                    let hash = Hash::of(bytes);
                    assert_eq!(
                        judged.content(&hash).expect("reads"),
                        reference.content(&hash).expect("reads"),
                        "round {round}"
                    );
                }
            }
        }
    }
    let applied = reference.apply(&[], Durability::Soon).expect("applies");
    assert_eq!((applied, judged.apply(&[], Durability::Soon).expect("applies")), (Applied::Done, Applied::Done));
}
