//! Razor2, over its own protocol: a server for discovery names those that know signatures (catalogue) and those that take
//! reports (nomination); one of these is asked. Which there are is kept for a day.
//!
//! Reports need an identity. It is in `identity` of `[digests] razor_home`; where there is none one is registered, with a
//! name and a password of the server's choice, and kept.

use super::digests::Deed;
use crate::config::digests::{Digests, host_and_port};
use anyhow::{Context, bail};
use engine::Answer;
use protocols::razor::mail::{self, Part};
use protocols::razor::signature::{ephemeral, whiplash};
use protocols::razor::sis::{self, Said, State};
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where Razor's servers listen.
const PORT: u16 = 2703;
/// What we call ourselves: the agents whose protocol this is.
const CLIENT: (&str, &str) = ("razor-agents", "2.84");
/// How long the servers that were found are good for.
const KEPT: Duration = Duration::from_secs(86_400);
/// Servers of one kind that are remembered.
const SERVERS: usize = 20;

pub struct Query {
    discovery: Vec<String>,
    home: PathBuf,
    parts: Vec<Part>,
    message: Vec<u8>,
}

/// `None`: not configured.
pub fn prepare(config: &Digests, message: &[u8]) -> Option<Query> {
    (!config.razor.is_empty()).then(|| Query {
        discovery: config.razor.clone(),
        home: config.razor_home.clone(),
        parts: mail::parts(message),
        message: message.to_vec(),
    })
}

/// One conversation.
struct Server {
    stream: TcpStream,
    greeting: sis::Line,
}

impl Server {
    async fn connect(place: &str) -> anyhow::Result<Server> {
        let (host, port) = host_and_port(place).unwrap_or_else(|| (place.to_owned(), PORT));
        let stream = TcpStream::connect((host.as_str(), port)).await.with_context(|| place.to_owned())?;
        let mut server = Server { stream, greeting: Vec::new() };
        let greeting = server.read().await.with_context(|| place.to_owned())?;
        server.greeting = sis::read_line(&String::from_utf8_lossy(&greeting));
        Ok(server)
    }

    async fn read(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !sis::is_whole(&answer) {
            let length = self.stream.read(&mut piece).await?;
            if length == 0 {
                bail!("the server closed");
            }
            answer.extend_from_slice(&piece[..length]);
            if answer.len() > sis::ANSWER {
                bail!("an answer of more than {} bytes", sis::ANSWER);
            }
        }
        Ok(answer)
    }

    async fn ask(&mut self, query: &str) -> anyhow::Result<Vec<sis::Line>> {
        self.stream.write_all(query.as_bytes()).await?;
        Ok(sis::read(&self.read().await?))
    }

    /// The one line that answers; an error of the server's is one.
    async fn tell(&mut self, query: &str) -> anyhow::Result<sis::Line> {
        let line = self.ask(query).await?.into_iter().next().unwrap_or_default();
        match sis::value(&line, "err") {
            Some(code) => bail!("the server says error {}", crate::output::readable(code.as_bytes(), 40)),
            None => Ok(line),
        }
    }

    /// Hello, and what it can.
    async fn state(&mut self) -> anyhow::Result<State> {
        if sis::value(&self.greeting, "a") == Some("cg") {
            let hello = sis::write(&[("cn", CLIENT.0), ("cv", CLIENT.1)]);
            self.stream.write_all(hello.as_bytes()).await?;
        }
        let state = self.ask("a=g&pm=state\r\n").await?;
        Ok(State::read(&self.greeting, &state))
    }

    async fn close(mut self) {
        let _ = self.stream.write_all(b"a=q\r\n").await;
    }
}

/// By discovery server and kind.
static FOUND: Mutex<Option<HashMap<(String, &'static str), (Instant, Vec<String>)>>> = Mutex::new(None);

async fn servers(discovery: &[String], kind: &'static str) -> anyhow::Result<Vec<String>> {
    let key = (discovery.join(" "), kind);
    if let Some(known) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        && let Some((since, list)) = known.get(&key)
        && since.elapsed() < KEPT
    {
        return Ok(list.clone());
    }
    let mut failed = None;
    for place in discovery {
        let asked = async {
            let mut server = Server::connect(place).await?;
            let lines = server.ask(&format!("a=g&pm={kind}\r\n")).await?;
            server.close().await;
            let found = lines.iter().filter_map(|line| sis::value(line, kind)).filter(|name| !name.is_empty());
            anyhow::Ok(found.take(SERVERS).map(str::to_owned).collect::<Vec<_>>())
        };
        match asked.await {
            Ok(list) if !list.is_empty() => {
                let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
                known.get_or_insert_default().insert(key, (Instant::now(), list.clone()));
                return Ok(list);
            }
            Ok(_) => failed = Some(anyhow::anyhow!("{place} names no servers")),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| anyhow::anyhow!("no server for discovery")))
}

async fn first(discovery: &[String], kind: &'static str) -> anyhow::Result<(Server, State)> {
    let mut failed = None;
    for place in servers(discovery, kind).await? {
        let tried = async {
            let mut server = Server::connect(&place).await?;
            let state = server.state().await?;
            anyhow::Ok((server, state))
        };
        match tried.await {
            Ok(found) => return Ok(found),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| anyhow::anyhow!("no server")))
}

impl Query {
    pub fn name(&self) -> String {
        self.discovery.join(" ")
    }

    pub async fn run(self, deed: Deed) -> anyhow::Result<Answer> {
        match deed {
            Deed::Check => self.check().await,
            Deed::Report | Deed::Revoke => self.tell(deed).await,
        }
    }

    /// For each part the engine and signature of each query.
    fn signatures(&self, state: &State) -> Vec<Vec<(u32, String)>> {
        let of = |part: &Part| {
            let mut all = Vec::new();
            if state.engines.contains(&4) {
                all.push((4, ephemeral(&part.stripped, state.seed)));
            }
            if state.engines.contains(&8) {
                all.extend(whiplash(&part.decoded).into_iter().map(|signature| (8, signature)));
            }
            all
        };
        self.parts.iter().map(of).collect()
    }

    async fn check(self) -> anyhow::Result<Answer> {
        let (mut server, state) = first(&self.discovery, "csl").await?;
        let signatures = self.signatures(&state);
        let seed = state.seed.to_string();
        let queries: Vec<String> =
            signatures.iter().flatten().map(|(engine, signature)| query("c", *engine, signature, &seed)).collect();
        let mut answers = Vec::new();
        for batch in sis::batches(&queries, state.lines) {
            answers.extend(server.ask(&batch).await?);
        }
        server.close().await;
        let mut answers = answers.iter();
        let parts: Vec<Vec<Said>> = signatures
            .iter()
            .map(|part| {
                let said = part.iter().zip(answers.by_ref());
                said.map(|((engine, _), line)| Said::read(*engine, line, state.confidence)).collect()
            })
            .collect();
        Ok(Answer::Figures(sis::figures(&parts)))
    }

    async fn tell(self, deed: Deed) -> anyhow::Result<Answer> {
        let (mut server, state) = first(&self.discovery, "nsl").await?;
        self.authenticate(&mut server).await?;
        let signatures = self.signatures(&state);
        let seed = state.seed.to_string();
        let engine = if deed == Deed::Report { Some(state.report_engine) } else { None };
        let all = signatures.iter().flatten().filter(|(of, _)| engine.is_none_or(|engine| engine == *of));
        let action = if deed == Deed::Report { "r" } else { "revoke" };
        let queries: Vec<String> = all.map(|(engine, signature)| query(action, *engine, signature, &seed)).collect();
        if queries.is_empty() {
            bail!("nothing in this message makes a signature");
        }
        let mut wanted = false;
        let mut accepted = false;
        for batch in sis::batches(&queries, state.lines) {
            for line in server.ask(&batch).await? {
                // 230: the server does not know it, and wants to see the message.
                wanted |= sis::value(&line, "err") == Some("230");
                accepted |= sis::value(&line, "res") == Some("1");
            }
        }
        if wanted && deed == Deed::Report {
            let mut message = b"-a=r&message=*\r\n".to_vec();
            for line in self.message.split_inclusive(|byte| *byte == b'\n') {
                let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
                message.extend(text.starts_with(b".").then_some(b'.'));
                message.extend_from_slice(text);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b".\r\n");
            server.stream.write_all(&message).await?;
            let lines = sis::read(&server.read().await?);
            accepted |= lines.iter().any(|line| sis::value(line, "res") == Some("1"));
        }
        server.close().await;
        if !accepted {
            bail!("the server did not accept it");
        }
        Ok(Answer::Figures(Vec::new()))
    }

    async fn authenticate(&self, server: &mut Server) -> anyhow::Result<()> {
        let path = self.home.join("identity");
        let known = std::fs::read_to_string(&path).ok().and_then(|text| identity(&text));
        let (user, password) = match known {
            Some(known) => known,
            None => {
                let registrar = format!("{} {}", CLIENT.0, CLIENT.1);
                let line = server.tell(&sis::write(&[("a", "reg"), ("registrar", &registrar)])).await?;
                let of = |key: &str| sis::value(&line, key).filter(|text| is_word(text)).map(str::to_owned);
                let new = of("user").zip(of("pass")).context("the server registers nobody")?;
                std::fs::create_dir_all(&self.home).with_context(|| self.home.display().to_string())?;
                let text = format!("user = {}\npass = {}\n", new.0, new.1);
                let mut file = std::fs::OpenOptions::new();
                let file = file.write(true).create(true).truncate(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(text.as_bytes()))
                    .with_context(|| path.display().to_string())?;
                new
            }
        };
        let hello = [("a", "ai"), ("cn", CLIENT.0), ("cv", CLIENT.1), ("user", &user)];
        let line = server.tell(&sis::write(&hello)).await?;
        let challenge = sis::value(&line, "achal").context("no challenge")?;
        let proof = sis::proof(challenge, &password);
        let line = server.tell(&sis::write(&[("a", "auth"), ("aresp", &proof)])).await?;
        if sis::value(&line, "res") != Some("1") {
            bail!("the server does not believe that we are {user}");
        }
        Ok(())
    }
}

fn query(action: &str, engine: u32, signature: &str, seed: &str) -> String {
    let engine_text = engine.to_string();
    let mut pairs = vec![("a", action), ("e", engine_text.as_str()), ("s", signature)];
    if engine == 4 && action != "revoke" {
        pairs.push(("ep4", seed));
    }
    sis::write(&pairs)
}

/// `user = x`, `pass = y`, as the agents keep it.
fn identity(text: &str) -> Option<(String, String)> {
    let of = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(known, _)| known.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    of("user").zip(of("pass"))
}

fn is_word(text: &str) -> bool {
    (1..=200).contains(&text.len()) && !text.chars().any(|letter| letter.is_control() || letter.is_whitespace())
}
