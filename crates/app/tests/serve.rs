//! `sekisho serve` beside the real Postfix and the real spamc.

mod support;

use support::{Folder, Postfix, Sekisho, Smtp, contains, filter};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn mail(number: usize, subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: {subject}\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n{body}\n"
    )
    .into_bytes()
}

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{0}/store\"\n\
         release = [\"sendmail\", \"-C\", \"{0}/postfix/etc\", \"-i\", \"-G\"]\n{more}",
        folder.0.display()
    )
}

#[test]
fn mail_through_postfix() {
    let folder = Folder::new("postfix");
    let settings = config(&folder, "[actions]\nreject_at = 500.0");
    let mut sekisho = Sekisho::start(&folder, &settings);
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };

    // Ham comes through with our headers on top, and the spammer's own are gone.
    let mut ham = b"X-Spam-Status: No, score=-99\nX-Spam-Flag: NO\n".to_vec();
    ham.extend(mail(1, "the minutes", "Dear Ann,\n\nhere they are.\n.a line with a dot\nJoe"));
    assert!(postfix.send(&ham).starts_with("250"), "{}", postfix.log());
    let delivered = postfix.delivery("<1@example.net>");
    assert!(contains(&delivered, "\nX-Spam-Checker-Version: sekisho "), "{}", String::from_utf8_lossy(&delivered));
    assert!(contains(&delivered, "\nX-Spam-Status: No, score="));
    assert!(!contains(&delivered, "score=-99") && !contains(&delivered, "X-Spam-Flag"));
    let body = mail(1, "the minutes", "Dear Ann,\n\nhere they are.\n.a line with a dot\nJoe");
    assert!(delivered.ends_with(&body), "the message itself is as it was");

    // Spam is refused while the sender is still there; the connection can be used again.
    let mut smtp = Smtp::connect(postfix.port);
    smtp.ask("EHLO client.example.net");
    for (number, body, reply) in [(2, GTUBE, "554 5.7.1"), (3, "again good", "250")] {
        for command in ["MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>"] {
            assert!(smtp.ask(command).starts_with("250"));
        }
        assert!(smtp.ask("DATA").starts_with("354"));
        let said = smtp.data(&mail(number, "hello", body));
        assert!(said.starts_with(reply), "{said}");
    }
    postfix.delivery("<3@example.net>");
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "<2@example.net>")));
    sekisho.wait_for("action=reject");
    let log = sekisho.log();
    let refused = log.iter().find(|line| line.contains("action=reject")).unwrap();
    assert!(refused.contains("from=<joe@example.net> to=<ann@example.test>"), "{refused}");
    assert!(refused.contains("GTUBE"), "{refused}");

    // The relay that handed the mail over is seen, though Postfix hides its own Received field from filters.
    let mut smtp = Smtp::connect(postfix.port);
    assert!(smtp.ask("XCLIENT ADDR=198.51.100.77 NAME=mx.example.net").starts_with("220"));
    for command in ["EHLO mx.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>"] {
        assert!(smtp.ask(command).starts_with("250"));
    }
    smtp.ask("DATA");
    assert!(smtp.data(&mail(4, "from outside", "hello")).starts_with("250"));
    sekisho.wait_for("client=198.51.100.77");

    // New rules are taken, whole or not at all.
    let own = folder.file(
        "own.cf",
        "header FROM_THERE X-Spam-Relays-External =~ /^\\[ ip=198\\.51\\.100\\.77 /\n\
                                     describe FROM_THERE The relay\nscore FROM_THERE 1.5\n",
    );
    drop(sekisho);
    let settings =
        config(&folder, "").replace("[rules]\n", &format!("[rules]\nextra = [{:?}]\n", own.display().to_string()));
    sekisho = Sekisho::start(&folder, &settings);
    let mut smtp = Smtp::connect(postfix.port);
    smtp.ask("XCLIENT ADDR=198.51.100.77 NAME=mx.example.net");
    for command in ["EHLO mx.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"] {
        smtp.ask(command);
    }
    assert!(smtp.data(&mail(5, "from outside", "hello")).starts_with("250"));
    sekisho.wait_for("FROM_THERE:1.5");
    std::fs::write(
        &own,
        "header FROM_THERE X-Spam-Relays-External =~ /^\\[ ip=198\\.51\\.100\\.77 /\nscore FROM_THERE 2.5\n",
    )
    .unwrap();
    sekisho.signal("HUP");
    sekisho.wait_for("rules reloaded");
    std::fs::remove_file(&own).unwrap();
    sekisho.signal("HUP");
    sekisho.wait_for("the old ones stay");
    let mut smtp = Smtp::connect(postfix.port);
    smtp.ask("XCLIENT ADDR=198.51.100.77 NAME=mx.example.net");
    for command in ["EHLO mx.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"] {
        smtp.ask(command);
    }
    assert!(smtp.data(&mail(6, "from outside", "hello")).starts_with("250"));
    sekisho.wait_for("FROM_THERE:2.5");

    // Killed: the sender keeps its mail. Started again: it goes through.
    sekisho.signal("KILL");
    sekisho.ends();
    let said = postfix.send(&mail(7, "while we are away", "hello"));
    assert!(said.starts_with("451"), "{said}");
    let _sekisho = Sekisho::start(&folder, &config(&folder, ""));
    assert!(postfix.send(&mail(7, "while we are away", "hello")).starts_with("250"));
    postfix.delivery("<7@example.net>");
}

#[test]
fn what_is_held_is_kept_whole_and_can_be_released() {
    let folder = Folder::new("quarantine");
    let sekisho = Sekisho::start(&folder, &config(&folder, "[actions]\nspam = \"quarantine\""));
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };
    let settings = folder.0.join("sekisho.toml").display().to_string();
    let command = |arguments: &[&str]| {
        let (text, code) = filter(env!("CARGO_BIN_EXE_sekisho"), &[arguments, &["--config", &settings]].concat(), b"");
        (String::from_utf8(text).unwrap(), code)
    };

    // "請求書のご確認" as nobody should write it: raw ISO-2022-JP in a header.
    let mut spam = b"From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: ".to_vec();
    spam.extend(b"\x1b$B@A5a=q$N$43NG'\x1b(B\nDate: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <8@example.net>\n\n");
    spam.extend(format!("line one\n.dot\n\n{GTUBE}\nwithout an end").into_bytes());
    spam.push(b'\n');
    assert!(postfix.send(&spam).starts_with("250"), "taken, since it is on our disk");
    sekisho.wait_for("action=quarantine");
    assert!(postfix.delivered().is_empty());

    let (list, code) = command(&["quarantine", "list", "請求"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains("請求書のご確認") && list.contains("held") && list.contains("<ann@example.test>"), "{list}");
    let id = list.split_whitespace().next().unwrap().to_owned();
    let (raw, _) =
        filter(env!("CARGO_BIN_EXE_sekisho"), &["quarantine", "show", &id, "--raw", "--config", &settings], b"");
    let kept: Vec<u8> = raw.into_iter().filter(|byte| *byte != b'\r').collect();
    assert!(kept.ends_with(&spam), "{}", String::from_utf8_lossy(&kept));
    assert!(command(&["quarantine", "show", &id]).0.contains("score 1"));

    // The history tells why, and finds it by the queue's name for it.
    let log = sekisho.log();
    let line = log.iter().find(|line| line.contains("action=quarantine")).unwrap();
    let queue_id = line.split_whitespace().find_map(|word| word.strip_prefix("id=")).unwrap();
    support::wait_until("the history has it", || command(&["history", "--queue-id", queue_id]).1 == Some(0));
    let (told, _) = command(&["history", "--explain", "請求"]);
    assert!(told.contains("GTUBE") && told.contains(&id) && told.contains("XJS*C4JDBQADN1"), "{told}");

    // Released: delivered as it came, and gone from the list. A second time there is nothing to release.
    let (said, code) = command(&["quarantine", "release", &id]);
    assert_eq!(code, Some(0), "{said}");
    let delivered = postfix.delivery("<8@example.net>");
    assert!(delivered.ends_with(&spam), "{}", String::from_utf8_lossy(&delivered));
    assert_eq!(command(&["quarantine", "release", &id]).1, Some(1));
    assert!(!command(&["quarantine", "list"]).0.contains(&id));
}

#[test]
fn spamc_asks() {
    let folder = Folder::new("spamc");
    let sekisho = Sekisho::start(&folder, &config(&folder, ""));
    let port = sekisho.port("spamd").to_string();
    let ask = |arguments: &[&str], message: &[u8]| {
        filter("spamc", &[&["-d", "127.0.0.1", "-p", &port], arguments].concat(), message)
    };
    let (ham, spam) = (mail(1, "the minutes", "Dear Ann"), mail(2, "hello", GTUBE));

    let (text, code) = ask(&["-c"], &spam);
    assert_eq!(code, Some(1));
    assert!(text.starts_with(b"100") && text.ends_with(b"/5.0\n"), "{}", String::from_utf8_lossy(&text));
    assert_eq!(ask(&["-c"], &ham).1, Some(0));
    assert!(contains(&ask(&["-y"], &spam).0, "GTUBE"));
    let (report, _) = ask(&["-R"], &spam);
    assert!(contains(&report, "Content analysis details:"), "{}", String::from_utf8_lossy(&report));
    assert!(ask(&["-r"], &ham).0.starts_with(b"-") || !contains(&ask(&["-r"], &ham).0, "Content analysis"));
    let (marked, _) = ask(&[], &ham);
    assert!(contains(&marked, "X-Spam-Status: No"), "{}", String::from_utf8_lossy(&marked));
    assert!(marked.ends_with(b"Dear Ann\n"));
    assert!(contains(&ask(&["--headers"], &spam).0, "X-Spam-Flag: YES"));
    // `spamc -u`: the user's own threshold.
    let settings = folder.0.join("sekisho.toml").display().to_string();
    filter(env!("CARGO_BIN_EXE_sekisho"), &["user", "set", "ann", "required", "2000", "--config", &settings], b"");
    let (text, code) = ask(&["-c", "-u", "ann"], &spam);
    assert!(code == Some(0) && text.ends_with(b"/2000.0\n"), "{}", String::from_utf8_lossy(&text));
    assert_eq!(ask(&["-L", "spam"], &spam).1, Some(74), "as spamd without --allow-tell");
}

#[test]
fn it_watches_only_where_told_to_and_ends_when_asked() {
    let folder = Folder::new("observe");
    let mut sekisho = Sekisho::start(&folder, &format!("mode = \"observe\"\n{}", config(&folder, "")));
    assert!(folder.0.join("milter.sock").exists());
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0));
    assert!(!folder.0.join("milter.sock").exists(), "the socket is gone");
}

/// `spamc -u`: each user's own scores, lists, threshold and, where the site lets them, rules.
#[test]
fn users_have_rules_of_their_own() {
    let folder = Folder::new("user-prefs");
    let here = folder.0.display().to_string();
    let rules = "loadplugin Mail::SpamAssassin::Plugin::WLBLEval\nbody SITE /minutes/\nscore SITE 3\n\
                 header USER_IN_WELCOMELIST eval:check_from_in_welcomelist()\nscore USER_IN_WELCOMELIST -100\n";
    let site = folder.file("site.cf", rules);
    let prefs = |user: &str, text: &str| folder.file(&format!("home/{user}/user_prefs"), text);
    prefs("ann", "required_score 2.5\nscore SITE 4\nbody MINE /Dear Ann/\nscore MINE 100\n");
    prefs("bob", "welcomelist_from joe@example.net\n");
    let settings = config(&folder, "").replace(
        "[store]",
        &format!("extra = [{site:?}]\nusers = \"{here}/home/%u/user_prefs\"\nusers_kept = 2\n[store]"),
    );
    let sekisho = Sekisho::start(&folder, &settings);
    let port = sekisho.port("spamd").to_string();
    let message = mail(1, "the minutes", "Dear Ann, the minutes");
    let ask = |user: &str| {
        let (text, code) = filter("spamc", &["-d", "127.0.0.1", "-p", &port, "-u", user, "-y"], &message);
        let (score, _) = filter("spamc", &["-d", "127.0.0.1", "-p", &port, "-u", user, "-c"], &message);
        let score = String::from_utf8(score).unwrap();
        let (score, required) = score.trim().split_once('/').unwrap();
        let number = |text: &str| text.parse::<f64>().unwrap();
        (String::from_utf8(text).unwrap(), number(score), number(required), code)
    };
    let (hits, nobodys, required, _) = ask("nobody");
    assert!(hits.contains("SITE") && required == 5.0, "{hits} {nobodys}/{required}");
    let (hits, anns, required, _) = ask("ann");
    assert!(hits.contains("SITE") && !hits.contains("MINE"), "{hits}");
    assert!((anns - nobodys - 1.0).abs() < 0.05 && required == 2.5, "{anns}/{required}");
    sekisho.wait_for("home/ann/user_prefs: ");
    let (hits, bobs, required, _) = ask("bob");
    assert!(hits.contains("USER_IN_WELCOMELIST") && bobs < nobodys - 50.0 && required == 5.0, "{hits} {bobs}");

    // More users than are kept, a changed file, and rules where the site allows them.
    for user in ["carl", "dora"] {
        prefs(user, "score SITE 0\n");
        assert!(!ask(user).0.contains("SITE"), "{user}");
    }
    assert_eq!(ask("ann").1, anns);
    prefs("ann", "required_score 7\nbody MINE /Dear Ann/\nscore MINE 100\ninclude /etc/hostname\n");
    assert_eq!(ask("ann").2, 7.0);
    std::fs::write(&site, format!("{rules}allow_user_rules 1\n")).unwrap();
    sekisho.signal("HUP");
    support::wait_until("the site's new rules", || ask("ann").0.contains("MINE"));
    assert!(ask("ann").1 > 100.0);
    // No name leads elsewhere.
    assert_eq!(ask("../ann").2, 5.0);
    sekisho.wait_for("the user's name leads to no rule file");
}
