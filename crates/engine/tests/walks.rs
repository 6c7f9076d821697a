//! Walks through files with signatures: what is opened, what is seen of it, and where it ends.

use engine::signatures::Database;
use engine::signatures::walk::{self, Options, Report, Scratch};
use rules::signatures::{Options as Loading, Source, load};

fn database(name: &str, lines: &str) -> Database {
    let source = Source { name: name.to_owned().into(), bytes: lines.as_bytes().to_vec().into(), official: false };
    let (set, diagnostics) = load(&[source], &Loading::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    Database::new(set, false)
}

fn walked(database: &Database, bytes: &[u8]) -> Report {
    let options = Options { alert_limits: true, ..Options::as_clamav() };
    walk::file(database, bytes, b"", &options, &mut Scratch::default())
}

fn names(report: &Report) -> Vec<&str> {
    report.hits.iter().map(|hit| hit.name.as_str()).collect()
}

/// A zip archive with one member, stored.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let sizes = [&[0; 4][..], &(content.len() as u32).to_le_bytes(), &(content.len() as u32).to_le_bytes()].concat();
    let name_length = (name.len() as u16).to_le_bytes();
    let local =
        [b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0", &sizes[..], &name_length, &[0, 0], name.as_bytes(), content].concat();
    let central = [
        &b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0"[..],
        &sizes,
        &name_length,
        &[0; 12],
        &0u32.to_le_bytes(),
        name.as_bytes(),
    ]
    .concat();
    let end = [
        &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
        &(central.len() as u32).to_le_bytes(),
        &(local.len() as u32).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    [local, central, end].concat()
}

#[test]
fn an_archive_behind_something_else_is_opened() {
    let database = database("x.cdb", r"Evil.Member:*:*:evil\.exe:*:*:*:*:*:*");
    let archive = zip("evil.exe", b"harmless");
    for before in [&b""[..], b"a line of text\nand another one\n", b"MZ\x90\0 a program of sorts", &[7; 100]] {
        let report = walked(&database, &[before, &archive].concat());
        assert_eq!(names(&report), ["Evil.Member.UNOFFICIAL"], "behind {before:?}: {:?}", report.notes);
    }
    assert_eq!(names(&walked(&database, &archive[..20])), [""; 0]);
}

/// As clamscan has it: the length and the digest of what it matches, not of the markup it was made of.
#[test]
fn normalised_markup_has_its_own_length() {
    let html = b"<html><!-- a comment that goes away --><body>Marker</body></html>\n";
    let seen = unpack::html::normalise(html, &mut unpack::Budget::default()).nocomment;
    assert_ne!(seen.len(), html.len());
    let line = |size: usize| format!("Sized;Target:3,FileSize:{size}-{size};0;{}", "3c626f64793e6d61726b6572");
    assert_eq!(names(&walked(&database("x.ldb", &line(seen.len())), html)), ["Sized.UNOFFICIAL"]);
    assert_eq!(names(&walked(&database("x.ldb", &line(html.len())), html)), [""; 0]);
}

#[test]
fn multiparts_within_multiparts_keep_no_more_lines_than_they_may() {
    let database = database("x.ndb", "N:0:*:6e6f7468696e67206f6620746865206b696e64");
    let mut mail = b"From: a@example.net\n".to_vec();
    for depth in 0..60 {
        let outer = if depth == 0 { "MIME-Version: 1.0\n".to_owned() } else { format!("--b{}\n", depth - 1) };
        mail.extend(format!("{outer}Content-Type: multipart/mixed; boundary=b{depth}\n\n").into_bytes());
    }
    mail.extend_from_slice(b"--b59\n\n");
    mail.extend(b"a\n".repeat(20_000));
    let report = walked(&database, &mail);
    assert_eq!(names(&report), ["Heuristics.Limits.Exceeded.EmailMIMEPartsPerMessage"], "{:?}", report.notes);
}

#[test]
fn a_folded_field_may_have_as_many_lines_as_it_likes() {
    let database = database("x.ndb", "N:4:*:6e6f7468696e67206f6620746865206b696e64");
    let mut mail = b"From: a@example.net\nContent-Type: text/plain; name=\"x\n".to_vec();
    mail.extend(b" a\n".repeat(300_000));
    mail.extend_from_slice(b" \"\n\nnothing of the kind\n");
    assert_eq!(names(&walked(&database, &mail)), ["N.UNOFFICIAL"]);
}

#[test]
fn one_string_that_stands_everywhere_hides_no_other() {
    let database = database("x.ldb", "Both;Target:0;0&1;615861;51515757454552\n");
    let mut data = b"aXaYaZ ".repeat(30_000);
    data.extend_from_slice(b"QQWWEER");
    assert_eq!(names(&walked(&database, &data)), ["Both.UNOFFICIAL"]);
}
