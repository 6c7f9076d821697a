//! What the service learns though nobody said so, what brakes it, and how it is taken back.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Folder, Sekisho, said, wait_until};

const RULES: &str = "\
body ALWAYS /./
score ALWAYS 1
body SURE_BODY /surelyspam/
score SURE_BODY 10
header SURE_SUBJECT Subject =~ /surelyspam/
score SURE_SUBJECT 10
body UNCOUNTED /uncounted/
score UNCOUNTED 30
header UNCOUNTED_TOO Subject =~ /uncounted/
score UNCOUNTED_TOO 30
tflags UNCOUNTED noautolearn
tflags UNCOUNTED_TOO noautolearn
body SUSPECT /suspicious/
score SUSPECT 3
bayes_ignore_from boss@ignored.example
bayes_ignore_to ignored@example.test
bayes_ignore_header X-Local-Only
bayes_min_ham_num 7
";

struct Site {
    folder: Folder,
    sekisho: Sekisho,
    port: u16,
    sent: usize,
}

impl Site {
    fn new(name: &str, learn: &str) -> Site {
        let folder = Folder::new(name);
        let rules = folder.file("rules.cf", RULES);
        let config = format!(
            "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n\
             [networks]\ndomains = [\"example.test\"]\n[store]\nlocation = {:?}\n\
             [learn]\nfolder = {:?}\ntraps = [\"trap@example.test\"]\nalarm_to = \"postmaster@example.test\"\n{learn}\n",
            folder.0.join("store"),
            folder.0.join("model"),
        );
        let sekisho = Sekisho::start(&folder, &config);
        let port = sekisho.port("http");
        Site { folder, sekisho, port, sent: 0 }
    }

    fn learn(&self, arguments: &[&str]) -> String {
        let mut command = self.folder.command(&["learn", "--config"]);
        said(&command.arg(self.folder.0.join("sekisho.toml")).args(arguments).output().unwrap())
    }

    /// Ham and spam learnt.
    fn counts(&self) -> (u32, u32) {
        let status = self.learn(&["status"]);
        let words: Vec<&str> = status.split_once(": ").unwrap().1.split_whitespace().collect();
        (words[0].parse().unwrap(), words[2].parse().unwrap())
    }

    fn teach(&self, class: &str, number: usize, mail: &str) {
        let file = self.folder.file(&format!("{class}{number}"), mail);
        self.learn(&[&format!("--{class}"), file.to_str().unwrap()]);
    }

    /// A message from this place; each has another queue id.
    fn send(&mut self, facts: &str, mail: &str) {
        self.sent += 1;
        let query = format!("queue_id=Q{}&{facts}", self.sent);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!("POST /v1/check?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{mail}", mail.len()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }
}

fn mail(number: usize, from: &str, more: &str, text: &str) -> String {
    format!(
        "From: <{from}>\nTo: <ann@example.test>\nSubject: letter {number}\nMessage-ID: <n{number}@{}>\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0900\n{more}\n{text} {number}\n",
        from.rsplit('@').next().unwrap()
    )
}

const TRAPPED: &str = "from=x@spam.example&rcpt=trap@example.test";

#[test]
fn who_teaches_unasked() {
    let mut site = Site::new("unasked", "");
    let trapped = |number| mail(number, "x@spam.example", "", "cheap watches for everybody");
    site.send(&format!("ip=192.0.2.1&{TRAPPED}"), &trapped(1));
    assert!(!site.folder.0.join("model/model").exists() && site.counts() == (0, 0), "nobody has taught yet");
    site.teach("ham", 1, &mail(101, "ann@example.test", "", "the minutes of our meeting"));
    site.teach("spam", 1, &mail(102, "y@spam.example", "", "pills and more pills"));
    site.sekisho.wait_for("ready");

    // A trap; not where we wrote to it ourselves.
    site.send(&format!("ip=192.0.2.1&{TRAPPED}"), &trapped(2));
    assert_eq!(site.counts(), (1, 2));
    site.send(&format!("ip=127.0.0.1&{TRAPPED}"), &trapped(3));
    site.send("ip=192.0.2.1&from=x@spam.example&rcpt=ann@example.test", &trapped(4));
    assert_eq!(site.counts(), (1, 2));

    // Answers to our own mail, from where it went.
    let ours = "Message-ID: <ours1@example.test>\n";
    let sent = mail(5, "ann@example.test", "", "how are you?").replace("Message-ID: <n5@example.test>\n", ours);
    site.send("user=ann&ip=203.0.113.9&from=ann@example.test&rcpt=pal@sales.example.net", &sent);
    assert_eq!(site.counts(), (1, 2));
    let inbound = "ip=198.51.100.7&from=bob@example.net&rcpt=ann@example.test";
    let answer = |number, from, text| mail(number, from, "References: <x@y>\n <ours1@example.test>\n", text);
    site.send(inbound, &answer(6, "bob@example.net", "fine, thank you"));
    assert_eq!(site.counts(), (2, 2));
    site.send(inbound, &answer(7, "bob@elsewhere.example", "read in an archive"));
    site.send(inbound, &answer(8, "bob@example.net", "fine and suspicious"));
    assert_eq!(site.counts(), (2, 2));

    // Pen pals, from servers of their own.
    let friendly = |number| mail(number, "pal@sales.example.net", "", "a new letter");
    site.send("ip=198.51.100.8&from=pal@sales.example.net&rcpt=ann@example.test", &friendly(9));
    site.send("ip=198.51.100.8&hostname=p123-45.dsl.example.net&from=p@e.net&rcpt=ann@example.test", &friendly(10));
    site.send("ip=198.51.100.8&hostname=mail.example.org&from=p@e.net&rcpt=ann@example.test", &friendly(11));
    site.send("ip=198.51.100.8&hostname=mail.example.net&from=p@e.net&rcpt=bob@example.test", &friendly(12));
    assert_eq!(site.counts(), (2, 2));
    site.send("ip=198.51.100.8&hostname=mail.example.net&from=p@e.net&rcpt=ann@example.test", &friendly(13));
    assert_eq!(site.counts(), (3, 2));

    // What the rules are sure of, what they must not count, and whom the learner ignores.
    let rules = |number, word: &str| {
        mail(number, "z@z.example", "", word).replace("Subject: letter", &format!("Subject: {word} letter"))
    };
    let stranger = "ip=192.0.2.200&from=z@z.example&rcpt=ann@example.test";
    site.send(stranger, &rules(14, "uncounted"));
    assert_eq!(site.counts(), (3, 2));
    site.send(stranger, &rules(15, "surelyspam"));
    assert_eq!(site.counts(), (3, 3));
    site.send(stranger, &rules(16, "surelyspam").replace("<z@z.example>", "<boss@ignored.example>"));
    site.send(stranger, &rules(17, "surelyspam").replace("<ann@example.test>", "<ignored@example.test>"));
    assert_eq!(site.counts(), (3, 3));

    let journal = site.learn(&["journal"]);
    for taught in ["hand 2", "trap 1", "reply 1", "pen-pal 1", "rules 1"] {
        assert!(journal.contains(taught), "{taught}: {journal}");
    }
    assert!(site.learn(&["status"]).contains("the rules want 7 ham"), "{}", site.learn(&["status"]));

    // By queue id, the message being gone.
    assert_eq!(site.learn(&["--spam", "--id", "Q7"]), "1 learnt, 0 known before, 0 not readable\n");
    assert_eq!(site.learn(&["--spam", "--id", "<n7@elsewhere.example>"]), "0 learnt, 1 known before, 0 not readable\n");
    assert_eq!(site.counts(), (3, 4));
    assert_eq!(site.learn(&["--forget", "--id", "Q7"]), "1 forgotten, 0 never learnt, 0 not readable\n");
    // A day is taken back, but for what people said.
    let day = journal.split_whitespace().next().unwrap();
    let one = site.learn(&["journal", "--day", day, "--by", "trap"]);
    assert!(one.contains("+spam") && one.contains("192.0.2.0") && one.contains("letter 2"), "{one}");
    assert_eq!(site.learn(&["undo", "--day", day, "--unasked", "--dry-run"]), "4 lessons would be looked at\n");
    assert!(site.learn(&["undo", "--day", day, "--unasked"]).starts_with("4 lessons taken back, 0 no longer stand"));
    assert_eq!(site.counts(), (1, 1));
    assert!(site.learn(&["undo", "--day", day]).starts_with("4 lessons taken back, 4 no longer stand"));
    assert_eq!(site.counts(), (0, 0));
    assert!(site.learn(&["status"]).contains("\n0 words"), "{}", site.learn(&["status"]));
}

#[test]
fn a_quota_for_each_network() {
    let mut site = Site::new("quota", "quota = 3\n");
    site.teach("ham", 1, &mail(1, "ann@example.test", "", "the minutes of our meeting"));
    for number in 0..10 {
        let spam = mail(1_000 + number, "x@spam.example", "", "cheap watches");
        site.send(&format!("ip=192.0.2.{number}&{TRAPPED}"), &spam);
    }
    assert_eq!(site.counts(), (1, 3));
    site.send(&format!("ip=198.51.100.1&{TRAPPED}"), &mail(2_000, "x@spam.example", "", "cheap watches"));
    assert_eq!(site.counts(), (1, 4));
}

/// Somebody sends what our users call good to a trap, from everywhere.
#[test]
fn an_alarm_where_the_learner_is_misled() {
    let mut site = Site::new("drift", "");
    let good = |number| mail(number, "keiri@office.example", "", "お世話になっております。請求書をお送りします。");
    for number in 0..24 {
        site.folder.file(&format!("good/{number}"), &good(number));
    }
    let good_mail = site.folder.0.join("good").display().to_string();
    site.learn(&["--ham", &good_mail]);
    site.teach("spam", 1, &mail(900, "y@spam.example", "", "pills and more pills"));
    let before = std::fs::read(site.folder.0.join("model/journal")).unwrap();
    assert!(!before.is_empty());
    let mut poison = 0;
    let alarm = |site: &Site| site.sekisho.log().iter().any(|line| line.contains("learn: alarm:"));
    wait_until("the alarm", || {
        for _ in 0..5 {
            poison += 1;
            site.send(&format!("ip=10{}.{}.1.1&{TRAPPED}", poison % 7, poison % 250), &good(10_000 + poison));
        }
        alarm(&site)
    });
    let status = site.learn(&["status"]);
    assert!(status.contains("messages that people taught are judged wrongly"), "{status}");
    // From now on nothing of the kind is learnt, and the postmaster hears of it.
    let counts = site.counts();
    site.send(&format!("ip=192.0.2.1&{TRAPPED}"), &good(50_000));
    assert_eq!(site.counts(), counts);
    // What was learnt unasked is taken back, exactly: what people said is left.
    let undone = site.learn(&["undo", "--since", "2000-01-01", "--unasked"]);
    assert!(undone.contains("0 no longer stand"), "{undone}");
    assert_eq!(site.counts(), (24, 1));
    site.sekisho.wait_for("what was taught by hand is understood again");
    assert!(!site.learn(&["status"]).contains("judged wrongly"));
    site.send(&format!("ip=192.0.2.1&{TRAPPED}"), &good(60_000));
    assert_eq!(site.counts(), (24, 2));
}

/// What is in the quarantine is taught by the mail server's id, by its id in history or quarantine, or not at all.
#[test]
fn what_is_held_is_taught_by_id() {
    let more = "auto = false\nby_id = 0\n[actions]\nquarantine_at = 15.0\n";
    let mut site = Site::new("held", more);
    let held = mail(1, "z@z.example", "", "surelyspam").replace("Subject: letter", "Subject: surelyspam letter");
    site.send("ip=192.0.2.200&from=z@z.example&rcpt=ann@example.test", &held);
    site.send("ip=192.0.2.200&from=z@z.example&rcpt=ann@example.test", &mail(2, "z@z.example", "", "let through"));
    let sekisho = |arguments: &[&str]| {
        let mut command = site.folder.command(arguments);
        let output = command.arg("--config").arg(site.folder.0.join("sekisho.toml")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (_, list) = sekisho(&["quarantine", "list"]);
    let id = list.split_whitespace().next().unwrap_or_default().to_owned();
    assert_eq!(site.learn(&["--spam", "--id", "Q1"]), "1 learnt, 0 known before, 0 not readable\n", "{list}");
    assert_eq!(sekisho(&["quarantine", "learn", "--spam", &id]), (Some(0), format!("{id} was learnt before\n")));
    assert_eq!(site.learn(&["--ham", "--id", &id]), "1 learnt, 0 known before, 0 not readable\n");
    assert_eq!(sekisho(&["quarantine", "learn", "--spam", &id]), (Some(0), format!("{id} learnt\n")));
    let (_, history) = sekisho(&["history", "--format", "json", "--queue-id", "Q1"]);
    let entry: serde_json::Value = serde_json::from_str(&history).unwrap();
    let of_history = entry["id"].as_str().unwrap();
    assert_eq!(site.learn(&["--forget", "--id", of_history]), "1 forgotten, 0 never learnt, 0 not readable\n");
    let (code, said) = sekisho(&["learn", "--spam", "--id", "Q2"]);
    assert!(code == Some(2) && said.contains("Q2: nothing is kept of this message any more"), "{code:?} {said}");
    assert_eq!(site.counts(), (0, 0));
}
