//! Conditions of YARA rules: what must hold of the strings found and of the file.
//!
//! The same evaluation answers two questions. While a buffer is matched: does the rule hold? When the rule is read: could it
//! hold where none of its strings lies? What is not known then is [`Value::Unknown`], and goes on as such.

use serde::{Deserialize, Serialize};

/// A string by its number, or the one that the innermost `for ... of` is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    String(u8),
    Current,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// How many of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quantity {
    Any,
    All,
    None,
    AtLeast(Box<Node>),
    Percent(Box<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    Boolean(bool),
    Integer(i64),
    FileSize,
    EntryPoint,
    /// A number in the file.
    Read {
        bytes: u8,
        signed: bool,
        big_endian: bool,
        at: Box<Node>,
    },
    /// `#a`, `#a in (from..to)`
    Count(Which, Option<Box<(Node, Node)>>),
    /// `@a[n]`
    Place(Which, Box<Node>),
    /// `$a`
    Found(Which),
    /// `$a at n`
    At(Which, Box<Node>),
    /// `$a in (from..to)`
    In(Which, Box<(Node, Node)>),
    Not(Box<Node>),
    Negative(Box<Node>),
    Complement(Box<Node>),
    Defined(Box<Node>),
    Pair(Operator, Box<(Node, Node)>),
    Every(Vec<Node>),
    Either(Vec<Node>),
    OfStrings(Quantity, Vec<u8>, Box<Node>),
    OfRules(Quantity, Vec<u32>),
    ForRange(Quantity, Box<(Node, Node)>, Box<Node>),
    ForEach(Quantity, Vec<Node>, Box<Node>),
    /// What a loop is at; the outermost is 0.
    Variable(u8),
    /// Another rule, by the number of its logical signature.
    Rule(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Integer(i64),
    Boolean(bool),
    /// There is no such place, or no such match: every comparison with it fails.
    Undefined,
    /// Cannot be told yet.
    Unknown,
}

/// What is known of a buffer. `None`: not yet known.
pub trait Facts {
    /// Starts of a string's matches, in order.
    fn starts(&self, string: u8) -> Option<&[usize]>;
    fn size(&self) -> Option<u64>;
    /// Where the program within the file starts.
    fn entry_point(&self) -> Option<Value>;
    /// So many bytes at a place: all of them, or nothing.
    fn bytes(&self, at: u64, length: usize) -> Option<Option<&[u8]>>;
    fn rule(&mut self, rule: u32, steps: &mut u32) -> Option<bool>;
}

impl Node {
    /// `Unknown` where the facts do not suffice or the steps are used up.
    pub fn evaluate(&self, facts: &mut dyn Facts, steps: &mut u32) -> Value {
        Evaluation { facts, steps, variables: Vec::new(), current: None }.value(self)
    }
}

impl Value {
    /// Taken for true or false; `None`: unknown.
    pub fn truth(self) -> Option<bool> {
        match self {
            Value::Integer(number) => Some(number != 0),
            Value::Boolean(truth) => Some(truth),
            Value::Undefined => Some(false),
            Value::Unknown => None,
        }
    }

    fn from(truth: Option<bool>) -> Value {
        truth.map_or(Value::Unknown, Value::Boolean)
    }
}

struct Evaluation<'f> {
    facts: &'f mut dyn Facts,
    steps: &'f mut u32,
    variables: Vec<i64>,
    current: Option<u8>,
}

impl Evaluation<'_> {
    fn value(&mut self, node: &Node) -> Value {
        let Some(left) = self.steps.checked_sub(1) else { return Value::Unknown };
        *self.steps = left;
        match node {
            Node::Boolean(truth) => Value::Boolean(*truth),
            Node::Integer(number) => Value::Integer(*number),
            Node::FileSize => self.facts.size().map_or(Value::Unknown, |size| Value::Integer(size as i64)),
            Node::EntryPoint => self.facts.entry_point().unwrap_or(Value::Unknown),
            Node::Read { bytes, signed, big_endian, at } => match self.value(at) {
                Value::Integer(at) => self.read(at, *bytes, *signed, *big_endian),
                other => other,
            },
            Node::Count(which, None) => match self.starts(*which) {
                Some(starts) => Value::Integer(starts.len() as i64),
                None => Value::Unknown,
            },
            Node::Count(which, Some(range)) => match self.range(range) {
                Ok((from, to)) => match self.starts(*which) {
                    Some(starts) => Value::Integer(within(starts, from, to).len() as i64),
                    None => Value::Unknown,
                },
                Err(value) => value,
            },
            Node::Place(which, number) => match self.value(number) {
                Value::Integer(number) => match self.starts(*which) {
                    None => Value::Unknown,
                    Some(starts) => {
                        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                        let start = index.and_then(|index| starts.get(index));
                        start.map_or(Value::Undefined, |start| Value::Integer(*start as i64))
                    }
                },
                other => other,
            },
            Node::Found(which) => Value::from(self.starts(*which).map(|starts| !starts.is_empty())),
            Node::At(which, place) => match self.starts(*which).map(<[usize]>::is_empty) {
                Some(true) => Value::Boolean(false),
                None => Value::Unknown,
                Some(false) => match self.value(place) {
                    Value::Integer(place) => {
                        let starts = self.starts(*which).unwrap_or_default();
                        let place = usize::try_from(place).ok();
                        Value::Boolean(place.is_some_and(|place| starts.binary_search(&place).is_ok()))
                    }
                    Value::Unknown => Value::Unknown,
                    _ => Value::Boolean(false),
                },
            },
            Node::In(which, range) => match self.starts(*which).map(<[usize]>::is_empty) {
                Some(true) => Value::Boolean(false),
                None => Value::Unknown,
                Some(false) => match self.range(range) {
                    Ok((from, to)) => {
                        let starts = self.starts(*which).unwrap_or_default();
                        Value::Boolean(!within(starts, from, to).is_empty())
                    }
                    Err(Value::Unknown) => Value::Unknown,
                    Err(_) => Value::Boolean(false),
                },
            },
            Node::Not(inner) => Value::from(self.value(inner).truth().map(|truth| !truth)),
            Node::Defined(inner) => match self.value(inner) {
                Value::Unknown => Value::Unknown,
                value => Value::Boolean(value != Value::Undefined),
            },
            Node::Negative(inner) => self.integer(inner, |number| number.wrapping_neg()),
            Node::Complement(inner) => self.integer(inner, |number| !number),
            Node::Pair(operator, pair) => {
                let (left, right) = (self.value(&pair.0), self.value(&pair.1));
                apply(*operator, left, right)
            }
            Node::Every(nodes) => self.first_that_is(false, nodes),
            Node::Either(nodes) => self.first_that_is(true, nodes),
            Node::OfStrings(quantity, strings, body) => {
                let outer = self.current;
                let value = self.count(quantity, strings, |this, string| {
                    this.current = Some(*string);
                    this.value(body)
                });
                self.current = outer;
                value
            }
            Node::OfRules(quantity, rules) => self.count(quantity, rules, |this, rule| this.rule(*rule)),
            Node::ForRange(quantity, range, body) => match self.range(range) {
                // No turn at all is not "all".
                Ok((from, to)) if from > to => Value::Boolean(false),
                Ok((from, to)) => {
                    self.count_over(quantity, to.saturating_sub(from) as u64 + 1, from..=to, |this, at| {
                        this.with_variable(at, body)
                    })
                }
                Err(Value::Unknown) => Value::Unknown,
                Err(_) => Value::Boolean(false),
            },
            Node::ForEach(quantity, values, body) => {
                self.count(quantity, values, |this, value| match this.value(value) {
                    Value::Integer(number) => this.with_variable(number, body),
                    other => other,
                })
            }
            Node::Variable(depth) => {
                self.variables.get(usize::from(*depth)).map_or(Value::Undefined, |number| Value::Integer(*number))
            }
            Node::Rule(rule) => self.rule(*rule),
        }
    }

    fn starts(&self, which: Which) -> Option<&[usize]> {
        match which {
            Which::String(string) => self.facts.starts(string),
            Which::Current => self.current.map_or(Some(&[]), |string| self.facts.starts(string)),
        }
    }

    fn rule(&mut self, rule: u32) -> Value {
        Value::from(self.facts.rule(rule, self.steps))
    }

    fn with_variable(&mut self, number: i64, body: &Node) -> Value {
        self.variables.push(number);
        let value = self.value(body);
        self.variables.pop();
        value
    }

    fn integer(&mut self, node: &Node, change: impl Fn(i64) -> i64) -> Value {
        match self.value(node) {
            Value::Integer(number) => Value::Integer(change(number)),
            Value::Boolean(_) => Value::Undefined,
            other => other,
        }
    }

    /// Both ends, or what keeps them from being known.
    fn range(&mut self, range: &(Node, Node)) -> Result<(i64, i64), Value> {
        match (self.value(&range.0), self.value(&range.1)) {
            (Value::Integer(from), Value::Integer(to)) => Ok((from, to)),
            (Value::Unknown, _) | (_, Value::Unknown) => Err(Value::Unknown),
            _ => Err(Value::Undefined),
        }
    }

    fn first_that_is(&mut self, wanted: bool, nodes: &[Node]) -> Value {
        let mut known = true;
        for node in nodes {
            match self.value(node).truth() {
                Some(truth) if truth == wanted => return Value::Boolean(wanted),
                Some(_) => {}
                None => known = false,
            }
        }
        if known { Value::Boolean(!wanted) } else { Value::Unknown }
    }

    fn count<T>(&mut self, quantity: &Quantity, set: &[T], holds: impl FnMut(&mut Self, &T) -> Value) -> Value {
        self.count_over(quantity, set.len() as u64, set.iter(), holds)
    }

    fn count_over<T>(
        &mut self,
        quantity: &Quantity,
        length: u64,
        set: impl Iterator<Item = T>,
        mut holds: impl FnMut(&mut Self, T) -> Value,
    ) -> Value {
        let wanted = match quantity {
            Quantity::Any => 1,
            Quantity::All => length,
            Quantity::None => 0,
            Quantity::AtLeast(number) | Quantity::Percent(number) => match self.value(number) {
                Value::Integer(number) if number < 0 => return Value::Boolean(false),
                Value::Integer(number) if matches!(quantity, Quantity::Percent(_)) => {
                    (number as u64).saturating_mul(length).div_ceil(100)
                }
                Value::Integer(number) => number as u64,
                Value::Unknown => return Value::Unknown,
                _ => return Value::Boolean(false),
            },
        };
        let none = matches!(quantity, Quantity::None);
        let (mut true_ones, mut unknown) = (0u64, false);
        for one in set {
            match holds(self, one).truth() {
                Some(truth) => true_ones += u64::from(truth),
                None => unknown = true,
            }
            if *self.steps == 0 {
                return Value::Unknown;
            }
            if true_ones > 0 && (none || true_ones >= wanted) {
                return Value::Boolean(!none);
            }
        }
        match unknown {
            true => Value::Unknown,
            false => Value::Boolean(none || true_ones >= wanted),
        }
    }

    fn read(&self, at: i64, length: u8, signed: bool, big_endian: bool) -> Value {
        let Ok(at) = u64::try_from(at) else { return Value::Undefined };
        let Some(bytes) = self.facts.bytes(at, usize::from(length)) else { return Value::Unknown };
        let Some(bytes) = bytes else { return Value::Undefined };
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let number = match big_endian {
            true => bytes.iter().fold(0, fold),
            false => bytes.iter().rev().fold(0, fold),
        };
        let unused = 64 - 8 * u32::from(length.clamp(1, 8));
        Value::Integer(if signed { (number << unused) as i64 >> unused } else { number as i64 })
    }
}

fn within(starts: &[usize], from: i64, to: i64) -> &[usize] {
    let low = starts.partition_point(|start| (*start as i64) < from);
    let high = starts.partition_point(|start| *start as i64 <= to);
    starts.get(low..high).unwrap_or_default()
}

fn apply(operator: Operator, left: Value, right: Value) -> Value {
    let compares = matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Equal | Operator::NotEqual);
    let (left, right) = match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => (left, right),
        (Value::Boolean(left), Value::Boolean(right)) => (i64::from(left), i64::from(right)),
        (Value::Undefined, _) | (_, Value::Undefined) if compares => return Value::Boolean(false),
        (Value::Undefined, _) | (_, Value::Undefined) => return Value::Undefined,
        (Value::Unknown, _) | (_, Value::Unknown) => return Value::Unknown,
        _ => return Value::Undefined,
    };
    let shift = |right: i64| u32::try_from(right).ok().filter(|right| *right < 64);
    let number = match operator {
        Operator::Add => Some(left.wrapping_add(right)),
        Operator::Subtract => Some(left.wrapping_sub(right)),
        Operator::Multiply => Some(left.wrapping_mul(right)),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        Operator::And => Some(left & right),
        Operator::Or => Some(left | right),
        Operator::Xor => Some(left ^ right),
        Operator::ShiftLeft => Some(shift(right).map_or(0, |right| left << right)),
        Operator::ShiftRight => Some(shift(right).map_or(0, |right| left >> right)),
        Operator::Less => return Value::Boolean(left < right),
        Operator::LessOrEqual => return Value::Boolean(left <= right),
        Operator::Equal => return Value::Boolean(left == right),
        Operator::NotEqual => return Value::Boolean(left != right),
    };
    number.map_or(Value::Undefined, Value::Integer)
}
