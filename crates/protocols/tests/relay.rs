//! The client against our own server in memory, and against next hops that are tables of replies.

use protocols::smtp::client::WantTls;
use protocols::smtp::codec::{Forwarded, Reply};
use protocols::smtp::{Client, ClientEvent, ClientSettings, Delivery, Dialect, Outcome, Server, Settings};
use protocols::{Answer, Connection, Decision, Event, Path, Refusal, Scan, Session, Tls};

/// A next hop: the reply to the first entry whose text begins the command, else `250 ok`. An empty reply hangs up.
type Hop = [(&'static str, &'static str)];

struct Heard {
    commands: Vec<String>,
    content: Option<String>,
    outcome: Option<Outcome>,
    opinions: Vec<(usize, u16)>,
}

/// Plays the conversation to its end, `step` bytes at a time.
fn converse(mut client: Client, hop: &Hop, recipients: usize, step: usize) -> Heard {
    let mut heard = Heard { commands: Vec::new(), content: None, outcome: None, opinions: Vec::new() };
    let reply_to = |command: &str| {
        hop.iter().find(|(start, _)| command.starts_with(start)).map_or("250 ok", |(_, reply)| *reply).to_owned()
    };
    let mut to_client = format!("{}\r\n", reply_to("greeting").replace("250 ok", "220 hop")).into_bytes();
    let mut from_client: Vec<u8> = Vec::new();
    let mut in_data = false;
    let mut hung_up = to_client == b"\r\n";
    for _ in 0..10_000 {
        if hung_up && to_client.len() <= 2 {
            client.end_of_input();
        }
        let n = step.min(to_client.len());
        client.receive(&to_client[..n]);
        to_client.drain(..n);
        while let Some(event) = client.next_event() {
            match event {
                ClientEvent::StartTls => client.tls_started(Tls::default()),
                ClientEvent::Recipient { index, reply } => heard.opinions.push((index, reply.code)),
                ClientEvent::Done(outcome) => {
                    assert!(heard.outcome.is_none(), "done twice");
                    heard.outcome = Some(outcome);
                }
                ClientEvent::Close => {
                    assert!(heard.outcome.is_some(), "closed before the last word");
                    assert_eq!(client.next_event(), None);
                    return heard;
                }
            }
        }
        from_client.append(client.output());
        while !hung_up {
            if in_data {
                let end = if from_client.starts_with(b".\r\n") {
                    Some(0)
                } else {
                    from_client.windows(5).position(|w| w == b"\r\n.\r\n").map(|n| n + 2)
                };
                let Some(end) = end else { break };
                heard.content = Some(String::from_utf8_lossy(&from_client[..end]).into_owned());
                from_client.drain(..end + 3);
                in_data = false;
                for n in 0..recipients {
                    let reply = match reply_to(&format!("dot{n}")) {
                        ok if ok == "250 ok" => reply_to("dot"),
                        reply => reply,
                    };
                    hung_up = reply.is_empty();
                    to_client.extend(format!("{reply}\r\n").into_bytes());
                    if hung_up {
                        break;
                    }
                }
                continue;
            }
            let Some(end) = from_client.windows(2).position(|w| w == b"\r\n") else { break };
            let command = String::from_utf8(from_client[..end].to_vec()).unwrap();
            from_client.drain(..end + 2);
            let mut reply = reply_to(&command);
            if command == "DATA" && reply == "250 ok" {
                reply = "354 go on".into();
            }
            in_data = reply.starts_with("354");
            hung_up = reply.is_empty() || reply.starts_with("421") || command == "QUIT";
            heard.commands.push(command);
            to_client.extend(format!("{reply}\r\n").into_bytes());
        }
    }
    panic!("no end: {:?}", heard.commands);
}

fn delivery(recipients: &[&str]) -> Delivery {
    Delivery {
        sender: Path::new("a@example.com"),
        recipients: recipients.iter().map(|r| Path::new(*r)).collect(),
        content: Some(b"Subject: x\r\n\r\n.dot\r\n".to_vec()),
        forward: None,
    }
}

const FULL: &str = "250-hop\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 XFORWARD NAME ADDR IDENT";

#[test]
fn outcomes() {
    let cases: &[(&str, Dialect, &Hop, &[u16], bool)] = &[
        ("all well", Dialect::Smtp, &[("EHLO", FULL)], &[250, 250], false),
        ("nothing offered", Dialect::Smtp, &[], &[250, 250], false),
        ("an old server", Dialect::Smtp, &[("EHLO", "502 what")], &[250, 250], false),
        ("one refused", Dialect::Smtp, &[("EHLO", FULL), ("RCPT TO:<v", "550 5.1.1 nobody")], &[250, 550], false),
        ("all refused", Dialect::Smtp, &[("RCPT TO:<u", "450 x"), ("RCPT TO:<v", "550 x")], &[450, 550], false),
        ("sender refused", Dialect::Smtp, &[("EHLO", FULL), ("MAIL", "553 x"), ("RCPT", "503 x")], &[553, 553], false),
        ("DATA refused", Dialect::Smtp, &[("DATA", "451 x")], &[451, 451], false),
        ("DATA answered oddly", Dialect::Smtp, &[("DATA", "251 x")], &[451, 451], false),
        ("message refused", Dialect::Smtp, &[("dot", "554 5.7.1 spam")], &[554, 554], false),
        ("busy", Dialect::Smtp, &[("greeting", "421 busy")], &[451, 451], false),
        ("not for us", Dialect::Smtp, &[("greeting", "554 no")], &[554, 554], false),
        ("not SMTP", Dialect::Smtp, &[("greeting", "SSH-2.0")], &[451, 451], false),
        ("hello refused", Dialect::Smtp, &[("EHLO", "450 x")], &[450, 450], false),
        ("leaves at RCPT", Dialect::Smtp, &[("RCPT TO:<v", "421 x")], &[451, 451], false),
        ("breaks at RCPT", Dialect::Smtp, &[("RCPT TO:<v", "")], &[451, 451], false),
        ("breaks after the dot", Dialect::Smtp, &[("dot", "")], &[451, 451], true),
        (
            "breaks after the dot, one refused",
            Dialect::Smtp,
            &[("RCPT TO:<v", "550 x"), ("dot", "")],
            &[451, 550],
            true,
        ),
        // It says so: it has not taken the message.
        ("leaves after the dot", Dialect::Smtp, &[("dot", "421 x")], &[451, 451], false),
        ("XFORWARD refused", Dialect::Smtp, &[("EHLO", FULL), ("XFORWARD", "550 x")], &[250, 250], false),
        ("LMTP", Dialect::Lmtp, &[("LHLO", FULL)], &[250, 250], false),
        ("LMTP, differing", Dialect::Lmtp, &[("LHLO", FULL), ("dot1", "452 full")], &[250, 452], false),
        (
            "LMTP, one refused",
            Dialect::Lmtp,
            &[("LHLO", FULL), ("RCPT TO:<u", "550 x"), ("dot1", "")],
            &[550, 250],
            false,
        ),
        ("LMTP, breaks between", Dialect::Lmtp, &[("LHLO", FULL), ("dot1", "")], &[250, 451], true),
        ("LMTP refused", Dialect::Lmtp, &[("LHLO", "500 x")], &[500, 500], false),
    ];
    for (what, dialect, hop, codes, uncertain) in cases {
        for step in [1, 7, 10_000] {
            let mut delivery = delivery(&["u@example.jp", "v@example.jp"]);
            delivery.forward = Some(Forwarded { name: Some("mail.example.com".into()), ..Forwarded::default() });
            let accepted = match dialect {
                Dialect::Smtp => 1,
                Dialect::Lmtp => 2 - hop.iter().filter(|(start, _)| start.starts_with("RCPT")).count(),
            };
            let client = Client::new(*dialect, ClientSettings::default(), delivery);
            let heard = converse(client, hop, accepted, step);
            let outcome = heard.outcome.unwrap();
            let got: Vec<u16> = outcome.recipients.iter().map(|r| r.code).collect();
            assert_eq!((got.as_slice(), outcome.uncertain), (*codes, *uncertain), "{what} by {step}");
            if heard.content.is_some() {
                assert_eq!(heard.content.as_deref(), Some("Subject: x\r\n\r\n..dot\r\n"), "{what}");
            }
            let quit = heard.commands.last().map(String::as_str);
            if *hop != [("greeting", "421 busy")] && got.iter().all(|c| *c == 250) {
                assert_eq!(quit, Some("QUIT"), "{what}");
            }
        }
    }
}

#[test]
fn commands_say_what_the_next_hop_can_hear() {
    let full = Delivery {
        sender: Path {
            address: b"a@example.com".to_vec(),
            parameters: vec![
                ("SIZE".into(), Some(b"5".to_vec())),
                ("BODY".into(), Some(b"8BITMIME".to_vec())),
                ("SMTPUTF8".into(), None),
                ("RET".into(), Some(b"HDRS".to_vec())),
                ("AUTH".into(), Some(b"<>".to_vec())),
            ],
        },
        recipients: vec![Path {
            address: b"u@example.jp".to_vec(),
            parameters: vec![("NOTIFY".into(), Some(b"NEVER".to_vec())), ("X".into(), Some(b"1".to_vec()))],
        }],
        content: Some("Subject: 関\r\n\r\n".as_bytes().to_vec()),
        forward: Some(Forwarded { name: Some("m".into()), ident: Some("4A".into()), ..Forwarded::default() }),
    };
    let plain = Delivery { content: Some(b"Subject: x\r\n\r\n".to_vec()), ..full.clone() };
    let cases: &[(&Hop, &Delivery, &[&str])] = &[
        (
            &[("EHLO", FULL)],
            &full,
            &[
                "EHLO localhost",
                "XFORWARD NAME=m ADDR=[UNAVAILABLE] IDENT=4A",
                "MAIL FROM:<a@example.com> SIZE=16 BODY=8BITMIME SMTPUTF8 RET=HDRS",
                "RCPT TO:<u@example.jp> NOTIFY=NEVER",
                "DATA",
                "QUIT",
            ],
        ),
        // SMTPUTF8 was said and is not needed: a next hop without it is good enough.
        (&[], &plain, &["EHLO localhost", "MAIL FROM:<a@example.com>", "RCPT TO:<u@example.jp>", "DATA", "QUIT"]),
        (&[], &full, &["EHLO localhost", "QUIT"]),
        (&[("EHLO", "250-x\r\n250 SIZE 10")], &plain, &["EHLO localhost", "QUIT"]),
    ];
    for (hop, delivery, commands) in cases {
        let client = Client::new(Dialect::Smtp, ClientSettings::default(), (*delivery).clone());
        assert_eq!(converse(client, hop, 1, 3).commands, *commands);
    }
}

#[test]
fn addresses_cannot_add_commands() {
    for bad in ["u@x>\r\nRCPT TO:<v@x", "u@x\nDATA", "", "u>x"] {
        let client = Client::new(Dialect::Smtp, ClientSettings::default(), delivery(&[bad, "v@example.jp"]));
        let heard = converse(client, &[], 1, 50);
        let codes: Vec<u16> = heard.outcome.unwrap().recipients.iter().map(|r| r.code).collect();
        assert_eq!(codes, [501, 250], "{bad:?}");
        assert_eq!(heard.commands.iter().filter(|c| c.starts_with("RCPT")).count(), 1);
    }
}

#[test]
fn tls_as_wanted() {
    const OFFERED: &str = "250-x\r\n250 STARTTLS";
    for (want, hop, code, starttls) in [
        (WantTls::Never, &[("EHLO", OFFERED)][..], 250, false),
        (WantTls::IfOffered, &[("EHLO", OFFERED), ("STARTTLS", "220 go")], 250, true),
        (WantTls::IfOffered, &[("EHLO", OFFERED), ("STARTTLS", "454 no")], 250, true),
        (WantTls::IfOffered, &[], 250, false),
        (WantTls::Required, &[("EHLO", OFFERED), ("STARTTLS", "220 go")], 250, true),
        (WantTls::Required, &[("EHLO", OFFERED), ("STARTTLS", "454 no")], 451, true),
        (WantTls::Required, &[], 451, false),
        (WantTls::Required, &[("EHLO", "500 x")], 451, false),
    ] {
        let settings = ClientSettings { tls: want, ..ClientSettings::default() };
        let heard = converse(Client::new(Dialect::Smtp, settings, delivery(&["u@example.jp"])), hop, 1, 5);
        assert_eq!(heard.outcome.unwrap().recipients[0].code, code, "{want:?} {hop:?}");
        assert_eq!(heard.commands.iter().any(|c| c == "STARTTLS"), starttls);
    }
}

/// A proxy that asks the next hop about each recipient before it answers.
#[test]
fn recipients_one_by_one() {
    let mut client = Client::new(
        Dialect::Smtp,
        ClientSettings::default(),
        Delivery { sender: Path::new("a@example.com"), ..Delivery::default() },
    );
    let turn = |client: &mut Client, bytes: &str| {
        client.receive(bytes.as_bytes());
        let mut events = Vec::new();
        while let Some(event) = client.next_event() {
            events.push(event);
        }
        (String::from_utf8(std::mem::take(client.output())).unwrap(), events)
    };
    turn(&mut client, "220 x\r\n");
    assert_eq!(turn(&mut client, "250 x\r\n").0, "MAIL FROM:<a@example.com>\r\n");
    turn(&mut client, "250 x\r\n");
    client.add_recipient(Path::new("u@x"));
    assert_eq!(turn(&mut client, "").0, "RCPT TO:<u@x>\r\n");
    let reply = Reply { code: 550, lines: vec!["5.1.1 nobody".into()] };
    assert_eq!(
        turn(&mut client, "550 5.1.1 nobody\r\n").1,
        [ClientEvent::Recipient { index: 0, reply: reply.clone() }]
    );
    assert_eq!(reply.decision(), Decision::Reject(Refusal::new(550, (1, 1), "nobody")));
    client.add_recipient(Path::new("v@x"));
    turn(&mut client, "250 ok\r\n");
    client.send(b"x\r\n".to_vec());
    assert_eq!(turn(&mut client, "").0, "DATA\r\n");
    assert_eq!(turn(&mut client, "354 x\r\n").0, "x\r\n.\r\n");
    let (output, events) = turn(&mut client, "250 queued\r\n");
    assert_eq!(output, "QUIT\r\n");
    let [ClientEvent::Done(outcome)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(outcome.recipients.iter().map(|r| r.code).collect::<Vec<_>>(), [550, 250]);
}

/// Server, judge and client in a row, as a content filter has them: what comes out is what went in.
#[test]
fn through_server_and_client() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for step in [1, 3, 4096] {
            let mut message = b"Received: x\r\nSubject: \xe9\x96\xa2 \x80\xff\r\n\r\n.\r\n..\r\nlast".to_vec();
            message.extend_from_slice(b"\0 line \r\r\n");
            let delivery = Delivery {
                content: Some(message.clone()),
                forward: Some(Forwarded {
                    name: Some("mail.example.com".into()),
                    resolved: true,
                    address: "203.0.113.5".parse().ok(),
                    port: Some(40000),
                    protocol: Some("ESMTP".into()),
                    helo: Some(b"helo+x".to_vec()),
                    ident: Some("4ABC".into()),
                    local: false,
                }),
                ..delivery(&["u@example.jp", "v@example.jp"])
            };
            let mut client = Client::new(dialect, ClientSettings::default(), delivery.clone());
            let mut server = Server::new(dialect, Settings::default(), Connection::default());
            let mut seen: Option<Scan> = None;
            let mut outcome = None;
            for _ in 0..10_000 {
                while let Some(event) = server.next_event() {
                    if let Event::Scan(scan) = event {
                        let each = vec![Decision::Accept, Decision::Defer(Refusal::new(451, (7, 1), "later"))];
                        let recipients = if dialect == Dialect::Lmtp { each } else { Vec::new() };
                        server.answer(scan.id, &Answer { recipients, ..Answer::accept() });
                        seen = Some(*scan);
                    }
                }
                let bytes: Vec<u8> = server.output().drain(..).collect();
                bytes.chunks(step).for_each(|c| client.receive(c));
                while let Some(event) = client.next_event() {
                    if let ClientEvent::Done(done) = event {
                        outcome = Some(done);
                    }
                }
                let bytes: Vec<u8> = client.output().drain(..).collect();
                if bytes.is_empty() && outcome.is_some() {
                    break;
                }
                for chunk in bytes.chunks(step) {
                    assert!(server.wants_input());
                    server.receive(chunk);
                }
            }
            let scan = seen.expect("the message arrives");
            assert_eq!(scan.content.bytes, message);
            assert_eq!(Some(Forwarded::of(&scan.peer, scan.queue_id.as_deref())), delivery.forward);
            assert_eq!(scan.recipients, delivery.recipients);
            let codes: Vec<u16> = outcome.expect("an outcome").recipients.iter().map(|r| r.code).collect();
            assert_eq!(codes, if dialect == Dialect::Lmtp { [250, 451] } else { [250, 250] });
        }
    }
}

#[test]
fn a_probe_asks_what_is_offered_and_leaves() {
    for (hop, offers) in [
        (&[("EHLO", FULL)] as &Hop, Some(6)),
        (&[("EHLO", "250 hop")], Some(0)),
        (&[("EHLO", "502 what")], Some(0)),
        (&[("greeting", "421 busy")], None),
    ] {
        let mut client = Client::probe(Dialect::Smtp, ClientSettings::default());
        let mut said = String::new();
        let mut to_client = format!("{}\r\n", hop.iter().find(|e| e.0 == "greeting").map_or("220 hop", |e| e.1));
        while !to_client.is_empty() {
            client.receive(to_client.as_bytes());
            to_client.clear();
            while client.next_event().is_some() {}
            let output: Vec<u8> = client.output().drain(..).collect();
            for line in String::from_utf8(output).unwrap().lines() {
                said.push_str(&line[..4]);
                let reply = hop.iter().find(|entry| line.starts_with(entry.0)).map_or("250 ok", |entry| entry.1);
                to_client.push_str(&format!("{reply}\r\n"));
            }
        }
        assert_eq!(client.extensions().map(<[_]>::len), offers, "{hop:?}");
        assert!(!said.contains("MAIL") && (offers.is_none() || said.ends_with("QUIT")), "{said}");
    }
}
