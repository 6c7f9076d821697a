//! What a message's proven or missing sender means for the service: our header, the author's domain's wish, the history.
//!
//! In: what SPF, DKIM, ARC and DMARC found, and `[authentication]` and `[dmarc]`. Out: a hit that says what was done with
//! the domain's wish, a harder fate where it is honoured, and what the history keeps. Our header field is [`field`]'s.

pub mod field;

use crate::config::dkim::Seal;
use crate::config::dns::Ask;
use crate::config::{Action, Authentication as Settings, Config, Direction, Wished};
use crate::policy::category::Category;
use crate::policy::{self, Fate};
use mail::authentication::{Outcome, Policy};
use mail::views::Views;
use mail::{Authentication, Hit, Verdict};
use protocols::Scan;

/// What becomes of a message whose author's domain disowns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// `None`: nothing beyond points.
    action: Option<Action>,
    why: String,
    exception: Option<Exception>,
}

/// Why a wish is not followed, or not wholly.
#[derive(Debug, Clone, PartialEq)]
enum Exception {
    /// What the operator named.
    Named(String),
    Client,
    /// This believed sealer saw it pass.
    Sealed(String),
    /// A mailing list of a domain that the operator named.
    List(String),
    /// A mailing list that proves its own domain, as any spammer's can.
    SomeList(String),
}

impl Exception {
    fn text(&self) -> String {
        match self {
            Exception::Named(author) => format!("dmarc.except names {author}"),
            Exception::Client => "dmarc.except_clients names the client".to_owned(),
            Exception::Sealed(sealer) => format!("{sealer}, whose seals are believed, saw it pass (ARC)"),
            Exception::List(domain) => format!("mailing list of {domain}, which dmarc.list_domains names"),
            Exception::SomeList(domain) => format!("mailing list of {domain}: one step milder"),
        }
    }

    fn is_whole(&self) -> bool {
        !matches!(self, Exception::SomeList(_))
    }
}

impl Wish {
    /// Type and comment, as DMARC's reports name reasons why a policy was not followed (RFC 9990).
    pub fn reason(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.exception.as_ref()? {
            Exception::Named(_) => ("local_policy", ""),
            Exception::Client => ("trusted_forwarder", ""),
            Exception::Sealed(_) => ("local_policy", "arc=pass"),
            Exception::List(_) | Exception::SomeList(_) => ("mailing_list", ""),
        })
    }
}

/// `None`: the author's domain asks for nothing, or the message is of our own. `hit`: told in the verdict.
pub fn wish(config: &Config, scan: &Scan, verdict: &Verdict, views: &Views<'_>) -> Option<(Wish, Hit)> {
    let found = verdict.authentication.as_deref()?;
    let dmarc = &found.dmarc;
    let asks = dmarc.result == Outcome::Fail && dmarc.policy != Policy::None;
    if !asks || config.dmarc.action == Wished::Off {
        return None;
    }
    let incoming = |to: &[u8]| is_incoming(policy::direction(config, scan, &String::from_utf8_lossy(to)), found);
    let to: Vec<&[u8]> = scan.recipients.iter().map(|path| path.address.as_slice()).collect();
    if !(to.iter().any(|to| incoming(to)) || to.is_empty() && incoming(b"")) {
        return None;
    }
    let author = dmarc.domain.as_str();
    let exception = exception(config, scan, found, views);
    let milder = exception.is_some();
    let quarantine = if config.store.location.is_empty() { Action::Tag } else { Action::Quarantine };
    let action = match (config.dmarc.action, dmarc.policy) {
        _ if exception.as_ref().is_some_and(Exception::is_whole) => None,
        (Wished::Quarantine, _) | (Wished::Reject, Policy::Quarantine) if milder => Some(Action::Tag),
        (Wished::Quarantine, _) | (Wished::Reject, Policy::Quarantine) => Some(quarantine),
        (Wished::Reject, _) if milder => Some(quarantine),
        (Wished::Reject, _) => Some(Action::Reject),
        _ => None,
    };
    let why = format!("DMARC: {author} asks for {}", dmarc.policy.name());
    let done = match (&exception, &action) {
        (Some(exception), None) => format!("not done: {}", exception.text()),
        (Some(exception), Some(action)) => format!("{action}: {}", exception.text()),
        (None, Some(action)) => format!("{action}"),
        (None, None) => "counted only".to_owned(),
    };
    let hit = Hit {
        rule: "DMARC_POLICY".to_owned(),
        score: match &exception {
            Some(exception) if exception.is_whole() => 0.0,
            Some(_) => config.dmarc.points / 2.0,
            None => config.dmarc.points,
        },
        description: "The author's domain asks that such mail be stopped".to_owned(),
        area: "",
        count: 1,
        evidence: Vec::new(),
        notes: vec![format!("{why}; {done}"), dmarc.why.clone()],
    };
    // What only counts points has no exceptions to report.
    let exception = exception.filter(|_| matches!(config.dmarc.action, Wished::Quarantine | Wished::Reject));
    Some((Wish { action, why, exception }, hit))
}

fn exception(config: &Config, scan: &Scan, found: &Authentication, views: &Views<'_>) -> Option<Exception> {
    let author = found.dmarc.domain.as_str();
    let address = format!("x@{author}");
    if config.dmarc.except.iter().any(|one| one.has(&address)) {
        return Some(Exception::Named(author.to_owned()));
    }
    if scan.peer.address.is_some_and(|client| config.dmarc.except_clients.iter().any(|one| one.contains(client))) {
        return Some(Exception::Client);
    }
    if let Some(sealer) = believed_seal(&config.authentication, found) {
        return Some(Exception::Sealed(sealer.to_owned()));
    }
    let list = list(found, views)?;
    let named = |domain: &String| below(&list, domain);
    match config.dmarc.list_domains.iter().any(named) {
        true => Some(Exception::List(list)),
        false => config.dmarc.lists.then_some(Exception::SomeList(list)),
    }
}

/// That domain, or one within it.
fn below(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The chain holds, who sealed last is believed, and says that the message passed with him, in this author's name.
fn believed_seal<'a>(settings: &Settings, found: &'a Authentication) -> Option<&'a str> {
    let sealer = found.arc.sealer().filter(|_| found.arc.result == Outcome::Pass)?;
    let believed = |domain: &str| settings.sealers.iter().any(|one| one.eq_ignore_ascii_case(domain));
    // What an unknown hand sealed in between could have been written by it.
    let mut all = found.arc.sets.iter().rev().take_while(|set| believed(&set.domain));
    all.any(|set| field::passes_dmarc(&set.results, &found.dmarc.domain)).then_some(sealer)
}

/// The proven domain of `List-Id`, where the same domain proved that it sent the message: the field alone anybody can write.
fn list(found: &Authentication, views: &Views<'_>) -> Option<String> {
    let field = views.message.headers().last("list-id")?;
    let text = String::from_utf8_lossy(&field.decoded).to_ascii_lowercase();
    let id = text.rsplit_once('<').map_or(text.as_str(), |(_, id)| id);
    let id = id.split('>').next().unwrap_or_default().trim().to_owned();
    let registered = |name: &str| views.config.tlds.trim_domain(name.as_bytes()).to_ascii_lowercase();
    let of = registered(&id);
    let proven = found.domains().into_iter().find(|domain| id.contains('.') && registered(domain) == of)?;
    Some(proven.to_owned())
}

/// Follows the wish for mail from outside, where nobody allowed it and nothing harder is done anyhow.
pub fn follow(wish: &Wish, fates: &mut [Fate], allowed: impl Fn(&Fate) -> bool) {
    let Some(action) = &wish.action else { return };
    let rank = |action: &Action| match action {
        Action::Pass => 0,
        Action::Tag => 1,
        Action::Redirect(_) => 2,
        Action::Hold | Action::Quarantine => 3,
        Action::Discard | Action::Reject | Action::Defer => 4,
    };
    for fate in fates.iter_mut().filter(|fate| fate.direction == Direction::Inbound) {
        if rank(&fate.action) >= rank(action) || allowed(fate) {
            continue;
        }
        fate.action = action.clone();
        fate.category = fate.category.or(Some(Category::Spam));
        fate.reason = match fate.reason.is_empty() {
            true => wish.why.clone(),
            false => format!("{}; {}", wish.why, fate.reason),
        };
    }
}

/// For the history: what people look for.
pub fn details(found: &Authentication) -> Vec<(String, String)> {
    let mut details = Vec::new();
    let mut add = |name: &str, value: String| details.push((name.to_owned(), value));
    if let Some(spf) = &found.spf {
        add("spf", format!("{} {}", spf.result, spf.domain));
    }
    let signatures: Vec<String> = found.dkim.iter().map(|one| format!("{} {}", one.result, one.domain)).collect();
    if !signatures.is_empty() {
        add("dkim", signatures.join(", "));
    }
    if found.arc.result != Outcome::None {
        add("arc", format!("{} {}", found.arc.result, found.arc.sealer().unwrap_or_default()));
    }
    add("dmarc", found.dmarc.result.name().to_owned());
    if let Some(author) = found.author() {
        add("authenticated", author.to_owned());
    }
    details
}

/// Whether something beyond the rules needs to know who sent it.
pub fn is_needed(config: &Config) -> bool {
    config.authentication.header || config.dmarc.points != 0.0 || !needs(config).is_empty()
}

/// Sections that do nothing without it.
fn needs(config: &Config) -> Vec<&'static str> {
    let dmarc = matches!(config.dmarc.action, Wished::Quarantine | Wished::Reject);
    let all = [
        (config.arc.seal != Seal::No, "arc.seal"),
        (dmarc, "dmarc.action"),
        (config.reports.collect, "reports.collect"),
    ];
    all.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name).collect()
}

/// What is configured and cannot be done, as nobody may be asked. `local`: no network at all.
pub fn doubt(config: &Config, local: bool) -> Option<String> {
    let needs = needs(config);
    let why = match config.dns.ask {
        _ if local => "the network is off (SEKISHO_LOCAL)",
        Ask::No => "dns.ask is \"no\"",
        Ask::Yes | Ask::Fake => return None,
    };
    let verb = if needs.len() == 1 { "does" } else { "do" };
    (!needs.is_empty()).then(|| format!("{} {verb} nothing: SPF, DKIM and DMARC need DNS, and {why}", needs.join(", ")))
}

/// Whether this copy comes from outside: not our own people's mail, whose sender is known otherwise.
pub fn is_incoming(direction: Direction, found: &Authentication) -> bool {
    match direction {
        Direction::Inbound => true,
        // By way of another server of ours.
        Direction::Internal => found.client.is_some(),
        Direction::Outbound | Direction::Submission => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use mail::authentication::{ArcChain, ArcSet, Dmarc};

    #[test]
    fn a_seal_that_is_believed() {
        let settings = Settings { sealers: vec!["groups.example".into()], ..Settings::default() };
        let found = |results: &str, sealer: &str| Authentication {
            arc: ArcChain {
                result: Outcome::Pass,
                sets: vec![ArcSet { instance: 1, domain: sealer.into(), results: results.into(), ..ArcSet::default() }],
                ..ArcChain::default()
            },
            dmarc: Dmarc { domain: "author.example".into(), ..Dmarc::default() },
            ..Authentication::default()
        };
        let good = "groups.example; spf=fail smtp.mailfrom=x; dmarc=pass (p=REJECT) header.from=author.example";
        assert_eq!(believed_seal(&settings, &found(good, "groups.example")), Some("groups.example"));
        assert_eq!(believed_seal(&settings, &found(good, "other.example")), None);
        let quoted = "groups.example; spf=none smtp.mailfrom=\"a;dmarc=pass header.from=author.example\"; dmarc=fail header.from=author.example";
        assert_eq!(believed_seal(&settings, &found(quoted, "groups.example")), None);
    }

    #[test]
    fn what_cannot_work_without_dns_is_told() {
        let config = |text: &str| Config::parse(text).unwrap();
        assert_eq!(doubt(&Config::default(), true), None);
        assert_eq!(doubt(&config("[dmarc]\naction = \"reject\"\n"), false), None);
        let told =
            doubt(&config("[dmarc]\naction = \"reject\"\n[reports]\ncollect = true\n[dns]\nask = \"no\"\n"), false);
        assert_eq!(
            told.as_deref(),
            Some("dmarc.action, reports.collect do nothing: SPF, DKIM and DMARC need DNS, and dns.ask is \"no\"")
        );
    }

    #[test]
    fn domains_within_a_domain() {
        for (name, domain, is) in
            [("list.test", "list.test", true), ("a.List.test", "list.test", true), ("blist.test", "list.test", false)]
        {
            assert_eq!(below(name, domain), is, "{name}");
        }
    }

    #[test]
    fn which_mail_is_incoming() {
        let from_outside = Authentication { client: Some([192, 0, 2, 1].into()), ..Authentication::default() };
        for (direction, by_way_of_another, own) in [
            (Direction::Inbound, true, true),
            (Direction::Internal, true, false),
            (Direction::Outbound, false, false),
            (Direction::Submission, false, false),
        ] {
            assert_eq!(is_incoming(direction, &from_outside), by_way_of_another, "{direction:?}");
            assert_eq!(is_incoming(direction, &Authentication::default()), own, "{direction:?}");
        }
    }
}
