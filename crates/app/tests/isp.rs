//! `sekisho isp`: the second talk's example, from its spam to the rule and on to the day when the range changes hands.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::Receiver;
use support::Folder;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const DELEGATED: &str =
    "2|apnic|20261121|1|19830613|20261120|+1000\napnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A91A5C3E\n";
const RULES: &str = "header GLOBALSPEED_PH X-Spam-Relays-Untrusted =~ /^\\[ ip=180\\.94\\.(?:\\d|[12]\\d|3[01])\\.\\d{1,3} /\n\
                     describe GLOBALSPEED_PH [PH]GLOBALSPEED-PH\nscore GLOBALSPEED_PH 1.5\n";
const WHOIS: &str = "% stand-in\r\n\r\ninetnum:  180.94.0.0 - 180.94.31.255\r\nnetname:  GLOBALSPEED-PH\r\ncountry:  PH\r\n\
                     status:   ALLOCATED PORTABLE\r\nsource:   APNIC\r\n\r\ninetnum:  180.94.8.0 - 180.94.8.255\r\n\
                     netname:  Warpspeed-2-Tel\r\ncountry:  PH\r\nstatus:   ALLOCATED NON-PORTABLE\r\nsource:   APNIC\r\n";

struct Isp(Folder);

impl Isp {
    fn run(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        let here = self.0.0.display();
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .arg("isp")
            .args(if arguments.contains(&"--file") { Vec::new() } else { vec![format!("--file={here}/isp.cf")] })
            .args(["--data", &format!("{here}/data")])
            .args(["--config", &self.0.file("sekisho.toml", "[rules]\nset = \"shipped\"\n").display().to_string()])
            .args(arguments)
            .env("SEKISHO_CACHE", self.0.0.join("cache"))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    fn delegated(&self, text: &str) {
        fs::create_dir_all(self.0.0.join("data")).unwrap();
        fs::write(self.0.0.join("data/delegated-apnic-extended-latest"), text).unwrap();
    }
}

/// A whois server that always says the same; what it was asked comes back through the channel.
fn whois() -> (u16, Receiver<String>) {
    server(b"\n", WHOIS.to_owned())
}

/// Answers what ends so, always with the same, and tells what it was asked.
fn server(end: &'static [u8], answer: String) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            let mut byte = [0];
            while !asked.ends_with(end) && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                asked.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if tell.send(String::from_utf8(asked).unwrap()).is_err() {
                return;
            }
        }
    });
    (port, told)
}

#[test]
fn the_talks_example_end_to_end() {
    let isp = Isp(Folder::new("isp-talk"));
    isp.delegated(DELEGATED);
    let spam = format!("{REPOSITORY}/samples/talk-yahoo-japan.eml");
    let (port, asked) = whois();
    let server = format!("127.0.0.1:{port}");

    // Both levels are shown, offline the registry's line alone.
    let (said, _, code) = isp.run(&["lookup", &spam]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("180.94.8.6\n    apnic: 180.94.0.0/19, PH, allocated since 20090709"), "{said}");
    let (said, _, _) = isp.run(&["lookup", "180.94.8.6", "--server", &server]);
    assert_eq!(asked.recv().unwrap(), "180.94.8.6\r\n");
    let (child, parent) = (said.find("180.94.8.0/24: Warpspeed-2-Tel"), said.find("180.94.0.0/19: GLOBALSPEED-PH"));
    assert!(child.is_some() && child < parent, "{said}");

    // The parent is what the talk's author registered.
    let (said, error, code) =
        isp.run(&["propose", &spam, "--server", &server, "--ham", &format!("{REPOSITORY}/samples/newsletter.eml")]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.starts_with(RULES), "{said}");
    assert!(said.contains("180.94.0.0/19: 8192 addresses") && said.contains("0 of 1 good messages"), "{said}");
    let (said, _, code) = isp.run(&["propose", &spam, "--server", &server, "--ham", &spam]);
    assert!(code == Some(1) && said.contains("hits good mail"), "{said}");

    // Added, listed, judged with.
    let add = ["add", "180.94.0.0/19", "--name", "GLOBALSPEED_PH", "--title", "GLOBALSPEED-PH"];
    assert_eq!(isp.run(&add).2, Some(0));
    assert_eq!(isp.run(&add).2, Some(1), "it is there already");
    assert_eq!(isp.run(&["export"]).0.trim_end(), RULES.trim_end());
    let file = isp.0.0.join("isp.cf");
    let check = |expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["check", "--rule-set", "none", "--rules"])
            .arg(&file)
            .arg(&spam)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(expected), "{expected} in {said}");
    };
    check(" 1.5 GLOBALSPEED_PH         [PH]GLOBALSPEED-PH");

    // Nothing changed; then the range has another holder.
    assert_eq!(isp.run(&["verify"]).2, Some(0));
    isp.delegated(&DELEGATED.replace("A91A5C3E", "A9000000"));
    let (said, _, code) = isp.run(&["verify", "--suspend"]);
    assert!(code == Some(1) && said.contains("GLOBALSPEED_PH: 180.94.0.0/19 has another holder"), "{said}");
    assert!(isp.run(&["list"]).0.contains("suspended: 180.94.0.0/19 has another holder"));
    assert!(isp.run(&["export"]).0.contains("score GLOBALSPEED_PH 0\n"));
    assert_eq!(isp.run(&["resume", "GLOBALSPEED_PH"]).2, Some(0));
    check(" 1.5 GLOBALSPEED_PH");
    // Good mail from there is reason enough too.
    let (said, _, code) = isp.run(&["verify", "--ham", &spam]);
    assert!(code == Some(1) && said.contains("good mail came from 180.94.8.6"), "{said}");
    assert_eq!(isp.run(&["remove", "GLOBALSPEED_PH"]).2, Some(0));
    assert_eq!(isp.run(&["list"]).2, Some(1));
}

#[test]
fn a_user_prefs_is_taken_over() {
    let isp = Isp(Folder::new("isp-import"));
    isp.delegated(DELEGATED);
    let prefs = isp.0.file(
        "user_prefs",
        &format!(
            "{RULES}header SOMENET_KR X-Spam-Relays-Untrusted =~ /^\\[ ip=180\\.94\\.1\\./\ndescribe SOMENET_KR [KR]SOMENET\n\
             score SOMENET_KR 2\nheader ODD X-Spam-Relays-Untrusted =~ /^\\[ ip=10\\.(?!1)/\n"
        ),
    );
    let (said, error, code) = isp.run(&["import", &prefs.display().to_string()]);
    assert_eq!(code, Some(1), "one line is not understood: {said}{error}");
    assert!(said.contains("2 networks taken over, 0 were there already"), "{said}");
    assert!(
        said.contains("GLOBALSPEED_PH and SOMENET_KR both hold 180.94.1.0/24, and they say different countries"),
        "{said}"
    );
    assert!(error.contains("user_prefs:7: ODD: its pattern is more than octets"), "{error}");
    let (said, _, code) = isp.run(&["verify"]);
    assert!(
        code == Some(1) && said.contains("SOMENET_KR: 180.94.0.0/19 is in PH, not in KR") || said.contains("1 of 2"),
        "{said}"
    );
    let (said, _, _) = isp.run(&["import", &prefs.display().to_string()]);
    assert!(said.contains("0 networks taken over, 2 were there already"), "{said}");
}

/// What the service judged speaks for a network or against it, and the postmaster is told.
#[test]
fn the_history_speaks_of_networks() {
    let isp = Isp(Folder::new("isp-history"));
    isp.delegated(DELEGATED);
    let here = isp.0.0.display().to_string();
    let config = isp.0.file(
        "with-store.toml",
        &format!("[rules]\nset = \"shipped\"\n[store]\nlocation = \"{here}/store\"\n[notify]\npostmaster = \"root@example.test\"\n"),
    );
    let file = format!("{here}/isp.cf");
    fs::write(&file, RULES).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args([
                "isp",
                "--file",
                &file,
                "--data",
                &format!("{here}/data"),
                "--config",
                &config.display().to_string(),
            ])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap(), output.status.code())
    };
    let store = store::Store::open(&format!("{here}/store").parse().unwrap()).unwrap();
    let now = support::now();
    let add = |rule: &str, spam: bool, number: u8| {
        let hits = vec![store::history::Hit { rule: rule.into(), ..Default::default() }];
        let details = [("handed_over_by".to_owned(), "180.94.8.6".to_owned())].into();
        let entry = store::history::Entry { details, spam, hits, ..Default::default() };
        store.history().add(store::Time::from_seconds(now - 60 - i64::from(number)), &[number; 32], entry).unwrap();
    };
    add("GLOBALSPEED_PH", true, 1);
    assert_eq!(run(&["verify"]).2, Some(0));
    let (said, _, code) = run(&["stats"]);
    assert!(
        code == Some(0)
            && said.lines().any(|line| line.ends_with("GLOBALSPEED_PH") && line.starts_with("       1        0")),
        "{said}"
    );
    // It spoke yesterday, so it is not silent; without its history it would be.
    assert_eq!(run(&["expire", "--days", "5"]).2, Some(0));
    assert!(fs::read_to_string(&file).unwrap().contains("\"seen\":\""));

    // A Received field that the sender wrote says nothing of a network.
    let forged = store::history::Entry {
        client_address: "2001:db8::1".into(),
        relays: vec!["[ ip=2001:db8::1 rdns= ]".into(), "[ ip=180.94.8.6 rdns= ]".into()],
        details: [("handed_over_by".to_owned(), "2001:db8::1".to_owned())].into(),
        hits: vec![store::history::Hit { rule: "DMARC_PASS".into(), ..Default::default() }],
        ..Default::default()
    };
    store.history().add(store::Time::from_seconds(now - 70), &[9; 32], forged).unwrap();
    assert_eq!(run(&["verify"]).2, Some(0));

    add("DMARC_PASS", false, 2);
    let (said, error, code) = run(&["verify", "--suspend", "--tell"]);
    assert!(code == Some(1) && said.contains("GLOBALSPEED_PH: good mail came from 180.94.8.6"), "{said}{error}");
    assert!(fs::read_to_string(&file).unwrap().contains("score GLOBALSPEED_PH 0\n"));
    let notices = store.outbox().list(None, 10).unwrap();
    assert_eq!(
        notices.iter().map(|notice| (notice.kind.as_str(), notice.recipient.lossy())).collect::<Vec<_>>(),
        [("networks", "root@example.test".to_owned())]
    );
    assert_eq!(run(&["expire", "--days", "5", "--remove"]).2, Some(0));
    assert_eq!(run(&["list"]).2, Some(1));
}

/// What root adds the service can suspend.
#[test]
fn what_root_adds_is_the_services() {
    use std::os::unix::fs::{MetadataExt, chown};
    let isp = Isp(Folder::new("isp-owner"));
    let home = isp.0.0.join("home");
    fs::create_dir_all(&home).unwrap();
    if chown(&home, Some(65534), Some(65534)).is_err() {
        eprintln!("skipped: only root can give away a folder");
        return;
    }
    let file = home.join("isp/isp.cf");
    let (said, error, code) =
        isp.run(&["add", "180.94.0.0/19", "--name", "ADDED", "--file", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{said}{error}");
    for path in [file.as_path(), file.parent().unwrap()] {
        let about = fs::metadata(path).unwrap();
        assert_eq!((about.uid(), about.gid()), (65534, 65534), "{}", path.display());
    }
}

/// RDAP is asked once; what it said is kept, for the neighbours too, and there is a limit.
#[test]
fn rdap_is_asked_seldom() {
    let isp = Isp(Folder::new("isp-rdap"));
    isp.delegated(DELEGATED);
    let json = r#"{"startAddress":"180.94.0.0","endAddress":"180.94.31.255","name":"GLOBALSPEED-PH","country":"PH","type":"ALLOCATED PORTABLE"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/rdap+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
        json.len()
    );
    let (port, told) = server(b"\r\n\r\n", answer);
    let server = format!("http://127.0.0.1:{port}/rdap");
    let (said, error, code) = isp.run(&["lookup", "180.94.8.6", "--server", &server]);
    assert!(code == Some(0) && said.contains("180.94.0.0/19: GLOBALSPEED-PH"), "{said}{error}");
    assert!(told.recv().unwrap().starts_with("GET /rdap/ip/180.94.8.6 "));
    let (said, error, _) = isp.run(&["propose", "180.94.20.6", "--server", &server]);
    assert!(said.starts_with(RULES), "{said}{error}");
    assert!(told.try_recv().is_err(), "the neighbour was known");
}
