//! `meta`: text -> expression over rule numbers -> value.

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
