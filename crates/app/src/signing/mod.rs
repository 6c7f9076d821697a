//! Signs our users' mail (DKIM, RFC 6376 and 8463), and seals what we hand on (ARC, RFC 8617).
//!
//! In: a message with the changes that were decided for it. Out: header fields that go on top of those, as further changes,
//! so that milter and proxy sign alike. What is signed is the message as it leaves us: everything else must have been
//! decided before. Which mail is ours is said by its direction, and a key is used for authors of its own domain only.
//!
//! Not mail-auth's signer, which verifies here: it signs a message, not one with changes, and does not sign fields that
//! are missing. ring makes the signatures; what stands around them is a page.

pub mod arc;
mod canonical;
pub mod key;

use crate::config::dkim::{Arc as ArcConfig, Canonicalization, Dkim, Form, Key as Written, OnError, Seal};
use crate::config::{Config, Direction, Mode};
use crate::policy::Fate;
use crate::policy::split::Plan;
use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use key::Key;
use mail::mime::address;
use protocols::{Decision, Edit, Refusal, Scan, edit};

/// The keys of a configuration, read and found usable.
pub struct Signer {
    dkim: Dkim,
    arc: ArcConfig,
    keys: Vec<(Written, Key)>,
    /// What is not as it should be and no reason to stop.
    pub notes: Vec<String>,
}

/// Fields signed in one message, at most; senders choose how many there are.
const FIELDS: usize = 200;

impl Signer {
    /// All that is wrong at once.
    pub fn load(config: &Config) -> anyhow::Result<Signer> {
        let (mut keys, mut notes, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for written in &config.dkim.key {
            match Key::read(&written.file) {
                Ok((key, open)) => {
                    notes.extend(open.map(|open| format!("dkim: {open}")));
                    keys.push((written.clone(), key));
                }
                Err(error) => wrong.push(format!("dkim.key: {error:#}")),
            }
        }
        if !wrong.is_empty() {
            bail!("{}", wrong.join("\n  "));
        }
        Ok(Signer { dkim: config.dkim.clone(), arc: config.arc.clone(), keys, notes })
    }

    /// As at the start: which keys there are.
    pub fn describe(&self) -> Vec<String> {
        let each = |(written, key): &(Written, Key)| {
            format!("dkim: {} with {} ({})", written.domains.join(", "), written.selector, key.describe())
        };
        self.keys.iter().map(each).collect()
    }

    /// Signatures for a message as it leaves us: one for each key of its author's domain.
    fn sign(&self, message: &[u8], now: i64) -> anyhow::Result<Vec<Edit>> {
        let (fields, body) = edit::split(message);
        let Some(domain) = author(&fields) else { return Ok(Vec::new()) };
        let keys = self.keys.iter().filter_map(|(written, key)| Some((signs_for(written, &domain)?, written, key)));
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            return Ok(Vec::new());
        }
        let form = self.dkim.canonicalization;
        let names = signed_names(&fields, &self.dkim.headers, &self.dkim.oversign)?;
        let hash = canonical::body_hash(form.body, body);
        let each = |(domain, written, key): (&str, &Written, &Key)| {
            let expires = self.dkim.expires.0.as_secs();
            let times = match expires {
                0 => format!("t={now}"),
                _ => format!("t={now}; x={}", now.saturating_add(i64::try_from(expires).unwrap_or(i64::MAX))),
            };
            let start = format!(
                "v=1; a={}; c={}/{}; d={domain}; s={};\n\t{times};",
                key.algorithm(),
                form.header.name(),
                form.body.name(),
                written.selector
            );
            let value = signature("DKIM-Signature", start, &fields, &names, form, &hash, key)?;
            Ok(Edit::top("DKIM-Signature", value))
        };
        keys.map(each).collect()
    }
}

/// Keys that this user, whom the service will become, may not read.
pub fn closed_to(config: &Config, user: crate::owner::Owner) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let may = |about: &std::fs::Metadata| match about.mode() {
        mode if about.uid() == user.user => mode & 0o400 != 0,
        mode if about.gid() == user.group => mode & 0o040 != 0,
        mode => mode & 0o004 != 0,
    };
    let files = config.dkim.key.iter().map(|key| &key.file);
    let closed = files.filter(|file| file.metadata().is_ok_and(|about| !may(&about)));
    let who = match config.service.user.as_str() {
        "" => user.user.to_string(),
        name => name.to_owned(),
    };
    closed.map(|file| format!("dkim.key: {0}: not for {who} to read: chown {who} {0}", file.display())).collect()
}

/// Signs what a plan lets out, where it is ours to sign; seals it where that is wanted, with `results`: what was found out
/// of who sent it, if that was looked at.
pub fn add(
    signer: &Signer,
    config: &Config,
    scan: &Scan,
    fates: &[Fate],
    results: Option<&arc::Results>,
    plan: &mut Plan,
    now: i64,
) {
    let goes = |directions: &[Direction]| fates.iter().any(|fate| directions.contains(&fate.direction));
    let observed = config.mode == Mode::Observe || fates.iter().all(|fate| fate.actions.observe);
    if observed || signer.keys.is_empty() {
        return;
    }
    let ours = goes(&signer.dkim.sign);
    let sealed = match signer.arc.seal {
        Seal::No => false,
        Seal::Inbound => goes(&[Direction::Inbound]),
        Seal::Forwarded => goes(&[Direction::Outbound, Direction::Internal]),
        Seal::Both => true,
    };
    if !(ours || sealed) {
        return;
    }
    let sign = |edits: &mut Vec<Edit>| -> anyhow::Result<()> {
        if scan.content.omitted.is_some() {
            let message = edit::apply(&scan.content.bytes, edits);
            let (fields, _) = edit::split(&message);
            let known = author(&fields)
                .is_some_and(|domain| signer.keys.iter().any(|(written, _)| signs_for(written, &domain).is_some()));
            return if ours && known { Err(anyhow::anyhow!("it is longer than limits.message")) } else { Ok(()) };
        }
        let message = edit::apply(&scan.content.bytes, edits);
        let signatures = if ours { signer.sign(&message, now)? } else { Vec::new() };
        let mut top = if signatures.is_empty() && sealed {
            results.map_or(Ok(Vec::new()), |results| signer.seal(&message, results, now))?
        } else {
            signatures
        };
        top.append(edits);
        *edits = top;
        Ok(())
    };
    let mut failed = None;
    let leaves = |decision: &Decision| matches!(decision, Decision::Accept | Decision::Quarantine(_));
    // Who hands the message on himself has it from the copies.
    if plan.answer.recipients.is_empty() && leaves(&plan.answer.decision) {
        failed = sign(&mut plan.answer.edits).err();
    }
    for copy in &mut plan.copies {
        failed = failed.or(sign(&mut copy.edits).err());
    }
    let Some(error) = failed else { return };
    match signer.dkim.on_error {
        OnError::Pass => plan.troubles.push(format!("not signed: {error:#}")),
        OnError::Defer => {
            plan.troubles.push(format!("not signed: {error:#}; the message was deferred"));
            let later = || Decision::Defer(Refusal::new(451, (7, 5), "Message cannot be signed now; please try again"));
            plan.copies.clear();
            plan.answer.edits.clear();
            plan.answer.recipients.iter_mut().filter(|each| leaves(each)).for_each(|each| *each = later());
            if leaves(&plan.answer.decision) {
                plan.answer.decision = later();
            }
        }
    }
}

type Field<'m> = (&'m [u8], &'m [u8]);

/// The domain of the first author, if there is one From field.
fn author(fields: &[Field<'_>]) -> Option<String> {
    let mut from = fields.iter().filter(|(name, _)| is(name, "From"));
    let (_, value) = from.next().filter(|_| from.next().is_none())?;
    let unfolded: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let address = address::parse(&unfolded).into_iter().find_map(|found| found.address)?;
    let domain = address.rsplit(|byte| *byte == b'@').next()?.to_ascii_lowercase();
    let domain = String::from_utf8(domain).ok()?;
    crate::config::dkim::is_domain(&domain).then_some(domain)
}

fn is(name: &[u8], wanted: &str) -> bool {
    name.trim_ascii_end().eq_ignore_ascii_case(wanted.as_bytes())
}

/// In which domain's name this key signs for that one.
fn signs_for<'k>(key: &'k Written, domain: &str) -> Option<&'k str> {
    let below = |own: &str| {
        key.subdomains
            && domain.len() > own.len()
            && domain.as_bytes()[domain.len() - own.len() - 1] == b'.'
            && domain[domain.len() - own.len()..].eq_ignore_ascii_case(own)
    };
    // `is_domain` has seen both: they are ASCII.
    key.domains.iter().find(|own| own.eq_ignore_ascii_case(domain) || below(own)).map(String::as_str)
}

/// Names for `h=`: each as often as it is there, and once more where another one must not be added.
fn signed_names(fields: &[Field<'_>], headers: &[String], oversign: &[String]) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut done: Vec<&String> = Vec::new();
    for name in headers.iter().chain(oversign) {
        if done.iter().any(|before| before.eq_ignore_ascii_case(name)) {
            continue;
        }
        done.push(name);
        let there = fields.iter().filter(|(field, _)| is(field, name)).count();
        let more = usize::from(oversign.iter().any(|over| over.eq_ignore_ascii_case(name)));
        if names.len() + there + more > FIELDS {
            bail!("it has more than {FIELDS} fields to sign");
        }
        names.extend(std::iter::repeat_n(name.clone(), there + more));
    }
    Ok(names)
}

/// The whole value of a signature's field: `start`, what is signed, both hashes.
fn signature(
    field: &str,
    start: String,
    fields: &[Field<'_>],
    names: &[String],
    form: Canonicalization,
    body: &[u8],
    key: &Key,
) -> anyhow::Result<String> {
    let mut value = start;
    value.push_str("\n\t");
    let mut line = 8;
    for (n, name) in names.iter().enumerate() {
        let piece = if n == 0 { format!("h={name}") } else { format!(":{name}") };
        fold(&mut value, &mut line, &piece);
    }
    value.push_str(&format!(";\n\tbh={};\n\tb=", STANDARD.encode(body)));

    let mut data = Vec::new();
    let mut used: Vec<(&str, usize)> = Vec::new();
    for name in names {
        // The last of several comes first.
        let at = match used.iter().position(|(before, _)| before.eq_ignore_ascii_case(name)) {
            Some(at) => at,
            None => {
                used.push((name, 0));
                used.len() - 1
            }
        };
        let mut found = fields.iter().rev().filter(|(field, _)| is(field, name)).skip(used[at].1);
        used[at].1 += 1;
        if let Some((name, value)) = found.next() {
            canonical::field(form.header, name, value, &mut data);
        }
    }
    own_field(form.header, field, &value, &mut data);
    let signed = STANDARD.encode(key.sign(&data)?);
    fold_all(&mut value, &signed);
    Ok(value)
}

/// A signature's own field ends what is signed, without its line end.
fn own_field(form: Form, name: &str, value: &str, data: &mut Vec<u8>) {
    canonical::field(form, name.as_bytes(), format!(" {value}").as_bytes(), data);
    data.truncate(data.len().saturating_sub(2));
}

/// RFC 5322 asks for lines of 78.
const LINE: usize = 76;

fn fold(value: &mut String, line: &mut usize, piece: &str) {
    if *line + piece.len() > LINE {
        value.push_str("\n\t ");
        *line = 9;
    }
    value.push_str(piece);
    *line += piece.len();
}

fn fold_all(value: &mut String, base64: &str) {
    let mut rest = base64;
    let mut room = LINE - 10;
    while rest.len() > room {
        let (now, after) = rest.split_at(room);
        value.push_str(now);
        value.push_str("\n\t ");
        (rest, room) = (after, LINE - 9);
    }
    value.push_str(rest);
}

#[cfg(test)]
mod tests;
