//! A pure function: (ruleset, transaction, answers) -> questions or verdict.
//!
//! An [`Engine`] is made once of a ruleset and shared; a [`Scan`] judges one message with a [`Scratch`] of its own thread;
//! [`judge`] is the short way where no questions are answered. [`markup`] writes verdicts as SpamAssassin does.
#![forbid(unsafe_code)]

pub mod answers;
pub mod check;
pub mod checks;
mod explain;
pub mod geography;
pub mod markup;
mod meta;
mod plan;
mod qr;
mod redirectors;
pub mod s25r;
pub mod scan;
mod score;
pub mod scratch;
pub mod signatures;
mod special;
pub mod spf;

pub use answers::{Acquaintance, Answer, Answers, Asking, Mention, Network, Question, Record, Sender, is_name};
pub use check::{Arg, Availability, CheckEntry, Context, Finding, Kinds, Memo, Outcome, Pending};
pub use checks::dns::reversed as reversed_address;
pub use geography::Geography;
pub use scan::{Scan, Step, judge, judge_asking, judge_with_answers, judge_with_views};
pub use scratch::{Scratch, Timing, Values};

use mail::views::{HeaderRequests, NoPictures, ViewConfig};
use mail::{Limits, tld};
use patterns::{Found, Text};
use plan::{GroupText, Plan};
use rules::{Catalog, CatalogEval, Kind, Ruleset, ScoreSet, Stage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was decided when the rules were loaded, and holds for the engine too.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineOptions {
    pub local_only: bool,
    pub score_set: ScoreSet,
    /// Understand more than SpamAssassin does where that changes which of its rules hit (Received lines it skips, links in
    /// QR codes).
    pub beyond_spamassassin: bool,
}

/// A ruleset with everything worked out that does not depend on a message. Immutable; shared between threads.
pub struct Engine {
    pub ruleset: Ruleset,
    pub score_set: ScoreSet,
    pub views: ViewConfig,
    pub style: markup::Style,
    /// `None`: nobody knows where addresses are.
    pub geography: Option<Arc<dyn Geography>>,
    pub(crate) plan: Plan,
}

impl Engine {
    pub fn new(ruleset: Ruleset, options: EngineOptions) -> Engine {
        let mut requests = HeaderRequests::default();
        let mut plan = Plan::new(&ruleset, options.local_only, &mut requests);
        try_unset(&ruleset, &mut plan);
        let views = view_config(&ruleset, requests, options.beyond_spamassassin);
        let style = markup::Style::new(&ruleset);
        Engine { ruleset, score_set: options.score_set, views, style, geography: None, plan }
    }

    /// What the rules ask for and this version cannot do: evals unknown or in need of a network, by name and number of
    /// rules.
    pub fn unsupported(&self) -> BTreeMap<String, u32> {
        let mut unsupported = BTreeMap::new();
        for rule in &self.ruleset.rules {
            let what = match &rule.kind {
                Kind::Eval(eval) => match plan::check(&eval.function) {
                    Some(check)
                        if matches!(
                            check.availability,
                            Availability::Now | Availability::Learner | Availability::Dns | Availability::Digests
                        ) =>
                    {
                        continue;
                    }
                    _ => format!("eval:{}", eval.function),
                },
                _ => continue,
            };
            *unsupported.entry(what).or_default() += 1;
        }
        unsupported
    }
}

/// The checks that rules may name. Those that are missing are left out: loading then reports the rules that call them.
pub fn catalog() -> Catalog {
    let offered = checks::CHECKS.iter().filter(|check| check.availability != Availability::Missing);
    let evals = offered.map(|check| CatalogEval {
        name: check.name,
        stage: match check.kinds {
            // SpamAssassin keeps block list look-ups apart from other header rules.
            Kinds::Header if check.plugin == "DNSEval" => Some(Stage::Rbl),
            Kinds::Header => Some(Stage::Header),
            Kinds::Body => Some(Stage::Body),
            Kinds::RawBody => Some(Stage::RawBody),
            Kinds::Full => Some(Stage::Full),
            Kinds::Any => None,
        },
        plugin: check.plugin,
    });
    Catalog { evals: evals.collect() }
}

/// What a check is for, in Markdown.
pub fn documentation(check: &str) -> Option<&'static str> {
    plan::check(check).map(|check| check.doc)
}

/// Finds out which patterns match a missing header, once instead of for every message.
fn try_unset(ruleset: &Ruleset, plan: &mut Plan) {
    let mut scratch = patterns::Scratch::new();
    for group in &mut plan.groups {
        if let GroupText::Header { unset, when_unset, .. } = &mut group.text {
            let mut found = Found::new();
            let text = Text { bytes: unset, ends: &[unset.len() as u32] };
            ruleset.database.scan(group.group, text, &mut scratch, &mut found);
            when_unset.extend(found.hits().iter().map(|hit| (hit.pattern, hit.count)));
        }
    }
}

fn view_config(ruleset: &Ruleset, header_requests: HeaderRequests, beyond_spamassassin: bool) -> ViewConfig {
    let settings = &ruleset.settings;
    let domains = &settings.top_level_domains;
    let strings = |set: &'_ std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    let (one, two, three) = (strings(&domains.one), strings(&domains.two), strings(&domains.three));
    ViewConfig {
        normalize_charset: settings.normalize_charset,
        body_part_scan_size: settings.body_part_scan_size,
        rawbody_part_scan_size: settings.rawbody_part_scan_size,
        networks: networks(settings),
        originating_ip_headers: settings.originating_ip_headers.clone(),
        always_trust_envelope_sender: settings.always_trust_envelope_sender,
        envelope_sender_header: settings.envelope_sender_header.clone(),
        parse_dkim_uris: settings.parse_dkim_uris,
        received_beyond_spamassassin: beyond_spamassassin,
        limits: Limits::default(),
        tlds: Arc::new(tld::Registry::new(
            one.iter().map(String::as_str),
            two.iter().map(String::as_str),
            three.iter().map(String::as_str),
        )),
        redirectors: Arc::new(redirectors::Patterns::new(&settings.redirector_patterns)),
        pictures: if beyond_spamassassin { Arc::new(qr::Codes) } else { Arc::new(NoPictures) },
        header_requests,
    }
}

/// Entries that are no networks are reported when the rules are loaded, and left out here.
fn networks(settings: &rules::Settings) -> mail::TrustNetworks {
    let mut networks = mail::TrustNetworks::default();
    for (set, list) in [
        (&mut networks.trusted, &settings.trusted_networks),
        (&mut networks.internal, &settings.internal_networks),
        (&mut networks.msa, &settings.msa_networks),
    ] {
        for entry in &list.entries {
            let _ = set.add(entry);
        }
    }
    networks
}
