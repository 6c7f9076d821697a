//! `sekisho dns`: does DNS answer, and do the lists that the rules ask serve us?
//!
//! Lists keep entries for this (RFC 5782): 127.0.0.2 and the name "test" are listed, 127.0.0.1 and "invalid" are not.

use super::{Format, RuleArguments};
use crate::answers::dns::tls::Tell;
use crate::answers::dns::{Found, Resolver, beyond_in_words};
use crate::config::Config;
use crate::config::dns::Ask;
use crate::debug::Debug;
use crate::language::{self, said};
use crate::output::{Output, readable};
use crate::{CLEAN, FOUND, loading};
use anyhow::bail;
use clap::Subcommand;
use engine::{Answer, Question, Record};
use rules::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look up names; without any, every list of the DNS that the rules ask: does it serve us, and list what it should?
    /// Exit 1: something did not answer as it should
    Test {
        /// Names or addresses (of which the name is looked up)
        names: Vec<String>,
        /// Record type
        #[arg(long = "type", short = 't', default_value = "A")]
        record: String,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        rules: RuleArguments,
    },
}

/// One question and how it went.
struct Tested {
    what: String,
    record: Record,
    answer: Answer,
    /// What was too much of it.
    beyond: Vec<(String, i64)>,
    took: Duration,
    verdict: Result<(), &'static str>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let What::Test { names, record, format, config, rules } = &arguments.what;
    let (config, _) = Config::load(config.as_deref())?;
    let Some(record) = Record::named(record) else {
        bail!(
            "{}",
            said!(
                "{record:?} is no record type; write A, TXT, MX or the like",
                "{record:?} はレコードの種類ではありません（例: A、TXT、MX）"
            )
        )
    };
    if config.dns.ask == Ask::No {
        bail!("{}", language::DNS_OFF);
    }
    let mut selection = rules.selection(&config);
    selection.local = false;
    let ruleset = loading::load(&selection, !rules.no_cache, true, &Debug::default()).engine.ruleset;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // What is printed below for each server and question is not said twice.
    let asking = Arc::new(AtomicBool::new(false));
    let is_asking = asking.clone();
    let tell: Tell = Arc::new(move |text: &str| {
        if !is_asking.load(Ordering::Relaxed) {
            eprintln!("sekisho: {text}");
        }
    });
    let Some(resolver) = Resolver::telling(&config.dns, &ruleset.settings, runtime.handle(), &tell)? else {
        bail!("{}", language::NOTHING_TO_ASK);
    };
    asking.store(true, Ordering::Relaxed);
    let mut output = Output::new();
    if *format == Format::Text {
        output.line(&format!("DNS: {}", resolver.describe()))?;
    }
    let questions = match names.is_empty() {
        true => of_lists(&ruleset),
        false => names.iter().map(|name| Asked::of(name, record)).collect(),
    };
    let mut code = CLEAN;
    for (server, shaken) in runtime.block_on(resolver.shake_hands()) {
        if shaken.is_err() {
            code = FOUND;
        }
        match format {
            Format::Text => output.line(&match &shaken {
                Ok(version) => format!("ok   {server}: {version}, certificate good"),
                Err(why) => format!("BAD  {server}: {}", readable(why.as_bytes(), 500)),
            })?,
            Format::Json => {
                let (version, why) = (shaken.as_ref().ok(), shaken.as_ref().err());
                let told = serde_json::json!({ "server": server, "ok": shaken.is_ok(), "tls": version, "why": why });
                output.line(&told.to_string())?;
            }
        }
    }
    // One after the other, so that the times are those of single questions.
    for asked in questions {
        let began = Instant::now();
        let deadline = began + config.dns.deadline.0;
        let Found { answer, beyond } = runtime.block_on(resolver.look_up(&asked.name, asked.record, deadline));
        let tested = Tested {
            verdict: asked.judge(&answer),
            what: asked.name,
            record: asked.record,
            took: began.elapsed(),
            answer,
            beyond,
        };
        if tested.verdict.is_err() {
            code = FOUND;
        }
        match format {
            Format::Text => output.line(&line(&tested))?,
            Format::Json => output.line(&json(&tested).to_string())?,
        }
    }
    output.flush()?;
    Ok(code)
}

struct Asked {
    name: String,
    record: Record,
    /// Of a list: whether it ought to be listed.
    listed: Option<bool>,
}

impl Asked {
    fn of(name: &str, record: Record) -> Asked {
        let reversed = name.parse().ok().map(|address: std::net::IpAddr| match address {
            std::net::IpAddr::V4(_) => (format!("{}.in-addr.arpa", engine::reversed_address(address)), Record::PTR),
            std::net::IpAddr::V6(_) => (format!("{}.ip6.arpa", engine::reversed_address(address)), Record::PTR),
        });
        let (name, record) = reversed.unwrap_or((name.trim_end_matches('.').to_lowercase(), record));
        Asked { name, record, listed: None }
    }

    fn judge(&self, answer: &Answer) -> Result<(), &'static str> {
        match (answer, self.listed) {
            (Answer::Unknown, _) => Err("no answer in time"),
            (Answer::NotAsked, _) => Err("not asked"),
            (Answer::Failed(_), _) => Err("the server refuses or fails"),
            (answer, _) if answer.records().iter().any(|data| data.starts_with("127.255.255.")) => {
                Err("the list does not serve this resolver")
            }
            (answer, Some(true)) if answer.records().is_empty() => Err("the list's own test entry is missing"),
            (answer, Some(false)) if !answer.records().is_empty() => Err("the list lists everything"),
            _ => Ok(()),
        }
    }
}

/// Each list's test entries.
fn of_lists(ruleset: &rules::Ruleset) -> Vec<Asked> {
    let mut zones: BTreeSet<(String, [&str; 2])> = BTreeSet::new();
    const ADDRESSES: [&str; 2] = ["2.0.0.127", "1.0.0.127"];
    const NAMES: [&str; 2] = ["test", "invalid"];
    for rule in ruleset.rules.iter().filter(|rule| rule.active) {
        let Kind::Eval(eval) = &rule.kind else { continue };
        let zone = match (eval.function.as_str(), ruleset.settings.uri_zones.get(&rule.name)) {
            ("check_rbl" | "check_rbl_txt" | "check_rbl_accreditor", _) => {
                eval.arguments.get(1).map(|z| (z, ADDRESSES))
            }
            ("check_uridnsbl", Some(zone)) if zone.directive.starts_with("urirhs") => Some((&zone.zone, NAMES)),
            ("check_uridnsbl", Some(zone)) if zone.directive.starts_with("uridns") => Some((&zone.zone, ADDRESSES)),
            _ => None,
        };
        zones.extend(zone.map(|(zone, entries)| (zone.trim_end_matches('.').to_lowercase(), entries)));
    }
    let each = |(zone, [listed, not]): (String, [&str; 2])| {
        let asked = |entry: &str, is| Asked { name: format!("{entry}.{zone}"), record: Record::A, listed: Some(is) };
        [asked(listed, true), asked(not, false)]
    };
    zones.into_iter().flat_map(each).collect()
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::NoSuchName => said!("no such name", "名前がありません"),
        Answer::Failed(code) => said!("response code {code}", "応答コード {code}"),
        Answer::Unknown => said!("no answer", "応答なし"),
        Answer::NotAsked => said!("not asked", "問い合わせていません"),
        answer => match answer.records() {
            records if records.is_empty() => said!("no such record", "レコードがありません"),
            records => records.iter().map(|data| readable(data.as_bytes(), 200)).collect::<Vec<_>>().join(", "),
        },
    }
}

/// JSON has the English.
fn in_words(why: &'static str) -> &'static str {
    let japanese = match why {
        "no answer in time" => "時間内に応答がありません",
        "not asked" => "問い合わせていません",
        "the server refuses or fails" => "サーバーが拒んだか失敗しました",
        "the list does not serve this resolver" => "このリストは、このリゾルバーからは使えません",
        "the list's own test entry is missing" => "リスト自身の試験用の項目がありません",
        "the list lists everything" => "リストが何でも載せています",
        other => other,
    };
    language::pick(why, japanese)
}

fn line(tested: &Tested) -> String {
    let mut why = tested.verdict.err().map(|why| format!("; {}", in_words(why))).unwrap_or_default();
    if !tested.beyond.is_empty() {
        let told = beyond_in_words(&tested.what, tested.record, &tested.beyond);
        why.push_str(&format!("; limit: {}", readable(told.as_bytes(), 500)));
    }
    format!(
        "{}  {} {}: {}{why} ({:.0} ms)",
        if tested.verdict.is_ok() { "ok " } else { "BAD" },
        readable(tested.what.as_bytes(), 255),
        tested.record,
        words(&tested.answer),
        tested.took.as_secs_f64() * 1e3
    )
}

fn json(tested: &Tested) -> serde_json::Value {
    serde_json::json!({
        "question": Question::Dns { name: tested.what.clone(), record: tested.record },
        "answer": tested.answer,
        "ok": tested.verdict.is_ok(),
        "why": tested.verdict.err(),
        "beyond": tested.beyond.iter().cloned().collect::<BTreeMap<_, _>>(),
        "milliseconds": tested.took.as_secs_f64() * 1e3,
    })
}
