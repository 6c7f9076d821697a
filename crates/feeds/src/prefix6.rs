//! Networks of IPv6 as publishers write them, and the patterns by which rules know them.
//!
//! In: `2001:db8::/32`. Out: what stands between the slashes of a rule on `X-Spam-Relays-External` that knows the relay that
//! handed the mail over. A relay's address is in the message as some server wrote it: shortened by `::` or not, with zeros
//! in front or not, in either case; a pattern made here knows all of these. The regex must ignore case.

use std::net::Ipv6Addr;

/// A network of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix6 {
    network: Ipv6Addr,
    length: u8,
}

/// Groups of an address.
const GROUPS: usize = 8;
const ANY_GROUP: &str = "[0-9a-f]{1,4}";

impl Prefix6 {
    /// What lies beyond the length does not count.
    pub fn parse(text: &str) -> Option<Prefix6> {
        let (address, length) = text.split_once('/')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let length = length.parse().ok().filter(|length| (1..=128).contains(length))?;
        let mask = u128::MAX << (128 - u32::from(length));
        Some(Prefix6 { network: Ipv6Addr::from_bits(address.to_bits() & mask), length })
    }

    pub fn contains(self, address: Ipv6Addr) -> bool {
        (address.to_bits() ^ self.network.to_bits()) >> (128 - u32::from(self.length)) == 0
    }

    pub fn pattern(self) -> String {
        let groups: Vec<(u16, u16)> = self.groups();
        let written: Vec<String> = groups.iter().map(|&(low, high)| group(low, high)).collect();
        let rest = GROUPS - groups.len();
        let mut forms = vec![match rest {
            0 => format!("{} ", written.join(":")),
            // Another group, or the second colon of `::`.
            _ => format!("{}:", written.join(":")),
        }];
        // `::` in place of zeros within the prefix: then exactly so many groups follow.
        let all = match rest {
            0 => String::new(),
            rest => format!("(?::{ANY_GROUP}){{{rest}}}"),
        };
        for from in 0..groups.len() {
            let zeros = groups[from..].iter().take_while(|(low, _)| *low == 0).count();
            for to in (from + 1..=from + zeros).filter(|to| *to < groups.len()) {
                forms.push(format!("{}::{}{all} ", written[..from].join(":"), written[to..].join(":")));
            }
        }
        // `::` in place of zeros at the end of the prefix: it must reach beyond, so that few enough groups follow.
        let zeros = groups.iter().rev().take_while(|(low, _)| *low == 0).count();
        let follow = match rest {
            0 => String::new(),
            1 => format!("(?:{ANY_GROUP})?"),
            _ => format!("(?:{ANY_GROUP}(?::{ANY_GROUP}){{0,{}}})?", rest - 1),
        };
        for zeros in 1..=zeros {
            forms.push(format!("{}::{follow} ", written[..written.len() - zeros].join(":")));
        }
        format!(r"^\[ ip=(?:{})", forms.join("|"))
    }

    /// The lowest and the highest value of each group that the prefix says something of.
    fn groups(self) -> Vec<(u16, u16)> {
        let last = Ipv6Addr::from_bits(self.network.to_bits() | u128::MAX.checked_shr(self.length.into()).unwrap_or(0));
        let groups = self.network.segments().into_iter().zip(last.segments());
        groups.take(usize::from(self.length).div_ceil(16)).collect()
    }
}

/// A group between these, whose bits are the same up to one and any behind it.
fn group(low: u16, high: u16) -> String {
    let nibble = |at: u32| ((low >> (4 * at) & 15) as u8, (high >> (4 * at) & 15) as u8);
    let forms = digits(&[nibble(3), nibble(2), nibble(1), nibble(0)]);
    match forms.as_slice() {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

/// Hexadecimal digits between these, zeros in front written or not.
fn digits(nibbles: &[(u8, u8)]) -> Vec<String> {
    const FREE: (u8, u8) = (0, 15);
    if nibbles.iter().all(|nibble| *nibble == FREE) {
        return vec![format!("[0-9a-f]{{1,{}}}", nibbles.len())];
    }
    let (&(low, high), rest) = match nibbles.split_first() {
        Some((first, [])) => return vec![class(*first)],
        Some(split) => split,
        None => return Vec::new(),
    };
    let mut forms = Vec::new();
    if low == 0 {
        forms.extend(digits(rest).into_iter().map(|rest| format!("0?{rest}")));
    }
    if high > 0 {
        let rest: String = rest.iter().map(|nibble| class(*nibble)).collect();
        forms.push(format!("{}{rest}", class((low.max(1), high))));
    }
    forms
}

fn class((low, high): (u8, u8)) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    match (low, high) {
        (low, high) if low == high => digit(low).to_string(),
        (low, high) if high <= 9 || low >= 10 => format!("[{}-{}]", digit(low), digit(high)),
        (9, high) => format!("[9a-{}]", digit(high)),
        (low, high) => format!("[{}-9a-{}]", digit(low), digit(high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ways in which servers write an address.
    fn written(address: Ipv6Addr) -> Vec<String> {
        let groups = address.segments();
        let join = |form: &dyn Fn(u16) -> String| groups.iter().map(|group| form(*group)).collect::<Vec<_>>().join(":");
        let mut forms = vec![
            address.to_string(),
            address.to_string().to_uppercase(),
            join(&|group| format!("{group:x}")),
            join(&|group| format!("{group:04x}")),
        ];
        // Every run of zeros as `::`.
        for from in 0..GROUPS {
            for to in from + 1..=GROUPS {
                if groups[from..to].iter().all(|group| *group == 0) {
                    let part = |groups: &[u16]| groups.iter().map(|g| format!("{g:x}")).collect::<Vec<_>>().join(":");
                    forms.push(format!("{}::{}", part(&groups[..from]), part(&groups[to..])));
                }
            }
        }
        forms
    }

    #[test]
    fn a_pattern_knows_a_networks_addresses_however_they_are_written() {
        for network in [
            "2001:db8::/32",
            "2a0e:b107:1c00::/40",
            "2a06:e480::/29",
            "2001:db8::/48",
            "2001:db8:0:8000::/49",
            "2001:db8:0:c0::/58",
            "2001:db8:0:1::/64",
            "2001:db8::/64",
            "2001:db8::/67",
            "2001:db8:f:e::/63",
            "2001:db8::1/128",
            "2001:db8::/127",
            "2001:db8:0:0:0:0:0:8/125",
            "2000::/3",
            "c::/16",
        ] {
            let prefix = Prefix6::parse(network).unwrap();
            let pattern = format!("(?i){}", prefix.pattern());
            let regex = regex::Regex::new(&pattern).unwrap();
            let first = prefix.network.to_bits();
            let last = first | u128::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
            let mut addresses =
                vec![first, last, first.wrapping_sub(1), last.wrapping_add(1), first / 2, first ^ 1 << 100];
            addresses.extend((0..128).map(|bit| first ^ 1 << bit));
            addresses.extend((0..64).map(|n| first.wrapping_add(n << (n % 64))));
            for address in addresses.into_iter().map(Ipv6Addr::from_bits) {
                for form in written(address) {
                    let text = format!("[ ip={form} rdns=x ");
                    assert_eq!(regex.is_match(&text), prefix.contains(address), "{network}: {form}: {pattern}");
                }
            }
        }
        assert_eq!(Prefix6::parse("2001:db8::/0"), None);
        assert_eq!(Prefix6::parse("192.0.2.0/24"), None);
    }
}
