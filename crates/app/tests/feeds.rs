//! Feeds against publishers on this machine: what is good comes into force, and whatever goes wrong leaves what was there.

#[path = "support/publisher.rs"]
mod publisher;
mod support;

use publisher::{Dns, Gpg, Http, Page, Rsync};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Folder, Sekisho, wait_until};

const SIGNATURES: &str = "Test.One:4:*:4d61726b657220416c706861\nTest.Two:0:*:4d61726b65722042657461\n";

/// A site with this configuration, feeds in its own folder.
struct Site {
    folder: Folder,
}

impl Site {
    fn new(name: &str, more: &str) -> Site {
        let folder = Folder::new(name);
        let site = Site { folder };
        site.configure(more);
        site
    }

    fn configure(&self, more: &str) {
        let root = self.folder.0.display();
        let text = format!(
            "listen = []\n[rules]\nset = \"none\"\nextra = [\"{root}/own.cf\"]\nwatch = \"1s\"\n[store]\nlocation = \"{root}/store\"\n\
             [notify]\npostmaster = \"root@example.test\"\n[feeds]\nfolder = \"{root}/feeds\"\nkeys = \"{root}/keys\"\n\
             timeout = \"20s\"\ndelay = \"0s\"\n{more}"
        );
        self.folder.file("own.cf", "body OWN_RULE /never in any mail/\nscore OWN_RULE 1\n");
        self.folder.file("feeds.toml", &text);
    }

    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let mut command = self.folder.command(&[&["feeds"], arguments].concat());
        command.arg("--config").arg(self.folder.0.join("feeds.toml"));
        let output = command.env_remove("http_proxy").env_remove("HTTP_PROXY").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), output.status.code().unwrap())
    }

    /// Asks at once, and holds what is said to this.
    fn update(&self, feed: &str, code: i32, said: &str) {
        let (text, ended) = self.run(&["update", feed, "--now"]);
        assert!(ended == code && text.contains(said), "expected {code} and {said:?}, got {ended} and:\n{text}");
    }

    fn has(&self, feed: &str, file: &str) -> String {
        fs::read_to_string(self.folder.0.join("feeds").join(feed).join("current").join(file)).unwrap_or_default()
    }

    fn key(&self, feed: &str, gpg: &Gpg) {
        fs::create_dir_all(self.folder.0.join("keys")).unwrap();
        fs::write(self.folder.0.join("keys").join(format!("{feed}.asc")), gpg.public_key()).unwrap();
    }
}

fn publish(http: &Http, gpg: &Gpg, path: &str, content: &str) {
    http.put(path, Page::ok(content));
    http.put(&format!("{path}.sig"), Page::ok(gpg.sign(content.as_bytes())));
}

#[test]
fn a_signed_file_over_http_and_all_that_can_go_wrong() {
    let http = Http::start();
    let feed = format!("[[feed]]\nname = \"mine\"\nurl = \"{}\"\nsignature = \".sig\"\n", http.url("mine.ndb"));
    let site = Site::new("feeds-http", &feed);
    let (gpg, other) = (Gpg::new(&site.folder, "publisher", "rsa2048"), Gpg::new(&site.folder, "other", "ed25519"));
    publish(&http, &gpg, "mine.ndb", SIGNATURES);

    site.update("mine", 2, "the publisher's OpenPGP key, in");
    assert!(site.run(&["status", "mine"]).0.contains("missing: the key"));
    site.key("mine", &gpg);
    site.update("mine", 0, "mine: 1 new files, 2 lines in all");
    assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES);
    let (status, code) = site.run(&["status"]);
    assert!(code == 0 && status.contains(&format!("proof: OpenPGP {}", gpg.fingerprint)), "{status}");

    site.update("mine", 0, "mine: nothing new");
    assert_eq!(http.asked().last().unwrap(), "304 /mine.ndb");
    let (early, code) = site.run(&["update"]);
    assert!(code == 0 && early.contains("not asked before"), "{early}");

    let more = format!("{SIGNATURES}Test.Three:0:*:4d61726b65722047616d6d61\n");
    let signature = gpg.sign(more.as_bytes());
    for (page, signature, code, said) in [
        (Page { missing: 100, ..Page::ok(more.as_str()) }, signature.clone(), 2, "cut off after"),
        (Page::ok(&more[..more.len() - 7]), signature.clone(), 1, "signature: it was not made over this content"),
        (Page::ok(more.as_str()), other.sign(more.as_bytes()), 1, "signature: it was not made over this content"),
        (Page::ok(more.as_str()), b"junk".to_vec(), 1, "no OpenPGP signature"),
        (Page::ok("<!DOCTYPE html><title>We have moved</title>"), signature.clone(), 1, "a web page"),
        (Page::ok(""), signature.clone(), 1, "empty"),
        (Page::ok("\x1f\u{8b}\0\0"), signature.clone(), 1, "not text"),
        (Page::status(500), signature.clone(), 2, "the server says 500"),
        (Page::ok("no signature\n"), gpg.sign(b"no signature\n"), 1, "1 of 1 lines are no signatures"),
    ] {
        http.put("mine.ndb", page);
        http.put("mine.ndb.sig", Page::ok(signature));
        site.update("mine", code, said);
        assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES, "{said}: the old set stays");
        assert_eq!(site.run(&["status", "mine"]).1, 1, "{said}: status says so");
    }

    publish(&http, &gpg, "mine.ndb", &more);
    site.update("mine", 0, "mine: 1 new files, 3 lines in all");
    assert_eq!(site.has("mine", "mine.ndb"), more);
    assert_eq!(site.run(&["rollback", "mine"]).1, 0);
    assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES);
    site.update("mine", 1, "is what was taken back before");
    assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES);

    // Damage on our own disk is found, and mended by the next fetch.
    assert_eq!(site.run(&["verify"]).1, 0);
    let file = site.folder.0.join("feeds/mine/current/mine.ndb");
    fs::write(&file, "half").unwrap();
    let (text, code) = site.run(&["verify"]);
    assert!(code == 1 && text.contains("mine.ndb is not what was taken"), "{text}");
    publish(&http, &gpg, "mine.ndb", SIGNATURES);
    site.update("mine", 0, "1 new files");
    assert_eq!(site.run(&["verify"]).1, 0);

    // Who is told to stay away stays away.
    http.put("mine.ndb", Page { headers: "Retry-After: 100000\r\n".into(), ..Page::status(429) });
    site.update("mine", 2, "the server says 429: it is not asked again for 28 h");
    let asked = http.asked().len();
    site.update("mine", 0, "not asked before");
    assert_eq!(http.asked().len(), asked, "not even --now");
    assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES);
}

#[test]
fn sanesecurity_by_rsync_with_an_old_dsa_key() {
    let site = Site::new("feeds-rsync", "");
    let gpg = Gpg::new(&site.folder, "sane", "dsa1024");
    let rsync = Rsync::start(&site.folder);
    let wanted = ["phish.ndb", "sanesecurity.ftm", "lott.ndb"];
    let source = feeds::sources::find("sanesecurity").unwrap();
    let unwanted = source.files.iter().map(|file| file.name).filter(|name| !wanted.contains(name));
    let never: Vec<String> = unwanted.map(|name| format!("\"sanesecurity/{name}\"")).collect();
    site.configure(&format!(
        "on = [\"sanesecurity\"]\nnever = [{}]\nmirrors = {{ sanesecurity = [\"rsync://127.0.0.1:{}/sanesecurity/\"] }}\n\
         fingerprints = {{ sanesecurity = [\"{}\"] }}\n",
        never.join(", "),
        rsync.port,
        gpg.fingerprint
    ));
    site.key("sanesecurity", &gpg);
    let put = |name: &str, content: &str, signed: &str| {
        fs::write(rsync.folder.join(name), content).unwrap();
        fs::write(rsync.folder.join(format!("{name}.sig")), gpg.sign(signed.as_bytes())).unwrap();
    };
    put("phish.ndb", SIGNATURES, SIGNATURES);
    put("lott.ndb", SIGNATURES, SIGNATURES);
    put("sanesecurity.ftm", "1:0:5859:Name:CL_TYPE_ANY:CL_TYPE_MAIL\n", "1:0:5859:Name:CL_TYPE_ANY:CL_TYPE_MAIL\n");
    site.update("sanesecurity", 0, "3 new files, 5 lines in all");
    site.update("sanesecurity", 0, "nothing new");

    // One bad file keeps its old version; the others go on.
    let more = format!("{SIGNATURES}Test.Three:0:*:4d61726b65722047616d6d61\n");
    put("phish.ndb", &more, SIGNATURES);
    put("lott.ndb", &more, &more);
    site.update("sanesecurity", 1, "phish.ndb refused: signature");
    assert_eq!(site.has("sanesecurity", "phish.ndb"), SIGNATURES);
    assert_eq!(site.has("sanesecurity", "lott.ndb"), more);
    put("phish.ndb", &more, &more);
    site.update("sanesecurity", 0, "1 new files");
    assert_eq!(site.has("sanesecurity", "phish.ndb"), more);

    // A key that is not the pinned one counts for nothing.
    let other = Gpg::new(&site.folder, "other", "rsa2048");
    site.key("sanesecurity", &other);
    site.update("sanesecurity", 2, "none of the keys that may sign");
    site.key("sanesecurity", &gpg);
    drop(rsync);
    site.update("sanesecurity", 2, "rsync ended with code");
    assert_eq!(site.has("sanesecurity", "phish.ndb"), more);
}

/// TLEC's daily `wget`, done right.
#[test]
fn rules_are_tried_before_they_count_and_the_service_takes_them() {
    let http = Http::start();
    let site = Site::new("feeds-rules", "");
    let ham =
        site.folder.file("ham/1.eml", "From: a@example.test\nSubject: Lunch\n\nSee you at noon in the canteen.\n");
    site.configure(&format!("ham = [\"{}\"]\n", ham.parent().unwrap().display()));
    let good = "body TLEC_ONE /lottery prize/\nscore TLEC_ONE 3\ndescribe TLEC_ONE one\n";
    http.put("user_prefs", Page::ok(good));
    let (text, code) = site.run(&["add", &http.url("user_prefs"), "--name", "tlec"]);
    assert!(code == 2 && text.contains("say file ="), "{text}");
    let (text, code) = site.run(&["add", &http.url("user_prefs"), "--name", "tlec", "--file", "tlec.cf"]);
    assert!(code == 0 && text.contains("tlec is on"), "{text}");

    let config = fs::read_to_string(site.folder.0.join("feeds.toml")).unwrap();
    let sekisho = Sekisho::start(&site.folder, &config);
    sekisho.wait_for("feed tlec: 1 new files, 3 lines in all");
    sekisho.wait_for("rules reloaded: 2 rules");
    assert_eq!(site.has("tlec", "tlec.cf"), good);
    let override_file = site.folder.file("feeds/local/mine.cf", "score TLEC_ONE 0.5\n");
    sekisho.wait_for("rules reloaded: 2 rules");

    // An error that was not there before.
    http.put("user_prefs", Page::ok(format!("{good}body TLEC_TWO /(/\n")));
    site.update("tlec", 2, "bad-regex");
    http.put("user_prefs", Page::ok(format!("{good}include /etc/passwd\n")));
    site.update("tlec", 2, "includes /etc/passwd");
    assert_eq!(site.has("tlec", "tlec.cf"), good);

    // A rule that hits good mail comes in without a score, and the administrator is told.
    let eager = format!(
        "{good}body TLEC_NOON /noon/\nscore TLEC_NOON 4\nbody TLEC_CANTEEN /canteen/\nscore TLEC_CANTEEN 0.2\n"
    );
    http.put("user_prefs", Page::ok(eager.as_str()));
    site.update("tlec", 1, "TLEC_NOON is suspended: score 4 on 1 of 1 good messages");
    assert_eq!(site.has("tlec", "tlec.cf"), eager);
    let suspended = fs::read_to_string(site.folder.0.join("feeds/local/suspended.cf")).unwrap();
    assert!(suspended.contains("score TLEC_NOON 0\n") && !suspended.contains("CANTEEN"), "{suspended}");
    sekisho.wait_for("rules reloaded: 3 rules");
    assert!(override_file.exists(), "the administrator's own stays");
    assert!(site.run(&["status", "tlec"]).0.contains("suspended: TLEC_NOON"));
    assert_eq!(site.run(&["pardon", "TLEC_NOON"]).1, 0);
    sekisho.wait_for("rules reloaded: 4 rules");

    let (text, code) = site.run(&["remove", "tlec"]);
    assert!(code == 0 && !site.folder.0.join("feeds/tlec").exists(), "{text}");
}

#[test]
fn a_feed_that_fails_in_the_service_is_told_once() {
    let http = Http::start();
    let feed = format!("[[feed]]\nname = \"mine\"\nurl = \"{}\"\n", http.url("mine.ndb"));
    let site = Site::new("feeds-told", &feed);
    http.put("mine.ndb", Page::ok("<html>Your subscription has ended</html>"));
    let config = fs::read_to_string(site.folder.0.join("feeds.toml")).unwrap();
    let mail = site.folder.0.join("mail");
    let release = site.folder.file("release", &format!("#!/bin/sh\ncat >> {}\n", mail.display()));
    Command::new("chmod").arg("755").arg(&release).status().unwrap();
    let config = config.replace("[notify]", &format!("release = [\"{}\"]\n[notify]", release.display()));
    let sekisho = Sekisho::start(&site.folder, &config);
    sekisho.wait_for("mine.ndb refused: mine.ndb is a web page");
    let read = || fs::read_to_string(&mail).unwrap_or_default();
    wait_until("the postmaster is told", || read().contains("Feed mine: something is wrong"));
    site.update("mine", 2, "no file could be had");
    assert_eq!(read().matches("something is wrong").count(), 1);
}

fn archive(folder: &Path, files: &[(&str, &str)]) -> Vec<u8> {
    let from = folder.join("pack");
    let _ = fs::remove_dir_all(&from);
    fs::create_dir_all(&from).unwrap();
    for (name, text) in files {
        fs::write(from.join(name), text).unwrap();
    }
    let output = Command::new("tar").arg("-C").arg(&from).args(["-czf", "-", "."]).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn sha256(content: &[u8]) -> String {
    feeds::verify::checksum::sha256(content)
}

#[test]
fn a_channel_of_sa_update() {
    let (http, dns) = (Http::start(), Dns::start());
    let site = Site::new("feeds-channel", "");
    let gpg = Gpg::new(&site.folder, "rules", "rsa2048");
    site.configure(&format!(
        "dns = \"127.0.0.1:{}\"\n[[feed]]\nname = \"chan\"\nchannel = \"updates.example.test\"\nfingerprint = \"{}\"\n",
        dns.port, gpg.fingerprint
    ));
    site.key("chan", &gpg);
    dns.put("mirrors.updates.example.test", &http.url("MIRRORED.BY"));
    http.put("MIRRORED.BY", Page::ok(format!("# mirrors\n{} weight=5\n", http.url("chan"))));
    let publish = |version: u64, packed: &[u8], sum: &str| {
        dns.put("1.0.4.updates.example.test", &version.to_string());
        http.put(&format!("chan/{version}.tar.gz"), Page::ok(packed));
        http.put(&format!("chan/{version}.tar.gz.sha512"), Page::status(404));
        http.put(&format!("chan/{version}.tar.gz.sha256"), Page::ok(format!("{sum}  {version}.tar.gz\n")));
        http.put(&format!("chan/{version}.tar.gz.asc"), Page::ok(gpg.run(&["--armor", "--detach-sign"], packed)));
    };
    let one = archive(&site.folder.0, &[("20_a.cf", "body CHAN_A /lottery/\nscore CHAN_A 2\n"), ("languages", "x")]);
    publish(100, &one, &sha256(&one));
    site.update("chan", 0, "2 new files");
    assert!(site.has("chan", "20_a.cf").contains("CHAN_A"));
    let (status, _) = site.run(&["status", "chan"]);
    assert!(status.contains("updates.example.test version 100"), "{status}");
    let asked = http.asked().len();
    site.update("chan", 0, "nothing new");
    assert_eq!(http.asked().len(), asked, "DNS says it all");

    let two = archive(&site.folder.0, &[("20_b.cf", "body CHAN_B /prize/\nscore CHAN_B 2\n")]);
    publish(101, &two, &sha256(b"another"));
    site.update("chan", 2, "checksum: 101.tar.gz is not what its list says");
    publish(102, &two[..two.len() / 2], &sha256(&two[..two.len() / 2]));
    site.update("chan", 2, "cut off");
    publish(103, &two, &sha256(&two));
    http.put("chan/103.tar.gz.asc", Page::ok(gpg.sign(b"another")));
    site.update("chan", 2, "signature: ");
    let broken = archive(&site.folder.0, &[("20_b.cf", "body CHAN_B /prize\nbody CHAN_C /(/\n")]);
    publish(104, &broken, &sha256(&broken));
    site.update("chan", 2, "20_b.cf:");
    assert!(site.has("chan", "20_a.cf").contains("CHAN_A") && site.has("chan", "20_b.cf").is_empty());
    // Signatures tell seconds.
    let old = gpg.run(&["--armor", "--detach-sign"], &one);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let new = gpg.run(&["--armor", "--detach-sign"], &two);
    publish(105, &two, &sha256(&two));
    http.put("chan/105.tar.gz.asc", Page::ok(new.clone()));
    site.update("chan", 0, "1 new files");
    assert!(site.has("chan", "20_a.cf").is_empty() && site.has("chan", "20_b.cf").contains("CHAN_B"), "whole sets");
    // Old rules under a new number, and the present ones, so that the next numbers would be taken for had.
    publish(106, &one, &sha256(&one));
    http.put("chan/106.tar.gz.asc", Page::ok(old));
    site.update("chan", 2, "106.tar.gz was signed before what we have");
    publish(4_000_000, &two, &sha256(&two));
    http.put("chan/4000000.tar.gz.asc", Page::ok(new));
    site.update("chan", 2, "4000000.tar.gz is what we have, under another number");
    assert!(site.has("chan", "20_b.cf").contains("CHAN_B"));
    publish(107, &one, &sha256(&one));
    site.update("chan", 0, "2 new files");
    dns.put("1.0.4.updates.example.test", "oops");
    site.update("chan", 2, "no version");
}

#[test]
fn clamavs_databases_are_believed_only_with_its_signature() {
    let (http, dns) = (Http::start(), Dns::start());
    let site = Site::new("feeds-clamav", "");
    site.configure(&format!(
        "on = [\"clamav\"]\ndns = \"127.0.0.1:{}\"\nnever = [\"clamav/main.cvd\"]\nmirrors = {{ clamav = [\"{}\"] }}\n",
        dns.port,
        http.url("")
    ));
    dns.put("current.cvd.clamav.net", "1.4.6:62:27600:1750000000:1:90:49192:336");
    let tar = feeds::archive::pack(&[("daily.ndb", SIGNATURES.as_bytes())]);
    fs::write(site.folder.0.join("tar"), &tar).unwrap();
    let output = Command::new("md5sum").arg(site.folder.0.join("tar")).output().unwrap();
    let sum = String::from_utf8_lossy(&output.stdout)[..32].to_owned();
    let mut forged =
        format!("ClamAV-VDB:22 Jun 2021 16-55 -0400:27600:2:81:{sum}:abcdef:nobody:1624395301").into_bytes();
    forged.resize(512, b' ');
    forged.extend_from_slice(&tar);
    http.put("daily.cvd", Page::ok(forged.clone()));
    site.update("clamav", 2, "signature: the container was not signed by ClamAV");
    http.put("daily.cvd", Page::ok(&forged[..forged.len() - 9]));
    site.update("clamav", 2, "checksum: ");
    http.put("daily.cvd", Page::ok("<html>blocked</html>"));
    site.update("clamav", 2, "a web page");
    http.put("daily.cvd", Page::status(403));
    site.update("clamav", 2, "the server says 403: it is not asked again for 24 h");
    site.update("clamav", 0, "not asked before");
    assert!(!site.folder.0.join("feeds/clamav/current").exists());
}

#[test]
fn the_list_says_what_is_dead_and_what_is_missing() {
    let site = Site::new("feeds-list", "on = [\"securiteinfo\"]\n");
    let (list, code) = site.run(&["list", "--files"]);
    assert!(code == 0 && list.contains("msrbl (dead)") && list.contains("foxhole_all.cdb"), "{list}");
    let (text, code) = site.run(&["add", "msrbl"]);
    assert!(code == 2 && text.contains("the service has ended"), "{text}");
    site.update("securiteinfo", 2, "feeds.accounts");
    let (status, code) = site.run(&["status", "--format", "json"]);
    assert!(code == 1 && status.contains("\"missing\":[\"an account"), "{status}");
}

fn gzip(content: &[u8]) -> Vec<u8> {
    support::filter("gzip", &["-c"], content).0
}

#[test]
fn an_archive_changes_nothing_that_counts_and_does_not_go_back() {
    let http = Http::start();
    let feed = format!("[[feed]]\nname = \"pack\"\nurl = \"{}\"\nsignature = \".sig\"\n", http.url("pack.tar.gz"));
    let site = Site::new("feeds-archive", &feed);
    let gpg = Gpg::new(&site.folder, "publisher", "rsa2048");
    site.key("pack", &gpg);
    let more = format!("{SIGNATURES}Test.Three:0:*:4d61726b65722047616d6d61\n");
    let put = |archive: &[u8], signature: &[u8]| {
        http.put("pack.tar.gz", Page::ok(archive));
        http.put("pack.tar.gz.sig", Page::ok(signature));
    };
    let one = archive(&site.folder.0, &[("mine.ndb", SIGNATURES)]);
    let old = gpg.sign(&one);
    put(&one, &old);
    site.update("pack", 0, "1 new files");

    // The first is what we have, and lies in the new set as a link to the old one's; the second is not.
    let pages = [("mine.ndb", SIGNATURES.as_bytes()), ("mine.ndb", more.as_bytes())];
    let twice = gzip(&feeds::archive::pack(&pages));
    put(&twice, &gpg.sign(&twice));
    site.update("pack", 2, "the archive has mine.ndb twice");
    assert_eq!(site.has("pack", "mine.ndb"), SIGNATURES);

    // Signatures tell seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let two = archive(&site.folder.0, &[("mine.ndb", more.as_str())]);
    put(&two, &gpg.sign(&two));
    site.update("pack", 0, "1 new files");
    put(&one, &old);
    site.update("pack", 0, "an older archive than we have");
    assert_eq!(site.has("pack", "mine.ndb"), more);
}

/// Answers over TLS with files that are whole answers; stopped in the end.
struct Secure(std::process::Child);

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_to_come_over_tls_comes_by_nothing_else() {
    let http = Http::start();
    http.put("mine.ndb", Page::ok(SIGNATURES));
    let site = Site::new("feeds-tls", "");
    let root = &site.folder.0;
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=publisher", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(root)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: there is no openssl that makes a certificate");
        return;
    }
    let answer = |head: &str, body: &str| {
        let length = body.len();
        site.folder
            .file("mine.ndb", &format!("HTTP/1.0 {head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
    };
    answer("200 OK\r\n", SIGNATURES);
    let port = support::free_port();
    let server = Command::new("openssl")
        .args(["s_server", "-quiet", "-HTTP", "-key", "key.pem", "-cert", "certificate.pem", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .current_dir(root)
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _server = Secure(server);
    wait_until("the server answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    site.configure(&format!(
        "authorities = \"{}/certificate.pem\"\n[[feed]]\nname = \"mine\"\nurl = \"https://127.0.0.1:{port}/mine.ndb\"\n",
        root.display()
    ));
    site.update("mine", 0, "1 new files");
    assert!(site.run(&["status", "mine"]).0.contains("proof: TLS alone"));
    answer(&format!("302 Found\r\nLocation: {}\r\n", http.url("mine.ndb")), "");
    site.update("mine", 2, "configured for https only");
    assert_eq!(http.asked(), Vec::<String>::new(), "nobody was asked without TLS");
}

#[test]
fn root_works_in_anothers_folder_as_that_other() {
    use std::os::unix::fs::{MetadataExt, chown};
    let http = Http::start();
    http.put("mine.ndb", Page::ok(SIGNATURES));
    let feed = format!("[[feed]]\nname = \"mine\"\nurl = \"{}\"\n", http.url("mine.ndb"));
    let site = Site::new("feeds-owner", &feed);
    let home = site.folder.0.join("feeds");
    fs::create_dir_all(home.join("mine")).unwrap();
    let ours = site.folder.file("precious", "root's");
    if chown(&home, Some(65534), Some(65534)).and_then(|()| chown(home.join("mine"), Some(65534), Some(65534))).is_err()
    {
        eprintln!("skipped: only root can give away a folder");
        return;
    }
    // What the other may have put in our way.
    fs::hard_link(&ours, home.join("mine/trap")).unwrap();
    site.update("mine", 0, "1 new files");
    assert_eq!(site.has("mine", "mine.ndb"), SIGNATURES);
    assert_eq!(fs::metadata(&ours).unwrap().uid(), 0, "what is root's stays root's");
    for name in ["lock", "state.json", "current/mine.ndb"] {
        assert_eq!(fs::metadata(home.join("mine").join(name)).unwrap().uid(), 65534, "{name}");
    }
    fs::remove_file(home.join("mine/trap")).unwrap();
}
