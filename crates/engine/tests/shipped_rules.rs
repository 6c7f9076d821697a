//! The rule set we ship: it loads without a complaint, and `tests/rules/` holds, for every rule with a score, a message
//! that hits and one that does not.
//!
//! A case is `### hit RULE...` and/or `### miss RULE...`, then a message up to the next case. Lines that begin with `# `
//! before a message say what it shows.

use engine::{Engine, EngineOptions, Scratch};
use mail::{Limits, Message, Transaction};
use rules::{Kind, LoadOptions, NoReader, Rule, Ruleset, Severity, Source, SourceKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let folder = repository().join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn shipped() -> (Ruleset, Vec<rules::Diagnostic>) {
    let pre = files("rules", "pre").into_iter().map(|(name, text)| Source::new(name, text, SourceKind::Pre));
    let cf = files("rules", "cf").into_iter().map(|(name, text)| Source::new(name, text, SourceKind::Default));
    // A site's own officers: rules about them hit nothing where none is named.
    let site = "officer \"例示 一郎\" \"Ichiro Reiji\" example.co.jp\n";
    let site = Source::new("site.cf", site, SourceKind::Default);
    let sources: Vec<Source> = pre.chain(cf).chain([site]).collect();
    let options = LoadOptions { local_only: true, thorough: true, ..LoadOptions::default() };
    rules::load(&sources, &engine::catalog(), &options, &mut NoReader)
}

fn scored(rule: &&Rule) -> bool {
    !rule.is_sub_rule()
}

/// No message makes them hit by itself: `app/tests/acquaintance.rs` has their checks.
fn asks_store(rule: &Rule) -> bool {
    let Kind::Eval(eval) = &rule.kind else { return false };
    ["check_email_first_seen", "check_email_seen_in_spam", "check_uri_first_seen", "check_uri_seen_in_spam"]
        .contains(&eval.function.as_str())
}

#[derive(Default)]
struct Case {
    file: String,
    line: usize,
    hit: Vec<String>,
    miss: Vec<String>,
    message: String,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (file, text) in files("tests/rules", "txt") {
        let mut in_head = false;
        for (at, line) in text.lines().enumerate() {
            let head = line.strip_prefix("### ");
            if head.is_some() || line.starts_with("# ") {
                if !in_head {
                    cases.push(Case { file: file.clone(), line: at + 1, ..Case::default() });
                }
                in_head = true;
                let case = cases.last_mut().expect("one was pushed");
                match head.and_then(|head| head.split_once(' ')) {
                    Some(("hit", names)) => case.hit.extend(names.split(' ').map(String::from)),
                    Some(("miss", names)) => case.miss.extend(names.split(' ').map(String::from)),
                    Some((other, _)) => panic!("{file}:{}: neither hit nor miss: {other}", at + 1),
                    None => {}
                }
            } else {
                in_head = false;
                let case = cases.last_mut().expect("a file begins with a case");
                case.message.push_str(line);
                case.message.push('\n');
            }
        }
    }
    cases
}

#[test]
fn every_line_is_understood() {
    let (_, diagnostics) = shipped();
    let bad: Vec<String> =
        diagnostics.iter().filter(|found| found.severity > Severity::Note).map(ToString::to_string).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

#[test]
fn every_rule_is_named_described_and_scored() {
    for rule in shipped().0.rules.iter().filter(scored) {
        let name = &rule.name;
        assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert!(rule.description.is_some(), "{name} has no description");
        assert!(rule.scored, "{name} has no line in 50_scores.cf");
    }
}

/// A sub-rule that nobody asks is work for nothing.
#[test]
fn every_sub_rule_is_named_by_another() {
    let text: String = files("rules", "cf").into_iter().map(|(_, text)| text).collect();
    let lines = || text.lines().filter(|line| !line.starts_with(['#', 'd']));
    for name in shipped().0.rules.iter().filter(|rule| rule.is_sub_rule()).map(|rule| &rule.name) {
        let asks = |line: &str| {
            let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
            words.next() == Some("meta") && words.skip(1).any(|word| word == name)
        };
        assert!(lines().any(asks), "{name} is named by no meta");
    }
}

#[test]
fn every_rule_has_its_reason() {
    // The comment stands right above the rule, or above the group of lines that the rule is the end of.
    for (file, text) in files("rules", "cf") {
        for group in text.split("\n\n").filter(|group| group.contains("\ndescribe ") || group.starts_with("describe "))
        {
            assert!(group.lines().any(|line| line.starts_with("# ")), "{file}: no reason given:\n{group}");
        }
    }
}

/// Rules see UTF-8 as bytes: a class of characters beyond ASCII would be a class of their bytes.
#[test]
fn no_class_holds_characters_beyond_ascii() {
    for (file, text) in files("rules", "cf") {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (mut inside, mut escaped) = (false, false);
            for c in line.chars() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '[' => inside = true,
                    ']' => inside = false,
                    _ => assert!(!inside || c.is_ascii(), "{file}: {c} in a class:\n{line}"),
                }
            }
        }
    }
}

/// For the same reason `x?` after such a character makes its last byte optional, not the character.
#[test]
fn no_quantifier_follows_a_character_beyond_ascii() {
    for (file, text) in files("rules", "cf") {
        let rules = text.lines().filter(|line| line.contains('/') && !line.starts_with(['#', 'l', 'd', 'b']));
        for line in rules {
            let chars: Vec<char> = line.chars().collect();
            let bad = chars.windows(2).find(|two| !two[0].is_ascii() && matches!(two[1], '?' | '*' | '+' | '{'));
            assert!(bad.is_none(), "{file}: {bad:?}; write (?:x)?:\n{line}");
        }
    }
}

#[test]
fn every_rule_has_a_message_that_hits_and_one_that_does_not() {
    let (ruleset, _) = shipped();
    let of_message = |rule: &&Rule| scored(rule) && !asks_store(rule);
    let names: BTreeSet<&str> = ruleset.rules.iter().filter(of_message).map(|rule| rule.name.as_str()).collect();
    let cases = cases();
    let hit: BTreeSet<&str> = cases.iter().flat_map(|case| &case.hit).map(String::as_str).collect();
    let miss: BTreeSet<&str> = cases.iter().flat_map(|case| &case.miss).map(String::as_str).collect();
    for case in &cases {
        assert!(!case.message.trim().is_empty(), "{}:{}: no message", case.file, case.line);
        for name in case.hit.iter().chain(&case.miss) {
            assert!(names.contains(name.as_str()), "{}:{}: no rule {name}", case.file, case.line);
        }
    }
    // Whom the service knows no message can say: tests/acquaintance.rs of `app` has them.
    let names: BTreeSet<&str> = names.into_iter().filter(|name| !name.starts_with("FIRST_CONTACT_")).collect();
    let without = |cases: &BTreeSet<&str>| names.difference(cases).copied().collect::<Vec<&str>>().join(" ");
    assert_eq!(without(&hit), "", "no message that hits");
    assert_eq!(without(&miss), "", "no message that does not");
    assert!(ruleset.rules.iter().any(|rule| matches!(rule.kind, Kind::Text(_))), "text rules were skipped");
}

#[test]
fn the_messages_hit_and_miss_as_they_say() {
    let options = EngineOptions { local_only: true, beyond_spamassassin: true, ..EngineOptions::default() };
    let engine = Engine::new(shipped().0, options);
    let mut scratch = Scratch::new();
    let mut wrong = Vec::new();
    for case in cases() {
        let message = Message::parse(case.message.as_bytes(), &Limits::default());
        let transaction = Transaction { envelope: mail::Envelope::default(), message, now: 1_795_000_000 };
        let verdict = engine::judge(&engine, &transaction, &mut scratch);
        let hit: BTreeSet<&str> = verdict.hits.iter().map(|hit| hit.rule.as_str()).collect();
        let at = format!("{}:{}", case.file, case.line);
        wrong.extend(
            case.hit.iter().filter(|name| !hit.contains(name.as_str())).map(|name| format!("{at}: {name} did not hit")),
        );
        wrong.extend(
            case.miss.iter().filter(|name| hit.contains(name.as_str())).map(|name| format!("{at}: {name} hit")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
