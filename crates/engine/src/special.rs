//! Rules that a pass over the views does not decide: MIME headers with conditions of their own, links with all their
//! properties, patterns that capture tags, and patterns made of tags.
//!
//! Few rules are of these kinds, so each pattern is tried on its own.

use crate::Engine;
use crate::scratch::{Scratch, Values};
use mail::views::uri::Uri;
use mail::views::{HeaderRequest, Views};
use mail::{Part, UnitText};
use patterns::{Database, Match, Regex};
use rules::{Flags, Kind, MimeHeaderTest, Pattern, Rule, RuleId, UriCondition, UriKey};
use std::borrow::Cow;

/// Tags of a message: name, values.
pub(crate) type TagList = Vec<(String, Vec<Vec<u8>>)>;

/// Decides the special rules; `hit` is told which, and how often.
pub(crate) fn run(
    engine: &Engine,
    views: &Views<'_>,
    values: &Values,
    scratch: &mut Scratch,
    tags: &mut TagList,
    mut hit: impl FnMut(RuleId, u32),
) {
    let plan = &engine.plan;
    for &id in &plan.mime_headers {
        let rule = engine.ruleset.rule(id);
        if let Kind::MimeHeader(test) = &rule.kind {
            let count = mime_header_hits(&engine.ruleset.database, views, rule, test);
            if count > 0 {
                hit(id, count);
            }
        }
    }
    for &id in &plan.uri_details {
        if let Kind::UriDetail(conditions) = &engine.ruleset.rule(id).kind {
            let all = |uri: &Uri| conditions.iter().all(|c| fulfils(&engine.ruleset.database, uri, c));
            if views.uris().uris.iter().any(all) {
                hit(id, 1);
            }
        }
    }
    for &id in &plan.captures {
        if values.get(id) > 0.0 {
            capture(engine, views, engine.ruleset.rule(id), tags);
        }
    }
    for (place, &id) in plan.templates.iter().enumerate() {
        let count = template_hits(engine, views, id, place, scratch, tags);
        if count > 0 {
            hit(id, count);
        }
    }
}

/// The pattern of a rule that has one, and the text it looks at.
pub(crate) fn pattern_and_text<'v>(rule: &'v Rule, views: &'v Views<'_>) -> Option<(&'v Pattern, Cow<'v, UnitText>)> {
    Some(match &rule.kind {
        Kind::Header(test) => {
            let value = views.header(&HeaderRequest::parse(&test.header));
            let unit = match value {
                Some(value) => value.joined.clone(),
                None => test.if_unset.clone().unwrap_or_default(),
            };
            (&test.pattern, Cow::Owned(one_unit(&unit)))
        }
        Kind::MimeHeader(test) => (&test.pattern, Cow::Owned(mime_header(views, &test.header, test.raw))),
        Kind::Body(pattern) => (pattern, Cow::Borrowed(views.body())),
        Kind::RawBody(pattern) => (pattern, Cow::Borrowed(views.rawbody())),
        Kind::Uri(pattern) => (pattern, Cow::Borrowed(&views.uris().text)),
        Kind::Text(pattern) => (pattern, Cow::Borrowed(&views.text().body)),
        Kind::Full(pattern) => (pattern, Cow::Owned(one_unit(views.full()))),
        _ => return None,
    })
}

fn one_unit(bytes: &[u8]) -> UnitText {
    let mut text = UnitText::default();
    text.push(bytes);
    text
}

/// One header of every MIME part, the message being the first; a part without it is an empty unit.
pub(crate) fn mime_header(views: &Views<'_>, name: &str, raw: bool) -> UnitText {
    let mut text = UnitText::default();
    for part in &views.message.parts {
        if let Some(value) = part_header(part, name, raw) {
            text.bytes.extend_from_slice(&value);
        }
        text.close();
    }
    text
}

fn part_header<'p>(part: &'p Part, name: &'p str, raw: bool) -> Option<Cow<'p, [u8]>> {
    if name == "ALL" {
        let mut all = Vec::new();
        for field in &part.headers.fields {
            all.extend_from_slice(&field.name);
            all.extend_from_slice(b": ");
            let value = if raw { &field.raw } else { &field.decoded };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            all.extend_from_slice(value);
            if !value.ends_with(b"\n") {
                all.push(b'\n');
            }
        }
        return Some(Cow::Owned(all));
    }
    let field = part.header(name)?;
    Some(match raw {
        true => Cow::Borrowed(&field.raw[..]),
        false => Cow::Owned([&field.decoded[..], b"\n"].concat()),
    })
}

/// Hits in the first part that matches; a negated rule hits where no part does.
fn mime_header_hits(database: &Database, views: &Views<'_>, rule: &Rule, test: &MimeHeaderTest) -> u32 {
    let Some(pattern) = test.pattern.id else { return 0 };
    let limit = match rule.tflags.has(Flags::MULTIPLE) {
        true => rule.tflags.max_hits.unwrap_or(1000).max(1),
        false => 1,
    };
    let (first, last) = test.range;
    let parts = views.message.parts.iter().zip(1u32..).filter(|(_, number)| (first..=last).contains(number));
    let values = parts.map(|(part, _)| match part_header(part, &test.header, test.raw) {
        Some(value) => value,
        None => Cow::Borrowed(&test.if_unset[..]),
    });
    let count = if test.concat {
        let mut all = Vec::new();
        for value in values {
            all.extend_from_slice(&value);
            if !value.ends_with(b"\n") {
                all.push(b'\n');
            }
        }
        occurrences(|start| database.find(pattern, &all, start), &all, limit)
    } else {
        let counts = values.map(|value| occurrences(|start| database.find(pattern, &value, start), &value, limit));
        counts.into_iter().find(|&count| count > 0).unwrap_or(0)
    };
    match test.negated {
        true => u32::from(count == 0),
        false => count,
    }
}

/// How often a pattern matches in one unit, as `while (/re/g)` counts.
fn occurrences(find: impl Fn(usize) -> Option<Match>, unit: &[u8], limit: u32) -> u32 {
    let mut count = 0;
    let mut start = 0;
    while count < limit
        && let Some(found) = find(start)
    {
        count += 1;
        start = if found.end > found.start { found.end } else { found.end + 1 };
        if start > unit.len() {
            break;
        }
    }
    count
}

fn fulfils(database: &Database, uri: &Uri, condition: &UriCondition) -> bool {
    let Some(pattern) = condition.pattern.id else { return false };
    let fits = |text: &[u8]| database.is_match(pattern, text) != condition.negated;
    match condition.key {
        UriKey::Raw => fits(&uri.raw),
        UriKey::Cleaned => uri.cleaned.iter().any(|text| fits(text)),
        UriKey::Text => uri.anchor_text.iter().any(|text| fits(text)),
        UriKey::Domain => uri.domains.iter().any(|text| fits(text)),
        UriKey::Host => uri.hosts.iter().any(|(host, _)| fits(host)),
        UriKey::Type => uri.type_names().any(|name| fits(name.as_bytes())),
    }
}

/// Named groups of a rule's matches become tags.
fn capture(engine: &Engine, views: &Views<'_>, rule: &Rule, tags: &mut TagList) {
    let Some((pattern, text)) = pattern_and_text(rule, views) else { return };
    let Some(id) = pattern.id else { return };
    let all = rule.tflags.has(Flags::MULTIPLE);
    let limit = if all { rule.tflags.max_hits.unwrap_or(u32::MAX) } else { 1 };
    let skipped = usize::from(rule.tflags.has(Flags::NOSUBJECT) && matches!(rule.kind, Kind::Body(_)));
    let mut values: TagList = Vec::new();
    let mut count = 0;
    'units: for unit in text.iter().skip(skipped) {
        let mut start = 0;
        while let Some((found, groups)) = engine.ruleset.database.captures(id, unit, start) {
            for (name, value) in groups.into_iter().filter(|(name, value)| is_tag_name(name) && !value.is_empty()) {
                match values.iter_mut().find(|(tag, _)| *tag == name) {
                    Some((_, known)) if known.iter().any(|other| other == value) => {}
                    Some((_, known)) => known.push(value.to_vec()),
                    None => values.push((name, vec![value.to_vec()])),
                }
            }
            count += 1;
            if count >= limit {
                break 'units;
            }
            start = if found.end > found.start { found.end } else { found.end + 1 };
            if start > unit.len() {
                break;
            }
        }
    }
    for (name, value) in values {
        tags.retain(|(tag, _)| *tag != name);
        tags.push((name, value));
    }
}

fn is_tag_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .split('_')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// A pattern made of this message's tags, kept in case that the next message has the same.
pub(crate) struct Instance {
    body: Vec<u8>,
    regex: Option<Regex>,
}

fn template_hits(
    engine: &Engine,
    views: &Views<'_>,
    id: RuleId,
    place: usize,
    scratch: &mut Scratch,
    tags: &TagList,
) -> u32 {
    let rule = engine.ruleset.rule(id);
    let Some((pattern, text)) = pattern_and_text(rule, views) else { return 0 };
    if text.is_empty() {
        return 0;
    }
    // To compile a pattern is dear, and most texts hold none of the tag's values.
    for tag in pattern.templates.iter().filter(|tag| is_required(pattern, tag)) {
        let values = tag_values(views, tags, tag);
        if !text.iter().any(|unit| values.iter().any(|value| occurs(value, unit))) {
            let negated = matches!(&rule.kind, Kind::Header(test) if test.negated);
            return u32::from(negated && values.iter().any(|value| !value.is_empty()));
        }
    }
    let Some(body) = pattern.instantiate(|tag| tag_values(views, tags, tag)) else { return 0 };
    scratch.instances.resize_with(engine.plan.templates.len(), || None);
    let instance = match &mut scratch.instances[place] {
        Some(instance) if instance.body == body => instance,
        slot => {
            let regex = Regex::new(&body, pattern.flags).ok();
            slot.insert(Instance { body, regex })
        }
    };
    let Some(regex) = &instance.regex else { return 0 };
    let skipped = usize::from(rule.tflags.has(Flags::NOSUBJECT) && matches!(rule.kind, Kind::Body(_)));
    let units = text.iter().skip(skipped);
    if !rule.tflags.has(Flags::MULTIPLE) {
        let matched = units.into_iter().any(|unit| regex.is_match(unit));
        let negated = matches!(&rule.kind, Kind::Header(test) if test.negated);
        return u32::from(matched != negated);
    }
    let mut left = rule.tflags.max_hits.unwrap_or(u32::MAX).max(1);
    let mut count = 0;
    for unit in units {
        let found = occurrences(|start| regex.find(unit, start), unit, left);
        (count, left) = (count + found, left - found);
        if left == 0 {
            break;
        }
    }
    count
}

/// Must every match hold one of the tag's values? Where the tag stands outside of groups, with no alternative beside
/// it, and is not repeated.
fn is_required(pattern: &Pattern, tag: &str) -> bool {
    if pattern.flags.extended {
        return false;
    }
    let body = pattern.body();
    let wanted = format!("%{{{tag}}}");
    let (mut depth, mut in_class, mut found) = (0i32, false, false);
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        match byte {
            b'\\' => at += 1,
            b']' => in_class = false,
            _ if in_class => {}
            b'[' => in_class = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'|' if depth == 0 => return false,
            b'%' if depth == 0 && body[at..].starts_with(wanted.as_bytes()) => {
                at += wanted.len() - 1;
                found |= !matches!(body.get(at + 1), Some(b'?' | b'*' | b'{'));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Is the value in the text, whatever the case of its letters?
fn occurs(value: &[u8], text: &[u8]) -> bool {
    // Perl folds Latin-1 letters too: any high byte may stand for any other.
    let alike = |a: &u8, b: &u8| a.eq_ignore_ascii_case(b) || (*a >= 0x80 && *b >= 0x80);
    !value.is_empty() && text.windows(value.len()).any(|window| window.iter().zip(value).all(|(a, b)| alike(a, b)))
}

fn tag_values(views: &Views<'_>, tags: &TagList, tag: &str) -> Vec<Vec<u8>> {
    if let Some((_, values)) = tags.iter().find(|(name, _)| name == tag) {
        return values.clone();
    }
    let request = match tag {
        "SENDERDOMAIN" => "EnvelopeFrom:first:addr:host",
        "AUTHORDOMAIN" => "From:addr:host",
        _ => return Vec::new(),
    };
    views.header(&HeaderRequest::parse(request)).map(|value| value.values.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{is_required, is_tag_name, occurs};
    use rules::Pattern;

    fn pattern(body: &str) -> Pattern {
        Pattern {
            written: body.into(),
            body: (0, body.len() as u32),
            flags: patterns::Flags::default(),
            expanded: None,
            id: None,
            templates: vec!["TAG".into()],
            captures: Vec::new(),
        }
    }

    #[test]
    fn a_tag_is_required_where_nothing_can_stand_in_for_it() {
        for (body, expected) in [
            ("^https?://.{2,9}(?:a|b)%{TAG}", true),
            ("[(|]x%{TAG}$", true),
            (r"\(%{TAG}", true),
            ("a|%{TAG}", false),
            ("(?:x%{TAG})?", false),
            ("%{TAG}?", false),
            ("%{TAG}*b", false),
            (r"a\%{TAG}", false),
        ] {
            assert_eq!(is_required(&pattern(body), "TAG"), expected, "{body}");
        }
        assert!(occurs(b"A@b.example", b"x=a@B.EXAMPLE&y"));
        assert!(!occurs(b"a@b.example", b"a@c.example"));
        assert!(!occurs(b"", b"a"));
    }

    #[test]
    fn names_of_groups_that_become_tags() {
        for (name, expected) in
            [("GB_TO_ADDR", true), ("A1", true), ("A__B", false), ("A_", false), ("a", false), ("_A", false)]
        {
            assert_eq!(is_tag_name(name), expected, "{name}");
        }
    }
}
