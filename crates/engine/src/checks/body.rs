//! Checks on the text as a whole: how the alternatives of a mail differ, how long it is, how it is laid out.

use super::perl::{self, Lazy, regex};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::views::Rendered;
use mail::views::html::Coding;
use mail::{Message, Part, PartId};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A part and everything below it, in document order.
pub(super) fn descendants(message: &Message, root: PartId) -> Vec<PartId> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        found.push(id);
        open.extend(message.part(id).children.iter().rev());
    }
    found
}

fn is_text(part: &Part) -> bool {
    part.media_type.strip_prefix("text").is_some_and(|rest| !rest.bytes().next().is_some_and(perl::is_word))
}

/// How much of the words in HTML is missing in the plain text beside it.
#[derive(Default)]
struct Alternatives {
    /// Percent, of the worst multipart/alternative.
    difference: f64,
    html_words: f64,
    text_words: f64,
}

fn alternatives(cx: &Context<'_>) -> Rc<Alternatives> {
    cx.memo.get_or_init(|| {
        let message = cx.views.message;
        let mut result = Alternatives::default();
        if is_meeting_request(message) {
            return result;
        }
        let is_alternative = |part: &Part| {
            let rest = part.media_type.strip_prefix("multipart/alternative");
            rest.is_some_and(|rest| !rest.bytes().next().is_some_and(perl::is_word))
        };
        for (index, part) in message.parts.iter().enumerate() {
            if is_alternative(part) {
                compare_alternatives(cx, PartId(index as u32), &mut result);
            }
        }
        result
    })
}

/// multipart/alternative of text/html and text/calendar: meeting requests, whose texts always differ.
fn is_meeting_request(message: &Message) -> bool {
    let types = |id: &PartId| message.part(*id).media_type.as_str();
    let root = message.root();
    root.media_type == "multipart/alternative"
        && matches!(&root.children[..], [html, calendar]
            if types(html) == "text/html" && types(calendar) == "text/calendar"
            && [html, calendar].iter().all(|id| message.part(**id).children.is_empty()))
}

fn compare_alternatives(cx: &Context<'_>, root: PartId, result: &mut Alternatives) {
    let message = cx.views.message;
    let rendered: Vec<&Rendered> = descendants(message, root)
        .into_iter()
        .filter(|id| is_text(message.part(*id)))
        .filter_map(|id| cx.views.rendered(id))
        .collect();
    // Each word with its count in HTML and in plain text.
    let mut words: HashMap<&[u8], (u32, u32)> = HashMap::new();
    let mut image_only = false;
    for part in rendered.iter().filter(|part| part.html) {
        for_each_word(part, |word| words.entry(word).or_default().0 += 1);
        let has_image = part.facts.as_ref().is_some_and(|facts| facts.inside(b"img").is_some());
        image_only |= words.is_empty() && has_image;
    }
    let html_words = words.len() + usize::from(image_only);
    if html_words == 0 {
        return;
    }
    let mut text_only: HashSet<&[u8]> = HashSet::new();
    let mut shared = 0;
    for part in rendered.iter().filter(|part| !part.html) {
        for_each_word(part, |word| match words.get_mut(word) {
            Some(counts) => {
                shared += usize::from(counts.1 == 0);
                counts.1 += 1;
            }
            None => {
                text_only.insert(word);
            }
        });
    }
    let missing = words.values().filter(|(html, text)| text < html).count() + usize::from(image_only);
    let difference = missing as f64 / html_words as f64 * 100.0;
    result.difference = result.difference.max(difference);
    result.html_words = html_words as f64;
    result.text_words = (shared + text_only.len()) as f64;
}

/// Runs of non-blanks with a word character in them. What is blank depends on whether Perl saw characters or bytes.
fn for_each_word<'a>(rendered: &'a Rendered, mut found: impl FnMut(&'a [u8])) {
    static WORD: std::sync::LazyLock<regex::Regex> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"\w").expect("a class"));
    let text = &rendered.text[..];
    let wide = match rendered.coding {
        Coding::Wide => !text.is_ascii(),
        // A character beyond Latin-1 (U+0100 is C4 80) makes Perl see characters.
        Coding::Narrow => text.iter().any(|b| *b >= 0xc4),
        Coding::Octets => false,
    };
    match std::str::from_utf8(text) {
        Ok(text) if wide => {
            for word in text.split_whitespace() {
                if word.bytes().any(perl::is_word) || !word.is_ascii() && WORD.is_match(word) {
                    found(word.as_bytes());
                }
            }
        }
        _ => {
            for word in text.split(|b| perl::is_space(*b)) {
                if word.iter().any(|b| perl::is_word(*b)) {
                    found(word);
                }
            }
        }
    }
}

pub fn multipart_alternative_difference(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let difference = alternatives(cx).difference;
    let above = perl::number(min) == 0.0 || difference > perl::number(min);
    Ok((above && (max == "undef" || difference <= perl::number(max))).into())
}

pub fn multipart_alternative_difference_count(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [ratio, min_html, ..] = args else { return Ok(Finding::NO) };
    let found = alternatives(cx);
    Ok((found.html_words > perl::number(min_html) && found.text_words / found.html_words > perl::number(ratio)).into())
}

struct BlankLines {
    blank: usize,
    lines: usize,
}

pub fn check_blank_line_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, rest @ ..] = args else { return Ok(Finding::NO) };
    let (min, max) = (perl::number(min), perl::number(max));
    let least_lines = rest.first().map_or(1.0, |n| perl::number(n).max(1.0));
    let found = cx.memo.get_or_init(|| {
        let mut count = BlankLines { blank: 0, lines: 0 };
        for line in cx.views.rawbody().iter().flat_map(perl::lines) {
            count.lines += 1;
            count.blank += usize::from(line.iter().all(|b| perl::is_space(*b)));
        }
        count
    });
    let lines = found.lines as f64;
    let percent = if lines < least_lines { -1.0 } else { 100.0 * found.blank as f64 / lines };
    Ok((percent <= max && (min == 0.0 || percent > min)).into())
}

struct VerticalWords(f64);

pub fn tvd_vertical_words(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [min, max, ..] = args else { return Ok(Finding::NO) };
    let max = Some(perl::number(max)).filter(|max| *max < 100.0).unwrap_or(101.0);
    let percent = cx.memo.get_or_init(|| VerticalWords(most_spaced(cx.views.body().iter()))).0;
    Ok((percent >= perl::number(min) && percent < max).into())
}

/// Spaces in percent of all else, in the line where they are most.
fn most_spaced<'a>(lines: impl Iterator<Item = &'a [u8]>) -> f64 {
    lines
        .filter(|line| line.len() > 5)
        .map(|line| {
            let spaces = memchr::memchr_iter(b' ', line).count();
            let others = line.len() - spaces;
            if spaces > others || others == 0 { 100.0 } else { (100 * spaces / others) as f64 }
        })
        .fold(-1.0, f64::max)
}

struct StockInfo(f64);

pub fn check_stock_info(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let min = args.first().map_or(0.0, |a| perl::number(a));
    let count = cx.memo.get_or_init(|| {
        let message = cx.views.message;
        let first = message.parts.iter().position(|part| part.media_type == "text/plain");
        let rendered = first.and_then(|index| cx.views.rendered(PartId(index as u32)));
        StockInfo(rendered.map_or(0, |r| stock_facts(&r.text)) as f64)
    });
    Ok((min == 0.0 || count.0 >= min).into())
}

/// How many different labels of a stock tip (`Ticker:`, `Target price:`) the text has.
fn stock_facts(text: &[u8]) -> usize {
    static LABEL: Lazy = regex!(r"(?m)^\s*([^:\s][^:\n]{2,29})\s*:\s*\S");
    static KIND: Lazy = regex!(concat!(
        r"(^trad(?:e|ing)date|company(?:name)?|s[a-z]?(?:t[a-z]?o[a-z]?c[a-z]?k|y[a-z]?m(?:[a-z]?b[a-z]?o[a-z]?l)?)|",
        r"t(?:arget|icker)|(?:opening|current)p(?:rice)?|p(?:rojected|osition)|expectations|weeks?high|",
        r"marketperformance|(?:year|week|month|day|price)(?:target|estimates?)|sector|r(?:ecommendation|ating))$"
    ));
    let mut kinds: HashSet<Vec<u8>> = HashSet::new();
    for label in LABEL.captures_iter(&longest_characters_as_bytes(text)) {
        let letters: Vec<u8> = label[1].iter().map(u8::to_ascii_lowercase).filter(u8::is_ascii_lowercase).collect();
        if let Some(kind) = KIND.captures(&letters) {
            kinds.insert(kind[1].to_vec());
        }
    }
    kinds.len()
}

/// One byte a character, for patterns that count characters.
fn longest_characters_as_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_ascii() => {
            Cow::Owned(text.chars().map(|c| if c.is_ascii() { c as u8 } else { 0xff }).collect())
        }
        _ => Cow::Borrowed(text),
    }
}

pub fn check_body_length(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(max) = args.first() else { return Ok(Finding::NO) };
    Ok((cx.views.message.pristine_body().len() as f64 <= perl::number(max)).into())
}

/// Bytes before and after the last "-- " line of the first plain text part.
struct Signature {
    body: f64,
    signature: f64,
}

fn signature(cx: &Context<'_>) -> Option<Rc<Option<Signature>>> {
    let found = cx.memo.get_or_init(|| {
        let part = cx.views.message.parts.iter().find(|part| part.media_type.starts_with("text/plain"))?;
        Some(split_signature(part.decoded()))
    });
    found.is_some().then_some(found)
}

fn split_signature(text: &[u8]) -> Signature {
    let mut found = Signature { body: text.len() as f64, signature: 0.0 };
    let mut start = 0;
    for line in perl::lines(text) {
        let content = perl::chomp(line);
        if matches!(content, b"--" | b"-- " | b"--\r" | b"-- \r") {
            let after = text.len() - (start + content.len());
            // A delimiter at the very end is a decoy.
            if after > 4 {
                found = Signature { body: start as f64, signature: after as f64 };
            }
        }
        start += line.len();
    }
    found
}

fn length_in_range(cx: &Context<'_>, args: &[Arg], measure: impl Fn(&Signature) -> f64) -> Outcome {
    let Some(found) = signature(cx) else { return Ok(Finding::NO) };
    let value = found.as_ref().as_ref().map_or(0.0, measure);
    let bound = |i: usize| args.get(i).map(|a| perl::number(a));
    Ok((value >= bound(0).unwrap_or(0.0) && bound(1).is_none_or(|max| value <= max)).into())
}

pub fn plaintext_body_length(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    length_in_range(cx, args, |found| found.body)
}

pub fn plaintext_sig_length(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    length_in_range(cx, args, |found| found.signature)
}

pub fn plaintext_body_sig_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    length_in_range(cx, args, |found| if found.signature > 0.0 { found.body / found.signature } else { 1e6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, coding: Coding) -> Vec<String> {
        let mut rendered = Rendered::default();
        (rendered.text, rendered.coding) = (text.as_bytes().to_vec(), coding);
        let mut found = Vec::new();
        for_each_word(&rendered, |w| found.push(String::from_utf8_lossy(w).into_owned()));
        found
    }

    #[test]
    fn words_of_characters_and_of_bytes() {
        assert_eq!(words("one -- two\u{a0}three ①", Coding::Wide), ["one", "two", "three"]);
        assert_eq!(words("one two\u{a0}three", Coding::Narrow), ["one", "two\u{a0}three"]);
        assert_eq!(words("日本語　文 。", Coding::Wide), ["日本語", "文"]);
    }

    #[test]
    fn spaced_lines() {
        assert_eq!(most_spaced([&b"a b c d e f"[..]].into_iter()), 83.0);
        assert_eq!(most_spaced([&b"short"[..]].into_iter()), -1.0);
        assert_eq!(most_spaced([&b"a    b    "[..]].into_iter()), 100.0);
    }

    #[test]
    fn stock_tips() {
        let tip = b"Company Name: Example Corp\nTicker: EXMP\nCurrent Price: $0.12\nHello: world\n";
        assert_eq!(stock_facts(tip), 3);
        assert_eq!(stock_facts(b"Dear Joe: hello"), 0);
    }

    #[test]
    fn signatures() {
        let found = split_signature(b"hello\n-- \nJoe Example\n");
        assert_eq!((found.body, found.signature), (6.0, 13.0));
        let decoy = split_signature(b"hello\n-- \n\n");
        assert_eq!((decoy.body, decoy.signature), (11.0, 0.0));
    }
}
