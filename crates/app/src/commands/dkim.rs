//! `sekisho dkim`: make keys that sign our mail, and see whether DNS publishes what they need.

use super::WithConfig;
use crate::answers::dns::Resolver;
use crate::config::Config;
use crate::config::dkim::{Key as Written, is_domain};
use crate::config::dns::Ask;
use crate::language::said;
use crate::language::{self, Message};
use crate::output::{Output, readable};
use crate::owner::{Acting, Owner};
use crate::serve::privileges;
use crate::signing::key::{self, Key, Kind};
use crate::tags::tag;
use crate::{CLEAN, FOUND, environment};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::{Answer, Record};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub type Arguments = WithConfig<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Make a key: writes it for the service alone, and prints what belongs into DNS and into the configuration
    Keygen {
        /// Whose mail is to be signed
        domain: String,
        /// The key's name in DNS; default: year and month, such as s202611
        #[arg(long, short)]
        selector: Option<String>,
        /// An RSA key of so many bits, which everybody can verify
        #[arg(long, value_name = "BITS", default_value_t = 2048, conflicts_with = "ed25519")]
        rsa: usize,
        /// An Ed25519 key: short, but not yet verified everywhere. Use it beside an RSA key
        #[arg(long)]
        ed25519: bool,
        /// The folder for the key; default: /etc/sekisho/dkim
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Compare what DNS publishes with the keys of the configuration. Exit 1: something differs
    Check {
        /// Only this domain's; default: all
        domain: Option<String>,
        /// Only this selector's
        #[arg(long, short)]
        selector: Option<String>,
    },
    /// The keys of the configuration, and the records that belong into DNS
    Show {
        /// Only this domain's; default: all
        domain: Option<String>,
    },
}

const FOLDER: &str = "/etc/sekisho/dkim";

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, _) = Config::load(arguments.config.as_deref())?;
    match &arguments.what {
        What::Keygen { domain, selector, rsa, ed25519, out } => {
            let kind = if *ed25519 { Kind::Ed25519 } else { Kind::Rsa { bits: *rsa } };
            keygen(&config, domain, selector.as_deref(), kind, out.as_deref())
        }
        What::Check { domain, selector } => check(&config, domain.as_deref(), selector.as_deref()),
        What::Show { domain } => show(&config, domain.as_deref()),
    }
}

fn keygen(config: &Config, domain: &str, selector: Option<&str>, kind: Kind, out: Option<&Path>) -> anyhow::Result<u8> {
    let domain = domain.trim_end_matches('.').to_lowercase();
    let month = environment::local_day(environment::unix_time()).replace('-', "");
    let default = || format!("{}{}", if kind == Kind::Ed25519 { 'e' } else { 's' }, &month[..6.min(month.len())]);
    let selector = selector.map_or_else(default, str::to_lowercase);
    if !is_domain(&domain) || !domain.contains('.') {
        bail!(
            "{}",
            said!(
                "{domain:?} is no domain: expected example.jp, and xn--... for what is not ASCII",
                "{domain:?} はドメインではありません（例: example.jp。ASCII でないものは xn--... で）"
            )
        );
    }
    if !is_domain(&selector) {
        bail!(
            "{}",
            said!(
                "{selector:?} is no selector: expected letters, digits, - and dots",
                "{selector:?} はセレクターではありません（英字、数字、-、. で）"
            )
        );
    }
    let folder = out.unwrap_or(Path::new(FOLDER));
    let folder = std::path::absolute(folder)?;
    let file = folder.join(format!("{domain}.{selector}.pem"));
    if file.exists() {
        bail!(
            "{}",
            said!(
                "{} is there already: name another --selector, so that mail under way can still be verified",
                "{} はすでにあります。送信途中のメールも検証できるよう、--selector で別の名前を付けてください",
                file.display()
            )
        );
    }
    let pem = key::make(kind)?;
    let made = Key::parse(pem.as_bytes())?;
    write(config, &folder, &file, pem.as_bytes())?;

    let mut output = Output::new();
    output.line(&format!("{}: {} ({})", MADE, file.display(), made.describe()))?;
    output.line("")?;
    output.line(&format!("; {INTO_DNS}"))?;
    output.line(&key::zone_line(&selector, &domain, &made.record()))?;
    output.line("")?;
    output.line(&format!("# {INTO_CONFIGURATION}"))?;
    output.line("[[dkim.key]]")?;
    output.line(&format!("domains = [{domain:?}]"))?;
    output.line(&format!("selector = {selector:?}"))?;
    output.line(&format!("file = {:?}", file.display().to_string()))?;
    output.line("")?;
    output.line(&format!("# {THEN}: sekisho dkim check {domain}"))?;
    output.flush()?;
    Ok(CLEAN)
}

/// The key is the service's alone. Where root may not trust the folder, it writes as whoever owns it.
fn write(config: &Config, folder: &Path, file: &Path, pem: &[u8]) -> anyhow::Result<()> {
    let owner = privileges::owner(config)?;
    if !folder.exists() {
        // Others may enter: what lies there is closed to them by itself.
        let acting = Acting::as_owner_of(folder)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .with_context(|| folder.display().to_string())?;
        drop(acting);
    }
    let acting = Acting::as_owner_of(folder)?;
    let open = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = open().with_context(|| file.display().to_string())?;
    opened.write_all(pem).and_then(|()| opened.sync_all()).with_context(|| file.display().to_string())?;
    drop(acting);
    if let Some(Owner { user, group }) = owner {
        fchown(&opened, Some(user), Some(group)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// The configuration's keys for one domain, or all; each with the names it signs for.
fn keys<'c>(config: &'c Config, domain: Option<&'c str>) -> impl Iterator<Item = (&'c str, &'c Written)> {
    let all = config.dkim.key.iter().flat_map(|key| key.domains.iter().map(move |own| (own.as_str(), key)));
    all.filter(move |(own, _)| domain.is_none_or(|domain| own.eq_ignore_ascii_case(domain.trim_end_matches('.'))))
}

fn none(domain: Option<&str>) -> anyhow::Error {
    let of = domain.map(|domain| said!(" for {domain}", "（{domain}）")).unwrap_or_default();
    anyhow::anyhow!(
        "{}",
        said!(
            "the configuration has no [[dkim.key]]{of}; make one: sekisho dkim keygen DOMAIN",
            "設定に [[dkim.key]] がありません{of}。作るには: sekisho dkim keygen DOMAIN"
        )
    )
}

fn show(config: &Config, domain: Option<&str>) -> anyhow::Result<u8> {
    let mut output = Output::new();
    let mut any = false;
    for (own, written) in keys(config, domain) {
        let (key, open) = Key::read(&written.file)?;
        if let Some(open) = open {
            eprintln!("sekisho: {open}");
        }
        if std::mem::replace(&mut any, true) {
            output.line("")?;
        }
        output.line(&format!("; {own}, {}: {} ({})", written.selector, written.file.display(), key.describe()))?;
        output.line(&key::zone_line(&written.selector, own, &key.record()))?;
    }
    if !any {
        return Err(none(domain));
    }
    output.flush()?;
    Ok(CLEAN)
}

fn check(config: &Config, domain: Option<&str>, selector: Option<&str>) -> anyhow::Result<u8> {
    if config.dns.ask == Ask::No {
        bail!("{}", language::DNS_OFF);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let settings = rules::Settings::default();
    let Some(resolver) = Resolver::new(&config.dns, &settings, runtime.handle())? else {
        bail!("{}", language::NOTHING_TO_ASK);
    };
    let mut output = Output::new();
    let (mut any, mut code) = (false, CLEAN);
    let wanted = |(_, written): &(&str, &Written)| selector.is_none_or(|selector| written.selector == selector);
    for (own, written) in keys(config, domain).filter(wanted) {
        any = true;
        let name = format!("{}._domainkey.{}", written.selector, own).to_lowercase();
        let found = Key::read(&written.file).map(|(key, _)| {
            let deadline = Instant::now() + config.dns.deadline.0;
            compare(&key, &runtime.block_on(resolver.ask(&name, Record::TXT, deadline)))
        });
        match found {
            Ok(Ok(notes)) => output.line(&format!("ok   {name}: {IS_PUBLISHED}{notes}"))?,
            Ok(Err(why)) => {
                code = FOUND;
                output.line(&format!("BAD  {name}: {why}"))?;
            }
            Err(error) => {
                code = FOUND;
                output.line(&format!("BAD  {name}: {error:#}"))?;
            }
        }
    }
    if !any {
        return Err(none(domain));
    }
    output.flush()?;
    Ok(code)
}

/// What is worth a remark, or what is wrong.
fn compare(key: &Key, answer: &Answer) -> Result<String, String> {
    let records = match answer {
        Answer::Texts(_) | Answer::Records(_) => answer.records(),
        Answer::NoSuchName => Vec::new(),
        Answer::Failed(code) => return Err(language::dns_failed(*code)),
        _ => return Err(NO_ANSWER.to_string()),
    };
    let record = match &records[..] {
        [] => return Err(NOT_PUBLISHED.to_string()),
        [one] => one,
        _ => return Err(SEVERAL.to_string()),
    };
    let tag = |wanted: &str| {
        tag(record, wanted).map(|value| value.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>())
    };
    if tag("v").is_some_and(|version| version != "DKIM1") {
        return Err(format!("{NO_KEY_RECORD}: {}", readable(record.as_bytes(), 100)));
    }
    let kind = tag("k").unwrap_or_else(|| "rsa".to_owned());
    let Some(public) = tag("p") else {
        return Err(format!("{NO_KEY_RECORD}: {}", readable(record.as_bytes(), 100)));
    };
    if public.is_empty() {
        return Err(REVOKED.to_string());
    }
    if kind != key.kind() {
        return Err(format!("{OTHER_KIND} (k={})", readable(kind.as_bytes(), 20)));
    }
    if public != key.public() {
        return Err(OTHER_KEY.to_string());
    }
    if tag("h").is_some_and(|hashes| !hashes.split(':').any(|hash| hash == "sha256")) {
        return Err(OTHER_HASH.to_string());
    }
    if tag("s").is_some_and(|services| !services.split(':').any(|one| one == "email" || one == "*")) {
        return Err(OTHER_SERVICE.to_string());
    }
    let testing = tag("t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y"));
    Ok(if testing { format!("; {TESTING}") } else { String::new() })
}

const MADE: Message = Message::new("made", "作成しました");
const INTO_DNS: Message = Message::new("publish this in DNS", "次のレコードを DNS に登録してください");
const INTO_CONFIGURATION: Message =
    Message::new("and add this to sekisho.toml", "次の行を sekisho.toml に加えてください");
const THEN: Message = Message::new("when both is done", "両方を済ませたら確認します");
const IS_PUBLISHED: Message = Message::new("published, and the key fits", "公開されており、鍵と一致します");
const NOT_PUBLISHED: Message = Message::new(
    "no such record in DNS: publish what sekisho dkim show prints",
    "DNS にレコードがありません（sekisho dkim show が表示するものを登録してください）",
);
const NO_ANSWER: Message = Message::new("DNS gives no answer in time", "DNS が時間内に応答しません");
const SEVERAL: Message = Message::new(
    "several TXT records at this name: verifiers take any of them",
    "この名前に TXT レコードが複数あります（どれが使われるか決まりません）",
);
const NO_KEY_RECORD: Message = Message::new("no key record", "鍵のレコードではありません");
const REVOKED: Message = Message::new("the key is revoked (p= is empty)", "鍵は失効しています（p= が空）");
const OTHER_KIND: Message = Message::new("published is a key of another kind", "公開されている鍵の種類が違います");
const OTHER_KEY: Message = Message::new(
    "another key is published: signatures do not verify",
    "別の鍵が公開されています（署名は検証に失敗します）",
);
const OTHER_HASH: Message = Message::new("h= does not allow sha256", "h= が sha256 を許していません");
const OTHER_SERVICE: Message = Message::new("s= does not allow mail", "s= がメールを許していません");
const TESTING: Message = Message::new("t=y says that it is only a test", "t=y（試験運用）となっています");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_compared() {
        let key = Key::parse(key::make(Kind::Ed25519).unwrap().as_bytes()).unwrap();
        let texts = |record: &str| Answer::Texts(vec![vec![record.to_owned()]]);
        let (public, other) = (key.public(), "A".repeat(43) + "=");
        let (head, tail) = public.split_at(10);
        assert_eq!(compare(&key, &texts(&key.record())), Ok(String::new()));
        assert_eq!(compare(&key, &texts(&format!("k = ed25519 ; p={head} {tail};"))), Ok(String::new()));
        assert!(compare(&key, &texts(&format!("k=ed25519; t=y:s; p={public}"))).unwrap().contains("t=y"));
        for (wrong, told) in [
            (texts("k=ed25519; p="), &REVOKED),
            (texts(&format!("p={public}")), &OTHER_KIND),
            (texts(&format!("k=ed25519; p={other}")), &OTHER_KEY),
            (texts(&format!("k=ed25519; h=sha1; p={public}")), &OTHER_HASH),
            (texts("v=spf1 -all"), &NO_KEY_RECORD),
            (Answer::NoSuchName, &NOT_PUBLISHED),
            (Answer::Texts(vec![vec!["a".into()], vec!["b".into()]]), &SEVERAL),
            (Answer::Unknown, &NO_ANSWER),
        ] {
            assert!(compare(&key, &wrong).unwrap_err().starts_with(told.text()), "{wrong:?}");
        }
    }
}
