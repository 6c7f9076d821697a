//! `.ign2`, `.ign`: signatures that are not to be in force.

use super::{Line, Refused, bad, fields, hex_bytes};
use md5::{Digest, Md5};
use std::collections::HashMap;

/// Names, each with the digest of the line that is meant, or every line of that name.
#[derive(Default)]
pub(super) struct Ignored {
    names: HashMap<Vec<u8>, Vec<Option<[u8; 16]>>>,
}

impl Ignored {
    pub fn line(&mut self, line: &Line<'_>) -> Result<(), Refused> {
        let ([first, second, third, _], count) = fields::<4>(line.text, b':');
        let (name, digest) = match (count, first, second, third) {
            (1, Some(name), ..) => (name, None),
            (2, Some(name), Some(digest), _) => {
                let digest = hex_bytes(digest).and_then(|bytes| bytes.try_into().ok());
                let Some(digest) = digest else {
                    return bad("after the name stands the MD5 digest of the line", 0..line.text.len());
                };
                (name, Some(digest))
            }
            // Old form: file, number of the line, name.
            (3, _, _, Some(name)) => (name, None),
            _ => return bad("expected `Name` or `Name:md5`", 0..line.text.len()),
        };
        let name = name.strip_suffix(b".UNOFFICIAL").unwrap_or(name);
        if name.is_empty() {
            return bad("the name is missing", 0..1);
        }
        self.names.entry(name.to_vec()).or_default().push(digest);
        Ok(())
    }

    pub fn holds(&self, name: &[u8], line: &[u8]) -> bool {
        if self.names.is_empty() {
            return false;
        }
        self.names.get(name).is_some_and(|digests| {
            digests.iter().any(|digest| digest.is_none_or(|digest| digest[..] == Md5::digest(line)[..]))
        })
    }
}
