//! The difference between two versions of a ClamAV database: a signed script that adds, removes, changes and moves lines.
//!
//! The script goes through files that the caller holds; nothing is written here. A line that is to go must begin as the
//! script says, or the difference is not for these files and nothing of it counts. Line numbers mean the file as it was
//! when it was opened.

use super::cvd::{DIFFERENCE, Key, verify_list};
use crate::{Refusal, is_plain_name};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;

/// Of a script, unpacked.
const SCRIPT: u64 = 256 << 20;
/// Signatures stand in so many bytes at the end.
const SIGNATURE: usize = 1024;

/// The files of a database, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The script of a `.cdiff` file that ClamAV signed, and the version that it leads to.
pub fn open(cdiff: &[u8]) -> Result<(u32, Vec<u8>), Refusal> {
    open_signed_by(cdiff, &DIFFERENCE)
}

pub(super) fn open_signed_by(cdiff: &[u8], key: &Key) -> Result<(u32, Vec<u8>), Refusal> {
    let (version, script, signed, signature) = parts(cdiff)?;
    verify_list(&Sha256::digest(signed), &signature, key)?;
    Ok((version, script))
}

/// Version, script, the bytes that are signed, and the signature.
pub fn parts(cdiff: &[u8]) -> Result<(u32, Vec<u8>, &[u8], String), Refusal> {
    let wrong = |what: &str| Refusal::Format(format!("no difference between ClamAV databases: {what}"));
    let tail = cdiff.len().saturating_sub(SIGNATURE);
    let colon = cdiff[tail..].iter().rposition(|byte| *byte == b':').ok_or_else(|| wrong("no signature"))? + tail;
    let (signed, signature) = (&cdiff[..colon], &cdiff[colon + 1..]);
    let rest = signed.strip_prefix(b"ClamAV-Diff:").ok_or_else(|| wrong("it does not begin like one"))?;
    let mut fields = rest.splitn(3, |byte| *byte == b':');
    let mut number = || -> Option<u64> { std::str::from_utf8(fields.next()?).ok()?.parse().ok() };
    let version = number().and_then(|version| u32::try_from(version).ok()).ok_or_else(|| wrong("no version"))?;
    let size = number().ok_or_else(|| wrong("no size"))?;
    let packed = fields.next().ok_or_else(|| wrong("no script"))?;
    if size > SCRIPT {
        return Err(Refusal::Limit(format!("a difference of more than {SCRIPT} bytes")));
    }
    let mut script = Vec::new();
    GzDecoder::new(packed).take(size + 1).read_to_end(&mut script).map_err(|_| wrong("cut off or damaged"))?;
    if script.len() as u64 != size {
        return Err(wrong("the script is not as long as it says"));
    }
    Ok((version, script, signed, String::from_utf8_lossy(signature).into_owned()))
}

/// A file that is being edited.
struct Open {
    name: String,
    /// Line numbers, first is 1, with what becomes of them; `None`: they go.
    edits: BTreeMap<usize, (Vec<u8>, Option<Vec<u8>>)>,
    added: Vec<u8>,
}

/// Goes through the script. Where it cannot, there is no result: the caller has the files elsewhere.
pub fn apply(script: &[u8], mut files: Files) -> Result<Files, Refusal> {
    let mut open: Option<Open> = None;
    for (index, line) in script.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        step(line, &mut open, &mut files).map_err(|what| {
            let shown: String = line.escape_ascii().to_string().chars().take(80).collect();
            Refusal::Format(format!("the difference cannot be applied: line {}: {what}: {shown}", index + 1))
        })?;
    }
    match open {
        Some(open) => Err(Refusal::Format(format!("the difference leaves {} open", open.name))),
        None => Ok(files),
    }
}

fn step(line: &[u8], open: &mut Option<Open>, files: &mut Files) -> Result<(), &'static str> {
    let (command, rest) = word(line);
    match command {
        b"OPEN" => match open {
            Some(_) => Err("another file is open"),
            None => {
                *open = Some(Open { name: name(rest)?, edits: BTreeMap::new(), added: Vec::new() });
                Ok(())
            }
        },
        b"CLOSE" => close(open.take().ok_or("no file is open")?, files),
        b"ADD" => {
            let open = open.as_mut().ok_or("no file is open")?;
            open.added.extend_from_slice(rest);
            open.added.push(b'\n');
            Ok(())
        }
        b"DEL" => {
            let (number, expected) = word(rest);
            open.as_mut().ok_or("no file is open")?.edit(number, expected, None)
        }
        b"XCHG" => {
            let (number, rest) = word(rest);
            let (expected, new) = word(rest);
            open.as_mut().ok_or("no file is open")?.edit(number, expected, Some(new.to_vec()))
        }
        b"MOVE" if open.is_some() => Err("a file is open"),
        b"MOVE" => movement(rest, files),
        b"UNLINK" => match open {
            Some(_) => Err("a file is open"),
            None => files.remove(&name(rest)?).map(drop).ok_or("no such file"),
        },
        _ => Err("unknown command"),
    }
}

fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

fn name(bytes: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(bytes).ok().filter(|name| is_plain_name(name));
    name.map(str::to_owned).ok_or("no name of a file")
}

fn number(bytes: &[u8]) -> Result<usize, &'static str> {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    number.filter(|number| *number > 0).ok_or("no number of a line")
}

impl Open {
    fn edit(&mut self, line: &[u8], expected: &[u8], new: Option<Vec<u8>>) -> Result<(), &'static str> {
        match self.edits.insert(number(line)?, (expected.to_vec(), new)) {
            Some(_) => Err("the line is changed twice"),
            None => Ok(()),
        }
    }
}

fn close(open: Open, files: &mut Files) -> Result<(), &'static str> {
    let old = files.remove(&open.name).unwrap_or_default();
    let mut new = Vec::with_capacity(old.len() + open.added.len());
    let mut edits = open.edits.into_iter().peekable();
    for (index, line) in old.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match edits.next_if(|(number, _)| *number == index + 1) {
            None => new.extend_from_slice(line),
            Some((_, (expected, _))) if !line.starts_with(&expected) => return Err("another line stands there"),
            Some((_, (_, None))) => {}
            Some((_, (_, Some(text)))) => {
                new.extend_from_slice(&text);
                new.push(b'\n');
            }
        }
    }
    if edits.next().is_some() {
        return Err("the file has fewer lines");
    }
    new.extend_from_slice(&open.added);
    files.insert(open.name, new);
    Ok(())
}

/// `MOVE from to line start line end`: lines between two, both included, go to the end of another file.
fn movement(rest: &[u8], files: &mut Files) -> Result<(), &'static str> {
    let words: Vec<&[u8]> = rest.splitn(6, |byte| *byte == b' ').collect();
    let [from, to, first, first_text, last, last_text] = words[..] else { return Err("six words are needed") };
    let (from, to, first, last) = (name(from)?, name(to)?, number(first)?, number(last)?);
    if from == to || last < first {
        return Err("nothing can be moved so");
    }
    let old = files.get(&from).ok_or("no such file")?;
    let (mut stays, mut goes) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for (index, line) in old.split_inclusive(|byte| *byte == b'\n').enumerate() {
        seen = index + 1;
        let as_said = (seen != first || line.starts_with(first_text)) && (seen != last || line.starts_with(last_text));
        if !as_said {
            return Err("another line stands there");
        }
        if (first..=last).contains(&seen) { &mut goes } else { &mut stays }.extend_from_slice(line);
    }
    if seen < last {
        return Err("the file has fewer lines");
    }
    files.insert(from, stays);
    files.entry(to).or_default().extend_from_slice(&goes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn commands() {
        let old = files(&[("a.ndb", "one\ntwo\nthree\nfour\n"), ("b.ndb", "B\n"), ("c.ndb", "C\n")]);
        for (script, expected) in [
            (
                "OPEN a.ndb\nADD five six\nDEL 2 tw\nXCHG 3 thr 3 and a half\nCLOSE\n",
                &[("a.ndb", "one\n3 and a half\nfour\nfive six\n"), ("b.ndb", "B\n"), ("c.ndb", "C\n")][..],
            ),
            (
                "OPEN new.ldb\nADD x\nCLOSE",
                &[("a.ndb", "one\ntwo\nthree\nfour\n"), ("b.ndb", "B\n"), ("c.ndb", "C\n"), ("new.ldb", "x\n")],
            ),
            (
                "MOVE a.ndb b.ndb 2 two 3 three\nUNLINK c.ndb\n",
                &[("a.ndb", "one\nfour\n"), ("b.ndb", "B\ntwo\nthree\n")],
            ),
            ("# nothing\r\n\r\n", &[("a.ndb", "one\ntwo\nthree\nfour\n"), ("b.ndb", "B\n"), ("c.ndb", "C\n")]),
        ] {
            assert_eq!(apply(script.as_bytes(), old.clone()).unwrap(), files(expected), "{script}");
        }
    }

    #[test]
    fn what_is_not_for_these_files_is_refused() {
        let old = files(&[("a.ndb", "one\ntwo\n")]);
        for script in [
            "OPEN a.ndb\nDEL 1 two\nCLOSE",
            "OPEN a.ndb\nDEL 3 x\nCLOSE",
            "OPEN a.ndb\nDEL 0 x\nCLOSE",
            "OPEN a.ndb\nDEL 1 one\nDEL 1 one\nCLOSE",
            "OPEN a.ndb\nXCHG 99999999999999999999 one x\nCLOSE",
            "OPEN a.ndb\nADD x",
            "OPEN a.ndb\nOPEN b.ndb\nCLOSE",
            "OPEN ../a.ndb\nCLOSE",
            "OPEN /etc/passwd\nADD x\nCLOSE",
            "CLOSE",
            "ADD x",
            "UNLINK b.ndb",
            "MOVE a.ndb b.ndb 1 two 2 two",
            "MOVE a.ndb b.ndb 2 two 1 one",
            "MOVE a.ndb b.ndb 1 one 9 x",
            "MOVE a.ndb a.ndb 1 one 2 two",
            "EXEC rm",
        ] {
            assert!(matches!(apply(script.as_bytes(), old.clone()), Err(Refusal::Format(_))), "{script}");
        }
    }

    #[test]
    fn no_signature_no_difference() {
        for cdiff in [
            &b""[..],
            b"ClamAV-Diff:",
            b"ClamAV-Diff:2:5:xxxxx:abc",
            b"<html>404: not found</html>",
            b"ClamAV-Diff:2:999999999999:x:y",
        ] {
            assert!(open(cdiff).is_err(), "{}", cdiff.escape_ascii());
        }
    }

    /// SHA-256 and signature of a difference that the project published for tests (freshclam's `test-2.cdiff`).
    #[test]
    fn a_real_difference_was_signed_by_the_project() {
        let digest = [
            0xeb, 0x8d, 0xb6, 0x34, 0x77, 0xd7, 0xe9, 0x33, 0x29, 0x0c, 0xf9, 0x46, 0x57, 0x50, 0xbb, 0xdf, 0x3a, 0x9b,
            0xf1, 0x60, 0xe8, 0x4e, 0x94, 0x1e, 0x02, 0xad, 0x7a, 0xe8, 0x0d, 0x10, 0x23, 0xf5,
        ];
        let signature = "3GYo0NXQzFJfEudDQDAxL2xGzIw/86MgHbcBGxmc3/BQZFUg0sl5JIBRuIExBN6rtbigqEb/dUpdGWEeb+/bL/AhlOeeRhjOluJZ\
            UkKLhB45OFGdUmQCyv54NoTm4Ju2qoKxm/LIym7jpQOF/6rXIvg6QjKDQxwI4kSObM+Wf2FCA2znvaI+Y+iZl+gKC4i/yiEjU5z5\
            zqfZSmBGXxvrNj06F82SeCvtQQnC0wK7mLzBMFhEI+kkbJvNdyzMI33yBbZuWU0+Ia8fUsWgeGloGCvLljWWguVr8vVW7XVDitd4\
            Wp9wTHA4t2CyDZdKq5w9qp/JP6g6NTNV/WmtXaotb";
        assert_eq!(verify_list(&digest, signature, &DIFFERENCE), Ok(()));
        assert!(verify_list(&Sha256::digest(b""), signature, &DIFFERENCE).is_err());
        assert!(verify_list(&digest, &signature.replacen('Y', "Z", 1), &DIFFERENCE).is_err());
    }
}
