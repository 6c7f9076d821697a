//! PDF: every stream unpacked, the addresses that the document opens, the scripts that it runs.
//!
//! No cross-reference table is read and no reference followed, since malware breaks the one and makes loops of the
//! other. The file is read from front to back: whatever stands between `stream` and `endstream` is a stream, and the
//! nearest `obj` before it begins what is said about it.

use super::Opening;
use crate::{Content, Member, Note, Role};
use std::borrow::Cow;
use std::io::Read;

/// How far before its stream an object's dictionary may begin.
const DICTIONARY: usize = 16 << 10;
/// Within this from a stream's stated end its end is said.
const GAP: usize = 64;
/// Filters after one another.
const FILTERS: usize = 8;

pub fn open<'a>(bytes: &'a [u8], opening: &mut Opening<'_, 'a>) {
    if is_encrypted(bytes) {
        opening.note(Note::Encrypted);
    }
    let mut from = 0;
    // What stands between the streams.
    let mut outside = 0;
    let mut ends = true;
    while let Some(found) = memchr::memmem::find(&bytes[from..], b"stream") {
        let word = from + found;
        from = word + 6;
        if !opening.step(16) {
            return;
        }
        if bytes[..word].ends_with(b"end") {
            continue;
        }
        let window = &bytes[word.saturating_sub(DICTIONARY)..word];
        if !opening.step(window.len() as u64 / 64) {
            return;
        }
        let Some(object) = memchr::memmem::rfind(window, b"obj") else { continue };
        let said = &window[object + 3..];
        // Something else in between means that the word stands for itself.
        if !said.trim_ascii_end().ends_with(b">>") {
            continue;
        }
        let mut start = word + 6;
        if bytes.get(start) == Some(&b'\r') {
            start += 1;
        }
        if bytes.get(start) == Some(&b'\n') {
            start += 1;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let stated = number_after(said, b"/Length").filter(|length| {
            let word = |after: &[u8]| after[..after.len().min(GAP)].trim_ascii_start().starts_with(b"endstream");
            rest.get(*length..).is_some_and(word)
        });
        let length = stated.or_else(|| {
            let end = if ends { memchr::memmem::find(rest, b"endstream") } else { None };
            ends = end.is_some();
            end
        });
        let mut data = &rest[..length.unwrap_or(rest.len())];
        if stated.is_none() {
            // The line end before the word is not of the stream.
            data = data.strip_suffix(b"\n").unwrap_or(data);
            data = data.strip_suffix(b"\r").unwrap_or(data);
        }
        if length.is_none() {
            opening.note(Note::Truncated);
        }
        if !strings(&bytes[outside..start.min(bytes.len())], opening) {
            return;
        }
        from = (start + data.len()).min(bytes.len());
        outside = from;
        let name = object_number(&window[..object]);
        if !stream(said, data, name, opening) {
            return;
        }
    }
    let _ = strings(&bytes[outside..], opening);
}

fn stream<'a>(said: &[u8], data: &'a [u8], name: Vec<u8>, opening: &mut Opening<'_, 'a>) -> bool {
    let mut filters = filters(said);
    if filters.len() > FILTERS {
        opening.note(Note::Unsupported("many PDF filters"));
        filters.truncate(FILTERS);
    }
    let mut bytes = Cow::Borrowed(data);
    let mut content = Content::Whole;
    let mut unpacked = false;
    for filter in filters {
        let (next, whole) = match &filter[..] {
            b"FlateDecode" | b"Fl" => inflate(&bytes, opening),
            b"ASCIIHexDecode" | b"AHx" => opening.unpack(&mut &hexadecimal(&bytes)[..], bytes.len()),
            b"ASCII85Decode" | b"A85" => opening.unpack(&mut &ascii85(&bytes)[..], bytes.len()),
            b"LZWDecode" | b"LZW" => opening.unpack(&mut Lzw::new(&bytes), bytes.len()),
            b"RunLengthDecode" | b"RL" => opening.unpack(&mut RunLength { input: &bytes, run: Run::None }, bytes.len()),
            b"Crypt" => continue,
            // Pictures are left as they are.
            _ => break,
        };
        bytes = Cow::Owned(next);
        unpacked = true;
        if whole == Content::Part {
            content = whole;
        }
    }
    if let (false, Cow::Borrowed(data)) = (unpacked, &bytes) {
        let (stored, whole) = opening.stored(data);
        bytes = Cow::Borrowed(stored);
        content = whole;
    }
    if memchr::memmem::find(said, b"/ObjStm").is_some() && !strings(&bytes, opening) {
        return false;
    }
    let role = if memchr::memmem::find(said, b"/EmbeddedFile").is_some() { Role::Object } else { Role::Stream };
    let mut member = Member::new(role, bytes).named(name);
    member.packed = data.len() as u64;
    member.content = content;
    opening.add(member)
}

fn inflate(bytes: &[u8], opening: &mut Opening<'_, '_>) -> (Vec<u8>, Content) {
    let notes = opening.unpacked.notes.len();
    let (plain, content) = opening.unpack(&mut flate2::bufread::ZlibDecoder::new(bytes), bytes.len());
    if content == Content::Whole || !plain.is_empty() {
        return (plain, content);
    }
    // A broken header, or none.
    opening.unpacked.notes.truncate(notes);
    opening.unpack(&mut flate2::bufread::DeflateDecoder::new(bytes.get(2..).unwrap_or_default()), bytes.len())
}

fn is_encrypted(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"/Encrypt").take(64).any(|place| {
        let after = bytes[place + 8..].trim_ascii_start();
        after.first().is_some_and(u8::is_ascii_digit) || after.starts_with(b"<<")
    })
}

/// `12 0 obj`: the number, and which edition.
fn object_number(before: &[u8]) -> Vec<u8> {
    let before = before.trim_ascii_end();
    let from = before.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b' ').map_or(0, |place| place + 1);
    before[from.max(before.len().saturating_sub(20))..].trim_ascii().to_vec()
}

fn number_after(said: &[u8], key: &[u8]) -> Option<usize> {
    let place = memchr::memmem::find(said, key)?;
    let after = said[place + key.len()..].trim_ascii_start();
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&after[..digits]).ok()?.parse().ok()?;
    // `12 0 R` is a reference, not a number.
    let next = after[digits..].trim_ascii_start();
    let more = next.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (more == 0 || !next[more..].trim_ascii_start().starts_with(b"R")).then_some(number)
}

/// The names after `/Filter`, one or an array of them, `#xx` decoded.
fn filters(said: &[u8]) -> Vec<Vec<u8>> {
    let Some((place, length)) = [&b"/Filter"[..], b"/F "].iter().find_map(|key| {
        let place = memchr::memmem::find(said, key)?;
        Some((place, key.len()))
    }) else {
        // Names may be written with escapes to hide them from searches like this one.
        return if memchr::memchr(b'#', said).is_some() { filters_escaped(said) } else { Vec::new() };
    };
    names(&said[place + length..])
}

fn filters_escaped(said: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = said;
    while let Some(place) = memchr::memchr(b'/', rest) {
        let (name, after) = name(&rest[place + 1..]);
        if name == b"Filter" {
            return names(after);
        }
        rest = after;
    }
    Vec::new()
}

fn names(said: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = said.trim_ascii_start();
    let array = rest.first() == Some(&b'[');
    if array {
        rest = rest[1..].trim_ascii_start();
    }
    let mut names = Vec::new();
    while let Some(after) = rest.strip_prefix(b"/") {
        let (found, after) = name(after);
        names.push(found);
        rest = after.trim_ascii_start();
        if !array || names.len() > FILTERS {
            break;
        }
    }
    names
}

fn name(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let delimiter =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0 | b'/' | b'[' | b']' | b'<' | b'>' | b'(');
    let length = text.iter().position(delimiter).unwrap_or(text.len()).min(128);
    let (raw, rest) = text.split_at(length);
    let mut name = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let digit = |place: usize| raw.get(place).and_then(|byte| (*byte as char).to_digit(16));
        if let (b'#', Some(high), Some(low)) = (raw[at], digit(at + 1), digit(at + 2)) {
            name.push((high << 4 | low) as u8);
            at += 3;
        } else {
            name.push(raw[at]);
            at += 1;
        }
    }
    (name, rest)
}

/// Addresses and scripts written as strings.
fn strings<'a>(bytes: &[u8], opening: &mut Opening<'_, 'a>) -> bool {
    for (key, role) in [(&b"/URI"[..], Role::Uri), (b"/JS", Role::Script)] {
        for place in memchr::memmem::find_iter(bytes, key) {
            let after = bytes[place + key.len()..].trim_ascii_start();
            let text = match after.first() {
                Some(b'(') => literal(&after[1..]),
                Some(b'<') if after.get(1) != Some(&b'<') => hexadecimal(&after[1..after.len().min(1 << 20)]),
                _ => continue,
            };
            let length = text.len();
            if !opening.step(1 + length as u64 / 16) {
                return false;
            }
            let (text, content) = opening.unpack(&mut &text[..], length);
            let mut member = Member::new(role, text);
            member.content = content;
            if !opening.add(member) {
                return false;
            }
        }
    }
    true
}

/// Up to the closing parenthesis, escapes replaced.
fn literal(text: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 1 << 20;
    let mut out = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at).filter(|_| out.len() < LONGEST && at < 2 * LONGEST) {
        at += 1;
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b'\\' => {
                let Some(&escaped) = text.get(at) else { break };
                at += 1;
                match escaped {
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'b' => out.push(8),
                    b'f' => out.push(12),
                    b'\r' | b'\n' => {}
                    b'0'..=b'7' => {
                        let mut value = u32::from(escaped - b'0');
                        for _ in 0..2 {
                            let Some(digit @ b'0'..=b'7') = text.get(at).copied() else { break };
                            value = value * 8 + u32::from(digit - b'0');
                            at += 1;
                        }
                        out.push(value as u8);
                    }
                    other => out.push(other),
                }
                continue;
            }
            _ => {}
        }
        out.push(byte);
    }
    out
}

/// Pairs of digits up to `>`.
fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().take_while(|byte| **byte != b'>').filter_map(|byte| (*byte as char).to_digit(16));
    let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
}

fn ascii85(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut group: Vec<u8> = Vec::with_capacity(5);
    let bytes = bytes.strip_prefix(b"<~").unwrap_or(bytes);
    let mut flush = |group: &mut Vec<u8>| {
        let count = group.len();
        if count > 1 {
            group.resize(5, 84);
            let value = group.iter().fold(0u32, |value, digit| value.wrapping_mul(85).wrapping_add(u32::from(*digit)));
            out.extend_from_slice(&value.to_be_bytes()[..count - 1]);
        }
        group.clear();
    };
    for byte in bytes {
        match byte {
            b'~' => break,
            b'z' if group.is_empty() => {
                group.extend([0; 5]);
                flush(&mut group);
            }
            b'!'..=b'u' => {
                group.push(byte - b'!');
                if group.len() == 5 {
                    flush(&mut group);
                }
            }
            _ => {}
        }
    }
    flush(&mut group);
    out
}

enum Run {
    None,
    Literal(usize),
    Repeat(usize, u8),
}

struct RunLength<'s> {
    input: &'s [u8],
    run: Run,
}

impl Read for RunLength<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        for (index, place) in out.iter_mut().enumerate() {
            if matches!(self.run, Run::None | Run::Literal(0) | Run::Repeat(0, _)) {
                self.run = match self.input.split_first() {
                    None | Some((128, _)) => return Ok(index),
                    Some((&count, rest)) if count < 128 => {
                        self.input = rest;
                        Run::Literal(usize::from(count) + 1)
                    }
                    Some((&count, rest)) => {
                        let Some((&byte, rest)) = rest.split_first() else { return Ok(index) };
                        self.input = rest;
                        Run::Repeat(257 - usize::from(count), byte)
                    }
                };
            }
            *place = match &mut self.run {
                Run::Repeat(left, byte) => {
                    *left -= 1;
                    *byte
                }
                Run::Literal(left) => {
                    *left -= 1;
                    let Some((&byte, rest)) = self.input.split_first() else { return Ok(index) };
                    self.input = rest;
                    byte
                }
                Run::None => return Ok(index),
            };
        }
        Ok(out.len())
    }
}

/// LZW with codes of 9 to 12 bits, the width changing one code early, as PDF has it.
struct Lzw<'s> {
    input: &'s [u8],
    bits: u32,
    count: u32,
    /// Each code beyond the fixed ones: the code before it, and the byte that it adds.
    table: Vec<(u16, u8)>,
    before: Option<u16>,
    pending: Vec<u8>,
    done: bool,
}

impl<'s> Lzw<'s> {
    fn new(input: &'s [u8]) -> Self {
        Lzw { input, bits: 0, count: 0, table: Vec::new(), before: None, pending: Vec::new(), done: false }
    }

    fn code(&mut self) -> Option<u16> {
        let width = match self.table.len() + 258 {
            0..511 => 9,
            511..1023 => 10,
            1023..2047 => 11,
            _ => 12,
        };
        while self.count < width {
            let (&byte, rest) = self.input.split_first()?;
            self.input = rest;
            self.bits = self.bits << 8 | u32::from(byte);
            self.count += 8;
        }
        self.count -= width;
        Some((self.bits >> self.count & ((1 << width) - 1)) as u16)
    }

    /// The bytes of a code, last first.
    fn spell(&self, mut code: u16) -> Option<Vec<u8>> {
        let mut reversed = Vec::new();
        while code >= 258 {
            let (before, byte) = self.table.get(usize::from(code) - 258)?;
            reversed.push(*byte);
            code = *before;
        }
        reversed.push(u8::try_from(code).ok()?);
        Some(reversed)
    }

    /// Fills what waits to be read; `None` at the end or where it is broken.
    fn next(&mut self) -> Option<()> {
        let code = self.code()?;
        if code == 256 {
            self.table.clear();
            self.before = None;
            return Some(());
        }
        if code == 257 {
            return None;
        }
        let known = usize::from(code) < self.table.len() + 258;
        let reversed = match (known, self.before) {
            (true, _) => self.spell(code)?,
            (false, Some(before)) if usize::from(code) == self.table.len() + 258 => {
                let mut reversed = self.spell(before)?;
                let first = *reversed.last()?;
                reversed.insert(0, first);
                reversed
            }
            _ => return None,
        };
        if let Some(before) = self.before
            && self.table.len() < 4096 - 258
        {
            self.table.push((before, *reversed.last()?));
        }
        self.before = Some(code);
        self.pending = reversed;
        Some(())
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut written = 0;
        while written < out.len() {
            match self.pending.pop() {
                Some(byte) => {
                    out[written] = byte;
                    written += 1;
                }
                None => {
                    if self.done || self.next().is_none() {
                        self.done = true;
                        break;
                    }
                }
            }
        }
        Ok(written)
    }
}
