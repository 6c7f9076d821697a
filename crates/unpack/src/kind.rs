//! What bytes are, told by their beginning, in the names that ClamAV's signatures use.
//!
//! Signatures name a kind as their target, as the container they want to be found in, or as what a file must look like
//! for a rule to apply. So the answer has to be ClamAV's, mistakes included: the table is the one that ClamAV 1.4 has
//! built in, and an operator's `.ftm` files extend it ([`Magics`]).
//!
//! Two steps: exact bytes at an offset, the last line of the table first. Where none fits, the bytes are text or data by
//! the characters they are made of; then patterns that may stand anywhere in the first kilobyte are tried, so that HTML
//! and mail without a known beginning are still recognised.

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// In ClamAV's order, which decides between two that both fit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind,)*
            /// Ours: Zstandard, which ClamAV calls `CL_TYPE_BINARY_DATA`.
            Zstd,
        }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)* Kind::Zstd];

            /// As ClamAV writes it.
            pub fn clam_name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                    Kind::Zstd => "CL_TYPE_BINARY_DATA",
                }
            }

            /// The kind of this name; `None` for `CL_TYPE_ANY` too, which is no kind.
            pub fn from_clam_name(name: &str) -> Option<Kind> {
                match name {
                    $($name => Some(Kind::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    TextAscii "CL_TYPE_TEXT_ASCII",
    TextUtf8 "CL_TYPE_TEXT_UTF8",
    TextUtf16Le "CL_TYPE_TEXT_UTF16LE",
    TextUtf16Be "CL_TYPE_TEXT_UTF16BE",
    BinaryData "CL_TYPE_BINARY_DATA",
    MsExe "CL_TYPE_MSEXE",
    Elf "CL_TYPE_ELF",
    MachO "CL_TYPE_MACHO",
    MachOUniversal "CL_TYPE_MACHO_UNIBIN",
    PosixTar "CL_TYPE_POSIX_TAR",
    OldTar "CL_TYPE_OLD_TAR",
    CpioOld "CL_TYPE_CPIO_OLD",
    CpioOdc "CL_TYPE_CPIO_ODC",
    CpioNewc "CL_TYPE_CPIO_NEWC",
    CpioCrc "CL_TYPE_CPIO_CRC",
    Gzip "CL_TYPE_GZ",
    Zip "CL_TYPE_ZIP",
    Bzip2 "CL_TYPE_BZ",
    Rar "CL_TYPE_RAR",
    Arj "CL_TYPE_ARJ",
    MsSzdd "CL_TYPE_MSSZDD",
    Ole2 "CL_TYPE_MSOLE2",
    Cab "CL_TYPE_MSCAB",
    Chm "CL_TYPE_MSCHM",
    Sis "CL_TYPE_SIS",
    ScriptEncoded "CL_TYPE_SCRENC",
    Graphics "CL_TYPE_GRAPHICS",
    Gif "CL_TYPE_GIF",
    Png "CL_TYPE_PNG",
    Jpeg "CL_TYPE_JPEG",
    Tiff "CL_TYPE_TIFF",
    Riff "CL_TYPE_RIFF",
    BinHex "CL_TYPE_BINHEX",
    Tnef "CL_TYPE_TNEF",
    CryptFf "CL_TYPE_CRYPTFF",
    Pdf "CL_TYPE_PDF",
    Uuencoded "CL_TYPE_UUENCODED",
    Script "CL_TYPE_SCRIPT",
    HtmlUtf16 "CL_TYPE_HTML_UTF16",
    Rtf "CL_TYPE_RTF",
    SevenZip "CL_TYPE_7Z",
    Swf "CL_TYPE_SWF",
    Java "CL_TYPE_JAVA",
    Xar "CL_TYPE_XAR",
    Xz "CL_TYPE_XZ",
    OoxmlWord "CL_TYPE_OOXML_WORD",
    OoxmlPowerPoint "CL_TYPE_OOXML_PPT",
    OoxmlExcel "CL_TYPE_OOXML_XL",
    Internal "CL_TYPE_INTERNAL",
    Hwp3 "CL_TYPE_HWP3",
    OoxmlHwp "CL_TYPE_OOXML_HWP",
    PostScript "CL_TYPE_PS",
    Egg "CL_TYPE_EGG",
    OneNote "CL_TYPE_ONENOTE",
    PythonCompiled "CL_TYPE_PYTHON_COMPILED",
    Lha "CL_TYPE_LHA_LZH",
    Partition "CL_TYPE_PART_ANY",
    PartitionHfsPlus "CL_TYPE_PART_HFSPLUS",
    Mbr "CL_TYPE_MBR",
    Html "CL_TYPE_HTML",
    Mail "CL_TYPE_MAIL",
    Sfx "CL_TYPE_SFX",
    ZipSfx "CL_TYPE_ZIPSFX",
    RarSfx "CL_TYPE_RARSFX",
    SevenZipSfx "CL_TYPE_7ZSFX",
    CabSfx "CL_TYPE_CABSFX",
    ArjSfx "CL_TYPE_ARJSFX",
    EggSfx "CL_TYPE_EGGSFX",
    Nullsoft "CL_TYPE_NULSFT",
    AutoIt "CL_TYPE_AUTOIT",
    InstallShield "CL_TYPE_ISHIELD_MSI",
    Iso9660 "CL_TYPE_ISO9660",
    Dmg "CL_TYPE_DMG",
    Gpt "CL_TYPE_GPT",
    ApplePartitionMap "CL_TYPE_APM",
    Xdp "CL_TYPE_XDP",
    XmlWord "CL_TYPE_XML_WORD",
    XmlExcel "CL_TYPE_XML_XL",
    XmlHwp "CL_TYPE_XML_HWP",
    HwpOle2 "CL_TYPE_HWPOLE2",
    Mhtml "CL_TYPE_MHTML",
    Lnk "CL_TYPE_LNK",
    Udf "CL_TYPE_UDF",
    Alz "CL_TYPE_ALZ",
    Other "CL_TYPE_OTHER",
    Ignored "CL_TYPE_IGNORED",
}

impl Kind {
    /// Text of whatever encoding, not yet known to be more.
    pub fn is_text(self) -> bool {
        self <= Kind::TextUtf16Be
    }

    /// For people: the name without its prefix, in lower case.
    pub fn name(self) -> String {
        if self == Kind::Zstd {
            return "zstd".into();
        }
        self.clam_name().trim_start_matches("CL_TYPE_").to_ascii_lowercase()
    }
}

/// Bytes at an offset, the first that fits wins.
#[rustfmt::skip]
static EXACT: &[(usize, &[u8], Kind)] = &[
    (0, b"ALZ\x01", Kind::Alz),
    (0, b"\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3", Kind::OneNote),
    (0, b"ZWS", Kind::Swf),
    (0, b"{\n  \"Magic\":\"CLAMJSONv0\"", Kind::Internal),
    (0, b"MM", Kind::Tiff),
    (0, b"II*\0", Kind::Tiff),
    (0, b"\xff\xd8\xff", Kind::Jpeg),
    (0, b"GIF", Kind::Gif),
    (0, b"\x89PNG", Kind::Png),
    (0, b"EGGA", Kind::Egg),
    (0, b"CWS", Kind::Swf),
    (0, b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F", Kind::Lnk),
    (0, b"%!PS-Adobe-", Kind::PostScript),
    (0, b"{\\rt", Kind::Rtf),
    (0, b"HWP Document File V3.00 \x1a\x01\x02\x03\x04\x05", Kind::Hwp3),
    (4, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::HwpOle2),
    (512, b"EFI PART", Kind::Gpt),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"xar!", Kind::Xar),
    (0, b"\0\0\x01\xba", Kind::BinaryData),
    (0, b"\0\0\x01\xb3", Kind::BinaryData),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Kind::Graphics),
    (0, b"[aliases]", Kind::PosixTar),
    (0, b"MSCF\0\0\0\0", Kind::Cab),
    (0, b"FWS", Kind::Swf),
    (0, b"\xd9\xd5\x05\xf9 \xa1c\xd7", Kind::Ignored),
    (0, b"SQLite format 3\0", Kind::Ignored),
    (0, b"7\x7f\x06\x83\0-\xe2\x18", Kind::Ignored),
    (0, b"7\x7f\x06\x82\0-\xe2\x18", Kind::Ignored),
    (0, b"SYMC\x01\0", Kind::Ignored),
    (0, b"%PDF-", Kind::Pdf),
    (0, b"\xc7q", Kind::CpioOld),
    (0, b"q\xc7", Kind::CpioOld),
    (0, b"070707", Kind::CpioOdc),
    (0, b"070702", Kind::CpioCrc),
    (0, b"070701", Kind::CpioNewc),
    (0, b"Received-SPF: ", Kind::Mail),
    (0, b"7z\xbc\xaf'\x1c", Kind::SevenZip),
    (0, b"\xfe\xed\xfa\xcf", Kind::MachO),
    (0, b"\xfe\xed\xfa\xce", Kind::MachO),
    (0, b"\xcf\xfa\xed\xfe", Kind::MachO),
    (0, b"\xce\xfa\xed\xfe", Kind::MachO),
    (257, b"ustar", Kind::PosixTar),
    (0, b"SIP-HIT (SIP/H", Kind::Ignored),
    (0, b"\xff\xfb\x90", Kind::Ignored),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Ole2),
    (0, b"\xb6\xb9\xac\xae\xfe\xff\xff\xff", Kind::CryptFf),
    (0, b"\x7fELF", Kind::Elf),
    (0, b"x\x9f>\"", Kind::Tnef),
    (0, b"v:\r\nReceived: ", Kind::Mail),
    (0, b"v:\nReceived: ", Kind::Mail),
    (0, b"begin ", Kind::Uuencoded),
    (0, b"`\xea", Kind::Arj),
    (0, b"X-UIDL: ", Kind::Mail),
    (0, b"X-Symantec-", Kind::Mail),
    (0, b"X-Sieve: ", Kind::Mail),
    (0, b"X-Real-To: ", Kind::Mail),
    (0, b"X-Original-To: ", Kind::Mail),
    (0, b"X-Envelope-From: ", Kind::Mail),
    (0, b"X-EVS", Kind::Mail),
    (0, b"X-Apparently-To: ", Kind::Mail),
    (0, b"To: ", Kind::Mail),
    (0, b"Subject: ", Kind::Mail),
    (0, b"SZDD", Kind::MsSzdd),
    (0, b"Return-path: ", Kind::Mail),
    (0, b"Return-Path: ", Kind::Mail),
    (0, b"Received: ", Kind::Mail),
    (0, b"Rar!", Kind::Rar),
    (0, b"RIFX", Kind::Riff),
    (0, b"RIFF", Kind::Riff),
    (0, b"PK00PK\x03\x04", Kind::Zip),
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"OggS", Kind::Ignored),
    (0, b"Message-Id: ", Kind::Mail),
    (0, b"Message-ID: ", Kind::Mail),
    (0, b"MZ", Kind::MsExe),
    (0, b"ITSF", Kind::Chm),
    (0, b"ID3", Kind::Ignored),
    (0, b"Hi. This is the qmail-send", Kind::Mail),
    (0, b"From: ", Kind::Mail),
    (0, b"From ", Kind::Mail),
    (0, b"For: ", Kind::Mail),
    (0, b"Envelope-to: ", Kind::Mail),
    (0, b"Delivery-date: ", Kind::Mail),
    (0, b"Delivered-To: ", Kind::Mail),
    (0, b"Date: ", Kind::Mail),
    (0, b"BZh", Kind::Bzip2),
    (0, b"BM", Kind::Graphics),
    (0, b">From ", Kind::Mail),
    (0, b".RMF", Kind::Ignored),
    (0, b"(This file must be converted with BinHex 4.0)", Kind::BinHex),
    (0, b"#@~^", Kind::ScriptEncoded),
    (0, b"\x1f\x8b", Kind::Gzip),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
];

/// Offset and pattern in ClamAV's notation.
#[rustfmt::skip]
static FLOATING: &[(&str, &str, Kind)] = &[
    ("*", "3c4120*(68|48)(72|52)4546", Kind::Html),
    ("*", "3c4120*(68|48)(72|52)6566", Kind::Html),
    ("*", "3c484541443e", Kind::Html),
    ("*", "3c48544d4c3e", Kind::Html),
    ("*", "3c486561643e", Kind::Html),
    ("*", "3c48746d6c3e", Kind::Html),
    ("*", "3c494652414d45", Kind::Html),
    ("*", "3c494d47", Kind::Html),
    ("*", "3c496d67", Kind::Html),
    ("*", "3c4f424a454354", Kind::Html),
    ("*", "3c4f626a656374", Kind::Html),
    ("*", "3c534352495054", Kind::Html),
    ("*", "3c536372697074", Kind::Html),
    ("*", "3c5441424c45", Kind::Html),
    ("*", "3c6120*(68|48)(72|52)4546", Kind::Html),
    ("*", "3c6120*(68|48)(72|52)6566", Kind::Html),
    ("*", "3c686561643e", Kind::Html),
    ("*", "3c68746d6c3e", Kind::Html),
    ("*", "3c696672616d65", Kind::Html),
    ("*", "3c696d67", Kind::Html),
    ("*", "3c6f626a656374", Kind::Html),
    ("*", "3c736372697074", Kind::Html),
    ("*", "3c7461626c65", Kind::Html),
    ("*", "4d5a{60-300}50450000", Kind::MsExe),
    ("*", "504b0304", Kind::ZipSfx),
    ("*", "526172211a0700", Kind::RarSfx),
    ("*", "60ea{7}0002", Kind::ArjSfx),
    ("*", "60ea{7}0102", Kind::ArjSfx),
    ("*", "60ea{7}0202", Kind::ArjSfx),
    ("*", "a3484bbe986c4aa9994c530a86d6487d41553321454130(35|36)", Kind::AutoIt),
    ("*", "efbeadde4e756c6c736f6674496e7374", Kind::Nullsoft),
    ("0", "3c2540204c414e4755414745203d", Kind::Html),
    ("0,1024", "0a(46|66)726f6d3a20{-1024}0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20", Kind::Mail),
    ("0,1024", "0a(46|66)726f6d3a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mail),
    ("0,1024", "0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mail),
    ("0,1024", "0a(4d|6d)6573736167652d(49|69)643a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mail),
    ("0,2048", "0a(52|72)656365697665643a20{-2048}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mail),
    ("*", "496e7374616c6c536869656c6400{292}0600000000000000????????????????0000000001", Kind::InstallShield),
    ("*", "255044462d??2e", Kind::Pdf),
    ("*", "257064662d??2e", Kind::Pdf),
    ("0,128", "2f5247420a49440affffffffffffffffffffffffffffffffffffffffffffffff", Kind::Ignored),
    ("*", "4d53434600000000", Kind::CabSfx),
    ("*", "014344303031{2043-2443}4344303031", Kind::Iso9660),
    ("0,32768", "004245413031", Kind::Udf),
    ("8,12", "19040010", Kind::Sis),
    ("0,1024", "44656c6976657265642d546f3a{-256}52656365697665643a", Kind::Mail),
    ("0", "cafebabe0000000?", Kind::MachOUniversal),
    ("0", "cafebabe0000001?", Kind::MachOUniversal),
    ("0", "cafebabe0000002?", Kind::Java),
    ("0", "cafebabe0000003?", Kind::Java),
    ("EOF-512", "6b6f6c79", Kind::Dmg),
    ("0", "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c576f726b626f6f6b", Kind::XmlExcel),
    ("0", "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c776f7264446f63756d656e74", Kind::XmlWord),
    ("0", "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c??3a576f726b626f6f6b", Kind::XmlExcel),
    ("0", "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}3c??3a776f7264446f63756d656e74", Kind::XmlWord),
    ("*", "3c7864703a786470", Kind::Xdp),
    ("0", "4552{510}504d0000", Kind::ApplePartitionMap),
    ("510", "55aa", Kind::Mbr),
    ("0", "efbbbf3c3f786d6c2076657273696f6e3d22312e3022*3c4857504d4c", Kind::XmlHwp),
    ("0", "(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mhtml),
    ("*", "0a(4d|6d)(49|69)(4d|6d)(45|65)2d(56|76)657273696f6e3a20{-1024}0a(43|63)6f6e74656e742d(54|74)7970653a20", Kind::Mhtml),
    ("*", "377abcaf271c", Kind::SevenZipSfx),
    ("0", "3c3f786d6c2076657273696f6e3d22312e3022{0-1024}70726f6769643d22576f72642e446f63756d656e74223f3e", Kind::XmlWord),
    ("0", "??0d0d0a", Kind::PythonCompiled),
    ("2", "2d6c68(30|31|32|33|34|35|36|37|64|78)2d", Kind::Lha),
    ("2", "2d6c7a(73|34|35)2d", Kind::Lha),
    ("2", "2d706d302d", Kind::Lha),
];

/// Where a pattern stands more often than this, the further places tell nothing new.
const OFTEN: usize = 1024;
/// How much of a file its patterns are looked for in.
const BEGINNING: usize = 1024;

/// A table of magics.
#[derive(Debug, Clone)]
pub struct Magics {
    exact: Vec<(usize, Vec<u8>, Option<Kind>, Kind)>,
    floating: Vec<Floating>,
    automaton: Option<AhoCorasick>,
}

#[derive(Debug, Clone)]
struct Floating {
    from: Start,
    tokens: Vec<Token>,
    /// The longest run of plain bytes before the first gap, and where it stands in a match.
    literal: Vec<u8>,
    before: usize,
    required: Option<Kind>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Anywhere,
    /// First and last offset.
    Between(usize, usize),
    FromEnd(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A byte under a mask.
    Byte(u8, u8),
    OneOf(Vec<u8>),
    /// From so many to so many bytes, `usize::MAX` for without end.
    Gap(usize, usize),
}

/// One line of a `.ftm` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magic<'a> {
    /// 0: bytes at an offset; 1: a pattern.
    pub class: u8,
    pub offset: &'a str,
    pub pattern: &'a str,
    pub required: Option<Kind>,
    pub kind: Kind,
}

static BUILT_IN: LazyLock<Magics> = LazyLock::new(|| {
    let mut magics = Magics::empty();
    for (offset, bytes, kind) in EXACT {
        magics.exact.push((*offset, bytes.to_vec(), None, *kind));
    }
    magics.exact.reverse();
    for (offset, pattern, kind) in FLOATING {
        let line = Magic { class: 1, offset, pattern, required: None, kind: *kind };
        magics.add(&line).expect("the table is tested");
    }
    magics.finish();
    magics
});

impl Magics {
    pub fn empty() -> Magics {
        Magics { exact: Vec::new(), floating: Vec::new(), automaton: None }
    }

    /// What ClamAV uses where no `.ftm` file is loaded.
    pub fn built_in() -> &'static Magics {
        &BUILT_IN
    }

    /// Lines added later win over earlier ones. Call [`Magics::finish`] after the last.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn add(&mut self, magic: &Magic<'_>) -> Result<(), &'static str> {
        match magic.class {
            0 => {
                let offset = magic.offset.parse().map_err(|_| "the offset is not a number")?;
                let bytes = unhex(magic.pattern).ok_or("the magic is not hexadecimal")?;
                if bytes.is_empty() || offset >= 1 << 20 || bytes.len() > 4096 {
                    return Err("the magic is empty, too long or too far inside");
                }
                self.exact.push((offset, bytes, magic.required, magic.kind));
                Ok(())
            }
            1 => {
                let from = start(magic.offset).ok_or("the offset is not understood")?;
                let tokens = tokens(magic.pattern).ok_or("the pattern is not understood")?;
                let (before, literal) = longest_run(&tokens).ok_or("the pattern has no two plain bytes in a row")?;
                self.floating.push(Floating {
                    from,
                    tokens,
                    literal,
                    before,
                    required: magic.required,
                    kind: magic.kind,
                });
                Ok(())
            }
            4 => Ok(()),
            _ => Err("the class is neither 0, 1 nor 4"),
        }
    }

    /// Makes the table ready for use.
    pub fn finish(&mut self) {
        let literals = self.floating.iter().map(|floating| &floating.literal);
        self.automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(literals).ok();
    }

    fn exact(&self, bytes: &[u8]) -> Option<Kind> {
        let fits = |(offset, magic, _, _): &&(usize, Vec<u8>, Option<Kind>, Kind)| {
            bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic))
        };
        self.exact.iter().rev().find(fits).map(|(.., kind)| *kind)
    }

    /// Calls `found` with kind, start and end of each pattern that stands in the bytes, in order of their ends.
    fn floating(&self, bytes: &[u8], length: usize, of: Kind) -> Vec<(Kind, usize, usize)> {
        let mut found: Vec<(Kind, usize, usize)> = Vec::new();
        let Some(automaton) = &self.automaton else { return found };
        // A pattern whose last part is not in the rest of the bytes needs no second look.
        let mut dead = vec![false; self.floating.len()];
        let mut count = vec![0; self.floating.len()];
        let mut steps = 4 * bytes.len() + 65_536;
        for hit in automaton.find_overlapping_iter(bytes) {
            let index = hit.pattern().as_usize();
            let pattern = &self.floating[index];
            if dead[index] || pattern.required.is_some_and(|required| required != of) || steps == 0 {
                continue;
            }
            let Some(at) = hit.start().checked_sub(pattern.before) else { continue };
            let here = match pattern.from {
                Start::Anywhere => true,
                Start::Between(first, last) => first <= at && at <= last,
                Start::FromEnd(distance) => length.checked_sub(distance) == Some(at),
            };
            if !here {
                continue;
            }
            match fits(&pattern.tokens, bytes, at, &mut steps) {
                Fit::Yes(end) => {
                    found.push((pattern.kind, at, end));
                    count[index] += 1;
                    dead[index] = count[index] == OFTEN;
                }
                Fit::Never => dead[index] = true,
                Fit::No => {}
            }
        }
        found.sort_by_key(|(_, _, end)| *end);
        found
    }
}

enum Fit {
    Yes(usize),
    No,
    /// Nor anywhere after this place.
    Never,
}

/// Parts are taken at their first place after a gap, which is right where gaps are few and parts are plain.
fn fits(tokens: &[Token], bytes: &[u8], at: usize, steps: &mut usize) -> Fit {
    let mut position = at;
    let mut rest = tokens;
    let mut gap = Some((0, 0));
    while !rest.is_empty() {
        let length = rest.iter().position(|token| matches!(token, Token::Gap(..))).unwrap_or(rest.len());
        let (part, after) = rest.split_at(length);
        let (least, most) = gap.take().unwrap_or((0, 0));
        let first = position.saturating_add(least);
        let last = position.saturating_add(most).min(bytes.len());
        let mut place = first;
        let end = loop {
            *steps = steps.saturating_sub(1);
            if place > last || *steps == 0 {
                return if most == usize::MAX { Fit::Never } else { Fit::No };
            }
            if part_fits(part, bytes, place) {
                break place + part.len();
            }
            place += 1;
        };
        position = end;
        rest = after;
        if let Some((Token::Gap(least, most), after)) = rest.split_first() {
            gap = Some((*least, *most));
            rest = after;
        }
    }
    Fit::Yes(position)
}

fn part_fits(part: &[Token], bytes: &[u8], at: usize) -> bool {
    let Some(window) = bytes.get(at..at.saturating_add(part.len())) else { return false };
    part.iter().zip(window).all(|(token, byte)| match token {
        Token::Byte(value, mask) => byte & mask == *value,
        Token::OneOf(values) => values.contains(byte),
        Token::Gap(..) => false,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

fn start(text: &str) -> Option<Start> {
    if text == "*" {
        return Some(Start::Anywhere);
    }
    if let Some(distance) = text.strip_prefix("EOF-") {
        return distance.parse().ok().map(Start::FromEnd);
    }
    let (first, shift) = text.split_once(',').unwrap_or((text, "0"));
    let first: usize = first.parse().ok()?;
    let shift: usize = shift.parse().ok()?;
    Some(Start::Between(first, first.checked_add(shift)?))
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        match first {
            '*' => {
                tokens.push(Token::Gap(0, usize::MAX));
                rest = &rest[1..];
            }
            '{' => {
                let (inside, after) = rest[1..].split_once('}')?;
                let (least, most) = match inside.split_once('-') {
                    Some(("", most)) => (0, most.parse().ok()?),
                    Some((least, "")) => (least.parse().ok()?, usize::MAX),
                    Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
                    None => (inside.parse().ok()?, inside.parse().ok()?),
                };
                tokens.push(Token::Gap(least, most));
                rest = after;
            }
            '(' => {
                let (inside, after) = rest[1..].split_once(')')?;
                let values: Option<Vec<Vec<u8>>> = inside.split('|').map(unhex).collect();
                let values = values?;
                if values.iter().any(|value| value.len() != 1) {
                    return None;
                }
                tokens.push(Token::OneOf(values.concat()));
                rest = after;
            }
            _ => {
                let high = first;
                let low = rest[first.len_utf8()..].chars().next()?;
                let nibble = |digit: char| match digit {
                    '?' => Some((0, 0)),
                    _ => digit.to_digit(16).map(|value| (value as u8, 0xf)),
                };
                let ((high_value, high_mask), (low_value, low_mask)) = (nibble(high)?, nibble(low)?);
                tokens.push(Token::Byte(high_value << 4 | low_value, high_mask << 4 | low_mask));
                rest = &rest[2..];
            }
        }
    }
    let whole =
        !matches!(tokens.first(), None | Some(Token::Gap(..))) && !matches!(tokens.last(), Some(Token::Gap(..)));
    whole.then_some(tokens)
}

fn longest_run(tokens: &[Token]) -> Option<(usize, Vec<u8>)> {
    let mut best: Option<(usize, Vec<u8>)> = None;
    let mut run: Option<(usize, Vec<u8>)> = None;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Gap(..) => break,
            Token::Byte(value, 0xff) => {
                let (_, run) = run.get_or_insert_with(|| (index, Vec::new()));
                run.push(*value);
            }
            _ => run = None,
        }
        if let Some(run) = &run
            && best.as_ref().is_none_or(|(_, best)| best.len() < run.1.len())
        {
            best = Some(run.clone());
        }
    }
    best.filter(|(_, bytes)| bytes.len() >= 2)
}

/// What these bytes are.
pub fn kind(bytes: &[u8]) -> Kind {
    kind_with(bytes, Magics::built_in())
}

/// What these bytes are, by a table of one's own.
pub fn kind_with(bytes: &[u8], magics: &Magics) -> Kind {
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    let kind = match magics.exact(beginning) {
        None | Some(Kind::BinaryData) => text_or_data(beginning),
        Some(kind) => kind,
    };
    let kind = match kind {
        Kind::BinaryData => match tar(beginning) {
            Some(tar) => return tar,
            None => kind,
        },
        Kind::Zip => return ooxml(bytes).unwrap_or(kind),
        _ => kind,
    };
    if kind > Kind::BinaryData {
        return kind;
    }
    let mut best = kind;
    for (found, ..) in magics.floating(beginning, bytes.len(), kind) {
        if found == Kind::Ignored {
            return found;
        }
        if found > best || found >= Kind::Sfx || found == Kind::MsExe {
            best = found;
        }
    }
    if best == Kind::Mbr && !is_boot_record(bytes) {
        best = kind;
    }
    if best > Kind::BinaryData {
        return best;
    }
    let squeezed = crate::html::decode_utf16(beginning);
    if magics.floating(&squeezed, squeezed.len(), Kind::TextAscii).iter().any(|(kind, ..)| *kind == Kind::Html) {
        return Kind::HtmlUtf16;
    }
    if bytes.starts_with(b"\xfe\xff") {
        let wide: Vec<u8> = beginning.iter().copied().filter(|byte| *byte != 0).collect();
        if magics.floating(&wide, wide.len(), Kind::TextAscii).iter().any(|(kind, ..)| *kind == Kind::Html) {
            return Kind::Html;
        }
    }
    if kind == Kind::BinaryData {
        if bytes.get(0x8001..0x8006) == Some(b"CD001") {
            return Kind::Iso9660;
        }
        if bytes.len() >= 512 && bytes[bytes.len() - 512..].starts_with(b"koly") {
            return Kind::Dmg;
        }
    }
    kind
}

/// What else stands in bytes that were taken for text, data or a program: kind and place of each, in order.
///
/// This is how HTML far inside a text, an archive behind a program or a document behind junk are found.
pub fn embedded(bytes: &[u8], of: Kind, magics: &Magics) -> Vec<(Kind, usize)> {
    let mut found: Vec<(Kind, usize)> =
        magics.floating(bytes, bytes.len(), of).into_iter().map(|(kind, at, _)| (kind, at)).collect();
    found.sort_by_key(|(_, at)| *at);
    found
}

fn is_boot_record(bytes: &[u8]) -> bool {
    // Four partition entries: active or not, and at least one with sectors inside the file.
    let entries = bytes.get(446..510).map(|table| table.chunks_exact(16)).into_iter().flatten();
    let mut any = false;
    for entry in entries {
        if entry[0] & 0x7f != 0 {
            return false;
        }
        let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]) as u64;
        let (first, count) = (word(8), word(12));
        if count != 0 {
            any = true;
            if (first + count) * 512 > bytes.len() as u64 {
                return false;
            }
        }
    }
    any
}

/// A header block with a checksum that fits.
fn tar(block: &[u8]) -> Option<Kind> {
    let header = block.get(..512)?;
    let field = std::str::from_utf8(&header[148..156]).ok()?;
    let digits: String = field.trim_start_matches(' ').chars().take_while(|digit| digit.is_digit(8)).collect();
    let stated = u32::from_str_radix(&digits, 8).ok()?;
    let counted: u32 =
        header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    if stated != counted || counted == 8 * 32 {
        return None;
    }
    Some(if header[257..].starts_with(b"ustar") { Kind::PosixTar } else { Kind::OldTar })
}

/// Which office program a zip archive is a document of: told by the names in its first local headers.
fn ooxml(bytes: &[u8]) -> Option<Kind> {
    const NAMES: [(&[u8], Kind); 4] = [
        (b"xl/", Kind::OoxmlExcel),
        (b"ppt/", Kind::OoxmlPowerPoint),
        (b"word/", Kind::OoxmlWord),
        (b"Contents/content.hpf", Kind::OoxmlHwp),
    ];
    const LIKELY: [&[u8]; 9] = [
        b"docProps/",
        b"customXml/",
        b"_.rels/.rels",
        b"_rels/.rels",
        b"[ContentTypes].xml",
        b"[Content_Types].xml",
        b"mimetype",
        b"version.xml",
        b"settings.xml",
    ];
    let mut likely = false;
    let heads = memchr::memmem::find_iter(bytes, b"PK\x03\x04");
    for (count, at) in heads.take(256).enumerate() {
        if count >= 3 && !likely {
            return None;
        }
        let name = bytes.get(at + 30..).unwrap_or_default();
        if let Some((_, kind)) = NAMES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            return Some(*kind);
        }
        likely |= LIKELY.iter().any(|prefix| name.starts_with(prefix));
    }
    None
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 7..=10 | 12 | 13 | 27 | 32..=126 | 0x85)
}

/// By the rules of the file(1) of old, from which ClamAV has them.
fn text_or_data(bytes: &[u8]) -> Kind {
    if bytes.iter().all(|byte| is_plain(*byte) || *byte >= 0x80) {
        return Kind::TextAscii;
    }
    if is_wide(bytes, false) {
        return Kind::TextUtf16Le;
    }
    if is_wide(bytes, true) {
        return Kind::TextUtf16Be;
    }
    Kind::BinaryData
}

fn is_wide(bytes: &[u8], big: bool) -> bool {
    let (mark, marked): (&[u8], bool) = match bytes {
        [0xff, 0xfe, ..] => (b"le", true),
        [0xfe, 0xff, ..] => (b"be", true),
        [_, _, ..] => (b"be", false),
        _ => return false,
    };
    if (mark == b"be") != big {
        return false;
    }
    let mut bad = 0;
    for pair in bytes[2..].chunks_exact(2) {
        let unit = if big { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) };
        if unit == 0xfffe {
            return false;
        }
        if unit < 128 && !is_plain(unit as u8) {
            if !marked {
                return false;
            }
            bad += 1;
        }
    }
    !marked || bad < bytes.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Zstd) {
            assert_eq!(Kind::from_clam_name(kind.clam_name()), Some(*kind));
        }
        assert_eq!(Kind::from_clam_name("CL_TYPE_ANY"), None);
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Kind) {
        assert_eq!(kind(bytes), expected, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }

    #[test]
    fn beginnings() {
        check(b"Received: from x by y; now\n\nhello", Kind::Mail);
        check(b"Subject: x\n\n<html>", Kind::Mail);
        check(b"X-Unheard-Of: 1\nFrom: a@b\nMIME-Version: 1.0\n\nhello", Kind::Mail);
        check(b"just words", Kind::TextAscii);
        check(b"caf\xe9", Kind::TextAscii);
        check(b"", Kind::TextAscii);
        check(b"words, then <html><body>", Kind::Html);
        check(b"look <a class=x href=http://x>", Kind::Html);
        check(b"<A nothing to refer to", Kind::TextAscii);
        check(b"\0\x01\0\x02\0\x01 data", Kind::BinaryData);
        check(b"\xff\xfe<\0h\0t\0m\0l\0>\0", Kind::HtmlUtf16);
        check(b"\xff\xfew\0o\0r\0d\0s\0", Kind::TextUtf16Le);
        check(b"\xfe\xff\0<\0h\0t\0m\0l\0>", Kind::Html);
        check(b"PK\x03\x04nothing", Kind::Zip);
        check(b"Rar!\x1a\x07\x01\0", Kind::Rar);
        check(b"\x28\xb5\x2f\xfd....", Kind::Zstd);
        check(b"{\\rtf1 x}", Kind::Rtf);
    }

    #[test]
    fn office_documents_by_their_names() {
        let mut zip = Vec::new();
        for name in ["[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "docProps/core.xml", "word/document.xml"]
        {
            zip.extend_from_slice(b"PK\x03\x04");
            zip.extend_from_slice(&[0; 26]);
            zip.extend_from_slice(name.as_bytes());
            zip.extend_from_slice(b"some bytes");
        }
        check(&zip, Kind::OoxmlWord);
    }

    #[test]
    fn lines_of_one_s_own() {
        let mut magics = Magics::empty();
        let line = |class, offset, pattern, kind| Magic { class, offset, pattern, required: None, kind };
        magics.add(&line(0, "0", "582d466f6f3a", Kind::Mail)).unwrap();
        magics.add(&line(1, "0,10", "6162{2-4}(63|64)??65", Kind::Pdf)).unwrap();
        assert!(magics.add(&line(1, "x", "6162", Kind::Pdf)).is_err());
        assert!(magics.add(&line(1, "0", "61*", Kind::Pdf)).is_err());
        assert!(magics.add(&line(0, "0", "6", Kind::Pdf)).is_err());
        magics.finish();
        assert_eq!(kind_with(b"X-Foo: 1", &magics), Kind::Mail);
        assert_eq!(kind_with(b"...ab---d-e", &magics), Kind::Pdf);
        assert_eq!(kind_with(b"...ab-----d-e", &magics), Kind::TextAscii);
        assert_eq!(kind_with(b"<html>", &magics), Kind::TextAscii);
    }

    #[test]
    fn what_stands_inside() {
        let mut bytes = vec![b'x'; 5000];
        bytes.extend_from_slice(b"PK\x03\x04");
        assert_eq!(embedded(&bytes, Kind::TextAscii, Magics::built_in()), [(Kind::ZipSfx, 5000)]);
    }

    /// A gap without end must not make this quadratic.
    #[test]
    fn many_beginnings_without_an_end() {
        let bytes = b"<a ".repeat(200_000);
        assert!(embedded(&bytes, Kind::TextAscii, Magics::built_in()).is_empty());
    }
}
