//! Networks of digests: Pyzor beside the real `pyzord` and `pyzor`, DCC beside a stand-in for its daemon (no package has it),
//! Razor beside a stand-in for its servers (nobody can have them).

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::Folder;

const KEY: &str = "0123456789abcdef0123456789abcdef01234567";

/// The server of the package, with its own files and database.
struct Pyzord {
    child: Child,
    port: u16,
}

impl Pyzord {
    /// `None`: not installed.
    fn start(folder: &Folder) -> Option<Pyzord> {
        if !Path::new("/usr/bin/pyzord").exists() {
            eprintln!("pyzor is not installed: not compared");
            return None;
        }
        let home = folder.0.join("pyzord");
        std::fs::create_dir_all(&home).unwrap();
        folder.file("pyzord/pyzord.passwd", &format!("bob : {KEY}\n"));
        folder.file("pyzord/pyzord.access", "check ping info : anonymous : allow\nall : bob : allow\n");
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("/usr/bin/pyzord")
            .arg("--homedir")
            .arg(&home)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-e", "gdbm", "--dsn", "pyzord.db"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Pyzord { child, port };
        support::wait_until("pyzord to answer", || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let ping = b"Op: ping\nThread: 2000\nPV: 2.1\nUser: anonymous\n\n";
            socket.send_to(ping, ("127.0.0.1", server.port)).is_ok() && socket.recv(&mut [0; 1000]).is_ok()
        });
        Some(server)
    }
}

impl Drop for Pyzord {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Mail of the kinds whose text is made in different ways.
fn mails() -> Vec<String> {
    let lines: String = (0..30).map(|n| format!("This is line number {n} of a letter to nobody\n")).collect();
    let head = "From: a@example.com\nTo: b@example.org\nSubject: digest\nMIME-Version: 1.0\n";
    let base64 = "VGhpcyBpcyB0aGUgZmlyc3QgbGluZSBvZiBpdAphbmQgaGVyZSBpcyBhbm90aGVyIG9uZQpkw6lqw6AgdnUgYWxvcnMgcXVvaQo=";
    vec![
        format!("{head}\n{lines}"),
        format!("{head}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{base64}\n"),
        format!(
            "{head}Content-Type: text/plain; charset=\"iso-8859-1\"\nContent-Transfer-Encoding: quoted-printable\n\nd=E9j=E0 \
             vu, dit-il, et =\nil s'en alla =85 enfin\nmail me@example.net or http://x.example/y now please\n"
        ),
        format!(
            "{head}Content-Type: text/html\n\n<html><style>p {{ }}</style><p>Hello &eacute;l&egrave;ves &amp; friends<br>one \
             more &#8217;line&#x2019; here<script>if (a<b) x()</script><![if x]>shown<![endif]> at <b>the end</b> of it &am"
        ),
        format!(
            "{head}Content-Type: multipart/mixed; boundary=b\n\npreamble not seen\n--b\n\nfirst part with text\n--b\nContent-Type: \
             application/octet-stream\nContent-Transfer-Encoding: base64\n\n{base64}\n--b\nContent-Type: message/rfc822\n\nSubject: \
             inner\n\ninner text of the letter\n--b--\nepilogue not seen\n"
        ),
        format!("{head}Content-Type: multipart/mixed\n\nno boundary at all, but text\n"),
    ]
}

struct Site {
    folder: Folder,
    config: PathBuf,
}

impl Site {
    fn new(name: &str, digests: &str, rules: &str) -> Site {
        let folder = Folder::new(name);
        folder.file("own.cf", rules);
        Site::of(folder, digests)
    }

    fn of(folder: Folder, digests: &str) -> Site {
        let config =
            folder.file("sekisho.toml", &format!("[dns]\nservers = [\"127.0.0.1:9\"]\n[digests]\n{digests}\n"));
        Site { folder, config }
    }

    fn check(&self, mail: &Path, more: &[&str]) -> serde_json::Value {
        let output = self.call(&["check", "--no-cache", "--no-signatures", "--format", "json"], mail, more);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn report(&self, mail: &Path, more: &[&str]) -> Output {
        self.call(&["report"], mail, more)
    }

    fn call(&self, command: &[&str], mail: &Path, more: &[&str]) -> Output {
        let mut call = self.folder.command(command);
        call.args(["--rule-set", "none", "--rules"]).arg(self.folder.0.join("own.cf"));
        call.arg("--config").arg(&self.config).args(more).arg(mail).env_remove("SEKISHO_LOCAL").output().unwrap()
    }
}

fn hits(report: &serde_json::Value) -> Vec<String> {
    report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap().to_owned()).collect()
}

const PYZOR_RULES: &str = "loadplugin Mail::SpamAssassin::Plugin::Pyzor\nfull PYZOR_CHECK eval:check_pyzor()\n\
                           tflags PYZOR_CHECK net\nscore PYZOR_CHECK 3\npyzor_count_min 2\npyzor_welcomelist_min 3\n\
                           pyzor_timeout 20\n";

#[test]
fn pyzor_is_asked_told_and_told_otherwise() {
    let folder = Folder::new("digests-pyzor");
    let Some(server) = Pyzord::start(&folder) else { return };
    folder.file("own.cf", PYZOR_RULES);
    let accounts = folder.file("accounts", &format!("127.0.0.1 : {} : bob : salt,{KEY}\n", server.port));
    let server_line = format!("pyzor = [\"127.0.0.1:{}\"]", server.port);
    let site = Site::of(folder, &format!("{server_line}\npyzor_accounts = \"{}\"", accounts.display()));
    let mail = site.folder.file("mail.eml", &mails()[0]);
    assert!(hits(&site.check(&mail, &[])).is_empty(), "nobody reported it yet");
    for _ in 0..2 {
        let told = site.report(&mail, &[]);
        let said = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success() && said.contains("Pyzor"), "{said}");
    }
    let tape = site.folder.0.join("answers.json");
    let tape = tape.to_str().unwrap();
    let report = site.check(&mail, &["--record", tape]);
    assert_eq!(hits(&report), ["PYZOR_CHECK"], "{report}");
    // Their own client finds under the digest it makes what we reported.
    let home = site.folder.file("client/servers", &format!("127.0.0.1:{}\n", server.port));
    let output = Command::new("/usr/bin/pyzor")
        .arg("--homedir")
        .arg(home.parent().unwrap())
        .arg("check")
        .stdin(std::fs::File::open(&mail).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.trim_end().ends_with("\t2\t0"), "{said}");
    for _ in 0..3 {
        assert!(site.report(&mail, &["--revoke"]).status.success());
    }
    assert!(hits(&site.check(&mail, &[])).is_empty(), "welcomed often enough");
    // With the network off nobody is asked; what was recorded is replayed.
    assert!(hits(&site.check(&mail, &["-L"])).is_empty());
    drop(server);
    assert_eq!(hits(&site.check(&mail, &["--replay", tape])), ["PYZOR_CHECK"]);
}

#[test]
fn spamc_reports_and_revokes_through_the_service() {
    let folder = Folder::new("digests-tell");
    let Some(server) = Pyzord::start(&folder) else { return };
    if !Path::new("/usr/bin/spamc").exists() {
        eprintln!("spamc is not installed: not tried");
        return;
    }
    let root = folder.0.display().to_string();
    folder.file("own.cf", &PYZOR_RULES.replace("pyzor_count_min 2", "pyzor_count_min 1"));
    folder.file("accounts", &format!("127.0.0.1 : {} : bob : salt,{KEY}\n", server.port));
    let settings = format!(
        "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = \
         [\"{root}/own.cf\"]\n[store]\nlocation = \"\"\n[learn]\nfolder = \"{root}/learn\"\ntell = true\n[signatures]\nfolders = \
         []\n[dns]\nservers = [\"127.0.0.1:9\"]\n[digests]\npyzor = [\"127.0.0.1:{}\"]\npyzor_accounts = \
         \"{root}/accounts\"\ntell = true\n",
        server.port
    );
    let sekisho = support::Sekisho::start_asking(&folder, &settings);
    let port = sekisho.port("spamd").to_string();
    let spamc = |arguments: &[&str]| {
        let arguments = [&["-d", "127.0.0.1", "-p", &port], arguments].concat();
        let (said, code) = support::filter("/usr/bin/spamc", &arguments, mails()[0].as_bytes());
        (String::from_utf8_lossy(&said).trim().to_owned(), code)
    };
    assert_eq!(spamc(&["-y"]).0, "");
    assert_eq!(spamc(&["-C", "report"]), ("Message successfully reported/revoked".to_owned(), Some(0)));
    assert_eq!(spamc(&["-y"]).0, "PYZOR_CHECK");
    for _ in 0..3 {
        assert_eq!(spamc(&["-C", "revoke"]).1, Some(0));
    }
    assert_eq!(spamc(&["-y"]).0, "");
}

#[test]
fn the_digest_is_theirs() {
    if !Path::new("/usr/bin/pyzor").exists() {
        eprintln!("pyzor is not installed: not compared");
        return;
    }
    let folder = Folder::new("digests-same");
    for (number, mail) in mails().iter().enumerate() {
        let file = folder.file(&format!("{number}.eml"), mail);
        let output = Command::new("/usr/bin/pyzor")
            .arg("--homedir")
            .arg(&folder.0)
            .arg("digest")
            .stdin(std::fs::File::open(&file).unwrap())
            .output()
            .unwrap();
        let theirs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(protocols::pyzor::digest(mail.as_bytes()), theirs, "{mail}");
    }
}

#[test]
fn a_server_that_is_silent_or_talks_nonsense_is_told_and_hits_nothing() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut packet = [0; 4096];
        while let Ok((_, from)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(b"\xff\xfe Code: x\n", from);
        }
    });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    for port in [port, silent.local_addr().unwrap().port()] {
        let rules = PYZOR_RULES.replace("pyzor_timeout 20", "pyzor_timeout 1");
        let digests = format!("pyzor = [\"127.0.0.1:{port}\"]\nunanswered = 0.5");
        let site = Site::new(&format!("digests-silent-{port}"), &digests, &rules);
        let mail = site.folder.file("mail.eml", &mails()[0]);
        let report = site.check(&mail, &[]);
        assert_eq!(hits(&report), ["DIGEST_UNANSWERED"], "{report}");
        assert_eq!(report["score"], 0.5);
        assert!(report.to_string().contains("no usable answer in time from Pyzor"), "{report}");
        assert_eq!(site.report(&mail, &[]).status.code(), Some(2));
    }
}

const DCC_RULES: &str = "loadplugin Mail::SpamAssassin::Plugin::DCC\ninternal_networks 198.51.100.0/24\n\
                         trusted_networks 198.51.100.0/24\nfull DCC_CHECK eval:check_dcc()\ntflags DCC_CHECK net\n\
                         full DCC_REPUT eval:check_dcc_reputation_range('70', '89')\ntflags DCC_REPUT net\n\
                         full DCC_LOW eval:check_dcc_reputation_range('0', '69')\ntflags DCC_LOW net\ndcc_timeout 20\n\
                         dcc_fuz2_max 500\n";

/// Answers each conversation with this, and keeps what was said to it.
fn dccifd(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut said = String::new();
            let _ = stream.read_to_string(&mut said);
            let _ = stream.write_all(answer.as_bytes());
            if sender.send(said).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

#[test]
fn dcc_counts_and_reputations() {
    let mail = "Received: from relay.example.com (relay.example.com [192.0.2.10])\n\tby mx.example.org (Postfix) with ESMTP id \
                1\n\tfor <ann@example.org>; Sat, 21 Nov 2026 10:00:00 +0900 (JST)\nFrom: a@example.com\nSubject: x\n\nbody\n";
    for (answer, expected) in [
        (
            "A\nA\nX-DCC-test-Metrics: mx 1; Body=1 Fuz1=2 Fuz2=many rep=75%\n\nreported: 1\n",
            &["DCC_CHECK", "DCC_REPUT"][..],
        ),
        ("A\nA\nX-DCC-test-Metrics: mx 1; Body=1 Fuz1=2\n\tFuz2=499 rep=3%\n", &["DCC_LOW"]),
        ("A\nA\nX-DCC-test-Metrics: mx 1; Body=1\n", &[]),
        ("T\nno\n", &["DIGEST_UNANSWERED"]),
    ] {
        let (port, said) = dccifd(answer);
        let site = Site::new(&format!("digests-dcc-{port}"), &format!("dcc = \"127.0.0.1:{port}\""), DCC_RULES);
        let file = site.folder.file("mail.eml", mail);
        let report = site.check(&file, &[]);
        assert_eq!(hits(&report), expected, "{report}");
        let said = said.recv().unwrap();
        let envelope =
            "cksums grey-off \n192.0.2.10\rrelay.example.com\nrelay.example.com\n\nunknown\n\nReceived: from";
        assert!(said.starts_with(envelope) && said.ends_with("\n\nbody\n"), "{said}");
    }
    let (port, said) = dccifd("A\nA\nX-DCC-test-Metrics: mx 1; Body=many\n");
    let site = Site::new("digests-dcc-report", &format!("dcc = \"127.0.0.1:{port}\""), DCC_RULES);
    let file = site.folder.file("mail.eml", mail);
    assert!(site.report(&file, &[]).status.success());
    assert!(said.recv().unwrap().starts_with("header spam grey-off \n"));
    // Nothing can be taken back there, so there is nobody to tell.
    assert_eq!(site.report(&file, &["--revoke"]).status.code(), Some(2));
}

/// A server of all three kinds: it knows what it was told, and believes who answers its challenge as `secret` does.
fn razor() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let known = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let known = known.clone();
            std::thread::spawn(move || {
                let mut out = stream.try_clone().unwrap();
                out.write_all(b"sn=C&srl=9&a=cg&ep4=7542-10\r\n").unwrap();
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                let mut believed = false;
                let mut batch: Option<String> = None;
                for line in lines {
                    let field = |name: &str| {
                        let mut pairs = line.trim_start_matches('-').split('&').filter_map(|pair| pair.split_once('='));
                        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
                    };
                    if line.starts_with('-') {
                        batch = Some("-".to_owned());
                    }
                    let signature = format!("{} {}", field("e"), field("s"));
                    let mut known = known.lock().unwrap();
                    let said = match field("a").as_str() {
                        _ if line == "." => batch.take().unwrap() + ".\r\n",
                        "q" => return,
                        "g" if field("pm") == "state" => "-ac=20&se=88&bql=4&bqs=16&dre=4\r\n.\r\n".to_owned(),
                        "g" => format!("-{}=?\r\n127.0.0.1:{port}\r\n.\r\n", field("pm")),
                        "c" if known.contains(&signature) => "p=1&cf=95\r\n".to_owned(),
                        "c" => "p=0\r\n".to_owned(),
                        "reg" => "res=1&user=bob&pass=secret\r\n".to_owned(),
                        "ai" if field("user") == "bob" => "achal=challenge\r\n".to_owned(),
                        "auth" => {
                            believed = field("aresp") == PROOF;
                            format!("res={}\r\n", u8::from(believed))
                        }
                        "r" if believed => {
                            known.insert(signature);
                            "res=1\r\n".to_owned()
                        }
                        "revoke" if believed => {
                            known.remove(&signature);
                            "res=1\r\n".to_owned()
                        }
                        "" => continue,
                        _ => "err=202\r\n".to_owned(),
                    };
                    match &mut batch {
                        Some(batch) => batch.push_str(&said),
                        None => out.write_all(said.as_bytes()).unwrap(),
                    }
                }
            });
        }
    });
    port
}

/// As the agents' own `hmac_sha1` has it for this challenge and password.
const PROOF: &str = "GNdo-181nSO7quEUUjvIu8BozJIA";

const RAZOR_RULES: &str = "loadplugin Mail::SpamAssassin::Plugin::Razor2\nfull RAZOR2_CHECK eval:check_razor2()\ntflags \
                           RAZOR2_CHECK net\nfull RAZOR2_CF_RANGE_51_100 eval:check_razor2_range('','51','100')\ntflags \
                           RAZOR2_CF_RANGE_51_100 net\nfull E8 eval:check_razor2_range('8','51','100')\ntflags E8 net\n\
                           razor_timeout 20\n";

#[test]
fn razor_is_asked_told_and_told_otherwise() {
    let port = razor();
    let name = "digests-razor";
    let home = std::env::temp_dir().join(format!("sekisho-razor-home-{}", std::process::id()));
    let digests = format!("razor = [\"127.0.0.1:{port}\"]\nrazor_home = {home:?}");
    let site = Site::new(name, &digests, RAZOR_RULES);
    let text = mails()[0].replace("nobody\n", "nobody at http://www.example.com/x\n");
    let mail = site.folder.file("mail.eml", &text);
    assert!(hits(&site.check(&mail, &[])).is_empty());
    // The first report registers us, the second finds who we are.
    for _ in 0..2 {
        let told = site.report(&mail, &[]);
        let said = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success() && said.contains("Razor"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(home.join("identity")).unwrap(), "user = bob\npass = secret\n");
    let report = site.check(&mail, &[]);
    let mut found = hits(&report);
    found.sort();
    assert_eq!(found, ["RAZOR2_CF_RANGE_51_100", "RAZOR2_CHECK"], "{report}");
    assert!(site.report(&mail, &["--revoke"]).status.success());
    assert!(hits(&site.check(&mail, &[])).is_empty());
    std::fs::remove_dir_all(home).unwrap();
}
