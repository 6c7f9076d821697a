//! What each recipient gets, at a real Postfix: directions, policies, categories, lists.

mod support;

use support::{Folder, Postfix, Sekisho, Smtp, contains};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{0}/store\"\n{more}",
        folder.0.display()
    )
}

fn mail(number: usize, body: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: somebody\nSubject: hello\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n{body}\n"
    )
    .into_bytes()
}

fn attached(number: usize, name: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: somebody\nSubject: hello\nMIME-Version: 1.0\n\
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
             [[policy]]\nname = \"tried\"\nwhen = { client = [\"203.0.113.0/24\"] }\nthen = { observe = true }\n",
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
    assert!(send(&postfix, STRANGER, &["dan@example.test"], &mail(2, GTUBE)).starts_with("554"));

    // A banned name is refused from outside, tagged within.
    let said = send(&postfix, STRANGER, &["ann@example.test"], &attached(3, "invoice.pdf.exe"));
    assert!(said.starts_with("554 5.7.1"), "{said}");
    sekisho.wait_for("category=banned reason=\"invoice.pdf.exe\"");
    assert!(send(&postfix, "192.0.2.1", &["ann@example.test"], &attached(4, "a.exe")).starts_with("250"));
    assert!(contains(&arrived(&postfix, 4, "ann@example.test"), "\nX-Sekisho-Alert: banned\n"));
    sekisho.wait_for("direction=internal");

    // Only watched.
    assert!(send(&postfix, "203.0.113.9", &["dan@example.test"], &mail(5, GTUBE)).starts_with("250"));
    assert!(!contains(&arrived(&postfix, 5, "dan@example.test"), "X-Spam"));
    sekisho.wait_for("action=reject observed=yes");
}
