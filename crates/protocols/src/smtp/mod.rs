//! SMTP and LMTP, both ends: a server that takes mail to be judged, and a client that hands it to the next hop.
//!
//! [`codec`] is the grammar of commands, replies and XFORWARD; [`data`] is what lies between DATA and the final dot;
//! [`session`] is the server's end, [`client`] the client's. LMTP is the same with `LHLO` and a reply for each recipient
//! (RFC 2033): [`Dialect`].
//!
//! A message is taken whole, judged, handed on, and only then answered: the server's 250 is given when the next hop has
//! given its own. Where the next hop's opinion of a recipient is wanted in time, [`Stages`](crate::Stages) has it asked at
//! RCPT, and [`Client`] can be asked recipient by recipient.

pub mod client;
pub mod codec;
pub mod data;
pub mod session;

pub use client::{Client, ClientEvent, ClientSettings, Delivery, Outcome};
pub use session::{BareNewline, Server, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    Smtp,
    Lmtp,
}
