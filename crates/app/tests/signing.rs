//! Our mail signed on its way through a real Postfix, by milter and by proxy, and verified by dkimpy.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{Folder, Postfix, Sekisho, Smtp, contains, filter, free_port};

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).env("LC_ALL", "C").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes a key and says what was printed.
fn keygen(folder: &Folder, arguments: &[&str]) -> String {
    let (config, keys) = (folder.file("keygen.toml", "[store]\nlocation = \"\"\n"), folder.0.join("keys"));
    let (config, keys) = (config.display().to_string(), keys.display().to_string());
    let all = [&["dkim", "keygen", "-c", &config, "--out", &keys], arguments].concat();
    let output = sekisho(&all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The lines for the configuration, as they were printed.
fn configuration(printed: &str) -> String {
    let start = printed.find("[[dkim.key]]").expect("it prints them");
    printed[start..].lines().take(4).map(|line| format!("{line}\n")).collect()
}

const PYTHON: &str = "/usr/bin/python3";

/// What dkimpy says of a message, by the records that we printed. `None`: there is no dkimpy.
fn verdict(folder: &Folder, records: &str, mail: &[u8]) -> Option<Vec<String>> {
    let there = Command::new(PYTHON).args(["-c", "import dkim, nacl"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("skipped: there is no dkimpy");
        return None;
    }
    let zone = folder.file("zone", records).display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/zone_verify.py");
    let (said, code) = filter(PYTHON, &[script, &zone], mail);
    assert_eq!(code, Some(0), "{}", text(mail));
    Some(text(&said).lines().map(str::to_owned).collect())
}

const GOOD: [&str; 3] = ["example.test s1 rsa-sha256 good", "example.test e1 ed25519-sha256 good", "arc none"];

fn mail(from: &str, id: &str) -> Vec<u8> {
    format!(
        "To: bob@example.net,\n\tann@example.test\nFrom:  Ann  <{from}>\nSubject: =?utf-8?b?6Zai5omA?=\n  folded \t twice\n\
         Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{id}>\nX-Spam-Flag: NO\n\n \
         leading and trailing \t \n.dot\n..dots\nFrom me\nfr\u{fc}her \u{95a2}\u{6240}\n\n\n\n"
    )
    .into_bytes()
}

fn settings(folder: &Folder, keys: &str, more: &str) -> String {
    format!(
        "{more}\n[rules]\nset = \"shipped\"\n[networks]\ndomains = [\"example.test\"]\n[store]\nlocation = \
         \"{0}/store\"\n[learn]\nfolder = \"{0}/learn\"\n{keys}",
        folder.0.display()
    )
}

#[test]
fn keys_are_made_shown_and_compared_with_dns() {
    let folder = Folder::new("dkim-keys");
    let printed = keygen(&folder, &["example.test", "--selector", "s1"]);
    let file = folder.0.join("keys/example.test.s1.pem");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.metadata().unwrap().uid(), folder.0.metadata().unwrap().uid());
    assert!(printed.contains("s1._domainkey.example.test.\tIN\tTXT\t( \"v=DKIM1; k=rsa; p="), "{printed}");
    // A key that is there is never overwritten.
    let again = sekisho(&[
        "dkim",
        "keygen",
        "example.test",
        "-s",
        "s1",
        "--out",
        &folder.0.join("keys").display().to_string(),
        "-c",
        &folder.0.join("keygen.toml").display().to_string(),
    ]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));

    let ed = keygen(&folder, &["example.test", "--selector", "e1", "--ed25519"]);
    let record = |printed: &str| -> String {
        let line = &printed[printed.find("IN\tTXT").unwrap()..printed.find("\n\n#").unwrap()];
        line.split('"').skip(1).step_by(2).collect()
    };
    let config = |s1: &str| {
        let dns = format!(
            "[dns]\nask = \"fake\"\n[dns.fake]\n\"s1._domainkey.example.test\" = [{:?}]\n",
            format!("TXT \"{}\" \"{}\"", &s1[..100], &s1[100..])
        );
        let text = format!("{}{}{dns}", configuration(&printed), configuration(&ed));
        folder.file("check.toml", &text).display().to_string()
    };
    let right = record(&printed);
    let checked = sekisho(&["dkim", "check", "-c", &config(&right), "example.test"]);
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("ok   s1._domainkey.example.test: published, and the key fits\n"), "{said}");
    assert!(said.contains("BAD  e1._domainkey.example.test: no such record in DNS"), "{said}");
    let only = sekisho(&["dkim", "check", "-c", &config(&right), "-s", "s1"]);
    assert_eq!(only.status.code(), Some(0), "{}", text(&only.stdout));
    let other = right.replace("IIBIjAN", "IIBIjBN");
    let checked = sekisho(&["dkim", "check", "-c", &config(&other), "-s", "s1"]);
    assert!(text(&checked.stdout).contains("another key is published"), "{}", text(&checked.stdout));

    // What `show` prints is what `keygen` printed.
    let shown = sekisho(&["dkim", "show", "-c", &config(&right)]);
    for printed in [&printed, &ed] {
        let start = printed.find("._domainkey").unwrap() - 2;
        let end = printed.find("\n\n#").unwrap();
        assert!(text(&shown.stdout).contains(&printed[start..end]), "{}", text(&shown.stdout));
    }
}

#[test]
fn keys_that_cannot_be_used_are_told_before_the_start() {
    let folder = Folder::new("dkim-bad");
    let printed = keygen(&folder, &["example.test", "--selector", "s1", "--ed25519"]);
    let key = folder.0.join("keys/example.test.s1.pem");
    let listen = "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n";
    let config = folder.file("bad.toml", &settings(&folder, &configuration(&printed), listen)).display().to_string();
    let check = || {
        let checked = sekisho(&["config", "check", &config]);
        (checked.status.code(), text(&checked.stderr))
    };
    assert_eq!(check().0, Some(0));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = check();
    assert!(code == Some(0) && said.contains("is open to everybody (mode 0644): chmod 600"), "{said}");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nbm9uZQ==\n-----END PRIVATE KEY-----\n").unwrap();
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("the RSA key cannot be used"), "{said}");
    fs::remove_file(&key).unwrap();
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("No such file"), "{said}");
    let serve = sekisho(&["serve", "-c", &config]);
    assert_eq!(serve.status.code(), Some(2));
}

#[test]
fn by_milter() {
    let folder = Folder::new("dkim-milter");
    let (rsa, ed) = both_keys(&folder);
    let socket = folder.0.join("milter.sock");
    let listen =
        format!("[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{}\"\nmode = \"0666\"\n", socket.display());
    let keys = configuration(&rsa) + &configuration(&ed);
    let config = settings(&folder, &keys, &listen);
    let sekisho = Sekisho::start(&folder, &config);
    sekisho.wait_for("dkim: example.test with s1 (RSA, 2048 bits)");
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}", socket.display())) else { return };
    let records = rsa + &ed;

    assert!(postfix.send(&mail("ann@example.test", "1@x")).starts_with("250"));
    let delivered = postfix.delivery("<1@x>");
    let Some(said) = verdict(&folder, &records, &delivered) else { return };
    assert_eq!(said, GOOD, "{}", text(&delivered));
    // Our own headers are below the signature, the foreign one is gone.
    let shown = text(&delivered);
    assert!(shown.find("DKIM-Signature:") < shown.find("X-Spam-Status:") && !shown.contains("X-Spam-Flag"), "{shown}");
    // One byte more breaks it; so does another Subject.
    for changed in [shown.replace("leading and", "leading  an d"), shown.replacen("\nTo:", "\nSubject: other\nTo:", 1)]
    {
        assert!(verdict(&folder, &records, changed.as_bytes()).unwrap()[0].ends_with("bad"), "{changed}");
    }

    // Authors of other domains are not ours to sign for.
    assert!(postfix.send(&mail("joe@example.net", "2@x")).starts_with("250"));
    assert!(!contains(&postfix.delivery("<2@x>"), "DKIM-Signature"));
    // Nor are strangers who say that they are ours.
    let mut smtp = Smtp::connect(postfix.port);
    for command in [
        "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]",
        "EHLO client.example.net",
        "MAIL FROM:<ann@example.test>",
        "RCPT TO:<bob@example.test>",
        "DATA",
    ] {
        let said = smtp.ask(command);
        assert!(said.starts_with(['2', '3']), "{command}: {said}");
    }
    assert!(smtp.data(&mail("ann@example.test", "3@x")).starts_with("250"));
    assert!(!contains(&postfix.delivery("<3@x>"), "DKIM-Signature"));

    // A key that is gone does not lose mail: the one in memory signs on, and another takes its place when it can be read.
    let file = key_file(&folder, "s1");
    fs::rename(&file, file.with_extension("away")).unwrap();
    sekisho.signal("HUP");
    sekisho.wait_for("keys not reloaded: dkim.key: ");
    assert!(postfix.send(&mail("ann@example.test", "4@x")).starts_with("250"));
    assert_eq!(verdict(&folder, &records, &postfix.delivery("<4@x>")).unwrap(), GOOD);
    let new = keygen(&folder, &["example.test", "--selector", "s2"]);
    folder.file("sekisho.toml", &settings(&folder, &configuration(&new), &listen));
    sekisho.signal("HUP");
    support::wait_until("the new key", || {
        sekisho.log().iter().filter(|line| line.contains("configuration reloaded")).count() == 2
    });
    assert!(postfix.send(&mail("ann@example.test", "5@x")).starts_with("250"));
    let said = verdict(&folder, &new, &postfix.delivery("<5@x>")).unwrap();
    assert_eq!(said, ["example.test s2 rsa-sha256 good", "arc none"]);
}

#[test]
fn by_proxy() {
    let folder = Folder::new("dkim-proxy");
    let (rsa, ed) = both_keys(&folder);
    let (filter, front, back) = (free_port(), free_port(), free_port());
    let listen = format!(
        "[[listen]]\nprotocol = \"smtp\"\nsocket = \"inet:127.0.0.1:{filter}\"\nnext_hop = \"smtp:127.0.0.1:{back}\"\n"
    );
    let simple = "[dkim]\ncanonicalization = \"simple/simple\"\n";
    let keys = simple.to_owned() + &configuration(&rsa) + &configuration(&ed);
    let _sekisho = Sekisho::start(&folder, &settings(&folder, &keys, &listen));
    let asking = format!("-o content_filter=smtp:[127.0.0.1]:{filter}");
    let back_options = "-o content_filter= -o receive_override_options=no_address_mappings".to_owned();
    let more = "disable_mime_output_conversion = yes\nsmtp_send_xforward_command = yes\nsmtpd_authorized_xforward_hosts = \
                127.0.0.0/8\n";
    let listen = [(front, asking), (back, back_options)];
    let Some(postfix) = Postfix::start_with(&folder, &listen, more) else { return };
    assert!(postfix.send(&mail("ann@example.test", "1@x")).starts_with("250"));
    let delivered = postfix.delivery("<1@x>");
    let Some(said) = verdict(&folder, &(rsa + &ed), &delivered) else { return };
    assert_eq!(said, GOOD, "{}", text(&delivered));
    assert!(contains(&delivered, "c=simple/simple"));
}

fn both_keys(folder: &Folder) -> (String, String) {
    let rsa = keygen(folder, &["example.test", "--selector", "s1"]);
    (rsa, keygen(folder, &["example.test", "--selector", "e1", "--ed25519"]))
}

fn key_file(folder: &Folder, selector: &str) -> PathBuf {
    Path::new(&folder.0).join(format!("keys/example.test.{selector}.pem"))
}
