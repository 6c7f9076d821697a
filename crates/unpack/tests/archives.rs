//! Archives as other programs make them, and as attackers do.

mod support;

use std::borrow::Cow;
use support::{Zip, archives, crc, gzip, hello, names, open};
use unpack::{Budget, Content, Kind, Limit, Limits, Note, Role, Unpacked};

/// The two files that most archives hold.
fn second() -> Vec<u8> {
    let all: Vec<u8> = (0..=255).collect();
    all.repeat(2)
}

#[track_caller]
fn holds_both(bytes: &[u8], kind: Kind) {
    assert_eq!(unpack::kind(bytes), kind);
    let unpacked = open(bytes, kind);
    let files: Vec<(Cow<'_, str>, &[u8])> = unpacked
        .members
        .iter()
        .filter(|member| member.content == Content::Whole)
        .map(|member| (String::from_utf8_lossy(&member.name), &member.bytes[..]))
        .collect();
    let (hello, second) = (hello(), second());
    assert_eq!(files.len(), 2, "{:?} {:?}", names(&unpacked), unpacked.notes);
    for (name, content) in [("hello.txt", &hello), ("second.bin", &second)] {
        assert!(files.iter().any(|(file, bytes)| file.ends_with(name) && bytes == content), "{name}");
    }
    assert_eq!(unpacked.notes, []);
}

#[track_caller]
fn holds_hello(bytes: &[u8], kind: Kind) -> Unpacked<'_> {
    assert_eq!(unpack::kind(bytes), kind);
    let unpacked = open(bytes, kind);
    assert_eq!(unpacked.members.len(), 1, "{:?}", unpacked.notes);
    let member = &unpacked.members[0];
    assert_eq!((member.content, &member.bytes[..]), (Content::Whole, &hello()[..]), "{:?}", unpacked.notes);
    assert_eq!((member.position, member.role, member.size), (1, Role::File, 380));
    unpacked
}

#[test]
fn archives_of_other_programs() {
    let archives = archives();
    holds_both(&archives["plain.zip"], Kind::Zip);
    holds_both(&archives["plain.7z"], Kind::SevenZip);
    holds_both(&archives["newc.cpio"], Kind::CpioNewc);
    for name in ["stream.zip", "piped.zip", "bzip2.zip", "lzma.zip"] {
        let unpacked = holds_hello(&archives[name], Kind::Zip);
        assert_eq!(unpacked.notes, [], "{name}");
        assert_eq!(unpacked.members[0].crc32, crc(&hello()));
    }
    for name in ["ppmd.7z", "bzip2.7z"] {
        assert_eq!(holds_hello(&archives[name], Kind::SevenZip).notes, []);
    }
    for (name, kind) in [
        ("plain.gz", Kind::Gzip),
        ("plain.bz2", Kind::Bzip2),
        ("plain.xz", Kind::Xz),
        ("plain.zst", Kind::Zstd),
        ("odc.cpio", Kind::CpioOdc),
        ("stored.cab", Kind::Cab),
        ("stored.arj", Kind::Arj),
    ] {
        assert_eq!(holds_hello(&archives[name], kind).notes, [], "{name}");
    }
    assert_eq!(names(&holds_hello(&archives["named.gz"], Kind::Gzip)), ["hello.txt"]);
    for name in ["ustar.tar.xz", "gnu.tar.xz"] {
        let outer = open(&archives[name], Kind::Xz);
        holds_both(&outer.members[0].bytes, Kind::PosixTar);
    }
    let image = open(&archives["image.iso.xz"], Kind::Xz);
    holds_both(&image.members[0].bytes, Kind::Iso9660);
    holds_both(&archives["mszip.cab"], Kind::Cab);
}

#[test]
fn what_is_not_unpacked_is_named() {
    let archives = archives();
    let unpacked = open(&archives["deflate64.zip"], Kind::Zip);
    assert_eq!(names(&unpacked), ["hello.txt"]);
    assert_eq!(unpacked.members[0].content, Content::None);
    assert_eq!(unpacked.notes, [Note::Unsupported("zip method Deflate64")]);
    let unpacked = open(&archives["locked.arj"], Kind::Arj);
    assert_eq!((names(&unpacked), unpacked.members[0].encrypted), (vec!["hello.txt".to_owned()], true));
    assert_eq!(unpacked.notes, [Note::Encrypted]);
}

#[test]
fn passwords_are_tried() {
    let archives = archives();
    for (name, kind) in [
        ("classic.zip", Kind::Zip),
        ("aes.zip", Kind::Zip),
        ("locked.7z", Kind::SevenZip),
        ("hidden.7z", Kind::SevenZip),
    ] {
        let unpacked = holds_hello(&archives[name], kind);
        assert_eq!(unpacked.notes, [Note::Decrypted], "{name}");
        assert!(unpacked.members[0].encrypted, "{name}");
        let without = unpack::open(&archives[name], kind, &[b"wrong".to_vec()], &mut Default::default());
        assert_eq!(without.notes, [Note::Encrypted], "{name}");
        let expected: &[&str] = if name == "hidden.7z" { &[] } else { &["hello.txt"] };
        assert_eq!(names(&without), expected);
        assert!(without.members.iter().all(|member| member.encrypted && member.content == Content::None));
    }
}

#[test]
fn zip_members_that_the_directory_does_not_mention() {
    let mut zip = Zip::default();
    zip.stored("seen", b"one");
    let central = std::mem::take(&mut zip.central);
    zip.stored("hidden", b"two");
    (zip.central, zip.count) = (central, 1);
    let zip = zip.done();
    let unpacked = open(&zip, Kind::Zip);
    assert_eq!(names(&unpacked), ["seen", "hidden"]);
    assert_eq!(unpacked.members[1].bytes, &b"two"[..]);
}

#[test]
fn a_zip_without_its_directory() {
    let archives = archives();
    let whole = &archives["plain.zip"];
    let end = memchr::memmem::find(whole, b"PK\x01\x02").unwrap();
    let unpacked = open(&whole[..end], Kind::Zip);
    assert_eq!(names(&unpacked), ["hello.txt", "sub/second.bin"]);
    assert_eq!(unpacked.members[0].bytes, hello());
    assert_eq!(unpacked.notes, [Note::Broken("central directory")]);
    // Sizes behind the data.
    let piped = &archives["piped.zip"];
    let end = memchr::memmem::find(piped, b"PK\x01\x02").unwrap();
    let unpacked = open(&piped[..end], Kind::Zip);
    assert_eq!((&unpacked.members[0].bytes[..], unpacked.members[0].size), (&hello()[..], 380));
}

#[test]
fn a_zip_behind_something_else() {
    let mut zip = b"MZ some program".repeat(10);
    zip.extend_from_slice(&archives()["plain.zip"]);
    let unpacked = open(&zip, Kind::Zip);
    assert_eq!(names(&unpacked), ["hello.txt", "sub/second.bin"]);
    assert_eq!(unpacked.members[1].bytes, second());
}

#[test]
fn lies_are_noted() {
    let mut zip = Zip::default();
    zip.member("wrong", 0, b"data", 4, 1234);
    let zip = zip.done();
    assert_eq!(open(&zip, Kind::Zip).notes, [Note::Checksum]);

    let mut zip = Zip::default();
    let offset = zip.stored("harmless.txt", b"data");
    let mut zip = zip.done();
    zip[offset + 30..offset + 42].copy_from_slice(b"harmful_.exe");
    assert_eq!(open(&zip, Kind::Zip).notes, [Note::Broken("names in local and central header differ")]);

    for (name, whole) in archives() {
        let kind = unpack::kind(&whole);
        for cut in [whole.len() / 3, whole.len() / 2, whole.len() - 9] {
            open(&whole[..cut], kind);
        }
        let mut broken = whole.clone();
        for place in (20..broken.len()).step_by(7) {
            broken[place] ^= 0x55;
        }
        open(&broken, kind);
        assert!(!name.is_empty());
    }
}

/// The checksum in GNU's binary notation, which leaves no room for a sign of it: found by fuzzing.
#[test]
fn a_tar_header_with_a_binary_checksum() {
    let mut header = vec![b'x'; 512];
    header[124..136].copy_from_slice(b"00000000000\0");
    header[148] = 0x80;
    let unpacked = open(&header, Kind::PosixTar);
    assert_eq!((unpacked.members.len(), unpacked.notes), (0, vec![Note::Broken("tar header")]));
}

/// RAR 4: marker, archive header, files.
fn rar4(flags: u16, method: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut rar = b"Rar!\x1a\x07\x00".to_vec();
    rar.extend([0, 0, 0x73, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0]);
    let mut header = vec![0, 0, 0x74];
    header.extend((flags | 0x8000).to_le_bytes());
    header.extend((32 + name.len() as u16).to_le_bytes());
    header.extend((data.len() as u32).to_le_bytes());
    header.extend((data.len() as u32).to_le_bytes());
    header.push(2);
    header.extend(crc(data).to_le_bytes());
    header.extend([0, 0, 0, 0, 29, method]);
    header.extend((name.len() as u16).to_le_bytes());
    header.extend([0; 4]);
    header.extend_from_slice(name);
    [rar, header, data.to_vec()].concat()
}

/// RAR 5: signature, archive header, one file.
fn rar5(extra: &[u8], compression: &[u8], name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut rar = b"Rar!\x1a\x07\x01\x00".to_vec();
    let mut block = |body: Vec<u8>, data: &[u8]| {
        rar.extend([0; 4]);
        rar.push(body.len() as u8);
        rar.extend(body);
        rar.extend_from_slice(data);
    };
    block(vec![1, 0, 0], b"");
    let mut body = vec![2, if extra.is_empty() { 2 } else { 3 }];
    if !extra.is_empty() {
        body.push(extra.len() as u8);
    }
    body.push(data.len() as u8);
    body.extend([4, data.len() as u8, 0]);
    body.extend(crc(data).to_le_bytes());
    body.extend_from_slice(compression);
    body.extend([1, name.len() as u8]);
    body.extend_from_slice(name);
    body.extend_from_slice(extra);
    block(body, data);
    block(vec![5, 0, 0], b"");
    rar
}

#[test]
fn rar_archives() {
    for rar in [rar4(0, 0x30, b"a.txt", b"stored"), rar5(b"", &[0], b"a.txt", b"stored")] {
        assert_eq!(unpack::kind(&rar), Kind::Rar);
        let unpacked = open(&rar, Kind::Rar);
        assert_eq!((names(&unpacked), &unpacked.notes[..]), (vec!["a.txt".to_owned()], &[][..]));
        let member = &unpacked.members[0];
        assert_eq!((&member.bytes[..], member.crc32, member.size), (&b"stored"[..], crc(b"stored"), 6));
    }
    // Method 3: compressed.
    for rar in [rar4(0, 0x33, b"a.txt", b"packed"), rar5(b"", &[0x80, 1], b"a.txt", b"packed")] {
        let unpacked = open(&rar, Kind::Rar);
        assert_eq!(unpacked.notes, [Note::Unsupported("RAR compression")]);
        assert_eq!((names(&unpacked), unpacked.members[0].packed), (vec!["a.txt".to_owned()], 6));
    }
    for rar in [rar4(4, 0x33, b"a.exe", b"locked"), rar5(&[3, 1, 0, 0], &[0x80, 1], b"a.exe", b"locked")] {
        let unpacked = open(&rar, Kind::Rar);
        assert_eq!((unpacked.notes, unpacked.members[0].encrypted), (vec![Note::Encrypted], true));
    }
    // A name with what makes it UTF-16: two units as they are, the rest copied.
    let name = b"?? x.txt\0\x00\xac\xe5\x65\x2c\x67\x04";
    let rar = rar4(0x200, 0x30, name, b"");
    assert_eq!(names(&open(&rar, Kind::Rar)), ["日本 x.txt"]);
}

#[test]
fn several_gzip_files_and_junk_behind() {
    let mut bytes = gzip(b"one ");
    bytes.extend(gzip(b"two"));
    bytes.extend_from_slice(b"\0\0junk");
    let unpacked = open(&bytes, Kind::Gzip);
    assert_eq!((&unpacked.members[0].bytes[..], &unpacked.notes[..]), (&b"one two"[..], &[][..]));
}

#[test]
fn text_that_carries_files() {
    let text = b"Hi,\r\n\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nand\r\n=ybegin line=128 size=3 name=dog.txt\r\n\x8e\x99\x91\r\n=yend size=3\r\n";
    let unpacked = open(text, Kind::Uuencoded);
    assert_eq!(names(&unpacked), ["cat.txt", "dog.txt"]);
    assert_eq!((&unpacked.members[0].bytes[..], &unpacked.members[1].bytes[..]), (&b"Cat"[..], &b"dog"[..]));
    let cut = open(b"begin 600 x\n#0V%T\n", Kind::Uuencoded);
    assert_eq!((&cut.members[0].bytes[..], cut.members[0].content), (&b"Cat"[..], Content::Part));
    assert_eq!(cut.notes, [Note::Truncated]);
}

/// LZMA2's first chunk names properties that there are not.
#[test]
fn a_broken_block_is_left_and_the_next_is_read() {
    let archives = archives();
    for (name, second_content) in [("plain.7z", &[][..]), ("apart.7z", &second()[..])] {
        let mut archive = archives[name].clone();
        holds_both(&archive, Kind::SevenZip);
        assert_eq!((archive[32], archive[37]), (0xe0, 0x5d), "{name}");
        archive[37] = 0xfd;
        let unpacked = open(&archive, Kind::SevenZip);
        let [first, second, ..] = &unpacked.members[..] else { unreachable!() };
        assert_eq!((&first.name[..], second.name.ends_with(b"second.bin")), (&b"hello.txt"[..], true), "{name}");
        assert_eq!((&first.bytes[..], first.content), (&[][..], Content::Part), "{name}");
        assert_eq!(&second.bytes[..], second_content, "{name}");
        assert_eq!(unpacked.notes, [Note::Broken("compressed data")], "{name}");
    }
}

/// The cipher of `locked.7z` asks for half a million rounds of hashing for each password.
#[test]
fn rounds_of_hashing_are_steps() {
    let archives = archives();
    let archive = &archives["locked.7z"];
    let passwords = vec![b"wrong".to_vec(); 50];
    let mut budget = Budget::new(Limits { steps: 1_000_000, ..Limits::default() });
    let unpacked = unpack::open(archive, Kind::SevenZip, &passwords, &mut budget);
    assert!(unpacked.notes.contains(&Note::Limit(Limit::Steps)), "{:?}", unpacked.notes);
}

#[test]
fn a_dictionary_of_gigabytes_is_not_made() {
    let archives = archives();
    // The header's own method, a method named in a header that is not packed, LZMA2 behind a cipher.
    let large = Note::Unsupported("a dictionary larger than is allowed");
    for (name, method, size, note) in [
        ("plain.7z", &[0x23, 3, 1, 1, 5, 0x5d][..], &[0, 0, 0, 0x40][..], &large),
        ("ppmd.7z", &[0x23, 3, 4, 1, 5, 6], &[0, 0, 0, 0xf0], &large),
        ("locked.7z", &[0x21, 0x21, 1], &[40], &Note::Encrypted),
    ] {
        let mut archive = archives[name].clone();
        let found = archive.windows(method.len()).rposition(|bytes| bytes == method).expect(name) + method.len();
        archive[found..found + size.len()].copy_from_slice(size);
        let header = archive.len() - usize::from(archive[20]);
        let sum = crc(&archive[header..]).to_le_bytes();
        archive[28..32].copy_from_slice(&sum);
        let sum = crc(&archive[12..32]).to_le_bytes();
        archive[8..12].copy_from_slice(&sum);
        let unpacked = open(&archive, Kind::SevenZip);
        assert_eq!(unpacked.notes, std::slice::from_ref(note), "{name}");
        assert!(unpacked.members.iter().all(|member| member.content == Content::None), "{name}");
    }
}
