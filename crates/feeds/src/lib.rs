//! What publishers of rules and signatures send: who they are, how their files are had, and whether what came is what
//! they made.
//!
//! Bytes, times and keys come in; what stands in them, or why they are refused, goes out. Nothing is fetched, opened or
//! written here: `app` does that, and asks this crate about every byte before it believes it. What the files *mean*
//! (signatures, rules) is for `rules`.
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod archive;
pub mod channel;
pub mod data;
pub mod mmdb;
pub mod prefix6;
pub mod range;
pub mod registry;
pub mod shape;
pub mod sources;
pub mod verify;

pub use sources::{Fetch, File, Risk, SOURCES, Source};

/// Why bytes are not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing, or a page for people, where a file should be.
    #[error("{0}")]
    Placeholder(String),
    /// Not the format that the name promises.
    #[error("{0}")]
    Format(String),
    #[error("checksum: {0}")]
    Checksum(String),
    #[error("signature: {0}")]
    Signature(String),
    /// A number that a publisher chose is larger than we bear.
    #[error("limit: {0}")]
    Limit(String),
}

impl Refusal {
    /// One word for logs and records.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::Placeholder(_) => "placeholder",
            Refusal::Format(_) => "format",
            Refusal::Checksum(_) => "checksum",
            Refusal::Signature(_) => "signature",
            Refusal::Limit(_) => "limit",
        }
    }
}

/// A name that can be a file of its own in a folder of ours: no path, nothing hidden, nothing a shell or log would
/// stumble over.
pub fn is_plain_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stay_in_their_folder() {
        for (name, plain) in [
            ("phish.ndb", true),
            ("72_active.cf", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("-rf", false),
            ("a b", false),
            ("\u{202e}x", false),
        ] {
            assert_eq!(super::is_plain_name(name), plain, "{name}");
        }
    }
}
