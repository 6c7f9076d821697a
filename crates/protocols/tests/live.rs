//! The original programs judge: spamc, swaks, miltertest and a private Postfix talk to the sessions over a loopback
//! socket.
//!
//! The socket, the threads and the judge below are what `app` will have in earnest; here each connection has a thread and
//! the judge looks for a word in the message.

mod postfix;

use protocols::*;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What a session asked, one line each.
type Log = Arc<Mutex<Vec<String>>>;

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Spam is what says so. `X-Test: defer` and the like choose other answers.
fn judge(event: &Event, log: &Log) -> Option<(QuestionId, Answer)> {
    let mut answer = Answer::default();
    match event {
        Event::Scan(scan) => {
            let text = lossy(&scan.content.bytes);
            let recipients: Vec<String> = scan.recipients.iter().map(|r| lossy(&r.address)).collect();
            log.lock().unwrap().push(format!(
                "scan {:?} user={} from={} to={} bytes={}",
                scan.want,
                scan.user.as_deref().unwrap_or("-"),
                scan.sender.as_ref().map_or("-".into(), |s| lossy(&s.address)),
                recipients.join(","),
                scan.content.bytes.len(),
            ));
            let spam = text.contains("this is spam");
            if let Some(received) = scan.received("DATE") {
                log.lock().unwrap().push(lossy(&received).replace("\r\n", "\n"));
            }
            let body = match scan.want {
                Want::Symbols => Some(b"A_RULE,ANOTHER".to_vec()),
                Want::Report | Want::ReportIfSpam => Some(b"Content analysis details:\n 1.0 A_RULE\n".to_vec()),
                _ => None,
            };
            answer.judgement = (!text.contains("X-Test: no verdict")).then_some(Judgement {
                spam,
                score: if spam { 15.0 } else { 1.0 },
                threshold: 5.0,
                text: body,
            });
            answer.edits.push(Edit::top("X-Sekisho", if spam { "spam" } else { "ham" }));
            answer
                .edits
                .extend(edit::remove_fields(&scan.content.bytes, |name, _| name.eq_ignore_ascii_case(b"X-Foreign")));
            answer.words = Some("judged".into());
            for recipient in &recipients {
                answer.recipients.push(match recipient.as_str() {
                    "full@example.jp" => Decision::Defer(Refusal::new(452, (2, 2), "mailbox is full")),
                    _ => Decision::Accept,
                });
            }
            if spam {
                answer.decision = Decision::Reject(Refusal::new(554, (7, 1), "100% spam"));
                answer.recipients.clear();
            }
            if text.contains("X-Test: hold") {
                answer.decision = Decision::Quarantine("held for a look".into());
                answer.recipients.clear();
            }
            Some((scan.id, answer))
        }
        Event::Ask(ask) => {
            let recipient = ask.recipient.as_ref().map(|r| lossy(&r.address)).unwrap_or_default();
            log.lock().unwrap().push(format!("ask {:?} {recipient}", ask.stage));
            if recipient == "grey@example.jp" {
                answer.decision = Decision::Defer(Refusal::new(450, (7, 1), "greylisted"));
            }
            Some((ask.id, answer))
        }
        Event::Tell(tell) => {
            log.lock().unwrap().push(format!("tell spam={:?} set={:?} remove={:?}", tell.spam, tell.set, tell.remove));
            answer.told = Told { set: tell.set, removed: tell.remove, refused: false };
            Some((tell.id, answer))
        }
        _ => None,
    }
}

/// Hands a message on, as a content filter does, and makes an answer of what the next hop said.
fn relay(scan: &Scan, next_hop: u16, answer: &mut Answer) -> std::io::Result<()> {
    let delivery = smtp::Delivery {
        sender: scan.sender.clone().unwrap_or_default(),
        recipients: scan.recipients.clone(),
        content: Some(edit::apply(&scan.content.bytes, &answer.edits)),
        forward: Some(smtp::codec::Forwarded::of(&scan.peer, scan.queue_id.as_deref())),
    };
    let mut client = smtp::Client::new(smtp::Dialect::Smtp, smtp::ClientSettings::default(), delivery);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, next_hop))?;
    let mut buffer = [0; 8192];
    loop {
        while let Some(event) = client.next_event() {
            match event {
                smtp::ClientEvent::Done(outcome) => {
                    answer.recipients = outcome.recipients.iter().map(smtp::codec::Reply::decision).collect()
                }
                smtp::ClientEvent::Close => return Ok(()),
                _ => {}
            }
        }
        stream.write_all(client.output())?;
        client.output().clear();
        match stream.read(&mut buffer)? {
            0 => client.end_of_input(),
            n => client.receive(&buffer[..n]),
        }
    }
}

fn drive(
    mut stream: TcpStream,
    mut session: Box<dyn Session>,
    log: &Log,
    next_hop: Option<u16>,
) -> std::io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let mut close = false;
        while let Some(event) = session.next_event() {
            close |= event == Event::Close;
            if let Some((id, mut answer)) = judge(&event, log) {
                if let (Event::Scan(scan), Some(port), Decision::Accept) = (&event, next_hop, &answer.decision) {
                    relay(scan, port, &mut answer)?;
                }
                session.progress();
                for unsaid in session.answer(id, &answer) {
                    log.lock().unwrap().push(format!("unsaid {unsaid:?}"));
                }
            }
        }
        stream.write_all(session.output())?;
        session.output().clear();
        if close {
            return Ok(());
        }
        match stream.read(&mut buffer)? {
            0 => session.end_of_input(),
            n => session.receive(&buffer[..n]),
        }
    }
}

/// Listens until the test's process ends. Returns the port.
fn serve(name: &str, settings: Settings) -> (u16, Log) {
    serve_before(name, settings, None)
}

fn serve_before(name: &str, settings: Settings, next_hop: Option<u16>) -> (u16, Log) {
    let protocol = protocol(name).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Log::default();
    let (settings, kept) = (Arc::new(settings), log.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (settings, log) = (settings.clone(), log.clone());
            std::thread::spawn(move || {
                let connection = Connection { address: Some(Ipv4Addr::LOCALHOST.into()), ..Connection::default() };
                let _ = drive(stream, (protocol.open)(&settings, &connection), &log, next_hop);
            });
        }
    });
    (port, kept)
}

/// Standard output, exit code.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<(String, i32)> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: {program} is not installed ({error})");
            return None;
        }
    };
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Some((lossy(&output.stdout), output.status.code().unwrap_or(-1)))
}

const HAM: &str = "Subject: hello\nX-Foreign: 1\n\nbody\n";
const SPAM: &str = "Subject: hello\n\nthis is spam\n";

#[test]
// Debian builds spamc without zlib: `-z` is judged in the transcripts, on bytes that zlib wrote.
fn spamc_in_all_its_moods() {
    let (port, log) = serve("spamd", Settings::default());
    let port = port.to_string();
    let report = "Content analysis details:\n 1.0 A_RULE\n";
    let no_verdict = "Subject: x\nX-Test: no verdict\n\nbody\n";
    let tagged_ham = "X-Sekisho: ham\nSubject: hello\n\nbody\n";
    let tagged_spam = "X-Sekisho: spam\nSubject: hello\n\nthis is spam\n";
    let cases: &[(&[&str], &str, &str, i32)] = &[
        (&[], HAM, tagged_ham, 0),
        (&[], SPAM, tagged_spam, 0),
        (&["-E"], SPAM, tagged_spam, 1),
        (&["-E"], HAM, tagged_ham, 0),
        (&["--headers"], HAM, tagged_ham, 0),
        (&["-c"], SPAM, "15.0/5.0\n", 1),
        (&["-c"], HAM, "1.0/5.0\n", 0),
        (&["-y"], SPAM, "A_RULE,ANOTHER", 0),
        (&["-R"], HAM, &format!("1.0/5.0\n{report}"), 0),
        (&["-R", "-E"], SPAM, &format!("15.0/5.0\n{report}"), 1),
        // So it does with spamd: `-r` shows no score.
        (&["-r"], SPAM, report, 0),
        (&["-r"], HAM, "", 0),
        (&["-K"], "", "SPAMD/1.5 0\n", 0),
        (&["-L", "spam"], SPAM, "Message successfully un/learned\n", 0),
        (&["-L", "ham"], HAM, "Message successfully un/learned\n", 0),
        (&["-L", "forget"], HAM, "Message successfully un/learned\n", 0),
        (&["-C", "report"], SPAM, "Message successfully reported/revoked\n", 0),
        (&["-C", "revoke"], HAM, "Message successfully reported/revoked\n", 0),
        (&[], no_verdict, no_verdict, 0),
        // With `-x` the client fails instead: the caller keeps the message and tries again.
        (&["-x"], no_verdict, "", 74),
        (&["-c"], no_verdict, "0/0\n", 0),
    ];
    for (arguments, message, output, code) in cases {
        let mut all = vec!["-d", "127.0.0.1", "-p", &port, "-u", "taro", "-F", "/dev/null"];
        all.extend_from_slice(arguments);
        let Some(got) = run("spamc", &all, message.as_bytes()) else { return };
        assert_eq!(got, ((*output).to_owned(), *code), "spamc {arguments:?} < {message:?}");
    }
    let log = log.lock().unwrap();
    assert_eq!(log[0], "scan Message user=taro from=- to= bytes=34");
    let told: Vec<&String> = log.iter().filter(|l| l.starts_with("tell")).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[0].starts_with("tell spam=Some(true) set=Places { local: true, remote: false }"), "{}", told[0]);
}

#[test]
fn swaks_over_smtp() {
    let settings =
        smtp::Settings { ask: Stages::RECIPIENT, name: "filter.example.jp".into(), ..smtp::Settings::default() };
    let (port, log) = serve("smtp", Settings { smtp: settings, ..Settings::default() });
    let server = format!("127.0.0.1:{port}");
    for pipeline in [false, true] {
        for (to, data, expected, code) in [
            ("u@example.jp", "Subject: x\n\n.dot\nbody\n", "<-  250 2.0.0 judged", 0),
            ("u@example.jp,v@example.jp", "Subject: x\n\nbody\n", "<-  250 2.0.0 judged", 0),
            ("u@example.jp", "Subject: x\n\nthis is spam\n", "<** 554 5.7.1 100% spam", 26),
            ("u@example.jp,full@example.jp", "Subject: x\n\nbody\n", "<** 451 4.3.0", 26),
            ("grey@example.jp", "Subject: x\n\nbody\n", "<** 450 4.7.1 greylisted", 24),
            ("u@example.jp", "X-Test: hold\n\nbody\n", "<** 451 4.7.1 Message cannot be held here", 26),
        ] {
            let mut arguments = vec!["--server", &server, "--from", "a@example.com", "--to", to, "--data", "-"];
            if pipeline {
                arguments.push("--pipeline");
            }
            let Some((output, exit)) = run("swaks", &arguments, data.as_bytes()) else { return };
            assert!(output.contains(expected), "{to} {data:?}\n{output}");
            assert_eq!(exit, code, "{output}");
            assert!(output.contains("250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"));
        }
    }
    let log = log.lock().unwrap();
    assert!(
        log.contains(&"scan Decision user=- from=a@example.com to=u@example.jp,v@example.jp bytes=22".to_owned()),
        "{log:?}"
    );
}

#[test]
fn swaks_over_lmtp() {
    let (port, _) = serve("lmtp", Settings::default());
    let server = format!("127.0.0.1:{port}");
    let to = "u@example.jp,full@example.jp";
    let arguments = ["--protocol", "LMTP", "--server", &server, "--from", "a@example.com", "--to", to, "--data", "-"];
    let Some((output, _)) = run("swaks", &arguments, b"Subject: x\n\nbody\n") else { return };
    let (accepted, refused) = (output.find("<-  250 2.0.0 judged"), output.find("452 4.2.2 mailbox is full"));
    assert!(accepted.is_some() && accepted < refused, "{output}");
}

#[test]
fn miltertest_scripts() {
    let milter = milter::Settings { ask: Stages::RECIPIENT, ..milter::Settings::default() };
    let (port, _) = serve("milter", Settings { milter, ..Settings::default() });
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live");
    let mut scripts = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "lua") {
            continue;
        }
        scripts += 1;
        let define = format!("socket=inet:{port}@127.0.0.1");
        let Some((output, code)) = run("miltertest", &["-D", &define, "-s", path.to_str().unwrap()], b"") else {
            return;
        };
        assert_eq!((output.as_str(), code), ("", 0), "{}", path.display());
    }
    assert!(scripts >= 3);
}

/// Postfix with the three ports that the test needs.
struct Postfix {
    postfix: postfix::Postfix,
    ports: [u16; 3],
}

impl Postfix {
    /// Listens for mail that asks the milter and the policy server, for mail that goes through the content filter, and
    /// for what comes back from it. `None`: there is no Postfix that could be started.
    fn start(milter: u16, policy: u16, filter: impl FnOnce(u16) -> u16) -> Option<Self> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let ports = [free(), free(), free()];
        let filter = filter(ports[2]);
        // Not below target/: Postfix's own user may not be allowed to go there.
        let folder = std::env::temp_dir().join(format!("sekisho-live-postfix-{}", std::process::id()));
        let asking = format!(
            "-o smtpd_milters=inet:127.0.0.1:{milter} \
             -o smtpd_recipient_restrictions=reject_unauth_destination,check_policy_service,inet:127.0.0.1:{policy}"
        );
        let filtered = format!("-o content_filter=smtp:[127.0.0.1]:{filter}");
        let listen = [(ports[0], asking), (ports[1], filtered), (ports[2], String::new())];
        let main = "myhostname = mx.example.jp\nvirtual_mailbox_domains = example.jp\n\
                    virtual_mailbox_maps = static:all\nsmtp_send_xforward_command = yes\n\
                    smtpd_authorized_xforward_hosts = 127.0.0.0/8\n\
                    smtpd_recipient_restrictions = reject_unauth_destination\n";
        let postfix = postfix::Postfix::start(&folder, &listen, main)?;
        Some(Self { postfix, ports })
    }

    /// Delivered messages, once there are as many.
    fn delivered(&self, wanted: usize) -> Vec<String> {
        for _ in 0..600 {
            let bytes = std::fs::read(self.postfix.file("mail/all")).unwrap_or_default();
            let messages: Vec<String> = lossy(&bytes).split("\nX-Original-To:").skip(1).map(str::to_owned).collect();
            if messages.len() >= wanted {
                return messages;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{wanted} messages were not delivered:\n{}", self.postfix.log());
    }

    fn configure(&self, setting: &str) {
        let etc = self.postfix.file("etc");
        let status = Command::new("/usr/sbin/postconf").arg("-c").arg(etc).arg("-e").arg(setting).status();
        assert!(status.is_ok_and(|s| s.success()) && self.postfix.control("reload"));
    }

    fn swaks(&self, port: usize, to: &str, more: &[&str], message: &str) -> Option<String> {
        let server = format!("127.0.0.1:{}", self.ports[port]);
        let mut arguments = vec!["--server", &server, "--from", "a@example.com", "--to", to, "--data", "-"];
        arguments.extend_from_slice(more);
        run("swaks", &arguments, message.as_bytes()).map(|(output, _)| output)
    }
}

#[test]
fn postfix_with_milter_policy_and_content_filter() {
    let milter = milter::Settings { ask: Stages::RECIPIENT, ..milter::Settings::default() };
    let (milter, seen) = serve("milter", Settings { milter, ..Settings::default() });
    let (policy, asked) = serve("policy", Settings::default());
    let mut filtered = Log::default();
    let started = Postfix::start(milter, policy, |back| {
        let (port, log) = serve_before("smtp", Settings::default(), Some(back));
        filtered = log;
        port
    });
    let Some(postfix) = started else { return };
    let message =
        "Subject:  two  blanks\nX-Foreign: 1\nX-Test:no blank\nx-foreign:  2\nFolded:\tx\n\ty  \n\n.dot\nbody\n";
    let kept = "\nSubject:  two  blanks\nX-Test:no blank\nFolded:\tx\n\ty  \n";
    let client = ["--xclient", "NAME=[UNAVAILABLE] ADDR=203.0.113.6 REVERSE_NAME=ptr.example.net"];
    let mut delivered = 0;
    for version in ["6", "2"] {
        postfix.configure(&format!("milter_protocol = {version}"));
        seen.lock().unwrap().clear();
        let Some(output) = postfix.swaks(0, "u@example.jp", &client, message) else { return };
        assert!(output.contains("queued as"), "{output}\n{}", postfix.postfix.log());
        delivered += 1;
        let last = postfix.delivered(delivered).pop().unwrap();
        assert!(
            last.contains("X-Sekisho: ham\n") && last.contains(kept) && last.contains("\n\n.dot\nbody\n"),
            "{last}"
        );
        // The field that was built for judging is the one that Postfix wrote.
        let built = seen.lock().unwrap().iter().find(|l| l.starts_with("Received:")).cloned().unwrap();
        let built = built.trim_end().strip_suffix("DATE").unwrap().to_owned();
        assert!(built.contains("(unknown [203.0.113.6])"), "{built}");
        assert!(last.contains(&built), "{built}\n{last}");

        for (to, text, expected) in [
            ("grey@example.jp", "", "450 4.7.1 <grey@example.jp>: Recipient address rejected: greylisted"),
            ("u@example.jp", "this is spam\n", "554 5.7.1 100% spam"),
        ] {
            let output = postfix.swaks(0, to, &[], &format!("Subject: x\n\n{text}")).unwrap();
            assert!(output.contains(expected), "{output}\n{}", postfix.postfix.log());
        }
        let output = postfix.swaks(0, "u@example.jp", &[], "Subject: x\nX-Test: hold\n\n").unwrap();
        let id =
            output.split("queued as ").nth(1).unwrap_or_else(|| panic!("{output}")).lines().next().unwrap().to_owned();
        assert!(postfix.postfix.file("queue/hold").join(&id).exists(), "{id} is not held\n{}", postfix.postfix.log());
    }
    assert!(asked.lock().unwrap().contains(&"ask Recipient grey@example.jp".to_owned()));

    let output = postfix.swaks(1, "u@example.jp,v@example.jp", &client, message).unwrap();
    assert!(output.contains("queued as"), "{output}");
    delivered += 2;
    for last in &postfix.delivered(delivered)[delivered - 2..] {
        assert!(
            last.contains("X-Sekisho: ham\n") && last.contains(kept) && last.contains("\n\n.dot\nbody\n"),
            "{last}"
        );
    }
    assert!(postfix.postfix.log().contains("status=sent (250 2.0.0 judged)"), "{}", postfix.postfix.log());
    // What XFORWARD told us was passed on.
    assert!(postfix.postfix.log().contains("orig_client=unknown[203.0.113.6]"), "{}", postfix.postfix.log());
    assert!(filtered.lock().unwrap().iter().any(|l| l.contains("to=u@example.jp,v@example.jp")));
}
