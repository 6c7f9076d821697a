//! Bytes to text by evidence: what the bytes are, not what the label says they are.
//!
//! In: bytes, the charset they were labelled with (a claim), and the charsets seen elsewhere in the same message.
//! Out: text, the charset found, and whether the label was wrong. Nothing here fails: bytes that are no text in any
//! charset come out with U+FFFD and a low confidence.
//!
//! Strict UTF-8 and ISO-2022 escapes prove themselves. For the rest each candidate decodes a sample, and the reading
//! wins that is the shortest message: the sum over its characters of `-log2 P(character | language)`, where the
//! probabilities are a handful of classes (hiragana, common kanji, syllables, accented letters after letters...). The
//! label and the context are priors, worth a few characters of evidence. A trained detector (chardetng) was the obvious
//! other way; it knows neither ISO-2022 nor labels, and cannot say by how much it is sure.
//!
//! This feeds the text view, reports and our own rules. The views that SpamAssassin's rules look at are decoded in
//! [`super::charset`], mojibake included, because those rules were written against it.

mod escapes;
mod frequent;
mod header;

pub use header::{decode_header_value, decode_parameter};

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_2022_JP, KOI8_R, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_874, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1255, WINDOWS_1256,
};
use frequent::{FREQUENT_HIRAGANA, FREQUENT_KATAKANA, Rank, Script, rank};
use memchr::memmem;
use std::borrow::Cow;

/// What a piece of text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    /// The charset found, by the name that a mail would give it: `utf-8`, `shift_jis`, `iso-2022-jp`...
    pub charset: &'static str,
    /// There was a label, and reading the bytes by it would have given other text.
    pub mismatch: bool,
    /// 0 to 100: how much more likely this reading is than the next one.
    pub confidence: u8,
}

/// Decode a body or any run of bytes. `declared` is the label, if there was one; `context` names charsets found
/// elsewhere in the message, which tip the scale where the bytes alone say little.
pub fn decode(bytes: &[u8], declared: Option<&str>, context: &[&str]) -> Decoded {
    decode_cut(bytes, declared, context, &[])
}

/// [`decode`] for joined encoded-words, which began at `cuts`.
fn decode_cut(bytes: &[u8], declared: Option<&str>, context: &[&str], cuts: &[usize]) -> Decoded {
    let label = declared.map_or(Label::None, Label::parse);
    if let Some(found) = utf16(bytes, label) {
        return found;
    }
    let ascii = bytes.is_ascii();
    if let Some((text, charset)) = seven_bit(bytes, ascii, label, context, cuts) {
        return Decoded { text, charset, mismatch: !label.agrees(charset), confidence: 95 };
    }
    if ascii {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Decoded { text, charset: "us-ascii", mismatch: false, confidence: 100 };
    }
    eight_bit(bytes, label, context)
}

// ---- labels ----------------------------------------------------------------------------------------------------------

/// A charset label, understood.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Label {
    None,
    Unknown,
    Ascii,
    Iso2022Kr,
    Iso2022Cn,
    Hz,
    Utf7,
    /// ISO-2022-JP, UTF-8, UTF-16 and everything that encoding_rs knows.
    Encoding(&'static Encoding),
}

impl Label {
    fn parse(label: &str) -> Label {
        let label = label.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';'));
        let mut name = [0u8; 24];
        if label.len() > name.len() {
            return Label::Unknown;
        }
        let name = &mut name[..label.len()];
        for (to, from) in name.iter_mut().zip(label.bytes()) {
            *to = if from == b'_' { b'-' } else { from.to_ascii_lowercase() };
        }
        match &*name {
            b"" => Label::None,
            b"us-ascii" | b"ascii" | b"ansi-x3.4-1968" | b"iso646-us" | b"7bit" | b"us" => Label::Ascii,
            b"cp932" | b"ms932" | b"sjis" | b"x-ms-cp932" | b"sjis-win" | b"cp943" | b"windows-932" => {
                Label::Encoding(SHIFT_JIS)
            }
            b"iso-2022-jp-1" | b"iso-2022-jp-2" | b"iso-2022-jp-3" | b"iso-2022-jp-ms" | b"iso-2022-jp-2004"
            | b"jis" | b"cp50220" | b"cp50221" | b"cp50222" | b"iso2022jp" | b"iso2022-jp" => {
                Label::Encoding(ISO_2022_JP)
            }
            b"cp51932" | b"euc-jp-ms" | b"eucjp-ms" | b"eucjp" | b"eucjp-win" | b"ujis" => Label::Encoding(EUC_JP),
            b"cp936" | b"ms936" | b"windows-936" | b"euc-cn" | b"gb" | b"gb18030-2000" => Label::Encoding(GB18030),
            b"cp950" | b"ms950" | b"windows-950" | b"big5hkscs" | b"big5-eten" | b"big-5" => Label::Encoding(BIG5),
            b"cp949" | b"ms949" | b"uhc" | b"ks-c-5601" | b"euckr" => Label::Encoding(EUC_KR),
            b"iso-2022-kr" | b"csiso2022kr" => Label::Iso2022Kr,
            b"iso-2022-cn" | b"iso-2022-cn-ext" => Label::Iso2022Cn,
            b"hz-gb-2312" | b"hz" => Label::Hz,
            b"utf-7" | b"utf7" | b"unicode-1-1-utf-7" | b"x-utf-7" => Label::Utf7,
            b"utf" | b"utf8mb4" | b"unicode" | b"utf-8n" | b"x-utf-8" => Label::Encoding(UTF_8),
            b"utf-16" => Label::Encoding(UTF_16BE),
            b"unknown-8bit" | b"x-unknown" | b"unknown" | b"default" | b"default-charset" => Label::Unknown,
            _ => Encoding::for_label_no_replacement(label.as_bytes())
                .or_else(|| Encoding::for_label_no_replacement(name))
                .map_or(Label::Unknown, Label::Encoding),
        }
    }

    /// Is text in `charset` what this label promises? No label promises nothing.
    fn agrees(self, charset: &str) -> bool {
        match self {
            Label::None | Label::Unknown => true,
            Label::Ascii => charset == "us-ascii",
            Label::Iso2022Kr => charset == "iso-2022-kr",
            Label::Iso2022Cn => charset == "iso-2022-cn",
            Label::Hz => charset == "hz-gb-2312",
            Label::Utf7 => charset == "utf-7",
            Label::Encoding(e) => match name_of(e) {
                own if own == charset => true,
                "utf-16le" | "utf-16be" => charset.starts_with("utf-16"),
                "gb18030" => matches!(charset, "us-ascii" | "hz-gb-2312"),
                _ => charset == "us-ascii",
            },
        }
    }

    fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Label::Encoding(e) if e == GBK => Some(GB18030),
            Label::Encoding(e) => Some(e),
            Label::Ascii => Some(WINDOWS_1252),
            _ => None,
        }
    }
}

fn name_of(encoding: &'static Encoding) -> &'static str {
    match encoding {
        e if e == UTF_8 => "utf-8",
        e if e == SHIFT_JIS => "shift_jis",
        e if e == EUC_JP => "euc-jp",
        e if e == ISO_2022_JP => "iso-2022-jp",
        e if e == GB18030 || e == GBK => "gb18030",
        e if e == BIG5 => "big5",
        e if e == EUC_KR => "euc-kr",
        e if e == KOI8_R => "koi8-r",
        e if e == UTF_16BE => "utf-16be",
        e if e == UTF_16LE => "utf-16le",
        e => e.name(),
    }
}

// ---- proofs: byte order marks, escapes ---------------------------------------------------------------------------------

fn utf16(bytes: &[u8], label: Label) -> Option<Decoded> {
    let (encoding, body) = match bytes {
        [0xFF, 0xFE, body @ ..] if body.len() % 2 == 0 => (UTF_16LE, body),
        [0xFE, 0xFF, body @ ..] if body.len() % 2 == 0 => (UTF_16BE, body),
        [] => return None,
        _ => {
            let sample = &bytes[..bytes.len().min(512) & !1];
            let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|&&b| b == 0).count();
            let labelled = matches!(label, Label::Encoding(e) if e == UTF_16BE || e == UTF_16LE);
            let (even, odd, half) = if labelled || sample.contains(&0) {
                (zeros(0), zeros(1), sample.len() / 2)
            } else {
                return None;
            };
            if odd * 5 > half && even * 10 < half {
                (UTF_16LE, bytes)
            } else if even * 5 > half && odd * 10 < half {
                (UTF_16BE, bytes)
            } else if labelled && half > 0 {
                // no Latin letters in it: the order that gives less strange text
                let read = |e: &'static Encoding| cost(&e.decode_without_bom_handling(sample).0, Model::Any);
                let plain = cost(&String::from_utf8_lossy(sample), Model::Any);
                let (le, be) = (read(UTF_16LE), read(UTF_16BE));
                match plain <= le.min(be) {
                    true => return None,
                    false if le < be => (UTF_16LE, bytes),
                    false => (UTF_16BE, bytes),
                }
            } else {
                return None;
            }
        }
    };
    let text = encoding.decode_without_bom_handling(body).0.into_owned();
    let charset = name_of(encoding);
    Some(Decoded { text, charset, mismatch: !label.agrees(charset), confidence: 90 })
}

/// Charsets made of 7-bit bytes, which "it is all ASCII" would miss.
fn seven_bit(
    bytes: &[u8],
    ascii: bool,
    label: Label,
    context: &[&str],
    cuts: &[usize],
) -> Option<(String, &'static str)> {
    let expected = label == Label::Encoding(ISO_2022_JP) || context.contains(&"iso-2022-jp");
    let restored =
        if memchr::memchr(0x1B, bytes).is_none() && ascii { escapes::restore(bytes, expected) } else { None };
    let (bytes, cuts) = match &restored {
        Some(restored) => (&restored[..], &[][..]),
        None => (bytes, cuts),
    };
    if memchr::memchr(0x1B, bytes).is_some()
        && let Some(charset) = escapes::designated(bytes)
    {
        let text = escapes::decode_iso2022(bytes, cuts, |run, out| match std::str::from_utf8(run) {
            Ok(text) => out.push_str(text),
            // JIS X 0201's right half, unless it makes better Shift_JIS or EUC
            Err(_) => out.push_str(&eight_bit(run, Label::None, &[charset]).text),
        });
        return Some((text, charset));
    }
    if !ascii {
        return None;
    }
    if label == Label::Utf7
        && let Some(text) = escapes::decode_utf7(bytes)
    {
        return Some((text, "utf-7"));
    }
    if memmem::find(bytes, b"~{").is_some()
        && let Some(text) = escapes::decode_hz(bytes, label == Label::Hz)
    {
        return Some((text, "hz-gb-2312"));
    }
    None
}

// ---- weighing ----------------------------------------------------------------------------------------------------------

/// Bytes with the eighth bit set and no proof but perhaps valid UTF-8.
fn eight_bit(bytes: &[u8], label: Label, context: &[&str]) -> Decoded {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && !doubtful_utf8(text, label)
    {
        return Decoded {
            text: text.to_owned(),
            charset: "utf-8",
            mismatch: !label.agrees("utf-8") && !text.is_ascii(),
            confidence: 99,
        };
    }
    let sample = sample(bytes);
    let (mut best, mut second) = (Candidate { cost: i64::MAX, encoding: WINDOWS_1252 }, i64::MAX);
    for &(encoding, model, prior) in CANDIDATES {
        let declared = label.encoding() == Some(encoding);
        let prior = prior - if declared { DECLARED } else { 0 } - context_bonus(encoding, context);
        weigh(&sample, encoding, model, prior, &mut best, &mut second);
    }
    // labels outside the table: Western, Central European, Turkish, Baltic...
    if let Some(encoding) = label.encoding()
        && !CANDIDATES.iter().any(|&(e, ..)| e == encoding)
        && encoding.is_single_byte()
    {
        weigh(&sample, encoding, Model::Latin, -DECLARED, &mut best, &mut second);
    }
    if let Some(cost) = nearly_utf8(&sample, label) {
        (best, second) =
            if cost < best.cost { (Candidate { cost, encoding: UTF_8 }, best.cost) } else { (best, second.min(cost)) };
    }
    let text = best.encoding.decode_without_bom_handling(bytes).0.into_owned();
    let charset = name_of(best.encoding);
    let mismatch = !label.agrees(charset) && !same_reading(label, bytes, &text);
    let confidence = ((second.saturating_sub(best.cost)) / 8).clamp(1, 98) as u8;
    Decoded { text, charset, mismatch, confidence }
}

#[derive(Clone, Copy)]
struct Candidate {
    cost: i64,
    encoding: &'static Encoding,
}

/// Costs are tenths of a bit. A label is worth one or two characters of evidence, a context one.
const DECLARED: i64 = 150;

/// Encodings to weigh, the language expected in them, and what it costs to assume them unasked.
static CANDIDATES: &[(&Encoding, Model, i64)] = &[
    (SHIFT_JIS, Model::Japanese, 0),
    (EUC_JP, Model::Japanese, 10),
    (GB18030, Model::Simplified, 0),
    (GB18030, Model::JapaneseInGb, 60),
    (BIG5, Model::Traditional, 10),
    (EUC_KR, Model::Korean, 10),
    (WINDOWS_1252, Model::Latin, 0),
    (WINDOWS_1251, Model::Cyrillic, 50),
    (KOI8_R, Model::Cyrillic, 50),
    (IBM866, Model::Cyrillic, 90),
    (WINDOWS_1253, Model::Letters(0x370, 0x3FF), 80),
    (WINDOWS_1255, Model::Letters(0x590, 0x5FF), 80),
    (WINDOWS_1256, Model::Letters(0x600, 0x6FF), 80),
    (WINDOWS_874, Model::Letters(0xE00, 0xE7F), 80),
];

fn weigh(sample: &[u8], encoding: &'static Encoding, model: Model, prior: i64, best: &mut Candidate, second: &mut i64) {
    let cost = cost(&encoding.decode_without_bom_handling(sample).0, model) + prior;
    if cost < best.cost {
        if best.encoding != encoding {
            *second = best.cost;
        }
        *best = Candidate { cost, encoding };
    } else if best.encoding != encoding {
        *second = cost.min(*second);
    }
}

fn context_bonus(encoding: &'static Encoding, context: &[&str]) -> i64 {
    let language = |charset: &str| match charset {
        "shift_jis" | "euc-jp" | "iso-2022-jp" => 1,
        "gb18030" | "hz-gb-2312" | "iso-2022-cn" => 2,
        "big5" => 3,
        "euc-kr" | "iso-2022-kr" => 4,
        "windows-1251" | "koi8-r" | "IBM866" => 5,
        _ => 0,
    };
    let own = name_of(encoding);
    let kin = language(own);
    context
        .iter()
        .map(|charset| {
            if *charset == own {
                120
            } else if kin != 0 && language(charset) == kin {
                80
            } else {
                0
            }
        })
        .max()
        .unwrap_or(0)
}

/// A few two-byte sequences that are valid UTF-8 may be something else if the label says so and makes better text.
fn doubtful_utf8(text: &str, label: Label) -> bool {
    let Some(encoding) = label.encoding().filter(|&e| e != UTF_8 && !e.is_single_byte()) else { return false };
    let foreign = text.chars().filter(|c| !c.is_ascii());
    if foreign.clone().count() > 6 || foreign.clone().any(|c| c > '\u{7FF}') {
        return false;
    }
    let (other, errors) = encoding.decode_without_bom_handling(text.as_bytes());
    let model = CANDIDATES.iter().find(|&&(e, ..)| e == encoding).map_or(Model::Any, |&(_, model, _)| model);
    !errors && cost(&other, model) < cost(text, Model::Any)
}

/// UTF-8 with a few bytes broken (cut at a limit, one bad byte in a signature) is still UTF-8.
fn nearly_utf8(sample: &[u8], label: Label) -> Option<i64> {
    let (mut good, mut bad) = (0i64, 0i64);
    for chunk in sample.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count() as i64;
        bad += i64::from(!chunk.invalid().is_empty());
    }
    let declared = label.encoding() == Some(UTF_8);
    if good < 2 * bad || good == 0 {
        return None;
    }
    Some(cost(&String::from_utf8_lossy(sample), Model::Any) - bad * 250 - if declared { DECLARED } else { 0 })
}

/// Lines that hold 8-bit bytes, whole, up to a few kilobytes: enough to judge, and the same cost for any size.
fn sample(bytes: &[u8]) -> Cow<'_, [u8]> {
    const ENOUGH: usize = 2_048;
    if bytes.len() <= ENOUGH {
        return Cow::Borrowed(bytes);
    }
    let mut sample = Vec::with_capacity(ENOUGH);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if !line.is_ascii() {
            sample.extend_from_slice(&line[..line.len().min(ENOUGH)]);
            if sample.len() >= ENOUGH {
                break;
            }
        }
    }
    Cow::Owned(sample)
}

fn same_reading(label: Label, bytes: &[u8], text: &str) -> bool {
    label != Label::Ascii
        && label.encoding().is_some_and(|e| {
            let (other, errors) = e.decode_without_bom_handling(bytes);
            !errors && other == text
        })
}

// ---- what text is likely -------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Japanese,
    /// Japanese written with a Chinese charset: kana, and kanji as far as GBK has them.
    JapaneseInGb,
    Simplified,
    Traditional,
    Korean,
    Latin,
    Cyrillic,
    /// Any script without case in one block of Unicode.
    Letters(u32, u32),
    Any,
}

/// `-log2` of the text's probability under the model, in tenths of a bit.
fn cost(text: &str, model: Model) -> i64 {
    let mut total = 0;
    let mut before = '\n';
    for c in text.chars() {
        let single = if c.is_ascii() { ascii(c, before, model) } else { foreign(c, before, model) };
        total += if c == before && c != '\u{FFFD}' { single.min(25) } else { single };
        before = c;
    }
    total
}

fn ascii(c: char, before: char, model: Model) -> i64 {
    let wide = !before.is_ascii()
        && matches!(
            model,
            Model::Japanese | Model::JapaneseInGb | Model::Simplified | Model::Traditional | Model::Korean
        );
    let mixed = c.is_ascii_alphabetic()
        && !before.is_ascii()
        && matches!(model, Model::Cyrillic | Model::Letters(..))
        && before.is_alphabetic();
    let plain = match c {
        'a'..='z' | ' ' | '\n' | '\r' | '\t' => 45,
        'A'..='Z' | '0'..='9' => 55,
        ' '..='~' => 60,
        _ => 200,
    };
    let switch = match c {
        'a'..='z' | 'A'..='Z' if wide => 25,
        _ if mixed => 50,
        ' ' if wide && model == Model::Korean => -20,
        _ => 0,
    };
    plain + switch
}

fn foreign(c: char, before: char, model: Model) -> i64 {
    if c == '\u{FFFD}' {
        return 400;
    }
    let after_letter = if before.is_ascii_alphabetic() { 30 } else { 0 };
    match model {
        Model::Japanese => after_letter + japanese(c, before, Script::Japanese),
        Model::JapaneseInGb => {
            after_letter
                + match japanese(c, before, Script::Japanese) {
                    strange @ 140.. if rank(c, Script::Simplified) == Rank::Common => strange.min(150),
                    likely => likely,
                }
        }
        Model::Simplified => after_letter + chinese(c, Script::Simplified),
        Model::Traditional => after_letter + chinese(c, Script::Traditional),
        Model::Korean => after_letter + korean(c),
        Model::Latin => latin(c, before),
        Model::Cyrillic => after_letter + cyrillic(c, before),
        Model::Letters(first, last) => after_letter + letters(c, before, first..=last),
        Model::Any => any(c),
    }
}

fn japanese(c: char, before: char, script: Script) -> i64 {
    let katakana = |c| ('\u{30A1}'..='\u{30FC}').contains(&c);
    let half_width = |c| ('\u{FF61}'..='\u{FF9F}').contains(&c);
    match c {
        '\u{3041}'..='\u{3093}' if FREQUENT_HIRAGANA.contains(c) => 60,
        '\u{3041}'..='\u{3096}' => 85,
        '\u{30A1}'..='\u{30FC}' => {
            let usual = if FREQUENT_KATAKANA.contains(c) { 75 } else { 90 };
            if katakana(before) { usual - 10 } else { usual }
        }
        '、' | '。' | '\u{3000}' => 65,
        '「' | '」' | '（' | '）' | '！' | '？' | '：' | '／' | '【' | '】' | '～' | '〜' | '々' | '，' | '．' => {
            85
        }
        '\u{FF01}'..='\u{FF5E}' => 100,
        _ if half_width(c) => {
            if half_width(before) {
                62
            } else {
                125
            }
        }
        '\u{2500}'..='\u{25FF}' | '★' | '☆' | '※' | '→' | '←' | '↓' | '↑' | '♪' | '―' | '…' | '‥' | '〒' => {
            95
        }
        '①'..='⑳' | 'Ⅰ'..='Ⅹ' | '№' | '㈱' | '㈲' | '℡' => 120,
        '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' => match rank(c, script) {
            Rank::Common => 103,
            Rank::Known => 135,
            Rank::Rare => 170,
            Rank::Foreign => 185,
        },
        '\u{3001}'..='\u{30FF}' | '\u{3220}'..='\u{33FF}' => 120,
        '\u{370}'..='\u{45F}' | '\u{2010}'..='\u{24FF}' | '\u{A7}'..='\u{F7}' => 145,
        '\u{E000}'..='\u{F8FF}' => 185,
        _ => 200,
    }
}

fn chinese(c: char, script: Script) -> i64 {
    match c {
        '，' | '。' => 65,
        '、' | '：' | '（' | '）' | '！' | '？' | '；' | '“' | '”' | '《' | '》' | '「' | '」' | '\u{3000}' | '【'
        | '】' => 85,
        '\u{FF01}'..='\u{FF5E}' => 105,
        '\u{4E00}'..='\u{9FFF}' => match rank(c, script) {
            Rank::Common => 92,
            Rank::Known => 128,
            Rank::Rare => 168,
            Rank::Foreign => 190,
        },
        '\u{2500}'..='\u{25FF}' | '★' | '※' | '…' | '—' | '·' | '‘' | '’' => 105,
        '①'..='⑳' | '\u{3105}'..='\u{3129}' => 140,
        '\u{3041}'..='\u{30FF}' => 175,
        '\u{A0}'..='\u{4FF}' | '\u{2010}'..='\u{24FF}' => 150,
        '\u{E000}'..='\u{F8FF}' => 230,
        _ => 230,
    }
}

fn korean(c: char) -> i64 {
    match c {
        '\u{AC00}'..='\u{D7A3}' => match rank(c, Script::Korean) {
            Rank::Common => 72,
            Rank::Known => 118,
            _ => 170,
        },
        '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' => 165,
        '\u{FF01}'..='\u{FF5E}' => 120,
        '\u{2500}'..='\u{25FF}' | '★' | '※' | '…' | '·' | '“' | '”' | '‘' | '’' | '「' | '」' | '、' | '。' => {
            110
        }
        '\u{3131}'..='\u{318E}' => 120,
        '\u{3041}'..='\u{30FF}' => 175,
        '\u{A0}'..='\u{4FF}' | '\u{2010}'..='\u{24FF}' => 150,
        _ => 220,
    }
}

fn latin(c: char, before: char) -> i64 {
    let twice = if before.is_ascii() { 0 } else { 18 };
    twice
        + match c {
            'é' | 'è' | 'à' | 'ç' | 'ô' | 'ê' | 'â' | 'û' | 'ù' | 'î' | 'ü' | 'ö' | 'ä' | 'ß' | 'ñ' | 'á' | 'í'
            | 'ó' | 'ú' | 'ã' | 'õ' | 'å' | 'ø' | 'æ' => 65,
            '’' => 60,
            '\u{A0}' => 70,
            '\u{AD}' => 95,
            '“' | '”' | '–' | '—' | '•' | '…' | '‘' | '£' | '€' | '©' | '®' | '°' | '·' | '«' | '»' | '™' => {
                80
            }
            'À'..='Þ' => {
                if before.is_ascii_lowercase() {
                    150
                } else {
                    90
                }
            }
            'ß'..='ÿ' | '\u{100}'..='\u{17F}' => 85,
            '\u{80}'..='\u{9F}' => 320,
            _ => 130,
        }
}

/// What the first letter of a word costs more, in scripts that few mails are written in: a lone letter among ASCII is
/// rather a symbol of another charset.
const NEW_WORD: i64 = 45;

fn cyrillic(c: char, before: char) -> i64 {
    let letter = |c| ('\u{401}'..='\u{45F}').contains(&c);
    let small = |c| ('\u{430}'..='\u{45F}').contains(&c);
    let new_word = if letter(c) && !letter(before) { NEW_WORD } else { 0 };
    new_word
        + match c {
            'о' | 'е' | 'а' | 'и' | 'н' | 'т' | 'с' | 'р' | 'в' | 'л' | 'к' | 'м' => 45,
            _ if small(c) => 65,
            '\u{401}'..='\u{42F}' => {
                if small(before) {
                    150
                } else {
                    80
                }
            }
            '«' | '»' | '–' | '—' | '№' | '…' | '\u{A0}' | '“' | '”' => 85,
            '\u{80}'..='\u{9F}' => 320,
            _ => 150,
        }
}

fn letters(c: char, before: char, block: std::ops::RangeInclusive<u32>) -> i64 {
    let inside = |c| block.contains(&(c as u32));
    let new_word = if inside(c) && !inside(before) { NEW_WORD } else { 0 };
    new_word
        + match c {
            _ if inside(c) => {
                if before.is_lowercase() && c.is_uppercase() {
                    140
                } else {
                    60
                }
            }
            '«' | '»' | '–' | '—' | '…' | '\u{A0}' | '“' | '”' | '،' => 90,
            '\u{80}'..='\u{9F}' => 320,
            _ => 160,
        }
}

fn any(c: char) -> i64 {
    match c {
        '\u{3041}'..='\u{30FF}' => 90,
        '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF9F}' => 100,
        '\u{4E00}'..='\u{9FFF}' => {
            let best =
                [Script::Japanese, Script::Simplified, Script::Traditional].map(|s| rank(c, s)).into_iter().max();
            match best {
                Some(Rank::Common) => 115,
                Some(Rank::Known) => 145,
                _ => 180,
            }
        }
        '\u{AC00}'..='\u{D7A3}' => 110,
        '\u{80}'..='\u{9F}' => 320,
        '\u{A0}'..='\u{17F}' | '\u{370}'..='\u{6FF}' | '\u{E00}'..='\u{E7F}' => 90,
        '\u{2010}'..='\u{27BF}' => 110,
        '\u{1F000}'..='\u{1FAFF}' => 140,
        '\u{FE0F}' | '\u{200B}'..='\u{200D}' => 90,
        _ => 230,
    }
}
