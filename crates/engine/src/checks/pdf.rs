//! Checks on PDF attachments, by a look at their plain lines; compressed streams are not opened.
//!
//! Follows SpamAssassin's PDFInfo, which reads a PDF as text. Links in PDFs, which it adds to the message's URIs, are
//! not gathered here.

use super::image::{any_size_within, text_length, within};
use super::perl::{Lazy, regex};
use super::{argument_pattern, perl};
use crate::check::{Arg, Context, Finding, Outcome};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What all PDFs of a message have to show.
#[derive(Debug, Default, PartialEq)]
pub struct Pdfs {
    count: u32,
    images: u32,
    /// Square pixels; 0: none found.
    area: u64,
    /// (height, width) of each image, and of all images of a PDF added up.
    sizes: BTreeSet<(u32, u32)>,
    names: BTreeSet<Vec<u8>>,
    encrypted: bool,
    /// Upper-case hexadecimal.
    md5: BTreeSet<String>,
    fuzzy_md5: BTreeSet<String>,
    details: BTreeMap<&'static str, BTreeSet<Vec<u8>>>,
    tags: Vec<(&'static str, String)>,
}

fn pdfs(cx: &Context<'_>) -> Rc<Pdfs> {
    cx.memo.get_or_init(|| {
        let mut found = Pdfs::default();
        for (_, part) in cx.views.message.leaves() {
            let declared = matches!(part.media_type.as_str(), "application/pdf" | "image/pdf");
            if !declared && !matches!(part.media_type.as_str(), "application/octet-stream" | "image/octet-stream") {
                continue;
            }
            let name = part.name.as_deref().unwrap_or_default();
            let ending = name.len().checked_sub(4).map(|at| name[at..].to_ascii_lowercase());
            if declared || matches!(ending.as_deref(), Some(b".pdf" | b".fdf")) {
                found.count += 1;
                read_pdf(part.decoded(), name, &mut found);
            }
        }
        found.tag("PDFCOUNT", &found.count.to_string());
        found.tag("PDFIMGCOUNT", &found.images.to_string());
        found
    })
}

impl Pdfs {
    /// Further values are added to the first.
    fn tag(&mut self, name: &'static str, value: &str) {
        const LONGEST: usize = 2048;
        if value.is_empty() {
            return;
        }
        match self.tags.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) if known.len() < LONGEST => {
                known.push(' ');
                known.push_str(value);
            }
            Some(_) => {}
            None => self.tags.push((name, value.to_owned())),
        }
    }

    fn detail(&mut self, kind: &'static str, tag: Option<&'static str>, value: Vec<u8>) {
        if let Some(tag) = tag {
            self.tag(tag, &String::from_utf8_lossy(&value));
        }
        self.details.entry(kind).or_default().insert(value);
    }
}

/// Reads one file into `found`. Any bytes will do.
pub fn read_pdf(data: &[u8], name: &[u8], found: &mut Pdfs) {
    static VERSION: Lazy = regex!(r"(?s)^.{0,1024}%PDF-(\d\.\d)");
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let Some(version) = VERSION.captures(&data[..data.len().min(1040)]) else { return };
    found.tag("PDFVERSION", &String::from_utf8_lossy(&version[1]));
    found.tag("PDFNAME", &String::from_utf8_lossy(name));
    if !name.is_empty() {
        found.names.insert(name.to_vec());
    }
    let mut sketch = Sketch::default();
    let mut images = Images::default();
    for line in data.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        sketch.line(line);
        if line.starts_with(b"/Encrypt") {
            found.encrypted = true;
        }
        if images.line(line, found) {
            sketch.closed = true;
        }
        if line.contains(&b'/') {
            sketch.tag(line);
            read_details(line, found);
        }
    }
    images.finish(found);
    let hex = |bytes: &[u8]| Md5::digest(bytes).iter().map(|b| format!("{b:02X}")).collect::<String>();
    // The tag PDFMD5 gets the fuzzy sum, as in SpamAssassin.
    let fuzzy = if sketch.text.is_empty() { String::new() } else { hex(&sketch.text) };
    found.md5.insert(hex(data));
    found.tag("PDFMD5", &fuzzy);
    found.tag("PDFMD5FUZZY1", &fuzzy);
    if !fuzzy.is_empty() {
        found.fuzzy_md5.insert(fuzzy);
    }
    if !sketch.tags.is_empty() {
        let sum = hex(&sketch.tags);
        found.tag("PDFMD5FUZZY2", &sum);
        found.fuzzy_md5.insert(sum);
    }
}

/// What stays the same when a tool makes another PDF: lines before the first stream, and the names of tags.
#[derive(Default)]
struct Sketch {
    text: Vec<u8>,
    tags: Vec<u8>,
    lines: u32,
    closed: bool,
}

impl Sketch {
    fn line(&mut self, line: &[u8]) {
        static SIZE: Lazy =
            regex!(r"^%|^/(?:Height|Width|(?:(?:Media|Crop)Box))|^\d+\s+\d+\s+\d+\s+\d+\s+\d+\s+\d+\s+cm$");
        if self.closed {
            return;
        }
        self.lines += 1;
        if self.lines >= 70 {
            return;
        }
        if !SIZE.is_match(line) {
            let end = line.iter().rposition(|b| !perl::is_space(*b)).map_or(0, |at| at + 1);
            self.text.extend_from_slice(&line[..end]);
        }
        self.closed = perl::contains(line, b"stream");
    }

    fn tag(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"/") {
            let length = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            self.tags.extend_from_slice(&rest[..length]);
        }
    }
}

#[derive(Default)]
struct Images {
    /// `/Image` was seen and its size not yet.
    open: bool,
    height: u64,
    width: u64,
    area: u64,
}

impl Images {
    /// Whether an image's size was found.
    fn line(&mut self, line: &[u8], found: &mut Pdfs) -> bool {
        static SIZE: Lazy = regex!(r"^(\d+)\s+\d+\s+\d+\s+(\d+)\s+\d+\s+\d+\s+cm$|/Width\s(\d+)/Height\s(\d+)");
        self.open |= perl::contains(line, b"/Image");
        if !self.open {
            return false;
        }
        // A line that begins with one of the two alone hides the other, as in SpamAssassin.
        let alone = [&b"/Width"[..], b"/Height"].iter().any(|tag| {
            line.strip_prefix(*tag).is_some_and(|rest| {
                rest.first().is_some_and(|b| perl::is_space(*b)) && rest.get(1).is_some_and(u8::is_ascii_digit)
            })
        });
        let Some(size) = SIZE.captures(line).filter(|_| !alone) else { return false };
        let number = |a: usize, b: usize| {
            let digits = size.get(a).or_else(|| size.get(b)).map_or(&b""[..], |m| m.as_bytes());
            digits.iter().fold(0u64, |n, d| (n * 10 + u64::from(d - b'0')).min(1 << 30))
        };
        let (width, height) = (number(1, 3), number(2, 4));
        if width == 0 || height == 0 {
            return false;
        }
        self.open = false;
        self.height += height;
        self.width += width;
        self.area = self.area.saturating_add(width * height);
        found.images += 1;
        found.sizes.insert((height as u32, width as u32));
        found.tag("PDFIMGDIM", &format!("{height}x{width}"));
        true
    }

    fn finish(self, found: &mut Pdfs) {
        if self.area > 0 {
            let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            found.sizes.insert((narrow(self.height), narrow(self.width)));
            found.area = self.area;
            found.tag("PDFIMGAREA", &self.area.to_string());
        }
    }
}

fn read_details(line: &[u8], found: &mut Pdfs) {
    const STRINGS: [(&str, &str, &[u8]); 4] = [
        ("author", "PDFAUTHOR", b"/Author"),
        ("creator", "PDFCREATOR", b"/Creator"),
        ("producer", "PDFPRODUCER", b"/Producer"),
        ("title", "PDFTITLE", b"/Title"),
    ];
    for (kind, tag, key) in STRINGS {
        if let Some(value) = string_after(line, key) {
            found.detail(kind, Some(tag), unescape(value));
        }
    }
    for (kind, key) in [("created", &b"/CreationDate"[..]), ("modified", b"/ModDate")] {
        if let Some(date) = date_after(line, key) {
            found.detail(kind, None, date.to_vec());
        }
    }
}

/// After up to two blanks.
fn after<'l>(line: &'l [u8], key: &[u8]) -> impl Iterator<Item = &'l [u8]> {
    memchr::memmem::find_iter(line, key).map(|at| at + key.len()).collect::<Vec<_>>().into_iter().map(|at| {
        let rest = &line[at..];
        let blanks = rest.iter().take(2).take_while(|b| perl::is_space(**b)).count();
        &rest[blanks..]
    })
}

/// `( ... )` or `< ... >` after a key, brackets included.
fn string_after<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    after(line, key).find_map(|rest| match rest.first()? {
        b'(' => {
            let end = (1..rest.len()).find(|at| rest[*at] == b')' && rest[at - 1] != b'\\')?;
            Some(&rest[..=end])
        }
        b'<' => memchr::memchr(b'>', rest).map(|end| &rest[..=end]),
        _ => None,
    })
}

fn date_after<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    after(line, key).find_map(|rest| {
        let rest = rest.strip_prefix(b"(D:")?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        (digits > 0).then(|| &rest[..digits.min(LONGEST_STRING)])
    })
}

const LONGEST_STRING: usize = 256;

/// A PDF string without its brackets, hexadecimal or octal; UTF-16 loses its zero bytes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let wide = |out: &mut Vec<u8>| {
        if out.starts_with(b"\xfe\xff") || out.starts_with(b"\xff\xfe") {
            out.drain(..2);
            out.retain(|b| *b != 0);
        }
    };
    if text.first() == Some(&b'<') {
        let mut rest = text;
        while rest.len() >= 2 {
            let digit = |b: u8| (b as char).to_digit(16);
            match (digit(rest[0]), digit(rest[1])) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    rest = &rest[2..];
                }
                _ => rest = &rest[1..],
            }
        }
        wide(&mut out);
    } else {
        let text = text.strip_prefix(b"(").unwrap_or(text);
        let text = text.strip_suffix(b")").unwrap_or(text);
        let mut at = 0;
        while at < text.len() {
            let octal = |b: &u8| (b'0'..=b'7').contains(b);
            let escaped = text[at] == b'\\' && (at == 0 || text[at - 1] != b'\\');
            match text.get(at + 1..at + 4) {
                Some([a @ b'0'..=b'3', b, c]) if escaped && octal(b) && octal(c) => {
                    out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                    at += 4;
                }
                _ => {
                    out.push(text[at]);
                    at += 1;
                }
            }
        }
        wide(&mut out);
        let mut plain = Vec::with_capacity(out.len());
        let mut at = 0;
        while at < out.len() {
            if out[at] == b'\\' && matches!(out.get(at + 1), Some(b'(' | b')' | b'\\')) {
                at += 1;
            }
            plain.push(out[at]);
            at += 1;
        }
        out = plain;
    }
    out.truncate(LONGEST_STRING);
    out
}

fn answer(cx: &Context<'_>, test: impl Fn(&Pdfs) -> bool) -> Outcome {
    let found = pdfs(cx);
    Ok(Finding { tags: found.tags.clone(), ..Finding::from(test(&found)) })
}

pub fn pdf_count(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| within(f64::from(found.count), args.first(), args.get(1)))
}

pub fn pdf_image_count(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| within(f64::from(found.images), args.first(), args.get(1)))
}

pub fn pdf_pixel_coverage(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| found.area > 0 && within(found.area as f64, args.first(), args.get(1)))
}

pub fn pdf_image_to_text_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    answer(cx, |found| {
        let text = if found.area > 0 { text_length(cx) } else { 0 };
        let ratio = text as f64 / found.area as f64;
        text > 0 && ratio >= perl::number(min) && ratio < perl::number(max)
    })
}

pub fn pdf_image_size_exact(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [height, width, ..] = args else { return Ok(Finding::NO) };
    let wanted = height.parse().ok().zip(width.parse().ok());
    answer(cx, |found| wanted.is_some_and(|size| found.sizes.contains(&size)))
}

pub fn pdf_image_size_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| args.len() >= 2 && any_size_within(&found.sizes, args))
}

pub fn pdf_named(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| args.first().is_some_and(|name| found.names.contains(name.as_bytes())))
}

pub fn pdf_name_regex(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(pattern) = args.first() else { return Ok(Finding::NO) };
    answer(cx, |found| found.names.iter().any(|n| argument_pattern::is_match_delimited(pattern, n) == Some(true)))
}

pub fn pdf_match_md5(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| args.first().is_some_and(|sum| found.md5.contains(&sum.to_ascii_uppercase())))
}

pub fn pdf_match_fuzzy_md5(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    answer(cx, |found| args.first().is_some_and(|sum| found.fuzzy_md5.contains(&sum.to_ascii_uppercase())))
}

pub fn pdf_match_details(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [kind, pattern, ..] = args else { return Ok(Finding::NO) };
    answer(cx, |found| {
        let values = found.details.get(kind.as_str());
        values.into_iter().flatten().any(|v| argument_pattern::is_match_delimited(pattern, v) == Some(true))
    })
}

pub fn pdf_is_encrypted(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    answer(cx, |found| found.encrypted)
}

pub fn pdf_is_empty_body(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let most = args.first().map_or(0.0, |a| perl::number(a));
    answer(cx, |found| {
        let bytes = || -> usize {
            let lines = cx.views.body().iter().skip(1);
            lines.filter(|line| line.iter().any(|b| !perl::is_space(*b))).map(<[u8]>::len).sum()
        };
        found.count > 0 && bytes() as f64 <= most
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pdf_with_a_picture() {
        let file = b"%PDF-1.4\n1 0 obj\n<</Type/XObject/Subtype/Image\n/Width 630/Height 149\nstream\n\
            /Producer(Example \\(Writer\\))\n/Author <FEFF004A006F0065>\n/CreationDate (D:20260101)\n/Encrypt 1 0 R\n";
        let mut found = Pdfs::default();
        read_pdf(file, b"offer.pdf", &mut found);
        assert_eq!(found.images, 0, "a line that begins with /Width is read for the width alone");

        let file = [&b"%PDF-1.4\n/Image\n630 0 0 149 0 0 cm\n"[..], &file[9..]].concat();
        let mut found = Pdfs::default();
        read_pdf(&file, b"offer.pdf", &mut found);
        assert_eq!((found.images, found.area), (1, 630 * 149));
        assert!(found.sizes.contains(&(149, 630)));
        assert!(found.encrypted);
        assert_eq!(found.details["producer"].first().unwrap(), b"Example (Writer)");
        assert_eq!(found.details["author"].first().unwrap(), b"Joe");
        assert_eq!(found.details["created"].first().unwrap(), b"20260101");
    }

    #[test]
    fn what_is_no_pdf() {
        let mut found = Pdfs::default();
        read_pdf(b"PK\x03\x04", b"x.pdf", &mut found);
        assert_eq!(found, Pdfs::default());
    }

    #[test]
    fn strings() {
        for (text, expected) in
            [(&b"(\\376\\377\\000H\\000P)"[..], &b"HP"[..]), (b"(a\\\\b)", b"a\\b"), (b"<48 50>", b"HP"), (b"()", b"")]
        {
            assert_eq!(unescape(text), expected);
        }
    }
}
