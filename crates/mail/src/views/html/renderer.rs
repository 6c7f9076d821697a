//! Tokens to text and facts: which tags leave whitespace, what counts as visible, what is remembered of links.

use super::facts::{Anchor, HtmlFacts, HtmlUri};
use super::perl::{self, Text};
use super::style::{self, Colour, Look};
use super::tag::{self, Tag};
use super::tokenizer::{Attribute, Attributes, Sink};
use super::{Coding, Segment, entity, link};
use crate::Limits;
use memchr::memmem;
use std::borrow::Cow;
use std::collections::HashMap;

/// SpamAssassin's MAX_URI_LENGTH, in characters.
const URI_LENGTH: usize = 8_192;
/// Names of unknown tags that are kept; more than these tell nothing new.
const UNKNOWN_TAGS: usize = 10_000;

pub(super) struct Renderer {
    coding: Coding,
    limit_uris: usize,
    limit_depth: usize,

    pub text: Vec<u8>,
    pub segments: Vec<Segment>,
    /// Start of the last segment, and its kind.
    last_start: usize,
    last_wide: bool,
    /// Some visible or invisible text has characters above 255 (Perl's utf8 flag), so all of its kind has.
    pub wide_visible: bool,
    pub wide_invisible: bool,

    pub facts: HtmlFacts,
    tags: u32,
    elements: u32,
    tags_seen: u32,
    elements_seen: u32,
    closed_extra: u32,
    obfuscation: u32,
    /// Pairs of word lengths around a tag inside a word, as bits.
    backhair: u64,
    inside: [i32; tag::COUNT],
    seen: [bool; tag::COUNT],
    unknown: HashMap<Box<[u8]>, i32>,
    doctype: bool,

    frames: Vec<(Tag, Look)>,
    /// How often each tag stands in `frames`.
    framed: [u32; tag::COUNT],
    base_font: i64,

    /// Open elements as a reader's program would have them, for `hidden`.
    open: Vec<Tag>,
    opened: [u32; tag::COUNT],
    /// Length of `open` at the outermost element that hides its content.
    hidden_from: Option<usize>,

    /// The last anchor's text has characters above 255.
    wide_anchor: bool,
    title: Option<Text<'static>>,
    base_href: Vec<u8>,
    pushed_uris: usize,
    uri_index: HashMap<Vec<u8>, u32>,
}

impl Renderer {
    pub fn new(coding: Coding, capacity: usize, limits: &Limits) -> Renderer {
        Renderer {
            coding,
            limit_uris: limits.uris,
            limit_depth: limits.html_depth,
            text: Vec::with_capacity(capacity),
            segments: Vec::with_capacity(capacity / 32),
            last_start: 0,
            last_wide: false,
            wide_visible: false,
            wide_invisible: false,
            facts: HtmlFacts { min_size: 3, max_size: 3, ..HtmlFacts::default() },
            tags: 0,
            elements: 0,
            tags_seen: 0,
            elements_seen: 0,
            closed_extra: 0,
            obfuscation: 0,
            backhair: 0,
            inside: [0; tag::COUNT],
            seen: [false; tag::COUNT],
            unknown: HashMap::new(),
            doctype: false,
            frames: Vec::with_capacity(32),
            framed: [0; tag::COUNT],
            base_font: 3,
            open: Vec::with_capacity(32),
            opened: [0; tag::COUNT],
            hidden_from: None,
            wide_anchor: false,
            title: None,
            base_href: Vec::new(),
            pushed_uris: 0,
            uri_index: HashMap::new(),
        }
    }

    fn octets(&self) -> bool {
        self.coding == Coding::Octets
    }

    fn is_inside(&self, tag: Tag) -> bool {
        self.inside[usize::from(tag.0)] > 0
    }

    /// Style or script text was left open.
    pub fn unfinished(&self, tag: Tag) -> bool {
        self.is_inside(tag)
    }

    pub fn finish(mut self) -> Renderer {
        self.end_anchor();
        self.end_title();
        let f = &mut self.facts;
        let per = |n: u32, of: u32| (of > 0).then(|| f64::from(n) / f64::from(of));
        f.closed_extra_ratio = per(self.closed_extra, self.tags);
        f.bad_tag_ratio = per(self.tags - self.elements, self.tags).filter(|_| self.elements > 0);
        f.non_element_ratio =
            per(self.tags_seen.saturating_sub(self.elements_seen), self.tags_seen).filter(|_| self.elements_seen > 0);
        f.obfuscation_ratio = per(self.obfuscation, self.tags).filter(|_| self.obfuscation > 0);
        f.backhair_count = Some(self.backhair.count_ones()).filter(|&n| n > 0);
        let known = (0..tag::COUNT).filter(|&i| self.seen[i]);
        f.inside = known.map(|i| (Cow::Borrowed(tag::NAMES[i]), self.inside[i])).collect();
        f.inside.extend(self.doctype.then_some((Cow::Borrowed(b"!doctype".as_slice()), 0)));
        f.inside.extend(self.unknown.drain().map(|(name, n)| (Cow::Owned(name.into_vec()), n)));
        f.inside.sort_unstable();
        self
    }

    /// Counts a start (+1) or end (-1) tag. `None` for names that are not rendered.
    fn count(&mut self, name: &[u8], step: i32) -> Option<Tag> {
        self.tags += 1;
        let mut lower = [0u8; 16];
        let tag = match lower.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                tag::lookup(lower)
            }
            None => None,
        };
        let new;
        let depth;
        let element;
        match tag {
            Some(tag) => {
                let i = usize::from(tag.0);
                new = !self.seen[i];
                self.seen[i] = true;
                depth = &mut self.inside[i];
                element = tag.is(tag::ELEMENT);
            }
            None => {
                let name = name.to_ascii_lowercase();
                element = is_namespaced(&name, self.coding);
                self.elements += u32::from(element);
                new = !self.unknown.contains_key(&*name);
                if new && self.unknown.len() >= UNKNOWN_TAGS {
                    self.facts.reached("html_tags", UNKNOWN_TAGS);
                    return None;
                }
                self.tags_seen += u32::from(new);
                self.elements_seen += u32::from(new && element);
                let depth = self.unknown.entry(name.into()).or_insert(0);
                *depth += step;
                if *depth < 0 {
                    *depth = 0;
                    self.closed_extra += 1;
                }
                return None;
            }
        }
        self.elements += u32::from(element);
        self.tags_seen += u32::from(new);
        self.elements_seen += u32::from(new && element);
        *depth += step;
        if *depth < 0 {
            *depth = 0;
            self.closed_extra += 1;
        }
        tag
    }

    fn value<'a>(&self, attribute: Attribute<'a>) -> Text<'a> {
        match attribute.value {
            Some(value) => entity::decode(value, self.coding, false),
            // A lone name is its own value.
            None => Text { bytes: Cow::Borrowed(attribute.name), wide: self.coding == Coding::Wide },
        }
    }

    // -- style ------------------------------------------------------------------------------------------------

    fn look(&self) -> Look {
        self.frames.last().map_or(
            Look {
                foreground: Colour::BLACK,
                background: Colour::WHITE,
                size: 3,
                display_none: false,
                visibility_hidden: false,
            },
            |f| f.1,
        )
    }

    fn push_frame(&mut self, tag: Tag, look: Look) {
        self.frames.push((tag, look));
        self.framed[usize::from(tag.0)] += 1;
    }

    fn pop_frame(&mut self) -> Option<Tag> {
        let (tag, _) = self.frames.pop()?;
        self.framed[usize::from(tag.0)] -= 1;
        Some(tag)
    }

    fn open_style(&mut self, tag: Tag, attributes: &Attributes<'_>) {
        let tag = if tag == Tag::TH { Tag::TD } else { tag };
        if tag == Tag::BASEFONT
            && let Some(size) = attributes.get(b"size")
            && let Some((0, size)) = font_size(&self.value(size))
        {
            self.base_font = size;
            return;
        }
        if (tag == Tag::TD || tag == Tag::TR) && self.framed[usize::from(tag.0)] > 0 {
            while let Some(&(top, _)) = self.frames.last()
                && (top == Tag::FONT || top == Tag::TD || top == tag)
            {
                self.pop_frame();
            }
        }
        let parent = self.look();
        let mut look = parent;
        match tag {
            Tag::BIG => look.size = look.size.saturating_add(1),
            Tag::SMALL => look.size = look.size.saturating_sub(1),
            Tag::FONT | Tag::BASEFONT => {
                for name in [b"size".as_slice(), b"color", b"face"] {
                    let Some(attribute) = attributes.get(name) else { continue };
                    match name {
                        b"color" => {
                            let value = self.value(attribute);
                            look.foreground = Colour::parse(&value.bytes, value.wide);
                        }
                        b"size" => match font_size(&self.value(attribute)) {
                            Some((0, size)) => look.size = size,
                            Some((sign, size)) => look.size = self.base_font.saturating_add(sign * size),
                            None => {}
                        },
                        _ => {}
                    }
                    self.note_size(look.size);
                }
            }
            Tag::BODY => {
                if let Some(attribute) = attributes.get(b"text") {
                    let value = self.value(attribute);
                    look.foreground = Colour::parse(&value.bytes, value.wide);
                }
                let permitted: [&[u8]; 6] = [b"text", b"bgcolor", b"link", b"alink", b"vlink", b"background"];
                if attributes.iter().any(|a| permitted.iter().any(|p| p.eq_ignore_ascii_case(a.name))) {
                    self.note_size(look.size);
                }
            }
            _ => {
                if let Some(attribute) = attributes.get(b"style") {
                    let value = self.value(attribute);
                    look.apply(&value.bytes, parent.background, value.wide);
                    self.note_size(look.size);
                } else if matches!(tag, Tag::TABLE | Tag::TD | Tag::TR) && attributes.get(b"bgcolor").is_some() {
                    // The colour itself has no effect in SpamAssassin 4.0: it is parsed and dropped.
                    self.note_size(look.size);
                }
            }
        }
        self.push_frame(tag, look);
    }

    fn note_size(&mut self, size: i64) {
        self.facts.max_size = self.facts.max_size.max(size);
        self.facts.min_size = self.facts.min_size.min(size);
    }

    fn close_style(&mut self, tag: Tag) {
        let tag = if tag == Tag::TH { Tag::TD } else { tag };
        if tag == Tag::BODY || self.framed[usize::from(tag.0)] == 0 {
            return;
        }
        while self.pop_frame().is_some_and(|top| top != tag) {}
    }

    /// SpamAssassin's "invisible for Bayes".
    fn invisible(&mut self) -> bool {
        let look = self.look();
        if look.foreground.hardly_differs(look.background) {
            self.facts.font_low_contrast = true;
            return true;
        }
        if look.foreground == Colour::Invalid || look.background == Colour::Invalid {
            self.facts.font_invalid_color = true;
            return true;
        }
        look.size <= 1 || look.display_none || look.visibility_hidden
    }

    // -- what a reader's program would hide (not SpamAssassin) -----------------------------------------------

    fn open_element(&mut self, tag: Tag, attributes: &Attributes<'_>) {
        match tag {
            Tag::P => self.close_within(&[Tag::P], CELLS),
            Tag::LI => self.close_within(&[Tag::LI], &[Tag::UL, Tag::OL, Tag::MENU, Tag::DIR]),
            Tag::DT | Tag::DD => self.close_within(&[Tag::DT, Tag::DD], &[Tag::DL]),
            Tag::TD | Tag::TH => self.close_within(&[Tag::TD, Tag::TH], &[Tag::TABLE, Tag::TR]),
            Tag::TR => self.close_within(&[Tag::TR], &[Tag::TABLE]),
            _ => {}
        }
        if tag.is(tag::VOID) {
            return;
        }
        if self.open.len() >= self.limit_depth {
            self.facts.reached("html_depth", self.limit_depth);
            return;
        }
        self.open.push(tag);
        self.opened[usize::from(tag.0)] += 1;
        if self.hidden_from.is_none() && self.hides(tag, attributes) {
            self.hidden_from = Some(self.open.len());
        }
    }

    fn close_element(&mut self, tag: Tag) {
        let fences = match tag {
            Tag::TABLE | Tag::BODY | Tag::HTML | Tag::CAPTION => &[][..],
            Tag::TD | Tag::TH | Tag::TR | Tag::TBODY | Tag::THEAD | Tag::TFOOT => &[Tag::TABLE],
            _ => CELLS,
        };
        self.close_within(&[tag], fences);
    }

    fn hides(&self, tag: Tag, attributes: &Attributes<'_>) -> bool {
        if matches!(tag, Tag::TITLE | Tag::IFRAME | Tag::NOFRAMES) {
            return true;
        }
        attributes.iter().any(|a| match a.name.len() {
            5 if a.name.eq_ignore_ascii_case(b"style") => style::hides(&self.value(a).bytes),
            6 => a.name.eq_ignore_ascii_case(b"hidden"),
            _ => false,
        })
    }

    /// Closes the innermost element of `tags`, unless one of `fences` lies between.
    fn close_within(&mut self, tags: &[Tag], fences: &[Tag]) {
        if tags.iter().all(|tag| self.opened[usize::from(tag.0)] == 0) {
            return;
        }
        let stop = self.open.iter().rposition(|open| tags.contains(open) || fences.contains(open));
        let Some(at) = stop.filter(|&at| tags.contains(&self.open[at])) else { return };
        for closed in self.open.drain(at..) {
            self.opened[usize::from(closed.0)] -= 1;
        }
        if self.hidden_from.is_some_and(|h| self.open.len() < h) {
            self.hidden_from = None;
        }
    }

    // -- links ------------------------------------------------------------------------------------------------

    fn uri_entry(&mut self, uri: &[u8]) -> Option<&mut HtmlUri> {
        let i = match self.uri_index.get(uri) {
            Some(&i) => i,
            None => {
                if self.facts.uris.len() >= self.limit_uris {
                    self.facts.reached("uris", self.limit_uris);
                    return None;
                }
                let i = self.facts.uris.len() as u32;
                self.uri_index.insert(uri.to_vec(), i);
                self.facts.uris.push(HtmlUri { uri: uri.to_vec(), ..HtmlUri::default() });
                i
            }
        };
        self.facts.uris.get_mut(i as usize)
    }

    /// Trims, and cuts what is too long.
    fn canonical<'a>(&mut self, uri: &'a Text<'_>) -> &'a [u8] {
        let octets = self.octets();
        let trimmed = perl::trim_start(&uri.bytes, uri.wide, octets, Some(0xa0));
        let trimmed = perl::trim_end(trimmed, uri.wide, octets, Some(0xa0));
        if trimmed.len() <= URI_LENGTH {
            return trimmed;
        }
        let cut = if octets { URI_LENGTH } else { perl::char_offset(trimmed, URI_LENGTH) };
        self.facts.uri_truncated |= cut < trimmed.len();
        &trimmed[..cut]
    }

    fn push_uri(&mut self, tag: &'static str, uri: &Text<'_>) {
        let octets = self.octets();
        let trimmed = Text { bytes: Cow::Borrowed(self.canonical(uri)), wide: uri.wide };
        let trimmed = trimmed.to_sa(octets);
        if trimmed.is_empty() {
            return;
        }
        self.pushed_uris += 1;
        if self.pushed_uris > self.limit_uris {
            self.facts.reached("uris", self.limit_uris);
            return;
        }
        let opaque: [&[u8]; 5] = [b"data:", b"mailto:", b"file:", b"cid:", b"tel:"];
        let opaque = opaque.iter().any(|s| trimmed.get(..s.len()).is_some_and(|head| head.eq_ignore_ascii_case(s)));
        let target = if opaque { trimmed } else { Cow::Owned(link::target(&self.base_href, &trimmed).into_owned()) };
        if !target.is_empty()
            && let Some(entry) = self.uri_entry(&target)
        {
            entry.types.insert(tag);
        }
    }

    /// An attribute, or what broken markup like `<a class/href=...>` made of it; the last such wins.
    fn address<'a>(&self, attributes: &Attributes<'a>, name: &[u8]) -> Option<Text<'a>> {
        let mut found = None;
        for a in attributes.iter().filter(|a| a.name.len() > name.len() + 1) {
            let broken = (1..a.name.len() - name.len()).any(|i| {
                a.name[i] == b'/'
                    && a.name[i + 1..].get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name))
                    && (a.name[i - 1].is_ascii_alphanumeric() || a.name[i - 1] == b'_')
            });
            if broken && !found.is_some_and(|f: Attribute<'_>| f.name.eq_ignore_ascii_case(a.name)) {
                found = Some(a);
            }
        }
        found.or_else(|| attributes.get(name)).map(|a| self.value(a))
    }

    /// The last anchor's text is complete: bytes as rules see them.
    fn end_anchor(&mut self) {
        let wide = std::mem::take(&mut self.wide_anchor) || self.octets();
        if !wide
            && let Some(anchor) = self.facts.anchors.last_mut()
            && !anchor.text.is_ascii()
        {
            anchor.text = perl::narrow(&anchor.text).into_owned();
        }
    }

    fn end_title(&mut self) {
        if let Some(title) = self.title.take() {
            self.facts.titles.push(&title.to_sa(self.octets()));
        }
    }

    fn links(&mut self, tag: Tag, attributes: &Attributes<'_>, href: Option<&Text<'_>>) {
        match tag {
            Tag::BODY | Tag::TABLE | Tag::TR | Tag::TD => {
                if let Some(a) = attributes.get(b"background") {
                    let name = match tag {
                        Tag::BODY => "body",
                        Tag::TABLE => "table",
                        Tag::TR => "tr",
                        _ => "td",
                    };
                    self.push_uri(name, &self.value(a));
                }
            }
            Tag::A | Tag::AREA | Tag::LINK => {
                let name = match tag {
                    Tag::A => "a",
                    Tag::AREA => "area",
                    _ => "link",
                };
                if let Some(href) = href {
                    self.push_uri(name, href);
                }
                if let Some(a) = attributes.get(b"data-saferedirecturl") {
                    self.push_uri(name, &self.value(a));
                }
            }
            Tag::IMG | Tag::FRAME | Tag::IFRAME | Tag::EMBED | Tag::SCRIPT | Tag::BGSOUND => {
                let name = match tag {
                    Tag::IMG => "img",
                    Tag::FRAME => "frame",
                    Tag::IFRAME => "iframe",
                    Tag::EMBED => "embed",
                    Tag::SCRIPT => "script",
                    _ => "bgsound",
                };
                if let Some(src) = self.address(attributes, b"src") {
                    self.push_uri(name, &src);
                }
            }
            Tag::FORM => {
                if let Some(a) = attributes.get(b"action") {
                    self.push_uri("form", &self.value(a));
                }
            }
            Tag::BASE => {
                if let Some(a) = attributes.get(b"href") {
                    let uri = self.value(a);
                    if matches!(&*uri.bytes, b"" | b"0") {
                        return;
                    }
                    self.push_uri("base", &uri);
                    let octets = self.octets();
                    let trimmed = Text { bytes: Cow::Borrowed(self.canonical(&uri)), wide: uri.wide };
                    if let Some(base) = link::base(&trimmed.to_sa(octets)) {
                        self.base_href = base;
                    }
                }
            }
            Tag::META => self.meta_refresh(attributes),
            _ => {}
        }
    }

    fn meta_refresh(&mut self, attributes: &Attributes<'_>) {
        let (Some(kind), Some(content)) = (attributes.get(b"http-equiv"), attributes.get(b"content")) else { return };
        if style::find_no_case(&self.value(kind).bytes, b"refresh").is_none() {
            return;
        }
        let content = self.value(content);
        let (bytes, wide) = (&*content.bytes, content.wide);
        // After the last "url =" of the first line, up to a semicolon.
        let Some(first) = after_word(bytes, b"url", wide, false) else { return };
        let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let uri = match after_word(&bytes[..line], b"url", wide, true) {
            Some(at) => perl::trim_start(&bytes[at..], wide, self.octets(), None),
            None if first > line => bytes,
            None => &bytes[first..],
        };
        let cut = match memchr::memchr(b';', uri) {
            Some(semicolon) => {
                let head = perl::trim_end(&uri[..semicolon], wide, self.octets(), None);
                let tail = memchr::memchr(b'\n', &uri[semicolon..]).map_or(uri.len(), |n| semicolon + n);
                [head, &uri[tail..]].concat()
            }
            None => uri.to_vec(),
        };
        self.push_uri("meta", &Text { bytes: Cow::Owned(cut), wide });
    }

    // -- other facts of start tags ----------------------------------------------------------------------------

    fn notice(&mut self, tag: Tag, attributes: &Attributes<'_>, href: Option<&Text<'_>>) {
        match tag {
            Tag::FONT => {
                if let Some(a) = attributes.get(b"face") {
                    let face = self.value(a);
                    self.facts.font_face_bad |= !is_usual_face(&face.bytes, face.wide);
                }
            }
            Tag::IMG => {
                if self.is_inside(Tag::A)
                    && let Some(anchor) = self.facts.anchors.last_mut()
                {
                    anchor.text.extend_from_slice(b"<img>\n");
                }
                if let (Some(width), Some(height)) = (attributes.get(b"width"), attributes.get(b"height")) {
                    let side = |text: Text<'_>, percent: f64| match image_side(&text.bytes, percent) {
                        n if n > 0.0 => n,
                        _ => 200.0,
                    };
                    // Percent of a screen of 800 x 600.
                    self.facts.image_area += side(self.value(width), 8.0) * side(self.value(height), 6.0);
                }
            }
            Tag::FORM => {
                if let Some(a) = attributes.get(b"action") {
                    self.facts.form_action_mailto |= style::find_no_case(&self.value(a).bytes, b"mailto:").is_some();
                }
            }
            Tag::OBJECT | Tag::EMBED => self.facts.embeds = true,
            Tag::A => {
                if self.facts.anchors.len() >= self.limit_uris {
                    self.facts.reached("uris", self.limit_uris);
                    return;
                }
                let octets = self.octets();
                let href = match href {
                    Some(href) => {
                        let trimmed = Text { bytes: Cow::Borrowed(self.canonical(href)), wide: href.wide };
                        trimmed.to_sa(octets).into_owned()
                    }
                    None => Vec::new(),
                };
                self.end_anchor();
                let i = self.facts.anchors.len() as u32;
                if let Some(entry) = self.uri_entry(&href) {
                    entry.anchors.push(i);
                }
                self.facts.anchors.push(Anchor { href, text: Vec::new() });
            }
            Tag::TITLE => {
                self.end_title();
                self.title = Some(Text { bytes: Cow::Borrowed(b""), wide: false });
            }
            Tag::META => {
                if let (Some(kind), Some(content)) = (attributes.get(b"http-equiv"), attributes.get(b"content"))
                    && style::find_no_case(&self.value(kind).bytes, b"content-type").is_some()
                {
                    let content = self.value(content);
                    if let Some(at) = after_word(&content.bytes, b"charset", content.wide, false) {
                        let rest = perl::trim_start(&content.bytes[at..], content.wide, self.octets(), None);
                        let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
                        let end = rest.iter().position(|b| matches!(b, b'"' | b'\'')).unwrap_or(rest.len());
                        if end > 0 {
                            self.facts.charsets.push(rest[..end].to_vec());
                        }
                    }
                }
            }
            _ => {}
        }
    }

    // -- text -------------------------------------------------------------------------------------------------

    fn whitespace(&mut self, tag: Tag) {
        let space: &[u8] = match tag.flags() & (tag::LINE | tag::BLANK | tag::PARAGRAPH) {
            tag::LINE => b"\n",
            tag::BLANK => b" ",
            tag::PARAGRAPH => b"\n\n",
            _ => return,
        };
        if let Some(last) = self.segments.last_mut()
            && !last.whitespace
            && !last.sa_invisible
            && self.text.len() > self.last_start
            && self.text.last() == Some(&b' ')
        {
            self.text.pop();
            last.end -= 1;
        }
        self.last_start = self.text.len();
        self.last_wide = false;
        self.text.extend_from_slice(space);
        self.end_segment(false, true);
    }

    fn end_segment(&mut self, sa_invisible: bool, whitespace: bool) {
        self.segments.push(Segment {
            end: self.text.len() as u32,
            sa_invisible,
            hidden: sa_invisible || self.hidden_from.is_some(),
            whitespace,
            link: (self.is_inside(Tag::A) && !whitespace)
                .then(|| self.facts.anchors.len().checked_sub(1).map(|i| i as u32))
                .flatten(),
        });
    }

    /// Words that go on across a tag: `vi<b></b>agra`.
    fn look_for_broken_words(&mut self, text: &Text<'_>) {
        let octets = self.octets();
        let last = &self.text[self.last_start..];
        let in_word = |c: Option<(u32, usize)>, wide| c.is_some_and(|(c, _)| !is_blank_or_punctuation(c, wide));
        let before = in_word(perl::last_char(last, octets), self.last_wide);
        if !before {
            return;
        }
        let after = in_word(perl::first_char(&text.bytes, octets), text.wide);
        if !after {
            return;
        }
        self.obfuscation += 1;
        if let Some(start) = word_at_end(last, self.last_wide, octets)
            && let Some(length) = word_at_start(&text.bytes, text.wide, octets)
        {
            self.backhair |= 1 << ((start - 1) * 7 + (length - 1));
        }
    }

    /// Appends text with its blanks folded.
    fn append(&mut self, text: &Text<'_>, invisible: bool) {
        let after_whitespace = self.segments.last().is_some_and(|s| s.whitespace);
        self.last_start = self.text.len();
        self.last_wide = text.wide;
        let nbsp = self.mojibake_nbsp();
        let mut rest: &[u8] = &text.bytes;
        if after_whitespace && !invisible {
            // One blank goes, which the first run of blanks folds to.
            let blanks = rest.iter().take_while(|b| perl::is_ascii_space(**b)).count();
            rest = if blanks > 0 { &rest[blanks..] } else { rest.strip_prefix(nbsp).unwrap_or(rest) };
        }
        while !rest.is_empty() {
            // Up to a blank that is not a lone " ", most text needs nothing but to be copied.
            let mut after_blank = false;
            let odd = rest.iter().position(|&b| match BLANKS[usize::from(b)] {
                OTHER => {
                    after_blank = false;
                    b == nbsp[0]
                }
                blank => std::mem::replace(&mut after_blank, true) || blank == ODD,
            });
            let plain = odd.map_or(rest.len(), |odd| odd - usize::from(after_blank && rest[..odd].ends_with(b" ")));
            self.text.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
            let blanks = rest.iter().take_while(|b| perl::is_ascii_space(**b)).count();
            if blanks > 0 {
                self.text.push(b' ');
                rest = &rest[blanks..];
            } else if let Some(after) = rest.strip_prefix(nbsp) {
                self.text.push(b' ');
                rest = after;
            } else if let Some((&b, after)) = rest.split_first() {
                self.text.push(b);
                rest = after;
            }
        }
        if text.wide {
            *(if invisible { &mut self.wide_invisible } else { &mut self.wide_visible }) = true;
        }
        self.end_segment(invisible, false);
    }

    /// The characters U+00C2 U+00A0: a no-break space in UTF-8 that was taken for Latin-1.
    fn mojibake_nbsp(&self) -> &'static [u8] {
        if self.octets() { b"\xc2\xa0" } else { b"\xc3\x82\xc2\xa0" }
    }
}

const OTHER: u8 = 0;
const SPACE: u8 = 1;
/// A blank that text folds to a space.
const ODD: u8 = 2;

static BLANKS: [u8; 256] = {
    let mut blanks = [OTHER; 256];
    let mut b = 9;
    while b <= 13 {
        blanks[b] = ODD;
        b += 1;
    }
    blanks[b' ' as usize] = SPACE;
    blanks
};

/// An end tag inside a cell does not close what lies outside.
const CELLS: &[Tag] = &[Tag::TABLE, Tag::TD, Tag::TH, Tag::CAPTION];

impl Sink for Renderer {
    fn start(&mut self, name: &[u8], attributes: &Attributes<'_>) {
        let Some(tag) = self.count(name, 1) else { return };
        self.open_element(tag, attributes);
        if !tag.is(tag::ELEMENT | tag::TRICK) {
            return;
        }
        if tag.is(tag::STYLE) {
            self.open_style(tag, attributes);
        }
        self.whitespace(tag);
        let href = match tag {
            Tag::A | Tag::AREA | Tag::LINK => self.address(attributes, b"href").map(without_byte_order_mark),
            _ => None,
        };
        if tag.is(tag::URI) && !attributes.is_empty() {
            self.links(tag, attributes, href.as_ref());
        }
        self.notice(tag, attributes, href.as_ref());
    }

    fn end(&mut self, name: &[u8]) {
        let Some(tag) = self.count(name, -1) else { return };
        self.close_element(tag);
        if tag.is(tag::STYLE) {
            self.close_style(tag);
        }
        self.whitespace(tag);
    }

    fn text(&mut self, raw: &[u8], cdata: bool) {
        if self.is_inside(Tag::STYLE) && !self.is_inside(Tag::SCRIPT) {
            return;
        }
        let text = if cdata {
            Text { bytes: Cow::Borrowed(raw), wide: self.coding == Coding::Wide }
        } else {
            entity::decode(raw, self.coding, true)
        };
        if self.is_inside(Tag::SCRIPT) {
            let script = text.to_sa(self.octets());
            self.facts.scripts.push(&script);
            return;
        }
        if self.is_inside(Tag::A)
            && let Some(anchor) = self.facts.anchors.last_mut()
        {
            anchor.text.extend_from_slice(&text.bytes);
            self.wide_anchor |= text.wide;
        }
        if let Some(title) = self.title.as_mut().filter(|_| self.inside[usize::from(Tag::TITLE.0)] > 0) {
            title.bytes.to_mut().extend_from_slice(&text.bytes);
            title.wide |= text.wide;
        }
        let blank = all_blank(&text.bytes, self.mojibake_nbsp());
        let invisible = !blank && self.invisible();
        if !self.segments.is_empty() {
            self.look_for_broken_words(&text);
        }
        self.append(&text, invisible);
    }

    fn comment(&mut self, raw: &[u8]) {
        self.facts.comments.push(raw);
    }

    fn declaration(&mut self, raw: &[u8]) {
        if raw.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case(b"doctype")) {
            self.elements += 1;
            self.tags += 1;
            self.doctype = true;
        }
    }
}

fn all_blank(mut s: &[u8], nbsp: &[u8]) -> bool {
    while let Some(&b) = s.first() {
        if perl::is_ascii_space(b) {
            s = &s[1..];
        } else if let Some(after) = s.strip_prefix(nbsp) {
            s = after;
        } else {
            return false;
        }
    }
    true
}

fn without_byte_order_mark(text: Text<'_>) -> Text<'_> {
    // Without the utf8 flag SpamAssassin looks for the three bytes, which a decoded string cannot hold.
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if memmem::find(&text.bytes, MARK).is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    let mut from = 0;
    for at in memmem::find_iter(&text.bytes, MARK) {
        out.extend_from_slice(&text.bytes[from..at]);
        from = at + MARK.len();
    }
    out.extend_from_slice(&text.bytes[from..]);
    Text { bytes: Cow::Owned(out), wide: text.wide }
}

/// Office namespaces: `o:p`, `st1:place`.
fn is_namespaced(name: &[u8], coding: Coding) -> bool {
    let rest = match name {
        [b'o', b':', rest @ ..] => rest,
        [b's', b't', b'0'..=b'9', b':', rest @ ..] => rest,
        _ => return false,
    };
    let mut rest = rest.strip_suffix(b"/").unwrap_or(rest);
    let some = !rest.is_empty();
    while let Some((c, len)) = perl::first_char(rest, coding == Coding::Octets)
        && (c == u32::from(b'-') || perl::is_word(c, coding == Coding::Wide))
    {
        rest = &rest[len..];
    }
    some && rest.is_empty()
}

/// A font size: sign (0 if absolute) and number.
fn font_size(text: &Text<'_>) -> Option<(i64, i64)> {
    let s = perl::trim_start(&text.bytes, text.wide, false, None);
    let (sign, digits) = match s.first()? {
        b'+' => (1, &s[1..]),
        b'-' => (-1, &s[1..]),
        _ => (0, s),
    };
    let n = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    (n > 0).then(|| (sign, number(&digits[..n])))
}

fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |n: i64, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')))
}

/// Width or height in pixels, 0 if it is neither a number nor a percentage.
fn image_side(value: &[u8], percent: f64) -> f64 {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let (digits, factor) = match value.strip_suffix(b"%") {
        Some(digits) => (digits, percent),
        None => (value, 1.0),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) { 0.0 } else { number(digits) as f64 * factor }
}

/// After `word =`, first or last: the position behind the equals sign. `word` must not continue another word.
fn after_word(s: &[u8], word: &[u8], wide: bool, last: bool) -> Option<usize> {
    let mut found = None;
    let mut from = 0;
    while let Some(at) = style::find_no_case(&s[from..], word).map(|p| from + p) {
        from = at + word.len();
        let free = perl::last_char(&s[..at], false).is_none_or(|(c, _)| !perl::is_word(c, wide));
        let rest = perl::trim_start(&s[from..], wide, false, None);
        if free && rest.first() == Some(&b'=') {
            found = Some(s.len() - rest.len() + 1);
            if !last {
                break;
            }
        }
    }
    found
}

/// A list of names of letters, blanks and hyphens, as honest mail programs write them.
fn is_usual_face(face: &[u8], wide: bool) -> bool {
    let face = face.strip_suffix(b"\n").unwrap_or(face);
    let face = face.strip_suffix(b";").unwrap_or(face);
    face.split(|&b| b == b',').enumerate().all(|(i, name)| {
        let trimmed = perl::trim_start(name, wide, false, None);
        // The first name may keep one blank before it, which then counts as a letter.
        usual_name(trimmed, i == 0)
            || i == 0
                && name.len() > trimmed.len()
                && name[name.len() - trimmed.len() - 1] == b' '
                && usual_name(&name[name.len() - trimmed.len() - 1..], true)
    })
}

fn usual_name(name: &[u8], first: bool) -> bool {
    let name = match name.split_first() {
        Some((b'"' | b'\'', rest)) => rest,
        Some((b'.', rest)) if first => rest,
        _ => name,
    };
    let name = match name.split_last() {
        Some((b'"' | b'\'', rest)) => rest,
        _ => name,
    };
    let name = match name.split_last() {
        Some((b'0'..=b'9', rest)) => rest,
        _ => name,
    };
    let letter = |b: &u8| b.is_ascii_alphabetic();
    let inner = |b: &u8| letter(b) || matches!(b, b' ' | b'-');
    match name {
        [head, middle @ .., tail] => {
            (letter(head) || first && *head == b' ') && middle.iter().all(inner) && letter(tail)
        }
        _ => false,
    }
}

fn is_blank_or_punctuation(c: u32, wide: bool) -> bool {
    match c {
        0x21..=0x2f | 0x3a..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e => true,
        _ => perl::is_space(c, wide),
    }
}

/// Length of the word (of at most seven characters, from a word boundary) that ends the text.
fn word_at_end(s: &[u8], wide: bool, octets: bool) -> Option<usize> {
    let mut rest = s;
    let mut best = None;
    let mut n = 0;
    let mut current = perl::last_char(rest, octets);
    while let Some((c, len)) = current {
        if n == 7 || is_blank_or_punctuation(c, wide) {
            break;
        }
        n += 1;
        rest = &rest[..rest.len() - len];
        current = perl::last_char(rest, octets);
        let word_before = current.is_some_and(|(p, _)| perl::is_word(p, wide));
        if word_before != perl::is_word(c, wide) {
            best = Some(n);
        }
    }
    best
}

/// Length of the word (of at most seven characters, up to a word boundary) that begins the text.
fn word_at_start(s: &[u8], wide: bool, octets: bool) -> Option<usize> {
    let mut rest = s;
    let mut best = None;
    let mut n = 0;
    let mut current = perl::first_char(rest, octets);
    while let Some((c, len)) = current {
        if n == 7 || is_blank_or_punctuation(c, wide) {
            break;
        }
        n += 1;
        rest = &rest[len..];
        current = perl::first_char(rest, octets);
        let word_after = current.is_some_and(|(p, _)| perl::is_word(p, wide));
        if word_after != perl::is_word(c, wide) {
            best = Some(n);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces() {
        for good in [
            "Arial",
            "\"Tahoma\", Verdana, Arial, sans-serif",
            "Arial,Helvetica,Sans-Serif;",
            ".SFUIDisplay",
            "hirakakupro-w3",
            " a",
        ] {
            assert!(is_usual_face(good.as_bytes(), false), "{good}");
        }
        for bad in ["", "a", "x12", "Arial,", "Ari\u{e4}l", "ab , cd"] {
            assert!(!is_usual_face(bad.as_bytes(), false), "{bad}");
        }
    }

    #[test]
    fn word_lengths() {
        assert_eq!(word_at_end(b"buy vi", false, false), Some(2));
        assert_eq!(word_at_end(b"abcdefghij", false, false), None);
        assert_eq!(word_at_start(b"agra now", false, false), Some(4));
    }
}
