//! One connection: bytes to its session, the session's questions to the judges, the answers back.

use super::Service;
use super::decide::{Bench, Outcome, Peer, decide, without_verdict};
use super::gate::{self, Visit};
use super::journal::Line;
use super::judges::NoVerdict;
use super::late;
use super::listen::Listener;
use super::mark::Occasion;
use super::memory::Share;
use super::proxy::{self, Passage, Proxy};
use super::scanners::Scanned;
use super::users::Users;
use crate::answers::digests::Deed;
use crate::commands::collaborative;
use crate::config::Config;
use crate::environment;
use protocols::{Answer, Connection, Event, QuestionId, Scan, Session, Told, Want};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Store, history};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How often a mail server that waits for a verdict is told that it is being worked on.
const PROGRESS: Duration = Duration::from_secs(10);
/// A peer that does not take our answer is given this long.
const WRITE: Duration = Duration::from_secs(60);
const READ: usize = 64 << 10;

/// A connection as the system gives it.
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub fn boxed(self) -> Box<dyn Stream> {
        match self {
            Socket::Tcp(stream) => Box::new(stream),
            Socket::Unix(stream) => Box::new(stream),
        }
    }
}

pub async fn accept(listener: &Listener) -> io::Result<(Socket, Connection)> {
    Ok(match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            let _ = stream.set_nodelay(true);
            let own = stream.local_addr().is_ok_and(|here| here.ip() == peer.ip());
            let about = Connection { address: Some(peer.ip()), port: Some(peer.port()), own, listener: None };
            (Socket::Tcp(stream), about)
        }
        Listener::Unix(listener, _) => {
            (Socket::Unix(listener.accept().await?.0), Connection { own: true, ..Connection::default() })
        }
    })
}

/// An answer that is being worked on.
type Pending<'s> = Pin<Box<dyn Future<Output = (QuestionId, Answer)> + Send + 's>>;

/// What is to be done when a session has no more events.
#[derive(Debug, PartialEq)]
enum Next {
    Talk,
    StartTls,
    Close,
}

/// `passage`: where the protocol's mail is handed on, if it is one that hands mail on.
pub async fn run(
    service: &Service,
    mut stream: Box<dyn Stream>,
    protocol: &str,
    about: &Connection,
    passage: Option<&Passage>,
) {
    let Some(protocol) = protocols::protocol(protocol) else { return };
    let config = service.config.load_full();
    let visit = Visit::new(service.journal, protocol.name);
    let (mut session, proxy) = match passage {
        Some(passage) => {
            let (session, proxy) = Proxy::open(service, passage, protocol, about).await;
            (session, Some(proxy))
        }
        None => ((protocol.open)(&service.settings.load_full(), about), None),
    };
    let proxy = proxy.as_ref();
    let mut pending: Option<Pending<'_>> = None;
    let mut buffer = vec![0; READ];
    let mut stopping = service.stopping.clone();
    let mut ended = false;
    let mut share = Share::of(&service.memory);
    loop {
        let next = drain(service, &config, &visit, &mut *session, &mut pending, &mut share, about, proxy);
        share.set(session.kept());
        if !write(&mut *stream, session.output()).await {
            return;
        }
        if next == Next::Close || ended && pending.is_none() {
            return proxy::close(stream, proxy).await;
        }
        if next == Next::StartTls {
            let Some(proxy) = proxy else { return };
            let Some((secured, facts)) = proxy.start_tls(stream).await else {
                return service.journal.note(&format!("{}: TLS handshake failed", name(about)));
            };
            stream = secured;
            session.tls_started(facts);
            continue;
        }
        let idle = tokio::time::sleep(match pending {
            Some(_) => PROGRESS,
            None if share.is_pressing() => config.limits.deadline.0,
            None => config.limits.idle.0,
        });
        tokio::select! {
            // That the peer has gone is known before it is answered: after a standstill both are there at once.
            biased;
            read = read_with_room(&mut *stream, &mut buffer, &mut share), if !ended && session.wants_input() => match read {
                Ok(0) => {
                    // Half closed: what was asked is still answered.
                    ended = true;
                    session.end_of_input();
                }
                Ok(length) => session.receive(&buffer[..length]),
                Err(_) => return, // the peer is gone, and with it whatever it asked
            },
            (question, answer) = answered(&mut pending) => {
                pending = None;
                for unsaid in session.answer(question, &answer) {
                    service.journal.note(&format!("{}: could not be told to the mail server: {unsaid:?}", name(about)));
                }
            }
            () = idle => match pending {
                Some(_) => session.progress(),
                None => {
                    if share.is_pressing() {
                        let size = session.kept();
                        let note = format!("{}: no more of a message of {size} bytes or more was received: limits.memory is used up; the sender tries again", name(about));
                        service.journal.note(&note);
                    }
                    return;
                }
            },
            // Between messages there is nothing to lose.
            _ = stopping.wait_for(|stop| *stop), if pending.is_none() && session.between_messages() => return,
        }
    }
}

/// Takes the session's events.
fn drain<'s>(
    service: &'s Service,
    config: &Arc<Config>,
    visit: &'s Visit,
    session: &mut dyn Session,
    pending: &mut Option<Pending<'s>>,
    share: &mut Share,
    about: &Connection,
    proxy: Option<&'s Proxy<'s>>,
) -> Next {
    while let Some(event) = session.next_event() {
        match event {
            Event::Scan(scan) => {
                visit.came();
                let via = [visit.protocol().to_owned(), about.listener.clone().unwrap_or_default()];
                let share = share.hand_over(scan.content.bytes.len());
                *pending = Some(Box::pin(judge(service, config.clone(), scan, share, proxy, via)));
            }
            Event::Ask(ask) => {
                let question = ask.id;
                *pending = Some(Box::pin(async move {
                    let answer = match proxy {
                        Some(proxy) => proxy.ask(service, visit, ask).await,
                        None => gate::answer(service, visit, ask).await,
                    };
                    (question, answer)
                }));
            }
            Event::Tell(tell) => {
                *pending = Some(Box::pin(async move { (tell.id, tell_learner(service, tell).await) }));
            }
            Event::Cancelled(_) => *pending = None,
            Event::Trouble(trouble) => service.journal.note(&format!("{}: {trouble}", name(about))),
            // clamd's clients have a loop of their own.
            Event::Inspect(_) | Event::Status(_) | Event::Reload | Event::Shutdown => {}
            Event::StartTls => return Next::StartTls,
            Event::Close => return Next::Close,
        }
    }
    Next::Talk
}

/// Learns what somebody says of a message, where that is allowed.
async fn tell_learner(service: &Service, tell: Box<protocols::Tell>) -> Answer {
    let refused = Told { refused: true, ..Told::default() };
    let remote = tell_networks(service, &tell).await;
    let mut told = match service.learner.clone() {
        None => refused,
        Some(learner) => {
            let engine = service.engine.load_full();
            let done = tokio::task::spawn_blocking(move || learner.tell(&tell, &engine)).await;
            done.unwrap_or_else(|_| Err(anyhow::anyhow!("the program failed on this message"))).unwrap_or_else(
                |error| {
                    service.journal.note(&format!("learn: {error:#}"));
                    refused
                },
            )
        }
    };
    match remote {
        Some(Deed::Report) => told.set.remote = true,
        Some(_) => told.removed.remote = true,
        None => {}
    }
    told.refused &= remote.is_none();
    Answer { told, ..Answer::default() }
}

/// Reports the message to the networks of digests or takes it back, where that is asked and allowed; what was done.
async fn tell_networks(service: &Service, tell: &protocols::Tell) -> Option<Deed> {
    let config = service.config.load_full();
    let deed = match (tell.set.remote && tell.spam == Some(true), tell.remove.remote) {
        (true, _) => Deed::Report,
        (_, true) => Deed::Revoke,
        _ => return None,
    };
    if !config.digests.tell || !config.learn.tell || tell.content.omitted.is_some() || service.resolver.load().is_none()
    {
        return None;
    }
    let (engine, bytes) = (service.engine.load_full(), tell.content.bytes.clone());
    let told = tokio::task::spawn_blocking(move || {
        let message = mail::Message::parse(&bytes, &engine.views.limits);
        collaborative::tell(&message, deed, &engine, &config.digests)
    });
    let told = told.await.unwrap_or_else(|error| Err(error.into())).unwrap_or_else(|error| {
        service.journal.note(&format!("report: {error:#}"));
        Vec::new()
    });
    for (network, result) in &told {
        if let Err(error) = result {
            service.journal.note(&format!("report: {network}: {error:#}"));
        }
    }
    told.iter().any(|(_, result)| result.is_ok()).then_some(deed)
}

/// `share` is the message's, and given back when nobody has the message any more.
async fn judge(
    service: &Service,
    config: Arc<Config>,
    scan: Box<Scan>,
    mut share: Share,
    proxy: Option<&Proxy<'_>>,
    via: [String; 2],
) -> (QuestionId, Answer) {
    let (question, began) = (scan.id, Instant::now());
    if proxy.is_some() {
        share.set(COPIES * scan.content.bytes.len());
    }
    let share = Arc::new(share);
    let scan = Arc::new(*scan);
    let peer = match proxy {
        Some(proxy) => proxy.peer(),
        None => Peer::KeepsMessage { copies: service.relay.is_some() },
    };
    let outcome = match judged_before(service, &scan) {
        Some(outcome) => outcome,
        None => outcome(service, &config, &scan, share.clone(), peer, via).await,
    };
    let outcome = late::kept(service, &config, &scan, outcome).await;
    let Outcome { mut answer, copies, mut line, mut entry, .. } = outcome;
    match proxy {
        Some(proxy) => answer = proxy.hand_on(service, &scan, answer, copies, &mut line, entry.as_mut(), began).await,
        None => answer = proxy::send_copies(service, &scan, answer, copies, &mut line, began).await,
    }
    told(service, &mut line, entry, began);
    (question, answer)
}

/// A message that is handed on is there as it came, as it goes, and as the wire has it.
const COPIES: usize = 3;

/// What is decided about a message, or what is configured for where that could not be done in time.
pub async fn outcome(
    service: &Service,
    config: &Arc<Config>,
    scan: &Arc<Scan>,
    share: Arc<Share>,
    peer: Peer,
    via: [String; 2],
) -> Outcome {
    let _in_work = service.metrics.begin();
    let (engine, trouble) = Users::engine(service, config, scan).await;
    let began = Instant::now();
    let scanned = scanned(service, config, scan).await;
    let asked = Instant::now();
    let bench = Bench {
        config: config.clone(),
        engine,
        signatures: service.signatures.load_full(),
        gate: service.gate.load_full(),
        signer: service.signer.load_full(),
        lookup: service.lookup.clone(),
        via,
        store: service.store.clone(),
        learner: service.learner.clone(),
        resolver: Option::clone(&service.resolver.load()),
        places: service.judges.places(),
        scanned,
    };
    let metrics = service.metrics.clone();
    let work = {
        let scan = scan.clone();
        move |scratch: &mut engine::Scratch| {
            let _share = share;
            metrics.timed(asked, || decide(&bench, &scan, peer, scratch))
        }
    };
    match service.judges.run(config.limits.deadline.0.saturating_sub(began.elapsed()), work).await {
        Ok(mut outcome) => {
            let hits = outcome.verdict.as_ref().map(|verdict| &verdict.signatures[..]);
            service.metrics.signatures_hit(hits.unwrap_or_default());
            outcome.line.troubles.extend(trouble);
            outcome
        }
        Err(why) => {
            let is_late = why == NoVerdict::Late;
            let line = Line::unjudged(scan, if is_late { late::LATE } else { late::FAILED });
            let answer = without_verdict(config, is_late);
            Outcome { answer, copies: Vec::new(), line, entry: None, verdict: None }
        }
    }
}

/// What other scanners make of it. They come first, and get no more than their part of the time: a thread that judges
/// waits for nobody.
async fn scanned(service: &Service, config: &Config, scan: &Scan) -> Vec<Scanned> {
    let scanners = service.scanners.load_full();
    if scanners.is_empty() {
        return Vec::new();
    }
    let message = Arc::new(scan.message_to_judge(&environment::mail_date()));
    let mut beside = Share::of(&service.memory);
    beside.set(message.len());
    scanners.scan(message, config.limits.deadline.0.mul_f64(SCANNERS)).await
}

/// Of limits.deadline.
const SCANNERS: f64 = 0.75;

/// Log, counts and history hear of it.
pub fn told(service: &Service, line: &mut Line, entry: Option<history::Entry>, began: Instant) {
    line.milliseconds = began.elapsed().as_secs_f64() * 1e3;
    service.journal.message(line);
    service.metrics.message(line.action, line.direction, line.hits.len(), line.size);
    service.metrics.store_errors(line.store_errors);
    if let (Some(store), Some(entry)) = (service.store.clone(), entry) {
        let (journal, metrics, took) = (service.journal, service.metrics.clone(), line.milliseconds as u64);
        // The answer need not wait for this.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = record(&store, history::Entry { took_ms: took, ..entry }) {
                metrics.store_errors(1);
                journal.note(&format!("history: {error:#}"));
            }
        });
    }
}

/// What we let through passes again as it is: where it comes back, the port behind the filter filters too.
fn judged_before(service: &Service, scan: &Scan) -> Option<Outcome> {
    let whole = scan.want == Want::Decision && scan.content.omitted.is_none();
    let occasion =
        Occasion { sender: scan.sender.as_ref(), recipients: &scan.recipients, now: environment::unix_time() };
    if !whole || !service.mark.is_on(&scan.content.bytes, occasion) {
        return None;
    }
    let mut line = Line::unjudged(scan, "pass");
    line.troubles.push(
        "it has been judged here before: the port behind the filter filters again; see docs/proxy.md, \"Not twice\""
            .into(),
    );
    Some(Outcome { answer: Answer::accept(), copies: Vec::new(), line, entry: None, verdict: None })
}

fn record(store: &Store, entry: history::Entry) -> anyhow::Result<()> {
    let at = environment::now();
    store.history().add(at, &environment::secret_random()?, entry)?;
    Ok(())
}

/// Reads when there is room for more. Nothing is lost when this is given up half-way.
async fn read_with_room(stream: &mut dyn Stream, buffer: &mut [u8], share: &mut Share) -> io::Result<usize> {
    share.room().await;
    stream.read(buffer).await
}

/// Never ready where nothing is pending.
async fn answered(pending: &mut Option<Pending<'_>>) -> (QuestionId, Answer) {
    match pending {
        Some(answer) => answer.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn write(stream: &mut dyn Stream, output: &mut Vec<u8>) -> bool {
    if output.is_empty() {
        return true;
    }
    let written = tokio::time::timeout(WRITE, async {
        stream.write_all(output).await?;
        stream.flush().await
    });
    let done = matches!(written.await, Ok(Ok(())));
    output.clear();
    done
}

fn name(about: &Connection) -> String {
    let listener = about.listener.as_deref().unwrap_or("connection");
    about.address.map_or_else(|| listener.to_owned(), |address| format!("{listener} from {address}"))
}
