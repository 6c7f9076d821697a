//! HTML to text and facts, as SpamAssassin's renderer (over Perl's HTML::Parser) sees broken markup.

mod facts;

pub use facts::{Anchor, HtmlFacts, HtmlUri, TagTypes};

use super::body::UnitText;
use std::borrow::Cow;

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
    /// Not HTML: the text is itself.
    pub fn plain(text: PartText<'_>, html: bool) -> Rendered {
        let _ = (text, html);
        unimplemented!()
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

    /// The text as bytes that SpamAssassin's rules and plugins see.
    pub fn sa_text(&self) -> Cow<'_, [u8]> {
        unimplemented!()
    }

    pub fn sa_visible(&self) -> Vec<u8> {
        unimplemented!()
    }

    pub fn sa_invisible(&self) -> Vec<u8> {
        unimplemented!()
    }
}

/// Renders an HTML part. `decoded_len`: bytes after transfer decoding, before charset decoding.
pub fn render(text: PartText<'_>, decoded_len: usize, limits: &crate::Limits) -> Rendered {
    let _ = (text, decoded_len, limits);
    unimplemented!()
}

/// Strings kept in order: comments, scripts, titles.
pub type Strings = UnitText;
