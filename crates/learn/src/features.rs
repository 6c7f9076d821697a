//! A message to numbers: which byte 6-grams and which words it has, each once.
//!
//! In: the views of a message. Out: positions in the model's two tables. What other filters wrote into the header, and
//! what mailboxes do there, is left out: it would be learnt in place of the message.

use crate::token;
use mail::Views;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// 2^21 places for 6-grams, 2^20 for words: larger tables did not measurably help, and these are 24 MB together.
pub(crate) const GRAM_BITS: u32 = 21;
pub(crate) const TOKEN_BITS: u32 = 20;

const LENGTH: usize = 6;
/// Bytes looked at, of each place. The first that a message says tell most; what comes late costs time alone.
const HEADER: usize = 2_000;
/// The body as it came counts where the header is shorter than this.
const RAW: usize = 1_500;
const URIS: usize = 1_000;
const TEXT: usize = 3_000;
const WORDS: usize = 16_000;
const SHORT: usize = 1_000;

/// What is to be left out beyond what is always left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Names of fields in lower case: `bayes_ignore_header`.
    pub ignore_headers: BTreeSet<String>,
    /// `bayes_token_sources`: what is not looked at.
    pub no_header: bool,
    pub no_text: bool,
    pub no_hidden: bool,
    pub no_uris: bool,
}

/// What one message has; each number once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    pub(crate) grams: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
}

impl Features {
    pub fn is_empty(&self) -> bool {
        self.grams.is_empty() && self.tokens.is_empty()
    }

    /// In the order in which they are written, so that sums over them come out alike wherever they are read.
    pub fn sorted(mut self) -> Features {
        self.grams.sort_unstable();
        self.tokens.sort_unstable();
        self
    }

    /// How many 6-grams and how many words.
    pub fn len(&self) -> (usize, usize) {
        (self.grams.len(), self.tokens.len())
    }
}

/// A fragment of a message and where it goes in the tables; for explanations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    Gram(&'a [u8], u32),
    Word(&'a str, &'static str, u32),
}

/// Makes features; keeps its buffers, so that a message costs no allocation but its result's.
#[derive(Debug)]
pub struct Extractor {
    options: Options,
    /// `None` while it is in use.
    seen: Option<Seen>,
    header: Vec<u8>,
    text: Vec<u8>,
    lower: String,
}

/// Which numbers have been met in this message: one bit each.
#[derive(Debug)]
struct Seen {
    grams: Box<[u64; 1 << (GRAM_BITS - 6)]>,
    tokens: Box<[u64; 1 << (TOKEN_BITS - 6)]>,
}

impl Default for Seen {
    fn default() -> Self {
        let zeros = |length: usize| vec![0; length].into_boxed_slice();
        Seen {
            grams: zeros(1 << (GRAM_BITS - 6)).try_into().expect("its length is that of the type"),
            tokens: zeros(1 << (TOKEN_BITS - 6)).try_into().expect("its length is that of the type"),
        }
    }
}

/// Puts a number behind the others unless it is there already. Without a branch that depends on it: which fragments come
/// again cannot be foretold.
#[inline]
fn put_once<const WORDS: usize>(bits: &mut [u64; WORDS], numbers: &mut Vec<u32>, used: &mut usize, index: u32) {
    let (word, bit) = (index as usize / 64 % WORDS, index % 64);
    let new = ((bits[word] >> bit) & 1) ^ 1;
    bits[word] |= 1 << bit;
    if *used == numbers.len() {
        numbers.resize((*used * 2).max(4_096), 0);
    }
    numbers[*used] = index;
    *used += new as usize;
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Extractor {
    pub fn new(options: Options) -> Self {
        Extractor { options, seen: Some(Seen::default()), header: Vec::new(), text: Vec::new(), lower: String::new() }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn extract(&mut self, views: &Views<'_>) -> Features {
        let mut grams = vec![0; 8_192];
        let mut tokens = vec![0; 2_048];
        let (mut some_grams, mut some_tokens) = (0, 0);
        let mut seen = self.seen.take().unwrap_or_default();
        self.walk(views, &mut |piece| match piece {
            Piece::Gram(_, index) => put_once(&mut seen.grams, &mut grams, &mut some_grams, index),
            Piece::Word(_, _, index) => put_once(&mut seen.tokens, &mut tokens, &mut some_tokens, index),
        });
        grams.truncate(some_grams);
        tokens.truncate(some_tokens);
        grams.iter().for_each(|index| seen.grams[*index as usize / 64] = 0);
        tokens.iter().for_each(|index| seen.tokens[*index as usize / 64] = 0);
        self.seen = Some(seen);
        Features { grams, tokens }
    }

    /// Every fragment, repeated ones too.
    pub fn walk(&mut self, views: &Views<'_>, found: &mut impl FnMut(Piece<'_>)) {
        self.gather_header(views);
        let text = views.text();
        self.text.clear();
        for unit in text.body.iter().skip(1).take_while(|_| !self.options.no_text) {
            self.text.extend_from_slice(unit);
            self.text.push(b'\n');
            if self.text.len() > WORDS {
                break;
            }
        }
        let header = &self.header[..self.header.len().min(HEADER)];
        grams(header, false, found);
        if header.len() < RAW && !self.options.no_text {
            let body = views.message.pristine_body();
            grams(&body[..body.len().min(RAW - header.len())], false, found);
        }
        let header_too = !self.options.no_header;
        let subject = if header_too { text.subject.as_bytes() } else { &[] };
        let from = views.message.headers().last("from").filter(|_| header_too);
        let from = from.map_or(&[][..], |field| &field.decoded);
        let mut named = std::mem::take(&mut self.lower).into_bytes();
        named.clear();
        named.extend_from_slice(if header_too { text.from_name.as_bytes() } else { &[] });
        named.push(b' ');
        named.extend_from_slice(&from[..from.len().min(SHORT)]);
        grams(subject, true, found);
        grams(&named, true, found);
        let mut uris = Vec::new();
        for uri in views.uris().uris.iter().take_while(|_| !self.options.no_uris) {
            uris.extend_from_slice(&uri.raw);
            uris.push(b'\n');
            if uris.len() > WORDS / 2 {
                break;
            }
        }
        grams(&uris[..uris.len().min(URIS)], true, found);
        grams(&self.text[..self.text.len().min(TEXT)], true, found);

        let mut lower = String::new();
        let mut words = |bytes: &[u8], place: &'static str| token::words(bytes, place, &mut lower, found);
        words(subject, "Subject");
        words(&named, "From");
        words(&self.text[..self.text.len().min(WORDS)], "");
        words(&uris, "URI");
        let hidden = if self.options.no_hidden { &[] } else { &text.hidden.bytes[..] };
        words(&hidden[..hidden.len().min(SHORT * 4)], "hidden");
        let mut structure = Vec::new();
        for part in views.message.parts.iter().take(50) {
            structure.extend_from_slice(part.media_type.as_bytes());
            structure.push(b' ');
            structure.extend_from_slice(part.charset.as_deref().unwrap_or("none").as_bytes());
            structure.push(b' ');
            structure.extend_from_slice(&part.transfer_encoding());
            structure.push(b'\n');
        }
        words(&structure, "MIME");
        token::header_words(&self.header, &mut lower, found);
        named.clear();
        self.lower = String::from_utf8(named).unwrap_or_default();
    }

    fn gather_header(&mut self, views: &Views<'_>) {
        self.header.clear();
        if self.options.no_header {
            return;
        }
        for field in &views.message.headers().fields {
            if is_markup(&field.name) || self.ignores(&field.name) {
                continue;
            }
            self.header.extend_from_slice(&field.name);
            self.header.push(b':');
            self.header.extend_from_slice(&field.raw);
            if self.header.len() > WORDS {
                break;
            }
        }
    }

    fn ignores(&self, name: &[u8]) -> bool {
        !self.options.ignore_headers.is_empty()
            && self.options.ignore_headers.contains(&*String::from_utf8_lossy(name).to_ascii_lowercase())
    }
}

/// Fields that a filter, a mailbox or a mail program wrote after the message was sent.
fn is_markup(name: &[u8]) -> bool {
    const BEGIN: [&[u8]; 14] = [
        b"x-spam-",
        b"x-sekisho-",
        b"x-rspamd-",
        b"x-dspam-",
        b"x-crm114-",
        b"x-mozilla-",
        b"x-imap",
        b"x-gm-",
        b"x-amavis-",
        b"x-virus-",
        b"x-clamav-",
        b"x-uid",
        b"x-evolution",
        b"x-microsoft-antispam",
    ];
    const WHOLE: [&[u8]; 9] = [
        b"status",
        b"x-status",
        b"x-keywords",
        b"x-bogosity",
        b"x-gmail-labels",
        b"content-length",
        b"lines",
        b"x-quarantine-id",
        b"x-spam",
    ];
    let begins = |begin: &[u8]| name.len() >= begin.len() && name[..begin.len()].eq_ignore_ascii_case(begin);
    BEGIN.iter().any(|begin| begins(begin)) || WHOLE.iter().any(|whole| name.eq_ignore_ascii_case(whole))
}

/// All 6-grams of `bytes`, in ASCII lower case if so wished.
#[inline]
fn grams(bytes: &[u8], lower: bool, found: &mut impl FnMut(Piece<'_>)) {
    let mut window = 0u64;
    for (at, &byte) in bytes.iter().enumerate() {
        let byte = if lower { byte.to_ascii_lowercase() } else { byte };
        window = (window << 8 | u64::from(byte)) & 0xffff_ffff_ffff;
        if at + 1 >= LENGTH {
            let index = (window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - GRAM_BITS)) as u32;
            found(Piece::Gram(&bytes[at + 1 - LENGTH..=at], index));
        }
    }
}

/// The name by which a message is known again: who said what, and when, however it came here. Neither relays nor markup
/// are in it.
pub fn digest(message: &mail::Message) -> u128 {
    let mut hash = Sha256::new();
    for name in ["message-id", "date", "from", "subject"] {
        if let Some(field) = message.headers().last(name) {
            hash.update(name);
            for word in field.raw.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
                hash.update(b" ");
                hash.update(word);
            }
        }
        hash.update(b"\n");
    }
    let body = message.pristine_body();
    let body = &body[..body.len().min(1 << 20)];
    for line in body.trim_ascii_end().split(|byte| *byte == b'\n') {
        hash.update(line.strip_suffix(b"\r").unwrap_or(line));
        hash.update(b"\n");
    }
    let hash = hash.finalize();
    hash.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
