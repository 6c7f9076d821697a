//! Many at once, too much at once, too late: what the limits promise, at real sockets.

#[path = "support/milter.rs"]
mod milter;
mod support;

use milter::Milter;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Barrier};
use support::{Folder, Postfix, Sekisho, Smtp, contains, free_port};

const SESSIONS: usize = 200;

fn config(folder: &Folder, limits: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"\"\n[limits]\n{limits}\n",
        folder.0.display()
    )
}

fn mail(number: usize, lines: usize) -> Vec<u8> {
    let mut mail = format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: number {number}\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n"
    );
    (0..lines).for_each(|line| mail.push_str(&format!("Dear Ann, this is line {line} of what I have to tell you\n")));
    mail.into_bytes()
}

/// "at most N messages were in work at once, and M bytes of mail in memory"
fn most(sekisho: &mut Sekisho) -> (usize, usize) {
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0));
    sekisho.wait_for("at most ");
    let log = sekisho.log();
    let line = log.iter().find_map(|line| line.split("at most ").nth(1)).unwrap();
    let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    (numbers[0], numbers[1])
}

#[test]
fn two_hundred_sessions_and_ten_messages_in_work() {
    let folder = Folder::new("parallel");
    let mut sekisho = Sekisho::start(&folder, &config(&folder, "concurrent = 10"));
    let more = format!(
        "smtpd_milters = unix:{}/milter.sock\ndefault_process_limit = 450\n\
         smtpd_client_connection_count_limit = 0\n",
        folder.0.display()
    );
    let Some(postfix) = Postfix::start_with(&folder, &[(free_port(), String::new())], &more) else { return };
    let together = Arc::new(Barrier::new(SESSIONS));
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let (together, port) = (together.clone(), postfix.port);
            std::thread::spawn(move || {
                let mut smtp = Smtp::connect(port);
                for command in
                    ["EHLO client.example.net", "MAIL FROM:<joe@example.net>", "RCPT TO:<ann@example.test>", "DATA"]
                {
                    let reply = smtp.ask(command);
                    assert!(reply.starts_with(['2', '3']), "{reply}");
                }
                together.wait(); // all of them are there before one has said anything
                smtp.data(&mail(number, 400))
            })
        })
        .collect();
    for session in sessions {
        let reply = session.join().unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    support::wait_until("all are delivered", || postfix.delivered().len() >= SESSIONS);
    let delivered = postfix.delivered();
    assert_eq!(delivered.len(), SESSIONS);
    for number in 0..SESSIONS {
        let id = format!("Message-ID: <{number}@example.net>");
        assert_eq!(delivered.iter().filter(|mail| contains(mail, &id)).count(), 1, "{id}");
    }
    let (in_work, _) = most(&mut sekisho);
    assert!((2..=10).contains(&in_work), "{in_work} messages in work at once");
}

/// Half of each message is there before the rest of any comes: without a right of way they would wait for each other.
#[test]
fn what_is_received_at_once_has_a_limit_and_nobody_waits_for_ever() {
    const SIZE: usize = 1 << 20;
    const BUDGET: usize = 8 << 20;
    let folder = Folder::new("memory");
    let mut sekisho =
        Sekisho::start(&folder, &config(&folder, "concurrent = 2\ndeadline = \"10m\"\nmemory = \"8MiB\""));
    let socket = folder.0.join("milter.sock");
    let halves = Arc::new(Barrier::new(SESSIONS));
    let mail = Arc::new(mail(0, SIZE / 53));
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let (halves, mail, socket) = (halves.clone(), mail.clone(), socket.clone());
            std::thread::spawn(move || {
                let mut milter = Milter::connect(UnixStream::connect(socket).unwrap()).unwrap();
                let body = milter.begin(&format!("Q{number}"), &mail).unwrap();
                halves.wait();
                milter.body(&body).unwrap();
                milter.end().unwrap().reply
            })
        })
        .collect();
    for session in sessions {
        assert_eq!(session.join().unwrap(), b'a');
    }
    let (_, bytes) = most(&mut sekisho);
    let each = 192 << 10; // what every connection may have, and one read
    assert!(bytes > BUDGET / 2 && bytes < BUDGET + 2 * SIZE + SESSIONS * each, "{bytes} bytes at once");
    assert!(bytes < SESSIONS * SIZE / 3, "{bytes} bytes at once is no limit");
}

/// Who holds what others wait for and sends nothing more loses it.
#[test]
fn a_sender_that_stands_in_the_way_is_sent_away() {
    let folder = Folder::new("stalled");
    let limits = "deadline = \"2s\"\nmemory = \"64KiB\"";
    let sekisho = Sekisho::start(&folder, &config(&folder, limits));
    let socket = folder.0.join("milter.sock");
    let open = || Milter::connect(UnixStream::connect(&socket).unwrap()).unwrap();
    let mail = mail(0, 20_000);
    let mut stalled = open();
    let body = stalled.begin("Q1", &mail).unwrap();
    stalled.body(&body[..500_000]).unwrap();
    sekisho.wait_for("limits.memory is used up");
    assert!(stalled.body(&body).and_then(|()| stalled.end()).is_err(), "its mail server tries again");
    assert_eq!(open().send("Q2", &mail).unwrap().reply, b'a');
}

#[test]
fn too_late_means_what_was_configured() {
    let folder = Folder::new("late");
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };
    for (number, late, reply) in [(1, "defer", "451 4.7.1 Not judged in time"), (2, "pass", "250")] {
        let sekisho = Sekisho::start(&folder, &config(&folder, &format!("deadline = \"1ms\"\nlate = \"{late}\"")));
        let said = postfix.send(&mail(number, 40_000));
        assert!(said.starts_with(reply), "{said}");
        sekisho.wait_for("action=late");
    }
    let delivered = postfix.delivery("<2@example.net>");
    assert!(delivered.ends_with(&mail(2, 40_000)) && !contains(&delivered, "X-Spam-"), "as it came");
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "<1@example.net>")));
}

#[test]
fn what_is_late_can_be_kept() {
    let folder = Folder::new("late-kept");
    let (filter, back) = (free_port(), free_port());
    let here = folder.0.display().to_string();
    let milter = format!("smtpd_milters = unix:{here}/milter.sock\n");
    let ports = [(free_port(), String::new()), (back, "-o smtpd_milters=".to_owned())];
    let Some(mut postfix) = Postfix::start_with(&folder, &ports, &milter) else { return };
    let settings = config(&folder, "deadline = \"1ms\"\nlate = \"quarantine\"")
        .replace("location = \"\"", &format!("location = \"{here}/store\""))
        + &format!(
            "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n\
             [[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{filter}\"\n\
             next_hop = \"smtp:127.0.0.1:{back}\"\n"
        );
    let sekisho = Sekisho::start(&folder, &settings);
    let held = || {
        let store = store::Store::open(&format!("{here}/store").parse().unwrap()).unwrap();
        let entries = store.quarantine().list(&store::quarantine::Query::default()).unwrap().entries;
        let content = |entry: &store::quarantine::Entry| store.quarantine().content(entry).unwrap();
        entries.iter().map(|entry| (entry.clone(), content(entry))).collect::<Vec<_>>()
    };
    // As a milter; the same message sent again is held already.
    for _ in 0..2 {
        let said = postfix.send(&mail(1, 40_000));
        assert!(said.starts_with("250"), "{said}");
    }
    sekisho.wait_for("action=late category=unchecked reason=\"not judged within 0.001 s; kept in quarantine\"");
    let (entry, content) = held().remove(0);
    assert_eq!((entry.subject.as_str(), entry.from.as_str()), ("number 1", "Joe <joe@example.net>"));
    assert_eq!(content.split(|byte| *byte == b'\r').collect::<Vec<_>>().concat(), mail(1, 40_000), "as it came");
    assert_eq!(held().len(), 1);
    // Between two mail servers.
    postfix.port = filter;
    assert!(postfix.send(&mail(2, 40_000)).starts_with("250"));
    assert_eq!(held().len(), 2);
    // Who has the message himself is told that there is no verdict.
    let port = sekisho.port("spamd").to_string();
    let (_, code) =
        support::filter("spamc", &["-d", "127.0.0.1", "-p", &port, "-x", "-s", "100000000"], &mail(3, 40_000));
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert_eq!((held().len(), postfix.delivered().len()), (2, 0));
    // Without a store for it the sender tries again.
    drop(sekisho);
    let large = settings.replace("late = ", "message = \"100KiB\"\nlate = ");
    let sekisho = Sekisho::start(&folder, &large);
    postfix.port = ports[0].0;
    let said = postfix.send(&mail(4, 40_000));
    assert!(said.starts_with("451 4.7.1 Not judged in time"), "{said}");
    sekisho.wait_for("quarantine: longer than limits.message; the message was deferred");
}
