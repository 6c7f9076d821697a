//! Checks that ask DNS, each held to a table of answers: what is asked, in which round, and what hits.

use engine::{Answer, Answers, Engine, EngineOptions, Question, Record, Scratch};
use mail::{Envelope, Limits, Message, Transaction};
use rules::{LoadOptions, NoReader, ScoreSet, Source, SourceKind};

const PLUGINS: &str = "loadplugin Mail::SpamAssassin::Plugin::DNSEval\nloadplugin Mail::SpamAssassin::Plugin::URIDNSBL\n\
    loadplugin Mail::SpamAssassin::Plugin::AskDNS\nloadplugin Mail::SpamAssassin::Plugin::ASN\n\
    loadplugin Mail::SpamAssassin::Plugin::HashBL\n";

const MAIL: &str = "Return-Path: <joe@a--friend.sender.com>\n\
    Received: from relay.sender.com (relay.sender.com [192.0.2.10])\n\tby mx.example.net (Postfix) with ESMTP id 1;\n\
    \tSat, 21 Nov 2026 10:00:00 +0900\nFrom: joe@sender.com\nTo: ann@example.org\nSubject: x\nX-Id: 12345\n\
    MIME-Version: 1.0\nContent-Type: text/plain\n\nhttp://www.shop.com/ and http://b.evil.net/\n";

struct Judged {
    hits: Vec<String>,
    /// By round, sorted.
    asked: Vec<Vec<String>>,
    notes: Vec<String>,
}

fn judge_with(rules: &str, network: bool, table: &[(&str, Answer)]) -> Judged {
    let score_set = ScoreSet { network, bayes: false };
    let options = LoadOptions { score_set, local_only: !network, ..LoadOptions::default() };
    let sources = [Source::new("case", format!("{PLUGINS}{rules}\n"), SourceKind::Site)];
    let (ruleset, diagnostics) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == rules::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let engine = Engine::new(ruleset, EngineOptions { score_set, local_only: !network, ..EngineOptions::default() });
    let message = Message::parse(MAIL.as_bytes(), &Limits::default());
    let transaction = Transaction { envelope: Envelope::default(), message, now: 1_800_000_000 };
    let mut asked = Vec::new();
    let (verdict, ..) = engine::judge_asking(
        &engine,
        &transaction,
        &mut Scratch::default(),
        Answers::default(),
        |questions, _, known| {
            let mut round = Vec::new();
            for question in questions {
                let Question::Dns { name, record } = &question else { continue };
                let key = format!("{name}/{record}");
                let answer = table.iter().find(|(name, _)| *name == key).map(|(_, answer)| answer.clone());
                round.push(key);
                known.insert(question, answer.unwrap_or(Answer::NoSuchName));
            }
            round.sort();
            asked.push(round);
        },
    );
    Judged {
        hits: verdict.hits.iter().map(|hit| hit.rule.clone()).collect(),
        asked,
        notes: verdict.hits.iter().flat_map(|hit| hit.notes.clone()).collect(),
    }
}

fn judge(rules: &str, table: &[(&str, Answer)]) -> Judged {
    judge_with(rules, true, table)
}

fn records(records: &[&str]) -> Answer {
    Answer::Records(records.iter().map(|record| (*record).to_owned()).collect())
}

fn text(strings: &[&str]) -> Answer {
    Answer::Texts(vec![strings.iter().map(|string| (*string).to_owned()).collect()])
}

#[test]
fn one_question_serves_all_rules_of_a_set() {
    let rules = "header __ALL eval:check_rbl('s', 'l.test.')\ntflags __ALL net\n\
                 header TWO eval:check_rbl_sub('s', '127.0.0.2')\nheader BITS eval:check_rbl_sub('s', '4')\n\
                 header NONE eval:check_rbl_sub('s', '^127\\.0\\.9\\.')\n";
    let judged = judge(rules, &[("10.2.0.192.l.test/A", records(&["127.0.0.2", "127.0.0.12", "10.0.0.4"]))]);
    assert_eq!(judged.asked, [["10.2.0.192.l.test/A"]]);
    assert_eq!(judged.hits, ["BITS", "TWO"]);
    assert_eq!(judged.notes, ["192.0.2.10 listed in l.test", "192.0.2.10 listed in l.test"]);
    // Nothing is asked with the network off, nor where the rules forbid it.
    assert!(judge_with(rules, false, &[]).asked.is_empty());
    for forbidden in ["skip_rbl_checks 1", "dns_available no", "dns_query_restriction deny test"] {
        let judged = judge(&format!("{rules}{forbidden}\n"), &[]);
        assert!(judged.asked.is_empty() && judged.hits.is_empty(), "{forbidden}");
    }
    let allowed = format!("{rules}dns_query_restriction deny *\ndns_query_restriction allow l.test\n");
    assert_eq!(judge(&allowed, &[]).asked.len(), 1);
}

#[test]
fn no_answer_is_not_a_no() {
    let rules = "header L eval:check_rbl('s', 'l.test.')\nheader SENDER eval:check_dns_sender()\n";
    let sender = ["a--friend.sender.com/A", "a--friend.sender.com/MX"];
    for (answer, expected) in
        [(Answer::Unknown, false), (Answer::Failed(2), false), (Answer::NotAsked, false), (Answer::NoSuchName, true)]
    {
        let judged =
            judge(rules, &[(sender[0], answer.clone()), (sender[1], answer.clone()), ("10.2.0.192.l.test/A", answer)]);
        assert_eq!(judged.hits == ["SENDER"], expected, "{:?}", judged.hits);
        assert_eq!(judged.asked.len(), 1);
    }
}

#[test]
fn name_servers_and_their_addresses_come_in_later_rounds() {
    let rules = "uridnsbl NSIP ip.test. A\nbody NSIP eval:check_uridnsbl('NSIP')\n\
                 urinsrhsbl NSNAME ns.test. A\nbody NSNAME eval:check_uridnsbl('NSNAME')\n\
                 urifullnsrhssub NSFULL full.test. A 127.0.0.2-127.0.0.3\nbody NSFULL eval:check_uridnsbl('NSFULL')\n\
                 header FROMNS eval:check_rbl_ns_from('f', 'nsfrom.test.')\n";
    let judged = judge(
        rules,
        &[
            ("shop.com/NS", records(&["ns1.hoster.org."])),
            ("evil.net/NS", Answer::Unknown),
            ("a--friend.sender.com/NS", records(&["ns9.sender.com."])),
            ("ns1.hoster.org/A", records(&["198.51.100.4"])),
            ("4.100.51.198.ip.test/A", records(&["127.0.0.2"])),
            ("hoster.org.ns.test/A", records(&["127.0.0.2"])),
            ("ns1.hoster.org.full.test/A", records(&["127.0.0.3"])),
            ("ns9.sender.com.nsfrom.test/A", records(&["127.0.0.2"])),
        ],
    );
    assert_eq!(judged.asked[0], ["a--friend.sender.com/NS", "evil.net/NS", "shop.com/NS"]);
    assert_eq!(judged.asked.len(), 3, "{:?}", judged.asked);
    let mut hits = judged.hits;
    hits.sort();
    assert_eq!(hits, ["FROMNS", "NSFULL", "NSIP", "NSNAME"]);
}

#[test]
fn a_question_may_need_what_another_one_told() {
    let rules = "asn_lookup asn.test _ASN_ _ASNCIDR_\nheader FROM_AS eval:check_asn('^AS64500$')\n\
                 askdns AS_LISTED _ASN_.as.test A 127.0.0.2\naskdns NO_VALUE _NOBODYSETSTHIS_.x.test A\n\
                 header __ID X-Id =~ /^(?<MYID>\\d+)$/\nheader ID_LISTED eval:check_hashbl_tag('id.test', 'raw', 'MYID')\n";
    let judged = judge(
        rules,
        &[
            ("10.2.0.192.asn.test/TXT", text(&["64500", "192.0.2.0", "24"])),
            ("as64500.as.test/A", records(&["127.0.0.2"])),
            ("12345.id.test/A", records(&["127.0.0.2"])),
        ],
    );
    let mut hits = judged.hits;
    hits.sort();
    assert_eq!(hits, ["AS_LISTED", "FROM_AS", "ID_LISTED"]);
    assert_eq!(judged.asked, [vec!["10.2.0.192.asn.test/TXT", "12345.id.test/A"], vec!["as64500.as.test/A"]]);
}

#[test]
fn accreditors_response_codes_and_answers_of_several_types() {
    let rules = "header FRIEND eval:check_rbl_accreditor('a-firsttrusted', 'acc.test.', '127.0.0.1', 'friend')\n\
                 header STRANGER eval:check_rbl_accreditor('b-firsttrusted', 'acc.test.', '127.0.0.1', 'stranger')\n\
                 askdns CODE _AUTHORDOMAIN_.code.test A [SERVFAIL,5]\n\
                 askdns BOTH _AUTHORDOMAIN_ MX,TXT /special/\n";
    let judged = judge(
        rules,
        &[
            ("10.2.0.192.acc.test/A", records(&["127.0.0.1"])),
            ("sender.com.code.test/A", Answer::Failed(5)),
            ("sender.com/TXT", text(&["very spec", "ial"])),
        ],
    );
    let mut hits = judged.hits;
    hits.sort();
    assert_eq!(hits, ["BOTH", "CODE", "FRIEND"]);
    assert_eq!(judged.asked.len(), 1);
}

#[test]
fn hashes_of_attachments_and_links() {
    let rules = "body FILES eval:check_hashbl_attachments('f.test', 'md5')\n\
                 header LINKS eval:check_hashbl_uris('u.test/TXT', 'raw2/max=1', '^listed')\n\
                 hashbl_ignore text/html\n";
    let judged = judge(rules, &[]);
    let round = &judged.asked[0];
    assert_eq!(round.len(), 2, "{round:?}");
    assert!(round.iter().any(|name| name.ends_with(".f.test/A") && name.len() == 32 + ".f.test/A".len()), "{round:?}");
}

#[test]
fn names_that_cannot_be_asked_are_not() {
    let long = "x".repeat(64);
    let rules = format!("askdns LONG {long}.test A\naskdns FINE fine.test A\n");
    assert_eq!(judge(&rules, &[]).asked, [["fine.test/A"]]);
    assert_eq!(Record::named("fine"), None);
}
