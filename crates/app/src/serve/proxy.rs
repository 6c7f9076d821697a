//! The listener that hands mail on (`smtp`, `lmtp`): what a session between two mail servers has beyond judging.
//!
//! Recipients are shown to the next hop as they come, so that its opinion reaches the sender at RCPT. The content goes out
//! when it has been judged, to those and with those headers that were decided, and the sender hears "250" only after the
//! next hop has said so.
//!
//! LMTP answers for each recipient. SMTP has one answer for all, and where one does not fit all it is this:
//! * Somebody must be deferred: nobody is served if that is known in time, and 451. Whoever has the message all the same is
//!   remembered, and left out when the sender tries again ([`Remembered`]).
//! * The sender leaves before he has an answer, or the next hop is too slow for him: the same.
//! * Somebody is refused for good, others have it: 5xx, with words that say so. The sender is told, nobody gets it twice.

use super::Service;
use super::connection::Stream;
use super::decide::Peer;
use super::gate::{self, Visit};
use super::journal::Line;
use super::mark::Occasion;
use super::once;
use super::relay::{self, Later, Relay, Transaction};
use super::tls;
use crate::config::{Asked, Mode};
use crate::environment;
use crate::policy::split::Copy;
use protocols::smtp::codec::{Forwarded, Reply};
use protocols::{Answer, Ask, Connection, Decision, Edit, Path, Refusal, Scan, Session, Settings, Stage, Stages, Tls};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::history;
use tokio::io::AsyncWriteExt;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

/// What a listener's connections have in common.
pub struct Passage {
    pub relay: Arc<Relay>,
    pub acceptor: Option<TlsAcceptor>,
    /// Whether our Received field goes on top.
    pub received: bool,
    pub gate: Asked,
}

/// One connection of such a listener.
pub struct Proxy<'p> {
    passage: &'p Passage,
    about: &'p Connection,
    lmtp: bool,
    /// The next hop has never been reached: whoever connects is asked to come again.
    closed: bool,
    /// Recipients that the next hop has been shown.
    early: tokio::sync::Mutex<Option<Early>>,
    tls: Mutex<Option<Tls>>,
}

struct Early {
    transaction: Transaction,
    sender: Path,
    forward: Forwarded,
    /// Each with its place in the transaction's outcome.
    accepted: Vec<(Path, usize)>,
}

/// A handshake may take this long.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// So many transactions at the next hop are opened before the first message goes out: enough to know early whether
/// somebody must be deferred, few enough for the next hop.
const AHEAD: usize = 8;

impl<'p> Proxy<'p> {
    /// The session, which announces what the next hop can do.
    pub async fn open(
        service: &Service,
        passage: &'p Passage,
        protocol: &protocols::Protocol,
        about: &'p Connection,
    ) -> (Box<dyn Session>, Proxy<'p>) {
        let offer = passage.relay.offer().await;
        let mut settings = Settings::clone(&service.settings.load());
        let mut smtp = settings.smtp.clone();
        let next = offer.unwrap_or_default();
        smtp.eight_bit = next.eight_bit;
        smtp.utf8 = next.utf8;
        smtp.delivery_status = next.delivery_status;
        smtp.message = smtp.message.min(next.size.unwrap_or(u64::MAX).try_into().unwrap_or(usize::MAX));
        smtp.starttls = passage.acceptor.is_some();
        smtp.forward = service.config.load().relay.believes(about);
        smtp.ask = Stages { connect: offer.is_none(), ..Stages::RECIPIENT };
        settings.lmtp = smtp.clone();
        settings.smtp = smtp;
        let session = (protocol.open)(&Arc::new(settings), about);
        let proxy = Proxy {
            passage,
            about,
            lmtp: protocol.name == "lmtp",
            closed: offer.is_none(),
            early: tokio::sync::Mutex::default(),
            tls: Mutex::default(),
        };
        (session, proxy)
    }

    /// The handshake that the client asked for. `None`: it came to nothing.
    pub async fn start_tls(&self, stream: Box<dyn Stream>) -> Option<(Box<dyn Stream>, Tls)> {
        let acceptor = self.passage.acceptor.as_ref()?;
        let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()?;
        let facts = tls::facts(stream.get_ref().1);
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts.clone());
        Some((Box::new(stream), facts))
    }

    /// What can be decided for such a session.
    pub fn peer(&self) -> Peer {
        Peer::Relays { each: self.lmtp }
    }

    /// A question before the message: what the next hop thinks of this recipient, and where it is for it, the gate.
    pub async fn ask(&self, service: &Service, visit: &Visit, ask: Box<Ask>) -> Answer {
        let said = self.next_hop(&ask).await;
        if said.decision != Decision::Accept || !self.asks_gate(service, &ask) {
            return said;
        }
        let answer = gate::answer(service, visit, ask).await;
        if answer.decision != Decision::Accept
            && let Some(early) = self.early.lock().await.take()
        {
            early.transaction.leave().await; // it has a recipient too many
        }
        answer
    }

    /// Out of a queue nobody comes who could be made to wait: that a client is there is told by XFORWARD, and that there is
    /// no queue yet by a queue id that is not there.
    fn asks_gate(&self, service: &Service, ask: &Ask) -> bool {
        let forwarded = (ask.peer.address, ask.peer.port) != (self.about.address, self.about.port);
        let wanted = match self.passage.gate {
            Asked::On => true,
            Asked::Off => false,
            Asked::Auto => forwarded && ask.queue_id.is_none(),
        };
        wanted && ask.stage == Stage::Recipient && gate::stages(&service.config.load()).recipient
    }

    async fn next_hop(&self, ask: &Ask) -> Answer {
        if self.closed {
            return Answer::decide(Decision::Defer(Refusal::new(421, (4, 1), "Next hop cannot be reached")));
        }
        let (Stage::Recipient, Some(sender), Some(recipient)) = (ask.stage, &ask.sender, &ask.recipient) else {
            return Answer::accept();
        };
        let forward = Forwarded::of(&ask.peer, ask.queue_id.as_deref());
        let mut early = self.early.lock().await;
        let fits = early.as_ref().is_some_and(|early| {
            early.accepted.len() == ask.recipients_before
                && early.sender == *sender
                && early.forward == forward
                && !early.transaction.is_over()
        });
        if !fits {
            if let Some(early) = early.take() {
                early.transaction.leave().await;
            }
            let relay = &self.passage.relay;
            let transaction = Transaction::open(relay, sender.clone(), Vec::new(), Some(forward.clone())).await;
            *early = Some(Early { transaction, sender: sender.clone(), forward, accepted: Vec::new() });
        }
        let Some(early) = early.as_mut() else { return Answer::accept() };
        let (place, reply) = early.transaction.recipient(recipient.clone()).await;
        if reply.is_positive() {
            early.accepted.push((recipient.clone(), place));
        }
        Answer::decide(reply.decision())
    }

    /// Hands the message on as was decided, and makes an answer of what the next hop said. `came`: when the message did.
    pub async fn hand_on(
        &self,
        service: &Service,
        scan: &Arc<Scan>,
        answer: Answer,
        copies: Vec<Copy>,
        line: &mut Line,
        entry: Option<&mut history::Entry>,
        came: Instant,
    ) -> Answer {
        let mut work = Work::new(self, service, scan, &answer, copies, came);
        work.run().await;
        if let Some(early) = self.early.lock().await.take() {
            early.transaction.leave().await;
        }
        work.concluded = true;
        let answer = work.answer();
        let decided = |n: usize| answer.recipients.get(n).unwrap_or(&answer.decision);
        if !work.said.is_empty() {
            line.next_hop = Some(work.said.join(", "));
        }
        if work.handed_on {
            match (0..scan.recipients.len()).map(decided).find(|decision| **decision != Decision::Accept) {
                Some(Decision::Defer(_)) => line.action = "defer",
                Some(Decision::Reject(_)) => line.action = "reject",
                _ => {}
            }
        }
        if let Some(entry) = entry {
            for (n, of) in entry.recipients.iter_mut().enumerate() {
                match work.fates.get(n).and_then(Option::as_ref) {
                    Some(Decision::Defer(why)) => (of.action, of.reason) = ("defer".into(), why.text.clone()),
                    Some(Decision::Reject(why)) => (of.action, of.reason) = ("reject".into(), why.text.clone()),
                    _ => {}
                }
            }
        }
        answer
    }

    /// What goes on top of a message that we hand on: the trace field that RFC 5321 4.4 asks for, and our mark.
    fn stamped(&self, service: &Service, scan: &Scan, recipients: &[Path], message: Vec<u8>) -> Vec<u8> {
        if service.config.load().mode == Mode::Observe {
            return message; // nothing changes then
        }
        let occasion = Occasion { sender: scan.sender.as_ref(), recipients, now: environment::unix_time() };
        let (name, value) = service.mark.field(&message, occasion);
        let mut top = vec![Edit::top(&name, value)];
        if self.passage.received {
            top.insert(0, Edit::top("Received", self.received(scan)));
        }
        protocols::edit::apply(&message, &top)
    }

    fn received(&self, scan: &Scan) -> String {
        let from = match self.about.address {
            Some(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}] ([IPv6:{address}])"),
            Some(address) => format!("[{address}] ([{address}])"),
            None => "localhost (localhost)".to_owned(),
        };
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let utf8 = scan.sender.as_ref().is_some_and(|sender| sender.has("SMTPUTF8"));
        let with = match (self.lmtp, utf8) {
            (true, true) => "UTF8LMTP",
            (true, false) => "LMTP",
            (false, true) => "UTF8SMTP",
            (false, false) => "ESMTP",
        };
        let id: String = scan.queue_id.iter().flat_map(|id| id.chars()).filter(char::is_ascii_alphanumeric).collect();
        let id = if id.is_empty() { String::new() } else { format!(" id {id}") };
        let name = self.passage.relay.our_name();
        format!(
            "from {from}\n\tby {name} (sekisho) with {with}{}{id};\n\t{}",
            if tls { "S" } else { "" },
            environment::mail_date()
        )
    }
}

/// Recipients that get the same.
struct Group {
    copy: Copy,
    /// Where in the transaction's outcome each recipient stands.
    places: Vec<usize>,
    transaction: Option<Transaction>,
    /// It was opened when the recipients came, and has waited for the content since.
    early: bool,
}

/// One message on its way to the next hop.
struct Work<'w> {
    proxy: &'w Proxy<'w>,
    service: &'w Service,
    scan: &'w Arc<Scan>,
    answer: &'w Answer,
    copies: Vec<Copy>,
    came: Instant,
    /// For each recipient; `None`: nothing has been said yet.
    fates: Vec<Option<Decision>>,
    /// Recipients that the next hop has taken, now or at an earlier try.
    taken: Vec<usize>,
    handed_on: bool,
    words: Option<String>,
    said: Vec<String>,
    /// The sender hears what became of it.
    concluded: bool,
}

impl<'w> Work<'w> {
    fn new(
        proxy: &'w Proxy<'w>,
        service: &'w Service,
        scan: &'w Arc<Scan>,
        answer: &'w Answer,
        copies: Vec<Copy>,
        came: Instant,
    ) -> Work<'w> {
        let fates = (0..scan.recipients.len()).map(|n| match answer.recipients.get(n).unwrap_or(&answer.decision) {
            Decision::Accept | Decision::AcceptUnseen => None,
            Decision::Quarantine(_) => {
                let text = "Message cannot be held here, try again later";
                Some(Decision::Defer(Refusal::new(451, (7, 1), text)))
            }
            other => Some(other.clone()),
        });
        let fates = fates.collect();
        Work {
            proxy,
            service,
            scan,
            answer,
            copies,
            came,
            fates,
            taken: Vec::new(),
            handed_on: false,
            words: None,
            said: Vec::new(),
            concluded: false,
        }
    }

    async fn run(&mut self) {
        let one_reply = !self.proxy.lmtp;
        if one_reply && self.deferral().is_some() {
            return; // nobody now, so that nobody has it twice
        }
        self.leave_out_the_served();
        let mut groups = self.groups();
        self.take_up_early(&mut groups).await;
        if one_reply {
            for group in groups.iter_mut().take(AHEAD) {
                self.show(group).await;
                if self.deferral().is_some() || self.is_late() {
                    break;
                }
            }
        }
        for (n, group) in groups.iter_mut().enumerate() {
            if one_reply && self.deferral().is_some() || n > 0 && self.is_late() {
                break;
            }
            self.show(group).await;
            self.send(group).await;
        }
        for fate in &mut self.fates {
            fate.get_or_insert_with(not_tried);
        }
        for group in &mut groups {
            if let Some(transaction) = group.transaction.take() {
                transaction.leave().await;
            }
        }
        self.remember();
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.proxy.passage.relay.last_call(self.came)
    }

    fn deferral(&self) -> Option<&Decision> {
        self.fates.iter().flatten().find(|fate| matches!(fate, Decision::Defer(_)))
    }

    /// Those who wait to be served: as was decided, and where nothing was decided about copies, all alike.
    fn groups(&mut self) -> Vec<Group> {
        let mut rest: Vec<usize> = (0..self.fates.len()).filter(|n| self.fates[*n].is_none()).collect();
        let mut copies = std::mem::take(&mut self.copies);
        for copy in &mut copies {
            let waiting = |n: &usize| rest.contains(n);
            let kept: Vec<(usize, Path)> =
                copy.of.iter().copied().zip(copy.recipients.drain(..)).filter(|(n, _)| waiting(n)).collect();
            (copy.of, copy.recipients) = kept.into_iter().unzip();
        }
        rest.retain(|n| !copies.iter().any(|copy| copy.of.contains(n)));
        let recipients = rest.iter().map(|n| self.scan.recipients[*n].clone()).collect();
        copies.push(Copy { of: rest, recipients, edits: self.answer.edits.clone() });
        copies.retain(|copy| !copy.of.is_empty());
        copies.into_iter().map(|copy| Group { copy, places: Vec::new(), transaction: None, early: false }).collect()
    }

    /// The transaction that was begun at RCPT, where it is what is needed now.
    async fn take_up_early(&self, groups: &mut [Group]) {
        let mut early = self.proxy.early.lock().await;
        if let ([group], Some(begun)) = (groups, early.as_ref())
            && Some(&begun.sender) == self.scan.sender.as_ref()
            && begun.accepted.iter().map(|(path, _)| path).eq(&group.copy.recipients)
            && !begun.transaction.is_over()
            && let Some(early) = early.take()
        {
            group.places = early.accepted.iter().map(|(_, place)| *place).collect();
            (group.transaction, group.early) = (Some(early.transaction), true);
        }
    }

    /// Shows the next hop the group's recipients, if that has not been done.
    async fn show(&mut self, group: &mut Group) {
        if group.transaction.is_some() {
            return;
        }
        let forward = Forwarded::of(&self.scan.peer, self.scan.queue_id.as_deref());
        let sender = self.scan.sender.clone().unwrap_or_default();
        let recipients = group.copy.recipients.clone();
        let count = recipients.len();
        group.places = (0..count).collect();
        let relay = &self.proxy.passage.relay;
        let shown = timeout_at(relay.deadline(self.came).into(), async {
            let mut transaction = Transaction::open(relay, sender, recipients, Some(forward)).await;
            let opinions = transaction.opinions(count).await;
            (transaction, opinions)
        });
        let Ok((transaction, opinions)) = shown.await else {
            return group.copy.of.iter().for_each(|n| self.settle(*n, &relay::late()));
        };
        for (n, reply) in group.copy.of.iter().zip(&opinions).filter(|(_, reply)| !reply.is_positive()) {
            self.settle(*n, reply);
        }
        group.transaction = Some(transaction);
    }

    async fn send(&mut self, group: &mut Group) {
        self.handed_on = true;
        let Some(transaction) = group.transaction.take() else { return };
        let mut sent = self.send_by(transaction, &group.copy, &group.places).await;
        if sent.unheard && std::mem::take(&mut group.early) {
            // While the content came the next hop grew tired of waiting for it.
            self.show(group).await;
            let Some(transaction) = group.transaction.take() else { return };
            sent = self.send_by(transaction, &group.copy, &group.places).await;
        }
        for (n, place) in group.copy.of.iter().zip(&group.places) {
            let reply = sent.outcome.recipients.get(*place).cloned().unwrap_or_else(relay::lost);
            self.settle(*n, &reply);
        }
    }

    async fn send_by(&self, transaction: Transaction, copy: &Copy, places: &[usize]) -> relay::Sent {
        let message = protocols::edit::apply(&self.scan.content.bytes, &copy.edits);
        let message = self.proxy.stamped(self.service, self.scan, &copy.recipients, message);
        let of = copy.of.iter().copied().zip(places.iter().copied()).collect();
        let until = self.proxy.passage.relay.deadline(self.came);
        transaction.send(message, until, later(self.service, self.scan, of)).await
    }

    /// What the next hop said of a recipient. The worst counts.
    fn settle(&mut self, n: usize, reply: &Reply) {
        let decision = reply.decision();
        let said = format!("{} {}", reply.code, reply.text().replace('\n', " "));
        if !self.said.contains(&said) && self.said.len() < 5 {
            self.said.push(said);
        }
        if decision == Decision::Accept {
            self.taken.push(n);
            let text = match reply.enhanced() {
                Some((a, b, c)) => reply.text().trim_start_matches(&format!("{a}.{b}.{c}")).trim_start().to_owned(),
                None => reply.text(),
            };
            self.words.get_or_insert(text);
        }
        let fate = &mut self.fates[n];
        if fate.as_ref().is_none_or(|fate| weight(fate) < weight(&decision)) {
            *fate = Some(decision);
        }
    }

    /// Who got the message when the sender was last told to come again.
    fn leave_out_the_served(&mut self) {
        if self.service.remembered.is_empty() {
            return;
        }
        for (n, key) in keys(self.scan).iter().enumerate() {
            if self.fates[n].is_none() && self.service.remembered.has(key) {
                self.fates[n] = Some(Decision::Accept);
                self.taken.push(n);
                self.said.push("(one recipient has had it before)".into());
            }
        }
    }

    /// One reply that says "come again" to all: who has the message need not get it then.
    fn remember(&self) {
        let again = !self.proxy.lmtp && self.deferral().is_some();
        if self.taken.is_empty() || !again && self.service.remembered.is_empty() {
            return;
        }
        if again {
            return self.remember_taken();
        }
        let keys = keys(self.scan);
        self.taken.iter().for_each(|n| self.service.remembered.forget(&keys[*n]));
    }

    fn remember_taken(&self) {
        let keys = keys(self.scan);
        self.taken.iter().for_each(|n| self.service.remembered.add(keys[*n]));
        self.service.journal.note(&format!(
            "{}: {} of {} recipients have the message and the sender will try again for all of them; they are left \
             out then, unless sekisho is restarted",
            self.proxy.passage.relay.next_hop,
            self.taken.len(),
            self.fates.len()
        ));
    }

    fn answer(&self) -> Answer {
        let fates = || self.fates.iter().map(|fate| fate.clone().unwrap_or_else(not_tried));
        let words = self.words.clone();
        if self.proxy.lmtp {
            return Answer { recipients: fates().collect(), words, ..Answer::default() };
        }
        let all: Vec<Decision> = fates().collect();
        if let Some(defer) = self.deferral() {
            return Answer::decide(defer.clone());
        }
        let refused: Vec<(usize, &Refusal)> = all
            .iter()
            .enumerate()
            .filter_map(|(n, fate)| if let Decision::Reject(why) = fate { Some((n, why)) } else { None })
            .collect();
        match refused.first() {
            None if all.iter().all(|fate| *fate == Decision::Discard) => Answer::decide(Decision::Discard),
            None => Answer { words, ..Answer::accept() },
            Some((_, why)) if refused.len() == all.len() => Answer::decide(Decision::Reject((*why).clone())),
            Some((_, why)) => {
                let who = refused
                    .iter()
                    .take(10)
                    .map(|(n, _)| format!("<{}>", String::from_utf8_lossy(&self.scan.recipients[*n].address)));
                let who = who.collect::<Vec<_>>().join(" ");
                let text = format!("{}\nRefused for {who}; the other recipients have been served", why.text);
                Answer::decide(Decision::Reject(Refusal { text, ..(*why).clone() }))
            }
        }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if !self.concluded && !self.taken.is_empty() {
            self.remember_taken(); // the sender has left without an answer
        }
    }
}

/// Remembers who of these has the message after all; each with its place in the outcome.
fn later(service: &Service, scan: &Arc<Scan>, of: Vec<(usize, usize)>) -> Later {
    let (remembered, journal, scan) = (service.remembered.clone(), service.journal, scan.clone());
    Box::new(move |outcome| {
        let has = |place: usize| outcome.recipients.get(place).is_some_and(Reply::is_positive);
        let served: Vec<usize> = of.into_iter().filter(|(_, place)| has(*place)).map(|(n, _)| n).collect();
        if served.is_empty() {
            return;
        }
        let keys = keys(&scan);
        served.iter().for_each(|n| remembered.add(keys[*n]));
        journal.note(&format!(
            "{} recipients have a message whose sender has not waited; they are left out when it comes again",
            served.len()
        ));
    })
}

/// Names each recipient's copy of this message.
fn keys(scan: &Scan) -> Vec<[u8; 32]> {
    let message = once::message(scan);
    scan.recipients.iter().map(|path| once::copy(&message, &path.address)).collect()
}

/// Copies that a milter's mail server will not deliver itself. Unless all of them are out, nobody is answered for: the
/// sender comes again, and who has a copy is left out then.
pub async fn send_copies(
    service: &Service,
    scan: &Arc<Scan>,
    answer: Answer,
    copies: Vec<Copy>,
    line: &mut Line,
    came: Instant,
) -> Answer {
    if copies.is_empty() {
        return answer;
    }
    let keys = keys(scan);
    let last_call = service.relay.as_ref().map(|relay| relay.last_call(came));
    let mut failed = None;
    for (nth, copy) in copies.into_iter().enumerate() {
        let (of, to): (Vec<usize>, Vec<Path>) =
            copy.of.into_iter().zip(copy.recipients).filter(|(n, _)| !service.remembered.has(&keys[*n])).unzip();
        if of.is_empty() {
            continue;
        }
        if nth > 0 && last_call.is_some_and(|last_call| Instant::now() >= last_call) {
            failed = Some("the next hop is too slow for all of them".to_owned());
            break;
        }
        let places = of.iter().copied().enumerate().map(|(place, n)| (n, place)).collect();
        let later = later(service, scan, places);
        let outcome = relay::copy(service, scan, to, &copy.edits, came, later).await;
        for (n, reply) in of.iter().zip(&outcome.recipients) {
            match reply.is_positive() {
                true => service.remembered.add(keys[*n]),
                false => failed = Some(format!("{} {}", reply.code, reply.text())),
            }
        }
    }
    match failed {
        None => {
            keys.iter().for_each(|key| service.remembered.forget(key));
            answer
        }
        Some(why) => {
            line.action = "defer";
            line.troubles.push(format!("a copy could not be sent: {why}; the message was deferred"));
            Answer::decide(not_tried())
        }
    }
}

fn not_tried() -> Decision {
    Decision::Defer(Refusal::new(451, (3, 0), "Not all recipients could be served, try again later"))
}

fn weight(decision: &Decision) -> u8 {
    match decision {
        Decision::Accept | Decision::AcceptUnseen | Decision::Discard => 0,
        Decision::Reject(_) => 1,
        Decision::Defer(_) | Decision::Quarantine(_) => 2,
    }
}

/// Recipients that have a message whose sender was told to come again. Kept in memory: after a restart they get it twice.
#[derive(Default)]
pub struct Remembered(Mutex<HashMap<[u8; 32], Instant>>);

const ENTRIES: usize = 100_000;

impl Remembered {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    fn has(&self, key: &[u8; 32]) -> bool {
        self.map().get(key).is_some_and(|at| at.elapsed() < once::TRIES)
    }

    fn add(&self, key: [u8; 32]) {
        let mut map = self.map();
        if map.len() >= ENTRIES {
            map.retain(|_, at| at.elapsed() < once::TRIES);
        }
        if map.len() < ENTRIES {
            map.insert(key, Instant::now());
        }
    }

    fn forget(&self, key: &[u8; 32]) {
        self.map().remove(key);
    }
}

/// The connection's end, as TLS wants it; a next hop that was asked about recipients is told good-bye.
pub async fn close(mut stream: Box<dyn Stream>, proxy: Option<&Proxy<'_>>) {
    if let Some(proxy) = proxy
        && let Some(early) = proxy.early.lock().await.take()
    {
        early.transaction.leave().await;
    }
    let _ = timeout(FAREWELL, stream.shutdown()).await;
}

const FAREWELL: Duration = Duration::from_secs(5);
