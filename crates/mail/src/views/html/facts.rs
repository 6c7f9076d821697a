//! What the renderer counts while it reads: SpamAssassin's `html_results`, and facts of our own.

use super::super::body::UnitText;
use crate::message::Note;
use std::borrow::Cow;

/// Facts of one HTML part. A field that SpamAssassin leaves undefined is `None` (its tests differ from 0 there).
#[derive(Debug, Clone, Default)]
pub struct HtmlFacts {
    /// Characters of the source before rendering (bytes if it was plain ASCII).
    pub length: u32,
    /// Characters of the rendered text, and those that are no blanks.
    pub html_length: u32,
    pub non_space_len: u32,
    /// (decoded bytes - html_length) / decoded bytes.
    pub ratio: Option<f64>,
    pub image_area: f64,
    pub min_size: i64,
    pub max_size: i64,
    pub closed_extra_ratio: Option<f64>,
    pub bad_tag_ratio: Option<f64>,
    pub non_element_ratio: Option<f64>,
    pub obfuscation_ratio: Option<f64>,
    pub backhair_count: Option<u32>,
    pub font_low_contrast: bool,
    pub font_invalid_color: bool,
    pub font_face_bad: bool,
    pub form_action_mailto: bool,
    pub embeds: bool,
    pub uri_truncated: bool,
    /// Tag names in lower case, sorted, and how many elements of that name are open at the end (`!doctype` included).
    pub(super) inside: Vec<(Cow<'static, [u8]>, i32)>,
    pub comments: UnitText,
    pub scripts: UnitText,
    pub titles: UnitText,
    /// Every `<a>`, in order, also those without href.
    pub anchors: Vec<Anchor>,
    /// URIs in order of first appearance, resolved against `<base>`.
    pub uris: Vec<HtmlUri>,
    /// From `<meta http-equiv=content-type>`. SpamAssassin collects these and then forgets to publish them.
    pub charsets: Vec<Vec<u8>>,
    /// The limit that was reached first; what lay beyond was not looked at.
    pub limit: Option<Note>,
}

impl HtmlFacts {
    pub(super) fn reached(&mut self, what: &'static str, limit: usize) {
        self.limit.get_or_insert(Note::Limit { what, limit });
    }

    /// Open elements of that name at the end; `None` if no such tag was seen.
    pub fn inside(&self, tag: &[u8]) -> Option<i32> {
        let i = self.inside.binary_search_by(|(name, _)| (**name).cmp(tag)).ok()?;
        Some(self.inside[i].1)
    }

    /// All tag names seen, sorted, with the elements open at the end.
    pub fn tags(&self) -> impl Iterator<Item = (&[u8], i32)> {
        self.inside.iter().map(|(name, n)| (&**name, *n))
    }
}

/// One `<a>` element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The href as written, trimmed; empty if there was none.
    pub href: Vec<u8>,
    /// All text until the element ended (`<img>` plus newline for each image), markup removed, blanks as they were.
    pub text: Vec<u8>,
}

/// An entry of SpamAssassin's `uri_detail` as HTML gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HtmlUri {
    /// Resolved target for URIs with types; as written for anchors whose target differs (relative links).
    pub uri: Vec<u8>,
    /// Kinds of tags that named it; empty for entries that only carry anchor texts.
    pub types: TagTypes,
    /// Indices in [`HtmlFacts::anchors`] of the anchors with exactly this href; duplicates kept.
    pub anchors: Vec<u32>,
}

/// The set of tags that named a URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TagTypes(pub u32);

impl TagTypes {
    /// Tag names in bit order.
    pub const NAMES: [&'static str; 18] = [
        "a", "area", "base", "bgsound", "body", "embed", "form", "frame", "iframe", "img", "link", "meta", "script",
        "table", "td", "tr", "th", "object",
    ];

    pub fn insert(&mut self, tag: &str) {
        if let Some(bit) = Self::NAMES.iter().position(|n| *n == tag) {
            self.0 |= 1 << bit;
        }
    }

    pub fn contains(self, tag: &str) -> bool {
        Self::NAMES.iter().position(|n| *n == tag).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, n)| n)
    }
}
