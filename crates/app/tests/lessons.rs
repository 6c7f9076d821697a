//! Lessons under hard conditions: a disk that is full, and recipients who think differently of the same mail.

mod support;

use std::process::{Command, Output, Stdio};
use support::{Folder, Sekisho, said};

fn spam(n: usize) -> String {
    format!(
        "From: win{n}@prize.example\nTo: somebody@here.example\nSubject: prize {n}\nMessage-ID: <s{n}@prize.example>\n\n\
         You have won a prize of {n} yen. Claim it now at http://prize{n}.example/claim\n"
    )
}

fn ham(n: usize) -> String {
    format!(
        "From: keiri@office.example\nTo: somebody@here.example\nSubject: invoice {n}\nMessage-ID: <h{n}@office.example>\n\n\
         Thank you for your order {n}. The invoice is attached; please have a look at the minutes of our meeting.\n"
    )
}

fn letter(n: usize) -> String {
    format!(
        "From: news@shop.example\nTo: somebody@here.example\nSubject: weekly letter {n}\nMessage-ID: <n{n}@shop.example>\n\n\
         Our weekly letter number {n}: garden chairs, umbrellas and lamps at half the price until Sunday. Unsubscribe here.\n"
    )
}

/// No file may grow beyond so many kilobytes: what a full disk does to a writer.
fn run_on_full_disk(folder: &Folder, kilobytes: usize, arguments: &[&str]) -> Output {
    Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "bash", &kilobytes.to_string()])
        .arg(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .env("SEKISHO_CACHE", folder.0.join("cache"))
        .env("HOME", &folder.0)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_full_disk_loses_no_lesson_that_was_learnt() {
    let folder = Folder::new("learn-full");
    for n in 0..80 {
        folder.file(&format!("spam/{n}"), &spam(n));
        folder.file(&format!("ham/{n}"), &ham(n));
    }
    let path = |name: &str| folder.0.join(name).display().to_string();
    let status = |model: &str| said(&folder.sekisho(&["learn", "status", "--model", &path(model)]));
    for model in ["model", "shared"] {
        if model == "shared" {
            // A queue makes it a shared one; nobody is there to talk to.
            folder.file("shared/queue", "");
            std::fs::write(folder.0.join("shared/queue"), [&b"sekisho pending\n"[..], &7u64.to_le_bytes()].concat())
                .unwrap();
        }
        let full = run_on_full_disk(&folder, 12, &["learn", "--model", &path(model), "--spam", &path("spam")]);
        assert_eq!(full.status.code(), Some(2), "{full:?}");
        assert!(String::from_utf8_lossy(&full.stderr).contains("it was not learnt"), "{full:?}");
        let learnt: u32 = status(model).split_whitespace().nth(3).unwrap().parse().unwrap();
        assert!((5..80).contains(&learnt), "{}", status(model));
        // Still full: nothing changes, nothing breaks.
        let full = run_on_full_disk(&folder, 12, &["learn", "--model", &path(model), "--spam", &path("spam")]);
        assert_eq!(full.status.code(), Some(2), "{full:?}");
        assert!(status(model).contains(&format!("0 ham, {learnt} spam learnt")), "{}", status(model));
        // There is room again.
        let rest = said(&folder.sekisho(&["learn", "--model", &path(model), "--spam", &path("spam")]));
        assert_eq!(rest, format!("{} learnt, {learnt} known before, 0 not readable\n", 80 - learnt));
        let full = run_on_full_disk(&folder, 12, &["sa-learn", &format!("--dbpath={}", path(model)), "--sync"]);
        assert_eq!(full.status.code(), Some(2), "the model is larger than that: {full:?}");
        said(&folder.sekisho(&["learn", "--model", &path(model), "--ham", &path("ham")]));
        assert!(status(model).contains("80 ham, 80 spam learnt"), "{}", status(model));
        said(&folder.sekisho(&["learn", "--model", &path(model), "--forget", &path("ham"), &path("spam")]));
        assert!(status(model).contains("\n0 words"), "nothing counted twice: {}", status(model));
    }
}

/// What one recipient calls ham and all others spam is judged for each as they think.
#[test]
fn recipients_think_differently() {
    let folder = Folder::new("learn-users");
    let rules = folder.file(
        "rules.cf",
        "loadplugin Mail::SpamAssassin::Plugin::Bayes\n\
         body BAYES_00 eval:check_bayes('0.00', '0.05')\nbody BAYES_40 eval:check_bayes('0.05', '0.60')\n\
         body BAYES_99 eval:check_bayes('0.60', '1.00')\nscore BAYES_00 -1\nscore BAYES_40 0.1\nscore BAYES_99 9\n\
         tflags BAYES_00 nice learn\ntflags BAYES_40 learn\ntflags BAYES_99 learn\n\
         bayes_min_spam_num 20\nbayes_min_ham_num 20\n",
    );
    let model = folder.0.join("model").display().to_string();
    for n in 0..40 {
        folder.file(&format!("spam/{n}"), &if n % 2 == 0 { spam(n) } else { letter(n) });
        folder.file(&format!("ham/{n}"), &ham(n));
    }
    for class in ["ham", "spam"] {
        let path = folder.0.join(class).display().to_string();
        said(&folder.sekisho(&["learn", "--model", &model, &format!("--{class}"), &path]));
    }
    let service = Sekisho::start(
        &folder,
        &format!(
            "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n\
             [store]\nlocation = \"\"\n[learn]\nfolder = {model:?}\ntell = true\nauto = false\n"
        ),
    );
    let port = service.port("spamd").to_string();
    let spamc = |user: &str, arguments: &[&str], message: &str| {
        let arguments = [&["-d", "127.0.0.1", "-p", &port, "-u", user], arguments].concat();
        String::from_utf8_lossy(&support::filter("spamc", &arguments, message.as_bytes()).0).into_owned()
    };
    let (alice, bob) = ("Alice@here.example", "bob@here.example");
    for user in [alice, bob] {
        assert!(spamc(user, &["-y"], &letter(901)).contains("BAYES_99"), "spam for all");
    }
    // She has subscribed.
    for n in 200..230 {
        assert_eq!(spamc(alice, &["-L", "ham"], &letter(n)), "Message successfully un/learned\n");
    }
    // And by the command, for the same recipient, in other letters.
    let more = folder.file("more", &letter(231)).display().to_string();
    let learnt = said(&folder.sekisho(&["learn", "--model", &model, "--user", "alice@HERE.example", "--ham", &more]));
    assert!(learnt.starts_with("1 learnt"), "{learnt}");
    assert!(
        said(&folder.sekisho(&["learn", "status", "--model", &model])).contains("1 users with lessons of their own")
    );
    for n in 300..310 {
        let (hers, his) = (spamc(alice, &["-y"], &letter(n)), spamc(bob, &["-y"], &letter(n)));
        assert!(!hers.contains("BAYES_99"), "{hers}");
        assert!(spamc(alice, &["-y"], &spam(n)).contains("BAYES_99"), "what is spam for all is so for her");
        let fragments = |user: &str| -> f64 {
            let message = folder.file("one", &letter(n)).display().to_string();
            let explained = said(&folder.sekisho(&["learn", "--model", &model, "explain", &message, "--user", user]));
            explained.split([' ', ',']).nth(5).unwrap().parse().unwrap()
        };
        assert!(fragments(alice) < fragments(bob), "her own lessons weigh more with her: {hers} {his}");
    }
}
