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
    /// Which area the report names: `BODY: `, `URI: `, `RAW: `, `HTML: ` or nothing.
    pub area: &'static str,
    /// `multiple` rules: how often.
    pub count: u32,
    pub evidence: Vec<Evidence>,
    /// Sub-messages such as `[score: 1.0000]`.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    pub score: f64,
    pub required: f64,
    pub spam: bool,
    /// Public hits in the order in which they happened.
    pub hits: Vec<Hit>,
    /// `__` rules that hit, with counts, sorted by name.
    pub subtests: Vec<(String, u32)>,
}
