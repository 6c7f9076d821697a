//! A copy of a message that the library can read.
//!
//! In: a message as it came. Out: lines end in CRLF, the fields that the library must know are known to it, and signatures
//! beyond the limits have names that it does not know. The library hashes the body for each signature's own canonical form,
//! algorithm and length (`l=`); so few of these may differ.

use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::dkim::Canonicalization;
use mail_auth::{AuthenticatedMessage, arc, dkim};
use std::collections::HashMap;
use std::ops::Range;

/// DKIM signatures that are looked at, from the top.
pub const SIGNATURES: usize = 10;
/// ARC sets; RFC 8617 admits no more.
pub const SETS: usize = 50;
/// Forms of the body that are hashed: canonical form, algorithm and length together.
const BODIES: usize = 4;

/// Fields whose names the library compares to the letter.
const KNOWN: [&[u8]; 5] =
    [b"From", b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"];

pub struct Prepared {
    bytes: Vec<u8>,
    pub limits: Vec<String>,
}

/// A signature's place in the copy.
struct Place {
    start: usize,
    value: Range<usize>,
    seals: bool,
}

impl Prepared {
    pub fn new(message: &[u8]) -> Prepared {
        let mut bytes = Vec::with_capacity(message.len() + message.len() / 32);
        let mut places: Vec<Place> = Vec::new();
        let (mut header, mut open) = (true, false);
        for line in message.split_inclusive(|b| *b == b'\n') {
            let (text, ended) = match line.strip_suffix(b"\n") {
                Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
                None => (line, false),
            };
            header &= !text.is_empty();
            let start = bytes.len();
            let goes_on = matches!(text.first(), Some(b' ' | b'\t'));
            open &= header && goes_on;
            let colon = text.iter().position(|b| *b == b':').filter(|_| header && !goes_on);
            let known = colon.and_then(|colon| {
                let name = text[..colon].trim_ascii_end();
                KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)).map(|_| (name, &text[colon..]))
            });
            match known {
                // Blanks between name and colon do not count, and the library would not know the field.
                Some((name, rest)) => {
                    bytes.extend_from_slice(name);
                    let value = bytes.len() + 1;
                    bytes.extend_from_slice(rest);
                    let seals = name.eq_ignore_ascii_case(b"ARC-Message-Signature");
                    if seals || name.eq_ignore_ascii_case(b"DKIM-Signature") {
                        places.push(Place { start, value: value..value, seals });
                        open = true;
                    }
                }
                None => bytes.extend_from_slice(text),
            }
            if ended {
                bytes.extend_from_slice(b"\r\n");
            }
            if let Some(place) = places.last_mut().filter(|_| open) {
                place.value.end = bytes.len();
            }
        }
        let (surplus, limits) = surplus(&bytes, &places);
        surplus.into_iter().for_each(|start| bytes[start] = b'X');
        Prepared { bytes, limits }
    }

    /// `whole`: nothing of the message was left out. `None`: there is no header to speak of.
    pub fn read(&self, whole: bool) -> Option<AuthenticatedMessage<'_>> {
        let mut message = AuthenticatedMessage::parse_with_opts(&self.bytes, None, false)?;
        for header in &mut message.dkim_headers {
            // No reports, and no third parties by RFC 6541.
            header.header.r = false;
            header.header.atps = None;
        }
        name_as_written(&mut message);
        match whole {
            true => without_blank_ends(&mut message),
            false => believe_body_hashes(&mut message),
        }
        Some(message)
    }
}

/// Where the signatures begin that are not looked at, and why.
fn surplus(bytes: &[u8], places: &[Place]) -> (Vec<usize>, Vec<String>) {
    let (mut signatures, mut seals, mut in_part, mut other) = (0, 0, 0, 0);
    let mut bodies = Vec::new();
    let mut surplus = Vec::new();
    for Place { start, value, seals: is_seal } in places {
        let value = &bytes[value.clone()];
        let body = match is_seal {
            true => {
                seals += 1;
                arc::Signature::parse(value).ok().map(|one| (one.cb, HashAlgorithm::from(one.a), one.l))
            }
            false => {
                signatures += 1;
                dkim::Signature::parse(value).ok().map(|one| (one.cb, HashAlgorithm::from(one.a), one.l))
            }
        };
        let too_many = if *is_seal { seals > SETS + 1 } else { signatures > SIGNATURES };
        match body {
            _ if too_many => surplus.push(*start),
            // Whoever seals what he hands on has seen all of it.
            Some((.., length)) if *is_seal && length > 0 => {
                in_part += 1;
                surplus.push(*start);
            }
            Some(body) if bodies.contains(&body) => {}
            Some(body) if bodies.len() < BODIES => bodies.push(body),
            Some(_) => {
                other += 1;
                surplus.push(*start);
            }
            None => {}
        }
    }
    let mut limits = Vec::new();
    if signatures > SIGNATURES {
        limits.push(format!("{signatures} DKIM signatures, of which the first {SIGNATURES} were looked at"));
    }
    if seals > SETS {
        limits.push(format!("more than {SETS} ARC sets"));
    }
    if in_part > 0 {
        limits.push(format!("{in_part} ARC seals over a part of the body (l=), which were not looked at"));
    }
    if other > 0 {
        limits.push(format!("more than {BODIES} ways to hash the body, {other} signatures were not looked at"));
    }
    (surplus, limits)
}

/// Lines of blanks alone at the end are empty ones, once blanks do not count; the library keeps them.
fn without_blank_ends(message: &mut AuthenticatedMessage<'_>) {
    let body = message.raw_message.get(message.body_offset as usize..).unwrap_or_default();
    let kept = without_blank_end(body);
    if kept.len() < body.len() {
        for (form, hash, length, value) in &mut message.body_hashes {
            if *form == Canonicalization::Relaxed {
                *value = hash.hash(form.canonical_body(kept, *length)).as_ref().to_vec();
            }
        }
    }
}

/// Up to the last line that has something in it, its end of line included.
fn without_blank_end(body: &[u8]) -> &[u8] {
    let Some(last) = body.iter().rposition(|b| !b" \t\r\n".contains(b)) else { return &[] };
    let end = body[last..].iter().position(|b| *b == b'\n').map_or(body.len(), |at| last + at + 1);
    &body[..end]
}

/// Where the body is not there, what can be verified is the header: each signature's word for the body is taken, which its
/// caller must know. A length of its own leads the library to that word.
fn believe_body_hashes(message: &mut AuthenticatedMessage<'_>) {
    message.body_hashes.clear();
    let dkim = message.dkim_headers.iter_mut().map(|one| &mut one.header);
    let dkim = dkim.map(|one| (one.cb, HashAlgorithm::from(one.a), &mut one.l, &one.bh));
    let seals = message.ams_headers.iter_mut().map(|one| &mut one.header);
    let seals = seals.map(|one| (one.cb, HashAlgorithm::from(one.a), &mut one.l, &one.bh));
    for (number, (form, hash, length, said)) in (1..).zip(dkim.chain(seals)) {
        *length = number;
        message.body_hashes.push((form, hash, number, said.clone()));
    }
}

/// `Subject : x` is signed as `subject`, and the library looks for the name to the letter: it is told how the field that is
/// meant writes its name.
fn name_as_written(message: &mut AuthenticatedMessage<'_>) {
    let mut fields: HashMap<Vec<u8>, Vec<&[u8]>> = HashMap::new();
    for (name, _) in &message.headers {
        fields.entry(name.trim_ascii_end().to_ascii_lowercase()).or_default().push(name);
    }
    fields.retain(|name, written| written.iter().any(|written| written.len() != name.len()));
    if fields.is_empty() {
        return;
    }
    let dkim = message.dkim_headers.iter_mut().map(|one| &mut one.header.h);
    for names in dkim.chain(message.ams_headers.iter_mut().map(|one| &mut one.header.h)) {
        let mut used: HashMap<Vec<u8>, usize> = HashMap::new();
        for signed in names {
            let name = signed.trim_end().to_ascii_lowercase().into_bytes();
            let Some(written) = fields.get(&name) else { continue };
            // From the bottom.
            let used = used.entry(name).or_default();
            *used += 1;
            let written = written.len().checked_sub(*used).map(|at| written[at]);
            if let Some(written) = written.and_then(|written| std::str::from_utf8(written).ok()) {
                written.clone_into(signed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(more: &str) -> String {
        format!("DKIM-Signature: v=1; d=a.example; s=s; h=from; b=YQ==; bh=YQ==; {more}\r\n")
    }

    #[test]
    fn more_signatures_than_are_looked_at() {
        let message =
            format!("{}From: a@b.example\r\n\r\nDKIM-Signature: body\n", "DKIM-Signature: v=1\n".repeat(1000));
        let prepared = Prepared::new(message.as_bytes());
        assert_eq!(prepared.limits.len(), 1);
        assert_eq!(prepared.read(true).unwrap().errors.len(), SIGNATURES);
        assert!(Prepared::new(b"").read(true).is_none());
    }

    #[test]
    fn bodies_are_hashed_a_few_times_only() {
        let each: String =
            (1..=9).map(|length| signature(&format!("a=rsa-sha256;\r\n c=simple; l={length}"))).collect();
        let sealed =
            signature("a=rsa-sha256; i=1; c=simple; l=1").replace("DKIM-Signature: v=1;", "ARC-Message-Signature:");
        let message = format!("{each}{sealed}From: a@b.example\r\n\r\nbody body body\r\n");
        let prepared = Prepared::new(message.as_bytes());
        let read = prepared.read(true).unwrap();
        assert_eq!((read.body_hashes.len(), read.dkim_headers.len(), read.ams_headers.len()), (BODIES, BODIES, 0));
        assert_eq!(prepared.limits.len(), 2, "{:?}", prepared.limits);
        assert!(prepared.limits[0].contains("part of the body") && prepared.limits[1].contains("5 signatures"));
        // Usual ones are all there.
        let usual = [signature("a=rsa-sha256; c=relaxed/relaxed"), signature("a=ed25519-sha256; c=relaxed/simple")];
        let prepared = Prepared::new(format!("{}From: a@b.example\r\n\r\nx\r\n", usual.concat()).as_bytes());
        assert_eq!((prepared.read(true).unwrap().dkim_headers.len(), prepared.limits.len()), (2, 0));
    }

    #[test]
    fn names_stay_as_they_were_written() {
        let text = format!(
            "{}Subject : two\r\nSubject: one\r\nfrom\t: a@b.example\r\n\r\nx\r\n",
            signature("a=rsa-sha256; c=simple").replace("h=from", "h=from:subject:subject:subject")
        );
        let prepared = Prepared::new(text.as_bytes());
        let read = prepared.read(true).unwrap();
        assert_eq!(read.dkim_headers[0].header.h, ["from", "Subject", "Subject ", "subject"]);
        assert!(read.headers.iter().any(|(name, _)| *name == b"Subject ") && read.from == ["a@b.example"]);
    }
}
