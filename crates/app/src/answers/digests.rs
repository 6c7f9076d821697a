//! Networks of digests: Pyzor over UDP, DCC through its daemon. Asked together with DNS, each within its own time.
//!
//! In: the configuration, the rules' settings, a message. Out: figures. A network that is not configured is not asked; one
//! that says nothing in time, or nonsense, is [`Answer::Unknown`], and after some failures it is left alone for a while.

use crate::config::digests::{Daemon, Digests, host_and_port};
use crate::environment;
use anyhow::{Context, bail};
use engine::{Answer, Network};
use protocols::dcc;
use protocols::pyzor::{self, Account, Operation, Request, Response};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixStream};

/// Servers of one network that are asked.
const SERVERS: usize = 8;
/// A file of servers or accounts.
const LONGEST_FILE: u64 = 1 << 20;
/// From so many failures in a row a server is left alone ...
const FAILURES: u32 = 5;
/// ... for so long.
const REST: Duration = Duration::from_secs(60);
/// What SpamAssassin waits where no setting says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a network is to be asked, worked out from the message.
pub struct Prepared {
    what: What,
    pub timeout: Duration,
}

enum What {
    Pyzor { digest: String, servers: Vec<(String, u16)>, accounts: Vec<((String, u16), Account)> },
    Dcc { daemon: Daemon, request: Vec<u8> },
    Razor(super::razor::Query),
}

/// What is done to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Check,
    Report,
    Revoke,
}

/// `None`: the network is not configured.
pub fn prepare(
    network: &Network,
    config: &Digests,
    settings: &rules::Settings,
    message: &[u8],
    deed: Deed,
) -> Option<Prepared> {
    let timeout = |name: &str| settings.other(name).and_then(duration).unwrap_or(PATIENCE);
    match network {
        Network::Pyzor => {
            let file = settings.other("pyzor_server_file").map(|path| read(Path::new(path)));
            let mut servers = match file {
                Some(text) => pyzor::servers(&text),
                None => config.pyzor.iter().filter_map(|server| host_and_port(server)).collect(),
            };
            servers.truncate(SERVERS);
            if servers.is_empty() {
                return None;
            }
            let accounts = match config.pyzor_accounts.as_os_str().is_empty() {
                true => Vec::new(),
                false => pyzor::accounts(&read(&config.pyzor_accounts)),
            };
            let digest = pyzor::digest(message);
            Some(Prepared { what: What::Pyzor { digest, servers, accounts }, timeout: timeout("pyzor_timeout") })
        }
        Network::Dcc { client, name, helo } => {
            let home = || settings.other("dcc_home").map(|home| format!("{home}/dccifd"));
            let path = settings.other("dcc_dccifd_path").map(str::to_owned).or_else(home);
            let daemon = Daemon::read(&path.unwrap_or_else(|| config.dcc.clone()))?;
            let client = dcc::Client { address: client, name, helo };
            let options = settings.other("dccifd_options").unwrap_or_default();
            let request = dcc::request(client, message, deed == Deed::Report, options);
            Some(Prepared { what: What::Dcc { daemon, request }, timeout: timeout("dcc_timeout") })
        }
        Network::Razor => {
            let query = super::razor::prepare(config, message)?;
            Some(Prepared { what: What::Razor(query), timeout: timeout("razor_timeout") })
        }
    }
}

/// `5`, `5s`, `2m`: as SpamAssassin reads times.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * unit).ok()
}

fn read(path: &Path) -> String {
    use std::io::Read;
    let mut text = String::new();
    // A file that is not there names nobody; `sekisho report` tells.
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(LONGEST_FILE).read_to_string(&mut text);
    }
    text
}

/// Who failed lately, and until when they are left alone.
#[derive(Debug, Default)]
pub struct Resting(Mutex<HashMap<String, (u32, Option<Instant>)>>);

impl Resting {
    fn rests(&self, server: &str, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(server) {
            Some((_, Some(until))) if now < *until => true,
            Some((_, until @ Some(_))) => {
                // One tries; the others wait for what comes of it.
                *until = Some(now + REST);
                false
            }
            _ => false,
        }
    }

    fn came(&self, server: &str, answered: bool, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            known.remove(server);
            return;
        }
        let (failures, until) = known.entry(server.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        if *failures >= FAILURES {
            *until = Some(now + REST);
        }
    }
}

impl Prepared {
    /// The answer to a check, within its own time and before `deadline`.
    pub async fn ask(self, resting: &Resting, deadline: Instant) -> Answer {
        let name = self.name();
        let now = Instant::now();
        if resting.rests(&name, now) {
            return Answer::Unknown;
        }
        let until = now.checked_add(self.timeout).map_or(deadline, |own| own.min(deadline));
        let asked = tokio::time::timeout_at(until.into(), self.run(Deed::Check)).await;
        let answered = matches!(asked, Ok(Ok(_)));
        resting.came(&name, answered, Instant::now());
        match asked {
            Ok(Ok(answer)) => answer,
            _ => Answer::Unknown,
        }
    }

    /// The message reported or revoked, or why not.
    pub async fn tell(self, deed: Deed) -> anyhow::Result<()> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.run(deed)).await.context("no answer in time")??;
        Ok(())
    }

    fn name(&self) -> String {
        match &self.what {
            What::Pyzor { servers, .. } => format!("pyzor {servers:?}"),
            What::Dcc { daemon, .. } => format!("dcc {daemon:?}"),
            What::Razor(query) => format!("razor {}", query.name()),
        }
    }

    async fn run(self, deed: Deed) -> anyhow::Result<Answer> {
        match self.what {
            What::Pyzor { digest, servers, accounts } => {
                let operation = match deed {
                    Deed::Check => Operation::Check,
                    Deed::Report => Operation::Report,
                    Deed::Revoke => Operation::Welcome,
                };
                let asked: Vec<_> = servers
                    .into_iter()
                    .map(|server| {
                        let account = accounts.iter().find(|(known, _)| *known == server);
                        let account = account.map(|(_, account)| account.clone()).unwrap_or_default();
                        tokio::spawn(ask_pyzor(server, account, operation, digest.clone()))
                    })
                    .collect();
                let mut sum: Option<Response> = None;
                let mut error = None;
                for one in asked {
                    match one.await? {
                        Ok(response) => {
                            let sum = sum.get_or_insert_default();
                            sum.reports = sum.reports.saturating_add(response.reports);
                            sum.welcomes = sum.welcomes.saturating_add(response.welcomes);
                        }
                        Err(failed) => error = Some(failed),
                    }
                }
                // One server that answers is enough for a check; a report is to reach all.
                match (sum, error) {
                    (Some(sum), error) if deed == Deed::Check || error.is_none() => Ok(Answer::Figures(vec![
                        ("reports".into(), i64::try_from(sum.reports).unwrap_or(i64::MAX)),
                        ("welcomes".into(), i64::try_from(sum.welcomes).unwrap_or(i64::MAX)),
                    ])),
                    (_, Some(error)) => Err(error),
                    _ => bail!("no server"),
                }
            }
            What::Dcc { daemon, request } => {
                if deed == Deed::Revoke {
                    bail!("DCC takes nothing back");
                }
                let said = match &daemon {
                    Daemon::Path(path) => converse(UnixStream::connect(path).await?, &request).await?,
                    Daemon::Net(host, port) => {
                        converse(TcpStream::connect((host.as_str(), *port)).await?, &request).await?
                    }
                };
                let metrics = dcc::answer(&said).context("no answer in dccifd's protocol")?;
                Ok(Answer::Metrics { header: metrics.header, figures: metrics.figures })
            }
            What::Razor(query) => query.run(deed).await,
        }
    }
}

/// Everything out, the end told, everything in.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut said = Vec::new();
    stream.take(dcc::ANSWER as u64).read_to_end(&mut said).await?;
    Ok(said)
}

async fn ask_pyzor(
    (host, port): (String, u16),
    account: Account,
    operation: Operation,
    digest: String,
) -> anyhow::Result<Response> {
    let place = || format!("{host}:{port}");
    let address = tokio::net::lookup_host((host.as_str(), port)).await.with_context(place)?.next();
    let address = address.with_context(|| format!("{host}: no address"))?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await.with_context(place)?;
    let mut number = [0; 2];
    getrandom::fill(&mut number).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let request = Request { operation, digest: &digest, thread: u16::from_be_bytes(number).max(1024) };
    let time = u64::try_from(environment::unix_time()).unwrap_or(0);
    socket.send(&request.write(&account, time)).await.with_context(place)?;
    let mut packet = vec![0; pyzor::PACKET];
    loop {
        let length = socket.recv(&mut packet).await.with_context(place)?;
        match Response::read(&packet[..length], &request) {
            // A late answer to somebody else's question who had this port before.
            Err(pyzor::Problem::OtherThread { .. }) => continue,
            read => return read.map_err(|problem| anyhow::anyhow!("{host}:{port}: {problem}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_rules_write_them() {
        let seconds = |text| duration(text).map(|time| time.as_secs_f64());
        assert_eq!(
            [seconds("5"), seconds("3.5s"), seconds("2m"), seconds("x")],
            [Some(5.0), Some(3.5), Some(120.0), None]
        );
    }

    #[test]
    fn who_fails_often_is_left_alone() {
        let resting = Resting::default();
        let now = Instant::now();
        for _ in 0..FAILURES {
            assert!(!resting.rests("a", now));
            resting.came("a", false, now);
        }
        assert!(resting.rests("a", now) && !resting.rests("b", now));
        assert!(!resting.rests("a", now + REST) && resting.rests("a", now + REST), "one tries");
        resting.came("a", true, now);
        assert!(!resting.rests("a", now));
    }

    #[test]
    fn what_is_not_configured_is_not_asked() {
        let (config, settings) = (Digests::default(), rules::Settings::default());
        let dcc = Network::Dcc { client: String::new(), name: String::new(), helo: String::new() };
        for network in [Network::Pyzor, Network::Razor, dcc] {
            assert!(prepare(&network, &config, &settings, b"x\n\ny\n", Deed::Check).is_none());
        }
    }
}
