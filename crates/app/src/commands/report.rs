//! `sekisho report`: what came, counted. With files: report these messages to those who collect spam.

use super::StoreArguments;
use crate::output::Output;
use crate::{CLEAN, FOUND, counted, environment, feeds as app_feeds, language};
use anyhow::{Context, bail};
use std::path::PathBuf;
use store::Time;
use workshop::statistics::CHARTS;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Messages to report as spam to Pyzor, Razor and DCC (docs/digests.md); without them the statistics are shown
    #[arg(value_name = "FILE|DIR", conflicts_with_all = ["since", "until", "html", "svg", "csv", "json", "output"])]
    files: Vec<PathBuf>,
    /// From this day on, 2026-11-01, or so long ago, 12h, 7d, 8w; default: 30d
    #[arg(long, value_name = "DAY|SPAN", default_value = "30d", hide_default_value = true)]
    since: String,
    /// Up to the end of this day, or so long ago
    #[arg(long, value_name = "DAY|SPAN")]
    until: Option<String>,
    /// A page with charts
    #[arg(long, conflicts_with_all = ["svg", "csv", "json"])]
    html: bool,
    /// One chart as a picture: day, registry, country, network, origin, language, category, brand, rule
    #[arg(long, value_name = "CHART", num_args = 0..=1, default_missing_value = "day", require_equals = true, conflicts_with_all = ["csv", "json"])]
    svg: Option<String>,
    /// For a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Write to this file; default: standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    networks: super::collaborative::Options,
    #[command(flatten)]
    store: StoreArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if !arguments.files.is_empty() {
        return super::collaborative::report(&arguments.files, &arguments.networks, &arguments.store);
    }
    let (config, store) = arguments.store.open()?;
    let since = Some(moment(&arguments.since, false)?);
    let until = arguments.until.as_deref().map(|text| moment(text, true)).transpose()?;
    let report = counted::count(&store, &config, since, until)?;
    let spoken = language::explanations();
    let period = counted::period(since, until);
    let text = match () {
        () if arguments.json => format!("{}\n", serde_json::to_string(&report)?),
        () if arguments.csv => report.csv(),
        () if arguments.html => report.html(&period, spoken),
        () => match &arguments.svg {
            Some(chart) if !CHARTS.contains(&chart.as_str()) => {
                bail!("--svg={chart}: {}", CHARTS.join(", "));
            }
            Some(chart) => match report.svg(chart, spoken) {
                Some(svg) => svg,
                None => {
                    eprintln!(
                        "sekisho: {chart}: {}",
                        language::pick("nothing to draw in this time", "この期間には何もありません")
                    );
                    return Ok(FOUND);
                }
            },
            None => report.text(&period, spoken, 80),
        },
    };
    match &arguments.output {
        Some(file) => {
            app_feeds::generations::write_whole(file, text.as_bytes()).with_context(|| file.display().to_string())?
        }
        None => {
            let mut output = Output::new();
            output.text(&text)?;
            output.flush()?;
        }
    }
    if report.registries.keys().all(|name| name == "?") && report.total.all() > 0 {
        eprintln!(
            "sekisho: {}: {}",
            config.isp.data.display(),
            language::pick(
                "without the registries' files delegated-* countries are not known (docs/isp.md)",
                "レジストリの delegated-* ファイルがないため、国は分かりません（docs/isp.md）"
            )
        );
    }
    Ok(if report.total.all() == 0 { FOUND } else { CLEAN })
}

/// A day, or a span before now. `end`: the end of the day.
fn moment(text: &str, end: bool) -> anyhow::Result<Time> {
    if let Some(seconds) = environment::day_begins(text) {
        let day = if end { 86_400 } else { 0 };
        return Ok(Time::from_seconds(seconds.saturating_add(day)));
    }
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => 0,
    };
    match number.parse::<u32>() {
        Ok(number) if unit > 0 => {
            Ok(environment::now().before(std::time::Duration::from_secs(u64::from(number) * unit)))
        }
        _ => bail!(
            "{text}: {}",
            language::pick(
                "a day such as 2026-11-01, or a span such as 7d",
                "2026-11-01 のような日付か、7d のような期間で指定してください"
            )
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_spans_are_read() {
        let now = environment::now().seconds();
        let week = moment("7d", false).unwrap().seconds();
        assert!((now - 7 * 86_400 - week).abs() < 5);
        let day = moment("2026-11-01", false).unwrap().seconds();
        assert_eq!(moment("2026-11-01", true).unwrap().seconds() - day, 86_400);
        assert_eq!(environment::local_day(day), "2026-11-01");
        for wrong in ["", "7", "x", "7x", "2026-13-01", "日"] {
            assert!(moment(wrong, false).is_err(), "{wrong}");
        }
    }
}
