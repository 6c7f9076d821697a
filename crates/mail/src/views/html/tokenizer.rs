//! HTML to tokens, with the reading of broken markup that Perl's HTML::Parser has (not that of HTML 5).
//!
//! SpamAssassin's rules were written against that reading: what ends a comment, what an unclosed quote swallows, which
//! elements hold raw text, how marked sections nest. Works on bytes; multi-byte characters pass through untouched.
//! Never recurses and never reads a byte more than a constant number of times.

use memchr::memchr;

/// Who hears of the tokens. Names and values are as written; nothing is decoded yet.
pub(super) trait Sink {
    fn start(&mut self, name: &[u8], attributes: &Attributes<'_>);
    fn end(&mut self, name: &[u8]);
    /// `cdata`: entities have no meaning here.
    fn text(&mut self, raw: &[u8], cdata: bool);
    fn comment(&mut self, raw: &[u8]);
    fn declaration(&mut self, raw: &[u8]);
}

/// Attributes of one start tag. Of several with one name the first counts.
pub(super) struct Attributes<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

/// Where an attribute stands: name, and value without quotes.
#[derive(Debug, Clone, Copy)]
struct Span {
    name: (u32, u32),
    value: Option<(u32, u32)>,
}

/// An attribute as written. `value` is `None` for a lone name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    pub fn iter(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let buf = self.buf;
        let cut = move |(a, b): (u32, u32)| &buf[a as usize..b as usize];
        self.spans.iter().map(move |s| Attribute { name: cut(s.name), value: s.value.map(cut) })
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// `name` in lower case.
    pub fn get(&self, name: &[u8]) -> Option<Attribute<'a>> {
        self.iter().find(|a| a.name.eq_ignore_ascii_case(name))
    }
}

/// Attributes of one tag beyond these are read over.
const ATTRIBUTES: usize = 1_000;

/// Elements whose content is not markup. Until the end tag everything is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    Script,
    Style,
    Xmp,
    Iframe,
    Plaintext,
    Title,
    Textarea,
}

impl Literal {
    fn of(name: &[u8]) -> Option<Literal> {
        const ALL: [Literal; 7] = [
            Literal::Script,
            Literal::Style,
            Literal::Xmp,
            Literal::Iframe,
            Literal::Plaintext,
            Literal::Title,
            Literal::Textarea,
        ];
        ALL.into_iter().find(|l| l.name().len() == name.len() && name.eq_ignore_ascii_case(l.name()))
    }

    fn name(self) -> &'static [u8] {
        match self {
            Literal::Script => b"script",
            Literal::Style => b"style",
            Literal::Xmp => b"xmp",
            Literal::Iframe => b"iframe",
            Literal::Plaintext => b"plaintext",
            Literal::Title => b"title",
            Literal::Textarea => b"textarea",
        }
    }

    fn is_cdata(self) -> bool {
        !matches!(self, Literal::Title | Literal::Textarea)
    }
}

/// SGML marked sections, `<![ CDATA [ ... ]]>`; the strongest of those open rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    None,
    Include,
    Rcdata,
    Cdata,
    Ignore,
}

/// What looking at a `<` gave.
enum Markup {
    /// A token, ending here.
    Until(usize),
    /// Its end is not in the buffer.
    Unfinished,
    /// The `<` is text.
    No,
}

/// The state between two buffers.
pub(super) struct Tokenizer {
    literal: Option<Literal>,
    cdata: bool,
    section: Section,
    sections: Vec<Section>,
    /// An end tag to report before the next tag.
    pending_end: Option<&'static [u8]>,
    /// Comments end at any `>`: set at the end of the document, for the sake of an unclosed comment.
    lone_gt_ends_comment: bool,
    /// Literals (as bits) known to have no end tag in the rest of the buffer.
    unclosed: u8,
    spans: Vec<Span>,
    budget: usize,
}

fn at(buf: &[u8], i: usize) -> u8 {
    buf.get(i).copied().unwrap_or(0)
}

fn is_space(b: u8) -> bool {
    matches!(b, 9..=13 | b' ')
}

fn is_name_first(b: u8) -> bool {
    b.is_ascii_alphabetic() || matches!(b, b'_' | b':')
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-' | b'.')
}

fn skip_space(buf: &[u8], mut s: usize) -> usize {
    while is_space(at(buf, s)) {
        s += 1;
    }
    s
}

/// Skips to a blank or `>`.
fn skip_word(buf: &[u8], mut s: usize) -> usize {
    while s < buf.len() && !is_space(buf[s]) && buf[s] != b'>' {
        s += 1;
    }
    s
}

fn find(buf: &[u8], s: usize, byte: u8) -> Option<usize> {
    memchr(byte, buf.get(s..)?).map(|p| s + p)
}

impl Tokenizer {
    pub fn new(tokens: usize) -> Tokenizer {
        Tokenizer {
            literal: None,
            cdata: false,
            section: Section::None,
            sections: Vec::new(),
            pending_end: None,
            lone_gt_ends_comment: false,
            unclosed: 0,
            spans: Vec::new(),
            budget: tokens,
        }
    }

    /// The token limit was reached.
    pub fn exhausted(&self) -> bool {
        self.budget == 0
    }

    /// Tells that the buffer grew since the last call of `feed`.
    pub fn grown(&mut self) {
        self.unclosed = 0;
    }

    fn report(&mut self, sink: &mut impl Sink, is_text: bool) -> bool {
        if !is_text && let Some(name) = self.pending_end.take() {
            self.report_end(sink, name);
        }
        self.budget = self.budget.saturating_sub(1);
        self.section != Section::Ignore
    }

    fn report_end(&mut self, sink: &mut impl Sink, name: &[u8]) {
        if self.report(sink, false) {
            sink.end(name);
        }
    }

    fn report_text(&mut self, sink: &mut impl Sink, raw: &[u8]) {
        if self.report(sink, true) {
            sink.text(raw, self.cdata);
        }
    }

    fn report_comment(&mut self, sink: &mut impl Sink, raw: &[u8]) {
        if self.report(sink, true) {
            sink.comment(raw);
        }
    }

    /// Reads tokens from `buf[from..]`; returns where a token starts that the buffer does not finish.
    pub fn feed(&mut self, buf: &[u8], from: usize, sink: &mut impl Sink) -> usize {
        let end = buf.len();
        let mut s = from;
        let mut t = from; // start of the text or markup not yet reported
        while self.budget > 0 {
            while let Some(literal) = self.literal {
                if self.unclosed & 1 << literal as u8 != 0 {
                    return t;
                }
                let Some(open) = find(buf, s, b'<') else {
                    self.unclosed |= 1 << literal as u8;
                    return t;
                };
                s = open + 1;
                if at(buf, s) != b'/' {
                    continue;
                }
                s += 1;
                let rest = literal.name().iter().skip_while(|&&l| {
                    let same = at(buf, s).to_ascii_lowercase() == l;
                    s += usize::from(same);
                    same
                });
                if rest.count() > 0 || literal == Literal::Plaintext {
                    continue;
                }
                let name_end = s;
                s = skip_space(buf, s);
                if at(buf, s) == b'>' {
                    s += 1;
                    if t != open {
                        self.report_text(sink, &buf[t..open]);
                    }
                    self.report_end(sink, &buf[open + 2..name_end]);
                    self.literal = None;
                    self.cdata = false;
                    t = s;
                }
            }

            while matches!(self.section, Section::Cdata | Section::Rcdata) {
                let Some(close) = find(buf, s, b']') else { return t };
                s = close + 1;
                if at(buf, s) == b']' && at(buf, s + 1) == b'>' {
                    s += 2;
                    if t != close {
                        self.report_text(sink, &buf[t..close]);
                    }
                    self.close_section(sink);
                    t = s;
                } else if s == end {
                    return t;
                }
            }

            if self.section == Section::None {
                s = find(buf, s, b'<').unwrap_or(end);
            } else {
                while s < end && buf[s] != b'<' {
                    if self.section != Section::None && buf[s] == b']' {
                        let close = s;
                        s += 1;
                        if at(buf, s) == b']' {
                            s += 1;
                            if at(buf, s) == b'>' {
                                s += 1;
                                self.report_text(sink, &buf[t..close]);
                                self.close_section(sink);
                                t = s;
                                continue;
                            }
                        }
                    }
                    s += 1;
                }
                s = s.min(end);
            }
            if s != t {
                if s == end {
                    // The last word may go on in a buffer to come: keep it back.
                    let blanks = is_space(buf[end - 1]);
                    while !blanks && s > t && !is_space(buf[s - 1]) {
                        s -= 1;
                    }
                    while s > t && is_space(buf[s - 1]) {
                        s -= 1;
                    }
                    if s != t {
                        self.report_text(sink, &buf[t..s]);
                    }
                    return s;
                }
                self.report_text(sink, &buf[t..s]);
                t = s;
            }
            if end - s < 3 {
                return s;
            }

            s += 1;
            let markup = match buf[s] {
                b'/' => self.end_tag(buf, t, sink),
                b'!' => self.declaration(buf, t, sink),
                b'?' => match find(buf, t + 2, b'>') {
                    Some(gt) => {
                        self.report(sink, false); // a processing instruction: nobody listens
                        Markup::Until(gt + 1)
                    }
                    None => Markup::Unfinished,
                },
                b if is_name_first(b) => self.start_tag(buf, t, sink),
                _ => Markup::No,
            };
            match markup {
                Markup::Until(next) => {
                    t = next;
                    s = next;
                }
                Markup::Unfinished => return t,
                Markup::No => {}
            }
        }
        end
    }

    /// The document ends with `buf`; `from` is what [`Tokenizer::feed`] returned.
    pub fn finish(&mut self, buf: &[u8], from: usize, sink: &mut impl Sink) {
        let end = buf.len();
        let mut s = from;
        while s < end && self.budget > 0 {
            if let Some(literal) = self.literal {
                match literal {
                    Literal::Plaintext | Literal::Xmp | Literal::Iframe | Literal::Textarea => break,
                    // Empty, then; what looked like its content is read as markup.
                    Literal::Script | Literal::Style => self.report_end(sink, literal.name()),
                    Literal::Title => self.pending_end = Some(literal.name()),
                }
                self.literal = None;
                s = self.feed(buf, s, sink);
                continue;
            }
            if buf[s] == b'<' {
                if !self.lone_gt_ends_comment {
                    self.lone_gt_ends_comment = true;
                    s = self.feed(buf, s, sink);
                    continue;
                }
                if s + 1 == end || is_name_first(buf[s + 1]) || matches!(buf[s + 1], b'/' | b'!' | b'?') {
                    self.report_comment(sink, &buf[s..]);
                    s = end;
                }
            }
            break;
        }
        if s < end && self.budget > 0 {
            self.report_text(sink, &buf[s..]);
        }
        if let Some(name) = self.pending_end.take() {
            self.report_end(sink, name);
        }
    }

    fn start_tag(&mut self, buf: &[u8], open: usize, sink: &mut impl Sink) -> Markup {
        let end = buf.len();
        self.spans.clear();
        let name_end = skip_word(buf, open + 2);
        let mut s = skip_space(buf, name_end);
        loop {
            if s >= end {
                return Markup::Unfinished;
            }
            if buf[s] == b'>' {
                break;
            }
            let name = s;
            s += 1; // any byte may begin a name, "=" too
            while s < end && !is_space(buf[s]) && !matches!(buf[s], b'>' | b'=') {
                s += 1;
            }
            let name = (name as u32, s as u32);
            s = skip_space(buf, s);
            let mut value = None;
            if at(buf, s) == b'=' {
                s = skip_space(buf, s + 1);
                match at(buf, s) {
                    quote @ (b'"' | b'\'') => {
                        let Some(close) = find(buf, s + 1, quote) else { return Markup::Unfinished };
                        value = Some((s as u32 + 1, close as u32));
                        s = close + 1;
                    }
                    _ => {
                        let word = s;
                        s = skip_word(buf, s);
                        value = Some((word as u32, s as u32));
                    }
                }
                s = skip_space(buf, s);
            }
            if self.spans.len() < ATTRIBUTES {
                self.spans.push(Span { name, value });
            }
        }
        let name = &buf[open + 1..name_end];
        if self.report(sink, false) {
            sink.start(name, &Attributes { buf, spans: &self.spans });
        }
        if (3..=9).contains(&name.len())
            && let Some(literal) = Literal::of(name)
        {
            self.literal = Some(literal);
            self.cdata = literal.is_cdata();
        }
        Markup::Until(s + 1)
    }

    fn end_tag(&mut self, buf: &[u8], open: usize, sink: &mut impl Sink) -> Markup {
        let name_end = skip_word(buf, open + 2);
        let Some(gt) = unquoted_gt(buf, name_end) else { return Markup::Unfinished };
        if name_end == open + 2 {
            self.report_comment(sink, &buf[open..=gt]);
        } else {
            self.report_end(sink, &buf[open + 2..name_end]);
        }
        Markup::Until(gt + 1)
    }

    /// Everything that begins with `<!`.
    fn declaration(&mut self, buf: &[u8], open: usize, sink: &mut impl Sink) -> Markup {
        let end = buf.len();
        let mut s = open + 2;
        match buf[s] {
            b'-' => {
                s += 1;
                if s == end {
                    return Markup::Unfinished;
                }
                if buf[s] == b'-' {
                    return match self.comment_end(buf, s + 1) {
                        Some(close) => {
                            self.report_comment(sink, &buf[open..close]);
                            Markup::Until(close)
                        }
                        None => Markup::Unfinished,
                    };
                }
            }
            b'[' => match self.open_section(buf, open, sink) {
                Markup::No => {}
                markup => return markup,
            },
            b if b.is_ascii_alphabetic() => {
                let name = s;
                while s < end && is_name(buf[s]) {
                    s += 1;
                }
                if s == end {
                    return Markup::Unfinished;
                }
                let name = &buf[name..s];
                if name.eq_ignore_ascii_case(b"doctype") || name.eq_ignore_ascii_case(b"entity") {
                    match doctype(buf, s) {
                        Ok(None) => return Markup::Unfinished,
                        Ok(Some(close)) => {
                            if self.report(sink, false) {
                                sink.declaration(&buf[open..close]);
                            }
                            return Markup::Until(close);
                        }
                        Err(bad) => s = bad,
                    }
                }
            }
            _ => {}
        }
        // Not understood: a comment up to the next ">".
        match find(buf, s, b'>') {
            Some(gt) => {
                self.report_comment(sink, &buf[open..=gt]);
                Markup::Until(gt + 1)
            }
            None => Markup::Unfinished,
        }
    }

    /// After `<!--`: where the comment ends.
    fn comment_end(&self, buf: &[u8], mut s: usize) -> Option<usize> {
        if self.lone_gt_ends_comment {
            return find(buf, s, b'>').map(|gt| gt + 1);
        }
        loop {
            let dash = find(buf, s, b'-')?;
            if at(buf, dash + 1) == b'-' {
                let gt = skip_space(buf, dash + 2);
                if at(buf, gt) == b'>' {
                    return Some(gt + 1);
                }
            }
            s = dash + 1;
        }
    }

    fn open_section(&mut self, buf: &[u8], open: usize, sink: &mut impl Sink) -> Markup {
        let end = buf.len();
        let mut s = open + 3;
        let mut kind = None;
        loop {
            s = skip_space(buf, s);
            while is_name_first(at(buf, s)) {
                let name = s;
                while s < end && is_name(buf[s]) {
                    s += 1;
                }
                let name = &buf[name..s];
                s = skip_space(buf, s);
                if s == end {
                    return Markup::Unfinished;
                }
                let named = match name.to_ascii_lowercase().as_slice() {
                    b"include" => Section::Include,
                    b"rcdata" => Section::Rcdata,
                    b"cdata" => Section::Cdata,
                    b"ignore" => Section::Ignore,
                    _ => Section::None,
                };
                kind = kind.max(Some(named));
            }
            if at(buf, s) != b'-' {
                break;
            }
            if at(buf, s + 1) != b'-' {
                return Markup::No;
            }
            s += 2;
            loop {
                let Some(dash) = find(buf, s, b'-') else { return Markup::Unfinished };
                s = dash + 1;
                if at(buf, s) == b'-' {
                    s += 1;
                    break;
                }
            }
        }
        if at(buf, s) != b'[' {
            return Markup::No;
        }
        self.sections.push(kind.unwrap_or(Section::Include));
        self.weigh_sections();
        self.report(sink, false);
        Markup::Until(s + 1)
    }

    fn close_section(&mut self, sink: &mut impl Sink) {
        self.report(sink, false);
        self.sections.pop();
        self.weigh_sections();
    }

    fn weigh_sections(&mut self) {
        // Ordered by strength, so the list is short unless someone is playing; then only its top counts.
        let recent = self.sections.len().saturating_sub(SECTIONS);
        self.section = self.sections[recent..].iter().copied().max().unwrap_or(Section::None);
        self.cdata = self.section == Section::Cdata;
    }
}

/// Open marked sections that are looked at; nobody writes more than two.
const SECTIONS: usize = 64;

/// The `>` that ends an end tag: quotes count only after a blank or "=".
fn unquoted_gt(buf: &[u8], from: usize) -> Option<usize> {
    let mut quote = 0;
    let mut previous = b' ';
    for (i, &b) in buf.iter().enumerate().skip(from) {
        match b {
            b'>' if quote == 0 => return Some(i),
            b'"' | b'\'' if b == quote => quote = 0,
            b'"' | b'\'' if quote == 0 && matches!(previous, b' ' | b'=') => quote = b,
            _ => {}
        }
        previous = b;
    }
    None
}

/// After the word DOCTYPE: its end, `None` if the buffer ends first, or where it stops making sense.
fn doctype(buf: &[u8], mut s: usize) -> Result<Option<usize>, usize> {
    let end = buf.len();
    loop {
        s = skip_space(buf, s);
        if s >= end {
            return Ok(None);
        }
        match buf[s] {
            b'>' => return Ok(Some(s + 1)),
            quote @ (b'"' | b'\'') => match find(buf, s + 1, quote) {
                Some(close) => s = close + 1,
                None => return Ok(None),
            },
            b'-' => {
                s += 1;
                if s == end {
                    return Ok(None);
                }
                if buf[s] != b'-' {
                    return Err(s);
                }
                s += 1;
                loop {
                    let Some(dash) = find(buf, s, b'-') else { return Ok(None) };
                    s = dash + 1;
                    if s == end {
                        return Ok(None);
                    }
                    if buf[s] == b'-' {
                        s += 1;
                        break;
                    }
                }
            }
            _ => s = skip_word(buf, s + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes tokens down: `S name a=v`, `E name`, `T text`, `X text` (no entities), `C comment`, `D declaration`.
    #[derive(Default)]
    struct Written(Vec<String>);

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    impl Sink for Written {
        fn start(&mut self, name: &[u8], attributes: &Attributes<'_>) {
            let mut line = format!("S {}", lossy(name));
            for a in attributes.iter() {
                line += &format!(" {}", lossy(a.name));
                if let Some(value) = a.value {
                    line += &format!("={}", lossy(value));
                }
            }
            self.0.push(line);
        }

        fn end(&mut self, name: &[u8]) {
            self.0.push(format!("E {}", lossy(name)));
        }

        fn text(&mut self, raw: &[u8], cdata: bool) {
            self.0.push(format!("{} {}", if cdata { "X" } else { "T" }, lossy(raw)));
        }

        fn comment(&mut self, raw: &[u8]) {
            self.0.push(format!("C {}", lossy(raw)));
        }

        fn declaration(&mut self, raw: &[u8]) {
            self.0.push(format!("D {}", lossy(raw)));
        }
    }

    fn tokens(html: &str) -> Vec<String> {
        let mut written = Written::default();
        let mut tokenizer = Tokenizer::new(1_000);
        let rest = tokenizer.feed(html.as_bytes(), 0, &mut written);
        tokenizer.finish(html.as_bytes(), rest, &mut written);
        written.0
    }

    /// Each of these is what HTML::Parser 3.81 reports.
    #[test]
    fn broken_markup() {
        let cases: &[(&str, &[&str])] = &[
            ("<a href= \"x\" b = y checked>", &["S a href=x b=y checked"]),
            ("<a b=c/d/>", &["S a b=c/d/"]),
            ("<a =b c>", &["S a =b c"]),
            ("<a href=x\"y z\">t <b>", &["S a href=x\"y z\"", "T t ", "S b"]),
            ("<a x=>", &["S a x="]),
            ("<b a=\"x>y</b>z", &["C <b a=\"x>y</b>z"]),
            ("x <b", &["T x ", "C <b"]),
            ("foo bar  ", &["T foo bar", "T   "]),
            ("foo bar", &["T foo", "T  bar"]),
            ("<>x< >y<3z <", &["T <>x", "T < >y", "T <3z ", "C <"]),
            ("</ a>b</>c</b x=\"y>z\">", &["C </ a>", "T b", "C </>", "T c", "E b"]),
            ("<title>a<title>b", &["S title", "T a", "E title", "S title", "T b", "E title"]),
            ("<title></TITLE >x <b>", &["S title", "E TITLE", "T x ", "S b"]),
            ("<xmp>a</xmp foo>b</xmp >c <b>", &["S xmp", "X a</xmp foo>b", "E xmp", "T c ", "S b"]),
            ("<iframe>a <b>c", &["S iframe", "X a <b>c"]),
            ("<textarea>a <b>c", &["S textarea", "T a <b>c"]),
            ("<plaintext>a</plaintext><b>", &["S plaintext", "X a</plaintext><b>"]),
            ("<style>x</style><style>y", &["S style", "X x", "E style", "S style", "E style", "X y"]),
            ("<!-->a --  >b <b>", &["C <!-->a --  >", "T b ", "S b"]),
            ("<!-- a > b <c> d ", &["C <!-- a >", "T  b ", "S c", "T  d", "T  "]),
            ("<!><!-><! foo><!foo>", &["C <!>", "C <!->", "C <! foo>", "C <!foo>"]),
            ("<!doctype a -- > -- \">\">", &["D <!doctype a -- > -- \">\">"]),
            ("<!doctype a -b >w <b>", &["C <!doctype a -b >", "T w ", "S b"]),
            ("<?x>y <b>", &["T y ", "S b"]),
            ("<![CDATA[a&amp;<b>]]>x <b>", &["X a&amp;<b>", "T x ", "S b"]),
            ("<![RCDATA[a<b>]]>x <b>", &["T a<b>", "T x ", "S b"]),
            ("<![INCLUDE[a]<b>]]c ]]><b>", &["T a]<b>]]c ", "S b"]),
            ("<![IGNORE[a<b>]]>c <b>", &["T c ", "S b"]),
            ("<![if !mso]>x<![endif]>", &["C <![if !mso]>", "T x", "C <![endif]>"]),
        ];
        for (html, expected) in cases {
            assert_eq!(tokens(html), *expected, "{html}");
        }
    }

    #[test]
    fn budget() {
        let mut written = Written::default();
        let mut tokenizer = Tokenizer::new(3);
        let html = b"<a><b><c><d><e>";
        let rest = tokenizer.feed(html, 0, &mut written);
        tokenizer.finish(html, rest, &mut written);
        assert_eq!(written.0, ["S a", "S b", "S c"]);
        assert!(tokenizer.exhausted());
    }
}
