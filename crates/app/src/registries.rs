//! Asking the registries of addresses: whois and RDAP, with what they said kept and few questions asked.
//!
//! In: an address, and whom to ask. Out: the networks that hold it. Answers are kept in a folder for `isp.keep_answers`;
//! one server is asked at most `isp.ask_daily` times a day and not more often than every `isp.ask_pause`, whoever runs the
//! command: registries shut out who asks in a loop. Where the folder cannot be written, the pause holds within one run.

use crate::config::units::{Size, Span};
use crate::config::{Config, Feeds};
use crate::environment;
use anyhow::{Context, bail};
use feeds::range::Range;
use feeds::registry::{Network, Reply, Server, rdap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const WHOIS: u16 = 43;
/// No registry needs longer, and no answer is longer.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: u64 = 1 << 20;
/// One who knows, and whom he names.
const REFERRALS: usize = 3;
/// Answers and days that are kept.
const MOST_KEPT: usize = 5_000;

/// How somebody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// `whois.apnic.net` or `127.0.0.1:4343`; follow referrals.
    Whois { server: String, follow: bool },
    /// `https://rdap.apnic.net`, to which `/ip/ADDRESS` is added.
    Rdap(String),
}

/// The base of a registry's RDAP, as IANA's bootstrap file says it.
pub fn rdap_base(server: Server) -> &'static str {
    match server {
        Server::Afrinic => "https://rdap.afrinic.net/rdap",
        Server::Apnic | Server::Jpnic | Server::Krnic => "https://rdap.apnic.net",
        Server::Arin => "https://rdap.arin.net/registry",
        Server::Lacnic => "https://rdap.lacnic.net/rdap",
        Server::Ripe => "https://rdap.db.ripe.net",
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    answers: BTreeMap<String, Answer>,
    /// Questions to each server on the day.
    day: String,
    asked: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    at: i64,
    networks: Vec<Network>,
}

/// Asks, remembers, and waits between questions.
pub struct Registries {
    file: PathBuf,
    keep: Duration,
    pause: Duration,
    daily: u32,
    feeds: Feeds,
    kept: Kept,
    last: BTreeMap<String, Instant>,
    changed: bool,
}

impl Registries {
    pub fn open(config: &Config, data: &std::path::Path) -> Registries {
        let file = data.join("answers.json");
        let read = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut kept: Kept = read.unwrap_or_default();
        let today = environment::local_day(environment::unix_time());
        if kept.day != today {
            (kept.day, kept.asked) = (today, BTreeMap::new());
        }
        Registries {
            file,
            keep: config.isp.keep_answers.0,
            pause: config.isp.ask_pause.0,
            daily: config.isp.ask_daily,
            feeds: config.feeds.clone(),
            kept,
            last: BTreeMap::new(),
            changed: false,
        }
    }

    /// What somebody says of an address, or said not long ago.
    pub fn ask(&mut self, whom: &Whom, address: Ipv4Addr) -> anyhow::Result<Vec<Network>> {
        let name = match whom {
            Whom::Whois { server, .. } => server.clone(),
            Whom::Rdap(base) => base.clone(),
        };
        let now = environment::unix_time();
        let fresh = |answer: &&Answer| {
            let age = u64::try_from(now.saturating_sub(answer.at)).unwrap_or(0);
            age < self.keep.as_secs()
        };
        // Not only of this address: who has it has its neighbours too.
        let begins = format!("{name} ");
        let known = self.kept.answers.range(begins.clone()..).take_while(|(key, _)| key.starts_with(&begins));
        let holds = |answer: &&Answer| {
            let first = answer.networks.first().and_then(Network::range);
            first.is_some_and(|range| range.contains(address))
        };
        if let Some(answer) = known.map(|(_, answer)| answer).filter(fresh).find(holds) {
            return Ok(answer.networks.clone());
        }
        let reply = match whom {
            Whom::Whois { server, follow } => self.whois(server, address, *follow)?,
            Whom::Rdap(base) => {
                self.may_ask(base)?;
                rdap::read(&fetched(&self.feeds, base, address)?)
            }
        };
        let networks: Vec<Network> = reply.holding(address).cloned().collect();
        self.kept.answers.insert(format!("{name} {address}"), Answer { at: now, networks: networks.clone() });
        self.changed = true;
        Ok(networks)
    }

    /// Waits as long as the server is owed; an error where it was asked enough today.
    fn may_ask(&mut self, server: &str) -> anyhow::Result<()> {
        let asked = self.kept.asked.entry(server.to_owned()).or_default();
        if self.daily > 0 && *asked >= self.daily {
            bail!("{server} was asked {asked} times today, which is isp.ask_daily; ask again tomorrow");
        }
        *asked += 1;
        self.changed = true;
        if let Some(last) = self.last.get(server) {
            std::thread::sleep(self.pause.saturating_sub(last.elapsed()));
        }
        self.last.insert(server.to_owned(), Instant::now());
        Ok(())
    }

    /// Asks one server and, where that is wanted, those that it refers to.
    fn whois(&mut self, first: &str, address: Ipv4Addr, follow: bool) -> anyhow::Result<Reply> {
        let mut server = first.to_owned();
        let mut all = Reply::default();
        for _ in 0..REFERRALS {
            let (host, port) = match server.rsplit_once(':') {
                Some((host, port)) => (host.to_owned(), port.parse().context("the port is no number")?),
                None => (server.clone(), WHOIS),
            };
            let kind = Server::of(&host);
            let query = kind.map_or_else(|| format!("{address}\r\n"), |kind| kind.query(address));
            self.may_ask(&server)?;
            let bytes = answer(&host, port, &query)?;
            let reply = match kind {
                Some(kind) => kind.read(&text(kind, &bytes)),
                // Who it is cannot be told by his name: whichever grammar finds something.
                None => [Server::Apnic, Server::Arin, Server::Krnic, Server::Jpnic]
                    .into_iter()
                    .map(|kind| kind.read(&text(kind, &bytes)))
                    .max_by_key(|reply| reply.networks.len())
                    .unwrap_or_default(),
            };
            all.networks.splice(0..0, reply.networks);
            let Some(next) = reply.referral.filter(|_| follow) else { break };
            let next = next.rsplit("//").next().unwrap_or_default().trim_end_matches('/').to_owned();
            if next.is_empty() || next == server {
                break;
            }
            server = next;
        }
        all.networks.sort_by_key(|network| network.range().map_or(u64::MAX, Range::size));
        Ok(all)
    }
}

impl Drop for Registries {
    fn drop(&mut self) {
        if !self.changed {
            return;
        }
        let now = environment::unix_time();
        let keep = i64::try_from(self.keep.as_secs()).unwrap_or(i64::MAX);
        self.kept.answers.retain(|_, answer| now.saturating_sub(answer.at) < keep);
        while self.kept.answers.len() > MOST_KEPT {
            self.kept.answers.pop_first();
        }
        // Without it the next run asks again; nothing else is lost.
        if let (Some(folder), Ok(text)) = (self.file.parent(), serde_json::to_vec(&self.kept)) {
            let _acting = crate::owner::Acting::as_owner_of(folder);
            let _ = fs::create_dir_all(folder);
            let _ = crate::feeds::generations::write_whole(&self.file, &text);
        }
    }
}

fn answer(host: &str, port: u16, query: &str) -> anyhow::Result<Vec<u8>> {
    let address = (host, port).to_socket_addrs()?.next().context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(query.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Proxy and authorities are those of the feeds.
fn fetched(feeds: &Feeds, base: &str, address: Ipv4Addr) -> anyhow::Result<Vec<u8>> {
    let settings = Feeds { timeout: Span(PATIENCE), size: Size(LONGEST), ..feeds.clone() };
    crate::feeds::fetched(&settings, &format!("{}/ip/{address}", base.trim_end_matches('/')))
}

/// JPNIC answers in ISO-2022-JP where it answers in Japanese, the RPSL databases in Latin-1 or UTF-8.
fn text(kind: Server, bytes: &[u8]) -> String {
    let encoding = match kind {
        Server::Jpnic => encoding_rs::ISO_2022_JP,
        _ if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        _ => encoding_rs::WINDOWS_1252,
    };
    encoding.decode(bytes).0.into_owned()
}
