//! One `X-Spam-*` header field: folding and RFC 2047 encoding.

use super::wrap::{Wrapping, wrap_after_comma};
use super::{is_space, lines, replace_byte, trim_end, trim_start};

/// The body of a header field from its expanded template: trailing line ends gone, folded at 79 columns where
/// `fold_headers` says so.
pub fn fold(name: &str, body: &[u8], fold_headers: bool) -> Vec<u8> {
    let body = trim_line_ends(body);
    if !fold_headers {
        return replace_byte(body, b'\n', b' ');
    }
    if body.contains(&b'\n') {
        return hang(body);
    }
    // "!!" instead of ": ": the name must count as columns, but the blank after it must not be a place to break.
    let whole = [b"X-Spam-", name.as_bytes(), b"!!", body].concat();
    let wrapped = wrap_after_comma(&whole, Wrapping { prefix: b"\t", first: b"", width: 79, overflow: false });
    let mut out = Vec::with_capacity(wrapped.len());
    for line in lines(&wrapped).filter(|line| !(line.ends_with(b"\n") && line.iter().all(|&b| is_space(b)))) {
        out.extend_from_slice(line);
    }
    match out.windows(2).position(|w| w == b"!!") {
        Some(at) => out.split_off(at + 2),
        None => out,
    }
}

/// A body with line feeds: each becomes one line feed and a tab, blanks around it gone.
fn hang(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.iter().position(|&b| b == b'\n') {
        out.extend_from_slice(trim_end(&rest[..at]));
        out.extend_from_slice(b"\n\t");
        rest = trim_start(&rest[at..]);
    }
    out.extend_from_slice(rest);
    out
}

fn trim_line_ends(mut body: &[u8]) -> &[u8] {
    while let Some(shorter) = body.strip_suffix(b"\n") {
        body = shorter.strip_suffix(b"\r").unwrap_or(shorter);
    }
    body
}

fn plain(byte: u8) -> bool {
    byte == b'\t' || (0x20..=0x7e).contains(&byte)
}

/// RFC 2047 for what is not printable ASCII, line by line; words of ASCII before and after stay readable.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in lines(text) {
        encode_line(line, &mut out);
    }
    out
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let (content, line_end) = match line.strip_suffix(b"\n") {
        Some(rest) => match rest.strip_suffix(b"\r") {
            Some(rest) => (rest, &line[rest.len()..]),
            None => (rest, &line[rest.len()..]),
        },
        None => (line, &line[line.len()..]),
    };
    if !line_end.is_empty() && content.iter().all(|&b| plain(b)) {
        out.extend_from_slice(line);
        return;
    }
    // A tail of plain bytes that begins at the line's begin or at a blank.
    let tail_from = content.iter().rposition(|&b| !plain(b)).map_or(0, |i| i + 1);
    let tail = if tail_from == 0 {
        0
    } else {
        content[tail_from..].iter().position(|&b| b == b' ' || b == b'\t').map_or(content.len(), |i| tail_from + i)
    };
    let (content, suffix) = (&content[..tail], &line[tail..]);
    // A head of plain bytes that ends in a blank or at the line's end.
    let plain_head = content.iter().position(|&b| !plain(b)).unwrap_or(content.len());
    let head = if plain_head == content.len() {
        plain_head
    } else {
        content[..plain_head].iter().rposition(|&b| b == b' ' || b == b'\t').map_or(0, |i| i + 1)
    };
    let (prefix, word) = content.split_at(head);
    out.extend_from_slice(prefix);
    if !word.is_empty() {
        let quoted = word.iter().filter(|&&b| matches!(b, b'=' | b'?' | b'_' | 0..=0x1f | 0x7f..)).count();
        if word.len() + quoted * 2 <= 4 * (word.len() + 2) / 3 {
            out.extend_from_slice(b"=?UTF-8?Q?");
            for &byte in word {
                match byte {
                    b' ' => out.push(b'_'),
                    b'=' | b'?' | b'_' | 0..=0x1f | 0x7f.. => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
                    _ => out.push(byte),
                }
            }
        } else {
            out.extend_from_slice(b"=?UTF-8?B?");
            base64(word, out);
        }
        out.extend_from_slice(b"?=");
    }
    out.extend_from_slice(suffix);
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (word >> (18 - 6 * place)) & 63;
            out.push(if place > chunk.len() { b'=' } else { ALPHABET[sextet as usize] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_folded_after_commas() {
        let body = b"Yes, score=20.5 required=5.0 tests=AAAAAAAAAA,BBBBBBBBBB,CCCCCCCCCC,DDDDDDDDDD autolearn=disabled";
        assert_eq!(
            String::from_utf8(fold("Status", body, true)).unwrap(),
            "Yes, score=20.5 required=5.0 tests=AAAAAAAAAA,BBBBBBBBBB,\n\tCCCCCCCCCC,DDDDDDDDDD autolearn=disabled"
        );
        assert_eq!(fold("Status", body, false), body);
    }

    #[test]
    fn line_feeds_in_a_template_hang() {
        assert_eq!(fold("Report", b"\n* 1\n  * 2\n\n", true), b"\n\t* 1\n\t* 2");
        assert_eq!(fold("Report", b"a\nb\r\n", false), b"a b");
    }

    #[test]
    fn words_beyond_ascii_are_encoded() {
        for (text, expected) in [
            (&b"plain"[..], &b"plain"[..]),
            ("caf\u{e9}s ok".as_bytes(), b"=?UTF-8?Q?caf=C3=A9s?= ok"),
            ("abcdefgh\u{e9}abcdefghijklm".as_bytes(), b"=?UTF-8?Q?abcdefgh=C3=A9abcdefghijklm?="),
            ("\u{8fb2} x\n".as_bytes(), b"=?UTF-8?B?6L6y?= x\n"),
            ("see \u{8fb2}\u{696d}".as_bytes(), b"see =?UTF-8?B?6L6y5qWt?="),
        ] {
            assert_eq!(encode(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
