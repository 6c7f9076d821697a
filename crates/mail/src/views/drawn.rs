//! QR codes that are drawn instead of sent as a picture: with block characters in a text, or with the coloured cells of a
//! table in a page. A telephone reads them like any other; filters that look at pictures see none.
//!
//! In: the text parts of a message. Out: drawings as fields of dark and light squares. Whether they are codes and what they
//! say is for [`Pictures`](super::Pictures) to find out. Most mail is put aside by a look at its bytes.

use super::Views;
use std::collections::HashSet;

/// A field of squares, by rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    pub width: usize,
    pub dark: Vec<bool>,
}

/// Parts that are looked at, bytes of one, and drawings of a message.
const PARTS: usize = 6;
const BYTES: usize = 1_000_000;
const DRAWINGS: usize = 6;
/// Squares along a side; the largest code has 177, and some draw each as four.
const SIDE: usize = 800;
/// The smallest code has 21 rows; half blocks show two in a line.
const LINES: usize = 10;
/// Tables within tables.
const DEPTH: usize = 12;
/// Classes of a page's styles.
const CLASSES: usize = 50;

pub(super) fn find(views: &Views<'_>) -> Vec<Drawing> {
    let mut found = Vec::new();
    let texts = views.message.leaves().filter_map(|(_, part)| match part.effective_type() {
        "text/plain" => Some((part, false)),
        "text/html" => Some((part, true)),
        _ => None,
    });
    for (part, html) in texts.take(PARTS) {
        let bytes = part.decoded();
        found.extend(drawings(&bytes[..bytes.len().min(BYTES)], html));
        if found.len() >= DRAWINGS {
            found.truncate(DRAWINGS);
            break;
        }
    }
    found
}

/// The drawings of one part.
pub fn drawings(bytes: &[u8], html: bool) -> Vec<Drawing> {
    let blocks =
        [&b"\xe2\x96"[..], b"\xe2\xac\x9b", b"##"].iter().any(|sign| memchr::memmem::find(bytes, sign).is_some())
            || html && memchr::memmem::find(bytes, b"&#").is_some();
    let cells = html && tags(bytes) >= 200;
    if !blocks && !cells {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    if html {
        let mut page = Page::default();
        page.read(&text);
        found = page.found;
        if blocks {
            blocks_of(page.lines.iter().map(String::as_str), &mut found);
        }
    } else {
        blocks_of(text.lines(), &mut found);
    }
    found.truncate(DRAWINGS);
    found
}

/// Cells and rows of tables, roughly: enough to tell a page that could hold a code.
fn tags(bytes: &[u8]) -> usize {
    let opens = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|name| matches!(name, b"td" | b"TD" | b"tr" | b"TR"));
    memchr::memchr_iter(b'<', bytes).filter(|at| opens(*at)).take(200).count()
}

/// The four quarters of a character: above left, above right, below left, below right.
fn quarters(c: char) -> Option<[bool; 4]> {
    const O: bool = false;
    const X: bool = true;
    Some(match c {
        ' ' | '\u{a0}' | '\u{3000}' | '\u{2800}' | '\u{2003}' | '⬜' | '□' | '░' => [O; 4],
        '█' | '⬛' | '■' | '#' | '▓' | '▉' => [X; 4],
        '▀' => [X, X, O, O],
        '▄' => [O, O, X, X],
        '▌' => [X, O, X, O],
        '▐' => [O, X, O, X],
        '▘' => [X, O, O, O],
        '▝' => [O, X, O, O],
        '▖' => [O, O, X, O],
        '▗' => [O, O, O, X],
        '▚' => [X, O, O, X],
        '▞' => [O, X, X, O],
        '▛' => [X, X, X, O],
        '▜' => [X, X, O, X],
        '▙' => [X, O, X, X],
        '▟' => [O, X, X, X],
        _ => return None,
    })
}

/// Lines one below the other that hold nothing but blocks and blanks.
fn blocks_of<'t>(lines: impl Iterator<Item = &'t str>, found: &mut Vec<Drawing>) {
    let mut rows: Vec<Vec<[bool; 4]>> = Vec::new();
    let mut flush = |rows: &mut Vec<Vec<[bool; 4]>>| {
        if rows.len() >= LINES && found.len() < DRAWINGS {
            let width = rows.iter().map(Vec::len).max().unwrap_or(0) * 2;
            let mut dark = Vec::with_capacity(width * rows.len() * 2);
            for row in rows.iter() {
                for half in [0, 2] {
                    let squares = row.iter().flat_map(|quarters| [quarters[half], quarters[half + 1]]);
                    let from = dark.len();
                    dark.extend(squares);
                    dark.resize(from + width, false);
                }
            }
            if dark.contains(&true) {
                found.push(Drawing { width, dark });
            }
        }
        rows.clear();
    };
    for line in lines {
        let line = line.trim_end_matches(['\r', '\n']);
        let row: Option<Vec<_>> = line.chars().take(SIDE).map(quarters).collect();
        match row {
            // Blank lines may be the edge of a drawing, not its beginning.
            Some(row) if rows.len() < SIDE => {
                if !rows.is_empty() || row.iter().any(|quarters| quarters.contains(&true)) {
                    rows.push(row);
                }
            }
            _ => flush(&mut rows),
        }
    }
    flush(&mut rows);
}

#[derive(Default)]
struct Page {
    found: Vec<Drawing>,
    /// Its text as lines, for drawings with blocks.
    lines: Vec<String>,
    tables: Vec<Table>,
    /// Classes whose background is dark, and light.
    dark: HashSet<String>,
    light: HashSet<String>,
    preformatted: bool,
}

#[derive(Default)]
struct Table {
    ground: Option<bool>,
    row_ground: Option<bool>,
    rows: Vec<Vec<bool>>,
}

impl Page {
    fn read(&mut self, text: &str) {
        let mut line = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('<') {
            self.characters(&rest[..open], &mut line);
            rest = &rest[open + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
                continue;
            }
            let end = rest.find('>').unwrap_or(rest.len());
            let tag = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or("");
            let name_end = tag.find(|c: char| !(c.is_ascii_alphanumeric() || c == '/')).unwrap_or(tag.len());
            let name = tag[..name_end].to_ascii_lowercase();
            if matches!(name.as_str(), "style" | "script") {
                let close = format!("</{name}");
                let length = find_ignoring_case(rest, &close).unwrap_or(rest.len());
                if name == "style" {
                    self.classes(&rest[..length]);
                }
                rest = &rest[length..];
                continue;
            }
            self.tag(&name, &tag[name_end..], &mut line);
        }
        self.characters(rest, &mut line);
        self.lines.push(line);
        while let Some(table) = self.tables.pop() {
            self.keep(table);
        }
    }

    fn characters(&mut self, text: &str, line: &mut String) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (c, length) = if c == '&' { entity(rest) } else { (c, c.len_utf8()) };
            rest = &rest[length..];
            match c {
                '\n' if self.preformatted => self.lines.push(std::mem::take(line)),
                '\n' | '\r' | '\t' => {}
                _ if line.len() < SIDE * 4 => line.push(c),
                _ => {}
            }
        }
    }

    fn tag(&mut self, name: &str, attributes: &str, line: &mut String) {
        match name {
            "pre" => self.preformatted = true,
            "/pre" => self.preformatted = false,
            "table" if self.tables.len() < DEPTH => {
                self.tables.push(Table { ground: self.ground(attributes), ..Table::default() });
            }
            "/table" => {
                if let Some(table) = self.tables.pop() {
                    self.keep(table);
                }
            }
            "tr" => {
                let ground = self.ground(attributes);
                if let Some(table) = self.tables.last_mut()
                    && table.rows.len() < SIDE
                {
                    table.row_ground = ground;
                    table.rows.push(Vec::new());
                }
            }
            "td" | "th" => {
                let ground = self.ground(attributes);
                let span = attribute(attributes, "colspan").and_then(|n| n.trim().parse().ok()).unwrap_or(1);
                if let Some(table) = self.tables.last_mut()
                    && let Some(row) = table.rows.last_mut()
                {
                    let dark = ground.or(table.row_ground).or(table.ground).unwrap_or(false);
                    let length = (row.len() + usize::clamp(span, 1, SIDE)).min(SIDE);
                    row.resize(length, dark);
                }
            }
            _ => {}
        }
        if matches!(name, "br" | "br/" | "p" | "/p" | "div" | "/div" | "tr" | "/tr" | "/table" | "li" | "pre" | "/pre")
        {
            self.lines.push(std::mem::take(line));
        }
        if self.lines.len() > 20_000 {
            self.lines.clear();
        }
    }

    fn keep(&mut self, mut table: Table) {
        table.rows.retain(|row| !row.is_empty());
        let width = table.rows.iter().map(Vec::len).max().unwrap_or(0);
        if table.rows.len() < LINES || width < LINES || self.found.len() >= DRAWINGS {
            return;
        }
        let mut dark = Vec::with_capacity(width * table.rows.len());
        for row in table.rows {
            let from = dark.len();
            dark.extend(row);
            dark.resize(from + width, false);
        }
        if dark.contains(&true) {
            self.found.push(Drawing { width, dark });
        }
    }

    /// `.name { background: ... }` of a style sheet.
    fn classes(&mut self, sheet: &str) {
        for rule in sheet.split('}').take(CLASSES * 4) {
            let Some((selectors, body)) = rule.split_once('{') else { continue };
            let Some(dark) = background(body) else { continue };
            for selector in selectors.split(',') {
                let Some((_, class)) = selector.rsplit_once('.') else { continue };
                let set = if dark { &mut self.dark } else { &mut self.light };
                if set.len() < CLASSES {
                    set.insert(class.trim().to_owned());
                }
            }
        }
    }

    /// Whether an element's background is dark; `None` where it says nothing.
    fn ground(&self, attributes: &str) -> Option<bool> {
        let class = || {
            let mut names = attribute(attributes, "class")?.split_ascii_whitespace();
            names.find_map(|name| match (self.dark.contains(name), self.light.contains(name)) {
                (false, false) => None,
                (dark, _) => Some(dark),
            })
        };
        attribute(attributes, "style")
            .and_then(background)
            .or_else(|| attribute(attributes, "bgcolor").and_then(is_dark))
            .or_else(class)
    }
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    let places = memchr::memchr_iter(b'<', text.as_bytes());
    places.into_iter().find(|at| {
        text.as_bytes().get(*at..at + wanted.len()).is_some_and(|here| here.eq_ignore_ascii_case(wanted.as_bytes()))
    })
}

/// The character of a reference, and its length.
fn entity(text: &str) -> (char, usize) {
    let end = text.char_indices().take(10).find(|(_, c)| *c == ';').map_or(0, |(at, _)| at);
    let name = text.get(1..end.max(1)).unwrap_or("");
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    let c = number.and_then(char::from_u32).or(match name {
        "nbsp" => Some('\u{a0}'),
        "block" => Some('█'),
        "uhblk" => Some('▀'),
        "lhblk" => Some('▄'),
        "squ" | "square" | "Square" => Some('□'),
        "squf" | "squarf" => Some('▪'),
        _ => None,
    });
    c.map_or(('&', 1), |c| (c, end + 1))
}

fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = attributes;
    for _ in 0..30 {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/'))?;
        let found = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else { continue };
        let after = after.trim_start();
        let (value, left) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            _ => after.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((after, "")),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = left;
    }
    None
}

/// Of `background` or `background-color` in a style.
fn background(style: &str) -> Option<bool> {
    style.split(';').find_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let name = name.trim();
        let ground = name.eq_ignore_ascii_case("background") || name.eq_ignore_ascii_case("background-color");
        ground.then(|| is_dark(value)).flatten()
    })
}

fn is_dark(colour: &str) -> Option<bool> {
    let colour = colour.trim().to_ascii_lowercase();
    let word = colour.split_ascii_whitespace().next().unwrap_or("");
    let sum = |[r, g, b]: [u32; 3]| Some(r * 3 + g * 6 + b < 1_280);
    if let Some(list) = colour.strip_prefix("rgb").and_then(|rest| rest.split_once('(')) {
        let mut numbers = list.1.split([',', ' ', ')']).filter_map(|n| n.trim().parse::<u32>().ok());
        return sum([numbers.next()?.min(255), numbers.next()?.min(255), numbers.next()?.min(255)]);
    }
    let hex = word.strip_prefix('#').unwrap_or(word);
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    match (digits.as_deref(), word) {
        (Some(&[r, g, b]), _) => sum([r * 17, g * 17, b * 17]),
        (Some(&[a, b, c, d, e, f]), _) => sum([a * 16 + b, c * 16 + d, e * 16 + f]),
        (_, "black" | "navy" | "maroon" | "purple" | "green" | "blue" | "darkblue" | "indigo" | "midnightblue") => {
            Some(true)
        }
        (_, "white" | "whitesmoke" | "snow" | "ivory" | "transparent" | "none" | "yellow" | "silver" | "lightgray") => {
            Some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_squares() {
        let mut text = String::from("Scan this:\n");
        (0..10).for_each(|_| text.push_str("█▀▄ \r\n"));
        text.push_str("thanks ■");
        let found = drawings(text.as_bytes(), false);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].width, found[0].dark.len()), (8, 8 * 20));
        assert_eq!(
            found[0].dark[..16].iter().map(|d| u8::from(*d)).collect::<Vec<_>>(),
            [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]
        );
        assert!(drawings("■お知らせ\n■ご案内\n".as_bytes(), false).is_empty());
    }

    #[test]
    fn pages_are_read_with_references_and_breaks() {
        let mut page = String::from("<html><style>.k{background:#000}</style><pre>");
        (0..12).for_each(|_| page.push_str("&#9608;&nbsp;&#x2588;&block;\n"));
        page.push_str("</pre><DIV>x");
        let found = drawings(page.as_bytes(), true);
        assert_eq!(found.len(), 1);
        assert_eq!(&found[0].dark[..8], [true, true, false, false, true, true, true, true]);
    }

    #[test]
    fn cells_are_dark_or_light_by_whatever_says_so() {
        let row = "<tr><td bgcolor=\"#000000\"></td><TD style='width:4px;background-color: rgb(0,0,0)'></TD><td class=\"k\">\
                   </td><td bgcolor=white></td><td colspan=12 style=\"background:#fff\"></td></tr>";
        let page = format!("<style>td.k{{background:black}}</style><table><tr><td>{}</td></tr></table>", {
            format!("<table bgcolor=\"#ffffff\">{}</table>", row.repeat(60))
        });
        let found = drawings(page.as_bytes(), true);
        assert_eq!(found.len(), 1, "the outer table is one cell");
        assert_eq!((found[0].width, found[0].dark.len()), (16, 16 * 60));
        assert_eq!(&found[0].dark[..5], [true, true, true, false, false]);
        assert!(drawings(page.replace("td", "d").as_bytes(), true).is_empty());
    }

    #[test]
    fn colours() {
        for (colour, dark) in [
            ("#000", Some(true)),
            ("#FFFFFF", Some(false)),
            ("rgb(10, 20, 30)", Some(true)),
            ("rgba(255,255,255,1)", Some(false)),
            ("000000", Some(true)),
            ("url(x)", None),
            ("", None),
        ] {
            assert_eq!(is_dark(colour), dark, "{colour}");
        }
    }
}
