//! Compressed tar files: the regular files in them, each whole, within limits.
//!
//! The publisher chooses names, sizes and how well it all compresses, so each has a limit. Folders are left away: a set is
//! files beside one another. Links and devices are no files.

use crate::{Refusal, is_plain_name};
use std::io::Read;
use unpack::published::{self, Fault, Room};

/// Of what is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All files together, and what goes around them.
    pub bytes: u64,
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 2 << 30, files: 5_000 }
    }
}

impl From<Limits> for Room {
    fn from(limits: Limits) -> Room {
        Room { bytes: limits.bytes, files: limits.files }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        match fault {
            Fault::MoreBytes { .. } | Fault::MoreFiles { .. } => Refusal::Limit(fault.to_string()),
            _ => Refusal::Format(fault.to_string()),
        }
    }
}

/// Calls `file` with each regular file's name, without its folders, and its content.
pub fn unpack_gzip(
    bytes: &[u8],
    limits: Limits,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    published::tar_gzip(bytes, limits.into(), &mut plain(file))
}

/// Likewise, of a tar file that is not compressed, or no longer.
pub fn unpack(
    tar: impl Read,
    limits: Limits,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    published::tar(tar, limits.into(), &mut plain(file))
}

/// Leaves out what cannot be a file beside the others.
pub(crate) fn plain(
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> impl FnMut(&str, Vec<u8>) -> Result<(), Refusal> {
    move |name, content| if is_plain_name(name) { file(name, content) } else { Ok(()) }
}

/// What tests, and nobody else, need to make such files.
#[doc(hidden)]
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0; BLOCK];
        let length = name.len().min(100);
        header[..length].copy_from_slice(&name.as_bytes()[..length]);
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const BLOCK: usize = 512;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn files(bytes: &[u8], limits: Limits) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let mut found = Vec::new();
        unpack_gzip(bytes, limits, &mut |name, content| {
            found.push((name.to_owned(), content));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn folders_are_left_away_and_strange_names_left_out() {
        let packed = gzip(&pack(&[("sigs/rfxn.ndb", b"one"), ("../../x y", b"no"), ("./b.cf", &[7; 600])]));
        let found = files(&packed, Limits::default()).unwrap();
        assert_eq!(found, [("rfxn.ndb".to_owned(), b"one".to_vec()), ("b.cf".to_owned(), vec![7; 600])]);
    }

    #[test]
    fn cut_off_anywhere_is_refused() {
        let tar = pack(&[("a.cf", b"body"), ("b.cf", &[7; 600])]);
        // Between two files it may end; there gzip tells.
        let whole = [0, 2 * BLOCK, 5 * BLOCK];
        for length in 0..tar.len() - 2 * BLOCK {
            let result = unpack(&tar[..length], Limits::default(), &mut |_, _| Ok(()));
            assert_eq!(result.is_ok(), whole.contains(&length), "{length}");
        }
        let packed = gzip(&tar);
        assert!(matches!(files(&packed[..packed.len() / 2], Limits::default()), Err(Refusal::Format(_))));
        assert!(matches!(files(b"<html>", Limits::default()), Err(Refusal::Format(_))));
    }

    #[test]
    fn limits_hold() {
        let bomb = gzip(&pack(&[("a", &vec![0; 1 << 20])]));
        assert!(matches!(files(&bomb, Limits { bytes: 1 << 19, files: 9 }), Err(Refusal::Limit(_))));
        let many = gzip(&pack(&[("a", b""), ("b", b""), ("c", b"")]));
        assert!(matches!(files(&many, Limits { bytes: 99, files: 2 }), Err(Refusal::Limit(_))));
    }
}
