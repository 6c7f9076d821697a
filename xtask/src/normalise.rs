//! Compares what `unpack` makes of every HTML part with what the installed ClamAV makes of it (`sigtool`).

use anyhow::{Context, Result};
use mail::{Limits, Message};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use unpack::{Budget, Kind, html};

/// `cargo xtask normalise`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of messages, or of HTML files (`*.html`); default: $SEKISHO_DATA
    folders: Vec<PathBuf>,
    /// Look at one part of so many
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Keep the first so many parts that differ here
    #[arg(long)]
    keep: Option<PathBuf>,
}

const COPIES: [&str; 3] = ["nocomment.html", "notags.html", "javascript"];

pub fn run(args: &Args) -> Result<()> {
    let folders = match (&args.folders[..], std::env::var_os("SEKISHO_DATA").map(PathBuf::from)) {
        ([], None) => {
            println!("no messages: name folders, or set SEKISHO_DATA");
            return Ok(());
        }
        ([], Some(data)) => vec![data],
        (folders, _) => folders.to_vec(),
    };
    let mut files = Vec::new();
    for folder in &folders {
        collect(folder, &mut files)?;
    }
    files.sort();
    let work = std::env::temp_dir().join(format!("sekisho-normalise-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let mut seen = BTreeSet::new();
    let (mut parts, mut equal, mut equal_each, mut scripts) = (0, 0, [0; 3], 0);
    for file in &files {
        let bytes = std::fs::read(file)?;
        for part in html_parts(file, &bytes) {
            if !seen.insert(part.clone()) || seen.len() % args.every != 0 {
                continue;
            }
            let theirs = sigtool(&part, &work)?;
            let normalised = html::normalise(&part, &mut Budget::default());
            let ours = [normalised.nocomment, normalised.notags, normalised.script];
            parts += 1;
            scripts += usize::from(!theirs[2].is_empty());
            let same: Vec<bool> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours == theirs).collect();
            for (count, same) in equal_each.iter_mut().zip(&same) {
                *count += usize::from(*same);
            }
            if same.iter().all(|same| *same) {
                equal += 1;
                continue;
            }
            let which: Vec<&str> =
                COPIES.iter().zip(&same).filter(|(_, same)| !**same).map(|(name, _)| *name).collect();
            println!("differs in {}: {}", which.join(", "), file.display());
            if let Some(keep) = &args.keep {
                let stem = keep.join(format!("{:04}", parts));
                std::fs::create_dir_all(&stem)?;
                std::fs::write(stem.join("part.html"), &part)?;
                for ((name, ours), theirs) in COPIES.iter().zip(&ours).zip(&theirs) {
                    std::fs::write(stem.join(format!("{name}.ours")), ours)?;
                    std::fs::write(stem.join(format!("{name}.theirs")), theirs)?;
                }
            }
        }
    }
    std::fs::remove_dir_all(&work)?;
    println!(
        "{} files, {parts} different HTML parts, {scripts} with scripts: {equal} equal in all copies",
        files.len()
    );
    for (name, count) in COPIES.iter().zip(equal_each) {
        println!("  {name}: {count} of {parts}");
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

fn html_parts(file: &Path, bytes: &[u8]) -> Vec<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "html") {
        return vec![bytes.to_vec()];
    }
    let message = Message::parse(bytes, &Limits::default());
    let bodies = message.leaves().map(|(_, part)| part.decoded().to_vec());
    let parts = bodies.filter_map(|body| match unpack::kind(&body) {
        Kind::Html => Some(body),
        Kind::HtmlUtf16 => Some(html::decode_utf16(&body)),
        _ => None,
    });
    parts.collect()
}

fn sigtool(part: &[u8], work: &Path) -> Result<[Vec<u8>; 3]> {
    for name in COPIES {
        let _ = std::fs::remove_file(work.join(name));
    }
    let _ = std::fs::remove_dir_all(work.join("rfc2397"));
    std::fs::write(work.join("part.html"), part)?;
    // It may abort after it has written its files; what it wrote counts.
    Command::new("sigtool")
        .arg("--html-normalise=part.html")
        .current_dir(work)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("sigtool is not installed (package clamav)")?;
    Ok(COPIES.map(|name| std::fs::read(work.join(name)).unwrap_or_default()))
}
