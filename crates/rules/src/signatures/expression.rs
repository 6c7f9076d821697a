//! The logic of a logical signature, as ClamAV evaluates it.
//!
//! `&` and `|` have one rank. At the top of an expression the first operator divides it, so that `0&1|2` is `0&(1|2)`; an
//! expression wholly in parentheses is divided at the last operator within them, so that `(0&1|2)` is `(0&1)|2`. Authors
//! tested their signatures against that.

use serde::{Deserialize, Serialize};

/// `=`, `<`, `>` and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    pub order: Order,
    pub number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    Equal,
    Less,
    More,
}

impl Comparison {
    fn holds(self, count: u32) -> bool {
        match self.order {
            Order::Equal => count == self.number,
            Order::Less => count < self.number,
            Order::More => count > self.number,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expression {
    Sub {
        id: u8,
        comparison: Option<Comparison>,
    },
    Pair {
        and: bool,
        left: Box<Expression>,
        right: Box<Expression>,
        /// On a block: all matches together, and how many different sub-signatures at least (0: any).
        block: Option<(Comparison, u32)>,
    },
}

/// Sub-signatures of one signature.
pub const MOST_SUBS: usize = 64;
const LONGEST: usize = 8192;
const DEEPEST: usize = 200;

impl Expression {
    /// The error is a place and a reason.
    pub fn parse(text: &[u8]) -> Result<Expression, (usize, &'static str)> {
        if text.len() > LONGEST {
            return Err((LONGEST, "the expression is too long"));
        }
        if let Some(at) = text.iter().position(|b| !b"0123456789&|()=<>,".contains(b)) {
            return Err((at, "an expression consists of numbers, & | ( ) = < > and commas"));
        }
        parse(text, 0)
    }

    /// Holds where the sub-signature was found, or (`false`) where it was not.
    pub(super) fn found_or_not(id: u8, found: bool) -> Expression {
        let comparison = (!found).then_some(Comparison { order: Order::Less, number: 1 });
        Expression::Sub { id, comparison }
    }

    /// The highest sub-signature that is named.
    pub fn highest(&self) -> u8 {
        match self {
            Expression::Sub { id, .. } => *id,
            Expression::Pair { left, right, .. } => left.highest().max(right.highest()),
        }
    }

    /// Does it hold for these numbers of matches?
    pub fn holds(&self, counts: &[u32]) -> bool {
        self.evaluate(counts).0
    }

    /// Truth, matches, and which sub-signatures matched.
    fn evaluate(&self, counts: &[u32]) -> (bool, u32, u64) {
        const FALSE: (bool, u32, u64) = (false, 0, 0);
        match self {
            Expression::Sub { id, comparison } => {
                let count = counts.get(usize::from(*id)).copied().unwrap_or(0);
                let holds = comparison.map_or(count > 0, |comparison| comparison.holds(count));
                if holds { (true, count, 1 << (id & 63)) } else { FALSE }
            }
            Expression::Pair { and, left, right, block } => {
                let (l, r) = (left.evaluate(counts), right.evaluate(counts));
                let holds = if *and { l.0 && r.0 } else { l.0 || r.0 };
                let (count, ids) = if holds { (l.1.saturating_add(r.1), l.2 | r.2) } else { (0, 0) };
                match block {
                    None => (holds, count, ids),
                    Some((comparison, different)) => {
                        let enough = *different == 0 || ids.count_ones() >= *different;
                        if comparison.holds(count) && enough { (true, count, 0) } else { FALSE }
                    }
                }
            }
        }
    }

    /// Does it matter how often a sub-signature matches, beyond whether it does?
    pub fn counts(&self) -> bool {
        let more = |c: &Comparison| !(c.number == 0 && c.order != Order::Less);
        match self {
            Expression::Sub { comparison, .. } => comparison.as_ref().is_some_and(more),
            Expression::Pair { left, right, block, .. } => {
                block.as_ref().is_some_and(|(comparison, different)| more(comparison) || *different > 1)
                    || left.counts()
                    || right.counts()
            }
        }
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

fn order(byte: u8) -> Option<Order> {
    match byte {
        b'=' => Some(Order::Equal),
        b'<' => Some(Order::Less),
        b'>' => Some(Order::More),
        _ => None,
    }
}

fn parse(text: &[u8], depth: usize) -> Result<Expression, (usize, &'static str)> {
    if depth > DEEPEST {
        return Err((0, "the expression nests too deeply"));
    }
    let shifted = |by: usize| move |(at, reason): (usize, &'static str)| (at + by, reason);
    let mut open = 0u32;
    // Operators outside of parentheses, and within the first pair.
    let mut outer = None;
    let mut inner = None;
    let mut modifier = None;
    let mut block = None;
    let mut block_end = 0;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'(' => open += 1,
            b')' => open = open.checked_sub(1).ok_or((at, "`)` without `(`"))?,
            byte @ (b'=' | b'<' | b'>') => modifier = order(byte).map(|order| (order, at)),
            byte @ (b'&' | b'|') if open == 0 => {
                outer = Some((byte, at));
                break;
            }
            byte @ (b'&' | b'|') if open == 1 => inner = Some((byte, at)),
            _ => {}
        }
        if inner.is_some() && open == 0 {
            block_end = at;
            block = None;
            if let Some(order) = text.get(at + 1).copied().and_then(order) {
                let rest = &text[at + 2..];
                let first = number(rest).ok_or((at + 1, "a number is missing"))?;
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let second = match rest.get(digits) {
                    Some(b',') => number(&rest[digits + 1..]).unwrap_or(0),
                    _ => 0,
                };
                block = Some((Comparison { order, number: first }, second));
                at += 1 + rest.iter().take_while(|b| b.is_ascii_digit() || **b == b',').count();
            }
            if at + 1 == text.len() {
                break;
            }
            block = None;
        }
        at += 1;
    }
    if outer.is_none() && open > 0 {
        return Err((text.len(), "`(` without `)`"));
    }
    let (operator, place, left, right_end) = match (outer, inner) {
        (Some((operator, place)), _) => {
            if open > 0 {
                return Err((place, "`(` without `)`"));
            }
            (operator, place, 0, text.len())
        }
        (None, Some((operator, place))) => {
            if text.first() != Some(&b'(') || block_end <= place {
                return Err((0, "the expression cannot be understood"));
            }
            (operator, place, 1, block_end)
        }
        (None, None) => {
            if text.first() == Some(&b'(') {
                return parse(&text[1..text.len() - 1], depth + 1).map_err(shifted(1));
            }
            let id = number(text).ok_or((0, "the number of a sub-signature is missing"))?;
            let id = u8::try_from(id).ok().filter(|id| usize::from(*id) < MOST_SUBS);
            let id = id.ok_or((0, "sub-signatures are numbered 0 to 63"))?;
            let comparison = match modifier {
                None => None,
                Some((order, at)) => {
                    let number = number(&text[at + 1..]).ok_or((at, "a number is missing"))?;
                    Some(Comparison { order, number })
                }
            };
            return Ok(Expression::Sub { id, comparison });
        }
    };
    if place == left {
        return Err((place, "nothing stands to the left of the operator"));
    }
    if place + 1 >= right_end {
        return Err((place, "nothing stands to the right of the operator"));
    }
    let (first, second) = (&text[left..place], &text[place + 1..right_end]);
    let left = Box::new(parse(first, depth + 1).map_err(shifted(left))?);
    let right = Box::new(parse(second, depth + 1).map_err(shifted(place + 1))?);
    Ok(Expression::Pair { and: operator == b'&', left, right, block: if outer.is_some() { None } else { block } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What clamscan 1.4.6 answered for these expressions and numbers of matches.
    #[test]
    fn expressions_hold_where_clamav_says_so() {
        let cases: &[(&str, &str)] = &[
            ("(0&1|2)", "001 110 101 011 111 201 120"),
            ("0&1|2", "110 101 111 201 120"),
            ("(0|1&2)", "101 011 111 201"),
            ("0|1&2", "100 110 101 011 111 200 201 120"),
            ("((0|1)&2)", "101 011 111 201"),
            ("(0&1)|2", "001 110 101 011 111 201 120"),
            ("(0)", "100 110 101 111 200 201 120"),
            ("(0&1)>1", "110 111 120"),
            ("(0|1)=0", "001 000"),
            ("((0|1)>1)&2", "111 201"),
            ("(0|1)>1,2|2", "001 110 101 011 111 201 120"),
            ("(0=0|1)>0", "110 011 111 120"),
            ("(0|1)<2", "001 100 101 011 000"),
            ("(0|1|2)=2,2", "110 101 011"),
            ("(0&1&2)>2,3", "111"),
            ("(((0)))", "100 110 101 111 200 201 120"),
            ("((0|1)>2,1|2)", "001 101 011 111 201 120"),
            ("((0|1)=0)&2", "001"),
            ("(0=2)", "200 201"),
        ];
        for (text, holds) in cases {
            let expression = Expression::parse(text.as_bytes()).expect(text);
            for counts in ["001", "100", "110", "101", "011", "000", "111", "200", "201", "120"] {
                let numbers: Vec<u32> = counts.bytes().map(|b| u32::from(b - b'0')).collect();
                assert_eq!(expression.holds(&numbers), holds.split(' ').any(|h| h == counts), "{text} {counts}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "", "()", "(0", "0)", "0&", "&0", "0&&1", "a", "0=", "(0)>1", "(0)=0", "64", "0|(1", "(0|1)>", "(|0)",
            "0;1",
        ] {
            assert!(Expression::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = [b"(".repeat(4000), b"0".to_vec(), b")".repeat(4000)].concat();
        assert!(Expression::parse(&deep).is_err());
    }

    #[test]
    fn counting_is_asked_for_where_it_matters() {
        let counts = |text: &str| Expression::parse(text.as_bytes()).expect(text).counts();
        assert!(!counts("0&1=0|(2&3)=0") && !counts("(0|1)>0"));
        assert!(counts("0>1") && counts("0<1") && counts("(0|1)=2") && counts("(0|1)>0,2"));
    }
}
