//! Who sent this message? SPF, DKIM, ARC and DMARC as one answer.
//!
//! In: a message, the relay that brought it, and somebody who asks DNS. Out: [`Authentication`]. It goes in rounds: all
//! methods go as far as the answers known allow, what they want is asked together, and they begin again; so keys,
//! policies and SPF's records cost one round trip, and each `include` another. Every answer is kept with the message's
//! answers, those of other checks among them.
//!
//! Keys, policies and SPF of `MAIL FROM` have room of their own among a message's questions: whoever writes a thousand links
//! must not be able to turn a failure into "could not be found out".

pub mod library;
mod prepared;
#[cfg(test)]
mod tests;

use crate::environment;
use engine::spf::{self, Step};
use engine::{Answer, Answers, Asking, Question, Record, Sender};
use library::{Known, Signed};
use mail::Authentication;
use mail::authentication::{Dmarc, Outcome, Policy, Spf};
use mail::mime::address;
use mail::views::Views;
use prepared::Prepared;
use std::net::IpAddr;

/// One for the name in HELO, one for the sender.
#[derive(Debug, Default)]
pub struct Steps {
    pub helo: Vec<Step>,
    pub mail_from: Vec<Step>,
}

/// Rounds of questions: SPF's twenty terms one after the other, and what leads to them and from them.
const ROUNDS: usize = 32;
/// Questions that DMARC's result hangs on: keys, policies up their trees, and SPF's twenty terms with ten hosts each.
pub const QUESTIONS: usize = 400;

/// What is wanted of DNS.
pub struct Wanted {
    /// What DMARC's result hangs on, the most important first.
    pub own: Vec<Question>,
    /// Seals' keys and SPF of HELO: their room is that of all checks.
    pub more: Vec<Question>,
}

/// Everything about one message. `whole`: nothing of it was left out, or signatures speak for the header alone. `ask`: has
/// all of these answered when it returns.
pub fn verify(
    sender: &Sender,
    views: &Views<'_>,
    whole: bool,
    now: i64,
    answers: &mut Answers,
    ask: &mut dyn FnMut(Wanted, &mut Answers),
) -> (Authentication, Steps) {
    let prepared = Prepared::new(views.message.pristine());
    let message = prepared.read(whole);
    let (authors, all_authors) = authors(views);
    let client = sender.client.map(|client| client.to_canonical());
    let mail_from = Identity::of_sender(sender);
    let helo = Identity::of_helo(sender);
    let registered =
        |name: &str| String::from_utf8_lossy(views.config.tlds.organisation(name.as_bytes())).to_ascii_lowercase();
    let mut steps = Steps::default();
    let mut found = Authentication {
        client,
        helo: sender.helo.clone(),
        sender: sender.sender.clone(),
        limits: prepared.limits.clone(),
        ..Authentication::default()
    };
    if all_authors > authors.len() {
        let looked_at = authors.len();
        found.limits.push(format!("{all_authors} author domains, of which the first {looked_at} were looked at"));
    }
    let signed_somehow =
        message.as_ref().is_some_and(|one| !one.dkim_headers.is_empty() || !one.ams_headers.is_empty());
    if !whole && signed_somehow {
        found.limits.push("longer than is looked at: what signatures say of the body was not verified".to_owned());
    }
    for round in 0..=ROUNDS {
        let (own, more) = (Asking::new(answers), Asking::new(answers));
        let last = round == ROUNDS;
        let want = |asking: &Asking<'_>, question: Question| {
            if library::answer(&question, answers).is_none() {
                let _ = asking.get(question);
            }
        };
        if let Some(message) = &message {
            library::keys(message).iter().for_each(|key| want(&own, library::question(key, Record::TXT)));
            library::seal_keys(message).iter().for_each(|key| want(&more, library::question(key, Record::TXT)));
            let signers = message.dkim_headers.iter().map(|header| header.header.d.as_str());
            let others: Vec<&str> = signers.chain(mail_from.iter().map(|one| one.domain.as_str())).collect();
            for author in &authors {
                for name in library::policy_names(author, &others) {
                    want(&own, library::question(&format!("_dmarc.{name}"), Record::TXT));
                }
                if asks_about_missing(author, answers) {
                    want(&own, library::question(author, Record::A));
                }
            }
        }
        if let Some(client) = client {
            evaluate(&mail_from, client, sender, now, &own, last, &mut found.spf, &mut steps.mail_from);
            evaluate(&helo, client, sender, now, &more, last, &mut found.spf_helo, &mut steps.helo);
        }
        let (own, mut more) = (own.into_open(), more.into_open());
        more.retain(|question| !own.contains(question));
        if last || own.is_empty() && more.is_empty() {
            break;
        }
        let asked = [&own[..], &more].concat();
        ask(Wanted { own, more }, answers);
        for question in asked {
            if answers.get(&question).is_none() {
                answers.insert(question, Answer::Unknown);
            }
        }
    }
    if let Some(message) = &message {
        let keys = Known::keys(message, answers);
        let signed = library::dkim(message, whole, &keys, answers);
        found.arc = library::arc(message, whole, &keys, answers);
        let by_spf = found.spf.as_ref().map(|spf| (spf.domain.as_str(), spf.result));
        let each = authors.iter().map(|author| library::dmarc(message, &signed, author, by_spf, answers, &registered));
        found.dmarc = worst(each.collect(), all_authors > authors.len());
        let Signed { found: dkim, .. } = signed;
        found.dkim = dkim;
    }
    (found, steps)
}

/// Whose record SPF evaluates.
#[derive(Debug)]
struct Identity {
    domain: String,
    sender: String,
}

impl Identity {
    fn of_sender(sender: &Sender) -> Option<Identity> {
        let address = sender.sender.as_deref()?;
        if address.is_empty() {
            return Identity::of_helo(sender);
        }
        match address.rsplit_once('@') {
            Some(("", domain)) => Identity::of_domain(domain),
            Some((_, domain)) => Some(Identity { domain: domain.to_owned(), sender: address.to_owned() }),
            None => Identity::of_domain(address),
        }
    }

    fn of_helo(sender: &Sender) -> Option<Identity> {
        let helo = sender.helo.trim_end_matches('.');
        (!helo.is_empty()).then(|| Identity::of_domain(&helo.to_lowercase()))?
    }

    fn of_domain(domain: &str) -> Option<Identity> {
        Some(Identity { domain: domain.to_owned(), sender: format!("postmaster@{domain}") })
    }
}

fn evaluate(
    identity: &Option<Identity>,
    client: IpAddr,
    sender: &Sender,
    now: i64,
    asking: &Asking<'_>,
    last: bool,
    found: &mut Option<Spf>,
    steps: &mut Vec<Step>,
) {
    let Some(Identity { domain, sender: address }) = identity.as_ref().filter(|_| found.is_none()) else { return };
    let request =
        spf::Request { client, domain, sender: address, helo: &sender.helo, receiver: environment::host_name(), now };
    match spf::check(&request, asking) {
        Ok(finding) => {
            let spf::Finding { result, tolerant, why, explanation, steps: gone } = finding;
            *found = Some(Spf { domain: domain.clone(), result, tolerant, why, explanation });
            *steps = gone;
        }
        Err(_) if last => {
            let why = "too many questions one after the other".to_owned();
            let result = Outcome::TempError;
            *found = Some(Spf { domain: domain.clone(), result, tolerant: result, why, explanation: None });
        }
        Err(_) => {}
    }
}

/// The domains of all addresses of all `From` fields. What is encoded is no address.
fn authors(views: &Views<'_>) -> (Vec<String>, usize) {
    let fields = views.message.headers().all("From");
    let addresses: Vec<Vec<u8>> =
        fields.flat_map(|field| address::parse(&field.raw)).filter_map(|found| found.address).collect();
    library::authors(&addresses)
}

/// Whether a policy above says something of names that do not exist.
fn asks_about_missing(author: &str, answers: &Answers) -> bool {
    library::tree(author).iter().skip(1).any(|name| {
        let answer = answers.get(&library::question(&format!("_dmarc.{name}"), Record::TXT));
        answer.is_some_and(|answer| answer.records().iter().any(|text| text.contains("np")))
    })
}

/// With several authors the strictest of those whose policies are not met: nobody hides behind a second address, nor
/// behind so many that some are not looked at.
fn worst(each: Vec<Dmarc>, more: bool) -> Dmarc {
    let rank = |one: &Dmarc| match (one.result, one.policy) {
        (Outcome::Fail, Policy::Reject) => 6,
        (Outcome::Fail, Policy::Quarantine) => 5,
        (Outcome::Fail, Policy::None) => 4,
        (Outcome::TempError, _) => 3,
        (Outcome::PermError, _) => 2,
        (Outcome::None, _) => 1,
        _ => 0,
    };
    // Of equals the first.
    let worst = each.into_iter().reduce(|worst, next| if rank(&next) > rank(&worst) { next } else { worst });
    match worst {
        Some(worst) if more && matches!(worst.result, Outcome::None | Outcome::Pass) => {
            let why = format!("more than {} author domains", library::AUTHORS);
            Dmarc { result: Outcome::PermError, why, domain: worst.domain, ..Dmarc::default() }
        }
        Some(worst) => worst,
        None => Dmarc { why: "there is no author's domain".to_owned(), ..Dmarc::default() },
    }
}
