//! A pattern piece by piece in words, for `explain`: what stands there on the left, what it means on the right.
//!
//! Small things are kept together (`\d{1,3}` is one line, `free` is one line); groups that are too long for a line
//! are opened, their pieces indented, and closed with what holds for the whole group.

use crate::ir::{Around, ByteSet, Greed, Look, Node, Repeat, Tree, other_case};
use crate::perl::{self, Piece};
use crate::{Flags, PatternError};

/// A line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// How deep inside groups.
    pub depth: u32,
    /// What the pattern says here: UTF-8 as text, other bytes as `\xE3`.
    pub source: String,
    pub meaning: String,
}

/// In which language people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    Japanese,
}

impl Language {
    /// The one or the other.
    pub fn pick<T>(self, english: T, japanese: T) -> T {
        match self {
            Language::English => english,
            Language::Japanese => japanese,
        }
    }
}

/// Groups up to this many bytes of source are told in one line.
const ONE_LINE: usize = 28;

pub fn describe(source: &[u8], flags: Flags, language: Language) -> Result<Vec<Explained>, PatternError> {
    let (tree, pieces) = perl::parse_pieces(source, flags)?;
    let mut out = Vec::new();
    if flags.ignore_case {
        let meaning = ignoring_case(language).to_string();
        out.push(Explained { depth: 0, source: "i".into(), meaning });
    }
    Describer { source, tree: &tree, language, out: &mut out }.pieces(&pieces, 0);
    Ok(out)
}

fn ignoring_case(language: Language) -> &'static str {
    language.pick("capital and small letters are the same", "大文字と小文字を区別しない")
}

/// A byte that stands for itself, and what it is in the other case, where that is no matter.
#[derive(Clone, Copy)]
struct Plain {
    byte: u8,
    other: u8,
}

struct Describer<'a> {
    source: &'a [u8],
    tree: &'a Tree,
    language: Language,
    out: &'a mut Vec<Explained>,
}

impl Describer<'_> {
    /// Pieces of one depth with what lies below them in between, in the order of writing.
    fn pieces(&mut self, pieces: &[Piece], depth: u32) {
        let mut index = 0;
        while index < pieces.len() {
            let piece = &pieces[index];
            let below = pieces[index + 1..].iter().take_while(|p| p.depth > piece.depth).count();
            let inside = &pieces[index + 1..index + 1 + below];
            // Neighbouring plain bytes are one text.
            let mut end = index + 1;
            if self.plain(&piece.node).is_some() && below == 0 {
                while pieces.get(end).is_some_and(|p| p.depth == piece.depth && self.plain(&p.node).is_some()) {
                    end += 1;
                }
                let text: Vec<Plain> = pieces[index..end].iter().filter_map(|p| self.written(p)).collect();
                let place = piece.source.start..pieces[end - 1].source.end;
                self.line(depth, place, self.text(&text));
                index = end;
                continue;
            }
            index = end + below;
            let place = piece.source.clone();
            if inside.is_empty() || place.len() <= ONE_LINE {
                let meaning = match &piece.node {
                    Node::Alternate(nodes) if nodes.is_empty() => self.say("or", "または"),
                    Node::Empty => self.flags_or_nothing(&self.source[place.clone()]),
                    node => self.words(node),
                };
                self.line(depth, place, meaning);
                continue;
            }
            let first = inside[0].source.start;
            let last = inside.iter().map(|p| p.source.end).max().unwrap_or(place.end);
            self.line(depth, place.start..first, self.opening(&piece.node));
            self.pieces(inside, depth + 1);
            self.line(depth, last..place.end, self.closing(&piece.node));
        }
    }

    fn line(&mut self, depth: u32, place: std::ops::Range<usize>, meaning: String) {
        let mut source = String::new();
        for chunk in self.source.get(place).unwrap_or_default().utf8_chunks() {
            source.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| source.push_str(&format!("\\x{byte:02X}")));
        }
        self.out.push(Explained { depth, source, meaning });
    }

    fn say(&self, english: &str, japanese: &str) -> String {
        self.language.pick(english, japanese).to_string()
    }

    fn text(&self, text: &[Plain]) -> String {
        let quoted = quoted(text, self.language);
        self.language.pick(format!("the text {quoted}"), format!("文字列 {quoted}"))
    }

    /// The byte that a node stands for, in whatever case.
    fn plain(&self, node: &Node) -> Option<Plain> {
        match node {
            Node::Byte(byte) => Some(Plain { byte: *byte, other: *byte }),
            Node::Set(id) => {
                let set = self.tree.set(*id);
                let first = set.iter().next()?;
                let both = set.len() == 2 && ByteSet::of(&[first]).fold() == set;
                both.then(|| Plain { byte: other_case(first), other: first })
            }
            _ => None,
        }
    }

    /// The same; above ASCII in the case in which it is written, or half of a character might be told as another.
    fn written(&self, piece: &Piece) -> Option<Plain> {
        let plain = self.plain(&piece.node)?;
        match self.source.get(piece.source.clone()) {
            Some([byte @ 0x80..=0xff]) => Some(Plain { byte: *byte, other: *byte }),
            _ => Some(plain),
        }
    }

    fn flags_or_nothing(&self, source: &[u8]) -> String {
        match source.strip_prefix(b"(?").and_then(|s| s.strip_suffix(b")")) {
            Some(flags) if !flags.contains(&b':') => {
                let (on, off) = match flags.iter().position(|b| *b == b'-') {
                    Some(minus) => (&flags[..minus], &flags[minus + 1..]),
                    None => (flags, &b""[..]),
                };
                let mut parts = Vec::new();
                for (letters, verb) in
                    [(on, self.say("from here on", "ここから")), (off, self.say("no longer", "ここまで"))]
                {
                    for letter in letters {
                        let meaning = match letter {
                            b'i' => ignoring_case(self.language),
                            b'm' => self.language.pick("^ and $ hold at every line", "^ と $ は行ごとに働く"),
                            b's' => self.language.pick(". includes line breaks", ". は改行も含む"),
                            b'x' => self.language.pick(
                                "blanks and comments in the pattern mean nothing",
                                "パターン中の空白とコメントは意味を持たない",
                            ),
                            _ => continue,
                        };
                        parts.push(format!("{verb}: {meaning}"));
                    }
                }
                match parts.is_empty() {
                    true => self.say("a switch that changes nothing here", "ここでは何も変えない指定"),
                    false => parts.join("; "),
                }
            }
            _ => self.say("nothing", "空"),
        }
    }

    fn opening(&self, node: &Node) -> String {
        match node {
            Node::Capture(capture) => match &capture.name {
                Some(name) => self
                    .language
                    .pick(format!("a group, remembered as \"{name}\":"), format!("グループ（\"{name}\" として記憶）:")),
                None => self.language.pick(
                    format!("a group, remembered as number {}:", capture.index),
                    format!("グループ（{} 番として記憶）:", capture.index),
                ),
            },
            Node::Repeat(repeat) => match &repeat.node {
                inner @ Node::Capture(_) => self.opening(inner),
                _ => self.say("a group:", "グループ:"),
            },
            Node::Around(around) => self
                .language
                .pick(format!("{}:", look_words(around)), format!("{}:", look_words_japanese(around, "次のもの"))),
            Node::Atomic(_) => {
                self.say("a group that gives nothing back once matched:", "一度一致したら後戻りしないグループ:")
            }
            _ => self.say("a group:", "グループ:"),
        }
    }

    fn closing(&self, node: &Node) -> String {
        match node {
            Node::Repeat(repeat) => {
                let times = times(repeat, self.language);
                self.language
                    .pick(format!("end of the group: all this {times}"), format!("グループの終わり: 全体を{times}"))
            }
            _ => self.say("end of the group", "グループの終わり"),
        }
    }

    fn words(&self, node: &Node) -> String {
        match node {
            Node::Empty => self.say("nothing", "空"),
            Node::Byte(byte) => self.text(&[Plain { byte: *byte, other: *byte }]),
            Node::Set(id) => match self.plain(node) {
                Some(plain) => self.text(&[plain]),
                None => set_words(&self.tree.set(*id), self.language),
            },
            Node::Look(look) => match look {
                Look::Start => self.say("at the very beginning", "先頭で"),
                Look::End => self.say("at the very end", "末尾で"),
                Look::EndOrLastLineFeed => {
                    self.say("at the end (a last line break may follow)", "末尾で（最後の改行は後にあってよい）")
                }
                Look::LineStart => self.say("at the beginning of a line", "行頭で"),
                Look::LineEnd => self.say("at the end of a line", "行末で"),
                Look::WordBoundary => self.say("at the edge of a word", "単語の境目で"),
                Look::NotWordBoundary => self.say("not at the edge of a word", "単語の境目でない所で"),
            },
            Node::Concat(nodes) => {
                let mut parts: Vec<String> = Vec::new();
                let mut text: Vec<Plain> = Vec::new();
                for node in nodes {
                    match self.plain(node) {
                        Some(plain) => text.push(plain),
                        None => {
                            if !text.is_empty() {
                                parts.push(quoted(&std::mem::take(&mut text), self.language));
                            }
                            parts.push(self.words(node));
                        }
                    }
                }
                if !text.is_empty() {
                    parts.push(quoted(&text, self.language));
                }
                parts.join(self.language.pick(", then ", "、続いて "))
            }
            Node::Alternate(nodes) => {
                let parts: Vec<String> = nodes.iter().map(|node| self.words(node)).collect();
                match self.language {
                    Language::English => parts.join(", or ").replace("the text ", ""),
                    Language::Japanese => parts.join("、または ").replace("文字列 ", ""),
                }
            }
            Node::Repeat(repeat) => match (&repeat.node, repeat.min, repeat.max) {
                (inner, 0, Some(1)) => {
                    let words = self.words(inner);
                    self.language.pick(format!("perhaps {words}"), format!("{words}（なくてもよい）"))
                }
                (inner, ..) => {
                    let (words, times) = (self.words(inner), times(repeat, self.language));
                    self.language.pick(format!("{words}, {times}"), format!("{words}を{times}"))
                }
            },
            Node::Capture(capture) => {
                let number = self.language.pick(format!("number {}", capture.index), format!("{} 番", capture.index));
                let name = capture.name.clone().map_or(number, |n| format!("\"{n}\""));
                let words = self.words(&capture.node);
                self.language.pick(format!("{words} (remembered as {name})"), format!("{words}（{name} として記憶）"))
            }
            Node::Atomic(inner) => {
                let words = self.words(inner);
                self.language.pick(format!("{words} (nothing is given back)"), format!("{words}（後戻りなし）"))
            }
            Node::Around(around) => {
                let words = self.words(&around.node);
                self.language.pick(
                    format!("{} {words}", look_words(around)),
                    look_words_japanese(around, &format!("「{words}」")),
                )
            }
            Node::BackReference(reference) => {
                let groups: Vec<String> = reference.groups.iter().map(u32::to_string).collect();
                self.language.pick(
                    format!("the same text as group {} matched", groups.join(" or ")),
                    format!("グループ {} に一致したのと同じ文字列", groups.join(" か ")),
                )
            }
            Node::Keep => self.say("the match counts from here", "一致はここから数える"),
            Node::Opaque => {
                self.say("a construct of Perl that is run but not explained", "Perl の構文（働くが、説明はない）")
            }
        }
    }
}

fn look_words(around: &Around) -> &'static str {
    match (around.ahead, around.negative) {
        (true, false) => "provided that what follows is",
        (true, true) => "provided that what follows is not",
        (false, false) => "provided that what stands before is",
        (false, true) => "provided that what stands before is not",
    }
}

fn look_words_japanese(around: &Around, what: &str) -> String {
    let place = if around.ahead { "直後" } else { "直前" };
    let holds = if around.negative { "でないこと" } else { "であること" };
    format!("{place}が{what}{holds}")
}

fn times(repeat: &Repeat, language: Language) -> String {
    let count = match (repeat.min, repeat.max) {
        (0, None) => language.pick("any number of times", "何回でも").into(),
        (1, None) => language.pick("once or more", " 1 回以上").into(),
        (0, Some(1)) => language.pick("perhaps", "省いてもよい").into(),
        (min, None) => language.pick(format!("{min} times or more"), format!(" {min} 回以上")),
        (min, Some(max)) if min == max => language.pick(format!("{min} times"), format!(" {min} 回")),
        (0, Some(max)) => language.pick(format!("up to {max} times"), format!(" {max} 回まで")),
        (min, Some(max)) => language.pick(format!("{min} to {max} times"), format!(" {min}〜{max} 回")),
    };
    match repeat.greed {
        Greed::Greedy => count,
        Greed::Lazy => format!("{count}{}", language.pick(", as few as possible", "（できるだけ少なく）")),
        Greed::Possessive => format!("{count}{}", language.pick(", giving nothing back", "（後戻りなし）")),
    }
}

fn quoted(text: &[Plain], language: Language) -> String {
    match text {
        [Plain { byte: b'\n', .. }] => return language.pick("of a line break", "<改行>").into(),
        [Plain { byte: b' ', .. }] => return language.pick("of a blank", "<空白>").into(),
        [Plain { byte: b'\t', .. }] => return language.pick("of a tab", "<タブ>").into(),
        _ => {}
    }
    let mut out = String::from("\"");
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match first.byte {
            b'\n' => out.push_str(language.pick("<line break>", "<改行>")),
            b'\r' => out.push_str(language.pick("<carriage return>", "<復帰>")),
            b'\t' => out.push_str(language.pick("<tab>", "<タブ>")),
            byte @ 0x20..=0x7e => out.push(char::from(byte)),
            byte => match character(*first, after) {
                Some((character, bytes)) => {
                    out.push(character);
                    rest = &after[bytes - 1..];
                }
                None => out.push_str(&format!("<{byte:02X}>")),
            },
        }
    }
    out.push('"');
    out
}

/// A character above ASCII that stands here in UTF-8, and its bytes. Where Latin-1's case is no matter, how many bytes follow
/// tells which of the two the first was.
fn character(first: Plain, after: &[Plain]) -> Option<(char, usize)> {
    let follow = after.iter().take(3).take_while(|plain| (0x80..0xc0).contains(&plain.byte)).count();
    [first.byte, first.other].into_iter().find_map(|byte| {
        let mut bytes = vec![byte];
        bytes.extend(after[..follow].iter().map(|plain| plain.byte));
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let found = std::str::from_utf8(bytes.get(..length)?).ok()?.chars().next()?;
        (!found.is_control()).then_some((found, length))
    })
}

fn set_words(set: &ByteSet, language: Language) -> String {
    let digits = ByteSet::range(b'0', b'9');
    let small = ByteSet::range(b'a', b'z');
    let capital = ByteSet::range(b'A', b'Z');
    let letters = small.union(capital);
    let word = perl::word_bytes();
    let blanks = ByteSet::of(b" \t\n\x0b\x0c\r");
    let line_feed = ByteSet::of(b"\n");
    let named: [(ByteSet, &str, &str); 14] = [
        (ByteSet::ALL, "any character", "任意の文字"),
        (line_feed.negate(), "any character but a line break", "改行以外の任意の文字"),
        (digits, "a digit", "数字"),
        (digits.negate(), "anything but a digit", "数字以外"),
        (word, "a letter, digit or _", "英数字か _"),
        (word.negate(), "anything but a letter, digit or _", "英数字と _ 以外"),
        (blanks, "a blank, tab or line break", "空白・タブ・改行"),
        (blanks.negate(), "anything but a blank, tab or line break", "空白・タブ・改行以外"),
        (letters, "a letter", "英字"),
        (small, "a small letter", "英小文字"),
        (capital, "a capital letter", "英大文字"),
        (letters.union(digits), "a letter or digit", "英数字"),
        (ByteSet::of(b" \t"), "a blank or tab", "空白かタブ"),
        (ByteSet::range(0x80, 0xff), "a byte above 7F", "7F より大きいバイト"),
    ];
    if let Some((_, english, japanese)) = named.iter().find(|(known, ..)| known == set) {
        return language.pick(*english, *japanese).to_string();
    }
    if set.is_empty() {
        return language.pick("nothing that exists", "ありえないもの").into();
    }
    let negated = set.len() > 128;
    let mut left = if negated { set.negate() } else { *set };
    let mut parts: Vec<String> = Vec::new();
    for (known, english, japanese) in [
        (letters, "a letter", "英字"),
        (small, "a small letter", "英小文字"),
        (capital, "a capital letter", "英大文字"),
        (digits, "a digit", "数字"),
    ] {
        if known.iter().all(|byte| left.contains(byte)) {
            parts.push(language.pick(english, japanese).into());
            left = known.iter().fold(left, |set, byte| ByteSet::of(&[byte]).negate().intersect(set));
        }
    }
    for (from, to) in left.ranges() {
        let name = |byte: u8| match byte {
            b'\n' => language.pick("line break", "改行").to_string(),
            b'\r' => language.pick("carriage return", "復帰").to_string(),
            b'\t' => language.pick("tab", "タブ").to_string(),
            b' ' => language.pick("blank", "空白").to_string(),
            0x21..=0x7e => char::from(byte).to_string(),
            other => format!("<{other:02X}>"),
        };
        match to - from {
            0 => parts.push(name(from)),
            1 => parts.extend([name(from), name(to)]),
            _ => parts.push(format!("{}{}{}", name(from), language.pick(" to ", "〜"), name(to))),
        }
    }
    let list = parts.join("  ");
    let kind = match negated {
        true => language.pick("anything but", "次のもの以外"),
        false => language.pick("one of", "次のどれか"),
    };
    format!("{kind}: {list}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pattern: &str, flags: Flags) -> Vec<String> {
        let lines = describe(pattern.as_bytes(), flags, Language::English).expect("test patterns are valid");
        lines.iter().map(|l| format!("{}{} <- {}", "  ".repeat(l.depth as usize), l.source, l.meaning)).collect()
    }

    #[test]
    fn a_rule_is_told_piece_by_piece() {
        let pattern = r#"\nboundary="(--=.+(?:[a-z0-9]|=_)|--[0-9]{14,})"\n(?:.+\n){2,}\n--\1(?!--)"#;
        let expected = [
            r#"\nboundary=" <- the text "<line break>boundary="""#,
            "( <- a group, remembered as number 1:",
            r#"  --= <- the text "--=""#,
            "  .+ <- any character but a line break, once or more",
            r#"  (?:[a-z0-9]|=_) <- one of: a small letter  a digit, or "=_""#,
            "  | <- or",
            r#"  -- <- the text "--""#,
            "  [0-9]{14,} <- a digit, 14 times or more",
            ") <- end of the group",
            r#""\n <- the text ""<line break>""#,
            "(?:.+\\n){2,} <- any character but a line break, once or more, then of a line break, 2 times or more",
            r#"\n-- <- the text "<line break>--""#,
            r"\1 <- the same text as group 1 matched",
            r#"(?!--) <- provided that what follows is not "--""#,
        ];
        assert_eq!(told(pattern, Flags::default()), expected);
    }

    #[test]
    fn pieces_are_told_in_japanese() {
        let pattern = br"^From:.{0,3}(?:free|[0-9a-f]{4,})\s*(?!x)$";
        let lines = describe(pattern, Flags::default(), Language::Japanese).expect("a valid pattern");
        let told: Vec<String> = lines.into_iter().map(|line| line.meaning).collect();
        let expected = [
            "先頭で",
            r#"文字列 "From:""#,
            "改行以外の任意の文字を 3 回まで",
            r#""free"、または 次のどれか: 数字  a〜fを 4 回以上"#,
            "空白・タブ・改行を何回でも",
            r#"直後が「文字列 "x"」でないこと"#,
            "末尾で（最後の改行は後にあってよい）",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn text_in_utf8_is_told_as_text() {
        let ignore_case = Flags { ignore_case: true, ..Flags::default() };
        let expected =
            [r#"の <- the text "の""#, r#"(グループ|Être ñ) <- "グループ", or "Être ñ" (remembered as number 1)"#];
        assert_eq!(told("の(グループ|Être ñ)", Flags::default()), expected);
        let folded = told("の(グループ|Être ñ)", ignore_case);
        assert_eq!(folded[1], expected[0]);
        assert_eq!(folded[2], expected[1]);
        // Half a character is bytes.
        let bytes = describe(b"\xe3\x81a", ignore_case, Language::English).expect("a valid pattern");
        assert_eq!((&*bytes[1].source, &*bytes[1].meaning), (r"\xE3\x81a", r#"the text "<E3><81>a""#));
    }

    #[test]
    fn flags_and_places_are_told() {
        let flags = Flags { ignore_case: true, ..Flags::default() };
        let expected = [
            "i <- capital and small letters are the same",
            r"\b <- at the edge of a word",
            r#"free <- the text "free""#,
            r"\W{0,3}? <- anything but a letter, digit or _, up to 3 times, as few as possible",
            r#"s? <- perhaps the text "s""#,
            "$ <- at the end (a last line break may follow)",
        ];
        assert_eq!(told(r"\bfree\W{0,3}?s?$", flags), expected);
    }
}
