//! Documents: what is embedded in them, what they run, and where they lead.

mod support;

use support::{hello, names, ole, open, zlib};
use unpack::{Budget, Content, Kind, Note, Role, Unpacked};

fn find<'u>(unpacked: &'u Unpacked<'_>, role: Role) -> Vec<(String, &'u [u8])> {
    let members = unpacked.members.iter().filter(|member| member.role == role);
    members.map(|member| (String::from_utf8_lossy(&member.name).into_owned(), &member.bytes[..])).collect()
}

/// Eight literals after each byte of flags.
fn vba(source: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::new();
    for eight in source.chunks(8) {
        chunk.push(0);
        chunk.extend_from_slice(eight);
    }
    let head = 0xb000 | (chunk.len() as u16 - 1);
    [b"\x01".to_vec(), head.to_le_bytes().to_vec(), chunk].concat()
}

fn package(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0];
    for text in ["label", name] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes.extend([0, 0, 3, 0, 5, 0, 0, 0]);
    bytes.extend_from_slice(b"path\0");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn streams_and_macros_of_old_office() {
    let source = b"Attribute VB_Name = \"Module1\"\r\nSub AutoOpen()\r\n  Shell \"calc\"\r\nEnd Sub\r\n";
    let module = [b"compiled junk".to_vec(), vba(source)].concat();
    let long = b"x".repeat(5000);
    let native = package("evil.exe", b"MZ program");
    let native = [(native.len() as u32).to_le_bytes().to_vec(), native].concat();
    let document =
        ole(&[("WordDocument", &long), ("Module1", &module), ("short", b"tiny"), ("\u{1}Ole10Native", &native)]);
    assert_eq!(unpack::kind(&document), Kind::Ole2);
    let unpacked = open(&document, Kind::Ole2);
    assert_eq!(unpacked.notes, [Note::Macros]);
    let streams = find(&unpacked, Role::Stream);
    assert_eq!(streams[0], ("WordDocument".into(), &long[..]));
    assert_eq!(streams[2], ("short".into(), &b"tiny"[..]));
    assert_eq!(find(&unpacked, Role::Macro), [("Module1".into(), &source[..])]);
    assert_eq!(find(&unpacked, Role::Object), [("evil.exe".into(), &b"MZ program"[..])]);
}

#[test]
fn macros_that_use_copies() {
    // "Attribut", then `e`, a space, and a copy of nine bytes from ten back.
    let chunk = b"\x00Attribut\x04e \x06\x90";
    let head = 0xb000 | (chunk.len() as u16 - 1);
    let stream = [b"\x01".to_vec(), head.to_le_bytes().to_vec(), chunk.to_vec()].concat();
    let document = ole(&[("M", &stream)]);
    let unpacked = open(&document, Kind::Ole2);
    assert_eq!(find(&unpacked, Role::Macro), [("M".into(), &b"Attribute Attribute"[..])]);
}

#[test]
fn an_encrypted_office_document() {
    let document = ole(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"y")]);
    assert_eq!(open(&document, Kind::Ole2).notes, [Note::Encrypted]);
}

#[test]
fn objects_in_rich_text() {
    let mut object = vec![1, 5, 0, 0, 2, 0, 0, 0];
    object.extend([8, 0, 0, 0]);
    object.extend_from_slice(b"Package\0");
    object.extend([0; 8]);
    let inner = package("run.js", b"alert(1)");
    object.extend((inner.len() as u32).to_le_bytes());
    object.extend(inner);
    let hex: String = object.iter().map(|byte| format!("{byte:02x}")).collect();
    // Readers skip all of this between the digits.
    let text =
        format!("{{\\rtf1 {{\\object\\objemb{{\\*\\objdata \\par {}\r\n {{\\*\\x}}{}}}}}}}", &hex[..20], &hex[20..]);
    assert_eq!(unpack::kind(text.as_bytes()), Kind::Rtf);
    let unpacked = open(text.as_bytes(), Kind::Rtf);
    assert_eq!(find(&unpacked, Role::Object), [("run.js".into(), &b"alert(1)"[..])]);
    let broken = open(b"{\\rtf1 {\\objdata 0102}}", Kind::Rtf);
    assert_eq!((find(&broken, Role::Object), broken.notes.len()), (vec![(String::new(), &[1, 2][..])], 1));
}

#[test]
fn streams_of_a_pdf() {
    let mut pdf = b"%PDF-1.7\n1 0 obj\n<< /A << /S /URI /URI (http://e.example/\\(x\\)\\057) >> >>\nendobj\n".to_vec();
    let mut add = |said: &str, data: &[u8]| {
        pdf.extend_from_slice(said.as_bytes());
        pdf.extend_from_slice(b"\nstream\r\n");
        pdf.extend_from_slice(data);
        pdf.extend_from_slice(b"\nendstream\nendobj\n");
    };
    let packed = zlib(&hello());
    add(&format!("2 0 obj << /Length {} /Filter /FlateDecode >>", packed.len()), &packed);
    add("3 0 obj << /Length 9 0 R /Filter [ /ASCIIHexDecode /Fl#61teDecode ] >>", hex(&packed).as_bytes());
    add("4 0 obj << /Filter /ASCII85Decode >>", b"87cURD]i,\"Ebo80~>");
    add("5 0 obj << /Filter /RunLengthDecode >>", b"\x02abc\xfex\x80");
    add("6 0 obj << /Filter /LZWDecode >>", b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01");
    add(
        "7 0 obj << /Type /ObjStm /Filter /FlateDecode >>",
        &zlib(b"8 0 << /JS (app.alert\\(1\\)) >> 9 0 << /URI <687474703a2f2f68> >>"),
    );
    add("8 0 obj << /Type /EmbeddedFile >>", b"MZ");
    add("9 0 obj << /Subtype /Image /Filter /DCTDecode >>", b"\xff\xd8\xff");
    assert_eq!(unpack::kind(&pdf), Kind::Pdf);
    let unpacked = open(&pdf, Kind::Pdf);
    assert_eq!(unpacked.notes, []);
    let streams = find(&unpacked, Role::Stream);
    assert_eq!(streams[0], ("2 0".into(), &hello()[..]));
    assert_eq!(streams[1], ("3 0".into(), &hello()[..]));
    assert_eq!(streams[2], ("4 0".into(), &b"Hello World!"[..]));
    assert_eq!(streams[3], ("5 0".into(), &b"abcxxx"[..]));
    assert_eq!(streams[4], ("6 0".into(), &b"-----A---B"[..]));
    assert_eq!(streams[6], ("9 0".into(), &b"\xff\xd8\xff"[..]));
    assert_eq!(find(&unpacked, Role::Object), [("8 0".into(), &b"MZ"[..])]);
    let uris: Vec<&[u8]> = find(&unpacked, Role::Uri).into_iter().map(|(_, uri)| uri).collect();
    assert_eq!(uris, [&b"http://e.example/(x)/"[..], b"http://h"]);
    assert_eq!(find(&unpacked, Role::Script), [(String::new(), &b"app.alert(1)"[..])]);
    assert_eq!(open(b"%PDF-1.4 trailer << /Encrypt 5 0 R >>", Kind::Pdf).notes, [Note::Encrypted]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect::<String>() + ">"
}

#[test]
fn attachments_of_outlook() {
    let mut tnef = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    let mut add = |level: u8, attribute: u32, data: &[u8]| {
        tnef.push(level);
        tnef.extend(attribute.to_le_bytes());
        tnef.extend((data.len() as u32).to_le_bytes());
        tnef.extend_from_slice(data);
        tnef.extend([0, 0]);
    };
    add(1, 0x0002_800c, b"the body");
    for (title, long, data) in [("first.txt", None, &b"one"[..]), ("SECOND~1.TXT", Some("second long.txt"), b"two")] {
        add(2, 0x0006_9002, b"");
        add(2, 0x0001_8010, format!("{title}\0").as_bytes());
        add(2, 0x0006_800f, data);
        if let Some(long) = long {
            let text = format!("{long}\0");
            let mut properties = vec![2, 0, 0, 0, 3, 0, 5, 0x37, 1, 0, 0, 0, 0x1e, 0, 7, 0x37, 1, 0, 0, 0];
            properties.extend((text.len() as u32).to_le_bytes());
            properties.extend_from_slice(text.as_bytes());
            properties.resize(properties.len().next_multiple_of(4), 0);
            add(2, 0x0006_9005, &properties);
        }
    }
    assert_eq!(unpack::kind(&tnef), Kind::Tnef);
    let unpacked = open(&tnef, Kind::Tnef);
    assert_eq!(names(&unpacked), ["body", "first.txt", "second long.txt"]);
    assert_eq!((&unpacked.members[2].bytes[..], &unpacked.notes[..]), (&b"two"[..], &[][..]));
    assert_eq!(open(&tnef[..tnef.len() - 70], Kind::Tnef).notes, [Note::Truncated]);
}

#[test]
fn files_in_onenote() {
    let mut section = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3".to_vec();
    section.extend([0; 100]);
    section.extend_from_slice(b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac");
    section.extend(5u64.to_le_bytes());
    section.extend([0; 12]);
    section.extend_from_slice(b"@echo and more");
    assert_eq!(unpack::kind(&section), Kind::OneNote);
    let unpacked = open(&section, Kind::OneNote);
    assert_eq!((&unpacked.members[0].bytes[..], unpacked.members[0].content), (&b"@echo"[..], Content::Whole));
}

#[test]
fn an_encoded_script() {
    let encoded = b"#@~^HAAAAA==\\ko$K6,JCV^GP6DG:,l~d1DkaOJsgkAAA==^#~@";
    let unpacked = unpack::open(encoded, Kind::ScriptEncoded, &[], &mut Budget::default());
    assert_eq!(unpacked.members[0].bytes, &b"<script>MsgBox \"Hello from a script\"</script>"[..]);
}
