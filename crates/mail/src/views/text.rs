//! The text view: what a reader sees, as normalised UTF-8.
//!
//! In: the message and, for HTML parts, what the renderer shows and hides. Out: subject, sender's display name, the body
//! in paragraphs, hidden text apart, and counts of what had to be removed to get there. Charsets by evidence
//! ([`crate::mime::evidence`]), NFKC, default-ignorable characters dropped, look-alike letters inside Latin words folded,
//! runs of white space one blank, lines broken between two CJK characters joined. A pattern written in plain UTF-8 then
//! matches however the mail spelt it.
//!
//! SpamAssassin has no such view; its `body` keeps all of the above, which is what hides words from its rules.

use super::html::{self, Coding, PartText, Rendered};
use super::{HeaderRequest, HeaderValue, UnitText, Views};
use crate::message::{CharsetMismatch, Place};
use crate::mime::evidence::{self, Decoded};
use crate::part::{Part, PartId, SaText};
use std::borrow::Cow;
use std::sync::Arc;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// What a reader sees.
#[derive(Debug, Clone, Default)]
pub struct TextView {
    pub subject: String,
    /// Display name of the From address.
    pub from_name: String,
    /// Unit 0 is the subject, then one unit per paragraph.
    pub body: UnitText,
    /// Text that is in the message but not shown: hidden by style, colour or size. One unit per stretch.
    pub hidden: UnitText,
    pub links: Vec<Link>,
    pub facts: TextFacts,
}

/// A link of an HTML part: what it says and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub text: String,
    pub href: String,
}

/// What normalising met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextFacts {
    /// Invisible characters dropped between two letters of a word, and the words' number at least.
    pub ignorables_in_words: u32,
    /// Letters that became ASCII by NFKC (𝐀, Ⓐ; ａ in a word of ordinary letters).
    pub decorated_letters: u32,
    /// Cyrillic or Greek letters that pass for Latin ones, in words that have Latin ones too.
    pub lookalike_letters: u32,
    /// Simplified Chinese forms that no Japanese charset has, in text with kana.
    pub simplified_among_kana: u32,
    /// Soft hyphens no more than three letters apart: they hide a word, not divide it.
    pub soft_hyphens_in_words: u32,
    /// Headers and parts whose charset label the bytes contradict.
    pub mismatches: Vec<CharsetMismatch>,
}

impl TextFacts {
    /// Labels that lie, apart from Western text called us-ascii: that was habit, not a trick.
    pub fn charset_mismatches(&self) -> impl Iterator<Item = &CharsetMismatch> {
        self.mismatches.iter().filter(|mismatch| mismatch.found != "windows-1252")
    }
}

/// A text as the text view would show it, on one line.
pub fn normalised(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    normalise(text, &mut out, &mut TextFacts::default());
    into_string(out)
}

/// A header value as rules with `:text` see it: decoded by evidence and normalised like the text view.
pub fn header_text(raw: &[u8], context: &[&str]) -> String {
    let decoded = evidence::decode_header_value(raw, context);
    let mut out = Vec::with_capacity(decoded.text.len());
    normalise(&decoded.text, &mut out, &mut TextFacts::default());
    into_string(out)
}

/// The same for the display name before an address: what `From:name:text` sees.
pub fn display_name(raw: &[u8], context: &[&str]) -> String {
    header_text(phrase(raw), context)
}

/// The value for a header rule with `:text`. Subject and the name in From are kept in the text view.
pub(super) fn header(views: &Views<'_>, request: &HeaderRequest) -> Option<Arc<HeaderValue>> {
    let fields: Vec<_> = views.message.headers().all(&request.name).collect();
    let chosen = match (request.first, request.last) {
        (true, _) => &fields[..fields.len().min(1)],
        (_, true) => &fields[fields.len().saturating_sub(1)..],
        _ => &fields[..],
    };
    let known = if request.name.eq_ignore_ascii_case("subject") && !request.display_name {
        Some(&views.text().subject)
    } else if request.name.eq_ignore_ascii_case("from") && request.display_name {
        Some(&views.text().from_name)
    } else {
        None
    };
    let values: Vec<Vec<u8>> = match (known, chosen) {
        (_, []) => return None,
        (Some(known), [_]) => vec![known.clone().into_bytes()],
        (_, fields) => fields
            .iter()
            .map(|field| {
                let text =
                    if request.display_name { display_name(&field.raw, &[]) } else { header_text(&field.raw, &[]) };
                text.into_bytes()
            })
            .collect(),
    };
    let joined = values.join(&b'\n');
    Some(Arc::new(HeaderValue { values, joined }))
}

pub(super) fn make(views: &Views<'_>) -> TextView {
    let mut view = TextView::default();
    let mut context: Vec<&'static str> = Vec::new();
    let mut body = UnitText::default();
    for (id, part) in views.message.leaves() {
        let html = part.effective_type() == "text/html";
        if html || part.effective_type() == "text/plain" {
            read_part(views, id, part, html, &mut context, &mut view, &mut body);
        }
    }
    let headers = views.message.headers();
    let read = |raw: &[u8], place: Place, facts: &mut TextFacts| {
        let decoded = evidence::decode_header_value(raw, &context);
        note(&decoded, place, word_label(raw), facts);
        let mut out = Vec::with_capacity(decoded.text.len());
        normalise(&decoded.text, &mut out, facts);
        out
    };
    view.facts.simplified_among_kana = simplified_among_kana(&body.bytes);
    let subject = headers.last("subject").map(|field| read(&field.raw, Place::Subject, &mut view.facts));
    let from = headers.last("from").map(|field| read(phrase(&field.raw), Place::From, &mut view.facts));
    view.from_name = into_string(from.unwrap_or_default());
    let subject = subject.unwrap_or_default();
    view.body.bytes.reserve(subject.len() + body.bytes.len());
    view.body.push(&subject);
    let shift = view.body.bytes.len();
    view.body.bytes.extend_from_slice(&body.bytes);
    view.body.ends.extend(body.ends.iter().map(|end| end.saturating_add(u32::try_from(shift).unwrap_or(u32::MAX))));
    view.subject = into_string(subject);
    view
}

fn read_part(
    views: &Views<'_>,
    id: PartId,
    part: &Part,
    html: bool,
    context: &mut Vec<&'static str>,
    view: &mut TextView,
    body: &mut UnitText,
) {
    let bytes = part.decoded();
    let meta = if html && part.charset.is_none() { meta_charset(bytes) } else { None };
    let declared = part.charset.as_deref().or(meta);
    let decoded = evidence::decode(bytes, declared, context);
    note(&decoded, Place::Part(id), declared.unwrap_or_default(), &mut view.facts);
    if decoded.charset != "us-ascii" && !context.contains(&decoded.charset) {
        context.push(decoded.charset);
    }
    let limit = match views.config.body_part_scan_size {
        0 => usize::MAX,
        size => size,
    };
    if !html {
        paragraphs(cut(&decoded.text, limit), body, &mut view.facts);
        return;
    }
    let again;
    let plain = decoded.charset == "us-ascii" || decoded.charset == "utf-8" && !decoded.mismatch;
    let rendered = if plain || same_text(part, &decoded.text) {
        views.rendered(id)
    } else {
        let text = PartText { bytes: Cow::Borrowed(decoded.text.as_bytes()), coding: Coding::Wide };
        again = html::render(text, bytes.len(), &views.config.limits);
        Some(&again)
    };
    if let Some(rendered) = rendered {
        read_html(rendered, limit, view, body);
    }
}

/// Did SpamAssassin's decoding give the same? Then its rendering is ours.
fn same_text(part: &Part, text: &str) -> bool {
    match part.sa_text(true) {
        SaText::Chars(chars) => chars == text,
        SaText::Ascii(ascii) => ascii == text,
        SaText::Bytes(_) => false,
    }
}

/// The plain and the HTML form of the first `multipart/alternative` that has both, normalised; without hidden text.
pub(super) fn alternatives(views: &Views<'_>) -> Option<(String, String)> {
    let parts = &views.message;
    /// Alternatives of one message that are looked at.
    const GROUPS: usize = 4;
    let mut groups: Vec<(PartId, [Option<(PartId, &Part)>; 2])> = Vec::new();
    for (id, part) in parts.leaves() {
        let html = part.effective_type() == "text/html";
        let Some(group) = parts.alternative_around(id) else { continue };
        if !html && part.effective_type() != "text/plain" {
            continue;
        }
        let at = groups.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
            groups.push((group, [None, None]));
            groups.len() - 1
        });
        groups[at].1[usize::from(html)].get_or_insert((id, part));
        if groups.len() > GROUPS {
            break;
        }
    }
    let both = groups.into_iter().find_map(|(_, [plain, page])| plain.zip(page));
    let (plain, page) = both?;
    let read = |(id, part): (PartId, &Part), html: bool| {
        let (mut view, mut body) = (TextView::default(), UnitText::default());
        read_part(views, id, part, html, &mut Vec::new(), &mut view, &mut body);
        String::from_utf8_lossy(&body.bytes).into_owned()
    };
    Some((read(plain, false), read(page, true)))
}

fn read_html(rendered: &Rendered, limit: usize, view: &mut TextView, body: &mut UnitText) {
    let mut visible = Vec::with_capacity(rendered.text.len().min(limit));
    let mut hidden = Vec::new();
    let mut was_hidden = false;
    for (segment, piece) in rendered.pieces() {
        if visible.len() + hidden.len() >= limit {
            break;
        }
        if segment.hidden && !segment.whitespace {
            if !was_hidden && !hidden.is_empty() {
                hidden.extend_from_slice(b"\n\n");
            }
            hidden.extend_from_slice(piece);
        } else {
            visible.extend_from_slice(piece);
        }
        was_hidden = segment.hidden;
    }
    paragraphs(&String::from_utf8_lossy(&visible), body, &mut view.facts);
    if !hidden.is_empty() {
        paragraphs(&String::from_utf8_lossy(&hidden), &mut view.hidden, &mut TextFacts::default());
    }
    for anchor in rendered.facts.iter().flat_map(|facts| &facts.anchors) {
        if anchor.href.is_empty() {
            continue;
        }
        let mut text = Vec::with_capacity(anchor.text.len());
        normalise(&String::from_utf8_lossy(&anchor.text), &mut text, &mut TextFacts::default());
        view.links.push(Link { text: into_string(text), href: String::from_utf8_lossy(&anchor.href).into_owned() });
    }
}

fn note(decoded: &Decoded, place: Place, declared: &str, facts: &mut TextFacts) {
    if decoded.mismatch {
        facts.mismatches.push(CharsetMismatch { place, declared: declared.to_owned(), found: decoded.charset });
    }
}

/// The label of the first encoded-word.
fn word_label(raw: &[u8]) -> &str {
    let label = memchr::memmem::find(raw, b"=?").map_or(&[][..], |at| &raw[at + 2..]);
    let end = label.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_.:".contains(b))).unwrap_or(label.len());
    std::str::from_utf8(&label[..end]).unwrap_or_default()
}

/// `<meta charset=x>` or `content="text/html; charset=x"` near the top of an HTML part that has no other label.
fn meta_charset(html: &[u8]) -> Option<&str> {
    let head = &html[..html.len().min(2_048)];
    let at = head.windows(8).position(|w| w.eq_ignore_ascii_case(b"charset="))? + 8;
    let rest = head[at..].trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_.:".contains(b))).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok().filter(|label| !label.is_empty())
}

/// The part of an address field before the address: `"Name" <a@b>`, `a@b (Name)`.
fn phrase(raw: &[u8]) -> &[u8] {
    let raw = raw.trim_ascii();
    if let Some(angle) = memchr::memrchr(b'<', raw) {
        // an address holds neither blanks nor 8-bit bytes; a "<" in the middle of ISO-2022-JP is followed by such
        let address = &raw[angle + 1..];
        if address.iter().all(|b| b.is_ascii_graphic()) {
            let name = raw[..angle].trim_ascii();
            let inner = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\""));
            return inner.unwrap_or(name);
        }
    }
    match (memchr::memchr(b'(', raw), raw.last()) {
        (Some(open), Some(b')')) => &raw[open + 1..raw.len() - 1],
        _ if raw.contains(&b'@') => b"",
        _ => raw,
    }
}

fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    &text[..end]
}

fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Splits at empty lines; each paragraph, normalised, is a unit.
fn paragraphs(text: &str, units: &mut UnitText, facts: &mut TextFacts) {
    let mut start = 0;
    let mut empty = true;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let blank = line.bytes().all(|b| b.is_ascii_whitespace());
        if blank && !empty {
            unit(&text[start..at], units, facts);
            empty = true;
        }
        if !blank && empty {
            start = at;
            empty = false;
        }
        at += line.len();
    }
    if !empty {
        unit(&text[start..], units, facts);
    }
}

fn unit(paragraph: &str, units: &mut UnitText, facts: &mut TextFacts) {
    let before = units.bytes.len();
    normalise(paragraph, &mut units.bytes, facts);
    if units.bytes.len() > before {
        units.close();
    }
}

/// Appends `text` as a reader sees it, on one line.
fn normalise(text: &str, out: &mut Vec<u8>, facts: &mut TextFacts) {
    let start = out.len();
    if text.is_ascii() {
        for word in text.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            if out.len() > start {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
        return;
    }
    let visible = drop_ignorables(text, facts);
    let visible = join_lines(visible);
    count_decorated(&visible, facts);
    let folded: Cow<'_, str> = match is_nfkc_quick(visible.chars()) {
        IsNormalized::Yes => visible,
        _ => Cow::Owned(visible.nfkc().collect()),
    };
    for word in folded.split_whitespace() {
        if out.len() > start {
            out.push(b' ');
        }
        let at = out.len();
        if word.chars().any(|c| matches!(c, '\u{1F150}'..='\u{1F189}')) {
            out.extend_from_slice(word.chars().map(squared_letter).collect::<String>().as_bytes());
        } else {
            out.extend_from_slice(word.as_bytes());
        }
        fold_lookalikes(out, at, facts);
    }
    join_spread(out, start);
}

/// Letters that stand alone one after the other: so many in a row are one word, spread.
const SPREAD: usize = 4;

/// `グ ル ー プ を` to `グループを`: blanks between single letters, kana or kanji among them, go.
fn join_spread(out: &mut Vec<u8>, start: usize) {
    let single = |word: &str| {
        let mut chars = word.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (Some(c), None, _) => c.is_alphanumeric() || c == 'ー',
            (Some(c), Some(mark), None) => (c.is_alphanumeric() || c == 'ー') && "、。,.!?:：".contains(mark),
            _ => false,
        }
    };
    let Ok(text) = std::str::from_utf8(&out[start..]) else { return };
    let words: Vec<&str> = text.split(' ').collect();
    let mut joined = String::new();
    let mut changed = false;
    let mut at = 0;
    while at < words.len() {
        let run = words[at..].iter().take_while(|word| single(word)).count();
        let spread = run >= SPREAD && words[at..at + run].iter().any(|word| word.starts_with(joins));
        let take = run.max(1);
        for (n, word) in words[at..at + take].iter().enumerate() {
            if !joined.is_empty() && (n == 0 || !spread) {
                joined.push(' ');
            }
            joined.push_str(word);
        }
        changed |= spread;
        at += take;
    }
    if changed {
        out.truncate(start);
        out.extend_from_slice(joined.as_bytes());
    }
}

/// A line break between two characters of a script without blanks is the mailer's, not the writer's.
fn join_lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('\n') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let joined = out.is_empty() || (out.ends_with(joins) && line.starts_with(joins));
        if !joined {
            out.push('\n');
        }
        out.push_str(line);
    }
    Cow::Owned(out)
}

/// Characters without shape of their own (Unicode: Default_Ignorable_Code_Point), and fillers.
fn ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Counts Han characters that GBK has and Windows' Shift_JIS has not. Only where there is kana, and ten letters of it.
fn simplified_among_kana(text: &[u8]) -> u32 {
    let kana = text.windows(3).filter(|w| w[0] == 0xe3 && (0x81..=0x83).contains(&w[1])).take(10).count();
    if kana < 10 {
        return 0;
    }
    let text = String::from_utf8_lossy(text);
    let mut count = 0;
    let mut known: Vec<(char, bool)> = Vec::new();
    for c in text.chars().filter(|c| ('\u{4E00}'..='\u{9FFF}').contains(c)) {
        let at = known.binary_search_by_key(&c, |(c, _)| *c);
        let foreign = match at {
            Ok(at) => known[at].1,
            Err(at) => {
                let mut buffer = [0; 4];
                let letter = c.encode_utf8(&mut buffer);
                let foreign = encoding_rs::SHIFT_JIS.encode(letter).2
                    && encoding_rs::EUC_JP.encode(letter).2
                    && !encoding_rs::GBK.encode(letter).2;
                known.insert(at, (c, foreign));
                foreign
            }
        };
        count += u32::from(foreign);
    }
    count
}

fn soft_hyphens_in_words(text: &str) -> u32 {
    let pieces = text.split('\u{AD}').skip(1);
    let between = pieces.filter(|piece| {
        let letters = piece.chars().take_while(|c| c.is_alphanumeric()).count();
        (1..=3).contains(&letters)
    });
    u32::try_from(between.count()).unwrap_or(u32::MAX)
}

fn drop_ignorables<'a>(text: &'a str, facts: &mut TextFacts) -> Cow<'a, str> {
    if !text.chars().any(ignorable) {
        return Cow::Borrowed(text);
    }
    facts.soft_hyphens_in_words += soft_hyphens_in_words(text);
    let mut out = String::with_capacity(text.len());
    let mut last = ' ';
    let mut dropped = None;
    for c in text.chars() {
        if ignorable(c) {
            dropped = Some(c);
            continue;
        }
        if let Some(dropped) = dropped.take() {
            // a soft hyphen is honest in a long European word; joiners are in Arabic and Indic ones
            let word = |c: char| c.is_ascii_alphanumeric() || joins(c) || ('\u{AC00}'..='\u{D7A3}').contains(&c);
            let honest = dropped == '\u{AD}' && last.is_ascii() && c.is_ascii();
            if word(last)
                && word(c)
                && !honest
                && !('\u{FE00}'..='\u{FE0F}').contains(&dropped)
                && dropped < '\u{E0000}'
            {
                facts.ignorables_in_words += 1;
            }
        }
        out.push(c);
        last = c;
    }
    Cow::Owned(out)
}

/// Characters of scripts written without blanks.
fn joins(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{A4CF}' | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FFEF}'
        | '\u{20000}'..='\u{3FFFF}')
}

fn count_decorated(text: &str, facts: &mut TextFacts) {
    let mut before = ' ';
    for c in text.chars() {
        let wide = |c: char| matches!(c, '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}');
        let decorated = matches!(c, '\u{1D400}'..='\u{1D7FF}' | '\u{249C}'..='\u{24E9}' | '\u{1F110}'..='\u{1F189}');
        let mixed = wide(c) && before.is_ascii_alphabetic() || c.is_ascii_alphabetic() && wide(before);
        facts.decorated_letters += u32::from(decorated || mixed);
        before = c;
    }
}

/// Negative circled and squared letters, which NFKC leaves alone.
fn squared_letter(c: char) -> char {
    let base = match c {
        '\u{1F150}'..='\u{1F169}' => 0x1F150,
        '\u{1F170}'..='\u{1F189}' => 0x1F170,
        _ => return c,
    };
    char::from_u32(c as u32 - base + u32::from(b'A')).unwrap_or(c)
}

/// In the word at the end of `out`, Cyrillic and Greek letters that look Latin become Latin if the word has Latin ones.
fn fold_lookalikes(out: &mut Vec<u8>, start: usize, facts: &mut TextFacts) {
    let word = &out[start..];
    // CE..D3: Greek and Cyrillic lead bytes
    if !word.iter().any(|b| (0xCD..=0xD4).contains(b)) || !word.iter().any(u8::is_ascii_alphabetic) {
        return;
    }
    let Ok(text) = std::str::from_utf8(word) else { return };
    let mut folded = String::with_capacity(text.len());
    let mut count = 0;
    for c in text.chars() {
        match lookalike(c) {
            Some(latin) => {
                count += 1;
                folded.push(latin);
            }
            None => folded.push(c),
        }
    }
    // other letters of the same script are left: then it is a word of that script with a Latin letter in it
    if count > 0 && !folded.chars().any(|c| matches!(c, '\u{370}'..='\u{52F}')) {
        facts.lookalike_letters += count;
        out.truncate(start);
        out.extend_from_slice(folded.as_bytes());
    }
}

fn lookalike(c: char) -> Option<char> {
    const FROM: &str = "АВЕЅІЈКМНОРСТХУаеорсухѕіјһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοναρικτυχ";
    const TO: &str = "ABESIJKMHOPCTXYaeopcyxsijhdqwABEZHIKMNOPTYXovapiktux";
    if !matches!(c, '\u{370}'..='\u{52F}') {
        return None;
    }
    FROM.chars().position(|from| from == c).and_then(|at| TO.as_bytes().get(at).map(|&b| b as char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) -> TextFacts {
        let mut units = UnitText::default();
        let mut facts = TextFacts::default();
        paragraphs(text, &mut units, &mut facts);
        let found: Vec<_> = units.iter().map(|unit| std::str::from_utf8(unit).unwrap()).collect();
        assert_eq!(found, expected);
        facts
    }

    #[test]
    fn words_are_read_as_a_reader_reads_them() {
        let plain = TextFacts::default();
        assert_eq!(check("a  b\nc\n\n d\n \n\n", &["a b c", "d"]), plain);
        assert_eq!(check("アカウ\nントが　停止\nbecause", &["アカウントが 停止 because"]), plain);
        assert_eq!(check("ｱｶｳﾝﾄ ＡＢＣ １２３ ㈱", &["アカウント ABC 123 (株)"]), plain);
        assert_eq!(check("안녕\n하세요", &["안녕 하세요"]), plain);
        assert_eq!(check("L I N E グ ル ー プ を 作 成 。 a b", &["LINEグループを作成 。 a b"]), plain);
        let facts = check("アカ\u{200B}ウン\u{2060}ト Ama\u{200D}zon", &["アカウント Amazon"]);
        assert_eq!(facts.ignorables_in_words, 3);
        assert_eq!(check("Donau\u{AD}dampfschiff ☺\u{FE0F}", &["Donaudampfschiff ☺"]), plain);
        assert_eq!(check("𝐀𝐦𝐚𝐳𝐨𝐧 ⓟⓐⓨ 🅰🅱", &["Amazon pay AB"]).decorated_letters, 11);
        assert_eq!(check("Аmazon Привет", &["Amazon Привет"]).lookalike_letters, 1);
    }

    #[test]
    fn display_names() {
        for (raw, expected) in [
            (&b" \"Amazon\" <a@example.com>\n"[..], "Amazon"),
            (b" =?utf-8?B?5qWd5aSp?= <a@example.com>\n", "楝天"),
            (b" a@example.com (Taro)\n", "Taro"),
            (b" a@example.com\n", ""),
            (b" \x1b$B<RD9\x1b(B <a@example.com>\n", "社長"),
            (b" Boss\n", "Boss"),
        ] {
            assert_eq!(display_name(raw, &[]), expected);
        }
    }
}
