//! HTML as the installed ClamAV normalises it, byte for byte, on documents made here; and goldens for machines without
//! ClamAV, which were compared with it when they were written.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use unpack::{Budget, html};

const COPIES: [&str; 3] = ["nocomment.html", "notags.html", "javascript"];

/// Pieces that the documents are made of: every turn of the normaliser should be taken by some of them.
const PIECES: &[&[u8]] = &[
    b"plain Text ",
    b"two  spaces\n\n\tand more\r\n",
    b"<p>",
    b"<P CLASS=Big>",
    b"</p >",
    b"<br/>",
    b"<!-- a comment -->",
    b"<!DOCTYPE html>",
    b"<a href='http://Example.ORG/Path?x=1&amp;y=2'>Here</a>",
    b"<a href=http://b.example/>There</a>",
    b"<a href=\"http://c.example/ with space\">",
    b"<A  HREF = \"x'y\" title='a\"b'>",
    b"<img src=\"cid:Part.1\" alt>",
    b"<img src=data:image/gif;base64,R0lGODlhAQABAAAAACw= alt='x'>",
    b"<img src=\"data:text/html,%3Cb%3e%4\">",
    b"<iframe src='data:,x'",
    b"&lt;",
    b"&AMP;",
    b"&#65;",
    b"&#x42;",
    b"&#8364;",
    b"&#12290;",
    b"&nosuch;",
    b"&eacute",
    b"& b",
    b"&#;",
    b"&#x;",
    b"&#99999999999999999999;",
    b"\xe3\x80\x82",
    b"www\xef\xbc\x8eexample\xef\xb9\x92org",
    b"\xa1Cbig5",
    b"caf\xc3\xa9 ",
    b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
    b"\xff\xfe",
    b"a\x00b\x00",
    b"\x01\x02\x1f",
    b"<script>",
    b"<SCRIPT language='JavaScript'>",
    b"</script>",
    b"</SCRIPT >",
    b"<style type=text/css>",
    b"</style>",
    b" td, th { color: 'red' } ",
    b"var a = 'x' + \"y\" + z ; ",
    b"function f(x, y) { var q = x.y ; return q } ",
    b"document.write(unescape('%3Ch1%3E%u0041')) ; ",
    b"eval('var inner = 5 ;') ; ",
    b"if (a <b) { c = 1.50e3 } ",
    b"// to the end\n",
    b"/* a comment */ ",
    b"'\\x41\\u0042\\n\\'' ; ",
    b"<!-- in script\n",
    b"//--> ",
    b"<",
    b">",
    b"\"",
    b"'",
    b"=",
    b"<a href=",
    b"<%@ language=jscript.encode %>",
    b"<script language=jscript.encode>",
    b"#@~^HAAAAA==\\ko$K6,JCV^GP6DG:,l~d1DkaOJsgkAAA==^#~@",
    b"<form action='http://d.example/'>",
    b"</form>",
    b"\\",
    b"<x y='a\\'b' z>",
];

/// Numbers that are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn documents() -> Vec<Vec<u8>> {
    let mut dice = Dice(4);
    let mut documents: Vec<Vec<u8>> = PIECES.iter().map(|piece| [piece, &b" end"[..]].concat()).collect();
    for length in [3, 6, 12, 30, 60] {
        for _ in 0..24 {
            documents.push((0..length).flat_map(|_| PIECES[dice.below(PIECES.len())].to_vec()).collect());
        }
    }
    // Long enough for several chunks, with and without white space at their ends.
    for length in [8_185, 8_191, 8_192, 8_200] {
        documents.push([vec![b'x'; length], b" tail <b>Bold</b>".to_vec()].concat());
        documents
            .push([b"<p>".to_vec(), b"wo rd ".repeat(length / 6), b"&amp;<script>var a = 'x".repeat(900)].concat());
    }
    for _ in 0..6 {
        documents.push((0..1_500).flat_map(|_| PIECES[dice.below(PIECES.len())].to_vec()).collect());
    }
    documents
}

fn ours(document: &[u8]) -> [Vec<u8>; 3] {
    let normalised = html::normalise(document, &mut Budget::default());
    [normalised.nocomment, normalised.notags, normalised.script]
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sigtool(document: &[u8], folder: &Path) -> Option<[Vec<u8>; 3]> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("a folder for sigtool");
    std::fs::write(folder.join("part.html"), document).expect("a file for sigtool");
    // ClamAV 1.4's sigtool aborts after it has written its files.
    let mut command = Command::new("sigtool");
    command.arg("--html-normalise=part.html").current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    Some(COPIES.map(|name| std::fs::read(folder.join(name)).unwrap_or_default()))
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn as_the_installed_clamav_does() {
    let folder = Folder(std::env::temp_dir().join(format!("sekisho-sigtool-{}", std::process::id())));
    for document in documents() {
        let Some(theirs) = sigtool(&document, &folder.0) else {
            eprintln!("skipped: sigtool is not installed (package clamav)");
            return;
        };
        for ((name, ours), theirs) in COPIES.iter().zip(ours(&document)).zip(theirs) {
            if ours != theirs {
                let at = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
                let around =
                    |bytes: &[u8]| shown(&bytes[at.saturating_sub(60).min(bytes.len())..bytes.len().min(at + 60)]);
                let document = if document.len() < 3_000 { shown(&document) } else { "a long one".into() };
                panic!("{name} of {document}\n  at {at}, ours: {}\n  theirs: {}", around(&ours), around(&theirs));
            }
        }
    }
}

/// Each document and its three copies, one a line; SEKISHO_BLESS=1 writes them anew.
#[test]
fn as_it_was_when_clamav_agreed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html.txt");
    let mut text = String::new();
    for document in documents().iter().filter(|document| document.len() < 1_000) {
        text.push_str(&format!("< {}\n", shown(document)));
        for copy in ours(document) {
            text.push_str(&format!("> {}\n", shown(&copy)));
        }
    }
    #[allow(clippy::disallowed_methods)] // a test may read the environment
    if std::env::var("SEKISHO_BLESS").is_ok() {
        std::fs::write(&path, &text).expect("the goldens can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("the goldens are there");
    for (ours, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(ours, golden);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
}
