//! One URI to all the forms that mean the same to a browser or a mail program.
//!
//! In: a URI as written. Out: itself and its forms: percent codes and entities decoded, default port cut, numeric hosts
//! as dotted quads, international names as `xn--`, the target inside a redirector. Forms are added, never replaced,
//! since rules look for the tricks as well as for what they hide. Some forms are SpamAssassin's own (`127...1` for
//! `127.0.0.1`) and kept because rules may have been written with them in sight.

use super::starts_with_ignore_case;
use crate::tld::{Registry, idn_to_ascii};
use crate::views::Redirectors;

/// Redirectors inside redirectors, and whatever else makes new URIs.
const MOST: usize = 100;

/// The URI first, trimmed, then its forms; no form twice.
pub fn forms(uri: &[u8], registry: &Registry, redirectors: &dyn Redirectors) -> Vec<Vec<u8>> {
    let mut work = Work { registry, redirectors, written: vec![uri.to_vec()], made: Vec::new() };
    let mut next = 0;
    while next < work.written.len() {
        let uri = trim(&work.written[next]);
        work.written[next].clone_from(&uri);
        work.one(&uri);
        next += 1;
    }
    let mut all: Vec<Vec<u8>> = Vec::new();
    for form in work.written.into_iter().chain(work.made) {
        if !all.contains(&form) {
            all.push(form);
        }
    }
    all
}

/// `%41` to "A", for printable ASCII but the blank; what must be encoded and is not gets a percent code.
pub fn percent_decode(uri: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    let mut at = 0;
    while at < uri.len() {
        let b = uri[at];
        if b == b'%'
            && let Some(code) = percent_code(&uri[at..])
        {
            if (0x21..0x7f).contains(&code) {
                out.push(code);
            } else {
                out.extend_from_slice(&uri[at..at + 3]);
            }
            at += 3;
            continue;
        }
        if matches!(b, 0..=0x20 | 0x7f.. | b'"' | b'%' | b'<' | b'>') {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        } else {
            out.push(b);
        }
        at += 1;
    }
    out
}

pub fn has_percent_code(uri: &[u8]) -> bool {
    memchr::memchr_iter(b'%', uri).any(|at| percent_code(&uri[at..]).is_some())
}

struct Work<'c> {
    registry: &'c Registry,
    redirectors: &'c dyn Redirectors,
    /// URIs that somebody wrote: the one given, and those found inside it.
    written: Vec<Vec<u8>>,
    made: Vec<Vec<u8>>,
}

impl Work<'_> {
    fn one(&mut self, uri: &[u8]) {
        if is_no_address(uri) {
            return;
        }
        if starts_with_ignore_case(uri, b"mailto:") || is_bare_mail(uri) {
            self.mail(uri);
            return;
        }
        let plain = plain(uri);
        if plain != uri {
            self.made.push(plain.clone());
        }
        if let Some(parts) = Parts::of(&plain) {
            self.http(parts);
        }
    }

    /// Mail programs drop `?subject=`, blanks and names around an address.
    fn mail(&mut self, uri: &[u8]) {
        let Some(at) = memchr::memchr(b'@', uri) else { return };
        let question = uri[at + 1..].iter().position(|&b| b == b'?').filter(|&n| n > 0);
        if let Some(n) = question.filter(|_| at > 0) {
            self.made.push(uri[..at + 1 + n].to_vec());
        }
        // Outlook takes foo@bar%2Ecom&x.com for foo@bar.com.
        let stop = uri[at + 1..].iter().position(|b| matches!(b, b'?' | b'&')).filter(|&n| n > 0);
        if let Some(n) = stop.filter(|&n| at > 0 && uri[at + 1 + n] == b'&') {
            self.made.push(uri[..at + 1 + n].to_vec());
        }
        if memchr::memmem::find(uri, b"%20").is_some() {
            let mut rest = uri.strip_prefix(b"mailto:").unwrap_or(uri);
            while let Some(trimmed) = rest.strip_prefix(b"%20").filter(|t| !t.starts_with(b"@")) {
                rest = trimmed;
            }
            if let Some(at) = memchr::memchr(b'@', rest).filter(|&at| at > 0) {
                let end = rest[at + 1..].iter().position(|b| b"?&%".contains(b)).map_or(rest.len(), |n| at + 1 + n);
                if end > at + 1 {
                    self.made.push([b"mailto:", &rest[..end]].concat());
                }
            }
        }
        // mailto:"Foo%20Bar"%20<foo.bar@example.com>
        let head = &uri[..uri.iter().position(|b| matches!(b, b'?' | b'&')).unwrap_or(uri.len())];
        let inside = memchr::memrchr_iter(b'<', head).find_map(|open| {
            let inside = &uri[open + 1..];
            let at = inside.iter().position(|b| matches!(b, b'@' | b'>')).filter(|&n| n > 0 && inside[n] == b'@')?;
            let close = memchr::memchr(b'>', &inside[at + 1..]).filter(|&n| n > 0)?;
            Some(&inside[..at + 1 + close])
        });
        if let Some(address) = inside {
            self.made.push([b"mailto:", address].concat());
        }
    }

    fn http(&mut self, parts: Parts<'_>) {
        let Parts { scheme, user, host, rest, port } = parts;
        let make = |host: &[u8], rest: &[u8]| [scheme, host, rest].concat();
        let is_plain = scheme == b"http://";
        let mut host = host.to_vec();

        // The default port is no part of the name. Where another port is written, nothing is cut.
        let default_port: &[u8] = if is_plain { b":80" } else { b":443" };
        let mut without_port = None;
        if !port.is_empty() {
            let cut = rest.strip_prefix(default_port).filter(|r| !r.first().is_some_and(|&b| is_word(b)));
            if let Some(cut) = cut {
                self.made.push(make(&host, cut));
            }
            without_port = Some(cut.unwrap_or(rest));
        }
        let on_port_80 = if port.is_empty() { is_plain } else { port == b"80" };

        let ascii = idn_to_ascii(&host).into_owned();
        if ascii != host.to_ascii_lowercase() {
            self.made.push(make(&ascii, rest));
            if let Some(without_port) = without_port.filter(|r| !r.is_empty()) {
                self.made.push(make(&ascii, without_port));
            }
            host.clone_from(&ascii);
        }

        if host.iter().any(|&b| b <= b' ') {
            host.retain(|&b| b > b' ');
            self.made.push(make(&host, rest));
        }

        self.redirected(&make(&host, rest), rest);

        if let Some(at) = memchr::memrchr(b'@', &host).filter(|_| !host.starts_with(b"@")) {
            host.drain(..=at);
            self.made.push(make(&host, rest));
        }
        // "visit http://example.biz!!!"
        let end = host.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |n| n + 1);
        if end < host.len() {
            host.truncate(end);
            self.made.push(make(&host, rest));
        }

        if let Some(address) = numeric_host(&host) {
            self.made.push(make(&address, rest));
        } else if is_plain && user.is_empty() && on_port_80 && ascii != b"localhost" {
            // Firefox: http://foobar is http://www.foobar.com.
            let word = ascii.strip_prefix(b"www.").filter(|w| !w.is_empty()).unwrap_or(&ascii);
            if !word.is_empty() && !word.contains(&b'.') && !self.registry.is_domain_valid(&ascii) {
                self.made.push(make(&[b"www.", word, b".com"].concat(), rest));
            }
        }
    }

    /// The address that a redirector leads to, by pattern or because it stands there in full.
    fn redirected(&mut self, uri: &[u8], rest: &[u8]) {
        if self.written.len() >= MOST {
            return;
        }
        let by_pattern = self.redirectors.targets(uri).into_iter().find(|target| target.contains(&b'.'));
        let target = by_pattern.or_else(|| encoded_target(uri)).or_else(|| {
            let found = memchr::memchr2_iter(b'h', b'H', rest).find_map(|at| {
                let rest = &rest[at..];
                let scheme = [&b"https:"[..], b"http:"].into_iter().find(|s| starts_with_ignore_case(rest, s))?;
                let end = rest.iter().position(|b| matches!(b, b'&' | b'#')).unwrap_or(rest.len());
                (end > scheme.len()).then(|| &rest[..end])
            });
            found.filter(|target| target.contains(&b'.')).map(<[u8]>::to_vec)
        });
        self.written.extend(target);
    }
}

/// Where two redirectors lead that do not write the address out: Bing's `u=a1` and base64, and Google's translator,
/// which makes one label of the host (`evil-example.translate.goog`, "-" for ".", "--" for "-").
fn encoded_target(uri: &[u8]) -> Option<Vec<u8>> {
    let uri = std::str::from_utf8(uri).ok()?;
    let (host, rest) = uri.split_once("://")?.1.split_once(['/', '?'])?;
    let host = host.to_ascii_lowercase();
    if let Some(label) = host.strip_suffix(".translate.goog") {
        let name = label.replace("--", "\0").replace('-', ".").replace('\0', "-");
        return name.contains('.').then(|| format!("https://{name}/{rest}").into_bytes());
    }
    if host == "bing.com" || host.ends_with(".bing.com") {
        let value = rest.split(['?', '&', '#']).find_map(|pair| pair.strip_prefix("u=a1"))?;
        let target = base64_url(value.as_bytes())?;
        return target.starts_with(b"http").then_some(target);
    }
    None
}

fn base64_url(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for &b in text.iter().take_while(|b| **b != b'=') {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

/// A web address taken apart.
struct Parts<'u> {
    /// With "://".
    scheme: &'u [u8],
    /// With "@"; empty if there is none.
    user: &'u [u8],
    host: &'u [u8],
    /// Port and all that follows.
    rest: &'u [u8],
    port: &'u [u8],
}

impl<'u> Parts<'u> {
    fn of(uri: &'u [u8]) -> Option<Parts<'u>> {
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|s| starts_with_ignore_case(uri, s))?.len();
        let (scheme, after) = uri.split_at(scheme);
        let user = after.iter().position(|b| matches!(b, b'@' | b'/' | b'?' | b'#')).filter(|&n| after[n] == b'@');
        let host_length =
            |text: &[u8]| text.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b':')).unwrap_or(text.len());
        // Without a host behind it the "@" belongs to the host.
        let user = user.map_or(0, |n| n + 1);
        let user = if host_length(&after[user..]) == 0 { 0 } else { user };
        let (user, after) = after.split_at(user);
        let (host, rest) = after.split_at(host_length(after));
        let port = rest.strip_prefix(b":").unwrap_or_default();
        let port = &port[..port.iter().take_while(|b| b.is_ascii_digit()).count()];
        (!host.is_empty()).then_some(Parts { scheme, user, host, rest, port })
    }
}

fn trim(uri: &[u8]) -> Vec<u8> {
    let blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    let mut uri: Vec<u8> = uri.iter().copied().filter(|&b| b != b'\n').collect();
    let end = uri.iter().rposition(|b| !blank(b)).map_or(0, |n| n + 1);
    uri.truncate(end);
    let start = uri.iter().position(|b| !blank(b)).unwrap_or(uri.len());
    uri.drain(..start);
    uri.retain(|&b| b != b'\r');
    uri
}

/// `#top`, `?query`, `/image.gif`: nothing that leads to a host. `//host` does.
fn is_no_address(uri: &[u8]) -> bool {
    uri.len() <= 1 || matches!(uri[0], b'#' | b'?' | b'&') || uri[0] == b'/' && uri[1] != b'/'
}

/// An "@" before any colon.
fn is_bare_mail(uri: &[u8]) -> bool {
    memchr::memchr2(b'@', b':', uri).is_some_and(|n| uri[n] == b'@')
}

/// With scheme, forward slashes and a slash before the query; percent codes and entities decoded.
fn plain(uri: &[u8]) -> Vec<u8> {
    let mut uri: Vec<u8> = uri.iter().map(|&b| if b == b'\\' { b'/' } else { b }).collect();
    // http:www.example.com, http:/www.example.com
    if let Some(scheme) = [&b"http:"[..], b"https:"].into_iter().find(|s| starts_with_ignore_case(&uri, s)) {
        let slashes = uri[scheme.len()..].iter().take(2).take_while(|&&b| b == b'/').count();
        uri.splice(scheme.len()..scheme.len() + slashes, *b"//");
    }
    if has_percent_code(&uri) {
        uri = percent_decode(&uri);
    }
    let scheme = uri.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    if scheme == 0 || uri.get(scheme) != Some(&b':') {
        let missing: &[u8] = if uri.starts_with(b"ftp.") { b"ftp://" } else { b"http://" };
        uri.splice(0..0, missing.iter().copied());
    }
    // http://www.example.com?id=3
    if let Some(scheme) = [&b"http://"[..], b"https://"].into_iter().find(|s| starts_with_ignore_case(&uri, s)) {
        let host = uri[scheme.len()..].iter().position(|b| matches!(b, b'/' | b'?' | b'#')).filter(|&n| n > 0);
        if let Some(host) = host.map(|n| scheme.len() + n).filter(|&n| uri[n] != b'/') {
            uri.insert(host, b'/');
        }
    }
    if memchr::memmem::find(&uri, b"&#").is_some() { decode_entities(&uri) } else { uri }
}

/// Numeric entities of printable ASCII, and the dots of other scripts.
fn decode_entities(uri: &[u8]) -> Vec<u8> {
    // One kind after the other, as SpamAssassin: what the first uncovers the second decodes.
    let decimal = replace_entities(uri, |code| {
        let digits = without_zeros(code);
        let number = number(digits, 10).filter(|_| digits.len() <= 3)?;
        (33..=126).contains(&number).then_some(number as u8)
    });
    let hex = replace_entities(&decimal, |code| {
        let digits = without_zeros(code.strip_prefix(b"x")?);
        let number = number(digits, 16).filter(|_| digits.len() == 2)?;
        // 2a to 2f are not in SpamAssassin's range.
        matches!(number, 0x21..=0x29 | 0x30..=0x7e).then_some(number as u8)
    });
    replace_entities(&hex, |code| {
        let dots: [&[u8]; 7] = [b"x2e", b"12290", b"x3002", b"65294", b"xff0e", b"65377", b"xff61"];
        dots.iter().any(|dot| code.eq_ignore_ascii_case(dot)).then_some(b'.')
    })
}

fn replace_entities(uri: &[u8], decode: impl Fn(&[u8]) -> Option<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(at) = memchr::memmem::find(rest, b"&#") {
        let code = &rest[at + 2..];
        let end = code.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(code.len());
        let decoded = if code.get(end) == Some(&b';') { decode(&code[..end]) } else { None };
        out.extend_from_slice(&rest[..at]);
        match decoded {
            Some(b) => {
                out.push(b);
                rest = &code[end + 1..];
            }
            None => {
                out.extend_from_slice(b"&#");
                rest = code;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|&&b| b == b'0').count()..]
}

/// Digits of the base, nothing else. Grows no further than u64.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, &b| {
        let digit = char::from(b).to_digit(base)?;
        Some(n.saturating_mul(u64::from(base)).saturating_add(u64::from(digit)))
    })
}

/// `0x7f000001`, `2130706433`, `0177.0.0.01`: the address in SpamAssassin's spelling.
fn numeric_host(host: &[u8]) -> Option<Vec<u8>> {
    let chunks: Vec<&[u8]> = host.split(|&b| b == b'.').collect();
    let hex = |chunk: &[u8]| {
        let digits = chunk.get(2..).filter(|_| starts_with_ignore_case(chunk, b"0x"))?;
        (!digits.is_empty()).then_some(digits).filter(|d| d.iter().all(u8::is_ascii_hexdigit)).map(<[u8]>::to_vec)
    };
    let decimal = |chunk: &[u8]| !chunk.is_empty() && chunk.iter().all(u8::is_ascii_digit);
    match chunks.as_slice() {
        [chunk] => {
            let long = match hex(chunk) {
                Some(digits) => number(&digits[digits.len().saturating_sub(8)..], 16)?,
                None if decimal(chunk) => number(chunk, 10)?,
                None => return None,
            };
            Some(dotted(long))
        }
        [_, _, _, _] if chunks.iter().all(|chunk| decimal(chunk) || hex(chunk).is_some()) => {
            let octets: Vec<Vec<u8>> = chunks.iter().map(|chunk| octet(chunk, hex(chunk))).collect();
            Some(octets.join(&b'.'))
        }
        _ => None,
    }
}

/// A hex or octal octet as decimal; a zero vanishes.
fn octet(chunk: &[u8], hex: Option<Vec<u8>>) -> Vec<u8> {
    let mut digits = match hex {
        Some(hex) => number(&hex, 16).unwrap_or_default().to_string().into_bytes(),
        None => chunk.to_vec(),
    };
    let significant = without_zeros(&digits).to_vec();
    if significant.len() < digits.len() {
        let octal = match significant.as_slice() {
            [b'1'..=b'3', rest @ ..] => rest.len() <= 2,
            [b'4'..=b'7', rest @ ..] => rest.len() <= 1,
            _ => false,
        };
        let octal = number(&significant, 8).filter(|_| octal);
        digits = octal.map_or(significant, |n| n.to_string().into_bytes());
    }
    digits
}

/// A number as four octets: the first eight of its hex digits.
fn dotted(number: u64) -> Vec<u8> {
    let mut hex = format!("{number:08x}").into_bytes();
    hex.truncate(8);
    let value = hex.iter().fold(0u32, |n, &b| n << 4 | char::from(b).to_digit(16).unwrap_or(0));
    std::net::Ipv4Addr::from(value).to_string().into_bytes()
}

fn percent_code(text: &[u8]) -> Option<u8> {
    let digit = |i: usize| text.get(i).and_then(|&b| char::from(b).to_digit(16));
    Some((digit(1)? << 4 | digit(2)?) as u8)
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}
