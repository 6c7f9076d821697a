//! Numbers with their units, as people write them.

use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// `"30s"`, `"5m"`, `"1h"`, `"2d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Bytes: `"20MiB"`, `"512KiB"`, `"1GB"`, or a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// Permissions of a socket, written in octal: `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl Default for SocketMode {
    fn default() -> Self {
        SocketMode(0o660)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(text.trim_start_matches("0o"), 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .map(SocketMode)
            .ok_or_else(|| serde::de::Error::custom(format!("mode {text:?} is no octal number such as \"0660\"")))
    }
}

impl Span {
    pub const fn seconds(seconds: u64) -> Span {
        Span(Duration::from_secs(seconds))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

fn parse(written: Written, units: &[(&str, u64)]) -> Option<u64> {
    let text = match written {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim();
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        parse(Written::deserialize(deserializer)?, UNITS)
            .map(|milliseconds| Span(Duration::from_millis(milliseconds)))
            .ok_or_else(|| serde::de::Error::custom("expected a time such as \"30s\", \"5m\", \"1h\""))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: &[(&str, u64)] = &[
            ("", 1),
            ("KB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ];
        parse(Written::deserialize(deserializer)?, UNITS)
            .map(Size)
            .ok_or_else(|| serde::de::Error::custom("expected a size such as \"20MiB\""))
    }
}

/// `"192.0.2.0/24"`, `"2001:db8::/32"`, or one address. IPv4 in IPv6 clothes is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// The network of so many bits around an address of either version.
    pub fn around(address: IpAddr, bits_4: u8, bits_6: u8) -> Network {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits_4.min(32))).unwrap_or(0);
                Network { address: Ipv4Addr::from_bits(address.to_bits() & mask).into(), length: bits_4.min(32) }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits_6.min(128))).unwrap_or(0);
                Network { address: Ipv6Addr::from_bits(address.to_bits() & mask).into(), length: bits_6.min(128) }
            }
        }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= u32::from(self.length)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: expected \"192.0.2.0/24\", \"2001:db8::/32\" or an address");
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let address = address.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(longest);
        if length > longest { Err(wrong()) } else { Ok(Network { address, length }) }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// `*` any characters, `?` one; letters without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (pattern, mut p, mut t) = (&self.0, 0, 0);
        // Where the last `*` stood, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut star {
                    Some((at, taken)) => {
                        *taken += 1;
                        (p, t) = (*at + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl From<&str> for Glob {
    fn from(text: &str) -> Glob {
        Glob(text.chars().flat_map(char::to_lowercase).collect())
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Glob::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// Addresses of an envelope: `"ann@example.jp"`, `"example.jp"` (all of it), `".example.jp"` (and all below),
/// `"ann@"` (anywhere), `"<>"` (the null sender).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    Null,
    Whole(String),
    Domain(String),
    Below(String),
    Local(String),
}

impl Addresses {
    pub fn has(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        match self {
            Addresses::Null => address.is_empty(),
            Addresses::Whole(whole) => *whole == address,
            Addresses::Domain(wanted) => domain == wanted,
            Addresses::Below(wanted) => below(domain, wanted),
            Addresses::Local(wanted) => local == wanted && !address.is_empty(),
        }
    }
}

/// Whether it is this host or one below it.
pub(super) fn below(name: &str, host: &str) -> bool {
    name.strip_suffix(host).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        Ok(match text.split_once('@') {
            _ if text == "<>" => Addresses::Null,
            Some(("", domain)) if !domain.is_empty() => Addresses::Domain(domain.to_owned()),
            Some((local, "")) if !local.is_empty() => Addresses::Local(local.to_owned()),
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => Addresses::Whole(text),
            None if text.len() > 1 && text.starts_with('.') => Addresses::Below(text[1..].to_owned()),
            None if !text.starts_with('.') && !text.is_empty() && !text.contains(['<', '>', ' ', '*']) => {
                Addresses::Domain(text)
            }
            _ => {
                return Err(format!(
                    "{text:?} names no addresses: expected \"ann@example.jp\", \"example.jp\", \".example.jp\", \"ann@\" \
                     or \"<>\""
                ));
            }
        })
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.77", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("0.0.0.0/0", "192.0.2.7", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        for wrong in ["", "192.0.2.0/33", "192.0.2/24", "x", "192.0.2.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*.exe", "a.EXE", true),
            ("*.exe", "a.exe.txt", false),
            ("a?c*", "abcdef", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("", "", true),
            ("*", "", true),
            ("請求*", "請求書.zip", true),
        ] {
            assert_eq!(Glob::from(pattern).matches(text), matches, "{pattern} {text}");
        }
        assert!(!Glob::from(&*"*a".repeat(50)).matches(&"a".repeat(49)), "in bearable time");
    }

    #[test]
    fn addresses() {
        for (pattern, address, has) in [
            ("Ann@Example.JP", "ann@example.jp", true),
            ("example.jp", "ann@EXAMPLE.jp", true),
            ("@example.jp", "ann@example.jp", true),
            ("example.jp", "ann@sub.example.jp", false),
            (".example.jp", "ann@sub.example.jp", true),
            (".example.jp", "ann@example.jp", true),
            (".example.jp", "ann@badexample.jp", false),
            ("ann@", "ann@anywhere", true),
            ("ann@", "ann", true),
            ("<>", "", true),
            ("<>", "a@b", false),
        ] {
            assert_eq!(pattern.parse::<Addresses>().unwrap().has(address), has, "{pattern} {address}");
        }
        for wrong in ["", "@", "a b", "*.jp", "."] {
            assert!(wrong.parse::<Addresses>().is_err(), "{wrong}");
        }
    }
}
