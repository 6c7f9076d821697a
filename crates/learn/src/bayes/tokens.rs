//! A message to SpamAssassin's tokens.
//!
//! Text, hidden text, URIs, the header's fields, and if so wished the digests of parts, each cut at blanks and taken apart as
//! SpamAssassin 4.0 does it: bytes of UTF-8, whole and in lower case and without punctuation, long ones shortened, hosts and
//! addresses with what stands above them. Oddities are kept (a "Title case. Word" loses its full stop; a header's token
//! has no lower-case twin): a token that is spelt otherwise is another number.

use super::chew;
use mail::Views;
use mail::views::UnitText;
use mail::views::body;
use mail::views::html::Rendered;
use regex::bytes::{Regex, RegexBuilder};
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

/// More are not taken from the text, from hidden text; from URIs and from the header.
const OF_TEXT: usize = 50_000;
const OF_REST: usize = 10_000;

/// What SpamAssassin's settings change in tokens.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of fields in lower case: `bayes_ignore_header`.
    pub ignore_headers: BTreeSet<String>,
    /// `bayes_token_sources`.
    pub header: bool,
    pub visible: bool,
    pub invisible: bool,
    pub uri: bool,
    pub mimepart: bool,
    /// `bayes_max_token_length`: what is longer is shortened.
    pub longest: usize,
    pub stopwords: Arc<Stopwords>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ignore_headers: BTreeSet::new(),
            header: true,
            visible: true,
            invisible: true,
            uri: true,
            mimepart: false,
            longest: 15,
            stopwords: Arc::default(),
        }
    }
}

/// Words that are left out: one pattern a language.
#[derive(Debug, Clone)]
pub struct Stopwords(Vec<Regex>);

/// The English words that SpamAssassin's rules leave out, for sites whose rules say nothing of it.
const ENGLISH: &str = "able|all|already|and|any|are|because|both|can|come|each|email|even|few|first|for|from|give|has|have\
    |http|information|into|it's|just|know|like|long|look|made|mail|mailing|mailto|make|many|more|most|much|need|not|now\
    |number|off|one|only|out|own|people|place|right|same|see|such|that|the|this|through|time|using|web|where|why|with\
    |without|work|world|year|years|you|you're|your";

impl Default for Stopwords {
    fn default() -> Self {
        Stopwords::new([ENGLISH]).0
    }
}

impl Stopwords {
    pub fn none() -> Stopwords {
        Stopwords(Vec::new())
    }

    /// Of `bayes_stopword_XX`, as written in rules, and which of them cannot be used.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> (Stopwords, Vec<&'a str>) {
        let mut wrong = Vec::new();
        let mut good = Vec::new();
        for text in patterns {
            // `(?^:` is how Perl prints a pattern without flags.
            let inner = text.replace("(?^:", "(?-i:");
            match RegexBuilder::new(&format!("^(?i)(?:{inner})$")).unicode(false).size_limit(1 << 22).build() {
                Ok(pattern) => good.push(pattern),
                Err(_) => wrong.push(text),
            }
        }
        (Stopwords(good), wrong)
    }

    /// The patterns of the languages that are wished for; of English also where the rules have none.
    pub fn of<'a>(languages: &'a [String], patterns: &'a BTreeMap<String, String>) -> (Stopwords, Vec<&'a str>) {
        let of = |language: &'a String| match patterns.get(language) {
            Some(pattern) => Some(pattern.as_str()),
            None => (language == "en").then_some(ENGLISH),
        };
        Stopwords::new(languages.iter().filter_map(of))
    }

    fn has(&self, token: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(token))
    }
}

/// One token, with the number that SpamAssassin keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a [u8],
    pub number: u64,
}

/// Where a token stands decides how it is taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Region {
    Header,
    Text,
    Uri,
}

#[derive(Debug, Default)]
pub struct Tokenizer {
    options: Options,
}

impl Tokenizer {
    pub fn new(options: Options) -> Tokenizer {
        Tokenizer { options }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Each number once, sorted.
    pub fn tokens(&self, views: &Views<'_>) -> super::Tokens {
        let mut all = Vec::new();
        self.walk(views, &mut |token| all.push(token.number));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every token, repeated ones too.
    pub fn walk(&self, views: &Views<'_>, found: &mut impl FnMut(Token<'_>)) {
        let mut give = |text: &[u8]| {
            if !text.is_empty() {
                found(Token { text, number: number(text) });
            }
        };
        let options = &self.options;
        if options.visible {
            let text = shown(views, false);
            let visible = text.as_ref().unwrap_or_else(|| views.body());
            self.lines(visible.iter(), OF_TEXT, b"", Region::Text, &mut give);
        }
        if options.uri {
            self.lines(views.uris().text.iter(), OF_REST, b"", Region::Uri, &mut give);
        }
        if options.invisible
            && let Some(text) = shown(views, true)
        {
            self.lines(text.iter(), OF_TEXT, b"I*:", Region::Text, &mut give);
        }
        if options.mimepart {
            for (_, part) in views.message.leaves() {
                give(&part_token(part.decoded(), &part.media_type));
            }
        }
        if options.header {
            let mut give = limited(OF_REST, &mut give);
            let (fields, names) = self.fields(views);
            for (name, which) in names {
                let prefix = [b"H", &name[..], b":"].concat();
                for (name, value) in which.iter().filter_map(|field| fields.get(*field)) {
                    let line = |line: &[u8]| self.line(line, &prefix, Region::Header, &mut give);
                    if chew::each(name, value, line).is_break() {
                        return;
                    }
                }
            }
        }
    }

    fn lines<'t>(
        &self,
        lines: impl Iterator<Item = &'t [u8]>,
        most: usize,
        prefix: &[u8],
        region: Region,
        give: &mut impl FnMut(&[u8]),
    ) {
        let mut give = limited(most, give);
        for line in lines {
            if self.line(line, prefix, region, &mut give).is_break() {
                return;
            }
        }
    }

    /// Fields of the header, and which of them go by each short name, in their order.
    fn fields(&self, views: &Views<'_>) -> (Vec<Field>, BTreeMap<Vec<u8>, Vec<usize>>) {
        let mut fields = Vec::new();
        let mut names: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        let mut field = |name: &[u8], value: &[u8]| {
            let lower = String::from_utf8_lossy(name).to_lowercase();
            if self.options.ignore_headers.contains(&lower) {
                return;
            }
            let all = chew::common_name(name).into_iter().chain([chew::short_name(name)]);
            all.for_each(|short| names.entry(short.to_vec()).or_default().push(fields.len()));
            fields.push((name.to_vec(), value.to_vec()));
        };
        let mut received = Vec::new();
        for shown in views.message.headers().shown() {
            let value = [b" ", &shown.decoded[..]].concat();
            if shown.name.eq_ignore_ascii_case(b"received") {
                received.push((&shown.name, value));
            } else if !chew::is_ignored(&shown.name) {
                field(&shown.name, &value);
            }
        }
        for (name, value) in views.all_metadata() {
            field(name.as_bytes(), &[b" ", &value[..]].concat());
        }
        // The two that stand lowest.
        for (name, value) in received.iter().rev().take(2) {
            field(name, value);
        }
        (fields, names)
    }

    /// Ends early where `give` has enough.
    fn line(
        &self,
        line: &[u8],
        prefix: &[u8],
        region: Region,
        give: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let line = cleaned(line);
        let line = replaced(&DOTS, b"...", line);
        let mut line = replaced(&DASHES, b"--", line);
        if region != Region::Header {
            line = title_case(&line);
        }
        let mut out = prefix.to_vec();
        let mut prefixed = |token: &[&[u8]], give: &mut dyn FnMut(&[u8]) -> ControlFlow<()>| {
            out.truncate(prefix.len());
            token.iter().for_each(|piece| out.extend_from_slice(piece));
            give(&out)
        };
        for token in line.split(|byte| *byte == b' ') {
            let token = trimmed(token);
            if token.len() < 3 || self.options.stopwords.has(token) {
                continue;
            }
            if region != Region::Header {
                let inner = &token[1..token.len() - 1];
                if inner.contains(&b'@') {
                    chew::address_pieces(token, &mut *give)?;
                } else if has_host(token) {
                    chew::hosts(token, |name| give(&[b"UD:", name].concat()))?;
                }
            }
            let mut short = None;
            if token.len() > self.options.longest && !token.contains(&b'*') {
                let mut any = false;
                wide_characters(token, |character| {
                    any = true;
                    prefixed(&[b"u8:", character], give)
                })?;
                if any {
                    continue;
                }
                if region != Region::Uri
                    && let Some(end) = seven_characters(token).filter(|end| token.len() - end >= 2)
                {
                    short = Some([b"sk:", &token[..end]].concat());
                }
            }
            let token = short.as_deref().unwrap_or(token);
            if region != Region::Header {
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'*');
                let odd = !token.iter().all(plain);
                let bare: Vec<u8> = token.iter().copied().filter(plain).collect();
                if odd {
                    prefixed(&[&bare], give)?;
                }
                if token.iter().any(u8::is_ascii_uppercase) {
                    prefixed(&[&token.to_ascii_lowercase()], give)?;
                    if odd {
                        prefixed(&[&bare.to_ascii_lowercase()], give)?;
                    }
                }
            }
            prefixed(&[token], give)?;
        }
        ControlFlow::Continue(())
    }
}

/// Name and value.
type Field = (Vec<u8>, Vec<u8>);

/// Takes so many, and has enough.
fn limited(most: usize, give: &mut impl FnMut(&[u8])) -> impl FnMut(&[u8]) -> ControlFlow<()> {
    let mut left = most;
    move |token| {
        give(token);
        left = left.saturating_sub(1);
        if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// The last five bytes of the SHA-1.
pub(super) fn number(token: &[u8]) -> u64 {
    let digest = Sha1::digest(token);
    digest[digest.len() - 5..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The text that is shown, or what is hidden, as SpamAssassin tells them apart. `None`: nothing is hidden, so all is shown.
fn shown(views: &Views<'_>, hidden: bool) -> Option<UnitText> {
    let rendered: Vec<_> = views.message.leaves().map(|(id, _)| views.rendered(id)).collect();
    if !rendered.iter().flatten().any(|part| part.segments.iter().any(|segment| segment.sa_invisible)) {
        return None;
    }
    let select = if hidden { Rendered::sa_invisible } else { Rendered::sa_visible };
    let parts: Vec<_> = rendered.iter().map(|part| part.map(select)).collect();
    let subject = views.message.headers().last("subject").map_or(&[][..], |field| &field.decoded);
    Some(body::body((!hidden).then_some(subject), &parts, views.config.body_part_scan_size))
}

/// Parts that are often the same have names.
fn part_token(content: &[u8], media_type: &str) -> Vec<u8> {
    let name = match (content, media_type) {
        (b"", "text/plain") => "Empty-Plaintext",
        (b"", "text/html") => "Empty-HTML",
        (b"", "text/xml") => "Empty-XML",
        (b"\n", "text/plain") => "OneNL-Plaintext",
        (b"\n", "text/html") => "OneNL-HTML",
        (b"\n\n", "text/plain") => "TwoNL-Plaintext",
        (b"\n\n", "text/html") => "TwoNL-HTML",
        _ => "",
    };
    let mut out = b"MIME:".to_vec();
    out.extend_from_slice(name.as_bytes());
    if name.is_empty() {
        Sha1::digest(content).iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes()));
        out.push(b':');
        out.extend_from_slice(media_type.as_bytes());
    }
    out
}

fn pattern(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).build().expect("a pattern of this file")
}

static DOTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\w)(\.{3,6})(\w)"));
static DASHES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\w)(-{2,6})(\w)"));

/// What stands between two words is set apart. `has`: without it there is nothing to look for.
fn replaced(pattern: &Regex, has: &[u8], line: Vec<u8>) -> Vec<u8> {
    match memchr::memmem::find(&line, has) {
        Some(_) => pattern.replace_all(&line, &b"$1 $2 $3"[..]).into_owned(),
        None => line,
    }
}

/// Letters, digits, some punctuation and whole UTF-8 characters stay; all else is a blank.
fn cleaned(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(&first) = rest.first() {
        let continued =
            |count: usize| rest.len() > count && rest[1..=count].iter().all(|byte| (0x80..=0xbf).contains(byte));
        let length = match first {
            0xc0..=0xdf if continued(1) => 2,
            0xe0..=0xef if continued(2) => 3,
            0xf0..=0xf4 if continued(3) => 4,
            _ => 1,
        };
        let stays = first >= 0xa1 || first.is_ascii_alphanumeric() || b",@*!_'\"$. -".contains(&first);
        if stays {
            out.extend_from_slice(&rest[..length]);
        } else {
            out.push(b' ');
        }
        rest = &rest[length..];
    }
    out
}

/// A word with a capital at the start of a line or behind a full stop, as far as no other capital follows: in lower
/// case, and the full stop gone.
fn title_case(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 2);
    let mut at = 0;
    while at < line.len() {
        let start = match line[at] {
            _ if at == 0 && line[0].is_ascii_uppercase() => Some(0),
            b'.' => {
                let blanks = line[at + 1..].iter().take_while(|byte| **byte == b' ').count();
                (blanks > 0).then_some(at + 1 + blanks)
            }
            _ => None,
        };
        if let Some(start) = start
            && line.get(start).is_some_and(u8::is_ascii_uppercase)
        {
            let run = line[start + 1..].iter().take_while(|byte| !byte.is_ascii_uppercase()).count();
            let end = start + 1 + run;
            // To the end, or to the last blank before the next capital.
            let stop = if end == line.len() {
                (run > 0).then_some((end, end))
            } else {
                line[start + 1..end].iter().rposition(|byte| *byte == b' ').filter(|at| *at > 0).map(|at| {
                    let blank = start + 1 + at;
                    (blank, blank + 1)
                })
            };
            if let Some((word, next)) = stop {
                out.push(b' ');
                out.push(line[start].to_ascii_lowercase());
                out.extend_from_slice(&line[start + 1..word]);
                out.push(b' ');
                at = next;
                continue;
            }
        }
        out.push(line[at]);
        at += 1;
    }
    out
}

fn trimmed(token: &[u8]) -> &[u8] {
    let odd = |byte: &u8| !matches!(byte, b'-' | b'\'' | b'"' | b'.' | b',');
    let start = token.iter().position(odd).unwrap_or(token.len());
    let end = token.iter().rposition(odd).map_or(start, |last| last + 1);
    &token[start..end]
}

/// A dot between something and a letter.
fn has_host(token: &[u8]) -> bool {
    token.windows(2).skip(1).any(|pair| pair[0] == b'.' && pair[1].is_ascii_alphabetic())
}

/// Characters of three and four bytes in a token that has any beyond ASCII.
fn wide_characters(token: &[u8], mut found: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    let continued = |byte: Option<&u8>| byte.is_some_and(|byte| (0x80..=0xbf).contains(byte));
    let mut at = 0;
    while at < token.len() {
        let all = |count: usize| (1..=count).all(|next| continued(token.get(at + next)));
        let length = match token[at] {
            0xe0..=0xef if all(2) => 3,
            0xf0..=0xf4 if all(3) => 4,
            _ => 0,
        };
        if length > 0 {
            found(&token[at..at + length])?;
        }
        at += length.max(1);
    }
    ControlFlow::Continue(())
}

/// Where the seventh character ends; bytes that are no character count as one each.
fn seven_characters(token: &[u8]) -> Option<usize> {
    fn after(token: &[u8], at: usize, left: usize) -> Option<usize> {
        let Some(rest) = left.checked_sub(1) else { return Some(at) };
        let first = *token.get(at)?;
        let count = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let whole =
            token.get(at..at + count).is_some_and(|all| all[1..].iter().all(|byte| (0x80..=0xbf).contains(byte)));
        let long = if whole && count > 1 { after(token, at + count, rest) } else { None };
        // Too few characters: then bytes.
        long.or_else(|| after(token, at + 1, rest))
    }
    after(token, 0, 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{Limits, Message, ViewConfig};

    fn of(text: &str, region: Region) -> Vec<String> {
        let mut all = Vec::new();
        let done = Tokenizer::default().line(text.as_bytes(), b"", region, &mut |token| {
            all.push(String::from_utf8_lossy(token).into_owned());
            ControlFlow::Continue(())
        });
        assert!(done.is_continue());
        all
    }

    #[test]
    fn lines() {
        let text = |line| of(line, Region::Text);
        assert_eq!(text("Hello there. Foo bar"), ["hello", "there", "foo", "Foo", "bar"]);
        assert_eq!(text("buy FREE! now"), ["buy", "FREE", "free!", "free", "FREE!"]);
        assert_eq!(text("a@b.example"), ["U*a", "D*b.example", "D*example", "abexample", "a@b.example"]);
        assert_eq!(
            text("see www.one.example"),
            ["UD:www.one.example", "UD:one.example", "UD:example", "wwwoneexample", "www.one.example"]
        );
        assert_eq!(text("請求書をご確認ください").len(), 11);
        assert_eq!(text("ab the http 'quoted'"), ["quoted"]);
        assert_eq!(text("wait...here and--there"), ["wait", "here", "there"]);
        assert_eq!(of("Foo.Bar sk:abcdefghijklmnopq", Region::Header), ["Foo.Bar", "sk:abcdefg"]);
    }

    #[test]
    fn seven_characters_are_kept_of_what_is_long() {
        assert_eq!(seven_characters("abcdefghij".as_bytes()), Some(7));
        assert_eq!(seven_characters("äöüäöüäöü".as_bytes()), Some(14));
        assert_eq!(seven_characters("äöüäöü".as_bytes()), Some(12), "too few characters: the last is taken in bytes");
        assert_eq!(seven_characters(b"abc"), None);
    }

    #[test]
    fn a_message() {
        let raw = b"Received: from a by b\nReceived: from c by d\nReceived: from e by f\nFrom: X <x@y.example>\n\
            Subject: Prize\nX-Mailer: TheBat! (v2)\nContent-Type: text/html\n\n\
            <p>Click <a href=\"http://h.example/path\">here</a> <font size=\"1\" style=\"font-size:0px\">hidden</font></p>\n";
        let message = Message::parse(raw, &Limits::default());
        let config = ViewConfig::default();
        let views = Views::new(&message, &config);
        let mut all = BTreeSet::new();
        Tokenizer::default().walk(&views, &mut |token| {
            all.insert(String::from_utf8_lossy(token.text).into_owned());
        });
        for token in [
            "prize",
            "click",
            "here",
            "I*:hidden",
            "H*F:N*X",
            "H*F:U*x",
            "H*F:D*y.example",
            "H*Ad:D*example",
            "H*x:TheBat!",
            "H*UA:TheBat!",
            "UD:h.example",
            "H*ct:html",
        ] {
            assert!(all.contains(token), "{token}: {all:?}");
        }
        assert!(!all.contains("hidden"));
        assert_eq!(number(b"abc"), 0x6c_9cd0_d89d);
    }

    /// A field of addresses whose hosts are nothing but dots, in mail of a hundred kilobytes, costs what its size says.
    #[test]
    fn tokens_are_no_more_than_the_limit() {
        let host = format!("{}x", "b.".repeat(120));
        let field = |name: &str| format!("{name}: {}\n", format!("a@{host},\n ").repeat(200));
        let raw = format!("{}{}{}\n{}\n", field("To"), field("Cc"), field("From"), "b.".repeat(900));
        let message = Message::parse(raw.as_bytes(), &Limits::default());
        let config = ViewConfig::default();
        let views = Views::new(&message, &config);
        let mut count = 0;
        let mut longest = 0;
        Tokenizer::default().walk(&views, &mut |token| {
            count += usize::from(token.text.starts_with(b"H"));
            longest = longest.max(token.text.len());
        });
        assert!((1..=OF_REST).contains(&count), "{count}");
        assert!(longest < 2_100, "{longest}");
    }
}
