//! Rules that were written for bytes of Shift_JIS, ISO-2022-JP or EUC-JP, as rules for what a reader sees.
//!
//! In: a pattern, or a whole user_prefs. Out: the same with its bytes as text in UTF-8, under `text` and `:text`, which see
//! every encoding alike; and for each rule what was done, or why not. The old rule stays in the `else` of the condition, so
//! that SpamAssassin reads the file as before. What is not understood is left as it is.

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS};
use patterns::ir::{ByteSet, Greed, Node, Tree};
use patterns::perl::{self, Piece};
use patterns::{Flags, Language};
use std::ops::Range;

/// Characters that one class of trail bytes may become.
const MOST_ALTERNATIVES: usize = 200;
const MOST_LINE: usize = 1 << 16;
const CONDITION: &[u8] = b"if can(Sekisho::text_rules)";

/// What came of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// The pattern in UTF-8; the words in it, for people.
    To { pattern: Vec<u8>, encoding: &'static str, words: Vec<String> },
    /// It has bytes of an encoding, and they cannot be converted.
    Not(Why),
    /// Nothing in it is beyond ASCII.
    Nothing,
}

/// Why a pattern stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No encoding of Japanese makes sense of all its bytes.
    NoEncoding,
    /// `[\x80-\xff]` and the like: bytes, not characters.
    Class,
    /// `.` for half a character.
    HalfCharacter,
    /// Escape sequences with nothing between them.
    NoWords,
    /// Line ends, markup or headers, which the text view does not have.
    Structure,
    /// Looks like the bytes of ISO-2022-JP without the escape before them; it may as well be ASCII.
    PerhapsJis,
    /// Base64 or quoted-printable of a header.
    EncodedWord,
    /// Pieces of Perl that are not followed.
    Unknown,
}

impl Why {
    pub fn text(self, language: Language) -> &'static str {
        match self {
            Why::NoEncoding => language.pick(
                "no Japanese encoding makes sense of all its bytes",
                "全バイトを解釈できる日本語の文字コードがありません",
            ),
            Why::Class => {
                language.pick("it has a class of bytes, not of characters", "文字でなくバイトの文字クラスがあります")
            }
            Why::HalfCharacter => language.pick("a point stands for half a character", ". が文字の半分に当たります"),
            Why::NoWords => {
                language.pick("it has escape sequences and no words", "エスケープシーケンスだけで語がありません")
            }
            Why::Structure => language.pick(
                "it looks at line ends, markup or headers, which the text view does not have",
                "改行・HTML タグ・ヘッダーを見ており、text の対象にはそれらがありません",
            ),
            Why::PerhapsJis => language.pick(
                "it may be ISO-2022-JP without its escape sequence, or plain ASCII: convert it by hand",
                "エスケープシーケンスのない ISO-2022-JP か、ただの ASCII か分かりません。手で直してください",
            ),
            Why::EncodedWord => language.pick(
                "it matches an encoded word (=?...?=); write what it says with :text",
                "符号化された見出し (=?...?=) を見ています。:text で語そのものを書いてください",
            ),
            Why::Unknown => language.pick("the pattern is not understood", "パターンを解釈できません"),
        }
    }
}

/// The flags of a pattern as letters.
pub fn letters(flags: Flags) -> String {
    [
        (flags.ignore_case, "i"),
        (flags.multi_line, "m"),
        (flags.dot_all, "s"),
        (flags.extended, "x"),
        (flags.extended_more, "x"),
        (flags.no_capture, "n"),
    ]
    .iter()
    .filter(|(set, _)| *set)
    .map(|(_, letter)| *letter)
    .collect()
}

/// A pattern, without delimiters.
pub fn pattern(source: &[u8], flags: Flags) -> Converted {
    let Ok((tree, pieces)) = perl::parse_pieces(source, flags) else { return Converted::Not(Why::Unknown) };
    let runs = runs(source, &tree, &pieces);
    let foreign = |run: &Run| run.bytes.iter().any(|byte| *byte >= 0x80 || *byte == 0x1b);
    if !runs.iter().any(foreign) {
        return match () {
            () if looks_encoded(source) => Converted::Not(Why::EncodedWord),
            () if pieces.iter().any(|piece| is_foreign_class(&tree, piece)) => Converted::Not(Why::Class),
            () if runs.iter().any(|run| looks_like_jis(&run.bytes)) => Converted::Not(Why::PerhapsJis),
            () => Converted::Nothing,
        };
    }
    let mut why = Why::NoEncoding;
    for (name, encoding) in encodings(&runs) {
        match in_encoding(source, &tree, &pieces, &runs, name, encoding) {
            Ok((pattern, words)) => return Converted::To { pattern, encoding: name, words },
            Err(Why::NoEncoding) => {}
            Err(reason) => why = reason,
        }
    }
    Converted::Not(why)
}

/// The encodings to try, the likeliest first.
fn encodings(runs: &[Run]) -> Vec<(&'static str, Option<&'static Encoding>)> {
    let jis = ("ISO-2022-JP", Some(ISO_2022_JP));
    if runs.iter().any(|run| run.bytes.contains(&0x1b)) {
        return vec![jis];
    }
    let mut all = vec![("UTF-8", None), ("Shift_JIS", Some(SHIFT_JIS)), ("EUC-JP", Some(EUC_JP))];
    // What decodes as both is rare; kana decide.
    let points = |encoding: &'static Encoding| {
        let text: String = runs.iter().filter_map(|run| decoded(&run.bytes, Some(encoding))).collect();
        let kana = text.chars().filter(|c| matches!(c, '\u{3041}'..='\u{30ff}')).count();
        let odd = text.chars().filter(|c| matches!(c, '\u{ff61}'..='\u{ff9f}' | '\u{e000}'..='\u{f8ff}')).count();
        2 * kana as i64 - 3 * odd as i64
    };
    if points(EUC_JP) > points(SHIFT_JIS) {
        all.swap(1, 2);
    }
    all
}

/// Literal bytes that follow each other in the pattern.
#[derive(Debug)]
struct Run {
    source: Range<usize>,
    bytes: Vec<u8>,
    /// A class of bytes right behind, and where it ends in the source.
    class: Option<(ByteSet, usize)>,
}

fn runs(source: &[u8], tree: &Tree, pieces: &[Piece]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open: Option<(u32, usize)> = None;
    for (index, piece) in pieces.iter().enumerate() {
        let has_inside = pieces.get(index + 1).is_some_and(|next| next.depth > piece.depth);
        let follows = open.is_some_and(|(depth, end)| depth == piece.depth && end == piece.source.start);
        match literal(source, tree, piece).filter(|_| !has_inside) {
            Some(byte) => {
                match runs.last_mut().filter(|run| follows && run.class.is_none()) {
                    Some(run) => {
                        run.bytes.push(byte);
                        run.source.end = piece.source.end;
                    }
                    None => runs.push(Run { source: piece.source.clone(), bytes: vec![byte], class: None }),
                }
                open = Some((piece.depth, piece.source.end));
            }
            None => {
                if let (true, Node::Set(id), Some(run)) = (follows, &piece.node, runs.last_mut())
                    && run.class.is_none()
                {
                    let set = tree.set(*id);
                    if set.iter().any(|byte| byte >= 0x80) && set.len() < 128 {
                        run.class = Some((set, piece.source.end));
                    }
                }
                open = None;
            }
        }
    }
    runs
}

/// The byte that a piece stands for, in the case in which it is written.
fn literal(source: &[u8], tree: &Tree, piece: &Piece) -> Option<u8> {
    match &piece.node {
        Node::Byte(byte) => Some(*byte),
        Node::Set(id) => {
            let set = tree.set(*id);
            let first = set.iter().next()?;
            if set.len() != 2 || ByteSet::of(&[first]).fold() != set {
                return None;
            }
            let written = source.get(piece.source.clone())?;
            let byte = match written {
                [byte] => *byte,
                [b'\\', b'x', digits @ ..] => {
                    let digits = digits.strip_prefix(b"{").and_then(|d| d.strip_suffix(b"}")).unwrap_or(digits);
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                _ => first,
            };
            set.contains(byte).then_some(byte)
        }
        _ => None,
    }
}

fn is_foreign_class(tree: &Tree, piece: &Piece) -> bool {
    let set = match &piece.node {
        Node::Repeat(repeat) => tree.byte_set(&repeat.node),
        node => tree.byte_set(node),
    };
    // Not `.`, `\S`, `[^x]`, which mean characters.
    set.is_some_and(|set| set.len() < 128 && set.len() > 1 && set.iter().any(|byte| byte >= 0x80))
        && !matches!(&piece.node, Node::Set(id) if { let set = tree.set(*id); set.len() == 2 })
}

/// Bytes as text, if they are whole characters of it.
fn decoded(bytes: &[u8], encoding: Option<&'static Encoding>) -> Option<String> {
    let text = match encoding {
        None => std::str::from_utf8(bytes).ok()?.to_owned(),
        Some(encoding) if encoding == ISO_2022_JP => {
            // Single shifts to JIS X 0208 of 1978 are read as well.
            encoding.decode_without_bom_handling_and_without_replacement(bytes)?.into_owned()
        }
        Some(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes)?.into_owned(),
    };
    let sane = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (text.chars().all(sane) && !text.contains('\u{fffd}')).then_some(text)
}

type Whole = (Vec<u8>, Vec<String>);

fn in_encoding(
    source: &[u8],
    tree: &Tree,
    pieces: &[Piece],
    runs: &[Run],
    name: &str,
    encoding: Option<&'static Encoding>,
) -> Result<Whole, Why> {
    let mut out: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut words = Vec::new();
    let mut taken: Vec<Range<usize>> = Vec::new();
    for run in runs {
        let foreign = run.bytes.iter().any(|byte| *byte >= 0x80 || *byte == 0x1b);
        if !foreign {
            continue;
        }
        let (text, class, end) = match (decoded(&run.bytes, encoding), &run.class) {
            (Some(text), _) => (text, None, run.source.end),
            (None, Some((set, end))) => {
                let (whole, lead) = run.bytes.split_at(run.bytes.len() - 1);
                let text = decoded(whole, encoding).ok_or(Why::Class)?;
                let all: Vec<String> = set
                    .iter()
                    .filter_map(|trail| decoded(&[lead[0], trail], encoding))
                    .filter(|text| text.chars().count() == 1)
                    .collect();
                if all.is_empty() || all.len() > MOST_ALTERNATIVES {
                    return Err(Why::Class);
                }
                taken.push(run.source.end..*end);
                (text, Some(all), *end)
            }
            (None, None) => return Err(Why::NoEncoding),
        };
        let mut written = Vec::new();
        let seen = normal(&text);
        if seen.is_empty() && class.is_none() && name == "ISO-2022-JP" {
            return Err(Why::NoWords);
        }
        escape(&seen, &mut written);
        let mut word = seen;
        if let Some(all) = class {
            let all: Vec<String> = all.iter().map(|text| normal(text)).collect();
            written.extend_from_slice(format!("(?:{})", all.join("|")).as_bytes());
            word.push('…');
        }
        if !word.trim().is_empty() {
            words.push(word.trim().to_owned());
        }
        out.push((run.source.start..end, written));
    }
    if words.is_empty() {
        return Err(Why::NoWords);
    }
    // What is not literal: repeats of anything count bytes, of which text has more.
    for (index, piece) in pieces.iter().enumerate() {
        let has_inside = pieces.get(index + 1).is_some_and(|next| next.depth > piece.depth);
        if has_inside || taken.contains(&piece.source) || name == "UTF-8" {
            continue;
        }
        let any =
            |node: &Node| tree.byte_set(node).is_some_and(|set| set.iter().filter(|byte| *byte >= 0x80).count() > 100);
        match &piece.node {
            Node::Repeat(repeat) if any(&repeat.node) => {
                if let Some(max) = repeat.max
                    && max > 1
                {
                    if repeat.min == max {
                        return Err(Why::HalfCharacter);
                    }
                    let inner =
                        source[piece.source.clone()].iter().rposition(|byte| *byte == b'{').ok_or(Why::Unknown)?;
                    let lazy = if repeat.greed == Greed::Lazy { "?" } else { "" };
                    let mut written = source[piece.source.start..piece.source.start + inner].to_vec();
                    written.extend_from_slice(format!("{{{},{}}}{lazy}", repeat.min, (max * 3).div_ceil(2)).as_bytes());
                    out.push((piece.source.clone(), written));
                }
            }
            node if any(node) => return Err(Why::HalfCharacter),
            _ if is_foreign_class(tree, piece) => return Err(Why::Class),
            _ => {}
        }
    }
    out.sort_by_key(|(range, _)| range.start);
    let mut pattern = Vec::with_capacity(source.len());
    let mut at = 0;
    for (range, written) in out {
        pattern.extend_from_slice(source.get(at..range.start).ok_or(Why::Unknown)?);
        pattern.extend_from_slice(&written);
        at = range.end;
    }
    pattern.extend_from_slice(&source[at..]);
    Ok((pattern, words))
}

/// As the text view writes it.
fn normal(text: &str) -> String {
    let seen = mail::views::text::header_text(text.as_bytes(), &["utf-8"]);
    let blank = |at: Option<char>| if at.is_some_and(char::is_whitespace) { " " } else { "" };
    match seen.trim() {
        "" => blank(text.chars().next()).to_owned(),
        words => format!("{}{words}{}", blank(text.chars().next()), blank(text.chars().next_back())),
    }
}

/// Text as a pattern of one line, whatever slashes it stands between.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    const PLAIN: &str = " _,-:;=!\"'%&<>~`";
    for c in text.chars() {
        match c {
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_ascii_control() => out.extend_from_slice(format!("\\x{:02x}", u32::from(c)).as_bytes()),
            c => {
                if c.is_ascii() && !c.is_ascii_alphanumeric() && !PLAIN.contains(c) {
                    out.push(b'\\');
                }
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// `\$3\$l\$O`: pairs of printable bytes that are kana and kanji, two of them in a row being hiragana.
fn looks_like_jis(bytes: &[u8]) -> bool {
    if bytes.len() < 6 || bytes.len() % 2 == 1 || !bytes.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let hiragana = bytes.chunks(2).filter(|pair| pair[0] == b'$').count();
    let kanji = bytes.chunks(2).filter(|pair| matches!(pair[0], b'$' | b'%' | b'0'..=b't' | b'!')).count();
    hiragana >= 2 && kanji == bytes.len() / 2 && 3 * hiragana >= bytes.len() / 2
}

fn looks_encoded(source: &[u8]) -> bool {
    let lower = source.to_ascii_lowercase();
    let plain: Vec<u8> = lower.iter().copied().filter(|byte| *byte != b'\\').collect();
    [&b"=?iso-2022-jp?"[..], b"=?shift_jis?", b"=?euc-jp?", b"=?utf-8?"]
        .iter()
        .any(|mark| plain.windows(mark.len()).any(|window| window == *mark))
}

/// What was done with one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// From 1.
    pub line: usize,
    pub name: String,
    pub outcome: Result<Done, Why>,
}

/// A rule that was converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub encoding: &'static str,
    pub words: Vec<String>,
    /// The new line.
    pub rule: String,
}

/// A whole file: its new text, and what was done with each rule that has more than ASCII.
pub fn file(bytes: &[u8]) -> (Vec<u8>, Vec<Report>) {
    let mut out = Vec::with_capacity(bytes.len());
    let mut reports = Vec::new();
    // What an earlier run made stays as it is.
    let mut made = false;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let bare = line.trim_ascii_end();
        made = made && bare != b"endif" || bare == CONDITION;
        let (plain, comment) = without_comment(bare);
        let converted = (!made && bare.len() <= MOST_LINE).then(|| rule(&plain)).flatten();
        match converted {
            Some((name, outcome)) => {
                match &outcome {
                    Ok(done) => {
                        out.extend_from_slice(CONDITION);
                        out.push(b'\n');
                        out.extend_from_slice(done.rule.as_bytes());
                        if !comment.is_empty() {
                            out.push(b' ');
                            out.extend_from_slice(comment);
                        }
                        out.extend_from_slice(b"\nelse\n");
                        out.extend_from_slice(bare);
                        out.extend_from_slice(b"\nendif\n");
                    }
                    Err(_) => out.extend_from_slice(line),
                }
                reports.push(Report { line: index + 1, name, outcome });
            }
            None => out.extend_from_slice(line),
        }
    }
    (out, reports)
}

/// One line; `None` where there is nothing to do.
fn rule(line: &[u8]) -> Option<(String, Result<Done, Why>)> {
    let line = line.trim_ascii_start();
    let mut words = line.splitn(3, |byte| byte.is_ascii_whitespace());
    let (kind, name) = (words.next()?, words.next()?);
    let rest = words.next()?.trim_ascii();
    let name = std::str::from_utf8(name).ok()?.to_owned();
    if rest.starts_with(b"eval:") {
        return None;
    }
    // What is not read may be for bytes all the same, and then it is told of.
    let not_read = || is_for_bytes(rest).then(|| (name.clone(), Err(Why::Unknown)));
    let (head, written, tail) = match kind {
        b"body" | b"rawbody" | b"full" => (format!("text {name} "), rest, &b""[..]),
        b"header" => {
            let at = rest.windows(2).position(|pair| pair == b"=~" || pair == b"!~")?;
            let (Ok(field), Ok(test)) =
                (std::str::from_utf8(rest[..at].trim_ascii()), std::str::from_utf8(&rest[at..at + 2]))
            else {
                return not_read();
            };
            let field = field.strip_suffix(":raw").unwrap_or(field);
            if field.contains(':') && !field.ends_with(":name") || field == "ALL" {
                return not_read();
            }
            let (written, if_unset) = without_if_unset(rest[at + 2..].trim_ascii());
            (format!("header {name} {field}:text {test} "), written, if_unset)
        }
        _ => return None,
    };
    let (Ok((source, flags)), Ok(tail)) = (perl::parse_rule_literal(written), std::str::from_utf8(tail)) else {
        return not_read();
    };
    let outcome = match pattern(source, flags) {
        Converted::Nothing => return None,
        // The body of SpamAssassin 4 is UTF-8 already.
        Converted::To { encoding: "UTF-8", .. } if kind == b"body" || kind == b"header" => return None,
        Converted::Not(why) => Err(why),
        Converted::To { .. } if kind != b"header" && has_structure(source) => Err(Why::Structure),
        Converted::To { pattern, encoding, words } => {
            let tail = tail.replace('#', "\\#");
            written_line(&head, &pattern, flags).map(|line| Done { encoding, words, rule: format!("{line}{tail}") })
        }
    };
    Some((name, outcome))
}

/// The line of a `text` rule in place of one that looks at bytes; not where the pattern needs what text has not.
pub fn text_rule(name: &str, source: &[u8], converted: &[u8], flags: Flags) -> Result<String, Why> {
    match has_structure(source) {
        true => Err(Why::Structure),
        false => written_line(&format!("text {name} "), converted, flags),
    }
}

fn written_line(head: &str, pattern: &[u8], flags: Flags) -> Result<String, Why> {
    let pattern = std::str::from_utf8(pattern).map_err(|_| Why::Unknown)?;
    let line = format!("/{}/{}", delimited(pattern, flags.extended), letters(flags));
    match patterns::Regex::from_literal(line.replace("\\#", "#").as_bytes()) {
        Ok(_) => Ok(format!("{head}{line}")),
        Err(_) => Err(Why::Unknown),
    }
}

/// A line without its comment, in which `\#` is `#`, and the comment.
fn without_comment(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let is_comment = |at: &usize| line[*at] == b'#' && (*at == 0 || line[*at - 1] != b'\\');
    let end = (0..line.len()).find(is_comment).unwrap_or(line.len());
    let mut rule = Vec::with_capacity(end);
    for byte in &line[..end] {
        if *byte == b'#' {
            rule.pop();
        }
        rule.push(*byte);
    }
    (rule, &line[end..])
}

/// Parts a pattern from ` [if-unset: text]` behind it.
fn without_if_unset(written: &[u8]) -> (&[u8], &[u8]) {
    let is_mark = |window: &[u8]| window[0].is_ascii_whitespace() && window[1..] == *b"[if-unset:";
    match written.windows(11).position(is_mark).filter(|_| written.ends_with(b"]")) {
        Some(at) => (written[..at].trim_ascii_end(), &written[at..]),
        None => (written, b""),
    }
}

/// Bytes beyond ASCII, as they are or as `\x90`, or an escape of ISO-2022-JP.
fn is_for_bytes(text: &[u8]) -> bool {
    let escaped = |window: &[u8]| matches!(window, [b'\\', b'x', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', second] if second.is_ascii_hexdigit());
    let braced = |window: &[u8]| matches!(window, [b'\\', b'x', b'{', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', second, b'}'] if second.is_ascii_hexdigit());
    let holds = |mark: &[u8]| text.windows(mark.len()).any(|window| window.eq_ignore_ascii_case(mark));
    text.iter().any(|byte| *byte >= 0x80 || *byte == 0x1b)
        || text.windows(4).any(escaped)
        || text.windows(6).any(braced)
        || [&b"\\e\\$"[..], b"\\e\\(", b"\\x1b"].iter().any(|mark| holds(mark))
}

/// Slashes and hashes escaped, whatever the delimiters were before. A line's reader takes one backslash from a hash; in an
/// extended pattern it needs another.
fn delimited(pattern: &str, extended: bool) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        if c == '/' && !escaped || c == '#' && (!escaped || extended) {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

fn has_structure(source: &[u8]) -> bool {
    let lower = source.to_ascii_lowercase();
    [&b"\\n"[..], b"\\r", b"<", b"content-", b"charset", b"href", b"subject:", b"from:"]
        .iter()
        .any(|mark| lower.windows(mark.len()).any(|window| window == *mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(source: &[u8]) -> (String, &'static str) {
        match pattern(source, Flags::default()) {
            Converted::To { pattern, encoding, .. } => (String::from_utf8(pattern).expect("UTF-8"), encoding),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn three_encodings_become_one() {
        assert_eq!(to(br"\x90\xbf\x8b\x81\x8f\x91"), ("請求書".into(), "Shift_JIS"));
        assert_eq!(to(br"\xc0\xc1\xb5\xe1\xbd\xf1"), ("請求書".into(), "EUC-JP"));
        assert_eq!(to(br"\e\$B@A5a=q\e\(B"), ("請求書".into(), "ISO-2022-JP"));
        assert_eq!(to(br"\e\$B@A5a=q"), ("請求書".into(), "ISO-2022-JP"));
        assert_eq!(to(br"\x1b\$B@A5a=q\x1b\(B.{0,20}free"), ("請求書.{0,30}free".into(), "ISO-2022-JP"));
        // The second byte of ソ and 表 is a backslash.
        assert_eq!(to(b"\x83\\\\\x83t\x83g (?:\x95\\\\|x)"), ("ソフト (?:表|x)".into(), "Shift_JIS"));
        assert_eq!(to(br"\x82[\xa0\xa2]"), ("(?:あ|い)".into(), "Shift_JIS"));
        assert_eq!(to("請求書".as_bytes()), ("請求書".into(), "UTF-8"));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let not = |source: &[u8]| match pattern(source, Flags::default()) {
            Converted::Not(why) => Some(why),
            _ => None,
        };
        assert_eq!(not(br"\x90\xbf.\x8b\x81"), Some(Why::HalfCharacter));
        assert_eq!(not(br"[\x80-\xa0]{4}"), Some(Why::Class));
        assert_eq!(not(br"\xff\xfe\xfd"), Some(Why::NoEncoding));
        assert_eq!(not(br"\e\$B"), Some(Why::NoWords));
        assert_eq!(not(br"\$3\$l\$O"), Some(Why::PerhapsJis));
        assert_eq!(not(br"=\?ISO-2022-JP\?B\?GyRC"), Some(Why::EncodedWord));
        assert_eq!(pattern(br"free.*money", Flags::default()), Converted::Nothing);
    }

    #[test]
    fn a_file_keeps_all_else() {
        let prefs = b"required_score 15\nrawbody SEIKYU /\\x90\\xbf\\x8b\\x81\\x8f\\x91/\nscore SEIKYU 2\n\
                      header JSUBJ Subject =~ /\\e\\$B@A5a=q/i\nbody PLAIN /free/\nfull ODD /\\nX: \\x90\\xbf/\n";
        let (text, reports) = file(prefs);
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.contains("text SEIKYU /請求書/\nelse\nrawbody SEIKYU /\\x90\\xbf"), "{text}");
        assert!(text.contains("header JSUBJ Subject:text =~ /請求書/i\n"), "{text}");
        assert!(text.starts_with("required_score 15\n") && text.contains("\nscore SEIKYU 2\n"));
        let said: Vec<_> = reports.iter().map(|report| (report.line, report.outcome.is_ok())).collect();
        assert_eq!(said, [(2, true), (4, true), (6, false)]);
        let again = file(text.as_bytes());
        assert_eq!((again.0, again.1.len()), (text.into_bytes(), 1));
    }

    #[test]
    fn what_stands_behind_a_pattern_is_kept_and_what_is_not_read_is_told() {
        let prefs = b"body A /\\x90\\xbf\\x8b\\x81/ # invoice\nheader B Subject =~ /\\e\\$B@A5a/  [if-unset: UNSET]\n\
                      body C /\\x90\\xbf\\#\\x8b\\x81/\nbody D /\\x90\\xbf/ and more\nbody E /plain/ and more\n\
                      header F ALL =~ /\\x90\\xbf/\nbody G eval:x('\\x90')\nbody H m{\\x90\\xbf/} # \x90\xbf\n";
        let (text, reports) = file(prefs);
        let said: Vec<_> = reports.iter().map(|report| (report.name.as_str(), report.outcome.is_ok())).collect();
        assert_eq!(said, [("A", true), ("B", true), ("C", true), ("D", false), ("F", false), ("H", true)]);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        for line in [
            "text A /請求/ # invoice".as_bytes(),
            b"body A /\\x90\\xbf\\x8b\\x81/ # invoice",
            "header B Subject:text =~ /請求/ [if-unset: UNSET]".as_bytes(),
            "text C /請\\#求/".as_bytes(),
            &["text H /請\\// # ".as_bytes(), b"\x90\xbf"].concat(),
        ] {
            assert!(lines.contains(&line), "{}\n{}", String::from_utf8_lossy(line), String::from_utf8_lossy(&text));
        }
        assert_eq!(file(&text).1.iter().filter(|report| report.outcome.is_ok()).count(), 0);
    }
}
