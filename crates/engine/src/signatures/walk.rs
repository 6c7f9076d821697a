//! From bytes to all that signatures look at: a message or any other file, its parts, their members, normalised copies.
//!
//! In: a [`Database`], bytes, and for messages their views. Out: [`Report`]: each signature that hit, once, with the bytes
//! it saw. The walk is ClamAV's: each part is what its content says, text is matched raw (target 0) and normalised (7),
//! HTML in its three normalised copies only (3), the raw message at last (4), hashes on every file, an allow-listed
//! file takes what it contains with it. [`Options::beyond`] adds what ClamAV does not look at; such hits are marked.
//!
//! Everything that a stranger can multiply is paid from one [`unpack::Budget`]; where it ends, the report says so.

use super::database::Database;
use super::layer::{self, Found, Layer, Member, SignatureId};
use super::mailbox::{self, Piece};
use super::passwords;
use mail::views::{ViewConfig, Views};
use mail::{Message, Part};
use rules::signatures::{FileType, Target};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hasher;
use unpack::{Budget, Kind};

pub use unpack::Limits;

/// How far a walk goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Views that ClamAV does not have: decoded headers, text as a reader sees it, decoded bodies as mail, enclosed and
    /// pasted messages, members opened with passwords from the text.
    pub beyond: bool,
    /// Compare what links show with where they lead.
    pub phishing: bool,
    /// Hits for what is encrypted, for limits reached, for macros.
    pub alert_encrypted: bool,
    pub alert_limits: bool,
    pub alert_macros: bool,
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options { beyond: true, alert_encrypted: true, alert_limits: true, ..Options::as_clamav() }
    }
}

impl Options {
    /// What ClamAV does where its configuration says nothing.
    pub fn as_clamav() -> Options {
        Options {
            beyond: false,
            phishing: true,
            alert_encrypted: false,
            alert_limits: false,
            alert_macros: false,
            limits: Limits::default(),
        }
    }
}

/// One signature, and where it was seen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// As ClamAV reports it, `.UNOFFICIAL` included.
    pub name: String,
    /// `None`: a heuristic, no signature of the set.
    pub signature: Option<SignatureId>,
    /// Seen only because of a view that ClamAV does not have, or found by a heuristic that is ours.
    pub own: bool,
    /// What was looked at: `message`, `invoice.zip/a.html: markup`.
    pub view: String,
    pub matched: Vec<u8>,
    pub offset: usize,
    /// SHA-256 of the files around the place, the innermost first.
    pub files: Vec<[u8; 32]>,
}

/// What a walk came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of finding.
    pub hits: Vec<Hit>,
    /// What was not looked at to its end, and why.
    pub notes: Vec<String>,
    /// Bytes matched, all views together.
    pub scanned: u64,
    /// Files looked at, the outermost included.
    pub files: u32,
}

/// Bytes of a match that are kept.
const EVIDENCE: usize = 4096;
/// Files of five bytes and less are not looked at.
const SMALLEST: usize = 6;
/// Hits of one message; a signature set that hits oftener tells nothing more.
const HITS: usize = 1000;
/// Files within text or data that are looked at.
const EMBEDDED: usize = 20;

/// What one thread keeps from message to message.
#[derive(Default)]
pub struct Scratch {
    layer: layer::Scratch,
}

/// Walks through any file.
pub fn file(database: &Database, bytes: &[u8], name: &[u8], options: &Options, scratch: &mut Scratch) -> Report {
    let mut walk = Walk::new(database, options, scratch);
    walk.file(bytes, name, None);
    walk.finish()
}

/// Walks through a message, whatever its first line looks like.
pub fn message(database: &Database, views: &Views<'_>, options: &Options, scratch: &mut Scratch) -> Report {
    let raw = &views.message.raw[..];
    let mut walk = Walk::new(database, options, scratch);
    // As clamd gets it from a mail server: bytes alone. What does not look like a message is one all the same.
    walk.file(raw, b"", None);
    if options.beyond && !walk.allowed && walk.kind_of(raw) != Kind::Mail {
        walk.own += 1;
        walk.file(raw, b"", Some(Kind::Mail));
        walk.own -= 1;
    }
    if options.beyond && !walk.allowed {
        walk.beyond(views);
    }
    walk.finish()
}

struct Walk<'w> {
    database: &'w Database,
    options: &'w Options,
    scratch: &'w mut Scratch,
    budget: Budget,
    report: Report,
    seen: HashSet<Box<str>>,
    /// Containers around what is looked at, outermost first.
    chain: Vec<FileType>,
    kinds: Vec<Kind>,
    /// Names around what is looked at.
    path: Vec<String>,
    /// Above nothing: hits are marked as our own.
    own: u32,
    /// Within a file that an allow list holds: of the outermost.
    allowed: bool,
    passwords: Vec<Vec<u8>>,
    /// Contents that were looked at, without their blanks.
    known: HashSet<u64>,
}

impl<'w> Walk<'w> {
    fn new(database: &'w Database, options: &'w Options, scratch: &'w mut Scratch) -> Walk<'w> {
        Walk {
            database,
            options,
            scratch,
            budget: Budget::new(options.limits.clone()),
            report: Report::default(),
            seen: HashSet::new(),
            chain: Vec::new(),
            kinds: Vec::new(),
            path: Vec::new(),
            own: 0,
            allowed: false,
            passwords: database.passwords.clone(),
            known: HashSet::new(),
        }
    }

    fn finish(mut self) -> Report {
        let reached: Vec<_> = self.budget.reached().collect();
        for limit in reached {
            let name = limit_name(limit);
            self.note(format!("limit reached: {name}"));
            if self.options.alert_limits {
                self.heuristic(&format!("Heuristics.Limits.Exceeded.{name}"), true, "message", b"", 0);
            }
        }
        self.report
    }

    fn note(&mut self, note: String) {
        if !self.report.notes.contains(&note) {
            self.report.notes.push(note);
        }
    }

    fn kind_of(&self, bytes: &[u8]) -> Kind {
        unpack::kind_with(bytes, &self.database.magics)
    }

    /// A file: what it holds, then itself. `as_kind`: whatever it looks like.
    fn file(&mut self, bytes: &[u8], name: &[u8], as_kind: Option<Kind>) {
        if bytes.len() < SMALLEST || self.report.hits.len() >= HITS {
            return;
        }
        let first = self.report.hits.len();
        self.report.files += 1;
        let kind = as_kind.unwrap_or_else(|| self.kind_of(bytes));
        if self.options.beyond {
            self.known.insert(fingerprint(bytes));
        }
        if self.budget.enter() {
            self.chain.push(file_type(kind));
            self.kinds.push(kind);
            match kind {
                Kind::Mail | Kind::Mhtml => self.mail(bytes),
                Kind::Html => self.html(bytes),
                Kind::HtmlUtf16 => self.html(&unpack::html::decode_utf16(bytes)),
                Kind::Ignored => {}
                _ if kind.is_text() => self.text(bytes),
                _ => self.container(bytes, kind),
            }
            self.kinds.pop();
            self.chain.pop();
            self.budget.leave();
        }
        let outcome = match kind {
            Kind::Html | Kind::HtmlUtf16 | Kind::Ignored => layer::Outcome::default(),
            Kind::Mail => self.layer(bytes, bytes, Target::Mail, kind, name, true, "message"),
            _ if kind.is_text() => self.layer(bytes, bytes, Target::Any, kind, name, true, "bytes"),
            _ => self.layer(bytes, bytes, target(kind), kind, name, true, "bytes"),
        };
        if matches!(kind, Kind::BinaryData | Kind::MsExe | Kind::TextAscii) {
            self.embedded(bytes, kind);
        }
        if let Some(other) = outcome.handle_as.and_then(|other| Kind::from_clam_name(other.name()))
            && other != kind
            && as_kind.is_none()
        {
            self.file(bytes, name, Some(other));
        }
        if outcome.allowed.is_some() {
            // With what it holds; the names may be found elsewhere all the same.
            for hit in self.report.hits.drain(first..) {
                self.seen.remove(hit.name.as_str());
            }
            self.allowed |= self.path.is_empty();
        }
        if self.report.hits.len() > first {
            let digest: [u8; 32] = Sha256::digest(bytes).into();
            self.report.hits[first..].iter_mut().for_each(|hit| hit.files.push(digest));
        }
    }

    fn layer(
        &mut self,
        bytes: &[u8],
        whole: &[u8],
        target: Target,
        kind: Kind,
        name: &[u8],
        hashes: bool,
        view: &str,
    ) -> layer::Outcome<'w> {
        self.report.scanned += bytes.len() as u64;
        let database = self.database;
        let described = Layer {
            bytes,
            target,
            kind: file_type(kind),
            chain: &self.chain,
            size: whole.len() as u64,
            file: whole,
            name: (!name.is_empty()).then_some(name),
            hashes,
            executable: None,
        };
        let mut found: Vec<Found<'w>> = Vec::new();
        let outcome =
            layer::layer(&database.set, &described, &mut self.scratch.layer, &mut |one: Found<'w>| found.push(one));
        if outcome.gave_up > 0 {
            self.note(format!("{} expressions given up after too many steps", outcome.gave_up));
        }
        for one in found {
            let view = self.view(view);
            let matched = bytes.get(one.place.clone()).unwrap_or_default();
            self.found(&one, view, matched, one.place.start);
        }
        outcome
    }

    fn view(&self, view: &str) -> String {
        if self.path.is_empty() { view.to_owned() } else { format!("{}: {view}", self.path.join("/")) }
    }

    fn found(&mut self, found: &Found<'_>, view: String, matched: &[u8], offset: usize) {
        let name = match found.official {
            true => found.name.to_owned(),
            false => format!("{}.UNOFFICIAL", found.name),
        };
        self.push(Hit {
            name,
            signature: Some(found.signature),
            own: self.own > 0,
            view,
            matched: matched[..matched.len().min(EVIDENCE)].to_vec(),
            offset,
            files: Vec::new(),
        });
    }

    fn heuristic(&mut self, name: &str, own: bool, view: &str, matched: &[u8], offset: usize) {
        let hit = Hit {
            name: name.to_owned(),
            signature: None,
            own: own || self.own > 0,
            view: self.view(view),
            matched: matched[..matched.len().min(EVIDENCE)].to_vec(),
            offset,
            files: Vec::new(),
        };
        self.push(hit);
    }

    fn push(&mut self, hit: Hit) {
        if self.seen.insert(hit.name.as_str().into()) {
            self.report.hits.push(hit);
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        let normalised = unpack::text::normalise(bytes);
        self.layer(&normalised, bytes, Target::Text, Kind::TextAscii, b"", false, "text");
    }

    fn html(&mut self, bytes: &[u8]) {
        let normalised = unpack::html::normalise(bytes, &mut self.budget);
        // Each is a file of its own to ClamAV, with its own length.
        let unpack::html::Normalised { nocomment, notags, script, .. } = &normalised;
        self.layer(nocomment, nocomment, Target::Html, Kind::Html, b"", true, "markup");
        self.layer(notags, notags, Target::Html, Kind::Html, b"", true, "text of markup");
        if !script.is_empty() {
            self.layer(script, script, Target::Html, Kind::Html, b"", true, "script");
            self.layer(script, script, Target::Text, Kind::TextAscii, b"", false, "script");
        }
        for data in &normalised.data {
            if self.budget.member().is_err() || self.budget.bytes(data.len() as u64).is_err() {
                break;
            }
            self.within("data", |walk| walk.file(data, b"", None));
        }
    }

    /// Runs `what` one name deeper.
    fn within<T>(&mut self, name: &str, what: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_owned());
        let result = what(self);
        self.path.pop();
        result
    }

    fn member(&mut self, container: usize, member: &unpack::Member<'_>) {
        let database = self.database;
        let Some(chain) = self.chain.last() else { return };
        let described = Member {
            container: *chain,
            container_size: container as u64,
            name: &member.name,
            packed: member.packed,
            size: member.size,
            encrypted: member.encrypted,
            position: member.position,
            crc32: member.crc32,
        };
        let mut found: Vec<Found<'w>> = Vec::new();
        layer::member(&database.set, &described, &mut |one: Found<'w>| found.push(one));
        for one in found {
            let view = self.view("name of a member");
            self.found(&one, view, &member.name, 0);
        }
    }

    fn container(&mut self, bytes: &[u8], kind: Kind) {
        if !unpack::opens(kind) {
            return;
        }
        let passwords = std::mem::take(&mut self.passwords);
        let unpacked = unpack::open(bytes, kind, &passwords, &mut self.budget);
        self.passwords = passwords;
        for note in &unpacked.notes {
            match note {
                unpack::Note::Encrypted if self.options.alert_encrypted => {
                    let name = format!("Heuristics.Encrypted.{}", encrypted_name(kind));
                    self.heuristic(&name, true, "container", b"", 0);
                }
                unpack::Note::Overlap => self.heuristic("Heuristics.Zip.OverlappingFiles", false, "container", b"", 0),
                unpack::Note::Macros if self.options.alert_macros => {
                    self.heuristic("Heuristics.OLE2.ContainsMacros", false, "container", b"", 0);
                }
                unpack::Note::Decrypted | unpack::Note::Macros => {}
                note => self.note(format!("{}: {note}", self.view(&kind.name()))),
            }
        }
        for member in &unpacked.members {
            self.member(bytes.len(), member);
            if self.budget.is_spent() {
                return;
            }
            let name = shown(&member.name, member.position);
            // What a password from the mail's text opened, ClamAV would not have seen.
            let own = u32::from(member.encrypted && self.options.beyond);
            self.own += own;
            self.within(&name, |walk| walk.file(&member.bytes, &member.name, None));
            self.own -= own;
        }
    }

    /// Files that begin within text or data.
    fn embedded(&mut self, bytes: &[u8], kind: Kind) {
        let found = unpack::embedded(bytes, kind, &self.database.magics);
        let tells = |kind: &Kind| *kind < Kind::Sfx || *kind == Kind::Mhtml;
        let best = found.iter().map(|(kind, _)| *kind).filter(tells).max();
        match best {
            Some(Kind::Html) if kind == Kind::TextAscii => self.html(bytes),
            Some(Kind::Mail | Kind::Mhtml) if kind == Kind::TextAscii => {
                self.chain.push(file_type(Kind::Mail));
                if self.budget.enter() {
                    self.mail(bytes);
                    self.budget.leave();
                }
                self.chain.pop();
            }
            _ => {}
        }
        // Each member of an archive begins as the archive does: one of a kind is enough.
        let mut opened = HashSet::new();
        let begins =
            |(kind, at): &&(Kind, usize)| *at > 0 && unpack::opens(*kind) && *kind >= Kind::Sfx && opened.insert(*kind);
        for (kind, at) in found.iter().filter(begins).take(EMBEDDED) {
            if self.budget.enter() {
                self.chain.push(file_type(*kind));
                self.container(&bytes[*at..], *kind);
                self.chain.pop();
                self.budget.leave();
            }
        }
    }

    /// What ClamAV's mail reader finds.
    fn mail(&mut self, bytes: &[u8]) {
        let magics = &self.database.magics;
        let is_mail = |line: &[u8]| unpack::kind_with(line, magics) == Kind::Mail;
        let mut pieces: Vec<Piece<'static>> = Vec::new();
        let budget = &mut self.budget;
        let mut spent = false;
        let limit = mailbox::read(bytes, &is_mail, &mut |piece| {
            spent = spent || budget.member().is_err() || budget.bytes(piece.bytes.len() as u64).is_err();
            if spent {
                return;
            }
            let Piece { name, bytes, coding, links } = piece;
            pieces.push(Piece { name, bytes: Cow::Owned(bytes.into_owned()), coding, links });
        });
        if let Some(limit) = limit {
            self.note(format!("limit reached: {}", limit.name()));
            if self.options.alert_limits {
                self.heuristic(&format!("Heuristics.Limits.Exceeded.{}", limit.name()), true, "message", b"", 0);
            }
        }
        if self.options.beyond {
            for piece in pieces.iter().filter(|piece| piece.links) {
                passwords::collect(&piece.bytes, &mut self.passwords);
            }
        }
        for (number, piece) in pieces.iter().enumerate() {
            let size = piece.bytes.len() as u64;
            let member = unpack::Member {
                name: piece.name.clone(),
                bytes: Cow::Borrowed(&piece.bytes[..]),
                packed: size,
                size,
                encrypted: false,
                position: number as u32 + 1,
                crc32: 0,
                role: unpack::Role::File,
                content: unpack::Content::Whole,
            };
            self.member(bytes.len(), &member);
            let name = shown(&piece.name, member.position);
            self.within(&name, |walk| {
                if piece.links {
                    walk.links(&piece.bytes);
                }
                walk.file(&piece.bytes, &piece.name, None);
            });
        }
    }

    fn links(&mut self, bytes: &[u8]) {
        if !self.options.phishing || self.database.phishing.is_empty() {
            return;
        }
        if let Some(found) = self.database.phishing.check(bytes, &mut self.budget) {
            self.heuristic(found.name, false, "links", &found.shown, found.offset);
        }
    }

    /// What ClamAV does not look at.
    fn beyond(&mut self, views: &Views<'_>) {
        self.own += 1;
        self.chain.push(file_type(Kind::Mail));
        let mut header = Vec::new();
        for part in &views.message.parts {
            for field in &part.headers.fields {
                header.extend_from_slice(&field.name);
                header.push(b':');
                header.extend_from_slice(&field.decoded);
                if !field.decoded.ends_with(b"\n") {
                    header.push(b'\n');
                }
            }
        }
        self.layer(&header, &header, Target::Mail, Kind::Mail, b"", false, "decoded header");

        let text = &views.text().body.bytes;
        let normalised = unpack::text::normalise(text);
        self.layer(&normalised, text, Target::Text, Kind::TextAscii, b"", false, "text as shown");
        self.layer(text, text, Target::Mail, Kind::Mail, b"", false, "text as shown");

        let parts: Vec<(usize, &Part)> = views.message.leaves().map(|(id, part)| (id.0 as usize, part)).collect();
        for (number, part) in parts {
            if self.budget.is_spent() {
                break;
            }
            self.part_beyond(number, part, views.config);
        }
        self.chain.pop();
        self.own -= 1;
    }

    fn part_beyond(&mut self, number: usize, part: &Part, config: &ViewConfig) {
        let decoded = part.decoded();
        let name = format!("part {number}");
        let is_text = part.media_type.starts_with("text/") || part.effective_type() == "text/html";
        if part.media_type.starts_with("message/") || is_text {
            if part.media_type.starts_with("message/") {
                self.within(&name, |walk| walk.enclosed(decoded, config));
                return;
            }
            if decoded.len() >= SMALLEST && decoded != part.raw_body() {
                self.within(&name, |walk| {
                    walk.layer(decoded, decoded, Target::Mail, Kind::Mail, b"", false, "decoded body");
                });
            }
            if let Some(unquoted) = unquoted(decoded) {
                self.within(&name, |walk| {
                    walk.layer(&unquoted, &unquoted, Target::Mail, Kind::Mail, b"", false, "without quote marks");
                    walk.pasted(&unquoted, config);
                    walk.text(&unquoted);
                });
            } else {
                self.within(&name, |walk| walk.pasted(decoded, config));
            }
        }
        // Parts that ClamAV's reader does not give out, or gives out otherwise.
        if decoded.len() >= SMALLEST && !self.known.contains(&fingerprint(decoded)) {
            let file = part.name.clone().unwrap_or_default();
            self.within(&name, |walk| walk.file(decoded, &file, None));
        }
    }

    /// A message within a message, by both readings.
    fn enclosed(&mut self, bytes: &[u8], config: &ViewConfig) {
        if bytes.len() < SMALLEST || !self.budget.enter() {
            return;
        }
        self.file(bytes, b"", Some(Kind::Mail));
        let message = Message::parse(bytes, &config.limits);
        let views = Views::new(&message, config);
        self.beyond(&views);
        self.budget.leave();
    }

    /// Messages in a text, header and all.
    fn pasted(&mut self, text: &[u8], config: &ViewConfig) {
        let mut at = 0;
        let mut before_blank = true;
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end + 1);
            let line = &text[at..end];
            if before_blank && at > 0 && begins_message(&text[at..]) {
                self.within("pasted message", |walk| walk.enclosed(&text[at..], config));
                return; // what comes after is within that message
            }
            before_blank = line.trim_ascii().is_empty() || line.starts_with(b"-----") || line.starts_with(b"=====");
            at = end;
        }
    }
}

/// Three fields or more, one of them a sender's, then a blank line.
fn begins_message(text: &[u8]) -> bool {
    let (mut fields, mut from) = (0, false);
    for line in text.split(|byte| *byte == b'\n').take(100) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return fields >= 3 && from;
        }
        if matches!(line[0], b' ' | b'\t') && fields > 0 {
            continue;
        }
        let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        if name == 0 || line.get(name) != Some(&b':') {
            return false;
        }
        fields += 1;
        from |= line[..name].eq_ignore_ascii_case(b"from") || line[..name].eq_ignore_ascii_case(b"received");
    }
    false
}

/// The text without the marks that replies and forwards put before each line; `None` where there are none.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let marked = |line: &[u8]| matches!(line.first(), Some(b'>' | b'|'));
    if !text.split(|byte| *byte == b'\n').any(marked) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut rest = line;
        while marked(rest) {
            rest = &rest[1..];
            if let Some(after) = rest.strip_prefix(b" ") {
                rest = after;
            }
        }
        out.extend_from_slice(rest);
    }
    Some(out)
}

/// Of the bytes that are no blanks: readers differ in those.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for word in bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        hasher.write(word);
    }
    hasher.finish()
}

fn shown(name: &[u8], position: u32) -> String {
    if name.is_empty() { format!("#{position}") } else { String::from_utf8_lossy(name).into_owned() }
}

fn file_type(kind: Kind) -> FileType {
    FileType::from_name(kind.clam_name()).unwrap_or_else(FileType::any)
}

/// The target whose signatures look at this kind of file.
fn target(kind: Kind) -> Target {
    match kind {
        Kind::MsExe => Target::Executable,
        Kind::Ole2 => Target::Ole2,
        Kind::Html => Target::Html,
        Kind::Mail => Target::Mail,
        Kind::Graphics | Kind::Gif | Kind::Png | Kind::Jpeg | Kind::Tiff => Target::Graphics,
        Kind::Elf => Target::Elf,
        Kind::MachO | Kind::MachOUniversal => Target::MachO,
        Kind::Pdf => Target::Pdf,
        Kind::Swf => Target::Flash,
        Kind::Java => Target::Java,
        Kind::Internal => Target::Internal,
        Kind::BinaryData => Target::Other,
        _ => Target::Any,
    }
}

fn encrypted_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Rar | Kind::RarSfx => "RAR",
        Kind::SevenZip | Kind::SevenZipSfx => "7Zip",
        Kind::Pdf => "PDF",
        Kind::Ole2 | Kind::OoxmlWord | Kind::OoxmlExcel | Kind::OoxmlPowerPoint => "Doc",
        Kind::Zip | Kind::ZipSfx => "Zip",
        _ => "Archive",
    }
}

fn limit_name(limit: unpack::Limit) -> &'static str {
    match limit {
        unpack::Limit::Bytes => "MaxScanSize",
        unpack::Limit::Member => "MaxFileSize",
        unpack::Limit::Members => "MaxFiles",
        unpack::Limit::Depth => "MaxRecursion",
        unpack::Limit::Ratio => "MaxRatio",
        unpack::Limit::Steps => "MaxSteps",
        unpack::Limit::Html => "MaxHTMLNormalize",
        unpack::Limit::HtmlText => "MaxHTMLNoTags",
        unpack::Limit::Script => "MaxScriptNormalize",
    }
}
