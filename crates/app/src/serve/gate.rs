//! Before there is a message: S25R, greylist, tarpit and block lists at RCPT, for milter and policy protocol alike.
//!
//! In: what a session asks ([`Ask`]). Out: an [`Answer`], and a line in the log in the words of taRgrey. Asked is at RCPT,
//! never at CONNECT: sender and recipient are then in everybody's log, and those who log in have done so. Who logged in,
//! comes from our own networks or brings no SMTP at all is never asked to wait; how much they may send is [`rates`]'
//! business. Where the store gives no answer the configured outcome holds, and the log says so.

mod rates;

use super::Service;
use super::journal::{Journal, visible};
use crate::config::{Addresses, Client, Config, Mode, Network, S25rAction, Trouble};
use crate::environment;
use anyhow::Context;
use engine::s25r::{self, Rule};
use protocols::{Answer, Ask, Decision, Peer, Refusal, Scan, Stage, Stages};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::lists::{Effect, Scope, Subject};
use store::seen::Triplet;
use store::{Store, Time};
use tokio::sync::Semaphore;

/// The store is given this long: a mail server waits 30 s for the reply to a command.
const STORE: Duration = Duration::from_secs(5);

/// Servers of large senders.
const WELLKNOWN: &str = include_str!("gate/wellknown.txt");

pub struct Gate {
    config: Config,
    exempt: Vec<Client>,
    tarpit: Arc<Semaphore>,
}

/// Which stages a mail server is to ask about; none where there would be nothing to say.
pub fn stages(config: &Config) -> Stages {
    let store = !config.store.location.is_empty();
    let waits = matches!(config.s25r.action, S25rAction::Greylist | S25rAction::Tarpit | S25rAction::Defer);
    let counts = config.rates.limits_logins() || config.rates.limits_internal();
    let asks = store && config.gate.lists || waits || config.greylist.everybody || counts;
    if asks { Stages::RECIPIENT } else { Stages::NONE }
}

/// What one connection has behind it.
pub struct Visit {
    journal: Journal,
    protocol: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose reply was held, and no message has come yet.
    held: Option<Line>,
    /// Who sat the tarpit out.
    paid: Option<Connection>,
    /// The message that was counted last (policy protocol).
    counted: Option<String>,
}

/// The client's connection to the mail server: its port, or where that is not told what the server calls the message.
type Connection = (Option<IpAddr>, Option<u16>, Option<String>);

impl Visit {
    pub fn new(journal: Journal, protocol: &'static str) -> Visit {
        Visit { journal, protocol, state: Mutex::default() }
    }

    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// Who leaves can be seen: the connection is the client's alone.
    pub fn is_own(&self) -> bool {
        self.protocol != "policy"
    }

    /// A message came: nobody left.
    pub fn came(&self) {
        self.state().held = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(line) = self.state().held.take().filter(|_| self.is_own()) {
            Line { reason: "left".into(), ..line }.write(self.journal);
        }
    }
}

/// One decision, as the log tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Line {
    action: &'static str,
    reason: String,
    client_name: String,
    client_address: String,
    sender: String,
    recipient: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s25r: Option<u8>,
    /// Seconds: until a retry passes, or how long the reply is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
    observed: bool,
}

impl Line {
    fn new(ask: &Ask) -> Line {
        let text = |path: &Option<protocols::Path>| {
            path.as_ref().map(|path| String::from_utf8_lossy(&path.address).into_owned()).unwrap_or_default()
        };
        Line {
            client_name: ask.peer.name.clone().unwrap_or_else(|| "unknown".into()),
            client_address: ask.peer.address.map(|address| address.to_string()).unwrap_or_default(),
            sender: text(&ask.sender),
            recipient: text(&ask.recipient),
            login: ask.peer.authenticated.as_ref().map(|login| login.name.clone()),
            ..Line::default()
        }
    }

    fn text(&self) -> String {
        // Whoever chose an address or a name can neither begin a field nor a line with it.
        let whole = |value: &str| visible(value).replace(' ', "?");
        let mut out = format!(
            "action={}, reason={}, client_name={}, client_address={}, sender={}, recipient={}",
            self.action,
            self.reason,
            whole(&self.client_name),
            self.client_address,
            whole(&self.sender),
            whole(&self.recipient)
        );
        let mut more = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                out.push_str(&format!(", {name}={}", whole(&value)));
            }
        };
        more("login", self.login.clone());
        more("s25r", self.s25r.map(|rule| rule.to_string()));
        more("wait", self.wait.map(|seconds| seconds.to_string()));
        more("observed", self.observed.then(|| "yes".into()));
        out
    }

    fn write(&self, journal: Journal) {
        journal.record("gate", &self.text(), self);
    }

    /// `<host[address]>: text`, as Postfix begins its refusals.
    fn refusal(&self, code: u16, text: &str) -> Refusal {
        let text = text.replace("{seconds}", &self.wait.unwrap_or_default().to_string());
        Refusal::new(code, (7, 1), format!("<{}[{}]>: {text}", self.client_name, self.client_address))
    }
}

/// What is to be done about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Pass,
    Block,
    Greylist,
    Tarpit,
    Defer,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Pass => "pass",
            Action::Block => "block",
            Action::Greylist => "greylist",
            Action::Tarpit => "tarpit",
            Action::Defer => "defer",
        }
    }
}

struct Judged {
    action: Action,
    reason: String,
    wait: Option<Duration>,
}

impl Judged {
    fn new(action: Action, reason: impl Into<String>) -> Judged {
        Judged { action, reason: reason.into(), wait: None }
    }
}

impl Gate {
    pub fn new(config: &Config) -> anyhow::Result<Gate> {
        let mut exempt = config.gate.allow_clients.clone();
        if config.gate.wellknown {
            exempt.extend(Client::lines(WELLKNOWN).map_err(anyhow::Error::msg).context("the shipped list")?);
        }
        for path in &config.gate.allow_files {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            exempt
                .extend(Client::lines(&text).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())?);
        }
        let tarpit = Arc::new(Semaphore::new(config.s25r.tarpit_at_once.min(Semaphore::MAX_PERMITS)));
        Ok(Gate { config: config.clone(), exempt, tarpit })
    }

    /// What S25R adds to the verdict of a message: rule, score, description.
    pub fn facts(&self, scan: &Scan) -> Vec<(String, f64, String)> {
        let gate = &self.config.gate;
        let recipients = &scan.recipients;
        let exempt = self.is_ours(&scan.peer)
            || self.is_exempt(&scan.peer)
            || scan.sender.as_ref().is_some_and(|sender| names(&gate.allow_senders, sender))
            || !recipients.is_empty() && recipients.iter().all(|to| names(&gate.allow_recipients, to));
        let Some(rule) = self.rule(&scan.peer).filter(|_| !exempt) else { return Vec::new() };
        let s25r = &self.config.s25r;
        let points = if rule.number() == 0 { s25r.points_unknown } else { s25r.points };
        if points == 0.0 { Vec::new() } else { vec![(rule.name(), points, rule.description().to_owned())] }
    }

    fn rule(&self, peer: &Peer) -> Option<Rule> {
        // Where the name servers gave no answer there is nothing to be held against the client.
        if self.config.s25r.action == S25rAction::Off || peer.name.is_none() && peer.unresolved {
            return None;
        }
        s25r::rule(peer.address?, peer.name.as_deref())
    }

    /// Nobody of whom a retry could be asked: people who logged in, our own networks, mail that no client brought.
    fn is_ours(&self, peer: &Peer) -> bool {
        peer.local || peer.authenticated.is_some() || self.is_internal(peer)
    }

    fn is_internal(&self, peer: &Peer) -> bool {
        peer.inside || peer.address.is_some_and(|address| self.config.networks.is_internal(address))
    }

    fn is_exempt(&self, peer: &Peer) -> bool {
        let name = peer.name.as_ref().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        self.exempt.iter().any(|client| client.is(peer.address, name.as_deref()))
    }

    /// What S25R and greylist would have done about this client, before exemptions.
    fn wanted(&self, rule: Option<Rule>) -> Action {
        match (rule, self.config.s25r.action) {
            (Some(_), S25rAction::Greylist) => Action::Greylist,
            (Some(_), S25rAction::Tarpit) => Action::Tarpit,
            (Some(_), S25rAction::Defer) => Action::Defer,
            _ if self.config.greylist.everybody => Action::Greylist,
            _ => Action::Pass,
        }
    }

    /// `None`: nothing to say, nothing to log.
    fn judge(&self, store: Option<&Store>, ask: &Ask, now: Time) -> store::Result<Option<Judged>> {
        let empty = protocols::Path::default();
        let (sender, recipient) = (ask.sender.as_ref().unwrap_or(&empty), ask.recipient.as_ref().unwrap_or(&empty));
        let rule = self.rule(&ask.peer);
        let wanted = self.wanted(rule);
        if let Some(store) = store.filter(|_| self.config.gate.lists) {
            match listed(store, ask, &sender.address, &recipient.address, now)? {
                Some(Effect::Block) => return Ok(Some(Judged::new(Action::Block, "block list"))),
                Some(_) if wanted != Action::Pass => return Ok(Some(Judged::new(Action::Pass, "allow list"))),
                _ => {}
            }
        }
        if wanted == Action::Pass {
            return Ok(None);
        }
        let gate = &self.config.gate;
        let exempt = if self.is_exempt(&ask.peer) {
            Some("client whitelist")
        } else if names(&gate.allow_senders, sender) {
            Some("sender whitelist")
        } else if names(&gate.allow_recipients, recipient) {
            Some("recipient whitelist")
        } else {
            None
        };
        if let Some(reason) = exempt {
            return Ok(Some(Judged::new(Action::Pass, reason)));
        }
        let by_rule = || rule.map(|rule| format!("S25R rule {}", rule.number())).unwrap_or_default();
        if wanted == Action::Defer {
            return Ok(Some(Judged::new(Action::Defer, by_rule())));
        }
        let (Some(store), Some(address)) = (store, ask.peer.address) else {
            return Ok(match wanted {
                Action::Tarpit => {
                    Some(Judged { wait: Some(self.config.s25r.tarpit.0), ..Judged::new(wanted, by_rule()) })
                }
                _ => None, // no client to remember
            });
        };
        let client = network(address, 64);
        let sender = plain(&sender.address);
        let triplet = Triplet { client: &client, sender: &sender, recipient: &recipient.address };
        let seen = store.seen().greylist(&triplet, &self.config.greylist.policy(), now)?;
        let (action, wait) = match (seen.pass, wanted) {
            (true, _) => (Action::Pass, None),
            (false, Action::Tarpit) => (Action::Tarpit, Some(self.config.s25r.tarpit.0)),
            (false, _) => (Action::Greylist, Some(seen.wait)),
        };
        Ok(Some(Judged { action, reason: seen.reason.text().into(), wait }))
    }
}

fn names(list: &[Addresses], path: &protocols::Path) -> bool {
    let address = String::from_utf8_lossy(&path.address);
    list.iter().any(|addresses| addresses.has(&address))
}

/// What the store's lists say of sender and client, for everybody or this recipient: its hard effects.
fn listed(store: &Store, ask: &Ask, sender: &[u8], recipient: &[u8], now: Time) -> store::Result<Option<Effect>> {
    let (sender, recipient) = (String::from_utf8_lossy(sender), String::from_utf8_lossy(recipient));
    let mut subjects = vec![Subject::Sender(&sender)];
    subjects.extend(ask.peer.address.map(Subject::Address));
    let scopes = [Scope::Global, Scope::user(&recipient)];
    Ok(store.lists().matching(&scopes, &subjects, now)?.decision().map(|entry| entry.effect))
}

/// A client's network, as text: mail that is sent again often comes from a neighbour.
pub fn network(address: IpAddr, version_6: u8) -> String {
    Network::around(address, 24, version_6).to_string()
}

/// A sender without what changes from message to message: extensions and numbers, as mailing lists have them.
fn plain(sender: &[u8]) -> Vec<u8> {
    let at = sender.iter().rposition(|byte| *byte == b'@').unwrap_or(sender.len());
    let (local, domain) = sender.split_at(at);
    let local = match local.iter().position(|byte| *byte == b'+') {
        Some(plus) if plus > 0 => &local[..plus],
        _ => local,
    };
    let mut out = Vec::with_capacity(sender.len());
    for byte in local {
        match byte {
            b'0'..=b'9' if out.last() == Some(&b'#') => {}
            b'0'..=b'9' => out.push(b'#'),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(domain);
    out
}

/// Runs what blocks, as long as [`STORE`].
pub async fn asking<T: Send + 'static>(work: impl FnOnce() -> store::Result<T> + Send + 'static) -> Result<T, String> {
    match tokio::time::timeout(STORE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(format!("{error}. {}", error.remedy())),
        Ok(Err(_)) => Err("the program failed".into()),
        Err(_) => Err(format!("no answer within {} s", STORE.as_secs())),
    }
}

/// The answer to a question that comes before the message.
pub async fn answer(service: &Service, visit: &Visit, ask: Box<Ask>) -> Answer {
    let gate = service.gate.load_full();
    let observe = gate.config.mode == Mode::Observe;
    let decision = if ask.peer.local {
        Decision::Accept
    } else if ask.peer.authenticated.is_some() || gate.is_internal(&ask.peer) {
        rates::decide(service, &gate, visit, &ask).await
    } else if ask.stage == Stage::Recipient {
        recipient(service, &gate, visit, ask).await
    } else {
        Decision::Accept
    };
    if observe { Answer::accept() } else { Answer::decide(decision) }
}

async fn recipient(service: &Service, gate: &Arc<Gate>, visit: &Visit, ask: Box<Ask>) -> Decision {
    let rule = gate.rule(&ask.peer);
    let mut line =
        Line { s25r: rule.map(Rule::number), observed: gate.config.mode == Mode::Observe, ..Line::new(&ask) };
    let connection = match ask.peer.port {
        Some(port) => (ask.peer.address, Some(port), None),
        None => (ask.peer.address, None, ask.instance.clone()),
    };
    let (work, store) = (gate.clone(), service.store.clone());
    let mut judged = match asking(move || work.judge(store.as_ref(), &ask, environment::now())).await {
        Ok(None) => return Decision::Accept,
        Ok(Some(judged)) => judged,
        Err(error) => return trouble(service, gate, line, &error),
    };
    let mut place = None;
    if judged.action == Action::Tarpit {
        if visit.state().paid.as_ref() == Some(&connection) {
            return Decision::Accept; // it waited for an earlier recipient
        }
        place = gate.tarpit.clone().try_acquire_owned().ok();
        if place.is_none() {
            judged = Judged::new(Action::Pass, "tarpit full");
        }
    }
    line.action = judged.action.name();
    line.reason = judged.reason;
    line.wait = judged.wait.map(|wait| wait.as_millis().div_ceil(1000) as u64);
    line.write(service.journal);
    match judged.action {
        Action::Pass => Decision::Accept,
        Action::Block => Decision::Reject(line.refusal(550, &gate.config.gate.block_text)),
        Action::Greylist => Decision::Defer(line.refusal(450, &gate.config.greylist.text)),
        Action::Defer => Decision::Defer(line.refusal(450, &gate.config.s25r.text)),
        Action::Tarpit => {
            if !line.observed {
                // Before the wait: whoever leaves during it drops this future.
                visit.state().held = Some(line);
                let mut stopping = service.stopping.clone();
                tokio::select! {
                    () = tokio::time::sleep(gate.config.s25r.tarpit.0) => {}
                    // Our impatience, not the client's.
                    _ = stopping.wait_for(|stop| *stop) => visit.came(),
                }
            }
            visit.state().paid = Some(connection);
            drop(place);
            Decision::Accept
        }
    }
}

/// Where the store gave no answer.
fn trouble(service: &Service, gate: &Gate, line: Line, error: &str) -> Decision {
    service.journal.note(&format!("store: {error}"));
    let defer = gate.config.gate.trouble == Trouble::Defer;
    let line = Line { action: if defer { "defer" } else { "pass" }, reason: "store trouble".into(), ..line };
    line.write(service.journal);
    match defer {
        true => Decision::Defer(Refusal::new(451, (3, 0), "Not possible at the moment; please try again")),
        false => Decision::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(text: &str) -> Gate {
        Gate::new(&Config::parse(text).unwrap()).unwrap()
    }

    fn peer(address: &str, name: &str) -> Peer {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Peer { address: Some(address.parse().unwrap()), name, ..Peer::default() }
    }

    #[test]
    fn who_is_exempt_out_of_the_box() {
        let gate = gate("");
        for (name, exempt) in [
            ("mail-pj1-f54.google.com", true),
            ("MAIL-PJ1-F54.GOOGLE.COM.", true),
            ("mail-eopbgr12345.outbound.protection.outlook.com", true),
            ("a8-31.smtp-out.amazonses.com", true),
            ("qs51p00im-qukt01071902.me.com", true),
            ("sv14078.xserver.jp", true),
            ("www262.sakura.ne.jp", true),
            ("conssluserg-03.nifty.com", true),
            ("mta-sndfb-e05.biglobe.ne.jp", true),
            ("mogw1333.ocn.ad.jp", true),
            ("dns12345.example.ac.jp", true),
            ("p1234-ipbf.tokyo.ocn.ne.jp", false),
            ("ae082111.dynamic.ppp.asahi-net.or.jp", false),
            ("p6eb203.tkyoac00.ap.so-net.ne.jp", false),
            ("i125-203-182-73.s02.a010.ap.plala.or.jp", false),
            ("tk2-123-45678.vs.sakura.ne.jp", false),
            ("v133-18-178-219.vir.kagoya.net", false),
            ("google.com.example.net", false),
            ("", false),
        ] {
            assert_eq!(gate.is_exempt(&peer("192.0.2.1", name)), exempt, "{name}");
        }
        assert!(!self::gate("[gate]\nwellknown = false").is_exempt(&peer("192.0.2.1", "mail-pj1-f54.google.com")));
    }

    #[test]
    fn what_the_verdict_is_told() {
        let scan = |address: &str, name: &str| Scan {
            id: ask_id(),
            peer: peer(address, name),
            sender: Some(protocols::Path::new("a@example.net")),
            recipients: vec![protocols::Path::new("b@example.jp")],
            queue_id: None,
            user: None,
            want: protocols::Want::Decision,
            content: Default::default(),
            top_received_hidden: false,
        };
        let told = |config: &str, scan: &Scan| {
            gate(config).facts(scan).into_iter().map(|(rule, score, _)| (rule, score)).collect::<Vec<_>>()
        };
        let suspicious = scan("203.0.113.5", "pool-203-0-113-5.example.net");
        assert_eq!(told("", &suspicious), [("S25R_1".to_owned(), 0.5)]);
        assert_eq!(told("", &scan("203.0.113.5", "")), [("S25R_0".to_owned(), 1.0)]);
        for config in [
            "[s25r]\naction = \"off\"",
            "[s25r]\npoints = 0.0",
            "[gate]\nallow_clients = [\"203.0.113.0/24\"]",
            "[gate]\nallow_senders = [\"example.net\"]",
            "[gate]\nallow_recipients = [\"b@example.jp\"]",
            "[networks]\ninternal = [\"203.0.113.0/24\"]",
        ] {
            assert_eq!(told(config, &suspicious), [], "{config}");
        }
        assert_eq!(told("", &scan("203.0.113.5", "mx.example.net")), []);
        assert_eq!(told("", &scan("10.1.2.3", "")), [], "our own network");
    }

    /// Only sessions give ids.
    fn ask_id() -> protocols::QuestionId {
        let policy = protocols::protocol("policy").unwrap();
        let mut session = (policy.open)(&Default::default(), &Default::default());
        session.receive(b"request=smtpd_access_policy\n\n");
        match session.next_event() {
            Some(protocols::Event::Ask(ask)) => ask.id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_mail_server_asks_only_where_there_is_something_to_say() {
        for (config, asks) in [
            ("", true), // the store's lists
            ("[gate]\nlists = false", false),
            ("[store]\nlocation = \"\"", false),
            ("[gate]\nlists = false\n[s25r]\naction = \"defer\"", true),
            ("[gate]\nlists = false\n[greylist]\neverybody = true", true),
            ("[gate]\nlists = false\n[rates]\nlogin_messages = 5", true),
        ] {
            assert_eq!(stages(&Config::parse(config).unwrap()) == Stages::RECIPIENT, asks, "{config}");
        }
    }

    #[test]
    fn a_stranger_cannot_fake_a_field() {
        let line = Line { action: "greylist", sender: "a@b, reason=client AWL\nx".into(), ..Line::default() };
        assert!(line.text().ends_with("sender=a@b,?reason=client?AWL?x, recipient="), "{}", line.text());
    }

    #[test]
    fn senders_of_lists_are_one_sender() {
        for (sender, plainly) in [
            ("", ""),
            ("ann@example.jp", "ann@example.jp"),
            ("ann+tag@example.jp", "ann@example.jp"),
            ("+@example.jp", "+@example.jp"),
            ("bounce-1234-x99=ann=example.jp@l1.example.net", "bounce-#-x#=ann=example.jp@l1.example.net"),
        ] {
            assert_eq!(plain(sender.as_bytes()), plainly.as_bytes(), "{sender}");
        }
        assert_eq!(network("192.0.2.77".parse().unwrap(), 64), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap(), 64), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap(), 48), "2001:db8:1::/48");
    }
}
