//! Lists of checksums as publishers write them: `DIGEST`, `DIGEST  NAME`, `DIGEST *NAME`, `SHA256 (NAME) = DIGEST`.
//!
//! The digest's length says its kind. MD5 finds damage on the way and nothing more: whoever relies on it gets no proof of
//! the sender, and `status` says so.

use crate::Refusal;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

/// Lines read of one list.
const LINES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Md5,
    Sha256,
    Sha512,
}

/// Whether a list has this content under this name. A list with one bare digest is for whatever it lies beside.
pub fn check(list: &[u8], name: &str, content: &[u8]) -> Result<Kind, Refusal> {
    let list = String::from_utf8_lossy(list);
    let entries: Vec<(&str, &str)> = list.lines().take(LINES).filter_map(entry).collect();
    if entries.is_empty() {
        return Err(Refusal::Checksum(format!("the list for {name} has no checksum in it")));
    }
    let named = |entry: &&(&str, &str)| entry.1.rsplit('/').next() == Some(name);
    let found = entries.iter().find(named).or_else(|| entries.iter().find(|(_, name)| name.is_empty()));
    let Some((digest, _)) = found else {
        return Err(Refusal::Checksum(format!("the list does not name {name}")));
    };
    let (kind, ours) = match digest.len() {
        32 => (Kind::Md5, hex(&Md5::digest(content))),
        64 => (Kind::Sha256, hex(&Sha256::digest(content))),
        _ => (Kind::Sha512, hex(&Sha512::digest(content))),
    };
    match ours.eq_ignore_ascii_case(digest) {
        true => Ok(kind),
        false => Err(Refusal::Checksum(format!("{name} is not what its list says ({} bytes came)", content.len()))),
    }
}

/// Digest and name of a line.
fn entry(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let is_digest =
        |word: &str| [32, 64, 128].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some((before, digest)) = line.rsplit_once(") = ") {
        let (_, name) = before.split_once(" (")?;
        return is_digest(digest).then_some((digest, name));
    }
    let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.trim_start();
    is_digest(digest).then(|| (digest, name.strip_prefix('*').unwrap_or(name)))
}

/// Of anything, for records.
pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `abc`, as FIPS 180-2 and RFC 1321 give them.
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
                          454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn lists_in_all_their_forms() {
        for (list, expected) in [
            (MD5.to_owned(), Some(Kind::Md5)),
            (format!("{SHA256}  a.ndb\n"), Some(Kind::Sha256)),
            (format!("{SHA512} *a.ndb"), Some(Kind::Sha512)),
            (format!("SHA256 (a.ndb) = {SHA256}"), Some(Kind::Sha256)),
            (format!("{}  ./dir/a.ndb", SHA256.to_uppercase()), Some(Kind::Sha256)),
            (format!("{MD5}  b.ndb\n{SHA256}  a.ndb\n"), Some(Kind::Sha256)),
            (format!("{SHA256}  b.ndb"), None),
            (format!("{}  a.ndb", SHA256.replace('b', "c")), None),
            (String::new(), None),
            ("<html>404</html>".to_owned(), None),
            (SHA256[..60].to_owned(), None),
        ] {
            assert_eq!(check(list.as_bytes(), "a.ndb", b"abc").ok(), expected, "{list}");
        }
    }
}
