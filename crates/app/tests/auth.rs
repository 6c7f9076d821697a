//! SPF, DKIM, ARC and DMARC: mail signed by dkimpy and changed in twenty ways, the command that shows every step, and what
//! the service makes of an author's domain's wish. DNS is pretended.

#[path = "support/milter.rs"]
mod milter;
mod support;

use milter::Milter;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use support::Folder;

const PYTHON: &str = "/usr/bin/python3";
const PLUGINS: &str = "loadplugin Mail::SpamAssassin::Plugin::SPF\nloadplugin Mail::SpamAssassin::Plugin::DKIM\n\
                       loadplugin Mail::SpamAssassin::Plugin::DMARC\n";
const RULES: &str = "full DKIM_SIGNED eval:check_dkim_signed()\nfull DKIM_VALID eval:check_dkim_valid()\n\
                     full DKIM_VALID_AU eval:check_dkim_valid_author_sig()\nfull ARC_SIGNED eval:check_arc_signed()\n\
                     full ARC_VALID eval:check_arc_valid()\nheader SPF_PASS eval:check_for_spf_pass()\n\
                     header SPF_FAIL eval:check_for_spf_fail()\nheader SPF_HELO_NONE eval:check_for_spf_helo_none()\n\
                     header T_SPF_TEMPERROR eval:check_for_spf_temperror()\n\
                     header DMARC_PASS eval:check_dmarc_pass()\nheader DMARC_REJECT eval:check_dmarc_reject()\n\
                     header DMARC_QUAR eval:check_dmarc_quarantine()\nheader DMARC_NONE eval:check_dmarc_none()\n\
                     header DMARC_MISSING eval:check_dmarc_missing()\n\
                     header WELCOME_DKIM eval:check_for_dkim_welcomelist_from()\n\
                     header WELCOME_SPF eval:check_for_spf_welcomelist_from()\n\
                     header ADSP_N eval:check_dkim_adsp('N')\nheader ADSP_D eval:check_dkim_adsp('D')\n";

fn sekisho(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .env_remove("SEKISHO_LOCAL")
        .env_remove("LC_ALL")
        .env("LANG", "C")
        .env("HOME", &folder.0)
        .env("SEKISHO_CACHE", folder.0.join("cache"))
        .output()
        .unwrap()
}

fn check(folder: &Folder, config: &Path, mails: &Path, more: &[&str]) -> String {
    let rules = folder.file("own.cf", &[PLUGINS, RULES, &more_rules(more)].concat());
    let (rules, config, mails) =
        (rules.display().to_string(), config.display().to_string(), mails.display().to_string());
    let fixed = ["check", "--rule-set", "none", "--no-signatures", "--format", "json", "--rules", &rules];
    let options: Vec<&str> = more.iter().filter(|one| !one.starts_with("rule: ")).copied().collect();
    let output = sekisho(folder, &[&fixed[..], &["--config", &config], &options[..], &[&mails]].concat());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn more_rules(more: &[&str]) -> String {
    more.iter().filter_map(|one| one.strip_prefix("rule: ")).map(|line| format!("{line}\n")).collect()
}

/// Names of the rules that hit, by file.
fn hits(said: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["hits"].is_array())
        .map(|line| {
            let file = ["message", "file", "name"].iter().find_map(|key| line[key].as_str()).unwrap_or_default();
            let file = file.rsplit('/').next().unwrap_or_default().to_owned();
            let names = line["hits"].as_array().unwrap().iter();
            (file, names.filter_map(|hit| hit["rule"].as_str()).map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn mail_of_dkimpy_changed_in_twenty_ways() {
    let folder = Folder::new("auth-dkimpy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/authentication.py");
    let signed = Command::new(PYTHON).arg(script).args(["sign", "15"]).arg(&folder.0).output().unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let (config, mails) = (folder.0.join("fake.toml"), folder.0.join("mails"));
    let tape = folder.0.join("answers.json");
    let tape = tape.to_str().unwrap();
    let said = check(&folder, &config, &mails, &["--record", tape]);
    let found = hits(&said);
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(folder.0.join("expected.json")).unwrap()).unwrap();
    assert_eq!((found.len(), expected.len()), (15 * 21, 15 * 21));
    let mut wrong = Vec::new();
    for (file, expected) in &expected {
        let (change, hits) = (expected["change"].as_str().unwrap(), &found[file]);
        let has = |name: &str| hits.contains(name);
        // dkimpy reads no field with a blank before the colon; RFC 6376 takes it into account.
        if change == "colon-blank" {
            continue;
        }
        let agree = has("DKIM_SIGNED")
            && has("DKIM_VALID") == expected["dkim"].as_bool().unwrap()
            && has("ARC_VALID") == (expected["arc"] == "pass")
            && has("ARC_SIGNED") == (expected["arc"] != "none");
        if !agree {
            wrong.push(format!("{file}: {expected}, {hits:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    let policies = found.values().filter(|hits| hits.contains("DMARC_REJECT") || hits.contains("DMARC_QUAR")).count();
    assert!(policies > 20, "{policies}");
    // The same from what was recorded, without the zone.
    let nobody = folder.file("nobody.toml", "[dns]\nask = \"fake\"\n");
    assert_eq!(check(&folder, &nobody, &mails, &["--replay", tape]), said);
    // With the network off nothing is asked, and nothing breaks: what servers of our own wrote is all that is known.
    let silent = hits(&check(&folder, &config, &mails, &["-L"]));
    assert!(silent.values().flatten().all(|hit| hit == "SPF_PASS"), "{silent:?}");
}

const ZONE: &str = r#"
"sender.test" = ["TXT v=spf1 include:_spf.sender.test -all exp=why.sender.test"]
"_spf.sender.test" = ["TXT v=spf1 ip4:203.0.113.9 ?all"]
"why.sender.test" = ["TXT \"%{i} may not\""]
"_dmarc.sender.test" = ["TXT v=DMARC1; p=reject"]
"mx.sender.test" = ["TXT v=spf1 a -all", "A 203.0.113.9"]
"slow.test" = ["TIMEOUT"]
"_dmarc.slow.test" = ["TIMEOUT"]
"example.net" = ["TXT v=spf1 -all"]
"_dmarc.example.net" = ["TXT v=DMARC1; p=reject"]
"_dmarc.soft.test" = ["TXT v=DMARC1; p=quarantine"]
"list.test" = ["TXT v=spf1 ip4:203.0.113.9 -all"]
"#;

fn zone() -> String {
    format!("[dns]\nask = \"fake\"\n[dns.fake]\n{ZONE}")
}

fn mail(client: &str, sender: &str, from: &str) -> String {
    format!(
        "Return-Path: <{sender}>\nReceived: from mx.sender.test (mx.sender.test [{client}])\n\tby mx.here.test (Postfix) \
         with ESMTP id ABC\n\tfor <you@here.test>; Mon, 2 Mar 2026 10:00:00 +0000 (UTC)\nFrom: {from}\nTo: you@here.test\n\
         Subject: x\nDate: Mon, 2 Mar 2026 10:00:00 +0000\nMessage-ID: <1@sender.test>\n\nx\n"
    )
}

#[test]
fn senders_policies_and_lists() {
    let folder = Folder::new("auth-rules");
    let config = folder.file("sekisho.toml", &zone());
    let of = |mail: &str, rules: &[&str]| {
        let file = folder.file("mail.eml", mail);
        hits(&check(&folder, &config, &file, rules)).into_values().next().unwrap_or_default()
    };
    let own = "a@sender.test";
    let good = of(&mail("203.0.113.9", own, own), &["rule: welcomelist_from_spf *@sender.test"]);
    assert_eq!(good, BTreeSet::from(["SPF_PASS", "DMARC_PASS", "WELCOME_SPF"].map(str::to_owned)));
    let bad = of(
        &mail("203.0.113.10", own, own),
        &["rule: adsp_override sender.test", "rule: welcomelist_auth *@sender.test"],
    );
    assert_eq!(bad, BTreeSet::from(["SPF_FAIL", "DMARC_REJECT", "ADSP_D"].map(str::to_owned)));
    let other = of(&mail("203.0.113.9", own, "b@soft.test"), &["rule: adsp_override * unknown"]);
    assert_eq!(other, BTreeSet::from(["SPF_PASS", "DMARC_QUAR"].map(str::to_owned)));
    let slow = of(&mail("203.0.113.9", "a@slow.test", "a@slow.test"), &["rule: adsp_override * unknown"]);
    assert!(slow.contains("T_SPF_TEMPERROR") && slow.contains("DNS_UNANSWERED"), "{slow:?}");
    assert!(!slow.iter().any(|hit| hit.starts_with("DMARC")), "{slow:?}");
    // A server of our own has looked already.
    let written = mail("203.0.113.9", own, own)
        .replace("Received: from", "Received-SPF: fail (x) identity=mailfrom;\nReceived: from");
    let trusted = "rule: internal_networks 203.0.113.9";
    let written = format!(
        "Received: from mx.here.test (mx.here.test [203.0.113.9])\n\tby in.here.test (Postfix) with ESMTP id D\n\tfor <you@here.test>; Mon, 2 Mar 2026 10:00:00 +0000 (UTC)\n{written}"
    );
    assert!(of(&written, &[trusted]).contains("SPF_FAIL"));
    // Two authors: the one that is not met.
    let two = of(&mail("203.0.113.9", own, "a@sender.test, b@example.net"), &["rule: adsp_override * unknown"]);
    assert!(two.contains("DMARC_REJECT"), "{two:?}");
}

#[test]
fn every_step_is_shown() {
    let folder = Folder::new("auth-show");
    let config = folder.file("sekisho.toml", &zone());
    let file = folder.file("mail.eml", &mail("203.0.113.10", "a@sender.test", "a@sender.test"));
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let fixed = ["auth", "--rule-set", "none", "--config", config, file];
    let shown = sekisho(&folder, &fixed);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.status.code(), Some(1), "{text}");
    for expected in [
        "client: 203.0.113.10",
        "SPF (MAIL FROM) sender.test: fail (sender.test: -all matches)",
        "_spf.sender.test: ip4:203.0.113.9  -> does not match",
        "exp: 203.0.113.10 may not",
        "DKIM: no signature",
        "policy _dmarc.sender.test: v=DMARC1; p=reject",
        "DMARC sender.test: fail",
        "authenticated as nobody",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let json = sekisho(&folder, &[&fixed[..], &["--client", "203.0.113.9", "--json"]].concat());
    assert_eq!(json.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((found["authenticated"].as_str(), found["spf"]["result"].as_str()), (Some("sender.test"), Some("pass")));
    assert_eq!(found["dmarc"]["published"]["p"], "reject");
    let japanese = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(fixed)
        .env_remove("SEKISHO_LOCAL")
        .env("LC_ALL", "ja_JP.UTF-8")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&japanese.stdout).contains("認証されたドメインなし"));
}

/// The mail server's client is 192.0.2.25 and its sender joe@example.net, whose domain sends nothing and wants the like
/// rejected.
#[test]
fn the_service_does_as_the_authors_domain_asks() {
    let folder = Folder::new("auth-serve");
    let rules = folder.file("own.cf", &[PLUGINS, RULES].concat());
    let start = |dmarc: &str| {
        let settings = format!(
            "[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [\"{}\"]\n\
             [store]\nlocation = \"{}\"\n[learn]\nfolder = \"\"\n[signatures]\nfolders = []\n\
             [authentication]\nname = \"mx.here.test\"\n[dmarc]\n{dmarc}\n{}",
            rules.display(),
            folder.0.join("store").display(),
            zone()
        );
        support::Sekisho::start_asking(&folder, &settings)
    };
    let send = |sekisho: &support::Sekisho, mail: &str| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", sekisho.port("milter"))).unwrap();
        let said = Milter::connect(stream).unwrap().send("ABC", mail.as_bytes()).unwrap();
        let edits = said.edits.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>();
        (char::from(said.reply), edits.join("\n"))
    };
    let from_joe = "Authentication-Results: mx.here.test; dmarc=pass\nFrom: joe@example.net\nSubject: x\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n\
                    Message-ID: <1@example.net>\n\nx\n";
    let reject = start("action = \"reject\"\npoints = 1.5");
    let (reply, edits) = send(&reject, from_joe);
    assert!(reply == 'y' || reply == 'r', "{reply} {edits}");
    let history = sekisho(
        &folder,
        &["explain", "end", "--rule-set", "none", "--config", folder.0.join("sekisho.toml").to_str().unwrap()],
    );
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    for expected in ["DMARC_POLICY", "DMARC: example.net asks for reject", "dmarc: fail", "spf: fail example.net"] {
        assert!(history.contains(expected), "{expected}\n{history}");
    }
    drop(reject);
    // Signatures of a message of which the middle was left out are not held to its body.
    let short = start("action = \"reject\"\n[limits]\nmessage = \"256KiB\"");
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s; h=from; bh=YQ==; b=YQ==\n";
    send(&short, &format!("{signature}{from_joe}{}", "a line of text\n".repeat(30_000)));
    let history = sekisho(
        &folder,
        &["explain", "end", "--rule-set", "none", "--config", folder.0.join("sekisho.toml").to_str().unwrap()],
    );
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains("AUTHENTICATION_LIMIT"), "{history}");
    drop(short);
    let score = start("action = \"score\"");
    let (reply, edits) = send(&score, from_joe);
    assert!(reply == 'a' || reply == 'c', "{reply}");
    let field =
        "mx.here.test;\n\tspf=fail smtp.mailfrom=joe@example.net;\n\tdmarc=fail (p=reject) header.from=example.net";
    assert!(edits.contains(field), "{edits}");
    // The one that came with the message is emptied, which is how a milter removes it.
    assert!(edits.contains("Authentication-Results\0\0"), "{edits:?}");
}
