//! Checks on what the HTML renderer counted: SpamAssassin's HTMLEval.

use super::expression::Comparison;
use super::{argument_pattern, charset, perl, values};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::views::html::Coding;
use mail::views::{HtmlFacts, UnitText};
use std::borrow::Cow;

/// The facts of every HTML part that held anything, and how its strings are coded.
pub(super) fn html_parts<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = (&'a HtmlFacts, Coding)> {
    cx.views
        .message
        .leaves()
        .filter_map(|(id, _)| cx.views.rendered(id))
        .filter(|rendered| rendered.html)
        .filter_map(|rendered| Some((rendered.facts.as_deref()?, rendered.coding)))
}

fn any(cx: &Context<'_>, test: impl Fn(&HtmlFacts) -> bool) -> Outcome {
    Ok(html_parts(cx).any(|(facts, _)| test(facts)).into())
}

pub fn html_tag_balance(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [tag, expression, ..] = args else { return Ok(Finding::NO) };
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(Finding::NO);
    }
    let Some(comparison) = Comparison::parse(expression) else { return Ok(Finding::NO) };
    any(cx, |facts| facts.inside(tag.as_bytes()).is_some_and(|open| comparison.holds(f64::from(open))))
}

pub fn html_tag_exists(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(tag) = args.first() else { return Ok(Finding::NO) };
    any(cx, |facts| facts.inside(tag.as_bytes()).is_some())
}

pub fn html_image_only(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let (min, max) = (perl::number(min), perl::number(max));
    any(cx, |facts| {
        let length = f64::from(facts.length);
        length > min && length <= max && facts.inside(b"img").is_some()
    })
}

pub fn html_image_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let (min, max) = (perl::number(min), perl::number(max));
    any(cx, |facts| {
        let ratio = f64::from(facts.non_space_len) / facts.image_area;
        facts.image_area > 0.0 && ratio > min && ratio <= max
    })
}

/// SpamAssassin gathers the charsets of `<meta>` but never hands them to this test, so that it cannot hit there.
/// Here it does what it is documented to do, where `ok_locales` asks for it.
pub fn html_charset_faraway(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let locales = charset::ok_locales(cx);
    if charset::all_ok(&locales) {
        return Ok(Finding::NO);
    }
    any(cx, |facts| {
        let names = facts.charsets.iter().flat_map(|c| c.split(|b| perl::is_space(*b))).filter(|name| !name.is_empty());
        let (near, far): (Vec<&[u8]>, Vec<&[u8]>) = names.partition(|name| charset::ok_for_locales(name, &locales));
        !far.is_empty() && far.len() >= near.len()
    })
}

/// A fact by SpamAssassin's name, as a number; `None` where it is undefined.
fn fact(facts: &HtmlFacts, name: &str) -> Option<f64> {
    let flag = |set: bool| set.then_some(1.0);
    Some(match name {
        "html" => 1.0,
        "length" => f64::from(facts.length),
        "html_length" => f64::from(facts.html_length),
        "non_space_len" => f64::from(facts.non_space_len),
        "ratio" => facts.ratio?,
        "image_area" => facts.image_area,
        "min_size" => facts.min_size as f64,
        "max_size" => facts.max_size as f64,
        "closed_extra_ratio" => facts.closed_extra_ratio?,
        "bad_tag_ratio" => facts.bad_tag_ratio?,
        "non_element_ratio" => facts.non_element_ratio?,
        "obfuscation_ratio" => facts.obfuscation_ratio?,
        "backhair_count" => f64::from(facts.backhair_count?),
        "font_low_contrast" => flag(facts.font_low_contrast)?,
        "font_invalid_color" => flag(facts.font_invalid_color)?,
        "font_face_bad" => flag(facts.font_face_bad)?,
        "form_action_mailto" => flag(facts.form_action_mailto)?,
        "embeds" => flag(facts.embeds)?,
        "uri_truncated" => flag(facts.uri_truncated)?,
        _ => return None,
    })
}

pub fn html_test(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(name) = args.first() else { return Ok(Finding::NO) };
    any(cx, |facts| fact(facts, name).is_some_and(|value| value != 0.0))
}

pub fn html_eval(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [name, expression, ..] = args else { return Ok(Finding::NO) };
    let Some(comparison) = Comparison::parse(expression) else { return Ok(Finding::NO) };
    any(cx, |facts| fact(facts, name).is_some_and(|value| comparison.holds(value)))
}

pub fn html_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [name, min, rest @ ..] = args else { return Ok(Finding::NO) };
    let min = perl::number(min);
    let max = rest.first().filter(|max| *max != "inf").map(|max| perl::number(max));
    any(cx, |facts| fact(facts, name).is_some_and(|value| value > min && max.is_none_or(|max| value <= max)))
}

/// The strings of a part that a rule may match.
fn strings<'a>(facts: &'a HtmlFacts, name: &str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    fn units(text: &UnitText) -> impl Iterator<Item = &[u8]> {
        text.iter()
    }
    match name {
        "comment" => Box::new(units(&facts.comments)),
        "script" => Box::new(units(&facts.scripts)),
        "title" => Box::new(units(&facts.titles)),
        "anchor" => Box::new(facts.anchors.iter().map(|anchor| &anchor.text[..])),
        _ => Box::new(std::iter::empty()),
    }
}

/// One byte a character, so that `.{120}` counts characters as Perl does here: what is no ASCII becomes its Latin-1
/// byte, or 0xFF.
fn narrowed(text: &[u8], coding: Coding) -> Cow<'_, [u8]> {
    if coding == Coding::Octets || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Owned(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(0xff)).collect()),
        Err(_) => Cow::Borrowed(text),
    }
}

fn text_matches(cx: &Context<'_>, args: &[Arg], wanted: bool) -> Outcome {
    let [name, pattern, ..] = args else { return Ok(Finding::NO) };
    Ok(html_parts(cx)
        .any(|(facts, coding)| {
            strings(facts, name)
                .any(|text| argument_pattern::is_match(pattern, &narrowed(text, coding)) == Some(wanted))
        })
        .into())
}

pub fn html_text_match(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    text_matches(cx, args, true)
}

pub fn html_text_not_match(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    text_matches(cx, args, false)
}

pub fn html_title_subject_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(ratio) = args.first() else { return Ok(Finding::NO) };
    let ratio = perl::number(ratio);
    let mut subject = None;
    for (facts, coding) in html_parts(cx) {
        let longest = facts.titles.iter().filter(|t| *t != b"0").map(|t| narrowed(t, coding).len()).max().unwrap_or(0);
        if longest == 0 {
            continue;
        }
        let subject = *subject.get_or_insert_with(|| values::joined(cx, "Subject").len());
        if subject > 0 && longest as f64 / subject as f64 > ratio {
            return Ok(Finding::hit());
        }
    }
    Ok(Finding::NO)
}

pub fn check_iframe_src(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    any(cx, |facts| facts.uris.iter().any(|uri| uri.types.contains("iframe")))
}
