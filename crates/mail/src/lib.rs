//! The nouns: a [`Transaction`] goes in, a [`Verdict`] comes out; in between parsing, decoding and views.
//!
//! Any byte string becomes a [`Message`], never an error. No I/O, no clock: bytes, times and answers are handed in.
#![forbid(unsafe_code)]

pub mod authentication;
pub mod envelope;
pub mod limits;
pub mod message;
pub mod mime;
pub mod part;
pub mod received;
pub mod suffixes;
pub mod tld;
pub mod verdict;
pub mod views;

pub use authentication::Authentication;
pub use envelope::Envelope;
pub use limits::Limits;
pub use message::{CharsetMismatch, Header, HeaderBlock, LineEnding, Message, Note, Place};
pub use part::{Part, PartId, SaText};
pub use received::{Relay, Relays, TrustNetworks};
pub use verdict::{Evidence, ForRecipient, Hit, Meaning, ShortCircuit, Signature, Trouble, Verdict};
pub use views::{HeaderRequest, HeaderRequestId, HeaderRequests, HeaderValue, UnitText, ViewConfig, Views};

/// Everything known before judging: who brought the message, and the message.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub envelope: Envelope,
    pub message: Message,
    /// Unix time at which the message arrived here; checks on dates compare with it. Seconds.
    pub now: i64,
}
