//! The rule writer's bench at the command line: `rule try|suggest|convert`, `masscheck`, `tune`, and `report`.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use store::history::{Entry, Hit};
use store::{Store, Time};
use support::{Folder, Sekisho};

fn sekisho(folder: &Folder, locale: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .env("LC_ALL", locale)
        .env("SEKISHO_CACHE", folder.0.join("cache"))
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn mails(folder: &Folder, name: &str, count: usize, mail: impl Fn(usize) -> String) -> String {
    let path = folder.0.join(name);
    fs::create_dir_all(&path).unwrap();
    for number in 0..count {
        fs::write(path.join(format!("{number:03}.eml")), mail(number)).unwrap();
    }
    path.display().to_string()
}

const ENGLISH: &str = "C.UTF-8";
const JAPANESE: &str = "ja_JP.UTF-8";

#[test]
fn a_pattern_is_shown_where_it_died() {
    let folder = Folder::new("workshop-try");
    let mail = folder
        .file("a.eml", "Subject: =?UTF-8?B?6KuL5rGC5pu444Gu44GU56K66KqN?=\nX-Relay: [ ip=180.94.45.6 rdns=\n\nbody\n");
    let mail = mail.display().to_string();
    let try_it = |locale: &str, more: &[&str]| {
        let all = [&["rule", "try", "--rule-set", "none"], more, &[mail.as_str()]].concat();
        sekisho(&folder, locale, &all)
    };
    let pattern = r"^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} ";
    let (said, error, code) = try_it(ENGLISH, &[pattern, "--view", "header:X-Relay"]);
    assert_eq!(code, Some(0), "{said}{error}");
    let lines: Vec<&str> = said.lines().collect();
    let at =
        lines.iter().position(|line| line.contains("died at byte 14 on '5' (35)")).unwrap_or_else(|| panic!("{said}"));
    // The marks stand under the part and under the byte.
    let under = |text: usize, marks: usize| -> String {
        let (text, marks): (Vec<char>, Vec<char>) = (lines[text].chars().collect(), lines[marks].chars().collect());
        marks.iter().zip(&text).filter(|(mark, _)| **mark != ' ').map(|(_, c)| *c).collect()
    };
    assert_eq!((under(at + 1, at + 2).as_str(), under(at + 3, at + 4).as_str()), (r"\.", "5"), "{said}");

    let rule = "header MINE Subject:text =~ /^請求書のご確定/";
    let (said, _, code) = try_it(JAPANESE, &[rule]);
    assert!(code == Some(0) && said.contains("不一致") && said.contains("で止まりました"), "{said}");
    let (said, _, code) = try_it(JAPANESE, &["header MINE Subject:text =~ /^請求書のご確認/"]);
    assert!(code == Some(1) && said.contains("一致"), "{said}");
    let (said, _, _) = try_it(ENGLISH, &[r"/\x90\xbf\x8b\x81\x8f\x91/", "--view", "rawbody"]);
    assert!(said.contains("Shift_JIS") && said.contains("text NAME /請求書/"), "{said}");
    let (said, _, _) = try_it(ENGLISH, &["請求書", "--view", "text", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((json["hit"].as_bool(), json["matches"][0]["text"].as_str()), (Some(true), Some("請求書")), "{said}");
    // A meta is shown by its parts.
    let (said, _, code) =
        try_it(ENGLISH, &["meta BOTH (ONE && TWO)", "--cf", "body ONE /body/", "--cf", "body TWO /none/"]);
    assert!(code == Some(0) && said.contains("1  ONE") && said.contains("0  TWO"), "{said}");
    // What is wrong is said, with the place.
    let (_, error, code) = try_it(ENGLISH, &["(x"]);
    assert!(code == Some(2) && error.contains("(x\n"), "{error}");
    assert_eq!(try_it(ENGLISH, &["x", "--view", "header"]).2, Some(2));
}

#[test]
fn the_talks_fault_shows_in_what_it_hits() {
    let folder = Folder::new("workshop-fault");
    let rule = r#"full MPALTSJISQPONLY /\nContent-Type: multipart\/alternative;\n\tboundary=\"(--=.+(?:[a-zA-Z0-9]|=_)|--[0-9]{14,})\"\n(?:.+\n){2,}\n--\1\nContent-Type: text\/plain;(?: charset=\"shift_jis\"){0,1}\nContent-Transfer-Encoding: quoted-printable\n\n(?:(?!\1).+\n|\n){2,}--\1--\n/"#;
    let head = "From: a@example.jp\nContent-Type: multipart/alternative;\n\tboundary=\"--=x1\"\nMIME-Version: 1.0\nSubject: x\n\n----=x1\n\
                Content-Type: text/plain; charset=\"shift_jis\"\nContent-Transfer-Encoding: quoted-printable\n\none\ntwo\n";
    let spam = folder.file("spam.eml", &format!("{head}----=x1--\n"));
    let ham = folder.file("ham.eml", &format!("{head}----=x1\nContent-Type: text/html\n\n<p>one</p>\n\n----=x1--\n"));
    let crlf = folder.file("crlf.eml", &format!("{head}----=x1--\n").replace('\n', "\r\n"));
    let files = [&spam, &ham, &crlf].map(|path| path.display().to_string());
    let all = [&["rule", "try", "--rule-set", "none", rule][..], &files.each_ref().map(String::as_str)].concat();
    let (said, error, code) = sekisho(&folder, ENGLISH, &all);
    assert_eq!(code, Some(1), "{said}{error}");
    assert!(said.contains(r"With (?!--\1) it does"), "{said}");
    let after =
        |name: &str| said.split(&format!("{name}: ")).nth(1).unwrap().split(".eml: ").next().unwrap().to_owned();
    assert!(after("spam.eml").starts_with("hit") && !after("spam.eml").contains("only because"), "{said}");
    assert!(after("ham.eml").starts_with("hit") && after("ham.eml").contains("only because of the fault"), "{said}");
    assert!(after("crlf.eml").starts_with("no hit") && after("crlf.eml").contains("CRLF"), "{said}");
}

fn lint_is_clean(folder: &Folder, file: &Path) {
    let (said, error, code) =
        sekisho(folder, ENGLISH, &["lint", "--rule-set", "none", "--rules", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{said}{error}\n{}", fs::read_to_string(file).unwrap());
    assert!(!said.contains("warning["), "{said}");
}

#[test]
fn look_alikes_suggest_rules_that_pass_lint_and_hit() {
    let folder = Folder::new("workshop-suggest");
    let spam = mails(&folder, "spam", 12, |n| {
        format!(
            "From: Amazon <no-reply{n}@mail{n}.example-{n}.icu>\nSubject: Your account {n:04} was suspended\nMessage-ID: <{n:014}.a@vm-{n:02}.localdomain>\n\
             X-Mailer: Foxmail 6, 13, 102, 15 [cn]\nContent-Type: text/plain; charset=utf-8\n\nDear customer, unusual activity was found on your account number {n:06}.\n\
             Please confirm your identity within twenty four hours: https://a{n}.example-{n}.icu/signin/verify.php?id={n:06}\n"
        )
    });
    let ham = mails(&folder, "ham", 20, |n| {
        format!(
            "From: Bob <bob@example.jp>\nSubject: Meeting {n}\nMessage-ID: <{n}@example.jp>\nX-Mailer: Foxmail 6, 13, 102, 15 [cn]\n\nThe meeting is in room {n}: https://www.example.jp/rooms/{n}\n"
        )
    });
    let out = folder.0.join("out.cf");
    let arguments = ["rule", "suggest", "--spam", &spam, "--ham", &ham, "-o", &out.display().to_string()];
    let (said, error, code) = sekisho(&folder, ENGLISH, &arguments);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(
        error.contains("12 spam: 1 groups of look-alikes (12 messages)") && error.contains("none of 20 ham"),
        "{error}"
    );
    lint_is_clean(&folder, &out);
    let hits = |path: &str| {
        let (said, ..) = sekisho(
            &folder,
            ENGLISH,
            &["check", "--rule-set", "none", "--rules", &out.display().to_string(), "--no-signatures", path],
        );
        said.matches(" LOOKALIKE_").count()
    };
    assert_eq!((hits(&spam), hits(&ham)), (12, 0));
    let (said, _, code) = sekisho(&folder, ENGLISH, &["rule", "suggest", "--prove", "--spam", &spam, "--ham", &ham]);
    assert!(code == Some(0) && said.contains("held out: 6 of 6 hit (100.0 %); ham held out: 0 of 10 hit"), "{said}");
    // Without ham nothing is known, and nothing written.
    let nowhere = folder.0.join("nowhere").display().to_string();
    fs::remove_file(&out).unwrap();
    let arguments = ["rule", "suggest", "--spam", &spam, "--ham", &nowhere, "-o", &out.display().to_string()];
    let (said, error, code) = sekisho(&folder, ENGLISH, &arguments);
    assert!(code == Some(2) && said.is_empty() && error.contains("nowhere: ") && error.contains("no ham"), "{error}");
    assert!(!out.exists());
    let arguments = ["rule", "suggest", "--spam", &spam, "--ham", &nowhere, "--ham", &ham];
    let (said, error, code) = sekisho(&folder, ENGLISH, &arguments);
    assert!(code == Some(2) && said.contains("LOOKALIKE_") && error.contains("none of 20 ham"), "{error}");
    assert!(error.contains("1 messages could not be read"), "{error}");
    let (_, error, code) = sekisho(&folder, JAPANESE, &["rule", "suggest", "--spam", &ham, "--ham", &ham]);
    assert!(code == Some(1) && error.contains("通常メール 20 通"), "{error}");
}

#[test]
fn byte_patterns_become_text() {
    let folder = Folder::new("workshop-convert");
    let prefs = folder.file(
        "user_prefs",
        "rawbody SEIKYU /\\x90\\xbf\\x8b\\x81\\x8f\\x91/\ndescribe SEIKYU invoice\nscore SEIKYU 2\nbody PLAIN /plain/\ndescribe PLAIN plain\n\
         rawbody ODD /[\\x80-\\xa0]{4}/\ndescribe ODD odd\n",
    );
    let new = folder.0.join("new.cf");
    let (_, error, code) =
        sekisho(&folder, ENGLISH, &["rule", "convert", &prefs.display().to_string(), "-o", &new.display().to_string()]);
    assert_eq!(code, Some(1), "one cannot be converted: {error}");
    assert!(
        error.contains("SEIKYU: Shift_JIS → 請求書") && error.contains("ODD: left as it is: it has a class of bytes"),
        "{error}"
    );
    lint_is_clean(&folder, &new);
    // The same word in two encodings, one rule.
    let mail = |charset: &str, bytes: &[u8]| {
        let mut mail =
            format!("Subject: x\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n")
                .into_bytes();
        mail.extend_from_slice(bytes);
        let path = folder.0.join(format!("{charset}.eml"));
        fs::write(&path, mail).unwrap();
        path.display().to_string()
    };
    for path in [mail("iso-2022-jp", b"\x1b$B@A5a=q\x1b(B\n"), mail("utf-8", "請求書\n".as_bytes())] {
        let (said, ..) = sekisho(
            &folder,
            ENGLISH,
            &["rule", "try", "--rule-set", "none", "--rules", &new.display().to_string(), "SEIKYU", &path],
        );
        assert!(said.contains("text 請求書") && said.contains(": hit"), "{said}");
    }
}

#[test]
fn a_mass_check_goes_on_where_it_ended_and_scores_are_tuned() {
    let folder = Folder::new("workshop-masscheck");
    let rules = folder.file(
        "rules.cf",
        "required_score 5\nbody GOOD /cheap pills/\nscore GOOD 4.5\nbody WIDE /hello/\nscore WIDE 4.9\nbody NICE /agenda/\nscore NICE 0.4\nbody OFF /hello/\nscore OFF 0\n",
    );
    mails(&folder, "corpus/spam", 40, |n| {
        format!("Subject: s{n}\n\n{}cheap pills\n", if n % 2 == 0 { "hello " } else { "" })
    });
    mails(&folder, "corpus/ham", 40, |n| {
        format!("Subject: h{n}\n\nhello {}\n", if n % 2 == 0 { "agenda" } else { "there" })
    });
    let rules = rules.display().to_string();
    let masscheck = |more: &[&str]| {
        sekisho(
            &folder,
            ENGLISH,
            &[&["masscheck", "corpus", "--rule-set", "none", "--rules", &rules][..], more].concat(),
        )
    };
    let (said, error, code) = masscheck(&[]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains("40 spam, 20 missed (50.00 %); 40 ham, 20 called spam (50.00 %)"), "{said}");
    assert!(
        said.lines().any(|line| line.ends_with("  GOOD") && line.contains(" 100.000 ") && line.contains(" 1.000 ")),
        "{said}"
    );
    // Cut short in the middle of a line, the log is gone on with.
    let log = folder.0.join("masscheck/spam.log");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    let (again, error, code) = masscheck(&[]);
    assert_eq!((again.as_str(), code), (said.as_str(), Some(0)), "{error}");
    let lines = fs::read_to_string(&log).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("points=")).count(), 40, "{lines}");

    let tuned = folder.0.join("tuned.cf");
    let tune = ["tune", "--rule-set", "none", "--rules", &rules, "-o", &tuned.display().to_string()];
    let (said, error, code) = sekisho(&folder, ENGLISH, &tune);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains("before: 20 false positives (50.000 %), 20 false negatives (50.000 %)"), "{said}");
    assert!(
        said.contains("after, 10-fold cross-validation: 0 false positives (0.000 %), 0 false negatives (0.000 %)"),
        "{said}"
    );
    let (_, error, code) = sekisho(&folder, ENGLISH, &[&tune[..], &["--most", "nan"]].concat());
    assert!(code == Some(2) && error.contains("--most"), "{error}");
    lint_is_clean_with(&folder, &rules, &tuned);
    let scores = fs::read_to_string(&tuned).unwrap();
    let score = |name: &str| -> Option<f64> {
        scores.lines().find_map(|line| line.strip_prefix(&format!("score {name} "))?.split(' ').next()?.parse().ok())
    };
    assert!(score("GOOD").is_some_and(|score| (4.5..=6.0).contains(&score)) && score("OFF").is_none(), "{scores}");
    assert!(score("WIDE").is_some_and(|score| (3.4..4.9).contains(&score)), "{scores}");

    // What could not be read is tried again.
    let late = folder.0.join("late.eml").display().to_string();
    let with_it = ["--spam", &late];
    let (_, error, code) = masscheck(&with_it);
    assert!(code == Some(2) && fs::read_to_string(&log).unwrap().contains("\n!    0 "), "{error}");
    fs::write(&late, "Subject: s\n\ncheap pills\n").unwrap();
    let (said, error, code) = masscheck(&with_it);
    assert!(code == Some(0) && said.contains("41 spam, 21 missed"), "{said}{error}");

    // With other rules the log is not gone on with.
    fs::write(folder.0.join("rules.cf"), "body OTHER /x/\n").unwrap();
    let (_, error, code) = masscheck(&[]);
    assert!(code == Some(2) && error.contains("--fresh"), "{error}");
    assert_eq!(masscheck(&["--fresh"]).2, Some(0));
}

fn lint_is_clean_with(folder: &Folder, rules: &str, file: &Path) {
    let (said, error, code) = sekisho(
        folder,
        ENGLISH,
        &["lint", "--rule-set", "none", "--rules", rules, "--rules", &file.display().to_string()],
    );
    assert_eq!(code, Some(0), "{said}{error}");
}

#[test]
fn the_history_is_counted() {
    let folder = Folder::new("workshop-report");
    let here = folder.0.display();
    let data = folder.0.join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(
        data.join("delegated-apnic-extended-latest"),
        "apnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A1\napnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A2\n",
    )
    .unwrap();
    fs::write(data.join("delegated-ripencc-extended-latest"), "ripencc|DE|ipv4|2.56.0.0|1024|20181130|allocated|x\n")
        .unwrap();
    // What `sekisho data` fetched counts as well.
    let fetched = folder.0.join("feeds/rir-afrinic/gen-1");
    fs::create_dir_all(&fetched).unwrap();
    fs::write(
        fetched.join("delegated-afrinic-extended-latest"),
        "afrinic|ZA|ipv4|41.0.0.0|65536|20071126|allocated|y\n",
    )
    .unwrap();
    std::os::unix::fs::symlink("gen-1", folder.0.join("feeds/rir-afrinic/current")).unwrap();
    fs::write(data.join("ip2asn-v4.tsv"), "180.94.0.0\t180.94.31.255\t17639\tPH\tGLOBALSPEED\n").unwrap();
    let config = folder.file(
        "sekisho.toml",
        &format!("[store]\nlocation = \"{here}/store\"\n[isp]\ndata = \"{here}/data\"\n[learn]\nfolder = \"{here}/learn\"\n[rules]\nset = \"none\"\n\
             [feeds]\nfolder = \"{here}/feeds\"\non = [\"rir-afrinic\"]\n"),
    );
    let store = Store::open(&folder.0.join("store").display().to_string().parse().unwrap()).unwrap();
    let now = support::now();
    let hit = |rule: &str, description: &str, note: &str| Hit {
        rule: rule.into(),
        description: description.into(),
        notes: vec![note.into()],
        ..Hit::default()
    };
    for (number, (address, spam, subject)) in [
        ("180.94.8.6", true, "お支払い"),
        ("180.94.8.7", true, "ログイン"),
        ("2.56.0.9", true, "Hello"),
        ("1.0.16.1", false, "会議のご案内"),
        ("41.0.0.1", false, "Minutes"),
    ]
    .into_iter()
    .enumerate()
    {
        let hits = match spam {
            true => vec![hit("GLOBALSPEED_PH", "[PH]GLOBALSPEED-PH", ""), hit("BRANDED", "", "brand: Amazon")],
            false => Vec::new(),
        };
        let hits = if address.starts_with("2.") { Vec::new() } else { hits };
        let entry = Entry {
            details: [("handed_over_by".to_owned(), address.to_owned())].into(),
            spam,
            subject: subject.into(),
            categories: vec![if spam { "spam" } else { "clean" }.into()],
            hits,
            ..Entry::default()
        };
        let at = Time::from_seconds(now).before(Duration::from_secs(60 + number as u64));
        store.history().add(at, &[number as u8; 32], entry).unwrap();
    }
    drop(store);
    let config = config.display().to_string();
    let report =
        |locale: &str, more: &[&str]| sekisho(&folder, locale, &[&["report", "-c", &config][..], more].concat());
    let (said, error, code) = report(ENGLISH, &[]);
    assert_eq!(code, Some(0), "{said}{error}");
    for part in [
        "ALL 3 = ASIA 2 + NOTASIA 1",
        "5 messages: 3 spam (60.0 %), 2 ham",
        "GLOBALSPEED_PH",
        "AS17639 GLOBALSPEED",
        "Amazon",
        "Japanese",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(report(JAPANESE, &[]).0.contains("国別"));
    let (csv, ..) = report(ENGLISH, &["--csv"]);
    assert!(
        csv.contains("country,PH,2,2,0,")
            && csv.contains("country,ZA,1,0,1,")
            && csv.contains("rule,GLOBALSPEED_PH,2,2,0,0,0,2"),
        "{csv}"
    );
    let json: serde_json::Value = serde_json::from_str(&report(ENGLISH, &["--json"]).0).unwrap();
    assert_eq!(json["registries"]["apnic"]["spam"], 2);
    let (svg, ..) = report(JAPANESE, &["--svg=country"]);
    assert!(svg.starts_with("<svg ") && svg.contains("国別"), "{svg}");
    let page = folder.0.join("page.html");
    assert_eq!(report(JAPANESE, &["--html", "-o", &page.display().to_string()]).2, Some(0));
    assert!(fs::read_to_string(&page).unwrap().contains("<html lang=\"ja\">"));
    assert_eq!(report(ENGLISH, &["--since", "2001-01-01", "--until", "2001-02-01"]).2, Some(1));
    assert_eq!(report(ENGLISH, &["--since", "soon"]).2, Some(2));
}

/// By mail: counted by the service, handed to the outbox, sent once.
#[test]
fn the_statistics_come_by_mail() {
    let folder = Folder::new("workshop-mail");
    let here = folder.0.display();
    let sent = folder.0.join("sent.eml");
    let store = Store::open(&folder.0.join("store").display().to_string().parse().unwrap()).unwrap();
    let now = support::now();
    let entry =
        Entry { client_address: "180.94.8.6".into(), spam: true, subject: "お支払い".into(), ..Entry::default() };
    store.history().add(Time::from_seconds(now).before(Duration::from_secs(60)), &[7; 32], entry).unwrap();
    drop(store);
    let rules = folder.file("rules.cf", "body SOME /some/\ndescribe SOME some\n");
    let _sekisho = Sekisho::start(
        &folder,
        &format!(
            "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n[learn]\nfolder = \"{here}/learn\"\n\
             [store]\nlocation = \"{here}/store\"\nrelease = [\"/bin/sh\", \"-c\", \"cat >> {here}/sent.eml\"]\n\
             [notify]\nlanguage = \"ja\"\n[report]\nevery = \"7d\"\nto = \"admin@example.test\"\n"
        ),
    );
    support::wait_until("the statistics were sent", || {
        fs::read(&sent).is_ok_and(|mail| support::contains(&mail, "To: <admin@example.test>"))
    });
    let mail = fs::read(&sent).unwrap();
    let decode = "import sys, email, email.policy\nm = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n\
                  sys.stdout.buffer.write((m['subject'] + '\\n' + m.get_content()).encode())";
    let text = String::from_utf8(support::filter("python3", &["-c", decode], &mail).0).unwrap();
    assert!(
        text.contains("メール統計") && text.contains("ALL 1 = ASIA 0 + NOTASIA 1") && text.contains("日本語"),
        "{text}"
    );
}
