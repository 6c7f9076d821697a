//! What the rule writer's bench is handed: rule files, patterns and texts, logs, tables of networks. Nothing of it may panic,
//! and a pattern that is followed step by step never says of a text that it did not match where it did.
//!
//! The first byte chooses.
#![no_main]
#![forbid(unsafe_code)]

use feeds::registry::origin::Origins;
use libfuzzer_sys::fuzz_target;
use workshop::try_rule::{Looked, Trial, advise, marked};
use workshop::{convert, isp, masscheck};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    match first {
        b'c' => {
            let (text, reports) = convert::file(data);
            // What was converted is left alone the second time.
            let (again, second) = convert::file(&text);
            assert!(second.len() <= reports.len());
            assert!(reports.iter().any(|report| report.outcome.is_ok()) || text == data);
            drop(again);
        }
        // A pattern and a text, a NUL between.
        b't' => {
            let (pattern, text) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(0));
            let text = &text[..text.len().min(300)];
            let Ok(trial) = Trial::from_text(&pattern[..pattern.len().min(200)]) else { return };
            let death = trial.furthest(text);
            if let Some(death) = &death {
                assert!(death.at <= text.len() && death.failed.end <= trial.source.len());
                marked(text, death.at..death.at + 1, 10, 10, '^');
                marked(&trial.source, death.failed.clone(), 10, 10, '~');
            }
            for looked in Looked::ALL {
                advise(&trial, looked, "NAME");
            }
        }
        b'l' => {
            let text = String::from_utf8_lossy(data);
            for line in masscheck::read(&text) {
                let again = masscheck::Line::read(&line.write());
                assert_eq!(again.map(|again| again.rules), Some(line.rules));
            }
        }
        b'o' => {
            let mut origins = Origins::default();
            origins.add(&String::from_utf8_lossy(data));
            origins.sort();
            origins.find([180, 94, 8, 6].into());
        }
        _ => {
            let (book, _) = isp::Book::read(&String::from_utf8_lossy(data));
            isp::overlaps(&book.records);
            isp::Book::read(&book.write());
        }
    }
});
