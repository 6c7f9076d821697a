//! `sekisho learn`, `sa-learn` and the rules that ask what was learnt, as a user calls them.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use support::{Folder, said};

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
    let learn = |arguments: &[&str]| said(&folder.sekisho(&[&["learn"], arguments, &["--model", &model]].concat()));
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
    assert!(String::from_utf8_lossy(&refused.stderr).contains("learn from mail instead"));
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
        said(&folder.sekisho(&arguments))
    };
    let without = check(&unseen, "bayes_min_spam_num 50");
    assert!(!without.contains("BAYES") && without.contains("\"score\":1.0"), "{without}");
    folder.sekisho(&["learn", "--model", &model, "--spam", &path(&folder, "spam")]);
    folder.sekisho(&["learn", "--model", &model, "--ham", &path(&folder, "ham")]);
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

/// A message that was learnt comes again with what relays and mailboxes wrote above it, and is the other class.
#[test]
fn taken_back_as_it_was_learnt() {
    let folder = Folder::new("learn-exact");
    mails(&folder, 10);
    let model = path(&folder, "model");
    let learn = |arguments: &[&str]| said(&folder.sekisho(&[&["learn", "--model", &model], arguments].concat()));
    learn(&["--ham", &path(&folder, "ham")]);
    learn(&["--spam", &path(&folder, "spam")]);
    let top = |name: &str| learn(&["top", &path(&folder, name)]);
    let known = (top("ham"), top("spam"));
    let relayed = |raw: String| {
        format!(
            "Received: from neverseen.example by mailstore.example\n\twith LMTP id 77; Fri, 20 Nov 2026\nX-Filed-By: robot\n{raw}"
        )
    };
    folder.file("later", &relayed(ham(3)));
    assert_eq!(learn(&["--spam", &path(&folder, "later")]), "1 learnt, 0 known before, 0 not readable\n");
    assert!(learn(&["status"]).contains("9 ham, 11 spam learnt"), "{}", learn(&["status"]));
    assert_eq!(learn(&["--ham", &path(&folder, "ham/3")]), "1 learnt, 0 known before, 0 not readable\n");
    assert_eq!((top("ham"), top("spam")), known, "as if it had never been said");
    // Every word of the relays is gone; with all the rest taken back nothing is left.
    learn(&["--forget", &path(&folder, "later"), &path(&folder, "spam"), &path(&folder, "ham")]);
    assert!(learn(&["status"]).contains("0 ham, 0 spam learnt\n0 words"), "{}", learn(&["status"]));
}

#[test]
fn days_are_taken_back_in_any_order() {
    let folder = Folder::new("learn-days");
    mails(&folder, 6);
    let (model, straight) = (path(&folder, "model"), path(&folder, "straight"));
    let learn =
        |model: &str, arguments: &[&str]| said(&folder.sekisho(&[&["learn", "--model", model], arguments].concat()));
    // The record's files bear the day: what was taught now becomes that of other days.
    let day = |name: &str| {
        let entries = std::fs::read_dir(&model).unwrap().map(|entry| entry.unwrap().path());
        let today: Vec<_> = entries.filter(|path| path.to_string_lossy().contains("/lessons-20")).collect();
        let newest = today.iter().find(|path| !path.to_string_lossy().contains("/lessons-2001")).unwrap();
        std::fs::rename(newest, Path::new(&model).join(format!("lessons-{name}.001"))).unwrap();
    };
    learn(&model, &["--ham", &path(&folder, "ham/0"), &path(&folder, "ham/1")]);
    learn(&model, &["--spam", &path(&folder, "spam/0")]);
    day("2001-01-01");
    learn(&model, &["--spam", &path(&folder, "ham/1"), &path(&folder, "spam/1")]);
    day("2001-01-02");
    learn(&model, &["--spam", &path(&folder, "spam/2")]);
    day("2001-01-03");
    let journal = learn(&model, &["journal"]);
    assert_eq!(journal.lines().count(), 3, "{journal}");
    assert!(journal.contains("2001-01-02  0 ham, 2 spam learnt, 1 taken back  (hand 3)"), "{journal}");
    assert!(learn(&model, &["status"]).contains("1 ham, 4 spam learnt"));
    // The middle one: its correction of ham/1 goes with it.
    assert!(learn(&model, &["undo", "--day", "2001-01-02"]).starts_with("3 lessons taken back, 0 no longer"));
    assert!(learn(&model, &["status"]).contains("2 ham, 2 spam learnt"));
    assert!(learn(&model, &["undo", "--day", "2001-01-02"]).starts_with("0 lessons taken back, 3 no longer"));
    for (class, file) in [("ham", "ham/0"), ("ham", "ham/1"), ("spam", "spam/0"), ("spam", "spam/2")] {
        learn(&straight, &[&format!("--{class}"), &path(&folder, file)]);
    }
    let words = |model: &str| {
        let dbpath = format!("--dbpath={model}");
        let dump = said(&folder.sekisho(&["sa-learn", &dbpath, "--dump", "data"]));
        dump.lines().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(words(&model), words(&straight));
    assert!(learn(&model, &["undo", "--since", "2001-01-01"]).starts_with("4 lessons taken back"));
    assert!(learn(&model, &["status"]).contains("0 ham, 0 spam learnt\n0 words"), "{}", learn(&model, &["status"]));
}

#[test]
fn read_in_japanese_too() {
    let folder = Folder::new("learn-ja");
    mails(&folder, 3);
    let model = path(&folder, "model");
    let japanese = |arguments: &[&str]| {
        let mut command = folder.command(&["learn", "--model", &model]);
        String::from_utf8(command.args(arguments).env("LC_ALL", "ja_JP.UTF-8").output().unwrap().stdout).unwrap()
    };
    assert_eq!(japanese(&["--spam", &path(&folder, "spam")]), "学習 3 通、学習済み 0 通、読めないもの 0 通\n");
    japanese(&["--ham", &path(&folder, "ham")]);
    assert!(japanese(&["status"]).contains("学習済み 通常メール 3 通、迷惑メール 3 通"));
    let explained = japanese(&["explain", &path(&folder, "spam/1")]);
    assert!(explained.starts_with("迷惑メールの確率 ") && explained.contains("迷惑メールらしい語:"), "{explained}");
    assert!(explained.contains("に迷惑メールとして学習済みです"), "{explained}");
    assert!(japanese(&["journal"]).contains("学習 通常 3 通・迷惑 3 通、取り消し 0 通"), "{}", japanese(&["journal"]));
    // Sources that are switched off are not looked at, either way.
    folder.file("model/settings", "{\"without\":[\"header\",\"visible\",\"invisible\",\"uri\"]}");
    assert!(japanese(&["explain", &path(&folder, "spam/2")]).starts_with("迷惑メールの確率 0.5000"));
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
        let status = said(&folder.sekisho(&["learn", "status", "--model", &model]));
        let numbers: Vec<u32> = status.split([':', ' ']).filter_map(|word| word.parse().ok()).take(2).collect();
        let now = numbers[0] + numbers[1];
        // A lesson and what it takes back may be parted by the end.
        assert!(now + 1 >= before && now <= 300, "{before} then {status}");
        before = now;
    }
    for class in ["spam", "ham"] {
        said(&folder.sekisho(&["learn", "--model", &model, &format!("--{class}"), &path(&folder, class)]));
    }
    let status = said(&folder.sekisho(&["learn", "status", "--model", &model]));
    assert!(status.contains("150 ham, 150 spam learnt"), "{status}");
    let straight = path(&folder, "straight");
    for class in ["spam", "ham"] {
        said(&folder.sekisho(&["learn", "--model", &straight, &format!("--{class}"), &path(&folder, class)]));
    }
    for model in [&model, &straight] {
        let forget = ["learn", "--model", model, "--forget", &path(&folder, "spam"), &path(&folder, "ham")];
        said(&folder.sekisho(&forget));
        let status = said(&folder.sekisho(&["learn", "status", "--model", model]));
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
    let status = || said(&folder.sekisho(&["learn", "status", "--model", &model]));
    assert_eq!(spamc(&["-L", "spam"], &spam(1)), ("Message successfully un/learned\n".into(), Some(0)));
    assert_eq!(spamc(&["-L", "spam"], &spam(1)).0, "Message was already un/learned\n");
    assert!(status().contains("0 ham, 1 spam learnt"), "{}", status());
    assert_eq!(spamc(&["-L", "forget"], &spam(1)).0, "Message successfully un/learned\n");
    assert!(status().contains("0 ham, 0 spam learnt"), "{}", status());
    assert!(!spamc(&["-y"], &spam(900)).0.contains("BAYES"));
    for class in ["spam", "ham"] {
        said(&folder.sekisho(&["learn", "--model", &model, &format!("--{class}"), &path(&folder, class)]));
    }
    support::wait_until("the service has taken it over", || spamc(&["-y"], &spam(900)).0.contains("BAYES_99"));
    assert!(spamc(&["-y"], &ham(900)).0.contains("BAYES_00"));
}

#[test]
fn what_root_teaches_is_the_services() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = Folder::new("learn-owner");
    mails(&folder, 2);
    let model = folder.0.join("model");
    std::fs::create_dir_all(&model).unwrap();
    if chown(&model, Some(65534), Some(65534)).is_err() {
        eprintln!("skipped: only root can give away a folder");
        return;
    }
    // Whose mail it is, the service need not be able to read it.
    std::fs::set_permissions(folder.0.join("spam"), PermissionsExt::from_mode(0o700)).unwrap();
    let place = path(&folder, "model");
    let learn = |arguments: &[&str]| said(&folder.sekisho(&[&["learn"], arguments, &["--model", &place]].concat()));
    assert_eq!(learn(&["--spam", &path(&folder, "spam")]), "2 learnt, 0 known before, 0 not readable\n");
    assert!(learn(&["status"]).contains("0 ham, 2 spam learnt"));
    for entry in std::fs::read_dir(&model).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 65534, "{}", entry.path().display());
    }
}
