//! Our `spamassassin` beside the real one: same mail, same rules, same options, same bytes.
//!
//! What may differ: who checked and where (`X-Spam-Checker-Version`, the `Received` line and the boundary of a wrapped
//! message), and the order of rules in the report, which in SpamAssassin changes from run to run.
//! Without the package these tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// Mail that exercises what marking up has to mind.
fn mails() -> Vec<(&'static str, Vec<u8>)> {
    let plain = "Return-Path: <taro@example.co.jp>\n\
        Received: from mx.example.co.jp (mx.example.co.jp [192.0.2.10])\n\tby mail.example.net (Postfix) with ESMTP id 1234567890\n\
        \tfor <hanako@example.net>; Sat, 21 Nov 2026 10:00:00 +0900 (JST)\n\
        From: Taro Yamada <taro@example.co.jp>\nTo: hanako@example.net\nSubject: minutes of the meeting\n\
        Date: Sat, 21 Nov 2026 10:00:00 +0900\nMessage-ID: <20261121100000.12345@example.co.jp>\n\
        MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n\
        Dear Hanako,\n\nhere are the minutes of yesterday's meeting.\n\nTaro\n";
    let spam = format!(
        "Received: from unknown (HELO mail.example.org) (203.0.113.7)\n\tby mail.example.net with SMTP; 21 Nov 2026 01:00:00 -0000\n\
         From: \"Cheap Pills\" <offer@example.org>\nTo: hanako@example.net\nCc: jiro@example.net\nSubject: MAKE MONEY FAST!!!\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0900\nMessage-ID: <1@example.org>\nX-Spam-Flag: NO\nX-Spam-Status: No, score=0\n\ttests=none\n\n\
         Dear friend,\n\n{GTUBE}\n\nClick here: http://www.example.org/unsubscribe\n"
    );
    let html = format!(
        "From: Shop <shop@example.org>\nTo: hanako@example.net\nSubject: =?ISO-2022-JP?B?GyRCJCpDTiRpJDsbKEI=?=\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0900\nMessage-ID: <2@example.org>\nMIME-Version: 1.0\n\
         Content-Type: multipart/alternative;\n\tboundary=\"=_next\"\n\n--=_next\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\nお知らせです。{GTUBE}\n\n--=_next\nContent-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\n<html><body><p>{GTUBE}</p><img src=3D\"http://img.example.org/a.png\"></body></html>\n\
         --=_next--\n"
    );
    let crlf = spam.replace('\n', "\r\n");
    let no_subject = format!("From: a@example.org\nTo: b@example.net\n\n{GTUBE}\n");
    let mbox = format!("From a@example.org Sat Nov 21 10:00:00 2026\n{plain}");
    let folded = format!(
        "From: a@example.org\nTo: b@example.net\nSubject: a subject that\n goes on in the next line\n\n{GTUBE}\n"
    );
    let eight_bit =
        [&b"From: a@example.org\nTo: b@example.net\nSubject: \x83e\x83X\x83g caf\xc3\xa9\n\nr\xe9sum\xe9\n"[..]]
            .concat();
    vec![
        ("1-plain.eml", plain.into()),
        ("2-spam.eml", spam.into()),
        ("3-html.eml", html.into()),
        ("4-crlf.eml", crlf.into()),
        ("5-no-subject.eml", no_subject.into()),
        ("6-separator.eml", mbox.into()),
        ("7-folded.eml", folded.into()),
        ("8-eight-bit.eml", eight_bit),
        ("9-empty.eml", Vec::new()),
        ("a-no-body.eml", b"Subject: only a header\n".to_vec()),
    ]
}

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sekisho-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("home")).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, first: &[&str], arguments: &[&str], files: &[PathBuf], home: &Path) -> Output {
    Command::new(program)
        .args(first)
        .args(arguments)
        .args(files)
        .env("HOME", home)
        .env("SEKISHO_CACHE", home.join("cache"))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn ours(arguments: &[&str], files: &[PathBuf], folder: &Folder) -> Output {
    run(env!("CARGO_BIN_EXE_sekisho"), &["spamassassin"], arguments, files, &folder.0.join("home"))
}

/// The real one, if it is installed.
fn theirs(arguments: &[&str], files: &[PathBuf], folder: &Folder) -> Option<Output> {
    let program = "/usr/bin/spamassassin";
    if !Path::new(program).exists() {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    Some(run(program, &[], arguments, files, &folder.0.join("home")))
}

/// Output without what may differ, the report's rules sorted.
fn comparable(output: &[u8]) -> String {
    // One character for each byte, so that nothing is lost.
    let text: String = output.iter().map(|&byte| byte as char).collect();
    let mut lines = Vec::new();
    let mut table: Option<Vec<String>> = None;
    let mut skipping = false;
    let mut starred: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let plain = line.trim_end_matches('\r');
        // The report as a header: a row begins with a star, and its further lines are indented deeper. Rules of one
        // kind run in the order of a Perl hash, which is another in every process.
        if plain.starts_with("\t*  ") || plain.starts_with("\t* -") || plain.starts_with("\t* 1") {
            match starred.last_mut() {
                Some(last) if plain.starts_with("\t*      ") => last.push_str(line),
                _ => starred.push(line.to_owned()),
            }
            continue;
        }
        starred.sort();
        lines.append(&mut starred);
        if let Some(rows) = &mut table {
            match plain {
                "" => {
                    rows.sort();
                    lines.append(rows);
                    table = None;
                }
                _ if plain.starts_with("      ") && !rows.is_empty() => {
                    let last = rows.last_mut().unwrap();
                    last.push('\n');
                    last.push_str(line);
                    continue;
                }
                _ => {
                    rows.push(line.to_owned());
                    continue;
                }
            }
        }
        let begins = plain.starts_with("X-Spam-Checker-Version:") || plain.starts_with("Received: from localhost by ");
        skipping = begins || (skipping && plain.starts_with('\t'));
        if !skipping {
            lines.push(line.to_owned());
        }
        if plain.starts_with("---- ------------------ ") || plain.starts_with("---- ----------------------") {
            table = Some(Vec::new());
        }
    }
    mask_boundaries(&lines.join("\n"))
}

fn mask_boundaries(text: &str) -> String {
    let mut pieces = text.split("----------=_");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == '.' || c == '/');
        out.push_str("----------=_BOUNDARY");
        out.push_str(rest);
    }
    out
}

/// Runs both on all mails and compares.
fn check(name: &str, arguments: &[&str]) {
    let folder = Folder::new(name);
    let files: Vec<_> = mails().iter().map(|(name, text)| folder.write(name, text)).collect();
    let Some(expected) = theirs(arguments, &files, &folder) else { return };
    let got = ours(arguments, &files, &folder);
    let (ours, theirs) = (comparable(&got.stdout), comparable(&expected.stdout));
    if ours != theirs {
        let different = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b);
        let from = different.unwrap_or(0).saturating_sub(12);
        let show = |text: &str| text.lines().skip(from).take(40).collect::<Vec<_>>().join("\n");
        panic!(
            "{arguments:?}: from line {from}\n=== ours\n{}\n=== theirs\n{}\n=== our errors\n{}",
            show(&ours),
            show(&theirs),
            String::from_utf8_lossy(&got.stderr)
        );
    }
    assert_eq!(got.status.code(), expected.status.code(), "{arguments:?}");
}

const BASE: [&str; 5] = [
    "-L",
    "-x",
    "--cf=use_bayes 0",
    "--cf=clear_headers",
    "--cf=add_header all Status _YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTS_ autolearn=_AUTOLEARN_ version=_VERSION_",
];

#[test]
fn wrapped_with_a_report() {
    check("wrapped", &["-L", "-x", "-t", "--cf=use_bayes 0"]);
}

#[test]
fn headers_only() {
    check(
        "headers",
        &[
            "-L",
            "-x",
            "--cf=use_bayes 0",
            "--cf=report_safe 0",
            "--cf=rewrite_header Subject *****SPAM(_SCORE_)*****",
            "--cf=rewrite_header From SPAM",
            "--cf=add_header all Report _REPORT_",
            "--cf=add_header all Stars _STARS(x)_ _SCORE(00)_ _BAYES_ _NOSUCHTAG_",
        ],
    );
}

#[test]
fn wrapped_as_text_unfolded_and_copied() {
    let mut arguments = BASE.to_vec();
    arguments.extend([
        "--cf=report_safe 2",
        "--cf=fold_headers 0",
        "--cf=report_safe_copy_headers Received X-Mailer",
        "--cf=rewrite_header Subject [SPAM]",
        "--cf=rewrite_header To spam _REQD_",
        "-e",
    ]);
    check("text", &arguments);
}

#[test]
fn markup_comes_off_byte_for_byte() {
    let folder = Folder::new("unmark");
    let home = folder.0.join("home");
    for safe in ["0", "1", "2"] {
        let cf = format!("--cf=report_safe {safe}");
        let rewriting = "--cf=rewrite_header Subject [SPAM]";
        let arguments = ["-L", "-x", "--cf=use_bayes 0", &cf, rewriting];
        for (name, text) in mails() {
            // Known losses, SpamAssassin's too: a folded field that was rewritten, markup that was there before.
            if name == "7-folded.eml"
                || name == "2-spam.eml"
                || name == "4-crlf.eml"
                || name == "9-empty.eml"
                || name == "a-no-body.eml"
            {
                continue;
            }
            let file = folder.write(name, &text);
            let marked = ours(&arguments, &[file], &folder);
            let marked = folder.write("marked.eml", &marked.stdout);
            let clean = run(env!("CARGO_BIN_EXE_sekisho"), &["spamassassin"], &["-d", rewriting], &[marked], &home);
            assert_eq!(
                String::from_utf8_lossy(&clean.stdout),
                String::from_utf8_lossy(&text),
                "{name} with report_safe {safe}"
            );
        }
    }
}

#[test]
fn markup_comes_off_as_with_the_original() {
    let folder = Folder::new("unmark-both");
    let plain: Vec<_> = mails().iter().map(|(name, text)| folder.write(name, text)).collect();
    let mut marked = Vec::new();
    for (index, safe) in ["0", "1"].into_iter().enumerate() {
        for (number, file) in plain.iter().enumerate() {
            let cf = format!("--cf=report_safe {safe}");
            let arguments = ["-L", "-x", "--cf=use_bayes 0", &cf, "--cf=rewrite_header Subject [SPAM]"];
            let output = ours(&arguments, std::slice::from_ref(file), &folder);
            marked.push(folder.write(&format!("marked-{index}-{number}"), &output.stdout));
        }
    }
    marked.extend(plain);
    let arguments = ["-d", "-x", "--cf=rewrite_header Subject [SPAM]"];
    let Some(expected) = theirs(&arguments, &marked, &folder) else { return };
    let got = ours(&arguments, &marked, &folder);
    assert_eq!(String::from_utf8_lossy(&got.stdout), String::from_utf8_lossy(&expected.stdout));
}

#[test]
fn the_pipe_of_the_talk_works() {
    let folder = Folder::new("pipe");
    let (_, spam) = mails().swap_remove(1);
    let marked = folder.write("spam.eml", &spam);
    let clean = ours(&["-d"], &[marked], &folder);
    let clean = folder.write("clean.eml", &clean.stdout);
    let tested = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["spamassassin", "-t", "-D"])
        .env("HOME", folder.0.join("home"))
        .env("SEKISHO_CACHE", folder.0.join("cache"))
        .stdin(fs::File::open(clean).unwrap())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&tested.stderr).into_owned();
    let lines: Vec<_> = errors.lines().filter_map(|line| line.split_once("dbg: metadata: X-Spam-Relays-")).collect();
    let names: Vec<_> = lines.iter().filter_map(|(_, rest)| rest.split(':').next()).collect();
    assert_eq!(names, ["Trusted", "Untrusted", "Internal", "External"], "{errors}");
    assert!(String::from_utf8_lossy(&tested.stdout).contains("Content analysis details:"));
}

#[test]
fn mail_that_cannot_be_read_is_told_and_the_rest_goes_on() {
    let folder = Folder::new("unreadable");
    let gone = folder.0.join("gone.eml");
    let (_, plain) = mails().swap_remove(0);
    let file = folder.write("plain.eml", &plain);
    let output = ours(&["-L"], &[gone.clone(), file], &folder);
    assert!(String::from_utf8_lossy(&output.stderr).contains("gone.eml"));
    assert!(!output.stdout.is_empty());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(ours(&["-L"], &[gone], &folder).status.code(), Some(1));
    assert_eq!(ours(&["--no-such-option"], &[], &folder).status.code(), Some(64));
}

#[test]
fn reports_and_address_lists_without_such_plugins_are_as_there() {
    let folder = Folder::new("lists");
    let (_, plain) = mails().swap_remove(0);
    let files = [folder.write("a.eml", &plain), folder.write("b.eml", &plain)];
    // Times and process numbers stand before the text, and the last line is our own.
    let told = |output: &Output| -> Vec<String> {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let texts = errors.lines().filter_map(|line| line.split_once(" warn: ").map(|(_, text)| text.to_owned()));
        texts.filter(|text| !text.contains("-D option") && !text.contains("this version")).collect()
    };
    for option in ["-W", "-R", "--add-to-blocklist", "--add-addr-to-welcomelist=x@example.org", "-r", "-k"] {
        let got = ours(&["-L", "-x", option], &files, &folder);
        let Some(expected) = theirs(&["-L", "-x", option], &files, &folder) else { return };
        assert_eq!(String::from_utf8_lossy(&got.stdout), String::from_utf8_lossy(&expected.stdout), "{option}");
        assert_eq!(told(&got), told(&expected), "{option}");
        assert_eq!(got.status.code(), expected.status.code(), "{option}");
    }
    let with_plugin = ["-L", "--pre=loadplugin Mail::SpamAssassin::Plugin::AWL", "-W"];
    let output = ours(&with_plugin, &files, &folder);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was changed"));
    assert_eq!(output.status.code(), Some(1));
}
