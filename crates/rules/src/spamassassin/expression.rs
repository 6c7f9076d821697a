//! The arithmetic that `meta` and `if` share: Perl's operators and precedence over names and numbers.
//!
//! In: a line as written. Out: a tree whose leaves the caller gives meaning to. Characters that are no token are
//! skipped, as SpamAssassin's lexer does; what that leaves must still be an expression.

use std::fmt;

/// A leaf or an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Number(f64),
    /// A rule, a class or a word such as `version`.
    Name(String),
    /// `can(Class::method)`, `plugin(Class)`.
    Call(String, String),
    /// `()`.
    Nothing,
    Not(Box<Node>),
    Negate(Box<Node>),
    /// Operators of one rank, from the left. Flat, since rules join thousands of names.
    Series(Box<Node>, Vec<(Operator, Node)>),
    /// `a ? b : c`.
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// `a < b <= c`: each neighbouring pair must hold.
    Chain(Box<Node>, Vec<(Operator, Node)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Xor,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What is wrong, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub start: usize,
    pub end: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// How deep parentheses and signs may nest; real rules reach 7.
const DEEPEST: usize = 200;

/// Whether `NAME(` is a call (`if`) or a syntax error (`meta`, where only rules have names).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    Allowed,
    Forbidden,
}

pub fn parse(text: &str, calls: Calls) -> Result<Node, Problem> {
    let mut parser = Parser { tokens: tokens(text, calls)?, at: 0, end: text.len(), depth: 0, calls };
    let node = parser.choose()?;
    match parser.tokens.get(parser.at) {
        None => Ok(node),
        Some(extra) => Err(extra.unexpected()),
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Token<'t> {
    text: &'t str,
    start: usize,
}

impl Token<'_> {
    fn unexpected(&self) -> Problem {
        self.problem(format!("`{}` does not fit here", self.text))
    }

    fn problem(&self, message: String) -> Problem {
        Problem { message, start: self.start, end: self.start + self.text.len() }
    }

    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }
}

fn tokens(text: &str, calls: Calls) -> Result<Vec<Token<'_>>, Problem> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let next = bytes.get(at + 1).copied();
        let length = match bytes[at] {
            // A run of digits, points and signs is one token, so that `1-2` and `-1` are not numbers but mistakes.
            b'-' | b'+' | b'.' | b'0'..=b'9' => {
                bytes[at..].iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'0'..=b'9')).count()
            }
            byte if is_word(byte) => bytes[at..].iter().take_while(|b| is_word(**b) || **b == b':').count(),
            b'(' | b')' | b'^' | b'*' | b'/' | b'?' | b':' => 1,
            b'|' if next == Some(b'|') => 2,
            b'&' if next == Some(b'&') => 2,
            b'=' if next == Some(b'=') => 2,
            b'!' | b'<' | b'>' => 1 + usize::from(next == Some(b'=')),
            _ => 0,
        };
        if length == 0 {
            at += 1;
            continue;
        }
        at += length;
        let token = Token { text: &text[start..at], start };
        if token.text.starts_with(|c: char| c.is_ascii_digit()) && number(token.text).is_none() {
            return Err(token.problem(format!("`{}` is not a number (write blanks around - and +)", token.text)));
        }
        let signed_number = calls == Calls::Allowed && number(token.text).is_some();
        if token.text.starts_with(['-', '+', '.']) && !matches!(token.text, "-" | "+") && !signed_number {
            return Err(token.problem(format!("`{}` is not a number (write blanks around - and +)", token.text)));
        }
        found.push(token);
    }
    Ok(found)
}

/// `12` or `1.5`, perhaps with a sign.
fn number(text: &str) -> Option<f64> {
    let (whole, fraction) = text.strip_prefix(['-', '+']).unwrap_or(text).split_once('.').unwrap_or((text, "0"));
    let whole = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok()).flatten()
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    end: usize,
    depth: usize,
    calls: Calls,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.at).map(|token| token.text)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Problem> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(match self.tokens.get(self.at) {
            Some(token) => token.problem(format!("expected `{wanted}`, found `{}`", token.text)),
            None => self.at_end(format!("`{wanted}` is missing")),
        })
    }

    fn at_end(&self, message: String) -> Problem {
        Problem { message, start: self.end.saturating_sub(1), end: self.end }
    }

    fn choose(&mut self) -> Result<Node, Problem> {
        let condition = self.or()?;
        if !self.take("?") {
            return Ok(condition);
        }
        let (yes, no) = self.nested(|parser| {
            let yes = parser.choose()?;
            parser.expect(":")?;
            Ok((yes, parser.choose()?))
        })?;
        Ok(Node::Choose(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn or(&mut self) -> Result<Node, Problem> {
        self.left(&[("||", Operator::Or)], Parser::and)
    }

    fn and(&mut self) -> Result<Node, Problem> {
        self.left(&[("&&", Operator::And)], Parser::xor)
    }

    fn xor(&mut self) -> Result<Node, Problem> {
        self.left(&[("^", Operator::Xor)], Parser::equality)
    }

    fn equality(&mut self) -> Result<Node, Problem> {
        self.chain(&[("==", Operator::Equal), ("!=", Operator::NotEqual)], Parser::comparison)
    }

    fn comparison(&mut self) -> Result<Node, Problem> {
        const OPERATORS: [(&str, Operator); 4] = [
            ("<", Operator::Less),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            (">=", Operator::GreaterOrEqual),
        ];
        self.chain(&OPERATORS, Parser::sum)
    }

    fn sum(&mut self) -> Result<Node, Problem> {
        self.left(&[("+", Operator::Add), ("-", Operator::Subtract)], Parser::product)
    }

    fn product(&mut self) -> Result<Node, Problem> {
        self.left(&[("*", Operator::Multiply), ("/", Operator::Divide)], Parser::signed)
    }

    fn left(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Parser<'t>) -> Result<Node, Problem>,
    ) -> Result<Node, Problem> {
        let (first, links) = self.links(operators, operand)?;
        Ok(if links.is_empty() { first } else { Node::Series(Box::new(first), links) })
    }

    fn chain(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Parser<'t>) -> Result<Node, Problem>,
    ) -> Result<Node, Problem> {
        let (first, links) = self.links(operators, operand)?;
        Ok(match links.len() {
            0 => first,
            1 => Node::Series(Box::new(first), links),
            _ => Node::Chain(Box::new(first), links),
        })
    }

    fn links(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Parser<'t>) -> Result<Node, Problem>,
    ) -> Result<(Node, Vec<(Operator, Node)>), Problem> {
        let first = operand(self)?;
        let mut links = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(text, _)| self.peek() == Some(*text)) {
            self.at += 1;
            links.push((*operator, operand(self)?));
        }
        Ok((first, links))
    }

    fn signed(&mut self) -> Result<Node, Problem> {
        let make: fn(Node) -> Node = match self.peek() {
            Some("!") => |node| Node::Not(Box::new(node)),
            Some("-") => |node| Node::Negate(Box::new(node)),
            Some("+") => |node| node,
            _ => return self.primary(),
        };
        self.at += 1;
        let inner = self.nested(Parser::signed)?;
        Ok(make(inner))
    }

    fn primary(&mut self) -> Result<Node, Problem> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Err(self.at_end("the expression ends too early".to_owned()));
        };
        self.at += 1;
        if token.text == "(" {
            if self.take(")") {
                return Ok(Node::Nothing);
            }
            let inner = self.nested(Parser::choose)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Some(number) = number(token.text) {
            return Ok(Node::Number(number));
        }
        if !token.is_name() {
            return Err(token.unexpected());
        }
        if self.calls == Calls::Forbidden || self.peek() != Some("(") {
            return Ok(Node::Name(token.text.to_owned()));
        }
        self.at += 1;
        let argument = match self.tokens.get(self.at) {
            Some(argument) if argument.is_name() => argument.text.to_owned(),
            _ => return Err(token.problem(format!("{}() needs a name", token.text))),
        };
        self.at += 1;
        self.expect(")")?;
        Ok(Node::Call(token.text.to_owned(), argument))
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Parser<'t>) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth == DEEPEST {
            return Err(self.at_end(format!("nested more than {DEEPEST} deep")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}
