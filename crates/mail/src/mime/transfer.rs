//! Quoted-printable and base64, as SpamAssassin reads broken input: nothing is an error, everything gives some bytes.

use crate::mime::header::is_space;
use crate::part::Part;

/// `None` where the encoding leaves the bytes as they are.
pub(crate) fn decode_part(part: &Part) -> Option<Vec<u8>> {
    decode_body(part.raw_body(), &part.transfer_encoding(), &part.media_type)
}

pub(crate) fn decode_body(raw: &[u8], encoding: &[u8], media_type: &str) -> Option<Vec<u8>> {
    match encoding {
        b"quoted-printable" => Some(crlf_to_lf(quoted_printable(raw))),
        b"base64" if media_type.starts_with("text/") || media_type.starts_with("message/") => {
            Some(crlf_to_lf(base64(raw)))
        }
        b"base64" => Some(base64(raw)),
        _ => None,
    }
}

/// Soft line breaks joined, blanks at line ends dropped, `=XX` in either case decoded, anything else kept.
pub fn quoted_printable(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(newline) = memchr::memchr(b'\n', rest) {
        let line = &rest[..newline];
        let (text, ending) = match line.last() {
            Some(b'\r') => (&line[..newline - 1], &rest[newline - 1..=newline]),
            _ => (line, &rest[newline..=newline]),
        };
        let end = text.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        match text[..end].split_last() {
            Some((b'=', text)) => out.extend_from_slice(text),
            _ => {
                out.extend_from_slice(&text[..end]);
                out.extend_from_slice(ending);
            }
        }
        rest = &rest[newline + 1..];
    }
    out.extend_from_slice(rest);
    decode_escapes(&mut out);
    out
}

/// `=XX` in place. Runs after soft breaks are gone, so that an escape cut by one is whole again.
fn decode_escapes(bytes: &mut Vec<u8>) {
    let Some(first) = memchr::memchr(b'=', bytes) else { return };
    let (mut from, mut to) = (first, first);
    while from < bytes.len() {
        let escape = match bytes[from..] {
            [b'=', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                bytes[to] = high << 4 | low;
                from += 3;
                to += 1;
            }
            None => {
                let run = memchr::memchr(b'=', &bytes[from + 1..]).map_or(bytes.len() - from, |next| next + 1);
                bytes.copy_within(from..from + run, to);
                from += run;
                to += run;
            }
        }
    }
    bytes.truncate(to);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Base64 of any quality. Well-formed apart from blanks: decoding stops at the padding, and `=` inside counts as "A".
/// Otherwise what is not base64 is skipped, `=` inside counts as "/", and a lone last digit is dropped.
pub fn base64(raw: &[u8]) -> Vec<u8> {
    let mut digits = 0usize;
    let mut foreign = false;
    for byte in raw {
        match VALUES[usize::from(*byte)] {
            BLANK => {}
            FOREIGN => foreign = true,
            _ => digits += 1,
        }
    }
    let clean = !foreign && digits.is_multiple_of(4);
    let padding = raw.iter().rev().filter(|b| !is_space(**b) && (clean || VALUES[usize::from(**b)] != FOREIGN));
    let padding = padding.take_while(|b| **b == b'=').count();
    let mut digits = digits - padding;
    if clean {
        // The first group that is cut short by padding is the last; groups of padding alone give nothing.
        if digits % 4 == 1 {
            digits -= 1;
        }
    } else if digits % 4 == 1 {
        digits -= 1;
    }
    let pad_value = if clean { 0 } else { 63 };
    let mut out = Vec::with_capacity(digits / 4 * 3 + 2);
    let mut group = 0u32;
    let mut filled = 0u32;
    let mut left = digits;
    for byte in raw {
        if left == 0 {
            break;
        }
        let value = match VALUES[usize::from(*byte)] {
            BLANK | FOREIGN => continue,
            PAD => pad_value,
            value => u32::from(value),
        };
        group = group << 6 | value;
        filled += 1;
        left -= 1;
        if filled == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, filled) = (0, 0);
        }
    }
    match filled {
        2 => out.push((group >> 4) as u8),
        3 => out.extend_from_slice(&[(group >> 10) as u8, (group >> 2) as u8]),
        _ => {}
    }
    out
}

pub(crate) fn crlf_to_lf(mut bytes: Vec<u8>) -> Vec<u8> {
    let Some(first) = memchr::memmem::find(&bytes, b"\r\n") else { return bytes };
    let (mut from, mut to) = (first, first);
    while from < bytes.len() {
        if bytes[from] == b'\r' && bytes.get(from + 1) == Some(&b'\n') {
            from += 1;
        }
        let run = memchr::memchr(b'\r', &bytes[from + 1..]).map_or(bytes.len() - from, |next| next + 1);
        bytes.copy_within(from..from + run, to);
        from += run;
        to += run;
    }
    bytes.truncate(to);
    bytes
}

const BLANK: u8 = 0xfd;
const PAD: u8 = 0xfe;
const FOREIGN: u8 = 0xff;

static VALUES: [u8; 256] = {
    let mut values = [FOREIGN; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < alphabet.len() {
        values[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    let blanks = b" \t\n\r\x0b\x0c";
    let mut i = 0;
    while i < blanks.len() {
        values[blanks[i] as usize] = BLANK;
        i += 1;
    }
    values[b'=' as usize] = PAD;
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_any_quality() {
        let check = |raw: &str, expected: &[u8]| assert_eq!(base64(raw.as_bytes()), expected, "{raw}");
        check("aGVsbG8=", b"hello");
        check("aGVs\r\n bG8=\n", b"hello");
        check("aGVsbG8", b"hello");
        check("aGVsbG8==", b"hello");
        check("aGVs!bG8=", b"hello");
        check("aGVsb", b"hel");
        check("aGVs====", b"hel");
        check("aGV=bG8h", b"he@lo!");
        check("aGV=bG8h!", b"he\x7flo!");
        check("====", b"");
        check("a===", b"");
        check("", b"");
    }

    #[test]
    fn quoted_printable_of_any_quality() {
        let check = |raw: &str, expected: &[u8]| assert_eq!(quoted_printable(raw.as_bytes()), expected, "{raw}");
        check("a=3Db=3d", b"a=b=");
        check("soft=\nbreak=  \r\nagain \t\nend ", b"softbreakagain\nend ");
        check("cut=4=\n1", b"cutA");
        check("=zz=4", b"=zz=4");
        check("a==\nb", b"a=b");
        check("", b"");
    }

    #[test]
    fn line_ends() {
        assert_eq!(crlf_to_lf(b"a\r\nb\r\r\n\rc\r\n".to_vec()), b"a\nb\r\n\rc\n");
    }
}
