//! Address lists, read as SpamAssassin does for `:addr` and `:name`.
//!
//! SpamAssassin has a forgiving reader of its own, made of patterns, and asks a strict reader (Email::Address::XS) only
//! where the former found fewer entries than there are commas. Both are here, since each decides what rules see of
//! broken headers. In: the raw, undecoded value. Out: names still encoded. The work is bounded: every step of the
//! forgiving reader moves forward, and its one place with choices remembers where it failed.

use crate::mime::header::{is_space, skip_spaces};
use crate::tld::{idn_to_ascii, is_fqdn_valid};
use crate::views::{HeaderRequest, Views};
use std::collections::HashSet;

/// One entry of an address header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Display name, not decoded; the comment if there is no name.
    pub phrase: Option<Vec<u8>>,
    pub address: Option<Vec<u8>>,
    pub user: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
    pub comment: Option<Vec<u8>>,
}

/// All entries of a raw header value.
pub fn parse(value: &[u8]) -> Vec<Address> {
    if value.iter().all(|b| is_space(*b)) {
        return Vec::new();
    }
    let found = forgiving(value);
    let commas = memchr::memchr_iter(b',', value).count();
    if found.len() < commas + 1 {
        let strict = strict(value);
        if strict.len() > found.len() {
            return strict;
        }
    }
    found
}

/// SpamAssassin's `all_from_addrs`: who may have sent this, from From, Resent-From and envelope headers.
pub fn all_from_addresses(views: &Views<'_>) -> Vec<Vec<u8>> {
    let resent = values(views, "Resent-From:first:addr");
    if !resent.is_empty() {
        return unique(resent);
    }
    const REQUESTS: [&str; 5] =
        ["From:addr", "Envelope-Sender:addr", "Resent-Sender:addr", "X-Envelope-From:addr", "EnvelopeFrom:addr"];
    let found = REQUESTS.iter().flat_map(|request| values(views, request)).filter(|address| !address.is_empty());
    unique(found.map(|mut address| {
        address.dedup_by(|next, before| *next == b'.' && *before == b'.');
        address
    }))
}

/// SpamAssassin's `all_to_addrs`: recipients, from the newest three Received fields and from To, Cc and many others.
pub fn all_to_addresses(views: &Views<'_>) -> Vec<Vec<u8>> {
    let mut found = values(views, "Resent-To:first:addr");
    found.extend(values(views, "Resent-Cc:first:addr"));
    if found.is_empty() {
        const REQUESTS: [&str; 12] = [
            "To:addr",
            "Apparently-To:addr",
            "Delivered-To:addr",
            "Envelope-Recipients:addr",
            "Apparently-Resent-To:addr",
            "X-Envelope-To:addr",
            "Envelope-To:addr",
            "X-Delivered-To:addr",
            "X-Original-To:addr",
            "X-Rcpt-To:addr",
            "X-Real-To:addr",
            "Cc:addr",
        ];
        let received = views.message.headers().all("Received").take(3);
        found.extend(received.filter_map(|field| received_for(&field.decoded)));
        found.extend(REQUESTS.iter().flat_map(|request| values(views, request)));
    }
    unique(found)
}

fn values(views: &Views<'_>, request: &str) -> Vec<Vec<u8>> {
    views.header(&HeaderRequest::parse(request)).map_or_else(Vec::new, |value| value.values.clone())
}

fn unique(addresses: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    addresses.into_iter().filter(|address| seen.insert(address.clone())).collect()
}

/// `... for <user@host>;`
fn received_for(received: &[u8]) -> Option<Vec<u8>> {
    for at in memchr::memmem::find_iter(received, b" for ") {
        let rest = &received[at + 5..];
        let rest = rest.strip_prefix(b"<").unwrap_or(rest);
        let run = &rest[..rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len())];
        // The last `;` with an `@` and a host before it counts for the address, the nearest for the host.
        let Some(end) = memchr::memrchr(b';', run) else { continue };
        let address = &run[..end];
        let address = address.strip_suffix(b">").unwrap_or(address);
        let Some(sign) = memchr::memrchr(b'@', address).filter(|sign| *sign > 0 && sign + 1 < address.len()) else {
            continue;
        };
        let host = idn_to_ascii(&address[sign + 1..]);
        return is_fqdn_valid(&host).then(|| address.to_vec());
    }
    None
}

// The forgiving reader.

fn forgiving(value: &[u8]) -> Vec<Address> {
    let cleaned = prepare(value);
    let mut rest = cleaned.as_slice();
    let mut found = Vec::new();
    while let Some((entry, end)) = Entry::read(rest) {
        found.push(entry.settle());
        rest = &rest[end..];
    }
    if memchr::memchr(b'@', rest).is_some() {
        // Something was left: take whatever stands in angle brackets.
        let mut at = 0;
        while let Some(open) = memchr::memchr(b'<', &rest[at..]).map(|offset| at + offset) {
            at = open + 1;
            if let Some(end) = mail_at(rest, at).filter(|end| rest.get(*end) == Some(&b'>')) {
                if is_plausible(&rest[at..end]) {
                    found.push(split(rest[at..end].to_vec(), None, None));
                }
                at = end + 1;
            }
        }
    }
    found
}

/// Trailing blanks, double backslashes and the name of a group taken away.
fn prepare(value: &[u8]) -> Vec<u8> {
    let end = value.iter().rposition(|b| !is_space(*b)).map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(end);
    let mut rest = &value[..end];
    while let Some(pair) = memchr::memmem::find(rest, b"\\\\") {
        out.extend_from_slice(&rest[..pair]);
        rest = &rest[pair + 2..];
    }
    out.extend_from_slice(rest);
    let run = out.iter().position(|b| matches!(b, b'"' | b'(' | b')' | b'<' | b'>')).unwrap_or(out.len());
    if let Some(colon) = memchr::memrchr(b':', &out[..run]).filter(|colon| *colon > 0) {
        let start = skip_spaces(&out, colon + 1);
        if out.get(start) == Some(&b';') {
            out.clear();
        } else {
            out.drain(..start);
        }
    }
    out
}

/// What one step of the pattern captures.
#[derive(Default)]
struct Entry<'v> {
    phrase: Option<&'v [u8]>,
    /// Between angle brackets.
    bracketed: Option<&'v [u8]>,
    bare: Option<&'v [u8]>,
    comment: Option<&'v [u8]>,
}

impl<'v> Entry<'v> {
    fn read(value: &'v [u8]) -> Option<(Entry<'v>, usize)> {
        let start = skip_spaces(value, 0);
        if start == value.len() {
            return None;
        }
        let phrase_end = phrase_end(value, start);
        let after_phrase = skip_spaces(value, phrase_end);
        let phrase = (phrase_end > start).then(|| &value[start..phrase_end]);
        if value.get(after_phrase) == Some(&b'<')
            && let Some((bracketed, tail)) = bracketed(value, after_phrase)
        {
            return Some((Entry { phrase, bracketed: Some(bracketed), bare: None, comment: tail.comment }, tail.end));
        }
        if let Some(end) = mail_at(value, start)
            && let Some(tail) = Tail::plain(value, end)
        {
            let bare = Some(&value[start..end]);
            return Some((Entry { phrase: None, bracketed: None, bare, comment: tail.comment }, tail.end));
        }
        // A blank before a stray comma is a phrase.
        let start = if phrase.is_none() && start > 0 { start - 1 } else { start };
        let end = phrase_end.max(start + usize::from(phrase.is_none()));
        let tail = Tail::plain(value, end).filter(|_| end > start && (phrase.is_some() || is_space(value[start])))?;
        Some((Entry { phrase: Some(&value[start..end]), comment: tail.comment, ..Entry::default() }, tail.end))
    }

    fn settle(self) -> Address {
        let mut address = match self.bracketed {
            Some(text) => Some(without_comments(text)).filter(|text| mail_at(text, 0) == Some(text.len())),
            None => self.bare.map(<[u8]>::to_vec),
        };
        address = address.filter(|address| is_plausible(address));
        let mut phrase = self.phrase.and_then(plain_phrase);
        if let Some(text) = &phrase {
            let line = text.strip_suffix(b"\n").unwrap_or(text);
            let host = line.splitn(3, |b| *b == b'@').nth(1);
            if address.is_none()
                && mail_at(line, 0) == Some(line.len())
                && is_plausible(text)
                && host.is_some_and(|host| is_fqdn_valid(&idn_to_ascii(host)))
            {
                address = phrase.take();
            } else if text.is_empty() || address.as_ref() == Some(text) {
                phrase = None;
            }
        }
        let comment = self.comment.map(<[u8]>::to_vec);
        let phrase = phrase.or_else(|| comment.clone());
        match address {
            Some(address) => split(address, phrase, comment),
            None => Address { phrase, comment, ..Address::default() },
        }
    }
}

/// Cuts `user@host` from anything after a second `@`.
fn split(mut address: Vec<u8>, phrase: Option<Vec<u8>>, comment: Option<Vec<u8>>) -> Address {
    let mut user = None;
    let mut host = None;
    if let Some(sign) = memchr::memchr(b'@', &address) {
        let end = memchr::memchr(b'@', &address[sign + 1..]).map_or(address.len(), |next| sign + 1 + next);
        address.truncate(end);
        user = Some(address[..sign].to_vec());
        host = Some(address[sign + 1..].to_vec());
    }
    Address { phrase, address: Some(address), user, host, comment }
}

fn is_plausible(address: &[u8]) -> bool {
    !address.starts_with(b"\"\"@") && memchr::memchr_iter(b'"', address).count() != 1
}

/// Past a quoted string that begins at `at`.
fn quoted_end(value: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match (value.get(at)?, value.get(at + 1)) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(escaped)) if *escaped != b'\n' => at += 2,
            (b'\\', _) => return None,
            _ => at += 1,
        }
    }
}

/// Past a comment that begins at `at`; comments do not nest.
fn comment_end(value: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match (value.get(at)?, value.get(at + 1)) {
            (b')', _) => return Some(at + 1),
            (b'(', _) => return None,
            (b'\\', Some(escaped)) if *escaped != b'\n' => at += 2,
            (b'\\', _) => return None,
            _ => at += 1,
        }
    }
}

/// Quoted strings and anything up to `"`, `,`, `;` or `<`.
fn phrase_end(value: &[u8], mut at: usize) -> usize {
    loop {
        match value.get(at) {
            Some(b'"') => match quoted_end(value, at) {
                Some(end) => at = end,
                None => return at,
            },
            None | Some(b',' | b';' | b'<') => return at,
            Some(_) => at += 1,
        }
    }
}

/// Past something that looks like an address.
fn mail_at(value: &[u8], at: usize) -> Option<usize> {
    let is_end = |b: &u8| is_space(*b) || matches!(b, b'<' | b'>' | b'(' | b')' | b'[' | b']' | b',' | b':' | b';');
    let domain = |sign: usize| -> Option<usize> {
        if value.get(sign) != Some(&b'@') {
            return None;
        }
        let rest = &value[sign + 1..];
        let length = rest.iter().position(|b| is_end(b) || *b == b'"').unwrap_or(rest.len());
        if length > 0 {
            return Some(sign + 1 + length);
        }
        let inner = rest.strip_prefix(b"[")?;
        let length = inner.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
        (length > 0 && inner.get(length) == Some(&b']')).then(|| sign + 1 + length + 2)
    };
    if value.get(at) == Some(&b'"')
        && let Some(end) = quoted_end(value, at).and_then(domain)
    {
        return Some(end);
    }
    let user = value.get(at..)?.iter().position(|b| is_end(b) || *b == b'@')?;
    if user == 0 { None } else { domain(at + user) }
}

fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'(', &value[at..]).map(|offset| at + offset) {
        out.extend_from_slice(&value[at..open]);
        match comment_end(value, open) {
            Some(end) => at = end,
            None => {
                out.push(b'(');
                at = open + 1;
            }
        }
    }
    out.extend_from_slice(&value[at..]);
    out
}

/// Quotes, backslashes and comments taken out.
fn plain_phrase(phrase: &[u8]) -> Option<Vec<u8>> {
    let mut out = None;
    let mut at = 0;
    while at < phrase.len() {
        if phrase[at] == b'"' {
            let Some(end) = quoted_end(phrase, at) else {
                at += 1;
                continue;
            };
            let out: &mut Vec<u8> = out.get_or_insert_default();
            out.extend(phrase[at + 1..end - 1].iter().filter(|b| **b != b'\\'));
            at = end;
        } else {
            let end = memchr::memchr(b'"', &phrase[at..]).map_or(phrase.len(), |quote| at + quote);
            out.get_or_insert_default().extend(without_comments(&phrase[at..end]));
            at = end;
        }
    }
    out
}

/// What may follow an entry: a comment, then a comma, a semicolon or the end.
struct Tail<'v> {
    comment: Option<&'v [u8]>,
    end: usize,
}

impl<'v> Tail<'v> {
    fn plain(value: &'v [u8], at: usize) -> Option<Tail<'v>> {
        let finish = |at: usize| {
            let at = skip_spaces(value, at);
            match value.get(at) {
                None => Some(at),
                Some(b',' | b';') => Some(at + 1),
                Some(_) => None,
            }
        };
        let open = skip_spaces(value, at);
        if value.get(open) == Some(&b'(')
            && let Some(close) = comment_end(value, open)
            && let Some(end) = finish(close)
        {
            return Some(Tail { comment: Some(&value[open + 1..close - 1]), end });
        }
        finish(at).map(|end| Tail { comment: None, end })
    }

    /// More things in angle brackets may come first. `failed` keeps the work linear.
    fn with_duplicates(value: &'v [u8], at: usize, failed: &mut HashSet<usize>, steps: &mut u32) -> Option<Tail<'v>> {
        // Depth-first over the ways to read the brackets, without recursion.
        let mut open = vec![vec![at]];
        while let Some(choices) = open.last_mut() {
            let Some(at) = choices.pop() else {
                open.pop();
                continue;
            };
            if *steps == 0 || !failed.insert(at) {
                continue;
            }
            *steps -= 1;
            let bracket = skip_spaces(value, at);
            let mut ways = match value.get(bracket) {
                Some(b'<') => bracket_ends(value, bracket, true).map(|end| end + 1).collect(),
                _ => Vec::new(),
            };
            if ways.is_empty() {
                if let Some(tail) = Tail::plain(value, at) {
                    return Some(tail);
                }
                continue;
            }
            ways.reverse();
            open.push(ways);
        }
        None
    }
}

/// An address or anything else between `<` at `open` and some `>`, such that what follows makes sense.
fn bracketed(value: &[u8], open: usize) -> Option<(&[u8], Tail<'_>)> {
    let start = skip_spaces(value, open + 1);
    let mut failed = HashSet::new();
    let mut steps = 2_000;
    for close in bracket_ends(value, open, false) {
        if let Some(tail) = Tail::with_duplicates(value, close + 1, &mut failed, &mut steps) {
            let inner = &value[start.min(close)..close];
            let end = inner.iter().rposition(|b| !is_space(*b)).map_or(0, |last| last + 1);
            return Some((&inner[..end], tail));
        }
    }
    None
}

/// The `>` at which the brackets that open at `open` may end, in the order in which a greedy pattern tries them: in
/// the run without blanks that contains the `@` (or the first `>`), from the last one backward.
fn bracket_ends(value: &[u8], open: usize, duplicate: bool) -> impl Iterator<Item = usize> + '_ {
    let start = skip_spaces(value, open + 1);
    let rest = &value[start..];
    let mut first = if duplicate {
        // Only what has no blanks, after an optional quoted string.
        match rest.first() {
            Some(b'"') => quoted_end(value, start).unwrap_or(start),
            _ => start,
        }
    } else {
        start + memchr::memchr2(b'>', b'@', rest).unwrap_or(rest.len())
    };
    let run_end = first + value[first..].iter().position(|b| is_space(*b)).unwrap_or(value.len() - first);
    let after_run = skip_spaces(value, run_end);
    let at_end = (run_end > first && value.get(after_run) == Some(&b'>')).then_some(after_run);
    let before = value[start.min(first)..first].iter().any(|b| !is_space(*b));
    if !before {
        // Something has to stand before the `>`.
        first += 1;
    }
    let inside = value.get(first.min(run_end)..run_end).unwrap_or_default();
    let base = first.min(run_end);
    let inside = memchr::memrchr_iter(b'>', inside).map(move |offset| base + offset);
    let empty = (value.get(start) == Some(&b'>')).then_some(start);
    at_end.into_iter().chain(inside).chain(empty)
}

// The strict reader: RFC 5322 with the repairs that Dovecot's parser makes.

fn strict(value: &[u8]) -> Vec<Address> {
    let mut cleaned = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(pair) = memchr::memmem::find(rest, b"\\\\") {
        cleaned.extend_from_slice(&rest[..pair]);
        rest = &rest[pair + 2..];
    }
    cleaned.extend_from_slice(rest);
    let mut reader = Strict { text: &cleaned, at: 0, comment: Vec::new() };
    if reader.skip_blanks() != Next::More {
        return Vec::new();
    }
    let mut found = Vec::new();
    loop {
        if reader.address(&mut found) == Next::End || reader.peek() != Some(b',') {
            break;
        }
        reader.at += 1;
        match reader.skip_blanks() {
            Next::More => {}
            Next::End => break,
            Next::Bad => {
                found.push(Spec::default());
                break;
            }
        }
    }
    found.into_iter().map(|spec| spec.settle(value)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    End,
    Bad,
}

#[derive(Default)]
struct Spec {
    name: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    domain: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
}

impl Spec {
    fn settle(self, whole: &[u8]) -> Address {
        let user = self.user.filter(|user| !user.is_empty());
        let host = self.domain.filter(|domain| !domain.is_empty());
        let mut address = user.as_ref().zip(host.as_ref()).map(|(user, host)| compose(user, host));
        let (mut user, mut host) = (user, host);
        let mut phrase = self.name;
        // "user@host" in quotes and nothing else is meant as an address.
        if address.is_none()
            && user.is_none()
            && self.comment.is_none()
            && let Some(text) = phrase.clone()
            && is_plausible(&text)
            && let Some(sign) = memchr::memchr(b'@', &text)
            && sign > 0
            && !text[sign + 1..].iter().chain(&text[..sign]).any(|b| is_space(*b) || *b == b'@')
            && is_fqdn_valid(&idn_to_ascii(&text[sign + 1..]))
        {
            user = Some(text[..sign].to_vec());
            host = Some(text[sign + 1..].to_vec());
            address = phrase.take();
        }
        phrase = phrase.or_else(|| self.comment.clone());
        if phrase.is_none() && address.is_none() {
            phrase = Some(whole.to_vec());
        }
        Address { phrase, address, user, host, comment: self.comment }
    }
}

/// `user@host`, the user quoted where its characters need it.
fn compose(user: &[u8], host: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len() + host.len() + 3);
    if user.iter().all(|b| is_atext(*b) || *b == b'.') && !user.starts_with(b".") && !user.ends_with(b".") {
        out.extend_from_slice(user);
    } else {
        out.push(b'"');
        for byte in user {
            if matches!(byte, b'"' | b'\\' | b'\'') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    }
    out.push(b'@');
    out.extend_from_slice(host);
    out
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

struct Strict<'v> {
    text: &'v [u8],
    at: usize,
    /// The last one met.
    comment: Vec<u8>,
}

impl Strict<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn more(&self) -> Next {
        if self.at < self.text.len() { Next::More } else { Next::End }
    }

    fn skip_blanks(&mut self) -> Next {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => {
                    if !self.skip_comment() {
                        return Next::Bad;
                    }
                }
                _ => break,
            }
        }
        self.more()
    }

    fn skip_comment(&mut self) -> bool {
        self.comment.clear();
        let mut comment: Vec<u8> = Vec::new();
        let mut depth = 1;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        self.comment = comment;
                        return true;
                    }
                }
                b'\\' => {
                    let Some(escaped) = self.peek() else { return false };
                    self.at += 1;
                    comment.push(escaped);
                    continue;
                }
                b'\n' => {
                    if comment.last() == Some(&b'\r') {
                        comment.pop();
                    }
                    continue;
                }
                _ => {}
            }
            comment.push(byte);
        }
        // Without an end it is a comment all the same, but nothing after it is read.
        self.comment = comment;
        false
    }

    fn quoted(&mut self, out: &mut Vec<u8>) -> Next {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return self.skip_blanks(),
                b'\\' => match self.peek() {
                    Some(escaped) => {
                        out.push(escaped);
                        self.at += 1;
                    }
                    None => return Next::Bad,
                },
                byte => out.push(byte),
            }
        }
        Next::Bad
    }

    fn dot_atom(&mut self, out: &mut Vec<u8>) -> Next {
        if !self.peek().is_some_and(is_atext) {
            return Next::Bad;
        }
        loop {
            while let Some(byte) = self.peek().filter(|b| is_atext(*b)) {
                out.push(byte);
                self.at += 1;
            }
            match self.skip_blanks() {
                Next::More => {}
                next => return next,
            }
            if self.peek() != Some(b'.') {
                return Next::More;
            }
            self.at += 1;
            out.push(b'.');
            match self.skip_blanks() {
                Next::More => {}
                next => return next,
            }
        }
    }

    fn phrase(&mut self, out: &mut Vec<u8>) -> Next {
        match self.peek() {
            None => return Next::End,
            Some(b'.') => return Next::Bad,
            _ => {}
        }
        loop {
            let next = if self.peek() == Some(b'"') {
                self.quoted(out)
            } else {
                while let Some(byte) = self.peek().filter(|b| is_atext(*b) || *b == b'.') {
                    out.push(byte);
                    self.at += 1;
                }
                self.skip_blanks()
            };
            if next != Next::More {
                return next;
            }
            if !self.peek().is_some_and(|b| is_atext(b) || b == b'"' || b == b'.') {
                return self.skip_blanks();
            }
            out.push(b' ');
        }
    }

    fn domain(&mut self, out: &mut Vec<u8>) -> Next {
        self.at += 1;
        if self.skip_blanks() != Next::More {
            return Next::Bad;
        }
        if self.peek() != Some(b'[') {
            return self.dot_atom(out);
        }
        let start = self.at;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b']' => {
                    out.extend_from_slice(&self.text[start..self.at]);
                    return self.skip_blanks();
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        Next::Bad
    }

    fn local_part(&mut self, spec: &mut Spec) -> Next {
        let mut user = Vec::new();
        let next = if self.peek() == Some(b'"') { self.quoted(&mut user) } else { self.dot_atom(&mut user) };
        if next != Next::Bad {
            spec.user = Some(user);
        }
        next
    }

    fn take_domain(&mut self, spec: &mut Spec) -> Next {
        let mut domain = Vec::new();
        let next = self.domain(&mut domain);
        if next != Next::Bad {
            spec.domain = Some(domain);
        }
        next
    }

    fn angle(&mut self, spec: &mut Spec) -> Next {
        self.at += 1;
        match self.skip_blanks() {
            Next::More => {}
            next => return next,
        }
        if self.peek() == Some(b'@') {
            let routed = self.route();
            if self.at >= self.text.len() {
                return Next::Bad;
            }
            // Past the colon; without one, past whatever stands there.
            self.at += 1 + usize::from(routed);
            match self.skip_blanks() {
                Next::More => {}
                next => return next,
            }
        }
        if self.peek() != Some(b'>') {
            match self.local_part(spec) {
                Next::More => {}
                next => return next,
            }
            if self.peek() == Some(b'@') {
                match self.take_domain(spec) {
                    Next::More => {}
                    next => return next,
                }
            }
        }
        if self.peek() != Some(b'>') {
            return Next::Bad;
        }
        self.at += 1;
        self.skip_blanks()
    }

    /// `@a,@b` before a colon; true if the colon is there.
    fn route(&mut self) -> bool {
        let mut route = Vec::new();
        while self.peek() == Some(b'@') {
            if self.domain(&mut route) != Next::More {
                return false;
            }
            while self.skip_blanks() == Next::More && self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.peek() == Some(b':')
    }

    fn mailbox(&mut self, found: &mut Vec<Spec>) -> Next {
        let start = self.at;
        let mut spec = Spec::default();
        let mut name = Vec::new();
        let next = if self.phrase(&mut name) == Next::More && self.peek() == Some(b'<') {
            spec.name = Some(name).filter(|name| !name.is_empty());
            self.comment.clear();
            self.angle(&mut spec);
            self.more()
        } else {
            self.at = start;
            self.comment.clear();
            let mut next = self.local_part(&mut spec);
            let incomplete = next != Next::More;
            if next != Next::End && self.peek() == Some(b'@') {
                let after = self.take_domain(&mut spec);
                if after != Next::More {
                    next = after;
                }
            }
            if incomplete && spec.domain.is_none() {
                spec.name = spec.user.take();
            }
            next
        };
        if !self.comment.is_empty() {
            spec.comment = Some(std::mem::take(&mut self.comment));
        }
        found.push(spec);
        next
    }

    fn address(&mut self, found: &mut Vec<Spec>) -> Next {
        let start = self.at;
        let mut name = Vec::new();
        if self.phrase(&mut name) != Next::More || self.peek() != Some(b':') {
            self.at = start;
            return self.mailbox(found);
        }
        self.at += 1;
        let mut next = self.skip_blanks();
        if next == Next::More && self.peek() != Some(b';') {
            loop {
                if self.mailbox(found) != Next::More {
                    next = Next::Bad;
                    break;
                }
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
                if self.skip_blanks() != Next::More {
                    next = Next::Bad;
                    break;
                }
            }
        }
        if next != Next::Bad {
            if self.peek() != Some(b';') {
                next = Next::Bad;
            } else {
                self.at += 1;
                next = self.skip_blanks();
            }
        }
        if next == Next::End { Next::End } else { Next::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let check = |value: &str, expected: &[(Option<&str>, Option<&str>)]| {
            let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
            let found: Vec<_> =
                parse(value.as_bytes()).into_iter().map(|a| (text(a.phrase), text(a.address))).collect();
            let owned = |text: Option<&str>| text.map(str::to_string);
            let expected: Vec<_> = expected.iter().map(|(name, address)| (owned(*name), owned(*address))).collect();
            assert_eq!(found, expected, "{value}");
        };
        let foo = &[(None, Some("example@foo"))];
        let named = &[(Some("Foo Blah"), Some("example@foo"))];
        check("example@foo", foo);
        check(" <example@foo>\n", foo);
        check("example@foo (Foo Blah)", named);
        check("Foo Blah <example@foo>", &[(Some("Foo Blah "), Some("example@foo"))]);
        check("\"Foo Blah\" <example@foo>", &[(Some("Foo Blah "), Some("example@foo"))]);
        check("\"Blah, Foo\" <example@foo>", &[(Some("Blah, Foo "), Some("example@foo"))]);
        check(
            "display: example@foo (Foo Blah), example@bar ;",
            &[(Some("Foo Blah"), Some("example@foo")), (None, Some("example@bar"))],
        );
        check("undisclosed-recipients:;", &[]);
        check("<>", &[(None, None)]);
        check("Foo <a@b> <c@d>", &[(Some("Foo "), Some("a@b"))]);
        check("\"a@example.com\"", &[(None, Some("a@example.com"))]);
        check("a@example.com <b@example.com>", &[(Some("a@example.com "), Some("b@example.com"))]);
        check("", &[]);
    }
}
