//! Files that are made to cost more than they weigh. Each ends within its budget, with a note that names the limit.

mod support;

use support::{Zip, deflate, gzip, ole, zlib};
use unpack::{Budget, Content, Kind, Limit, Limits, Note};

/// What a walker does: opens what can be opened, one level after the other, while the budget lasts.
fn walk(bytes: &[u8], budget: &mut Budget, notes: &mut Vec<Note>) {
    let kind = unpack::kind(bytes);
    if !unpack::opens(kind) {
        return;
    }
    if !budget.enter() {
        notes.push(Note::Limit(Limit::Depth));
        return;
    }
    let unpacked = unpack::open(bytes, kind, &[], budget);
    notes.extend(unpacked.notes);
    for member in unpacked.members {
        walk(&member.bytes, budget, notes);
    }
    budget.leave();
}

#[track_caller]
fn ends_with(bytes: &[u8], limits: Limits, expected: &[Limit]) {
    let mut budget = Budget::new(limits);
    let mut notes = Vec::new();
    walk(bytes, &mut budget, &mut notes);
    let reached: Vec<Limit> = budget.reached().collect();
    assert!(expected.iter().all(|limit| reached.contains(limit)), "{reached:?}, not {expected:?}");
    for limit in expected {
        assert!(notes.contains(&Note::Limit(*limit)), "{limit} is not noted: {notes:?}");
    }
}

fn small() -> Limits {
    Limits { bytes: 20 << 20, member: 4 << 20, members: 500, depth: 8, ..Limits::default() }
}

#[test]
fn a_gigabyte_of_nothing() {
    let zeros = vec![0; 64 << 20];
    ends_with(&gzip(&zeros), Limits { ratio: u32::MAX, ..small() }, &[Limit::Member]);
    ends_with(&gzip(&zeros), Limits { member: u64::MAX, ratio: u32::MAX, ..small() }, &[Limit::Bytes]);
    ends_with(&gzip(&zeros), Limits { ratio: 100, ..Limits::default() }, &[Limit::Ratio]);
    let mut budget = Budget::new(small());
    let bytes = gzip(&zeros);
    let unpacked = unpack::open(&bytes, Kind::Gzip, &[], &mut budget);
    let member = &unpacked.members[0];
    assert!(member.content == Content::Part && member.bytes.len() as u64 <= small().member);
}

/// As 42.zip: archives of archives, each level many times the one below.
#[test]
fn zips_of_zips() {
    let mut inner = deflate_zip(&vec![0; 1 << 20]);
    for _ in 0..5 {
        let mut zip = Zip::default();
        for number in 0..16 {
            zip.deflated(&format!("lib {number}.zip"), &inner);
        }
        inner = zip.done();
    }
    ends_with(&inner, Limits { depth: 17, members: 10_000, ..small() }, &[Limit::Bytes]);
    ends_with(&inner, Limits { depth: 3, bytes: u64::MAX, members: u32::MAX, ..small() }, &[Limit::Depth]);
    ends_with(&inner, Limits { bytes: u64::MAX, ..small() }, &[Limit::Members]);
}

fn deflate_zip(data: &[u8]) -> Vec<u8> {
    let mut zip = Zip::default();
    zip.deflated("0.dll", data);
    zip.done()
}

/// Ten thousand names for the same compressed bytes.
#[test]
fn members_over_each_other() {
    let kernel = deflate(&vec![b'a'; 1 << 20]);
    let mut zip = Zip::default();
    let offset = zip.member("0", 8, &kernel, 1 << 20, 0);
    for number in 1..10_000 {
        zip.mention(&number.to_string(), 8, kernel.len() as u32, 1 << 20, 0, offset);
    }
    let zip = zip.done();
    let mut budget = Budget::new(Limits { members: u32::MAX, ..small() });
    let unpacked = unpack::open(&zip, Kind::Zip, &[], &mut budget);
    assert!(unpacked.notes.contains(&Note::Overlap) && unpacked.notes.contains(&Note::Limit(Limit::Bytes)));
    let total: usize = unpacked.members.iter().map(|member| member.bytes.len()).sum();
    assert!(total as u64 <= small().bytes);
}

/// A file that holds itself: here, a format that gives its own bytes back for ever.
#[test]
fn a_quine() {
    // A stored member whose bytes are the archive from its own local header on: open, and the same lies inside.
    let mut zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let mut rest = Vec::new();
    rest.extend(u32::MAX.to_le_bytes());
    rest.extend(u32::MAX.to_le_bytes());
    rest.extend([0, 0, 0, 0]);
    zip.extend(rest);
    let zip = zip.repeat(400);
    ends_with(&zip, Limits { bytes: 2 << 20, members: 100_000, depth: 17, ..small() }, &[Limit::Depth]);
    ends_with(&zip, Limits { bytes: 100 << 10, members: 100_000, depth: 17, ..small() }, &[Limit::Bytes]);
}

#[test]
fn deep_nesting() {
    let mut inner = b"the end".to_vec();
    for _ in 0..40 {
        inner = gzip(&inner);
    }
    ends_with(&inner, Limits::default(), &[Limit::Depth]);
    let mut inner = deflate_zip(b"the end");
    for _ in 0..40 {
        inner = deflate_zip(&inner);
    }
    ends_with(&inner, Limits::default(), &[Limit::Depth]);
}

#[test]
fn sectors_in_a_loop() {
    let mut document = ole(&[("big", &vec![b'x'; 8192])]);
    // The chain of the stream leads back to its own beginning.
    let table = u32::from_le_bytes(document[76..80].try_into().unwrap()) as usize;
    let table = (table + 1) * 512;
    document[table + 4 * 5..table + 4 * 6].copy_from_slice(&0u32.to_le_bytes());
    let directory = u32::from_le_bytes(document[48..52].try_into().unwrap()) as usize;
    let entry = (directory + 1) * 512 + 128;
    document[entry + 120..entry + 124].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let unpacked = unpack::open(&document, Kind::Ole2, &[], &mut Budget::default());
    assert!(unpacked.members[0].bytes.len() <= document.len());
    assert!(!unpacked.notes.is_empty());
    // A directory that is its own successor.
    document[table + 4 * directory..table + 4 * directory + 4].copy_from_slice(&(directory as u32).to_le_bytes());
    let unpacked = unpack::open(&document, Kind::Ole2, &[], &mut Budget::default());
    assert!(unpacked.notes.contains(&Note::Broken("a chain of sectors loops")));
}

/// Every entry of a directory names the same long stream.
#[test]
fn streams_over_each_other() {
    let long = vec![b'x'; 64 << 10];
    let names: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    let mut streams: Vec<(&str, &[u8])> = vec![("first", &long)];
    streams.extend(names.iter().map(|name| (&name[..], &b""[..])));
    let mut document = ole(&streams);
    let directory = u32::from_le_bytes(document[48..52].try_into().unwrap()) as usize;
    let first = (directory + 1) * 512 + 128;
    let place: Vec<u8> = document[first + 116..first + 124].to_vec();
    for number in 1..=2_000 {
        document[first + 128 * number + 116..first + 128 * number + 124].copy_from_slice(&place);
    }
    ends_with(&document, Limits { members: 100_000, ..small() }, &[Limit::Bytes]);
}

#[test]
fn pdf_bombs() {
    // Filter upon filter.
    let mut packed = vec![0; 32 << 20];
    let mut filters = String::new();
    for _ in 0..3 {
        packed = zlib(&packed);
        filters.push_str("/FlateDecode ");
    }
    let mut pdf =
        format!("%PDF-1.4\n1 0 obj << /Length {} /Filter [ {filters}] >>\nstream\n", packed.len()).into_bytes();
    pdf.extend_from_slice(&packed);
    pdf.extend_from_slice(b"\nendstream\n");
    ends_with(&pdf, Limits { ratio: 50, ..small() }, &[Limit::Ratio]);
    ends_with(&pdf, Limits { ratio: u32::MAX, ..small() }, &[Limit::Member]);
    // Objects that refer to each other are not followed, so this only has to end.
    let mut pdf = b"%PDF-1.4\n".to_vec();
    for number in 0..20_000 {
        let (length, child) = (number + 1, number / 2);
        pdf.extend(format!("{number} 0 obj << /Length {length} 0 R /Kids [{child} 0 R] >> stream\nendstream ").bytes());
    }
    ends_with(&pdf, Limits { steps: 5_000, ..small() }, &[Limit::Steps]);
    ends_with(&pdf, small(), &[Limit::Members]);
    let uris = b"/URI (x) ".repeat(20_000);
    ends_with(&[b"%PDF-1.4 ".to_vec(), uris].concat(), small(), &[Limit::Members]);
}

#[test]
fn rich_text_and_tnef_bombs() {
    let rtf = [b"{\\rtf1 ".to_vec(), b"{\\objdata 01050000}".repeat(10_000)].concat();
    ends_with(&rtf, small(), &[Limit::Members]);
    let mut tnef = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    for _ in 0..10_000 {
        tnef.extend_from_slice(b"\x02\x0f\x80\x06\x00\x01\0\0\0x\0\0\x02\x02\x90\x06\x00\0\0\0\0\0\0");
    }
    ends_with(&tnef, small(), &[Limit::Members]);
}

#[test]
fn html_that_is_too_long() {
    let mut budget = Budget::new(Limits { html: 1000, ..Limits::default() });
    unpack::html::normalise(&b"<p>".repeat(1000), &mut budget);
    assert_eq!(budget.reached().collect::<Vec<_>>(), [Limit::Html]);
    // A script whose functions never end.
    let script = [b"<script>".to_vec(), b"function a(b){c=b;".repeat(50_000), b"</script> ".to_vec()].concat();
    unpack::html::normalise(&script, &mut Budget::default());
}
