//! Everything written down, compiled: plain data that can be cached and shared.

use crate::settings::Settings;
use crate::source::{Location, SourceKind};
use crate::spamassassin::meta::Expression;
use bitflags::bitflags;
use patterns::{GroupId, PatternId};
use serde::{Deserialize, Serialize};

/// Index of a rule in [`Ruleset::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleId(pub u32);

impl RuleId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All rules, what they need, and the settings beside them.
#[derive(Serialize, Deserialize)]
pub struct Ruleset {
    /// Sorted by name, so that an index is also an order.
    pub rules: Vec<Rule>,
    pub settings: Settings,
    /// Every pattern of an active rule.
    pub database: patterns::Database,
    /// The group with `GroupId(n)` is matched against `groups[n]`.
    pub groups: Vec<View>,
    /// Whom a pattern serves: `pattern_rules[PatternId]`; several rules where they share pattern, view and count.
    pub pattern_rules: Vec<Vec<RuleId>>,
    /// Metas that can be decided, dependencies first.
    pub metas: Vec<RuleId>,
    /// Active eval rules by (priority, stage, name).
    pub evals: Vec<RuleId>,
    /// Classes named by `loadplugin`/`tryplugin`, without `Mail::SpamAssassin::Plugin::`; sorted.
    pub plugins: Vec<String>,
    /// Sources and included files, in the order read; [`Location::file`] counts here.
    pub files: Vec<(String, SourceKind)>,
    pub statistics: Statistics,
}

impl Default for Ruleset {
    /// No rules at all.
    fn default() -> Ruleset {
        Ruleset {
            rules: Vec::new(),
            settings: Settings::default(),
            database: patterns::Builder::new().build(),
            groups: Vec::new(),
            pattern_rules: Vec::new(),
            metas: Vec::new(),
            evals: Vec::new(),
            plugins: Vec::new(),
            files: Vec::new(),
            statistics: Statistics::default(),
        }
    }
}

impl Ruleset {
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.rules.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok().map(|at| RuleId(at as u32))
    }

    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }

    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.find(name).map(|id| self.rule(id))
    }

    pub fn has_plugin(&self, name: &str) -> bool {
        self.plugins.binary_search_by(|plugin| plugin.as_str().cmp(name)).is_ok()
    }
}

/// One rule with everything said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub name: String,
    pub kind: Kind,
    /// Score sets 0..3: neither network nor Bayes, network, Bayes, both.
    pub scores: [f64; 4],
    /// Whether a `score` line named the rule (else the scores are defaults).
    pub scored: bool,
    pub description: Option<String>,
    pub tflags: TestFlags,
    /// As SpamAssassin orders its runs: captures -10000, network -100, else 0 unless `priority` says so.
    pub priority: i32,
    pub shortcircuit: Option<Shortcircuit>,
    /// Put before the Subject of the message when the rule hits.
    pub subject_prefix: Option<String>,
    /// Runs with the score set and the options of this load: has a score there, and is not left out as a network or
    /// learning rule. An inactive rule counts 0 in metas.
    pub active: bool,
    pub location: Location,
    /// Where an earlier definition of the same name stands that this one replaced.
    pub replaced: Option<Location>,
    /// Made of a line in a user's file.
    pub from_user: bool,
    /// Conditions around the definition, outermost first, as written.
    pub conditions: Vec<String>,
}

impl Rule {
    /// `__NAME`: counts in metas, is never scored or reported.
    pub fn is_sub_rule(&self) -> bool {
        self.name.starts_with("__")
    }

    /// The score in one of the four sets.
    pub fn score(&self, set: ScoreSet) -> f64 {
        self.scores[set.index()]
    }
}

/// Which of the four scores counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct ScoreSet {
    pub network: bool,
    pub bayes: bool,
}

impl ScoreSet {
    pub fn index(self) -> usize {
        usize::from(self.network) + 2 * usize::from(self.bayes)
    }
}

/// What a rule looks at, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// `header NAME Subject =~ /re/`.
    Header(HeaderTest),
    /// `header NAME exists:Subject`: the name as written after `exists:`.
    HeaderExists {
        header: String,
    },
    Body(Pattern),
    RawBody(Pattern),
    Full(Pattern),
    Uri(Pattern),
    /// Ours: the text that a reader sees.
    Text(Pattern),
    /// All conditions must hold for one and the same link.
    UriDetail(Vec<UriCondition>),
    MimeHeader(MimeHeaderTest),
    Meta(Meta),
    Eval(Eval),
    /// DNS questions made of a template; network only.
    AskDns(AskDns),
    /// Declared (`reuse`, or scored from outside) but tests nothing.
    Empty,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeaderTest {
    /// `From:addr`, as [`mail::views::header::HeaderRequest::parse`] reads it.
    pub header: String,
    pub pattern: Pattern,
    /// `!~`: hits where the pattern does not match.
    pub negated: bool,
    /// `[if-unset: ...]`: matched in place of a missing header.
    pub if_unset: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MimeHeaderTest {
    /// Without `:raw`. `ALL` is the part's whole header block.
    pub header: String,
    pub raw: bool,
    pub pattern: Pattern,
    pub negated: bool,
    /// Matched where a part has no such header; empty unless `[if-unset: ...]` says otherwise.
    pub if_unset: Vec<u8>,
    /// `tflags range=`: first and last part looked at, the whole message being part 1.
    pub range: (u32, u32),
    /// `tflags concat`: the parts' values as one text.
    pub concat: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UriCondition {
    pub key: UriKey,
    pub negated: bool,
    pub pattern: Pattern,
}

/// What of a link a `uri_detail` condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UriKey {
    Raw,
    Type,
    Cleaned,
    Text,
    Domain,
    Host,
}

/// A regular expression as the rule wrote it, and where it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// With delimiters and flags, before `replace_rules`.
    pub written: Vec<u8>,
    /// Where the body stands in `written`.
    pub body: (u32, u32),
    pub flags: patterns::Flags,
    /// The body as compiled, where `replace_rules` changed it.
    pub expanded: Option<Vec<u8>>,
    /// In the database; `None` for inactive rules, and for templates, which are compiled per message.
    pub id: Option<PatternId>,
    /// `%{TAG}`s in it: see [`Pattern::instantiate`].
    pub templates: Vec<String>,
    /// Named groups `(?<TAG>...)` that become tags of the message.
    pub captures: Vec<String>,
}

impl Pattern {
    /// What is matched, without delimiters.
    pub fn body(&self) -> &[u8] {
        let (start, end) = self.body;
        self.expanded.as_deref().or_else(|| self.written.get(start as usize..end as usize)).unwrap_or_default()
    }

    /// The body with every `%{TAG}` replaced by its values, quoted, as alternatives. `None` where a tag has no value:
    /// then the rule cannot hit.
    pub fn instantiate(&self, values: impl Fn(&str) -> Vec<Vec<u8>>) -> Option<Vec<u8>> {
        let missing = std::cell::Cell::new(false);
        let body = crate::spamassassin::regex::substitute(self.body(), |tag| {
            let mut alternatives = Vec::from(b"(?:".as_slice());
            let mut count = 0;
            for value in values(tag).into_iter().filter(|value| !value.is_empty()) {
                if count > 0 {
                    alternatives.push(b'|');
                }
                count += 1;
                for byte in value {
                    if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80) {
                        alternatives.push(b'\\');
                    }
                    alternatives.push(byte);
                }
            }
            missing.set(missing.get() || count == 0);
            alternatives.push(b')');
            alternatives
        });
        (!missing.get()).then_some(body)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// As written.
    pub text: String,
    pub expression: Expression,
    /// Every rule named, once each, in order of appearance (`rules_matching` expanded).
    pub dependencies: Vec<RuleId>,
    /// Names in it that no rule bears: they count as 0.
    pub undefined: Vec<String>,
    /// `meta NAME ()`: only declared, hit from outside.
    pub external: bool,
    /// Never decided: part of a cycle, or depends on a meta that never runs. SpamAssassin leaves such metas unhit.
    pub undecidable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    pub stage: Stage,
    pub function: String,
    pub arguments: Vec<String>,
    /// The catalog knows the function. Where not, the rule never hits and loading reported it.
    pub known: bool,
}

/// Under which rule type an eval was declared: decides when it runs and which area the report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    Header,
    Body,
    RawBody,
    Full,
    /// `header X eval:check_rbl*`/`check_dns*`: asked before everything else, answers come late.
    Rbl,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskDns {
    /// With `_TAGS_`.
    pub query: String,
    pub record_type: String,
    /// Empty: any answer hits.
    pub subtest: String,
}

/// The text that a group of patterns is matched against.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum View {
    /// The value of one header request, such as `From:addr`; a missing header is matched as an empty text.
    Header(String),
    /// As `Header`, with this text where the header is missing.
    HeaderOr(String, Vec<u8>),
    /// Patterns of `tflags nosubject` do not look at its first unit.
    Body,
    RawBody,
    Full,
    Uri,
    Text,
    /// One header of each MIME part (name, raw).
    MimeHeader(String, bool),
    UriDetail(UriKey),
}

impl View {
    /// `GroupId` of a view within a ruleset.
    pub fn group(self, ruleset: &Ruleset) -> Option<GroupId> {
        ruleset.groups.iter().position(|view| *view == self).map(|at| GroupId(at as u32))
    }
}

/// `shortcircuit NAME ham|spam|on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shortcircuit {
    Ham,
    Spam,
    On,
}

bitflags! {
    /// `tflags` words without a value.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct Flags: u32 {
        const NET = 1 << 0;
        const NICE = 1 << 1;
        const USERCONF = 1 << 2;
        const LEARN = 1 << 3;
        const NOAUTOLEARN = 1 << 4;
        const AUTOLEARN_FORCE = 1 << 5;
        const AUTOLEARN_HEADER = 1 << 6;
        const AUTOLEARN_BODY = 1 << 7;
        const NOAWL = 1 << 8;
        const MULTIPLE = 1 << 9;
        const NOSUBJECT = 1 << 10;
        const IPS_ONLY = 1 << 11;
        const DOMAINS_ONLY = 1 << 12;
        const NS = 1 << 13;
        const A = 1 << 14;
        const NOTRIM = 1 << 15;
        const NOLOG = 1 << 16;
        const CONCAT = 1 << 17;
        const PUBLISH = 1 << 18;
        const NOPUBLISH = 1 << 19;
    }
}

/// `tflags NAME ...`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TestFlags {
    /// As written, with `net` added where a meta inherits it.
    pub text: String,
    pub flags: Flags,
    /// `maxhits=N`.
    pub max_hits: Option<u32>,
}

impl TestFlags {
    pub fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }
}

/// How many of what were loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    pub header: u32,
    pub body: u32,
    pub rawbody: u32,
    pub full: u32,
    pub uri: u32,
    pub uri_detail: u32,
    pub text: u32,
    pub mimeheader: u32,
    pub meta: u32,
    pub header_eval: u32,
    pub body_eval: u32,
    pub rawbody_eval: u32,
    pub full_eval: u32,
    pub rbl_eval: u32,
    pub askdns: u32,
    pub empty: u32,
    pub sub_rules: u32,
    pub active: u32,
    /// Different patterns in the database.
    pub patterns: u32,
}

impl Statistics {
    pub fn total(&self) -> u32 {
        self.header
            + self.body
            + self.rawbody
            + self.full
            + self.uri
            + self.uri_detail
            + self.text
            + self.mimeheader
            + self.meta
            + self.header_eval
            + self.body_eval
            + self.rawbody_eval
            + self.full_eval
            + self.rbl_eval
            + self.askdns
            + self.empty
    }
}
