//! Razor's signatures: engine 4, a hash of two stretches of the text chosen by a seed, and engine 8, a hash of each host that
//! the text links to together with the text's length.

use super::find_any_case;
use memchr::{memmem, memrchr};
use sha1::{Digest, Sha1};

/// Hosts of one part that count.
const HOSTS: usize = 100;

/// How a server wants engine 4: `7542-10`, a seed and the number of the letter between lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    pub seed: u32,
    pub separator: u8,
}

impl Default for Seed {
    fn default() -> Seed {
        Seed { seed: 7542, separator: b'\n' }
    }
}

impl Seed {
    pub fn read(text: &str) -> Option<Seed> {
        let (seed, separator) = text.split_once('-')?;
        Some(Seed { seed: seed.parse().ok()?, separator: separator.parse().ok()? })
    }
}

impl std::fmt::Display for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.seed, self.separator)
    }
}

/// Perl's random numbers, which are the same everywhere.
struct Chance(u64);

impl Chance {
    fn new(seed: u32) -> Chance {
        Chance(u64::from(seed) << 16 | 0x330e)
    }

    fn next(&mut self, below: f64) -> f64 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
        self.0 as f64 / (1u64 << 48) as f64 * below
    }
}

/// Engine 4.
pub fn ephemeral(text: &[u8], seed: Seed) -> String {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == seed.separator).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let mut chance = Chance::new(seed.seed);
    let section = 100.0 / 6.0;
    let places: Vec<usize> = (0..6)
        .map(|number| chance.next(section) + f64::from(number) * section)
        .collect::<Vec<f64>>()
        .into_iter()
        .map(|place| (place * lines.len() as f64 / 100.0) as usize)
        .collect();
    let mut offsets = || [0.0, 50.0].map(|base| chance.next(50.0) + base);
    let (first, second) = (offsets(), offsets());
    let mut picked: Vec<Vec<u8>> = Vec::new();
    for (from, to, offsets) in [(places[1], places[2], first), (places[3], places[4], second)] {
        let length: usize = (from..=to).filter_map(|number| truthy(&lines, number)).map(<[u8]>::len).sum();
        let [start, end] = offsets.map(|offset| (offset * length as f64 / 100.0) as usize);
        picked.push(pick(&lines, from, to, start, end));
    }
    let length: usize = picked.iter().map(Vec::len).sum();
    let blank = |section: &Vec<u8>| !section.is_empty() && section.iter().all(u8::is_ascii_whitespace);
    if picked.iter().all(blank) {
        picked.iter_mut().for_each(Vec::clear);
    }
    let hash = if length > 128 { Sha1::digest(picked.concat()) } else { Sha1::digest(text) };
    written(&hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn truthy<'l>(lines: &[&'l [u8]], number: usize) -> Option<&'l [u8]> {
    lines.get(number).copied().filter(|line| !line.is_empty() && *line != b"0")
}

fn pick(lines: &[&[u8]], from: usize, to: usize, start: usize, end: usize) -> Vec<u8> {
    let (mut seen, mut start_at, mut end_at) = (0i64, (0usize, 0i64), (0usize, 0i64));
    let (start, end) = (start as i64, end as i64);
    for number in from..=to {
        let Some(line) = truthy(lines, number) else { continue };
        let length = line.len() as i64;
        seen += length;
        if seen > start && start_at.1 == 0 {
            // Below nothing on a line behind the right one, which the agents take for found.
            start_at = (number, length + start - seen);
        }
        if seen > end {
            end_at = (number, length + end - seen);
        }
        if end_at.1 != 0 {
            break;
        }
    }
    let ((first, skip), (last, upto)) = (start_at, end_at);
    let (skip, upto) = (skip.max(0) as usize, upto.max(0) as usize);
    let line = |number: usize| lines.get(number).copied().unwrap_or_default();
    if first == last {
        let Some(line) = truthy(lines, first).filter(|line| skip <= line.len()) else { return Vec::new() };
        // As Perl counts: a length below nothing is counted from the end.
        let length = upto as i64 - skip as i64 + 1;
        let stop = if length < 0 { line.len() as i64 + length } else { skip as i64 + length };
        return line.get(skip..(stop.max(0) as usize).min(line.len())).unwrap_or_default().to_vec();
    }
    let mut section = line(first).get(skip..).unwrap_or_default().to_vec();
    for number in first + 1..last {
        section.extend_from_slice(line(number));
    }
    section.extend_from_slice(&line(last)[..upto.min(line(last).len())]);
    section
}

/// Registries' domains, in the order in which they are tried.
static SUFFIXES: &str = include_str!("suffixes.txt");

/// Engine 8: a signature for each host.
pub fn whiplash(text: &[u8]) -> Vec<String> {
    if text.is_empty() || text == b"0" {
        return Vec::new();
    }
    let length = text.len() - text.len() % 100;
    let tail = hex(length.to_string().as_bytes(), 4);
    hosts(text).iter().map(|host| written(&format!("{}{tail}", hex(host, 12)))).collect()
}

fn hex(bytes: &[u8], digits: usize) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..digits].to_owned()
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// `%41` and `&#65;` to letters.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut once = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                once.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                once.push(byte);
                at += 1;
            }
        }
    }
    let mut out = Vec::with_capacity(once.len());
    let mut rest = &once[..];
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(digits) = rest.strip_prefix(b"&#") {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&digits[..count]).ok().and_then(|digits| digits.parse::<u32>().ok());
            if matches!(count, 2 | 3)
                && digits.get(count) == Some(&b';')
                && let Some(number) = number.and_then(|number| u8::try_from(number).ok())
            {
                out.push(number);
                rest = &digits[count + 1..];
                continue;
            }
        }
        out.push(byte);
        rest = after;
    }
    out
}

fn hosts(text: &[u8]) -> Vec<Vec<u8>> {
    let text = unescaped(text);
    let mut hosts = bare_links(&text);
    let Some((mut text, mut in_link)) = beginning(&text) else { return Vec::new() };
    let mut on_last_line = false;
    while hosts.len() < HOSTS {
        let host = next_host(text, in_link);
        if host.is_empty() || host == b"0" {
            break;
        }
        let host = match host.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            true => host,
            false => canonical(&host),
        };
        if host.len() > 1 && host.contains(&b'.') && !hosts.contains(&host) {
            hosts.push(host);
        }
        // Only what stands on the last line is looked for, as the agents do.
        if !on_last_line {
            text = text.strip_suffix(b"\n").unwrap_or(text);
            text = &text[memrchr(b'\n', text).map_or(0, |at| at + 1)..];
            on_last_line = true;
        }
        match memmem::find(text, b"http://") {
            Some(at) => text = &text[at + 7..],
            None => break,
        }
        in_link = false;
    }
    hosts
}

/// `www.` behind a blank, which some programs make a link of.
fn bare_links(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = 0;
    let ends = |byte: &u8| matches!(byte, b' ' | b'/' | b'>' | b'<' | b'"' | b'\r' | b'\n');
    while at < text.len() && found.len() < HOSTS {
        let blanks = text[at..].iter().take_while(|byte| is_space(**byte)).count();
        if blanks == 0 {
            at += 1;
            continue;
        }
        let word = &text[at + blanks..];
        let is_www = word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"www"))
            && word.get(3).is_some_and(|byte| *byte != b'\n');
        let length = word.get(4..).map_or(0, |rest| rest.iter().take_while(|byte| !ends(byte)).count());
        if is_www && length > 0 {
            found.push(word[..4 + length].to_vec());
            at += blanks + 4 + length;
        } else {
            at += blanks;
        }
    }
    found
}

/// Behind `http://`, `https:/` and the like, if that is here.
fn scheme(rest: &[u8]) -> Option<&[u8]> {
    let after = rest.get(..4).filter(|start| start.eq_ignore_ascii_case(b"http")).map(|_| &rest[4..])?;
    let after = match after {
        [b's' | b'S', after @ ..] => after,
        _ => after,
    };
    let after = after.strip_prefix(b":/")?;
    Some(after.strip_prefix(b"/").unwrap_or(after))
}

/// Behind the first `href="http://`, else behind the first `http://`; whether it was the former.
fn beginning(text: &[u8]) -> Option<(&[u8], bool)> {
    let mut from = 0;
    while let Some(at) = find_any_case(&text[from..], b"href").map(|at| from + at) {
        let skip = |rest: &'_ [u8]| rest.iter().take_while(|byte| is_space(**byte)).count();
        let rest = &text[at + 4..];
        let rest = &rest[skip(rest)..];
        if let Some(rest) = rest.strip_prefix(b"=") {
            let rest = &rest[skip(rest)..];
            let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
            if let Some(found) = scheme(rest) {
                let offset = text.len() - found.len();
                return Some((&text[offset..], true));
            }
        }
        from = at + 1;
    }
    let mut from = 0;
    while let Some(at) = find_any_case(&text[from..], b"http").map(|at| from + at) {
        if let Some(found) = scheme(&text[at..]) {
            let offset = text.len() - found.len();
            return Some((&text[offset..], false));
        }
        from = at + 1;
    }
    None
}

fn next_host(text: &[u8], in_link: bool) -> Vec<u8> {
    let text = match find_any_case(&text[..text.len().min(7)], b"http://") {
        Some(0) => &text[7..],
        _ => text,
    };
    let stops = |byte: &u8| match byte {
        b'>' | b'"' | b'/' | b'?' | b'<' => true,
        b'\n' | b'\r' => !in_link,
        _ => false,
    };
    let mut host = text[..text.iter().position(stops).unwrap_or(text.len())].to_vec();
    if let Some(at) = host.iter().position(|byte| *byte == b'@') {
        host.drain(..=at);
    }
    // A word with an equal sign in it, up to its last one.
    let mut at = 0;
    while at < host.len() {
        let end = at + host[at..].iter().take_while(|byte| !is_space(**byte)).count();
        if let Some(last) = host[at..end].iter().rposition(|byte| *byte == b'=').filter(|last| *last > 0) {
            host.drain(at..=at + last);
            break;
        }
        at = end + 1;
    }
    host.truncate(host.iter().position(|byte| is_space(*byte)).unwrap_or(host.len()));
    host.make_ascii_lowercase();
    host.retain(|byte| *byte != b'=');
    host.truncate(host.iter().position(|byte| *byte == b':').unwrap_or(host.len()));
    if host.last() == Some(&b'.') {
        host.pop();
    }
    host
}

/// The registered domain.
fn canonical(host: &[u8]) -> Vec<u8> {
    for suffix in SUFFIXES.lines() {
        let Some(before) = host.strip_suffix(suffix.as_bytes()) else { continue };
        if !suffix.starts_with('.') {
            return suffix.as_bytes().to_vec();
        }
        let label = before.iter().rev().take_while(|byte| **byte != b'.').count();
        if label > 0 {
            return host[before.len() - label..].to_vec();
        }
    }
    host.to_vec()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Hexadecimal digits as the network writes them: three become two letters, each digit with its lowest bit first.
pub(super) fn written(hex: &str) -> String {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let mut out = String::new();
    for three in digits.chunks(3) {
        let bits: Vec<u8> = (0..12).map(|bit| three.get(bit / 4).map_or(0, |digit| digit >> (bit % 4) & 1)).collect();
        for six in bits.chunks(6) {
            let value = six.iter().fold(0usize, |value, bit| value << 1 | usize::from(*bit));
            out.push(char::from(LETTERS[value]));
        }
    }
    out
}
