//! Decoders that make of malformed bytes what Perl's Encode makes of them.
//!
//! The tables are those of `encoding_rs`, corrected where Perl differs. What is malformed becomes one U+FFFD and one
//! byte further it goes on, and a double byte cut off at the end is dropped silently: other decoders count otherwise.

use super::single::SINGLE;
use super::tables as t;
use std::sync::LazyLock;

/// A charset that Perl can decode.
#[derive(Clone, Copy)]
pub enum Encoding {
    Ascii,
    Utf8,
    /// The upper half as text of 128 characters.
    Single(&'static str),
    Double(&'static LazyLock<DoubleByte>),
    Iso2022Jp,
    Iso2022Kr,
    Hz,
    Utf7,
    Utf16Be,
    Utf16Le,
    /// Byte order by mark; without a mark nothing can be decoded.
    Utf16,
}

impl Encoding {
    /// `strict`: nothing at all if anything is malformed.
    pub fn decode(self, bytes: &[u8], strict: bool) -> Option<String> {
        let mut out = String::with_capacity(bytes.len() + bytes.len() / 2);
        let fine = match self {
            Encoding::Ascii => single(bytes, None, &mut out),
            Encoding::Single(upper) => single(bytes, Some(upper), &mut out),
            Encoding::Utf8 if strict => return strict_utf8(bytes).map(str::to_string),
            Encoding::Utf8 => utf8(bytes, &mut out),
            Encoding::Double(table) => table.decode(bytes, &mut out, Malformed::Replace),
            Encoding::Iso2022Jp => iso_2022_jp(bytes, &mut out),
            Encoding::Iso2022Kr => iso_2022_kr(bytes, &mut out),
            Encoding::Hz => hz(bytes, &mut out),
            Encoding::Utf7 => utf7(bytes, &mut out),
            Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes, &mut out),
            Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes, &mut out),
            Encoding::Utf16 => match bytes {
                [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, &mut out),
                [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, &mut out),
                _ => return None,
            },
        };
        (fine || !strict).then_some(out)
    }
}

/// The charset that Perl finds under a label, by its names and its patterns of aliases.
pub fn by_label(label: &str) -> Option<Encoding> {
    let name: String = label.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    canonical(&name).or_else(|| alias(&name))
}

fn canonical(name: &str) -> Option<Encoding> {
    Some(match name {
        "ascii" | "us-ascii" => Encoding::Ascii,
        "utf-8" | "utf8" | "utf-8-strict" => Encoding::Utf8,
        "cp932" => Encoding::Double(&CP932),
        "shiftjis" => Encoding::Double(&SHIFT_JIS),
        "euc-jp" => Encoding::Double(&EUC_JP),
        "iso-2022-jp" | "iso-2022-jp-1" | "7bit-jis" => Encoding::Iso2022Jp,
        "euc-cn" => Encoding::Double(&EUC_CN),
        "cp936" => Encoding::Double(&CP936),
        "hz" => Encoding::Hz,
        "euc-kr" => Encoding::Double(&EUC_KR),
        "cp949" => Encoding::Double(&CP949),
        "iso-2022-kr" => Encoding::Iso2022Kr,
        // Private-use codes apart, the three agree in what mail contains.
        "big5-eten" | "big5-hkscs" | "cp950" => Encoding::Double(&BIG5_ETEN),
        "utf-16" => Encoding::Utf16,
        "utf-16be" | "ucs-2be" => Encoding::Utf16Be,
        "utf-16le" | "ucs-2le" => Encoding::Utf16Le,
        "utf-7" => Encoding::Utf7,
        _ => Encoding::Single(SINGLE.iter().find(|(known, _)| *known == name)?.1),
    })
}

fn alias(name: &str) -> Option<Encoding> {
    // "a_b" counts as "a-b" where no other name fits.
    let dashed = || match name.split_once('_') {
        Some((before, after)) if !before.is_empty() && !after.trim_start_matches('_').contains('_') => {
            by_label(&format!("{before}-{}", after.trim_start_matches('_')))
        }
        _ => None,
    };
    let ends = |words: &[&str]| words.iter().any(|word| ends_as_word(name, word));
    let spans = |from: &str, to: &str| {
        name.strip_suffix(to)
            .is_some_and(|head| (0..head.len()).any(|at| word_starts(head, at) && head[at..].starts_with(from)))
    };
    let found = if ends(&["utf-8"]) || name.contains("cp65001") {
        "utf-8"
    } else if name.contains("cp65000") || matches!(name, "utf7" | "unicode-1-1-utf-7" | "unicode-1-1-utf7") {
        "utf-7"
    } else if ends(&["big5", "big-5", "big5-et", "big5et", "big5-eten", "big5eten"])
        || ends(&["big5-hk", "big5hk", "big5-hkscs", "big5hkscs"])
    {
        "big5-eten"
    } else if ends(&["ks_c_5601-1987"]) || name.ends_with("uhc") || name.ends_with("windows-949") {
        "cp949"
    } else if spans("euc", "kr") || spans("kr", "euc") {
        "euc-kr"
    } else if ends(&["windows-31j"]) {
        "cp932"
    } else if ends(&["sjis"]) || spans("shift", "jis") {
        "shiftjis"
    } else if ends(&["ujis"]) || spans("euc", "jp") || spans("jp", "euc") {
        "euc-jp"
    } else if ends(&["jis"]) {
        "7bit-jis"
    } else if has_gb2312(name) || spans("euc", "cn") || spans("cn", "euc") {
        "euc-cn"
    } else if name == "gbk" {
        "cp936"
    } else if let Some(letter) = koi8(name) {
        return canonical(&format!("koi8-{letter}"));
    } else if let Some(number) = code_page(name) {
        return canonical(&format!("cp{number}")).or_else(dashed);
    } else if let Some(number) = iso_8859(name) {
        return canonical(&format!("iso-8859-{number}")).or_else(dashed);
    } else if ends(&["646", "646us", "646-us", "646_us", "iso646-us", "iso646"])
        || ends(&["ansi_x3.4-1968", "ansix3.4-1968", "ansi-x3.4-1968", "ansi_x3.4_1968"])
        || matches!(name, "usascii" | "c")
    {
        "ascii"
    } else {
        match name {
            "utf16" => "utf-16",
            "utf16be" | "utf-16-be" | "ucs2" | "ucs-2" | "ucs2be" | "iso-10646-1" => "utf-16be",
            "utf16le" | "utf-16-le" | "ucs2le" => "utf-16le",
            "cyrillic" => "iso-8859-5",
            "arabic" => "iso-8859-6",
            "greek" => "iso-8859-7",
            "hebrew" => "iso-8859-8",
            "thai" | "tis620" | "tis-620" => "iso-8859-11",
            _ => return dashed(),
        }
    };
    canonical(found)
}

fn word_starts(text: &str, at: usize) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.is_char_boundary(at) && (at == 0 || !word(text.as_bytes()[at - 1]))
}

fn ends_as_word(name: &str, word: &str) -> bool {
    name.strip_suffix(word).is_some_and(|head| word_starts(name, head.len()))
}

fn has_gb2312(name: &str) -> bool {
    let is_one = |rest: &str| {
        let rest = rest.strip_prefix("gb").map(|rest| rest.strip_prefix(['-', '_']).unwrap_or(rest));
        let after = rest.and_then(|rest| rest.strip_prefix("2312"));
        after.is_some_and(|after| !after.starts_with("raw") && !after.starts_with("-raw"))
    };
    (0..name.len()).any(|at| word_starts(name, at) && is_one(&name[at..]))
}

fn koi8(name: &str) -> Option<char> {
    let head = name.strip_suffix(['r', 'u'])?.trim_end_matches(['-', '_']);
    ends_as_word(head, "koi8").then(|| name.chars().next_back()).flatten()
}

fn code_page(name: &str) -> Option<&str> {
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &name[head.len()..];
    let head = head.strip_suffix(['-', '_']).unwrap_or(head);
    let known = ["cp", "ibm", "ms", "windows"].iter().any(|prefix| ends_as_word(head, prefix));
    (known && (2..=4).contains(&number.len())).then_some(number)
}

/// `iso_8859-1`, `iso8859-15`, `iso88591`, `latin1`, as a part of 8859.
fn iso_8859(name: &str) -> Option<&str> {
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &name[head.len()..];
    if number.is_empty() {
        return None;
    }
    let bare = head.strip_suffix(['-', '_']).unwrap_or(head);
    if ["latin", "isolatin", "iso-latin", "iso_latin"].iter().any(|prefix| ends_as_word(bare, prefix)) {
        const PARTS: [&str; 11] = ["", "1", "2", "3", "4", "9", "10", "13", "14", "15", "16"];
        return PARTS.get(number.parse::<usize>().ok()?).copied().filter(|part| !part.is_empty());
    }
    if bare.len() < head.len() && ["iso8859", "iso-8859", "iso_8859"].iter().any(|prefix| ends_as_word(bare, prefix)) {
        return Some(number);
    }
    ends_as_word(head, "iso").then(|| number.strip_prefix("8859")).flatten()
}

/// UTF-8 as Perl's strict decoder has it: noncharacters are malformed, too.
pub fn strict_utf8(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b >= 0xef) {
        let noncharacter = match rest[at..] {
            [0xef, 0xb7, last, ..] => (0x90..=0xaf).contains(&last),
            [0xef, 0xbf, last, ..] => last >= 0xbe,
            [lead, second, 0xbf, last, ..] if lead >= 0xf0 => second & 0x0f == 0x0f && last >= 0xbe,
            _ => false,
        };
        if noncharacter {
            return None;
        }
        rest = &rest[at + 1..];
    }
    Some(text)
}

/// A lead byte and the continuation bytes that it asks for make one U+FFFD if they are no character.
fn utf8(bytes: &[u8], out: &mut String) -> bool {
    let mut fine = true;
    let mut at = 0;
    while at < bytes.len() {
        let wanted = match bytes[at] {
            0..=0xbf => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0xf8..=0xfb => 5,
            0xfc | 0xfd => 6,
            0xfe => 7,
            0xff => 13,
        };
        let tail = &bytes[at + 1..bytes.len().min(at + wanted)];
        let length = 1 + tail.iter().take_while(|b| (0x80..=0xbf).contains(*b)).count();
        match strict_utf8(&bytes[at..at + length]) {
            Some(text) => out.push_str(text),
            None => {
                fine = false;
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
        at += length;
    }
    fine
}

fn single(bytes: &[u8], upper: Option<&'static str>, out: &mut String) -> bool {
    let mut table = [char::REPLACEMENT_CHARACTER; 128];
    for (slot, meaning) in table.iter_mut().zip(upper.into_iter().flat_map(str::chars)) {
        *slot = meaning;
    }
    let mut fine = true;
    for byte in bytes {
        let meaning = if *byte < 0x80 { char::from(*byte) } else { table[usize::from(*byte) - 0x80] };
        fine &= meaning != char::REPLACEMENT_CHARACTER;
        out.push(meaning);
    }
    fine
}

/// What happens with bytes that are no character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Malformed {
    Replace,
    /// As "\xNN", which Perl's ISO-2022 decoders do whatever they are told.
    Spell,
}

/// A table of one- and two-byte codes, three-byte codes after 0x8f for EUC-JP.
pub struct DoubleByte {
    single: [u32; 256],
    leads: [bool; 256],
    pairs: Vec<u32>,
    /// Pairs that follow 0x8f; empty where there are none.
    third: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl DoubleByte {
    fn new(base: &'static encoding_rs::Encoding, corrections: t::Runs, gaps: t::Gaps) -> DoubleByte {
        let mut table =
            DoubleByte { single: [NONE; 256], leads: [false; 256], pairs: vec![NONE; 1 << 15], third: Vec::new() };
        let decode = |bytes: &[u8]| {
            let text = base.decode_without_bom_handling_and_without_replacement(bytes)?;
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none()).map(u32::from)
        };
        for code in 0..0x80 {
            table.single[code as usize] = code;
        }
        for lead in 0x80..=0xffu8 {
            if let Some(meaning) = decode(&[lead]) {
                table.single[usize::from(lead)] = meaning;
                continue;
            }
            for trail in 0x30..=0xffu8 {
                if let Some(meaning) = decode(&[lead, trail]) {
                    table.set(u32::from(lead) << 8 | u32::from(trail), meaning);
                }
            }
        }
        for (first, last) in gaps {
            (*first..=*last).for_each(|code| table.set(code, NONE));
        }
        for (first, run) in corrections {
            (*first..).zip(run.chars()).for_each(|(code, meaning)| table.set(code, u32::from(meaning)));
        }
        for lead in 0x80..=0xffusize {
            let row = (lead - 0x80) << 8;
            table.leads[lead] = table.single[lead] == NONE && table.pairs[row..row + 256].iter().any(|c| *c != NONE);
        }
        table.leads[0x8f] |= !table.third.is_empty();
        table
    }

    fn set(&mut self, code: u32, meaning: u32) {
        match code {
            0..=0xff => self.single[code as usize] = meaning,
            0x100..=0x7fff => {} // a gap that runs from single to double bytes
            0x8000..=0xffff => self.pairs[(code - 0x8000) as usize] = meaning,
            _ => {
                self.third.resize(1 << 15, NONE);
                self.third[(code & 0x7fff) as usize] = meaning;
            }
        }
    }

    fn decode(&self, bytes: &[u8], out: &mut String, malformed: Malformed) -> bool {
        let mut fine = true;
        let mut at = 0;
        while at < bytes.len() {
            let lead = bytes[at];
            let alone = self.single[usize::from(lead)];
            let (meaning, length) = if alone != NONE {
                (alone, 1)
            } else if !self.leads[usize::from(lead)] {
                (NONE, 1)
            } else {
                let pair = |table: &[u32], lead: u8, trail: u8| {
                    let index = usize::from(lead & 0x7f) << 8 | usize::from(trail);
                    if lead < 0x80 { NONE } else { table.get(index).copied().unwrap_or(NONE) }
                };
                match bytes[at + 1..] {
                    [] => break, // cut off
                    [second] if lead == 0x8f && !self.third.is_empty() && self.begins_third(second) => break,
                    [second, last, ..] if lead == 0x8f && !self.third.is_empty() => {
                        (pair(&self.third, second, last), 3)
                    }
                    [trail, ..] => (pair(&self.pairs, lead, trail), 2),
                }
            };
            match char::from_u32(meaning) {
                Some(meaning) => {
                    out.push(meaning);
                    at += length;
                }
                None => {
                    fine = false;
                    match malformed {
                        Malformed::Replace => out.push(char::REPLACEMENT_CHARACTER),
                        Malformed::Spell => out.push_str(&format!("\\x{lead:02X}")),
                    }
                    at += 1;
                }
            }
        }
        fine
    }

    fn begins_third(&self, second: u8) -> bool {
        let row = usize::from(second & 0x7f) << 8;
        second >= 0x80 && self.third[row..row + 256].iter().any(|meaning| *meaning != NONE)
    }
}

static CP936: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::GBK, t::CP936, t::CP936_GAPS));
static EUC_CN: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::GBK, t::EUC_CN, t::EUC_CN_GAPS));
static BIG5_ETEN: LazyLock<DoubleByte> =
    LazyLock::new(|| DoubleByte::new(encoding_rs::BIG5, t::BIG5_ETEN, t::BIG5_ETEN_GAPS));
static EUC_JP: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::EUC_JP, t::EUC_JP, t::EUC_JP_GAPS));
static SHIFT_JIS: LazyLock<DoubleByte> =
    LazyLock::new(|| DoubleByte::new(encoding_rs::SHIFT_JIS, t::SHIFT_JIS, t::SHIFT_JIS_GAPS));
static CP932: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::SHIFT_JIS, t::CP932, t::CP932_GAPS));
static EUC_KR: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::EUC_KR, t::EUC_KR, t::EUC_KR_GAPS));
static CP949: LazyLock<DoubleByte> = LazyLock::new(|| DoubleByte::new(encoding_rs::EUC_KR, t::CP949, t::CP949_GAPS));

/// By way of EUC-JP. Text ends at the first 8-bit byte, or at the first escape that is not understood.
fn iso_2022_jp(bytes: &[u8], out: &mut String) -> bool {
    #[derive(PartialEq)]
    enum Set {
        Ascii,
        Kanji,
        Supplement,
        Kana,
    }
    let bytes = &bytes[..bytes.iter().position(|b| *b >= 0x80).unwrap_or(bytes.len())];
    let mut euc = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut set = Set::Ascii;
    loop {
        let end = memchr::memchr(0x1b, rest).unwrap_or(rest.len());
        let chunk = &rest[..end];
        let high = |b: u8| if (0x21..=0x7e).contains(&b) { b | 0x80 } else { b };
        match set {
            Set::Ascii => euc.extend_from_slice(chunk),
            Set::Kanji => euc.extend(chunk.iter().map(|b| high(*b))),
            Set::Kana => {
                for byte in chunk.iter().map(|b| high(*b)) {
                    if (0xa1..=0xdf).contains(&byte) {
                        euc.push(0x8e);
                    }
                    euc.push(byte);
                }
            }
            Set::Supplement => {
                let mut chunk = chunk.iter().map(|b| high(*b)).peekable();
                while let Some(byte) = chunk.next() {
                    match chunk.peek() {
                        Some(trail) if byte >= 0xa1 && *trail >= 0xa1 => {
                            euc.extend_from_slice(&[0x8f, byte, *trail]);
                            chunk.next();
                        }
                        _ => euc.push(byte),
                    }
                }
            }
        }
        rest = &rest[end..];
        let escape = [
            (&b"\x1b$@"[..], Set::Kanji),
            (b"\x1b$B", Set::Kanji),
            (b"\x1b&@\x1b$B", Set::Kanji),
            (b"\x1b$(D", Set::Supplement),
            (b"\x1b(B", Set::Ascii),
            (b"\x1b(J", Set::Ascii),
            (b"\x1b(I", Set::Kana),
        ];
        match escape.into_iter().find(|(code, _)| rest.starts_with(code)) {
            Some((code, next)) => {
                rest = &rest[code.len()..];
                set = next;
            }
            None => break,
        }
    }
    EUC_JP.decode(&euc, out, Malformed::Spell);
    true
}

/// By way of EUC-KR.
fn iso_2022_kr(bytes: &[u8], out: &mut String) -> bool {
    let mut euc = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(byte) = rest.first() {
        match byte {
            0x1b if rest.starts_with(b"\x1b$)C") => rest = &rest[4..],
            0x1b => break,
            0x0e if let Some(end) = memchr::memchr(0x0f, rest) => {
                let shifted = rest[1..end].iter();
                euc.extend(shifted.map(|b| if (0x21..=0x7e).contains(b) { b | 0x80 } else { *b }));
                rest = &rest[end + 1..];
            }
            byte => {
                euc.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    EUC_KR.decode(&euc, out, Malformed::Spell);
    true
}

/// Text ends at the first thing that is not understood.
fn hz(bytes: &[u8], out: &mut String) -> bool {
    let mut fine = true;
    let mut chinese = false;
    let mut rest = bytes;
    loop {
        match *rest {
            [b'~', b'~', ..] if !chinese => {
                out.push('~');
                rest = &rest[2..];
            }
            [b'~', b'\n', ..] if !chinese => rest = &rest[2..],
            [b'~', b'{', ..] if !chinese => {
                chinese = true;
                rest = &rest[2..];
            }
            [byte @ (0..=0x7d | 0x7f), ..] if !chinese => {
                out.push(char::from(byte));
                rest = &rest[1..];
            }
            [b'~', b'}', ..] if chinese => {
                chinese = false;
                rest = &rest[2..];
            }
            [lead @ 0x21..=0x77, trail @ 0x21..=0x7e, ..] if chinese => {
                fine &= EUC_CN.decode(&[lead | 0x80, trail | 0x80], out, Malformed::Replace);
                rest = &rest[2..];
            }
            _ => return fine,
        }
    }
}

/// `+` begins base64 of UTF-16; all other bytes stand for themselves.
fn utf7(bytes: &[u8], out: &mut String) -> bool {
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'+' {
            out.push(char::from(*byte));
            continue;
        }
        let digits = tail.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        match (digits, tail.first()) {
            (0, Some(b'-')) => {
                out.push('+');
                rest = &tail[1..];
            }
            (0, _) => out.push('+'),
            _ => {
                utf16(&crate::mime::transfer::base64(&tail[..digits]), u16::from_be_bytes, out);
                rest = &tail[digits..];
                rest = rest.strip_prefix(b"-").unwrap_or(rest);
            }
        }
    }
    true
}

/// An odd byte at the end is dropped.
fn utf16(bytes: &[u8], order: fn([u8; 2]) -> u16, out: &mut String) -> bool {
    let units = bytes.chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
    let mut fine = true;
    for unit in char::decode_utf16(units) {
        fine &= unit.is_ok();
        let meaning = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
        let noncharacter = u32::from(meaning) & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&u32::from(meaning));
        fine &= !noncharacter;
        out.push(if noncharacter { char::REPLACEMENT_CHARACTER } else { meaning });
    }
    fine
}
