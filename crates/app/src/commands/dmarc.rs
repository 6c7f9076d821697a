//! `sekisho dmarc`: the aggregate reports that domains' owners ask for, and those that others sent us.

use super::{Format, WithStore, received};
use crate::answers::dns::Resolver;
use crate::dmarc::send::{self, Report};
use crate::language::Message;
use crate::language::said;
use crate::output::{Output, readable};
use crate::{CLEAN, FOUND, environment};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::{Answer, Record};
use std::path::PathBuf;
use std::time::Instant;
use store::reports::Row;

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// A day's reports: what they count; print, write or send them. Exit 1: there are none
    Report {
        /// Only this domain's
        #[arg(long)]
        domain: Option<String>,
        /// Which day, in UTC, such as 2026-11-21; default: yesterday
        #[arg(long)]
        day: Option<String>,
        /// Print the XML, and send nothing
        #[arg(long, conflicts_with = "send")]
        dry_run: bool,
        /// Send them, to those whom the domains name and who agree: the service does so from its outbox
        #[arg(long)]
        send: bool,
        /// Those that were sent before too
        #[arg(long, requires = "send")]
        again: bool,
        /// Write them into this folder
        #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "send"])]
        out: Option<PathBuf>,
    },
    /// Reports that others sent us: who sends in our domains' names, and what passes. Exit 1: some of it proves nothing
    Read {
        /// XML, gzip, zip, or mails with such files in them; folders of these
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// At most so many sources
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only mail in the name of this domain
        #[arg(long)]
        domain: Option<String>,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (domain, day, dry_run, send, again, out) = match &arguments.what {
        What::Report { domain, day, dry_run, send, again, out } => (domain, day, dry_run, send, again, out),
        What::Read { files, limit, domain, format } => {
            return received::read(files, *limit, domain.as_deref(), *format);
        }
    };
    let (config, store) = arguments.store.open()?;
    let now = environment::now();
    let day = match day {
        Some(name) => send::day_named(name).with_context(|| {
            said!("{name:?} is no day; write 2026-11-21", "{name:?} は日付ではありません（例: 2026-11-21）")
        })?,
        None => Row::day_of(now) - 1,
    };
    let reports = send::of_day(&config, &store, day, domain.as_deref(), now)?;
    let mut output = Output::new();
    if reports.is_empty() {
        output.line(&format!("{}: {NONE}", send::day_name(day)))?;
        output.flush()?;
        return Ok(FOUND);
    }
    if *dry_run {
        for report in &reports {
            output.text(&report.xml)?;
        }
    } else if let Some(folder) = out {
        for report in &reports {
            let file = folder.join(&report.file_name);
            std::fs::write(&file, send::gzip(&report.xml)?).with_context(|| file.display().to_string())?;
            output.line(&file.display().to_string())?;
        }
    } else if *send {
        if config.reports.address.is_empty() {
            bail!(
                "{}",
                said!(
                    "reports.address is not set: reports have an author who can be asked",
                    "reports.address がありません（レポートには問い合わせ先が必要です）"
                )
            );
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let resolver = Resolver::new(&config.dns, &rules::Settings::default(), runtime.handle())?;
        let mut ask = |name: &str, record: Record| match &resolver {
            Some(resolver) => runtime.block_on(resolver.ask(name, record, Instant::now() + config.dns.deadline.0)),
            None => Answer::NotAsked,
        };
        for report in &reports {
            let sent = send::enqueue(&config, &store, report, day, *again, now, &mut ask)?;
            let line = match sent {
                None => SENT_BEFORE.to_string(),
                Some(sent) => {
                    for why in &sent.not {
                        eprintln!("sekisho: {}: {}", report.domain, readable(why.as_bytes(), 500));
                    }
                    match sent.to.is_empty() {
                        true => TO_NOBODY.to_string(),
                        false => format!("{WAITS}: {}", readable(sent.to.join(", ").as_bytes(), 500)),
                    }
                }
            };
            output.line(&format!("{}: {line}", summary(report)))?;
        }
    } else {
        for report in &reports {
            let state = if send::was_sent(&store, &report.domain, day, now)? { SENT_BEFORE } else { NOT_SENT };
            output.line(&format!("{}: {state}", summary(report)))?;
        }
    }
    output.flush()?;
    Ok(CLEAN)
}

fn summary(report: &Report) -> String {
    format!("{}  {} {MESSAGES}, {} {ROWS}", readable(report.domain.as_bytes(), 255), report.messages, report.rows)
}

const NONE: Message = Message::new(
    "nothing to report ([reports] collect = true counts)",
    "報告するものはありません（[reports] collect = true で集計します）",
);
const MESSAGES: Message = Message::new("messages", "通");
const ROWS: Message = Message::new("rows", "行");
const SENT_BEFORE: Message = Message::new("reported", "報告済み");
const NOT_SENT: Message = Message::new("not reported", "未報告");
const TO_NOBODY: Message = Message::new("nobody wants it", "送り先がありません");
const WAITS: Message = Message::new("in the outbox, for", "送信待ち、宛先");
