//! Data about addresses and domains against publishers on this machine: what is whole comes into force and is used, whatever
//! is not leaves what was there.

#[path = "../../feeds/tests/mmdb/mod.rs"]
mod mmdb;
#[path = "support/publisher.rs"]
#[allow(dead_code, reason = "the feeds' tests use the rest")]
mod publisher;
mod support;

use mmdb::{Value, write};
use publisher::{Http, Page};
use sha2::{Digest, Sha256};
use std::process::Command;
use support::{Folder, Sekisho, wait_until};

const DELEGATED: &str = "2|apnic|20261121|2|19830613|20261120|+1000\napnic|*|ipv4|*|2|summary\n\
                         apnic|JP|ipv4|192.0.2.0|256|20110412|allocated|A1\n\
                         apnic|PH|ipv4|198.51.100.0|256|20110412|allocated|A2\n";
const NAME: &str = "delegated-apnic-extended-latest";

struct Site {
    folder: Folder,
    http: Http,
}

impl Site {
    fn new(name: &str, set: &str, on: &str) -> Site {
        let site = Site { folder: Folder::new(name), http: Http::start() };
        let root = site.folder.0.display();
        let sets = ["asn", "country", "disposable", "freemail", "publicsuffix", "rir-apnic", "spamhaus-drop"];
        let mirrors: Vec<String> = sets.iter().map(|set| format!("{set} = [{:?}]", site.http.url(set))).collect();
        let text = format!(
            "listen = []\n[rules]\nset = {set:?}\nextra = [\"{root}/rules\"]\n[store]\nlocation = \"\"\n[learn]\nfolder = \
             \"\"\n[isp]\ndata = \"{root}/isp\"\nfile = \"{root}/isp.cf\"\n[feeds]\nfolder = \"{root}/feeds\"\ntimeout = \
             \"20s\"\ndelay = \"0s\"\non = [{on}]\nmirrors = {{ {} }}\n",
            mirrors.join(", ")
        );
        site.folder.file("sekisho.toml", &text);
        site.folder.file("rules/own.cf", "internal_networks 203.0.113.0/24\ntrusted_networks 203.0.113.0/24\n");
        site
    }

    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let mut command = self.folder.command(arguments);
        command.arg("--config").arg(self.folder.0.join("sekisho.toml")).env("LC_ALL", "C.UTF-8");
        let output = command.env_remove("http_proxy").env_remove("HTTP_PROXY").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), output.status.code().unwrap())
    }

    fn update(&self, set: &str, code: i32, said: &str) {
        let (text, ended) = self.run(&["data", "update", set, "--now"]);
        assert!(ended == code && text.contains(said), "expected {code} and {said:?}, got {ended} and:\n{text}");
    }

    /// The rules that hit mail from this address.
    fn hits(&self, address: &str, sender: &str) -> Vec<String> {
        let mail = format!(
            "Received: from a.example ([{address}])\n\tby mx.example.org (Postfix) with ESMTP id 1\n\tfor <ann@example.org>; \
             Sat, 21 Nov 2026 10:00:00 +0900 (JST)\nFrom: {sender}\nTo: ann@example.org\nSubject: x\n\nbody\n"
        );
        let file = self.folder.file("mail.eml", &mail);
        let (said, _) = self.run(&["check", "--format", "json", "--no-signatures", file.to_str().unwrap()]);
        let report: serde_json::Value = serde_json::from_str(said.lines().next().unwrap_or_default()).expect(&said);
        report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_registrys_file_is_taken_whole_or_not_at_all() {
    let site = Site::new("data-rir", "none", "\"rir-apnic\"");
    let (page, sum) = (format!("rir-apnic/{NAME}"), format!("rir-apnic/{NAME}.md5"));
    let publish = |text: &str| {
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        site.http.put(&page, Page::ok(text));
        site.http.put(&sum, Page::ok(format!("SHA256 ({NAME}) = {digest}\n")));
    };
    publish(DELEGATED);
    site.update("rir-apnic", 0, "1 new files");
    let country = |expected: &str| {
        let (said, _) = site.run(&["isp", "lookup", "192.0.2.7"]);
        assert!(said.contains(expected), "{said}");
    };
    country("apnic: 192.0.2.0/24, JP");
    // Cut, though with a checksum that fits; a page; nothing; another checksum: what was there stays.
    let cut = &DELEGATED[..DELEGATED.len() - 60];
    for (text, said) in
        [(cut, "not whole"), ("<html>moved</html>", "web page"), ("", "empty"), ("what is this\n", "no statistics")]
    {
        publish(text);
        site.update("rir-apnic", 1, said);
        country("apnic: 192.0.2.0/24, JP");
    }
    site.http.put(&page, Page::ok(DELEGATED.replace("JP", "KR")));
    site.update("rir-apnic", 1, "checksum");
    site.http.put(&page, Page { missing: 1000, ..Page::ok(DELEGATED.replace("JP", "CN")) });
    site.update("rir-apnic", 1, "cut off");
    country("apnic: 192.0.2.0/24, JP");
    let (said, code) = site.run(&["data", "status"]);
    assert!(code == 1 && said.contains("rir-apnic"), "{said}");
    publish(&DELEGATED.replace("JP", "TW"));
    site.update("rir-apnic", 0, "1 new files");
    country("TW");
    assert_eq!(site.run(&["data", "status"]).1, 0);
    assert_eq!(site.run(&["data", "rollback", "rir-apnic"]).1, 0);
    country("JP");
    let (said, _) = site.run(&["data", "list"]);
    assert!(said.contains("rir-apnic (on)") && said.contains("publicsuffix (off)"), "{said}");
    assert!(!site.run(&["feeds", "list"]).0.contains("rir-apnic"));
}

#[test]
fn countries_and_systems_of_relays_without_a_network() {
    let site = Site::new("data-mmdb", "none", "\"asn\", \"country\"");
    site.folder.file(
        "rules/own.cf",
        "loadplugin Mail::SpamAssassin::Plugin::RelayCountry\nloadplugin Mail::SpamAssassin::Plugin::ASN\n\
         internal_networks 203.0.113.0/24\ntrusted_networks 203.0.113.0/24\nheader FROM_JP X-Relay-Countries =~ /^JP$/\nheader \
         NOWHERE X-Relay-Countries =~ /\\bXX\\b/\nheader OF_64500 eval:check_asn('/^AS64500 EXAMPLE$/')\n",
    );
    assert!(site.hits("192.0.2.7", "a@example.com").is_empty(), "there is no table yet");
    let text = |text: &str| Value::Text(text.to_owned());
    let code = Value::Map(vec![("iso_code".to_owned(), text("JP"))]);
    let countries = write("Country", &[("192.0.2.0/24", Value::Map(vec![("country".to_owned(), code)]))]);
    let system = Value::Map(vec![
        ("autonomous_system_number".to_owned(), Value::Number(64500)),
        ("autonomous_system_organization".to_owned(), text("EXAMPLE")),
    ]);
    site.http.put("country/asn-country.mmdb", Page::ok(countries.clone()));
    site.http.put("asn/asn.mmdb", Page::ok(write("ASN", &[("192.0.2.0/24", system)])));
    site.update("country", 0, "1 new files");
    site.update("asn", 0, "1 new files");
    assert_eq!(site.hits("192.0.2.7", "a@example.com"), ["FROM_JP", "OF_64500"]);
    assert_eq!(site.hits("198.51.100.7", "a@example.com"), ["NOWHERE"]);
    site.http.put("country/asn-country.mmdb", Page::ok(&countries[..countries.len() / 2]));
    site.update("country", 1, "refused");
    assert_eq!(site.hits("192.0.2.7", "a@example.com"), ["FROM_JP", "OF_64500"]);
}

#[test]
fn lists_become_rules() {
    let site = Site::new("data-lists", "shipped", "\"disposable\", \"freemail\", \"spamhaus-drop\"");
    let drop = |networks: &[&str]| {
        let lines: String =
            networks.iter().map(|network| format!("{{\"cidr\":\"{network}\",\"sblid\":\"SBL1\"}}\n")).collect();
        format!("{lines}{{\"type\":\"metadata\",\"records\":{}}}\n", networks.len())
    };
    site.http.put("spamhaus-drop/drop_v4.json", Page::ok(drop(&["198.51.100.0/22", "192.0.2.128/25"])));
    site.http.put("spamhaus-drop/drop_v6.json", Page::ok(drop(&["2001:db8::/32"])));
    site.http.put("disposable/disposable_email_blocklist.conf", Page::ok("minutes.example\nhours.example\n"));
    site.http.put("freemail/domains.json", Page::ok("[\"free.example\"]"));
    for set in ["spamhaus-drop", "disposable", "freemail"] {
        site.update(set, 0, "new files");
    }
    // The rules that sekisho carries, whose plugins these need, hit beside them.
    let hits = |address: &str, sender: &str| {
        let all = site.hits(address, sender);
        ["DISPOSABLE_FROM", "SPAMHAUS_DROP"].map(|rule| all.iter().any(|hit| hit == rule))
    };
    assert_eq!(hits("192.0.2.200", "a@example.com"), [false, true]);
    assert_eq!(hits("198.51.101.1", "a@minutes.example"), [true, true]);
    assert_eq!(hits("192.0.2.20", "a@example.com"), [false, false]);
    assert_eq!(hits("IPv6:2001:db8:1::5", "a@example.com"), [false, true]);
    assert_eq!(hits("IPv6:2001:DB8:0:0:0:0:0:5", "a@example.com"), [false, true]);
    assert_eq!(hits("IPv6:2001:db9::5", "a@example.com"), [false, false]);
    let (said, code) = site.run(&["lint"]);
    assert_eq!(code, 0, "{said}");
    // Without its last line nobody knows what is missing.
    site.http.put("spamhaus-drop/drop_v4.json", Page::ok("{\"cidr\":\"192.0.2.0/24\"}\n"));
    site.update("spamhaus-drop", 1, "not whole");
    assert_eq!(hits("192.0.2.200", "a@example.com"), [false, true]);
}

/// Whose a name is, by the list that was fetched, where no policy of DMARC says it; in a running service without a restart.
#[test]
fn the_public_suffix_list_that_was_fetched_counts() {
    let site = Site::new("data-suffixes", "none", "\"publicsuffix\"");
    let config = site.folder.0.join("sekisho.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("\nextra =", "\nwatch = \"100ms\"\nextra =");
    let fake = "[dns]\nask = \"fake\"\n[dns.fake]\n\"y.host.example\" = [\"TXT v=spf1 ip4:192.0.2.1 -all\"]\n";
    site.folder.file("sekisho.toml", &format!("{text}{fake}"));
    let mail = site.folder.file("mail.eml", "From: a@x.host.example\nTo: ann@example.org\nSubject: x\n\nbody\n");
    let aligned = || {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["auth", "--client", "192.0.2.1", "--from", "b@y.host.example", "--json", "--config"])
            .arg(&config)
            .arg(&mail)
            .env("SEKISHO_CACHE", site.folder.0.join("cache"))
            .env("HOME", &site.folder.0)
            .env_remove("SEKISHO_LOCAL")
            .output()
            .unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(found["spf"]["result"], "pass", "{found}");
        found["dmarc"]["spf_aligned"].as_bool().unwrap()
    };
    assert!(aligned(), "by the list that sekisho carries both are of host.example");
    site.folder.file("rules/one.cf", "header ANYBODY From =~ /./\n");
    let serving = std::fs::read_to_string(&config).unwrap();
    let listen = "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n";
    let service = Folder::new("data-suffixes-service");
    // Who fetches is the command below.
    let serving = serving.replacen("[feeds]\n", "[feeds]\nschedule = false\n", 1);
    let sekisho = Sekisho::start(&service, &serving.replacen("listen = []\n", listen, 1));
    let list = |rules: &str| {
        format!(
            "// ===BEGIN ICANN DOMAINS===\nexample\n// ===END ICANN DOMAINS===\n{rules}// ===END PRIVATE DOMAINS===\n"
        )
    };
    site.http.put("publicsuffix/public_suffix_list.dat", Page::ok(list("host.example\n")));
    site.update("publicsuffix", 0, "1 new files");
    assert!(!aligned(), "two registrants of host.example");
    wait_until("the service reads it", || sekisho.log().iter().any(|line| line.contains("rules reloaded")));
    // Without its end it is not taken.
    site.http.put("publicsuffix/public_suffix_list.dat", Page::ok("// ===BEGIN ICANN DOMAINS===\nexample\n"));
    site.update("publicsuffix", 1, "not whole");
    assert!(!aligned());
    assert_eq!(site.run(&["data", "rollback", "publicsuffix"]).1, 2, "there is no set before");
}
