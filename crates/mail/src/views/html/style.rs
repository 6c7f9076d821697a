//! Colours and inline CSS: as much as is needed to say whether text can be seen.
//!
//! The first half follows SpamAssassin's reading to the letter, odd corners included, since its "invisible" text and
//! its low-contrast rule rest on it. [`hides`] is our own and asks what a reader's program would show.

use super::perl::{is_ascii_space, trim_end, trim_start};

/// A colour as SpamAssassin's renderer settles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Rgb([u8; 3]),
    /// A lone "#".
    Empty,
    Invalid,
    /// Not yet replaced by what lies behind.
    Transparent,
}

impl Colour {
    pub const BLACK: Colour = Colour::Rgb([0; 3]);
    pub const WHITE: Colour = Colour::Rgb([255; 3]);

    /// A name, `#` with any number of digits, or `rgb(...)`.
    pub fn parse(value: &[u8], wide: bool) -> Colour {
        let value = trim_end(trim_start(value, wide, false, None), wide, false, None);
        if let Some(rgb) = named(value) {
            return Colour::Rgb(rgb);
        }
        if let Some(colour) = rgb_function(value) {
            return colour;
        }
        if value.first() != Some(&b'#') || !value.iter().all(|&b| b == b'#' || b.is_ascii_hexdigit()) {
            return Colour::Invalid;
        }
        let mut digits = [0u8; 6];
        let mut n = 0;
        for &b in value.iter().filter(|b| b.is_ascii_hexdigit()).take(6) {
            digits[n] = b;
            n += 1;
        }
        hex_colour(&digits[..n])
    }

    /// Like [`Colour::parse`], for the value of a CSS `color` declaration. `None`: leave what was inherited.
    fn parse_css(value: &[u8], wide: bool) -> Option<Colour> {
        let value = without_important(value);
        if find_no_case(value, b"rgb").is_some() {
            let mut numbers = [0u64; 3];
            let mut field = 0;
            for &b in value {
                match b {
                    b',' => field += 1,
                    b'0'..=b'9' if field < 3 => {
                        numbers[field] = numbers[field].saturating_mul(10).saturating_add(u64::from(b - b'0'));
                    }
                    _ => {}
                }
            }
            return Some(Colour::Rgb(numbers.map(|n| n.min(255) as u8)));
        }
        if value.eq_ignore_ascii_case(b"inherit") {
            return None;
        }
        if value.eq_ignore_ascii_case(b"transparent") {
            return Some(Colour::Transparent);
        }
        Some(Colour::parse(value, wide))
    }

    /// Too near to be read? The distance is weighted by how bright each primary looks.
    pub fn hardly_differs(self, other: Colour) -> bool {
        match (self, other) {
            (Colour::Rgb(a), Colour::Rgb(b)) => {
                let d = |i: usize, weight: f64| (weight * (f64::from(a[i]) - f64::from(b[i]))).powi(2);
                a == b || (d(0, 0.2126) + d(1, 0.7152) + d(2, 0.0722)).sqrt() < 12.0
            }
            _ => self == other,
        }
    }
}

/// Up to six hex digits: four and five count as three, fewer are filled up, three are doubled.
fn hex_colour(digits: &[u8]) -> Colour {
    let digit = |i: usize| digits.get(i).map_or(0, |&b| char::from(b).to_digit(16).unwrap_or(0) as u8);
    match digits.len() {
        0 => Colour::Empty,
        6 => Colour::Rgb([0, 2, 4].map(|i| digit(i) << 4 | digit(i + 1))),
        _ => Colour::Rgb([0, 1, 2].map(|i| digit(i) * 0x11)),
    }
}

/// `rgb(1, 2, 3)` or `rgb(1%, 2%, 3%)` anywhere in the value. `None` if there is nothing of the kind.
fn rgb_function(value: &[u8]) -> Option<Colour> {
    let mut from = 0;
    while let Some(at) = find_no_case(&value[from..], b"rgb(") {
        let inner = &value[from + at + 4..];
        let list = inner.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b',' | b'%') || is_ascii_space(**b));
        let close = list.count();
        if inner.get(close) == Some(&b')')
            && let Some(hex) = rgb_numbers(&inner[..close])
        {
            let n = hex.len().min(6);
            return Some(hex_colour(&hex.as_bytes()[..n]));
        }
        from += at + 4;
    }
    None
}

/// The digits of three numbers, each with at least two.
fn rgb_numbers(list: &[u8]) -> Option<String> {
    let fields: Vec<&[u8]> = list.splitn(4, |&b| b == b',').collect();
    if fields.len() != 3 || fields[0].first().is_some_and(|b| is_ascii_space(*b)) {
        return None;
    }
    let mut hex = String::new();
    let mut percents = None;
    for (i, field) in fields.iter().enumerate() {
        let field = trim_start(field, false, true, None);
        let field = if i == 2 { trim_end(field, false, true, None) } else { field };
        let (number, percent) = match field.split_last() {
            Some((b'%', number)) => (number, true),
            _ => (field, false),
        };
        if number.is_empty() || !number.iter().all(u8::is_ascii_digit) || percents.is_some_and(|p| p != percent) {
            return None;
        }
        percents = Some(percent);
        let n = number.iter().fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
        let n = if percent { (n as f64 / 100.0 * 255.0) as u64 } else { n };
        hex.push_str(&format!("{n:02x}"));
    }
    Some(hex)
}

/// Position of `needle` (lower case) in `haystack`, case ignored.
pub(super) fn find_no_case(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle))
}

fn without_important(value: &[u8]) -> &[u8] {
    let Some(rest) = strip_suffix_no_case(value, b"important") else { return value };
    match trim_end(rest, false, true, None).split_last() {
        Some((b'!', rest)) => trim_end(rest, false, true, None),
        _ => value,
    }
}

fn strip_suffix_no_case<'a>(s: &'a [u8], suffix: &[u8]) -> Option<&'a [u8]> {
    let (rest, tail) = s.split_at_checked(s.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

fn strip_prefix_no_case<'a>(s: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = s.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// What the renderer knows about the text at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub foreground: Colour,
    pub background: Colour,
    pub size: i64,
    pub display_none: bool,
    pub visibility_hidden: bool,
}

impl Look {
    /// Applies a `style` attribute. `parent_background` stands in for `transparent`.
    pub fn apply(&mut self, style: &[u8], parent_background: Colour, wide: bool) {
        for part in style.split(|&b| b == b';') {
            let part = trim_start(part, wide, false, None);
            if let Some(value) = strip_prefix_no_case(part, b"color:").and_then(|v| css_value(v, wide)) {
                self.foreground = Colour::parse_css(value, wide).unwrap_or(self.foreground);
            } else if let Some(value) =
                strip_prefix_no_case(part, b"background-color:").and_then(|v| css_value(v, wide))
            {
                self.background = Colour::parse_css(value, wide).unwrap_or(self.background);
            } else if let Some(value) = part.strip_prefix(b"background:").and_then(|v| css_value(v, wide)) {
                self.background = bottom_layer_colour(value, wide).unwrap_or(self.background);
            } else if let Some(rest) = part.strip_prefix(b"display").and_then(|r| after_colon(r, wide)) {
                self.display_none = rest.eq_ignore_ascii_case(b"none");
            } else if let Some(rest) = part.strip_prefix(b"visibility").and_then(|r| after_colon(r, wide)) {
                self.visibility_hidden = rest.eq_ignore_ascii_case(b"hidden");
            }
        }
        if self.background == Colour::Transparent {
            self.background = parent_background;
        }
        if self.foreground == Colour::Transparent {
            self.foreground = self.background;
        }
    }
}

/// A trimmed value; a value of blanks only is one blank; a line break inside spoils it.
fn css_value(value: &[u8], wide: bool) -> Option<&[u8]> {
    let trimmed = trim_end(trim_start(value, wide, false, None), wide, false, None);
    if trimmed.is_empty() {
        return value.iter().any(|&b| b != b'\n').then_some(b" ");
    }
    (!trimmed.contains(&b'\n')).then_some(trimmed)
}

fn after_colon(rest: &[u8], wide: bool) -> Option<&[u8]> {
    let rest = trim_start(rest, wide, false, None).strip_prefix(b":")?;
    css_value(rest, wide).filter(|v| *v != b" ")
}

/// The first colour in the last of the comma-separated layers of a CSS `background`.
fn bottom_layer_colour(value: &[u8], wide: bool) -> Option<Colour> {
    struct Layers {
        last: Option<Colour>,
        current: Option<Colour>,
        any: bool,
    }
    let mut layers = Layers { last: None, current: None, any: false };
    let mut start = 0;
    let token = |layers: &mut Layers, start: usize, end: usize| {
        if start < end {
            layers.any = true;
            if layers.current.is_none() {
                layers.current = Some(Colour::parse(&value[start..end], wide)).filter(|c| *c != Colour::Invalid);
            }
        }
    };
    let mut paren = false;
    let mut quote = 0;
    for (i, &b) in value.iter().enumerate() {
        match b {
            _ if b == quote => quote = 0,
            _ if quote != 0 => {}
            b'"' | b'\'' => quote = b,
            b')' if paren => {
                token(&mut layers, start, i + 1);
                start = i + 1;
                paren = false;
            }
            _ if paren => {}
            b'(' => paren = true,
            b' ' => {
                token(&mut layers, start, i);
                start = i + 1;
            }
            b',' => {
                token(&mut layers, start, i);
                start = i + 1;
                layers = Layers { last: layers.current, current: None, any: false };
            }
            _ => {}
        }
    }
    token(&mut layers, start, value.len());
    if layers.any { layers.current } else { layers.last }
}

/// Would a reader's program show nothing of an element with this style? Our own judgement, wider than SpamAssassin's.
pub(super) fn hides(style: &[u8]) -> bool {
    let mut clips = false;
    let mut no_room = false;
    let mut positioned = false;
    let mut far_away = false;
    for part in style.split(|&b| b == b';') {
        let Some(colon) = part.iter().position(|&b| b == b':') else { continue };
        let mut name = [0u8; 16];
        let raw_name = part[..colon].trim_ascii();
        let Some(name) = name.get_mut(..raw_name.len()) else { continue };
        name.copy_from_slice(raw_name);
        name.make_ascii_lowercase();
        let value = without_important(part[colon + 1..].trim_ascii());
        let is = |word: &[u8]| value.eq_ignore_ascii_case(word);
        match &*name {
            b"display" if is(b"none") => return true,
            b"visibility" if is(b"hidden") || is(b"collapse") => return true,
            b"opacity" if length(value).is_some_and(|n| n < 0.05) => return true,
            b"font-size" if length(value).is_some_and(|n| n <= 1.0) && !is_relative(value) => return true,
            b"font-size" if length(value).is_some_and(|n| n < 0.1) => return true,
            b"color" if is(b"transparent") => return true,
            b"text-indent" if length(value).is_some_and(|n| n <= -500.0) => return true,
            b"overflow" | b"overflow-x" | b"overflow-y" => clips |= is(b"hidden") || is(b"clip"),
            b"height" | b"max-height" | b"width" | b"max-width" => {
                no_room |= length(value).is_some_and(|n| n < 1.0 && !is_relative(value) || n <= 0.0);
            }
            b"position" => positioned = is(b"absolute") || is(b"fixed"),
            b"left" | b"top" | b"right" | b"bottom" => far_away |= length(value).is_some_and(|n| n <= -500.0),
            _ => {}
        }
    }
    clips && no_room || positioned && far_away
}

/// The number at the start of a CSS length.
fn length(value: &[u8]) -> Option<f64> {
    let digits = value.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+')).take(12).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

fn is_relative(value: &[u8]) -> bool {
    [b"%".as_slice(), b"em", b"ex", b"ch", b"vw", b"vh"].iter().any(|unit| strip_suffix_no_case(value, unit).is_some())
}

fn named(name: &[u8]) -> Option<[u8; 3]> {
    let mut lower = [0u8; 20];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let i = NAMED.binary_search_by(|(n, _)| (*n).cmp(&*lower)).ok()?;
    let [_, r, g, b] = NAMED[i].1.to_be_bytes();
    Some([r, g, b])
}

/// HTML and CSS 3 colour names, sorted.
static NAMED: [(&[u8], u32); 147] = [
    (b"aliceblue", 0xf0f8ff),
    (b"antiquewhite", 0xfaebd7),
    (b"aqua", 0x00ffff),
    (b"aquamarine", 0x7fffd4),
    (b"azure", 0xf0ffff),
    (b"beige", 0xf5f5dc),
    (b"bisque", 0xffe4c4),
    (b"black", 0x000000),
    (b"blanchedalmond", 0xffebcd),
    (b"blue", 0x0000ff),
    (b"blueviolet", 0x8a2be2),
    (b"brown", 0xa52a2a),
    (b"burlywood", 0xdeb887),
    (b"cadetblue", 0x5f9ea0),
    (b"chartreuse", 0x7fff00),
    (b"chocolate", 0xd2691e),
    (b"coral", 0xff7f50),
    (b"cornflowerblue", 0x6495ed),
    (b"cornsilk", 0xfff8dc),
    (b"crimson", 0xdc143c),
    (b"cyan", 0x00ffff),
    (b"darkblue", 0x00008b),
    (b"darkcyan", 0x008b8b),
    (b"darkgoldenrod", 0xb8860b),
    (b"darkgray", 0xa9a9a9),
    (b"darkgreen", 0x006400),
    (b"darkgrey", 0xa9a9a9),
    (b"darkkhaki", 0xbdb76b),
    (b"darkmagenta", 0x8b008b),
    (b"darkolivegreen", 0x556b2f),
    (b"darkorange", 0xff8c00),
    (b"darkorchid", 0x9932cc),
    (b"darkred", 0x8b0000),
    (b"darksalmon", 0xe9967a),
    (b"darkseagreen", 0x8fbc8f),
    (b"darkslateblue", 0x483d8b),
    (b"darkslategray", 0x2f4f4f),
    (b"darkslategrey", 0x2f4f4f),
    (b"darkturquoise", 0x00ced1),
    (b"darkviolet", 0x9400d3),
    (b"deeppink", 0xff1493),
    (b"deepskyblue", 0x00bfff),
    (b"dimgray", 0x696969),
    (b"dimgrey", 0x696969),
    (b"dodgerblue", 0x1e90ff),
    (b"firebrick", 0xb22222),
    (b"floralwhite", 0xfffaf0),
    (b"forestgreen", 0x228b22),
    (b"fuchsia", 0xff00ff),
    (b"gainsboro", 0xdcdcdc),
    (b"ghostwhite", 0xf8f8ff),
    (b"gold", 0xffd700),
    (b"goldenrod", 0xdaa520),
    (b"gray", 0x808080),
    (b"green", 0x008000),
    (b"greenyellow", 0xadff2f),
    (b"grey", 0x808080),
    (b"honeydew", 0xf0fff0),
    (b"hotpink", 0xff69b4),
    (b"indianred", 0xcd5c5c),
    (b"indigo", 0x4b0082),
    (b"ivory", 0xfffff0),
    (b"khaki", 0xf0e68c),
    (b"lavender", 0xe6e6fa),
    (b"lavenderblush", 0xfff0f5),
    (b"lawngreen", 0x7cfc00),
    (b"lemonchiffon", 0xfffacd),
    (b"lightblue", 0xadd8e6),
    (b"lightcoral", 0xf08080),
    (b"lightcyan", 0xe0ffff),
    (b"lightgoldenrodyellow", 0xfafad2),
    (b"lightgray", 0xd3d3d3),
    (b"lightgreen", 0x90ee90),
    (b"lightgrey", 0xd3d3d3),
    (b"lightpink", 0xffb6c1),
    (b"lightsalmon", 0xffa07a),
    (b"lightseagreen", 0x20b2aa),
    (b"lightskyblue", 0x87cefa),
    (b"lightslategray", 0x778899),
    (b"lightslategrey", 0x778899),
    (b"lightsteelblue", 0xb0c4de),
    (b"lightyellow", 0xffffe0),
    (b"lime", 0x00ff00),
    (b"limegreen", 0x32cd32),
    (b"linen", 0xfaf0e6),
    (b"magenta", 0xff00ff),
    (b"maroon", 0x800000),
    (b"mediumaquamarine", 0x66cdaa),
    (b"mediumblue", 0x0000cd),
    (b"mediumorchid", 0xba55d3),
    (b"mediumpurple", 0x9370db),
    (b"mediumseagreen", 0x3cb371),
    (b"mediumslateblue", 0x7b68ee),
    (b"mediumspringgreen", 0x00fa9a),
    (b"mediumturquoise", 0x48d1cc),
    (b"mediumvioletred", 0xc71585),
    (b"midnightblue", 0x191970),
    (b"mintcream", 0xf5fffa),
    (b"mistyrose", 0xffe4e1),
    (b"moccasin", 0xffe4b5),
    (b"navajowhite", 0xffdead),
    (b"navy", 0x000080),
    (b"oldlace", 0xfdf5e6),
    (b"olive", 0x808000),
    (b"olivedrab", 0x6b8e23),
    (b"orange", 0xffa500),
    (b"orangered", 0xff4500),
    (b"orchid", 0xda70d6),
    (b"palegoldenrod", 0xeee8aa),
    (b"palegreen", 0x98fb98),
    (b"paleturquoise", 0xafeeee),
    (b"palevioletred", 0xdb7093),
    (b"papayawhip", 0xffefd5),
    (b"peachpuff", 0xffdab9),
    (b"peru", 0xcd853f),
    (b"pink", 0xffc0cb),
    (b"plum", 0xdda0dd),
    (b"powderblue", 0xb0e0e6),
    (b"purple", 0x800080),
    (b"red", 0xff0000),
    (b"rosybrown", 0xbc8f8f),
    (b"royalblue", 0x4169e1),
    (b"saddlebrown", 0x8b4513),
    (b"salmon", 0xfa8072),
    (b"sandybrown", 0xf4a460),
    (b"seagreen", 0x2e8b57),
    (b"seashell", 0xfff5ee),
    (b"sienna", 0xa0522d),
    (b"silver", 0xc0c0c0),
    (b"skyblue", 0x87ceeb),
    (b"slateblue", 0x6a5acd),
    (b"slategray", 0x708090),
    (b"slategrey", 0x708090),
    (b"snow", 0xfffafa),
    (b"springgreen", 0x00ff7f),
    (b"steelblue", 0x4682b4),
    (b"tan", 0xd2b48c),
    (b"teal", 0x008080),
    (b"thistle", 0xd8bfd8),
    (b"tomato", 0xff6347),
    (b"turquoise", 0x40e0d0),
    (b"violet", 0xee82ee),
    (b"wheat", 0xf5deb3),
    (b"white", 0xffffff),
    (b"whitesmoke", 0xf5f5f5),
    (b"yellow", 0xffff00),
    (b"yellowgreen", 0x9acd32),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours() {
        assert!(NAMED.is_sorted());
        let cases: &[(&str, Colour)] = &[
            ("White", Colour::WHITE),
            (" #ff0000 ", Colour::Rgb([255, 0, 0])),
            ("#f00", Colour::Rgb([255, 0, 0])),
            ("#ff00", Colour::Rgb([255, 255, 0])),
            ("#f", Colour::Rgb([255, 0, 0])),
            ("#ffffffff", Colour::WHITE),
            ("#", Colour::Empty),
            ("ffffff", Colour::Invalid),
            ("#fffff7;", Colour::Invalid),
            ("rgb(1, 2, 255)", Colour::Rgb([1, 2, 255])),
            ("rgb(100%, 50%, 0%)", Colour::Rgb([255, 127, 0])),
            ("rgb(1,2)", Colour::Invalid),
            ("whit", Colour::Invalid),
        ];
        for (text, colour) in cases {
            assert_eq!(Colour::parse(text.as_bytes(), false), *colour, "{text}");
        }
    }

    #[test]
    fn looks() {
        let look = |style: &str| {
            let mut look = Look {
                foreground: Colour::BLACK,
                background: Colour::WHITE,
                size: 3,
                display_none: false,
                visibility_hidden: false,
            };
            look.apply(style.as_bytes(), Colour::Rgb([1, 2, 3]), false);
            look
        };
        assert_eq!(look("color: white !important").foreground, Colour::WHITE);
        assert_eq!(look("color: ").foreground, Colour::Invalid);
        assert_eq!(look("color:").foreground, Colour::BLACK);
        assert_eq!(look("COLOR:rgba(300,0,7,0.5)").foreground, Colour::Rgb([255, 0, 7]));
        assert_eq!(look("background: url(a,b) red, #00f none").background, Colour::Rgb([0, 0, 255]));
        assert_eq!(look("background-color:transparent").background, Colour::Rgb([1, 2, 3]));
        assert_eq!(look("color:transparent").foreground, Colour::WHITE);
        assert!(look("display : NONE").display_none);
        assert!(!look("display:none !important").display_none);
        assert!(!look("Display:none").display_none);
        assert!(look("x;visibility:hidden").visibility_hidden);
    }

    #[test]
    fn hidden_from_readers() {
        for style in [
            "display:none !important",
            "max-height:0px;overflow:hidden",
            "font-size:1px",
            "font-size: 0",
            "opacity:0",
            "position:absolute;left:-9999px",
            "text-indent:-9999px",
        ] {
            assert!(hides(style.as_bytes()), "{style}");
        }
        for style in
            ["display:block", "max-height:0px", "font-size:1em", "opacity:0.5", "left:-9999px", "overflow:hidden"]
        {
            assert!(!hides(style.as_bytes()), "{style}");
        }
    }
}
