//! The file types that signatures name: ClamAV's `CL_TYPE_*`.
//!
//! A type is a number here, so that a container chain is a few bytes; its name is what signatures and other crates
//! speak of.

use serde::{Deserialize, Serialize};

/// An index into [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileType(u8);

/// Every name, sorted.
pub static NAMES: &[&str] = &[
    "CL_TYPE_7Z",
    "CL_TYPE_7ZSFX",
    "CL_TYPE_AI_MODEL",
    "CL_TYPE_ALZ",
    "CL_TYPE_ANY",
    "CL_TYPE_APM",
    "CL_TYPE_ARJ",
    "CL_TYPE_ARJSFX",
    "CL_TYPE_AUTOIT",
    "CL_TYPE_BINARY_DATA",
    "CL_TYPE_BINHEX",
    "CL_TYPE_BZ",
    "CL_TYPE_CABSFX",
    "CL_TYPE_CPIO_CRC",
    "CL_TYPE_CPIO_NEWC",
    "CL_TYPE_CPIO_ODC",
    "CL_TYPE_CPIO_OLD",
    "CL_TYPE_CRYPTFF",
    "CL_TYPE_DMG",
    "CL_TYPE_EGG",
    "CL_TYPE_EGGSFX",
    "CL_TYPE_ELF",
    "CL_TYPE_GIF",
    "CL_TYPE_GPT",
    "CL_TYPE_GRAPHICS",
    "CL_TYPE_GZ",
    "CL_TYPE_HTML",
    "CL_TYPE_HTML_UTF16",
    "CL_TYPE_HWP3",
    "CL_TYPE_HWPOLE2",
    "CL_TYPE_IGNORED",
    "CL_TYPE_INTERNAL",
    "CL_TYPE_ISHIELD_MSI",
    "CL_TYPE_ISO9660",
    "CL_TYPE_JAVA",
    "CL_TYPE_JPEG",
    "CL_TYPE_LHA_LZH",
    "CL_TYPE_LNK",
    "CL_TYPE_MACHO",
    "CL_TYPE_MACHO_UNIBIN",
    "CL_TYPE_MAIL",
    "CL_TYPE_MBR",
    "CL_TYPE_MHTML",
    "CL_TYPE_MSCAB",
    "CL_TYPE_MSCHM",
    "CL_TYPE_MSEXE",
    "CL_TYPE_MSOLE2",
    "CL_TYPE_MSSZDD",
    "CL_TYPE_NULSFT",
    "CL_TYPE_OLD_TAR",
    "CL_TYPE_ONENOTE",
    "CL_TYPE_OOXML_HWP",
    "CL_TYPE_OOXML_PPT",
    "CL_TYPE_OOXML_WORD",
    "CL_TYPE_OOXML_XL",
    "CL_TYPE_PART_ANY",
    "CL_TYPE_PART_HFSPLUS",
    "CL_TYPE_PDF",
    "CL_TYPE_PNG",
    "CL_TYPE_POSIX_TAR",
    "CL_TYPE_PS",
    "CL_TYPE_PYTHON_COMPILED",
    "CL_TYPE_RAR",
    "CL_TYPE_RARSFX",
    "CL_TYPE_RIFF",
    "CL_TYPE_RTF",
    "CL_TYPE_SCRENC",
    "CL_TYPE_SCRIPT",
    "CL_TYPE_SFX",
    "CL_TYPE_SIS",
    "CL_TYPE_SWF",
    "CL_TYPE_TEXT_ASCII",
    "CL_TYPE_TEXT_UTF16BE",
    "CL_TYPE_TEXT_UTF16LE",
    "CL_TYPE_TEXT_UTF8",
    "CL_TYPE_TIFF",
    "CL_TYPE_TNEF",
    "CL_TYPE_UDF",
    "CL_TYPE_UUENCODED",
    "CL_TYPE_XAR",
    "CL_TYPE_XDP",
    "CL_TYPE_XML_HWP",
    "CL_TYPE_XML_WORD",
    "CL_TYPE_XML_XL",
    "CL_TYPE_XZ",
    "CL_TYPE_ZIP",
    "CL_TYPE_ZIPSFX",
];

impl FileType {
    /// The type with this name, `CL_TYPE_ZIP`.
    pub fn from_name(name: &str) -> Option<FileType> {
        NAMES.binary_search(&name).ok().map(|index| FileType(index as u8))
    }

    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("CL_TYPE_ANY")
    }

    /// Stands for every type.
    pub fn any() -> FileType {
        FileType::from_name("CL_TYPE_ANY").expect("the table holds it")
    }
}

/// What a body signature looks at: ClamAV's target numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Target {
    Any = 0,
    Executable = 1,
    Ole2 = 2,
    /// Normalised HTML.
    Html = 3,
    /// The raw message.
    Mail = 4,
    Graphics = 5,
    Elf = 6,
    /// Normalised text.
    Text = 7,
    Unused = 8,
    MachO = 9,
    Pdf = 10,
    Flash = 11,
    Java = 12,
    Internal = 13,
    Other = 14,
}

impl Target {
    pub const ALL: [Target; 15] = [
        Target::Any,
        Target::Executable,
        Target::Ole2,
        Target::Html,
        Target::Mail,
        Target::Graphics,
        Target::Elf,
        Target::Text,
        Target::Unused,
        Target::MachO,
        Target::Pdf,
        Target::Flash,
        Target::Java,
        Target::Internal,
        Target::Other,
    ];

    pub fn from_number(number: u32) -> Option<Target> {
        Target::ALL.get(number as usize).copied()
    }

    /// Executables have sections and an entry point, which some offsets count from.
    pub fn is_executable(self) -> bool {
        matches!(self, Target::Executable | Target::Elf | Target::MachO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert_eq!(FileType::from_name(name).map(FileType::name), Some(*name));
        }
        assert_eq!(FileType::from_name("CL_TYPE_NONSENSE"), None);
        assert!(Target::ALL.iter().enumerate().all(|(number, target)| *target as usize == number));
    }
}
