//! Whether a file looks like what its name promises, before anything reads it closely: publishers that close down, move or
//! want to be paid answer with empty files and with pages for people.

use crate::Refusal;

/// What a file is to us, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SpamAssassin's language.
    Rules,
    /// One of the formats of ClamAV that are lines of text.
    Signatures,
    /// `.cvd`, `.cld`, `.cud`.
    Container,
    /// A compressed tar file.
    Archive,
    /// Neither rules nor signatures: see [`crate::data`].
    Data,
    /// Belongs to a set, and nothing here reads it: a licence, a list of languages.
    Other,
}

/// Formats of signatures that are text, by their endings.
pub const SIGNATURES: &[&str] = &[
    "cat", "cbc", "cdb", "cfg", "crb", "db", "fp", "ftm", "gdb", "hdb", "hdu", "hsb", "hsu", "idb", "ign", "ign2",
    "imp", "info", "ioc", "ldb", "ldu", "mdb", "mdu", "msb", "msu", "ndb", "ndu", "pdb", "pwdb", "rmd", "sdb", "sfp",
    "wdb", "yar", "yara", "zmd",
];

pub fn kind(name: &str) -> Kind {
    if crate::data::form(name).is_some() {
        return Kind::Data;
    }
    let name = name.to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "cf" | "pre" => Kind::Rules,
        "cvd" | "cld" | "cud" => Kind::Container,
        "gz" | "tgz" => Kind::Archive,
        _ if SIGNATURES.contains(&ending) => Kind::Signatures,
        _ => Kind::Other,
    }
}

/// A file that is none: empty, a page for people, a pointer to elsewhere, or of another format altogether.
pub fn check(name: &str, content: &[u8]) -> Result<(), Refusal> {
    let placeholder = |what: &str| Err(Refusal::Placeholder(format!("{name} is {what}")));
    let start = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    if start.is_empty() {
        return placeholder("empty");
    }
    if is_page(start) {
        return placeholder("a web page, not a file for programs");
    }
    if start.starts_with(b"version https://git-lfs.github.com/") {
        return placeholder("a pointer to a file that is kept elsewhere");
    }
    let wrong = |what: &str| Err(Refusal::Format(format!("{name} is {what}")));
    match kind(name) {
        Kind::Container if !content.starts_with(b"ClamAV-VDB:") => wrong("no container of ClamAV"),
        Kind::Archive if !content.starts_with(&[0x1f, 0x8b]) => wrong("not compressed by gzip"),
        Kind::Rules | Kind::Signatures if content.contains(&0) => wrong("not text"),
        Kind::Data => crate::data::check(name, content).map(drop),
        _ => Ok(()),
    }
}

/// Nothing that we fetch begins with a tag of HTML or XML.
fn is_page(start: &[u8]) -> bool {
    let start: Vec<u8> = start.iter().take(40).map(u8::to_ascii_lowercase).collect();
    [&b"<!doctype"[..], b"<html", b"<head", b"<body", b"<?xml", b"<title", b"<script", b"<!--", b"<meta"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

/// Lines that say something: how much of a set there is.
pub fn lines(content: &[u8]) -> usize {
    content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_told_apart() {
        for (name, content, expected) in [
            ("a.ndb", &b"A:0:*:61626364\n"[..], ""),
            ("a.cf", b"\xef\xbb\xbf# rules\n", ""),
            ("a.ndb", b"", "placeholder"),
            ("a.ndb", b" \r\n\n", "placeholder"),
            ("a.ndb", b"\n <!DOCTYPE html><html>", "placeholder"),
            ("a.cf", b"\xef\xbb\xbf<HTML>", "placeholder"),
            ("a.ndb", b"version https://git-lfs.github.com/spec/v1\n", "placeholder"),
            ("a.cvd", b"A:0:*:61", "format"),
            ("a.tgz", b"PK\x03\x04", "format"),
            ("a.ndb", b"\x1f\x8b\x08\x00", "format"),
        ] {
            let kind = check(name, content).err().map_or("", |refusal| refusal.kind());
            assert_eq!(kind, expected, "{name} {}", content.escape_ascii());
        }
    }

    #[test]
    fn endings() {
        assert!(SIGNATURES.windows(2).all(|pair| pair[0] < pair[1]));
        for (name, expected) in [
            ("72_active.cf", Kind::Rules),
            ("phish.NDB", Kind::Signatures),
            ("main.cvd", Kind::Container),
            ("x.tar.gz", Kind::Archive),
            ("COPYING", Kind::Other),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
        assert_eq!(lines(b"# a\n\nA\r\n B\n\r\n"), 2);
    }
}
