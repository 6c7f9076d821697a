//! What a scan writes to, kept from message to message so that nothing is allocated twice.

use rules::RuleId;

/// The value of every rule for the message at hand. Clearing costs as much as was set.
#[derive(Default)]
pub struct Values {
    values: Vec<f64>,
    ready: Vec<bool>,
    early: Vec<bool>,
    /// What differs from the beginning.
    set: Vec<RuleId>,
}

impl Values {
    pub(crate) fn reset(&mut self, rules: usize) {
        for rule in self.set.drain(..) {
            self.values[rule.index()] = 0.0;
            self.ready[rule.index()] = false;
            self.early[rule.index()] = false;
        }
        self.values.resize(rules, 0.0);
        self.ready.resize(rules, false);
        self.early.resize(rules, false);
    }

    /// How often the rule hit, or what its eval or meta came to; 0 where it did not hit.
    pub fn get(&self, rule: RuleId) -> f64 {
        self.values.get(rule.index()).copied().unwrap_or(0.0)
    }

    pub(crate) fn set(&mut self, rule: RuleId, value: f64) {
        self.set.push(rule);
        self.values[rule.index()] = value;
    }

    /// The rules of which something was set, some more than once.
    pub(crate) fn changed(&self) -> &[RuleId] {
        &self.set
    }

    pub(crate) fn is_ready(&self, rule: RuleId) -> bool {
        self.ready[rule.index()]
    }

    pub(crate) fn is_early(&self, rule: RuleId) -> bool {
        self.early[rule.index()]
    }

    pub(crate) fn set_ready(&mut self, rule: RuleId, early: bool) {
        self.set.push(rule);
        self.ready[rule.index()] = true;
        self.early[rule.index()] = early;
    }
}

/// Nanoseconds spent in each stage, all messages together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Set by whoever parses.
    pub parse: u64,
    pub views: u64,
    pub patterns: u64,
    pub checks: u64,
    pub metas: u64,
    /// Set by whoever walks with signatures.
    pub signatures: u64,
    pub messages: u64,
}

impl Timing {
    pub fn total(&self) -> u64 {
        self.parse + self.views + self.patterns + self.checks + self.metas + self.signatures
    }

    pub fn add(&mut self, other: &Timing) {
        self.parse += other.parse;
        self.views += other.views;
        self.patterns += other.patterns;
        self.checks += other.checks;
        self.metas += other.metas;
        self.signatures += other.signatures;
        self.messages += other.messages;
    }
}

/// Everything mutable in a scan. One per thread.
#[derive(Default)]
pub struct Scratch {
    pub values: Values,
    pub timing: Timing,
    /// Tells nanoseconds; stages are timed where it is set. Handed in, since the engine reads no clock.
    pub clock: Option<fn() -> u64>,
    /// Fill [`mail::Hit::evidence`].
    pub explain: bool,
    /// Of walks with signatures.
    pub signatures: crate::signatures::walk::Scratch,
    pub(crate) patterns: patterns::Scratch,
    pub(crate) found: patterns::Found,
    /// Patterns made of tags.
    pub(crate) instances: Vec<Option<crate::special::Instance>>,
    pub(crate) desk: crate::meta::Desk,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch::default()
    }
}
