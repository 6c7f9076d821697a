//! What one buffer hits: written cases, and recorded ones with clamscan's answers (`vectors.txt`).

use super::*;
use rules::signatures::{Options, Source, load};

fn set(files: &[(&str, &str)]) -> Set {
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, text)| Source { name: (*name).into(), bytes: text.as_bytes().into(), official: false })
        .collect();
    let (set, diagnostics) = load(&sources, &Options::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    set
}

fn kind(name: &str) -> FileType {
    FileType::from_name(name).expect(name)
}

fn names(set: &Set, layer: &Layer<'_>) -> Vec<String> {
    let mut names = Vec::new();
    super::layer(set, layer, &mut Scratch::new(), &mut |found| names.push(found.name.to_owned()));
    names.sort();
    names
}

/// Signature and text, and whether ClamAV says that it lies there.
#[test]
fn logical_signatures_hit_where_they_should() {
    let hits = |sub: &str, text: &str| {
        let set = set(&[("x.ldb", &format!("L;Engine:81-255,Target:0;{sub}\n"))]);
        !names(&set, &Layer::of(text.as_bytes(), Target::Any)).is_empty()
    };
    assert!(hits("0=0;6162", "xyz") && !hits("0=0;6162", "ab"));
    assert!(hits("0>1;6162", "abab") && !hits("0>1;6162", "ab"));
    assert!(hits("0=2;6162*6364", "ab cd cd") && !hits("0=2;6162*6364", "ab cd"));
    assert!(hits("0;6162::i", "xAb") && !hits("0;6162", "xAb"));
    assert!(hits("0;6162::w", "xa\0b\0") && hits("0;6162::wa", "xab") && !hits("0;6162::w", "xab"));
    assert!(hits("0;6162::f", "-ab-") && !hits("0;6162::f", "xab-"));
    assert!(hits("0&1;6162;0/c.d/", "ab cxd") && !hits("0&1;6162;0/c.d/", "cxd"));
    assert!(hits("0&1;6162;0/C.D/i", "ab cxd") && !hits("0&1;6162;3:0/x/", "abcyx"));
    assert!(hits("0&1;6162;3:0/x/", "abcxx") && hits("0&1;6162;2:0/x/r", "abcyx"));
    assert!(hits("0&1;6162;2,2:0/x/", "abcyx") && !hits("0&1;6162;2,1:0/x/", "abcyx"));
    assert!(hits("0&1>2;6162;0/x/g", "abxxx") && !hits("0&1>2;6162;0/x/", "abxxx"));
    assert!(hits("0&1;6162;0(>>2#il2#=513)", "xxab\x01\x02") && !hits("0&1;6162;0(>>2#ib2#=513)", "xxab\x01\x02"));
    assert!(
        hits("0&1;6162;0(>>2#hb4#>0x10,<0x20)", "xxab0012") && !hits("0&1;6162;0(>>2#hb4#>0x10,<0x12)", "xxab0012")
    );
    assert!(hits("0&1;6162;0(>>2#db2#=12)", "xxab12") && hits("0&1;6162;0(>>2#ab4#=18)", "xxab0x12"));
    assert!(!hits("0&1;6162;0(>>9#il2#=513)", "xxab\x01\x02") && !hits("0&1;6162;0(<<3#ib1#>0)", "xxab"));
    assert!(hits("0&1;6162;0(<<1#ib1#=0x78)", "xxab"));
}

#[test]
fn an_expression_that_never_ends_is_given_up() {
    let set = set(&[("x.ldb", "L;Target:0;0&1;6162;0/(x+x+)+y\\1z/\n")]);
    let text = format!("ab{}", "x".repeat(5000));
    let outcome = super::layer(&set, &Layer::of(text.as_bytes(), Target::Any), &mut Scratch::new(), &mut |_| {});
    assert_eq!(outcome.gave_up, 1);
}

#[test]
fn macros_follow_at_the_right_distance() {
    let set = set(&[("x.ndb", "M:0:$5$:7171\n"), ("x.ldb", "L;Target:0;0&1;6162;${3-6}5$\n")]);
    let hits = |text: &str| !names(&set, &Layer::of(text.as_bytes(), Target::Any)).is_empty();
    assert!(hits("ab--qq") && !hits("ab------qq") && !hits("abqq") && !hits("qq"));
}

#[test]
fn conditions_look_at_size_and_surroundings() {
    let set = set(&[(
        "x.ldb",
        "Size;Target:0,FileSize:4-6;0;6162\n\
         Zip;Target:0,Container:CL_TYPE_ZIP;0;6162\n\
         Deep;Target:0,Intermediates:CL_TYPE_MAIL>CL_TYPE_ZIP;0;6162\n\
         Html;Target:3;0;6162\n\
         Handle;Target:0,HandlerType:CL_TYPE_MAIL;0;6162\n\
         Icon;Target:0,IconGroup1:X;0;6162\n",
    )]);
    let (mail, zip) = (kind("CL_TYPE_MAIL"), kind("CL_TYPE_ZIP"));
    let with =
        |chain: &[FileType], size: u64, target| names(&set, &Layer { chain, size, ..Layer::of(b"xxab", target) });
    assert_eq!(with(&[], 4, Target::Any), ["Size"]);
    assert_eq!(with(&[], 7, Target::Html), ["Html"]);
    assert_eq!(with(&[zip], 7, Target::Any), ["Zip"]);
    assert_eq!(with(&[mail, zip], 7, Target::Any), ["Deep", "Zip"]);
    assert_eq!(with(&[zip, mail], 7, Target::Any), [""; 0]);
    let outcome = super::layer(&set, &Layer::of(b"xxab", Target::Any), &mut Scratch::new(), &mut |_| {});
    assert_eq!(outcome.handle_as, Some(mail));
}

#[test]
fn digests_hit_and_allow() {
    let set = set(&[
        ("x.hdb", "900150983cd24fb0d6963f7d28e17f72:3:Md5\n"),
        (
            "x.hsb",
            "a9993e364706816aba3e25717850c26c9cd0d89d:3:Sha1\n\
                   ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:*:Sha256:73\n",
        ),
        ("x.fp", "ab56b4d92b40713acc5af89985d4b786:5:Fine\n"),
    ]);
    assert_eq!(names(&set, &Layer::of(b"abc", Target::Any)), ["Md5", "Sha1", "Sha256"]);
    assert_eq!(names(&set, &Layer { hashes: false, ..Layer::of(b"abc", Target::Any) }), [""; 0]);
    let outcome = super::layer(&set, &Layer::of(b"abcde", Target::Any), &mut Scratch::new(), &mut |_| {});
    assert_eq!(outcome.allowed, Some("Fine"));
}

#[test]
fn members_are_known_by_name_and_size() {
    let set = set(&[(
        "x.cdb",
        "Exe:CL_TYPE_ZIP:*:(?i)\\.exe$:*:*:*:*:*:*\nSmall:*:*:*:-10:*:*:1:*:*\nLocked:CL_TYPE_RAR:*:.:*:*:1:*:*:*\n",
    )]);
    let names = |container: &str, name: &str, packed, position, encrypted| {
        let member = Member {
            container: kind(container),
            container_size: 1000,
            name: name.as_bytes(),
            packed,
            size: 100,
            encrypted,
            position,
            crc32: 0,
        };
        let mut names = Vec::new();
        super::member(&set, &member, &mut |found| names.push(found.name.to_owned()));
        names
    };
    assert_eq!(names("CL_TYPE_ZIP", "a.EXE", 50, 1, false), ["Exe"]);
    assert_eq!(names("CL_TYPE_RAR", "a.exe", 50, 1, false), [""; 0]);
    assert_eq!(names("CL_TYPE_RAR", "a.exe", 10, 1, true), ["Small", "Locked"]);
    assert_eq!(names("CL_TYPE_RAR", "a.exe", 10, 2, false), [""; 0]);
}

#[test]
fn places_are_told() {
    let set = set(&[("x.ndb", "A:4:*:6162636465666768696a6b6c6d*7878\n"), ("x.ldb", "L;Target:4;0&1;7878;6b6c\n")]);
    let mut places = Vec::new();
    let layer = Layer::of(b"--abcdefghijklm-xx", Target::Mail);
    super::layer(&set, &layer, &mut Scratch::new(), &mut |found| places.push((found.name.to_owned(), found.place)));
    assert_eq!(places, [("A".to_owned(), 2..18), ("L".to_owned(), 12..14)]);
}

/// Signatures that a program invented, and what clamscan said of them.
#[test]
fn invented_signatures_hit_what_clamav_hits() {
    let mut files: Vec<Vec<u8>> = Vec::new();
    let (mut hits, mut refused) = (0, 0);
    for line in include_str!("vectors.txt").lines().filter(|line| !line.starts_with('#')) {
        let (what, rest) = line.split_once(' ').expect("two fields");
        if what == "file" {
            let digit = |b: u8| (b as char).to_digit(16).expect("hexadecimal") as u8;
            files.push(rest.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect());
            continue;
        }
        let name = if rest.starts_with('N') { "x.ndb" } else { "x.ldb" };
        let source = Source { name: name.into(), bytes: rest.as_bytes().into(), official: false };
        let (set, diagnostics) = load(&[source], &Options::default());
        assert_eq!(diagnostics.len(), usize::from(what == "refused"), "{rest}: {diagnostics:?}");
        if what == "refused" {
            refused += 1;
            continue;
        }
        let hit = |file: &&Vec<u8>| !names(&set, &Layer::of(file, Target::Any)).is_empty();
        let numbers = files.iter().enumerate().filter(|(_, file)| hit(file)).map(|(number, _)| number.to_string());
        let numbers = numbers.collect::<Vec<_>>().join(",");
        let expected = if what == "-" { "" } else { what };
        assert_eq!(numbers, expected, "{rest}");
        hits += numbers.split(',').filter(|number| !number.is_empty()).count();
    }
    assert!(files.len() == 8 && hits > 60 && refused > 3);
}
