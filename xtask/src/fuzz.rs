//! Runs the fuzz targets of `fuzz/`: libFuzzer with the compiler's own coverage pass, no further tool needed than g++.
//!
//! Each target starts from seeds made of what the repository holds anyway: sample mails, the messages that test rules,
//! the rules themselves, vectors of Received lines. They are written to `fuzz/corpus/`, where libFuzzer adds what it
//! finds; nothing there is kept under version control. Words that a target knows stand in `fuzz/words/`.

use anyhow::{Context, Result, bail};
use mail::{Limits, Message};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Seconds that one input may take; coverage makes everything slower.
const SLOWEST: u32 = 20;

/// `cargo xtask fuzz [TARGET...] --seconds 600`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Targets (`fuzz/targets/*.rs`); default: all, one after the other
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Longest input, bytes
    #[arg(long, default_value_t = 16384)]
    max_len: usize,
}

pub fn run(args: &Args) -> Result<()> {
    let mut all: Vec<String> = std::fs::read_dir("fuzz/targets")
        .context("run this from the top of the repository")?
        .filter_map(|e| Some(e.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    all.sort();
    let chosen = if args.targets.is_empty() { all.clone() } else { args.targets.clone() };
    if let Some(unknown) = chosen.iter().find(|t| !all.contains(t)) {
        bail!("no fuzz target {unknown}; there are: {}", all.join(", "));
    }
    let host = host()?;
    // The triple is named so that build scripts and macros stay free of instrumentation.
    let status = Command::new("cargo")
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env(
            "RUSTFLAGS",
            "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
             -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
             -Cllvm-args=-sanitizer-coverage-trace-compares",
        )
        .status()?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut failed = Vec::new();
    for target in &chosen {
        let program = Path::new("fuzz/target").join(&host).join("release").join(target);
        let corpus = PathBuf::from("fuzz/corpus").join(target);
        let artifacts = PathBuf::from("fuzz/artifacts").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        for (number, seed) in seeds(target)?.into_iter().enumerate() {
            std::fs::write(corpus.join(format!("seed-{number:04}")), seed)?;
        }
        let mut command = Command::new(&program);
        command.arg(&corpus);
        let words = Path::new("fuzz/words").join(format!("{target}.txt"));
        if words.is_file() {
            command.arg(format!("-dict={}", words.display()));
        }
        command.args([
            format!("-max_total_time={}", args.seconds),
            format!("-max_len={}", args.max_len),
            format!("-artifact_prefix={}/", artifacts.display()),
            format!("-timeout={SLOWEST}"),
            "-rss_limit_mb=3000".into(),
            "-print_final_stats=1".into(),
            "-verbosity=0".into(),
        ]);
        eprintln!("== {target}, {} s", args.seconds);
        if command.status()?.success() {
            println!("{target}: clean after {} s", args.seconds);
        } else {
            println!("{target}: FAILED, see {}", artifacts.display());
            failed.push(target.clone());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(line.to_owned())
}

/// What a target starts from, in the form that it reads.
fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    let seeds = match target {
        // Before it, how many messages each name had, and what they scored.
        "acquaintance" => messages()?.iter().map(|raw| [&[0, 0, 0, 5, 0, 0, 0, 1], &raw[..]].concat()).collect(),
        "aggregate" => vec![
            b"<feedback><report_metadata><org_name>a</org_name></report_metadata><record><row><source_ip>192.0.2.1</source_ip>\
              <count>1</count></row></record></feedback>"
                .to_vec(),
        ],
        "mime" | "walk" => messages()?,
        "header" => messages()?.iter().map(|raw| parsed(raw).pristine_header().to_vec()).collect(),
        "html" => leaves()?.into_iter().filter(|(html, _)| *html).map(|(_, body)| body).collect(),
        // The first byte chooses the label; the fuzzer will try the others.
        "charset" => leaves()?.into_iter().map(|(_, body)| [&[1], &body[..]].concat()).collect(),
        "data" => DATA.iter().map(|seed| seed.to_vec()).collect(),
        "digests" => {
            let mails = messages()?.into_iter().flat_map(|raw| [[&[0][..], &raw].concat(), [&[1][..], &raw].concat()]);
            mails.chain(DIGESTS.iter().map(|seed| seed.to_vec())).collect()
        }
        "backup" => vec![
            b"v\t3\tdb_version # this must be the first line!!!\nv\t10\tnum_spam\nv\t20\tnum_nonspam\n\
              t\t5\t0\t1700000000\t0123456789\nt\t0\t9\t1700000000\tff00000000\ns\ts\tabc@sa_generated\n"
                .to_vec(),
        ],
        "dns" => DNS.iter().map(|seed| seed.to_vec()).collect(),
        "spf" => SPF.iter().map(|seed| seed.to_vec()).collect(),
        "feeds" => FEEDS.iter().map(|seed| seed.to_vec()).collect(),
        "received" => received()?,
        "clamd" => conversations("crates/protocols/tests/transcripts/clamd", &[0])?,
        "scanners" => {
            let kinds = ["clamd", "icap", "sophie", "sssp"];
            let each = kinds.iter().enumerate().map(|(number, kind)| {
                conversations(&format!("crates/protocols/tests/scanners/{kind}"), &[number as u8])
            });
            each.collect::<Result<Vec<_>>>()?.concat()
        }
        "cf" => rule_files()?.iter().flat_map(|text| pieces(text)).map(|text| [b"1", text].concat()).collect(),
        "regex" => {
            let texts = rule_files()?;
            let patterns = texts.iter().flat_map(|text| text.split(|b| *b == b'\n')).filter_map(pattern);
            patterns.map(|pattern| [b"/", pattern, b"\n", pattern].concat()).collect()
        }
        "qr" => {
            // What the tests of it hold as text.
            let text = std::fs::read_to_string("crates/engine/tests/qr.rs")?;
            let pieces = text.split("= \"\\\n").skip(1).filter_map(|piece| piece.split('"').next());
            let pictures = pieces.map(|piece| mail::mime::transfer::base64(piece.replace("\\\n", "").as_bytes()));
            let drawing = [&[0, 21][..], &[1; 441]].concat();
            pictures.map(|picture| [&[1], &picture[..]].concat()).chain([drawing]).collect()
        }
        "unpack" => archives()?,
        "normalise" => {
            let goldens = std::fs::read_to_string("crates/unpack/tests/html.txt")?;
            let documents = goldens.lines().filter_map(|line| line.strip_prefix("< "));
            let html = leaves()?.into_iter().map(|(_, body)| body);
            documents.map(|text| text.as_bytes().to_vec()).chain(html).collect()
        }
        "ole" | "pdf" | "rtf" | "tnef" => documents(target)?,
        "signatures" => signatures(),
        "workshop" => WORKSHOP.iter().map(|seed| seed.to_vec()).collect(),
        _ => Vec::new(),
    };
    Ok(seeds)
}

/// A rule file, a pattern with its text, look-alikes, a log, a table of origins, range rules.
const WORKSHOP: &[&[u8]] = &[
    b"crawbody SEIKYU /\\x90\\xbf\\x8b\\x81/\nheader J Subject =~ /\\e\\$B@A5a=q/i\n",
    b"t/(--=\\w+)\\n(?:(?!\\1).+\\n|\\n){2,}--\\1--/\0--=a\nb\n\n--=a\n",
    "sFrom: a1@b1.example\nSubject: =?utf-8?B?6KuL5rGC?= 1\nX-Mailer: M/1\nContent-Type: text/html; charset=utf-8\n\n\
      <p>確認してください、二十四時間以内に<a href=https://a1.example.jp/ああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああ>x</a>\n\0\
      From: a2@b2.example\nSubject: =?utf-8?B?6KuL5rGC?= 2\nX-Mailer: M/1\nContent-Type: text/html; charset=utf-8\n\n\
      <p>確認してください、二十四時間以内に<a href=https://a2.example.jp/ああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああああ>x</a>\n"
        .as_bytes(),
    b"lY   12 /spam/a%20b RULE_A,RULE_B points=12.300\n",
    b"o180.94.0.0\t180.94.31.255\t17639\tPH\tGLOBALSPEED\n1.0.0.0\t24\t13335_1\n",
    b"iheader A X-Spam-Relays-Untrusted =~ /^\\[ ip=180\\.94\\./\ndescribe A [PH]A\nscore A 1.5\n",
];

/// The first byte chooses the kind of file.
const DATA: &[&[u8]] = &[
    b"\x002|apnic|20261121|1|19830613|20261120|+1000\napnic|*|ipv4|*|1|summary\napnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A1\n",
    b"\x01// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n// ===END PRIVATE DOMAINS===\n",
    b"\x02[\"a.example\",\"b.example\"]",
    b"\x03a.example\nb.example\n",
    b"\x04{\"cidr\":\"1.10.16.0/20\"}\n{\"type\":\"metadata\",\"records\":1}\n",
    b"\x05\xab\xcd\xefMaxMind.com\xe1\x4aip_version\xa1\x04",
];

/// Answers of servers; the first byte chooses whose.
const DIGESTS: &[&[u8]] = &[
    b"\x02Code: 200\nDiag: OK\nPV: 2.1\nThread: 2000\nCount: 12\nWL-Count: 3\n\n",
    b"\x02127.0.0.1 : 24441 : bob : salt,key\npublic.pyzor.org:24441\n",
    b"\x03-p=1&cf=88\r\np=0&ct=1\r\n.\r\n",
    b"\x03-csl=?&se=88\r\na.example\r\n.\r\n",
    b"\x04A\nA\nX-DCC-x-Metrics: host 1; Body=many\n\tFuz1=12 rep=83%\n",
];

/// A client's kind, a policy, and what names have besides it, a line each.
const SPF: &[&[u8]] = &[
    b"v=spf1 include:%{ir}.%{v}.x.example a:%{d2}/24//64 mx ptr:%{p} exists:%{l1r-}.x ?all exp=e.example\nv=spf1 ip4:192.0.2.0/24 ~all",
    b"v=spf1 redirect=%{o}\nv=spf1 ip6:2001:db8::/32 mx:x.example -all\nmx.x.example|y.example\n192.0.2.1",
    b"6v=spf1\n?",
];

/// Answers to questions, a line each.
const DNS: &[&[u8]] = &[
    b"A127.0.0.2\nA127.0.0.4;127.0.0.6\nAlisted\nAns1.example.;ns2.example.\nA64500|192.0.2.0|24\nA10 mx.example.\nn\nf\x02\n-\no",
    b"A64500 | 192.0.2.0/24 | JP\nA192.0.2.0/24 | AS64500\nA127.255.255.254\nn",
];

/// A line or two of each format, under the number of its ending, and a text.
fn signatures() -> Vec<Vec<u8>> {
    const LINES: &[(&str, &str)] = &[
        ("cdb", "N:CL_TYPE_ZIP:10-20:(?i)\\.exe$:*:-4:0:1-:*:*:30"),
        ("db", "Name=6162636465"),
        ("fp", "900150983cd24fb0d6963f7d28e17f72:3:N"),
        ("ftm", "1:*:46726f6d20??61:Mail:CL_TYPE_ANY:CL_TYPE_MAIL:20:"),
        ("gdb", "S1:P:01020304:20-"),
        ("hsb", "a9993e364706816aba3e25717850c26c9cd0d89d:*:N:73"),
        ("ign2", "Name:900150983cd24fb0d6963f7d28e17f72"),
        (
            "ldb",
            "L;Engine:51-255,Target:0,FileSize:1-9;(0&1)>1,2;EOF-9,3:6162::wa;0/a;b/gi\nM;Target:0;0;0(>>1#hb2#=1)",
        ),
        ("ndb", "A:0:*:6162{2-4}6364(61|62)*6162\nB:4:EOF-4,2:(B)6162!(W)"),
        ("pdb", "H:paypal.com:17-\nR:.+\\.bank\\.com"),
        ("pwdb", "n;Engine:81-255,Container:CL_TYPE_ZIP;1;616263"),
        ("wdb", "X:a.+:b.+:1-\nM:a.com:b.com"),
        (
            "yar",
            "private rule a { condition: uint16(0) == 1 }\nrule b : t { meta: n = 1 strings: $a = \"abcd\" nocase wide \
             $b = { 61 6? [1-2] ( 62 | ~63 ) } $c = /ab+cde/i condition: $a at 0 or #b > 1 and for any i in (1..#c) : \
             ( @c[i] < filesize ) and not a }",
        ),
    ];
    let seed = |(ending, lines): &(&str, &str)| {
        let number = rules::signatures::FORMATS.iter().position(|format| format.ending == *ending).unwrap_or(0);
        [&[number as u8][..], lines.as_bytes(), b"\0abcd--ab From a.exe"].concat()
    };
    LINES.iter().map(seed).collect()
}

/// What the other side says in each of these transcripts, behind bytes that choose.
fn conversations(folder: &str, first: &[u8]) -> Result<Vec<Vec<u8>>> {
    let said = |script: Vec<u8>| {
        let script = String::from_utf8_lossy(&script).into_owned();
        let lines = script.lines().filter_map(|line| line.strip_prefix("> "));
        let text: String = lines.collect();
        let mut bytes = first.to_vec();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('\\') {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let (byte, length) = match rest[at + 1..].chars().next() {
                Some('r') => (b'\r', 2),
                Some('n') => (b'\n', 2),
                Some('0') => (0, 2),
                Some('x') => (u8::from_str_radix(rest.get(at + 2..at + 4).unwrap_or("3f"), 16).unwrap_or(b'?'), 4),
                _ => (b'\\', 1),
            };
            bytes.push(byte);
            rest = rest.get(at + length..).unwrap_or_default();
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    };
    Ok(files(folder, "txt")?.into_iter().map(said).collect())
}

/// The first byte chooses the reader.
const FEEDS: &[&[u8]] = &[
    b"done\ntwo\nthree\n\0OPEN a.ndb\nADD four\nDEL 2 tw\nXCHG 3 thr 3\nCLOSE\nMOVE a.ndb b.ndb 1 one 1 one\nUNLINK b.ndb\n",
    b"DClamAV-Diff:2:20:\x1f\x8b\x08\0\0\0\0\0\0\x03:abc",
    b"hClamAV-VDB:22 Jun 2021 16-55 -0400:2:0:81:57ce21d16edad79ec53a16f03c96b680:3ZHgw1:builder:1624395301",
    b"iClamAV-VDB:22 Jun 2021 14-58 -0400:1:0:81:X:X:b:1624388302\ntest.ndb:3:ba78\nDSIG:TFd9\n",
    b"i1.4.3:62:27600:1750000000:1:90:49192:336",
    b"mhttp://a.example/x/ weight=5\n# none\nhttps://b.example\n",
    b"sba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.ndb\n",
    b"k-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n",
    b"-<!DOCTYPE html>",
];

fn parsed(raw: &[u8]) -> Message {
    Message::parse(raw, &Limits::default())
}

/// The files of a folder with this ending, by name.
fn files(folder: &str, ending: &str) -> Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {folder}"))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}

/// The sample mails and the messages of `tests/rules/`.
fn messages() -> Result<Vec<Vec<u8>>> {
    let mut messages = files("samples", "eml")?;
    for cases in files("tests/rules", "txt")? {
        let mut message: Vec<u8> = Vec::new();
        for line in cases.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b"### ") || line.starts_with(b"# ") {
                messages.extend(Some(std::mem::take(&mut message)).filter(|message| !message.is_empty()));
            } else {
                message.extend_from_slice(line);
            }
        }
        messages.push(message);
    }
    Ok(messages)
}

/// Decoded text parts of the messages, and whether each is HTML.
fn leaves() -> Result<Vec<(bool, Vec<u8>)>> {
    let mut leaves = Vec::new();
    for raw in messages()? {
        let message = parsed(&raw);
        let texts = message.leaves().filter(|(_, part)| part.effective_type().starts_with("text/"));
        leaves.extend(texts.map(|(_, part)| (part.effective_type() == "text/html", part.decoded().to_vec())));
    }
    Ok(leaves)
}

/// Received fields, the first byte for the choice of networks, a NUL between two fields.
fn received() -> Result<Vec<Vec<u8>>> {
    let vectors = std::fs::read("crates/mail/tests/data/received.txt")?;
    let lines = vectors.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b" "));
    let mut seeds: Vec<Vec<u8>> = lines.map(|line| [b"0", line].concat()).collect();
    for raw in messages()? {
        let message = parsed(&raw);
        let fields: Vec<&[u8]> = message.headers().all("Received").map(|field| field.raw.trim_ascii()).collect();
        if !fields.is_empty() {
            seeds.push([b"1", &fields.join(&0)[..]].concat());
        }
    }
    Ok(seeds)
}

/// The archives of `unpack`'s tests; the first byte, beyond any format's number, leaves the choice to the magic.
fn archives() -> Result<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string("crates/unpack/tests/data/archives.txt")?;
    let mut archives: Vec<Vec<u8>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.ends_with(':') {
            archives.push(vec![0xff]);
        } else if let Some(archive) = archives.last_mut() {
            let digits = line.trim().as_bytes().chunks_exact(2).filter_map(|pair| std::str::from_utf8(pair).ok());
            archive.extend(digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
        }
    }
    Ok(archives)
}

/// A small document of each kind.
fn documents(kind: &str) -> Result<Vec<Vec<u8>>> {
    Ok(match kind {
        "pdf" => vec![
            b"%PDF-1.4\n1 0 obj << /Length 3 /Filter [/ASCIIHexDecode /FlateDecode] >>\nstream\n00>\nendstream /URI (x)".into(),
            b"%PDF-1.4\n1 0 obj << /Filter /LZWDecode >>\nstream\n\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01\nendstream /JS <61>".into(),
        ],
        "rtf" => vec![b"{\\rtf1 {\\objdata 0105000002000000080000005061636b61676500000000000000000004000000 41424344}}".into()],
        "tnef" => vec![b"\x78\x9f\x3e\x22\x01\x00\x02\x02\x90\x06\x00\0\0\0\0\0\0\x02\x0f\x80\x06\x00\x01\0\0\0x\0\0".into()],
        _ => vec![compound()],
    })
}

/// A compound file of six sectors: table, directory with one stream, small table, small stream with a macro.
fn compound() -> Vec<u8> {
    let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    file.resize(24, 0);
    file.extend([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0, 6, 0]);
    file.resize(44, 0);
    for word in [1u32, 1, 0, 4096, 2, 1, 0xffff_fffe, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    file.resize(512, 0xff);
    for word in [0xffff_fffdu32, 0xffff_fffe, 0xffff_fffe, 0xffff_fffe] {
        file.extend(word.to_le_bytes());
    }
    file.resize(1024, 0xff);
    for (name, kind, start, size) in [("R\0", 5, 3u32, 64u32), ("M\0", 2, 0, 30)] {
        let from = file.len();
        file.extend_from_slice(name.as_bytes());
        file.resize(from + 64, 0);
        file.extend([4, 0, kind, 1]);
        file.resize(from + 116, 0);
        file.extend(start.to_le_bytes());
        file.extend(size.to_le_bytes());
        file.resize(from + 128, 0);
    }
    file.resize(1536, 0);
    file.extend([0xfe, 0xff, 0xff, 0xff]);
    file.resize(2048, 0xff);
    file.extend_from_slice(b"\x01\x0b\xb0\x00Attribut\x04e \x06\x90");
    file.resize(2560, 0);
    file
}

fn rule_files() -> Result<Vec<Vec<u8>>> {
    Ok([files("rules", "cf")?, files("rules", "pre")?].concat())
}

/// A text in pieces of whole lines, each a few kilobytes.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    const PIECE: usize = 2_000;
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let tail = rest.get(PIECE..).unwrap_or_default();
        let cut = tail.iter().position(|b| *b == b'\n').map_or(rest.len(), |line| PIECE + line + 1);
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The pattern of a line like `body NAME /pattern/i`.
fn pattern(line: &[u8]) -> Option<&[u8]> {
    let from = line.iter().position(|b| *b == b'/')? + 1;
    let to = line.iter().rposition(|b| *b == b'/')?;
    line.get(from..to).filter(|pattern| !pattern.is_empty() && !line.starts_with(b"#"))
}
