//! What in a message somebody's allow and block lists name.
//!
//! The sender is named by envelope and by From, both of which a stranger can write as he likes: who allows a sender trusts
//! the sender's claim. URLs and attachments can only be held against a message: a spammer may link to whom we trust.

use mail::{HeaderRequest, Message, Transaction, Views};
use protocols::Scan;
use store::lists::{Effect, Lists, Matches, Scope, Subject};
use store::{Hash, Store, Time};

/// Of more recipients only the lists of everybody are read.
const RECIPIENTS: usize = 100;
const URLS: usize = 200;
const PARTS: usize = 200;
/// Addresses of From.
const FROMS: usize = 10;

/// The entries of everybody and of the recipients that name something in this message.
pub fn matching(
    store: &Store,
    scan: &Scan,
    transaction: &Transaction,
    views: &Views<'_>,
    now: Time,
) -> store::Result<Matches> {
    let lists = store.lists();
    if !lists.any()? {
        return Ok(Matches::default());
    }
    let scopes = scopes(scan);
    let mut matches = senders(&lists, &scopes, scan, views, now)?;
    let against = content(&lists, &scopes, &transaction.message, views, now)?;
    let bad = against.0.into_iter().filter(|entry| match entry.effect {
        Effect::Allow => false,
        Effect::Block => true,
        Effect::Score(score) => score > 0.0,
    });
    for entry in bad {
        if !matches.0.contains(&entry) {
            matches.0.push(entry);
        }
    }
    Ok(matches)
}

fn scopes(scan: &Scan) -> Vec<Scope> {
    let mut scopes = vec![Scope::Global];
    if scan.recipients.len() <= RECIPIENTS {
        scopes.extend(scan.recipients.iter().map(|path| Scope::user(&String::from_utf8_lossy(&path.address))));
    }
    scopes
}

fn senders(lists: &Lists, scopes: &[Scope], scan: &Scan, views: &Views<'_>, now: Time) -> store::Result<Matches> {
    let envelope = scan.sender.as_ref().map(|path| String::from_utf8_lossy(&path.address)).unwrap_or_default();
    let from = views.header(&HeaderRequest::parse("From:addr"));
    let from: Vec<String> = from.iter().flat_map(|from| &from.values).map(|from| text(from)).collect();
    let addresses = std::iter::once(envelope.as_ref()).chain(from.iter().take(FROMS).map(String::as_str));
    let mut subjects: Vec<_> = addresses.filter(|address| !address.is_empty()).map(Subject::Sender).collect();
    subjects.extend(scan.peer.address.map(Subject::Address));
    subjects.extend(scan.peer.name.as_deref().map(Subject::Domain));
    lists.matching(scopes, &subjects, now)
}

fn content(lists: &Lists, scopes: &[Scope], message: &Message, views: &Views<'_>, now: Time) -> store::Result<Matches> {
    let uris: Vec<_> = views.uris().uris.iter().take(URLS).collect();
    let urls: Vec<String> = uris.iter().flat_map(|uri| uri.cleaned.iter().take(4)).map(|url| text(url)).collect();
    let hosts: Vec<String> = uris.iter().flat_map(|uri| uri.hosts.iter().take(4)).map(|(host, _)| text(host)).collect();
    let hashes: Vec<String> =
        message.leaves().take(PARTS).map(|(_, part)| Hash::of(part.decoded()).to_string()).collect();
    let subjects: Vec<Subject<'_>> = urls
        .iter()
        .map(|url| Subject::Url(url))
        .chain(hosts.iter().map(|host| Subject::Domain(host)))
        .chain(hashes.iter().map(|hash| Subject::Hash(hash)))
        .collect();
    lists.matching(scopes, &subjects, now)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Those that concern this recipient.
pub fn of(matches: &Matches, recipient: &str) -> Matches {
    let own = Scope::user(recipient);
    Matches(matches.0.iter().filter(|entry| entry.scope == Scope::Global || entry.scope == own).cloned().collect())
}
