//! Pyzor: how often others reported a message like this one.
//!
//! `digest` makes of a message what clients of the network compare, `codec` asks a server about it: one datagram there, one
//! back. Who owns the socket sends what [`Request::write`] made and hands back what came.
//!
//! The digest is defined by a program in Python, and so by Python's readers of mail and of HTML, their tolerance of broken
//! mail included: `message` and `html` follow those and not our own views, since a digest that is nearly the same is of no use.

mod charset;
mod codec;
mod digest;
mod html;
mod message;

pub use codec::{Account, Operation, Problem, Request, Response, accounts, servers};
pub use digest::{digest, predigest};

/// Where the network's public server listens.
pub const PUBLIC: &str = "public.pyzor.org:24441";
/// The longest datagram that a client reads.
pub const PACKET: usize = 8192;
