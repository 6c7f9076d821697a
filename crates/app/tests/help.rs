//! Help in both languages, as a new user asks for it.

#![allow(clippy::disallowed_methods)] // tests read files and run programs

use std::process::{Command, Output};

fn run(locale: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.env_remove("LC_MESSAGES").env_remove("COLUMNS").env("LC_ALL", locale).args(arguments);
    command.output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_is_in_the_language_of_the_locale() {
    for (arguments, english, japanese) in [
        (&["--help"][..], "Usage: sekisho <COMMAND>", "使い方: sekisho <コマンド>"),
        (&["check", "-h"], "[possible values: text, json]", "[値: text, json]"),
        (&["check", "--help"], "- json: For programs", "- json: プログラム用"),
        (&["isp", "lookup", "--help"], "Who has an address", "持ち主を調べます"),
        (&["help", "quarantine", "release"], "Examples:", "例:"),
    ] {
        for (locale, expected) in [("C", english), ("ja_JP.UTF-8", japanese)] {
            if arguments[0] == "help" && arguments.len() == 3 && locale == "C" {
                continue; // this one has no examples of its own
            }
            let output = run(locale, arguments);
            let (out, errors) = texts(&output);
            if arguments[0] != "help" {
                assert!(out.contains(expected), "{arguments:?} {locale}: {out}");
            }
            assert!(errors.is_empty() && output.status.code() == Some(0), "{arguments:?} {locale}: {errors}");
        }
    }
}

#[test]
fn mistakes_are_told_in_the_language_of_the_locale() {
    for (arguments, english, japanese) in [
        (&["chek"][..], "a similar subcommand exists: 'check'", "もしかして: 'check'"),
        (&["check", "--format", "xml"], "[possible values: text, json]", "[値: text, json]"),
        (&["quarantine"], "Usage: sekisho quarantine", "使い方: sekisho quarantine"),
        (&[], "Commands:", "コマンド:"),
    ] {
        for (locale, expected) in [("C", english), ("ja_JP.UTF-8", japanese)] {
            let output = run(locale, arguments);
            let (out, errors) = texts(&output);
            assert!(errors.contains(expected), "{arguments:?} {locale}: {errors}");
            assert!(out.is_empty() && output.status.code() == Some(2), "{arguments:?} {locale}: {out}");
        }
    }
}

/// Scripts read these.
#[test]
fn the_programs_that_are_stood_in_for_speak_english() {
    for arguments in [["spamassassin", "--help"], ["clamscan", "--help"], ["sa-learn", "--help"]] {
        let [english, japanese] = ["C", "ja_JP.UTF-8"].map(|locale| run(locale, &arguments));
        assert!(!english.stdout.is_empty() && english.stdout == japanese.stdout, "{arguments:?}");
    }
    assert_eq!(run("C", &["--version"]).stdout, run("ja_JP.UTF-8", &["--version"]).stdout);
}

#[test]
fn the_manual_page_is_there_in_both_languages() {
    for (locale, headings) in [
        ("C", [".SH NAME", ".SH \"SEKISHO CHECK\"", ".SH \"EXIT STATUS\"", "Examples:"]),
        ("ja_JP.UTF-8", [".SH 名前", ".SH \"SEKISHO CHECK\"", ".SH 終了ステータス", "例:"]),
    ] {
        let (page, _) = texts(&run(locale, &["man"]));
        for heading in headings {
            assert!(page.contains(heading), "{locale}: {heading}");
        }
    }
}
