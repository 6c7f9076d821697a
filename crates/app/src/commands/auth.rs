//! `sekisho auth FILE`: who sent this message, and how that is known. SPF, DKIM, ARC and DMARC step by step: which record,
//! which mechanism, why.

use super::{Format, RuleArguments, service_config};
use crate::answers::Desk;
use crate::answers::auth::{self, Steps, library};
use crate::answers::dns::{Resolver, beyond_in_words};
use crate::config::dns::Ask;
use crate::debug::Debug;
use crate::language::Message as Words;
use crate::language::{self, said};
use crate::output::{Output, readable};
use crate::{CLEAN, FOUND, environment, input, loading};
use anyhow::{Context, bail};
use engine::spf::Step;
use engine::{Answer, Answers, Question, Record};
use mail::authentication::{Outcome, Spf};
use mail::views::Views;
use mail::{Authentication, Message};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// A message; - or nothing: standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Who handed the message over; default: the first relay outside, by its Received fields
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,
    /// The name that the client gave in HELO
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// The sender in MAIL FROM; '' for the null sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
    /// Configuration of the service, for its rules, name servers and [dns.fake]; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
}

const CLIENT: Words = Words::new("client", "接続元");
const SENDER: Words = Words::new("sender", "送信者");
const UNKNOWN: Words = Words::new("unknown", "不明");
const NULL: Words = Words::new("<> (null sender)", "<>（空の送信者）");
const NOT_CHECKED: Words = Words::new("not checked: nobody to ask about", "未検査: 確認対象が分かりません");
const NO_SIGNATURE: Words = Words::new("no signature", "署名なし");
const NO_CHAIN: Words = Words::new("no chain", "ARC なし");
const NO_RECORD: Words = Words::new("no such record", "レコードなし");
const NO_ANSWER: Words = Words::new("no answer", "応答なし");
const NOT_ASKED: Words = Words::new("not asked", "問い合わせず");
const KEY: Words = Words::new("key", "鍵");
const BITS: Words = Words::new("bits", "ビット");
const TESTING: Words = Words::new("the domain only tries (t=y)", "ドメインは試験運用中 (t=y)");
const PARTIAL: Words = Words::new("the body's end is not signed (l=)", "本文の末尾は署名対象外 (l=)");
const ALIGNED: Words = Words::new("aligned", "整合");
const NOT_ALIGNED: Words = Words::new("not aligned", "整合せず");
const POLICY: Words = Words::new("policy", "ポリシー");
const SEALED_BY: Words = Words::new("sealed by", "封印者");
const AUTHENTICATED: Words = Words::new("authenticated as", "認証されたドメイン");
const NOBODY: Words = Words::new("authenticated as nobody", "認証されたドメインなし");
const LIMIT: Words = Words::new("limit", "上限");

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut config = service_config(arguments.config.as_deref())?;
    if config.dns.ask == Ask::No || environment::is_local() || arguments.rules.local {
        bail!("{}", language::NETWORK_OFF);
    }
    // One message, and somebody who waits for it.
    config.dns.questions = config.dns.questions.max(100);
    let selection = arguments.rules.selection(&config);
    let engine = loading::load(&selection, !arguments.rules.no_cache, true, &Debug::default()).engine;
    let settings = &engine.ruleset.settings;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let resolver = Resolver::new(&config.dns, settings, runtime.handle())?.context(language::NOTHING_TO_ASK.text())?;
    let named = arguments.file.clone().unwrap_or_else(|| PathBuf::from("-"));
    let places = input::find(std::slice::from_ref(&named), input::Format::SpamAssassin);
    let place = places.first().with_context(|| said!("{}: no message", "{}: メールがありません", named.display()))?;
    let raw = place.read().with_context(|| place.name())?;
    let message = Message::parse(&raw, &engine.views.limits);
    let views = Views::new(&message, &engine.views);
    let mut sender = engine::checks::authentication::sender(&views, settings);
    sender.client = arguments.client.or(sender.client);
    if let Some(helo) = &arguments.helo {
        sender.helo.clone_from(helo);
    }
    if let Some(from) = &arguments.from {
        sender.sender = Some(from.trim_matches(['<', '>']).to_lowercase());
    }
    let mut answers = Answers::default();
    let mut desk = Desk::new(Some(&resolver), settings, &|ask| ask());
    let (found, steps) =
        auth::verify(&sender, &views, true, environment::unix_time(), &mut answers, &mut |wanted, answers| {
            desk.ask(wanted, answers);
        });
    let mut output = Output::new();
    match arguments.json || arguments.format == Format::Json {
        true => output.line(&json(&found, &steps, answers)?)?,
        false => human(&found, &steps, &answers, &mut output)?,
    }
    output.flush()?;
    Ok(if found.author().is_some() { CLEAN } else { FOUND })
}

fn json(found: &Authentication, steps: &Steps, answers: Answers) -> anyhow::Result<String> {
    let step = |step: &Step| serde_json::json!({"depth": step.depth, "domain": step.domain, "term": step.text, "outcome": step.outcome});
    let list = |steps: &[Step]| steps.iter().map(step).collect::<Vec<_>>();
    let mut object = serde_json::to_value(found)?;
    object["authenticated"] = found.author().into();
    object["steps"] = serde_json::json!({"spf_helo": list(&steps.helo), "spf": list(&steps.mail_from)});
    object["answers"] = serde_json::to_value(answers)?;
    Ok(object.to_string())
}

fn human(found: &Authentication, steps: &Steps, answers: &Answers, output: &mut Output) -> anyhow::Result<()> {
    let client = found.client.map_or_else(|| UNKNOWN.text().to_owned(), |client| client.to_string());
    let sender = match found.sender.as_deref() {
        None => UNKNOWN.text().to_owned(),
        Some("") => NULL.text().to_owned(),
        Some(sender) => shown(sender),
    };
    output.line(&format!("{CLIENT}: {client}  HELO: {}  {SENDER}: {sender}", shown(&found.helo)))?;
    spf("SPF (HELO)", found.spf_helo.as_ref(), &steps.helo, output)?;
    spf("SPF (MAIL FROM)", found.spf.as_ref(), &steps.mail_from, output)?;
    if found.dkim.is_empty() {
        output.line(&format!("DKIM: {NO_SIGNATURE}"))?;
    }
    for one in &found.dkim {
        let mut facts = vec![shown(&one.algorithm)];
        if one.key_bits > 0 {
            facts.push(format!("{} {BITS}", one.key_bits));
        }
        facts.extend(one.testing.then(|| TESTING.text().to_owned()));
        facts.extend(one.partial.then(|| PARTIAL.text().to_owned()));
        let line = format!("DKIM {} ({}): {}", shown(&one.domain), facts.join(", "), outcome(one.result, &one.why));
        output.line(&line)?;
        if !one.selector.is_empty() {
            record(&format!("{}._domainkey.{}", one.selector, one.domain), &KEY, answers, output)?;
        }
    }
    match found.arc.result {
        Outcome::None => output.line(&format!("ARC: {NO_CHAIN}"))?,
        result => output.line(&format!("ARC: {}", outcome(result, &found.arc.why)))?,
    }
    for set in &found.arc.sets {
        let (domain, results) = (shown(&set.domain), shown(&set.results));
        output.line(&format!("  i={} cv={} {SEALED_BY} {domain}: {results}", set.instance, set.chain))?;
    }
    let dmarc = &found.dmarc;
    output.line(&format!("DMARC {}: {}", shown(&dmarc.domain), outcome(dmarc.result, &dmarc.why)))?;
    for name in library::tree(&dmarc.domain) {
        record(&format!("_dmarc.{name}"), &POLICY, answers, output)?;
        if name == dmarc.policy_domain {
            break;
        }
    }
    let aligned = |yes: bool| if yes { &ALIGNED } else { &NOT_ALIGNED };
    let by = dmarc.dkim_aligned.as_deref().map(|domain| format!(" ({})", shown(domain))).unwrap_or_default();
    let (spf, dkim) = (aligned(dmarc.spf_aligned), aligned(dmarc.dkim_aligned.is_some()));
    output.line(&format!("  SPF: {spf}  DKIM: {dkim}{by}"))?;
    for limit in &found.limits {
        output.line(&format!("{LIMIT}: {limit}"))?;
    }
    let mut beyond: Vec<String> = answers
        .iter()
        .filter_map(|(question, answer)| match (question, answer) {
            (Question::Beyond { name, record }, Answer::Figures(figures)) => {
                Some(beyond_in_words(name, *record, figures))
            }
            _ => None,
        })
        .collect();
    beyond.sort();
    for limit in &beyond {
        output.line(&format!("{LIMIT}: {}", shown(limit)))?;
    }
    match found.author() {
        Some(author) => output.line(&format!("{AUTHENTICATED} {}", shown(author)))?,
        None => output.line(NOBODY.text())?,
    }
    Ok(())
}

fn spf(heading: &str, found: Option<&Spf>, steps: &[Step], output: &mut Output) -> anyhow::Result<()> {
    let Some(found) = found else {
        output.line(&format!("{heading}: {NOT_CHECKED}"))?;
        return Ok(());
    };
    output.line(&format!("{heading} {}: {}", shown(&found.domain), outcome(found.result, &found.why)))?;
    for step in steps {
        let indent = "  ".repeat(step.depth + 1);
        let outcome = if step.outcome.is_empty() { String::new() } else { format!("  -> {}", shown(&step.outcome)) };
        output.line(&format!("{indent}{}: {}{outcome}", shown(&step.domain), shown(&step.text)))?;
    }
    if let Some(explanation) = &found.explanation {
        output.line(&format!("  exp: {}", shown(explanation)))?;
    }
    Ok(())
}

fn outcome(result: Outcome, why: &str) -> String {
    if why.is_empty() { result.to_string() } else { format!("{result} ({})", shown(why)) }
}

fn record(name: &str, what: &Words, answers: &Answers, output: &mut Output) -> anyhow::Result<()> {
    let said = match answers.get(&library::question(name, Record::TXT)) {
        Some(answer @ (Answer::Texts(_) | Answer::Records(_))) => match &answer.records()[..] {
            [] => NO_RECORD.text().to_owned(),
            records => records.iter().map(|record| shown(record)).collect::<Vec<_>>().join(" | "),
        },
        Some(Answer::NoSuchName) => NO_RECORD.text().to_owned(),
        None => NOT_ASKED.text().to_owned(),
        Some(_) => NO_ANSWER.text().to_owned(),
    };
    output.line(&format!("  {what} {}: {said}", shown(name)))?;
    Ok(())
}

fn shown(text: &str) -> String {
    readable(text.as_bytes(), 600)
}
