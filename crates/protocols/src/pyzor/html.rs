//! The text between the tags of an HTML document, as Python's `html.parser` hands it out.
//!
//! In: a document. Out: the pieces of text outside `script` and `style`, trimmed and put together with a space. Where that
//! parser waits for more (an open tag at the end) the rest is not text; where it gives up, neither.

use super::message::is_space;
use std::collections::HashMap;
use std::sync::LazyLock;

/// HTML's named characters; a name that must be closed by `;` is written with it.
static ENTITIES: &str = include_str!("entities.txt");

static NAMES: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for line in ENTITIES.lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let letters = words.filter_map(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?));
        names.insert(name, letters.collect());
    }
    names
});

/// The longest name that is looked for.
const LONGEST_NAME: usize = 32;

pub fn text(document: &str) -> String {
    let letters: Vec<char> = document.chars().collect();
    let last = |quote| letters.iter().rposition(|letter| *letter == quote);
    let mut parser = Parser {
        last_quotes: [last('\''), last('"')],
        letters: &letters,
        raw: None,
        collects: true,
        pieces: Vec::new(),
    };
    parser.run();
    parser.pieces.join(" ")
}

struct Parser<'l> {
    letters: &'l [char],
    /// Where the last of each kind is: whoever looks for one behind it need not look.
    last_quotes: [Option<usize>; 2],
    /// Inside this element nothing but its end counts.
    raw: Option<&'static str>,
    collects: bool,
    pieces: Vec<String>,
}

/// The rest is not text: it is incomplete, or nothing that the parser can read.
struct Over;

impl Parser<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.letters.len() {
            let Some(next) = self.text_end(at) else { return };
            if at < next {
                self.data(at, next);
            }
            if next == self.letters.len() {
                return;
            }
            match self.markup(next) {
                Ok(end) => at = end,
                Err(Over) => return,
            }
        }
    }

    fn at(&self, at: usize) -> Option<char> {
        self.letters.get(at).copied()
    }

    fn find(&self, from: usize, wanted: char) -> Option<usize> {
        let rest = self.letters.get(from..)?;
        rest.iter().position(|letter| *letter == wanted).map(|at| from + at)
    }

    fn starts_with(&self, at: usize, text: &str) -> bool {
        self.letters.get(at..).is_some_and(|rest| rest.iter().zip(text.chars()).all(|(a, b)| *a == b))
            && self.letters.len() - at >= text.len()
    }

    fn spaces(&self, at: usize) -> usize {
        at + self.letters[at.min(self.letters.len())..].iter().take_while(|letter| is_space(**letter)).count()
    }

    /// Where text that begins here ends; `None`: it may go on beyond the end.
    fn text_end(&self, at: usize) -> Option<usize> {
        if let Some(element) = self.raw {
            let mut from = at;
            loop {
                let open = self.find(from, '<')?;
                if self.at(open + 1) == Some('/') {
                    let name = self.spaces(open + 2);
                    let end = name + element.len();
                    let named = self.letters.get(name..end).is_some_and(|found| {
                        found.iter().zip(element.chars()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
                    });
                    if named && self.at(self.spaces(end)) == Some('>') {
                        return Some(open);
                    }
                }
                from = open + 1;
            }
        }
        if let Some(open) = self.find(at, '<') {
            return Some(open);
        }
        let end = self.letters.len();
        let from = at.max(end.saturating_sub(34));
        let reference = self.letters[from..].iter().rposition(|letter| *letter == '&').map(|found| from + found);
        match reference {
            Some(found) if !self.letters[found..].iter().any(|letter| is_space(*letter) || *letter == ';') => None,
            _ => Some(end),
        }
    }

    fn data(&mut self, from: usize, to: usize) {
        if !self.collects {
            return;
        }
        let text: String = self.letters[from..to].iter().collect();
        let text = if self.raw.is_none() { unescape(&text) } else { text };
        let text = super::message::strip(&text);
        if !text.is_empty() {
            self.pieces.push(text.to_owned());
        }
    }

    /// What begins with `<` here; where it ends.
    fn markup(&mut self, at: usize) -> Result<usize, Over> {
        if self.at(at + 1).is_some_and(|letter| letter.is_ascii_alphabetic()) {
            return self.start_tag(at);
        }
        if self.starts_with(at, "</") {
            return self.end_tag(at);
        }
        if self.starts_with(at, "<!--") {
            return self.comment(at + 4);
        }
        if self.starts_with(at, "<?") {
            return self.find(at + 2, '>').map(|end| end + 1).ok_or(Over);
        }
        if self.starts_with(at, "<![") {
            return self.section(at);
        }
        if self.starts_with(at, "<!") {
            return self.find(at + 2, '>').map(|end| end + 1).ok_or(Over);
        }
        if at + 1 < self.letters.len() {
            self.data(at, at + 1);
            return Ok(at + 1);
        }
        Err(Over)
    }

    fn comment(&self, from: usize) -> Result<usize, Over> {
        let mut at = from;
        loop {
            at = self.find(at, '-').ok_or(Over)?;
            if self.at(at + 1) == Some('-') {
                let close = self.spaces(at + 2);
                if self.at(close) == Some('>') {
                    return Ok(close + 1);
                }
                // Blanks that close nothing are not passed over again.
                at = if close > at + 2 { close } else { at + 1 };
            } else {
                at += 1;
            }
        }
    }

    /// `<![CDATA[...]]>`, `<![if ...]>`.
    fn section(&self, at: usize) -> Result<usize, Over> {
        let start = at + 3;
        let is_name = |letter: &&char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if !self.at(start).is_some_and(|letter| letter.is_ascii_alphabetic()) {
            return Err(Over);
        }
        let end = start + self.letters[start..].iter().take_while(is_name).count();
        let name: String = self.letters[start..end].iter().collect::<String>().to_ascii_lowercase();
        if self.spaces(end) == self.letters.len() {
            return Err(Over);
        }
        let twice = match name.as_str() {
            "temp" | "cdata" | "ignore" | "include" | "rcdata" => true,
            "if" | "else" | "endif" => false,
            _ => return Err(Over),
        };
        let mut at = start;
        loop {
            at = self.find(at, ']').ok_or(Over)?;
            let mut close = self.spaces(at + 1);
            if twice {
                if self.at(close) != Some(']') {
                    at += 1;
                    continue;
                }
                close = self.spaces(close + 1);
            }
            if self.at(close) == Some('>') {
                return Ok(close + 1);
            }
            at += 1;
        }
    }

    fn is_name_letter(letter: char) -> bool {
        !matches!(letter, '\t' | '\n' | '\r' | '\x0c' | ' ' | '/' | '>' | '\0')
    }

    /// Behind a tag's name, if one begins here.
    fn tag_name(&self, at: usize) -> Option<usize> {
        self.at(at).filter(char::is_ascii_alphabetic)?;
        Some(at + self.letters[at..].iter().take_while(|letter| Self::is_name_letter(**letter)).count())
    }

    /// Behind blanks and slashes that close nothing.
    fn filler(&self, mut at: usize) -> usize {
        while let Some(letter) = self.at(at) {
            match letter {
                _ if is_space(letter) => at += 1,
                '/' if self.at(at + 1) != Some('>') => at += 1,
                _ => break,
            }
        }
        at
    }

    /// Behind an attribute, if one begins here.
    fn attribute(&self, at: usize) -> Option<usize> {
        let before = self.at(at.checked_sub(1)?)?;
        if !(matches!(before, '\'' | '"' | '/') || is_space(before)) {
            return None;
        }
        self.at(at).filter(|letter| !is_space(*letter) && !matches!(letter, '/' | '>'))?;
        let name = |letter: &&char| !is_space(**letter) && !matches!(letter, '/' | '=' | '>');
        let end = at + 1 + self.letters[at + 1..].iter().take_while(name).count();
        Some(self.filler(self.value(end).unwrap_or(end)))
    }

    /// Behind `= value`, if that is here.
    fn value(&self, at: usize) -> Option<usize> {
        let equals = self.spaces(at);
        let count = self.letters[equals..].iter().take_while(|letter| **letter == '=').count();
        if count == 0 {
            return None;
        }
        let value = self.spaces(equals + count);
        let bare = |from: usize| {
            let is_bare = |letter: &&char| **letter != '>' && !is_space(**letter);
            from + self.letters[from..].iter().take_while(is_bare).count()
        };
        let Some(quote @ ('\'' | '"')) = self.at(value) else { return Some(bare(value)) };
        let last = self.last_quotes[usize::from(quote == '"')];
        if last.is_some_and(|last| last > value) {
            return self.find(value + 1, quote).map(|end| end + 1);
        }
        // Not closed: what stands before the quote is the value, empty or the last of several equal signs.
        if value > equals + count {
            return Some(equals + count);
        }
        (count > 1).then(|| bare(equals + count - 1))
    }

    fn start_tag(&mut self, at: usize) -> Result<usize, Over> {
        let end = self.whole_tag(at)?;
        let name_end = self.tag_name(at + 1).ok_or(Over)?;
        let name: String = self.letters[at + 1..name_end].iter().collect::<String>().to_lowercase();
        let mut behind = self.filler(name_end);
        while behind < end {
            match self.attribute(behind) {
                Some(next) => behind = next,
                None => break,
            }
        }
        let rest: String = self.letters[behind.min(end)..end].iter().collect();
        let rest = super::message::strip(&rest);
        if rest != ">" && rest != "/>" {
            self.data(at, end);
            return Ok(end);
        }
        let element = ["script", "style"].into_iter().find(|element| *element == name);
        if element.is_some() {
            self.collects = rest == "/>";
            if rest == ">" {
                self.raw = element;
            }
        }
        Ok(end)
    }

    /// Where the tag that begins here ends.
    fn whole_tag(&self, at: usize) -> Result<usize, Over> {
        let mut end = self.tag_name(at + 1).ok_or(Over)?;
        while self.at(end).is_some_and(|letter| is_space(letter) || letter == '/') {
            end += 1;
        }
        while let Some(next) = self.attribute(end) {
            end = next;
        }
        end = self.spaces(end);
        match self.at(end) {
            None => Err(Over),
            Some('>') => Ok(end + 1),
            Some('/') if self.at(end + 1) == Some('>') => Ok(end + 2),
            Some('/' | '=') => Err(Over),
            Some(letter) if letter.is_ascii_alphabetic() => Err(Over),
            Some(_) => Ok(end),
        }
    }

    fn end_tag(&mut self, at: usize) -> Result<usize, Over> {
        let close = self.find(at + 1, '>').ok_or(Over)?;
        let start = self.spaces(at + 2);
        let plain = |letter: &&char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':' | '_');
        let plain_end = start + self.letters[start..].iter().take_while(plain).count();
        let is_plain = self.at(start).is_some_and(|letter| letter.is_ascii_alphabetic())
            && self.at(self.spaces(plain_end)) == Some('>');
        if is_plain {
            let name: String = self.letters[start..plain_end].iter().collect::<String>().to_ascii_lowercase();
            if self.raw.is_some_and(|raw| raw != name) {
                self.data(at, close + 1);
                return Ok(close + 1);
            }
            self.ended(&name);
            self.raw = None;
            return Ok(close + 1);
        }
        if self.raw.is_some() {
            self.data(at, close + 1);
            return Ok(close + 1);
        }
        let Some(name_end) = self.tag_name(at + 2) else { return Ok(close + 1) };
        let name: String = self.letters[at + 2..name_end].iter().collect::<String>().to_lowercase();
        self.ended(&name);
        self.find(self.filler(name_end), '>').map(|end| end + 1).ok_or(Over)
    }

    fn ended(&mut self, name: &str) {
        if matches!(name, "script" | "style") {
            self.collects = true;
        }
    }
}

/// Character references to characters.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest) {
            Some((letters, length)) => {
                out.push_str(&letters);
                rest = &rest[length..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

/// Behind an `&`: what it stands for and how long it is.
fn reference(text: &str) -> Option<(String, usize)> {
    if let Some(number) = text.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let count = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
        if count == 0 {
            return None;
        }
        let start = text.len() - digits.len();
        let length = start + count + usize::from(digits[count..].starts_with(';'));
        let number = u32::from_str_radix(&digits[..count], radix).unwrap_or(u32::MAX);
        return Some((numbered(number), length));
    }
    let ends = |letter: &char| !matches!(letter, '\t' | '\n' | '\x0c' | ' ' | '<' | '&' | '#' | ';');
    let length: usize = text.chars().take_while(ends).take(LONGEST_NAME).map(char::len_utf8).sum();
    if length == 0 {
        return None;
    }
    let closed = text[length..].starts_with(';');
    let name = &text[..length];
    if closed && let Some(letters) = NAMES.get(name).or_else(|| NAMES.get(&text[..=length])) {
        return Some((letters.clone(), length + 1));
    }
    // Without `;` the longest beginning that is a name by itself.
    let ends: Vec<usize> = name.char_indices().map(|(at, _)| at).chain([length]).filter(|at| *at > 1).collect();
    let (letters, used) = ends.into_iter().rev().find_map(|end| Some((NAMES.get(&name[..end])?.clone(), end)))?;
    Some((letters, used))
}

/// Windows' characters where a number means a control character.
const WINDOWS: [u16; 32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
    0x17e, 0x178,
];

fn numbered(number: u32) -> String {
    let letter = match number {
        0 | 0xd800..=0xdfff | 0x11_0000.. => Some('\u{fffd}'),
        0x0d => Some('\r'),
        0x80..=0x9f => char::from_u32(u32::from(WINDOWS[(number - 0x80) as usize])),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        _ if number & 0xfffe == 0xfffe => None,
        _ => char::from_u32(number),
    };
    letter.map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_tags() {
        for (document, expected) in [
            ("<p>one <b>two</b> three", "one two three"),
            ("<style>a { }</style>x<script>if (a < b) {}</script>y", "x y"),
            ("<SCRIPT src=x>a</Script >b", "b"),
            ("a<!-- no <b> -->b<!DOCTYPE x>c<?pi?>d", "a b c d"),
            ("a<![if x]>b<![endif]>c", "a b c"),
            ("<a href=\"x>y\" title='z'>t</a>", "t"),
            ("<br/>t<br />u", "t u"),
            ("a < b", "a < b"),
            ("a<b", "a"),
            ("a </ b>c", "a c"),
            ("a<p x='1'y>c", "a c"),
            ("&eacute;&#233;&#x80;&amp;lt;&ampx&nosuch; z", "éé€&lt;&x&nosuch; z"),
            ("&notit; &notin; .", "¬it; ∉ ."),
            ("text &am", ""),
            ("x<!bad", "x"),
            ("<style>never closed", ""),
        ] {
            assert_eq!(text(document), expected, "{document}");
        }
    }

    #[test]
    fn hostile_documents_end() {
        for piece in ["<a '", "<a b=\"", "-- ", "<!--", "</", "&#", "<![if ", "]", "<a b= '"] {
            text(&piece.repeat(20_000));
        }
    }
}
