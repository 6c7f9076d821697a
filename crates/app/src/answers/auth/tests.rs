//! Forgers' ways around DMARC, each with a zone that is only pretended.

use super::*;
use crate::signing::key::{self, Key, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::views::ViewConfig;
use mail::{Limits, Message};
use sha2::{Digest, Sha256};

const ZONE: &[(&str, &str)] = &[
    ("_dmarc.victim.example", "v=DMARC1; p=reject"),
    ("victim.example", "v=spf1 ip4:192.0.2.1 -all"),
    ("evil.example", "v=spf1 +all"),
];

struct Signing(Key);

impl Signing {
    fn new() -> Signing {
        Signing(Key::parse(key::make(Kind::Ed25519).unwrap().as_bytes()).unwrap())
    }

    /// `fields`: as `form` wants them to be signed.
    fn field(&self, domain: &str, selector: &str, form: &str, names: &str, fields: &str, body: &str) -> String {
        let hash = STANDARD.encode(Sha256::digest(body));
        let value = format!("v=1; a=ed25519-sha256; c={form}; d={domain}; s={selector}; h={names}; bh={hash}; b=");
        let start = if form.starts_with("simple") { "DKIM-Signature: " } else { "dkim-signature:" };
        let signature = self.0.sign(format!("{fields}{start}{value}").as_bytes()).unwrap();
        format!("DKIM-Signature: {value}{}\r\n", STANDARD.encode(signature))
    }
}

/// From 192.0.2.99, which may send for evil.example alone, or from 192.0.2.1.
fn found(mail: &str, sender: &str, whole: bool, keys: &[(&str, String)]) -> Authentication {
    let message = Message::parse(mail.as_bytes(), &Limits::default());
    let config = ViewConfig::default();
    let views = Views::new(&message, &config);
    let client = if sender.ends_with("@victim.example") { "192.0.2.1" } else { "192.0.2.99" };
    let sender =
        Sender { client: client.parse().ok(), helo: "mx.evil.example".to_owned(), sender: Some(sender.to_owned()) };
    let mut answers = Answers::default();
    let mut ask = |wanted: Wanted, answers: &mut Answers| {
        for question in wanted.own.into_iter().chain(wanted.more) {
            let Question::Dns { name, .. } = &question else { continue };
            let text = ZONE.iter().find(|(known, _)| known == name).map(|(_, text)| (*text).to_owned());
            let text = text.or_else(|| keys.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone()));
            answers.insert(question, text.map_or(Answer::NoSuchName, |text| Answer::Texts(vec![vec![text]])));
        }
    };
    verify(&sender, &views, whole, 0, &mut answers, &mut ask).0
}

#[test]
fn the_author_is_whom_readers_programs_take_for_him() {
    let mail = "From: =?utf-8?q?=3Ca=40evil.example=3E?= <ceo@victim.example>\r\nSubject: x\r\n\r\nx\r\n";
    let found = found(mail, "a@evil.example", true, &[]);
    assert_eq!((found.dmarc.domain.as_str(), found.dmarc.result), ("victim.example", Outcome::Fail));
    assert_eq!(found.author(), None);
}

#[test]
fn a_key_name_that_dns_cannot_hold_is_no_excuse() {
    let fields = "From: ceo@victim.example\r\n";
    let signing = Signing::new();
    for selector in ["a".repeat(64), "a.".repeat(130) + "a", "a..b".to_owned()] {
        let signature = signing.field("victim.example", &selector, "simple/simple", "from", fields, "x\r\n");
        let found = found(&format!("{signature}{fields}\r\nx\r\n"), "a@evil.example", true, &[]);
        assert_eq!((found.dkim[0].result, found.dkim[0].why.as_str()), (Outcome::PermError, "there is no key"));
        assert_eq!(found.dmarc.result, Outcome::Fail, "{selector}");
    }
    // The same with a domain of the author's.
    let deep = format!("From: ceo@{}.victim.example\r\n\r\nx\r\n", "a".repeat(64));
    assert_eq!(found(&deep, "a@evil.example", true, &[]).dmarc.result, Outcome::Fail);
}

#[test]
fn what_was_left_out_is_neither_right_nor_wrong() {
    let signing = Signing::new();
    let keys = [("s._domainkey.victim.example", signing.0.record())];
    let fields = "From: ceo@victim.example\r\nSubject: x\r\n";
    let body = "beginning\r\nmiddle\r\nend\r\n";
    let signature = signing.field("victim.example", "s", "simple/simple", "from:subject", fields, body);
    let whole = format!("{signature}{fields}\r\n{body}");
    let cut = format!("{signature}{fields}\r\nbeginning\r\nend\r\n");
    let results = |found: Authentication| (found.dkim[0].result, found.dmarc.result, found.limits.len());
    let sender = "a@evil.example";
    assert_eq!(results(found(&whole, sender, true, &keys)), (Outcome::Pass, Outcome::Pass, 0));
    assert_eq!(results(found(&cut, sender, true, &keys)), (Outcome::Fail, Outcome::Fail, 0));
    assert_eq!(results(found(&cut, sender, false, &keys)), (Outcome::TempError, Outcome::TempError, 1));
    assert_eq!(results(found(&cut, "a@victim.example", false, &keys)), (Outcome::TempError, Outcome::Pass, 1));
    // The header was all there: who forges it does not get away with a long message.
    let forged = cut.replace("Subject: x", "Subject: y");
    assert_eq!(results(found(&forged, sender, false, &keys)), (Outcome::Fail, Outcome::Fail, 1));
    let another = Signing::new().field("victim.example", "s", "simple/simple", "from", fields, body);
    let two = found(&format!("{another}{cut}"), sender, false, &keys);
    assert_eq!((two.dkim[0].result, two.dkim[1].result), (Outcome::Fail, Outcome::TempError));
}

#[test]
fn more_authors_than_are_looked_at_are_no_pass() {
    let many: Vec<String> = (1..=5).map(|number| format!("a@nobody{number}.example")).collect();
    let mail = |last: &str| format!("From: {}, {last}\r\n\r\nx\r\n", many.join(", "));
    let none = found(&mail("b@nobody1.example"), "a@evil.example", true, &[]);
    assert_eq!((none.dmarc.result, none.limits.len()), (Outcome::None, 0));
    let more = found(&mail("ceo@victim.example"), "a@evil.example", true, &[]);
    assert_eq!(more.dmarc.result, Outcome::PermError, "{:?}", more.dmarc);
    assert_eq!(more.limits, ["6 author domains, of which the first 5 were looked at"]);
    assert_eq!(more.author(), None);
}

#[test]
fn a_blank_before_the_colon_is_signed_as_it_stands() {
    let signing = Signing::new();
    let keys = [("s._domainkey.victim.example", signing.0.record())];
    let written = "From: ceo@victim.example\r\nSubject : x\r\n";
    let relaxed = "from:ceo@victim.example\r\nsubject:x\r\n";
    for (form, fields) in [("simple/simple", written), ("relaxed/simple", relaxed)] {
        let signature = signing.field("victim.example", "s", form, "from:subject", fields, "x\r\n");
        let found = found(&format!("{signature}{written}\r\nx\r\n"), "a@evil.example", true, &keys);
        assert_eq!(found.dkim[0].result, Outcome::Pass, "{form}: {}", found.dkim[0].why);
    }
}
