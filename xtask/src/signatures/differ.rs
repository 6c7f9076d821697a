//! Invented signatures and files: clamscan and sekisho side by side.
//!
//! Made so that much occurs: few letters, short strings, every wildcard and option. Lines that clamscan refuses must be
//! refused here, and what is left must hit the same files.

use crate::parity::draw::Seed;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the sequence of numbers begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Signatures a round
    #[arg(long, default_value_t = 150)]
    signatures: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print at most so many differences
    #[arg(long, default_value_t = 30)]
    show: usize,
}

struct Dice(Seed);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0.below(sides)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn letters(&mut self, least: usize, most: usize) -> String {
        let count = least + self.roll(most - least + 1);
        (0..count).map(|_| self.pick(&["61", "62", "63", "64"])).collect()
    }
}

fn hex(dice: &mut Dice, plain: bool) -> String {
    let mut hex = String::new();
    for part in 0..1 + dice.roll(5) / 2 {
        if part > 0 {
            hex += &match dice.roll(5) {
                0 | 1 => "*".to_owned(),
                2 => format!("{{-{}}}", 1 + dice.roll(8)),
                3 => format!("{{{}-}}", dice.roll(6)),
                _ => format!("{{{}-{}}}", dice.roll(4), 4 + dice.roll(8)),
            };
        }
        if dice.roll(10) == 0 {
            hex += dice.pick(&["(B)", "(L)", "(W)"]);
        } else if plain && dice.roll(12) == 0 {
            hex += dice.pick(&["61[1-3]", "62[0-2]"]);
        }
        hex += &dice.letters(2, 3);
        for _ in 0..dice.roll(3) {
            let bang = if plain && dice.roll(3) == 0 { "!" } else { "" };
            hex += &match dice.roll(9) {
                0 => "??".to_owned(),
                1 => "6?".to_owned(),
                2 => "?3".to_owned(),
                3 => format!("{bang}(61|62)"),
                4 => format!("{bang}(6162|6364)"),
                5 => "(61|6263)".to_owned(),
                6 => "(61(62|63)|64)".to_owned(),
                7 => format!("{bang}{}", dice.pick(&["(B)", "(L)", "(W)"])),
                _ => format!("{{{}}}", 1 + dice.roll(3)),
            };
            hex += &dice.letters(0, 2);
        }
        if dice.roll(10) == 0 {
            hex += dice.pick(&["(B)", "(L)", "(W)", "!(W)"]);
        }
    }
    hex
}

fn offset(dice: &mut Dice) -> String {
    match dice.roll(6) {
        0 => format!("{}", dice.roll(40)),
        1 => format!("{},{}", dice.roll(40), dice.roll(60)),
        2 => format!("EOF-{}", 20 + dice.roll(100)),
        3 => format!("EOF-{},{}", 20 + dice.roll(100), dice.roll(60)),
        _ => "*".to_owned(),
    }
}

fn logic(dice: &mut Dice, from: usize, to: usize) -> String {
    let compare = |dice: &mut Dice| format!("{}{}", dice.pick(&["=", "<", ">"]), dice.roll(4));
    if from == to {
        let tail = if dice.roll(4) == 0 { compare(dice) } else { String::new() };
        return format!("{from}{tail}");
    }
    let middle = from + dice.roll(to - from);
    let operator = dice.pick(&["&", "|"]);
    let text = format!("{}{operator}{}", logic(dice, from, middle), logic(dice, middle + 1, to));
    match dice.roll(4) {
        0 => text,
        1 => {
            let different = if dice.roll(2) == 0 { format!(",{}", dice.roll(3)) } else { String::new() };
            format!("({text}){}{different}", compare(dice))
        }
        _ => format!("({text})"),
    }
}

fn logical(dice: &mut Dice, name: &str) -> String {
    let subs = 1 + dice.roll(4);
    let mut text = format!("{name};Engine:81-255,Target:0;{}", logic(dice, 0, subs - 1));
    for sub in 0..subs {
        let letters = dice.pick(&["", "", "", "i", "w", "f", "wa", "if", "a"]);
        text += &match dice.roll(8) {
            0 if sub > 0 => {
                let at = if dice.roll(2) == 0 { String::new() } else { format!("{}:", offset(dice)) };
                format!(
                    ";{at}{}/{}/{}",
                    dice.roll(sub),
                    dice.pick(&["c.d", "^a", "[ab]{2}c", "a\\sb", "(a|b)+c"]),
                    dice.pick(&["", "i", "g", "gi", "r", "s", "e"])
                )
            }
            1 if sub > 0 => {
                format!(";{}(>>{}#i{}1#>{})", dice.roll(sub), dice.roll(6), dice.pick(&["l", "b"]), 96 + dice.roll(5))
            }
            _ => {
                let at = if dice.roll(3) == 0 { format!("{}:", offset(dice)) } else { String::new() };
                let options = if letters.is_empty() { String::new() } else { format!("::{letters}") };
                format!(";{at}{}{options}", hex(dice, letters.is_empty()))
            }
        };
    }
    text
}

fn file(dice: &mut Dice) -> Vec<u8> {
    const BYTES: &[u8] = b"abcdabcdabcdABCD \r\n-./<>\"'=_@";
    let mut bytes: Vec<u8> = (0..80 + dice.roll(120)).map(|_| BYTES[dice.roll(BYTES.len())]).collect();
    if dice.roll(3) == 0 {
        bytes.iter_mut().for_each(|b| {
            if b"\r\n-./<>\"'=_@".contains(b) && *b != b' ' {
                *b = b"abcd"[*b as usize % 4]
            }
        });
    }
    if dice.roll(4) == 0 {
        bytes = bytes.iter().flat_map(|b| [*b, 0]).collect();
    }
    // Zeros and control characters, so that nobody takes it for text, in UTF-16 either.
    let junk = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 14, 15, 1, 2, 3, 4, 5, 6, 14, 15];
    let at = dice.roll(bytes.len());
    bytes.splice(at..at, junk);
    bytes
}

/// Names by file; `None` if it refused the signatures.
fn clamscan(database: &Path, files: &[String], folder: &Path) -> Result<Option<BTreeMap<String, BTreeSet<String>>>> {
    let output = Command::new("clamscan")
        .arg("-d")
        .arg(database)
        .args(["--allmatch", "--no-summary"])
        .args(files)
        .current_dir(folder)
        .output()?;
    if String::from_utf8_lossy(&output.stderr).contains("Malformed database") || output.status.code() == Some(2) {
        return Ok(None);
    }
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((file, name)) = line.strip_suffix(".UNOFFICIAL FOUND").and_then(|line| line.split_once(": ")) {
            names.entry(file.to_owned()).or_default().insert(name.to_owned());
        }
    }
    Ok(Some(names))
}

pub fn run(args: &Args) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("sekisho-differ-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut dice = Dice(Seed::new("signatures", args.seed));
    let (mut hits, mut differences, mut refused) = (0, 0, 0);
    for round in 0..args.rounds {
        let mut files = Vec::new();
        for number in 0..30 {
            let name = format!("f{number}");
            std::fs::write(folder.join(&name), file(&mut dice))?;
            files.push(name);
        }
        let mut kept: [Vec<String>; 2] = Default::default();
        for number in 0..args.signatures {
            let (ending, line) = match dice.roll(2) {
                0 => (0, format!("N{number}:0:{}:{}", offset(&mut dice), hex(&mut dice, true))),
                _ => (1, logical(&mut dice, &format!("L{number}"))),
            };
            let name = ["one.ndb", "one.ldb"][ending];
            std::fs::write(folder.join(name), format!("{line}\n"))?;
            let theirs = clamscan(&folder.join(name), &files[..1], &folder)?.is_some();
            let ours = !super::load(name, line.as_bytes()).0.is_empty();
            if theirs != ours {
                differences += 1;
                if differences <= args.show {
                    println!("{}: {line}", if theirs { "only clamscan takes" } else { "only sekisho takes" });
                }
            } else if theirs {
                kept[ending].push(line);
            } else {
                refused += 1;
            }
        }
        for (ending, lines) in kept.iter().enumerate() {
            let name = ["all.ndb", "all.ldb"][ending];
            let text = lines.join("\n") + "\n";
            std::fs::write(folder.join(name), &text)?;
            let Some(theirs) = clamscan(&folder.join(name), &files, &folder)? else { bail!("clamscan refuses {name}") };
            let (set, _) = super::load(name, text.as_bytes());
            for file in &files {
                let bytes = std::fs::read(folder.join(file))?;
                let ours: BTreeSet<String> = super::names(&set, &bytes).into_iter().collect();
                let theirs = theirs.get(file).cloned().unwrap_or_default();
                hits += theirs.len();
                for (only, who) in [(&theirs - &ours, "clamscan"), (&ours - &theirs, "sekisho")] {
                    for name in only {
                        differences += 1;
                        if differences <= args.show {
                            let line = lines
                                .iter()
                                .find(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([':', ';'])));
                            println!(
                                "round {round}, only {who}: {}\n    {}",
                                line.map_or("", |l| l),
                                bytes.escape_ascii()
                            );
                        }
                    }
                }
            }
        }
    }
    std::fs::remove_dir_all(&folder)?;
    println!("{hits} hits of clamscan, {refused} lines refused by both, {differences} differences");
    if differences > 0 { bail!("{differences} differences") } else { Ok(()) }
}
