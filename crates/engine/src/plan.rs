//! What runs, in which order, worked out once from a ruleset so that a scan only follows it.

use crate::check::{CheckEntry, Kinds};
use crate::checks::dnsbl::Lists;
use crate::checks::{ASKDNS, ASN_LOOKUP, AUTHENTICATION, CHECKS};
use crate::meta::Metas;
use crate::score::area;
use mail::views::{HeaderRequest, HeaderRequestId, HeaderRequests};
use patterns::{GroupId, PatternId};
use rules::{Flags, Kind, MimeHeaderTest, RuleId, Ruleset, Stage, View};

/// Where in SpamAssassin's order a rule hits: priority, kind of test, then the rule's place in the ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    fn new(priority: i64, step: u64, index: usize) -> Rank {
        let priority = (priority + (1 << 30)).clamp(0, (1 << 32) - 1) as u64;
        Rank(priority << 32 | step << 24 | (index as u64 & 0xff_ffff))
    }

    /// Rules of one phase run to the end even when one of them ends the scan.
    pub fn phase(self) -> u64 {
        self.0 >> 24
    }

    fn priority(self) -> i64 {
        (self.0 >> 32) as i64 - (1 << 30)
    }
}

/// The text of one group of patterns.
pub(crate) struct GroupPlan {
    pub group: GroupId,
    pub text: GroupText,
}

pub(crate) enum GroupText {
    Header {
        request: HeaderRequestId,
        /// What is matched where the header is missing.
        unset: Vec<u8>,
        /// The patterns that match [`GroupText::Header::unset`], with counts: no need to try each time.
        when_unset: Vec<(PatternId, u32)>,
    },
    Body,
    RawBody,
    Full,
    Uri,
    Text,
    MimeHeader {
        name: String,
        raw: bool,
    },
}

/// `exists:Name`.
pub(crate) struct Existence {
    pub rule: RuleId,
    pub request: HeaderRequestId,
}

pub(crate) struct PlannedEval {
    /// `None`: sets tags, and is no rule's.
    pub rule: Option<RuleId>,
    pub kind: Kinds,
    /// Of what is no eval by name; an eval's are with its rule.
    pub arguments: Vec<crate::check::Arg>,
    pub run: &'static CheckEntry,
}

/// See the fields.
pub(crate) struct Plan {
    pub groups: Vec<GroupPlan>,
    /// By [`PatternId`]: the rules that hit when it matches are `targets[starts[i]..starts[i + 1]]`.
    pub target_starts: Vec<u32>,
    pub targets: Vec<RuleId>,
    pub existences: Vec<Existence>,
    /// `header X Y !~ /re/`.
    pub negated: Vec<(RuleId, PatternId)>,
    /// `mimeheader` rules that look at parts in a way of their own.
    pub mime_headers: Vec<RuleId>,
    pub uri_details: Vec<RuleId>,
    /// Rules whose pattern has named groups that become tags.
    pub captures: Vec<RuleId>,
    /// Rules whose pattern is made anew for each message from tags.
    pub templates: Vec<RuleId>,
    pub evals: Vec<PlannedEval>,
    pub lists: Lists,
    pub metas: Metas,
    /// By [`RuleId`].
    pub ranks: Vec<Rank>,
    pub areas: Vec<&'static str>,
    /// Some rule or score ends a scan early.
    pub shortcircuits: bool,
}

impl Plan {
    pub fn new(ruleset: &Ruleset, local_only: bool, requests: &mut HeaderRequests) -> Plan {
        let active = || {
            let all = ruleset.rules.iter().enumerate().filter(|(_, rule)| rule.active);
            all.map(|(i, rule)| (RuleId(i as u32), rule))
        };
        let settings = &ruleset.settings;
        let mut plan = Plan {
            groups: Vec::new(),
            target_starts: Vec::new(),
            targets: Vec::new(),
            existences: Vec::new(),
            negated: Vec::new(),
            mime_headers: Vec::new(),
            uri_details: Vec::new(),
            captures: Vec::new(),
            templates: Vec::new(),
            evals: Vec::new(),
            lists: Lists::default(),
            metas: Metas::new(ruleset, local_only),
            ranks: Vec::new(),
            areas: ruleset.rules.iter().map(|rule| area(&rule.kind)).collect(),
            shortcircuits: settings.shortcircuit_min_ham_score.is_some()
                || settings.shortcircuit_max_spam_score.is_some()
                || active().any(|(_, rule)| rule.shortcircuit.is_some()),
        };

        let mut direct: Vec<(PatternId, RuleId)> = Vec::new();
        for (id, rule) in active() {
            let pattern = match &rule.kind {
                Kind::Header(test) => {
                    if let (true, Some(pattern)) = (test.negated, test.pattern.id) {
                        plan.negated.push((id, pattern));
                        continue;
                    }
                    &test.pattern
                }
                Kind::HeaderExists { header } => {
                    let request = requests.intern(HeaderRequest::parse(header));
                    plan.existences.push(Existence { rule: id, request });
                    continue;
                }
                Kind::MimeHeader(test) => {
                    if !is_plain(test) || rule.tflags.has(Flags::MULTIPLE) {
                        plan.mime_headers.push(id);
                        continue;
                    }
                    &test.pattern
                }
                Kind::UriDetail(_) => {
                    plan.uri_details.push(id);
                    continue;
                }
                Kind::Eval(eval) => {
                    if let Some(check) = check(&eval.function) {
                        let kind = match eval.stage {
                            Stage::Header | Stage::Rbl => Kinds::Header,
                            Stage::Body => Kinds::Body,
                            Stage::RawBody => Kinds::RawBody,
                            Stage::Full => Kinds::Full,
                        };
                        if check.plugin == "DNSEval" {
                            plan.lists.add(&eval.function, &eval.arguments, rule.tflags.flags);
                        }
                        plan.evals.push(PlannedEval { rule: Some(id), kind, arguments: Vec::new(), run: check });
                    }
                    continue;
                }
                Kind::Body(pattern) | Kind::RawBody(pattern) | Kind::Full(pattern) => pattern,
                Kind::Uri(pattern) | Kind::Text(pattern) => pattern,
                Kind::AskDns(ask) => {
                    let arguments = vec![ask.query.clone(), ask.record_type.clone(), ask.subtest.clone()];
                    plan.evals.push(PlannedEval { rule: Some(id), kind: Kinds::Header, arguments, run: &ASKDNS });
                    continue;
                }
                Kind::Meta(_) | Kind::Empty => continue,
            };
            if !pattern.templates.is_empty() {
                plan.templates.push(id);
            } else if let Some(pattern) = pattern.id {
                direct.push((pattern, id));
            }
            if !pattern.captures.is_empty() {
                plan.captures.push(id);
            }
        }
        let asn = ["asn_lookup", "asn_lookup_ipv6"].iter().any(|zones| settings.other(zones).is_some());
        if asn && !local_only {
            plan.evals.push(PlannedEval { rule: None, kind: Kinds::Header, arguments: Vec::new(), run: &ASN_LOOKUP });
        }
        if !local_only && ["SPF", "DKIM", "DMARC"].iter().any(|plugin| ruleset.has_plugin(plugin)) {
            let run = &AUTHENTICATION;
            plan.evals.push(PlannedEval { rule: None, kind: Kinds::Header, arguments: Vec::new(), run });
        }
        plan.set_targets(direct, ruleset.pattern_rules.len());
        plan.groups = ruleset
            .groups
            .iter()
            .enumerate()
            .filter_map(|(i, view)| {
                let text = match view {
                    View::Header(name) => header_text(name, &[], requests),
                    View::HeaderOr(name, unset) => header_text(name, unset, requests),
                    View::Body => GroupText::Body,
                    View::RawBody => GroupText::RawBody,
                    View::Full => GroupText::Full,
                    View::Uri => GroupText::Uri,
                    View::Text => GroupText::Text,
                    View::MimeHeader(name, raw) => GroupText::MimeHeader { name: name.clone(), raw: *raw },
                    View::UriDetail(_) => return None,
                };
                Some(GroupPlan { group: GroupId(i as u32), text })
            })
            .collect();
        plan.rank(ruleset);
        plan
    }

    pub fn targets_of(&self, pattern: PatternId) -> &[RuleId] {
        let at = pattern.0 as usize;
        match (self.target_starts.get(at), self.target_starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.targets[start as usize..end as usize],
            _ => &[],
        }
    }

    fn set_targets(&mut self, mut direct: Vec<(PatternId, RuleId)>, patterns: usize) {
        direct.sort_unstable();
        let patterns = patterns.max(direct.last().map_or(0, |(last, _)| last.0 as usize + 1));
        let mut next = direct.into_iter().peekable();
        for pattern in 0..patterns {
            self.target_starts.push(self.targets.len() as u32);
            while let Some((_, rule)) = next.next_if(|(id, _)| id.0 as usize == pattern) {
                self.targets.push(rule);
            }
        }
        self.target_starts.push(self.targets.len() as u32);
    }

    fn rank(&mut self, ruleset: &Ruleset) {
        let last = i64::from(i32::MAX) >> 1;
        self.ranks = ruleset
            .rules
            .iter()
            .enumerate()
            .map(|(i, rule)| {
                let priority = match rule.kind {
                    Kind::Meta(_) => last,
                    _ => i64::from(rule.priority),
                };
                Rank::new(priority.clamp(-(1 << 30), last), step(&rule.kind), i)
            })
            .collect();
        // A meta hits as soon as the last rule that it needs has run; at the end, if one of them never runs.
        for (position, meta) in self.metas.steps.iter().enumerate() {
            let Kind::Meta(definition) = &ruleset.rule(meta.rule).kind else { continue };
            let complete = definition.undefined.is_empty() && !definition.external;
            let runs = |id: &RuleId| ruleset.rule(*id).active || matches!(ruleset.rule(*id).kind, Kind::Meta(_));
            let priority = match complete && definition.dependencies.iter().all(runs) {
                true => definition.dependencies.iter().map(|id| self.ranks[id.index()].priority()).max(),
                false => None,
            };
            self.ranks[meta.rule.index()] = Rank::new(priority.unwrap_or(last), 9, position);
        }
    }
}

/// The order of tests within a priority.
fn step(kind: &Kind) -> u64 {
    match kind {
        Kind::Header(_) | Kind::HeaderExists { .. } => 0,
        Kind::Eval(eval) => match eval.stage {
            Stage::Header | Stage::Rbl => 1,
            Stage::Body => 4,
            Stage::RawBody => 6,
            Stage::Full => 8,
        },
        Kind::Body(_) | Kind::Text(_) => 2,
        Kind::Uri(_) => 3,
        Kind::UriDetail(_) | Kind::MimeHeader(_) => 4,
        Kind::RawBody(_) => 5,
        Kind::Full(_) => 7,
        Kind::Meta(_) | Kind::AskDns(_) | Kind::Empty => 9,
    }
}

fn header_text(name: &str, unset: &[u8], requests: &mut HeaderRequests) -> GroupText {
    GroupText::Header {
        request: requests.intern(HeaderRequest::parse(name)),
        unset: unset.to_vec(),
        when_unset: Vec::new(),
    }
}

/// Looks at all parts one by one, the first match decides.
fn is_plain(test: &MimeHeaderTest) -> bool {
    !test.negated && !test.concat && test.if_unset.is_empty() && test.range.0 <= 1 && test.range.1 >= 1000
}

/// A check by the name that rules use.
pub(crate) fn check(name: &str) -> Option<&'static CheckEntry> {
    CHECKS.binary_search_by(|entry| entry.name.cmp(name)).ok().map(|at| &CHECKS[at])
}
