//! Checks on the language of a text.
//!
//! Given SpamAssassin's `languages` file, its way of telling languages apart: the commonest groups of one to five bytes
//! are ranked and compared with each language's ranking. Without the file only scripts are told apart, which settles
//! Japanese, Korean, Chinese, Russian and their like, and leaves Latin text undecided.

use super::perl::{self, Lazy, regex};
use crate::check::{Arg, Context, Finding, Outcome};
use mail::views::{UnitText, Views};
use rules::Settings;
use rules::settings::LanguageModels;
use std::collections::HashMap;
use std::rc::Rc;

/// What a text was found to be written in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Languages {
    /// Best first (`ja`, `zh.big5`); none where it stays undecided.
    pub names: Vec<String>,
    /// Bytes of text that were looked at: SpamAssassin's X-Languages-Length.
    pub length: usize,
}

/// Shorter texts are not judged.
const LEAST: usize = 256;
/// Longer ones are cut.
const MOST: usize = 10_000;

/// The languages of a body view.
pub fn guess(body: &UnitText, settings: &Settings) -> Languages {
    let text = cleaned(body);
    let names = if text.len() < LEAST {
        Vec::new()
    } else {
        match &settings.language_models {
            Some(models) => classify(&text, models, settings),
            None => by_script(&text).map(str::to_owned).into_iter().collect(),
        }
    };
    Languages { names, length: text.len() }
}

/// Tells `header` rules what was found: X-Languages, X-Languages-Length.
pub fn put_metadata(views: &Views<'_>, settings: &Settings) {
    let found = guess(views.body(), settings);
    views.put_metadata("X-Languages-Length", found.length.to_string().as_bytes());
    views.put_metadata("X-Languages", found.names.join(" ").as_bytes());
}

/// The text without prefixes of the Subject and without addresses, at most [`MOST`] bytes.
fn cleaned(body: &UnitText) -> Vec<u8> {
    static PREFIXES: Lazy = regex!(r"(?i)^(?:[a-z]{2,12}:\s*){1,10}");
    static ADDRESSES: Lazy = regex!(concat!(
        r"https?(?:://|:&#x2F;&#x2F;|%3A%2F%2F)\S{1,1024}|",
        r"\S{1,64}?@[a-zA-Z]\S{1,128}|",
        r"\bwww\.\S{1,128}"
    ));
    let mut text = Vec::new();
    for unit in body.iter() {
        // Far more than is looked at in the end.
        if text.len() > 4 * MOST {
            break;
        }
        text.extend_from_slice(unit);
        text.push(b'\n');
    }
    text.pop();
    let start = PREFIXES.find(&text).map_or(0, |found| found.end());
    let mut text = ADDRESSES.replace_all(&text[start..], &b" "[..]).into_owned();
    text.truncate(MOST);
    text
}

fn classify(text: &[u8], models: &LanguageModels, settings: &Settings) -> Vec<String> {
    let optimal = settings.textcat_optimal_ngrams as u32;
    let most = settings.textcat_max_ngrams.max(1.0) as usize;
    let ranked = ranking(text, optimal, most);
    let mut scores = vec![ranked.len() as u64 * most as u64; models.len()];
    for (index, gram) in ranked.iter().enumerate() {
        for (language, rank) in models.ranks(gram) {
            let distance = (i64::from(rank) - index as i64).unsigned_abs();
            let score = &mut scores[usize::from(language)];
            *score = *score + distance - most as u64;
        }
    }
    let active: Vec<&str> = settings.ok_languages.split_whitespace().collect();
    let skipped: Vec<&str> =
        settings.inactive_languages.split_whitespace().filter(|name| !active.contains(name)).collect();
    let mut best: Vec<(u64, &str)> = Vec::new();
    for (name, score) in models.names().iter().zip(scores) {
        let short = name.split('.').next().unwrap_or(name);
        if skipped.contains(&short) {
            continue;
        }
        let name = if name.find(".utf8").is_some_and(|at| at > 0) { short } else { name };
        match best.iter_mut().find(|(_, known)| *known == name) {
            Some(known) => known.0 = known.0.min(score),
            None => best.push((score, name)),
        }
    }
    best.sort_unstable();
    let Some((first, _)) = best.first().copied() else { return Vec::new() };
    let limit = settings.textcat_acceptable_score * first as f64;
    let names: Vec<String> = best
        .iter()
        .enumerate()
        .take_while(|(index, (score, _))| *index == 0 || (*score as f64) < limit)
        .map(|(_, (_, name))| (*name).to_owned())
        .collect();
    if names.len() as f64 > settings.textcat_max_languages { Vec::new() } else { names }
}

/// Groups of one to five bytes within words, commonest first; equal counts in byte order.
fn ranking(text: &[u8], optimal: u32, most: usize) -> Vec<Vec<u8>> {
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    let breaks = |b: &u8| perl::is_space(*b) || b.is_ascii_digit() || b"-!\"#$%&()*+,./:;<=>?@[\\]^_`{|}~".contains(b);
    for word in text.split(breaks).filter(|word| !word.is_empty()) {
        let mut marked = vec![0];
        marked.extend_from_slice(word);
        marked.push(0);
        lower_latin1(&mut marked);
        for start in 0..marked.len() {
            for length in 1..=5.min(marked.len() - start) {
                let gram = &marked[start..start + length];
                match counts.get_mut(gram) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(gram.to_vec(), 1)),
                }
            }
        }
    }
    let mut ranked: Vec<(u32, Vec<u8>)> =
        counts.into_iter().filter(|(_, count)| optimal == 0 || *count > optimal).map(|(g, n)| (n, g)).collect();
    ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranked.truncate(most);
    ranked.into_iter().map(|(_, gram)| gram).collect()
}

/// Words with a capital and four letters in a row, in lower case as Latin-1 has it.
fn lower_latin1(word: &mut [u8]) {
    let is_letter = |b: &u8| b.is_ascii_alphabetic() || (*b >= 0xc0 && !matches!(b, 0xd7 | 0xdf | 0xf7 | 0xff));
    if word.iter().any(u8::is_ascii_uppercase) && word.windows(4).any(|w| w.iter().all(is_letter)) {
        for byte in word {
            if byte.is_ascii_uppercase() || (0xc0..=0xde).contains(byte) && *byte != 0xd7 {
                *byte += 0x20;
            }
        }
    }
}

/// The language that a script stands for, where at least a quarter of the letters are of it.
fn by_script(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text);
    let mut letters = 0u32;
    let mut han = 0u32;
    const SCRIPTS: [(&str, u32, u32); 10] = [
        ("ja", 0x3040, 0x30ff),
        ("ko", 0xac00, 0xd7a3),
        ("ru", 0x0400, 0x04ff),
        ("el", 0x0370, 0x03ff),
        ("he", 0x0590, 0x05ff),
        ("ar", 0x0600, 0x06ff),
        ("th", 0x0e00, 0x0e7f),
        ("hi", 0x0900, 0x097f),
        ("ka", 0x10a0, 0x10ff),
        ("hy", 0x0530, 0x058f),
    ];
    let mut counts = [0u32; SCRIPTS.len()];
    for character in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        let code = u32::from(character);
        han += u32::from((0x4e00..=0x9fff).contains(&code));
        if let Some(script) = SCRIPTS.iter().position(|(_, from, to)| (*from..=*to).contains(&code)) {
            counts[script] += 1;
        }
    }
    let enough = |count: u32| count > 0 && count * 4 >= letters;
    // Japanese mixes kana and Chinese characters.
    if enough(counts[0] + han) && counts[0] * 10 >= han {
        return Some("ja");
    }
    if enough(han) {
        return Some("zh");
    }
    SCRIPTS.iter().zip(counts).find(|(_, count)| enough(*count)).map(|((name, ..), _)| *name)
}

fn languages(cx: &Context<'_>) -> Rc<Languages> {
    cx.memo.get_or_init(|| guess(cx.views.body(), cx.settings))
}

pub fn check_language(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let wanted: Vec<&str> = cx.settings.ok_languages.split_whitespace().collect();
    if wanted.contains(&"all") {
        return Ok(Finding::NO);
    }
    let found = languages(cx);
    // In short texts Scots is English.
    let short = found.length < 1024 * found.names.len();
    let plain = |name: &str| -> String {
        let name = name.split('.').next().unwrap_or(name);
        if short && name == "sco" { "en".to_owned() } else { name.to_owned() }
    };
    let welcome = |name: &String| wanted.iter().any(|w| plain(w) == plain(name) || *w == plain(name));
    if found.names.is_empty() || found.names.iter().any(welcome) {
        return Ok(Finding::NO);
    }
    Ok(Finding { notes: vec![format!("Languages detected: {}", found.names.join(" "))], ..Finding::hit() })
}

pub fn check_body_8bits(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    const EIGHT_BIT: [&str; 26] = [
        "am", "ar", "be", "bg", "cs", "el", "et", "fa", "fi", "he", "hi", "hy", "is", "ja", "ka", "ko", "mr", "pt",
        "ru", "ta", "th", "tr", "uk", "vi", "yi", "zh",
    ];
    if cx.settings.ok_languages.split_whitespace().any(|name| name == "all" || EIGHT_BIT.contains(&name)) {
        return Ok(Finding::NO);
    }
    Ok(cx.views.body().iter().any(|line| line.windows(8).any(|w| w.iter().all(|b| !b.is_ascii()))).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(units: &[&str]) -> UnitText {
        let mut text = UnitText::default();
        units.iter().for_each(|unit| text.push(unit.as_bytes()));
        text
    }

    #[test]
    fn scripts_without_a_model() {
        let settings = Settings::default();
        let guess = |sample: &str| guess(&text(&["Re: x\n", &sample.repeat(30)]), &settings).names;
        assert_eq!(guess("これは日本語の文章です。"), ["ja"]);
        assert_eq!(guess("這是一封中文的郵件。"), ["zh"]);
        assert_eq!(guess("Это письмо на русском. "), ["ru"]);
        assert_eq!(guess("This is an English letter. "), [""; 0]);
        assert_eq!(super::guess(&text(&["短い"]), &settings).names, [""; 0], "too short");
    }

    #[test]
    fn rankings_decide_with_a_model() {
        let english = "the quick brown fox jumps over the lazy dog and then the other one ".repeat(6);
        let german = "der schnelle braune fuchs springt ueber den faulen hund und dann noch einer ".repeat(6);
        let mut model = Vec::new();
        for (name, sample) in [("en", &english), ("de", &german)] {
            for gram in ranking(sample.as_bytes(), 0, 400) {
                model.extend_from_slice(&gram);
                model.push(b'\n');
            }
            model.extend_from_slice(format!("0 {name}\n").as_bytes());
        }
        let settings = Settings { language_models: Some(LanguageModels::parse(&model).into()), ..Settings::default() };
        let letter = "then the lazy fox jumps over another quick dog and the one ".repeat(6);
        assert_eq!(guess(&text(&["Re: hello\n", &letter]), &settings).names, ["en"]);
    }

    #[test]
    fn addresses_do_not_count() {
        let units = text(&["Re: Fwd: see\n", "https://example.com/path and joe@example.com or www.example.com end"]);
        assert_eq!(cleaned(&units), b"see\n\n  and   or   end");
    }
}
