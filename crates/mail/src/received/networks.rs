//! `trusted_networks`, `internal_networks`, `msa_networks`: which addresses are ours?
//!
//! In: addresses as administrators write them (`10.0/16`, `192.168.`, `!10.0.1.5`, `2001:db8::/32`, `1.2.3.4-1.2.3.9`).
//! Out: is this address in the list? The first entry that contains it decides, as in SpamAssassin without
//! Net::Patricia (with that module the longest would).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The three lists.
#[derive(Debug, Clone)]
pub struct TrustNetworks {
    pub trusted: NetworkSet,
    pub internal: NetworkSet,
    /// Relays of ours that accept mail only from users of ours.
    pub msa: NetworkSet,
}

impl Default for TrustNetworks {
    fn default() -> Self {
        TrustNetworks {
            trusted: NetworkSet::with_loopback(),
            internal: NetworkSet::with_loopback(),
            msa: NetworkSet::default(),
        }
    }
}

/// An ordered list of ranges and exclusions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSet {
    /// 127/8 and ::1 belong to it before anything else.
    loopback: bool,
    networks: Vec<Network>,
}

/// IPv4 is held as IPv4-mapped IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    first: u128,
    last: u128,
    exclude: bool,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("`{0}` is not an IP address")]
    Address(String),
    #[error("`{0}` is not a prefix length or netmask")]
    Mask(String),
    #[error("`{0}` ends before it begins")]
    Range(String),
}

impl NetworkSet {
    pub fn with_loopback() -> NetworkSet {
        NetworkSet { loopback: true, networks: Vec::new() }
    }

    /// Adds one entry.
    pub fn add(&mut self, text: &str) -> Result<(), NetworkError> {
        self.networks.push(Network::parse(text)?);
        Ok(())
    }

    /// Back to nothing configured.
    pub fn clear(&mut self) {
        self.networks.clear();
    }

    /// Has the operator named any network?
    pub fn is_configured(&self) -> bool {
        !self.networks.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        if self.loopback && address.to_canonical().is_loopback() {
            return true;
        }
        let number = mapped(address);
        self.networks.iter().find(|n| (n.first..=n.last).contains(&number)).is_some_and(|n| !n.exclude)
    }
}

impl Network {
    fn parse(text: &str) -> Result<Network, NetworkError> {
        let text = text.trim();
        let (exclude, entry) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        if let Some((from, to)) = entry.split_once('-') {
            let (first, last) = (address(from.trim(), text)?.0, address(to.trim(), text)?.0);
            let (first, last) = (mapped(first), mapped(last));
            return if first <= last {
                Ok(Network { first, last, exclude })
            } else {
                Err(NetworkError::Range(text.to_owned()))
            };
        }
        let (entry, mask) = match entry.split_once('/') {
            Some((entry, mask)) => (entry, Some(mask.trim())),
            None => (entry, None),
        };
        let entry = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
        let entry = entry.split_once('%').map_or(entry, |(entry, _zone)| entry);
        let (address, default_length) = address(entry, text)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match mask {
            None => default_length,
            Some(mask) => prefix_length(mask, width).ok_or_else(|| NetworkError::Mask(text.to_owned()))?,
        };
        let host_bits = u128::MAX.checked_shr(128 - (width - length)).unwrap_or(0);
        let number = mapped(address);
        Ok(Network { first: number & !host_bits, last: number | host_bits, exclude })
    }
}

/// An address, IPv4 possibly cut short (`192.168.`, `10`), and the prefix length that it implies.
fn address(entry: &str, whole: &str) -> Result<(IpAddr, u32), NetworkError> {
    let wrong = || NetworkError::Address(whole.to_owned());
    let looks_like_v4 = entry.split('.').next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if !looks_like_v4 {
        return entry.parse::<Ipv6Addr>().map(|a| (IpAddr::V6(a), 128)).map_err(|_| wrong());
    }
    let mut octets = [0u8; 4];
    let mut count = 0;
    for octet in entry.strip_suffix('.').unwrap_or(entry).split('.') {
        // Leading zeros are dropped, not read as octal.
        *octets.get_mut(count).ok_or_else(wrong)? = octet.parse().map_err(|_| wrong())?;
        count += 1;
    }
    Ok((IpAddr::V4(Ipv4Addr::from(octets)), 8 * count as u32))
}

/// `24`, or `255.255.255.0`.
fn prefix_length(mask: &str, width: u32) -> Option<u32> {
    if let Ok(length) = mask.parse::<u32>() {
        return (length <= width).then_some(length);
    }
    let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    (width == 32 && mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones())
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> NetworkSet {
        let mut set = NetworkSet::default();
        for entry in entries {
            set.add(entry).unwrap();
        }
        set
    }

    #[test]
    fn entries() {
        let table: &[(&[&str], &str, bool)] = &[
            (&["10.0/16"], "10.0.255.1", true),
            (&["10.0/16"], "10.1.0.1", false),
            (&["1.1/16"], "1.1.2.3", true),
            (&["192.168."], "192.168.7.7", true),
            (&["192.168"], "192.169.0.0", false),
            (&["010.001.000.009"], "10.1.0.9", true),
            (&["!10.0.1.5", "10.0.1/24"], "10.0.1.5", false),
            (&["!10.0.1.5", "10.0.1/24"], "10.0.1.6", true),
            (&["10.0.1/24", "!10.0.1.5"], "10.0.1.5", true), // first wins
            (&["10.0.0.0/255.0.0.0"], "10.9.9.9", true),
            (&["2001:db8::/32"], "2001:db8:1::1", true),
            (&["[2001:db8::1%eth0]"], "2001:db8::1", true),
            (&["::/0"], "1.2.3.4", true), // IPv4 counts as mapped
            (&["0/0"], "::1", false),
            (&["1.2.3.4-1.2.3.9"], "1.2.3.9", true),
            (&["1.2.3.4-1.2.3.9"], "1.2.3.10", false),
            (&["10.1.2.3"], "::ffff:10.1.2.3", true),
        ];
        for (entries, address, expected) in table {
            assert_eq!(set(entries).contains(address.parse().unwrap()), *expected, "{address} in {entries:?}");
        }
    }

    #[test]
    fn loopback_is_always_ours() {
        let mut set = NetworkSet::with_loopback();
        set.add("!127.0.0.1").unwrap();
        assert!(set.contains("127.0.0.1".parse().unwrap()) && set.contains("::1".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut set = NetworkSet::default();
        for entry in ["", "1.2.3.4.5", "300.1.1.1", "10/33", "host.example", "10/255.0.255.0", "1.2.3.9-1.2.3.4"] {
            assert!(set.add(entry).is_err(), "{entry}");
        }
        assert!(!set.is_configured());
    }
}
