//! Name servers that are asked over TLS: the real unbound on loopback, with a certificate of our own authority, and with
//! everything that can be wrong with it.

mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::dns::{Dns, Manner, records};
use support::{Folder, Sekisho, free_port, wait_until};

fn openssl(folder: &Folder, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(&folder.0).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `NAME.pem` of an authority, and its key.
fn authority(folder: &Folder, name: &str) {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let subject = format!("/CN=Test {name}");
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    openssl(folder, &[&new[..], &["-subj", &subject, "-keyout", &key, "-out", &certificate]].concat());
}

/// `server.pem` for ns.example and 127.0.0.1, signed by the authority `ca`.
fn certificates(folder: &Folder) {
    authority(folder, "ca");
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=ns.example"];
    openssl(folder, &[&new[..], &["-keyout", "server.key", "-out", "server.csr"]].concat());
    folder.file("san", "subjectAltName=DNS:ns.example,IP:127.0.0.1\n");
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(folder, &[&sign[..], &["-days", "30", "-extfile", "san", "-out", "server.pem"]].concat());
}

/// The real one, on this port over TLS alone.
struct Unbound(Child);

impl Unbound {
    fn start(folder: &Folder, port: u16, lists: usize) -> Unbound {
        let mut text = format!(
            "server:\n  interface: 127.0.0.1@{port}\n  tls-port: {port}\n  tls-service-key: \"{0}/server.key\"\n\
             \x20 tls-service-pem: \"{0}/server.pem\"\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n\
             \x20 directory: \"{0}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  num-threads: 1\n\
             \x20 access-control: 127.0.0.0/8 allow\n  module-config: \"iterator\"\n  local-zone: \".\" refuse\n\
             \x20 local-zone: \"list.test.\" static\n",
            folder.0.display()
        );
        for n in 0..lists {
            for entry in ["9.113.0.203", "2.0.0.127"] {
                writeln!(text, "  local-data: \"{entry}.l{n}.list.test. A 127.0.0.2\"").unwrap();
            }
        }
        text.push_str("remote-control:\n  control-enable: no\n");
        let file = folder.file("unbound.conf", &text);
        let log = std::fs::File::create(folder.0.join("unbound.log")).unwrap();
        let mut unbound = Command::new("unbound");
        unbound.args(["-d", "-c"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let unbound = Unbound(unbound.spawn().expect("unbound (apt-get install unbound)"));
        wait_until("unbound listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        unbound
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands connections on, and counts them.
fn counted(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (mut from, mut into) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = from.read(&mut buffer) {
                        if into.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (port, counted)
}

fn own_rules(folder: &Folder, lists: usize) {
    let mut rules = String::from(
        "loadplugin Mail::SpamAssassin::Plugin::DNSEval\ninternal_networks 198.51.100.0/24\n\
         trusted_networks 198.51.100.0/24\n",
    );
    for n in 0..lists {
        let rule = format!("header L{n} eval:check_rbl('s{n}-lastexternal', 'l{n}.list.test.')");
        writeln!(rules, "{rule}\ntflags L{n} net\nscore L{n} 1").unwrap();
    }
    folder.file("own.cf", &rules);
}

const MAIL: &str = "Received: from mail.sender.test (mail.sender.test [203.0.113.9])\n\tby mx.example.test with ESMTP id 1\n\t\
                    for <b@example.test>; Mon, 1 Jun 2026 10:00:00 +0000\nReceived: from mx.example.test ([198.51.100.1]) by \
                    in.example.test with ESMTP; Mon, 1 Jun 2026 10:00:00 +0000\nFrom: a@sender.test\nTo: b@example.test\n\
                    Subject: x\n\nhello\n";

fn config(folder: &Folder, servers: &[String], authorities: &str) -> PathBuf {
    let text = format!(
        "[dns]\nservers = {servers:?}\nauthorities = \"{}\"\ntimeout = \"10s\"\ndeadline = \"20s\"\n",
        folder.0.join(authorities).display()
    );
    folder.file("sekisho.toml", &text)
}

/// What `sekisho check` prints as JSON, and what it says beside.
fn check(folder: &Folder, servers: &[String], authorities: &str) -> (serde_json::Value, String) {
    let (config, mail) = (config(folder, servers, authorities), folder.file("mail.eml", MAIL));
    let output = folder
        .command(&["check", "--rule-set", "none", "--no-cache", "--no-signatures", "--format", "json", "--rules"])
        .arg(folder.0.join("own.cf"))
        .arg("--config")
        .arg(&config)
        .arg(&mail)
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}")), said)
}

fn hits(report: &serde_json::Value) -> Vec<&str> {
    report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap()).collect()
}

fn dns_test(folder: &Folder, servers: &[String], authorities: &str, more: &[&str]) -> (String, Option<i32>) {
    let config = config(folder, servers, authorities);
    let output = folder
        .command(&["dns", "test", "--rule-set", "none", "--no-cache", "--config"])
        .arg(&config)
        .args(more)
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.code())
}

#[test]
fn a_server_with_a_good_certificate_answers_everything_over_one_connection() {
    let folder = Folder::new("dns-tls-good");
    certificates(&folder);
    own_rules(&folder, 30);
    let port = free_port();
    let _unbound = Unbound::start(&folder, port, 30);
    let (through, connections) = counted(port);
    let (report, said) = check(&folder, &[format!("tls://127.0.0.1:{through}#ns.example")], "ca.pem");
    assert_eq!(hits(&report).len(), 30, "{report} {said}");
    assert!(said.is_empty(), "{said}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // By its address, which the certificate bears too.
    let servers = [format!("tls://127.0.0.1@{port}")];
    let (said, code) = dns_test(&folder, &servers, "ca.pem", &["2.0.0.127.l0.list.test", "nothing.list.test"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("ok   tls://127.0.0.1:{port}: TLSv1_3, certificate good")), "{said}");
    assert!(said.contains("127.0.0.2") && said.contains("no such name"), "{said}");
}

#[test]
fn another_name_another_authority_and_a_dead_server_are_told_with_a_remedy() {
    let folder = Folder::new("dns-tls-wrong");
    certificates(&folder);
    authority(&folder, "other");
    own_rules(&folder, 2);
    let (port, dead) = (free_port(), free_port());
    let _unbound = Unbound::start(&folder, port, 2);
    for (server, authorities, expected) in [
        (format!("tls://127.0.0.1:{port}#resolver.example"), "ca.pem", "does not bear the name resolver.example"),
        (format!("tls://127.0.0.1:{port}#ns.example"), "other.pem", "[dns] authorities"),
        (format!("tls://127.0.0.1:{dead}#ns.example"), "ca.pem", "nothing listens on port"),
    ] {
        let servers = std::slice::from_ref(&server);
        let (report, said) = check(&folder, servers, authorities);
        assert_eq!(hits(&report), ["DNS_UNANSWERED"], "{report}");
        assert!(said.contains(&format!("dns: {server} is not asked: ")) && said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let (said, code) = dns_test(&folder, servers, authorities, &["2.0.0.127.l0.list.test"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("BAD  {server}: ")) && said.contains(expected), "{said}");
        assert!(said.contains("no answer") && !said.contains("127.0.0.2"), "{said}");
    }
    let bad = format!("tls://127.0.0.1:{port}#resolver.example");
    let (said, _) = dns_test(&folder, &[bad], "ca.pem", &["--format", "json", "x.list.test"]);
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(first["ok"] == false && first["why"].as_str().unwrap().contains("ns.example"), "{said}");
    // Of several servers those that are good answer.
    let (through, connections) = counted(port);
    let servers = [format!("tls://127.0.0.1:{through}#resolver.example"), format!("tls://127.0.0.1:{port}#ns.example")];
    let (report, said) = check(&folder, &servers, "ca.pem");
    assert_eq!(hits(&report), ["L0", "L1"], "{report} {said}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "left alone after the first");
}

/// A server that speaks plain text alone, at the place of one that ought to speak TLS.
#[test]
fn nothing_goes_out_in_plain_text() {
    let folder = Folder::new("dns-tls-plain");
    certificates(&folder);
    own_rules(&folder, 2);
    let dns = Dns::start(&[("*.list.test", records(&["A 127.0.0.2"])), ("x.test", Manner::Silence)], Duration::ZERO);
    let encrypted = format!("tls://{}#ns.example", dns.address);
    // Rule files do not lead back to it either.
    let rules = std::fs::read_to_string(folder.0.join("own.cf")).unwrap();
    folder.file("own.cf", &format!("{rules}dns_server [127.0.0.1]:{}\n", dns.address.port()));
    let config = config(&folder, &[encrypted], "ca.pem");
    let text = std::fs::read_to_string(&config).unwrap().replace("10s", "1s");
    std::fs::write(&config, text).unwrap();
    let mail = folder.file("mail.eml", MAIL);
    let output = folder
        .command(&["check", "--rule-set", "none", "--no-cache", "--no-signatures", "--rules"])
        .arg(folder.0.join("own.cf"))
        .arg("--config")
        .arg(&config)
        .arg(&mail)
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(said.contains("DNS_UNANSWERED") && said.contains("is not asked"), "{said}");
    assert!(said.contains("dns_server") && said.contains("is not heeded"), "{said}");
    assert!(dns.asked().is_empty(), "{:?}", dns.asked());
}

#[test]
fn a_file_of_authorities_that_is_none_is_refused() {
    let folder = Folder::new("dns-tls-authorities");
    own_rules(&folder, 1);
    folder.file("none.pem", "nothing in here\n");
    for (file, expected) in [("none.pem", "no certificate in it"), ("missing.pem", "dns.authorities")] {
        let (said, code) = dns_test(&folder, &["tls://127.0.0.1#ns.example".to_owned()], file, &["x.test"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected) && said.contains(file), "{said}");
    }
}

/// In the service: a server that is away is told once, and asked again when it is back, on a new connection.
#[test]
fn a_server_that_comes_back_is_asked_again() {
    let folder = Folder::new("dns-tls-back");
    certificates(&folder);
    own_rules(&folder, 1);
    let port = free_port();
    let settings = format!(
        "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [\"{0}/own.cf\"]\n\
         [store]\nlocation = \"\"\n[learn]\nfolder = \"\"\n[signatures]\nfolders = []\n\
         [dns]\nservers = [\"tls://127.0.0.1:{port}#ns.example\"]\nauthorities = \"{0}/ca.pem\"\nkeep = \"0s\"\n",
        folder.0.display()
    );
    let sekisho = Sekisho::start_asking(&folder, &settings);
    let spamd = sekisho.port("spamd");
    let ask = || {
        let request = format!("SYMBOLS SPAMC/1.2\r\nContent-length: {}\r\n\r\n{MAIL}", MAIL.len());
        let mut stream = TcpStream::connect(("127.0.0.1", spamd)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    assert!(ask().contains("DNS_UNANSWERED") && ask().contains("DNS_UNANSWERED"));
    let told = |what: &str| sekisho.log().iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("is not asked: nothing listens on port"), 1, "{:?}", sekisho.log());
    for _ in 0..2 {
        let _unbound = Unbound::start(&folder, port, 1);
        wait_until("the server is asked again", || ask().contains("L0"));
    }
    assert!(told("can be asked again") >= 1, "{:?}", sekisho.log());
}
