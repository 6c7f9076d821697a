//! What rules hit on whole corpora: the log that is written while messages are judged, and the tables made of it.
//!
//! The log has SpamAssassin's form, a line a message: `Y 12 PATH RULE,RULE key=value,...`, so that its tools read it too, and
//! so that a run that was broken off goes on where it ended: a message that stands in the log is not judged again.

use crate::bits::Bits;
use std::collections::{BTreeMap, HashMap};

/// One message of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// It was judged spam.
    pub called_spam: bool,
    pub score: f64,
    pub path: String,
    /// Rules with a score that hit, sorted.
    pub rules: Vec<String>,
    /// The message could not be judged, and is not counted.
    pub failed: bool,
}

impl Line {
    pub fn write(&self) -> String {
        let mark = match (self.failed, self.called_spam) {
            (true, _) => '!',
            (false, true) => 'Y',
            (false, false) => '.',
        };
        // Blanks divide the fields.
        let path: String = self
            .path
            .chars()
            .map(|c| if c.is_whitespace() || c.is_control() || c == '%' { encoded(c) } else { c.to_string() })
            .collect();
        let rules = if self.rules.is_empty() { "none".to_owned() } else { self.rules.join(",") };
        format!("{mark} {:>4} {path} {rules} points={:.3}", self.score.round(), self.score)
    }

    /// `None`: a comment, or a line that was cut short.
    pub fn read(line: &str) -> Option<Line> {
        if line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mark = words.next().filter(|mark| matches!(*mark, "Y" | "." | "!"))?;
        let rough: f64 = words.next()?.parse().ok()?;
        let path = plain(words.next()?);
        let rules = words.next()?;
        // SpamAssassin's own logs lack ours.
        let facts = words.next()?;
        let exact = facts.split(',').find_map(|fact| fact.strip_prefix("points=")).and_then(|score| score.parse().ok());
        let mut rules: Vec<String> =
            rules.split(',').filter(|rule| !rule.is_empty() && *rule != "none").map(str::to_owned).collect();
        rules.sort_unstable();
        rules.dedup();
        Some(Line { called_spam: mark == "Y", failed: mark == "!", score: exact.unwrap_or(rough), path, rules })
    }
}

fn encoded(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn plain(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// All lines of a log; a later one for the same message counts.
pub fn read(text: &str) -> Vec<Line> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines().filter_map(Line::read) {
        match places.get(&line.path) {
            Some(at) => lines[*at] = line,
            None => {
                places.insert(line.path.clone(), lines.len());
                lines.push(line);
            }
        }
    }
    lines
}

/// What the head of a log says of how it was made: `# rules: ...`.
pub fn fact<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines()
        .take_while(|line| line.starts_with('#'))
        .find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "))
}

/// Judged logs of both classes.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    pub spam: Vec<Line>,
    pub ham: Vec<Line>,
}

/// How a rule does.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequency {
    pub rule: String,
    pub spam: usize,
    pub ham: usize,
    /// Of all spam, percent.
    pub spam_percent: f64,
    pub ham_percent: f64,
    /// What the share of spam among its hits would be were there as much ham as spam: 1 hits spam alone.
    pub spam_share: f64,
}

impl Corpus {
    /// Messages that could not be judged are left out.
    pub fn new(spam: Vec<Line>, ham: Vec<Line>) -> Corpus {
        let judged = |lines: Vec<Line>| lines.into_iter().filter(|line| !line.failed).collect();
        Corpus { spam: judged(spam), ham: judged(ham) }
    }

    pub fn is_empty(&self) -> bool {
        self.spam.is_empty() && self.ham.is_empty()
    }

    /// Ham called spam, and spam called ham.
    pub fn wrong(&self) -> (usize, usize) {
        let spam = |line: &&Line| line.called_spam;
        (self.ham.iter().filter(spam).count(), self.spam.len() - self.spam.iter().filter(spam).count())
    }

    /// Every rule that hit, those that hit most spam first.
    pub fn frequencies(&self) -> Vec<Frequency> {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (lines, is_spam) in [(&self.spam, true), (&self.ham, false)] {
            for rule in lines.iter().flat_map(|line| &line.rules) {
                let (spam, ham) = counts.entry(rule).or_default();
                *if is_spam { spam } else { ham } += 1;
            }
        }
        let percent = |part: usize, of: usize| if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 };
        let mut all: Vec<Frequency> = counts
            .into_iter()
            .map(|(rule, (spam, ham))| {
                let (spam_percent, ham_percent) = (percent(spam, self.spam.len()), percent(ham, self.ham.len()));
                let sum = spam_percent + ham_percent;
                Frequency {
                    rule: rule.to_owned(),
                    spam,
                    ham,
                    spam_percent,
                    ham_percent,
                    spam_share: if sum == 0.0 { 0.5 } else { spam_percent / sum },
                }
            })
            .collect();
        all.sort_by(|a, b| b.spam_share.total_cmp(&a.spam_share).then(b.spam.cmp(&a.spam)).then(a.rule.cmp(&b.rule)));
        all
    }

    /// Pairs of rules that mostly hit the same messages, the closest first: what one says the other says again. Only rules
    /// with at least `least` hits.
    pub fn overlaps(&self, least: usize, most: usize) -> Vec<Overlap> {
        let total = self.spam.len() + self.ham.len();
        let mut bits: BTreeMap<&str, Bits> = BTreeMap::new();
        for (at, line) in self.spam.iter().chain(&self.ham).enumerate() {
            for rule in &line.rules {
                bits.entry(rule).or_insert_with(|| Bits::new(total)).set(at);
            }
        }
        bits.retain(|_, bits| bits.count() >= least.max(1));
        let rules: Vec<(&str, Bits)> = bits.into_iter().collect();
        let mut found = Vec::new();
        for (at, (one, one_bits)) in rules.iter().enumerate() {
            for (other, other_bits) in &rules[at + 1..] {
                let (small, large) =
                    (one_bits.count().min(other_bits.count()), one_bits.count().max(other_bits.count()));
                // Fewer than half of the larger: no overlap to speak of, whatever they share.
                if 2 * small < large {
                    continue;
                }
                let both = one_bits.shared(other_bits);
                if 10 * both >= 8 * large {
                    found.push(Overlap {
                        one: (*one).to_owned(),
                        other: (*other).to_owned(),
                        both,
                        one_hits: one_bits.count(),
                        other_hits: other_bits.count(),
                    });
                }
            }
        }
        let closeness = |found: &Overlap| found.both as f64 / (found.one_hits + found.other_hits - found.both) as f64;
        found.sort_by(|a, b| closeness(b).total_cmp(&closeness(a)).then(b.both.cmp(&a.both)).then(a.one.cmp(&b.one)));
        found.truncate(most);
        found
    }
}

/// Two rules that hit the same messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub one: String,
    pub other: String,
    pub both: usize,
    pub one_hits: usize,
    pub other_hits: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, spam: bool, rules: &[&str]) -> Line {
        Line {
            called_spam: spam,
            score: 5.25,
            path: path.into(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            failed: false,
        }
    }

    #[test]
    fn a_log_comes_back_as_it_was() {
        let one = line("/spam/a b%c\n.eml", true, &["A", "B"]);
        let written = one.write();
        assert_eq!(written.split_ascii_whitespace().count(), 5, "{written}");
        assert_eq!(Line::read(&written), Some(one.clone()));
        let none = line("x", false, &[]);
        assert_eq!(Line::read(&none.write()), Some(none.clone()));
        // SpamAssassin's own.
        let theirs = Line::read("Y 12 /x RULE_B,RULE_A time=1,mid=<a@b>,scantime=0").expect("read");
        assert_eq!((theirs.score, theirs.rules.join(" ")), (12.0, "RULE_A RULE_B".into()));
        // What a crash cut short is judged again.
        for length in 0..written.len() - "points=5.250".len() {
            assert_eq!(Line::read(&written[..length]), None, "{}", &written[..length]);
        }
        let log = format!("# rules: abc\n# set: 0\n{written}\n{}\n", line("x", true, &["C"]).write());
        assert_eq!((fact(&log, "rules"), fact(&log, "set"), fact(&log, "x")), (Some("abc"), Some("0"), None));
        assert_eq!(read(&format!("{log}{}\n", none.write())), [one, none]);
    }

    #[test]
    fn rules_are_counted_and_compared() {
        let corpus = Corpus::new(
            vec![line("1", true, &["A", "B"]), line("2", false, &["A", "B", "C"])],
            vec![line("3", false, &["C"]), line("4", true, &[]), Line { failed: true, ..line("5", true, &["A"]) }],
        );
        assert_eq!(corpus.wrong(), (1, 1));
        let all = corpus.frequencies();
        let said: Vec<_> = all.iter().map(|f| (f.rule.as_str(), f.spam, f.ham, f.spam_share)).collect();
        assert_eq!(said, [("A", 2, 0, 1.0), ("B", 2, 0, 1.0), ("C", 1, 1, 0.5)]);
        let pairs = corpus.overlaps(2, 10);
        assert_eq!((pairs.len(), pairs[0].one.as_str(), pairs[0].both), (1, "A", 2));
    }
}
