//! How much those may send who logged in, or who are of our own networks; and the alarm when an account seems stolen.
//!
//! Counted in the store, so that all processes and machines count together. With milter a recipient is counted when it is
//! given, a message with its first; with the policy protocol both at DATA or at the end of the message, since only there
//! the recipients are known, and at RCPT is looked whether there is room. What is refused is not counted: who goes on
//! trying is free again when the window has passed.

use super::{Gate, Line, Visit, asking, network, trouble};
use crate::config::{RateAction, Rates};
use crate::environment;
use crate::policy::notices;
use crate::serve::Service;
use protocols::{Ask, Decision, Stage};
use serde::Serialize;
use store::{Store, Time};

/// Whose mail is counted.
#[derive(Debug, Clone)]
enum Sender {
    Login(String),
    Network(String),
}

impl Sender {
    fn of(ask: &Ask) -> Option<Sender> {
        match &ask.peer.authenticated {
            Some(login) => Some(Sender::Login(login.name.clone())),
            None => ask.peer.address.map(|address| Sender::Network(network(address, 64))),
        }
    }

    fn key(&self) -> String {
        match self {
            Sender::Login(name) => format!("login {name}"),
            Sender::Network(name) => format!("network {name}"),
        }
    }
}

/// More than is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Excess {
    what: &'static str,
    sent: u64,
    limit: u64,
}

/// What came of counting.
#[derive(Debug, Default)]
struct Counted {
    refused: Option<Excess>,
    /// What the postmaster was not told yet.
    alarms: Vec<Excess>,
}

/// What this question adds.
#[derive(Debug, Clone, Copy)]
struct More {
    messages: u32,
    recipients: u32,
    /// Only to see whether there is room.
    look_only: bool,
}

pub async fn decide(service: &Service, gate: &Gate, visit: &Visit, ask: &Ask) -> Decision {
    let rates = &gate.config.rates;
    let (Some(sender), Some(store)) = (Sender::of(ask), service.store.clone()) else { return Decision::Accept };
    let limited = match sender {
        Sender::Login(_) => rates.limits_logins(),
        Sender::Network(_) => rates.limits_internal(),
    };
    let Some(more) = more(visit, ask).filter(|_| limited) else { return Decision::Accept };
    let mut line = Line { observed: gate.config.mode == crate::config::Mode::Observe, ..Line::new(ask) };
    let place = ask.peer.address.map(|address| network(address, 48));
    let (settings, whose) = (rates.clone(), sender.clone());
    let counted = asking(move || count(&settings, &store, &whose, place.as_deref(), more, environment::now())).await;
    let counted = match counted {
        Ok(counted) => counted,
        Err(error) => return trouble(service, gate, line, &error),
    };
    for excess in &counted.alarms {
        alarm(service, gate, &sender, excess).await;
    }
    let Some(excess) = counted.refused else { return Decision::Accept };
    line.reason = format!("too many {}", excess.what);
    line.action = if rates.action == RateAction::Reject { "reject" } else { "defer" };
    line.write(service.journal);
    let refusal =
        protocols::Refusal::new(if rates.action == RateAction::Reject { 550 } else { 450 }, (7, 1), &*rates.text);
    match rates.action {
        RateAction::Reject => Decision::Reject(refusal),
        _ => Decision::Defer(refusal),
    }
}

/// What this question adds to the counts; `None`: it was added before.
fn more(visit: &Visit, ask: &Ask) -> Option<More> {
    let first = u32::from(ask.recipients_before == 0);
    match ask.stage {
        Stage::Recipient if visit.is_own() => Some(More { messages: first, recipients: 1, look_only: false }),
        Stage::Recipient => Some(More { messages: 1, recipients: 1, look_only: true }),
        Stage::Data | Stage::EndOfMessage => {
            let mut state = visit.state();
            if ask.instance.is_some() && state.counted == ask.instance {
                return None;
            }
            state.counted.clone_from(&ask.instance);
            let recipients = u32::try_from(ask.recipients_before.max(1)).unwrap_or(u32::MAX);
            Some(More { messages: 1, recipients, look_only: false })
        }
        _ => None,
    }
}

fn count(
    rates: &Rates,
    store: &Store,
    sender: &Sender,
    place: Option<&str>,
    more: More,
    now: Time,
) -> store::Result<Counted> {
    let window = rates.window.0;
    let key = sender.key();
    let limits = match sender {
        Sender::Login(_) => {
            [("messages", rates.login_messages, more.messages), ("recipients", rates.login_recipients, more.recipients)]
        }
        Sender::Network(_) => [
            ("messages", rates.internal_messages, more.messages),
            ("recipients", rates.internal_recipients, more.recipients),
        ],
    };
    let limits = || limits.iter().copied().filter(|(_, limit, more)| *limit > 0 && *more > 0);
    let shelf = store.rates();
    let mut counted = Counted::default();
    let mut excess = None;
    if rates.action != RateAction::Alarm {
        for (what, limit, more) in limits() {
            let sent = shelf.add(what, key.as_bytes(), window, 0, now)?;
            if sent.saturating_add(more.into()) > limit {
                excess = excess.or(Some(Excess { what, sent, limit }));
            }
        }
    }
    if excess.is_none() && !more.look_only {
        for (what, limit, more) in limits() {
            let sent = shelf.add(what, key.as_bytes(), window, more, now)?;
            // Others may have come in between the look and this.
            if sent > limit {
                excess = excess.or(Some(Excess { what, sent, limit }));
            }
        }
    }
    let mut told = |excess: Excess| -> store::Result<()> {
        let once = format!("{} {key}", excess.what);
        let known = store.seen().known("alarm", once.as_bytes(), now)?.is_some();
        if !known && store.seen().note("alarm", once.as_bytes(), window, now)?.count == 1 {
            counted.alarms.push(excess);
        }
        Ok(())
    };
    if let Some(excess) = excess.clone() {
        told(excess)?;
    }
    if let (Sender::Login(name), Some(place), limit @ 1..) = (sender, place, rates.login_networks)
        && more.messages > 0
        && !more.look_only
    {
        let sent = networks(store, name, place, window, now)?;
        if sent > limit {
            told(Excess { what: "networks", sent, limit })?;
        }
    }
    counted.refused = excess.filter(|_| rates.action != RateAction::Alarm);
    Ok(counted)
}

/// From how many networks that were new to it this login came lately, this one included.
fn networks(store: &Store, login: &str, place: &str, window: store::Span, now: Time) -> store::Result<u64> {
    let pair = format!("{login} {place}");
    let known = store.seen().known("login-network", pair.as_bytes(), now)?;
    // Written now and then only: a message is no reason to write.
    let fresh = known.as_ref().is_some_and(|known| now.since(known.last) < window / 4);
    let first = !fresh && store.seen().note("login-network", pair.as_bytes(), window, now)?.count == 1;
    store.rates().add("networks", login.as_bytes(), window, first.into(), now)
}

/// In the log, and a notice that waits to be sent.
async fn alarm(service: &Service, gate: &Gate, sender: &Sender, excess: &Excess) {
    #[derive(Serialize)]
    struct Alarm<'a> {
        sender: String,
        #[serde(flatten)]
        excess: &'a Excess,
        window_seconds: u64,
    }
    let rates = &gate.config.rates;
    let window = rates.window.0.as_secs();
    let who = super::visible(&sender.key());
    let Excess { what, sent, limit } = excess;
    let text = format!("alarm: {who} reached a limit: {sent} {what} within {window} s, of {limit} allowed");
    service.journal.record("alarm", &text, &Alarm { sender: sender.key(), excess, window_seconds: window });
    let (Some(store), false) = (service.store.clone(), rates.alarm_to.is_empty()) else { return };
    let notice = notices::alarm(
        &gate.config.notify,
        &rates.alarm_to,
        &notices::Alarm {
            login: matches!(sender, Sender::Login(_)),
            who: &sender.key(),
            what,
            sent: *sent,
            limit: *limit,
            window,
        },
    );
    let kept = match notice.and_then(|notice| Ok((notice, environment::secret_random()?))) {
        Ok((notice, random)) => {
            let recipient = notice.recipient.into_bytes();
            asking(move || store.outbox().enqueue(environment::now(), &random, "alarm", &recipient, &notice.body)).await
        }
        Err(error) => Err(format!("{error:#}")),
    };
    if let Err(error) = kept {
        service.journal.note(&format!("alarm: the notice could not be kept: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn store() -> (Store, std::path::PathBuf) {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sekisho-rates-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        (Store::open(&folder.display().to_string().parse().unwrap()).unwrap(), folder)
    }

    #[test]
    fn what_is_refused_is_not_counted_and_the_alarm_rings_once() {
        let (store, folder) = store();
        let rates = Config::parse("[rates]\nlogin_messages = 2\nlogin_recipients = 3").unwrap().rates;
        let ann = Sender::Login("ann".into());
        let ask = |more: (u32, u32), seconds: i64| {
            let more = More { messages: more.0, recipients: more.1, look_only: false };
            let counted = count(&rates, &store, &ann, None, more, Time::from_seconds(seconds)).unwrap();
            (counted.refused.map(|excess| excess.what), counted.alarms.len())
        };
        assert_eq!(ask((1, 1), 10_000), (None, 0));
        assert_eq!(ask((0, 1), 10_000), (None, 0));
        assert_eq!(ask((1, 1), 10_010), (None, 0));
        assert_eq!(ask((0, 1), 10_010), (Some("recipients"), 1));
        for attempt in 0..50 {
            assert_eq!(ask((1, 1), 10_020 + attempt), (Some("messages"), u32::from(attempt == 0) as usize));
        }
        assert_eq!(ask((1, 1), 13_700), (None, 0), "the window has passed");
        let bob = Sender::Login("bob".into());
        let more = More { messages: 1, recipients: 3, look_only: false };
        assert!(count(&rates, &store, &bob, None, more, Time::from_seconds(10_010)).unwrap().refused.is_none());
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn a_limit_holds_however_many_send_at_once() {
        let (store, folder) = store();
        let rates = Config::parse("[rates]\ninternal_messages = 10").unwrap().rates;
        let network = Sender::Network("10.0.0.0/24".into());
        let more = More { messages: 1, recipients: 1, look_only: false };
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let now = Time::from_seconds(10_000);
                        let counted = || count(&rates, &store, &network, None, more, now).unwrap();
                        (0..10).filter(|_| counted().refused.is_none()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 10);
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn one_login_from_many_networks() {
        let (store, folder) = store();
        let rates = Config::parse("[rates]\nlogin_networks = 2").unwrap().rates;
        let ann = Sender::Login("ann".into());
        let more = More { messages: 1, recipients: 1, look_only: false };
        let ask = |place: &str, seconds: i64| {
            let counted = count(&rates, &store, &ann, Some(place), more, Time::from_seconds(seconds)).unwrap();
            assert!(counted.refused.is_none());
            counted.alarms.into_iter().map(|excess| excess.what).collect::<Vec<_>>()
        };
        for at in [10_000, 10_001, 11_000] {
            assert!(ask("192.0.2.0/24", at).is_empty());
            assert!(ask("198.51.100.0/24", at).is_empty());
        }
        assert_eq!(ask("203.0.113.0/24", 11_001), ["networks"]);
        assert!(ask("203.0.113.0/24", 11_002).is_empty(), "told once");
        let _ = std::fs::remove_dir_all(folder);
    }
}
