//! The original programs judge: spamc, swaks and miltertest talk to the sessions over a loopback socket.
//!
//! The socket, the threads and the judge below are what `app` will have in earnest; here each connection has a thread and
//! the judge looks for a word in the message.

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

fn drive(mut stream: TcpStream, mut session: Box<dyn Session>, log: &Log) -> std::io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let mut close = false;
        while let Some(event) = session.next_event() {
            close |= event == Event::Close;
            if let Some((id, answer)) = judge(&event, log) {
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
                let _ = drive(stream, (protocol.open)(&settings, &connection), &log);
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
