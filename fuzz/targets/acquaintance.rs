//! Messages that are bounces and what they give back, headers that are cut for a signature, averages of any size, names
//! that they mention: no harm, and the same verdict from the same answers.
//!
//! The first eight bytes are the count and the sum that every name has; the rest is the message.
#![no_main]
#![forbid(unsafe_code)]

use engine::{Acquaintance, Answer, Answers, Engine, EngineOptions, Question, Scratch};
use libfuzzer_sys::fuzz_target;
use mail::{Envelope, Message, Transaction};
use protocols::edit;
use rules::source::NoReader;
use rules::{LoadOptions, Source, SourceKind};
use std::sync::LazyLock;

const RULES: &str = r"
loadplugin Mail::SpamAssassin::Plugin::TxRep
use_txrep 1
header FIRST  eval:check_first_contact()
header SITE   eval:check_first_contact('site')
header DOMAIN eval:check_first_contact('domain')
header PAL    eval:check_pen_pal()
header ANSWER eval:check_answer_to_us()
header BOUNCE eval:check_backscatter()
header TXREP  eval:check_senders_reputation()
header NEW_URI  eval:check_uri_first_seen('3')
header NEW_MAIL eval:check_email_first_seen()
header BAD_URI  eval:check_uri_seen_in_spam()
header BAD_MAIL eval:check_email_seen_in_spam('1')
priority TXREP 1000
body   ANY    /./
";

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let source = Source::new("acquaintance.cf", RULES, SourceKind::Site);
    let (ruleset, _) = rules::load(&[source], &engine::catalog(), &LoadOptions::default(), &mut NoReader);
    Engine::new(ruleset, EngineOptions::default())
});

fuzz_target!(|data: &[u8]| {
    let Some((numbers, mail)) = data.split_at_checked(8) else { return };
    let number = |at: usize| i32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let (count, total) = (u64::from(number(0).unsigned_abs()), i64::from(number(4)) << 20);

    let (fields, body) = edit::split(mail);
    assert!(fields.iter().map(|(name, value)| name.len() + value.len() + 1).sum::<usize>() + body.len() <= mail.len());

    let envelope = Envelope { sender: Some(Vec::new()), ..Envelope::default() };
    let transaction = Transaction { envelope, message: Message::parse(mail, &ENGINE.views.limits), now: 1_800_000_000 };
    let mut scratch = Scratch::new();
    let mut judge = |known: Answers| {
        engine::judge_asking(&ENGINE, &transaction, &mut scratch, known, |questions, _, answers| {
            for question in questions {
                let answer = match &question {
                    Question::Reputation { .. } => Answer::Standing { count, total },
                    Question::Acquaintance(Acquaintance::PenPal) => Answer::Known(true),
                    Question::Acquaintance(Acquaintance::Ours { id, author }) => {
                        assert!((3..=998).contains(&id.len()) && !author.is_empty());
                        Answer::Known(false)
                    }
                    Question::Mention { who, .. } => {
                        assert!(!who.is_empty());
                        Answer::Mentioned { age: Some(count), ham: count, spam: total.unsigned_abs() }
                    }
                    _ => Answer::Known(false),
                };
                answers.insert(question, answer);
            }
        })
    };
    let (verdict, _, answers) = judge(Answers::default());
    assert!(verdict.score.is_finite());
    let (again, ..) = judge(answers);
    assert_eq!(format!("{:?}", verdict.hits), format!("{:?}", again.hits));
});
