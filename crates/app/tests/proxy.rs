//! `sekisho serve` between two mail servers: real Postfix in front and behind, as content filter, before the queue, and
//! over LMTP; and next hops that answer from a table.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use support::{Folder, Postfix, Sekisho, Smtp, contains, dotted, free_port, wait_until};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn mail(number: usize, body: &str) -> Vec<u8> {
    format!(
        "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject:  two  blanks\nX-Odd:no blank\nFolded:\tx\n\ty  \n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n{body}\n"
    )
    .into_bytes()
}

/// The configuration of a listener on this port, what follows it, and the rest.
fn config(folder: &Folder, protocol: &str, port: u16, next_hop: &str, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = {protocol:?}\nsocket = \"inet:127.0.0.1:{port}\"\nnext_hop = {next_hop:?}\n{more}\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{}/store\"\n",
        folder.0.display()
    )
}

const MAIN: &str = "myhostname = mx.example.test\nvirtual_mailbox_domains = example.test\n\
    virtual_mailbox_maps = static:all/\nsmtpd_peername_lookup = no\nsmtpd_authorized_xforward_hosts = 127.0.0.0/8\n\
    smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\ndisable_mime_output_conversion = yes\n\
    smtp_send_xforward_command = yes\nlmtp_send_xforward_command = yes\nminimal_backoff_time = 1s\n\
    smtpd_recipient_restrictions = check_recipient_access inline:{\
    {full@example.test = 450 4.2.2 Mailbox full}, {nobody@example.test = 550 5.1.1 No such user}}, \
    reject_unauth_destination\n";

/// Options of the port that takes mail back, as the talk has them and a bit more.
const BACK: &str = "-o content_filter= -o smtpd_milters= -o smtpd_helo_restrictions= -o smtpd_client_restrictions= \
    -o smtpd_sender_restrictions= -o mynetworks=127.0.0.0/8 \
    -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters,no_address_mappings";

fn filtered_by(port: u16) -> String {
    format!("-o content_filter=smtp:[127.0.0.1]:{port} -o smtpd_recipient_restrictions=permit_mynetworks,reject")
}

fn send(port: u16, recipients: &[&str], message: &[u8]) -> String {
    let mut smtp = Smtp::connect(port);
    assert!(smtp.ask("EHLO client.example.net").starts_with("250"));
    assert!(smtp.ask("MAIL FROM:<joe@example.net>").starts_with("250"));
    for recipient in recipients {
        let said = smtp.ask(&format!("RCPT TO:<{recipient}>"));
        if !said.starts_with("250") {
            return said;
        }
    }
    smtp.ask("DATA");
    smtp.data(message)
}

/// What lies between the trace fields of the way and the end: the message as it was sent.
fn as_sent(delivered: &[u8]) -> String {
    let text = String::from_utf8_lossy(delivered).into_owned();
    text[text.find("\nFrom: Joe").expect("a message") + 1..].to_owned()
}

#[test]
fn after_the_queue() {
    let folder = Folder::new("filter");
    let (filter, front, back) = (free_port(), free_port(), free_port());
    let settings = config(&folder, "smtp", filter, &format!("smtp:127.0.0.1:{back}"), "");
    let sekisho = Sekisho::start(&folder, &settings);
    let Some(behind) = Postfix::with(&folder, "behind", &[(back, BACK.into())], MAIN) else { return };
    let Some(before) = Postfix::with(&folder, "before", &[(front, filtered_by(filter))], MAIN) else { return };

    // Ham: our headers on top, not a byte else.
    let body = "Dear Ann,\n\n.a dot\n..two\n.\nfr\u{fc}her: caf\u{e9} \u{95a2}\u{6240}\ntrailing  \n\n\nJoe";
    let mut ham = b"X-Spam-Flag: NO\n".to_vec();
    ham.extend(mail(1, body));
    assert!(send(front, &["ann@example.test", "bob@example.test"], &ham).starts_with("250"));
    let delivered = behind.delivery("<1@example.net>");
    let text = String::from_utf8_lossy(&delivered).into_owned();
    assert_eq!(as_sent(&delivered), String::from_utf8(mail(1, body)).unwrap());
    let top = &text[..text.find("\nFrom: Joe").unwrap()];
    assert!(top.contains("\nX-Spam-Status: No, score=") && !top.contains("X-Spam-Flag"), "{top}");
    assert!(top.contains("(sekisho) with ESMTP id "), "{top}");
    assert!(top.contains("\nX-Sekisho-Loop: "), "{top}");
    assert!(top.find("X-Spam-Status") < top.rfind("Received: from client.example.net"), "{top}");
    wait_until("the queue says what the next hop said", || {
        before.log().contains("status=sent (250 2.0.0 Ok: queued as")
    });
    assert!(behind.log().contains("orig_client="), "{}", behind.log());
    sekisho.wait_for("next_hop=\"250 2.0.0 Ok: queued as");
    let log = sekisho.log();
    let line = log.iter().find(|line| line.contains("action=pass")).unwrap();
    assert!(line.contains("to=<ann@example.test>,<bob@example.test>"), "{line}");

    // Spam is marked, as configured.
    assert!(send(front, &["ann@example.test"], &mail(2, GTUBE)).starts_with("250"));
    assert!(contains(&behind.delivery("<2@example.net>"), "\nX-Spam-Flag: YES"));

    // The next hop refuses one of several: its words reach the sender's queue at RCPT, the others are served.
    assert!(send(front, &["nobody@example.test", "ann@example.test"], &mail(3, "hello")).starts_with("250"));
    behind.delivery("<3@example.net>");
    wait_until("the refusal", || {
        before.log().contains("said: 550 5.1.1 <nobody@example.test>: Recipient address rejected")
    });

    // The next hop is gone: the mail stays where it was, and goes through when it is back.
    assert!(behind.control("stop"), "{}", behind.log());
    assert!(send(front, &["ann@example.test"], &mail(4, "patience")).starts_with("250"));
    wait_until("deferral", || {
        before.log().contains("status=deferred") && before.log().contains("4.4.1 Next hop cannot")
    });
    assert!(!behind.delivered().iter().any(|mail| contains(mail, "<4@example.net>")));
    assert!(behind.control("start"), "{}", behind.log());
    assert!(before.control("flush"), "{}", before.log());
    behind.delivery("<4@example.net>");
    assert_eq!(behind.delivered().iter().filter(|mail| contains(mail, "<4@example.net>")).count(), 1);
}

#[test]
fn before_the_queue() {
    let folder = Folder::new("before-queue");
    let (filter, front, back) = (free_port(), free_port(), free_port());
    let listener = "received = false\n[actions]\nreject_at = 500.0\n";
    let settings = config(&folder, "smtp", filter, &format!("smtp:127.0.0.1:{back}"), listener);
    let sekisho = Sekisho::start(&folder, &settings);
    let asking =
        format!("-o smtpd_proxy_filter=127.0.0.1:{filter} -o smtpd_recipient_restrictions=permit_mynetworks,reject");
    let Some(postfix) = Postfix::with(&folder, "postfix", &[(front, asking), (back, BACK.into())], MAIN) else {
        return;
    };

    let body = "hello\n.\n..\nJoe";
    assert!(send(front, &["ann@example.test"], &mail(1, body)).starts_with("250 2.0.0 Ok: queued as"));
    let delivered = postfix.delivery("<1@example.net>");
    assert_eq!(as_sent(&delivered), String::from_utf8(mail(1, body)).unwrap());
    assert!(contains(&delivered, "\nX-Spam-Status: No"));
    assert!(!contains(&delivered, "(sekisho) with"), "no hop of its own");

    // Refused while the sender is there: spam by us, recipients by the next hop.
    let said = send(front, &["ann@example.test"], &mail(2, GTUBE));
    assert!(said.starts_with("554 5.7.1 Message refused"), "{said}");
    let said = send(front, &["ann@example.test", "nobody@example.test"], &mail(3, "hello"));
    assert!(said.starts_with("550 5.1.1 <nobody@example.test>"), "{said}");
    let said = send(front, &["full@example.test"], &mail(3, "hello"));
    assert!(said.starts_with("450 4.2.2 <full@example.test>"), "{said}");
    // Who was refused does not keep the others from their mail.
    let mut smtp = Smtp::connect(front);
    for (command, reply) in [
        ("EHLO client.example.net", "250"),
        ("MAIL FROM:<joe@example.net>", "250"),
        ("RCPT TO:<nobody@example.test>", "550"),
        ("RCPT TO:<ann@example.test>", "250"),
        ("DATA", "354"),
    ] {
        let said = smtp.ask(command);
        assert!(said.starts_with(reply), "{command}: {said}");
    }
    let said = smtp.data(&mail(4, "hello"));
    assert!(said.starts_with("250"), "{said}\n{}\n{:?}", postfix.log(), sekisho.log());
    postfix.delivery("<4@example.net>");
    sekisho.wait_for("action=reject");
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "<2@example.net>")));
}

#[test]
fn what_comes_back_is_not_judged_twice_and_does_not_run_in_circles() {
    let folder = Folder::new("loop");
    let (filter, front, back, circle) = (free_port(), free_port(), free_port(), free_port());
    let more = format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{circle}\"\nnext_hop = \"smtp:127.0.0.1:{1}\"\n",
        folder.0.display(),
        front
    );
    let settings = config(&folder, "smtp", filter, &format!("smtp:127.0.0.1:{back}"), &more);
    let sekisho = Sekisho::start(&folder, &settings);
    // The port behind asks our milter, which it should not; the port `front` of the second kind leads back to itself.
    let asking = format!("-o smtpd_milters=unix:{}/milter.sock", folder.0.display());
    let main = MAIN.replace("bounce_queue_lifetime", "");
    let Some(postfix) = Postfix::with(&folder, "postfix", &[(front, filtered_by(circle)), (back, asking)], &main)
    else {
        return;
    };
    assert!(send(filter, &["ann@example.test"], &mail(1, "once")).starts_with("250"));
    let delivered = postfix.delivery("<1@example.net>");
    let text = String::from_utf8_lossy(&delivered).into_owned();
    assert_eq!(text.matches("\nX-Spam-Status:").count(), 1, "{text}");
    sekisho.wait_for("it has been judged here before");

    assert!(send(front, &["ann@example.test"], &mail(2, "round and round")).starts_with("250"));
    wait_until("the end of the circle", || {
        postfix.log().contains("said: 554 5.4.6 Error: mail loops back to this filter")
    });
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "Message-ID: <2@example.net>")));
    // Strangers' marks are nothing: what they are on is judged.
    let mut forged =
        b"X-Sekisho-Loop: elsewhere; 00\nX-Sekisho-Loop: elsewhere; 00\nX-Sekisho-Loop: elsewhere; 00\n".to_vec();
    forged.extend(mail(3, GTUBE));
    assert!(send(filter, &["ann@example.test"], &forged).starts_with("250"));
    assert!(contains(&postfix.delivery("<3@example.net>"), "\nX-Spam-Flag: YES"));
}

/// The mood in which it takes a message and says nothing.
const SILENCE: &str = "silence";
/// The mood in which it has waited too long when the content comes; it passes.
const TIRED: &str = "tired";
const SAVED: &str = "250 2.0.0 Saved";

/// A next hop over LMTP that says what the recipient's name says, and keeps what it took.
struct Table {
    port: u16,
    taken: Arc<Mutex<Vec<(String, Vec<u8>)>>>,
    /// What it says to `sometimes@`.
    mood: Arc<Mutex<String>>,
    /// Happens once, when it has a message and before it says so.
    before_reply: Arc<Mutex<Option<Happening>>>,
}

type Happening = Box<dyn FnOnce() + Send>;

impl Table {
    fn start() -> Table {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new("250 2.0.0 Saved".into()));
        let table = Table { port, taken: Arc::default(), mood, before_reply: Arc::default() };
        let (taken, mood, happening) = (table.taken.clone(), table.mood.clone(), table.before_reply.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, mood, happening) = (taken.clone(), mood.clone(), happening.clone());
                std::thread::spawn(move || drop(Table::talk(stream, &taken, &mood, &happening)));
            }
        });
        table
    }

    fn talk(
        stream: TcpStream,
        taken: &Mutex<Vec<(String, Vec<u8>)>>,
        mood: &Mutex<String>,
        happening: &Mutex<Option<Happening>>,
    ) -> std::io::Result<()> {
        let mut out = stream.try_clone()?;
        let mut lines = BufReader::new(stream);
        let mut recipients: Vec<String> = Vec::new();
        out.write_all(b"220 table LMTP\r\n")?;
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            match text.get(..4).unwrap_or_default() {
                "LHLO" => {
                    out.write_all(b"250-table\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n")?
                }
                "RCPT" => {
                    let name = text.trim_start_matches("RCPT TO:<").split('@').next().unwrap_or_default().to_owned();
                    if name == "unknown" {
                        out.write_all(b"550 5.1.1 No such user here\r\n")?;
                    } else {
                        recipients.push(name);
                        out.write_all(b"250 2.1.5 Ok\r\n")?;
                    }
                }
                "DATA" if *mood.lock().unwrap() == TIRED => {
                    *mood.lock().unwrap() = SAVED.into();
                    return out.write_all(b"421 4.4.2 table Error: timeout exceeded\r\n");
                }
                "DATA" => {
                    out.write_all(b"354 go on\r\n")?;
                    let mut content = Vec::new();
                    loop {
                        let mut line = Vec::new();
                        lines.read_until(b'\n', &mut line)?;
                        match line.as_slice() {
                            b".\r\n" | b"" => break,
                            [b'.', rest @ ..] => content.extend_from_slice(rest),
                            all => content.extend_from_slice(all),
                        }
                    }
                    if *mood.lock().unwrap() == SILENCE {
                        return lines.read_to_end(&mut Vec::new()).map(drop);
                    }
                    if let Some(happens) = happening.lock().unwrap().take() {
                        happens();
                    }
                    for name in recipients.drain(..) {
                        let reply = match name.as_str() {
                            "full" => "452 4.2.2 Quota exceeded".to_owned(),
                            "never" => "550 5.2.0 Not for me".to_owned(),
                            "sometimes" => mood.lock().unwrap().clone(),
                            _ => "250 2.0.0 Saved".to_owned(),
                        };
                        if reply.starts_with('2') {
                            taken.lock().unwrap().push((name, content.clone()));
                        }
                        out.write_all(format!("{reply}\r\n").as_bytes())?;
                    }
                }
                "QUIT" => return out.write_all(b"221 bye\r\n"),
                _ => out.write_all(b"250 Ok\r\n")?,
            }
        }
    }

    /// What this recipient got with this text.
    fn copy(&self, name: &str, text: &str) -> Option<Vec<u8>> {
        let taken = self.taken.lock().unwrap();
        taken.iter().find(|(who, content)| who == name && contains(content, text)).map(|(_, content)| content.clone())
    }

    fn taken_by(&self, name: &str) -> usize {
        self.taken.lock().unwrap().iter().filter(|(who, _)| who == name).count()
    }
}

#[test]
fn each_recipient_has_an_answer_of_its_own_over_lmtp() {
    let folder = Folder::new("lmtp");
    let (filter, front) = (free_port(), free_port());
    let table = Table::start();
    let settings = config(&folder, "lmtp", filter, &format!("lmtp:127.0.0.1:{}", table.port), "");
    let _sekisho = Sekisho::start(&folder, &settings);
    let to_us = filtered_by(filter).replace("content_filter=smtp:[127.0.0.1]", "content_filter=lmtp:[127.0.0.1]");
    let Some(postfix) = Postfix::with(&folder, "postfix", &[(front, to_us)], MAIN) else { return };
    let recipients = ["ann", "full", "never", "unknown"].map(|name| format!("{name}@example.test"));
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    assert!(send(front, &recipients, &mail(1, ".dot\nhello")).starts_with("250"));
    for (recipient, status, said) in [
        ("ann", "sent", "250 2.0.0 Saved"),
        ("full", "deferred", "452 4.2.2 Quota exceeded"),
        ("never", "bounced", "550 5.2.0 Not for me"),
        ("unknown", "bounced", "550 5.1.1 No such user here"),
    ] {
        wait_until(recipient, || {
            postfix.log().lines().any(|line| {
                line.contains(&format!("to=<{recipient}@example.test>"))
                    && line.contains(&format!("status={status}"))
                    && line.contains(said)
            })
        });
    }
    let taken = table.taken.lock().unwrap();
    let (_, content) = &taken[0];
    let text = String::from_utf8_lossy(content).replace("\r\n", "\n");
    assert!(text.ends_with(&String::from_utf8(mail(1, ".dot\nhello")).unwrap()), "{text}");
    assert!(text.contains("(sekisho) with LMTP"), "{text}");
}

#[test]
fn one_reply_for_all_loses_no_mail_and_doubles_none() {
    let folder = Folder::new("one-reply");
    let filter = free_port();
    let table = Table::start();
    let settings = config(&folder, "smtp", filter, &format!("lmtp:127.0.0.1:{}", table.port), "");
    let sekisho = Sekisho::start(&folder, &settings);

    // One is deferred after another was served: come again; who has it does not get it again.
    *table.mood.lock().unwrap() = "452 4.2.2 Quota exceeded".into();
    let both = ["ann@example.test", "sometimes@example.test"];
    let said = send(filter, &both, &mail(1, "hello"));
    assert!(said.starts_with("452 4.2.2 Quota exceeded"), "{said}");
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (1, 0));
    sekisho.wait_for("they are left out then");
    assert!(send(filter, &both, &mail(1, "hello")).starts_with("452"));
    *table.mood.lock().unwrap() = "250 2.0.0 Saved".into();
    assert!(send(filter, &both, &mail(1, "hello")).starts_with("250"));
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (1, 1));
    // The same message sent anew is a message anew.
    assert!(send(filter, &both, &mail(1, "hello")).starts_with("250"));
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (2, 2));

    // One is refused for good after another was served: the sender is told, and told so.
    let said = send(filter, &["ann@example.test", "never@example.test"], &mail(2, "hello"));
    assert!(said.contains("Refused for <never@example.test>; the other recipients have been served"), "{said}");
    assert_eq!(table.taken_by("ann"), 3);

    // The next hop goes away without its last word: come again.
    *table.mood.lock().unwrap() = "421 4.3.0 Going".into();
    let said = send(filter, &["sometimes@example.test"], &mail(3, "hello"));
    assert!(said.starts_with("451"), "{said}");
}

/// All but the reply.
fn send_and_leave(port: u16, recipients: &[&str], message: &[u8]) -> Smtp {
    let mut smtp = Smtp::connect(port);
    for command in ["EHLO client.example.net".to_owned(), "MAIL FROM:<joe@example.net>".to_owned()]
        .into_iter()
        .chain(recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")))
    {
        let said = smtp.ask(&command);
        assert!(said.starts_with("250"), "{command}: {said}");
    }
    assert!(smtp.ask("DATA").starts_with("354"));
    smtp.send(&String::from_utf8(dotted(message)).unwrap());
    smtp
}

#[test]
fn who_has_it_when_the_sender_leaves_does_not_get_it_twice() {
    let folder = Folder::new("left");
    let filter = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let sekisho = Sekisho::start(&folder, &config(&folder, "smtp", filter, &next_hop, POLICIES_AS_IT_IS));

    // One of two copies is out, the other's next hop is slow.
    let mood = table.mood.clone();
    *table.before_reply.lock().unwrap() = Some(Box::new(move || *mood.lock().unwrap() = SILENCE.into()));
    let both = ["ann@example.test", "sometimes@example.test"];
    let sender = send_and_leave(filter, &both, &mail(1, GTUBE));
    wait_until("the first copy", || table.taken_by("ann") == 1);
    drop(sender);
    sekisho.wait_for("they are left out");
    *table.mood.lock().unwrap() = SAVED.into();
    assert!(send(filter, &both, &mail(1, GTUBE)).starts_with("250"));
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (1, 1));

    // The next hop has all of it and has not said so yet.
    let ((has, comes), (go, goes)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    *table.before_reply.lock().unwrap() = Some(Box::new(move || {
        has.send(()).unwrap();
        let _ = goes.recv();
    }));
    let sender = send_and_leave(filter, &["bob@example.test"], &mail(2, "hello"));
    comes.recv().unwrap();
    drop(sender);
    sekisho.wait_for("nobody waits any more for its last word");
    go.send(()).unwrap();
    sekisho.wait_for("have a message whose sender has not waited");
    assert!(send(filter, &["bob@example.test"], &mail(2, "hello")).starts_with("250"));
    assert_eq!(table.taken_by("bob"), 1);
}

#[test]
fn handing_on_ends_before_the_sender_gives_up() {
    let folder = Folder::new("slow");
    let filter = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let settings = config(&folder, "smtp", filter, &next_hop, POLICIES_AS_IT_IS);
    let sekisho = Sekisho::start(&folder, &format!("{settings}[relay]\ntotal = \"6s\"\n"));

    // The first message is the slowest to judge.
    send(filter, &["bob@example.test"], &mail(9, GTUBE));
    // Two thirds of the time are over when the first copy is out: the second is not begun.
    let slow = || std::thread::sleep(std::time::Duration::from_millis(4500));
    *table.before_reply.lock().unwrap() = Some(Box::new(slow));
    let both = ["ann@example.test", "sometimes@example.test"];
    let said = send(filter, &both, &mail(1, GTUBE));
    assert!(said.starts_with("451"), "{said}");
    sekisho.wait_for("they are left out");
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (1, 0));
    assert!(send(filter, &both, &mail(1, GTUBE)).starts_with("250"));
    assert_eq!((table.taken_by("ann"), table.taken_by("sometimes")), (1, 1));

    // Whatever single steps may take, the whole ends.
    *table.mood.lock().unwrap() = SILENCE.into();
    let said = send(filter, &["ann@example.test"], &mail(2, "hello"));
    assert!(said.starts_with("451 4.4.2 Next hop did not answer in time"), "{said}");
}

#[test]
fn a_next_hop_that_grew_tired_of_a_slow_sender_is_called_anew() {
    let folder = Folder::new("tired");
    let filter = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let _sekisho = Sekisho::start(&folder, &config(&folder, "smtp", filter, &next_hop, ""));
    *table.mood.lock().unwrap() = TIRED.into();
    let said = send(filter, &["ann@example.test"], &mail(1, "hello"));
    assert!(said.starts_with("250"), "{said}");
    assert_eq!(table.taken_by("ann"), 1);
}

/// Messages in the quarantine, each with its recipients.
fn held(folder: &Folder) -> Vec<Vec<String>> {
    let location = folder.0.join("store").display().to_string().parse::<store::Location>().unwrap();
    let store = store::Store::open(&location).unwrap();
    let entries = store.quarantine().list(&store::quarantine::Query { held_only: true, ..Default::default() }).unwrap();
    let to = |entry: &store::quarantine::Entry| entry.recipients.iter().map(|to| to.recipient.lossy()).collect();
    entries.entries.iter().map(to).collect()
}

#[test]
fn what_comes_again_is_kept_once_and_told_once() {
    let folder = Folder::new("again");
    let filter = free_port();
    let table = Table::start();
    let here = folder.0.display().to_string();
    let told = folder.0.join("told");
    let script = folder.file("mailer", &format!("#!/bin/sh\ncat >>{}\n", told.display()));
    let more = format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{here}/milter.sock\"\nmode = \"0666\"\n\
         [relay]\nnext_hop = \"lmtp:127.0.0.1:{}\"\n[notify]\npostmaster = \"root@example.test\"\non = [\"spam\"]\n\
         [[policy]]\nname = \"bob\"\nwhen = {{ recipient = [\"bob@\", \"carl@\"] }}\nthen = {{ spam = \"quarantine\" }}\n\
         {POLICIES_AS_IT_IS}",
        table.port
    );
    let settings = config(&folder, "smtp", filter, "", &more);
    let sekisho =
        Sekisho::start(&folder, &format!("{settings}release = [\"sh\", {:?}]\n", script.display().to_string()));
    let notices = || {
        let told = std::fs::read_to_string(&told).unwrap_or_default();
        told.lines().filter(|line| *line == "To: <root@example.test>").count()
    };

    // The next hop defers two times: one copy, one notice; and then the mail is out.
    *table.mood.lock().unwrap() = "452 4.2.2 Quota exceeded".into();
    let both = ["bob@example.test", "sometimes@example.test"];
    for _ in 0..2 {
        assert!(send(filter, &both, &mail(1, GTUBE)).starts_with("452"));
    }
    *table.mood.lock().unwrap() = "250 2.0.0 Saved".into();
    // On its way it may have got another trace field.
    let again = [b"Received: from elsewhere; Tue, 6 Jan 2026 10:00:00 +0000\n".as_slice(), &mail(1, GTUBE)].concat();
    assert!(send(filter, &both, &again).starts_with("250"));
    assert_eq!(table.taken_by("sometimes"), 1);
    assert_eq!(held(&folder), [["bob@example.test"]]);
    wait_until("the notice", || notices() > 0);

    // A copy that a milter's mail server does not deliver itself, and that cannot be sent.
    let milter = format!("unix:{here}/milter.sock");
    if let Some(postfix) = Postfix::start(&folder, &milter) {
        for _ in 0..2 {
            let said =
                send(postfix.port, &["carl@example.test", "ann@example.test", "full@example.test"], &mail(2, GTUBE));
            assert!(said.starts_with("451"), "{said}");
        }
        assert_eq!(held(&folder).len(), 2, "{:?}", held(&folder));
        wait_until("the other notice", || notices() > 1);
    }
    let before = held(&folder).len();

    // Another message is another, and what was deleted meanwhile is kept anew.
    assert!(send(filter, &["bob@example.test"], &mail(3, GTUBE)).starts_with("250"));
    assert_eq!(held(&folder).len(), before + 1);
    let store = store::Store::open(&folder.0.join("store").display().to_string().parse().unwrap()).unwrap();
    let newest = store.quarantine().list(&store::quarantine::Query::default()).unwrap().entries[0].id;
    store.quarantine().delete(newest, store::quarantine::Who::All, "test", store::Time::from_seconds(1)).unwrap();
    assert_eq!(held(&folder).len(), before);
    assert!(send(filter, &["bob@example.test"], &mail(3, GTUBE)).starts_with("250"));
    assert_eq!(held(&folder).len(), before + 1);
    wait_until("all notices are sent", || notices() == before + 1);
    drop(sekisho);
    assert_eq!(notices(), before + 1);
}

/// The one moment that SMTP cannot repair, forced: the next hop has said 250, and sekisho dies before it can pass that on.
#[test]
fn killed_between_two_answers_it_delivers_twice_and_never_not_at_all() {
    let folder = Folder::new("killed");
    let (filter, front) = (free_port(), free_port());
    let table = Table::start();
    let settings = config(&folder, "smtp", filter, &format!("lmtp:127.0.0.1:{}", table.port), "");
    let mut sekisho = Sekisho::start(&folder, &settings);
    let quick = format!("{MAIN}queue_run_delay = 1s\nmaximal_backoff_time = 2s\n");
    let Some(postfix) = Postfix::with(&folder, "postfix", &[(front, filtered_by(filter))], &quick) else { return };
    let (mut twice, count) = (0, 3);
    for number in 1..=count {
        let id = rustix::process::Pid::from_raw(sekisho.id().cast_signed()).unwrap();
        *table.before_reply.lock().unwrap() = Some(Box::new(move || {
            rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
            // All of its threads stand still when this returns.
            rustix::process::waitpid(Some(id), rustix::process::WaitOptions::UNTRACED).unwrap();
        }));
        assert!(send(front, &["ann@example.test"], &mail(number, "hello")).starts_with("250"));
        let copies = || {
            let id = format!("<{number}@example.net>");
            table.taken.lock().unwrap().iter().filter(|(_, content)| contains(content, &id)).count()
        };
        wait_until("the next hop has it", || copies() == 1);
        // It stands still and has not read the reply: for Postfix nothing is delivered.
        sekisho.signal("KILL");
        sekisho.ends();
        wait_until("Postfix keeps it", || postfix.log().matches("status=deferred").count() >= number);
        sekisho = Sekisho::start(&folder, &settings);
        wait_until("Postfix has it no more", || {
            postfix.control("flush");
            std::thread::sleep(std::time::Duration::from_millis(200));
            postfix.queued() == 0
        });
        twice += usize::from(copies() == 2);
        assert!(copies() == 2, "message {number} is there {} times", copies());
    }
    assert_eq!(twice, count);
}

#[cfg(target_os = "linux")] // elsewhere 127.0.0.2 is nobody
#[test]
fn for_whom_a_stranger_speaks_is_not_believed() {
    let folder = Folder::new("xforward");
    let port = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let settings = config(&folder, "smtp", port, &next_hop, "").replace("inet:127.0.0.1", "inet:0.0.0.0");
    let says = |host: &str, more: &str| {
        let _sekisho = Sekisho::start(&folder, &format!("{settings}[relay]\n{more}"));
        let mut smtp = Smtp::connect_to(host, port);
        smtp.send("EHLO client.example.net\r\n");
        let offered = smtp.lines().iter().any(|line| line.contains("XFORWARD"));
        (offered, smtp.ask("XFORWARD ADDR=203.0.113.5 NAME=mx.example.net"))
    };
    // Linux comes to 127.0.0.2 from 127.0.0.1: another address than the one it goes to.
    let elsewhere = "xforward_from = [\"192.0.2.0/24\"]\n";
    let (offered, said) = says("127.0.0.2", elsewhere);
    assert!(!offered && said.starts_with("550 5.7.0"), "{said}");
    for (host, more) in [("127.0.0.2", ""), ("127.0.0.1", elsewhere)] {
        let (offered, said) = says(host, more);
        assert!(offered && said.starts_with("250"), "{host}: {said}");
    }
}

const POLICIES_AS_IT_IS: &str = "[[policy]]\nname = \"as it is\"\nwhen = { recipient = [\"sometimes@\", \"full@\"] }\n\
    then = { spam = \"pass\" }\n";

const POLICIES: &str = "[[policy]]\nname = \"bob\"\nwhen = { recipient = [\"bob@\"] }\nthen = { spam = \"discard\" }\n\
    [[policy]]\nname = \"carl\"\nwhen = { recipient = [\"carl@\"] }\nthen = { spam = \"reject\" }\n\
    [[policy]]\nname = \"as it is\"\nwhen = { recipient = [\"dora@\", \"sometimes@\", \"full@\"] }\n\
    then = { spam = \"pass\" }\n\
    [[policy]]\nname = \"eve\"\nwhen = { recipient = [\"eve@\"] }\nthen = { spam = \"redirect:else@example.test\" }\n";

#[test]
fn each_recipient_gets_what_holds_for_him() {
    let folder = Folder::new("split");
    let (smtp, lmtp) = (free_port(), free_port());
    let table = Table::start();
    let more = format!(
        "[[listen]]\nprotocol = \"lmtp\"\nsocket = \"inet:127.0.0.1:{lmtp}\"\n\
         [[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{}/milter.sock\"\nmode = \"0666\"\n\
         [relay]\nnext_hop = \"lmtp:127.0.0.1:{}\"\n{POLICIES}",
        folder.0.display(),
        table.port
    );
    let sekisho = Sekisho::start(&folder, &config(&folder, "smtp", smtp, "", &more));
    let to = |names: &[&'static str]| names.iter().map(|name| format!("{name}@example.test")).collect::<Vec<_>>();
    let send_to = |port, names: &[&'static str], message: &[u8]| {
        let to = to(names);
        send(port, &to.iter().map(String::as_str).collect::<Vec<_>>(), message)
    };
    let tagged = |name: &str, number: usize| {
        table.copy(name, &format!("<{number}@example.net>")).map(|content| contains(&content, "X-Spam-Flag: YES"))
    };

    // LMTP: a reply for each, in their order.
    let mut session = Smtp::connect(lmtp);
    session.ask("LHLO client.example.net");
    session.ask("MAIL FROM:<joe@example.net>");
    for recipient in to(&["ann", "bob", "carl", "dora", "eve"]) {
        assert!(session.ask(&format!("RCPT TO:<{recipient}>")).starts_with("250"));
    }
    session.ask("DATA");
    let mut replies = vec![session.data(&mail(1, GTUBE))];
    replies.extend((1..5).map(|_| session.reply()));
    let codes: Vec<&str> = replies.iter().map(|reply| &reply[..3]).collect();
    assert_eq!(codes, ["250", "250", "554", "250", "250"], "{replies:?}");
    let got = ["ann", "bob", "carl", "dora", "eve", "else"].map(|name| tagged(name, 1));
    assert_eq!(got, [Some(true), None, None, Some(false), None, Some(true)]);

    // SMTP: one reply; who is to be refused among others has his copy kept.
    let said = send_to(smtp, &["ann", "bob", "carl", "dora"], &mail(2, GTUBE));
    assert!(said.starts_with("250"), "{said}");
    assert_eq!(["ann", "bob", "carl", "dora"].map(|name| tagged(name, 2)), [Some(true), None, None, Some(false)]);
    sekisho.wait_for("<carl@example.test>=quarantine");
    let said = send_to(smtp, &["carl"], &mail(3, GTUBE));
    assert!(said.starts_with("554 5.7.1"), "{said}");

    // The second copy is deferred when the first is out: the first is not sent again.
    *table.mood.lock().unwrap() = "452 4.2.2 Quota exceeded".into();
    assert!(send_to(smtp, &["ann", "sometimes"], &mail(4, GTUBE)).starts_with("452"));
    *table.mood.lock().unwrap() = "250 2.0.0 Saved".into();
    let before = table.taken_by("ann");
    assert!(send_to(smtp, &["ann", "sometimes"], &mail(4, GTUBE)).starts_with("250"));
    assert_eq!((tagged("ann", 4), tagged("sometimes", 4)), (Some(true), Some(false)));
    assert_eq!(table.taken_by("ann"), before);

    // A milter has one message: the other copy is ours to send, before the reply.
    let milter = format!("unix:{}/milter.sock", folder.0.display());
    let Some(postfix) = Postfix::start(&folder, &milter) else { return };
    assert!(send_to(postfix.port, &["ann", "dora"], &mail(5, GTUBE)).starts_with("250"), "{}", postfix.log());
    assert!(contains(&postfix.delivery("<5@example.net>"), "X-Spam-Flag: YES"));
    assert_eq!(tagged("dora", 5), Some(false));
    let copy = table.copy("dora", "<5@example.net>").unwrap();
    assert!(contains(&copy, "by mx.example.test (Postfix)") && contains(&copy, "\nX-Sekisho-Loop: "));
    let said = send_to(postfix.port, &["ann", "full"], &mail(6, GTUBE));
    assert!(said.starts_with("451"), "{said}");
    assert!(!postfix.delivered().iter().any(|mail| contains(mail, "<6@example.net>")));
}

#[test]
fn what_is_only_watched_goes_on_byte_for_byte_and_silence_is_no_success() {
    let folder = Folder::new("bytes");
    let port = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let settings = config(&folder, "smtp", port, &next_hop, "");
    let sekisho = Sekisho::start(&folder, &format!("mode = \"observe\"\n{settings}"));
    let mut message = b"Subject:\t x \n y\nNo colon here\n\n.\n..\n.x\n \t\n".to_vec();
    message.extend((0..=255).filter(|byte| !matches!(byte, b'\r' | b'\n')));
    message.extend([b"\n", &[b'x'; 100_000][..], b"\n\n\nlast\n"].concat());
    assert!(send(port, &["ann@example.test"], &message).starts_with("250"));
    let got: Vec<u8> = table.copy("ann", "last").unwrap();
    assert_eq!(got, message.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]));
    drop(sekisho);

    *table.mood.lock().unwrap() = SILENCE.into();
    let sekisho = Sekisho::start(&folder, &format!("{settings}[relay]\nlast_reply = \"1s\"\n"));
    let said = send(port, &["ann@example.test"], &mail(1, "hello"));
    assert!(said.starts_with("451 4.4.2 Next hop did not answer in time"), "{said}");
    sekisho.wait_for("1 recipients were deferred and may get the message twice");
}

/// A Dovecot that takes mail over LMTP for Ann alone; stopped in the end.
struct Dovecot(Child, u16);

impl Dovecot {
    fn start(folder: &Folder) -> Option<Dovecot> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
        if !root || !std::path::Path::new("/usr/lib/dovecot/lmtp").exists() {
            eprintln!("skipped: there is no Dovecot that this user may start");
            return None;
        }
        let (here, port) = (folder.0.display(), free_port());
        let users = folder.file("users", "ann@example.test::65534:65534::::\n");
        std::fs::create_dir_all(folder.0.join("mail")).unwrap();
        std::os::unix::fs::chown(folder.0.join("mail"), Some(65534), Some(65534)).unwrap();
        let settings = folder.file(
            "dovecot.conf",
            &format!(
                "base_dir = {here}/run\nlog_path = {here}/dovecot.log\nprotocols = lmtp\nssl = no\n\
                 mail_location = maildir:{here}/mail/%u\nfirst_valid_uid = 65534\n\
                 userdb {{\n driver = passwd-file\n args = {}\n}}\npassdb {{\n driver = static\n args = nopassword=y\n}}\n\
                 service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {port}\n }}\n}}\n",
                users.display()
            ),
        );
        let child = Command::new("/usr/sbin/dovecot").arg("-F").arg("-c").arg(settings).spawn().unwrap();
        wait_until("Dovecot answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Dovecot(child, port))
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        support::signal(&self.0, "TERM"); // its children end with it
        let _ = self.0.wait();
    }
}

#[test]
fn before_the_mailboxes_of_dovecot() {
    let folder = Folder::new("dovecot");
    let Some(dovecot) = Dovecot::start(&folder) else { return };
    let port = free_port();
    let settings = config(&folder, "lmtp", port, &format!("lmtp:127.0.0.1:{}", dovecot.1), "");
    let _sekisho = Sekisho::start(&folder, &settings);
    let mut session = Smtp::connect(port);
    assert!(session.ask("LHLO client.example.net").starts_with("250"));
    assert!(session.ask("MAIL FROM:<joe@example.net>").starts_with("250"));
    assert!(session.ask("RCPT TO:<nobody@example.test>").starts_with("550"), "Dovecot knows no such user");
    assert!(session.ask("RCPT TO:<ann@example.test>").starts_with("250"));
    assert!(session.ask("DATA").starts_with("354"));
    let said = session.data(&mail(1, ".dot\nhello"));
    assert!(said.starts_with("250 2.0.0") && said.contains("Saved"), "{said}");
    let mut delivered = std::fs::read_dir(folder.0.join("mail/ann@example.test/new")).unwrap();
    let delivered = std::fs::read(delivered.next().unwrap().unwrap().path()).unwrap();
    assert_eq!(as_sent(&delivered), String::from_utf8(mail(1, ".dot\nhello")).unwrap());
    assert!(contains(&delivered, "\nX-Spam-Status: No"));
}

#[test]
fn encrypted_on_both_sides() {
    let folder = Folder::new("tls");
    let (filter, back) = (free_port(), free_port());
    let place = folder.0.display();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &format!("{place}/key.pem"), "-out", &format!("{place}/certificate.pem")])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: there is no openssl that makes a certificate");
        return;
    }
    let main = format!(
        "{MAIN}smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {place}/certificate.pem\n\
         smtpd_tls_key_file = {place}/key.pem\nsmtpd_tls_loglevel = 1\nsmtpd_tls_received_header = yes\n"
    );
    let tls =
        format!("[relay]\ncertificate = \"{place}/certificate.pem\"\nkey = \"{place}/key.pem\"\ntls = \"required\"\n");
    let next_hop = format!("smtp:localhost:{back}");
    let trusting = config(&folder, "smtp", filter, &next_hop, &format!("{tls}ca = \"{place}/certificate.pem\"\n"));
    let sekisho = Sekisho::start(&folder, &trusting);
    let Some(postfix) = Postfix::with(&folder, "postfix", &[(back, BACK.into())], &main) else { return };
    let server = format!("127.0.0.1:{filter}");
    let swaks = |more: &[&str]| {
        let message = String::from_utf8(mail(1, "in secret")).unwrap();
        let output = Command::new("swaks")
            .args(["--server", &server, "--from", "joe@example.net", "--to", "ann@example.test", "--data", &message])
            .args(more)
            .output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    };
    let said = swaks(&["--tls"]);
    if said.is_empty() {
        eprintln!("skipped: there is no swaks");
        return;
    }
    assert!(said.contains("<~  250 2.0.0 Ok: queued as"), "{said}\n{:?}", sekisho.log());
    let delivered = String::from_utf8_lossy(&postfix.delivery("<1@example.net>")).into_owned();
    assert!(delivered.contains("(sekisho) with ESMTPS"), "{delivered}");
    assert!(delivered.contains("using TLSv1.3"), "Postfix says how it came from us: {delivered}");
    drop(sekisho);

    // A name that the certificate does not bear, and a server without TLS: nothing goes out.
    let wrong_name = trusting.replace("smtp:localhost:", "smtp:127.0.0.1:");
    let sekisho = Sekisho::start(&folder, &wrong_name);
    let said = swaks(&[]);
    assert!(said.contains("421 4.4.1 Next hop cannot be reached"), "{said}");
    sekisho.wait_for("TLS handshake with next hop failed");
}

#[test]
fn certificates_that_are_none_are_told_before_anything_starts() {
    let folder = Folder::new("certificates");
    let file = folder.file("no.pem", "nothing\n");
    let config = folder.file("sekisho.toml", &format!("[relay]\ncertificate = {file:?}\nkey = {file:?}\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(["config", "check"]).arg(config).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no.pem") && said.contains("expected PEM"), "{said}");
}

#[test]
fn a_program_for_notices_that_hangs_keeps_nobody_from_stopping() {
    let folder = Folder::new("hangs");
    let filter = free_port();
    let table = Table::start();
    let next_hop = format!("lmtp:127.0.0.1:{}", table.port);
    let number = folder.0.join("number");
    let script =
        folder.file("mailer", &format!("echo $$ >{0}.new\nmv {0}.new {0}\nexec sleep 1000\n", number.display()));
    let settings =
        config(&folder, "smtp", filter, &next_hop, "[notify]\npostmaster = \"root@example.test\"\non = [\"spam\"]\n");
    let mut sekisho =
        Sekisho::start(&folder, &format!("{settings}release = [\"sh\", {:?}]\n", script.display().to_string()));
    assert!(send(filter, &["ann@example.test"], &mail(1, GTUBE)).starts_with("250"));
    wait_until("the program runs", || number.exists());
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0), "{:?}", sekisho.log());
    let number = std::fs::read_to_string(number).unwrap().trim().parse().unwrap();
    let program = rustix::process::Pid::from_raw(number).unwrap();
    rustix::process::kill_process(program, rustix::process::Signal::KILL).unwrap();
}
