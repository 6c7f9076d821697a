//! SPF against the test suite of RFC 7208 (`spf/rfc7208.json`: the openspf suite, release 2014.04, as JSON; `spf/LICENSE`).

use engine::spf::{self, Request};
use engine::{Answer, Answers, Asking, Question, Record};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Scenario {
    description: String,
    tests: BTreeMap<String, Test>,
    zones: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Test {
    helo: String,
    client: String,
    sender: String,
    results: Vec<String>,
    explanation: Option<String>,
}

impl Scenario {
    fn answer(&self, name: &str, record: Record) -> Answer {
        let mut name = name.to_owned();
        for _ in 0..8 {
            let Some(zone) = self.zones.get(&name) else { return Answer::NoSuchName };
            let strings = |value: &serde_json::Value| {
                let list = value.as_array().into_iter().flatten();
                list.map(|item| item.as_str().unwrap_or_default().to_owned()).collect::<Vec<String>>()
            };
            match zone.get(&record.to_string()) {
                Some(texts) if record == Record::TXT => {
                    return Answer::Texts(texts.as_array().into_iter().flatten().map(strings).collect());
                }
                Some(records) => return Answer::Records(strings(records)),
                None => {}
            }
            match zone.get("CNAME").map(strings) {
                Some(alias) => name = alias[0].trim_end_matches('.').to_lowercase(),
                None if zone.contains_key("TIMEOUT") => return Answer::Unknown,
                None if record == Record::TXT => return Answer::Texts(Vec::new()),
                None => return Answer::Records(Vec::new()),
            }
        }
        Answer::Failed(2)
    }

    fn check(&self, test: &Test) -> spf::Finding {
        let (domain, sender) = match test.sender.rsplit_once('@') {
            Some(("", domain)) => (domain.to_owned(), format!("postmaster@{domain}")),
            Some((_, domain)) => (domain.to_owned(), test.sender.clone()),
            None if test.sender.is_empty() => (test.helo.clone(), format!("postmaster@{}", test.helo)),
            None => (test.sender.clone(), format!("postmaster@{}", test.sender)),
        };
        let client = test.client.parse().unwrap();
        let request = Request {
            client,
            domain: &domain,
            sender: &sender,
            helo: &test.helo,
            receiver: "receiver.example",
            now: 0,
        };
        let mut answers = Answers::default();
        for _ in 0..200 {
            let asking = Asking::new(&answers);
            if let Ok(finding) = spf::check(&request, &asking) {
                return finding;
            }
            for question in asking.into_open() {
                let Question::Dns { name, record } = &question else { continue };
                let answer = self.answer(name, *record);
                answers.insert(question, answer);
            }
        }
        panic!("asks for ever");
    }
}

/// The suite writes IPv6 nibbles large, the standard's own examples small.
fn same(found: &Option<String>, expected: &Option<String>) -> bool {
    found.as_ref().zip(expected.as_ref()).is_some_and(|(found, expected)| found.eq_ignore_ascii_case(expected))
}

#[test]
fn the_suite_of_the_standard() {
    let suite: Vec<Scenario> = serde_json::from_str(include_str!("spf/rfc7208.json")).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for scenario in &suite {
        for (name, test) in &scenario.tests {
            count += 1;
            let found = scenario.check(test);
            if !test.results.iter().any(|result| result == found.result.name()) {
                let Scenario { description, .. } = scenario;
                wrong.push(format!("{description}/{name}: {} not {:?} ({})", found.result, test.results, found.why));
            } else if test.explanation.as_ref().is_some_and(|text| text != "DEFAULT")
                && !same(&found.explanation, &test.explanation)
            {
                wrong.push(format!("{name}: explains {:?}, not {:?}", found.explanation, test.explanation));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 190, "{count}");
}

/// RFC 7208, section 4.6.4, speaks of terms; and its hosts are asked together.
#[test]
fn hosts_of_one_term_without_addresses_are_no_empty_terms() {
    let request = Request {
        client: "2001:db8::25".parse().unwrap(),
        domain: "a.example",
        sender: "x@a.example",
        helo: "mx.a.example",
        receiver: "receiver.example",
        now: 0,
    };
    let mut answers = Answers::default();
    let mut rounds: Vec<usize> = Vec::new();
    let found = loop {
        let asking = Asking::new(&answers);
        if let Ok(found) = spf::check(&request, &asking) {
            break found;
        }
        let open = asking.into_open();
        rounds.push(open.len());
        for question in open {
            let Question::Dns { name, record } = &question else { continue };
            let answer = match (name.as_str(), *record) {
                ("a.example", Record::TXT) => Answer::Texts(vec![vec!["v=spf1 mx -all".into()]]),
                ("a.example", Record::MX) => {
                    // A letter that passes for the last dot is asked without.
                    let hosts = ["mx1.a.example.", "mx2.a.example.", "mx3.a.example", "mx4.a.example．"];
                    Answer::Records(hosts.iter().map(|host| format!("10 {host}")).collect())
                }
                ("mx4.a.example", Record::AAAA) => Answer::Records(vec!["2001:db8::25".into()]),
                _ => Answer::Records(Vec::new()),
            };
            answers.insert(question, answer);
        }
    };
    assert_eq!((found.result.name(), found.why.as_str()), ("pass", "a.example: mx matches"));
    assert_eq!(rounds, [1, 1, 4]);
}
