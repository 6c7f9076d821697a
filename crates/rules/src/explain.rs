//! What a rule does, in words: the data behind `sekisho explain RULE`.
//!
//! In: a compiled ruleset and a name. Out: plain sentences and lists, in the order in which a person asks for them.
//! How they are laid out on a terminal or a web page is for the caller.

use crate::ruleset::{Flags, Kind, Pattern, Rule, RuleId, Ruleset, ScoreSet, Shortcircuit, Stage, UriKey};
use crate::spamassassin::lint;
use crate::spamassassin::plugins;
use serde::{Deserialize, Serialize};

/// Everything known of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub rule: String,
    /// What it does, as a sentence.
    pub summary: String,
    pub description: Option<String>,
    /// `file:line` of the definition, and of the one it replaced.
    pub location: String,
    pub replaced: Option<String>,
    /// Conditions around the definition.
    pub conditions: Vec<String>,
    /// For each score set: its name, the score.
    pub scores: Vec<(String, f64)>,
    /// Where the score does not come from a `score` line: why it is what it is.
    pub score_note: Option<String>,
    /// Whether it runs now, and if not, why.
    pub active: bool,
    pub inactive_because: Option<String>,
    pub priority: i32,
    /// tflags words and what they mean.
    pub flags: Vec<(String, String)>,
    /// What happens beside the score: short-circuit, Subject prefix, tags.
    pub effects: Vec<String>,
    /// The definition: pattern, expression or call as written.
    pub definition: String,
    pub patterns: Vec<PatternExplanation>,
    pub depends_on: Vec<Dependency>,
    pub needed_by: Vec<String>,
}

/// A pattern, piece by piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternExplanation {
    /// What it is matched against.
    pub view: String,
    pub written: String,
    /// Where `replace_rules` made it longer: how long it is now.
    pub expanded_bytes: Option<usize>,
    /// Depth in groups, the piece as written, its meaning.
    pub pieces: Vec<(u32, String, String)>,
}

/// A rule that a meta names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    pub rule: String,
    /// No rule bears the name: counts as 0.
    pub missing: bool,
    pub active: bool,
    pub summary: String,
}

/// Patterns longer than this are not told piece by piece: nobody reads a thousand lines.
const LONGEST_TOLD: usize = 4000;

/// Explains a rule; `None` where there is none of the name. `set` is the score set that runs.
pub fn explain(ruleset: &Ruleset, name: &str, set: ScoreSet) -> Option<Explanation> {
    let id = ruleset.find(name)?;
    let rule = ruleset.rule(id);
    let place = |location: &crate::Location| match ruleset.files.get(location.file as usize) {
        Some((file, _)) => format!("{file}:{}", location.line),
        None => format!("line {}", location.line),
    };
    let names = ["local", "network", "local and Bayes", "network and Bayes"];
    Some(Explanation {
        rule: rule.name.clone(),
        summary: summary(&rule.kind),
        description: rule.description.clone(),
        location: place(&rule.location),
        replaced: rule.replaced.as_ref().map(place),
        conditions: rule.conditions.clone(),
        scores: names.iter().map(|name| (*name).to_owned()).zip(rule.scores).collect(),
        score_note: score_note(rule),
        active: rule.active,
        inactive_because: (!rule.active).then(|| inactive_because(rule, set)),
        priority: rule.priority,
        flags: flags(rule),
        effects: effects(rule),
        definition: definition(&rule.kind),
        patterns: lint::patterns(&rule.kind).into_iter().map(|pattern| told(rule, pattern)).collect(),
        depends_on: dependencies(ruleset, rule),
        needed_by: needed_by(ruleset, id),
    })
}

/// Rules whose names are most like a misspelt one.
pub fn similar<'r>(ruleset: &'r Ruleset, name: &str) -> Vec<&'r str> {
    let wanted = name.to_uppercase();
    let mut found: Vec<&str> = ruleset
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .filter(|known| known.to_uppercase().contains(&wanted))
        .collect();
    found.sort_by_key(|known| known.len());
    found.truncate(8);
    found
}

fn summary(kind: &Kind) -> String {
    match kind {
        Kind::Header(test) if test.negated => format!("hits when {} does not match a pattern", header(&test.header)),
        Kind::Header(test) => format!("hits when {} matches a pattern", header(&test.header)),
        Kind::HeaderExists { header } => format!("hits when the message has a header {header}"),
        Kind::Body(_) => "hits when the text of the message, or its Subject, matches a pattern".to_owned(),
        Kind::RawBody(_) => "hits when the decoded body, HTML included, matches a pattern".to_owned(),
        Kind::Full(_) => {
            "hits when the message as it came, headers and encodings included, matches a pattern".to_owned()
        }
        Kind::Uri(_) => "hits when a link of the message matches a pattern".to_owned(),
        Kind::Text(_) => "hits when the text that a reader sees matches a pattern".to_owned(),
        Kind::UriDetail(conditions) => {
            let wanted: Vec<String> = conditions
                .iter()
                .map(|condition| {
                    let verb = if condition.negated { "does not match" } else { "matches" };
                    format!("its {} {verb} a pattern", uri_key(condition.key))
                })
                .collect();
            format!("hits when there is a link of which {}", wanted.join(" and "))
        }
        Kind::MimeHeader(test) => {
            let verb = if test.negated { "no part has" } else { "some part of the message has" };
            format!("hits when {verb} a header {} that matches a pattern", test.header)
        }
        Kind::Meta(meta) if meta.external => "is declared only, and hit from outside".to_owned(),
        Kind::Meta(_) => "hits when an expression over other rules is true".to_owned(),
        Kind::Eval(eval) => match plugins::offering(&eval.function) {
            Some(plugin) => format!("hits when the check {}() of {} says so", eval.function, plugin.name),
            None => format!("hits when the check {}() says so", eval.function),
        },
        Kind::AskDns(ask) => format!("hits when DNS has a {} record for {}", ask.record_type, ask.query),
        Kind::Empty => "is a name without a test; others may hit it".to_owned(),
    }
}

fn header(request: &str) -> String {
    let mut pieces = request.split(':');
    let name = pieces.next().unwrap_or_default();
    let what = match name {
        "ALL" => "the whole header block".to_owned(),
        "ToCc" => "To and Cc together".to_owned(),
        "EnvelopeFrom" => "the envelope sender".to_owned(),
        "MESSAGEID" => "any Message-Id header".to_owned(),
        "X-Spam-Relays-Untrusted" => "the list of relays that are not trusted, newest first".to_owned(),
        "X-Spam-Relays-Trusted" => "the list of trusted relays".to_owned(),
        "X-Spam-Relays-External" => "the list of relays outside, newest first".to_owned(),
        "X-Spam-Relays-Internal" => "the list of our own relays".to_owned(),
        name => format!("the header {name}"),
    };
    pieces.fold(what, |what, modifier| match modifier {
        "addr" => format!("the address in {what}"),
        "name" => format!("the display name in {what}"),
        "raw" => format!("{what}, undecoded"),
        "host" => format!("the host name in {what}"),
        "domain" => format!("the domain in {what}"),
        "ip" => format!("the IP address in {what}"),
        "revip" => format!("the reversed IP address in {what}"),
        "first" => format!("the first of {what}"),
        "last" => format!("the last of {what}"),
        "text" => format!("{what} as a reader sees it"),
        _ => what,
    })
}

fn uri_key(key: UriKey) -> &'static str {
    match key {
        UriKey::Raw => "address as written",
        UriKey::Type => "kind",
        UriKey::Cleaned => "cleaned address",
        UriKey::Text => "text",
        UriKey::Domain => "domain",
        UriKey::Host => "host",
    }
}

fn view(kind: &Kind) -> String {
    match kind {
        Kind::Header(test) => header(&test.header),
        Kind::Body(_) => "each paragraph of the text, the Subject first".to_owned(),
        Kind::RawBody(_) => "the decoded body in pieces of 2 to 4 kB".to_owned(),
        Kind::Full(_) => "the whole message as it came".to_owned(),
        Kind::Uri(_) => "each link".to_owned(),
        Kind::Text(_) => "the text that a reader sees".to_owned(),
        Kind::MimeHeader(test) => format!("the header {} of each part", test.header),
        _ => "each link".to_owned(),
    }
}

fn score_note(rule: &Rule) -> Option<String> {
    if rule.is_sub_rule() {
        Some("names that start with __ have no score of their own; other rules use them".to_owned())
    } else if rule.scored {
        None
    } else if rule.name.starts_with("T_") {
        Some("no score is given; rules on trial (T_) have 0.01".to_owned())
    } else {
        Some("no score is given; the default is 1, for nice rules -1".to_owned())
    }
}

fn inactive_because(rule: &Rule, set: ScoreSet) -> String {
    let needs_network = rule.tflags.has(Flags::NET);
    match &rule.kind {
        Kind::Empty => "it has no test".to_owned(),
        Kind::Eval(eval) if !eval.known => {
            format!("there is no check {}() here, or its plugin is not loaded", eval.function)
        }
        Kind::Meta(meta) if meta.undecidable => "it depends on a meta that never runs".to_owned(),
        _ if rule.score(set) == 0.0 => "its score is 0".to_owned(),
        Kind::Eval(eval) if !set.network && (needs_network || eval.stage == Stage::Rbl) => {
            "it needs the network, and only local tests run".to_owned()
        }
        Kind::AskDns(_) if !set.network => "it needs the network, and only local tests run".to_owned(),
        _ if !set.bayes && rule.tflags.has(Flags::LEARN) => "it needs a trained Bayes".to_owned(),
        _ => "its pattern cannot be compiled".to_owned(),
    }
}

fn flags(rule: &Rule) -> Vec<(String, String)> {
    rule.tflags
        .text
        .split_whitespace()
        .map(|word| {
            let meaning = match word {
                "net" => "needs the network",
                "nice" => "lowers the score of good mail",
                "userconf" => "does nothing before a user sets it up",
                "learn" => "needs training",
                "noautolearn" => "does not count when deciding what to learn",
                "autolearn_force" => "lets a message be learned with fewer points",
                "autolearn_header" => "counts as a header rule when deciding what to learn",
                "autolearn_body" => "counts as a body rule when deciding what to learn",
                "noawl" => "does not count in reputations",
                "multiple" => "counts how often it hits",
                "nosubject" => "does not look at the Subject",
                "ips_only" => "asks about addresses only",
                "domains_only" => "asks about domains only",
                "ns" => "asks about the domains' name servers",
                "a" => "asks about the hosts' addresses",
                "notrim" => "asks about whole host names",
                "nolog" => "shows no matched text in logs",
                "concat" => "looks at all parts' headers as one text",
                "publish" => "always distributed by the rules project",
                "nopublish" => "never distributed by the rules project",
                word if word.starts_with("maxhits=") => "stops counting there",
                word if word.starts_with("range=") => "looks at these parts only",
                _ => "unknown",
            };
            (word.to_owned(), meaning.to_owned())
        })
        .collect()
}

fn effects(rule: &Rule) -> Vec<String> {
    let mut found = Vec::new();
    match rule.shortcircuit {
        Some(Shortcircuit::Ham) => found.push("a hit ends the scan: the message is good".to_owned()),
        Some(Shortcircuit::Spam) => found.push("a hit ends the scan: the message is spam".to_owned()),
        Some(Shortcircuit::On) => found.push("a hit ends the scan with the score so far".to_owned()),
        None => {}
    }
    if let Some(prefix) = &rule.subject_prefix {
        found.push(format!("a hit puts `{prefix}` before the Subject"));
    }
    for pattern in lint::patterns(&rule.kind) {
        for tag in &pattern.captures {
            found.push(format!("a match sets the tag {tag}, which other rules may use as %{{{tag}}}"));
        }
        for tag in &pattern.templates {
            found.push(format!("%{{{tag}}} stands for what another rule has found; without it, the rule cannot hit"));
        }
    }
    found
}

fn definition(kind: &Kind) -> String {
    match kind {
        Kind::Meta(meta) => meta.text.clone(),
        Kind::Eval(eval) => {
            let arguments: Vec<String> = eval.arguments.iter().map(|argument| format!("'{argument}'")).collect();
            format!("{}({})", eval.function, arguments.join(", "))
        }
        Kind::HeaderExists { header } => format!("exists:{header}"),
        Kind::AskDns(ask) => format!("{} {} {}", ask.query, ask.record_type, ask.subtest).trim_end().to_owned(),
        kind => {
            let written = lint::patterns(kind)
                .into_iter()
                .map(|pattern| crate::spamassassin::text(&pattern.written).into_owned());
            written.collect::<Vec<_>>().join(" ")
        }
    }
}

fn told(rule: &Rule, pattern: &Pattern) -> PatternExplanation {
    let pieces = if pattern.body().len() > LONGEST_TOLD {
        Vec::new()
    } else {
        patterns::describe(pattern.body(), pattern.flags).unwrap_or_default()
    };
    PatternExplanation {
        view: view(&rule.kind),
        written: crate::spamassassin::text(&pattern.written).into_owned(),
        expanded_bytes: pattern.expanded.as_ref().map(Vec::len),
        pieces: pieces.into_iter().map(|piece| (piece.depth, piece.source, piece.meaning)).collect(),
    }
}

fn dependencies(ruleset: &Ruleset, rule: &Rule) -> Vec<Dependency> {
    let Kind::Meta(meta) = &rule.kind else { return Vec::new() };
    let known = meta.dependencies.iter().map(|id| {
        let needed = ruleset.rule(*id);
        let summary = needed.description.clone().unwrap_or_else(|| summary(&needed.kind));
        Dependency { rule: needed.name.clone(), missing: false, active: needed.active, summary }
    });
    let missing = meta.undefined.iter().map(|name| Dependency {
        rule: name.clone(),
        missing: true,
        active: false,
        summary: "no such rule: counts as 0".to_owned(),
    });
    known.chain(missing).collect()
}

fn needed_by(ruleset: &Ruleset, id: RuleId) -> Vec<String> {
    let metas = ruleset.rules.iter().filter(|rule| match &rule.kind {
        Kind::Meta(meta) => meta.dependencies.contains(&id),
        _ => false,
    });
    metas.map(|rule| rule.name.clone()).collect()
}
