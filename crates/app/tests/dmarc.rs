//! DMARC's aggregate reports: from what was counted to the mail that a domain's owner gets.

mod support;

use std::path::Path;
use std::process::{Command, Output};
use store::reports::{Dkim, Row, Spf};
use store::{Store, Time};
use support::{Folder, Sekisho, filter, wait_until};

const DAY: i64 = 20_000;
const NAME: &str = "2024-10-04";

fn config(folder: &Folder) -> String {
    let kept = folder.file("keep", "#!/bin/sh\ncat > \"$0.$$.mail\"\necho \"$@\" > \"$0.$$.arguments\"\n");
    std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    format!(
        "[[listen]]\nprotocol = \"http\"\nsocket = \"inet:127.0.0.1:0\"\n[rules]\nset = \"shipped\"\n\
         [learn]\nfolder = \"\"\n[store]\nlocation = {:?}\nrelease = [{kept:?}]\n\
         [reports]\ncollect = true\norganisation = \"見本\"\naddress = \"dmarc@mx.example.jp\"\n\
         [dns]\nask = \"fake\"\n[dns.fake]\n\"example.com._report._dmarc.reports.example.net\" = [\"TXT v=DMARC1\"]\n",
        folder.0.join("store")
    )
}

fn dmarc(folder: &Folder, arguments: &[&str]) -> Output {
    let config = folder.0.join("sekisho.toml").display().to_string();
    let all = [&["dmarc", "report", "-c", &config, "--day", NAME], arguments].concat();
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(all)
        .env("LC_ALL", "C")
        .env_remove("SEKISHO_LOCAL")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn count(folder: &Folder) {
    let store = Store::open(&folder.0.join("store").display().to_string().parse().unwrap()).unwrap();
    let day = Time::from_seconds(DAY * 86_400 + 3_600);
    let row = |domain: &str, source: &str, rua: &str| Row {
        domain: domain.into(),
        record: format!("v=DMARC1; p=reject; rua={rua}"),
        source: source.into(),
        disposition: "none".into(),
        spf: true,
        header_from: domain.into(),
        envelope_from: domain.into(),
        dkim_results: vec![Dkim { domain: domain.into(), selector: "s".into(), result: "fail".into() }],
        spf_results: vec![Spf { domain: domain.into(), scope: "mfrom".into(), result: "pass".into() }],
        ..Row::default()
    };
    let all = "mailto:own@mail.example.com,mailto:x@reports.example.net!1m,mailto:x@strangers.example.org,mailto:tiny@example.com!100";
    let years = std::time::Duration::from_secs(50 * 365 * 86_400);
    for (domain, source, rua) in [
        ("example.com", "192.0.2.1", all),
        ("example.com", "192.0.2.1", all),
        ("example.com", "2001:db8::1", all),
        ("example.org", "192.0.2.1", "mailto:x@example.com"),
    ] {
        assert!(store.reports().add(row(domain, source, rua), years, day).unwrap());
    }
}

/// What a reader finds in a report.
const READER: &str = "\
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
space = '{urn:ietf:params:xml:ns:dmarc-2.0}'
assert root.tag == space + 'feedback'
find = lambda at, path: at.findtext('/'.join(space + name for name in path.split('/')))
print(find(root, 'report_metadata/org_name'), find(root, 'report_metadata/email'), find(root, 'report_metadata/date_range/begin'))
print(find(root, 'policy_published/domain'), find(root, 'policy_published/p'))
for record in root.findall(space + 'record'):
    print(find(record, 'row/source_ip'), find(record, 'row/count'), find(record, 'row/policy_evaluated/spf'), find(record, 'auth_results/dkim/result'))
";

fn read(xml: &[u8]) -> String {
    let (said, code) = filter("/usr/bin/python3", &["-X", "utf8", "-c", READER], xml);
    assert_eq!(code, Some(0), "{}", text(xml));
    let mut lines: Vec<&str> = std::str::from_utf8(&said).unwrap().lines().collect();
    lines[2..].sort();
    lines.join("\n")
}

const SAID: &str =
    "見本 dmarc@mx.example.jp 1728000000\nexample.com reject\n192.0.2.1 2 pass fail\n2001:db8::1 1 pass fail";

#[test]
fn a_day_is_reported_once_to_those_who_want_it() {
    let folder = Folder::new("dmarc");
    let settings = config(&folder);
    folder.file("sekisho.toml", &settings);
    let nothing = dmarc(&folder, &[]);
    assert_eq!(nothing.status.code(), Some(1), "{}", text(&nothing.stderr));
    assert!(text(&nothing.stdout).contains("nothing to report"));
    count(&folder);
    assert_eq!(
        text(&dmarc(&folder, &[]).stdout),
        "example.com  3 messages, 2 rows: not reported\nexample.org  1 messages, 1 rows: not reported\n"
    );
    let shown = dmarc(&folder, &["--domain", "example.com", "--dry-run"]);
    assert_eq!(read(&shown.stdout), SAID);
    let out = folder.0.join("out");
    std::fs::create_dir(&out).unwrap();
    dmarc(&folder, &["--domain", "example.com", "--out", out.to_str().unwrap()]);
    let file = out.join("mx.example.jp!example.com!1728000000!1728086399.xml.gz");
    assert_eq!(read(&unpacked(&file)), SAID);

    // To the own organisation, to those who agree, to nobody else, and no more than fits.
    let sent = dmarc(&folder, &["--send"]);
    let (said, why) = (text(&sent.stdout), text(&sent.stderr));
    assert!(said.contains("in the outbox, for: own@mail.example.com, x@reports.example.net\n"), "{said}{why}");
    assert!(said.contains("example.org  1 messages, 1 rows: nobody wants it\n"), "{said}");
    assert!(why.contains("strangers.example.org does not say that it wants reports of example.com"), "{why}");
    assert!(why.contains("tiny@example.com takes 100 bytes"), "{why}");
    assert!(text(&dmarc(&folder, &["--send"]).stdout).contains("example.com  3 messages, 2 rows: reported\n"));

    let _sekisho = Sekisho::start(&folder, &settings);
    let mails = || -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(&folder.0).unwrap().flatten().map(|file| file.path());
        let mails = files.filter(|path| path.extension().is_some_and(|ending| ending == "mail"));
        let whole = mails.filter(|path| path.with_extension("arguments").exists());
        whole.map(|path| std::fs::read(path).unwrap()).collect()
    };
    wait_until("the reports", || mails().len() == 2);
    let mail = mails().into_iter().find(|mail| text(mail).contains("To: <own@mail.example.com>")).expect("the owner's");
    let take = "import sys, email, email.policy; mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default); \
                part = list(mail.iter_attachments())[0]; print(mail['From'], '|', mail['Subject'], '|', part.get_content_type(), \
                '|', part.get_filename(), file=sys.stderr) or sys.stdout.buffer.write(__import__('gzip').decompress(part.get_content()))";
    let (xml, code) = filter("/usr/bin/python3", &["-c", take], &mail);
    assert_eq!(code, Some(0), "{}", text(&mail));
    assert_eq!(read(&xml), SAID);
    let head = text(&mail).replace("\r\n ", " ").replace("\r\n\t", " ");
    assert!(head.contains("Subject: Report Domain: example.com Submitter: mx.example.jp"), "{head}");
    assert!(head.contains("mx.example.jp!example.com!1728000000!1728086399.xml.gz"), "{head}");
}

/// Our own reports, read as another site's would be: the file, and the mail that carries it.
#[test]
fn reports_of_others_are_summed_up() {
    let folder = Folder::new("dmarc-read");
    folder.file("sekisho.toml", &config(&folder));
    count(&folder);
    let out = folder.0.join("out");
    std::fs::create_dir(&out).unwrap();
    dmarc(&folder, &["--out", out.to_str().unwrap()]);
    let read = |arguments: &[&str]| {
        let output = folder.sekisho(&[&["dmarc", "read"], arguments].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, why) = read(&[out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}{why}");
    assert!(said.starts_with("2 reports, 2 sources\n192.0.2.1 "), "{said}");
    assert!(said.contains("3 messages  DKIM 0, SPF 3, neither 0  (none 3)  example.com example.org  <- "), "{said}");

    let packed = std::fs::read(out.join("mx.example.jp!example.com!1728000000!1728086399.xml.gz")).unwrap();
    let (encoded, _) = filter("base64", &[], &packed);
    let mail = format!(
        "From: <dmarc@mx.example.jp>\nSubject: Report Domain: example.com\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>a report\n--b\n\
         Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{}\n--b--\n",
        text(&encoded)
    );
    let mail = folder.file("report.eml", &mail).display().to_string();
    let (code, said, why) = read(&[&mail, "--format", "json", "--domain", "EXAMPLE.com"]);
    assert_eq!(code, Some(0), "{said}{why}");
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((first["source"].as_str(), first["messages"].as_u64()), (Some("192.0.2.1"), Some(2)), "{said}");
    assert_eq!(read(&[&mail, "--domain", "ample.com"]).1, "1 reports, 0 sources\n");

    let bad = folder.file("bad.xml", "<feedback>\n<record><row><count>many</count>").display().to_string();
    let (code, _, why) = read(&[&bad]);
    assert!(code == Some(2) && why.contains("line 2: count \"many\" is no number"), "{why}");
    let failing = "<feedback><record><row><source_ip>2001:db8::1</source_ip><count>7</count></row></record></feedback>";
    let failing = folder.file("failing.xml", failing).display().to_string();
    assert_eq!(read(&[&failing]).0, Some(1));
}

fn unpacked(file: &Path) -> Vec<u8> {
    filter("gzip", &["-dc"], &std::fs::read(file).unwrap()).0
}
