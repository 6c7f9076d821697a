//! The service: sockets in front, judging threads behind, between them one small state machine a connection.
//!
//! A message is answered only with what was decided about it; where nothing was decided in time, with what the
//! configuration says for that. Stopping means: no new connections, messages in work are finished, then the end. Rules
//! are swapped whole, and only where the new ones are usable.

pub mod authentication;
mod clamd;
mod connection;
pub mod decide;
mod drift;
mod feeds;
pub mod gate;
mod http;
pub mod inspect;
mod journal;
mod judges;
mod late;
mod learner;
pub mod listen;
mod mark;
mod memory;
mod metrics;
mod once;
pub mod outbox;
pub mod privileges;
mod proxy;
mod relay;
pub mod reload;
mod reports;
pub mod scanners;
pub mod tls;
pub mod unasked;
pub mod users;

use crate::answers::dns::Resolver;
use crate::config::relay::NextHop;
use crate::config::{self, Config, Listen};
use crate::debug::Debug;
use crate::environment;
use crate::loading::{self, Loaded};
use crate::lookup::Lookup;
use crate::policy::notices;
use crate::rule_files::Selection;
use crate::signatures;
use crate::signing::Signer;
use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use drift::Change;
pub use drift::FILE as ALARM;
use engine::Engine;
use gate::Gate;
use journal::Journal;
use judges::Judges;
use learner::Learner;
use listen::Listener;
use memory::Memory;
use metrics::Metrics;
use privileges::Account;
use proxy::Passage;
use relay::Relay;
use reload::{Origin, What};
use scanners::Scanners;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use store::{Store, quarantine};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

/// What all connections share.
pub struct Service {
    /// A session keeps those with which it began.
    config: ArcSwap<Config>,
    settings: ArcSwap<protocols::Settings>,
    engine: ArcSwap<Engine>,
    signatures: ArcSwap<signatures::Loaded>,
    /// In the rule files that are in force.
    errors: AtomicUsize,
    gate: ArcSwap<Gate>,
    signer: ArcSwap<Signer>,
    users: users::Users,
    judges: Judges,
    /// `None`: nothing is asked.
    resolver: ArcSwap<Option<Resolver>>,
    memory: Arc<Memory>,
    journal: Journal,
    store: Option<Store>,
    learner: Option<Arc<Learner>>,
    scanners: ArcSwap<Scanners>,
    lookup: Arc<Lookup>,
    mark: mark::Mark,
    remembered: Arc<proxy::Remembered>,
    /// Where copies go.
    relay: Option<Arc<Relay>>,
    /// What became of mail that was handed on.
    handed_on: Arc<relay::Counts>,
    metrics: Arc<Metrics>,
    connections: Arc<Semaphore>,
    /// What clients may tell the service to do.
    orders: mpsc::Sender<Order>,
    /// Of those who come over HTTP; a message that they bring counts among the others.
    http: Arc<Semaphore>,
    /// True: no new work.
    stopping: watch::Receiver<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Reload,
    Stop,
}

/// Between two looks for lessons that other processes gave.
const LESSONS: Duration = Duration::from_secs(2);

/// Work that goes on in threads when all else has ended is given so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// Between two looks for what is too old.
const TIDY: Duration = Duration::from_secs(3600);

/// Who speaks HTTP is there to the last, or nobody could be told that we stop.
const HTTP: &str = "http";
/// Whose connections are no mail's.
const CLAMD: &str = "clamd";
const HTTP_CONNECTIONS: usize = 64;

pub fn run(config: Config, origin: Origin) -> anyhow::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let journal = Journal { format: config.log.format };
    let account = Account::of(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listeners = runtime.block_on(listen_all(&config))?;
    // Keys are root's to read.
    let certificates = tls::Certificates::load(&config.relay)?;
    match account {
        Some(account) => {
            account.make_folders(&config)?;
            account.become_it()?;
            journal.note(&format!("running as {}", config.service.user));
        }
        None if environment::is_root() => journal.note("running as root; service.user says whom to become instead"),
        None => {}
    }
    let (learner, trouble) = Learner::open(&config);
    if let Some(trouble) = trouble {
        journal.note(&trouble);
    }
    let learner = learner.map(Arc::new);
    let engine = first_rules(&reload::selection(&config), learner.as_deref(), &origin, &journal)?;
    if let Some(learner) = &learner
        && let Err(error) = learner.heed(&engine.0.ruleset.settings)
    {
        journal.note(&format!("learn: {error:#}"));
    }
    let signatures = signatures::load(&crate::feeds::signatures(&config), true);
    reload::tell_signatures(&journal, "", &signatures);
    let gate = Gate::new(&config)?;
    // As who will have to read new ones on reload.
    let signer = Signer::load(&config)?;
    signer.describe().iter().chain(&signer.notes).for_each(|line| journal.note(line));
    let store = config.store.open()?;
    if let Some(store) = &store {
        journal.note(&format!("store: {}", store.place()));
    }
    let lookup = Arc::new(Lookup::new(&config.lookup)?);
    // Their connections to servers may not be closed from within the runtime: the last of them goes after it.
    let _last = (store.clone(), lookup.clone(), learner.clone());
    let served = runtime.block_on(serve(
        config,
        origin,
        listeners,
        certificates,
        engine,
        signatures,
        gate,
        signer,
        store,
        learner,
        lookup,
        journal,
    ));
    // Whatever hangs in a thread of its own: the service ends.
    runtime.shutdown_timeout(FAREWELL);
    served
}

async fn listen_all(config: &Config) -> anyhow::Result<Vec<(Listen, Listener)>> {
    let mut listeners = Vec::new();
    for listen in &config.listen {
        listeners.push((listen.clone(), listen::open(listen).await?));
    }
    Ok(listeners)
}

/// At the start there is nothing to fall back on: without rules there is no service.
fn first_rules(
    selection: &Selection,
    learner: Option<&Learner>,
    origin: &Origin,
    journal: &Journal,
) -> anyhow::Result<(Engine, usize)> {
    let loaded = load(selection, learner);
    if let Some(problem) = loaded.problems.first() {
        bail!("{problem}");
    }
    let rules = active(&loaded.engine);
    if rules == 0 {
        bail!("no rule can be used; see: {}", origin.lint());
    }
    let errors = loaded.serious().count();
    let see = if errors > 0 { format!("; see: {}", origin.lint()) } else { String::new() };
    journal.note(&format!("{rules} rules, {errors} errors in rule files{see}"));
    Ok((loaded.engine, errors))
}

fn load(selection: &Selection, learner: Option<&Learner>) -> Loaded {
    let learnt = learner.map(Learner::read);
    loading::load_with_model(selection, true, learnt.as_deref(), &Debug::default())
}

fn active(engine: &Engine) -> usize {
    engine.ruleset.rules.iter().filter(|rule| rule.active).count()
}

async fn serve(
    config: Config,
    origin: Origin,
    listeners: Vec<(Listen, Listener)>,
    certificates: tls::Certificates,
    (engine, errors): (Engine, usize),
    signatures: signatures::Loaded,
    gate: Gate,
    signer: Signer,
    store: Option<Store>,
    learner: Option<Arc<Learner>>,
    lookup: Arc<Lookup>,
    journal: Journal,
) -> anyhow::Result<()> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let concurrent = if config.limits.concurrent == 0 { 2 * processors } else { config.limits.concurrent };
    let (stop, stopping) = watch::channel(false);
    let (orders, mut ordered) = mpsc::channel(8);
    let handed_on = Arc::<relay::Counts>::default();
    let relay = |next_hop: &Option<NextHop>| {
        let next_hop = next_hop.clone()?;
        Some(Arc::new(Relay::new(next_hop, &config.relay, certificates.connector.clone(), journal, handed_on.clone())))
    };
    let default_relay = relay(&config.relay.next_hop);
    let passages: Vec<Option<Arc<Passage>>> = config
        .listen
        .iter()
        .map(|listen| {
            let relay = relay(&listen.next_hop).or_else(|| default_relay.clone());
            let relay = relay.filter(|_| config::relay::relays(&listen.protocol))?;
            Some(Arc::new(Passage {
                relay,
                acceptor: certificates.acceptor.clone(),
                received: listen.received,
                gate: listen.gate,
            }))
        })
        .collect();
    let resolver = reload::for_service(None, &config, &engine, &tokio::runtime::Handle::current(), journal)?;
    if let Some(resolver) = &resolver {
        journal.note(&format!("DNS: {}", resolver.describe()));
    }
    if let Some(doubt) = authentication::doubt(&config, environment::is_local()) {
        journal.note(&doubt);
    }
    let service = Arc::new(Service {
        settings: ArcSwap::from_pointee(settings(&config)),
        engine: ArcSwap::from_pointee(engine),
        signatures: ArcSwap::from_pointee(signatures),
        errors: AtomicUsize::new(errors),
        gate: ArcSwap::from_pointee(gate),
        signer: ArcSwap::from_pointee(signer),
        users: users::Users::default(),
        judges: Judges::start(concurrent, config.dns.waiting),
        resolver: ArcSwap::from_pointee(resolver),
        memory: Arc::new(Memory::new(config.limits.memory.0)),
        journal,
        store,
        scanners: ArcSwap::from_pointee(Scanners::new(&config.scanner)),
        learner,
        lookup,
        mark: mark::Mark::new(&config.relay)?,
        remembered: Arc::default(),
        relay: default_relay,
        handed_on,
        metrics: Arc::default(),
        connections: Arc::new(Semaphore::new(config.limits.connections.max(1))),
        orders,
        http: Arc::new(Semaphore::new(HTTP_CONNECTIONS)),
        stopping,
        config: ArcSwap::from_pointee(config),
    });

    let mut signals = Signals::new()?;
    let (mut accepting, mut to_the_last) = (Vec::new(), Vec::new());
    for ((listen, listener), passage) in listeners.into_iter().zip(passages) {
        let address = match &listener {
            Listener::Tcp(listener) => format!("inet:{}", listener.local_addr()?),
            Listener::Unix(..) => listen.socket.to_string(),
        };
        journal.note(&format!("{} on {address}", listen.protocol));
        if let Some(passage) = &passage {
            journal.note(&format!("{} on {address} hands mail on to {}", listen.protocol, passage.relay.next_hop));
            if let Listener::Tcp(listener) = &listener
                && !listener.local_addr()?.ip().is_loopback()
            {
                journal.note(&format!("{address}: whoever can connect there can send mail to anybody"));
            }
        }
        let tasks = if listen.protocol == HTTP { &mut to_the_last } else { &mut accepting };
        tasks.push(tokio::spawn(accept(service.clone(), listener, listen.protocol, address, passage)));
    }
    journal.note("ready");
    notify("READY=1");

    tokio::spawn(tidy(service.clone()));
    tokio::spawn(outbox::run(service.clone()));
    tokio::spawn(feeds::run(service.clone()));
    tokio::spawn(reports::run(service.clone()));
    let (changed, mut changes) = mpsc::channel(2);
    for what in [What::Rules, What::Signatures] {
        tokio::spawn(reload::watch(service.clone(), what, changed.clone()));
    }
    tokio::spawn(keep_up(service.clone(), changed));
    tokio::spawn(exchange_lessons(service.clone()));

    loop {
        let changed = tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => None,
                Signal::Stop => break,
            },
            Some(what) = changes.recv() => Some(what),
            Some(order) = ordered.recv() => match order {
                Order::Reload => Some(What::All),
                Order::Stop => break,
            },
        };
        notify(&format!("RELOADING=1\nMONOTONIC_USEC={}", environment::monotonic_microseconds()));
        if changed.is_none() {
            reload::configuration(&service, &origin).await;
        }
        if changed != Some(What::Signatures) {
            reload::rules(&service, &origin).await;
        }
        if changed != Some(What::Rules) {
            reload::signatures(&service).await;
        }
        notify("READY=1");
    }

    let config = service.config.load_full();
    journal.note("stopping: messages in work are finished");
    notify("STOPPING=1");
    stop.send_replace(true);
    for task in accepting {
        let _ = task.await; // closes the socket
    }
    let all = config.limits.connections.max(1) as u32;
    let cut_short = tokio::select! {
        _ = service.connections.acquire_many(all) => false,
        () = tokio::time::sleep(config.service.drain.0) => true,
        () = async { while signals.next().await != Signal::Stop {} } => true,
    };
    if cut_short {
        journal.note("stopped with messages in work; their senders will try again");
    }
    for task in to_the_last {
        task.abort();
        let _ = task.await; // closes the socket
    }
    let (messages, bytes) = (service.judges.most(), service.memory.most());
    journal.note(&format!("at most {messages} messages were in work at once, and {bytes} bytes of mail in memory"));
    Ok(())
}

/// Takes over what others teach, and has the rules loaded anew once enough was learnt for those that use it.
async fn keep_up(service: Arc<Service>, changed: mpsc::Sender<What>) {
    let Some(learner) = service.learner.clone() else { return };
    let mut seconds = tokio::time::interval(LESSONS);
    let (mut troubled, mut asked) = (false, None);
    let mut heeded = service.engine.load_full();
    loop {
        seconds.tick().await;
        let refreshing = learner.clone();
        let engine = service.engine.load_full();
        let rules = (!Arc::ptr_eq(&engine, &heeded)).then(|| engine.clone());
        heeded = engine;
        let refreshed = tokio::task::spawn_blocking(move || {
            let heard = rules.map_or(Ok(()), |engine| refreshing.heed(&engine.ruleset.settings));
            let refreshed = refreshing.refresh();
            (heard.and(refreshed), refreshing.watch())
        });
        let (refreshed, change) = match refreshed.await {
            Ok((refreshed, change)) => (Ok(refreshed), change),
            Err(error) => (Err(error), None),
        };
        if let Some(change) = change {
            tell_drift(&service, &learner, &change).await;
        }
        match refreshed {
            Ok(Err(error)) if !troubled => {
                troubled = true;
                service.journal.note(&format!("learn: {error:#}"));
            }
            Ok(Ok(_)) => troubled = false,
            _ => {}
        }
        let engine = service.engine.load_full();
        let enough = learner.is_ready(&engine.ruleset.settings);
        // Once: rules that are refused now stay refused until they change.
        if enough != engine.score_set.bayes
            && asked.replace(enough) != Some(enough)
            && changed.send(What::Rules).await.is_err()
        {
            return;
        }
    }
}

/// In the journal, and to whom it concerns.
async fn tell_drift(service: &Service, learner: &Learner, change: &Change) {
    let Change::Alarm { wrong, of } = *change else {
        return service.journal.note("learn: what was taught by hand is understood again; learning unasked goes on");
    };
    service.journal.note(&format!(
        "learn: alarm: {wrong} of the last {of} messages that people taught are judged wrongly; nothing more is learnt \
         unasked. See: sekisho learn journal"
    ));
    let (config, to) = (service.config.load_full(), learner.alarm_to().to_owned());
    let Some(store) = service.store.clone().filter(|_| !to.is_empty()) else { return };
    let kept = tokio::task::spawn_blocking(move || {
        outbox::enqueue(&store, &[notices::learning(&config.notify, &to, wrong, of)?])
    });
    if let Ok(Err(error)) = kept.await {
        service.journal.note(&format!("learn: the notice could not be kept: {error:#}"));
    }
}

/// Where machines share what they learn: says and hears, and goes on alone while that is not possible.
async fn exchange_lessons(service: Arc<Service>) {
    let Some(learner) = service.learner.clone() else { return };
    let Some(every) = learner.exchange_every() else { return };
    let journal = service.journal;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut away, mut first) = (false, true);
    loop {
        ticks.tick().await;
        let learner = learner.clone();
        let Ok(round) = tokio::task::spawn_blocking(move || learner.exchange()).await else { return };
        match round {
            Ok(Some((round, place))) => {
                round.notes.iter().for_each(|note| journal.note(&format!("learn: {note}")));
                if away || first {
                    let (said, heard) = (round.said, round.heard);
                    journal.note(&format!(
                        "learn: what is learnt is shared by way of {place}: {said} lessons said, {heard} heard"
                    ));
                }
                (away, first) = (false, false);
            }
            Err(error) if !away => {
                away = true;
                journal
                    .note(&format!("learn: {error:#}; this machine learns on its own until then, and says so later"));
            }
            _ => {}
        }
    }
}

/// Now and then, what is too old leaves the store.
async fn tidy(service: Arc<Service>) {
    let Some(store) = service.store.clone() else { return };
    let mut hours = tokio::time::interval(TIDY);
    loop {
        hours.tick().await;
        let (store, config, journal) = (store.clone(), service.config.load_full(), service.journal);
        let metrics = service.metrics.clone();
        let done = tokio::task::spawn_blocking(move || {
            let settings = &config.store;
            let now = environment::now();
            let retention = quarantine::Retention { age: settings.quarantine.0, bytes: settings.quarantine_size.0 };
            let expired = store.quarantine().expire(now, retention).map(drop);
            let history = store.history().expire(now, settings.history.0).map(drop);
            let seen = store.seen().expire(now).map(drop);
            let rates = store.rates().expire(now).map(drop);
            let reputation = store.reputation().expire(now).map(drop);
            let reports = store.reports().expire(now).map(drop);
            let lists = store.lists().expire(now).map(drop);
            let sent = store.outbox().expire(now, settings.history.0).map(drop);
            let all = [expired, history, seen, rates, reputation, reports, lists, sent];
            for error in all.into_iter().filter_map(Result::err) {
                metrics.store_errors(1);
                journal.note(&format!("store: {error}. {}", error.remedy()));
            }
        });
        let _ = done.await;
    }
}

fn settings(config: &Config) -> protocols::Settings {
    let mut settings = protocols::Settings::default();
    // The header stands at the beginning: a small limit is not all for the end.
    let bytes = config.limits.message.0 as usize;
    let content = protocols::ContentLimits { bytes, tail: protocols::ContentLimits::default().tail.min(bytes / 2) };
    settings.clamd.version = inspect::version();
    settings.clamd.stream = config.clamd.stream.0.try_into().unwrap_or(usize::MAX);
    settings.clamd.reload = config.clamd.reload;
    settings.clamd.shutdown = config.clamd.shutdown;
    settings.milter.content = content;
    settings.milter.ask = gate::stages(config);
    settings.spamd.content = content;
    settings.smtp.name = relay::our_name(&config.relay);
    settings.smtp.message = config.relay.message.0.try_into().unwrap_or(usize::MAX);
    settings.smtp.mark = Some(config.relay.mark.clone());
    settings.smtp.loops = config.relay.loops;
    settings
}

async fn accept(
    service: Arc<Service>,
    listener: Listener,
    protocol: String,
    name: String,
    passage: Option<Arc<Passage>>,
) {
    let mut stopping = service.stopping.clone();
    let http = protocol == HTTP;
    let permits = if http { &service.http } else { &service.connections };
    loop {
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit,
            _ = stopping.wait_for(|stop| *stop), if !http => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = connection::accept(&listener) => accepted,
            _ = stopping.wait_for(|stop| *stop), if !http => return,
        };
        match accepted {
            Ok((socket, mut about)) => {
                about.listener = Some(name.clone());
                let (service, protocol, passage) = (service.clone(), protocol.clone(), passage.clone());
                tokio::spawn(async move {
                    let _open = service.metrics.connection(&protocol);
                    match protocol.as_str() {
                        HTTP => http::run(&service, socket.boxed(), &about).await,
                        CLAMD => clamd::run(&service, socket, &about).await,
                        _ => connection::run(&service, socket.boxed(), &protocol, &about, passage.as_deref()).await,
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: the peers wait in the queue of the system.
                service.journal.note(&format!("{name}: {error}"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Signal {
    Stop,
    Reload,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        let on = |kind| signal(kind).context("signals");
        Ok(Signals {
            hangup: on(SignalKind::hangup())?,
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
        }
    }
}

/// Tells systemd, if it asked to be told (sd_notify(3)).
fn notify(state: &str) {
    let Some(path) = crate::environment::variable("NOTIFY_SOCKET") else { return };
    let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() else { return };
    #[cfg(target_os = "linux")]
    if let Some(name) = path.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        if let Ok(address) = std::os::unix::net::SocketAddr::from_abstract_name(name) {
            let _ = socket.send_to_addr(state.as_bytes(), &address);
        }
        return;
    }
    let _ = socket.send_to(state.as_bytes(), path);
}
