//! `.cvd .cld .cud`: a header of 512 bytes, then a tar archive, compressed or not.
//!
//! Opened here, not verified: digests and signatures are checked where files arrive.

use flate2::read::GzDecoder;
use std::io::Read;

/// Bytes of the header.
pub const HEADER: usize = 512;
const BLOCK: usize = 512;
/// Members of one container.
const MOST_MEMBERS: usize = 4096;

/// What the header says. Texts as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub time: String,
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

/// One file within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerError {
    NoHeader,
    BadHeader,
    BadArchive,
    TooLarge { limit: u64 },
}

impl std::fmt::Display for ContainerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ContainerError::NoHeader => f.write_str("the file does not begin with `ClamAV-VDB:`"),
            ContainerError::BadHeader => f.write_str("the header cannot be understood"),
            ContainerError::BadArchive => f.write_str("the archive within is damaged or cut off"),
            ContainerError::TooLarge { limit } => write!(f, "the archive within is larger than {limit} bytes"),
        }
    }
}

impl std::error::Error for ContainerError {}

/// Reads the header alone.
pub fn header(bytes: &[u8]) -> Result<Header, ContainerError> {
    let header = bytes.get(..HEADER).ok_or(ContainerError::NoHeader)?;
    let text = header.strip_prefix(b"ClamAV-VDB:").ok_or(ContainerError::NoHeader)?;
    let text = std::str::from_utf8(text).map_err(|_| ContainerError::BadHeader)?;
    let fields: Vec<&str> = text.trim_end_matches([' ', '\0', '\n']).split(':').collect();
    let [time, version, signatures, level, md5, signature, builder, rest @ ..] = &fields[..] else {
        return Err(ContainerError::BadHeader);
    };
    // The time holds a colon in some files: "10 Jul 2025 12:00 +0000" is written 12-00.
    let wrong = |_| ContainerError::BadHeader;
    Ok(Header {
        time: (*time).to_owned(),
        version: version.parse().map_err(wrong)?,
        signatures: signatures.parse().map_err(wrong)?,
        functionality_level: level.parse().map_err(wrong)?,
        md5: (*md5).to_owned(),
        signature: (*signature).to_owned(),
        builder: (*builder).to_owned(),
        built: rest.first().and_then(|time| time.trim().parse().ok()),
    })
}

/// Opens a container; together its members may have at most `limit` bytes.
pub fn members(bytes: &[u8], limit: u64) -> Result<Vec<Member>, ContainerError> {
    header(bytes)?;
    let archive = &bytes[HEADER..];
    let inflated;
    let tar = if archive.starts_with(&[0x1F, 0x8B]) {
        let mut out = Vec::new();
        let read = GzDecoder::new(archive).take(limit.saturating_add(1)).read_to_end(&mut out);
        if out.len() as u64 > limit {
            return Err(ContainerError::TooLarge { limit });
        }
        read.map_err(|_| ContainerError::BadArchive)?;
        inflated = out;
        &inflated[..]
    } else {
        archive
    };
    if tar.len() as u64 > limit {
        return Err(ContainerError::TooLarge { limit });
    }
    untar(tar)
}

fn untar(mut tar: &[u8]) -> Result<Vec<Member>, ContainerError> {
    let mut members = Vec::new();
    while let Some((head, rest)) = tar.split_at_checked(BLOCK) {
        if head.iter().all(|b| *b == 0) {
            break;
        }
        let size = octal(&head[124..136]).ok_or(ContainerError::BadArchive)?;
        let sum: u32 =
            head.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
        if octal(&head[148..156]) != Some(u64::from(sum)) {
            return Err(ContainerError::BadArchive);
        }
        let size = usize::try_from(size).map_err(|_| ContainerError::BadArchive)?;
        let content = rest.get(..size).ok_or(ContainerError::BadArchive)?;
        if matches!(head[156], b'0' | 0) {
            let end = head[..100].iter().position(|b| *b == 0).unwrap_or(100);
            let name = String::from_utf8_lossy(&head[..end]);
            // Members lie flat; a path would only confuse.
            let name = name.rsplit('/').next().unwrap_or_default();
            members.push(Member { name: name.to_owned(), bytes: content.to_vec() });
            if members.len() > MOST_MEMBERS {
                return Err(ContainerError::BadArchive);
            }
        }
        let padded = size.div_ceil(BLOCK) * BLOCK;
        tar = rest.get(padded..).unwrap_or_default();
    }
    if members.is_empty() { Err(ContainerError::BadArchive) } else { Ok(members) }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c| c == ' ' || c == '\0'), 8).ok()
}
