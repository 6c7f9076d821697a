//! The header view: `header NAME:modifiers` and the pseudo headers.

use crate::views::Views;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// `NAME:raw:addr...` as a rule writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderRequest {
    /// Without modifiers, as written.
    pub name: String,
    pub raw: bool,
    pub address: bool,
    pub display_name: bool,
    pub host: bool,
    pub domain: bool,
    pub ip: bool,
    pub reversed_ip: bool,
    pub first: bool,
    pub last: bool,
    /// Ours: decoded by evidence and normalised like the text view.
    pub text: bool,
}

impl HeaderRequest {
    /// Unknown modifiers are dropped, as SpamAssassin does.
    pub fn parse(text: &str) -> HeaderRequest {
        let mut pieces = text.split(':');
        let mut request = HeaderRequest {
            name: pieces.next().unwrap_or_default().to_string(),
            raw: false,
            address: false,
            display_name: false,
            host: false,
            domain: false,
            ip: false,
            reversed_ip: false,
            first: false,
            last: false,
            text: false,
        };
        for modifier in pieces {
            match modifier {
                "raw" => request.raw = true,
                "addr" => request.address = true,
                "name" => request.display_name = true,
                "host" => request.host = true,
                "domain" => request.domain = true,
                "ip" => request.ip = true,
                "revip" => request.reversed_ip = true,
                "first" => request.first = true,
                "last" => request.last = true,
                "text" => request.text = true,
                _ => {}
            }
        }
        request
    }
}

/// Index of a request in [`HeaderRequests`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderRequestId(pub u32);

/// The requests that rules make, each once.
#[derive(Debug, Clone, Default)]
pub struct HeaderRequests {
    requests: Vec<HeaderRequest>,
    index: HashMap<HeaderRequest, HeaderRequestId>,
}

impl HeaderRequests {
    pub fn intern(&mut self, request: HeaderRequest) -> HeaderRequestId {
        let next = HeaderRequestId(u32::try_from(self.requests.len()).expect("fewer than 2^32 rules"));
        *self.index.entry(request).or_insert_with_key(|request| {
            self.requests.push(request.clone());
            next
        })
    }

    pub fn get(&self, id: HeaderRequestId) -> Option<&HeaderRequest> {
        self.requests.get(id.0 as usize)
    }

    pub fn id(&self, request: &HeaderRequest) -> Option<HeaderRequestId> {
        self.index.get(request).copied()
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// The answer to a request; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue {
    /// What SpamAssassin's `get` returns in list context.
    pub values: Vec<Vec<u8>>,
    /// What `header` rules match: the values joined by "\n", or by nothing where they end in one already.
    pub joined: Vec<u8>,
}

impl HeaderValue {
    /// SpamAssassin's `get` in scalar context.
    pub fn scalar(&self, _request: &HeaderRequest) -> Vec<u8> {
        self.joined.clone()
    }
}

/// Answers given so far.
#[derive(Default)]
pub(super) struct HeaderCache {
    answers: RefCell<HashMap<HeaderRequest, Option<Arc<HeaderValue>>>>,
}

impl HeaderCache {
    pub fn value(&self, _views: &Views<'_>, request: &HeaderRequest) -> Option<Arc<HeaderValue>> {
        self.answers.borrow().get(request).cloned().flatten()
    }

    pub fn value_by_id(&self, views: &Views<'_>, id: HeaderRequestId) -> Option<Arc<HeaderValue>> {
        self.value(views, views.config.header_requests.get(id)?)
    }

    pub fn put_metadata(&self, _name: &str, _value: &[u8]) {}

    pub fn metadata(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    pub fn envelope_from(&self, _views: &Views<'_>) -> Option<Arc<[u8]>> {
        None
    }
}
