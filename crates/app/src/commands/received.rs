//! `sekisho dmarc read`: reports that others sent us, summed up by who sent mail in our domains' names.

use super::Format as Written;
use crate::input::{self, Format};
use crate::language::Message as Text;
use crate::output::{Output, readable};
use crate::{CLEAN, FOUND, TROUBLE};
use feeds::aggregate::{self, Report};
use mail::{Limits, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

/// What one source sent.
#[derive(Debug, Default)]
struct Sent {
    messages: u64,
    dkim: u64,
    spf: u64,
    neither: u64,
    dispositions: BTreeMap<String, u64>,
    /// Whose names stood in `From`.
    authors: BTreeSet<String>,
    /// Domains that signed, or that SPF passed for.
    proven: BTreeSet<String>,
}

/// Names kept of one source.
const NAMES: usize = 20;

pub fn read(files: &[PathBuf], limit: usize, domain: Option<&str>, format: Written) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let mut code = CLEAN;
    let mut sources: BTreeMap<Option<IpAddr>, Sent> = BTreeMap::new();
    let mut reports = 0_usize;
    for place in input::find(files, Format::Detect) {
        let name = place.name();
        let read = match place.read() {
            Ok(bytes) => of_file(&bytes),
            Err(error) => vec![Err(error.to_string())],
        };
        for report in read {
            match report {
                Ok(report) => {
                    reports += 1;
                    add(&mut sources, report, domain);
                }
                Err(error) => {
                    eprintln!("{name}: {}", readable(error.as_bytes(), 500));
                    code = TROUBLE;
                }
            }
        }
    }
    let mut sorted: Vec<_> = sources.into_iter().collect();
    sorted.sort_by(|(a, first), (b, second)| second.messages.cmp(&first.messages).then_with(|| a.cmp(b)));
    let neither = sorted.iter().any(|(_, sent)| sent.neither > 0);
    if format == Written::Text {
        output.line(&format!("{reports} {REPORTS}, {} {SOURCES}", sorted.len()))?;
    }
    for (source, sent) in sorted.iter().take(limit) {
        output.line(&line(*source, sent, format))?;
    }
    output.flush()?;
    Ok(match code {
        CLEAN if neither => FOUND,
        code => code,
    })
}

/// All reports in a file, or in the parts of the mail that it is.
fn of_file(bytes: &[u8]) -> Vec<Result<Report, String>> {
    let told = |read: Vec<Result<Report, feeds::Refusal>>| -> Vec<Result<Report, String>> {
        read.into_iter().map(|report| report.map_err(|error| error.to_string())).collect()
    };
    if aggregate::may_be(bytes) {
        return told(aggregate::read(bytes));
    }
    let message = Message::parse(bytes, &Limits::default());
    let parts = message.leaves().filter(|(_, part)| aggregate::may_be(part.decoded()));
    let found: Vec<_> = parts.flat_map(|(_, part)| told(aggregate::read(part.decoded()))).collect();
    match found.is_empty() {
        true => vec![Err("no DMARC report is in it".to_owned())],
        false => found,
    }
}

fn add(sources: &mut BTreeMap<Option<IpAddr>, Sent>, report: Report, domain: Option<&str>) {
    for row in report.rows {
        let author = match row.header_from.is_empty() {
            true => report.domain.to_lowercase(),
            false => row.header_from.to_lowercase(),
        };
        if domain.is_some_and(|domain| {
            !author.strip_suffix(&domain.to_lowercase()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }) {
            continue;
        }
        let sent = sources.entry(row.source).or_default();
        let add = |to: &mut u64, is: bool| *to = to.saturating_add(if is { row.count } else { 0 });
        add(&mut sent.messages, true);
        add(&mut sent.dkim, row.dkim);
        add(&mut sent.spf, row.spf);
        add(&mut sent.neither, !row.dkim && !row.spf);
        if sent.dispositions.len() < NAMES {
            add(sent.dispositions.entry(row.disposition).or_default(), true);
        }
        let signed = row.dkim_results.into_iter().filter(|one| one[2] == "pass").map(|[domain, ..]| domain);
        let passed = row.spf_results.into_iter().filter(|one| one[1] == "pass").map(|[domain, _]| domain);
        for (names, name) in [(&mut sent.authors, author)] {
            if names.len() < NAMES {
                names.insert(name);
            }
        }
        for name in signed.chain(passed) {
            if sent.proven.len() < NAMES {
                sent.proven.insert(name.to_lowercase());
            }
        }
    }
}

fn line(source: Option<IpAddr>, sent: &Sent, format: Written) -> String {
    let source = source.map(|source| source.to_string()).unwrap_or_default();
    match format {
        Written::Json => serde_json::json!({
            "source": source,
            "messages": sent.messages,
            "dkim": sent.dkim,
            "spf": sent.spf,
            "neither": sent.neither,
            "dispositions": sent.dispositions,
            "from": sent.authors,
            "proven": sent.proven,
        })
        .to_string(),
        Written::Text => {
            let done: Vec<String> = sent.dispositions.iter().map(|(done, count)| format!("{done} {count}")).collect();
            let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
            let text = format!(
                "{source:<39} {:>8} {MESSAGES}  DKIM {}, SPF {}, {NEITHER} {}  ({})  {}  <- {}",
                sent.messages,
                sent.dkim,
                sent.spf,
                sent.neither,
                done.join(", "),
                names(&sent.authors),
                names(&sent.proven)
            );
            readable(text.as_bytes(), 2_000)
        }
    }
}

const REPORTS: Text = Text::new("reports", "件の報告");
const SOURCES: Text = Text::new("sources", "の送信元");
const MESSAGES: Text = Text::new("messages", "通");
const NEITHER: Text = Text::new("neither", "どちらもなし");
