//! A parsed YARA rule -> strings in the notation of our tables, and its condition with names resolved.

use super::condition::{Node, Operator, Quantity, Which};
use super::{Known, Refused};
use crate::signatures::bad;
use boreal_parser::expression::{
    Expression, ExpressionKind as Kind, ForIterator, ForSelection, ReadIntegerType, SetElement,
};
use boreal_parser::hex_string::{Mask, Token};
use boreal_parser::regex::{Node as RegexNode, Regex, RepetitionKind, RepetitionRange};
use boreal_parser::rule::{Rule, VariableDeclaration, VariableDeclarationValue};
use patterns::signature::{Modifiers, PcreFlags};
use std::fmt::Write;
use std::ops::Range;

/// Strings of one rule, as in ClamAV.
const MOST_STRINGS: usize = 64;
/// Shortest string that an expression is held back for.
const SHORTEST_NEED: usize = 3;

pub struct Compiled {
    /// Those of the rule in order, then those that expressions need.
    pub strings: Vec<Entry>,
    pub condition: Node,
    /// 1 more than the deepest rule that it names.
    pub depth: u32,
}

pub struct Entry {
    pub text: Text,
    /// Every place counts, not only whether there is one.
    pub every: bool,
}

pub enum Text {
    Bytes {
        hex: Vec<u8>,
        modifiers: Modifiers,
    },
    Expression {
        source: String,
        flags: PcreFlags,
        /// The string without which it cannot match.
        needs: Option<u8>,
    },
}

pub fn compile(rule: &Rule, source: &str, known: &Known) -> Result<Compiled, Refused> {
    let variables = &rule.variables;
    if let Some(beyond) = variables.get(MOST_STRINGS) {
        return bad("there are more than 64 strings", beyond.span.clone());
    }
    for (index, variable) in variables.iter().enumerate() {
        if !variable.name.is_empty() && variables[..index].iter().any(|other| other.name == variable.name) {
            return bad(format!("another string is named ${} already", variable.name), variable.span.clone());
        }
    }
    let mut scope = Scope {
        variables,
        known,
        used: vec![false; variables.len()],
        every: vec![false; variables.len()],
        loops: Vec::new(),
        sets: Vec::new(),
        depth: 1,
    };
    let condition = scope.node(&rule.condition)?;
    let (used, every, depth) = (scope.used, scope.every, scope.depth);
    let unused = variables.iter().zip(&used).find(|(variable, used)| !**used && !variable.name.starts_with('_'));
    if let Some((variable, _)) = unused {
        return bad(format!("the condition does not name ${}", variable.name), variable.span.clone());
    }
    let mut strings = Vec::new();
    let mut needed = Vec::new();
    for (variable, every) in variables.iter().zip(every) {
        strings.push(Entry { text: text(variable, source, variables.len(), &mut needed)?, every });
    }
    let needed = needed.into_iter().map(|(hex, nocase)| Entry {
        text: Text::Bytes { hex, modifiers: Modifiers { nocase, ..Modifiers::default() } },
        every: false,
    });
    strings.extend(needed);
    Ok(Compiled { strings, condition, depth })
}

fn text(
    variable: &VariableDeclaration,
    source: &str,
    first_needed: usize,
    needed: &mut Vec<(Vec<u8>, bool)>,
) -> Result<Text, Refused> {
    let given = &variable.modifiers;
    if given.xor.is_some() || given.base64.is_some() {
        return bad("`xor` and `base64` are not offered, as in ClamAV", variable.span.clone());
    }
    let modifiers = Modifiers {
        nocase: given.nocase,
        wide: given.wide,
        fullword: given.fullword,
        ascii: given.ascii && given.wide,
    };
    Ok(match &variable.value {
        VariableDeclarationValue::Bytes(bytes) => {
            let mut hex = String::new();
            bytes.iter().for_each(|byte| push(&mut hex, *byte));
            Text::Bytes { hex: hex.into_bytes(), modifiers }
        }
        VariableDeclarationValue::HexString(tokens) => {
            let mut hex = String::new();
            for token in tokens {
                self::token(token, true, &mut hex).map_err(|message| refused(message, &variable.span))?;
            }
            Text::Bytes { hex: hex.into_bytes(), modifiers }
        }
        VariableDeclarationValue::Regex(regex) => {
            if given.wide {
                return bad("`wide` is not offered for expressions, as in ClamAV", variable.span.clone());
            }
            let caseless = regex.case_insensitive || given.nocase;
            let flags = PcreFlags { caseless, dot_all: regex.dot_all, ..PcreFlags::default() };
            let inner = between_slashes(source, regex).ok_or_else(|| refused("expected `/.../`", &regex.span))?;
            let source = match given.fullword {
                true => format!("(?<![0-9A-Za-z])(?:{inner})(?![0-9A-Za-z])"),
                false => inner.to_owned(),
            };
            let needs = need(&regex.ast).filter(|need| need.len() >= SHORTEST_NEED).map(|need| {
                let mut hex = String::new();
                need.iter().for_each(|byte| push(&mut hex, *byte));
                needed.push((hex.into_bytes(), caseless));
                (first_needed + needed.len() - 1) as u8
            });
            Text::Expression { source, flags, needs }
        }
    })
}

fn refused(message: impl Into<String>, at: &Range<usize>) -> Refused {
    Refused::Bad { message: message.into(), at: at.clone() }
}

fn push(hex: &mut String, byte: u8) {
    let _ = write!(hex, "{byte:02x}");
}

/// The notation of signatures. Within alternatives (`top` is false) a jump has one length only.
fn token(token: &Token, top: bool, hex: &mut String) -> Result<(), &'static str> {
    match token {
        Token::Byte(byte) => push(hex, *byte),
        Token::NotByte(byte) => {
            let _ = write!(hex, "!({byte:02x})");
        }
        Token::MaskedByte(_, Mask::All) => hex.push_str("??"),
        Token::MaskedByte(byte, Mask::Left) => {
            let _ = write!(hex, "?{:x}", byte & 15);
        }
        Token::MaskedByte(byte, Mask::Right) => {
            let nibble = if *byte > 15 { byte >> 4 } else { *byte };
            let _ = write!(hex, "{nibble:x}?");
        }
        Token::NotMaskedByte(..) => return Err("half a byte cannot be negated"),
        Token::Jump(jump) => match (jump.from, jump.to) {
            (from, Some(to)) if from == to && from < 128 => (0..from).for_each(|_| hex.push_str("??")),
            _ if !top => return Err("a jump within alternatives has one length, below 128"),
            (0, None) => hex.push('*'),
            (from, None) => {
                let _ = write!(hex, "{{{from}-}}");
            }
            (from, Some(to)) => {
                let _ = write!(hex, "{{{from}-{to}}}");
            }
        },
        Token::Alternatives(alternatives) => {
            hex.push('(');
            for (index, tokens) in alternatives.iter().enumerate() {
                if index > 0 {
                    hex.push('|');
                }
                for token in tokens {
                    self::token(token, false, hex)?;
                }
            }
            hex.push(')');
        }
    }
    Ok(())
}

fn between_slashes<'s>(source: &'s str, regex: &Regex) -> Option<&'s str> {
    let text = source.get(regex.span.clone())?;
    let inner = text.strip_prefix('/')?;
    inner.get(..inner.rfind('/')?)
}

/// The longest string that every match holds.
fn need(node: &RegexNode) -> Option<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    collect(node, &mut runs);
    runs.into_iter().max_by_key(Vec::len)
}

/// Appends to the last run what must come next; begins a new one after what may vary.
fn collect(node: &RegexNode, runs: &mut Vec<Vec<u8>>) {
    match node {
        RegexNode::Literal(literal) => {
            if let Some(run) = runs.last_mut() {
                run.push(literal.byte);
            }
        }
        RegexNode::Concat(nodes) => nodes.iter().for_each(|node| collect(node, runs)),
        RegexNode::Group(inner) => collect(inner, runs),
        RegexNode::Empty | RegexNode::Assertion(_) => {}
        RegexNode::Repetition { node, kind, .. } => {
            let least = match kind {
                RepetitionKind::OneOrMore => 1,
                RepetitionKind::Range(RepetitionRange::Exactly(n) | RepetitionRange::AtLeast(n)) => *n,
                RepetitionKind::Range(RepetitionRange::Bounded(n, _)) => *n,
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => 0,
            };
            if least > 0 {
                runs.push(Vec::new());
                collect(node, runs);
            }
            runs.push(Vec::new());
        }
        RegexNode::Alternation(_) | RegexNode::Class(_) | RegexNode::Dot | RegexNode::Char(_) => runs.push(Vec::new()),
    }
}

struct Scope<'a> {
    variables: &'a [VariableDeclaration],
    known: &'a Known,
    used: Vec<bool>,
    every: Vec<bool>,
    loops: Vec<String>,
    /// Strings that `$` stands for, the innermost loop last.
    sets: Vec<Vec<u8>>,
    depth: u32,
}

impl Scope<'_> {
    fn boxed(&mut self, expression: &Expression) -> Result<Box<Node>, Refused> {
        self.node(expression).map(Box::new)
    }

    fn two(&mut self, first: &Expression, second: &Expression) -> Result<Box<(Node, Node)>, Refused> {
        Ok(Box::new((self.node(first)?, self.node(second)?)))
    }

    fn pair(&mut self, operator: Operator, left: &Expression, right: &Expression) -> Result<Node, Refused> {
        Ok(Node::Pair(operator, self.two(left, right)?))
    }

    fn node(&mut self, expression: &Expression) -> Result<Node, Refused> {
        let at = &expression.span;
        Ok(match &expression.expr {
            Kind::Boolean(truth) => Node::Boolean(*truth),
            Kind::Integer(number) => Node::Integer(*number),
            Kind::Filesize => Node::FileSize,
            Kind::Entrypoint => Node::EntryPoint,
            Kind::ReadInteger { ty, addr } => {
                let (bytes, signed, big_endian) = form(*ty);
                Node::Read { bytes, signed, big_endian, at: self.boxed(addr)? }
            }
            Kind::Count(name) => Node::Count(self.string(name, true, at)?, None),
            Kind::CountInRange { variable_name, from, to, .. } => {
                Node::Count(self.string(variable_name, true, at)?, Some(self.two(from, to)?))
            }
            Kind::Offset { variable_name, occurence_number } => {
                Node::Place(self.string(variable_name, true, at)?, self.boxed(occurence_number)?)
            }
            Kind::Variable(name) => Node::Found(self.string(name, false, at)?),
            Kind::VariableAt { variable_name, offset, .. } => {
                Node::At(self.string(variable_name, true, at)?, self.boxed(offset)?)
            }
            Kind::VariableIn { variable_name, from, to, .. } => {
                Node::In(self.string(variable_name, true, at)?, self.two(from, to)?)
            }
            Kind::Not(inner) => Node::Not(self.boxed(inner)?),
            Kind::Neg(inner) => Node::Negative(self.boxed(inner)?),
            Kind::BitwiseNot(inner) => Node::Complement(self.boxed(inner)?),
            Kind::Defined(inner) => Node::Defined(self.boxed(inner)?),
            Kind::Add(left, right) => self.pair(Operator::Add, left, right)?,
            Kind::Sub(left, right) => self.pair(Operator::Subtract, left, right)?,
            Kind::Mul(left, right) => self.pair(Operator::Multiply, left, right)?,
            Kind::Div(left, right) => self.pair(Operator::Divide, left, right)?,
            Kind::Mod(left, right) => self.pair(Operator::Remainder, left, right)?,
            Kind::BitwiseXor(left, right) => self.pair(Operator::Xor, left, right)?,
            Kind::BitwiseAnd(left, right) => self.pair(Operator::And, left, right)?,
            Kind::BitwiseOr(left, right) => self.pair(Operator::Or, left, right)?,
            Kind::ShiftLeft(left, right) => self.pair(Operator::ShiftLeft, left, right)?,
            Kind::ShiftRight(left, right) => self.pair(Operator::ShiftRight, left, right)?,
            Kind::Eq(left, right) => self.pair(Operator::Equal, left, right)?,
            Kind::NotEq(left, right) => self.pair(Operator::NotEqual, left, right)?,
            Kind::Cmp { left, right, less_than, can_be_equal } => {
                let operator = if *can_be_equal { Operator::LessOrEqual } else { Operator::Less };
                let (left, right) = if *less_than { (left, right) } else { (right, left) };
                self.pair(operator, left, right)?
            }
            Kind::And(all) => Node::Every(self.nodes(all)?),
            Kind::Or(any) => Node::Either(self.nodes(any)?),
            Kind::For { selection, set, body } => {
                let strings = self.set(&set.elements)?;
                let body = match body {
                    Some(body) => self.with_set(&strings, |this| this.boxed(body))?,
                    None => Box::new(Node::Found(Which::Current)),
                };
                Node::OfStrings(self.quantity(selection)?, strings, body)
            }
            Kind::ForIn { selection, set, from, to } => {
                let strings = self.set(&set.elements)?;
                strings.iter().for_each(|string| self.every[usize::from(*string)] = true);
                let body = Box::new(Node::In(Which::Current, self.two(from, to)?));
                Node::OfStrings(self.quantity(selection)?, strings, body)
            }
            Kind::ForAt { selection, set, offset } => {
                let strings = self.set(&set.elements)?;
                strings.iter().for_each(|string| self.every[usize::from(*string)] = true);
                let body = Box::new(Node::At(Which::Current, self.boxed(offset)?));
                Node::OfStrings(self.quantity(selection)?, strings, body)
            }
            Kind::ForIdentifiers { selection, identifiers, iterator, body, iterator_span, .. } => {
                let [name] = &identifiers[..] else { return bad("a loop has one variable", at.clone()) };
                let quantity = self.quantity(selection)?;
                match iterator {
                    ForIterator::Range { from, to } => {
                        let range = self.two(from, to)?;
                        Node::ForRange(quantity, range, self.with_loop(name, body)?)
                    }
                    ForIterator::List(values) => {
                        let values = self.nodes(values)?;
                        Node::ForEach(quantity, values, self.with_loop(name, body)?)
                    }
                    ForIterator::Identifier(_) => return bad("no module is offered", iterator_span.clone()),
                }
            }
            Kind::ForRules { selection, set } => {
                let quantity = self.quantity(selection)?;
                Node::OfRules(quantity, self.rules(&set.elements)?)
            }
            Kind::Identifier(identifier) => {
                let variable = self.loops.iter().rposition(|name| *name == identifier.name);
                match (variable, self.known.rules.get(&identifier.name)) {
                    (Some(depth), _) if identifier.operations.is_empty() => Node::Variable(depth as u8),
                    (None, Some((rule, depth))) if identifier.operations.is_empty() => {
                        self.depth = self.depth.max(depth + 1);
                        Node::Rule(*rule)
                    }
                    _ => {
                        let message = format!(
                            "{} is no earlier rule of this file; modules and external variables are not offered, as in ClamAV",
                            identifier.name
                        );
                        return bad(message, identifier.name_span.clone());
                    }
                }
            }
            Kind::Length { .. } => return bad("lengths of matches are not offered, as in ClamAV", at.clone()),
            Kind::Double(_) => return bad("numbers with a fraction are not offered, as in ClamAV", at.clone()),
            Kind::Bytes(_)
            | Kind::Regex(_)
            | Kind::Contains { .. }
            | Kind::StartsWith { .. }
            | Kind::EndsWith { .. }
            | Kind::IEquals(..)
            | Kind::Matches(..) => return bad("texts are not compared, as in ClamAV", at.clone()),
        })
    }

    fn nodes(&mut self, expressions: &[Expression]) -> Result<Vec<Node>, Refused> {
        expressions.iter().map(|expression| self.node(expression)).collect()
    }

    fn quantity(&mut self, selection: &ForSelection) -> Result<Quantity, Refused> {
        Ok(match selection {
            ForSelection::Any => Quantity::Any,
            ForSelection::All => Quantity::All,
            ForSelection::None => Quantity::None,
            ForSelection::Expr { expr, as_percent: true } => Quantity::Percent(self.boxed(expr)?),
            ForSelection::Expr { expr, as_percent: false } => Quantity::AtLeast(self.boxed(expr)?),
        })
    }

    fn with_loop(&mut self, name: &str, body: &Expression) -> Result<Box<Node>, Refused> {
        self.loops.push(name.to_owned());
        let body = self.boxed(body);
        self.loops.pop();
        body
    }

    fn with_set<T>(&mut self, set: &[u8], what: impl FnOnce(&mut Self) -> Result<T, Refused>) -> Result<T, Refused> {
        self.sets.push(set.to_vec());
        let result = what(self);
        self.sets.pop();
        result
    }

    /// The string of a name; `every`: its places count.
    fn string(&mut self, name: &str, every: bool, at: &Range<usize>) -> Result<Which, Refused> {
        if name.is_empty() {
            let Some(set) = self.sets.last() else { return bad("`$` alone stands within `for ... of`", at.clone()) };
            if every {
                set.iter().for_each(|string| self.every[usize::from(*string)] = true);
            }
            return Ok(Which::Current);
        }
        let Some(index) = self.variables.iter().position(|variable| variable.name == name) else {
            return bad(format!("there is no string ${name}"), at.clone());
        };
        self.used[index] = true;
        self.every[index] |= every;
        Ok(Which::String(index as u8))
    }

    fn set(&mut self, elements: &[SetElement]) -> Result<Vec<u8>, Refused> {
        let mut strings = Vec::new();
        let fits = |element: &SetElement, name: &str| match element.is_wildcard {
            true => name.starts_with(&element.name),
            false => name == element.name,
        };
        for (index, variable) in self.variables.iter().enumerate() {
            if elements.is_empty() || elements.iter().any(|element| fits(element, &variable.name)) {
                self.used[index] = true;
                strings.push(index as u8);
            }
        }
        let none = |element: &&SetElement| !self.variables.iter().any(|variable| fits(element, &variable.name));
        match elements.iter().find(none) {
            Some(element) => bad(format!("there is no string ${}", element.name), element.span.clone()),
            None => Ok(strings),
        }
    }

    fn rules(&mut self, elements: &[SetElement]) -> Result<Vec<u32>, Refused> {
        let mut rules = Vec::new();
        for element in elements {
            let fits = |name: &&String| match element.is_wildcard {
                true => name.starts_with(&element.name),
                false => **name == element.name,
            };
            let before = rules.len();
            for (rule, depth) in self.known.names.iter().filter(fits).filter_map(|name| self.known.rules.get(name)) {
                self.depth = self.depth.max(depth + 1);
                rules.push(*rule);
            }
            if rules.len() == before {
                return bad(format!("there is no earlier rule {}", element.name), element.span.clone());
            }
        }
        Ok(rules)
    }
}

/// Bytes, signed, big-endian.
fn form(form: ReadIntegerType) -> (u8, bool, bool) {
    match form {
        ReadIntegerType::Int8 => (1, true, false),
        ReadIntegerType::Uint8 => (1, false, false),
        ReadIntegerType::Int16 => (2, true, false),
        ReadIntegerType::Int16BE => (2, true, true),
        ReadIntegerType::Uint16 => (2, false, false),
        ReadIntegerType::Uint16BE => (2, false, true),
        ReadIntegerType::Int32 => (4, true, false),
        ReadIntegerType::Int32BE => (4, true, true),
        ReadIntegerType::Uint32 => (4, false, false),
        ReadIntegerType::Uint32BE => (4, false, true),
    }
}
