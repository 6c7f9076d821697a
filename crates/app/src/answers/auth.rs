//! Who sent this message? SPF, DKIM, ARC and DMARC as one answer.
//!
//! In: a message, the relay that brought it, and somebody who asks DNS. Out: [`Authentication`]. It goes in rounds: all
//! methods go as far as the answers known allow, what they want is asked together, and they begin again; so keys,
//! policies and SPF's records cost one round trip, and each `include` another. Every answer is kept with the message's
//! answers, those of other checks among them.

pub mod library;

use super::dns::LONGEST_NAME;
use crate::environment;
use engine::spf::{self, Step};
use engine::{Answer, Answers, Asking, Question, Record, Sender};
use library::{Known, Prepared, Signed};
use mail::Authentication;
use mail::authentication::{Dmarc, Outcome, Policy, Spf};
use mail::mime::address;
use mail::views::Views;
use std::net::IpAddr;

/// One for the name in HELO, one for the sender.
#[derive(Debug, Default)]
pub struct Steps {
    pub helo: Vec<Step>,
    pub mail_from: Vec<Step>,
}

/// Rounds of questions: SPF's twenty terms one after the other, and what leads to them and from them.
const ROUNDS: usize = 32;

/// Everything about one message. `ask`: has all of these answered when it returns.
pub fn verify(
    sender: &Sender,
    views: &Views<'_>,
    now: i64,
    answers: &mut Answers,
    ask: &mut dyn FnMut(Vec<Question>, &mut Answers),
) -> (Authentication, Steps) {
    let prepared = Prepared::new(views.message.pristine());
    let message = prepared.read();
    let authors = authors(views);
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
    for round in 0..=ROUNDS {
        let asking = Asking::new(answers);
        let last = round == ROUNDS;
        if let Some(client) = client {
            evaluate(&helo, client, sender, now, &asking, last, &mut found.spf_helo, &mut steps.helo);
            evaluate(&mail_from, client, sender, now, &asking, last, &mut found.spf, &mut steps.mail_from);
        }
        let want = |question: Question| {
            if is_name(&question) {
                let _ = asking.get(question);
            }
        };
        if let Some(message) = &message {
            library::keys(message).iter().for_each(|key| want(library::question(key, Record::TXT)));
            let signers = message.dkim_headers.iter().map(|header| header.header.d.as_str());
            let others: Vec<&str> = signers.chain(mail_from.iter().map(|one| one.domain.as_str())).collect();
            for author in &authors {
                for name in library::policy_names(author, &others) {
                    want(library::question(&format!("_dmarc.{name}"), Record::TXT));
                }
                if asks_about_missing(author, answers) {
                    want(library::question(author, Record::A));
                }
            }
        }
        let open = asking.into_open();
        if open.is_empty() || last {
            break;
        }
        let asked = open.clone();
        ask(open, answers);
        for question in asked {
            if answers.get(&question).is_none() {
                answers.insert(question, Answer::Unknown);
            }
        }
    }
    if let Some(message) = &message {
        let keys = Known::keys(message, answers);
        let signed = library::dkim(message, &keys, answers);
        found.arc = library::arc(message, &keys, answers);
        let by_spf = found.spf.as_ref().map(|spf| (spf.domain.as_str(), spf.result));
        let each = authors.iter().map(|author| library::dmarc(message, &signed, author, by_spf, answers, &registered));
        found.dmarc = worst(each.collect());
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

/// The domains of all addresses of all `From` fields.
fn authors(views: &Views<'_>) -> Vec<String> {
    let fields = views.message.headers().all("From");
    let addresses: Vec<Vec<u8>> =
        fields.flat_map(|field| address::parse(&field.decoded)).filter_map(|found| found.address).collect();
    library::authors(&addresses)
}

/// Whether a policy above says something of names that do not exist.
fn asks_about_missing(author: &str, answers: &Answers) -> bool {
    library::tree(author).iter().skip(1).any(|name| {
        let answer = answers.get(&library::question(&format!("_dmarc.{name}"), Record::TXT));
        answer.is_some_and(|answer| answer.records().iter().any(|text| text.contains("np")))
    })
}

fn is_name(question: &Question) -> bool {
    let Question::Dns { name, .. } = question else { return false };
    name.len() <= LONGEST_NAME && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// With several authors the strictest of those whose policies are not met: nobody hides behind a second address.
fn worst(each: Vec<Dmarc>) -> Dmarc {
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
    each.into_iter()
        .reduce(|worst, next| if rank(&next) > rank(&worst) { next } else { worst })
        .unwrap_or_else(|| Dmarc { why: "there is no author's domain".to_owned(), ..Dmarc::default() })
}
