//! A [`Report`] for people: text for terminals and mail, a page, single charts.

use super::{Count, Report};
use crate::chart::{Chart, Series, escape, number};
use patterns::Language;

/// Names of a table that are shown.
const MOST_ROWS: usize = 15;
const MOST_RULES: usize = 30;

/// What is drawn: the tables, and the rules.
pub const CHARTS: [&str; 9] =
    ["day", "registry", "country", "network", "origin", "language", "category", "brand", "rule"];

fn title(name: &str, language: Language) -> &'static str {
    let (english, japanese) = match name {
        "day" => ("By day", "日別"),
        "registry" => ("By registry (RIR)", "地域レジストリ（RIR）別"),
        "country" => ("By country", "国別"),
        "network" => ("By network (ISP rules)", "ネットワーク別（ISP ルール）"),
        "origin" => ("By autonomous system", "AS 別"),
        "language" => ("By language", "言語別"),
        "category" => ("By category", "分類別"),
        "brand" => ("Brands that were forged", "かたられたブランド"),
        _ => ("Rules", "ルール別"),
    };
    language.pick(english, japanese)
}

impl Report {
    /// A chart of one table; `None`: no such table, or nothing in it.
    pub fn chart(&self, name: &str, language: Language) -> Option<Chart> {
        let rows: Vec<(&str, Count)> = match name {
            "rule" => self
                .ranked_rules()
                .into_iter()
                .map(|(name, count)| (name, Count { spam: count.spam, ham: count.ham }))
                .collect(),
            _ => self.ranked(name),
        };
        let most = if name == "day" { usize::MAX } else { MOST_ROWS };
        let rows: Vec<_> = rows.into_iter().take(most).collect();
        if rows.is_empty() {
            return None;
        }
        let series = |name: &str, value: fn(&Count) -> u64| Series {
            name: name.to_owned(),
            values: rows.iter().map(|(_, count)| value(count) as f64).collect(),
        };
        Some(Chart {
            title: title(name, language).to_owned(),
            labels: rows.iter().map(|(name, _)| said(name, language)).collect(),
            series: vec![
                series(language.pick("spam", "迷惑メール"), |count| count.spam),
                series(language.pick("ham", "通常メール"), |count| count.ham),
            ],
        })
    }

    /// A chart as a document of its own: days as lines, the rest as bars.
    pub fn svg(&self, name: &str, language: Language) -> Option<String> {
        let chart = self.chart(name, language)?;
        Some(if name == "day" { chart.svg_lines() } else { chart.svg_bars() })
    }

    fn summary(&self, language: Language) -> Vec<String> {
        let share = |part: u64| 100.0 * part as f64 / self.total.all().max(1) as f64;
        let n = |value: u64| number(value as f64);
        let (all, spam, ham) = (self.total.all(), self.total.spam, self.total.ham);
        let mut lines = vec![
            language.pick(
                format!("{} messages: {} spam ({:.1} %), {} ham", n(all), n(spam), share(spam), n(ham)),
                format!("{} 通: 迷惑メール {} 通（{:.1} %）、通常メール {} 通", n(all), n(spam), share(spam), n(ham)),
            ),
            self.asia(),
        ];
        if self.false_positives + self.false_negatives > 0 {
            lines.push(language.pick(
                format!(
                    "said to be judged wrongly: {} ham as spam, {} spam as ham",
                    self.false_positives, self.false_negatives
                ),
                format!("誤りと報告されたもの: 誤判定 {} 通、見逃し {} 通", self.false_positives, self.false_negatives),
            ));
        }
        lines
    }

    /// For a terminal or a mail, `columns` wide.
    pub fn text(&self, period: &str, language: Language, columns: usize) -> String {
        let mut out = format!("{period}\n");
        self.summary(language).iter().for_each(|line| out.push_str(&format!("{line}\n")));
        for name in CHARTS.iter().filter(|name| **name != "rule") {
            if let Some(chart) = self.chart(name, language) {
                out.push('\n');
                out.push_str(&chart.text(columns));
            }
        }
        let rules = self.ranked_rules();
        if !rules.is_empty() {
            let (hits, spam, ham, precision, first, last) = language.pick(
                ("hits", "spam", "ham", "precision", "first", "last"),
                ("回数", "迷惑", "通常", "的中率", "最初", "最後"),
            );
            let head = [(hits, 8), (spam, 8), (ham, 8), (precision, 11)].map(|(name, wide)| right(name, wide)).concat();
            out.push_str(&format!("\n{}\n{head}  {}{}\n", title("rule", language), left(first, 12), left(last, 12)));
            for (name, count) in rules.iter().take(MOST_RULES) {
                let precision = count.precision().map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
                out.push_str(&format!(
                    "{:>8}{:>8}{:>8}{precision:>11}  {:<12}{:<12}{name}\n",
                    count.spam + count.ham,
                    count.spam,
                    count.ham,
                    count.first,
                    count.last
                ));
            }
            if rules.len() > MOST_RULES {
                let more = rules.len() - MOST_RULES;
                out.push_str(&language.pick(format!("... {more} more\n"), format!("… ほか {more}\n")));
            }
        }
        out
    }

    /// A page that stands alone: no script, nothing fetched.
    pub fn html(&self, period: &str, language: Language) -> String {
        let heading = language.pick("Mail statistics", "メール統計");
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{heading} {period}</title>\n<style>\nbody{{font-family:'Noto Sans CJK JP','Noto Sans JP','Hiragino Sans',sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:#222}}\n\
             svg{{max-width:100%;height:auto;border:1px solid #eee;margin:.6em 0}}\ntable{{border-collapse:collapse;font-size:14px;width:100%}}\n\
             td,th{{padding:.2em .6em;border-bottom:1px solid #eee;text-align:right}}\ntd:first-child,th:first-child{{text-align:left;overflow-wrap:anywhere}}\n</style>\n</head>\n<body>\n\
             <h1>{heading}</h1>\n<p>{period}</p>\n",
            language.pick("en", "ja"),
            period = escape(period)
        );
        self.summary(language).iter().for_each(|line| out.push_str(&format!("<p>{}</p>\n", escape(line))));
        for name in CHARTS {
            if let Some(svg) = self.svg(name, language) {
                out.push_str(&svg);
            }
        }
        let heads = language.pick(
            ["Rule", "Hits", "Spam", "Ham", "Precision", "First", "Last"],
            ["ルール", "回数", "迷惑", "通常", "的中率", "最初", "最後"],
        );
        let cells = |tag: &str, cells: &[String]| -> String {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        out.push_str("<table>\n");
        out.push_str(&cells("th", &heads.map(str::to_owned)));
        for (name, count) in self.ranked_rules() {
            let precision = count.precision().map_or(String::new(), |share| format!("{:.1} %", 100.0 * share));
            out.push_str(&cells(
                "td",
                &[
                    name.to_owned(),
                    number((count.spam + count.ham) as f64),
                    number(count.spam as f64),
                    number(count.ham as f64),
                    precision,
                    count.first.clone(),
                    count.last.clone(),
                ],
            ));
        }
        out.push_str("</table>\n</body>\n</html>\n");
        out
    }
}

/// Names of ours in words.
fn said(name: &str, language: Language) -> String {
    let words = match name {
        "?" => language.pick("unknown", "不明"),
        "(others)" => language.pick("others", "その他"),
        "apnic" => "APNIC",
        "arin" => "ARIN",
        "ripencc" => "RIPE NCC",
        "lacnic" => "LACNIC",
        "afrinic" => "AFRINIC",
        "ja" => language.pick("Japanese", "日本語"),
        "zh" => language.pick("Chinese", "中国語"),
        "ko" => language.pick("Korean", "韓国語"),
        "ru" => language.pick("Cyrillic", "キリル文字"),
        "th" => language.pick("Thai", "タイ語"),
        "ar" => language.pick("Arabic", "アラビア語"),
        "latin" => language.pick("Latin letters", "ラテン文字"),
        other => other,
    };
    words.to_owned()
}

fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(crate::chart::columns_of(text))))
}

fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(crate::chart::columns_of(text))))
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::*;

    #[test]
    fn all_forms_say_the_same_and_escape_names() {
        let mut report = Report::default();
        for day in 1..=9 {
            report.add(&Seen {
                day: format!("2026-11-{day:02}"),
                spam: day % 2 == 0,
                registry: "apnic".into(),
                country: "JP".into(),
                brands: vec!["<b>&\"".into()],
                rules: vec!["A_RULE".into()],
                truth: Some(true),
                ..Seen::default()
            });
        }
        for (language, word) in [(Language::English, "spam"), (Language::Japanese, "迷惑メール")] {
            let text = report.text("2026-11", language, 80);
            assert!(
                text.contains("ALL 4 = ASIA 4 + NOTASIA 0") && text.contains(word) && text.contains("A_RULE"),
                "{text}"
            );
            assert!(text.contains("100.0 %"), "{text}");
            let html = report.html("2026-11", language);
            assert!(
                html.matches("<svg ").count() == 6 && !html.contains("<b>") && html.ends_with("</html>\n"),
                "{html}"
            );
        }
        assert!(report.svg("day", Language::English).is_some_and(|svg| svg.contains("<polyline")));
        assert_eq!(report.svg("nothing", Language::English), None);
        assert!(Report::default().text("", Language::English, 80).contains("0 messages"));
    }
}
