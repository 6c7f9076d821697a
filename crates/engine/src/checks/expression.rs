//! The little comparisons that rules pass to HTML checks: `!= 0`, `< 512`, `>= 3 + 1`.

/// `VALUE [+-N]... OPERATOR N [+-N]...`, VALUE being what is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    added: f64,
    operator: Operator,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

impl Comparison {
    /// `None` for what Perl would not accept after a number either.
    pub fn parse(text: &str) -> Option<Comparison> {
        let start = text.find(['<', '>', '=', '!'])?;
        let end = text.rfind(['<', '>', '=', '!'])? + 1;
        let operator = match text.get(start..end)? {
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "==" => Operator::Equal,
            "!=" => Operator::Unequal,
            _ => return None,
        };
        let before = text[..start].trim();
        let added = if before.is_empty() { 0.0 } else { sum(before)? };
        Some(Comparison { added, operator, limit: sum(&text[end..])? })
    }

    pub fn holds(&self, value: f64) -> bool {
        let value = value + self.added;
        match self.operator {
            Operator::Less => value < self.limit,
            Operator::LessOrEqual => value <= self.limit,
            Operator::Greater => value > self.limit,
            Operator::GreaterOrEqual => value >= self.limit,
            Operator::Equal => value == self.limit,
            Operator::Unequal => value != self.limit,
        }
    }
}

/// Whole numbers with signs: `3`, `- 2 + 10`.
fn sum(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut sign = 1.0;
    let mut seen = false;
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(['+', '-']) {
            sign *= if rest.starts_with('-') { -1.0 } else { 1.0 };
            rest = tail.trim_start();
            seen = false;
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || seen {
            return None;
        }
        total += sign * rest[..digits].parse::<f64>().ok()?;
        (sign, seen) = (1.0, true);
        rest = rest[digits..].trim_start();
    }
    seen.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        for (text, value, expected) in [
            ("!= 0", 0.0, Some(false)),
            ("!= 0", 2.0, Some(true)),
            ("< 512", 511.0, Some(true)),
            (">= 3 + 1", 4.0, Some(true)),
            ("- 1 > 0", 1.0, Some(false)),
            ("> -1", 0.0, Some(true)),
            ("512", 1.0, None),
            ("< ", 1.0, None),
            ("< 5 > 3", 4.0, None),
            ("", 4.0, None),
        ] {
            assert_eq!(Comparison::parse(text).map(|c| c.holds(value)), expected, "{text}");
        }
    }
}
