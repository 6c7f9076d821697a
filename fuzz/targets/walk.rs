//! Messages and files taken apart as ClamAV does and beyond, with a few signatures of each kind.
#![no_main]
#![forbid(unsafe_code)]

use engine::signatures::Database;
use engine::signatures::walk::{self, Limits, Options, Scratch};
use libfuzzer_sys::fuzz_target;
use mail::{Message, ViewConfig, Views};
use rules::signatures::Source;
use std::sync::LazyLock;

static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let files: [(&str, &[u8]); 3] = [
        ("a.ndb", b"A.Any:0:*:68747470\nA.Mail:4:*:5375626a6563743a\nA.Html:3:*:3c61\nA.Text:7:*:74686520\n"),
        ("a.cdb", b"A.Name:*:*:\\.exe$:*:*:*:*:*:*\n"),
        ("a.pdb", b"H:example.com\n"),
    ];
    let sources =
        files.map(|(name, bytes)| Source { name: name.into(), bytes: bytes.into(), official: false });
    Database::new(rules::signatures::load(&sources, &Default::default()).0, true)
});
static CONFIG: LazyLock<ViewConfig> = LazyLock::new(ViewConfig::default);

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 1 << 20, member: 1 << 18, members: 100, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let mut scratch = Scratch::default();
    let message = Message::parse(data, &CONFIG.limits);
    let beyond = walk::message(&DATABASE, &Views::new(&message, &CONFIG), &options, &mut scratch);
    let file = walk::file(&DATABASE, data, b"", &Options { beyond: false, ..options }, &mut scratch);
    for report in [beyond, file] {
        let mut names: Vec<&str> = report.hits.iter().map(|hit| hit.name.as_str()).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name twice");
    }
});
