//! `sekisho isp`: networks that spam comes from, as rules.
//!
//! The records are one rule file (`isp.file`), which SpamAssassin reads too. What registries say comes from their statistics
//! (`isp.data`) and, asked for by `--whois`, from their servers.

use super::{Format, shown};
use crate::config::Config;
use crate::debug::Debug;
use crate::language::{self, said};
use crate::output::Output;
use crate::owner::Acting;
use crate::policy::notices;
use crate::registries::{Registries, Whom, rdap_base};
use crate::serve::outbox;
use crate::{CLEAN, FOUND, TROUBLE, counted, environment, feeds as app_feeds, input, loading};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::Engine;
use feeds::range::Range;
use feeds::registry::delegated::{Delegation, Delegations};
use feeds::registry::{Network, Server};
use mail::views::Views;
use mail::{Limits, Message};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::history::{Entry, Query};
use workshop::isp::{Book, Finding, Record, State, name_for, overlaps, verify};

/// The rule that says so of a message's sender.
const DMARC_PASS: &str = "DMARC_PASS";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Configuration of the service; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The rule file with the records, in place of isp.file
    #[arg(long, value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// Folder with the registries' statistics (delegated-*), in place of isp.data
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Who has an address, or the address that handed a message over. Exit 1: nobody knows
    Lookup {
        /// Addresses or messages
        #[arg(required = true, value_name = "IP|FILE")]
        what: Vec<String>,
        #[command(flatten)]
        ask: Ask,
        /// How results are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// The three lines of a rule for the network that an address or message came from, proven; nothing is changed
    Propose {
        /// Addresses or messages
        #[arg(required = true, value_name = "IP|FILE")]
        what: Vec<String>,
        #[command(flatten)]
        rule: Rule,
        /// Good mail, which must not come from there; repeatable
        #[arg(long, value_name = "PATH")]
        ham: Vec<PathBuf>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Add a network to the file. Exit 1: it is there already, whole or in part
    Add {
        /// 192.0.2.0/24, or 192.0.2.0-192.0.2.255
        #[arg(value_name = "RANGE")]
        range: Range,
        #[command(flatten)]
        rule: Rule,
    },
    /// Let a network's rule score nothing
    Suspend {
        /// The rule's name, as `sekisho isp list` shows it
        #[arg(value_name = "NAME")]
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "by hand", hide_default_value = true)]
        reason: String,
    },
    /// Let a suspended network's rule score again
    Resume {
        /// The rule's name, as `sekisho isp list` shows it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Take a network out of the file
    Remove {
        /// The rule's name, as `sekisho isp list` shows it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// The networks in the file. Exit 1: there are none
    List {
        /// How results are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Take over the range rules of a user_prefs of the TLEC kind. Exit 1: something in it was not understood, or there are none
    Import {
        /// The user_prefs, or another rule file
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// Print the rules alone, as a user_prefs holds them
    Export,
    /// Compare each network with what the registries say today. Exit 1: some are suspect
    Verify {
        /// Good mail whose sender was proven; a network that it came from is suspect. Repeatable
        #[arg(long, value_name = "PATH")]
        ham: Vec<PathBuf>,
        /// Suspend what is suspect
        #[arg(long)]
        suspend: bool,
        /// Write to notify.postmaster what is suspect, through the service's outbox
        #[arg(long)]
        tell: bool,
        /// Do not look at what the service judged: good mail whose sender DMARC proved makes a network suspect, spam keeps it awake
        #[arg(long)]
        no_history: bool,
    },
    /// Let networks score nothing from which nothing came for long. Exit 1: there were some
    Expire {
        /// So many days; default: isp.silent_days
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        /// Take networks that were suspended out of the file, too
        #[arg(long)]
        remove: bool,
    },
    /// What came from the networks, by the service's history. Exit 1: nothing
    Stats {
        /// So many days back
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        days: u32,
        /// How results are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct Ask {
    /// Ask the registry's whois server, and the one that it refers to
    #[arg(long)]
    whois: bool,
    /// Ask the registry by RDAP
    #[arg(long, conflicts_with = "whois")]
    rdap: bool,
    /// Ask this whois server, such as whois.apnic.net or 127.0.0.1:4343, or this RDAP service, https://...
    #[arg(long, value_name = "HOST[:PORT]|URL")]
    server: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Rule {
    /// The rule's name; default: made of the network's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Two letters; default: what the registry says
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    /// What the description says behind the country
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What the rule scores
    #[arg(long, value_name = "POINTS", default_value_t = 1.5, allow_negative_numbers = true)]
    score: f64,
}

/// Where things are.
struct Desk {
    config: Config,
    file: PathBuf,
    data: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, _) = Config::load(arguments.config.as_deref())?;
    let desk = Desk {
        file: arguments.file.clone().unwrap_or_else(|| config.isp.file.clone()),
        data: arguments.data.clone().unwrap_or_else(|| config.isp.data.clone()),
        config,
    };
    let mut output = Output::new();
    let code = match &arguments.what {
        What::Lookup { what, ask, format } => desk.lookup(what, ask, *format, &mut output)?,
        What::Propose { what, rule, ham, ask } => desk.propose(what, rule, ham, ask, &mut output)?,
        What::Add { range, rule } => desk.add(*range, rule, &mut output)?,
        What::Suspend { name, reason } => desk.change(name, |record| record.suspend(reason))?,
        What::Resume { name } => desk.change(name, |record| {
            record.state = State::Active;
            record.reason.clear();
            record.seen = today();
        })?,
        What::Remove { name } => {
            let mut book = desk.book()?;
            let before = book.records.len();
            book.records.retain(|record| record.name != *name);
            if book.records.len() == before {
                bail!("{}", said!("{name} is not in {}", "{name} は {} にありません", desk.file.display()));
            }
            desk.write(&book)?;
            CLEAN
        }
        What::List { format } => desk.list(*format, &mut output)?,
        What::Import { from } => desk.import(from, &mut output)?,
        What::Export => {
            output.text(&desk.book()?.export())?;
            CLEAN
        }
        What::Verify { ham, suspend, tell, no_history } => {
            desk.verify(ham, *suspend, *tell, !*no_history, &mut output)?
        }
        What::Expire { days, remove } => desk.expire(*days, *remove, &mut output)?,
        What::Stats { days, format } => desk.stats(*days, *format, &mut output)?,
    };
    output.flush()?;
    Ok(code)
}

/// `2026-11-22`
fn today() -> String {
    environment::local_day(environment::unix_time())
}

/// What is known of an address.
struct Known {
    address: Ipv4Addr,
    delegated: Option<Delegation>,
    /// Most specific first.
    networks: Vec<Network>,
    /// What could not be asked.
    problem: Option<String>,
}

impl Known {
    /// The network to register: the one that the registry itself gave out, since what an ISP gives on changes more often.
    fn network(&self) -> Option<&Network> {
        let networks = &self.networks;
        networks.iter().find(|network| !network.is_given_on()).or_else(|| networks.last())
    }

    fn country(&self) -> String {
        let said = self.network().map(|network| network.country.clone()).filter(|country| !country.is_empty());
        said.or_else(|| self.delegated.as_ref().map(|line| line.country.clone())).unwrap_or_default()
    }

    fn range(&self) -> Option<Range> {
        self.network().and_then(Network::range).or_else(|| self.delegated.as_ref().map(|line| line.range))
    }
}

impl Desk {
    fn book(&self) -> anyhow::Result<Book> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Book::default()),
            Err(error) => return Err(error).with_context(|| self.file.display().to_string()),
        };
        let (book, problems) = Book::read(&text);
        for problem in problems {
            eprintln!("sekisho: {}:{}: {}", self.file.display(), problem.line, problem.what);
        }
        Ok(book)
    }

    /// Whole or not at all; the service sees it with its next look at the rules. Written by root it is the service's all the
    /// same, which suspends rules in it.
    fn write(&self, book: &Book) -> anyhow::Result<()> {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let _acting = Acting::as_owner_of(folder)?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        app_feeds::generations::write_whole(&self.file, book.write().as_bytes())
            .with_context(|| self.file.display().to_string())
    }

    fn delegations(&self) -> anyhow::Result<Delegations> {
        let mut all = Delegations::default();
        let folders = app_feeds::registries(&self.config, &self.data);
        let in_folder = |folder: &PathBuf| {
            let names = app_feeds::names(folder).into_iter().filter(|name| name.starts_with("delegated-"));
            names.map(|name| folder.join(name)).collect::<Vec<_>>()
        };
        for path in folders.iter().flat_map(in_folder) {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let before = all.wrong;
            all.add(&text);
            if all.wrong > before {
                let wrong = all.wrong - before;
                eprintln!(
                    "sekisho: {}: {}",
                    path.display(),
                    said!("{wrong} lines were not understood and are left out", "{wrong} 行は理解できず、飛ばしました")
                );
            }
        }
        all.sort();
        Ok(all)
    }

    fn engine(&self) -> Engine {
        loading::load(&app_feeds::selection(&self.config), false, true, &Debug::default()).engine
    }

    /// The addresses that are meant: as they are written, or of the relay that handed a message over.
    fn addresses(&self, what: &[String]) -> anyhow::Result<Vec<Ipv4Addr>> {
        let mut engine: Option<Engine> = None;
        let mut addresses = Vec::new();
        for what in what {
            if let Ok(address) = what.parse::<Ipv4Addr>() {
                addresses.push(address);
                continue;
            }
            if what.parse::<IpAddr>().is_ok() {
                bail!(
                    "{}",
                    said!(
                        "{what}: only IPv4 networks become rules",
                        "{what}: ルールになるのは IPv4 のネットワークだけです"
                    )
                );
            }
            let places = input::find(&[PathBuf::from(what)], input::Format::Detect);
            for place in places {
                let bytes = place.read().with_context(|| place.name())?;
                let engine = engine.get_or_insert_with(|| self.engine());
                match handed_over_by(&bytes, engine) {
                    Some(address) => addresses.push(address),
                    None => eprintln!(
                        "sekisho: {}: {}",
                        place.name(),
                        language::pick(
                            "no untrusted relay with an IPv4 address in its Received fields",
                            "Received に、IPv4 アドレスを持つ外部の中継サーバーがありません"
                        )
                    ),
                }
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }

    fn known(&self, address: Ipv4Addr, all: &Delegations, ask: &Ask, registries: &mut Registries) -> Known {
        let delegated = all.find(address).cloned();
        let mut known = Known { address, delegated, networks: Vec::new(), problem: None };
        let registry = known.delegated.as_ref().and_then(|line| Server::of(&line.registry)).unwrap_or(Server::Arin);
        let whom = match &ask.server {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => Whom::Rdap(url.clone()),
            Some(server) => Whom::Whois { server: server.clone(), follow: false },
            None if ask.whois => Whom::Whois { server: registry.host().to_owned(), follow: true },
            None if ask.rdap => Whom::Rdap(rdap_base(registry).to_owned()),
            None => return known,
        };
        match registries.ask(&whom, address) {
            Ok(networks) => known.networks = networks,
            Err(error) => known.problem = Some(format!("{error:#}")),
        }
        known
    }

    fn lookup(&self, what: &[String], ask: &Ask, format: Format, output: &mut Output) -> anyhow::Result<u8> {
        let all = self.delegations()?;
        let book = self.book()?;
        let mut registries = Registries::open(&self.config, &self.data);
        let mut code = CLEAN;
        for address in self.addresses(what)? {
            let known = self.known(address, &all, ask, &mut registries);
            let listed: Vec<&Record> = book
                .records
                .iter()
                .filter(|record| record.ranges.iter().any(|range| range.contains(address)))
                .collect();
            match format {
                Format::Json => output.line(&serde_json::to_string(&serde_json::json!({
                    "address": address, "delegated": known.delegated, "networks": known.networks,
                    "rules": listed.iter().map(|record| &record.name).collect::<Vec<_>>(), "problem": known.problem,
                }))?)?,
                Format::Text => tell(&known, &listed, output)?,
            }
            if known.delegated.is_none() && known.networks.is_empty() {
                code = code.max(if known.problem.is_some() { TROUBLE } else { FOUND });
            }
        }
        if all.is_empty() {
            eprintln!(
                "sekisho: {}: {}",
                self.data.display(),
                language::pick(
                    "no files delegated-*; sekisho data fetches them: sekisho feeds add rir-apnic (and its kin), then sekisho data update",
                    "delegated-* のファイルがありません（sekisho feeds add rir-apnic などの後、sekisho data update で取り寄せます）"
                )
            );
        }
        Ok(code)
    }

    fn propose(
        &self,
        what: &[String],
        rule: &Rule,
        ham: &[PathBuf],
        ask: &Ask,
        output: &mut Output,
    ) -> anyhow::Result<u8> {
        let all = self.delegations()?;
        let book = self.book()?;
        let mut registries = Registries::open(&self.config, &self.data);
        let mut code = CLEAN;
        for address in self.addresses(what)? {
            let known = self.known(address, &all, ask, &mut registries);
            if let Some(problem) = &known.problem {
                eprintln!("sekisho: {problem}");
            }
            let Some(range) = known.range() else {
                eprintln!(
                    "sekisho: {address}: {}",
                    language::pick(
                        "nobody knows its network; try --whois, or say it: sekisho isp add RANGE",
                        "ネットワークがわかりません。--whois を試すか、sekisho isp add RANGE で指定してください"
                    )
                );
                code = TROUBLE;
                continue;
            };
            let record = self.record(range, rule, known.network(), &known.country(), known.delegated.clone(), &book)?;
            output.text(&record.rules())?;
            output.line(&said!(
                "# {range}: {} addresses, and no other matches the pattern",
                "# {range}: {} 個のアドレス。ほかはパターンに一致しない",
                range.size()
            ))?;
            for network in &known.networks {
                let here =
                    if network.range() == Some(range) { language::pick(" (this one)", "（これ）") } else { "" };
                output.line(&format!("# {}{here}", in_words(network)))?;
            }
            code = code.max(self.try_on(&record, ham, output)?);
        }
        Ok(code)
    }

    /// Good mail that the record would hit.
    fn try_on(&self, record: &Record, ham: &[PathBuf], output: &mut Output) -> anyhow::Result<u8> {
        if ham.is_empty() {
            return Ok(CLEAN);
        }
        let places = input::find(ham, input::Format::Detect);
        let engine = self.engine();
        let mut hit = 0;
        for place in &places {
            let Ok(bytes) = place.read() else { continue };
            let from = handed_over_by(&bytes, &engine);
            if from.is_some_and(|address| record.ranges.iter().any(|range| range.contains(address))) {
                hit += 1;
                output.line(&said!("# hits good mail: {}", "# 通常メールに一致: {}", place.name()))?;
            }
        }
        output.line(&said!(
            "# {} of {} good messages came from there",
            "# 通常メール {1} 通のうち、そこから来たもの {0} 通",
            hit,
            places.len()
        ))?;
        Ok(if hit > 0 { FOUND } else { CLEAN })
    }

    fn record(
        &self,
        range: Range,
        rule: &Rule,
        network: Option<&Network>,
        country: &str,
        delegated: Option<Delegation>,
        book: &Book,
    ) -> anyhow::Result<Record> {
        let country = rule.country.clone().unwrap_or_else(|| country.to_owned());
        let called = network.map(|network| network.name.clone()).filter(|name| !name.is_empty());
        let called = called.unwrap_or_else(|| format!("NET-{}", range.first()));
        let name = rule.name.clone().unwrap_or_else(|| name_for(&called, &country, &book.names()));
        let title = rule.title.clone().unwrap_or(called);
        let mut record = Record::new(&name, range, &country, &title, rule.score)?;
        (record.added, record.delegated) = (today(), delegated);
        Ok(record)
    }

    fn add(&self, range: Range, rule: &Rule, output: &mut Output) -> anyhow::Result<u8> {
        let mut book = self.book()?;
        let there = book.records.iter().find(|record| record.ranges.iter().any(|known| known.overlaps(range)));
        if let Some(there) = there {
            eprintln!(
                "sekisho: {}",
                said!(
                    "{range}: {} has it already, whole or in part",
                    "{range}: すべてまたは一部がすでに {} にあります",
                    there.name
                )
            );
            return Ok(FOUND);
        }
        let delegated = self.delegations()?.find(range.first()).cloned();
        let country = delegated.as_ref().map(|line| line.country.clone()).unwrap_or_default();
        let record = self.record(range, rule, None, &country, delegated, &book)?;
        if book.find(&record.name).is_some() {
            bail!(
                "{}",
                said!(
                    "{} is there already; give another name",
                    "{} はすでにあります。別の名前を付けてください",
                    record.name
                )
            );
        }
        output.text(&record.rules())?;
        book.records.push(record);
        self.write(&book)?;
        Ok(CLEAN)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Record)) -> anyhow::Result<u8> {
        let mut book = self.book()?;
        let Some(record) = book.find_mut(name) else {
            bail!("{}", said!("{name} is not in {}", "{name} は {} にありません", self.file.display()))
        };
        change(record);
        self.write(&book)?;
        Ok(CLEAN)
    }

    fn list(&self, format: Format, output: &mut Output) -> anyhow::Result<u8> {
        let book = self.book()?;
        for record in &book.records {
            match format {
                Format::Json => output.line(&serde_json::to_string(record)?)?,
                Format::Text => {
                    let ranges: Vec<String> = record.ranges.iter().take(3).map(ToString::to_string).collect();
                    let more = if record.ranges.len() > 3 { ", ..." } else { "" };
                    let state = match record.state {
                        State::Active => String::new(),
                        State::Suspended => said!("  suspended: {}", "  停止中: {}", record.reason),
                    };
                    output.line(&format!(
                        "{:>5} {:<28} {}  {}{more}{state}",
                        record.score,
                        record.name,
                        shown(record.description().as_bytes()),
                        ranges.join(", ")
                    ))?;
                }
            }
        }
        if book.records.is_empty() {
            language::tell_nothing();
        }
        Ok(if book.records.is_empty() { FOUND } else { CLEAN })
    }

    fn import(&self, from: &Path, output: &mut Output) -> anyhow::Result<u8> {
        let bytes = fs::read(from).with_context(|| from.display().to_string())?;
        let (theirs, problems) = Book::read(&String::from_utf8_lossy(&bytes));
        let all = self.delegations()?;
        let mut book = self.book()?;
        let (mut new, mut known) = (0, 0);
        for mut record in theirs.records {
            if book.find(&record.name).is_some() {
                known += 1;
                continue;
            }
            record.added = today();
            let first = record.ranges.first().map(|range| range.first());
            record.delegated = first.and_then(|first| all.find(first).cloned());
            book.records.push(record);
            new += 1;
        }
        self.write(&book)?;
        output.line(&said!(
            "{new} networks taken over, {known} were there already",
            "{new} 個のネットワークを取り込みました。{known} 個はすでにありました"
        ))?;
        for overlap in overlaps(&book.records) {
            let conflict = if overlap.conflict {
                language::pick(", and they say different countries", "。国が食い違っています")
            } else {
                ""
            };
            output.line(&said!(
                "{} and {} both hold {}{conflict}",
                "{} と {} の両方に {} があります{conflict}",
                overlap.one,
                overlap.other,
                overlap.range
            ))?;
        }
        for problem in &problems {
            eprintln!("sekisho: {}:{}: {}", from.display(), problem.line, problem.what);
        }
        if new + known == 0 {
            language::tell_nothing();
        }
        Ok(if problems.is_empty() && new + known > 0 { CLEAN } else { FOUND })
    }

    /// The service's history since so many days ago, entry by entry; nothing where there is no store.
    fn history(&self, days: u32, mut each: impl FnMut(&Entry)) -> anyhow::Result<()> {
        let Some(store) = super::open_store(&self.config)? else { return Ok(()) };
        let since = environment::now().before(Duration::from_secs(u64::from(days) * 86_400));
        let mut before = None;
        loop {
            let page = store.history().search(&Query { since: Some(since), limit: 500, before, ..Query::default() })?;
            page.entries.iter().for_each(&mut each);
            before = page.entries.last().map(|entry| entry.id);
            if page.entries.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes from the history when spam came from each network last; gives the addresses of good mail that was proven.
    fn learn_from_history(&self, book: &mut Book) -> anyhow::Result<Vec<Ipv4Addr>> {
        let mut good = Vec::new();
        let mut seen: HashMap<String, String> = HashMap::new();
        let names: HashSet<String> = book.records.iter().map(|record| record.name.clone()).collect();
        self.history(self.config.isp.silent_days.clamp(30, 400), |entry| {
            if entry.spam {
                let day = environment::local_day(entry.id.time().seconds());
                for hit in entry.hits.iter().filter(|hit| names.contains(&hit.rule)) {
                    let last = seen.entry(hit.rule.clone()).or_default();
                    if *last < day {
                        last.clone_from(&day);
                    }
                }
            } else if entry.hits.iter().any(|hit| hit.rule == DMARC_PASS) {
                good.extend(counted::address(entry));
            }
        })?;
        for record in &mut book.records {
            if let Some(day) = seen.remove(&record.name).filter(|day| *day > record.seen) {
                record.seen = day;
            }
        }
        good.sort_unstable();
        good.dedup();
        Ok(good)
    }

    fn expire(&self, days: Option<u32>, remove: bool, output: &mut Output) -> anyhow::Result<u8> {
        let days = days.unwrap_or(self.config.isp.silent_days);
        let mut book = self.book()?;
        self.learn_from_history(&mut book)?;
        let before = match days {
            0 => String::new(),
            days => environment::local_day(environment::unix_time() - i64::from(days) * 86_400),
        };
        let mut expired = 0;
        for finding in verify(&book.records, &Delegations::default(), &[], &before) {
            if let Some(record) = book.find_mut(&finding.name) {
                record.suspend(&finding.why);
                expired += 1;
                output.line(&format!("{}: {}", finding.name, finding.why))?;
            }
        }
        if remove {
            book.records.retain(|record| record.state == State::Active);
        }
        self.write(&book)?;
        Ok(if expired == 0 { CLEAN } else { FOUND })
    }

    fn stats(&self, days: u32, format: Format, output: &mut Output) -> anyhow::Result<u8> {
        let book = self.book()?;
        let mut counts: BTreeMap<&str, (u64, u64, String)> =
            book.records.iter().map(|record| (record.name.as_str(), Default::default())).collect();
        self.history(days, |entry| {
            for hit in &entry.hits {
                if let Some((spam, ham, last)) = counts.get_mut(hit.rule.as_str()) {
                    *if entry.spam { spam } else { ham } += 1;
                    let day = environment::local_day(entry.id.time().seconds());
                    if *last < day {
                        *last = day;
                    }
                }
            }
        })?;
        let mut rows: Vec<_> = counts.into_iter().filter(|(_, (spam, ham, _))| spam + ham > 0).collect();
        rows.sort_by(|a, b| (b.1.0 + b.1.1).cmp(&(a.1.0 + a.1.1)).then(a.0.cmp(b.0)));
        let heads = language::pick(("spam", "ham", "last"), ("迷惑", "通常", "最後"));
        if format == Format::Text && !rows.is_empty() {
            output.line(&format!("{:>8} {:>8}  {:<10}", heads.0, heads.1, heads.2))?;
        }
        for (name, (spam, ham, last)) in &rows {
            match format {
                Format::Json => output.line(&serde_json::to_string(
                    &serde_json::json!({"name": name, "spam": spam, "ham": ham, "last": last}),
                )?)?,
                Format::Text => output.line(&format!("{spam:>8} {ham:>8}  {last:<10}  {name}"))?,
            }
        }
        if rows.is_empty() {
            language::tell_nothing();
        }
        Ok(if rows.is_empty() { FOUND } else { CLEAN })
    }

    fn tell_postmaster(&self, findings: &[Finding], suspended: bool) -> anyhow::Result<()> {
        let notify = &self.config.notify;
        if notify.postmaster.is_empty() {
            bail!("{}", said!("--tell: notify.postmaster is empty", "--tell: notify.postmaster が空です"));
        }
        let store = super::open_store(&self.config)?.context(language::NO_STORE.text())?;
        let lines: Vec<String> = findings.iter().map(|finding| format!("{}: {}", finding.name, finding.why)).collect();
        let notice = notices::networks(notify, &notify.postmaster, &lines, suspended)?;
        outbox::enqueue(&store, &[notice])
    }

    fn verify(
        &self,
        ham: &[PathBuf],
        suspend: bool,
        tell: bool,
        history: bool,
        output: &mut Output,
    ) -> anyhow::Result<u8> {
        let all = self.delegations()?;
        if all.is_empty() {
            eprintln!(
                "sekisho: {}: {}",
                self.data.display(),
                language::pick(
                    "no files delegated-*, so nothing is compared with the registries (sekisho data update fetches them)",
                    "delegated-* のファイルがないため、レジストリとは照合しません（sekisho data update で取り寄せます）"
                )
            );
        }
        let mut good = Vec::new();
        if !ham.is_empty() {
            let engine = self.engine();
            for place in input::find(ham, input::Format::Detect) {
                good.extend(place.read().ok().and_then(|bytes| handed_over_by(&bytes, &engine)));
            }
        }
        let silent = match self.config.isp.silent_days {
            0 => String::new(),
            days => environment::local_day(environment::unix_time() - i64::from(days) * 86_400),
        };
        let mut book = self.book()?;
        if history {
            // A store that is not for us to read keeps nobody from comparing files.
            match self.learn_from_history(&mut book) {
                Ok(proven) => good.extend(proven),
                Err(error) => eprintln!("sekisho: {}", language::told(&error)),
            }
        }
        let findings = verify(&book.records, &all, &good, &silent);
        for finding in &findings {
            output.line(&format!("{}: {}", finding.name, finding.why))?;
            if let (true, Some(record)) = (suspend, book.find_mut(&finding.name)) {
                record.suspend(&finding.why);
            }
        }
        if suspend {
            self.write(&book)?;
        }
        if tell && !findings.is_empty() {
            self.tell_postmaster(&findings, suspend)?;
        }
        let stopped = match suspend && !findings.is_empty() {
            true => language::pick(" and score nothing now", "。得点を止めました"),
            false => "",
        };
        output.line(&said!(
            "{0} of {1} networks are suspect{2}",
            "ネットワーク {1} 個のうち疑わしいもの {0} 個{2}",
            findings.len(),
            book.records.len(),
            stopped
        ))?;
        Ok(if findings.is_empty() { CLEAN } else { FOUND })
    }
}

fn tell(known: &Known, listed: &[&Record], output: &mut Output) -> anyhow::Result<()> {
    output.line(&known.address.to_string())?;
    match &known.delegated {
        Some(line) => output.line(&said!(
            "    {}: {}, {}, {} since {}",
            "    {}: {}、{}、{}（{} から）",
            line.registry,
            line.range,
            line.country,
            line.status,
            line.date
        ))?,
        None => output.line(language::pick("    in no statistics that are here", "    手元の統計にはありません"))?,
    }
    for network in &known.networks {
        output.line(&format!("    {}", in_words(network)))?;
    }
    if let Some(problem) = &known.problem {
        output.line(&format!("    {}", shown(problem.as_bytes())))?;
    }
    for record in listed {
        output.line(&said!("    rule {}, score {}", "    ルール {}、得点 {}", record.name, record.score))?;
    }
    Ok(())
}

fn in_words(network: &Network) -> String {
    let range = network.range().map(|range| range.to_string()).unwrap_or_default();
    let said = [&network.name, &network.holder, &network.country, &network.status, &network.changed, &network.source];
    let said: Vec<String> =
        said.into_iter().filter(|said| !said.is_empty()).map(|said| shown(said.as_bytes())).collect();
    format!("{range}: {}", said.join(", "))
}

/// The address of the relay that handed the message to a machine that we trust.
fn handed_over_by(bytes: &[u8], engine: &Engine) -> Option<Ipv4Addr> {
    let message = Message::parse(bytes, &Limits::default());
    counted::as_ipv4(counted::handed_over_by(&Views::new(&message, &engine.views))?)
}
