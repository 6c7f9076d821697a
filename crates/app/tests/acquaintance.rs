//! Whom the service has met: first contact, pen pals, bounces of mail that nobody sent, and averages as TxRep and AWL keep
//! them.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Folder, Sekisho};

const RULES: &str = "\
header FIRST eval:check_first_contact()
header FIRST_HERE eval:check_first_contact('site')
header FIRST_DOMAIN eval:check_first_contact('domain')
header PAL eval:check_pen_pal()
header ANSWER eval:check_answer_to_us()
header BOUNCED eval:check_backscatter()
score FIRST 0.1
score FIRST_HERE 0.1
score FIRST_DOMAIN 0.1
score PAL -0.1
score ANSWER -0.1
body SPAMMY /spammy/
score SPAMMY 20
body POINTS /points/
score POINTS 4
";

/// An officer's name from outside, with an errand.
const ERRAND: &str = "FIRST_CONTACT_ERRAND";

struct Site {
    sekisho: Sekisho,
    folder: Folder,
}

impl Site {
    fn new(name: &str, rules: &str, settle: &str) -> Site {
        let folder = Folder::new(name);
        let rules = folder.file("rules.cf", &format!("{RULES}{rules}"));
        let config = format!(
            "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [{rules:?}]\n\
             [networks]\ndomains = [\"example.test\"]\n[store]\nlocation = {:?}\n[learn]\nfolder = {:?}\n\
             [reputation]\nsettle = {settle:?}\n",
            folder.0.join("store"),
            folder.0.join("model"),
        );
        Site { sekisho: Sekisho::start(&folder, &config), folder }
    }

    /// The rules that hit, each with its score.
    fn send(&self, facts: &str, mail: &str) -> Vec<(String, f64)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.sekisho.port("http"))).unwrap();
        let head = format!("POST /v1/check?{facts} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{mail}", mail.len()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{reply}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{reply}"));
        let hits = body["hits"].as_array().unwrap_or_else(|| panic!("{body}"));
        hits.iter().map(|hit| (hit["rule"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap())).collect()
    }

    fn names(&self, facts: &str, mail: &str) -> String {
        let hits = self.send(facts, mail).into_iter().map(|(rule, _)| rule);
        // What the gate thinks of a client without a name is not our matter.
        let mut names: Vec<String> = hits.filter(|rule| !rule.starts_with("S25R")).collect();
        names.sort();
        names.join(" ")
    }
}

fn mail(id: &str, from: &str, more: &str, text: &str) -> String {
    format!(
        "From: <{from}>\nTo: <ann@example.test>\nSubject: letter\nMessage-ID: <{id}>\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0900\n{more}\n{text}\n"
    )
}

const TO_ANN: &str = "ip=192.0.2.1&from=x@there.example&rcpt=ann@example.test";
const TO_BOB: &str = "ip=192.0.2.1&from=x@there.example&rcpt=bob@example.test";
const NULL: &str = "ip=192.0.2.1&from=&rcpt=ann@example.test";

#[test]
fn who_is_new_and_who_is_known() {
    let site = Site::new("first-contact", "", "0s");
    // A memory that does not exist says nothing of anybody.
    assert_eq!(site.names(TO_ANN, &mail("0@x", "joe@mail.there.example", "", "hello")), "");
    assert_eq!(site.names(TO_ANN, &mail("1@x", "joe@mail.there.example", "", "hello")), "");
    assert_eq!(site.names(TO_BOB, &mail("2@x", "joe@mail.there.example", "", "hello")), "FIRST");
    assert_eq!(site.names(TO_BOB, &mail("3@x", "jim@there.example", "", "hello")), "FIRST FIRST_HERE");
    let stranger = mail("4@x", "stranger@else.example", "", "spammy");
    // Who sends spam makes no acquaintance.
    for _ in 0..2 {
        assert_eq!(site.names(TO_ANN, &stranger), "FIRST FIRST_DOMAIN FIRST_HERE SPAMMY");
    }
    // Nor does who is refused for something else than spam.
    let kind = "Content-Type: multipart/mixed; boundary=b\n";
    let banned = "--b\n\nsee\n--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=a.exe\n\nMZ\n--b--";
    for _ in 0..2 {
        let hits = site.names(TO_ANN, &mail("4b@x", "stranger@else.example", kind, banned));
        assert!(hits.contains("FIRST FIRST_DOMAIN FIRST_HERE"), "{hits}");
    }
    // One of the recipients is enough; our own people are no strangers.
    let both = format!("{TO_BOB}&rcpt=ann@example.test");
    assert_eq!(site.names(&both, &mail("5@x", "joe@mail.there.example", "", "hello")), "");
    assert_eq!(site.names("ip=127.0.0.1&rcpt=ann@example.test", &mail("6@x", "new@example.test", "", "hello")), "");

    // Whom we wrote to.
    let ours = mail("ours@example.test", "ann@example.test", "", "how are you?");
    assert_eq!(site.names("user=ann&from=ann@example.test&rcpt=pal@far.example", &ours), "");
    let answer = "In-Reply-To: <ours@example.test>\n";
    let pal = |to: &str, more: &str| site.names(to, &mail("7@x", "pal@far.example", more, "fine"));
    assert_eq!(pal(TO_ANN, answer), "ANSWER FIRST FIRST_DOMAIN FIRST_HERE PAL");
    assert_eq!(pal(TO_ANN, ""), "PAL");
    assert_eq!(pal(TO_BOB, ""), "FIRST");

    // Bounces: of mail that we sent, that we never sent, that nobody says was ours, and those that quote nothing.
    let bounce = |original: &str| {
        let kind = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n";
        let text = format!(
            "--b\n\nNot delivered.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n--b\n{original}--b--"
        );
        site.names(NULL, &mail("8@x", "mailer-daemon@far.example", kind, &text)).contains("BOUNCED")
    };
    let whole = |id: &str, from: &str| format!("Content-Type: message/rfc822\n\n{}\n", mail(id, from, "", "x"));
    let header =
        |id: &str, from: &str| format!("Content-Type: text/rfc822-headers\n\nFrom: {from}\nMessage-ID:\n <{id}>\n\n");
    assert!(!bounce(&whole("ours@example.test", "ann@example.test")));
    // Some programs write Message-IDs without a domain.
    let bare = mail("123abc", "ann@example.test", "", "how are you?");
    assert_eq!(site.names("user=ann&from=ann@example.test&rcpt=pal@far.example", &bare), "");
    assert!(!bounce(&whole("123abc", "ann@example.test")));
    assert!(bounce(&whole("forged@example.test", "ann@example.test")));
    assert!(bounce(&header("forged@example.test", "ann@example.test")));
    assert!(!bounce(&header("ours@example.test", "ann@example.test")));
    assert!(!bounce(&whole("theirs@else.example", "joe@else.example")));
    assert!(!bounce(""));
    let quoted = "Hi. This is the qmail-send program.\n\n--- Below this line is a copy of the message.\n\nReturn-Path: \
                  <ann@example.test>\nFrom: ann@example.test\nMessage-ID: <forged2@example.test>\n\nBuy!\n";
    assert!(site.names(NULL, &mail("9@x", "mailer-daemon@far.example", "", quoted)).contains("BOUNCED"));
    let letter = site.names(TO_ANN, &mail("10@x", "joe@mail.there.example", "", quoted));
    assert!(!letter.contains("BOUNCED"), "it is no bounce");
}

#[test]
fn nobody_is_new_to_a_young_memory() {
    let site = Site::new("young", "", "1d");
    for n in 0..3 {
        assert_eq!(site.names(TO_ANN, &mail(&format!("{n}@x"), &format!("a{n}@there.example"), "", "hello")), "");
    }
    // But whom we wrote to is known at once.
    let ours = mail("ours@example.test", "ann@example.test", "", "how are you?");
    site.send("user=ann&from=ann@example.test&rcpt=pal@far.example", &ours);
    assert_eq!(site.names(TO_ANN, &mail("7@x", "pal@far.example", "", "fine")), "PAL");
}

#[test]
fn scores_are_pulled_towards_the_senders_average() {
    let awl = "loadplugin Mail::SpamAssassin::Plugin::AWL\nheader AWL eval:check_from_in_auto_welcomelist()\n\
               tflags AWL userconf noautolearn\npriority AWL 1000\n";
    let site = Site::new("awl", awl, "1d");
    let score = |from: &str, text: &str, rule: &str| {
        let received = "Received: from x.example ([192.0.2.1]) by mx.example.test; Fri, 20 Nov 2026 10:00:00 +0900\n";
        let hits = site.send(TO_ANN, &format!("{received}{}", mail("1@x", from, "", text)));
        hits.iter().find(|(name, _)| name == rule).map(|(_, score)| *score)
    };
    // Three messages of 0, then one of 4: the average is 0, half of the way is -2.
    for _ in 0..3 {
        assert_eq!(score("joe@there.example", "hello", "AWL"), None);
    }
    assert_eq!(score("joe@there.example", "points", "AWL"), Some(-2.0));
    // (0 + 0 + 0 + 4) / 4 = 1
    assert_eq!(score("joe@there.example", "points", "AWL"), Some(-1.5));
    assert_eq!(score("jim@there.example", "points", "AWL"), None);

    let txrep = "loadplugin Mail::SpamAssassin::Plugin::TxRep\nuse_txrep 1\nheader TXREP eval:check_senders_reputation()\n\
                 tflags TXREP userconf noautolearn\npriority TXREP 1000\n";
    let site = Site::new("txrep", txrep, "1d");
    let score = |from: &str, text: &str| {
        let hits = site.send(TO_ANN, &mail("1@x", from, "", text));
        hits.iter().find(|(name, _)| name == "TXREP").map(|(_, score)| *score)
    };
    assert_eq!(score("joe@there.example", "points"), None);
    // All names had one message of 4: (4 + 0) / 2 - 0 = 2, half of it is taken.
    assert_eq!(score("joe@there.example", "hello"), Some(1.0));
    // Another author: domain, address and greeting, 6.5 of a weight of 19.5, pull towards an average of 1.32.
    assert_eq!(score("jim@there.example", "hello"), Some(0.22));
    let reputation = |arguments: &[&str]| {
        let config = site.folder.0.join("sekisho.toml").display().to_string();
        let all = [&["reputation"], arguments, &["-c", &config]].concat();
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_sekisho")).args(all).env("LC_ALL", "C").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = reputation(&["show", "joe"]);
    assert!(
        shown.contains(" 2 messages  ") && shown.contains("email_ip  joe@there.example|ip=192.0.0.0/16"),
        "{shown}"
    );
    assert_eq!(reputation(&["forget", "joe@there.example"]), "2 averages forgotten\n");
    assert_eq!(reputation(&["show", "joe"]), "");
    // Switched on alone it says nothing.
    let off = Site::new("txrep-off", &txrep.replace("use_txrep 1\n", ""), "1d");
    off.send(TO_ANN, &mail("1@x", "joe@there.example", "", "points"));
    assert!(!off.names(TO_ANN, &mail("2@x", "joe@there.example", "", "hello")).contains("TXREP"));
}

const MENTIONS: &str = "\
header NEW_DOMAIN eval:check_uri_first_seen()
header YOUNG_DOMAIN eval:check_uri_first_seen('1')
header NEW_ADDRESS eval:check_email_first_seen()
header SPAM_DOMAIN eval:check_uri_seen_in_spam('1')
header SPAM_ADDRESS eval:check_email_seen_in_spam('1')
score NEW_DOMAIN 0.1
score YOUNG_DOMAIN 0.1
score NEW_ADDRESS 0.1
score SPAM_DOMAIN 0.1
score SPAM_ADDRESS 0.1
";

/// Names that mail mentions: new ones, known ones, those of spam; what is said of them, and forgotten.
#[test]
fn what_mail_mentions_is_known_from_then_on() {
    let site = Site::new("mentions", MENTIONS, "0s");
    let mentioned = |text: &str, more: &str| {
        let names = site.names(TO_ANN, &mail("1@x", "joe@there.example", more, text));
        names
            .split(' ')
            .filter(|name| name.contains("_DOMAIN") || name.contains("_ADDRESS"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let link = "see https://www.example.org/a?b and write to desk@example.org";
    // A memory that does not exist says nothing of any name.
    assert!(!mentioned(link, "").contains("NEW_"));
    assert_eq!(mentioned(link, "").replace("FIRST_DOMAIN", "").trim(), "YOUNG_DOMAIN");
    let other = "spammy http://x.y.example.net/ mail@example.net";
    for (text, expected) in [
        (other, ["NEW_ADDRESS", "NEW_DOMAIN", "YOUNG_DOMAIN"].as_slice()),
        ("http://example.net", &["SPAM_DOMAIN", "YOUNG_DOMAIN"]),
        ("nothing", &[]),
    ] {
        let said = mentioned(text, "");
        let said: Vec<&str> = said.split(' ').filter(|name| !name.is_empty() && *name != "FIRST_DOMAIN").collect();
        assert_eq!(said, expected, "{text}");
    }
    let said = mentioned("answer there", "Reply-To: mail@example.net\n");
    assert!(said.contains("SPAM_ADDRESS"), "{said}");
    // Our own people are not asked about.
    assert!(
        !site
            .names("ip=127.0.0.1&rcpt=ann@example.test", &mail("2@x", "ann@example.test", "", "http://example.com/"))
            .contains("NEW_")
    );

    let config = site.folder.0.join("sekisho.toml").display().to_string();
    let reputation = |words: &[&str]| {
        let output = site.folder.sekisho(&[&["reputation"], words, &["-c", &config]].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = reputation(&["show", "https://a.example.net:80/x"]);
    assert!(code == Some(0) && said.contains("example.net  mentioned since ") && said.contains("in spam: 1"), "{said}");
    let (_, said) = reputation(&["show", "mail@example.net", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((json["kind"].as_str(), json["spam"].as_u64()), (Some("mentioned address"), Some(1)), "{said}");
    assert_eq!(reputation(&["forget", "example.net"]).0, Some(0));
    assert_eq!(reputation(&["show", "example.net"]).0, Some(1));
}

#[test]
fn a_strangers_errand_in_an_officers_name() {
    let folder = Folder::new("first-errand");
    let config = format!(
        "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"shipped\"\n\
         [networks]\ndomains = [\"example.test\"]\n[store]\nlocation = {:?}\n[learn]\nfolder = {:?}\n\
         [impersonation]\nofficers = [{{ names = [\"例示 一郎\"], addresses = [\"example.test\"] }}]\n\
         [reputation]\nsettle = \"0s\"\n",
        folder.0.join("store"),
        folder.0.join("model"),
    );
    let site = Site { sekisho: Sekisho::start(&folder, &config), folder };
    let letter = |id: &str, text: &str| {
        format!(
            "From: =?UTF-8?B?5L6L56S6IOS4gOmDjg==?= <k8231@outlook.com>\nTo: <ann@example.test>\nSubject: letter\n\
             Message-ID: <20261120.abcdef0123456789.{id}>\nContent-Type: text/plain; charset=UTF-8\n\n{text}\n"
        )
    };
    let errand = "LINEのグループを作り、QRコードを返信してください。ほかの方はまだ招待しないでください。";
    // Somebody's mail begins the memory.
    site.names(TO_ANN, &mail("0@x", "joe@there.example", "", "hello"));
    let names = site.names(TO_ANN, &letter("1@x", errand));
    assert!(names.contains(ERRAND) && names.contains("OFFICER_NAME_AWAY"), "{names}");
    let names = site.names(TO_ANN, &letter("2@x", "今、会社にいますか。"));
    assert!(names.contains("FIRST_CONTACT_OPENING") && !names.contains(ERRAND), "{names}");
    // Under no officer's name he writes as people do, and is met.
    let plain = letter("3@x", "電車が遅れています。").replace("=?UTF-8?B?5L6L56S6IOS4gOmDjg==?= ", "");
    let names = site.names(TO_ANN, &plain);
    assert!(!names.contains("FIRST_CONTACT"), "{names}");
    let names = site.names(TO_ANN, &letter("4@x", errand));
    assert!(!names.contains("FIRST_CONTACT") && names.contains("OFFICER_ERRAND"), "{names}");
    drop(site.folder);
}
