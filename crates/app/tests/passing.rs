//! Mail that passes: signatures still verify, the same message gets the same verdict however it comes, and whichever mail
//! server asks gets the same answer.

mod support;

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{Folder, Postfix, Sekisho, Smtp, contains, filter, free_port, wait_until};

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [[listen]]\nprotocol = \"milter\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"\"\n{more}",
        folder.0.display()
    )
}

fn postfix(folder: &Folder) -> Option<Postfix> {
    Postfix::start(folder, &format!("unix:{}/milter.sock", folder.0.display()))
}

/// What is delivered has fields of the mail servers before the message.
fn arrived(delivered: &[u8], sent: &[u8]) -> bool {
    delivered.ends_with(sent)
}

// ---- signatures

/// The Python that has dkimpy; Debian's own, whatever else is called python3.
fn python() -> Option<&'static str> {
    let found = ["/usr/bin/python3", "/usr/local/bin/python3", "python3"].into_iter().find(|python| {
        Command::new(python).args(["-c", "import dkim"]).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    });
    if found.is_none() {
        eprintln!("skipped: dkimpy is not installed (apt-get install python3-dkim)");
    }
    found
}

/// What canonicalization is about: folds, blanks before and after, bytes beyond ASCII, empty lines at the end.
fn odd(number: usize, body: &[u8]) -> Vec<u8> {
    let mut mail = format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject:  two  blanks\t \n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\nX-Folded: a\n\tb  \n   c\n\
         X-Blank:\nX-Tight:tight\nX-Twice: 1\nx-twice:\t2\nX-Raw: "
    )
    .into_bytes();
    mail.extend(b"\x93\xfa\x96{ caf\xe9\n\n");
    mail.extend(body);
    mail
}

#[test]
fn signatures_still_verify() {
    let Some(python) = python() else { return };
    let folder = Folder::new("dkim");
    let (front, filter_port, back) = (free_port(), free_port(), free_port());
    let proxy = format!(
        "[actions]\nbad_header = \"tag\"\n[[listen]]\nprotocol = \"smtp\"\n\
         socket = \"inet:127.0.0.1:{filter_port}\"\nnext_hop = \"smtp:127.0.0.1:{back}\"\n"
    );
    let _sekisho = Sekisho::start(&folder, &config(&folder, &proxy));
    let milter = format!("smtpd_milters = unix:{}/milter.sock\n", folder.0.display());
    let ports = [(front, String::new()), (back, "-o smtpd_milters=".to_owned())];
    let Some(postfix) = Postfix::start_with(&folder, &ports, &milter) else { return };
    let send = |port: u16, mail: &[u8]| {
        let mut smtp = Smtp::connect(port);
        for command in ["EHLO client.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"]
        {
            let said = smtp.ask(command);
            assert!(said.starts_with(['2', '3']), "{command}: {said}");
        }
        smtp.data(mail)
    };
    let key = folder.0.join("key.pem").display().to_string();
    let made =
        Command::new("openssl").args(["genrsa", "-traditional", "-out", &key, "2048"]).stderr(Stdio::null()).status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes a key");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/signature.py");
    let dkim = |arguments: &[&str], mail: &[u8]| {
        let (output, code) = filter(python, &[&[script], arguments].concat(), mail);
        assert_eq!(code, Some(0));
        output
    };
    let verdict = |mail: &[u8]| String::from_utf8(dkim(&["verify", &key], mail)).unwrap();
    let bodies: [&[u8]; 4] = [
        b"plain\n",
        b" leading blank\n.dot\n..dots\nFrom me\ntrailing blanks  \t\n\n\n\n",
        b"\xe9\x80\xe3\x81\x82 \xff\xfe\n\tx  y\n",
        b"\n\nempty lines first\n",
    ];
    // The judge is not blind.
    let signed = dkim(&["sign", &key, "relaxed/relaxed"], &odd(0, bodies[0]));
    assert_eq!(verdict(&[&signed[..], b"more\n"].concat()), "1 bad\n");
    let mut number = 0;
    // As a milter, and handing on.
    let ways = [front, filter_port].into_iter().flat_map(|port| [(port, "simple/simple"), (port, "relaxed/relaxed")]);
    for (port, canonicalization) in ways {
        for body in bodies {
            number += 1;
            let signed = dkim(&["sign", &key, canonicalization], &odd(number, body));
            assert_eq!(verdict(&signed), "1 good\n");
            assert!(send(port, &signed).starts_with("250"), "{}", postfix.log());
            let delivered = postfix.delivery(&format!("<{number}@example.net>"));
            assert!(contains(&delivered, "X-Spam-Status: "));
            let shown = |mail: &[u8]| String::from_utf8_lossy(mail).into_owned();
            assert!(
                arrived(&delivered, &signed),
                "{:?}
is not the end of
{:?}",
                shown(&signed),
                shown(&delivered)
            );
            assert_eq!(verdict(&delivered), "1 good\n", "{canonicalization} {}", String::from_utf8_lossy(&delivered));
        }
    }
}

// ---- the incident of the talk

/// One phish, three shapes: as it came, attached, pasted into text with its header.
fn shapes() -> [(&'static str, Vec<u8>); 3] {
    let whole = sample("phish-zero-width");
    let head = "From: Ann <ann@example.test>\nTo: helpdesk@example.test\nSubject: FW\n\
                Date: Mon, 5 Jan 2026 09:45:12 +0900\nMessage-ID: <fw@example.test>\nMIME-Version: 1.0\n";
    let before = "Content-Type: multipart/mixed; boundary=\"mixed\"\n\n--mixed\n\
                  Content-Type: text/plain; charset=utf-8\n\n\u{3053}\u{308c}\u{3067}\u{3059}\n\n\
                  --mixed\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n";
    let attached = [head.as_bytes(), before.as_bytes(), &whole, b"\n--mixed--\n"].concat();
    let text = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
    let pasted = [head.as_bytes(), text.as_bytes(), &whole].concat();
    [("whole", whole), ("attached", attached), ("pasted", pasted)]
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples")
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(samples().join(name).with_extension("eml")).unwrap()
}

/// In 2007 a mail server let out, as an attachment, what it had stopped coming in. What is said in body and links has
/// the same verdict whole, attached and pasted, on its way in and on its way out.
#[test]
fn a_phish_is_a_phish_whole_attached_pasted_inbound_and_outbound() {
    let folder = Folder::new("incident");
    let sekisho = Sekisho::start(&folder, &config(&folder, "[actions]\nspam = \"reject\"\nphishing = \"reject\"\n"));
    let Some(postfix) = postfix(&folder) else { return };
    let ways =
        [("inbound", "ADDR=198.51.100.77", "ann@example.test"), ("outbound", "ADDR=127.0.0.1", "joe@example.org")];
    for (shape, mail) in shapes() {
        for (direction, client, recipient) in ways {
            let before = sekisho.log().len();
            let mut smtp = Smtp::connect(postfix.port);
            assert!(smtp.ask(&format!("XCLIENT {client} NAME=[UNAVAILABLE]")).starts_with("220"));
            for command in
                ["EHLO pc.example.net", "MAIL FROM:<ann@example.test>", &format!("RCPT TO:<{recipient}>"), "DATA"]
            {
                let reply = smtp.ask(command);
                assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
            }
            let reply = smtp.data(&mail);
            assert!(reply.starts_with("554 5.7.1"), "{shape} {direction}: {reply}");
            wait_until("it is in the log", || sekisho.log().len() > before);
            let line = sekisho.log()[before..].join("\n");
            assert!(line.contains("action=reject") && line.contains(&format!("direction={direction} ")), "{line}");
            for rule in ["BRAND_IN_FOREIGN_HOST", "JP_LOG_IN_OR_LOSE", "INVISIBLE_IN_WORDS"] {
                assert!(line.contains(rule), "{shape} {direction}: {rule} is missing: {line}");
            }
        }
    }
    assert!(postfix.delivered().is_empty());
}

// ---- other clients

/// The same mail, seen through the oldest and the newest version of the protocol.
#[test]
fn old_and_new_milter_protocol_see_the_same() {
    let folder = Folder::new("versions");
    let sekisho = Sekisho::start(&folder, &config(&folder, ""));
    let Some(postfix) = postfix(&folder) else { return };
    let mut names: Vec<PathBuf> = std::fs::read_dir(samples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut mails: Vec<Vec<u8>> = names.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    for number in mails.len()..20 {
        mails.push(
            format!(
                "From: \"Joe {number}\" <joe@example.net>\nTo: ann@example.test\nSubject: =?UTF-8?Q?number_{number}?=\n\
             Date: Mon, 5 Jan 2026 09:45:{number} +0000\nMessage-ID: <{number}@example.net>\nX-Folded: a\n\tb\n   c\n\n\
             {}http://example.org/{number}\n",
                "Dear Ann, look here: ".repeat(number)
            )
            .into_bytes(),
        );
    }
    let judged = || -> Vec<String> {
        let log = sekisho.log();
        let lines = log.iter().filter(|line| line.contains("action="));
        let lasting = |line: &String| -> Vec<String> {
            let words = line.split(' ').filter(|word| !word.contains("id=") && !word.starts_with("ms="));
            words.map(str::to_owned).collect()
        };
        lines.map(|line| lasting(line).join(" ")).collect()
    };
    let mut seen = Vec::new();
    for version in ["6", "2"] {
        postfix.configure(&format!("milter_protocol = {version}"));
        let before = judged().len();
        for mail in &mails {
            let mut smtp = Smtp::connect(postfix.port);
            assert!(smtp.ask("XCLIENT ADDR=198.51.100.77 NAME=mx.example.net").starts_with("220"));
            for command in ["EHLO mx.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"]
            {
                assert!(smtp.ask(command).starts_with(['2', '3']));
            }
            let reply = smtp.data(mail);
            assert!(reply.starts_with("250"), "{reply}");
        }
        wait_until("all are in the log", || judged().len() >= before + mails.len());
        seen.push(judged().split_off(before));
    }
    assert_eq!(seen[0].len(), 20);
    assert_eq!(seen[0], seen[1]);
    let spam = seen[0].iter().filter(|line| line.contains("category=spam")).count();
    assert!((1..20).contains(&spam), "{:?}", seen[0]);
}

/// Sendmail, unpacked beside what is installed (`scripts/beside.sh`), never in its place.
struct Sendmail {
    child: Child,
    port: u16,
}

impl Sendmail {
    fn start(folder: &Folder, milter: u16, next_hop: u16) -> Option<Sendmail> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/beside");
        let program = beside.join("usr/libexec/sendmail/sendmail");
        if !program.exists() {
            eprintln!("skipped: there is no Sendmail in {}; ./test unpacks it there", beside.display());
            return None;
        }
        let beside = beside.canonicalize().unwrap();
        let (here, macros) = (folder.0.display(), beside.join("usr/share/sendmail/cf"));
        let macros = macros.display();
        let port = free_port();
        folder.file("switch", "hosts\tfiles\naliases\tfiles\n");
        std::fs::create_dir_all(folder.0.join("queue")).unwrap();
        let source = format!(
            "include(`{macros}/m4/cf.m4')dnl\nOSTYPE(`linux')dnl\ndefine(`confDOMAIN_NAME', `relay.example.test')dnl\n\
             define(`QUEUE_DIR', `{here}/queue')dnl\ndefine(`confPID_FILE', `{here}/pid')dnl\n\
             define(`STATUS_FILE', `{here}/statistics')dnl\ndefine(`HELP_FILE', `')dnl\n\
             define(`ALIAS_FILE', `')dnl\ndefine(`confCW_FILE', `')dnl\n\
             define(`confSERVICE_SWITCH_FILE', `{here}/switch')dnl\n\
             define(`confDONT_PROBE_INTERFACES', `true')dnl\ndefine(`confTO_IDENT', `0s')dnl\n\
             define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl\n\
             define(`SMART_HOST', `[127.0.0.1]')dnl\ndefine(`RELAY_MAILER_ARGS', `TCP $h {next_hop}')dnl\n\
             FEATURE(`no_default_msa')dnl\nFEATURE(`promiscuous_relay')dnl\n\
             FEATURE(`accept_unresolvable_domains')dnl\n\
             DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}')dnl\n\
             INPUT_MAIL_FILTER(`sekisho', `S=inet:{milter}@127.0.0.1, F=T, T=C:10s;S:30s;R:30s;E:60s')dnl\n\
             MAILER(`smtp')dnl\n"
        );
        let m4 = beside.join("usr/bin/m4").display().to_string();
        let (made, code) = filter(&m4, &[&format!("-D_CF_DIR_={macros}/"), "-"], source.as_bytes());
        assert_eq!(code, Some(0));
        let settings = folder.file("sendmail.cf", &String::from_utf8(made).unwrap());
        // A name of its own: with an unqualified one Sendmail first sleeps for a minute.
        let line = format!(
            "hostname relay.example.test; exec {} -bD -q1s -C {} -OLogLevel=0",
            program.display(),
            settings.display()
        );
        let child = Command::new("unshare")
            .args(["--uts", "sh", "-c", &line])
            .env("LD_LIBRARY_PATH", beside.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)))
            .spawn();
        let mut sendmail = Sendmail { child: child.ok()?, port };
        let mut ended = false;
        wait_until("Sendmail answers", || {
            ended = sendmail.child.try_wait().is_ok_and(|status| status.is_some());
            let up = TcpStream::connect(("127.0.0.1", port))
                .is_ok_and(|mut stream| stream.read(&mut [0; 4]).is_ok_and(|n| n > 0));
            ended || up
        });
        if ended {
            eprintln!("skipped: Sendmail cannot run here");
            return None;
        }
        Some(sendmail)
    }

    fn send(&self, mail: &[u8]) -> String {
        let mut smtp = Smtp::connect(self.port);
        for command in ["EHLO client.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"]
        {
            let reply = smtp.ask(command);
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        smtp.data(mail)
    }
}

impl Drop for Sendmail {
    fn drop(&mut self) {
        support::signal(&self.child, "TERM"); // ends its children, as KILL would not
        let _ = self.child.wait();
    }
}

#[test]
fn sendmail_asks() {
    let folder = Folder::new("sendmail");
    let settings = config(&folder, "[actions]\nbad_header = \"tag\"\nreject_at = 500.0\n");
    let sekisho = Sekisho::start(&folder, &settings);
    // The milter's TCP port is the second listener.
    let port = sekisho.port("milter");
    let Some(sink) = Postfix::start_with(&folder, &[(free_port(), String::new())], "") else { return };
    let Some(sendmail) = Sendmail::start(&folder, port, sink.port) else { return };

    let ham = odd(1, b"Dear Ann,\n\n.dot\nhere they are.  \n\n");
    let reply = sendmail.send(&[b"X-Spam-Flag: NO\nX-Spam-Status: No, score=-99\n".as_slice(), &ham].concat());
    assert!(reply.starts_with("250"), "{reply}");
    let delivered = sink.delivery("<1@example.net>");
    let shown = String::from_utf8_lossy(&delivered).into_owned();
    assert!(contains(&delivered, "X-Spam-Status: No, score=") && !contains(&delivered, "score=-99"), "{shown}");
    assert!(!contains(&delivered, "X-Spam-Flag"), "{shown}");
    assert!(delivered.ends_with(b"\n\nDear Ann,\n\n.dot\nhere they are.  \n\n"), "{shown}");
    for field in ["\nSubject:  two  blanks", "\nX-Folded: a\n\tb  \n   c\n", "\nX-Tight:tight\n"] {
        assert!(contains(&delivered, field), "{field:?} in {shown}");
    }
    let gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n";
    let reply = sendmail.send(&odd(2, gtube.as_bytes()));
    assert!(reply.starts_with("554 5.7.1 Message refused"), "{reply}");
    let log = sekisho.log();
    let built = log.iter().find(|line| line.contains("action=reject")).unwrap();
    assert!(
        built.contains("client=127.0.0.1") && built.contains("from=<joe@example.net> to=<ann@example.test>"),
        "{built}"
    );

    // F=T: without an answer the sender keeps his mail.
    sekisho.signal("KILL");
    let reply = sendmail.send(&odd(3, b"hello\n"));
    assert!(reply.starts_with("451"), "{reply}");
}
