//! 698 invented signatures over 60 files, with the names that clamscan 1.4.6 reported, and 52 lines that it refused.

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Hits that are not of the file itself: ClamAV takes it for UTF-16, and looks at a copy in small letters.
const OF_ANOTHER_VIEW: &[(&str, &str)] = &[("029.bin", "N407")];

pub fn run() -> Result<()> {
    let Some(data) = std::env::var_os("SEKISHO_DATA") else {
        println!("skipped: SEKISHO_DATA names no folder of data");
        return Ok(());
    };
    let folder = PathBuf::from(data).join("clamav-vectors");
    let read = |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"));
    let mut wrong = 0;
    let mut sources = Vec::new();
    for name in ["good.ndb", "good.ldb"] {
        sources.push(rules::signatures::Source { name: name.into(), bytes: read(name)?.into(), official: false });
    }
    let (set, diagnostics) = rules::signatures::load(&sources, &Default::default());
    for found in &diagnostics {
        println!("{found}");
        wrong += 1;
    }
    let expected: BTreeMap<String, BTreeSet<String>> = serde_json::from_slice(&read("expected.json")?)?;
    let mut hits = 0;
    for (file, theirs) in &expected {
        let bytes = std::fs::read(folder.join("files").join(file))?;
        let ours: BTreeSet<String> = super::names(&set, &bytes).into_iter().collect();
        hits += theirs.len();
        for (only, who) in [(theirs - &ours, "clamscan"), (&ours - theirs, "sekisho")] {
            for name in only {
                if who == "clamscan" && OF_ANOTHER_VIEW.contains(&(file, &name)) {
                    continue;
                }
                println!("{file}: {name} only by {who}");
                wrong += 1;
            }
        }
    }
    let bad: Vec<(String, serde_json::Value)> = serde_json::from_slice(&read("bad.json")?)?;
    let mut refused = 0;
    for (line, _) in &bad {
        let ending = if line.starts_with('N') { "bad.ndb" } else { "bad.ldb" };
        let (set, diagnostics) = super::load(ending, line.as_bytes());
        if set.is_empty() && diagnostics.len() == 1 {
            refused += 1;
        } else {
            println!("not refused: {line}");
            wrong += 1;
        }
    }
    println!(
        "{} signatures, {} files, {hits} hits; {refused} of {} bad lines refused; {wrong} differences",
        set.len(),
        expected.len(),
        bad.len()
    );
    if wrong > 0 { bail!("{wrong} differences") } else { Ok(()) }
}
