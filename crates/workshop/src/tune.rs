//! New scores for rules, from what they hit.
//!
//! In: messages of both classes with the rules that hit, and the scores in force. Out: scores with which fewer messages are
//! judged wrongly, and a proof of it by cross-validation. Logistic regression around the old scores: the sum of scores less
//! `required_score` is the log-odds of spam, and every point that a score moves away from where it was has a price, so that
//! only rules with evidence move, and not far. No score changes its sign or leaves its bounds. How much a false positive
//! weighs against a false negative is chosen by cross-validation within the training part, never with the test part.

/// A rule that may be tuned.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub rule: String,
    pub old: f64,
    /// Stays as it is.
    pub locked: bool,
}

/// A message: which rules hit, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub spam: bool,
    pub rules: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub required: f64,
    /// No score moves further, points; what is no number moves none.
    pub most: f64,
    pub folds: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { required: 5.0, most: 1.5, folds: 10 }
    }
}

/// Judged wrongly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Ham called spam.
    pub ham: usize,
    /// Spam called ham.
    pub spam: usize,
}

impl Wrong {
    fn add(&mut self, other: Wrong) {
        self.ham += other.ham;
        self.spam += other.spam;
    }
}

/// What tuning came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// In the order of the rules; those that moved in thousandths.
    pub scores: Vec<f64>,
    pub ham: usize,
    pub spam: usize,
    /// On all messages with the old scores.
    pub before: Wrong,
    /// By cross-validation: each message with scores that were tuned without it.
    pub after: Wrong,
    /// For each part of the cross-validation, before and after.
    pub parts: Vec<(Wrong, Wrong)>,
    /// On all messages with the new scores: what they have seen already.
    pub seen: Wrong,
    pub weight: f64,
    pub price: f64,
}

/// How much more a ham message weighs, and what a point of change costs.
const WEIGHTS: [f64; 5] = [2.0, 5.0, 10.0, 20.0, 40.0];
const PRICES: [f64; 2] = [1.0, 10.0];
/// A point of score in log-odds.
const STEEPNESS: f64 = 1.5;
const ROUNDS: usize = 150;
const INNER_FOLDS: usize = 3;

/// Tunes and proves. `messages` in any order that does not depend on their content: parts are taken by turns of each class.
pub fn tune(rules: &[Score], messages: &[Message], options: &Options, progress: &mut dyn FnMut(usize, usize)) -> Tuned {
    let all: Vec<usize> = (0..messages.len()).collect();
    let part = parts(messages, &all, options.folds.max(2));
    let folds = options.folds.max(2);
    let old: Vec<f64> = rules.iter().map(|rule| rule.old).collect();
    let mut after = Wrong::default();
    let mut each = Vec::new();
    for fold in 0..folds {
        progress(fold, folds + 1);
        let (test, train): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| part[**at] == fold);
        let (weight, price) = choose(rules, messages, &train, options);
        let scores = rounded(rules, fit(rules, messages, &train, weight, price, options));
        let now = wrong(messages, &test, &scores, options.required);
        each.push((wrong(messages, &test, &old, options.required), now));
        after.add(now);
    }
    progress(folds, folds + 1);
    let (weight, price) = choose(rules, messages, &all, options);
    let scores = rounded(rules, fit(rules, messages, &all, weight, price, options));
    Tuned {
        ham: messages.iter().filter(|message| !message.spam).count(),
        spam: messages.iter().filter(|message| message.spam).count(),
        before: wrong(messages, &all, &old, options.required),
        after,
        parts: each,
        seen: wrong(messages, &all, &scores, options.required),
        scores,
        weight,
        price,
    }
}

/// By turns, each class for itself; by a message's index in `messages`.
fn parts(messages: &[Message], which: &[usize], folds: usize) -> Vec<usize> {
    let mut part = vec![usize::MAX; messages.len()];
    let mut next = [0, 0];
    for at in which {
        let class = usize::from(messages[*at].spam);
        part[*at] = next[class] % folds;
        next[class] += 1;
    }
    part
}

/// The weight and price that do best by cross-validation within `train`: fewer of both kinds of mistakes than the old scores
/// make, a false positive counting ten times.
fn choose(rules: &[Score], messages: &[Message], train: &[usize], options: &Options) -> (f64, f64) {
    let part = parts(messages, train, INNER_FOLDS);
    let old: Vec<f64> = rules.iter().map(|rule| rule.old).collect();
    let before = wrong(messages, train, &old, options.required);
    let mut best: Option<(bool, usize, f64, f64)> = None;
    for price in PRICES {
        for weight in WEIGHTS {
            let mut sum = Wrong::default();
            for fold in 0..INNER_FOLDS {
                let (test, rest): (Vec<usize>, Vec<usize>) = train.iter().partition(|at| part[**at] == fold);
                let scores = fit(rules, messages, &rest, weight, price, options);
                sum.add(wrong(messages, &test, &scores, options.required));
            }
            let worse = sum.ham > before.ham.saturating_sub(before.ham.div_ceil(5)) || sum.spam > before.spam;
            let cost = 10 * sum.ham + sum.spam;
            if best.is_none_or(|(then_worse, then_cost, ..)| (worse, cost) < (then_worse, then_cost)) {
                best = Some((worse, cost, weight, price));
            }
        }
    }
    best.map_or((WEIGHTS[0], PRICES[0]), |(.., weight, price)| (weight, price))
}

/// How far a rule's score may go.
fn bounds(rule: &Score, most: f64) -> (f64, f64) {
    match rule.old {
        old if rule.locked || old == 0.0 => (old, old),
        old if old > 0.0 => ((old - most).max(old.min(0.001)), old + most),
        old => (old - most, (old + most).min(old.max(-0.001))),
    }
}

/// Minimises the weighted logistic loss and the price of changes, within the bounds: accelerated steps along the gradient,
/// each rule with a step of its own length, cut at the bounds.
fn fit(rules: &[Score], messages: &[Message], which: &[usize], weight: f64, price: f64, options: &Options) -> Vec<f64> {
    let old: Vec<f64> = rules.iter().map(|rule| rule.old).collect();
    let most = if options.most.is_finite() { options.most.max(0.0) } else { 0.0 };
    let limits: Vec<(f64, f64)> = rules.iter().map(|rule| bounds(rule, most)).collect();
    let mut curve = vec![2.0 * price; rules.len()];
    let weigh = |message: &Message| if message.spam { 1.0 } else { weight };
    for at in which {
        let message = &messages[*at];
        let bend = STEEPNESS * STEEPNESS / 4.0 * weigh(message) * message.rules.len() as f64;
        message.rules.iter().for_each(|rule| curve[*rule as usize] += bend);
    }
    let mut scores = old.clone();
    let mut ahead = scores.clone();
    let mut pace = 1.0f64;
    let mut slope = vec![0.0; rules.len()];
    for _ in 0..ROUNDS {
        for (slope, (score, old)) in slope.iter_mut().zip(ahead.iter().zip(&old)) {
            *slope = 2.0 * price * (score - old);
        }
        for at in which {
            let message = &messages[*at];
            let sum: f64 = message.rules.iter().map(|rule| ahead[*rule as usize]).sum();
            let odds = STEEPNESS * (sum - options.required);
            let believed = 1.0 / (1.0 + (-odds).exp());
            let step = STEEPNESS * weigh(message) * (believed - f64::from(u8::from(message.spam)));
            message.rules.iter().for_each(|rule| slope[*rule as usize] += step);
        }
        let next_pace = (1.0 + (1.0 + 4.0 * pace * pace).sqrt()) / 2.0;
        let lead = (pace - 1.0) / next_pace;
        pace = next_pace;
        for rule in 0..rules.len() {
            let (low, high) = limits[rule];
            let next = (ahead[rule] - slope[rule] / curve[rule]).clamp(low, high);
            ahead[rule] = next + lead * (next - scores[rule]);
            scores[rule] = next;
        }
    }
    scores
}

/// To thousandths, what moved.
fn rounded(rules: &[Score], scores: Vec<f64>) -> Vec<f64> {
    let round = |(rule, score): (&Score, f64)| {
        let rounded = (score * 1000.0).round() / 1000.0;
        // A rule that scores nothing would not run.
        if score == rule.old || rounded == 0.0 { score } else { rounded }
    };
    rules.iter().zip(scores).map(round).collect()
}

fn wrong(messages: &[Message], which: &[usize], scores: &[f64], required: f64) -> Wrong {
    let mut wrong = Wrong::default();
    for at in which {
        let message = &messages[*at];
        let sum: f64 = message.rules.iter().map(|rule| scores[*rule as usize]).sum();
        // As verdicts are: rounded to thousandths.
        let spam = (sum * 1000.0).round() / 1000.0 >= required;
        wrong.ham += usize::from(spam && !message.spam);
        wrong.spam += usize::from(!spam && message.spam);
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A corpus in which rule 0 is right, rule 1 hits ham as well, rule 2 hits ham alone.
    fn messages() -> Vec<Message> {
        let mut all = Vec::new();
        for number in 0..400u32 {
            let spam = number % 2 == 0;
            let mut rules = Vec::new();
            if spam {
                rules.push(0);
            }
            if number % 3 != 0 {
                rules.push(1);
            }
            if !spam && number % 5 < 2 {
                rules.push(2);
            }
            all.push(Message { spam, rules });
        }
        all
    }

    fn rules(scores: [f64; 4]) -> Vec<Score> {
        scores.iter().enumerate().map(|(at, old)| Score { rule: format!("R{at}"), old: *old, locked: false }).collect()
    }

    #[test]
    fn both_kinds_of_mistakes_become_fewer_and_bounds_hold() {
        let rules = rules([4.6, 4.4, 1.0, 2.0]);
        let tuned = tune(&rules, &messages(), &Options::default(), &mut |_, _| {});
        assert!(tuned.before.ham > 0 && tuned.before.spam > 0, "{:?}", tuned.before);
        assert!(tuned.after.ham < tuned.before.ham && tuned.after.spam < tuned.before.spam, "{tuned:?}");
        for (rule, score) in rules.iter().zip(&tuned.scores) {
            assert!(
                (score - rule.old).abs() <= 1.5 + 1e-9 && score.signum() == rule.old.signum(),
                "{} {score}",
                rule.rule
            );
        }
        // Nothing hit it, so nothing speaks for another score.
        assert_eq!(tuned.scores[3], 2.0);
    }

    #[test]
    fn what_is_locked_or_without_score_stays() {
        let mut rules = rules([4.6, 0.0, -1.0, 2.0]);
        rules[0].locked = true;
        let tuned = tune(&rules, &messages(), &Options::default(), &mut |_, _| {});
        assert_eq!((tuned.scores[0], tuned.scores[1]), (4.6, 0.0));
        assert!(tuned.scores[2] < 0.0);
        // Nor does it move by rounding.
        rules[0].old = 4.600_4;
        assert_eq!(tune(&rules, &messages(), &Options::default(), &mut |_, _| {}).scores[0], 4.600_4);
    }

    #[test]
    fn odd_bounds_are_no_trouble() {
        for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = Options { most, ..Options::default() };
            let rules = rules([0.000_4, 4.4, -0.000_4, 2.0]);
            let tuned = tune(&rules, &messages(), &options, &mut |_, _| {});
            assert_eq!(tuned.scores, [0.000_4, 4.4, -0.000_4, 2.0], "{most}");
        }
        let tuned = tune(&rules([0.000_4, 4.4, -0.000_4, 2.0]), &messages(), &Options::default(), &mut |_, _| {});
        assert!(tuned.scores[0] > 0.0 && tuned.scores[2] < 0.0, "{tuned:?}");
    }

    #[test]
    fn nothing_to_learn_from_is_no_trouble() {
        let tuned = tune(&rules([1.0; 4]), &[], &Options::default(), &mut |_, _| {});
        assert_eq!((tuned.scores, tuned.ham), (vec![1.0; 4], 0));
    }
}
