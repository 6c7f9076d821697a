//! Rule files: whatever is written in them, loading ends, says where it did not understand, and what it did understand
//! judges a message and can be explained.
//!
//! The first byte chooses who wrote the file.
#![no_main]
#![forbid(unsafe_code)]

use engine::{Engine, EngineOptions, Scratch};
use libfuzzer_sys::fuzz_target;
use mail::{Envelope, Limits, Message, Transaction};
use rules::{Catalog, LoadOptions, NoReader, Source, SourceKind};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(engine::catalog);
static MESSAGE: &[u8] = include_bytes!("../../samples/newsletter.eml");
/// Rules explained per file.
const EXPLAINED: usize = 20;

fuzz_target!(|data: &[u8]| {
    let (kind, text) = match data.split_first() {
        Some((b'0', text)) => (SourceKind::Pre, text),
        Some((b'1', text)) => (SourceKind::Default, text),
        Some((b'2', text)) => (SourceKind::User, text),
        _ => (SourceKind::Site, data),
    };
    let options = LoadOptions { thorough: true, restrict_user_files: true, local_only: true, ..LoadOptions::default() };
    let sources = [Source::new("fuzz.cf", text, kind)];
    let (ruleset, diagnostics) = rules::load(&sources, &CATALOG, &options, &mut NoReader);
    let lines = text.iter().filter(|b| **b == b'\n').count() + 1;
    for found in diagnostics {
        assert!(found.line as usize <= lines, "{found}");
        assert!(found.width >= 1 && (found.line == 0 || found.column >= 1), "{found:?}");
        let shown = found.excerpt.chars().count();
        assert!(shown < 200 && (found.column as usize) <= shown + 1, "{found:?}");
        assert!(!found.to_string().chars().any(|c| c.is_control() && c != '\n'), "{found:?}");
    }
    for (index, rule) in ruleset.rules.iter().enumerate() {
        assert_eq!(ruleset.find(&rule.name).map(|id| id.index()), Some(index), "{}", rule.name);
        if index < EXPLAINED {
            let explained = rules::explain::explain(&ruleset, &rule.name, options.effective_score_set(), rules::explain::Language::Japanese);
            assert!(explained.is_some(), "{}", rule.name);
        }
    }
    let engine = Engine::new(ruleset, EngineOptions { local_only: true, ..EngineOptions::default() });
    let message = Message::parse(MESSAGE, &Limits::default());
    let transaction = Transaction { envelope: Envelope::default(), message, now: 1_795_000_000 };
    let verdict = engine::judge(&engine, &transaction, &mut Scratch::new());
    for hit in &verdict.hits {
        assert!(engine.ruleset.find(&hit.rule).is_some(), "{} hit and does not exist", hit.rule);
    }
});
