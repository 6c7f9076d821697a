//! What other virus scanners answer: every kind's client is told anything at all.
//!
//! The input's first byte chooses the kind, how its answer is cut, and what was asked.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use protocols::scanner::{Client, Event, KINDS, Options, Report, Task};
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let kind = &KINDS[usize::from(*first) % KINDS.len()];
    let options = Options { host: "h:1".into(), service: "s".into(), session: first & 16 != 0 };
    let whole = play(&mut *(kind.open)(&options), data, data.len().max(1), *first);
    let cut = play(&mut *(kind.open)(&options), data, usize::from(first % 5) + 1, *first);
    // A server that answers before it is asked is lost sooner where it is heard sooner.
    assert!(kind.name == "icap" || whole == cut, "{}: however it comes, the same is understood", kind.name);
});

fn play(client: &mut dyn Client, data: &[u8], step: usize, how: u8) -> Vec<(usize, Report)> {
    let tasks = match how & 96 {
        0 => vec![Task::Scan(Arc::new(b"Subject: x\n\nbody\n".to_vec())), Task::Scan(Arc::new(vec![b'y'; 100]))],
        32 => vec![Task::Ping, Task::Scan(Arc::new(b"z".to_vec()))],
        64 => vec![Task::File(b"/a b".to_vec())],
        _ => vec![Task::Ping],
    };
    let asked = tasks.len();
    tasks.into_iter().for_each(|task| client.ask(task));
    let mut reports = Vec::new();
    let mut turn = |client: &mut dyn Client| {
        loop {
            match client.next_event() {
                Some(Event::Report { task, report }) => {
                    assert!(task < asked && !reports.iter().any(|(known, _)| *known == task), "each once");
                    if let Report::Found(names) = &report {
                        assert!(!names.is_empty() && names.iter().all(|name| !name.contains(['\n', '\r', '\0'])));
                    }
                    reports.push((task, report));
                }
                Some(Event::Close) | None => break,
            }
        }
        loop {
            client.fill();
            if client.output().is_empty() {
                break;
            }
            client.output().clear();
        }
    };
    turn(client);
    for piece in data.chunks(step) {
        client.receive(piece);
        turn(client);
    }
    client.end_of_input();
    turn(client);
    turn(client);
    assert_eq!(reports.len(), asked, "every task is reported on");
    reports
}
