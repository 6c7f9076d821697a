//! What each hit saw: which view, which bytes. Worked out after the verdict and only if asked for, by trying the rules
//! that hit once more.

use crate::Engine;
use crate::scratch::Values;
use crate::special::pattern_and_text;
use mail::views::{HeaderRequest, Views};
use mail::{Evidence, Verdict};
use rules::{Kind, Rule, UriKey};
use std::collections::HashSet;

/// Bytes of a match that are kept.
const LONGEST: usize = 4096;
/// Rules told below one meta.
const MOST: usize = 30;

/// Fills the evidence of all hits. What a check told stays.
pub(crate) fn add_evidence(engine: &Engine, views: &Views<'_>, values: &Values, verdict: &mut Verdict) {
    let told: HashSet<String> = verdict.hits.iter().map(|hit| hit.rule.clone()).collect();
    for hit in &mut verdict.hits {
        if hit.evidence.is_empty()
            && let Some(rule) = engine.ruleset.get(&hit.rule)
        {
            hit.evidence.extend(evidence(engine, views, values, rule));
            let mut below = told.clone();
            below_a_meta(engine, views, values, rule, &mut below, &mut hit.evidence);
        }
    }
}

/// What the rules saw that a meta is made of, down to those that are no metas; `NAME: ` before the view. Those that have hits
/// of their own are told there.
fn below_a_meta(
    engine: &Engine,
    views: &Views<'_>,
    values: &Values,
    rule: &Rule,
    told: &mut HashSet<String>,
    found: &mut Vec<Evidence>,
) {
    let Kind::Meta(meta) = &rule.kind else { return };
    for id in meta.dependencies.iter().filter(|id| values.get(**id) != 0.0) {
        let below = engine.ruleset.rule(*id);
        if found.len() > MOST || !told.insert(below.name.clone()) {
            continue;
        }
        if let Some(seen) = evidence(engine, views, values, below) {
            found.push(Evidence { view: format!("{}: {}", below.name, seen.view), ..seen });
        }
        // Each is told once: circles end, and so do long chains.
        below_a_meta(engine, views, values, below, told, found);
    }
}

fn evidence(engine: &Engine, views: &Views<'_>, values: &Values, rule: &Rule) -> Option<Evidence> {
    match &rule.kind {
        Kind::Meta(meta) => {
            let hits = meta.dependencies.iter().filter(|id| values.get(**id) != 0.0);
            let names: Vec<String> = hits
                .map(|id| match values.get(*id) {
                    1.0 => engine.ruleset.rule(*id).name.clone(),
                    value => format!("{}={}", engine.ruleset.rule(*id).name, crate::markup::perl_number(value)),
                })
                .collect();
            Some(seen("meta", names.join(" ").as_bytes(), 0))
        }
        Kind::HeaderExists { header } => {
            let value = views.header(&HeaderRequest::parse(header))?;
            Some(seen(&format!("header {header}"), &value.joined, 0))
        }
        Kind::UriDetail(conditions) => {
            let condition = conditions.iter().find(|c| c.key == UriKey::Raw || c.key == UriKey::Cleaned)?;
            let pattern = condition.pattern.id?;
            let uri = views.uris().uris.iter().find(|uri| engine.ruleset.database.is_match(pattern, &uri.raw))?;
            Some(seen("uri", &uri.raw, 0))
        }
        _ => {
            let (pattern, text) = pattern_and_text(rule, views)?;
            let view = view(rule);
            let id = pattern.id?;
            let mut offset = 0;
            for unit in text.iter() {
                if let Some(found) = engine.ruleset.database.find(id, unit, 0) {
                    return Some(seen(&view, &unit[found.start..found.end], offset + found.start));
                }
                offset += unit.len();
            }
            // A negated rule: what it saw is all there is.
            (!text.is_empty()).then(|| seen(&view, text.unit(0), 0))
        }
    }
}

fn seen(view: &str, matched: &[u8], offset: usize) -> Evidence {
    Evidence { view: view.to_owned(), matched: matched[..matched.len().min(LONGEST)].to_vec(), offset }
}

fn view(rule: &Rule) -> String {
    match &rule.kind {
        Kind::Header(test) => format!("header {}", test.header),
        Kind::MimeHeader(test) => format!("mimeheader {}", test.header),
        Kind::Body(_) => "body".to_owned(),
        Kind::RawBody(_) => "rawbody".to_owned(),
        Kind::Uri(_) => "uri".to_owned(),
        Kind::Text(_) => "text".to_owned(),
        Kind::Full(_) => "full".to_owned(),
        _ => String::new(),
    }
}
