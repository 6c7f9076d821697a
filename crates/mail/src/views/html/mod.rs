//! HTML to text and facts, as SpamAssassin's renderer (over Perl's HTML::Parser) sees broken markup.

mod entity;
mod facts;
mod link;
pub(super) mod perl;
mod renderer;
mod style;
mod tag;
mod tokenizer;

pub use facts::{Anchor, HtmlFacts, HtmlUri, TagTypes};

use crate::Limits;
use memchr::{memchr3_iter, memmem};
use renderer::Renderer;
use std::borrow::Cow;
use tag::Tag;
use tokenizer::Tokenizer;

/// A text part in the form that SpamAssassin hands to its renderer.
#[derive(Debug, Clone)]
pub struct PartText<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub coding: Coding,
}

/// What a Perl string means: the same bytes match `\s`, `\w` and `.` differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// Characters above 255 possible (Perl's utf8 flag is on); held here as UTF-8.
    Wide,
    /// Plain ASCII that was never decoded. Entities may add Latin-1 characters: held as UTF-8 here, single bytes in
    /// what rules see.
    #[default]
    Narrow,
    /// Undecoded bytes of whatever charset (`normalize_charset 0`).
    Octets,
}

/// What a text leaf renders to.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// `text/html`, or `text/plain`.
    pub html: bool,
    pub coding: Coding,
    wide_visible: bool,
    wide_invisible: bool,
    /// All text, hidden text included; UTF-8 unless `coding` is `Octets`.
    pub text: Vec<u8>,
    /// Pieces of `text` in order, without gaps. One piece for plain text.
    pub segments: Vec<Segment>,
    /// Present if HTML was parsed (SpamAssassin's `html_results`); an empty HTML part has none.
    pub facts: Option<Box<HtmlFacts>>,
}

/// A run of text with the same properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Exclusive end in [`Rendered::text`]; begins where the one before ended.
    pub end: u32,
    /// SpamAssassin counts it as invisible (colours, font size, `display: none`, `visibility: hidden`).
    pub sa_invisible: bool,
    /// A reader does not see it: SpamAssassin's reasons and more (`hidden`, opacity, off-screen, zero size, inherited).
    pub hidden: bool,
    /// Whitespace put in for a tag (`<br>`, `<p>`, `<td>`), not text of the author.
    pub whitespace: bool,
    /// Index in [`HtmlFacts::anchors`] if the text stands inside `<a>`.
    pub link: Option<u32>,
}

impl Rendered {
    /// Not HTML: the text is itself. `html`: an empty part that claims to be HTML.
    pub fn plain(text: PartText<'_>, html: bool) -> Rendered {
        let whole = Segment {
            end: u32::try_from(text.bytes.len()).unwrap_or(u32::MAX),
            sa_invisible: false,
            hidden: false,
            whitespace: false,
            link: None,
        };
        let text_bytes = text.bytes.into_owned();
        Rendered {
            html,
            coding: text.coding,
            text: text_bytes,
            segments: vec![whole],
            facts: None,
            wide_visible: true,
            wide_invisible: false,
        }
    }

    /// Segments with their text.
    pub fn pieces(&self) -> impl Iterator<Item = (&Segment, &[u8])> {
        let mut start = 0;
        self.segments.iter().map(move |s| {
            let piece = &self.text[start..s.end as usize];
            start = s.end as usize;
            (s, piece)
        })
    }

    /// The text as the bytes that SpamAssassin's rules and plugins see.
    pub fn sa_text(&self) -> Cow<'_, [u8]> {
        match self.coding {
            Coding::Narrow => perl::narrow(&self.text),
            _ => Cow::Borrowed(&self.text),
        }
    }

    /// SpamAssassin's `visible_rendered`.
    pub fn sa_visible(&self) -> PartText<'_> {
        self.selected(false)
    }

    /// SpamAssassin's `invisible_rendered`.
    pub fn sa_invisible(&self) -> PartText<'_> {
        self.selected(true)
    }

    fn selected(&self, invisible: bool) -> PartText<'_> {
        let coding = match self.coding {
            Coding::Wide if !(if invisible { self.wide_invisible } else { self.wide_visible }) => Coding::Narrow,
            coding => coding,
        };
        let bytes = if self.segments.iter().all(|s| s.sa_invisible == invisible) {
            Cow::Borrowed(&*self.text)
        } else {
            let wanted = self.pieces().filter(|(s, _)| s.sa_invisible == invisible);
            Cow::Owned(wanted.fold(Vec::new(), |mut all, (_, piece)| {
                all.extend_from_slice(piece);
                all
            }))
        };
        PartText { bytes, coding }
    }

    /// The whole text with its coding.
    pub fn part_text(&self) -> PartText<'_> {
        PartText { bytes: Cow::Borrowed(&self.text), coding: self.coding }
    }
}

/// Renders an HTML part. `decoded_len`: bytes after transfer decoding, before charset decoding.
pub fn render(text: PartText<'_>, decoded_len: usize, limits: &Limits) -> Rendered {
    if text.bytes.is_empty() {
        return Rendered::plain(text, true);
    }
    let coding = text.coding;
    let length = if coding == Coding::Wide { perl::char_count(&text.bytes) } else { text.bytes.len() };
    let mut source = prepare(&text.bytes, coding);
    let mut renderer = Renderer::new(coding, source.len() / 2, limits);
    let mut tokenizer = Tokenizer::new(limits.html_tokens);
    let mut rest = tokenizer.feed(&source, 0, &mut renderer);
    for (tag, end) in [(Tag::STYLE, b"</style>".as_slice()), (Tag::SCRIPT, b"</script>")] {
        // Once is enough: only the end tag leads out of such an element.
        if renderer.unfinished(tag) && !tokenizer.exhausted() {
            source.to_mut().extend_from_slice(end);
            tokenizer.grown();
            rest = tokenizer.feed(&source, rest, &mut renderer);
        }
    }
    tokenizer.finish(&source, rest, &mut renderer);
    let renderer = renderer.finish();

    let wide = renderer.wide_visible || renderer.wide_invisible;
    let coding = match coding {
        Coding::Octets => Coding::Octets,
        _ if wide => Coding::Wide,
        _ => Coding::Narrow,
    };
    let mut facts = renderer.facts;
    if tokenizer.exhausted() {
        facts.reached("html_tokens", limits.html_tokens);
    }
    let (characters, spaces) = count_characters(&renderer.text, coding);
    facts.length = length as u32;
    facts.html_length = characters as u32;
    facts.non_space_len = (characters - spaces) as u32;
    facts.ratio = (decoded_len > 0).then(|| (decoded_len as f64 - characters as f64) / decoded_len as f64);
    Rendered {
        html: true,
        coding,
        wide_visible: renderer.wide_visible,
        wide_invisible: renderer.wide_invisible,
        text: renderer.text,
        segments: renderer.segments,
        facts: Some(Box::new(facts)),
    }
}

/// What SpamAssassin replaces before parsing: `&nbsp;`, the slash of `<br/>`, typographic quotes.
fn prepare(source: &[u8], coding: Coding) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    for at in memchr3_iter(b'&', b'/', 0xe2, source) {
        if at < done {
            continue;
        }
        let rest = &source[at..];
        let (skip, with): (usize, &[u8]) = if rest.starts_with(b"&nbsp;") {
            (6, b" ")
        } else if rest.starts_with(b"\xe2\x80\x9c") || rest.starts_with(b"\xe2\x80\x9d") {
            (3, b"\"")
        } else if rest.starts_with(b"/>") {
            out.extend_from_slice(&source[done..at]);
            done = at;
            let head = if out.is_empty() { &source[..at] } else { &*out };
            let Some(end) = lone_tag(head, coding) else { continue };
            if out.is_empty() {
                out.extend_from_slice(&source[..at]);
            }
            out.truncate(end);
            done = at + 1;
            continue;
        } else {
            continue;
        };
        out.extend_from_slice(&source[done..at]);
        out.extend_from_slice(with);
        done = at + skip;
    }
    if done == 0 {
        return Cow::Borrowed(source);
    }
    out.extend_from_slice(&source[done..]);
    Cow::Owned(out)
}

/// If the text ends in `<name` and blanks: where the name ends.
fn lone_tag(head: &[u8], coding: Coding) -> Option<usize> {
    let (wide, octets) = (coding == Coding::Wide, coding == Coding::Octets);
    let trimmed = perl::trim_end(head, wide, octets, None);
    let mut name = trimmed;
    while let Some((c, len)) = perl::last_char(name, octets)
        && perl::is_word(c, wide)
    {
        name = &name[..name.len() - len];
    }
    (name.len() < trimmed.len() && name.last() == Some(&b'<')).then_some(trimmed.len())
}

/// Characters, and how many of them SpamAssassin counts as blanks.
fn count_characters(text: &[u8], coding: Coding) -> (usize, usize) {
    let ascii = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b);
    let mut spaces = text.iter().filter(ascii).count();
    if coding == Coding::Wide {
        spaces += text.iter().filter(|b| **b == 0x0c).count();
        spaces += memchr3_iter(0xe2, 0xe3, 0xc2, text).filter(|&at| is_wide_space(&text[at..])).count();
        spaces += memmem::find_iter(text, "\u{1680}").count();
    }
    (if coding == Coding::Octets { text.len() } else { perl::char_count(text) }, spaces)
}

/// Begins with a blank beyond ASCII; all of those but U+1680.
fn is_wide_space(s: &[u8]) -> bool {
    matches!(
        s,
        [0xc2, 0x85 | 0xa0, ..]
            | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
            | [0xe2, 0x81, 0x9f, ..]
            | [0xe3, 0x80, 0x80, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(html: &str) -> Rendered {
        let coding = if html.is_ascii() { Coding::Narrow } else { Coding::Wide };
        let text = PartText { bytes: Cow::Borrowed(html.as_bytes()), coding };
        render(text, html.len(), &Limits::default())
    }

    /// Text and invisible text, as SpamAssassin 4.0.1 renders them.
    #[test]
    fn texts() {
        let cases: &[(&str, &str, &str)] = &[
            ("a<br>b<br/>c<p>d</p>e", "a\nb\nc\n\nd\n\ne", ""),
            ("<td>a </td>\n  <td>b", " a  b", ""),
            ("a&nbsp;b&amp;c&hellip;", "a b&c\u{2026}", ""),
            ("<title>T</title>x", "\n\nT\n\nx", ""),
            ("a<span style='display:none'>b</span>c", "abc", "b"),
            ("<font color=white>a</font>b", "ab", "a"),
            ("<div style='background:#000'><font color='#010101'>a</font></div>", "\na\n", "a"),
            ("<font size=1>a<font size=5>b</font>c</font>d", "abcd", "ac"),
            ("<style>a</style><script>b</script>c", "c", ""),
            ("a<style>b", "a", ""),
        ];
        for (html, text, invisible) in cases {
            let r = rendered(html);
            assert_eq!(String::from_utf8_lossy(&r.text), *text, "{html}");
            assert_eq!(String::from_utf8_lossy(&r.sa_invisible().bytes), *invisible, "{html}");
        }
        // Latin-1 from an entity in an ASCII part is one byte to rules, unless wider characters join it.
        assert_eq!(*rendered("&copy;").sa_text(), *b"\xa9");
        assert_eq!(*rendered("&copy; &hellip;").sa_text(), *"\u{a9} \u{2026}".as_bytes());
    }

    #[test]
    fn links() {
        let r = rendered(
            "<base href='http://example.com/dir/index.html'><a href=' page '>one <img src='//img.example.net/i'></a>\
             <a>two</a><a x/href='http://example.org'>three</a>",
        );
        let facts = r.facts.as_deref().expect("HTML was parsed");
        let uris: Vec<(String, Vec<&str>, usize)> = (facts.uris.iter())
            .map(|u| (String::from_utf8_lossy(&u.uri).into_owned(), u.types.names().collect(), u.anchors.len()))
            .collect();
        let uri = |uri: &str, types: &[&'static str], anchors| (uri.to_string(), types.to_vec(), anchors);
        assert_eq!(
            uris,
            [
                uri("http://example.com/dir/index.html", &["base"], 0),
                uri("http://example.com/dir/page", &["a"], 0),
                uri("page", &[], 1),
                uri("http://img.example.net/i", &["img"], 0),
                uri("", &[], 1),
                uri("http://example.org", &["a"], 1),
            ]
        );
        assert_eq!(facts.anchors[0].text, b"one <img>\n");
        let pieces: Vec<_> = r.pieces().filter(|(s, _)| !s.whitespace).map(|(s, t)| (s.link, t)).collect();
        assert_eq!(pieces, [(Some(0), &b"one "[..]), (Some(1), b"two"), (Some(2), b"three")]);
    }

    #[test]
    fn facts() {
        let r =
            rendered("<html><body>vi<b>agra</b><foo>x</foo></p><!-- c --><font face=x12>y<img width=10 height=50%>");
        let f = r.facts.as_deref().expect("HTML was parsed");
        assert_eq!(
            (f.inside(b"html"), f.inside(b"foo"), f.inside(b"p"), f.inside(b"td")),
            (Some(1), Some(0), Some(0), None)
        );
        assert_eq!(f.closed_extra_ratio, Some(1.0 / 9.0));
        assert_eq!(f.bad_tag_ratio, Some(2.0 / 9.0));
        assert_eq!(f.obfuscation_ratio, Some(2.0 / 9.0));
        assert_eq!(f.backhair_count, Some(2));
        assert_eq!(f.image_area, 3_000.0);
        assert!(f.font_face_bad && !f.font_low_contrast && f.limit.is_none());
        assert_eq!(f.comments.iter().collect::<Vec<_>>(), [b"<!-- c -->"]);
    }

    /// What a reader's program hides beyond SpamAssassin's invisible text, and that it ends where the element ends.
    #[test]
    fn hidden() {
        let cases: &[(&str, &str)] = &[
            ("<div style='max-height:0;overflow:hidden'>a<b>b</b></div>c", "ab"),
            ("<p hidden>a<p>b", "a"),
            ("<table><tr><td style='font-size:0'>a<td>b</table>c", "a"),
            ("<section style='opacity:0'>a</section>b", "a"),
            ("<td style='display:none'>a</div>b</td>c", "ab"),
            ("<title>a</title>b", "a"),
        ];
        for (html, expected) in cases {
            let r = rendered(html);
            let hidden: Vec<u8> =
                r.pieces().filter(|(s, _)| s.hidden && !s.whitespace).flat_map(|(_, text)| text).copied().collect();
            assert_eq!(String::from_utf8_lossy(&hidden), *expected, "{html}");
        }
    }

    /// Slow only if something is quadratic.
    #[test]
    fn hostile_input() {
        let bits = [
            "<",
            "&",
            "<a ",
            "<a x=\"",
            "<a>",
            "<title>",
            "<style>",
            "<!--",
            "<!-- -",
            "<![ a ",
            "<![CDATA[",
            "]",
            "]]>",
            "<!doctype ' >",
            "<table>",
            "</div>",
            "&a",
            "x/>",
            "<a x/href=",
            "<a href='../..'>",
            "é<i>é</i>",
            "-- ",
            "<meta http-equiv=refresh content='url=url='>",
            "<b style='background:rgb(rgb('>",
        ];
        for bit in bits {
            let html = bit.repeat((1 << 18) / bit.len());
            let r = rendered(&html);
            assert!(r.segments.last().is_none_or(|s| s.end as usize == r.text.len()), "{bit}");
        }
        rendered(&format!("<p style='background:{}'>x", "rgb(".repeat(1 << 18)));
        rendered(&format!("<a {}>", "/href".repeat(1 << 18)));
    }
}
