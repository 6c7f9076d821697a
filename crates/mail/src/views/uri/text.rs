//! URIs between the words of a text: what Thunderbird or Outlook would make clickable, and bare host names.
//!
//! One pass over the bytes. Which bytes may begin and end a URI is SpamAssassin's choice, a mixture of both programs'.
//! Its regular expression is kept in meaning: at each place where a URI may begin, first a known scheme or `www.`, then
//! a mail address, then a host name in a known top level; the first that fits and ends at a delimiter is taken.

use super::starts_with_ignore_case;
use crate::tld::Registry;

/// A stretch of text that is a URI, perhaps with a tail to trim.
pub struct Found<'t> {
    pub raw: &'t [u8],
    pub kind: Written<'t>,
}

/// What it was recognised by.
pub enum Written<'t> {
    Scheme,
    Mail,
    /// A bare host name, this one.
    Host(&'t [u8]),
}

pub fn find<'t>(text: &'t [u8], registry: &Registry, mut found: impl FnMut(Found<'t>)) {
    let mut scan = Scan::new(text);
    let mut at = 0;
    while at < text.len() {
        // No URI reaches over a delimiter, and none is without one of these three.
        let mut kinds = 0;
        let end =
            at + text[at..].iter().take_while(|&&b| !is(b, END)).inspect(|&&b| kinds |= KINDS[b as usize]).count();
        while kinds & MARK != 0 && at < end {
            let hit = if scan.may_begin(at) { scan.uri_at(at, registry) } else { None };
            match hit {
                Some((end, kind)) => {
                    found(Found { raw: &text[at..end], kind });
                    at = end;
                }
                None => at += 1,
            }
        }
        at = end + 1;
    }
}

/// `www.`, `www1.`, `www23.`: returns its length.
pub fn www(text: &[u8]) -> Option<usize> {
    if !starts_with_ignore_case(text, b"www") {
        return None;
    }
    let digits = text[3..].iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    (text.get(3 + digits) == Some(&b'.')).then_some(4 + digits)
}

struct Scan<'t> {
    text: &'t [u8],
    at_sign: Next,
    /// [`END`], [`MAIL_END`].
    end: Next,
    mail_end: Next,
    dot: Next,
}

/// Where the next byte of some kind stands; looked up again only when passed, so that a whole text costs one search.
#[derive(Default)]
struct Next(Option<usize>);

impl Next {
    /// At or after `at`; the text's length if there is none.
    fn from(&mut self, text: &[u8], at: usize, search: impl Fn(&[u8]) -> Option<usize>) -> usize {
        match self.0 {
            Some(known) if known >= at => known,
            _ => {
                let next = search(&text[at..]).map_or(text.len(), |n| at + n);
                self.0 = Some(next);
                next
            }
        }
    }
}

impl<'t> Scan<'t> {
    fn new(text: &'t [u8]) -> Scan<'t> {
        Scan { text, at_sign: Next::default(), end: Next::default(), mail_end: Next::default(), dot: Next::default() }
    }

    fn may_begin(&self, at: usize) -> bool {
        let text = self.text;
        let Some(before) = at.checked_sub(1) else { return is(text[0], WORD) };
        let before = text[before];
        if is(before, WORD) != is(text[at], WORD) || is(before, START) {
            return true;
        }
        // Right behind an escape sequence of ISO-2022.
        at >= 3 && text[at - 3] == 0x1b && text[at - 2] == b'(' && before != b'\n'
    }

    fn uri_at(&mut self, at: usize, registry: &Registry) -> Option<(usize, Written<'t>)> {
        if let Some(end) = self.known_scheme(at) {
            return Some((end, Written::Scheme));
        }
        if let Some(end) = self.mailto(at).or_else(|| self.mail(at)) {
            return Some((end, Written::Mail));
        }
        let free = at == 0 || is(self.text[at - 1], HOST_START);
        if free { self.host(at, registry) } else { None }
    }

    fn known_scheme(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let head = match rest[0].to_ascii_lowercase() {
            b'h' if starts_with_ignore_case(rest, b"http://") => 7,
            b'h' if starts_with_ignore_case(rest, b"https://") => 8,
            b'f' if starts_with_ignore_case(rest, b"ftp://") => 6,
            b'f' if starts_with_ignore_case(rest, b"ftp.") => 4,
            b'w' => www(rest)?,
            _ => return None,
        };
        self.run(at + head, END)
    }

    fn mailto(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        if starts_with_ignore_case(rest, b"mailto:") { self.run(at + 7, MAIL_END) } else { None }
    }

    fn mail(&mut self, at: usize) -> Option<usize> {
        let sign = self.at_sign.from(self.text, at, |rest| memchr::memchr(b'@', rest));
        if sign == self.text.len() || !(1..=251).contains(&(sign - at)) {
            return None;
        }
        let end = self.mail_end.from(self.text, at, |rest| rest.iter().position(|&b| is(b, MAIL_END)));
        (sign < end && (1..=251).contains(&(end - sign - 1))).then_some(end)
    }

    /// A host name, a port, a path.
    fn host(&mut self, at: usize, registry: &Registry) -> Option<(usize, Written<'t>)> {
        let text = self.text;
        if !text[at].is_ascii_alphanumeric() {
            return None;
        }
        let dot = self.dot.from(text, at, |rest| memchr::memchr(b'.', rest));
        if dot == text.len() || !text[at..dot].iter().all(|&b| is(b, HOST)) {
            return None;
        }
        let end = text[dot..].iter().position(|&b| !is(b, HOST)).map_or(text.len(), |n| dot + n);
        let name = text[at..end].strip_suffix(b".").unwrap_or(&text[at..end]);
        let last_dot = memchr::memrchr(b'.', name)?;
        if !(1..=252).contains(&last_dot) || !registry.is_tld(&name[last_dot + 1..]) {
            return None;
        }
        let mut end = end;
        if text.get(end) == Some(&b':') {
            let digits = text[end + 1..].iter().take(6).take_while(|b| b.is_ascii_digit()).count();
            if (1..=5).contains(&digits) {
                end += 1 + digits;
            }
        }
        if text.get(end) == Some(&b'/') {
            end = self.run(end + 1, END)?;
        }
        text.get(end).is_none_or(|&b| is(b, END)).then_some((end, Written::Host(name)))
    }

    /// The next delimiter, if there is something before it, but no more than SpamAssassin allows.
    fn run(&mut self, at: usize, delimiter: u8) -> Option<usize> {
        let next = if delimiter == END { &mut self.end } else { &mut self.mail_end };
        let end = next.from(self.text, at, |rest| rest.iter().position(|&b| is(b, delimiter)));
        (1..=2_048).contains(&(end - at)).then_some(end)
    }
}

const WORD: u8 = 1;
/// A URI may begin after it.
const START: u8 = 2;
/// Ends a URI.
const END: u8 = 4;
/// Ends a mail address.
const MAIL_END: u8 = 8;
/// A bare host name may begin after it.
const HOST_START: u8 = 16;
/// Letters, digits, dots, hyphens, underscores.
const HOST: u8 = 32;
/// Every URI has one.
const MARK: u8 = 64;

fn is(b: u8, kind: u8) -> bool {
    KINDS[b as usize] & kind != 0
}

static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        let alphanumeric = byte.is_ascii_alphanumeric();
        // 0xA0 is the last byte of a no-break space; ESC begins an escape sequence of ISO-2022.
        let blank = matches!(byte, b' ' | b'\t'..=b'\r' | 0x1b | 0xa0);
        let end = blank || matches!(byte, b'>' | b'<' | b'"' | b'`' | b'}' | b']' | b'{' | b'[' | b'|');
        let start = blank || matches!(byte, b'>' | b'<' | b'"' | b'\'' | b'`' | b',' | b'{' | b'[' | b'(' | b'|');
        let punctuation = byte.is_ascii_punctuation() && !matches!(byte, b'%' | b'-' | b'.' | b'_');
        if alphanumeric || byte == b'_' {
            kinds[b] |= WORD;
        }
        if matches!(byte, b'@' | b'.' | b':') {
            kinds[b] |= MARK;
        }
        if start {
            kinds[b] |= START;
        }
        if end {
            kinds[b] |= END;
        }
        if end || matches!(byte, b',' | b'(' | b'\'' | 0x80..) {
            kinds[b] |= MAIL_END;
        }
        if blank || punctuation {
            kinds[b] |= HOST_START;
        }
        if alphanumeric || matches!(byte, b'.' | b'_' | b'-') {
            kinds[b] |= HOST;
        }
        b += 1;
    }
    kinds
};
