//! Signatures as a user meets them: in `check` and `sigs`, and `clamscan` beside the real one.

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
