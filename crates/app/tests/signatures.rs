//! Signatures as a user meets them: in `check` and `sigs`, and `clamscan` beside the real one.

use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Hexadecimal, as signatures are written.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sekisho-signatures-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("sigs")).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(&self.0)
            .env("HOME", &self.0)
            .env("SEKISHO_CACHE", self.0.join("cache"))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn sekisho(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.run(env!("CARGO_BIN_EXE_sekisho"), arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

/// Raw mail, normalised HTML, normalised text, a name of an attachment, a digest, an allowed digest.
fn signatures(folder: &Folder) {
    folder.write(
        "sigs/phish.ndb",
        format!(
            "Test.Phishing.Raw:4:*:{}\nTest.Phishing.Html:3:*:{}\nTest.Text:7:*:{}\n",
            hex("Claim-Your-Prize"),
            hex("verify your account"),
            hex("wire transfer today")
        ),
    );
    folder.write("sigs/own.cdb", "Test.Banned.Js:CL_TYPE_MAIL:*:\\.js$:*:*:*:*:*:*\n");
    folder.write("sigs/own.ldb", format!("Test.Logical;Target:0;0&1;{};{}\n", hex("alpha-one"), hex("beta-two")));
}

const HTML: &str = "From: a@example.org\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
    --b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n\
    PGh0bWw+PGJvZHk+PHA+VmVyaWZ5ICB5b3VyCkFDQ09VTlQ8L3A+PC9ib2R5PjwvaHRtbD4K\n\
    --b\nContent-Type: application/x; name=\"run.js\"\nContent-Transfer-Encoding: base64\n\nYWxwaGEtb25lIGFuZCBiZXRhLXR3bw==\n--b--\n";
const RAW: &str = "From: a@example.org\nSubject: Claim-Your-Prize\n\nNothing here, just words.\n";
const ENCODED: &str = "From: a@example.org\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain\n\
    Content-Transfer-Encoding: base64\n\nQ2xhaW0tWW91ci1Qcml6ZSBhbmQgbW9yZSB3b3Jkcwo=\n";
const CLEAN: &str = "From: a@example.org\nSubject: hello\n\nGood morning to you all.\n";

#[test]
fn check_tells_what_signatures_found_and_where() {
    let folder = Folder::new("check");
    signatures(&folder);
    for (name, text) in [("html.eml", HTML), ("raw.eml", RAW), ("encoded.eml", ENCODED), ("clean.eml", CLEAN)] {
        folder.write(name, text);
    }
    let check =
        |file: &str| folder.sekisho(&["check", "--rule-set", "none", "--signatures", "sigs", "--explain", file]);

    let (code, text, errors) = check("html.eml");
    assert_eq!(code, Some(1), "{text}{errors}");
    for said in [
        "VIRUS",
        "Test.Phishing.Html.UNOFFICIAL",
        "Test.Logical.UNOFFICIAL",
        "Test.Banned.Js.UNOFFICIAL",
        "markup",
        "verify your account",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let (code, text, _) = check("raw.eml");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("PHISHING") && text.contains("Test.Phishing.Raw.UNOFFICIAL") && !text.contains("beyond"),
        "{text}"
    );
    // ClamAV matches such signatures against the message as it came; encoded it shows only to us.
    let (code, text, _) = check("encoded.eml");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Test.Phishing.Raw.UNOFFICIAL") && text.contains("beyond ClamAV"), "{text}");
    let (code, text, _) = check("clean.eml");
    assert_eq!(code, Some(0), "{text}");

    // The same from the cache; what is no longer there is not.
    assert_eq!(check("raw.eml").0, Some(1));
    fs::remove_file(folder.0.join("sigs/phish.ndb")).unwrap();
    assert_eq!(check("raw.eml").0, Some(0));
    let (code, text, _) =
        folder.sekisho(&["check", "--rule-set", "none", "--no-signatures", "--format", "json", "html.eml"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn signatures_are_found_read_and_tried() {
    let folder = Folder::new("sigs");
    signatures(&folder);
    folder.write("spam/1.eml", HTML);
    folder.write("ham/1.eml", CLEAN);
    let (code, text, _) = folder.sekisho(&["sigs", "find", "phishing", "--signatures", "sigs"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("Test.Phishing.Raw") && text.contains("phish.ndb:2") && text.contains("phishing 6"),
        "{text}"
    );
    let (code, text, _) = folder.sekisho(&["sigs", "decode", "Test.Phishing.Html", "--signatures", "sigs"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("HTML, normalised") && text.contains("\"verify your account\""), "{text}");
    let (code, text, _) = folder.sekisho(&["sigs", "test", "--ham", "ham", "--spam", "spam", "--signatures", "sigs"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Test.Logical.UNOFFICIAL"), "{text}");
    let (code, _, _) = folder.sekisho(&["sigs", "test", "--ham", "spam", "--signatures", "sigs"]);
    assert_eq!(code, Some(1));
    let (code, _, _) = folder.sekisho(&["sigs", "find", "no-such-name", "--signatures", "sigs"]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_broken_line_is_told_and_the_rest_holds() {
    let folder = Folder::new("lint");
    folder.write("sigs/a.ndb", format!("Test.Good:0:*:{}\nTest.Bad:0:*:xyz\n", hex("hello world")));
    let (code, text, errors) = folder.sekisho(&["lint", "--rule-set", "none", "sigs"]);
    assert_eq!(code, Some(1), "{text}{errors}");
    assert!(text.contains("a.ndb:2"), "{text}");
    folder.write("a.eml", "From: a@b\n\nhello world, it is me\n");
    let (code, text, _) = folder.sekisho(&["check", "--rule-set", "none", "--signatures", "sigs", "a.eml"]);
    assert_eq!(code, Some(1), "{text}");
}

/// Lines of the two programs, in order, without the lines that name times, versions and numbers of bytes.
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let varying = ["Engine version", "Data ", "Time:", "Start Date", "End Date", "Known viruses"];
    let mut lines: Vec<String> =
        text.lines().filter(|line| !varying.iter().any(|start| line.starts_with(start))).map(str::to_owned).collect();
    lines.sort();
    // clamscan names what it finds once for each copy that it makes of a text; we once.
    lines.dedup();
    lines
}

#[test]
fn clamscan_answers_as_clamscan() {
    if !Path::new("/usr/bin/clamscan").exists() {
        panic!("clamscan is missing: install clamav (./test says so)");
    }
    let folder = Folder::new("clamscan");
    signatures(&folder);
    // No field that anybody knows within the bytes that say what a file is.
    let padded = "X-Padding: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(60)
        + &ENCODED.replace("Q2xhaW0tWW91ci1Qcml6ZSBhbmQgbW9yZSB3b3Jkcwo=", "YWxwaGEtb25lIGFuZCBiZXRhLXR3bw==");
    for (name, text) in [
        ("in/html.eml", HTML),
        ("in/raw.eml", RAW),
        ("in/encoded.eml", ENCODED),
        ("in/clean.eml", CLEAN),
        ("in/padded.eml", &padded),
        ("in/empty", ""),
        ("in/deep/text.txt", "alpha-one and then beta-two\n"),
        ("in/deep/other.txt", "Wire   transfer\nTODAY\n"),
    ] {
        folder.write(name, text);
    }
    std::os::unix::fs::symlink("../raw.eml", folder.0.join("in/deep/link")).unwrap();
    let ours = env!("CARGO_BIN_EXE_sekisho");
    for arguments in [
        "-r in",
        "in",
        "-r -i in",
        "-r -z -o in",
        "-r --allmatch --no-summary in",
        "-r --exclude=html --exclude-dir=deep in",
        "-r --include=txt --no-summary in",
        "--no-summary in/clean.eml in/raw.eml in/empty",
        "--no-summary in/deep/link",
        "--max-filesize=50 --no-summary in/raw.eml in/deep/text.txt",
        "--infected --no-summary in/nothing",
    ] {
        let arguments: Vec<&str> = ["-d", "sigs"].into_iter().chain(arguments.split(' ')).collect();
        let real = folder.run("/usr/bin/clamscan", &arguments);
        let mine = folder.run(ours, &[&["clamscan"], &arguments[..]].concat());
        assert_eq!(lines(&mine), lines(&real), "{arguments:?}\n{}", String::from_utf8_lossy(&mine.stderr));
        assert_eq!(mine.status.code(), real.status.code(), "{arguments:?}");
    }
    for arguments in [&["--no-such-option", "in"][..], &["-d", "nowhere", "in"]] {
        let real = folder.run("/usr/bin/clamscan", arguments);
        let mine = folder.run(ours, &[&["clamscan"], arguments].concat());
        assert_eq!((mine.status.code(), real.status.code()), (Some(2), Some(2)), "{arguments:?}");
    }

    // What is done with infected files.
    for action in ["--copy=kept", "--move=kept", "--remove"] {
        let mut left = Vec::new();
        for program in ["/usr/bin/clamscan", ours] {
            let _ = fs::remove_dir_all(folder.0.join("kept"));
            fs::create_dir_all(folder.0.join("kept")).unwrap();
            folder.write("one/a.txt", "alpha-one and then beta-two\n");
            let arguments = ["-d", "sigs", "--no-summary", action, "one/a.txt"];
            let output = match program == ours {
                true => folder.run(ours, &[&["clamscan"], &arguments[..]].concat()),
                false => folder.run(program, &arguments),
            };
            left.push((
                output.status.code(),
                folder.0.join("one/a.txt").exists(),
                folder.0.join("kept/a.txt").exists(),
                lines(&output),
            ));
        }
        assert_eq!(left[0], left[1], "{action}");
    }

    // Called by that name.
    let named = folder.0.join("clamscan");
    std::os::unix::fs::symlink(ours, &named).unwrap();
    let output = folder.run(named.to_str().unwrap(), &["-d", "sigs", "--no-summary", "in/raw.eml"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "in/raw.eml: Test.Phishing.Raw.UNOFFICIAL FOUND\n");
    assert_eq!(output.status.code(), Some(1));
}

/// Files for `signatures/rules.yar`: text in both cases, UTF-16, data, a message.
/// Messages with links, each under a name.
fn linking() -> Vec<(String, String)> {
    const SHOWN: &str = "http://www.paypal.com/";
    const REAL: &str = "http://evil.example/x";
    let html = |body: &str| format!("<html><body>{body}</body></html>");
    let link = |real: &str, shown: &str| html(&format!("<a href=\"{real}\">{shown}</a>"));
    let mut all: Vec<(String, String, String)> = Vec::new();
    let mut add = |name: &str, head: &str, body: String| all.push((name.to_owned(), head.to_owned(), body));
    let page = "Content-Type: text/html\n";
    for (name, body) in [
        ("title", format!("<a href=\"{REAL}\" title=\"{SHOWN}\">x</a>")),
        ("title-real", format!("<a href=\"{SHOWN}\" title=\"{REAL}\">x</a>")),
        ("form", format!("<form action=\"{REAL}\"><a href=\"{SHOWN}\">x</a></form>")),
        ("form-real", format!("<form action=\"{SHOWN}\"><a href=\"{REAL}\">x</a></form>")),
        ("form-image", format!("<form action=\"{SHOWN}\"><img src=\"{REAL}\"></form>")),
        ("image", format!("<a href=\"{SHOWN}\"><img src=\"{REAL}\"></a>")),
        ("image-real", format!("<a href=\"{REAL}\"><img src=\"{SHOWN}\"></a>")),
        ("image-blocked", "<img src=\"http://blocked.example/\">".to_owned()),
        ("dynsrc", format!("<a href=\"{SHOWN}\"><img dynsrc=\"{REAL}\"></a>")),
        ("iframe", format!("<a href=\"{SHOWN}\"><iframe src=\"{REAL}\"></iframe></a>")),
        ("iframe-alone", format!("<iframe src=\"{REAL}\">{SHOWN}</iframe>")),
        ("area", format!("<a href=\"{SHOWN}\"><area href=\"{REAL}\"></a>")),
        ("open", format!("<a href=\"{REAL}\">{SHOWN}")),
        ("second", format!("<a href=\"http://a.example/\">a</a> <a href=\"{REAL}\">{SHOWN}</a>")),
        ("nested", format!("<a href=\"{REAL}\">{SHOWN}<a href=\"{SHOWN}\">x</a>")),
        ("comment", format!("<a href=\"{REAL}\">www.pay<!-- x -->pal.com</a>")),
        ("script", format!("<script>document.write('<a href=\"{REAL}\">{SHOWN}</a>')</script>")),
        ("upper", format!("<A HREF=\"{REAL}\">{SHOWN}</A>")),
        ("single", format!("<a href='{REAL}'>{SHOWN}</a>")),
        ("bare", format!("<a href={REAL}>{SHOWN}</a>")),
        ("iframe-real", format!("<a href=\"{REAL}\"><iframe src=\"{SHOWN}\"></iframe></a>")),
        ("area-real", format!("<a href=\"{REAL}\"><area href=\"{SHOWN}\"></a>")),
        ("dynsrc-real", format!("<a href=\"{REAL}\"><img dynsrc=\"{SHOWN}\"></a>")),
        ("form-image-real", format!("<form action=\"{REAL}\"><img src=\"{SHOWN}\"></form>")),
        ("form-blocked", "<form action=\"http://blocked.example/\"><img src=\"x\"></form>".to_owned()),
        ("title-blocked", "<a href=\"http://x.example/\" title=\"http://blocked.example/\">x</a>".to_owned()),
        ("base", format!("<base href=\"http://evil.example/\"><a href=\"x\">{SHOWN}</a>")),
        ("late", format!("{}<a href=\"{REAL}\">{SHOWN}</a>", "y".repeat(90_000))),
        ("too-large", format!("<a href=\"{REAL}\">{SHOWN}</a>{}", "x".repeat(110_000))),
    ] {
        add(name, page, html(&body));
    }
    add("plain", "Content-Type: text/plain\n", link(REAL, SHOWN));
    add("untyped", "X-A: b\n", link(REAL, SHOWN));
    add("no-markup", "Content-Type: text/plain\n", format!("see {SHOWN} {REAL}"));
    let quoted = link(REAL, "http://www.pay=\npal.com/").replacen("href=", "href=3D", 1);
    add("quoted", &format!("{page}Content-Transfer-Encoding: quoted-printable\n"), quoted);
    for (name, disposition) in [("inline", "inline"), ("attached", "attachment; filename=a.html")] {
        let part = format!("{page}Content-Disposition: {disposition}\n\n{}", link(REAL, SHOWN));
        let body = format!("--B\nContent-Type: text/plain\n\nhi\n--B\n{part}\n--B--");
        add(name, "Content-Type: multipart/mixed; boundary=B\n", body);
    }
    let inner = format!("From: q@r.example\nTo: x@y.example\nSubject: in\n{page}\n{}", link(REAL, SHOWN));
    add("within", "Content-Type: message/rfc822\n", inner);
    let shown = [
        SHOWN,
        "www.paypal.com",
        "paypal.com",
        "PAYPAL.COM",
        "HTTPS://paypal.com",
        "www.paypal.com.",
        "www.paypal.com,",
        "www.paypal.com/x",
        "www.paypal.com?x",
        "www.paypal.com;x",
        "(www.paypal.com)",
        "[www.paypal.com]",
        "-www.paypal.com!",
        "www.paypal.com'",
        "<b>www</b>.paypal.com",
        "www.paypal.com-x",
        "www.paypal.com&gt;",
        "www.paypal.com&nbsp;",
        "www.paypal&#46;com",
        "see: www.paypal.com",
        "&lt;www.paypal.com&gt;",
        "Visit www.paypal.com now",
        "http://www.paypal.com/ click here",
        "http://www.paypal.com and http://x.com",
        "info@paypal.com",
        "http://info@paypal.com",
        "ftp://paypal.com",
        "mailto:x@paypal.com",
        "hxxp://paypal.com",
        "www.bank.example",
        "http://www.bank.example/",
        "http:www.paypal.com",
        "http:/www.paypal.com",
        "//www.paypal.com",
        "www.paypal\u{3002}com",
        "www\u{b7}paypal.com",
        "http://www.paypal.com:80/x",
        "www.paypal .com",
        "www. paypal.com",
        "  www. paypal .com ",
        "www.pay\npal.com",
        "xpaypal.com",
        "http://xpaypal.com",
        "www-paypal.com",
        "paypal.co",
        "e.zz",
        "http",
        "http://",
        "www.paypal.com:",
        "https://www.paypal.com/",
        "https:www.paypal.com",
        " https://www.paypal.com/ login",
        "secure https://www.paypal.com/",
        "http://www.paypal.com#x",
        "http://a.shop.example/",
        "http://other.example/",
        "\u{ab}www.paypal.com\u{bb}",
        "www.paypal.net",
        "",
    ];
    for (number, shown) in shown.iter().enumerate() {
        add(&format!("shown-{number}"), page, link(REAL, shown));
    }
    let real = [
        "https://e.example/",
        "ftp://e.example/",
        "telnet://e.example/",
        "mailto:a@e.example",
        "e.example",
        "e.com",
        "e.co.jp/x",
        "www.e.com",
        "//e.com/",
        "Http://e.com/",
        "HTTP://e.com",
        "http:e.com",
        "http:/e.com/x",
        "http:///e.com/x",
        "http://e.com?x",
        "http://e.com;x",
        "http://e.com,x",
        "http://e.com#x",
        "http://e.com\\x",
        "http:\\\\e.com\\x",
        "http://e.com%2fx",
        "http://e.com:80/",
        "http://a:b@e.com/",
        "http://a@e.com/",
        " http://e.com/ x",
        "http://e..com/",
        "http://e.com./",
        "http://.e.com/",
        "http://[::1]/",
        "http://localhost/",
        "http://1.2.3.4/",
        "http://3221225985/",
        "http://0xC0000201/",
        "http://www.paypal.com%00@e.com/",
        "http://www.paypal.com%01@e.com/",
        "http://e.example%00.paypal.com/",
        "http://e.com/%00",
        "http://ev\u{1}il.example/",
        "http://e.com%20x/",
        "http://%65vil.example/",
        "svn://e.com",
        "cid:x",
        "javascript:x",
        "/x",
        "http://www.paypal.com.evil.example/",
        "http://evil.com/www.paypal.com",
        "http://paypal.com/",
        "http://x.paypal.com/",
        "http://paypal.net/",
        "http://good.example/x",
        "http://www.good.example/x",
        "http://www.allowed.example/x",
    ];
    for (number, real) in real.iter().enumerate() {
        add(&format!("real-{number}"), page, link(real, SHOWN));
        add(&format!("secure-{number}"), page, link(real, "https://www.paypal.com/"));
        add(&format!("bank-{number}"), page, link(real, "http://www.bank.example/"));
        add(&format!("same-{number}"), page, link(real, real));
    }
    for (number, listed) in [
        "http://blocked.example/",
        "http://sub.blocked.example/a/b",
        "http://not.blocked.example/",
        "http://www.blocked.example",
        "https://blocked.example/q?x",
        "blocked.example/",
        "http://malware.example/a/b.exe",
        "http://malware.example/",
        "http://phish.example/x?y=1",
        "http://phish.example/x",
        "http://www.bad.example/dir/file",
        "http://bad.example/dir",
    ]
    .iter()
    .enumerate()
    {
        for (shown, name) in [("x", "words"), ("", "nothing"), (*listed, "itself")] {
            add(&format!("listed-{number}-{name}"), page, link(listed, shown));
        }
    }
    let whole = |(name, head, body): (String, String, String)| {
        (name, format!("From: a@b.example\nTo: c@d.example\nSubject: x\nMIME-Version: 1.0\n{head}\n{body}\n"))
    };
    all.into_iter().map(whole).collect()
}

#[test]
fn links_deceive_as_they_do_in_clamscan() {
    let folder = Folder::new("links");
    let digest =
        |address: &str| -> String { Sha256::digest(address).iter().map(|byte| format!("{byte:02x}")).collect() };
    folder.write("sigs/t.pdb", "H:paypal.com\nH:bank.example\nR:.+:.+\\.shop\\.example\n");
    let allowed = "M:good.example:www.paypal.com\nX:.+\\.allowed\\.example([/?].*)?:.+\\.bank\\.example([/?].*)?\n";
    folder.write("sigs/t.wdb", allowed);
    let listed = [
        ("S:F", "blocked.example/"),
        ("S1:F", "malware.example/a/"),
        ("S2:F", "phish.example/x?y=1"),
        ("S:W", "not.blocked.example/"),
        ("S:F", "bad.example/dir/"),
    ];
    let lines: Vec<String> = listed.iter().map(|(form, address)| format!("{form}:{}\n", digest(address))).collect();
    folder.write("sigs/t.gdb", lines.concat());
    let mails = linking();
    for (name, mail) in &mails {
        folder.write(&format!("in/{name}"), mail);
    }
    let arguments = ["-d", "sigs", "-r", "--allmatch", "--no-summary", "in"];
    let real = folder.run("/usr/bin/clamscan", &arguments);
    let mine = folder.run(env!("CARGO_BIN_EXE_sekisho"), &[&["clamscan"], &arguments[..]].concat());
    let (mut real, mut mine) = (self::lines(&real), self::lines(&mine));
    real.retain(|line| line.starts_with("in/") || line.contains("/in/"));
    mine.retain(|line| line.starts_with("in/") || line.contains("/in/"));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    assert_eq!((only(&mine, &real), only(&real, &mine)), (vec![], vec![]), "ours alone, clamscan's alone");
    let found = real.iter().filter(|line| line.ends_with("FOUND")).count();
    assert!(real.len() == mails.len() && found > 100, "{found} of {}", real.len());
}

fn files_for_rules(folder: &Folder) {
    folder.write("in/a", "hello world alpha beta gamma, more text to fill the file up a bit\n");
    folder.write("in/b", "nothing of interest lies here at all, truly, only filler text..\n");
    folder.write("in/upper", "HELLO WORLD ALPHA shouting text, more text to fill the file up\n");
    folder.write("in/many", "xx aaaa yy aaa hello tail of the text to be long enough\n");
    folder.write("in/escapes", "\tx\n\\\" qhello and other words, this is a text hello\n");
    let wide: Vec<u8> = "hello world alpha".encode_utf16().flat_map(u16::to_le_bytes).collect();
    folder.write("in/wide", [&wide[..], b"xxxx\x01\x02\x03\n"].concat());
    let data = b"\x00\x01\x02\x03hello\x00world\xff\xfe\xfd\x41\x42\x43\x44 alpha";
    folder.write("in/data", [&data[..], &(64..128).collect::<Vec<u8>>()].concat());
    folder.write(
        "in/mail",
        "From: a@example.org\nTo: b@example.org\nSubject: alpha subject\nMIME-Version: 1.0\n\
         Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n\
         aGVsbG8gd29ybGQgQmV0YSBib2R5IHRleHQgd2l0aCBtb3JlIHdvcmRzCg==\n",
    );
}

#[test]
fn yara_rules_hit_what_they_hit_in_clamscan() {
    let folder = Folder::new("yara");
    files_for_rules(&folder);
    folder.write("sigs/rules.yar", include_str!("signatures/rules.yar"));
    let arguments = ["-d", "sigs", "-r", "--allmatch", "--no-summary", "in"];
    let real = folder.run("/usr/bin/clamscan", &arguments);
    let mine = folder.run(env!("CARGO_BIN_EXE_sekisho"), &[&["clamscan"], &arguments[..]].concat());
    let (real, mine) = (lines(&real), lines(&mine));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    assert_eq!((only(&mine, &real), only(&real, &mine)), (vec![], vec![]), "ours alone, clamscan's alone");
    assert!(mine.len() > 250, "{}", mine.len());
}

#[test]
fn yara_rules_are_told_found_and_read() {
    let folder = Folder::new("yara-told");
    files_for_rules(&folder);
    let rules = "rule First {\n  strings:\n    $a = \"Hello World\" nocase\n  condition:\n    $a\n}\n\
        rule Broken {\n  strings: $a = \"x\" condition: $a and }\n\
        rule Module { strings: $a = \"hello\" condition: $a and pe.is_dll() }\n\
        rule Last { strings: $a = /BETA *body/i condition: $a and First }\n";
    folder.write("sigs/own.yara", rules);
    let (code, text, errors) = folder.sekisho(&["lint", "--rule-set", "none", "sigs"]);
    assert_eq!(code, Some(1), "{text}{errors}");
    for said in ["own.yara:8:", "own.yara:9:", "pe is no earlier rule", "SK0806"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let (code, text, _) = folder.sekisho(&["sigs", "find", "YARA.", "--signatures", "sigs"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("YARA.First  ") && text.contains("own.yara:10") && !text.contains("Module"), "{text}");
    let (_, text, _) = folder.sekisho(&["sigs", "decode", "YARA.First", "--signatures", "sigs"]);
    assert!(
        text.contains("rule First {") && text.contains("$a = \\\"Hello World\\\" nocase")
            || text.contains("\"Hello World\" nocase"),
        "{text}"
    );
    // Twice: the second time from the cache.
    for _ in 0..2 {
        let check = ["check", "--rule-set", "none", "--signatures", "sigs", "in/mail"];
        let (code, text, errors) = folder.sekisho(&check);
        assert_eq!(code, Some(1), "{text}{errors}");
        assert!(text.contains("YARA.First.UNOFFICIAL") && text.contains("YARA.Last.UNOFFICIAL"), "{text}");
    }
}
