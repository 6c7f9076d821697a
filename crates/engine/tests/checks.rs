//! Every check that answers from the message alone, held to a message that hits and one that does not: `checks.txt`.
//!
//! A case is `### RULETYPE eval:...`, settings it needs (`setting ...`), then `--- hit` and `--- miss`, each with a
//! message. Fields that most messages have are added where a message lacks them (`-Name:` leaves one out).

use engine::{Engine, EngineOptions, Scratch, checks};
use mail::{Envelope, Limits, Message, Transaction};
use rules::{LoadOptions, NoReader, Source, SourceKind};
use std::collections::BTreeSet;

const CASES: &str = include_str!("checks.txt");

/// Checks that never hit by themselves, or not yet.
const SILENT: &[&str] = &[
    "check_for_illegal_ip",
    "check_for_unique_subject_id",
    "check_shortcircuit",
    "check_uri_detail",
    "have_any_bounce_relays", // depends on settings alone
    "short_url_tests",
];

const USUAL: &[(&str, &str)] = &[
    (
        "Received",
        "from mx.example.org (mx.example.org [198.51.100.7])\n\tby mx.example.net (Postfix) with ESMTP id 4AB12; \
         Mon, 5 Jan 2026 09:45:12 +0000",
    ),
    ("From", "Joe <joe@example.org>"),
    ("To", "ann@example.net"),
    ("Subject", "a small test"),
    ("Date", "Mon, 5 Jan 2026 09:45:10 +0000"),
    ("Message-ID", "<1.2@example.org>"),
];

fn message(text: &str) -> Vec<u8> {
    let (head, body) = match text.strip_prefix('\n') {
        Some(body) => ("", body),
        None => text.split_once("\n\n").unwrap_or((text, "")),
    };
    // The server that delivers puts its field on top.
    let (delivered, head): (Vec<&str>, Vec<&str>) = head.lines().partition(|line| line.starts_with("Return-Path:"));
    let mut out: String = delivered.iter().map(|line| format!("{line}\n")).collect();
    for (name, value) in USUAL {
        let given = head.iter().any(|line| line.trim_start_matches('-').starts_with(&format!("{name}:")));
        if !given {
            out += &format!("{name}: {value}\n");
        }
    }
    let lines = head.iter().filter(|line| !line.starts_with('-') && !line.is_empty());
    lines.for_each(|line| out += &format!("{line}\n"));
    // `\xFF` and the like stand for bytes that a text file cannot hold.
    let mut bytes = Vec::new();
    let text = format!("{out}\n{body}").replace("@LONG@", &"x".repeat(9_000));
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).expect("two digits"));
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn hits(rule: &str, settings: &str, text: &str) -> bool {
    let plugins: BTreeSet<&str> = checks::CHECKS.iter().map(|check| check.plugin).collect();
    let plugins: String = plugins.iter().map(|p| format!("loadplugin Mail::SpamAssassin::Plugin::{p}\n")).collect();
    let (kind, eval) = rule.split_once(' ').expect("a rule type");
    let sources = [
        Source::new("plugins", plugins, SourceKind::Pre),
        Source::new("case", format!("{settings}\n{kind} CASE {eval}\n"), SourceKind::Default),
    ];
    let options = LoadOptions { local_only: true, ..LoadOptions::default() };
    let (ruleset, diagnostics) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == rules::Severity::Error).collect();
    assert!(errors.is_empty(), "{rule}: {errors:?}");
    let engine = Engine::new(ruleset, EngineOptions { local_only: true, ..EngineOptions::default() });
    let message = Message::parse(&message(text), &Limits::default());
    let transaction = Transaction { envelope: Envelope::default(), message, now: 1_767_700_000 };
    let verdict = engine::judge(&engine, &transaction, &mut Scratch::default());
    verdict.hits.iter().any(|hit| hit.rule == "CASE")
}

#[test]
fn every_check_has_a_message_that_hits_and_one_that_does_not() {
    let mut covered: BTreeSet<String> = SILENT.iter().map(|name| (*name).to_owned()).collect();
    let mut wrong = Vec::new();
    for case in CASES.split("### ").skip(1) {
        let (rule, rest) = case.split_once('\n').expect("a rule");
        let (settings, rest) = rest.split_once("--- hit\n").expect("a message that hits");
        let (hit, miss) = rest.split_once("--- miss\n").expect("a message that does not");
        let settings: String =
            settings.lines().filter_map(|line| line.strip_prefix("setting ")).map(|l| format!("{l}\n")).collect();
        for (text, expected) in [(hit, true), (miss, false)] {
            if hits(rule, &settings, text) != expected {
                wrong.push(format!("{rule}: expected {expected}\n{text}"));
            }
        }
        let name = rule.split_once("eval:").expect("an eval").1.split('(').next().unwrap_or_default();
        covered.insert(name.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let modern = |name: &str| name.replace("whitelist", "welcomelist").replace("blacklist", "blocklist");
    let missing: Vec<&str> = checks::CHECKS
        .iter()
        .filter(|check| check.availability == engine::Availability::Now)
        .map(|check| check.name)
        .filter(|name| !covered.contains(*name) && !covered.contains(&modern(name)))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn a_check_that_is_missing_is_reported_when_rules_are_loaded() {
    let missing: Vec<_> =
        checks::CHECKS.iter().filter(|check| check.availability == engine::Availability::Missing).collect();
    assert!(missing.iter().any(|check| check.name == "check_access_database"));
    for check in missing {
        let kind = if check.kinds == engine::Kinds::Header { "header" } else { "body" };
        let text =
            format!("loadplugin Mail::SpamAssassin::Plugin::{}\n{kind} CASE eval:{}()\n", check.plugin, check.name);
        let sources = [Source::new("case", text, SourceKind::Site)];
        let (ruleset, diagnostics) = rules::load(&sources, &engine::catalog(), &LoadOptions::default(), &mut NoReader);
        let found = diagnostics.iter().find(|found| found.rule.as_deref() == Some("CASE"));
        let found = found.unwrap_or_else(|| panic!("{} is passed over in silence: {diagnostics:?}", check.name));
        assert!(found.name == "unsupported-eval" && found.severity == rules::Severity::Warning, "{found:?}");
        let engine = Engine::new(ruleset, EngineOptions::default());
        assert!(engine.unsupported().contains_key(&format!("eval:{}", check.name)));
    }
}
