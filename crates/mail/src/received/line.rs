//! One Received line to its fields.
//!
//! In: the field's text. Out: a hand-over with its fields, or why there is none: skipped on purpose, a mail fetcher's
//! mark, or not understood. The line is never changed by what it says of itself: every field is a slice of it.

use super::address::{self, starts_with_ignore_case};
use super::formats::{self, Format};
use super::shape::*;
use regex::bytes::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Compiled at first use; the patterns are ours, so `None` cannot happen.
macro_rules! pattern {
    ($pattern:expr) => {
        LazyLock::new(|| Regex::new(concat!("(?-u)", $pattern)).ok())
    };
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Relay,
    /// Understood, but nothing in it to use.
    Skip,
    /// Skipped; its envelope sender belongs to the next line.
    SkipKeepingSender,
    /// A mail fetcher's: what was above it happened after delivery.
    FetchMarker,
    Unparseable,
}

/// What a line says, as written.
#[derive(Debug, Clone, Default)]
pub struct Fields<'t> {
    /// What follows `from `.
    pub line: &'t [u8],
    pub ip: &'t [u8],
    pub rdns: &'t [u8],
    pub helo: &'t [u8],
    pub by: &'t [u8],
    pub ident: &'t [u8],
    pub envfrom: Option<&'t [u8]>,
    pub id: &'t [u8],
    pub auth: Cow<'t, [u8]>,
    /// [`Format::writer`]
    pub format: &'static str,
    /// See [`Field::Inside`].
    pub inside: &'t [u8],
    /// This MTA always asks DNS for the name.
    pub looked_up: bool,
    /// What may still be spent on matching.
    pub steps: u32,
}

/// A legitimate line takes less than a hundredth of it.
const STEPS: u32 = 200_000;

/// Folds blanks and cuts what is no part of the line: semicolons at the end. Done once, into a buffer of the caller's.
pub fn normalise(raw: &[u8], line: &mut Vec<u8>) {
    line.clear();
    line.reserve(raw.len());
    let mut blank = true; // also swallows blanks at the start
    for &b in raw {
        if b.is_ascii_whitespace() || b == 0x0b {
            if !blank {
                line.push(b' ');
            }
            blank = true;
        } else {
            line.push(b);
            blank = false;
        }
    }
    while let Some(b' ' | b';') = line.last() {
        line.pop();
    }
    // `[127.0.0.1])by host`: a Postfix behind a filter that folds lines badly.
    let glued = places(line, ")by ").next();
    if let Some(at) = glued {
        line.insert(at + 1, b' ');
    }
}

/// Reads a normalised line.
pub fn read(line: &[u8], beyond_spamassassin: bool) -> (Outcome, Fields<'_>) {
    let mut fields = Fields { line, steps: STEPS, ..Fields::default() };
    let outcome = fields.read(beyond_spamassassin);
    (outcome, fields)
}

impl<'t> Fields<'t> {
    fn read(&mut self, beyond_spamassassin: bool) -> Outcome {
        let line = self.line;
        let start = line.strip_prefix(b"(").unwrap_or(line);
        if !starts_with_ignore_case(start, b"from ") || is_local(line) || has_no_address(line) {
            return Outcome::Skip;
        }
        let line = &line[..date_start(line)];
        self.id = id(line).unwrap_or_default();
        self.helo = helo(line).unwrap_or_default();
        self.by = by(line).unwrap_or_default();
        self.auth = auth(line).unwrap_or_default();

        let tried = if let Some(rest) = line.strip_prefix(b"from ") {
            self.line = rest;
            self.envfrom = envelope_sender(rest);
            self.try_all(beyond_spamassassin)
        } else if let Some(rest) = line.strip_prefix(b"FROM ") {
            self.line = rest;
            self.try_formats(formats::CAPITALS)
        } else if let Some(rest) = line.strip_prefix(b"(from ") {
            self.line = rest;
            self.try_formats(formats::PARENTHESES)
        } else {
            self.line = line;
            None
        };
        tried.unwrap_or_else(|| self.last_resort())
    }

    fn try_all(&mut self, beyond_spamassassin: bool) -> Option<Outcome> {
        if let Some(outcome) = self.webmail() {
            return Some(outcome);
        }
        let line = self.line;
        if let Some(family) = formats::FAMILIES.iter().find(|family| (family.applies)(line))
            && let Some(outcome) = self.try_formats(family.formats)
        {
            return Some(outcome);
        }
        if contains_words(line, "with HTTP")
            && let Some(outcome) = self.try_format(&formats::WEB)
        {
            return Some(outcome);
        }
        if !qmail_ldap(line)
            && let Some(outcome) = self.try_format(&formats::SENDMAIL)
        {
            return Some(outcome);
        }
        if let Some(outcome) = self.try_formats(formats::GENERAL) {
            return Some(outcome);
        }
        if beyond_spamassassin && let Some(outcome) = self.try_formats(formats::BEYOND) {
            return Some(outcome);
        }
        if let Some(outcome) = self.try_formats(formats::IGNORED) {
            return Some(outcome);
        }
        if self.helo.is_empty() {
            self.helo = first_word(line);
        }
        None
    }

    /// An address in brackets and a `by` are enough.
    fn last_resort(&mut self) -> Outcome {
        let line = self.line;
        if self.ip.is_empty() {
            let found = memchr::memchr_iter(b'[', line).find_map(|at| {
                let end = address::literal_at(line, at + 1)?;
                (line.get(end) == Some(&b']')).then(|| &line[at + 1..end])
            });
            self.ip = found.unwrap_or_default();
        }
        if self.ip.is_empty() || matches!(self.by, b"" | b"0") { Outcome::Unparseable } else { Outcome::Relay }
    }

    fn try_formats(&mut self, formats: &[Format]) -> Option<Outcome> {
        formats.iter().find_map(|format| self.try_format(format))
    }

    fn try_format(&mut self, format: &Format) -> Option<Outcome> {
        let marked = format.mark.is_empty() || contains(self.line, format.mark);
        let fits = marked && self.match_line(format.shape) && (format.adjust)(self);
        fits.then(|| {
            self.format = format.writer;
            format.outcome
        })
    }

    /// Matches the line from its start and takes the fields over.
    pub fn match_line(&mut self, shape: &[Piece]) -> bool {
        let captures = match_start(shape, self.line, &mut self.steps);
        captures.is_some_and(|captures| self.take(&captures))
    }

    /// The same at the first place that fits; `anchor` is how the shape begins.
    pub fn search(&mut self, anchor: &'static str, shape: &[Piece]) -> bool {
        let line = self.line;
        places(line, anchor)
            .find_map(|at| match_at(shape, line, at, &mut self.steps))
            .is_some_and(|captures| self.take(&captures))
    }

    /// The text of one field of a shape, the others left alone.
    pub fn find(&mut self, anchor: &'static str, shape: &[Piece], field: Field) -> Option<&'t [u8]> {
        let line = self.line;
        let captures = places(line, anchor).find_map(|at| match_at(shape, line, at, &mut self.steps))?;
        captures.get(field).map(|(start, end)| &line[start..end])
    }

    fn take(&mut self, captures: &Captures) -> bool {
        let line = self.line;
        for (field, slot) in [
            (Field::Ip, &mut self.ip),
            (Field::Rdns, &mut self.rdns),
            (Field::Helo, &mut self.helo),
            (Field::By, &mut self.by),
            (Field::Ident, &mut self.ident),
            (Field::Id, &mut self.id),
            (Field::Inside, &mut self.inside),
        ] {
            if let Some((start, end)) = captures.get(field) {
                *slot = &line[start..end];
            }
        }
        true
    }

    /// SquirrelMail and AOL: the browser's address stands somewhere before `by host with HTTP`.
    fn webmail(&mut self) -> Option<Outcome> {
        const WITH_HTTP: &[Piece] = &[L("by "), BY, L(" with HTTP")];
        const AOL: &[Piece] = &[IP, L(" by "), BY, L(" ("), SOME_IP, L(") with HTTP (WebMailUI)")];
        let line = self.line;
        if contains(line, "Mail authenticated user ")
            && [" (SquirrelMail ", " (NaSMail "].iter().any(|mail| contains(line, mail))
        {
            for (at, end) in literals(line) {
                if line.get(end).is_some_and(|&b| is_word(b) || b == b'.' || b == b'-') {
                    continue;
                }
                for by in (end + 10..=(end + 80).min(line.len())).rev() {
                    if line[by..].starts_with(b"by ")
                        && let Some(captures) = match_at(WITH_HTTP, line, by, &mut self.steps)
                    {
                        self.ip = &line[at..end];
                        self.take(&captures);
                        return Some(Outcome::Relay);
                    }
                }
            }
        }
        if contains(line, "with HTTP (WebMailUI)") && contains(line, "aol.com") {
            let found = literals(line).find_map(|(at, _)| match_at(AOL, line, at, &mut self.steps));
            return found.filter(|captures| self.take(captures)).map(|_| Outcome::Relay);
        }
        None
    }
}

fn literals(line: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    (0..line.len()).filter_map(|at| address::literal_at(line, at).map(|end| (at, end)))
}

/// `with local for`: Exim's own users.
fn is_local(line: &[u8]) -> bool {
    contains_words(line, "with local for")
}

/// `from host by host;` and nothing between.
fn has_no_address(line: &[u8]) -> bool {
    let Some(rest) = line.get(5..).filter(|_| starts_with_ignore_case(line, b"from ")) else { return false };
    let from = rest.split(|&b| b == b' ').next().unwrap_or_default();
    let Some(rest) = rest.get(from.len()..).filter(|rest| starts_with_ignore_case(rest, b" by ")) else {
        return false;
    };
    let rest = &rest[4..];
    let by = rest.iter().position(|b| matches!(b, b' ' | b';')).unwrap_or(rest.len());
    let then = &rest[by..];
    let ends = by > 0 && (then.starts_with(b";") || then.starts_with(b" ;"));
    let literal = from.strip_prefix(b"[").and_then(|f| f.strip_suffix(b"]"));
    ends && !literal.is_some_and(|l| !l.is_empty() && l.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
}

/// Where `; Tue, 23 May 2006 13:06:35 -0400` at the end begins. A zone's name in parentheses behind it keeps it.
fn date_start(line: &[u8]) -> usize {
    date_before(line).unwrap_or(line.len())
}

fn date_before(line: &[u8]) -> Option<usize> {
    let (rest, _zone) = split_last_word(line)?;
    let (rest, time) = split_last_word(rest)?;
    let (rest, year) = split_last_word(rest)?;
    let (rest, month) = split_last_word(rest)?;
    let months: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let colons = time.split(|&b| b == b':').count();
    if !months.contains(&month) || !is_number(year) || !(2..=3).contains(&colons) {
        return None;
    }
    if !time.split(|&b| b == b':').all(is_number) {
        return None;
    }
    let day = rest.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let mut start = rest.len() - day;
    if day == 0 || !matches!(rest.get(start.checked_sub(1)?), Some(b' ' | b';')) {
        return None;
    }
    let weekdays: [&[u8]; 7] = [b"Mon, ", b"Tue, ", b"Wed, ", b"Thu, ", b"Fri, ", b"Sat, ", b"Sun, "];
    if let Some(weekday) = start.checked_sub(5)
        && weekdays.contains(&&rest[weekday..start])
        && matches!(weekday.checked_sub(1).map(|i| rest[i]), Some(b' ' | b';'))
    {
        start = weekday;
    }
    while start > 0 && matches!(rest[start - 1], b' ' | b';') {
        start -= 1;
    }
    Some(start)
}

fn split_last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr::memrchr(b' ', text)?;
    (blank + 1 < text.len()).then(|| (&text[..blank], &text[blank + 1..]))
}

/// The queue id: three characters or more after ` id `, an angle bracket left out.
fn id(line: &[u8]) -> Option<&[u8]> {
    places(line, " id ").find_map(|at| {
        let rest = &line[at + 4..];
        let rest = rest.strip_prefix(b"<").unwrap_or(rest);
        let end = rest.iter().position(|b| matches!(b, b' ' | b'<' | b'>' | b';')).unwrap_or(rest.len());
        (end >= 3).then(|| &rest[..end])
    })
}

/// `helo=name`, else `HELO name` or `EHLO name`.
fn helo(line: &[u8]) -> Option<&[u8]> {
    let after = |at: usize| {
        let rest = &line[at + 5..];
        let end = rest.iter().position(|&b| !is_helo(b)).unwrap_or(rest.len());
        let free = at == 0 || !is_word(line[at - 1]);
        (free && end > 0).then(|| &rest[..end])
    };
    let is_helo = places(line, "helo=").find_map(after);
    is_helo.or_else(|| {
        places(line, "LO ").find_map(|at| {
            let at = at.checked_sub(2)?;
            matches!(&line[at..at + 2], b"HE" | b"EH").then_some(at).and_then(after)
        })
    })
}

fn is_helo(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.^+_&:=?!@%*$\\/".contains(&b)
}

fn by(line: &[u8]) -> Option<&[u8]> {
    places(line, " by ").find_map(|at| {
        let word = line[at + 4..].split(|&b| b == b' ').next()?;
        (!word.is_empty()).then_some(word)
    })
}

/// `(envelope-from <a@b.example>)`, `(envelope-sender a@b.example)`, `return-path a@b.example`.
fn envelope_sender(line: &[u8]) -> Option<&[u8]> {
    memchr::memchr_iter(b'-', line).find_map(|dash| {
        let (before, after) = (&line[..dash], &line[dash + 1..]);
        let start = if ends_with_ignore_case(before, b"envelope") {
            let name = [&b"sender"[..], b"from"].into_iter().find(|name| starts_with_ignore_case(after, name))?;
            matches!(after.get(name.len()), Some(b' ' | b'=')).then_some(name.len() + 1)?
        } else if ends_with_ignore_case(before, b"return") && starts_with_ignore_case(after, b"path") {
            let colon = usize::from(after.get(4) == Some(&b':'));
            (after.get(4 + colon) == Some(&b' ')).then_some(5 + colon)?
        } else {
            return None;
        };
        let rest = &after[start..];
        let word = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let boundary = |i: usize| is_word(rest[i - 1]) != rest.get(i).is_some_and(|&b| is_word(b));
        (1..=word).rev().find(|&i| boundary(i)).map(|end| &rest[..end])
    })
}

/// How the sender authenticated. Everything but the protocol names of RFC 3848 and its kin is one MTA's own way.
fn auth(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let taken = contains(line, " by ");
    if taken && let Some(protocol) = protocol(line) {
        return Some(Cow::Borrowed(protocol));
    }
    // Each way with a text that must be there, since hardly any line has one.
    if contains(line, " by mx.google.com with ESMTPS id ")
        && let Some(found) = GMAIL.as_ref().and_then(|re| re.is_match(line).then_some(CIPHER.as_ref()?.captures(line)?))
    {
        return Some([b"GMail - transport=", &found[1], b" cipher=", &found[2]].concat().into());
    }
    if contains(line, "(AUTH: ")
        && let Some(found) = COURIER.as_ref().and_then(|re| re.captures(line)?.get(1))
    {
        return Some(found.as_bytes().into());
    }
    let authenticated = contains(line, "uthenticated");
    if authenticated && SENDMAIL.as_ref().is_some_and(|re| re.is_match(line)) {
        return Some(b"Sendmail".into());
    }
    if contains(line, "by mail.gmx.")
        && let Some(found) = GMX.as_ref().and_then(|re| re.captures(line))
    {
        return Some([b"GMX (", &found[2], b" / ", &found[1], b")"].concat().into());
    }
    if authenticated && CRITICAL_PATH.as_ref().is_some_and(|re| re.is_match(line)) {
        return Some(b"CriticalPath".into());
    }
    if authenticated && let Some(name) = POSTFIX.as_ref().and_then(|re| re.captures(line)?.get(1)) {
        let name = name.as_bytes();
        return Some(if name == b"Postfix" { name.into() } else { [b"Postfix (", name, b")"].concat().into() });
    }
    let communigate = |line| {
        let product = "CommuniGate Pro ";
        places(line, product).any(|at| {
            let way = &line[at + product.len()..];
            [&b"HTTP"[..], b"SMTP", b"XIMSS", b"IMAP"].iter().any(|w| way.starts_with(w))
        })
    };
    if contains(line, " (account ") && communigate(line) {
        return Some(b"Communigate".into());
    }
    if formats::contains_word(line, " with Microsoft Exchange Server HTTP-DAV") {
        return Some(b"HTTP-DAV".into());
    }
    if taken { via_http(line).map(Cow::Borrowed) } else { None }
}

/// `with ESMTPSA` and the other names that mean "authenticated"; HTTP is webmail.
fn protocol(line: &[u8]) -> Option<&[u8]> {
    const NAMES: [&[u8]; 12] = [
        b"ESMTPA",
        b"ESMTPSA",
        b"LMTPA",
        b"LMTPSA",
        b"UTF8SMTPA",
        b"UTF8SMTPSA",
        b"UTF8LMTPA",
        b"UTF8LMTPSA",
        b"ASMTP",
        b"HTTP",
        b"HTTPS",
        b"HTTPU",
    ];
    memchr::memchr_iter(b' ', line).find_map(|blank| {
        if !starts_with_ignore_case(&line[blank + 1..], b"with ") {
            return None;
        }
        let name = line[blank + 6..].split(|b| matches!(b, b' ' | b';')).next()?;
        NAMES.iter().any(|n| n.eq_ignore_ascii_case(name)).then_some(name)
    })
}

/// ` (via HTTP)`, ` (via HTTPS)`.
fn via_http(line: &[u8]) -> Option<&[u8]> {
    places(line, " (").find_map(|at| {
        let rest = &line[at + 2..];
        if !starts_with_ignore_case(rest, b"via http") {
            return None;
        }
        let close = memchr::memchr(b')', &rest[8..])?;
        let ends = matches!(rest.get(9 + close), None | Some(b' ' | b';'));
        (close <= 1 && ends).then(|| &rest[4..8 + close])
    })
}

static GMAIL: LazyLock<Option<Regex>> = pattern!(
    r" by mx\.google\.com with ESMTPS id [a-z0-9]{1,4}sm[0-9]{2,9}[a-z]{3}\.[0-9]{1,3}\.[0-9]{4}\.(?:[0-6][0-9]\.){4}[0-6][0-9]"
);
static CIPHER: LazyLock<Option<Regex>> = pattern!(r"\(version=([^ ]+) cipher=([^)]+)\)");
static COURIER: LazyLock<Option<Regex>> =
    pattern!(r"^from .*?(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) [^ ]+(?:, .*?)?\) by ");
static SENDMAIL: LazyLock<Option<Regex>> =
    pattern!(r"^from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by");
static GMX: LazyLock<Option<Regex>> = pattern!(
    r"from [^ ]* \((?:HELO|EHLO) [^ ]*\) \[[0-9A-Fa-f:.]+\] by (mail\.gmx\.(?:net|com)) \([^)]+\) with (ESMTP|SMTP)"
);
static CRITICAL_PATH: LazyLock<Option<Regex>> =
    pattern!(r"\) by .+ \([0-9]{1,2}\.[0-9]\.[0-9]{3}(?:\.[0-9]{1,3})?\) \(authenticated as .+\) id ");
static POSTFIX: LazyLock<Option<Regex>> = pattern!(r"\) \(Authenticated sender: [^ ]+\) by [^ ]+ \(([^)]+)\) with ");

/// ` by host (qmail-1.2) with `
fn qmail_ldap(line: &[u8]) -> bool {
    const BY_QMAIL: &[Piece] = &[L(" by "), W, L(" (qmail-"), W, L(") with ")];
    contains(line, " (qmail-") && {
        let mut steps = 10_000;
        places(line, " by ").any(|at| match_at(BY_QMAIL, line, at, &mut steps).is_some())
    }
}

/// What a line that nobody knows begins with.
fn first_word(line: &[u8]) -> &[u8] {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    match memchr::memchr(b' ', line) {
        Some(blank) => &line[..blank],
        None => line.iter().rposition(|&b| !in_name(b)).map_or(b"", |end| &line[..end]),
    }
}

/// The words with no letter or digit glued to either side.
fn contains_words(line: &[u8], words: &'static str) -> bool {
    places(line, words).any(|at| {
        let end = at + words.len();
        (at == 0 || !is_word(line[at - 1])) && line.get(end).is_none_or(|&b| !is_word(b))
    })
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn ends_with_ignore_case(text: &[u8], suffix: &[u8]) -> bool {
    text.len().checked_sub(suffix.len()).is_some_and(|n| text[n..].eq_ignore_ascii_case(suffix))
}
