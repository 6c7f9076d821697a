//! Scripts, read and written anew: names that a script declares become `n000`, `n001` and so on, strings that are added
//! up become one, `unescape("...")` and `eval("...")` become what they say, comments and white space go.
//!
//! The reader takes what it is given in pieces, since HTML comes in chunks; a string may go on in the next piece. It is
//! ClamAV's idea of JavaScript, not ECMA's: a function's scope ends where the braces seem to, regular expressions are
//! read as operators and names, and so on. Signatures depend on all of it.

use std::cell::Cell;
use std::collections::HashMap;

/// Decoded scripts inside decoded scripts.
const DEEPEST: u32 = 16;
/// Tokens of one script; what follows is not read.
const MOST_TOKENS: usize = 2_000_000;
/// Functions inside functions; what follows is not read.
const DEEPEST_SCOPE: u32 = 1_000;
/// Tokens moved or looked at for the sake of decoders.
const DECODING: usize = 20_000_000;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Begins with this scope.
    Function(usize),
    /// Where a function ends; writes nothing.
    FunctionEnd,
    Name(Vec<u8>),
    /// A name after a dot, which is never replaced.
    Member(Vec<u8>),
    Text(Vec<u8>),
    Integer(i64),
    Float(f64),
    /// Keywords and operators.
    Other(&'static str),
}

impl Token {
    fn is(&self, text: &str) -> bool {
        matches!(self, Token::Other(other) if *other == text)
    }

    fn is_name(&self, text: &str) -> bool {
        matches!(self, Token::Name(name) if name == text.as_bytes())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Base,
    Declaring,
    Initialising,
    FunctionName,
    ParameterList,
    Parameters,
}

#[derive(Debug, Default)]
struct Scope {
    /// `None`: used, but not declared here.
    names: HashMap<Vec<u8>, Option<u64>>,
    parent: Option<usize>,
    depth: u32,
    phase: Phase,
    after_dot: bool,
    brackets: u32,
    blocks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lexing {
    #[default]
    Start,
    BlockComment,
    LineComment,
    Number,
    Quoted(u8),
    Name,
}

/// Reads a script in pieces.
#[derive(Debug)]
pub(crate) struct Reader {
    scopes: Vec<Scope>,
    current: usize,
    tokens: Vec<Token>,
    names: u64,
    lexing: Lexing,
    /// A token that began in an earlier piece.
    partial: Vec<u8>,
    depth: u32,
    read: usize,
    /// Scopes that may still be looked into for names.
    visits: Cell<u32>,
}

/// A name is looked for in all scopes around it; scripts that people write need thousands.
const VISITS: u32 = 5_000_000;

impl Default for Reader {
    fn default() -> Self {
        Reader {
            scopes: vec![Scope::default()],
            current: 0,
            tokens: Vec::new(),
            names: 0,
            lexing: Lexing::Start,
            partial: Vec::new(),
            depth: 0,
            read: 0,
            visits: Cell::new(VISITS),
        }
    }
}

/// Longest first.
static OPERATORS: &[&str] = &[
    ">>>=", "===", "!==", ">>>", "<<=", ">>=", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "<<", ">>", "!", "%", "&", "*", "+", "-", "/", ":", "<", "=", ">", "?", "^", "|", "~",
];

static KEYWORDS: &[&str] = &[
    "break",
    "case",
    "catch",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "in",
    "instanceof",
    "new",
    "null",
    "return",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
];

static PUNCTUATION: &[&str] = &["[", "]", ",", "{", "}", "(", ")", ".", ";"];

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'$' | b'_' | b'\\')
}

fn is_name_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_')
}

enum Lexed {
    Token(Token),
    Var,
    Function,
}

impl Reader {
    pub fn read(&mut self, piece: &[u8]) {
        // The pieces a decoder makes may be long and many; together they stay within what the script itself could be.
        self.read += piece.len();
        let mut at = 0;
        while at < piece.len() {
            if self.tokens.len() >= MOST_TOKENS || self.scope().depth > DEEPEST_SCOPE {
                return;
            }
            if let Some(lexed) = self.lex(piece, &mut at) {
                self.take(lexed);
            }
        }
    }

    /// One token, or `None` where none was complete.
    fn lex(&mut self, text: &[u8], at: &mut usize) -> Option<Lexed> {
        match self.lexing {
            Lexing::Start => {
                self.partial.clear();
                let byte = text[*at];
                match byte {
                    b' ' | b'\t' | b'\n' | 0x0b | b'\r' => *at += 1,
                    b'/' if text.get(*at + 1) == Some(&b'*') => {
                        self.lexing = Lexing::BlockComment;
                        *at += 2;
                    }
                    b'/' if text.get(*at + 1) == Some(&b'/') => {
                        self.lexing = Lexing::LineComment;
                        *at += 2;
                    }
                    b'"' | b'\'' => {
                        self.lexing = Lexing::Quoted(byte);
                        *at += 1;
                        return self.quoted(byte, text, at);
                    }
                    b'0'..=b'9' => return self.number(text, at),
                    _ if is_name_start(byte) => return self.name(text, at),
                    _ => {
                        let rest = &text[*at..];
                        let mark = PUNCTUATION.iter().chain(OPERATORS).find(|mark| rest.starts_with(mark.as_bytes()));
                        match mark {
                            Some(mark) => {
                                *at += mark.len();
                                return Some(Lexed::Token(Token::Other(mark)));
                            }
                            None => *at += 1,
                        }
                    }
                }
                None
            }
            Lexing::BlockComment => {
                match memchr::memmem::find(&text[*at..], b"*/") {
                    Some(end) => {
                        *at += end + 2;
                        self.lexing = Lexing::Start;
                    }
                    None => *at = text.len(),
                }
                None
            }
            Lexing::LineComment => {
                // Newlines have become spaces by now, so a space ends the comment.
                *at += memchr::memchr2(b'\n', b' ', &text[*at..]).unwrap_or(text.len() - *at);
                self.lexing = Lexing::Start;
                None
            }
            Lexing::Number => self.number(text, at),
            Lexing::Quoted(quote) => self.quoted(quote, text, at),
            Lexing::Name => self.name(text, at),
        }
    }

    fn quoted(&mut self, quote: u8, text: &[u8], at: &mut usize) -> Option<Lexed> {
        let rest = &text[*at..];
        let mut from = 0;
        let end = loop {
            match memchr::memchr(quote, &rest[from..]).map(|place| place + from) {
                Some(place) if place > 0 && rest[place - 1] == b'\\' => from = place + 1,
                end => break end,
            }
        };
        unescape_string(&rest[..end.unwrap_or(rest.len())], &mut self.partial);
        match end {
            Some(end) => {
                *at += end + 1;
                self.lexing = Lexing::Start;
                Some(Lexed::Token(Token::Text(std::mem::take(&mut self.partial))))
            }
            None => {
                *at = text.len();
                None
            }
        }
    }

    fn number(&mut self, text: &[u8], at: &mut usize) -> Option<Lexed> {
        let mut float = false;
        while let Some(&byte) = text.get(*at) {
            *at += 1;
            match byte {
                b'0'..=b'9' => self.partial.push(byte),
                b'.' if !float => {
                    float = true;
                    self.partial.push(b'.');
                }
                _ => {
                    if float && matches!(byte, b'e' | b'E') {
                        self.partial.push(byte);
                        if let Some(&sign) = text.get(*at) {
                            *at += 1;
                            if matches!(sign, b'+' | b'-' | b'0'..=b'9') {
                                self.partial.push(sign);
                                continue;
                            }
                        }
                    }
                    *at -= 1;
                    self.lexing = Lexing::Start;
                    let digits = std::mem::take(&mut self.partial);
                    let digits = String::from_utf8_lossy(&digits);
                    return Some(Lexed::Token(if float {
                        Token::Float(leading_float(&digits))
                    } else {
                        integer(&digits)
                    }));
                }
            }
        }
        self.lexing = Lexing::Number;
        None
    }

    fn name(&mut self, text: &[u8], at: &mut usize) -> Option<Lexed> {
        while let Some(&byte) = text.get(*at) {
            if is_name_part(byte) {
                self.partial.push(byte);
                *at += 1;
                continue;
            }
            if byte == b'\\' {
                if text.get(*at + 1) == Some(&b'u') {
                    self.partial.push(b'\\');
                    *at += 2;
                    continue;
                }
                *at += 1;
            }
            self.lexing = Lexing::Start;
            let name = std::mem::take(&mut self.partial);
            return Some(match KEYWORDS.iter().find(|keyword| keyword.as_bytes() == name) {
                Some(&"var") => Lexed::Var,
                Some(&"function") => Lexed::Function,
                Some(keyword) => Lexed::Token(Token::Other(keyword)),
                None => Lexed::Token(Token::Name(name)),
            });
        }
        self.lexing = Lexing::Name;
        None
    }

    fn scope(&mut self) -> &mut Scope {
        &mut self.scopes[self.current]
    }

    fn take(&mut self, lexed: Lexed) {
        let token = match lexed {
            Lexed::Var => {
                self.scope().phase = Phase::Declaring;
                Token::Other("var")
            }
            Lexed::Function => {
                let (parent, depth) = (Some(self.current), self.scope().depth + 1);
                let scope = Scope { parent, depth, phase: Phase::FunctionName, ..Scope::default() };
                self.scopes.push(scope);
                self.current = self.scopes.len() - 1;
                Token::Function(self.current)
            }
            Lexed::Token(Token::Name(name)) => self.name_token(name),
            Lexed::Token(Token::Text(text)) => {
                if let [.., Token::Text(before), plus] = &mut self.tokens[..]
                    && plus.is("+")
                {
                    before.extend_from_slice(&text);
                    self.tokens.pop();
                    return;
                }
                Token::Text(text)
            }
            Lexed::Token(token) => token,
        };
        let mut ends = false;
        if let Token::Other(mark) = token {
            ends = self.mark(mark);
        }
        let dot = token.is(".");
        self.tokens.push(token);
        if ends {
            self.tokens.push(Token::FunctionEnd);
            self.current = self.scope().parent.unwrap_or(0);
        }
        self.scope().after_dot = dot;
    }

    fn name_token(&mut self, name: Vec<u8>) -> Token {
        if self.scope().after_dot {
            return Token::Member(name);
        }
        match self.scope().phase {
            Phase::Base | Phase::Initialising | Phase::ParameterList => {
                self.scope().names.entry(name.clone()).or_insert(None);
            }
            Phase::Declaring | Phase::Parameters => {
                self.declare(&name);
                let scope = self.scope();
                scope.phase = Phase::Initialising;
                scope.brackets = 0;
            }
            Phase::FunctionName => {
                self.declare(&name);
                self.scope().phase = Phase::ParameterList;
            }
        }
        Token::Name(name)
    }

    fn declare(&mut self, name: &[u8]) {
        let number = self.names;
        self.names += 1;
        self.scope().names.insert(name.to_vec(), Some(number));
    }

    /// Whether a function ends here.
    fn mark(&mut self, mark: &str) -> bool {
        let scope = self.scope();
        match mark {
            "(" => {
                if matches!(scope.phase, Phase::FunctionName | Phase::ParameterList) {
                    scope.phase = Phase::Parameters;
                }
            }
            ")" if scope.phase == Phase::ParameterList => scope.phase = Phase::Base,
            "{" => {
                if matches!(scope.phase, Phase::FunctionName | Phase::ParameterList | Phase::Parameters) {
                    scope.phase = Phase::Base;
                }
                scope.blocks += 1;
            }
            "}" => {
                scope.blocks = scope.blocks.saturating_sub(1);
                return scope.blocks == 0 && scope.parent.is_some();
            }
            "[" => scope.brackets += 1,
            "]" => scope.brackets = scope.brackets.saturating_sub(1),
            "," if scope.phase == Phase::Initialising && scope.brackets == 0 && scope.blocks == 0 => {
                scope.phase = Phase::Declaring;
            }
            ";" if scope.brackets == 0 && scope.blocks == 0 => scope.phase = Phase::Base,
            _ => {}
        }
        false
    }

    /// The end: what is open is closed, what is encoded is decoded, and all is written.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if let Lexing::Quoted(quote) = self.lexing {
            self.read(&[quote]);
        }
        let mut open = 0usize;
        for token in &self.tokens {
            if token.is("(") {
                open += 1;
            } else if token.is(")") {
                open = open.saturating_sub(1);
            }
        }
        self.tokens.extend(std::iter::repeat_n(Token::Other(")"), open));
        self.fold();
        self.decode();
        self.write(out);
    }

    /// `unescape("...")` becomes a string.
    fn fold(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        let mut folded: Vec<Token> = Vec::with_capacity(tokens.len());
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            if let Token::Text(text) = &token
                && let [.., name, paren] = &folded[..]
                && name.is_name("unescape")
                && paren.is("(")
                && rest.peek().is_some()
            {
                let text = unescape(text);
                folded.truncate(folded.len() - 2);
                rest.next();
                folded.push(Token::Text(text));
            } else {
                folded.push(token);
            }
        }
        self.tokens = folded;
    }

    /// Scripts inside: `eval("...")`, packers that name their arguments p,a,c,k,e,r or d, and one known encoder.
    fn decode(&mut self) {
        let mut at = 0;
        let limit = 4 * self.read.max(65_536);
        let mut work = DECODING;
        while at < self.tokens.len() && work > 0 {
            let found = match &self.tokens[at] {
                Token::Function(_) | Token::FunctionEnd if at + 13 < self.tokens.len() => {
                    at += 1;
                    let mut name = None;
                    if let Token::Name(given) = &self.tokens[at] {
                        name = Some(given.clone());
                        at += 1;
                    }
                    if takes(&self.tokens[at..], b"packer") || takes(&self.tokens[at..], b"packed") {
                        work = work.saturating_sub(self.tokens.len());
                        self.packed(at, name.as_deref())
                    } else {
                        None
                    }
                }
                token if at + 2 < self.tokens.len() && self.tokens[at + 1].is("(") => match &self.tokens[at + 2] {
                    Token::Text(text) if token.is_name("dF") => {
                        shifted(text).map(|text| Decoded { from: at, to: at + 4, text, append: true })
                    }
                    Token::Text(text) if token.is_name("eval") => {
                        let closed = self.tokens.get(at + 3).is_some_and(|token| token.is(")"));
                        closed.then(|| Decoded { from: at, to: at + 4, text: text.clone(), append: false })
                    }
                    _ => None,
                },
                _ => None,
            };
            if let Some(mut decoded) = found {
                if self.tokens.get(decoded.to).is_some_and(|token| token.is(";")) {
                    decoded.to += 1;
                }
                work = work.saturating_sub(self.tokens.len());
                let outer = std::mem::take(&mut self.tokens);
                if self.depth < DEEPEST && self.read < limit {
                    self.depth += 1;
                    // A token left open at the script's end goes on in what was decoded: as ClamAV does.
                    self.read(&decoded.text);
                    self.depth -= 1;
                }
                let inner = std::mem::replace(&mut self.tokens, outer);
                let to = decoded.to.min(self.tokens.len());
                if decoded.append {
                    self.tokens.drain(decoded.from..to);
                    self.tokens.extend(inner);
                } else {
                    self.tokens.splice(decoded.from..to, inner);
                }
            }
            match self.tokens.get(at) {
                Some(Token::Function(scope)) => self.current = *scope,
                Some(Token::FunctionEnd) => self.current = self.scope().parent.unwrap_or(self.current),
                _ => {}
            }
            at += 1;
        }
    }

    /// The packer's call: a text, a base, a count, and a dictionary.
    fn packed(&self, from: usize, name: Option<&[u8]>) -> Option<Decoded> {
        let tokens = &self.tokens;
        let mut nesting = 1;
        let mut at = from;
        loop {
            match tokens.get(at)? {
                Token::Function(_) => nesting += 1,
                Token::FunctionEnd => nesting -= 1,
                _ => {}
            }
            if nesting == 0 {
                break;
            }
            at += 1;
        }
        match name {
            Some(name) => {
                while !(matches!(tokens.get(at)?, Token::Name(called) if called == name) && tokens.get(at + 1)?.is("("))
                {
                    at += 1;
                }
                at += 1;
            }
            None => {
                while !tokens.get(at)?.is("(") {
                    at += 1;
                }
            }
        }
        at += 1;
        let mut arguments = Vec::new();
        for number in 0..6 {
            arguments.push(at);
            at += 1;
            let end = if number == 5 { ")" } else { "," };
            while tokens.get(at).is_some_and(|token| !token.is(end)) {
                at += 1;
            }
            at += 1;
        }
        let (Some(Token::Text(packed)), Some(Token::Integer(base)), Some(Token::Text(words))) =
            (tokens.get(arguments[0]), tokens.get(arguments[1]), tokens.get(arguments[3]))
        else {
            return None;
        };
        let mut to = arguments[5] + 1;
        let closes = |at: usize, mark: &str| tokens.get(at).is_some_and(|token| token.is(mark));
        to += if closes(to, "[") && closes(to + 1, "]") && closes(to + 2, ")") { 3 } else { 1 };
        Some(Decoded { from: arguments[0], to, text: unpack(packed, *base, words), append: false })
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if !out.is_empty() {
            out.push(b'\n');
        }
        lower(b"<script>", out);
        self.current = 0;
        let mut last = 0;
        for index in 0..self.tokens.len() {
            match &self.tokens[index] {
                Token::Function(scope) => {
                    self.current = *scope;
                    space(last, b'a', out);
                    out.extend_from_slice(b"function");
                    last = b'a';
                }
                Token::FunctionEnd => {
                    if let Some(parent) = self.scopes[self.current].parent {
                        self.current = parent;
                    }
                }
                Token::Text(text) => {
                    out.push(b'"');
                    lower(text, out);
                    out.push(b'"');
                    last = b'"';
                }
                Token::Integer(value) => {
                    space(last, b'0', out);
                    out.extend_from_slice(value.to_string().as_bytes());
                    last = b'0';
                }
                Token::Float(value) => {
                    space(last, b'0', out);
                    out.extend_from_slice(shortest(*value).as_bytes());
                    last = b'0';
                }
                Token::Name(name) => {
                    space(last, b'a', out);
                    match self.look_up(name) {
                        Some(number) => out.extend_from_slice(format!("n{number:03}").as_bytes()),
                        None => lower(name, out),
                    }
                    last = b'a';
                }
                Token::Member(name) => {
                    space(last, name.first().copied().unwrap_or(0), out);
                    lower(name, out);
                    last = name.last().copied().unwrap_or(0);
                }
                Token::Other(text) => {
                    space(last, text.as_bytes()[0], out);
                    out.extend_from_slice(text.as_bytes());
                    last = *text.as_bytes().last().unwrap_or(&0);
                }
            }
        }
        if !out.ends_with(b"</script>") {
            out.extend_from_slice(b"</script>");
        }
    }

    fn look_up(&self, name: &[u8]) -> Option<u64> {
        let mut scope = Some(self.current);
        while let Some(index) = scope {
            let left = self.visits.get().checked_sub(1)?;
            self.visits.set(left);
            if let Some(Some(number)) = self.scopes[index].names.get(name) {
                return Some(*number);
            }
            scope = self.scopes[index].parent;
        }
        None
    }
}

struct Decoded {
    from: usize,
    to: usize,
    text: Vec<u8>,
    append: bool,
}

/// Whether these tokens are a parameter list of one-letter names.
fn takes(tokens: &[Token], names: &[u8]) -> bool {
    let mut tokens = tokens.iter();
    if !tokens.next().is_some_and(|token| token.is("(")) {
        return false;
    }
    names.iter().enumerate().all(|(index, name)| {
        let named = matches!(tokens.next(), Some(Token::Name(given)) if given == &[*name]);
        let mark = if index + 1 == names.len() { ")" } else { "," };
        named && tokens.next().is_some_and(|token| token.is(mark))
    })
}

/// Words are numbers in some base that stand for words of the dictionary.
fn unpack(packed: &[u8], base: i64, words: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.split(|byte| *byte == b'|').collect();
    let longest = 8 * packed.len() + 65_536;
    let mut out = Vec::new();
    let mut at = 0;
    while at < packed.len() && out.len() < longest {
        if !packed[at].is_ascii_alphanumeric() {
            if packed[at] == b'\\' && matches!(packed.get(at + 1), Some(b'\'' | b'"')) {
                at += 1;
            } else {
                out.push(packed[at]);
                at += 1;
            }
            continue;
        }
        let from = at;
        let mut value: u32 = 0;
        while let Some(&byte) = packed.get(at).filter(|byte| byte.is_ascii_alphanumeric()) {
            let digit = match byte {
                b'a'.. => 10 + u32::from(byte - b'a'),
                b'A'.. => 36 + u32::from(byte - b'A'),
                _ => u32::from(byte - b'0'),
            };
            value = value.wrapping_mul(base as u32).wrapping_add(digit);
            at += 1;
        }
        match words.get(value as usize).filter(|word| !word.is_empty()) {
            Some(word) => out.extend_from_slice(word),
            None => out.extend_from_slice(&packed[from..at]),
        }
    }
    out
}

/// An encoder that moves each character by the last digit.
fn shifted(text: &[u8]) -> Option<Vec<u8>> {
    let (last, text) = text.split_last()?;
    let by = last.wrapping_sub(b'0');
    let moved: Vec<u8> = unescape(text).into_iter().map(|byte| byte.wrapping_sub(by)).collect();
    Some(unescape(&moved[..memchr::memchr(0, &moved).unwrap_or(moved.len())]))
}

fn hex(byte: u8) -> Option<u16> {
    (byte as char).to_digit(16).map(|digit| digit as u16)
}

/// As UTF-8; a NUL as 1, surrogates as they are.
fn push_unit(unit: u16, out: &mut Vec<u8>) {
    match unit {
        0 => out.push(1),
        1..0x80 => out.push(unit as u8),
        0x80..0x800 => out.extend([0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
        _ => out.extend([0xe0 | (unit >> 12) as u8, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]),
    }
}

/// What `unescape()` does.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = |from: usize, count: usize| -> Option<u16> {
            let digits = text.get(from..from + count)?;
            digits.iter().try_fold(0u16, |value, digit| Some(value << 4 | hex(*digit)?))
        };
        if text[at] == b'%' {
            if text.get(at + 1) == Some(&b'u')
                && let Some(unit) = digits(at + 2, 4)
            {
                push_unit(unit, &mut out);
                at += 6;
                continue;
            }
            if let Some(byte) = digits(at + 1, 2) {
                out.push((byte as u8).max(1));
                at += 3;
                continue;
            }
        }
        out.push(text[at].max(1));
        at += 1;
    }
    out
}

/// Backslashes inside a string.
fn unescape_string(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let mut byte = text[at];
        if byte == b'\\' && at + 1 < text.len() {
            at += 1;
            let digit = |place: usize| hex(text[place]);
            match text[at] {
                b'0' => byte = 0,
                b'b' => byte = 8,
                b't' => byte = 9,
                b'n' => byte = 10,
                b'v' => byte = 11,
                b'f' => byte = 12,
                b'r' => byte = 13,
                b'x' => {
                    if at + 2 < text.len() {
                        let low = digit(at + 2).unwrap_or(0xff);
                        byte = (digit(at + 1).unwrap_or(0) << 4 | low) as u8;
                    }
                    at += 2;
                }
                b'u' => {
                    if at + 4 < text.len() {
                        let high = (1..4).fold(0, |value, place| value << 4 | digit(at + place).unwrap_or(0));
                        push_unit(high << 4 | digit(at + 4).unwrap_or(0xffff), out);
                        at += 5;
                        continue;
                    }
                }
                other => byte = other,
            }
        }
        out.push(byte.max(1));
        at += 1;
    }
}

/// As C's atoi() reads it: 32 bits of what fits 64.
fn integer(digits: &str) -> Token {
    Token::Integer(i64::from(digits.parse::<i64>().unwrap_or(i64::MAX) as i32))
}

/// As C's atof() reads it: the longest beginning that is a number.
fn leading_float(digits: &str) -> f64 {
    let bytes = digits.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = run(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + run(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = run((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    digits[..end].parse().unwrap_or(0.0)
}

/// As C's `%g` writes it.
fn shortest(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return "inf".into();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        trimmed(&format!("{value:.*}", (5 - exponent).max(0) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

fn space(last: u8, next: u8, out: &mut Vec<u8>) {
    if last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() {
        out.push(b' ');
    }
}

fn lower(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| if super::is_space(*byte) { b' ' } else { byte.to_ascii_lowercase() }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut reader = Reader::default();
        reader.read(script.as_bytes());
        let mut out = Vec::new();
        reader.finish(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("<script>{expected}</script>"));
    }

    #[test]
    fn names_and_strings() {
        check("var a = 1; b = a ;", "var n000=1;b=n000;");
        check("x('Marker' + \"Al\" + 'pha') ;", "x(\"markeralpha\");");
        check("function f(a) { return a.a; } f(2) ;", "function n000(n001){return n001.a;}f(2);");
        check("document.write(unescape('%3Cb%3e')) ;", "document.write(\"<b>\");");
        check("eval('var q = 1 ;');", "var n000=1;");
        check("1.50 + 2 //gone\n/* too */ ;", "1.5+2;");
        check("'unfinished", "\"unfinished\"");
        check("a((1 ;", "a((1;))");
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (digits, value) in [
            ("1.50", 1.5),
            ("1.5e2", 150.0),
            ("3.e1x", 30.0),
            (".5", 0.5),
            ("1e+", 1.0),
            ("7e-", 7.0),
            ("1e+2e+3", 100.0),
            ("1.2.3", 1.2),
            ("", 0.0),
            (".", 0.0),
        ] {
            assert_eq!(leading_float(digits), value, "{digits}");
        }
    }

    #[test]
    fn a_script_in_pieces() {
        let mut reader = Reader::default();
        reader.read(b"var text = 'one ");
        reader.read(b"two' ;");
        let mut out = Vec::new();
        reader.finish(&mut out);
        assert_eq!(out, b"<script>var n000=\"one two\";</script>");
    }

    #[test]
    fn numbers_as_c_writes_them() {
        assert_eq!(shortest(1.5), "1.5");
        assert_eq!(shortest(0.00001), "1e-05");
        assert_eq!(shortest(1234567.0), "1.23457e+06");
        assert_eq!(shortest(100000.0), "100000");
    }

    /// Evals that make evals must end.
    #[test]
    fn a_script_that_grows() {
        let mut script = "x".to_owned();
        for _ in 0..30 {
            script = format!("eval(\"{}\") ;", script.replace('\\', "\\\\").replace('"', "\\\""));
            if script.len() > 1 << 20 {
                break;
            }
        }
        let mut reader = Reader::default();
        reader.read(script.as_bytes());
        reader.finish(&mut Vec::new());
    }
}
