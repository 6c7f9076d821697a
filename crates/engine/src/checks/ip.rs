//! Addresses inside text, as SpamAssassin's `IP_ADDRESS` patterns see them.

use super::perl::is_word;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address at exactly `at`: strict octets, no leading zeros, the whole bounded by non-word characters.
fn ipv4_at(text: &[u8], at: usize) -> Option<usize> {
    if at > 0 && is_word(text[at - 1]) {
        return None;
    }
    let mut position = at;
    for octet in 0..4 {
        if octet > 0 {
            if text.get(position) != Some(&b'.') {
                return None;
            }
            position += 1;
        }
        let digits = text[position..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let value = text[position..position + digits].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        if digits == 0 || digits > 3 || value > 255 || (digits > 1 && text[position] == b'0') {
            return None;
        }
        position += digits;
    }
    (!text.get(position).is_some_and(|&b| is_word(b))).then_some(position)
}

/// Whether the whole text is an IPv4 address.
pub fn is_ipv4(text: &[u8]) -> bool {
    ipv4_at(text, 0) == Some(text.len())
}

/// Whether the whole text is an address of either family; IPv6 may wear the prefix `IPv6:`.
pub fn is_ip(text: &[u8]) -> bool {
    is_ipv4(text) || ipv6(text).is_some()
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let text = match text {
        [b'I' | b'i', b'P' | b'p', b'V' | b'v', b'6', b':', rest @ ..] => rest,
        _ => text,
    };
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether an address stands somewhere in the text.
pub fn contains_ip(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte.is_ascii_digit() && (at == 0 || text[at - 1] != b':') && ipv4_at(text, at).is_some() {
            return true;
        }
        if byte.is_ascii_hexdigit() || byte == b':' {
            let run = text[at..].iter().take_while(|b| b.is_ascii_hexdigit() || **b == b':').count();
            let mut group = &text[at..at + run];
            if group.starts_with(b"6:") && at >= 3 && text[at - 3..at].eq_ignore_ascii_case(b"IPv") {
                group = &group[2..];
            }
            if group.contains(&b':') {
                if ipv6(group).is_some() {
                    return true;
                }
                // An IPv4 address may stand for the last 32 bits.
                let dotted = text[at + run..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
                let start = at + run - group.len();
                if dotted > 0 && ipv6(&text[start..at + run + dotted]).is_some() {
                    return true;
                }
                at += run;
                continue;
            }
            // Digits alone: an IPv4 address may begin inside a run only where a word begins, that is at its start.
            at += run;
            continue;
        }
        at += 1;
    }
    false
}

/// Addresses that never cross the Internet (and IPv4-mapped forms of them), by their text.
pub fn is_private(text: &[u8]) -> bool {
    if is_ipv4(text) {
        let parsed: Option<Ipv4Addr> = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        return parsed.is_some_and(private_v4);
    }
    ipv6(text).is_some_and(|address| {
        address.is_loopback()
            || (address.segments()[0] & 0xffc0) == 0xfe80
            || address.to_ipv4_mapped().is_some_and(private_v4)
    })
}

fn private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    matches!((a, b), (10 | 127, _) | (169, 254) | (172, 16..=31) | (192, 168) | (100, 64..=127))
}

/// An address that a rule or list wrote, with an optional prefix length.
pub fn network_contains(network: &str, address: IpAddr) -> Option<bool> {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, Some(length.parse::<u32>().ok()?)),
        None => (network, None),
    };
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let base: IpAddr = base.parse().ok()?;
    let ((base, width), (address, address_width)) = (bits(base), bits(address));
    let length = length.unwrap_or(width);
    if length > width {
        return None;
    }
    let shift = width - length;
    Some(width == address_width && (shift == 128 || base >> shift == address >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_text() {
        for (text, expected) in [
            ("[192.0.2.1]", true),
            ("192.0.2.256", false),
            ("192.0.02.1", false),
            ("x192.0.2.1", false),
            ("::ffff:192.0.2.1", true),
            ("(2603:10a6:802:b::13)", true),
            ("IPv6:2001:db8::1]", true),
            ("foo::bar", true),
            ("12:34:56", false),
            ("no address", false),
            ("1.2.3", false),
            ("at 10:20:30 from 198.51.100.7 by", true),
        ] {
            assert_eq!(contains_ip(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn private_addresses() {
        for (text, expected) in [
            ("10.1.2.3", true),
            ("172.15.0.1", false),
            ("172.31.255.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("192.0.2.1", false),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("", false),
        ] {
            assert_eq!(is_private(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn networks() {
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        assert_eq!(network_contains("192.0.2.0/24", ip("192.0.2.9")), Some(true));
        assert_eq!(network_contains("192.0.2.0/24", ip("192.0.3.9")), Some(false));
        assert_eq!(network_contains("2001:db8::/32", ip("2001:db8::1")), Some(true));
        assert_eq!(network_contains("::/0", ip("2001:db8::1")), Some(true));
        assert_eq!(network_contains("nonsense", ip("2001:db8::1")), None);
    }
}
