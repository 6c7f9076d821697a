//! SPF records and what they lead to: evaluated without harm, with bounded questions of names that DNS can hold.
//!
//! Each question for TXT takes the next line, others take addresses or names made of it.
#![no_main]
#![forbid(unsafe_code)]

use engine::{Answer, Answers, Asking, Question, Record, spf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let client = match data.first() {
        Some(b'6') => "2001:db8::1".parse(),
        _ => "192.0.2.1".parse(),
    };
    let request = spf::Request {
        client: client.expect("written here"),
        domain: "example.com",
        sender: "a+b@example.com",
        helo: "mx.example.com",
        receiver: "here.example",
        now: 1_800_000_000,
    };
    let mut answers = Answers::default();
    let mut asked = 0;
    loop {
        let asking = Asking::new(&answers);
        if let Ok(finding) = spf::check(&request, &asking) {
            assert!(finding.explanation.is_none_or(|text| text.len() <= 500));
            break;
        }
        for question in asking.into_open() {
            let Question::Dns { name, record } = &question else { panic!("another question") };
            assert!(name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len())), "{name}");
            asked += 1;
            let line = lines.next().unwrap_or_default();
            let text = String::from_utf8_lossy(line).into_owned();
            let answer = match (*record, line.first()) {
                (_, Some(b'n') | None) => Answer::NoSuchName,
                (_, Some(b'?')) => Answer::Unknown,
                (Record::TXT, _) => Answer::Texts(text.split('|').map(|one| vec![one.to_owned()]).collect()),
                (Record::MX, _) => Answer::Records(text.split('|').map(|one| format!("10 {one}.")).collect()),
                _ => Answer::Records(text.split('|').map(str::to_owned).collect()),
            };
            answers.insert(question, answer);
        }
        assert!(asked < 500, "asks for ever");
    }
});
