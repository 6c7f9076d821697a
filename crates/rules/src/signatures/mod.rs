//! Signatures in ClamAV's formats -> one [`Set`] + diagnostics.
//!
//! In: named texts (the ending of the name says the format). Out: everything compiled and cacheable. A line that cannot
//! be understood becomes a [`Diagnostic`]; the rest of its file is in force, which ClamAV does not offer: there, one bad
//! line keeps the whole engine from starting.
//!
//! Texts are read once, in the given order, but for lists of ignored names, which are read first.

mod body;
pub mod container;
pub mod expression;
mod file_type;
mod hash;
mod ignore;
mod logical;
mod member;
mod set;
mod tables;
pub mod yara;

pub use expression::Expression;
pub use file_type::{FileType, NAMES as FILE_TYPE_NAMES, Target};
pub use hash::{Digest, Hashes};
pub use patterns::signature::blob::in_place;
pub use set::{
    ByteCompare, Conditions, Logical, MemberSignature, NumberForm, Owner, Set, SignatureId, Statistics, Sub, Yara,
};
pub use tables::{AddressDigest, AddressForm, AddressPattern, DigestForm, Magic, Password, Phishing};

use crate::Diagnostic;
use crate::diagnostic::{self, Code};
use ignore::Ignored;
use std::borrow::Cow;
use std::ops::Range;

/// One file of signatures.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The file's name or path; its ending says the format.
    pub name: Cow<'a, str>,
    pub bytes: Cow<'a, [u8]>,
    /// Published by ClamAV and verified as such: names are then reported without `.UNOFFICIAL`.
    pub official: bool,
}

/// What the caller decides about a load.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which engine we pass for where signatures ask for a range of versions (FLEVEL); 216 is ClamAV 1.4.
    pub functionality_level: u32,
    /// Take signatures of possibly unwanted programs (`.ndu .ldu .hdu .hsu`).
    pub unwanted_programs: bool,
    /// Take `HTML.Phishing*` and `Email.Phishing*`.
    pub phishing_signatures: bool,
    /// Most bytes that a container (`.cvd`) may unpack to.
    pub largest_container: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            functionality_level: 216,
            unwanted_programs: false,
            phishing_signatures: true,
            largest_container: 2 << 30,
        }
    }
}

/// A format, known by the ending of a file's name.
pub struct Format {
    pub ending: &'static str,
    /// What it holds, in a few words.
    pub what: &'static str,
    read: Reading,
}

/// What is done with the lines of a file.
#[derive(Clone, Copy)]
enum Reading {
    /// Each line by itself.
    Lines(fn(&mut Loader<'_>, &Line<'_>) -> Result<(), Refused>),
    /// The same, for possibly unwanted programs.
    Unwanted(fn(&mut Loader<'_>, &Line<'_>) -> Result<(), Refused>),
    /// All of it at once; how many signatures are in force, and how many were passed over.
    Whole(fn(&mut Loader<'_>, &[u8]) -> (u64, u64)),
    /// Read before everything else.
    Ignored,
    Container,
    /// Counted: executables alone, or another program's state.
    NotForMail,
    /// Known and not read.
    Unread,
}

/// Every format, sorted by ending.
pub static FORMATS: &[Format] = &[
    Format { ending: "cat", what: "catalogues of signed executables", read: Reading::NotForMail },
    Format { ending: "cbc", what: "bytecode", read: Reading::NotForMail },
    Format { ending: "cdb", what: "members of containers", read: Reading::Lines(member::line) },
    Format { ending: "cfg", what: "switches of ClamAV's engine", read: Reading::NotForMail },
    Format { ending: "cld", what: "container", read: Reading::Container },
    Format { ending: "crb", what: "certificates of executables", read: Reading::NotForMail },
    Format { ending: "cud", what: "container, unsigned", read: Reading::Container },
    Format { ending: "cvd", what: "container", read: Reading::Container },
    Format { ending: "db", what: "strings of bytes, bare", read: Reading::Lines(body::bare_line) },
    Format { ending: "fp", what: "digests of trusted files", read: Reading::Lines(body::trusted_line) },
    Format { ending: "ftm", what: "kinds of files", read: Reading::Lines(body::magic_line) },
    Format { ending: "gdb", what: "digests of addresses", read: Reading::Lines(body::digest_line) },
    Format { ending: "hdb", what: "digests of files", read: Reading::Lines(body::hash_line) },
    Format { ending: "hdu", what: "digests of files", read: Reading::Unwanted(body::hash_line) },
    Format { ending: "hsb", what: "digests of files", read: Reading::Lines(body::hash_line) },
    Format { ending: "hsu", what: "digests of files", read: Reading::Unwanted(body::hash_line) },
    Format { ending: "idb", what: "icons of executables", read: Reading::NotForMail },
    Format { ending: "ign", what: "ignored signatures", read: Reading::Ignored },
    Format { ending: "ign2", what: "ignored signatures", read: Reading::Ignored },
    Format { ending: "imp", what: "imports of executables", read: Reading::NotForMail },
    Format { ending: "info", what: "digests of a container's members", read: Reading::NotForMail },
    Format { ending: "ioc", what: "OpenIOC", read: Reading::Unread },
    Format { ending: "ldb", what: "logical signatures", read: Reading::Lines(logical::line) },
    Format { ending: "ldu", what: "logical signatures", read: Reading::Unwanted(logical::line) },
    Format { ending: "mdb", what: "sections of executables", read: Reading::NotForMail },
    Format { ending: "mdu", what: "sections of executables", read: Reading::NotForMail },
    Format { ending: "msb", what: "sections of executables", read: Reading::NotForMail },
    Format { ending: "msu", what: "sections of executables", read: Reading::NotForMail },
    Format { ending: "ndb", what: "strings of bytes", read: Reading::Lines(body::line) },
    Format { ending: "ndu", what: "strings of bytes", read: Reading::Unwanted(body::line) },
    Format { ending: "pdb", what: "addresses to protect", read: Reading::Lines(body::protected_line) },
    Format { ending: "pwdb", what: "passwords of archives", read: Reading::Lines(body::password_line) },
    Format { ending: "rmd", what: "members of archives, old form", read: Reading::Unread },
    Format { ending: "sdb", what: "strings of bytes", read: Reading::Lines(body::line) },
    Format { ending: "sfp", what: "digests of trusted files", read: Reading::Lines(body::trusted_line) },
    Format { ending: "wdb", what: "allowed addresses", read: Reading::Lines(body::allowed_line) },
    Format { ending: "yar", what: "YARA rules", read: Reading::Whole(yara::file) },
    Format { ending: "yara", what: "YARA rules", read: Reading::Whole(yara::file) },
    Format { ending: "zmd", what: "members of archives, old form", read: Reading::Unread },
];

/// The format of a file of this name.
pub fn format(name: &str) -> Option<&'static Format> {
    let (_, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    FORMATS.binary_search_by(|format| format.ending.cmp(&ending)).ok().map(|index| &FORMATS[index])
}

/// Compiles what the files say.
pub fn load(files: &[Source<'_>], options: &Options) -> (Set, Vec<Diagnostic>) {
    let mut loader = Loader::new(options);
    let mut unpacked: Vec<Option<Vec<Source<'static>>>> = Vec::with_capacity(files.len());
    for file in files {
        unpacked.push(match format(&file.name).map(|format| format.read) {
            Some(Reading::Container) => Some(loader.unpack(file)),
            _ => None,
        });
    }
    let all = || {
        files.iter().zip(&unpacked).flat_map(|(file, members)| match members {
            Some(members) => members.as_slice(),
            None => std::slice::from_ref(file),
        })
    };
    for file in all() {
        if matches!(format(&file.name).map(|format| format.read), Some(Reading::Ignored)) {
            loader.read(file);
        }
    }
    for file in all() {
        if !matches!(format(&file.name).map(|format| format.read), Some(Reading::Ignored)) {
            loader.read(file);
        }
    }
    drop(unpacked);
    loader.finish()
}

/// One line, without its end.
struct Line<'a> {
    text: &'a [u8],
    number: u32,
}

/// Why a line is not in force.
enum Refused {
    /// As meant: another version, an ignored name.
    Skip,
    Bad {
        message: String,
        at: Range<usize>,
    },
}

fn bad<T>(message: impl Into<String>, at: Range<usize>) -> Result<T, Refused> {
    Err(Refused::Bad { message: message.into(), at })
}

/// Findings kept for one file; what is beyond is counted.
const MOST_FINDINGS: u32 = 200;

struct Loader<'o> {
    options: &'o Options,
    body: patterns::signature::Builder,
    set: Set,
    /// Of the set, while it is made.
    owners: Vec<u32>,
    names: Vec<u8>,
    name_ends: Vec<u32>,
    lines: Vec<u32>,
    hashes: hash::Builder,
    allowed: hash::Builder,
    member_names: patterns::Builder,
    ignored: Ignored,
    diagnostics: Vec<Diagnostic>,
    /// The file being read.
    file: String,
    findings: u32,
    /// Hashes of pictures that its signatures ask for.
    pictures: u32,
}

impl Loader<'_> {
    fn new(options: &Options) -> Loader<'_> {
        Loader {
            options,
            body: patterns::signature::Builder::new(),
            set: Set::default(),
            owners: Vec::new(),
            names: Vec::new(),
            name_ends: Vec::new(),
            lines: Vec::new(),
            hashes: hash::Builder::default(),
            allowed: hash::Builder::default(),
            member_names: patterns::Builder::new(),
            ignored: Ignored::default(),
            diagnostics: Vec::new(),
            file: String::new(),
            findings: 0,
            pictures: 0,
        }
    }

    fn unpack(&mut self, file: &Source<'_>) -> Vec<Source<'static>> {
        self.begin(&file.name);
        let members = match container::members(&file.bytes, self.options.largest_container) {
            Ok(members) => members,
            Err(error) => {
                self.found(&diagnostic::BAD_CONTAINER, error.to_string(), None, 0..0);
                return Vec::new();
            }
        };
        let members = members
            .into_iter()
            .filter(|member| format(&member.name).is_some_and(|format| !matches!(format.read, Reading::Container)));
        members
            .map(|member| Source {
                name: format!("{}/{}", file.name, member.name).into(),
                bytes: member.bytes.into(),
                official: file.official,
            })
            .collect()
    }

    fn begin(&mut self, name: &str) {
        self.file.clear();
        self.file.push_str(name);
        self.findings = 0;
        self.pictures = 0;
    }

    fn read(&mut self, file: &Source<'_>) {
        self.begin(&file.name);
        let Some(format) = format(&file.name) else {
            let message = "the ending of the name is not a format of signatures";
            return self.found(&diagnostic::UNKNOWN_SIGNATURE_FORMAT, message, None, 0..0);
        };
        if file.bytes.trim_ascii().is_empty() {
            return self.found(&diagnostic::EMPTY_SIGNATURE_FILE, "the file is empty", None, 0..0);
        }
        let first = self.name_ends.len() as u32;
        self.set.names.files.push((first, file.name.to_string(), file.official));
        let (mut loaded, mut skipped, mut others) = (0, 0, 0);
        let mut number = 0;
        let mut rest: &[u8] = &file.bytes;
        if let Reading::Whole(read) = format.read {
            (loaded, skipped) = read(self, rest);
            rest = &[];
        }
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let text = rest[..end].trim_ascii_end();
            rest = rest.get(end + 1..).unwrap_or_default();
            number += 1;
            if text.is_empty() || text[0] == b'#' {
                continue;
            }
            let line = Line { text, number };
            let read = match format.read {
                Reading::Lines(read) => read(self, &line),
                Reading::Unwanted(read) if self.options.unwanted_programs => read(self, &line),
                Reading::Unwanted(_) => Err(Refused::Skip),
                Reading::Ignored => self.ignored.line(&line),
                Reading::Container | Reading::NotForMail | Reading::Whole(_) => {
                    others += 1;
                    continue;
                }
                Reading::Unread => {
                    let message = format!(".{} ({}) is not read by this version", format.ending, format.what);
                    return self.found(&diagnostic::UNREAD_SIGNATURE_FORMAT, message, None, 0..0);
                }
            };
            match read {
                Ok(()) => loaded += 1,
                Err(Refused::Skip) => skipped += 1,
                Err(Refused::Bad { message, at }) => {
                    self.found(&diagnostic::BAD_SIGNATURE, message, Some(&line), at);
                }
            }
        }
        if self.findings > MOST_FINDINGS {
            let message = format!("{} more lines of this file are not in force", self.findings - MOST_FINDINGS);
            self.findings = 0;
            self.found(&diagnostic::BAD_SIGNATURE, message, None, 0..0);
        }
        if self.pictures > 0 {
            let message = format!("{} `fuzzy_img` are counted and not matched", self.pictures);
            self.found(&diagnostic::PICTURE_HASH, message, None, 0..0);
        }
        let statistics = &mut self.set.statistics;
        for (counts, count) in [
            (&mut statistics.loaded, loaded),
            (&mut statistics.skipped, skipped),
            (&mut statistics.not_for_mail, others),
        ] {
            if count > 0 {
                *counts.entry(format.ending.to_owned()).or_default() += count;
            }
        }
    }

    fn found(&mut self, code: &'static Code, message: impl Into<String>, line: Option<&Line<'_>>, at: Range<usize>) {
        self.findings += 1;
        if self.findings > MOST_FINDINGS {
            return;
        }
        let (excerpt, column, width) =
            line.map_or_else(|| (String::new(), 0, 1), |line| diagnostic::excerpt(line.text, at.start, at.end));
        self.diagnostics.push(Diagnostic {
            severity: code.severity,
            code: code.code.to_owned(),
            name: code.name.to_owned(),
            message: diagnostic::printable(&message.into()),
            file: self.file.clone(),
            line: line.map_or(0, |line| line.number),
            column: column + u32::from(line.is_some()),
            width,
            excerpt,
            label: String::new(),
            remedy: code.remedy.to_owned(),
            rule: None,
        });
    }

    /// Gives a signature its number.
    fn name(&mut self, name: &[u8], line: &Line<'_>) -> u32 {
        let id = self.name_ends.len() as u32;
        match std::str::from_utf8(name) {
            Ok(_) => self.names.extend_from_slice(name),
            Err(_) => self.names.extend_from_slice(String::from_utf8_lossy(name).as_bytes()),
        }
        self.name_ends.push(self.names.len() as u32);
        self.lines.push(line.number);
        id
    }

    /// Refuses empty names, and passes over ignored ones.
    fn check_name<'n>(&self, name: &'n [u8], line: &Line<'_>) -> Result<&'n [u8], Refused> {
        let name = name.strip_suffix(b" (Clam)").unwrap_or(name);
        if name.is_empty() {
            return bad("the name is missing", 0..1);
        }
        if self.ignored.holds(name, line.text) {
            return Err(Refused::Skip);
        }
        let phishing = [&b"HTML.Phishing"[..], b"Email.Phishing"];
        if !self.options.phishing_signatures && phishing.iter().any(|start| name.starts_with(start)) {
            return Err(Refused::Skip);
        }
        Ok(name)
    }

    /// The fields that say for which engines a signature is meant.
    fn check_levels(&self, line: &Line<'_>, min: Option<&[u8]>, max: Option<&[u8]>) -> Result<(), Refused> {
        let level = |field: Option<&[u8]>| match field {
            None => Ok(None),
            Some(field) => match number(field) {
                Some(level) => Ok(Some(level)),
                None => bad("a functionality level is a number", place(line, field)),
            },
        };
        let own = u64::from(self.options.functionality_level);
        if level(min)?.is_some_and(|min| min > own) || level(max)?.is_some_and(|max| max < own) {
            return Err(Refused::Skip);
        }
        Ok(())
    }

    fn finish(mut self) -> (Set, Vec<Diagnostic>) {
        self.set.body = self.body.build();
        self.set.hashes = self.hashes.build();
        self.set.allowed = self.allowed.build();
        if !self.set.members.is_empty() {
            self.set.member_names = Some(self.member_names.build());
        }
        self.set.owners = self.owners[..].into();
        self.set.names.text = self.names.into();
        self.set.names.ends = self.name_ends[..].into();
        self.set.names.lines = self.lines[..].into();
        (self.set, self.diagnostics)
    }
}

/// Where a field stands in its line.
fn place(line: &Line<'_>, field: &[u8]) -> Range<usize> {
    let start = (field.as_ptr() as usize).wrapping_sub(line.text.as_ptr() as usize);
    if start > line.text.len() { 0..line.text.len() } else { start..start + field.len() }
}

fn number(field: &[u8]) -> Option<u64> {
    let digits = !field.is_empty() && field.len() < 20 && field.iter().all(u8::is_ascii_digit);
    digits.then(|| field.iter().fold(0u64, |n, digit| n.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

/// `a-b`, `a`, `-b`, `a-`; `*` is no limit.
fn range(field: &[u8]) -> Option<Option<(u64, u64)>> {
    if field == b"*" {
        return Some(None);
    }
    match field.iter().position(|b| *b == b'-') {
        None => number(field).map(|n| Some((n, n))),
        Some(dash) => {
            let (low, high) = (&field[..dash], &field[dash + 1..]);
            let low = if low.is_empty() { 0 } else { number(low)? };
            let high = if high.is_empty() { u64::MAX } else { number(high)? };
            (low <= high).then_some(Some((low, high)))
        }
    }
}

/// Up to `N` fields; how many there are in all.
fn fields<const N: usize>(text: &[u8], separator: u8) -> ([Option<&[u8]>; N], usize) {
    let mut fields = [None; N];
    let mut count = 0;
    for field in text.split(|b| *b == separator) {
        if let Some(place) = fields.get_mut(count) {
            *place = Some(field);
        }
        count += 1;
    }
    (fields, count)
}

fn hex_bytes(field: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    if field.len() % 2 == 1 {
        return None;
    }
    field.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;
