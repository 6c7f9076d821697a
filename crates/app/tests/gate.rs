//! What is decided before there is a message, beside the real Postfix: its milter protocol and its policy protocol.

mod support;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Folder, Postfix, Sekisho, Smtp, contains, filter, free_port, wait_until};

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [[listen]]\nprotocol = \"policy\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{0}/store\"\n{more}",
        folder.0.display()
    )
}

fn milter(folder: &Folder) -> String {
    format!("unix:{}/milter.sock", folder.0.display())
}

/// A line of an end user, which the name tells.
const LINE: &str = "ADDR=203.0.113.5 NAME=pool-203-0-113-5.example.net REVERSE_NAME=pool-203-0-113-5.example.net";
const GOOGLE: &str = "ADDR=198.51.100.9 NAME=mail-pj1-f54.google.com REVERSE_NAME=mail-pj1-f54.google.com";
const SERVER: &str = "ADDR=198.51.100.10 NAME=mx.example.net REVERSE_NAME=mx.example.net";
const NAMELESS: &str = "ADDR=198.51.100.11 NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE]";
/// It says that it is Google's; nothing confirms it.
const FORGED: &str = "ADDR=198.51.100.12 NAME=[UNAVAILABLE] REVERSE_NAME=mail-pj1-f54.google.com";

/// A client with this XCLIENT, up to MAIL.
fn client(postfix: &Postfix, who: &str, sender: &str) -> Smtp {
    let mut smtp = Smtp::connect(postfix.port);
    if !who.is_empty() {
        let reply = smtp.ask(&format!("XCLIENT {who}"));
        assert!(reply.starts_with("220"), "{reply}");
    }
    smtp.ask("EHLO client.example.net");
    let reply = smtp.ask(&format!("MAIL FROM:<{sender}>"));
    assert!(reply.starts_with("250"), "{reply}");
    smtp
}

/// What this client is told at RCPT.
fn attempt(postfix: &Postfix, who: &str, sender: &str) -> String {
    client(postfix, who, sender).ask("RCPT TO:<ann@example.test>")
}

fn message(smtp: &mut Smtp) -> String {
    let reply = smtp.ask("DATA");
    if !reply.starts_with("354") {
        return reply;
    }
    smtp.data(b"From: joe@example.net\nTo: ann@example.test\nSubject: hello\nMessage-ID: <1@example.net>\n\nhello\n")
}

struct Commands(String);

impl Commands {
    fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let (text, code) = filter(env!("CARGO_BIN_EXE_sekisho"), &[arguments, &["--config", &self.0]].concat(), b"");
        (String::from_utf8(text).unwrap(), code)
    }
}

/// The life of a greylisted client, through whichever protocol Postfix asks.
fn greylisting(postfix: &Postfix, sekisho: &Sekisho, commands: &Commands) {
    let passes = |who: &str, sender: &str| {
        wait_until("a retry passes", || attempt(postfix, who, sender).starts_with("250"));
    };
    let said = |what: &str| sekisho.log().iter().filter(|line| line.contains(what)).count();

    // First seen, too early, in time, known.
    let first = attempt(postfix, LINE, "a@example.net");
    assert!(first.starts_with("450 4.7.1 "), "{first}");
    assert!(first.contains("<pool-203-0-113-5.example.net[203.0.113.5]>: Greylisted, be patient"), "{first}");
    sekisho.wait_for("reason=new");
    passes(LINE, "a@example.net");
    sekisho.wait_for("reason=retried");
    assert!(attempt(postfix, LINE, "A@example.net").starts_with("250"));
    sekisho.wait_for("reason=triplet found");
    let new = sekisho.log().into_iter().find(|line| line.contains("reason=new")).unwrap();
    assert!(
        new.contains(
            "action=greylist, reason=new, client_name=pool-203-0-113-5.example.net, client_address=203.0.113.5, \
             sender=a@example.net, recipient=ann@example.test, s25r=1, wait="
        ),
        "{new}"
    );

    // Who came again twice need not come again a third time.
    assert!(attempt(postfix, LINE, "b@example.net").starts_with("450"));
    passes(LINE, "b@example.net");
    assert!(attempt(postfix, LINE, "c@example.net").starts_with("250"));
    sekisho.wait_for("reason=client AWL");

    // A name that nothing confirms is none, whatever it says.
    for who in [NAMELESS, FORGED] {
        assert!(attempt(postfix, who, "d@example.net").starts_with("450"));
    }
    support::wait_until("both are told", || said("s25r=0") == 2);

    // Large senders, other servers, our own network and people who logged in are never asked.
    let decisions = said("client_address=");
    for who in [SERVER, "", "ADDR=203.0.113.77 NAME=pool-203-0-113-77.example.net LOGIN=ann"] {
        assert!(attempt(postfix, who, "e@example.net").starts_with("250"), "{who}");
    }
    assert_eq!(said("client_address="), decisions);
    assert!(attempt(postfix, GOOGLE, "e@example.net").starts_with("250"));
    sekisho.wait_for("reason=client whitelist");

    // Commands are in effect at once.
    let (list, code) = commands.run(&["greylist", "show", "203.0.113"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains("known  ") && list.contains("203.0.113.0/24 a@example.net ann@example.test"), "{list}");
    assert_eq!(commands.run(&["greylist", "forget", "203.0.113.5"]).1, Some(0));
    assert_eq!(commands.run(&["greylist", "forget", "203.0.113.5"]).1, Some(1));
    assert_eq!(commands.run(&["greylist", "show", "203.0.113"]).1, Some(1));
    assert!(attempt(postfix, LINE, "a@example.net").starts_with("450"));
    assert_eq!(commands.run(&["greylist", "allow", "203.0.113.5"]).1, Some(0));
    assert!(attempt(postfix, LINE, "f@example.net").starts_with("250"));
    let (json, _) = commands.run(&["greylist", "show", "--kind", "known", "--format", "json"]);
    assert!(json.contains("\"kind\":\"client\""), "{json}");

    let list = |arguments: &[&str]| commands.run(&[&["list"], arguments].concat());
    assert_eq!(list(&["show"]).1, Some(1));
    assert_eq!(list(&["add", "domain", "example.org", "--block", "--comment", "phish of May"]).1, Some(0));
    let refused = attempt(postfix, SERVER, "g@mail.example.org");
    assert!(refused.starts_with("550 5.7.1 ") && refused.contains("block list"), "{refused}");
    sekisho.wait_for("action=block, reason=block list");
    let (shown, code) = list(&["show"]);
    assert!(code == Some(0) && shown.contains("block  domain   example.org  # phish of May"), "{shown}");
    let (tested, code) = list(&["test", "g@mail.example.org"]);
    assert!(code == Some(0) && tested.contains("decided: block"), "{tested}");
    // For one recipient it may be otherwise, and a client can be listed too.
    assert_eq!(list(&["add", "sender", "g@mail.example.org", "--allow", "--user", "ann@example.test"]).1, Some(0));
    assert!(attempt(postfix, SERVER, "g@mail.example.org").starts_with("250"));
    assert_eq!(list(&["add", "network", "198.51.100.0/28", "--block", "--expires", "1h"]).1, Some(0));
    assert!(attempt(postfix, SERVER, "e@example.net").starts_with("550"));
    assert!(attempt(postfix, SERVER, "g@mail.example.org").starts_with("250"));
    assert_eq!(list(&["add", "network", "198.51.100.0/28", "--score", "-1.5"]).1, Some(0));
    assert!(attempt(postfix, SERVER, "e@example.net").starts_with("250"), "a score is no refusal");
    assert_eq!(list(&["remove", "domain", "example.org"]).1, Some(0));
    assert_eq!(list(&["remove", "domain", "example.org"]).1, Some(1));
    assert!(attempt(postfix, SERVER, "h@example.org").starts_with("250"));
    assert_eq!(list(&["add", "sender", "not an address", "--block"]).1, Some(2));
}

const GREYLIST: &str = "[s25r]\naction = \"greylist\"\n[greylist]\ndelay = \"1s\"\nknown_after = 2\n";

#[test]
fn a_suspicious_client_must_come_again_by_milter() {
    let folder = Folder::new("gate-milter");
    let sekisho = Sekisho::start(&folder, &config(&folder, GREYLIST));
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    greylisting(&postfix, &sekisho, &Commands(folder.0.join("sekisho.toml").display().to_string()));

    // Mail that no client brings cannot be asked to come again.
    let mut sendmail = Command::new("sendmail")
        .args([
            "-C",
            &folder.0.join("postfix/etc").display().to_string(),
            "-i",
            "-f",
            "z@example.net",
            "ann@example.test",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sendmail.stdin.take().unwrap().write_all(b"Subject: local\nMessage-ID: <local@example.net>\n\nhello\n").unwrap();
    assert!(sendmail.wait().unwrap().success());
    postfix.delivery("<local@example.net>");
}

#[test]
fn a_suspicious_client_must_come_again_by_policy() {
    let folder = Folder::new("gate-policy");
    let sekisho = Sekisho::start(&folder, &config(&folder, GREYLIST));
    let service = format!("check_policy_service inet:127.0.0.1:{}", sekisho.port("policy"));
    let Some(postfix) = Postfix::start_with(
        &folder,
        &[(free_port(), String::new())],
        &format!("smtpd_recipient_restrictions = {service}\n"),
    ) else {
        return;
    };
    greylisting(&postfix, &sekisho, &Commands(folder.0.join("sekisho.toml").display().to_string()));
}

#[test]
fn out_of_the_box_nobody_waits() {
    let folder = Folder::new("gate-default");
    let sekisho = Sekisho::start(&folder, &config(&folder, "[log]\nformat = \"json\"\n"));
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    for who in [LINE, NAMELESS, GOOGLE, SERVER] {
        assert!(attempt(&postfix, who, "a@example.net").starts_with("250"));
    }
    assert!(!sekisho.log().iter().any(|line| line.contains("client_address")));
    // What is suspicious about them weighs in the verdict.
    for (who, hit) in [(LINE, "[\"S25R_1\",0.5]"), (NAMELESS, "[\"S25R_0\",1.0]")] {
        let mut smtp = client(&postfix, who, "a@example.net");
        smtp.ask("RCPT TO:<ann@example.test>");
        assert!(message(&mut smtp).starts_with("250"));
        sekisho.wait_for(hit);
    }
    // In a mode that watches nobody is refused, and the log says who would have been.
    drop(sekisho);
    let watching = format!("mode = \"observe\"\n{}", config(&folder, &format!("{GREYLIST}[log]\nformat = \"json\"\n")));
    let sekisho = Sekisho::start(&folder, &watching);
    assert!(attempt(&postfix, LINE, "a@example.net").starts_with("250"));
    sekisho.wait_for("\"reason\":\"new\"");
    let log = sekisho.log();
    let line = log.iter().find(|line| line.contains("\"reason\":\"new\"")).unwrap();
    for part in ["\"kind\":\"gate\"", "\"action\":\"greylist\"", "\"s25r\":1", "\"observed\":true"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_tarpit_holds_and_lets_go() {
    let folder = Folder::new("gate-tarpit");
    let tarpit = |time: &str, places: usize| {
        config(&folder, &format!("[s25r]\naction = \"tarpit\"\ntarpit = \"{time}\"\ntarpit_at_once = {places}\n"))
    };
    let sekisho = Sekisho::start(&folder, &tarpit("1s", 50));
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    let held = |sekisho: &Sekisho| sekisho.log().iter().filter(|line| line.contains("action=tarpit")).count();

    // Once for a connection, however many recipients it names.
    let began = Instant::now();
    let mut smtp = client(&postfix, LINE, "a@example.net");
    assert!(smtp.ask("RCPT TO:<ann@example.test>").starts_with("250"));
    assert!(began.elapsed() >= Duration::from_secs(1), "it was held");
    assert!(smtp.ask("RCPT TO:<bob@example.test>").starts_with("250"));
    assert!(message(&mut smtp).starts_with("250"));
    assert_eq!(smtp.ask("QUIT").get(..3), Some("221"));
    assert_eq!(held(&sekisho), 1);

    // Who does not wait is counted.
    let mut smtp = client(&postfix, LINE, "b@example.net");
    smtp.send("RCPT TO:<ann@example.test>\r\n");
    wait_until("it is held", || held(&sekisho) == 2);
    drop(smtp);
    sekisho.wait_for("action=tarpit, reason=left, ");
    assert_eq!(sekisho.log().iter().filter(|line| line.contains("reason=left")).count(), 1, "only the second left");

    // Held are so many at a time, and nobody when the service ends.
    drop(sekisho);
    let mut sekisho = Sekisho::start(&folder, &tarpit("25s", 1));
    let mut smtp = client(&postfix, LINE, "c@example.net");
    smtp.send("RCPT TO:<ann@example.test>\r\n");
    wait_until("it is held", || held(&sekisho) == 1);
    assert!(attempt(&postfix, LINE, "d@example.net").starts_with("250"));
    sekisho.wait_for("action=pass, reason=tarpit full");
    sekisho.signal("TERM");
    assert!(smtp.reply().starts_with("250"));
    assert_eq!(sekisho.ends(), Some(0));
    assert!(!sekisho.log().iter().any(|line| line.contains("reason=left")));
}

#[test]
fn a_login_may_send_so_much() {
    let folder = Folder::new("gate-rates");
    let rates = "[rates]\nlogin_messages = 2\nlogin_recipients = 5\nlogin_networks = 1\ninternal_recipients = 2\n\
                 alarm_to = \"root@example.test\"\n[notify]\nlanguage = \"ja\"\n";
    let release = format!("release = [\"sendmail\", \"-C\", \"{}/postfix/etc\", \"-i\", \"-G\"]\n", folder.0.display());
    let sekisho = Sekisho::start(&folder, &config(&folder, &(release + rates)));
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    let ann = "ADDR=203.0.113.77 NAME=pool-203-0-113-77.example.net LOGIN=ann";
    let alarms = || sekisho.log().iter().filter(|line| line.contains("alarm: login ann")).count();

    // Two messages, the third is one too many; refused attempts ring no further alarm.
    for sender in ["a@example.test", "b@example.test"] {
        let mut smtp = client(&postfix, ann, sender);
        for recipient in ["one@example.test", "two@example.test"] {
            assert!(smtp.ask(&format!("RCPT TO:<{recipient}>")).starts_with("250"));
        }
        assert!(message(&mut smtp).starts_with("250"), "{}", postfix.log());
    }
    for _ in 0..3 {
        let refused = attempt(&postfix, ann, "a@example.test");
        assert!(refused.starts_with("450 4.7.1 ") && refused.contains("too much"), "{refused}");
    }
    sekisho.wait_for("action=defer, reason=too many messages, ");
    assert_eq!(alarms(), 1);
    // Another login is another matter; too many recipients are found out within one message.
    let mut smtp = client(&postfix, "ADDR=203.0.113.77 LOGIN=bob", "bob@example.test");
    for number in 0..5 {
        assert!(smtp.ask(&format!("RCPT TO:<r{number}@example.test>")).starts_with("250"));
    }
    assert!(smtp.ask("RCPT TO:<r5@example.test>").starts_with("450"));
    // One login in two places at once.
    assert!(attempt(&postfix, "ADDR=198.51.100.20 LOGIN=carl", "carl@example.test").starts_with("250"));
    assert!(!sekisho.log().iter().any(|line| line.contains("alarm: login carl")));
    assert!(attempt(&postfix, "ADDR=192.0.2.20 LOGIN=carl", "carl@example.test").starts_with("250"));
    sekisho.wait_for("alarm: login carl reached a limit: 2 networks");
    // Our own network, without login.
    let mut smtp = client(&postfix, "", "printer@example.test");
    for (recipient, reply) in [("r0", "250"), ("r1", "250"), ("r2", "450")] {
        assert!(smtp.ask(&format!("RCPT TO:<{recipient}@example.test>")).starts_with(reply));
    }

    // The postmaster is told, once for each.
    let notices = || postfix.delivered().into_iter().filter(|mail| contains(mail, "To: <root@example.test>")).count();
    wait_until("the notices arrive", || notices() >= 4);
    assert_eq!(notices(), 4, "ann, bob, carl and the printer");
}

#[test]
fn a_login_may_send_so_much_by_policy() {
    let folder = Folder::new("gate-policy-rates");
    let sekisho = Sekisho::start(
        &folder,
        &config(&folder, "[rates]\nlogin_recipients = 3\naction = \"reject\"\nalarm_to = \"\"\n"),
    );
    let service = format!("check_policy_service inet:127.0.0.1:{}", sekisho.port("policy"));
    let lines = format!(
        "smtpd_recipient_restrictions = {service}\nsmtpd_data_restrictions = {service}\n\
         smtpd_end_of_data_restrictions = {service}\n"
    );
    let Some(postfix) = Postfix::start_with(&folder, &[(free_port(), String::new())], &lines) else { return };
    let ann = "ADDR=203.0.113.77 LOGIN=ann";
    // Asked at DATA and at its end, a message is counted once; at RCPT nothing is counted.
    for (recipients, reply) in [(2, "250"), (2, "550 5.7.1"), (1, "250")] {
        let mut smtp = client(&postfix, ann, "ann@example.test");
        for number in 0..recipients {
            assert!(smtp.ask(&format!("RCPT TO:<r{number}@example.test>")).starts_with("250"));
        }
        let said = message(&mut smtp);
        assert!(said.starts_with(reply), "{said}");
    }
    // Now the limit is reached, and RCPT says so.
    assert!(attempt(&postfix, ann, "ann@example.test").starts_with("550 5.7.1"));
}

/// Stopped in the end.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_its_store_it_does_as_it_is_told() {
    let folder = Folder::new("gate-store");
    let port = free_port();
    let redis = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(&folder.0)
        .stdout(Stdio::null())
        .spawn();
    let Ok(redis) = redis.map(Redis) else {
        eprintln!("skipped: there is no redis-server");
        return;
    };
    wait_until("Redis answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let settings = config(&folder, GREYLIST)
        .replace(&format!("{}/store", folder.0.display()), &format!("redis://127.0.0.1:{port}/0?durability=server"));
    let sekisho = Sekisho::start(&folder, &settings);
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    assert!(attempt(&postfix, LINE, "a@example.net").starts_with("450"));
    drop(redis);
    assert!(attempt(&postfix, LINE, "a@example.net").starts_with("250"));
    sekisho.wait_for("action=pass, reason=store trouble, client_name=pool-203-0-113-5.example.net");
}

/// `smtpd` hands mail to us while the client waits, or `smtp` out of the queue later.
#[test]
fn clients_before_the_queue_are_asked_and_queues_are_not() {
    let folder = Folder::new("gate-proxy");
    let (before, after, on, asking, queued, always, back) =
        (free_port(), free_port(), free_port(), free_port(), free_port(), free_port(), free_port());
    let listen = |port: u16, more: &str| {
        format!(
            "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{port}\"\n\
             next_hop = \"smtp:127.0.0.1:{back}\"\n{more}"
        )
    };
    let rates = "[rates]\ninternal_recipients = 2\nalarm_to = \"\"\n";
    let settings = format!(
        "{}{}{}[rules]\nset = \"shipped\"\n[store]\nlocation = \"{}/store\"\n{GREYLIST}{rates}",
        listen(before, "received = false\n"),
        listen(after, ""),
        listen(on, "gate = \"on\"\n"),
        folder.0.display()
    );
    let sekisho = Sekisho::start(&folder, &settings);
    let commands = Commands(folder.0.join("sekisho.toml").display().to_string());
    let ports = [
        (asking, format!("-o smtpd_proxy_filter=127.0.0.1:{before}")),
        (queued, format!("-o content_filter=smtp:[127.0.0.1]:{after}")),
        (always, format!("-o smtpd_proxy_filter=127.0.0.1:{on}")),
        (back, "-o smtpd_authorized_xforward_hosts=127.0.0.0/8".to_owned()),
    ];
    // Our clients come from here, whatever XCLIENT says.
    let more = "smtp_send_xforward_command = yes\nlocal_header_rewrite_clients =\n";
    let Some(mut postfix) = Postfix::start_with(&folder, &ports, more) else { return };

    let first = attempt(&postfix, LINE, "a@example.net");
    assert!(first.starts_with("450 4.7.1 <pool-203-0-113-5.example.net[203.0.113.5]>: Greylisted"), "{first}");
    sekisho.wait_for("action=greylist, reason=new, client_name=pool-203-0-113-5.example.net");
    wait_until("a retry passes", || attempt(&postfix, LINE, "a@example.net").starts_with("250"));
    sekisho.wait_for("reason=retried");
    assert!(attempt(&postfix, NAMELESS, "a@example.net").starts_with("450"));
    // One recipient must wait, the other not: the next hop gets the one alone.
    assert!(attempt(&postfix, SERVER, "a@example.net").starts_with("250"));
    let (said, code) = commands.run(&["greylist", "allow", "203.0.113.5"]);
    assert_eq!(code, Some(0), "{said}");
    let mut smtp = client(&postfix, LINE, "b@example.net");
    assert!(smtp.ask("RCPT TO:<ann@example.test>").starts_with("250"));
    assert!(message(&mut smtp).starts_with("250"), "{}", postfix.log());
    // Who is blocked is refused, and our own network counted.
    assert_eq!(commands.run(&["list", "add", "sender", "bad@example.net", "--block"]).1, Some(0));
    assert!(attempt(&postfix, SERVER, "bad@example.net").starts_with("550"));
    let mut smtp = client(&postfix, "", "printer@example.test");
    for (recipient, reply) in [("r0", "250"), ("r1", "250"), ("r2", "450")] {
        let said = smtp.ask(&format!("RCPT TO:<{recipient}@example.test>"));
        assert!(said.starts_with(reply), "{said}");
    }
    assert!(message(&mut smtp).starts_with("250"), "the other two are served");

    // Mail that is in a queue is nobody's to send again.
    let decisions = || sekisho.log().iter().filter(|line| line.contains("client_address=")).count();
    let so_far = decisions();
    postfix.port = queued;
    let mut smtp = client(&postfix, NAMELESS, "q@example.net");
    assert!(smtp.ask("RCPT TO:<queue@example.test>").starts_with("250"));
    assert!(message(&mut smtp).starts_with("250"));
    sekisho.wait_for("to=<queue@example.test>");
    assert_eq!(decisions(), so_far);
    postfix.port = always;
    assert!(attempt(&postfix, NAMELESS, "always@example.net").starts_with("450"));
}

/// Name servers that do not answer: nothing is known of the client, which is not the same as a client without name.
#[test]
fn a_name_that_cannot_be_looked_up_now_is_not_held_against_anybody() {
    const SILENT: &str = "ADDR=198.51.100.13 NAME=[TEMPUNAVAIL] REVERSE_NAME=[TEMPUNAVAIL]";
    let folder = Folder::new("gate-dns");
    let sekisho = Sekisho::start(&folder, &config(&folder, GREYLIST));
    let Some(postfix) = Postfix::start(&folder, &milter(&folder)) else { return };
    assert!(attempt(&postfix, NAMELESS, "a@example.net").starts_with("450"));
    let mut smtp = client(&postfix, SILENT, "a@example.net");
    assert!(smtp.ask("RCPT TO:<ann@example.test>").starts_with("250"));
    assert!(message(&mut smtp).starts_with("250"));
    sekisho.wait_for("client=198.51.100.13");
    let log = sekisho.log();
    assert!(
        !log.iter().any(|line| line.contains("client_address=198.51.100.13") || line.contains("S25R_0")),
        "{log:?}"
    );
}
