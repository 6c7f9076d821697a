//! What is read of each format, and what is said of lines that are broken.

use super::*;

fn file(name: &str, text: &str) -> Source<'static> {
    Source { name: name.to_owned().into(), bytes: text.as_bytes().to_vec().into(), official: false }
}

fn read(name: &str, text: &str) -> (Set, Vec<Diagnostic>) {
    load(&[file(name, text)], &Options::default())
}

#[test]
fn formats_are_sorted() {
    assert!(FORMATS.is_sorted_by_key(|format| format.ending));
    assert!(format("/var/lib/clamav/Main.NDB").is_some() && format("notes.txt").is_none() && format("ndb").is_none());
}

#[test]
fn one_bad_line_leaves_the_others_in_force() {
    let text = "A:0:*:616263\nB:0:*:61\n# comment\n\nC:4:*:6162\r\nD:99:*:616263\nE:0:*:616263:300\n:0:*:616263\n";
    let (set, diagnostics) = read("x.ndb", text);
    assert_eq!((set.len(), set.statistics.skipped["ndb"]), (2, 2));
    let lines: Vec<u32> = diagnostics.iter().map(|found| found.line).collect();
    assert_eq!(lines, [2, 8]);
    assert_eq!(diagnostics[0].code, "SK0801");
    assert_eq!(diagnostics[0].excerpt, "B:0:*:61");
    let ids: Vec<&str> = ["A", "C"].iter().map(|name| set.name(set.find(name)[0])).collect();
    assert_eq!(ids, ["A", "C"]);
    assert_eq!(set.place(set.find("C.UNOFFICIAL")[0]), ("x.ndb", 5, false));
}

#[test]
fn what_clamav_refuses_is_refused() {
    let refused = |name: &str, line: &str| {
        let (set, diagnostics) = read(name, line);
        assert!(set.is_empty() && diagnostics.len() == 1, "{line}");
    };
    for line in [
        "N:0:*:6364",
        "N:0:EOF-27:6262",
        "N:0:*",
        "N:x:*:616263",
        "N:0:EP+0:616263",
        "N:0:*:616263:a",
        "N:0:?:616263",
        "N:0:*:616263:1:2:3",
    ] {
        refused("x.ndb", line);
    }
    for line in [
        "L;Target:0;0",
        "L;Target:0;1;6162",
        "L;Target:0;0;6162;6263",
        "L;Engine:81-255;0;6162",
        "L;Target:0;0;6162::x",
        "L;Target:0;0&1;6162;0/a(/",
        "L;Target:0;0&1;6162;1/a/",
        "L;Target:0;0&1;6162;/a/",
        "L;Target:0;0&1;6162;0/a/z",
        "L;Target:0;0;61!(62|63)6465::i",
        "L;Target:0;0&1;6162;${1-2}40$",
        "L;Target:0;0;${1-2}4$",
        "L;Target:0;0&1;6162;0(>>1#i3#=1)",
        "L;Target:0;0&1;6162;0(>>1#hd1#=1)",
        "L;Target:0;0;fuzzy_img#12",
    ] {
        refused("x.ldb", line);
    }
    for line in ["aa:1:N", "d41d8cd98f00b204e9800998ecf8427e:*:N", "d41d8cd98f00b204e9800998ecf8427e:x:N"] {
        refused("x.hdb", line);
    }
    refused("x.cdb", "N:CL_TYPE_ZIP:*:a(:*:*:*:*:*:*");
    refused("x.cdb", "N:CL_TYPE_ZIP:*");
    refused("x.pdb", "Q:x");
    refused("x.wdb", "X:onlyone");
    refused("x.wdb", r"X:.+\.(a|b:.+\.c");
    refused("x.wdb", "Y:a{2");
    refused("x.pdb", "R:[a");
    refused("x.gdb", "S:P:12");
    refused("x.ftm", "0:0:zz:n:CL_TYPE_ANY:CL_TYPE_MAIL");
    refused("x.ftm", "1:*:3c5a(5a5a|595959)3e:n:CL_TYPE_ANY:CL_TYPE_MAIL");
    refused("x.ftm", "1:EOF:46726f6d:n:CL_TYPE_ANY:CL_TYPE_MAIL");
    refused("x.pwdb", "n;;2;x");
}

#[test]
fn every_format_is_read() {
    let loaded = |name: &str, line: &str| {
        let (set, diagnostics) = read(name, line);
        assert!(set.len() == 1 && diagnostics.is_empty(), "{line}: {diagnostics:?}");
        set
    };
    loaded("x.db", "Name=6162636465");
    loaded(
        "x.ldb",
        "L;Engine:51-255,Target:4,FileSize:1-20,Container:CL_TYPE_ZIP,Intermediates:CL_TYPE_MAIL>CL_TYPE_ANY;(0&1)>1,2;EOF-20,3:6162::wa;0/a;b:c/gi",
    );
    loaded("x.ldb", "L;Target:0;0&1&2;6162;0(>>4#il2#>10,<0x20);${1-20}3$");
    loaded("x.ndb", "M:0:$3$:6162");
    loaded("x.hsb", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:*:N:73");
    loaded("x.fp", "d41d8cd98f00b204e9800998ecf8427e:12:N");
    loaded("x.cdb", r"N:CL_TYPE_ZIP:10-20:(?i)\.exe$:*:-4:0:1-:*:*:30");
    let set = loaded("x.pdb", r"R:.+\.paypal\.(com|de)([/?].*)?:17-");
    assert_eq!(set.phishing.protected[0].fields, [r".+\.paypal\.(com|de)([/?].*)?"]);
    let set = loaded("x.wdb", "M:www.a.example:b.example");
    assert_eq!(set.phishing.allowed[0].fields, ["www.a.example", "b.example"]);
    loaded("x.gdb", "S1:P:01020304:20-");
    let set = loaded("x.ftm", "0:0:46726f6d20:Mail:CL_TYPE_ANY:CL_TYPE_MAIL");
    assert_eq!(set.magics[0].bytes.as_deref(), Some(&b"From "[..]));
    for offset in ["*", "0,1024", "8,12", "EOF-512"] {
        loaded("x.ftm", &format!("1:{offset}:0a46726f6d3a20:Mail:CL_TYPE_ANY:CL_TYPE_MAIL"));
    }
    loaded("x.ftm", "1:0:89504e47:PNG:CL_TYPE_ANY:CL_TYPE_GRAPHICS::255");
    let set = loaded("x.pwdb", "n;Engine:81-255,Container:CL_TYPE_ZIP;1;616263");
    assert_eq!(set.passwords[0].password, b"abc");
}

#[test]
fn formats_for_executables_are_counted() {
    let (set, diagnostics) = read("x.mdb", "1:aa:N\n2:bb:M\n");
    assert!(set.is_empty() && diagnostics.is_empty());
    assert_eq!(set.statistics.not_for_mail["mdb"], 2);
    let (set, diagnostics) = read("x.ndu", "A:0:*:616263\n");
    assert!(set.is_empty() && diagnostics.is_empty() && set.statistics.skipped["ndu"] == 1);
    for (name, code) in [("x.ioc", "SK0803"), ("x.yara", "SK0806"), ("x.txt", "SK0802"), ("x.cvd", "SK0805")] {
        assert_eq!(read(name, "something").1[0].code, code, "{name}");
    }
    assert_eq!(read("x.ndb", "\n").1[0].code, "SK0804");
}

#[test]
fn ignored_names_are_not_in_force() {
    let sigs = file("x.ndb", "A:0:*:616263\nB:0:*:626364\nC:0:*:626365\n");
    // The digest of B's line is wrong here, that of C's is right.
    let ignored = file("x.ign2", "A\nB:00000000000000000000000000000000\nC:e795e0b32c865f58a7ef585f55c20e38\n");
    let (set, diagnostics) = load(&[sigs, ignored], &Options::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let known: Vec<bool> = ["A", "B", "C"].iter().map(|name| !set.find(name).is_empty()).collect();
    assert_eq!(known, [false, true, false]);
}

#[test]
fn a_set_survives_its_cache() {
    let (set, _) = load(
        &[
            file("x.ndb", "A:0:*:616263\nB:4:0:6162??63{2-5}6465\n"),
            file("x.ldb", "L;Target:0;0&1;6162;0/x+/i\nAlways;Target:3;0=0;6162\n"),
            file("x.cdb", r"N:*:*:\.exe$:*:*:*:*:*:*"),
        ],
        &Options::default(),
    );
    let stored = postcard::to_stdvec(&set).expect("serialises");
    let read: Set = postcard::from_bytes(&stored).expect("reads");
    assert!(read.is_sound());
    assert_eq!(postcard::to_stdvec(&read).expect("serialises"), stored);
    assert_eq!(read.always(Target::Html), [1]);
    assert_eq!(read.owner(patterns::PatternId(0)), Owner::Signature(SignatureId(0)));
    assert_eq!(read.owner(patterns::PatternId(2)), Owner::Sub(0, 0));
}

/// A container as ClamAV's `sigtool` makes it, unsigned.
fn container(members: &[(&str, &str)], compress: bool) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, text) in members {
        let mut head = [0u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        head[148..156].fill(b' ');
        head[156] = b'0';
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&head);
        tar.extend_from_slice(text.as_bytes());
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut bytes = b"ClamAV-VDB:10 Jul 2025 12-00 +0000:7:2:90:x:x:somebody:1752148800".to_vec();
    bytes.resize(512, b' ');
    if compress {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(bytes, flate2::Compression::default());
        encoder.write_all(&tar).expect("writes to memory");
        return encoder.finish().expect("writes to memory");
    }
    bytes.extend_from_slice(&tar);
    bytes
}

#[test]
fn containers_are_opened() {
    for compress in [false, true] {
        let bytes = container(&[("daily.ndb", "A:0:*:616263\n"), ("daily.info", "x"), ("COPYING", "y")], compress);
        assert_eq!(
            unpack::published::Header::parse(&bytes).map(|header| (header.version, header.built)),
            Ok((7, Some(1_752_148_800)))
        );
        let source = Source { name: "daily.cld".into(), bytes: bytes.clone().into(), official: true };
        let (set, diagnostics) = load(&[source], &Options::default());
        assert!(set.len() == 1 && diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(set.place(SignatureId(0)), ("daily.cld/daily.ndb", 1, true));
        assert_eq!(container::members(&bytes, 700), Err(unpack::published::Fault::MoreBytes { limit: 700 }));
        for cut in [0, 511, 512, 600] {
            assert!(container::members(&bytes[..cut], 1 << 20).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_file_of_nonsense_is_told_briefly() {
    let text = "nonsense\n".repeat(5000);
    let (set, diagnostics) = read("x.ndb", &text);
    assert!(set.is_empty());
    assert_eq!(diagnostics.len(), 201);
    assert!(diagnostics[200].message.contains("4800 more"), "{}", diagnostics[200].message);
}

#[test]
fn yara_rules_are_taken_and_refused_one_by_one() {
    let strings = |number: usize| (0..number).map(|n| format!("$s{n} = \"needle{n}\" ")).collect::<String>();
    let refused = |rule: &str| {
        let text = format!(
            "rule before {{ strings: $a = \"hello\" condition: $a }}\n{rule}\nrule after {{ strings: $a = \"hello\" condition: $a and before }}\n"
        );
        let (set, diagnostics) = read("x.yar", &text);
        assert_eq!(set.statistics.loaded["yar"], 2, "{rule}: {diagnostics:?}");
        assert_eq!(diagnostics.len(), 1, "{rule}: {diagnostics:?}");
        assert!(set.is_sound() && diagnostics[0].line >= 2, "{rule}");
        diagnostics[0].message.clone()
    };
    for (rule, told) in [
        ("rule x { strings $a = \"hello\" condition: $a }", "syntax"),
        ("rule x { strings: $a = \"hello\" condition: $a and }", "syntax"),
        ("rule x { strings: $a = \"hello\" $b = \"world\" condition: $a }", "does not name $b"),
        ("rule x { strings: $a = \"hello\" condition: $b }", "no string $b"),
        ("rule x { strings: $a = \"h\" condition: $a }", "two known bytes"),
        ("rule x { strings: $a = { 68 65 [2-4] 20 } condition: $a }", "two known bytes"),
        ("rule x { strings: $a = \"hello\" xor condition: $a }", "xor"),
        ("rule x { strings: $a = /hel+o/ wide condition: $a }", "wide"),
        ("rule x { strings: $a = \"hello\" condition: $a and pe.is_dll() }", "pe is no earlier rule"),
        ("rule x { strings: $a = \"hello\" condition: $a and after }", "after is no earlier rule"),
        ("rule x { strings: $a = \"hello\" condition: $a and \"ab\" contains \"a\" }", "texts"),
        ("rule x { condition: true }", "without strings"),
        ("include \"other.yar\"", "not included"),
        ("nonsense", "expected a rule"),
    ] {
        let message = refused(rule);
        assert!(message.contains(told), "{rule}: {message}");
    }
    let many = refused(&format!("rule x {{ strings: {}condition: any of them }}", strings(65)));
    assert!(many.contains("more than 64"), "{many}");
    let (set, diagnostics) = read("x.yar", &format!("rule x {{ strings: {}condition: any of them }}", strings(64)));
    assert!(diagnostics.is_empty() && set.statistics.loaded["yar"] == 1);
    let deep: String =
        (1..60).map(|n| format!("rule r{n} {{ strings: $a = \"hello\" condition: $a and r{} }}\n", n - 1)).collect();
    let (_, diagnostics) = read("x.yar", &format!("rule r0 {{ strings: $a = \"hello\" condition: $a }}\n{deep}"));
    assert!(diagnostics[0].message.contains("32 deep"), "{diagnostics:?}");
}

#[test]
fn yara_rules_are_tried_only_where_they_could_hit() {
    let always = |rule: &str| {
        let (set, diagnostics) = read("x.yar", rule);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        !set.always(Target::Any).is_empty()
    };
    assert!(!always("rule x { strings: $a = \"hello\" condition: $a and filesize < 10 }"));
    assert!(!always("rule x { strings: $a = \"hello\" $b = \"abc\" condition: uint16(0) == 1 and 1 of them }"));
    assert!(!always("rule x { strings: $a = /h[ae]llo wor/ condition: $a }"));
    assert!(!always("rule x { strings: $a = \"hello\" condition: for all i in (1..#a) : ( @a[i] < 9 ) }"));
    assert!(always("rule x { strings: $a = /h[ae]l/ condition: $a }"));
    assert!(always("rule x { strings: $a = \"hello\" condition: not $a }"));
    assert!(always("rule x { strings: $a = \"hello\" condition: $a or filesize < 10 }"));
}

#[test]
fn hashes_of_pictures_are_counted_and_said_to_be_so() {
    let (set, diagnostics) = read(
        "x.ldb",
        "A;Engine:150-255,Target:5;0;fuzzy_img#af2ad01ed42993c7\nB;Engine:150-255,Target:5;0;fuzzy_img#af2ad01ed42993c8#0\n",
    );
    assert_eq!((set.len(), diagnostics.len()), (2, 1));
    assert!(diagnostics[0].code == "SK0807" && diagnostics[0].message.starts_with("2 "), "{diagnostics:?}");
    assert!(set.always(Target::Graphics).is_empty());
}

#[test]
fn a_set_lies_in_its_cache_and_goes_with_it() {
    let files = [
        file("a.ndb", "A:0:*:6162636465\nB:4:0:6162??6364\n"),
        file("a.hdb", "900150983cd24fb0d6963f7d28e17f72:3:C\n"),
    ];
    let (made, _) = load(&files, &Options::default());
    let cache = std::sync::Arc::new(postcard::to_stdvec(&made).expect("can be written"));
    let read: Set = in_place(&cache, 0, |bytes| postcard::from_bytes(bytes)).expect("can be read");
    assert!(read.is_sound());
    for (number, name) in ["A", "B", "C"].into_iter().enumerate() {
        let id = SignatureId(number as u32);
        assert_eq!((read.name(id), read.find(name)), (name, vec![id]));
    }
    assert_eq!(read.place(SignatureId(2)), ("a.hdb", 1, false));
    assert_eq!(postcard::to_stdvec(&read).expect("can be written"), *cache);
    // Whoever still uses the old set while a new one is in force keeps its one copy, and nobody else does.
    let (in_use, old) = (std::sync::Arc::new(read), std::sync::Arc::downgrade(&cache));
    drop(cache);
    let message_in_work = in_use.clone();
    drop(in_use);
    assert!(old.upgrade().is_some());
    drop(message_in_work);
    assert!(old.upgrade().is_none());
}
