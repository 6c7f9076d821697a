//! Links that show one host and lead to another.

use super::mailbox::Links;

/// Tables about links.
#[derive(Default)]
pub struct Phishing {}

/// A link that deceives.
pub struct Deceit {
    pub name: &'static str,
    pub shown: Vec<u8>,
    pub offset: usize,
}

impl Phishing {
    pub fn new(tables: &rules::signatures::Phishing) -> Phishing {
        let _ = tables;
        Phishing::default()
    }

    pub fn is_empty(&self) -> bool {
        true
    }

    pub fn check(&self, bytes: &[u8], links: Links) -> Option<Deceit> {
        let _ = (bytes, links);
        None
    }
}
