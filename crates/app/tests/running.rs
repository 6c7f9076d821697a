//! Running the service: what monitoring sees, reload, drain, privileges.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;
use support::{Folder, Postfix, Sekisho, contains, free_port, wait_until};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn mail(body: &str) -> String {
    format!(
        "From: Joe <joe@example.net>\r\nTo: ann@example.test\r\nSubject: hello\r\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n{body}\r\n"
    )
}

fn config(folder: &Folder, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [store]\nlocation = \"{}/store\"\n{more}",
        folder.0.display()
    )
}

const SHIPPED: &str = "[rules]\nset = \"shipped\"\n";

/// Status, head and body.
fn request(port: u16, head: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {reply}"));
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

fn get(port: u16, path: &str) -> (u16, String) {
    let (status, _, body) = request(port, &format!("GET {path} HTTP/1.1"), "");
    (status, body)
}

fn check(port: u16, query: &str, body: &str) -> (u16, serde_json::Value) {
    let (status, _, reply) = request(port, &format!("POST /v1/check{query} HTTP/1.1"), body);
    (status, serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error}: {reply}")))
}

#[test]
fn programs_ask_over_http() {
    let folder = Folder::new("http");
    let more = format!("{SHIPPED}[actions]\nreject_at = 500.0\n[limits]\nmessage = \"64KiB\"");
    let sekisho = Sekisho::start(&folder, &config(&folder, &more));
    let port = sekisho.port("http");
    assert_eq!(get(port, "/healthz"), (200, "alive\n".into()));
    assert_eq!(get(port, "/readyz"), (200, "ready\n".into()));

    let (status, ham) = check(port, "", &mail("Dear Ann, here are the minutes."));
    assert_eq!((status, &ham["spam"], &ham["action"]), (200, &false.into(), &"pass".into()), "{ham}");
    assert!(ham["hits"].is_array() && ham["subtests"].is_object() && ham["required"].is_number(), "{ham}");

    let envelope =
        "?ip=198.51.100.7&helo=mx.example.net&from=joe@example.net&rcpt=ann@example.test&queue_id=4ABC&explain";
    let (status, spam) = check(port, envelope, &mail(GTUBE));
    assert_eq!((status, &spam["spam"], &spam["action"]), (200, &true.into(), &"reject".into()), "{spam}");
    assert!(spam["reply"].as_str().unwrap().starts_with("554 5.7.1 "), "{spam}");
    let hit = spam["hits"].as_array().unwrap().iter().find(|hit| hit["rule"] == "GTUBE").unwrap();
    assert!(hit["evidence"][0]["text"].as_str().unwrap().contains("GTUBE-STANDARD"), "{spam}");
    sekisho.wait_for("id=4ABC action=reject");
    let (_, observed) = check(port, "?observe", &mail(GTUBE));
    assert_eq!((&observed["observed"], &observed["reply"]), (&true.into(), &serde_json::Value::Null), "{observed}");

    for (head, status) in [
        ("POST /v1/check?rctp=x HTTP/1.1", 400),
        ("POST /v1/check HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x", 415),
        ("GET /v1/check HTTP/1.1", 405),
        ("POST /metrics HTTP/1.1", 405),
        ("GET /etc/passwd HTTP/1.1", 404),
        ("nonsense", 400),
    ] {
        assert_eq!(request(port, head, "").0, status, "{head}");
    }
    let (status, long) = check(port, "", &mail(&"x\r\n".repeat(40_000)));
    assert_eq!(status, 413, "{long}");

    let (status, head, metrics) = request(port, "GET /metrics HTTP/1.1", "");
    assert!(status == 200 && head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    for line in [
        "sekisho_messages_total{action=\"pass\",direction=\"inbound\"} 1",
        "sekisho_judging_seconds_count 3",
        "sekisho_waiting_seconds_count 3",
        "sekisho_messages_in_work 0",
        "sekisho_messages_queued 0",
        "sekisho_connections{protocol=\"http\"} 1",
        "sekisho_store_errors_total 0",
        "sekisho_quarantine_bytes 0",
        "sekisho_reloads_total{what=\"rules\",result=\"ok\"} 0",
        "sekisho_stopping 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("sekisho_rules 0\n"), "{metrics}");

    // Every metric is explained.
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/running.md")).unwrap();
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}")), "docs/running.md does not explain {name}");
    }
}

#[test]
fn a_message_that_was_found_by_its_queue_id_is_explained() {
    let folder = Folder::new("explain");
    let sekisho = Sekisho::start(&folder, &config(&folder, SHIPPED));
    let envelope = "?ip=198.51.100.7&helo=mx.example.net&from=joe@example.net&rcpt=ann@example.test&queue_id=4dXyzAbc";
    check(sekisho.port("http"), envelope, &mail(GTUBE));
    let settings = folder.0.join("sekisho.toml");
    let explain = |language: &str, what: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["explain", what, "--rule-set", "shipped", "--config"])
            .arg(&settings)
            .env("SEKISHO_CACHE", folder.0.join("cache"))
            .env("LC_ALL", language)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (said, output.status.code())
    };
    // The history is written behind the answer.
    wait_until("it is in the history", || explain("C", "4dXyzAbc").1 == Some(0));
    let (english, _) = explain("C", "4dXyzAbc");
    for text in ["4dXyzAbc", "GTUBE", "XJS*C4JDBQADN1", "198.51.100.7", "<ann@example.test>: tag", "Relays"] {
        assert!(english.contains(text), "{text} in {english}");
    }
    let (japanese, _) = explain("ja_JP.UTF-8", "4dXyzAbc");
    assert!(japanese.contains("中継") && japanese.contains("GTUBE"), "{japanese}");
    // A rule of that name comes first; what is neither is said to be neither.
    assert!(explain("C", "GTUBE").0.contains("Written in"));
    let (neither, code) = explain("C", "GTUBBE");
    assert!(code == Some(2) && neither.contains("did you mean GTUBE"), "{neither}");
}

#[test]
fn rules_and_configuration_change_while_it_runs() {
    let folder = Folder::new("reload");
    let own = folder.file("own.cf", "body HELLO /hello there/\nscore HELLO 1.5\n");
    let rules = |watch: &str| {
        format!("[rules]\nset = \"shipped\"\nextra = [{:?}]\nwatch = \"{watch}\"\n", own.display().to_string())
    };
    let sekisho = Sekisho::start(&folder, &config(&folder, &rules("100ms")));
    let port = sekisho.port("http");
    let score = || check(port, "", &mail("hello there")).1["hits"].to_string();
    assert!(score().contains("\"rule\":\"HELLO\",\"score\":1.5"), "{}", score());

    // Noticed without being told.
    fs::write(&own, "body HELLO /hello there/\nscore HELLO 2.75\n").unwrap();
    sekisho.wait_for("rules reloaded");
    assert!(score().contains("\"score\":2.75"), "{}", score());
    fs::write(&own, "body HELLO /hello (there/\nscore HELLO 2.75\n").unwrap();
    sekisho.wait_for("rules not reloaded: 1 rules fewer and");
    assert!(score().contains("\"score\":2.75"), "the old ones stay: {}", score());
    fs::remove_file(&own).unwrap();
    wait_until("refused again", || sekisho.log().iter().filter(|line| line.contains("rules not reloaded")).count() > 1);
    assert!(score().contains("\"score\":2.75"), "the old ones stay: {}", score());

    // The configuration, by signal.
    fs::write(&own, "body HELLO /hello there/\nscore HELLO 3.25\n").unwrap();
    assert_eq!(check(port, "", &mail(GTUBE)).1["action"], "tag");
    let more = format!("{}[actions]\nreject_at = 500.0\n[limits]\nconnections = 77\n", rules("0s"));
    folder.file("sekisho.toml", &config(&folder, &more));
    sekisho.signal("HUP");
    sekisho.wait_for("configuration: only a restart changes limits.connections");
    sekisho.wait_for("configuration reloaded");
    assert_eq!(check(port, "", &mail(GTUBE)).1["action"], "reject");
    folder.file("sekisho.toml", "mode = \"fliter\"");
    sekisho.signal("HUP");
    sekisho.wait_for("configuration not reloaded: ");
    assert_eq!(check(port, "", &mail(GTUBE)).1["action"], "reject");
    wait_until("both signals were worked on", || {
        let metrics = get(port, "/metrics").1;
        metrics.contains("{what=\"configuration\",result=\"ok\"} 1\n")
            && metrics.contains("{what=\"configuration\",result=\"refused\"} 1\n")
            && metrics.contains("{what=\"rules\",result=\"refused\"} 2\n")
    });
    assert!(score().contains("\"score\":3.25"), "{}", score());
}

/// A message to spamd of which the last byte is still missing.
fn half_sent(port: u16, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "SYMBOLS SPAMC/1.5\r\nContent-length: {}\r\n\r\n{}", text.len(), &text[..text.len() - 1]).unwrap();
    stream
}

#[test]
fn what_has_begun_is_finished() {
    let folder = Folder::new("drain");
    let mut sekisho = Sekisho::start(&folder, &config(&folder, SHIPPED));
    let (http, spamd) = (sekisho.port("http"), sekisho.port("spamd"));
    let mut begun = half_sent(spamd, &mail(GTUBE));
    let mut idle = TcpStream::connect(("127.0.0.1", spamd)).unwrap();
    wait_until("both are connected", || {
        get(http, "/metrics").1.contains("sekisho_connections{protocol=\"spamd\"} 2\n")
    });
    // What was sent has been read, too, or this would be no test.
    std::thread::sleep(Duration::from_millis(200));

    sekisho.signal("TERM");
    sekisho.wait_for("stopping");
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "who has sent nothing need not wait");
    wait_until("it is not ready any more", || get(http, "/readyz") == (503, "stopping\n".into()));
    assert_eq!(get(http, "/healthz").0, 200);
    assert!(get(http, "/metrics").1.contains("sekisho_stopping 1\n"));
    assert_eq!(check(http, "", &mail("late")).0, 503);
    wait_until("nobody listens", || TcpStream::connect(("127.0.0.1", spamd)).is_err());

    begun.write_all(b"\n").unwrap();
    let mut answer = Vec::new();
    begun.read_to_end(&mut answer).unwrap();
    assert!(contains(&answer, "EX_OK") && contains(&answer, "GTUBE"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(sekisho.ends(), Some(0));
    assert!(!sekisho.log().iter().any(|line| line.contains("with messages in work")));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new("at-once");
    let more = format!("{SHIPPED}[service]\ndrain = \"1d\"");
    let mut sekisho = Sekisho::start(&folder, &config(&folder, &more));
    let http = sekisho.port("http");
    let _begun = half_sent(sekisho.port("spamd"), &mail("hello"));
    wait_until("it is connected", || get(http, "/metrics").1.contains("sekisho_connections{protocol=\"spamd\"} 1\n"));
    std::thread::sleep(Duration::from_millis(200));
    sekisho.signal("TERM");
    sekisho.wait_for("stopping");
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0));
    sekisho.wait_for("stopped with messages in work");
}

#[test]
fn root_is_given_up() {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = passwd.lines().find_map(|line| line.strip_prefix("nobody:"));
    let root = fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    let (Some(nobody), true) = (nobody, root) else {
        eprintln!("skipped: only root can become nobody");
        return;
    };
    let nobody: Vec<&str> = nobody.split(':').collect();
    let folder = Folder::new("privileges");
    let more = format!("{SHIPPED}[service]\nuser = \"nobody\"");
    let mut sekisho = Sekisho::start(&folder, &config(&folder, &more));
    sekisho.wait_for("running as nobody");
    for task in fs::read_dir(format!("/proc/{}/task", sekisho.id())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), [nobody[1]; 4]);
        assert_eq!(field("Gid:"), [nobody[2]; 4]);
        assert_eq!(field("Groups:"), [nobody[2]]);
    }
    let store = fs::metadata(folder.0.join("store")).unwrap();
    assert_eq!((store.uid().to_string().as_str(), store.mode() & 0o777), (nobody[1], 0o700));
    for file in fs::read_dir(folder.0.join("store")).unwrap() {
        let about = file.unwrap().metadata().unwrap();
        assert_eq!(about.mode() & 0o077, 0);
    }
    assert_eq!(check(sekisho.port("http"), "", &mail("hello")).0, 200);

    // Commands that root starts leave nothing there that the service cannot write.
    let run = |arguments: &[&str]| {
        let config = folder.0.join("sekisho.toml");
        let command =
            Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).arg("-c").arg(config).output().unwrap();
        let said = String::from_utf8([command.stdout, command.stderr].concat()).unwrap();
        (command.status.code(), said)
    };
    assert_eq!(run(&["list", "add", "domain", "spam.example", "--block"]).0, Some(0));
    wait_until("the message is in the history", || run(&["history", "hello"]).0 == Some(0));
    assert!(run(&["list", "show"]).1.contains("spam.example"));
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0));
    // Nor does one that comes before the service has ever made the store.
    fs::remove_dir_all(folder.0.join("store")).unwrap();
    assert_eq!(run(&["list", "add", "domain", "spam.example", "--block"]).0, Some(0));
    for place in ["store", "store/store.sqlite3"] {
        assert_eq!(fs::metadata(folder.0.join(place)).unwrap().uid().to_string(), nobody[1], "{place}");
    }
    // Where nothing is there yet, the user may pass through what is made above his folders.
    let text = config(&folder, &more).replace("/store\"", "/deep/below/store\"");
    let sekisho = Sekisho::start(&folder, &text);
    sekisho.wait_for("running as nobody");
    assert_eq!(check(sekisho.port("http"), "", &mail("hello")).0, 200);
    // Keys are the service's, though no user is named, where the store is.
    let keys = folder.0.join("keys");
    let key = ["dkim", "keygen", "example.test", "--ed25519", "-s", "s1", "--out", keys.to_str().unwrap()];
    let unit = folder.file("unit.toml", &text.replace("user = \"nobody\"", ""));
    let made = folder.command(&key).arg("-c").arg(&unit).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let key = keys.join("example.test.s1.pem");
    assert_eq!(fs::metadata(&key).unwrap().uid().to_string(), nobody[1]);
    std::os::unix::fs::chown(&key, Some(0), None).unwrap();
    let named = format!("[[dkim.key]]\ndomains = [\"example.test\"]\nselector = \"s1\"\nfile = {key:?}\n");
    let unit = folder.file("unit.toml", &(fs::read_to_string(unit).unwrap() + &named));
    let checked = folder.command(&["config", "check", "-c"]).arg(unit).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains(&format!("not for {} to read: chown {0} ", nobody[1])), "{said}");
}

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn succeeds(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(said)
}

#[test]
fn scripts_and_units_are_well_formed() {
    for script in ["freebsd/sekisho", "debian/postinst", "debian/prerm", "debian/postrm", "deb"] {
        succeeds("sh", &["-n", &format!("{REPOSITORY}/packaging/{script}")]);
    }
    let rc = fs::read_to_string(format!("{REPOSITORY}/packaging/freebsd/sekisho")).unwrap();
    for line in [". /etc/rc.subr", "rcvar=\"sekisho_enable\"", "load_rc_config $name", "run_rc_command \"$1\""] {
        assert!(rc.lines().any(|found| found == line), "{line}");
    }

    // systemd looks whether the program is there.
    let folder = Folder::new("unit");
    let unit = fs::read_to_string(format!("{REPOSITORY}/packaging/systemd/sekisho.service")).unwrap();
    let here = unit.replace("/usr/bin/sekisho", env!("CARGO_BIN_EXE_sekisho"));
    // The user is made by the package, the page installed by it.
    let here =
        here.replace("=sekisho\nGroup=sekisho", "=root\nGroup=root").replace("Documentation=man:sekisho(1)\n", "");
    let file = folder.file("sekisho.service", &here).display().to_string();
    if let Some(said) = succeeds("systemd-analyze", &["verify", &file]) {
        assert!(!said.contains("sekisho.service"), "{said}");
    }
}

/// Postfix's files with everything that may be there before us.
const MAIN: &str = "# a comment\ncompatibility_level = 3.6\nmyhostname = mx.example.test\n\nsmtpd_milters =\n  inet:127.0.0.1:11332,\n  \
                    { unix:opendkim/sock, default_action=accept }\nsmtpd_recipient_restrictions = permit_mynetworks, reject\n";
const MASTER: &str = "smtp inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n";

struct PostfixFiles(Folder);

impl PostfixFiles {
    fn new(name: &str) -> Option<PostfixFiles> {
        if !std::path::Path::new("/usr/sbin/postconf").exists() {
            eprintln!("skipped: there is no postconf");
            return None;
        }
        let folder = Folder::new(name);
        // A queue of its own: `postfix check` is to be quiet.
        fs::create_dir_all(folder.0.join("queue")).unwrap();
        let here = folder.0.display();
        folder.file("main.cf", &format!("{MAIN}queue_directory = {here}/queue\ndata_directory = {here}/data\n"));
        folder.file("master.cf", MASTER);
        Some(PostfixFiles(folder))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.0.join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        self.0.file(name, text);
    }

    fn sekisho(&self, config: &str, arguments: &[&str]) -> (String, Option<i32>) {
        let config = self.0.file("sekisho.toml", config).display().to_string();
        let folder = self.0.0.display().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["postfix", "-c", &folder, "--config", &config])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (said, output.status.code())
    }

    fn postconf(&self, arguments: &[&str]) -> String {
        succeeds("/usr/sbin/postconf", &[&["-c", &self.0.0.display().to_string()], arguments].concat()).unwrap()
    }
}

const MILTER: &str = "[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:127.0.0.1:8899\"\n";
const POLICY: &str = "[[listen]]\nprotocol = \"policy\"\nsocket = \"inet:10023@127.0.0.1\"\n";
const OURS: &str = "{ inet:127.0.0.1:8899, default_action=tempfail }";

#[test]
fn postfix_is_told_and_forgets_again() {
    let Some(files) = PostfixFiles::new("postconf") else { return };
    let before = (files.read("main.cf"), files.read("master.cf"));
    let both = format!("{MILTER}{POLICY}");

    // The wrong kind of configuration is not passed over.
    let wrong = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(["postfix", "-c", "/no/such.toml"]).output().unwrap();
    assert!(wrong.status.code() == Some(2) && wrong.stdout.is_empty());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--config FILE"));

    // Printing changes nothing.
    for arguments in [&[][..], &["--dry-run"], &["--dry-run", "--apply"]] {
        let (said, code) = files.sekisho(&both, arguments);
        assert!(code == Some(0) && said.contains("inet:127.0.0.1:11332") && said.contains(OURS), "{said}");
        assert_eq!((files.read("main.cf"), files.read("master.cf")), before);
    }
    assert!(files.sekisho(&both, &["--undo"]).0.contains("nothing of ours"));

    // What is there stays, ours comes behind it; the policy service before the word that ends everything.
    let (said, code) = files.sekisho(&both, &["--apply"]);
    assert_eq!(code, Some(0), "{said}");
    let milters = files.postconf(&["-h", "smtpd_milters"]);
    assert_eq!(
        milters.trim(),
        format!("inet:127.0.0.1:11332, {{ unix:opendkim/sock, default_action=accept }}, {OURS}")
    );
    assert_eq!(files.postconf(&["-h", "non_smtpd_milters"]).trim(), OURS);
    assert_eq!(
        files.postconf(&["-h", "smtpd_recipient_restrictions"]).trim(),
        "permit_mynetworks, check_policy_service { inet:127.0.0.1:10023, default_action=DUNNO }, reject"
    );
    // Once more, and nothing more happens.
    let made = files.read("main.cf");
    let (said, _) = files.sekisho(&both, &["--undo", "--dry-run"]);
    assert!(said.contains("smtpd_recipient_restrictions = permit_mynetworks, reject\n"), "{said}");
    assert_eq!(files.read("main.cf"), made);
    assert!(files.sekisho(&both, &["--apply"]).0.contains("nothing is changed"));
    assert_eq!(files.read("main.cf"), made);
    // Another configuration replaces it.
    let (said, _) = files.sekisho(&format!("{MILTER}[limits]\nlate = \"pass\""), &["--apply"]);
    assert!(files.postconf(&["-h", "non_smtpd_milters"]).contains("default_action=accept"), "{said}");
    assert_eq!(files.postconf(&["-h", "smtpd_recipient_restrictions"]).trim(), "permit_mynetworks, reject");

    // Back to the byte.
    assert_eq!(files.sekisho(&both, &["--undo"]).1, Some(0));
    assert_eq!((files.read("main.cf"), files.read("master.cf")), before);
    assert!(!files.0.0.join("sekisho.saved").exists());
}

fn relaying(received: bool) -> String {
    format!(
        "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:10024\"\nreceived = {received}\n\
         next_hop = \"smtp:127.0.0.1:10025\"\n"
    )
}

#[test]
fn postfix_is_told_of_filters_after_and_before_its_queue() {
    for (received, wanted, service, other) in [
        (true, "content_filter = sekisho:[127.0.0.1]:10024", "sekisho unix - - n - - smtp", "smtpd_proxy_filter"),
        (false, "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024", "smtp inet n - n - - smtpd", "content_filter"),
    ] {
        let Some(files) = PostfixFiles::new(&format!("postconf-filter-{received}")) else { return };
        let before = (files.read("main.cf"), files.read("master.cf"));
        let config = relaying(received);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let all = || words(&[files.postconf(&["-n"]), files.postconf(&["-P"]), files.postconf(&["-M"])].concat());

        let (said, code) = files.sekisho(&config, &["--apply"]);
        assert_eq!(code, Some(0), "{said}");
        let there = all();
        for part in [wanted, service, "127.0.0.1:10025 inet n - n - - smtpd", "127.0.0.1:10025/inet/content_filter ="] {
            assert!(there.contains(part), "{part} in {there}");
        }
        assert!(!there.contains(&format!("smtp/inet/{other}")) && !there.contains(&format!(" {other} = ")), "{there}");
        assert!(files.sekisho(&config, &["--apply"]).0.contains("nothing is changed"));

        // The other kind of filter instead, and back to the byte.
        assert_eq!(files.sekisho(&relaying(!received), &["--apply"]).1, Some(0));
        assert!(!all().contains(wanted), "{}", all());
        assert_eq!(files.sekisho(&config, &["--undo"]).1, Some(0));
        assert_eq!((files.read("main.cf"), files.read("master.cf")), before);

        // Others change both files in between: ours goes, theirs stays.
        assert_eq!(files.sekisho(&config, &["--apply"]).1, Some(0));
        files.postconf(&["-e", "myhostname=other.example.test"]);
        files.postconf(&["-P", "smtp/inet/smtpd_banner=hello"]);
        let (said, code) = files.sekisho(&config, &["--undo"]);
        assert!(code == Some(0) && !said.contains("Left alone"), "{said}");
        let there = all();
        assert!(there.contains("myhostname = other.example.test") && there.contains("smtpd_banner = hello"), "{there}");
        assert!(!there.contains("10024") && !there.contains("10025") && !there.contains("sekisho unix"), "{there}");

        // What is there already is nobody's to overwrite.
        match received {
            true => files.postconf(&["-e", "content_filter=amavis:[127.0.0.1]:10024"]),
            false => files.postconf(&["-P", "smtp/inet/smtpd_proxy_filter=127.0.0.1:9"]),
        };
        let (said, code) = files.sekisho(&config, &["--apply"]);
        assert!(code == Some(2) && said.contains("it is left alone"), "{said}");
        assert!(!all().contains(wanted), "{}", all());
    }
}

/// That postconf takes it does not say that Postfix's daemons do.
#[test]
fn postfix_works_as_it_is_told() {
    let folder = Folder::new("told");
    let [front, milter, policy, relay, back] = [(); 5].map(|()| free_port());
    let main = "smtpd_recipient_restrictions = reject_unauth_destination\nsmtpd_policy_service_retry_delay = 1s\n";
    let Some(postfix) = Postfix::start_with(&folder, &[(front, String::new())], main) else { return };
    let settings = format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:127.0.0.1:{milter}\"\n\
         [[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{relay}\"\nreceived = true\n\
         next_hop = \"smtp:127.0.0.1:{back}\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{}/store\"\n",
        folder.0.display()
    );
    let asked = format!("[[listen]]\nprotocol = \"policy\"\nsocket = \"inet:127.0.0.1:{policy}\"\n");
    let told = folder.file("told.toml", &format!("{asked}{settings}")).display().to_string();
    let etc = folder.0.join("postfix/etc").display().to_string();
    let told = ["postfix", "-c", &etc, "--config", &told, "--apply"];
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(told).output().unwrap();
    assert!(output.status.success() && postfix.control("reload"), "{}", String::from_utf8_lossy(&output.stderr));

    // All three at once: the message is seen before the queue and after it.
    let mut sekisho = Sekisho::start(&folder, &format!("{asked}{settings}"));
    let first = mail("three of us look at this").replace("\r\n", "\n");
    let said = postfix.send(first.as_bytes());
    assert!(said.starts_with("250"), "{said} {}", postfix.log());
    postfix.delivery("three of us look at this");
    let judged = || sekisho.log().into_iter().filter(|line| line.contains("action=")).collect::<Vec<_>>();
    wait_until("the message is judged twice", || judged().len() == 2);
    let at_next_hop = judged().iter().filter(|line| line.contains("next_hop=")).count();
    assert_eq!(at_next_hop, 1, "{:?}", judged());

    // None of them there: the sender comes again. All but the policy service: mail goes on.
    sekisho.signal("KILL");
    sekisho.ends();
    let second = mail("the policy service is away").replace("<1@", "<2@").replace("\r\n", "\n");
    let said = postfix.send(second.as_bytes());
    assert!(said.starts_with("451"), "{said}");
    let _sekisho = Sekisho::start(&folder, &settings);
    let said = postfix.send(second.as_bytes());
    assert!(said.starts_with("250"), "{said} {}", postfix.log());
    postfix.delivery("the policy service is away");
}

#[test]
fn what_others_change_meanwhile_stays() {
    let Some(files) = PostfixFiles::new("postconf-meanwhile") else { return };
    let before = files.postconf(&["-n"]);
    assert_eq!(files.sekisho(&format!("{MILTER}{POLICY}"), &["--apply"]).1, Some(0));
    files.postconf(&["-e", "myhostname=other.example.test"]);
    let milters = files.postconf(&["-h", "smtpd_milters"]);
    files.postconf(&["-e", &format!("smtpd_milters={} inet:127.0.0.1:1", milters.trim())]);
    files.postconf(&["-e", "smtpd_recipient_restrictions=permit"]);
    let (said, code) = files.sekisho(MILTER, &["--undo"]);
    assert!(code == Some(0) && said.contains("Left alone: smtpd_recipient_restrictions = permit"), "{said}");
    let expected = before
        .replace("myhostname = mx", "myhostname = other")
        .replace("= permit_mynetworks, reject\n", "= permit\n")
        .replace("default_action=accept }", "default_action=accept }, inet:127.0.0.1:1");
    let words = |text: &str| {
        text.split([' ', '\n', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(&files.postconf(&["-n"])), words(&expected));

    // Files that make no sense are left as they are.
    files.write("main.cf", "compatibility_level = 3.6\nqueue_directory = /nowhere/at/all\n");
    let before = files.read("main.cf");
    let (said, code) = files.sekisho(MILTER, &["--apply"]);
    if fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0) {
        assert!(code == Some(2) && said.contains("nothing is changed"), "{said}");
        assert_eq!(files.read("main.cf"), before);
    }
}
