//! Ways to publishers: HTTP, rsync, DNS. Each gives bytes or a [`Failure`], and believes nothing of them.

pub mod dns;
pub mod http;
pub mod rsync;

use super::state::Failure;

/// A day, as freshclam keeps it, for who was told 403 or 429; longer where the server says so.
pub const COOL_DOWN: u64 = 24 * 3600;

/// `https://host/path`, without what only the customer and the publisher should know.
pub fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let parts = rest.split('/').map(|part| if part.len() >= 32 { "..." } else { part });
    format!("{scheme}://{}", parts.collect::<Vec<_>>().join("/"))
}

pub fn transport(what: impl std::fmt::Display) -> Failure {
    Failure::Transport(what.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn accounts_are_not_shown() {
        let url = format!("https://a:b@www.example/get/{}/x.ndb", "f".repeat(128));
        assert_eq!(super::shown(&url), "https://www.example/get/.../x.ndb");
    }
}
