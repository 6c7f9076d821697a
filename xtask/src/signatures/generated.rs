//! `cargo xtask signatures parity generated`: a message for every signature that no message of the data exercises.
//!
//! First each gets the bytes it looks for where its target looks first. What no one found there is tried in other shapes:
//! as the whole of an attachment, at the beginning of a text, within a link, within a script, as the message itself. Both
//! clamscan and sekisho say what is in them; the names must agree whether or not the signature was met. In the end it is
//! said how many were met, and why the others were not.

use super::parity::{CACHE, Known, MAIL, clamscan, collect, compare, load, ours, signature_files};
use anyhow::Result;
use rules::signatures::Expression;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a line asks for, as far as a message can be made of it.
struct Wanted {
    name: String,
    target: String,
    at_start: bool,
    bytes: Vec<u8>,
}

/// How a message is written around the bytes.
const SHAPES: &[&str] = &["attachment", "text", "link", "markup", "script", "message"];

pub fn run(data: &Path, anew: bool, known: &Known) -> Result<usize> {
    let by_mail: BTreeSet<String> =
        clamscan("mail", data, MAIL, &data.join("real_mail"), false)?.into_values().flatten().collect();
    let mut wanted = Vec::new();
    let mut impossible: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut met = 0;
    for file in signature_files(data)? {
        let ending = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read(&file)?;
        for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match read(&ending, line) {
                Some(Ok(one)) if by_mail.contains(&format!("{}.UNOFFICIAL", one.name)) => met += 1,
                Some(Ok(one)) => wanted.push(one),
                Some(Err((name, reason))) => impossible.entry(reason).or_default().push(name),
                None => {}
            }
        }
    }
    println!("{met} signatures are met by messages of the data, {} are to be", wanted.len());

    let mut different = 0;
    let mut silent: Vec<Wanted> = Vec::new();
    let answers = round("generated", data, anew, known, &mut different, |folder| {
        wanted.iter().enumerate().try_for_each(|(number, one)| write(folder, number, &message(&one.target, &one.bytes)))
    })?;
    for one in wanted {
        if answers.contains(&format!("{}.UNOFFICIAL", one.name)) { met += 1 } else { silent.push(one) }
    }
    println!("{met} with a message made for each, {} are tried in other shapes", silent.len());
    let answers = round("generated-shapes", data, anew, known, &mut different, |folder| {
        let all = silent.iter().flat_map(|one| SHAPES.iter().map(move |shape| shaped(shape, one)));
        all.enumerate().try_for_each(|(number, message)| write(folder, number, &message))
    })?;
    for one in silent {
        if answers.contains(&format!("{}.UNOFFICIAL", one.name)) {
            met += 1;
        } else {
            impossible.entry(reason(&one)).or_default().push(one.name);
        }
    }
    println!("{met} signatures met in all, {} not:", impossible.values().map(Vec::len).sum::<usize>());
    for (reason, names) in &impossible {
        let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        println!("  {:>6}  {reason} ({} ...)", names.len(), some.join(", "));
    }
    Ok(different)
}

/// Makes a folder of messages, has it judged twice, and tells all names that clamscan found.
fn round(
    name: &str,
    data: &Path,
    anew: bool,
    known: &Known,
    different: &mut usize,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<BTreeSet<String>> {
    let folder = Path::new(CACHE).join(name);
    let answers = format!("{name}-answers");
    let fresh = anew || !folder.exists();
    if fresh {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        make(&folder)?;
    }
    let root = folder.canonicalize()?;
    let bare = |name: String| name.trim_start_matches("./").to_owned();
    let files: Vec<_> = collect(&root, &["."])?.into_iter().map(|(name, path)| (bare(name), path)).collect();
    let theirs = clamscan(&answers, &root, &["."], &data.join("real_mail"), fresh)?;
    let theirs = theirs.into_iter().map(|(path, names)| (bare(path), names)).collect();
    let database = load(&signature_files(data)?)?;
    let ours = ours(&database, &files)?;
    *different += compare(name, files.len(), &ours, &theirs, known);
    Ok(theirs.into_values().flatten().collect())
}

fn write(folder: &Path, number: usize, message: &[u8]) -> Result<()> {
    let place = folder.join(format!("{:02}", number % 100));
    std::fs::create_dir_all(&place)?;
    Ok(std::fs::write(place.join(format!("{number:06}.eml")), message)?)
}

/// `None`: no signature; `Err`: one for which no message can be made.
fn read(ending: &str, line: &str) -> Option<Result<Wanted, (String, &'static str)>> {
    let wanted = |name: &str, target: &str, offset: &str, bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => {
            Ok(Wanted { name: name.into(), target: target.into(), at_start: offset.starts_with('0'), bytes })
        }
        None => Err((name.to_owned(), "wildcards that the generator does not write")),
    };
    match ending {
        "ndb" => {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, target, offset, hex, ..] = fields[..] else { return None };
            Some(wanted(name, target, offset, example(hex)))
        }
        "db" => {
            let (name, hex) = line.split_once('=')?;
            Some(wanted(name, "0", "*", example(hex)))
        }
        "ldb" => {
            let fields: Vec<&str> = line.split(';').collect();
            let [name, conditions, logic, subs @ ..] = &fields[..] else { return None };
            let target = conditions.split(',').find_map(|condition| condition.strip_prefix("Target:")).unwrap_or("0");
            Some(wanted(name, target, "*", satisfying(logic, subs)))
        }
        "hdb" | "hsb" => {
            let name = line.split(':').nth(2).unwrap_or(line);
            Some(Err((name.to_owned(), "a digest, for which no file can be made")))
        }
        "cdb" | "zmd" | "rmd" => {
            let name = line.split(':').next().unwrap_or(line);
            Some(Err((name.to_owned(), "a member's facts, for which the generator makes no archive")))
        }
        "pdb" | "gdb" | "wdb" => Some(Err((line.to_owned(), "a table of addresses, for which no link is made"))),
        _ => None,
    }
}

/// The strings of a logical signature that make its expression hold: each once, some left away, some twice.
fn satisfying(logic: &str, subs: &[&str]) -> Option<Vec<u8>> {
    let expression = Expression::parse(logic.as_bytes()).ok()?;
    let ones = vec![1u32; subs.len()];
    let mut trials = vec![ones.clone(), vec![2; subs.len()]];
    for present in 1..1u32 << subs.len().min(10) {
        trials.push((0..subs.len()).map(|sub| present >> sub.min(31) & 1).collect());
    }
    let counts = trials.into_iter().find(|counts| expression.holds(counts))?;
    let mut out = Vec::new();
    for (sub, count) in subs.iter().zip(counts) {
        for _ in 0..count {
            let hex = sub.split("::").next().unwrap_or(sub);
            out.extend(example(hex.rsplit(':').next().unwrap_or(hex))?);
            out.extend_from_slice(b"\n");
        }
    }
    Some(out)
}

/// Why it may be that nothing was found.
fn reason(wanted: &Wanted) -> &'static str {
    let normalised = matches!(wanted.target.as_str(), "3" | "7");
    let holds = |what: fn(&u8) -> bool| wanted.bytes.iter().any(what);
    if normalised && holds(u8::is_ascii_uppercase) {
        "capital letters, which the normalised copy has only in addresses"
    } else if wanted.target == "7" && holds(|byte| *byte < b' ' || *byte > b'~') {
        "bytes that normalised text does not have"
    } else if normalised && wanted.bytes.windows(2).any(|pair| pair == b"  ") {
        "two blanks, of which the normalised copy leaves one"
    } else if wanted.target == "3" {
        "markup that is normalised to something else"
    } else {
        "not met in any of the shapes"
    }
}

/// Bytes that a signature fits: the first of alternatives, `x` for what may be anything, gaps at their least.
fn example(hex: &str) -> Option<Vec<u8>> {
    let text = hex.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    let until = |from: usize, end: u8| Some(from + text.get(from..)?.iter().position(|byte| *byte == end)?);
    while at < text.len() {
        match text[at] {
            b'*' => at += 1,
            open @ (b'{' | b'[') => {
                let end = until(at, if open == b'{' { b'}' } else { b']' })?;
                let gap = std::str::from_utf8(&text[at + 1..end]).ok()?;
                let least = gap.split('-').next().unwrap_or_default().parse().unwrap_or(0);
                out.extend(std::iter::repeat_n(b'x', least));
                at = end + 1;
            }
            b'!' => {
                let end = until(at, b')')?;
                let inside = std::str::from_utf8(text.get(at + 2..end)?).ok()?;
                let not: Vec<Vec<u8>> = inside.split('|').map(example).collect::<Option<_>>()?;
                let length = not.first()?.len();
                out.extend(
                    [b'q', b'z', b'0'].map(|byte| vec![byte; length]).into_iter().find(|one| !not.contains(one))?,
                );
                at = end + 1;
            }
            b'(' => {
                let end = until(at, b')')?;
                match &text[at + 1..end] {
                    b"B" | b"W" => out.push(b' '),
                    b"L" => out.push(b'\n'),
                    inside => out.extend(example(std::str::from_utf8(inside).ok()?.split('|').next()?)?),
                }
                at = end + 1;
            }
            _ => {
                let pair = [*text.get(at)?, *text.get(at + 1)?].map(|byte| if byte == b'?' { b'4' } else { byte });
                out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
                at += 2;
            }
        }
    }
    Some(out)
}

fn head(kind: &str, coding: &str) -> Vec<u8> {
    format!(
        "From: a@example.org\nTo: b@example.org\nSubject: made\nDate: Mon, 5 Jan 2026 09:45:12 +0000\n\
         MIME-Version: 1.0\nContent-Type: {kind}\nContent-Transfer-Encoding: {coding}\n\n"
    )
    .into_bytes()
}

/// A message in which a signature of this target meets the bytes.
fn message(target: &str, bytes: &[u8]) -> Vec<u8> {
    match target {
        "3" => [&head("text/html", "8bit")[..], b"<html><body>\n", bytes, b"\n</body></html>\n"].concat(),
        "10" => [&head("application/pdf", "8bit")[..], b"%PDF-1.4\n", bytes, b"\n%%EOF\n"].concat(),
        _ => [&head("text/plain", "8bit")[..], b"see: ", bytes, b" \n"].concat(),
    }
}

fn shaped(shape: &str, wanted: &Wanted) -> Vec<u8> {
    let bytes = &wanted.bytes[..];
    let coded = |kind: &str, content: &[u8]| [&head(kind, "base64")[..], &base64(content)].concat();
    match shape {
        "attachment" => {
            let content = match wanted.target.as_str() {
                "2" => [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 512], bytes, &[0; 512]].concat(),
                "10" if !bytes.starts_with(b"%PDF") => [b"%PDF-1.4\n", bytes, b"\n%%EOF\n"].concat(),
                _ => [bytes, b" and more of it\n"].concat(),
            };
            let name = "application/octet-stream; name=a.bin";
            [
                &head("multipart/mixed; boundary=b", "7bit")[..],
                format!("--b\nContent-Type: {name}\nContent-Transfer-Encoding: base64\n\n").as_bytes(),
                &base64(&content),
                b"\n--b--\n",
            ]
            .concat()
        }
        "text" => coded("text/plain", &[bytes, b" and more text\n"].concat()),
        "link" => {
            let trimmed = bytes.trim_ascii();
            coded(
                "text/html",
                &[b"<html><body><p><a href=\"", trimmed, b"/\">more of it</a></p></body></html>\n"].concat(),
            )
        }
        "markup" => coded("text/html", &[b"<html><body>", bytes, b"><p>more of it</p></body></html>\n"].concat()),
        "script" => {
            coded("text/html", &[b"<html><script>var a = \"", bytes, b"\";</script><p>more</p></html>\n"].concat())
        }
        _ => match wanted.at_start {
            true => [bytes, b"\nFrom: a@example.org\nSubject: made\n\nsome text\n"].concat(),
            false => [b"From: a@example.org\n", bytes, b"\nSubject: made\n\nsome text\n"].concat(),
        },
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for (index, three) in bytes.chunks(3).enumerate() {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let digits = (0..4).map(|digit| DIGITS[(number >> (18 - 6 * digit) & 63) as usize]);
        out.extend(digits.take(three.len() + 1));
        out.extend(std::iter::repeat_n(b'=', 3 - three.len()));
        if index % 19 == 18 {
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out
}
