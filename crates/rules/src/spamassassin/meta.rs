//! `meta`: text -> expression over rule numbers -> value.

use super::expression::{Node, Operator};
use crate::ruleset::RuleId;
use serde::{Deserialize, Serialize};

/// A compiled expression in postfix order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Expression {
    pub operations: Vec<Operation>,
}

/// Works on a stack of numbers, as Perl would compute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    Number(f64),
    /// How often the rule hit, or the value of its eval or meta.
    Rule(RuleId),
    LocalTestsOnly,
    Not,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Xor,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    /// Top of the stack false: keep it and skip that many operations; true: drop it and go on.
    AndSkip(u32),
    /// Top of the stack true: keep it and skip; false: drop it and go on.
    OrSkip(u32),
    /// Drop the top; where it was false, skip.
    SkipIfFalse(u32),
    Skip(u32),
    /// Put a copy of the top below the number under it: the right side of one comparison is the left side of the next.
    Tuck,
    /// Drop the number under the top.
    Nip,
}

impl Expression {
    /// The value, where `value_of` tells what each rule contributed. `stack` is scratch.
    pub fn evaluate(
        &self,
        local_tests_only: bool,
        stack: &mut Vec<f64>,
        mut value_of: impl FnMut(RuleId) -> f64,
    ) -> f64 {
        stack.clear();
        let mut at = 0;
        while let Some(operation) = self.operations.get(at) {
            at += 1;
            let top = stack.last().copied().unwrap_or(0.0);
            match *operation {
                Operation::Number(number) => stack.push(number),
                Operation::Rule(id) => stack.push(value_of(id)),
                Operation::LocalTestsOnly => stack.push(truth(local_tests_only)),
                Operation::Not => replace_top(stack, truth(top == 0.0)),
                Operation::Negate => replace_top(stack, -top),
                Operation::AndSkip(count) if top == 0.0 => at += count as usize,
                Operation::OrSkip(count) if top != 0.0 => at += count as usize,
                Operation::AndSkip(_) | Operation::OrSkip(_) => {
                    stack.pop();
                }
                Operation::SkipIfFalse(count) => {
                    stack.pop();
                    if top == 0.0 {
                        at += count as usize;
                    }
                }
                Operation::Skip(count) => at += count as usize,
                Operation::Tuck => {
                    let below = stack.len().saturating_sub(2);
                    stack.insert(below, top);
                }
                Operation::Nip => {
                    stack.pop();
                    replace_top(stack, top);
                }
                binary => {
                    stack.pop();
                    let left = stack.last().copied().unwrap_or(0.0);
                    replace_top(stack, compute(binary, left, top));
                }
            }
        }
        stack.last().copied().unwrap_or(0.0)
    }
}

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn replace_top(stack: &mut [f64], value: f64) {
    if let Some(top) = stack.last_mut() {
        *top = value;
    }
}

fn compute(operation: Operation, left: f64, right: f64) -> f64 {
    match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left * right,
        // Perl dies of it, which ends the scan; a rule that does not hit is the kinder answer.
        Operation::Divide => {
            if right == 0.0 {
                0.0
            } else {
                left / right
            }
        }
        Operation::Xor => ((left as i64 as u64) ^ (right as i64 as u64)) as f64,
        Operation::Less => truth(left < right),
        Operation::LessOrEqual => truth(left <= right),
        Operation::Greater => truth(left > right),
        Operation::GreaterOrEqual => truth(left >= right),
        Operation::Equal => truth(left == right),
        Operation::NotEqual => truth(left != right),
        _ => 0.0,
    }
}

/// Replaces every `rules_matching(GLOB)`; the callback gets the glob and the width of the whole call.
pub fn replace_globs(text: &str, mut replace: impl FnMut(&str, usize) -> String) -> String {
    const WORD: &str = "rules_matching(";
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(WORD) {
        let before = rest[..at].chars().next_back();
        let argument = &rest[at + WORD.len()..];
        let glob = argument.split(')').next().unwrap_or_default();
        let closed = argument.len() > glob.len();
        let name = glob.trim();
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '*' | '?'));
        let good = closed
            && starts
            && name.len() <= 128
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'*' | b'?'))
            && !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let end = at + WORD.len() + if good { glob.len() + 1 } else { 0 };
        result.push_str(&rest[..if good { at } else { end }]);
        if good {
            result.push_str(&replace(name, end - at));
        }
        rest = &rest[end..];
    }
    result.push_str(rest);
    result
}

/// Refuses names that no rule can bear, and a division by zero that happens when no rule hits.
pub fn check_constants(node: &Node) -> Result<(), String> {
    constant(node).map(|_| ())
}

fn constant(node: &Node) -> Result<f64, String> {
    Ok(match node {
        Node::Number(number) => *number,
        Node::Name(name) if !super::is_rule_name(name.as_bytes()) => {
            return Err(format!("`{name}` is no rule name"));
        }
        Node::Name(_) | Node::Nothing => 0.0,
        Node::Call(name, _) => return Err(format!("there is no function {name}()")),
        Node::Not(inner) => truth(constant(inner)? == 0.0),
        Node::Negate(inner) => -constant(inner)?,
        Node::Choose(condition, yes, no) => {
            let (condition, yes, no) = (constant(condition)?, constant(yes), constant(no));
            if condition != 0.0 { yes? } else { no? }
        }
        Node::Series(first, links) => {
            let mut left = constant(first)?;
            for (operator, right) in links {
                left = match operator {
                    Operator::And if left == 0.0 => names(right).map(|()| left)?,
                    Operator::Or if left != 0.0 => names(right).map(|()| left)?,
                    Operator::And | Operator::Or => constant(right)?,
                    operator => {
                        let right = constant(right)?;
                        if *operator == Operator::Divide && right == 0.0 {
                            return Err("divides by zero when no rule hits".to_owned());
                        }
                        compute(operation(*operator), left, right)
                    }
                };
            }
            left
        }
        Node::Chain(first, links) => {
            names(first)?;
            for (_, link) in links {
                names(link)?;
            }
            0.0
        }
    })
}

/// Refuses bad names where the value is not computed.
fn names(node: &Node) -> Result<(), String> {
    match constant(node) {
        Err(message) if !message.starts_with("divides") => Err(message),
        _ => Ok(()),
    }
}

fn operation(operator: Operator) -> Operation {
    match operator {
        Operator::Or | Operator::And => Operation::Number(0.0),
        Operator::Xor => Operation::Xor,
        Operator::Equal => Operation::Equal,
        Operator::NotEqual => Operation::NotEqual,
        Operator::Less => Operation::Less,
        Operator::LessOrEqual => Operation::LessOrEqual,
        Operator::Greater => Operation::Greater,
        Operator::GreaterOrEqual => Operation::GreaterOrEqual,
        Operator::Add => Operation::Add,
        Operator::Subtract => Operation::Subtract,
        Operator::Multiply => Operation::Multiply,
        Operator::Divide => Operation::Divide,
    }
}

/// Puts a tree in postfix order; `rule` tells the number of a name, or notes that no rule bears it.
pub fn compile(node: &Node, rule: &mut impl FnMut(&str) -> Option<RuleId>) -> Expression {
    let mut operations = Vec::new();
    emit(node, rule, &mut operations);
    Expression { operations }
}

fn emit(node: &Node, rule: &mut impl FnMut(&str) -> Option<RuleId>, out: &mut Vec<Operation>) {
    match node {
        Node::Number(number) => out.push(Operation::Number(*number)),
        Node::Nothing | Node::Call(..) => out.push(Operation::Number(0.0)),
        Node::Name(name) if name == "local_tests_only" => out.push(Operation::LocalTestsOnly),
        Node::Name(name) => out.push(rule(name).map_or(Operation::Number(0.0), Operation::Rule)),
        Node::Not(inner) => {
            emit(inner, rule, out);
            out.push(Operation::Not);
        }
        Node::Negate(inner) => {
            emit(inner, rule, out);
            out.push(Operation::Negate);
        }
        Node::Series(first, links) => {
            emit(first, rule, out);
            for (operator, right) in links {
                match operator {
                    Operator::And => skip_over(out, Operation::AndSkip, |out| emit(right, rule, out)),
                    Operator::Or => skip_over(out, Operation::OrSkip, |out| emit(right, rule, out)),
                    operator => {
                        emit(right, rule, out);
                        out.push(operation(*operator));
                    }
                }
            }
        }
        Node::Choose(condition, yes, no) => {
            emit(condition, rule, out);
            let branch = out.len();
            out.push(Operation::SkipIfFalse(0));
            emit(yes, rule, out);
            let jump = out.len();
            out.push(Operation::Skip(0));
            out[branch] = Operation::SkipIfFalse((out.len() - branch - 1) as u32);
            emit(no, rule, out);
            out[jump] = Operation::Skip((out.len() - jump - 1) as u32);
        }
        Node::Chain(first, links) => {
            emit(first, rule, out);
            let mut jumps = Vec::new();
            for (index, (operator, right)) in links.iter().enumerate() {
                if index > 0 {
                    jumps.push(out.len());
                    out.push(Operation::AndSkip(0));
                }
                emit(right, rule, out);
                out.push(Operation::Tuck);
                out.push(operation(*operator));
            }
            for jump in jumps {
                out[jump] = Operation::AndSkip((out.len() - jump - 1) as u32);
            }
            out.push(Operation::Nip);
        }
    }
}

fn skip_over(out: &mut Vec<Operation>, make: fn(u32) -> Operation, inner: impl FnOnce(&mut Vec<Operation>)) {
    let jump = out.len();
    out.push(make(0));
    inner(out);
    out[jump] = make((out.len() - jump - 1) as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spamassassin::expression::{self, Calls};

    /// Rules A to Z bear the numbers 0 to 25 and have these values.
    fn value(text: &str, values: &[f64]) -> f64 {
        let node = expression::parse(text, Calls::Forbidden).expect(text);
        let expression = compile(&node, &mut |name| Some(RuleId(u32::from(name.as_bytes()[0] - b'A'))));
        expression.evaluate(true, &mut Vec::new(), |id| values.get(id.index()).copied().unwrap_or(0.0))
    }

    #[test]
    fn values_are_perls() {
        let cases = [
            ("A && B", vec![1.0, 2.0], 2.0),
            ("A && B", vec![0.0, 2.0], 0.0),
            ("A || B", vec![3.0, 2.0], 3.0),
            ("A || B", vec![0.0, 2.0], 2.0),
            ("!A && !B", vec![0.0, 0.0], 1.0),
            ("!A == B", vec![0.0, 1.0], 1.0),
            ("A + B + C > 2", vec![1.0, 1.0, 1.0], 1.0),
            ("(A + B + C) > 2", vec![1.0, 1.0, 0.0], 0.0),
            ("A * 2 - B / 2", vec![3.0, 4.0], 4.0),
            ("A ^ B", vec![1.0, 1.0], 0.0),
            ("A && B || C", vec![1.0, 0.0, 5.0], 5.0),
            ("A ? B : C", vec![1.0, 7.0, 8.0], 7.0),
            ("A ? B : C", vec![0.0, 7.0, 8.0], 8.0),
            ("(A ? B : C) + 1", vec![0.0, 7.0, 8.0], 9.0),
            ("A < B < C", vec![1.0, 2.0, 3.0], 1.0),
            ("A < B < C", vec![1.0, 3.0, 3.0], 0.0),
            ("A < B < C < D", vec![1.0, 2.0, 3.0, 4.0], 1.0),
            ("A < B < C < D", vec![1.0, 1.0, 3.0, 4.0], 0.0),
            ("A + (B == C == D) + A", vec![1.0, 5.0, 5.0, 5.0], 3.0),
            ("A + (A < (B > C > D) + 1 < C) + A", vec![1.0, 9.0, 5.0, 2.0], 3.0),
            ("- A + 3", vec![1.0], 2.0),
            ("local_tests_only && A", vec![1.0], 1.0),
            ("A && (B || (C && !D)) && (E + F >= 2)", vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0], 1.0),
            ("A / B", vec![1.0, 0.0], 0.0),
            ("()", vec![], 0.0),
        ];
        for (text, values, expected) in cases {
            assert_eq!(value(text, &values), expected, "{text}");
        }
    }

    #[test]
    fn a_sum_of_very_many_rules_needs_no_stack() {
        let text = vec!["A"; 300_000].join(" + ");
        assert_eq!(value(&text, &[1.0]), 300_000.0);
        let node = expression::parse(&text, Calls::Forbidden).expect("valid");
        assert!(check_constants(&node).is_ok());
    }

    #[test]
    fn nested_comparisons_are_compiled_once_each() {
        let text = format!("{}A < A < A{}", "A < (".repeat(100), ") < A".repeat(100));
        let node = expression::parse(&text, Calls::Forbidden).expect("valid");
        assert!(compile(&node, &mut |_| None).operations.len() < 2_000);
    }

    #[test]
    fn broken_expressions_are_refused() {
        for text in ["A &&", "A B", "(A", "A)", "A & B", "A -1", "1-2", "A ++ B", "5x", ".5"] {
            assert!(expression::parse(text, Calls::Forbidden).is_err(), "{text}");
        }
        for text in ["A / B", "1 / 0", "A:B"] {
            let node = expression::parse(text, Calls::Forbidden).expect(text);
            assert!(check_constants(&node).is_err(), "{text}");
        }
        let node = expression::parse("A && (B / C)", Calls::Forbidden).expect("valid");
        assert!(check_constants(&node).is_ok());
    }

    #[test]
    fn globs_are_found() {
        let found = replace_globs("rules_matching(A_*) > 2 && xrules_matching(B) + rules_matching( ?C )", |glob, _| {
            format!("<{glob}>")
        });
        assert_eq!(found, "<A_*> > 2 && xrules_matching(B) + <?C>");
    }
}
