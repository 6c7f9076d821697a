//! Ranges of IPv4 addresses as registries write them, and the patterns by which rules know them.
//!
//! In: `180.94.0.0 - 180.94.31.255`, `180.94.0.0/19`, LACNIC's `200.57.128/19`, or a rule's pattern
//! `/^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} /`. Out: the range, its prefixes, the pattern. A pattern made here holds
//! exactly the range's addresses: [`of_pattern`] reads it back, address set by address set, and a test enumerates.
//!
//! Not the way of SpamAssassin's `\d{1,3}` for "any octet" only: an octet here is a number of 0 to 255, as a relay's
//! address has no other.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// From the first to the last address, both in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    first: u32,
    last: u32,
}

/// What is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of addresses: write 192.0.2.0/24 or 192.0.2.0 - 192.0.2.255")]
pub struct NoRange(pub String);

impl Range {
    /// `None` if it ends before it begins.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Option<Range> {
        (first <= last).then_some(Range { first: first.into(), last: last.into() })
    }

    /// As the RIRs' statistics say it: so many addresses from the first on, not always a power of two.
    pub fn of_count(first: Ipv4Addr, count: u64) -> Option<Range> {
        let first = u32::from(first);
        let last = u64::from(first).checked_add(count.checked_sub(1)?)?;
        Some(Range { first, last: u32::try_from(last).ok()? })
    }

    pub fn first(self) -> Ipv4Addr {
        self.first.into()
    }

    pub fn last(self) -> Ipv4Addr {
        self.last.into()
    }

    /// Addresses in it: 1 to 2³².
    pub fn size(self) -> u64 {
        u64::from(self.last - self.first) + 1
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address.into())
    }

    pub fn holds(self, other: Range) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    pub fn overlaps(self, other: Range) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The fewest prefixes that make it up, at most 62: address and length.
    pub fn prefixes(self) -> Vec<(Ipv4Addr, u8)> {
        let mut out = Vec::new();
        let mut next = u64::from(self.first);
        let end = u64::from(self.last) + 1;
        while next < end {
            let aligned = if next == 0 { 32 } else { next.trailing_zeros().min(32) };
            let fits = 63 - (end - next).leading_zeros();
            let bits = aligned.min(fits);
            out.push((Ipv4Addr::from(next as u32), (32 - bits) as u8));
            next += 1 << bits;
        }
        out
    }

    /// What stands between the slashes of a rule on `X-Spam-Relays-Untrusted` that knows the relay that handed the mail
    /// over. Where the range is no single product of octets the products are alternatives.
    pub fn pattern(self) -> String {
        let products: Vec<String> = self.products().iter().map(written).collect();
        match products.as_slice() {
            [one] => format!(r"^\[ ip={one} "),
            several => format!(r"^\[ ip=(?:{}) ", several.join("|")),
        }
    }

    /// Octet by octet: at most seven products of ranges, in order.
    fn products(self) -> Vec<Product> {
        let mut out = Vec::new();
        products(&self.first.to_be_bytes(), &self.last.to_be_bytes(), &mut Vec::new(), &mut out);
        out
    }
}

/// What each octet may be.
type Product = Vec<(u8, u8)>;

fn products(first: &[u8], last: &[u8], before: &mut Vec<(u8, u8)>, out: &mut Vec<Product>) {
    let (Some((&low, first_rest)), Some((&high, last_rest))) = (first.split_first(), last.split_first()) else {
        return out.push(before.clone());
    };
    let mut with = |octet: (u8, u8), first: &[u8], last: &[u8]| {
        before.push(octet);
        products(first, last, before, out);
        before.pop();
    };
    let (lowest, highest) = (vec![0; first_rest.len()], vec![255; last_rest.len()]);
    let (from_zero, to_end) = (first_rest == lowest, last_rest == highest);
    if low == high || from_zero && to_end {
        // Equal rests on both sides of one octet, or whole octets between: one product each.
        if low == high {
            return with((low, high), first_rest, last_rest);
        }
        return with((low, high), &lowest, &highest);
    }
    let (mut from, mut to) = (u16::from(low), u16::from(high));
    if !from_zero {
        with((low, low), first_rest, &highest);
        from += 1;
    }
    if !to_end {
        to -= 1;
    }
    if from <= to {
        with((from as u8, to as u8), &lowest, &highest);
    }
    if !to_end {
        with((high, high), &lowest, last_rest);
    }
}

fn written(product: &Product) -> String {
    product.iter().map(|(low, high)| octet(*low, *high)).collect::<Vec<_>>().join(r"\.")
}

/// A pattern of the numbers `low..=high` without leading zeros: `\d|[12]\d|3[01]`.
fn octet(low: u8, high: u8) -> String {
    if (low, high) == (0, 255) {
        return r"\d{1,3}".to_owned();
    }
    if low == high {
        return low.to_string();
    }
    let mut pieces: Vec<String> = Vec::new();
    // Numbers of one digit, of two, of three: 0-9, 10-99, then 100-199, 200-249, 250-255 by their tens.
    let mut part = |from: u8, to: u8, piece: &dyn Fn(u8, u8) -> Vec<String>| {
        let (from, to) = (low.max(from), high.min(to));
        if from <= to {
            pieces.extend(piece(from, to));
        }
    };
    part(0, 9, &|from, to| vec![digits(from, to)]);
    part(10, 99, &|from, to| tens("", from, to));
    part(100, 199, &|from, to| tens("1", from - 100, to - 100));
    part(200, 255, &|from, to| tens("2", from - 200, to - 200));
    match pieces.as_slice() {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

/// Two digits behind `before`, `from` and `to` being 0 to 99.
fn tens(before: &str, from: u8, to: u8) -> Vec<String> {
    let (first, last) = (from / 10, to / 10);
    if first == last {
        return vec![format!("{before}{first}{}", digits(from % 10, to % 10))];
    }
    let mut out = Vec::new();
    let whole_from = if from.is_multiple_of(10) { first } else { first + 1 };
    let whole_to = if to % 10 == 9 { last } else { last - 1 };
    if whole_from != first {
        out.push(format!("{before}{first}{}", digits(from % 10, 9)));
    }
    if whole_from <= whole_to {
        out.push(format!(r"{before}{}\d", digits(whole_from, whole_to)));
    }
    if whole_to != last {
        out.push(format!("{before}{last}{}", digits(0, to % 10)));
    }
    out
}

fn digits(from: u8, to: u8) -> String {
    match (from, to) {
        (0, 9) => r"\d".to_owned(),
        (from, to) if from == to => from.to_string(),
        (from, to) if to == from + 1 => format!("[{from}{to}]"),
        (from, to) => format!("[{from}-{to}]"),
    }
}

impl fmt::Display for Range {
    /// `180.94.0.0/19`, or where it is no single prefix `61.254.160.0-61.255.255.255`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefixes().as_slice() {
            [(address, length)] => write!(f, "{address}/{length}"),
            _ => write!(f, "{}-{}", self.first(), self.last()),
        }
    }
}

impl From<Range> for String {
    fn from(range: Range) -> String {
        range.to_string()
    }
}

impl TryFrom<String> for Range {
    type Error = NoRange;

    fn try_from(text: String) -> Result<Range, NoRange> {
        text.parse()
    }
}

impl FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Range, NoRange> {
        let wrong = || NoRange(text.to_owned());
        if let Some((first, last)) = text.split_once('-') {
            let address =
                |text: &str| short(text.trim()).filter(|(_, octets)| *octets == 4).map(|(address, _)| address);
            let (first, last) = address(first).zip(address(last)).ok_or_else(wrong)?;
            return Range::new(first, last).ok_or_else(wrong);
        }
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, length.parse().ok().filter(|length| *length <= 32)),
            None => (text.trim(), None),
        };
        let (first, octets) = short(address).ok_or_else(wrong)?;
        if text.contains('/') && length.is_none() || length.is_none() && octets < 4 {
            return Err(wrong());
        }
        let size = 1u64 << (32 - length.unwrap_or(32));
        if !u64::from(u32::from(first)).is_multiple_of(size) {
            return Err(wrong());
        }
        Range::of_count(first, size).ok_or_else(wrong)
    }
}

/// An address whose last octets may be missing, as LACNIC writes prefixes, and how many octets were said. Zeros before an
/// octet are borne: ARIN's RDAP answers write `074.125.000.000`.
fn short(text: &str) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0u8; 4];
    let mut count = 0;
    for part in text.split('.') {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        *octets.get_mut(count)? = part.parse().ok().filter(|_| digits)?;
        count += 1;
    }
    Some((octets.into(), count))
}

/// The addresses that a pattern made of octets holds, as ranges in order: what a rule of the kind
/// `/^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} /` means. `None`: it is not of that kind.
pub fn of_pattern(pattern: &str) -> Option<Vec<Range>> {
    let mut out = Vec::new();
    for sets in octet_sets(pattern)? {
        ranges_of(&sets, 0, &mut out)?;
    }
    out.sort_unstable();
    let mut joined: Vec<Range> = Vec::new();
    for range in out {
        match joined.last_mut() {
            Some(last) if u64::from(last.last) + 1 >= u64::from(range.first) => last.last = last.last.max(range.last),
            _ => joined.push(range),
        }
    }
    Some(joined)
}

/// More ranges than this are no ISP's.
const MOST_RANGES: usize = 65_536;

fn ranges_of(sets: &[[bool; 256]; 4], at: usize, out: &mut Vec<Range>) -> Option<()> {
    /// Which octets are allowed, as runs.
    fn runs(set: &[bool; 256]) -> Vec<(u8, u8)> {
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for value in (0..=255u8).filter(|value| set[usize::from(*value)]) {
            match runs.last_mut() {
                Some((_, end)) if u16::from(*end) + 1 == u16::from(value) => *end = value,
                _ => runs.push((value, value)),
            }
        }
        runs
    }
    fn all(set: &[bool; 256]) -> bool {
        set.iter().all(|there| *there)
    }
    fn go(sets: &[[bool; 256]; 4], at: usize, base: u32, out: &mut Vec<Range>) -> Option<()> {
        let bits = 24 - 8 * at as u32;
        let whole = sets[at + 1..].iter().all(all);
        for (low, high) in runs(&sets[at]) {
            if whole {
                let last = (u32::from(high) << bits) | ((1u64 << bits) - 1) as u32;
                out.push(Range { first: base | (u32::from(low) << bits), last: base | last });
                (out.len() <= MOST_RANGES).then_some(())?;
            } else {
                for value in low..=high {
                    go(sets, at + 1, base | (u32::from(value) << bits), out)?;
                }
            }
        }
        Some(())
    }
    go(sets, at, 0, out)
}

/// The octets that each alternative of the pattern allows.
fn octet_sets(pattern: &str) -> Option<Vec<[[bool; 256]; 4]>> {
    let rest = pattern.strip_prefix(r"^\[ ip=").or_else(|| pattern.strip_prefix(r"^\[\sip="))?;
    // Without an end the last octet may go on: `ip=61\.6` holds 61.60 to 61.69 as well.
    let whole = rest.strip_suffix(' ').or_else(|| rest.strip_suffix(r"\s"));
    let rest = whole.or_else(|| rest.strip_suffix(r"\."))?;
    let alternatives = match group(rest) {
        Some((inside, "")) if top_level(inside, '|').iter().all(|one| dots(one).len() > 1) => top_level(inside, '|'),
        _ => vec![rest],
    };
    let octets = |one: &&str| dots(one).len();
    let fits = |count: usize| if whole.is_some() { count == 4 } else { (1..4).contains(&count) };
    if !alternatives.iter().map(octets).all(fits) {
        return None;
    }
    alternatives.into_iter().map(product_of).collect()
}

fn product_of(text: &str) -> Option<[[bool; 256]; 4]> {
    let octets = dots(text);
    let mut sets = [[true; 256]; 4];
    if octets.len() > 4 {
        return None;
    }
    for (set, octet) in sets.iter_mut().zip(octets) {
        *set = numbers(octet)?;
    }
    Some(sets)
}

/// Cut at `\.` outside parentheses; a `\.` at the very end leaves no empty piece.
fn dots(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut at) = (0i32, 0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' if depth == 0 && bytes.get(at + 1) == Some(&b'.') => {
                out.push(&text[start..at]);
                start = at + 2;
                at += 1;
            }
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// Cut at a character outside parentheses and brackets.
fn top_level(text: &str, cut: char) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut escaped) = (0i32, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                escaped = false;
                continue;
            }
            '\\' => escaped = true,
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            c if c == cut && depth == 0 => {
                out.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// `(?:inside)after` or `(inside)after`.
fn group(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('(')?;
    let inside = inside.strip_prefix("?:").unwrap_or(inside);
    let mut depth = 1;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some((&inside[..at], &inside[at + 1..]));
                }
            }
            _ => {}
        }
    }
    None
}

/// Which numbers of 0 to 255 an octet's pattern means, written without leading zeros.
fn numbers(pattern: &str) -> Option<[bool; 256]> {
    let texts = texts(pattern)?;
    let mut set = [false; 256];
    for text in texts {
        let number = text.parse::<u16>().ok().filter(|number| *number < 256 && number.to_string() == text);
        if let Some(number) = number {
            set[usize::from(number)] = true;
        }
    }
    set.contains(&true).then_some(set)
}

/// More texts than all of three digits are no octet.
const MOST_TEXTS: usize = 1200;

/// All texts of one to three digits that a pattern of digits, classes, groups, `?`, `{1,3}`, `+` and `*` means.
fn texts(pattern: &str) -> Option<Vec<String>> {
    let alternatives = top_level(pattern, '|');
    if alternatives.len() > 1 {
        let all: Vec<Vec<String>> = alternatives.into_iter().map(texts).collect::<Option<_>>()?;
        return Some(all.concat());
    }
    let mut sum = vec![String::new()];
    let mut rest = pattern;
    while !rest.is_empty() {
        let (atom, after) = atom(rest)?;
        let (least, most, after) = repeated(after)?;
        let mut next = Vec::new();
        let mut copies = vec![String::new()];
        for count in 0..=most {
            if count >= least {
                for before in &sum {
                    next.extend(copies.iter().map(|copy| format!("{before}{copy}")).filter(|text| text.len() <= 3));
                }
            }
            copies = copies.iter().flat_map(|copy| atom.iter().map(move |one| format!("{copy}{one}"))).collect();
            copies.retain(|copy| copy.len() <= 3);
        }
        next.sort_unstable();
        next.dedup();
        (next.len() <= MOST_TEXTS).then_some(())?;
        sum = next;
        rest = after;
    }
    Some(sum)
}

fn atom(text: &str) -> Option<(Vec<String>, &str)> {
    if let Some((inside, after)) = group(text) {
        return Some((texts(inside)?, after));
    }
    if let Some(after) = text.strip_prefix(r"\d") {
        return Some((('0'..='9').map(String::from).collect(), after));
    }
    if let Some(class) = text.strip_prefix('[') {
        let (class, after) = class.split_once(']')?;
        let mut digits = Vec::new();
        let chars: Vec<char> = class.chars().collect();
        let mut at = 0;
        while let Some(&from) = chars.get(at) {
            let to = match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('-'), Some(&to)) => {
                    at += 2;
                    to
                }
                _ => from,
            };
            (from.is_ascii_digit() && to.is_ascii_digit() && from <= to).then_some(())?;
            digits.extend((from..=to).map(String::from));
            at += 1;
        }
        return Some((digits, after));
    }
    let digit = text.chars().next().filter(char::is_ascii_digit)?;
    Some((vec![digit.to_string()], &text[1..]))
}

/// How often, and what follows.
fn repeated(text: &str) -> Option<(usize, usize, &str)> {
    if let Some(after) = text.strip_prefix('?') {
        return Some((0, 1, after));
    }
    if let Some(after) = text.strip_prefix('+') {
        return Some((1, 3, after));
    }
    if let Some(after) = text.strip_prefix('*') {
        return Some((0, 3, after));
    }
    let Some(braces) = text.strip_prefix('{') else { return Some((1, 1, text)) };
    let (count, after) = braces.split_once('}')?;
    let (least, most) = match count.split_once(',') {
        Some((least, "")) => (least.parse().ok()?, 3),
        Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
        None => (count.parse().ok()?, count.parse().ok()?),
    };
    (least <= most && most <= 3).then_some((least, most, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn as_registries_write_them() {
        for (text, shown, size) in [
            ("180.94.0.0 - 180.94.31.255", "180.94.0.0/19", 8192),
            ("180.94.0.0/19", "180.94.0.0/19", 8192),
            ("200.57.128/19", "200.57.128.0/19", 8192),
            ("61.254.160.0-61.255.255.255", "61.254.160.0-61.255.255.255", 90_112),
            ("074.125.000.000 - 074.125.255.255", "74.125.0.0/16", 65_536),
            ("192.0.2.1", "192.0.2.1/32", 1),
            ("0.0.0.0/0", "0.0.0.0/0", 1 << 32),
        ] {
            let range = range(text);
            assert_eq!((range.to_string().as_str(), range.size()), (shown, size), "{text}");
            assert_eq!(self::range(shown), range);
        }
        for wrong in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.1/24",
            "192.0.2.9-192.0.2.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "a.b.c.d/8",
            "1.2.3.4/",
        ] {
            assert_eq!(wrong.parse::<Range>(), Err(NoRange(wrong.into())), "{wrong}");
        }
    }

    #[test]
    fn the_talks_pattern_is_its_range() {
        let talks = r"^\[ ip=180\.94\.(?:\d|[12]\d|3[01])\.\d{1,3} ";
        assert_eq!(range("180.94.0.0/19").pattern(), talks);
        assert_eq!(of_pattern(talks), Some(vec![range("180.94.0.0/19")]));
    }

    #[test]
    fn patterns_hold_exactly_their_ranges() {
        for text in [
            "10.0.0.0/8",
            "10.1.2.3",
            "203.0.113.64/26",
            "61.254.160.0-61.255.255.255",
            "1.2.3.4-9.8.7.6",
            "223.255.255.250-224.0.0.9",
            "192.0.2.0-192.0.2.199",
            "198.51.99.7-198.51.100.255",
            "0.0.0.0-255.255.255.255",
        ] {
            let range = range(text);
            assert_eq!(of_pattern(&range.pattern()), Some(vec![range]), "{text} {}", range.pattern());
        }
    }

    /// Pairs of ends within one octet, held to a plain comparison.
    #[test]
    fn octets_by_enumeration() {
        for low in 0..=255u8 {
            for high in (low..=255).step_by(7).chain([255]) {
                let set = numbers(&octet(low, high)).unwrap();
                for value in 0..=255u8 {
                    assert_eq!(set[usize::from(value)], (low..=high).contains(&value), "{low}-{high}: {value}");
                }
            }
        }
    }

    #[test]
    fn prefixes_make_it_up() {
        for text in ["61.254.160.0-61.255.255.255", "0.0.0.1-255.255.255.254", "192.0.2.0/24"] {
            let range = range(text);
            let prefixes = range.prefixes();
            let sizes: u64 = prefixes.iter().map(|(_, length)| 1u64 << (32 - length)).sum();
            assert_eq!(sizes, range.size(), "{text}");
            assert_eq!(prefixes[0].0, range.first());
        }
    }

    #[test]
    fn as_people_write_them() {
        for (pattern, ranges) in [
            (r"^\[ ip=61\.(?:6[4-9]|7\d)\.", "61.64.0.0-61.79.255.255"),
            (r"^\[ ip=218\.[0-9]+\.1\.\d+ ", ""),
            (r"^\[ ip=58\.1(?:2[89]|[3-9]\d)\.\d{1,3}\.\d{1,3} ", "58.128.0.0-58.199.255.255"),
            (r"^\[ ip=(?:1\.2|3\.4)\.\d+\.\d+ ", ""),
        ] {
            match (of_pattern(pattern), ranges) {
                (Some(found), "") => assert!(found.len() > 1 || pattern.contains("1\\.2"), "{pattern}"),
                (found, ranges) => assert_eq!(found, (!ranges.is_empty()).then(|| vec![range(ranges)]), "{pattern}"),
            }
        }
        for other in [
            r"^\[ ip=.*",
            "ip=1",
            r"rdns=x",
            r"^\[ ip=[a-f]\.",
            r"^\[ ip=999\.1\.",
            r"^\[ ip=61\.6",
            r"^\[ ip=1\.2\.3\.4",
            r"^\[ ip=1\.2\.3 ",
        ] {
            assert_eq!(of_pattern(other), None, "{other}");
        }
    }
}
