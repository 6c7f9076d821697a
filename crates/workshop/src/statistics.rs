//! What came, counted: by day, registry, country, network, ASN, language, category, rule and brand.
//!
//! In: one [`Seen`] for each judged message. Out: a [`Report`], and its tables for people, spreadsheets and programs. The
//! line that compares Asia with the rest is that of the second talk: `ALL 59869 = ASIA 30889 + NOTASIA 28980`, Asia being
//! what APNIC gave out.

mod render;

pub use render::CHARTS;

use serde::Serialize;
use std::collections::BTreeMap;

/// Different names of one kind that are counted apart; strangers choose some of them.
const MOST_NAMES: usize = 10_000;
/// What is beyond is counted under this name.
const OTHERS: &str = "(others)";
const UNKNOWN: &str = "?";

/// One judged message, as far as it is counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// `2026-11-22`
    pub day: String,
    pub spam: bool,
    /// `apnic`; empty: not known.
    pub registry: String,
    /// Two letters; empty: not known.
    pub country: String,
    /// Rules for networks that hit: the ISP rules of `sekisho isp`.
    pub networks: Vec<String>,
    /// `AS4713 OCN`; empty: not known.
    pub origin: String,
    /// `ja`; empty: not known.
    pub language: String,
    pub categories: Vec<String>,
    pub rules: Vec<String>,
    pub brands: Vec<String>,
    /// What somebody said of it later: taught, or released from quarantine (which says ham).
    pub truth: Option<bool>,
}

/// Spam and ham of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub spam: u64,
    pub ham: u64,
}

impl Count {
    pub fn all(self) -> u64 {
        self.spam + self.ham
    }

    fn add(&mut self, spam: bool) {
        *if spam { &mut self.spam } else { &mut self.ham } += 1;
    }
}

/// A rule's count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// In mail that was judged spam, and in the rest.
    pub spam: u64,
    pub ham: u64,
    /// Of the hits whose truth somebody told: how many were in spam, and in ham.
    pub proven_spam: u64,
    pub proven_ham: u64,
    pub first: String,
    pub last: String,
}

impl RuleCount {
    /// Share of spam among the hits whose truth is known.
    pub fn precision(&self) -> Option<f64> {
        let known = self.proven_spam + self.proven_ham;
        (known > 0).then(|| self.proven_spam as f64 / known as f64)
    }
}

/// Everything counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    pub total: Count,
    pub days: BTreeMap<String, Count>,
    pub registries: BTreeMap<String, Count>,
    pub countries: BTreeMap<String, Count>,
    pub networks: BTreeMap<String, Count>,
    pub origins: BTreeMap<String, Count>,
    pub languages: BTreeMap<String, Count>,
    pub categories: BTreeMap<String, Count>,
    pub brands: BTreeMap<String, Count>,
    pub rules: BTreeMap<String, RuleCount>,
    /// Judged spam and said to be ham, and the other way round.
    pub false_positives: u64,
    pub false_negatives: u64,
}

/// The tables that have names and counts, in the order in which they are shown.
pub const SECTIONS: [&str; 8] = ["day", "registry", "country", "network", "origin", "language", "category", "brand"];

impl Report {
    pub fn add(&mut self, seen: &Seen) {
        let spam = seen.spam;
        self.total.add(spam);
        count(&mut self.days, &seen.day, spam);
        count(&mut self.registries, or_unknown(&seen.registry), spam);
        count(&mut self.countries, or_unknown(&seen.country), spam);
        count(&mut self.languages, or_unknown(&seen.language), spam);
        if !seen.origin.is_empty() {
            count(&mut self.origins, &seen.origin, spam);
        }
        for (table, names) in [
            (&mut self.networks, &seen.networks),
            (&mut self.categories, &seen.categories),
            (&mut self.brands, &seen.brands),
        ] {
            names.iter().for_each(|name| count(table, name, spam));
        }
        match seen.truth {
            Some(false) if spam => self.false_positives += 1,
            Some(true) if !spam => self.false_negatives += 1,
            _ => {}
        }
        for rule in &seen.rules {
            if self.rules.len() >= MOST_NAMES && !self.rules.contains_key(rule) {
                continue;
            }
            let counted = self.rules.entry(rule.clone()).or_default();
            *if spam { &mut counted.spam } else { &mut counted.ham } += 1;
            match seen.truth {
                Some(true) => counted.proven_spam += 1,
                Some(false) => counted.proven_ham += 1,
                None => {}
            }
            if counted.first.is_empty() || seen.day < counted.first {
                counted.first.clone_from(&seen.day);
            }
            if seen.day > counted.last {
                counted.last.clone_from(&seen.day);
            }
        }
    }

    pub fn section(&self, name: &str) -> Option<&BTreeMap<String, Count>> {
        Some(match name {
            "day" => &self.days,
            "registry" => &self.registries,
            "country" => &self.countries,
            "network" => &self.networks,
            "origin" => &self.origins,
            "language" => &self.languages,
            "category" => &self.categories,
            "brand" => &self.brands,
            _ => return None,
        })
    }

    /// A table with the most spam first; days in their order.
    pub fn ranked(&self, name: &str) -> Vec<(&str, Count)> {
        let Some(table) = self.section(name) else { return Vec::new() };
        let mut rows: Vec<(&str, Count)> = table.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        if name != "day" {
            rows.sort_by(|a, b| b.1.spam.cmp(&a.1.spam).then(b.1.ham.cmp(&a.1.ham)).then(a.0.cmp(b.0)));
        }
        rows
    }

    /// Rules by number of hits.
    pub fn ranked_rules(&self) -> Vec<(&str, &RuleCount)> {
        let mut rows: Vec<_> = self.rules.iter().map(|(name, count)| (name.as_str(), count)).collect();
        rows.sort_by(|a, b| (b.1.spam + b.1.ham).cmp(&(a.1.spam + a.1.ham)).then(a.0.cmp(b.0)));
        rows
    }

    /// `ALL 59869 = ASIA 30889 + NOTASIA 28980`, of spam; what no registry is known for is not in Asia.
    pub fn asia(&self) -> String {
        let asia = self.registries.get("apnic").map_or(0, |count| count.spam);
        let unknown = self.registries.get(UNKNOWN).map_or(0, |count| count.spam);
        let all = self.total.spam;
        let rest = if unknown > 0 { format!(" (unknown {unknown})") } else { String::new() };
        format!("ALL {all} = ASIA {asia} + NOTASIA {}{rest}", all - asia)
    }

    /// One row a line: table, name, numbers.
    pub fn csv(&self) -> String {
        let mut out = String::from("table,name,all,spam,ham,proven_spam,proven_ham,first,last\r\n");
        out.push_str(&format!("total,,{},{},{},,,,\r\n", self.total.all(), self.total.spam, self.total.ham));
        for section in SECTIONS {
            for (name, count) in self.ranked(section) {
                out.push_str(&format!(
                    "{section},{},{},{},{},,,,\r\n",
                    field(name),
                    count.all(),
                    count.spam,
                    count.ham
                ));
            }
        }
        for (name, count) in self.ranked_rules() {
            out.push_str(&format!(
                "rule,{},{},{},{},{},{},{},{}\r\n",
                field(name),
                count.spam + count.ham,
                count.spam,
                count.ham,
                count.proven_spam,
                count.proven_ham,
                count.first,
                count.last
            ));
        }
        out
    }
}

fn or_unknown(name: &str) -> &str {
    if name.is_empty() { UNKNOWN } else { name }
}

fn count(table: &mut BTreeMap<String, Count>, name: &str, spam: bool) {
    let name = if table.len() >= MOST_NAMES && !table.contains_key(name) { OTHERS } else { name };
    table.entry(name.to_owned()).or_default().add(spam);
}

/// Quoted where it must be, and no formula where a spreadsheet opens it.
fn field(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// The language of a line or two by its letters: enough to count with. Empty: none to go by.
pub fn language_of(text: &str) -> &'static str {
    let (mut kana, mut han, mut hangul, mut cyrillic, mut latin, mut thai, mut arabic) = (0, 0, 0, 0, 0, 0, 0);
    for c in text.chars().take(1_000) {
        match c {
            '\u{3041}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => kana += 1,
            '\u{3400}'..='\u{9fff}' => han += 1,
            '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' => hangul += 1,
            '\u{400}'..='\u{4ff}' => cyrillic += 1,
            '\u{e00}'..='\u{e7f}' => thai += 1,
            '\u{600}'..='\u{6ff}' => arabic += 1,
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    let cjk = kana + han + hangul;
    match () {
        () if hangul > 0 && hangul >= kana => "ko",
        () if kana > 0 && 10 * cjk >= latin => "ja",
        () if han > 0 && 10 * han >= latin => "zh",
        () if cyrillic > latin => "ru",
        () if thai > latin => "th",
        () if arabic > latin => "ar",
        () if latin > 0 => "latin",
        () => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_talks_line_adds_up() {
        let mut report = Report::default();
        for (registry, times) in [("apnic", 30_889), ("ripencc", 20_000), ("arin", 8_000), ("", 980)] {
            let seen = Seen { spam: true, registry: registry.into(), day: "2009-08-17".into(), ..Seen::default() };
            (0..times).for_each(|_| report.add(&seen));
        }
        report.add(&Seen { registry: "apnic".into(), ..Seen::default() });
        assert_eq!(report.asia(), "ALL 59869 = ASIA 30889 + NOTASIA 28980 (unknown 980)");
        assert_eq!((report.total.spam, report.total.ham), (59_869, 1));
    }

    #[test]
    fn rules_know_their_days_and_their_precision() {
        let mut report = Report::default();
        let seen = |day: &str, spam, truth| Seen {
            day: day.into(),
            spam,
            truth,
            rules: vec!["A".into()],
            brands: vec!["=cmd|x,\"y\"".into()],
            ..Seen::default()
        };
        for seen in [
            seen("2026-11-20", true, Some(false)),
            seen("2026-11-18", true, Some(true)),
            seen("2026-11-19", false, None),
        ] {
            report.add(&seen);
        }
        let rule = &report.rules["A"];
        assert_eq!(
            (rule.first.as_str(), rule.last.as_str(), rule.precision()),
            ("2026-11-18", "2026-11-20", Some(0.5))
        );
        assert_eq!((report.false_positives, report.false_negatives), (1, 0));
        let csv = report.csv();
        assert!(csv.contains("rule,A,3,2,1,1,1,2026-11-18,2026-11-20\r\n"), "{csv}");
        assert!(csv.contains("brand,\"'=cmd|x,\"\"y\"\"\",3,2,1,,,,\r\n"), "{csv}");
        assert_eq!(
            report.ranked("day").iter().map(|(day, _)| *day).collect::<Vec<_>>(),
            ["2026-11-18", "2026-11-19", "2026-11-20"]
        );
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut report = Report::default();
        for number in 0..MOST_NAMES + 500 {
            report.add(&Seen { brands: vec![number.to_string()], rules: vec![number.to_string()], ..Seen::default() });
        }
        assert_eq!(report.brands.len(), MOST_NAMES + 1);
        assert_eq!((report.brands[OTHERS].all(), report.rules.len()), (500, MOST_NAMES));
    }

    #[test]
    fn languages_by_their_letters() {
        for (text, language) in [
            ("請求書のご案内", "ja"),
            ("您的账户", "zh"),
            ("청구서", "ko"),
            ("Ваш счёт", "ru"),
            ("Your invoice", "latin"),
            ("Amazon お支払い", "ja"),
            ("123 !", ""),
        ] {
            assert_eq!(language_of(text), language, "{text}");
        }
    }
}
