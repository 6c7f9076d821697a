//! What SpamAssassin's Bayes had learnt is taken over: the real `sa-learn` teaches and backs up, ours imports and says the
//! same of other mail as the real `spamassassin`. And in which order lessons of many messages come.

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::Folder;

fn run(program: &str, folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("SEKISHO_CACHE", folder.0.join("cache")).env("HOME", &folder.0).env("LC_ALL", "C");
    command.stdin(Stdio::null()).output().unwrap()
}

fn sekisho(folder: &Folder, arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_sekisho"), folder, arguments)
}

fn said(output: &Output) -> String {
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(folder: &Folder, name: &str) -> String {
    folder.0.join(name).display().to_string()
}

/// Words of chance, the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

const OF_SPAM: &[&str] = &[
    "FREE!",
    "Winner",
    "http://prize.example/claim?id=7",
    "当選しました",
    "click",
    "$31,000,000",
    "offer...today",
    "pharmacy@pills.example",
    "unsubscribe",
    "Viagra",
    "limited--time",
    "賞金",
    "casino",
    "100%",
    "w1nner",
    "お金",
    "administratorverification",
    "http://203.0.113.9/login",
];
const OF_HAM: &[&str] = &[
    "meeting",
    "invoice",
    "請求書",
    "regards,",
    "schedule",
    "www.office.example",
    "Tanaka",
    "ご確認ください",
    "patch",
    "keiri@office.example",
    "release-1.2.3",
    "thanks",
    "minutes",
    "\"quoted\"",
    "documentationdraft",
    "会議",
    "résumé",
];
const OF_BOTH: &[&str] =
    &["the", "today", "mail", "お世話になっております", "A", "number", "list", "http://www.example.org/", "Please"];

/// A mail that speaks mostly as its class does, in one of several forms.
fn mail(chance: &mut Chance, number: usize, spam: bool) -> String {
    let mut text = |count: usize| {
        let mut out = String::new();
        for _ in 0..count {
            let of = match chance.below(10) {
                0..=4 if spam => OF_SPAM,
                0..=4 => OF_HAM,
                5 => [OF_SPAM, OF_HAM][usize::from(spam)],
                _ => OF_BOTH,
            };
            out.push_str(chance.pick(of));
            out.push_str(chance.pick(&[" ", " ", ". ", "\n", "\n\n", "、"]));
        }
        out
    };
    let (subject, body, hidden) = (text(3).replace('\n', " "), text(40), text(5));
    let from =
        if spam { "\"Big Prize\" <win@mail.prize.example>" } else { "Taro Yamada (経理) <taro@office.example>" };
    let relay = ["192.0.2.10", "198.51.100.7", "203.0.113.80"][number % 3];
    let head = format!(
        "Return-Path: <bounce@list.example>\n\
         Received: from mx{number}.example (mx.example [{relay}])\n\tby mail.example.net (Postfix) with ESMTP id 0123456789AB\n\
         \tfor <hanako@example.net>; Sat, 21 Nov 2026 10:00:00 +0900 (JST)\n\
         Received: from unknown (HELO pc) (10.1.2.3) by mx.example with SMTP; 21 Nov 2026 01:00:00 -0000\n\
         From: {from}\nTo: hanako@example.net, jiro@example.net\nSubject: {subject}\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0900\nMessage-ID: <000a01c0{number:04x}$12345678$9abcdef0@pc{number}>\n\
         In-Reply-To: <E1abcde-000123-0A@host.example>\nX-Mailer: Mailer {number}\nX-Spam-Level: ***\nList-Id: <a.b>\n\
         MIME-Version: 1.0\n"
    );
    match number % 3 {
        0 => format!("{head}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}\n"),
        1 => format!(
            "{head}Content-Type: text/html; charset=utf-8\n\n<html><body bgcolor=\"#ffffff\"><p>{body}</p>\n\
             <font color=\"#ffffff\">{hidden}</font><a href=\"http://h{number}.example/x\">here</a></body></html>\n"
        ),
        _ => format!(
            "{head}Content-Type: multipart/alternative; boundary=\"--=_Part_0{number:03}_A\"\n\n\
             ----=_Part_0{number:03}_A\nContent-Type: text/plain; charset=utf-8\n\n{body}\n\
             ----=_Part_0{number:03}_A\nContent-Type: text/html; charset=utf-8\n\n<p>{body}</p><img src=\"cid:x\">\n\
             ----=_Part_0{number:03}_A--\n"
        ),
    }
}

#[test]
fn as_spamassassin_would_have_said() {
    if !Path::new("/usr/bin/sa-learn").exists() {
        eprintln!("skipped: SpamAssassin is not installed");
        return;
    }
    let folder = Folder::new("import");
    let mut chance = Chance(1);
    for number in 0..30 {
        folder.file(&format!("spam/{number}"), &mail(&mut chance, number, true));
        folder.file(&format!("ham/{number}"), &mail(&mut chance, number, false));
    }
    let unseen: Vec<String> = (30..60)
        .map(|number| folder.file(&format!("unseen/{number}"), &mail(&mut chance, number, number % 2 == 0)))
        .map(|path| path.display().to_string())
        .collect();
    let unseen: Vec<&str> = unseen.iter().map(String::as_str).collect();
    // The real ones.
    let settings = "bayes_min_ham_num 20\nbayes_min_spam_num 20\nbayes_auto_learn 0\nbayes_ignore_header X-Filed-By\n";
    std::fs::create_dir_all(folder.0.join("theirs")).unwrap();
    let prefs = folder.file(
        "prefs",
        &format!("{settings}add_header all Bayes _BAYES_\nbayes_path {}\n", path(&folder, "theirs/bayes")),
    );
    let prefs = ["-p", prefs.to_str().unwrap()];
    let real = |program: &str, arguments: &[&str]| {
        let output = run(program, &folder, &[&prefs[..], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    real("/usr/bin/sa-learn", &["-L", "--spam", &path(&folder, "spam")]);
    real("/usr/bin/sa-learn", &["-L", "--ham", &path(&folder, "ham")]);
    std::fs::write(folder.0.join("backup"), real("/usr/bin/sa-learn", &["--backup"])).unwrap();
    let theirs = real("/usr/bin/spamassassin", &[&["-L", "-t"], &unseen[..]].concat());
    let theirs: Vec<String> = String::from_utf8_lossy(&theirs)
        .lines()
        .filter_map(|line| line.strip_prefix("X-Spam-Bayes: ").map(|score| score.trim().to_owned()))
        .collect();
    assert_eq!(theirs.len(), unseen.len());

    // Ours.
    let model = path(&folder, "model");
    let check = || -> Vec<String> {
        let mut arguments = vec!["check", "--format", "json", "--rule-set", "installed", "--local", "--model", &model];
        settings.lines().for_each(|line| arguments.extend(["--cf", line]));
        let text = said(&sekisho(&folder, &[&arguments[..], &unseen[..]].concat()));
        let score = |line: &str| line.split_once("score: ").map(|(_, rest)| rest.chars().take(6).collect());
        text.lines().filter(|line| line.starts_with('{')).map(|line| score(line).unwrap_or_default()).collect()
    };
    let learn = |arguments: &[&str]| said(&sekisho(&folder, &[&["learn", "--model", &model], arguments].concat()));
    let told = learn(&["import", &path(&folder, "backup")]);
    assert!(told.contains("tokens of 30 ham and 30 spam"), "{told}");
    // As the service keeps it of its rules.
    folder.file("model/settings", "{\"min_ham\":20,\"min_spam\":20}");
    assert_eq!(check(), theirs);
    assert!(theirs.iter().filter(|score| !["0.0000", "1.0000"].contains(&score.as_str())).count() > 10, "{theirs:?}");

    let status = learn(&["status"]);
    assert!(status.contains("imported from SpamAssassin") && status.contains("30 ham, 30 spam"), "{status}");
    let explained = learn(&["explain", unseen[0]]);
    assert!(explained.contains("imported tokens that pull towards spam"), "{explained}");

    // A backup of ours holds it too; what is cleared and dropped is gone.
    let dbpath = format!("--dbpath={model}");
    let ours = sekisho(&folder, &["sa-learn", &dbpath, "--backup"]);
    std::fs::write(folder.0.join("ours"), &ours.stdout).unwrap();
    said(&sekisho(&folder, &["sa-learn", &dbpath, "--clear"]));
    assert!(!learn(&["status"]).contains("imported"));
    assert_eq!(check(), vec![String::new(); unseen.len()], "nothing was learnt any more");
    said(&sekisho(&folder, &["sa-learn", &dbpath, "--restore", &path(&folder, "ours")]));
    assert_eq!(check(), theirs);
    assert!(learn(&["forget-import"]).contains("dropped"));
    assert!(!learn(&["status"]).contains("imported"));
    assert_eq!(learn(&["forget-import"]), "nothing was imported\n");
    said(&sekisho(&folder, &["sa-learn", &dbpath, "--restore", &path(&folder, "backup")]));
    assert_eq!(check(), theirs, "as sa-learn would be given it");

    // With enough lessons of our own both are asked: what is learnt is not undone by what was.
    learn(&["--spam", &path(&folder, "ham"), "--ham", &path(&folder, "spam")]);
    let both = check();
    assert_ne!(both, theirs);
    assert!(learn(&["status"]).contains("of the say that it had at first"), "{}", learn(&["status"]));
}

#[test]
fn what_is_no_backup_is_told() {
    let folder = Folder::new("import-wrong");
    let model = path(&folder, "model");
    let refused = |text: &str| {
        let file = folder.file("backup", text).display().to_string();
        let output = sekisho(&folder, &["learn", "--model", &model, "import", &file]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!Path::new(&model).join("imported").exists());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("hello\n").contains("not what sa-learn --backup writes"));
    let head = "v\t3\tdb_version # this must be the first line!!!\nv\t1\tnum_spam\n";
    assert!(refused(head).contains("learn from mail instead"));
    assert!(refused(&format!("{head}v\t1\tnum_nonspam\nt\t1\t0\t1\t12\n")).contains("line 4"));
    assert!(refused(&head.replace('3', "9")).contains("version 9"));
}

#[test]
fn both_classes_in_one_call_come_in_turns() {
    let folder = Folder::new("learn-turns");
    let mut chance = Chance(2);
    for number in 0..6 {
        folder.file(&format!("spam/{number}"), &mail(&mut chance, number, true));
    }
    for number in 0..3 {
        folder.file(&format!("ham/{number}"), &mail(&mut chance, number, false));
    }
    let model = path(&folder, "model");
    let learn = |arguments: &[&str]| said(&sekisho(&folder, &[&["learn", "--model", &model], arguments].concat()));
    let told = learn(&["--spam", &path(&folder, "spam"), "--ham", &path(&folder, "ham")]);
    assert_eq!(told, "9 learnt, 0 known before, 0 not readable\n");
    let day = learn(&["journal"]).split_whitespace().next().unwrap().to_owned();
    let order: Vec<String> = learn(&["journal", "--day", &day])
        .lines()
        .filter(|line| !line.contains("  again  "))
        .map(|line| if line.contains("+spam") { "s" } else { "h" }.to_owned())
        .collect();
    assert_eq!(order.concat(), "shsshsshs");
    let output = sekisho(&folder, &["learn", "--model", &model, "--spam", "--ham", &path(&folder, "ham")]);
    assert_eq!(output.status.code(), Some(2), "whose paths are these? {output:?}");
}

/// The usual way to begin: one folder, then the other.
#[test]
fn a_row_of_one_class_does_not_make_the_other_forgotten() {
    let folder = Folder::new("learn-rows");
    let mut chance = Chance(3);
    for number in 0..60 {
        folder.file(&format!("spam/{number}"), &mail(&mut chance, number, true));
        folder.file(&format!("ham/{number}"), &mail(&mut chance, number, false));
    }
    for (first, second) in [("spam", "ham"), ("ham", "spam")] {
        let model = path(&folder, &format!("{first}-first"));
        let learn = |arguments: &[&str]| sekisho(&folder, &[&["learn", "--model", &model], arguments].concat());
        for class in [first, second] {
            let told = said(&learn(&[&format!("--{class}"), &path(&folder, class)]));
            assert_eq!(told, "60 learnt, 0 known before, 0 not readable\n");
        }
        assert!(said(&learn(&["status"])).contains("60 ham, 60 spam learnt"));
        for number in (0..60).step_by(6) {
            for class in ["spam", "ham"] {
                let code = learn(&["explain", &path(&folder, &format!("{class}/{number}"))]).status.code();
                assert_eq!(code, Some(i32::from(class == "spam")), "{first} first: {class}/{number}");
            }
        }
        // All of it can be taken back, what was learnt anew too.
        said(&learn(&["undo", "--since", "2001-01-01"]));
        assert!(said(&learn(&["status"])).contains("0 ham, 0 spam learnt\n0 words"));
    }
}
