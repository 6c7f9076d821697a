//! `sekisho sigs`: look into signatures: find them by name, read them in words, count what they hit.

use super::{Format, shown};
use crate::config::{Config, meaning};
use crate::input;
use crate::language;
use crate::output::Output;
use crate::signatures::{self, Signatures};
use crate::{CLEAN, FOUND};
use anyhow::Context;
use clap::Subcommand;
use engine::signatures::SignatureId;
use engine::signatures::walk::{self, Scratch};
use mail::{Limits, Message, ViewConfig, Views};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Signatures, files or folders, in place of those that the configuration names; repeatable
    #[arg(long, value_name = "FILE|DIR", global = true)]
    signatures: Vec<PathBuf>,
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value = "text", global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Signatures whose names hold this, or fit it where it has * or ?. Exit 1: there are none
    Find {
        /// A part of the name, or all of it with * and ?
        name: String,
    },
    /// Say in words what a signature looks for: its name, or the line itself
    Decode {
        /// A name, or a line of a signature file
        signature: String,
    },
    /// How often each signature hits in these messages. Exit 1: one hits ham
    Test {
        /// Good mail: files, folders, mboxes; repeatable
        #[arg(long, value_name = "FILE|DIR")]
        ham: Vec<PathBuf>,
        /// Bad mail; repeatable
        #[arg(long, value_name = "FILE|DIR")]
        spam: Vec<PathBuf>,
    },
}

#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    file: &'a str,
    line: u32,
    means: &'static str,
    score: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let code = match &arguments.what {
        What::Find { name } => find(arguments, name, &mut output)?,
        What::Decode { signature } => decode(arguments, signature, &mut output)?,
        What::Test { ham, spam } => test(arguments, ham, spam, &mut output)?,
    };
    output.flush()?;
    Ok(code)
}

fn load(arguments: &Arguments) -> anyhow::Result<(Signatures, Config)> {
    let (mut config, _) = Config::load(arguments.config.as_deref())?;
    if !arguments.signatures.is_empty() {
        config.signatures.folders.clone_from(&arguments.signatures);
    }
    let loaded = signatures::load(&config.signatures, true);
    for problem in &loaded.problems {
        eprintln!("sekisho: {problem}");
    }
    let places: Vec<String> = config.signatures.folders.iter().map(|path| path.display().to_string()).collect();
    let these = loaded.signatures.with_context(|| format!("{}: {}", language::NO_SIGNATURES, places.join(", ")))?;
    Ok((these, config))
}

fn all(these: &Signatures) -> impl Iterator<Item = SignatureId> {
    (0..u32::try_from(these.database.set.len()).unwrap_or(u32::MAX)).map(SignatureId)
}

fn find(arguments: &Arguments, wanted: &str, output: &mut Output) -> anyhow::Result<u8> {
    let (these, config) = load(arguments)?;
    let set = &these.database.set;
    let pattern = match wanted.contains(['*', '?']) {
        true => wanted.to_owned(),
        false => format!("*{}*", wanted.strip_suffix(".UNOFFICIAL").unwrap_or(wanted)),
    };
    let pattern = crate::config::Glob::from(pattern.as_str());
    let means = config.signatures.meanings();
    let mut found = false;
    for id in all(&these) {
        let name = set.name(id);
        if name.is_empty() || !pattern.matches(name) {
            continue;
        }
        found = true;
        let (file, line, _) = set.place(id);
        let (means, score) = match meaning(&means, name, these.database.source(id)) {
            Some((meaning, score)) => (meaning.name(), score),
            None => ("nothing", 0.0),
        };
        match arguments.format {
            Format::Text => output.line(&format!("{}  {file}:{line}  {means} {score}", shown(name.as_bytes())))?,
            Format::Json => output.line(&serde_json::to_string(&Known { name, file, line, means, score })?)?,
        }
        if output.is_closed() {
            break;
        }
    }
    Ok(if found { CLEAN } else { FOUND })
}

#[derive(Serialize)]
struct Decoded {
    file: String,
    line: u32,
    written: String,
    words: Vec<String>,
}

fn decode(arguments: &Arguments, wanted: &str, output: &mut Output) -> anyhow::Result<u8> {
    let mut decoded = Vec::new();
    if wanted.contains([':', ';', '=']) {
        let ending = if wanted.contains(';') { "ldb" } else { "ndb" };
        decoded.push(Decoded {
            file: String::new(),
            line: 0,
            written: wanted.to_owned(),
            words: words(wanted, ending),
        });
    } else {
        let (these, _) = load(arguments)?;
        for id in these.database.set.find(wanted) {
            let (file, line, _) = these.database.set.place(id);
            decoded.push(written(file, line));
        }
    }
    tell(&decoded, arguments.format, output)?;
    Ok(if decoded.is_empty() { FOUND } else { CLEAN })
}

/// Tells of the installed signatures of that name; `false` where there are none.
pub fn explain(config: Option<&Path>, name: &str, format: Format, output: &mut Output) -> anyhow::Result<bool> {
    let (config, _) = Config::load(config)?;
    let Some(these) = signatures::load(&config.signatures, true).signatures else { return Ok(false) };
    let set = &these.database.set;
    let decoded: Vec<Decoded> = set
        .find(name)
        .into_iter()
        .map(|id| {
            let (file, line, _) = set.place(id);
            written(file, line)
        })
        .collect();
    tell(&decoded, format, output)?;
    Ok(!decoded.is_empty())
}

fn tell(decoded: &[Decoded], format: Format, output: &mut Output) -> anyhow::Result<()> {
    for one in decoded {
        match format {
            Format::Json => output.line(&serde_json::to_string(one)?)?,
            Format::Text => {
                if !one.file.is_empty() {
                    output.line(&format!("{}:{}", one.file, one.line))?;
                }
                output.line(&format!("  {}", crate::output::readable(one.written.as_bytes(), 2000)))?;
                for words in &one.words {
                    output.line(&format!("    {}", crate::output::readable(words.as_bytes(), 4000)))?;
                }
            }
        }
    }
    Ok(())
}

/// The line as it stands in its file, and in words; a container's lines are not read again.
fn written(file: &str, line: u32) -> Decoded {
    let ending = file.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let text = std::fs::read(file).unwrap_or_default();
    if matches!(ending.as_str(), "yar" | "yara") {
        let rule = rules::signatures::yara::text_at(&text, line).unwrap_or_default();
        let rule = String::from_utf8_lossy(rule);
        let mut lines = rule.lines().map(|line| line.trim_end().to_owned());
        let written = lines.next().unwrap_or_default();
        return Decoded { file: file.to_owned(), line, written, words: lines.collect() };
    }
    let written = text.split(|byte| *byte == b'\n').nth((line as usize).saturating_sub(1)).unwrap_or_default();
    let written = String::from_utf8_lossy(written).trim_end().to_owned();
    let words = words(&written, &ending);
    Decoded { file: file.to_owned(), line, written, words }
}

const TARGETS: [&str; 15] = [
    "any file",
    "Windows programs",
    "OLE2 documents",
    "HTML, normalised",
    "the raw message",
    "pictures",
    "ELF programs",
    "text, normalised",
    "nothing",
    "Mach-O programs",
    "PDF",
    "Flash",
    "Java",
    "internal",
    "other data",
];

/// What a line says.
fn words(line: &str, ending: &str) -> Vec<String> {
    let target = |text: &str| match text {
        "*" => TARGETS[0],
        text => text.parse::<usize>().ok().and_then(|number| TARGETS.get(number)).copied().unwrap_or("?"),
    };
    match ending {
        "ndb" | "ndu" => {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, number, offset, hex, ..] = fields[..] else { return Vec::new() };
            vec![
                format!("{}: {name}", language::NAME),
                format!("{}: {}", language::LOOKS_AT, target(number)),
                format!("{}: {offset}", language::OFFSET),
                format!("{}: {}", language::LOOKS_FOR, bytes(hex)),
            ]
        }
        "ldb" | "ldu" => {
            let mut fields = line.split(';');
            let (Some(name), Some(conditions), Some(logic)) = (fields.next(), fields.next(), fields.next()) else {
                return Vec::new();
            };
            let mut words = vec![
                format!("{}: {name}", language::NAME),
                format!("{}: {conditions}", language::CONDITIONS),
                format!("{}: {logic}", language::EXPRESSION),
            ];
            words.extend(fields.enumerate().map(|(number, sub)| {
                let text = match sub.contains('/') || sub.contains('#') || sub.starts_with(['$', 'f']) {
                    true => sub.to_owned(),
                    false => bytes(
                        sub.rsplit_once(':').filter(|(start, _)| !start.ends_with(':')).map_or(sub, |(_, hex)| hex),
                    ),
                };
                format!("{number}: {text}")
            }));
            words
        }
        "db" => {
            let Some((name, hex)) = line.split_once('=') else { return Vec::new() };
            vec![format!("{}: {name}", language::NAME), format!("{}: {}", language::LOOKS_FOR, bytes(hex))]
        }
        _ => {
            let fields = line.split(':').enumerate();
            fields.map(|(number, field)| format!("{}: {field}", number + 1)).collect()
        }
    }
}

/// Hexadecimal digits as the bytes that they are, what stands between them as it is.
fn bytes(hex: &str) -> String {
    let digits = hex.as_bytes();
    let value = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let mut out = String::new();
    let mut text = Vec::new();
    let mut braces = false;
    let mut at = 0;
    while at < digits.len() {
        let here = digits[at];
        braces = match here {
            b'{' | b'[' => true,
            b'}' | b']' => false,
            _ => braces,
        };
        match (braces, value(at), value(at + 1)) {
            (false, Some(high), Some(low)) => {
                text.push((high << 4 | low) as u8);
                at += 2;
            }
            _ => {
                out.push_str(&quoted(&mut text));
                out.push(char::from(here));
                at += 1;
            }
        }
    }
    out.push_str(&quoted(&mut text));
    out
}

fn quoted(text: &mut Vec<u8>) -> String {
    if text.is_empty() {
        return String::new();
    }
    let bytes = std::mem::take(text);
    format!("\"{}\"", crate::output::readable(&bytes, 4000))
}

#[derive(Default, Serialize)]
struct Counted {
    name: String,
    ham: u64,
    spam: u64,
}

fn test(arguments: &Arguments, ham: &[PathBuf], spam: &[PathBuf], output: &mut Output) -> anyhow::Result<u8> {
    let (these, _) = load(arguments)?;
    let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
    let mut totals = [0u64; 2];
    let mut scratch = Scratch::default();
    let config = ViewConfig::default();
    for (kind, paths) in [ham, spam].into_iter().enumerate() {
        for place in input::find(paths, input::Format::Detect) {
            let raw = place.read().with_context(|| place.name())?;
            let message = Message::parse(&raw, &Limits::default());
            let views = Views::new(&message, &config);
            let report = walk::message(&these.database, &views, &these.options, &mut scratch);
            totals[kind] += 1;
            for hit in report.hits {
                let entry =
                    counted.entry(hit.name.clone()).or_insert_with(|| Counted { name: hit.name, ..Default::default() });
                *if kind == 0 { &mut entry.ham } else { &mut entry.spam } += 1;
            }
        }
    }
    let mut rows: Vec<Counted> = counted.into_values().collect();
    rows.sort_by(|a, b| (b.ham, b.spam, &a.name).cmp(&(a.ham, a.spam, &b.name)));
    if arguments.format == Format::Text {
        output.line(&format!("{:>8} {:>8}  {}", language::HAM.text(), language::SPAM.text(), language::NAME))?;
    }
    for row in &rows {
        match arguments.format {
            Format::Text => output.line(&format!("{:>8} {:>8}  {}", row.ham, row.spam, shown(row.name.as_bytes())))?,
            Format::Json => output.line(&serde_json::to_string(row)?)?,
        }
    }
    if arguments.format == Format::Text {
        let hit = rows.iter().filter(|row| row.ham > 0).count();
        output.line(&language::signatures_tested(totals[0], totals[1], rows.len(), hit))?;
    }
    Ok(if rows.iter().any(|row| row.ham > 0) { FOUND } else { CLEAN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_words() {
        for (line, ending, part) in [
            ("A.B:4:*:68656c6c6f{2-5}776f726c64??*(61|62)", "ndb", "\"hello\"{2-5}\"world\"??*(\"a\"|\"b\")"),
            ("A;Target:0;0&1;61626364::i;0:65666768", "ldb", "1: \"efgh\""),
            ("A=616263", "db", "\"abc\""),
        ] {
            let words = words(line, ending).join("\n");
            assert!(words.contains(part), "{words}");
        }
        assert!(words("broken", "ndb").is_empty());
    }
}
