//! Handing a message to the next hop: the socket under [`Client`], and how long each step may take.
//!
//! [`copy`] never fails: what goes wrong is a deferral with words. Only the next hop's own 2xx is a success.
//! [`Transaction`] is the same bit by bit: recipients as they come, while their sender waits for the next hop's opinion,
//! the content when it has been judged.
//!
//! A connection that ends between the content's last byte and the next hop's word leaves it open whether the message
//! arrived. It is deferred, so it is not lost; it may arrive twice, which is counted and logged. SMTP knows no way out.
//!
//! A sender who leaves in that moment, or whose time is up, is another matter: the next hop's word is waited for without
//! him ([`Watched`]), and whoever has the message is left out when he tries again.

use super::Service;
use super::connection::Stream;
use super::journal::Journal;
use super::listen::Address;
use super::mark::Occasion;
use super::tls;
use crate::config::relay::{NextHop, Relay as Settings, RelayTls};
use crate::environment;
use protocols::smtp::client::WantTls;
use protocols::smtp::codec::{Forwarded, Reply};
use protocols::smtp::{Client, ClientEvent, ClientSettings, Delivery, Dialect, Outcome};
use protocols::{Edit, Path, Scan, edit};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// A next hop and how to speak to it.
pub struct Relay {
    pub next_hop: NextHop,
    client: ClientSettings,
    connector: Option<TlsConnector>,
    times: Times,
    journal: Journal,
    known: Mutex<Known>,
    /// One asks, the others wait for what it hears.
    asking: tokio::sync::Mutex<()>,
    counts: Arc<Counts>,
}

/// Recipients, by what became of them at all next hops together.
#[derive(Default)]
pub struct Counts {
    pub delivered: AtomicU64,
    pub deferred: AtomicU64,
    pub refused: AtomicU64,
    /// The next hop may have them although it did not say so: they may arrive twice.
    pub uncertain: AtomicU64,
}

impl Counts {
    pub fn by_outcome(&self) -> [(&'static str, u64); 4] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("delivered", count(&self.delivered)),
            ("deferred", count(&self.deferred)),
            ("refused", count(&self.refused)),
            ("uncertain", count(&self.uncertain)),
        ]
    }
}

#[derive(Debug, Clone, Copy)]
struct Times {
    connect: Duration,
    reply: Duration,
    content: Duration,
    last_reply: Duration,
    total: Duration,
}

#[derive(Default)]
struct Known {
    offer: Option<Offer>,
    heard: Option<Instant>,
    tried: Option<Instant>,
}

/// What a next hop can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offer {
    pub eight_bit: bool,
    pub utf8: bool,
    pub delivery_status: bool,
    /// Its limit, if it has one.
    pub size: Option<u64>,
}

/// So long a next hop is taken to be able to do what it could.
const FRESH: Duration = Duration::from_secs(60);
/// So long one that could not be asked is not asked again.
const REST: Duration = Duration::from_secs(5);
/// Longer than this nobody's patience is set.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// So long a word that nobody waits for any more is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// A good-bye is given this long.
const FAREWELL: Duration = Duration::from_secs(5);

impl Relay {
    pub fn new(
        next_hop: NextHop,
        settings: &Settings,
        connector: Option<TlsConnector>,
        journal: Journal,
        counts: Arc<Counts>,
    ) -> Relay {
        let tls = match settings.tls {
            RelayTls::Never => WantTls::Never,
            RelayTls::IfOffered => WantTls::IfOffered,
            RelayTls::Required => WantTls::Required,
        };
        Relay {
            next_hop,
            client: ClientSettings { name: our_name(settings), tls, ..ClientSettings::default() },
            connector,
            times: Times {
                connect: settings.connect.0,
                reply: settings.reply.0,
                content: settings.content.0,
                last_reply: settings.last_reply.0,
                total: settings.total.0.min(LONGEST),
            },
            journal,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            counts,
        }
    }

    /// When a message that came then must have been answered for.
    pub fn deadline(&self, came: Instant) -> Instant {
        came + self.times.total
    }

    /// From when on nobody more is tried: what is begun needs time to end.
    pub fn last_call(&self, came: Instant) -> Instant {
        came + self.times.total / 3 * 2
    }

    /// As we introduce ourselves.
    pub fn our_name(&self) -> &str {
        &self.client.name
    }

    fn dialect(&self) -> Dialect {
        if self.next_hop.lmtp { Dialect::Lmtp } else { Dialect::Smtp }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next hop can do, as it said not long ago. `None`: it has never been reached.
    pub async fn offer(self: &Arc<Self>) -> Option<Offer> {
        let current = || {
            let known = self.known();
            let fresh = known.heard.is_some_and(|at| at.elapsed() < FRESH);
            let resting = known.tried.is_some_and(|at| at.elapsed() < REST);
            (fresh || resting).then_some(known.offer)
        };
        if let Some(offer) = current() {
            return offer;
        }
        let _one = self.asking.lock().await;
        if let Some(offer) = current() {
            return offer;
        }
        let client = Client::probe(self.dialect(), self.client.clone());
        let mut transaction = Transaction::begin(self, client).await;
        transaction.drive(|transaction| transaction.outcome.is_some()).await;
        transaction.leave().await;
        // Not before: who comes while it is being asked waits for its answer.
        self.known().tried = Some(Instant::now());
        self.known().offer
    }

    fn heard(&self, extensions: &[(String, String)]) {
        let parameter = |keyword: &str| extensions.iter().find(|(k, _)| k == keyword).map(|(_, value)| value.as_str());
        let offer = Offer {
            eight_bit: parameter("8BITMIME").is_some(),
            utf8: parameter("SMTPUTF8").is_some(),
            delivery_status: parameter("DSN").is_some(),
            size: parameter("SIZE").and_then(|size| size.trim().parse().ok()).filter(|size| *size > 0),
        };
        let mut known = self.known();
        known.offer = Some(offer);
        known.heard = Some(Instant::now());
    }

    fn count(&self, outcome: &Outcome) {
        for reply in &outcome.recipients {
            let count = match reply.code / 100 {
                2 => &self.counts.delivered,
                5 => &self.counts.refused,
                _ => &self.counts.deferred,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn uncertain(&self, recipients: usize) {
        self.counts.uncertain.fetch_add(recipients as u64, Ordering::Relaxed);
        self.journal.note(&format!(
            "{}: the connection ended before the last word: {recipients} recipients were deferred and may get the \
             message twice",
            self.next_hop
        ));
    }
}

/// As we introduce ourselves.
pub fn our_name(settings: &Settings) -> String {
    if settings.name.is_empty() { environment::host_name().to_owned() } else { settings.name.clone() }
}

/// A copy of a message that the mail server itself will not deliver to these recipients, with these edits: our mark on
/// top, and the trace field that the server has not shown. Deferred where there is nobody to send it to, or not all of it
/// here. `came`: when the message did.
pub async fn copy(
    service: &Service,
    scan: &Scan,
    recipients: Vec<Path>,
    edits: &[Edit],
    came: Instant,
    later: Later,
) -> Outcome {
    let whole = scan.content.omitted.is_none();
    let (Some(relay), true) = (&service.relay, whole) else {
        let why = if whole { "relay.next_hop is not set" } else { "the message is longer than limits.message" };
        service.journal.note(&format!("no copy can be sent: {why}"));
        let reply = Reply { code: 451, lines: vec!["4.3.5 Not all recipients could be served".into()] };
        return Outcome { recipients: vec![reply; recipients.len()], uncertain: false };
    };
    let message = edit::apply(&scan.content.bytes, edits);
    let occasion = Occasion { sender: scan.sender.as_ref(), recipients: &recipients, now: environment::unix_time() };
    let (name, value) = service.mark.field(&message, occasion);
    let mut content = scan.received(&environment::mail_date()).unwrap_or_default();
    content.extend(edit::apply(&message, &[Edit::top(&name, value)]));
    let count = recipients.len();
    let delivery = Delivery {
        sender: scan.sender.clone().unwrap_or_default(),
        recipients,
        content: Some(content),
        forward: Some(Forwarded::of(&scan.peer, scan.queue_id.as_deref())),
    };
    let client = Client::new(relay.dialect(), relay.client.clone(), delivery);
    let until = relay.deadline(came);
    let begun = timeout_at(until.into(), Transaction::begin(relay, client)).await;
    let mut outcome = match begun {
        Ok(transaction) => transaction.finish(until, later).await.outcome,
        Err(_) => Outcome { recipients: Vec::new(), uncertain: false },
    };
    outcome.recipients.resize(count, late());
    outcome
}

/// Hears who has the message when nobody waits for the answer any more.
pub type Later = Box<dyn FnOnce(&Outcome) + Send>;

/// What came of a message that was sent.
pub struct Sent {
    pub outcome: Outcome,
    /// The connection had ended before a byte of the content was out: another may do better.
    pub unheard: bool,
}

/// The end of a transaction, waited for by the sender; and where he does not wait for it, by nobody but ourselves.
struct Watched {
    transaction: Option<Transaction>,
    later: Option<Later>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let (Some(mut transaction), Some(later)) = (self.transaction.take(), self.later.take()) else { return };
        if let Some(outcome) = &transaction.outcome {
            return later(outcome);
        }
        if !transaction.written {
            return; // nobody has it
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let relay = &transaction.relay;
        relay.journal.note(&format!(
            "{}: nobody waits any more for its last word on a message; we do, so that who has it is left out next time",
            relay.next_hop
        ));
        runtime.spawn(async move {
            if let Ok(outcome) = timeout(PATIENCE, transaction.conclude()).await {
                later(&outcome);
            }
        });
    }
}

/// A message on its way.
pub struct Transaction {
    relay: Arc<Relay>,
    client: Client,
    stream: Option<Box<dyn Stream>>,
    opinions: Vec<Option<Reply>>,
    /// Some of the content may be out.
    begun: bool,
    /// The content is out to its last byte.
    written: bool,
    /// The connection ended before all was said.
    broken: bool,
    outcome: Option<Outcome>,
    /// Why there is no connection.
    failure: Option<Reply>,
    buffer: Vec<u8>,
}

impl Transaction {
    pub async fn open(
        relay: &Arc<Relay>,
        sender: Path,
        recipients: Vec<Path>,
        forward: Option<Forwarded>,
    ) -> Transaction {
        let delivery = Delivery { sender, recipients, content: None, forward };
        Transaction::begin(relay, Client::new(relay.dialect(), relay.client.clone(), delivery)).await
    }

    async fn begin(relay: &Arc<Relay>, client: Client) -> Transaction {
        let mut transaction = Transaction {
            relay: relay.clone(),
            client,
            stream: None,
            opinions: Vec::new(),
            begun: false,
            written: false,
            broken: false,
            outcome: None,
            failure: None,
            buffer: vec![0; 16 << 10],
        };
        let why = match timeout(relay.times.connect, connect(&relay.next_hop.socket)).await {
            Ok(Ok(stream)) => {
                transaction.stream = Some(stream);
                return transaction;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no connection in time".to_owned(),
        };
        transaction.fail("4.4.1 Next hop cannot be reached", &why);
        transaction
    }

    /// One more recipient: its place in the outcome, and what the next hop thinks of it.
    pub async fn recipient(&mut self, recipient: Path) -> (usize, Reply) {
        if let Some(over) = self.over() {
            return (usize::MAX, over);
        }
        let index = self.client.add_recipient(recipient);
        self.drive(|transaction| transaction.opinion(index).is_some() || transaction.outcome.is_some()).await;
        (index, self.opinion(index).cloned().or_else(|| self.over()).unwrap_or_else(lost))
    }

    /// What the next hop thinks of the first `count` recipients.
    pub async fn opinions(&mut self, count: usize) -> Vec<Reply> {
        self.drive(|transaction| {
            transaction.outcome.is_some() || (0..count).all(|index| transaction.opinion(index).is_some())
        })
        .await;
        (0..count)
            .map(|index| match &self.outcome {
                Some(outcome) => outcome.recipients.get(index).cloned().unwrap_or_else(lost),
                None => self.opinion(index).cloned().unwrap_or_else(lost),
            })
            .collect()
    }

    fn opinion(&self, index: usize) -> Option<&Reply> {
        self.opinions.get(index)?.as_ref()
    }

    /// The reply to everything once there is nothing left to say.
    fn over(&self) -> Option<Reply> {
        let outcome = self.outcome.as_ref()?;
        let said = outcome.recipients.iter().rfind(|reply| !reply.is_positive()).cloned();
        Some(said.or_else(|| self.failure.clone()).unwrap_or_else(lost))
    }

    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// The content, and the next hop's last word, if it comes in time.
    pub async fn send(mut self, content: Vec<u8>, until: Instant, later: Later) -> Sent {
        if self.outcome.is_none() {
            self.client.send(content);
        }
        self.finish(until, later).await
    }

    async fn finish(self, until: Instant, later: Later) -> Sent {
        let mut watched = Watched { transaction: Some(self), later: Some(later) };
        let Some(transaction) = watched.transaction.as_mut() else { return Sent::late(Vec::new()) };
        match timeout_at(until.into(), transaction.conclude()).await {
            Ok(outcome) => {
                let unheard = transaction.broken && !transaction.begun;
                watched.later = None;
                Sent { outcome, unheard }
            }
            Err(_) => {
                let said = transaction.outcome.as_ref().map(|outcome| outcome.recipients.clone());
                let opinions = || {
                    let said = |opinion: &Option<Reply>| opinion.clone().filter(|reply| !reply.is_positive());
                    transaction.opinions.iter().map(|opinion| said(opinion).unwrap_or_else(late)).collect()
                };
                if said.is_some() {
                    watched.later = None; // all but the good-bye was in time
                }
                let sent = Sent::late(said.unwrap_or_else(opinions));
                if !transaction.written {
                    transaction.relay.count(&sent.outcome);
                }
                sent
            }
        }
    }

    async fn conclude(&mut self) -> Outcome {
        self.drive(|transaction| transaction.outcome.is_some()).await;
        let mut outcome = self.outcome.clone().unwrap_or(Outcome { recipients: Vec::new(), uncertain: false });
        outcome.uncertain &= self.written;
        self.relay.count(&outcome);
        if outcome.uncertain {
            self.relay.uncertain(outcome.recipients.iter().filter(|reply| reply.code / 100 == 4).count());
        }
        self.farewell().await;
        outcome
    }

    /// Nothing is sent after all.
    pub async fn leave(mut self) {
        self.client.give_up("4.4.2 Nothing to deliver");
        self.farewell().await;
    }

    async fn farewell(&mut self) {
        while self.client.next_event().is_some() {}
        self.written = false;
        if let Some(mut stream) = self.stream.take() {
            let output = std::mem::take(self.client.output());
            let _ = timeout(FAREWELL, async move {
                stream.write_all(&output).await?;
                stream.flush().await?;
                stream.shutdown().await
            })
            .await;
        }
    }

    /// Turns the crank until `done`, or until the connection's end.
    async fn drive(&mut self, done: impl Fn(&Transaction) -> bool) {
        loop {
            while let Some(event) = self.client.next_event() {
                match event {
                    ClientEvent::Recipient { index, reply } => {
                        if self.opinions.len() <= index {
                            self.opinions.resize(index + 1, None);
                        }
                        self.opinions[index] = Some(reply);
                    }
                    ClientEvent::Done(outcome) => self.outcome = Some(outcome),
                    ClientEvent::StartTls => self.start_tls().await,
                    ClientEvent::Close => {
                        self.broken = true;
                        self.outcome.get_or_insert(Outcome { recipients: Vec::new(), uncertain: false });
                    }
                }
            }
            if let Some(extensions) = self.client.extensions() {
                self.relay.heard(extensions);
            }
            if done(self) || self.outcome.is_some() {
                return;
            }
            if let Err((text, why)) = self.turn().await {
                self.fail(text, &why);
            }
        }
    }

    /// Writes what there is to say and reads what there is to hear.
    async fn turn(&mut self) -> Result<(), (&'static str, String)> {
        const LOST: &str = "4.4.2 Connection to next hop lost";
        const LATE: &str = "4.4.2 Next hop did not answer in time";
        let Some(stream) = &mut self.stream else { return Err((LOST, "no connection".into())) };
        let output = std::mem::take(self.client.output());
        let last = self.client.awaits_message();
        if !output.is_empty() {
            self.begun |= last;
            let written = timeout(self.relay.times.content, async {
                stream.write_all(&output).await?;
                stream.flush().await
            });
            match written.await {
                Ok(Ok(())) => self.written |= last,
                Ok(Err(error)) => {
                    // It may have said why before it hung up.
                    if let Ok(Ok(read)) = timeout(FAREWELL, stream.read(&mut self.buffer)).await
                        && read > 0
                    {
                        self.client.receive(&self.buffer[..read]);
                        self.client.end_of_input();
                        return Ok(());
                    }
                    return Err((LOST, error.to_string()));
                }
                Err(_) => return Err((LATE, "it does not take what is sent".into())),
            }
        }
        let limit = if last { self.relay.times.last_reply } else { self.relay.times.reply };
        match timeout(limit, stream.read(&mut self.buffer)).await {
            Ok(Ok(0)) => {
                self.client.end_of_input();
                self.stream = None;
            }
            Ok(Ok(read)) => self.client.receive(&self.buffer[..read]),
            Ok(Err(error)) => return Err((LOST, error.to_string())),
            Err(_) => return Err((LATE, format!("nothing heard for {} s", limit.as_secs()))),
        }
        Ok(())
    }

    async fn start_tls(&mut self) {
        let name = match &self.relay.next_hop.socket {
            Address::Inet(host, _) => ServerName::try_from(host.clone()).ok(),
            Address::Unix(_) => ServerName::try_from("localhost").ok(),
        };
        let (Some(name), Some(connector), Some(mut stream)) = (name, self.relay.connector.clone(), self.stream.take())
        else {
            return self.fail("4.7.5 No TLS with next hop", "its name can stand in no certificate");
        };
        let output = std::mem::take(self.client.output());
        let handshake = timeout(self.relay.times.reply, async move {
            stream.write_all(&output).await?;
            connector.connect(name, stream).await
        });
        let why = match handshake.await {
            Ok(Ok(stream)) => {
                self.client.tls_started(tls::facts(stream.get_ref().1));
                self.stream = Some(Box::new(stream));
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not in time".to_owned(),
        };
        self.fail("4.7.5 TLS handshake with next hop failed", &why);
    }

    /// The reply tells strangers no more than they need; the log tells all.
    fn fail(&mut self, text: &str, why: &str) {
        self.relay.journal.note(&format!("{}: {text}: {why}", self.relay.next_hop));
        self.stream = None;
        self.broken = true;
        self.failure = Some(Reply { code: 451, lines: vec![text.to_owned()] });
        self.client.give_up(text);
        while let Some(event) = self.client.next_event() {
            if let ClientEvent::Done(outcome) = event {
                self.outcome = Some(outcome);
            }
        }
        self.outcome.get_or_insert(Outcome { recipients: Vec::new(), uncertain: false });
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Whoever waited for us has gone in the one moment that nobody can repair.
        if self.written && self.outcome.is_none() {
            self.relay.uncertain(self.opinions.iter().flatten().filter(|reply| reply.is_positive()).count());
        }
    }
}

impl Sent {
    fn late(recipients: Vec<Reply>) -> Sent {
        Sent { outcome: Outcome { recipients, uncertain: false }, unheard: false }
    }
}

pub fn late() -> Reply {
    Reply { code: 451, lines: vec!["4.4.2 Next hop did not answer in time".into()] }
}

pub fn lost() -> Reply {
    Reply { code: 451, lines: vec!["4.4.2 Connection to next hop lost".into()] }
}

pub async fn connect(socket: &Address) -> io::Result<Box<dyn Stream>> {
    Ok(match socket {
        Address::Inet(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            let _ = stream.set_nodelay(true);
            Box::new(stream)
        }
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}
