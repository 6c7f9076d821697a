//! `sekisho check`, `lint` and `explain` as a user meets them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const RULES: &str = "\
required_score 3
body MONEY_NOW /\\bmoney\\s+now\\b/i
describe MONEY_NOW Asks for money at once
score MONEY_NOW 2.5
header NO_SUBJECT Subject =~ /^$/
describe NO_SUBJECT Has no Subject
score NO_SUBJECT 1
header __FROM_EXAMPLE From:addr =~ /\\@example\\.org$/
meta MONEY_FROM_EXAMPLE (MONEY_NOW && __FROM_EXAMPLE)
describe MONEY_FROM_EXAMPLE Money, and from there
score MONEY_FROM_EXAMPLE 1.5
body COUNTED /spam/
tflags COUNTED multiple maxhits=3
score COUNTED 0.1
uri LEADS_THERE m{^https?://www\\.example\\.org/}
score LEADS_THERE 0.5
";

const SPAM: &str = "From: A <a@example.org>\nSubject: hi\n\nWe need money now. See http://www.example.org/x\n";
const HAM: &str = "From: B <b@example.com>\nSubject: hello\n\nGood morning.\n";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sekisho-check-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("rules.cf"), RULES).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs with our rules only; paths in the output are shortened.
    fn run(&self, command: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.run_in("C", command, arguments)
    }

    fn run_in(&self, locale: &str, command: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args([command, "--rule-set", "none", "--rules", "rules.cf"])
            .args(arguments)
            .current_dir(&self.0)
            .env("HOME", &self.0)
            .env("SEKISHO_CACHE", self.0.join("cache"))
            .env("LC_ALL", locale)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn spam_is_reported_and_explained() {
    let folder = Folder::new("report");
    folder.write("spam.eml", SPAM);
    let (code, out, errors) = folder.run("check", &["--explain", "spam.eml"]);
    assert_eq!(
        out,
        "spam.eml: SPAM  4.5 points (required 3.0)\n \
         pts rule name              description\n\
         ---- ---------------------- --------------------------------------------------\n \
         2.5 MONEY_NOW              BODY: Asks for money at once\n         \
         body @11 \"money now\"\n \
         0.5 LEADS_THERE            URI: No description available.\n         \
         uri @0 \"http://www.example.org/\"\n \
         1.5 MONEY_FROM_EXAMPLE     Money, and from there\n         \
         meta MONEY_NOW __FROM_EXAMPLE\n         \
         __FROM_EXAMPLE: header From:addr @1 \"@example.org\"\n\n",
        "{errors}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn exit_codes_tell_ham_spam_and_trouble() {
    let folder = Folder::new("codes");
    folder.write("spam.eml", SPAM);
    folder.write("ham.eml", HAM);
    folder.write("packed.eml.gz", b"\x1f\x8b\x08junk");
    for (files, expected) in
        [(&["ham.eml"][..], 0), (&["ham.eml", "spam.eml"], 1), (&["spam.eml", "gone.eml"], 2), (&["packed.eml.gz"], 2)]
    {
        let (code, out, _) = folder.run("check", &[&["-q"], files].concat());
        assert_eq!((code, out.as_str()), (Some(expected), ""), "{files:?}");
    }
}

#[test]
fn json_is_one_object_a_line_in_the_order_asked() {
    let folder = Folder::new("json");
    let names: Vec<String> = (0..40).map(|i| format!("mail/{i:02}.eml")).collect();
    for (i, name) in names.iter().enumerate() {
        folder.write(name, if i % 3 == 0 { SPAM } else { HAM });
    }
    folder.write("mail/12.eml", b"\0\xff\xfe junk \x80");
    folder.write("mail/13.eml", "");
    let (code, out, _) = folder.run("check", &["--format", "json", "-j", "4", "mail"]);
    let records: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<_> = records.iter().map(|record| record["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(files, names);
    assert_eq!(records[0]["spam"], true);
    assert_eq!(records[0]["hits"][0]["rule"], "MONEY_NOW");
    assert_eq!(records[0]["subtests"]["__FROM_EXAMPLE"], 1);
    assert_eq!(records[13]["hits"][0]["rule"], "NO_SUBJECT");
    assert_eq!(code, Some(1));
}

#[test]
fn every_hit_of_a_counting_rule_scores() {
    let folder = Folder::new("multiple");
    folder.write("a.eml", "Subject: x\n\nspam spam\n\nspam spam spam\n");
    let (_, out, _) = folder.run("check", &["--format", "json", "a.eml"]);
    let record: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&record["score"], &record["hits"][0]["count"]), (&0.3.into(), &3.into()));
}

#[test]
fn mailboxes_are_taken_apart() {
    let folder = Folder::new("mbox");
    let line = "From a@example.org Sat Nov 21 10:00:00 2026\n";
    folder.write("inbox", format!("{line}{SPAM}\n{line}{HAM}\n"));
    folder.write("Maildir/cur/1:2,S", HAM);
    folder.write("Maildir/new/2", SPAM);
    folder.write("Maildir/cur/3:2,ST", SPAM);
    fs::create_dir_all(folder.0.join("Maildir/tmp")).unwrap();
    let (_, out, _) = folder.run("check", &["--short", "inbox", "Maildir"]);
    let firsts: Vec<_> = out.lines().filter_map(|line| line.split_once("  ").map(|(first, _)| first)).collect();
    assert_eq!(firsts, ["inbox#1: SPAM", "inbox#2: ham", "Maildir/new/2: SPAM", "Maildir/cur/1:2,S: ham"]);
    assert!(out.ends_with("4 messages: 2 SPAM, 2 ham, 0 not checked\n"), "{out}");
}

#[test]
fn rules_are_taken_from_the_cache_and_a_damaged_cache_is_ignored() {
    let folder = Folder::new("cache");
    folder.write("spam.eml", SPAM);
    let run = || folder.run("check", &["--short", "-D=config", "spam.eml"]);
    let (code, first, errors) = run();
    assert!(code == Some(1) && !errors.contains("taken from the cache"), "{errors}");
    let (_, second, errors) = run();
    assert!(errors.contains("taken from the cache"), "{errors}");
    assert_eq!(first, second);
    for entry in fs::read_dir(folder.0.join("cache")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(path, bytes).unwrap();
    }
    let (_, third, errors) = run();
    assert!(!errors.contains("taken from the cache"), "{errors}");
    assert_eq!(first, third);
}

#[test]
fn lint_tells_what_is_wrong_and_explain_what_a_rule_means() {
    let folder = Folder::new("lint");
    let (code, out, _) = folder.run("lint", &[]);
    assert_eq!(code, Some(0), "{out}");
    folder.write("bad.cf", "body BROKEN /(unclosed/\nscore BROKEN 1\nnonsense here\n");
    let (code, out, _) = folder.run("lint", &["bad.cf"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("bad.cf:1"), "{out}");
    let (code, out, _) = folder.run("lint", &["--format", "json", "bad.cf"]);
    let record: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(1) && record["diagnostics"].as_array().is_some_and(|list| !list.is_empty()));

    // What is only noted is not passed over in silence.
    folder.write("noted.cf", "score NO_SUCH_RULE 1\n");
    let (code, out, _) = folder.run("lint", &["noted.cf"]);
    assert!(code == Some(0) && out.contains("1 notes: --notes"), "{out}");
    assert!(folder.run("lint", &["--notes", "noted.cf"]).1.contains("NO_SUCH_RULE"));

    let (code, out, _) = folder.run("explain", &["MONEY_NOW"]);
    assert_eq!(code, Some(0));
    for expected in ["Asks for money at once", "2.5", "rules.cf:2", "MONEY_FROM_EXAMPLE"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let (code, _, errors) = folder.run("explain", &["MONEY_NOV"]);
    assert!(code == Some(2) && errors.contains("MONEY_NOW"), "{errors}");
    let (code, _, errors) = folder.run("explain", &["JAPANESE_IN_CHINESE_FONT"]);
    assert!(code == Some(2) && errors.contains("--rule-set shipped"), "{errors}");
}

/// The service's rules are where judging, looking and explaining begin.
#[test]
fn a_configuration_says_which_rules_there_are() {
    let folder = Folder::new("configured");
    let here = folder.0.display();
    folder.write("own.cf", "body OWN_RULE /グループ/i\nscore OWN_RULE 4\nbody BROKEN /(x/\n");
    folder.write("mail.eml", "From: a@example.org\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\nグループ\n");
    let settings = format!(
        "[rules]\nset = \"none\"\nextra = [\"{here}/own.cf\"]\n[feeds]\nfolder = \"{here}/feeds\"\n\
         [signatures]\nfolders = []\n[learn]\nfolder = \"\"\n[store]\nlocation = \"\"\n"
    );
    folder.write("sekisho.toml", settings);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        let command = command.args(arguments).current_dir(&folder.0).env("HOME", &folder.0).env("LC_ALL", "C");
        let output = command.env("SEKISHO_CACHE", folder.0.join("cache")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, errors) = run(&["check", "-c", "sekisho.toml", "--format", "json", "mail.eml"]);
    assert!(code == Some(0) && out.contains("OWN_RULE"), "{out}{errors}");
    assert!(errors.contains("see: sekisho lint -c sekisho.toml\n"), "{errors}");
    let (code, out, _) = run(&["lint", "-c", "sekisho.toml"]);
    assert!(code == Some(1) && out.contains("own.cf:3"), "{out}");
    let (code, out, _) = run(&["explain", "-c", "sekisho.toml", "OWN_RULE"]);
    assert!(code == Some(0) && out.contains("the text \"グループ\""), "{out}");
    // Another set takes its place; what is told then finds the mistakes.
    let another = ["--rule-set", "none", "--cf", "body BAD /(/"];
    let (_, out, errors) = run(&[&["check", "-c", "sekisho.toml"], &another[..], &["mail.eml"]].concat());
    assert!(!out.contains("OWN_RULE"), "{out}");
    assert!(errors.contains("see: sekisho lint -c sekisho.toml --rule-set none --cf 'body BAD /(/'"), "{errors}");
    assert_eq!(run(&[&["lint"], &another[..]].concat()).0, Some(1));
    assert_eq!(run(&["check", "--rules", "nosuch.cf", "mail.eml"]).0, Some(2));
}

#[test]
fn a_meta_is_explained_down_to_what_was_seen() {
    let folder = Folder::new("meta");
    folder.write("spam.eml", SPAM);
    let (_, out, _) = folder.run("check", &["--explain", "spam.eml"]);
    assert!(out.contains("meta __FROM_EXAMPLE MONEY_NOW") || out.contains("meta MONEY_NOW __FROM_EXAMPLE"), "{out}");
    assert!(out.contains("__FROM_EXAMPLE: header From:addr @1 \"@example.org\""), "{out}");
    assert!(!out.contains("MONEY_NOW: body"), "it has a hit of its own: {out}");
}

#[test]
fn scripts_and_manual_are_printed() {
    for arguments in [&["man"][..], &["check", "--help"], &["completions", "bash"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stdout).replace("\\-", "-");
        for word in ["rule-set", "installed", "shipped", "both", "none"] {
            assert!(text.contains(word), "{arguments:?}: {word}\n{text}");
        }
    }
}

#[test]
fn people_are_told_in_japanese_and_programs_as_ever() {
    let folder = Folder::new("japanese");
    folder.write("mail/spam.eml", SPAM);
    folder.write("mail/ham.eml", HAM);
    let japanese = |command: &str, arguments: &[&str]| folder.run_in("ja_JP.UTF-8", command, arguments).1;
    let report = japanese("check", &["mail"]);
    for expected in
        ["mail/spam.eml: 迷惑メール  4.5 点 (しきい値 3.0)", "得点 ルール名", "2 通: 迷惑メール 1、通常メール 1、"]
    {
        assert!(report.contains(expected), "{expected}: {report}");
    }
    let told = japanese("explain", &["MONEY_NOW"]);
    assert!(told.contains("本文か件名がパターンに一致すると該当する") && told.contains("文字列 "), "{told}");
    assert!(japanese("explain", &["--format", "json", "MONEY_NOW"]).contains("hits when"));
}

#[test]
fn what_was_not_looked_at_is_told() {
    let folder = Folder::new("limits");
    folder.write("deep.eml", format!("Subject: x\n{}\nhello\n", "Content-Type: message/rfc822\n\n".repeat(30)));
    let (_, out, _) = folder.run("check", &["deep.eml"]);
    assert!(out.contains("not checked in full: limit reached (depth: 20)"), "{out}");
    let (_, out, _) = folder.run("check", &["--format", "json", "deep.eml"]);
    assert!(out.contains("\"troubles\":[\"limit reached (depth: 20)"), "{out}");
}
