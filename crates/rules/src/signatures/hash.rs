//! Signatures that are digests of whole files: `.hdb .hsb .fp` and their kin.
//!
//! Most files have a size that no signature asks about, and are then not digested at all.

use patterns::signature::blob::{Bytes, U32s, U64s};
use serde::{Deserialize, Serialize};

/// Which digest, by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Digest {
    Md5,
    Sha1,
    Sha256,
}

impl Digest {
    pub const ALL: [Digest; 3] = [Digest::Md5, Digest::Sha1, Digest::Sha256];

    pub fn size(self) -> usize {
        match self {
            Digest::Md5 => 16,
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
        }
    }

    fn of_len(len: usize) -> Option<Digest> {
        Digest::ALL.into_iter().find(|digest| digest.size() == len)
    }
}

/// Stands for any size.
const ANY_SIZE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Builder {
    records: [Vec<(Vec<u8>, u32, u32)>; 3],
}

impl Builder {
    pub fn add(&mut self, digest: Vec<u8>, size: Option<u32>, signature: u32) {
        if let Some(kind) = Digest::of_len(digest.len()) {
            self.records[kind as usize].push((digest, size.unwrap_or(ANY_SIZE), signature));
        }
    }

    pub fn build(self) -> Hashes {
        Hashes { tables: self.records.map(Table::build) }
    }
}

/// Digests of files.
#[derive(Default, Serialize, Deserialize)]
pub struct Hashes {
    tables: [Table; 3],
}

#[derive(Default, Serialize, Deserialize)]
struct Table {
    /// First eight bytes of each digest, sorted; the rest of it; the file's size; the signature.
    keys: U64s,
    rest: Bytes,
    sizes: U32s,
    signatures: U32s,
    /// Every size that occurs, sorted.
    known_sizes: U32s,
    any_size: bool,
}

impl Table {
    fn build(mut records: Vec<(Vec<u8>, u32, u32)>) -> Table {
        records.sort();
        let (mut keys, mut rest) = (Vec::with_capacity(records.len()), Vec::new());
        for (digest, ..) in &records {
            let (first, others) = digest.split_first_chunk::<8>().expect("digests are longer");
            keys.push(u64::from_be_bytes(*first));
            rest.extend_from_slice(others);
        }
        let sizes: Vec<u32> = records.iter().map(|(_, size, _)| *size).collect();
        let signatures: Vec<u32> = records.iter().map(|(.., signature)| *signature).collect();
        let mut known_sizes = sizes.clone();
        known_sizes.sort_unstable();
        known_sizes.dedup();
        Table {
            keys: keys[..].into(),
            rest: rest.into(),
            sizes: sizes[..].into(),
            signatures: signatures[..].into(),
            any_size: known_sizes.last() == Some(&ANY_SIZE),
            known_sizes: known_sizes[..].into(),
        }
    }

    fn knows(&self, size: u32) -> bool {
        let at = self.known_sizes.partition_point(|known| known < size);
        self.known_sizes.get(at) == Some(size)
    }
}

impl Hashes {
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.keys.is_empty())
    }

    /// Could a file of this size have a digest of this kind that is listed?
    pub fn wants(&self, digest: Digest, size: u64) -> bool {
        let table = &self.tables[digest as usize];
        table.any_size || u32::try_from(size).is_ok_and(|size| table.knows(size))
    }

    /// Signatures that list this digest for a file of this size.
    pub fn look_up(&self, bytes: &[u8], size: u64) -> impl Iterator<Item = u32> {
        let found = Digest::of_len(bytes.len()).and_then(|digest| {
            let (first, rest) = bytes.split_first_chunk::<8>()?;
            Some((&self.tables[digest as usize], u64::from_be_bytes(*first), rest))
        });
        found.into_iter().flat_map(move |(table, key, rest)| {
            let from = table.keys.partition_point(|known| known < key);
            let same = (from..table.keys.len()).take_while(move |at| table.keys.get(*at) == Some(key));
            same.filter_map(move |at| {
                let known = table.sizes.get(at)?;
                let fits = known == ANY_SIZE || u64::from(known) == size;
                let listed = table.rest.get(at * rest.len()..(at + 1) * rest.len())?;
                (fits && listed == rest).then(|| table.signatures.get(at)).flatten()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_by_kind_and_size() {
        let mut builder = Builder::default();
        builder.add(vec![7; 16], Some(10), 1);
        builder.add(vec![7; 16], Some(11), 2);
        builder.add(vec![7; 32], None, 3);
        let mut other = vec![7; 16];
        other[15] = 8;
        builder.add(other, Some(10), 4);
        let hashes = builder.build();
        let hashes: Hashes = postcard::from_bytes(&postcard::to_stdvec(&hashes).expect("serialises")).expect("reads");
        assert!(hashes.wants(Digest::Md5, 10) && !hashes.wants(Digest::Md5, 12));
        assert!(hashes.wants(Digest::Sha256, 12) && !hashes.wants(Digest::Sha1, 10));
        assert_eq!(hashes.look_up(&[7; 16], 10).collect::<Vec<_>>(), [1]);
        assert_eq!(hashes.look_up(&[7; 16], 11).collect::<Vec<_>>(), [2]);
        assert_eq!(hashes.look_up(&[7; 32], 99).collect::<Vec<_>>(), [3]);
        assert_eq!(hashes.look_up(&[9; 16], 10).count(), 0);
        assert_eq!(hashes.look_up(&[9; 5], 10).count(), 0);
    }
}
