//! Every URI of a message, as written and in the forms a browser would make of it.
//!
//! In: the body view's units, the links of the HTML parts, DKIM domains where configured. Out: a [`UriList`].
//! Follows SpamAssassin's get_uri_detail_list; only the order is ours: as met, text first.

use super::html::TagTypes;
use super::{Redirectors, UnitText, Views};
use crate::tld::Registry;

bitflags::bitflags! {
    /// Where outside of HTML a URI was seen; with [`Uri::tags`] SpamAssassin's `types`.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct UriTypes: u8 {
        /// In the text a reader sees.
        const PARSED = 1;
        /// In the text, without scheme and in a form that mail programs do not make clickable.
        const UNLINKED = 1 << 1;
        /// In the text, without scheme.
        const SCHEMELESS = 1 << 2;
        /// The `d=` of a DKIM signature.
        const DOMAINKEYS = 1 << 3;
        const NOCANON = 1 << 4;
        const NOCLEAN = 1 << 5;
    }
}

/// One URI and all that is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// As written; from the text with the scheme that was missing ("http://", "mailto:").
    pub raw: Vec<u8>,
    pub types: UriTypes,
    /// HTML tags that named it.
    pub tags: TagTypes,
    /// `raw` and its canonical forms, unique. Empty for DKIM domains.
    pub cleaned: Vec<Vec<u8>>,
    /// What stands between `<a>` and `</a>`.
    pub anchor_text: Vec<Vec<u8>>,
    pub domains: Vec<Vec<u8>>,
    /// Host, and the registered domain that it belongs to.
    pub hosts: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, Default)]
pub struct UriList {
    pub uris: Vec<Uri>,
    /// Unique cleaned URIs of all [`Uri`]s, in order: what `uri` rules look at.
    pub text: UnitText,
    /// A URI was longer than 8,192 bytes.
    pub truncated: bool,
}

/// Collects URIs. Feed the text first, then HTML, then DKIM domains.
pub struct Collector<'c> {
    pub registry: &'c Registry,
    pub redirectors: &'c dyn Redirectors,
    list: UriList,
}

impl<'c> Collector<'c> {
    pub fn new(registry: &'c Registry, redirectors: &'c dyn Redirectors) -> Self {
        Collector { registry, redirectors, list: UriList::default() }
    }

    /// One unit of the body view.
    pub fn text(&mut self, unit: &[u8]) {
        let _ = unit;
    }

    /// A link of an HTML part, resolved against its base, with the element's types.
    pub fn html(&mut self, uri: &[u8], tags: TagTypes, anchor_text: &[Vec<u8>]) {
        let _ = (uri, tags, anchor_text);
    }

    /// A DKIM-Signature or DomainKey-Signature field's value.
    pub fn dkim(&mut self, field: &[u8]) {
        let _ = field;
    }

    pub fn finish(self) -> UriList {
        self.list
    }
}

pub(super) fn make(views: &Views<'_>) -> UriList {
    let _ = views;
    UriList::default()
}

/// All forms of one URI: itself, and what browsers and mail programs make of it.
pub fn canonical_forms(uri: &[u8], registry: &Registry, redirectors: &dyn Redirectors) -> Vec<Vec<u8>> {
    let _ = (registry, redirectors);
    vec![uri.to_vec()]
}
