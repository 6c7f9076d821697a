//! mail-auth, fed by hand: signatures, seals and policies are verified by it, and DNS is asked by us.
//!
//! In: a message and the answers of DNS known so far. Out: the names whose TXT records are still wanted, or results. The
//! library looks names up in caches before it asks; ours hold every name that it can want, so it never asks. What it
//! leaves to its caller is seen to here: that `From` is signed, that `i=` belongs to `d=`, RFC 8301's limits, and that of
//! several DMARC records none counts.

use super::prepared::SETS;
use crate::tags::tag;
use engine::{Answer, Answers, Question, Record};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use mail::authentication::{ArcChain, ArcSet, Dkim, Dmarc, Outcome, Policy, Published};
use mail::mime::transfer;
use mail::tld;
use mail_auth::arc::ChainValidation;
use mail_auth::common::crypto::{Algorithm, CryptoError};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::DkimError;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::dmarc::{self, Psd};
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, DnsError, DnssecStatus, Error, MX, MessageAuthenticator,
    Parameters, RecordSet, ResolverCache, SpfOutput, SpfResult, Txt,
};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// RFC 8301.
const LEAST_KEY: u32 = 1024;
/// Author domains whose policies are looked at.
pub const AUTHORS: usize = 5;
/// Questions of a walk up a domain's tree (RFC 9989, section 4.10).
const TREE: usize = 8;

/// The names of keys that DKIM needs.
pub fn keys(message: &AuthenticatedMessage<'_>) -> Vec<String> {
    sorted(message.dkim_headers.iter().map(|header| header.header.domain_key()))
}

/// The names of keys that ARC needs.
pub fn seal_keys(message: &AuthenticatedMessage<'_>) -> Vec<String> {
    let signatures = message.ams_headers.iter().take(SETS).map(|header| header.header.domain_key());
    let seals = message.as_headers.iter().take(SETS).map(|header| header.header.domain_key());
    sorted(signatures.chain(seals))
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.map(|name| name.to_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

/// The names at which DMARC policies for a domain can stand, from the domain itself upwards.
pub fn tree(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
    if labels.len() < 2 {
        return Vec::new();
    }
    let mut counts = vec![labels.len()];
    counts.extend((1..labels.len().min(TREE)).rev());
    counts.truncate(TREE);
    counts.into_iter().map(|count| labels[labels.len() - count..].join(".")).collect()
}

pub fn question(name: &str, record: Record) -> Question {
    let name = String::from_utf8_lossy(&tld::idn_to_ascii(name.trim_end_matches('.').as_bytes())).to_ascii_lowercase();
    Question::Dns { name, record }
}

/// What is known of it: a name that DNS cannot hold is never asked about, and there is none.
pub fn answer<'a>(question: &Question, answers: &'a Answers) -> Option<&'a Answer> {
    match question {
        Question::Dns { name, .. } if !engine::is_name(name) => Some(&Answer::NoSuchName),
        _ => answers.get(question),
    }
}

/// Records that the library may want, by name with the last dot.
pub struct Known {
    texts: Cache<Box<str>, Txt>,
    addresses: Cache<Box<str>, RecordSet<Ipv4Addr>>,
    addresses6: Cache<Box<str>, RecordSet<Ipv6Addr>>,
    servers: Cache<Box<str>, RecordSet<MX>>,
    pointers: Cache<IpAddr, RecordSet<Box<str>>>,
}

struct Cache<K, V>(HashMap<K, V>);

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Cache<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: V, _: Instant) {}
}

type Filled<'k, P> = Parameters<
    'k,
    P,
    Cache<Box<str>, Txt>,
    Cache<Box<str>, RecordSet<MX>>,
    Cache<Box<str>, RecordSet<Ipv4Addr>>,
    Cache<Box<str>, RecordSet<Ipv6Addr>>,
    Cache<IpAddr, RecordSet<Box<str>>>,
>;

impl Known {
    /// The keys that a message needs.
    pub fn keys(message: &AuthenticatedMessage<'_>, answers: &Answers) -> Known {
        let text = |name: String| {
            let answer = answer(&question(&name, Record::TXT), answers);
            (with_dot(&name), text::<DomainKey>(answer, |_| true))
        };
        Known::new(keys(message).into_iter().chain(seal_keys(message)).map(text).collect())
    }

    fn new(texts: HashMap<Box<str>, Txt>) -> Known {
        Known {
            texts: Cache(texts),
            addresses: Cache(HashMap::new()),
            addresses6: Cache(HashMap::new()),
            servers: Cache(HashMap::new()),
            pointers: Cache(HashMap::new()),
        }
    }

    fn with<P>(&self, what: P) -> Filled<'_, P> {
        Parameters::new(what)
            .with_txt_cache(&self.texts)
            .with_mx_cache(&self.servers)
            .with_ptr_cache(&self.pointers)
            .with_ipv4_cache(&self.addresses)
            .with_ipv6_cache(&self.addresses6)
    }
}

/// The library, with a resolver that knows no server.
fn library() -> Option<&'static MessageAuthenticator> {
    static LIBRARY: OnceLock<Option<MessageAuthenticator>> = OnceLock::new();
    let make = || {
        let config = ResolverConfig::from_name_servers(Vec::new());
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().ok().map(MessageAuthenticator)
    };
    LIBRARY.get_or_init(make).as_ref()
}

/// What is ready at once, as everything is that finds its names in the caches.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// A TXT record as the library's own kind.
fn text<T: TxtRecordParser + Into<Txt>>(answer: Option<&Answer>, fits: fn(&str) -> bool) -> Txt {
    let missing = || Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)));
    let texts = match answer {
        Some(Answer::NoSuchName) => return missing(),
        Some(answer @ (Answer::Texts(_) | Answer::Records(_))) => answer.records(),
        _ => return Txt::Error(Error::Dns(DnsError::Resolver("no answer".to_owned()))),
    };
    let mut found = None;
    for text in texts.iter().filter(|text| fits(text)) {
        let parsed = T::parse(text.as_bytes());
        let sound = parsed.is_ok();
        found = Some(parsed.map_or_else(Txt::Error, Into::into));
        if sound {
            break;
        }
    }
    found.unwrap_or_else(missing)
}

pub fn is_policy(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix('v').map(|rest| rest.trim_start());
    let version = rest.and_then(|rest| rest.strip_prefix('=')).map(|rest| rest.trim_start());
    version.and_then(|version| version.strip_prefix("DMARC1")).is_some_and(|rest| {
        let rest = rest.trim_start();
        rest.is_empty() || rest.starts_with(';')
    })
}

/// `_dmarc` of a domain: the one record, the library's reading of it.
fn policy_at(domain: &str, answers: &Answers) -> Txt {
    let answer = answer(&question(&format!("_dmarc.{domain}"), Record::TXT), answers);
    if answer.is_some_and(|answer| answer.records().iter().filter(|text| is_policy(text)).count() > 1) {
        return Txt::Error(Error::Dns(DnsError::InvalidRecordType));
    }
    match text::<dmarc::Dmarc>(answer, is_policy) {
        Txt::Error(Error::Dns(error @ DnsError::Resolver(_))) => Txt::Error(Error::Dns(error)),
        // What cannot be read is as good as none.
        Txt::Error(_) => Txt::Error(Error::Dns(DnsError::InvalidRecordType)),
        found => found,
    }
}

fn with_dot(name: &str) -> Box<str> {
    format!("{}.", name.trim_end_matches('.').to_lowercase()).into_boxed_str()
}

struct Key {
    bits: u32,
    testing: bool,
}

fn key(name: &str, answers: &Answers) -> Key {
    let records = answers.get(&question(name, Record::TXT)).map(Answer::records).unwrap_or_default();
    let with = |text: &&String| tag(text, "p").is_some();
    let Some(text) = records.iter().find(with) else { return Key { bits: 0, testing: false } };
    let is_rsa = tag(text, "k").is_none_or(|kind| kind.eq_ignore_ascii_case("rsa"));
    let der = transfer::base64(tag(text, "p").unwrap_or_default().as_bytes());
    let testing = tag(text, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
    Key { bits: if is_rsa { modulus_bits(&der).unwrap_or(0) } else { 0 }, testing }
}

/// Of an RSA public key: RSAPublicKey, or SubjectPublicKeyInfo around it.
fn modulus_bits(der: &[u8]) -> Option<u32> {
    let (inside, _) = element(der, 0x30)?;
    let key = match inside.first()? {
        0x02 => inside,
        _ => {
            let (_, rest) = element(inside, 0x30)?;
            let (bits, _) = element(rest, 0x03)?;
            element(bits.get(1..)?, 0x30)?.0
        }
    };
    let (modulus, _) = element(key, 0x02)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let length = u32::try_from(modulus.len() - first).ok()?.checked_mul(8)?;
    Some(length - modulus[first].leading_zeros())
}

/// Content and rest.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (found == kind).then(|| rest.split_at_checked(length))?
}

/// What DKIM found, and what DMARC goes on from.
pub struct Signed<'m> {
    pub found: Vec<Dkim>,
    /// Otherwise signatures that are right speak for the header alone.
    whole: bool,
    outputs: Vec<DkimOutput<'m>>,
}

/// Why nothing more can be said of a body of which a part was left out.
const NOT_WHOLE: &str = "the message was not looked at whole";

/// `whole`: as the message was read.
pub fn dkim<'m>(message: &'m AuthenticatedMessage<'m>, whole: bool, known: &'m Known, answers: &Answers) -> Signed<'m> {
    let outputs = library().and_then(|library| at_once(library.verify_dkim(known.with(message)))).unwrap_or_default();
    let mut signed = Signed { found: Vec::new(), whole, outputs: Vec::new() };
    let with_signature: Vec<DkimOutput<'m>> = outputs.into_iter().filter(|one| one.signature().is_some()).collect();
    for (at, header) in message.dkim_headers.iter().enumerate() {
        let signature = &header.header;
        let written = String::from_utf8_lossy(header.value);
        let key = key(&signature.domain_key(), answers);
        let output = with_signature.get(at).cloned();
        let (mut result, mut why) = match &output {
            Some(output) => outcome(output.result()),
            None => (Outcome::TempError, "could not be verified now".to_owned()),
        };
        let domain = ascii(&signature.d);
        let identity = if signature.i.is_empty() { format!("@{}", signature.d) } else { signature.i.clone() };
        let holder = identity.rsplit_once('@').map_or("", |(_, domain)| domain);
        let mut not = |other: Outcome, reason: String| {
            if result == Outcome::Pass || other == Outcome::Policy && result == Outcome::Fail {
                (result, why) = (other, reason);
            }
        };
        if signature.v != 1 {
            not(Outcome::PermError, "has no v=1".to_owned());
        }
        if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
            not(Outcome::PermError, "does not sign From".to_owned());
        }
        if !tld::is_or_is_below(&ascii(holder), &domain) {
            not(Outcome::PermError, format!("i={identity} does not belong to d={}", signature.d));
        }
        if signature.a == Algorithm::RsaSha1 {
            not(Outcome::Policy, "rsa-sha1 no longer counts (RFC 8301)".to_owned());
        }
        if signature.a != Algorithm::Ed25519Sha256 && key.bits > 0 && key.bits < LEAST_KEY {
            not(Outcome::Policy, format!("a key of {} bits no longer counts (RFC 8301)", key.bits));
        }
        let passes = result == Outcome::Pass;
        if passes && !whole {
            (result, why) = (Outcome::TempError, NOT_WHOLE.to_owned());
        }
        signed.found.push(Dkim {
            result,
            why,
            domain,
            selector: signature.s.clone(),
            identity,
            algorithm: algorithm(signature.a).to_owned(),
            signature: short(tag(&written, "b").unwrap_or_default()),
            key_bits: key.bits,
            testing: key.testing,
            partial: tag(&written, "l").is_some(),
        });
        if let Some(output) = output {
            let temporary = matches!(output.result(), DkimResult::TempError(_));
            if passes || temporary {
                signed.outputs.push(output);
            }
        }
    }
    for broken in message.errors.iter().filter(|one| one.name.eq_ignore_ascii_case(b"DKIM-Signature")) {
        let written = String::from_utf8_lossy(broken.value);
        let of = |name| tag(&written, name).unwrap_or_default().to_owned();
        signed.found.push(Dkim {
            result: Outcome::PermError,
            why: broken.header.to_string(),
            domain: ascii(&of("d")),
            selector: of("s"),
            identity: of("i"),
            algorithm: of("a"),
            signature: short(&of("b")),
            partial: tag(&written, "l").is_some(),
            ..Dkim::default()
        });
    }
    signed
}

fn algorithm(of: Algorithm) -> &'static str {
    match of {
        Algorithm::RsaSha256 => "rsa-sha256",
        Algorithm::RsaSha1 => "rsa-sha1",
        Algorithm::Ed25519Sha256 => "ed25519-sha256",
    }
}

fn short(signature: &str) -> String {
    signature.chars().filter(|c| !c.is_whitespace()).take(8).collect()
}

fn ascii(domain: &str) -> String {
    String::from_utf8_lossy(&tld::idn_to_ascii(domain.trim_end_matches('.').as_bytes())).to_ascii_lowercase()
}

/// In RFC 8601's words: a signature that is not sound fails, one that cannot be checked is an error.
fn outcome(result: &DkimResult) -> (Outcome, String) {
    match result {
        DkimResult::Pass => (Outcome::Pass, String::new()),
        DkimResult::None => (Outcome::None, String::new()),
        DkimResult::TempError(error) => (Outcome::TempError, why(error)),
        DkimResult::Fail(error) | DkimResult::Neutral(error) | DkimResult::PermError(error) => {
            let kind = match error {
                Error::Dkim(DkimError::FailedBodyHashMatch | DkimError::FailedAuidMatch)
                | Error::Crypto(CryptoError::FailedVerification | CryptoError::Library(_))
                | Error::Arc(_) => Outcome::Fail,
                Error::Dkim(DkimError::SignatureExpired) => Outcome::Neutral,
                _ => Outcome::PermError,
            };
            (kind, why(error))
        }
    }
}

fn why(error: &Error) -> String {
    match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => "the body was changed".to_owned(),
        Error::Dkim(DkimError::SignatureExpired) => "the signature has expired".to_owned(),
        Error::Dkim(DkimError::RevokedPublicKey) => "the key was revoked".to_owned(),
        Error::Crypto(CryptoError::FailedVerification | CryptoError::Library(_)) => {
            "the signed header fields were changed, or the key is another".to_owned()
        }
        Error::Dns(DnsError::RecordNotFound(_)) => "there is no key".to_owned(),
        Error::Dns(DnsError::InvalidRecordType) | Error::ParseError => "the key cannot be read".to_owned(),
        Error::Dns(DnsError::Resolver(_)) => "DNS did not answer for the key".to_owned(),
        other => other.to_string(),
    }
}

pub fn arc(message: &AuthenticatedMessage<'_>, whole: bool, known: &Known, answers: &Answers) -> ArcChain {
    let sealed = message.ams_headers.len() + message.as_headers.len() + message.aar_headers.len();
    if sealed == 0 && !message.has_arc_errors {
        return ArcChain::default();
    }
    let Some(output) = library().and_then(|library| at_once(library.verify_arc(known.with(message)))) else {
        return ArcChain { result: Outcome::TempError, why: "could not be verified now".into(), sets: Vec::new() };
    };
    let (result, why) = match output.result() {
        DkimResult::TempError(error) => (Outcome::TempError, why(error)),
        DkimResult::Pass if !whole => (Outcome::TempError, NOT_WHOLE.to_owned()),
        DkimResult::Pass => (Outcome::Pass, String::new()),
        // Whatever is wrong with it, a chain has no other word.
        DkimResult::Fail(error) | DkimResult::Neutral(error) | DkimResult::PermError(error) => {
            (Outcome::Fail, self::why(error))
        }
        DkimResult::None => (Outcome::Fail, "seals without message signatures".to_owned()),
    };
    let sets = output.sets().iter().map(|set| {
        let results = String::from_utf8_lossy(set.results.value);
        let seal = &set.seal.header;
        ArcSet {
            instance: seal.i,
            domain: ascii(&seal.d),
            selector: seal.s.clone(),
            chain: match seal.cv {
                ChainValidation::None => "none",
                ChainValidation::Fail => "fail",
                ChainValidation::Pass => "pass",
            }
            .to_owned(),
            results: results
                .split_once(';')
                .map_or("", |(_, rest)| rest)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        }
    });
    let mut chain = ArcChain { result, why, sets: sets.collect() };
    let weak = |selector: &str, domain: &str| {
        (1..LEAST_KEY).contains(&key(&format!("{selector}._domainkey.{domain}"), answers).bits)
    };
    let sha1 = message.ams_headers.iter().any(|header| header.header.a == Algorithm::RsaSha1)
        || message.as_headers.iter().any(|header| header.header.a == Algorithm::RsaSha1);
    if chain.result != Outcome::Fail && (sha1 || chain.sets.iter().any(|set| weak(&set.selector, &set.domain))) {
        chain.result = Outcome::Fail;
        chain.why = "signed by means that no longer count (RFC 8301)".to_owned();
    }
    chain
}

/// Whose policies count: the domains of `From`, and how many they are together with those that are not looked at.
pub fn authors(addresses: &[Vec<u8>]) -> (Vec<String>, usize) {
    let mut domains: Vec<String> = Vec::new();
    for address in addresses {
        let address = String::from_utf8_lossy(address);
        let domain = address.rsplit_once('@').map(|(_, domain)| ascii(domain.trim()));
        domains.extend(domain.filter(|domain| domain.contains('.') && !domains.contains(domain)));
    }
    let all = domains.len();
    domains.truncate(AUTHORS);
    (domains, all)
}

/// What DMARC needs of DNS for an author's domain and those that may be aligned with it.
pub fn policy_names(author: &str, others: &[&str]) -> Vec<String> {
    let top = |domain: &str| tree(domain).iter().rev().nth(1).cloned();
    let mut names = tree(author);
    for other in others {
        if top(other) == top(author) {
            names.extend(tree(other).into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
    }
    names
}

/// `mail_from`: the domain that SPF was about, and its result. `registered`: the registered domain of a name.
pub fn dmarc(
    message: &AuthenticatedMessage<'_>,
    signed: &Signed<'_>,
    author: &str,
    mail_from: Option<(&str, Outcome)>,
    answers: &Answers,
    registered: &dyn Fn(&str) -> String,
) -> Dmarc {
    let (from, spf) = mail_from.unwrap_or(("", Outcome::None));
    let domains: Vec<&str> = signed.found.iter().map(|one| one.domain.as_str()).chain([from]).collect();
    let names = policy_names(author, &domains);
    let texts: HashMap<Box<str>, Txt> =
        names.iter().map(|name| (with_dot(&format!("_dmarc.{name}")), policy_at(name, answers))).collect();
    // A message with this author alone.
    let mut alone = AuthenticatedMessage { headers: message.headers.clone(), ..AuthenticatedMessage::default() };
    alone.from = vec![format!("author@{author}")];
    let spf = SpfOutput::new(from.to_owned()).with_result(match spf {
        Outcome::Pass => SpfResult::Pass,
        Outcome::TempError => SpfResult::TempError,
        _ => SpfResult::Fail,
    });
    let mut known = Known::new(texts);
    // That a name does not exist no cache can say: seen to below.
    let exists = RecordSet { rrset: [Ipv4Addr::UNSPECIFIED].into(), dnssec_status: DnssecStatus::default() };
    known.addresses.0.insert(with_dot(author), exists);
    let parameters = DmarcParameters::new(&alone, &signed.outputs, from, &spf);
    let Some(output) = library().and_then(|library| at_once(library.verify_dmarc(known.with(parameters)))) else {
        let why = "could not be verified now".to_owned();
        return Dmarc { result: Outcome::TempError, why, domain: author.to_owned(), ..Dmarc::default() };
    };
    let walk: Vec<(&str, &dmarc::Dmarc)> = {
        let mut found = Vec::new();
        for name in tree(author) {
            if let (Some(name), Some(Txt::Dmarc(record))) =
                (names.iter().find(|known| **known == name), known.texts.0.get(&with_dot(&format!("_dmarc.{name}"))))
            {
                found.push((name.as_str(), &**record));
                if record.psd != Psd::Default {
                    break;
                }
            }
        }
        found
    };
    let organisation = organisation(&walk, author).unwrap_or_else(|| registered(author));
    let at = walk.iter().find(|(name, _)| *name == author);
    let at = at.or_else(|| walk.iter().find(|(name, _)| *name == organisation)).or(walk.last());
    let mut found = Dmarc { domain: author.to_owned(), organisation, ..Dmarc::default() };
    let aligned = |domain: &str, strict: bool| domain == author || !strict && registered(domain) == registered(author);
    let (result, why) = match output.result() {
        DmarcResult::Pass if !signed.whole && *output.spf_result() != DmarcResult::Pass => {
            (Outcome::TempError, NOT_WHOLE.to_owned())
        }
        DmarcResult::Pass => (Outcome::Pass, String::new()),
        DmarcResult::None => (Outcome::None, "no policy is published".to_owned()),
        DmarcResult::TempError(_) => (Outcome::TempError, "DNS did not answer".to_owned()),
        DmarcResult::PermError(error) => (Outcome::PermError, error.to_string()),
        DmarcResult::Fail(_) => (Outcome::Fail, "neither SPF nor DKIM passes for the author's domain".to_owned()),
    };
    (found.result, found.why) = (result, why);
    let passed = signed.found.iter().filter(|one| one.result == Outcome::Pass);
    if result == Outcome::None {
        // Nobody asks for anything; who sent it can be known all the same.
        found.spf_aligned = spf.result() == SpfResult::Pass && aligned(from, false);
        found.dkim_aligned = passed.map(|one| &one.domain).find(|domain| aligned(domain, false)).cloned();
        return found;
    }
    found.spf_aligned = *output.spf_result() == DmarcResult::Pass;
    let strict = output.dmarc_record().is_some_and(|record| record.adkim == dmarc::Alignment::Strict);
    if *output.dkim_result() == DmarcResult::Pass {
        let own = |domain: &&String| *domain == author || !strict && tld::is_or_is_below(domain, &found.organisation);
        found.dkim_aligned = passed.map(|one| &one.domain).find(own).cloned();
    }
    if let Some((name, record)) = at {
        let text = answers
            .get(&question(&format!("_dmarc.{name}"), Record::TXT))
            .map(Answer::records)
            .unwrap_or_default()
            .into_iter()
            .find(|text| is_policy(text))
            .unwrap_or_default();
        found.policy_domain = (*name).to_owned();
        found.policy = policy(output.policy());
        let missing = answers.get(&question(author, Record::A)) == Some(&Answer::NoSuchName);
        if *name != author && missing {
            found.policy = match policy(record.np) {
                Policy::Reject if record.t => Policy::Quarantine,
                Policy::Quarantine if record.t => Policy::None,
                as_said => as_said,
            };
        }
        found.published = Some(published(record, text));
    }
    if found.result == Outcome::Fail {
        found.why = format!("{}; {} asks for {}", found.why, found.policy_domain, found.policy.name());
    }
    found
}

fn organisation(walk: &[(&str, &dmarc::Dmarc)], author: &str) -> Option<String> {
    for (name, record) in walk {
        match record.psd {
            Psd::No => return Some((*name).to_owned()),
            Psd::Yes if *name != author => {
                let labels = name.split('.').count() + 1;
                let all: Vec<&str> = author.split('.').collect();
                return Some(all[all.len().saturating_sub(labels)..].join("."));
            }
            _ => {}
        }
    }
    walk.last().map(|(name, _)| (*name).to_owned())
}

fn policy(of: dmarc::Policy) -> Policy {
    match of {
        dmarc::Policy::Reject => Policy::Reject,
        dmarc::Policy::Quarantine => Policy::Quarantine,
        dmarc::Policy::None | dmarc::Policy::Unspecified => Policy::None,
    }
}

/// A record as it was published, read again.
pub fn policy_in(record: &str) -> Option<Published> {
    dmarc::Dmarc::parse(record.as_bytes()).ok().map(|read| published(&read, record.to_owned()))
}

fn published(record: &dmarc::Dmarc, text: String) -> Published {
    Published {
        p: policy(record.p),
        sp: policy(record.sp),
        np: policy(record.np),
        strict_dkim: record.adkim == dmarc::Alignment::Strict,
        strict_spf: record.aspf == dmarc::Alignment::Strict,
        testing: record.t,
        percent: tag(&text, "pct").and_then(|percent| percent.parse().ok()).unwrap_or(100).min(100),
        failures: tag(&text, "fo").unwrap_or("0").to_owned(),
        rua: record.rua.iter().map(|uri| uri.uri.clone()).collect(),
        ruf: record.ruf.iter().map(|uri| uri.uri.clone()).collect(),
        record: text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_policies_are_looked_for() {
        assert_eq!(tree("a.b.example.com"), ["a.b.example.com", "b.example.com", "example.com", "com"]);
        assert_eq!(tree("a.b.c.d.e.f.g.h.i.example.com").len(), TREE);
        assert_eq!(tree("a.b.c.d.e.f.g.h.i.example.com")[1], "e.f.g.h.i.example.com");
        assert!(tree("localhost").is_empty());
        assert_eq!(policy_names("example.com", &["x.example.com", "other.example"]).len(), 3);
    }

    #[test]
    fn keys_are_measured() {
        // SubjectPublicKeyInfo of 1024 bits, as openssl writes it.
        let spki = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq\
                    631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
        assert_eq!(modulus_bits(&transfer::base64(spki.as_bytes())), Some(1024));
        assert_eq!(modulus_bits(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(modulus_bits(b""), None);
    }

    #[test]
    fn what_is_a_policy() {
        for (text, expected) in [
            ("v=DMARC1; p=none", true),
            ("v = DMARC1 ;p=none", true),
            ("v=DMARC1", true),
            ("v=DMARC12; p=none", false),
            ("p=none; v=DMARC1", false),
            ("V=DMARC1; p=none", false),
        ] {
            assert_eq!(is_policy(text), expected, "{text}");
        }
    }
}
