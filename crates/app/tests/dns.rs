//! Rules that ask DNS: beside the real SpamAssassin with the same name server, then with name servers that behave badly,
//! then recorded and replayed. The name server is ours, on loopback ([`support::dns`]).

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::Folder;
use support::dns::{Dns, Manner, records};

const STOCK: &str = "/usr/share/spamassassin";

/// What runs under both programs: the stock files of DNS lists, and rules for what they do not use.
const OWN_RULES: &str = r"
header   __T_SET          eval:check_rbl('t-set', 'set.list.test.')
tflags   __T_SET          net
header   T_SUB_EXACT      eval:check_rbl_sub('t-set', '127.0.0.4')
header   T_SUB_MASK       eval:check_rbl_sub('t-set', '4')
header   T_SUB_MASK_NOT   eval:check_rbl_sub('t-set', '2')
header   T_SUB_REGEX      eval:check_rbl_sub('t-set', '^127\.0\.0\.[3-5]$')
header   T_LASTEXTERNAL   eval:check_rbl('t-lastexternal', 'last.list.test.')
tflags   T_LASTEXTERNAL   net nice
header   T_FIRSTTRUSTED   eval:check_rbl('t-firsttrusted', 'first.list.test.')
header   T_UNTRUSTED      eval:check_rbl('t-untrusted', 'untrusted.list.test.')
header   T_NOTFIRSTHOP    eval:check_rbl('t-notfirsthop', 'hop.list.test.')
header   T_TXT            eval:check_rbl_txt('t-txt', 'txt.list.test.', '(?i:listed)')
header   T_ENVFROM        eval:check_rbl_envfrom('t-envfrom', 'rhs.list.test.')
header   T_FROM_HOST      eval:check_rbl_from_host('t-fromhost', 'rhs.list.test.')
header   T_FROM_DOMAIN    eval:check_rbl_from_domain('t-fromdomain', 'rhs.list.test.')
header   T_RCVD           eval:check_rbl_rcvd('t-rcvd', 'rcvd.list.test.')
header   T_HEADERS        eval:check_rbl_headers('t-headers', 'rhs.list.test.', '127.0.0.2', 'Reply-To,X-Source-IP')
urirhssub T_URI_MASK      uri.list.test. A 2
body      T_URI_MASK      eval:check_uridnsbl('T_URI_MASK')
tflags    T_URI_MASK      net
urirhssub T_URI_RANGE     uri.list.test. A 127.0.0.2-127.0.0.9
body      T_URI_RANGE     eval:check_uridnsbl('T_URI_RANGE')
urirhssub T_URI_MASKED    uri.list.test. A 127.0.0.2/255.0.0.255
body      T_URI_MASKED    eval:check_uridnsbl('T_URI_MASKED')
urirhsbl  T_URI_ANY       uri.list.test. A
body      T_URI_ANY       eval:check_uridnsbl('T_URI_ANY')
urirhsbl  T_URI_TXT       uri.list.test. TXT
body      T_URI_TXT       eval:check_uridnsbl('T_URI_TXT')
urirhsbl  T_URI_IPS       uri.list.test. A
body      T_URI_IPS       eval:check_uridnsbl('T_URI_IPS')
tflags    T_URI_IPS       net ips_only
urirhsbl  T_URI_DOMAINS   uri.list.test. A
body      T_URI_DOMAINS   eval:check_uridnsbl('T_URI_DOMAINS')
tflags    T_URI_DOMAINS   net domains_only
urirhsbl  T_URI_NOTRIM    host.list.test. A
body      T_URI_NOTRIM    eval:check_uridnsbl('T_URI_NOTRIM')
tflags    T_URI_NOTRIM    net notrim
urinsrhsbl T_URI_NS       ns.list.test. A
body      T_URI_NS        eval:check_uridnsbl('T_URI_NS')
urifullnsrhsbl T_URI_FULLNS fullns.list.test. A
body      T_URI_FULLNS    eval:check_uridnsbl('T_URI_FULLNS')
uridnsbl  T_URI_A         a.list.test. A
body      T_URI_A         eval:check_uridnsbl('T_URI_A')
tflags    T_URI_A         net a
askdns    T_ASK           _AUTHORDOMAIN_.ask.list.test A 127.0.0.2
askdns    T_ASK_TXT       _SENDERDOMAIN_ TXT /^v=spf1 \+all$/
askdns    T_ASK_NX        _AUTHORDOMAIN_.nowhere.test A [NXDOMAIN]
askdns    T_ASK_MX        _AUTHORDOMAIN_ MX /mx\.sender/
askdns    T_ASK_HELO      _LASTEXTERNALHELO_ A /./
askdns    T_ASK_HEADER    _HEADER(Reply-To:addr:host)_.ask.list.test A
askdns    T_ASK_URI       _URIDOMAINS_.ask.list.test A
header    T_HASH_MAIL     eval:check_hashbl_emails('hash.list.test')
header    T_HASH_PLAIN    eval:check_hashbl_emails('hash.list.test', 'raw/user/max=10', 'Reply-To')
header    T_HASH_URI      eval:check_hashbl_uris('hash.list.test', 'md5')
body      T_HASH_BTC      eval:check_hashbl_bodyre('hash.list.test', 'raw/max=10', '\b([13][a-km-zA-HJ-NP-Z1-9]{25,34})\b')
asn_lookup asn.list.test _ASN_ _ASNCIDR_
header    T_ASN           eval:check_asn('/^AS64500$/')
dns_query_restriction deny denied.test
header    T_DENIED        eval:check_rbl('t-denied', 'x.denied.test.')
meta      T_META          T_SUB_MASK && !T_SUB_MASK_NOT
";

const PLUGINS: &str = "DNSEval URIDNSBL AskDNS ASN HashBL HeaderEval BodyEval RelayEval URIEval WLBLEval Check HTMLEval \
                       MIMEEval";

fn site(folder: &Folder, server: &str) -> (PathBuf, PathBuf) {
    let mut pre = String::new();
    for plugin in PLUGINS.split_whitespace() {
        writeln!(pre, "loadplugin Mail::SpamAssassin::Plugin::{plugin}").unwrap();
    }
    folder.file("site/init.pre", &pre);
    let (host, port) = server.rsplit_once(':').unwrap();
    let local = format!(
        "dns_server [{host}]:{port}\ndns_available yes\nrbl_timeout 4 1\ninternal_networks 198.51.100.0/24\n\
         trusted_networks 198.51.100.0/24 203.0.113.9\nuse_bayes 0\nclear_headers\n\
         add_header all Tests _TESTS_\nadd_header all Sub _SUBTESTS_\nadd_header all Asn _ASN_ _ASNCIDR_\n\
         add_header all Rbl _RBL_\nadd_header all Uri _URIHOSTS_ / _URIDOMAINS_\n\
         clear_report_template\nreport _SUMMARY_\n{OWN_RULES}"
    );
    let local = folder.file("site/local.cf", &local);
    for file in ["20_aux_tlds.cf", "20_dnsbl_tests.cf", "20_mailspike.cf", "25_dnswl.cf", "25_uribl.cf"] {
        let text = std::fs::read_to_string(Path::new(STOCK).join(file)).unwrap();
        folder.file(&format!("rules/{file}"), &text);
    }
    (folder.0.join("rules"), local.parent().unwrap().to_owned())
}

fn mail(extra: &str, body: &str) -> String {
    format!(
        "Return-Path: <joe@sender.com>\n\
         Received: from gate.example.net (gate.example.net [203.0.113.9])\n\tby mx.example.org (Postfix) with ESMTP id 0\n\
         \tfor <ann@example.org>; Sat, 21 Nov 2026 10:00:02 +0900 (JST)\n\
         Received: from relay.sender.com (relay.sender.com [192.0.2.10])\n\tby gate.example.net (Postfix) with ESMTP id 1\n\
         \tfor <ann@example.org>; Sat, 21 Nov 2026 10:00:00 +0900 (JST)\n\
         Received: from pc.sender.com (pc.sender.com [192.0.2.77])\n\tby relay.sender.com (Postfix) with ESMTP id 2;\n\
         \tSat, 21 Nov 2026 09:59:00 +0900 (JST)\n\
         From: Joe <joe@news.sender.com>\nTo: ann@example.org\nSubject: hello\nReply-To: drop@reply.com\n{extra}\
         Date: Sat, 21 Nov 2026 10:00:00 +0900\nMessage-ID: <1@sender.com>\n\n{body}\n"
    )
}

fn mails() -> Vec<(&'static str, String)> {
    let links = "See http://www.shop.com/x and http://192.0.2.99/y and\nhttp://other.co.uk/ or write to evil@bad.com\n\
                 Pay to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT now.";
    vec![
        ("all", mail("X-Source-IP: 192.0.2.55\nX-Originating-IP: [192.0.2.66]\n", links)),
        ("plain", mail("", "Nothing to see.")),
        ("local", "From: a@sender.com\nTo: ann@example.org\nSubject: x\n\nhttp://www.shop.com/x\n".to_owned()),
        (
            "other",
            mail("", "https://clean.com/ http://www.shop.com.evil.net/")
                .replace("sender.com", "clean.com")
                .replace("192.0.2.", "192.0.3."),
        ),
    ]
}

fn zones() -> Vec<(&'static str, Manner)> {
    vec![
        ("10.2.0.192.set.list.test", records(&["A 127.0.0.4", "TXT see http://list.test/?192.0.2.10"])),
        ("77.2.0.192.set.list.test", records(&["A 127.0.0.12"])),
        ("10.2.0.192.zen.spamhaus.org", records(&["A 127.0.0.2", "A 127.0.0.4", "A 127.0.0.11"])),
        ("77.2.0.192.zen.spamhaus.org", records(&["A 127.0.0.3"])),
        ("9.113.0.203.last.list.test", records(&["A 127.0.0.2"])),
        ("9.113.0.203.first.list.test", records(&["A 127.0.0.2"])),
        ("10.2.0.192.first.list.test", records(&["A 127.0.0.2"])),
        ("77.2.0.192.untrusted.list.test", records(&["A 127.0.0.2"])),
        ("10.2.0.192.hop.list.test", records(&["A 127.0.0.2"])),
        ("77.2.0.192.hop.list.test", records(&["A 10.0.0.1"])),
        ("10.2.0.192.txt.list.test", records(&["TXT Listed| by hand"])),
        ("10.2.0.192.bl.spamcop.net", records(&["TXT Blocked - see https://www.spamcop.net/bl.shtml?192.0.2.10"])),
        ("9.113.0.203.list.dnswl.org", records(&["A 127.0.5.2"])),
        ("sender.com.rhs.list.test", records(&["A 127.0.0.2"])),
        ("news.sender.com.rhs.list.test", records(&["A 127.0.0.2"])),
        ("reply.com.rhs.list.test", records(&["A 127.0.0.2"])),
        ("77.2.0.192.rcvd.list.test", records(&["A 127.0.0.2"])),
        ("shop.com.uri.list.test", records(&["A 127.0.0.2", "TXT listed"])),
        ("99.2.0.192.uri.list.test", records(&["A 127.0.0.8"])),
        ("www.shop.com.host.list.test", records(&["A 127.0.0.2"])),
        ("shop.com", records(&["NS ns1.hoster.com", "NS ns2.hoster.com"])),
        ("hoster.com.ns.list.test", records(&["A 127.0.0.2"])),
        ("ns2.hoster.com.fullns.list.test", records(&["A 127.0.0.2"])),
        ("www.shop.com", records(&["A 192.0.2.200"])),
        ("200.2.0.192.a.list.test", records(&["A 127.0.0.2"])),
        ("shop.com.dbl.spamhaus.org", records(&["CNAME alias.dbl.spamhaus.org"])),
        ("alias.dbl.spamhaus.org", records(&["A 127.0.1.2"])),
        ("shop.com.multi.uribl.com", records(&["A 127.0.0.2"])),
        ("other.co.uk.multi.surbl.org", records(&["A 127.0.0.24"])),
        ("clean.com.multi.uribl.com", records(&["A 127.0.0.4"])),
        ("evil.net.dbl.spamhaus.org", Manner::Code(2)),
        ("news.sender.com.ask.list.test", records(&["A 127.0.0.2"])),
        ("sender.com", records(&["TXT v=spf1 +all", "A 192.0.2.1"])),
        ("news.sender.com", records(&["MX 10 mx.sender.com"])),
        ("gate.example.net", records(&["A 203.0.113.9"])),
        ("reply.com.ask.list.test", records(&["A 10.1.1.1"])),
        ("shop.com.ask.list.test", records(&["A 127.0.0.2"])),
        ("9.113.0.203.asn.list.test", records(&["TXT 64500|203.0.113.0|24"])),
        ("drop.hash.list.test", records(&["A 127.0.0.2"])),
        // SHA-1 of evil@bad.com.
        ("006de299200c959cbb62749081d5303d5c0c6b39.hash.list.test", records(&["A 127.0.0.2"])),
        ("1boatslrhtknngkdxeeobr76b53lettpyt.hash.list.test", records(&["A 127.0.0.2"])),
        // MD5 of http://other.co.uk/.
        ("4fbb044e80f7a6e87126fa4906428a9b.hash.list.test", records(&["A 127.0.0.2"])),
        ("*.x.denied.test", records(&["A 127.0.0.2"])),
    ]
}

fn judge(program: &str, first: &[&str], rules: &Path, site: &Path, mail: &Path, home: &Path) -> String {
    let output = Command::new(program)
        .args(first)
        .args(["-x", "-C"])
        .arg(rules)
        .arg("--siteconfigpath")
        .arg(site)
        .arg(mail)
        .env_remove("SEKISHO_LOCAL")
        .env("HOME", home)
        .env("SEKISHO_CACHE", home.join("cache"))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a header says, unfolded, its words sorted.
fn words(marked: &str, header: &str) -> BTreeSet<String> {
    let start = format!("X-Spam-{header}: ");
    let mut found = String::new();
    let mut lines = marked.lines().skip_while(|line| !line.starts_with(&start));
    if let Some(first) = lines.next() {
        found.push_str(&first[start.len()..]);
        lines.take_while(|line| line.starts_with(['\t', ' '])).for_each(|line| {
            found.push(',');
            found.push_str(line);
        });
    }
    // Several answers of one list come in any order.
    let words = found.split([',', ' ', '\t']).map(|word| word.trim_matches(['[', ']']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn lists_hit_as_in_spamassassin() {
    if !Path::new("/usr/bin/spamassassin").exists() || !Path::new(STOCK).join("25_uribl.cf").exists() {
        eprintln!("spamassassin is not installed: not compared");
        return;
    }
    let folder = Folder::new("dns-lists");
    let dns = Dns::start(&zones(), Duration::ZERO);
    let (rules, site) = site(&folder, &dns.address.to_string());
    let mut seen = BTreeSet::new();
    for (name, text) in mails() {
        let mail = folder.file(&format!("{name}.eml"), &text);
        let theirs = judge("/usr/bin/spamassassin", &[], &rules, &site, &mail, &folder.0);
        let ours = judge(env!("CARGO_BIN_EXE_sekisho"), &["spamassassin"], &rules, &site, &mail, &folder.0);
        for header in ["Tests", "Sub", "Asn", "Rbl", "Uri"] {
            assert_eq!(words(&ours, header), words(&theirs, header), "{name}: {header}\n{ours}\n{theirs}");
        }
        seen.extend(words(&ours, "Tests"));
        seen.extend(words(&ours, "Sub"));
    }
    // Of our own rules each hits somewhere, but for those that must not.
    let own = OWN_RULES.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        matches!(kind, "header" | "body" | "askdns" | "meta").then(|| words.next().unwrap())
    });
    let never = ["T_SUB_MASK_NOT", "T_DENIED"];
    let silent: Vec<&str> = own.filter(|rule| !seen.contains(*rule)).collect();
    assert_eq!(silent, never);
    assert!(!dns.asked().iter().any(|name| name.contains("denied")), "{:?}", dns.asked());
}

/// `sekisho check` with this name server; standard output as it is.
fn check(folder: &Folder, config: &Path, mail: &Path, more: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["check", "--rule-set", "none", "--no-cache", "--no-signatures", "--rules"])
        .arg(folder.0.join("own.cf"))
        .arg("--config")
        .arg(config)
        .args(more)
        .arg(mail)
        .env_remove("SEKISHO_LOCAL")
        .env("HOME", &folder.0)
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

fn own_rules(folder: &Folder, lists: usize, zone: &str) {
    let mut rules = String::from(
        "loadplugin Mail::SpamAssassin::Plugin::DNSEval\ninternal_networks 198.51.100.0/24\ntrusted_networks 198.51.100.0/24\n",
    );
    for n in 0..lists {
        writeln!(
            rules,
            "header L{n} eval:check_rbl('s{n}-lastexternal', 'l{n}.{zone}.')\ntflags L{n} net\nscore L{n} 1"
        )
        .unwrap();
    }
    folder.file("own.cf", &rules);
}

fn config(folder: &Folder, server: &str, more: &str) -> PathBuf {
    folder.file("sekisho.toml", &format!("[dns]\nservers = [\"{server}\"]\n{more}"))
}

#[test]
fn all_questions_of_a_message_are_asked_at_once() {
    let folder = Folder::new("dns-parallel");
    own_rules(&folder, 30, "list.test");
    let dns = Dns::start(&[("*.list.test", records(&["A 127.0.0.2"]))], Duration::from_secs(1));
    let config = config(&folder, &dns.address.to_string(), "deadline = \"30s\"\ntimeout = \"20s\"\n");
    let mail = folder.file("mail.eml", &mail("", "x"));
    let (said, code) = check(&folder, &config, &mail, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(dns.asked().len(), 30);
    // All of them, but for what a busy machine does in between.
    let at_once = dns.seen.most_at_once.load(Ordering::SeqCst);
    assert!(at_once >= 15, "{at_once}");
    // With the network off nobody is asked.
    let before = dns.seen.asked.lock().unwrap().values().sum::<usize>();
    let (said, code) = check(&folder, &config, &mail, &["-L"]);
    assert_eq!((code, dns.seen.asked.lock().unwrap().values().sum::<usize>()), (Some(0), before), "{said}");
}

#[test]
fn a_name_server_that_never_answers_is_told_and_the_rest_counts() {
    let folder = Folder::new("dns-dead");
    own_rules(&folder, 3, "list.test");
    let zones = [("*.l0.list.test", records(&["A 127.0.0.2"])), ("*.list.test", Manner::Silence)];
    let dns = Dns::start(&zones, Duration::ZERO);
    let settings = "deadline = \"3s\"\nunanswered = 0.25\n";
    let config = config(&folder, &dns.address.to_string(), settings);
    let mail = folder.file("mail.eml", &mail("", "x"));
    let (said, _) = check(&folder, &config, &mail, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let hits: Vec<&str> = report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap()).collect();
    assert_eq!(hits, ["L0", "DNS_UNANSWERED"], "{said}");
    assert_eq!(report["score"], 1.25, "{said}");
    assert!(said.contains("2 of 3 questions were not answered in time"), "{said}");
}

#[test]
fn too_many_questions_and_lists_that_refuse_are_told() {
    let folder = Folder::new("dns-limits");
    own_rules(&folder, 12, "list.test");
    let zones = [("*.l3.list.test", records(&["A 127.255.255.254"])), ("*.list.test", records(&["A 127.0.0.2"]))];
    let dns = Dns::start(&zones, Duration::ZERO);
    let config = config(&folder, &dns.address.to_string(), "questions = 10\n");
    let mail = folder.file("mail.eml", &mail("", "x"));
    let (said, _) = check(&folder, &config, &mail, &["--format", "json"]);
    assert!(said.contains("DNS_NOT_ASKED") && said.contains("2 questions were not asked"), "{said}");
    assert!(said.contains("DNS_LIST_REFUSES") && said.contains("l3.list.test does not serve"), "{said}");
    assert_eq!(dns.asked().len(), 10);
}

#[test]
fn garbage_loops_and_chains_are_no_hit_and_no_harm() {
    let folder = Folder::new("dns-garbage");
    own_rules(&folder, 9, "list.test");
    let huge = format!("TXT {}", "x".repeat(60_000));
    let many: Vec<String> = (0..1000).map(|n| format!("A 127.0.{}.{}", n / 250, n % 250)).collect();
    let mut zones = vec![
        ("*.l0.list.test", Manner::Garbage(vec![0xff; 40])),
        ("*.l1.list.test", Manner::Loop),
        ("*.l2.list.test", Manner::Garbage(Vec::new())),
        ("*.l3.list.test", records(&["CNAME x.l3.list.test"])),
        ("*.l4.list.test", Manner::Truncated(many)),
        ("*.l5.list.test", Manner::Truncated(vec![huge])),
        ("*.l6.list.test", Manner::Code(5)),
        ("*.l7.list.test", records(&["A 192.0.2.1"])),
    ];
    let chain: Vec<(String, Manner)> =
        (0..40).map(|n| (format!("c{n}.list.test"), records(&[&format!("CNAME c{}.list.test", n + 1)]))).collect();
    zones.extend(chain.iter().map(|(name, how)| (name.as_str(), how.clone())));
    zones.push(("*.l8.list.test", records(&["CNAME c0.list.test"])));
    let dns = Dns::start(&zones, Duration::ZERO);
    let config = config(&folder, &dns.address.to_string(), "deadline = \"10s\"\ntimeout = \"2s\"\nattempts = 1\n");
    let mail = folder.file("mail.eml", &mail("", "x"));
    let (said, _) = check(&folder, &config, &mail, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let hits: Vec<&str> = report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap()).collect();
    // The one whose answer did not fit into a datagram was asked again over TCP.
    assert!(hits.contains(&"L4") && dns.seen.over_tcp.load(Ordering::SeqCst) > 0, "{said}");
    assert!(hits.iter().all(|hit| *hit == "L4" || hit.starts_with("DNS_")), "{said}");
}

#[test]
fn a_verdict_is_replayed_byte_for_byte_without_a_network() {
    let folder = Folder::new("dns-replay");
    own_rules(&folder, 4, "list.test");
    let zones = [("*.l1.list.test", records(&["A 127.0.0.2"])), ("*.l2.list.test", Manner::Code(2))];
    let dns = Dns::start(&zones, Duration::ZERO);
    let config = config(&folder, &dns.address.to_string(), "");
    let mail = folder.file("mail.eml", &mail("", "x"));
    let tape = folder.0.join("answers.json");
    let tape = tape.to_str().unwrap();
    let (recorded, code) = check(&folder, &config, &mail, &["--explain", "--record", tape]);
    let asked = dns.seen.asked.lock().unwrap().values().sum::<usize>();
    assert!(asked >= 4);
    assert_eq!(check(&folder, &config, &mail, &["--explain", "--replay", tape]), (recorded, code));
    assert_eq!(dns.seen.asked.lock().unwrap().values().sum::<usize>(), asked);
    // What was not recorded is not asked, and said.
    let other = folder.file("other.eml", &self::mail("", "y"));
    assert!(check(&folder, &config, &other, &["--replay", tape]).0.contains("DNS_NOT_ASKED"));
}

/// What is cut of an answer is told: in the verdict, in a replay, by the service and by `sekisho dns test`.
#[test]
fn limits_of_answers_are_named() {
    let folder = Folder::new("dns-named");
    own_rules(&folder, 4, "list.test");
    let rules = std::fs::read_to_string(folder.0.join("own.cf")).unwrap();
    let text = "loadplugin Mail::SpamAssassin::Plugin::AskDNS\naskdns TEXT _SENDERDOMAIN_ TXT /x/\n";
    folder.file("own.cf", &format!("{rules}{text}"));
    let many: Vec<String> = (0..1000).map(|n| format!("A 127.0.{}.{}", n / 250, n % 250)).collect();
    let mut zones = vec![
        ("*.l0.list.test", Manner::Truncated(many)),
        ("*.l1.list.test", Manner::Alias("c0.list.test".to_owned())),
        ("*.l2.list.test", Manner::Alias("none.list.test".to_owned())),
        ("none.list.test", records(&["TXT nothing for A"])),
        ("*.l3.list.test", Manner::Alias("c28.list.test".to_owned())),
        ("c30.list.test", records(&["A 127.0.0.2"])),
        ("sender.com", Manner::Truncated(vec![format!("TXT {}", "x".repeat(60_000))])),
    ];
    let chain: Vec<(String, Manner)> =
        (0..30).map(|n| (format!("c{n}.list.test"), Manner::Alias(format!("c{}.list.test", n + 1)))).collect();
    zones.extend(chain.iter().map(|(name, how)| (name.as_str(), how.clone())));
    let dns = Dns::start(&zones, Duration::ZERO);
    let config = config(&folder, &dns.address.to_string(), "deadline = \"20s\"\ntimeout = \"10s\"\n");
    let mail = folder.file("mail.eml", &mail("", "x"));
    let tape = folder.0.join("answers.json");
    let tape = tape.to_str().unwrap();
    let (said, code) = check(&folder, &config, &mail, &["--format", "json", "--record", tape]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let hits: Vec<&str> = report["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap()).collect();
    assert_eq!(hits, ["L0", "L3", "TEXT", "DNS_LIMIT"], "{said}");
    for expected in [
        "9.113.0.203.l0.list.test A: 1000 records, of which 100 are looked at",
        "9.113.0.203.l1.list.test A: more aliases (CNAME) one behind the other than are followed",
        "sender.com TXT: a record of 60000 bytes, of which 16384 at most are looked at",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("l2.list.test A: more") && !said.contains("l3.list.test A: more"), "{said}");
    assert_eq!(check(&folder, &config, &mail, &["--format", "json", "--replay", tape]), (said, code));
    let tested = folder
        .command(&["dns", "test", "--rule-set", "none", "--no-cache", "--config"])
        .arg(&config)
        .args(["9.113.0.203.l0.list.test", "9.113.0.203.l1.list.test"])
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(said.contains("limit: 9.113.0.203.l0.list.test A: 1000 records"), "{said}");
    assert!(said.contains("limit: 9.113.0.203.l1.list.test A: more aliases"), "{said}");
    assert!(tested.stderr.is_empty(), "{}", String::from_utf8_lossy(&tested.stderr));
}

#[test]
fn pretended_zones_need_no_network() {
    let folder = Folder::new("dns-fake");
    own_rules(&folder, 2, "list.test");
    let text = "[dns]\nask = \"fake\"\n[dns.fake]\n\"9.113.0.203.l1.list.test\" = [\"A 127.0.0.2\"]\n";
    let config = folder.file("sekisho.toml", text);
    let mail = folder.file("mail.eml", &mail("", "x"));
    let (said, _) = check(&folder, &config, &mail, &[]);
    assert!(said.contains("L1") && !said.contains("L0") && !said.contains("DNS_"), "{said}");
    let tested = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["dns", "test", "--rule-set", "none", "--no-cache", "--config"])
        .arg(&config)
        .args(["9.113.0.203.l1.list.test", "nothing.test"])
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(said.contains("127.0.0.2") && said.contains("no such name"), "{said}");
}

/// The service, where one message is judged at a time: those that wait for DNS wait beside one another.
#[test]
fn in_the_service_messages_wait_beside_one_another() {
    use std::io::{Read, Write};
    const MESSAGES: u8 = 6;
    let folder = Folder::new("dns-serve");
    own_rules(&folder, 2, "list.test");
    let dns = Dns::start(&[("*.list.test", records(&["A 127.0.0.2"]))], Duration::from_millis(700));
    let settings = format!(
        "[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"none\"\nextra = [\"{}\"]\n\
         [limits]\nconcurrent = 1\n[store]\nlocation = \"\"\n[learn]\nfolder = \"\"\n[signatures]\nfolders = []\n\
         [dns]\nservers = [\"{}\"]\ndeadline = \"30s\"\ntimeout = \"20s\"\n",
        folder.0.join("own.cf").display(),
        dns.address
    );
    let sekisho = support::Sekisho::start_asking(&folder, &settings);
    let port = sekisho.port("spamd");
    let ask = |n: u8| {
        let mail = mail("", "x").replace("203.0.113.9", &format!("203.0.113.{}", 100 + n));
        let request = format!("CHECK SPAMC/1.2\r\nContent-length: {}\r\n\r\n{mail}", mail.len());
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..MESSAGES).map(|n| scope.spawn(move || ask(n))).collect();
        for said in asked {
            let said = said.join().unwrap();
            assert!(said.contains("2.0 / 5.0"), "{said}");
        }
    });
    assert_eq!(dns.asked().len(), 2 * usize::from(MESSAGES));
    assert!(dns.seen.most_at_once.load(Ordering::SeqCst) > 2, "one message's questions alone were under way");
}
