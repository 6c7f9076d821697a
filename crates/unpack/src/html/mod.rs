//! The copies of an HTML document that ClamAV matches signatures of target 3 against.
//!
//! Signatures are cut from what ClamAV's normaliser writes, so the same bytes have to come out here, oddities included:
//! the input is taken in chunks of 8 KiB that end at white space, quotes inside a quoted value end its being quoted, a
//! tag's white space vanishes, two of the three bytes of some characters reach the text. Each oddity that a reader might
//! want to mend is marked; none may be. The judge is `sigtool --html-normalise` (`tests/sigtool.rs`).

mod encoded;
mod entities;
mod links;
mod script;

use crate::{Budget, Limit};
pub use links::{Link, LinkKind};

/// What [`normalise`] makes of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normalised {
    /// Tags and text in lower case, comments left out (`nocomment.html`).
    pub nocomment: Vec<u8>,
    /// The text alone, and the addresses of links and images (`notags.html`).
    pub notags: Vec<u8>,
    /// Scripts, read and written anew (`javascript`); empty where there is none.
    pub script: Vec<u8>,
    /// What `data:` addresses hold, each as the small message that ClamAV makes of it.
    pub data: Vec<Vec<u8>>,
}

/// For kind [`crate::Kind::HtmlUtf16`] the bytes go through [`decode_utf16`] first.
pub fn normalise(bytes: &[u8], budget: &mut Budget) -> Normalised {
    if bytes.len() > budget.limits().html {
        budget.reach(Limit::Html);
        return Normalised::default();
    }
    let mut machine = Machine::new(true, budget.limits().members as usize);
    machine.run(bytes);
    if machine.out.data.len() >= machine.most_data {
        budget.reach(Limit::Members);
    }
    let mut normalised = machine.out;
    if bytes.len() > budget.limits().html_text {
        budget.reach(Limit::HtmlText);
        normalised.notags = Vec::new();
    }
    if normalised.script.len() > budget.limits().script {
        budget.reach(Limit::Script);
        normalised.script.truncate(budget.limits().script);
    }
    normalised
}

/// The links of a document, as ClamAV's phishing checks see them: each address with the text that is shown for it.
pub fn links(bytes: &[u8], budget: &mut Budget) -> Vec<Link> {
    if bytes.len() > budget.limits().html {
        budget.reach(Limit::Html);
        return Vec::new();
    }
    let mut machine = Machine::new(false, 0);
    machine.links.most = budget.limits().members as usize;
    machine.run(bytes);
    if machine.links.found.len() >= machine.links.most {
        budget.reach(Limit::Members);
    }
    machine.links.found
}

/// UTF-16 to bytes as ClamAV does it: each pair becomes one byte, the second half moved up by four bits.
pub fn decode_utf16(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks_exact(2).map(|pair| (pair[1] << 4).wrapping_add(pair[0])).collect()
}

/// A file of Microsoft's Script Encoder as the HTML that ClamAV makes of it.
pub(crate) fn decode_script(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    let script = &bytes[memchr::memmem::find(&bytes, encoded::MARK)? + encoded::MARK.len()..];
    let mut decoder = encoded::Decoder::new(script.get(..6)?);
    let mut decoded = b"<script>".to_vec();
    decoded.extend(decoder.decode(script.get(8..)?));
    decoded.extend_from_slice(b"</script>");
    Some(decoded)
}

/// Longest tag, attribute name, attribute value and character name that is remembered.
const LONGEST: usize = 1024;
/// A chunk's length.
const CHUNK: usize = 8191;

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No state: set where nothing may follow.
    None,
    Text,
    EightBit,
    Comment,
    Reference,
    Named,
    Numbered,
    SkipSpace,
    TrimSpace,
    Tag,
    Attribute,
    Equal,
    Value,
    TagDone,
    FindEncoded,
    Encoded,
    EncodedLength,
    Decode,
    DataType,
    DataBegin,
    Data,
    DataEnd,
    DataEscaped,
    DataEscape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    Not,
    Single,
    Double,
}

struct Attribute {
    name: Vec<u8>,
    value: Option<Vec<u8>>,
}

struct Machine {
    /// Whether the copies are wanted; else the links are.
    copies: bool,
    out: Normalised,
    most_data: usize,
    data: Option<Vec<u8>>,
    links: links::Collector,
    state: State,
    next: State,
    saved: State,
    tag: Vec<u8>,
    name: Vec<u8>,
    value: Vec<u8>,
    attributes: Vec<Attribute>,
    quoted: Quoted,
    escaped: bool,
    in_data: bool,
    /// In a script or a style sheet, where only an end tag ends the text.
    in_script: bool,
    in_style: bool,
    spaced: bool,
    /// Bytes beyond ASCII that wait until it is clear whether they are a full stop in disguise.
    wide: u32,
    wide_value: u32,
    number: i64,
    hexadecimal: bool,
    entity: Vec<u8>,
    escape_length: u32,
    encoded: encoded::Decoder,
    in_encoded: bool,
    look_for_encoded: bool,
    encoded_at: Option<usize>,
    reader: Option<Box<script::Reader>>,
    script_from: Option<usize>,
    script_to: Option<usize>,
}

/// U+3002, U+FF0E and U+FE52 in UTF-8: dots that browsers take for a full stop in host names.
fn is_dot(wide: u32, next: u8) -> bool {
    matches!(wide, 0xe3_80_82 | 0xef_bc_8e | 0xef_b9_92) || is_big5_dot(wide, next)
}

fn is_big5_dot(wide: u32, next: u8) -> bool {
    wide == 0xa1 && matches!(next, 0x43 | 0x44 | 0x4f)
}

/// A UTF-16 unit as it is written for signatures.
fn unit(unit: u16, out: &mut Vec<u8>) {
    match unit {
        0 => {}
        1..=0xfe => out.push(unit as u8),
        0x3002 | 0xff0e | 0xfe52 => out.push(b'.'),
        _ => out.extend_from_slice(format!("&#x{unit:04x};").as_bytes()),
    }
}

impl Machine {
    fn new(copies: bool, most_data: usize) -> Machine {
        Machine {
            copies,
            out: Normalised::default(),
            most_data,
            data: None,
            links: links::Collector::default(),
            state: State::Text,
            next: State::None,
            saved: State::None,
            tag: Vec::new(),
            name: Vec::new(),
            value: Vec::new(),
            attributes: Vec::new(),
            quoted: Quoted::Not,
            escaped: false,
            in_data: false,
            in_script: false,
            in_style: false,
            spaced: false,
            wide: 0,
            wide_value: 0,
            number: 0,
            hexadecimal: false,
            entity: Vec::new(),
            escape_length: 0,
            encoded: encoded::Decoder::default(),
            in_encoded: false,
            look_for_encoded: false,
            encoded_at: None,
            reader: None,
            script_from: None,
            script_to: None,
        }
    }

    fn run(&mut self, bytes: &[u8]) {
        if self.copies {
            self.out.nocomment.reserve(bytes.len());
            self.out.notags.reserve(bytes.len() / 2);
        }
        let mut offset = 0;
        while let Some(mut line) = chunk(bytes, &mut offset) {
            let mut from = 0;
            loop {
                self.links.resume(from);
                let mut at = from;
                while at < line.len() && is_space(line[at]) {
                    at += 1;
                }
                let end = self.chunk(&mut line, at);
                self.links.pause(&line, end);
                if self.reader.is_some() {
                    self.script_piece(&line, end);
                    self.script_from = None;
                    self.script_to = None;
                }
                match self.encoded_at.take() {
                    Some(at) if self.look_for_encoded => {
                        from = at;
                        self.state = State::EncodedLength;
                        self.next = State::None;
                    }
                    other => {
                        self.encoded_at = other;
                        break;
                    }
                }
            }
            if self.in_encoded {
                self.state = State::Decode;
                self.next = State::None;
            } else if self.look_for_encoded && self.encoded_at.is_none() && self.state != State::FindEncoded {
                self.saved = self.next;
                self.next = self.state;
                self.state = State::FindEncoded;
            }
            if self.next == self.state {
                self.next = State::None;
            }
        }
        self.finish();
    }

    fn finish(&mut self) {
        let entity = std::mem::take(&mut self.entity);
        match entities::character(&entity) {
            Some(character) => unit(character, &mut self.out.nocomment),
            None if entity.is_empty() => {}
            None => {
                self.out.nocomment.push(b'&');
                self.out.nocomment.extend(entity.iter().map(u8::to_ascii_lowercase));
            }
        }
        self.links.close();
        if let Some(reader) = self.reader.take() {
            reader.finish(&mut self.out.script);
        }
        if let Some(data) = self.data.take() {
            self.keep_data(data);
        }
    }

    fn keep_data(&mut self, data: Vec<u8>) {
        if self.out.data.len() < self.most_data {
            self.out.data.push(data);
        }
    }

    /// Hands a script's bytes on, from where it began in this chunk or the chunk's beginning.
    fn script_piece(&mut self, line: &[u8], at: usize) {
        let from = self.script_from.unwrap_or(0);
        let to = self.script_to.unwrap_or(at);
        if let Some(mut reader) = self.reader.take() {
            if to > from {
                reader.read(&line[from..to]);
            }
            if self.in_script {
                self.reader = Some(reader);
            } else {
                reader.finish(&mut self.out.script);
            }
        }
    }

    fn put(&mut self, byte: u8) {
        if self.copies {
            self.out.nocomment.push(byte);
        }
    }

    fn put_text(&mut self, byte: u8) {
        if self.copies {
            self.out.notags.push(byte);
        }
    }

    fn unput(&mut self) {
        self.out.nocomment.pop();
    }

    /// One space in the text for what is not text.
    fn space_text(&mut self) {
        if !self.spaced {
            self.put_text(b' ');
            self.spaced = true;
        }
    }

    fn push_value(&mut self, byte: u8) {
        if self.value.len() < LONGEST {
            self.value.push(byte);
        }
    }

    fn push_data(&mut self, byte: u8) {
        if let Some(data) = &mut self.data {
            data.push(byte);
        }
    }

    fn go(&mut self, state: State, next: State) {
        self.state = state;
        self.next = next;
    }

    fn proceed(&mut self) {
        self.state = self.next;
        self.next = State::None;
    }

    fn add_attribute(&mut self, valued: bool) {
        if self.attributes.len() >= LONGEST {
            return;
        }
        let until_nul = |bytes: &[u8]| bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())].to_vec();
        let value = valued.then(|| {
            let mut value = until_nul(&self.value);
            if value.first() == Some(&b'"') {
                value.remove(0);
                value.pop();
            }
            value
        });
        self.attributes.push(Attribute { name: until_nul(&self.name), value });
    }

    fn attribute(&self, name: &[u8]) -> Option<&[u8]> {
        self.attributes.iter().find(|attribute| attribute.name == name)?.value.as_deref()
    }

    /// Works through one chunk; the place where it ended is the length of what the chunk has become.
    fn chunk(&mut self, line: &mut Vec<u8>, from: usize) -> usize {
        let mut at = from;
        while at < line.len() && line[at] != 0 {
            if !self.in_data {
                if line[at] == b'\n' {
                    line[at] = b' ';
                } else if line[at] == b'\r' {
                    at += 1;
                    continue;
                }
            }
            at = self.step(line, at);
        }
        at.min(line.len())
    }

    fn step(&mut self, line: &mut Vec<u8>, at: usize) -> usize {
        let byte = line[at];
        match self.state {
            State::None => {
                // ClamAV gives up here; nothing has been seen that leads to it.
                line.truncate(at);
            }
            State::SkipSpace => {
                if is_space(byte) {
                    return at + 1;
                }
                self.proceed();
            }
            State::TrimSpace => {
                if is_space(byte) {
                    return at + 1;
                }
                if !self.in_script {
                    self.put(b' ');
                }
                self.proceed();
            }
            State::EightBit => return self.eight_bit(byte, at),
            State::Text => return self.text(line, at),
            State::Tag => return self.tag(byte, at),
            State::Attribute => return self.attribute_name(byte, at),
            State::Equal => {
                if byte == b'=' {
                    self.put(b'=');
                    self.begin_value();
                    return at + 1;
                }
                if !self.name.is_empty() {
                    self.add_attribute(false);
                }
                self.name.clear();
                self.go(State::Attribute, State::None);
            }
            State::Value => {
                let at = self.value(byte, at);
                self.escaped = line.get(at) == Some(&b'\\');
                return at;
            }
            State::Comment => {
                if self.in_script && !is_space(byte) {
                    self.put(if byte == b'\'' { b'"' } else { byte.to_ascii_lowercase() });
                }
                if byte == b'>' {
                    self.go(State::SkipSpace, State::Text);
                }
                return at + 1;
            }
            State::TagDone => self.tag_done(line, at),
            State::Reference => {
                if byte == b'#' {
                    self.number = 0;
                    self.hexadecimal = false;
                    self.state = State::Numbered;
                    return at + 1;
                }
                self.state = State::Named;
            }
            State::Named => return self.named(byte, at),
            State::Numbered => return self.numbered(byte, at),
            State::FindEncoded => {
                self.look_for_encoded = true;
                self.encoded_at = encoded::find(line, at);
                self.state = self.next;
                self.next = self.saved;
            }
            State::Encoded => {
                if line[at..].starts_with(encoded::MARK) {
                    line[at] = b'/';
                    line[at + 1] = b'/';
                    self.go(State::EncodedLength, State::None);
                    return at + encoded::MARK.len();
                }
                self.put(byte.to_ascii_lowercase());
                return at + 1;
            }
            State::EncodedLength => {
                let rest = memchr::memchr(0, &line[at..]).unwrap_or(line.len() - at);
                if rest < 8 {
                    self.go(State::Text, State::None);
                    return at;
                }
                self.encoded = encoded::Decoder::new(&line[at..at + 6]);
                self.in_encoded = true;
                line[at + 7] = b'\n'; // for the script's reader
                self.go(State::Decode, State::None);
                return at + 8;
            }
            State::Decode => {
                let decoded = self.encoded.decode(&line[at..]);
                line.truncate(at);
                line.extend_from_slice(&decoded);
                if self.encoded.is_done() {
                    self.in_encoded = false;
                }
                self.go(State::Text, State::None);
            }
            State::DataType => {
                let at = self.data_type(byte, at);
                self.escaped = line.get(at) == Some(&b'\\');
                return at;
            }
            State::DataBegin => {
                self.begin_data();
                self.state = State::Data;
                self.in_data = true;
            }
            State::Data => {
                let at = self.data(byte, at);
                self.escaped = line.get(at) == Some(&b'\\');
                return at;
            }
            State::DataEnd => {
                if let Some(data) = self.data.take() {
                    self.keep_data(data);
                }
                self.go(State::SkipSpace, State::Attribute);
                self.escaped = false;
                self.quoted = Quoted::Not;
                self.in_data = false;
            }
            State::DataEscaped => {
                match self.escape_length {
                    2 => self.push_data(self.number as u8),
                    1 => {
                        self.push_data(b'%');
                        self.push_data((self.number as u8).wrapping_add(b'0'));
                    }
                    _ => self.push_data(b'%'),
                }
                self.state = State::Data;
            }
            State::DataEscape => {
                self.number *= 16;
                self.escape_length += 1;
                match (byte as char).to_digit(16) {
                    Some(digit) => self.number += i64::from(digit),
                    None => self.state = self.next,
                }
                if self.escape_length == 2 {
                    self.state = self.next;
                }
                return at + 1;
            }
        }
        at
    }

    fn text(&mut self, line: &[u8], at: usize) -> usize {
        let byte = line[at];
        match byte {
            b'<' => {
                self.put(b'<');
                if !self.in_script {
                    self.space_text();
                }
                self.links.cut(line, at);
                self.tag.clear();
                self.go(State::SkipSpace, State::Tag);
                at + 1
            }
            _ if is_space(byte) => {
                if !self.in_script {
                    self.space_text();
                }
                self.go(State::TrimSpace, State::Text);
                at
            }
            b'&' => {
                if !self.in_script {
                    self.space_text();
                }
                self.go(State::Reference, State::Text);
                at + 1
            }
            0x80.. => {
                self.wide = u32::from(byte);
                self.go(State::EightBit, State::Text);
                at + 1
            }
            _ if self.in_script => {
                self.put(if byte == b'\'' { b'"' } else { byte.to_ascii_lowercase() });
                at + 1
            }
            _ => {
                self.put(byte.to_ascii_lowercase());
                if byte < 0x20 {
                    self.space_text();
                } else {
                    self.put_text(byte.to_ascii_lowercase());
                    self.spaced = false;
                }
                at + 1
            }
        }
    }

    fn eight_bit(&mut self, byte: u8, at: usize) -> usize {
        if byte >= 0x80 && self.wide < 0x10000 {
            self.wide = self.wide << 8 | u32::from(byte);
            return at + 1;
        }
        if is_dot(self.wide, byte) {
            self.put(b'.');
            self.put_text(b'.');
            if self.wide == 0xa1 {
                // Stays in this state, so that a NUL is written before the next character: as ClamAV does.
                self.wide = 0;
                return at + 1;
            }
        } else {
            let [_, first, second, third] = self.wide.to_be_bytes();
            if first != 0 {
                self.put(first);
                self.put_text(first);
            }
            if first != 0 || second != 0 {
                self.put(second);
                self.put_text(second);
            }
            self.put(third);
            self.put_text(second); // not the third: as ClamAV does
        }
        self.wide = 0;
        self.go(self.next, State::Text);
        at
    }

    fn tag(&mut self, byte: u8, at: usize) -> usize {
        if self.tag.is_empty() && byte == b'!' {
            if self.in_script {
                self.put(b'!');
            } else {
                self.unput();
            }
            self.go(State::Comment, State::None);
            return at + 1;
        }
        if byte == b'>' {
            self.put(b'>');
            self.go(State::SkipSpace, State::TagDone);
            return at + 1;
        }
        if is_space(byte) {
            self.name.clear();
            let next = if self.in_script { State::TagDone } else { State::Attribute };
            self.go(State::SkipSpace, next);
            return at;
        }
        self.put(byte.to_ascii_lowercase());
        if self.in_script && self.tag.is_empty() && byte != b'/' {
            self.state = State::Text;
        }
        if self.tag.len() < LONGEST {
            self.tag.push(byte.to_ascii_lowercase());
        }
        at + 1
    }

    fn begin_value(&mut self) {
        self.escaped = false;
        self.quoted = Quoted::Not;
        self.value.clear();
        self.go(State::SkipSpace, State::Value);
    }

    fn attribute_name(&mut self, byte: u8, at: usize) -> usize {
        match byte {
            b'=' => {
                self.put(b'=');
                self.begin_value();
            }
            _ if is_space(byte) => self.go(State::SkipSpace, State::Equal),
            b'>' => {
                self.put(b'>');
                if !self.name.is_empty() {
                    self.add_attribute(false);
                }
                self.go(State::TagDone, State::None);
            }
            _ => {
                if self.name.is_empty() {
                    self.put(b' ');
                }
                self.put(byte.to_ascii_lowercase());
                if self.name.len() < LONGEST {
                    self.name.push(byte.to_ascii_lowercase());
                }
            }
        }
        at + 1
    }

    fn value_done(&mut self) {
        self.add_attribute(true);
        self.name.clear();
        self.go(State::SkipSpace, State::Attribute);
    }

    fn value(&mut self, byte: u8, at: usize) -> usize {
        if self.value == b"data:" || self.value == b"\"data:" {
            self.unput(); // so that no later reading takes the copy for data again
            if self.quoted != Quoted::Not {
                self.put(b'"');
            }
            self.value.clear();
            self.go(State::DataType, State::Attribute);
            return at;
        }
        match byte {
            b'&' => {
                self.go(State::Reference, State::Value);
                at + 1
            }
            b'\'' | b'"' => {
                let quote = if byte == b'"' { Quoted::Double } else { Quoted::Single };
                let first = self.value.is_empty();
                self.put(b'"');
                self.push_value(b'"');
                if first {
                    self.quoted = quote;
                } else if !self.escaped && self.quoted == quote {
                    self.value_done();
                }
                at + 1
            }
            _ if is_space(byte) || byte == b'>' => {
                if self.quoted == Quoted::Not {
                    self.value_done();
                    return at;
                }
                self.put(byte);
                self.push_value(if byte == b'>' { b'>' } else { b' ' });
                self.escaped = false;
                self.quoted = Quoted::Not; // the rest counts as unquoted: as ClamAV does
                self.go(State::SkipSpace, State::Value);
                at + 1
            }
            _ => {
                if self.wide_value != 0 && (byte < 0x80 || self.wide_value >= 0x10000) {
                    let wide = std::mem::take(&mut self.wide_value);
                    if is_dot(wide, byte) {
                        self.put(b'.');
                        self.push_value(b'.');
                        if wide == 0xa1 {
                            return at + 1;
                        }
                    } else {
                        let [_, first, second, third] = wide.to_be_bytes();
                        for (byte, wanted) in [(first, first != 0), (second, first != 0 || second != 0), (third, true)]
                        {
                            if wanted {
                                self.put(byte);
                                self.push_value(byte);
                            }
                        }
                    }
                }
                if byte >= 0x80 {
                    self.wide_value = self.wide_value << 8 | u32::from(byte);
                } else {
                    self.put(byte.to_ascii_lowercase());
                    self.push_value(byte);
                }
                at + 1
            }
        }
    }

    fn named(&mut self, byte: u8, at: usize) -> usize {
        let in_value = self.next == State::Value;
        if (byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-')) && self.entity.len() < LONGEST {
            self.entity.push(byte);
            return at + 1;
        }
        let entity = std::mem::take(&mut self.entity);
        let character = if byte == b';' { entities::character(&entity) } else { None };
        let mut written = Vec::new();
        match character {
            Some(character) => unit(character, &mut written),
            None => {
                written.push(b'&');
                written.extend(entity.iter().map(u8::to_ascii_lowercase));
                if byte == b';' {
                    written.push(b';');
                }
            }
        }
        for byte in &written {
            self.put(*byte);
            if in_value {
                self.push_value(*byte);
            }
        }
        self.proceed();
        if byte == b';' { at + 1 } else { at }
    }

    fn numbered(&mut self, byte: u8, at: usize) -> usize {
        if self.number == 0 && matches!(byte, b'x' | b'X') {
            self.hexadecimal = true;
            return at + 1;
        }
        if byte == b';' {
            if self.next == State::Value {
                self.push_value(self.number as u8);
            }
            if self.number < 0x80 {
                self.put((self.number as u8).to_ascii_lowercase());
            } else if self.copies {
                unit(self.number as u16, &mut self.out.nocomment);
            }
            self.proceed();
            return at + 1;
        }
        let digit = (byte as char).to_digit(if self.hexadecimal { 16 } else { 10 });
        let Some(digit) = digit else {
            self.put(self.number as u8);
            self.proceed();
            return at;
        };
        let high = self.number >> 32;
        let factor = if self.hexadecimal && high * 16 < i64::from(i32::MAX) {
            Some(16)
        } else if high * 10 < i64::from(i32::MAX) {
            Some(10)
        } else {
            None
        };
        let larger = factor.and_then(|factor| self.number.checked_mul(factor));
        match larger.and_then(|larger| larger.checked_add(i64::from(digit))) {
            Some(number) => self.number = number,
            None => {
                self.put(larger.unwrap_or(self.number) as u8);
                self.proceed();
            }
        }
        at + 1
    }

    fn tag_done(&mut self, line: &[u8], at: usize) {
        self.go(State::SkipSpace, State::Text);
        if self.tag.first() == Some(&b'/') {
            if self.tag == b"/script" {
                self.in_script = false;
                self.in_style = false;
                if self.reader.is_some() {
                    self.script_to = Some(at);
                    self.script_piece(line, at);
                    self.script_from = None;
                    self.script_to = None;
                }
            }
            if self.tag == b"/style" && self.in_style {
                self.in_script = false;
                self.in_style = false;
            }
            self.links.end_tag(&self.tag, at);
        } else if self.tag == b"script" {
            self.begin_script(at);
        } else if self.tag == b"style" {
            self.in_script = true;
            self.in_style = true;
        } else if self.tag == b"%@" {
            let language = self.attribute(b"language").unwrap_or_default();
            if encoded::LANGUAGES.iter().any(|(name, _)| language.eq_ignore_ascii_case(name)) {
                self.saved = self.next;
                self.next = self.state;
                self.look_for_encoded = false;
                self.state = State::FindEncoded;
            }
        } else if !self.copies {
            let attribute = |name: &[u8]| {
                let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
                attribute.value.as_deref()
            };
            self.links.tag(&self.tag, attribute, line, at);
        } else if self.tag == b"a" || self.tag == b"img" {
            let address = self.attribute(if self.tag == b"a" { b"href" } else { b"src" });
            if let Some(address) = address.filter(|address| !address.is_empty()) {
                let address = address.to_vec();
                self.out.notags.extend_from_slice(&address);
                self.out.notags.push(b' ');
                self.spaced = true;
            }
        }
        self.attributes.clear();
    }

    fn begin_script(&mut self, at: usize) {
        let language = self.attribute(b"language").unwrap_or_default();
        let plain = encoded::LANGUAGES.iter().find(|(name, _)| language.eq_ignore_ascii_case(name));
        if let Some((_, plain)) = plain {
            self.next = State::Encoded;
            // The tag is written once more, as if the script had never been encoded.
            let mut tag = b"<script".to_vec();
            for attribute in &mut self.attributes {
                tag.push(b' ');
                tag.extend_from_slice(&attribute.name);
                if attribute.name == b"language" {
                    attribute.value = Some(plain.to_vec());
                }
                if let Some(value) = &attribute.value {
                    tag.extend_from_slice(b"=\"");
                    tag.extend(value.iter().map(u8::to_ascii_lowercase));
                    tag.push(b'"');
                }
            }
            tag.push(b'>');
            tag.into_iter().for_each(|byte| self.put(byte));
        }
        self.in_script = true;
        if self.copies && self.reader.is_none() {
            self.reader = Some(Box::default());
            self.script_from = Some(at);
            self.script_to = None;
        }
    }

    fn data_type(&mut self, byte: u8, at: usize) -> usize {
        match byte {
            b'\'' | b'"' => {
                let quote = if byte == b'"' { Quoted::Double } else { Quoted::Single };
                if !self.escaped && self.quoted == quote {
                    self.name.clear();
                    self.go(State::SkipSpace, State::Attribute);
                } else {
                    self.push_value(b'"');
                }
                at + 1
            }
            _ if is_space(byte) || byte == b'>' => {
                if self.quoted == Quoted::Not {
                    self.name.clear();
                    self.go(State::SkipSpace, State::Attribute);
                    return at;
                }
                self.push_value(if byte == b'>' { b'>' } else { b' ' });
                self.escaped = false;
                self.quoted = Quoted::Not;
                self.go(State::SkipSpace, State::DataType);
                at + 1
            }
            b',' => {
                self.escaped = false;
                self.go(State::DataBegin, State::None);
                at + 1
            }
            _ => {
                self.push_value(byte.to_ascii_lowercase());
                at + 1
            }
        }
    }

    fn begin_data(&mut self) {
        if let Some(data) = self.data.take() {
            self.keep_data(data);
        }
        if !self.copies {
            return;
        }
        let mut data = b"From html-normalise\nContent-type: ".to_vec();
        data.extend_from_slice(&self.value);
        data.push(b'\n');
        if memchr::memmem::find(&self.value, b";base64").is_some() {
            data.extend_from_slice(b"Content-transfer-encoding: base64\n");
        }
        data.push(b'\n');
        self.data = Some(data);
    }

    fn data(&mut self, byte: u8, at: usize) -> usize {
        match byte {
            b'&' => self.go(State::Reference, State::Data),
            b'%' => {
                self.escape_length = 0;
                self.number = 0;
                self.go(State::DataEscape, State::DataEscaped);
            }
            b'\'' | b'"' => {
                let quote = if byte == b'"' { Quoted::Double } else { Quoted::Single };
                if !self.escaped && self.quoted == quote {
                    self.state = State::DataEnd;
                } else {
                    self.push_data(byte);
                }
            }
            _ if (is_space(byte) || byte == b'>') && self.quoted == Quoted::Not => self.state = State::DataEnd,
            _ => self.push_data(byte),
        }
        at + 1
    }
}

/// The next chunk: NULs left out, and where it would end inside a word, ending at the white space before.
fn chunk(bytes: &[u8], offset: &mut usize) -> Option<Vec<u8>> {
    let rest = bytes.get(*offset..).filter(|rest| !rest.is_empty())?;
    let window = &rest[..rest.len().min(CHUNK)];
    let mut line;
    let mut read = window.len();
    match memchr::memchr(0, window) {
        None => line = window.to_vec(),
        Some(first) => {
            line = window[..first].to_vec();
            read = first;
            while read < rest.len() && line.len() < CHUNK {
                if rest[read] != 0 {
                    line.push(rest[read]);
                }
                read += 1;
            }
        }
    }
    let mut back = 0;
    if rest.get(read).is_some_and(|byte| !is_space(*byte)) {
        let end = line.iter().rposition(|byte| is_space(*byte)).map_or(0, |space| space + 1);
        // The very first byte is not looked at.
        if end > 1 {
            // Counts characters, not the NULs between them: what lies there is read again or lost, as with ClamAV.
            back = line.len() - end;
            line.truncate(end);
        }
    }
    *offset += (read - back).max(1);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(html: &[u8]) -> (String, String) {
        let normalised = normalise(html, &mut Budget::default());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&normalised.nocomment), text(&normalised.notags))
    }

    #[track_caller]
    fn check(html: &str, nocomment: &str, notags: &str) {
        assert_eq!(copies(html.as_bytes()), (nocomment.to_owned(), notags.to_owned()), "{html}");
    }

    #[test]
    fn the_plain_cases() {
        check("Hello <B>World</B>", "hello <b>world</b>", "hello world ");
        check("a\n\n  b", "a b", "a b");
        check("<!-- c -->x", "x", " x");
        check("<A HREF='http://X.Y/Z'>T</A>", "<a href=\"http://x.y/z\">t</a>", " http://X.Y/Z t ");
        check("&lt;&#65;&#8364;&foo;", "<a&#x20ac;&foo;", " ");
        check("<script> var A = 'x' ; </script>", "<script>vara=\"x\";</script>", " ");
        check("a\0b\0c", "abc", "abc");
    }

    #[test]
    fn data_is_taken_out() {
        let normalised = normalise(b"<img src=\"data:text/plain;base64,QUJD\">", &mut Budget::default());
        assert_eq!(normalised.nocomment, b"<img src=\"data\">");
        let message =
            b"From html-normalise\nContent-type: text/plain;base64\nContent-transfer-encoding: base64\n\nQUJD";
        assert_eq!(normalised.data, [message.to_vec()]);
    }

    #[test]
    fn limits_hold() {
        let limits = crate::Limits { html: 10, html_text: 4, ..Default::default() };
        let mut budget = Budget::new(limits);
        let normalised = normalise(b"<b>text", &mut budget);
        assert_eq!((&normalised.nocomment[..], normalised.notags.len()), (&b"<b>text"[..], 0));
        assert_eq!(normalise(b"<b>much text", &mut budget), Normalised::default());
        assert_eq!(budget.reached().collect::<Vec<_>>(), [Limit::Html, Limit::HtmlText]);
    }
}
