//! Several machines that share one model by way of PostgreSQL and of Redis: each learns a part, they are parted and meet
//! again, one is new, one is killed; in the end all judge alike, as one machine that was told everything.

#[path = "../../store/tests/server/mod.rs"]
mod server;
mod support;

use server::Server;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Folder, Sekisho};

/// One machine: a folder, a configuration, a model.
struct Node {
    name: &'static str,
    config: PathBuf,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Node {
    fn new(folder: &Folder, name: &'static str, location: &str) -> Node {
        let model = folder.0.join(name);
        let shared = if location.is_empty() {
            String::new()
        } else {
            format!("[learn.exchange]\nlocation = {location:?}\nfold = 40\n")
        };
        let config = folder
            .file(&format!("{name}.toml"), &format!("[store]\nlocation = \"\"\n[learn]\nfolder = {model:?}\n{shared}"));
        Node { name, config }
    }

    fn learn(&self, folder: &Folder, arguments: &[&str]) -> String {
        let config = self.config.display().to_string();
        let output = folder.sekisho(&[&["learn"], arguments, &["--config", &config]].concat());
        assert!(output.status.code() == Some(0), "{}: {arguments:?}: {output:?}", self.name);
        text(&output.stdout)
    }

    fn sync(&self, folder: &Folder) -> String {
        self.learn(folder, &["sync"])
    }

    fn teach(&self, folder: &Folder, class: &str, numbers: std::ops::Range<usize>) {
        let paths: Vec<String> =
            numbers.map(|n| folder.0.join(class).join(n.to_string()).display().to_string()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        self.learn(folder, &[&[&*format!("--{class}")], &paths[..]].concat());
    }

    /// Every word with its counts, and how many messages.
    fn dump(&self, folder: &Folder) -> String {
        let place = format!("--dbpath={}", folder.0.join(self.name).display());
        let lines = text(&folder.sekisho(&["sa-learn", &place, "--dump"]).stdout);
        // Without the column of times, which are those of each machine alone.
        lines.lines().filter(|line| !line.ends_with("atime")).map(without_time).collect::<Vec<_>>().join("\n")
    }

    fn probability(&self, folder: &Folder, message: &str) -> f64 {
        let config = self.config.display().to_string();
        let output = folder.sekisho(&["learn", "explain", message, "--config", &config]);
        text(&output.stdout).split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("a probability")
    }

    fn counts(&self, folder: &Folder) -> (u32, u32) {
        let status = self.learn(folder, &["status"]);
        let numbers: Vec<u32> =
            status.lines().next().unwrap().split([':', ' ']).filter_map(|w| w.parse().ok()).collect();
        (numbers[0], numbers[1])
    }
}

fn without_time(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    [&words[..3], &words[4..]].concat().join(" ")
}

fn spam(n: usize) -> String {
    format!(
        "From: \"当選 {n}\" <win{n}@prize.example>\nSubject: =?UTF-8?B?5b2T6YG444GX44G+44GX44Gf?= {n}\n\
         Message-ID: <s{n}@prize.example>\n\nおめでとうございます。賞金{n}万円に当選しました。offer{} cash{}\nhttp://prize{n}.example/claim\n",
        n % 7,
        n % 11
    )
}

fn ham(n: usize) -> String {
    format!(
        "From: \"経理\" <keiri@office.example>\nSubject: =?UTF-8?B?6KuL5rGC5pu444Gu5Lu2?= {n}\n\
         Message-ID: <h{n}@office.example>\n\nいつもお世話になっております。請求書{n}をお送りします。meeting{} plan{}\nご確認ください。\n",
        n % 5,
        n % 13
    )
}

fn mails(folder: &Folder, count: usize) {
    for n in 0..count {
        folder.file(&format!("spam/{n}"), &spam(n));
        folder.file(&format!("ham/{n}"), &ham(n));
    }
}

/// Two machines, each learning half: together, parted, together again; then a third that is new.
fn share(name: &str, mut server: Server) {
    let folder = &Folder::new(&format!("exchange-{name}"));
    mails(folder, 60);
    let (a, b) = (Node::new(folder, "a", &server.location), Node::new(folder, "b", &server.location));
    let one = Node::new(folder, "one", "");
    for (class, at) in [("spam", 0), ("ham", 0), ("spam", 10), ("ham", 10)] {
        let node = if at == 0 { &a } else { &b };
        node.teach(folder, class, at..at + 10);
        one.teach(folder, class, at..at + 10);
        node.sync(folder);
    }
    a.sync(folder);
    assert_eq!(a.dump(folder), b.dump(folder));
    assert!(
        a.learn(folder, &["status"]).contains("lesson 40 of 40 heard, 0 wait to be said"),
        "{}",
        a.learn(folder, &["status"])
    );

    // Parted: each goes on alone; some are taught on both, one is taken back, of one they think differently.
    server.crash();
    a.teach(folder, "spam", 20..35);
    b.teach(folder, "spam", 30..40);
    b.teach(folder, "ham", 20..40);
    a.learn(folder, &["--forget", &folder.0.join("spam/3").display().to_string()]);
    b.learn(folder, &["--ham", &folder.0.join("spam/12").display().to_string()]);
    let failed = folder.sekisho(&["learn", "sync", "--config", &a.config.display().to_string()]);
    assert_eq!(failed.status.code(), Some(2), "{failed:?}");
    assert_eq!(a.counts(folder), (20, 34), "what was taught here counts here");
    let status = a.learn(folder, &["status"]);
    assert!(status.contains("16 lessons wait to be said") && status.contains("not to be reached"), "{status}");
    server.start();
    for node in [&a, &b, &a, &b] {
        node.sync(folder);
    }
    one.teach(folder, "spam", 20..40);
    one.teach(folder, "ham", 20..40);
    one.learn(folder, &["--forget", &folder.0.join("spam/3").display().to_string()]);
    one.learn(folder, &["--ham", &folder.0.join("spam/12").display().to_string()]);
    assert_eq!(a.counts(folder), (41, 38), "nothing is counted twice");
    assert_eq!(a.dump(folder), b.dump(folder));
    assert_eq!(a.dump(folder), one.dump(folder), "as one machine that was told everything");
    let said = b.sync(folder);
    assert!(said.contains("0 said, 0 heard"), "{said}");

    // More than is kept there: a new machine begins with the model, one that was away catches up.
    let late = Node::new(folder, "late", &server.location);
    late.teach(folder, "spam", 58..60);
    b.teach(folder, "spam", 40..58);
    b.teach(folder, "ham", 40..60);
    one.teach(folder, "spam", 40..60);
    one.teach(folder, "ham", 40..60);
    b.sync(folder);
    let joined = late.sync(folder);
    assert!(joined.contains("took over the model") && joined.contains("2 said"), "{joined}");
    for node in [&a, &b, &late] {
        node.sync(folder);
        assert_eq!(node.dump(folder), one.dump(folder), "{}", node.name);
        assert_eq!(node.counts(folder), one.counts(folder));
    }
    let status = a.learn(folder, &["status"]);
    assert!(status.matches(" heard lesson ").count() == 3 && status.contains("(this machine)"), "{status}");
    for n in 100..110 {
        for message in [spam(n), ham(n)] {
            let message = folder.file("unseen", &message).display().to_string();
            let judged = [&a, &b, &late].map(|node| node.probability(folder, &message));
            assert!(judged.iter().all(|p| *p == judged[0]), "{judged:?}");
            assert_eq!(judged[0] > 0.7, one.probability(folder, &message) > 0.7);
        }
    }

    // What is forgotten on one is forgotten on all.
    for class in ["spam", "ham"] {
        b.learn(folder, &["--forget", &folder.0.join(class).display().to_string()]);
    }
    for node in [&b, &a, &late] {
        node.sync(folder);
        assert_eq!(node.counts(folder), (0, 0));
        assert!(node.learn(folder, &["status"]).contains("\n0 words"), "{}", node.learn(folder, &["status"]));
    }
}

#[test]
fn by_way_of_redis() {
    share("redis", Server::redis(true));
}

#[test]
fn by_way_of_postgresql() {
    share("postgresql", Server::postgresql());
}

/// The database comes back without what it held; what all machines knew is there again.
#[test]
fn the_database_loses_everything() {
    let folder = &Folder::new("exchange-lost");
    mails(folder, 12);
    let server = Server::redis(true);
    let (a, b) = (Node::new(folder, "a", &server.location), Node::new(folder, "b", &server.location));
    a.teach(folder, "spam", 0..12);
    a.sync(folder);
    b.teach(folder, "ham", 0..12);
    b.sync(folder);
    a.sync(folder);
    let before = a.dump(folder);
    let port = server.location.split([':', '/']).nth(4).unwrap();
    assert!(Command::new("redis-cli").args(["-p", port, "flushall"]).stdout(Stdio::null()).status().unwrap().success());
    a.learn(folder, &["--forget", &folder.0.join("spam/0").display().to_string()]);
    for node in [&b, &a, &b] {
        node.sync(folder);
    }
    assert_eq!(a.dump(folder), b.dump(folder));
    assert_eq!(a.counts(folder), (12, 11));
    a.teach(folder, "spam", 0..1);
    a.sync(folder);
    b.sync(folder);
    assert_eq!((a.dump(folder), b.dump(folder)), (before.clone(), before));
    // Cleared on one is cleared on all.
    let place = format!("--dbpath={}", folder.0.join("a").display());
    assert!(folder.sekisho(&["sa-learn", &place, "--clear"]).status.success());
    a.sync(folder);
    b.sync(folder);
    assert_eq!((a.counts(folder), b.counts(folder)), ((0, 0), (0, 0)));
    b.teach(folder, "ham", 0..3);
    b.sync(folder);
    a.sync(folder);
    assert_eq!((a.counts(folder), b.counts(folder)), ((3, 0), (3, 0)));
}

/// Killed again and again, while learning and while talking: nothing is lost, nothing is counted twice.
#[test]
fn killed_while_sharing() {
    let folder = &Folder::new("exchange-killed");
    mails(folder, 60);
    let server = Server::redis(true);
    let (a, b) = (Node::new(folder, "a", &server.location), Node::new(folder, "b", &server.location));
    let one = Node::new(folder, "one", "");
    let rounds = std::env::var_os("SEKISHO_KILLS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(10usize);
    for round in 0..rounds {
        let node = [&a, &b][round % 2];
        let class = ["spam", "ham"][round / 2 % 2];
        let (option, path) = (format!("--{class}"), folder.0.join(class).display().to_string());
        let config = node.config.display().to_string();
        for arguments in
            [vec!["learn", &option, &path, "--config", &config], vec!["learn", "sync", "--config", &config]]
        {
            let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
                .args(&arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20 + (round as u64 * 37) % 300));
            let _ = child.kill();
            child.wait().unwrap();
            let (ham, spam) = node.counts(folder);
            assert!(ham <= 60 && spam <= 60, "{ham} {spam}");
        }
    }
    for class in ["spam", "ham"] {
        for node in [&a, &b, &one] {
            node.teach(folder, class, 0..60);
        }
    }
    for node in [&a, &b, &a] {
        node.sync(folder);
    }
    assert_eq!(a.dump(folder), b.dump(folder));
    assert_eq!(a.dump(folder), one.dump(folder));
    assert_eq!(a.counts(folder), (60, 60));
}

/// Two services: what spamc teaches one, the other knows within seconds, and while the database is away both go on.
#[test]
fn services_share() {
    let mut server = Server::redis(true);
    let places = [Folder::new("exchange-serve-1"), Folder::new("exchange-serve-2")];
    let services = places.each_ref().map(|folder| {
        let rules = folder.file("rules.cf", "body ALWAYS /./\n");
        let model = folder.0.join("model");
        Sekisho::start(
            folder,
            &format!(
                "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n\
                 [store]\nlocation = \"\"\n[learn]\nfolder = {model:?}\ntell = true\n\
                 [learn.exchange]\nlocation = {:?}\nevery = \"1s\"\n",
                server.location
            ),
        )
    });
    let tell = |service: usize, class: &str, message: &str| {
        let port = services[service].port("spamd").to_string();
        let (said, _) = support::filter("spamc", &["-d", "127.0.0.1", "-p", &port, "-L", class], message.as_bytes());
        text(&said)
    };
    let knows = |service: usize| {
        let folder = &places[service];
        let status = text(
            &folder.sekisho(&["learn", "status", "--model", &folder.0.join("model").display().to_string()]).stdout,
        );
        status.lines().next().unwrap_or_default().rsplit(": ").next().unwrap_or_default().to_owned()
    };
    services.iter().for_each(|service| service.wait_for("what is learnt is shared by way of"));
    assert_eq!(tell(0, "spam", &spam(1)), "Message successfully un/learned\n");
    assert_eq!(tell(1, "ham", &ham(1)), "Message successfully un/learned\n");
    for service in [0, 1] {
        support::wait_until("both know both", || knows(service) == "1 ham, 1 spam learnt");
    }
    server.crash();
    services.iter().for_each(|service| service.wait_for("this machine learns on its own"));
    assert_eq!(tell(0, "spam", &spam(2)), "Message successfully un/learned\n");
    assert_eq!(tell(1, "spam", &spam(2)), "Message successfully un/learned\n");
    assert_eq!(tell(1, "spam", &spam(3)), "Message successfully un/learned\n");
    assert_eq!((knows(0), knows(1)), ("1 ham, 2 spam learnt".into(), "1 ham, 3 spam learnt".into()));
    server.start();
    for service in [0, 1] {
        support::wait_until("both know all, once", || knows(service) == "1 ham, 3 spam learnt");
    }
    assert_eq!(tell(0, "spam", &spam(3)), "Message was already un/learned\n");
}
