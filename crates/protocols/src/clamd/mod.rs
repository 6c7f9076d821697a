//! ClamAV's protocol between `clamd` and its clients, both ends: `clamdscan`, amavisd, rspamd and clamav-milter can ask us,
//! and we can ask a clamd.
//!
//! [`codec`] is the grammar of commands, chunks and replies, [`session`] the daemon's end of a connection, [`client`] the
//! other one.

pub mod client;
pub mod codec;
pub mod session;

pub use client::Client;
pub use session::{Server, Settings};
