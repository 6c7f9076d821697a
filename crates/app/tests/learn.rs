//! `sekisho learn`, `sa-learn` and the rules that ask what was learnt, as a user calls them.

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::Folder;

fn sekisho(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .env("SEKISHO_CACHE", folder.0.join("cache"))
        .env("HOME", &folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn spam(number: usize) -> String {
    format!(
        "From: \"当選\" <win{number}@prize.example>\nSubject: =?UTF-8?B?5b2T6YG444GX44G+44GX44Gf?= {number}\n\
         Message-ID: <s{number}@prize.example>\n\nおめでとうございます。賞金{number}万円に当選しました。\nhttp://prize{number}.example/claim\n"
    )
}

fn ham(number: usize) -> String {
    format!(
        "From: \"経理\" <keiri@office.example>\nSubject: =?UTF-8?B?6KuL5rGC5pu444Gu5Lu2?= {number}\n\
         Message-ID: <h{number}@office.example>\n\nいつもお世話になっております。請求書{number}をお送りします。\nご確認ください。\n"
    )
}

/// `spam/` and `ham/` with so many messages each.
fn mails(folder: &Folder, count: usize) {
    for number in 0..count {
        folder.file(&format!("spam/{number}"), &spam(number));
        folder.file(&format!("ham/{number}"), &ham(number));
    }
}

fn path(folder: &Folder, name: &str) -> String {
    folder.0.join(name).display().to_string()
}

#[test]
fn what_is_taught_is_known_and_can_be_taken_back() {
    let folder = Folder::new("learn-commands");
    mails(&folder, 12);
    let model = path(&folder, "model");
    let learn = |arguments: &[&str]| said(&sekisho(&folder, &[&["learn"], arguments, &["--model", &model]].concat()));
    assert_eq!(learn(&["--spam", &path(&folder, "spam")]), "12 learnt, 0 known before, 0 not readable\n");
    assert_eq!(learn(&["--ham", &path(&folder, "ham")]), "12 learnt, 0 known before, 0 not readable\n");
    assert_eq!(learn(&["--ham", &path(&folder, "ham")]), "0 learnt, 12 known before, 0 not readable\n");
    assert!(learn(&["status"]).contains("12 ham, 12 spam learnt"), "{}", learn(&["status"]));

    let unseen = folder.file("unseen", &spam(500));
    let explained = learn(&["explain", &unseen.display().to_string()]);
    let probability: f64 = explained.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(probability > 0.7, "{explained}");
    assert!(explained.contains("当選"), "{explained}");
    let top = learn(&["top", &path(&folder, "spam"), &path(&folder, "ham")]);
    assert!(top.contains("請求"), "{top}");

    // What a filter wrote into the header makes no other message of it.
    let marked = folder.file("marked", &format!("X-Spam-Status: Yes, score=9\nX-Sekisho-Hits: A\n{}", spam(3)));
    assert_eq!(learn(&["--spam", &marked.display().to_string()]), "0 learnt, 1 known before, 0 not readable\n");
    assert_eq!(learn(&["--forget", &marked.display().to_string()]), "1 forgotten, 0 never learnt, 0 not readable\n");
    assert!(learn(&["status"]).contains("12 ham, 11 spam learnt"));
    learn(&["--forget", &path(&folder, "spam"), &path(&folder, "ham")]);
    assert!(learn(&["status"]).contains("0 ham, 0 spam learnt"));
    assert!(learn(&["status"]).contains("\n0 words"), "nothing is left: {}", learn(&["status"]));
}

#[test]
fn sa_learn_by_its_own_name() {
    let folder = Folder::new("sa-learn");
    mails(&folder, 5);
    let named = folder.0.join("sa-learn");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sekisho"), &named).unwrap();
    let dbpath = format!("--dbpath={}", path(&folder, "model"));
    let run = |arguments: &[&str]| {
        let output = Command::new(&named).arg(&dbpath).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let text = |arguments: &[&str]| String::from_utf8(run(arguments)).unwrap();
    let learnt = "Learned tokens from 5 message(s) (5 message(s) examined)\n";
    assert_eq!(text(&["--spam", "--no-sync", &path(&folder, "spam")]), learnt);
    assert_eq!(text(&["--ham", "--progress", &path(&folder, "ham")]), learnt);
    let magic = text(&["--dump", "magic"]);
    let count = |what: &str| -> u32 {
        let line = magic.lines().find(|line| line.ends_with(what)).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    assert_eq!((count("nspam"), count("nham")), (5, 5), "{magic}");
    assert!(text(&["--dump", "data"]).lines().count() > 20);
    let backup = folder.0.join("backup");
    std::fs::write(&backup, run(&["--backup"])).unwrap();
    run(&["--clear"]);
    assert!(text(&["--dump", "magic"]).contains("         0          0  non-token data: nspam"));
    run(&["--restore", backup.to_str().unwrap()]);
    run(&["--sync"]);
    assert_eq!(text(&["--dump", "magic"]), magic);
    assert_eq!(
        text(&["--forget", &path(&folder, "spam/0")]),
        "Forgot tokens from 1 message(s) (1 message(s) examined)\n"
    );
    let theirs = folder.file("theirs", "v\t3\tdb_version # this must be the first line!!!\nv\t1\tnum_spam\n");
    let refused = Command::new(&named).arg(&dbpath).arg("--restore").arg(theirs).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("learn from the mail instead"));
}

const RULES: &str = "\
loadplugin Mail::SpamAssassin::Plugin::Bayes
body BAYES_00 eval:check_bayes('0.00', '0.01')
body BAYES_50 eval:check_bayes('0.40', '0.60')
body BAYES_99 eval:check_bayes('0.99', '1.00')
tflags BAYES_00 nice learn
tflags BAYES_50 learn
tflags BAYES_99 learn
score BAYES_00 0 0 -1.5 -1.9
score BAYES_50 0 0 2.0 0.8
score BAYES_99 0 0 3.8 3.5
body ALWAYS /./
score ALWAYS 1 2 3 4
";

#[test]
fn rules_ask_once_enough_was_learnt() {
    let folder = Folder::new("learn-rules");
    mails(&folder, 60);
    let rules = folder.file("rules.cf", RULES);
    let (model, unseen) = (path(&folder, "model"), folder.file("unseen", &spam(900)));
    let check = |file: &Path, cf: &str| {
        let mut arguments = vec!["check", "--format", "json", "--rule-set", "none", "--no-cache", "--model", &model];
        cf.lines().for_each(|line| arguments.extend(["--cf", line]));
        arguments.extend(["--rules", rules.to_str().unwrap(), file.to_str().unwrap()]);
        said(&sekisho(&folder, &arguments))
    };
    let without = check(&unseen, "bayes_min_spam_num 50");
    assert!(!without.contains("BAYES") && without.contains("\"score\":1.0"), "{without}");
    sekisho(&folder, &["learn", "--model", &model, "--spam", &path(&folder, "spam")]);
    sekisho(&folder, &["learn", "--model", &model, "--ham", &path(&folder, "ham")]);
    let few = check(&unseen, "required_score 5");
    assert!(!few.contains("BAYES"), "200 are wanted: {few}");
    let enough = "bayes_min_spam_num 50\nbayes_min_ham_num 50";
    let found = check(&unseen, enough);
    assert!(found.contains("BAYES_99") && found.contains("\"rule\":\"ALWAYS\",\"score\":3.0"), "{found}");
    let fine = check(&folder.file("fine", &ham(900)), enough);
    assert!(fine.contains("BAYES_00") && fine.contains("score: 0.0"), "{fine}");
    let off = check(&unseen, &format!("{enough}\nuse_bayes 0"));
    assert!(!off.contains("BAYES") && off.contains("\"score\":1.0"), "{off}");
}

/// kill -9 while learning: the model opens, what was learnt before is there, nothing is counted twice.
#[test]
fn killed_while_learning() {
    let folder = Folder::new("learn-killed");
    mails(&folder, 150);
    let model = path(&folder, "model");
    let rounds = std::env::var_os("SEKISHO_KILLS").and_then(|n| n.to_str()?.parse().ok()).unwrap_or(12u64);
    let mut before = 0;
    for round in 0..rounds {
        // Now this, now the other is said of each folder, so that there is always something to learn.
        let class = if round % 2 == 0 { "spam" } else { "ham" };
        let said_of_it = if (round / 2) % 2 == 0 { "spam" } else { "ham" };
        let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["learn", "--model", &model, &format!("--{said_of_it}"), &path(&folder, class)])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5 + round * 13 % 120));
        let _ = child.kill();
        child.wait().unwrap();
        let status = said(&sekisho(&folder, &["learn", "status", "--model", &model]));
        let numbers: Vec<u32> = status.split([':', ' ']).filter_map(|word| word.parse().ok()).take(2).collect();
        let now = numbers[0] + numbers[1];
        // A lesson and what it takes back may be parted by the end.
        assert!(now + 1 >= before && now <= 300, "{before} then {status}");
        before = now;
    }
    for class in ["spam", "ham"] {
        said(&sekisho(&folder, &["learn", "--model", &model, &format!("--{class}"), &path(&folder, class)]));
    }
    let status = said(&sekisho(&folder, &["learn", "status", "--model", &model]));
    assert!(status.contains("150 ham, 150 spam learnt"), "{status}");
    let straight = path(&folder, "straight");
    for class in ["spam", "ham"] {
        said(&sekisho(&folder, &["learn", "--model", &straight, &format!("--{class}"), &path(&folder, class)]));
    }
    for model in [&model, &straight] {
        let forget = ["learn", "--model", model, "--forget", &path(&folder, "spam"), &path(&folder, "ham")];
        said(&sekisho(&folder, &forget));
        let status = said(&sekisho(&folder, &["learn", "status", "--model", model]));
        assert!(status.contains("0 ham, 0 spam learnt") && status.contains("\n0 words"), "{status}");
    }
}

/// The service learns by `spamc -L`, and judges by what it and others taught, without a restart.
#[test]
fn the_service_learns() {
    let folder = Folder::new("learn-serve");
    mails(&folder, 60);
    let rules = folder.file("rules.cf", &format!("{RULES}bayes_min_spam_num 50\nbayes_min_ham_num 50\n"));
    let model = path(&folder, "model");
    let config = format!(
        "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n\
         [store]\nlocation = \"\"\n[learn]\nfolder = {model:?}\ntell = true\n"
    );
    let service = support::Sekisho::start(&folder, &config);
    let port = service.port("spamd").to_string();
    let spamc = |arguments: &[&str], message: &str| {
        let (text, code) =
            support::filter("spamc", &[&["-d", "127.0.0.1", "-p", &port], arguments].concat(), message.as_bytes());
        (String::from_utf8_lossy(&text).into_owned(), code)
    };
    let status = || said(&sekisho(&folder, &["learn", "status", "--model", &model]));
    assert_eq!(spamc(&["-L", "spam"], &spam(1)), ("Message successfully un/learned\n".into(), Some(0)));
    assert_eq!(spamc(&["-L", "spam"], &spam(1)).0, "Message was already un/learned\n");
    assert!(status().contains("0 ham, 1 spam learnt"), "{}", status());
    assert_eq!(spamc(&["-L", "forget"], &spam(1)).0, "Message successfully un/learned\n");
    assert!(status().contains("0 ham, 0 spam learnt"), "{}", status());
    assert!(!spamc(&["-y"], &spam(900)).0.contains("BAYES"));
    for class in ["spam", "ham"] {
        said(&sekisho(&folder, &["learn", "--model", &model, &format!("--{class}"), &path(&folder, class)]));
    }
    support::wait_until("the service has taken it over", || spamc(&["-y"], &spam(900)).0.contains("BAYES_99"));
    assert!(spamc(&["-y"], &ham(900)).0.contains("BAYES_00"));
}
