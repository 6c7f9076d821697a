//! Character references, decoded as HTML::Parser does: HTML 4 names, numbers with or without `;`, in text also names
//! that run on into a word (`&ampfoo`).

use super::Coding;
use super::perl::{Text, latin1_to_utf8};
use memchr::memchr;
use std::borrow::Cow;

/// Decodes `raw`. `prefix`: accept a name followed by more letters (text, not attributes).
pub(super) fn decode<'a>(raw: &'a [u8], coding: Coding, prefix: bool) -> Text<'a> {
    let raw = match coding {
        Coding::Octets if std::str::from_utf8(raw).is_err() => Cow::Owned(latin1_to_utf8(raw)),
        _ => Cow::Borrowed(raw),
    };
    let wide = coding == Coding::Wide;
    let Some(first) = memchr(b'&', &raw) else { return Text { bytes: raw, wide } };
    let mut out = Vec::with_capacity(raw.len());
    let wide = decode_into(&raw, first, wide, prefix, &mut out);
    Text { bytes: Cow::Owned(out), wide: wide && coding != Coding::Octets }
}

fn decode_into(raw: &[u8], first: usize, mut wide: bool, prefix: bool, out: &mut Vec<u8>) -> bool {
    let mut high_surrogate = 0;
    let mut next = Some(first);
    let mut done = 0;
    while let Some(amp) = next {
        out.extend_from_slice(&raw[done..amp]);
        let mut s = amp + 1;
        let mut found;
        if raw.get(s) == Some(&b'#') {
            s += 1;
            let number;
            (number, s) = numeric(raw, s);
            found = match number {
                None | Some(0 | 0xfffe | 0xffff) => None,
                Some(n @ 0xdc00..=0xdfff) if high_surrogate != 0 => {
                    out.truncate(out.len() - 3); // U+FFFD, put there for the first half
                    let n = (high_surrogate - 0xd800) * 0x400 + (n - 0xdc00) + 0x10000;
                    high_surrogate = 0;
                    Some(n)
                }
                Some(0xdc00..=0xdfff) => Some(0xfffd),
                Some(n @ 0xd800..=0xdbff) => {
                    high_surrogate = n;
                    Some(0xfffd)
                }
                Some(n) => {
                    high_surrogate = 0;
                    let bad = matches!(n, 0xfdd0..=0xfdef) || n & 0xfffe == 0xfffe;
                    Some(if bad { 0xfffd } else { n })
                }
            };
        } else {
            high_surrogate = 0;
            let name = s;
            while s < raw.len() && (raw[s].is_ascii_alphanumeric() || raw[s] == b'_') {
                s += 1;
            }
            found = named(&raw[name..s], raw.get(s) == Some(&b';'));
            if found.is_none() && prefix {
                let longest = (s - name).saturating_sub(1).min(LONGEST);
                for len in (1..=longest).rev() {
                    found = named(&raw[name..name + len], false);
                    if found.is_some() {
                        s = name + len;
                        break;
                    }
                }
            }
        }
        match found.and_then(char::from_u32) {
            Some(c) => {
                if raw.get(s) == Some(&b';') {
                    s += 1;
                }
                if raw.get(s) != Some(&b'&') {
                    high_surrogate = 0;
                }
                wide |= c as u32 > 255;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            None => {
                out.extend_from_slice(&raw[amp..s]);
                high_surrogate = 0;
            }
        }
        done = s;
        next = memchr(b'&', &raw[s..]).map(|p| s + p);
    }
    out.extend_from_slice(&raw[done..]);
    wide
}

/// After `&#`: the number, if it is one within Unicode's range, and where reading stopped.
fn numeric(raw: &[u8], mut s: usize) -> (Option<u32>, usize) {
    let mut number: u32 = 0;
    let mut ok = false;
    let radix = if matches!(raw.get(s), Some(b'x' | b'X')) { 16 } else { 10 };
    s += usize::from(radix == 16);
    while let Some(&b) = raw.get(s) {
        let Some(digit) = char::from(b).to_digit(radix) else { break };
        number = number * radix + digit;
        if number > 0x10_ffff {
            return (None, s);
        }
        s += 1;
        ok = true;
    }
    (ok.then_some(number), s)
}

fn named(name: &[u8], semicolon: bool) -> Option<u32> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let first = usize::from(name[0]).min(127);
    let same_letter = &NAMES[usize::from(STARTS[first])..usize::from(STARTS[first + 1])];
    let &(_, c, needs_semicolon) = same_letter.iter().find(|(n, _, _)| *n == name)?;
    (semicolon || !needs_semicolon).then_some(c)
}

const LONGEST: usize = 8;

/// Where in [`NAMES`] the names that begin with a letter begin.
static STARTS: [u8; 129] = {
    let mut starts = [0; 129];
    let mut letter = 0;
    let mut i = 0;
    while letter < starts.len() {
        while i < NAMES.len() && (NAMES[i].0[0] as usize) < letter {
            i += 1;
        }
        starts[letter] = i as u8;
        letter += 1;
    }
    starts
};

/// Name, character, and whether the name counts only with its `;`. Sorted.
const NAMES: [(&[u8], u32, bool); 253] = [
    (b"AElig", 0xc6, false),
    (b"Aacute", 0xc1, false),
    (b"Acirc", 0xc2, false),
    (b"Agrave", 0xc0, false),
    (b"Alpha", 0x391, true),
    (b"Aring", 0xc5, false),
    (b"Atilde", 0xc3, false),
    (b"Auml", 0xc4, false),
    (b"Beta", 0x392, true),
    (b"Ccedil", 0xc7, false),
    (b"Chi", 0x3a7, true),
    (b"Dagger", 0x2021, true),
    (b"Delta", 0x394, true),
    (b"ETH", 0xd0, false),
    (b"Eacute", 0xc9, false),
    (b"Ecirc", 0xca, false),
    (b"Egrave", 0xc8, false),
    (b"Epsilon", 0x395, true),
    (b"Eta", 0x397, true),
    (b"Euml", 0xcb, false),
    (b"Gamma", 0x393, true),
    (b"Iacute", 0xcd, false),
    (b"Icirc", 0xce, false),
    (b"Igrave", 0xcc, false),
    (b"Iota", 0x399, true),
    (b"Iuml", 0xcf, false),
    (b"Kappa", 0x39a, true),
    (b"Lambda", 0x39b, true),
    (b"Mu", 0x39c, true),
    (b"Ntilde", 0xd1, false),
    (b"Nu", 0x39d, true),
    (b"OElig", 0x152, true),
    (b"Oacute", 0xd3, false),
    (b"Ocirc", 0xd4, false),
    (b"Ograve", 0xd2, false),
    (b"Omega", 0x3a9, true),
    (b"Omicron", 0x39f, true),
    (b"Oslash", 0xd8, false),
    (b"Otilde", 0xd5, false),
    (b"Ouml", 0xd6, false),
    (b"Phi", 0x3a6, true),
    (b"Pi", 0x3a0, true),
    (b"Prime", 0x2033, true),
    (b"Psi", 0x3a8, true),
    (b"Rho", 0x3a1, true),
    (b"Scaron", 0x160, true),
    (b"Sigma", 0x3a3, true),
    (b"THORN", 0xde, false),
    (b"Tau", 0x3a4, true),
    (b"Theta", 0x398, true),
    (b"Uacute", 0xda, false),
    (b"Ucirc", 0xdb, false),
    (b"Ugrave", 0xd9, false),
    (b"Upsilon", 0x3a5, true),
    (b"Uuml", 0xdc, false),
    (b"Xi", 0x39e, true),
    (b"Yacute", 0xdd, false),
    (b"Yuml", 0x178, true),
    (b"Zeta", 0x396, true),
    (b"aacute", 0xe1, false),
    (b"acirc", 0xe2, false),
    (b"acute", 0xb4, false),
    (b"aelig", 0xe6, false),
    (b"agrave", 0xe0, false),
    (b"alefsym", 0x2135, true),
    (b"alpha", 0x3b1, true),
    (b"amp", 0x26, false),
    (b"and", 0x2227, true),
    (b"ang", 0x2220, true),
    (b"apos", 0x27, false),
    (b"aring", 0xe5, false),
    (b"asymp", 0x2248, true),
    (b"atilde", 0xe3, false),
    (b"auml", 0xe4, false),
    (b"bdquo", 0x201e, true),
    (b"beta", 0x3b2, true),
    (b"brvbar", 0xa6, false),
    (b"bull", 0x2022, true),
    (b"cap", 0x2229, true),
    (b"ccedil", 0xe7, false),
    (b"cedil", 0xb8, false),
    (b"cent", 0xa2, false),
    (b"chi", 0x3c7, true),
    (b"circ", 0x2c6, true),
    (b"clubs", 0x2663, true),
    (b"cong", 0x2245, true),
    (b"copy", 0xa9, false),
    (b"crarr", 0x21b5, true),
    (b"cup", 0x222a, true),
    (b"curren", 0xa4, false),
    (b"dArr", 0x21d3, true),
    (b"dagger", 0x2020, true),
    (b"darr", 0x2193, true),
    (b"deg", 0xb0, false),
    (b"delta", 0x3b4, true),
    (b"diams", 0x2666, true),
    (b"divide", 0xf7, false),
    (b"eacute", 0xe9, false),
    (b"ecirc", 0xea, false),
    (b"egrave", 0xe8, false),
    (b"empty", 0x2205, true),
    (b"emsp", 0x2003, true),
    (b"ensp", 0x2002, true),
    (b"epsilon", 0x3b5, true),
    (b"equiv", 0x2261, true),
    (b"eta", 0x3b7, true),
    (b"eth", 0xf0, false),
    (b"euml", 0xeb, false),
    (b"euro", 0x20ac, true),
    (b"exist", 0x2203, true),
    (b"fnof", 0x192, true),
    (b"forall", 0x2200, true),
    (b"frac12", 0xbd, false),
    (b"frac14", 0xbc, false),
    (b"frac34", 0xbe, false),
    (b"frasl", 0x2044, true),
    (b"gamma", 0x3b3, true),
    (b"ge", 0x2265, true),
    (b"gt", 0x3e, false),
    (b"hArr", 0x21d4, true),
    (b"harr", 0x2194, true),
    (b"hearts", 0x2665, true),
    (b"hellip", 0x2026, true),
    (b"iacute", 0xed, false),
    (b"icirc", 0xee, false),
    (b"iexcl", 0xa1, false),
    (b"igrave", 0xec, false),
    (b"image", 0x2111, true),
    (b"infin", 0x221e, true),
    (b"int", 0x222b, true),
    (b"iota", 0x3b9, true),
    (b"iquest", 0xbf, false),
    (b"isin", 0x2208, true),
    (b"iuml", 0xef, false),
    (b"kappa", 0x3ba, true),
    (b"lArr", 0x21d0, true),
    (b"lambda", 0x3bb, true),
    (b"lang", 0x2329, true),
    (b"laquo", 0xab, false),
    (b"larr", 0x2190, true),
    (b"lceil", 0x2308, true),
    (b"ldquo", 0x201c, true),
    (b"le", 0x2264, true),
    (b"lfloor", 0x230a, true),
    (b"lowast", 0x2217, true),
    (b"loz", 0x25ca, true),
    (b"lrm", 0x200e, true),
    (b"lsaquo", 0x2039, true),
    (b"lsquo", 0x2018, true),
    (b"lt", 0x3c, false),
    (b"macr", 0xaf, false),
    (b"mdash", 0x2014, true),
    (b"micro", 0xb5, false),
    (b"middot", 0xb7, false),
    (b"minus", 0x2212, true),
    (b"mu", 0x3bc, true),
    (b"nabla", 0x2207, true),
    (b"nbsp", 0xa0, false),
    (b"ndash", 0x2013, true),
    (b"ne", 0x2260, true),
    (b"ni", 0x220b, true),
    (b"not", 0xac, false),
    (b"notin", 0x2209, true),
    (b"nsub", 0x2284, true),
    (b"ntilde", 0xf1, false),
    (b"nu", 0x3bd, true),
    (b"oacute", 0xf3, false),
    (b"ocirc", 0xf4, false),
    (b"oelig", 0x153, true),
    (b"ograve", 0xf2, false),
    (b"oline", 0x203e, true),
    (b"omega", 0x3c9, true),
    (b"omicron", 0x3bf, true),
    (b"oplus", 0x2295, true),
    (b"or", 0x2228, true),
    (b"ordf", 0xaa, false),
    (b"ordm", 0xba, false),
    (b"oslash", 0xf8, false),
    (b"otilde", 0xf5, false),
    (b"otimes", 0x2297, true),
    (b"ouml", 0xf6, false),
    (b"para", 0xb6, false),
    (b"part", 0x2202, true),
    (b"permil", 0x2030, true),
    (b"perp", 0x22a5, true),
    (b"phi", 0x3c6, true),
    (b"pi", 0x3c0, true),
    (b"piv", 0x3d6, true),
    (b"plusmn", 0xb1, false),
    (b"pound", 0xa3, false),
    (b"prime", 0x2032, true),
    (b"prod", 0x220f, true),
    (b"prop", 0x221d, true),
    (b"psi", 0x3c8, true),
    (b"quot", 0x22, false),
    (b"rArr", 0x21d2, true),
    (b"radic", 0x221a, true),
    (b"rang", 0x232a, true),
    (b"raquo", 0xbb, false),
    (b"rarr", 0x2192, true),
    (b"rceil", 0x2309, true),
    (b"rdquo", 0x201d, true),
    (b"real", 0x211c, true),
    (b"reg", 0xae, false),
    (b"rfloor", 0x230b, true),
    (b"rho", 0x3c1, true),
    (b"rlm", 0x200f, true),
    (b"rsaquo", 0x203a, true),
    (b"rsquo", 0x2019, true),
    (b"sbquo", 0x201a, true),
    (b"scaron", 0x161, true),
    (b"sdot", 0x22c5, true),
    (b"sect", 0xa7, false),
    (b"shy", 0xad, false),
    (b"sigma", 0x3c3, true),
    (b"sigmaf", 0x3c2, true),
    (b"sim", 0x223c, true),
    (b"spades", 0x2660, true),
    (b"sub", 0x2282, true),
    (b"sube", 0x2286, true),
    (b"sum", 0x2211, true),
    (b"sup", 0x2283, true),
    (b"sup1", 0xb9, false),
    (b"sup2", 0xb2, false),
    (b"sup3", 0xb3, false),
    (b"supe", 0x2287, true),
    (b"szlig", 0xdf, false),
    (b"tau", 0x3c4, true),
    (b"there4", 0x2234, true),
    (b"theta", 0x3b8, true),
    (b"thetasym", 0x3d1, true),
    (b"thinsp", 0x2009, true),
    (b"thorn", 0xfe, false),
    (b"tilde", 0x2dc, true),
    (b"times", 0xd7, false),
    (b"trade", 0x2122, true),
    (b"uArr", 0x21d1, true),
    (b"uacute", 0xfa, false),
    (b"uarr", 0x2191, true),
    (b"ucirc", 0xfb, false),
    (b"ugrave", 0xf9, false),
    (b"uml", 0xa8, false),
    (b"upsih", 0x3d2, true),
    (b"upsilon", 0x3c5, true),
    (b"uuml", 0xfc, false),
    (b"weierp", 0x2118, true),
    (b"xi", 0x3be, true),
    (b"yacute", 0xfd, false),
    (b"yen", 0xa5, false),
    (b"yuml", 0xff, false),
    (b"zeta", 0x3b6, true),
    (b"zwj", 0x200d, true),
    (b"zwnj", 0x200c, true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let text = |s: &str| String::from_utf8(decode(s.as_bytes(), Coding::Narrow, true).bytes.into_owned()).unwrap();
        let attribute =
            |s: &str| String::from_utf8(decode(s.as_bytes(), Coding::Narrow, false).bytes.into_owned()).unwrap();
        assert!(NAMES.is_sorted());
        assert_eq!(text("a&ampfoo&ltx &copy=1 &bogus; &Alpha &Alpha;"), "a&foo<x \u{a9}=1 &bogus; &Alpha \u{391}");
        assert_eq!(attribute("&ampfoo&lt;&ltx&copy=2&#x41"), "&ampfoo<&ltx\u{a9}=2A");
        assert_eq!(attribute("&COPY;&copy_;&copy_x"), "&COPY;&copy_;&copy_x");
        assert_eq!(text("&#xD83D&#xDE00; &#xD83Dx&#xDE00;"), "\u{1f600} \u{fffd}x\u{fffd}");
        assert_eq!(text("&#0; &#65534; &#64976; &#x1F600; &#1114112;"), "&#0; &#65534; \u{fffd} \u{1f600} &#1114112;");
        assert_eq!(text("&eacute&eacut &notit;&notin;"), "\u{e9}&eacut \u{ac}it;\u{2209}");
        assert_eq!(text("& && &; &# &#; &#x;"), "& && &; &# &#; &#x;");
    }
}
