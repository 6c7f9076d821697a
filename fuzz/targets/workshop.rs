//! What the rule writer's bench is handed: rule files, patterns and texts, messages, logs, tables of networks. Nothing of it
//! may panic, a pattern that is followed step by step never says of a text that it did not match where it did, and the
//! rules that are suggested load.
//!
//! The first byte chooses.
#![no_main]
#![forbid(unsafe_code)]

use feeds::registry::origin::Origins;
use libfuzzer_sys::fuzz_target;
use mail::views::Views;
use mail::{Limits, Message, ViewConfig};
use rules::{LoadOptions, NoReader, Source, SourceKind};
use workshop::suggest::{self, Candidates, Ham, Sample};
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
        // Messages that are alike, a NUL between two.
        b's' => {
            let config = ViewConfig::default();
            let limits = Limits::default();
            let messages: Vec<Message> =
                data.split(|byte| *byte == 0).take(8).map(|raw| Message::parse(raw, &limits)).collect();
            let views: Vec<Views<'_>> = messages.iter().map(|message| Views::new(message, &config)).collect();
            let samples: Vec<Sample> = views.iter().map(Sample::of).collect();
            let clusters = suggest::clusters(&samples, 2);
            let mut candidates = Candidates::new(&samples, &clusters);
            for (member, views) in views.iter().enumerate() {
                let hits = candidates.hits(views, &mut suggest::Scratch::new());
                candidates.count(member, &hits);
            }
            for suggestion in candidates.suggest(&Ham::default()) {
                let text = suggestion.rules("a subject", 2.0);
                let source = Source::new("suggested", text.as_bytes(), SourceKind::Site);
                let (ruleset, _) =
                    rules::load(&[source], &engine::catalog(), &LoadOptions::default(), &mut NoReader);
                assert!(text.is_empty() || ruleset.get(&suggestion.name).is_some(), "{text}");
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
