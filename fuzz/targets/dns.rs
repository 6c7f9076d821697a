//! What name servers answer: whatever stands in a record, checks read it without harm, and the same twice.
//!
//! The bytes are cut at newlines; each question takes the next line as its answer, the first byte choosing its kind.
#![no_main]
#![forbid(unsafe_code)]

use engine::{Answer, Answers, Engine, EngineOptions, Question, Record, Scratch};
use libfuzzer_sys::fuzz_target;
use mail::{Envelope, Message, Transaction};
use rules::source::NoReader;
use rules::{LoadOptions, ScoreSet, Source, SourceKind};
use std::sync::LazyLock;

const RULES: &str = r"
loadplugin Mail::SpamAssassin::Plugin::DNSEval
loadplugin Mail::SpamAssassin::Plugin::URIDNSBL
loadplugin Mail::SpamAssassin::Plugin::AskDNS
loadplugin Mail::SpamAssassin::Plugin::ASN
loadplugin Mail::SpamAssassin::Plugin::HashBL
header   SET    eval:check_rbl('s', 'l.test.')
header   SUB    eval:check_rbl_sub('s', '6')
header   REGEX  eval:check_rbl_sub('s', '^127\.0\.0\.[2-4]$')
header   TXT    eval:check_rbl_txt('t', 'l.test.', '(?i:listed)')
urirhssub U u.test. A 127.0.0.2-127.0.0.9
body     U      eval:check_uridnsbl('U')
urifullnsrhsbl N n.test. TXT
body     N      eval:check_uridnsbl('N')
uridnsbl A      a.test. A
body     A      eval:check_uridnsbl('A')
tflags   A      net a
askdns   ASK    _AUTHORDOMAIN_.ask.test TXT /x/
askdns   MX     _URIDOMAINS_ MX,NS 127.0.0.2/255.0.0.1
askdns   CODE   _ASN_.code.test A [NXDOMAIN,SERVFAIL]
asn_lookup asn.test _ASN_ _ASNCIDR_
header   ASN    eval:check_asn('/AS1/')
header   HASH   eval:check_hashbl_emails('h.test/TXT', 'sha256', 'ALLFROM', '.')
header   TAG    eval:check_hashbl_tag('h.test', 'raw/trim', 'ASNCIDR')
";

const MAIL: &[u8] = b"Received: from a.example.com (a.example.com [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id 1;\n\
    \tSat, 21 Nov 2026 10:00:00 +0900\nFrom: joe@example.jp\nSubject: x\n\nhttp://www.shop.com/ http://192.0.2.9/\n";

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let score_set = ScoreSet { network: true, bayes: false };
    let options = LoadOptions { score_set, ..LoadOptions::default() };
    let source = Source::new("dns.cf", RULES, SourceKind::Site);
    let (ruleset, _) = rules::load(&[source], &engine::catalog(), &options, &mut NoReader);
    Engine::new(ruleset, EngineOptions { score_set, ..EngineOptions::default() })
});

fn answer(question: &Question, line: &[u8]) -> Answer {
    let (kind, text) = line.split_first().unwrap_or((&b'-', b""));
    let words = || String::from_utf8_lossy(text).split(';').map(str::to_owned).collect::<Vec<_>>();
    let is_text = matches!(question, Question::Dns { record, .. } if *record == Record::TXT);
    match kind {
        b'n' => Answer::NoSuchName,
        b'f' => Answer::Failed(u16::from(text.first().copied().unwrap_or(2))),
        b'-' => Answer::Unknown,
        b'o' => Answer::NotAsked,
        _ if is_text => Answer::Texts(words().iter().map(|word| word.split('|').map(str::to_owned).collect()).collect()),
        _ => Answer::Records(words()),
    }
}

fuzz_target!(|data: &[u8]| {
    let transaction = Transaction {
        envelope: Envelope::default(),
        message: Message::parse(MAIL, &ENGINE.views.limits),
        now: 1_800_000_000,
    };
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut asked = 0;
    let mut scratch = Scratch::new();
    let (verdict, _, answers) =
        engine::judge_asking(&ENGINE, &transaction, &mut scratch, Answers::default(), |questions, _, answers| {
            for question in questions {
                asked += 1;
                if let Question::Dns { name, .. } = &question {
                    assert!(name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len())));
                }
                let answer = answer(&question, lines.next().unwrap_or_default());
                answers.insert(question, answer);
            }
        });
    assert!(asked < 1000);
    // Written down and read again, the answers lead to the same verdict.
    let written = serde_json::to_string(&answers).expect("answers can be written");
    let read: Answers = serde_json::from_str(&written).expect("and read");
    let (again, ..) = engine::judge_asking(&ENGINE, &transaction, &mut scratch, read, |_, _, _| {
        panic!("all is known");
    });
    assert_eq!(format!("{:?}", verdict.hits), format!("{:?}", again.hits));
});
