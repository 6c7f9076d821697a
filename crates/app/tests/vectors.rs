//! DKIM and ARC by the vectors that others ship: those of the crate mail-auth, as its package has them, and every message
//! that dkimpy's own test-suite verifies. Each goes the whole way of `sekisho auth`, with the DNS that the vector pretends;
//! nothing of them is copied here.

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Folder;

const PYTHON: &str = "/usr/bin/python3";

/// What we make of a vector on purpose, and why its makers do otherwise.
const MAIL_AUTH_DIFFERS: &[(&str, &str)] =
    &[("dkim/005.txt", "its signature expired in 2022; mail-auth's test sets the clock back")];
/// By what we say of the signature.
const DKIMPY_DIFFERS: &[(&str, &str)] = &[(
    "a key of 512 bits no longer counts (RFC 8301)",
    "a test of canonicalisation signs with a key of 512 bits and lowers dkimpy's own limit",
)];

fn auth(folder: &Folder, config: &Path, mail: &Path) -> Value {
    let arguments = ["auth", "--json", "--rule-set", "none", "--config"];
    let mut command = folder.command(&arguments);
    let output = command.env_remove("SEKISHO_LOCAL").arg(config).arg(mail).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}: {output:?}", mail.display()))
}

fn passes(result: &Value) -> bool {
    result["result"] == "pass"
}

/// Where the sources of that crate are.
fn sources_of(package: &str) -> Option<PathBuf> {
    let cargo = env!("CARGO");
    let arguments = ["metadata", "--offline", "--format-version", "1", "--manifest-path"];
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let said = Command::new(cargo).args(arguments).arg(manifest).output().ok()?;
    let metadata: Value = serde_json::from_slice(&said.stdout).ok()?;
    let found = metadata["packages"].as_array()?.iter().find(|one| one["name"] == package)?;
    Path::new(found["manifest_path"].as_str()?).parent().map(Path::to_owned)
}

#[test]
fn those_of_mail_auth() {
    let Some(sources) = sources_of("mail-auth").filter(|path| path.join("resources/dkim").is_dir()) else {
        eprintln!("skipped: mail-auth's package has no vectors here");
        return;
    };
    let folder = Folder::new("vectors-mail-auth");
    let (mut count, mut wrong, mut differ) = (0, Vec::new(), Vec::new());
    for kind in ["dkim", "arc"] {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(sources.join("resources").join(kind)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = format!("{kind}/{}", file.file_name().unwrap().to_string_lossy());
            let text = std::fs::read_to_string(&file).unwrap();
            let (records, mail) = text.split_once("\n\n").expect("records, then a message");
            let mut config = "[dns]\nask = \"fake\"\n[dns.fake]\n".to_owned();
            for (name, record) in records.lines().filter_map(|line| line.split_once(' ')) {
                let strings: Vec<String> = record
                    .as_bytes()
                    .chunks(200)
                    .map(|part| format!("\"{}\"", String::from_utf8_lossy(part)))
                    .collect();
                config.push_str(&format!("{name:?} = [{:?}]\n", format!("TXT {}", strings.join(" "))));
            }
            let (config, mail) = (folder.file("fake.toml", &config), folder.file("mail.eml", mail));
            let found = auth(&folder, &config, &mail);
            let signatures = found["dkim"].as_array().expect("signatures");
            // Of the vectors for ARC one signature at least holds, of those for DKIM the last.
            let good = match kind {
                "dkim" => signatures.last().is_some_and(passes),
                _ => passes(&found["arc"]) && signatures.iter().any(passes),
            };
            count += 1;
            match MAIL_AUTH_DIFFERS.iter().find(|(known, _)| *known == name) {
                Some((_, why)) if !good => differ.push(format!("{name}: {why}")),
                _ if good => {}
                _ => wrong.push(format!("{name}: {found}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(differ.len(), MAIL_AUTH_DIFFERS.len(), "a known difference is none any more: {differ:?}");
    eprintln!("mail-auth: {count} vectors, {} as expected, known differences: {differ:?}", count - differ.len());
    assert!(count >= 8, "{count}");
}

#[test]
fn those_of_dkimpys_test_suite() {
    let there = Command::new(PYTHON).args(["-c", "import dkim.tests, nacl"]).output();
    if !there.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: there is no dkimpy with its test-suite");
        return;
    }
    let folder = Folder::new("vectors-dkimpy");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/dkimpy_vectors.py");
    // Its tests import one another by name.
    let made = Command::new(PYTHON).arg(script).arg(&folder.0).current_dir("/").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let expected = std::fs::read_to_string(folder.0.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    let (mut wrong, mut differ) = (Vec::new(), 0);
    for (number, expected) in &expected {
        let file = |kind: &str| folder.0.join(number).with_extension(kind);
        let found = auth(&folder, &file("toml"), &file("eml"));
        let (agrees, said) = match expected["what"].as_str() {
            Some("dkim") => {
                let index = expected["index"].as_u64().unwrap() as usize;
                let one = &found["dkim"][index];
                (passes(one) == expected["result"].as_bool().unwrap(), one)
            }
            _ => (found["arc"]["result"] == expected["result"], &found["arc"]),
        };
        let known = DKIMPY_DIFFERS.iter().any(|(why, _)| said["why"] == *why);
        match agrees {
            true => {}
            false if known => differ += 1,
            false => wrong.push(format!("{number}: {expected}, {said}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
    eprintln!("dkimpy: {} vectors, {differ} differ on purpose: {DKIMPY_DIFFERS:?}", expected.len());
    assert!(expected.len() >= 90 && differ <= 4, "{} {differ}", expected.len());
}
