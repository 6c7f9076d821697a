//! What signatures find in a message or file.
//!
//! [`walk`] takes it apart, [`layer()`] matches one buffer, [`mailbox`] reads mail as ClamAV does, [`phishing`] compares what
//! links show with where they lead.

pub mod database;
pub mod layer;
pub mod mailbox;
pub mod passwords;
pub mod phishing;
pub mod walk;

pub use database::Database;
pub use layer::{Executable, Found, Layer, Member, Outcome, Scratch, SignatureId, layer, member};
pub use rules::signatures::{FileType, Set, Target};
