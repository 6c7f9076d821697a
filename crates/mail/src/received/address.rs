//! Address literals inside text: `1.2.3.4`, `2001:db8::1`, `::ffff:1.2.3.4`, `IPv6:2001:db8::1`.
//!
//! The rules of where a literal may begin and end are SpamAssassin's, because they decide which Received format a line
//! is taken for.

use std::net::IpAddr;

/// Where the literal that begins at `at` ends. `None` if none begins there, or if it is glued to more of its kind.
pub fn literal_at(text: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map(|i| text[i]);
    let first = *text.get(at)?;
    if first.is_ascii_digit() && !before.is_some_and(|b| is_word(b) || b == b':') {
        let v4 = octets_at(text, at).filter(|&end| !text.get(end).copied().is_some_and(is_word));
        if v4.is_some() {
            return v4;
        }
    }
    if first.eq_ignore_ascii_case(&b'i') && starts_with_ignore_case(&text[at..], b"ipv6:") {
        return v6_at(text, at + 5);
    }
    let v6_start = first == b':' || first.is_ascii_hexdigit();
    if v6_start && !before.is_some_and(|b| b == b':' || b.is_ascii_hexdigit()) { v6_at(text, at) } else { None }
}

/// The first literal anywhere in the text, as start and end.
pub fn find_literal(text: &[u8]) -> Option<(usize, usize)> {
    (0..text.len()).find_map(|at| literal_at(text, at).map(|end| (at, end)))
}

/// Reads what [`literal_at`] found, after [`plain`].
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The literal without `IPv6:`, brackets and zone; IPv4 mapped into IPv6 becomes IPv4.
pub fn plain(literal: &[u8]) -> &[u8] {
    let mut text = literal;
    if starts_with_ignore_case(text, b"ipv6:") {
        text = &text[5..];
    }
    text = text.strip_prefix(b"[").unwrap_or(text);
    text = text.strip_suffix(b"]").unwrap_or(text);
    if let Some(percent) = memchr::memchr(b'%', text)
        && text[percent + 1..].iter().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(b))
    {
        text = &text[..percent];
    }
    mapped_v4(text).unwrap_or(text)
}

/// `0::ffff:1.2.3.4` and all its spellings with zeros.
fn mapped_v4(text: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memrchr(b':', text)?;
    let (head, v4) = (&text[..colon], &text[colon + 1..]);
    let zeros = head.len().checked_sub(4).filter(|&n| head[n..].eq_ignore_ascii_case(b"ffff")).map(|n| &head[..n])?;
    let only_zeros = zeros.iter().all(|b| matches!(b, b'0' | b':'));
    let colons = zeros.iter().filter(|&&b| b == b':').count();
    (only_zeros && colons >= 2 && zeros.ends_with(b":") && v4.contains(&b'.')).then_some(v4)
}

/// Not on the public Internet: private, loopback, link-local, carrier-grade NAT.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

/// "localhost" in one of its spellings at `at`: a name or an address. Returns its end.
pub fn localhost_at(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    if starts_with_ignore_case(rest, b"localhost.localdomain") {
        return Some(at + 21);
    }
    if starts_with_ignore_case(rest, b"localhost") {
        return Some(at + 9);
    }
    let end = literal_at(text, at)?;
    let literal = plain(&text[at..end]);
    let is = literal == b"127.0.0.1" || parse(literal).is_some_and(|a| a.is_ipv6() && a.is_loopback());
    is.then_some(end)
}

/// Four numbers up to 255 without leading zeros.
fn octets_at(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    for n in 0..4 {
        if n > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let digits = text[at..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let number = text[at..at + digits].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        if digits == 0 || digits > 3 || number > 255 || (digits > 1 && text[at] == b'0') {
            return None;
        }
        at += digits;
    }
    Some(at)
}

fn v6_at(text: &[u8], at: usize) -> Option<usize> {
    let is_part = |b: &u8| b.is_ascii_hexdigit() || *b == b':';
    let end = text[at..].iter().position(|b| !is_part(b)).map_or(text.len(), |n| at + n);
    let run = &text[at..end];
    if text.get(end) == Some(&b'.')
        && let Some(colon) = memchr::memrchr(b':', run)
        && let Some(v4_end) = octets_at(text, at + colon + 1)
        && !text.get(v4_end).is_some_and(is_part)
        && groups(&run[..=colon], 6)
    {
        return Some(v4_end);
    }
    groups(run, 8).then_some(end)
}

/// `full` groups of up to four hex digits, or fewer around one `::`. With 6 groups a colon must end the run.
fn groups(run: &[u8], full: usize) -> bool {
    let (mut count, mut digits, mut gaps) = (0, 0, 0);
    let mut previous = 0;
    for (i, &b) in run.iter().enumerate() {
        if b == b':' {
            if previous == b':' {
                gaps += 1;
            } else if i == 0 && run.get(1) != Some(&b':') {
                return false;
            }
            digits = 0;
        } else {
            if digits == 0 {
                count += 1;
            }
            digits += 1;
            if digits > 4 {
                return false;
            }
        }
        previous = b;
    }
    let single_colon_at_end = run.ends_with(b":") && !run.ends_with(b"::");
    match gaps {
        0 => count == full && single_colon_at_end == (full == 6),
        1 => count < full && (full == 6 || !single_colon_at_end),
        _ => false,
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

pub fn starts_with_ignore_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        let table: &[(&str, Option<&str>)] = &[
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4]", Some("1.2.3.4")),
            ("1.2.3.4.5678", Some("1.2.3.4")),
            ("1.2.3.400", None),
            ("01.2.3.4", None),
            ("1.2.3.4x", None),
            ("2001:db8::1%eth0", Some("2001:db8::1")),
            ("IPv6:2001:db8::1", Some("IPv6:2001:db8::1")),
            ("ipv6:1.2.3.4", None),
            ("::", Some("::")),
            ("::1", Some("::1")),
            (":1", None),
            ("1::", Some("1::")),
            ("1:2:3:4:5:6:7:8", Some("1:2:3:4:5:6:7:8")),
            ("1:2:3:4:5:6:7:8:9", None),
            ("1:2:3:4:5:6:7", None),
            ("1:2:3:4:5:6:7:", None),
            ("1::2::3", None),
            ("12345::", None),
            ("::ffff:1.2.3.4", Some("::ffff:1.2.3.4")),
            ("0:0:0:0:0:ffff:1.2.3.4", Some("0:0:0:0:0:ffff:1.2.3.4")),
            ("fe80::1.2.3.400", Some("fe80::1")),
        ];
        for (text, expected) in table {
            let found = literal_at(text.as_bytes(), 0).map(|end| &text[..end]);
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn plain_forms() {
        let table = [
            ("IPv6:2001:db8::1", "2001:db8::1"),
            ("[1.2.3.4]", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("0:0:0:0:0:FFFF:1.2.3.4", "1.2.3.4"),
            ("fe80::1%en0", "fe80::1"),
            ("1::ffff:1.2.3.4", "1::ffff:1.2.3.4"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
