//! Who sent a message, found out on its way through a real Postfix: our field on it and no forged one, a seal that dkimpy
//! verifies, an author's domain's wish followed or not, and all of it in the day's report.

mod support;

use std::process::Command;
use support::{Folder, Postfix, Sekisho, Smtp, contains, filter, free_port, wait_until};

const PYTHON: &str = "/usr/bin/python3";
const CLIENT: &str = "192.0.2.25";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The mails, and DNS for us and for dkimpy. `None`: there is no dkimpy.
fn prepare(folder: &Folder) -> Option<()> {
    let there = Command::new(PYTHON).args(["-c", "import dkim"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("skipped: there is no dkimpy");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/journey.py");
    let made = Command::new(PYTHON).arg(script).arg(&folder.0).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    Some(())
}

/// Nothing of ours is written on clean mail but what this is about; no rule asks who sent it.
fn settings(folder: &Folder, more: &str) -> String {
    let keys = folder.0.join("keys").display().to_string();
    let empty = folder.file("empty.toml", "").display().to_string();
    let made = folder.sekisho(&["dkim", "keygen", "-c", &empty, "--out", &keys, "seal.test", "--selector", "s"]);
    let printed = support::said(&made);
    let record = printed.find("s._domainkey.seal.test").expect("the record");
    let zone = std::fs::read_to_string(folder.0.join("zone")).unwrap();
    folder.file("zone", &format!("{zone}{}", &printed[record..]));
    let fake = std::fs::read_to_string(folder.0.join("fake")).unwrap();
    let strings: Vec<&str> = printed[record..].lines().next().unwrap().split('"').skip(1).step_by(2).collect();
    let quoted: Vec<String> = strings.iter().map(|string| format!("\\\"{string}\\\"")).collect();
    let own = format!("\"s._domainkey.seal.test\" = [\"TXT {}\"]\n", quoted.join(" "));
    format!(
        "{more}\n[rules]\nset = \"shipped\"\n[networks]\ndomains = [\"example.test\"]\n[store]\nlocation = \"{0}/store\"\n\
         [learn]\nfolder = \"{0}/learn\"\n[signatures]\nfolders = []\n[actions]\ntag_ham = false\n\
         [authentication]\nname = \"mx.example.test\"\nsealers = [\"groups.test\"]\n[dmarc]\naction = \"reject\"\nlist_domains = [\"list.test\"]\n\
         [reports]\ncollect = true\naddress = \"dmarc@example.test\"\n[arc]\nseal = \"inbound\"\ndomain = \"seal.test\"\n\
         selector = \"s\"\n[[dkim.key]]\ndomains = [\"seal.test\"]\nselector = \"s\"\nfile = \"{keys}/seal.test.s.pem\"\n\
         [dns]\nask = \"fake\"\n[dns.fake]\n{fake}{own}",
        folder.0.display()
    )
}

/// From a stranger; the reply to the end of the message.
fn send(port: u16, sender: &str, mail: &[u8]) -> String {
    let mut smtp = Smtp::connect(port);
    assert!(smtp.ask(&format!("XCLIENT ADDR={CLIENT} NAME=mx.author.test")).starts_with("220"));
    for command in ["EHLO mx.author.test", &format!("MAIL FROM:<{sender}>"), "RCPT TO:<ann@example.test>", "DATA"] {
        let said = smtp.ask(command);
        assert!(said.starts_with(['2', '3']), "{command}: {said}");
    }
    smtp.data(mail)
}

fn mail(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.0.join(name).with_extension("eml")).unwrap()
}

/// What dkimpy says of it.
fn verified(folder: &Folder, mail: &[u8]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/zone_verify.py");
    let zone = folder.0.join("zone").display().to_string();
    let (said, code) = filter(PYTHON, &[script, &zone], mail);
    assert_eq!(code, Some(0), "{}", text(mail));
    text(&said).lines().map(str::to_owned).collect()
}

/// Nothing but fields on top, and the two forged ones are gone.
fn is_whole(folder: &Folder, delivered: &[u8]) -> bool {
    let sent = mail(folder, "clean");
    let lines: Vec<&[u8]> = sent.split_inclusive(|byte| *byte == b'\n').collect();
    delivered.ends_with(&lines[2..].concat())
}

fn clean_mail_arrives(folder: &Folder, postfix: &Postfix) {
    let delivered = postfix.delivery("<clean@author.test>");
    let shown = text(&delivered);
    let ours = "Authentication-Results: mx.example.test;\n\tspf=pass smtp.mailfrom=joe@author.test;\n\tdkim=pass \
                header.d=author.test";
    assert!(
        contains(&delivered, ours) && contains(&delivered, "dmarc=pass (p=reject) header.from=author.test"),
        "{shown}"
    );
    assert!(!shown.contains("bank.example") && is_whole(folder, &delivered), "{shown}");
    assert!(!shown.contains("X-Spam-"), "{shown}");
    assert_eq!(verified(folder, &delivered), ["author.test k rsa-sha256 good", "arc pass"], "{shown}");
    assert!(shown.contains("ARC-Authentication-Results: i=1; mx.example.test;"), "{shown}");
}

/// Each row of a domain's report: what was done, results aligned, results, why.
const ROWS: &str = "\
import sys, xml.etree.ElementTree as tree
space = '{urn:ietf:params:xml:ns:dmarc-2.0}'
root = tree.fromstring(sys.stdin.buffer.read())
find = lambda at, path: at.findtext('/'.join(space + name for name in path.split('/')), '-')
rows = []
for record in root.findall(space + 'record'):
    names = 'row/source_ip row/count row/policy_evaluated/disposition row/policy_evaluated/dkim row/policy_evaluated/spf \
row/policy_evaluated/reason/type row/policy_evaluated/reason/comment auth_results/dkim/result auth_results/spf/domain auth_results/spf/result'
    rows.append(' '.join(find(record, name) or '-' for name in names.split()))
print('\\n'.join(sorted(rows)))
";

fn reported(folder: &Folder, day: &str, domain: &str) -> String {
    let config = folder.0.join("sekisho.toml").display().to_string();
    let report = folder.sekisho(&["dmarc", "report", "-c", &config, "--day", day, "--domain", domain, "--dry-run"]);
    if report.status.code() == Some(1) {
        return String::new();
    }
    let (said, code) = filter(PYTHON, &["-X", "utf8", "-c", ROWS], &report.stdout);
    assert_eq!(code, Some(0), "{report:?}");
    text(&said)
}

/// In UTC.
fn today() -> String {
    let said = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
    text(&said.stdout).trim().to_owned()
}

/// Whether a client is one of its own Postfix decides before XCLIENT, and says so in XFORWARD.
const REMOTE: &str = "local_header_rewrite_clients =\n";

/// All six, and what the day's reports say of them.
fn journey(folder: &Folder, sekisho: &Sekisho, postfix: &Postfix) {
    let day = today();
    let said = send(postfix.port, "joe@author.test", &mail(folder, "clean"));
    assert!(said.starts_with("250"), "{said}");
    clean_mail_arrives(folder, postfix);

    let said = send(postfix.port, "joe@strict.test", &mail(folder, "refused"));
    assert!(said.starts_with("554 5.7.1"), "{said}");
    let said = send(postfix.port, "joe@soft.test", &mail(folder, "held"));
    assert!(said.starts_with("250"), "{said}");
    sekisho.wait_for("action=quarantine");
    // Anybody can make a list that proves itself: its mail is stopped, and not refused.
    let said = send(postfix.port, "people@other.test", &mail(folder, "milder"));
    assert!(said.starts_with("250"), "{said}");
    // A list that was named, and a group whose seal is believed, are let pass.
    let said = send(postfix.port, "people@list.test", &mail(folder, "list"));
    assert!(said.starts_with("250"), "{said}");
    let delivered = postfix.delivery("<list@strict.test>");
    assert!(contains(&delivered, "dmarc=fail (p=reject) header.from=strict.test"), "{}", text(&delivered));
    assert_eq!(verified(folder, &delivered), ["arc pass"]);
    let said = send(postfix.port, "bounces@groups.test", &mail(folder, "sealed"));
    assert!(said.starts_with("250"), "{said}");
    let delivered = postfix.delivery("<sealed@strict.test>");
    let shown = text(&delivered);
    assert!(shown.contains("arc=pass (groups.test)") && shown.contains("ARC-Seal: i=2;"), "{shown}");
    assert_eq!(verified(folder, &delivered), ["strict.test k rsa-sha256 bad", "arc pass"], "{shown}");
    assert!(
        !postfix
            .delivered()
            .iter()
            .any(|mail| contains(mail, "<held@") || contains(mail, "<refused@") || contains(mail, "<milder@"))
    );

    wait_until("all six are in the log", || sekisho.log().iter().filter(|line| line.contains(" action=")).count() == 6);
    if today() != day {
        eprintln!("skipped: the reports are of two days");
        return;
    }
    for (domain, rows) in [
        ("author.test", "192.0.2.25 1 none pass pass - - pass author.test pass\n"),
        (
            "strict.test",
            "192.0.2.25 1 none fail fail local_policy arc=pass fail groups.test pass\n\
             192.0.2.25 1 none fail fail mailing_list - - list.test pass\n\
             192.0.2.25 1 quarantine fail fail mailing_list - - other.test pass\n\
             192.0.2.25 1 reject fail fail - - - strict.test fail\n",
        ),
        ("soft.test", "192.0.2.25 1 quarantine fail fail - - - soft.test fail\n"),
    ] {
        assert_eq!(reported(folder, &day, domain), rows, "{domain}");
    }
}

#[test]
fn by_milter() {
    let folder = Folder::new("authenticated-milter");
    let Some(()) = prepare(&folder) else { return };
    let socket = folder.0.join("milter.sock");
    let listen =
        format!("[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{}\"\nmode = \"0666\"\n", socket.display());
    let sekisho = Sekisho::start_asking(&folder, &settings(&folder, &listen));
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}", socket.display())) else { return };
    journey(&folder, &sekisho, &postfix);

    // What our own people send is not incoming: nothing is said of who sent it, and no wish is followed.
    let own = |name: &str| [b"X-Own: 1\n".as_slice(), &mail(&folder, name)].concat();
    assert!(postfix.send(&own("clean")).starts_with("250"));
    let delivered = postfix.delivery("X-Own: 1");
    assert!(is_whole(&folder, &delivered) && !contains(&delivered, "bank.example"), "{}", text(&delivered));
    assert!(!contains(&delivered, "smtp.mailfrom=") && !contains(&delivered, "dmarc="), "{}", text(&delivered));
    assert!(postfix.send(&own("refused")).starts_with("250"));
    assert!(!contains(&postfix.delivery("<refused@strict.test>"), "dmarc="));
}

#[test]
fn before_the_queue() {
    let folder = Folder::new("authenticated-proxy");
    let Some(()) = prepare(&folder) else { return };
    let (filter, front, back) = (free_port(), free_port(), free_port());
    let listen = format!(
        "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{filter}\"\nnext_hop = \"smtp:127.0.0.1:{back}\"\n\
         received = false\n"
    );
    let sekisho = Sekisho::start_asking(&folder, &settings(&folder, &listen));
    let asking = format!("-o smtpd_proxy_filter=127.0.0.1:{filter}");
    let listen = [(front, asking), (back, String::new())];
    let more = format!("{REMOTE}smtpd_authorized_xforward_hosts = 127.0.0.0/8\n");
    let Some(postfix) = Postfix::start_with(&folder, &listen, &more) else { return };
    journey(&folder, &sekisho, &postfix);
}

/// After the queue, only on what else is marked, and clean mail is none of it: it passes as it is.
#[test]
fn after_the_queue_and_only_on_marked_mail() {
    let folder = Folder::new("authenticated-after");
    let Some(()) = prepare(&folder) else { return };
    let (filter, front, back) = (free_port(), free_port(), free_port());
    let listen = format!(
        "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{filter}\"\nnext_hop = \"smtp:127.0.0.1:{back}\"\n"
    );
    // A list of senders that SPF proves goes by what the session said: the message does not tell it yet.
    let rules = "loadplugin Mail::SpamAssassin::Plugin::SPF\nheader PROVEN eval:check_for_spf_welcomelist_from()\n\
                 score PROVEN -0.1\nwelcomelist_from_spf joe@author.test\n";
    let rules = format!("set = \"shipped\"\nextra = [{:?}]", folder.file("own.cf", rules));
    let settings = settings(&folder, &listen).replace("set = \"shipped\"", &rules);
    let sekisho = Sekisho::start_asking(&folder, &settings);
    let asking = format!("-o content_filter=smtp:[127.0.0.1]:{filter}");
    let back_options = "-o content_filter= -o receive_override_options=no_address_mappings".to_owned();
    let more = format!(
        "{REMOTE}disable_mime_output_conversion = yes\nsmtp_send_xforward_command = yes\n\
         smtpd_authorized_xforward_hosts = 127.0.0.0/8\n"
    );
    let Some(postfix) = Postfix::start_with(&folder, &[(front, asking), (back, back_options)], &more) else { return };
    let clean = mail(&folder, "clean");
    assert!(send(postfix.port, "joe@author.test", &clean).starts_with("250"));
    clean_mail_arrives(&folder, &postfix);
    sekisho.wait_for("PROVEN");
    let marked = settings.replace("[authentication]\n", "[authentication]\nmail = \"marked\"\n");
    folder.file("sekisho.toml", &marked.replace("seal = \"inbound\"", "seal = \"no\""));
    sekisho.signal("HUP");
    sekisho.wait_for("configuration reloaded");
    assert!(send(postfix.port, "joe@author.test", &[b"X-Second: 1\n".as_slice(), &clean].concat()).starts_with("250"));
    let delivered = postfix.delivery("X-Second: 1");
    assert!(delivered.ends_with(&clean) && !contains(&delivered, "spf=pass"), "{}", text(&delivered));
}
