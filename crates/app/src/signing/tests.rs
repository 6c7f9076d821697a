//! Signatures against published vectors, and which mail gets one.

use super::*;
use crate::config::dkim::Form;
use ring::signature::{ED25519, UnparsedPublicKey};

/// RFC 8463's key and message.
const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const MESSAGE: &[u8] = b"From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

fn ed25519() -> Key {
    let before = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = [&before[..], &STANDARD.decode(SEED).unwrap()].concat();
    Key::parse(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der)).as_bytes())
        .unwrap()
}

fn signer(domains: &[&str], change: impl FnOnce(&mut Dkim, &mut ArcConfig)) -> Signer {
    let written = Written {
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        selector: "brisbane".into(),
        file: "/k".into(),
        subdomains: true,
    };
    let (mut dkim, mut arc) = (Dkim::default(), ArcConfig::default());
    change(&mut dkim, &mut arc);
    Signer { dkim, arc, keys: vec![(written, ed25519())], notes: Vec::new() }
}

fn value(edit: &Edit) -> String {
    let Edit::InsertHeader { index: 0, value, .. } = edit else { panic!("{edit:?}") };
    String::from_utf8(value.clone()).unwrap()
}

#[test]
fn the_hashes_of_rfc_8463() {
    let signer = signer(&["football.example.com"], |_, _| {});
    let edits = signer.sign(MESSAGE, 1_528_637_909).unwrap();
    let value = value(&edits[0]);
    assert!(value.contains("bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"), "{value}");
    assert!(value.contains("a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; s=brisbane;"), "{value}");
    let h = "From:From:Reply-To:To:To:Cc:Subject:Subject:Date:Message-ID";
    assert!(value.replace("\n\t ", "").contains(&format!("h={h};")), "{value}");
    assert!(value.lines().all(|line| line.len() < 79), "{value}");
    // The signature itself, against the published key: the data is written out here.
    let (before, signed) = value.rsplit_once("b=").unwrap();
    let unfolded = format!("{before}b=").split_whitespace().collect::<Vec<_>>().join(" ");
    let data = format!(
        "from:Joe SixPack <joe@football.example.com>\r\nto:Suzie Q <suzie@shopping.example.net>\r\n\
         subject:Is dinner ready?\r\ndate:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
         message-id:<20030712040037.46341.5F8J@football.example.com>\r\ndkim-signature:{unfolded}"
    );
    let digest = <sha2::Sha256 as sha2::Digest>::digest(data.as_bytes());
    let signed: String = signed.split_whitespace().collect();
    let public = UnparsedPublicKey::new(&ED25519, STANDARD.decode(PUBLIC).unwrap());
    assert!(public.verify(&digest, &STANDARD.decode(signed).unwrap()).is_ok(), "{data}");
    assert_eq!(ed25519().record(), format!("v=DKIM1; k=ed25519; p={PUBLIC}"));
}

#[test]
fn only_for_authors_of_the_keys_domain() {
    let signs = |domains: &[&str], from: &str| {
        let message = format!("{from}\r\n\r\nx\r\n");
        let edits = signer(domains, |_, _| {}).sign(message.as_bytes(), 0).unwrap();
        edits.first().map(|edit| value(edit).split_once("d=").unwrap().1.split(';').next().unwrap().to_owned())
    };
    let own = Some("example.jp".to_owned());
    assert_eq!(signs(&["example.jp"], "From: a@example.jp"), own);
    assert_eq!(signs(&["example.jp"], "FROM: \"x@y.z\"\r\n <a@EXAMPLE.JP>"), own);
    assert_eq!(signs(&["example.jp"], "From: a@sub.example.jp"), own);
    for not in [
        "From: a@badexample.jp",
        "From: a@example.net",
        "From: a",
        "To: a@example.jp",
        "From: a@example.jp\r\nFrom: b@c",
    ] {
        assert_eq!(signs(&["example.jp"], not), None, "{not}");
    }
}

#[test]
fn how_many_fields_is_bounded() {
    let mut message = "To: a@b\r\n".repeat(300);
    message.push_str("From: a@example.jp\r\n\r\n");
    let error = signer(&["example.jp"], |_, _| {}).sign(message.as_bytes(), 0).unwrap_err();
    assert!(error.to_string().contains("more than 200 fields"), "{error}");
}

#[test]
fn a_seal_follows_the_chain() {
    let signer = signer(&["example.jp"], |dkim, arc| {
        dkim.canonicalization.header = Form::Simple;
        (arc.domain, arc.selector) = ("example.jp".into(), "brisbane".into());
    });
    let results = |chain| arc::Results { text: "mx.example.jp; spf=pass smtp.mailfrom=a@b".into(), chain };
    let seal = |message: &[u8], chain| signer.seal(message, &results(chain), 7).unwrap();
    let one = edit::apply(MESSAGE, &seal(MESSAGE, arc::Chain::None));
    let text = String::from_utf8_lossy(&one).into_owned();
    assert!(text.starts_with("ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=example.jp; s=brisbane;"), "{text}");
    assert!(text.contains("\r\nARC-Authentication-Results: i=1; mx.example.jp; spf=pass"), "{text}");
    let two = seal(&one, arc::Chain::Pass);
    assert!(value(&two[0]).starts_with("i=2; a=ed25519-sha256; cv=pass;"));
    // Whatever the verifier says of a chain with holes, and of one that does not verify.
    let broken = String::from_utf8_lossy(&one).replace("ARC-Authentication-Results", "X-Gone");
    assert!(value(&seal(broken.as_bytes(), arc::Chain::Pass)[0]).contains("cv=fail"));
    let failed = seal(&one, arc::Chain::Fail);
    assert!(value(&failed[0]).contains("i=2; a=ed25519-sha256; cv=fail;"));
    assert_eq!(seal(&edit::apply(&one, &failed), arc::Chain::Pass), []);
}

/// What dkimpy says of a message and of its chain. `None`: there is no dkimpy.
fn dkimpy(record: &str, message: &[u8]) -> Option<String> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    const PYTHON: &str = "/usr/bin/python3";
    let there = Command::new(PYTHON).args(["-c", "import dkim, nacl"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("skipped: there is no dkimpy");
        return None;
    }
    let zone = std::env::temp_dir().join(format!("sekisho-arc-{}.zone", std::process::id()));
    std::fs::write(&zone, record).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/zone_verify.py");
    let mut child = Command::new(PYTHON)
        .args([script.as_ref(), zone.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(zone).unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_chain_of_seals_is_believed_by_another_program() {
    let key = Key::parse(key::make(key::Kind::Rsa { bits: 2048 }).unwrap().as_bytes()).unwrap();
    let record = key::zone_line("brisbane", "example.jp", &key.record()) + "\n";
    let mut signer = signer(&["example.jp"], |_, arc| {
        (arc.domain, arc.selector) = ("example.jp".into(), "brisbane".into());
    });
    signer.keys[0].1 = key;
    let results = |chain| arc::Results { text: "mx.example.jp;\n\tspf=pass smtp.mailfrom=a@b".into(), chain };
    let seal = |message: &[u8], chain| edit::apply(message, &signer.seal(message, &results(chain), 7).unwrap());
    let one = seal(MESSAGE, arc::Chain::None);
    let two = seal(&one, arc::Chain::Pass);
    let Some(said) = dkimpy(&record, &one) else { return };
    assert_eq!(said, "arc pass\n", "{}", String::from_utf8_lossy(&one));
    assert_eq!(dkimpy(&record, &two).unwrap(), "arc pass\n", "{}", String::from_utf8_lossy(&two));
    // A chain that is changed fails, and what is sealed on top says so.
    let changed = String::from_utf8_lossy(&two).replace("Are you hungry", "Are you  thirsty").into_bytes();
    assert_eq!(dkimpy(&record, &changed).unwrap(), "arc fail\n");
    // Here dkimpy 1.1 breaks off.
    let sealed = String::from_utf8(seal(&changed, arc::Chain::Fail)).unwrap();
    assert!(sealed.starts_with("ARC-Seal: i=3; a=rsa-sha256; cv=fail;"), "{sealed}");
}

#[test]
fn what_is_known_of_the_chain_is_sealed() {
    let chain = |result| {
        let arc = mail::authentication::ArcChain { result, ..Default::default() };
        arc::Chain::of(&mail::Authentication { arc, ..Default::default() })
    };
    use mail::authentication::Outcome;
    assert_eq!(chain(Outcome::Pass), Some(arc::Chain::Pass));
    assert_eq!(chain(Outcome::PermError), Some(arc::Chain::Fail));
    assert_eq!(chain(Outcome::TempError), None, "it may be found out later");
}
