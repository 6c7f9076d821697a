//! Everything decided about a message, and why.

/// What a rule saw, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The view's name: `body`, `header:Subject`, `uri`...
    pub view: String,
    /// The bytes that matched, in that view.
    pub matched: Vec<u8>,
    /// Where in the view, bytes.
    pub offset: usize,
}

/// A rule that hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub rule: String,
    pub score: f64,
    pub description: String,
    /// Which area the report names: `BODY: `, `URI: `, `RAW: `, `FULL: ` or nothing.
    pub area: &'static str,
    /// `multiple` rules: how often.
    pub count: u32,
    /// Filled where the caller asked for it only.
    pub evidence: Vec<Evidence>,
    /// Sub-messages such as `[score: 1.0000]`.
    pub notes: Vec<String>,
}

impl Hit {
    /// One hit without evidence, notes or an area.
    pub fn new(rule: impl Into<String>, score: f64, description: impl Into<String>) -> Hit {
        let (rule, description) = (rule.into(), description.into());
        Hit { rule, score, description, area: "", count: 1, evidence: Vec::new(), notes: Vec::new() }
    }
}

/// Why no further rules ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortCircuit {
    /// The rule that ended it; empty where the total score did.
    pub rule: String,
    /// `spam` or `ham`.
    pub kind: &'static str,
}

/// What one recipient gets. Today all get the same; preferences of their own come with the service.
#[derive(Debug, Clone, PartialEq)]
pub struct ForRecipient {
    pub recipient: Vec<u8>,
    pub score: f64,
    pub required: f64,
    pub spam: bool,
}

/// What a signature that hit says about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    Virus,
    /// An attachment that is not taken.
    Banned,
    Phishing,
    /// Counts with its score alone.
    Spam,
    /// It could not be looked at whole: encrypted, or beyond a limit.
    Unchecked,
}

impl Meaning {
    pub fn name(self) -> &'static str {
        match self {
            Meaning::Virus => "virus",
            Meaning::Banned => "banned",
            Meaning::Phishing => "phishing",
            Meaning::Spam => "spam",
            Meaning::Unchecked => "unchecked",
        }
    }
}

/// A signature that hit; its score and evidence are with the [`Hit`] of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// As reported, `.UNOFFICIAL` included.
    pub name: String,
    pub meaning: Meaning,
    /// The file that it is written in; empty for heuristics.
    pub source: String,
}

/// Something that did not go as it should; the verdict stands without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The rule concerned; empty where it is the message as a whole.
    pub rule: String,
    pub what: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Rounded to thousandths.
    pub score: f64,
    pub required: f64,
    pub spam: bool,
    /// Public hits in the order in which they happened.
    pub hits: Vec<Hit>,
    /// `__` rules that hit, with counts, sorted by name.
    pub subtests: Vec<(String, u32)>,
    /// Template tags set by rules and checks, with their values.
    pub tags: Vec<(String, Vec<Vec<u8>>)>,
    /// From `subjprefix`, each prefix followed by a blank.
    pub subject_prefix: String,
    pub shortcircuit: Option<ShortCircuit>,
    /// The score as the learner counts it: without rules that learn or that the user set.
    pub autolearn_points: f64,
    pub troubles: Vec<Trouble>,
    /// What signatures say, the allow-listed left out.
    pub signatures: Vec<Signature>,
    /// What SPF, DKIM, ARC and DMARC found; `None` where nobody was asked.
    pub authentication: Option<std::sync::Arc<crate::Authentication>>,
    /// One for each envelope recipient.
    pub recipients: Vec<ForRecipient>,
}

impl Verdict {
    /// What was found outside the rules counts like a rule; where a rule ended the judgement early, its word stands.
    pub fn add(&mut self, hit: Hit) {
        if self.shortcircuit.is_none() && hit.score != 0.0 {
            self.score = ((self.score + hit.score) * 1000.0).round() / 1000.0;
            self.spam = self.score >= self.required;
        }
        self.hits.push(hit);
    }
}
