//! Checks on MIME structure, transfer encodings and what the parts' raw lines look like.

use super::perl::{self, Lazy, is_space, regex};
use super::{charset, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::Part;
use std::rc::Rc;

/// What one walk over the parts counts (SpamAssassin's `_check_attachments`).
#[derive(Default)]
struct Survey {
    base64_count: u32,
    base64_encoded_text: bool,
    body_html_count: u32,
    body_text_count: u32,
    faraway_charset: bool,
    missing_boundary: bool,
    multipart_alternative: bool,
    multipart_ratio: f64,
    qp_count: f64,
    qp_long_line: bool,
    qp_ratio: f64,
    qp_bytes: u64,
    ascii_text_illegal: bool,
    text_unicode_ratio: f64,
    attachment: bool,
    bad_iso_charset: bool,
    /// Charsets that contain a letter, lower case.
    charsets: Vec<Vec<u8>>,
}

fn survey(cx: &Context<'_>) -> Rc<Survey> {
    cx.memo.get_or_init(|| take_survey(cx))
}

/// A part's Content-Type read again: unlike [`Part::media_type`] it is plain text in us-ascii where the field is missing.
struct Declared {
    media_type: Vec<u8>,
    charset: Option<Vec<u8>>,
    encoding: Vec<u8>,
    disposition: Vec<u8>,
}

fn declared(part: &Part) -> Declared {
    let lowered = |name: &str| part.header(name).map_or_else(Vec::new, |field| field.decoded.to_ascii_lowercase());
    let missing = part.header("content-type").is_none_or(|field| matches!(&field.decoded[..], b"" | b"0"));
    Declared {
        media_type: part.media_type.as_bytes().to_vec(),
        charset: if missing {
            Some(b"us-ascii".to_vec())
        } else {
            part.charset.as_ref().map(|c| c.to_ascii_lowercase().into_bytes())
        },
        encoding: lowered("content-transfer-encoding"),
        disposition: lowered("content-disposition"),
    }
}

fn take_survey(cx: &Context<'_>) -> Survey {
    let mut survey = Survey { multipart_ratio: 1.0, ..Survey::default() };
    let locales = charset::ok_locales(cx);
    // Sizes of the text leaves of a multipart/alternative, in order: (is html, bytes).
    let mut sizes: Vec<(bool, usize)> = Vec::new();
    let (mut normal, mut entities) = (0usize, 0usize);
    let mut qp = 0i64;
    for part in cx.views.message.parts.iter().filter(|part| !part.media_type.is_empty()) {
        let declared = declared(part);
        let media_type = &declared.media_type[..];
        if media_type == b"multipart/alternative" {
            survey.multipart_alternative = true;
        }
        survey.note_fields(&declared, &locales);
        if !part.is_leaf() {
            continue;
        }
        let body = part.raw_body();
        let attached = perl::contains(&declared.disposition, b"attachment");
        let (plain, html) = (media_type == b"text/plain", media_type == b"text/html");
        if (plain || html) && !attached {
            sizes.push((html, if survey.multipart_alternative { body.len() } else { 0 }));
        }
        if declared.encoding == b"quoted-printable" {
            let counted = count_quoted_printable(body);
            survey.qp_long_line |= counted.long_line;
            survey.qp_bytes += counted.bytes;
            qp += counted.encoded;
        }
        let ascii = matches!(declared.charset.as_deref(), None | Some(b"us-ascii"));
        if plain && ascii && !survey.ascii_text_illegal {
            survey.ascii_text_illegal = memchr::memchr2(0, b'\r', body).is_some() || !body.is_ascii();
        }
        if plain && matches!(&declared.encoding[..], b"" | b"7bit" | b"8bit") {
            let found = count_entities(body);
            entities += found;
            normal += body.len() - found * ENTITY;
        }
    }
    if survey.qp_bytes > 0 {
        survey.qp_ratio = qp as f64 / survey.qp_bytes as f64;
        survey.qp_count = qp as f64;
    }
    if normal > 0 {
        survey.text_unicode_ratio = entities as f64 / normal as f64;
    }
    if survey.multipart_alternative {
        let last = |wanted: bool| sizes.iter().rev().find(|(html, _)| *html == wanted).map(|(_, size)| *size as f64);
        if let (Some(text), Some(html)) = (last(false), last(true))
            && html > 0.0
        {
            survey.multipart_ratio = text / html;
        }
    }
    survey.missing_boundary =
        cx.views.message.notes.iter().any(|note| {
            matches!(note, mail::Note::Ambiguous { what: "no closing boundary" | "no opening boundary", .. })
        });
    survey
}

impl Survey {
    fn note_fields(&mut self, declared: &Declared, locales: &[String]) {
        const ASCII_NAMES: [&[u8]; 8] = [
            b"ascii",
            b"ansi_x3.4-1968",
            b"iso-ir-6",
            b"ansi_x3.4-1986",
            b"iso_646.irv:1991",
            b"us",
            b"ibm367",
            b"cp367",
        ];
        let charset = declared.charset.as_deref().unwrap_or_default();
        if declared.media_type == b"text/html" {
            self.body_html_count += 1;
        } else if declared.media_type.starts_with(b"text") {
            self.body_text_count += 1;
        }
        let base64 = perl::contains(&declared.encoding, b"base64");
        if base64 {
            self.base64_count += 1;
        } else if perl::contains(&declared.encoding, b"quoted-printable") {
            self.qp_count += 1.0;
        }
        self.attachment |= perl::contains(&declared.disposition, b"attachment");
        let disposed = declared.disposition.starts_with(b"attachment") || declared.disposition.starts_with(b"inline");
        if base64
            && declared.media_type.starts_with(b"text")
            && (charset.is_empty() || ASCII_NAMES.iter().any(|name| perl::contains(charset, name)))
            && !disposed
        {
            self.base64_encoded_text = true;
        }
        static ISO: Lazy = regex!(r"iso-\S+-\S+\b");
        static KNOWN_ISO: Lazy = regex!(r"iso-(?:8859-\d{1,2}|2022-(?:jp|kr))\b");
        if perl::contains(charset, b"iso-") && ISO.is_match(charset) && !KNOWN_ISO.is_match(charset) {
            self.bad_iso_charset = true;
        }
        if charset.iter().any(u8::is_ascii_alphabetic) {
            self.charsets.push(charset.to_vec());
            self.faraway_charset |= !charset::all_ok(locales) && !charset::ok_for_locales(charset, locales);
        }
    }

    /// The value that a rule asks for by SpamAssassin's name.
    fn by_name(&self, name: &str) -> bool {
        match name {
            "mime_base64_count" => self.base64_count > 0,
            "mime_base64_encoded_text" => self.base64_encoded_text,
            "mime_body_html_count" => self.body_html_count > 0,
            "mime_body_text_count" => self.body_text_count > 0,
            "mime_faraway_charset" => self.faraway_charset,
            "mime_missing_boundary" => self.missing_boundary,
            "mime_multipart_alternative" => self.multipart_alternative,
            "mime_multipart_ratio" => self.multipart_ratio != 0.0,
            "mime_qp_count" => self.qp_count != 0.0,
            "mime_qp_long_line" => self.qp_long_line,
            "mime_qp_ratio" => self.qp_ratio != 0.0,
            "mime_qp_bytes" => self.qp_bytes > 0,
            "mime_ascii_text_illegal" => self.ascii_text_illegal,
            "mime_text_unicode_ratio" => self.text_unicode_ratio != 0.0,
            "mime_attachment" => self.attachment,
            "mime_bad_iso_charset" => self.bad_iso_charset,
            "mime_html_charsets" => !self.charsets.is_empty(),
            "mime_checked_attachments" => true,
            _ => false,
        }
    }
}

struct QuotedPrintable {
    bytes: u64,
    encoded: i64,
    long_line: bool,
}

/// Counts escapes of characters that needed none, trailing blanks not counted.
fn count_quoted_printable(body: &[u8]) -> QuotedPrintable {
    let mut counted = QuotedPrintable { bytes: 0, encoded: 0, long_line: false };
    for line in perl::lines(body) {
        if line.starts_with(b"SPAM: ") {
            continue;
        }
        counted.long_line |= line.len() > 79;
        counted.bytes += line.len() as u64;
        let mut needless = 0;
        let mut next = 0;
        for at in memchr::memchr_iter(b'=', line) {
            let Some([a, b]) = line.get(at + 1..at + 3) else { continue };
            if at >= next && is_needless(*a, *b) {
                needless += 1;
                next = at + 3;
            }
        }
        if needless > 0 {
            counted.encoded += needless - trailing_blanks(line);
        }
    }
    counted
}

fn is_needless(a: u8, b: u8) -> bool {
    match a {
        b'0' => b == b'9',
        b'3' => matches!(b, b'0'..=b'9' | b'A'..=b'C' | b'E' | b'F'),
        b'2' | b'4' | b'5' | b'6' => matches!(b, b'0'..=b'9' | b'A'..=b'F'),
        b'7' => matches!(b, b'0'..=b'9' | b'A'..=b'E'),
        _ => false,
    }
}

/// How many `=09` and `=20` end the line, blanks after them aside.
fn trailing_blanks(line: &[u8]) -> i64 {
    let mut rest = line;
    while let [head @ .., last] = rest
        && is_space(*last)
    {
        rest = head;
    }
    let mut count = 0;
    while let [head @ .., b'=', b'0', b'9'] | [head @ .., b'=', b'2', b'0'] = rest {
        rest = head;
        count += 1;
    }
    count
}

/// Length of `&#x20AC;`.
const ENTITY: usize = 8;

fn count_entities(body: &[u8]) -> usize {
    memchr::memmem::find_iter(body, b"&#x")
        .filter(|at| {
            body.get(at + 3..at + ENTITY)
                .is_some_and(|t| t[4] == b';' && t[..4].iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')))
        })
        .count()
}

pub fn check_for_mime(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(args.first().is_some_and(|name| survey(cx).by_name(name)).into())
}

fn declared_html(cx: &Context<'_>) -> bool {
    perl::starts_with_ignoring_case(&values::joined(cx, "Content-Type"), b"text/html")
}

pub fn check_for_mime_html(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((declared_html(cx) || survey(cx).body_html_count > 0).into())
}

pub fn check_for_mime_html_only(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let survey = survey(cx);
    Ok((declared_html(cx) || survey.body_html_count > 0 && survey.body_text_count == 0).into())
}

pub fn check_mime_multipart_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let ratio = survey(cx).multipart_ratio;
    Ok((ratio >= perl::number(min) && ratio < perl::number(max)).into())
}

pub fn check_qp_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let min = args.first().map_or(0.0, |a| perl::number(a));
    Ok((survey(cx).qp_ratio >= min).into())
}

pub fn check_for_ascii_text_illegal(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(survey(cx).ascii_text_illegal.into())
}

pub fn check_abundant_unicode_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(ratio) = args.first() else { return Ok(Finding::NO) };
    let Some((whole, fraction)) = ratio.split_once('.') else { return Ok(Finding::NO) };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit()) && t.len() <= 3;
    if !digits(whole) || !digits(fraction) || fraction.is_empty() {
        return Ok(Finding::NO);
    }
    Ok((survey(cx).text_unicode_ratio >= perl::number(ratio)).into())
}

pub fn check_msg_parse_flags(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let message = cx.views.message;
    Ok(match args.first().map(String::as_str) {
        Some("missing_head_body_separator") => message.missing_head_body_separator,
        Some("missing_mime_head_body_separator") => message.missing_mime_head_body_separator,
        Some("missing_mime_headers") => message.missing_mime_headers,
        Some("mime_epilogue_exists") => message.mime_epilogue_exists,
        Some("mimepart_limit_exceeded") => message.mimepart_limit_exceeded,
        Some("truncated_header") => message.truncated_header,
        _ => false,
    }
    .into())
}

pub fn check_for_faraway_charset(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let locales = charset::ok_locales(cx);
    if charset::all_ok(&locales) {
        return Ok(Finding::NO);
    }
    let content_type = values::joined(cx, "Content-Type");
    let far = charset::of_content_type(&content_type).is_some_and(|c| !charset::ok_for_locales(c, &locales));
    Ok((far && mostly_high(&cx.views.body().bytes, cx.views.body().len().saturating_sub(1))).into())
}

/// At least half of the text (with `separators` newlines between its units) and more than three bytes are not ASCII.
fn mostly_high(text: &[u8], separators: usize) -> bool {
    let high = text.iter().filter(|b| !b.is_ascii()).count();
    text.len() + separators - high <= high && high > 3
}

struct Uppercase(f64);

pub fn check_for_uppercase(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let percent = cx.memo.get_or_init(|| Uppercase(uppercase_percent(cx))).0;
    Ok((percent > perl::number(min) && percent <= perl::number(max)).into())
}

fn uppercase_percent(cx: &Context<'_>) -> f64 {
    let content_type = values::joined(cx, "Content-Type");
    if charset::of_content_type(&content_type).is_some_and(charset::looks_like_capitals)
        || survey(cx)
            .charsets
            .iter()
            .any(|list| list.split(|b| is_space(*b)).any(|name| !name.is_empty() && charset::looks_like_capitals(name)))
    {
        return 0.0;
    }
    percent_of_capitals(cx.views.body().iter())
}

fn percent_of_capitals<'a>(lines: impl Iterator<Item = &'a [u8]>) -> f64 {
    let (mut length, mut lower, mut upper) = (0usize, 0usize, 0usize);
    let mut stripped;
    for mut line in lines {
        if !has_inner_space(line) || starts_with_base64(line) {
            continue;
        }
        // ISO-2022-JP text is letters only to the eye of a counter.
        if let Some(start) = memchr::memmem::find(line, b"\x1b$B")
            && let Some(end) = memchr::memmem::rfind(&line[start..], b"\x1b(B")
        {
            stripped = [&line[..start], &line[start + end + 3..]].concat();
            line = &stripped;
        }
        length += line.len();
        lower += line.iter().filter(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        upper += line.iter().filter(|b| b.is_ascii_uppercase()).count();
    }
    if length < 200 || upper + lower == 0 { 0.0 } else { upper as f64 / (upper + lower) as f64 * 100.0 }
}

/// `/\S\s+\S/`
fn has_inner_space(line: &[u8]) -> bool {
    perl::trim(line).iter().any(|b| is_space(*b))
}

/// `/^(?:[A-Za-z0-9+\/=]{60,76} ){2}/`
fn starts_with_base64(line: &[u8]) -> bool {
    let run = |text: &[u8]| {
        let length =
            text.iter().take(77).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')).count();
        ((60..=76).contains(&length) && text.get(length) == Some(&b' ')).then_some(length + 1)
    };
    run(line).and_then(|n| run(&line[n..])).is_some()
}

pub fn check_ma_non_text(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let message = cx.views.message;
    let alternatives = message.parts.iter().filter(|part| part.media_type == "multipart/alternative");
    // Leaves among the direct children only; an alternative without children is itself one.
    Ok(alternatives
        .flat_map(
            |part| if part.is_leaf() { vec![part] } else { part.children.iter().map(|id| message.part(*id)).collect() },
        )
        .filter(|part| part.is_leaf())
        .any(|part| {
            let media_type = part.media_type.as_str();
            media_type != "multipart/related" && media_type != "application/rtf" && !media_type.starts_with("text/")
        })
        .into())
}

struct LongestBase64Line(usize);

pub fn check_base64_length(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let longest = cx.memo.get_or_init(|| LongestBase64Line(longest_base64_line(cx))).0 as f64;
    let bound = |i: usize| args.get(i).map(|a| perl::number(a));
    Ok((bound(1).is_none_or(|max| longest <= max) && bound(0).is_none_or(|min| longest >= min)).into())
}

fn longest_base64_line(cx: &Context<'_>) -> usize {
    let leaves = cx.views.message.leaves().map(|(_, part)| part);
    leaves
        .filter(|part| !part.media_type.is_empty() && part.media_type != "application/ics")
        .filter(|part| part.transfer_encoding() == b"base64")
        .flat_map(|part| perl::lines(part.raw_body()))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable() {
        let counted = count_quoted_printable(b"=41=42=20=20\n=E3=81=82\nplain=3Dnot\nSPAM: =41\n");
        assert_eq!(counted.encoded, 2, "needless A and B; trailing blanks and =3D are as they should be");
        assert_eq!(counted.bytes, 13 + 10 + 12);
        assert!(!counted.long_line);
        assert!(count_quoted_printable(&[b'x'; 80]).long_line);
    }

    #[test]
    fn entities_in_plain_text() {
        assert_eq!(count_entities(b"&#x0416; &#x41; &#x20AC;&#x20ac;"), 2);
    }

    #[test]
    fn capitals_in_text() {
        let text = "THIS IS A LOUD LINE ".repeat(12);
        assert_eq!(percent_of_capitals([text.as_bytes()].into_iter()), 100.0);
        assert_eq!(percent_of_capitals([&b"SHORT LINE"[..]].into_iter()), 0.0);
        let mixed = "Aa ".repeat(100);
        assert_eq!(percent_of_capitals([mixed.as_bytes()].into_iter()), 50.0);
        let japanese = [b"\x1b$B", &b"AB C".repeat(100)[..], b"\x1b(B ok then"].concat();
        assert_eq!(percent_of_capitals([&japanese[..]].into_iter()), 0.0);
    }

    #[test]
    fn base64_leftovers() {
        let run = "A".repeat(64);
        assert!(starts_with_base64(format!("{run} {run} x").as_bytes()));
        assert!(!starts_with_base64(format!("{run} x").as_bytes()));
        assert!(!starts_with_base64(format!("{run}{run} {run} ").as_bytes()));
    }
}
