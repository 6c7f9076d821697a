//! Containers, one file each. [`FORMATS`] says which kinds each opens.
//!
//! All of them read hostile bytes, so they share three habits: nothing that a header says is believed before it was
//! looked at; whatever unpacks goes through [`Opening::unpack`], which asks the budget before it makes room; and what
//! is broken gives a note and as much as could be had.

mod archive;
mod cab;
mod iso;
mod ole;
mod onenote;
mod pdf;
mod rar;
mod rtf;
mod sevenzip;
mod streams;
pub(crate) mod tar;
mod text;
mod tnef;
mod vba;
mod zip;
mod zip_crypto;

use crate::{Budget, Content, Kind, Limit, Member, Note, Unpacked};
use std::io::{ErrorKind, Read};

pub(crate) struct Format {
    pub kinds: &'static [Kind],
    pub open: for<'a> fn(&'a [u8], &mut Opening<'_, 'a>),
}

/// Sorted by the first kind.
pub(crate) static FORMATS: &[Format] = &[
    Format { kinds: &[Kind::PosixTar, Kind::OldTar], open: tar::open },
    Format { kinds: &[Kind::CpioOdc, Kind::CpioNewc, Kind::CpioCrc], open: archive::cpio },
    Format { kinds: &[Kind::Gzip], open: streams::gzip },
    Format {
        kinds: &[Kind::Zip, Kind::OoxmlWord, Kind::OoxmlPowerPoint, Kind::OoxmlExcel, Kind::OoxmlHwp, Kind::ZipSfx],
        open: zip::open,
    },
    Format { kinds: &[Kind::Bzip2], open: streams::bzip2 },
    Format { kinds: &[Kind::Rar, Kind::RarSfx], open: rar::open },
    Format { kinds: &[Kind::Arj, Kind::ArjSfx], open: archive::arj },
    Format { kinds: &[Kind::Ole2], open: ole::open },
    Format { kinds: &[Kind::Cab, Kind::CabSfx], open: cab::open },
    Format { kinds: &[Kind::ScriptEncoded], open: text::script_encoded },
    Format { kinds: &[Kind::Tnef], open: tnef::open },
    Format { kinds: &[Kind::Pdf], open: pdf::open },
    Format { kinds: &[Kind::Uuencoded], open: text::uuencoded },
    Format { kinds: &[Kind::Rtf], open: rtf::open },
    Format { kinds: &[Kind::SevenZip, Kind::SevenZipSfx], open: sevenzip::open },
    Format { kinds: &[Kind::Xz], open: streams::xz },
    Format { kinds: &[Kind::OneNote], open: onenote::open },
    Format { kinds: &[Kind::Lha], open: archive::lha },
    Format { kinds: &[Kind::Iso9660], open: iso::open },
    Format { kinds: &[Kind::Zstd], open: streams::zstd },
];

/// What a format works with.
pub(crate) struct Opening<'b, 'a> {
    pub passwords: &'b [Vec<u8>],
    pub budget: &'b mut Budget,
    pub unpacked: Unpacked<'a>,
}

pub(crate) fn find(kind: Kind) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.kinds.contains(&kind))
}

pub(crate) fn open<'a>(bytes: &'a [u8], kind: Kind, passwords: &[Vec<u8>], budget: &mut Budget) -> Unpacked<'a> {
    let mut opening = Opening { passwords, budget, unpacked: Unpacked::default() };
    if let Some(format) = find(kind) {
        (format.open)(bytes, &mut opening);
    }
    opening.unpacked
}

impl<'a> Opening<'_, 'a> {
    /// Adds a member; `false` when no more may come.
    #[must_use]
    pub fn add(&mut self, member: Member<'a>) -> bool {
        match self.budget.member() {
            Ok(()) => {
                self.unpacked.push(member);
                true
            }
            Err(limit) => self.stop(limit),
        }
    }

    pub fn stop(&mut self, limit: Limit) -> bool {
        self.unpacked.note(Note::Limit(limit));
        false
    }

    pub fn note(&mut self, note: Note) {
        self.unpacked.note(note);
    }

    /// Work that brings no bytes; `false` when there has been enough of it.
    #[must_use]
    pub fn step(&mut self, count: u64) -> bool {
        match self.budget.step(count) {
            Ok(()) => true,
            Err(limit) => self.stop(limit),
        }
    }

    /// Bytes that lie in the container as they are. They count all the same, since they will be scanned.
    pub fn stored(&mut self, bytes: &'a [u8]) -> (&'a [u8], Content) {
        let member = usize::try_from(self.budget.limits().member).unwrap_or(usize::MAX);
        let left = usize::try_from(self.budget.bytes_left()).unwrap_or(usize::MAX);
        let most = bytes.len().min(member).min(left);
        if most < bytes.len() {
            let limit = self.budget.reach(if most == member { Limit::Member } else { Limit::Bytes });
            self.stop(limit);
        }
        let _ = self.budget.bytes(most as u64);
        (&bytes[..most], if most < bytes.len() { Content::Part } else { Content::Whole })
    }

    /// Unpacks in steps, so that a limit holds before the memory is spent. `packed` is the length of what is read.
    pub fn unpack(&mut self, reader: &mut dyn Read, packed: usize) -> (Vec<u8>, Content) {
        const STEP: usize = 32 << 10;
        const FREE: u64 = 1 << 20;
        let limits = self.budget.limits();
        let (member, ratio) = (limits.member, u64::from(limits.ratio));
        let by_ratio = (packed as u64).saturating_mul(ratio).max(FREE);
        let mut bytes = Vec::new();
        let mut step = vec![0; STEP];
        loop {
            let read = match reader.read(&mut step) {
                Ok(0) => return (bytes, Content::Whole),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.note(match error.kind() {
                        ErrorKind::UnexpectedEof => Note::Truncated,
                        ErrorKind::OutOfMemory => Note::Unsupported("a dictionary larger than is allowed"),
                        _ => Note::Broken("compressed data"),
                    });
                    return (bytes, Content::Part);
                }
            };
            let length = bytes.len() as u64 + read as u64;
            let limit = if length > member {
                Some(self.budget.reach(Limit::Member))
            } else if length > by_ratio {
                Some(self.budget.reach(Limit::Ratio))
            } else {
                self.budget.bytes(read as u64).err()
            };
            if let Some(limit) = limit {
                self.stop(limit);
                return (bytes, Content::Part);
            }
            bytes.extend_from_slice(&step[..read]);
        }
    }
}

/// Numbers at offsets, `None` beyond the end.
pub(crate) mod at {
    pub fn u8(bytes: &[u8], offset: usize) -> Option<u8> {
        bytes.get(offset).copied()
    }

    fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
        bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    pub fn u16(bytes: &[u8], offset: usize) -> Option<u16> {
        array(bytes, offset).map(u16::from_le_bytes)
    }

    pub fn u32(bytes: &[u8], offset: usize) -> Option<u32> {
        array(bytes, offset).map(u32::from_le_bytes)
    }

    pub fn u64(bytes: &[u8], offset: usize) -> Option<u64> {
        array(bytes, offset).map(u64::from_le_bytes)
    }

    /// A u32 as a length or offset.
    pub fn length(bytes: &[u8], offset: usize) -> Option<usize> {
        u32(bytes, offset).and_then(|value| usize::try_from(value).ok())
    }

    /// What is there of these bytes, which may begin or end beyond the end.
    pub fn slice(bytes: &[u8], from: usize, length: usize) -> &[u8] {
        let from = from.min(bytes.len());
        &bytes[from..from.saturating_add(length).min(bytes.len())]
    }
}

/// Up to the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}

/// UTF-16 (little endian) as UTF-8.
pub(crate) fn utf16(bytes: &[u8]) -> Vec<u8> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.into_bytes()
}

/// The CRC that zip, rar and gzip use.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_by_kind() {
        assert!(FORMATS.is_sorted_by_key(|format| format.kinds[0]));
        let mut kinds: Vec<Kind> = FORMATS.iter().flat_map(|format| format.kinds).copied().collect();
        let count = kinds.len();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), count, "a kind has two formats");
    }

    /// Whatever a file is said to be, it is opened without a panic and within the budget.
    #[test]
    fn wrong_kinds_do_no_harm() {
        let samples: [&[u8]; 5] = [b"", b"PK\x03\x04", b"Rar!\x1a\x07\x01\x00junk", &[0xff; 600], &[0; 2000]];
        for format in FORMATS {
            for kind in format.kinds {
                for sample in samples {
                    open(sample, *kind, &[b"x".to_vec()], &mut Budget::default());
                }
            }
        }
    }
}
