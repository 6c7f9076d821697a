//! A text as directives: comments and blanks dropped, name and value parted.

use super::{first_word, text, trim};
use std::borrow::Cow;

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive<'t> {
    /// First is 1.
    pub line: u32,
    /// The line as it stands in the file, for excerpts.
    pub raw: &'t [u8],
    /// Lower case, `-` as `_`.
    pub name: String,
    /// Without surrounding blanks; `\#` is `#` already.
    pub value: Cow<'t, [u8]>,
}

/// What a line of a text is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'t> {
    Directive(Directive<'t>),
    /// `# UPDATE version 1234`, which sa-update writes.
    UpdateVersion(String),
}

/// Lines of a text that matter when messages are written in `language` (`en_US`).
pub fn lines<'t>(text: &'t [u8], language: &'t str) -> impl Iterator<Item = Line<'t>> {
    text.split(|byte| *byte == b'\n').enumerate().filter_map(move |(index, raw)| line(raw, index as u32 + 1, language))
}

fn line<'t>(raw: &'t [u8], number: u32, language: &str) -> Option<Line<'t>> {
    if let Some(version) = raw.strip_prefix(b"# UPDATE version ") {
        let digits = !version.is_empty() && version.iter().all(u8::is_ascii_digit);
        return digits.then(|| Line::UpdateVersion(text(version).into_owned()));
    }
    let content = without_comment(raw);
    match content {
        Cow::Borrowed(bytes) => directive(trim(bytes), raw, number, language, Cow::Borrowed),
        // The unescaped line is a text of its own, from which the value must be copied.
        Cow::Owned(bytes) => directive(trim(&bytes), raw, number, language, |value| Cow::Owned(value.to_vec())),
    }
}

fn directive<'v, 't>(
    mut content: &'v [u8],
    raw: &'t [u8],
    line: u32,
    language: &str,
    keep: impl Fn(&'v [u8]) -> Cow<'t, [u8]>,
) -> Option<Line<'t>> {
    if content.starts_with(b"lang") {
        let (word, rest) = first_word(content);
        let (wanted, rest) = first_word(rest);
        if word == b"lang" && !rest.is_empty() {
            let speaks =
                language.len() >= wanted.len() && language.as_bytes()[..wanted.len()].eq_ignore_ascii_case(wanted);
            if !speaks {
                return None;
            }
            content = rest;
        }
    }
    if content.is_empty() || content == b"0" {
        return None;
    }
    let (name, value) = first_word(content);
    let name = text(name).to_lowercase().replace('-', "_");
    Some(Line::Directive(Directive { line, raw, name, value: keep(value) }))
}

/// Cuts at the first `#` without a backslash before it, and takes the backslash from the others.
fn without_comment(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'#') {
        return Cow::Borrowed(raw);
    }
    let end = (0..raw.len()).find(|at| raw[*at] == b'#' && (*at == 0 || raw[*at - 1] != b'\\')).unwrap_or(raw.len());
    let content = &raw[..end];
    if !content.contains(&b'#') {
        return Cow::Borrowed(content);
    }
    let mut unescaped = Vec::with_capacity(content.len());
    for (at, byte) in content.iter().enumerate() {
        if !(*byte == b'\\' && content.get(at + 1) == Some(&b'#')) {
            unescaped.push(*byte);
        }
    }
    Cow::Owned(unescaped)
}

/// `$LANG` and its kin as `lang` lines compare them: `de_DE.UTF-8` is `de_DE`, nothing and `C` are `en_US`.
pub fn language(environment: &str) -> String {
    let first = environment.split(':').next().unwrap_or_default();
    if matches!(first, "" | "C" | "POSIX") {
        return "en_US".to_owned();
    }
    first.split(['@', '.', '+', ',']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, language: &str) -> Vec<(u32, String, String)> {
        lines(text.as_bytes(), language)
            .map(|line| match line {
                Line::Directive(d) => (d.line, d.name, String::from_utf8_lossy(&d.value).into_owned()),
                Line::UpdateVersion(version) => (0, "update".to_owned(), version),
            })
            .collect()
    }

    #[test]
    fn comments_blanks_and_escapes() {
        let read = |text| read(text, "en_US");
        let one = |line: u32, name: &str, value: &str| vec![(line, name.to_owned(), value.to_owned())];
        assert_eq!(read("\n  Report-Safe\t 1 \r\n"), one(2, "report_safe", "1"));
        assert_eq!(read("body A /x\\#y/ # z"), one(1, "body", "A /x#y/"));
        assert_eq!(read("# all of it\n#"), vec![]);
        assert_eq!(read("score A # no value"), one(1, "score", "A"));
        assert_eq!(read("0"), vec![]);
        assert_eq!(read("# UPDATE version 1907"), one(0, "update", "1907"));
        assert_eq!(read("# UPDATE version x"), vec![]);
    }

    #[test]
    fn lang_lines_apply_to_their_language() {
        assert_eq!(read("lang de describe A Text", "de_DE").len(), 1);
        assert_eq!(read("lang pt_BR describe A Text", "pt_PT").len(), 0);
        assert_eq!(read("lang DE describe A Text", "de_DE").len(), 1);
        assert_eq!(language("de_DE.UTF-8"), "de_DE");
        assert_eq!(language("C"), "en_US");
        assert_eq!(language("fr_FR@euro:de"), "fr_FR");
    }
}
