//! RFC 2047 encoded words: finding them, and decoding a whole field value as SpamAssassin does.
//!
//! Neighbouring words of the same charset are joined before the charset is decoded, since many senders cut between the
//! bytes of one character. Bytes outside of words are taken for UTF-8 if they can be, else the charset is guessed.

use crate::mime::header::{is_space, skip_spaces, trim};
use crate::mime::{charset, transfer};

/// A piece of a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// Bytes between encoded words.
    Text(&'a [u8]),
    Word(Word<'a>),
}

/// `=?charset?encoding?bytes?=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// As written; a language tag after `*` is part of it.
    pub charset: &'a [u8],
    /// `b'B'` or `b'Q'`.
    pub encoding: u8,
    /// Still encoded.
    pub bytes: &'a [u8],
}

impl Word<'_> {
    /// Base64 or quoted-printable undone; bytes in [`Word::charset`].
    pub fn decoded(&self) -> Vec<u8> {
        if self.encoding == b'B' {
            return transfer::base64(self.bytes);
        }
        // "_" is the blank, whatever else is made of "=20" by what follows.
        let mut escaped = Vec::with_capacity(self.bytes.len());
        for byte in self.bytes {
            match byte {
                b'_' => escaped.extend_from_slice(b"=20"),
                byte => escaped.push(*byte),
            }
        }
        transfer::quoted_printable(&escaped)
    }

    /// The charset without a language tag, lower case.
    pub fn label(&self) -> String {
        let end = memchr::memchr(b'*', self.charset).unwrap_or(self.charset.len());
        self.charset[..end].iter().map(|b| char::from(b.to_ascii_lowercase())).collect()
    }
}

/// Cuts a value into encoded words and the text between them; blanks between words are text, too.
pub fn tokens(raw: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    let mut pending = None;
    std::iter::from_fn(move || {
        if let Some((word, end)) = pending.take() {
            at = end;
            return Some(Token::Word(word));
        }
        if at == raw.len() {
            return None;
        }
        let start = at;
        while let Some(equals) = memchr::memchr(b'=', &raw[at..]).map(|offset| at + offset) {
            if let Some((word, end)) = word_at(raw, equals) {
                if equals == start {
                    at = end;
                    return Some(Token::Word(word));
                }
                pending = Some((word, end));
                return Some(Token::Text(&raw[start..equals]));
            }
            at = equals + 1;
        }
        at = raw.len();
        Some(Token::Text(&raw[start..]))
    })
}

fn word_at(raw: &[u8], at: usize) -> Option<(Word<'_>, usize)> {
    let inner = raw[at..].strip_prefix(b"=?")?;
    let label = inner.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'*' | b'_' | b'-')))?;
    let encoding = match inner[label..] {
        [b'?', encoding @ (b'b' | b'B' | b'q' | b'Q'), b'?', ..] if label > 0 => encoding.to_ascii_uppercase(),
        _ => return None,
    };
    let bytes = &inner[label + 3..];
    let length = memchr::memchr(b'?', bytes)?;
    if bytes.get(length + 1) != Some(&b'=') {
        return None;
    }
    let word = Word { charset: &inner[..label], encoding, bytes: &bytes[..length] };
    Some((word, at + 2 + label + 3 + length + 2))
}

/// A raw field value unfolded, trimmed and decoded.
pub fn decode_field(raw: &[u8], name: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut at = 0;
    let trimmed_end = raw.iter().rposition(|b| !is_space(*b)).map_or(0, |last| last + 1);
    let raw = &raw[..trimmed_end];
    while let Some(newline) = memchr::memchr(b'\n', &raw[at..]).map(|offset| at + offset) {
        value.extend_from_slice(&raw[at..=newline]);
        at = newline + 1;
        let blanks = raw[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blanks > 0 {
            value.pop();
            value.push(b' ');
            at += blanks;
        }
    }
    value.extend_from_slice(&raw[at..]);
    let start = value.iter().position(|b| !is_space(*b)).unwrap_or(value.len());
    value.drain(..start);
    decode_value(value, takes_words(name))
}

/// An unfolded value: line ends dropped, bytes made UTF-8, and encoded words decoded if `words`.
pub fn decode_value(mut value: Vec<u8>, words: bool) -> Vec<u8> {
    if memchr::memchr(b'\n', &value).is_some() {
        value = join_lines(&value);
    }
    if !value.is_ascii() {
        value = charset::normalize(&value, "UTF-8", false).into_bytes(&value).unwrap_or(value);
    }
    if !words || memchr::memmem::find(&value, b"=?").is_none() {
        return value;
    }
    let joined = drop_blanks_between_words(&value);
    let mut out = Vec::with_capacity(joined.len());
    let mut run = Run::default();
    for token in tokens(&joined) {
        match token {
            Token::Text(text) => {
                run.flush(&mut out);
                out.extend_from_slice(text);
            }
            Token::Word(word) => {
                if !run.label.eq_ignore_ascii_case(word.charset) {
                    run.flush(&mut out);
                    run.label = word.charset.to_vec();
                }
                run.word = Some(word);
                run.bytes.extend(word.decoded());
            }
        }
    }
    run.flush(&mut out);
    out
}

/// Words of one charset, waiting to be decoded together.
#[derive(Default)]
struct Run<'a> {
    label: Vec<u8>,
    word: Option<Word<'a>>,
    bytes: Vec<u8>,
}

impl Run<'_> {
    fn flush(&mut self, out: &mut Vec<u8>) {
        if let Some(word) = self.word.take() {
            match charset::normalize(&self.bytes, &word.label(), true).into_bytes(&self.bytes) {
                Some(text) => out.extend(text),
                None => out.append(&mut self.bytes),
            }
        }
        self.bytes.clear();
        self.label.clear();
    }
}

/// Fields in which nothing that looks like an encoded word is one.
fn takes_words(name: &[u8]) -> bool {
    const PLAIN: [&[u8]; 8] = [
        b"received",
        b"message-id",
        b"resent-message-id",
        b"date",
        b"resent-date",
        b"mime-version",
        b"references",
        b"in-reply-to",
    ];
    let list = name.len() >= 5 && name[..5].eq_ignore_ascii_case(b"list-");
    !list && !PLAIN.iter().any(|plain| name.eq_ignore_ascii_case(plain))
}

fn join_lines(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut after_newline = false;
    for (at, byte) in value.iter().enumerate() {
        match byte {
            b'\n' => {}
            b'\r' if value.get(at + 1) == Some(&b'\n') => {}
            b'\t' if after_newline => out.push(b' '),
            byte => out.push(*byte),
        }
        after_newline = *byte == b'\n';
    }
    out
}

fn drop_blanks_between_words(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(equals) = memchr::memchr(b'=', &value[at..]).map(|offset| at + offset) {
        let next = word_at(value, equals).map(|(_, end)| (end, skip_spaces(value, end)));
        match next {
            Some((end, next)) if next > end && value.get(next) == Some(&b'=') && word_at(value, next).is_some() => {
                out.extend_from_slice(&value[at..end]);
                at = next;
            }
            _ => {
                out.extend_from_slice(&value[at..=equals]);
                at = equals + 1;
            }
        }
    }
    out.extend_from_slice(&value[at..]);
    out
}

/// A display name: decoded, blanks squeezed, one pair of single quotes taken off.
pub fn decode_phrase(phrase: &[u8]) -> Vec<u8> {
    let decoded = decode_value(phrase.to_vec(), true);
    if decoded.iter().all(|b| is_space(*b)) {
        return decoded;
    }
    let mut out = Vec::with_capacity(decoded.len());
    for byte in trim(&decoded) {
        match (is_space(*byte), out.last()) {
            (true, Some(b' ')) => {}
            (true, _) => out.push(b' '),
            (false, _) => out.push(*byte),
        }
    }
    match out.as_slice() {
        [b'\'', inner @ .., b'\''] => inner.to_vec(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &str) -> String {
        String::from_utf8(decode_field(value.as_bytes(), b"subject")).unwrap()
    }

    #[test]
    fn words() {
        assert_eq!(decoded(" =?UTF-8?Q?caf=C3=A9_au?= =?utf-8?b?IGxhaXQ=?= !\n"), "café au lait !");
        assert_eq!(decoded("=?utf-8?Q?caf=C3?=\n =?utf-8?Q?=A9?="), "café");
        assert_eq!(decoded("=?utf-8*fr?Q?caf=C3=A9?="), "café");
        assert_eq!(decoded("=?iso-8859-1?Q?caf=E9?= =?utf-8?Q?=C3=A9?="), "caféé");
        assert_eq!(decoded("a=?b?q? =?utf-8?x?y?= =?utf-8?q?z"), "a=?b?q? =?utf-8?x?y?= =?utf-8?q?z");
        assert_eq!(decoded("one\n\ttwo\n   three"), "one two three");
    }

    #[test]
    fn tokens_cover_the_value() {
        let value = b"ab =?utf-8?q?x?= =?utf-8?q?y?=c=?=";
        let found: Vec<_> = tokens(value).collect();
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], Token::Text(b"ab "));
        assert_eq!(found[2], Token::Text(b" "));
        assert_eq!(found[4], Token::Text(b"c=?="));
    }

    #[test]
    fn phrases() {
        assert_eq!(decode_phrase(b"'Foo  Bar' "), b"Foo Bar");
        assert_eq!(decode_phrase(b"  "), b"  ");
    }
}
