//! Charset names: which go with the locales an administrator reads, and which make plain text look like capitals.

use super::perl;
use super::values;
use crate::check::Context;

/// `ok_locales`, split.
pub fn ok_locales(cx: &Context<'_>) -> Vec<String> {
    values::words(&cx.settings.ok_locales)
}

pub fn all_ok(locales: &[String]) -> bool {
    locales.iter().any(|l| l == "all")
}

/// Charsets beyond the Roman ones that each locale uses, without punctuation. From SpamAssassin's Locales.pm.
const CHARSETS: &[(&str, &[&str])] = &[
    ("ja", JAPANESE),
    ("ko", &["EUCKR", "KSC56011987"]),
    ("ru", CYRILLIC),
    ("ka", CYRILLIC),
    ("tg", CYRILLIC),
    ("be", CYRILLIC),
    ("uk", CYRILLIC),
    ("bg", CYRILLIC),
    ("th", &["TIS620"]),
    ("zh", &["GB1988", "GB2312", "GB231219800", "GB18030", "GBK", "BIG5HKSCS", "BIG5", "EUCTW", "ISO2022CN"]),
];
const JAPANESE: &[&str] = &[
    "EUCJP",
    "JISX020119760",
    "JISX020819830",
    "JISX020819900",
    "JISX020819970",
    "JISX021219900",
    "JISX021320001",
    "JISX021320002",
    "SHIFT_JIS",
    "SHIFTJIS",
    "ISO2022JP",
    "SJIS",
    "JIS7",
    "JISX0201",
    "JISX0208",
    "JISX0212",
];
const CYRILLIC: &[&str] = &["KOI8R", "KOI8U", "KOI8T", "ISOIR111", "CP1251", "GEORGIANPS", "PT154", "CP866"];

/// Whether mail in this charset is to be expected in one of the locales.
pub fn ok_for_locales(charset: &[u8], locales: &[String]) -> bool {
    let name: String =
        charset.iter().map(u8::to_ascii_uppercase).filter(u8::is_ascii_alphanumeric).map(char::from).collect();
    let name = name.strip_prefix("3D").unwrap_or(&name);
    const ROMAN: [&str; 6] = ["ISO8859", "ISO10646", "UTF", "UCS", "CP125", "WINDOWS"];
    if matches!(name, "USASCII" | "ASCII" | "IBM852" | "XUNKNOWN" | "ISO")
        || ROMAN.iter().any(|prefix| name.starts_with(prefix))
        || name.starts_with("UNICODE11UTF7")
        || name.starts_with("UNICODE11UTF8")
    {
        return true;
    }
    locales.iter().any(|locale| {
        let locale = match locale.as_bytes() {
            [a, b, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => &locale[..2],
            _ => locale,
        };
        CHARSETS.iter().any(|(l, charsets)| *l == locale && charsets.contains(&name))
    })
}

/// `charset=` of a Content-Type value as a careless reader finds it.
pub fn of_content_type(value: &[u8]) -> Option<&[u8]> {
    let quoted = |quote: u8| {
        let mut from = 0;
        while let Some(at) = perl::find_ignoring_case(&value[from..], b"charset=") {
            let start = from + at + 8;
            if value.get(start) == Some(&quote)
                && let Some(length) = memchr::memchr(quote, &value[start + 1..]).filter(|n| *n > 0)
            {
                return Some(&value[start + 1..start + 1 + length]);
            }
            from = start;
        }
        None
    };
    quoted(b'"').or_else(|| quoted(b'\'')).or_else(|| {
        let start = perl::find_ignoring_case(value, b"charset=")? + 8;
        let length = value[start..].iter().take_while(|b| !perl::is_space(**b)).count();
        (length > 0).then(|| &value[start..start + length])
    })
}

/// Charsets whose encoded form is full of capitals: counting capitals in it says nothing.
pub fn looks_like_capitals(charset: &[u8]) -> bool {
    const PARTS: [&[u8]; 11] =
        [b"koi", b"jp", b"jis", b"euc", b"gb", b"big5", b"isoir", b"cp1251", b"windows-1251", b"georgianps", b"pt154"];
    let charset = perl::chomp(charset);
    charset.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && (PARTS.iter().any(|part| perl::find_ignoring_case(charset, part).is_some())
            || perl::find_ignoring_case(charset, b"tis").is_some())
}

/// Whether a raw header value holds an encoded word in such a charset.
pub fn encoded_word_in_capitals(raw: &[u8]) -> bool {
    memchr::memmem::find_iter(raw, b"=?").any(|at| {
        let rest = &raw[at + 2..];
        memchr::memchr(b'?', rest).is_some_and(|end| looks_like_capitals(&rest[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_for_readers() {
        let locales = |t: &str| t.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(ok_for_locales(b"iso-8859-15", &locales("en")));
        assert!(ok_for_locales(b"iso-2022-jp", &locales("en ja")));
        assert!(ok_for_locales(b"Shift_JIS", &locales("ja")));
        assert!(!ok_for_locales(b"koi8-r", &locales("en ja")));
        assert!(ok_for_locales(b"koi8-r", &locales("ru")));
    }

    #[test]
    fn charset_of_a_content_type() {
        assert_eq!(of_content_type(b"text/plain; charset=\"koi8-r\"\n"), Some(&b"koi8-r"[..]));
        assert_eq!(of_content_type(b"text/plain; Charset='x y'\n"), Some(&b"x y"[..]));
        assert_eq!(of_content_type(b"text/plain; charset=gb2312;\n"), Some(&b"gb2312;"[..]));
        assert_eq!(of_content_type(b"text/plain\n"), None);
    }

    #[test]
    fn capitals() {
        assert!(looks_like_capitals(b"ISO-2022-JP"));
        assert!(!looks_like_capitals(b"iso-8859-1"));
        assert!(!looks_like_capitals(b"gb2312;"));
        assert!(encoded_word_in_capitals(b"Re: =?iso-2022-jp?B?GyRC?=\n"));
        assert!(!encoded_word_in_capitals(b"=?utf-8?B?GyRC?=\n"));
    }
}
