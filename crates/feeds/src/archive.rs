//! Compressed tar files: the regular files in them, each whole, within limits.
//!
//! The publisher chooses names, sizes and how well it all compresses, so each has a limit. Folders are left away: a set is
//! files beside one another. Links and devices are no files.

use crate::{Refusal, is_plain_name};
use flate2::read::GzDecoder;
use std::io::Read;

/// Of what is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All files together.
    pub bytes: u64,
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 2 << 30, files: 5_000 }
    }
}

const BLOCK: usize = 512;

/// Calls `file` with each regular file's name, without its folders, and its content.
pub fn unpack_gzip(
    bytes: &[u8],
    limits: Limits,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Refusal::Format("not compressed by gzip".into()));
    }
    unpack(GzDecoder::new(bytes), limits, file)
}

/// Likewise, of a tar file that is not compressed, or no longer.
pub fn unpack(
    mut tar: impl Read,
    limits: Limits,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let cut = |_| Refusal::Format("the archive is cut off or damaged".into());
    let mut left = limits.bytes;
    let mut files = 0;
    let mut long_name: Option<Vec<u8>> = None;
    loop {
        let mut header = Vec::with_capacity(BLOCK);
        (&mut tar).take(BLOCK as u64).read_to_end(&mut header).map_err(cut)?;
        // ClamAV's end with the last file; others with blocks of nothing.
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let header: [u8; BLOCK] = header.try_into().map_err(|_| Refusal::Format("the archive is cut off".into()))?;
        let size = size(&header)?;
        if size > left {
            return Err(Refusal::Limit(format!("the archive holds more than {} bytes", limits.bytes)));
        }
        left -= size;
        let mut content = Vec::new();
        (&mut tar).take(size).read_to_end(&mut content).map_err(cut)?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let skipped = std::io::copy(&mut (&mut tar).take(padding), &mut std::io::sink()).map_err(cut)?;
        if content.len() as u64 != size || skipped != padding {
            return Err(Refusal::Format("the archive is cut off".into()));
        }
        match header[156] {
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(|| until_nul(&header[..100]).to_vec());
                let name = String::from_utf8_lossy(&name).into_owned();
                let Some(name) = name.rsplit('/').next().filter(|name| is_plain_name(name)) else { continue };
                files += 1;
                if files > limits.files {
                    return Err(Refusal::Limit(format!("the archive holds more than {} files", limits.files)));
                }
                file(name, content)?;
            }
            // GNU tar's way to write names that are longer than the field.
            b'L' => long_name = Some(until_nul(&content).to_vec()),
            _ => long_name = None,
        }
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits; the checksum of the header holds.
fn size(header: &[u8; BLOCK]) -> Result<u64, Refusal> {
    let octal = |field: &[u8]| {
        let text = std::str::from_utf8(until_nul(field)).ok()?.trim();
        u64::from_str_radix(text, 8).ok()
    };
    let sum: u64 =
        header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    octal(&header[124..136])
        .filter(|_| octal(&header[148..156]) == Some(sum))
        .ok_or_else(|| Refusal::Format("not a tar file".into()))
}

/// What tests, and nobody else, need to make such files.
#[doc(hidden)]
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
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
