//! SpamAssassin's protocol between `spamc` and `spamd`, so that `spamc`, spamass-milter, Exim and Dovecot can ask us.
//!
//! [`codec`] reads requests and writes replies, [`session`] is the daemon's end of a connection: one request each.

pub mod codec;
pub mod session;

pub use session::{Server, Settings};
