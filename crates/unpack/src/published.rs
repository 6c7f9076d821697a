//! What publishers send: tar files, and ClamAV's containers (`.cvd .cld .cud`), which are a header of 512 bytes and a tar file.
//!
//! Unlike [`crate::open`], which takes what it can get out of what attackers send, this is strict: a set of signatures is
//! whole or it is refused. Folders are left away, links and devices are no files; content is read in steps, so that limits
//! hold against what was packed well.

use crate::formats::tar::{BLOCK, checksum_fits, number};
use crate::formats::until_nul;
use flate2::read::GzDecoder;
use std::fmt;
use std::io::Read;

/// Bytes of a container's header.
pub const HEADER: usize = 512;
/// Bytes of a file's name.
const LONGEST_NAME: usize = 4096;

/// Why an archive is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No header of a container, and what is wrong with it.
    Header(&'static str),
    NotGzip,
    NotTar,
    CutOff,
    /// With what goes around the files.
    MoreBytes {
        limit: u64,
    },
    MoreFiles {
        limit: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Header(what) => write!(f, "no header of a ClamAV container: {what}"),
            Fault::NotGzip => f.write_str("not compressed by gzip"),
            Fault::NotTar => f.write_str("not a tar file"),
            Fault::CutOff => f.write_str("the archive is cut off or damaged"),
            Fault::MoreBytes { limit } => write!(f, "the archive holds more than {limit} bytes"),
            Fault::MoreFiles { limit } => write!(f, "the archive holds more than {limit} files"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a container says of itself, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `22 Jun 2021 16-55 -0400`
    pub date: String,
    pub version: u32,
    pub signatures: u64,
    pub functionality_level: u32,
    /// Of what follows the header, in hexadecimal.
    pub md5: String,
    pub signature: String,
    pub builder: String,
    /// Seconds since 1970, where given.
    pub built: Option<u64>,
}

impl Header {
    /// Of a container, or of the list within one (`.info`), whose first line is the same.
    pub fn parse(bytes: &[u8]) -> Result<Header, Fault> {
        let line = &bytes[..bytes.len().min(HEADER)];
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = std::str::from_utf8(line).map_err(|_| Fault::Header("not text"))?;
        let text = text.strip_prefix("ClamAV-VDB:").ok_or(Fault::Header("it does not begin like one"))?;
        let fields: Vec<&str> = text.trim_end_matches([' ', '\0', '\r']).split(':').collect();
        let [date, version, signatures, level, md5, signature, builder, rest @ ..] = &fields[..] else {
            return Err(Fault::Header("fields are missing"));
        };
        let wrong = Fault::Header;
        Ok(Header {
            date: (*date).to_owned(),
            version: version.trim().parse().map_err(|_| wrong("the version is no number"))?,
            signatures: signatures.trim().parse().map_err(|_| wrong("the count of signatures is no number"))?,
            functionality_level: level.trim().parse().map_err(|_| wrong("the level is no number"))?,
            md5: (*md5).to_owned(),
            signature: (*signature).to_owned(),
            builder: (*builder).to_owned(),
            built: rest.first().and_then(|time| time.trim().parse().ok()),
        })
    }
}

/// How much may come out.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub bytes: u64,
    pub files: usize,
}

/// The files of a container, compressed or not.
pub fn container<E: From<Fault>>(
    container: &[u8],
    room: Room,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let body = container.get(HEADER..).unwrap_or_default();
    match body.starts_with(&[0x1f, 0x8b]) {
        true => tar_gzip(body, room, file),
        false => tar(body, room, file),
    }
}

pub fn tar_gzip<E: From<Fault>>(
    bytes: &[u8],
    room: Room,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Fault::NotGzip.into());
    }
    tar(GzDecoder::new(bytes), room, file)
}

/// Calls `file` with each regular file's name, without its folders, and its content.
pub fn tar<E: From<Fault>>(
    mut tar: impl Read,
    room: Room,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let cut = |_| Fault::CutOff;
    let mut left = room.bytes;
    let mut files = 0;
    let mut long_name: Option<Vec<u8>> = None;
    loop {
        let mut header = Vec::with_capacity(BLOCK);
        (&mut tar).take(BLOCK as u64).read_to_end(&mut header).map_err(cut)?;
        // ClamAV's end with the last file; others with blocks of nothing.
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if header.len() < BLOCK {
            return Err(Fault::CutOff.into());
        }
        let size = number(&header[124..136]).filter(|_| checksum_fits(&header)).ok_or(Fault::NotTar)?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let taken = size.saturating_add(padding).saturating_add(BLOCK as u64);
        left = left.checked_sub(taken).ok_or(Fault::MoreBytes { limit: room.bytes })?;
        let mut content = Vec::new();
        (&mut tar).take(size).read_to_end(&mut content).map_err(cut)?;
        let skipped = std::io::copy(&mut (&mut tar).take(padding), &mut std::io::sink()).map_err(cut)?;
        if content.len() as u64 != size || skipped != padding {
            return Err(Fault::CutOff.into());
        }
        match header[156] {
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(|| until_nul(&header[..100]).to_vec());
                files += 1;
                if files > room.files {
                    return Err(Fault::MoreFiles { limit: room.files }.into());
                }
                let name = String::from_utf8_lossy(&name);
                file(name.rsplit('/').next().unwrap_or_default(), content)?;
            }
            // GNU tar's way to write names that are longer than the field.
            b'L' => long_name = Some(until_nul(&content[..content.len().min(LONGEST_NAME)]).to_vec()),
            _ => long_name = None,
        }
    }
}
