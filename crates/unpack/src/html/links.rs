//! The links of a document with what is shown for each: what ClamAV's phishing checks compare.

use super::is_dot;

/// An address, and what the reader sees in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub kind: LinkKind,
    /// As written, character references replaced.
    pub address: Vec<u8>,
    /// The text between `<a>` and `</a>`, or for what stands inside a link or form, that one's address.
    pub shown: Option<Vec<u8>>,
}

/// Where an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    Href,
    /// The `title` of a link; `shown` is the link's address.
    Title,
    /// An address inside a form; `shown` is the form's action.
    Form,
    Src,
    Dynsrc,
    Iframe,
    Area,
}

/// Longest text that is kept.
const LONGEST: usize = 1024;

#[derive(Default)]
pub(super) struct Collector {
    pub found: Vec<Link>,
    pub most: usize,
    /// The link whose text is being read.
    open: Option<usize>,
    text: Vec<u8>,
    /// Where the text began in this chunk.
    from: Option<usize>,
    /// Where the last tag began.
    tag_at: Option<usize>,
    action: Option<Vec<u8>>,
}

impl Collector {
    pub fn resume(&mut self, at: usize) {
        if self.from.is_some() {
            self.from = Some(at);
        }
    }

    pub fn pause(&mut self, line: &[u8], at: usize) {
        if self.open.is_some()
            && let Some(from) = self.from
        {
            append(&mut self.text, line.get(from..at).unwrap_or_default());
        }
        self.tag_at = None;
    }

    /// A tag begins: the text so far is taken.
    pub fn cut(&mut self, line: &[u8], at: usize) {
        self.tag_at = Some(at);
        if self.open.is_some()
            && let Some(from) = self.from.take()
        {
            append(&mut self.text, line.get(from..at).unwrap_or_default());
        }
    }

    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.shown(open);
        }
    }

    fn shown(&mut self, link: usize) {
        let mut text = std::mem::take(&mut self.text);
        text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
        if let Some(link) = self.found.get_mut(link) {
            link.shown = Some(text);
        }
    }

    fn add(&mut self, kind: LinkKind, address: &[u8], shown: Option<Vec<u8>>) {
        if self.found.len() < self.most {
            self.found.push(Link { kind, address: address.to_vec(), shown });
        }
    }

    pub fn end_tag(&mut self, tag: &[u8], at: usize) {
        if let Some(open) = self.open {
            if tag == b"/a" {
                self.shown(open);
                self.open = None;
            }
            self.from = Some(at);
        }
        if tag == b"/form" {
            self.action = None;
        }
    }

    pub fn tag<'v>(&mut self, tag: &[u8], attribute: impl Fn(&[u8]) -> Option<&'v [u8]>, line: &[u8], at: usize) {
        if self.open.is_some() && self.from.is_none() {
            self.from = Some(at);
        }
        let some = |name: &[u8]| attribute(name).filter(|value| !value.is_empty());
        match tag {
            b"a" => {
                let Some(address) = some(b"href") else { return };
                if let Some(open) = self.open
                    && let Some(from) = self.from
                {
                    let to = self.tag_at.unwrap_or(from);
                    append(&mut self.text, line.get(from..to).unwrap_or_default());
                    self.shown(open);
                    self.open = None;
                }
                if let Some(title) = attribute(b"title") {
                    self.add(LinkKind::Title, title, Some(address.to_vec()));
                }
                if let Some(action) = self.action.clone() {
                    self.add(LinkKind::Form, address, Some(action));
                }
                let before = self.found.len();
                self.add(LinkKind::Href, address, None);
                self.open = (self.found.len() > before).then_some(before);
                self.from = Some(at);
                self.text.clear();
            }
            b"form" => {
                if let Some(action) = attribute(b"action") {
                    self.action = Some(action.to_vec());
                }
            }
            b"img" => {
                for (name, kind) in [(&b"src"[..], LinkKind::Src), (b"dynsrc", LinkKind::Dynsrc)] {
                    if let Some(address) = some(name) {
                        self.inside(kind, address);
                    }
                }
            }
            b"iframe" => {
                if let Some(address) = some(b"src") {
                    self.inside(LinkKind::Iframe, address);
                }
            }
            b"area" => {
                if let Some(address) = some(b"href") {
                    self.inside(LinkKind::Area, address);
                }
            }
            _ => {}
        }
    }

    /// Something inside a link is shown in place of the link's address.
    fn inside(&mut self, kind: LinkKind, address: &[u8]) {
        let shown = self.open.and_then(|open| self.found.get(open)).map(|link| link.address.clone());
        self.add(kind, address, shown);
        if let Some(action) = self.action.clone() {
            self.add(LinkKind::Form, address, Some(action));
        }
    }
}

/// Text without markup, full stops in disguise shown as such. What is beyond ASCII at the end of a piece is lost, as
/// with ClamAV.
fn append(text: &mut Vec<u8>, piece: &[u8]) {
    let mut wide: u32 = 0;
    for &byte in piece {
        if text.len() >= LONGEST {
            return;
        }
        if wide != 0 && (byte < 0x80 || wide >= 0x10000) {
            if is_dot(wide, byte) {
                text.push(b'.');
                if wide == 0xa1 {
                    wide = 0;
                    continue;
                }
            } else {
                let [_, first, second, third] = wide.to_be_bytes();
                for (byte, wanted) in [(first, first != 0), (second, first != 0 || second != 0), (third, true)] {
                    if wanted && text.len() + 1 < LONGEST {
                        text.push(byte);
                    }
                }
            }
            wide = 0;
        }
        if byte >= 0x80 {
            wide = wide << 8 | u32::from(byte);
        } else if text.len() < LONGEST {
            text.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::links;
    use super::*;
    use crate::Budget;

    fn found(html: &str) -> Vec<(LinkKind, String, Option<String>)> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let found = links(html.as_bytes(), &mut Budget::default());
        found.iter().map(|link| (link.kind, text(&link.address), link.shown.as_ref().map(text))).collect()
    }

    #[test]
    fn what_is_shown_for_an_address() {
        let shown = |text: &str| Some(text.to_owned());
        let html = "<a href='http://evil.example/'>See <b>http://bank</b>.example</a> then <img src=x.png> end";
        let href = (LinkKind::Href, "http://evil.example/".into(), shown("See http://bank.example"));
        assert_eq!(found(html), [href, (LinkKind::Src, "x.png".into(), None)]);
        let html = "<form action=http://e><a href=http://b title=T><img src=i></a></form>";
        let expected = [
            (LinkKind::Title, "T".into(), shown("http://b")),
            (LinkKind::Form, "http://b".into(), shown("http://e")),
            (LinkKind::Href, "http://b".into(), shown("")),
            (LinkKind::Src, "i".into(), shown("http://b")),
            (LinkKind::Form, "i".into(), shown("http://e")),
        ];
        assert_eq!(found(html), expected);
    }
}
