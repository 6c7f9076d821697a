//! The loader's notes -> [`Ruleset`]: defaults filled in, tags replaced, patterns compiled, metas resolved and ordered.

use super::expression::{self, Calls};
use super::loader::Loader;
use super::{meta, plugins, regex};
use crate::diagnostic::{self, Severity};
use crate::ruleset::{Eval, Flags, Kind, Pattern, Rule, RuleId, Ruleset, ScoreSet, Stage, Statistics, TestFlags, View};
use patterns::{Builder, Count, GroupId, PatternId, PatternKind, PatternSpec};
use std::collections::HashMap;

/// Makes rules of the notes; what is left of the loader are its findings and files.
pub fn compile(loader: &mut Loader<'_>) -> Ruleset {
    let mut names: Vec<String> = loader.drafts.keys().cloned().collect();
    names.sort_unstable();
    let mut scores = std::mem::take(&mut loader.scores);
    let mut flag_texts = std::mem::take(&mut loader.flags);
    let mut rules: Vec<Rule> = Vec::with_capacity(names.len());
    for name in &names {
        let draft = &loader.drafts[name];
        let scored = scores.contains_key(name);
        let default = [default_score(name, flag_texts.get(name)); 4];
        rules.push(Rule {
            name: name.clone(),
            kind: draft.kind.clone(),
            scores: *scores.entry(name.clone()).or_insert(default),
            scored,
            description: loader.descriptions.get(name).cloned(),
            tflags: TestFlags::default(),
            priority: loader.priorities.get(name).copied().unwrap_or(0),
            shortcircuit: loader.shortcircuits.get(name).copied(),
            subject_prefix: loader.subject_prefixes.get(name).cloned(),
            active: false,
            location: draft.location.clone(),
            replaced: draft.replaced.clone(),
            from_user: draft.from_user,
            conditions: draft.conditions.clone(),
        });
    }
    let ids: HashMap<&str, RuleId> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), RuleId(at as u32))).collect();

    resolve_metas(&mut rules, &ids, &scores, loader);
    start_helpers_early(&mut rules, &loader.settings);
    lower_priorities(&mut rules, &flag_texts);
    let order = order_metas(&mut rules, loader);
    inherit_net(&rules, &order, &mut flag_texts);
    for rule in &mut rules {
        rule.tflags = test_flags(flag_texts.get(&rule.name).map_or("", String::as_str));
        if rule.priority == 0 && rule.tflags.has(Flags::NET) {
            rule.priority = -100;
        }
        if let Kind::MimeHeader(test) = &mut rule.kind {
            test.range = part_range(&rule.tflags.text);
            test.concat = rule.tflags.has(Flags::CONCAT);
        }
    }
    check_evals(&mut rules, loader);
    let set = loader.options.effective_score_set();
    for rule in &mut rules {
        rule.active = is_active(rule, set);
    }
    let metas = decide_metas(&mut rules, &order, loader);
    leave_out_untrusted(loader);
    let mut ruleset = Ruleset {
        metas,
        plugins: loader.plugins.iter().cloned().collect(),
        settings: std::mem::take(&mut loader.settings),
        files: loader.files.clone(),
        rules,
        ..Ruleset::default()
    };
    compile_patterns(&mut ruleset, loader);
    let mut evals: Vec<RuleId> = (0..ruleset.rules.len() as u32).map(RuleId).collect();
    evals.retain(|id| ruleset.rule(*id).active && matches!(ruleset.rule(*id).kind, Kind::Eval(_)));
    evals.sort_by_key(|id| {
        let rule = ruleset.rule(*id);
        let stage = match &rule.kind {
            Kind::Eval(eval) => eval.stage,
            _ => Stage::Header,
        };
        (rule.priority, stage, *id)
    });
    ruleset.evals = evals;
    ruleset.statistics = count(&ruleset);
    ruleset
}

/// 1, for `T_` rules in probation 0.01, negative for `nice` rules.
fn default_score(name: &str, flags: Option<&String>) -> f64 {
    let score = if name.starts_with("T_") { 0.01 } else { 1.0 };
    if flags.is_some_and(|flags| has_word(flags, "nice")) { -score } else { score }
}

/// A word between anything that is not a letter, digit or `_`.
fn has_word(text: &str, wanted: &str) -> bool {
    flag_words(text).any(|word| word == wanted)
}

fn flag_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Every flag by its word.
pub(super) static FLAGS: &[(&str, Flags)] = &[
    ("a", Flags::A),
    ("autolearn_body", Flags::AUTOLEARN_BODY),
    ("autolearn_force", Flags::AUTOLEARN_FORCE),
    ("autolearn_header", Flags::AUTOLEARN_HEADER),
    ("concat", Flags::CONCAT),
    ("domains_only", Flags::DOMAINS_ONLY),
    ("ips_only", Flags::IPS_ONLY),
    ("learn", Flags::LEARN),
    ("multiple", Flags::MULTIPLE),
    ("net", Flags::NET),
    ("nice", Flags::NICE),
    ("noautolearn", Flags::NOAUTOLEARN),
    ("noawl", Flags::NOAWL),
    ("nolog", Flags::NOLOG),
    ("nopublish", Flags::NOPUBLISH),
    ("nosubject", Flags::NOSUBJECT),
    ("notrim", Flags::NOTRIM),
    ("ns", Flags::NS),
    ("publish", Flags::PUBLISH),
    ("userconf", Flags::USERCONF),
];

fn test_flags(text: &str) -> TestFlags {
    let mut flags = Flags::empty();
    for word in flag_words(text) {
        if let Ok(at) = FLAGS.binary_search_by(|(known, _)| (*known).cmp(word)) {
            flags |= FLAGS[at].1;
        }
    }
    let max_hits = text.split_once("maxhits=").and_then(|(_, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    });
    TestFlags { text: text.to_owned(), flags, max_hits }
}

/// `range=2`, `range=2-`, `range=-3`, `range=2-3`.
fn part_range(flags: &str) -> (u32, u32) {
    const ALL: (u32, u32) = (0, 1000);
    let Some(range) = flags.split_whitespace().find_map(|word| word.strip_prefix("range=")) else { return ALL };
    match range.split_once('-') {
        None => range.parse().map_or(ALL, |only| (only, only)),
        Some((first, last)) => match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => (first, last),
            (Ok(first), Err(_)) if last.is_empty() => (first, ALL.1),
            (Err(_), Ok(last)) if first.is_empty() => (ALL.0, last),
            _ => ALL,
        },
    }
}

/// Parses every meta's text into an expression over rule numbers.
fn resolve_metas(
    rules: &mut [Rule],
    ids: &HashMap<&str, RuleId>,
    scores: &HashMap<String, [f64; 4]>,
    loader: &mut Loader<'_>,
) {
    let mut names: Vec<&str> = scores.keys().map(String::as_str).collect();
    names.sort_unstable();
    for rule in rules {
        let Kind::Meta(found) = &mut rule.kind else { continue };
        let own = rule.name.as_str();
        let text = meta::replace_globs(&found.text, |glob, _| {
            let matching: Vec<&str> = names
                .iter()
                .filter(|name| **name != own && crate::settings::glob_matches(glob.as_bytes(), name.as_bytes()))
                .copied()
                .collect();
            if matching.is_empty() { " (0) ".to_owned() } else { format!(" ({}) ", matching.join(" + ")) }
        });
        let Ok(node) = expression::parse(&text, Calls::Forbidden) else { continue };
        found.external = node == expression::Node::Nothing;
        let (dependencies, undefined) = (&mut found.dependencies, &mut found.undefined);
        found.expression = meta::compile(&node, &mut |name| {
            let id = ids.get(name).copied();
            match id {
                Some(id) if !dependencies.contains(&id) => dependencies.push(id),
                None if !undefined.iter().any(|known| known == name) => undefined.push(name.to_owned()),
                _ => {}
            }
            id
        });
        let undefined = found.undefined.clone();
        let name = rule.name.clone();
        for missing in undefined {
            let message = format!("{name} depends on {missing}, which no rule is called");
            loader.report_rule(&name, diagnostic::UNDEFINED_DEPENDENCY.found(message));
        }
    }
}

/// Rules that wait for another program's answer start with the DNS questions, whatever their `priority` says.
fn start_helpers_early(rules: &mut [Rule], settings: &crate::Settings) {
    for rule in rules {
        let Kind::Eval(eval) = &rule.kind else { continue };
        let switch = match eval.function.as_str() {
            "check_razor2" | "check_razor2_range" => "razor_fork",
            "check_pyzor" => "pyzor_fork",
            _ => continue,
        };
        if settings.other(switch) != Some("0") {
            rule.priority = -100;
        }
    }
}

/// What a meta needs must not run later than the meta itself.
fn lower_priorities(rules: &mut [Rule], flags: &HashMap<String, String>) {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|at| rules[*at].priority);
    // Once through finds all but chains that stand in the wrong order; those need another round.
    loop {
        let mut changed = false;
        for at in &order {
            let Kind::Meta(found) = &rules[*at].kind else { continue };
            let base = rules[*at].priority;
            for dependency in found.dependencies.clone() {
                let needed = &mut rules[dependency.index()];
                if needed.priority > base {
                    let net = base < -100 && flags.get(&needed.name).is_some_and(|text| has_word(text, "net"));
                    let lowered = if net { -100 } else { base };
                    changed |= needed.priority != lowered;
                    needed.priority = lowered;
                }
            }
        }
        if !changed {
            return;
        }
    }
}

/// Metas so that each comes after those it depends on; circles are left out and reported.
fn order_metas(rules: &mut [Rule], loader: &mut Loader<'_>) -> Vec<RuleId> {
    let mut waiting: Vec<usize> = vec![0; rules.len()];
    let mut dependents: Vec<Vec<RuleId>> = vec![Vec::new(); rules.len()];
    let mut ready: std::collections::BTreeSet<RuleId> = Default::default();
    for (at, rule) in rules.iter().enumerate() {
        let Kind::Meta(found) = &rule.kind else { continue };
        let id = RuleId(at as u32);
        for dependency in &found.dependencies {
            if matches!(rules[dependency.index()].kind, Kind::Meta(_)) {
                waiting[at] += 1;
                dependents[dependency.index()].push(id);
            }
        }
        if waiting[at] == 0 {
            ready.insert(id);
        }
    }
    let mut order = Vec::new();
    while let Some(id) = ready.pop_first() {
        order.push(id);
        for dependent in &dependents[id.index()] {
            waiting[dependent.index()] -= 1;
            if waiting[dependent.index()] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    let circular: Vec<usize> = (0..rules.len()).filter(|at| waiting[*at] > 0).collect();
    for at in circular {
        let Kind::Meta(found) = &rules[at].kind else { continue };
        let circle: Vec<&str> = found
            .dependencies
            .iter()
            .filter(|id| waiting[id.index()] > 0)
            .map(|id| rules[id.index()].name.as_str())
            .collect();
        let message = format!("{} depends on itself by way of {}", rules[at].name, circle.join(", "));
        let name = rules[at].name.clone();
        loader.report_rule(&name, diagnostic::META_CYCLE.found(message));
        if let Kind::Meta(found) = &mut rules[at].kind {
            found.undecidable = true;
        }
    }
    order
}

/// A meta that needs a network rule, be it by way of other metas, is one itself. (SpamAssassin means the same, but
/// whether it sees a chain through depends on the order in which Perl happens to store the names.)
fn inherit_net(rules: &[Rule], order: &[RuleId], flags: &mut HashMap<String, String>) {
    for id in order {
        let rule = &rules[id.index()];
        let Kind::Meta(found) = &rule.kind else { continue };
        let is_net = |name: &str| flags.get(name).is_some_and(|text| has_word(text, "net"));
        if !is_net(&rule.name) && found.dependencies.iter().any(|id| is_net(&rules[id.index()].name)) {
            let text = flags.entry(rule.name.clone()).or_default();
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str("net");
        }
    }
}

/// Which evals can run: named in the catalog, their plugin loaded, declared under the right type.
fn check_evals(rules: &mut [Rule], loader: &mut Loader<'_>) {
    for rule in rules {
        let net = rule.tflags.has(Flags::NET);
        let Kind::Eval(eval) = &mut rule.kind else { continue };
        let offered = plugins::offering(&eval.function);
        let fault = match (loader.eval_known(&eval.function), offered) {
            (Some(entry), _) if !loader.is_loaded(entry.plugin) => Some(diagnostic::EVAL_WITHOUT_PLUGIN.found(
                format!("{} needs {}() of the plugin {}, which is not loaded", rule.name, eval.function, entry.plugin),
            )),
            (Some(entry), _) => match entry.stage {
                Some(stage) if !stage_fits(stage, eval.stage) => {
                    let message = format!("{}() is for {} rules", eval.function, stage_word(stage));
                    Some(diagnostic::WRONG_EVAL_STAGE.found(message))
                }
                _ => {
                    eval.known = true;
                    None
                }
            },
            (None, Some(plugin)) => {
                let reason = if loader.plugins.contains(plugin.name) { "" } else { ", which is not loaded either" };
                let message =
                    format!("{}() of SpamAssassin's plugin {} does not exist here{reason}", eval.function, plugin.name);
                let mut fault = diagnostic::UNSUPPORTED_EVAL.found(message);
                if net {
                    fault.severity = Severity::Note;
                }
                Some(fault)
            }
            (None, None) => {
                Some(diagnostic::UNKNOWN_EVAL.found(format!("there is no eval function {}()", eval.function)))
            }
        };
        if let Some(fault) = fault {
            let name = rule.name.clone();
            loader.report_rule(&name, fault);
        }
    }
}

fn stage_fits(expected: Stage, declared: Stage) -> bool {
    expected == declared
        || (expected == Stage::Body && declared == Stage::RawBody)
        || (expected == Stage::Header && declared == Stage::Rbl)
}

pub(crate) fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Header | Stage::Rbl => "header",
        Stage::Body => "body",
        Stage::RawBody => "rawbody",
        Stage::Full => "full",
    }
}

/// Whether a rule runs with a score set.
fn is_active(rule: &Rule, set: ScoreSet) -> bool {
    if rule.score(set) == 0.0 {
        return false;
    }
    match &rule.kind {
        Kind::Eval(Eval { known: false, .. }) | Kind::Empty => false,
        Kind::Eval(eval) => {
            let needs_network = eval.stage == Stage::Rbl || rule.tflags.has(Flags::NET);
            (set.network || !needs_network) && (set.bayes || !rule.tflags.has(Flags::LEARN))
        }
        Kind::AskDns(_) => set.network,
        Kind::Meta(found) => !found.undecidable,
        _ => true,
    }
}

/// The metas to evaluate, in order. A meta whose score is 0 is not computed; neither, then, is what depends on it.
fn decide_metas(rules: &mut [Rule], order: &[RuleId], loader: &mut Loader<'_>) -> Vec<RuleId> {
    let mut decided = Vec::new();
    for id in order {
        let Kind::Meta(found) = &rules[id.index()].kind else { continue };
        let blocking = found
            .dependencies
            .iter()
            .map(|dependency| &rules[dependency.index()])
            .find(|needed| matches!(needed.kind, Kind::Meta(_)) && !needed.active);
        if let (Some(needed), true) = (blocking, rules[id.index()].active) {
            let name = rules[id.index()].name.clone();
            let message = format!("{name} depends on {}, which never runs", needed.name);
            loader.report_rule(&name, diagnostic::META_NEVER_DECIDED.found(message));
            let rule = &mut rules[id.index()];
            rule.active = false;
            if let Kind::Meta(found) = &mut rule.kind {
                found.undecidable = true;
            }
        }
        if rules[id.index()].active {
            decided.push(*id);
        }
    }
    decided
}

/// Our own networks, and those of our users' submission servers, must be trusted ones. What is not is left out, as in
/// SpamAssassin; of a network, its first address is looked at.
fn leave_out_untrusted(loader: &mut Loader<'_>) {
    let settings = &loader.settings;
    let (around, around_name) = match (&settings.trusted_networks, &settings.internal_networks) {
        (trusted, _) if trusted.configured => (trusted.clone(), "trusted_networks"),
        (_, internal) if internal.configured => (internal.clone(), "internal_networks"),
        _ => return,
    };
    let mut outer = mail::received::NetworkSet::with_loopback();
    for entry in &around.entries {
        // Entries were checked when they were read.
        let _ = outer.add(entry);
    }
    let mut faults = Vec::new();
    let lists = [
        ("internal_networks", &mut loader.settings.internal_networks),
        ("msa_networks", &mut loader.settings.msa_networks),
    ];
    for (name, networks) in lists {
        if name == around_name {
            continue;
        }
        networks.entries.retain(|entry| {
            let contained =
                entry.starts_with('!') || first_address(entry).is_none_or(|address| outer.contains(address));
            if !contained {
                let message = format!("{around_name} does not contain {entry} of {name}");
                faults.push(diagnostic::NETWORK_NOT_TRUSTED.found(message));
            }
            contained
        });
    }
    for fault in faults {
        loader.report_location(&crate::Location { file: u32::MAX, line: 0 }, fault);
    }
}

/// The address that a network starts with: `10.1` is 10.1.0.0.
fn first_address(entry: &str) -> Option<std::net::IpAddr> {
    let address = entry.split(['/', '-', '%']).next()?.trim_start_matches('[').trim_end_matches([']', '.']);
    if address.contains(':') {
        return address.parse().ok();
    }
    let missing = 4usize.checked_sub(address.split('.').count())?;
    format!("{address}{}", ".0".repeat(missing)).parse().ok()
}

type PatternKey = (GroupId, Vec<u8>, patterns::Flags, Option<u32>, bool);

/// Replaces tags, and puts the patterns of active rules into the database.
fn compile_patterns(ruleset: &mut Ruleset, loader: &mut Loader<'_>) {
    let mut builder = Builder::new();
    let mut groups: HashMap<View, GroupId> = HashMap::new();
    let mut shared: HashMap<PatternKey, PatternId> = HashMap::new();
    let mut pattern_rules: Vec<Vec<RuleId>> = Vec::new();
    let mut views: Vec<View> = Vec::new();
    let replace = std::mem::take(&mut loader.replace);
    for (at, rule) in ruleset.rules.iter_mut().enumerate() {
        let wants_replacing = replace.rules.contains(&rule.name);
        let count = match rule.tflags.max_hits {
            limit if rule.tflags.has(Flags::MULTIPLE) => Some(limit.unwrap_or(0)),
            _ => None,
        };
        let skip_first_unit = rule.tflags.has(Flags::NOSUBJECT) && matches!(rule.kind, Kind::Body(_));
        let active = rule.active;
        let name = rule.name.clone();
        let mut faults = Vec::new();
        let mut replaceable = false;
        let mut take = |view: View, pattern: &mut Pattern, replaces: bool, count: Option<u32>| {
            if replaces && wants_replacing {
                replaceable = true;
                expand(&replace, &name, pattern, &mut faults);
            }
            if !active || !pattern.templates.is_empty() {
                return;
            }
            let group = *groups.entry(view).or_insert_with_key(|view| {
                views.push(view.clone());
                GroupId(views.len() as u32 - 1)
            });
            let key = (group, pattern.body().to_vec(), pattern.flags, count, skip_first_unit);
            if let Some(id) = shared.get(&key) {
                pattern.id = Some(*id);
                pattern_rules[id.0 as usize].push(RuleId(at as u32));
                return;
            }
            let spec = PatternSpec {
                group,
                kind: PatternKind::Regex { source: &key.1, flags: pattern.flags },
                count: count.map_or(Count::Once, |limit| Count::Many { limit }),
                skip_first_unit,
            };
            match builder.add(spec) {
                Ok(id) => {
                    pattern.id = Some(id);
                    pattern_rules.push(vec![RuleId(at as u32)]);
                    shared.insert(key, id);
                }
                Err(error) => faults.push(regex::fault(error, 0, usize::MAX)),
            }
        };
        match &mut rule.kind {
            Kind::Header(test) => {
                let view = match &test.if_unset {
                    Some(text) => View::HeaderOr(test.header.clone(), text.clone()),
                    None => View::Header(test.header.clone()),
                };
                take(view, &mut test.pattern, true, count);
            }
            Kind::Body(pattern) => take(View::Body, pattern, true, count),
            Kind::RawBody(pattern) => take(View::RawBody, pattern, true, count),
            Kind::Full(pattern) => take(View::Full, pattern, true, count),
            Kind::Uri(pattern) => take(View::Uri, pattern, true, count),
            Kind::Text(pattern) => take(View::Text, pattern, true, count),
            Kind::MimeHeader(test) => {
                let view = View::MimeHeader(test.header.clone(), test.raw);
                take(view, &mut test.pattern, false, count);
            }
            Kind::UriDetail(conditions) => {
                for condition in conditions {
                    take(View::UriDetail(condition.key), &mut condition.pattern, false, None);
                }
            }
            _ => {}
        }
        // A pattern that cannot be compiled cannot match.
        rule.active &= !faults.iter().any(|fault| fault.code.code == diagnostic::BAD_REGEX.code);
        for fault in faults {
            loader.report_rule(&name, diagnostic::Fault { at: None, ..fault });
        }
        if wants_replacing && !replaceable {
            let message = format!("replace_rules names {name}, which has no pattern to replace tags in");
            loader.report_rule(&name, diagnostic::REPLACE_UNUSED.found(message));
        }
    }
    ruleset.database = builder.build();
    ruleset.pattern_rules = pattern_rules;
    ruleset.groups = views;
}

/// Replaces the tags of one pattern. Where the result cannot be compiled, the pattern stays as it was.
fn expand(
    replace: &super::replace::ReplaceTags,
    rule: &str,
    pattern: &mut Pattern,
    faults: &mut Vec<diagnostic::Fault>,
) {
    let Some(expanded) = replace.expand(pattern.body()) else { return };
    match patterns::perl::parse(&expanded, pattern.flags) {
        Ok(_) => pattern.expanded = Some(expanded),
        Err(error) => {
            let near = expanded.get(error.offset.saturating_sub(20)..).unwrap_or_default();
            let near = super::text(&near[..near.len().min(40)]).into_owned();
            let message = format!("with its tags replaced, {rule} cannot be compiled: {} near `{near}`", error.reason);
            faults.push(diagnostic::REPLACE_FAILED.found(message));
        }
    }
}

fn count(ruleset: &Ruleset) -> Statistics {
    let mut statistics = Statistics { patterns: ruleset.pattern_rules.len() as u32, ..Statistics::default() };
    for rule in &ruleset.rules {
        let counter = match &rule.kind {
            Kind::Header(_) | Kind::HeaderExists { .. } => &mut statistics.header,
            Kind::Body(_) => &mut statistics.body,
            Kind::RawBody(_) => &mut statistics.rawbody,
            Kind::Full(_) => &mut statistics.full,
            Kind::Uri(_) => &mut statistics.uri,
            Kind::UriDetail(_) => &mut statistics.uri_detail,
            Kind::Text(_) => &mut statistics.text,
            Kind::MimeHeader(_) => &mut statistics.mimeheader,
            Kind::Meta(_) => &mut statistics.meta,
            Kind::Eval(eval) => match eval.stage {
                Stage::Header => &mut statistics.header_eval,
                Stage::Body => &mut statistics.body_eval,
                Stage::RawBody => &mut statistics.rawbody_eval,
                Stage::Full => &mut statistics.full_eval,
                Stage::Rbl => &mut statistics.rbl_eval,
            },
            Kind::AskDns(_) => &mut statistics.askdns,
            Kind::Empty => &mut statistics.empty,
        };
        *counter += 1;
        statistics.sub_rules += u32::from(rule.is_sub_rule());
        statistics.active += u32::from(rule.active);
    }
    statistics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_sorted_for_look_up() {
        assert!(FLAGS.is_sorted_by_key(|(word, _)| word));
        let flags = test_flags("net multiple maxhits=6 xyz");
        assert_eq!(flags.flags, Flags::NET | Flags::MULTIPLE);
        assert_eq!(flags.max_hits, Some(6));
    }

    #[test]
    fn ranges_of_parts() {
        let cases = [
            ("", (0, 1000)),
            ("range=2", (2, 2)),
            ("x range=2-", (2, 1000)),
            ("range=-3", (0, 3)),
            ("range=2-3", (2, 3)),
        ];
        for (flags, expected) in cases {
            assert_eq!(part_range(flags), expected, "{flags}");
        }
    }
}
