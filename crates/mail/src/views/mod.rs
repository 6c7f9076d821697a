//! What rules look at. Each view is made once per message, on first use, and kept.
//!
//! In: a parsed [`Message`] and the settings that change what the views contain. Out: plain bytes and facts. The
//! module of each view knows how it is made; this file only keeps the results, so that it can be read as a list.

pub mod body;
pub mod drawn;
pub mod header;
pub mod html;
pub mod rawbody;
pub mod text;
pub mod uri;

use crate::limits::Limits;
use crate::message::{Message, Note};
use crate::part::{Part, PartId, SaText};
use crate::received::{self, Relays, TrustNetworks};
use crate::tld;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use body::UnitText;
pub use header::{HeaderRequest, HeaderRequestId, HeaderRequests, HeaderValue};
use html::{Coding, PartText};
pub use html::{HtmlFacts, Rendered};
pub use text::TextView;
pub use uri::{Uri, UriList, UriTypes};

/// Settings that change what the views contain.
#[derive(Clone)]
pub struct ViewConfig {
    pub normalize_charset: bool,
    /// Bytes, SpamAssassin `body_part_scan_size` 50000 and `rawbody_part_scan_size` 500000; 0 is no limit.
    pub body_part_scan_size: usize,
    pub rawbody_part_scan_size: usize,
    pub networks: TrustNetworks,
    pub originating_ip_headers: Vec<String>,
    pub always_trust_envelope_sender: bool,
    pub envelope_sender_header: Option<String>,
    pub parse_dkim_uris: bool,
    /// Read Received formats that SpamAssassin skips (nifty.com's). Off when comparing with it.
    pub received_beyond_spamassassin: bool,
    pub limits: Limits,
    pub tlds: Arc<tld::Registry>,
    /// `redirector_pattern` lines, compiled by whoever owns a pattern engine.
    pub redirectors: Arc<dyn Redirectors>,
    /// Reads links out of pictures (QR codes).
    pub pictures: Arc<dyn Pictures>,
    /// Header requests known when the rules were loaded; those are answered by index.
    pub header_requests: HeaderRequests,
}

impl Default for ViewConfig {
    fn default() -> Self {
        ViewConfig {
            normalize_charset: true,
            body_part_scan_size: 50_000,
            rawbody_part_scan_size: 500_000,
            networks: TrustNetworks::default(),
            originating_ip_headers: [
                "X-Yahoo-Post-IP",
                "X-Originating-IP",
                "X-Apparently-From",
                "X-SenderIP",
                "X-AOL-IP",
                "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp",
            ]
            .map(String::from)
            .to_vec(),
            always_trust_envelope_sender: false,
            envelope_sender_header: None,
            parse_dkim_uris: true,
            received_beyond_spamassassin: true,
            limits: Limits::default(),
            tlds: Arc::default(),
            redirectors: Arc::new(NoRedirectors),
            pictures: Arc::new(NoPictures),
            header_requests: HeaderRequests::default(),
        }
    }
}

/// Finds the address that a redirecting URI leads to. `mail` has no pattern engine, so the one is handed in.
pub trait Redirectors: Send + Sync {
    /// What each pattern's first group captures in `uri`, in the order of the patterns.
    fn targets(&self, uri: &[u8]) -> Vec<Vec<u8>>;
}

/// No `redirector_pattern` at all.
pub struct NoRedirectors;

impl Redirectors for NoRedirectors {
    fn targets(&self, _uri: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// Finds addresses that a picture holds. `mail` decodes no pictures, so whoever does is handed in.
pub trait Pictures: Send + Sync {
    /// What its codes say, as written. Whoever implements it keeps to limits of size and time.
    fn links(&self, picture: &[u8]) -> Vec<Vec<u8>>;

    /// Whether drawings in texts are asked about at all.
    fn reads_drawings(&self) -> bool {
        false
    }

    /// What a drawing says, where it is a code.
    fn drawn(&self, _drawing: &drawn::Drawing) -> Option<Vec<u8>> {
        None
    }
}

/// No picture is looked at.
pub struct NoPictures;

impl Pictures for NoPictures {
    fn links(&self, _picture: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// The views of one message.
pub struct Views<'m> {
    pub message: &'m Message,
    pub config: &'m ViewConfig,
    headers: header::HeaderCache,
    rendered: OnceCell<Vec<OnceCell<Option<Rendered>>>>,
    body: OnceCell<UnitText>,
    rawbody: OnceCell<UnitText>,
    uris: OnceCell<UriList>,
    relays: OnceCell<Relays>,
    text: OnceCell<TextView>,
}

impl<'m> Views<'m> {
    pub fn new(message: &'m Message, config: &'m ViewConfig) -> Views<'m> {
        Views {
            message,
            config,
            headers: header::HeaderCache::default(),
            rendered: OnceCell::new(),
            body: OnceCell::new(),
            rawbody: OnceCell::new(),
            uris: OnceCell::new(),
            relays: OnceCell::new(),
            text: OnceCell::new(),
        }
    }

    /// What `header NAME:modifiers` rules see; `None` where SpamAssassin's `get` finds nothing.
    pub fn header(&self, request: &HeaderRequest) -> Option<Arc<HeaderValue>> {
        if request.text {
            return text::header(self, request);
        }
        self.headers.value(self, request)
    }

    /// The same by index, for requests interned in [`ViewConfig::header_requests`].
    pub fn header_by_id(&self, request: HeaderRequestId) -> Option<Arc<HeaderValue>> {
        if let Some(request) = self.config.header_requests.get(request).filter(|request| request.text) {
            return text::header(self, request);
        }
        self.headers.value_by_id(self, request)
    }

    /// Adds a pseudo header that rules can ask for like any other (`X-Languages`, `X-Relay-Countries`, ...). Has to
    /// happen before the first rule asks for that name.
    pub fn put_metadata(&self, name: &str, value: &[u8]) {
        self.headers.put_metadata(name, value);
    }

    pub fn metadata(&self, name: &str) -> Option<Vec<u8>> {
        self.headers.metadata(name)
    }

    /// All pseudo headers by name in lower case: the relays, and what was put in. SpamAssassin's `get_all_metadata`.
    pub fn all_metadata(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = self.headers.all_metadata();
        let relays = self.relays();
        for (kind, text) in [
            ("external", &relays.external_text),
            ("internal", &relays.internal_text),
            ("trusted", &relays.trusted_text),
            ("untrusted", &relays.untrusted_text),
        ] {
            all.insert(format!("x-spam-relays-{kind}"), text.clone());
        }
        all
    }

    /// The envelope sender as SpamAssassin works it out from headers, without angle brackets.
    pub fn envelope_from(&self) -> Option<Arc<[u8]>> {
        self.headers.envelope_from(self)
    }

    /// One leaf rendered to text; `None` for parts that are neither plain text nor HTML.
    pub fn rendered(&self, id: PartId) -> Option<&Rendered> {
        let cells = self.rendered.get_or_init(|| self.message.parts.iter().map(|_| OnceCell::new()).collect());
        cells.get(id.0 as usize)?.get_or_init(|| self.render(self.message.part(id))).as_ref()
    }

    fn render(&self, part: &Part) -> Option<Rendered> {
        let html = part.effective_type() == "text/html";
        if !part.is_leaf() || !html && part.effective_type() != "text/plain" {
            return None;
        }
        let text = match part.sa_text(self.config.normalize_charset) {
            SaText::Chars(text) => PartText { bytes: into_bytes(text), coding: Coding::Wide },
            SaText::Ascii(text) => PartText { bytes: text.as_bytes().into(), coding: Coding::Narrow },
            SaText::Bytes(bytes) => PartText { bytes, coding: Coding::Octets },
        };
        let length = part.decoded().len();
        Some(if html && length > 0 {
            html::render(text, length, &self.config.limits)
        } else {
            Rendered::plain(text, html)
        })
    }

    /// `body` rules: the subject, then the rendered text, in units of one paragraph.
    pub fn body(&self) -> &UnitText {
        self.body.get_or_init(|| {
            let subject = self.message.headers().last("subject").map_or(&[][..], |field| &field.decoded);
            let parts: Vec<_> =
                self.message.leaves().map(|(id, _)| self.rendered(id).map(Rendered::part_text)).collect();
            body::body(Some(subject), &parts, self.config.body_part_scan_size)
        })
    }

    /// `rawbody` rules: decoded text parts, markup included.
    pub fn rawbody(&self) -> &UnitText {
        self.rawbody.get_or_init(|| {
            let texts = self.message.leaves().map(|(_, part)| part).filter(|part| {
                let text = [&b"text"[..], b"message"].iter().any(|word| starts_with_word(part.effective_type(), word));
                text && part.media_type != "text/calendar"
            });
            rawbody::rawbody(texts.map(Part::decoded), self.config.rawbody_part_scan_size)
        })
    }

    /// `full` rules: the message as it came.
    pub fn full(&self) -> &[u8] {
        self.message.pristine()
    }

    /// Facts about the HTML; where several parts have some, SpamAssassin keeps those of the last.
    pub fn html(&self) -> Option<&HtmlFacts> {
        let rendered = self.message.leaves().filter_map(|(id, _)| self.rendered(id));
        rendered.filter(|rendered| rendered.html).last()?.facts.as_deref()
    }

    /// Facts about each HTML part, in order. Tests of SpamAssassin's HTMLEval look at all of them.
    pub fn html_all(&self) -> impl Iterator<Item = &HtmlFacts> {
        self.message.leaves().filter_map(|(id, _)| self.rendered(id)?.facts.as_deref())
    }

    pub fn uris(&self) -> &UriList {
        self.uris.get_or_init(|| uri::make(self))
    }

    pub fn relays(&self) -> &Relays {
        self.relays.get_or_init(|| received::relays(self.message, self.config))
    }

    /// Every limit that cut something off, in parsing or in the views made so far.
    pub fn limits_reached(&self) -> Vec<Note> {
        let limit = |note: &&Note| matches!(note, Note::Limit { .. });
        let mut reached: Vec<Note> = self.message.notes.iter().filter(limit).cloned().collect();
        let mut add = |note: Note| {
            if !reached.contains(&note) {
                reached.push(note);
            }
        };
        let rendered = self.rendered.get().into_iter().flatten();
        let made = rendered.filter_map(|cell| cell.get()?.as_ref()?.facts.as_ref()?.limit.clone());
        made.for_each(&mut add);
        if self.uris.get().is_some_and(|list| list.limited) {
            add(Note::Limit { what: "uris", limit: self.config.limits.uris });
        }
        reached
    }

    /// All that was met on the way from bytes to views; makes the views for it.
    pub fn notes(&self) -> Vec<Note> {
        self.html_all().for_each(drop);
        self.uris();
        let other = self.message.notes.iter().filter(|note| !matches!(note, Note::Limit { .. })).cloned();
        let mismatches = self.text().facts.mismatches.iter().cloned().map(Note::CharsetMismatch);
        self.limits_reached().into_iter().chain(other).chain(mismatches).collect()
    }

    /// What a reader sees, as normalised UTF-8. Not a SpamAssassin view.
    pub fn text(&self) -> &TextView {
        self.text.get_or_init(|| text::make(self))
    }

    /// The plain and the HTML form of a message that has both, as readers see them.
    pub fn alternatives(&self) -> Option<(String, String)> {
        text::alternatives(self)
    }
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// `word`, then a word boundary.
fn starts_with_word(text: &str, word: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.starts_with(word) && !bytes.get(word.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}
