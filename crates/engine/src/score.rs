//! From values to a verdict: the order of hits, scores, short-circuiting, what the learner counts.

use crate::Engine;
use mail::{Hit, ShortCircuit, Verdict};
use rules::{Flags, Kind, RuleId, Shortcircuit, Stage};

/// A hit on its way into the verdict.
pub(crate) struct Counted {
    pub rule: RuleId,
    /// How often the rule registered; public rules score each time.
    pub count: u32,
    pub notes: Vec<String>,
    pub evidence: Vec<mail::Evidence>,
}

/// Puts the hits in SpamAssassin's order, ends at a short-circuit, adds up.
pub(crate) fn score(engine: &Engine, mut counted: Vec<Counted>, verdict: &mut Verdict) {
    let settings = &engine.ruleset.settings;
    let plan = &engine.plan;
    counted.sort_by_key(|hit| plan.ranks[hit.rule.index()]);

    let mut total = 0.0;
    let mut cut_phase = None;
    for hit in counted {
        let rank = plan.ranks[hit.rule.index()];
        if cut_phase.is_some_and(|phase| rank.phase() > phase) {
            break;
        }
        let rule = engine.ruleset.rule(hit.rule);
        let score = rule.score(engine.score_set);
        if settings.rewrite_header.contains_key("Subject")
            && let Some(prefix) = &rule.subject_prefix
            && !verdict.subject_prefix.contains(prefix.as_str())
        {
            verdict.subject_prefix.push_str(prefix);
            verdict.subject_prefix.push(' ');
        }
        if verdict.shortcircuit.is_none()
            && plan.shortcircuits
            && let Some((cut, score)) = shortcircuit(engine, total, &rule.name, rule.shortcircuit, score)
        {
            cut_phase = Some(rank.phase());
            verdict.shortcircuit = Some(cut);
            total += score;
            verdict.hits.push(shortcircuit_hit(engine, score));
        }
        if rule.is_sub_rule() {
            verdict.subtests.push((rule.name.clone(), hit.count));
            continue;
        }
        for _ in 0..hit.count {
            total += score;
        }
        verdict.hits.push(Hit {
            rule: rule.name.clone(),
            score,
            description: description(rule.description.as_deref()),
            area: plan.areas[hit.rule.index()],
            count: hit.count,
            evidence: hit.evidence,
            notes: match rule.tflags.has(Flags::NOLOG) && !hit.notes.is_empty() {
                true => vec!["*REDACTED*".to_owned()],
                false => hit.notes,
            },
        });
    }
    verdict.subtests.sort();
    verdict.score = thousandths(total);
    verdict.required = settings.required_score;
    verdict.spam = verdict.score >= verdict.required;
    verdict.autolearn_points = autolearn_points(engine, &verdict.hits);
}

/// Rounded as `sprintf "%0.3f"` does.
pub(crate) fn thousandths(value: f64) -> f64 {
    let rounded = format!("{value:.3}").parse().unwrap_or(value);
    if rounded == 0.0 { 0.0 } else { rounded }
}

fn description(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("No description available.").to_owned()
}

fn shortcircuit(
    engine: &Engine,
    total: f64,
    name: &str,
    kind: Option<Shortcircuit>,
    score: f64,
) -> Option<(ShortCircuit, f64)> {
    let settings = &engine.ruleset.settings;
    let cut = |kind| ShortCircuit { rule: name.to_owned(), kind };
    match kind {
        Some(Shortcircuit::On) if score < 0.0 => Some((cut("ham"), -0.0001)),
        Some(Shortcircuit::On) => Some((cut("spam"), 0.0001)),
        Some(Shortcircuit::Ham) => Some((cut("ham"), settings.shortcircuit_ham_score)),
        Some(Shortcircuit::Spam) => Some((cut("spam"), settings.shortcircuit_spam_score)),
        None => {
            let beyond = settings.shortcircuit_min_ham_score.is_some_and(|least| total < least)
                || settings.shortcircuit_max_spam_score.is_some_and(|most| total > most);
            let (kind, score) = if total < 0.0 { ("ham", -0.001) } else { ("spam", 0.001) };
            beyond.then(|| (ShortCircuit { rule: String::new(), kind }, score))
        }
    }
}

fn shortcircuit_hit(engine: &Engine, score: f64) -> Hit {
    let rule = engine.ruleset.get("SHORTCIRCUIT");
    Hit::new("SHORTCIRCUIT", score, description(rule.and_then(|rule| rule.description.as_deref())))
}

/// The points by which the learner decides whether to learn: not those of rules that learn or that the user set.
fn autolearn_points(engine: &Engine, hits: &[Hit]) -> f64 {
    let set = rules::ScoreSet { bayes: false, ..engine.score_set };
    let points = hits.iter().filter_map(|hit| {
        let rule = engine.ruleset.get(&hit.rule)?;
        let left_out = Flags::NOAUTOLEARN | Flags::USERCONF | Flags::LEARN;
        (!rule.tflags.flags.intersects(left_out)).then(|| rule.score(set) * f64::from(hit.count))
    });
    thousandths(points.sum())
}

/// The words that the report puts before a description.
pub(crate) fn area(kind: &Kind) -> &'static str {
    match kind {
        Kind::Body(_) | Kind::UriDetail(_) => "BODY: ",
        Kind::MimeHeader(test) if test.negated => "BODY: ",
        Kind::RawBody(_) => "RAW: ",
        Kind::Full(_) => "FULL: ",
        Kind::Uri(_) => "URI: ",
        Kind::Text(_) => "TEXT: ",
        Kind::AskDns(_) => "ASKDNS: ",
        Kind::Eval(eval) if eval.function == "check_dns_sender" => "DNS: ",
        // These report on their own when the answer comes, without an area.
        Kind::Eval(eval) if eval.function == "check_uridnsbl" || eval.function.starts_with("check_hashbl_") => "",
        Kind::Eval(eval) => match eval.stage {
            Stage::Rbl => "RBL: ",
            Stage::Body => "BODY: ",
            Stage::RawBody => "RAW: ",
            Stage::Header | Stage::Full => "",
        },
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn sums_are_rounded_to_thousandths() {
        for (value, expected) in [(0.1 + 0.2, 0.3), (-0.0001, 0.0), (4.9996, 5.0), (1.0005, 1.0), (12.345_67, 12.346)] {
            assert_eq!(thousandths(value), expected);
        }
        assert!(thousandths(-0.0001).is_sign_positive());
    }
}
