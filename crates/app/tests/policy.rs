//! What each recipient gets, at a real Postfix: directions, policies, categories, lists.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Folder, Postfix, Sekisho, Smtp, contains};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{0}/store\"\n\
         release = [\"sendmail\", \"-C\", \"{0}/postfix/etc\", \"-i\", \"-G\"]\n{more}",
        folder.0.display()
    )
}

fn mail(number: usize, body: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: hello\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n{body}\n"
    )
    .into_bytes()
}

fn attached(number: usize, name: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: hello\nMIME-Version: 1.0\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee there.\n--b\n\
         Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"{name}\"\n\n1\n--b--\n"
    )
    .into_bytes()
}

/// Sends as a client of this address; the last reply.
fn send(postfix: &Postfix, client: &str, recipients: &[&str], message: &[u8]) -> String {
    let mut smtp = Smtp::connect(postfix.port);
    assert!(smtp.ask(&format!("XCLIENT ADDR={client} NAME=mx.example.net")).starts_with("220"));
    smtp.ask("EHLO mx.example.net");
    smtp.ask("MAIL FROM:<joe@example.net>");
    for recipient in recipients {
        let said = smtp.ask(&format!("RCPT TO:<{recipient}>"));
        assert!(said.starts_with("250"), "{said}");
    }
    assert!(smtp.ask("DATA").starts_with("354"));
    smtp.data(message)
}

/// The copy of this message that this recipient got.
fn copy(postfix: &Postfix, number: usize, recipient: &str) -> Option<Vec<u8>> {
    let (id, to) = (format!("<{number}@example.net>"), format!("\nDelivered-To: {recipient}\n"));
    postfix.delivered().into_iter().find(|mail| contains(mail, &id) && contains(mail, &to))
}

fn arrived(postfix: &Postfix, number: usize, recipient: &str) -> Vec<u8> {
    support::wait_until(&format!("{number} for {recipient}"), || copy(postfix, number, recipient).is_some());
    copy(postfix, number, recipient).unwrap()
}

const STRANGER: &str = "198.51.100.7";

#[test]
fn each_recipient_gets_what_holds_for_him() {
    let folder = Folder::new("recipients");
    let sekisho = Sekisho::start(
        &folder,
        &config(
            &folder,
            "[networks]\ndomains = [\"example.test\"]\ninternal = [\"192.0.2.0/24\"]\n\
             [actions]\nspam = \"tag\"\nbanned = \"reject\"\n\
             [[policy]]\nname = \"strict\"\nwhen = { recipient = [\"bob@example.test\"] }\nthen = { spam = \"quarantine\" }\n\
             [[policy]]\nname = \"elsewhere\"\nwhen = { recipient = [\"eve@\"] }\n\
             then = { spam = \"redirect:abuse@example.test\" }\n\
             [[policy]]\nname = \"refuses\"\nwhen = { recipient = [\"dan@\"] }\nthen = { spam = \"reject\" }\n\
             [[policy]]\nname = \"own\"\nwhen = { direction = [\"internal\"] }\nthen = { banned = \"tag\", observe = false }\n\
             [[policy]]\nname = \"tried\"\nwhen = { client = [\"203.0.113.0/24\"] }\nthen = { observe = true }\n\
             [[policy]]\nname = \"by milter\"\nwhen = { listener = [\"milter\"] }\nthen = { reject_text = \"Not here\" }\n",
        ),
    );
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };

    let all = ["ann@example.test", "bob@example.test", "eve@example.test", "dan@example.test"];
    let said = send(&postfix, STRANGER, &all, &mail(1, GTUBE));
    assert!(said.starts_with("250"), "{said}");
    assert!(contains(&arrived(&postfix, 1, "ann@example.test"), "\nX-Spam-Flag: YES"));
    arrived(&postfix, 1, "abuse@example.test");
    for recipient in &all[1..] {
        assert_eq!(copy(&postfix, 1, recipient), None, "{recipient}");
    }
    sekisho.wait_for("action=mixed");
    let log = sekisho.log().join("\n");
    let each = "actions=<ann@example.test>=tag,<bob@example.test>=quarantine,<eve@example.test>=redirect,\
                <dan@example.test>=quarantine";
    assert!(log.contains(each), "{log}");
    let settings = folder.0.join("sekisho.toml").display().to_string();
    let list = support::filter(env!("CARGO_BIN_EXE_sekisho"), &["quarantine", "list", "--config", &settings], b"").0;
    assert!(
        contains(&list, "bob@example.test") && contains(&list, "dan@example.test"),
        "refused for one, yet not lost"
    );
    assert!(!contains(&list, "ann@example.test"));

    // Alone he can refuse it.
    assert!(send(&postfix, STRANGER, &["dan@example.test"], &mail(2, GTUBE)).starts_with("554 5.7.1 Not here"));

    // A banned name is refused from outside, tagged within.
    let said = send(&postfix, STRANGER, &["ann@example.test"], &attached(3, "invoice.pdf.exe"));
    assert!(said.starts_with("554 5.7.1"), "{said}");
    sekisho.wait_for("category=banned reason=\"invoice.pdf.exe\"");
    assert!(send(&postfix, "192.0.2.1", &["ann@example.test"], &attached(4, "a.exe")).starts_with("250"));
    assert!(contains(&arrived(&postfix, 4, "ann@example.test"), "\nX-Sekisho-Alert: banned\n"));
    sekisho.wait_for("direction=internal");

    // A header that breaks the standard passes like any ham: our fields on top, foreign ones gone.
    let dateless = b"X-Spam-Status: No, score=-99\nFrom: joe@example.net\nMessage-ID: <6@example.net>\n\nhello\n";
    assert!(send(&postfix, STRANGER, &["ann@example.test"], dateless).starts_with("250"));
    let delivered = arrived(&postfix, 6, "ann@example.test");
    assert!(contains(&delivered, "\nX-Spam-Status: No") && !contains(&delivered, "score=-99"));

    // Only watched.
    assert!(send(&postfix, "203.0.113.9", &["dan@example.test"], &mail(5, GTUBE)).starts_with("250"));
    assert!(!contains(&arrived(&postfix, 5, "dan@example.test"), "X-Spam"));
    sekisho.wait_for("action=reject observed=yes");
    let history = support::filter(env!("CARGO_BIN_EXE_sekisho"), &["history", "--config", &settings], b"").0;
    let history = String::from_utf8(history).unwrap();
    let of = |queued: &str| history.lines().filter(|line| line.contains(queued)).count();
    assert_eq!((of("  (reject)  "), of("  reject  ")), (1, 2), "what was only watched stands in brackets: {history}");
}

/// Whoever is told nothing must be able to find out why.
#[test]
fn notices_that_cannot_be_sent_are_told() {
    let folder = Folder::new("unsent");
    let settings = config(
        &folder,
        "[actions]\nbanned = \"quarantine\"\n[notify]\npostmaster = \"postmaster@example.test\"\n\
         from = \"filter@example.test\"\n[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n",
    );
    let here = folder.0.display();
    let release = format!("[\"sendmail\", \"-C\", \"{here}/postfix/etc\", \"-i\", \"-G\"]");
    assert!(settings.contains(&release));
    let sekisho = Sekisho::start(&folder, &settings.replace(&release, "[\"false\"]"));
    let port = sekisho.port("http");
    let mail = attached(1, "a.scr");
    let ask = |head: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
            .unwrap();
        stream.write_all(body).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let reply = ask("POST /v1/check?ip=198.51.100.7&from=joe@example.net&rcpt=ann@example.test", &mail);
    assert!(reply.contains("quarantine"), "{reply}");
    sekisho.wait_for("to <postmaster@example.test> not sent: ");
    assert!(sekisho.log().iter().any(|line| line.contains("notices: ") && line.ends_with("; tried again later")));
    assert!(ask("GET /metrics", b"").contains("\nsekisho_notices_failed_total 1\n"));
}

#[test]
fn people_are_told_and_what_is_released_passes_the_milter_again() {
    let folder = Folder::new("notices");
    let milter = format!("unix:{}/milter.sock", folder.0.display());
    let sekisho = Sekisho::start(
        &folder,
        &config(
            &folder,
            "[networks]\ndomains = [\"example.test\"]\n[actions]\nspam = \"quarantine\"\nbanned = \"quarantine\"\n\
             [notify]\npostmaster = \"postmaster@example.test\"\nfrom = \"filter@example.test\"\nlanguage = \"ja\"\n\
             digest = \"1d\"\nsender = \"ours\"\nheaders = true\n",
        ),
    );
    let milters = format!("{milter}\nnon_smtpd_milters = {milter}");
    let Some(postfix) = Postfix::start(&folder, &milters) else { return };

    assert!(send(&postfix, STRANGER, &["ann@example.test"], &attached(1, "a.scr")).starts_with("250"));
    let notice = postfix.delivery("Delivered-To: postmaster@example.test");
    // "[関所] banned: a.scr"
    assert!(contains(&notice, "Auto-Submitted: auto-generated\n"), "{}", String::from_utf8_lossy(&notice));
    let body = support::filter("python3", &["-c", DECODE], &notice).0;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains("[関所] banned: a.scr") && body.contains("ann@example.test (quarantine)"), "{body}");
    assert!(body.contains("Message-ID: <1@example.net>"), "the header was asked for: {body}");
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "Delivered-To: joe@")), "strangers are told nothing");

    let settings = folder.0.join("sekisho.toml").display().to_string();
    let run = |arguments: &[&str]| {
        support::filter(env!("CARGO_BIN_EXE_sekisho"), &[arguments, &["--config", &settings]].concat(), b"")
    };
    let list = String::from_utf8(run(&["quarantine", "list"]).0).unwrap();
    let id = list.split_whitespace().next().unwrap();
    assert_eq!(run(&["quarantine", "release", id]).1, Some(0));
    let delivered = arrived(&postfix, 1, "ann@example.test");
    assert!(delivered.ends_with(&attached(1, "a.scr")), "{}", String::from_utf8_lossy(&delivered));
    sekisho.wait_for(&format!("released from quarantine: {id}"));

    // What nobody released is stopped on that way, too.
    let banned = attached(2, "b.scr");
    let arguments =
        ["-C", &format!("{}/postfix/etc", folder.0.display()), "-i", "-f", "joe@example.test", "ann@example.test"];
    support::filter("sendmail", &arguments, &banned);
    sekisho.wait_for("reason=\"b.scr\"");
    assert_eq!(copy(&postfix, 2, "ann@example.test"), None);
    support::wait_until("our own sender is told", || {
        postfix.delivered().iter().any(|mail| contains(mail, "Delivered-To: joe@example.test"))
    });
}

/// Prints subject and text of a message: somebody else's reading of it.
const DECODE: &str = "import sys, email, email.policy\n\
    m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n\
    sys.stdout.buffer.write((m['subject'] + '\\n' + m.get_content()).encode())";
