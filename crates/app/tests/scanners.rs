//! Other virus scanners beside `sekisho serve`: the real clamd, and small stand-ins for those that cannot be installed here.
//!
//! Sophie is long gone, SAVDI is sold, and of ICAP servers each speaks a dialect of its own: the stand-ins answer as the
//! documentation and the clients of other mail filters have it, and look into what they are sent.

mod support;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use support::clamd::{Clamd, eicar};
use support::{Folder, Sekisho, filter, free_port, wait_until};

fn serve(folder: &Folder, scanners: &str) -> Sekisho {
    let config = format!(
        "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"shipped\"\n\
         [store]\nlocation = \"\"\n[signatures]\nfolders = []\n{scanners}"
    );
    Sekisho::start(folder, &config)
}

fn http(sekisho: &Sekisho, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", sekisho.port("http"))).unwrap();
    stream.write_all(request).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

fn check(sekisho: &Sekisho, mail: &[u8]) -> Value {
    let head = format!(
        "POST /v1/check?rcpt=ann@example.test&from=joe@example.net HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        mail.len()
    );
    let said = http(sekisho, &[head.as_bytes(), mail].concat());
    let body = said.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn metric(sekisho: &Sekisho, start: &str) -> u64 {
    let said = http(sekisho, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let value = said.lines().find_map(|line| line.strip_prefix(start));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

fn rules(verdict: &Value) -> Vec<&str> {
    let hits = verdict["hits"].as_array().unwrap();
    let names = hits.iter().map(|hit| hit["rule"].as_str().unwrap());
    names.filter(|rule| rule.starts_with("SCANNER_")).collect()
}

/// The first field is one that clamd does not take for a mail's.
fn mail(attachment: &[u8]) -> Vec<u8> {
    let head = "MIME-Version: 1.0\nX-Number: 1\nFrom: Joe <joe@example.net>\nTo: ann@example.test\nSubject: the minutes\n\
                Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <1@example.net>\n\
                Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhere they are\n--b\n\
                Content-Type: application/octet-stream; name=minutes.bin\nContent-Transfer-Encoding: base64\n\n";
    let encoded = String::from_utf8(filter("base64", &[], attachment).0).unwrap();
    [head.as_bytes(), encoded.as_bytes(), b"--b--\n"].concat()
}

fn clamd_scanner(name: &str, address: &str, more: &str) -> String {
    format!("[[scanner]]\nname = \"{name}\"\nkind = \"clamd\"\naddress = {address}\n{more}\n")
}

#[test]
fn the_real_clamd_beside() {
    let folder = Folder::new("beside");
    let clamd = Clamd::start(&folder, "Own.Phish-1:4:*:74686520706869736820\n", "StreamMaxLength 1M\n");
    let addresses = format!("[\"inet:127.0.0.1:{}\", \"unix:{}\"]", free_port(), clamd.socket.display());
    let scanners = [
        clamd_scanner("clamav", &addresses, "size = \"2MiB\"\nscore = 3.5"),
        clamd_scanner("again", &format!("\"unix:{}\"", clamd.socket.display()), "category = \"spam\"\nscore = 2.0"),
    ]
    .concat();
    let sekisho = serve(&folder, &scanners);

    // Only told that it is a mail does clamd open the attachment; of two addresses the first does not answer.
    let bad = mail(&eicar());
    let verdict = check(&sekisho, &bad);
    assert_eq!(
        (verdict["action"].as_str(), verdict["category"].as_str()),
        (Some("reject"), Some("virus")),
        "{verdict}"
    );
    assert_eq!(verdict["reason"], "clamav: Eicar-Test-Signature.UNOFFICIAL");
    assert_eq!(rules(&verdict), ["SCANNER_CLAMAV", "SCANNER_AGAIN"]);
    let hit = &verdict["hits"].as_array().unwrap().iter().find(|hit| hit["rule"] == "SCANNER_CLAMAV").unwrap();
    assert_eq!(
        (hit["score"].as_f64(), hit["description"].as_str()),
        (Some(3.5), Some("clamav found Eicar-Test-Signature.UNOFFICIAL"))
    );
    let good = check(&sekisho, &mail(b"nothing in here"));
    assert!(rules(&good).is_empty() && good["action"] != "reject", "{good}");
    // A signature for mails alone hits the message as a whole.
    let phish = check(&sekisho, &mail(b"x").replacing("here they are", "the phish "));
    assert_eq!(phish["reason"], "clamav: Own.Phish-1.UNOFFICIAL", "{phish}");

    // What is too long for clamd or for us is not looked at, and said so.
    for (length, why) in [(1_500_000, "again: longer than its StreamMaxLength"), (2_200_000, "clamav: not shown to it")]
    {
        let long = "a line of a long mail\n".repeat(length / 22);
        let verdict = check(&sekisho, &mail(b"x").replacing("here they are\n", &long));
        assert!(rules(&verdict).contains(&"SCANNER_CLAMAV_UNCHECKED"), "{verdict}");
        assert_eq!(verdict["category"], "unchecked");
        let hits = verdict["hits"].to_string();
        assert!(hits.contains(why.split_once(": ").unwrap().1), "{why} in {hits}");
    }
    assert_eq!(metric(&sekisho, "sekisho_scanner_total{scanner=\"clamav\",result=\"found\"}"), 2);
    assert_eq!(metric(&sekisho, "sekisho_scanner_total{scanner=\"clamav\",result=\"clean\"}"), 1);
    assert_eq!(metric(&sekisho, "sekisho_scanner_total{scanner=\"clamav\",result=\"incomplete\"}"), 2);

    // `check` and `scanners test` ask them too.
    let file = folder.file("bad.eml", &String::from_utf8(bad).unwrap());
    let config = folder.0.join("sekisho.toml");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(arguments)
            .env("SEKISHO_CACHE", folder.0.join("cache"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (said, output.status.code())
    };
    let others = format!("--scanners={}", config.display());
    let (said, code) = run(&["check", "--rule-set", "shipped", &others, &file.display().to_string()]);
    assert!(code == Some(1) && said.contains("SCANNER_CLAMAV") && said.contains("Eicar-Test-Signature"), "{said}");
    let (said, code) = run(&["scanners", "test", "--config", &config.display().to_string()]);
    assert_eq!(code, Some(1), "{said}"); // the first address
    let of: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(of, ["BAD", "ok ", "ok "], "{said}");
    assert!(said.contains("it answers PONG; test string: found as Eicar-Test-Signature.UNOFFICIAL"), "{said}");
}

/// So that a message can be changed where it is used.
trait Replacing {
    fn replacing(self, from: &str, to: &str) -> Vec<u8>;
}

impl Replacing for Vec<u8> {
    fn replacing(self, from: &str, to: &str) -> Vec<u8> {
        String::from_utf8(self).unwrap().replace(from, to).into_bytes()
    }
}

#[test]
fn a_scanner_that_does_not_answer() {
    let folder = Folder::new("unavailable");
    let clamd = Clamd::start(&folder, "", "");
    let address = format!("\"unix:{}\"", clamd.socket.display());
    // This one takes connections and says nothing.
    let silent = UnixListener::bind(folder.0.join("silent.sock")).unwrap();
    let deaf = clamd_scanner(
        "deaf",
        &format!("\"unix:{}/silent.sock\"", folder.0.display()),
        "deadline = \"300ms\"\non_unavailable = \"unchecked\"",
    );
    let sekisho = serve(&folder, &(clamd_scanner("clamav", &address, "") + &deaf));
    let verdict = check(&sekisho, &mail(b"good"));
    assert_eq!(rules(&verdict), ["SCANNER_DEAF_UNCHECKED"], "{verdict}");
    assert_eq!((verdict["action"].as_str(), verdict["category"].as_str()), (Some("tag"), Some("unchecked")));
    assert!(verdict["reason"].as_str().unwrap().contains("deaf: "), "{verdict}");
    // What one finds is found, whatever the other does.
    assert_eq!(check(&sekisho, &mail(&eicar()))["action"], "reject");
    drop(silent);

    // Gone: mail waits, again and again, without being held up; back: it goes on by itself.
    drop(clamd);
    for _ in 0..6 {
        let verdict = check(&sekisho, &mail(b"good"));
        assert_eq!(verdict["action"], "defer", "{verdict}");
        assert!(verdict["reply"].as_str().unwrap().starts_with("451"), "{verdict}");
        assert!(verdict["reason"].as_str().unwrap().contains("scanner clamav is unavailable"), "{verdict}");
    }
    let left_alone = check(&sekisho, &mail(b"good"));
    assert!(left_alone["reason"].as_str().unwrap().contains("left alone for a while"), "{left_alone}");
    let _clamd = Clamd::start(&folder, "", "");
    wait_until("the scanner is asked again", || check(&sekisho, &mail(b"good"))["action"] != "defer");
    assert_eq!(check(&sekisho, &mail(&eicar()))["category"], "virus");

    // To pass means that the log alone tells.
    drop(sekisho);
    let gone = format!("\"inet:127.0.0.1:{}\"", free_port());
    let sekisho = serve(&folder, &clamd_scanner("gone", &gone, "on_unavailable = \"pass\""));
    let verdict = check(&sekisho, &mail(b"good"));
    assert!(rules(&verdict).is_empty() && verdict["category"] != "unchecked", "{verdict}");
    sekisho.wait_for("scanner gone: ");
}

fn infected(bytes: &[u8]) -> bool {
    let encoded = filter("base64", &[], &eicar()).0;
    bytes.windows(40).any(|window| window == &encoded[..40])
}

/// Reads a path, looks into the file, says what Sophie says.
fn sophie(listener: UnixListener) {
    for stream in listener.incoming().flatten() {
        let mut path = String::new();
        BufReader::new(&stream).read_line(&mut path).unwrap();
        let said = match fs::read(path.trim_end()) {
            Ok(bytes) if infected(&bytes) => "1:EICAR-AV-Test\n",
            Ok(_) => "0\n",
            Err(_) => "-1:cannot open\n",
        };
        let _ = (&stream).write_all(said.as_bytes());
    }
}

/// One client after the other; each may have several messages looked at.
fn savdi(listener: TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let _ = stream.write_all(b"OK SSSP/1.0\r\n");
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for number in 1.. {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                break;
            }
            let mut reply = format!("ACC 5A3C/{number}\r\n");
            match line.trim_end().split_once(' ') {
                None if line.trim_end() == "SSSP/1.0" => {}
                None if line.trim_end() == "BYE" => reply = "BYE\r\n".into(),
                Some(("QUERY", "SERVER")) => reply += "version: stand-in\r\nmaxscandata: 1000000\r\n\r\n",
                Some(("SCANDATA", length)) => {
                    let mut bytes = vec![0; length.parse().unwrap()];
                    reader.read_exact(&mut bytes).unwrap();
                    reply += match (infected(&bytes), String::from_utf8_lossy(&bytes).contains("secret.zip")) {
                        (true, _) => {
                            "EVENT VIRUS\r\nVIRUS EICAR-AV-Test mail/minutes.bin\r\nOK 0203 mail\r\nDONE OK 0203 Virus\r\n\r\n"
                        }
                        (_, true) => "FAIL 0212 mail/secret.zip\r\nDONE OK 0000 ok\r\n\r\n",
                        _ => "OK 0000 mail\r\nDONE OK 0000 ok\r\n\r\n",
                    };
                }
                _ => reply = "REJ 1\r\n".into(),
            }
            let _ = stream.write_all(reply.as_bytes());
        }
    }
}

/// Offers a preview of 64 bytes; asks for the rest always; a page in place of what is infected.
fn icap(listener: TcpListener) {
    fn head(reader: &mut impl BufRead) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => return Some(lines),
                line => lines.push(line.to_owned()),
            }
        }
    }
    /// Whether the preview was all.
    fn body(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> bool {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let (length, more) = line.trim_end().split_once(';').unwrap_or((line.trim_end(), ""));
            let mut chunk = vec![0; usize::from_str_radix(length, 16).unwrap() + 2];
            reader.read_exact(&mut chunk).unwrap();
            if chunk.len() == 2 {
                return more.trim() == "ieof";
            }
            bytes.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
    }
    for mut stream in listener.incoming().flatten() {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = head(&mut reader) {
            if request[0].starts_with("OPTIONS") {
                let offer = "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nService: stand-in\r\nISTag: \"1\"\r\nPreview: 64\r\n\
                             Allow: 204\r\nEncapsulated: null-body=0\r\n\r\n";
                stream.write_all(offer.as_bytes()).unwrap();
                continue;
            }
            assert!(request[0].starts_with("RESPMOD icap://127.0.0.1:") && request[0].ends_with("/avscan ICAP/1.0"));
            assert!(
                request.iter().any(|line| line == "Allow: 204") && request.iter().any(|line| line == "Preview: 64")
            );
            // The carried headers: two more blocks.
            let (get, response) = (head(&mut reader).unwrap(), head(&mut reader).unwrap());
            assert!(get[0].starts_with("GET ") && response[0] == "HTTP/1.1 200 OK");
            let mut bytes = Vec::new();
            if !body(&mut reader, &mut bytes) {
                stream.write_all(b"ICAP/1.0 100 Continue\r\n\r\n").unwrap();
                body(&mut reader, &mut bytes);
            }
            let length = response.iter().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
            assert_eq!(length.parse(), Ok(bytes.len()));
            let reply: &[u8] = match infected(&bytes) {
                true => {
                    b"ICAP/1.0 200 OK\r\nISTag: \"1\"\r\nX-Infection-Found: Type=0; Resolution=2; Threat=EICAR-ICAP;\r\n\
                      Encapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n8\r\ninfected\r\n0\r\n\r\n"
                }
                false => b"ICAP/1.0 204 No Modifications\r\nISTag: \"1\"\r\n\r\n",
            };
            stream.write_all(reply).unwrap();
        }
    }
}

#[test]
fn sophie_savdi_and_icap_at_once() {
    let folder = Folder::new("kinds");
    let socket = folder.0.join("sophie.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || sophie(listener));
    let (savdi_at, icap_at) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [&savdi_at, &icap_at].map(|listener| listener.local_addr().unwrap().port());
    std::thread::spawn(move || savdi(savdi_at));
    std::thread::spawn(move || icap(icap_at));
    let spool = folder.0.join("spool");
    fs::create_dir(&spool).unwrap();
    let scanners = format!(
        "[[scanner]]\nname = \"sophie\"\nkind = \"sophie\"\naddress = \"unix:{}\"\nfolder = \"{}\"\n\
         [[scanner]]\nname = \"sophos\"\nkind = \"sssp\"\naddress = \"inet:127.0.0.1:{}\"\n\
         [[scanner]]\nname = \"icap\"\nkind = \"icap\"\naddress = \"inet:127.0.0.1:{}\"\n",
        socket.display(),
        spool.display(),
        ports[0],
        ports[1]
    );
    let sekisho = serve(&folder, &scanners);
    let verdict = check(&sekisho, &mail(&eicar()));
    assert_eq!(rules(&verdict), ["SCANNER_SOPHIE", "SCANNER_SOPHOS", "SCANNER_ICAP"], "{verdict}");
    assert_eq!(verdict["category"], "virus");
    let hits = verdict["hits"].to_string();
    for found in ["sophie found EICAR-AV-Test", "sophos found EICAR-AV-Test", "icap found EICAR-ICAP"] {
        assert!(hits.contains(found), "{found} in {hits}");
    }
    let verdict = check(&sekisho, &mail(b"nothing in here"));
    assert!(rules(&verdict).is_empty(), "{verdict}");
    let verdict = check(&sekisho, &mail(b"x").replacing("minutes.bin", "secret.zip"));
    assert_eq!((rules(&verdict), verdict["category"].as_str()), (vec!["SCANNER_SOPHOS_UNCHECKED"], Some("unchecked")));
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0, "nothing is left there");
    drop(UnixStream::connect(&socket));

    let config = folder.0.join("sekisho.toml").display().to_string();
    let (said, code) = filter(env!("CARGO_BIN_EXE_sekisho"), &["scanners", "test", "--config", &config], b"");
    let said = String::from_utf8(said).unwrap();
    // The mail of the test has the string as it is, which these look for in base64 alone: they are there, and find nothing.
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches("; test string: not found").count(), 3, "{said}");
    assert!(said.contains("it answers stand-in") && said.contains("it answers SSSP/1.0"), "{said}");
}
