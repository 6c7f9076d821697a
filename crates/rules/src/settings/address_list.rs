//! Lists of address globs (`*@example.com`, `news-??@example.org`) and the question whether an address is among them.
//!
//! Distributions ship lists of a thousand entries, nearly all of the form `*@domain`; those and plain addresses are
//! found by binary search, and only the rest is tried one by one.

use serde::{Deserialize, Serialize};

/// Globs: `*` any run, `?` any one byte; everything else means itself. Lower case, compared with lower-cased addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressList {
    /// Without wildcards; sorted.
    plain: Vec<String>,
    /// `X` of entries `*@X` where `X` has no wildcard; sorted.
    domains: Vec<String>,
    /// All others; sorted.
    globs: Vec<String>,
}

impl AddressList {
    pub const EMPTY: AddressList = AddressList { plain: Vec::new(), domains: Vec::new(), globs: Vec::new() };

    pub fn insert(&mut self, glob: &str) {
        let (list, key) = self.place(glob);
        if let Err(at) = list.binary_search_by(|entry| entry.as_str().cmp(&key)) {
            list.insert(at, key);
        }
    }

    pub fn remove(&mut self, glob: &str) {
        let (list, key) = self.place(glob);
        if let Ok(at) = list.binary_search_by(|entry| entry.as_str().cmp(&key)) {
            list.remove(at);
        }
    }

    fn place(&mut self, glob: &str) -> (&mut Vec<String>, String) {
        let glob = glob.to_lowercase();
        if let Some(domain) = glob.strip_prefix("*@")
            && !has_wildcard(domain)
        {
            let domain = domain.to_owned();
            (&mut self.domains, domain)
        } else if has_wildcard(&glob) {
            (&mut self.globs, glob)
        } else {
            (&mut self.plain, glob)
        }
    }

    pub fn len(&self) -> usize {
        self.plain.len() + self.domains.len() + self.globs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every entry, as written but in lower case.
    pub fn entries(&self) -> impl Iterator<Item = String> + '_ {
        self.plain
            .iter()
            .cloned()
            .chain(self.domains.iter().map(|d| format!("*@{d}")))
            .chain(self.globs.iter().cloned())
    }

    /// Whether the list holds the address, which the caller has put in lower case.
    pub fn contains(&self, address: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let holds = |list: &[String], text: &str| list.binary_search_by(|entry| entry.as_str().cmp(text)).is_ok();
        holds(&self.plain, address)
            || address.match_indices('@').any(|(at, _)| holds(&self.domains, &address[at + 1..]))
            || self.globs.iter().any(|glob| glob_matches(glob.as_bytes(), address.as_bytes()))
    }
}

/// Address globs, each with the relays (or signing domains) through which it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedList {
    /// Sorted by glob.
    entries: Vec<(String, Vec<String>)>,
}

impl RelayedList {
    pub const EMPTY: RelayedList = RelayedList { entries: Vec::new() };

    pub fn insert(&mut self, glob: &str, relay: &str) {
        let glob = glob.to_lowercase();
        let relay = relay.to_lowercase();
        match self.entries.binary_search_by(|(entry, _)| entry.cmp(&glob)) {
            Ok(at) => self.entries[at].1.push(relay),
            Err(at) => self.entries.insert(at, (glob, vec![relay])),
        }
    }

    pub fn remove(&mut self, glob: &str) {
        let glob = glob.to_lowercase();
        self.entries.retain(|(entry, _)| *entry != glob);
    }

    /// Removes one relay of an entry, and the entry with its last relay.
    pub fn remove_relay(&mut self, glob: &str, relay: &str) {
        let (glob, relay) = (glob.to_lowercase(), relay.to_lowercase());
        if let Ok(at) = self.entries.binary_search_by(|(entry, _)| entry.cmp(&glob)) {
            self.entries[at].1.retain(|known| *known != relay);
            if self.entries[at].1.is_empty() {
                self.entries.remove(at);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> &[(String, Vec<String>)] {
        &self.entries
    }

    /// The relays of every entry that fits the lower-cased address.
    pub fn matching<'a>(&'a self, address: &'a str) -> impl Iterator<Item = &'a [String]> + 'a {
        self.entries
            .iter()
            .filter(move |(glob, _)| glob_matches(glob.as_bytes(), address.as_bytes()))
            .map(|(_, relays)| relays.as_slice())
    }
}

fn has_wildcard(glob: &str) -> bool {
    // A backslash, NUL or parenthesis stands for an underscore: SpamAssassin's caution, kept for equal answers.
    glob.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'\\' | b'(' | 0))
}

/// Whether a glob fits a whole text. Linear in practice: after a mismatch only the last `*` is tried again.
pub(crate) fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match glob.get(g) {
            Some(b'*') => {
                retry = Some((g + 1, t));
                g += 1;
                continue;
            }
            None if t == text.len() => return true,
            Some(&wanted) if t < text.len() && fits(wanted, text[t]) => {
                g += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((after_star, from)) if from < text.len() => {
                retry = Some((after_star, from + 1));
                g = after_star;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

fn fits(wanted: u8, byte: u8) -> bool {
    match wanted {
        b'?' => true,
        b'\\' | b'(' | 0 => byte == b'_',
        _ => wanted == byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_match_as_globs_over_the_whole_address() {
        let cases = [
            ("joe@example.com", "joe@example.com", true),
            ("joe@example.com", "joe@example.com.evil", false),
            ("*@example.com", "a@b@example.com", true),
            ("*@example.com", "a@sub.example.com", false),
            ("*.example.com", "a@sub.example.com", true),
            ("*@*.example.com", "a@sub.example.com", true),
            ("news-??@example.com", "news-01@example.com", true),
            ("news-??@example.com", "news-1@example.com", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("jOe@Example.com", "joe@example.com", true),
            ("a(b", "a_b", true),
        ];
        for (glob, address, expected) in cases {
            let mut list = AddressList::default();
            list.insert(glob);
            assert_eq!(list.contains(address), expected, "{glob} {address}");
            assert_eq!(list.len(), 1);
            list.remove(glob);
            assert!(list.is_empty());
        }
    }
}
