//! From a message to an answer: judged, and turned into what was configured for each recipient.

use super::authentication::{self, Wish, field};
use super::gate::Gate;
use super::journal::Line;
use super::judges::Places;
use super::learner::Learner;
use super::once::{self, Held};
use super::scanners::Scanned;
use super::unasked::Unasked;
use crate::answers::dns::Resolver;
use crate::answers::reputation::Memory;
use crate::answers::{self, Desk};
use crate::config::relay::MARK;
use crate::config::{Action, Config, Late, Marked, Mode};
use crate::counted;
use crate::dmarc;
use crate::environment;
use crate::learning;
use crate::lookup::Lookup;
use crate::policy::category::{self, Category};
use crate::policy::split::{self, Copy, Told};
use crate::policy::{self, Fate, Findings, lists, notices};
use crate::signatures::{Allowed, Loaded};
use crate::signing::{self, Signer};
use anyhow::Context;
use engine::markup::{Stamp, Tags, rewrite};
use engine::{Answers, Engine, Question, Scratch};
use mail::views::Views;
use mail::{Hit, Message, Transaction, Verdict};
use protocols::{Answer, Decision, Edit, Judgement, Refusal, Scan, Want, edit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::quarantine::State;
use store::{Bytes, Hash, Id, Store, Time, history, quarantine};

/// What came of a message.
pub struct Outcome {
    pub answer: Answer,
    /// To be handed on before the answer is given.
    pub copies: Vec<Copy>,
    pub line: Line,
    /// For the history.
    pub entry: Option<history::Entry>,
    /// Where there is one.
    pub verdict: Option<Verdict>,
}

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It keeps the message and takes one answer for all; others' copies can be sent by ourselves or not.
    KeepsMessage { copies: bool },
    /// We hand the message on, or somebody does; there is an answer for each recipient, or one for all.
    Relays { each: bool },
}

/// What a message is judged by: all as it was when the message came.
pub struct Bench {
    pub config: Arc<Config>,
    pub engine: Arc<Engine>,
    pub signatures: Arc<Loaded>,
    pub gate: Arc<Gate>,
    pub signer: Arc<Signer>,
    pub lookup: Arc<Lookup>,
    pub store: Option<Store>,
    pub learner: Option<Arc<Learner>>,
    /// How it came to us: the listener's protocol and socket.
    pub via: [String; 2],
    /// `None`: nothing is asked.
    pub resolver: Option<Resolver>,
    pub places: Arc<Places>,
    /// What other scanners made of it.
    pub scanned: Vec<Scanned>,
}

/// Judges a message, does what is to be done here (quarantine), and says what is to be done elsewhere.
pub fn decide(bench: &Bench, scan: &Scan, peer: Peer, scratch: &mut Scratch) -> Outcome {
    let Bench { config, engine, signatures, gate, signer, lookup, store, learner, via, resolver, places, scanned } =
        bench;
    let store = store.as_ref();
    let remembers = store.is_some() && scan.want == Want::Decision;
    scratch.explain = remembers;
    let date = environment::mail_date();
    let bytes = scan.message_to_judge(&date);
    let transaction = Transaction {
        envelope: scan.envelope(),
        message: Message::parse(&bytes, &engine.views.limits),
        now: environment::unix_time(),
    };
    let taught = match (&scan.user, scan.recipients.as_slice()) {
        (Some(user), _) => learning::user(user),
        (None, [only]) => learning::user(&String::from_utf8_lossy(&only.address)),
        _ => learning::user(""),
    };
    let settings = &engine.ruleset.settings;
    let wait = |ask: &mut dyn FnMut()| places.waiting(ask);
    let mut desk = Desk::new(resolver.as_ref(), settings, &wait).with_digests(&config.digests, &bytes);
    desk.spoke(&transaction.envelope);
    if scan.content.omitted.is_some() {
        desk.not_whole();
    }
    let memory = Memory { config, engine, store, scan, now: environment::now(), trouble: Default::default() };
    let mut features = None;
    // Whoever sent it: asked with the rules' first questions, or after them.
    let mut unasked = scan.want == Want::Decision && resolver.is_some() && authentication::is_needed(config);
    let who = |views: &Views<'_>| Question::Authentication(engine::checks::authentication::sender(views, settings));
    let (mut verdict, views, answers) =
        engine::judge_asking(engine, &transaction, scratch, Answers::default(), |mut questions, views, answers| {
            if std::mem::take(&mut unasked) && !questions.contains(&who(views)) {
                questions.push(who(views));
            }
            desk.answer(questions, views, transaction.now, answers, |question| match (question, learner) {
                (Question::SpamProbability, Some(learner)) => {
                    learner.answer(features.get_or_insert_with(|| learner.features(views)), views, taught)
                }
                _ => memory.answer(question, views),
            });
        });
    let mut answers = answers;
    if unasked {
        desk.answer(vec![who(&views)], &views, transaction.now, &mut answers, |_| engine::Answer::Unknown);
        verdict.authentication = answers.authentication().cloned();
    }
    if let Some(resolver) = resolver {
        answers::tell(&answers, answers::Points::of(config), &mut verdict);
        answers::leave_alone(resolver, settings, &verdict);
    }
    let mut troubles: Vec<String> = scanned.iter().filter_map(Scanned::trouble).collect();
    let mut store_errors = 0;
    let now = environment::now();
    if let Err(error) = memory.remember_score(&verdict, &answers) {
        troubles.push(format!("reputation: {error}"));
        store_errors += 1;
    }
    if let Some(signatures) = &signatures.signatures {
        match store {
            Some(store) => {
                let allowed = Allowed { store, now };
                if let Err(error) = signatures.judge_with_lists(&views, &allowed, scratch, &mut verdict) {
                    troubles.push(format!("lists: {error}; no signature was allowed"));
                    store_errors += 1;
                }
            }
            None => signatures.judge(&views, scratch, &mut verdict),
        }
    }
    if let Some(learner) = learner.as_ref().filter(|_| scan.content.omitted.is_none()) {
        let unasked = Unasked { config, engine, store, scan, verdict: &verdict, views: &views, now };
        troubles.extend(learner.after(&unasked, features).err().map(|error| format!("learn: {error:#}")));
    }
    if scan.content.omitted.is_some() {
        verdict.add(Hit::new("OVERSIZED", 0.0, "Longer than is judged: beginning and end were looked at"));
    }
    for (rule, score, description) in gate.facts(scan) {
        verdict.add(Hit::new(rule, score, description));
    }
    for hit in scanned.iter().filter_map(Scanned::hit) {
        verdict.add(hit);
    }
    let wish = authentication::wish(config, scan, &verdict, &views).map(|(wish, hit)| {
        verdict.add(hit);
        wish
    });
    let stamp = environment::stamp();
    if scan.want != Want::Decision {
        if let Some(user) = &scan.user {
            let mut actions = config.actions.clone();
            lookup.wishes(store, user).changes.apply(&mut actions);
            if actions.required > 0.0 {
                verdict.required = actions.required;
                verdict.spam = verdict.score >= actions.required;
            }
        }
        return judgement(engine, scan, &transaction, &verdict, &views, &stamp);
    }

    let lists =
        store.map(|store| lists::matching(store, scan, &transaction, &views, now)).unwrap_or(Ok(Default::default()));
    let mut categories = category::of(scan, &transaction.message, &verdict, &config.banned, &config.categories);
    categories.extend(scanned.iter().filter_map(Scanned::category));
    categories.sort_by_key(|(category, _)| *category);
    categories.dedup_by_key(|(category, _)| *category);
    let findings = Findings {
        via,
        verdict: &verdict,
        categories,
        lists: lists.unwrap_or_else(|error| {
            troubles.push(format!("lists: {error}; judged without them"));
            store_errors += 1;
            Default::default()
        }),
        wishes: scan
            .recipients
            .iter()
            .map(|path| lookup.wishes(store, &String::from_utf8_lossy(&path.address)))
            .collect(),
    };
    for wishes in &findings.wishes {
        troubles.extend(wishes.troubles.iter().cloned());
    }
    let mut fates = policy::fates(config, scan, &findings);
    if let Some(wish) = &wish {
        authentication::follow(wish, &mut fates, |fate| {
            let named = lists::of(&findings.lists, &String::from_utf8_lossy(&fate.recipient.address));
            named.decision().is_some_and(|entry| entry.effect == store::lists::Effect::Allow)
        });
    }
    if let Some(why) = scanned.iter().find_map(Scanned::defers) {
        defer(&mut fates, &why);
    }
    if let Some(store) = store.filter(|_| scan.peer.local) {
        pass_released(store, scan, &mut fates, now);
    }
    if peer != (Peer::Relays { each: true }) {
        split::reconcile(&mut fates, store.is_some());
    }
    if matches!(peer, Peer::Relays { .. }) {
        split::without_holding(&mut fates, store.is_some());
    }
    if let (Some(store), Some(found)) = (store, &verdict.authentication)
        && let Err(error) =
            dmarc::collect(config, store, scan, found, wish.as_ref().and_then(Wish::reason), &fates, now)
    {
        troubles.push(format!("reports: {error}"));
        store_errors += 1;
    }
    if let Err(error) = memory.meet(&fates, &views).and_then(|()| memory.mention(&fates, &answers)) {
        troubles.push(format!("reputation: {error}"));
        store_errors += 1;
    }
    let mut kept = vec![None; fates.len()];
    if let Err(error) = quarantined(store, scan, &mut fates, &views, &mut kept) {
        troubles.push(format!("quarantine: {error:#}; the message was deferred"));
        store_errors += 1;
        // What was kept for others stays kept: they get it twice rather than not at all.
        fates.iter_mut().filter(|fate| !fate.actions.observe).for_each(|fate| fate.action = Action::Defer);
    }
    // What could not be kept is held, or comes again: for all, where one answer is for all.
    let not_kept = |fate: &Fate| matches!(fate.effective(), Action::Hold | Action::Defer);
    if peer != (Peer::Relays { each: true }) && fates.iter().any(not_kept) {
        split::reconcile(&mut fates, false);
    }
    if let Some(store) = store.filter(|_| config.notify.is_used())
        && let Err(error) = notify(config, store, scan, &fates, &verdict, &transaction.message, &views)
    {
        troubles.push(format!("notices: {error:#}"));
    }
    let mut headers = Headers {
        config,
        engine,
        stamp: &stamp,
        views: &views,
        content: &scan.content.bytes,
        made: Vec::new(),
        results: None,
    };
    let told: Vec<Told> = fates.iter().map(|fate| told(fate, &verdict, &mut headers)).collect();
    let mut plan = match peer {
        Peer::Relays { .. } => split::for_relay(scan, &told),
        Peer::KeepsMessage { copies } => split::for_mail_server(scan, &told, copies),
    };
    let results = verdict.authentication.as_deref().and_then(|found| {
        let text = field::field(config.authentication.name(), found);
        Some(signing::arc::Results { text, chain: signing::arc::Chain::of(found)? })
    });
    signing::add(signer, config, scan, &fates, results.as_ref(), &mut plan, environment::unix_time());
    troubles.append(&mut plan.troubles);
    let mut line = Line::of(scan, &verdict);
    line.tell(&fates);
    line.troubles.extend(troubles);
    line.store_errors = store_errors;
    let entry = remembers.then(|| entry(scan, &verdict, &line, &fates, &kept, &transaction.message, &views));
    Outcome { answer: plan.answer, copies: plan.copies, line, entry, verdict: Some(verdict) }
}

/// What would be delivered comes again later; what is stopped stays stopped.
fn defer(fates: &mut [Fate], why: &str) {
    for fate in fates
        .iter_mut()
        .filter(|fate| matches!(fate.action, Action::Pass | Action::Tag | Action::Redirect(_) | Action::Hold))
    {
        fate.action = Action::Defer;
        fate.reason = why.to_owned();
    }
}

/// For who asks for a judgement and acts on it himself.
fn judgement(
    engine: &Engine,
    scan: &Scan,
    transaction: &Transaction,
    verdict: &Verdict,
    views: &Views<'_>,
    stamp: &Stamp,
) -> Outcome {
    let tags = Tags { style: &engine.style, stamp, verdict, views };
    let text = match scan.want {
        Want::Message | Want::Headers => rewrite(&transaction.message, &tags), // the session sends what was asked for
        Want::Symbols => verdict.hits.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>().join(",").into_bytes(),
        Want::Report => tags.report(),
        Want::ReportIfSpam if verdict.spam => tags.report(),
        _ => Vec::new(),
    };
    let judgement =
        Judgement { spam: verdict.spam, score: verdict.score, threshold: verdict.required, text: Some(text) };
    let line = Line { action: "told", ..Line::of(scan, verdict) };
    let answer = Answer { judgement: Some(judgement), ..Answer::default() };
    Outcome { answer, copies: Vec::new(), line, entry: None, verdict: Some(verdict.clone()) }
}

/// Keeps the copies that are to be kept and are not from an earlier try, one entry for each reason; each recipient's copy
/// learns its id.
fn quarantined(
    store: Option<&Store>,
    scan: &Scan,
    fates: &mut [Fate],
    views: &Views<'_>,
    kept: &mut [Option<Id>],
) -> anyhow::Result<()> {
    if !fates.iter().any(|fate| *fate.effective() == Action::Quarantine) {
        return Ok(());
    }
    let message = once::message(scan);
    if let Some(store) = store {
        let held = Held::of(store, &message)?;
        for (fate, kept) in
            fates.iter().zip(kept.iter_mut()).filter(|(fate, _)| *fate.effective() == Action::Quarantine)
        {
            *kept = held.for_recipient(&fate.recipient.address);
        }
    }
    for at in 0..fates.len() {
        if *fates[at].effective() != Action::Quarantine || kept[at].is_some() {
            continue;
        }
        let alike = |fate: &Fate| {
            *fate.effective() == Action::Quarantine
                && (fate.category, &fate.reason) == (fates[at].category, &fates[at].reason)
        };
        let of: Vec<usize> =
            (at..fates.len()).filter(|other| kept[*other].is_none() && alike(&fates[*other])).collect();
        let recipients = of.iter().map(|at| fates[*at].recipient.address.clone().into()).collect();
        match keep(store, scan, message, &fates[at], recipients, views) {
            Ok(id) => of.iter().for_each(|at| kept[*at] = Some(id)),
            // Only its beginning and end are here; the whole of it is where it came from.
            Err(_) if scan.content.omitted.is_some() => of.iter().for_each(|at| fates[*at].action = Action::Hold),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A message that somebody released comes by here once more where the mail server shows us its local mail: it is the one
/// that is held, byte for byte, and its release has just begun.
fn pass_released(store: &Store, scan: &Scan, fates: &mut [Fate], now: Time) {
    let hash = Hash::of(&scan.content.bytes);
    for fate in fates {
        let query = quarantine::Query { recipient: Some(fate.recipient.address.clone().into()), ..Default::default() };
        let held = store.quarantine().list(&query).map(|page| page.entries).unwrap_or_default();
        let released = held.iter().find(|entry| {
            entry.content == Some(hash)
                && entry.recipients.iter().any(|to| {
                    let state = match &to.state {
                        State::Releasing { since, .. } => Some(*since),
                        State::Released { at, .. } => Some(*at),
                        State::Held | State::Deleted { .. } => None,
                    };
                    to.recipient.0.eq_ignore_ascii_case(&fate.recipient.address)
                        && state.is_some_and(|at| now.since(at) < RELEASED)
                })
        });
        if let Some(entry) = released {
            fate.action = Action::Pass;
            fate.reason = format!("released from quarantine: {}; {}", entry.id, fate.reason);
        }
    }
}

/// What the reason begins with where we only watched.
pub const OBSERVED: &str = "observed only";

/// A released message is let pass for so long.
const RELEASED: Duration = Duration::from_secs(3600);

/// Whoever is to be told about this message has it coming when this returns.
fn notify(
    config: &Config,
    store: &Store,
    scan: &Scan,
    fates: &[Fate],
    verdict: &Verdict,
    message: &Message,
    views: &Views<'_>,
) -> anyhow::Result<()> {
    let about = notices::About {
        sender: sender(scan).lossy(),
        from: from(views),
        subject: subject(views),
        client: client(scan),
        queue_id: scan.queue_id.clone().unwrap_or_default(),
        rules: verdict.hits.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>().join(", "),
        header: message.pristine_header(),
    };
    let notices = notices::of(config, fates, &about)?;
    if notices.is_empty() { Ok(()) } else { once::enqueue(store, &once::message(scan), &notices) }
}

/// Puts the message where it can be released from; on stable storage when this returns.
fn keep(
    store: Option<&Store>,
    scan: &Scan,
    message: Hash,
    fate: &Fate,
    recipients: Vec<Bytes>,
    views: &Views<'_>,
) -> anyhow::Result<Id> {
    let store = store.context("there is no store")?;
    if scan.content.omitted.is_some() {
        anyhow::bail!("larger than limits.message");
    }
    let new = quarantine::NewEntry {
        message: Some(message),
        queue_id: scan.queue_id.clone().unwrap_or_default(),
        sender: sender(scan),
        recipients,
        subject: subject(views),
        from: from(views),
        client_address: client(scan),
        category: fate.category.map_or("clean", Category::name).into(),
        reason: fate.reason.clone(),
        score: fate.score,
        details: Default::default(),
    };
    let at = environment::now();
    Ok(store.quarantine().put(at, &environment::secret_random()?, new, &scan.content.bytes)?.id)
}

fn entry(
    scan: &Scan,
    verdict: &Verdict,
    line: &Line,
    fates: &[Fate],
    kept: &[Option<Id>],
    message: &Message,
    views: &Views<'_>,
) -> history::Entry {
    let recipients = fates.iter().zip(kept).map(|(fate, kept)| history::ForRecipient {
        recipient: fate.recipient.address.clone().into(),
        score: fate.score,
        action: fate.word().to_owned(),
        reason: if fate.actions.observe { format!("{OBSERVED}; {}", fate.reason) } else { fate.reason.clone() },
        quarantined: *kept,
    });
    let mut categories: Vec<_> = fates.iter().filter_map(|fate| fate.category).collect();
    categories.sort();
    categories.dedup();
    let relays = views.relays();
    let mut details = for_statistics(message, views);
    details.extend(verdict.authentication.iter().flat_map(|found| authentication::details(found)));
    history::Entry {
        queue_id: scan.queue_id.clone().unwrap_or_default(),
        message_id: message.headers().last("message-id").map(|field| field.decoded.clone()).unwrap_or_default().into(),
        listener: scan.peer.server.listener.clone().unwrap_or_default(),
        direction: line.direction.into(),
        client_address: client(scan),
        client_name: scan.peer.name.clone().unwrap_or_default(),
        helo: scan.peer.helo.clone().unwrap_or_default().into(),
        login: line.login.clone().unwrap_or_default(),
        sender: sender(scan),
        recipients: recipients.collect(),
        subject: subject(views),
        from: from(views),
        size: scan.content.size(),
        categories: categories.into_iter().map(|category| category.name().to_owned()).collect(),
        relays: [&relays.trusted_text, &relays.untrusted_text]
            .into_iter()
            .flat_map(|hops| String::from_utf8_lossy(hops).split_inclusive(" ]").map(str::to_owned).collect::<Vec<_>>())
            .map(|hop| hop.trim().to_owned())
            .filter(|hop| !hop.is_empty())
            .collect(),
        troubles: line.troubles.clone(),
        details,
        ..history::Entry::of_verdict(verdict)
    }
}

/// What statistics ask of a message that is gone: by what name it would be taught, its language, and who handed it over.
fn for_statistics(message: &Message, views: &Views<'_>) -> BTreeMap<String, String> {
    let body = &views.text().body.bytes;
    let language = workshop::statistics::language_of(&String::from_utf8_lossy(&body[..body.len().min(4_000)]));
    let mut details = BTreeMap::from([
        (counted::DIGEST.to_owned(), format!("{:032x}", learn::digest(message))),
        (counted::LANGUAGE.to_owned(), language.to_owned()),
    ]);
    let handed_over_by = counted::handed_over_by(views).map(|address| address.to_string());
    details.extend(handed_over_by.map(|address| (counted::HANDED_OVER_BY.to_owned(), address)));
    details
}

/// As a reader sees it, whatever its label says.
fn subject(views: &Views<'_>) -> String {
    views.text().subject.trim().to_owned()
}

fn from(views: &Views<'_>) -> String {
    views.text().from_name.trim().to_owned()
}

fn sender(scan: &Scan) -> Bytes {
    scan.sender.as_ref().map(|path| path.address.clone()).unwrap_or_default().into()
}

fn client(scan: &Scan) -> String {
    scan.peer.address.map(|address| address.to_string()).unwrap_or_default()
}

/// What is said of one recipient; a quarantined copy need not be delivered, once it is kept here.
fn told(fate: &Fate, verdict: &Verdict, headers: &mut Headers<'_>) -> Told {
    let said = |decision| Told { decision, edits: Vec::new(), redirect: None };
    match fate.effective() {
        Action::Reject => said(Decision::Reject(Refusal::new(554, (7, 1), fate.refusal()))),
        Action::Defer => said(Decision::Defer(Refusal::new(451, (7, 1), "Not taken now; please try again"))),
        Action::Discard | Action::Quarantine => said(Decision::Discard),
        Action::Hold => {
            Told { edits: headers.of(fate, verdict), ..said(Decision::Quarantine(format!("sekisho: {}", fate.reason))) }
        }
        Action::Redirect(to) => {
            Told { edits: headers.of(fate, verdict), redirect: Some(to.clone()), ..said(Decision::Accept) }
        }
        Action::Tag => Told { edits: headers.of(fate, verdict), ..said(Decision::Accept) },
        Action::Pass => Told { edits: headers.of_passing(fate, verdict), ..said(Decision::Accept) },
    }
}

/// Our headers on top, foreign ones away, and the subject as the rules want it; made once for recipients who get the same.
struct Headers<'a> {
    config: &'a Config,
    engine: &'a Engine,
    stamp: &'a Stamp,
    views: &'a Views<'a>,
    content: &'a [u8],
    made: Vec<(Fate, Vec<Edit>)>,
    /// Who sent it, as changes.
    results: Option<Vec<Edit>>,
}

impl Headers<'_> {
    /// What nothing else is written on says who sent it; where we only watch, not even that.
    fn of_passing(&mut self, fate: &Fate, verdict: &Verdict) -> Vec<Edit> {
        match fate.actions.observe || self.config.authentication.mail == Marked::Marked {
            true => Vec::new(),
            false => self.results(fate, verdict),
        }
    }

    fn results(&mut self, fate: &Fate, verdict: &Verdict) -> Vec<Edit> {
        let (settings, content) = (&self.config.authentication, self.content);
        let incoming = verdict.authentication.as_deref();
        let Some(found) = incoming.filter(|found| authentication::is_incoming(fate.direction, found)) else {
            // Where we verify nothing, a program beside us may, in the host's name: a name that was given is ours.
            let ours = verdict.authentication.is_some() || !settings.name.is_empty();
            return if ours { field::without_forged(settings, content) } else { Vec::new() };
        };
        self.results.get_or_insert_with(|| field::edits(settings, found, content)).clone()
    }

    fn of(&mut self, fate: &Fate, verdict: &Verdict) -> Vec<Edit> {
        let alike = |made: &Fate| {
            (made.score, made.required, made.spam, made.category, made.direction)
                == (fate.score, fate.required, fate.spam, fate.category, fate.direction)
                && made.actions == fate.actions
        };
        if let Some((_, edits)) = self.made.iter().find(|(made, _)| alike(made)) {
            return edits.clone();
        }
        let mut edits = self.make(fate, verdict);
        edits.extend(self.results(fate, verdict));
        self.made.push((fate.clone(), edits.clone()));
        edits
    }

    fn make(&self, fate: &Fate, verdict: &Verdict) -> Vec<Edit> {
        let own = Verdict { score: fate.score, required: fate.required, spam: fate.spam, ..verdict.clone() };
        let tags = Tags { style: &self.engine.style, stamp: self.stamp, verdict: &own, views: self.views };
        let mut edits = Vec::new();
        if fate.actions.remove_foreign_headers {
            edits = edit::remove_fields(self.content, |name, _| {
                // The mark tells how often the message has been here.
                OURS.iter().any(|ours| starts_with(name, ours)) && !name.eq_ignore_ascii_case(MARK.as_bytes())
            });
        }
        if let Some(category) =
            fate.category.filter(|category| !matches!(category, Category::Spam | Category::BadHeader))
        {
            edits.push(Edit::top("X-Sekisho-Alert", category.name()));
        }
        let added = tags.added_headers();
        edit::each_field(&added, |name, value, _| {
            edits.push(Edit::InsertHeader { index: 0, name: name.to_vec(), value: value.trim_ascii_start().to_vec() });
        });
        if let Some(template) = tags.style.rewrite_subject.as_ref().filter(|_| fate.spam) {
            let mut subject = Vec::new();
            edit::each_field(self.content, |name, value, index| {
                if index == 1 && name.eq_ignore_ascii_case(b"Subject") {
                    subject = value.to_vec();
                }
            });
            let value = [&tags.expand(template)[..], b" ", subject.trim_ascii_start()].concat();
            edits.push(Edit::ReplaceHeader { name: b"Subject".to_vec(), index: 1, value });
        }
        edits
    }
}

/// Fields that only we write.
const OURS: &[&[u8]] = &[b"X-Spam-", b"X-Sekisho-"];

fn starts_with(name: &[u8], start: &[u8]) -> bool {
    name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start))
}

/// Where there is no verdict.
pub fn without_verdict(config: &Config, late: bool) -> Answer {
    let text = if late { "Not judged in time; please try again" } else { "Could not be judged; please try again" };
    match config.limits.late {
        _ if config.mode == Mode::Observe => Answer::accept(),
        Late::Pass => Answer::accept(),
        // Unless it can be kept: see `late`.
        Late::Defer | Late::Quarantine => Answer::decide(Decision::Defer(Refusal::new(451, (7, 1), text))),
    }
}
